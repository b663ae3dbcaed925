/* SPDX-License-Identifier: MIT */
/*
 * One history of HTTP/2: requests to hosts whose limits, windows and moods change, whose connections go away or break; readers
 * that pause; connections that age. Then all heals, and whoever asks is served. Then the end, and nothing may be left.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim/faults.h"
#include "sim/h2_rig.h"

#define STEPS     100
#define EVENTS    250
#define FAULTS    3 /* kinds */
#define GETS_MAX  60
#define TRIES_MAX 3
#define SETTLE_MS 60000

static struct h2_lives *of(struct life *life)
{
    return BL_CONTAINER(life, struct h2_lives, life);
}

static struct h2_host *some_host(struct h2_lives *all)
{
    return &all->hosts[sim_below(all->w, (uint64_t)all->n)];
}

static struct sim_get *some_get(struct h2_lives *all, bool paused)
{
    struct sim_get *found = NULL;
    uint64_t n = 0;

    BL_LIST_EACH(node, &all->rig->gets)
    {
        struct sim_get *get = BL_LIST_OF(node, struct sim_get, link);

        if (!get->done && !get->cancelled && (!paused || get->paused) &&
            sim_below(all->w, ++n) == 0)
            found = get;
    }
    return found;
}

/* ---- drawing ---- */

static void draw_pool(struct h2_lives *all)
{
    struct sim_world *w = all->w;
    struct belay_pool_options *p = &all->pool;

    *p = belay_pool_options_init();
    p->max_connections_per_endpoint = (int32_t)sim_between(w, 1, 4);
    p->max_connections_total = (int32_t)sim_between(w, 3, 14);
    p->max_idle_time_ms = (int64_t)sim_between(w, 100, 30000);
    p->connect_retry_count = sim_chance(w, 30) ? BELAY_NONE : (int32_t)sim_between(w, 1, 4);
    p->acquire_timeout_ms = (int64_t)sim_between(w, 500, 20000);
    if (sim_chance(w, 40))
        p->max_connection_lifetime_ms = (int64_t)sim_between(w, 300, 10000);
}

static void draw_client(struct h2_lives *all)
{
    struct sim_world *w = all->w;
    struct belay_http_options *o = &all->options;

    *o = belay_http_options_init();
    o->pool = &all->pool;
    o->versions = all->tls ? BELAY_HTTP_ANY : BELAY_HTTP_2_ONLY;
    o->first_byte_timeout_ms = (int64_t)sim_between(w, 300, 10000);
    o->idle_timeout_ms = (int64_t)sim_between(w, 300, 10000);
    if (sim_chance(w, 30))
        o->timeout_ms = (int64_t)sim_between(w, 100, 20000);
    o->max_streams = (int32_t)sim_between(w, 1, sim_chance(w, 50) ? 8 : 100);
    o->stream_window = (int32_t)sim_between(w, 65535, sim_chance(w, 60) ? 70000 : 1000000);
    o->connection_window = (int32_t)sim_between(w, 65535, 1000000);
    o->ping_interval_ms = sim_chance(w, 50) ? (int64_t)sim_between(w, 1000, 4000) : BELAY_FOREVER;
    o->ping_timeout_ms = (int64_t)sim_between(w, 100, 3000);
    o->ping_when_idle = sim_chance(w, 50);
}

static int draw_tls(struct h2_lives *all)
{
    struct belay_tls_options tls = belay_tls_options_init();

    tls.ca_pem = sim_tls_ca_pem();
    sim_tls_seed(all->w->seed);
    all->options.tls = NULL;
    return belay_tls_new(all->w->loop, &tls, &all->rig->tls, NULL);
}

static void new_host(struct h2_lives *all, int i)
{
    struct sim_world *w = all->w;
    struct h2_host *h = &all->hosts[i];
    struct sim_host *host;
    char name[16];

    snprintf(name, sizeof name, "%c.sim.test", 'a' + i);
    host = sim_host_add(w, name, 8080, all->tls ? &h2_or_http_server : &h2_server);
    host->tls = all->tls;
    host->speaks_h2 = !sim_chance(w, 30);
    if (all->tls && !host->speaks_h2)
        h2_did(all, H2_DEED_H1);
    h2_host_init(h, host, &h2_requests, all, all->met);
    if (sim_chance(w, 30))
        host->latency_ns = 0;
    if (sim_chance(w, 50))
        h->max_streams = (uint32_t)sim_between(w, 1, 8);
}

