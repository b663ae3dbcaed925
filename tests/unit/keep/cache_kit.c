/* SPDX-License-Identifier: MIT */
/* A cache in virtual time. */
#include "unit/keep/cache_kit.h"

#include <errno.h>

#include "keep/cache.h"

static void close_fd(int fd, void *arg)
{
    struct cache_kit *k = arg;

    assert_in_range(fd, CACHE_KIT_FD, CACHE_KIT_FD + CACHE_KIT_THINGS - 1);
    k->things[fd - CACHE_KIT_FD].closed++;
}

static ptrdiff_t read_fd(int fd, void *out, size_t size, void *arg)
{
    struct cache_kit *k = arg;
    ptrdiff_t n = k->things[fd - CACHE_KIT_FD].reads;

    if (n > 0)
        memset(out, 'x', (size_t)n < size ? (size_t)n : size);
    return n;
}

static void close_handle(void *handle, void *arg)
{
    struct cache_kit_thing *t = handle;

    assert_ptr_equal(arg, t->kit);
    t->closed++;
}

static void destroy(void *data)
{
    struct cache_kit_thing *t = data;

    t->destroyed++;
}

static void on_closed(void *owner, const struct belay_cache_entry *entry, enum belay_reason reason,
                      void *arg)
{
    struct cache_kit *k = arg;
    struct cache_kit_thing *t = cache_kit_of(k, entry);

    assert_int_equal(t->closed, t->told); /* before it is closed */
    t->told++;
    t->owner = owner;
    t->reason = reason;
    if (k->order_n < sizeof k->order / sizeof k->order[0])
        k->order[k->order_n++] = (unsigned)(t - k->things);
    if (k->on_closed)
        k->on_closed(k, (unsigned)(t - k->things));
}

void cache_kit_begin(struct cache_kit *k)
{
    memset(k, 0, sizeof *k);
    failing_alloc_init(&k->alloc);
    fake_world_open(&k->world, &k->alloc.allocator);
    k->loop = k->world.loop;
    k->loop->transport.close = close_fd;
    k->loop->transport.read = read_fd;
    k->loop->transport.arg = k;
    k->options = belay_cache_options_init();
    k->options.on_closed = on_closed;
    k->options.on_closed_arg = k;
    for (int i = 0; i < CACHE_KIT_THINGS; i++) {
        struct cache_kit_thing *t = &k->things[i];

        t->kit = k;
        t->reads = -EAGAIN;
        t->what = i % 2 ? belay_cached_handle(t, CACHE_KIT_FD + i, close_handle, k)
                        : belay_cached_descriptor(CACHE_KIT_FD + i);
    }
}

void cache_kit_open(struct cache_kit *k)
{
    struct belay_error error;

    if (belay_cache_open(k->loop, &k->options, &k->cache, &error) < 0)
        fail_msg("%s", error.text);
}

void cache_kit_start(struct cache_kit *k, struct belay_cache_policy policy)
{
    cache_kit_begin(k);
    k->policy = policy;
    k->options.policy = &k->policy;
    k->options.no_watch = true; /* there are more things than watches here */
    cache_kit_open(k);
}

void cache_kit_ended(void *kit)
{
    struct cache_kit *k = kit;

    k->ended++;
    k->cache = NULL;
}

void cache_kit_end(struct cache_kit *k)
{
    if (k->cache) {
        belay_cache_close(k->cache, cache_kit_ended, k);
        cache_kit_settle(k);
        assert_null(k->cache);
    }
    fake_world_close(&k->world);
    assert_int_equal(failing_alloc_live(&k->alloc), 0);
}

void cache_kit_settle(struct cache_kit *k)
{
    fake_world_settle(&k->world);
    if (k->cache)
        bl_cache_table_check(&k->cache->table);
}

void cache_kit_pass(struct cache_kit *k, int64_t ms)
{
    cache_kit_settle(k);
    fake_world_pass(&k->world, ms);
    cache_kit_settle(k);
}

const struct belay_cached *cache_kit_what(struct cache_kit *k, unsigned thing)
{
    return &k->things[thing].what;
}

unsigned cache_kit_number(const struct belay_cached *what)
{
    return (unsigned)(what->fd - CACHE_KIT_FD);
}

struct cache_kit_thing *cache_kit_of(struct cache_kit *k, const struct belay_cache_entry *entry)
{
    struct belay_cache_facts f = belay_cache_facts_init();

    belay_cache_entry_facts(entry, &f);
    return &k->things[cache_kit_number(&f.what)];
}

void cache_kit_active(struct cache_kit *k, unsigned thing, void *owner)
{
    struct belay_error error;

    if (belay_cache_set_active(k->cache, cache_kit_what(k, thing), owner, &error) < 0)
        fail_msg("%s", error.text);
}

static int set_inactive(struct cache_kit *k, unsigned thing, const struct belay_cache_peer *peer,
                        uint64_t binding, const struct belay_cache_data *data)
{
    struct belay_error error;
    int rc =
        belay_cache_set_inactive(k->cache, cache_kit_what(k, thing), peer, binding, data, &error);

    if (rc < 0)
        fail_msg("%s", error.text);
    return rc;
}

int cache_kit_inactive(struct cache_kit *k, unsigned thing, const struct belay_cache_peer *peer,
                       uint64_t binding)
{
    return set_inactive(k, thing, peer, binding, NULL);
}

int cache_kit_inactive_data(struct cache_kit *k, unsigned thing,
                            const struct belay_cache_peer *peer, uint64_t binding)
{
    struct belay_cache_data data = {&k->things[thing], destroy};

    k->things[thing].data_given++;
    return set_inactive(k, thing, peer, binding, &data);
}

int cache_kit_find(struct cache_kit *k, const struct belay_cache_peer *peer, uint64_t binding,
                   void *owner)
{
    struct belay_cached what;
    int rc = belay_cache_find_inactive(k->cache, peer, binding, owner, &what, NULL);

    if (rc == BELAY_EAGAIN)
        return -1;
    assert_int_equal(rc, 0);
    return (int)cache_kit_number(&what);
}

enum belay_cache_state cache_kit_state(struct cache_kit *k, unsigned thing)
{
    return belay_cache_get_state(k->cache, cache_kit_what(k, thing), NULL);
}

struct belay_cache_stats cache_kit_stats(struct cache_kit *k)
{
    struct belay_cache_stats s = belay_cache_stats_init();

    belay_cache_get_stats(k->cache, &s);
    return s;
}

void assert_owned(struct cache_kit *k, void *owner, const int *things)
{
    struct belay_cached got[CACHE_KIT_THINGS];
    size_t n = belay_cache_find_owned(k->cache, owner, got, CACHE_KIT_THINGS), i;

    for (i = 0; things[i] >= 0; i++) {
        assert_true(i < n);
        assert_int_equal(cache_kit_number(&got[i]), things[i]);
    }
    assert_int_equal(n, i);
}

void assert_closed(struct cache_kit *k, unsigned thing, enum belay_reason reason)
{
    assert_int_equal(k->things[thing].closed, 1);
    assert_int_equal(k->things[thing].told, 1);
    assert_string_equal(belay_reason_name(k->things[thing].reason), belay_reason_name(reason));
}

void assert_open(struct cache_kit *k, unsigned thing)
{
    assert_int_equal(k->things[thing].closed, 0);
    assert_int_equal(k->things[thing].told, 0);
}
