/* SPDX-License-Identifier: MIT */
/* The world itself: its making and end, its events, its hosts, and running it. */
#include "sim/parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define START_NS UINT64_C(1000000000000) /* monotonic time at the beginning */
#define START_MS INT64_C(1780000000000)  /* wall time at the beginning: May 2026 */
/* Events of one instant are ordered by these low bits of their key, drawn from the seed. */
#define TIE_BITS 9

uint64_t sim_below(struct sim_world *w, uint64_t bound)
{
    return bl_rand_below(&w->rand, bound);
}

/* ---- events ---- */

void sim_event_init(struct sim_event *e, struct sim_world *w, void (*fn)(void *arg), void *arg)
{
    bl_heap_entry_init(&e->entry);
    e->world = w;
    e->fn = fn;
    e->arg = arg;
    if (bl_heap_reserve(&w->heap, &w->mem) < 0)
        abort();
}

void sim_event_at(struct sim_event *e, uint64_t at_ns)
{
    struct sim_world *w = e->world;
    uint64_t tie = w->serial ? 0 : sim_below(w, 1u << TIE_BITS);

    if (at_ns < w->now_ns)
        at_ns = w->now_ns;
    bl_heap_remove(&w->heap, &e->entry);
    bl_heap_insert(&w->heap, &e->entry, at_ns << TIE_BITS | tie);
}

void sim_event_in(struct sim_event *e, uint64_t delay_ns)
{
    sim_event_at(e, e->world->now_ns + delay_ns);
}

void sim_event_stop(struct sim_event *e)
{
    if (e->world)
        bl_heap_remove(&e->world->heap, &e->entry);
}

void sim_event_fini(struct sim_event *e)
{
    if (!e->world)
        return;
    bl_heap_remove(&e->world->heap, &e->entry);
    bl_heap_unreserve(&e->world->heap);
    e->world = NULL;
}

uint64_t sim_next_event_ns(const struct sim_world *w)
{
    const struct bl_heap_entry *first = bl_heap_first(&w->heap);

    return first ? first->key >> TIE_BITS : BELAY_NEVER;
}

/* ---- clock, randomness, trace ---- */

static uint64_t clock_now(void *arg)
{
    struct sim_world *w = arg;

    return w->now_ns;
}

static int64_t clock_wall(void *arg)
{
    struct sim_world *w = arg;

    return START_MS + w->wall_offset_ms + (int64_t)((w->now_ns - START_NS) / 1000000u);
}

static void random_fill(void *out, size_t bytes, void *arg)
{
    struct sim_world *w = arg;
    unsigned char *p = out;

    for (size_t i = 0; i < bytes; i++)
        p[i] = (unsigned char)bl_rand_next(&w->entropy);
}

