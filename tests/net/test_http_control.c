/* SPDX-License-Identifier: MIT */
/* What the caller does to requests and clients while they run: pause, abort, cancel, close, drain, take over, wait. */
#include "http_kit.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

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

static struct belay_http_request_options request(const char *path)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    o.url = origin_url(&origin, path);
    return o;
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static void turn(struct kit *k, int times)
{
    for (int i = 0; i < times; i++)
        assert_int_equal(belay_loop_turn(k->loop, 5), 0);
}

/* ---- pause ---- */

static void a_paused_request_gets_nothing_until_it_is_resumed(void **state)
{
    struct belay_http_request_options o = request("/bytes/5000000");
    struct call call = {.on_head = BELAY_HTTP_PAUSE};
    size_t len;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_start(&k, &call, &o);
    while (call.heads == 0)
        turn(&k, 1);
    turn(&k, 20);
    assert_int_equal(call.len, 0);
    call.on_data = BELAY_HTTP_PAUSE;
    belay_http_request_resume(call.request);
    while (call.len == 0)
        turn(&k, 1);
    len = call.len;
    assert_true(len < 5000000);
    turn(&k, 20);
    assert_int_equal(call.len, len);
    call.on_data = BELAY_HTTP_GO_ON;
    belay_http_request_resume(call.request);
    call_wait(&call);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.len, 5000000);
    check_alphabet(call.body, call.len);
    call_clear(&call);
    kit_close(&k);
}

static void resume_later(struct call *call, const char *data, size_t len)
{
    (void)data;
    (void)len;
    *(int *)call->extra += 1;
}

static void every_piece_may_be_paused_on(void **state)
{
    static const char *const paths[] = {"/bytes/300000", "/chunked/30000?chunk=1000",
                                        "/close/300000", "/bytes/1", "/chunked/10?trailer=1"};
    struct kit k;

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct belay_http_request_options o = request(paths[i]);
        int pieces = 0;
        struct call call = {.on_data = BELAY_HTTP_PAUSE, .in_data = resume_later, .extra = &pieces};

        kit_open(&k, NULL);
        call_start(&k, &call, &o);
        while (!call.done) {
            int before = pieces;

            turn(&k, 2);
            assert_true(pieces <= before + 1);
            if (call.request)
                belay_http_request_resume(call.request);
        }
        assert_int_equal(call.error.code, 0);
        check_alphabet(call.body, call.len);
        kit_expect(&k, origin_url(&origin, "/"), "hello");
        call_clear(&call);
        kit_close(&k);
    }
}

static void a_pause_does_not_count_as_silence(void **state)
{
    struct belay_http_request_options o = request("/bytes/3000000");
    struct call call = {.on_head = BELAY_HTTP_PAUSE};
    struct kit k;

    (void)state;
    kit_open_steady(&k, NULL);
    o.idle_timeout_ms = 20000;
    call_start(&k, &call, &o);
    while (call.heads == 0)
        turn(&k, 1);
    for (int i = 0; i < 4; i++) {
        steady_clock_forward(&k.clock, 20000);
        turn(&k, 2);
    }
    assert_int_equal(call.dones, 0);
    belay_http_request_resume(call.request);
    call_wait(&call);
    assert_int_equal(call.error.code, 0);
    call_clear(&call);
    kit_close(&k);
}

/* ---- abort, cancel ---- */

static void each_callback_may_abort(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        struct belay_http_request_options o =
            request(which == 0 ? "/early-hints" : "/bytes/100000");
        struct call call = {0}, after = {0};
        struct kit k;

        call.on_info = which == 0 ? BELAY_HTTP_ABORT : BELAY_HTTP_GO_ON;
        call.on_head = which == 1 ? BELAY_HTTP_ABORT : BELAY_HTTP_GO_ON;
        call.on_data = which == 2 ? BELAY_HTTP_ABORT : BELAY_HTTP_GO_ON;
        kit_open(&k, NULL);
        call_run(&k, &call, &o);
        assert_int_equal(call.error.code, BELAY_EABORTED);
        assert_int_equal(call.error.kind, BELAY_KIND_CANCELLED);
        call_get(&k, &after, origin_url(&origin, "/"));
        assert_int_equal(after.error.code, 0);
        assert_true(after.facts.connection != call.facts.connection);
        call_clear(&call);
        call_clear(&after);
        kit_close(&k);
    }
}

