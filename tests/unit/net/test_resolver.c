/* SPDX-License-Identifier: MIT */
/* The resolver against a dns seam of the test's own, in virtual time. */
#include "net_kit.h"

#include <stdio.h>

#include "net/resolver.h"

/* ---- the seam: queries that are answered by hand ---- */

#define QUERIES_MAX 16

struct query {
    char name[256];
    enum belay_dns_type type;
    belay_dns_fn *fn;
    void *arg;
    bool open, forgotten;
};

struct fake {
    struct net_kit kit;
    struct belay_clock clock;
    struct belay_dns dns;
    uint64_t now;
    struct query queries[QUERIES_MAX];
    size_t asked;
    int refuse; /* what query answers with */
};

static int fake_query(struct belay_loop *loop, const char *name, enum belay_dns_type type,
                      belay_dns_fn *fn, void *fn_arg, void **ret_handle, void *arg)
{
    struct fake *f = arg;
    struct query *q = &f->queries[f->asked];
    (void)loop;
    if (f->refuse)
        return f->refuse;
    assert_true(f->asked < QUERIES_MAX);
    f->asked++;
    snprintf(q->name, sizeof q->name, "%s", name);
    q->type = type;
    q->fn = fn;
    q->arg = fn_arg;
    q->open = true;
    q->forgotten = false;
    *ret_handle = q;
    return 0;
}

static void fake_forget(void *handle, void *arg)
{
    struct query *q = handle;
    (void)arg;
    assert_true(q->open);
    q->open = false;
    q->forgotten = true;
}

static uint64_t fake_now(void *arg)
{
    return ((struct fake *)arg)->now;
}

static int64_t fake_wall(void *arg)
{
    (void)arg;
    return 0;
}

static void set_up_cache(struct fake *f, int32_t cache_max)
{
    struct belay_loop_options options = belay_loop_options_init();
    struct belay_world world = belay_world_init();
    memset(f, 0, sizeof *f);
    f->now = BL_MS(1000000);
    f->clock = (struct belay_clock){sizeof f->clock, fake_now, fake_wall, f};
    f->dns = (struct belay_dns){sizeof f->dns, fake_query, fake_forget, f};
    world.clock = &f->clock;
    world.dns = &f->dns;
    options.world = &world;
    options.dns_cache_max = cache_max;
    net_kit_set_up_options(&f->kit, &options);
}

static void set_up(struct fake *f)
{
    set_up_cache(f, 0);
}

static void tear_down(struct fake *f)
{
    net_kit_tear_down(&f->kit);
    for (size_t i = 0; i < f->asked; i++)
        assert_false(f->queries[i].open);
}

static void pass(struct fake *f, uint64_t ms)
{
    f->now += BL_MS(ms);
    net_kit_settle(&f->kit);
}

static struct query *find(struct fake *f, enum belay_dns_type type)
{
    for (size_t i = 0; i < f->asked; i++) {
        if (f->queries[i].open && f->queries[i].type == type)
            return &f->queries[i];
    }
    fail_msg("no open query of type %d", (int)type);
    return NULL;
}

/* Answers the oldest open query of a type: a status, or addresses. */
static void fail_query(struct fake *f, enum belay_dns_type type, int status)
{
    struct query *q = find(f, type);
    q->open = false;
    q->fn(status, NULL, 0, q->arg);
}

static void answer(struct fake *f, enum belay_dns_type type, uint32_t ttl, const char *ip,
                   const char *ip2)
{
    struct query *q = find(f, type);
    struct belay_dns_record records[2];
    size_t n = 0;
    memset(records, 0, sizeof records);
    for (const char *at = ip; at; at = at == ip ? ip2 : NULL) {
        records[n].ttl_s = ttl;
        assert_int_equal(belay_addr_parse_ip(at, strlen(at), 0, &records[n].addr), 0);
        n++;
    }
    q->open = false;
    q->fn(0, records, n, q->arg);
}

/* ---- a caller ---- */

struct caller {
    struct bl_lookup *lookup;
    unsigned calls;
    bool more, done;
    struct belay_addr addrs[64];
    size_t n;
    struct belay_error error;
    bool cancel_inside;
};

