/* SPDX-License-Identifier: MIT */
/* Names that are looked up here for a proxy, in both families: which address it is asked for. */
#include "net/failures.h"
#include "proxy_kit.h"

#define HELLO   PX_BYTES("\x05\x01\x00", "\x05\x00")
#define GRANTED "\x05\x00\x00\x01\0\0\0\0\0\0"
#define REFUSED "\x05\x04\x00\x01\0\0\0\0\0\0"
#define ASK_V6  "\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb"
#define ASK_V4  "\x05\x01\x00\x01\xc0\x00\x02\x07\x01\xbb"

static const struct px_step grants_v4[] = {HELLO, PX_BYTES(ASK_V4, GRANTED)};
static const struct px_step grants_v6[] = {HELLO, PX_BYTES(ASK_V6, GRANTED)};
static const struct px_step refuses_v4[] = {HELLO, PX_BYTES(ASK_V4, REFUSED, .then = PX_CLOSE)};

static void answer(struct px *t, enum belay_dns_type type)
{
    struct fake_query *q = fake_dns_find(&t->dns, "target.test", type);

    assert_non_null(q);
    fake_dns_answer_ips(q, type == BELAY_DNS_A ? "192.0.2.7" : "2001:db8::1");
}

static struct px_peer *start(struct px *t, struct bl_hop *hop, const struct px_step *steps)
{
    struct px_peer *p;

    px_begin(t);
    t->net.no_ipv6 = true;
    p = px_listen(t, steps, 2);
    px_route(t, hop, 1, p);
    px_start(t);
    px_turn(t);
    return p;
}

/* The proxy follows its first script once, then the other. */
static void expect_second(struct px *t, struct px_peer *p, const struct px_step *steps, size_t n)
{
    while (!t->told && p->accepted < 2) {
        px_turn(t);
        if (p->accepted == 1 && p->at == 2) {
            p->steps = steps;
            p->steps_n = n;
        }
    }
    px_until(t, &t->told);
    px_expect_tunnel(t, p);
    assert_int_equal(p->accepted, 2);
}

static void both_families_are_asked_for_whichever_answer_comes_first(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct bl_hop hop = {.kind = BL_HOP_SOCKS5, .name = "socks5://p"};
        bool v6_first = i != 0, apart = i == 1;
        struct px t;
        struct px_peer *p = start(&t, &hop, refuses_v4);

        answer(&t, v6_first ? BELAY_DNS_AAAA : BELAY_DNS_A);
        for (int turns = 0; apart && turns < 50; turns++)
            px_turn(&t);
        assert_int_equal(p->accepted, 0);
        answer(&t, v6_first ? BELAY_DNS_A : BELAY_DNS_AAAA);
        /* RFC 6724, with all that is known: a machine without IPv6 does not ask for it first. */
        expect_second(&t, p, grants_v6, BL_COUNT(grants_v6));
        px_finish(&t);
    }
}

static void one_family_must_do_when_the_other_is_not_answered(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bl_hop hop = {.kind = BL_HOP_SOCKS5, .name = "socks5://p"};
        struct px t;
        struct px_peer *p = start(&t, &hop, i == 0 ? grants_v4 : grants_v6);

        answer(&t, i == 0 ? BELAY_DNS_A : BELAY_DNS_AAAA);
        px_until(&t, &t.told);
        px_expect_tunnel(&t, p);
        assert_int_equal(t.dns.forgotten, 1);
        px_finish(&t);
    }
}

static void the_limit_of_looking_up_ends_the_wait(void **state)
{
    struct bl_hop hop = {.kind = BL_HOP_SOCKS5, .name = "socks5://p"};
    struct px t;
    (void)state;
    px_begin(&t);
    t.plan.resolve_timeout_ms = 30;
    struct px_peer *p = px_listen(&t, grants_v6, BL_COUNT(grants_v6));
    px_route(&t, &hop, 1, p);
    px_start(&t);
    px_turn(&t);
    uint64_t begun = bl_now_fresh(t.net.loop);
    answer(&t, BELAY_DNS_AAAA);
    px_until(&t, &t.told);
    assert_true(bl_now_fresh(t.net.loop) - begun < BL_MS(900));
    px_expect_tunnel(&t, p);
    px_finish(&t);
}

static void a_wait_for_the_other_family_can_be_cancelled(void **state)
{
    struct bl_hop hop = {.kind = BL_HOP_SOCKS5, .name = "socks5://p"};
    struct px t;
    (void)state;
    start(&t, &hop, grants_v6);
    answer(&t, BELAY_DNS_AAAA);
    px_turn(&t);
    px_turn(&t);
    bl_dial_cancel(t.dial);
    t.dial = NULL;
    px_finish(&t);
}

/* A link behind another has more than one address, too. */
static void the_next_proxy_has_several_addresses(void **state)
{
    static const struct px_step grants[] = {HELLO, PX_BYTES(ASK_V6, GRANTED),
                                            PX_BYTES("\x05\x01\x00", "\x05\x00"),
                                            PX_BYTES("\x05\x01\x00\x03\x0b"
                                                     "final.test.\x01\xbb",
                                                     GRANTED)};
    struct bl_hop hops[] = {
        {.kind = BL_HOP_SOCKS5, .name = "socks5://a"},
        {.kind = BL_HOP_SOCKS5H, .name = "socks5h://b", .host = "target.test", .port = 443},
    };
    struct px t;
    (void)state;
    px_begin(&t);
    t.net.no_ipv6 = true;
    t.plan.host = "final.test.";
    struct px_peer *p = px_listen(&t, refuses_v4, BL_COUNT(refuses_v4));
    px_route(&t, hops, 2, p);
    t.routes[0].key = "key";
    t.routes[0].key_len = 3;
    px_start(&t);
    px_turn(&t);
    answer(&t, BELAY_DNS_A);
    answer(&t, BELAY_DNS_AAAA);
    expect_second(&t, p, grants, BL_COUNT(grants));
    assert_false(bl_failure_is(t.net.loop, "key", 3));
    px_finish(&t);
}

/* The first socket's addresses would tell the target of the proxy. */
static void behind_a_proxy_the_header_names_no_addresses(void **state)
{
    static const struct px_step steps[] = {HELLO, PX_BYTES(ASK_V4, GRANTED),
                                           PX_BYTES("PROXY UNKNOWN\r\n", "")};
    struct bl_hop hop = {.kind = BL_HOP_SOCKS5, .name = "socks5://p"};
    struct belay_addr target;
    struct px t;
    (void)state;
    px_begin(&t);
    belay_addr_parse_ip("192.0.2.7", 9, 443, &target);
    t.plan.addrs = &target;
    t.plan.addrs_n = 1;
    t.plan.proxy_protocol = 1;
    struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
    px_route(&t, &hop, 1, p);
    px_dial(&t);
    px_expect_tunnel(&t, p);
    px_finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_families_are_asked_for_whichever_answer_comes_first),
        cmocka_unit_test(one_family_must_do_when_the_other_is_not_answered),
        cmocka_unit_test(the_limit_of_looking_up_ends_the_wait),
        cmocka_unit_test(a_wait_for_the_other_family_can_be_cancelled),
        cmocka_unit_test(the_next_proxy_has_several_addresses),
        cmocka_unit_test(behind_a_proxy_the_header_names_no_addresses),
    };
    return cmocka_run_group_tests_name("net_dial_asks", tests, NULL, NULL);
}
