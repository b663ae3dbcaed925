/* SPDX-License-Identifier: MIT */
/* Connections that are asked whether they are good: when, by whom, and what becomes of the answer. */
#include "sim/scenarios.h"

static void connection_idle_for_long_is_checked_before_it_is_lent(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *first, *second;

    OPEN(rig, .check_after_idle_ms = 1000);
    t = target(rig, "db.test");
    t->host->check_ns = SIM_MS(50);
    first = lease(t);
    sim_release(first, BELAY_REUSE);
    sim_run_ms(rig->w, 500);
    second = lease(t);
    SIM_EXPECT(rig, second->seen == first->seen && second->seen->checked_turn == 0);
    sim_release(second, BELAY_REUSE);
    sim_run_ms(rig->w, 1100);
    second = acquire(t);
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, second->state == ASK_WAITING && stats(rig).checking == 1);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, second->state == ASK_LEASED && second->seen == first->seen);
    SIM_EXPECT(rig, second->seen->checked_turn > 0 && t->host->dials == 1);
}

static void one_that_fails_the_check_before_lending_makes_way_for_the_next(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *a, *b, *next;

    OPEN(rig, .check_after_idle_ms = 100, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    a = lease(t);
    b = lease(t);
    sim_release(a, BELAY_REUSE);
    sim_release(b, BELAY_REUSE);
    sim_run_ms(rig->w, 200);
    sim_fake_sicken(b->seen); /* the one that comes first */
    next = lease(t);
    SIM_EXPECT(rig, next->seen == a->seen && b->seen->reason == BELAY_REASON_UNHEALTHY);
}

static void idle_connections_are_checked_at_intervals(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .check_interval_ms = 1000, .max_idle_time_ms = 10000);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_run_ms(rig->w, 5000);
    SIM_EXPECT(rig, stats(rig).checks == 0); /* whoever uses it knows */
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 3500);
    SIM_EXPECT(rig, stats(rig).checks >= 3 && ask->seen->live);
    sim_fake_sicken(ask->seen);
    sim_run_ms(rig->w, 1100);
    SIM_EXPECT(rig, !ask->seen->live && ask->seen->reason == BELAY_REASON_UNHEALTHY);
}

static void checks_do_not_prolong_idle_time(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .check_interval_ms = 700, .max_idle_time_ms = 5000);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 5050);
    SIM_EXPECT(rig, !ask->seen->live && ask->seen->reason == BELAY_REASON_IDLE);
}

static void health_check_says_no_and_the_next_is_tried(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *a, *b, *next;

    rig->asks_health = true;
    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    a = lease(t);
    b = lease(t);
    sim_release(a, BELAY_REUSE);
    sim_release(b, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    sim_fake_sicken(b->seen);
    next = lease(t);
    SIM_EXPECT(rig, next->seen == a->seen && b->seen->reason == BELAY_REASON_UNHEALTHY);
    SIM_EXPECT(rig, rig->told_closed[BELAY_REASON_UNHEALTHY] == 1);
}

static void connection_that_is_not_well_at_its_release_is_closed(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    rig->asks_health = true;
    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_fake_sicken(ask->seen);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, !ask->seen->live && ask->seen->reason == BELAY_REASON_UNHEALTHY);
}

static void connector_that_says_it_is_not_well_loses_the_connection(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask, *next;

    rig->no_hooks = true;
    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    sim_fake_sicken(ask->seen);
    next = lease(t);
    SIM_EXPECT(rig, next->seen != ask->seen && ask->seen->reason == BELAY_REASON_UNHEALTHY);
    sim_fake_sicken(next->seen);
    sim_release(next, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, next->seen->reason == BELAY_REASON_UNHEALTHY);
}

static void health_check_that_answers_later_is_waited_for(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask, *next;
    int code = 0;

    rig->asks_health = true;
    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    ask = lease(t);
    t->host->asks_later = true;
    t->host->check_ns = SIM_MS(100);
    sim_release(ask, BELAY_REUSE); /* asked at once */
    SIM_EXPECT(rig, !sim_try_acquire(t, &code) && code == BELAY_EAGAIN);
    next = acquire(t);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, next->state == ASK_WAITING && stats(rig).checking == 1);
    sim_run_ms(rig->w, 200);
    SIM_EXPECT(rig, next->state == ASK_LEASED && next->seen == ask->seen);
}

