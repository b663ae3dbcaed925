/* SPDX-License-Identifier: MIT */
/* What `belay watch` shows, and where: a table on the terminal, lines, JSON, the end. */
#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live.h"
#include "say.h"
#include "terminal.h"
#include "watch_json.h"
#include "watch_page.h"
#include "watch_run.h"

/* ---- facts ---- */

static void take_error(struct watch_site *site, struct watch_row *row)
{
    struct belay_error error;
    int64_t age;

    row->failed = belay_link_last_error(site->link, &error, &age);
    if (!row->failed)
        return;
    row->stage = (int)error.stage;
    row->code = error.code;
    row->age_ms = age;
    snprintf(row->error, sizeof row->error, "%s", error.text);
}

void watch_row_take(struct watch_site *site, struct watch_row *row)
{
    struct belay_link_stats stats = belay_link_stats_init();
    const struct belay_endpoint *address = belay_link_address(site->link);
    char name[SERVICE_ADDRESS_MAX];

    belay_link_get_stats(site->link, &stats);
    row->name = site->service.name;
    row->up = site->up;
    row->down = site->down;
    row->busy = stats.state == BELAY_LINK_RESOLVING || stats.state == BELAY_LINK_DIALING;
    row->for_ms = site->up ? stats.up_ms : stats.down_ms;
    row->uptime = stats.age_ms > 0 ? (double)stats.total_up_ms / (double)stats.age_ms : 0;
    row->connects = stats.connected;
    row->attempts = stats.attempts;
    row->next_ms =
        stats.state == BELAY_LINK_WAITING && stats.next_ms != BELAY_FOREVER ? stats.next_ms : -1;
    if (address)
        snprintf(row->address, sizeof row->address, "%s",
                 service_address(&site->service, address, name));
    take_error(site, row);
}

static const char *goal_text(const struct watch_options *o)
{
    if (o->until_up)
        return o->any ? "until one is up" : "until all are up";
    if (o->until_down)
        return o->any ? "until one is down" : "until all are down";
    return NULL;
}

void watch_facts_take(struct watch_run *run, struct watch_facts *f)
{
    int64_t elapsed = belay_loop_now_ms(run->loop) - run->begin_ms;

    f->goal = goal_text(run->o);
    f->elapsed_s = (double)elapsed / 1000;
    f->left_ms = run->limit_ms == OPTION_UNSET ? -1 : run->limit_ms - elapsed;
    f->left_ms = f->left_ms < -1 ? 0 : f->left_ms;
    f->interrupted_by = run->interrupted_by;
    f->rows = memory_grow(f->rows, run->sites_n, sizeof *f->rows);
    f->n = run->sites_n;
    f->up_n = 0;
    for (size_t i = 0; i < run->sites_n; i++) {
        struct watch_site *site = &run->sites[i];

        if (!site->ended)
            watch_row_take(site, &site->row);
        f->rows[i] = site->row;
        f->up_n += site->up;
    }
}

void watch_facts_free(struct watch_facts *f)
{
    free(f->rows);
    memset(f, 0, sizeof *f);
}

/* ---- the table ---- */

static struct watch_facts drawn;

static void draw(struct page *page, size_t lines, const char *const *tail, size_t tail_n, void *arg)
{
    struct watch_run *run = arg;

    watch_facts_take(run, &drawn);
    watch_page_screen(page, &drawn, lines, run->keys.watch != NULL, tail, tail_n);
}

bool watch_show_start(struct watch_run *run)
{
    return !run->finished && live_start(run->loop, draw, run);
}

void watch_show_stop(struct watch_run *run)
{
    (void)run;
    live_stop();
    watch_facts_free(&drawn);
}

/* ---- lines ---- */

static void print_page(struct watch_run *run, struct page *page, FILE *to)
{
    if (page->text.len &&
        (fwrite(page->text.data, page->text.len, 1, to) != 1 || fflush(to) != 0) && to == stdout)
        run->stdout_error = errno;
    bytes_free(&page->text);
}

/* -v without --events: what becomes of the links is told with the rest. */
static void say_event(const struct watch_event *event)
{
    struct page page = {.width = 0};

    watch_page_event(&page, event);
    page.text.data[page.text.len - 1] = '\0'; /* the newline */
    say_plain("* %s", page.text.data);
    bytes_free(&page.text);
}

void watch_show_event(struct watch_run *run, const struct watch_event *event)
{
    struct page page = {.colours = !live_is_on() && say_has_colours(1)};

    if (run->o->client.verbose == 1 && !run->o->events)
        say_event(event);
    if (run->o->client.json) {
        if (!run->stdout_error && !watch_json_event(event))
            run->stdout_error = errno;
        return;
    }
    if (!run->o->events || run->stdout_error)
        return;
    watch_page_event(&page, event);
    if (!live_is_on()) {
        print_page(run, &page, stdout);
        return;
    }
    page.text.data[page.text.len - 1] = '\0'; /* the newline */
    live_line(page.text.data);
    bytes_free(&page.text);
}

/* ---- the end ---- */

/* What was waited for has not come: for each service, why. */
static void say_why(struct watch_run *run, const struct watch_facts *f)
{
    say("waiting %s: %s", f->goal,
        run->late ? "the time is up" : "there will be no further attempt");
    for (size_t i = 0; i < f->n; i++) {
        const struct watch_row *row = &f->rows[i];

        if (run->o->until_up && !row->up)
            say("%s is not up%s%s", row->name, row->failed ? ": " : "",
                row->failed ? row->error : "");
        else if (run->o->until_down && !row->down)
            say("%s is %s", row->name, row->up ? "up" : "not known to be down");
    }
}

void watch_show_end(struct watch_run *run)
{
    bool json = run->o->client.json;
    FILE *to = json ? stderr : stdout;
    int fd = json ? 2 : 1;
    struct page page = {.colours = say_has_colours(fd),
                        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
    struct watch_facts *facts = &run->last;
    size_t lines;

    if (facts->n == 0)
        watch_facts_take(run, facts);
    if (facts->goal && !run->reached && !run->interrupted_by && !run->stdout_error)
        say_why(run, facts);
    for (size_t i = 0; i < facts->n; i++)
        facts->rows[i].next_ms = -1; /* there will be none */
    if (say_is_terminal(fd))
        terminal_size(&page.width, &lines);
    page.width -= page.width > 1; /* in the last column a terminal may wrap */
    if (!run->o->client.quiet && !run->stdout_error && !(run->reached && run->o->command))
        watch_page_summary(&page, facts);
    print_page(run, &page, to);
    watch_facts_free(facts);
    if (run->stdout_error)
        say("writing to standard output: %s", strerror(run->stdout_error));
}
