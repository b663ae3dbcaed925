/* SPDX-License-Identifier: MIT */
/* Limits, and policies that replace single functions; inactive ones that stir. */
#include "unit/keep/cache_kit.h"

#include <errno.h>

static struct cache_kit k;
static int o1;
static struct belay_cache_peer web, mail;

static int set_up(void **state)
{
    (void)state;
    web = belay_cache_direct("192.0.2.1", 80);
    mail = belay_cache_direct("192.0.2.2", 25);
    cache_kit_begin(&k);
    k.policy = belay_cache_aggressive();
    k.options.policy = &k.policy;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cache_kit_end(&k);
    return 0;
}

static void keep(unsigned thing, const struct belay_cache_peer *peer)
{
    assert_int_equal(cache_kit_inactive(&k, thing, peer, 0), BELAY_KEPT);
}

/* ---- options ---- */

static void idle_ones_are_closed_after_their_time(void **state)
{
    (void)state;
    k.options.max_idle_time_ms = 1000;
    cache_kit_open(&k);
    keep(0, &web);
    cache_kit_pass(&k, 600);
    keep(1, &mail);
    cache_kit_active(&k, 2, &o1);
    cache_kit_pass(&k, 399);
    assert_open(&k, 0);
    cache_kit_pass(&k, 1);
    assert_closed(&k, 0, BELAY_REASON_IDLE);
    assert_open(&k, 1);
    keep(1, &mail); /* its time begins anew */
    cache_kit_pass(&k, 999);
    assert_open(&k, 1);
    cache_kit_pass(&k, 1);
    assert_closed(&k, 1, BELAY_REASON_IDLE);
    cache_kit_pass(&k, 100000);
    assert_open(&k, 2); /* in use */
}

static void limit_evicts_the_one_inactive_for_longest(void **state)
{
    (void)state;
    k.options.max_inactive = 2;
    cache_kit_open(&k);
    keep(0, &web);
    keep(1, &mail);
    cache_kit_active(&k, 2, &o1); /* active ones do not count */
    keep(3, &mail);
    assert_int_equal(cache_kit_stats(&k).inactive, 2); /* at once, not later */
    assert_int_equal(cache_kit_find(&k, &web, 0, NULL), -1);
    cache_kit_settle(&k);
    assert_closed(&k, 0, BELAY_REASON_EVICTED);
    assert_open(&k, 1);
    assert_open(&k, 3);
}

static void limit_per_peer_evicts_among_its_own(void **state)
{
    (void)state;
    k.options.max_inactive_per_peer = 1;
    cache_kit_open(&k);
    keep(0, &web);
    keep(1, &mail);
    keep(2, &mail);
    assert_int_equal(cache_kit_inactive(&k, 3, &mail, 5), BELAY_KEPT); /* another binding */
    cache_kit_settle(&k);
    assert_open(&k, 0);
    assert_closed(&k, 1, BELAY_REASON_EVICTED);
    assert_open(&k, 2);
    assert_open(&k, 3);
}

/* ---- functions ---- */

static bool keep_even(const struct belay_cache *cache, const struct belay_cache_entry *entry,
                      void *arg)
{
    struct belay_cache_facts f = belay_cache_facts_init();

    belay_cache_entry_facts(entry, &f);
    assert_ptr_equal(cache, k.cache);
    assert_ptr_equal(arg, &k);
    assert_int_equal(f.peer.route, BELAY_CACHE_DIRECT); /* where it would be */
    assert_ptr_equal(f.owner, &o1);                     /* whose it is still */
    return cache_kit_number(&f.what) % 2 == 0 && f.alike < 2;
}

static void policy_decides_what_is_kept(void **state)
{
    int kept = 0;

    (void)state;
    k.policy.keep = keep_even;
    k.policy.arg = &k;
    cache_kit_open(&k);
    for (unsigned i = 0; i < 8; i++) {
        cache_kit_active(&k, i, &o1);
        kept += cache_kit_inactive(&k, i, &web, 0) == BELAY_KEPT;
    }
    assert_int_equal(kept, 2);
    assert_int_equal(cache_kit_stats(&k).refused, 6);
    assert_int_equal(cache_kit_stats(&k).active, 0);
}

