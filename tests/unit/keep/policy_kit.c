/* SPDX-License-Identifier: MIT */
/* Performing what the policy decided, and writing it down. */
#include "unit/keep/policy_kit.h"

struct bl_pp_limits pk_limits(void)
{
    return (struct bl_pp_limits){
        .per_endpoint = 10,
        .total = 1000,
        .uses = INT32_MAX,
        .waiters = 100,
        .idle_ns = BELAY_NEVER,
        .lifetime_ns = BELAY_NEVER,
        .retries = 3,
        .expected = 1,
        .dials = INT32_MAX,
        .dials_total = INT32_MAX,
        .max_idle = INT32_MAX,
        .max_idle_total = INT32_MAX,
        .check_after_ns = BELAY_NEVER,
        .check_every_ns = BELAY_NEVER,
        .order = BELAY_REUSE_LIFO,
    };
}

void pk_init(struct pk *k, const struct bl_pp_limits *limits)
{
    struct belay_backoff_options o = belay_backoff_options_init();
    struct belay_backoff backoff;

    o.jitter = BELAY_JITTER_NONE;
    assert_int_equal(belay_backoff_init(&backoff, &o), 0);
    memset(k, 0, sizeof *k);
    k->now = PK_START;
    bl_pp_init(&k->pp, limits);
    k->pp.eager.entries = k->eager;
    k->pp.oldest.entries = k->oldest;
    k->pp.eager.reserved = k->pp.oldest.reserved = PK_PEERS;
    k->pp.eager.capacity = k->pp.oldest.capacity = PK_PEERS;
    for (int i = 0; i < PK_PEERS; i++)
        bl_pp_peer_init(&k->peers[i], &k->pp, &backoff);
}

struct bl_pp_peer *pk_peer(struct pk *k, int i)
{
    return &k->peers[i];
}

static struct pk_conn *conn_of(struct bl_pp_conn *pp)
{
    return BL_CONTAINER(pp, struct pk_conn, pp);
}

static struct pk_waiter *waiter_of(struct bl_pp_waiter *pp)
{
    return BL_CONTAINER(pp, struct pk_waiter, pp);
}

static void dial(struct pk *k, struct bl_pp_peer *peer)
{
    for (unsigned i = 0; i < PK_CONNS; i++) {
        struct pk_conn *c = &k->conns[(k->latest + 1 + i) % PK_CONNS];

        if (c->exists)
            continue;
        memset(c, 0, sizeof *c);
        c->exists = true;
        c->peer = peer;
        c->facts.capacity = 1;
        bl_pp_dial_started(&c->pp, peer, k->now);
        k->latest = (unsigned)(c - k->conns);
        k->dials++;
        return;
    }
    fail_msg("more than %d connections", PK_CONNS);
}

static void serve(struct pk *k, struct bl_pp_peer *peer)
{
    struct bl_pp_conn *c;
    struct bl_pp_waiter *pp;

    while (bl_pp_hungry(peer) && (pp = bl_pp_next(peer, &c, k->now))) {
        struct pk_waiter *w = waiter_of(pp);

        bl_pp_lend(c);
        bl_pp_served(pp, k->now);
        assert_true(w->waiting);
        w->waiting = false;
        w->got = conn_of(c);
        w->order = ++k->served;
    }
}

static void perform_lists(struct pk *k)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&k->pp.failed))) {
        struct pk_waiter *w = waiter_of(BL_LIST_OF(node, struct bl_pp_waiter, link));

        assert_true(w->waiting);
        w->waiting = false;
        w->code = w->pp.code;
    }
    while ((node = bl_list_pop_front(&k->pp.checks)))
        conn_of(BL_LIST_OF(node, struct bl_pp_conn, todo))->checking = true;
    while ((node = bl_list_pop_front(&k->pp.closes))) {
        struct pk_conn *c = conn_of(BL_LIST_OF(node, struct bl_pp_conn, todo));

        assert_false(c->closing);
        c->closing = true;
        c->checking = false;
    }
}

void pk_run(struct pk *k)
{
    struct bl_pp_peer *peer;

    for (int i = 0; i < PK_PEERS; i++) {
        serve(k, &k->peers[i]);
        bl_pp_trim(&k->peers[i]);
        bl_pp_consider(&k->peers[i], k->now);
    }
    bl_pp_trim_total(&k->pp);
    while ((peer = bl_pp_next_dial(&k->pp, k->now)))
        dial(k, peer);
    perform_lists(k);
    for (int i = 0; i < PK_PEERS; i++)
        bl_pp_check_peer(&k->peers[i]);
}

void pk_pass(struct pk *k, uint64_t ms)
{
    k->now += PK_MS(ms);
    for (int i = 0; i < PK_CONNS; i++)
        if (k->conns[i].exists && bl_pp_due(&k->conns[i].pp) <= k->now)
            bl_pp_expire(&k->conns[i].pp, k->now);
    pk_run(k);
}

