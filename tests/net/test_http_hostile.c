/* SPDX-License-Identifier: MIT */
/*
 * Servers that mean no good, and moments that are no good: bytes that nobody asked for are nobody's
 * answer, what was dropped is not sent, and the error says what may have happened.
 */
#include "scripted.h"

#include <stdio.h>
#include <unistd.h>

#define OK(body, len) "HTTP/1.1 200 OK\r\nContent-Length: " len "\r\n\r\n" body
#define POISON        OK("poison", "6")

/* ---- credentials that a server hands out ---- */

static void redirect_to(char out[256], const struct scripted *s, const char *user, const char *path)
{
    if (user)
        snprintf(out, 256,
                 "HTTP/1.1 302 Found\r\nLocation: http://%s@127.0.0.1:%d%s\r\n"
                 "Content-Length: 0\r\n\r\n",
                 user, s->port, path);
    else
        snprintf(out, 256, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", path);
}

/* Each redirect may bring credentials; the next ones, of the same origin, go on with them. */
static void credentials_live_as_long_as_they_are_sent(void **state)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_http_options client = belay_http_options_init();
    char texts[6][256];
    const char *const answers[] = {texts[0], texts[1], texts[2],    texts[3],
                                   texts[4], texts[5], OK("", "0"), NULL};
    struct scripted s;
    struct call call = {0};
    struct kit k;

    (void)state;
    client.max_targets = BELAY_NONE; /* nothing else keeps what a request lets go of */
    scripted_start(&s, answers);
    redirect_to(texts[0], &s, "first:one", "/1");
    redirect_to(texts[1], &s, NULL, "/2");
    redirect_to(texts[2], &s, "second:two", "/3");
    redirect_to(texts[3], &s, NULL, "/4");
    redirect_to(texts[4], &s, NULL, "/5");
    redirect_to(texts[5], &s, NULL, "/6");
    kit_open_steady(&k, &client);
    o.url = scripted_url(&s, "/0");
    o.max_redirects = 10;
    call_start(&k, &call, &o);
    scripted_turn_until(&s, &k, &call.done);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.facts.redirects, 6);
    assert_non_null(strstr(s.last, "GET /6 "));
    assert_non_null(strstr(s.last, "\r\nAuthorization: Basic c2Vjb25kOnR3bw==\r\n"));
    call_clear(&call);
    kit_close(&k);
    scripted_stop(&s);
}

/* ---- bytes that nobody asked for ---- */

struct chain {
    struct scripted *server;
    struct call next;
    const char *method;
};

static void start_next(struct call *call)
{
    struct chain *chain = call->extra;
    struct belay_http_request_options o = belay_http_request_options_init();

    o.method = chain->method;
    o.url = scripted_url(chain->server, "/next");
    call_start(call->kit, &chain->next, &o);
}

static void what_follows_a_paused_response_is_not_the_next_one(void **state)
{
    const char *const answers[] = {OK("", "0") POISON, OK("clean", "5"), NULL};
    struct belay_http_request_options o = belay_http_request_options_init();
    struct scripted s;
    struct chain chain = {.server = &s};
    struct call call = {.on_head = BELAY_HTTP_PAUSE, .in_done = start_next, .extra = &chain};
    struct kit k;

    (void)state;
    scripted_start(&s, answers);
    kit_open_steady(&k, NULL);
    o.url = scripted_url(&s, "/");
    call_start(&k, &call, &o);
    while (call.heads == 0) {
        scripted_step(&s);
        kit_turn(&k);
    }
    belay_http_request_resume(call.request);
    scripted_turn_until(&s, &k, &chain.next.done);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(chain.next.error.code, 0);
    assert_string_equal(chain.next.body, "clean");
    assert_int_equal(s.accepted, 2);
    call_clear(&chain.next);
    call_clear(&call);
    kit_close(&k);
    scripted_stop(&s);
}

/* What happens in one turn: a pipe becomes readable, and then the connection. */
struct moment {
    struct kit kit;
    struct scripted server;
    int pipe[2];
    struct belay_watch *watch;
    struct call call;
    const char *method;
    bool cancel; /* at once */
    bool came;
};

