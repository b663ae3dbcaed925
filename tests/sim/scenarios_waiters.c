/* SPDX-License-Identifier: MIT */
/* Who gets which connection, and how many are dialled for them. */
#include "sim/scenarios.h"

static void pool_gives_a_freed_lease_to_the_oldest_waiter(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *first, *second;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    held = lease(t);
    first = acquire(t);
    second = acquire(t);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, first->state == ASK_WAITING && second->state == ASK_WAITING);
    sim_release(held, BELAY_REUSE);
    sim_run_ms(rig->w, 1);
    SIM_EXPECT(rig, first->state == ASK_LEASED && second->state == ASK_WAITING);
    sim_release(first, BELAY_REUSE);
    sim_run_ms(rig->w, 1);
    SIM_EXPECT(rig, second->state == ASK_LEASED);
    SIM_EXPECT(rig, t->host->dials == 1);
}

static void waiter_is_served_by_whatever_comes_first(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *waiter;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    held = lease(t);
    t->host->latency_ns = SIM_MS(500);
    waiter = acquire(t);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, t->host->dials == 2 && waiter->state == ASK_WAITING);
    sim_release(held, BELAY_REUSE);
    sim_run_ms(rig->w, 1);
    SIM_EXPECT(rig, waiter->state == ASK_LEASED && waiter->seen == held->seen);
}

static void surplus_dial_ends_up_idle(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *waiter;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    held = lease(t);
    t->host->latency_ns = SIM_MS(200);
    waiter = acquire(t);
    sim_run_ms(rig->w, 10);
    sim_cancel(waiter);
    sim_release(held, BELAY_REUSE);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, stats(rig).idle == 2 && t->host->dials == 2);
}

static void dial_that_nobody_waits_for_is_not_started(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *asks[3];

    OPEN(rig, .max_connections_per_endpoint = 3);
    t = target(rig, "db.test");
    for (int i = 0; i < 3; i++)
        asks[i] = acquire(t);
    sim_cancel(asks[1]);
    sim_cancel(asks[2]);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, t->host->dials == 1 && asks[0]->state == ASK_LEASED);
}

static void pool_dials_one_connection_per_waiter_up_to_the_limit(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .max_connections_per_endpoint = 3);
    t = target(rig, "db.test");
    for (int i = 0; i < 5; i++)
        acquire(t);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, t->host->dials == 3 && t->host->peak == 3);
    SIM_EXPECT(rig, sim_count(rig, t, ASK_LEASED) == 3 && sim_count(rig, t, ASK_WAITING) == 2);
}

static void unknown_capacity_dials_one_then_one_more_every_50_ms(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .expected_capacity = BELAY_NONE);
    t = target(rig, "db.test");
    t->host->latency_ns = SIM_MS(100);
    for (int i = 0; i < 8; i++)
        acquire(t);
    sim_run_ms(rig->w, 49);
    SIM_EXPECT(rig, t->host->dials == 1);
    sim_run_ms(rig->w, 140);
    SIM_EXPECT(rig, t->host->dials == 4);
    SIM_EXPECT(rig, dial_gap_ms(t->host, 0, 1) == 50 && dial_gap_ms(t->host, 2, 3) == 50);
}

static void expected_capacity_decides_how_many_are_dialled(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .expected_capacity = 4);
    t = target(rig, "db.test");
    t->host->capacity = 4;
    for (int i = 0; i < 9; i++)
        acquire(t);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, t->host->dials == 3 && sim_count(rig, t, ASK_LEASED) == 9);
}

static void capacity_is_learned_from_the_first_connection(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .expected_capacity = BELAY_NONE);
    t = target(rig, "db.test");
    t->host->capacity = 100;
    for (int i = 0; i < 50; i++)
        acquire(t);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, t->host->dials == 1 && sim_count(rig, t, ASK_LEASED) == 50);
    for (int i = 0; i < 60; i++)
        acquire(t);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, t->host->dials == 2 && sim_count(rig, t, ASK_LEASED) == 110);
}

static void capacity_that_shrinks_to_0_lends_to_nobody(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *waiter;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    t->host->capacity = 3;
    held = lease(t);
    sim_fake_capacity(held->seen, 0);
    waiter = acquire(t);
    sim_run_ms(rig->w, 200);
    SIM_EXPECT(rig, waiter->state == ASK_WAITING);
    sim_fake_capacity(held->seen, 2);
    sim_run_ms(rig->w, 1);
    SIM_EXPECT(rig, waiter->state == ASK_LEASED && waiter->seen == held->seen);
}

