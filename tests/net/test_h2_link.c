/* SPDX-License-Identifier: MIT */
/* A link over HTTP/2: what its peer says of the end costs nothing that is under way. */
#include "h2_kit.h"

#include "belay/link.h"

struct scene {
    struct h2_kit k;
    struct belay_link *link;
    int connected, disconnected;
    bool up;
};

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    struct scene *s = arg;

    (void)link;
    s->connected += event->type == BELAY_LINK_CONNECTED;
    s->disconnected += event->type == BELAY_LINK_DISCONNECTED;
    s->up = s->connected > 0;
}

/* `check_interval_ms` 0: without checks. Only its first connection comes up. */
static void open_scene(struct scene *s, int64_t check_interval_ms,
                       void (*on_request)(struct h2_server *s, unsigned conn, uint32_t id))
{
    struct belay_link_options o = belay_link_options_init();
    struct belay_http_check check = belay_http_check_init();
    struct belay_endpoint *endpoint;
    struct belay_error error;

    memset(s, 0, sizeof *s);
    h2_open(&s->k, NULL);
    s->k.server.on_request = on_request;
    assert_int_equal(
        belay_http_connector(s->k.kit.http, check_interval_ms ? &check : NULL, &o.connector, NULL),
        0);
    o.check_interval_ms = check_interval_ms;
    o.retry_delay_ms = 5;
    o.on_event = on_event;
    o.event_arg = s;
    assert_int_equal(belay_endpoint_parse(s->k.kit.loop, h2_url(&s->k.server, ""), &endpoint, NULL),
                     0);
    if (belay_link_open_to(endpoint, &o, &s->link, &error) < 0)
        fail_msg("%s", error.text);
    belay_endpoint_unref(endpoint);
    h2_until(&s->k, &s->up);
    s->k.server.silent = true;
}

static void begin(struct scene *s, struct call *call)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_lease lease;

    assert_int_equal(belay_link_current(s->link, &lease), 0);
    o.url = h2_url(&s->k.server, "/");
    o.lease = &lease;
    call_start(&s->k.kit, call, &o);
}

static int begin_in_vain(struct scene *s, struct call *call)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_lease lease;

    assert_int_equal(belay_link_current(s->link, &lease), 0);
    o.url = h2_url(&s->k.server, "/");
    o.lease = &lease;
    o.callbacks = &call_callbacks;
    return belay_http_request(s->k.kit.http, &o, call, NULL, NULL);
}

static void one_that_is_turned_away_costs_the_others_nothing(void **state)
{
    struct call early = {0}, late = {0};
    struct scene s;

    (void)state;
    open_scene(&s, 0, NULL);
    begin(&s, &early);
    h2_until_requests(&s.k, 1);
    h2_goaway(&s.k.server, 0, 1, 0);
    h2_turn(&s.k);
    assert_int_equal(begin_in_vain(&s, &late), BELAY_ESTALE);
    h2_turn(&s.k);
    assert_int_equal(s.disconnected, 0);
    h2_answer(&s.k.server, 0, 1, "well");
    h2_until(&s.k, &early.done);
    h2_good(&early, "well");
    h2_close(&s.k);
}

static void first_only(struct h2_server *s, unsigned conn, uint32_t id)
{
    if (id == 1)
        h2_answer(s, conn, id, "up");
}

static void a_check_under_way_at_goaway_costs_the_others_nothing(void **state)
{
    struct call call = {0};
    struct scene s;

    (void)state;
    open_scene(&s, 5, first_only);
    h2_until_requests(&s.k, 2); /* the check is never answered */
    begin(&s, &call);
    h2_until_requests(&s.k, 3);
    h2_goaway(&s.k.server, 0, 5, 0);
    h2_turn(&s.k);
    assert_int_equal(s.disconnected, 0);
    h2_answer(&s.k.server, 0, 5, "well");
    h2_until(&s.k, &call.done);
    h2_good(&call, "well");
    h2_close(&s.k);
}

static void a_connection_may_be_taken_under_requests(void **state)
{
    struct call calls[2] = {{0}};
    struct belay_stream *stream;
    struct belay_lease lease;
    uint64_t sent;
    struct scene s;

    (void)state;
    open_scene(&s, 0, NULL);
    begin(&s, &calls[0]);
    h2_until_requests(&s.k, 1);
    begin(&s, &calls[1]); /* has not left */
    assert_int_equal(belay_link_current(s.link, &lease), 0);
    assert_int_equal(belay_lease_take(lease, &stream), 0);
    sent = belay_stream_sent(stream);
    h2_turn(&s.k);
    assert_int_equal(belay_stream_sent(stream), sent);
    h2_until(&s.k, &calls[0].done);
    h2_until(&s.k, &calls[1].done);
    h2_bad(&calls[0], BELAY_ECLOSED, BELAY_MAYBE_SENT);
    h2_bad(&calls[1], BELAY_ECLOSED, BELAY_NOT_SENT);
    belay_stream_close(stream, 0, NULL, NULL);
    h2_close(&s.k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_turned_away_costs_the_others_nothing),
        cmocka_unit_test(a_check_under_way_at_goaway_costs_the_others_nothing),
        cmocka_unit_test(a_connection_may_be_taken_under_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