static void at_the_moment(unsigned events, void *arg)
{
    struct moment *m = arg;
    struct belay_http_request_options o = belay_http_request_options_init();

    (void)events;
    if (m->came)
        return;
    m->came = true;
    assert_int_equal(belay_watch_set(m->watch, 0), 0);
    o.method = m->method;
    o.url = scripted_url(&m->server, "/now");
    call_start(&m->kit, &m->call, &o);
    if (m->cancel) {
        belay_http_request_cancel(m->call.request);
        m->call.done = true;
    }
}

/* One connection is idle, and the moment is near. */
static void moment_begin(struct moment *m, const char *const *answers)
{
    struct call first = {0};

    memset(m, 0, sizeof *m);
    scripted_start(&m->server, answers);
    kit_open_steady(&m->kit, NULL);
    assert_int_equal(pipe(m->pipe), 0);
    scripted_get(&m->server, &m->kit, &first, "/first");
    assert_int_equal(first.status, 200);
    call_clear(&first);
    assert_int_equal(
        belay_watch_new(m->kit.loop, m->pipe[0], BELAY_READABLE, at_the_moment, m, &m->watch), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(belay_loop_turn(m->kit.loop, 0), 0);
    assert_int_equal(write(m->pipe[1], "x", 1), 1);
}

static void moment_end(struct moment *m)
{
    belay_watch_free(m->watch);
    call_clear(&m->call);
    kit_close(&m->kit);
    scripted_stop(&m->server);
    close(m->pipe[0]);
    close(m->pipe[1]);
}

static void what_came_before_the_request_left_is_not_its_answer(void **state)
{
    const char *const answers[] = {OK("", "0"), OK("clean", "5"), NULL};
    const char *const methods[] = {"GET", "POST"};
    struct belay_pool_stats stats;
    struct moment m;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        moment_begin(&m, answers);
        m.method = methods[i];
        scripted_say(&m.server, 0, POISON);
        scripted_turn_until(&m.server, &m.kit, &m.call.done);
        assert_int_equal(m.call.error.code, 0);
        assert_string_equal(m.call.body, "clean");
        assert_int_equal(m.server.requests, 2);
        kit_stats(&m.kit, &stats);
        assert_int_equal(stats.closed[BELAY_REASON_UNHEALTHY], 1);
        moment_end(&m);
    }
}

static void what_was_cancelled_before_it_left_is_not_sent(void **state)
{
    const char *const answers[] = {OK("", "0"), NULL};
    struct moment m;

    (void)state;
    moment_begin(&m, answers);
    m.method = "POST";
    m.cancel = true;
    scripted_turn_until(&m.server, &m.kit, &m.came);
    while (m.server.conns[0] >= 0) {
        kit_turn(&m.kit);
        scripted_step(&m.server);
    }
    assert_int_equal(m.server.requests, 1);
    assert_int_equal(m.server.len[0], 0);
    moment_end(&m);
}

/* ---- probes ---- */

/* on_done runs while the connection hands over the end of its response. */
static void a_post_made_in_on_done_reuses_the_connection(void **state)
{
    const char *const answers[] = {OK("", "0"), OK("clean", "5"), NULL};
    struct belay_http_request_options o = belay_http_request_options_init();
    struct scripted s;
    struct chain chain = {.server = &s, .method = "POST"};
    struct call call = {.in_done = start_next, .extra = &chain};
    struct kit k;

    (void)state;
    scripted_start(&s, answers);
    kit_open_steady(&k, NULL);
    o.method = "POST";
    o.url = scripted_url(&s, "/");
    call_start(&k, &call, &o);
    scripted_turn_until(&s, &k, &chain.next.done);
    assert_int_equal(chain.next.error.code, 0);
    assert_string_equal(chain.next.body, "clean");
    assert_true(chain.next.facts.reused);
    assert_int_equal(s.accepted, 1);
    call_clear(&chain.next);
    call_clear(&call);
    kit_close(&k);
    scripted_stop(&s);
}

/* ---- what the error says ---- */

