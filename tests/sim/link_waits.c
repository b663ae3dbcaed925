/* SPDX-License-Identifier: MIT */
/* Those who wait for a link's connection, and those who hear its events. */
#include <stdlib.h>

#include "sim/link_rig.h"

static void *must_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (!memory)
        abort();
    return memory;
}

/* ---- waiters ---- */

/* A later callback on it would be found out by AddressSanitizer, and by its list. */
static void forget(struct link_wait *wait)
{
    bl_list_remove(&wait->link);
    if (wait->l->probe == wait)
        wait->l->probe = NULL;
    free(wait);
}

static void on_answer(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct link_wait *wait = arg;
    struct sim_link *l = wait->l;
    bool probe = wait->probe;

    link_enter_callback(l, "a waiter");
    link_oracle_answer(wait, lease, error);
    forget(wait);
    if (probe && error && !belay_link_is_closed(l->link))
        link_probe(l);
    if (l->all->then && !probe)
        l->all->then(l);
}

static struct link_wait *new_wait(struct sim_link *l, bool or_failed, int64_t timeout_ms)
{
    struct link_wait *wait = must_alloc(sizeof *wait);
    struct belay_link_stats s;

    link_get_stats(l, &s);
    wait->l = l;
    wait->or_failed = or_failed;
    wait->asked_ns = l->all->w->now_ns;
    wait->asked_turn = l->all->w->turns;
    wait->deadline_ns = timeout_ms == BELAY_FOREVER
                            ? BELAY_NEVER
                            : l->all->w->now_ns + SIM_MS(timeout_ms > 0 ? timeout_ms : 0);
    wait->failures = link_failed(&s);
    bl_list_push_back(&l->waits, &wait->link);
    return wait;
}

static int ask(struct link_wait *wait, int64_t timeout_ms)
{
    struct sim_link *l = wait->l;
    int r = LINK_CALL(l, (wait->or_failed ? belay_link_connected_or_failed : belay_link_connected)(
                             l->link, timeout_ms, &wait->waiter, on_answer, wait));

    if (r < 0)
        forget(wait);
    return r;
}

int link_wait(struct sim_link *l, bool or_failed, int64_t timeout_ms)
{
    bool ended = l->link && belay_link_is_closed(l->link);
    int r;

    if (!l->link || l->over)
        return 0;
    r = ask(new_wait(l, or_failed, timeout_ms), timeout_ms);
    if (r == 0) {
        link_did(l, or_failed ? LINK_WAIT_FAILED : LINK_WAIT);
        if (ended)
            sim_fail(l->all->w, "link %d takes a waiter after its end", l->n);
    } else if (r == BELAY_EFULL) {
        struct belay_link_stats s;

        link_get_stats(l, &s);
        link_did(l, LINK_WAIT_FULL);
        if ((int64_t)s.waiting < l->options.max_waiters)
            sim_fail(l->all->w, "link %d: %u wait, and one more is too many of %d", l->n, s.waiting,
                     (int)l->options.max_waiters);
    } else if (!(r == BELAY_ECLOSED && ended) && !(r == BELAY_ENOMEM && l->all->lenient)) {
        sim_fail(l->all->w, "link %d: connected: %s", l->n, belay_error_name(r));
    }
    return r;
}

void link_probe(struct sim_link *l)
{
    struct link_wait *wait = new_wait(l, true, BELAY_FOREVER);

    wait->probe = true;
    l->probe = wait;
    l->probe_lost |= ask(wait, BELAY_FOREVER) < 0;
}

void link_wait_blocked(struct sim_link *l, bool or_failed, int64_t timeout_ms)
{
    struct links *all = l->all;
    struct sim_world *w = all->w;
    uint64_t begun = w->now_ns;
    struct belay_lease lease;
    struct belay_error error = {0};
    int r;

    if (!l->link || l->over || belay_link_is_closed(l->link))
        return;
    link_did(l, LINK_WAIT_BLOCKED);
    belay_link_ref(l->link);
    l->blocked++;
    r = (or_failed ? belay_link_connected_or_failed_wait
                   : belay_link_connected_wait)(l->link, timeout_ms, &lease, &error);
    l->blocked--;
    if (r < 0 && error.code != r)
        sim_fail(w, "link %d: connected_wait returns %s, and its error is %s", l->n,
                 belay_error_name(r), belay_error_name(error.code));
    if (r == BELAY_ETIMEDOUT && !or_failed &&
        w->now_ns + LINK_MOMENT_NS < begun + SIM_MS(timeout_ms))
        sim_fail(w, "link %d: connected_wait gives up before its time", l->n);
    if (w->now_ns > begun + SIM_MS(timeout_ms) + LINK_MOMENT_NS + w->jump_ns)
        sim_fail(w, "link %d: connected_wait lasts beyond its time", l->n);
    if (r == 0 && !belay_lease_valid(lease) && l->up && lease.slot == l->lease.slot &&
        lease.generation == l->lease.generation && !l->broken)
        sim_fail(w, "link %d: connected_wait gives a stale lease", l->n);
    belay_link_unref(l->link);
}

