/* SPDX-License-Identifier: MIT */
/* Sources in DNS: a name, of which each address is an endpoint, and SRV records, of which each
 * target is one. */
#include "conn/endpoint.h"
#include "conn/source.h"
#include "net/resolver.h"

struct dns_source {
    struct belay_source base;
    struct belay_endpoint *like;
    char *name; /* SRV */
};

/* The lookup is over; where it gave something there is room for it. */
static bool has_come(struct belay_source_query *q, size_t n, const struct belay_error *error)
{
    q->pending = NULL;
    if (error)
        bl_source_failed(q, error);
    return !error && bl_source_room(q, n);
}

/* ---- a name ---- */

static void dns_answered(const struct belay_addr *addrs, size_t n, bool more,
                         const struct belay_error *error, void *arg)
{
    struct belay_source_query *q = arg;
    struct dns_source *s = (struct dns_source *)q->source;
    struct belay_error why = {0};

    if (more)
        return; /* all of it, in one order, at the second call */
    if (!has_come(q, n, error))
        return;
    for (; q->n < n; q->n++) {
        if (bl_endpoint_like(s->like, NULL, 0, &addrs[q->n], 1, &q->endpoints[q->n], &why) < 0) {
            bl_source_failed(q, &why);
            return;
        }
    }
    bl_source_told(q);
}

static void dns_get(struct belay_source_query *q, void *arg)
{
    struct dns_source *s = arg;
    const char *host = belay_endpoint_host(s->like);
    struct bl_lookup_options o = {.fresh = q->fresh,
                                  .port = (uint16_t)belay_endpoint_port(s->like)};
    struct bl_lookup *lookup;
    struct belay_error error;
    int rc = bl_resolve(s->base.loop, host, &o, dns_answered, q, &lookup);

    if (rc == 0) {
        q->pending = lookup;
        return;
    }
    bl_error_set(&error, rc, BELAY_STAGE_RESOLVE, "looking up %s: %s", host, belay_strerror(rc));
    bl_source_failed(q, &error);
}

/* ---- SRV records ---- */

static void srv_answered(const struct bl_srv *records, size_t n, const struct belay_error *error,
                         void *arg)
{
    struct belay_source_query *q = arg;
    struct dns_source *s = (struct dns_source *)q->source;
    struct belay_error why = {0};
    int rc;

    if (!has_come(q, n, error))
        return;
    for (size_t i = 0; i < n; i++) {
        rc = bl_endpoint_like(s->like, records[i].target, records[i].port, NULL, 0,
                              &q->endpoints[q->n], &why);
        if (rc == BELAY_ENOMEM) {
            bl_source_failed(q, &why);
            return;
        }
        q->n += rc == 0;
    }
    if (q->n == 0) {
        bl_error_set(&why, BELAY_ENONAME, BELAY_STAGE_RESOLVE,
                     "looking up the SRV records of %s: not one target is a usable name", s->name);
        bl_source_failed(q, &why);
        return;
    }
    bl_source_told(q);
}

static void srv_get(struct belay_source_query *q, void *arg)
{
    struct dns_source *s = arg;
    struct bl_lookup *lookup;
    struct belay_error error;
    int rc = bl_resolve_srv(s->base.loop, s->name, q->fresh, srv_answered, q, &lookup);

    if (rc == 0) {
        q->pending = lookup;
        return;
    }
    bl_error_set(&error, rc, BELAY_STAGE_RESOLVE, "looking up the SRV records of %s: %s", s->name,
                 belay_strerror(rc));
    bl_source_failed(q, &error);
}

/* ---- both ---- */

static void cancel(struct belay_source_query *q, void *arg)
{
    (void)arg;
    if (q->pending)
        bl_resolve_cancel(q->pending);
    q->pending = NULL;
}

static void dns_free(void *arg)
{
    struct dns_source *s = arg;

    belay_endpoint_unref(s->like);
    bl_free(&s->base.loop->mem, s->name);
}

static const struct belay_source_ops dns_ops = {
    .size = sizeof dns_ops, .get = dns_get, .cancel = cancel, .free = dns_free};
static const struct belay_source_ops srv_ops = {
    .size = sizeof srv_ops, .get = srv_get, .cancel = cancel, .free = dns_free};

static struct dns_source *make(struct belay_endpoint *like, const struct belay_source_ops *ops)
{
    struct dns_source *s =
        (struct dns_source *)bl_source_new(bl_endpoint_loop(like), ops, sizeof *s);

    if (s)
        s->like = belay_endpoint_ref(like);
    return s;
}

int belay_source_dns(struct belay_endpoint *like, struct belay_source **ret_source)
{
    struct dns_source *s;

    if (!*belay_endpoint_host(like))
        return BELAY_EINVAL;
    s = make(like, &dns_ops);
    if (!s)
        return BELAY_ENOMEM;
    *ret_source = &s->base;
    return 0;
}

int belay_source_srv(struct belay_endpoint *like, const char *name,
                     struct belay_source **ret_source)
{
    struct dns_source *s;

    if (!name || !*name || !*belay_endpoint_host(like))
        return BELAY_EINVAL;
    s = make(like, &srv_ops);
    if (!s)
        return BELAY_ENOMEM;
    s->name = bl_strdup(&s->base.loop->mem, name);
    if (!s->name) {
        belay_source_unref(&s->base);
        return BELAY_ENOMEM;
    }
    *ret_source = &s->base;
    return 0;
}
