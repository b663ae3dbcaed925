/* SPDX-License-Identifier: MIT */
/* Every call on the pool, noted for the oracle. */
#include "sim/rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim/parts.h"

#define CALL(rig, expression)                                                                      \
    __extension__({                                                                                \
        (rig)->in_call++;                                                                          \
        __typeof__(expression) result_ = (expression);                                             \
        (rig)->in_call--;                                                                          \
        result_;                                                                                   \
    })

struct taken {
    struct bl_list link;
    struct belay_stream *stream;
};

static void *must_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (!memory)
        abort();
    return memory;
}

/* No callback may come from within a call, nor after the pool's end. */
static void enter_callback(struct sim_rig *rig, const char *what)
{
    if (rig->in_call)
        sim_fail(rig->w, "%s runs inside a call", what);
    if (rig->closed)
        sim_fail(rig->w, "%s runs after on_closed", what);
}

/* ---- the pool ---- */

int sim_rig_open(struct sim_rig *rig, const struct belay_pool_options *given)
{
    struct belay_pool_options o = given ? *given : belay_pool_options_init();
    struct belay_pool_callbacks hooks;
    struct belay_error error = {0};
    int r;

    if (!o.connector.ops && !rig->wires)
        o.connector = sim_fake_connector(rig->w);
    if (o.connector.ops && !o.connector.arg)
        o.connector.arg = rig->w;
    if (!o.dial && rig->dial.size)
        o.dial = &rig->dial;
    if (!o.callbacks && !rig->no_hooks) {
        hooks = sim_hooks;
        if (!rig->asks_health)
            hooks.health_check = NULL;
        o.callbacks = &hooks;
        o.callbacks_arg = rig;
    }
    if (!rig->w->loop)
        return BELAY_ENOMEM;
    r = CALL(rig, belay_pool_open(rig->w->loop, &o, &rig->pool, &error));
    if (r < 0) {
        sim_note(rig->w, "%s", error.text);
        rig->pool = NULL;
        return r;
    }
    rig->opened = o;
    rig->opened.connector = (struct belay_connector){0};
    rig->opened.dial = NULL;
    rig->opened.callbacks = NULL;
    rig->opened.callbacks_arg = NULL;
    rig->opened.cache = NULL;
    rig->opened.shared = false;
    sim_options_read(rig);
    sim_oracle_attach(rig);
    sim_limits_attach(rig);
    return 0;
}

static void on_closed(void *arg)
{
    struct sim_rig *rig = arg;

    enter_callback(rig, "on_closed");
    rig->closed = true;
    rig->closed_turn = rig->w->turns;
    rig->pool = NULL;
    sim_note(rig->w, "pool closed");
    if (rig->then_closed)
        rig->then_closed(rig, rig->then_arg);
}

/* The leases that are out end now. */
static void revoked(struct sim_rig *rig)
{
    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        if (ask->state != ASK_LEASED)
            continue;
        if (belay_lease_valid(ask->lease))
            sim_fail(rig->w, "a lease outlives the closing of its pool");
        sim_oracle_back(ask, BELAY_BROKEN);
        ask->state = ASK_REVOKED;
        bl_list_remove(&ask->pending);
    }
}

void sim_rig_close(struct sim_rig *rig)
{
    if (!rig->pool || rig->closed)
        return;
    sim_note(rig->w, "close the pool");
    if (!rig->closing)
        rig->closing_turn = rig->w->turns;
    rig->closing = true;
    rig->in_call++;
    if (rig->draining)
        belay_pool_close(rig->pool, NULL, NULL);
    else
        belay_pool_close(rig->pool, on_closed, rig);
    rig->draining = true; /* on_closed is given */
    rig->in_call--;
    revoked(rig);
}

void sim_rig_drain(struct sim_rig *rig)
{
    if (!rig->pool || rig->closed || rig->draining)
        return;
    sim_note(rig->w, "drain the pool");
    rig->closing = rig->draining = true;
    rig->closing_turn = rig->w->turns;
    rig->in_call++;
    belay_pool_drain(rig->pool, on_closed, rig);
    rig->in_call--;
}

struct sim_host *sim_rig_host(struct sim_rig *rig, const char *name)
{
    return sim_host_add(rig->w, name, 7000, &sim_line_server);
}

struct sim_target *sim_target_with(struct sim_rig *rig, struct sim_host *host,
                                   const struct belay_endpoint_options *options)
{
    struct sim_target *t;
    struct belay_endpoint *endpoint;
    struct belay_peer *peer;

    if (!rig->pool || belay_endpoint_new(rig->w->loop, options, &endpoint, NULL) < 0)
        return NULL;
    if (CALL(rig, belay_pool_peer(rig->pool, endpoint, &peer)) < 0) {
        belay_endpoint_unref(endpoint);
        return NULL;
    }
    t = must_alloc(sizeof *t);
    t->rig = rig;
    t->host = host;
    t->endpoint = endpoint;
    t->peer = peer;
    bl_list_push_back(&rig->targets, &t->link);
    return t;
}

struct sim_target *sim_target_new(struct sim_rig *rig, struct sim_host *host)
{
    struct belay_endpoint_options o = belay_endpoint_options_init();