static void cancel_in_head(struct call *call, const struct belay_http_response *response)
{
    (void)response;
    belay_http_request_cancel(call->request);
    call->request = NULL;
}

static void cancel_in_data(struct call *call, const char *data, size_t len)
{
    (void)data;
    (void)len;
    belay_http_request_cancel(call->request);
    call->request = NULL;
}

static void cancel_in_done(struct call *call)
{
    struct belay_http_request_options o = request("/");

    (void)o;
    belay_http_request_cancel(call->request); /* NULL: it is gone already */
}

static void turn_until_unused(struct kit *k)
{
    struct belay_pool_stats stats;

    for (kit_stats(k, &stats); stats.in_use > 0; kit_stats(k, &stats))
        turn(k, 1);
}

static void cancelling_is_final_wherever_it_is_done(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        struct belay_http_request_options o =
            request(which == 3 ? "/drip/1000?ms=10" : "/bytes/1000000");
        struct call call = {0};
        struct kit k;

        call.in_head = which == 0 ? cancel_in_head : NULL;
        call.in_data = which == 1 ? cancel_in_data : NULL;
        kit_open(&k, NULL);
        call_start(&k, &call, &o);
        while (which == 3 && call.len == 0)
            turn(&k, 1);
        if (which >= 2) { /* it still waits for its connection, or its answer has begun */
            belay_http_request_cancel(call.request);
            call.request = NULL;
        }
        while (call.request)
            turn(&k, 1);
        kit_expect(&k, origin_url(&origin, "/"), "hello");
        turn_until_unused(&k);
        assert_int_equal(call.dones, 0);
        call_clear(&call);
        kit_close(&k);
    }
}

static void a_request_cannot_be_cancelled_when_it_is_done(void **state)
{
    struct call call = {.in_done = cancel_in_done};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_get(&k, &call, origin_url(&origin, "/"));
    assert_int_equal(call.error.code, 0);
    call_clear(&call);
    kit_close(&k);
}

/* ---- close, drain ---- */

static void start_some(struct kit *k, struct call calls[3])
{
    static const char *const paths[3] = {"/hang", "/drip/1000?ms=10", "/bytes/100"};

    memset(calls, 0, 3 * sizeof *calls);
    for (int i = 0; i < 3; i++) {
        struct belay_http_request_options o = request(paths[i]);

        call_start(k, &calls[i], &o);
    }
    while (calls[1].len < 3 || !calls[2].done)
        turn(k, 1);
}

static void closing_answers_everybody_with_closed(void **state)
{
    struct belay_http_request_options o = request("/");
    struct belay_http_request *r;
    struct call calls[3], waiting = {0};
    bool closed = false;
    struct belay_error error;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    start_some(&k, calls);
    call_start(&k, &waiting, &o); /* not even begun */
    belay_http_close(k.http, set_true, &closed);
    assert_int_equal(belay_http_request(k.http, &o, NULL, &r, &error), BELAY_ECLOSED);
    assert_int_equal(calls[0].dones, 0); /* not inside the call */
    belay_http_close(k.http, NULL, NULL);
    kit_turn_until(&k, &closed);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(calls[i].dones, 1);
        assert_int_equal(calls[i].error.code, BELAY_ECLOSED);
    }
    assert_int_equal(waiting.dones, 1);
    assert_int_equal(waiting.error.code, BELAY_ECLOSED);
    for (int i = 0; i < 3; i++)
        call_clear(&calls[i]);
    kit_close(&k);
}

static void freeing_the_loop_answers_everybody(void **state)
{
    struct call calls[3];
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    start_some(&k, calls);
    kit_close(&k);
    assert_int_equal(calls[0].dones, 1);
    assert_int_equal(calls[0].error.code, BELAY_ECLOSED);
    assert_int_equal(calls[1].dones, 1);
    for (int i = 0; i < 3; i++)
        call_clear(&calls[i]);
}

