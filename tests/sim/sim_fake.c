/* SPDX-License-Identifier: MIT */
/*
 * The fake connector: form 2, connections of nothing but a record. They open late, at once or
 * never, fail on demand, are lost, drain, change their capacity, are suspected, and answer a cancel
 * or a close when they please. What belay tells them is checked on the spot: who may be lent how
 * often is known here first.
 */
#include <stdlib.h>

#include "base/error.h"
#include "sim/fake.h"

/* The connection of a down-call; its state is set at once, before it is up. */
static struct fake *of_conn(struct sim_world *w, struct belay_conn *conn, const char *call)
{
    struct fake *f = belay_conn_state(conn);

    if (!f || f->conn != conn || f->world != w || f->state == OVER)
        sim_fail(w, "%s on a connection that is not the connector's", call);
    return f;
}

/* It may have come to nothing for those who wait: only belay knows. */
void sim_fake_wasted(struct fake *f)
{
    if (f->seen.uses == 0 && f->world->on_dial_failed)
        f->world->on_dial_failed(&f->seen, BELAY_KIND_NONE, f->world->after_turn_arg);
}

/* ---- opening ---- */

static void open_failed(struct fake *f, int code, enum belay_stage stage, const char *text)
{
    struct belay_conn *conn = f->conn;
    struct belay_error e;

    bl_error_set(&e, code, stage, "connecting to %s: %s", f->seen.host->name, text);
    f->state = OVER;
    f->conn = NULL;
    sim_seen_end(&f->seen);
    if (f->world->on_dial_failed)
        f->world->on_dial_failed(&f->seen, e.kind, f->world->after_turn_arg);
    belay_conn_open_failed(conn, &e);
}

static void opening(void *arg)
{
    struct fake *f = arg;
    struct sim_host *h = f->seen.host;
    struct sim_name *name = sim_name_of(f->world, h->name);

    if (h->black_hole || h->stall)
        return; /* until sim_fake_unstall */
    if (name->missing) {
        sim_did(f->world, SIM_FAULT_DNS_NO_NAME, h);
        open_failed(f, BELAY_ENONAME, BELAY_STAGE_RESOLVE, "no such name");
    } else if (name->fails) {
        sim_did(f->world, SIM_FAULT_DNS_FAIL, h);
        open_failed(f, BELAY_EDNS, BELAY_STAGE_RESOLVE, "no name server answers");
    } else if (h->refuse) {
        open_failed(f, BELAY_ECONNECT, BELAY_STAGE_CONNECT, "refused");
    } else if (h->fatal) {
        sim_did(f->world, SIM_FAULT_FATAL, h);
        open_failed(f, BELAY_ECERT, BELAY_STAGE_TLS, "untrusted");
    } else {
        f->state = UP;
        h->accepted++;
        if (h->capacity == 0) { /* the next would be like it */
            h->fruitless++;
            h->fruitless_ns = f->world->now_ns;
        }
        f->seen.capacity = f->seen.capacity_before = h->capacity;
        sim_seen_up(&f->seen, f->world);
        sim_note(f->world, "fake %llu: up, capacity %d", (unsigned long long)f->seen.id,
                 h->capacity);
        belay_conn_open_done(f->conn, f, h->capacity);
    }
}

static void fake_closed(struct fake *f);

static void on_event(void *arg)
{
    struct fake *f = arg;

    if (f->state == OPENING)
        opening(f);
    else if (f->state == ENDING)
        fake_closed(f);
}

static void on_check(void *arg)
{
    struct fake *f = arg;
    struct sim_host *h = f->seen.host;

    if (f->state != UP)
        return;
    f->seen.asked = false;
    sim_note(f->world, "fake %llu: answers a check", (unsigned long long)f->seen.id);
    if (h->bad_check || f->seen.sick_ns) {
        sim_did(f->world, SIM_FAULT_UNHEALTHY, h);
        f->seen.failed_turn = f->world->turns;
        sim_fake_wasted(f);
        belay_conn_checked(f->conn, BELAY_EUNHEALTHY);
    } else {
        f->seen.suspect_turn = f->seen.doubt_turn = 0;
        f->seen.doubted = false;
        f->seen.checked_turn = f->world->turns;
        belay_conn_checked(f->conn, 0);
    }
}

