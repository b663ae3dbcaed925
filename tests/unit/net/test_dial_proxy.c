/* SPDX-License-Identifier: MIT */
/* Dials through each kind of proxy, through several, and what comes after. */
#include "proxy_kit.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define S5_HELLO PX_BYTES("\x05\x01\x00", "\x05\x00")
#define S5_OK    "\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90"
#define CONNECT_TO(authority)                                                                      \
    "CONNECT " authority " HTTP/1.1\r\nHost: " authority "\r\nUser-Agent: belay/" BELAY_VERSION    \
    "\r\n\r\n"

static void dial_one(enum bl_hop_kind kind, const struct px_step *steps, size_t n, bool user,
                     bool chop)
{
    struct px t;
    struct bl_hop hop = {.kind = kind, .name = "kind://proxy.test:1"};

    px_begin(&t);
    if (user) {
        hop.user = PX_USER;
        hop.password = PX_PASSWORD;
    }
    struct px_peer *p = px_listen(&t, steps, n);
    p->chop = chop;
    px_route(&t, &hop, 1, p);
    px_dial(&t);
    px_expect_tunnel(&t, p);
    px_finish(&t);
}

static void both(enum bl_hop_kind kind, const struct px_step *steps, size_t n, bool user)
{
    dial_one(kind, steps, n, user, false);
    dial_one(kind, steps, n, user, true);
}

static void connect_asks_for_a_name(void **state)
{
    static const struct px_step steps[] = {
        PX_BYTES(CONNECT_TO("target.test:443"), "HTTP/1.1 200 Connection established\r\n\r\n"),
    };
    (void)state;
    both(BL_HOP_CONNECT, steps, BL_COUNT(steps), false);
}

static void connect_sends_basic_credentials(void **state)
{
    static const struct px_step steps[] = {
        PX_BYTES("CONNECT target.test:443 HTTP/1.1\r\nHost: target.test:443\r\n"
                 "Proxy-Authorization: Basic aGlkZGVuLXVzZXI6aGlkZGVuLXBhc3N3b3Jk\r\n"
                 "User-Agent: belay/" BELAY_VERSION "\r\n\r\n",
                 "HTTP/1.0 200 OK\r\nVia: 1.0 x\r\n\r\n"),
    };
    (void)state;
    both(BL_HOP_CONNECT, steps, BL_COUNT(steps), true);
}

static void interim_answers_are_passed_over(void **state)
{
    static const struct px_step steps[] = {
        PX_BYTES(CONNECT_TO("target.test:443"),
                 "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 102 \r\n\r\n"
                 "HTTP/1.1 204 No\r\n\r\n"),
    };
    (void)state;
    both(BL_HOP_CONNECT, steps, BL_COUNT(steps), false);
}

static void socks5h_leaves_the_name_to_the_proxy(void **state)
{
    static const struct px_step steps[] = {
        S5_HELLO,
        PX_BYTES("\x05\x01\x00\x03\x0btarget.test\x01\xbb", S5_OK),
    };
    (void)state;
    both(BL_HOP_SOCKS5H, steps, BL_COUNT(steps), false);
}

static void socks5_signs_in(void **state)
{
    static const struct px_step steps[] = {
        PX_BYTES("\x05\x02\x00\x02", "\x05\x02"),
        PX_BYTES("\x01\x0bhidden-user\x0fhidden-password", "\x01\x00"),
        PX_BYTES("\x05\x01\x00\x03\x0btarget.test\x01\xbb",
                 "\x05\x00\x00\x03\x04name\x1f\x90"), /* bound to a name */
    };
    static const struct px_step unasked[] = {
        PX_BYTES("\x05\x02\x00\x02", "\x05\x00"), /* it does not want to know */
        PX_BYTES("\x05\x01\x00\x03\x0btarget.test\x01\xbb",
                 "\x05\x00\x00\x04"
                 "0123456789abcdef\x1f\x90"), /* bound to IPv6 */
    };
    (void)state;
    both(BL_HOP_SOCKS5H, steps, BL_COUNT(steps), true);
    both(BL_HOP_SOCKS5H, unasked, BL_COUNT(unasked), true);
}

