/* SPDX-License-Identifier: MIT */
/* Every call on a link as a whole, noted for the oracle. */
#include "sim/link_rig.h"

#include <stdlib.h>

/* No callback may come from within a call, nor after the link's end. */
void link_enter_callback(struct sim_link *l, const char *what)
{
    if (l->all->in_call)
        sim_fail(l->all->w, "link %d: %s runs inside a call", l->n, what);
    if (l->over)
        sim_fail(l->all->w, "link %d: %s runs after its end", l->n, what);
}

void link_get_stats(const struct sim_link *l, struct belay_link_stats *s)
{
    *s = belay_link_stats_init();
    belay_link_get_stats(l->link, s);
}

uint64_t link_failed(const struct belay_link_stats *s)
{
    uint64_t n = 0;

    for (int i = 0; i < BELAY_STAGES_N; i++)
        n += s->failed[i];
    return n;
}

/* ---- beginning ---- */

static void check_over(struct sim_link *l)
{
    if (l->finished_told == l->finished_asked && (!l->closing || l->closed_told))
        link_oracle_closed(l);
}

static void on_finished(void *arg)
{
    struct sim_link *l = arg;

    link_enter_callback(l, "a watcher of the end");
    if (!belay_link_is_closed(l->link))
        sim_fail(l->all->w, "link %d is told to have ended, and is open", l->n);
    if (++l->finished_told > l->finished_asked)
        sim_fail(l->all->w, "link %d: its end is told once too often", l->n);
    if (l->closing && !l->closed_told && !l->was_closed)
        sim_fail(l->all->w, "link %d: its end is told before on_closed", l->n);
    check_over(l);
}

void link_finished(struct sim_link *l)
{
    int r = LINK_CALL(l, belay_link_close_finished(l->link, on_finished, l));

    if (r == 0)
        l->finished_asked++;
    else if (r != BELAY_ENOMEM || !l->all->lenient)
        sim_fail(l->all->w, "close_finished: %s", belay_error_name(r));
}

int link_open(struct sim_link *l)
{
    struct links *all = l->all;
    struct belay_error error = {0};
    struct belay_link_options o = l->options;
    int r;

    o.dial = &l->dial;
    o.on_event = link_on_event;
    o.event_arg = l;
    r = LINK_CALL(l, belay_link_open(l->source, &o, &l->link, &error));
    if (r < 0) {
        l->link = NULL;
        if (r != BELAY_ENOMEM || !all->lenient)
            sim_fail(all->w, "link %d cannot be opened: %s", l->n, error.text);
        return r;
    }
    belay_link_ref(l->link);
    link_did(l, LINK_OPEN);
    if (l->opens++)
        link_did(l, LINK_REOPEN);
    link_oracle_opened(l);
    link_probe(l);
    link_finished(l);
    return 0;
}

/* ---- ending ---- */

static void on_closed(void *arg)
{
    struct sim_link *l = arg;

    link_enter_callback(l, "on_closed");
    if (l->closed_told++)
        sim_fail(l->all->w, "link %d: on_closed runs twice", l->n);
    if (!l->closing)
        sim_fail(l->all->w, "link %d: on_closed runs, and nobody has closed it", l->n);
    check_over(l);
}

void link_close(struct sim_link *l)
{
    bool again = l->closing;

    if (!l->link || l->over)
        return;
    sim_note(l->all->w, "close link %d", l->n);
    l->was_closed = !again && belay_link_is_closed(l->link);
    if (!again)
        l->closing_turn = l->all->w->turns;
    l->closing = true;
    LINK_DO(l, belay_link_close(l->link, again ? NULL : on_closed, l));
    if (!belay_link_is_closed(l->link))
        sim_fail(l->all->w, "link %d is not closed after close", l->n);
    if (!again)
        link_did(l, LINK_CLOSE);
}

void link_close_last(struct sim_link *l)
{
    if (!l->link || l->over || l->closing)
        return;
    sim_note(l->all->w, "close link %d when its connection closes", l->n);
    l->last_closes = true;
    LINK_DO(l, belay_link_close_when_current_closes(l->link));
    link_did(l, LINK_CLOSE_LAST);
}

/* ---- in between ---- */

void link_kick(struct sim_link *l)
{
    struct belay_link_stats s;

    if (!l->link || l->over)
        return;
    link_get_stats(l, &s);
    sim_note(l->all->w, "link %d: kicked", l->n);
    LINK_DO(l, belay_link_kick(l->link));
    if (s.state == BELAY_LINK_WAITING) {
        link_did(l, LINK_KICK);
        link_oracle_hurried(l, true);
    } else {
        l->kicked_turn = l->all->w->turns + 1; /* it may wait when that is heeded */
    }
}

void link_reset(struct sim_link *l)
{
    struct belay_link_stats s;

    if (!l->link || l->over)
        return;
    link_get_stats(l, &s);
    sim_note(l->all->w, "link %d: its backoff is reset", l->n);
    LINK_DO(l, belay_link_reset_backoff(l->link));
    if (s.state == BELAY_LINK_WAITING)
        link_did(l, LINK_RESET);
    link_oracle_reset(l);
}

void link_break(struct sim_link *l)
{
    struct belay_lease lease;

    if (!l->link || l->over || belay_link_current(l->link, &lease) < 0)
        return;
    sim_note(l->all->w, "link %d: its lease is released as broken", l->n);
    if (LINK_CALL(l, belay_lease_release(lease, BELAY_BROKEN)) < 0)
        sim_fail(l->all->w, "link %d: its lease is stale", l->n);
    link_did(l, LINK_BROKEN);
    l->broken = true;
    if (belay_link_current(l->link, &lease) == 0)
        sim_fail(l->all->w, "link %d gives a connection that was broken", l->n);
}

void link_take(struct sim_link *l)
{
    struct belay_lease lease;
    struct belay_stream *stream;
    struct sim_seen *seen;
    int r;

    if (!l->link || l->over || belay_link_current(l->link, &lease) < 0)
        return;
    seen = sim_seen_of_lease(l->all->w, lease);
    r = LINK_CALL(l, belay_lease_take(lease, &stream));
    if (r < 0) {
        if (r != (l->wires ? 0 : BELAY_ENOTSUP) && (r != BELAY_ENOMEM || !l->all->lenient))
            sim_fail(l->all->w, "link %d: take: %s", l->n, belay_error_name(r));
        return;
    }
    sim_note(l->all->w, "link %d: its connection is taken", l->n);
    link_did(l, LINK_TAKEN);
    l->broken = true;
    seen->taken = true;
    if (belay_link_current(l->link, &lease) == 0)
        sim_fail(l->all->w, "link %d gives a connection that was taken", l->n);
    LINK_DO(l, belay_stream_close(stream, 0, NULL, NULL));
}

void link_forget(struct sim_link *l)
{
    if (!l->link)
        return;
    if (!belay_link_is_closed(l->link))
        sim_fail(l->all->w, "link %d is open after its end", l->n);
    LINK_DO(l, belay_link_close(l->link, NULL, NULL)); /* which may be done as long as it is held */
    LINK_DO(l, belay_link_unref(l->link));
    l->link = NULL;
}

void link_fini(struct sim_link *l)
{
    link_source_fini(l);
    for (int i = 0; i < l->hosts_n; i++)
        belay_endpoint_unref(l->endpoints[i]);
    belay_endpoint_unref(l->address);
    belay_error_free(l->error);
    belay_error_free(l->probed);
    l->hosts_n = 0;
    l->address = NULL;
    l->error = l->probed = NULL;
}
