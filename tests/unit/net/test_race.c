/* SPDX-License-Identifier: MIT */
/* Happy Eyeballs as scripts in virtual time: what happens when, and what must be started when. */
#include "support/test.h"

#include <errno.h>
#include <stdlib.h>

#include "loop/loop.h"
#include "net/race.h"

/* "4a" is 10.0.0.1 + 'a', "6a" a v6 address; a script's list is space-separated. */
static size_t parse(const char *list, struct belay_addr *out)
{
    size_t n = 0;
    for (const char *at = list; *at; at += *at == ' ') {
        struct belay_addr *a = &out[n++];
        memset(a, 0, sizeof *a);
        a->family = *at++ == '4' ? BELAY_FAMILY_IPV4 : BELAY_FAMILY_IPV6;
        a->u.ip[0] = (uint8_t)*at++;
        a->port = 80;
    }
    return n;
}

static void add(struct bl_race *race, const char *list, bool more)
{
    struct belay_addr addrs[64];
    bl_race_addresses(race, addrs, parse(list, addrs), more);
}

static void expect_order(const struct bl_race *race, const char *list)
{
    struct belay_addr addrs[64];
    size_t n = parse(list, addrs);
    assert_int_equal(race->n, n);
    for (size_t i = 0; i < n; i++)
        assert_true(belay_addr_equal(&race->addrs[i], &addrs[i]));
}

static void families_take_turns_beginning_with_the_preferred(void **state)
{
    static const struct {
        const char *given, *order;
    } cases[] = {
        {"", ""},
        {"4a", "4a"},
        {"6a 6b 4a 4b", "6a 4a 6b 4b"},
        {"4a 4b 6a 6b", "4a 6a 4b 6b"},
        {"6a 6b 6c 4a", "6a 4a 6b 6c"},
        {"4a 6a 6b 6c", "4a 6a 6b 6c"},
        {"4a 4a 6a 4a 6a", "4a 6a"},
        {"6a 4a 6b 4b", "6a 4a 6b 4b"},
    };
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_race race;
        bl_race_init(&race, BL_MS(250));
        add(&race, cases[i].given, false);
        expect_order(&race, cases[i].order);
    }
}

/*
 * One event each: '+' addresses (more to come), '.' addresses (all), 's' expects this one to be
 * started,
 * '-' expects none to be, 'f' a failure of the i-th.
 */
struct event {
    int ms;
    char what;
    const char *list;
    int i;
};

static void play(const struct event *events, size_t n)
{
    struct bl_race race;
    bl_race_init(&race, BL_MS(250));
    for (size_t k = 0; k < n; k++) {
        const struct event *e = &events[k];
        uint64_t now = BL_MS(1000 + (uint64_t)e->ms);
        switch (e->what) {
        case '+':
        case '.':
            add(&race, e->list, e->what == '+');
            break;
        case 's':
            assert_int_equal(bl_race_next(&race, now), e->i);
            assert_true(bl_race_deadline(&race) <= now);
            bl_race_started(&race, e->i, now);
            break;
        case '-':
            assert_int_equal(bl_race_next(&race, now), -1);
            assert_true(bl_race_deadline(&race) > now);
            break;
        case 'f':
            bl_race_failed(&race, e->i, ECONNREFUSED, now);
            break;
        case 'L':
            assert_int_equal(bl_race_lost(&race), e->i);
            break;
        default:
            fail();
        }
    }
}

#define PLAY(...)                                                                                  \
    do {                                                                                           \
        static const struct event events[] = {__VA_ARGS__};                                        \
        play(events, BL_COUNT(events));                                                            \
    } while (0)

static void the_next_starts_after_the_delay(void **state)
{
    (void)state;
    PLAY({0, '.', "6a 4a 4b", 0}, {0, 's', NULL, 0}, {0, '-', NULL, 0}, {249, '-', NULL, 0},
         {250, 's', NULL, 1}, {499, '-', NULL, 0}, {500, 's', NULL, 2}, {10000, '-', NULL, 0});
}

static void the_next_starts_at_once_after_a_failure(void **state)
{
    (void)state;
    PLAY({0, '.', "6a 4a 4b", 0}, {0, 's', NULL, 0}, {10, 'f', NULL, 0}, {10, 's', NULL, 1},
         {10, '-', NULL, 0}, {259, '-', NULL, 0}, {260, 's', NULL, 2});
}

