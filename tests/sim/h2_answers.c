/* SPDX-License-Identifier: MIT */
/* HTTP/2 servers: what they say, of streams and of themselves. */
#include <stdlib.h>

#include "sim/h2_parts.h"
#include "sim/parts.h"

#define WINDOW 65535 /* of streams, when all is well */

/* ---- hosts ---- */

static void calm(struct h2_host *h)
{
    h->max_streams = 100;
    h->window = WINDOW;
    h->settings_ns = 0;
    h->refuses = h->resets = h->hangs = h->hurries = 0;
}

void h2_host_init(struct h2_host *h, struct sim_host *host, const struct h2_app *app, void *arg,
                  struct met *met)
{
    h->host = host;
    h->met = met;
    h->app = app;
    h->arg = arg;
    host->served = h;
    bl_list_init(&h->conns);
    calm(h);
}

void h2_host_heal(struct h2_host *h)
{
    calm(h);
    BL_LIST_EACH(node, &h->conns)
    h2_settings(BL_LIST_OF(node, struct h2_conn, link));
}

/* ---- streams ---- */

void h2_done(struct h2_stream *st)
{
    struct h2_conn *c = st->conn;

    st->done = true;
    if ((uint32_t)st->id > c->done_id)
        c->done_id = (uint32_t)st->id;
}

void h2_informational(struct h2_stream *st, const char *status)
{
    const nghttp2_nv nv = H2_NV(":status", status);

    nghttp2_submit_headers(st->conn->session, NGHTTP2_FLAG_NONE, st->id, NULL, &nv, 1, NULL);
    h2_flush(st->conn);
}

/* Trailers come after the last of it, which then does not end the stream. */
static ssize_t read_out(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
                        uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct h2_stream *st = source->ptr;
    size_t have = bl_buf_len(&st->out), n = have < room ? have : room;

    (void)arg;
    if (n == 0 && !st->out_end) {
        st->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > 0) {
        memcpy(out, bl_buf_head(&st->out), n);
        bl_buf_consume(&st->out, n);
    }
    st->sent += n;
    if (n == have && st->out_end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (st->trailers_n > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            nghttp2_submit_trailer(session, id, st->trailers, st->trailers_n);
        }
    }
    return (ssize_t)n;
}

void h2_respond(struct h2_stream *st, const nghttp2_nv *fields, size_t n, bool end)
{
    nghttp2_data_provider provider = {.source.ptr = st, .read_callback = read_out};

    if (st->responded)
        return;
    st->responded = true;
    nghttp2_submit_response(st->conn->session, st->id, fields, n, end ? NULL : &provider);
    h2_flush(st->conn);
}

static void go_on(struct h2_stream *st)
{
    if (st->deferred) {
        st->deferred = false;
        nghttp2_session_resume_data(st->conn->session, st->id);
    }
    h2_flush(st->conn);
}

void h2_say(struct h2_stream *st, const void *data, size_t len)
{
    if (bl_buf_append(&st->out, &st->conn->wire->world->mem, data, len) < 0)
        abort();
    go_on(st);
}

void h2_finish(struct h2_stream *st, const nghttp2_nv *trailers, size_t n)
{
    st->out_end = true;
    st->trailers = trailers;
    st->trailers_n = n;
    go_on(st);
}

void h2_reset(struct h2_stream *st, uint32_t code)
{
    nghttp2_submit_rst_stream(st->conn->session, NGHTTP2_FLAG_NONE, st->id, code);
    h2_flush(st->conn);
}

/* ---- connections ---- */

void h2_settings(struct h2_conn *c)
{
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, c->host->max_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, c->host->window},
    };

    if (!c->spoken || c->pending_n == H2_SETTINGS_MAX || c->wire->net->server_ended)
        return;
    c->pending[c->pending_n++] = c->host->max_streams;
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, entries, BL_COUNT(entries));
    h2_flush(c);
}

