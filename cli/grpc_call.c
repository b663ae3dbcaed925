/* SPDX-License-Identifier: MIT */
/*
 * One call, of whatever kind. What is sent waits for room on the connection, what is shown for room
 * on standard output, and what is read of standard input for both sides; so nothing piles up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grpc_feed.h"
#include "say.h"

#define QUESTIONS_MAX 100 /* about types that are in Anys */

struct call {
    struct grpc *g;
    const struct grpc_method *method;
    char doing[TEXT_SHOWN_MAX + 20];
    struct belay_rpc *rpc; /* NULL: over */
    bool over;             /* the call is; what is shown may not be */
    bool done;
    int status; /* of the program */

    struct grpc_feed feed;
    struct belay_watch *input; /* standard input has nothing yet */
    struct bytes out;          /* a message that is to be sent */
    bool loaded;               /* there is one */
    bool held;                 /* the first of a method that takes one: is it the only one? */
    bool ended;                /* all is sent */
    uint64_t sent, received;

    struct belay_watch *room; /* standard output is full */
    struct bytes answer;      /* waits until what it has in an Any is known: */
    char *asked;              /* ... that type */
    struct grpc_question *question;
    int questions; /* asked so far */
};

static void finish(struct call *c, int status)
{
    if (c->rpc)
        belay_rpc_cancel(c->rpc);
    c->rpc = NULL;
    c->status = status;
    c->done = true;
    belay_loop_stop(c->g->loop);
}

static void refuse(struct call *c, const struct complaint *why)
{
    say("%s: %s", c->doing, why->text);
    finish(c, EXIT_USAGE);
}

/* ---- sending ---- */

static void pump(struct call *c);

static void on_input(unsigned events, void *arg)
{
    struct call *c = arg;

    (void)events;
    belay_watch_set(c->input, 0);
    pump(c);
}

static void wait_for_input(struct call *c)
{
    int rc = c->input ? belay_watch_set(c->input, BELAY_READABLE)
                      : belay_watch_new(c->g->loop, 0, BELAY_READABLE, on_input, c, &c->input);
    struct complaint why;

    if (rc == 0)
        return;
    complain(&why, "reading standard input: %s", belay_strerror(rc));
    refuse(c, &why);
}

/* Whether it went, or can no more. */
static bool send_loaded(struct call *c)
{
    int rc = belay_rpc_write(c->rpc, c->out.data, c->out.len);
    struct complaint why;

    if (rc == BELAY_EAGAIN)
        return false;
    c->loaded = false;
    c->sent += rc == 0;
    c->ended = rc == BELAY_ECLOSED; /* its end tells why */
    if (rc == BELAY_ELIMIT || rc == BELAY_ENOMEM) {
        complain(&why, "sending message %llu: %s", (unsigned long long)c->sent + 1,
                 belay_strerror(rc));
        refuse(c, &why);
    }
    return true;
}

static void end_sending(struct call *c)
{
    struct bytes none = {0};

    if (c->held || (c->sent == 0 && !c->method->client_streams)) {
        bytes_add(&none, "", 0);
        if (belay_rpc_write(c->rpc, c->held ? c->out.data : none.data, c->held ? c->out.len : 0) ==
            0)
            c->sent++;
        c->held = false;
        bytes_free(&none);
    }
    c->ended = true;
    belay_rpc_end(c->rpc);
}

/* A method that takes one message gets it when there is no second. */
static bool take_one(struct call *c)
{
    struct complaint why;

    if (c->held) {
        complain(&why, "reading standard input: there is a second message, and the method takes "
                       "one");
        refuse(c, &why);
        return false;
    }
    if (c->feed.live && !c->method->client_streams)
        c->held = true;
    else
        c->loaded = true;
    return true;
}

/* Whether to go on. */
static bool pump_one(struct call *c, struct bytes *second)
{
    struct complaint why = {.text = ""};

    if (c->loaded && !send_loaded(c))
        return false; /* on_writable follows */
    if (!c->rpc)
        return false;
    switch (grpc_feed_next(&c->feed, c->held ? second : &c->out, &why)) {
    case GRPC_SPLIT_MESSAGE:
        return take_one(c);
    case GRPC_SPLIT_DONE:
        end_sending(c);
        return false;
    case GRPC_SPLIT_MORE:
        if (!grpc_feed_fill(&c->feed, &why)) {
            wait_for_input(c);
            return false;
        }
        break;
    case GRPC_SPLIT_BAD:
        break;
    }
    if (why.text[0])
        refuse(c, &why);
    return !why.text[0];
}

