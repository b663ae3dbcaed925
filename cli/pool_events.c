/* SPDX-License-Identifier: MIT */
/* What the pools tell of their connections, as events. */
#include "pool_run.h"

static void tell(struct pool_run *run, enum pool_event_kind kind, struct belay_peer *peer,
                 uint64_t connection, enum belay_reason reason, const struct belay_error *error)
{
    struct pool_event event = {
        .kind = kind,
        .at_s = (double)(belay_loop_now_ms(run->loop) - run->begin_ms) / 1000,
        .endpoint = belay_endpoint_name(belay_peer_endpoint(peer)),
        .connection = connection,
        .reason = reason,
        .error = error,
    };

    if (!run->finished)
        pool_show_event(run, &event);
}

static void on_created(struct belay_peer *peer, uint64_t connection, void *arg)
{
    tell(arg, POOL_EVENT_OPEN, peer, connection, BELAY_REASON_NONE, NULL);
}

static void on_reused(struct belay_peer *peer, uint64_t connection, void *arg)
{
    tell(arg, POOL_EVENT_REUSE, peer, connection, BELAY_REASON_NONE, NULL);
}

static void on_closed(struct belay_peer *peer, uint64_t connection, enum belay_reason reason,
                      const struct belay_error *error, void *arg)
{
    tell(arg, POOL_EVENT_CLOSE, peer, connection, reason, error);
}

const struct belay_pool_callbacks pool_event_callbacks = {
    .size = sizeof pool_event_callbacks,
    .on_connection_created = on_created,
    .on_connection_closed = on_closed,
    .on_connection_reused = on_reused,
};
