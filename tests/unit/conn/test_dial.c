/* SPDX-License-Identifier: MIT */
/* belay_dial: one connection without a keeper, on real sockets. */
#include "belay/connector.h"
#include "unit/conn/stream_kit.h"

static struct stream_kit kit;

struct answer {
    unsigned told;
    struct belay_stream *stream;
    int code;
    enum belay_stage stage;
    size_t tried;
    char text[BELAY_ERROR_TEXT_MAX];
    bool close_loop;
};

static int set_up(void **state)
{
    (void)state;
    stream_kit_set_up(&kit);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stream_kit_tear_down(&kit);
    return 0;
}

static void on_dialled(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct answer *a = arg;

    a->told++;
    a->stream = stream;
    assert_true((stream == NULL) == (error != NULL));
    if (error) {
        a->code = error->code;
        a->stage = error->stage;
        a->tried = error->tried_n;
        memcpy(a->text, error->text, sizeof a->text);
    }
    if (a->close_loop)
        belay_loop_close(kit.net.loop, NULL, NULL);
}

static void a_stream_is_handed_over(void **state)
{
    struct answer a = {0};

    (void)state;
    assert_int_equal(belay_dial(kit.endpoint, NULL, NULL, on_dialled, &a), 0);
    assert_int_equal(a.told, 0);
    STREAM_KIT_UNTIL(&kit, a.told == 1);
    assert_non_null(a.stream);
    assert_int_equal(belay_stream_write(a.stream, "one line\n", 9), 0);
    STREAM_KIT_UNTIL(&kit, kit.server.n == 1 && kit.server.conns[0].lines == 1);
    belay_stream_close(a.stream, 100, NULL, NULL);
    STREAM_KIT_UNTIL(&kit, kit.server.conns[0].end);
    assert_int_equal(a.told, 1);
}

static void a_refusal_names_the_stage_and_what_was_tried(void **state)
{
    struct belay_endpoint *dead = stream_kit_endpoint(&kit, net_kit_dead_port());
    struct answer a = {0};

    (void)state;
    assert_int_equal(belay_dial(dead, NULL, NULL, on_dialled, &a), 0);
    belay_endpoint_unref(dead); /* it keeps its own */
    STREAM_KIT_UNTIL(&kit, a.told == 1);
    assert_int_equal(a.code, BELAY_ECONNECT);
    assert_int_equal(a.stage, BELAY_STAGE_CONNECT);
    assert_int_equal(a.tried, 1);
    assert_non_null(strstr(a.text, "127.0.0.1"));
}

static void who_cancels_is_never_told(void **state)
{
    (void)state;
    for (int turns = 0; turns < 3; turns++) {
        struct belay_dial *dial = NULL;
        struct answer a = {0};

        assert_int_equal(belay_dial(kit.endpoint, NULL, &dial, on_dialled, &a), 0);
        assert_non_null(dial);
        for (int i = 0; i < turns && !a.told; i++)
            assert_int_equal(belay_loop_turn(kit.net.loop, 0), 0);
        if (a.told) {
            belay_stream_close(a.stream, 0, NULL, NULL);
            continue;
        }
        belay_dial_cancel(dial);
        for (int i = 0; i < 10; i++)
            stream_kit_turn(&kit);
        assert_int_equal(a.told, 0);
    }
    belay_dial_cancel(NULL);
}

static void bad_arguments_change_nothing(void **state)
{
    struct belay_dial_options o = belay_dial_options_init();
    struct belay_dial *dial = NULL;
    struct answer a = {0};

    (void)state;
    o.connect_timeout_ms = -3;
    assert_int_equal(belay_dial(kit.endpoint, &o, &dial, on_dialled, &a), BELAY_EINVAL);
    assert_int_equal(belay_dial(kit.endpoint, NULL, &dial, NULL, &a), BELAY_EINVAL);
    assert_null(dial);
    for (int i = 0; i < 5; i++)
        stream_kit_turn(&kit);
    assert_int_equal(a.told + kit.server.n, 0);
}

static void options_are_read_during_the_call(void **state)
{
    struct belay_dial_options o = belay_dial_options_init();
    struct answer a = {0};

    (void)state;
    o.connect_timeout_ms = 5000;
    assert_int_equal(belay_dial(kit.endpoint, &o, NULL, on_dialled, &a), 0);
    memset(&o, 0xff, sizeof o);
    STREAM_KIT_UNTIL(&kit, a.told == 1);
    assert_non_null(a.stream);
    belay_stream_close(a.stream, 0, NULL, NULL);
}

