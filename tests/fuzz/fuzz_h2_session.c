/* SPDX-License-Identifier: MIT */
/*
 * HTTP/2 as a client hears it: whatever the peer sends, in whatever portions, each request ends
 * once, nothing is called back afterwards, and nothing is left.
 *
 * Input: which allocation fails, what the requests do, the size of portions, whether the peer
 * begins with SETTINGS; then what it sends. The requests stand on streams 1, 3 and 5.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "belay/http.h"
#include "fuzz/fuzz_loop.h"

#define REQUESTS 3

struct call {
    struct belay_http_request *request;
    unsigned dones;
    uint8_t manner; /* bits: pause at the head, at data; cancel at the head, at data */
    bool over, paused;
};

static enum belay_http_action act(struct call *call, unsigned shift)
{
    BL_ASSERT(!call->over);
    if (call->manner & 4u << shift) {
        call->over = true;
        belay_http_request_cancel(call->request);
        return BELAY_HTTP_GO_ON;
    }
    call->paused = call->manner & 1u << shift;
    return call->paused ? BELAY_HTTP_PAUSE : BELAY_HTTP_GO_ON;
}

static void read_all(const struct belay_header *headers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        BL_ASSERT(strlen(headers[i].name) <= headers[i].name_len &&
                  headers[i].value[headers[i].value_len] == '\0');
}

static enum belay_http_action on_headers(const struct belay_http_response *response, void *arg)
{
    BL_ASSERT(response->major == 2 && response->status >= 100 && response->status <= 999);
    read_all(response->headers, response->headers_n);
    return act(arg, 0);
}

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    (void)request;
    BL_ASSERT(len > 0 && data);
    return act(arg, 1);
}

static void on_trailers(const struct belay_header *trailers, size_t n, void *arg)
{
    const struct call *call = arg;

    BL_ASSERT(!call->over);
    read_all(trailers, n);
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct call *call = arg;

    (void)request;
    BL_ASSERT(!call->over);
    if (error)
        fuzz_check_sentence(error->text, sizeof error->text);
    call->over = true;
    call->dones++;
}

static const struct belay_http_callbacks callbacks = {.size = sizeof callbacks,
                                                      .on_headers = on_headers,
                                                      .on_data = on_data,
                                                      .on_trailers = on_trailers,
                                                      .on_done = on_done};

/* ---- the peer ---- */

static void converse(struct belay_loop *loop, int listener, struct fuzz_input *in, size_t portion,
                     bool polite)
{
    static const uint8_t settings[9] = {0, 0, 0, 4};
    int fd = fuzz_accept(loop, listener);

    if (fd < 0)
        return;
    if (polite) {
        fuzz_say(loop, fd, settings, sizeof settings, sizeof settings);
        belay_loop_turn(loop, 0);
    }
    fuzz_say(loop, fd, in->data, in->len, portion);
    for (int i = 0; i < 3; i++)
        belay_loop_turn(loop, 0);
    close(fd);
}

/* ---- one conversation ---- */

static void start(struct belay_http *http, const char *url, struct call *calls)
{
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct belay_http_request_options o = belay_http_request_options_init();

        o.url = url;
        o.method = i == 1 ? "HEAD" : i == 2 ? "POST" : "GET";
        o.body = i == 2 ? "a body" : NULL;
        o.body_len = i == 2 ? 6 : 0;
        o.callbacks = &callbacks;
        if (belay_http_request(http, &o, &calls[i], &calls[i].request, NULL) < 0)
            calls[i].over = true;
    }
}

static void run(struct belay_loop *loop, struct fuzz_input *in)
{
    struct belay_http_options o = belay_http_options_init();
    struct belay_pool_options pool = belay_pool_options_init();
    struct call calls[REQUESTS] = {{0}};
    size_t portion = 1 + fuzz_byte(in) * 16u;
    uint8_t manners = fuzz_byte(in), polite = fuzz_byte(in);
    struct belay_http *http;
    char url[64];
    int listener, port;

    pool.connect_retry_count = BELAY_NONE;
    o.pool = &pool;
    o.versions = BELAY_HTTP_2_ONLY;
    o.max_header_bytes = 2000;
    o.max_replays = BELAY_NONE;
    if (belay_http_open(loop, &o, &http, NULL) < 0)
        return;
    calls[0].manner = manners & 15;
    calls[2].manner = manners >> 4;
    listener = fuzz_listen(&port);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    start(http, url, calls);
    converse(loop, listener, in, portion, polite & 1);
    for (unsigned i = 0; i < REQUESTS; i++) {
        if (!calls[i].over && calls[i].paused)
            belay_http_request_resume(calls[i].request);
    }
    belay_loop_turn(loop, 0);
    belay_http_close(http, NULL, NULL);
    belay_loop_turn(loop, 0);
    close(listener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_with_loop(data, size, run);
    return 0;
}
