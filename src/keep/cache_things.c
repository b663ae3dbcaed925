/* SPDX-License-Identifier: MIT */
/*
 * The registry's calls. In each, whatever may fail comes first; then the entry moves, once, and
 * what it had is given away or put aside for the task.
 */
#include "keep/cache_things.h"

#include <inttypes.h>

static const char *const state_names[] = {
    [BELAY_CACHE_UNKNOWN] = NULL,
    [BELAY_CACHE_ACTIVE] = "active",
    [BELAY_CACHE_INACTIVE] = "inactive",
    [BELAY_CACHE_CLOSING] = "closing",
};

static const struct bl_cache_ops thing_ops;

/* ---- things ---- */

static void identify(const struct belay_cached *what, uintptr_t ret[2])
{
    ret[0] = (uintptr_t)what->kind;
    if (what->kind == BELAY_CACHED_DESCRIPTOR)
        ret[1] = (uintptr_t)what->fd;
    else
        ret[1] =
            (uintptr_t)(what->kind == BELAY_CACHED_STREAM ? (void *)what->stream : what->handle);
}

static struct bl_cache_thing *find_thing(const struct belay_cache *cache,
                                         const struct belay_cached *what)
{
    uintptr_t identity[2];
    struct bl_map_node *node;

    identify(what, identity);
    node = bl_map_find(&cache->things, identity, sizeof identity);
    return node ? BL_CONTAINER(node, struct bl_cache_thing, node) : NULL;
}

static void trace_move(struct bl_cache_thing *t, enum belay_cache_state from,
                       enum belay_cache_state to, const char *cause)
{
    struct belay_cache_facts f = belay_cache_facts_init();
    char name[BL_CACHE_TEXT_MAX];

    if (BL_LIKELY(!t->cache->loop->on_trace))
        return;
    belay_cache_entry_facts(&t->entry, &f);
    BL_TRACE(t->cache->loop, "cached", t->id,
             f.peer.route ? bl_cache_peer_print(&f.peer, name, sizeof name)
                          : bl_cached_print(&f.what, name, sizeof name),
             state_names[from], state_names[to], cause);
}

/* Unknown still: its first move follows. NULL when memory is out. */
static struct bl_cache_thing *thing_new(struct belay_cache *cache, const struct belay_cached *what)
{
    struct bl_cache_thing *t = bl_zalloc(&cache->loop->mem, sizeof *t);

    if (!t)
        return NULL;
    bl_cache_entry_init(&t->entry, &thing_ops);
    t->cache = cache;
    t->what = *what;
    t->id = ++cache->loop->next_id;
    identify(what, t->identity);
    if (bl_map_add(&cache->things, t->identity, sizeof t->identity, &t->node) < 0) {
        bl_free(&cache->loop->mem, t);
        return NULL;
    }
    bl_cache_thing_keep(t);
    return t;
}

static void destroy_data(struct bl_cache_thing *t)
{
    bl_cache_destroy_later(t->cache, t->parcel);
    t->parcel = NULL;
}

/* It leaves the cache; what it is stays open. */
static void thing_free(struct bl_cache_thing *t, const char *cause)
{
    struct belay_cache *cache = t->cache;

    if (t->entry.state != BELAY_CACHE_UNKNOWN)
        trace_move(t, (enum belay_cache_state)t->entry.state, BELAY_CACHE_UNKNOWN, cause);
    destroy_data(t);
    bl_cache_thing_let_go(t);
    bl_cache_leave(&cache->table, &t->entry);
    bl_map_remove(&cache->things, &t->node);
    bl_free(&cache->loop->mem, t);
}

/* ---- what the cache does with them ---- */

static void describe(const struct belay_cache_entry *e, struct belay_cache_facts *f)
{
    const struct bl_cache_thing *t = bl_cache_thing_of(e);

    f->what = t->what;
    f->data = t->parcel ? t->parcel->data.data : NULL;
}

static void condemned(struct belay_cache_entry *e)
{
    struct bl_cache_thing *t = bl_cache_thing_of(e);

    if (t->what.kind == BELAY_CACHED_STREAM)
        belay_stream_set_callbacks(t->what.stream, NULL, NULL);
    else
        bl_cache_thing_unwatch(t);
    trace_move(t, e->owner ? BELAY_CACHE_ACTIVE : BELAY_CACHE_INACTIVE, BELAY_CACHE_CLOSING,
               belay_reason_name((enum belay_reason)e->reason));
}

static void on_stream_closed(void *arg)
{
    bl_cache_left(arg);
}

/* The owner of an active stream may be writing still: what he wrote leaves first. */
static void close_thing(struct belay_cache_entry *e, struct belay_cache *cache,
                        enum belay_reason reason)
{
    struct bl_cache_thing *t = bl_cache_thing_of(e);
    struct belay_cached what = t->what;
    struct belay_loop *loop = cache->loop;
    int64_t limit = cache->options.close_timeout_ms;

