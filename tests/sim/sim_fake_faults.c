/* SPDX-License-Identifier: MIT */
/* What befalls the connections of the fake connector: reported by up-calls, and noted for the oracle. */
#include "base/error.h"
#include "sim/fake.h"

void sim_fake_lose(struct sim_seen *seen, enum belay_reason reason)
{
    struct fake *f = sim_fake_of(seen);
    struct belay_error e;

    if (f->state != UP || f->told_gone)
        return;
    f->told_gone = true;
    sim_fake_wasted(f);
    seen->gone_turn = f->world->turns;
    bl_error_set(&e, reason == BELAY_REASON_PEER_CLOSED ? BELAY_EEOF : BELAY_ERESET,
                 BELAY_STAGE_USE, "talking to %s: it went away", seen->host->name);
    sim_note(f->world, "fake %llu: lost", (unsigned long long)seen->id);
    belay_conn_lost(f->conn, reason, &e);
}

void sim_fake_drain(struct sim_seen *seen)
{
    struct fake *f = sim_fake_of(seen);

    if (f->state != UP || seen->draining_turn)
        return;
    seen->draining_turn = f->world->turns;
    sim_fake_wasted(f);
    sim_note(f->world, "fake %llu: draining", (unsigned long long)seen->id);
    belay_conn_draining(f->conn);
}

void sim_fake_suspect(struct sim_seen *seen)
{
    struct fake *f = sim_fake_of(seen);

    if (f->state != UP || seen->suspect_turn)
        return;
    sim_did(f->world, SIM_FAULT_SUSPECT, seen->host);
    seen->suspect_turn = f->world->turns;
    belay_conn_suspect(f->conn);
}

void sim_fake_capacity(struct sim_seen *seen, int capacity)
{
    struct fake *f = sim_fake_of(seen);

    if (f->state != UP)
        return;
    sim_did(f->world, SIM_FAULT_CAPACITY, seen->host);
    if (seen->capacity_turn != f->world->turns) {
        seen->capacity_turn = f->world->turns;
        seen->capacity_before = seen->capacity;
    } else if (seen->capacity > seen->capacity_before) {
        seen->capacity_before = seen->capacity;
    }
    seen->capacity = capacity;
    if (capacity == 0)
        sim_fake_wasted(f);
    belay_conn_set_capacity(f->conn, capacity);
}

static void each(struct sim_host *h, void (*act)(struct fake *f, enum belay_reason reason),
                 enum belay_reason reason)
{
    BL_LIST_EACH(node, &h->world->fakes)
    {
        struct fake *f = BL_LIST_OF(node, struct fake, link);

        if (f->seen.host == h)
            act(f, reason);
    }
}

static void lose(struct fake *f, enum belay_reason reason)
{
    sim_fake_lose(&f->seen, reason);
}

static void lose_idle(struct fake *f, enum belay_reason reason)
{
    if (f->seen.held == 0)
        sim_fake_lose(&f->seen, reason);
}

static void unstall(struct fake *f, enum belay_reason reason)
{
    (void)reason;
    if (f->state == OPENING && f->event.entry.index == BL_HEAP_OUT)
        sim_event_in(&f->event, 2 * f->seen.host->latency_ns);
}

static void restore(struct fake *f, enum belay_reason reason)
{
    (void)reason;
    if (f->seen.capacity == 0)
        sim_fake_capacity(&f->seen, f->seen.host->capacity);
}

void sim_fake_heal(struct sim_host *h)
{
    each(h, restore, BELAY_REASON_NONE);
    sim_fake_unstall(h);
}

void sim_fake_kill(struct sim_host *h, enum belay_reason reason)
{
    each(h, lose, reason);
}

void sim_fake_close_idle(struct sim_host *h)
{
    each(h, lose_idle, BELAY_REASON_PEER_CLOSED);
}

void sim_fake_unstall(struct sim_host *h)
{
    each(h, unstall, BELAY_REASON_NONE);
}
