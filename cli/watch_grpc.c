/* SPDX-License-Identifier: MIT */
/* The health of a server of gRPC (grpc.health.v1), asked over a channel of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grpc.h"
#include "grpc_health.h"
#include "watch_run.h"

#define CONNECT_LIMIT_MS 30000

struct watch_grpc {
    struct watch_run *run;
    struct belay_channel *channel;
    struct belay_rpc *rpc; /* NULL: it is not asked */
    bool ready;
    watch_grpc_fn *fn;
    belay_fn *on_lost;
    void *arg;
};

static void on_state(struct belay_channel *channel, enum belay_channel_state state,
                     const struct belay_error *error, void *arg)
{
    struct watch_grpc *w = arg;
    bool lost = w->ready && state != BELAY_CHANNEL_READY;

    (void)channel;
    (void)error;
    w->ready = state == BELAY_CHANNEL_READY;
    if (lost && !w->rpc && w->on_lost)
        w->on_lost(w->arg);
}

/* "grpcs://host:port through http://proxy" is what it is called; the way is found anew. */
int watch_grpc_new(struct watch_run *run, const char *address, struct watch_grpc **ret,
                   struct belay_error *error)
{
    struct watch_grpc *w = memory_get(1, sizeof *w);
    struct belay_channel_options options = belay_channel_options_init();
    char *target = memory_copy(address, strcspn(address, " "));
    int status =
        grpc_channel_open(&run->o->client, run->loop, run->tls, target, &options, &w->channel);

    free(target);
    if (status != EXIT_SUCCESS) { /* which was said */
        free(w);
        *error = (struct belay_error){.code = BELAY_EINVAL, .kind = BELAY_KIND_USAGE};
        snprintf(error->text, sizeof error->text, "%.200s: is no target", address);
        return BELAY_EINVAL;
    }
    w->run = run;
    belay_channel_watch(w->channel, on_state, w);
    *ret = w;
    return 0;
}

void watch_grpc_free(struct watch_grpc *w)
{
    if (!w)
        return;
    if (w->rpc)
        belay_rpc_cancel(w->rpc);
    belay_channel_watch(w->channel, NULL, NULL);
    belay_channel_close(w->channel, NULL, NULL);
    free(w);
}

static void fail(struct belay_error *error, const char *format, const char *what)
{
    *error = (struct belay_error){.code = BELAY_EUNHEALTHY,
                                  .kind = belay_error_kind_of(BELAY_EUNHEALTHY),
                                  .stage = BELAY_STAGE_PROTOCOL};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(error->text, sizeof error->text, format, what);
#pragma GCC diagnostic pop
}

static void on_answer(const void *response, size_t len, const struct belay_rpc_result *result,
                      void *arg)
{
    struct watch_grpc *w = arg;
    struct belay_error error;
    int status = response ? grpc_health_read(response, len) : -1;
    char shown[TEXT_SHOWN_MAX];

    w->rpc = NULL;
    if (status == GRPC_SERVING) {
        w->fn(NULL, w->arg);
    } else if (response) {
        fail(&error, "its health is %s",
             status < 0 ? "not to be understood" : grpc_health_name(status));
        w->fn(&error, w->arg);
    } else if (result->error) {
        w->fn(result->error, w->arg);
    } else {
        text_show(shown, sizeof shown, result->message);
        fail(&error, "asked for its health it answered %s", belay_grpc_status_name(result->status));
        snprintf(error.text + strlen(error.text), sizeof error.text - strlen(error.text), ": %s%s",
                 shown,
                 result->status == BELAY_GRPC_UNIMPLEMENTED ? " (tcp:// and tls:// ask nothing)"
                                                            : "");
        w->fn(&error, w->arg);
    }
}

int watch_grpc_ask(struct watch_grpc *w, watch_grpc_fn *fn, belay_fn *on_lost, void *arg,
                   struct belay_error *error)
{
    struct belay_rpc_options options = belay_rpc_options_init();
    struct bytes request = {0};
    int rc;

    w->fn = fn;
    w->on_lost = on_lost;
    w->arg = arg;
    options.deadline_ms = w->run->o->answer_ms + (w->ready ? 0 : CONNECT_LIMIT_MS);
    grpc_health_request(&request, w->run->o->grpc_health);
    rc = belay_channel_unary(w->channel, "/grpc.health.v1.Health/Check", request.data, request.len,
                             &options, &w->rpc, on_answer, w, error);
    bytes_free(&request);
    return rc;
}
