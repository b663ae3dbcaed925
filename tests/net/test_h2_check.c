/* SPDX-License-Identifier: MIT */
/* Connections of HTTP/2 in other keepers' hands, which are open when a request on them has been
 * answered. */
#include "h2_kit.h"

struct scene {
    struct h2_kit k;
    struct belay_pool *pool;
    struct belay_endpoint *endpoint;
    struct belay_peer *peer;
    struct belay_lease lease;
    struct belay_error error; /* code 0: none */
    bool told;
};

static const struct belay_http_check health = {.size = sizeof health, .path = "/health"};

static void open_scene(struct scene *s)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_error error;

    memset(s, 0, sizeof *s);
    h2_open(&s->k, NULL);
    if (belay_http_connector(s->k.kit.http, &health, &o.connector, &error) < 0)
        fail_msg("%s", error.text);
    o.connect_retry_count = BELAY_NONE;
    assert_int_equal(belay_pool_open(s->k.kit.loop, &o, &s->pool, &error), 0);
    assert_int_equal(
        belay_endpoint_parse(s->k.kit.loop, h2_url(&s->k.server, ""), &s->endpoint, &error), 0);
    assert_int_equal(belay_pool_peer(s->pool, s->endpoint, &s->peer), 0);
}

static void close_scene(struct scene *s)
{
    belay_peer_unref(s->peer);
    belay_endpoint_unref(s->endpoint);
    h2_close(&s->k);
}

static void on_lease(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct scene *s = arg;

    assert_false(s->told);
    s->told = true;
    s->lease = lease;
    s->error = error ? *error : (struct belay_error){0};
}

static void acquire(struct scene *s)
{
    s->told = false;
    assert_int_equal(belay_peer_acquire(s->peer, NULL, NULL, on_lease, s), 0);
}

static void well(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_answer(s, conn, id, "ok");
}
static void badly(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, H2_END_STREAM, id, ":status: 503\n");
}
static void goaway(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_goaway(s, conn, id, 0);
}
static void goaway_and_answer(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_goaway(s, conn, id, 0);
    h2_answer(s, conn, id, "ok");
}
static void reset(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_reset(s, conn, id, 2);
}
static void hang_up(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_hang_up(s, conn);
}
static void nonsense(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_frame(s, conn, H2_PING, 0, 0, "x", 1);
}

static void a_connection_is_open_when_it_has_answered(void **state)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call call = {0};
    struct scene s;

    (void)state;
    open_scene(&s);
    s.k.server.on_request = well;
    acquire(&s);
    h2_until(&s.k, &s.told);
    assert_int_equal(s.error.code, 0);
    assert_int_equal(s.k.server.requests, 1);
    o.url = h2_url(&s.k.server, "/");
    o.lease = &s.lease;
    call_start(&s.k.kit, &call, &o);
    h2_until(&s.k, &call.done);
    h2_good(&call, "ok");
    assert_int_equal(s.k.server.accepted, 1);
    belay_lease_release(s.lease, BELAY_REUSE);
    close_scene(&s);
}

static void one_that_answers_otherwise_is_not(void **state)
{
    static const struct {
        void (*say)(struct h2_server *s, unsigned conn, uint32_t id);
        int code;
    } rows[] = {{badly, BELAY_EUNHEALTHY}, {goaway, BELAY_EEOF},  {goaway_and_answer, BELAY_EEOF},
                {reset, BELAY_EPROTO},     {hang_up, BELAY_EEOF}, {nonsense, BELAY_EPROTO}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene s;

        open_scene(&s);
        s.k.server.on_request = rows[i].say;
        acquire(&s);
        h2_until(&s.k, &s.told);
        if (s.error.code != rows[i].code)
            fail_msg("%zu: %s (%s)", i, belay_error_name(s.error.code), s.error.text);
        assert_int_equal(s.error.stage, BELAY_STAGE_PROTOCOL);
        s.k.server.on_request = well;
        acquire(&s);
        h2_until(&s.k, &s.told);
        if (s.error.code) /* what is not tried again has failed for good, once */
            fail_msg("%zu: %s", i, s.error.text);
        belay_lease_release(s.lease, BELAY_REUSE);
        close_scene(&s);
    }
}

static void closing_while_it_is_asked_leaves_nothing(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct scene s;

        open_scene(&s);
        acquire(&s);
        h2_until_requests(&s.k, 1);
        if (how)
            belay_http_close(s.k.kit.http, NULL, NULL);
        else
            belay_pool_close(s.pool, NULL, NULL);
        h2_until(&s.k, &s.told);
        assert_int_equal(s.error.code, BELAY_ECLOSED);
        close_scene(&s);
    }
}

static void every_failing_allocation_of_it_is_survived(void **state)
{
    size_t failures;

    (void)state;
    for (size_t n = 1;; n++) {
        struct scene s;

        open_scene(&s);
        s.k.server.on_request = well;
        failing_alloc_once(&s.k.kit.memory, n);
        s.told = false;
        if (belay_peer_acquire(s.peer, NULL, NULL, on_lease, &s) == 0) {
            h2_until(&s.k, &s.told);
            if (!s.error.code)
                belay_lease_release(s.lease, BELAY_REUSE);
        }
        failures = failing_alloc_failures(&s.k.kit.memory);
        close_scene(&s);
        if (failures == 0) {
            assert_true(n > 20);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_open_when_it_has_answered),
        cmocka_unit_test(one_that_answers_otherwise_is_not),
        cmocka_unit_test(closing_while_it_is_asked_leaves_nothing),
        cmocka_unit_test(every_failing_allocation_of_it_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
