/* SPDX-License-Identifier: MIT */
/*
 * Sources of addresses. A query is one question: it outlives neither its answer nor its cancel, and
 * holds its source; the end of the loop answers it. What a kind of source knows is in its `get`;
 * all kinds answer through belay_source_answer.
 */
#include "belay/source.h"

#include "base/error.h"
#include "base/list.h"
#include "conn/endpoint.h"
#include "net/resolver.h"

struct belay_source {
    struct belay_loop *loop;
    uint32_t refs;
    const struct belay_source_ops *ops; /* the caller's, or one of the tables below */
    void *arg;                          /* the caller's, or the source itself */
    struct belay_endpoint *like;        /* DNS, SRV */
    char *name;                         /* SRV */
    struct belay_endpoint **list;       /* a list; DNS and SRV make one per answer */
    size_t n, at;
    bool rotate;
};

struct belay_source_query {
    struct bl_object object;
    struct belay_source *source;
    belay_source_fn *fn;
    void *arg;
    bool fresh;
    struct bl_lookup *lookup; /* DNS and SRV, while they wait */
    struct bl_task task;      /* tells the answer */
    struct belay_endpoint **endpoints;
    size_t n;
    struct belay_error error; /* code 0: none */
};

/* ---- answering ---- */

static void drop_endpoints(struct belay_loop *loop, struct belay_endpoint **endpoints, size_t n)
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
    drop_endpoints(source->loop, q->endpoints, q->n);
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

static void answer_error(struct belay_source_query *q, const struct belay_error *error)
{
    q->error = *error;
    if (q->error.kind == BELAY_KIND_NONE)
        q->error.kind = belay_error_kind_of(q->error.code);
    q->error.tried = NULL;
    q->error.tried_n = 0;
    bl_task_post(q->source->loop, &q->task);
}

static void answer_out_of_memory(struct belay_source_query *q)
{
    struct belay_error error;

    bl_error_set(&error, BELAY_ENOMEM, BELAY_STAGE_RESOLVE, "looking up addresses: out of memory");
    answer_error(q, &error);
}

void belay_source_answer(struct belay_source_query *q, struct belay_endpoint *const *endpoints,
                         size_t n, const struct belay_error *error)
{
    struct bl_mem *mem = &q->source->loop->mem;

    if (bl_task_posted(&q->task))
        return;
    if (!error && n == 0)
        bl_error_set(&q->error, BELAY_ENONAME, BELAY_STAGE_RESOLVE, "the source has no addresses");
    if (error || n == 0) {
        answer_error(q, error ? error : &q->error);
        return;
    }
    q->endpoints = bl_alloc(mem, n * sizeof(struct belay_endpoint *));
    if (!q->endpoints) {
        answer_out_of_memory(q);
        return;
    }
    for (size_t i = 0; i < n; i++)
        q->endpoints[i] = belay_endpoint_ref(endpoints[i]);
    q->n = n;
    bl_task_post(q->source->loop, &q->task);
}

/* ---- a list ---- */

static void list_get(struct belay_source_query *q, void *arg)
{
    struct belay_source *s = arg;
    size_t start = s->rotate ? s->at++ % s->n : 0;

    belay_source_answer(q, s->list, s->n, NULL);
    for (size_t i = 0; q->endpoints && i < s->n; i++)
        q->endpoints[i] = s->list[(start + i) % s->n]; /* a permutation: the references hold */
}

static const struct belay_source_ops list_ops = {.size = sizeof list_ops, .get = list_get};

/* ---- DNS: an endpoint per address ---- */

static void dns_answered(const struct belay_addr *addrs, size_t n, bool more,
                         const struct belay_error *error, void *arg)
{
    struct belay_source_query *q = arg;
    struct bl_mem *mem = &q->source->loop->mem;
    struct belay_error why = {0};

    if (more)
        return; /* all of it, in one order, at the second call */
    q->lookup = NULL;
    if (error) {
        answer_error(q, error);
        return;
    }
    q->endpoints = bl_zalloc(mem, n * sizeof(struct belay_endpoint *));
    if (!q->endpoints) {
        answer_out_of_memory(q);
        return;
    }
    for (; q->n < n; q->n++) {
        if (bl_endpoint_like(q->source->like, NULL, 0, &addrs[q->n], 1, &q->endpoints[q->n], &why) <
            0) {
            answer_error(q, &why);
            return;
        }
    }
    bl_task_post(q->source->loop, &q->task);
}

static void dns_get(struct belay_source_query *q, void *arg)
{
    struct belay_source *s = arg;
    struct bl_lookup_options o = {.fresh = q->fresh,
                                  .port = (uint16_t)belay_endpoint_port(s->like)};
    struct belay_error error;
    int rc = bl_resolve(s->loop, belay_endpoint_host(s->like), &o, dns_answered, q, &q->lookup);

    if (rc < 0) {
        bl_error_set(&error, rc, BELAY_STAGE_RESOLVE, "looking up %s: %s",
                     belay_endpoint_host(s->like), belay_strerror(rc));
        answer_error(q, &error);
    }
}