    o.scheme = host->tls ? "tls" : "tcp";
    o.host = host->name;
    o.port = host->port;
    o.tls = host->tls ? rig->tls : NULL;
    return sim_target_with(rig, host, &o);
}

void sim_rig_stats(struct sim_rig *rig, struct belay_pool_stats *stats)
{
    *stats = belay_pool_stats_init();
    if (rig->pool)
        belay_pool_get_stats(rig->pool, stats);
}

/* ---- asking ---- */

static struct sim_ask *ask_new(struct sim_target *target, bool fresh)
{
    struct sim_ask *ask = must_alloc(sizeof *ask);

    ask->rig = target->rig;
    ask->target = target;
    ask->fresh = fresh;
    ask->seq = ++target->rig->next_seq;
    ask->asked_ns = target->rig->w->now_ns;
    bl_list_init(&ask->pending);
    bl_list_push_back(&target->rig->asks, &ask->link);
    return ask;
}

static void answered(struct sim_ask *ask, struct belay_lease lease)
{
    ask->answered_ns = ask->rig->w->now_ns;
    ask->answered_turn = ask->rig->w->turns;
    ask->waiter = NULL;
    ask->lease = lease;
    ask->target->answered++;
}

static void on_answer(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct sim_ask *ask = arg;
    struct sim_rig *rig = ask->rig;

    enter_callback(rig, "an answer");
    if (ask->state != ASK_WAITING)
        sim_fail(rig->w, "acquire %llu is answered in state %d", (unsigned long long)ask->seq,
                 (int)ask->state);
    answered(ask, lease);
    if (error) {
        sim_note(rig->w, "acquire %llu failed: %s", (unsigned long long)ask->seq, error->text);
        ask->error = *error;
        ask->error.tried = NULL;
        ask->error.tried_n = 0;
        ask->state = ASK_FAILED;
        bl_list_remove(&ask->pending);
        sim_oracle_refused(ask);
    } else {
        ask->state = ASK_LEASED;
        sim_oracle_given(ask);
    }
    sim_oracle_left(ask);
    if (ask->then)
        ask->then(ask, ask->then_arg);
}

struct sim_ask *sim_acquire_with(struct sim_target *target,
                                 const struct belay_acquire_options *options, int *ret_code)
{
    struct sim_rig *rig = target->rig;
    struct sim_ask *ask = ask_new(target, options->fresh);
    int64_t limit = options->timeout_ms ? options->timeout_ms : rig->options.acquire_timeout_ms;
    int r;

    ask->urgent = options->urgent;
    ask->tag = options->tag;
    ask->place = options->place;
    r = CALL(rig, belay_peer_acquire(target->peer, options, &ask->waiter, on_answer, ask));
    if (ret_code)
        *ret_code = r;
    if (r < 0) {
        bl_list_remove(&ask->link);
        free(ask);
        if (r == BELAY_EFULL && !rig->waits &&
            sim_waiting(target) < (unsigned)rig->options.max_waiters)
            sim_fail(rig->w, "the queue is full with %u waiting", sim_waiting(target));
        return NULL;
    }
    sim_oracle_asked(ask);
    ask->deadline_ns =
        limit < 0 || limit > INT64_MAX / 2000000 ? BELAY_NEVER : rig->w->now_ns + SIM_MS(limit);
    sim_note(rig->w, "acquire %llu of %s%s%s", (unsigned long long)ask->seq, target->host->name,
             ask->fresh ? ", fresh" : "", ask->urgent ? ", urgent" : "");
    bl_list_push_back(&rig->pending, &ask->pending);
    return ask;
}

struct sim_ask *sim_acquire(struct sim_target *target, int64_t timeout_ms, bool fresh,
                            int *ret_code)
{
    struct belay_acquire_options o = belay_acquire_options_init();

    o.timeout_ms = timeout_ms;
    o.fresh = fresh;
    return sim_acquire_with(target, &o, ret_code);
}

struct sim_ask *sim_try_acquire(struct sim_target *target, int *ret_code)
{
    struct sim_rig *rig = target->rig;
    struct belay_lease lease = {0};
    struct sim_ask *ask;
    int r = CALL(rig, belay_peer_try_acquire(target->peer, &lease));

    if (ret_code)
        *ret_code = r;
    if (r < 0)
        return NULL;
    ask = ask_new(target, false);
    ask->tried = true;
    ask->state = ASK_LEASED;
    bl_list_push_back(&rig->pending, &ask->pending);
    sim_note(rig->w, "try_acquire %llu of %s: given", (unsigned long long)ask->seq,
             target->host->name);
    if (sim_oldest(rig, target, ASK_WAITING))
        sim_fail(rig->w, "try_acquire overtakes a waiter");
    answered(ask, lease);
    sim_oracle_given(ask);
    return ask;
}

/* It waits by turning the loop: callbacks of others run meanwhile. */
struct sim_ask *sim_acquire_wait(struct sim_target *target, int64_t timeout_ms, int *ret_code)
{
    struct sim_rig *rig = target->rig;
    struct belay_lease lease = {0};
    struct belay_error error = {0};
    struct sim_ask *ask;
    int r;