static void draining_lets_them_finish(void **state)
{
    struct belay_http_request_options o = request("/drip/20?ms=10");
    struct belay_error error;
    struct call call = {0};
    bool closed = false;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_start(&k, &call, &o);
    turn(&k, 2);
    belay_http_drain(k.http, set_true, &closed);
    assert_int_equal(belay_http_request(k.http, &o, NULL, NULL, &error), BELAY_ECLOSED);
    kit_turn_until(&k, &closed);
    assert_int_equal(call.dones, 1);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.len, 20);
    call_clear(&call);
    kit_close(&k);
}

static void a_drain_may_be_hurried_up(void **state)
{
    struct belay_http_request_options o = request("/hang");
    struct call call = {0};
    bool closed = false;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_start(&k, &call, &o);
    turn(&k, 5);
    belay_http_drain(k.http, set_true, &closed);
    turn(&k, 5);
    assert_false(closed);
    belay_http_close(k.http, NULL, NULL);
    kit_turn_until(&k, &closed);
    assert_int_equal(call.error.code, BELAY_ECLOSED);
    call_clear(&call);
    kit_close(&k);
}

static void close_in_done(struct call *call)
{
    belay_http_close(call->kit->http, set_true, call->extra);
}

static void closing_inside_on_done_is_quiet(void **state)
{
    bool closed = false;
    struct call call = {.in_done = close_in_done, .extra = &closed};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_get(&k, &call, origin_url(&origin, "/"));
    kit_turn_until(&k, &closed);
    assert_int_equal(call.error.code, 0);
    call_clear(&call);
    kit_close(&k);
}

static void a_target_may_be_held_after_the_client_is_closed(void **state)
{
    struct belay_http_target *target;
    bool closed = false;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    assert_int_equal(belay_http_target_new(k.http, origin_url(&origin, "/"), &target, NULL), 0);
    belay_http_close(k.http, set_true, &closed);
    kit_turn_until(&k, &closed);
    assert_string_equal(belay_http_target_url(target), origin_url(&origin, "/"));
    belay_http_target_unref(target);
    kit_close(&k);
}

/* ---- take over ---- */

struct taken {
    struct belay_stream *stream;
    char text[64];
    size_t len;
    bool enough, closed;
};

static void take_in_head(struct call *call, const struct belay_http_response *response)
{
    struct taken *t = call->extra;

    assert_int_equal(response->status, 101);
    assert_int_equal(belay_http_request_take(call->request, &t->stream), 0);
}

static size_t on_taken_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct taken *t = arg;

    (void)stream;
    assert_true(t->len + len < sizeof t->text);
    memcpy(t->text + t->len, data, len);
    t->len += len;
    t->enough = t->len >= 5;
    return len;
}

static void an_upgraded_connection_is_the_callers(void **state)
{
    static const struct belay_header headers[] = {{.name = "Upgrade", .value = "echo"}};
    static const struct belay_stream_callbacks callbacks = {.size = sizeof callbacks,
                                                            .on_data = on_taken_data};
    struct belay_http_request_options o = request("/upgrade");
    struct taken taken = {0};
    struct call call = {.in_head = take_in_head, .extra = &taken};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    o.headers = headers;
    o.headers_n = 1;
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.status, 101);
    assert_non_null(taken.stream);
    belay_stream_set_callbacks(taken.stream, &callbacks, &taken);
    assert_int_equal(belay_stream_write(taken.stream, "hallo", 5), 0);
    kit_turn_until(&k, &taken.enough);
    assert_memory_equal(taken.text, "hallo", 5);
    belay_stream_close(taken.stream, 0, set_true, &taken.closed);
    kit_turn_until(&k, &taken.closed);
    kit_await_closed(&k, BELAY_REASON_TAKEN, 1);
    call_clear(&call);
    kit_close(&k);
}

static void take_what_is_not_101(struct call *call, const struct belay_http_response *response)
{
    struct belay_stream *stream;

    (void)response;
    assert_int_equal(belay_http_request_take(call->request, &stream), BELAY_EINVAL);
}

