/* SPDX-License-Identifier: MIT */
/* What is held against a link's attempts: when they may begin, when they must. The trace tells of their beginnings and ends. */
#include "sim/link_rig.h"

#include <stdlib.h>

#define SLACK_NS SIM_MS(5) /* of what becomes due, some turns later */
#define FAR_MS   INT64_C(4000000000)

/* ---- delays ---- */

int64_t link_delay(int32_t failures, void *arg)
{
    struct sim_link *l = arg;

    if (l->all->in_call)
        sim_fail(l->all->w, "link %d: its delay is asked inside a call", l->n);
    if (!l->probe_lost && failures != l->failures_in_a_row && !l->hurried)
        sim_fail(l->all->w, "link %d: its delay is asked for %d failures, and %d there were", l->n,
                 (int)failures, l->failures_in_a_row);
    l->delays_asked++;
    l->delay_said_ms = l->base_ms * (1 + failures % 4) - (failures % 5 == 4) * FAR_MS;
    return l->delay_said_ms;
}

static void spread(int64_t delay_ms, int64_t percent, int64_t *least, int64_t *most)
{
    *least = delay_ms - delay_ms * percent / 100;
    *most = delay_ms + delay_ms * percent / 100;
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value == BELAY_NONE ? 0 : value ? value : otherwise;
}

static void backoff_delay(const struct belay_backoff_options *o, int failures, int64_t *least,
                          int64_t *most)
{
    double max = (double)or_default(o->delay_max_ms, 10000);
    double delay = (double)or_default(o->delay_ms, 100);

    for (int i = 0; i < failures && delay < max; i++)
        delay = delay * (double)or_default(o->factor_percent, 200) / 100;
    if (delay > max)
        delay = max;
    spread((int64_t)delay, o->jitter == BELAY_JITTER_NONE ? 0 : or_default(o->spread_percent, 20),
           least, most);
    if (o->jitter == BELAY_JITTER_FULL) {
        *least = 0;
        *most = (int64_t)delay;
    }
    *most += 1;
}

static void delay_of(const struct sim_link *l, int failures, int64_t *least, int64_t *most)
{
    int64_t delay = l->options.retry_delay ? l->delay_said_ms : l->options.retry_delay_ms;

    if (l->options.backoff)
        backoff_delay(&l->backoff, failures, least, most);
    else
        spread(delay > 0 ? delay : 0, or_default(l->options.retry_spread, 30), least, most);
}

int64_t link_largest_delay(const struct sim_link *l)
{
    int64_t least, most;

    if (l->options.backoff)
        backoff_delay(&l->backoff, 60, &least, &most);
    else
        spread(l->options.retry_delay ? l->base_ms * 4 : l->options.retry_delay_ms,
               or_default(l->options.retry_spread, 30), &least, &most);
    return most;
}

/* ---- attempts: their beginnings and ends are told by the trace ---- */

/* Where a link is, as far as its attempts are concerned; DOWN: an attempt is under way. */
enum link_step { STEP_OTHER, STEP_UP, STEP_ASKING, STEP_MOVING, STEP_DOWN };

/* What is under way is told otherwise: its delay may be the former one, or the first. */
void link_oracle_reset(struct sim_link *l)
{
    int64_t least, most;

    l->resets++;
    l->reset_turn = l->all->w->turns;
    if (!belay_link_is_closed(l->link))
        l->failures_in_a_row = 0;
    l->hurried = true;
    delay_of(l, 0, &least, &most);
    if (most > l->delay_most_ms)
        l->delay_most_ms = most;
}

void link_oracle_hurried(struct sim_link *l, bool kicked)
{
    l->hurried = true;
    l->kicked |= kicked;
}

uint64_t link_latest(const struct sim_link *l)
{
    uint64_t due = l->started_ns + SIM_MS(l->delay_most_ms);

    return (due > l->ended_ns ? due : l->ended_ns) + SLACK_NS + l->all->w->jump_ns;
}

static void check_delay(struct sim_link *l)
{
    struct sim_world *w = l->all->w;

    if (!l->hurried && l->kicked_turn < w->turns &&
        w->now_ns + LINK_MOMENT_NS < l->started_ns + SIM_MS(l->delay_least_ms))
        sim_fail(w, "link %d tries again after %.3f s, and %.3f s is its delay", l->n,
                 (double)(w->now_ns - l->started_ns) / 1e9, (double)l->delay_least_ms / 1e3);
    if (w->now_ns > link_latest(l))
        sim_fail(w, "link %d tries again after %.3f s: its delay of %.3f s is long over", l->n,
                 (double)(w->now_ns - l->started_ns) / 1e9, (double)l->delay_most_ms / 1e3);
    if (l->ended_ns > l->started_ns + SIM_MS(l->delay_most_ms))
        link_did(l, LINK_LATE_ATTEMPT);
}

