/* SPDX-License-Identifier: MIT */
/* One way of a wire: segments under way, each with its time of arrival, in order. */
#include <stdlib.h>

#include "sim/parts.h"

void sim_way_arm(struct sim_wire *wire, struct sim_way *way)
{
    struct bl_list *first = bl_list_first(&way->segments);

    if (first && !wire->host->stall)
        sim_event_at(&way->event, BL_LIST_OF(first, struct segment, link)->at_ns);
}

static struct segment *segment_new(enum sim_segment_kind kind, const void *data, size_t len)
{
    struct segment *s = malloc(sizeof *s + len);

    if (!s)
        abort();
    s->kind = kind;
    s->len = len;
    if (len)
        memcpy(s->data, data, len);
    return s;
}

/* Without latency it is there at once, as on loopback: within the call that sent it. */
void sim_way_push(struct sim_wire *wire, struct sim_way *way, enum sim_segment_kind kind,
                  const void *data, size_t len)
{
    struct sim_world *w = wire->world;
    struct segment *s = segment_new(kind, data, len);
    uint64_t latency = wire->host->latency_ns;

    if (latency == 0 && bl_list_empty(&way->segments) && !wire->host->stall) {
        way->deliver(wire, s);
        free(s);
        return;
    }
    s->at_ns = w->now_ns + latency + (latency ? sim_below(w, latency / 4 + 1) : 0);
    if (s->at_ns < way->last_ns)
        s->at_ns = way->last_ns;
    way->last_ns = s->at_ns;
    way->under_way += len;
    bl_list_push_back(&way->segments, &s->link);
    if (bl_list_first(&way->segments) == &s->link)
        sim_way_arm(wire, way);
}

void sim_way_clear(struct sim_way *way)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&way->segments)))
        free(BL_LIST_OF(node, struct segment, link));
    way->under_way = 0;
    sim_event_stop(&way->event);
}

void sim_way_run(struct sim_wire *wire, struct sim_way *way)
{
    struct bl_list *node;

    while (!wire->host->stall && (node = bl_list_first(&way->segments))) {
        struct segment *s = BL_LIST_OF(node, struct segment, link);

        if (s->at_ns > wire->world->now_ns)
            break;
        bl_list_remove(&s->link);
        way->under_way -= s->len;
        way->deliver(wire, s);
        free(s);
    }
    sim_way_arm(wire, way);
}
