/* SPDX-License-Identifier: MIT */
/*
 * Wires: two ways of bytes between a client's descriptor and a host's server, each with latency, in
 * order, and bounded. The near side is what sim_transport.c calls; the far side is the server's.
 */
#include <errno.h>
#include <stdlib.h>

#include "sim/parts.h"

static void deliver_up(struct sim_wire *wire, const struct segment *s);
static void deliver_down(struct sim_wire *wire, const struct segment *s);
static void flush_outbox(struct sim_wire *wire);

static void run_up(void *arg)
{
    struct sim_wire *wire = arg;

    sim_way_run(wire, &wire->net->up);
}

static void run_down(void *arg)
{
    struct sim_wire *wire = arg;

    sim_way_run(wire, &wire->net->down);
}

/* ---- the far side ---- */

static void hear(struct sim_wire *wire)
{
    wire->heard_ns = wire->world->now_ns;
    if (wire->host->idle_close_ns && !wire->net->server_ended)
        sim_event_in(&wire->net->silence, wire->host->idle_close_ns);
}

static void on_silence(void *arg)
{
    struct sim_wire *wire = arg;

    if (wire->net->server_ended || wire->net->client_gone)
        return;
    sim_did(wire->world, SIM_FAULT_IDLE_CLOSE, wire->host);
    sim_wire_end(wire);
}

static void server_gone(struct sim_wire *wire)
{
    if (wire->net->server_gone)
        return;
    wire->net->server_gone = true;
    sim_event_stop(&wire->net->silence);
    if (wire->tls)
        sim_tls_gone(wire);
    wire->ops->gone(wire);
}

static void deliver_up(struct sim_wire *wire, const struct segment *s)
{
    struct sim_net *net = wire->net;

    if (net->server_gone)
        return;
    if (s->kind == SIM_GONE) {
        server_gone(wire);
    } else if (net->server_ended) {
        if (s->kind == SIM_DATA && !net->half_closed && !net->server_reset)
            sim_wire_reset(wire); /* nobody reads there any more */
        else if (s->kind == SIM_DATA && net->half_closed)
            hear(wire);
    } else if (s->kind == SIM_DATA) {
        hear(wire);
        if (wire->tls)
            sim_tls_bytes(wire, s->data, s->len);
        else
            wire->ops->bytes(wire, s->data, s->len);
    } else if (wire->ops->end) {
        wire->ops->end(wire);
    }
}

static void deliver_down(struct sim_wire *wire, const struct segment *s)
{
    struct sim_net *net = wire->net;

    if (net->client_gone)
        return;
    if (s->kind == SIM_DATA) {
        if (bl_buf_append(&net->rx, &wire->world->mem, s->data, s->len) < 0)
            abort();
    } else if (s->kind == SIM_END) {
        net->rx_end = true;
    } else {
        net->rx_reset = true;
    }
}

static size_t down_room(const struct sim_wire *wire)
{
    size_t used = wire->net->down.under_way + bl_buf_len(&wire->net->rx);
    size_t window = (size_t)wire->host->window;

    return used < window ? window - used : 0;
}

static void flush_outbox(struct sim_wire *wire)
{
    struct sim_net *net = wire->net;
    size_t n = bl_buf_len(&net->outbox), room = down_room(wire);

    if (n > room)
        n = room;
    if (n) {
        sim_way_push(wire, &net->down, SIM_DATA, bl_buf_head(&net->outbox), n);
        bl_buf_consume(&net->outbox, n);
    }
    if (net->outbox_end && bl_buf_len(&net->outbox) == 0) {
        net->outbox_end = false;
        sim_way_push(wire, &net->down, SIM_END, NULL, 0);
    }
}

