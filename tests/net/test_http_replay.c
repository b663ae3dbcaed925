/* SPDX-License-Identifier: MIT */
/* Servers that go away: what was not sent, or does no harm twice, is sent again; nothing else is. */
#include "http_kit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/place.h"

static struct origin origin;

static int setup(void **state)
{
    (void)state;
    origin_start(&origin, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    origin_stop(&origin, SIGKILL);
    return 0;
}

/* One of the server's counters. */
static long counter(struct kit *k, const struct origin *o, const char *name)
{
    struct call call = {0};
    char key[64];
    const char *at;
    long n;

    call_get(k, &call, origin_url(o, "/stats"));
    assert_int_equal(call.status, 200);
    snprintf(key, sizeof key, "\"%s\": ", name);
    at = strstr(call.body, key);
    assert_non_null(at);
    n = strtol(at + strlen(key), NULL, 10);
    call_clear(&call);
    return n;
}

/* How many it has seen; those for its counters are not among them. */
static long requests_seen(struct kit *k, const struct origin *o)
{
    return counter(k, o, "requests");
}

static struct belay_http_request_options request(const struct origin *o, const char *method,
                                                 const char *path)
{
    struct belay_http_request_options r = belay_http_request_options_init();

    r.method = method;
    r.url = origin_url(o, path);
    return r;
}

struct attempts {
    const char *method;
    bool unsafe_replay;
    int32_t max_replays;
    int attempts;
};

static const struct attempts attempts[] = {
    {"GET", false, 0, 4},          {"PUT", false, 0, 4},  {"DELETE", false, 1, 2},
    {"GET", false, BELAY_NONE, 1}, {"POST", false, 0, 1}, {"PATCH", false, 0, 1},
    {"POST", true, 0, 4},
};

static void an_unanswered_request_is_sent_as_often_as_it_may(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        const struct attempts *a = &attempts[i];
        struct belay_http_options h = belay_http_options_init();
        struct belay_http_request_options o = request(&origin, a->method, "/no-reply");
        struct call call = {0};
        long before;
        struct kit k;

        h.max_replays = a->max_replays;
        kit_open(&k, &h);
        before = requests_seen(&k, &origin);
        o.unsafe_replay = a->unsafe_replay;
        call_run(&k, &call, &o);
        assert_int_equal(call.error.code, BELAY_EEOF);
        assert_int_equal(call.error.sent, BELAY_MAYBE_SENT);
        assert_int_equal(call.facts.replays, a->attempts - 1);
        assert_int_equal(requests_seen(&k, &origin) - before, a->attempts);
        call_clear(&call);
        kit_close(&k);
    }
}

static void a_request_whose_answer_had_begun_is_not_sent_again(void **state)
{
    struct call call = {0};
    long before;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    before = requests_seen(&k, &origin);
    call_get(&k, &call, origin_url(&origin, "/short/100"));
    assert_int_equal(call.error.sent, BELAY_ANSWERED);
    assert_int_equal(requests_seen(&k, &origin) - before, 1);
    call_clear(&call);
    kit_close(&k);
}

static void a_lost_get_succeeds_at_the_second_attempt(void **state)
{
    struct call call = {0};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_get(&k, &call, origin_url(&origin, "/gone-once?id=get"));
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.status, 200);
    assert_int_equal(call.facts.replays, 1);
    call_clear(&call);
    kit_close(&k);
}

/*
 * The server closes each connection after one response, without saying so. Another client watches it do so, while the loop of
 * ours stands still: our pool believes in a connection that is dead.
 */
static void a_post_does_not_go_out_on_a_dead_connection(void **state)
{
    struct belay_pool_stats stats;
    struct origin rude;
    struct kit k, watcher;

    (void)state;
    origin_start(&rude, (const char *const[]){"--silent-close-after", "1", NULL});
    kit_open(&k, NULL);
    kit_open(&watcher, NULL);
    for (int i = 0; i < 10; i++) {
        struct belay_http_request_options o = request(&rude, "POST", "/echo");
        struct call call = {0};

        o.body = "x";
        o.body_len = 1;
        call_run(&k, &call, &o);
        if (call.error.code)
            fail_msg("%d: %s", i, call.error.text);
        assert_int_equal(call.facts.replays, 0);
        call_clear(&call);
        kit_stats(&k, &stats);
        assert_int_equal(stats.opened, i + 1);
        while (counter(&watcher, &rude, "connections_now") > 1)
            ;
    }
    kit_close(&watcher);
    kit_close(&k);
    origin_stop(&rude, SIGKILL);
}

static void gets_survive_connections_that_close_unannounced(void **state)
{
    struct origin rude;
    struct kit k;

    (void)state;
    origin_start(&rude, (const char *const[]){"--silent-close-after", "3", NULL});
    kit_open(&k, NULL);
    for (int i = 0; i < 100; i++)
        kit_expect(&k, origin_url(&rude, "/"), "hello");
    kit_close(&k);
    origin_stop(&rude, SIGKILL);
}

/* ---- bodies ---- */

struct body {
    const char *text;
    size_t at;
    int rewinds;
    bool no_rewind;
};

static ptrdiff_t read_body(void *out, size_t size, void *arg)
{
    struct body *b = arg;
    size_t left = strlen(b->text) - b->at, n = left < size ? left : size;

    memcpy(out, b->text + b->at, n);
    b->at += n;
    return (ptrdiff_t)n;
}

