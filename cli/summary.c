/* SPDX-License-Identifier: MIT */
/* What is said at the end, as text. */
#include "summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"
#include "summary_parts.h"

#define ENDPOINTS_SHOWN 10

/* ---- taking ---- */

/* The peer that was used most comes first. */
static int by_use(const void *a, const void *b)
{
    const struct summary_endpoint *x = a, *y = b;
    uint64_t of_x = x->opened + x->reused, of_y = y->opened + y->reused;

    return of_x != of_y ? (of_x < of_y) - (of_x > of_y) : strcmp(x->name, y->name);
}

static void take_endpoints(struct summary *s, const struct belay_pool *pool)
{
    size_t space = 0;

    for (struct belay_peer *p = belay_pool_next_peer(pool, NULL); p;
         p = belay_pool_next_peer(pool, p)) {
        struct belay_pool_stats stats = belay_pool_stats_init();
        const char *name = belay_endpoint_name(belay_peer_endpoint(p));

        belay_peer_get_stats(p, &stats);
        if (s->endpoints_n == space) {
            space = space ? space * 2 : 8;
            s->endpoints = memory_grow(s->endpoints, space, sizeof *s->endpoints);
        }
        s->endpoints[s->endpoints_n++] =
            (struct summary_endpoint){memory_copy(name, strlen(name)), stats.opened, stats.reused};
    }
    if (s->endpoints_n)
        qsort(s->endpoints, s->endpoints_n, sizeof *s->endpoints, by_use);
}

void summary_take(struct summary *s, struct get *g)
{
    struct belay_pool *pool = belay_http_pool(g->http);

    memset(s, 0, sizeof *s);
    s->tally = &g->tally;
    if (g->end_s > g->begin_s)
        s->elapsed_s = g->end_s - g->begin_s;
    s->cpu_s = summary_cpu_s();
    s->interrupted_by = g->interrupted_by;
    s->cut_off = g->cut_off;
    s->not_started = g->not_started;
    s->gave_up = g->gave_up && g->schedule.requests < 0;
    s->pool = belay_pool_stats_init();
    belay_pool_get_stats(pool, &s->pool);
    for (int i = 0; i < BELAY_REASONS_N; i++)
        s->closed += s->pool.closed[i];
    s->open = (uint64_t)s->pool.idle + s->pool.in_use + s->pool.closing;
    take_endpoints(s, pool);
}

void summary_free(struct summary *s)
{
    for (size_t i = 0; i < s->endpoints_n; i++)
        free(s->endpoints[i].name);
    free(s->endpoints);
}

/* ---- printing ---- */

/* "10 x, 2 y", from counters that have names. */
static void list_counts(const struct summary_page *p, const uint64_t *counts, int n,
                        const char *(*name)(int))
{
    const char *comma = "";
    char figure[TEXT_FIGURE_MAX];

    for (int i = 0; i < n; i++) {
        if (counts[i] == 0)
            continue;
        fprintf(p->out, "%s%s %s", comma, text_count(figure, counts[i]), name(i));
        comma = ", ";
    }
}

static const char *reason_name(int reason)
{
    return belay_reason_name((enum belay_reason)reason);
}

static void print_failures(const struct summary_page *p, const struct tally *t)
{
    char n[TEXT_FIGURE_MAX];

    if (t->failed == 0)
        return;
    summary_label(p, "failed");
    list_counts(p, t->errors, TALLY_STAGES_N, tally_stage_name);
    if (t->cut_short)
        fprintf(p->out, "; %s after the response had begun", text_count(n, t->cut_short));
    fputc('\n', p->out);
    for (size_t i = 0; i < t->examples_n; i++) {
        const struct tally_example *e = &t->examples[i];

        fprintf(p->out, "  %*s%s x  %s\n", SUMMARY_LABEL_WIDTH, "", text_count(n, e->n), e->text);
    }
}

static void print_answers(const struct summary_page *p, const struct summary *s)
{
    const struct tally *t = s->tally;
    char n[TEXT_FIGURE_MAX];
    const char *gap = "";

    summary_label(p, "status");
    for (int i = 0; i < TALLY_STATUSES_MAX; i++) {
        if (t->status[i] == 0)
            continue;
        fprintf(p->out, "%s%d: %s", gap, i, text_count(n, t->status[i]));
        gap = "   ";
    }
    fputs(gap[0] ? "\n" : "none\n", p->out);
}

