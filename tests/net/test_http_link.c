/* SPDX-License-Identifier: MIT */
/* A link over HTTP: up when a request says so, down when a request says so, used with its lease. */
#include "scripted.h"

#include "belay/link.h"

#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define BAD "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

struct scene {
    struct kit kit;
    struct scripted server;
    struct belay_link *link;
    int connected, disconnected, failed;
    bool up, down, gone;
    struct belay_error error; /* the last one told */
};

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    struct scene *s = arg;

    (void)link;
    s->connected += event->type == BELAY_LINK_CONNECTED;
    s->disconnected += event->type == BELAY_LINK_DISCONNECTED;
    s->failed += event->type == BELAY_LINK_FAILED_TO_CONNECT;
    s->up = s->up || event->type == BELAY_LINK_CONNECTED;
    s->down = s->down || event->type == BELAY_LINK_DISCONNECTED ||
              event->type == BELAY_LINK_FAILED_TO_CONNECT;
    if (event->error)
        s->error = *event->error;
}

static void open_scene(struct scene *s, const char *const *answers, int64_t check_interval_ms)
{
    struct belay_http_check check = belay_http_check_init();
    struct belay_link_options o = belay_link_options_init();
    struct belay_endpoint *endpoint;
    struct belay_error error;

    memset(s, 0, sizeof *s);
    scripted_start(&s->server, answers);
    kit_open_steady(&s->kit, NULL);
    assert_int_equal(belay_http_connector(s->kit.http, &check, &o.connector, NULL), 0);
    o.retry_delay_ms = 5;
    o.check_interval_ms = check_interval_ms;
    o.on_event = on_event;
    o.event_arg = s;
    assert_int_equal(
        belay_endpoint_parse(s->kit.loop, scripted_url(&s->server, ""), &endpoint, NULL), 0);
    if (belay_link_open_to(endpoint, &o, &s->link, &error) < 0)
        fail_msg("%s", error.text);
    belay_endpoint_unref(endpoint);
}

static void close_scene(struct scene *s)
{
    kit_close(&s->kit);
    scripted_stop(&s->server);
}

static void wait_for(struct scene *s, bool *flag)
{
    *flag = false;
    scripted_turn_until(&s->server, &s->kit, flag);
}

static void it_is_up_when_a_request_says_so(void **state)
{
    static const char *const answers[] = {BAD, BAD, OK, NULL};
    struct scene s;

    (void)state;
    open_scene(&s, answers, 0);
    wait_for(&s, &s.down);
    assert_int_equal(s.error.stage, BELAY_STAGE_PROTOCOL);
    assert_int_equal(s.error.status, 503);
    wait_for(&s, &s.up);
    assert_int_equal(s.failed, 1); /* the same twice is told once */
    assert_int_equal(s.server.accepted, 3);
    close_scene(&s);
}

static void it_is_down_when_a_check_says_so(void **state)
{
    static const char *const answers[] = {OK, OK, OK, BAD, OK, OK, OK, OK, OK, OK, OK, OK, NULL};
    struct scene s;

    (void)state;
    open_scene(&s, answers, 5);
    wait_for(&s, &s.up);
    wait_for(&s, &s.down);
    assert_int_equal(s.disconnected, 1);
    assert_int_equal(s.server.requests, 4);
    assert_int_equal(s.server.accepted, 1);
    assert_int_equal(s.error.stage, BELAY_STAGE_PROTOCOL);
    assert_int_equal(s.error.status, 503);
    wait_for(&s, &s.up);
    assert_int_equal(s.server.accepted, 2);
    close_scene(&s);
}

static void its_connection_is_used_by_its_lease_and_not_asked_meanwhile(void **state)
{
    static const char *const answers[] = {OK, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", OK,
                                          NULL};
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_lease lease;
    struct call call = {0};
    struct scene s;
    int64_t until;

    (void)state;
    open_scene(&s, answers, 60);
    wait_for(&s, &s.up);
    assert_int_equal(belay_link_current(s.link, &lease), 0);
    o.url = scripted_url(&s.server, "/used");
    o.lease = &lease;
    call_start(&s.kit, &call, &o);
    until = belay_loop_now_ms(s.kit.loop) + 200; /* three checks would be due */
    while (belay_loop_now_ms(s.kit.loop) < until) {
        scripted_step(&s.server);
        assert_int_equal(belay_loop_turn(s.kit.loop, 5), 0);
    }
    assert_int_equal(s.server.requests, 2);
    assert_false(call.done);
    scripted_say(&s.server, 0, "ok");
    scripted_turn_until(&s.server, &s.kit, &call.done);
    assert_int_equal(call.error.code, 0);
    assert_string_equal(call.body, "ok");
    assert_int_equal(s.disconnected, 0);
    assert_true(belay_lease_valid(lease));
    call_clear(&call);
    close_scene(&s);
}

