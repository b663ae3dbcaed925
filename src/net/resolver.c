/* SPDX-License-Identifier: MIT */
/*
 * Look-ups: one caller's wait for the addresses of a host, or for SRV records. Everything a caller
 * is told comes from the look-up's own task or timer, so callbacks may do as they like.
 */
#include "net/resolver.h"

#include "net/resolver_inside.h"

#define SECOND_FAMILY_MS 50 /* RFC 8305 section 3 */
#define ADDRS_MAX        (2 * BL_RECORDS_MAX)

struct bl_resolver {
    struct belay_dns cares; /* the default seam, made at the first query */
    struct bl_cache cache;
    struct bl_list lookups;
    bool has_cache, has_cares;
};

struct bl_lookup {
    struct bl_list link;
    struct bl_resolver *resolver;
    struct belay_loop *loop;
    struct bl_task task;
    struct bl_timer timer; /* for the second family */
    struct bl_ask asks[2]; /* AAAA and A, or SRV */
    size_t asks_n;
    union {
        bl_lookup_fn *addrs;
        bl_lookup_srv_fn *srv;
    } fn;
    void *arg;
    bool is_srv, told, telling, cancelled;
    enum belay_family family;
    uint16_t port;
    struct belay_addr known[2]; /* numeric, or localhost */
    size_t known_n;
    char host[]; /* as given */
};

/* ---- the room ---- */

static void drop_lookup(struct bl_lookup *l)
{
    for (size_t i = 0; i < l->asks_n; i++)
        bl_cache_unask(&l->resolver->cache, &l->asks[i]);
    bl_task_cancel(&l->task);
    bl_timer_fini(&l->timer, l->loop);
    bl_list_remove(&l->link);
    bl_free(&l->loop->mem, l);
}

static void free_resolver(struct belay_loop *loop, void *ptr)
{
    struct bl_resolver *r = ptr;
    while (!bl_list_empty(&r->lookups))
        drop_lookup(BL_LIST_OF(bl_list_first(&r->lookups), struct bl_lookup, link));
    if (r->has_cache)
        bl_cache_clear(&r->cache);
    if (r->has_cares)
        bl_dns_cares_free(loop, &r->cares);
    bl_free(&loop->mem, r);
}

/* Addresses that a look-up has already stand: whoever asked decides whether to ask again. */
static void renew_resolver(struct belay_loop *loop, void *ptr)
{
    struct bl_resolver *r = ptr;
    (void)loop;
    if (r->has_cares)
        bl_dns_cares_renew(&r->cares);
    if (r->has_cache)
        bl_cache_renew(&r->cache);
}

static struct bl_resolver *resolver_of(struct belay_loop *loop)
{
    struct bl_loop_rooms *room = &loop->rooms[BL_ROOM_NET];
    struct bl_resolver *r = room->ptr;
    if (r)
        return r;
    r = bl_zalloc(&loop->mem, sizeof *r);
    if (!r)
        return NULL;
    bl_list_init(&r->lookups);
    room->ptr = r;
    room->free = free_resolver;
    room->network_changed = renew_resolver;
    return r;
}

/* The cache needs the seam, and that is not made before somebody must be asked. */
static int prepare_cache(struct belay_loop *loop, struct bl_resolver *r)
{
    if (r->has_cache)
        return 0;
    if (!loop->dns) {
        int rc = bl_dns_cares_new(loop, NULL, &r->cares);
        if (rc < 0)
            return rc;
        r->has_cares = true;
    }
    bl_cache_init(&r->cache, loop, loop->dns ? loop->dns : &r->cares);
    r->has_cache = true;
    return 0;
}

void bl_resolver_clear(struct belay_loop *loop)
{
    struct bl_resolver *r = loop->rooms[BL_ROOM_NET].ptr;
    if (r && r->has_cache)
        bl_cache_clear(&r->cache);
}

/* ---- telling ---- */

static size_t collect(const struct bl_lookup *l, struct bl_sortable *out)
{
    size_t n = 0;
    for (size_t i = 0; i < l->known_n; i++)
        out[n++].dest = l->known[i];
    for (size_t i = 0; i < l->asks_n; i++) {
        const struct bl_records *records = l->asks[i].records;
        for (uint32_t k = 0; records && k < records->n && n < ADDRS_MAX; k++)
            out[n++].dest = records->list[k].addr;
    }
    return n;
}

static void sort(struct belay_loop *loop, struct bl_sortable *items, size_t n)
{
    if (n < 2)
        return;
    for (size_t i = 0; i < n; i++) {
        memset(&items[i].source, 0, sizeof items[i].source);
        if (loop->transport.source_for(&items[i].dest, &items[i].source, loop->transport.arg) < 0)
            items[i].source.family = BELAY_FAMILY_NONE;
    }
    bl_addr_sort(items, n);
}