/* The one used most often, as long as there are more than two. */
static const struct belay_cache_entry *evict_most_used(const struct belay_cache *cache,
                                                       enum belay_reason *ret_reason,
                                                       int64_t *ret_again_ms, void *arg)
{
    const struct belay_cache_entry *most = NULL;
    uint64_t uses = 0;
    int n = 0;

    (void)arg;
    assert_int_equal(*ret_reason, BELAY_REASON_EVICTED);
    assert_int_equal(*ret_again_ms, BELAY_FOREVER);
    *ret_reason = BELAY_REASON_USES;
    for (const struct belay_cache_entry *e = NULL; (e = belay_cache_next(cache, e)); n++) {
        struct belay_cache_facts f = belay_cache_facts_init();

        belay_cache_entry_facts(e, &f);
        if (!most || f.found > uses) {
            most = e;
            uses = f.found;
        }
    }
    return n > 2 ? most : NULL;
}

static void policy_decides_who_is_evicted(void **state)
{
    (void)state;
    k.policy.evict = evict_most_used;
    cache_kit_open(&k);
    keep(0, &web);
    assert_int_equal(cache_kit_find(&k, &web, 0, &o1), 0);
    keep(1, &mail);
    keep(0, &web);
    keep(2, &mail);
    assert_int_equal(cache_kit_stats(&k).inactive, 2);
    cache_kit_settle(&k);
    assert_closed(&k, 0, BELAY_REASON_USES);
    assert_open(&k, 1);
    assert_open(&k, 2);
}

static unsigned asked;

/* Closes whoever has been idle for 300 ms, and asks to be asked when the next one will have. */
static const struct belay_cache_entry *evict_idle(const struct belay_cache *cache,
                                                  enum belay_reason *ret_reason,
                                                  int64_t *ret_again_ms, void *arg)
{
    const struct belay_cache_entry *oldest = belay_cache_next(cache, NULL);
    struct belay_cache_facts f = belay_cache_facts_init();

    (void)arg;
    asked++;
    if (!oldest)
        return NULL;
    belay_cache_entry_facts(oldest, &f);
    *ret_reason = BELAY_REASON_IDLE;
    *ret_again_ms = 300 - f.idle_ms;
    return f.idle_ms >= 300 ? oldest : NULL;
}

static void policy_is_asked_again_when_it_said_so(void **state)
{
    (void)state;
    asked = 0;
    k.policy.evict = evict_idle;
    cache_kit_open(&k);
    keep(0, &web);
    cache_kit_pass(&k, 100);
    keep(1, &web);
    cache_kit_pass(&k, 199);
    assert_open(&k, 0);
    cache_kit_pass(&k, 1);
    assert_closed(&k, 0, BELAY_REASON_IDLE);
    assert_open(&k, 1);
    cache_kit_pass(&k, 100);
    assert_closed(&k, 1, BELAY_REASON_IDLE);
    asked = 0;
    cache_kit_pass(&k, 100000);
    assert_int_equal(asked, 0);
}

static const struct belay_cache_entry *pick_oldest(const struct belay_cache *cache,
                                                   const struct belay_cache_entry *latest,
                                                   void *arg)
{
    const struct belay_cache_entry *oldest = latest;

    (void)cache;
    (void)arg;
    for (const struct belay_cache_entry *e = latest; e; e = belay_cache_older(e))
        oldest = e;
    return oldest;
}

static void policy_decides_which_is_given(void **state)
{
    (void)state;
    k.policy.pick = pick_oldest;
    cache_kit_open(&k);
    keep(0, &web);
    keep(9, &mail);
    keep(1, &web);
    keep(2, &web);
    assert_int_equal(cache_kit_find(&k, &web, 0, NULL), 0);
    assert_int_equal(cache_kit_find(&k, &web, 0, NULL), 1);
    assert_int_equal(cache_kit_find(&k, &web, 0, NULL), 2);
    assert_int_equal(cache_kit_find(&k, &web, 0, NULL), -1);
}

static const struct belay_cache_entry *pick_nothing(const struct belay_cache *cache,
                                                    const struct belay_cache_entry *latest,
                                                    void *arg)
{
    (void)cache;
    (void)latest;
    (void)arg;
    return NULL;
}

static void policy_may_give_none(void **state)
{
    (void)state;
    k.policy.pick = pick_nothing;
    cache_kit_open(&k);
    keep(0, &web);
    assert_int_equal(cache_kit_find(&k, &web, 0, &o1), -1);
    assert_int_equal(cache_kit_state(&k, 0), BELAY_CACHE_INACTIVE);
    assert_int_equal(cache_kit_stats(&k).owners, 0);
}

