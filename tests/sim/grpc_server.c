/* SPDX-License-Identifier: MIT */
/*
 * What servers of gRPC do with calls: "/sim.S/Echo" is answered message by message, "/sim.S/Call" when all has come, each by a
 * status that names the call; or refused, reset, never answered, or answered in a way that is not gRPC's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim/grpc_rig.h"

#define MESSAGES_MAX 4           /* of an answer */
#define SENT_NS      SIM_MS(100) /* what was decided before has left by then */

enum plan { ANSWER, REFUSE, RESET, HANG, STRANGE };

struct served {
    struct grpc_call *call;       /* NULL: health */
    struct grpc_attempt *attempt; /* of the call */
    enum plan plan;
    bool echo, watch, begun, mid;
    unsigned came; /* messages */
    uint8_t frame[5 + GRPC_MESSAGE + 65536];
    size_t frame_n;
    size_t number;
    long previous;
    bool has_timeout;
    char status[8], message[32], pushback[12];
    nghttp2_nv trailers[3];
    int watched; /* what was last told: 0 nothing */
};

static struct grpc_host *host_of(const struct h2_stream *st)
{
    return st->conn->host->arg;
}

static struct grpc_lives *lives(const struct h2_stream *st)
{
    return host_of(st)->channel->all;
}

size_t grpc_number_of(const struct h2_stream *st)
{
    const struct served *s = st->state;

    return s && s->call ? s->call->number : 0;
}

/* ---- saying ---- */

static void say_message(struct h2_stream *st, const uint8_t *data, size_t len)
{
    uint8_t prefix[5] = {0, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                         (uint8_t)len};

    h2_say(st, prefix, sizeof prefix);
    h2_say(st, data, len);
}

static void say_head(struct h2_stream *st)
{
    const nghttp2_nv fields[] = {H2_NV(":status", "200"),
                                 H2_NV("content-type", "application/grpc")};

    h2_respond(st, fields, BL_COUNT(fields), false);
}

static void act(struct h2_stream *st)
{
    struct served *s = st->state;

    if (s->attempt->acted)
        return;
    h2_done(st);
    s->attempt->acted = true;
    s->call->acted++;
    sim_note(lives(st)->w, "call %zu is acted upon at %s", s->call->number,
             st->conn->wire->host->name);
}

static void say_one(struct h2_stream *st)
{
    struct served *s = st->state;
    uint8_t text[GRPC_MESSAGE + 512];
    unsigned filler = s->call->number % 3 ? 0 : 500;

    say_head(st);
    grpc_fill_message(text, s->call->number, s->attempt->said++, filler);
    say_message(st, text, GRPC_MESSAGE + filler);
}

static int some_status(struct h2_stream *st)
{
    static const int often[] = {BELAY_GRPC_UNAVAILABLE, BELAY_GRPC_UNAVAILABLE, BELAY_GRPC_INTERNAL,
                                BELAY_GRPC_NOT_FOUND};
    const struct grpc_host *h = host_of(st);
    struct sim_world *w = lives(st)->w;

    if (h->always)
        return h->always;
    if (!sim_chance(w, h->fails))
        return BELAY_GRPC_OK;
    return sim_chance(w, 60) ? often[sim_below(w, BL_COUNT(often))] : (int)sim_between(w, 1, 16);
}

/* The call's number is the status's message. */
static void say_status(struct h2_stream *st, int status)
{
    struct served *s = st->state;
    struct sim_world *w = lives(st)->w;
    size_t n = 2;

    snprintf(s->status, sizeof s->status, "%d", status);
    snprintf(s->message, sizeof s->message, "%zu%%20tells", s->call->number);
    s->trailers[0] = H2_NV("grpc-status", s->status);
    s->trailers[1] = H2_NV("grpc-message", s->message);
    if (status && sim_chance(w, 20)) {
        grpc_did(lives(st), GRPC_PUSHBACK);
        snprintf(s->pushback, sizeof s->pushback, "%d", (int)sim_below(w, 300) - 20);
        s->trailers[n++] = H2_NV("grpc-retry-pushback-ms", s->pushback);
    }
    s->attempt->told = status;
    if (!st->responded && status && sim_chance(w, 60)) {
        nghttp2_nv fields[5] = {H2_NV(":status", "200"), H2_NV("content-type", "application/grpc")};

        grpc_did(lives(st), GRPC_STATUS_ALONE);
        memcpy(fields + 2, s->trailers, n * sizeof fields[0]);
        h2_respond(st, fields, n + 2, true);
        return;
    }
    say_head(st);
    h2_finish(st, s->trailers, n);
}

static void answer(struct h2_stream *st)
{
    struct served *s = st->state;
    struct sim_world *w = lives(st)->w;
    int status = some_status(st);

    act(st);
    if (!s->echo && s->call->unary && status == BELAY_GRPC_OK)
        say_one(st);
    else if (!s->echo && !s->call->unary && sim_chance(w, 70))
        for (uint64_t n = sim_below(w, MESSAGES_MAX + 1); n > 0; n--)
            say_one(st);
    say_status(st, status);
}

