/* SPDX-License-Identifier: MIT */
/* The pure parts of `belay watch`: what it waits for, its bytes, its options, and its pages, which
 * fit whatever the terminal. */
#include "support/test.h"

#include "watch_goal.h"
#include "watch_options.h"
#include "watch_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the goal ---- */

static void all_or_any_are_there(void **state)
{
    struct watch_goal all = {.any = false}, any = {.any = true};

    (void)state;
    assert_int_equal(watch_goal_step(&all, 0, 1, 2), WATCH_GOAL_FAR);
    assert_int_equal(watch_goal_step(&all, 5, 2, 2), 0);
    assert_int_equal(watch_goal_step(&any, 0, 0, 2), WATCH_GOAL_FAR);
    assert_int_equal(watch_goal_step(&any, 5, 1, 2), 0);
}

static void it_counts_once_it_has_been_so_for_long_enough(void **state)
{
    struct watch_goal goal = {.stable_ms = 100};

    (void)state;
    assert_int_equal(watch_goal_step(&goal, 1000, 2, 2), 100);
    assert_int_equal(watch_goal_step(&goal, 1060, 2, 2), 40);
    assert_int_equal(watch_goal_step(&goal, 1070, 1, 2), WATCH_GOAL_FAR);
    assert_int_equal(watch_goal_step(&goal, 1080, 2, 2), 100); /* from the beginning */
    assert_int_equal(watch_goal_step(&goal, 1179, 2, 2), 1);
    assert_int_equal(watch_goal_step(&goal, 1180, 2, 2), 0);
}

/* ---- options ---- */

static struct watch_options options;
static struct complaint why;

static enum options_verdict read_options(char *argv[])
{
    int argc = 0;

    while (argv[argc])
        argc++;
    memset(&why, 0, sizeof why);
    return watch_options_read(&options, argc, argv, &why);
}

#define READ(...) read_options((char *[]){__VA_ARGS__, NULL})

static void a_command_follows_two_dashes_and_means_until_up(void **state)
{
    (void)state;
    assert_int_equal(READ("-m", "3s", "db:1", "--", "./serve", "--until-down", "--"), OPTIONS_GOOD);
    assert_true(options.until_up);
    assert_string_equal(options.command[0], "./serve");
    assert_string_equal(options.command[2], "--");
    assert_int_equal(options.client.urls.n, 1);
    assert_int_equal(options.client.timeout_ms, 3000);
    watch_options_free(&options);
}

static void what_an_answer_may_be_is_a_range(void **state)
{
    static const char *const bad[] = {"abc",  "199",  "600",        "300-200",
                                      "200-", "-300", "200-300-400"};

    (void)state;
    assert_int_equal(READ("http://a", "--status", "404"), OPTIONS_GOOD);
    assert_int_equal(options.status_min, 404);
    assert_int_equal(options.status_max, 404);
    watch_options_free(&options);
    assert_int_equal(READ("http://a", "--status", "200-299"), OPTIONS_GOOD);
    assert_int_equal(options.status_max, 299);
    watch_options_free(&options);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(READ("http://a", "--status", (char *)(uintptr_t)bad[i]), OPTIONS_BAD);
        assert_non_null(strstr(why.text, "--status"));
        watch_options_free(&options);
    }
}

