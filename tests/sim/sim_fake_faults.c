/* SPDX-License-Identifier: MIT */
/* What befalls the connections of the fake connector: reported by up-calls, and noted for the oracle. */
#include "base/error.h"
#include "sim/fake.h"

/* Those to the same address are to be checked. */
static void doubt_others(const struct sim_seen *seen)
{
    BL_LIST_EACH(node, &seen->host->world->seen)
    {
        struct sim_seen *other = BL_LIST_OF(node, struct sim_seen, link);

        if (other != seen && other->host == seen->host && other->open && !other->closing)
            other->doubt_turn = seen->host->world->turns;
    }
}

void sim_fake_doubted(const struct sim_seen *seen)
{
    bool noticed = seen->reason == BELAY_REASON_ERROR || seen->reason == BELAY_REASON_UNHEALTHY;

    if (!noticed || !seen->gone_turn || seen->host->world->shared_hosts)
        return;
    BL_LIST_EACH(node, &seen->host->world->seen)
    {
        struct sim_seen *other = BL_LIST_OF(node, struct sim_seen, link);

        other->doubted |= other != seen && other->host == seen->host &&
                          other->doubt_turn >= seen->gone_turn && other->doubt_turn;
    }
}

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
    if (e.code == BELAY_ERESET)
        doubt_others(seen);
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
    seen->host->changes_capacity = true;
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

void sim_fake_sicken(struct sim_seen *seen)
{
    struct fake *f = sim_fake_of(seen);

    if (f->state != UP || seen->sick_ns)
        return;
    sim_did(f->world, SIM_FAULT_SICK, seen->host);
    seen->sick_ns = f->world->now_ns;
}

struct sim_seen *sim_fake_seen(struct belay_conn *conn)
{
    struct fake *f = belay_conn_state(conn);

    return f ? &f->seen : NULL;
}

int sim_fake_ask(struct sim_seen *seen)
{
    struct fake *f = sim_fake_of(seen);
    struct sim_host *h = seen->host;

    if (f->state != UP || seen->asked)
        sim_fail(f->world,
                 "connection %llu is asked whether it is well: state %d, asked already %d",
                 (unsigned long long)seen->id, (int)f->state, seen->asked);
    sim_note(f->world, "fake %llu: is it well?", (unsigned long long)seen->id);
    if (h->never_answers || h->asks_later) {
        seen->asked = true;
        if (h->never_answers)
            sim_did(f->world, SIM_FAULT_NO_ANSWER, h);
        else
            sim_event_in(&f->ask, h->check_ns);
        return BELAY_EAGAIN;
    }
    if (!h->bad_check && !seen->sick_ns) {
        seen->suspect_turn = seen->doubt_turn = 0;
        seen->doubted = false;
        return 1;
    }
    sim_did(f->world, SIM_FAULT_UNHEALTHY, h);
    seen->failed_turn = f->world->turns;
    return 0;
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