static const struct belay_cache_entry *pick_elsewhere(const struct belay_cache *cache,
                                                      const struct belay_cache_entry *latest,
                                                      void *arg)
{
    (void)latest;
    (void)arg;
    return belay_cache_next(cache, NULL);
}

static void policy_cannot_give_what_does_not_fit(void **state)
{
    (void)state;
    k.policy.pick = pick_elsewhere;
    cache_kit_open(&k);
    keep(0, &mail);
    keep(1, &web);
    assert_int_equal(cache_kit_find(&k, &web, 0, &o1), -1);
    assert_int_equal(cache_kit_find(&k, &mail, 0, &o1), 0);
    assert_int_equal(cache_kit_find(&k, &web, 0, &o1), 1);
}

/* Whatever a policy calls, the cache is as it was until it has answered. */
static bool keep_and_meddle(const struct belay_cache *cache, const struct belay_cache_entry *entry,
                            void *arg)
{
    struct belay_cached what;

    (void)cache;
    (void)entry;
    (void)arg;
    assert_int_equal(belay_cache_set_active(k.cache, cache_kit_what(&k, 5), &o1, NULL),
                     BELAY_EDEADLK);
    assert_int_equal(belay_cache_set_inactive(k.cache, cache_kit_what(&k, 5), &web, 0, NULL, NULL),
                     BELAY_EDEADLK);
    assert_int_equal(belay_cache_find_inactive(k.cache, &web, 0, NULL, &what, NULL), BELAY_EDEADLK);
    assert_int_equal(belay_cache_forget(k.cache, cache_kit_what(&k, 0)), BELAY_EDEADLK);
    return true;
}

static void policy_cannot_change_the_cache(void **state)
{
    (void)state;
    k.policy.keep = keep_and_meddle;
    cache_kit_open(&k);
    keep(0, &web);
    assert_int_equal(cache_kit_state(&k, 0), BELAY_CACHE_INACTIVE);
    assert_int_equal(cache_kit_state(&k, 5), BELAY_CACHE_UNKNOWN);
}

static bool keep_and_close(const struct belay_cache *cache, const struct belay_cache_entry *entry,
                           void *arg)
{
    (void)cache;
    (void)entry;
    (void)arg;
    belay_cache_close_all(k.cache);
    return true;
}

static void policy_may_close_what_it_was_asked_about(void **state)
{
    struct belay_error e;

    (void)state;
    k.policy.keep = keep_and_close;
    cache_kit_open(&k);
    cache_kit_active(&k, 0, &o1);
    assert_int_equal(belay_cache_set_inactive(k.cache, cache_kit_what(&k, 0), &web, 0, NULL, &e),
                     BELAY_ECLOSED);
    assert_string_equal(e.text, "setting inactive descriptor 100: the policy has closed it");
    cache_kit_settle(&k);
    assert_closed(&k, 0, BELAY_REASON_CLEARED);
    keep(1, &web); /* it was in no place from which it could be closed */
}

/* ---- watching ---- */

static void stir(unsigned thing, ptrdiff_t reads)
{
    int fd = cache_kit_what(&k, thing)->fd;

    k.things[thing].reads = reads;
    fake_world_ready(&k.world, fd, BELAY_READABLE);
    cache_kit_settle(&k);
}

static void inactive_descriptors_are_watched(void **state)
{
    (void)state;
    cache_kit_open(&k);
    for (unsigned i = 0; i < 8; i += 2)
        keep(i, &web);
    stir(0, 0);
    assert_closed(&k, 0, BELAY_REASON_PEER_CLOSED);
    stir(2, 5);
    assert_closed(&k, 2, BELAY_REASON_UNHEALTHY);
    stir(4, -ECONNRESET);
    assert_closed(&k, 4, BELAY_REASON_PEER_CLOSED);
    stir(6, -EAGAIN); /* a false alarm */
    assert_open(&k, 6);
    assert_int_equal(cache_kit_find(&k, &web, 0, NULL), 6);
}

static void inactive_handles_that_stir_are_closed(void **state)
{
    struct belay_cached blind = cache_kit_what(&k, 3)[0];

    (void)state;
    cache_kit_open(&k);
    keep(1, &web);
    stir(1, 0);
    assert_closed(&k, 1, BELAY_REASON_UNHEALTHY);
    blind.fd = -1;
    assert_int_equal(belay_cache_set_inactive(k.cache, &blind, &web, 0, NULL, NULL), BELAY_KEPT);
    blind.fd = CACHE_KIT_FD + 3; /* for the kit, at its end */
    assert_int_equal(belay_cache_set_active(k.cache, &blind, &o1, NULL), 0);
}

