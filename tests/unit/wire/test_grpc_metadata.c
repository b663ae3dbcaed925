/* SPDX-License-Identifier: MIT */
/* Metadata of gRPC: keys, values, and values that are bytes. */
#include "wire/grpc_metadata.h"

#include "base/assert.h"
#include "support/failing_alloc.h"
#include "support/test.h"
#include "wire/field.h"

static struct bl_mem mem;

static void assert_sends(const char *key, const char *value)
{
    struct belay_error error;

    if (bl_grpc_metadata_check(bl_span_of(key), bl_span_of(value), &error) < 0)
        fail_msg("%s: %s: %s", key, value, error.text);
}

static void assert_refuses(const char *key, const char *value, const char *why)
{
    struct belay_error error = {0};

    assert_int_equal(bl_grpc_metadata_check(bl_span_of(key), bl_span_of(value), &error),
                     BELAY_EINVAL);
    if (!strstr(error.text, why))
        fail_msg("%s: %s", key, error.text);
    assert_int_equal(bl_grpc_metadata_check(bl_span_of(key), bl_span_of(value), NULL),
                     BELAY_EINVAL);
}

static void what_may_be_sent_is_accepted(void **state)
{
    (void)state;
    assert_sends("x", "y");
    assert_sends("x-grpc-test-echo-initial", "test_initial_metadata_value");
    assert_sends("x-grpc-test-echo-trailing-bin", "\xab\xab\xab");
    assert_sends("authorization", "Bearer abc.def");
    assert_sends("0_a-b.c", "a b ~");
    assert_sends("empty", "");
    assert_sends("raw-bin", " \r\n\x01");
    assert_sends("grpc-trace-bin", "\x01");
    assert_sends("grpc-tags-bin", "\x01");
    assert_sends("grpc", "not the prefix");
    assert_sends("cookie", "a=b");
}

static void keys_that_cannot_be_are_refused(void **state)
{
    (void)state;
    assert_refuses("", "v", "empty");
    assert_refuses(":path", "/", "\":path\": keys that start with \":\"");
    assert_refuses("X-Id", "v", "upper-case");
    assert_refuses("a b", "v", "letters, digits");
    assert_refuses("a:b", "v", "letters, digits");
    assert_refuses("caf\xc3\xa9", "v", "letters, digits");
    assert_refuses("a\r\nb", "v", "a\\r\\nb");
    assert_int_equal(bl_grpc_metadata_check(bl_span("a\0b", 3), bl_span_of("v"), NULL),
                     BELAY_EINVAL);
}

static void keys_that_are_not_the_callers_are_refused(void **state)
{
    (void)state;
    assert_refuses("grpc-timeout", "1S", "reserved");
    assert_refuses("grpc-anything", "v", "reserved");
    assert_refuses("grpc-anything-bin", "v", "reserved");
    assert_refuses("te", "trailers", "by itself");
    assert_refuses("content-type", "application/json", "by itself");
    assert_refuses("user-agent", "me", "by itself");
    assert_refuses("connection", "close", "by itself");
    assert_refuses("transfer-encoding", "chunked", "by itself");
    assert_refuses("host", "elsewhere", "by itself");
}

static void values_that_are_no_printable_ascii_are_refused_unseen(void **state)
{
    static const char *const values[] = {"tok3n\n", "tok3n\x7f", "tok3n\xc3\xa9", "\ttok3n",
                                         "a\rtok3n"};
    struct belay_error error;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(values); i++) {
        assert_int_equal(
            bl_grpc_metadata_check(bl_span_of("authorization"), bl_span_of(values[i]), &error),
            BELAY_EINVAL);
        assert_non_null(strstr(error.text, "metadata \"authorization\": the value"));
        assert_null(strstr(error.text, "tok3n"));
    }
    assert_int_equal(bl_grpc_metadata_check(bl_span_of("a"), bl_span("b\0c", 3), NULL),
                     BELAY_EINVAL);
    assert_refuses("a", " tok3n", "blank at an end");
    assert_refuses("a", "tok3n ", "blank at an end");
}

static void a_key_is_binary_by_its_end(void **state)
{
    (void)state;
    assert_true(bl_grpc_metadata_is_binary(bl_span_of("a-bin")));
    assert_false(bl_grpc_metadata_is_binary(bl_span_of("-bin")));
    assert_false(bl_grpc_metadata_is_binary(bl_span_of("bin")));
    assert_false(bl_grpc_metadata_is_binary(bl_span_of("a-bin-b")));
    assert_false(bl_grpc_metadata_is_binary(bl_span_of("abin")));
    assert_false(bl_grpc_metadata_is_binary(bl_span(NULL, 0)));
}

