/* SPDX-License-Identifier: MIT */
/* What is held against a link after each turn: its connections, which is current, who waits, what it says of itself. */
#include <stdlib.h>

#include "sim/link_rig.h"

#define SLACK_NS   SIM_MS(5) /* of what becomes due, some turns later */
#define DEAD_TURNS 4

static bool is_mine(const struct sim_link *l, const struct sim_seen *seen)
{
    for (int i = 0; i < l->hosts_n; i++)
        if (seen->host == l->hosts[i])
            return true;
    return false;
}

static void check_connections(struct sim_link *l)
{
    struct sim_world *w = l->all->w;
    int opening = 0, open = 0;

    BL_LIST_EACH(node, &w->seen)
    {
        const struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        if (!is_mine(l, seen) || seen->closing || seen->taken)
            continue;
        opening += !seen->open;
        open += seen->open;
        l->draining |= seen->draining_turn > 0;
    }
    if (l->wires)
        return; /* what is closed takes its time, and addresses race */
    if (open == 2 || (open == 1 && opening == 1))
        link_did(l, LINK_TWO);
    if (opening > 1 || open + opening > 2)
        sim_fail(w, "link %d dials %d and has %d connections", l->n, opening, open);
    if (open + opening > 1 && l->options.move_interval_ms <= 0 && !l->draining)
        sim_fail(w, "link %d has a candidate, and does not move", l->n);
}

static void check_current(struct sim_link *l, const struct belay_link_stats *s)
{
    struct sim_world *w = l->all->w;
    struct belay_lease lease;
    struct sim_seen *seen;
    int r = belay_link_current(l->link, &lease);

    if (r < 0) {
        if (r != (belay_link_is_closed(l->link) ? BELAY_ECLOSED : BELAY_EAGAIN) &&
            !(r == BELAY_EAGAIN && l->last_closes))
            sim_fail(w, "link %d: current: %s", l->n, belay_error_name(r));
        return;
    }
    seen = sim_seen_of_lease(w, lease);
    if (!belay_lease_valid(lease) || !seen || l->closing)
        sim_fail(w, "link %d gives a stale lease, or is closed", l->n);
    if (seen->closing || seen->taken || !is_mine(l, seen))
        sim_fail(w, "link %d gives a connection that is no more", l->n);
    if (seen->gone_turn && seen->gone_turn + DEAD_TURNS < w->turns)
        sim_fail(w, "link %d gives connection %llu, which is dead", l->n,
                 (unsigned long long)seen->id);
    if (seen->sick_ns && l->options.check_interval_ms > 0 &&
        w->now_ns > seen->sick_ns + w->jump_ns + SLACK_NS +
                        SIM_MS(l->options.check_interval_ms + l->options.check_timeout_ms))
        sim_fail(w, "link %d has not noticed for %.3f s that its connection is dead", l->n,
                 (double)(w->now_ns - seen->sick_ns) / 1e9);
    if (s->state != BELAY_LINK_UP)
        sim_fail(w, "link %d has a connection, and is %s", l->n, belay_link_state_name(s->state));
}

/* ---- when all is quiet ---- */

static void check_waits(struct sim_link *l, const struct belay_link_stats *s)
{
    struct sim_world *w = l->all->w;
    uint32_t waiting = 0;

    BL_LIST_EACH(node, &l->waits)
    {
        struct link_wait *wait = BL_LIST_OF(node, struct link_wait, link);

        waiting++;
        if (wait->deadline_ns != BELAY_NEVER && w->now_ns > wait->deadline_ns + LINK_MOMENT_NS)
            sim_fail(w, "link %d: somebody waits beyond their time", l->n);
        if (s->state == BELAY_LINK_UP)
            sim_fail(w, "link %d is up, and somebody waits for it", l->n);
        if (wait->or_failed && link_failed(s) > wait->failures)
            sim_fail(w, "link %d: an attempt failed, and somebody waits for its result", l->n);
    }
    if (s->waiting < waiting || s->waiting > waiting + l->blocked)
        sim_fail(w, "link %d says that %u wait, and %u do", l->n, s->waiting, waiting);
}

static void check_numbers(struct sim_link *l, const struct belay_link_stats *s)
{
    struct sim_world *w = l->all->w;
    uint64_t up_ns = l->up_total_ns + (l->up ? w->now_ns - l->up_since_ns : 0);
    int64_t up_ms = (int64_t)(up_ns / 1000000),
            age = (int64_t)((w->now_ns - l->opened_ns) / 1000000);
    uint32_t subs = 0;

    if (l->uncertain)
        l->failures_in_a_row = s->failures;
    l->uncertain = false;

    for (int i = 0; i < LINK_SUBS_MAX; i++)
        subs += l->subs[i] != NULL;
    if (subs != s->subscribers && !belay_link_is_closed(l->link))
        sim_fail(w, "link %d says that %u hear it, and %u do", l->n, s->subscribers, subs);
    if ((s->state == BELAY_LINK_UP) != l->up)
        sim_fail(w, "link %d is %s, and its events say otherwise", l->n,
                 belay_link_state_name(s->state));
    if (llabs(s->total_up_ms - up_ms) > 1 + (int64_t)l->ups || llabs(s->age_ms - age) > 1)
        sim_fail(w, "link %d says that it was up for %lld ms of %lld, and %lld of %lld is true",
                 l->n, (long long)s->total_up_ms, (long long)s->age_ms, (long long)up_ms,
                 (long long)age);
    if (!l->probe_lost && s->failures != l->failures_in_a_row && !belay_link_is_closed(l->link))
        sim_fail(w, "link %d counts %d failures in a row, and there were %d", l->n,
                 (int)s->failures, l->failures_in_a_row);
    if (l->options.retry_delay &&
        (l->delays_asked < l->tries + l->asks || l->delays_asked > l->tries + l->asks + l->resets))
        sim_fail(w, "link %d asked for its delay %llu times in %llu attempts", l->n,
                 (unsigned long long)l->delays_asked, (unsigned long long)(l->tries + l->asks));
}

