/* SPDX-License-Identifier: MIT */
/*
 * belay/blocking.h - a connector of functions that block: any client library whose connections are
 * opened, closed and checked by calls that take their time. They run on the loop's worker threads
 * (offload_threads_max of the loop's options); the loop goes on meanwhile.
 *
 *     static struct belay_blocking postgres = {
 *         BELAY_SIZED(belay_blocking), .name = "postgres",
 *         .open = pg_open, .close = pg_close, .check = pg_check, .descriptor = pg_descriptor};
 *
 *     options.connector = belay_blocking_connector(&postgres);
 *     ...
 *     PGconn *pg = belay_lease_state(lease);
 */
#ifndef BELAY_BLOCKING_H
#define BELAY_BLOCKING_H

#include "belay/connector.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The functions, and room of belay's; it must outlive the keeper that uses it, and may serve
 * several of one loop. No two functions run on one handle at a time, and none while it is lent.
 */
struct belay_blocking {
    size_t size;
    const char *name; /* "postgres": for logs and errors; NULL: "blocking" */

    /*
     * WORKER THREAD. Opens and gives a handle, which is not NULL: what belay_lease_state returns.
     * Or returns a negative code and fills in what it can of *error, which is zeroed before: text,
     * kind, stage, final, os_error. What is left empty is filled in from the code. Of the endpoint
     * it may ask the name, scheme, host, port and addresses.
     *
     * One that takes longer than session_timeout_ms, or whose keeper is closed, cannot be
     * interrupted: it is abandoned. Its late handle goes to `close`, and the keeper's on_closed
     * waits for that. Until then it counts as a connection.
     */
    int (*open)(struct belay_endpoint *endpoint, void **ret_handle, struct belay_error *error,
                void *arg);

    /* WORKER THREAD. Called once for each handle, and waited for. */
    void (*close)(void *handle, enum belay_reason reason, void *arg);

    /* WORKER THREAD. Is it alive? 0, or a negative code. NULL: cannot be asked. */
    int (*check)(void *handle, void *arg);

    /* Loop thread, must not wait: see struct belay_connector_ops. NULL: not asked. */
    bool (*is_healthy)(void *handle, void *arg);

    /*
     * Loop thread, once, after open: what to watch while nobody uses the handle, or -1; see
     * belay_conn_set_descriptor. NULL: nothing.
     */
    int (*descriptor)(void *handle, void *arg);

    void *arg;

    union { /* belay's own */
        struct belay_connector_ops ops;
        void *reserved[24];
    } belays;
};
BELAY_OPTIONS_INIT(belay_blocking)

/*
 * The connector of it. `open` and `close` must be there, else every open fails with BELAY_EINVAL.
 * Where the queue of works is full (offload_queue_max) an open fails with BELAY_EFULL, of kind
 * limit; a close or a check waits for room.
 */
BELAY_API struct belay_connector belay_blocking_connector(struct belay_blocking *blocking);

#ifdef __cplusplus
}
#endif

#endif
