/* SPDX-License-Identifier: MIT */
/* What is held against a link's callbacks: the order of its events, their repeats, and who is answered with what. */
#include <stdlib.h>

#include "sim/link_rig.h"

/* ---- errors and addresses ---- */

bool link_same_error(const struct belay_error *a, const struct belay_error *b)
{
    static const struct belay_addr none;
    const struct belay_addr *x = a->tried_n ? &a->tried[a->tried_n - 1].addr : &none;
    const struct belay_addr *y = b->tried_n ? &b->tried[b->tried_n - 1].addr : &none;

    return a->code == b->code && a->stage == b->stage && a->os_error == b->os_error &&
           !a->tried_n == !b->tried_n && (!a->tried_n || belay_addr_equal(x, y));
}

static struct belay_error *keep(struct belay_error *former, const struct belay_error *error)
{
    struct belay_error *kept = error ? belay_error_dup(error) : NULL;

    if (error && !kept)
        abort();
    belay_error_free(former);
    return kept;
}

static void check_error(struct sim_link *l, const struct belay_error *error)
{
    if (!error || error->code >= 0 || !error->text[0] ||
        (error->kind != belay_error_kind_of(error->code) && !error->final))
        sim_fail(l->all->w, "link %d: an error without substance: code %d, kind %d, \"%s\"", l->n,
                 error ? error->code : 0, error ? (int)error->kind : 0, error ? error->text : "");
    if (error->code == BELAY_ENOMEM && !l->all->lenient)
        sim_fail(l->all->w, "link %d: out of memory, and there was enough", l->n);
}

static void set_address(struct sim_link *l, struct belay_endpoint *address)
{
    belay_endpoint_unref(l->address);
    l->address = address ? belay_endpoint_ref(address) : NULL;
}

/* A lease is the link's connection, which is up. */
static struct sim_seen *check_lease(struct sim_link *l, struct belay_lease lease, const char *whose)
{
    struct sim_world *w = l->all->w;
    struct sim_seen *seen = sim_seen_of_lease(w, lease);
    struct belay_lease current;
    bool mine = false;

    if (!belay_lease_valid(lease) || !seen)
        sim_fail(w, "link %d: %s is given a stale lease", l->n, whose);
    for (int i = 0; i < l->hosts_n; i++)
        mine |= seen->host == l->hosts[i];
    if (!mine || !seen->open || seen->taken || seen->closing)
        sim_fail(w, "link %d: %s is given connection %llu: of this link %d, open %d, closing %d",
                 l->n, whose, (unsigned long long)seen->id, mine, seen->open, seen->closing);
    if (seen->gone_turn && seen->gone_turn < w->turns)
        sim_fail(w, "link %d: %s is given a dead connection", l->n, whose);
    if (belay_link_current(l->link, &current) < 0 || current.slot != lease.slot ||
        current.generation != lease.generation)
        sim_fail(w, "link %d: %s is given a lease that is not the current one", l->n, whose);
    return seen;
}

/* ---- events ---- */

static void on_attempting(struct sim_link *l, const struct belay_link_event *e)
{
    if (l->episode || l->up || e->address || e->error)
        sim_fail(l->all->w, "link %d: attempting: in an episode %d, up %d, address %d, error %d",
                 l->n, l->episode, l->up, e->address != NULL, e->error != NULL);
    l->episode = true;
    set_address(l, NULL);
    l->error = keep(l->error, NULL);
    link_did(l, LINK_ATTEMPTING);
}

static void on_obtained(struct sim_link *l, const struct belay_link_event *e)
{
    bool known = false;

    if (!l->episode || !e->address)
        sim_fail(l->all->w, "link %d: an address outside an episode, or none", l->n);
    if (l->address && belay_endpoint_equal(l->address, e->address))
        sim_fail(l->all->w, "link %d: the same address is told twice: %s", l->n,
                 belay_endpoint_name(e->address));
    for (int i = 0; i < l->hosts_n; i++)
        known |= strcmp(belay_endpoint_host(e->address), l->hosts[i]->name) == 0;
    if (!known)
        sim_fail(l->all->w, "link %d: it obtained %s, which nobody has given", l->n,
                 belay_endpoint_name(e->address));
    set_address(l, e->address);
    l->found_told = true;
    link_did(l, LINK_OBTAINED);
}

