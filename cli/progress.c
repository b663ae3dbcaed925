/* SPDX-License-Identifier: MIT */
/* The one line of progress on a terminal. */
#include "progress.h"

#include <stdio.h>
#include <string.h>

#define BAR_MAX 20

struct line {
    char *out;
    size_t len, columns, width;
};

/* A part, if it still fits; `colour` (may be NULL) takes no columns. */
static void add(struct line *l, const char *part, const char *colour)
{
    size_t len = strlen(part), gap = l->columns ? 2 : 0;

    if (l->columns + gap + len > l->width || l->len + len + 32 > PROGRESS_LINE_MAX)
        return;
    l->len += (size_t)snprintf(l->out + l->len, PROGRESS_LINE_MAX - l->len, "%*s%s%s%s", (int)gap,
                               "", colour ? colour : "", part, colour ? "\033[0m" : "");
    l->columns += gap + len;
}

/* Half as long where there is little room. */
static void add_bar(struct line *l, double share, bool colours)
{
    char bar[BAR_MAX + 3] = "[";
    size_t width = l->width < 99 ? BAR_MAX / 2 : BAR_MAX, full;

    if (share < 0 || l->width < 60)
        return;
    full = share < 1 ? (size_t)(share * (double)width) : width;
    memset(bar + 1, '=', full);
    memset(bar + 1 + full, ' ', width - full);
    if (full > 0 && full < width)
        bar[full] = '>';
    bar[width + 1] = ']';
    add(l, bar, colours ? "\033[36m" : NULL);
}

static void add_done(struct line *l, const struct progress_facts *f)
{
    char done[TEXT_FIGURE_MAX], all[TEXT_FIGURE_MAX], part[96];
    int percent = (int)(f->share * 100);

    if (f->of_bytes) {
        text_bytes(done, (double)f->done);
        text_bytes(all, (double)f->all);
    } else {
        text_count(done, f->done);
        text_count(all, (uint64_t)f->all);
    }
    if (f->all < 0)
        snprintf(part, sizeof part, "%s%s", done, f->of_bytes ? "" : " done");
    else
        snprintf(part, sizeof part, "%*s/%s", (int)strlen(all), done, all);
    add(l, part, NULL);
    if (f->share >= 0) {
        snprintf(part, sizeof part, "%3d%%", percent > 100 ? 100 : percent);
        add(l, part, NULL);
    }
}

static void add_connections(struct line *l, const struct progress_facts *f)
{
    char part[96];

    snprintf(part, sizeof part, "%u connection%s", f->connections, f->connections == 1 ? "" : "s");
    add(l, part, NULL);
    if (f->dialing) {
        snprintf(part, sizeof part, "%u dialing", f->dialing);
        add(l, part, f->colours ? "\033[33m" : NULL);
    }
}

/* Whole seconds: what changes ten times a second cannot be read. */
static void add_left(struct line *l, uint64_t left_us)
{
    unsigned long long s = (left_us + 999999) / 1000000;
    char part[64];

    if (left_us == UINT64_MAX || s >= 360000)
        return;
    if (s < 60)
        snprintf(part, sizeof part, "%llu s left", s);
    else if (s < 3600)
        snprintf(part, sizeof part, "%llu min %02llu s left", s / 60, s % 60);
    else
        snprintf(part, sizeof part, "%llu h %02llu min left", s / 3600, s % 3600 / 60);
    add(l, part, NULL);
}

const char *progress_line(const struct progress_facts *f, size_t width, char out[PROGRESS_LINE_MAX])
{
    /* The last column stays free: a terminal may wrap there. */
    struct line l = {.out = out, .width = width > 1 ? width - 1 : 0};
    char figure[TEXT_FIGURE_MAX], part[96];

    out[0] = '\0';
    add_bar(&l, f->share, f->colours);
    if (f->warming_up)
        add(&l, "warming up", f->colours ? "\033[33m" : NULL);
    add_done(&l, f);
    if (f->of_bytes) {
        snprintf(part, sizeof part, "%s/s", text_bytes(figure, f->rate));
        add(&l, part, NULL);
    } else {
        add(&l, text_rate(figure, f->rate), NULL);
        snprintf(part, sizeof part, "%s failed", text_count(figure, f->failed));
        add(&l, part, f->failed && f->colours ? "\033[31m" : NULL);
        add_connections(&l, f);
    }
    add_left(&l, f->left_us);
    return out;
}

/* A mean that forgets in about a second, so that it follows a recovery and does not flicker. */
double progress_rate(struct progress_rate *recent, int64_t now_ms, uint64_t done)
{
    int64_t passed = now_ms - recent->at_ms;
    double rate, weight;

    if (passed <= 0)
        return recent->rate;
    rate = (double)(done - recent->done) * 1000 / (double)passed;
    weight = recent->rate > 0 ? (double)passed / (double)(passed + 700) : 1;
    recent->rate += (rate - recent->rate) * weight;
    recent->at_ms = now_ms;
    recent->done = done;
    return recent->rate;
}

void progress_share(struct progress_facts *f, int64_t passed_ms, int64_t for_ms)
{
    f->share = -1;
    f->left_us = UINT64_MAX;
    f->warming_up = passed_ms < 0;
    if (f->all > 0) {
        f->share = (double)f->done / (double)f->all;
        if (f->rate > 0 && f->share < 1)
            f->left_us = (uint64_t)((double)((uint64_t)f->all - f->done) / f->rate * 1e6);
    } else if (for_ms > 0 && passed_ms >= 0) {
        f->share = (double)passed_ms / (double)for_ms;
        f->left_us = passed_ms < for_ms ? (uint64_t)(for_ms - passed_ms) * 1000 : 0;
    }
}
