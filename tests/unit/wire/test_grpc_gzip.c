/* SPDX-License-Identifier: MIT */
/* Compressed messages of gRPC: back as they were, or refused; never more than the limit. */
#include "wire/grpc_gzip.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/assert.h"
#include "support/failing_alloc.h"
#include "support/test.h"

static struct bl_mem mem;

static struct bl_span content(const struct bl_buf *b)
{
    return bl_span(bl_buf_head(b), bl_buf_len(b));
}

/* `len` bytes, of which `random` in 256 are. */
static char *make_message(size_t len, unsigned random)
{
    char *message = calloc(len ? len : 1, 1);
    uint32_t x = 1;

    for (size_t i = 0; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        if ((x >> 8 & 0xff) < random)
            message[i] = (char)(x >> 24);
    }
    return message;
}

static void compress_into(struct bl_buf *out, const char *message, size_t len)
{
    assert_int_equal(bl_grpc_gzip(bl_span(message, len), out, &mem), 0);
}

static void messages_come_back_as_they_were(void **state)
{
    static const size_t sizes[] = {0, 1, 255, 16383, 16384, 16385, 271828, 1 << 20};
    static const unsigned randoms[] = {0, 40, 256};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(sizes) * BL_COUNT(randoms); i++) {
        size_t len = sizes[i / BL_COUNT(randoms)];
        char *message = make_message(len, randoms[i % BL_COUNT(randoms)]);
        struct bl_buf packed = {0}, plain = {0};

        assert_int_equal(bl_buf_append(&packed, &mem, "<<", 2), 0);
        assert_int_equal(bl_buf_append(&plain, &mem, ">", 1), 0);
        compress_into(&packed, message, len);
        bl_buf_consume(&packed, 2);
        assert_memory_equal(bl_buf_head(&packed), "\x1f\x8b", 2);
        assert_int_equal(bl_grpc_gunzip(content(&packed), (uint32_t)len, &plain, &mem, NULL), 0);
        assert_int_equal(bl_buf_len(&plain), len + 1);
        assert_memory_equal(bl_buf_head(&plain) + 1, message, len);
        bl_buf_free(&packed, &mem);
        bl_buf_free(&plain, &mem);
        free(message);
    }
}

static void what_repeats_gets_shorter(void **state)
{
    char *message = make_message(1 << 20, 0);
    struct bl_buf packed = {0};

    (void)state;
    compress_into(&packed, message, 1 << 20);
    assert_true(bl_buf_len(&packed) < 4096);
    bl_buf_free(&packed, &mem);
    free(message);
}

static void a_byte_past_the_limit_is_too_many(void **state)
{
    static const uint32_t sizes[] = {1, 100, 16384, 16385, 100000};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(sizes); i++) {
        char *message = make_message(sizes[i], 40), expected[64];
        struct bl_buf packed = {0}, plain = {0};
        struct belay_error error = {0};

        compress_into(&packed, message, sizes[i]);
        assert_int_equal(bl_buf_append(&plain, &mem, "kept", 4), 0);
        assert_int_equal(bl_grpc_gunzip(content(&packed), sizes[i] - 1, &plain, &mem, &error),
                         BELAY_ELIMIT);
        snprintf(expected, sizeof expected, "limit of %u bytes", sizes[i] - 1);
        assert_non_null(strstr(error.text, expected));
        assert_int_equal(bl_buf_len(&plain), 4);
        assert_memory_equal(bl_buf_head(&plain), "kept", 4);
        bl_buf_free(&packed, &mem);
        bl_buf_free(&plain, &mem);
        free(message);
    }
}

/* 64 MiB of zeroes in 65 KB. */
static void a_bomb_takes_no_more_memory_than_the_limit(void **state)
{
    size_t len = 64u << 20;
    char *message = make_message(len, 0);
    struct bl_buf packed = {0}, plain = {0};
    struct failing_alloc alloc;
    struct bl_mem counted;

    (void)state;
    compress_into(&packed, message, len);
    free(message);
    assert_true(bl_buf_len(&packed) < 70000);
    failing_alloc_init(&alloc);
    bl_mem_init(&counted, &alloc.allocator);
    assert_int_equal(bl_grpc_gunzip(content(&packed), 1 << 20, &plain, &counted, NULL),
                     BELAY_ELIMIT);
    assert_true(alloc.peak_bytes < 3 << 20);
    bl_buf_free(&plain, &counted);
    assert_int_equal(counted.live, 0);
    bl_buf_free(&packed, &mem);
}