static void pump(struct call *c)
{
    struct bytes second = {0};

    while (c->rpc && !c->ended && pump_one(c, &second))
        ;
    bytes_free(&second);
}

static void on_writable(struct belay_rpc *rpc, void *arg)
{
    (void)rpc;
    pump(arg);
}

/* ---- receiving ---- */

static void on_room(unsigned events, void *arg)
{
    struct call *c = arg;

    (void)events;
    switch (sink_flush(&c->g->out)) {
    case SINK_WAIT:
        return;
    case SINK_FAILED:
        grpc_output_failed(c->g, c->g->out.error);
        finish(c, EXIT_PROBLEM);
        return;
    default:
        belay_watch_set(c->room, 0);
        if (c->rpc)
            belay_rpc_resume(c->rpc);
    }
}

static void wait_for_room(struct call *c)
{
    int rc = c->room ? belay_watch_set(c->room, BELAY_WRITABLE)
                     : belay_watch_new(c->g->loop, 1, BELAY_WRITABLE, on_room, c, &c->room);

    if (rc == 0 && c->rpc)
        belay_rpc_pause(c->rpc);
}

static void put_out(struct call *c, const struct bytes *text)
{
    switch (sink_write(&c->g->out, text->data, text->len)) {
    case SINK_FAILED:
        grpc_output_failed(c->g, c->g->out.error);
        finish(c, EXIT_PROBLEM);
        break;
    case SINK_WAIT:
        wait_for_room(c);
        break;
    default:
        break;
    }
}

static void show(struct call *c, const void *data, size_t len);

static void on_known(void *arg)
{
    struct call *c = arg;
    struct bytes answer = c->answer;

    grpc_question_drop(c->question);
    c->question = NULL;
    c->answer = (struct bytes){0};
    if (!grpc_schema_has_message(c->g->schema, c->asked)) {
        say("%s: the answer has an Any of %.120s, and nobody says what that looks like: its fields "
            "are not shown (--protoset FILE)",
            c->doing, c->asked);
        grpc_schema_forgo(c->g->schema, c->asked);
    }
    free(c->asked);
    c->asked = NULL;
    if (c->rpc)
        belay_rpc_resume(c->rpc);
    show(c, answer.data, answer.len);
    bytes_free(&answer);
    if (c->over && !c->question)
        finish(c, c->status);
}

/* An Any whose type is not known yet: the server may tell of it. */
static void ask_for(struct call *c, const char *type, const void *data, size_t len)
{
    if (++c->questions > QUESTIONS_MAX) {
        say("%s: the answers have Anys of more than %d types that were not known: no more are "
            "asked for, and their fields not shown (--protoset FILE)",
            c->doing, QUESTIONS_MAX);
        grpc_schema_forgo(c->g->schema, NULL);
        show(c, data, len);
        return;
    }
    bytes_add(&c->answer, data, len);
    c->asked = memory_copy(type, strlen(type));
    if (c->rpc)
        belay_rpc_pause(c->rpc);
    if (!grpc_has_files(c->g->o))
        c->question = grpc_question_start(c->g, type, on_known, c);
    if (!c->question)
        on_known(c);
}

static void show(struct call *c, const void *data, size_t len)
{
    struct complaint why = {.text = ""};
    struct bytes text = {0};
    const char *unknown;

    if (grpc_message_text(c->g, c->method->output, data, len, &text, &unknown, &why)) {
        put_out(c, &text);
    } else if (unknown) {
        ask_for(c, unknown, data, len);
    } else {
        grpc_say(c->g, c->doing, "an answer came that the schema does not fit");
        say_plain("  %s (--hex shows its bytes)", why.text);
        finish(c, EXIT_PROBLEM);
    }
    bytes_free(&text);
}

static void on_headers(struct belay_rpc *rpc, const struct belay_header *headers, size_t n,
                       void *arg)
{
    (void)rpc;
    grpc_show_metadata(((struct call *)arg)->g, '<', headers, n);
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct call *c = arg;

    (void)rpc;
    c->received++;
    show(c, data, len);
}

