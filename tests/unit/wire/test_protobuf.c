/* SPDX-License-Identifier: MIT */
/* Fields of Protocol Buffers, byte by byte. */
#include "wire/protobuf.h"

#include "base/assert.h"
#include "support/failing_alloc.h"
#include "support/test.h"

#define SPAN(text) bl_span(text, sizeof(text) - 1)

static void each_type_is_read(void **state)
{
    struct bl_span in = SPAN("\x08\x96\x01"
                             "\x12\x02hi"
                             "\x1d"
                             "abcd"
                             "\x21"
                             "abcdefgh"
                             "\xfa\xff\xff\xff\x0f\x00");
    struct bl_pb_field f;

    (void)state;
    assert_int_equal(bl_pb_next(&in, &f), 1);
    assert_int_equal(f.tag, BL_PB_TAG(1, BL_PB_VARINT));
    assert_int_equal(f.value, 150);
    assert_int_equal(bl_pb_next(&in, &f), 1);
    assert_int_equal(f.tag, BL_PB_TAG(2, BL_PB_LENGTH));
    assert_int_equal(f.value, 0);
    assert_true(bl_span_equal(f.bytes, SPAN("hi")));
    assert_int_equal(bl_pb_next(&in, &f), 1);
    assert_int_equal(f.tag, BL_PB_TAG(3, BL_PB_FIXED32));
    assert_true(bl_span_equal(f.bytes, SPAN("abcd")));
    assert_int_equal(bl_pb_next(&in, &f), 1);
    assert_int_equal(f.tag, BL_PB_TAG(4, BL_PB_FIXED64));
    assert_true(bl_span_equal(f.bytes, SPAN("abcdefgh")));
    assert_int_equal(bl_pb_next(&in, &f), 1);
    assert_int_equal(f.tag, BL_PB_TAG(BL_PB_NUMBER_MAX, BL_PB_LENGTH));
    assert_int_equal(f.bytes.len, 0);
    assert_int_equal(bl_pb_next(&in, &f), 0);
    assert_int_equal(bl_pb_next(&in, &f), 0);
}

static void the_largest_number_is_read(void **state)
{
    struct bl_span in = SPAN("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    struct bl_pb_field f;

    (void)state;
    assert_int_equal(bl_pb_next(&in, &f), 1);
    assert_true(f.value == UINT64_MAX);
}

static void what_is_no_field_is_refused(void **state)
{
    static const struct bl_span rows[] = {
        {"\x00\x00", 2},                                          /* number 0 */
        {"\x08", 1},                                              /* no value */
        {"\x88", 1},                                              /* half a tag */
        {"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12}, /* eleven bytes of varint */
        {"\x12\x03hi", 4},                                        /* longer than the message */
        {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01hi", 13},   /* as long as can be */
        {"\x1d"
         "abc",
         4}, /* less than four bytes */
        {"\x21"
         "abcdefg",
         8},             /* less than eight */
        {"\x0b\x0c", 2}, /* a group */
        {"\x0c", 1},     /* its end */
        {"\x0e\x00", 2}, /* types that do not exist */
        {"\x0f\x00", 2},
        {"\x82\x80\x80\x80\x10\x00", 6},                      /* number 2^29 */
        {"\x8a\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00", 11}, /* past 32 bits */
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct bl_span in = rows[i];
        struct bl_pb_field f;

        if (bl_pb_next(&in, &f) != BELAY_EPROTO)
            fail_msg("row %zu was taken for a field", i);
    }
}

static void what_is_written_is_read_again(void **state)
{
    static const uint64_t numbers[] = {1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    struct bl_buf out = {0};
    struct bl_pb_field f;
    struct bl_span in;
    struct bl_mem mem;
    struct bl_pb_writer w;

    (void)state;
    bl_mem_init(&mem, NULL);
    w = bl_pb_write(&out, &mem);
    for (size_t i = 0; i < BL_COUNT(numbers); i++)
        bl_pb_put_number(&w, (uint32_t)i + 1, numbers[i]);
    bl_pb_put_text(&w, BL_PB_NUMBER_MAX, "last");
    assert_int_equal(bl_pb_finish(&w), 0);
    in = bl_span(bl_buf_head(&out), bl_buf_len(&out));
    for (size_t i = 0; i < BL_COUNT(numbers); i++) {
        assert_int_equal(bl_pb_next(&in, &f), 1);
        assert_int_equal(f.tag, BL_PB_TAG(i + 1, BL_PB_VARINT));
        assert_true(f.value == numbers[i]);
    }
    assert_int_equal(bl_pb_next(&in, &f), 1);
    assert_int_equal(f.tag, BL_PB_TAG(BL_PB_NUMBER_MAX, BL_PB_LENGTH));
    assert_true(bl_span_equal(f.bytes, SPAN("last")));
    assert_int_equal(bl_pb_next(&in, &f), 0);
    bl_buf_free(&out, &mem);
    assert_int_equal(mem.live, 0);
}

static void what_is_0_or_empty_is_left_out(void **state)
{
    struct bl_buf out = {0};
    struct bl_mem mem;
    struct bl_pb_writer w;

    (void)state;
    bl_mem_init(&mem, NULL);
    w = bl_pb_write(&out, &mem);
    bl_pb_put_number(&w, 1, 0);
    bl_pb_put_text(&w, 2, "");
    bl_pb_put_text(&w, 3, NULL);
    assert_int_equal(bl_pb_finish(&w), 0);
    assert_int_equal(bl_buf_len(&out), 0);
    assert_int_equal(mem.live, 0);
}

static void without_memory_what_was_there_before_remains(void **state)
{
    struct failing_alloc failing;
    struct bl_buf out = {0};
    struct bl_mem mem;
    struct bl_pb_writer w;
    char large[5000];

    (void)state;
    memset(large, 'x', sizeof large);
    failing_alloc_init(&failing);
    bl_mem_init(&mem, &failing.allocator);
    assert_int_equal(bl_buf_append(&out, &mem, "before", 6), 0);
    failing_alloc_once(&failing, 1);
    w = bl_pb_write(&out, &mem);
    bl_pb_put_number(&w, 1, 1);
    bl_pb_put_bytes(&w, 2, bl_span(large, sizeof large));
    bl_pb_put_number(&w, 3, 1);
    assert_int_equal(bl_pb_finish(&w), BELAY_ENOMEM);
    assert_int_equal(bl_buf_len(&out), 6);
    assert_memory_equal(bl_buf_head(&out), "before", 6);
    bl_buf_free(&out, &mem);
    assert_int_equal(mem.live, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_is_read),
        cmocka_unit_test(the_largest_number_is_read),
        cmocka_unit_test(what_is_no_field_is_refused),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(what_is_0_or_empty_is_left_out),
        cmocka_unit_test(without_memory_what_was_there_before_remains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
