/* SPDX-License-Identifier: MIT */
/* The decisions of Chronicle's connection. */
#include "service/chronicle_policy.h"

#include "belay/world.h"

const char *belay_chronicle_phase_name(enum belay_chronicle_phase phase)
{
    switch (phase) {
    case BELAY_CHRONICLE_DISCONNECTED:
        return "disconnected";
    case BELAY_CHRONICLE_CONNECTED:
        return "connected";
    case BELAY_CHRONICLE_REGISTERED:
        return "registered";
    }
    return "unknown";
}

static uint64_t after(uint64_t now, uint64_t ns)
{
    return ns >= BELAY_NEVER - now ? BELAY_NEVER : now + ns;
}

void bl_chp_init(struct bl_chp *p, const struct bl_chp_limits *limits, bool wait, uint64_t seed,
                 uint64_t now)
{
    *p = (struct bl_chp){
        .limits = *limits,
        .state = wait ? BL_CHP_IDLE : BL_CHP_WAITING,
        .phase = BELAY_CHRONICLE_DISCONNECTED,
        .backoff = limits->backoff,
        .next_at = now,
    };
    bl_rand_seed(&p->rand, seed);
}

void bl_chp_want(struct bl_chp *p, uint64_t now)
{
    if (p->state != BL_CHP_IDLE)
        return;
    p->state = BL_CHP_WAITING;
    p->next_at = now;
}

static void wait_for_next(struct bl_chp *p, uint64_t now)
{
    int64_t ms = belay_backoff_failed(&p->backoff, bl_rand_next(&p->rand));

    p->state = BL_CHP_WAITING;
    p->next_at = after(now, (uint64_t)ms * UINT64_C(1000000));
}

/* The attempt is over; what it had open is said in `todo`. */
static unsigned fail(struct bl_chp *p, unsigned todo, bool final, uint64_t now)
{
    if (p->failures < INT32_MAX)
        p->failures++;
    if (final || (p->limits.retries_max != INT32_MAX && p->failures > p->limits.retries_max)) {
        p->state = BL_CHP_CLOSED;
        p->gave_up = true;
        return todo | BL_CHP_DO_REFUSE | BL_CHP_DO_END;
    }
    wait_for_next(p, now);
    return todo;
}

static unsigned dial(struct bl_chp *p, uint64_t now)
{
    p->state = BL_CHP_DIALING;
    p->attempt++;
    p->limit_at = after(now, p->limits.attempt_ns);
    return BL_CHP_DO_DIAL;
}

static unsigned come_up(struct bl_chp *p, uint64_t now)
{
    p->state = BL_CHP_UP;
    p->phase = BELAY_CHRONICLE_CONNECTED;
    p->failures = 0;
    belay_backoff_reset(&p->backoff);
    p->alive_at = now;
    p->poll_at = p->limits.no_session ? BELAY_NEVER : after(now, BL_CHP_POLL_NS);
    return BL_CHP_DO_TELL_UP;
}

static unsigned go_down(struct bl_chp *p)
{
    p->phase = BELAY_CHRONICLE_DISCONNECTED;
    return BL_CHP_DO_CLOSE | BL_CHP_DO_TELL_DOWN | BL_CHP_DO_NEW_ID;
}

unsigned bl_chp_opened(struct bl_chp *p, uint64_t attempt, uint64_t now)
{
    if (p->state != BL_CHP_DIALING || attempt != p->attempt)
        return BL_CHP_DO_DROP;
    if (p->limits.no_session)
        return come_up(p, now);
    p->state = BL_CHP_SESSION;
    p->limit_at = after(now, p->limits.session_ns);
    return BL_CHP_DO_SESSION;
}

unsigned bl_chp_failed(struct bl_chp *p, uint64_t attempt, bool final, uint64_t now)
{
    if (p->state != BL_CHP_DIALING || attempt != p->attempt)
        return 0;
    return fail(p, 0, final, now);
}

