/* SPDX-License-Identifier: MIT */
/* What a failed dial means, for whom, and when the next one is made. */
#include "sim/scenarios.h"

static void refused_peer_is_dialled_4_times_with_growing_delays(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .max_waiters = 5);
    t = target(rig, "db.test");
    t->host->refuse = true;
    t->host->latency_ns = SIM_MS(1);
    ask = acquire(t);
    sim_run_ms(rig->w, 5000);
    SIM_EXPECT(rig, ask->state == ASK_FAILED && ask->error.stage == BELAY_STAGE_CONNECT);
    SIM_EXPECT(rig, ask->error.code == BELAY_ECONNECT && ask->error.attempt == 4);
    SIM_EXPECT(rig, t->host->dials == 4);
    SIM_EXPECT(rig, dial_gap_ms(t->host, 0, 1) >= 80 && dial_gap_ms(t->host, 0, 1) <= 125);
    SIM_EXPECT(rig, dial_gap_ms(t->host, 1, 2) >= 160 && dial_gap_ms(t->host, 1, 2) <= 245);
    SIM_EXPECT(rig, dial_gap_ms(t->host, 2, 3) >= 320 && dial_gap_ms(t->host, 2, 3) <= 485);
}

static void failure_worth_a_retry_fails_at_most_the_oldest_waiter(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *first, *second;

    OPEN(rig, .max_connections_per_endpoint = 1, .connect_retry_count = BELAY_NONE);
    t = target(rig, "db.test");
    t->host->refuse = true;
    first = acquire(t);
    second = acquire(t);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, first->state == ASK_FAILED && second->state == ASK_WAITING);
    sim_host_heal(t->host);
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, second->state == ASK_LEASED);
}

static void dials_that_fail_together_count_as_one(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .max_connections_per_endpoint = 8);
    t = target(rig, "db.test");
    t->host->refuse = true;
    for (int i = 0; i < 8; i++)
        acquire(t);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, sim_count(rig, t, ASK_WAITING) == 8);
    sim_host_heal(t->host);
    sim_run_ms(rig->w, 200);
    SIM_EXPECT(rig, sim_count(rig, t, ASK_LEASED) == 8);
}

static void fatal_failure_fails_all_who_wait_and_is_not_retried(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    t->host->fatal = true;
    for (int i = 0; i < 3; i++)
        acquire(t);
    sim_run_ms(rig->w, 5000);
    SIM_EXPECT(rig, sim_count(rig, t, ASK_FAILED) == 3 && t->host->dials == 1);
    BL_LIST_EACH(node, &rig->asks)
    SIM_EXPECT(rig, BL_LIST_OF(node, struct sim_ask, link)->error.code == BELAY_ECERT);
}

static void next_acquire_after_a_fatal_failure_dials_again(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    t->host->fatal = true;
    acquire(t);
    sim_run_ms(rig->w, 100);
    sim_host_heal(t->host);
    ask = lease(t);
    SIM_EXPECT(rig, ask->state == ASK_LEASED && t->host->dials == 2);
}

static void name_that_does_not_exist_fails_all_at_once(struct sim_rig *rig)
{
    struct sim_target *t;

    rig->wires = true;
    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    sim_name_of(rig->w, "db.test")->missing = true;
    acquire(t);
    acquire(t);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, sim_count(rig, t, ASK_FAILED) == 2);
    BL_LIST_EACH(node, &rig->asks)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, link);

        SIM_EXPECT(rig,
                   ask->error.code == BELAY_ENONAME && ask->error.stage == BELAY_STAGE_RESOLVE);
    }
}

static void slow_name_server_is_charged_to_resolving(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    rig->wires = true;
    rig->dial = belay_dial_options_init();
    rig->dial.resolve_timeout_ms = 1000;
    OPEN(rig, .connect_retry_count = BELAY_NONE);
    t = target(rig, "db.test");
    sim_name_of(rig->w, "db.test")->delay_ns = SIM_MS(3000);
    ask = acquire(t);
    sim_run_ms(rig->w, 1100);
    SIM_EXPECT(rig, ask->state == ASK_FAILED && ask->error.code == BELAY_ETIMEDOUT);
    SIM_EXPECT(rig, ask->error.stage == BELAY_STAGE_RESOLVE);
}

