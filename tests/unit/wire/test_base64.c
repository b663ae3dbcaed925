/* SPDX-License-Identifier: MIT */
/* Base64, written and read. */
#include "wire/base64.h"

#include "base/assert.h"
#include "support/test.h"

/* RFC 4648, section 10, and the two digits that are no letters. */
static const struct {
    const char *bytes, *padded;
} rows[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xbe", "+/++"},
    {"\xff\xff", "//8="},
};

static void both_forms_are_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        size_t len = strlen(rows[i].bytes), padded = strlen(rows[i].padded);
        size_t plain = strcspn(rows[i].padded, "=");
        char out[16];

        assert_int_equal(bl_base64_write(rows[i].bytes, len, true, out), padded);
        assert_int_equal(BL_BASE64_LEN(len), padded);
        assert_memory_equal(out, rows[i].padded, padded);
        assert_int_equal(bl_base64_write(rows[i].bytes, len, false, out), plain);
        assert_int_equal(BL_BASE64_UNPADDED(len), plain);
        assert_memory_equal(out, rows[i].padded, plain);
    }
}

static void both_forms_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct bl_span text = bl_span_of(rows[i].padded);
        size_t len = strlen(rows[i].bytes), n = 99;
        char out[16];

        assert_true(bl_base64_read(text, out, &n));
        assert_int_equal(n, len);
        assert_memory_equal(out, rows[i].bytes, len);
        text.len = strcspn(rows[i].padded, "=");
        assert_true(bl_base64_read(text, out, &n));
        assert_int_equal(n, len);
        assert_memory_equal(out, rows[i].bytes, len);
        assert_true(n <= BL_BASE64_BYTES_MAX(text.len));
    }
}

static void bits_past_the_last_byte_do_not_matter(void **state)
{
    char out[4];
    size_t n;

    (void)state;
    assert_true(bl_base64_read(bl_span_of("Zh"), out, &n));
    assert_int_equal(n, 1);
    assert_int_equal(out[0], 'f');
}

static void what_is_no_base64_is_refused(void **state)
{
    static const char *const texts[] = {
        "Z",     "Zm9vY",  "Zg=",  "=",     "==",    "===",      "====",   "Z===",     "Zg==Zg==",
        "Zm 9v", "Zm9v\n", "Zm-_", "Zm9v=", "Zm8=v", "Zm9v\xc3", "Zg==\n", "Zm9v====",
    };
    char out[16];
    size_t n = 77;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(texts); i++) {
        if (bl_base64_read(bl_span_of(texts[i]), out, &n))
            fail_msg("\"%s\" was read", texts[i]);
        assert_int_equal(n, 77);
    }
}

static void bytes_may_lie_at_the_end_of_where_they_are_written(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 64; len++) {
        unsigned char bytes[64], back[BL_BASE64_BYTES_MAX(BL_BASE64_LEN(64))];
        char apart[BL_BASE64_LEN(64)], within[BL_BASE64_LEN(64)];
        size_t chars = BL_BASE64_LEN(len), n;

        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)(i * 73 + len);
        memcpy(within + chars - len, bytes, len);
        assert_int_equal(bl_base64_write(bytes, len, true, apart), chars);
        assert_int_equal(bl_base64_write(within + chars - len, len, true, within), chars);
        assert_memory_equal(within, apart, chars);
        assert_true(bl_base64_read(bl_span(apart, chars), back, &n));
        assert_int_equal(n, len);
        assert_memory_equal(back, bytes, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_are_written),
        cmocka_unit_test(both_forms_are_read),
        cmocka_unit_test(bits_past_the_last_byte_do_not_matter),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(bytes_may_lie_at_the_end_of_where_they_are_written),
    };
    return cmocka_run_group_tests_name("wire_base64", tests, NULL, NULL);
}