static void what_makes_no_sense_together_is_refused(void **state)
{
    static char *const cases[][6] = {
        {"--until-up", "--until-down", "a:1", NULL},
        {"--any", "a:1", NULL},
        {"--stable", "1s", "a:1", NULL},
        {"-m", "1s", "a:1", NULL},
        {"--send", "x", "a:1", NULL},
        {"a:1", "--", NULL},
        {"--until-down", "a:1", "--", "b", NULL},
        {"-q", "--events", "a:1", NULL},
        {"--expect", "\\q", "a:1", NULL},
        {"--until-up", NULL},
        {"-4", "-6", "a:1", NULL},
        {"-q", "-v", "a:1", NULL},
        {"--every", "0", "a:1", NULL},
        {"--backoff", "x", "a:1", NULL},
        {"--retry-delay", "1s", "--backoff", "1s", "a:1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *argv[7] = {NULL};

        memcpy(argv, cases[i], sizeof cases[i]);
        assert_int_equal(read_options(argv), OPTIONS_BAD);
        assert_true(why.text[0] != '\0');
        watch_options_free(&options);
    }
}

/* ---- pages ---- */

static struct watch_row rows[40];
static char names[40][60];
static struct watch_facts facts;

static void set_facts(size_t n)
{
    memset(rows, 0, sizeof rows);
    for (size_t i = 0; i < n; i++) {
        struct watch_row *row = &rows[i];

        snprintf(names[i], sizeof names[i], "service-%zu.example.com:%zu", i, 8000 + i);
        row->name = names[i];
        snprintf(row->address, sizeof row->address, "tcp://10.0.0.%zu:8000", i);
        row->up = i % 2 == 0;
        row->down = !row->up;
        row->for_ms = 3723000;
        row->uptime = 0.874;
        row->connects = 13;
        row->next_ms = row->up ? -1 : 4200;
        row->failed = true;
        row->stage = BELAY_STAGE_CONNECT;
        row->age_ms = 5000;
        snprintf(row->error, sizeof row->error,
                 "connecting to tcp://10.0.0.%zu:8000: connection\nrefused (tried it: refused)", i);
    }
    facts = (struct watch_facts){.rows = rows, .n = n, .up_n = (n + 1) / 2, .left_ms = -1};
}

static char *drawn(size_t width, size_t lines, bool utf8)
{
    struct page page = {.width = width, .utf8 = utf8};

    watch_page_screen(&page, &facts, lines, true, NULL, 0);
    bytes_add(&page.text, "", 1);
    return page.text.data;
}

static void a_row_says_all_there_is_to_know(void **state)
{
    char *text;

    (void)state;
    set_facts(2);
    text = drawn(100, 24, true);
    assert_non_null(strstr(text, "belay watch  1 of 2 up"));
    assert_non_null(strstr(
        text,
        "○ service-1.example.com:8001  down        1 h 02 min  87.4 %          12  in 4.2 s\n"));
    assert_non_null(strstr(text, "\n      tried tcp://10.0.0.1:8000\n"));
    assert_non_null(strstr(text, "\n      connect, 5 s ago: connection refused\n"));
    assert_non_null(strstr(text, "● service-0.example.com:8000  up "));
    assert_non_null(strstr(text, "\n      at tcp://10.0.0.0:8000\n"));
    free(text);
}

static void every_page_fits(void **state)
{
    static const size_t widths[] = {10, 20, 30, 40, 60, 80, 100, 200},
                        heights[] = {3, 5, 8, 12, 24, 100};

    (void)state;
    for (size_t n = 1; n <= 40; n += 13) {
        set_facts(n);
        for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
            for (size_t h = 0; h < sizeof heights / sizeof heights[0]; h++) {
                char *text = drawn(widths[w], heights[h], false), *line = text;
                size_t lines = 0;

                for (char *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
                    *end = '\0';
                    if (page_columns(line) > widths[w])
                        fail_msg("%zux%zu: \"%s\"", widths[w], heights[h], line);
                }
                if (lines > heights[h] + 1)
                    fail_msg("%zux%zu: %zu lines for %zu", widths[w], heights[h], lines, n);
                free(text);
            }
        }
    }
}

static void what_is_left_out_is_counted(void **state)
{
    char *text;

    (void)state;
    set_facts(40);
    text = drawn(80, 24, false);
    assert_non_null(strstr(text, "services more\n"));
    assert_null(strstr(text, "connection refused"));
    free(text);
    set_facts(3);
    text = drawn(80, 8, false);
    assert_non_null(strstr(text, "service-2"));
    free(text);
}

