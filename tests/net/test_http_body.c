/* SPDX-License-Identifier: MIT */
/* Bodies of requests: from memory, by callback, of known length or in chunks, asked for first, refused half-way. */
#include "http_kit.h"

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

static char *alphabet(size_t len)
{
    char *text = malloc(len + 1);

    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 26);
    text[len] = '\0';
    return text;
}

static struct belay_http_request_options request(const char *method, const char *path)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    o.method = method;
    o.url = origin_url(&origin, path);
    return o;
}

/* ---- from memory ---- */

static void bodies_in_memory_arrive_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 16384, 16385, 100000, 900000, 5000000};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct belay_http_request_options o =
            request("POST", sizes[i] > 1000000 ? "/echo?stream=1" : "/echo");
        struct call call = {0};
        char *body = alphabet(sizes[i]);

        o.body = body;
        o.body_len = sizes[i];
        call_run(&k, &call, &o);
        if (call.error.code)
            fail_msg("%zu: %s", sizes[i], call.error.text);
        assert_int_equal(call.len, sizes[i]);
        if (sizes[i])
            check_alphabet(call.body, call.len);
        assert_int_equal(call.facts.bytes_out, sizes[i]);
        call_clear(&call);
        free(body);
    }
    kit_close(&k);
}

static void a_post_without_a_body_says_so(void **state)
{
    struct belay_http_request_options o = request("POST", "/echo");
    struct call call = {0};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, 0);
    assert_non_null(strstr(call.headers, "X-Echo-Content-Length: 0\n"));
    call_clear(&call);
    kit_close(&k);
}

/* ---- by callback ---- */

struct source {
    struct call *call;
    size_t at, size, piece;
    int waits; /* BELAY_EAGAIN after each piece, so many times */
    bool waiting;
    ptrdiff_t error; /* at the end, instead of 0 */
    bool cancel;     /* at the first call */
    int reads;
};

static ptrdiff_t read_source(void *out, size_t size, void *arg)
{
    struct source *s = arg;
    size_t n = s->size - s->at;
    char *to = out;

    s->reads++;
    if (s->cancel) {
        belay_http_request_cancel(s->call->request);
        return 0;
    }
    if (s->waits > 0 && !s->waiting) {
        s->waiting = true;
        s->waits--;
        return BELAY_EAGAIN;
    }
    s->waiting = false;
    n = n < size ? n : size;
    n = s->piece && n > s->piece ? s->piece : n;
    for (size_t i = 0; i < n; i++)
        to[i] = (char)('a' + (s->at + i) % 26);
    s->at += n;
    return n == 0 && s->error ? s->error : (ptrdiff_t)n;
}

static void run_source(struct source *s, int64_t body_size, struct call *call, bool expect)
{
    struct belay_http_request_options o = request("PUT", "/echo?stream=1");
    struct kit k;

    kit_open(&k, NULL);
    s->call = call;
    o.read_body = read_source;
    o.body_arg = s;
    o.body_size = body_size;
    o.expect_continue = expect;
    call_start(&k, call, &o);
    assert_int_equal(s->reads, 0);
    while (!call->done && !s->cancel) {
        if (s->waiting)
            belay_http_request_body_ready(call->request);
        belay_loop_turn(k.loop, 100);
    }
    for (int i = 0; s->cancel && i < 50; i++)
        belay_loop_turn(k.loop, 10);
    kit_close(&k);
}

