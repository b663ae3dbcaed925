/* SPDX-License-Identifier: MIT */
/*
 * Sources of addresses. A query is one question: it outlives neither its answer nor its cancel, and
 * holds its source; the end of the loop answers it. What a kind of source knows is in its `get`;
 * all kinds answer in the same way.
 */
#include "conn/source.h"

#include "conn/endpoint.h"

/* ---- answering ---- */

void bl_source_drop(struct belay_loop *loop, struct belay_endpoint **endpoints, size_t n)
{
    for (size_t i = 0; i < n; i++)
        belay_endpoint_unref(endpoints[i]);
    bl_free(&loop->mem, endpoints);
}

static void query_free(struct belay_source_query *q)
{
    struct belay_source *source = q->source;

    bl_task_cancel(&q->task);
    bl_object_fini(&q->object, source->loop);
    bl_source_drop(source->loop, q->endpoints, q->n);
    bl_free(&source->loop->mem, q);
    belay_source_unref(source);
}

static void tell(void *arg)
{
    struct belay_source_query *q = arg;

    if (q->error.code)
        q->fn(NULL, 0, &q->error, q->arg);
    else
        q->fn(q->endpoints, q->n, NULL, q->arg);
    query_free(q);
}

void bl_source_told(struct belay_source_query *q)
{
    bl_task_post(q->source->loop, &q->task);
}

void bl_source_failed(struct belay_source_query *q, const struct belay_error *error)
{
    bl_error_keep(&q->error, error);
    if (q->error.kind == BELAY_KIND_NONE)
        q->error.kind = belay_error_kind_of(q->error.code);
    bl_source_told(q);
}

bool bl_source_room(struct belay_source_query *q, size_t n)
{
    struct belay_error error;

    q->endpoints = bl_zalloc(&q->source->loop->mem, n * sizeof(struct belay_endpoint *));
    if (q->endpoints)
        return true;
    bl_error_set(&error, BELAY_ENOMEM, BELAY_STAGE_RESOLVE, "looking up addresses: out of memory");
    bl_source_failed(q, &error);
    return false;
}

/* No address at all, or one that is none. */
static bool refuse_answer(const struct belay_source_query *q,
                          struct belay_endpoint *const *endpoints, size_t n,
                          struct belay_error *error)
{
    if (n == 0)
        return bl_error_set(error, BELAY_ENONAME, BELAY_STAGE_RESOLVE,
                            "the source has no addresses") < 0;
    for (size_t i = 0; i < n; i++)
        if (!endpoints || !endpoints[i] || bl_endpoint_loop(endpoints[i]) != q->source->loop)
            return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_RESOLVE,
                                "address %zu of %zu that the source gave is none of its loop's",
                                i + 1, n) < 0;
    return false;
}

void belay_source_answer(struct belay_source_query *q, struct belay_endpoint *const *endpoints,
                         size_t n, const struct belay_error *error)
{
    struct belay_error nonsense;

    if (bl_task_posted(&q->task))
        return;
    if (error && error->code < 0) {
        bl_source_failed(q, error);
        return;
    }
    if (refuse_answer(q, endpoints, error ? 0 : n, &nonsense)) {
        bl_source_failed(q, &nonsense);
        return;
    }
    if (!bl_source_room(q, n))
        return;
    for (; q->n < n; q->n++)
        q->endpoints[q->n] = belay_endpoint_ref(endpoints[q->n]);
    bl_source_told(q);
}

/* ---- life ---- */

struct belay_source *bl_source_new(struct belay_loop *loop, const struct belay_source_ops *ops,
                                   size_t size)
{
    struct belay_source *s = bl_zalloc(&loop->mem, size);

    if (s) {
        s->loop = loop;
        s->refs = 1;
        s->ops = ops;
        s->arg = s;
    }
    return s;
}

int belay_source_custom(struct belay_loop *loop, const struct belay_source_ops *ops, void *arg,
                        struct belay_source **ret_source)
{
    struct belay_source *s;

    if (!ops || !ops->get)
        return BELAY_EINVAL;
    s = bl_source_new(loop, ops, sizeof *s);
    if (!s)
        return BELAY_ENOMEM;
    s->arg = arg;
    *ret_source = s;
    return 0;
}

struct belay_source *belay_source_ref(struct belay_source *s)
{
    if (s)
        s->refs++;
    return s;
}

void belay_source_unref(struct belay_source *s)
{
    if (!s || --s->refs > 0)
        return;
    if (s->ops->free)
        s->ops->free(s->arg);
    bl_free(&s->loop->mem, s);
}

/* ---- asking ---- */

static void close_object(struct bl_object *object)
{
    struct belay_source_query *q = BL_CONTAINER(object, struct belay_source_query, object);
    struct belay_error error;

    if (bl_task_posted(&q->task))
        return;
    if (q->source->ops->cancel)
        q->source->ops->cancel(q, q->source->arg);
    bl_error_set(&error, BELAY_ECLOSED, BELAY_STAGE_RESOLVE,
                 "looking up addresses: the loop was closed");
    bl_source_failed(q, &error);
}

int belay_source_get(struct belay_source *s, bool fresh, struct belay_source_query **ret_query,
                     belay_source_fn *fn, void *arg)
{
    struct belay_source_query *q = bl_zalloc(&s->loop->mem, sizeof *q);

    if (!q)
        return BELAY_ENOMEM;
    q->source = belay_source_ref(s);
    q->fn = fn;
    q->arg = arg;
    q->fresh = fresh;
    bl_task_init(&q->task, tell, q);
    bl_object_init(&q->object, s->loop, "source", close_object);
    if (ret_query)
        *ret_query = q;
    s->ops->get(q, s->arg);
    return 0;
}

void belay_source_cancel(struct belay_source_query *q)
{
    if (!q)
        return;
    if (!bl_task_posted(&q->task) && q->source->ops->cancel)
        q->source->ops->cancel(q, q->source->arg);
    query_free(q);
}