static void on_addrs(const struct belay_addr *addrs, size_t n, bool more,
                     const struct belay_error *error, void *arg)
{
    struct caller *c = arg;
    assert_false(c->done);
    assert_true((addrs != NULL) == (n > 0));
    assert_true((error != NULL) == (n == 0));
    c->calls++;
    c->more = more;
    c->done = !more;
    c->n = n;
    for (size_t i = 0; i < n; i++)
        c->addrs[i] = addrs[i];
    if (error)
        c->error = *error;
    if (c->cancel_inside) {
        bl_resolve_cancel(c->lookup);
        c->done = true;
    }
}

static void ask_with(struct fake *f, struct caller *c, const char *host,
                     const struct bl_lookup_options *options)
{
    memset(c, 0, sizeof *c);
    assert_int_equal(bl_resolve(f->kit.loop, host, options, on_addrs, c, &c->lookup), 0);
    assert_int_equal(c->calls, 0);
}

static void ask(struct fake *f, struct caller *c, const char *host)
{
    static const struct bl_lookup_options both = {.port = 443};
    ask_with(f, c, host, &both);
}

static void ask_fresh(struct fake *f, struct caller *c, const char *host)
{
    static const struct bl_lookup_options fresh = {.port = 443, .fresh = true};
    ask_with(f, c, host, &fresh);
}

static void ask_ipv4(struct fake *f, struct caller *c, const char *host)
{
    static const struct bl_lookup_options ipv4 = {.family = BELAY_FAMILY_IPV4, .port = 443};
    ask_with(f, c, host, &ipv4);
}

static void expect(const struct caller *c, const char *first, const char *second)
{
    char text[BELAY_ADDR_TEXT_MAX];
    assert_true(c->done);
    assert_int_equal(c->n, second ? 2 : 1);
    assert_string_equal(belay_addr_print(&c->addrs[0], text, sizeof text), first);
    if (second)
        assert_string_equal(belay_addr_print(&c->addrs[1], text, sizeof text), second);
}

/* ---- without a query ---- */

static void numbers_and_localhost_need_no_query(void **state)
{
    struct fake f;
    struct caller c;
    (void)state;
    set_up(&f);
    ask(&f, &c, "192.0.2.7");
    net_kit_settle(&f.kit);
    expect(&c, "192.0.2.7:443", NULL);
    ask(&f, &c, "2001:db8::7");
    net_kit_settle(&f.kit);
    expect(&c, "[2001:db8::7]:443", NULL);
    ask_ipv4(&f, &c, "db.LOCALHOST.");
    net_kit_settle(&f.kit);
    expect(&c, "127.0.0.1:443", NULL);
    f.kit.no_ipv6 = true;
    ask(&f, &c, "localhost");
    net_kit_settle(&f.kit);
    expect(&c, "127.0.0.1:443", "[::1]:443");
    ask_ipv4(&f, &c, "::1");
    net_kit_settle(&f.kit);
    assert_int_equal(c.error.code, BELAY_ENONAME);
    assert_string_equal(c.error.text, "looking up ::1: no IPv4 address");
    assert_int_equal(f.asked, 0);
    tear_down(&f);
}

static void bad_names_are_refused_at_once(void **state)
{
    static const struct bl_lookup_options options = {.port = 1};
    struct fake f;
    struct caller c = {0};
    (void)state;
    set_up(&f);
    assert_int_equal(bl_resolve(f.kit.loop, "a b", &options, on_addrs, &c, &c.lookup),
                     BELAY_EINVAL);
    assert_int_equal(bl_resolve(f.kit.loop, "", &options, on_addrs, &c, &c.lookup), BELAY_EINVAL);
    f.refuse = BELAY_EINVAL;
    assert_int_equal(bl_resolve(f.kit.loop, "a.test", &options, on_addrs, &c, &c.lookup),
                     BELAY_EINVAL);
    net_kit_settle(&f.kit);
    assert_int_equal(c.calls, 0);
    tear_down(&f);
}

/* ---- two families ---- */

