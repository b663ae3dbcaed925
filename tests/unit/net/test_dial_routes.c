/* SPDX-License-Identifier: MIT */
/* Ways tried one after the other within one dial, and the memory of those that failed. */
#include "proxy_kit.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/failures.h"

#define CONNECT_TARGET                                                                             \
    "CONNECT target.test:443 HTTP/1.1\r\nHost: target.test:443\r\nUser-Agent: "                    \
    "belay/" BELAY_VERSION "\r\n\r\n"

static const struct px_step good[] = {PX_BYTES(CONNECT_TARGET, "HTTP/1.1 200 ok\r\n\r\n")};

struct two {
    struct px t;
    struct bl_hop hops[2];
    struct px_peer *bad, *good;
};

/* A bad way with the key "bad", then a good one with the key "good". */
static void begin(struct two *w, const struct px_step *bad, size_t n)
{
    px_begin(&w->t);
    w->bad = px_listen(&w->t, bad, n);
    w->good = px_listen(&w->t, good, BL_COUNT(good));
    w->hops[0] = (struct bl_hop){.kind = BL_HOP_CONNECT, .name = "http://bad"};
    w->hops[1] = (struct bl_hop){.kind = BL_HOP_CONNECT, .name = "http://good"};
    px_route(&w->t, &w->hops[0], 1, w->bad);
    px_route(&w->t, &w->hops[1], 1, w->good);
    w->t.routes[0].key = "bad";
    w->t.routes[0].key_len = 3;
    w->t.routes[1].key = "good";
    w->t.routes[1].key_len = 4;
}

static bool is_blamed(struct two *w, const char *key)
{
    return bl_failure_is(w->t.net.loop, key, strlen(key));
}

static void again(struct two *w)
{
    belay_stream_close(w->t.stream, 0, NULL, NULL);
    w->t.stream = NULL;
    for (int i = 0; i < 10; i++)
        px_turn(&w->t);
    px_dial(&w->t);
}

struct answer {
    const char *text;
    bool blamed;
};

static void another_way_is_taken_after_an_answer(void **state)
{
    static const struct answer answers[] = {
        {"HTTP/1.1 407 x\r\n\r\n", true},  {"HTTP/1.1 500 x\r\n\r\n", true},
        {"HTTP/1.1 400 x\r\n\r\n", true},  {"nonsense", true},
        {"HTTP/1.1 403 x\r\n\r\n", false}, {"HTTP/1.1 404 x\r\n\r\n", false},
        {"HTTP/1.1 502 x\r\n\r\n", false}, {"HTTP/1.1 503 x\r\n\r\n", false},
        {"HTTP/1.1 504 x\r\n\r\n", false},
    };
    (void)state;
    for (size_t i = 0; i < BL_COUNT(answers); i++) {
        struct two w;
        struct px_step bad = {.say = answers[i].text,
                              .say_n = strlen(answers[i].text),
                              .expect = CONNECT_TARGET,
                              .expect_n = sizeof CONNECT_TARGET - 1};

        begin(&w, &bad, 1);
        px_dial(&w.t);
        px_expect_tunnel(&w.t, w.good);
        assert_int_equal(is_blamed(&w, "bad"), answers[i].blamed);
        assert_false(is_blamed(&w, "good"));
        again(&w); /* those that failed lately come last */
        px_expect_tunnel(&w.t, w.good);
        assert_int_equal(w.bad->accepted, answers[i].blamed ? 1 : 2);
        px_finish(&w.t);
    }
}

static void another_way_is_taken_after_silence_and_refusals(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct two w;

        begin(&w, NULL, 0);
        w.t.plan.proxy_timeout_ms = 30;
        if (i == 1) { /* nobody listens */
            w.hops[0].addrs = NULL;
            w.hops[0].host = "127.0.0.1";
            w.hops[0].port = net_kit_dead_port();
        } else if (i == 2) { /* no host */
            w.hops[0].addrs = NULL;
            w.hops[0].host = "not a name";
        } else if (i == 3) {
            w.hops[0].tls = kit_identity(&w.t.tls, NULL);
            w.hops[0].server_name = "proxy.test";
            w.t.plan.tls_timeout_ms = 30;
        }
        px_dial(&w.t);
        px_expect_tunnel(&w.t, w.good);
        assert_int_equal(is_blamed(&w, "bad"), i != 2);
        belay_tls_unref(w.hops[0].tls);
        px_finish(&w.t);
    }
}

static void a_way_that_works_is_forgiven(void **state)
{
    struct two w;
    (void)state;
    begin(&w, good, BL_COUNT(good));
    bl_failure_note(w.t.net.loop, "bad", 3);
    bl_failure_note(w.t.net.loop, "good", 4); /* all have failed: in order again */
    px_dial(&w.t);
    px_expect_tunnel(&w.t, w.bad);
    assert_false(is_blamed(&w, "bad"));
    assert_true(is_blamed(&w, "good"));
    px_finish(&w.t);
}