static int draw(struct life *life)
{
    struct h2_lives *all = of(life);
    struct sim_world *w = all->w;

    all->n = 3;
    if (life_begin(life, 0))
        life->alloc_fails = life->alloc_fails || sim_chance(w, 15);
    if (life_begin(life, 1))
        all->tls = sim_chance(w, 6);
    if (life_begin(life, 2))
        all->n = (int)sim_between(w, 3, HISTORY_PEERS_MAX);
    all->rig->lenient = life->alloc_fails;
    life_begin(life, 3);
    draw_pool(all);
    life_begin(life, 4);
    draw_client(all);
    if (all->tls && draw_tls(all) < 0)
        return -1;
    all->options.tls = all->rig->tls;
    if (sim_http_open(all->rig, &all->options) < 0)
        return -1;
    for (int i = 0; i < all->n; i++) {
        life_begin(life, 5 + (unsigned)i);
        new_host(all, i);
    }
    if (life_begin(life, 20))
        all->rig->pauses = sim_chance(w, 50) ? (unsigned)sim_between(w, 1, 40) : 0;
    h2_oracle_attach(all);
    life_begin_world(life);
    return 0;
}

/* ---- steps ---- */

static void request(struct h2_lives *all)
{
    struct sim_world *w = all->w;
    struct h2_host *h = some_host(all);
    size_t size = (size_t)sim_below(w, sim_chance(w, 90) ? 500 : 200000);
    bool post = sim_chance(w, 35), large = sim_chance(w, 15);
    int code;

    if (sim_gets_under_way(all->rig) >= GETS_MAX)
        return;
    all->rig->upload = large ? (size_t)sim_between(w, 1000, 120000) : 0;
    if (sim_get(all->rig, h->host, post ? "POST" : "GET", size, &code)) {
        h2_did(all, post ? H2_DEED_POST : H2_DEED_GET);
        if (post && all->rig->upload > 65535)
            h2_did(all, H2_DEED_UPLOAD);
    } else if (code != BELAY_ENOMEM || !all->life.alloc_fails) {
        sim_fail(w, "a request is refused: %s", belay_error_name(code));
    }
}

static void resume(struct h2_lives *all)
{
    struct sim_get *get = some_get(all, true);

    if (!get)
        return;
    h2_did(all, H2_DEED_RESUMED);
    sim_get_resume(get);
}

static void heal(struct h2_lives *all, struct h2_host *h)
{
    sim_host_heal(h->host);
    h2_host_heal(h);
    if (sim_chance(all->w, 30))
        h->host->speaks_h2 = !h->host->speaks_h2; /* for connections to come */
}

static void step(struct life *life)
{
    struct h2_lives *all = of(life);
    struct sim_world *w = all->w;
    uint64_t dice = sim_below(w, 100);

    if (dice < 40)
        request(all);
    else if (dice < 48) /* a burst */
        for (uint64_t n = sim_between(w, 3, 15); n > 0; n--)
            request(all);
    else if (dice < 53 && some_get(all, false))
        sim_get_cancel(some_get(all, false));
    else if (dice < 65)
        resume(all);
    else if (dice < 85)
        h2_fault(some_host(all), life->alloc_fails);
    else if (dice < 94)
        heal(all, some_host(all));
    dice = sim_below(w, 100);
    if (dice < 50)
        sim_run_turn(w);
    else
        sim_run_ms(w, (int64_t)(dice < 90 ? sim_below(w, 60) : sim_below(w, 3000)));
    w->jump_ns = 0;
}

static bool is_rich(const struct life *life)
{
    int kinds = 0;

    for (int i = 0; i < SIM_FAULTS_N; i++)
        kinds += life->w->faults[i] > 0;
    return life->steps >= STEPS && life->w->events >= EVENTS && kinds >= FAULTS;
}

