/* SPDX-License-Identifier: MIT */
/* What servers say of their health, and what becomes of calls. */
#include "base/assert.h"
#include "channel_kit.h"

struct health {
    bool serving[H2_CONNS], unknown, silent;
    unsigned watches;
    unsigned conn; /* of the last watch */
    uint32_t id;
    bool hold; /* calls are not answered */
};

static void say_health(struct h2_server *s, const struct health *h, bool head)
{
    const char answer[] = {8, h->serving[h->conn] ? 1 : 2};

    ck_say(s, h->conn, h->id, head, answer, sizeof answer);
}

/* The first request of each connection is the watch; those that follow are told from calls by the
 * test. */
static void watch(struct h2_server *s, unsigned conn, uint32_t id)
{
    struct health *h = s->extra;

    h->watches++;
    h->conn = conn;
    h->id = id;
    if (h->unknown)
        ck_status(s, conn, id, BELAY_GRPC_UNIMPLEMENTED, "");
    else if (!h->silent)
        say_health(s, h, true);
}

static void watched(struct h2_server *s, unsigned conn, uint32_t id)
{
    const struct health *h = s->extra;

    if (id == 1)
        watch(s, conn, id);
    else if (!h->hold)
        ck_answer(s, conn, id, "1");
}

static void open_watched(struct channel_kit *k, struct health *h)
{
    struct belay_channel_options o = ck_options();

    o.health_service = "test.Echo";
    o.max_connections = 2;
    ck_open(k, "ipv4:127.0.0.1:%1", &o);
    k->servers[0].on_request = watched;
    k->servers[0].extra = h;
}

static void a_server_that_does_not_serve_gets_no_calls(void **state)
{
    struct health h = {.unknown = false};
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    open_watched(&k, &h);
    ck_call(&k, &call);
    ck_bad(&call, BELAY_GRPC_UNAVAILABLE);
    assert_non_null(strstr(call.message, "not being served"));
    assert_int_equal(belay_channel_get_state(k.channel), BELAY_CHANNEL_TRANSIENT_FAILURE);
    h.serving[0] = true;
    say_health(&k.servers[0], &h, false);
    ck_until_state(&k, BELAY_CHANNEL_READY);
    ck_call(&k, &call);
    ck_good(&call, "1");
    h.serving[0] = false;
    say_health(&k.servers[0], &h, false);
    ck_until_state(&k, BELAY_CHANNEL_TRANSIENT_FAILURE);
    assert_int_equal(k.servers[0].accepted, 1);
    ck_close(&k);
}

static void a_server_that_knows_nothing_of_health_is_healthy(void **state)
{
    struct health h = {.unknown = true};
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    open_watched(&k, &h);
    ck_call(&k, &call);
    ck_good(&call, "1");
    assert_int_equal(h.watches, 1);
    ck_close(&k);
}

/* ---- servers that cannot be asked ---- */

static void refuse_to_tell(struct h2_server *s, unsigned conn, uint32_t id)
{
    ck_status(s, conn, id, BELAY_GRPC_UNAUTHENTICATED, "grpc-message: who are you?\n");
}

static void say_nonsense(struct h2_server *s, unsigned conn, uint32_t id)
{
    ck_say(s, conn, id, true, "\xff\xff", 2);
}

/* That it does not serve is not what was said. */
static void calls_are_told_why_health_is_not_known(void **state)
{
    static void (*const ways[])(struct h2_server * s, unsigned conn, uint32_t id) = {refuse_to_tell,
                                                                                     say_nonsense};
    static const char *const words[] = {"for its health: UNAUTHENTICATED, who are you?",
                                        "for its health: the answer is no message"};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(ways); i++) {
        struct health h = {.unknown = false};
        struct channel_kit k;
        struct ck_call call;

        open_watched(&k, &h);
        k.servers[0].on_request = ways[i];
        ck_call(&k, &call);
        ck_bad(&call, BELAY_GRPC_UNAVAILABLE);
        if (!strstr(call.message, words[i]))
            fail_msg("%s (wanted: %s)", call.message, words[i]);
        ck_close(&k);
    }
}

static void a_server_that_takes_no_calls_at_all_is_asked_again(void **state)
{
    struct health h = {.serving = {true}};
    struct channel_kit k;

    (void)state;
    open_watched(&k, &h);
    k.servers[0].max = 0;
    belay_channel_connect(k.channel);
    ck_until_state(&k, BELAY_CHANNEL_TRANSIENT_FAILURE);
    ck_a_while(&k);
    h2_frame(&k.servers[0], 0, H2_SETTINGS, 0, 0, "\0\3\0\0\0\5", 6);
    ck_a_while(&k);
    ck_forward(&k, 1300);
    ck_until_state(&k, BELAY_CHANNEL_READY);
    assert_int_equal(k.servers[0].accepted, 1);
    ck_close(&k);
}