/* The stream is whoever's took it: what that writes leaves, whatever was under way. */
static void take(struct scene *s, struct belay_http_request *cancelled)
{
    struct belay_stream *stream;
    struct belay_lease lease;
    uint64_t sent;

    assert_int_equal(belay_link_current(s->link, &lease), 0);
    assert_int_equal(belay_lease_take(lease, &stream), 0);
    sent = belay_stream_sent(stream);
    assert_int_equal(belay_stream_write(stream, "hello", 5), 0);
    belay_http_request_cancel(cancelled);
    for (int i = 0; i < 5; i++)
        kit_turn(&s->kit);
    assert_int_equal(belay_stream_sent(stream), sent + 5);
    belay_stream_close(stream, 0, NULL, NULL);
}

static void a_connection_may_be_taken_under_a_request(void **state)
{
    static const char *const answers[] = {OK, "HTTP/1.1 2", OK, OK, NULL};

    (void)state;
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        struct belay_http_request_options o = belay_http_request_options_init();
        struct belay_lease lease;
        struct call call = {0};
        struct scene s;

        open_scene(&s, answers, 0);
        wait_for(&s, &s.up);
        assert_int_equal(belay_link_current(s.link, &lease), 0);
        o.url = scripted_url(&s.server, "/pending");
        o.lease = &lease;
        o.body = "a body";
        o.body_len = 6;
        o.expect_continue = true; /* it is still to be sent */
        call_start(&s.kit, &call, &o);
        for (int i = 0; i < 20; i++) {
            scripted_step(&s.server);
            kit_turn(&s.kit);
        }
        take(&s, cancelled ? call.request : NULL);
        wait_for(&s, &s.up);
        assert_int_equal(s.disconnected, 1);
        if (!cancelled)
            assert_int_equal(call.error.code, BELAY_ECLOSED);
        call_clear(&call);
        close_scene(&s);
    }
}

static void a_connection_may_be_taken_under_a_check(void **state)
{
    static const char *const answers[] = {OK, "HTTP/1.1 2", OK, OK, NULL};
    struct scene s;

    (void)state;
    open_scene(&s, answers, 5);
    wait_for(&s, &s.up);
    while (s.server.requests < 2) { /* the second has no answer */
        scripted_step(&s.server);
        kit_turn(&s.kit);
    }
    take(&s, NULL);
    wait_for(&s, &s.up);
    assert_int_equal(s.disconnected, 1);
    close_scene(&s);
}

static void a_response_that_ends_the_connection_ends_the_episode(void **state)
{
    static const char *const answers[] = {
        OK, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", OK, NULL};
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_lease lease;
    struct call call = {0};
    struct scene s;

    (void)state;
    open_scene(&s, answers, 0);
    wait_for(&s, &s.up);
    assert_int_equal(belay_link_current(s.link, &lease), 0);
    o.url = scripted_url(&s.server, "/last");
    o.lease = &lease;
    call_start(&s.kit, &call, &o);
    s.up = false;
    scripted_turn_until(&s.server, &s.kit, &call.done);
    assert_int_equal(call.error.code, 0);
    scripted_turn_until(&s.server, &s.kit, &s.up);
    assert_int_equal(s.disconnected, 1);
    assert_int_equal(s.error.code, BELAY_EEOF);
    assert_false(belay_lease_valid(lease));
    call_clear(&call);
    close_scene(&s);
}

static void on_gone(void *arg)
{
    *(bool *)arg = true;
}

static void a_closed_client_ends_the_link_for_good(void **state)
{
    static const char *const answers[] = {OK, NULL};
    bool closed = false;
    struct scene s;

    (void)state;
    open_scene(&s, answers, 0);
    belay_link_ref(s.link);
    assert_int_equal(belay_link_close_finished(s.link, on_gone, &s.gone), 0);
    wait_for(&s, &s.up);
    belay_http_close(s.kit.http, on_gone, &closed);
    kit_turn_until(&s.kit, &s.gone);
    kit_turn_until(&s.kit, &closed);
    assert_int_equal(s.disconnected, 1);
    assert_true(s.error.final);
    belay_link_unref(s.link);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_up_when_a_request_says_so),
        cmocka_unit_test(it_is_down_when_a_check_says_so),
        cmocka_unit_test(its_connection_is_used_by_its_lease_and_not_asked_meanwhile),
        cmocka_unit_test(a_connection_may_be_taken_under_a_request),
        cmocka_unit_test(a_connection_may_be_taken_under_a_check),
        cmocka_unit_test(a_response_that_ends_the_connection_ends_the_episode),
        cmocka_unit_test(a_closed_client_ends_the_link_for_good),
    };

    return cmocka_run_group_tests_name("http_link", tests, NULL, NULL);
}
