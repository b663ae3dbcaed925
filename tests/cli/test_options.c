/* SPDX-License-Identifier: MIT */
/* The command line of `belay get`: as its users write it, and what is said when they err. */
#include "support/test.h"

#include "get_options.h"

#include <stdio.h>
#include <string.h>

#define ARGS_MAX 32

/* Reads "-c 4 URL", cut at blanks. */
static enum options_verdict read_line(const char *line, struct get_options *o,
                                      struct complaint *why)
{
    static char text[512];
    char *args[ARGS_MAX], *save = NULL;
    int n = 0;

    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        args[n++] = word;
    why->text[0] = '\0';
    return get_options_read(o, n, args, why);
}

static void options_may_stand_anywhere_and_letters_be_joined(void **state)
{
    struct get_options o;
    struct complaint why;

    (void)state;
    assert_int_equal(read_line("http://a/ -kLc4 --timeout=2s http://b/ -vv -m3 -- -x", &o, &why),
                     OPTIONS_GOOD);
    assert_int_equal(o.client.urls.n, 3);
    assert_string_equal(o.client.urls.items[2], "-x");
    assert_true(o.client.tls.no_verify);
    assert_true(o.client.location);
    assert_int_equal(o.client.concurrency, 4);
    assert_int_equal(o.client.timeout_ms, 3000);
    assert_int_equal(o.client.verbose, 2);
    get_options_free(&o);
}

static void defaults_are_those_of_the_help(void **state)
{
    struct get_options o;
    struct complaint why;

    (void)state;
    assert_int_equal(read_line("http://a/", &o, &why), OPTIONS_GOOD);
    assert_string_equal(o.client.method, "GET");
    assert_int_equal(o.client.concurrency, 16);
    assert_int_equal(o.retry.retries, 2);
    assert_int_equal(o.client.max_redirects, 10);
    assert_false(o.client.location);
    assert_true(get_shows_body(&o));
    get_options_free(&o);
}

static void the_method_follows_from_the_body(void **state)
{
    static const struct {
        const char *line, *method;
    } rows[] = {{"-d a http://a/", "POST"},
                {"-T f http://a/", "PUT"},
                {"-I http://a/", "HEAD"},
                {"-X PATCH -d a http://a/", "PATCH"},
                {"--data-binary @f http://a/", "POST"}};
    struct get_options o;
    struct complaint why;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(read_line(rows[i].line, &o, &why), OPTIONS_GOOD);
        assert_string_equal(o.client.method, rows[i].method);
        get_options_free(&o);
    }
}

static void the_body_is_shown_of_one_request_only(void **state)
{
    static const struct {
        const char *line;
        bool shown;
    } rows[] = {
        {"http://a/", true},         {"http://a/ http://b/", false}, {"-n 1 http://a/", false},
        {"--json http://a/", false}, {"-w http://a/", false},        {"--discard http://a/", false},
        {"-o f http://a/", false},   {"-O d http://a/", false},      {"--for 1s http://a/", false},
        {"-I http://a/", false},     {"-f -L http://a/", true}};
    struct get_options o;
    struct complaint why;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(read_line(rows[i].line, &o, &why), OPTIONS_GOOD);
        assert_true(get_shows_body(&o) == rows[i].shown);
        get_options_free(&o);
    }
}