static void bodies_by_callback_arrive_whole(void **state)
{
    static const struct source sources[] = {
        {.size = 0},     {.size = 1},       {.size = 5000, .piece = 7},
        {.size = 16384}, {.size = 3000000}, {.size = 100, .piece = 10, .waits = 5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        for (int known = 0; known < 2; known++) {
            struct source s = sources[i];
            struct call call = {0};

            if (known && s.size == 0)
                continue;
            run_source(&s, known ? (int64_t)s.size : BELAY_NONE, &call, i == 3);
            if (call.error.code)
                fail_msg("%zu: %s", i, call.error.text);
            assert_int_equal(call.len, s.size);
            if (s.size)
                check_alphabet(call.body, call.len);
            assert_non_null(strstr(call.headers, known ? "X-Echo-Content-Length"
                                                       : "X-Echo-Transfer-Encoding: chunked"));
            call_clear(&call);
        }
    }
}

static void a_body_that_cannot_be_read_ends_the_request_with_its_error(void **state)
{
    struct source s = {.size = 100, .error = BELAY_EFILE};
    struct call call = {0};

    (void)state;
    run_source(&s, 0, &call, false);
    assert_int_equal(call.error.code, BELAY_EFILE);
    assert_int_equal(call.error.stage, BELAY_STAGE_USE);
    call_clear(&call);
}

static void a_body_shorter_than_announced_is_an_error(void **state)
{
    struct source s = {.size = 100};
    struct call call = {0};

    (void)state;
    run_source(&s, 101, &call, false);
    assert_int_equal(call.error.code, BELAY_EINVAL);
    assert_non_null(strstr(call.error.text, "100 bytes of 101"));
    call_clear(&call);
}

static void a_request_may_be_cancelled_by_its_body(void **state)
{
    struct source s = {.size = 100, .cancel = true};
    struct call call = {0};

    (void)state;
    run_source(&s, 0, &call, false);
    assert_int_equal(s.reads, 1);
    assert_int_equal(call.dones, 0);
}

/* The echo is not read, so the server stops reading, so the upload has to wait. */
static void an_upload_waits_for_a_server_that_does_not_read(void **state)
{
    (void)state;
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        struct belay_http_request_options o = request("PUT", "/echo?stream=1");
        struct source s = {.size = 40000000};
        struct call call = {.on_head = BELAY_HTTP_PAUSE};
        struct belay_http_facts facts = belay_http_facts_init();
        char *body = in_memory ? alphabet(s.size) : NULL;
        int64_t before = -1;
        struct kit k;

        kit_open(&k, NULL);
        o.body = body;
        o.body_len = in_memory ? s.size : 0;
        o.read_body = in_memory ? NULL : read_source;
        o.body_arg = &s;
        call_start(&k, &call, &o);
        for (int quiet = 0; quiet < 10 || call.heads == 0;
             quiet = before == facts.bytes_out ? quiet + 1 : 0) {
            before = facts.bytes_out;
            assert_int_equal(belay_loop_turn(k.loop, 10), 0);
            belay_http_request_facts(call.request, &facts);
        }
        assert_true(facts.bytes_out < 40000000);
        belay_http_request_resume(call.request);
        call_wait(&call);
        if (call.error.code)
            fail_msg("%s", call.error.text);
        assert_int_equal(call.len, 40000000);
        check_alphabet(call.body, call.len);
        call_clear(&call);
        free(body);
        kit_close(&k);
    }
}

/* ---- asked for first ---- */

static void run_expect(const char *path, struct call *call, struct source *s, int64_t continue_ms)
{
    struct belay_http_request_options o = request("PUT", path);
    struct belay_http_options h = belay_http_options_init();
    struct kit k;

    h.continue_timeout_ms = continue_ms;
    kit_open(&k, &h);
    o.expect_continue = true;
    o.read_body = read_source;
    o.body_arg = s;
    o.body_size = (int64_t)s->size;
    call_run(&k, call, &o);
    kit_expect(&k, origin_url(&origin, "/"), "hello");
    kit_close(&k);
}

static void the_body_goes_out_when_the_server_says_continue(void **state)
{
    struct source s = {.size = 50000};
    struct call call = {0};

    (void)state;
    run_expect("/echo", &call, &s, 15000);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.infos, 1);
    assert_int_equal(call.len, 50000);
    call_clear(&call);
}

static void the_body_goes_out_when_the_server_says_nothing(void **state)
{
    struct source s = {.size = 50000};
    struct call call = {0};

    (void)state;
    run_expect("/no-continue", &call, &s, 50);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.status, 200);
    assert_int_equal(s.at, 50000);
    call_clear(&call);
}

static void the_body_stays_when_the_server_refuses(void **state)
{
    struct source s = {.size = 50000};
    struct call call = {0};

    (void)state;
    run_expect("/expect-reject", &call, &s, 15000);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.status, 417);
    assert_int_equal(s.reads, 0);
    call_clear(&call);
}

/* ---- answered early ---- */

static void an_early_response_ends_the_body_and_the_connection(void **state)
{
    static const char *const paths[] = {"/early-reply", "/early-reply?keep=1"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct belay_http_request_options o = request("POST", paths[i]);
        struct source s = {.size = 1u << 30};
        struct call call = {0}, after = {0};
        struct kit k;

        kit_open(&k, NULL);
        o.read_body = read_source;
        o.body_arg = &s;
        call_run(&k, &call, &o);
        if (call.error.code)
            fail_msg("%s", call.error.text);
        assert_int_equal(call.status, 413);
        assert_true(s.at < s.size);
        call_get(&k, &after, origin_url(&origin, "/"));
        assert_int_equal(after.error.code, 0);
        assert_true(after.facts.connection != call.facts.connection);
        call_clear(&call);
        call_clear(&after);
        kit_close(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_in_memory_arrive_whole),
        cmocka_unit_test(a_post_without_a_body_says_so),
        cmocka_unit_test(bodies_by_callback_arrive_whole),
        cmocka_unit_test(a_body_that_cannot_be_read_ends_the_request_with_its_error),
        cmocka_unit_test(a_body_shorter_than_announced_is_an_error),
        cmocka_unit_test(a_request_may_be_cancelled_by_its_body),
        cmocka_unit_test(an_upload_waits_for_a_server_that_does_not_read),
        cmocka_unit_test(the_body_goes_out_when_the_server_says_continue),
        cmocka_unit_test(the_body_goes_out_when_the_server_says_nothing),
        cmocka_unit_test(the_body_stays_when_the_server_refuses),
        cmocka_unit_test(an_early_response_ends_the_body_and_the_connection),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