static void both_families_are_asked_and_told_together(void **state)
{
    struct fake f;
    struct caller c;
    (void)state;
    set_up(&f);
    f.kit.no_ipv6 = true;
    ask(&f, &c, "Db.Test");
    assert_int_equal(f.asked, 2);
    assert_string_equal(f.queries[0].name, "db.test");
    answer(&f, BELAY_DNS_A, 60, "192.0.2.1", NULL);
    answer(&f, BELAY_DNS_AAAA, 60, "2001:db8::1", NULL);
    assert_int_equal(c.calls, 0);
    net_kit_settle(&f.kit);
    assert_int_equal(c.calls, 1);
    expect(&c, "192.0.2.1:443", "[2001:db8::1]:443"); /* sorted: IPv6 has no route here */
    tear_down(&f);
}

static void ipv4_waits_50_ms_for_ipv6_which_may_come_later(void **state)
{
    struct fake f;
    struct caller c;
    (void)state;
    set_up(&f);
    f.kit.no_ipv6 = true;
    ask(&f, &c, "db.test");
    answer(&f, BELAY_DNS_A, 60, "192.0.2.1", NULL);
    pass(&f, 49);
    assert_int_equal(c.calls, 0);
    pass(&f, 1);
    assert_int_equal(c.calls, 1);
    assert_true(c.more);
    assert_int_equal(c.n, 1);
    pass(&f, 1000);
    assert_int_equal(c.calls, 1);
    answer(&f, BELAY_DNS_AAAA, 60, "2001:db8::1", NULL);
    net_kit_settle(&f.kit);
    assert_int_equal(c.calls, 2);
    expect(&c, "192.0.2.1:443", "[2001:db8::1]:443");
    tear_down(&f);
}

static void ipv6_does_not_wait_for_ipv4(void **state)
{
    struct fake f;
    struct caller c;
    (void)state;
    set_up(&f);
    ask(&f, &c, "db.test");
    answer(&f, BELAY_DNS_AAAA, 60, "2001:db8::1", NULL);
    net_kit_settle(&f.kit);
    assert_int_equal(c.calls, 1);
    assert_true(c.more);
    fail_query(&f, BELAY_DNS_A, BELAY_ENONAME);
    net_kit_settle(&f.kit);
    assert_int_equal(c.calls, 2);
    expect(&c, "[2001:db8::1]:443", NULL);
    tear_down(&f);
}

static void no_address_at_all_is_the_worst_that_happened(void **state)
{
    static const struct {
        int aaaa, a, told;
    } cases[] = {
        {BELAY_ENONAME, BELAY_ENONAME, BELAY_ENONAME},
        {BELAY_ENONAME, BELAY_EDNS, BELAY_EDNS},
        {BELAY_ETIMEDOUT, BELAY_ENONAME, BELAY_ETIMEDOUT},
        {BELAY_EDNS, BELAY_EDNS, BELAY_EDNS},
    };
    struct fake f;
    struct caller c;
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        set_up(&f);
        ask(&f, &c, "db.test");
        fail_query(&f, BELAY_DNS_AAAA, cases[i].aaaa);
        pass(&f, 100);
        assert_int_equal(c.calls, 0);
        fail_query(&f, BELAY_DNS_A, cases[i].a);
        net_kit_settle(&f.kit);
        assert_int_equal(c.calls, 1);
        assert_int_equal(c.error.code, cases[i].told);
        assert_int_equal(c.error.stage, BELAY_STAGE_RESOLVE);
        assert_non_null(strstr(c.error.text, "looking up db.test: "));
        tear_down(&f);
    }
}

/* ---- sharing and the cache ---- */

static void look_ups_of_a_name_share_its_queries(void **state)
{
    struct fake f;
    struct caller a, b, c;
    (void)state;
    set_up(&f);
    ask_ipv4(&f, &a, "db.test");
    ask_ipv4(&f, &b, "DB.test");
    ask_fresh(&f, &c, "db.test");
    assert_int_equal(f.asked, 2); /* one A, and the AAAA of the third */
    answer(&f, BELAY_DNS_A, 60, "192.0.2.1", "192.0.2.2");
    fail_query(&f, BELAY_DNS_AAAA, BELAY_ENONAME);
    net_kit_settle(&f.kit);
    expect(&a, "192.0.2.1:443", "192.0.2.2:443");
    expect(&b, "192.0.2.1:443", "192.0.2.2:443");
    expect(&c, "192.0.2.1:443", "192.0.2.2:443");
    tear_down(&f);
}

