/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of a conversation over HTTP/2 fails once: each request then ends well or with an
 * error, once, and nothing is left.
 */
#include "h2_kit.h"

#include "belay/pool.h"

struct outcome {
    int dones, started;
    bool paused, paused_early;
    struct belay_http_request *request;
};

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct outcome *outcome = arg;

    (void)error;
    if (request == outcome->request)
        outcome->request = NULL;
    outcome->dones++;
}

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    struct outcome *outcome = arg;

    (void)data, (void)len;
    if (outcome->paused || outcome->request)
        return BELAY_HTTP_GO_ON;
    outcome->paused = true;
    outcome->request = request;
    return BELAY_HTTP_PAUSE;
}

/* All that follows it is held. */
static enum belay_http_action on_informational(const struct belay_http_response *response,
                                               void *arg)
{
    struct outcome *outcome = arg;

    if (outcome->paused_early)
        return BELAY_HTTP_GO_ON;
    outcome->paused_early = true;
    outcome->request = response->request;
    return BELAY_HTTP_PAUSE;
}

static const struct belay_http_callbacks callbacks = {.size = sizeof callbacks,
                                                      .on_informational = on_informational,
                                                      .on_data = on_data,
                                                      .on_done = on_done};

static ptrdiff_t read_some(void *out, size_t size, void *arg)
{
    size_t *left = arg;
    size_t n = *left < 5000 ? *left : 5000;

    (void)size;
    memset(out, 'b', n);
    *left -= n;
    return (ptrdiff_t)n;
}

#define LARGE_PIECES 3
static char large[4000];

/* Each request gets a 103, a body in pieces, trailers; the fifth is refused, the sixth cut off. */
static void answer(struct h2_server *s, unsigned conn, uint32_t id)
{
    if (s->requests == 5) {
        h2_reset(s, conn, id, 7);
    } else if (s->requests == 6) {
        h2_goaway(s, conn, id > 1 ? id - 2 : 0, 0);
    } else {
        h2_head(s, conn, 0, id, ":status: 103\nlink: </style.css>\n");
        h2_head(s, conn, 0, id, ":status: 200\nserver: a server that says this\n");
        for (int i = 0; i < 3; i++)
            h2_data(s, conn, 0, id, "a piece of the body, and another, and another");
        for (int i = 0; i < LARGE_PIECES; i++) /* windows are given back */
            h2_frame(s, conn, H2_DATA, 0, id, large, sizeof large);
        h2_head(s, conn, H2_END_STREAM, id, "checksum: 42\n");
    }
}

static void grant(struct h2_server *s, unsigned conn, const struct h2_frame *frame)
{
    if (frame->type != H2_DATA || frame->len == 0)
        return;
    h2_window(s, conn, 0, (uint32_t)frame->len);
    if (!(frame->flags & H2_END_STREAM))
        h2_window(s, conn, frame->id, (uint32_t)frame->len);
}

static void try_request(struct belay_http *http, struct outcome *outcome,
                        const struct belay_http_request_options *options)
{
    if (belay_http_request(http, options, outcome, NULL, NULL) == 0)
        outcome->started++;
}

static void run_requests(struct belay_loop *loop, struct belay_http *http, struct h2_server *server,
                         struct outcome *outcome)
{
    static const struct belay_header header = {.name = "X-Name", .value = "value"};
    struct belay_http_request_options o = belay_http_request_options_init();
    size_t left = 90000;

    o.callbacks = &callbacks;
    o.url = h2_url(server, "/");
    o.headers = &header;
    o.headers_n = 1;
    for (int i = 0; i < 5; i++)
        try_request(http, outcome, &o);
    o.method = "PUT";
    o.read_body = read_some;
    o.body_arg = &left;
    o.body_size = 90000;
    try_request(http, outcome, &o);
    for (int i = 0; outcome->dones < outcome->started; i++) {
        assert_true(i < 8000);
        h2_step(server);
        assert_int_equal(belay_loop_turn(loop, 1), 0);
        if (outcome->request && i % 5 == 4) {
            belay_http_request_resume(outcome->request);
            outcome->request = NULL;
        }
    }
}