/* ---- SRV: an endpoint per target ---- */

static void srv_answered(const struct bl_srv *records, size_t n, const struct belay_error *error,
                         void *arg)
{
    struct belay_source_query *q = arg;
    struct belay_error why = {0};
    int rc;

    q->lookup = NULL;
    if (error) {
        answer_error(q, error);
        return;
    }
    q->endpoints = bl_zalloc(&q->source->loop->mem, n * sizeof(struct belay_endpoint *));
    if (!q->endpoints) {
        answer_out_of_memory(q);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        rc = bl_endpoint_like(q->source->like, records[i].target, records[i].port, NULL, 0,
                              &q->endpoints[q->n], &why);
        if (rc == BELAY_ENOMEM) {
            answer_error(q, &why);
            return;
        }
        q->n += rc == 0;
    }
    if (q->n == 0) {
        bl_error_set(&why, BELAY_ENONAME, BELAY_STAGE_RESOLVE,
                     "looking up the SRV records of %s: not one target is a usable name",
                     q->source->name);
        answer_error(q, &why);
        return;
    }
    bl_task_post(q->source->loop, &q->task);
}

static void srv_get(struct belay_source_query *q, void *arg)
{
    struct belay_source *s = arg;
    struct belay_error error;
    int rc = bl_resolve_srv(s->loop, s->name, q->fresh, srv_answered, q, &q->lookup);

    if (rc < 0) {
        bl_error_set(&error, rc, BELAY_STAGE_RESOLVE, "looking up the SRV records of %s: %s",
                     s->name, belay_strerror(rc));
        answer_error(q, &error);
    }
}

static void lookup_cancel(struct belay_source_query *q, void *arg)
{
    (void)arg;
    if (q->lookup)
        bl_resolve_cancel(q->lookup);
    q->lookup = NULL;
}

static const struct belay_source_ops dns_ops = {
    .size = sizeof dns_ops, .get = dns_get, .cancel = lookup_cancel};
static const struct belay_source_ops srv_ops = {
    .size = sizeof srv_ops, .get = srv_get, .cancel = lookup_cancel};

/* ---- making ---- */

static struct belay_source *source_new(struct belay_loop *loop, const struct belay_source_ops *ops)
{
    struct belay_source *s = bl_zalloc(&loop->mem, sizeof *s);

    if (s) {
        s->loop = loop;
        s->refs = 1;
        s->ops = ops;
        s->arg = s;
    }
    return s;
}

int belay_source_list(struct belay_loop *loop, struct belay_endpoint *const *endpoints, size_t n,
                      enum belay_source_order order, struct belay_source **ret_source)
{
    struct belay_source *s;

    if (n == 0)
        return BELAY_EINVAL;
    s = source_new(loop, &list_ops);
    if (!s)
        return BELAY_ENOMEM;
    s->list = bl_alloc(&loop->mem, n * sizeof(struct belay_endpoint *));
    if (!s->list) {
        belay_source_unref(s);
        return BELAY_ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        s->list[i] = belay_endpoint_ref(endpoints[i]);
    s->n = n;
    s->rotate = order == BELAY_SOURCE_ROTATED;
    *ret_source = s;
    return 0;
}

int belay_source_dns(struct belay_endpoint *like, struct belay_source **ret_source)
{
    struct belay_source *s;

    if (!*belay_endpoint_host(like))
        return BELAY_EINVAL;
    s = source_new(bl_endpoint_loop(like), &dns_ops);
    if (!s)
        return BELAY_ENOMEM;
    s->like = belay_endpoint_ref(like);
    *ret_source = s;
    return 0;
}

int belay_source_srv(struct belay_endpoint *like, const char *name,
                     struct belay_source **ret_source)
{
    struct belay_source *s;

    if (!name || !*name || !*belay_endpoint_host(like))
        return BELAY_EINVAL;
    s = source_new(bl_endpoint_loop(like), &srv_ops);
    if (!s)
        return BELAY_ENOMEM;
    s->like = belay_endpoint_ref(like);
    s->name = bl_strdup(&s->loop->mem, name);
    if (!s->name) {
        belay_source_unref(s);
        return BELAY_ENOMEM;
    }
    *ret_source = s;
    return 0;
}

int belay_source_custom(struct belay_loop *loop, const struct belay_source_ops *ops, void *arg,
                        struct belay_source **ret_source)
{
    struct belay_source *s;

    if (!ops || !ops->get)
        return BELAY_EINVAL;
    s = source_new(loop, ops);
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
    drop_endpoints(s->loop, s->list, s->n);
    belay_endpoint_unref(s->like);
    bl_free(&s->loop->mem, s->name);
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
    answer_error(q, &error);
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
