/* SPDX-License-Identifier: MIT */
/* belay_dial_wait: the same dial, for those who block. */
#include "base/error.h"
#include "conn/conn.h"
#include "conn/endpoint.h"
#include "conn/options.h"

#define DIAL_TIMEOUT_MAX_MS INT64_C(86400000) /* of the options; beyond it bl_wait alone counts */

struct dial_wait {
    struct bl_wait wait;
    struct belay_endpoint *endpoint;
    struct belay_dial_options options;
    struct belay_dial *dial;
    struct belay_stream *stream;
    struct belay_error error;
};

static void on_dialled(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct dial_wait *w = arg;

    w->dial = NULL;
    w->stream = stream;
    if (error)
        bl_error_keep(&w->error, error);
    bl_wait_done(&w->wait, error ? error->code : 0);
}

static int start(struct bl_wait *wait)
{
    struct dial_wait *w = BL_CONTAINER(wait, struct dial_wait, wait);

    return belay_dial(w->endpoint, &w->options, &w->dial, on_dialled, w);
}

static void cancel(struct bl_wait *wait)
{
    struct dial_wait *w = BL_CONTAINER(wait, struct dial_wait, wait);

    belay_dial_cancel(w->dial);
}

int belay_dial_wait(struct belay_endpoint *endpoint, const struct belay_dial_options *options,
                    int64_t timeout_ms, struct belay_stream **ret_stream, struct belay_error *error)
{
    struct dial_wait w = {
        .wait = {.loop = bl_endpoint_loop(endpoint), .start = start, .cancel = cancel},
        .endpoint = endpoint,
        .options = belay_dial_options_init(),
    };
    struct belay_dial_options checked;
    int rc = bl_dial_options_resolve(&checked, options, error);

    if (rc == 0 && options)
        rc = bl_options_resolve(&w.options, sizeof w.options, options, NULL, 0, error);
    if (rc < 0)
        return rc;
    /* The dial's own limit has the better error: it says what was waited for. */
    if (timeout_ms > 0 && timeout_ms < checked.dial_timeout_ms && timeout_ms <= DIAL_TIMEOUT_MAX_MS)
        w.options.dial_timeout_ms = timeout_ms;
    rc = bl_wait(&w.wait, timeout_ms);
    if (rc == 0) {
        *ret_stream = w.stream;
        return 0;
    }
    if (w.error.code == rc && error)
        *error = w.error;
    else
        bl_error_set(error, rc, BELAY_STAGE_CONNECT, "connecting to %s: %s",
                     belay_endpoint_name(endpoint), belay_strerror(rc));
    return rc;
}