/* While it is up its source is asked as often as the option says; a candidate takes its time, and fails. */
static void check_asking(struct sim_link *l)
{
    struct sim_world *w = l->all->w;
    uint64_t since = l->asked_ns > l->up_since_ns ? l->asked_ns : l->up_since_ns;
    int64_t bound =
        l->options.move_interval_ms + l->options.attempt_timeout_ms + link_largest_delay(l);

    if (l->options.move_interval_ms > 0 && !l->last_closes &&
        w->now_ns > since + SIM_MS(bound) + SLACK_NS + w->jump_ns)
        sim_fail(w, "link %d does not ask for a better address: %.3f s", l->n,
                 (double)(w->now_ns - since) / 1e9);
}

static void check_quiet(struct sim_link *l, const struct belay_link_stats *s)
{
    struct sim_world *w = l->all->w;
    bool open = !belay_link_is_closed(l->link);

    check_waits(l, s);
    if (l->closing)
        return;
    check_numbers(l, s);
    if (l->probed && open && !l->probe_lost)
        sim_fail(w, "link %d: a failure was not told: %s", l->n, l->probed->text);
    if (s->state == BELAY_LINK_WAITING && open && !l->last_closes) {
        if (l->kicked)
            sim_fail(w, "link %d was kicked, and waits", l->n);
        if (w->now_ns > link_latest(l) && l->begun > 0)
            sim_fail(w, "link %d does not try again: %.3f s after its last attempt", l->n,
                     (double)(w->now_ns - l->started_ns) / 1e9);
    }
    if (s->state == BELAY_LINK_UP && open)
        check_asking(l);
    if (l->begun == 0 && w->now_ns > l->opened_ns + LINK_MOMENT_NS)
        sim_fail(w, "link %d does not begin", l->n);
}

static void after_turn(struct sim_world *w, void *arg)
{
    struct links *all = arg;
    bool quiet;

    all->checks++;
    if (!w->loop)
        return;
    quiet = sim_is_quiet(w);
    for (int i = 0; i < all->n; i++) {
        struct sim_link *l = &all->links[i];
        struct belay_link_stats s;

        if (!l->link || l->over)
            continue;
        link_get_stats(l, &s);
        link_check_attempts(l, &s);
        check_connections(l);
        check_current(l, &s);
        if (quiet)
            check_quiet(l, &s);
        if (s.state == BELAY_LINK_CLOSED && !l->closing && l->finished_told == l->finished_asked)
            link_oracle_closed(l);
    }
}

/* A connection of the fake connector is being closed. */
static void on_close(struct sim_seen *seen, void *arg)
{
    struct links *all = arg;

    for (int i = 0; i < all->n; i++)
        if (seen->draining_turn && is_mine(&all->links[i], seen))
            all->links[i].draining = true;
}

/* The first attempt at an address that was told is made there. */
static void on_dial(struct sim_seen *seen, void *arg)
{
    struct links *all = arg;

    for (int i = 0; i < all->n; i++) {
        struct sim_link *l = &all->links[i];

        if (l->link && is_mine(l, seen) && l->episode && !l->up && !l->closing && l->address &&
            strcmp(belay_endpoint_host(l->address), seen->host->name) != 0)
            sim_fail(all->w, "link %d dials %s, and has told %s", l->n, seen->host->name,
                     belay_endpoint_name(l->address));
    }
}

void link_oracle_attach(struct links *all)
{
    all->w->on_dial = on_dial;
    all->w->on_close = on_close;
    all->w->after_turn = after_turn;
    all->w->after_turn_arg = all;
}

void link_oracle_opened(struct sim_link *l)
{
    l->opened_ns = l->ended_ns = l->all->w->now_ns;
    l->closing = l->last_closes = l->over = l->episode = l->up = false;
    l->broken = l->draining = l->probe_lost = l->hurried = l->kicked = l->was_closed = false;
    l->closed_told = l->finished_told = l->finished_asked = l->failures_in_a_row = 0;
    l->events = l->begun = l->failed = l->connected = l->moves = l->delays_asked = 0;
    l->up_total_ns = l->ups = 0;
    l->asks = l->tries = l->resets = l->reset_turn = l->kicked_turn = 0;
    belay_error_free(l->probed);
    l->probed = NULL;
}
