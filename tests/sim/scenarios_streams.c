/* SPDX-License-Identifier: MIT */
/* Bytes over leases: whole, one at a time, through TLS by real OpenSSL at both ends, and over wires that break. */
#include "sim/scenarios.h"

static struct sim_ask *talk_over(struct sim_target *t)
{
    struct sim_ask *ask = acquire(t);

    sim_run_ms(t->rig->w, 1000);
    SIM_EXPECT(t->rig, ask->state == ASK_LEASED);
    sim_talk(ask);
    sim_run_ms(t->rig->w, 1000);
    return ask;
}

static struct sim_target *wire_target(struct sim_rig *rig)
{
    rig->wires = true;
    OPEN(rig, .max_connections_per_endpoint = 2);
    return target(rig, "db.test");
}

static struct sim_target *tls_target(struct sim_rig *rig)
{
    struct belay_tls_options o = belay_tls_options_init();
    struct sim_host *h;
    struct sim_target *t;

    rig->wires = true;
    o.ca_pem = sim_tls_ca_pem();
    sim_tls_seed(1);
    SIM_EXPECT(rig, belay_tls_new(rig->w->loop, &o, &rig->tls, NULL) == 0);
    OPEN(rig, .max_connections_per_endpoint = 2, .connect_retry_count = BELAY_NONE);
    h = sim_rig_host(rig, "db.sim.test");
    h->tls = true;
    t = sim_target_new(rig, h);
    SIM_EXPECT(rig, t != NULL);
    return t;
}

static void line_comes_back(struct sim_rig *rig)
{
    struct sim_target *t = wire_target(rig);
    struct sim_ask *ask = talk_over(t);

    SIM_EXPECT(rig, ask->talked && !ask->talk_failed);
    sim_hang_up(ask);
    ask = talk_over(t);
    SIM_EXPECT(rig, ask->talked && t->host->dials == 1 && t->host->requests == 2);
}

static void line_comes_back_one_byte_at_a_time(struct sim_rig *rig)
{
    struct sim_target *t = wire_target(rig);
    struct sim_ask *ask;

    t->host->chop = 1;
    ask = talk_over(t);
    SIM_EXPECT(rig, ask->talked && !ask->talk_failed);
}

static void line_comes_back_through_a_narrow_wire(struct sim_rig *rig)
{
    struct sim_target *t = wire_target(rig);
    struct sim_ask *ask;

    t->host->window = 3;
    ask = talk_over(t);
    SIM_EXPECT(rig, ask->talked && !ask->talk_failed);
}

static void session_starts_one_byte_at_a_time(struct sim_rig *rig)
{
    struct sim_target *t;

    rig->wires = true;
    OPEN(rig, .connector.ops = &sim_session_ops);
    t = target(rig, "db.test");
    t->host->chop = 1;
    acquire(t);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, sim_count(rig, t, ASK_LEASED) == 1);
}

static void tls_works_one_byte_at_a_time(struct sim_rig *rig)
{
    struct sim_target *t = tls_target(rig);
    struct belay_tls_facts facts = belay_tls_facts_init();
    struct sim_ask *ask;

    t->host->chop = 1;
    ask = talk_over(t);
    SIM_EXPECT(rig, ask->talked && !ask->talk_failed);
    SIM_EXPECT(rig, belay_stream_tls_facts(belay_lease_stream(ask->lease), &facts) == 0);
    SIM_EXPECT(rig, facts.verified && !facts.resumed);
}

static void tls_session_is_resumed_by_the_next_connection(struct sim_rig *rig)
{
    struct sim_target *t = tls_target(rig);
    struct belay_tls_facts facts = belay_tls_facts_init();
    struct sim_ask *ask = talk_over(t);

    SIM_EXPECT(rig, ask->talked);
    sim_release(ask, BELAY_BROKEN);
    ask = talk_over(t);
    SIM_EXPECT(rig, belay_stream_tls_facts(belay_lease_stream(ask->lease), &facts) == 0);
    SIM_EXPECT(rig, facts.resumed && t->host->dials == 2);
}

static void tls_ticket_does_not_end_an_idle_connection(struct sim_rig *rig)
{
    struct sim_target *t = tls_target(rig);
    struct sim_ask *ask = lease(t); /* tickets come with the first read, when nobody holds it */

    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, stats(rig).idle == 1);
    ask = talk_over(t);
    SIM_EXPECT(rig, ask->talked && t->host->dials == 1);
}

static void certificate_for_another_name_is_fatal(struct sim_rig *rig)
{
    struct sim_target *t = tls_target(rig);
    struct sim_ask *ask;

    t->host->fatal = true;
    ask = acquire(t);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, ask->state == ASK_FAILED && ask->error.code == BELAY_ECERT);
    SIM_EXPECT(rig, ask->error.stage == BELAY_STAGE_TLS && t->host->dials == 1);
}

static void silent_handshake_is_charged_to_tls(struct sim_rig *rig)
{
    struct sim_target *t = tls_target(rig);
    struct sim_ask *ask;

    sim_name_of(rig->w, t->host->name)->ttl_s = 60;
    ask = acquire(t);
    for (int i = 0; i < 100 && t->host->accepted == 0; i++)
        sim_run_turn(rig->w);
    SIM_EXPECT(rig, t->host->accepted == 1);
    sim_host_stall(t->host, true);
    sim_run_ms(rig->w, 10100);
    SIM_EXPECT(rig, ask->state == ASK_FAILED && ask->error.code == BELAY_ETIMEDOUT);
    SIM_EXPECT(rig, ask->error.stage == BELAY_STAGE_TLS);
}

