/* SPDX-License-Identifier: MIT */
/*
 * -v, -vv and the library's log, on standard error. -v shows connections (address, TLS, why they
 * end) and retries; -vv every change of state, with the seconds since the start.
 */
#include <string.h>

#include "get.h"
#include "say.h"

static struct {
    int level;
    uint64_t begin_ns;
} verbose;

static bool is(const char *state, const char *name)
{
    return state && strcmp(state, name) == 0;
}

/* Of a connection's life, its beginning and its end. */
static void show_connection(const struct belay_trace *t)
{
    unsigned long long id = (unsigned long long)t->id;

    if (is(t->to, "dialing"))
        say_plain("* connection %llu: dialing %s", id, t->name);
    else if (is(t->to, "open"))
        say_plain("* connection %llu: open%s%s", id, t->cause[0] ? ": " : "", t->cause);
    else if (is(t->to, "ending"))
        say_plain("* connection %llu: closing: %s", id, t->cause);
}

static void show_all(const struct belay_trace *t)
{
    uint64_t us = (t->now_ns - verbose.begin_ns) / 1000;

    say_plain("%4llu.%06llu %s %llu %s%s%s -> %s%s%s", (unsigned long long)us / 1000000,
              (unsigned long long)us % 1000000, t->noun, (unsigned long long)t->id, t->name,
              t->name[0] ? ": " : "", t->from ? t->from : "-", t->to ? t->to : "-",
              t->cause && t->cause[0] ? ": " : "", t->cause ? t->cause : "");
}

static void on_trace(const struct belay_trace *t, void *arg)
{
    (void)arg;
    if (verbose.begin_ns == 0)
        verbose.begin_ns = t->now_ns;
    if (verbose.level > 1)
        show_all(t);
    else if (strcmp(t->noun, "conn") == 0)
        show_connection(t);
}

static void on_log(enum belay_log_level level, const char *tag, const char *line, void *arg)
{
    static const char *const names[] = {"", "", "error", "warning", "info", "debug"};

    (void)arg;
    if (verbose.level == 1 && level == BELAY_LOG_INFO)
        say_plain("* %s", line);
    else
        say_plain("[%s] %s: %s", tag, names[level], line);
}

void verbose_setup(const struct client_options *o, struct belay_loop_options *loop)
{
    verbose.level = o->verbose;
    verbose.begin_ns = 0;
    loop->on_log = on_log;
    if (o->quiet)
        loop->log_level = BELAY_LOG_ERROR;
    if (o->verbose == 0)
        return;
    loop->on_trace = on_trace;
    loop->log_level = o->verbose > 1 ? BELAY_LOG_DEBUG : BELAY_LOG_INFO;
}

int verbose_level(void)
{
    return verbose.level;
}

void verbose_retry(const struct slot *slot, const struct belay_error *error, int status,
                   int64_t delay_ms)
{
    char wait[TEXT_FIGURE_MAX];

    if (verbose.level == 0)
        return;
    text_duration(wait, (uint64_t)delay_ms * 1000);
    if (error)
        say_plain("* request %llu: trying again in %s (%lld of %lld): %s",
                  (unsigned long long)slot->number, wait, (long long)slot->retried,
                  (long long)slot->get->o->retry.retries, belay_strerror(error->code));
    else
        say_plain("* request %llu: trying again in %s (%lld of %lld): the answer was %d",
                  (unsigned long long)slot->number, wait, (long long)slot->retried,
                  (long long)slot->get->o->retry.retries, status);
}