static void silent_host_is_charged_to_connecting(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    rig->wires = true;
    rig->dial = belay_dial_options_init();
    rig->dial.connect_timeout_ms = 1500;
    OPEN(rig, .connect_retry_count = BELAY_NONE);
    t = target(rig, "db.test");
    t->host->black_hole = true;
    ask = acquire(t);
    sim_run_ms(rig->w, 1400);
    SIM_EXPECT(rig, ask->state == ASK_WAITING);
    sim_run_ms(rig->w, 200);
    SIM_EXPECT(rig, ask->state == ASK_FAILED && ask->error.code == BELAY_ETIMEDOUT);
    SIM_EXPECT(rig, ask->error.stage == BELAY_STAGE_CONNECT && rig->w->fds_open == 0);
}

static void silent_session_is_charged_to_the_protocol(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;
    struct sim_host *h;

    rig->wires = true;
    OPEN(rig, .connect_retry_count = BELAY_NONE, .connector.ops = &sim_session_ops);
    h = sim_host_add(rig->w, "mute.test", 7, &sim_mute_server);
    t = sim_target_new(rig, h);
    SIM_EXPECT(rig, t != NULL);
    ask = acquire(t);
    sim_run_ms(rig->w, 10100);
    SIM_EXPECT(rig, ask->state == ASK_FAILED && ask->error.code == BELAY_ETIMEDOUT);
    SIM_EXPECT(rig, ask->error.stage == BELAY_STAGE_PROTOCOL && h->live == 0);
}

static void server_that_leaves_during_the_session_costs_one_attempt(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;
    struct sim_host *h;

    rig->wires = true;
    OPEN(rig, .connect_retry_count = 1, .connector.ops = &sim_session_ops);
    h = sim_rig_host(rig, "db.test");
    h->reset_after = 3;
    t = sim_target_new(rig, h);
    SIM_EXPECT(rig, t != NULL);
    ask = acquire(t);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, ask->state == ASK_WAITING && h->dials == 1);
    sim_host_heal(h);
    sim_run_ms(rig->w, 200);
    SIM_EXPECT(rig, ask->state == ASK_LEASED && h->dials == 2);
}

static void success_makes_the_next_failures_start_anew(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    t->host->refuse = true;
    ask = acquire(t);
    sim_run_ms(rig->w, 400);
    sim_host_heal(t->host);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, ask->state == ASK_LEASED && t->host->dials == 4);
    sim_release(ask, BELAY_BROKEN);
    t->host->refuse = true;
    sim_run_ms(rig->w, 100);
    acquire(t);
    sim_run_ms(rig->w, 200);
    SIM_EXPECT(rig, t->host->dials == 6 && dial_gap_ms(t->host, 4, 5) <= 125);
}

static void waiters_come_through_an_outage(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .max_connections_per_endpoint = 4, .connect_retry_count = 20);
    t = target(rig, "db.test");
    t->host->refuse = true;
    for (int i = 0; i < 4; i++)
        acquire(t);
    sim_run_ms(rig->w, 20000);
    SIM_EXPECT(rig, sim_count(rig, t, ASK_WAITING) == 4);
    sim_host_heal(t->host);
    sim_run_ms(rig->w, 12100);
    SIM_EXPECT(rig, sim_count(rig, t, ASK_LEASED) == 4);
}

static void lack_of_descriptors_evicts_one_and_pauses_without_blame(struct sim_rig *rig)
{
    struct sim_target *t, *other;
    struct sim_ask *idle, *ask;

    rig->wires = true;
    OPEN(rig, .connect_retry_count = BELAY_NONE);
    t = target(rig, "db.test");
    other = target(rig, "other.test");
    idle = lease(other);
    sim_release(idle, BELAY_REUSE);
    rig->w->fds_limit = 1;
    rig->evict_excused_ns = BELAY_NEVER;
    ask = acquire(t);
    sim_run_ms(rig->w, 90);
    SIM_EXPECT(rig, ask->state == ASK_WAITING && other->host->live == 0 && t->host->dials == 0);
    SIM_EXPECT(rig, stats(rig).closed[BELAY_REASON_EVICTED] == 1);
    sim_run_ms(rig->w, 30);
    SIM_EXPECT(rig, ask->state == ASK_LEASED && t->host->dials == 1);
    SIM_EXPECT(rig, t->host->dialed_ns[0] - ask->asked_ns >= SIM_MS(100));
}