void sim_wire_raw(struct sim_wire *wire, const void *data, size_t len)
{
    struct sim_host *h = wire->host;
    struct sim_net *net = wire->net;
    bool reset = false, half = false;

    if (net->server_gone || net->server_ended)
        return;
    if (h->reset_after && wire->sent + len > h->reset_after) {
        len = h->reset_after > wire->sent ? (size_t)(h->reset_after - wire->sent) : 0;
        reset = true;
    } else if (h->half_close_after && wire->sent + len > h->half_close_after) {
        len = h->half_close_after > wire->sent ? (size_t)(h->half_close_after - wire->sent) : 0;
        half = true;
    }
    wire->sent += len;
    if (bl_buf_append(&net->outbox, &wire->world->mem, data, len) < 0)
        abort();
    flush_outbox(wire);
    hear(wire);
    if (reset) {
        sim_did(wire->world, SIM_FAULT_RESET_AFTER, h);
        sim_wire_reset(wire);
    } else if (half) {
        sim_did(wire->world, SIM_FAULT_HALF_CLOSE, h);
        sim_wire_half_close(wire);
    }
}

void sim_wire_send(struct sim_wire *wire, const void *data, size_t len)
{
    if (wire->tls)
        sim_tls_send(wire, data, len);
    else
        sim_wire_raw(wire, data, len);
}

static void end(struct sim_wire *wire)
{
    if (wire->net->server_gone || wire->net->server_ended)
        return;
    if (wire->tls)
        sim_tls_end(wire);
    wire->net->server_ended = true;
    wire->net->outbox_end = true;
    sim_event_stop(&wire->net->silence);
    flush_outbox(wire);
}

void sim_wire_end(struct sim_wire *wire)
{
    end(wire);
}

void sim_wire_half_close(struct sim_wire *wire)
{
    wire->net->half_closed = true;
    end(wire);
}

void sim_wire_reset(struct sim_wire *wire)
{
    struct sim_net *net = wire->net;

    if (net->server_gone || net->server_reset)
        return;
    net->server_ended = net->server_reset = true;
    net->outbox_end = false;
    sim_event_stop(&net->silence);
    bl_buf_clear(&net->outbox);
    sim_way_push(wire, &net->down, SIM_RESET, NULL, 0);
}

/* ---- the near side ---- */

size_t sim_wire_room(struct sim_wire *wire)
{
    size_t window = (size_t)wire->host->window, used = wire->net->up.under_way;

    return used < window ? window - used : 0;
}

/* How many bytes one call may move, by the host's way of serving them. */
static size_t portion(struct sim_wire *wire, size_t n)
{
    if (wire->host->chop && n > wire->host->chop)
        return wire->host->chop;
    if (wire->host->partial && n > 1)
        return (size_t)sim_between(wire->world, 1, n);
    return n;
}

ptrdiff_t sim_wire_client_write(struct sim_wire *wire, const struct belay_bytes *bytes, size_t n)
{
    struct sim_net *net = wire->net;
    size_t total = 0, left, done = 0;

    if (net->connect_error)
        return -(net->connect_error == EINPROGRESS ? EAGAIN : net->connect_error);
    if (net->client_ended)
        return -EPIPE;
    if (net->rx_reset)
        return -ECONNRESET;
    for (size_t i = 0; i < n; i++)
        total += bytes[i].len;
    left = sim_wire_room(wire);
    if (left == 0)
        return -EAGAIN;
    left = portion(wire, total < left ? total : left);
    wire->world->turns_of_instant = 0;
    for (size_t i = 0; i < n && left; i++) {
        size_t part = bytes[i].len < left ? bytes[i].len : left;

        if (part)
            sim_way_push(wire, &net->up, SIM_DATA, bytes[i].data, part);
        left -= part;
        done += part;
    }
    return (ptrdiff_t)done;
}

ptrdiff_t sim_wire_client_read(struct sim_wire *wire, void *out, size_t size)
{
    struct sim_net *net = wire->net;
    size_t n = bl_buf_len(&net->rx);

    if (net->connect_error)
        return -(net->connect_error == EINPROGRESS ? ENOTCONN : net->connect_error);
    if (n == 0) {
        if ((net->rx_reset || net->rx_end) && !wire->seen.gone_turn)
            wire->seen.gone_turn = wire->world->turns; /* now belay knows */
        return net->rx_reset ? -ECONNRESET : net->rx_end ? 0 : -EAGAIN;
    }
    n = portion(wire, n < size ? n : size);
    wire->world->turns_of_instant = 0; /* something happens */
    wire->read_ns = wire->world->now_ns;
    memcpy(out, bl_buf_head(&net->rx), n);
    bl_buf_consume(&net->rx, n);
    flush_outbox(wire);
    return (ptrdiff_t)n;
}