static struct pk_waiter *wait_for(struct pk *k, int peer, bool fresh, bool urgent, bool again)
{
    for (int i = 0; i < PK_WAITERS; i++) {
        struct pk_waiter *w = &k->waiters[i];

        if (w->waiting || w->got || w->code)
            continue;
        w->waiting = true;
        w->pp.fresh = fresh;
        w->pp.urgent = urgent;
        if (again)
            assert_int_equal(bl_pp_wait_again(&k->peers[peer], &w->pp, k->now), 0);
        else
            assert_int_equal(bl_pp_wait(&k->peers[peer], &w->pp, k->now), 0);
        pk_run(k);
        return w;
    }
    fail_msg("more than %d waiters", PK_WAITERS);
    return NULL;
}

struct pk_waiter *pk_wait(struct pk *k, int peer)
{
    return wait_for(k, peer, false, false, false);
}

struct pk_waiter *pk_wait_fresh(struct pk *k, int peer)
{
    return wait_for(k, peer, true, false, false);
}

struct pk_waiter *pk_wait_urgent(struct pk *k, int peer)
{
    return wait_for(k, peer, false, true, false);
}

struct pk_waiter *pk_wait_again(struct pk *k, int peer)
{
    return wait_for(k, peer, false, false, true);
}

struct pk_conn *pk_dialing(struct pk *k, int peer)
{
    for (unsigned i = 0; i < PK_CONNS; i++) {
        struct pk_conn *c = &k->conns[(k->latest + 1 + i) % PK_CONNS];

        if (c->exists && c->peer == &k->peers[peer] && c->pp.state == BL_PP_DIALING)
            return c;
    }
    fail_msg("peer %d is not dialling", peer);
    return NULL;
}

void pk_up(struct pk *k, struct pk_conn *c, int capacity)
{
    c->facts.capacity = capacity;
    bl_pp_opened(&c->pp, &c->facts, k->now);
    pk_run(k);
}

void pk_fail(struct pk *k, struct pk_conn *c, int code)
{
    struct belay_error error = {.code = code, .stage = BELAY_STAGE_CONNECT};

    error.kind = belay_error_kind_of(code);
    bl_pp_dial_failed(&c->pp, &error, 0, k->now);
    c->exists = false;
    pk_run(k);
}

void pk_release(struct pk *k, struct pk_conn *c, bool broken)
{
    if (!bl_pp_release_simple(&c->pp, broken, k->now))
        bl_pp_release(&c->pp, broken, k->now);
    else if (k->pp.eager.count > 0)
        bl_pp_idled(c->pp.peer, k->now);
    pk_run(k);
}

struct pk_conn *pk_try(struct pk *k, int peer)
{
    struct bl_pp_conn *c = bl_pp_try_simple(&k->peers[peer], k->now);

    if (!c) {
        c = bl_pp_pick_now(&k->peers[peer], k->now);
        if (c)
            bl_pp_lend(c);
    }
    return c ? conn_of(c) : NULL;
}

void pk_changed(struct pk *k, struct pk_conn *c, bool can_check)
{
    c->pp.checkable = can_check;
    bl_pp_changed(&c->pp, &c->facts);
    pk_run(k);
}

void pk_checked(struct pk *k, struct pk_conn *c, int result)
{
    c->checking = false;
    if (result == 0)
        c->facts.suspect = false;
    bl_pp_checked(&c->pp, result, k->now);
    pk_run(k);
}

void pk_gone(struct pk *k, struct pk_conn *c)
{
    bl_pp_gone(&c->pp);
    c->exists = false;
    pk_run(k);
}

struct pk_conn *pk_idle(struct pk *k, int peer)
{
    struct pk_waiter *w = pk_wait(k, peer);
    struct pk_conn *c = pk_dialing(k, peer);

    pk_up(k, c, 1);
    assert_ptr_equal(w->got, c);
    pk_release(k, c, false);
    return c;
}

int pk_dials(struct pk *k, int peer)
{
    int n = 0;

    for (int i = 0; i < PK_CONNS; i++)
        n += k->conns[i].exists && k->conns[i].peer == &k->peers[peer] &&
             k->conns[i].pp.state == BL_PP_DIALING;
    return n;
}

struct belay_pool_stats pk_stats(const struct pk *k)
{
    struct belay_pool_stats s;

    bl_pp_stats(&k->pp, &s);
    return s;
}

struct belay_pool_stats pk_peer_stats(const struct pk *k, int peer)
{
    struct belay_pool_stats s;

    bl_pp_peer_stats(&k->peers[peer], &s);
    return s;
}

void pk_assert_closing(const struct pk_conn *c, enum belay_reason reason)
{
    assert_true(c->closing);
    assert_string_equal(belay_reason_name((enum belay_reason)c->pp.reason),
                        belay_reason_name(reason));
}
