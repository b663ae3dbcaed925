/* SPDX-License-Identifier: MIT */
/* Which way `belay pool` shows things: on a terminal, in a pipe, as JSON, or hardly. */
#include <langinfo.h>
#include <stdio.h>
#include <string.h>

#include "live.h"
#include "pool_json.h"
#include "pool_page.h"
#include "pool_run.h"
#include "say.h"
#include "terminal.h"

static void print_page(struct pool_run *run, struct page *page)
{
    if (page->text.len &&
        (fwrite(page->text.data, page->text.len, 1, stdout) != 1 || fflush(stdout) != 0))
        run->stdout_gone = true;
    bytes_free(&page->text);
}

void pool_show_second(struct pool_run *run)
{
    struct pool_facts facts = {.n = 0};
    struct page page = {.width = 0};

    if (live_is_on() || run->o->client.quiet)
        return;
    pool_facts_take(run, &facts);
    if (run->o->client.json)
        run->stdout_gone = !pool_json_facts(&facts, "stats");
    else
        pool_page_line(&page, &facts);
    print_page(run, &page);
    pool_facts_free(&facts);
}

void pool_show_event(struct pool_run *run, const struct pool_event *event)
{
    struct page page = {.colours = !live_is_on() && say_has_colours(1)};

    if (run->o->client.json) {
        run->stdout_gone = run->stdout_gone || !pool_json_event(event);
        return;
    }
    pool_page_event(&page, event);
    if (!live_is_on()) {
        print_page(run, &page);
        return;
    }
    page.text.data[page.text.len - 1] = '\0'; /* the newline */
    live_line(page.text.data);
    bytes_free(&page.text);
}

/* With -q, what failed is said all the same. */
static void say_failures(const struct pool_facts *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->rows[i].last.set)
            say("%s: %llu failed, the last one: %s", f->rows[i].name,
                (unsigned long long)f->rows[i].failed, f->rows[i].last.text);
}

void pool_show_end(struct pool_run *run)
{
    struct pool_facts facts = {.n = 0};
    struct page page = {.colours = say_has_colours(1),
                        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
    size_t lines;

    if (run->usage_failure || run->stdout_gone)
        return;
    if (say_is_terminal(1))
        terminal_size(&page.width, &lines);
    page.width -= page.width > 1; /* in the last column a terminal may wrap */
    pool_facts_take(run, &facts);
    if (run->o->client.json)
        run->stdout_gone = !pool_json_facts(&facts, "summary");
    else if (!run->o->client.quiet)
        pool_page_summary(&page, &facts);
    if (run->o->client.quiet)
        say_failures(&facts);
    print_page(run, &page);
    pool_facts_free(&facts);
    if (run->stdout_gone)
        say("writing to standard output failed");
}
