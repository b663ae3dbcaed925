/* SPDX-License-Identifier: MIT */
/* Proxies that refuse, babble, say nothing, say too much or leave: each a clear error. */
#include "proxy_kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME "kind://proxy.test:1"

struct fault {
    enum bl_hop_kind kind;
    bool user;
    const char *answers[3]; /* to what it is told one after the other; "": it leaves */
    size_t lens[3];
    int code;
    enum belay_error_kind error_kind;
    int status;
    const char *words;
};

#define A(text)                                                                                    \
    {text},                                                                                        \
    {                                                                                              \
        sizeof(text) - 1                                                                           \
    }

static const struct fault faults[] = {
    {BL_HOP_CONNECT, true, A("HTTP/1.1 407 hidden-password\r\n\r\n"), BELAY_EPROXY,
     BELAY_KIND_FATAL, 407, "407: it wants other credentials"},
    {BL_HOP_CONNECT, false, A("HTTP/1.0 407 x\r\n"), BELAY_EPROXY, BELAY_KIND_FATAL, 407, "407"},
    {BL_HOP_CONNECT, true, A("HTTP/1.1 401 x\r\n\r\n"), BELAY_EPROXY, BELAY_KIND_FATAL, 401, "401"},
    {BL_HOP_CONNECT, true, A("HTTP/1.1 403 x\r\n\r\n"), BELAY_EPROXY, BELAY_KIND_FATAL, 403,
     "403: forbidden"},
    {BL_HOP_CONNECT, true, A("HTTP/1.1 501 x\r\n\r\n"), BELAY_EPROXY, BELAY_KIND_FATAL, 501,
     "does not do CONNECT"},
    {BL_HOP_CONNECT, true, A("HTTP/1.1 302 x\r\nLocation: /\r\n\r\n"), BELAY_EPROXY,
     BELAY_KIND_FATAL, 302, "302"},
    {BL_HOP_CONNECT, true, A("HTTP/1.1 101 x\r\n\r\n"), BELAY_EPROXY, BELAY_KIND_FATAL, 101, "101"},
    {BL_HOP_CONNECT, true, A("HTTP/1.1 429 x\r\n\r\n"), BELAY_EPROXY, BELAY_KIND_RETRY, 429, "429"},
    {BL_HOP_CONNECT, true, A("HTTP/1.1 500 x\r\n\r\n"), BELAY_EPROXY, BELAY_KIND_RETRY, 500, "500"},
    {BL_HOP_CONNECT, true, A("HTTP/1.1 502 x\r\n\r\n"), BELAY_EPROXY, BELAY_KIND_RETRY, 502,
     "502: it could not connect"},
    {BL_HOP_CONNECT, true, A("HTTP/1.1 503 x\r\n\r\n"), BELAY_EPROXY, BELAY_KIND_RETRY, 503, "503"},
    {BL_HOP_CONNECT, true, A("HTTP/1.1 504 x\r\n\r\n"), BELAY_EPROXY, BELAY_KIND_RETRY, 504, "504"},
    {BL_HOP_CONNECT, true, A("SSH-2.0-hidden\r\n"), BELAY_EPROTO, BELAY_KIND_FATAL, 0, "not HTTP"},
    {BL_HOP_CONNECT, true, A("HTTP/2.0 200 ok\r\n\r\n"), BELAY_EPROTO, BELAY_KIND_FATAL, 0,
     "not HTTP"},
    {BL_HOP_CONNECT, true, A("HTTP/1.1 200 ok\r\nno colon\r\n\r\n"), BELAY_EPROTO, BELAY_KIND_FATAL,
     0, "not HTTP"},
    {BL_HOP_CONNECT, true, A("HTTP/1.1 20\r\n\r\n"), BELAY_EPROTO, BELAY_KIND_FATAL, 0, "not HTTP"},
    {BL_HOP_CONNECT, true, A("\x05\xff"), BELAY_EPROTO, BELAY_KIND_FATAL, 0, "not HTTP"},
    {BL_HOP_CONNECT, true, A(""), BELAY_EEOF, BELAY_KIND_RETRY, 0, "closed the connection"},

    {BL_HOP_SOCKS5H, false, A("\x05\xff"), BELAY_EPROXY, BELAY_KIND_FATAL, 255, "signing in"},
    {BL_HOP_SOCKS5H, true, A("\x05\xff"), BELAY_EPROXY, BELAY_KIND_FATAL, 255, "signing in"},
    {BL_HOP_SOCKS5H,
     true,
     {"\x05\x02", "\x01\x01"},
     {2, 2},
     BELAY_EPROXY,
     BELAY_KIND_FATAL,
     255,
     "answered 1: it refuses user and password"},
    {BL_HOP_SOCKS5H, false, A("\x05\x02"), BELAY_EPROTO, BELAY_KIND_FATAL, 0, "not SOCKS 5"},
    {BL_HOP_SOCKS5H,
     true,
     {"\x05\x02", "\x02\x00"},
     {2, 2},
     BELAY_EPROTO,
     BELAY_KIND_FATAL,
     0,
     "not SOCKS 5"},
    {BL_HOP_SOCKS5H, false, A("HTTP/1.1 400 hidden\r\n"), BELAY_EPROTO, BELAY_KIND_FATAL, 0,
     "not SOCKS 5"},
    {BL_HOP_SOCKS5H,
     false,
     {"\x05\x00", "\x04\x00"},
     {2, 2},
     BELAY_EPROTO,
     BELAY_KIND_FATAL,
     0,
     "not SOCKS 5"},
    {BL_HOP_SOCKS5H,
     false,
     {"\x05\x00", "\x05\x00\x00\x02\x00"},
     {2, 5},
     BELAY_EPROTO,
     BELAY_KIND_FATAL,
     0,
     "not SOCKS 5"},
    {BL_HOP_SOCKS5H,
     false,
     {"\x05\x00", "\x05\x63"},
     {2, 2},
     BELAY_EPROXY,
     BELAY_KIND_FATAL,
     99,
     "99: an unknown code"},
    {BL_HOP_SOCKS5H, false, A(""), BELAY_EEOF, BELAY_KIND_RETRY, 0, "closed the connection"},
    {BL_HOP_SOCKS5H,
     false,
     {"\x05\x00", ""},
     {2, 0},
     BELAY_EEOF,
     BELAY_KIND_RETRY,
     0,
     "closed the connection"},
    {BL_HOP_SOCKS4A, true, A("\x00\x5b\0\0\0\0\0\0"), BELAY_EPROXY, BELAY_KIND_RETRY, 91, "91"},
    {BL_HOP_SOCKS4A, true, A("\x00\x5c\0\0\0\0\0\0"), BELAY_EPROXY, BELAY_KIND_FATAL, 92, "identd"},
    {BL_HOP_SOCKS4A, true, A("\x00\x5d\0\0\0\0\0\0"), BELAY_EPROXY, BELAY_KIND_FATAL, 93, "identd"},
    {BL_HOP_SOCKS4A, true, A("\x05\x5a\0\0\0\0\0\0"), BELAY_EPROTO, BELAY_KIND_FATAL, 0,
     "not SOCKS 4"},
    {BL_HOP_SOCKS4A, true, A("\x00\x00\0\0\0\0\0\0"), BELAY_EPROTO, BELAY_KIND_FATAL, 0,
     "not SOCKS 4"},
    {BL_HOP_SOCKS4A, true, A(""), BELAY_EEOF, BELAY_KIND_RETRY, 0, "closed the connection"},
};

