/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include "base/assert.h"
#include "support/test.h"

static void text_is_cut_between_characters(void **state)
{
    static const char text[] =
        "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 1, 2, 3, 4 and 1 bytes */
    static const size_t cuts[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};

    (void)state;
    for (size_t max = 0; max < BL_COUNT(cuts); max++)
        assert_int_equal(bl_text_cut(text, sizeof text - 1, max), cuts[max]);
    /* What is not UTF-8 is cut as well. */
    assert_int_equal(bl_text_cut("\x80\x80\x80\x80\x80\x80\x80\x80", 8, 6), 2);
}

static void foreign_bytes_are_shown_harmless(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *shown;
    } cases[] = {
        {"plain text", 10, "plain text"},
        {"", 0, ""},
        {"a\r\n\tb", 5, "a\\r\\n\\tb"},
        {"a\0b", 3, "a\\x00b"},
        {"\x1b[2J", 4, "\\x1b[2J"},
        {"\"q\\", 3, "\\\"q\\\\"},
        {"\xc3\xa9\x7f", 3, "\\xc3\\xa9\\x7f"},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        char out[64];

        assert_string_equal(bl_text_show(out, sizeof out, cases[i].text, cases[i].len),
                            cases[i].shown);
    }
}

static void long_text_is_abbreviated(void **state)
{
    char out[8], big[65536];

    (void)state;
    assert_string_equal(bl_text_show(out, sizeof out, "1234567", 7), "1234567");
    assert_string_equal(bl_text_show(out, sizeof out, "12345678", 8), "1234...");
    /* An escape is shown whole or not at all. */
    assert_string_equal(bl_text_show(out, sizeof out,
                                     "123\x01"
                                     "45678",
                                     9),
                        "123...");
    memset(big, 0, sizeof big);
    assert_string_equal(bl_text_show(out, sizeof out, big, sizeof big), "\\x00...");
}

static void distance_counts_mistakes(void **state)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {
        {"http", "http", 0}, {"HTTP", "http", 0}, {"htp", "http", 1},       {"htttp", "http", 1},
        {"hxtp", "http", 1}, {"htpt", "http", 1}, {"", "http", 4},          {"htps", "https", 1},
        {"ab", "ba", 1},     {"unix", "tcp", 4},  {"kitten", "sitting", 3},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_span a = bl_span_of(cases[i].a), b = bl_span_of(cases[i].b);

        assert_int_equal(bl_text_distance(a, b), cases[i].distance);
        assert_int_equal(bl_text_distance(b, a), cases[i].distance);
    }
    assert_int_equal(
        bl_text_distance(bl_span_of("12345678901234567890123456789012"), bl_span_of("a")), 32);
    assert_int_equal(
        bl_text_distance(bl_span_of("123456789012345678901234567890123"), bl_span_of("a")),
        SIZE_MAX);
}

static void what_is_not_utf_8_is_a_question_mark(void **state)
{
    static const struct {
        const char *text, *wanted; /* NULL: as it is */
    } cases[] = {
        {"", NULL},
        {"plain", NULL},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", NULL},
        {"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", NULL},
        {"a\xff"
         "b",
         "a?b"},
        {"\x80", "?"},
        {"\xc3", "?"},
        {"\xc3(", "?("},
        {"\xe2\x82", "??"},
        {"\xf0\x9f\x98z", "???z"},
        {"\xc0\xaf", "??"}, /* too long for what it says */
        {"\xe0\x9f\xbf", "???"},
        {"\xed\xa0\x80", "???"}, /* half of a pair */
        {"\xf0\x8f\xbf\xbf", "????"},
        {"\xf4\x90\x80\x80", "????"}, /* beyond the last */
        {"\xf5\x80\x80\x80", "????"},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        char text[32];

        strcpy(text, cases[i].text);
        assert_int_equal(bl_text_is_utf8(text), cases[i].wanted == NULL);
        bl_text_make_utf8(text);
        assert_string_equal(text, cases[i].wanted ? cases[i].wanted : cases[i].text);
    }
}

static void spans_compare_by_content(void **state)
{
    (void)state;
    assert_true(bl_span_equal(bl_span_of("ab"), bl_span("abc", 2)));
    assert_false(bl_span_equal(bl_span_of("ab"), bl_span_of("aB")));
    assert_true(bl_span_equal_nocase(bl_span_of("aZ-9"), bl_span_of("Az-9")));
    assert_false(bl_span_equal_nocase(bl_span_of("a"), bl_span_of("ab")));
    /* "@" and "`", "[" and "{" differ by the bit that letters differ by. */
    assert_false(bl_span_equal_nocase(bl_span_of("@["), bl_span_of("`{")));
    assert_true(bl_span_equal(bl_span(NULL, 0), bl_span_of("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_between_characters),
        cmocka_unit_test(foreign_bytes_are_shown_harmless),
        cmocka_unit_test(long_text_is_abbreviated),
        cmocka_unit_test(distance_counts_mistakes),
        cmocka_unit_test(what_is_not_utf_8_is_a_question_mark),
        cmocka_unit_test(spans_compare_by_content),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