    thing_free(t, belay_reason_name(reason));
    switch (what.kind) {
    case BELAY_CACHED_STREAM:
        cache->leaving++;
        belay_stream_close(what.stream, limit == INT64_MAX ? BELAY_FOREVER : limit,
                           on_stream_closed, cache);
        break;
    case BELAY_CACHED_DESCRIPTOR:
        loop->transport.close(what.fd, loop->transport.arg);
        break;
    default:
        what.close(what.handle, what.close_arg);
    }
}

static const struct bl_cache_ops thing_ops = {
    .describe = describe,
    .condemned = condemned,
    .close = close_thing,
};

/* ---- what is refused ---- */

static int refuse(struct belay_error *error, int code, const char *doing,
                  const struct belay_cached *what, const char *why)
{
    char name[BL_CACHE_TEXT_MAX];

    return bl_error_set(error, code, BELAY_STAGE_NONE, "%s %s: %s", doing,
                        bl_cached_print(what, name, sizeof name), why);
}

static const char *wrong_with(const struct belay_cached *what)
{
    switch (what->kind) {
    case BELAY_CACHED_DESCRIPTOR:
        return what->fd < 0 ? "it is negative" : NULL;
    case BELAY_CACHED_STREAM:
        return what->stream ? NULL : "it is NULL";
    case BELAY_CACHED_HANDLE:
        if (!what->handle)
            return "it is NULL";
        return what->close ? NULL : "it has no function that closes it";
    case BELAY_CACHED_CONNECTION:
        return "it is a pool's";
    default:
        return "make it with belay_cached_descriptor or another";
    }
}

/* Whether it may be moved by a call; *ret is NULL where it is unknown. */
static int admit(struct belay_cache *cache, const struct belay_cached *what, const char *doing,
                 struct bl_cache_thing **ret, struct belay_error *error)
{
    static const struct belay_cached nothing;
    const char *wrong;

    *ret = NULL;
    if (!what)
        what = &nothing;
    wrong = wrong_with(what);
    if (wrong && what->kind == BELAY_CACHED_STREAM) /* it has no address to be named by */
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s a stream: %s", doing, wrong);
    if (wrong)
        return refuse(error, BELAY_EINVAL, doing, what, wrong);
    if (cache->asking)
        return refuse(error, BELAY_EDEADLK, doing, what, "called by a function of the policy");
    if (cache->closed)
        return refuse(error, BELAY_ECLOSED, doing, what, "the cache is closed");
    *ret = find_thing(cache, what);
    if (*ret && (*ret)->entry.state == BELAY_CACHE_CLOSING)
        return refuse(error, BELAY_ECLOSED, doing, what, "it is about to be closed");
    if (!*ret && bl_cached_is_lent(what))
        return refuse(error, BELAY_EINVAL, doing, what, "it is on lease, or in another cache");
    return 0;
}

/* ---- calls ---- */

enum belay_cache_state belay_cache_get_state(const struct belay_cache *cache,
                                             const struct belay_cached *what,
                                             struct belay_cache_facts *facts)
{
    struct bl_cache_thing *t = what ? find_thing(cache, what) : NULL;

    if (!t)
        return BELAY_CACHE_UNKNOWN;
    if (facts)
        belay_cache_entry_facts(&t->entry, facts);
    return (enum belay_cache_state)t->entry.state;
}

/* The way out of `inactive`, towards use: nothing is watched any more. */
static void wake(struct bl_cache_thing *t, struct bl_cache_group *owner, const char *cause)
{
    enum belay_cache_state from = (enum belay_cache_state)t->entry.state;

    bl_cache_thing_unwatch(t);
    bl_cache_to_owner(&t->entry, owner);
    trace_move(t, from, BELAY_CACHE_ACTIVE, cause);
}

int belay_cache_set_active(struct belay_cache *cache, const struct belay_cached *what, void *owner,
                           struct belay_error *error)
{
    static const char doing[] = "setting active";
    struct bl_cache_group *group = NULL;
    struct bl_cache_thing *t;
    int rc = admit(cache, what, doing, &t, error);

    if (rc < 0)
        return rc;
    if (!owner)
        return refuse(error, BELAY_EINVAL, doing, what, "the owner is NULL");
    rc = bl_cache_owner_get(&cache->table, owner, &group);
    if (rc == 0 && !t && !(t = thing_new(cache, what)))
        rc = BELAY_ENOMEM;
    if (rc == 0) {
        wake(t, group, "set_active");
        t->what = *what;
        destroy_data(t);
    }
    bl_cache_group_drop(group);
    return rc < 0 ? refuse(error, rc, doing, what, "out of memory") : 0;
}

