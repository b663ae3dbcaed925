/* SPDX-License-Identifier: MIT */
/* What a peer allows, and takes back: GOAWAY in each phase, SETTINGS that change; and its silence:
 * PING. */
#include "h2_kit.h"

#include "http/h2_session.h"
#include "keep/pool.h"

enum { NO_ERROR = 0, ENHANCE_YOUR_CALM = 11, MAX_CONCURRENT_STREAMS = 3, INITIAL_WINDOW = 4 };

static void answer_beyond_first(struct h2_server *s, unsigned conn, uint32_t id)
{
    if (conn > 0)
        h2_answer(s, conn, id, "elsewhere");
}

static void begin_many(struct h2_kit *k, struct call *calls, unsigned n, const char *method)
{
    for (unsigned i = 0; i < n; i++)
        h2_begin(k, &calls[i], method);
    h2_until_requests(k, n);
    assert_int_equal(k->server.accepted, 1);
}

/* ---- GOAWAY ---- */

static void those_above_the_last_go_elsewhere_the_others_finish(void **state)
{
    struct belay_pool_stats stats;

    (void)state;
    for (uint32_t last = 0; last < 5; last++) { /* as many of 4 are taken */
        struct call calls[4] = {{0}};
        struct h2_kit k;

        h2_open(&k, NULL);
        k.server.on_request = answer_beyond_first;
        begin_many(&k, calls, 4, "POST"); /* not idempotent */
        h2_goaway(&k.server, 0, last ? 2 * last - 1 : 0, last == 2 ? ENHANCE_YOUR_CALM : NO_ERROR);
        for (uint32_t i = last; i < 4; i++) {
            h2_until(&k, &calls[i].done);
            assert_int_equal(calls[i].facts.replays, 1);
            h2_good(&calls[i], "elsewhere");
        }
        for (uint32_t i = 0; i < last && i < 4; i++)
            h2_answer(&k.server, 0, 2 * i + 1, "here");
        for (uint32_t i = 0; i < last && i < 4; i++) {
            h2_until(&k, &calls[i].done);
            h2_good(&calls[i], "here");
        }
        h2_until_closed(&k, 0);
        kit_stats(&k.kit, &stats);
        assert_int_equal(stats.closed[BELAY_REASON_DRAINING], 1);
        h2_close(&k);
    }
}

static void an_idle_connection_told_goaway_closes_and_another_serves(void **state)
{
    struct belay_pool_stats stats;
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.on_request = answer_beyond_first;
    h2_begin(&k, &call, NULL);
    h2_until_requests(&k, 1);
    h2_answer(&k.server, 0, 1, "fine");
    h2_goaway(&k.server, 0, 1, NO_ERROR);
    h2_until(&k, &call.done);
    h2_good(&call, "fine");
    h2_get(&k, &call);
    h2_good(&call, "elsewhere");
    h2_until_closed(&k, 0);
    kit_stats(&k.kit, &stats);
    assert_int_equal(stats.closed[BELAY_REASON_DRAINING], 1);
    assert_int_equal(stats.closed[BELAY_REASON_ERROR], 0);
    assert_int_equal(k.server.conns[0].goaway, NO_ERROR); /* it says goodbye, too */
    h2_close(&k);
}

/* In two steps, as servers do who let what is on its way arrive. */
static void a_graceful_goaway_lets_all_finish(void **state)
{
    struct call calls[3] = {{0}};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.on_request = answer_beyond_first;
    begin_many(&k, calls, 2, "POST");
    h2_goaway(&k.server, 0, 0x7fffffff, NO_ERROR);
    h2_turn(&k);
    h2_get(&k, &calls[2]);
    h2_good(&calls[2], "elsewhere");
    h2_goaway(&k.server, 0, 3, NO_ERROR);
    h2_answer(&k.server, 0, 1, "one");
    h2_answer(&k.server, 0, 3, "three");
    h2_until(&k, &calls[0].done);
    h2_until(&k, &calls[1].done);
    h2_good(&calls[0], "one");
    h2_good(&calls[1], "three");
    h2_until_closed(&k, 0);
    h2_close(&k);
}

