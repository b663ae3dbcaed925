/* SPDX-License-Identifier: MIT */
/* How leases and pools end. */
#include "sim/scenarios.h"

static void drain_waits_for_the_leases(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *a, *b, *idle;

    OPEN(rig, .max_connections_per_endpoint = 3);
    t = target(rig, "db.test");
    a = lease(t);
    b = lease(t);
    idle = lease(t);
    sim_release(idle, BELAY_REUSE);
    sim_rig_drain(rig);
    sim_run_ms(rig->w, 5000);
    SIM_EXPECT(rig, !rig->closed && belay_lease_valid(a->lease) && !idle->seen->live);
    sim_release(a, BELAY_REUSE);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, !rig->closed);
    sim_release(b, BELAY_REUSE);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, rig->closed);
}

static void drain_tells_those_who_wait(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *waiter;
    int code = 0;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    held = lease(t);
    waiter = acquire(t);
    sim_rig_drain(rig);
    SIM_EXPECT(rig, waiter->state == ASK_WAITING);
    SIM_EXPECT(rig, !sim_acquire(t, 0, false, &code) && code == BELAY_ECLOSED);
    SIM_EXPECT(rig, !sim_try_acquire(t, &code) && code == BELAY_ECLOSED);
    sim_run_ms(rig->w, 1);
    SIM_EXPECT(rig, waiter->state == ASK_FAILED && waiter->error.code == BELAY_ECLOSED);
    sim_release(held, BELAY_REUSE);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, rig->closed);
}

static void close_hurries_a_drain_up(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    held = lease(t);
    sim_rig_drain(rig);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, !rig->closed);
    sim_rig_close(rig);
    SIM_EXPECT(rig, held->state == ASK_REVOKED);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, rig->closed);
}

static void close_revokes_leases_and_tells_waiters(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *waiter;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    held = lease(t);
    waiter = acquire(t);
    sim_rig_close(rig);
    SIM_EXPECT(rig, belay_lease_release(held->lease, BELAY_REUSE) == BELAY_ESTALE);
    SIM_EXPECT(rig, waiter->state == ASK_WAITING);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, waiter->state == ASK_FAILED && waiter->error.code == BELAY_ECLOSED);
    SIM_EXPECT(rig, rig->closed && held->seen->reason == BELAY_REASON_POOL_CLOSED);
}

static void close_may_be_called_again(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    t->host->close_ns = SIM_MS(100);
    lease(t);
    sim_rig_close(rig);
    sim_rig_close(rig);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, !rig->closed);
    sim_rig_close(rig);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, rig->closed);
}

static void lease_released_twice_is_stale(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *first, *second;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    first = lease(t);
    sim_release(first, BELAY_REUSE);
    second = lease(t);
    SIM_EXPECT(rig, first->seen == second->seen);
    SIM_EXPECT(rig, belay_lease_release(first->lease, BELAY_BROKEN) == BELAY_ESTALE);
    SIM_EXPECT(rig, belay_lease_valid(second->lease));
    SIM_EXPECT(rig, belay_lease_release((struct belay_lease){0}, BELAY_REUSE) == BELAY_ESTALE);
}

static void take_removes_the_connection_for_good(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask, *next;

    rig->wires = true;
    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    ask = lease(t);
    SIM_EXPECT(rig, sim_take(ask) == 0);
    next = lease(t);
    SIM_EXPECT(rig, t->host->live == 2 && next->seen != ask->seen);
    SIM_EXPECT(rig, stats(rig).closed[BELAY_REASON_TAKEN] == 1);
    sim_release(next, BELAY_REUSE);
    sim_rig_close(rig);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, rig->closed && ask->seen->live);
}

static void take_needs_a_stream_that_nobody_shares(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *a, *b;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    t->host->capacity = 2;
    a = lease(t);
    b = lease(t);
    SIM_EXPECT(rig, sim_take(a) == BELAY_EAGAIN);
    sim_release(b, BELAY_REUSE);
    SIM_EXPECT(rig, sim_take(a) == BELAY_ENOTSUP && belay_lease_valid(a->lease));
}

static void close_pool(struct sim_ask *ask, void *arg)
{
    sim_rig_close(arg);
    (void)ask;
}

static void pool_may_be_closed_in_an_answer(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *first, *second;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    first = acquire(t);
    second = acquire(t);
    first->then = close_pool;
    first->then_arg = rig;
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, rig->closed && first->state == ASK_REVOKED);
    SIM_EXPECT(rig, second->state == ASK_FAILED || second->state == ASK_REVOKED);
}

static void pool_may_be_closed_in_a_failure(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *first;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    t->host->fatal = true;
    first = acquire(t);
    acquire(t);
    first->then = close_pool;
    first->then_arg = rig;
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, rig->closed && sim_count(rig, t, ASK_FAILED) == 2);
}

