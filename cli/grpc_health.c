/* SPDX-License-Identifier: MIT */
/*
 * Whether a service is SERVING, by grpc.health.v1: once, or a line at each change. Watching goes on
 * when the server goes away, and says so.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grpc.h"
#include "grpc_health.h"
#include "grpc_wire.h"
#include "say.h"

#define AGAIN_MS 1000

struct health {
    struct grpc *g;
    char doing[TEXT_SHOWN_MAX + 40];
    struct bytes request;
    struct belay_rpc *rpc;
    struct belay_timer *again;
    int last; /* what was said last; -1: nothing; -2: that it is gone */
    bool done;
    int status;
};

const char *grpc_health_name(int status)
{
    static const char *const names[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};

    return status >= 0 && status < 4 ? names[status] : "UNKNOWN";
}

int grpc_health_read(const void *data, size_t len)
{
    struct grpc_wire wire;
    struct grpc_field field;
    int status = 0;

    grpc_wire_begin(&wire, data, len);
    while (grpc_wire_next(&wire, &field))
        if (field.number == 1 && !field.data)
            status = field.value < 4 ? (int)field.value : 0;
    return wire.bad ? -1 : status;
}

void grpc_health_request(struct bytes *ret, const char *service)
{
    bytes_add(ret, "", 0);
    if (service && service[0])
        grpc_wire_add(ret, 1, service, strlen(service));
}

/* ---- showing ---- */

static void show(struct health *h, const char *name)
{
    const char *service = h->g->o->symbol ? h->g->o->symbol : "";
    struct bytes text = {0};
    json_t *object;
    char *line;

    if (h->g->o->client.json) {
        object = json_pack("{s:s, s:s}", "service", service, "status", name);
        line = object ? json_dumps(object, JSON_COMPACT) : NULL;
        if (line)
            bytes_add(&text, line, strlen(line));
        free(line);
        json_decref(object);
    } else {
        bytes_add(&text, name, strlen(name));
    }
    bytes_add(&text, "\n", 1);
    grpc_print(h->g, &text);
    bytes_free(&text);
}

static void finish(struct health *h, int status)
{
    h->status = status;
    h->done = true;
    belay_loop_stop(h->g->loop);
}

static int answer(struct health *h, const void *data, size_t len)
{
    int serving = grpc_health_read(data, len);

    if (serving < 0) {
        grpc_say(h->g, h->doing, "its answer is not one of grpc.health.v1");
        return -1;
    }
    if (serving != h->last)
        show(h, grpc_health_name(serving));
    h->last = serving;
    return serving;
}

static const char *hint_of(const struct belay_rpc_result *result)
{
    return result->status == BELAY_GRPC_UNIMPLEMENTED && !result->error
               ? " (the server has no grpc.health.v1)"
           : result->status == BELAY_GRPC_NOT_FOUND
               ? " (without SERVICE the server as a whole is asked about)"
               : "";
}

/* ---- once ---- */

static void on_checked(const void *response, size_t len, const struct belay_rpc_result *result,
                       void *arg)
{
    struct health *h = arg;

    h->rpc = NULL;
    if (response)
        finish(h, answer(h, response, len) == 1 ? EXIT_FINE : EXIT_PROBLEM);
    else
        finish(h, grpc_say_status(h->g, h->doing, result, hint_of(result)));
}

static struct belay_rpc_options options_of(const struct health *h)
{
    struct belay_rpc_options options = belay_rpc_options_init();

    options.metadata = h->g->o->metadata.items;
    options.metadata_n = h->g->o->metadata.n;
    options.deadline_ms = grpc_deadline_ms(h->g, h->g->o->deadline_ms);
    return options;
}

static int check(struct health *h)
{
    struct belay_rpc_options options = options_of(h);
    struct belay_error error;

    if (belay_channel_unary(h->g->channel, "/grpc.health.v1.Health/Check", h->request.data,
                            h->request.len, &options, &h->rpc, on_checked, h, &error) < 0)
        return client_refuse(h->doing, &error);
    return EXIT_FINE;
}

/* ---- all the time ---- */

static int begin_watch(struct health *h);

static void on_again(void *arg)
{
    struct health *h = arg;
    int status = begin_watch(h);

    if (status != EXIT_FINE)
        finish(h, status);
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct health *h = arg;

    if (answer(h, data, len) >= 0 && !h->g->stdout_gone)
        return;
    h->rpc = NULL;
    belay_rpc_cancel(rpc);
    finish(h, EXIT_PROBLEM);
}

/* A server that is gone may come back; what it does not know, or does not allow, stays so. */
static bool may_come_back(const struct belay_rpc_result *result)
{
    return result->status == BELAY_GRPC_UNAVAILABLE &&
           (!result->error || result->error->kind == BELAY_KIND_RETRY);
}

static bool time_is_up(const struct health *h)
{
    return h->g->o->client.timeout_ms != OPTION_UNSET || h->g->o->deadline_ms != OPTION_UNSET;
}

static void on_ended(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct health *h = arg;

    (void)rpc;
    h->rpc = NULL;
    if (result->status == BELAY_GRPC_DEADLINE_EXCEEDED && time_is_up(h)) {
        finish(h, h->last == 1 ? EXIT_FINE : EXIT_PROBLEM);
    } else if (result->status == BELAY_GRPC_OK || may_come_back(result)) {
        if (h->last != -2 && result->status != BELAY_GRPC_OK)
            grpc_say_status(h->g, h->doing, result, "");
        h->last = result->status == BELAY_GRPC_OK ? h->last : -2;
        belay_timer_start(h->again, AGAIN_MS);
    } else {
        finish(h, grpc_say_status(h->g, h->doing, result, hint_of(result)));
    }
}

static const struct belay_rpc_callbacks callbacks = {
    .size = sizeof callbacks, .on_message = on_message, .on_done = on_ended};

static int begin_watch(struct health *h)
{
    struct belay_rpc_options options = options_of(h);
    struct belay_error error;

    if (belay_rpc_start(h->g->channel, "/grpc.health.v1.Health/Watch", &options, &callbacks, h,
                        &h->rpc, &error) < 0)
        return client_refuse(h->doing, &error);
    belay_rpc_write(h->rpc, h->request.data, h->request.len); /* that it failed, its end tells */
    belay_rpc_end(h->rpc);
    return EXIT_FINE;
}

static int watch(struct health *h)
{
    if (belay_timer_new(h->g->loop, on_again, h, &h->again) < 0) {
        grpc_say(h->g, h->doing, belay_strerror(BELAY_ENOMEM));
        return EXIT_PROBLEM;
    }
    return begin_watch(h);
}

int grpc_health(struct grpc *g)
{
    struct health h = {.g = g, .last = -1};
    char shown[TEXT_SHOWN_MAX];
    int status;

    if (g->o->symbol)
        snprintf(h.doing, sizeof h.doing, "asking for the health of %s",
                 text_show(shown, sizeof shown, g->o->symbol));
    else
        snprintf(h.doing, sizeof h.doing, "asking for its health");
    grpc_health_request(&h.request, g->o->symbol);
    status = g->o->watch ? watch(&h) : check(&h);
    if (status == EXIT_FINE)
        status = grpc_run(g, &h.done) ? h.status : 128 + g->interrupted_by;
    if (h.rpc && !h.done)
        belay_rpc_cancel(h.rpc);
    belay_timer_free(h.again);
    bytes_free(&h.request);
    return status;
}
