/* SPDX-License-Identifier: MIT */
/* Requests over pooled connections: what is reused, what is asked again, and what never is. */
#include "sim/http_rig.h"
#include "sim/scenarios.h"

static struct sim_host *http_host(struct sim_rig *rig, const char *name)
{
    return sim_host_add(rig->w, name, 8080, &sim_http_server);
}

static void open_client(struct sim_rig *rig, int per_endpoint)
{
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options o = belay_http_options_init();

    pool.max_connections_per_endpoint = per_endpoint;
    pool.connect_retry_count = BELAY_NONE;
    o.pool = &pool;
    o.tls = rig->tls;
    SIM_EXPECT(rig, sim_http_open(rig, &o) == 0);
}

static void open_client_with_tls(struct sim_rig *rig)
{
    struct belay_tls_options o = belay_tls_options_init();

    o.ca_pem = sim_tls_ca_pem();
    sim_tls_seed(1);
    SIM_EXPECT(rig, belay_tls_new(rig->w->loop, &o, &rig->tls, NULL) == 0);
    open_client(rig, 2);
}

static struct sim_get *ask_for(struct sim_rig *rig, struct sim_host *h, const char *method,
                               size_t size)
{
    struct sim_get *get = sim_get(rig, h, method, size, NULL);

    SIM_EXPECT(rig, get != NULL);
    return get;
}

/* Asks, and runs until it is done. */
static struct sim_get *fetch(struct sim_rig *rig, struct sim_host *h, const char *method,
                             size_t size)
{
    struct sim_get *get = ask_for(rig, h, method, size);

    sim_run_ms(rig->w, 2000);
    SIM_EXPECT(rig, get->done);
    return get;
}

static void requests_reuse_their_connection(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");

    open_client(rig, 4);
    for (int i = 0; i < 5; i++)
        SIM_EXPECT(rig, !fetch(rig, h, i % 2 ? "HEAD" : "GET", i % 2 ? 0 : 1000)->failed);
    SIM_EXPECT(rig, h->dials == 1 && h->requests == 5);
}

static void request_and_response_pass_one_byte_at_a_time(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");

    open_client(rig, 1);
    h->chop = 1;
    SIM_EXPECT(rig, !fetch(rig, h, "GET", 300)->failed);
    SIM_EXPECT(rig, !fetch(rig, h, "POST", 10)->failed);
    SIM_EXPECT(rig, !fetch(rig, h, "POST", 10)->failed);
    SIM_EXPECT(rig, h->dials == 1);
}

static void large_answer_passes_a_narrow_wire(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");

    open_client(rig, 1);
    h->window = 100;
    h->latency_ns = 0;
    SIM_EXPECT(rig, !fetch(rig, h, "GET", 30000)->failed);
}

static void requests_pass_through_tls_one_byte_at_a_time(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.sim.test");

    h->tls = true;
    h->chop = 1;
    open_client_with_tls(rig);
    SIM_EXPECT(rig, !fetch(rig, h, "GET", 300)->failed);
    SIM_EXPECT(rig, !fetch(rig, h, "POST", 300)->failed);
    SIM_EXPECT(rig, h->dials == 1);
}

static void connection_close_is_obeyed(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");

    open_client(rig, 1);
    h->close_after_n = 2;
    for (int i = 0; i < 6; i++)
        SIM_EXPECT(rig, !fetch(rig, h, i % 2 ? "POST" : "GET", 10)->failed);
    SIM_EXPECT(rig, h->dials == 3);
}

static void get_on_a_connection_that_was_just_closed_is_asked_again(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");
    struct sim_get *get;

    open_client(rig, 1);
    fetch(rig, h, "GET", 10);
    h->latency_ns = SIM_MS(50);
    sim_host_close_idle(h); /* the news is on its way when the request sets out */
    get = ask_for(rig, h, "GET", 10);
    sim_run_ms(rig->w, 2000);
    SIM_EXPECT(rig, get->done && !get->failed && get->facts.replays == 1 && get->executed == 1);
}

static void post_on_a_connection_that_was_just_closed_is_not(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");
    struct sim_get *post;

    open_client(rig, 1);
    fetch(rig, h, "GET", 10);
    h->latency_ns = SIM_MS(50);
    sim_host_close_idle(h);
    post = ask_for(rig, h, "POST", 10);
    sim_run_ms(rig->w, 2000);
    SIM_EXPECT(rig, post->done && post->failed && post->error.sent == BELAY_MAYBE_SENT);
    SIM_EXPECT(rig, post->executed == 0);
}

static void post_finds_a_dead_connection_before_it_is_sent(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");
    struct sim_get *post;

    open_client(rig, 1);
    fetch(rig, h, "GET", 10);
    h->latency_ns = 0; /* the news is there, and nobody has looked yet */
    sim_host_close_idle(h);
    post = fetch(rig, h, "POST", 10);
    SIM_EXPECT(rig, !post->failed && post->executed == 1 && h->dials == 2);
}

static void get_survives_a_server_that_dies_before_answering(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");
    struct sim_get *get;

    open_client(rig, 1);
    h->think_ns = SIM_MS(100);
    get = ask_for(rig, h, "GET", 10);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, get->executed == 1);
    sim_host_kill(h);
    h->refuse = false;
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, get->done && !get->failed && get->executed == 2 && get->facts.replays == 1);
}

