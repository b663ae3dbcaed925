/* SPDX-License-Identifier: MIT */
/*
 * A process's decisions: which directive may come from which callback, what it makes of the
 * process, and what is to be done next. Pure: facts and `now` go in, an action or to-do bits come
 * out; no clock, no memory, no lock. process_step.c performs.
 *
 * Two tables, both data (printed into docs/transitions.md):
 *     callback x directive -> whether it is legal, and with which modifiers
 *     state x directive    -> the next state, and what is to be done, in this order
 *
 * A *resting* state is one in which messages are handled: disconnected, connected, backing off, and
 * with serve_while_connecting also connecting, while connect is pending.
 *
 * The backoff has one timer. A directive arms it; connect and disconnect cancel it, and nothing
 * else does; when its time comes it is a letter behind what is queued. The idle timeout is the last
 * directive's alone: whatever is handled ends it.
 */
#ifndef BL_KEEP_PROCESS_POLICY_H
#define BL_KEEP_PROCESS_POLICY_H

#include "belay/process.h"

enum bl_pr_callback {
    BL_PR_INIT,
    BL_PR_CONNECT,
    BL_PR_DISCONNECT,
    BL_PR_CALL,
    BL_PR_CAST,
    BL_PR_INFO,
    BL_PR_CALLBACKS
};

#define BL_PR_DOES   (BELAY_DO_STOP + 1) /* enum belay_do begins at 1 */
#define BL_PR_STATES (BELAY_PROCESS_ENDED + 1)

/* ---- table 1: what may be returned ---- */

enum {
    BL_PR_LEGAL = 1,
    BL_PR_MAY_REPLY = 2,
    BL_PR_MUST_REPLY = 4,
    BL_PR_MAY_WAIT = 8, /* with a timeout, with hibernate */
};
unsigned bl_pr_allows(enum bl_pr_callback callback, enum belay_do what);

/* Whether this directive, modifiers and times included, makes sense from that callback. */
bool bl_pr_is_legal(enum bl_pr_callback callback, const struct belay_directive *directive);
/* What is wrong with one that is not: "noreply with a reply", "ok with a timeout of -7 ms". */
void bl_pr_fault(enum bl_pr_callback callback, const struct belay_directive *d, char *out,
                 size_t size);

/* ---- table 2: what comes of it ---- */

/* To-do bits, in the order in which they are done. */
enum {
    BL_PR_DO_REPLY = 1,          /* to the call that was handled, before all else */
    BL_PR_DO_CANCEL = 1 << 1,    /* the backoff's timer, its letter too */
    BL_PR_DO_GIVE_UP = 1 << 2,   /* what was pending: a resume is too late */
    BL_PR_DO_POSTPONE = 1 << 3,  /* the letter that was handled */
    BL_PR_DO_REDELIVER = 1 << 4, /* what was postponed, ahead of the mailbox */
    BL_PR_DO_BACKOFF = 1 << 5,   /* arm the timer; its letter comes behind what is queued */
    BL_PR_DO_COUNT = 1 << 6,     /* one more attempt has failed */
    BL_PR_DO_RESET = 1 << 7,     /* none has failed any more */
    BL_PR_DO_IDLE = 1 << 8,      /* arm the idle timeout, and hibernate, if the directive says so */
    BL_PR_DO_CONNECT = 1 << 9,   /* call connect(info) next */
    BL_PR_DO_DISCONNECT = 1 << 10, /* call disconnect(info) next */
    BL_PR_DO_PEND = 1 << 11,       /* wait for a resume */
    BL_PR_DO_END = 1 << 12,        /* terminate, and end */
    BL_PR_BITS = 13
};

struct bl_pr_rule {
    bool legal;
    uint8_t next; /* enum belay_process_state */
    uint16_t todo;
};
const struct bl_pr_rule *bl_pr_rule(enum belay_process_state state, enum belay_do what);

/* "init", "connect", "handle_call", ...; "noreply", ...; "reply", "cancel backoff", ... by number of
 * the bit. */
const char *bl_pr_callback_name(enum bl_pr_callback callback);
const char *bl_pr_do_name(enum belay_do what);
const char *bl_pr_bit_name(unsigned bit);

/* ---- the process as the policy sees it ---- */

struct bl_pr {
    enum belay_process_state state;
    bool serve, sync; /* options: serve_while_connecting, sync_connect */
    bool begun;       /* init was called */
    bool inited;      /* and is done */
    bool started;     /* starting is done: to be told, then messages are handled */
    bool pending;     /* a callback takes its time; which one the state says */
    bool hibernate;   /* as soon as there is nothing to do */
    uint8_t next;     /* enum belay_do: BELAY_DO_CONNECT or BELAY_DO_DISCONNECT is called next; 0 */
    int32_t attempts;
    uint64_t backoff_at, idle_at; /* BELAY_NEVER: not armed */
    uint64_t connects, disconnects, backoffs;
};

void bl_pr_init(struct bl_pr *pr, bool serve_while_connecting, bool sync_connect);

/* What is not the policy's own. */
struct bl_pr_facts {
    bool ending;  /* somebody wants it to end */
    bool held;    /* the starter has not been told yet */
    bool resumed; /* a directive came for what is pending */
    bool mail;    /* the mailbox has something */
};

enum bl_pr_action {
    BL_PR_NOTHING, /* until something comes, or bl_pr_due */
    BL_PR_RUN_END, /* terminate if it was begun, and end */
    BL_PR_RUN_INIT,
    BL_PR_RUN_RESUME, /* apply the directive that came */
    BL_PR_RUN_CONNECT,
    BL_PR_RUN_DISCONNECT,
    BL_PR_RUN_BACKOFF, /* the timer's letter goes behind what is queued */
    BL_PR_RUN_MAIL,    /* the next letter */
    BL_PR_RUN_TIMEOUT, /* handle_info(BELAY_TAG_TIMEOUT) */
    BL_PR_RUN_HIBERNATE,
};
enum bl_pr_action bl_pr_next(const struct bl_pr *pr, const struct bl_pr_facts *facts, uint64_t now);
/* Whether bl_pr_next looks at `now` at all. */
static inline bool bl_pr_is_timed(const struct bl_pr *pr)
{
    return pr->backoff_at != BELAY_NEVER || pr->idle_at != BELAY_NEVER;
}
/* When bl_pr_next may say something else by itself. */
uint64_t bl_pr_due(const struct bl_pr *pr, const struct bl_pr_facts *facts);

/* What bl_pr_next said is being done: to be told before it is. */
void bl_pr_begin(struct bl_pr *pr, enum bl_pr_action action);
/* The backoff's letter is at the head of the mailbox: connect(BELAY_TAG_BACKOFF) is what comes. */
void bl_pr_begin_backoff(struct bl_pr *pr);

/* Which callback a resume speaks for. */
enum bl_pr_callback bl_pr_pending_callback(const struct bl_pr *pr);

/*
 * A callback has returned, or what it left pending is resumed. `state`, timers and counts are as
 * they are to be; the rest is in the to-do bits. 0 to-do bits with *ret_bad: it makes no sense
 * there.
 */
unsigned bl_pr_apply(struct bl_pr *pr, enum bl_pr_callback callback,
                     const struct belay_directive *directive, uint64_t now, bool *ret_bad);
/* Whether bl_pr_apply looks at `now` at all. */
static inline bool bl_pr_names_time(const struct belay_directive *directive)
{
    return directive->has_timeout || directive->what == BELAY_DO_BACKOFF;
}
/* It has ended. */
void bl_pr_end(struct bl_pr *pr);

#endif
