/* SPDX-License-Identifier: MIT */
/*
 * What the caller's functions are asked. A query lives until it is answered, however late that is,
 * and the end of the connection waits for it: one whose attempt is over is dropped, and the channel
 * that it brought is disconnected. Answers are written down, for the task.
 */
#include "grpc/channel.h"
#include "service/chronicle.h"

struct belay_chronicle_query {
    struct bl_list link; /* of c->asked, or c->answered */
    struct belay_chronicle *of;
    enum bl_chronicle_query_kind kind;
    uint64_t attempt;
    size_t place; /* of PROBE */
    bool answered;
    int64_t count;
    struct bl_chronicle_places places;
    struct belay_channel *channel; /* a reference */
    struct bl_error_copy error;    /* code 0: none */
};

struct belay_chronicle_query *bl_chronicle_query_new(struct belay_chronicle *c,
                                                     enum bl_chronicle_query_kind kind,
                                                     size_t place)
{
    struct belay_chronicle_query *q = bl_zalloc(&c->loop->mem, sizeof *q);

    if (!q) {
        bl_chronicle_attempt_no_memory(c, "a question");
        return NULL;
    }
    q->of = c;
    q->kind = kind;
    q->attempt = c->attempt.number;
    q->place = place;
    bl_list_init(&q->link);
    bl_list_push_back(&c->asked, &q->link);
    return q;
}

static void query_free(struct belay_chronicle_query *q)
{
    struct bl_mem *mem = &q->of->loop->mem;

    bl_list_remove(&q->link);
    bl_chronicle_places_free(&q->places, mem);
    bl_error_copy_clear(&q->error, mem);
    bl_free(mem, q);
}

static bool is_current(const struct belay_chronicle_query *q)
{
    static const enum bl_chronicle_step steps[] = {
        [BL_CHRONICLE_Q_RESOLVE] = BL_CHRONICLE_RESOLVING,
        [BL_CHRONICLE_Q_PROBE] = BL_CHRONICLE_PROBING,
        [BL_CHRONICLE_Q_OPEN] = BL_CHRONICLE_OPENING,
    };
    const struct bl_chronicle_attempt *a = &q->of->attempt;

    return a->number == q->attempt && a->step == steps[q->kind] && !a->failed;
}

/* ---- asking for a channel ---- */

/* Calls on a channel that has not been handed over: the connection may be gone before that. */
static void ask_through(struct belay_rpc *rpc, const char *method, void *arg)
{
    const struct belay_chronicle_query *q = arg;
    const struct belay_channel_options *o = &q->of->channel_options.o;

    if (is_current(q))
        o->credentials(rpc, method, o->credentials_arg);
    else
        bl_chronicle_refuse_call(rpc, method, NULL);
}

void bl_chronicle_query_open(struct belay_chronicle *c, const char *target)
{
    struct belay_channel_options o = c->channel_options.o;
    struct belay_chronicle_query *q = bl_chronicle_query_new(c, BL_CHRONICLE_Q_OPEN, 0);

    if (!q)
        return;
    if (o.credentials && o.credentials_arg == c->access) {
        o.credentials = ask_through;
        o.credentials_arg = q;
    }
    c->functions.connect(q, target, &o, c->functions.arg);
}

/* ---- answers ---- */

static void set_error(struct belay_chronicle_query *q, const struct belay_error *error)
{
    bl_error_copy_set(&q->error, &q->of->loop->mem, error);
}

/* False: it is no answer to that. */
static bool begin(struct belay_chronicle_query *q, enum bl_chronicle_query_kind kind)
{
    struct belay_error error;

    if (q->answered)
        return false;
    q->answered = true;
    bl_list_remove(&q->link);
    bl_list_push_back(&q->of->answered, &q->link);
    bl_chronicle_run_later(q->of);
    if (q->kind == kind)
        return true;
    bl_error_set(&error, BELAY_EINVAL, BELAY_STAGE_CONNECT,
                 "connecting to %s: the answer to another question", q->of->label);
    set_error(q, &error);
    return false;
}