static void fake_open(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    struct sim_world *w = arg;
    struct sim_host *h = sim_host_named(w, belay_endpoint_host(endpoint));
    struct fake *f = calloc(1, sizeof *f);

    if (!f || !h)
        abort();
    f->world = w;
    f->conn = conn;
    sim_event_init(&f->event, w, on_event, f);
    sim_event_init(&f->check, w, on_check, f);
    sim_event_init(&f->ask, w, on_check, f);
    bl_list_push_back(&w->fakes, &f->link);
    f->seen.fake = true;
    f->seen.conn_id = belay_conn_id(conn);
    sim_seen_begin(&f->seen, w, h);
    sim_note(w, "fake %llu: dialled %s", (unsigned long long)f->seen.id, h->name);
    belay_conn_set_state(conn, f);
    if (h->latency_ns == 0 && !h->stall && !h->black_hole)
        opening(f); /* at once, within the down-call */
    else
        sim_event_in(&f->event, 2 * h->latency_ns + sim_below(w, h->latency_ns + 1));
}

/* ---- ending ---- */

static void fake_closed(struct fake *f)
{
    struct belay_conn *conn = f->conn;

    f->state = OVER;
    f->conn = NULL;
    sim_event_stop(&f->event);
    sim_seen_end(&f->seen);
    sim_note(f->world, "fake %llu: closed", (unsigned long long)f->seen.id);
    if (f->cancelled) /* at its limit, if not with its pool */
        sim_fake_wasted(f);
    belay_conn_closed(conn);
}

static void end(struct fake *f, uint64_t delay_ns)
{
    f->state = ENDING;
    f->seen.closing = true;
    sim_event_stop(&f->event);
    sim_event_stop(&f->check);
    sim_event_stop(&f->ask);
    if (delay_ns == 0)
        fake_closed(f);
    else
        sim_event_in(&f->event, delay_ns);
}

static void fake_cancel(struct belay_conn *conn, void *arg)
{
    struct sim_world *w = arg;
    struct fake *f = of_conn(w, conn, "cancel");
    uint64_t delay = 0;

    if (f->state != OPENING)
        sim_fail(w, "cancel of connection %llu, which is open", (unsigned long long)f->seen.id);
    sim_note(w, "fake %llu: cancelled", (unsigned long long)f->seen.id);
    f->cancelled = true;
    if (f->seen.host->late_cancel) {
        sim_did(w, SIM_FAULT_LATE_OPEN, f->seen.host);
        delay = SIM_MS(sim_between(w, 1, 400));
        belay_conn_open_done(conn, f, 1); /* too late: it must be ignored */
    }
    end(f, delay);
}

static void fake_close(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    struct sim_world *w = arg;
    struct fake *f = of_conn(w, conn, "close");

    if (f->state != UP)
        sim_fail(w, "close of connection %llu, which is not open", (unsigned long long)f->seen.id);
    f->seen.reason = (int)reason;
    sim_note(w, "fake %llu: close, %s", (unsigned long long)f->seen.id, belay_reason_name(reason));
    if (w->on_close)
        w->on_close(&f->seen, w->after_turn_arg);
    sim_fake_doubted(&f->seen);
    if (reason == BELAY_REASON_IDLE || reason == BELAY_REASON_LIFETIME ||
        reason == BELAY_REASON_UNHEALTHY)
        sim_fake_wasted(f);
    if (f->seen.host->close_ns)
        sim_did(w, SIM_FAULT_SLOW_CLOSE, f->seen.host);
    end(f, f->seen.host->close_ns);
    if (f->state == ENDING && sim_chance(w, 20)) {
        struct belay_error e;

        bl_error_set(&e, BELAY_EEOF, BELAY_STAGE_USE, "it ended while it was being closed");
        belay_conn_lost(conn, BELAY_REASON_NONE, &e); /* nobody must care */
        belay_conn_set_capacity(conn, 3);
        belay_conn_draining(conn);
    }
}

/* ---- in use ---- */

