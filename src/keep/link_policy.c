/* SPDX-License-Identifier: MIT */
/* The link's decisions around its tables (link_table.c): delays, repeats, what is due. Decides; never
 * acts. */
#include "keep/link_policy.h"

#include "loop/loop.h"

/* ---- delays ---- */

static uint64_t after(uint64_t at, uint64_t ns)
{
    return ns >= BELAY_NEVER - at ? BELAY_NEVER : at + ns;
}

/* Uniform in [1 - spread, 1 + spread) of the delay. */
static uint64_t spread(struct bl_lp *lp, int64_t ms)
{
    double at;

    if (ms <= 0)
        return 0;
    if (lp->limits.retry_spread == 0)
        return bl_after_ms(0, ms);
    at = (double)ms * 1e6 *
         (1.0 + lp->limits.retry_spread / 100.0 * (2.0 * bl_rand_unit(&lp->rand) - 1.0));
    return at < (double)(BELAY_NEVER / 2) ? (uint64_t)at : BELAY_NEVER;
}

/* A backoff's delay after as many failures as it has seen and one more; BELAY_NEVER: it is spent. */
static uint64_t backoff_delay(struct bl_lp *lp, struct belay_backoff *backoff)
{
    int64_t ms = belay_backoff_failed(backoff, bl_rand_next(&lp->rand));

    return ms == BELAY_FOREVER ? BELAY_NEVER : bl_after_ms(0, ms);
}

/* The first delay, which is also that after a connection that came up. */
static uint64_t first_delay(struct bl_lp *lp)
{
    struct belay_backoff first = lp->limits.backoff;

    first.options.attempts_max = INT32_MAX;
    return backoff_delay(lp, &first);
}

static uint64_t plain_delay(struct bl_lp *lp, const struct bl_lp_facts *facts)
{
    return spread(lp, facts->asked ? facts->delay_ms : lp->limits.retry_delay_ms);
}

/* ---- the course of attempts ---- */

void bl_lp_init(struct bl_lp *lp, const struct bl_lp_limits *limits, uint64_t seed, uint64_t now)
{
    memset(lp, 0, sizeof *lp);
    lp->limits = *limits;
    bl_rand_seed(&lp->rand, seed);
    lp->started_at = lp->next_at = lp->kept_at = now;
    lp->move_at = lp->check_at = BELAY_NEVER;
    lp->moves = limits->backoff;
    lp->moves.options.attempts_max = INT32_MAX; /* a link that is up never gives up moving */
}

/* The delay runs from here. A backoff says its own at the end of the attempt. */
static void begin(struct bl_lp *lp, const struct bl_lp_facts *facts, uint64_t now)
{
    lp->kept_at = lp->next_at;
    lp->started_at = now;
    lp->next_at = lp->limits.has_backoff ? now : after(now, plain_delay(lp, facts));
}

/* True: no other is to be made. */
static bool failed(struct bl_lp *lp, const struct bl_lp_facts *facts)
{
    if (lp->failures < INT32_MAX)
        lp->failures++;
    if (lp->limits.has_backoff) {
        uint64_t delay = backoff_delay(lp, &lp->limits.backoff);

        if (delay == BELAY_NEVER)
            return true;
        lp->next_at = after(lp->started_at, delay);
    }
    return facts->final;
}

/* It throttles other candidates. The link itself it does not, unless that is about to lose its
 * connection: then it was as good as the link's attempt. */
static void candidate_failed(struct bl_lp *lp)
{
    uint64_t again = lp->next_at;

    if (lp->limits.has_backoff) {
        again = after(lp->started_at, backoff_delay(lp, &lp->moves));
        lp->next_at = after(lp->started_at, first_delay(lp));
    }
    if (!lp->draining) {
        uint64_t regular = after(lp->started_at, lp->limits.move_every_ns);

        again = regular > again ? regular : again;
        lp->next_at = lp->kept_at;
    }
    lp->move_at = again;
}

static void came_up(struct bl_lp *lp, const struct bl_lp_facts *facts, uint64_t now)
{
    lp->failures = 0;
    belay_backoff_reset(&lp->limits.backoff);
    belay_backoff_reset(&lp->moves);
    if (lp->limits.has_backoff)
        lp->next_at = after(lp->started_at, first_delay(lp));
    lp->draining = false;
    lp->move_at = after(now, lp->limits.move_every_ns);
    lp->check = facts->checkable ? BL_LP_RESTING : BL_LP_BLIND;
    lp->checked_at = now;
    lp->check_at = facts->checkable ? after(now, lp->limits.check_every_ns) : BELAY_NEVER;
}

static void went_down(struct bl_lp *lp)
{
    lp->draining = false;
    lp->move_at = lp->check_at = BELAY_NEVER;
    lp->check = BL_LP_BLIND;
}

/* What is known already is not told again within an episode. */
static unsigned suppress(struct bl_lp *lp, unsigned todo, enum bl_lp_event event,
                         const struct bl_lp_facts *facts)
{
    if (todo & BL_LP_DO_TELL_TRY)
        lp->told_address = lp->told_error = false;
    if (todo & BL_LP_DO_TELL_FOUND) {
        if (lp->told_address && facts->same)
            todo &= ~(unsigned)BL_LP_DO_TELL_FOUND;
        lp->told_address = true;
    }
    if (todo & BL_LP_DO_TELL_FAIL) {
        if (event == BL_LP_FAIL && lp->told_error && facts->same)
            todo &= ~(unsigned)BL_LP_DO_TELL_FAIL;
        lp->told_error = true;
    }
    return todo;
}