void sim_wire_client_end(struct sim_wire *wire)
{
    if (!wire->net->client_ended && !wire->net->connect_error)
        sim_way_push(wire, &wire->net->up, SIM_END, NULL, 0);
    wire->net->client_ended = true;
}

void sim_wire_client_close(struct sim_wire *wire)
{
    struct sim_net *net = wire->net;

    net->client_gone = true;
    sim_event_stop(&net->connecting);
    sim_way_clear(&net->down);
    bl_buf_free(&net->rx, &wire->world->mem);
    if (!net->connect_error)
        sim_way_push(wire, &net->up, SIM_GONE, NULL, 0);
    sim_seen_end(&wire->seen);
}

/* ---- from the dial to the end ---- */

static bool is_refused(const struct sim_wire *wire)
{
    for (unsigned i = 0; i < wire->host->bad_addr; i++)
        if (belay_addr_equal(&wire->host->addrs[i], &wire->seen.addr))
            return true;
    return false;
}

static void on_connecting(void *arg)
{
    struct sim_wire *wire = arg;
    struct sim_host *h = wire->host;

    if (h->black_hole || h->stall)
        return; /* until sim_wire_unstall */
    if (h->refuse || is_refused(wire)) {
        wire->net->connect_error = ECONNREFUSED;
        return;
    }
    wire->net->connect_error = 0;
    h->accepted++;
    wire->read_ns = wire->world->now_ns;
    sim_seen_up(&wire->seen, wire->world);
    hear(wire);
    if (h->tls)
        sim_tls_open(wire);
    wire->ops->open(wire);
}

void sim_wire_unstall(struct sim_wire *wire)
{
    if (wire->net->connect_error == EINPROGRESS && !wire->net->client_gone)
        sim_event_in(&wire->net->connecting, wire->host->latency_ns);
    sim_way_arm(wire, &wire->net->up);
    sim_way_arm(wire, &wire->net->down);
}

struct sim_wire *sim_wire_new(struct sim_world *w, struct sim_host *h, unsigned port)
{
    struct sim_wire *wire = calloc(1, sizeof *wire);
    struct sim_net *net = calloc(1, sizeof *net);

    if (!wire || !net)
        abort();
    wire->world = w;
    wire->host = h;
    wire->ops = h->server;
    wire->net = net;
    wire->port = port;
    bl_list_init(&net->up.segments);
    bl_list_init(&net->down.segments);
    net->up.deliver = deliver_up;
    net->down.deliver = deliver_down;
    sim_event_init(&net->up.event, w, run_up, wire);
    sim_event_init(&net->down.event, w, run_down, wire);
    sim_event_init(&net->connecting, w, on_connecting, wire);
    sim_event_init(&net->silence, w, on_silence, wire);
    net->connect_error = EINPROGRESS;
    sim_event_in(&net->connecting, 2 * h->latency_ns);
    sim_seen_begin(&wire->seen, w, h);
    bl_list_push_back(&w->wires, &wire->link);
    return wire;
}

void sim_wire_free(struct sim_wire *wire)
{
    struct sim_net *net = wire->net;

    if (!net->connect_error)
        server_gone(wire);
    sim_seen_end(&wire->seen);
    bl_list_remove(&wire->link);
    sim_way_clear(&net->up);
    sim_way_clear(&net->down);
    sim_event_fini(&net->up.event);
    sim_event_fini(&net->down.event);
    sim_event_fini(&net->connecting);
    sim_event_fini(&net->silence);
    bl_buf_free(&net->rx, &wire->world->mem);
    bl_buf_free(&net->outbox, &wire->world->mem);
    free(net);
    free(wire);
}
