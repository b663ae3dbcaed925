/* SPDX-License-Identifier: MIT */
/* Virtual time and names without sockets. */
#include "unit/conn/conn_world.h"

static int submit(struct belay_loop *loop, void (*work)(void *item), void *item, void *arg)
{
    struct conn_world *w = arg;

    (void)loop;
    if (w->works_n == CONN_WORKS_MAX)
        return BELAY_EFULL;
    w->works[w->works_n].work = work;
    w->works[w->works_n++].item = item;
    return 0;
}

bool conn_world_work(struct conn_world *w)
{
    void (*work)(void *item) = w->works[0].work;
    void *item = w->works[0].item;

    if (w->works_n == 0)
        return false;
    memmove(w->works, w->works + 1, --w->works_n * sizeof w->works[0]);
    work(item);
    return true;
}

void conn_world_set_up(struct conn_world *w)
{
    struct belay_loop_options o = belay_loop_options_init();

    memset(w, 0, sizeof *w);
    failing_alloc_init(&w->alloc);
    fake_dns_init(&w->dns);
    fake_world_init(&w->world, &w->alloc.allocator);
    w->world.world.dns = &w->dns.dns;
    w->offload = (struct belay_offload){.size = sizeof w->offload, .submit = submit, .arg = w};
    w->world.world.offload = &w->offload;
    o.world = &w->world.world;
    assert_int_equal(belay_loop_new(&o, &w->loop, NULL), 0);
}

void conn_world_tear_down(struct conn_world *w)
{
    fake_world_close(&w->world);
    assert_int_equal(failing_alloc_live(&w->alloc), 0);
    assert_int_equal(fake_dns_open(&w->dns), 0);
}

void conn_world_settle(struct conn_world *w)
{
    fake_world_settle(&w->world);
}

void conn_world_pass(struct conn_world *w, int64_t ms)
{
    fake_world_pass(&w->world, ms);
}

struct belay_endpoint *conn_world_endpoint(struct conn_world *w, const char *url)
{
    struct belay_endpoint *e;

    assert_int_equal(belay_endpoint_parse(w->loop, url, &e, NULL), 0);
    return e;
}