static void cancelled_waiter_is_never_called_and_the_next_is_served(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *first, *second;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    held = lease(t);
    first = acquire(t);
    second = acquire(t);
    sim_release(held, BELAY_REUSE);
    sim_cancel(first); /* the connection is free for it already */
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, first->state == ASK_CANCELLED && second->state == ASK_LEASED);
}

static void waiter_beyond_max_waiters_is_refused(struct sim_rig *rig)
{
    struct sim_target *t;
    int code = 0;

    OPEN(rig, .max_connections_per_endpoint = 1, .max_waiters = 2);
    t = target(rig, "db.test");
    lease(t);
    acquire(t);
    acquire(t);
    SIM_EXPECT(rig, sim_acquire(t, 0, false, &code) == NULL && code == BELAY_EFULL);
}

static void acquire_that_never_waits_takes_what_is_idle(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held;
    int code = 0;

    OPEN(rig, .max_connections_per_endpoint = 1, .max_waiters = 1);
    t = target(rig, "db.test");
    held = lease(t);
    acquire(t);
    SIM_EXPECT(rig, sim_acquire(t, 0, false, &code) == NULL && code == BELAY_EFULL);
    sim_release(held, BELAY_REUSE);
    sim_run_ms(rig->w, 1);
    SIM_EXPECT(rig, sim_acquire(t, 0, false, &code) != NULL);
}

static void waiter_gives_up_in_the_queue_at_its_deadline(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *waiter;

    OPEN(rig, .max_connections_per_endpoint = 1, .acquire_timeout_ms = 3000);
    t = target(rig, "db.test");
    lease(t);
    waiter = acquire(t);
    sim_run_ms(rig->w, 2999);
    SIM_EXPECT(rig, waiter->state == ASK_WAITING);
    sim_run_ms(rig->w, 2);
    SIM_EXPECT(rig, waiter->state == ASK_FAILED && waiter->error.code == BELAY_ETIMEDOUT &&
                        waiter->error.stage == BELAY_STAGE_QUEUE);
}

static void waiter_has_a_deadline_of_its_own(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *hasty, *patient;

    OPEN(rig, .max_connections_per_endpoint = 1, .acquire_timeout_ms = 3000);
    t = target(rig, "db.test");
    lease(t);
    patient = sim_acquire(t, BELAY_FOREVER, false, NULL);
    hasty = sim_acquire(t, 5, false, NULL);
    SIM_EXPECT(rig, patient && hasty);
    sim_run_ms(rig->w, 6);
    SIM_EXPECT(rig, hasty->state == ASK_FAILED && patient->state == ASK_WAITING);
    sim_run_ms(rig->w, 400000);
    SIM_EXPECT(rig, patient->state == ASK_WAITING);
}

static void time_in_the_queue_is_not_charged_to_the_dial(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *waiter;

    rig->dial = belay_dial_options_init();
    rig->dial.session_timeout_ms = 2000;
    OPEN(rig, .max_connections_per_endpoint = 1, .acquire_timeout_ms = 60000);
    t = target(rig, "db.test");
    held = lease(t);
    waiter = acquire(t);
    sim_run_ms(rig->w, 20000);
    t->host->latency_ns = SIM_MS(600); /* the dial takes 1.2 to 1.8 s: within its own limit */
    sim_release(held, BELAY_BROKEN);
    sim_run_ms(rig->w, 1900);
    SIM_EXPECT(rig, waiter->state == ASK_LEASED);
}

static void waiter_for_a_fresh_connection_gets_one(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *used, *fresh;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    used = lease(t);
    sim_release(used, BELAY_REUSE);
    fresh = sim_acquire(t, 0, true, NULL);
    SIM_EXPECT(rig, fresh != NULL);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, fresh->state == ASK_LEASED && fresh->seen != used->seen && fresh->was_new);
}

static void fresh_waiter_at_the_limit_replaces_an_idle_connection(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *used, *fresh;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    used = lease(t);
    sim_release(used, BELAY_REUSE);
    fresh = sim_acquire(t, 0, true, NULL);
    SIM_EXPECT(rig, fresh != NULL);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, fresh->state == ASK_LEASED && fresh->was_new && !used->seen->live);
}

