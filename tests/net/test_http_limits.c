/* SPDX-License-Identifier: MIT */
/* Time and other limits: each names itself, and the stage in which it passed. */
#include "http_kit.h"

#include <signal.h>

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

struct limit {
    const char *path;
    int64_t timeout_ms, first_byte_timeout_ms, idle_timeout_ms;
    int32_t min_rate;
    int code;
    const char *words;
    enum belay_sent sent;
};

static const struct limit limits[] = {
    {"/hang", 100, 0, 0, 0, BELAY_ETIMEDOUT, "no complete response came within 100 ms",
     BELAY_MAYBE_SENT},
    {"/hang", 0, 100, 0, 0, BELAY_ETIMEDOUT, "no byte of the response came within 100 ms",
     BELAY_MAYBE_SENT},
    {"/hang", 0, 0, 100, 0, BELAY_ETIMEDOUT, "no byte came or went within 100 ms",
     BELAY_MAYBE_SENT},
    {"/hang-after-headers", 0, 150, 200, 0, BELAY_ETIMEDOUT, "no byte came or went within 200 ms",
     BELAY_ANSWERED},
    {"/drip/1000?ms=20", 300, 200, 200, 0, BELAY_ETIMEDOUT,
     "no complete response came within 300 ms", BELAY_ANSWERED},
    {"/drip/1000?ms=20", 0, 0, 0, 1000, BELAY_ESLOW, "less than 1000 bytes per second",
     BELAY_ANSWERED},
};

static void each_limit_is_kept_and_named(void **state)
{
    struct belay_http_options h = belay_http_options_init();
    struct kit k;

    (void)state;
    h.min_rate_window_ms = 150;
    kit_open(&k, &h);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const struct limit *l = &limits[i];
        struct belay_http_request_options o = belay_http_request_options_init();
        struct call call = {0};

        o.url = origin_url(&origin, l->path);
        o.timeout_ms = l->timeout_ms;
        o.first_byte_timeout_ms = l->first_byte_timeout_ms;
        o.idle_timeout_ms = l->idle_timeout_ms;
        o.min_rate = l->min_rate;
        call_run(&k, &call, &o);
        if (call.error.code != l->code || !strstr(call.error.text, l->words))
            fail_msg("%zu: %s (%s)", i, belay_error_name(call.error.code), call.error.text);
        assert_int_equal(call.error.stage, BELAY_STAGE_USE);
        assert_int_equal(call.error.sent, l->sent);
        assert_int_equal(call.facts.replays, 0);
        kit_await_closed(&k, BELAY_REASON_ERROR, i + 1);
        call_clear(&call);
    }
    kit_close(&k);
}

static void a_slow_response_within_its_limits_comes_whole(void **state)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_http_options h = belay_http_options_init();
    struct call call = {0};
    struct kit k;

    (void)state;
    h.min_rate_window_ms = 300;
    kit_open(&k, &h);
    o.url = origin_url(&origin, "/drip/60?ms=10");
    o.idle_timeout_ms = 400;
    o.first_byte_timeout_ms = 400;
    o.timeout_ms = 15000;
    o.min_rate = 5;
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.len, 60);
    assert_true(call.facts.total_us > 500000);
    call_clear(&call);
    kit_close(&k);
}

/* One connection, which is taken. */
static void waiting_for_a_connection_is_the_stage_queue(void **state)
{
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options h = belay_http_options_init();
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call holder = {0}, first = {0}, second = {0};
    struct kit k;

    (void)state;
    pool.max_connections_per_endpoint = 1;
    pool.acquire_timeout_ms = 100;
    h.pool = &pool;
    kit_open(&k, &h);
    o.url = origin_url(&origin, "/hang");
    call_start(&k, &holder, &o);
    while (holder.facts.connection == 0) {
        holder.facts = belay_http_facts_init();
        belay_loop_turn(k.loop, 10);
        belay_http_request_facts(holder.request, &holder.facts);
    }
    call_start(&k, &first, &o);
    o.timeout_ms = 50;
    call_start(&k, &second, &o);
    call_wait(&first);
    call_wait(&second);
    assert_int_equal(first.error.code, BELAY_ETIMEDOUT);
    assert_int_equal(first.error.stage, BELAY_STAGE_QUEUE);
    assert_int_equal(first.error.sent, BELAY_NOT_SENT);
    assert_int_equal(second.error.code, BELAY_ETIMEDOUT);
    assert_int_equal(second.error.stage, BELAY_STAGE_QUEUE);
    assert_non_null(strstr(second.error.text, "within 50 ms"));
    belay_http_request_cancel(holder.request);
    assert_int_equal(holder.dones, 0);
    kit_close(&k);
}

static void the_limits_of_headers_are_the_clients(void **state)
{
    struct belay_http_options h = belay_http_options_init();
    struct call call = {0};
    struct kit k;

    (void)state;
    h.max_header_bytes = 1000;
    h.max_headers = 300;
    h.max_informational = BELAY_NONE;
    kit_open(&k, &h);
    call_get(&k, &call, origin_url(&origin, "/big-header/1000"));
    assert_int_equal(call.error.code, BELAY_ELIMIT);
    call_clear(&call);
    call_get(&k, &call, origin_url(&origin, "/early-hints"));
    assert_int_equal(call.error.code, BELAY_ELIMIT);
    assert_non_null(strstr(call.error.text, "more than 0 informational"));
    call_clear(&call);
    kit_close(&k);

    h.max_header_bytes = 200000;
    kit_open(&k, &h);
    call_get(&k, &call, origin_url(&origin, "/big-header/100000"));
    assert_int_equal(call.error.code, 0);
    call_clear(&call);
    call_get(&k, &call, origin_url(&origin, "/many-headers/200"));
    assert_int_equal(call.error.code, 0);
    call_clear(&call);
    kit_close(&k);
}

static void a_server_that_never_answers_is_waited_for_no_longer_than_told(void **state)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct origin mute;
    struct call call = {0};
    struct kit k;

    (void)state;
    origin_start(&mute, (const char *const[]){"--accept-but-never-answer", NULL});
    kit_open(&k, NULL);
    o.url = origin_url(&mute, "/");
    o.first_byte_timeout_ms = 100;
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, BELAY_ETIMEDOUT);
    assert_int_equal(call.error.stage, BELAY_STAGE_USE);
    call_clear(&call);
    kit_close(&k);
    origin_stop(&mute, SIGKILL);
}

static void options_out_of_range_are_refused_by_name(void **state)
{
    struct belay_http_options h = belay_http_options_init();
    struct belay_loop *loop;
    struct belay_http *http;
    struct belay_error error;

    (void)state;
    assert_int_equal(belay_loop_new(NULL, &loop, &error), 0);
    h.max_headers = -5;
    assert_int_equal(belay_http_open(loop, &h, &http, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "max_headers"));
    h.max_headers = 0;
    h.timeout_ms = BELAY_NONE;
    assert_int_equal(belay_http_open(loop, &h, &http, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "timeout_ms"));
    h.timeout_ms = 0;
    h.user_agent = "a\r\nb";
    assert_int_equal(belay_http_open(loop, &h, &http, &error), BELAY_EINVAL);
    belay_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_limit_is_kept_and_named),
        cmocka_unit_test(a_slow_response_within_its_limits_comes_whole),
        cmocka_unit_test(waiting_for_a_connection_is_the_stage_queue),
        cmocka_unit_test(the_limits_of_headers_are_the_clients),
        cmocka_unit_test(a_server_that_never_answers_is_waited_for_no_longer_than_told),
        cmocka_unit_test(options_out_of_range_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
