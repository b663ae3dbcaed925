/* SPDX-License-Identifier: MIT */
/* Hosts: what they are, and what can befall them. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/parts.h"

#define WINDOW 65536

static void next_addr(struct sim_world *w, struct sim_host *h, size_t at)
{
    uint64_t n = ++w->next_id;
    char text[32];

    snprintf(text, sizeof text, "10.1.%u.%u", (unsigned)(n / 250 % 250), (unsigned)(n % 250) + 1);
    if (belay_addr_parse_ip(text, strlen(text), h->port, &h->addrs[at]) < 0)
        abort();
    h->addrs_n = at + 1;
}

void sim_host_publish(struct sim_host *h, unsigned which)
{
    struct sim_name *name = sim_name_of(h->world, h->name);

    name->addrs_n = 0;
    for (size_t i = 0; i < h->addrs_n; i++)
        if (which >> i & 1)
            name->addrs[name->addrs_n++] = h->addrs[i];
}

static void publish(struct sim_host *h)
{
    sim_host_publish(h, ~0u);
}

struct sim_host *sim_host_add(struct sim_world *w, const char *name, uint16_t port,
                              const struct sim_server_ops *server)
{
    struct sim_host *h = bl_zalloc(&w->mem, sizeof *h);

    if (!h)
        abort();
    h->world = w;
    snprintf(h->name, sizeof h->name, "%s", name);
    h->port = port;
    h->server = server;
    h->window = WINDOW;
    h->capacity = 1;
    h->latency_ns = SIM_MS(1);
    next_addr(w, h, 0);
    publish(h);
    bl_list_push_back(&w->hosts, &h->link);
    return h;
}

struct sim_host *sim_host_named(struct sim_world *w, const char *name)
{
    BL_LIST_EACH(node, &w->hosts)
    {
        struct sim_host *h = BL_LIST_OF(node, struct sim_host, link);

        if (strcmp(h->name, name) == 0)
            return h;
    }
    return NULL;
}

/* Runs `act` on every wire of a host that the client still holds. */
static void each_wire(struct sim_host *h, void (*act)(struct sim_wire *wire))
{
    BL_LIST_EACH(node, &h->world->wires)
    {
        struct sim_wire *wire = BL_LIST_OF(node, struct sim_wire, link);

        if (wire->host == h && !wire->net->client_gone)
            act(wire);
    }
}

static void each_up(struct sim_host *h, void (*act)(struct sim_wire *wire))
{
    BL_LIST_EACH(node, &h->world->wires)
    {
        struct sim_wire *wire = BL_LIST_OF(node, struct sim_wire, link);

        if (wire->host == h && !wire->net->client_gone && !wire->net->connect_error)
            act(wire);
    }
}

void sim_host_heal(struct sim_host *h)
{
    struct sim_name *name = sim_name_of(h->world, h->name);

    h->refuse = h->black_hole = h->stall = h->fatal = h->bad_check = false;
    h->late_cancel = h->partial = h->asks_later = h->never_answers = false;
    h->chop = 0;
    h->reset_after = h->half_close_after = 0;
    h->latency_ns = SIM_MS(1);
    h->think_ns = h->check_ns = h->close_ns = h->idle_close_ns = 0;
    h->close_after_n = 0;
    name->fails = name->missing = false;
    name->delay_ns = SIM_MS(1);
    each_wire(h, sim_wire_unstall);
    sim_fake_heal(h);
}

void sim_host_stall(struct sim_host *h, bool on)
{
    h->stall = on;
    if (on)
        return;
    each_wire(h, sim_wire_unstall);
    sim_fake_unstall(h);
}

void sim_host_kill(struct sim_host *h)
{
    sim_did(h->world, SIM_FAULT_KILL, h);
    h->refuse = true;
    each_up(h, sim_wire_reset);
    sim_fake_kill(h, BELAY_REASON_ERROR);
}

void sim_host_stop(struct sim_host *h)
{
    sim_did(h->world, SIM_FAULT_GRACEFUL, h);
    h->refuse = true;
    each_up(h, sim_wire_end);
    sim_fake_kill(h, BELAY_REASON_PEER_CLOSED);
}

static void end_if_silent(struct sim_wire *wire)
{
    if (wire->seen.leases == 0)
        sim_wire_end(wire);
}

void sim_host_close_idle(struct sim_host *h)
{
    sim_did(h->world, SIM_FAULT_IDLE_CLOSE, h);
    each_up(h, end_if_silent);
    sim_fake_close_idle(h);
}

static void babble(struct sim_wire *wire)
{
    if (!wire->net->server_ended)
        sim_wire_send(wire, "unasked\n", 8);
}

void sim_host_garbage(struct sim_host *h)
{
    if (h->world->no_garbage)
        return;
    sim_did(h->world, SIM_FAULT_GARBAGE, h);
    each_up(h, babble);
}

void sim_host_half_close(struct sim_host *h)
{
    sim_did(h->world, SIM_FAULT_HALF_CLOSE, h);
    each_up(h, sim_wire_half_close);
}

void sim_host_move(struct sim_host *h)
{
    sim_did(h->world, SIM_FAULT_ADDRESS, h);
    next_addr(h->world, h, 0);
    publish(h);
}

void sim_host_more(struct sim_host *h)
{
    if (h->addrs_n == SIM_ADDRS_MAX)
        return;
    next_addr(h->world, h, h->addrs_n);
    h->world->races = true;
    publish(h);
}
