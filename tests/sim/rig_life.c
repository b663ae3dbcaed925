/* SPDX-License-Identifier: MIT */
/* The life of a rig: made, finished with nothing left, freed; and a scenario run in one. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim/http_rig.h"
#include "sim/parts.h"
#include "sim/rig.h"

#define SCENARIO_S 20 /* of real time: one takes milliseconds; the process ends at this limit */

struct sim_rig *sim_rig_new(uint64_t seed, struct sim_short_memory memory, bool verbose)
{
    struct sim_rig *rig = calloc(1, sizeof *rig);

    if (!rig)
        abort();
    rig->w = sim_world_bare(seed);
    rig->w->verbose = verbose;
    bl_list_init(&rig->targets);
    bl_list_init(&rig->asks);
    bl_list_init(&rig->pending);
    bl_list_init(&rig->taken);
    bl_list_init(&rig->told);
    bl_list_init(&rig->gets);
    bl_list_init(&rig->cleanups);
    rig->lenient = memory.n > 0;
    if (memory.onwards)
        failing_alloc_from(&rig->w->alloc, memory.n);
    else
        failing_alloc_once(&rig->w->alloc, memory.n);
    if (sim_world_start(rig->w) < 0)
        rig->w->loop = NULL;
    return rig;
}

static bool is_closed(void *arg)
{
    return ((struct sim_rig *)arg)->closed;
}

struct cleanup {
    struct bl_list link;
    void (*fn)(void *arg);
    void *arg;
};

void sim_rig_later(struct sim_rig *rig, void (*fn)(void *arg), void *arg)
{
    struct cleanup *c = calloc(1, sizeof *c);

    if (!c)
        abort();
    c->fn = fn;
    c->arg = arg;
    bl_list_push_front(&rig->cleanups, &c->link);
}

static void clean_up(struct sim_rig *rig)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&rig->cleanups))) {
        struct cleanup *c = BL_LIST_OF(node, struct cleanup, link);

        c->fn(c->arg);
        free(c);
    }
}

static void let_go(struct sim_rig *rig)
{
    BL_LIST_EACH(node, &rig->targets)
    {
        struct sim_target *t = BL_LIST_OF(node, struct sim_target, link);

        belay_peer_unref(t->peer);
        belay_endpoint_unref(t->endpoint);
        t->peer = NULL;
        t->endpoint = NULL;
    }
    belay_tls_unref(rig->tls);
    rig->tls = NULL;
}

void sim_rig_finish(struct sim_rig *rig)
{
    struct sim_world *w = rig->w;

    failing_alloc_once(&w->alloc, 0);
    if (!w->loop) {
        sim_end(w);
        return;
    }
    clean_up(rig);
    sim_rig_close_taken(rig);
    if (rig->pool) {
        if (rig->http)
            sim_http_close(rig, false);
        else
            sim_rig_close(rig);
        BL_LIST_EACH(node, &w->hosts)
        sim_host_heal(BL_LIST_OF(node, struct sim_host, link));
        if (!sim_run_until(w, SIM_END_MS, is_closed, rig))
            sim_fail(w, "the pool does not close");
        sim_oracle_closed(rig);
    }
    sim_rest(w);
    let_go(rig);
    sim_end(w);
}

void sim_rig_abandon(struct sim_rig *rig)
{
    struct sim_world *w = rig->w;
    uint64_t waiting = sim_count(rig, NULL, ASK_WAITING), told = rig->refused;

    failing_alloc_once(&w->alloc, 0);
    sim_note(w, "abandon the pool");
    rig->abandoned = true;
    sim_rig_close_taken(rig);
    let_go(rig);
    if (!rig->draining) {
        rig->closing = true;
        rig->closing_turn = w->turns;
        rig->pool = NULL; /* it goes with the loop */
    }
    sim_loop_free(w);
    if (rig->refused - told != waiting)
        sim_fail(w, "%llu waited at the loop's end, and %llu were told",
                 (unsigned long long)waiting, (unsigned long long)(rig->refused - told));
    sim_end(w);
}

void sim_rig_free(struct sim_rig *rig)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&rig->asks)))
        free(BL_LIST_OF(node, struct sim_ask, link));
    while ((node = bl_list_pop_front(&rig->gets)))
        free(BL_LIST_OF(node, struct sim_get, link));
    while ((node = bl_list_pop_front(&rig->told)))
        free(BL_LIST_OF(node, struct sim_told, link));
    while ((node = bl_list_pop_front(&rig->targets)))
        free(BL_LIST_OF(node, struct sim_target, link));
    sim_world_free(rig->w);
    free(rig);
}

void sim_expect_failed(struct sim_rig *rig, const char *file, int line, const char *what)
{
    const char *name = strrchr(file, '/');

    if (failing_alloc_failures(&rig->w->alloc) && rig->bail)
        longjmp(*rig->bail, 1); /* no wonder: memory ran out on the way */
    sim_fail(rig->w, "%s:%d: expected %s", name ? name + 1 : file, line, what);
}

static void run_body(struct sim_rig *rig, const struct sim_scenario *scenario)
{
    jmp_buf bail;

    rig->bail = &bail;
    if (setjmp(bail) == 0 && rig->w->loop)
        scenario->run(rig);
    rig->bail = NULL;
}

int sim_scenario_run(const struct sim_scenario *scenario, struct sim_short_memory memory,
                     bool verbose, size_t *ret_failures, char *text, size_t size)
{
    struct sim_rig *rig = sim_rig_new(1, memory, verbose);
    jmp_buf failed;

    alarm(SCENARIO_S);
    rig->w->serial = true;
    rig->w->quiet_failure = true;
    rig->w->on_fail = &failed;
    if (setjmp(failed)) {
        snprintf(text, size, "%s (%.3f s)", rig->w->failure, (double)sim_ms(rig->w) / 1e3 - 1e3);
        return -1; /* the rig is in an unknown state: left as it is */
    }
    run_body(rig, scenario);
    sim_rig_finish(rig);
    if (ret_failures)
        *ret_failures = failing_alloc_failures(&rig->w->alloc);
    sim_rig_free(rig);
    return 0;
}
