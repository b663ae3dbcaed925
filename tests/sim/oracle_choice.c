/* SPDX-License-Identifier: MIT */
/* The oracle on choices: of idle connections the one used last is lent, and the one idle longest makes room. */
#include "sim/rig.h"

/*
 * Whether the pool could have chosen it, as far as is known from outside: idle, well, and not only since this moment. One
 * that could not be lent for a while (a check, no capacity) may stand elsewhere in the order afterwards.
 */
static bool is_choice(const struct sim_world *w, const struct sim_seen *seen)
{
    return seen->fake && seen->open && !seen->closing && seen->held == 0 && seen->capacity > 0 &&
           !seen->gone_turn && !seen->draining_turn && !seen->suspect_turn && !seen->broken &&
           seen->capacity_turn == 0 && seen->checked_turn == 0 && !seen->asked &&
           !seen->doubt_turn && !seen->sick_ns && seen->idle_since_ns < w->now_ns;
}

static bool is_exclusive(const struct sim_seen *seen)
{
    return seen->capacity == 1 && seen->capacity_turn == 0 && seen->checked_turn == 0;
}

static void compare(struct sim_rig *rig, const struct sim_seen *chosen,
                    const struct sim_seen *other)
{
    enum belay_reuse_order order = rig->options.reuse_order;
    bool wrong;

    if (order == BELAY_REUSE_LEAST_USED)
        wrong = other->uses < chosen->uses - 1;
    else if (order == BELAY_REUSE_FIFO)
        wrong = other->idle_since_ns < chosen->idle_since_ns;
    else
        wrong = other->idle_since_ns > chosen->idle_since_ns;
    if (!wrong)
        return;
    rig->lent_id = chosen->id; /* unless the other is about to be closed */
    rig->passed_over_id = other->id;
}

/* At the end of the turn: what was passed over is there, and nothing was wrong with it. */
void sim_oracle_passed_over(struct sim_rig *rig)
{
    enum belay_reuse_order order = rig->options.reuse_order;

    BL_LIST_EACH(node, &rig->w->seen)
    {
        const struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        if (seen->id == rig->passed_over_id && !seen->closing && !seen->asked)
            sim_fail(rig->w, "connection %llu is lent, and %llu was %s",
                     (unsigned long long)rig->lent_id, (unsigned long long)seen->id,
                     order == BELAY_REUSE_LEAST_USED ? "used less often"
                     : order == BELAY_REUSE_FIFO     ? "idle for longer"
                                                     : "used later");
    }
    rig->passed_over_id = 0;
}

void sim_oracle_chosen(struct sim_rig *rig, const struct sim_seen *chosen)
{
    struct sim_world *w = rig->w;
    uint64_t check_after = rig->options.check_after_idle_ms == INT64_MAX
                               ? BELAY_NEVER
                               : SIM_MS(rig->options.check_after_idle_ms);

    if (rig->lax || !chosen->fake || !is_exclusive(chosen) || rig->changed_turn)
        return;
    BL_LIST_EACH(node, &w->seen)
    {
        struct sim_seen *other = BL_LIST_OF(node, struct sim_seen, link);
        int uses = rig->options.max_connection_uses;

        if (other == chosen || other->host != chosen->host || !is_choice(w, other) ||
            !is_exclusive(other) || other->uses >= uses)
            continue;
        if (w->now_ns - other->idle_since_ns >= check_after || sim_is_cleared(rig, other, false))
            continue;
        compare(rig, chosen, other);
    }
}

static bool is_host_full(struct sim_rig *rig, const struct sim_host *h)
{
    int n = rig->w->unborn;

    BL_LIST_EACH(node, &rig->w->seen)
    n += BL_LIST_OF(node, struct sim_seen, link)->host == h;
    return n >= rig->options.max_connections_per_endpoint;
}

void sim_oracle_evicted(struct sim_rig *rig, const struct sim_seen *victim)
{
    struct sim_world *w = rig->w;
    bool of_host;

    if (rig->lax || victim->capacity_turn || victim->checked_turn || rig->changed_turn ||
        rig->options.max_idle_total < INT32_MAX || rig->options.max_idle_per_endpoint < INT32_MAX)
        return;
    of_host = is_host_full(rig, victim->host); /* may have made room for a fresh one there */

    BL_LIST_EACH(node, &w->seen)
    {
        struct sim_seen *other = BL_LIST_OF(node, struct sim_seen, link);

        if (other == victim || !is_choice(w, other) || other->host->changes_capacity ||
            (of_host && other->host != victim->host))
            continue;
        if (other->idle_since_ns < victim->idle_since_ns)
            sim_fail(w, "connection %llu makes room, and %llu is idle for longer",
                     (unsigned long long)victim->id, (unsigned long long)other->id);
    }
}
