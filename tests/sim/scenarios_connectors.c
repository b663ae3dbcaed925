/* SPDX-License-Identifier: MIT */
/* Connectors that do what they should not, or at a moment when nobody expects it: nothing is lost, and the pool still works. */
#include "base/error.h"
#include "sim/scenarios.h"

/* The fake connector, and once something odd beside it. */
static struct {
    struct belay_connector_ops ops;
    void (*odd)(struct belay_conn *conn, struct sim_seen *seen);
    int times;
} odd;

static void once(struct belay_conn *conn)
{
    if (odd.times-- > 0)
        odd.odd(conn, sim_fake_seen(conn));
}

static void odd_acquired(struct belay_conn *conn, void *arg)
{
    sim_fake_ops.acquired(conn, arg);
    once(conn);
}

static void odd_released(struct belay_conn *conn, void *arg)
{
    sim_fake_ops.released(conn, arg);
    once(conn);
}

static void odd_check(struct belay_conn *conn, void *arg)
{
    (void)arg;
    once(conn);
}

static void use_odd(struct sim_rig *rig, void (*fn)(struct belay_conn *conn, struct sim_seen *seen),
                    struct belay_pool_options *o)
{
    odd.odd = fn;
    odd.times = 1;
    odd.ops = sim_fake_ops;
    *o = belay_pool_options_init();
    o->connector.ops = &odd.ops;
    (void)rig;
}

static void completes_again(struct belay_conn *conn, struct sim_seen *seen)
{
    struct belay_error e;

    bl_error_set(&e, BELAY_ECONNECT, BELAY_STAGE_CONNECT, "it has failed after all");
    belay_conn_open_done(conn, belay_conn_state(conn), 5);
    belay_conn_open_failed(conn, &e);
    belay_conn_checked(conn, 0);
    belay_conn_checked(conn, BELAY_EUNHEALTHY);
    (void)seen;
}

static void connector_that_completes_twice_is_heard_once(struct sim_rig *rig)
{
    struct belay_pool_options o;
    struct sim_target *t;
    struct sim_ask *ask, *next;

    use_odd(rig, completes_again, &o);
    odd.ops.acquired = odd_acquired;
    o.max_connections_per_endpoint = 1;
    SIM_EXPECT(rig, sim_rig_open(rig, &o) == 0);
    t = target(rig, "db.test");
    ask = lease(t);
    next = acquire(t);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, next->state == ASK_WAITING && belay_lease_valid(ask->lease));
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, next->state == ASK_LEASED && next->seen == ask->seen);
}

static void is_lost(struct belay_conn *conn, struct sim_seen *seen)
{
    (void)conn;
    sim_fake_lose(seen, BELAY_REASON_ERROR);
}

static void is_lost_at_once(struct belay_conn *conn, struct sim_seen *seen)
{
    seen->host->world->first_uses--; /* it comes to nothing */
    is_lost(conn, seen);
}

static void connection_that_is_lost_in_on_acquire_is_not_given(struct sim_rig *rig)
{
    struct belay_pool_options o;
    struct sim_target *t;
    struct sim_ask *ask;

    use_odd(rig, is_lost_at_once, &o);
    odd.ops.acquired = odd_acquired;
    o.connect_retry_delay_ms = 100;
    SIM_EXPECT(rig, sim_rig_open(rig, &o) == 0);
    rig->lax = true; /* a lease that nobody saw */
    t = target(rig, "db.test");
    ask = acquire(t);
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, ask->state == ASK_LEASED && belay_lease_valid(ask->lease));
    SIM_EXPECT(rig, t->host->dials == 2 && t->host->live == 1);
}

static void connection_that_is_lost_in_on_release_is_closed(struct sim_rig *rig)
{
    struct belay_pool_options o;
    struct sim_target *t;
    struct sim_ask *ask;

    use_odd(rig, is_lost, &o);
    odd.ops.released = odd_released;
    SIM_EXPECT(rig, sim_rig_open(rig, &o) == 0);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, !ask->seen->live && ask->seen->reason != BELAY_REASON_NONE);
    SIM_EXPECT(rig, lease(t)->seen != ask->seen);
}

static void connection_that_is_lost_in_its_check_is_closed(struct sim_rig *rig)
{
    struct belay_pool_options o;
    struct sim_target *t;
    struct sim_ask *ask, *next;

    use_odd(rig, is_lost, &o);
    odd.ops.check = odd_check;
    SIM_EXPECT(rig, sim_rig_open(rig, &o) == 0);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    sim_fake_suspect(ask->seen);
    next = lease(t);
    SIM_EXPECT(rig, !ask->seen->live && next->seen != ask->seen);
}

static void connection_that_opens_with_capacity_0_serves_nobody_until_it_has_some(
    struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    t->host->capacity = 0;
    ask = acquire(t);
    sim_run_ms(rig->w, 5000);
    SIM_EXPECT(rig, ask->state == ASK_WAITING && t->host->live >= 1 && t->host->dials <= 60);
    t->host->capacity = 1;
    sim_host_heal(t->host); /* gives them one */
    sim_run_ms(rig->w, 5000);
    SIM_EXPECT(rig, ask->state == ASK_LEASED);
}

static void connector_that_never_completes_is_given_up(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    rig->dial = belay_dial_options_init();
    rig->dial.session_timeout_ms = 1000;
    OPEN(rig, .connect_retry_count = BELAY_NONE);
    t = target(rig, "db.test");
    t->host->black_hole = true;
    ask = acquire(t);
    sim_run_ms(rig->w, 1100);
    SIM_EXPECT(rig, ask->state == ASK_FAILED && ask->error.code == BELAY_ETIMEDOUT);
    SIM_EXPECT(rig, ask->error.stage == BELAY_STAGE_PROTOCOL && t->host->live == 0);
}

static void capacity_may_change_at_any_moment_and_no_lease_is_lost(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *a, *b, *c;

    OPEN(rig, .max_connections_per_endpoint = 1, .expected_capacity = 2);
    t = target(rig, "db.test");
    t->host->capacity = 2;
    a = lease(t);
    b = lease(t);
    SIM_EXPECT(rig, a->seen == b->seen);
    sim_fake_capacity(a->seen, 0);
    c = acquire(t);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, belay_lease_valid(a->lease) && belay_lease_valid(b->lease));
    sim_release(a, BELAY_REUSE);
    sim_release(b, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, c->state == ASK_WAITING || c->seen != a->seen);
    if (c->state == ASK_WAITING)
        sim_fake_capacity(a->seen, 3);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, c->state == ASK_LEASED);
}

const struct sim_scenario sim_connector_scenarios[] = {
    SIM_SCENARIO(connector_that_completes_twice_is_heard_once),
    SIM_SCENARIO(connection_that_is_lost_in_on_acquire_is_not_given),
    SIM_SCENARIO(connection_that_is_lost_in_on_release_is_closed),
    SIM_SCENARIO(connection_that_is_lost_in_its_check_is_closed),
    SIM_SCENARIO(connection_that_opens_with_capacity_0_serves_nobody_until_it_has_some),
    SIM_SCENARIO(connector_that_never_completes_is_given_up),
    SIM_SCENARIO(capacity_may_change_at_any_moment_and_no_lease_is_lost),
    {0},
};