static int take_hosts(struct belay_chronicle_query *q, const char *const *hosts, size_t n,
                      struct belay_error *error)
{
    struct bl_mem *mem = &q->of->loop->mem;
    int rc;

    if (n == 0)
        return bl_error_set(error, BELAY_ENONAME, BELAY_STAGE_RESOLVE,
                            "looking up %s: no addresses", q->of->label);
    n = n < BL_CHRONICLE_HOSTS_MAX ? n : BL_CHRONICLE_HOSTS_MAX;
    rc = bl_chronicle_places_make(&q->places, mem, n);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = bl_chronicle_places_add(&q->places, mem, hosts[i], error);
    if (rc == BELAY_ENOMEM)
        bl_error_set(error, rc, BELAY_STAGE_RESOLVE, "looking up %s: out of memory", q->of->label);
    return rc;
}

void belay_chronicle_resolved(struct belay_chronicle_query *query, const char *const *hosts,
                              size_t n, const struct belay_error *error)
{
    struct belay_error own;

    if (!begin(query, BL_CHRONICLE_Q_RESOLVE))
        return;
    if (!error && take_hosts(query, hosts, n, &own) < 0)
        error = &own;
    if (error)
        set_error(query, error);
}

void belay_chronicle_probed(struct belay_chronicle_query *query, int64_t count)
{
    if (begin(query, BL_CHRONICLE_Q_PROBE))
        query->count = count;
}

void belay_chronicle_opened(struct belay_chronicle_query *query, struct belay_channel *channel,
                            const struct belay_error *error)
{
    struct belay_error own;
    bool is_answer = begin(query, BL_CHRONICLE_Q_OPEN);

    if (is_answer && !channel && (!error || !error->code)) {
        bl_error_set(&own, BELAY_EINVAL, BELAY_STAGE_CONNECT,
                     "connecting to %s: neither a channel nor an error", query->of->label);
        error = &own;
    }
    if (is_answer && error)
        set_error(query, error);
    if (is_answer && channel)
        query->channel = belay_channel_ref(channel);
}

/* ---- heeding them ---- */

/* From now on calls of its channel ask that; not where they have the caller's own credentials. */
static void give_credentials(const struct belay_chronicle_query *q, belay_rpc_credentials_fn *fn,
                             void *arg)
{
    const struct belay_channel_options *o = q->channel ? &q->channel->options : NULL;

    /* One that was the connection's before may come again. */
    if (o && (o->credentials_arg == q || o->credentials == bl_chronicle_refuse_call))
        bl_channel_set_credentials(q->channel, fn, arg);
}

static void use(struct belay_chronicle *c, struct belay_chronicle_query *q)
{
    switch (q->kind) {
    case BL_CHRONICLE_Q_RESOLVE:
        c->attempt.places = q->places;
        q->places = (struct bl_chronicle_places){0};
        c->attempt.step = BL_CHRONICLE_RESOLVED;
        break;
    case BL_CHRONICLE_Q_PROBE:
        bl_chronicle_probe_answer(c, q->place, q->count);
        break;
    case BL_CHRONICLE_Q_OPEN:
        give_credentials(q, c->channel_options.o.credentials, c->channel_options.o.credentials_arg);
        bl_chronicle_take_channel(c, q->channel);
        break;
    }
}

bool bl_chronicle_query_heed(struct belay_chronicle *c)
{
    struct bl_list *node = bl_list_first(&c->answered);
    struct belay_chronicle_query *q;
    struct belay_channel *late = NULL;
    struct belay_error scratch;
    bool current;

    if (!node)
        return false;
    q = BL_LIST_OF(node, struct belay_chronicle_query, link);
    current = is_current(q);
    if (current && q->error.code)
        bl_chronicle_attempt_fail(c, bl_error_copy_get(&q->error, &scratch, NULL));
    else if (current)
        use(c, q);
    if (!current || q->error.code) {
        late = q->channel;
        give_credentials(q, bl_chronicle_refuse_call, NULL);
    } else {
        belay_channel_unref(q->channel);
    }
    query_free(q);
    if (late) {
        bl_chronicle_close_channel(c, late);
        belay_channel_unref(late);
    }
    return true;
}