/* ---- the end ---- */

static int judge(struct call *c, const struct belay_rpc_result *result)
{
    char text[100];

    if (result->status != BELAY_GRPC_OK)
        return grpc_say_status(c->g, c->doing, result, "");
    if (c->method->server_streams || c->received == 1)
        return EXIT_FINE;
    snprintf(text, sizeof text, "the status was OK, and %llu messages came in place of one",
             (unsigned long long)c->received);
    grpc_say(c->g, c->doing, text);
    return GRPC_EXIT + BELAY_GRPC_UNIMPLEMENTED;
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct call *c = arg;

    (void)rpc;
    c->rpc = NULL;
    if (c->g->o->client.verbose && result->trailers_n)
        say_plain("* trailers:");
    grpc_show_metadata(c->g, '<', result->trailers, result->trailers_n);
    if (c->g->o->client.verbose)
        say_plain("* %s after %llu message%s sent, %llu received",
                  belay_grpc_status_name(result->status), (unsigned long long)c->sent,
                  c->sent == 1 ? "" : "s", (unsigned long long)c->received);
    c->status = judge(c, result);
    c->over = true;
    if (!c->question)
        finish(c, c->status);
}

static const struct belay_rpc_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_headers = on_headers,
    .on_message = on_message,
    .on_writable = on_writable,
    .on_done = on_done,
};

static void tell_of_call(const struct call *c)
{
    const struct grpc_method *m = c->method;

    if (c->g->o->client.verbose == 0)
        return;
    if (m->input)
        say_plain("* calling %s (%s%s) returns (%s%s)", m->path, m->client_streams ? "stream " : "",
                  m->input, m->server_streams ? "stream " : "", m->output);
    else
        say_plain("* calling %s with bytes as they are", m->path);
    grpc_show_metadata(c->g, '>', c->g->o->metadata.items, c->g->o->metadata.n);
}

/* Who waits for an answer may not know that it is their turn. */
static void tell_of_input(const struct call *c)
{
    if (c->feed.live && isatty(0) && !c->g->o->client.quiet)
        say_plain("%s are read from the terminal; Ctrl-D ends them",
                  c->method->client_streams ? "messages" : "the message and its end");
}

static int begin(struct call *c)
{
    const struct grpc_options *o = c->g->o;
    struct belay_rpc_options options = belay_rpc_options_init();
    struct belay_error error;

    options.metadata = o->metadata.items;
    options.metadata_n = o->metadata.n;
    options.deadline_ms = grpc_deadline_ms(c->g, o->deadline_ms);
    tell_of_call(c);
    tell_of_input(c);
    if (belay_rpc_start(c->g->channel, c->method->path, &options, &callbacks, c, &c->rpc, &error) <
        0)
        return client_refuse(c->doing, &error);
    pump(c);
    return EXIT_FINE;
}

static int interrupted(struct call *c)
{
    if (c->rpc)
        belay_rpc_cancel(c->rpc);
    c->rpc = NULL;
    belay_loop_turn(c->g->loop, 0); /* the server is told */
    if (!c->g->o->client.quiet)
        say("%s: interrupted after %llu message%s sent, %llu received", c->doing,
            (unsigned long long)c->sent, c->sent == 1 ? "" : "s", (unsigned long long)c->received);
    return 128 + c->g->interrupted_by;
}

int grpc_call(struct grpc *g, const struct grpc_method *method)
{
    struct call c = {.g = g, .method = method};
    struct complaint why = {.text = ""};
    char shown[TEXT_SHOWN_MAX];
    int status;

    snprintf(c.doing, sizeof c.doing, "calling %s",
             text_show(shown, sizeof shown, method->path + 1));
    if (!grpc_feed_begin(&c.feed, g, method, false, &why)) {
        say("%s: %s", c.doing, why.text);
        status = EXIT_USAGE;
    } else {
        status = begin(&c);
    }
    if (status == EXIT_FINE)
        status = grpc_run(g, &c.done) ? c.status
                 : g->interrupted_by  ? interrupted(&c)
                                      : EXIT_PROBLEM;
    grpc_question_drop(c.question);
    belay_watch_free(c.input);
    belay_watch_free(c.room);
    grpc_feed_end(&c.feed);
    bytes_free(&c.out);
    bytes_free(&c.answer);
    free(c.asked);
    return status;
}
