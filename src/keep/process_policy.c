/* SPDX-License-Identifier: MIT */
#include "keep/process_policy.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "loop/loop.h"

/* ---- table 1 ---- */

#define WAIT (BL_PR_LEGAL | BL_PR_MAY_WAIT)

#define HANDLES [BELAY_DO_NOREPLY] = WAIT, [BELAY_DO_POSTPONE] = BL_PR_LEGAL

static const uint8_t allowed[BL_PR_CALLBACKS][BL_PR_DOES] = {
    [BL_PR_INIT] = {[BELAY_DO_OK] = WAIT,
                    [BELAY_DO_CONNECT] = BL_PR_LEGAL,
                    [BELAY_DO_BACKOFF] = WAIT,
                    [BELAY_DO_PENDING] = BL_PR_LEGAL,
                    [BELAY_DO_IGNORE] = BL_PR_LEGAL,
                    [BELAY_DO_STOP] = BL_PR_LEGAL},
    [BL_PR_CONNECT] = {[BELAY_DO_OK] = WAIT,
                       [BELAY_DO_BACKOFF] = WAIT,
                       [BELAY_DO_PENDING] = BL_PR_LEGAL,
                       [BELAY_DO_STOP] = BL_PR_LEGAL},
    [BL_PR_DISCONNECT] = {[BELAY_DO_CONNECT] = BL_PR_LEGAL,
                          [BELAY_DO_BACKOFF] = WAIT,
                          [BELAY_DO_NOCONNECT] = WAIT,
                          [BELAY_DO_PENDING] = BL_PR_LEGAL,
                          [BELAY_DO_STOP] = BL_PR_LEGAL},
    [BL_PR_CALL] = {HANDLES, [BELAY_DO_REPLY] = WAIT | BL_PR_MUST_REPLY,
                    [BELAY_DO_CONNECT] = BL_PR_LEGAL | BL_PR_MAY_REPLY,
                    [BELAY_DO_DISCONNECT] = BL_PR_LEGAL | BL_PR_MAY_REPLY,
                    [BELAY_DO_STOP] = BL_PR_LEGAL | BL_PR_MAY_REPLY},
    [BL_PR_CAST] = {HANDLES, [BELAY_DO_CONNECT] = BL_PR_LEGAL, [BELAY_DO_DISCONNECT] = BL_PR_LEGAL,
                    [BELAY_DO_STOP] = BL_PR_LEGAL},
    [BL_PR_INFO] = {HANDLES, [BELAY_DO_CONNECT] = BL_PR_LEGAL, [BELAY_DO_DISCONNECT] = BL_PR_LEGAL,
                    [BELAY_DO_STOP] = BL_PR_LEGAL},
};

unsigned bl_pr_allows(enum bl_pr_callback callback, enum belay_do what)
{
    return (unsigned)what < BL_PR_DOES ? allowed[callback][what] : 0;
}

static bool is_time(int64_t ms)
{
    return ms >= 0 || ms == BELAY_FOREVER;
}

bool bl_pr_is_legal(enum bl_pr_callback callback, const struct belay_directive *d)
{
    unsigned may = bl_pr_allows(callback, d->what);

    if (!(may & BL_PR_LEGAL))
        return false;
    if (d->has_reply ? !(may & (BL_PR_MAY_REPLY | BL_PR_MUST_REPLY)) : may & BL_PR_MUST_REPLY)
        return false;
    if ((d->has_timeout || d->hibernate) && !(may & BL_PR_MAY_WAIT))
        return false;
    if (d->has_timeout && !is_time(d->timeout_ms))
        return false;
    if (d->what == BELAY_DO_STOP)
        return (unsigned)d->exit <= BELAY_EXIT_ERROR;
    return d->what != BELAY_DO_BACKOFF || is_time(d->backoff_ms);
}

