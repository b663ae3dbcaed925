/* SPDX-License-Identifier: MIT */
/* Users and passwords: escapes undone, Basic made. */
#include "wire/credentials.h"

#include "base/assert.h"
#include "belay/error.h"
#include "support/failing_alloc.h"
#include "support/test.h"

static struct bl_mem mem;

static void escapes_are_undone(void **state)
{
    static const struct {
        const char *text, *plain;
        size_t len;
    } rows[] = {
        {"", "", 0},        {"user", "user", 4}, {"a%40b%3ac", "a@b:c", 5},
        {"%25", "%", 1},    {"%2", "%2", 2},     {"%zz%4", "%zz%4", 5},
        {"%00x", "\0x", 2}, {"%%41", "%A", 2},   {"%C3%A9", "\xc3\xa9", 2},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        size_t len = 99;
        char *plain = bl_unescape(&mem, bl_span_of(rows[i].text), &len);

        assert_non_null(plain);
        assert_int_equal(len, rows[i].len);
        assert_memory_equal(plain, rows[i].plain, len + 1);
        bl_free_secret(&mem, plain, len);
    }
}

static void what_is_not_plain_is_escaped_and_read_back(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *escaped;
    } rows[] = {
        {"", 0, ""},
        {"aZ09-._~", 8, "aZ09-._~"},
        {"p@ss:w/rd%", 10, "p%40ss%3Aw%2Frd%25"},
        {"\0\x1f\xc3\xa9+ ", 6, "%00%1F%C3%A9%2B%20"},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct bl_buf out = {0};
        size_t len;
        char *plain;

        assert_int_equal(
            bl_escape(&out, &mem, bl_span(rows[i].text, rows[i].len), bl_is_unreserved), 0);
        assert_int_equal(bl_buf_len(&out), strlen(rows[i].escaped));
        assert_memory_equal(bl_buf_head(&out), rows[i].escaped, bl_buf_len(&out));
        plain = bl_unescape(&mem, bl_span(bl_buf_head(&out), bl_buf_len(&out)), &len);
        assert_int_equal(len, rows[i].len);
        assert_memory_equal(plain, rows[i].text, len);
        bl_free(&mem, plain);
        bl_buf_free(&out, &mem);
    }
}

/* The examples of RFC 7617 and RFC 4648. */
static void basic_is_made(void **state)
{
    static const struct {
        const char *user, *password, *basic;
    } rows[] = {
        {"Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {"test", "123\xc2\xa3", "Basic dGVzdDoxMjPCow=="},
        {"", "", "Basic Og=="},
        {"u", "", "Basic dTo="},
        {"u", "p", "Basic dTpw"},
        {"", "pass:word", "Basic OnBhc3M6d29yZA=="},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        char *basic =
            bl_basic_credentials(&mem, bl_span_of(rows[i].user), bl_span_of(rows[i].password));

        assert_string_equal(basic, rows[i].basic);
        bl_free_secret(&mem, basic, strlen(basic));
    }
}

static void memory_may_be_out(void **state)
{
    struct failing_alloc alloc;
    struct bl_mem scarce;
    size_t len;

    (void)state;
    failing_alloc_init(&alloc);
    bl_mem_init(&scarce, &alloc.allocator);
    failing_alloc_once(&alloc, 1);
    assert_null(bl_unescape(&scarce, bl_span_of("x"), &len));
    failing_alloc_once(&alloc, 1);
    assert_null(bl_basic_credentials(&scarce, bl_span_of("x"), bl_span_of("y")));
    failing_alloc_once(&alloc, 1);
    assert_int_equal(bl_escape(&(struct bl_buf){0}, &scarce, bl_span_of("x"), bl_is_unreserved),
                     BELAY_ENOMEM);
    bl_free_secret(&scarce, NULL, 0);
    assert_int_equal(scarce.live, 0);
}

static int tear_down(void **state)
{
    (void)state;
    return mem.live == 0 ? 0 : -1;
}

static int set_up(void **state)
{
    (void)state;
    bl_mem_init(&mem, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(what_is_not_plain_is_escaped_and_read_back),
        cmocka_unit_test(basic_is_made),
        cmocka_unit_test(memory_may_be_out),
    };
    return cmocka_run_group_tests_name("wire_credentials", tests, set_up, tear_down);
}
