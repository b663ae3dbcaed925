/* SPDX-License-Identifier: MIT */
/* What must hold of channels and calls: at their ends, at dials, after each turn. grpc_rig.h names the laws. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/grpc_rig.h"
#include "sim/parts.h"

#define GRACE_NS    SIM_MS(100)
#define SPARE_NS    SIM_MS(1000)
#define MOMENT_NS   SIM_MS(3)
#define BELIEVED_NS SIM_MS(6000) /* an answer about a name */

/* ---- how calls end ---- */

static const struct grpc_attempt *told(const struct grpc_call *call, int what)
{
    for (unsigned i = 0; i < call->attempts_n; i++)
        if (call->attempts[i].told == what)
            return &call->attempts[i];
    return NULL;
}

static void check_said(struct grpc_call *call, const struct belay_rpc_result *result)
{
    struct sim_world *w = call->all->w;
    const struct grpc_attempt *last =
        call->attempts_n ? &call->attempts[call->attempts_n - 1] : NULL;
    char message[32];

    snprintf(message, sizeof message, "%zu tells", call->number);
    if (!last || last->told != result->status)
        sim_fail(w, "call %zu ends with %s, which no server has told last", call->number,
                 belay_grpc_status_name(result->status));
    if (strcmp(result->message, message) != 0)
        sim_fail(w, "call %zu ends with \"%s\"", call->number, result->message);
    if (result->status == BELAY_GRPC_OK && call->got != last->said)
        sim_fail(w, "call %zu is OK with %u of %u messages", call->number, call->got, last->said);
}

static bool was_treated_so(const struct grpc_call *call)
{
    return told(call, TOLD_HTTP) || told(call, TOLD_NO_STATUS) || told(call, TOLD_RESET);
}

/* A unary answer without its one message is UNIMPLEMENTED. */
static bool may_be(const struct grpc_call *call, const struct belay_rpc_result *result)
{
    struct sim_world *w = call->all->w;

    switch (result->status) {
    case BELAY_GRPC_UNAVAILABLE:
        return true; /* connections fail */
    case BELAY_GRPC_DEADLINE_EXCEEDED:
        return w->now_ns >= call->deadline_ns;
    case BELAY_GRPC_CANCELLED:
        return call->channel->closing || told(call, TOLD_RESET);
    case BELAY_GRPC_RESOURCE_EXHAUSTED:
        return call->all->lenient || told(call, TOLD_RESET);
    case BELAY_GRPC_UNIMPLEMENTED:
        return told(call, TOLD_HTTP) || (call->unary && call->acted > 0);
    case BELAY_GRPC_OK:
        return false;
    default:
        return was_treated_so(call);
    }
}

static void check_own(struct grpc_call *call, const struct belay_rpc_result *result)
{
    const struct belay_error *e = result->error;
    struct sim_world *w = call->all->w;

    if (e->code >= 0 || !e->text[0] || strcmp(e->text, result->message) != 0)
        sim_fail(w, "call %zu ends with an error without substance: %d", call->number, e->code);
    if (!may_be(call, result))
        sim_fail(w, "call %zu ends with %s, and nothing befell it: %s", call->number,
                 belay_grpc_status_name(result->status), e->text);
    if (e->sent == BELAY_NOT_SENT && call->acted > 0 && result->attempts <= 1)
        sim_fail(w, "call %zu is said not to be sent, and was acted upon", call->number);
    if (e->code == BELAY_ENOMEM && !call->all->lenient)
        sim_fail(w, "out of memory, and there was enough");
}

static void count(struct grpc_call *call, const struct belay_rpc_result *result)
{
    struct grpc_lives *all = call->all;

    if (result->status == BELAY_GRPC_OK)
        grpc_did(all, GRPC_OK);
    else
        grpc_did(all, result->error ? GRPC_OWN_STATUS : GRPC_STATUS);
    if (result->error && result->status == BELAY_GRPC_DEADLINE_EXCEEDED)
        grpc_did(all, GRPC_DEADLINE);
    if (result->error && result->status == BELAY_GRPC_UNAVAILABLE && call->attempts_n == 0)
        grpc_did(all, GRPC_UNAVAILABLE);
    if (call->acted > 1)
        grpc_did(all, GRPC_RETRIED);
    if (result->attempts > 1 && call->acted <= 1)
        grpc_did(all, GRPC_TRANSPARENT);
}