static void requests_that_wait_inside_go_elsewhere_at_goaway(void **state)
{
    struct call calls[4] = {{0}};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.on_request = answer_beyond_first;
    begin_many(&k, calls, 2, "POST");
    h2_setting(&k.server, 0, MAX_CONCURRENT_STREAMS, 1); /* crosses two requests */
    h2_step(&k.server);
    h2_begin(&k, &calls[2], "POST");
    h2_begin(&k, &calls[3], "POST");
    h2_turn(&k);
    h2_goaway(&k.server, 0, 3, NO_ERROR);
    h2_until(&k, &calls[2].done);
    h2_until(&k, &calls[3].done);
    h2_good(&calls[2], "elsewhere");
    h2_good(&calls[3], "elsewhere");
    h2_hang_up(&k.server, 0);
    h2_until(&k, &calls[0].done);
    h2_until(&k, &calls[1].done);
    h2_bad(&calls[0], BELAY_EEOF, BELAY_MAYBE_SENT);
    h2_bad(&calls[1], BELAY_EEOF, BELAY_MAYBE_SENT);
    h2_close(&k);
}

static void ask_again(struct call *call)
{
    struct h2_kit *k = (struct h2_kit *)(void *)((char *)call->kit - offsetof(struct h2_kit, kit));

    h2_begin(k, call->extra, "POST");
}

/* What is asked in the callback of one that was refused finds the connection draining already. */
static void who_asks_again_at_once_is_served_elsewhere(void **state)
{
    struct call again = {0}, call = {.in_done = ask_again, .extra = &again};
    struct belay_http_options o = h2_options();
    struct belay_pool_stats stats;
    struct h2_kit k;

    (void)state;
    o.max_replays = BELAY_NONE;
    h2_open(&k, &o);
    k.server.on_request = answer_beyond_first;
    begin_many(&k, &call, 1, "POST");
    h2_goaway(&k.server, 0, 0, NO_ERROR);
    h2_until(&k, &call.done);
    h2_bad(&call, BELAY_ERESET, BELAY_NOT_SENT);
    h2_until(&k, &again.done);
    h2_good(&again, "elsewhere");
    h2_until_closed(&k, 0);
    kit_stats(&k.kit, &stats);
    assert_int_equal(stats.closed[BELAY_REASON_DRAINING], 1);
    assert_int_equal(stats.closed[BELAY_REASON_BROKEN], 0);
    h2_close(&k);
}

static void an_end_without_goaway_replays_what_is_idempotent(void **state)
{
    struct call get = {0}, post = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.on_request = answer_beyond_first;
    h2_begin(&k, &get, NULL);
    h2_begin(&k, &post, "POST");
    h2_until_requests(&k, 2);
    h2_hang_up(&k.server, 0);
    h2_until(&k, &get.done);
    h2_until(&k, &post.done);
    h2_good(&get, "elsewhere");
    h2_bad(&post, BELAY_EEOF, BELAY_MAYBE_SENT);
    h2_close(&k);
}

/* ---- numbers of streams ---- */

static struct bl_h2_session *session_of(struct h2_kit *k)
{
    struct bl_list *peer = bl_list_first(&belay_http_pool(k->kit.http)->pp.peers);
    struct bl_pp_peer *pp = BL_LIST_OF(peer, struct bl_pp_peer, link);
    struct bl_pp_conn *c = BL_LIST_OF(bl_list_first(&pp->conns), struct bl_pp_conn, link);

    return bl_h2_of(belay_conn_state(bl_pool_conn_of(c)->lessor.conn));
}

static void a_connection_whose_numbers_are_spent_drains(void **state)
{
    struct call calls[3] = {{0}};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.on_request = answer_beyond_first;
    begin_many(&k, calls, 1, "POST");
    nghttp2_session_set_next_stream_id(session_of(&k)->nghttp2, 0x7ffffff1);
    h2_begin(&k, &calls[1], "POST");
    h2_until_requests(&k, 2);
    h2_begin(&k, &calls[2], "POST");
    h2_until(&k, &calls[2].done);
    h2_good(&calls[2], "elsewhere");
    h2_answer(&k.server, 0, 1, "one");
    h2_answer(&k.server, 0, 0x7ffffff1, "last");
    h2_until(&k, &calls[0].done);
    h2_until(&k, &calls[1].done);
    h2_good(&calls[0], "one");
    h2_good(&calls[1], "last");
    h2_until_closed(&k, 0);
    h2_close(&k);
}

/* ---- SETTINGS ---- */

