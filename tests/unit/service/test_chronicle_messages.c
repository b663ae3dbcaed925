/* SPDX-License-Identifier: MIT */
/* The messages of Chronicle's ConnectionService, byte by byte. */
#include "service/chronicle_messages.h"

#include "support/failing_alloc.h"
#include "support/test.h"

#define SPAN(text) bl_span(text, sizeof(text) - 1)

static void expect(struct bl_buf *out, struct bl_span bytes)
{
    assert_int_equal(bl_buf_len(out), bytes.len);
    assert_memory_equal(bl_buf_head(out), bytes.data, bytes.len);
    bl_buf_clear(out);
}

static const struct bl_chronicle_connect full = {.connection_id = "id",
                                                 .client_version = "1",
                                                 .has_debugger = true,
                                                 .process_id = 300,
                                                 .process_path = "/p",
                                                 .machine_name = "m",
                                                 .client_type = "belay"};

static void messages_are_written_as_their_fields(void **state)
{
    static const struct bl_chronicle_connect bare = {.process_id = -1};
    struct bl_buf out = {0};
    struct bl_mem mem;

    (void)state;
    bl_mem_init(&mem, NULL);
    assert_int_equal(bl_chronicle_write_connect(&out, &mem, &full), 0);
    expect(&out, SPAN("\x0a\x02id\x12\x01\x31\x18\x01\x20\xac\x02\x2a\x02/p\x32\x01m\x3a\x05"
                      "belay"));
    assert_int_equal(bl_chronicle_write_connect(&out, &mem, &bare), 0);
    expect(&out, SPAN("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    assert_int_equal(bl_chronicle_write_keep_alive(&out, &mem, "id"), 0);
    expect(&out, SPAN("\x0a\x02id"));
    assert_int_equal(bl_chronicle_write_compatibility(&out, &mem, "t", "v", "", SPAN("\0\1")), 0);
    expect(&out, SPAN("\x0a\x01t\x12\x01v\x22\x02\0\1"));
    bl_buf_free(&out, &mem);
    assert_int_equal(mem.live, 0);
}

static void without_memory_nothing_is_written(void **state)
{
    struct failing_alloc failing;
    struct bl_buf out = {0};
    struct bl_mem mem;

    (void)state;
    failing_alloc_init(&failing);
    failing_alloc_once(&failing, 1);
    bl_mem_init(&mem, &failing.allocator);
    assert_int_equal(bl_chronicle_write_connect(&out, &mem, &full), BELAY_ENOMEM);
    assert_int_equal(bl_buf_len(&out), 0);
    bl_buf_free(&out, &mem);
    assert_int_equal(mem.live, 0);
}

static void a_keep_alive_is_read(void **state)
{
    struct bl_span id;

    (void)state;
    assert_int_equal(bl_chronicle_read_keep_alive(SPAN("\x0a\x02id"), &id), 0);
    assert_int_equal(id.len, 2);
    assert_memory_equal(id.data, "id", 2);
    assert_int_equal(bl_chronicle_read_keep_alive(SPAN(""), &id), 0);
    assert_int_equal(id.len, 0);
    assert_int_equal(bl_chronicle_read_keep_alive(SPAN("\x0d"
                                                       "1234\x11"
                                                       "12345678\x0a\x01x"),
                                                  &id),
                     0);
    assert_int_equal(id.len, 1);
}

static void what_is_no_message_is_refused(void **state)
{
    const struct bl_span bad[] = {
        SPAN("\x0a"),
        SPAN("\x0a\x03id"),
        SPAN("\x08"),
        SPAN("\x0d"
             "123"),
        SPAN("\x11"
             "1234567"),
        SPAN("\x0b"),
        SPAN("\x0c"),
        SPAN("\x0e"),
        SPAN("\x00\x01"),
        SPAN("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        SPAN("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    };
    struct bl_chronicle_compatibility compatibility;
    struct bl_span id;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(bl_chronicle_read_keep_alive(bad[i], &id), BELAY_EPROTO);
        assert_int_equal(bl_chronicle_read_compatibility(bad[i], &compatibility), BELAY_EPROTO);
    }
}

static void compatibility_is_read(void **state)
{
    struct bl_chronicle_compatibility c;

    (void)state;
    assert_int_equal(bl_chronicle_read_compatibility(SPAN("\x08\x01\x1a\x03"
                                                          "1.2\x2a\x01x"),
                                                     &c),
                     0);
    assert_true(c.compatible);
    assert_int_equal(c.reasons, 0);
    assert_int_equal(c.server_version.len, 3);
    assert_int_equal(bl_chronicle_read_compatibility(SPAN("\x12\x01y\x12\x02no"), &c), 0);
    assert_false(c.compatible);
    assert_int_equal(c.reasons, 2);
    assert_memory_equal(c.first_reason.data, "y", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_written_as_their_fields),
        cmocka_unit_test(without_memory_nothing_is_written),
        cmocka_unit_test(a_keep_alive_is_read),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(compatibility_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
