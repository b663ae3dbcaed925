/* SPDX-License-Identifier: MIT */
/* Words and figures for people. */
#include "support/test.h"

#include "text.h"

#include <string.h>

static void foreign_bytes_cannot_touch_a_terminal(void **state)
{
    static const struct {
        const char *text, *shown;
    } rows[] = {
        {"plain", "plain"},
        {"a\nb\tc\r", "a\\nb\\tc\\r"},
        {"\033[31m", "\\x1b[31m"},
        {"\x7f", "\\x7f"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"},
        {"\xe2\x80\xae", "\\xe2\\x80\\xae"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"\xc0\xaf", "\\xc0\\xaf"},
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(text_show(out, sizeof out, rows[i].text), rows[i].shown);
}

static void text_is_tamed_in_place(void **state)
{
    char text[] = "a\033b\nc\x7f\xc2\x9b\xe2\x80\xae\xc3\xbc\xc2\xa0\xe2\x82\xac\xc2";

    (void)state;
    text_tame(text, "\n");
    assert_string_equal(text, "a b\nc      \xc3\xbc\xc2\xa0\xe2\x82\xac\xc2");
    text_tame(text, "");
    assert_memory_equal(text, "a b c", 5);
}

static void long_text_ends_in_dots_and_whole_characters(void **state)
{
    char out[10];

    (void)state;
    assert_string_equal(text_show(out, sizeof out, "123456789"), "123456789");
    assert_string_equal(text_show(out, sizeof out, "1234567890"), "123456...");
    assert_string_equal(text_show(out, sizeof out, "12345\n7890"), "12345...");
}

static void distance_counts_swapped_letters_once(void **state)
{
    (void)state;
    assert_int_equal(text_distance("timeout", "timeout"), 0);
    assert_int_equal(text_distance("tmieout", "timeout"), 1);
    assert_int_equal(text_distance("TIMEOUT", "timeout"), 0);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_true(text_distance("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a") == SIZE_MAX);
}

static void only_a_misspelling_is_near(void **state)
{
    size_t best = SIZE_MAX;

    (void)state;
    assert_true(text_is_nearer("retires", "retries", &best));
    assert_int_equal(best, 1);
    assert_false(text_is_nearer("retires", "retry-status", &best));
    best = SIZE_MAX;
    assert_false(text_is_nearer("xy", "get", &best));
    assert_false(text_is_nearer("banana", "requests", &best));
}

static void figures_read_well(void **state)
{
    char out[TEXT_FIGURE_MAX];

    (void)state;
    assert_string_equal(text_count(out, 0), "0");
    assert_string_equal(text_count(out, 999), "999");
    assert_string_equal(text_count(out, 1000), "1,000");
    assert_string_equal(text_count(out, UINT64_MAX), "18,446,744,073,709,551,615");
    assert_string_equal(text_bytes(out, 0), "0 B");
    assert_string_equal(text_bytes(out, 999), "999 B");
    assert_string_equal(text_bytes(out, 999.6), "1.00 kB");
    assert_string_equal(text_bytes(out, 1234567), "1.23 MB");
    assert_string_equal(text_bytes(out, 999999999), "1.00 GB");
    assert_string_equal(text_duration(out, 999), "999 us");
    assert_string_equal(text_duration(out, 1000), "1.00 ms");
    assert_string_equal(text_duration(out, 12345), "12.3 ms");
    assert_string_equal(text_duration(out, 999499), "999 ms");
    assert_string_equal(text_duration(out, 999500), "1.00 s");
    assert_string_equal(text_duration(out, 125000000), "2 min 05 s");
    assert_string_equal(text_duration(out, UINT64_C(7500) * 1000000), "2 h 05 min");
    assert_string_equal(text_rate(out, 0.25), "0.25/s");
    assert_string_equal(text_rate(out, 61234.4), "61,234/s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_bytes_cannot_touch_a_terminal),
        cmocka_unit_test(text_is_tamed_in_place),
        cmocka_unit_test(long_text_ends_in_dots_and_whole_characters),
        cmocka_unit_test(distance_counts_swapped_letters_once),
        cmocka_unit_test(only_a_misspelling_is_near),
        cmocka_unit_test(figures_read_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
