/* SPDX-License-Identifier: MIT */
/* Requests that a connection has, and may not send any more: its peer allows fewer at a time than it
 * did, or none. */
#include "h2_kit.h"

#include <stdlib.h>

#define MUCH (16u << 20)

enum { MAX_CONCURRENT_STREAMS = 3 };

struct scene {
    struct h2_kit k;
    struct call upload, calls[4];
    char *body;
};

static void loop_alone(struct h2_kit *k, int turns)
{
    for (int i = 0; i < turns; i++)
        kit_turn(&k->kit);
}

/* The server reads no more, so that nothing leaves, and `n` requests wait inside. */
static void open_scene(struct scene *s, const struct belay_http_options *options, int n)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct h2_kit *k = &s->k;

    h2_open(k, options);
    s->body = calloc(1, MUCH);
    assert_non_null(s->body);
    o.url = h2_url(&k->server, "/");
    o.method = "POST";
    o.body = s->body;
    o.body_len = MUCH;
    call_start(&k->kit, &s->upload, &o);
    h2_until_requests(k, 1);
    h2_window(&k->server, 0, 0, MUCH);
    h2_window(&k->server, 0, 1, MUCH);
    h2_step(&k->server);
    loop_alone(k, 100);
    for (int i = 0; i < n; i++)
        h2_begin(k, &s->calls[i], "POST");
    loop_alone(k, 10);
}

static void finish_upload(struct scene *s)
{
    while (s->k.server.conns[0].data < MUCH)
        h2_turn(&s->k);
    h2_answer(&s->k.server, 0, 1, "thanks");
    h2_until(&s->k, &s->upload.done);
    h2_good(&s->upload, "thanks");
}

static void close_scene(struct scene *s)
{
    h2_close(&s->k);
    free(s->body);
}

static void check_elsewhere(struct scene *s, unsigned conn, unsigned n)
{
    static const char *const bodies[] = {"a", "b", "c"};

    h2_until_requests(&s->k, 1 + n);
    assert_int_equal(s->k.server.conns[conn].requests, n);
    for (unsigned i = 0; i < n; i++)
        h2_answer(&s->k.server, conn, s->k.server.conns[conn].ids[i], bodies[i]);
    for (unsigned i = 0; i < n; i++) {
        h2_until(&s->k, &s->calls[i].done);
        assert_int_equal(s->calls[i].facts.replays, 0);
        h2_good(&s->calls[i], bodies[i]);
    }
}

static void what_waits_inside_goes_elsewhere_in_order_when_the_limit_falls(void **state)
{
    (void)state;
    for (uint32_t limit = 0; limit < 2; limit++) {
        struct belay_http_options o = h2_options();
        struct scene s = {0};

        o.max_replays = BELAY_NONE; /* nothing was sent, so this is none */
        open_scene(&s, &o, 3);
        h2_setting(&s.k.server, 0, MAX_CONCURRENT_STREAMS, limit);
        check_elsewhere(&s, 1, 3);
        assert_int_equal(s.k.server.conns[0].requests, 1);
        finish_upload(&s);
        close_scene(&s);
    }
}

static void it_goes_to_one_that_is_there(void **state)
{
    struct scene s = {0};

    (void)state;
    open_scene(&s, NULL, 3);
    h2_setting(&s.k.server, 0, MAX_CONCURRENT_STREAMS, 3); /* two of them fit */
    h2_until_requests(&s.k, 4);
    assert_int_equal(s.k.server.conns[0].requests, 3);
    assert_int_equal(s.k.server.conns[1].requests, 1);
    h2_answer(&s.k.server, 0, 3, "here");
    h2_answer(&s.k.server, 0, 5, "here");
    h2_answer(&s.k.server, 1, 1, "elsewhere");
    for (int i = 0; i < 3; i++) {
        h2_until(&s.k, &s.calls[i].done);
        h2_good(&s.calls[i], i < 2 ? "here" : "elsewhere");
    }
    finish_upload(&s);
    close_scene(&s);
}

/* There is no other connection: it waits ahead of those who came later. */
static void it_waits_before_all_others_where_there_is_no_other(void **state)
{
    static const char *const bodies[] = {"a", "b", "c", "d"};
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options o = h2_options();
    struct scene s = {0};
    uint32_t *ids = s.k.server.conns[0].ids;

    (void)state;
    pool.max_connections_per_endpoint = 1;
    pool.max_waiters = 2; /* fewer than come back */
    o.pool = &pool;
    open_scene(&s, &o, 3);
    h2_setting(&s.k.server, 0, MAX_CONCURRENT_STREAMS, 1);
    h2_turn(&s.k);
    h2_turn(&s.k);
    finish_upload(&s);
    for (unsigned i = 0; i < 4; i++) {
        h2_until_requests(&s.k, i + 2);
        h2_turn(&s.k);
        assert_int_equal(s.k.server.requests, i + 2); /* one at a time */
        h2_answer(&s.k.server, 0, ids[i + 1], bodies[i]);
        if (i == 1) { /* the third still waits, and is not overtaken */
            h2_begin(&s.k, &s.calls[3], "POST");
        }
        h2_until(&s.k, &s.calls[i].done);
        h2_good(&s.calls[i], bodies[i]);
    }
    assert_int_equal(s.k.server.accepted, 1);
    close_scene(&s);
}

