/* SPDX-License-Identifier: MIT */
/* What `belay pipe` tells on standard error: sentences, or with --json an object a line. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hints.h"
#include "pipe_run.h"
#include "say.h"
#include "watch_json.h"

#define PART_MAX 400

/* ---- sentences ---- */

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void add(char out[PART_MAX], const char *format, ...) TEXT_PRINTF(2, 3);

static void add(char out[PART_MAX], const char *format, ...)
{
    size_t len = strlen(out);
    va_list args;

    va_start(args, format);
    vsnprintf(out + len, PART_MAX - len, format, args);
    va_end(args);
}

static void add_next(char out[PART_MAX], int64_t next_ms)
{
    char wait[TEXT_FIGURE_MAX];

    if (next_ms > 0 && next_ms != BELAY_FOREVER)
        add(out, "; next attempt in %s", text_duration(wait, (uint64_t)next_ms * 1000));
}

/* What became of what was sent, or was to be. */
static void add_loss(char out[PART_MAX], const struct pipe_loss *loss)
{
    char n[TEXT_FIGURE_MAX], all[TEXT_FIGURE_MAX];

    if (loss->doubtful)
        add(out, "; of %s byte%s sent, %s may not have arrived%s", text_count(all, loss->sent),
            plural(loss->sent), text_count(n, loss->doubtful),
            loss->reset && loss->doubtful < loss->sent
                ? ", and of the rest not all may have been read"
                : "");
    else if (loss->reset && loss->sent)
        add(out, "; %s byte%s sent had arrived, and may not have been read",
            text_count(all, loss->sent), plural(loss->sent));
    if (loss->cut)
        add(out, "; a line was cut after %s byte%s, and is sent again", text_count(n, loss->cut),
            plural(loss->cut));
    if (loss->unsent)
        add(out, "; %s byte%s not sent yet", text_count(n, loss->unsent), plural(loss->unsent));
}

static bool matters(const struct pipe_loss *loss)
{
    return loss->doubtful || loss->cut || (loss->reset && loss->sent);
}

static void say_loss(struct pipe_run *run, const struct belay_link_event *e)
{
    char rest[PART_MAX] = "";
    const char *name = e->address ? belay_endpoint_name(e->address) : run->o->service.name;
    bool expected = !e->error || (!run->loss.reset && (run->o->once || run->loss.ended) &&
                                  run->loss.unsent == 0 && run->loss.doubtful == 0);

    if ((run->o->client.quiet && !matters(&run->loss)) || (expected && run->o->client.verbose == 0))
        return;
    add_loss(rest, &run->loss);
    if (!expected && !run->o->once)
        add_next(rest, e->next_ms);
    if (run->loss.reset && e->error)
        say("%.300s%s", e->error->text, rest);
    else
        say("%s: the connection was closed%s", name, rest);
    run->troubled = !expected;
}

static void say_failure(struct pipe_run *run, const struct belay_link_event *e)
{
    char rest[PART_MAX] = "";

    if (run->o->client.quiet || e->next_ms == BELAY_FOREVER) /* its end is told */
        return;
    add_next(rest, e->next_ms);
    say("%.300s%s%s", e->error->text, hint_for(e->error, NULL), rest);
    run->troubled = true;
}

static void say_connected(struct pipe_run *run, const struct belay_link_event *e)
{
    if (!run->o->client.quiet && run->troubled)
        say("%s: connected", belay_endpoint_name(e->address));
    run->troubled = false;
}

/* ---- JSON ---- */

