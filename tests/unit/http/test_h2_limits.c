/* SPDX-License-Identifier: MIT */
/* What is borne of a peer that sends frames for nothing. */
#include "support/test.h"

#include "http/h2_session.h"

#define MAX_HEADERS 65536
#define START       BL_MS(5000)

static bool allow(struct bl_h2_limits *l, uint8_t type, uint8_t flags, uint32_t length,
                  uint64_t now)
{
    const uint8_t header[BL_H2_FRAME_HEADER] = {(uint8_t)(length >> 16), (uint8_t)(length >> 8),
                                                (uint8_t)length, type, flags};
    const char *why = NULL;
    bool allowed = bl_h2_limits_allow(l, header, MAX_HEADERS, now, &why);

    assert_int_equal(bl_h2_frame_length(header), length);
    assert_true(allowed == !why);
    return allowed;
}

/* How many of them are borne in no time; at most 200,000. */
static unsigned borne(struct bl_h2_limits *l, uint8_t type, uint8_t flags, uint32_t length,
                      uint64_t now)
{
    unsigned n = 0;

    while (n < 200000 && allow(l, type, flags, length, now))
        n++;
    return n;
}

static void each_kind_has_a_measure_of_its_own(void **state)
{
    static const struct {
        uint8_t type, flags;
        uint32_t length;
        unsigned n;
    } kinds[] = {
        {NGHTTP2_SETTINGS, 0, 0, 1000},       {NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, 1000},
        {NGHTTP2_PING, 0, 8, 1000},           {NGHTTP2_PING, NGHTTP2_FLAG_ACK, 8, 1000},
        {NGHTTP2_RST_STREAM, 0, 4, 1000},     {NGHTTP2_DATA, 0, 0, 1000},
        {NGHTTP2_HEADERS, 0, 0, 1000},        {NGHTTP2_CONTINUATION, 0, 0, 1000},
        {NGHTTP2_WINDOW_UPDATE, 0, 4, 10000}, {NGHTTP2_PRIORITY, 0, 5, 10000},
        {NGHTTP2_GOAWAY, 0, 8, 10000},        {0xee, 0, 0, 10000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct bl_h2_limits l = {.drained_at = START};

        assert_int_equal(borne(&l, kinds[i].type, kinds[i].flags, kinds[i].length, START),
                         kinds[i].n);
    }
}

static void what_carries_something_is_not_counted(void **state)
{
    struct bl_h2_limits l = {.drained_at = START};

    (void)state;
    assert_int_equal(borne(&l, NGHTTP2_DATA, 0, 1, START), 200000);
    assert_int_equal(borne(&l, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 0, START), 200000);
    assert_int_equal(borne(&l, NGHTTP2_HEADERS, 0, 100, START), 200000);
}

static void kinds_do_not_add_up(void **state)
{
    struct bl_h2_limits l = {.drained_at = START};

    (void)state;
    assert_int_equal(borne(&l, NGHTTP2_PING, 0, 8, START), 1000);
    assert_int_equal(borne(&l, NGHTTP2_RST_STREAM, 0, 4, START), 1000);
    assert_int_equal(borne(&l, NGHTTP2_SETTINGS, 0, 0, START), 0); /* the same as PING */
}

static void time_drains_them(void **state)
{
    struct bl_h2_limits l = {.drained_at = START};

    (void)state;
    assert_int_equal(borne(&l, NGHTTP2_PING, 0, 8, START), 1000);
    assert_int_equal(borne(&l, NGHTTP2_PING, 0, 8, START + BL_MS(999)), 0);
    assert_int_equal(borne(&l, NGHTTP2_PING, 0, 8, START + BL_MS(1000)), 98); /* 2 were refused */
    assert_int_equal(borne(&l, NGHTTP2_PING, 0, 8, START + BL_MS(3600000)), 1000);
}

static void what_we_send_pays_for_answers(void **state)
{
    struct bl_h2_limits l = {.drained_at = START};

    (void)state;
    for (int i = 0; i < 100000; i++) {
        bl_h2_limits_earn(&l, NGHTTP2_HEADERS, 30);
        assert_true(allow(&l, NGHTTP2_RST_STREAM, 0, 4, START));
        bl_h2_limits_earn(&l, NGHTTP2_DATA, 1);
        assert_true(allow(&l, NGHTTP2_WINDOW_UPDATE, 0, 4, START));
        assert_true(allow(&l, NGHTTP2_WINDOW_UPDATE, 0, 4, START));
        assert_true(allow(&l, NGHTTP2_PING, 0, 8, START));
    }
    bl_h2_limits_earn(&l, NGHTTP2_PING, 8); /* nothing is bought by it */
    assert_int_equal(borne(&l, NGHTTP2_RST_STREAM, 0, 4, START), 1000 - 1);
}

/* As servers do whose programs read in small pieces. */
static void an_upload_whose_windows_come_back_in_pieces_is_borne(void **state)
{
    struct bl_h2_limits l = {.drained_at = START};

    (void)state;
    for (int i = 0; i < 100000; i++) {
        bl_h2_limits_earn(&l, NGHTTP2_DATA, 16384);
        for (int n = 0; n < 2 * 16; n++)
            assert_true(allow(&l, NGHTTP2_WINDOW_UPDATE, 0, 4, START));
    }
    assert_true(borne(&l, NGHTTP2_WINDOW_UPDATE, 0, 4, START) <= 10000); /* bounded all the same */
}

static void a_block_has_an_end(void **state)
{
    struct bl_h2_limits l = {.drained_at = START};

    (void)state;
    assert_true(allow(&l, NGHTTP2_HEADERS, 0, 16384, START));
    assert_int_equal(borne(&l, NGHTTP2_CONTINUATION, 0, 16384, START),
                     (2 * MAX_HEADERS + 65536) / 16384 - 1);
    assert_true(allow(&l, NGHTTP2_HEADERS, 0, 16384, START)); /* another one */
    assert_true(allow(&l, NGHTTP2_CONTINUATION, 0, 16384, START));
}

/* Answers to what was cancelled cross the reset. */
static void resets_of_ours_pay_for_the_heads_that_cross_them(void **state)
{
    struct bl_h2_limits l = {0};

    (void)state;
    for (int i = 0; i < 5000; i++) {
        bl_h2_limits_earn(&l, NGHTTP2_RST_STREAM, 4);
        assert_true(bl_h2_limits_unwanted(&l, 0));
        assert_true(bl_h2_limits_unwanted(&l, 0));
    }
    for (int i = 0; i < 999; i++)
        bl_h2_limits_unwanted(&l, 0);
    assert_false(bl_h2_limits_unwanted(&l, 0));
    assert_true(bl_h2_limits_unwanted(&l, BL_MS(1000)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_a_measure_of_its_own),
        cmocka_unit_test(what_carries_something_is_not_counted),
        cmocka_unit_test(kinds_do_not_add_up),
        cmocka_unit_test(time_drains_them),
        cmocka_unit_test(what_we_send_pays_for_answers),
        cmocka_unit_test(an_upload_whose_windows_come_back_in_pieces_is_borne),
        cmocka_unit_test(a_block_has_an_end),
        cmocka_unit_test(resets_of_ours_pay_for_the_heads_that_cross_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