/* ---- a request that is given back ---- */

/* The second makes the limit fall, and the first end: what begins then has a lease that is one too
 * many. */
static void cross(struct h2_server *s, unsigned conn, uint32_t id)
{
    if (s->requests == 2) {
        h2_setting(s, conn, 3, 1); /* MAX_CONCURRENT_STREAMS */
        h2_answer(s, conn, s->conns[conn].ids[0], "x");
    } else if (s->requests > 2) {
        h2_answer(s, conn, id, "x");
    }
}

struct crossing {
    struct outcome *outcome;
    struct belay_http *http;
    const struct belay_http_request_options *options;
    bool begun;
};

static void begin_another(struct belay_http_request *request, const struct belay_error *error,
                          void *arg)
{
    struct crossing *c = arg;

    (void)request, (void)error;
    c->outcome->dones++;
    if (c->begun)
        return;
    c->begun = true;
    if (belay_http_request(c->http, c->options, c, NULL, NULL) == 0)
        c->outcome->started++;
}

static void run_crossing(struct belay_loop *loop, struct belay_http *http, struct h2_server *server,
                         struct outcome *outcome)
{
    static const struct belay_http_callbacks crossing = {.size = sizeof crossing,
                                                         .on_done = begin_another};
    struct belay_http_request_options o = belay_http_request_options_init();
    struct crossing c = {.outcome = outcome, .http = http, .options = &o};

    server->on_request = cross;
    o.method = "POST";
    o.callbacks = &crossing;
    o.url = h2_url(server, "/");
    for (int i = 0; i < 2; i++) {
        if (belay_http_request(http, &o, &c, NULL, NULL) == 0)
            outcome->started++;
    }
    for (int i = 0; outcome->dones < outcome->started; i++) {
        assert_true(i < 8000);
        h2_step(server);
        assert_int_equal(belay_loop_turn(loop, 1), 0);
        for (unsigned n = 0; i % 50 == 49 && n < server->accepted; n++) {
            if (server->conns[n].fd >= 0 && server->conns[n].requests > 0)
                h2_hang_up(server, n); /* with the one that is left */
        }
    }
}

typedef void run_fn(struct belay_loop *loop, struct belay_http *http, struct h2_server *server,
                    struct outcome *outcome);

static size_t run_scenario(size_t n, run_fn *run)
{
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options h = h2_options();
    struct belay_world world = belay_world_init();
    struct failing_alloc failing;
    struct outcome outcome = {0};
    struct h2_server server;
    struct belay_error error;
    struct belay_loop *loop;
    struct belay_http *http;

    h2_start(&server);
    server.on_request = answer;
    server.on_frame = grant;
    failing_alloc_init(&failing);
    world.allocator = &failing.allocator;
    o.world = &world;
    pool.connect_retry_delay_ms = 1;
    h.pool = &pool;
    h.timeout_ms = 3000;
    h.stream_window = h.connection_window = 65535;
    assert_int_equal(belay_loop_new(&o, &loop, &error), 0);
    failing_alloc_once(&failing, n);
    if (belay_http_open(loop, &h, &http, &error) == 0)
        run(loop, http, &server, &outcome);
    else
        assert_int_equal(error.code, BELAY_ENOMEM);
    belay_loop_free(loop);
    h2_stop(&server);
    assert_int_equal(outcome.dones, outcome.started);
    assert_int_equal(failing_alloc_live(&failing), 0);
    return failing_alloc_failures(&failing);
}

static void every_failing_allocation_is_survived(void **state)
{
    size_t n = 1;

    (void)state;
    while (run_scenario(n, run_requests) > 0)
        n++;
    assert_true(n > 100); /* nghttp2's among them */
}

static void so_it_is_where_a_request_is_given_back(void **state)
{
    size_t n = 1;

    (void)state;
    while (run_scenario(n, run_crossing) > 0)
        n++;
    assert_true(n > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_allocation_is_survived),
        cmocka_unit_test(so_it_is_where_a_request_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
