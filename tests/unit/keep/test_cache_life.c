/* SPDX-License-Identifier: MIT */
/* Private data on each of its ways, what happens in callbacks, the end of a cache and of its loop. */
#include <stdio.h>

#include "keep/cache.h"
#include "unit/keep/cache_kit.h"

static struct cache_kit k;
static int o1, o2;
static struct belay_cache_peer peer;

static int set_up(void **state)
{
    (void)state;
    peer = belay_cache_direct("192.0.2.1", 80);
    cache_kit_start(&k, belay_cache_aggressive());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cache_kit_end(&k);
    return 0;
}

/* ---- private data ---- */

static void keep_with_data(unsigned thing)
{
    assert_int_equal(cache_kit_inactive_data(&k, thing, &peer, 0), BELAY_KEPT);
}

static void assert_destroyed_later(unsigned thing)
{
    assert_int_equal(k.things[thing].destroyed, 0); /* not inside the call */
    cache_kit_settle(&k);
    assert_int_equal(k.things[thing].destroyed, 1);
}

static void data_is_handed_over_by_find(void **state)
{
    struct belay_cache_facts f = belay_cache_facts_init();
    struct belay_cache_data data;
    struct belay_cached what;

    (void)state;
    keep_with_data(0);
    belay_cache_get_state(k.cache, cache_kit_what(&k, 0), &f);
    assert_ptr_equal(f.data, &k.things[0]);
    assert_int_equal(belay_cache_find_inactive(k.cache, &peer, 0, &o1, &what, &data), 0);
    assert_ptr_equal(data.data, &k.things[0]);
    assert_non_null(data.destroy);
    assert_int_equal(cache_kit_inactive(&k, 0, &peer, 0), BELAY_KEPT); /* without data */
    assert_int_equal(belay_cache_find_inactive(k.cache, &peer, 0, NULL, &what, &data), 0);
    assert_null(data.data);
    assert_null(data.destroy);
    cache_kit_settle(&k);
    assert_int_equal(k.things[0].destroyed, 0);
}

static void data_is_destroyed_when_find_does_not_want_it(void **state)
{
    (void)state;
    keep_with_data(0);
    assert_int_equal(cache_kit_find(&k, &peer, 0, &o1), 0);
    assert_destroyed_later(0);
}

static void data_is_destroyed_by_set_active(void **state)
{
    (void)state;
    keep_with_data(0);
    cache_kit_active(&k, 0, &o1);
    assert_destroyed_later(0);
}

static void data_is_destroyed_by_forget(void **state)
{
    (void)state;
    keep_with_data(0);
    assert_int_equal(belay_cache_forget(k.cache, cache_kit_what(&k, 0)), 0);
    assert_destroyed_later(0);
}

static void data_is_destroyed_by_close_connection(void **state)
{
    (void)state;
    keep_with_data(1);
    assert_int_equal(belay_cache_close_connection(k.cache, cache_kit_what(&k, 1)), 0);
    assert_destroyed_later(1);
    assert_closed(&k, 1, BELAY_REASON_OWNER_CLOSED);
    assert_null(k.things[1].owner);
}

static void data_is_destroyed_by_close_all(void **state)
{
    (void)state;
    keep_with_data(0);
    belay_cache_close_all(k.cache);
    assert_destroyed_later(0);
}

static void data_is_destroyed_when_the_cache_closes(void **state)
{
    (void)state;
    keep_with_data(0);
    belay_cache_close(k.cache, cache_kit_ended, &k);
    assert_destroyed_later(0);
    assert_int_equal(k.ended, 1);
}

static void data_is_replaced_by_newer_data(void **state)
{
    (void)state;
    keep_with_data(0);
    keep_with_data(0);
    assert_destroyed_later(0); /* the first; the second is kept */
    assert_int_equal(belay_cache_forget(k.cache, cache_kit_what(&k, 0)), 0);
    cache_kit_settle(&k);
    assert_int_equal(k.things[0].destroyed, 2);
}

