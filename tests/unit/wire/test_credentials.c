/* SPDX-License-Identifier: MIT */
/* Users and passwords: escapes undone, Basic made. */
#include "wire/credentials.h"

#include "base/assert.h"
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
        cmocka_unit_test(basic_is_made),
        cmocka_unit_test(memory_may_be_out),
    };
    return cmocka_run_group_tests_name("wire_credentials", tests, set_up, tear_down);
}
