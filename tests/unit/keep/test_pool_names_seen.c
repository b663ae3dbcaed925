/* SPDX-License-Identifier: MIT */
/* Which addresses have vanished: answers as strings, one letter for each address. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/rand.h"
#include "keep/pool_names.h"
#include "support/failing_alloc.h"

struct story {
    struct failing_alloc alloc;
    struct bl_mem mem;
    struct bl_names_seen seen;
};

static void set_up(struct story *s)
{
    failing_alloc_init(&s->alloc);
    bl_mem_init(&s->mem, &s->alloc.allocator);
    bl_names_seen_init(&s->seen);
}

static void tear_down(struct story *s)
{
    bl_names_seen_fini(&s->seen, &s->mem);
    assert_int_equal(failing_alloc_live(&s->alloc), 0);
}

/* Capitals are IPv4, small letters IPv6. */
static struct belay_addr addr_of(char letter, uint16_t port)
{
    struct belay_addr addr;
    char ip[32];
    memset(&addr, 0xa5, sizeof addr);
    if (letter >= 'a')
        snprintf(ip, sizeof ip, "2001:db8::%x", (unsigned)letter);
    else
        snprintf(ip, sizeof ip, "192.0.2.%u", (unsigned)letter);
    assert_int_equal(belay_addr_parse_ip(ip, strlen(ip), port, &addr), 0);
    return addr;
}

static void use(struct story *s, const char *letters)
{
    for (; *letters; letters++) {
        struct belay_addr addr = addr_of(*letters, 443);
        bl_names_use(&s->seen, &s->mem, &addr);
    }
}

/* A '4' or '6' in front: that family's query failed. */
static void take(struct story *s, const char *letters)
{
    struct belay_addr addrs[64];
    struct bl_names_answer answer = {.addrs = addrs};
    for (; *letters; letters++) {
        if (*letters == '4')
            answer.no_ipv4 = true;
        else if (*letters == '6')
            answer.no_ipv6 = true;
        else
            addrs[answer.n++] = addr_of(*letters, 0);
    }
    bl_names_take(&s->seen, &s->mem, &answer);
}

static bool gone(struct story *s, char letter)
{
    struct belay_addr addr = addr_of(letter, 8080);
    return bl_names_gone(&s->seen, &addr);
}

/* ---- plain histories ---- */

/* Connections go to the addresses of `use`; after the answers, separated by spaces, those of `want`
 * have vanished. */
static const struct {
    const char *use, *answers, *want;
} cases[] = {
    {"A", "A A A A", ""},
    {"A", "", ""},
    {"A", "B", ""},
    {"A", "B B", "A"},
    {"AB", "AB AB B B", "A"},
    {"AB", "AB AB B", ""},
    {"AB", "AB BA AB BA", ""}, /* another order is no change */
    {"AB", "AB CD CD", "AB"},
    {"AB", "AB CD CE", ""}, /* still changing */
    {"AB", "AB CD CE CE", "ABD"},
    {"AB", "AB B AB B B", ""}, /* came back: now twice is not enough */
    {"AB", "AB B AB B B B", ""},
    {"AB", "AB B AB B B B B", "A"},
    {"AB", "AB B B AB B B B B B", ""},
    {"AB", "AB B B AB B B B B B B", "A"},
    {"A", "A - B - - B", "A"}, /* empty answers neither count nor come between */
    {"A", "A B - -", ""},
    {"Aa", "Aa A A", "a"},     /* the name has no IPv6 any more */
    {"Aa", "Aa 6A 6A 6A", ""}, /* nobody knows */
    {"Aa", "Aa 4a 4a", ""},
    {"Aa", "Aa 6B 6B", "A"},
    {"Aa", "Aa A 6A A", "a"}, /* what is unknown does not count */
    {"Aa", "Aa A 6A", ""},
    {"A", "4- 4- B B", "A"},
};

static void check_case(size_t i)
{
    char answers[128], *rest = answers;
    struct story s;
    set_up(&s);
    snprintf(answers, sizeof answers, "%s", cases[i].answers);
    use(&s, cases[i].use);
    for (char *one; (one = strtok_r(rest, " ", &rest));)
        take(&s, strchr(one, '-') ? "" : one);
    for (const char *l = "ABCDEa"; *l; l++) {
        if (gone(&s, *l) != (strchr(cases[i].want, *l) != NULL))
            fail_msg("%s: %s: %c is %s", cases[i].use, cases[i].answers, *l,
                     gone(&s, *l) ? "gone" : "there");
    }
    tear_down(&s);
}

static void an_address_vanishes_when_steady_answers_lack_it_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++)
        check_case(i);
}

static void only_known_ip_addresses_vanish(void **state)
{
    struct story s;
    struct belay_addr path;
    (void)state;
    set_up(&s);
    assert_int_equal(belay_addr_from_path("/run/x", 6, &path), 0);
    bl_names_use(&s.seen, &s.mem, &path);
    take(&s, "B");
    take(&s, "B");
    assert_false(bl_names_gone(&s.seen, &path));
    assert_false(gone(&s, 'A')); /* nobody uses it */
    tear_down(&s);
}

static void what_came_back_is_forgotten_after_calm_answers(void **state)
{
    struct story s;
    (void)state;
    set_up(&s);
    use(&s, "A");
    take(&s, "AB");
    take(&s, "B");
    take(&s, "AB");
    assert_int_equal(s.seen.patience, 4);
    for (int i = 0; i < BL_NAMES_CALM - 1; i++)
        take(&s, "AB");
    assert_int_equal(s.seen.patience, 4);
    take(&s, "AB");
    assert_int_equal(s.seen.patience, BL_NAMES_MISSES);
    take(&s, "B");
    take(&s, "B");
    assert_true(gone(&s, 'A'));
    tear_down(&s);
}

