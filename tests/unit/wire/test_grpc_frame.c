/* SPDX-License-Identifier: MIT */
/* Messages of gRPC, cut at every place where HTTP/2 might cut them. */
#include "wire/grpc_frame.h"

#include <stdlib.h>

#include "base/assert.h"
#include "support/failing_alloc.h"
#include "support/test.h"

static struct bl_mem mem;

static const char three[] = "\0\0\0\0\3abc"
                            "\1\0\0\0\0"
                            "\0\0\0\0\1d"
                            "\1\0\0\0\5hello";
#define THREE_LEN  (sizeof three - 1)
#define THREE_SAID "0:abc|1:|0:d|1:hello|"

/* Appends what the reader finds in a chunk, "0:" or "1:" and the message and "|". */
static int read_chunk(struct bl_grpc_frames *f, struct bl_span chunk, char *said,
                      struct belay_error *error)
{
    /* In memory of its own, so that a reference past its life is seen. */
    char *copy = malloc(chunk.len ? chunk.len : 1);
    struct bl_span input = {copy, chunk.len};
    struct bl_grpc_frame frame;
    int rc;

    if (chunk.len > 0)
        memcpy(copy, chunk.data, chunk.len);
    while ((rc = bl_grpc_frames_next(f, &mem, &input, &frame, error)) == 1) {
        strcat(said, frame.compressed ? "1:" : "0:");
        strncat(said, frame.message.data, frame.message.len);
        strcat(said, "|");
    }
    if (rc == 0)
        assert_int_equal(input.len, 0);
    free(copy);
    return rc;
}

static void messages_come_whole_from_any_two_pieces(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= THREE_LEN; cut++) {
        struct bl_grpc_frames f = {.limit = 5, .encoding = true};
        char said[64] = "";

        assert_int_equal(read_chunk(&f, bl_span(three, cut), said, NULL), 0);
        assert_int_equal(read_chunk(&f, bl_span(three + cut, THREE_LEN - cut), said, NULL), 0);
        assert_string_equal(said, THREE_SAID);
        assert_int_equal(bl_grpc_frames_end(&f, NULL), 0);
        bl_grpc_frames_free(&f, &mem);
        assert_int_equal(mem.live, 0);
    }
}

static void messages_come_whole_byte_by_byte(void **state)
{
    struct bl_grpc_frames f = {.limit = 5, .encoding = true};
    char said[64] = "";

    (void)state;
    for (size_t i = 0; i < THREE_LEN; i++) {
        assert_int_equal(read_chunk(&f, bl_span(three + i, 0), said, NULL), 0);
        assert_int_equal(read_chunk(&f, bl_span(three + i, 1), said, NULL), 0);
    }
    assert_string_equal(said, THREE_SAID);
    bl_grpc_frames_free(&f, &mem);
    assert_int_equal(mem.live, 0);
}

static void a_message_in_one_piece_is_not_copied(void **state)
{
    struct bl_grpc_frames f = {.limit = 5, .encoding = true};
    struct bl_span input = {three, THREE_LEN};
    struct bl_grpc_frame frame;

    (void)state;
    assert_int_equal(bl_grpc_frames_next(&f, &mem, &(struct bl_span){NULL, 0}, &frame, NULL), 0);
    assert_int_equal(bl_grpc_frames_next(&f, &mem, &input, &frame, NULL), 1);
    assert_ptr_equal(frame.message.data, three + 5);
    assert_ptr_equal(input.data, three + 8);
    assert_int_equal(mem.live, 0);
}

static void memory_is_held_within_a_message_only(void **state)
{
    struct bl_grpc_frames f = {.limit = 1 << 20};
    char said[64] = "";

    (void)state;
    assert_int_equal(read_chunk(&f, bl_span("\0\0\x10\0\0", 5), said, NULL), 0);
    assert_int_equal(mem.live, 0); /* a MiB was announced, and none of it came */
    assert_int_equal(read_chunk(&f, bl_span("x", 1), said, NULL), 0);
    assert_int_equal(mem.live, 1);
    assert_true(f.held.capacity < 4096);
    bl_grpc_frames_free(&f, &mem);

    assert_int_equal(read_chunk(&f, bl_span("\0\0\0\0\2x", 6), said, NULL), 0);
    assert_int_equal(read_chunk(&f, bl_span("y\0", 2), said, NULL), 0);
    assert_string_equal(said, "0:xy|");
    assert_int_equal(mem.live, 0);
    bl_grpc_frames_free(&f, &mem);
}

