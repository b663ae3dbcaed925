/* SPDX-License-Identifier: MIT */
/*
 * Answers by name and type: asked for once however many wait, kept for their TTL, the least
 * recently used given up first. An answer is either being asked for (it has a query, and those who
 * wait) or idle (in `used`). A valid answer that is asked for afresh goes on serving others, and
 * stands in if that query fails.
 */
#include "net/resolver_inside.h"

#define NEGATIVE_TTL_MS 5000
#define FRESH_EVERY_MS  1000
#define TTL_MAX_S       INT32_MAX /* RFC 2181 section 8: more means 0 */

struct bl_answer {
    struct bl_map_node node;
    struct bl_list link; /* in cache->used when idle */
    struct bl_cache *cache;
    void *query; /* the seam's */
    bool asking;
    bool outdated; /* what it is asked for is not to be remembered */
    struct bl_list asks;
    struct bl_records *records;
    int status;       /* 0 or BELAY_ENONAME: what is remembered until `expires` */
    uint64_t expires; /* 0: nothing is remembered */
    uint64_t asked_ns;
    enum belay_dns_type type;
    size_t key_len;
    char key[]; /* the name, NUL, the type */
};

void bl_records_unref(struct belay_loop *loop, struct bl_records *records)
{
    if (records && --records->refs == 0)
        bl_free(&loop->mem, records);
}

static struct bl_records *copy_records(struct belay_loop *loop, const struct belay_dns_record *list,
                                       size_t n)
{
    size_t text = 0;
    for (size_t i = 0; i < n; i++)
        text += list[i].target ? strlen(list[i].target) + 1 : 0;
    struct bl_records *r = bl_alloc(&loop->mem, sizeof *r + n * sizeof *list + text);
    if (!r)
        return NULL;
    r->refs = 1;
    r->n = (uint32_t)n;
    char *at = (char *)(r->list + n);
    for (size_t i = 0; i < n; i++) {
        r->list[i] = list[i];
        if (!list[i].target)
            continue;
        size_t len = strlen(list[i].target) + 1;
        memcpy(at, list[i].target, len);
        r->list[i].target = at;
        at += len;
    }
    return r;
}

/* ---- answers ---- */

static void set_idle(struct bl_answer *a, bool idle)
{
    struct bl_cache *cache = a->cache;
    if (bl_list_linked(&a->link))
        cache->idle_n--;
    bl_list_remove(&a->link);
    if (idle) {
        bl_list_push_back(&cache->used, &a->link);
        cache->idle_n++;
    }
}

static void free_answer(struct bl_answer *a)
{
    struct bl_cache *cache = a->cache;
    set_idle(a, false);
    bl_map_remove(&cache->answers, &a->node);
    bl_records_unref(cache->loop, a->records);
    bl_free(&cache->loop->mem, a);
}

static bool is_valid(const struct bl_answer *a, uint64_t now)
{
    return a->expires > now;
}

/* What is no longer asked for is kept while it is of use, within the limit. */
static void settle(struct bl_answer *a)
{
    struct bl_cache *cache = a->cache;
    if (!is_valid(a, bl_now(cache->loop))) {
        free_answer(a);
        return;
    }
    set_idle(a, true);
    while (cache->idle_n > cache->max)
        free_answer(BL_LIST_OF(bl_list_first(&cache->used), struct bl_answer, link));
}

static struct bl_answer *find_or_make(struct bl_cache *cache, const char *name,
                                      enum belay_dns_type type)
{
    char key[BL_NAME_MAX + 2];
    size_t len = strlen(name);
    struct bl_answer *a;
    memcpy(key, name, len + 1);
    key[len + 1] = (char)type;
    struct bl_map_node *node = bl_map_find(&cache->answers, key, len + 2);
    if (node)
        return BL_CONTAINER(node, struct bl_answer, node);
    a = bl_zalloc(&cache->loop->mem, sizeof *a + len + 2);
    if (!a)
        return NULL;
    a->cache = cache;
    a->type = type;
    a->key_len = len + 2;
    memcpy(a->key, key, len + 2);
    bl_list_init(&a->link);
    bl_list_init(&a->asks);
    if (bl_map_add(&cache->answers, a->key, a->key_len, &a->node) < 0) {
        bl_free(&cache->loop->mem, a);
        return NULL;
    }
    return a;
}

/* ---- asking ---- */

static void give(struct bl_answer *a, struct bl_ask *ask, int status)
{
    ask->waiting = false;
    ask->answer = NULL;
    ask->status = status;
    ask->until = a->expires;
    ask->records = status == 0 ? a->records : NULL;
    if (ask->records)
        ask->records->refs++;
}

static uint32_t lowest_ttl(const struct belay_dns_record *records, size_t n)
{
    uint32_t ttl = TTL_MAX_S;
    for (size_t i = 0; i < n; i++) {
        uint32_t t = records[i].ttl_s > TTL_MAX_S ? 0 : records[i].ttl_s;
        ttl = t < ttl ? t : ttl;
    }
    return ttl;
}