void bl_pr_fault(enum bl_pr_callback callback, const struct belay_directive *d, char *out,
                 size_t size)
{
    unsigned may = bl_pr_allows(callback, d->what);
    const char *what = bl_pr_do_name(d->what);

    if (!(may & BL_PR_LEGAL))
        snprintf(out, size, "%s%s", what, d->has_reply ? " with a reply" : "");
    else if (d->has_reply && !(may & (BL_PR_MAY_REPLY | BL_PR_MUST_REPLY)))
        snprintf(out, size, "%s with a reply", what);
    else if (!d->has_reply && may & BL_PR_MUST_REPLY)
        snprintf(out, size, "%s without a reply", what);
    else if (d->has_timeout && !(may & BL_PR_MAY_WAIT))
        snprintf(out, size, "%s with a timeout", what);
    else if (d->hibernate && !(may & BL_PR_MAY_WAIT))
        snprintf(out, size, "%s with hibernate", what);
    else if (d->has_timeout && !is_time(d->timeout_ms))
        snprintf(out, size, "%s with a timeout of %" PRId64 " ms", what, d->timeout_ms);
    else if (d->what == BELAY_DO_BACKOFF)
        snprintf(out, size, "a backoff of %" PRId64 " ms", d->backoff_ms);
    else
        snprintf(out, size, "%s with an exit of %d", what, (int)d->exit);
}

/* ---- table 2 ---- */

#define REPLY      BL_PR_DO_REPLY
#define CANCEL     BL_PR_DO_CANCEL
#define GIVE_UP    BL_PR_DO_GIVE_UP
#define REDELIVER  BL_PR_DO_REDELIVER
#define IDLE       BL_PR_DO_IDLE
#define CONNECT    BL_PR_DO_CONNECT
#define DISCONNECT BL_PR_DO_DISCONNECT
#define PEND       BL_PR_DO_PEND
#define END        BL_PR_DO_END

