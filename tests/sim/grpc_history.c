/* SPDX-License-Identifier: MIT */
/*
 * One history of channels: calls of every kind, while addresses come and go, servers refuse, fail, hang, leave and die, and say
 * that they do not serve. Then all heals, every channel must come right, and use its addresses as it promised. Then the end.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim/faults.h"
#include "sim/grpc_rig.h"

#define STEPS     100
#define EVENTS    250
#define FAULTS    3 /* kinds */
#define CALLS_MAX 40
#define SETTLE_MS 120000
#define STORM     25 /* calls */

static struct grpc_lives *of(struct life *life)
{
    return BL_CONTAINER(life, struct grpc_lives, life);
}

static struct grpc_channel *some_channel(struct grpc_lives *all)
{
    return &all->channels[sim_below(all->w, (uint64_t)all->n)];
}

static struct grpc_host *some_host(struct grpc_lives *all)
{
    struct grpc_channel *ch = some_channel(all);

    return &ch->hosts[sim_below(all->w, (uint64_t)ch->hosts_n)];
}

static struct grpc_call *some_call(struct grpc_lives *all, bool paused)
{
    struct grpc_call *found = NULL;
    uint64_t n = 0;

    BL_LIST_EACH(node, &all->calls)
    {
        struct grpc_call *call = BL_LIST_OF(node, struct grpc_call, link);

        if (grpc_goes_on(call) && (!paused || call->paused) && sim_below(all->w, ++n) == 0)
            found = call;
    }
    return found;
}

/* ---- drawing ---- */

static void recklessly(struct grpc_channel *ch);

static int draw(struct life *life)
{
    struct grpc_lives *all = of(life);
    struct sim_world *w = all->w;

    all->n = 2;
    if (life_begin(life, 0))
        life->alloc_fails = life->alloc_fails || sim_chance(w, 15);
    if (life_begin(life, 1))
        all->reckless = sim_chance(w, 30);
    if (life_begin(life, 2))
        all->n = (int)sim_between(w, 1, GRPC_CHANNELS_MAX);
    all->lenient = life->alloc_fails;
    for (int i = 0; i < all->n; i++) {
        life_begin(life, 4 + (unsigned)i);
        if (grpc_channel_new(all, i) < 0)
            return -1;
    }
    if (life_begin(life, 20))
        all->pauses = sim_chance(w, 50) ? (unsigned)sim_between(w, 1, 30) : 0;
    all->then = recklessly;
    grpc_oracle_attach(all);
    life_begin_world(life);
    return 0;
}

/* ---- steps ---- */

static void call(struct grpc_channel *ch)
{
    struct sim_world *w = ch->all->w;
    struct grpc_call_plan plan = {0};

    if (ch->under_way >= CALLS_MAX || ch->closing || !ch->channel)
        return;
    plan.unary = sim_chance(w, 50);
    plan.echo = sim_chance(w, 50);
    plan.sends = plan.unary ? 1 : (unsigned)sim_below(w, 6);
    plan.filler = sim_chance(w, 80) ? (unsigned)sim_below(w, 50) : (unsigned)sim_below(w, 60000);
    plan.waits_for_ready = sim_chance(w, 40);
    plan.deadline_ms =
        sim_chance(w, 70) ? (int64_t)sim_between(w, 1, sim_chance(w, 40) ? 300 : 8000) : 0;
    grpc_call(ch, &plan);
}

static void operate(struct grpc_channel *ch)
{
    struct grpc_lives *all = ch->all;

    if (ch->closing)
        return;
    all->in_call++;
    if (sim_chance(all->w, 60)) {
        grpc_did(all, GRPC_CONNECT);
        belay_channel_connect(ch->channel);
    } else {
        grpc_did(all, GRPC_RESET_BACKOFF);
        for (int i = 0; i < ch->hosts_n; i++)
            ch->hosts[i].forgiven_ns = all->w->now_ns;
        belay_channel_reset_backoff(ch->channel);
    }
    all->in_call--;
}