static bool keep_is;

static bool keep_if(const struct belay_cache *cache, const struct belay_cache_entry *entry,
                    void *arg)
{
    (void)cache;
    (void)entry;
    (void)arg;
    return keep_is;
}

static void refused_ones_lose_their_former_data_only(void **state)
{
    (void)state;
    cache_kit_end(&k);
    cache_kit_start(&k, (struct belay_cache_policy){.size = sizeof k.policy, .keep = keep_if});
    keep_is = true;
    keep_with_data(0);
    keep_is = false;
    assert_int_equal(cache_kit_inactive_data(&k, 0, &peer, 0), BELAY_REFUSED);
    cache_kit_settle(&k);
    assert_int_equal(k.things[0].data_given, 2);
    assert_int_equal(k.things[0].destroyed, 1); /* the second is the caller's */
    assert_int_equal(cache_kit_state(&k, 0), BELAY_CACHE_UNKNOWN);
    assert_open(&k, 0);
}

/* ---- in callbacks ---- */

static void hook_close_all(struct cache_kit *kit, unsigned thing)
{
    (void)thing;
    belay_cache_close_all(kit->cache);
}

static void close_all_inside_on_closed(void **state)
{
    (void)state;
    cache_kit_active(&k, 0, &o1);
    cache_kit_active(&k, 1, &o2);
    keep_with_data(2);
    k.on_closed = hook_close_all;
    belay_cache_close_connection(k.cache, cache_kit_what(&k, 0));
    cache_kit_settle(&k);
    assert_closed(&k, 0, BELAY_REASON_OWNER_CLOSED);
    assert_closed(&k, 1, BELAY_REASON_CLEARED);
    assert_closed(&k, 2, BELAY_REASON_CLEARED);
    assert_int_equal(k.things[2].destroyed, 1);
}

static void hook_close_cache(struct cache_kit *kit, unsigned thing)
{
    (void)thing;
    if (kit->cache)
        belay_cache_close(kit->cache, cache_kit_ended, kit);
}

static void close_inside_on_closed(void **state)
{
    (void)state;
    cache_kit_active(&k, 0, &o1);
    cache_kit_active(&k, 1, &o1);
    k.on_closed = hook_close_cache;
    belay_cache_close_connection(k.cache, cache_kit_what(&k, 0));
    cache_kit_settle(&k);
    assert_int_equal(k.ended, 1);
    assert_closed(&k, 0, BELAY_REASON_OWNER_CLOSED);
    assert_closed(&k, 1, BELAY_REASON_POOL_CLOSED);
}

/* What is about to be closed is nobody's any more. */
static void hook_meddle(struct cache_kit *kit, unsigned thing)
{
    const struct belay_cached *what = cache_kit_what(kit, thing);
    struct belay_error e;

    assert_int_equal(cache_kit_state(kit, thing), BELAY_CACHE_CLOSING);
    assert_int_equal(belay_cache_set_active(kit->cache, what, &o2, &e), BELAY_ECLOSED);
    assert_non_null(strstr(e.text, "it is about to be closed"));
    assert_int_equal(belay_cache_set_inactive(kit->cache, what, &peer, 0, NULL, &e), BELAY_ECLOSED);
    assert_int_equal(belay_cache_forget(kit->cache, what), BELAY_ECLOSED);
    assert_int_equal(belay_cache_close_connection(kit->cache, what), 0);
    if (thing < 10) /* another may come */
        cache_kit_active(kit, thing + 10, &o1);
}

static void closing_ones_cannot_be_taken_back(void **state)
{
    (void)state;
    cache_kit_active(&k, 0, &o1);
    cache_kit_active(&k, 1, &o1);
    k.on_closed = hook_meddle;
    belay_cache_close_all(k.cache);
    cache_kit_settle(&k);
    assert_closed(&k, 0, BELAY_REASON_CLEARED);
    assert_closed(&k, 1, BELAY_REASON_CLEARED);
    assert_int_equal(cache_kit_state(&k, 10), BELAY_CACHE_ACTIVE);
    assert_int_equal(cache_kit_state(&k, 11), BELAY_CACHE_ACTIVE);
    k.on_closed = NULL;
}