/* By hand: nghttp2 sends none after a GOAWAY without streams. */
static void ping(struct h2_conn *c, const char payload[8])
{
    uint8_t frame[17] = {0, 0, 8, NGHTTP2_PING};

    h2_flush(c);
    memcpy(frame + 9, payload, 8);
    c->pings++;
    sim_wire_send(c->wire, frame, sizeof frame);
}

void h2_ping(struct h2_conn *c)
{
    if (c->spoken && !c->wire->net->server_ended)
        ping(c, "a ping!!");
}

void h2_ping_unfit(struct h2_conn *c)
{
    if (!c->spoken || c->wire->net->server_ended)
        return;
    c->unfit_pings++;
    ping(c, H2_UNFIT_PING);
}

static unsigned above(const struct h2_conn *c, uint32_t last)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->open_n; i++)
        n += c->open[i].id > last;
    return n;
}

/* What was acted upon is never denied; of what was not, a part. */
static uint32_t some_last(struct h2_conn *c)
{
    uint32_t low = c->done_id, high = c->seen_id < c->last_id ? c->seen_id : c->last_id;

    if (high <= low || (low == 0 && sim_chance(c->wire->world, 30)))
        return low;
    low = low ? low : 1;
    return low + 2 * (uint32_t)sim_below(c->wire->world, (high - low) / 2 + 1);
}

void h2_goaway(struct h2_conn *c, enum h2_goaway how)
{
    uint32_t last, code = how == H2_GOAWAY_ERROR ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_NO_ERROR;

    if (!c->spoken || c->wire->net->server_ended || c->goaway_final ||
        (how == H2_GOAWAY_NOTICE && c->goaway))
        return;
    last = how == H2_GOAWAY_NOTICE ? 0x7fffffff : some_last(c);
    c->goaway = true;
    c->goaway_final = how != H2_GOAWAY_NOTICE;
    c->last_id = last;
    h2_host_did(c->host, how == H2_GOAWAY_NOTICE ? H2_DEED_NOTICE
                         : how == H2_GOAWAY_NOW  ? H2_DEED_GOAWAY
                                                 : H2_DEED_GOAWAY_ERROR);
    if (above(c, last) > 0)
        h2_host_did(c->host, H2_DEED_ABOVE);
    if (how == H2_GOAWAY_NOTICE)
        nghttp2_submit_shutdown_notice(c->session);
    else
        nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, (int32_t)last, code, NULL, 0);
    ping(c, H2_GOAWAY_PING);
}

void h2_hang_up(struct h2_conn *c)
{
    sim_wire_end(c->wire);
}

bool h2_is_still(const struct h2_conn *c)
{
    const struct sim_net *net = c->wire->net;

    return c->spoken && !c->left_us && !c->wire->host->stall && !net->client_gone &&
           !net->client_ended && !net->server_ended && !net->server_gone && !net->rx_end &&
           !net->rx_reset && bl_list_empty(&net->up.segments) &&
           bl_list_empty(&net->down.segments) && bl_buf_len(&net->rx) == 0 &&
           bl_buf_len(&net->outbox) == 0;
}

/* After a GOAWAY, and without streams that it leaves, nghttp2 listens no more. */
static bool is_deaf(const struct h2_conn *c)
{
    for (unsigned i = 0; i < c->open_n; i++)
        if (c->open[i].id <= c->last_id)
            return false;
    return c->goaway;
}

void h2_check_still(struct h2_conn *c)
{
    h2_host_did(c->host, H2_DEED_STILL);
    if (c->goaway && !c->goaway_seen) {
        c->goaway_seen = true;
        c->goaway_seen_ns = c->wire->world->now_ns;
    }
    if ((c->pings || c->pending_n) && !is_deaf(c))
        sim_fail(c->wire->world, "%u PINGs and %u SETTINGS of %s are not answered", c->pings,
                 c->pending_n, c->wire->host->name);
}
