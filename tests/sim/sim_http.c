/* SPDX-License-Identifier: MIT */
/*
 * sim_http [as in history_main.c]: histories of an HTTP client under the same faults as the
 * pool's. The laws are http_rig.h's: most of all, that what must not be repeated never is, and that what may be repeated is
 * not lost.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim/history.h"
#include "sim/history_main.h"
#include "sim/http_rig.h"
#include "sim/parts.h"

#define STEPS     100
#define GETS_MAX  40
#define TRIES_MAX 3     /* the first may meet an address that is remembered, and no more */
#define SETTLE_MS 60000 /* after the healing everything under way has ended: its longest limit */

struct tally {
    uint64_t histories, requests, done, failed, cancelled, replayed, executed;
    uint64_t stages[BELAY_STAGES_N], codes[64];
    uint64_t faults[SIM_FAULTS_N];
};
static struct tally tally;

static int draw(struct life *life)
{
    struct history *h = history_of(life);
    struct sim_rig *rig = h->rig;
    struct sim_world *w = rig->w;
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options o = belay_http_options_init();
    struct belay_tls_options tls = belay_tls_options_init();
    bool secure = sim_chance(w, 8);

    h->n = (int)sim_between(w, 3, HISTORY_PEERS_MAX);
    life->alloc_fails = life->alloc_fails || sim_chance(w, 15);
    rig->lenient = life->alloc_fails;
    if (secure) {
        tls.ca_pem = sim_tls_ca_pem();
        sim_tls_seed(w->seed);
        if (belay_tls_new(w->loop, &tls, &rig->tls, NULL) < 0)
            return -1;
    }
    pool.max_connections_per_endpoint = (int32_t)sim_between(w, 1, 5);
    pool.max_connections_total = (int32_t)sim_between(w, 2, 14);
    pool.max_idle_time_ms = (int64_t)sim_between(w, 100, 30000);
    pool.connect_retry_count = sim_chance(w, 30) ? BELAY_NONE : (int32_t)sim_between(w, 1, 4);
    pool.acquire_timeout_ms = (int64_t)sim_between(w, 500, 20000);
    o.pool = &pool;
    o.tls = rig->tls;
    o.first_byte_timeout_ms = (int64_t)sim_between(w, 300, 10000);
    o.idle_timeout_ms = (int64_t)sim_between(w, 300, 10000);
    if (sim_chance(w, 30))
        o.timeout_ms = (int64_t)sim_between(w, 100, 20000);
    if (sim_http_open(rig, &o) < 0)
        return -1;
    for (int i = 0; i < h->n; i++) {
        struct sim_target *t = calloc(1, sizeof *t);
        char name[16];

        if (!t)
            abort();
        snprintf(name, sizeof name, "%c.sim.test", 'a' + i);
        t->rig = rig;
        t->host = sim_host_add(w, name, 8080, &sim_http_server);
        t->host->tls = secure;
        bl_list_push_back(&rig->targets, &t->link);
        h->targets[i] = t;
        if (sim_chance(w, 20))
            t->host->latency_ns = 0;
    }
    return 0;
}

static struct sim_get *some_get(struct sim_rig *rig)
{
    struct sim_get *found = NULL;
    uint64_t n = 0;

    BL_LIST_EACH(node, &rig->gets)
    {
        struct sim_get *get = BL_LIST_OF(node, struct sim_get, link);

        if (!get->done && !get->cancelled && sim_below(rig->w, ++n) == 0)
            found = get;
    }
    return found;
}

static void request(struct history *h)
{
    struct sim_world *w = h->rig->w;
    struct sim_host *host = h->targets[sim_below(w, (uint64_t)h->n)]->host;
    size_t size = (size_t)sim_below(w, sim_chance(w, 92) ? 400 : 40000);
    int code;

    if (sim_gets_under_way(h->rig) >= GETS_MAX)
        return;
    if (!sim_get(h->rig, host, sim_chance(w, 35) ? "POST" : "GET", size, &code) &&
        !(code == BELAY_ENOMEM && h->life.alloc_fails))
        sim_fail(w, "a request is refused: %s", belay_error_name(code));
}

static void step(struct life *life)
{
    struct history *h = history_of(life);
    struct sim_world *w = h->rig->w;
    uint64_t dice = sim_below(w, 100);

    if (dice < 60)
        request(h);
    else if (dice < 65 && some_get(h->rig))
        sim_get_cancel(some_get(h->rig));
    else if (dice < 80)
        history_fault(h);
    else if (dice < 92)
        sim_host_heal(h->targets[sim_below(w, (uint64_t)h->n)]->host);
    dice = sim_below(w, 100);
    if (dice < 50)
        sim_run_turn(w);
    else
        sim_run_ms(w, (int64_t)(dice < 90 ? sim_below(w, 60) : sim_below(w, 3000)));
}

