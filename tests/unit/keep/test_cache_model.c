/* SPDX-License-Identifier: MIT */
/*
 * Random histories against a naive model: an array of what each connection is, reread in full for
 * every judgement. It shares no code with the cache.
 */
#include <stdlib.h>

#include "unit/keep/cache_kit.h"

#define THINGS    12
#define OWNERS    3
#define PEERS     3
#define BINDINGS  2
#define STEPS     400
#define HISTORIES 300

struct model {
    enum belay_cache_state state;
    int owner, peer, binding;
    uint64_t stamp; /* of its last move: orders owners' lists and shelves */
    uint64_t since_ns;
    bool data;
    unsigned closed, destroyed;
    enum belay_reason reason;
};

static struct cache_kit k;
static struct model model[THINGS];
static int owners[OWNERS];
static uint64_t stamps, random_state;
static int max_inactive, max_per_peer;
static int64_t max_idle_ms;
static bool restrictive;
static uint64_t seed_now;

static int say_seed(void **state)
{
    (void)state;
    if (seed_now)
        print_error("history %llu failed; CACHE_SEED=%llu replays it\n",
                    (unsigned long long)seed_now, (unsigned long long)seed_now);
    return 0;
}

static unsigned draw(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % n);
}

static struct belay_cache_peer peer_of(int i)
{
    return i == 0   ? belay_cache_direct("192.0.2.1", 80)
           : i == 1 ? belay_cache_direct_name("192.0.2.1", 80)
                    : belay_cache_socks5("gate.test", 1080, "192.0.2.1", 80);
}

/* ---- the model ---- */

static bool on_shelf(const struct model *m, int peer, int binding)
{
    return m->state == BELAY_CACHE_INACTIVE && m->peer == peer && m->binding == binding;
}

static void lose_data(struct model *m)
{
    m->destroyed += m->data;
    m->data = false;
}

static void condemn(struct model *m, enum belay_reason reason)
{
    m->state = BELAY_CACHE_CLOSING;
    m->reason = reason;
}

/* The first or last of a shelf (peer -1: of all), by the time of its becoming inactive; -1. */
static int extreme(int peer, int binding, bool latest)
{
    int found = -1;

    for (int i = 0; i < THINGS; i++)
        if (peer < 0 ? model[i].state == BELAY_CACHE_INACTIVE : on_shelf(&model[i], peer, binding))
            if (found < 0 || (model[i].stamp > model[found].stamp) == latest)
                found = i;
    return found;
}

static int count(int peer, int binding)
{
    int n = 0;

    for (int i = 0; i < THINGS; i++)
        n += peer < 0 ? model[i].state == BELAY_CACHE_INACTIVE : on_shelf(&model[i], peer, binding);
    return n;
}

static void expire(void)
{
    for (int i = 0; max_idle_ms && i < THINGS; i++)
        if (model[i].state == BELAY_CACHE_INACTIVE &&
            k.world.now_ns - model[i].since_ns >= (uint64_t)max_idle_ms * 1000000u)
            condemn(&model[i], BELAY_REASON_IDLE);
}

static void hold_limits(int peer, int binding)
{
    while (max_per_peer && count(peer, binding) > max_per_peer)
        condemn(&model[extreme(peer, binding, false)], BELAY_REASON_EVICTED);
    while (max_inactive && count(-1, 0) > max_inactive)
        condemn(&model[extreme(-1, 0, false)], BELAY_REASON_EVICTED);
}

/* The loop has run: those that were to be closed are. */
static void settle(void)
{
    cache_kit_settle(&k);
    for (int i = 0; i < THINGS; i++) {
        struct model *m = &model[i];

        if (m->state != BELAY_CACHE_CLOSING)
            continue;
        m->closed++;
        lose_data(m);
        m->state = BELAY_CACHE_UNKNOWN;
        if (k.things[i].reason != m->reason)
            fail_msg("%d was closed for %s, not %s", i, belay_reason_name(k.things[i].reason),
                     belay_reason_name(m->reason));
    }
}

/* ---- one step of both ---- */

static void step_active(int i)
{
    int o = (int)draw(OWNERS);
    int rc = belay_cache_set_active(k.cache, cache_kit_what(&k, (unsigned)i), &owners[o], NULL);
    struct model *m = &model[i];

    if (m->state == BELAY_CACHE_CLOSING) {
        assert_int_equal(rc, BELAY_ECLOSED);
        return;
    }
    assert_int_equal(rc, 0);
    lose_data(m);
    if (m->state == BELAY_CACHE_ACTIVE && m->owner == o)
        return;
    m->state = BELAY_CACHE_ACTIVE;
    m->owner = o;
    m->stamp = ++stamps;
}

static void step_inactive(int i)
{
    int p = (int)draw(PEERS), b = (int)draw(BINDINGS);
    struct belay_cache_peer peer = peer_of(p);
    struct model *m = &model[i];
    bool data = draw(2);
    int rc;

    if (m->state == BELAY_CACHE_CLOSING)
        return;
    rc = data ? cache_kit_inactive_data(&k, (unsigned)i, &peer, (uint64_t)b)
              : cache_kit_inactive(&k, (unsigned)i, &peer, (uint64_t)b);
    assert_int_equal(rc, restrictive ? BELAY_REFUSED : BELAY_KEPT);
    lose_data(m);
    if (restrictive) {
        m->state = BELAY_CACHE_UNKNOWN;
        return;
    }
    *m = (struct model){.state = BELAY_CACHE_INACTIVE,
                        .peer = p,
                        .binding = b,
                        .stamp = ++stamps,
                        .since_ns = k.world.now_ns,
                        .data = data,
                        .closed = m->closed,
                        .destroyed = m->destroyed};
    hold_limits(p, b);
}