static void on_failed(struct sim_link *l, const struct belay_link_event *e)
{
    struct sim_world *w = l->all->w;
    bool last =
        belay_link_is_closed(l->link) && !l->closing; /* then those who wait are told afterwards */
    bool knows = !failing_alloc_failures(&w->alloc);  /* else the former may be forgotten */

    check_error(l, e->error);
    if (!l->episode || l->up)
        sim_fail(w, "link %d: a failure: in an episode %d, up %d", l->n, l->episode, l->up);
    l->failures_in_a_row += last;
    if (l->error && link_same_error(l->error, e->error) && !last && knows)
        sim_fail(w, "link %d: the same failure is told twice: %s", l->n, e->error->text);
    if (!l->probe_lost && !last && knows && (!l->probed || !link_same_error(l->probed, e->error)))
        sim_fail(w, "link %d: a failure is told that was none: %s", l->n, e->error->text);
    if (!l->probe_lost && e->failures != l->failures_in_a_row && l->reset_turn < w->turns)
        sim_fail(w, "link %d: %d failures are told, and %d there were", l->n, (int)e->failures,
                 l->failures_in_a_row);
    if (e->next_ms < BELAY_FOREVER || (e->next_ms == BELAY_FOREVER) != last)
        sim_fail(w, "link %d: the next attempt is in %lld ms, ended %d", l->n,
                 (long long)e->next_ms, last);
    l->error = keep(l->error, e->error);
    l->probed = keep(l->probed, NULL);
    link_did(l, LINK_FAILED);
}

static void on_connected(struct sim_link *l, const struct belay_link_event *e)
{
    struct sim_world *w = l->all->w;

    if (!l->episode || l->up)
        sim_fail(w, "link %d: connected: in an episode %d, up %d", l->n, l->episode, l->up);
    if (l->up && l->options.move_interval_ms <= 0 && !w->faults[SIM_FAULT_GRACEFUL] && !l->draining)
        sim_fail(w, "link %d: connected twice", l->n);
    if (!l->broken && !l->closing)
        check_lease(l, e->lease, "an event");
    BL_LIST_EACH(node, &l->waits)
    {
        struct link_wait *wait = BL_LIST_OF(node, struct link_wait, link);

        if (wait->asked_turn < w->turns && !l->broken && !l->closing)
            sim_fail(w, "link %d: connected is told before those who wait for it", l->n);
    }
    l->up_since_ns = w->now_ns;
    l->ups++;
    l->up = true;
    l->draining = false;
    l->lease = e->lease;
    l->failures_in_a_row = 0;
    link_did(l, LINK_CONNECTED);
}

static void on_disconnected(struct sim_link *l, const struct belay_link_event *e)
{
    struct sim_world *w = l->all->w;
    struct belay_lease lease;
    bool moved = belay_link_current(l->link, &lease) == 0;

    if (!l->up)
        sim_fail(w, "link %d: disconnected, and was not up", l->n);
    if (e->error)
        check_error(l, e->error);
    else if (!l->closing && !l->broken && !moved)
        sim_fail(w, "link %d: disconnected without a reason", l->n);
    if (belay_lease_valid(l->lease))
        sim_fail(w, "link %d: disconnected, and its lease is valid", l->n);
    if (moved)
        check_lease(l, lease, "who moves");
    if (moved && l->options.move_interval_ms <= 0 && !l->draining)
        sim_fail(w, "link %d moves, and nobody said so", l->n);
    if (e->error && e->error->code == BELAY_EUNHEALTHY)
        link_did(l, LINK_CHECKED);
    l->up = l->episode = l->broken = false;
    l->up_total_ns += w->now_ns - l->up_since_ns;
    link_did(l, w->now_ns - l->started_ns < SIM_MS(l->delay_least_ms) ? LINK_FLAP : LINK_LONG_LIFE);
    link_did(l, LINK_DISCONNECTED);
}

/* All who hear have heard of the event before this one. */
static void check_heard(struct sim_link *l)
{
    for (int i = 0; i < LINK_SUBS_MAX; i++)
        if (l->subs[i] && l->subs[i]->next != l->events + 1)
            sim_fail(l->all->w, "link %d: a subscriber did not hear of event %llu", l->n,
                     (unsigned long long)l->subs[i]->next);
    l->events++;
    l->told_order = 0;
}

void link_oracle_event(struct sim_link *l, const struct belay_link_event *e)
{
    check_heard(l);
    sim_note(l->all->w, "link %d: event %d%s%s", l->n, (int)e->type, e->error ? ": " : "",
             e->error ? e->error->text : "");
    switch (e->type) {
    case BELAY_LINK_ATTEMPTING_TO_CONNECT:
        on_attempting(l, e);
        break;
    case BELAY_LINK_OBTAINED_ADDRESS:
        on_obtained(l, e);
        break;
    case BELAY_LINK_FAILED_TO_CONNECT:
        on_failed(l, e);
        break;
    case BELAY_LINK_CONNECTED:
        on_connected(l, e);
        break;
    case BELAY_LINK_DISCONNECTED:
        on_disconnected(l, e);
        break;
    default:
        sim_fail(l->all->w, "link %d: there is no event %d", l->n, (int)e->type);
    }
    /* closed in a callback: what is told of this very moment is told to its end */
    if (l->closing && e->type != BELAY_LINK_DISCONNECTED && l->closing_turn < l->all->w->turns)
        sim_fail(l->all->w, "link %d: event %d after its closing", l->n, (int)e->type);
}

