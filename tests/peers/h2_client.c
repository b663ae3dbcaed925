/* SPDX-License-Identifier: MIT */
/*
 * What HTTP/2 is to do with a real server:  h2_client URL CA WHAT...
 *
 * URL ends in a slash and CA is a file, "-" without TLS; under URL are `hello` ("hello") and `big` (1 MiB, byte
 * i is i % 256). WHAT: get, head, big, post (any body is taken), echo (and given back), many, slow, cancel, one
 * (all of that went over one connection, or as many as follow the colon: "one:3"), several (over at least as many as
 * follow the colon), through (gets without end until standard input ends; says when it is under way).
 */
#include <belay/belay.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB   (1 << 20)
#define CALLS 100

struct call {
    struct belay_http_request *request;
    size_t len, echo_left;
    int status, major;
    bool done, pause, wrong, shut;
    int cancel_at; /* 1: at the head; 2: at data */
    struct belay_error error;
};

static struct belay_loop *loop;
static struct belay_http *http;
static const char *base;
static int failures;

static void check(const char *what, bool good, const struct call *call)
{
    if (good)
        return;
    printf("FAILED %s: status %d, HTTP/%d, %zu bytes: %s\n", what, call ? call->status : 0,
           call ? call->major : 0, call ? call->len : 0, call ? call->error.text : "");
    failures++;
}

static enum belay_http_action on_headers(const struct belay_http_response *response, void *arg)
{
    struct call *call = arg;

    call->status = response->status;
    call->major = response->major;
    if (call->cancel_at == 1) {
        belay_http_request_cancel(call->request);
        call->done = true;
        return BELAY_HTTP_GO_ON;
    }
    return call->pause ? BELAY_HTTP_PAUSE : BELAY_HTTP_GO_ON;
}

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    struct call *call = arg;

    for (size_t i = 0; i < len && len > 100; i++)
        call->wrong |= (unsigned char)data[i] != (unsigned char)(call->len + i);
    call->len += len;
    if (call->cancel_at == 2) {
        belay_http_request_cancel(request);
        call->done = true;
    }
    return call->pause ? BELAY_HTTP_PAUSE : BELAY_HTTP_GO_ON;
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct call *call = arg;

    (void)request;
    call->done = true;
    call->request = NULL;
    if (error)
        call->error = *error;
}

static const struct belay_http_callbacks callbacks = {
    .size = sizeof callbacks, .on_headers = on_headers, .on_data = on_data, .on_done = on_done};

static void begin_with(struct call *call, const char *path, struct belay_http_request_options *o)
{
    char url[256];

    snprintf(url, sizeof url, "%s%s", base, path);
    o->url = url;
    o->callbacks = &callbacks;
    if (belay_http_request(http, o, call, &call->request, &call->error) < 0)
        call->done = true;
}

static void begin(struct call *call, const char *path)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    begin_with(call, path, &o);
}

static void wait_for(struct call *call)
{
    int64_t end = belay_loop_now_ms(loop) + 20000;

    while (!call->done && belay_loop_now_ms(loop) < end)
        belay_loop_turn(loop, 100);
    check("it ends", call->done, call);
}

static bool is_hello(const struct call *call)
{
    return call->done && !call->error.code && call->status == 200 && call->major == 2 &&
           call->len == 5;
}

static bool is_big(const struct call *call)
{
    return call->done && !call->error.code && call->status == 200 && call->major == 2 &&
           call->len == MIB && !call->wrong;
}

static void get(void)
{
    struct call call = {0};

    begin(&call, "hello");
    wait_for(&call);
    check("get", is_hello(&call), &call);
}

static void head(void)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call call = {0};

    o.method = "HEAD";
    begin_with(&call, "big", &o);
    wait_for(&call);
    check("head", !call.error.code && call.status == 200 && call.len == 0, &call);
}

static void big(void)
{
    struct call call = {0};

    begin(&call, "big");
    wait_for(&call);
    check("big", is_big(&call), &call);
}

static ptrdiff_t read_body(void *out, size_t size, void *arg)
{
    struct call *call = arg;
    size_t n = call->echo_left < size ? call->echo_left : size;

    for (size_t i = 0; i < n; i++)
        ((unsigned char *)out)[i] = (unsigned char)(MIB - call->echo_left + i);
    call->echo_left -= n;
    return (ptrdiff_t)n;
}

/* Small, large, by callback with and without a length. */
static void post(bool echo)
{
    static unsigned char body[MIB];

    for (size_t i = 0; i < MIB; i++)
        body[i] = (unsigned char)i;
    for (int i = 0; i < 4; i++) {
        struct belay_http_request_options o = belay_http_request_options_init();
        struct call call = {.echo_left = MIB};

        o.method = "POST";
        o.body = i < 2 ? body : NULL;
        o.body_len = i == 0 ? 100 : i == 1 ? MIB : 0;
        o.read_body = i < 2 ? NULL : read_body;
        o.body_arg = &call;
        o.body_size = i == 2 ? MIB : 0;
        begin_with(&call, "hello", &o);
        wait_for(&call);
        check("post", !call.error.code && call.status == 200, &call);
        check("echo", !echo || (call.len == (i ? MIB : 100) && !call.wrong), &call);
    }
}