static void an_answer_is_kept_for_its_ttl(void **state)
{
    struct fake f;
    struct caller c;
    (void)state;
    set_up(&f);
    ask_ipv4(&f, &c, "db.test");
    answer(&f, BELAY_DNS_A, 60, "192.0.2.1", NULL);
    pass(&f, 59999);
    ask_ipv4(&f, &c, "db.test");
    net_kit_settle(&f.kit);
    expect(&c, "192.0.2.1:443", NULL);
    assert_int_equal(f.asked, 1);
    pass(&f, 1);
    ask_ipv4(&f, &c, "db.test");
    assert_int_equal(f.asked, 2);
    answer(&f, BELAY_DNS_A, 0, "192.0.2.2", NULL); /* TTL 0 is for those who wait only */
    net_kit_settle(&f.kit);
    expect(&c, "192.0.2.2:443", NULL);
    ask_ipv4(&f, &c, "db.test");
    assert_int_equal(f.asked, 3);
    bl_resolve_cancel(c.lookup);
    tear_down(&f);
}

static void that_a_name_does_not_exist_is_kept_for_5_seconds(void **state)
{
    struct fake f;
    struct caller c;
    (void)state;
    set_up(&f);
    ask_ipv4(&f, &c, "no.test");
    fail_query(&f, BELAY_DNS_A, BELAY_ENONAME);
    pass(&f, 4999);
    ask_ipv4(&f, &c, "no.test");
    net_kit_settle(&f.kit);
    assert_int_equal(c.error.code, BELAY_ENONAME);
    assert_int_equal(f.asked, 1);
    pass(&f, 1);
    ask_ipv4(&f, &c, "no.test");
    assert_int_equal(f.asked, 2);
    fail_query(&f, BELAY_DNS_A, BELAY_EDNS);
    net_kit_settle(&f.kit);
    ask_ipv4(&f, &c, "no.test"); /* a failure is not kept at all */
    assert_int_equal(f.asked, 3);
    bl_resolve_cancel(c.lookup);
    tear_down(&f);
}

static void fresh_asks_again_but_once_a_second(void **state)
{
    static const struct bl_lookup_options fresh = {.family = BELAY_FAMILY_IPV4, .fresh = true};
    struct fake f;
    struct caller c, other;
    (void)state;
    set_up(&f);
    ask_ipv4(&f, &c, "db.test");
    answer(&f, BELAY_DNS_A, 60, "192.0.2.1", NULL);
    pass(&f, 999);
    ask_with(&f, &c, "db.test", &fresh);
    assert_int_equal(f.asked, 1);
    pass(&f, 1);
    ask_with(&f, &c, "db.test", &fresh);
    assert_int_equal(f.asked, 2);
    ask_ipv4(&f, &other, "db.test"); /* who does not insist is not kept waiting */
    net_kit_settle(&f.kit);
    expect(&other, "192.0.2.1:443", NULL);
    answer(&f, BELAY_DNS_A, 60, "192.0.2.2", NULL);
    net_kit_settle(&f.kit);
    expect(&c, "192.0.2.2", NULL);
    pass(&f, 5000);
    ask_with(&f, &c, "db.test", &fresh);
    fail_query(&f, BELAY_DNS_A, BELAY_EDNS); /* what is still valid stands in */
    net_kit_settle(&f.kit);
    expect(&c, "192.0.2.2", NULL);
    tear_down(&f);
}

static void the_cache_keeps_the_most_recently_used(void **state)
{
    static const char *const names[] = {"a.test", "b.test", "a.test", "c.test"};
    struct fake f;
    struct caller c;
    (void)state;
    set_up_cache(&f, 2);
    for (size_t i = 0; i < BL_COUNT(names); i++) {
        ask_ipv4(&f, &c, names[i]);
        if (i != 2)
            answer(&f, BELAY_DNS_A, 60, "192.0.2.1", NULL);
        net_kit_settle(&f.kit);
        expect(&c, "192.0.2.1:443", NULL);
    }
    assert_int_equal(f.asked, 3);
    ask_ipv4(&f, &c, "a.test");
    assert_int_equal(f.asked, 3);
    net_kit_settle(&f.kit);
    ask_ipv4(&f, &c, "b.test"); /* made room for c */
    assert_int_equal(f.asked, 4);
    bl_resolve_cancel(c.lookup);
    tear_down(&f);
}

