/* SPDX-License-Identifier: MIT */
#include "wire/field.h"

#include "base/assert.h"
#include "support/test.h"

static void tokens_have_the_characters_of_rfc_9110(void **state)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    (void)state;
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool allowed = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c && strchr(others, c));

        assert_int_equal(bl_field_is_token(bl_span(&byte, 1)), allowed);
    }
    assert_true(bl_field_is_token(bl_span_of("Content-Type")));
    assert_false(bl_field_is_token(bl_span_of("")));
    assert_false(bl_field_is_token(bl_span_of("Host:")));
    assert_false(bl_field_is_token(bl_span_of("A B")));
    assert_false(bl_field_is_token(bl_span("A\0", 2)));
}

static void values_have_no_control_characters_but_the_tab(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[3] = {'a', (char)c, 'b'};

        assert_int_equal(bl_field_is_value(bl_span(text, 3)),
                         (c >= 0x20 && c != 0x7f) || c == '\t');
    }
    assert_true(bl_field_is_value(bl_span_of("")));
    assert_false(bl_field_is_value(bl_span_of("x\r\nEvil: 1")));
}

static void targets_are_printable_ascii(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[2] = {'/', (char)c};

        assert_int_equal(bl_field_is_target(bl_span(text, 2)), c > 0x20 && c < 0x7f && c != '#');
    }
    assert_false(bl_field_is_target(bl_span_of("")));
}

static void blanks_are_trimmed(void **state)
{
    static const char *const cases[][2] = {
        {" \t a b\t ", "a b"}, {"a", "a"}, {"", ""}, {" \t ", ""}, {"\na", "\na"},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++)
        assert_true(bl_span_equal(bl_field_trim(bl_span_of(cases[i][0])), bl_span_of(cases[i][1])));
}

static void lists_are_walked_item_by_item(void **state)
{
    static const struct {
        const char *list, *items[4];
    } cases[] = {
        {"a", {"a"}},
        {"a, b ,\tc", {"a", "b", "c"}},
        {"", {NULL}},
        {" , ,, ", {NULL}},
        {",a,,b,", {"a", "b"}},
        {"a=\"x,y\", b", {"a=\"x,y\"", "b"}},
        {"\"a\\\",b\",c", {"\"a\\\",b\"", "c"}},
        {"\"open, a", {"\"open, a"}},
        {"\"open\\", {"\"open\\"}},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_span rest = bl_span_of(cases[i].list), item;

        for (size_t j = 0; cases[i].items[j]; j++) {
            assert_true(bl_field_next_item(&rest, &item));
            assert_true(bl_span_equal(item, bl_span_of(cases[i].items[j])));
        }
        assert_false(bl_field_next_item(&rest, &item));
    }
}

static void parts_may_be_empty(void **state)
{
    static const struct {
        const char *list;
        const char *parts[5];
    } cases[] = {
        {NULL, {NULL}},
        {"", {""}},
        {"a", {"a"}},
        {" a\t,b ", {"a", "b"}},
        {",a,,", {"", "a", "", ""}},
        {"\"a,b\"", {"\"a", "b\""}},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_span rest = bl_span_of(cases[i].list), part;

        for (size_t j = 0; cases[i].parts[j]; j++) {
            assert_true(bl_field_next_part(&rest, &part));
            assert_true(bl_span_equal(part, bl_span_of(cases[i].parts[j])));
        }
        assert_false(bl_field_next_part(&rest, &part));
    }
}

static void an_item_is_found_regardless_of_case(void **state)
{
    static const struct {
        const char *list, *item;
        bool found;
    } cases[] = {
        {"close", "close", true},
        {"keep-alive, Close", "close", true},
        {"keep-alive,CLOSE,upgrade", "close", true},
        {"closed", "close", false},
        {"not close", "close", false},
        {"\"a, close\"", "close", false},
        {"", "close", false},
        {"close;q=1", "close", false},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++)
        assert_int_equal(bl_field_has_item(bl_span_of(cases[i].list), cases[i].item),
                         cases[i].found);
}