/* How many bytes the client says before each answer. */
static size_t expect_of(const struct fault *f, size_t i)
{
    if (f->kind == BL_HOP_CONNECT)
        return 80; /* at least; what follows is ignored */
    if (f->kind == BL_HOP_SOCKS4A)
        return 8 + (f->user ? sizeof PX_USER : 1) + sizeof "target.test";
    if (i == 0)
        return f->user ? 4 : 3;
    return f->user && i == 1 ? 3 + sizeof PX_USER - 1 + sizeof PX_PASSWORD - 1
                             : 7 + sizeof "target.test" - 1;
}

static void run_fault(const struct fault *f, bool chop)
{
    struct px_step steps[3] = {0};
    struct bl_hop hop = {.kind = f->kind, .name = NAME};
    struct px t;
    size_t n = 0;

    px_begin(&t);
    if (f->user) {
        hop.user = PX_USER;
        hop.password = PX_PASSWORD;
    }
    for (; n < 3 && f->answers[n]; n++) {
        steps[n].expect_n = 0; /* it does not listen, it only waits for its turn */
        steps[n].say = f->answers[n];
        steps[n].say_n = f->lens[n];
        steps[n].then = f->lens[n] ? PX_GO_ON : PX_CLOSE;
    }
    struct px_peer *p = px_listen(&t, NULL, 0);
    p->chop = chop;
    px_route(&t, &hop, 1, p);
    px_start(&t);
    size_t done = 0;
    while (!t.told && (done < n || p->at < p->steps_n || p->fd >= 0)) {
        px_turn(&t);
        if (done < n && p->fd >= 0 && p->in_n >= expect_of(f, done)) {
            p->in_n = 0;
            p->steps = &steps[done++];
            p->steps_n = 1;
            p->at = 0;
        }
    }
    px_until(&t, &t.told);
    px_expect_failure(&t, f->code, BELAY_STAGE_PROXY, f->words);
    assert_int_equal(t.error.kind, f->error_kind);
    assert_int_equal(t.error.status, f->status);
    assert_non_null(strstr(t.error.text, NAME));
    px_finish(&t);
}