/* ---- servers that rotate ---- */

/* Answers of `k` addresses out of `m`, at random; a connection to each. Returns how many are
 * retired in so many answers: a retired one is dialled again, to some address of an answer. */
static unsigned churn(uint64_t seed, unsigned k, unsigned m, unsigned answers)
{
    struct story s;
    struct bl_rand rand;
    char all[64] = {0}, open[64] = {0};
    unsigned retired = 0;
    set_up(&s);
    bl_rand_seed(&rand, seed);
    for (unsigned i = 0; i < m; i++)
        all[i] = open[i] = (char)('A' + i % 26 + (i / 26) * 32);
    for (unsigned i = 0; i < answers; i++) {
        use(&s, open);
        for (unsigned j = 0; j < k; j++) { /* the first k of a shuffle */
            size_t other = j + (size_t)bl_rand_below(&rand, m - j);
            char letter = all[j];
            all[j] = all[other];
            all[other] = letter;
        }
        char answer[64] = {0};
        memcpy(answer, all, k);
        take(&s, answer);
        for (unsigned c = 0; c < m; c++) {
            if (gone(&s, open[c])) {
                retired++;
                open[c] = answer[bl_rand_below(&rand, k)];
            }
        }
    }
    tear_down(&s);
    return retired;
}

/* A day of answers every 30 s. Connections that live for 300 s would end 288 times each. */
static void servers_that_rotate_cause_a_quarter_of_the_churn_of_lifetimes(void **state)
{
    static const struct {
        unsigned k, m;
    } servers[] = {{1, 2}, {1, 3}, {2, 3}, {1, 8}, {3, 4}, {3, 8}, {8, 40}};
    (void)state;
    for (size_t i = 0; i < BL_COUNT(servers); i++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            unsigned n = churn(seed, servers[i].k, servers[i].m, 2880);
            if (n > servers[i].m * 288 / 4)
                fail_msg("%u of %u, seed %d: %u retired", servers[i].k, servers[i].m, (int)seed, n);
        }
    }
}

static void servers_that_take_turns_cause_none(void **state)
{
    static const char *const turns[][4] = {
        {"A", "B", "A", "B"}, {"A", "B", "C", "D"}, {"AB", "BC", "CD", "DA"}};
    (void)state;
    for (size_t i = 0; i < BL_COUNT(turns); i++) {
        struct story s;
        set_up(&s);
        use(&s, i ? "ABCD" : "AB");
        for (int n = 0; n < 1000; n++) {
            take(&s, turns[i][n % 4]);
            assert_false(gone(&s, 'A'));
            assert_false(gone(&s, 'B'));
            if (i)
                assert_false(gone(&s, 'C') || gone(&s, 'D'));
        }
        tear_down(&s);
    }
}

/* ---- limits ---- */

static struct belay_addr numbered(unsigned i)
{
    struct belay_addr addr;
    memset(&addr, 0, sizeof addr);
    addr.family = BELAY_FAMILY_IPV4;
    addr.u.ip[0] = 10;
    addr.u.ip[2] = (uint8_t)(i >> 8);
    addr.u.ip[3] = (uint8_t)i;
    return addr;
}

static void what_was_missing_for_longest_is_given_up_first(void **state)
{
    struct belay_addr addrs[BL_NAMES_ADDRS_MAX + 1];
    struct bl_names_answer answer = {.addrs = addrs};
    struct story s;
    (void)state;
    set_up(&s);
    for (unsigned i = 0; i <= BL_NAMES_ADDRS_MAX; i++)
        addrs[i] = numbered(i);
    bl_names_use(&s.seen, &s.mem, &addrs[BL_NAMES_ADDRS_MAX]);
    answer.n = BL_NAMES_ADDRS_MAX; /* one more than there is room: the used one goes */
    bl_names_take(&s.seen, &s.mem, &answer);
    bl_names_take(&s.seen, &s.mem, &answer);
    assert_int_equal(s.seen.n, BL_NAMES_ADDRS_MAX);
    assert_true(s.seen.steady);
    bl_names_use(&s.seen, &s.mem, &addrs[BL_NAMES_ADDRS_MAX]); /* and finds no room again */
    bl_names_take(&s.seen, &s.mem, &answer);
    bl_names_take(&s.seen, &s.mem, &answer);
    assert_false(bl_names_gone(&s.seen, &addrs[BL_NAMES_ADDRS_MAX]));
    answer.n = 1;
    bl_names_take(&s.seen, &s.mem, &answer);
    bl_names_take(&s.seen, &s.mem, &answer);
    assert_true(bl_names_gone(&s.seen, &addrs[1]));
    tear_down(&s);
}

static void without_memory_nothing_vanishes(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 8; n++) {
        struct story s;
        set_up(&s);
        failing_alloc_from(&s.alloc, n);
        use(&s, "ABCD");
        take(&s, "ABCDEFGHI");
        take(&s, "ABCDEFGHI");
        for (const char *l = "ABCDEFGHI"; *l; l++)
            assert_false(gone(&s, *l));
        if (n == 1)
            assert_int_equal(s.seen.n, 0);
        failing_alloc_from(&s.alloc, 0);
        tear_down(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_vanishes_when_steady_answers_lack_it_twice),
        cmocka_unit_test(only_known_ip_addresses_vanish),
        cmocka_unit_test(what_came_back_is_forgotten_after_calm_answers),
        cmocka_unit_test(servers_that_rotate_cause_a_quarter_of_the_churn_of_lifetimes),
        cmocka_unit_test(servers_that_take_turns_cause_none),
        cmocka_unit_test(what_was_missing_for_longest_is_given_up_first),
        cmocka_unit_test(without_memory_nothing_vanishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