static void fields_of_the_protocol_are_no_metadata(void **state)
{
    static const char *const own[] = {
        ":status",
        "content-type",
        "grpc-encoding",
        "grpc-accept-encoding",
        "grpc-message",
        "grpc-status",
        "te",
        "",
    };
    static const char *const custom[] = {"grpc-status-details-bin", "grpc-retry-pushback-ms",
                                         "server", "x", "content-types"};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(own); i++)
        assert_false(bl_grpc_metadata_is_custom(bl_span_of(own[i])));
    for (size_t i = 0; i < BL_COUNT(custom); i++)
        assert_true(bl_grpc_metadata_is_custom(bl_span_of(custom[i])));
}

static void assert_travels(const char *key, struct bl_span value, const char *as)
{
    struct bl_buf out = {0};

    assert_int_equal(bl_buf_append(&out, &mem, "<", 1), 0);
    assert_int_equal(bl_grpc_metadata_write(bl_span_of(key), value, &out, &mem), 0);
    assert_int_equal(bl_buf_len(&out), strlen(as) + 1);
    assert_memory_equal(bl_buf_head(&out) + 1, as, strlen(as));
    bl_buf_free(&out, &mem);
}

static void bytes_travel_as_base64_without_padding(void **state)
{
    (void)state;
    assert_travels("a-bin", bl_span_of("\xab\xab\xab"), "q6ur");
    assert_travels("a-bin", bl_span("\0", 1), "AA");
    assert_travels("a-bin", bl_span("\xff\xfe", 2), "//4");
    assert_travels("a-bin", bl_span_of(""), "");
    assert_travels("a", bl_span_of("text = text"), "text = text");
    assert_travels("a", bl_span(NULL, 0), "");
}

/* `expected` has the values, each followed by "|"; "!" stands for one that is no base64. */
static void assert_values(const char *field, const char *expected)
{
    struct bl_span rest = bl_span_of(field), value;
    struct bl_buf out = {0};

    while (bl_field_next_part(&rest, &value)) {
        size_t before = bl_buf_len(&out);
        int rc = bl_grpc_metadata_read(value, &out, &mem);

        if (rc == BELAY_EPROTO) {
            assert_int_equal(bl_buf_len(&out), before);
            rc = bl_buf_append(&out, &mem, "!", 1);
        }
        assert_int_equal(rc, 0);
        assert_int_equal(bl_buf_append(&out, &mem, "|", 1), 0);
    }
    assert_int_equal(bl_buf_append(&out, &mem, "", 1), 0);
    assert_string_equal(bl_buf_head(&out), expected);
    bl_buf_free(&out, &mem);
}

static void values_that_were_joined_come_apart(void **state)
{
    (void)state;
    assert_values("Zm9v", "foo|");
    assert_values("Zg==", "f|");
    assert_values("Zg", "f|");
    assert_values("Zg,Zm8=,Zm9v", "f|fo|foo|");
    assert_values("Zg, Zm8 ,\tZm9v", "f|fo|foo|");
    assert_values("", "|");
    assert_values(",Zg,", "|f||");
    assert_values("Z,Zg", "!|f|");
    assert_values("Zm-_", "!|");
    assert_values(NULL, "");
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
    assert_int_equal(bl_grpc_metadata_write(bl_span_of("a-bin"), bl_span_of("b"), &out, &scarce),
                     BELAY_ENOMEM);
    failing_alloc_once(&alloc, 1);
    assert_int_equal(bl_grpc_metadata_write(bl_span_of("a"), bl_span_of("b"), &out, &scarce),
                     BELAY_ENOMEM);
    failing_alloc_once(&alloc, 1);
    assert_int_equal(bl_grpc_metadata_read(bl_span_of("Zg"), &out, &scarce), BELAY_ENOMEM);
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
        cmocka_unit_test(what_may_be_sent_is_accepted),
        cmocka_unit_test(keys_that_cannot_be_are_refused),
        cmocka_unit_test(keys_that_are_not_the_callers_are_refused),
        cmocka_unit_test(values_that_are_no_printable_ascii_are_refused_unseen),
        cmocka_unit_test(a_key_is_binary_by_its_end),
        cmocka_unit_test(fields_of_the_protocol_are_no_metadata),
        cmocka_unit_test(bytes_travel_as_base64_without_padding),
        cmocka_unit_test(values_that_were_joined_come_apart),
        cmocka_unit_test(memory_may_be_out),
    };
    return cmocka_run_group_tests_name("wire_grpc_metadata", tests, set_up, tear_down);
}