/* 1,000, a hundred at a time. */
static void many(void)
{
    static struct call calls[CALLS];

    for (int round = 0; round < 10; round++) {
        memset(calls, 0, sizeof calls);
        for (int i = 0; i < CALLS; i++)
            begin(&calls[i], "hello");
        for (int i = 0; i < CALLS; i++) {
            wait_for(&calls[i]);
            check("many", is_hello(&calls[i]), &calls[i]);
        }
    }
}

/* Three who do not read hold up nobody. */
static void slow(void)
{
    struct call paused[3] = {{.pause = true}, {.pause = true}, {.pause = true}};

    for (int i = 0; i < 3; i++)
        begin(&paused[i], "big");
    many();
    big();
    for (int i = 0; i < 3; i++) {
        check("it waits", !paused[i].done && paused[i].len == 0, &paused[i]);
        for (int turns = 0; !paused[i].done && turns < 100000; turns++) {
            if (paused[i].request)
                belay_http_request_resume(paused[i].request);
            belay_loop_turn(loop, 1);
        }
        check("slow", is_big(&paused[i]), &paused[i]);
    }
}

static void cancel(void)
{
    for (int i = 0; i < 40; i++) {
        struct call call = {.cancel_at = i % 4};

        begin(&call, "big");
        if (call.cancel_at == 0) {
            belay_http_request_cancel(call.request);
        } else if (call.cancel_at == 3) {
            belay_loop_turn(loop, 1);
            if (!call.done)
                belay_http_request_cancel(call.request);
        } else {
            wait_for(&call);
        }
    }
    get();
}

static void some(int rounds)
{
    struct call calls[10];

    for (int round = 0; round < rounds; round++) {
        memset(calls, 0, sizeof calls);
        for (int i = 0; i < 10; i++)
            begin(&calls[i], "hello");
        for (int i = 0; i < 10; i++) {
            wait_for(&calls[i]);
            check("through", is_hello(&calls[i]), &calls[i]);
        }
    }
}

static bool input_ended(void)
{
    struct pollfd fd = {.fd = 0, .events = POLLIN};

    return poll(&fd, 1, 0) != 0;
}

/* Whatever becomes of the server meanwhile. */
static void through(void)
{
    some(20);
    puts("under way");
    fflush(stdout);
    while (!input_ended() && !failures)
        some(1);
    some(20);
}

static uint64_t opened(void)
{
    struct belay_pool_stats stats = belay_pool_stats_init();

    belay_pool_get_stats(belay_http_pool(http), &stats);
    return stats.opened;
}

static void several(unsigned least)
{
    if (opened() < least) {
        printf("FAILED several: %llu connections were opened\n", (unsigned long long)opened());
        failures++;
    }
}

static void one(unsigned most)
{
    if (opened() > most) {
        printf("FAILED one: %llu connections were opened\n", (unsigned long long)opened());
        failures++;
    }
}

static void run(const char *what)
{
    if (strcmp(what, "get") == 0)
        get();
    else if (strcmp(what, "head") == 0)
        head();
    else if (strcmp(what, "big") == 0)
        big();
    else if (strcmp(what, "post") == 0)
        post(false);
    else if (strcmp(what, "echo") == 0)
        post(true);
    else if (strcmp(what, "many") == 0)
        many();
    else if (strcmp(what, "slow") == 0)
        slow();
    else if (strcmp(what, "cancel") == 0)
        cancel();
    else if (strcmp(what, "through") == 0)
        through();
    else if (strncmp(what, "several:", 8) == 0)
        several((unsigned)strtoul(what + 8, NULL, 10));
    else if (strncmp(what, "one", 3) == 0)
        one(what[3] ? (unsigned)strtoul(what + 4, NULL, 10) : 1);
    else
        exit(2);
}

int main(int argc, char **argv)
{
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options o = belay_http_options_init();
    struct belay_tls_options t = belay_tls_options_init();
    struct belay_tls *tls = NULL;
    struct belay_error error;

    if (argc < 4 || belay_loop_new(NULL, &loop, &error) < 0)
        return 2;
    base = argv[1];
    t.ca_file = argv[2];
    if (strcmp(argv[2], "-") != 0 && belay_tls_new(loop, &t, &tls, &error) < 0) {
        printf("%s\n", error.text);
        return 2;
    }
    pool.connect_retry_count = 30; /* a server may be gone for a while */
    o.pool = &pool;
    o.tls = tls;
    o.versions = tls ? BELAY_HTTP_ANY : BELAY_HTTP_2_ONLY;
    if (belay_http_open(loop, &o, &http, &error) < 0) {
        printf("%s\n", error.text);
        return 2;
    }
    for (int i = 3; i < argc; i++)
        run(argv[i]);
    belay_tls_unref(tls);
    belay_loop_free(loop);
    return failures > 0;
}