static void decimals_never_overflow(void **state)
{
    static const struct {
        const char *text;
        uint64_t max, value;
        bool ok;
    } cases[] = {
        {"0", 0, 0, true},
        {"007", 10, 7, true},
        {"10", 10, 10, true},
        {"11", 10, 0, false},
        {"1", 0, 0, false},
        {"5", 3, 0, false},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX, true},
        {"18446744073709551616", UINT64_MAX, 0, false},
        {"28446744073709551615", UINT64_MAX, 0, false},
        {"9223372036854775807", INT64_MAX, INT64_MAX, true},
        {"9223372036854775808", INT64_MAX, 0, false},
        {"99999999999999999999999999", UINT64_MAX, 0, false},
        {"", 10, 0, false},
        {"-1", 10, 0, false},
        {"+1", 10, 0, false},
        {" 1", 10, 0, false},
        {"1 ", 10, 0, false},
        {"1a", 100, 0, false},
        {"0x1", 100, 0, false},
        {"1\xb2", 100, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        uint64_t value = 777;

        assert_int_equal(bl_field_decimal(bl_span_of(cases[i].text), cases[i].max, &value),
                         cases[i].ok);
        assert_int_equal(value, cases[i].ok ? cases[i].value : 777);
    }
}

static void keep_alive_is_read(void **state)
{
    static const struct {
        const char *value;
        int64_t timeout_s, max;
    } cases[] = {
        {"timeout=5, max=100", 5, 100},
        {"max=7,Timeout = 60", 60, 7},
        {"timeout=\"15\"", 15, -1},
        {"", -1, -1},
        {"timeout", -1, -1},
        {"timeout=, max=x", -1, -1},
        {"timeout=-5", -1, -1},
        {"timeout=99999999999999999999", -1, -1},
        {"timeout=5 s, timeout=6", 6, -1},
        {"timeout=5, timeout=6", 5, -1},
        {"timeouts=5", -1, -1},
        {"timeout=0", 0, -1},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_keep_alive got = bl_field_keep_alive(bl_span_of(cases[i].value));

        assert_int_equal(got.timeout_s, cases[i].timeout_s);
        assert_int_equal(got.max, cases[i].max);
    }
}

static void dates_are_milliseconds_since_1970(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777000},
        {"Tue, 29 Feb 2000 23:59:59 GMT", 951868799000},
        {"Wed, 01 Mar 2000 00:00:00 GMT", 951868800000},
        {"Thu, 29 Feb 2024 00:00:00 GMT", 1709164800000},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800000},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1000},
        {"Mon, 01 Mar 1600 00:00:00 GMT", -11670912000000},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799000},
        {"Sat, 01 Jan 0000 00:00:00 GMT", -62167219200000},
        {"Tue, 29 Feb 0000 23:59:59 GMT", -62162035201000},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        int64_t ms = 1;

        assert_true(bl_field_date(bl_span_of(cases[i].text), &ms));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void what_is_no_date_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GM",
        "Sun, 06 Nov 1994 08:49:37 GMTx",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 32 Jan 1994 08:49:37 GMT",
        "Wed, 29 Feb 2023 00:00:00 GMT",
        "Thu, 29 Feb 1900 00:00:00 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08-49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun; 06 Nov 1994 08:49:37 GMT",
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        int64_t ms = 1;

        assert_false(bl_field_date(bl_span_of(cases[i]), &ms));
        assert_int_equal(ms, 1);
    }
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    static const int64_t now = 784111777000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *value;
        int64_t ms; /* -1: neither */
    } cases[] = {
        {"0", 0},
        {"120", 120000},
        {" 5 ", 5000},
        {"2147483648", 2147483648000},
        {"2147483649", 2147483648000},
        {"99999999999999999999999", 2147483648000},
        {"Sun, 06 Nov 1994 08:49:47 GMT", 10000},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sat, 05 Nov 1994 08:49:37 GMT", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 2147483648000},
        {"", -1},
        {"-1", -1},
        {"1.5", -1},
        {"soon", -1},
        {"5, 6", -1},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        int64_t ms = -1;

        assert_int_equal(bl_field_retry_after(bl_span_of(cases[i].value), now, &ms),
                         cases[i].ms >= 0);
        assert_int_equal(ms, cases[i].ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_have_the_characters_of_rfc_9110),
        cmocka_unit_test(values_have_no_control_characters_but_the_tab),
        cmocka_unit_test(targets_are_printable_ascii),
        cmocka_unit_test(blanks_are_trimmed),
        cmocka_unit_test(lists_are_walked_item_by_item),
        cmocka_unit_test(parts_may_be_empty),
        cmocka_unit_test(an_item_is_found_regardless_of_case),
        cmocka_unit_test(decimals_never_overflow),
        cmocka_unit_test(keep_alive_is_read),
        cmocka_unit_test(dates_are_milliseconds_since_1970),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
