/* SPDX-License-Identifier: MIT */
/* A source that is a fixed list of addresses, in one of three orders. */
#include "conn/endpoint.h"
#include "conn/source.h"

struct list_source {
    struct belay_source base;
    enum belay_source_order order;
    struct belay_endpoint **list;
    size_t n, at;
};

/* Each order as likely as any other (Fisher and Yates). */
static void shuffle(struct bl_rand *rand, struct belay_endpoint **list, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t pick = (size_t)bl_rand_below(rand, i);
        struct belay_endpoint *last = list[i - 1];

        list[i - 1] = list[pick];
        list[pick] = last;
    }
}

static void get(struct belay_source_query *q, void *arg)
{
    struct list_source *s = arg;
    size_t start = s->order == BELAY_SOURCE_ROTATED ? s->at++ % s->n : 0;

    if (!bl_source_room(q, s->n))
        return;
    for (; q->n < s->n; q->n++)
        q->endpoints[q->n] = belay_endpoint_ref(s->list[(start + q->n) % s->n]);
    if (s->order == BELAY_SOURCE_SHUFFLED)
        shuffle(&s->base.loop->rand, q->endpoints, q->n);
    bl_source_told(q);
}

static void list_free(void *arg)
{
    struct list_source *s = arg;

    bl_source_drop(s->base.loop, s->list, s->n);
}

static const struct belay_source_ops list_ops = {
    .size = sizeof list_ops, .get = get, .free = list_free};

int belay_source_list(struct belay_loop *loop, struct belay_endpoint *const *endpoints, size_t n,
                      enum belay_source_order order, struct belay_source **ret_source)
{
    struct list_source *s;

    if (n == 0 || !endpoints || (unsigned)order > BELAY_SOURCE_SHUFFLED)
        return BELAY_EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!endpoints[i] || bl_endpoint_loop(endpoints[i]) != loop)
            return BELAY_EINVAL;
    s = (struct list_source *)bl_source_new(loop, &list_ops, sizeof *s);
    if (!s)
        return BELAY_ENOMEM;
    s->list = bl_alloc(&loop->mem, n * sizeof(struct belay_endpoint *));
    if (!s->list) {
        belay_source_unref(&s->base);
        return BELAY_ENOMEM;
    }
    for (; s->n < n; s->n++)
        s->list[s->n] = belay_endpoint_ref(endpoints[s->n]);
    s->order = order;
    *ret_source = &s->base;
    return 0;
}