static void get_is_asked_4_times_at_most(struct sim_rig *rig)
{
    struct sim_host *h = sim_host_add(rig->w, "web.test", 8080, &sim_mute_server);
    struct sim_get *get;

    open_client(rig, 1);
    get = ask_for(rig, h, "GET", 10);
    for (int i = 0; i < 8; i++) {
        sim_run_ms(rig->w, 50);
        sim_host_kill(h);
        h->refuse = false;
    }
    SIM_EXPECT(rig, get->done && get->failed && get->error.sent == BELAY_MAYBE_SENT);
    SIM_EXPECT(rig, get->facts.replays == 3 && h->dials == 4);
}

static void answer_cut_short_is_an_error(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");
    struct sim_get *get;

    open_client(rig, 1);
    h->reset_after = 500;
    get = fetch(rig, h, "GET", 5000);
    SIM_EXPECT(rig, get->failed && get->error.sent == BELAY_ANSWERED && get->executed == 1);
    sim_host_heal(h);
    SIM_EXPECT(rig, !fetch(rig, h, "GET", 10)->failed && h->dials == 2);
}

static void cancelled_request_does_not_return_its_connection(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");
    struct sim_get *get;

    open_client(rig, 1);
    h->think_ns = SIM_MS(100);
    get = ask_for(rig, h, "GET", 1000);
    sim_run_ms(rig->w, 50);
    sim_get_cancel(get);
    SIM_EXPECT(rig, !fetch(rig, h, "GET", 10)->failed && h->dials == 2);
}

static void silent_server_ends_at_the_first_byte_limit(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");
    struct sim_get *get;

    open_client(rig, 1);
    h->think_ns = SIM_MS(1000000);
    get = ask_for(rig, h, "GET", 10);
    sim_run_ms(rig->w, 59000);
    SIM_EXPECT(rig, !get->done);
    sim_run_ms(rig->w, 2000);
    SIM_EXPECT(rig, get->done && get->error.code == BELAY_ETIMEDOUT);
}

static void close_ends_requests_under_way(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");
    struct sim_get *asked, *waiting;

    open_client(rig, 1);
    h->think_ns = SIM_MS(500);
    asked = ask_for(rig, h, "GET", 10);
    waiting = ask_for(rig, h, "GET", 10);
    sim_run_ms(rig->w, 100);
    sim_http_close(rig, false);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, rig->closed && asked->error.code == BELAY_ECLOSED);
    SIM_EXPECT(rig, waiting->error.code == BELAY_ECLOSED && waiting->executed == 0);
}

static void drain_lets_requests_finish(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");
    struct sim_get *asked, *waiting;

    open_client(rig, 1);
    h->think_ns = SIM_MS(500);
    asked = ask_for(rig, h, "GET", 10);
    waiting = ask_for(rig, h, "GET", 10);
    sim_run_ms(rig->w, 100);
    sim_http_close(rig, true);
    sim_run_ms(rig->w, 3000);
    SIM_EXPECT(rig, rig->closed && !asked->failed && !waiting->failed);
}

static void restarts_lose_no_get(struct sim_rig *rig)
{
    struct sim_host *h = http_host(rig, "web.test");
    unsigned failed = 0;

    open_client(rig, 4);
    h->think_ns = SIM_MS(5);
    for (int i = 0; i < 60; i++) {
        ask_for(rig, h, "GET", 20);
        sim_run_ms(rig->w, 3);
        if (i == 20 || i == 40) {
            if (i == 20)
                sim_host_stop(h);
            else
                sim_host_kill(h);
            h->refuse = false; /* it is back at once */
        }
    }
    sim_run_ms(rig->w, 3000);
    BL_LIST_EACH(node, &rig->gets)
    failed += BL_LIST_OF(node, struct sim_get, link)->failed;
    SIM_EXPECT(rig, failed == 0 && sim_gets_under_way(rig) == 0);
}

const struct sim_scenario sim_http_scenarios[] = {
    SIM_SCENARIO(requests_reuse_their_connection),
    SIM_SCENARIO(request_and_response_pass_one_byte_at_a_time),
    SIM_SCENARIO(large_answer_passes_a_narrow_wire),
    SIM_SCENARIO(requests_pass_through_tls_one_byte_at_a_time),
    SIM_SCENARIO(connection_close_is_obeyed),
    SIM_SCENARIO(get_on_a_connection_that_was_just_closed_is_asked_again),
    SIM_SCENARIO(post_on_a_connection_that_was_just_closed_is_not),
    SIM_SCENARIO(post_finds_a_dead_connection_before_it_is_sent),
    SIM_SCENARIO(get_survives_a_server_that_dies_before_answering),
    SIM_SCENARIO(get_is_asked_4_times_at_most),
    SIM_SCENARIO(answer_cut_short_is_an_error),
    SIM_SCENARIO(cancelled_request_does_not_return_its_connection),
    SIM_SCENARIO(silent_server_ends_at_the_first_byte_limit),
    SIM_SCENARIO(close_ends_requests_under_way),
    SIM_SCENARIO(drain_lets_requests_finish),
    SIM_SCENARIO(restarts_lose_no_get),
    {0},
};
