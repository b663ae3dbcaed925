/* SPDX-License-Identifier: MIT */
/* The pages of `belay pool`: whatever the figures and the terminal, they fit, and say what they
 * can. */
#include "support/test.h"

#include "pool_page.h"

#include <stdio.h>
#include <string.h>

static struct pool_facts facts;
static struct pool_row rows[40];
static char names[40][80];

static void set_row(size_t i, uint64_t scale)
{
    struct pool_row *row = &rows[i];

    memset(row, 0, sizeof *row);
    snprintf(names[i], sizeof names[i], "https://service-%zu.example.com:%zu", i, 8000 + i);
    row->name = names[i];
    row->stats.in_use = (uint32_t)(4 * scale);
    row->stats.waiting = 3;
    row->stats.opened = 7 * scale;
    row->stats.reused = 1234567 * scale;
    row->stats.closed[BELAY_REASON_IDLE] = 2 * scale;
    row->stats.closed[BELAY_REASON_OPEN_FAILED] = 99;
    row->closed = 2 * scale;
    row->open = 5;
    row->used = 1234000 * scale;
}

static void set_failure(size_t i)
{
    struct pool_failure *last = &rows[i].last;

    rows[i].failed = 12;
    rows[i].failing = true;
    rows[i].age_ms = 65000;
    last->set = true;
    last->stage = BELAY_STAGE_CONNECT;
    snprintf(last->text, sizeof last->text, "GET %.60s/: connecting to %.60s: connection\nrefused",
             names[i], names[i]);
}

static void set_facts(size_t n, uint64_t scale)
{
    memset(&facts, 0, sizeof facts);
    facts.state = "running";
    facts.rows = rows;
    facts.n = n;
    facts.left_ms = -1;
    facts.every_ms = 1000;
    facts.concurrency = 4;
    facts.elapsed_s = 3723;
    for (size_t i = 0; i < n; i++)
        set_row(i, scale);
    set_failure(n / 2);
    facts.total = rows[0];
    facts.total.name = "total";
    facts.total.stats.reused *= n;
}

/* The widest line, without colours. */
static size_t widest(const struct page *page)
{
    size_t most = 0, now = 0;

    for (const char *c = page->text.data; *c; c++) {
        if (*c == '\033')
            c = strchr(c, 'm');
        else if (*c == '\n')
            now = 0;
        else if (((unsigned char)*c & 0xc0) != 0x80 && ++now > most)
            most = now;
    }
    return most;
}

static void screens_fit_whatever_their_size(void **state)
{
    static const char *const tail[] = {"one event", "another", "and a third one, which is longer"};

    (void)state;
    for (size_t columns = 1; columns < 200; columns += columns < 40 ? 1 : 13)
        for (size_t lines = 5; lines < 70; lines += lines < 30 ? 1 : 9)
            for (size_t n = 1; n <= 40; n += 13) {
                struct page page = {.width = columns, .utf8 = columns % 2, .colours = lines % 2};

                set_facts(n, n % 2 ? 1 : 1000);
                pool_page_screen(&page, &facts, lines, true, tail, lines % 4);
                assert_true(widest(&page) <= columns);
                assert_true(page.lines <= lines);
                bytes_free(&page.text);
            }
}

static struct page table(size_t width, size_t lines)
{
    struct page page = {.width = width};

    pool_page_table(&page, &facts, lines);
    return page;
}

static void columns_that_matter_less_are_left_out_first(void **state)
{
    static const struct {
        size_t width;
        const char *there, *not_there;
    } cases[] = {{0, " used", NULL},       {125, " used", NULL}, {95, "failed", "closed"},
                 {79, "reused", "failed"}, {70, "dial", "wait"}, {40, "active", "created"}};

    (void)state;
    set_facts(3, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct page page = table(cases[i].width, 0);
        char *end = strchr(page.text.data, '\n');

        *end = '\0';
        assert_non_null(strstr(page.text.data, cases[i].there));
        assert_true(!cases[i].not_there || !strstr(page.text.data, cases[i].not_there));
        bytes_free(&page.text);
    }
}

static void a_failure_says_stage_age_and_what_happened(void **state)
{
    struct page page;

    (void)state;
    set_facts(2, 1);
    page = table(0, 0);
    assert_non_null(strstr(page.text.data, "    failed  connect, 1 min ago: connection refused\n"));
    assert_non_null(strstr(page.text.data, "    closed  2 idle\n"));
    assert_null(strstr(page.text.data, "99"));
    bytes_free(&page.text);
}

static void what_does_not_fit_in_height_is_counted(void **state)
{
    struct page page;

    (void)state;
    set_facts(40, 1);
    page = table(79, 0);
    assert_int_equal(page.lines, 40 + 40 + 1 + 2);
    bytes_free(&page.text);
    page = table(79, 43);
    assert_int_equal(page.lines, 43); /* the failure stays, why connections closed does not */
    assert_non_null(strstr(page.text.data, "failed  connect"));
    bytes_free(&page.text);
    page = table(79, 10);
    assert_int_equal(page.lines, 10);
    assert_non_null(strstr(page.text.data, "and 33 endpoints more"));
    assert_non_null(strstr(page.text.data, "total"));
    bytes_free(&page.text);
}

static void text_that_is_cut_shows_it(void **state)
{
    struct page page = {.width = 10, .utf8 = true};

    (void)state;
    page_add(&page, PAGE_PLAIN, "gr\xc3\xbc\xc3\x9f dich Gott");
    page_add(&page, PAGE_PLAIN, "never");
    page_newline(&page);
    assert_string_equal(page.text.data, "gr\xc3\xbc\xc3\x9f dich\xe2\x80\xa6\n");
    bytes_free(&page.text);
    page = (struct page){.width = 10};
    page_right(&page, PAGE_PLAIN, 6, "abc");
    page_pad(&page, 8);
    page_add(&page, PAGE_PLAIN, "de");
    assert_string_equal(page.text.data, "   abc  de");
    bytes_free(&page.text);
}

static void what_happened_is_told_without_what_stands_beside_it(void **state)
{
    (void)state;
    assert_string_equal(
        text_happened("connecting to tcp://a:1: refused (tried a:1: refused)", "tcp://a:1"),
        "refused (tried a:1: refused)");
    assert_string_equal(text_happened("GET http://a:1/x: TLS with http://a:1: no", "http://a:1"),
                        "no");
    assert_string_equal(text_happened("nobody named it: so", "http://a:1"), "nobody named it: so");
}

static void an_event_is_a_line_with_its_reason(void **state)
{
    struct belay_error error = {.text = "reading from tcp://a:1: connection reset"};
    struct pool_event event = {.kind = POOL_EVENT_CLOSE,
                               .at_s = 1.5,
                               .endpoint = "tcp://a:1",
                               .connection = 7,
                               .reason = BELAY_REASON_ERROR,
                               .error = &error};
    struct page page = {.width = 0};

    (void)state;
    pool_page_event(&page, &event);
    assert_string_equal(page.text.data,
                        "    1.500  close tcp://a:1  #7  error: connection reset\n");
    bytes_free(&page.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(screens_fit_whatever_their_size),
        cmocka_unit_test(columns_that_matter_less_are_left_out_first),
        cmocka_unit_test(a_failure_says_stage_age_and_what_happened),
        cmocka_unit_test(what_does_not_fit_in_height_is_counted),
        cmocka_unit_test(text_that_is_cut_shows_it),
        cmocka_unit_test(what_happened_is_told_without_what_stands_beside_it),
        cmocka_unit_test(an_event_is_a_line_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