unsigned bl_lp_step(struct bl_lp *lp, enum bl_lp_event event, const struct bl_lp_facts *facts,
                    uint64_t now)
{
    const struct bl_lp_rule *rule;
    unsigned todo;

    if (event == BL_LP_FAIL) {
        if (bl_lp_is_up(lp))
            candidate_failed(lp);
        else if (failed(lp, facts))
            event = BL_LP_SPENT;
    }
    rule = &bl_lp_rules[lp->state][event];
    BL_ASSERT(rule->legal);
    todo = rule->todo;
    if (todo & BL_LP_DO_ASK)
        begin(lp, facts, now);
    if (event == BL_LP_STAY) {
        lp->next_at = lp->kept_at;
        lp->move_at = after(lp->started_at, lp->limits.move_every_ns);
    }
    if (todo & BL_LP_DO_REVOKE)
        went_down(lp);
    if (todo & BL_LP_DO_ADOPT)
        came_up(lp, facts, now);
    lp->state = (enum bl_lp_state)rule->next;
    return suppress(lp, todo, event, facts);
}

unsigned bl_lp_find(struct bl_lp *lp, enum bl_lp_finding finding, uint64_t now)
{
    const struct bl_lp_rule *rule = &bl_lp_check_rules[lp->check][finding];

    BL_ASSERT(rule->legal);
    if (rule->todo & BL_LP_DO_CHECK) {
        lp->checked_at = now;
        lp->check_at = after(now, lp->limits.check_limit_ns);
    } else if (lp->check == BL_LP_CHECKING && rule->next == BL_LP_RESTING) {
        lp->check_at = after(lp->checked_at, lp->limits.check_every_ns);
    } else if (rule->next == BL_LP_BLIND) {
        lp->check_at = BELAY_NEVER;
    }
    lp->check = (enum bl_lp_check)rule->next;
    return rule->todo;
}

void bl_lp_drain(struct bl_lp *lp)
{
    if (lp->draining || !bl_lp_is_up(lp) || lp->state == BL_LP_LAST)
        return;
    lp->draining = true;
    if (lp->move_at > lp->next_at)
        lp->move_at = lp->next_at;
}

static bool waits(const struct bl_lp *lp)
{
    return lp->state == BL_LP_START || lp->state == BL_LP_FAILED;
}

void bl_lp_kick(struct bl_lp *lp, uint64_t now)
{
    if (waits(lp) && lp->next_at > now)
        lp->next_at = now;
    if (lp->state == BL_LP_UP && lp->draining && lp->move_at > now)
        lp->move_at = now;
}

void bl_lp_reset(struct bl_lp *lp, const struct bl_lp_facts *facts)
{
    uint64_t first = BELAY_NEVER;

    lp->failures = 0;
    belay_backoff_reset(&lp->limits.backoff);
    belay_backoff_reset(&lp->moves);
    if (!waits(lp))
        return;
    if (lp->limits.has_backoff)
        first = after(lp->started_at, first_delay(lp));
    else if (facts->asked)
        first = after(lp->started_at, plain_delay(lp, facts));
    if (lp->next_at > first)
        lp->next_at = first;
}

/* ---- time ---- */

static uint64_t limit_at(const struct bl_lp *lp)
{
    switch (lp->state) {
    case BL_LP_RESOLVING:
    case BL_LP_DIALING:
    case BL_LP_ASKING:
    case BL_LP_MOVING:
        return after(lp->started_at, lp->limits.attempt_ns);
    default:
        return BELAY_NEVER;
    }
}

static uint64_t try_at(const struct bl_lp *lp)
{
    return waits(lp) ? lp->next_at : lp->state == BL_LP_UP ? lp->move_at : BELAY_NEVER;
}

enum bl_lp_alarm bl_lp_due(const struct bl_lp *lp, uint64_t now)
{
    if (limit_at(lp) <= now)
        return BL_LP_ALARM_LIMIT;
    if (lp->check_at <= now)
        return BL_LP_ALARM_CHECK;
    return try_at(lp) <= now ? BL_LP_ALARM_TRY : BL_LP_ALARM_NONE;
}

uint64_t bl_lp_wakes_busy(const struct bl_lp *lp)
{
    return lp->check_at < limit_at(lp) ? lp->check_at : limit_at(lp);
}

uint64_t bl_lp_wakes(const struct bl_lp *lp)
{
    uint64_t at = bl_lp_wakes_busy(lp);

    return try_at(lp) < at ? try_at(lp) : at;
}

int64_t bl_lp_next_ms(const struct bl_lp *lp, uint64_t now)
{
    if (lp->state >= BL_LP_LAST || (waits(lp) && lp->next_at == BELAY_NEVER))
        return INT64_MAX;
    if (!waits(lp) || lp->next_at <= now)
        return 0;
    return (int64_t)((lp->next_at - now + BL_MS(1) - 1) / BL_MS(1));
}

size_t bl_lp_pick(const struct bl_lp *lp, size_t n, size_t found)
{
    return bl_lp_wants_better(lp) || found == SIZE_MAX ? 0 : (found + 1) % n;
}