#define ON(at, what, to, bits)                                                                     \
    [BELAY_PROCESS_##                                                                              \
        at][BELAY_DO_##what] = {.legal = true, .next = BELAY_PROCESS_##to, .todo = (bits)}

/* A state in which messages are handled. */
#define RESTS(at, given_up)                                                                        \
    ON(at, REPLY, at, REPLY | IDLE), ON(at, NOREPLY, at, IDLE),                                    \
        ON(at, POSTPONE, at, BL_PR_DO_POSTPONE),                                                   \
        ON(at, CONNECT, CONNECTING, REPLY | CANCEL | (given_up) | CONNECT),                        \
        ON(at, DISCONNECT, DISCONNECTING, REPLY | CANCEL | (given_up) | DISCONNECT),               \
        ON(at, STOP, ENDED, REPLY | CANCEL | END)

static const struct bl_pr_rule rules[BL_PR_STATES][BL_PR_DOES] = {
    ON(STARTING, OK, DISCONNECTED, IDLE),
    ON(STARTING, CONNECT, CONNECTING, CONNECT),
    ON(STARTING, BACKOFF, BACKING_OFF, BL_PR_DO_BACKOFF | IDLE),
    ON(STARTING, PENDING, STARTING, PEND),
    ON(STARTING, IGNORE, ENDED, END),
    ON(STARTING, STOP, ENDED, END),

    ON(CONNECTING, OK, CONNECTED, REDELIVER | BL_PR_DO_RESET | IDLE),
    ON(CONNECTING, BACKOFF, BACKING_OFF, REDELIVER | BL_PR_DO_BACKOFF | BL_PR_DO_COUNT | IDLE),
    ON(CONNECTING, PENDING, CONNECTING, PEND),
    RESTS(CONNECTING, GIVE_UP), /* with serve_while_connecting, while connect is pending */

    ON(DISCONNECTING, CONNECT, CONNECTING, REDELIVER | CONNECT),
    ON(DISCONNECTING, BACKOFF, BACKING_OFF, REDELIVER | BL_PR_DO_BACKOFF | IDLE),
    ON(DISCONNECTING, NOCONNECT, DISCONNECTED, REDELIVER | IDLE),
    ON(DISCONNECTING, PENDING, DISCONNECTING, PEND),
    ON(DISCONNECTING, STOP, ENDED, CANCEL | END),

    RESTS(DISCONNECTED, 0),
    RESTS(CONNECTED, 0),
    RESTS(BACKING_OFF, 0),
};

const struct bl_pr_rule *bl_pr_rule(enum belay_process_state state, enum belay_do what)
{
    static const struct bl_pr_rule none;

    return (unsigned)state < BL_PR_STATES && (unsigned)what < BL_PR_DOES ? &rules[state][what]
                                                                         : &none;
}

/* ---- names ---- */

const char *bl_pr_callback_name(enum bl_pr_callback callback)
{
    static const char *const names[] = {"init",        "connect",     "disconnect",
                                        "handle_call", "handle_cast", "handle_info"};

    return names[callback];
}

const char *bl_pr_do_name(enum belay_do what)
{
    static const char *const names[] = {"nothing",  "ok",         "reply",   "noreply",
                                        "connect",  "disconnect", "backoff", "noconnect",
                                        "postpone", "pending",    "ignore",  "stop"};

    return (unsigned)what < BL_COUNT(names) ? names[what] : "nonsense";
}

const char *bl_pr_bit_name(unsigned bit)
{
    static const char *const names[] = {"reply",
                                        "cancel the backoff",
                                        "give up what was pending",
                                        "postpone the message",
                                        "redeliver",
                                        "arm the backoff",
                                        "count the attempt",
                                        "forget attempts",
                                        "arm the idle timeout",
                                        "call connect",
                                        "call disconnect",
                                        "wait for a resume",
                                        "end"};

    return names[bit];
}

const char *belay_process_state_name(enum belay_process_state state)
{
    static const char *const names[] = {"unknown",   "starting",    "disconnected",  "connecting",
                                        "connected", "backing_off", "disconnecting", "ended"};

    return (unsigned)state < BL_COUNT(names) ? names[state] : names[0];
}

/* ---- what comes next ---- */

void bl_pr_init(struct bl_pr *pr, bool serve_while_connecting, bool sync_connect)
{
    memset(pr, 0, sizeof *pr);
    pr->state = BELAY_PROCESS_STARTING;
    pr->serve = serve_while_connecting;
    pr->sync = sync_connect;
    pr->backoff_at = pr->idle_at = BELAY_NEVER;
}

/* Nothing may come between: the callback is not done. */
static bool waits_for_resume(const struct bl_pr *pr)
{
    return pr->pending && !(pr->serve && pr->started && pr->state == BELAY_PROCESS_CONNECTING);
}

enum bl_pr_action bl_pr_next(const struct bl_pr *pr, const struct bl_pr_facts *facts, uint64_t now)
{
    if (facts->ending)
        return BL_PR_RUN_END;
    if (!pr->begun)
        return BL_PR_RUN_INIT;
    if (facts->held)
        return BL_PR_NOTHING;
    if (pr->pending && facts->resumed)
        return BL_PR_RUN_RESUME;
    if (waits_for_resume(pr))
        return BL_PR_NOTHING;
    if (pr->next)
        return pr->next == BELAY_DO_CONNECT ? BL_PR_RUN_CONNECT : BL_PR_RUN_DISCONNECT;
    if (pr->backoff_at <= now)
        return BL_PR_RUN_BACKOFF;
    if (facts->mail)
        return BL_PR_RUN_MAIL;
    if (pr->idle_at <= now)
        return BL_PR_RUN_TIMEOUT;
    return pr->hibernate ? BL_PR_RUN_HIBERNATE : BL_PR_NOTHING;
}

uint64_t bl_pr_due(const struct bl_pr *pr, const struct bl_pr_facts *facts)
{
    if (!pr->begun || facts->held || waits_for_resume(pr))
        return BELAY_NEVER;
    return pr->backoff_at < pr->idle_at ? pr->backoff_at : pr->idle_at;
}

void bl_pr_begin(struct bl_pr *pr, enum bl_pr_action action)
{
    switch (action) {
    case BL_PR_RUN_INIT:
        pr->begun = true;
        break;
    case BL_PR_RUN_RESUME:
        pr->pending = false;
        break;
    case BL_PR_RUN_CONNECT:
        pr->connects++;
        pr->next = 0;
        break;
    case BL_PR_RUN_DISCONNECT:
        pr->disconnects++;
        pr->next = 0;
        break;
    case BL_PR_RUN_BACKOFF:
        pr->backoff_at = BELAY_NEVER;
        break;
    case BL_PR_RUN_MAIL:
    case BL_PR_RUN_TIMEOUT:
        pr->idle_at = BELAY_NEVER;
        pr->hibernate = false;
        break;
    case BL_PR_RUN_HIBERNATE:
        pr->hibernate = false;
        break;
    case BL_PR_NOTHING:
    case BL_PR_RUN_END:
        break;
    }
}

void bl_pr_begin_backoff(struct bl_pr *pr)
{
    pr->state = BELAY_PROCESS_CONNECTING;
    pr->connects++;
}

enum bl_pr_callback bl_pr_pending_callback(const struct bl_pr *pr)
{
    switch (pr->state) {
    case BELAY_PROCESS_STARTING:
        return BL_PR_INIT;
    case BELAY_PROCESS_DISCONNECTING:
        return BL_PR_DISCONNECT;
    default:
        return BL_PR_CONNECT;
    }
}

/* ---- what a directive makes of it ---- */

static void arm_idle(struct bl_pr *pr, const struct belay_directive *d, uint64_t now)
{
    pr->hibernate = d->hibernate;
    pr->idle_at = d->has_timeout && d->timeout_ms != BELAY_FOREVER ? bl_after_ms(now, d->timeout_ms)
                                                                   : BELAY_NEVER;
}

static void arm_backoff(struct bl_pr *pr, const struct belay_directive *d, uint64_t now)
{
    pr->backoffs++;
    pr->backoff_at = d->backoff_ms == BELAY_FOREVER ? BELAY_NEVER : bl_after_ms(now, d->backoff_ms);
}

/* Starting is done with init, or with the first connect where that is waited for. */
static void start(struct bl_pr *pr, enum bl_pr_callback callback, enum belay_do what)
{
    if (what == BELAY_DO_PENDING || what == BELAY_DO_IGNORE || what == BELAY_DO_STOP)
        return;
    pr->inited = true;
    if (callback == BL_PR_CONNECT || !pr->sync || what != BELAY_DO_CONNECT)
        pr->started = true;
}

unsigned bl_pr_apply(struct bl_pr *pr, enum bl_pr_callback callback,
                     const struct belay_directive *d, uint64_t now, bool *ret_bad)
{
    const struct bl_pr_rule *rule = bl_pr_rule(pr->state, d->what);
    unsigned todo;

    *ret_bad = !bl_pr_is_legal(callback, d);
    if (*ret_bad)
        return 0;
    BL_ASSERT(rule->legal);
    todo = rule->todo;
    if (!d->has_reply)
        todo &= ~(unsigned)REPLY;
    if (!pr->started)
        start(pr, callback, d->what);
    pr->state = (enum belay_process_state)rule->next;
    if (todo & CANCEL)
        pr->backoff_at = BELAY_NEVER;
    if (todo & GIVE_UP)
        pr->pending = false;
    if (todo & BL_PR_DO_BACKOFF)
        arm_backoff(pr, d, now);
    if (todo & BL_PR_DO_COUNT && pr->attempts < INT32_MAX)
        pr->attempts++;
    if (todo & BL_PR_DO_RESET)
        pr->attempts = 0;
    if (todo & IDLE)
        arm_idle(pr, d, now);
    if (todo & (CONNECT | DISCONNECT))
        pr->next = (uint8_t)d->what;
    if (todo & PEND)
        pr->pending = true;
    return todo;
}

void bl_pr_end(struct bl_pr *pr)
{
    pr->state = BELAY_PROCESS_ENDED;
    pr->pending = pr->hibernate = false;
    pr->next = 0;
    pr->backoff_at = pr->idle_at = BELAY_NEVER;
}