static void without_a_cache_every_look_up_asks(void **state)
{
    struct fake f;
    struct caller c;
    (void)state;
    set_up_cache(&f, BELAY_NONE);
    for (size_t i = 1; i < 4; i++) {
        ask_ipv4(&f, &c, "db.test");
        assert_int_equal(f.asked, i);
        answer(&f, BELAY_DNS_A, 60, "192.0.2.1", NULL);
        net_kit_settle(&f.kit);
        expect(&c, "192.0.2.1:443", NULL);
    }
    tear_down(&f);
}

static void clearing_forgets_answers_and_leaves_look_ups_alone(void **state)
{
    struct fake f;
    struct caller c, d;
    (void)state;
    set_up(&f);
    bl_resolver_clear(f.kit.loop);
    ask_ipv4(&f, &c, "a.test");
    answer(&f, BELAY_DNS_A, 60, "192.0.2.1", NULL);
    ask_ipv4(&f, &d, "b.test");
    bl_resolver_clear(f.kit.loop);
    net_kit_settle(&f.kit);
    expect(&c, "192.0.2.1:443", NULL);
    answer(&f, BELAY_DNS_A, 60, "192.0.2.2", NULL);
    net_kit_settle(&f.kit);
    expect(&d, "192.0.2.2:443", NULL);
    ask_ipv4(&f, &c, "a.test");
    assert_int_equal(f.asked, 3);
    bl_resolve_cancel(c.lookup);
    tear_down(&f);
}

/* ---- cancelling ---- */

static void the_last_who_leaves_takes_the_query_along(void **state)
{
    struct fake f;
    struct caller a, b;
    (void)state;
    set_up(&f);
    ask_ipv4(&f, &a, "db.test");
    ask_ipv4(&f, &b, "db.test");
    bl_resolve_cancel(a.lookup);
    assert_false(f.queries[0].forgotten);
    bl_resolve_cancel(b.lookup);
    assert_true(f.queries[0].forgotten);
    net_kit_settle(&f.kit);
    assert_int_equal(a.calls + b.calls, 0);
    bl_resolve_cancel(NULL);
    tear_down(&f);
}

static void a_look_up_can_be_cancelled_in_every_state(void **state)
{
    struct fake f;
    struct caller c;
    (void)state;
    for (int at = 0; at < 6; at++) {
        set_up(&f);
        if (at == 5) {
            ask(&f, &c, "127.0.0.1");
            c.cancel_inside = true;
            net_kit_settle(&f.kit);
            assert_int_equal(c.calls, 1);
            tear_down(&f);
            continue;
        }
        ask(&f, &c, "db.test");
        if (at >= 1)
            answer(&f, BELAY_DNS_A, 60, "192.0.2.1", NULL);
        if (at == 2)
            answer(&f, BELAY_DNS_AAAA, 60, "2001:db8::1", NULL); /* to be told */
        c.cancel_inside = at == 4;
        if (at >= 3)
            pass(&f, 50); /* told once */
        if (at != 4)
            bl_resolve_cancel(c.lookup);
        pass(&f, 100);
        assert_int_equal(c.calls, at >= 3);
        tear_down(&f);
    }
}

static void the_loops_end_forgets_what_is_asked(void **state)
{
    struct fake f;
    struct caller c;
    (void)state;
    set_up(&f);
    ask(&f, &c, "db.test");
    tear_down(&f);
    assert_int_equal(c.calls, 0);
}

/* ---- SRV ---- */

struct srv_caller {
    struct bl_lookup *lookup;
    unsigned calls;
    size_t n;
    char first[64];
    uint16_t port;
    int code;
};

static void on_srv(const struct bl_srv *records, size_t n, const struct belay_error *error,
                   void *arg)
{
    struct srv_caller *c = arg;
    c->calls++;
    c->n = n;
    c->code = error ? error->code : 0;
    if (n) {
        snprintf(c->first, sizeof c->first, "%s", records[0].target);
        c->port = records[0].port;
    }
}

