/* SPDX-License-Identifier: MIT */
/* HTTP/2 servers: their connections, and what comes in. */
#include "sim/h2_server.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim/h2_parts.h"
#include "sim/parts.h"

#define PREFACE 24

/* ---- the eye ---- */

static void new_stream(struct h2_conn *c, uint32_t id)
{
    struct sim_world *w = c->wire->world;
    const char *name = c->wire->host->name;

    if (!c->acknowledged)
        sim_fail(w, "stream %u comes to %s before SETTINGS are acknowledged", id, name);
    if (c->goaway_seen)
        sim_fail(w, "stream %u comes to %s after GOAWAY was seen", id, name);
    if (c->open_n >= c->limit)
        sim_fail(w, "stream %u comes to %s: %u are open, and %u are allowed", id, name, c->open_n,
                 c->limit);
    if (c->open_n == H2_OPEN_MAX)
        abort();
    c->open[c->open_n++] = (struct h2_open){.id = id};
    c->seen_id = id;
    c->served++;
    if (c->open_n > c->most)
        c->most = c->open_n;
}

/* A side has said all; both, and it is no more. */
static void ended(struct h2_conn *c, uint32_t id, bool client, bool server)
{
    for (unsigned i = 0; i < c->open_n; i++) {
        struct h2_open *o = &c->open[i];

        if (o->id != id)
            continue;
        o->client |= client;
        o->server |= server;
        if (o->client && o->server)
            *o = c->open[--c->open_n];
        return;
    }
}

static uint32_t number(const uint8_t *at, size_t n)
{
    uint32_t value = 0;

    for (size_t i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}

static void see_acknowledged(struct h2_conn *c)
{
    if (c->pending_n == 0)
        sim_fail(c->wire->world, "SETTINGS are acknowledged once too often");
    if (!c->acknowledged)
        c->acknowledged_ns = c->wire->world->now_ns;
    c->acknowledged = true;
    c->limit = c->pending[0];
    memmove(c->pending, c->pending + 1, --c->pending_n * sizeof c->pending[0]);
}

/* nghttp2 listens no more after a GOAWAY without streams. */
static void see_pong(struct h2_conn *c)
{
    if (c->pings == 0)
        sim_fail(c->wire->world, "a PING is answered that was not sent");
    c->pings--;
    if (memcmp(c->pong, H2_GOAWAY_PING, 8) == 0 && !c->goaway_seen) {
        c->goaway_seen = true;
        c->goaway_seen_ns = c->wire->world->now_ns;
    }
    if (memcmp(c->pong, H2_UNFIT_PING, 8) == 0) {
        c->unfit = --c->unfit_pings == 0;
        c->unfit_ns = c->wire->world->now_ns;
    }
}

/* A frame begins. */
static void look(struct h2_conn *c)
{
    uint32_t id = number(c->head + 5, 4) & 0x7fffffffu;
    uint8_t type = c->head[3], flags = c->head[4];
    bool message = type == NGHTTP2_HEADERS || type == NGHTTP2_DATA;

    c->left = number(c->head, 3);
    c->pong_n = 0;
    sim_note(c->wire->world, "%s hears frame %d of stream %u, flags %x, %u bytes",
             c->wire->host->name, type, id, flags, c->left);
    if (type == NGHTTP2_HEADERS && id > c->seen_id)
        new_stream(c, id);
    if (message && flags & NGHTTP2_FLAG_END_STREAM)
        ended(c, id, true, false);
    if (type == NGHTTP2_RST_STREAM)
        ended(c, id, true, true);
    if (type == NGHTTP2_SETTINGS && flags & NGHTTP2_FLAG_ACK)
        see_acknowledged(c);
    c->left_us |= type == NGHTTP2_GOAWAY;
}

/* How much of it belongs together: to the preface, or to one frame. */
static size_t next_piece(struct h2_conn *c, const uint8_t *data, size_t len)
{
    size_t n;

    if (c->preface < PREFACE) {
        n = len < PREFACE - c->preface ? len : PREFACE - c->preface;
        c->preface += (unsigned)n;
        return n;
    }
    if (c->left > 0) {
        n = len < c->left ? len : c->left;
        if (c->pong_n < 8 && n <= 8 - c->pong_n)
            memcpy(c->pong + c->pong_n, data, n);
        c->pong_n += (unsigned)n;
        c->left -= (uint32_t)n;
        if (c->left == 0 && c->head[3] == NGHTTP2_PING && c->head[4] & NGHTTP2_FLAG_ACK)
            see_pong(c);
        return n;
    }
    n = len < sizeof c->head - c->head_n ? len : sizeof c->head - c->head_n;
    memcpy(c->head + c->head_n, data, n);
    c->head_n += (unsigned)n;
    if (c->head_n == sizeof c->head) {
        c->head_n = 0;
        look(c);
    }
    return n;
}

/* ---- what nghttp2 tells ---- */

static void think(void *arg)
{
    struct h2_stream *st = arg;

    if (st->conn->wire->host->stall)
        sim_event_in(&st->think, SIM_MS(50)); /* nor does it think */
    else
        st->conn->host->app->think(st);
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_conn *c = arg;
    struct h2_stream *st;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    st = calloc(1, sizeof *st);
    if (!st)
        abort();
    st->conn = c;
    st->id = frame->hd.stream_id;
    sim_event_init(&st->think, c->wire->world, think, st);
    bl_list_push_back(&c->streams, &st->link);
    nghttp2_session_set_stream_user_data(session, st->id, st);
    return 0;
}

static struct h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return id ? nghttp2_session_get_stream_user_data(session, id) : NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct h2_conn *c = arg;
    struct h2_stream *st = stream_of(session, frame->hd.stream_id);

    (void)name_len, (void)value_len, (void)flags; /* both are terminated */
    if (!st)
        return 0;
    if (strcmp((const char *)name, ":method") == 0)
        snprintf(st->method, sizeof st->method, "%s", (const char *)value);
    else if (strcmp((const char *)name, ":path") == 0)
        snprintf(st->path, sizeof st->path, "%s", (const char *)value);
    if (c->host->app->field)
        c->host->app->field(st, (const char *)name, (const char *)value);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                    size_t len, void *arg)
{
    struct h2_conn *c = arg;
    struct h2_stream *st = stream_of(session, id);

    (void)flags;
    if (st)
        c->host->app->data(st, data, len);
    return 0;
}