static void begin_c(struct call *call)
{
    h2_begin(call->extra, (struct call *)call + 2, "POST");
}

/* It had a lease before the pool heard that there is no room for it. */
static void what_begins_while_the_limit_falls_is_given_back(void **state)
{
    struct call calls[3] = {{0}};
    struct h2_kit k;

    (void)state;
    calls[0].in_done = begin_c;
    calls[0].extra = &k;
    h2_open(&k, NULL);
    h2_begin(&k, &calls[0], "POST");
    h2_begin(&k, &calls[1], "POST");
    h2_until_requests(&k, 2);
    h2_setting(&k.server, 0, MAX_CONCURRENT_STREAMS, 1);
    h2_answer(&k.server, 0, 1, "a"); /* both in one portion */
    h2_until(&k, &calls[0].done);
    h2_until_requests(&k, 3);
    assert_int_equal(k.server.conns[1].requests, 1);
    h2_answer(&k.server, 1, 1, "c");
    h2_until(&k, &calls[2].done);
    assert_int_equal(calls[2].facts.replays, 0);
    h2_good(&calls[2], "c");
    h2_answer(&k.server, 0, 3, "b");
    h2_until(&k, &calls[1].done);
    h2_good(&calls[1], "b");
    h2_good(&calls[0], "a");
    h2_close(&k);
}

/* As many as are wanted are dialled one by one, and further and further apart. */
static void one_that_opens_with_a_limit_of_0_teaches_nothing(void **state)
{
    struct call calls[20] = {{0}};
    struct h2_kit k;
    int64_t end;

    (void)state;
    h2_open(&k, NULL);
    k.server.max = 0;
    for (int i = 0; i < 20; i++)
        h2_begin(&k, &calls[i], NULL);
    end = belay_loop_now_ms(k.kit.loop) + 250;
    while (belay_loop_now_ms(k.kit.loop) < end)
        h2_turn(&k);
    assert_in_range(k.server.accepted, 1, 3);
    assert_int_equal(k.server.requests, 0);
    h2_setting(&k.server, 0, MAX_CONCURRENT_STREAMS, 100);
    h2_until_requests(&k, 20);
    assert_int_equal(k.server.conns[0].requests, 20);
    for (unsigned i = 0; i < 20; i++)
        h2_answer(&k.server, 0, k.server.conns[0].ids[i], "x");
    for (int i = 0; i < 20; i++) {
        h2_until(&k, &calls[i].done);
        h2_good(&calls[i], "x");
    }
    h2_close(&k);
}

/* What is known of an endpoint is not forgotten for it. */
static void nor_does_one_make_forget_what_was_learned(void **state)
{
    struct call first = {0}, calls[20] = {{0}};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    h2_begin(&k, &first, NULL);
    h2_until_requests(&k, 1);
    h2_answer(&k.server, 0, 1, "x");
    h2_goaway(&k.server, 0, 1, 0);
    h2_until(&k, &first.done);
    h2_good(&first, "x");
    h2_until_closed(&k, 0);
    k.server.max = 0;
    h2_begin(&k, &calls[0], NULL);
    for (int i = 0; k.server.accepted < 2; i++) {
        assert_true(i < 1000);
        h2_turn(&k);
    }
    h2_turn(&k);
    k.server.max = 100;
    for (int i = 1; i < 20; i++)
        h2_begin(&k, &calls[i], NULL);
    h2_until_requests(&k, 21);
    assert_in_range(k.server.accepted, 3,
                    4); /* a slow machine's SETTINGS may be waited for in vain */
    for (unsigned conn = 2; conn < k.server.accepted; conn++) {
        for (unsigned i = 0; i < k.server.conns[conn].requests; i++)
            h2_answer(&k.server, conn, k.server.conns[conn].ids[i], "x");
    }
    for (int i = 0; i < 20; i++) {
        h2_until(&k, &calls[i].done);
        h2_good(&calls[i], "x");
    }
    h2_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_inside_goes_elsewhere_in_order_when_the_limit_falls),
        cmocka_unit_test(it_goes_to_one_that_is_there),
        cmocka_unit_test(it_waits_before_all_others_where_there_is_no_other),
        cmocka_unit_test(what_begins_while_the_limit_falls_is_given_back),
        cmocka_unit_test(one_that_opens_with_a_limit_of_0_teaches_nothing),
        cmocka_unit_test(nor_does_one_make_forget_what_was_learned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