void link_cancel(struct link_wait *wait)
{
    struct sim_link *l = wait->l;

    LINK_DO(l, belay_link_waiter_cancel(wait->waiter));
    link_did(l, LINK_WAIT_CANCELLED);
    forget(wait);
}

struct link_wait *link_some_wait(struct sim_link *l)
{
    struct link_wait *found = NULL;
    uint64_t n = 0;

    BL_LIST_EACH(node, &l->waits)
    {
        struct link_wait *wait = BL_LIST_OF(node, struct link_wait, link);

        if (!wait->probe && sim_below(l->all->w, ++n) == 0)
            found = wait;
    }
    return found;
}

/* ---- events ---- */

void link_on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    struct sim_link *l = arg;

    link_enter_callback(l, "an event");
    if (link != l->link)
        sim_fail(l->all->w, "link %d: an event of another one's", l->n);
    link_oracle_event(l, event);
    if (event->type == BELAY_LINK_DISCONNECTED && !belay_link_is_closed(l->link) && !l->probe)
        link_probe(l);
    if (l->all->then)
        l->all->then(l);
}

static void on_subscribed(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    struct link_sub *sub = arg;
    struct sim_link *l = sub->l;
    bool known = false;

    (void)link;
    for (int i = 0; i < LINK_SUBS_MAX; i++)
        known |= l->subs[i] == sub;
    if (!known)
        sim_fail(l->all->w, "link %d: who has unsubscribed hears an event", l->n);
    link_enter_callback(l, "a subscriber");
    if (sub->next != l->events)
        sim_fail(l->all->w, "link %d: a subscriber hears event %llu, and %llu was its next", l->n,
                 (unsigned long long)l->events, (unsigned long long)sub->next);
    if (sub->order < l->told_order)
        sim_fail(l->all->w, "link %d: subscribers hear of an event out of their order", l->n);
    l->told_order = sub->order;
    sub->next++;
    if (event->type == BELAY_LINK_CONNECTED && l->up && event->lease.slot != l->lease.slot)
        sim_fail(l->all->w, "link %d: a subscriber is given another lease", l->n);
    if (l->all->then)
        l->all->then(l);
}

void link_subscribe(struct sim_link *l)
{
    struct link_sub *sub;
    int i = 0, r;

    while (i < LINK_SUBS_MAX && l->subs[i])
        i++;
    if (!l->link || l->over || i == LINK_SUBS_MAX)
        return;
    sub = must_alloc(sizeof *sub);
    sub->l = l;
    sub->next = l->events + 1;
    sub->order = ++l->next_order;
    l->subs[i] = sub;
    r = LINK_CALL(l, belay_link_subscribe(l->link, on_subscribed, sub, &sub->subscription));
    if (r == 0) {
        link_did(l, LINK_SUBSCRIBE);
        return;
    }
    l->subs[i] = NULL;
    free(sub);
    if (!(r == BELAY_ENOMEM && l->all->lenient) &&
        !(r == BELAY_ECLOSED && belay_link_is_closed(l->link)))
        sim_fail(l->all->w, "link %d: subscribe: %s", l->n, belay_error_name(r));
}

void link_unsubscribe(struct sim_link *l, int n)
{
    struct link_sub *sub = l->subs[n];

    if (!sub)
        return;
    l->subs[n] = NULL;
    LINK_DO(l, belay_link_unsubscribe(sub->subscription));
    link_did(l, LINK_UNSUBSCRIBE);
    free(sub);
}

void link_subs_forget(struct sim_link *l)
{
    for (int i = 0; i < LINK_SUBS_MAX; i++) {
        free(l->subs[i]);
        l->subs[i] = NULL;
    }
}