/* ---- streams that end ---- */

static void a_stream_that_had_spoken_is_begun_again_at_once(void **state)
{
    struct health h = {.serving = {true}};
    struct channel_kit k;

    (void)state;
    open_watched(&k, &h);
    k.servers[0].on_request = watch;
    belay_channel_connect(k.channel);
    ck_until_state(&k, BELAY_CHANNEL_READY);
    ck_forward(&k, 5000);
    h2_reset(&k.servers[0], 0, 1, 2);
    ck_until_state(&k, BELAY_CHANNEL_CONNECTING);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].requests, 2);
    ck_until_state(&k, BELAY_CHANNEL_READY);
    for (unsigned i = 0; i < k.states_n; i++)
        assert_int_not_equal(k.states[i], BELAY_CHANNEL_TRANSIENT_FAILURE);
    h2_reset(&k.servers[0], 0, 3, 2); /* too soon for that */
    ck_until_state(&k, BELAY_CHANNEL_CONNECTING);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].requests, 2);
    ck_forward(&k, 1000);
    ck_until_state(&k, BELAY_CHANNEL_READY);
    ck_close(&k);
}

static void a_stream_that_said_nothing_backs_off(void **state)
{
    struct health h = {.silent = true};
    struct channel_kit k;

    (void)state;
    open_watched(&k, &h);
    k.servers[0].on_request = watch;
    belay_channel_connect(k.channel);
    ck_until_requests(&k, 0, 1);
    ck_forward(&k, 5000);
    h2_reset(&k.servers[0], 0, 1, 2);
    ck_until_state(&k, BELAY_CHANNEL_TRANSIENT_FAILURE);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].requests, 1);
    ck_forward(&k, 1300);
    ck_until_requests(&k, 0, 2);
    ck_close(&k);
}

/* ---- several connections to one address ---- */

/* Two streams on each: the watch, and one call. The second connection does not serve. */
static void open_two(struct channel_kit *k, struct health *h, struct ck_call *one,
                     struct ck_call *two)
{
    *h = (struct health){.serving = {true}, .hold = true};
    open_watched(k, h);
    k->servers[0].max = 2;
    ck_begin(k, one, NULL);
    ck_until_requests(k, 0, 2);
    ck_begin(k, two, NULL);
    ck_until_requests(k, 0, 3);
    ck_a_while(k);
    assert_int_equal(h->watches, 2);
}

static void one_connection_that_serves_is_enough(void **state)
{
    struct channel_kit k;
    struct health h;
    struct ck_call one, two;

    (void)state;
    open_two(&k, &h, &one, &two);
    assert_int_equal(belay_channel_get_state(k.channel), BELAY_CHANNEL_READY);
    assert_false(two.done);
    h.hold = false;
    ck_answer(&k.servers[0], 0, 3, "1");
    ck_until(&k, &two.done);
    ck_good(&one, "1");
    ck_good(&two, "1");
    assert_int_equal(k.servers[0].conns[1].requests, 1); /* no call went there */
    ck_close(&k);
}

static void a_lost_connection_takes_its_word_with_it(void **state)
{
    struct channel_kit k;
    struct health h;
    struct ck_call one, two;

    (void)state;
    open_two(&k, &h, &one, &two);
    h.conn = 0;
    h.serving[0] = false;
    say_health(&k.servers[0], &h, false);
    ck_until_state(&k, BELAY_CHANNEL_TRANSIENT_FAILURE);
    h.serving[0] = true;
    say_health(&k.servers[0], &h, false);
    ck_until_state(&k, BELAY_CHANNEL_READY);
    h2_hang_up(&k.servers[0], 0);
    ck_until_state(&k, BELAY_CHANNEL_TRANSIENT_FAILURE);
    ck_until(&k, &one.done);
    ck_bad(&one, BELAY_GRPC_UNAVAILABLE);
    ck_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_does_not_serve_gets_no_calls),
        cmocka_unit_test(a_server_that_knows_nothing_of_health_is_healthy),
        cmocka_unit_test(calls_are_told_why_health_is_not_known),
        cmocka_unit_test(a_server_that_takes_no_calls_at_all_is_asked_again),
        cmocka_unit_test(a_stream_that_had_spoken_is_begun_again_at_once),
        cmocka_unit_test(a_stream_that_said_nothing_backs_off),
        cmocka_unit_test(one_connection_that_serves_is_enough),
        cmocka_unit_test(a_lost_connection_takes_its_word_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