void grpc_oracle_ended(struct grpc_call *call, const struct belay_rpc_result *result)
{
    struct sim_world *w = call->all->w;
    const struct grpc_channel *ch = call->channel;
    unsigned most = ch->options.retry ? (unsigned)ch->retry.attempts_max : 1;

    if (call->acted > most)
        sim_fail(w, "call %zu was acted upon %u times, and %u are allowed", call->number,
                 call->acted, most);
    if (result->attempts < (int32_t)call->acted)
        sim_fail(w, "call %zu was acted upon %u times in %d attempts", call->number, call->acted,
                 result->attempts);
    if (call->deadline_ns != BELAY_NEVER && w->now_ns > call->deadline_ns + GRACE_NS + w->jump_ns)
        sim_fail(w, "call %zu ends %.3f s after its deadline", call->number,
                 (double)(w->now_ns - call->deadline_ns) / 1e9);
    if (result->error)
        check_own(call, result);
    else
        check_said(call, result);
    count(call, result);
}

void grpc_oracle_trace(struct grpc_lives *all, const struct belay_trace *trace)
{
    if (strcmp(trace->noun, "rpc") != 0 || strstr(trace->name, "Health"))
        return;
    for (struct bl_list *node = all->calls.prev; node != &all->calls; node = node->prev) {
        struct grpc_call *call = BL_LIST_OF(node, struct grpc_call, link);

        if (!call->id && !call->rpc && grpc_goes_on(call))
            call->id = trace->id; /* heard within the call that makes it */
        if (call->id != trace->id)
            continue;
        snprintf(call->state, sizeof call->state, "%s", trace->to ? trace->to : "");
        return;
    }
}

/* ---- dials ---- */

static struct grpc_host *host_of(struct sim_seen *seen)
{
    struct h2_host *h = seen->host->served;

    return h ? h->arg : NULL;
}

/* One more while others are up is no attempt of a backoff. */
static bool has_others(const struct grpc_host *h)
{
    BL_LIST_EACH(node, &h->h2.conns)
    {
        const struct h2_conn *c = BL_LIST_OF(node, struct h2_conn, link);

        if (!c->wire->net->client_gone)
            return true;
    }
    return false;
}

static void on_dial(struct sim_seen *seen, void *arg)
{
    struct grpc_lives *all = arg;
    struct grpc_host *h = host_of(seen);
    struct sim_world *w = all->w;
    uint64_t least, gap;

    if (!h)
        return;
    gap = w->now_ns - h->dialed_ns;
    least = SIM_MS(h->channel->backoff.delay_ms) / 100 * 80;
    if (h->channel->closing)
        sim_fail(w, "a closed channel dials %s", seen->host->name);
    if (h->dialed_ns && h->refused && seen->host->refuse && h->forgiven_ns < h->dialed_ns &&
        gap > 3 * seen->host->latency_ns) {
        grpc_did(all, GRPC_BACKED_OFF);
        if (gap + MOMENT_NS < least && !has_others(h) && w->jumped_at < h->dialed_ns)
            sim_fail(w, "%s is dialled again after %.3f s", seen->host->name, (double)gap / 1e9);
    }
    h->dialed_ns = w->now_ns;
    h->refused = seen->host->refuse;
}

static void on_stream(struct h2_stream *st)
{
    struct grpc_host *h = st->conn->host->arg;
    unsigned used = 0;

    BL_LIST_EACH(node, &h->h2.conns)
    used += BL_LIST_OF(node, struct h2_conn, link)->open_n > 0;
    if (used > 1)
        grpc_did(h->channel->all, GRPC_SEVERAL);
}

/* ---- after each turn ---- */

static void check_stream(struct grpc_lives *all, const struct h2_stream *st)
{
    struct grpc_call *call = grpc_call_numbered(all, grpc_number_of(st));

    if (!call)
        return; /* health */
    if (!grpc_goes_on(call))
        sim_fail(all->w, "stream %d of call %zu is open, which is over", (int)st->id, call->number);
    if (call->paused || !st->responded)
        return;
    if (bl_buf_len(&st->out) > 0)
        sim_fail(all->w, "the server waits for a window to answer call %zu", call->number);
}

static bool waits(const struct grpc_call *call)
{
    return strcmp(call->state, "waiting") == 0;
}

static void check_call(const struct grpc_call *call, enum belay_channel_state state)
{
    struct grpc_lives *all = call->all;

    if (call->deadline_ns != BELAY_NEVER && all->w->now_ns > call->deadline_ns + GRACE_NS)
        sim_fail(all->w, "call %zu goes on beyond its deadline", call->number);
    if (!waits(call))
        return;
    if (state == BELAY_CHANNEL_TRANSIENT_FAILURE && !call->waits_for_ready)
        sim_fail(all->w, "call %zu waits, and its channel has failed", call->number);
    if (state == BELAY_CHANNEL_IDLE)
        sim_fail(all->w, "call %zu waits, and its channel is idle", call->number);
}

