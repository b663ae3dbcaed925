/* SPDX-License-Identifier: MIT */
/* belay_peer_acquire_wait: the same acquire, for those who block. */
#include "base/error.h"
#include "belay/pool.h"
#include "conn/lease.h"
#include "conn/thread_loan.h"
#include "loop/loop.h"

#include "keep/pool.h"

struct acquire_wait {
    struct bl_wait wait;
    struct belay_peer *peer;
    struct belay_waiter *waiter;
    struct belay_acquire_options options;
    int (*keep)(struct belay_lease *lease, void *arg); /* NULL: as it is */
    void *arg;
    struct belay_lease lease;
    struct belay_error error;
};

static void on_acquired(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct acquire_wait *w = arg;
    int rc = error ? error->code : 0;

    w->waiter = NULL;
    if (rc == 0 && w->keep) {
        rc = w->keep(&lease, w->arg);
    } else if (rc == 0 && bl_wait_is_elsewhere(&w->wait)) {
        rc = bl_thread_loan_begin(&lease);
        if (rc < 0)
            belay_lease_release(lease, BELAY_REUSE);
    }
    w->lease = lease;
    if (error)
        bl_error_keep(&w->error, error);
    bl_wait_done(&w->wait, rc);
}

static int start(struct bl_wait *wait)
{
    struct acquire_wait *w = BL_CONTAINER(wait, struct acquire_wait, wait);

    return belay_peer_acquire(w->peer, &w->options, &w->waiter, on_acquired, w);
}

static void cancel(struct bl_wait *wait)
{
    struct acquire_wait *w = BL_CONTAINER(wait, struct acquire_wait, wait);

    belay_waiter_cancel(w->waiter);
}

int bl_peer_acquire_wait(struct belay_peer *peer, int64_t timeout_ms,
                         const struct belay_acquire_options *options,
                         int (*keep)(struct belay_lease *lease, void *arg), void *arg,
                         struct belay_lease *ret_lease, struct belay_error *error)
{
    struct acquire_wait w = {
        .wait = {.loop = peer->loop, .start = start, .cancel = cancel},
        .peer = peer,
        .keep = keep,
        .arg = arg,
        .options = belay_acquire_options_init(),
    };
    int rc = 0;

    if (options)
        rc = bl_options_resolve(&w.options, sizeof w.options, options, NULL, 0, error);
    if (rc < 0)
        return rc;
    /* The waiter's own limit has the better error; one beyond its range is bl_wait's alone. */
    w.options.timeout_ms = timeout_ms > 0 && timeout_ms <= INT32_MAX ? timeout_ms : BELAY_FOREVER;
    rc = bl_wait(&w.wait, timeout_ms);
    if (rc == 0) {
        *ret_lease = w.lease;
        return 0;
    }
    if (w.error.code == rc && error)
        *error = w.error;
    else
        bl_error_set(error, rc, BELAY_STAGE_QUEUE, "waiting for a connection to %s: %s",
                     belay_endpoint_name(peer->endpoint), belay_strerror(rc));
    return rc;
}

int belay_peer_acquire_wait(struct belay_peer *peer, int64_t timeout_ms,
                            struct belay_lease *ret_lease, struct belay_error *error)
{
    return bl_peer_acquire_wait(peer, timeout_ms, NULL, NULL, NULL, ret_lease, error);
}

int belay_peer_acquire_wait_as(struct belay_peer *peer, int64_t timeout_ms,
                               const struct belay_acquire_options *options,
                               struct belay_lease *ret_lease, struct belay_error *error)
{
    return bl_peer_acquire_wait(peer, timeout_ms, options, NULL, NULL, ret_lease, error);
}