static void close_while_dialling_cancels_the_dials(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .max_connections_per_endpoint = 3);
    t = target(rig, "db.test");
    t->host->latency_ns = SIM_MS(300);
    for (int i = 0; i < 3; i++)
        acquire(t);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, t->host->live == 3);
    sim_rig_close(rig);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, rig->closed && t->host->accepted == 0);
}

static void on_closed_waits_for_a_cancel_that_takes_its_time(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    t->host->black_hole = t->host->late_cancel = true;
    acquire(t);
    sim_run_ms(rig->w, 100);
    sim_rig_close(rig);
    sim_run_ms(rig->w, 0);
    SIM_EXPECT(rig, !rig->closed && t->host->live == 1);
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, rig->closed);
}

static void peer_may_be_held_after_its_pool(struct sim_rig *rig)
{
    struct sim_target *t;
    int code = 0;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    lease(t);
    sim_rig_close(rig);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, rig->closed);
    SIM_EXPECT(rig, !sim_acquire(t, 0, false, &code) && code == BELAY_ECLOSED);
    SIM_EXPECT(rig, !sim_try_acquire(t, &code) && code == BELAY_ECLOSED);
    SIM_EXPECT(rig, belay_endpoint_equal(belay_peer_endpoint(t->peer), t->endpoint));
}

static void pool_without_connections_closes_at_once(struct sim_rig *rig)
{
    OPEN(rig, .max_connections_per_endpoint = 1);
    sim_rig_close(rig);
    SIM_EXPECT(rig, !rig->closed);
    sim_run_ms(rig->w, 1);
    SIM_EXPECT(rig, rig->closed);
}

static void same_endpoint_has_the_same_peer(struct sim_rig *rig)
{
    struct sim_target *a, *b;
    struct sim_ask *first, *second;

    OPEN(rig, .max_connections_per_endpoint = 1);
    a = target(rig, "db.test");
    b = sim_target_new(rig, a->host);
    SIM_EXPECT(rig, b && a->peer == b->peer);
    first = lease(a);
    sim_release(first, BELAY_REUSE);
    second = lease(b);
    SIM_EXPECT(rig, first->seen == second->seen);
}

static void tag_keeps_connections_apart(struct sim_rig *rig)
{
    struct belay_endpoint_options o = belay_endpoint_options_init();
    struct sim_target *a, *b;
    struct sim_ask *first, *second;

    rig->lax = true;
    OPEN(rig, .max_connections_per_endpoint = 1);
    a = target(rig, "db.test");
    o.url = "tcp://db.test:7000";
    o.tag = "tenant";
    b = sim_target_with(rig, a->host, &o);
    SIM_EXPECT(rig, b && a->peer != b->peer);
    first = lease(a);
    sim_release(first, BELAY_REUSE);
    second = lease(b);
    SIM_EXPECT(rig, first->seen != second->seen);
}

static void blocking_acquire_turns_the_loop(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;
    int code = 0;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    t->host->latency_ns = SIM_MS(50);
    ask = sim_acquire_wait(t, 1000, &code);
    SIM_EXPECT(rig, ask && code == 0);
    SIM_EXPECT(rig, !sim_acquire_wait(t, 1000, &code) && code == BELAY_ETIMEDOUT);
    sim_release(ask, BELAY_REUSE);
    SIM_EXPECT(rig, sim_acquire_wait(t, 1000, &code) != NULL);
}

static void wait_inside(struct sim_ask *ask, void *arg)
{
    sim_acquire_wait(ask->target, 1000, arg);
}

static void blocking_acquire_in_a_callback_is_refused(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;
    int code = 0;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    ask = acquire(t);
    ask->then = wait_inside;
    ask->then_arg = &code;
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, ask->state == ASK_LEASED && code == BELAY_EDEADLK);
}

const struct sim_scenario sim_end_scenarios[] = {
    SIM_SCENARIO(drain_waits_for_the_leases),
    SIM_SCENARIO(drain_tells_those_who_wait),
    SIM_SCENARIO(close_hurries_a_drain_up),
    SIM_SCENARIO(close_revokes_leases_and_tells_waiters),
    SIM_SCENARIO(close_may_be_called_again),
    SIM_SCENARIO(lease_released_twice_is_stale),
    SIM_SCENARIO(take_removes_the_connection_for_good),
    SIM_SCENARIO(take_needs_a_stream_that_nobody_shares),
    SIM_SCENARIO(pool_may_be_closed_in_an_answer),
    SIM_SCENARIO(pool_may_be_closed_in_a_failure),
    SIM_SCENARIO(close_while_dialling_cancels_the_dials),
    SIM_SCENARIO(on_closed_waits_for_a_cancel_that_takes_its_time),
    SIM_SCENARIO(peer_may_be_held_after_its_pool),
    SIM_SCENARIO(pool_without_connections_closes_at_once),
    SIM_SCENARIO(same_endpoint_has_the_same_peer),
    SIM_SCENARIO(tag_keeps_connections_apart),
    SIM_SCENARIO(blocking_acquire_turns_the_loop),
    SIM_SCENARIO(blocking_acquire_in_a_callback_is_refused),
    {0},
};