/* Anything may be done in a callback. */
static void recklessly(struct grpc_channel *ch)
{
    struct grpc_lives *all = ch->all;
    struct sim_world *w = all->w;

    if (!all->reckless || all->life.healed || !sim_chance(w, 20))
        return;
    grpc_did(all, GRPC_IN_CALLBACK);
    if (sim_chance(w, 50))
        call(ch);
    else if (sim_chance(w, 50) && some_call(all, false))
        grpc_cancel(some_call(all, false));
    else
        operate(ch);
}

static void moods(struct grpc_host *h)
{
    struct sim_world *w = h->channel->all->w;

    switch (sim_below(w, 5)) {
    case 0:
    case 1:
        h->fails = (unsigned)sim_between(w, 1, 80);
        break;
    case 2:
        h->strange = (unsigned)sim_between(w, 1, 30);
        break;
    case 3:
        h->no_health = !h->no_health;
        break;
    default:
        h->serving = !h->serving;
        grpc_tell_health(h);
    }
}

static void fault(struct grpc_lives *all)
{
    struct grpc_host *h = some_host(all);
    uint64_t dice = sim_below(all->w, 100);

    if (dice < 20)
        moods(h);
    else if (dice < 35)
        grpc_name_disturb(h->channel);
    else
        h2_fault(&h->h2, all->life.alloc_fails);
}

static void heal(struct grpc_host *h)
{
    bool before = h->serving;

    sim_host_heal(h->h2.host);
    h2_host_heal(&h->h2);
    h->h2.host->addrs[0] = h->addr; /* it may have moved */
    h->fails = h->strange = 0;
    h->always = 0;
    h->serving = true;
    if (!before)
        grpc_tell_health(h);
}

static void resume(struct grpc_lives *all)
{
    struct grpc_call *paused = some_call(all, true);

    if (paused)
        grpc_resume(paused);
}

static void pass_time(struct grpc_lives *all)
{
    struct sim_world *w = all->w;
    uint64_t dice = sim_below(w, 100);

    if (dice < 50)
        sim_run_turn(w);
    else
        sim_run_ms(w, (int64_t)(dice < 90 ? sim_below(w, 60) : sim_below(w, 3000)));
    w->jump_ns = 0;
}

static void step(struct life *life)
{
    struct grpc_lives *all = of(life);
    struct sim_world *w = all->w;
    uint64_t dice = sim_below(w, 100);

    if (dice < 40)
        call(some_channel(all));
    else if (dice < 45) /* a burst */
        for (uint64_t n = sim_between(w, 3, 15); n > 0; n--)
            call(some_channel(all));
    else if (dice < 50 && some_call(all, false))
        grpc_cancel(some_call(all, false));
    else if (dice < 60)
        resume(all);
    else if (dice < 64)
        operate(some_channel(all));
    else if (dice < 85)
        fault(all);
    else if (dice < 90)
        grpc_name_heal(some_channel(all));
    else
        heal(some_host(all));
    pass_time(all);
}

static bool is_rich(const struct life *life)
{
    int kinds = 0;

    for (int i = 0; i < SIM_FAULTS_N; i++)
        kinds += life->w->faults[i] > 0;
    return life->steps >= STEPS && life->w->events >= EVENTS && kinds >= FAULTS;
}

/* ---- healing ---- */

static bool all_ended(void *arg)
{
    struct grpc_lives *all = arg;
    unsigned n = 0;

    for (struct grpc_call *paused; (paused = some_call(all, true));)
        grpc_resume(paused);
    for (int i = 0; i < all->n; i++)
        n += all->channels[i].under_way;
    return n == 0;
}

/* One call after the other; how many are OK. */
static unsigned calls_one_by_one(struct grpc_channel *ch, unsigned n)
{
    const struct grpc_call_plan plan = {.unary = true, .waits_for_ready = true};
    unsigned ok = 0;

    while (n-- > 0) {
        struct grpc_call *one = grpc_call(ch, &plan);

        if (!one || !sim_run_until(ch->all->w, SETTLE_MS, all_ended, ch->all))
            sim_fail(ch->all->w, "a call on channel %d does not end", ch->n);
        ok += one->done && one->status == BELAY_GRPC_OK;
    }
    return ok;
}