static void fake_check(struct belay_conn *conn, void *arg)
{
    struct sim_world *w = arg;
    struct fake *f = of_conn(w, conn, "check");

    f->seen.asked = true;
    if (f->seen.host->never_answers)
        sim_did(w, SIM_FAULT_NO_ANSWER, f->seen.host);
    else if (f->seen.host->check_ns)
        sim_event_in(&f->check, f->seen.host->check_ns);
    else
        on_check(f);
}

static bool fake_is_healthy(struct belay_conn *conn, void *arg)
{
    struct sim_seen *seen = &of_conn(arg, conn, "is_healthy")->seen;

    if (seen->sick_ns)
        seen->failed_turn = seen->host->world->turns;
    return !seen->sick_ns;
}

static void fake_acquired(struct belay_conn *conn, void *arg)
{
    struct sim_world *w = arg;
    struct fake *f = of_conn(w, conn, "acquired");
    struct sim_seen *seen = &f->seen;
    int most = seen->capacity_turn == w->turns && seen->capacity_before > seen->capacity
                   ? seen->capacity_before
                   : seen->capacity;

    if (f->state != UP)
        sim_fail(w, "connection %llu is lent, and is not open", (unsigned long long)seen->id);
    if (++seen->held > most)
        sim_fail(w, "connection %llu is lent %d times at a time and carries %d",
                 (unsigned long long)seen->id, seen->held, most);
    if (seen->gone_turn && seen->gone_turn < w->turns)
        sim_fail(w, "connection %llu is lent after it was lost", (unsigned long long)seen->id);
    if (seen->draining_turn && seen->draining_turn < w->turns)
        sim_fail(w, "connection %llu is lent while it drains", (unsigned long long)seen->id);
    if (seen->suspect_turn && seen->suspect_turn < w->turns)
        sim_fail(w, "connection %llu is lent, suspect and unchecked", (unsigned long long)seen->id);
    if (seen->doubted && seen->doubt_turn < w->turns)
        sim_fail(w, "connection %llu is lent, unchecked since another one failed",
                 (unsigned long long)seen->id);
    if (seen->asked)
        sim_fail(w, "connection %llu is lent while it is checked", (unsigned long long)seen->id);
    if (seen->sick_ns && seen->sick_ns < w->now_ns && seen->held == 1)
        sim_fail(w, "connection %llu is lent, and would have said that it is not well",
                 (unsigned long long)seen->id);
    if (seen->broken)
        sim_fail(w, "connection %llu is lent after it was broken", (unsigned long long)seen->id);
    w->first_uses += seen->uses++ == 0;
}

static void fake_released(struct belay_conn *conn, void *arg)
{
    struct sim_world *w = arg;
    struct fake *f = of_conn(w, conn, "released");

    if (--f->seen.held < 0)
        sim_fail(w, "connection %llu is given back more often than lent",
                 (unsigned long long)f->seen.id);
    if (f->seen.held == 0)
        f->seen.idle_since_ns = w->now_ns;
}

const struct belay_connector_ops sim_fake_ops = {
    .size = sizeof sim_fake_ops,
    .name = "fake",
    .open = fake_open,
    .cancel = fake_cancel,
    .close = fake_close,
    .check = fake_check,
    .acquired = fake_acquired,
    .released = fake_released,
    .is_healthy = fake_is_healthy,
};

struct belay_connector sim_fake_connector(struct sim_world *w)
{
    return (struct belay_connector){.ops = &sim_fake_ops, .arg = w};
}

struct sim_seen *sim_seen_of_lease(struct sim_world *w, struct belay_lease lease)
{
    struct belay_stream *stream = belay_lease_stream(lease);
    struct fake *f = belay_lease_state(lease);

    if (stream)
        return sim_seen_of_stream(w, stream);
    return f && f->world == w ? &f->seen : NULL;
}

void sim_fake_free(struct sim_world *w)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&w->fakes))) {
        struct fake *f = BL_LIST_OF(node, struct fake, link);

        sim_seen_end(&f->seen);
        sim_event_fini(&f->event);
        sim_event_fini(&f->check);
        sim_event_fini(&f->ask);
        free(f);
    }
}