static struct belay_http_options one_connection(struct belay_pool_options *pool)
{
    struct belay_http_options o = h2_options();

    *pool = belay_pool_options_init();
    pool->max_connections_per_endpoint = 1;
    pool->connect_retry_delay_ms = 1;
    o.pool = pool;
    return o;
}

static void the_peers_limit_holds_as_it_rises_and_falls(void **state)
{
    struct belay_pool_options pool;
    struct belay_http_options o = one_connection(&pool);
    struct call calls[8] = {{0}};
    struct h2_kit k;

    (void)state;
    h2_open(&k, &o);
    k.server.max = 2;
    for (int i = 0; i < 8; i++)
        h2_begin(&k, &calls[i], NULL);
    h2_until_requests(&k, 2);
    h2_turn(&k);
    assert_int_equal(k.server.requests, 2);
    h2_setting(&k.server, 0, MAX_CONCURRENT_STREAMS, 4);
    h2_until_requests(&k, 4);
    h2_turn(&k);
    assert_int_equal(k.server.requests, 4);
    h2_setting(&k.server, 0, MAX_CONCURRENT_STREAMS, 1);
    h2_turn(&k);
    for (unsigned i = 0; i < 3;
         i++) /* three of four go: one is left, and that is what is allowed */
        h2_answer(&k.server, 0, 2 * i + 1, "x");
    h2_turn(&k);
    assert_int_equal(k.server.requests, 4);
    h2_setting(&k.server, 0, MAX_CONCURRENT_STREAMS, 0);
    h2_turn(&k);
    h2_answer(&k.server, 0, 7, "x");
    h2_turn(&k);
    assert_int_equal(k.server.requests, 4);
    h2_setting(&k.server, 0, MAX_CONCURRENT_STREAMS, 100);
    h2_until_requests(&k, 8);
    for (unsigned i = 4; i < 8; i++)
        h2_answer(&k.server, 0, 2 * i + 1, "x");
    for (int i = 0; i < 8; i++) {
        h2_until(&k, &calls[i].done);
        h2_good(&calls[i], "x");
    }
    assert_int_equal(k.server.accepted, 1);
    h2_close(&k);
}

static void no_more_than_max_streams_are_asked_for(void **state)
{
    struct belay_pool_options pool;
    struct belay_http_options o = one_connection(&pool);
    struct call calls[4] = {{0}};
    struct h2_kit k;

    (void)state;
    o.max_streams = 3;
    h2_open(&k, &o);
    for (int i = 0; i < 4; i++)
        h2_begin(&k, &calls[i], NULL);
    h2_until_requests(&k, 3);
    h2_turn(&k);
    assert_int_equal(k.server.requests, 3);
    h2_answer(&k.server, 0, 1, "x");
    h2_until_requests(&k, 4);
    for (unsigned i = 1; i < 4; i++)
        h2_answer(&k.server, 0, 2 * i + 1, "x");
    for (int i = 0; i < 4; i++) {
        h2_until(&k, &calls[i].done);
        h2_good(&calls[i], "x");
    }
    h2_close(&k);
}

static void settings_in_two_frames_are_one_beginning(void **state)
{
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    h2_begin(&k, &call, NULL);
    h2_turn(&k);
    h2_setting(&k.server, 0, MAX_CONCURRENT_STREAMS, 5);
    h2_until_requests(&k, 1);
    h2_answer(&k.server, 0, 1, "fine");
    h2_until(&k, &call.done);
    h2_good(&call, "fine");
    h2_turn(&k);
    assert_int_equal(k.server.conns[0].acks, 2);
    h2_close(&k);
}

/* ---- silence ---- */

static void a_silent_connection_in_use_is_asked_and_given_up(void **state)
{
    struct belay_http_options o = h2_options();
    struct call calls[2] = {{0}};
    struct h2_kit k;

    (void)state;
    o.ping_interval_ms = 1000;
    o.ping_timeout_ms = 50;
    o.max_replays = BELAY_NONE;
    h2_open(&k, &o);
    begin_many(&k, calls, 2, NULL);
    for (int i = 0; k.server.conns[0].got[H2_PING] < 2; i++) { /* answered once */
        assert_true(i < 400);
        h2_turn(&k);
    }
    assert_false(calls[0].done);
    k.server.no_pong = true;
    h2_until(&k, &calls[0].done);
    h2_until(&k, &calls[1].done);
    h2_bad(&calls[0], BELAY_ETIMEDOUT, BELAY_MAYBE_SENT);
    h2_bad(&calls[1], BELAY_ETIMEDOUT, BELAY_MAYBE_SENT);
    h2_close(&k);
}