static json_t *integer(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static void print(json_t *line)
{
    json_dumpf(line, stderr, JSON_COMPACT | JSON_REAL_PRECISION(12));
    fputc('\n', stderr);
    json_decref(line);
}

static void add_json_loss(json_t *line, const struct pipe_loss *loss)
{
    json_object_set_new(line, "sent", integer(loss->sent));
    json_object_set_new(line, "doubtful", integer(loss->doubtful));
    json_object_set_new(line, "reset", json_boolean(loss->reset));
    json_object_set_new(line, "cut", integer(loss->cut));
    json_object_set_new(line, "unsent", integer(loss->unsent));
}

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static double elapsed_s(const struct pipe_run *run)
{
    return (double)(belay_loop_now_ms(run->loop) - run->begin_ms) / 1000;
}

static void print_event(const struct pipe_run *run, const struct belay_link_event *e)
{
    bool next = e->type == BELAY_LINK_FAILED_TO_CONNECT || e->type == BELAY_LINK_DISCONNECTED;
    struct watch_event told = {
        .type = e->type,
        .time_ms = wall_ms(),
        .at_s = elapsed_s(run),
        .name = run->o->service.name,
        .address = e->address ? belay_endpoint_name(e->address) : NULL,
        .error = e->error,
        .failures = e->failures,
        .next_ms = next && e->next_ms != BELAY_FOREVER ? e->next_ms : -1,
    };
    json_t *line = watch_json_make(&told);

    if (e->type == BELAY_LINK_DISCONNECTED)
        add_json_loss(line, &run->loss);
    print(line);
}

/* JSON is UTF-8; what a peer or a system says may be anything. */
static json_t *text_or_null(const char *text)
{
    json_t *string = text ? json_string(text) : json_null();
    char shown[BELAY_ERROR_TEXT_MAX];

    return string ? string : json_string(text_show(shown, sizeof shown, text));
}

/* The first is the reason of the end, if one is; what -v tells goes as it comes. */
static void on_said(const char *text, void *arg)
{
    static const char prefix[] = "belay: ";
    struct pipe_run *run = arg;
    bool ours = strncmp(text, prefix, strlen(prefix)) == 0;
    json_t *line;

    text += ours ? strlen(prefix) : 0;
    if (ours && !run->error) {
        run->error = memory_copy(text, strlen(text));
        return;
    }
    line = json_object();
    json_object_set_new(line, "event", json_string("message"));
    json_object_set_new(line, "at_s", json_real(elapsed_s(run)));
    json_object_set_new(line, "text", text_or_null(text));
    print(line);
}

static void print_end(const struct pipe_run *run, int status)
{
    const char *reason = run->interrupted_by   ? "interrupted"
                         : run->why            ? run->why
                         : status == EXIT_FINE ? "done"
                                               : "failed";
    json_t *line = json_object();

    json_object_set_new(line, "event", json_string("end"));
    json_object_set_new(line, "at_s", json_real(elapsed_s(run)));
    json_object_set_new(line, "status", json_integer(status));
    json_object_set_new(line, "reason", json_string(reason));
    json_object_set_new(line, "error", text_or_null(run->error));
    json_object_set_new(line, "connections", integer(run->connections));
    json_object_set_new(line, "sent", integer(run->sent));
    json_object_set_new(line, "received", integer(run->received));
    json_object_set_new(line, "doubtful", integer(run->doubtful));
    json_object_set_new(line, "unsent", integer(pipe_buffer_unsent(&run->buffer)));
    json_object_set_new(line, "interrupted", json_boolean(run->interrupted_by != 0));
    print(line);
}

/* ---- either ---- */

void pipe_say_event(struct pipe_run *run, const struct belay_link_event *e)
{
    if (run->o->client.json)
        print_event(run, e);
    else if (e->type == BELAY_LINK_FAILED_TO_CONNECT)
        say_failure(run, e);
    else if (e->type == BELAY_LINK_DISCONNECTED)
        say_loss(run, e);
    else if (e->type == BELAY_LINK_CONNECTED)
        say_connected(run, e);
}

void pipe_say_json(struct pipe_run *run)
{
    say_divert(on_said, run);
}

void pipe_say_end(struct pipe_run *run, int status)
{
    char took[TEXT_FIGURE_MAX], sent[TEXT_FIGURE_MAX], received[TEXT_FIGURE_MAX];
    char n[TEXT_FIGURE_MAX], rest[PART_MAX] = "";
    uint64_t unsent = pipe_buffer_unsent(&run->buffer);
    int64_t ms = belay_loop_now_ms(run->loop) - run->begin_ms;

    if (run->o->client.json) {
        say_divert(NULL, NULL);
        print_end(run, status);
        return;
    }
    if (run->doubtful)
        add(rest, "; at least %s may not have arrived", text_count(n, run->doubtful));
    if (unsent)
        add(rest, "; %s read and not sent", text_count(n, unsent));
    if (run->interrupted_by || run->o->client.verbose)
        say("%s: %s byte%s sent, %s received on %llu connection%s in %s%s", run->o->service.name,
            text_count(sent, run->sent), plural(run->sent), text_count(received, run->received),
            (unsigned long long)run->connections, plural(run->connections),
            text_duration(took, (uint64_t)ms * 1000), rest);
    else if (unsent)
        say("%s: %s byte%s read and not sent", run->o->service.name, text_count(n, unsent),
            plural(unsent));
}