static void the_last_error_says_how_many_ways_were_tried(void **state)
{
    static const struct px_step first[] = {PX_BYTES(CONNECT_TARGET, "HTTP/1.1 407 x\r\n\r\n")};
    static const struct px_step last[] = {PX_BYTES(CONNECT_TARGET, "HTTP/1.1 503 x\r\n\r\n")};
    struct two w;
    (void)state;
    begin(&w, first, 1);
    w.good->steps = last;
    px_dial(&w.t);
    px_expect_failure(&w.t, BELAY_EPROXY, BELAY_STAGE_PROXY,
                      "none of 2 ways leads there, the last of them: connecting to "
                      "tcp://target.test:443 through http://good: the proxy answered 503");
    assert_int_equal(w.t.error.status, 503);
    assert_int_equal(w.t.error.kind, BELAY_KIND_RETRY);
    px_finish(&w.t);
}

static void direct_is_a_way_too(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct px t;
        struct bl_hop hop = {.kind = BL_HOP_CONNECT, .name = "http://p"};

        px_begin(&t);
        struct px_peer *target = px_listen(&t, NULL, 0);
        struct px_peer *proxy = px_listen(&t, good, BL_COUNT(good));
        t.plan.host = i == 0 ? "127.0.0.1" : "target.test";
        t.plan.port = i == 0 ? target->addr.port : 443;
        if (i == 0) { /* the proxy is not there */
            hop.host = "127.0.0.1";
            hop.port = net_kit_dead_port();
            px_route(&t, &hop, 1, NULL);
            px_route(&t, NULL, 0, NULL);
            px_dial(&t);
            px_expect_tunnel(&t, target);
        } else { /* the name is nobody's here */
            px_route(&t, NULL, 0, NULL);
            px_route(&t, &hop, 1, proxy);
            px_start(&t);
            px_turn(&t);
            fake_dns_answer(fake_dns_find(&t.dns, "target.test", BELAY_DNS_AAAA), BELAY_ENONAME,
                            NULL, 0);
            fake_dns_answer(fake_dns_find(&t.dns, "target.test", BELAY_DNS_A), BELAY_ENONAME, NULL,
                            0);
            px_until(&t, &t.told);
            px_expect_tunnel(&t, proxy);
        }
        px_finish(&t);
    }
}

static void what_fails_behind_the_tunnel_is_final(void **state)
{
    static const struct px_step bad[] = {
        PX_BYTES(CONNECT_TARGET, "HTTP/1.1 200 ok\r\n\r\n", .then = PX_CLOSE)};
    struct two w;
    (void)state;
    begin(&w, bad, 1);
    struct belay_tls *tls = kit_identity(&w.t.tls, NULL);
    w.t.plan.tls = tls;
    w.t.plan.server_name = "target.test";
    px_dial(&w.t);
    px_expect_failure(&w.t, BELAY_EEOF, BELAY_STAGE_TLS, "negotiating TLS");
    assert_null(strstr(w.t.error.text, "ways"));
    assert_int_equal(w.good->accepted, 0);
    assert_false(is_blamed(&w, "bad"));
    belay_tls_unref(tls);
    px_finish(&w.t);
}

static void the_whole_dial_has_its_limit(void **state)
{
    struct two w;
    (void)state;
    begin(&w, NULL, 0);
    w.t.plan.dial_timeout_ms = 30;
    px_dial(&w.t);
    px_expect_failure(&w.t, BELAY_ETIMEDOUT, BELAY_STAGE_PROXY, "no answer within");
    assert_int_equal(w.good->accepted, 0);
    px_finish(&w.t);
}

/* Who says nothing does not use up the time of those who would answer. */
static void the_next_way_has_its_share_of_the_time(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct bl_hop silent = {.kind = BL_HOP_SOCKS5H, .name = "socks5h://silent"};
        struct two w;

        begin(&w, NULL, 0);
        w.t.plan.dial_timeout_ms = 900;
        if (i == 1) { /* TLS with the proxy is a part of its way */
            w.hops[0].tls = kit_identity(&w.t.tls, NULL);
            w.hops[0].server_name = "proxy.test";
        } else if (i == 2) {
            px_route(&w.t, &silent, 1, w.bad);
            w.t.routes[2] = w.t.routes[1];
            w.t.routes[1] = (struct bl_route){.hops = &silent, .hops_n = 1};
        }
        px_dial(&w.t);
        px_expect_tunnel(&w.t, w.good);
        assert_true(is_blamed(&w, "bad"));
        belay_tls_unref(w.hops[0].tls);
        px_finish(&w.t);
    }
}