static int rewind_body(void *arg)
{
    struct body *b = arg;

    b->rewinds++;
    if (b->no_rewind)
        return BELAY_ENOTSUP;
    b->at = 0;
    return 0;
}

static void a_body_by_callback_is_rewound_for_a_replay(void **state)
{
    struct belay_http_request_options o = request(&origin, "PUT", "/gone-once?id=body");
    struct body body = {.text = "some body"};
    struct call call = {0};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    o.read_body = read_body;
    o.rewind_body = rewind_body;
    o.body_arg = &body;
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.facts.replays, 1);
    assert_int_equal(body.rewinds, 1);
    assert_int_equal(body.at, 9);
    call_clear(&call);
    kit_close(&k);
}

static void a_body_that_cannot_be_had_again_is_not_replayed(void **state)
{
    struct belay_http_request_options o = request(&origin, "PUT", "/no-reply");
    struct body body = {.text = "some body"};
    struct call call = {0};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    o.read_body = read_body;
    o.body_arg = &body;
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, BELAY_EEOF);
    assert_int_equal(call.facts.replays, 0);
    call_clear(&call);

    body.at = 0;
    body.no_rewind = true;
    o.rewind_body = rewind_body;
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, BELAY_EEOF);
    assert_int_equal(call.facts.replays, 0);
    assert_int_equal(body.rewinds, 1);
    call_clear(&call);
    kit_close(&k);
}

/* ---- a server that comes back ---- */

static void start_at(struct origin *o, int port)
{
    char text[16];

    snprintf(text, sizeof text, "%d", port);
    origin_start(o, (const char *const[]){"--port", text, "--reuse-port", NULL});
}

static void a_killed_server_costs_nothing_idle(void **state)
{
    struct origin server;
    struct kit k;
    int port, place = place_take(&port);

    (void)state;
    start_at(&server, port);
    kit_open(&k, NULL);
    for (int round = 0; round < 5; round++) {
        struct belay_http_request_options o = request(&server, "POST", "/echo");
        struct call call = {0};

        o.body = "precious";
        o.body_len = 8;
        call_run(&k, &call, &o);
        if (call.error.code)
            fail_msg("%d: %s", round, call.error.text);
        call_clear(&call);
        origin_stop(&server, SIGKILL);
        start_at(&server, port);
    }
    kit_close(&k);
    origin_stop(&server, SIGKILL);
    close(place);
}

/* ---- promises ---- */

static void a_keep_alive_hint_ends_the_connection_before_the_server_does(void **state)
{
    struct belay_http_options h = belay_http_options_init();
    struct origin server;
    struct kit k;

    (void)state;
    origin_start(&server, (const char *const[]){"--keepalive-hint", "1", NULL});
    h.keep_alive_margin_ms = 900;
    kit_open(&k, &h);
    kit_expect(&k, origin_url(&server, "/"), "hello");
    kit_await_closed(&k, BELAY_REASON_DRAINING, 1);
    kit_close(&k);

    h.keep_alive_margin_ms = 1000; /* nothing is left of it */
    kit_open(&k, &h);
    kit_expect(&k, origin_url(&server, "/"), "hello");
    kit_expect(&k, origin_url(&server, "/"), "hello");
    kit_await_closed(&k, BELAY_REASON_DRAINING, 2);
    kit_close(&k);
    origin_stop(&server, SIGKILL);
}

static void an_idle_connection_that_the_peer_closes_is_gone_at_once(void **state)
{
    struct origin server;
    struct kit k;

    (void)state;
    origin_start(&server, (const char *const[]){"--idle-close", "50", NULL});
    kit_open(&k, NULL);
    kit_expect(&k, origin_url(&server, "/"), "hello");
    kit_await_closed(&k, BELAY_REASON_PEER_CLOSED, 1);
    kit_close(&k);
    origin_stop(&server, SIGKILL);
}

static void connections_that_end_after_so_many_requests_lose_none(void **state)
{
    struct belay_pool_stats stats;
    struct origin server;
    struct kit k;

    (void)state;
    origin_start(&server, (const char *const[]){"--close-after", "10", NULL});
    kit_open(&k, NULL);
    for (int i = 0; i < 100; i++)
        kit_expect(&k, origin_url(&server, "/"), "hello");
    kit_stats(&k, &stats);
    assert_int_equal(stats.opened, 10);
    assert_int_equal(stats.closed[BELAY_REASON_DRAINING], 10);
    kit_close(&k);
    origin_stop(&server, SIGKILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unanswered_request_is_sent_as_often_as_it_may),
        cmocka_unit_test(a_request_whose_answer_had_begun_is_not_sent_again),
        cmocka_unit_test(a_lost_get_succeeds_at_the_second_attempt),
        cmocka_unit_test(a_post_does_not_go_out_on_a_dead_connection),
        cmocka_unit_test(gets_survive_connections_that_close_unannounced),
        cmocka_unit_test(a_body_by_callback_is_rewound_for_a_replay),
        cmocka_unit_test(a_body_that_cannot_be_had_again_is_not_replayed),
        cmocka_unit_test(a_killed_server_costs_nothing_idle),
        cmocka_unit_test(a_keep_alive_hint_ends_the_connection_before_the_server_does),
        cmocka_unit_test(an_idle_connection_that_the_peer_closes_is_gone_at_once),
        cmocka_unit_test(connections_that_end_after_so_many_requests_lose_none),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