static void a_failure_hurries_one_start_only(void **state)
{
    (void)state;
    PLAY({0, '.', "6a 4a 6b 4b", 0}, {0, 's', NULL, 0}, {250, 's', NULL, 1}, {260, 'f', NULL, 0},
         {260, 's', NULL, 2}, {260, '-', NULL, 0}, {500, '-', NULL, 0}, {510, 's', NULL, 3});
}

static void late_addresses_join_the_rest(void **state)
{
    (void)state;
    PLAY({0, '+', "6a 6b", 0}, {0, 's', NULL, 0}, {20, '.', "4a 6a 6b", 0}, {249, '-', NULL, 0},
         {250, 's', NULL, 1}, {251, 'f', NULL, 1}, {251, 's', NULL, 2}, {251, 'L', NULL, 0});
}

static void what_was_tried_keeps_its_place_when_addresses_come(void **state)
{
    struct bl_race race;
    (void)state;
    bl_race_init(&race, BL_MS(250));
    add(&race, "6a 6b 6c", true);
    bl_race_started(&race, 0, 1);
    add(&race, "4a 6a 6b 6c 4b", false);
    expect_order(&race, "6a 4a 6b 4b 6c");
    assert_int_equal(race.state[0], BL_RACE_TRYING);
    assert_int_equal(race.state[1], BL_RACE_WAITING);
}

static void it_is_lost_only_when_nothing_more_comes(void **state)
{
    (void)state;
    PLAY({0, 'L', NULL, 0}, {0, '+', "6a", 0}, {0, 's', NULL, 0}, {5, 'f', NULL, 0},
         {5, 'L', NULL, 0}, {5, '-', NULL, 0}, {50, '.', "6a", 0}, {50, 'L', NULL, 1});
    PLAY({0, '.', "", 0}, {0, 'L', NULL, 1});
    PLAY({0, '+', "6a", 0}, {0, 's', NULL, 0}, {5, 'f', NULL, 0}, {50, '.', "6a 4a", 0},
         {50, 'L', NULL, 0}, {50, 's', NULL, 1}, {51, 'f', NULL, 1}, {51, 'L', NULL, 1});
}

static void no_more_than_the_limit_are_tried(void **state)
{
    struct belay_addr addrs[BL_RACE_MAX + 10];
    struct bl_race race;
    (void)state;
    memset(addrs, 0, sizeof addrs);
    for (size_t i = 0; i < BL_COUNT(addrs); i++) {
        addrs[i].family = BELAY_FAMILY_IPV4;
        addrs[i].u.ip[3] = (uint8_t)i;
    }
    bl_race_init(&race, 0);
    bl_race_addresses(&race, addrs, BL_COUNT(addrs), false);
    assert_int_equal(race.n, BL_RACE_MAX);
}

static void what_was_tried_is_told_in_order_with_times(void **state)
{
    struct belay_tried tried[BL_RACE_MAX];
    struct bl_race race;
    (void)state;
    bl_race_init(&race, BL_MS(250));
    add(&race, "6a 4a 4b", false);
    bl_race_started(&race, 0, BL_MS(100));
    bl_race_started(&race, 1, BL_MS(350));
    bl_race_failed(&race, 0, ECONNREFUSED, BL_MS(400));
    assert_int_equal(bl_race_tried(&race, BL_MS(1000), tried), 2);
    assert_int_equal(tried[0].os_error, ECONNREFUSED);
    assert_int_equal(tried[0].took_ms, 300);
    assert_int_equal(tried[1].os_error, 0);
    assert_int_equal(tried[1].took_ms, 650);
    assert_true(belay_addr_equal(&tried[1].addr, &race.addrs[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_take_turns_beginning_with_the_preferred),
        cmocka_unit_test(the_next_starts_after_the_delay),
        cmocka_unit_test(the_next_starts_at_once_after_a_failure),
        cmocka_unit_test(a_failure_hurries_one_start_only),
        cmocka_unit_test(late_addresses_join_the_rest),
        cmocka_unit_test(what_was_tried_keeps_its_place_when_addresses_come),
        cmocka_unit_test(it_is_lost_only_when_nothing_more_comes),
        cmocka_unit_test(no_more_than_the_limit_are_tried),
        cmocka_unit_test(what_was_tried_is_told_in_order_with_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
