/* SPDX-License-Identifier: MIT */
/* Names and their addresses, with every way of failing to find them; and the threads that are none.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim/parts.h"

#define DNS_LATENCY_NS SIM_MS(1)

struct query {
    struct bl_list link;
    struct sim_event event;
    struct sim_world *world;
    struct sim_name *name;
    enum belay_dns_type type;
    belay_dns_fn *fn;
    void *arg;
};

struct work {
    struct bl_list link;
    struct sim_event event;
    void (*work)(void *item);
    void *item;
};

struct sim_name *sim_name_of(struct sim_world *w, const char *text)
{
    struct sim_name *name;

    BL_LIST_EACH(node, &w->names)
    {
        name = BL_LIST_OF(node, struct sim_name, link);
        if (strcmp(name->name, text) == 0)
            return name;
    }
    name = bl_zalloc(&w->mem, sizeof *name);
    if (!name)
        abort();
    snprintf(name->name, sizeof name->name, "%s", text);
    name->ttl_s = 30;
    name->delay_ns = DNS_LATENCY_NS;
    bl_list_push_back(&w->names, &name->link);
    return name;
}

static void query_free(struct query *q)
{
    bl_list_remove(&q->link);
    sim_event_fini(&q->event);
    free(q);
}

static void answer(void *arg)
{
    struct query *q = arg;
    struct sim_name *name = q->name;
    struct belay_dns_record records[SIM_ADDRS_MAX] = {0};
    enum belay_family wanted = q->type == BELAY_DNS_A      ? BELAY_FAMILY_IPV4
                               : q->type == BELAY_DNS_AAAA ? BELAY_FAMILY_IPV6
                                                           : BELAY_FAMILY_UNIX;
    belay_dns_fn *fn = q->fn;
    void *fn_arg = q->arg;
    size_t n = 0;
    int status;

    for (size_t i = 0; i < name->addrs_n; i++)
        if (name->addrs[i].family == wanted) {
            records[n].ttl_s = name->ttl_s;
            records[n].addr = name->addrs[i];
            records[n++].addr.port = 0;
        }
    sim_note(q->world, "name %s: %zu addresses", name->name, n);
    status = name->fails ? BELAY_EDNS : name->missing || n == 0 ? BELAY_ENONAME : 0;
    if (name->fails)
        sim_did(q->world, SIM_FAULT_DNS_FAIL, NULL);
    if (name->missing)
        sim_did(q->world, SIM_FAULT_DNS_NO_NAME, NULL);
    if (name->delay_ns > DNS_LATENCY_NS)
        sim_did(q->world, SIM_FAULT_DNS_SLOW, NULL);
    query_free(q);
    fn(status, status ? NULL : records, status ? 0 : n, fn_arg);
}

static int dns_query(struct belay_loop *loop, const char *name, enum belay_dns_type type,
                     belay_dns_fn *fn, void *fn_arg, void **ret_handle, void *arg)
{
    struct sim_world *w = arg;
    struct query *q = calloc(1, sizeof *q);

    (void)loop;
    if (!q)
        abort();
    q->world = w;
    q->name = sim_name_of(w, name);
    q->name->queries++;
    q->type = type;
    q->fn = fn;
    q->arg = fn_arg;
    sim_event_init(&q->event, w, answer, q);
    sim_event_in(&q->event, q->name->delay_ns);
    bl_list_push_back(&w->queries, &q->link);
    *ret_handle = q;
    return 0;
}

static void dns_forget(void *handle, void *arg)
{
    (void)arg;
    query_free(handle);
}

static void do_work(void *arg)
{
    struct work *work = arg;
    void (*fn)(void *) = work->work;
    void *item = work->item;

    bl_list_remove(&work->link);
    sim_event_fini(&work->event);
    free(work);
    fn(item);
}

static int submit(struct belay_loop *loop, void (*fn)(void *item), void *item, void *arg)
{
    struct sim_world *w = arg;
    struct work *work = calloc(1, sizeof *work);

    (void)loop;
    if (!work)
        abort();
    work->work = fn;
    work->item = item;
    sim_event_init(&work->event, w, do_work, work);
    sim_event_in(&work->event, SIM_MS(sim_below(w, 3)));
    bl_list_push_back(&w->works, &work->link);
    return 0;
}

void sim_dns_init(struct sim_world *w)
{
    w->dns = (struct belay_dns){
        .size = sizeof w->dns, .query = dns_query, .forget = dns_forget, .arg = w};
    w->offload = (struct belay_offload){.size = sizeof w->offload, .submit = submit, .arg = w};
}

void sim_dns_free(struct sim_world *w)
{
    struct bl_list *node;

    while ((node = bl_list_first(&w->queries)))
        query_free(BL_LIST_OF(node, struct query, link));
    while ((node = bl_list_pop_front(&w->works))) {
        struct work *work = BL_LIST_OF(node, struct work, link);

        sim_event_fini(&work->event);
        free(work);
    }
    while ((node = bl_list_pop_front(&w->names)))
        bl_free(&w->mem, BL_LIST_OF(node, struct sim_name, link));
}
