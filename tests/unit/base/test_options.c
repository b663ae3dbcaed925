/* SPDX-License-Identifier: MIT */
#include "base/options.h"

#include "base/assert.h"
#include "support/test.h"

struct sample_options {
    size_t size;
    int64_t wait_ms;
    int32_t connections_max;
    bool no_verify;
    const char *name;
    int64_t added_later;
    int32_t kind; /* an enum */
};

static const struct bl_option table[] = {
    BL_OPTION(sample_options, wait_ms, 5000, 0, INT64_MAX, 1, 31536000000),
    BL_OPTION(sample_options, connections_max, 10, BL_NOT_ALLOWED, INT32_MAX, 1, 1000000),
    BL_OPTION(sample_options, added_later, 7, -1, BL_NOT_ALLOWED, -100, 100),
    BL_OPTION(sample_options, kind, 0, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1, 3),
};

static int resolve(const struct sample_options *given, struct sample_options *out,
                   struct belay_error *error)
{
    return bl_options_resolve(out, sizeof *out, given, table, BL_COUNT(table), error);
}

static void no_options_are_the_defaults(void **state)
{
    struct sample_options out;
    struct belay_error error;

    (void)state;
    memset(&out, 0xff, sizeof out);
    assert_int_equal(resolve(NULL, &out, &error), 0);
    assert_int_equal(out.size, sizeof out);
    assert_int_equal(out.wait_ms, 5000);
    assert_int_equal(out.connections_max, 10);
    assert_int_equal(out.added_later, 7);
    assert_false(out.no_verify);
    assert_null(out.name);
}

static void each_word_becomes_its_value(void **state)
{
    struct sample_options given = {BELAY_SIZED(sample_options), .name = "n", .no_verify = true};
    struct sample_options out;

    (void)state;
    given.wait_ms = BELAY_NONE;
    given.connections_max = BELAY_FOREVER;
    given.added_later = -50;
    assert_int_equal(resolve(&given, &out, NULL), 0);
    assert_int_equal(out.wait_ms, 0);
    assert_int_equal(out.connections_max, INT32_MAX);
    assert_int_equal(out.added_later, -50);
    assert_string_equal(out.name, "n");
    assert_true(out.no_verify);

    given.wait_ms = BELAY_FOREVER;
    given.connections_max = 33;
    given.added_later = BELAY_NONE;
    assert_int_equal(resolve(&given, &out, NULL), 0);
    assert_int_equal(out.wait_ms, INT64_MAX);
    assert_int_equal(out.connections_max, 33);
    assert_int_equal(out.added_later, -1);
}

/* What is refused, and what is said of it. */
static void refusals_name_the_field_and_change_nothing(void **state)
{
    static const struct {
        struct sample_options given;
        const char *text;
    } cases[] = {
        {{.wait_ms = -7}, "wait_ms: -7 is out of range (1 to 31536000000)"},
        {{.wait_ms = 31536000001}, "wait_ms: 31536000001 is out of range (1 to 31536000000)"},
        {{.wait_ms = INT64_MIN},
         "wait_ms: -9223372036854775808 is out of range (1 to 31536000000)"},
        {{.connections_max = 1000001}, "connections_max: 1000001 is out of range (1 to 1000000)"},
        {{.connections_max = BELAY_NONE}, "connections_max: BELAY_NONE is not allowed here"},
        {{.added_later = BELAY_FOREVER}, "added_later: BELAY_FOREVER is not allowed here"},
        {{.added_later = 101}, "added_later: 101 is out of range (-100 to 100)"},
        {{.kind = 4}, "kind: 4 is out of range (0 to 3)"},
    };
    struct sample_options before, out;

    (void)state;
    memset(&before, 0x5a, sizeof before);
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct sample_options given = cases[i].given;
        struct belay_error error;

        given.size = sizeof given;
        out = before;
        assert_int_equal(resolve(&given, &out, &error), BELAY_EINVAL);
        assert_int_equal(error.code, BELAY_EINVAL);
        assert_int_equal(error.kind, BELAY_KIND_USAGE);
        assert_string_equal(error.text, cases[i].text);
        assert_memory_equal(&out, &before, sizeof out);
        assert_int_equal(resolve(&given, &out, NULL), BELAY_EINVAL);
    }
}

static void both_ends_of_a_range_are_within_it(void **state)
{
    struct sample_options given = {BELAY_SIZED(sample_options)}, out;

    (void)state;
    given.wait_ms = 1;
    given.added_later = 100;
    assert_int_equal(resolve(&given, &out, NULL), 0);
    assert_int_equal(out.wait_ms, 1);
    assert_int_equal(out.added_later, 100);
    given.wait_ms = 31536000000;
    given.added_later = -100;
    assert_int_equal(resolve(&given, &out, NULL), 0);
    assert_int_equal(out.wait_ms, 31536000000);
    assert_int_equal(out.added_later, -100);
}

static void an_older_program_gets_the_defaults_of_new_fields(void **state)
{
    struct sample_options given = {
        .size = offsetof(struct sample_options, added_later), .wait_ms = 9, .added_later = 50};
    struct sample_options out;

    (void)state;
    assert_int_equal(resolve(&given, &out, NULL), 0);
    assert_int_equal(out.size, sizeof out);
    assert_int_equal(out.wait_ms, 9);
    assert_int_equal(out.added_later, 7);
}