static void an_idle_connection_is_asked_only_where_that_is_wished(void **state)
{
    (void)state;
    for (int idle = 0; idle < 2; idle++) {
        struct belay_http_options o = h2_options();
        struct call call = {0};
        struct h2_kit k;
        int64_t end;

        o.ping_interval_ms = 1000;
        o.ping_when_idle = idle;
        h2_open(&k, &o);
        k.server.on_request = answer_beyond_first;
        h2_begin(&k, &call, NULL);
        h2_until_requests(&k, 1);
        h2_answer(&k.server, 0, 1, "fine");
        h2_until(&k, &call.done);
        h2_good(&call, "fine");
        end = belay_loop_now_ms(k.kit.loop) + 1300;
        while (belay_loop_now_ms(k.kit.loop) < end)
            h2_turn(&k);
        assert_int_equal(k.server.conns[0].got[H2_PING], idle);
        h2_close(&k);
    }
}

static struct call timed_out(struct h2_kit *k)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call call = {0};

    o.url = h2_url(&k->server, "/");
    o.timeout_ms = 40;
    call_start(&k->kit, &call, &o);
    h2_until(k, &call.done);
    return call;
}

/* The server is there, only slow: it answers PING, and the connection goes on. */
static void a_time_out_asks_and_one_that_answers_is_kept(void **state)
{
    struct call call, beside = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    h2_begin(&k, &beside, NULL);
    h2_until_requests(&k, 1);
    call = timed_out(&k);
    h2_bad(&call, BELAY_ETIMEDOUT, BELAY_MAYBE_SENT);
    h2_turn(&k);
    assert_int_equal(k.server.conns[0].got[H2_PING], 1);
    h2_begin(&k, &call, NULL);
    h2_until_requests(&k, 3);
    assert_int_equal(k.server.accepted, 1); /* doubt is over though the connection is in use */
    h2_answer(&k.server, 0, 1, "a");
    h2_answer(&k.server, 0, 5, "b");
    h2_until(&k, &beside.done);
    h2_until(&k, &call.done);
    h2_good(&beside, "a");
    h2_good(&call, "b");
    h2_close(&k);
}

static void a_time_out_on_a_dead_connection_is_the_last_there(void **state)
{
    struct belay_http_options o = h2_options();
    struct call call, next = {0};
    struct h2_kit k;

    (void)state;
    o.ping_timeout_ms = 50;
    h2_open(&k, &o);
    k.server.no_pong = true;
    k.server.on_request = answer_beyond_first;
    call = timed_out(&k);
    h2_bad(&call, BELAY_ETIMEDOUT, BELAY_MAYBE_SENT);
    h2_begin(&k, &next, NULL);
    h2_until(&k, &next.done);
    h2_good(&next, "elsewhere");
    h2_until_closed(&k, 0);
    h2_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_above_the_last_go_elsewhere_the_others_finish),
        cmocka_unit_test(an_idle_connection_told_goaway_closes_and_another_serves),
        cmocka_unit_test(a_graceful_goaway_lets_all_finish),
        cmocka_unit_test(requests_that_wait_inside_go_elsewhere_at_goaway),
        cmocka_unit_test(who_asks_again_at_once_is_served_elsewhere),
        cmocka_unit_test(an_end_without_goaway_replays_what_is_idempotent),
        cmocka_unit_test(a_connection_whose_numbers_are_spent_drains),
        cmocka_unit_test(the_peers_limit_holds_as_it_rises_and_falls),
        cmocka_unit_test(no_more_than_max_streams_are_asked_for),
        cmocka_unit_test(settings_in_two_frames_are_one_beginning),
        cmocka_unit_test(a_silent_connection_in_use_is_asked_and_given_up),
        cmocka_unit_test(an_idle_connection_is_asked_only_where_that_is_wished),
        cmocka_unit_test(a_time_out_asks_and_one_that_answers_is_kept),
        cmocka_unit_test(a_time_out_on_a_dead_connection_is_the_last_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