static unsigned waiting_on(struct grpc_channel *ch)
{
    unsigned n = 0;

    BL_LIST_EACH(node, &ch->all->calls)
    {
        const struct grpc_call *call = BL_LIST_OF(node, struct grpc_call, link);

        n += call->channel == ch && grpc_goes_on(call) && waits(call);
    }
    return n;
}

static bool has_stream(const struct grpc_channel *ch, const struct grpc_call *call)
{
    for (int i = 0; i < ch->hosts_n; i++) {
        BL_LIST_EACH(node, &ch->hosts[i].h2.conns)
        {
            BL_LIST_EACH(other, &BL_LIST_OF(node, struct h2_conn, link)->streams)
            {
                if (grpc_number_of(BL_LIST_OF(other, struct h2_stream, link)) == call->number)
                    return true;
            }
        }
    }
    return false;
}

/* A slow reader of an answer that is whole keeps its connection, which may be dead, and counts on it. */
static bool keeps_some(struct grpc_channel *ch)
{
    BL_LIST_EACH(node, &ch->all->calls)
    {
        const struct grpc_call *call = BL_LIST_OF(node, struct grpc_call, link);

        if (call->channel == ch && call->paused && !has_stream(ch, call))
            return true;
    }
    return false;
}

/* Its address is one of the channel's, whatever the channel has heard and believes. */
static bool is_listed(const struct grpc_channel *ch, const struct grpc_host *h,
                      const struct h2_conn *c)
{
    if (!ch->by_name)
        return true;
    return h->published && h->left_ns + BELIEVED_NS < c->wire->seen.opened_ns;
}

/* One that is up, in use before, and takes more, while calls wait. */
static void check_room(struct grpc_channel *ch, const struct grpc_host *h, const struct h2_conn *c)
{
    if (c->goaway || !c->acknowledged || c->open_n >= c->limit || c->served == 0)
        return;
    if (ch->options.health_service || !is_listed(ch, h, c))
        return;
    sim_fail(ch->all->w, "%u calls wait, and a connection to %s carries %u of %u", waiting_on(ch),
             c->wire->host->name, c->open_n, c->limit);
}

/* With nothing on it, and up for a while. */
static bool is_spare(const struct grpc_channel *ch, const struct h2_conn *c)
{
    return c->acknowledged && c->open_n == 0 && !c->goaway &&
           ch->all->w->now_ns - c->acknowledged_ns > SPARE_NS &&
           ch->all->w->now_ns - c->empty_ns > SPARE_NS;
}

static void check_conns(struct grpc_channel *ch, enum belay_channel_state state)
{
    int spare = 0; /* addresses */
    bool wait = state == BELAY_CHANNEL_READY && !ch->closing && waiting_on(ch) > 0;

    for (int i = 0; i < ch->hosts_n; i++) {
        bool has_spare = false;

        BL_LIST_EACH(node, &ch->hosts[i].h2.conns)
        {
            struct h2_conn *c = BL_LIST_OF(node, struct h2_conn, link);

            if (!h2_is_still(c))
                continue;
            h2_check_still(c);
            has_spare |= is_spare(ch, c);
            BL_LIST_EACH(other, &c->streams)
            check_stream(ch->all, BL_LIST_OF(other, struct h2_stream, link));
            if (wait)
                check_room(ch, &ch->hosts[i], c);
        }
        spare += has_spare;
    }
    if (ch->options.lb_policy == BELAY_PICK_FIRST && spare > 1)
        sim_fail(ch->all->w, "pick_first keeps connections to %d addresses", spare);
}

static void after_turn(struct sim_world *w, void *arg)
{
    struct grpc_lives *all = arg;

    if (!w->loop || !sim_is_quiet(w))
        return;
    for (int i = 0; i < all->n; i++) {
        struct grpc_channel *ch = &all->channels[i];
        enum belay_channel_state state;

        if (!ch->channel || ch->over)
            continue;
        state = belay_channel_get_state(ch->channel);
        BL_LIST_EACH(node, &all->calls)
        {
            const struct grpc_call *call = BL_LIST_OF(node, struct grpc_call, link);

            if (call->channel == ch && grpc_goes_on(call))
                check_call(call, state);
        }
        if (!keeps_some(ch))
            check_conns(ch, state);
    }
}

void grpc_oracle_attach(struct grpc_lives *all)
{
    all->w->after_turn = after_turn;
    all->w->on_dial = on_dial;
    all->w->after_turn_arg = all;
    for (int i = 0; i < all->n; i++)
        for (int j = 0; j < all->channels[i].hosts_n; j++)
            all->channels[i].hosts[j].h2.on_stream = on_stream;
}