static void states_have_words(void **state)
{
    static const struct {
        struct watch_row row;
        const char *word;
    } cases[] = {
        {{.up = true}, "up"},
        {{.down = true}, "down"},
        {{.down = true, .busy = true}, "connecting"},
        {{.busy = true}, "connecting"},
        {{.down = true, .ended = true}, "ended"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(watch_state_name(&cases[i].row), cases[i].word);
}

static void spans_are_short(void **state)
{
    char out[TEXT_FIGURE_MAX];

    (void)state;
    assert_string_equal(watch_page_span(out, 999), "0 s");
    assert_string_equal(watch_page_span(out, 303000), "5 min 03 s");
    assert_string_equal(watch_page_span(out, 3599000), "59 min");
    assert_string_equal(watch_page_span(out, 12000000), "3 h 20 min");
    assert_string_equal(watch_page_span(out, 187200000), "2 d 4 h");
}

static void an_address_is_told_where_it_is_not_the_name(void **state)
{
    (void)state;
    assert_false(watch_address_tells("tcp://db:1", "db:1"));
    assert_false(watch_address_tells("http://db:1", "http://db:1/health"));
    assert_false(watch_address_tells("http://db:80", "http://db/"));
    assert_false(watch_address_tells("https://db:443", "https://db"));
    assert_false(watch_address_tells("unix:/run/s", "unix:///run/s"));
    assert_true(watch_address_tells("http://db:8080", "http://db:80/"));
    assert_false(watch_address_tells("", "db"));
    assert_true(watch_address_tells("tcp://10.0.0.1:1", "db"));
}

static void an_error_is_told_without_what_stands_beside_it(void **state)
{
    char out[100];

    (void)state;
    assert_string_equal(watch_short_error(out, sizeof out, "connecting to tcp://a:1: no (tried 1)",
                                          "tcp://a:1", "a"),
                        "no");
    assert_string_equal(watch_short_error(out, sizeof out, "x (tried 1: a, 2: b)", "", "db"),
                        "x (tried 1: a, 2: b)");
    assert_string_equal(
        watch_short_error(out, sizeof out, "GET http://a/x: 5", "http://a:80", "http://a/x"), "5");
}

static void an_event_is_a_line(void **state)
{
    struct belay_error error = {.stage = BELAY_STAGE_TLS, .text = "tcp://b:2: no"};
    struct watch_event event = {.type = BELAY_LINK_FAILED_TO_CONNECT,
                                .name = "a",
                                .address = "tcp://b:2",
                                .error = &error,
                                .next_ms = 900};
    struct page page = {.width = 0};

    (void)state;
    watch_page_event(&page, &event);
    assert_non_null(strstr(page.text.data,
                           "  a  failed to connect to tcp://b:2: tls: no (next try in 0.9 s)\n"));
    bytes_free(&page.text);
    event.type = BELAY_LINK_DISCONNECTED;
    event.next_ms = 0;
    watch_page_event(&page, &event);
    assert_non_null(
        strstr(page.text.data, "  a  disconnected from tcp://b:2: tls: no (next try now)\n"));
    bytes_free(&page.text);
    event = (struct watch_event){
        .type = BELAY_LINK_CONNECTED, .name = "b:2", .address = "tcp://b:2", .next_ms = -1};
    watch_page_event(&page, &event);
    assert_non_null(strstr(page.text.data, "  b:2  connected\n"));
    bytes_free(&page.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_or_any_are_there),
        cmocka_unit_test(it_counts_once_it_has_been_so_for_long_enough),
        cmocka_unit_test(a_command_follows_two_dashes_and_means_until_up),
        cmocka_unit_test(what_an_answer_may_be_is_a_range),
        cmocka_unit_test(what_makes_no_sense_together_is_refused),
        cmocka_unit_test(a_row_says_all_there_is_to_know),
        cmocka_unit_test(every_page_fits),
        cmocka_unit_test(what_is_left_out_is_counted),
        cmocka_unit_test(states_have_words),
        cmocka_unit_test(spans_are_short),
        cmocka_unit_test(an_address_is_told_where_it_is_not_the_name),
        cmocka_unit_test(an_error_is_told_without_what_stands_beside_it),
        cmocka_unit_test(an_event_is_a_line),
    };

    return cmocka_run_group_tests_name("cli_watch_parts", tests, NULL, NULL);
}