/* Which have served more than before, as bits. */
static unsigned served_by(const struct grpc_channel *ch, uint64_t before[GRPC_HOSTS_MAX])
{
    unsigned which = 0;

    for (int i = 0; i < ch->hosts_n; i++) {
        uint64_t served = 0;

        BL_LIST_EACH(node, &ch->hosts[i].h2.conns)
        served += BL_LIST_OF(node, struct h2_conn, link)->served;
        which |= (unsigned)(served > before[i]) << i;
        before[i] = served;
    }
    return which;
}

/* All is well for so long that every address is up again, and none is tried any more. */
static void expect_policy(struct grpc_channel *ch)
{
    struct sim_world *w = ch->all->w;
    uint64_t before[GRPC_HOSTS_MAX] = {0};
    unsigned n;

    sim_run_ms(w, 60);
    served_by(ch, before);
    if (calls_one_by_one(ch, (unsigned)ch->hosts_n * 2) < (unsigned)ch->hosts_n * 2)
        sim_fail(w, "a call on channel %d fails, and all is well", ch->n);
    n = (unsigned)__builtin_popcount(served_by(ch, before));
    if (ch->options.lb_policy == BELAY_PICK_FIRST && n != 1)
        sim_fail(w, "pick_first uses %u addresses", n);
    if (ch->options.lb_policy == BELAY_ROUND_ROBIN && n != (unsigned)ch->hosts_n)
        sim_fail(w, "round_robin uses %u addresses of %d", n, ch->hosts_n);
}

/* One server after the other dies, until one is left: calls go there. */
static void fail_over(struct grpc_channel *ch)
{
    struct sim_world *w = ch->all->w;
    uint64_t before[GRPC_HOSTS_MAX] = {0};

    for (int left = ch->hosts_n; left > 1; left--) {
        unsigned which;

        served_by(ch, before);
        calls_one_by_one(ch, 1);
        which = served_by(ch, before);
        if (which)
            sim_host_kill(ch->hosts[__builtin_ctz(which)].h2.host);
        if (calls_one_by_one(ch, 2) == 0)
            sim_fail(w, "channel %d does not turn to another address", ch->n);
    }
    for (int i = 0; i < ch->hosts_n; i++)
        sim_host_heal(ch->hosts[i].h2.host);
}

/* Servers that fail all the time are not asked ever more. */
static void storm(struct grpc_channel *ch)
{
    unsigned acted = 0, most;

    if (!ch->options.retry)
        return;
    for (int i = 0; i < ch->hosts_n; i++)
        ch->hosts[i].always = BELAY_GRPC_UNAVAILABLE;
    calls_one_by_one(ch, STORM);
    for (struct bl_list *node = ch->all->calls.prev; node != &ch->all->calls; node = node->prev) {
        const struct grpc_call *one = BL_LIST_OF(node, struct grpc_call, link);

        if (one->number + STORM > ch->all->numbers)
            acted += one->acted;
    }
    most = STORM + (unsigned)ch->retry.tokens_max / 2 + 1;
    if (acted > most)
        sim_fail(ch->all->w, "%d calls on channel %d are attempted %u times", STORM, ch->n, acted);
    if (acted < (unsigned)ch->retry.attempts_max * STORM)
        grpc_did(ch->all, GRPC_THROTTLED);
    for (int i = 0; i < ch->hosts_n; i++)
        ch->hosts[i].always = 0;
}

/* So that names are looked up again. */
static void go_away(struct grpc_channel *ch)
{
    for (int i = 0; i < ch->hosts_n; i++)
        BL_LIST_EACH(node, &ch->hosts[i].h2.conns)
    h2_goaway(BL_LIST_OF(node, struct h2_conn, link), H2_GOAWAY_NOW);
}