static void begun(struct sim_link *l)
{
    struct belay_link_stats s;

    link_get_stats(l, &s);
    if (l->begun++ > 0)
        check_delay(l);
    l->tries++;
    l->found_told = false;
    l->started_ns = l->all->w->now_ns;
    delay_of(l, s.failures, &l->delay_least_ms, &l->delay_most_ms);
    l->hurried = l->kicked = false;
}

/* A candidate's attempt is the link's from now on, and began when the source was asked. */
static void candidate_counts(struct sim_link *l)
{
    l->started_ns = l->asked_ns;
    delay_of(l, 0, &l->delay_least_ms, &l->delay_most_ms);
    l->hurried = l->kicked = false;
}

static bool is_draining(const struct sim_link *l)
{
    struct belay_lease lease;
    struct sim_seen *seen;

    if (belay_link_current(l->link, &lease) < 0)
        return l->draining;
    seen = sim_seen_of_lease(l->all->w, lease);
    return seen && seen->draining_turn;
}

/* While it is up: it asks for a better address, dials one, stays or moves. */
static void went_up(struct sim_link *l, enum link_step from, enum link_step to, bool stays)
{
    bool failed = from != STEP_UP && to == STEP_UP && !stays;

    if (to == STEP_ASKING) {
        l->asked_ns = l->all->w->now_ns;
        l->asks++;
    }
    l->begun += from == STEP_ASKING && !stays && to != STEP_OTHER;
    if (failed ? is_draining(l) : from != STEP_UP && to == STEP_DOWN)
        candidate_counts(l); /* else it throttles candidates alone */
}

static enum link_step step_of(const char *state)
{
    static const struct {
        const char *name;
        enum link_step step;
    } steps[] = {{"up", STEP_UP},
                 {"asking", STEP_ASKING},
                 {"moving", STEP_MOVING},
                 {"resolving", STEP_DOWN},
                 {"dialing", STEP_DOWN}};

    for (size_t i = 0; i < BL_COUNT(steps); i++)
        if (strcmp(state, steps[i].name) == 0)
            return steps[i].step;
    return STEP_OTHER;
}

static void went(struct sim_link *l, const char *from, const char *to, const char *cause)
{
    enum link_step was = step_of(from), is = step_of(to);
    bool opened = cause && strcmp(cause, "opened") == 0;

    if (strcmp(from, "try") == 0 && is == STEP_DOWN)
        begun(l);
    if (was == STEP_MOVING && is == STEP_UP && opened)
        candidate_counts(l);
    else if (was == STEP_UP || was == STEP_ASKING || was == STEP_MOVING)
        went_up(l, was, is, cause && strcmp(cause, "stay") == 0);
    if (strcmp(from, "found") == 0 && is == STEP_DOWN && !l->found_told) {
        link_did(l, LINK_SAME_ADDRESS);
        if (!l->address)
            sim_fail(l->all->w, "link %d dials, and no address was told", l->n);
    }
    if (strcmp(to, "failed") == 0 || strcmp(to, "start") == 0 || opened)
        l->ended_ns = l->all->w->now_ns;
    if (opened && l->options.backoff)
        delay_of(l, 0, &l->delay_least_ms, &l->delay_most_ms); /* the first, after a success */
}

void link_oracle_trace(struct links *all, const struct belay_trace *t)
{
    if (strcmp(t->noun, "link") != 0 || !t->from || !t->to)
        return;
    for (int i = 0; i < all->n; i++)
        if (strcmp(t->name, all->links[i].name) == 0 && all->links[i].link)
            went(&all->links[i], t->from, t->to, t->cause);
}

void link_check_attempts(struct sim_link *l, const struct belay_link_stats *s)
{
    struct sim_world *w = l->all->w;
    uint64_t failed = link_failed(s);

    if (s->moves > l->moves)
        link_did(l, LINK_MOVED);
    if (s->attempts != l->begun || s->attempts < s->connected + failed ||
        s->connected < l->connected || failed < l->failed)
        sim_fail(w, "link %d counts %llu attempts, %llu connected, %llu failed; it began %llu",
                 l->n, (unsigned long long)s->attempts, (unsigned long long)s->connected,
                 (unsigned long long)failed, (unsigned long long)l->begun);
    l->connected = s->connected;
    l->failed = failed;
    l->moves = s->moves;
}
