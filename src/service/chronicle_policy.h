/* SPDX-License-Identifier: MIT */
/*
 * The decisions of Chronicle's connection: when to dial, when it counts as connected, when it is
 * lost, when to give up. Pure: events and `now` go in, the next state and to-do bits come out; no
 * clock, no memory, no channel. The shell performs, bits in their order.
 *
 *     IDLE --> WAITING --> DIALING --> SESSION --> UP
 *                 ^            |          |         |
 *                 +-- failed --+----------+-- lost -+        CLOSED: the end, from all
 *
 * An attempt has a number, and what it gives is known by it: what comes from one that is over is
 * dropped, and changes nothing. A session that was never up ends as an attempt that failed: nobody is
 * told of a loss.
 */
#ifndef BL_SERVICE_CHRONICLE_POLICY_H
#define BL_SERVICE_CHRONICLE_POLICY_H

#include "base/rand.h"
#include "belay/backoff.h"
#include "belay/chronicle.h"

#define BL_CHP_POLL_NS UINT64_C(1000000000) /* of the keep-alives */

enum bl_chp_state {
    BL_CHP_IDLE,    /* until somebody wants it */
    BL_CHP_WAITING, /* for the time of the next attempt */
    BL_CHP_DIALING, /* from looking up to a channel that is READY and understood */
    BL_CHP_SESSION, /* for the first keep-alive */
    BL_CHP_UP,
    BL_CHP_CLOSED,
};

/* To-do bits, in the order in which they are done. */
enum {
    BL_CHP_DO_CANCEL = 1,         /* the attempt under way */
    BL_CHP_DO_DROP = 1 << 1,      /* the channel that came too late */
    BL_CHP_DO_CLOSE = 1 << 2,     /* the channel there is, and its session */
    BL_CHP_DO_TELL_DOWN = 1 << 3, /* DISCONNECTED, with the id that was */
    BL_CHP_DO_NEW_ID = 1 << 4,    /* of the connection */
    BL_CHP_DO_DIAL = 1 << 5,      /* attempt `attempt` begins */
    BL_CHP_DO_SESSION = 1 << 6,   /* the Connect stream is opened */
    BL_CHP_DO_TELL_UP = 1 << 7,   /* CONNECTED; who waits for it is answered */
    BL_CHP_DO_TELL_REGISTERED = 1 << 8,
    BL_CHP_DO_REFUSE = 1 << 9, /* all who wait */
    BL_CHP_DO_END = 1 << 10,   /* it is over */
};

struct bl_chp_limits {            /* effective; BELAY_NEVER is none */
    struct belay_backoff backoff; /* without failures and without a limit of them */
    int32_t retries_max;          /* INT32_MAX: no limit */
    bool no_session;
    uint64_t attempt_ns, session_ns, stale_ns;
};

struct bl_chp {
    struct bl_chp_limits limits;
    struct bl_rand rand;
    enum bl_chp_state state;
    enum belay_chronicle_phase phase;
    bool gave_up; /* CLOSED, and nobody asked for it */
    struct belay_backoff backoff;
    int32_t failures;  /* dials in a row */
    uint64_t attempt;  /* the number of the last; from 1 */
    uint64_t next_at;  /* WAITING: the next attempt */
    uint64_t limit_at; /* DIALING, SESSION */
    uint64_t alive_at; /* UP: the last keep-alive */
    uint64_t poll_at;
};

/* With `wait` it begins when bl_chp_want is called. */
void bl_chp_init(struct bl_chp *p, const struct bl_chp_limits *limits, bool wait, uint64_t seed,
                 uint64_t now);

void bl_chp_want(struct bl_chp *p, uint64_t now);
/* Of an attempt: it gave a channel; it failed, for good or not; its channel or session ended; the
 * kernel sent a keep-alive. */
unsigned bl_chp_opened(struct bl_chp *p, uint64_t attempt, uint64_t now);
unsigned bl_chp_failed(struct bl_chp *p, uint64_t attempt, bool final, uint64_t now);
unsigned bl_chp_lost(struct bl_chp *p, uint64_t attempt, uint64_t now);
unsigned bl_chp_kept(struct bl_chp *p, uint64_t attempt, uint64_t now);
/* Of the caller. */
unsigned bl_chp_reconnect(struct bl_chp *p, uint64_t now);
/* The network is another one: what is waited for begins now. */
void bl_chp_kick(struct bl_chp *p, uint64_t now);
unsigned bl_chp_registered(struct bl_chp *p);
unsigned bl_chp_close(struct bl_chp *p);

/* What time has brought; *ret_late: the state whose limit has passed (DIALING, SESSION, UP), for the
 * error; IDLE: none. */
unsigned bl_chp_due(struct bl_chp *p, uint64_t now, enum bl_chp_state *ret_late);
/* When that is to be asked again; BELAY_NEVER. */
uint64_t bl_chp_wakes(const struct bl_chp *p);

/* Whether who waits for that phase is there. */
static inline bool bl_chp_is_in(const struct bl_chp *p, enum belay_chronicle_phase phase)
{
    return p->state != BL_CHP_CLOSED && p->phase >= phase;
}

#endif
