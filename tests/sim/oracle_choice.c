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
           seen->capacity_turn == 0 && seen->checked_turn == 0 && seen->idle_since_ns < w->now_ns;
}

static bool is_exclusive(const struct sim_seen *seen)
{
    return seen->capacity == 1 && seen->capacity_turn == 0 && seen->checked_turn == 0;
}

void sim_oracle_chosen(struct sim_rig *rig, const struct sim_seen *chosen)
{
    struct sim_world *w = rig->w;

    if (rig->lax || !chosen->fake || !is_exclusive(chosen))
        return;
    BL_LIST_EACH(node, &w->seen)
    {
        struct sim_seen *other = BL_LIST_OF(node, struct sim_seen, link);
        int uses = rig->options.max_connection_uses;

        if (other == chosen || other->host != chosen->host || !is_choice(w, other) ||
            !is_exclusive(other) || other->uses >= uses)
            continue;
        if (other->idle_since_ns > chosen->idle_since_ns)
            sim_fail(w, "connection %llu is lent, and %llu was used later",
                     (unsigned long long)chosen->id, (unsigned long long)other->id);
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

    if (victim->capacity_turn || victim->checked_turn)
        return;
    of_host = is_host_full(rig, victim->host); /* may have made room for a fresh one there */

    BL_LIST_EACH(node, &w->seen)
    {
        struct sim_seen *other = BL_LIST_OF(node, struct sim_seen, link);

        if (other == victim || !is_choice(w, other) || (of_host && other->host != victim->host))
            continue;
        if (other->idle_since_ns < victim->idle_since_ns)
            sim_fail(w, "connection %llu makes room, and %llu is idle for longer",
                     (unsigned long long)victim->id, (unsigned long long)other->id);
    }
}