/* What set_inactive needs, and either spends or gives back. */
struct keeping {
    struct bl_cache_group *shelf;
    struct bl_cache_parcel *parcel; /* NULL: no data */
    struct bl_cache_thing *thing;
    bool known;                 /* the thing was there before */
    struct belay_cached former; /* as it was then */
};

static int gather(struct belay_cache *cache, const struct belay_cached *what,
                  const struct belay_cache_peer *peer, uint64_t binding,
                  const struct belay_cache_data *data, struct keeping *k, struct belay_error *error)
{
    struct bl_cache_key key;
    int rc = bl_cache_key_make(&key, &cache->loop->mem, peer, binding, error);

    if (rc < 0)
        return rc;
    rc = bl_cache_shelf_get(&cache->table, key.data, key.len, peer->endpoint, &k->shelf);
    bl_cache_key_free(&key, &cache->loop->mem);
    if (rc == 0 && data && !(k->parcel = bl_zalloc(&cache->loop->mem, sizeof *k->parcel)))
        rc = BELAY_ENOMEM;
    if (rc == 0 && !k->known && !(k->thing = thing_new(cache, what)))
        rc = BELAY_ENOMEM;
    if (rc < 0)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "out of memory");
    if (data)
        k->parcel->data = *data;
    if (k->thing->what.fd != what->fd) /* a handle has another descriptor than before */
        bl_cache_thing_unwatch(k->thing);
    k->thing->what = *what;
    return 0;
}

/* It has its former descriptor again. One that cannot be watched any more may not stay inactive. */
static void put_back(struct belay_cache *cache, struct keeping *k)
{
    struct belay_cache_entry *e = &k->thing->entry;

    if (k->former.fd == k->thing->what.fd || e->state == BELAY_CACHE_CLOSING)
        return;
    bl_cache_thing_unwatch(k->thing);
    k->thing->what = k->former;
    if (e->state == BELAY_CACHE_INACTIVE && bl_cache_thing_watch(k->thing) < 0)
        bl_cache_condemn(cache, e, BELAY_REASON_UNHEALTHY);
}

/* As if it had not been asked for. */
static void give_up(struct belay_cache *cache, struct keeping *k)
{
    if (k->thing && !k->known)
        thing_free(k->thing, "");
    else if (k->thing)
        put_back(cache, k);
    bl_free(&cache->loop->mem, k->parcel);
    bl_cache_group_drop(k->shelf);
}

/* Asks the policy, and watches. The thing has its new home meanwhile. */
static int settle(struct belay_cache *cache, struct keeping *k, struct belay_error *error)
{
    struct bl_cache_thing *t = k->thing;
    struct bl_cache_group *former = t->entry.home ? bl_cache_group_hold(t->entry.home) : NULL;
    int rc;

    bl_cache_entry_home(&t->entry, k->shelf);
    rc = bl_cache_asks_keep(cache, &t->entry) ? BELAY_KEPT : BELAY_REFUSED;
    if (cache->closed || t->entry.state == BELAY_CACHE_CLOSING)
        rc = bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE, "the policy has closed it");
    else if (rc == BELAY_KEPT && (rc = bl_cache_thing_watch(t)) < 0)
        bl_error_set(error, rc, BELAY_STAGE_NONE, "it cannot be watched: %s", belay_strerror(rc));
    if (rc < 0)
        bl_cache_entry_home(&t->entry, former);
    bl_cache_group_drop(former);
    return rc;
}

static int refuse_to_keep(struct belay_cache *cache, struct bl_cache_thing *t)
{
    cache->stats.refused++;
    if (t)
        thing_free(t, "refused");
    return BELAY_REFUSED;
}

static void say_what(struct belay_error *error, const struct belay_cached *what)
{
    char name[BL_CACHE_TEXT_MAX];

    bl_error_prefix(error, "setting inactive %s", bl_cached_print(what, name, sizeof name));
}

int belay_cache_set_inactive(struct belay_cache *cache, const struct belay_cached *what,
                             const struct belay_cache_peer *peer, uint64_t binding,
                             const struct belay_cache_data *data, struct belay_error *error)
{
    struct keeping k = {0};
    enum belay_cache_state from;
    int rc = admit(cache, what, "setting inactive", &k.thing, error);

    if (rc < 0)
        return rc;
    k.known = k.thing != NULL;
    if (k.known)
        k.former = k.thing->what;
    if (cache->policy.keep == belay_cache_keep_none || !bl_cached_usable(what))
        return refuse_to_keep(cache, k.thing);
    rc = gather(cache, what, peer, binding, data, &k, error);
    if (rc == 0)
        rc = settle(cache, &k, error);
    if (rc == BELAY_REFUSED) {
        refuse_to_keep(cache, k.thing);
        k.thing = NULL;
    }
    if (rc != 0) {
        give_up(cache, &k);
        if (rc < 0)
            say_what(error, what);
        return rc;
    }
    from = (enum belay_cache_state)k.thing->entry.state;
    destroy_data(k.thing);
    k.thing->parcel = k.parcel;
    bl_cache_to_shelf(&k.thing->entry, bl_now_fresh(cache->loop));
    trace_move(k.thing, from, BELAY_CACHE_INACTIVE, "set_inactive");
    cache->stats.kept++;
    bl_cache_enforce(cache, k.shelf);
    bl_cache_group_drop(k.shelf);
    return BELAY_KEPT;
}