/* The line, and words that must stand in the answer. */
static void errors_name_the_option_and_what_to_try(void **state)
{
    static const struct {
        const char *line, *words;
    } rows[] = {
        {"", "there is no URL"},
        {"--tmieout 1s http://a/", "--tmieout: there is no such option (did you mean --timeout?)"},
        {"--max-conections 1 http://a/", "--max-connections"},
        {"--max-time 1 http://a/", "--timeout"},
        {"-s http://a/", "-q"},
        {"--zzzzzzzz http://a/", "--help"},
        {"-m http://a/", "-m: \"http://a/\" is not a time"},
        {"http://a/ -m", "-m: a value is missing (TIME)"},
        {"--timeout= http://a/", "--timeout: its value is empty"},
        {"--insecure=1 http://a/", "takes no value"},
        {"-n -1 http://a/", "-n: \"-1\""},
        {"-c 0 http://a/", "-c: \"0\""},
        {"--for 0 http://a/", "above 0"},
        {"-X G=T http://a/", "not a method"},
        {"-u name http://a/", "password"},
        {"--tls-min 1.1 http://a/", "neither 1.2 nor 1.3"},
        {"--http2 --http1.1 http://a/", "do not go together"},
        {"--http3 http://a/", "HTTP/1.1 and HTTP/2"},
        {"--proxy-user me http://a/", "NAME:PASSWORD"},
        {"-U secret http://a/", "NAME:PASSWORD"},
        {"--unix /x --proxy p http://a/", "--unix and --proxy do not go together"},
        {"--socks5 p http://a/", "socks5://"},
        {"--preproxy p http://a/", "-x is repeated"},
        {"-F a http://a/", "NAME=@FILE"},
        {"-F =b http://a/", "NAME=@FILE"},
        {"-F a=b -d c http://a/", "-F and -d do not go together"},
        {"-F a=b -T c http://a/", "-F and -T do not go together"},
        {"-I -F a=b http://a/", "-I and -F do not go together"},
        {"--min-idle 11 http://a/", "--min-idle 11 is more than the 10 connections"},
        {"--min-idle 4 --max-total 3 http://a/", "more than the 3 connections"},
        {"--max-uses 0 http://a/", "--max-uses"},
        {"--min-idel 1 http://a/", "did you mean --min-idle?"},
        {"-O http://a/", "-O takes a directory"},
        {"-o f -O d http://a/", "do not go together"},
        {"-d a -T f http://a/", "do not go together"},
        {"-I -d a http://a/", "do not go together"},
        {"--json -w http://a/", "choose one"},
        {"-4 -6 http://a/", "do not go together"},
        {"--key k http://a/", "--key needs --cert"},
        {"--unix s --resolve a:1:127.0.0.1 http://a/", "--unix"},
        {"--warm-up 1s http://a/", "--warm-up needs"},
        {"-q -v http://a/", "do not go together"},
    };
    struct get_options o;
    struct complaint why;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (read_line(rows[i].line, &o, &why) != OPTIONS_BAD || !strstr(why.text, rows[i].words))
            fail_msg("'%s' says '%s', which lacks '%s'", rows[i].line, why.text, rows[i].words);
        get_options_free(&o);
    }
}

static void what_needs_one_request_is_refused_for_many(void **state)
{
    static const char *const lines[] = {"-o f http://a/ http://b/", "-o f -n 2 http://a/",
                                        "-D f -n 2 http://a/", "-o f --for 1s http://a/"};
    struct get_options o;
    struct complaint why;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(read_line(lines[i], &o, &why), OPTIONS_GOOD);
        assert_false(get_options_check_urls(&o, &why));
        get_options_free(&o);
    }
    assert_int_equal(read_line("-T - -n 2 http://a/", &o, &why), OPTIONS_GOOD);
    assert_true(get_options_check_body(&o, false, &why));
    assert_false(get_options_check_body(&o, true, &why));
    get_options_free(&o);
    assert_int_equal(read_line("-o f -n 1 http://a/", &o, &why), OPTIONS_GOOD);
    assert_true(get_options_check_urls(&o, &why));
    assert_true(get_options_check_body(&o, true, &why));
    get_options_free(&o);
}

/* A table that is wrong would show only to the user who meets the row. */
static void check_table(const struct option_table *table)
{
    const struct option_row *a;

    for (size_t i = 0; (a = options_row(table, i)); i++) {
        if (a->kind == OPTION_HEADING)
            continue;
        assert_true(a->kind == OPTION_LATER || a->help != NULL);
        assert_true((a->kind == OPTION_TAKE) == (a->take != NULL));
        assert_true((a->kind == OPTION_FLAG || a->kind == OPTION_MORE || a->kind == OPTION_HELP)
                        ? !a->arg
                        : a->arg || a->kind == OPTION_LATER);
        for (size_t j = 0; j < i; j++) {
            const struct option_row *b = options_row(table, j);

            assert_false(a->letter && a->letter == b->letter);
            assert_false(a->name && b->name && strcmp(a->name, b->name) == 0);
        }
        for (size_t j = 0; j < 2; j++)
            for (const struct option_hint *h = table->hints[j]; h && h->name; h++)
                assert_false(h->name[1] == '-' ? a->name && strcmp(h->name + 2, a->name) == 0
                                               : h->name[1] == a->letter);
    }
}

static void the_table_is_sound(void **state)
{
    (void)state;
    check_table(&get_table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_may_stand_anywhere_and_letters_be_joined),
        cmocka_unit_test(defaults_are_those_of_the_help),
        cmocka_unit_test(the_method_follows_from_the_body),
        cmocka_unit_test(the_body_is_shown_of_one_request_only),
        cmocka_unit_test(errors_name_the_option_and_what_to_try),
        cmocka_unit_test(what_needs_one_request_is_refused_for_many),
        cmocka_unit_test(the_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