/* ---- answers ---- */

/* An attempt has failed: an event is to tell of it, unless it is like the last. */
static void probed(struct sim_link *l, const struct belay_error *error)
{
    if (belay_link_is_closed(l->link))
        return; /* of its end */
    if (error->final)
        sim_fail(l->all->w, "link %d goes on after a final error: %s", l->n, error->text);
    if (l->probed && !l->probe_lost)
        sim_fail(l->all->w, "link %d: a failure was not told: %s", l->n, l->probed->text);
    l->failures_in_a_row++;
    l->uncertain |= l->reset_turn == l->all->w->turns; /* which of the two came first */
    if (l->error && link_same_error(l->error, error)) {
        link_did(l, LINK_SUPPRESSED);
        l->probed = keep(l->probed, NULL);
    } else {
        l->probed = keep(l->probed, error);
    }
}

static void check_refusal(struct link_wait *wait, const struct belay_error *error)
{
    struct sim_link *l = wait->l;
    struct sim_world *w = l->all->w;
    struct belay_link_stats s;
    bool late = w->now_ns + LINK_MOMENT_NS >= wait->deadline_ns;
    bool failed;

    check_error(l, error);
    link_get_stats(l, &s);
    failed = wait->or_failed && link_failed(&s) > wait->failures;
    if (error->code == BELAY_ECLOSED && belay_link_is_closed(l->link)) {
        link_did(l, LINK_WAIT_CLOSED);
    } else if (failed) {
        link_did(l, LINK_WAIT_TOLD);
    } else if (error->code == BELAY_ETIMEDOUT && late) {
        link_did(l, LINK_WAIT_TIMED_OUT);
    } else if (!belay_link_is_closed(l->link) || (l->closing && !l->was_closed)) {
        sim_fail(w, "link %d: one who waits%s is told without reason: %s", l->n,
                 wait->or_failed ? " for the next result" : "", error->text);
    }
}

void link_oracle_answer(struct link_wait *wait, struct belay_lease lease,
                        const struct belay_error *error)
{
    struct sim_link *l = wait->l;

    if (error) {
        if (belay_lease_valid(lease))
            sim_fail(l->all->w, "link %d: an error comes with a lease", l->n);
        if (wait->probe)
            probed(l, error);
        else
            check_refusal(wait, error);
        return;
    }
    check_lease(l, lease, "one who waits");
    if (l->closing)
        sim_fail(l->all->w, "link %d: a connection after its closing", l->n);
    if (!wait->probe)
        link_did(l, LINK_WAIT_SERVED);
}

/* ---- the end ---- */

static void check_why(struct sim_link *l)
{
    int most = l->backoff.attempts_max;
    struct belay_error last;
    int64_t age;
    bool said = belay_link_last_error(l->link, &last, &age) && last.final;

    if (l->closing || l->last_closes)
        return;
    if (said && last.code == BELAY_EGIVENUP) {
        link_did(l, LINK_GAVE_UP);
        if (!l->options.backoff || most == BELAY_FOREVER ||
            (!l->probe_lost && l->failures_in_a_row != (most > 0 ? most : 0) + 1))
            sim_fail(l->all->w, "link %d gives up after %d failures", l->n, l->failures_in_a_row);
    } else if (said)
        link_did(l, LINK_FINAL);
    else
        sim_fail(l->all->w, "link %d ended by itself, after %d failures", l->n,
                 l->failures_in_a_row);
}

void link_oracle_closed(struct sim_link *l)
{
    struct sim_world *w = l->all->w;

    sim_note(w, "link %d is over", l->n);
    if (l->up)
        sim_fail(w, "link %d ended, and was not disconnected", l->n);
    if (!bl_list_empty(&l->waits))
        sim_fail(w, "link %d ended, and somebody waits", l->n);
    BL_LIST_EACH(node, &w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        for (int i = 0; i < l->hosts_n; i++)
            if (seen->host == l->hosts[i] && !seen->taken)
                sim_fail(w, "link %d: connection %llu outlives it", l->n,
                         (unsigned long long)seen->id);
    }
    if (l->custom.query)
        sim_fail(w, "link %d ended, and asks its source", l->n);
    check_why(l);
    l->over = true;
    link_subs_forget(l);
}