/* The one to be given; those that have ended unseen go. */
static struct bl_cache_thing *choose(struct belay_cache *cache, struct bl_cache_group *shelf)
{
    struct belay_cache_entry *e;

    bl_cache_group_hold(shelf);
    while ((e = bl_cache_asks_pick(cache, shelf)) && !bl_cached_usable(&bl_cache_thing_of(e)->what))
        bl_cache_condemn(cache, e, BELAY_REASON_PEER_CLOSED);
    bl_cache_group_drop(shelf);
    return e ? bl_cache_thing_of(e) : NULL;
}

static int find_shelf(struct belay_cache *cache, const struct belay_cache_peer *peer,
                      uint64_t binding, struct bl_cache_group **ret)
{
    struct bl_cache_key key;
    int rc = bl_cache_key_make(&key, &cache->loop->mem, peer, binding, NULL);

    if (rc < 0)
        return rc;
    *ret = bl_cache_shelf_find(&cache->table, key.data, key.len);
    bl_cache_key_free(&key, &cache->loop->mem);
    return 0;
}

static void hand_over(struct bl_cache_thing *t, struct belay_cached *ret_what,
                      struct belay_cache_data *ret_data)
{
    struct belay_cache_data none = {0};

    *ret_what = t->what;
    if (!ret_data) {
        destroy_data(t);
        return;
    }
    *ret_data = t->parcel ? t->parcel->data : none;
    bl_free(&t->cache->loop->mem, t->parcel);
    t->parcel = NULL;
}

int belay_cache_find_inactive(struct belay_cache *cache, const struct belay_cache_peer *peer,
                              uint64_t binding, void *owner, struct belay_cached *ret_what,
                              struct belay_cache_data *ret_data)
{
    struct bl_cache_group *shelf, *group = NULL;
    struct bl_cache_thing *t;
    int rc;

    if (!ret_what)
        return BELAY_EINVAL;
    if (cache->asking)
        return BELAY_EDEADLK;
    if (cache->closed)
        return BELAY_ECLOSED;
    rc = find_shelf(cache, peer, binding, &shelf);
    if (rc < 0)
        return rc;
    if (owner && shelf && shelf->n > 0 && bl_cache_owner_get(&cache->table, owner, &group) < 0)
        return BELAY_ENOMEM;
    t = shelf ? choose(cache, shelf) : NULL;
    if (!t) {
        bl_cache_group_drop(group);
        cache->stats.missed++;
        return BELAY_EAGAIN;
    }
    hand_over(t, ret_what, ret_data);
    cache->stats.found++;
    t->entry.found++;
    if (group) {
        wake(t, group, "find_inactive");
        bl_cache_group_drop(group);
    } else {
        cache->stats.forgotten++;
        thing_free(t, "find_inactive");
    }
    return 0;
}

size_t belay_cache_find_owned(const struct belay_cache *cache, const void *owner,
                              struct belay_cached *out, size_t max)
{
    struct bl_cache_group *group = bl_cache_owner_find(&cache->table, owner);
    struct belay_cache_facts f = belay_cache_facts_init();
    size_t n = 0;

    if (!group)
        return 0;
    BL_LIST_EACH(node, &group->entries)
    {
        const struct belay_cache_entry *e = bl_cache_by_place(node);

        if (n < max) {
            e->ops->describe(e, &f);
            out[n] = f.what;
        }
        n++;
    }
    return n;
}

int belay_cache_forget(struct belay_cache *cache, const struct belay_cached *what)
{
    struct bl_cache_thing *t;
    int rc = admit(cache, what, "forgetting", &t, NULL);

    if (rc < 0)
        return rc;
    if (!t)
        return BELAY_EINVAL;
    cache->stats.forgotten++;
    thing_free(t, "forget");
    return 0;
}

int belay_cache_close_connection(struct belay_cache *cache, const struct belay_cached *what)
{
    struct bl_cache_thing *t = what ? find_thing(cache, what) : NULL;

    if (!t)
        return BELAY_EINVAL;
    bl_cache_condemn(cache, &t->entry, BELAY_REASON_OWNER_CLOSED);
    return 0;
}

bool belay_cache_keep_none(const struct belay_cache *cache, const struct belay_cache_entry *entry,
                           void *arg)
{
    (void)cache;
    (void)entry;
    (void)arg;
    return false;
}
