/* SPDX-License-Identifier: MIT */
/*
 * `belay pipe`: standard input and output over a link. pipe_link.c has the connection, pipe_io.c
 * the ends here, pipe_buffer.c what is between; here it begins and ends.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "pipe_run.h"
#include "say.h"

/* ---- ending ---- */

static void on_link_gone(void *arg)
{
    belay_loop_stop(((struct pipe_run *)arg)->loop);
}

void pipe_finish(struct pipe_run *run)
{
    if (run->finished)
        return;
    run->finished = true;
    pipe_in_close(&run->in);
    pipe_out_close(&run->out);
    belay_link_close(run->link, on_link_gone, run);
}

void pipe_finish_if_written(struct pipe_run *run)
{
    if (run->ending && !run->rest && pipe_out_waiting(&run->out) == 0)
        pipe_finish(run);
}

void pipe_end(struct pipe_run *run, int status)
{
    if (run->ending || run->finished)
        return;
    run->ending = true;
    run->status = status == EXIT_FINE && run->unsure ? EXIT_PROBLEM : status;
    pipe_in_want(&run->in, 0);
    if (run->stream && !run->lost)
        belay_stream_pause(run->stream);
    belay_link_close_when_current_closes(run->link); /* what came may take long to be written */
    pipe_finish_if_written(run);
}

/* ---- the ends here ---- */

static void on_input(const char *data, size_t len, int error, void *arg)
{
    struct pipe_run *run = arg;

    if (run->ending || run->finished)
        return;
    if (error) {
        say("reading %s: %s", run->o->exec ? "the command's output" : "standard input",
            strerror(error));
        pipe_end(run, EXIT_PROBLEM);
        return;
    }
    if (len)
        pipe_buffer_add(&run->buffer, data, len);
    else
        pipe_buffer_end(&run->buffer);
    pipe_go_on(run);
}

/* Some was written, or nothing can be any more. */
static void on_output(struct pipe_out *out, void *arg)
{
    struct pipe_run *run = arg;

    if (run->finished)
        return;
    if (out->error == EPIPE && run->o->exec) { /* it does not care for what comes */
        pipe_out_close(out);
        bytes_free(&out->waiting);
        out->at = 0;
        out->error = 0;
    } else if (out->error) {
        say("writing to %s: %s", run->o->exec ? "the command's input" : "standard output",
            strerror(out->error));
        run->status = EXIT_PROBLEM;
        pipe_finish(run);
        return;
    }
    pipe_resume(run);
    pipe_finish_if_written(run);
}

static bool open_ends(struct pipe_run *run)
{
    struct complaint why;
    int from = 0, to = 1, rc;

    if (run->o->exec && !pipe_exec_start(&run->exec, run->o->exec, &why)) {
        say("%s", why.text);
        return false;
    }
    if (run->o->exec) {
        from = run->exec.from;
        to = run->exec.to;
    }
    rc = pipe_out_open(&run->out, run->loop, to, on_output, run);
    if (rc == 0 && !run->o->no_input)
        rc = pipe_in_open(&run->in, run->loop, from, on_input, run);
    if (rc < 0)
        say("starting: %s", belay_strerror(rc));
    return rc == 0;
}

/* ---- time and signals ---- */

static void on_idle(void *arg)
{
    struct pipe_run *run = arg;
    int64_t left = run->moved_ms + run->o->idle_ms - belay_loop_now_ms(run->loop);
    char limit[TEXT_FIGURE_MAX];

    if (run->ending || run->finished)
        return;
    if (left > 0) {
        belay_timer_start(run->idle, left);
        return;
    }
    run->why = "idle";
    if (!run->o->client.quiet)
        say("%s: nothing was sent or received for %s", run->o->service.name,
            text_duration(limit, (uint64_t)run->o->idle_ms * 1000));
    pipe_end(run, run->up && pipe_buffer_unsent(&run->buffer) == 0 ? EXIT_FINE : EXIT_PROBLEM);
}

static void on_deadline(void *arg)
{
    struct pipe_run *run = arg;
    char limit[TEXT_FIGURE_MAX];

    if (run->finished)
        return;
    run->why = "timeout";
    say("%s: not done within %s", run->o->service.name,
        text_duration(limit, (uint64_t)run->o->client.timeout_ms * 1000));
    run->status = EXIT_PROBLEM;
    pipe_finish(run);
}