/* The worst that happened: that there is no such name only if nothing else went wrong. */
static int failure_of(const struct bl_lookup *l)
{
    int status = BELAY_ENONAME;
    for (size_t i = 0; i < l->asks_n; i++) {
        if (l->asks[i].status < 0 && l->asks[i].status != BELAY_ENONAME)
            status = l->asks[i].status;
    }
    return status;
}

static void describe(const struct bl_lookup *l, int status, struct belay_error *error)
{
    const char *what = belay_strerror(status);
    if (status == BELAY_ENONAME && l->is_srv)
        what = "no SRV records";
    else if (status == BELAY_ENONAME && l->family == BELAY_FAMILY_IPV4)
        what = "no IPv4 address";
    else if (status == BELAY_ENONAME && l->family == BELAY_FAMILY_IPV6)
        what = "no IPv6 address";
    else if (status == BELAY_ETIMEDOUT)
        what = "no answer from a name server";
    bl_error_set(error, status, BELAY_STAGE_RESOLVE, "looking up %s: %s", l->host, what);
}

static bool is_waiting(const struct bl_lookup *l)
{
    for (size_t i = 0; i < l->asks_n; i++) {
        if (l->asks[i].waiting)
            return true;
    }
    return false;
}

static void call_addrs(struct bl_lookup *l, bool more)
{
    struct bl_sortable items[ADDRS_MAX];
    struct belay_addr addrs[ADDRS_MAX];
    struct belay_error error;
    size_t n = collect(l, items);
    sort(l->loop, items, n);
    for (size_t i = 0; i < n; i++) {
        addrs[i] = items[i].dest;
        addrs[i].port = l->port;
    }
    if (!n)
        describe(l, failure_of(l), &error);
    l->fn.addrs(n ? addrs : NULL, n, more, n ? NULL : &error, l->arg);
}

static void call_srv(struct bl_lookup *l)
{
    const struct bl_records *records = l->asks[0].records;
    struct bl_srv list[BL_RECORDS_MAX];
    struct belay_error error;
    uint32_t n = records ? records->n : 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct belay_dns_record *r = &records->list[i];
        list[i] = (struct bl_srv){r->target, r->port, r->priority, r->weight};
    }
    bl_srv_order(list, n, &l->loop->rand);
    if (!n)
        describe(l, failure_of(l), &error);
    l->fn.srv(n ? list : NULL, n, n ? NULL : &error, l->arg);
}

/* From the task or the timer. */
static void tell(void *arg)
{
    struct bl_lookup *l = arg;
    bool more = is_waiting(l);
    if (l->timer.fn)
        bl_timer_stop(&l->timer);
    bl_task_cancel(&l->task);
    l->told = true;
    l->telling = true;
    if (l->is_srv)
        call_srv(l);
    else
        call_addrs(l, more);
    l->telling = false;
    if (!more || l->cancelled)
        drop_lookup(l);
}

/* One family has been answered: tells now, or after a moment for the other. */
static void on_ask_done(struct bl_ask *ask)
{
    struct bl_lookup *l = ask->owner;
    if (!is_waiting(l)) {
        bl_task_post(l->loop, &l->task);
        return;
    }
    if (ask->status < 0 || l->told)
        return;
    if (ask == &l->asks[0]) /* AAAA came first: no need to wait for A */
        bl_task_post(l->loop, &l->task);
    else if (!bl_timer_active(&l->timer))
        bl_timer_at(&l->timer, l->loop, bl_after_ms(bl_now(l->loop), SECOND_FAMILY_MS));
}

/* ---- asking ---- */

static struct bl_lookup *make(struct belay_loop *loop, struct bl_resolver *r, const char *host,
                              void *arg)
{
    size_t len = strlen(host);
    struct bl_lookup *l = bl_zalloc(&loop->mem, sizeof *l + len + 1);
    if (!l)
        return NULL;
    l->resolver = r;
    l->loop = loop;
    l->arg = arg;
    memcpy(l->host, host, len + 1);
    bl_task_init(&l->task, tell, l);
    bl_list_push_back(&r->lookups, &l->link);
    return l;
}

static int ask(struct bl_lookup *l, const char *name, enum belay_dns_type type, bool fresh)
{
    struct bl_ask *a = &l->asks[l->asks_n];
    int rc = prepare_cache(l->loop, l->resolver);
    if (rc < 0)
        return rc;
    a->owner = l;
    a->done = on_ask_done;
    bl_list_init(&a->link);
    rc = bl_cache_ask(&l->resolver->cache, name, type, fresh, a);
    if (rc == 0)
        l->asks_n++;
    return rc;
}