static bool all_ended(void *arg)
{
    return sim_gets_under_way(arg) == 0;
}

static bool is_served(struct history *h, struct sim_host *host)
{
    struct sim_get *get = sim_get(h->rig, host, "GET", 100, NULL);

    if (!get || !sim_run_until(h->rig->w, SETTLE_MS, all_ended, h->rig))
        sim_fail(h->rig->w, "a request to %s does not end", host->name);
    return !get->failed;
}

/* All is well again: what is asked now succeeds, at once or after the last echo of the faults. */
static void recover(struct life *life)
{
    struct history *h = history_of(life);
    struct sim_world *w = h->rig->w;

    history_heal(h);
    sim_note(w, "all heals");
    if (!sim_run_until(w, SETTLE_MS, all_ended, h->rig))
        sim_fail(w, "%u requests do not end", sim_gets_under_way(h->rig));
    sim_run_ms(w, 6000); /* names that were missing are asked for again */
    for (int i = 0; i < h->n; i++) {
        int tries = 0;

        while (!is_served(h, h->targets[i]->host))
            if (++tries == TRIES_MAX)
                sim_fail(w, "%s is well, and cannot be reached", h->targets[i]->host->name);
    }
}

static void finish(struct life *life)
{
    struct history *h = history_of(life);
    struct sim_world *w = h->rig->w;

    for (uint64_t n = sim_below(w, 6); n > 0; n--)
        request(h);
    sim_run_ms(w, (int64_t)sim_below(w, 20));
    if (sim_chance(w, 40)) {
        sim_http_close(h->rig, true);
        sim_run_ms(w, (int64_t)sim_below(w, 200));
    }
    sim_rig_finish(h->rig);
}

static void count(struct history *h)
{
    tally.histories++;
    BL_LIST_EACH(node, &h->rig->gets)
    {
        struct sim_get *get = BL_LIST_OF(node, struct sim_get, link);

        tally.requests++;
        tally.done += get->done && !get->failed;
        tally.failed += get->failed;
        tally.cancelled += get->cancelled;
        tally.replayed += get->facts.replays > 0;
        tally.executed += (uint64_t)get->executed;
        if (get->failed)
            tally.stages[get->error.stage]++;
    }
    for (int i = 0; i < SIM_FAULTS_N; i++)
        tally.faults[i] += h->rig->w->faults[i];
}

static bool is_rich(const struct life *life)
{
    return life->steps >= STEPS;
}

static const struct life_ops ops = {
    .draw = draw, .step = step, .is_rich = is_rich, .recover = recover, .finish = finish};

static int run(uint64_t seed, const struct history_options *options, char *text, size_t size)
{
    struct history *h = calloc(1, sizeof *h);

    if (!h)
        abort();
    h->rig = sim_rig_new(seed, (struct sim_short_memory){0}, options->verbose);
    h->life.w = h->rig->w;
    h->rig->sabotage = options->sabotage;
    if (life_run(&h->life, &ops, options, text, size) < 0)
        return -1;
    count(h);
    sim_rig_free(h->rig);
    free(h);
    return 0;
}

static int report(uint64_t histories)
{
    int lacking = 0;

    printf("%llu histories: %llu requests, %llu done, %llu failed, %llu cancelled, %llu replayed, "
           "carried "
           "out %llu times\n",
           (unsigned long long)tally.histories, (unsigned long long)tally.requests,
           (unsigned long long)tally.done, (unsigned long long)tally.failed,
           (unsigned long long)tally.cancelled, (unsigned long long)tally.replayed,
           (unsigned long long)tally.executed);
    for (int i = 0; i < BELAY_STAGES_N; i++)
        printf("  failed at %-24s %12llu\n", i ? belay_stage_name((enum belay_stage)i) : "(none)",
               (unsigned long long)tally.stages[i]);
    for (int i = 0; i < SIM_FAULTS_N; i++)
        printf("  fault %-28s %12llu\n", sim_fault_name((enum sim_fault)i),
               (unsigned long long)tally.faults[i]);
    if (histories >= 500 &&
        (tally.replayed < histories / 4 || !tally.stages[BELAY_STAGE_USE] ||
         !tally.stages[BELAY_STAGE_QUEUE] || !tally.stages[BELAY_STAGE_CONNECT])) {
        printf("hardly met: replays, or failures at a stage\n");
        lacking = 1;
    }
    return lacking;
}

int main(int argc, char **argv)
{
    return history_main(argc, argv, run, report);
}