static void step_find(void)
{
    int p = (int)draw(PEERS), b = (int)draw(BINDINGS), o = (int)draw(OWNERS + 1);
    struct belay_cache_peer peer = peer_of(p);
    int expected = extreme(p, b, true);
    int found = cache_kit_find(&k, &peer, (uint64_t)b, o < OWNERS ? &owners[o] : NULL);

    assert_int_equal(found, expected);
    if (found < 0)
        return;
    lose_data(&model[found]);
    model[found].state = o < OWNERS ? BELAY_CACHE_ACTIVE : BELAY_CACHE_UNKNOWN;
    model[found].owner = o;
    model[found].stamp = ++stamps;
}

static void step_out(int i, bool close)
{
    const struct belay_cached *what = cache_kit_what(&k, (unsigned)i);
    int rc =
        close ? belay_cache_close_connection(k.cache, what) : belay_cache_forget(k.cache, what);
    struct model *m = &model[i];

    if (m->state == BELAY_CACHE_UNKNOWN) {
        assert_int_equal(rc, BELAY_EINVAL);
    } else if (m->state == BELAY_CACHE_CLOSING) {
        assert_int_equal(rc, close ? 0 : BELAY_ECLOSED);
    } else if (close) {
        condemn(m, BELAY_REASON_OWNER_CLOSED);
    } else {
        lose_data(m);
        m->state = BELAY_CACHE_UNKNOWN;
    }
}

static void step_close_all(void)
{
    belay_cache_close_all(k.cache);
    for (int i = 0; i < THINGS; i++)
        if (model[i].state == BELAY_CACHE_ACTIVE || model[i].state == BELAY_CACHE_INACTIVE)
            condemn(&model[i], BELAY_REASON_CLEARED);
}

static void step_time(void)
{
    settle(); /* what was to be closed is closed before time passes */
    cache_kit_pass(&k, (int64_t)draw(40) * 10);
    expire();
    settle();
}

static void step(void)
{
    int i = (int)draw(THINGS);

    switch (draw(20)) {
    case 0 ... 4:
        step_active(i);
        break;
    case 5 ... 10:
        step_inactive(i);
        break;
    case 11 ... 14:
        step_find();
        break;
    case 15:
        step_out(i, false);
        break;
    case 16:
        step_out(i, true);
        break;
    case 17:
        if (draw(10) == 0)
            step_close_all();
        break;
    default:
        step_time();
    }
}

/* ---- judgement ---- */

static void compare_owner(int o)
{
    struct belay_cached got[THINGS];
    size_t n = belay_cache_find_owned(k.cache, &owners[o], got, THINGS), expected = 0;
    uint64_t stamp = 0;

    for (int i = 0; i < THINGS; i++)
        expected += model[i].state == BELAY_CACHE_ACTIVE && model[i].owner == o;
    assert_int_equal(n, expected);
    for (size_t i = 0; i < n; i++) {
        const struct model *m = &model[cache_kit_number(&got[i])];

        assert_true(m->state == BELAY_CACHE_ACTIVE && m->owner == o && m->stamp > stamp);
        stamp = m->stamp;
    }
}

static void compare(void)
{
    const struct belay_cache_entry *e = NULL;
    uint64_t stamp = 0;
    int walked = 0;

    for (int i = 0; i < THINGS; i++) {
        assert_int_equal(cache_kit_state(&k, (unsigned)i), model[i].state);
        assert_int_equal(k.things[i].closed, model[i].closed);
        assert_int_equal(k.things[i].told, model[i].closed);
    }
    for (int o = 0; o < OWNERS; o++)
        compare_owner(o);
    while ((e = belay_cache_next(k.cache, e))) {
        const struct model *m = &model[cache_kit_of(&k, e) - k.things];

        assert_true(m->state == BELAY_CACHE_INACTIVE && m->stamp > stamp);
        stamp = m->stamp;
        walked++;
    }
    assert_int_equal(walked, count(-1, 0));
}

static void play(uint64_t seed)
{
    random_state = seed * 0x9e3779b97f4a7c15u + 1;
    memset(model, 0, sizeof model);
    stamps = 0;
    restrictive = draw(6) == 0;
    max_inactive = draw(2) ? 1 + (int)draw(6) : 0;
    max_per_peer = draw(2) ? 1 + (int)draw(3) : 0;
    max_idle_ms = draw(2) ? 200 : 0;
    cache_kit_begin(&k);
    k.policy = restrictive ? belay_cache_restrictive() : belay_cache_aggressive();
    k.options.policy = &k.policy;
    k.options.no_watch = true;
    k.options.max_inactive = max_inactive;
    k.options.max_inactive_per_peer = max_per_peer;
    k.options.max_idle_time_ms = max_idle_ms;
    cache_kit_open(&k);
    for (int i = 0; i < STEPS; i++) {
        step();
        compare();
    }
    step_close_all();
    settle();
    compare();
    for (int i = 0; i < THINGS; i++)
        assert_int_equal(k.things[i].destroyed, model[i].destroyed);
    assert_int_equal(cache_kit_stats(&k).owners + cache_kit_stats(&k).peers, 0);
    cache_kit_end(&k);
}

static void histories_agree_with_the_model(void **state)
{
    const char *one = getenv("CACHE_SEED");

    (void)state;
    if (one) {
        play(strtoull(one, NULL, 10));
        return;
    }
    for (seed_now = 1; seed_now <= HISTORIES; seed_now++)
        play(seed_now);
    seed_now = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(histories_agree_with_the_model, say_seed),
    };
    return cmocka_run_group_tests_name("keep_cache_model", tests, NULL, NULL);
}
