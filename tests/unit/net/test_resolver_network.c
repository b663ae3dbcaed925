/* SPDX-License-Identifier: MIT */
/* What the resolver does when the network changes, and what it says an answer is worth. */
#include "unit/loop/fake_world.h"

#include <string.h>

#include "net/resolver.h"
#include "support/fake_dns.h"

struct story {
    struct fake_world w;
    struct fake_dns dns;
    struct belay_dns seam; /* the same, but it refuses when told */
    int refuse;
    uint64_t began;
};

static int ask_fake(struct belay_loop *loop, const char *name, enum belay_dns_type type,
                    belay_dns_fn *fn, void *fn_arg, void **ret_handle, void *arg)
{
    struct story *s = arg;
    if (s->refuse)
        return s->refuse;
    return s->dns.dns.query(loop, name, type, fn, fn_arg, ret_handle, s->dns.dns.arg);
}

static void forget_fake(void *handle, void *arg)
{
    struct story *s = arg;
    s->dns.dns.forget(handle, s->dns.dns.arg);
}

static void set_up(struct story *s)
{
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_loop *loop;
    memset(s, 0, sizeof *s);
    fake_world_init(&s->w, NULL);
    fake_dns_init(&s->dns);
    s->seam = (struct belay_dns){sizeof s->seam, ask_fake, forget_fake, s};
    s->w.world.dns = &s->seam;
    o.world = &s->w.world;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    s->began = bl_now(loop);
}

static void tear_down(struct story *s)
{
    fake_world_close(&s->w);
    assert_int_equal(fake_dns_open(&s->dns), 0);
}

struct caller {
    struct bl_lookup *lookup;
    unsigned calls;
    int code;
    char first[BELAY_ADDR_TEXT_MAX];
    struct bl_lookup_worth worth;
};

static void on_addrs(const struct belay_addr *addrs, size_t n, bool more,
                     const struct belay_error *error, void *arg)
{
    struct caller *c = arg;
    c->calls++;
    c->code = error ? error->code : 0;
    if (n)
        belay_addr_print(&addrs[0], c->first, sizeof c->first);
    if (!more)
        bl_lookup_worth(c->lookup, &c->worth);
}

static void ask_family(struct story *s, struct caller *c, const char *name,
                       enum belay_family family)
{
    struct bl_lookup_options options = {.family = family};
    memset(c, 0, sizeof *c);
    assert_int_equal(bl_resolve(s->w.loop, name, &options, on_addrs, c, &c->lookup), 0);
}

static void ask(struct story *s, struct caller *c, const char *name)
{
    ask_family(s, c, name, BELAY_FAMILY_IPV4);
}

static void turn(struct story *s)
{
    assert_int_equal(belay_loop_turn(s->w.loop, 0), 0);
}

static struct fake_query *query_a(struct story *s, const char *name)
{
    return fake_dns_find(&s->dns, name, BELAY_DNS_A);
}

/* ---- another network ---- */

static void answers_of_the_old_network_are_forgotten(void **state)
{
    struct story s;
    struct caller c;
    (void)state;
    set_up(&s);
    belay_loop_network_changed(s.w.loop); /* nothing was asked yet */
    ask(&s, &c, "a.test");
    fake_dns_answer_ips(query_a(&s, "a.test"), "192.0.2.1");
    turn(&s);
    ask(&s, &c, "no.test");
    fake_dns_answer(query_a(&s, "no.test"), BELAY_ENONAME, NULL, 0);
    turn(&s);
    ask(&s, &c, "a.test");
    turn(&s);
    assert_int_equal(s.dns.n, 2);
    belay_loop_network_changed(s.w.loop);
    assert_int_equal(s.dns.n, 2); /* and nobody asks for them */
    ask(&s, &c, "a.test");
    fake_dns_answer_ips(query_a(&s, "a.test"), "192.0.2.9");
    turn(&s);
    assert_string_equal(c.first, "192.0.2.9");
    ask(&s, &c, "no.test");
    fake_dns_answer_ips(query_a(&s, "no.test"), "192.0.2.8");
    turn(&s);
    assert_string_equal(c.first, "192.0.2.8");
    tear_down(&s);
}

static void what_is_being_asked_for_is_asked_for_anew(void **state)
{
    struct story s;
    struct caller c, d;
    struct fake_query *old;
    (void)state;
    set_up(&s);
    ask(&s, &c, "a.test");
    old = query_a(&s, "a.test");
    belay_loop_network_changed(s.w.loop);
    assert_false(old->open);
    assert_int_equal(s.dns.forgotten, 1);
    assert_int_equal(s.dns.n, 2);
    turn(&s);
    assert_int_equal(c.calls, 0);
    ask(&s, &d, "a.test"); /* shares it */
    fake_dns_answer_ips(query_a(&s, "a.test"), "192.0.2.9");
    turn(&s);
    assert_int_equal(c.calls, 1);
    assert_string_equal(c.first, "192.0.2.9");
    assert_string_equal(d.first, "192.0.2.9");
    ask(&s, &c, "a.test"); /* and is kept */
    turn(&s);
    assert_int_equal(c.calls, 1);
    assert_int_equal(s.dns.n, 2);
    tear_down(&s);
}