static void socks4a_leaves_the_name_to_the_proxy(void **state)
{
    static const struct px_step steps[] = {
        PX_BYTES("\x04\x01\x01\xbb\x00\x00\x00\x01hidden-user\0target.test\0",
                 "\x00\x5a\x00\x00\x00\x00\x00\x00"),
    };
    (void)state;
    both(BL_HOP_SOCKS4A, steps, BL_COUNT(steps), true);
}

/* ---- names that are looked up here ---- */

static void answer(struct px *t, enum belay_dns_type type, const char *ips)
{
    struct fake_query *q = fake_dns_find(&t->dns, "target.test", type);

    assert_non_null(q);
    if (ips)
        fake_dns_answer_ips(q, ips);
    else
        fake_dns_answer(q, BELAY_ENONAME, NULL, 0);
}

static void socks5_and_socks4_look_names_up_here(void **state)
{
    static const struct px_step five[] = {
        S5_HELLO,
        PX_BYTES("\x05\x01\x00\x01\xc0\x00\x02\x07\x01\xbb", S5_OK),
    };
    static const struct px_step four[] = {
        PX_BYTES("\x04\x01\x01\xbb\xc0\x00\x02\x07\0", "\x00\x5a\x00\x00\x00\x00\x00\x00"),
    };
    (void)state;
    for (int v = 4; v <= 5; v++) {
        struct px t;
        struct bl_hop hop = {.kind = v == 4 ? BL_HOP_SOCKS4 : BL_HOP_SOCKS5, .name = "socks://p"};

        px_begin(&t);
        struct px_peer *p =
            v == 4 ? px_listen(&t, four, BL_COUNT(four)) : px_listen(&t, five, BL_COUNT(five));
        px_route(&t, &hop, 1, p);
        px_start(&t);
        px_turn(&t);
        assert_int_equal(p->accepted, 0);          /* first the name */
        assert_int_equal(t.dns.n, v == 4 ? 1 : 2); /* SOCKS 4 has no use for IPv6 */
        if (v == 5)
            answer(&t, BELAY_DNS_AAAA, NULL);
        answer(&t, BELAY_DNS_A, "192.0.2.7");
        px_until(&t, &t.told);
        px_expect_tunnel(&t, p);
        px_finish(&t);
    }
}

static void a_name_that_cannot_be_looked_up_fails_before_the_proxy(void **state)
{
    struct px t;
    struct bl_hop hop = {.kind = BL_HOP_SOCKS5, .name = "socks5://p"};
    (void)state;
    px_begin(&t);
    struct px_peer *p = px_listen(&t, NULL, 0);
    px_route(&t, &hop, 1, p);
    px_start(&t);
    px_turn(&t);
    answer(&t, BELAY_DNS_AAAA, NULL);
    answer(&t, BELAY_DNS_A, NULL);
    px_until(&t, &t.told);
    px_expect_failure(&t, BELAY_ENONAME, BELAY_STAGE_RESOLVE, "through socks5://p");
    assert_int_equal(p->accepted, 0);
    px_finish(&t);
}

static void a_proxy_is_asked_for_one_address_after_the_other(void **state)
{
    /* The peer is connected to twice; at first it sees IPv6. */
    static const struct px_step six[] = {
        S5_HELLO,
        PX_BYTES("\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb",
                 "\x05\x04\x00\x01\0\0\0\0\0\0", .then = PX_CLOSE),
    };
    static const struct px_step four[] = {
        S5_HELLO,
        PX_BYTES("\x05\x01\x00\x01\xc0\x00\x02\x07\x01\xbb", S5_OK),
    };
    struct px t;
    struct bl_hop hop = {.kind = BL_HOP_SOCKS5, .name = "socks5://p"};
    struct belay_addr addrs[2];
    (void)state;
    px_begin(&t);
    belay_addr_parse_ip("2001:db8::1", 11, 443, &addrs[0]);
    belay_addr_parse_ip("192.0.2.7", 9, 443, &addrs[1]);
    t.plan.addrs = addrs;
    t.plan.addrs_n = 2;
    struct px_peer *p = px_listen(&t, six, BL_COUNT(six));
    px_route(&t, &hop, 1, p);
    px_start(&t);
    while (!t.told && p->accepted < 2) {
        px_turn(&t);
        if (p->accepted == 1 && p->at == 2) {
            p->steps = four;
            p->steps_n = BL_COUNT(four);
        }
    }
    px_until(&t, &t.told);
    px_expect_tunnel(&t, p);
    assert_int_equal(p->accepted, 2);
    px_finish(&t);
}