/* It left once; that the second attempt found nobody does not undo it. */
static void what_may_have_been_sent_once_stays_so(void **state)
{
    const char *const answers[] = {"", NULL};
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_http_options client = belay_http_options_init();
    struct belay_pool_options pool = belay_pool_options_init();
    struct scripted s;
    struct call call = {0};
    struct kit k;

    (void)state;
    pool.connect_retry_count = BELAY_NONE;
    client.pool = &pool;
    scripted_start(&s, answers);
    kit_open_steady(&k, &client);
    o.method = "PUT";
    o.url = scripted_url(&s, "/");
    call_start(&k, &call, &o);
    while (s.accepted == 0) {
        kit_turn(&k);
        scripted_step(&s);
    }
    scripted_deafen(&s);
    scripted_turn_until(&s, &k, &call.done);
    assert_int_equal(call.error.code, BELAY_ECONNECT);
    assert_int_equal(call.facts.replays, 1);
    assert_int_equal(call.error.sent, BELAY_MAYBE_SENT);
    assert_int_equal(call.facts.sent, BELAY_MAYBE_SENT);
    call_clear(&call);
    kit_close(&k);
    scripted_stop(&s);
}

/* ---- a host of hosts ---- */

static int port_of_nobody;

static int lead_nowhere(struct belay_endpoint_options *options, void *arg)
{
    (void)arg;
    options->port = port_of_nobody;
    return 0;
}

/* What is kept of a host that nobody asks for any more is given up. */
static void hosts_that_are_asked_once_are_forgotten(void **state)
{
    struct belay_endpoint_options route = belay_endpoint_options_init();
    struct belay_http_options client = belay_http_options_init();
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_addr addr;
    struct belay_pool_stats stats;
    struct scripted s;
    struct kit k;
    size_t live = 0;

    (void)state;
    scripted_start(&s, NULL);
    port_of_nobody = s.port;
    scripted_deafen(&s);
    assert_int_equal(belay_addr_parse_ip("127.0.0.1", 9, 0, &addr), 0);
    route.addrs = &addr;
    route.addrs_n = 1;
    pool.connect_retry_count = BELAY_NONE;
    client.pool = &pool;
    client.route = &route;
    client.on_route = lead_nowhere;
    client.max_targets = 8;
    kit_open_steady(&k, &client);
    for (int i = 0; i < 300; i++) {
        struct belay_http_request_options o = belay_http_request_options_init();
        struct call call = {0};
        char url[64];

        snprintf(url, sizeof url, "http://host-%d.test/", 100000 + i);
        o.url = url;
        call_run(&k, &call, &o);
        assert_int_equal(call.error.code, BELAY_ECONNECT);
        call_clear(&call);
        if (i == 99)
            live = failing_alloc_live(&k.memory);
    }
    kit_stats(&k, &stats);
    assert_true(stats.endpoints <= 9);
    assert_int_equal(stats.failed[BELAY_STAGE_CONNECT], 300);
    assert_true(failing_alloc_live(&k.memory) <= live + 4);
    kit_close(&k);
    scripted_stop(&s);
}

/* What would follow is no HTTP, and nobody would read it. */
static void protocols_are_not_switched_unasked(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", NULL};
    struct scripted s;
    struct call call = {0};
    struct kit k;

    (void)state;
    scripted_start(&s, answers);
    kit_open_steady(&k, NULL);
    scripted_get(&s, &k, &call, "/");
    assert_int_equal(call.error.code, BELAY_EPROTO);
    assert_non_null(strstr(call.error.text, "101"));
    call_clear(&call);
    kit_close(&k);
    scripted_stop(&s);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_live_as_long_as_they_are_sent),
        cmocka_unit_test(what_follows_a_paused_response_is_not_the_next_one),
        cmocka_unit_test(what_came_before_the_request_left_is_not_its_answer),
        cmocka_unit_test(what_was_cancelled_before_it_left_is_not_sent),
        cmocka_unit_test(a_post_made_in_on_done_reuses_the_connection),
        cmocka_unit_test(what_may_have_been_sent_once_stays_so),
        cmocka_unit_test(hosts_that_are_asked_once_are_forgotten),
        cmocka_unit_test(protocols_are_not_switched_unasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
