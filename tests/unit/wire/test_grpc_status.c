/* SPDX-License-Identifier: MIT */
/* Statuses of gRPC against the tables of its specification. */
#include "wire/grpc_status.h"

#include "base/assert.h"
#include "belay/error.h"
#include "support/failing_alloc.h"
#include "support/test.h"
#include "wire/credentials.h"

static struct bl_mem mem;

static void each_code_has_the_name_of_the_specification(void **state)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };

    (void)state;
    assert_int_equal(BL_COUNT(names), BELAY_GRPC_UNAUTHENTICATED + 1);
    for (int i = 0; i < (int)BL_COUNT(names); i++)
        assert_string_equal(belay_grpc_status_name(i), names[i]);
    assert_string_equal(belay_grpc_status_name(-1), "unknown status");
    assert_string_equal(belay_grpc_status_name(17), "unknown status");
}

static void grpc_status_is_a_plain_number(void **state)
{
    static const struct {
        const char *value;
        int status;
    } rows[] = {
        {"0", 0},   {"1", 1},  {"9", 9},   {"10", 10},        {"16", 16},
        {"17", 2},  {"99", 2}, {"", 2},    {"-1", 2},         {"+1", 2},
        {"00", 2},  {"01", 2}, {" 0", 2},  {"0 ", 2},         {"0x1", 2},
        {"1.0", 2}, {"OK", 2}, {"0,0", 2}, {"4294967296", 2}, {"18446744073709551616", 2},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++)
        if ((int)bl_grpc_status_parse(bl_span_of(rows[i].value)) != rows[i].status)
            fail_msg("\"%s\" is %d", rows[i].value,
                     (int)bl_grpc_status_parse(bl_span_of(rows[i].value)));
    assert_int_equal(bl_grpc_status_parse(bl_span(NULL, 0)), BELAY_GRPC_UNKNOWN);
}

static void http_statuses_map_as_specified(void **state)
{
    (void)state;
    for (int http = 0; http < 1000; http++) {
        int expected = BELAY_GRPC_UNKNOWN;

        if (http == 400 || http == 431)
            expected = BELAY_GRPC_INTERNAL;
        else if (http == 401)
            expected = BELAY_GRPC_UNAUTHENTICATED;
        else if (http == 403)
            expected = BELAY_GRPC_PERMISSION_DENIED;
        else if (http == 404)
            expected = BELAY_GRPC_UNIMPLEMENTED;
        else if (http == 429 || (http >= 502 && http <= 504))
            expected = BELAY_GRPC_UNAVAILABLE;
        if ((int)bl_grpc_status_of_http(http) != expected)
            fail_msg("%d is %s", http, belay_grpc_status_name((int)bl_grpc_status_of_http(http)));
    }
    assert_int_equal(bl_grpc_status_of_http(-1), BELAY_GRPC_UNKNOWN);
}

static void error_codes_of_http_2_map_as_specified(void **state)
{
    static const int expected[] = {
        BELAY_GRPC_INTERNAL,           /* NO_ERROR */
        BELAY_GRPC_INTERNAL,           /* PROTOCOL_ERROR */
        BELAY_GRPC_INTERNAL,           /* INTERNAL_ERROR */
        BELAY_GRPC_INTERNAL,           /* FLOW_CONTROL_ERROR */
        BELAY_GRPC_INTERNAL,           /* SETTINGS_TIMEOUT */
        BELAY_GRPC_INTERNAL,           /* STREAM_CLOSED: none is specified */
        BELAY_GRPC_INTERNAL,           /* FRAME_SIZE_ERROR */
        BELAY_GRPC_UNAVAILABLE,        /* REFUSED_STREAM */
        BELAY_GRPC_CANCELLED,          /* CANCEL */
        BELAY_GRPC_INTERNAL,           /* COMPRESSION_ERROR */
        BELAY_GRPC_INTERNAL,           /* CONNECT_ERROR */
        BELAY_GRPC_RESOURCE_EXHAUSTED, /* ENHANCE_YOUR_CALM */
        BELAY_GRPC_PERMISSION_DENIED,  /* INADEQUATE_SECURITY */
        BELAY_GRPC_INTERNAL,           /* HTTP_1_1_REQUIRED: none is specified */
    };

    (void)state;
    for (uint32_t code = 0; code < BL_COUNT(expected); code++)
        assert_int_equal(bl_grpc_status_of_h2(code), expected[code]);
    assert_int_equal(bl_grpc_status_of_h2(UINT32_MAX), BELAY_GRPC_INTERNAL);
}

static void assert_written(const char *message, const char *written)
{
    struct bl_buf out = {0};

    assert_int_equal(bl_grpc_message_write(bl_span_of(message), &out, &mem), 0);
    assert_int_equal(bl_buf_len(&out), strlen(written));
    if (bl_buf_len(&out) > 0)
        assert_memory_equal(bl_buf_head(&out), written, bl_buf_len(&out));
    bl_buf_free(&out, &mem);
}

static void assert_read(const char *value, const char *message, size_t message_len)
{
    size_t len;
    char *plain = bl_unescape(&mem, bl_span_of(value), &len);

    assert_non_null(plain);
    assert_int_equal(len, message_len);
    assert_memory_equal(plain, message, len);
    bl_free(&mem, plain);
}

/* The second is the message of the interoperability case special_status_message. */
static void messages_are_written_in_printable_ascii(void **state)
{
    (void)state;
    assert_written("", "");
    assert_written("\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP "
                   "\xf0\x9f\x98\x88\t\n",
                   "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP "
                   "%F0%9F%98%88%09%0A");
    assert_written("100% of ~ !\"#$&'()", "100%25 of ~ !\"#$&'()");
    assert_written("\x7f\x80\xff", "%7F%80%FF");
}

static void messages_are_read_and_broken_escapes_stay(void **state)
{
    (void)state;
    assert_read("%09%0a%E2%98%ba", "\t\n\xe2\x98\xba", 5);
    assert_read("100%", "100%", 4);
    assert_read("%2", "%2", 2);
    assert_read("%G1%1G%%41", "%G1%1G%A", 8);
    assert_read("%00", "\0", 1);
    assert_read("caf\xc3\xa9", "caf\xc3\xa9", 5);
    assert_read("a+b", "a+b", 3);
}

static void memory_may_be_out(void **state)
{
    struct failing_alloc alloc;
    struct bl_buf out = {0};
    struct bl_mem scarce;

    (void)state;
    failing_alloc_init(&alloc);
    bl_mem_init(&scarce, &alloc.allocator);
    failing_alloc_once(&alloc, 1);
    assert_int_equal(bl_grpc_message_write(bl_span_of("x"), &out, &scarce), BELAY_ENOMEM);
    assert_int_equal(bl_buf_len(&out), 0);
    assert_int_equal(scarce.live, 0);
}

static int set_up(void **state)
{
    (void)state;
    bl_mem_init(&mem, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return mem.live == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_has_the_name_of_the_specification),
        cmocka_unit_test(grpc_status_is_a_plain_number),
        cmocka_unit_test(http_statuses_map_as_specified),
        cmocka_unit_test(error_codes_of_http_2_map_as_specified),
        cmocka_unit_test(messages_are_written_in_printable_ascii),
        cmocka_unit_test(messages_are_read_and_broken_escapes_stay),
        cmocka_unit_test(memory_may_be_out),
    };
    return cmocka_run_group_tests_name("wire_grpc_status", tests, set_up, tear_down);
}