static void a_newer_program_may_not_set_what_is_unknown(void **state)
{
    struct {
        struct sample_options known;
        int64_t unknown;
    } given = {.known = {.wait_ms = 9}};
    struct sample_options out;
    struct belay_error error;

    (void)state;
    given.known.size = sizeof given;
    assert_int_equal(resolve(&given.known, &out, &error), 0);
    assert_int_equal(out.size, sizeof out);
    assert_int_equal(out.wait_ms, 9);
    given.unknown = 1;
    assert_int_equal(resolve(&given.known, &out, &error), BELAY_EINVAL);
    assert_memory_equal(error.text, "size: ", 6);
}

static void a_size_that_was_forgotten_is_refused(void **state)
{
    struct sample_options given = {.wait_ms = 9}, out;
    struct belay_error error;

    (void)state;
    assert_int_equal(resolve(&given, &out, &error), BELAY_EINVAL);
    assert_string_equal(error.text,
                        "size: 0 is too small; prepare the options with their init function");
    given.size = sizeof given.size - 1;
    assert_int_equal(resolve(&given, &out, &error), BELAY_EINVAL);
}

static void options_may_be_resolved_in_place(void **state)
{
    struct sample_options o = {BELAY_SIZED(sample_options), .wait_ms = BELAY_NONE};

    (void)state;
    assert_int_equal(resolve(&o, &o, NULL), 0);
    assert_int_equal(o.wait_ms, 0);
    assert_int_equal(o.connections_max, 10);
}

static void fields_are_read_and_written_by_the_table(void **state)
{
    struct sample_options o = {BELAY_SIZED(sample_options), .connections_max = -3};

    (void)state;
    assert_int_equal(bl_option_get(&o, &table[1]), -3);
    bl_option_put(&o, &table[1], 77);
    bl_option_put(&o, &table[0], INT64_MAX);
    assert_int_equal(o.connections_max, 77);
    assert_int_equal(o.wait_ms, INT64_MAX);
    assert_int_equal(bl_option_get(&o, &table[0]), INT64_MAX);
}

static void options_read_as_words_and_numbers(void **state)
{
    struct sample_options o = {BELAY_SIZED(sample_options), .wait_ms = 0, .connections_max = 5};
    char text[128], small[20];
    size_t len;

    (void)state;
    o.added_later = -1;
    len = bl_options_print(table, BL_COUNT(table), &o, text, sizeof text);
    assert_int_equal(len, strlen(text));
    assert_string_equal(text, "wait_ms default, connections_max 5, added_later none, kind default");
    o.wait_ms = INT64_MAX;
    o.connections_max = BELAY_FOREVER;
    o.added_later = -7;
    len = bl_options_print(table, BL_COUNT(table), &o, text, sizeof text);
    assert_int_equal(len, strlen(text));
    assert_string_equal(text,
                        "wait_ms forever, connections_max forever, added_later -7, kind default");
    assert_int_equal(bl_options_print(table, BL_COUNT(table), &o, small, sizeof small), len);
    assert_string_equal(small, "wait_ms forever, co");
    assert_int_equal(bl_options_print(table, BL_COUNT(table), &o, NULL, 0), len);
    assert_int_equal(bl_options_print(table, 0, &o, small, sizeof small), 0);
    assert_string_equal(small, "");
}

/* Effective options are given again as words, and come out the same. */
static void effective_options_may_be_given_again(void **state)
{
    static const int64_t given[][4] = {
        {0, 0, 0, 0},
        {BELAY_NONE, BELAY_FOREVER, BELAY_NONE, 1},
        {BELAY_FOREVER, 1, 100, 2},
        {31536000000, 1000000, -100, 3},
    };
    struct sample_options o = {BELAY_SIZED(sample_options)}, first, again;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(given); i++) {
        for (size_t k = 0; k < BL_COUNT(table); k++)
            bl_option_put(&o, &table[k], given[i][k]);
        assert_int_equal(resolve(&o, &first, NULL), 0);
        again = first;
        bl_options_express(&again, table, BL_COUNT(table));
        assert_int_equal(resolve(&again, &again, NULL), 0);
        for (size_t k = 0; k < BL_COUNT(table); k++)
            assert_int_equal(bl_option_get(&again, &table[k]), bl_option_get(&first, &table[k]));
    }
    first.wait_ms = 0;
    bl_options_express(&first, table, BL_COUNT(table));
    assert_int_equal(first.wait_ms, BELAY_NONE);
    assert_int_equal(first.connections_max, 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_options_are_the_defaults),
        cmocka_unit_test(each_word_becomes_its_value),
        cmocka_unit_test(refusals_name_the_field_and_change_nothing),
        cmocka_unit_test(both_ends_of_a_range_are_within_it),
        cmocka_unit_test(an_older_program_gets_the_defaults_of_new_fields),
        cmocka_unit_test(a_newer_program_may_not_set_what_is_unknown),
        cmocka_unit_test(a_size_that_was_forgotten_is_refused),
        cmocka_unit_test(options_may_be_resolved_in_place),
        cmocka_unit_test(fields_are_read_and_written_by_the_table),
        cmocka_unit_test(options_read_as_words_and_numbers),
        cmocka_unit_test(effective_options_may_be_given_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