static void print_traffic(const struct summary_page *p, const struct summary *s)
{
    const struct tally *t = s->tally;
    char n[TEXT_FIGURE_MAX];

    summary_label(p, "received");
    fprintf(p->out, "%s", text_bytes(n, (double)t->bytes));
    if (s->elapsed_s > 0)
        fprintf(p->out, ", %s/s", text_bytes(n, (double)t->bytes / s->elapsed_s));
    if (t->unpacked)
        fprintf(p->out, "; unpacked %s", text_bytes(n, (double)t->unpacked));
    if (t->sent_bytes)
        fprintf(p->out, "; sent %s", text_bytes(n, (double)t->sent_bytes));
    fputc('\n', p->out);
}

static void print_again(const struct summary_page *p, const struct tally *t)
{
    char n[TEXT_FIGURE_MAX];
    const char *gap = "";

    if (t->replays + t->retries + t->redirects == 0)
        return;
    summary_label(p, "again");
    if (t->replays) {
        fprintf(p->out, "%s replayed after a lost connection", text_count(n, t->replays));
        gap = ", ";
    }
    if (t->retries) {
        fprintf(p->out, "%s%s retried", gap, text_count(n, t->retries));
        gap = ", ";
    }
    if (t->redirects)
        fprintf(p->out, "%s%s redirected", gap, text_count(n, t->redirects));
    fputc('\n', p->out);
}

static void print_endpoints(const struct summary_page *p, const struct summary *s)
{
    size_t shown = s->endpoints_n > ENDPOINTS_SHOWN ? ENDPOINTS_SHOWN - 1 : s->endpoints_n,
           width = 0;
    char opened[TEXT_FIGURE_MAX], reused[TEXT_FIGURE_MAX];

    for (size_t i = 0; i < shown; i++)
        if (strlen(s->endpoints[i].name) > width)
            width = strlen(s->endpoints[i].name);
    for (size_t i = 0; i < shown; i++) {
        const struct summary_endpoint *e = &s->endpoints[i];

        fprintf(p->out, "  %*s%-*s  %s opened, reused %s time%s\n", SUMMARY_LABEL_WIDTH - 2, "",
                (int)width, e->name, text_count(opened, e->opened), text_count(reused, e->reused),
                summary_plural(e->reused));
    }
    if (shown < s->endpoints_n)
        fprintf(p->out, "  %*sand %zu endpoints more (--json lists them all)\n",
                SUMMARY_LABEL_WIDTH - 2, "", s->endpoints_n - shown);
}

static void print_connections(const struct summary_page *p, const struct summary *s)
{
    char n[TEXT_FIGURE_MAX];

    summary_label(p, "connections");
    fprintf(p->out, "%s opened", text_count(n, s->pool.opened));
    fprintf(p->out, ", reused %s time%s", text_count(n, s->pool.reused),
            summary_plural(s->pool.reused));
    fprintf(p->out, ", at most %s at once", text_count(n, s->pool.peak));
    fprintf(p->out, ", %s open at the end\n", text_count(n, s->open));
    print_endpoints(p, s);
    if (s->closed == 0)
        return;
    summary_label(p, "closed");
    list_counts(p, s->pool.closed, BELAY_REASONS_N, reason_name);
    fputc('\n', p->out);
}

void summary_print_failures(const struct summary *s)
{
    for (size_t i = 0; i < s->tally->examples_n; i++) {
        const struct tally_example *e = &s->tally->examples[i];

        say("%llu of %llu requests failed: %s", (unsigned long long)e->n,
            (unsigned long long)s->tally->requests, e->text);
    }
}

void summary_print(const struct summary *s, int fd)
{
    const struct tally *t = s->tally;
    struct summary_page p = {.out = fd == 1 ? stdout : stderr, .colours = say_has_colours(fd)};

    summary_headline(&p, "request", t->requests, t->failed, s->elapsed_s);
    if (s->interrupted_by)
        summary_interrupted(&p, s->cut_off);
    if (s->not_started || s->gave_up)
        summary_gave_up(&p, "request", s->not_started);
    print_answers(&p, s);
    print_failures(&p, s->tally);
    print_traffic(&p, s);
    if (s->tally->latency.count) {
        summary_percentiles(&p, "latency", &s->tally->latency);
        summary_percentiles(&p, "of it waiting", &s->tally->waiting);
    }
    print_again(&p, s->tally);
    print_connections(&p, s);
    fflush(p.out);
}
