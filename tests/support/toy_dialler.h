/* SPDX-License-Identifier: MIT */
/*
 * A connector that dials by itself, asynchronously, complete and small: how to pool the connections
 * of a library of your own. Here the library is a blocking socket that speaks toy_connector.h's
 * protocol; a lease gives a struct toy_handle, to be used as anybody would use a socket.
 *
 * What it shows: open in steps with a watch, a descriptor that belay watches while nobody uses it, a
 * check with a watch, a timer that is attached to the connection and ends before it, health.
 */
#ifndef TEST_SUPPORT_TOY_DIALLER_H
#define TEST_SUPPORT_TOY_DIALLER_H

#include <belay/lease.h>

struct toy_handle {
    struct belay_conn *conn;
    int fd;
    struct belay_watch *watch; /* while it opens or is checked */
    struct belay_timer *timer; /* beats while the connection lives */
    unsigned beats;
    bool checking;
    bool broken; /* whoever used it found out */
};

extern const struct belay_connector toy_dialler;

#define TOY_BEAT_MS 1

/* What is leased; NULL when stale. */
static inline struct toy_handle *toy_handle(struct belay_lease lease)
{
    return (struct toy_handle *)belay_lease_state(lease);
}

#endif
