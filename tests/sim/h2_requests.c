/* SPDX-License-Identifier: MIT */
/*
 * What servers of HTTP/2 do with requests: "/SIZE?NUMBER" is answered with SIZE bytes that say whose they are, or refused, or
 * reset before, within or after the answer, or never answered. Before it refuses a stream, or denies it by GOAWAY, a server
 * has not acted upon it; that is what `executed` of struct sim_get counts.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim/h2_rig.h"

enum plan { ANSWER, REFUSE, RESET, RESET_MID, HANG };

struct request {
    size_t number, size;
    enum plan plan;
    bool hurries, expects, post, begun;
    uint64_t came; /* bytes of its body */
    char text[24]; /* its number */
    nghttp2_nv trailer;
};

static struct h2_lives *lives(const struct h2_stream *st)
{
    return st->conn->host->arg;
}

size_t h2_number_of(const struct h2_stream *st)
{
    return st->state ? ((const struct request *)st->state)->number : 0;
}

struct h2_stream *h2_stream_of_request(struct h2_lives *all, const struct sim_get *get)
{
    for (int i = 0; i < all->n; i++) {
        BL_LIST_EACH(node, &all->hosts[i].conns)
        {
            struct h2_conn *c = BL_LIST_OF(node, struct h2_conn, link);

            BL_LIST_EACH(other, &c->streams)
            {
                struct h2_stream *st = BL_LIST_OF(other, struct h2_stream, link);

                if (h2_number_of(st) == get->number)
                    return st;
            }
        }
    }
    return NULL;
}

/* ---- carrying out ---- */

static void execute(struct h2_stream *st)
{
    struct sim_world *w = st->conn->wire->world;
    const struct request *r = st->state;

    h2_done(st);
    st->conn->wire->host->requests++;
    if (w->on_request)
        w->on_request(st->conn->wire->host, r->number, w->after_turn_arg);
}

static void say_body(struct h2_stream *st, size_t n)
{
    const struct request *r = st->state;
    char *text = malloc(n + 1);

    if (!text)
        abort();
    for (size_t i = 0; i < n; i++)
        text[i] = "abcdefghijklmnop"[(r->number + i) % 16];
    h2_say(st, text, n);
    free(text);
}

static void say_head(struct h2_stream *st)
{
    struct sim_world *w = st->conn->wire->world;
    const struct request *r = st->state;
    char length[24];
    nghttp2_nv fields[3] = {H2_NV(":status", "200"), H2_NV("x-number", r->text)};
    size_t n = 2;

    snprintf(length, sizeof length, "%zu", r->size);
    if (sim_chance(w, 10)) {
        h2_did(lives(st), H2_DEED_INFORMATIONAL);
        h2_informational(st, "103");
    }
    if (sim_chance(w, 70))
        fields[n++] = H2_NV("content-length", length);
    h2_respond(st, fields, n, false);
}

static void answer(struct h2_stream *st)
{
    struct request *r = st->state;

    execute(st);
    say_head(st);
    say_body(st, r->size);
    r->trailer = H2_NV("x-number", r->text);
    if (sim_chance(st->conn->wire->world, 15)) {
        h2_did(lives(st), H2_DEED_TRAILERS);
        h2_finish(st, &r->trailer, 1);
    } else {
        h2_finish(st, NULL, 0);
    }
}

static void reset(struct h2_stream *st, bool mid)
{
    static const uint32_t codes[] = {NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL, NGHTTP2_PROTOCOL_ERROR,
                                     NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR};
    struct sim_world *w = st->conn->wire->world;
    const struct request *r = st->state;

    h2_host_did(st->conn->host, mid ? H2_DEED_RESETS_MID : H2_DEED_RESETS);
    if (mid || sim_chance(w, 50))
        execute(st);
    if (mid) {
        say_head(st);
        say_body(st, r->size / 2);
    }
    h2_reset(st, codes[sim_below(w, BL_COUNT(codes) - !mid)]);
}