static void recover(struct life *life)
{
    struct grpc_lives *all = of(life);
    struct sim_world *w = all->w;

    sim_note(w, "all heals");
    life->healed = true;
    sim_heal(w);
    all->pauses = 0;
    for (int i = 0; i < all->n; i++) {
        for (int j = 0; j < all->channels[i].hosts_n; j++)
            heal(&all->channels[i].hosts[j]);
        grpc_name_heal(&all->channels[i]);
    }
    sim_run_ms(w, 5000); /* as long as a name is believed */
    for (int i = 0; i < all->n; i++)
        go_away(&all->channels[i]);
    for (int i = 0; i < all->n; i++)
        for (struct grpc_call *hung; (hung = some_call(all, false)) && !hung->channel->closing;)
            grpc_cancel(hung);
    sim_run_ms(w, 15000); /* names that were missing, addresses that had failed, are tried again */
    for (int i = 0; i < all->n; i++) {
        struct grpc_channel *ch = &all->channels[i];

        if (calls_one_by_one(ch, 3) == 0)
            sim_fail(w, "channel %d does not recover", ch->n);
        sim_run_ms(w, 15000);
        calls_one_by_one(ch, 1); /* wakes it */
        sim_run_ms(w, 50);
        expect_policy(ch);
        storm(ch);
        fail_over(ch);
    }
}

/* ---- the end ---- */

static void on_closed(void *arg)
{
    struct grpc_channel *ch = arg;

    if (ch->all->in_call || ch->over)
        sim_fail(ch->all->w, "on_closed of channel %d runs inside a call, or twice", ch->n);
    if (ch->under_way)
        sim_fail(ch->all->w, "channel %d has ended, and %u calls have not", ch->n, ch->under_way);
    ch->over = true;
}

static void end(struct grpc_channel *ch, bool drain)
{
    struct grpc_lives *all = ch->all;

    ch->closing = ch->closing || !drain;
    grpc_did(all, drain ? GRPC_DRAIN : GRPC_CLOSE);
    all->in_call++;
    if (drain)
        belay_channel_drain(ch->channel, on_closed, ch);
    else
        belay_channel_close(ch->channel, ch->drained ? NULL : on_closed, ch);
    all->in_call--;
    ch->drained = true;
}

static bool all_over(void *arg)
{
    struct grpc_lives *all = arg;

    for (struct grpc_call *paused; (paused = some_call(all, true));)
        grpc_resume(paused);
    for (int i = 0; i < all->n; i++)
        if (!all->channels[i].over)
            return false;
    return true;
}

static void finish(struct life *life)
{
    struct grpc_lives *all = of(life);
    struct sim_world *w = all->w;

    for (uint64_t n = sim_below(w, 10); n > 0; n--)
        call(some_channel(all));
    sim_run_ms(w, (int64_t)sim_below(w, 20));
    for (int i = 0; i < all->n; i++) {
        bool drain = sim_chance(w, 40);

        end(&all->channels[i], drain);
        if (drain)
            sim_run_ms(w, (int64_t)sim_below(w, 200));
        if (drain && !all->channels[i].over && sim_chance(w, 50))
            end(&all->channels[i], false);
    }
    if (!sim_run_until(w, SIM_END_MS, all_over, all))
        sim_fail(w, "a channel does not close");
    sim_rest(w);
    sim_end(w);
}

/* ---- a run ---- */

static void on_trace(const struct belay_trace *trace, void *arg)
{
    struct grpc_lives *all = arg;

    met_trace(trace, all->met);
    grpc_oracle_trace(all, trace);
}

static const struct life_ops ops = {
    .draw = draw, .step = step, .is_rich = is_rich, .recover = recover, .finish = finish};

int grpc_history_run(uint64_t seed, const struct history_options *options, struct met *met,
                     char *text, size_t size)
{
    struct grpc_lives *all = calloc(1, sizeof *all);
    struct bl_list *node;

    if (!all)
        abort();
    all->met = met;
    bl_list_init(&all->calls);
    life_make_world(&all->life, seed, options, on_trace, all);
    all->w = all->life.w;
    all->w->no_garbage = true;
    if (life_run(&all->life, &ops, options, text, size) < 0)
        return -1;
    met_add(met, all->w);
    sim_world_free(all->w);
    while ((node = bl_list_pop_front(&all->calls)))
        free(BL_LIST_OF(node, struct grpc_call, link));
    free(all);
    return 0;
}