static void numbers_are_asked_for_as_numbers(void **state)
{
    static const struct px_step five[] = {
        S5_HELLO,
        PX_BYTES("\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb", S5_OK),
    };
    static const struct px_step http[] = {
        PX_BYTES(CONNECT_TO("[::1]:443"), "HTTP/1.1 200\r\n\r\n"),
    };
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct px t;
        struct bl_hop hop = {.kind = i < 2 ? BL_HOP_SOCKS5H : BL_HOP_CONNECT, .name = "p://p"};
        struct belay_addr addr;

        px_begin(&t);
        t.plan.host = "::1";
        if (i % 2) { /* given as an address */
            belay_addr_parse_ip("::1", 3, 443, &addr);
            t.plan.addrs = &addr;
            t.plan.addrs_n = 1;
            t.plan.host = NULL;
            t.plan.port = 7;
        }
        struct px_peer *p =
            i < 2 ? px_listen(&t, five, BL_COUNT(five)) : px_listen(&t, http, BL_COUNT(http));
        px_route(&t, &hop, 1, p);
        px_dial(&t);
        px_expect_tunnel(&t, p);
        px_finish(&t);
    }
}

static void what_cannot_be_asked_for_is_told(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct px t;
        struct bl_hop hop = {.kind = i == 1 ? BL_HOP_SOCKS5 : BL_HOP_SOCKS4, .name = "p://p"};
        struct belay_addr addr;

        px_begin(&t);
        if (i < 2) {
            if (i == 0)
                belay_addr_parse_ip("::1", 3, 443, &addr);
            else
                belay_addr_from_path("/run/x", 6, &addr);
            t.plan.addrs = &addr;
            t.plan.addrs_n = 1;
        } else if (i == 2) {
            t.plan.family = BELAY_FAMILY_IPV6;
        } else {
            hop.kind = BL_HOP_CONNECT;
            t.plan.host = "x\r\nEvil: 1";
        }
        struct px_peer *p = px_listen(&t, NULL, 0);
        px_route(&t, &hop, 1, p);
        px_dial(&t);
        px_expect_failure(&t, BELAY_EINVAL, BELAY_STAGE_PROXY, "cannot");
        px_finish(&t);
    }
}

/* ---- chains ---- */

static void a_chain_of_three_is_climbed(void **state)
{
    static const struct px_step steps[] = {
        S5_HELLO,
        PX_BYTES("\x05\x01\x00\x03\x09next.test\x0c\x38", S5_OK),
        PX_BYTES(CONNECT_TO("192.0.2.1:1080"), "HTTP/1.1 200 ok\r\n\r\n"),
        PX_BYTES("\x04\x01\x01\xbb\x00\x00\x00\x01\0target.test\0",
                 "\x00\x5a\x00\x00\x00\x00\x00\x00"),
    };
    struct bl_hop hops[] = {
        {.kind = BL_HOP_SOCKS5H, .name = "socks5h://a"},
        {.kind = BL_HOP_CONNECT,
         .name = "http://next.test:3128",
         .host = "next.test",
         .port = 3128},
        {.kind = BL_HOP_SOCKS4A, .name = "socks4a://c", .host = "192.0.2.1", .port = 1080},
    };
    (void)state;
    for (int chop = 0; chop < 2; chop++) {
        struct px t;

        px_begin(&t);
        struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
        p->chop = chop;
        px_route(&t, hops, 3, p);
        px_dial(&t);
        px_expect_tunnel(&t, p);
        px_finish(&t);
        hops[0].addrs = NULL;
    }
}