static void each_refusal_is_a_clear_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(faults); i++) {
        run_fault(&faults[i], false);
        run_fault(&faults[i], true);
    }
}

static void all_codes_of_socks5_are_told(void **state)
{
    static const enum belay_error_kind kinds[] = {
        0,
        BELAY_KIND_RETRY,
        BELAY_KIND_FATAL,
        BELAY_KIND_RETRY,
        BELAY_KIND_RETRY,
        BELAY_KIND_RETRY,
        BELAY_KIND_RETRY,
        BELAY_KIND_FATAL,
        BELAY_KIND_FATAL,
    };
    (void)state;
    for (int i = 1; i <= 8; i++) {
        char reply[2] = {5, (char)i}, words[16];
        struct fault f = {.kind = BL_HOP_SOCKS5H,
                          .answers = {"\x05\x00", reply},
                          .lens = {2, 2},
                          .code = BELAY_EPROXY,
                          .error_kind = kinds[i],
                          .status = i,
                          .words = words};
        snprintf(words, sizeof words, "answered %d: ", i);
        run_fault(&f, false);
    }
}

static void an_answer_without_end_is_cut(void **state)
{
    static const char head[] = "HTTP/1.1 200 ok\r\nX: ";
    size_t len = 20000;
    char *text = malloc(len);
    struct fault f = {.kind = BL_HOP_CONNECT,
                      .answers = {text},
                      .lens = {len},
                      .code = BELAY_ELIMIT,
                      .error_kind = BELAY_KIND_FATAL,
                      .words = "longer than 16384 bytes"};
    (void)state;
    memset(text, 'x', len);
    memcpy(text, head, sizeof head - 1);
    run_fault(&f, false);
    memset(text, 0, len);
    for (size_t i = 0; i + 18 <= len; i += 18) /* interim answers for ever */
        memcpy(text + i, "HTTP/1.1 100 c\r\n\r\n", 18);
    run_fault(&f, false);
    free(text);
}

static void a_proxy_that_says_nothing_has_its_limit(void **state)
{
    static const struct px_step half[] = {PX_BYTES("", "HTTP/1.1 2")};
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct px t;
        struct bl_hop hop = {.kind = i % 2 ? BL_HOP_SOCKS5H : BL_HOP_CONNECT, .name = NAME};

        px_begin(&t);
        if (i < 2)
            t.plan.proxy_timeout_ms = 30;
        else
            t.plan.dial_timeout_ms = 30;
        struct px_peer *p = px_listen(&t, half, i == 0);
        px_route(&t, &hop, 1, p);
        px_dial(&t);
        px_expect_failure(&t, BELAY_ETIMEDOUT, BELAY_STAGE_PROXY, "no answer within ");
        assert_non_null(strstr(t.error.text, "through " NAME));
        px_finish(&t);
    }
}