static void srv_records_are_cached_and_ordered(void **state)
{
    struct belay_dns_record records[2] = {
        {.ttl_s = 60, .target = "late.test", .port = 2, .priority = 20},
        {.ttl_s = 60, .target = "early.test", .port = 1, .priority = 10},
    };
    struct srv_caller c = {0};
    struct fake f;
    (void)state;
    set_up(&f);
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(bl_resolve_srv(f.kit.loop, "_x._tcp.Test", false, on_srv, &c, &c.lookup),
                         0);
        assert_int_equal(f.asked, 1);
        if (i == 1) {
            struct query *q = find(&f, BELAY_DNS_SRV);
            assert_string_equal(q->name, "_x._tcp.test");
            q->open = false;
            q->fn(0, records, 2, q->arg);
        }
        net_kit_settle(&f.kit);
        assert_int_equal(c.calls, i);
        assert_int_equal(c.n, 2);
        assert_string_equal(c.first, "early.test");
        assert_int_equal(c.port, 1);
    }
    assert_int_equal(bl_resolve_srv(f.kit.loop, "1.2.3.4", false, on_srv, &c, &c.lookup),
                     BELAY_EINVAL);
    assert_int_equal(bl_resolve_srv(f.kit.loop, "_y.test", false, on_srv, &c, &c.lookup), 0);
    fail_query(&f, BELAY_DNS_SRV, BELAY_ENONAME);
    net_kit_settle(&f.kit);
    assert_int_equal(c.code, BELAY_ENONAME);
    tear_down(&f);
}

/* ---- memory ---- */

static void every_failing_allocation_is_an_answer_or_an_error(void **state)
{
    static const struct bl_lookup_options options = {.port = 443};
    struct fake f;
    (void)state;
    for (size_t n = 1;; n++) {
        struct caller c = {0};
        set_up(&f);
        f.kit.no_ipv6 = true;
        failing_alloc_once(&f.kit.alloc, n);
        int rc = bl_resolve(f.kit.loop, "db.test", &options, on_addrs, &c, &c.lookup);
        if (rc == 0) {
            answer(&f, BELAY_DNS_A, 60, "192.0.2.1", NULL);
            answer(&f, BELAY_DNS_AAAA, 60, "2001:db8::1", NULL);
            net_kit_settle(&f.kit);
            assert_true(c.done);
            assert_true(c.n > 0 || c.error.code == BELAY_ENOMEM);
        } else {
            assert_int_equal(rc, BELAY_ENOMEM);
        }
        bool failed = failing_alloc_failures(&f.kit.alloc) > 0;
        failing_alloc_once(&f.kit.alloc, 0);
        tear_down(&f);
        assert_int_equal(c.calls, rc == 0);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_localhost_need_no_query),
        cmocka_unit_test(bad_names_are_refused_at_once),
        cmocka_unit_test(both_families_are_asked_and_told_together),
        cmocka_unit_test(ipv4_waits_50_ms_for_ipv6_which_may_come_later),
        cmocka_unit_test(ipv6_does_not_wait_for_ipv4),
        cmocka_unit_test(no_address_at_all_is_the_worst_that_happened),
        cmocka_unit_test(look_ups_of_a_name_share_its_queries),
        cmocka_unit_test(an_answer_is_kept_for_its_ttl),
        cmocka_unit_test(that_a_name_does_not_exist_is_kept_for_5_seconds),
        cmocka_unit_test(fresh_asks_again_but_once_a_second),
        cmocka_unit_test(the_cache_keeps_the_most_recently_used),
        cmocka_unit_test(without_a_cache_every_look_up_asks),
        cmocka_unit_test(clearing_forgets_answers_and_leaves_look_ups_alone),
        cmocka_unit_test(the_last_who_leaves_takes_the_query_along),
        cmocka_unit_test(a_look_up_can_be_cancelled_in_every_state),
        cmocka_unit_test(the_loops_end_forgets_what_is_asked),
        cmocka_unit_test(srv_records_are_cached_and_ordered),
        cmocka_unit_test(every_failing_allocation_is_an_answer_or_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