static void only_a_101_may_be_taken_over(void **state)
{
    struct call call = {.in_head = take_what_is_not_101};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_get(&k, &call, origin_url(&origin, "/"));
    assert_int_equal(call.error.code, 0);
    assert_string_equal(call.body, "hello");
    call_clear(&call);
    kit_close(&k);
}

/* ---- waiting ---- */

static void fetch_wait_brings_it_all(void **state)
{
    struct belay_http_request_options o = request("/redirect/3");
    struct belay_http_result result = {0};
    struct belay_error error;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    assert_int_equal(belay_http_fetch_wait(k.http, &o, 100, 10000, &result, &error), 0);
    assert_int_equal(result.status, 200);
    assert_int_equal(result.body_len, 5);
    assert_string_equal(result.body, "hello");
    assert_non_null(strstr(result.headers, "Content-Length: 5\n"));
    belay_http_result_free(&result);

    o.url = origin_url(&origin, "/bytes/0");
    assert_int_equal(belay_http_fetch_wait(k.http, &o, 0, 10000, &result, &error), 0);
    assert_string_equal(result.body, "");
    belay_http_result_free(&result);
    kit_close(&k);
}

static void fetch_wait_has_its_limits(void **state)
{
    struct belay_http_request_options o = request("/bytes/101");
    struct belay_http_result result = {0};
    struct belay_error error;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    assert_int_equal(belay_http_fetch_wait(k.http, &o, 100, 10000, &result, &error), BELAY_ELIMIT);
    assert_non_null(strstr(error.text, "more than 100 bytes"));
    o.url = origin_url(&origin, "/hang");
    assert_int_equal(belay_http_fetch_wait(k.http, &o, 100, 50, &result, &error), BELAY_ETIMEDOUT);
    o.url = "nonsense:";
    assert_int_equal(belay_http_fetch_wait(k.http, &o, 100, 50, &result, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "nonsense"));
    kit_close(&k);
}

struct fetcher {
    struct kit *k;
    pthread_t thread;
    int rc;
    size_t len;
};

static void *fetch_elsewhere(void *arg)
{
    struct fetcher *f = arg;
    struct belay_http_request_options o = request("/bytes/70000");
    struct belay_http_result result = {0};

    f->rc = belay_http_fetch_wait(f->k->http, &o, 100000, 10000, &result, NULL);
    f->len = result.body_len;
    belay_http_result_free(&result);
    belay_loop_stop(f->k->loop);
    return NULL;
}

/* From within a turn: somebody runs the loop from here on. */
static void begin_elsewhere(void *arg)
{
    struct fetcher *f = arg;

    assert_int_equal(pthread_create(&f->thread, NULL, fetch_elsewhere, f), 0);
}

static void another_thread_may_wait_as_well(void **state)
{
    struct fetcher f = {0};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    f.k = &k;
    assert_int_equal(belay_loop_post(k.loop, begin_elsewhere, &f), 0);
    assert_int_equal(belay_loop_run(k.loop), 0);
    pthread_join(f.thread, NULL);
    assert_int_equal(f.rc, 0);
    assert_int_equal(f.len, 70000);
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_paused_request_gets_nothing_until_it_is_resumed),
        cmocka_unit_test(every_piece_may_be_paused_on),
        cmocka_unit_test(a_pause_does_not_count_as_silence),
        cmocka_unit_test(each_callback_may_abort),
        cmocka_unit_test(cancelling_is_final_wherever_it_is_done),
        cmocka_unit_test(a_request_cannot_be_cancelled_when_it_is_done),
        cmocka_unit_test(closing_answers_everybody_with_closed),
        cmocka_unit_test(freeing_the_loop_answers_everybody),
        cmocka_unit_test(draining_lets_them_finish),
        cmocka_unit_test(a_drain_may_be_hurried_up),
        cmocka_unit_test(closing_inside_on_done_is_quiet),
        cmocka_unit_test(a_target_may_be_held_after_the_client_is_closed),
        cmocka_unit_test(an_upgraded_connection_is_the_callers),
        cmocka_unit_test(only_a_101_may_be_taken_over),
        cmocka_unit_test(fetch_wait_brings_it_all),
        cmocka_unit_test(fetch_wait_has_its_limits),
        cmocka_unit_test(another_thread_may_wait_as_well),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
