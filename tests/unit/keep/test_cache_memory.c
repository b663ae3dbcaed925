/* SPDX-License-Identifier: MIT */
/* A life of a cache in which every allocation fails, once or with all that follow. */
#include "unit/keep/cache_kit.h"

static struct cache_kit k;
static int o1, o2;
static bool may_fail;

/* Nothing may have changed when memory was out. */
static void check(int rc, unsigned thing, enum belay_cache_state before)
{
    if (rc >= 0 || (rc == BELAY_ECLOSED && before == BELAY_CACHE_CLOSING))
        return;
    assert_true(may_fail);
    assert_int_equal(rc, BELAY_ENOMEM);
    assert_int_equal(cache_kit_state(&k, thing), before);
}

static void activate(unsigned thing, void *owner)
{
    enum belay_cache_state before = cache_kit_state(&k, thing);
    struct belay_error e;
    int rc = belay_cache_set_active(k.cache, cache_kit_what(&k, thing), owner, &e);

    check(rc, thing, before);
    if (rc == BELAY_ENOMEM)
        assert_non_null(strstr(e.text, "out of memory"));
}

static void destroyed(void *data)
{
    ++*(int *)data;
}

static int data_given, data_destroyed;

static void put_away(unsigned thing, const struct belay_cache_peer *peer, bool with_data)
{
    enum belay_cache_state before = cache_kit_state(&k, thing);
    struct belay_cache_data data = {&data_destroyed, destroyed};
    struct belay_error e;
    int rc = belay_cache_set_inactive(k.cache, cache_kit_what(&k, thing), peer, 1,
                                      with_data ? &data : NULL, &e);

    check(rc, thing, before);
    data_given += rc == BELAY_KEPT && with_data;
}

static void find(const struct belay_cache_peer *peer, void *owner)
{
    struct belay_cache_data data = {0};
    struct belay_cached what;
    int rc = belay_cache_find_inactive(k.cache, peer, 1, owner, &what, &data);

    assert_true(rc == 0 || rc == BELAY_EAGAIN || (may_fail && rc == BELAY_ENOMEM));
    if (rc == 0 && data.destroy)
        data.destroy(data.data);
}

static void use_cache(void)
{
    struct belay_cache_peer direct = belay_cache_direct("192.0.2.1", 80);
    struct belay_cache_peer proxied = belay_cache_socks5("gate.test", 1080, "db.test", 5432);

    for (unsigned i = 0; i < 4; i++)
        activate(i, i % 2 ? &o1 : &o2);
    for (unsigned i = 0; i < 6; i++)
        put_away(i, i % 2 ? &direct : &proxied, i < 3);
    put_away(0, &direct, true);
    find(&direct, &o1);
    find(&proxied, &o1);
    find(&proxied, NULL);
    put_away(5, &proxied, true);
    cache_kit_settle(&k);
}

static bool open_cache(void)
{
    int rc;

    k.options.max_idle_time_ms = 1000;
    k.options.max_inactive = 3;
    k.options.no_watch = true;
    rc = belay_cache_open(k.loop, &k.options, &k.cache, NULL);
    if (rc == 0)
        return true;
    assert_true(may_fail);
    assert_int_equal(rc, BELAY_ENOMEM);
    k.cache = NULL;
    return false;
}

static void sweep(void (*let_fail)(struct failing_alloc *f, size_t n))
{
    size_t n, refused = 1;

    for (n = 1; refused > 0 && n < 1000; n++) {
        cache_kit_begin(&k);
        data_given = data_destroyed = 0;
        may_fail = true;
        let_fail(&k.alloc, n);
        if (open_cache()) {
            use_cache();
            refused = failing_alloc_failures(&k.alloc);
            let_fail(&k.alloc, 0);
            may_fail = false;
            use_cache(); /* healed, it works */
            cache_kit_pass(&k, 1000);
            assert_int_equal(cache_kit_stats(&k).inactive, 0);
        }
        let_fail(&k.alloc, 0);
        cache_kit_end(&k);
        assert_int_equal(data_destroyed, data_given);
    }
    assert_true(n > 10 && n < 1000);
}

static void every_allocation_may_fail_once(void **state)
{
    (void)state;
    sweep(failing_alloc_once);
}

static void every_allocation_may_be_the_last(void **state)
{
    (void)state;
    sweep(failing_alloc_from);
}

static void closing_needs_no_memory(void **state)
{
    struct belay_cache_peer peer = belay_cache_direct("192.0.2.1", 80);

    (void)state;
    cache_kit_start(&k, belay_cache_aggressive());
    for (unsigned i = 0; i < 10; i++) {
        cache_kit_active(&k, i, &o1);
        if (i % 3)
            assert_int_equal(cache_kit_inactive_data(&k, i, &peer, 0), BELAY_KEPT);
    }
    failing_alloc_from(&k.alloc, 1);
    belay_cache_close_connection(k.cache, cache_kit_what(&k, 0));
    belay_cache_forget(k.cache, cache_kit_what(&k, 1));
    belay_cache_close_all(k.cache);
    cache_kit_settle(&k);
    belay_cache_close(k.cache, cache_kit_ended, &k);
    cache_kit_settle(&k);
    assert_int_equal(k.ended, 1);
    assert_int_equal(failing_alloc_failures(&k.alloc), 0);
    failing_alloc_from(&k.alloc, 0);
    cache_kit_end(&k);
}

static void going_to_and_fro_allocates_nothing(void **state)
{
    struct belay_cache_peer peer = belay_cache_direct("192.0.2.1", 80);
    size_t calls;

    (void)state;
    cache_kit_start(&k, belay_cache_aggressive());
    cache_kit_active(&k, 1, &o1); /* the owner's record stays */
    cache_kit_active(&k, 0, &o1);
    assert_int_equal(cache_kit_inactive(&k, 0, &peer, 0), BELAY_KEPT);
    calls = failing_alloc_calls(&k.alloc);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(cache_kit_find(&k, &peer, 0, &o1), 0);
        assert_int_equal(cache_kit_inactive(&k, 0, &peer, 0), BELAY_KEPT);
    }
    assert_int_equal(failing_alloc_calls(&k.alloc), calls);
    cache_kit_end(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail_once),
        cmocka_unit_test(every_allocation_may_be_the_last),
        cmocka_unit_test(closing_needs_no_memory),
        cmocka_unit_test(going_to_and_fro_allocates_nothing),
    };
    return cmocka_run_group_tests_name("keep_cache_memory", tests, NULL, NULL);
}