static void be_strange(struct h2_stream *st)
{
    static const char *const codes[] = {"400", "401", "403", "404", "429", "502", "503", "500"};
    struct served *s = st->state;
    struct sim_world *w = lives(st)->w;
    const char *code = codes[sim_below(w, BL_COUNT(codes))];
    const nghttp2_nv fields[] = {H2_NV(":status", code), H2_NV("content-type", "text/html")};

    act(st);
    if (st->responded || sim_chance(w, 40)) {
        grpc_did(lives(st), GRPC_NO_STATUS);
        s->attempt->told = TOLD_NO_STATUS;
        say_head(st);
        h2_finish(st, NULL, 0);
        return;
    }
    grpc_did(lives(st), GRPC_HTTP);
    s->attempt->told = TOLD_HTTP;
    s->attempt->code = (uint32_t)strtoul(code, NULL, 10);
    h2_respond(st, fields, BL_COUNT(fields), true);
}

static void reset(struct h2_stream *st)
{
    static const uint32_t codes[] = {NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL, NGHTTP2_PROTOCOL_ERROR,
                                     NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR};
    struct served *s = st->state;
    struct sim_world *w = lives(st)->w;

    if (sim_chance(w, 60))
        act(st);
    if (s->attempt->acted && sim_chance(w, 50)) {
        h2_host_did(st->conn->host, H2_DEED_RESETS_MID);
        say_one(st);
    } else {
        h2_host_did(st->conn->host, H2_DEED_RESETS);
    }
    s->attempt->told = TOLD_RESET;
    s->attempt->code = codes[sim_below(w, BL_COUNT(codes))];
    h2_reset(st, s->attempt->code);
}

static void think(struct h2_stream *st)
{
    struct served *s = st->state;

    switch (s->plan) {
    case ANSWER:
        answer(st);
        break;
    case REFUSE:
        if (s->attempt->acted)
            return;
        h2_host_did(st->conn->host, H2_DEED_REFUSES);
        s->attempt->told = TOLD_REFUSED;
        h2_reset(st, NGHTTP2_REFUSED_STREAM);
        break;
    case RESET:
        reset(st);
        break;
    case STRANGE:
        be_strange(st);
        break;
    case HANG:
        h2_host_did(st->conn->host, H2_DEED_HANGS);
        if (sim_chance(lives(st)->w, 50))
            act(st);
    }
}

static void begin(struct h2_stream *st)
{
    struct served *s = st->state;
    struct sim_world *w = lives(st)->w;
    uint64_t ns = st->conn->wire->host->think_ns;

    if (s->begun)
        return;
    s->begun = true;
    if (sim_chance(w, 60))
        ns += SIM_MS(sim_below(w, sim_chance(w, 80) ? 20 : 300));
    if (ns)
        sim_event_in(&st->think, ns);
    else
        think(st);
}

/* ---- health ---- */

static void say_health(struct h2_stream *st)
{
    struct served *s = st->state;
    struct grpc_host *h = host_of(st);
    uint8_t message[2] = {0x08, h->serving ? 1 : 2};

    if (s->watched == message[1])
        return;
    s->watched = message[1];
    say_head(st);
    say_message(st, message, sizeof message);
    st->conn->unfit = false;
    if (!h->serving && bl_buf_len(&st->out) == 0) /* it has left */
        h2_ping_unfit(st->conn);
}

static void begin_watch(struct h2_stream *st)
{
    static const nghttp2_nv fields[] = {
        {(uint8_t *)(uintptr_t) ":status", (uint8_t *)(uintptr_t) "200", 7, 3, 0},
        {(uint8_t *)(uintptr_t) "content-type", (uint8_t *)(uintptr_t) "application/grpc", 12, 16,
         0},
        {(uint8_t *)(uintptr_t) "grpc-status", (uint8_t *)(uintptr_t) "12", 11, 2, 0},
    };

    h2_done(st);
    if (!host_of(st)->no_health) {
        say_health(st);
        return;
    }
    grpc_did(lives(st), GRPC_NO_HEALTH);
    h2_respond(st, fields, BL_COUNT(fields), true);
}

void grpc_tell_health(struct grpc_host *h)
{
    grpc_did(h->channel->all, h->serving ? GRPC_SERVING : GRPC_NOT_SERVING);
    BL_LIST_EACH(node, &h->h2.conns)
    {
        struct h2_conn *c = BL_LIST_OF(node, struct h2_conn, link);

        BL_LIST_EACH(other, &c->streams)
        {
            struct h2_stream *st = BL_LIST_OF(other, struct h2_stream, link);
            struct served *s = st->state;

            if (s && s->watch && s->watched && !c->wire->host->stall)
                say_health(st);
        }
    }
}

/* ---- what comes ---- */

static struct served *state_of(struct h2_stream *st)
{
    if (!st->state && !(st->state = calloc(1, sizeof(struct served))))
        abort();
    return st->state;
}

