/* SPDX-License-Identifier: MIT */
/* Around the table of `belay pool`: the whole screen, lines of a pipe, events, the end. */
#include <stdio.h>
#include <string.h>

#include "pool_page.h"
#include "tally.h"

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- the screen ---- */

static void add_title(struct page *p, const struct pool_facts *f)
{
    char clock[TEXT_FIGURE_MAX], right[64], every[TEXT_FIGURE_MAX];
    enum page_colour colour = strcmp(f->state, "running") == 0 ? PAGE_GREEN : PAGE_YELLOW;
    size_t len = (size_t)snprintf(right, sizeof right, "%s", text_clock(clock, f->elapsed_s));

    page_add(p, PAGE_BOLD, "belay pool");
    page_add(p, PAGE_PLAIN, "  ");
    page_add(p, colour, f->state);
    page_addf(p, PAGE_DIM, "  %zu endpoint%s, %lld each ", f->n, plural(f->n),
              (long long)f->concurrency);
    if (f->every_ms)
        page_addf(p, PAGE_DIM, "every %s", text_duration(every, (uint64_t)f->every_ms * 1000));
    else
        page_add(p, PAGE_DIM, "all the time");
    if (p->width > len && p->column + len + 2 <= p->width)
        page_right(p, PAGE_PLAIN, p->width, right);
    page_newline(p);
}

static void add_uses(struct page *p, const struct pool_facts *f)
{
    char n[TEXT_FIGURE_MAX], rate[TEXT_FIGURE_MAX], left[TEXT_FIGURE_MAX];
    const struct pool_row *t = &f->total;

    page_pad(p, 2);
    page_addf(p, PAGE_PLAIN, "%s used, %s", text_count(n, t->used), text_rate(rate, f->rate));
    page_addf(p, t->failed ? PAGE_RED : PAGE_DIM, ", %s failed", text_count(n, t->failed));
    if (t->skipped)
        page_addf(p, PAGE_YELLOW, ", %s not started in time", text_count(n, t->skipped));
    if (f->left_ms >= 0)
        page_addf(p, PAGE_DIM, ", %s left", text_clock(left, (double)f->left_ms / 1000 + 0.999));
    page_newline(p);
}

static void add_keys(struct page *p)
{
    static const char *const keys[][2] = {{"d", " drain  "},
                                          {"c", " clear  "},
                                          {"s", " suspend  "},
                                          {"r", " resume  "},
                                          {"q", " quit"}};

    page_pad(p, 2);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        page_add(p, PAGE_BOLD, keys[i][0]);
        page_add(p, PAGE_DIM, keys[i][1]);
    }
    page_newline(p);
}

void pool_page_screen(struct page *page, const struct pool_facts *f, size_t lines, bool keys,
                      const char *const *tail, size_t tail_n)
{
    bool roomy = lines >= 12, uses = lines >= 6;
    size_t foot = keys && lines >= 8 ? 1 + (size_t)roomy : 0;
    size_t around = 1 + (size_t)uses + foot + (roomy ? 2 : 0);

    add_title(page, f);
    if (roomy)
        page_newline(page);
    pool_page_table(page, f, page_table_lines(lines, around, tail_n ? tail_n + roomy : 0));
    if (roomy)
        page_newline(page);
    if (uses)
        add_uses(page, f);
    page_tail(page, lines, foot, tail, tail_n);
    if (foot)
        add_keys(page);
}

/* ---- lines ---- */

/* The endpoint whose failure is the newest. */
static const struct pool_row *newest_failure(const struct pool_facts *f)
{
    const struct pool_row *newest = NULL;

    for (size_t i = 0; i < f->n; i++)
        if (f->rows[i].last.set && (!newest || f->rows[i].age_ms < newest->age_ms))
            newest = &f->rows[i];
    return newest;
}

void pool_page_line(struct page *p, const struct pool_facts *f)
{
    const struct pool_row *t = &f->total, *last = newest_failure(f);
    char n[TEXT_FIGURE_MAX], clock[TEXT_FIGURE_MAX];

    page_addf(p, PAGE_PLAIN, "%s  %u active, %u idle, %u dialing, %u waiting",
              text_clock(clock, f->elapsed_s), t->stats.in_use, t->stats.idle, t->stats.dialing,
              t->stats.waiting);
    page_addf(p, PAGE_PLAIN, "; %s created", text_count(n, t->stats.opened));
    page_addf(p, PAGE_PLAIN, ", %s reused", text_count(n, t->stats.reused));
    page_addf(p, PAGE_PLAIN, ", %s closed", text_count(n, t->closed));
    page_addf(p, PAGE_PLAIN, "; %s used", text_count(n, t->used));
    page_addf(p, PAGE_PLAIN, ", %s failed", text_count(n, t->failed));
    if (last && last->age_ms < 1500)
        page_addf(p, PAGE_PLAIN, "; %s: %s: %s", last->name, tally_stage_name(last->last.stage),
                  text_happened(last->last.text, last->name));
    page_newline(p);
}

void pool_page_event(struct page *p, const struct pool_event *e)
{
    page_addf(p, PAGE_DIM, "%9.3f ", e->at_s);
    page_addf(p,
              e->kind == POOL_EVENT_OPEN    ? PAGE_GREEN
              : e->kind == POOL_EVENT_CLOSE ? PAGE_YELLOW
                                            : PAGE_PLAIN,
              " %-6s", pool_event_name(e->kind));
    page_addf(p, PAGE_PLAIN, "%s", e->endpoint);
    page_addf(p, PAGE_DIM, "  #%llu", (unsigned long long)e->connection);
    if (e->kind == POOL_EVENT_CLOSE)
        page_addf(p, PAGE_PLAIN, "  %s", belay_reason_name(e->reason));
    if (e->kind == POOL_EVENT_CLOSE && e->error)
        page_addf(p, PAGE_PLAIN, ": %s", text_happened(e->error->text, e->endpoint));
    page_newline(p);
}

/* ---- the end ---- */

void pool_page_summary(struct page *p, const struct pool_facts *f)
{
    const struct pool_row *t = &f->total;
    char n[TEXT_FIGURE_MAX], took[TEXT_FIGURE_MAX];

    page_addf(p, PAGE_BOLD, "%s uses", text_count(n, t->used + t->failed));
    page_addf(p, PAGE_PLAIN, " of %zu endpoint%s in %s, ", f->n, plural(f->n),
              text_duration(took, (uint64_t)(f->elapsed_s * 1e6)));
    page_addf(p, t->failed ? PAGE_RED : PAGE_BOLD, "%s failed", text_count(n, t->failed));
    page_newline(p);
    if (f->cut_off) {
        page_addf(p, PAGE_PLAIN, "%s more %s under way, and given up", text_count(n, f->cut_off),
                  f->cut_off == 1 ? "was" : "were");
        page_newline(p);
    }
    if (t->skipped) {
        page_addf(p, PAGE_PLAIN, "%s not started, as former ones were still under way",
                  text_count(n, t->skipped));
        page_newline(p);
    }
    pool_page_table(p, f, 0);
}