static void what_cannot_be_asked_for_anew_is_answered_and_not_kept(void **state)
{
    struct story s;
    struct caller c;
    (void)state;
    set_up(&s);
    ask(&s, &c, "a.test");
    s.refuse = BELAY_ENOMEM;
    belay_loop_network_changed(s.w.loop);
    s.refuse = 0;
    assert_int_equal(s.dns.forgotten, 0);
    fake_dns_answer_ips(query_a(&s, "a.test"), "192.0.2.1");
    turn(&s);
    assert_string_equal(c.first, "192.0.2.1");
    ask(&s, &c, "a.test");
    assert_int_equal(s.dns.n, 2);
    fake_dns_answer_ips(query_a(&s, "a.test"), "192.0.2.9");
    turn(&s);
    assert_string_equal(c.first, "192.0.2.9");
    ask(&s, &c, "a.test"); /* of the new network: kept again */
    turn(&s);
    assert_int_equal(s.dns.n, 2);
    tear_down(&s);
}

/* ---- worth ---- */

static void an_answer_says_how_long_it_is_kept(void **state)
{
    struct story s;
    struct caller c;
    (void)state;
    set_up(&s);
    ask(&s, &c, "a.test");
    fake_dns_answer_ips(query_a(&s, "a.test"), "192.0.2.1"); /* for a minute */
    turn(&s);
    assert_true(c.worth.until == s.began + BL_MS(60000));
    assert_false(c.worth.no_ipv4 || c.worth.no_ipv6);
    s.w.now_ns += BL_MS(1000);
    turn(&s);
    ask(&s, &c, "a.test"); /* from the cache */
    turn(&s);
    assert_true(c.worth.until == s.began + BL_MS(60000));
    ask_family(&s, &c, "a.test", BELAY_FAMILY_NONE); /* that there is no AAAA ends before */
    fake_dns_answer(fake_dns_find(&s.dns, "a.test", BELAY_DNS_AAAA), BELAY_ENONAME, NULL, 0);
    turn(&s);
    assert_true(c.worth.until == s.began + BL_MS(60000));
    assert_false(c.worth.no_ipv4 || c.worth.no_ipv6);
    ask(&s, &c, "127.0.0.1");
    turn(&s);
    assert_true(c.worth.until == 0);
    tear_down(&s);
}

static void an_answer_says_which_family_is_unknown(void **state)
{
    static const struct {
        enum belay_family family;
        int aaaa, a; /* 1: answered; a status; 0: not asked for */
        bool no_ipv6, no_ipv4;
    } cases[] = {
        {BELAY_FAMILY_NONE, 1, 1, false, false},
        {BELAY_FAMILY_NONE, BELAY_ETIMEDOUT, 1, true, false},
        {BELAY_FAMILY_NONE, 1, BELAY_EDNS, false, true},
        {BELAY_FAMILY_NONE, BELAY_ENONAME, BELAY_EDNS, false, true},
        {BELAY_FAMILY_IPV6, BELAY_EDNS, 0, true, false},
        {BELAY_FAMILY_IPV4, 0, BELAY_EDNS, false, true},
    };
    struct story s;
    struct caller c;
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        set_up(&s);
        ask_family(&s, &c, "a.test", cases[i].family);
        for (int k = 0; k < 2; k++) {
            int status = k ? cases[i].a : cases[i].aaaa;
            struct fake_query *q =
                fake_dns_find(&s.dns, "a.test", k ? BELAY_DNS_A : BELAY_DNS_AAAA);
            if (status == 1)
                fake_dns_answer_ips(q, k ? "192.0.2.1" : "2001:db8::1");
            else if (status)
                fake_dns_answer(q, status, NULL, 0);
        }
        turn(&s);
        assert_int_equal(c.worth.no_ipv6, cases[i].no_ipv6);
        assert_int_equal(c.worth.no_ipv4, cases[i].no_ipv4);
        tear_down(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_the_old_network_are_forgotten),
        cmocka_unit_test(what_is_being_asked_for_is_asked_for_anew),
        cmocka_unit_test(what_cannot_be_asked_for_anew_is_answered_and_not_kept),
        cmocka_unit_test(an_answer_says_how_long_it_is_kept),
        cmocka_unit_test(an_answer_says_which_family_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