static void younger_waiter_may_use_what_a_fresh_one_cannot(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *fresh, *plain;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    held = lease(t);
    t->host->black_hole = true;
    fresh = sim_acquire(t, 0, true, NULL);
    plain = acquire(t);
    SIM_EXPECT(rig, fresh != NULL);
    sim_release(held, BELAY_REUSE);
    sim_run_ms(rig->w, 1);
    SIM_EXPECT(rig, plain->state == ASK_LEASED && fresh->state == ASK_WAITING);
}

static void try_acquire_takes_an_idle_connection_and_overtakes_nobody(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *waiter;
    int code = 0;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    SIM_EXPECT(rig, !sim_try_acquire(t, &code) && code == BELAY_EAGAIN);
    SIM_EXPECT(rig, t->host->dials == 0);
    held = lease(t);
    SIM_EXPECT(rig, !sim_try_acquire(t, &code) && code == BELAY_EAGAIN);
    waiter = acquire(t);
    sim_release(held, BELAY_REUSE);
    SIM_EXPECT(rig, !sim_try_acquire(t, &code) && code == BELAY_EAGAIN);
    sim_run_ms(rig->w, 1);
    sim_release(waiter, BELAY_REUSE);
    SIM_EXPECT(rig, sim_try_acquire(t, &code) != NULL);
}

static void acquire_again(struct sim_ask *ask, void *arg)
{
    struct sim_ask **ret = arg;

    sim_release(ask, BELAY_REUSE);
    *ret = sim_acquire(ask->target, 0, false, NULL);
}

static void callback_may_release_and_acquire(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *first, *older, *again = NULL;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    first = acquire(t);
    older = acquire(t);
    first->then = acquire_again;
    first->then_arg = &again;
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, again && older->state == ASK_LEASED && again->state == ASK_WAITING);
    sim_release(older, BELAY_REUSE);
    sim_run_ms(rig->w, 1);
    SIM_EXPECT(rig, again->state == ASK_LEASED);
}

static void cancel_other(struct sim_ask *ask, void *arg)
{
    (void)ask;
    sim_cancel(arg);
}

static void callback_may_cancel_another_waiter(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *first, *second;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    first = acquire(t);
    second = acquire(t);
    first->then = cancel_other;
    first->then_arg = second;
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, first->state == ASK_LEASED);
    SIM_EXPECT(rig, second->state == ASK_CANCELLED || second->state == ASK_LEASED);
}

static void connection_used_last_is_lent_first(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *a, *b, *c;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    a = lease(t);
    b = lease(t);
    sim_release(b, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    sim_release(a, BELAY_REUSE);
    c = lease(t);
    SIM_EXPECT(rig, c->seen == a->seen);
}

const struct sim_scenario sim_waiter_scenarios[] = {
    SIM_SCENARIO(pool_gives_a_freed_lease_to_the_oldest_waiter),
    SIM_SCENARIO(waiter_is_served_by_whatever_comes_first),
    SIM_SCENARIO(surplus_dial_ends_up_idle),
    SIM_SCENARIO(dial_that_nobody_waits_for_is_not_started),
    SIM_SCENARIO(pool_dials_one_connection_per_waiter_up_to_the_limit),
    SIM_SCENARIO(unknown_capacity_dials_one_then_one_more_every_50_ms),
    SIM_SCENARIO(expected_capacity_decides_how_many_are_dialled),
    SIM_SCENARIO(capacity_is_learned_from_the_first_connection),
    SIM_SCENARIO(capacity_that_shrinks_to_0_lends_to_nobody),
    SIM_SCENARIO(cancelled_waiter_is_never_called_and_the_next_is_served),
    SIM_SCENARIO(waiter_beyond_max_waiters_is_refused),
    SIM_SCENARIO(acquire_that_never_waits_takes_what_is_idle),
    SIM_SCENARIO(waiter_gives_up_in_the_queue_at_its_deadline),
    SIM_SCENARIO(waiter_has_a_deadline_of_its_own),
    SIM_SCENARIO(time_in_the_queue_is_not_charged_to_the_dial),
    SIM_SCENARIO(waiter_for_a_fresh_connection_gets_one),
    SIM_SCENARIO(fresh_waiter_at_the_limit_replaces_an_idle_connection),
    SIM_SCENARIO(younger_waiter_may_use_what_a_fresh_one_cannot),
    SIM_SCENARIO(try_acquire_takes_an_idle_connection_and_overtakes_nobody),
    SIM_SCENARIO(callback_may_release_and_acquire),
    SIM_SCENARIO(callback_may_cancel_another_waiter),
    SIM_SCENARIO(connection_used_last_is_lent_first),
    {0},
};