static void on_signal(int number, void *arg)
{
    struct pipe_run *run = arg;

    run->interrupted_by = number;
    pipe_finish(run);
}

static int start(struct pipe_run *run)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, 0};
    const struct pipe_options *o = run->o;
    int status;

    run->begin_ms = run->moved_ms = belay_loop_now_ms(run->loop);
    if (!signals_watch(&run->signals, run->loop, numbers, on_signal, run) || !open_ends(run) ||
        belay_timer_new(run->loop, on_idle, run, &run->idle) < 0 ||
        belay_timer_new(run->loop, on_deadline, run, &run->deadline) < 0)
        return EXIT_PROBLEM;
    status = pipe_link_open(run);
    if (status != EXIT_FINE)
        return status;
    if (o->idle_ms != OPTION_UNSET)
        belay_timer_start(run->idle, o->idle_ms);
    if (o->client.timeout_ms != OPTION_UNSET)
        belay_timer_start(run->deadline, o->client.timeout_ms);
    pipe_go_on(run);
    return EXIT_FINE;
}

/* ---- the whole ---- */

static int open_world(struct pipe_run *run)
{
    struct pipe_options *o = (struct pipe_options *)run->o;
    int status = client_open_loop(&o->client, &run->loop);

    if (status == EXIT_FINE)
        status = client_open_tls(&o->client, run->loop, &run->tls);
    if (status == EXIT_FINE)
        status = client_open_proxies(&o->client, run->loop);
    if (status == EXIT_FINE)
        status = service_open(&o->service, &o->client, run->loop, run->tls);
    return status;
}

/* The command's failure is ours, unless it was ended. */
static int end_exec(struct pipe_run *run, int status)
{
    int how;

    if (run->exec.pid == 0)
        return status;
    how = pipe_exec_wait(&run->exec);
    if (how == 0 || WIFSIGNALED(how) || status != EXIT_FINE)
        return status;
    say("running --exec: the command ended with status %d", WEXITSTATUS(how));
    return EXIT_PROBLEM;
}

static int run_it(struct pipe_run *run)
{
    int status;

    if (run->o->client.json)
        pipe_say_json(run);
    status = start(run);
    if (status == EXIT_FINE) {
        if (belay_loop_run(run->loop) < 0)
            say("running: the loop could not run");
        status = end_exec(run, run->status);
    }
    if (run->interrupted_by)
        status = 128 + run->interrupted_by;
    pipe_say_end(run, status);
    return status;
}

static void close_world(struct pipe_run *run)
{
    struct pipe_options *o = (struct pipe_options *)run->o;

    run->finished = true;
    if (run->link && !belay_link_is_closed(run->link))
        belay_link_close(run->link, NULL, NULL);
    belay_link_unref(run->link);
    service_free(&o->service);
    client_close_proxies(&o->client);
    belay_tls_unref(run->tls);
    belay_timer_free(run->idle);
    belay_timer_free(run->deadline);
    if (run->signals.watch)
        signals_unwatch(&run->signals);
    pipe_in_close(&run->in);
    pipe_out_close(&run->out);
    if (run->loop)
        belay_loop_free(run->loop);
    if (run->exec.pid)
        pipe_exec_wait(&run->exec);
    pipe_in_free(&run->in);
    pipe_out_free(&run->out);
    pipe_buffer_free(&run->buffer);
    free(run->error);
}

int pipe_main(int argc, char **argv)
{
    struct pipe_options options;
    struct complaint why = {.text = ""};
    struct pipe_run *run;
    int status;

    setlocale(LC_CTYPE, "");
    switch (pipe_options_read(&options, argc, argv, &why)) {
    case OPTIONS_HELP:
        options_print_help(&pipe_table);
        pipe_options_free(&options);
        return fflush(stdout) == 0 ? EXIT_FINE : EXIT_PROBLEM;
    case OPTIONS_BAD:
        pipe_options_free(&options);
        say("reading the options: %s", why.text);
        return EXIT_USAGE;
    default:
        break;
    }
    run = memory_get(1, sizeof *run);
    run->o = &options;
    run->in.fd.fd = run->out.fd.fd = -1;
    pipe_buffer_init(&run->buffer, (size_t)options.buffer, options.lines, options.crlf);
    status = open_world(run);
    if (status == EXIT_FINE)
        status = run_it(run);
    close_world(run);
    pipe_options_free(&options);
    free(run);
    return status;
}
