/* SPDX-License-Identifier: MIT */
/* Around the table of `belay watch`: the whole screen, events, the end. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tally.h"
#include "watch_page.h"

/* ---- the screen ---- */

static void add_title(struct page *p, const struct watch_facts *f)
{
    char clock[TEXT_FIGURE_MAX], left[TEXT_FIGURE_MAX];
    enum page_colour colour = f->up_n == f->n ? PAGE_GREEN : f->up_n ? PAGE_YELLOW : PAGE_RED;
    size_t len = strlen(text_clock(clock, f->elapsed_s));

    page_add(p, PAGE_BOLD, "belay watch");
    page_add(p, PAGE_PLAIN, "  ");
    page_addf(p, colour, "%zu of %zu up", f->up_n, f->n);
    if (f->goal)
        page_addf(p, PAGE_DIM, "  %s", f->goal);
    if (f->left_ms >= 0)
        page_addf(p, PAGE_DIM, ", %s left", text_clock(left, (double)f->left_ms / 1000 + 0.999));
    if (p->width > len && p->column + len + 2 <= p->width)
        page_right(p, PAGE_PLAIN, p->width, clock);
    page_newline(p);
}

static void add_keys(struct page *p)
{
    page_pad(p, 2);
    page_add(p, PAGE_BOLD, "t");
    page_add(p, PAGE_DIM, " try now  ");
    page_add(p, PAGE_BOLD, "q");
    page_add(p, PAGE_DIM, " quit");
    page_newline(p);
}

void watch_page_screen(struct page *page, const struct watch_facts *f, size_t lines, bool keys,
                       const char *const *tail, size_t tail_n)
{
    bool roomy = lines >= 12;
    size_t foot = keys && lines >= 8 ? 1 + (size_t)roomy : 0;
    size_t around = 1 + (size_t)roomy + foot;

    add_title(page, f);
    if (roomy)
        page_newline(page);
    watch_page_table(page, f, page_table_lines(lines, around, tail_n ? tail_n + roomy : 0));
    page_tail(page, lines, foot, tail, tail_n);
    if (foot)
        add_keys(page);
}

/* ---- events ---- */

static enum page_colour colour_of(enum belay_link_event_type type)
{
    switch (type) {
    case BELAY_LINK_CONNECTED:
        return PAGE_GREEN;
    case BELAY_LINK_DISCONNECTED:
        return PAGE_YELLOW;
    case BELAY_LINK_FAILED_TO_CONNECT:
        return PAGE_RED;
    default:
        return PAGE_PLAIN;
    }
}

static void add_time(struct page *p, int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char text[32];

    if (!localtime_r(&s, &tm) || !strftime(text, sizeof text, "%H:%M:%S", &tm))
        text[0] = '\0';
    page_addf(p, PAGE_DIM, "%s.%03d  ", text, (int)(ms % 1000));
}

void watch_page_event(struct page *p, const struct watch_event *e)
{
    const char *what = e->type == BELAY_LINK_ATTEMPTING_TO_CONNECT ? "attempting to connect"
                       : e->type == BELAY_LINK_OBTAINED_ADDRESS    ? "obtained address"
                       : e->type == BELAY_LINK_FAILED_TO_CONNECT   ? "failed to connect"
                                                                   : watch_event_name(e->type);
    const char *stage = e->error && e->error->stage ? tally_stage_name((int)e->error->stage) : "";
    char text[BELAY_ERROR_TEXT_MAX];

    add_time(p, e->time_ms);
    page_addf(p, PAGE_BOLD, "%s", e->name);
    page_add(p, PAGE_PLAIN, "  ");
    page_add(p, colour_of(e->type), what);
    if (e->address && watch_address_tells(e->address, e->name))
        page_addf(p, PAGE_PLAIN, "%s%s",
                  e->type == BELAY_LINK_OBTAINED_ADDRESS ? " "
                  : e->type == BELAY_LINK_DISCONNECTED   ? " from "
                                                         : " to ",
                  e->address);
    if (e->error)
        page_addf(p, PAGE_PLAIN, ": %s%s%s", stage, *stage ? ": " : "",
                  watch_short_error(text, sizeof text, e->error->text, e->address ? e->address : "",
                                    e->name));
    if (e->next_ms >= 50)
        page_addf(p, PAGE_DIM, " (next try in %.1f s)", (double)e->next_ms / 1000);
    else if (e->next_ms >= 0)
        page_add(p, PAGE_DIM, " (next try now)");
    page_newline(p);
}

/* ---- the end ---- */

void watch_page_summary(struct page *p, const struct watch_facts *f)
{
    char took[TEXT_FIGURE_MAX];

    page_addf(p, f->up_n == f->n ? PAGE_GREEN : PAGE_RED, "%zu of %zu up", f->up_n, f->n);
    page_addf(
        p, PAGE_PLAIN, " after %s",
        text_duration(took, (uint64_t)(f->elapsed_s < 0.001 ? 1 : f->elapsed_s * 1000) * 1000));
    page_newline(p);
    watch_page_table(p, f, 0);
}