/* A tunnel that stands is final, and has all the time that is left. */
static void behind_the_tunnel_there_is_all_the_time(void **state)
{
    struct two w;
    (void)state;
    begin(&w, good, BL_COUNT(good));
    struct belay_tls *tls = kit_identity(&w.t.tls, NULL);
    w.t.plan.tls = tls;
    w.t.plan.server_name = "target.test";
    w.t.plan.dial_timeout_ms = 300;
    uint64_t begun = bl_now_fresh(w.t.net.loop);
    px_dial(&w.t);
    px_expect_failure(&w.t, BELAY_ETIMEDOUT, BELAY_STAGE_TLS, "negotiating TLS");
    assert_true(bl_now_fresh(w.t.net.loop) - begun >= BL_MS(300));
    assert_int_equal(w.good->accepted, 0);
    belay_tls_unref(tls);
    px_finish(&w.t);
}

static void our_own_want_is_no_proxys_fault(void **state)
{
    struct two w;
    (void)state;
    begin(&w, good, 1);
    w.t.net.fail_open = 24; /* EMFILE */
    px_dial(&w.t);
    px_expect_failure(&w.t, BELAY_EMFILE, BELAY_STAGE_CONNECT, "http://bad");
    assert_false(is_blamed(&w, "bad"));
    px_finish(&w.t);
}

static void many_ways_end_without_a_deep_stack(void **state)
{
    static struct bl_route routes[20000];
    struct px t;
    struct bl_hop hop = {.kind = BL_HOP_CONNECT, .name = "http://p", .host = "no name"};
    (void)state;
    px_begin(&t);
    for (size_t i = 0; i < BL_COUNT(routes); i++)
        routes[i] = (struct bl_route){.hops = &hop, .hops_n = 1};
    t.plan.routes = routes;
    t.plan.routes_n = BL_COUNT(routes);
    px_dial(&t);
    px_expect_failure(&t, BELAY_EINVAL, BELAY_STAGE_RESOLVE, "none of 20000 ways");
    px_finish(&t);
}

/* ---- addresses ---- */

static void an_address_that_failed_is_tried_last(void **state)
{
    struct belay_addr addrs[2];
    struct px t;
    (void)state;
    px_begin(&t);
    struct px_peer *p = px_listen(&t, NULL, 0);
    addrs[0] = p->addr;
    addrs[0].port = net_kit_dead_port();
    addrs[1] = p->addr;
    t.plan.addrs = addrs;
    t.plan.addrs_n = 2;
    for (unsigned opened = 2; opened <= 3; opened++) {
        px_dial(&t);
        px_expect_tunnel(&t, p);
        assert_int_equal(t.net.opened, opened); /* two, then one */
        belay_stream_close(t.stream, 0, NULL, NULL);
        t.stream = NULL;
        for (int i = 0; i < 10; i++)
            px_turn(&t);
    }
    bl_failure_note_addr(t.net.loop, &addrs[1]); /* both have failed: in order again */
    px_dial(&t);
    px_expect_tunnel(&t, p);
    assert_int_equal(t.net.opened, 5);
    bl_failure_sort(t.net.loop, addrs, 2);
    assert_true(belay_addr_equal(&addrs[0], &p->addr)); /* forgiven, as it answered */
    px_finish(&t);
}

static void an_address_that_was_silent_is_tried_last(void **state)
{
    struct belay_addr addrs[2], hole;
    struct px t;
    int fillers[3], full;
    (void)state;
    px_begin(&t);
    struct px_peer *p = px_listen(&t, NULL, 0);
    full = net_kit_listen(&hole, 0);
    for (size_t i = 0; i < BL_COUNT(fillers); i++) {
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons(hole.port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fillers[i], (struct sockaddr *)&a, sizeof a);
    }
    t.plan.addrs = &hole;
    t.plan.addrs_n = 1;
    t.plan.connect_timeout_ms = 30;
    px_dial(&t);
    px_expect_failure(&t, BELAY_ETIMEDOUT, BELAY_STAGE_CONNECT, "not connected within 30 ms");
    addrs[0] = hole;
    addrs[1] = p->addr;
    t.plan.addrs = addrs;
    t.plan.addrs_n = 2;
    t.plan.connect_timeout_ms = 10000;
    px_dial(&t);
    px_expect_tunnel(&t, p);
    assert_int_equal(t.net.opened, 2); /* the silent one is not tried again */
    for (size_t i = 0; i < BL_COUNT(fillers); i++)
        close(fillers[i]);
    close(full);
    px_finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_way_is_taken_after_an_answer),
        cmocka_unit_test(another_way_is_taken_after_silence_and_refusals),
        cmocka_unit_test(a_way_that_works_is_forgiven),
        cmocka_unit_test(the_last_error_says_how_many_ways_were_tried),
        cmocka_unit_test(direct_is_a_way_too),
        cmocka_unit_test(what_fails_behind_the_tunnel_is_final),
        cmocka_unit_test(the_whole_dial_has_its_limit),
        cmocka_unit_test(the_next_way_has_its_share_of_the_time),
        cmocka_unit_test(behind_the_tunnel_there_is_all_the_time),
        cmocka_unit_test(our_own_want_is_no_proxys_fault),
        cmocka_unit_test(many_ways_end_without_a_deep_stack),
        cmocka_unit_test(an_address_that_failed_is_tried_last),
        cmocka_unit_test(an_address_that_was_silent_is_tried_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