static void the_next_proxy_is_looked_up_here_for_socks5(void **state)
{
    static const struct px_step steps[] = {
        S5_HELLO,
        PX_BYTES("\x05\x01\x00\x01\xc0\x00\x02\x09\x0c\x38", S5_OK),
        PX_BYTES(CONNECT_TO("target.test:443"), "HTTP/1.1 200 ok\r\n\r\n"),
    };
    struct bl_hop hops[] = {
        {.kind = BL_HOP_SOCKS5, .name = "socks5://a"},
        {.kind = BL_HOP_CONNECT, .name = "http://b", .host = "target.test", .port = 3128},
    };
    struct px t;
    (void)state;
    px_begin(&t);
    struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
    px_route(&t, hops, 2, p);
    px_start(&t);
    px_turn(&t);
    answer(&t, BELAY_DNS_AAAA, NULL);
    answer(&t, BELAY_DNS_A, "192.0.2.9");
    px_until(&t, &t.told);
    px_expect_tunnel(&t, p);
    px_finish(&t);
}

static void a_forward_proxy_is_asked_for_nothing(void **state)
{
    struct px t;
    struct bl_hop hop = {.kind = BL_HOP_FORWARD, .name = "http://p"};
    (void)state;
    px_begin(&t);
    struct px_peer *p = px_listen(&t, NULL, 0);
    px_route(&t, &hop, 1, p);
    px_dial(&t);
    px_expect_tunnel(&t, p);
    px_finish(&t);
}

static void a_proxy_listens_on_a_unix_socket(void **state)
{
    static const struct px_step steps[] = {
        PX_BYTES(CONNECT_TO("target.test:443"), "HTTP/1.1 200 ok\r\n\r\n"),
    };
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct px t;
    struct belay_addr addr;
    struct bl_hop hop = {.kind = BL_HOP_CONNECT, .name = "http://p", .addrs = &addr, .addrs_n = 1};
    char name[64];
    (void)state;
    px_begin(&t);
    struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
    int len = snprintf(name, sizeof name, "@belay-proxy-%ld", (long)getpid());
    memcpy(a.sun_path + 1, name + 1, (size_t)len - 1);
    close(p->listener);
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&a,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)),
                     0);
    assert_int_equal(listen(p->listener, 4), 0);
    assert_int_equal(belay_addr_from_path(name, (size_t)len, &addr), 0);
    px_route(&t, &hop, 1, p);
    px_dial(&t);
    px_expect_tunnel(&t, p);
    px_finish(&t);
}

/* ---- what comes directly behind ---- */

static void what_the_target_says_at_once_is_not_lost(void **state)
{
    static const struct px_step http[] = {
        PX_BYTES(CONNECT_TO("target.test:443"), "HTTP/1.1 200 ok\r\nA: b\r\n\r\n220 hello\r\n"),
    };
    static const struct px_step socks[] = {
        S5_HELLO,
        PX_BYTES("\x05\x01\x00\x03\x0btarget.test\x01\xbb", S5_OK "220 hello\r\n"),
    };
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct px t;
        struct bl_hop hop = {.kind = i < 2 ? BL_HOP_CONNECT : BL_HOP_SOCKS5H, .name = "p://p"};

        px_begin(&t);
        struct px_peer *p =
            i < 2 ? px_listen(&t, http, BL_COUNT(http)) : px_listen(&t, socks, BL_COUNT(socks));
        p->chop = i % 2;
        px_route(&t, &hop, 1, p);
        px_dial(&t);
        px_expect_heard(&t, "220 hello\r\n", 11);
        px_expect_tunnel(&t, p);
        px_finish(&t);
    }
}