static void tls_handshake_that_is_reset_is_worth_a_retry(struct sim_rig *rig)
{
    struct sim_target *t = tls_target(rig);
    struct sim_ask *ask;

    t->host->reset_after = 100;
    ask = acquire(t);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, ask->state == ASK_FAILED && ask->error.stage == BELAY_STAGE_TLS);
    SIM_EXPECT(rig, ask->error.kind == BELAY_KIND_RETRY);
}

static void reset_while_talking_is_told_to_the_holder(struct sim_rig *rig)
{
    struct sim_target *t = wire_target(rig);
    struct sim_ask *ask;

    t->host->reset_after = 4;
    ask = talk_over(t);
    SIM_EXPECT(rig, ask->talk_failed && !ask->talked);
    sim_hang_up(ask);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, rig->w->fds_open == 0);
}

static void end_by_the_peer_is_told_to_the_holder(struct sim_rig *rig)
{
    struct sim_target *t = wire_target(rig);
    struct sim_ask *ask;

    t->host->half_close_after = 4;
    ask = talk_over(t);
    SIM_EXPECT(rig, ask->talk_failed && !ask->talked);
    sim_release(ask, BELAY_REUSE); /* although it says so: it is not lent again */
    ask = lease(t);
    SIM_EXPECT(rig, t->host->dials == 2);
}

static void peer_that_stalls_is_waited_for(struct sim_rig *rig)
{
    struct sim_target *t = wire_target(rig);
    struct sim_ask *ask = lease(t);

    sim_host_stall(t->host, true);
    sim_talk(ask);
    sim_run_ms(rig->w, 60000);
    SIM_EXPECT(rig, !ask->talked && !ask->talk_failed);
    sim_host_stall(t->host, false);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, ask->talked);
}

static void on_drain(struct belay_stream *stream, void *arg)
{
    (void)stream;
    *(bool *)arg = true;
}

static void full_buffer_refuses_and_drains(struct sim_rig *rig)
{
    static const struct belay_stream_callbacks callbacks = {.size = sizeof callbacks,
                                                            .on_drain = on_drain};
    struct sim_target *t = wire_target(rig);
    struct sim_ask *ask = lease(t);
    struct belay_stream *stream = belay_lease_stream(ask->lease);
    static char block[65536];
    bool drained = false;
    int r = 0;

    memset(block, 'x', sizeof block);
    sim_host_stall(t->host, true);
    belay_stream_set_callbacks(stream, &callbacks, &drained);
    for (int i = 0; i < 100 && r == 0; i++) {
        r = belay_stream_write(stream, block, sizeof block);
        sim_run_ms(rig->w, 1);
    }
    SIM_EXPECT(rig, r == BELAY_EAGAIN && !drained);
    sim_host_stall(t->host, false);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, drained && belay_stream_buffered(stream) == 0);
    sim_release(ask, BELAY_BROKEN);
}

static void spurious_wakeups_do_no_harm(struct sim_rig *rig)
{
    struct sim_target *t = wire_target(rig);
    struct sim_ask *ask;

    rig->w->spurious = true;
    for (int i = 0; i < 30; i++) {
        ask = talk_over(t);
        SIM_EXPECT(rig, ask->talked && !ask->talk_failed);
        sim_hang_up(ask);
    }
    SIM_EXPECT(rig, t->host->dials == 1);
}

static void release_without_reading_the_answer_ends_the_connection(struct sim_rig *rig)
{
    struct sim_target *t = wire_target(rig);
    struct sim_ask *ask = lease(t);

    sim_talk(ask);
    sim_run_ms(rig->w, 0);
    sim_release(ask, BELAY_REUSE); /* the echo is on its way */
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, stats(rig).idle == 0 && stats(rig).closed[BELAY_REASON_UNHEALTHY] == 1);
}

const struct sim_scenario sim_stream_scenarios[] = {
    SIM_SCENARIO(line_comes_back),
    SIM_SCENARIO(line_comes_back_one_byte_at_a_time),
    SIM_SCENARIO(line_comes_back_through_a_narrow_wire),
    SIM_SCENARIO(session_starts_one_byte_at_a_time),
    SIM_SCENARIO(tls_works_one_byte_at_a_time),
    SIM_SCENARIO(tls_session_is_resumed_by_the_next_connection),
    SIM_SCENARIO(tls_ticket_does_not_end_an_idle_connection),
    SIM_SCENARIO(certificate_for_another_name_is_fatal),
    SIM_SCENARIO(silent_handshake_is_charged_to_tls),
    SIM_SCENARIO(tls_handshake_that_is_reset_is_worth_a_retry),
    SIM_SCENARIO(reset_while_talking_is_told_to_the_holder),
    SIM_SCENARIO(end_by_the_peer_is_told_to_the_holder),
    SIM_SCENARIO(peer_that_stalls_is_waited_for),
    SIM_SCENARIO(full_buffer_refuses_and_drains),
    SIM_SCENARIO(spurious_wakeups_do_no_harm),
    SIM_SCENARIO(release_without_reading_the_answer_ends_the_connection),
    {0},
};