/* With no memory left it may; nobody here gives it a reason. */
static void on_goaway(struct h2_conn *c, uint32_t code)
{
    bool poor = failing_alloc_failures(&c->wire->world->alloc) > 0;

    if (code != NGHTTP2_NO_ERROR && !(poor && code == NGHTTP2_INTERNAL_ERROR))
        sim_fail(c->wire->world, "the client ends a connection to %s: %s", c->wire->host->name,
                 nghttp2_http2_strerror(code));
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_conn *c = arg;
    struct h2_stream *st = stream_of(session, frame->hd.stream_id);

    if (frame->hd.type == NGHTTP2_PING && !(frame->hd.flags & NGHTTP2_FLAG_ACK))
        h2_host_did(c->host, H2_DEED_PINGED);
    if (frame->hd.type == NGHTTP2_GOAWAY)
        on_goaway(c, frame->goaway.error_code);
    if (!st)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        if (c->host->on_stream)
            c->host->on_stream(st);
        c->host->app->head(st);
    }
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        st->client_ended = true;
        c->host->app->end(st);
    }
    return 0;
}

/* What these servers never mean, nghttp2 found. */
static void check_goaway(struct h2_conn *c, const nghttp2_goaway *goaway)
{
    uint32_t code = goaway->error_code;

    if (code != NGHTTP2_NO_ERROR && code != NGHTTP2_INTERNAL_ERROR &&
        code != NGHTTP2_ENHANCE_YOUR_CALM)
        sim_fail(c->wire->world, "the client breaks the protocol with %s: %s, %.*s",
                 c->wire->host->name, nghttp2_http2_strerror(code), (int)goaway->opaque_data_len,
                 goaway->opaque_data_len ? (const char *)goaway->opaque_data : "");
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_conn *c = arg;
    struct h2_stream *st = stream_of(session, frame->hd.stream_id);
    uint32_t id = (uint32_t)frame->hd.stream_id;
    bool message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;

    sim_note(c->wire->world, "%s says frame %d of stream %u, flags %x, %zu bytes",
             c->wire->host->name, frame->hd.type, id, frame->hd.flags, frame->hd.length);
    if (frame->hd.type == NGHTTP2_GOAWAY)
        check_goaway(c, &frame->goaway);
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        ended(c, id, true, true);
    if (message && frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        ended(c, id, false, true);
        if (st)
            st->server_ended = true;
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct h2_conn *c = arg;
    struct h2_stream *st = stream_of(session, id);

    (void)code;
    if (!st)
        return 0;
    c->host->app->closed(st);
    h2_stream_free(st);
    if (bl_list_empty(&c->streams))
        c->empty_ns = c->wire->world->now_ns;
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int code, void *arg)
{
    struct h2_conn *c = arg;

    (void)session;
    if (code == NGHTTP2_ERR_REFUSED_STREAM)
        return 0; /* beyond a limit of which it has not heard */
    sim_fail(c->wire->world, "the client sends %s a frame of type %d that is none: %s",
             c->wire->host->name, frame->hd.type, nghttp2_strerror(code));
    return 0;
}

void h2_stream_free(struct h2_stream *st)
{
    bl_list_remove(&st->link);
    sim_event_fini(&st->think);
    bl_buf_free(&st->out, &st->conn->wire->world->mem);
    free(st);
}

/* ---- wires ---- */

static nghttp2_session *make_session(struct h2_conn *c)
{
    nghttp2_session_callbacks *cb;
    nghttp2_session *session;

    if (nghttp2_session_callbacks_new(&cb) != 0)
        abort();
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid);
    if (nghttp2_session_server_new(&session, cb, c) != 0)
        abort();
    nghttp2_session_callbacks_del(cb);
    return session;
}

