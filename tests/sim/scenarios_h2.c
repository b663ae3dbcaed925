/* SPDX-License-Identifier: MIT */
/* Requests over HTTP/2: shared connections, limits, readers that pause, connections that go away. */
#include "sim/h2_rig.h"
#include "sim/scenarios.h"

struct scene {
    struct sim_rig *rig;
    struct met met;
    struct h2_lives lives;
    struct h2_host *host;
};

/* One host, and a client that speaks nothing but HTTP/2. */
static struct scene *set(struct sim_rig *rig, uint32_t max_streams)
{
    static struct scene scene; /* servers outlive what is cleaned up */
    struct scene *s = &scene;

    memset(s, 0, sizeof *s);
    s->rig = rig;
    s->lives = (struct h2_lives){.rig = rig, .w = rig->w, .met = &s->met, .n = 1};
    s->host = &s->lives.hosts[0];
    h2_host_init(s->host, sim_host_add(rig->w, "web.test", 8080, &h2_server), &h2_requests,
                 &s->lives, &s->met);
    s->host->max_streams = max_streams;
    s->lives.pool = belay_pool_options_init();
    s->lives.pool.connect_retry_count = BELAY_NONE;
    s->lives.options = belay_http_options_init();
    s->lives.options.pool = &s->lives.pool;
    s->lives.options.versions = BELAY_HTTP_2_ONLY;
    s->lives.options.stream_window = 65535;
    s->lives.options.max_streams = 100;
    s->lives.options.ping_interval_ms = BELAY_FOREVER;
    SIM_EXPECT(rig, sim_http_open(rig, &s->lives.options) == 0);
    h2_oracle_attach(&s->lives);
    return s;
}

static struct sim_get *ask(struct scene *s, const char *method, size_t size)
{
    struct sim_get *get = sim_get(s->rig, s->host->host, method, size, NULL);

    SIM_EXPECT(s->rig, get != NULL);
    return get;
}

static void expect_done(struct scene *s, struct sim_get *const *gets, int n)
{
    sim_run_ms(s->rig->w, 3000);
    for (int i = 0; i < n; i++)
        SIM_EXPECT(s->rig, gets[i]->done && !gets[i]->failed);
}

static void requests_share_a_connection(struct sim_rig *rig)
{
    struct scene *s = set(rig, 100);
    struct sim_get *gets[6];

    for (int i = 0; i < 6; i++)
        gets[i] = ask(s, i % 2 ? "POST" : "GET", 300);
    expect_done(s, gets, 6);
    SIM_EXPECT(rig, s->host->host->dials == 1);
}

static void more_connections_are_made_where_streams_run_out(struct sim_rig *rig)
{
    struct scene *s = set(rig, 2);
    struct sim_get *gets[6];

    s->host->host->think_ns = SIM_MS(200);
    for (int i = 0; i < 6; i++)
        gets[i] = ask(s, "GET", 300);
    expect_done(s, gets, 6);
    SIM_EXPECT(rig, s->host->host->dials >= 3);
}

static void a_large_answer_waits_for_its_reader(struct sim_rig *rig)
{
    struct scene *s = set(rig, 100);
    struct sim_get *slow, *quick;

    rig->pauses = 100;
    slow = ask(s, "GET", 150000);
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, slow->paused && slow->got < 150000);
    rig->pauses = 0;
    quick = ask(s, "GET", 150000);
    expect_done(s, &quick, 1);
    sim_get_resume(slow);
    expect_done(s, &slow, 1);
}

static void what_goaway_denies_goes_elsewhere(struct sim_rig *rig)
{
    struct scene *s = set(rig, 100);
    struct sim_get *gets[4];

    gets[0] = ask(s, "GET", 10);
    expect_done(s, gets, 1);
    s->host->host->think_ns = SIM_MS(500);
    for (int i = 1; i < 4; i++)
        gets[i] = ask(s, i == 2 ? "POST" : "GET", 10);
    sim_run_ms(rig->w, 20);
    BL_LIST_EACH(node, &s->host->conns)
    {
        struct h2_conn *c = BL_LIST_OF(node, struct h2_conn, link);

        c->seen_id = c->done_id; /* as if nothing had come after the first */
        h2_goaway(c, H2_GOAWAY_NOW);
    }
    expect_done(s, gets + 1, 3);
    SIM_EXPECT(rig, gets[2]->facts.replays == 1 && gets[2]->executed == 1);
}

static void one_that_is_refused_is_asked_for_again(struct sim_rig *rig)
{
    struct scene *s = set(rig, 100);
    struct sim_get *get;

    s->host->refuses = 100;
    get = ask(s, "POST", 10);
    sim_run_ms(rig->w, 4);
    s->host->refuses = 0;
    expect_done(s, &get, 1);
}

static void a_lost_connection_fails_its_requests_and_no_others(struct sim_rig *rig)
{
    struct scene *s = set(rig, 100);
    struct sim_get *post, *get, *later;

    s->host->host->think_ns = SIM_MS(500);
    post = ask(s, "POST", 10);
    get = ask(s, "GET", 10);
    sim_run_ms(rig->w, 50);
    sim_host_kill(s->host->host);
    sim_host_heal(s->host->host);
    later = ask(s, "GET", 10);
    sim_run_ms(rig->w, 3000);
    SIM_EXPECT(rig, post->done && post->failed && post->error.sent == BELAY_MAYBE_SENT);
    SIM_EXPECT(rig, get->done && !get->failed && later->done && !later->failed);
}

const struct sim_scenario sim_h2_scenarios[] = {
    SIM_SCENARIO(requests_share_a_connection),
    SIM_SCENARIO(more_connections_are_made_where_streams_run_out),
    SIM_SCENARIO(a_large_answer_waits_for_its_reader),
    SIM_SCENARIO(what_goaway_denies_goes_elsewhere),
    SIM_SCENARIO(one_that_is_refused_is_asked_for_again),
    SIM_SCENARIO(a_lost_connection_fails_its_requests_and_no_others),
    {.name = NULL},
};