static void health_check_that_never_answers_is_a_no_in_time(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *a, *b, *next;

    rig->asks_health = true;
    OPEN(rig, .max_connections_per_endpoint = 2, .check_timeout_ms = 1000);
    t = target(rig, "db.test");
    a = lease(t);
    b = lease(t);
    sim_release(b, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    t->host->never_answers = true;
    next = acquire(t);
    sim_run_ms(rig->w, 20);
    t->host->never_answers = false;
    SIM_EXPECT(rig, next->state == ASK_WAITING && b->seen->asked);
    sim_run_ms(rig->w, 900);
    SIM_EXPECT(rig, b->seen->live && next->state == ASK_WAITING);
    sim_run_ms(rig->w, 200);
    SIM_EXPECT(rig, !b->seen->live && b->seen->reason == BELAY_REASON_UNHEALTHY);
    SIM_EXPECT(rig, next->state == ASK_LEASED && next->seen != a->seen);
}

static void check_that_never_answers_ends_the_connection_in_time(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .check_timeout_ms = 300);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    t->host->never_answers = true;
    sim_fake_suspect(ask->seen);
    sim_run_ms(rig->w, 250);
    SIM_EXPECT(rig, ask->seen->live && stats(rig).checking == 1);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, !ask->seen->live && ask->seen->reason == BELAY_REASON_UNHEALTHY);
}

static void siblings_of_a_hard_failure_are_verified_before_they_are_lent(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *a, *b, *c, *next;

    OPEN(rig, .max_connections_per_endpoint = 3);
    t = target(rig, "db.test");
    t->host->check_ns = SIM_MS(40);
    a = lease(t);
    b = lease(t);
    c = lease(t);
    sim_release(a, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    sim_fake_lose(c->seen, BELAY_REASON_ERROR);
    sim_run_ms(rig->w, 10);
    next = acquire(t);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, a->seen->asked && a->seen->held == 0);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, next->state == ASK_LEASED && next->seen == a->seen && a->seen->checked_turn);
    sim_release(b, BELAY_REUSE); /* in doubt since then */
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, b->seen->asked);
}

static void siblings_that_fail_the_check_are_not_lent(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *a, *b, *next;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    a = lease(t);
    b = lease(t);
    sim_release(a, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    t->host->bad_check = true;
    sim_fake_lose(b->seen, BELAY_REASON_ERROR);
    sim_release(b, BELAY_BROKEN);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, !a->seen->live && a->seen->reason == BELAY_REASON_UNHEALTHY);
    next = lease(t);
    SIM_EXPECT(rig, next->seen != a->seen && t->host->dials == 3);
}

static void peer_that_closes_one_politely_casts_no_doubt_on_the_others(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *a, *b;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    a = lease(t);
    b = lease(t);
    sim_release(a, BELAY_REUSE);
    sim_release(b, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    sim_fake_lose(b->seen, BELAY_REASON_PEER_CLOSED);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, lease(t)->seen == a->seen && a->seen->checked_turn == 0);
}

const struct sim_scenario sim_check_scenarios[] = {
    SIM_SCENARIO(connection_idle_for_long_is_checked_before_it_is_lent),
    SIM_SCENARIO(one_that_fails_the_check_before_lending_makes_way_for_the_next),
    SIM_SCENARIO(idle_connections_are_checked_at_intervals),
    SIM_SCENARIO(checks_do_not_prolong_idle_time),
    SIM_SCENARIO(health_check_says_no_and_the_next_is_tried),
    SIM_SCENARIO(connection_that_is_not_well_at_its_release_is_closed),
    SIM_SCENARIO(connector_that_says_it_is_not_well_loses_the_connection),
    SIM_SCENARIO(health_check_that_answers_later_is_waited_for),
    SIM_SCENARIO(health_check_that_never_answers_is_a_no_in_time),
    SIM_SCENARIO(check_that_never_answers_ends_the_connection_in_time),
    SIM_SCENARIO(siblings_of_a_hard_failure_are_verified_before_they_are_lent),
    SIM_SCENARIO(siblings_that_fail_the_check_are_not_lent),
    SIM_SCENARIO(peer_that_closes_one_politely_casts_no_doubt_on_the_others),
    {0},
};