static int ask_families(struct bl_lookup *l, const char *name, bool fresh)
{
    int rc = 0;
    bool both = l->family == BELAY_FAMILY_NONE;
    if (both)
        rc = bl_timer_init(&l->timer, l->loop, tell, l);
    if (rc == 0 && (both || l->family == BELAY_FAMILY_IPV6))
        rc = ask(l, name, BELAY_DNS_AAAA, fresh);
    if (rc == 0 && (both || l->family == BELAY_FAMILY_IPV4))
        rc = ask(l, name, BELAY_DNS_A, fresh);
    return rc;
}

static void know(struct bl_lookup *l, const char *ip)
{
    struct belay_addr addr;
    belay_addr_parse_ip(ip, strlen(ip), 0, &addr);
    if (l->family == BELAY_FAMILY_NONE || l->family == addr.family)
        l->known[l->known_n++] = addr;
}

static int begin(struct bl_lookup *l, enum bl_name_kind kind, const char *name,
                 const struct belay_addr *numeric, bool fresh)
{
    int rc = 0;
    if (kind == BL_NAME_DNS) {
        rc = ask_families(l, name, fresh);
    } else if (kind == BL_NAME_LOCALHOST) {
        know(l, "::1");
        know(l, "127.0.0.1");
    } else if (l->family == BELAY_FAMILY_NONE || l->family == numeric->family) {
        l->known[l->known_n++] = *numeric;
    }
    if (rc < 0) {
        drop_lookup(l);
        return rc;
    }
    if (!is_waiting(l))
        bl_task_post(l->loop, &l->task);
    for (size_t i = 0; i < l->asks_n; i++) {
        if (!l->asks[i].waiting)
            on_ask_done(&l->asks[i]);
    }
    return 0;
}

int bl_resolve(struct belay_loop *loop, const char *host, const struct bl_lookup_options *options,
               bl_lookup_fn *fn, void *arg, struct bl_lookup **ret)
{
    char name[BL_NAME_MAX + 1];
    struct belay_addr numeric;
    enum bl_name_kind kind = bl_name_classify(host, name, &numeric);
    struct bl_resolver *r;
    struct bl_lookup *l;
    int rc;
    if (kind == BL_NAME_BAD)
        return BELAY_EINVAL;
    r = resolver_of(loop);
    l = r ? make(loop, r, host, arg) : NULL;
    if (!l)
        return BELAY_ENOMEM;
    l->fn.addrs = fn;
    l->family = options->family;
    l->port = options->port;
    rc = begin(l, kind, name, &numeric, options->fresh);
    if (rc == 0)
        *ret = l;
    return rc;
}

int bl_resolve_srv(struct belay_loop *loop, const char *name, bool fresh, bl_lookup_srv_fn *fn,
                   void *arg, struct bl_lookup **ret)
{
    char lower[BL_NAME_MAX + 1];
    struct belay_addr numeric;
    enum bl_name_kind kind = bl_name_classify(name, lower, &numeric);
    struct bl_resolver *r;
    struct bl_lookup *l;
    int rc;
    if (kind == BL_NAME_BAD || kind == BL_NAME_NUMERIC)
        return BELAY_EINVAL;
    r = resolver_of(loop);
    l = r ? make(loop, r, name, arg) : NULL;
    if (!l)
        return BELAY_ENOMEM;
    l->fn.srv = fn;
    l->is_srv = true;
    rc = ask(l, lower, BELAY_DNS_SRV, fresh);
    if (rc < 0) {
        drop_lookup(l);
        return rc;
    }
    if (!is_waiting(l))
        bl_task_post(loop, &l->task);
    *ret = l;
    return 0;
}

void bl_lookup_worth(const struct bl_lookup *l, struct bl_lookup_worth *ret)
{
    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < l->asks_n; i++) {
        const struct bl_ask *a = &l->asks[i];
        bool failed = a->status < 0 && a->status != BELAY_ENONAME;
        bool is_ipv6 = i == 0 && l->family != BELAY_FAMILY_IPV4; /* as they were asked */
        if (failed && is_ipv6)
            ret->no_ipv6 = true;
        else if (failed)
            ret->no_ipv4 = true;
        if (a->until > ret->until)
            ret->until = a->until;
    }
}

void bl_resolve_cancel(struct bl_lookup *l)
{
    if (!l)
        return;
    if (l->telling)
        l->cancelled = true;
    else
        drop_lookup(l);
}