static void assert_refused(struct bl_span message, const char *why)
{
    struct belay_error error = {0};
    struct bl_buf plain = {0};

    assert_int_equal(bl_grpc_gunzip(message, 1 << 20, &plain, &mem, &error), BELAY_EPROTO);
    if (!strstr(error.text, why))
        fail_msg("%zu bytes: %s", message.len, error.text);
    assert_int_equal(bl_buf_len(&plain), 0);
    bl_buf_free(&plain, &mem);
}

static void what_is_cut_short_is_refused_wherever_it_is_cut(void **state)
{
    char *message = make_message(3000, 100);
    struct bl_buf packed = {0};

    (void)state;
    compress_into(&packed, message, 3000);
    for (size_t len = 0; len < bl_buf_len(&packed); len++)
        assert_refused(bl_span(bl_buf_head(&packed), len), "cut short");
    bl_buf_free(&packed, &mem);
    free(message);
}

static void what_follows_is_refused(void **state)
{
    struct bl_buf packed = {0};

    (void)state;
    compress_into(&packed, "abc", 3);
    assert_int_equal(bl_buf_append(&packed, &mem, "x", 1), 0);
    assert_refused(content(&packed), "followed");
    bl_buf_clear(&packed);
    compress_into(&packed, "abc", 3);
    compress_into(&packed, "def", 3);
    assert_refused(content(&packed), "followed");
    bl_buf_free(&packed, &mem);
}

static void what_is_damaged_is_refused(void **state)
{
    struct bl_buf packed = {0};
    Bytef zlib_format[64];
    uLongf len = sizeof zlib_format;

    (void)state;
    assert_refused(bl_span_of("this is plain text"), "no gzip");
    assert_int_equal(compress(zlib_format, &len, (const Bytef *)"abc", 3), Z_OK);
    assert_refused(bl_span((char *)zlib_format, len), "no gzip");
    compress_into(&packed, "abc", 3);
    bl_buf_head(&packed)[bl_buf_len(&packed) - 5] ^= 1; /* of the checksum */
    assert_refused(content(&packed), "damaged");
    bl_buf_head(&packed)[bl_buf_len(&packed) - 5] ^= 1;
    bl_buf_head(&packed)[bl_buf_len(&packed) - 1] ^= 1; /* of the length */
    assert_refused(content(&packed), "damaged");
    bl_buf_free(&packed, &mem);
}

/* Both ways, with the n-th allocation failing; false when there are no more than n. */
static bool run_with_failure(size_t n, const char *message, size_t len)
{
    struct bl_buf packed = {0}, plain = {0};
    struct belay_error error = {0};
    struct failing_alloc alloc;
    struct bl_mem scarce;
    int rc;

    failing_alloc_init(&alloc);
    bl_mem_init(&scarce, &alloc.allocator);
    failing_alloc_once(&alloc, n);
    rc = bl_grpc_gzip(bl_span(message, len), &packed, &scarce);
    if (rc == 0) {
        rc = bl_grpc_gunzip(content(&packed), (uint32_t)len, &plain, &scarce, &error);
        assert_int_equal(rc, error.code);
    }
    assert_int_equal(rc, failing_alloc_failures(&alloc) ? BELAY_ENOMEM : 0);
    assert_int_equal(bl_buf_len(&plain), rc == 0 ? len : 0);
    bl_buf_free(&packed, &scarce);
    bl_buf_free(&plain, &scarce);
    assert_int_equal(scarce.live, 0);
    return failing_alloc_failures(&alloc) > 0;
}

static void memory_may_be_out(void **state)
{
    char *message = make_message(50000, 40);
    size_t n = 1;

    (void)state;
    while (run_with_failure(n, message, 50000))
        n++;
    assert_true(n > 6);
    free(message);
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
        cmocka_unit_test(messages_come_back_as_they_were),
        cmocka_unit_test(what_repeats_gets_shorter),
        cmocka_unit_test(a_byte_past_the_limit_is_too_many),
        cmocka_unit_test(a_bomb_takes_no_more_memory_than_the_limit),
        cmocka_unit_test(what_is_cut_short_is_refused_wherever_it_is_cut),
        cmocka_unit_test(what_follows_is_refused),
        cmocka_unit_test(what_is_damaged_is_refused),
        cmocka_unit_test(memory_may_be_out),
    };
    return cmocka_run_group_tests_name("wire_grpc_gzip", tests, set_up, tear_down);
}