static void destroy_and_close(void *data)
{
    (void)data;
    belay_cache_close_all(k.cache);
}

static void close_all_inside_a_destructor(void **state)
{
    struct belay_cache_data data = {&k, destroy_and_close};

    (void)state;
    assert_int_equal(
        belay_cache_set_inactive(k.cache, cache_kit_what(&k, 0), &peer, 0, &data, NULL), 0);
    cache_kit_active(&k, 1, &o1);
    assert_int_equal(cache_kit_find(&k, &peer, 0, &o1), 0);
    cache_kit_settle(&k);
    assert_closed(&k, 0, BELAY_REASON_CLEARED);
    assert_closed(&k, 1, BELAY_REASON_CLEARED);
}

/* ---- the end ---- */

static unsigned finished;

static void on_finished(void *arg)
{
    assert_ptr_equal(arg, &finished);
    finished++;
}

static void watchers_of_the_end_are_told_once(void **state)
{
    struct belay_cache *cache = belay_cache_ref(k.cache);
    struct belay_cached what;

    (void)state;
    finished = 0;
    assert_int_equal(belay_cache_close_finished(cache, NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_cache_close_finished(cache, on_finished, &finished), 0);
    assert_false(belay_cache_is_closed(cache));
    cache_kit_active(&k, 0, &o1);
    belay_cache_close(cache, NULL, NULL);
    belay_cache_close(cache, cache_kit_ended, &k); /* takes its place */
    assert_true(belay_cache_is_closed(cache));
    assert_int_equal(belay_cache_set_active(cache, cache_kit_what(&k, 1), &o1, NULL),
                     BELAY_ECLOSED);
    assert_int_equal(belay_cache_find_inactive(cache, &peer, 0, NULL, &what, NULL), BELAY_ECLOSED);
    assert_int_equal(finished, 0);
    cache_kit_settle(&k);
    assert_int_equal(finished, 1);
    assert_int_equal(k.ended, 1);
    assert_int_equal(belay_cache_close_finished(cache, on_finished, &finished), 0);
    assert_int_equal(finished, 1); /* in a later turn */
    cache_kit_settle(&k);
    assert_int_equal(finished, 2);
    assert_true(belay_cache_is_closed(cache));
    belay_cache_unref(cache);
}

static void close_after_the_end_calls_back_too(void **state)
{
    struct belay_cache *cache = belay_cache_ref(k.cache);

    (void)state;
    finished = 0;
    belay_cache_close(cache, cache_kit_ended, &k);
    cache_kit_settle(&k);
    assert_int_equal(k.ended, 1);
    belay_cache_close(cache, NULL, NULL);
    cache_kit_settle(&k);
    assert_int_equal(k.ended, 1); /* once for each who asked */
    belay_cache_close(cache, on_finished, &finished);
    assert_int_equal(finished, 0); /* in a later turn */
    cache_kit_settle(&k);
    assert_int_equal(finished, 1);
    belay_cache_close(cache, cache_kit_ended, &k);
    belay_cache_close(cache, on_finished, &finished); /* takes its place */
    belay_cache_close(cache, NULL, NULL);
    belay_cache_unref(cache); /* the last reference: it waits */
    cache_kit_settle(&k);
    assert_int_equal(finished, 2);
    assert_int_equal(k.ended, 1);
}

static void loop_that_ends_closes_what_is_in_it(void **state)
{
    (void)state;
    cache_kit_active(&k, 0, &o1);
    keep_with_data(1);
    k.cache = NULL; /* the loop does it */
    cache_kit_end(&k);
    assert_closed(&k, 0, BELAY_REASON_POOL_CLOSED);
    assert_closed(&k, 1, BELAY_REASON_POOL_CLOSED);
    assert_int_equal(k.things[1].destroyed, 1);
    cache_kit_start(&k, belay_cache_aggressive());
}

static void another_network_ends_the_inactive(void **state)
{
    (void)state;
    cache_kit_active(&k, 0, &o1);
    keep_with_data(1);
    keep_with_data(2);
    belay_loop_network_changed(k.loop);
    assert_open(&k, 1);
    cache_kit_settle(&k);
    assert_open(&k, 0);
    assert_closed(&k, 1, BELAY_REASON_CLEARED);
    assert_closed(&k, 2, BELAY_REASON_CLEARED);
}

/* ---- what is seen of it ---- */

static char traced[1024];

static void on_trace(const struct belay_trace *t, void *arg)
{
    (void)arg;
    if (strcmp(t->noun, "cached") != 0)
        return;
    snprintf(traced + strlen(traced), sizeof traced - strlen(traced), "%s: %s to %s, %s\n", t->name,
             t->from ? t->from : "-", t->to ? t->to : "-", t->cause);
}

static void every_move_is_traced(void **state)
{
    (void)state;
    traced[0] = '\0';
    k.loop->on_trace = on_trace;
    cache_kit_active(&k, 0, &o1);
    cache_kit_inactive(&k, 0, &peer, 0);
    cache_kit_find(&k, &peer, 0, &o2);
    belay_cache_close_connection(k.cache, cache_kit_what(&k, 0));
    cache_kit_settle(&k);
    cache_kit_inactive(&k, 2, &peer, 0);
    cache_kit_find(&k, &peer, 0, NULL);
    k.loop->on_trace = NULL;
    assert_string_equal(traced, "descriptor 100: - to active, set_active\n"
                                "192.0.2.1:80: active to inactive, set_inactive\n"
                                "192.0.2.1:80: inactive to active, find_inactive\n"
                                "192.0.2.1:80: active to closing, owner_closed\n"
                                "192.0.2.1:80: closing to -, owner_closed\n"
                                "192.0.2.1:80: - to inactive, set_inactive\n"
                                "192.0.2.1:80: inactive to -, find_inactive\n");
}

static char logged[256];

static void on_log(int level, const char *tag, const char *line, void *arg)
{
    (void)arg;
    assert_int_equal(level, BELAY_LOG_DEBUG);
    snprintf(logged, sizeof logged, "%s: %s", tag, line);
}

static void what_is_closed_is_logged(void **state)
{
    (void)state;
    k.loop->log.write = on_log;
    bl_log_set(&k.loop->log, "cache", BELAY_LOG_DEBUG);
    cache_kit_inactive(&k, 0, &peer, 0);
    belay_cache_close_all(k.cache);
    cache_kit_settle(&k);
    assert_string_equal(logged, "cache: closing descriptor 100 (192.0.2.1:80): cleared");
    k.loop->log.write = NULL;
}

static void close_and_unref_take_null(void **state)
{
    (void)state;
    belay_cache_close(NULL, NULL, NULL);
    belay_cache_close_all(NULL);
    belay_cache_unref(NULL);
    assert_null(belay_cache_ref(NULL));
}

/* ---- bad input ---- */

static void assert_text(const struct belay_error *e, const char *text)
{
    assert_string_equal(e->text, text);
}

static void refusals_name_the_connection(void **state)
{
    struct belay_cached bad = belay_cached_descriptor(-1), none = {0};
    struct belay_cached no_close = belay_cached_handle(&k, -1, NULL, NULL);
    struct belay_cached pooled = {.kind = BELAY_CACHED_CONNECTION};
    struct belay_cached stream = belay_cached_stream(NULL);
    const struct belay_cached *good = cache_kit_what(&k, 0);
    struct belay_error e;

    (void)state;
    (void)pooled;
    assert_int_equal(belay_cache_set_active(k.cache, &bad, &o1, &e), BELAY_EINVAL);
    assert_text(&e, "setting active descriptor -1: it is negative");
    assert_int_equal(belay_cache_set_active(k.cache, good, NULL, &e), BELAY_EINVAL);
    assert_text(&e, "setting active descriptor 100: the owner is NULL");
    assert_int_equal(belay_cache_set_active(k.cache, &none, &o1, &e), BELAY_EINVAL);
    assert_non_null(strstr(e.text, "make it with"));
    assert_int_equal(belay_cache_set_active(k.cache, NULL, &o1, &e), BELAY_EINVAL);
    assert_int_equal(belay_cache_set_active(k.cache, &stream, &o1, &e), BELAY_EINVAL);
    assert_text(&e, "setting active a stream: it is NULL");
    assert_int_equal(belay_cache_set_inactive(k.cache, &no_close, &peer, 0, NULL, &e),
                     BELAY_EINVAL);
    assert_non_null(strstr(e.text, "it has no function that closes it"));
    assert_int_equal(belay_cache_set_inactive(k.cache, good, NULL, 0, NULL, &e), BELAY_EINVAL);
    assert_non_null(strstr(e.text, "setting inactive descriptor 100: the peer has no route"));
    assert_int_equal(belay_cache_forget(k.cache, good), BELAY_EINVAL);
    assert_int_equal(cache_kit_stats(&k).owners + cache_kit_stats(&k).peers, 0);
}

static void options_out_of_range_are_named(void **state)
{
    struct belay_cache_options o = belay_cache_options_init();
    struct belay_cache_policy policy = {0};
    struct belay_cache *cache;
    struct belay_error e;

    (void)state;
    o.max_inactive = -7;
    assert_int_equal(belay_cache_open(k.loop, &o, &cache, &e), BELAY_EINVAL);
    assert_text(&e, "max_inactive: -7 is out of range (1 to 2147483647)");
    o.max_inactive = 0;
    o.policy = &policy; /* without its size */
    assert_int_equal(belay_cache_open(k.loop, &o, &cache, &e), BELAY_EINVAL);
    assert_non_null(strstr(e.text, "policy"));
}

static void options_can_be_given_back(void **state)
{
    struct belay_cache_options o = belay_cache_options_init();
    struct belay_cache *cache;

    (void)state;
    belay_cache_get_options(k.cache, &o);
    assert_int_equal(o.max_inactive, BELAY_FOREVER);
    assert_int_equal(o.max_idle_time_ms, BELAY_FOREVER);
    assert_int_equal(o.close_timeout_ms, 2000);
    assert_true(o.no_watch);
    assert_null(o.policy);
    assert_int_equal(belay_cache_open(k.loop, &o, &cache, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(data_is_handed_over_by_find),
        TEST(data_is_destroyed_when_find_does_not_want_it),
        TEST(data_is_destroyed_by_set_active),
        TEST(data_is_destroyed_by_forget),
        TEST(data_is_destroyed_by_close_connection),
        TEST(data_is_destroyed_by_close_all),
        TEST(data_is_destroyed_when_the_cache_closes),
        TEST(data_is_replaced_by_newer_data),
        TEST(refused_ones_lose_their_former_data_only),
        TEST(close_all_inside_on_closed),
        TEST(close_inside_on_closed),
        TEST(closing_ones_cannot_be_taken_back),
        TEST(close_all_inside_a_destructor),
        TEST(watchers_of_the_end_are_told_once),
        TEST(close_after_the_end_calls_back_too),
        TEST(loop_that_ends_closes_what_is_in_it),
        TEST(another_network_ends_the_inactive),
        TEST(every_move_is_traced),
        TEST(what_is_closed_is_logged),
        TEST(close_and_unref_take_null),
        TEST(refusals_name_the_connection),
        TEST(options_out_of_range_are_named),
        TEST(options_can_be_given_back),
    };
    return cmocka_run_group_tests_name("keep_cache_life", tests, NULL, NULL);
}