static void think(struct h2_stream *st)
{
    const struct request *r = st->state;

    switch (r->plan) {
    case ANSWER:
        answer(st);
        break;
    case REFUSE:
        h2_host_did(st->conn->host, H2_DEED_REFUSES);
        h2_reset(st, NGHTTP2_REFUSED_STREAM);
        break;
    case RESET:
    case RESET_MID:
        reset(st, r->plan == RESET_MID);
        break;
    case HANG:
        h2_host_did(st->conn->host, H2_DEED_HANGS);
        if (sim_chance(st->conn->wire->world, 50))
            execute(st);
    }
}

static void begin(struct h2_stream *st)
{
    struct sim_world *w = st->conn->wire->world;
    struct request *r = st->state;
    uint64_t ns = st->conn->wire->host->think_ns;

    if (r->begun)
        return;
    r->begun = true;
    if (sim_chance(w, 60))
        ns += SIM_MS(sim_below(w, sim_chance(w, 80) ? 20 : 300));
    if (ns)
        sim_event_in(&st->think, ns);
    else
        think(st);
}

/* ---- what comes ---- */

static void draw(struct request *r, const struct h2_host *h)
{
    struct sim_world *w = h->host->world;
    uint64_t dice = sim_below(w, 100);

    if (dice < h->refuses)
        r->plan = REFUSE;
    else if (dice < h->refuses + h->resets)
        r->plan = sim_chance(w, 50) ? RESET : RESET_MID;
    else if (dice < h->refuses + h->resets + h->hangs)
        r->plan = HANG;
    r->hurries = sim_chance(w, h->hurries);
}

static struct request *state_of(struct h2_stream *st)
{
    if (!st->state && !(st->state = calloc(1, sizeof(struct request))))
        abort();
    return st->state;
}

static void on_field(struct h2_stream *st, const char *name, const char *value)
{
    (void)value;
    if (strcmp(name, "expect") == 0)
        state_of(st)->expects = true;
}

static void on_head(struct h2_stream *st)
{
    struct h2_lives *all = lives(st);
    struct request *r = state_of(st);
    const char *query = strchr(st->path, '?');
    const struct sim_get *get;

    r->size = strtoul(st->path + 1, NULL, 10);
    r->number = query ? strtoul(query + 1, NULL, 10) : 0;
    r->post = strcmp(st->method, "POST") == 0;
    snprintf(r->text, sizeof r->text, "%zu", r->number);
    draw(r, st->conn->host);
    get = sim_get_numbered(all->rig, r->number);
    if (!get || get->post != r->post || get->size != r->size || get->host != st->conn->wire->host)
        sim_fail(all->w, "a request comes to %s that nobody made: %s %s",
                 st->conn->wire->host->name, st->method, st->path);
    if (r->plan == REFUSE && sim_chance(all->w, 50))
        begin(st);
    else if (r->plan != REFUSE && r->hurries && r->post && !r->expects) {
        h2_did(all, H2_DEED_HURRIES);
        begin(st);
    } else if (r->expects && sim_chance(all->w, 70)) {
        h2_did(all, H2_DEED_EXPECTS);
        h2_informational(st, "100");
    }
}

static void on_data(struct h2_stream *st, const uint8_t *data, size_t len)
{
    struct request *r = st->state;

    for (size_t i = 0; i < len; i++)
        if (data[i] != '0' + (r->came + i) % 10)
            sim_fail(lives(st)->w, "the body of request %zu is not what it should be", r->number);
    r->came += len;
}

static void on_end(struct h2_stream *st)
{
    struct request *r = st->state;
    const struct sim_get *get = sim_get_numbered(lives(st)->rig, r->number);

    if (r->came != (r->post ? get->upload : 0))
        sim_fail(lives(st)->w, "the body of request %zu has %llu bytes", r->number,
                 (unsigned long long)r->came);
    begin(st);
}

static void on_closed(struct h2_stream *st)
{
    free(st->state);
    st->state = NULL;
}

const struct h2_app h2_requests = {.head = on_head,
                                   .field = on_field,
                                   .data = on_data,
                                   .end = on_end,
                                   .think = think,
                                   .closed = on_closed};