static void a_message_past_the_limit_is_refused_with_both_numbers(void **state)
{
    struct bl_grpc_frames f = {.limit = 4194304};
    struct belay_error error = {0};
    char said[64] = "";

    (void)state;
    assert_int_equal(read_chunk(&f, bl_span("\0\0\x40\0\0", 5), said, &error), 0);
    bl_grpc_frames_free(&f, &mem);
    assert_int_equal(read_chunk(&f, bl_span("\0\0\x40\0\1", 5), said, &error), BELAY_ELIMIT);
    assert_string_equal(error.text,
                        "a message of 4194305 bytes is longer than the limit of 4194304");
    bl_grpc_frames_free(&f, &mem);
    assert_int_equal(read_chunk(&f, bl_span("\0\xff\xff\xff\xff", 5), said, &error), BELAY_ELIMIT);
    assert_non_null(strstr(error.text, "4294967295"));
    bl_grpc_frames_free(&f, &mem);
    f.limit = 0;
    assert_int_equal(read_chunk(&f, bl_span("\0\0\0\0\1", 5), said, &error), BELAY_ELIMIT);
    bl_grpc_frames_free(&f, &mem);
    assert_int_equal(mem.live, 0);
}

static void what_is_no_message_is_refused(void **state)
{
    struct bl_grpc_frames f = {.limit = 9, .encoding = true};
    struct belay_error error = {0};
    char said[64] = "";

    (void)state;
    assert_int_equal(read_chunk(&f, bl_span_of("<html>"), said, &error), BELAY_EPROTO);
    assert_non_null(strstr(error.text, "0x3c"));
    bl_grpc_frames_free(&f, &mem);
    assert_int_equal(read_chunk(&f, bl_span("\2\0\0\0\0", 5), said, &error), BELAY_EPROTO);
    bl_grpc_frames_free(&f, &mem);

    f.encoding = false;
    assert_int_equal(read_chunk(&f, bl_span("\1\0\0\0\0", 5), said, &error), BELAY_EPROTO);
    assert_non_null(strstr(error.text, "grpc-encoding"));
    bl_grpc_frames_free(&f, &mem);
    assert_string_equal(said, "");
}

static void a_stream_ends_between_messages_only(void **state)
{
    (void)state;
    for (size_t len = 0; len <= THREE_LEN; len++) {
        bool between = len == 0 || len == 8 || len == 13 || len == 19 || len == THREE_LEN;
        struct bl_grpc_frames f = {.limit = 5, .encoding = true};
        struct belay_error error = {0};
        char said[64] = "";

        assert_int_equal(read_chunk(&f, bl_span(three, len), said, NULL), 0);
        assert_int_equal(bl_grpc_frames_end(&f, &error), between ? 0 : BELAY_EPROTO);
        if (len == 6)
            assert_string_equal(error.text, "the stream ended after 1 of a message's 3 bytes");
        if (len == 2)
            assert_string_equal(error.text, "the stream ended within the 5 bytes before a message");
        bl_grpc_frames_free(&f, &mem);
    }
}

static void a_prefix_is_written_as_it_is_read(void **state)
{
    static const uint32_t sizes[] = {0, 1, 0x01020304, UINT32_MAX};
    unsigned char prefix[BL_GRPC_PREFIX];

    (void)state;
    bl_grpc_frame_write(true, 0x01020304, prefix);
    assert_memory_equal(prefix, "\1\1\2\3\4", 5);
    for (size_t i = 0; i < BL_COUNT(sizes); i++) {
        struct bl_grpc_frames f = {.limit = UINT32_MAX};
        char said[64] = "";

        bl_grpc_frame_write(false, sizes[i], prefix);
        assert_int_equal(read_chunk(&f, bl_span((char *)prefix, 5), said, NULL), 0);
        assert_int_equal(f.size, sizes[i]);
        bl_grpc_frames_free(&f, &mem);
    }
}

static void memory_may_be_out(void **state)
{
    struct bl_grpc_frames f = {.limit = 9};
    struct bl_span input = {"\0\0\0\0\3a", 6};
    struct belay_error error = {0};
    struct failing_alloc alloc;
    struct bl_grpc_frame frame;
    struct bl_mem scarce;

    (void)state;
    failing_alloc_init(&alloc);
    bl_mem_init(&scarce, &alloc.allocator);
    failing_alloc_once(&alloc, 1);
    assert_int_equal(bl_grpc_frames_next(&f, &scarce, &input, &frame, &error), BELAY_ENOMEM);
    assert_int_equal(error.code, BELAY_ENOMEM);
    bl_grpc_frames_free(&f, &scarce);
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
        cmocka_unit_test(messages_come_whole_from_any_two_pieces),
        cmocka_unit_test(messages_come_whole_byte_by_byte),
        cmocka_unit_test(a_message_in_one_piece_is_not_copied),
        cmocka_unit_test(memory_is_held_within_a_message_only),
        cmocka_unit_test(a_message_past_the_limit_is_refused_with_both_numbers),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(a_stream_ends_between_messages_only),
        cmocka_unit_test(a_prefix_is_written_as_it_is_read),
        cmocka_unit_test(memory_may_be_out),
    };
    return cmocka_run_group_tests_name("wire_grpc_frame", tests, set_up, tear_down);
}