static unsigned watches(void)
{
    unsigned n = 0;

    for (int i = 0; i < FAKE_WATCHES_MAX; i++)
        n += k.world.watches[i].slot != NULL;
    return n;
}

static void watching_ends_with_being_inactive(void **state)
{
    (void)state;
    cache_kit_open(&k);
    for (unsigned i = 0; i < 5; i++)
        keep(i, &web);
    assert_int_equal(watches(), 5);
    cache_kit_active(&k, 0, &o1);
    assert_int_equal(watches(), 4);
    assert_int_equal(cache_kit_find(&k, &web, 0, &o1), 4);
    assert_int_equal(watches(), 3);
    assert_int_equal(cache_kit_find(&k, &web, 0, NULL), 3);
    assert_int_equal(watches(), 2);
    assert_int_equal(belay_cache_forget(k.cache, cache_kit_what(&k, 1)), 0);
    assert_int_equal(watches(), 1);
    belay_cache_close_connection(k.cache, cache_kit_what(&k, 2));
    assert_int_equal(watches(), 0);
}

static void no_watch_watches_nothing(void **state)
{
    (void)state;
    k.options.no_watch = true;
    cache_kit_open(&k);
    keep(0, &web);
    keep(1, &web);
    assert_int_equal(watches(), 0);
}

static void what_cannot_be_watched_stays_where_it_was(void **state)
{
    struct belay_error e;

    (void)state;
    cache_kit_open(&k);
    cache_kit_active(&k, 0, &o1);
    k.world.watch_fails = BELAY_EINVAL;
    assert_int_equal(belay_cache_set_inactive(k.cache, cache_kit_what(&k, 0), &web, 0, NULL, &e),
                     BELAY_EINVAL);
    assert_string_equal(e.text, "setting inactive descriptor 100: it cannot be watched: invalid "
                                "argument");
    assert_int_equal(cache_kit_state(&k, 0), BELAY_CACHE_ACTIVE);
    k.world.watch_fails = BELAY_ENOMEM;
    assert_int_equal(belay_cache_set_inactive(k.cache, cache_kit_what(&k, 2), &web, 0, NULL, &e),
                     BELAY_ENOMEM);
    assert_int_equal(cache_kit_state(&k, 2), BELAY_CACHE_UNKNOWN);
    assert_int_equal(cache_kit_stats(&k).peers, 0);
}

static void a_failed_change_of_descriptor_leaves_the_former_watched(void **state)
{
    struct belay_cached moved = cache_kit_what(&k, 1)[0];

    (void)state;
    cache_kit_open(&k);
    keep(1, &web);
    moved.fd = CACHE_KIT_FD + 63;
    k.world.watch_fails = BELAY_ENOMEM;
    assert_int_equal(belay_cache_set_inactive(k.cache, &moved, &web, 0, NULL, NULL), BELAY_ENOMEM);
    assert_int_equal(cache_kit_state(&k, 1), BELAY_CACHE_INACTIVE);
    assert_int_equal(watches(), 1);
    stir(1, 0);
    assert_closed(&k, 1, BELAY_REASON_UNHEALTHY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(idle_ones_are_closed_after_their_time),
        TEST(limit_evicts_the_one_inactive_for_longest),
        TEST(limit_per_peer_evicts_among_its_own),
        TEST(policy_decides_what_is_kept),
        TEST(policy_decides_who_is_evicted),
        TEST(policy_is_asked_again_when_it_said_so),
        TEST(policy_decides_which_is_given),
        TEST(policy_may_give_none),
        TEST(policy_cannot_give_what_does_not_fit),
        TEST(policy_cannot_change_the_cache),
        TEST(policy_may_close_what_it_was_asked_about),
        TEST(inactive_descriptors_are_watched),
        TEST(inactive_handles_that_stir_are_closed),
        TEST(watching_ends_with_being_inactive),
        TEST(no_watch_watches_nothing),
        TEST(what_cannot_be_watched_stays_where_it_was),
        TEST(a_failed_change_of_descriptor_leaves_the_former_watched),
    };
    return cmocka_run_group_tests_name("keep_cache_policy", tests, NULL, NULL);
}