static void say(struct sim_world *w, const char *format, va_list args)
{
    fprintf(stderr, "%12.6f  ", (double)(w->now_ns - START_NS) / 1e9);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void sim_note(struct sim_world *w, const char *format, ...)
{
    va_list args;

    if (!w->verbose)
        return;
    va_start(args, format);
    say(w, format, args);
    va_end(args);
}

void sim_fail(struct sim_world *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(w->failure, sizeof w->failure, format, args);
    va_end(args);
    if (!w->quiet_failure)
        fprintf(stderr, "seed %llu, %.6f s: %s\n", (unsigned long long)w->seed,
                (double)(w->now_ns - START_NS) / 1e9, w->failure);
    if (!w->on_fail)
        abort();
    longjmp(*w->on_fail, 1);
}

static const char *const fault_names[] = {
#define X(name, text) [SIM_FAULT_##name] = (text),
    SIM_FAULTS(X)
#undef X
};

const char *sim_fault_name(enum sim_fault fault)
{
    return fault_names[fault];
}

void sim_did(struct sim_world *w, enum sim_fault fault, const struct sim_host *host)
{
    w->faults[fault]++;
    sim_note(w, "fault: %s%s%s", fault_names[fault], host ? " at " : "", host ? host->name : "");
}

/* Who had it has heard of its end. */
static void conn_gone(struct sim_world *w, const char *name)
{
    BL_LIST_EACH(node, &w->hosts)
    {
        struct sim_host *h = BL_LIST_OF(node, struct sim_host, link);

        if (!h->told && strstr(name, h->name)) {
            h->told = true;
            h->excused = w->unborn;
        }
    }
}

static void on_trace(const struct belay_trace *t, void *arg)
{
    struct sim_world *w = arg;

    if (strcmp(t->noun, "conn") == 0) {
        if (w->on_conn)
            w->on_conn(t, w->after_turn_arg);
        w->unborn += !t->from;
        w->unborn -= t->from && strcmp(t->from, "new") == 0;
        if (!t->to)
            conn_gone(w, t->name);
    }
    if (strcmp(t->noun, "lease") == 0 && t->to && strcmp(t->to, "lent") == 0) {
        w->lent = w->lent_turn == w->turns ? w->lent + 1 : 1;
        w->lent_turn = w->turns;
    }
    if (w->verbose)
        sim_note(w, "%s %llu %s: %s -> %s%s%s", t->noun, (unsigned long long)t->id,
                 t->name ? t->name : "", t->from ? t->from : "(new)", t->to ? t->to : "(gone)",
                 t->cause ? ": " : "", t->cause ? t->cause : "");
    if (w->on_trace)
        w->on_trace(t, w->trace_arg);
}

static void on_log(enum belay_log_level level, const char *tag, const char *line, void *arg)
{
    (void)level;
    sim_note(arg, "log %s: %s", tag, line);
}

/* ---- the world ---- */

static void seams_init(struct sim_world *w)
{
    w->clock = (struct belay_clock){
        .size = sizeof w->clock, .now_ns = clock_now, .wall_ms = clock_wall, .arg = w};
    w->random = (struct belay_random){.size = sizeof w->random, .fill = random_fill, .arg = w};
    sim_backend_init(w);
    sim_net_init(w);
    sim_dns_init(w);
    w->seams = belay_world_init();
    w->seams.allocator = &w->alloc.allocator;
    w->seams.clock = &w->clock;
    w->seams.random = &w->random;
    w->seams.transport = &w->transport;
    w->seams.dns = &w->dns;
    w->seams.offload = &w->offload;
    w->seams.backend = &w->backend;
}

struct sim_world *sim_world_bare(uint64_t seed)
{
    struct sim_world *w = calloc(1, sizeof *w);

    if (!w)
        abort();
    w->seed = seed;
    bl_rand_seed(&w->rand, seed);
    bl_rand_seed(&w->entropy, ~seed);
    bl_mem_init(&w->mem, NULL);
    failing_alloc_init(&w->alloc);
    w->now_ns = START_NS;
    w->deadline = BELAY_NEVER;
    w->next_port = 20000;
    bl_list_init(&w->watches);
    bl_list_init(&w->hosts);
    bl_list_init(&w->names);
    bl_list_init(&w->queries);
    bl_list_init(&w->works);
    bl_list_init(&w->wires);
    bl_list_init(&w->fakes);
    bl_list_init(&w->seen);
    seams_init(w);
    return w;
}

int sim_world_start(struct sim_world *w)
{
    struct belay_loop_options o = belay_loop_options_init();

    o.world = &w->seams;
    o.on_trace = on_trace;
    o.trace_arg = w;
    o.hosts_file = "/dev/null";
    if (w->verbose) {
        o.on_log = on_log;
        o.log_arg = w;
        o.log_level = BELAY_LOG_DEBUG;
    }
    return belay_loop_new(&o, &w->loop, NULL);
}

struct sim_world *sim_world_new(uint64_t seed)
{
    struct sim_world *w = sim_world_bare(seed);

    if (sim_world_start(w) < 0)
        w->loop = NULL;
    return w;
}

void sim_loop_free(struct sim_world *w)
{
    if (w->loop)
        belay_loop_free(w->loop);
    w->loop = NULL;
}

void sim_world_free(struct sim_world *w)
{
    struct bl_list *node;

    sim_dns_free(w);
    sim_net_free(w);
    sim_fake_free(w);
    while ((node = bl_list_pop_front(&w->hosts)))
        bl_free(&w->mem, BL_LIST_OF(node, struct sim_host, link));
    bl_heap_free(&w->heap, &w->mem);
    free(w);
}

/* ---- running ---- */

static void turn(struct sim_world *w, uint64_t until_ns)
{
    uint64_t left = until_ns > w->now_ns ? until_ns - w->now_ns : 0;
    int r = belay_loop_turn(w->loop, (int64_t)((left + 999999) / 1000000));

    if (r < 0)
        sim_fail(w, "belay_loop_turn: %s", belay_error_name(r));
}

void sim_run_turn(struct sim_world *w)
{
    if (!sim_is_dry(w))
        turn(w, w->now_ns + SIM_MS(1000));
}

void sim_run_ms(struct sim_world *w, int64_t ms)
{
    uint64_t until = w->now_ns + SIM_MS(ms);

    do {
        turn(w, until);
    } while (w->now_ns < until);
    for (int i = 0; i < 100 && !sim_is_quiet(w); i++)
        turn(w, w->now_ns);
}

bool sim_run_until(struct sim_world *w, int64_t limit_ms, bool (*done)(void *arg), void *arg)
{
    uint64_t until = w->now_ns + SIM_MS(limit_ms);

    while (!done(arg)) {
        if (w->now_ns >= until || sim_is_dry(w))
            return false;
        turn(w, until);
    }
    return true;
}

/* ---- connections as seen ---- */

void sim_seen_begin(struct sim_seen *seen, struct sim_world *w, struct sim_host *h)
{
    seen->host = h;
    seen->id = ++w->next_id;
    seen->dialed_ns = w->now_ns;
    seen->live = true;
    seen->capacity = seen->capacity_before = 1;
    bl_list_push_back(&w->seen, &seen->link);
    h->dialed_ns[h->dials++ % SIM_DIALS_MAX] = w->now_ns;
    w->dials++;
    if (++h->live > h->peak)
        h->peak = h->live;
    if (w->on_dial)
        w->on_dial(seen, w->after_turn_arg);
}

void sim_seen_up(struct sim_seen *seen, struct sim_world *w)
{
    seen->open = true;
    seen->opened_ns = seen->idle_since_ns = w->now_ns;
}

void sim_seen_end(struct sim_seen *seen)
{
    struct sim_world *w = seen->host->world;

    if (!seen->live)
        return;
    seen->live = false;
    seen->host->live--;
    w->ended = w->ended_turn == w->turns ? w->ended + 1 : 1;
    w->ended_turn = w->turns;
    bl_list_remove(&seen->link);
}