void h2_flush(struct h2_conn *c)
{
    const uint8_t *data;
    ssize_t n;

    if (c->inside || !c->spoken)
        return;
    c->inside = true;
    while ((n = nghttp2_session_mem_send(c->session, &data)) > 0)
        sim_wire_send(c->wire, data, (size_t)n);
    c->inside = false;
    if (n < 0)
        sim_fail(c->wire->world, "a server cannot go on: %s", nghttp2_strerror((int)n));
}

static void hear(struct h2_conn *c, const uint8_t *at, size_t len)
{
    c->inside = true;
    while (len > 0) {
        size_t n = next_piece(c, at, len);
        ssize_t taken = nghttp2_session_mem_recv(c->session, at, n);

        if (taken < 0)
            sim_fail(c->wire->world, "the client breaks the protocol with %s: %s",
                     c->wire->host->name, nghttp2_strerror((int)taken));
        at += n;
        len -= n;
    }
    c->inside = false;
    h2_flush(c);
}

/* What came before is looked at now: its SETTINGS would be acknowledged first. */
static void say_first(void *arg)
{
    struct h2_conn *c = arg;

    c->spoken = true;
    h2_settings(c);
    hear(c, (const uint8_t *)bl_buf_head(&c->early), bl_buf_len(&c->early));
    bl_buf_free(&c->early, &c->wire->world->mem);
}

static void open_wire(struct sim_wire *wire)
{
    struct h2_host *h = wire->host->served;
    struct h2_conn *c = calloc(1, sizeof *c);

    if (!c)
        abort();
    c->wire = wire;
    c->host = h;
    c->empty_ns = wire->world->now_ns;
    c->last_id = 0x7fffffff;
    bl_list_init(&c->streams);
    sim_event_init(&c->settings, wire->world, say_first, c);
    c->session = make_session(c);
    bl_list_push_back(&h->conns, &c->link);
    wire->server = c;
    if (h->settings_ns)
        sim_event_in(&c->settings, h->settings_ns);
    else
        say_first(c);
}

static void bytes(struct sim_wire *wire, const char *data, size_t len)
{
    struct h2_conn *c = wire->server;

    if (c->spoken)
        hear(c, (const uint8_t *)data, len);
    else if (bl_buf_append(&c->early, &wire->world->mem, data, len) < 0)
        abort();
}

static void end(struct sim_wire *wire)
{
    sim_wire_end(wire);
}

static void gone(struct sim_wire *wire)
{
    struct h2_conn *c = wire->server;
    struct bl_list *node;

    while ((node = bl_list_first(&c->streams))) {
        struct h2_stream *st = BL_LIST_OF(node, struct h2_stream, link);

        c->host->app->closed(st);
        h2_stream_free(st);
    }
    if (!c->let_go)
        c->host->lost_ns = wire->world->now_ns;
    nghttp2_session_del(c->session);
    bl_list_remove(&c->link);
    sim_event_fini(&c->settings);
    bl_buf_free(&c->early, &wire->world->mem);
    free(c);
    wire->server = NULL;
}

const struct sim_server_ops h2_server = {
    .open = open_wire, .bytes = bytes, .end = end, .gone = gone};

/* ---- either version, as TLS agrees ---- */

static void open_later(struct sim_wire *wire)
{
    wire->server = NULL;
}

/* The first bytes come after the handshake. */
static void first_bytes(struct sim_wire *wire, const char *data, size_t len)
{
    wire->ops = sim_tls_chose_h2(wire) ? &h2_server : &sim_http_server;
    wire->ops->open(wire);
    wire->ops->bytes(wire, data, len);
}

static void gone_early(struct sim_wire *wire)
{
    (void)wire;
}

const struct sim_server_ops h2_or_http_server = {
    .open = open_later, .bytes = first_bytes, .end = end, .gone = gone_early};