static void a_socket_that_takes_nothing_is_waited_for(void **state)
{
    static const struct px_step steps[] = {
        PX_BYTES("\x05\x01\x00", "\x05\x00"),
        PX_BYTES("\x05\x01\x00\x03\x0btarget.test\x01\xbb", "\x05\x00\x00\x01\0\0\0\0\0\0"),
    };
    struct px t;
    struct bl_hop hop = {.kind = BL_HOP_SOCKS5H, .name = NAME};
    (void)state;
    px_begin(&t);
    struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
    px_route(&t, &hop, 1, p);
    t.net.refuse_write = EAGAIN;
    px_start(&t);
    for (int i = 0; i < 20; i++)
        px_turn(&t);
    assert_false(t.told);
    assert_int_equal(p->in_n, 0);
    t.net.refuse_write = 0;
    t.net.write_max = 1;
    px_until(&t, &t.told);
    px_expect_tunnel(&t, p);
    px_finish(&t);
}

static void the_hop_that_failed_is_named(void **state)
{
    static const struct px_step steps[] = {
        PX_BYTES("", "\x05\x00"),
        PX_BYTES("", "\x05\x00\x00\x01\0\0\0\0\0\0"),
        PX_BYTES("", "HTTP/1.1 502 x\r\n\r\n"),
    };
    struct bl_hop hops[] = {
        {.kind = BL_HOP_SOCKS5H, .name = "socks5h://one"},
        {.kind = BL_HOP_CONNECT, .name = "http://two", .host = "two.test", .port = 3128},
    };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct px t;
        struct px_step mine[3];

        px_begin(&t);
        memcpy(mine, steps, sizeof steps);
        if (i == 0) {
            mine[1].say = "\x05\x04";
            mine[1].say_n = 2;
        }
        struct px_peer *p = px_listen(&t, mine, 3);
        p->chop = true;
        hops[0].addrs = NULL;
        px_route(&t, hops, 2, p);
        px_dial(&t);
        px_expect_failure(&t, BELAY_EPROXY, BELAY_STAGE_PROXY,
                          i == 0 ? "through socks5h://one, asked for two.test:3128: "
                                   "the proxy answered 4"
                                 : "through http://two: the proxy answered 502");
        px_finish(&t);
    }
}

static void a_proxy_may_leave_after_any_byte(void **state)
{
    static const struct px_step steps[] = {
        PX_BYTES("\x05\x02\x00\x02", "\x05\x02"),
        PX_BYTES("\x01\x0bhidden-user\x0fhidden-password", "\x01\x00"),
        PX_BYTES("\x05\x01\x00\x03\x09next.test\x0c\x38", "\x05\x00\x00\x01\0\0\0\0\0\0"),
        PX_BYTES("CONNECT target.test:443 HTTP/1.1\r\n", "HTTP/1.1 200 x\r\nA: b\r\n\r\n"),
        PX_BYTES("", "."), /* of the target */
    };
    struct bl_hop hops[] = {
        {.kind = BL_HOP_SOCKS5H, .name = "socks5h://one", .user = PX_USER, .password = PX_PASSWORD},
        {.kind = BL_HOP_CONNECT, .name = "http://two", .host = "next.test", .port = 3128},
    };
    size_t all = 2 + 2 + 10 + 24;
    (void)state;
    for (size_t cut = 1; cut <= all; cut++) {
        struct px t;

        px_begin(&t);
        struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
        p->cut = cut;
        hops[0].addrs = NULL;
        px_route(&t, hops, 2, p);
        px_dial(&t);
        if (cut < all) {
            /* A socket that is closed with unread bytes is reset. */
            int code = t.error.code == BELAY_ERESET ? BELAY_ERESET : BELAY_EEOF;
            px_expect_failure(&t, code, BELAY_STAGE_PROXY,
                              cut < 14 ? "socks5h://one" : "http://two");
            assert_int_equal(t.error.kind, BELAY_KIND_RETRY);
        } else {
            assert_non_null(t.stream);
        }
        px_finish(&t);
    }
}