unsigned bl_chp_lost(struct bl_chp *p, uint64_t attempt, uint64_t now)
{
    unsigned todo;

    if (attempt != p->attempt)
        return 0;
    if (p->state == BL_CHP_SESSION)
        return fail(p, BL_CHP_DO_CLOSE, false, now);
    if (p->state != BL_CHP_UP)
        return 0;
    todo = go_down(p);
    wait_for_next(p, now);
    return todo;
}

unsigned bl_chp_kept(struct bl_chp *p, uint64_t attempt, uint64_t now)
{
    if (attempt != p->attempt)
        return 0;
    if (p->state == BL_CHP_SESSION)
        return come_up(p, now);
    if (p->state == BL_CHP_UP)
        p->alive_at = now;
    return 0;
}

unsigned bl_chp_reconnect(struct bl_chp *p, uint64_t now)
{
    unsigned todo;

    if (p->state != BL_CHP_UP)
        return 0;
    todo = go_down(p);
    return todo | dial(p, now);
}

void bl_chp_kick(struct bl_chp *p, uint64_t now)
{
    if (p->state == BL_CHP_WAITING && p->next_at > now)
        p->next_at = now;
}

unsigned bl_chp_registered(struct bl_chp *p)
{
    if (p->phase != BELAY_CHRONICLE_CONNECTED)
        return 0;
    p->phase = BELAY_CHRONICLE_REGISTERED;
    return BL_CHP_DO_TELL_REGISTERED;
}

unsigned bl_chp_close(struct bl_chp *p)
{
    enum bl_chp_state was = p->state;
    unsigned todo = BL_CHP_DO_REFUSE | BL_CHP_DO_END;

    if (was == BL_CHP_CLOSED)
        return 0;
    p->state = BL_CHP_CLOSED;
    if (was == BL_CHP_DIALING)
        todo |= BL_CHP_DO_CANCEL;
    if (was == BL_CHP_SESSION)
        todo |= BL_CHP_DO_CLOSE;
    if (was == BL_CHP_UP)
        todo |= go_down(p);
    return todo;
}

/* A look at the keep-alives. One that comes late itself, after the process was held up, finds what
 * has been waiting to be read: it judges nothing. */
static unsigned poll(struct bl_chp *p, uint64_t now, enum bl_chp_state *ret_late)
{
    bool late = now >= p->poll_at + BL_CHP_POLL_NS;

    p->poll_at = after(now, BL_CHP_POLL_NS);
    if (late || now < after(p->alive_at, p->limits.stale_ns))
        return 0;
    *ret_late = BL_CHP_UP;
    return bl_chp_lost(p, p->attempt, now);
}

unsigned bl_chp_due(struct bl_chp *p, uint64_t now, enum bl_chp_state *ret_late)
{
    *ret_late = BL_CHP_IDLE;
    if (now < bl_chp_wakes(p))
        return 0;
    switch (p->state) {
    case BL_CHP_WAITING:
        return dial(p, now);
    case BL_CHP_DIALING:
    case BL_CHP_SESSION:
        *ret_late = p->state;
        return fail(p, p->state == BL_CHP_DIALING ? BL_CHP_DO_CANCEL : BL_CHP_DO_CLOSE, false, now);
    case BL_CHP_UP:
        return poll(p, now, ret_late);
    case BL_CHP_IDLE:
    case BL_CHP_CLOSED:
        break;
    }
    return 0;
}

uint64_t bl_chp_wakes(const struct bl_chp *p)
{
    switch (p->state) {
    case BL_CHP_WAITING:
        return p->next_at;
    case BL_CHP_DIALING:
    case BL_CHP_SESSION:
        return p->limit_at;
    case BL_CHP_UP:
        return p->poll_at;
    case BL_CHP_IDLE:
    case BL_CHP_CLOSED:
        break;
    }
    return BELAY_NEVER;
}