    rig->waits++;
    r = belay_peer_acquire_wait(target->peer, timeout_ms, &lease, &error);
    rig->waits--;
    if (ret_code)
        *ret_code = r;
    sim_note(rig->w, "acquire_wait of %s: %s", target->host->name, r ? error.text : "given");
    rig->waits_failed += r < 0;
    if (sim_waiting(target) == 0)
        target->host->round_failed_ns = 0; /* its queue was empty for a moment */
    if (r < 0)
        return NULL;
    if (!belay_lease_valid(lease)) { /* somebody else's callback cleared the peer */
        rig->given++;
        rig->lost_waits++;
        return NULL;
    }
    ask = ask_new(target, false);
    ask->tried = ask->blocked = true;
    ask->state = ASK_LEASED;
    bl_list_push_back(&rig->pending, &ask->pending);
    answered(ask, lease);
    sim_oracle_given(ask);
    return ask;
}

/* A lease that has ended stays ended, whatever is tried with it. */
static void must_be_stale(struct sim_ask *ask)
{
    struct belay_stream *stream = NULL;

    if (belay_lease_valid(ask->lease) || belay_lease_conn(ask->lease) ||
        belay_lease_stream(ask->lease) || belay_lease_state(ask->lease) ||
        belay_lease_release(ask->lease, BELAY_REUSE) != BELAY_ESTALE ||
        belay_lease_take(ask->lease, &stream) != BELAY_ESTALE)
        sim_fail(ask->rig->w, "a lease that ended can still be used");
}

int sim_release(struct sim_ask *ask, enum belay_release how)
{
    struct sim_rig *rig = ask->rig;
    int r;

    if (ask->state != ASK_LEASED)
        return BELAY_ESTALE;
    sim_note(rig->w, "release %llu%s", (unsigned long long)ask->seq,
             how == BELAY_BROKEN ? ", broken" : "");
    if (ask->talking)
        belay_stream_set_callbacks(belay_lease_stream(ask->lease), NULL, NULL);
    ask->talking = false;
    r = CALL(rig, belay_lease_release(ask->lease, how));
    if (r < 0)
        sim_fail(rig->w, "release: %s", belay_error_name(r));
    sim_oracle_back(ask, how);
    ask->state = ASK_RELEASED;
    bl_list_remove(&ask->pending);
    must_be_stale(ask);
    return r;
}

void sim_cancel(struct sim_ask *ask)
{
    struct sim_rig *rig = ask->rig;

    if (ask->state != ASK_WAITING)
        return;
    sim_note(rig->w, "cancel %llu", (unsigned long long)ask->seq);
    rig->in_call++;
    belay_waiter_cancel(ask->waiter);
    rig->in_call--;
    ask->state = ASK_CANCELLED;
    ask->waiter = NULL;
    bl_list_remove(&ask->pending);
    if (rig->sabotage == SIM_SABOTAGE_CRASH && sim_waiting(ask->target) > 0)
        abort();
    sim_oracle_left(ask);
}

int sim_take(struct sim_ask *ask)
{
    struct sim_rig *rig = ask->rig;
    struct belay_stream *stream = NULL;
    struct taken *taken;
    int r;

    r = CALL(rig, belay_lease_take(ask->lease, &stream));
    if (r < 0)
        return r;
    sim_note(rig->w, "take %llu", (unsigned long long)ask->seq);
    taken = must_alloc(sizeof *taken);
    taken->stream = stream;
    bl_list_push_back(&rig->taken, &taken->link);
    if (sim_seen_of_stream(rig->w, stream) != ask->seen)
        sim_fail(rig->w, "take gives another connection than the leased one");
    ask->seen->taken = true;
    sim_oracle_back(ask, BELAY_BROKEN);
    ask->talking = false;
    ask->state = ASK_TAKEN;
    bl_list_remove(&ask->pending);
    must_be_stale(ask);
    return 0;
}

void sim_rig_close_taken(struct sim_rig *rig)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&rig->taken))) {
        struct taken *taken = BL_LIST_OF(node, struct taken, link);

        belay_stream_close(taken->stream, 0, NULL, NULL);
        free(taken);
    }
}

struct sim_ask *sim_oldest(struct sim_rig *rig, struct sim_target *target, enum sim_ask_state state)
{
    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        if (ask->state == state && (!target || ask->target == target))
            return ask;
    }
    return NULL;
}

unsigned sim_waiting(struct sim_target *target)
{
    unsigned n = 0;

    BL_LIST_EACH(node, &target->rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        n += ask->state == ASK_WAITING && ask->target->host == target->host;
    }
    return n;
}

unsigned sim_count(struct sim_rig *rig, struct sim_target *target, enum sim_ask_state state)
{
    unsigned n = 0;

    BL_LIST_EACH(node, &rig->asks)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, link);

        n += ask->state == state && (!target || ask->target == target);
    }
    return n;
}

unsigned sim_count_pending(struct sim_rig *rig)
{
    unsigned n = 0;

    BL_LIST_EACH(node, &rig->pending)
    n++;
    return n;
}