static void a_proxy_that_refuses_connections_is_named(void **state)
{
    struct px t;
    struct bl_hop hop = {.kind = BL_HOP_CONNECT, .name = NAME, .host = "127.0.0.1"};
    (void)state;
    px_begin(&t);
    hop.port = net_kit_dead_port();
    px_route(&t, &hop, 1, NULL);
    px_dial(&t);
    px_expect_failure(&t, BELAY_ECONNECT, BELAY_STAGE_CONNECT, "through " NAME);
    assert_int_equal(t.error.tried_n, 1);
    px_finish(&t);
}

static void a_proxy_dial_can_be_cancelled_at_each_turn(void **state)
{
    static const struct px_step steps[] = {
        PX_BYTES("\x05\x01\x00", "\x05\x00"),
        PX_BYTES("\x05\x01\x00\x03\x09next.test\x0c\x38", "\x05\x00\x00\x01\0\0\0\0\0\0"),
        PX_BYTES("CONNECT target.test:443 HTTP/1.1\r\n", "HTTP/1.1 200 x\r\n\r\nmore"),
    };
    struct bl_hop hops[] = {
        {.kind = BL_HOP_SOCKS5H, .name = "socks5h://one"},
        {.kind = BL_HOP_CONNECT, .name = "http://two", .host = "next.test", .port = 3128},
    };
    bool told = false;
    (void)state;
    for (int at = 0; !told; at++) {
        struct px t;

        px_begin(&t);
        struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
        hops[0].addrs = NULL;
        px_route(&t, hops, 2, p);
        px_start(&t);
        for (int i = 0; i < at; i++)
            px_turn(&t);
        told = t.told;
        if (!told)
            bl_dial_cancel(t.dial);
        t.dial = NULL;
        net_kit_settle(&t.net);
        assert_int_equal(t.told, told);
        px_finish(&t);
        assert_true(at < 500);
    }
}

static void every_failing_allocation_is_a_tunnel_or_an_error(void **state)
{
    static const struct px_step steps[] = {
        PX_BYTES("\x05\x02\x00\x02", "\x05\x02"),
        PX_BYTES("\x01\x0bhidden-user\x0fhidden-password", "\x01\x00"),
        PX_BYTES("\x05\x01\x00\x01\x7f\x00\x00\x01\x0c\x38", "\x05\x00\x00\x01\0\0\0\0\0\0"),
        PX_BYTES("CONNECT target.test:443 HTTP/1.1\r\n", "HTTP/1.1 200 x\r\n\r\nmore"),
    };
    bool failed = true;
    (void)state;
    for (size_t n = 1; failed; n++) {
        struct bl_hop hops[] = {
            {.kind = BL_HOP_SOCKS5,
             .name = "socks5://one",
             .user = PX_USER,
             .password = PX_PASSWORD},
            {.kind = BL_HOP_CONNECT,
             .name = "http://two",
             .host = "127.0.0.1",
             .port = 3128,
             .user = PX_USER},
        };
        struct px t;

        px_begin(&t);
        t.plan.proxy_protocol = 2;
        t.plan.family = BELAY_FAMILY_IPV4;
        struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
        px_route(&t, hops, 2, p);
        t.routes[0].key = "k";
        t.routes[0].key_len = 1;
        failing_alloc_once(&t.net.alloc, n);
        int rc = px_try(&t);
        assert_true(rc == 0 || rc == BELAY_ENOMEM);
        if (rc == 0)
            px_until(&t, &t.told);
        if (rc == 0 && !t.stream)
            assert_int_equal(t.error.code, BELAY_ENOMEM);
        px_expect_no_secret(&t);
        failed = failing_alloc_failures(&t.net.alloc) > 0;
        assert_true(failed || t.stream);
        px_finish(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refusal_is_a_clear_error),
        cmocka_unit_test(all_codes_of_socks5_are_told),
        cmocka_unit_test(an_answer_without_end_is_cut),
        cmocka_unit_test(a_proxy_that_says_nothing_has_its_limit),
        cmocka_unit_test(a_socket_that_takes_nothing_is_waited_for),
        cmocka_unit_test(the_hop_that_failed_is_named),
        cmocka_unit_test(a_proxy_may_leave_after_any_byte),
        cmocka_unit_test(a_proxy_that_refuses_connections_is_named),
        cmocka_unit_test(a_proxy_dial_can_be_cancelled_at_each_turn),
        cmocka_unit_test(every_failing_allocation_is_a_tunnel_or_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