static void connection_lost_while_lent_is_not_lent_again(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask, *next;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    ask = lease(t);
    next = acquire(t);
    sim_fake_lose(ask->seen, BELAY_REASON_ERROR);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, ask->state == ASK_LEASED);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, next->state == ASK_LEASED && next->seen != ask->seen);
    SIM_EXPECT(rig, stats(rig).closed[BELAY_REASON_ERROR] == 1);
}

static void draining_connection_serves_out_those_who_have_it(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *a, *b, *late;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    t->host->capacity = 3;
    a = lease(t);
    b = lease(t);
    SIM_EXPECT(rig, a->seen == b->seen);
    sim_fake_drain(a->seen);
    late = lease(t);
    SIM_EXPECT(rig, late->seen != a->seen);
    sim_release(a, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, b->seen->live && !b->seen->closing);
    sim_release(b, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, !b->seen->live && b->seen->reason == BELAY_REASON_DRAINING);
}

static void suspect_connection_is_checked_before_it_is_lent(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask, *next;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    t->host->check_ns = SIM_MS(30);
    sim_fake_suspect(ask->seen);
    next = acquire(t);
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, next->state == ASK_WAITING);
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, next->state == ASK_LEASED && next->seen == ask->seen);
}

static void connection_that_fails_its_check_is_replaced(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask, *next;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    ask = lease(t);
    t->host->bad_check = true;
    sim_fake_suspect(ask->seen);
    sim_run_ms(rig->w, 10);
    sim_release(ask, BELAY_REUSE);
    next = lease(t);
    SIM_EXPECT(rig, next->seen != ask->seen && ask->seen->reason == BELAY_REASON_UNHEALTHY);
}

static void address_change_reaches_new_dials(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask, *next;

    rig->wires = true;
    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    sim_name_of(rig->w, "db.test")->ttl_s = 300;
    ask = lease(t);
    sim_run_ms(rig->w, 2000); /* a name is asked for anew once per second at most */
    sim_host_kill(t->host);
    sim_host_move(t->host);
    sim_host_heal(t->host);
    sim_run_ms(rig->w, 10);
    sim_release(ask, BELAY_BROKEN);
    next = acquire(t);
    sim_run_ms(rig->w, 5000); /* the first dial meets the old address, the second asks anew */
    SIM_EXPECT(rig, next->state == ASK_LEASED);
}

const struct sim_scenario sim_failure_scenarios[] = {
    SIM_SCENARIO(refused_peer_is_dialled_4_times_with_growing_delays),
    SIM_SCENARIO(failure_worth_a_retry_fails_at_most_the_oldest_waiter),
    SIM_SCENARIO(dials_that_fail_together_count_as_one),
    SIM_SCENARIO(fatal_failure_fails_all_who_wait_and_is_not_retried),
    SIM_SCENARIO(next_acquire_after_a_fatal_failure_dials_again),
    SIM_SCENARIO(name_that_does_not_exist_fails_all_at_once),
    SIM_SCENARIO(slow_name_server_is_charged_to_resolving),
    SIM_SCENARIO(silent_host_is_charged_to_connecting),
    SIM_SCENARIO(silent_session_is_charged_to_the_protocol),
    SIM_SCENARIO(server_that_leaves_during_the_session_costs_one_attempt),
    SIM_SCENARIO(success_makes_the_next_failures_start_anew),
    SIM_SCENARIO(waiters_come_through_an_outage),
    SIM_SCENARIO(lack_of_descriptors_evicts_one_and_pauses_without_blame),
    SIM_SCENARIO(connection_lost_while_lent_is_not_lent_again),
    SIM_SCENARIO(draining_connection_serves_out_those_who_have_it),
    SIM_SCENARIO(suspect_connection_is_checked_before_it_is_lent),
    SIM_SCENARIO(connection_that_fails_its_check_is_replaced),
    SIM_SCENARIO(address_change_reaches_new_dials),
    {0},
};
