/* SPDX-License-Identifier: MIT */
/* What is done to a pool as a whole in a history: options change, it is cleared, suspended, resumed, moved to another network. */
#include "sim/faults.h"
#include "sim/history.h"

static int32_t some(struct sim_world *w, int32_t low, int32_t high)
{
    return (int32_t)sim_between(w, (uint64_t)low, (uint64_t)high);
}

static void draw_numbers(struct history *h, struct belay_pool_options *o)
{
    struct sim_world *w = h->rig->w;

    switch (sim_below(w, 9)) {
    case 0:
        o->max_connections_per_endpoint = some(w, 1, 6);
        break;
    case 1:
        o->max_connections_total = some(w, 1, 16);
        break;
    case 2:
        o->max_dials_per_endpoint = some(w, 1, 3);
        o->max_dials_total = some(w, 1, 6);
        break;
    case 3:
        o->max_idle_per_endpoint = sim_chance(w, 50) ? BELAY_FOREVER : some(w, 1, 3);
        o->max_idle_total = sim_chance(w, 50) ? BELAY_FOREVER : some(w, 1, 8);
        break;
    case 4:
        o->max_connection_uses = sim_chance(w, 50) ? BELAY_FOREVER : some(w, 1, 5);
        break;
    case 5:
        o->max_idle_time_ms = some(w, 100, 30000);
        o->max_connection_lifetime_ms = some(w, 500, 60000);
        break;
    case 6:
        o->reuse_order = (enum belay_reuse_order)some(w, BELAY_REUSE_LIFO, BELAY_REUSE_LEAST_USED);
        break;
    case 7:
        o->max_waiters = some(w, 1, 30);
        o->check_after_idle_ms = sim_chance(w, 50) ? BELAY_FOREVER : some(w, 1, 2000);
        break;
    default:
        o->min_idle = some(w, 1, 3);
    }
}

/* What would contradict itself is refused, and nothing has changed. */
static bool is_contradictory(const struct history *h, const struct belay_pool_options *changes)
{
    struct belay_pool_options o = h->rig->opened;
    int32_t min;

    sim_options_change(&o, changes);
    min = o.min_idle > 0 ? o.min_idle : 0;
    if (o.check_after_idle_ms > 0 && !history_can_check(h))
        return true;
    return min > (o.max_connections_per_endpoint ? o.max_connections_per_endpoint : 10) ||
           min > (o.max_connections_total ? o.max_connections_total : 1000) ||
           (o.max_idle_per_endpoint == BELAY_NONE && min > 0) ||
           (o.max_idle_per_endpoint > 0 && min > o.max_idle_per_endpoint) ||
           (o.max_idle_total > 0 && min > o.max_idle_total);
}

static void change_options(struct history *h)
{
    struct sim_rig *rig = h->rig;
    struct belay_pool_options changes = belay_pool_options_init(), before = rig->options;
    struct belay_error error = {0};
    bool contradictory;
    int r;

    for (uint64_t n = sim_between(rig->w, 1, 3); n > 0; n--)
        draw_numbers(h, &changes);
    contradictory = is_contradictory(h, &changes);
    r = sim_set_options(rig, &changes, &error);
    if (r == BELAY_ENOMEM && h->life.alloc_fails)
        return;
    if (r != (contradictory ? BELAY_EINVAL : 0))
        sim_fail(rig->w, "set_options: %s: %s", belay_error_name(r), error.text);
    coverage_did(h->coverage, contradictory ? COVERAGE_REFUSED : COVERAGE_CHANGE);
    if (r < 0 && memcmp(&before, &rig->options, sizeof before) != 0)
        sim_fail(rig->w, "options that were refused have changed something");
}

static void did(struct history *h, enum coverage_deed deed)
{
    coverage_did(h->coverage, deed);
}

void history_operate(struct history *h)
{
    struct sim_rig *rig = h->rig;
    struct sim_world *w = rig->w;

    switch (sim_below(w, 10)) {
    case 0:
    case 1:
    case 2:
        change_options(h);
        break;
    case 3:
        did(h, COVERAGE_CLEAR);
        sim_clear(rig, history_target(h), BELAY_CLEAR_GENTLY);
        break;
    case 4:
        did(h, COVERAGE_CLEAR_NOW);
        sim_clear(rig, history_target(h), BELAY_CLEAR_NOW);
        break;
    case 5:
        did(h, COVERAGE_CLEAR_ALL);
        sim_clear(rig, NULL, sim_chance(w, 50) ? BELAY_CLEAR_NOW : BELAY_CLEAR_GENTLY);
        break;
    case 6:
        did(h, COVERAGE_NETWORK);
        sim_network_changed(rig);
        break;
    case 7:
    case 8:
        did(h, COVERAGE_SUSPEND);
        sim_suspend(rig);
        break;
    default:
        did(h, COVERAGE_RESUME);
        sim_resume(rig);
    }
}

/* ---- faults ---- */

void history_fault(struct history *h)
{
    struct sim_world *w = h->rig->w;
    int limit = w->fds_limit;

    sim_fault(w, history_target(h)->host, h->life.alloc_fails);
    if (w->fds_limit != limit)
        h->rig->evict_excused_ns = BELAY_NEVER;
}

void history_heal(struct history *h)
{
    struct sim_world *w = h->rig->w;

    if (w->fds_limit)
        h->rig->evict_excused_ns = w->now_ns + SIM_MS(300);
    sim_heal(w);
}
