/* SPDX-License-Identifier: MIT */
/* What befalls servers of HTTP/2 beyond what befalls any. */
#include "sim/faults.h"
#include "sim/h2_server.h"

struct h2_conn *h2_some_conn(struct h2_host *h)
{
    struct h2_conn *found = NULL;
    uint64_t n = 0;

    BL_LIST_EACH(node, &h->conns)
    {
        if (sim_below(h->host->world, ++n) == 0)
            found = BL_LIST_OF(node, struct h2_conn, link);
    }
    return found;
}

/* Its connections hear of what it says now, or those alone that are made later. */
static void tell(struct h2_host *h)
{
    bool all = sim_chance(h->host->world, 85);

    BL_LIST_EACH(node, &h->conns)
    if (all)
        h2_settings(BL_LIST_OF(node, struct h2_conn, link));
}

static void limits(struct h2_host *h)
{
    struct sim_world *w = h->host->world;
    uint32_t before = h->max_streams;

    h->max_streams =
        sim_chance(w, 15) ? 0 : (uint32_t)sim_between(w, 1, sim_chance(w, 75) ? 6 : 120);
    h2_host_did(h, h->max_streams == 0       ? H2_DEED_ZERO
                   : h->max_streams > before ? H2_DEED_RAISED
                                             : H2_DEED_LOWERED);
    tell(h);
}

static void windows(struct h2_host *h)
{
    struct sim_world *w = h->host->world;

    h->window =
        sim_chance(w, 15) ? 0 : (uint32_t)sim_between(w, 1, sim_chance(w, 50) ? 300 : 200000);
    h2_host_did(h, h->window ? H2_DEED_WINDOWS : H2_DEED_NO_WINDOW);
    tell(h);
}

static void goaway(struct h2_host *h)
{
    struct sim_world *w = h->host->world;
    struct h2_conn *c = h2_some_conn(h);

    if (!c)
        return;
    if (c->goaway_final && bl_list_empty(&c->streams)) {
        h2_host_did(h, H2_DEED_HANGS_UP);
        h2_hang_up(c);
        return;
    }
    h2_goaway(c, sim_chance(w, 30)   ? H2_GOAWAY_NOTICE
                 : sim_chance(w, 85) ? H2_GOAWAY_NOW
                                     : H2_GOAWAY_ERROR);
}

static void moods(struct h2_host *h)
{
    struct sim_world *w = h->host->world;

    switch (sim_below(w, 6)) {
    case 0:
    case 1:
        h->refuses = (unsigned)sim_between(w, 1, 60);
        break;
    case 2:
        h->resets = (unsigned)sim_between(w, 1, 40);
        break;
    case 3:
        h->hangs = (unsigned)sim_between(w, 1, 15);
        break;
    case 4:
        h->hurries = (unsigned)sim_between(w, 1, 80);
        break;
    default:
        h2_host_did(h, H2_DEED_LATE_SETTINGS);
        h->settings_ns = SIM_MS(sim_between(w, 1, 3000));
    }
}

/* Later than an answer is. */
static void breaks(struct h2_host *h)
{
    uint64_t n = sim_between(h->host->world, 1, 30000);

    if (sim_chance(h->host->world, 50))
        h->host->reset_after = n;
    else
        h->host->half_close_after = n;
}

void h2_fault(struct h2_host *h, bool alloc_fails)
{
    struct h2_conn *c;

    switch (sim_below(h->host->world, 13)) {
    case 0:
    case 1:
    case 2:
        limits(h);
        break;
    case 3:
        windows(h);
        break;
    case 4:
    case 5:
        goaway(h);
        break;
    case 6:
        moods(h);
        break;
    case 7:
        breaks(h);
        break;
    case 8:
        if ((c = h2_some_conn(h))) {
            h2_host_did(h, H2_DEED_PING);
            h2_ping(c);
        }
        break;
    default:
        sim_fault(h->host->world, h->host, alloc_fails);
    }
}