static void the_next_hop_may_speak_at_once_too(void **state)
{
    /* The second proxy's answer comes with the first one's: it guessed the question. */
    static const struct px_step steps[] = {
        PX_BYTES(CONNECT_TO("b.test:1080"), "HTTP/1.1 200 ok\r\n\r\n\x05\x00" S5_OK "banner"),
        PX_BYTES("\x05\x01\x00\x05\x01\x00\x03\x0btarget.test\x01\xbb", ""),
    };
    struct bl_hop hops[] = {
        {.kind = BL_HOP_CONNECT, .name = "http://a"},
        {.kind = BL_HOP_SOCKS5H, .name = "socks5h://b", .host = "b.test", .port = 1080},
    };
    struct px t;
    (void)state;
    px_begin(&t);
    struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
    px_route(&t, hops, 2, p);
    px_dial(&t);
    px_expect_heard(&t, "banner", 6);
    px_expect_tunnel(&t, p);
    px_finish(&t);
}

/* ---- PROXY protocol ---- */

static void the_header_goes_first(void **state)
{
    static const struct px_step one[] = {
        PX_BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n", ""),
    };
    static const struct px_step two[] = {
        PX_BYTES(CONNECT_TO("target.test:443"), "HTTP/1.1 200 ok\r\n\r\n"),
        PX_BYTES("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\x03\xe8\x01\xbb",
                 ""),
    };
    struct belay_addr from, to;
    (void)state;
    belay_addr_parse_ip("192.0.2.1", 9, 1000, &from);
    belay_addr_parse_ip("198.51.100.2", 12, 443, &to);
    for (int v = 1; v <= 2; v++) {
        struct px t;
        struct bl_hop hop = {.kind = BL_HOP_CONNECT, .name = "http://p"};

        px_begin(&t);
        t.plan.proxy_protocol = (uint8_t)v;
        t.plan.proxy_source = &from;
        t.plan.proxy_destination = &to;
        struct px_peer *p =
            v == 1 ? px_listen(&t, one, BL_COUNT(one)) : px_listen(&t, two, BL_COUNT(two));
        if (v == 1) {
            t.plan.addrs = &p->addr;
            t.plan.addrs_n = 1;
        } else {
            px_route(&t, &hop, 1, p);
        }
        px_dial(&t);
        px_expect_tunnel(&t, p);
        px_finish(&t);
    }
}

static void the_header_has_the_sockets_addresses(void **state)
{
    char text[128];
    struct px_step step = {.expect = text};
    struct belay_addr local;
    struct px t;
    (void)state;
    px_begin(&t);
    t.plan.proxy_protocol = 1;
    struct px_peer *p = px_listen(&t, NULL, 0);
    t.plan.addrs = &p->addr;
    t.plan.addrs_n = 1;
    px_dial(&t);
    assert_int_equal(belay_stream_local_addr(t.stream, &local), 0);
    step.expect_n = (size_t)snprintf(text, sizeof text, "PROXY TCP4 127.0.0.1 127.0.0.1 %u %u\r\n",
                                     (unsigned)local.port, (unsigned)p->addr.port);
    p->steps = &step;
    p->steps_n = 1;
    px_expect_tunnel(&t, p);
    px_finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_asks_for_a_name),
        cmocka_unit_test(connect_sends_basic_credentials),
        cmocka_unit_test(interim_answers_are_passed_over),
        cmocka_unit_test(socks5h_leaves_the_name_to_the_proxy),
        cmocka_unit_test(socks5_signs_in),
        cmocka_unit_test(socks4a_leaves_the_name_to_the_proxy),
        cmocka_unit_test(socks5_and_socks4_look_names_up_here),
        cmocka_unit_test(a_name_that_cannot_be_looked_up_fails_before_the_proxy),
        cmocka_unit_test(a_proxy_is_asked_for_one_address_after_the_other),
        cmocka_unit_test(numbers_are_asked_for_as_numbers),
        cmocka_unit_test(what_cannot_be_asked_for_is_told),
        cmocka_unit_test(a_chain_of_three_is_climbed),
        cmocka_unit_test(the_next_proxy_is_looked_up_here_for_socks5),
        cmocka_unit_test(a_forward_proxy_is_asked_for_nothing),
        cmocka_unit_test(a_proxy_listens_on_a_unix_socket),
        cmocka_unit_test(what_the_target_says_at_once_is_not_lost),
        cmocka_unit_test(the_next_hop_may_speak_at_once_too),
        cmocka_unit_test(the_header_goes_first),
        cmocka_unit_test(the_header_has_the_sockets_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
