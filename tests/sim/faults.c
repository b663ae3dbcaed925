/* SPDX-License-Identifier: MIT */
/* The schedule of faults: one at a time, at any host, for as long as chance leaves it. */
#include "sim/faults.h"

/* A connection of this host that lives; NULL when there is none. */
static struct sim_seen *some_seen(struct sim_host *host)
{
    struct sim_world *w = host->world;
    struct sim_seen *found = NULL;
    uint64_t n = 0;

    BL_LIST_EACH(node, &w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        if (seen->host == host && seen->open && !seen->closing && sim_below(w, ++n) == 0)
            found = seen;
    }
    return found;
}

static void at_a_connection(struct sim_world *w, struct sim_host *host)
{
    struct sim_seen *seen = some_seen(host);

    if (!seen || !seen->fake)
        return;
    switch (sim_below(w, 6)) {
    case 5:
        sim_fake_sicken(seen);
        break;
    case 0:
        sim_fake_lose(seen, sim_chance(w, 50)   ? BELAY_REASON_PEER_CLOSED
                            : sim_chance(w, 50) ? BELAY_REASON_ERROR
                                                : BELAY_REASON_UNHEALTHY);
        break;
    case 1:
        sim_fake_drain(seen);
        break;
    case 2:
        sim_fake_suspect(seen);
        break;
    default:
        sim_fake_capacity(seen, (int)sim_below(w, 5));
    }
}

static void at_names(struct sim_world *w, struct sim_host *host)
{
    struct sim_name *name = sim_name_of(w, host->name);

    switch (sim_below(w, 6)) {
    case 4:
        sim_host_more(host);
        break;
    case 5:
        sim_did(w, SIM_FAULT_ADDRESS_LEAVES, host);
        sim_host_publish(host, 1u << sim_below(w, host->addrs_n));
        break;
    case 0:
        name->fails = true;
        break;
    case 1:
        name->missing = true;
        break;
    case 2:
        name->delay_ns = SIM_MS(sim_between(w, 100, 6000));
        break;
    default:
        sim_host_move(host);
    }
    name->ttl_s = (uint32_t)sim_between(w, 0, sim_chance(w, 50) ? 2 : 40);
}

static void on_the_way(struct sim_world *w, struct sim_host *host)
{
    switch (sim_below(w, 6)) {
    case 0:
        sim_did(w, SIM_FAULT_CHOP, host);
        host->chop = 1;
        break;
    case 1:
        host->partial = true;
        break;
    case 2:
        sim_did(w, SIM_FAULT_LATENCY, host);
        host->latency_ns = SIM_MS(sim_between(w, 0, 300));
        break;
    case 3:
        host->reset_after = sim_between(w, 1, 60);
        break;
    case 4:
        host->half_close_after = sim_between(w, 1, 60);
        break;
    default:
        sim_did(w, SIM_FAULT_STALL, host);
        sim_host_stall(host, true);
    }
}

static void at_the_server(struct sim_world *w, struct sim_host *host)
{
    switch (sim_below(w, 7)) {
    case 0:
        sim_host_kill(host);
        break;
    case 1:
        sim_host_stop(host);
        break;
    case 2:
        sim_host_close_idle(host);
        break;
    case 3:
        host->idle_close_ns = SIM_MS(sim_between(w, 50, 5000));
        break;
    case 4:
        sim_host_garbage(host);
        break;
    case 5:
        sim_host_half_close(host);
        break;
    default:
        host->close_after_n = (unsigned)sim_between(w, 1, 6);
        host->think_ns = SIM_MS(sim_below(w, 200));
    }
}

static void at_the_door(struct sim_world *w, struct sim_host *host)
{
    switch (sim_below(w, 4)) {
    case 0:
        sim_did(w, SIM_FAULT_REFUSE, host);
        host->refuse = true;
        break;
    case 1:
        sim_did(w, SIM_FAULT_BLACK_HOLE, host);
        host->black_hole = true;
        break;
    case 2:
        host->fatal = true;
        break;
    default:
        host->capacity = (int)sim_between(w, 1, 4);
        host->late_cancel = sim_chance(w, 50);
        host->close_ns = SIM_MS(sim_below(w, 800));
        host->check_ns = SIM_MS(sim_below(w, 100));
        host->bad_check = sim_chance(w, 40);
        host->asks_later = sim_chance(w, 50);
        host->never_answers = sim_chance(w, 20);
    }
}

static void at_home(struct sim_world *w, bool alloc_fails)
{
    switch (sim_below(w, 4)) {
    case 0:
        w->fds_limit = w->fds_limit ? 0 : w->fds_open + (int)sim_below(w, 2) + 1;
        break;
    case 1:
        sim_did(w, SIM_FAULT_CLOCK, NULL);
        w->wall_offset_ms += (int64_t)sim_below(w, 7200000) - 3600000;
        if (sim_chance(w, 30)) { /* as after a suspend */
            w->jump_ns = SIM_MS(sim_below(w, 90000));
            w->now_ns += w->jump_ns;
            w->jumped_at = w->now_ns;
            sim_run_ms(w, 0); /* outside turns belay's clock stands still, too */
        }
        break;
    case 2:
        w->spurious = !w->spurious;
        break;
    default:
        if (!alloc_fails)
            break;
        sim_did(w, SIM_FAULT_ALLOC, NULL);
        failing_alloc_once(&w->alloc, (size_t)sim_between(w, 1, 12));
    }
}

void sim_fault(struct sim_world *w, struct sim_host *host, bool alloc_fails)
{
    switch (sim_below(w, 8)) {
    case 0:
        at_names(w, host);
        break;
    case 1:
        on_the_way(w, host);
        break;
    case 2:
        at_the_server(w, host);
        break;
    case 3:
        at_the_door(w, host);
        break;
    case 4:
        at_home(w, alloc_fails);
        break;
    default:
        at_a_connection(w, host);
    }
}

void sim_heal(struct sim_world *w)
{
    BL_LIST_EACH(node, &w->hosts)
    sim_host_heal(BL_LIST_OF(node, struct sim_host, link));
    w->fds_limit = 0;
    w->spurious = false;
    failing_alloc_once(&w->alloc, 0);
}

#define TTL_MAX_S 60 /* of the names above */

struct visit {
    struct belay_stream *stream;
    bool done;
};

static void on_dialled(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct visit *v = arg;

    (void)error;
    v->stream = stream;
    v->done = true;
}

static bool is_done(void *arg)
{
    return ((struct visit *)arg)->done;
}

/* What was believed of its name in worse times is believed for a while. */
void sim_expect_well(struct sim_world *w, struct belay_endpoint *endpoint)
{
    struct visit v = {0};

    for (int i = 0; i < TTL_MAX_S && !v.stream; i++) {
        v.done = false;
        if (belay_dial(endpoint, NULL, NULL, on_dialled, &v) < 0)
            sim_fail(w, "%s cannot be dialled", belay_endpoint_name(endpoint));
        sim_run_until(w, SIM_END_MS, is_done, &v);
        if (!v.stream)
            sim_run_ms(w, 1000);
    }
    if (!v.stream)
        sim_fail(w, "%s is well, and cannot be reached", belay_endpoint_name(endpoint));
    belay_stream_close(v.stream, 0, NULL, NULL);
}