/* Remembers what came; returns what those who wait are told. */
static int learn(struct bl_answer *a, int status, const struct belay_dns_record *records, size_t n)
{
    struct belay_loop *loop = a->cache->loop;
    uint64_t now = bl_now(loop);
    struct bl_records *copy = NULL;
    n = n > BL_RECORDS_MAX ? BL_RECORDS_MAX : n;
    if (status == 0 && n == 0)
        status = BELAY_ENONAME;
    if (status == 0) {
        copy = copy_records(loop, records, n);
        status = copy ? 0 : BELAY_ENOMEM;
    }
    if (status != 0 && status != BELAY_ENONAME) {
        if (is_valid(a, now))
            return a->status;
        a->expires = 0;
        return status;
    }
    bl_records_unref(loop, a->records);
    a->records = copy;
    a->status = status;
    a->expires =
        bl_after_ms(now, status ? NEGATIVE_TTL_MS : (int64_t)lowest_ttl(records, n) * 1000);
    return status;
}

static void on_answer(int status, const struct belay_dns_record *records, size_t n, void *arg)
{
    struct bl_answer *a = arg;
    struct bl_list *node;
    a->asking = false;
    a->query = NULL;
    status = learn(a, status, records, n);
    if (a->outdated)
        a->expires = 0;
    a->outdated = false;
    while ((node = bl_list_pop_front(&a->asks))) {
        struct bl_ask *ask = BL_LIST_OF(node, struct bl_ask, link);
        give(a, ask, status);
        ask->done(ask);
    }
    settle(a);
}

static bool may_serve(const struct bl_answer *a, bool fresh, uint64_t now)
{
    if (!is_valid(a, now))
        return false;
    return !fresh || (!a->asking && now - a->asked_ns < BL_MS(FRESH_EVERY_MS));
}

int bl_cache_ask(struct bl_cache *cache, const char *name, enum belay_dns_type type, bool fresh,
                 struct bl_ask *ask)
{
    uint64_t now = bl_now(cache->loop);
    struct bl_answer *a = find_or_make(cache, name, type);
    if (!a)
        return BELAY_ENOMEM;
    if (may_serve(a, fresh, now)) {
        if (!a->asking)
            set_idle(a, true); /* used last */
        give(a, ask, a->status);
        return 0;
    }
    if (!a->asking) {
        int rc =
            cache->dns->query(cache->loop, a->key, type, on_answer, a, &a->query, cache->dns->arg);
        if (rc < 0) {
            settle(a);
            return rc;
        }
        a->asking = true;
        a->asked_ns = now;
        set_idle(a, false);
    }
    ask->waiting = true;
    ask->answer = a;
    bl_list_push_back(&a->asks, &ask->link);
    return 0;
}

void bl_cache_unask(struct bl_cache *cache, struct bl_ask *ask)
{
    struct bl_answer *a = ask->answer;
    bl_records_unref(cache->loop, ask->records);
    ask->records = NULL;
    if (!ask->waiting)
        return;
    ask->waiting = false;
    ask->answer = NULL;
    bl_list_remove(&ask->link);
    if (!bl_list_empty(&a->asks))
        return;
    cache->dns->forget(a->query, cache->dns->arg);
    a->query = NULL;
    a->asking = false;
    settle(a);
}

void bl_cache_init(struct bl_cache *cache, struct belay_loop *loop, const struct belay_dns *dns)
{
    cache->loop = loop;
    cache->dns = dns;
    cache->max = (uint32_t)loop->options.dns_cache_max;
    cache->idle_n = 0;
    bl_map_init(&cache->answers, &loop->mem, loop->hash_key);
    bl_list_init(&cache->used);
}

/* Of the answers that are being asked for, those who wait keep their places. */
void bl_cache_clear(struct bl_cache *cache)
{
    struct bl_map_node *node = bl_map_next(&cache->answers, NULL);
    while (node) {
        struct bl_answer *a = BL_CONTAINER(node, struct bl_answer, node);
        node = bl_map_next(&cache->answers, node);
        a->expires = 0;
        if (!a->asking)
            free_answer(a);
    }
}

/* Where it cannot be asked anew, the old query answers those who wait, and nobody else. */
static void ask_anew(struct bl_answer *a)
{
    struct bl_cache *cache = a->cache;
    void *query = NULL;
    int rc = cache->dns->query(cache->loop, a->key, a->type, on_answer, a, &query, cache->dns->arg);
    a->outdated = rc < 0;
    if (rc < 0)
        return;
    cache->dns->forget(a->query, cache->dns->arg);
    a->query = query;
    a->asked_ns = bl_now(cache->loop);
}

void bl_cache_renew(struct bl_cache *cache)
{
    bl_cache_clear(cache);
    for (struct bl_map_node *node = NULL; (node = bl_map_next(&cache->answers, node));)
        ask_anew(BL_CONTAINER(node, struct bl_answer, node));
}