/* The kernel ends an idle connection by the user timeout where there is one, and not by its probes.
 */
static void the_user_timeout_is_not_longer_than_the_probes_take(void **state)
{
    static const struct {
        int32_t idle_s, every_s, probes;
        int64_t user_ms;
        int value;
    } cases[] = {
        {0, 0, 0, 0, 30000}, /* 20 s and 3 times 5 s: 35 s */
        {1, 2, 3, 0, 7000},           {1, 2, 3, 5000, 5000},       {1, 2, 3, 7001, 7000},
        {BELAY_NONE, 0, 0, 0, 30000}, {1, 2, 3, BELAY_FOREVER, 0}, /* then it is by its probes */
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct belay_dial_options o = belay_dial_options_init();
        struct answer a = {0};

        o.keepalive_idle_s = cases[i].idle_s;
        o.keepalive_every_s = cases[i].every_s;
        o.keepalive_probes = cases[i].probes;
        o.user_timeout_ms = cases[i].user_ms;
        kit.net.user_timeout_ms = 0;
        assert_int_equal(belay_dial(kit.endpoint, &o, NULL, on_dialled, &a), 0);
        STREAM_KIT_UNTIL(&kit, a.told == 1);
        assert_non_null(a.stream);
        assert_int_equal(kit.net.user_timeout_ms, cases[i].value);
        belay_stream_close(a.stream, 0, NULL, NULL);
    }
}

static void the_end_of_the_loop_answers(void **state)
{
    struct answer a = {0}, late = {0};
    struct belay_loop *loop = kit.net.loop;

    (void)state;
    assert_int_equal(belay_dial(kit.endpoint, NULL, NULL, on_dialled, &a), 0);
    belay_loop_close(loop, NULL, NULL);
    assert_int_equal(belay_dial(kit.endpoint, NULL, NULL, on_dialled, &late), BELAY_ECLOSED);
    belay_endpoint_unref(kit.endpoint);
    kit.endpoint = NULL;
    belay_loop_free(loop);
    assert_int_equal(a.told, 1);
    assert_int_equal(a.code, BELAY_ECLOSED);
    assert_int_equal(late.told, 0);
    kit.net.loop = NULL;
}

static void the_loop_may_be_closed_from_the_callback(void **state)
{
    struct answer a = {.close_loop = true};
    struct belay_loop *loop = kit.net.loop;

    (void)state;
    assert_int_equal(belay_dial(kit.endpoint, NULL, NULL, on_dialled, &a), 0);
    belay_endpoint_unref(kit.endpoint);
    kit.endpoint = NULL;
    belay_loop_free(loop); /* the stream goes with it */
    assert_int_equal(a.told, 1);
    kit.net.loop = NULL;
}

static void every_allocation_may_fail(void **state)
{
    size_t n;

    (void)state;
    for (n = 1; n < 200; n++) {
        struct answer a = {0};
        size_t refused;

        if (n > 1)
            set_up(NULL);
        failing_alloc_once(&kit.net.alloc, n);
        if (belay_dial(kit.endpoint, NULL, NULL, on_dialled, &a) == 0) {
            STREAM_KIT_UNTIL(&kit, a.told == 1);
            if (a.stream)
                belay_stream_close(a.stream, 0, NULL, NULL);
            else
                assert_int_equal(a.code, BELAY_ENOMEM);
            for (int i = 0; i < 3; i++)
                stream_kit_turn(&kit);
        }
        refused = failing_alloc_failures(&kit.net.alloc);
        failing_alloc_once(&kit.net.alloc, 0);
        if (refused == 0)
            break;
        tear_down(NULL);
    }
    assert_true(n > 4 && n < 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stream_is_handed_over),
        TEST(a_refusal_names_the_stage_and_what_was_tried),
        TEST(who_cancels_is_never_told),
        TEST(bad_arguments_change_nothing),
        TEST(options_are_read_during_the_call),
        TEST(the_user_timeout_is_not_longer_than_the_probes_take),
        TEST(the_end_of_the_loop_answers),
        TEST(the_loop_may_be_closed_from_the_callback),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("conn_dial", tests, NULL, NULL);
}
