/* SPDX-License-Identifier: MIT */
/* What the files of the connection share among themselves. */
#ifndef BL_CONN_CONN_PARTS_H
#define BL_CONN_CONN_PARTS_H

#include "conn/conn.h"
#include "loop/guard.h"

enum bl_conn_phase {
    BL_PHASE_NEW,
    BL_PHASE_DIALING,
    BL_PHASE_SESSION,
    BL_PHASE_OPEN,
    BL_PHASE_ENDING,
    BL_PHASE_SHUTTING,
    BL_PHASE_DONE,
    BL_PHASES_N
};

/* What few connections need: made when it is asked for. */
struct bl_conn_more {
    struct bl_list attached; /* struct attachment, the last first */
    struct bl_list loans;    /* thread_loan.c */
    struct bl_guard guard;
    struct bl_task resume; /* watches again, when the keeper has heard of a release */
    bool doubted;          /* the descriptor was not there: the next time it must be */
    bool watched;          /* there was a descriptor before `opened` was told */
};

static inline const struct belay_connector_ops *bl_conn_ops(const struct belay_conn *c)
{
    static const struct belay_connector_ops plain = {.size = sizeof plain, .name = "stream"};
    return c->connector->ops ? c->connector->ops : &plain;
}

static inline bool bl_conn_is_plain(const struct belay_conn *c)
{
    return !bl_conn_ops(c)->session_open && !bl_conn_ops(c)->open;
}

/* What the connector says counts in this phase alone, and never from within what it attached. */
static inline bool bl_conn_listens(const struct belay_conn *c, enum bl_conn_phase phase)
{
    return c->phase == phase && !c->deaf;
}

/* Bytes that come while nobody holds a plain stream end it. */
void bl_conn_guard_plain(struct belay_conn *c);

/* Watches the descriptor, or does not, as is right now. */
void bl_conn_watch(struct belay_conn *c);
/* After a release: not before the keeper has decided whether it stays. Whoever had it may have left
 * a descriptor that is closed, or another's by now. */
void bl_conn_watch_later(struct belay_conn *c);
/* Is it still the descriptor that was set? One system call. */
void bl_conn_verify_watch(struct belay_conn *c);
static inline bool bl_conn_is_watched(const struct belay_conn *c)
{
    return c->more && c->more->watched;
}

/* A thread has given it back (thread_loan.c). */
void bl_conn_loan_ended(struct belay_conn *c);

/* What is attached ends, the descriptor is left alone. */
void bl_conn_let_go(struct belay_conn *c);
/* Made at need; NULL: no memory. */
struct bl_conn_more *bl_conn_more(struct belay_conn *c);
void bl_conn_more_free(struct belay_conn *c);

#endif