static void on_field(struct h2_stream *st, const char *name, const char *value)
{
    struct served *s = state_of(st);

    if (strcmp(name, "x-number") == 0)
        s->number = strtoul(value, NULL, 10);
    else if (strcmp(name, "grpc-previous-rpc-attempts") == 0)
        s->previous = strtol(value, NULL, 10);
    else if (strcmp(name, "grpc-timeout") == 0)
        s->has_timeout = true;
}

static void draw(struct served *s, const struct grpc_host *h)
{
    struct sim_world *w = h->channel->all->w;
    const struct h2_host *m = &h->h2;
    uint64_t dice = sim_below(w, 100);

    if (h->always)
        return;
    if (dice < m->refuses)
        s->plan = REFUSE;
    else if (dice < m->refuses + m->resets)
        s->plan = RESET;
    else if (dice < m->refuses + m->resets + m->hangs)
        s->plan = HANG;
    else if (dice < m->refuses + m->resets + m->hangs + h->strange)
        s->plan = STRANGE;
}

/* Attempts may come in another order than they were made, but each that was acted upon counts for those made after it. */
static void check_previous(const struct grpc_call *call, long previous)
{
    for (unsigned i = 0; i < call->attempts_n; i++)
        if (call->attempts[i].acted && call->attempts[i].previous == previous)
            sim_fail(call->all->w, "call %zu comes as if attempt %u had not been made",
                     call->number, i + 1);
}

static void begin_call(struct h2_stream *st)
{
    struct served *s = st->state;
    struct grpc_host *h = host_of(st);
    struct grpc_lives *all = lives(st);
    struct grpc_call *call = grpc_call_numbered(all, s->number);

    if (!call || call->channel != h->channel)
        sim_fail(all->w, "a call comes to %s that nobody made", st->conn->wire->host->name);
    if (call->attempts_n == GRPC_ATTEMPTS_MAX)
        sim_fail(all->w, "call %zu is attempted without end", call->number);
    check_previous(call, s->previous);
    if (s->has_timeout != (call->deadline_ns != BELAY_NEVER))
        sim_fail(all->w, "call %zu comes with%s a deadline", call->number,
                 s->has_timeout ? "" : "out");
    if (st->conn->unfit && !h->serving && all->w->now_ns > st->conn->unfit_ns + SENT_NS)
        sim_fail(all->w, "call %zu comes to %s, which has said that it does not serve",
                 call->number, st->conn->wire->host->name);
    s->call = call;
    s->attempt = &call->attempts[call->attempts_n++];
    *s->attempt = (struct grpc_attempt){.told = TOLD_NOTHING, .previous = s->previous};
    s->echo = strcmp(st->path, "/sim.S/Echo") == 0;
    draw(s, h);
    if (s->plan == REFUSE && sim_chance(all->w, 50))
        begin(st);
    else if (s->plan != REFUSE && sim_chance(all->w, st->conn->host->hurries)) {
        begin(st); /* before all has come */
    }
}

static void on_head(struct h2_stream *st)
{
    struct served *s = state_of(st);

    s->watch = strcmp(st->path, "/grpc.health.v1.Health/Watch") == 0;
    if (!s->watch)
        begin_call(st);
}

/* A message is whole. */
static void on_message(struct h2_stream *st, const uint8_t *data, size_t len)
{
    struct served *s = st->state;

    if (!grpc_is_message(data, len, s->call->number, s->came))
        sim_fail(lives(st)->w, "message %u of call %zu is not what it should be", s->came,
                 s->call->number);
    s->came++;
    if (s->echo && s->plan != REFUSE && !s->begun && !host_of(st)->always) {
        act(st);
        say_one(st);
    }
}

static void on_data(struct h2_stream *st, const uint8_t *data, size_t len)
{
    struct served *s = st->state;

    if (s->watch)
        return;
    while (len > 0) {
        size_t whole = 5, n;

        if (s->frame_n >= 5)
            whole = 5 + ((size_t)s->frame[3] << 8 | s->frame[4] | (size_t)s->frame[2] << 16);
        if (whole > sizeof s->frame)
            sim_fail(lives(st)->w, "a message of call %zu is too long", s->call->number);
        n = whole - s->frame_n < len ? whole - s->frame_n : len;
        memcpy(s->frame + s->frame_n, data, n);
        s->frame_n += n;
        data += n;
        len -= n;
        if (s->frame_n < 5 || (whole == 5 && s->frame_n == 5 && (s->frame[3] | s->frame[4])))
            continue;
        if (s->frame_n == whole) {
            s->frame_n = 0;
            on_message(st, s->frame + 5, whole - 5);
        }
    }
}

static void on_end(struct h2_stream *st)
{
    struct served *s = st->state;

    if (s->watch) {
        begin_watch(st);
        return;
    }
    if (s->frame_n > 0 || s->came != s->call->sends)
        sim_fail(lives(st)->w, "call %zu has %u messages, and %u were sent", s->call->number,
                 s->came, s->call->sends);
    begin(st);
}

static void on_closed(struct h2_stream *st)
{
    free(st->state);
    st->state = NULL;
}

const struct h2_app grpc_server = {.head = on_head,
                                   .field = on_field,
                                   .data = on_data,
                                   .end = on_end,
                                   .think = think,
                                   .closed = on_closed};