/* ---- the end ---- */

static bool all_ended(void *arg)
{
    struct h2_lives *all = arg;
    struct sim_get *get;

    while ((get = some_get(all, true)))
        sim_get_resume(get);
    return sim_gets_under_way(all->rig) == 0;
}

static bool is_served(struct h2_lives *all, struct h2_host *h)
{
    struct sim_get *get = sim_get(all->rig, h->host, "GET", 100, NULL);

    if (!get || !sim_run_until(all->w, SETTLE_MS, all_ended, all))
        sim_fail(all->w, "a request to %s does not end", h->host->name);
    return !get->failed;
}

static void recover(struct life *life)
{
    struct h2_lives *all = of(life);
    struct sim_world *w = all->w;

    sim_heal(w);
    for (int i = 0; i < all->n; i++)
        h2_host_heal(&all->hosts[i]);
    all->rig->pauses = 0;
    sim_note(w, "all heals");
    if (!sim_run_until(w, SETTLE_MS, all_ended, all))
        sim_fail(w, "%u requests do not end", sim_gets_under_way(all->rig));
    sim_run_ms(w, 6000); /* names that were missing are asked for again */
    for (int i = 0; i < all->n; i++) {
        int tries = 0;

        while (!is_served(all, &all->hosts[i]))
            if (++tries == TRIES_MAX)
                sim_fail(w, "%s is well, and cannot be reached", all->hosts[i].host->name);
    }
}

static void finish(struct life *life)
{
    struct h2_lives *all = of(life);
    struct sim_world *w = all->w;

    for (uint64_t n = sim_below(w, 12); n > 0; n--)
        request(all);
    sim_run_ms(w, (int64_t)sim_below(w, 20));
    if (sim_chance(w, 40)) {
        sim_http_close(all->rig, true);
        sim_run_ms(w, (int64_t)sim_below(w, 200));
    }
    sim_rig_finish(all->rig);
}

static void count(struct h2_lives *all)
{
    uint64_t *deeds = all->met->deeds;

    BL_LIST_EACH(node, &all->rig->gets)
    {
        struct sim_get *get = BL_LIST_OF(node, struct sim_get, link);

        deeds[H2_DEED_DONE] += get->done && !get->failed;
        deeds[H2_DEED_FAILED] += get->failed;
        deeds[H2_DEED_CANCELLED] += get->cancelled;
        deeds[H2_DEED_REPLAYED] += get->facts.replays > 0;
        deeds[H2_DEED_REPLAYED_POST] += get->facts.replays > 0 && get->post && !get->failed;
        deeds[H2_DEED_TIMED_OUT] += get->failed && get->error.code == BELAY_ETIMEDOUT;
        deeds[H2_DEED_GIVEN_UP] += get->failed && strstr(get->error.text, "PING");
    }
    deeds[H2_DEED_LIFETIME] += all->rig->last.closed[BELAY_REASON_LIFETIME];
    deeds[H2_DEED_DRAINING] += all->rig->last.closed[BELAY_REASON_DRAINING];
}

static void on_trace(const struct belay_trace *trace, void *arg)
{
    struct h2_lives *all = arg;

    met_trace(trace, all->met);
    if (all->rig)
        sim_get_trace(all->rig, trace);
}

static const struct life_ops ops = {
    .draw = draw, .step = step, .is_rich = is_rich, .recover = recover, .finish = finish};

int h2_history_run(uint64_t seed, const struct history_options *options, struct met *met,
                   char *text, size_t size)
{
    struct h2_lives *all = calloc(1, sizeof *all);

    if (!all)
        abort();
    all->met = met;
    all->rig = sim_rig_new(seed, (struct sim_short_memory){0}, options->verbose);
    all->life.w = all->w = all->rig->w;
    all->w->on_trace = on_trace;
    all->w->trace_arg = all;
    if (life_run(&all->life, &ops, options, text, size) < 0)
        return -1;
    count(all);
    met_add(met, all->w);
    sim_rig_free(all->rig);
    free(all);
    return 0;
}
