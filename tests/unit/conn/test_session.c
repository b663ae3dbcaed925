/* SPDX-License-Identifier: MIT */
/* A connection over an opened stream (form 1), and the plain one, on real sockets. */
#include "conn/conn.h"

#include <stdio.h>

#include "unit/conn/keeper_kit.h"
#include "unit/conn/stream_kit.h"

static struct stream_kit kit;
static struct puppet puppet;
static struct keeper keeper;
static const struct belay_connector plain = {0};

static int set_up(void **state)
{
    (void)state;
    stream_kit_set_up(&kit);
    puppet_init_session(&puppet);
    keeper_init(&keeper);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (keeper.conn) {
        bl_conn_close(keeper.conn, BELAY_REASON_OWNER_CLOSED);
        STREAM_KIT_UNTIL(&kit, !keeper.conn);
    }
    stream_kit_tear_down(&kit);
    return 0;
}

static struct belay_conn *open_with(const struct belay_connector *connector)
{
    assert_int_equal(keeper_open(&keeper, kit.endpoint, connector), 0);
    return keeper.conn;
}

static void start_session(void)
{
    open_with(&puppet.connector);
    STREAM_KIT_UNTIL(&kit, puppet.n == 1);
}

static void open_session(void)
{
    puppet.capacity = 1;
    open_with(&puppet.connector);
    STREAM_KIT_UNTIL(&kit, keeper.opened == 1 && kit.server.n == 1);
}

static struct belay_stream *stream_of(void)
{
    return belay_conn_stream(keeper.conn);
}

/* ---- opening ---- */

static void a_session_starts_on_the_open_stream(void **state)
{
    struct belay_addr peer;

    (void)state;
    start_session();
    assert_int_equal(keeper.opened, 0);
    assert_int_equal(belay_stream_peer_addr(stream_of(), &peer), 0);
    assert_int_equal(peer.port, kit.server.port);
    puppet_up(puppet_conn(&puppet, 0), 2);
    STREAM_KIT_UNTIL(&kit, keeper.opened == 1);
    assert_int_equal(keeper.facts.capacity, 2);
}

static void a_dial_that_fails_is_told_with_its_stage(void **state)
{
    struct belay_endpoint *dead = stream_kit_endpoint(&kit, net_kit_dead_port());

    (void)state;
    assert_int_equal(keeper_open(&keeper, dead, &puppet.connector), 0);
    STREAM_KIT_UNTIL(&kit, keeper.failed == 1);
    assert_int_equal(keeper.code, BELAY_ECONNECT);
    assert_int_equal(keeper.stage, BELAY_STAGE_CONNECT);
    assert_int_equal(puppet.n, 0);
    belay_endpoint_unref(dead);
}

static void a_session_that_fails_closes_the_stream(void **state)
{
    (void)state;
    puppet.fail = BELAY_EPROTO;
    open_with(&puppet.connector);
    STREAM_KIT_UNTIL(&kit, keeper.failed == 1);
    assert_int_equal(keeper.code, BELAY_EPROTO);
    assert_int_equal(puppet.conns[0].cancels + puppet.conns[0].closes, 0);
    STREAM_KIT_UNTIL(&kit, kit.server.n == 1 && kit.server.conns[0].end);
}

static void a_session_whose_stream_dies_is_cancelled(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        if (reset)
            set_up(NULL);
        start_session();
        STREAM_KIT_UNTIL(&kit, kit.server.n == 1);
        if (reset)
            toy_server_reset(&kit.server, 0);
        else
            toy_server_hang_up(&kit.server, 0);
        STREAM_KIT_UNTIL(&kit, keeper.failed == 1);
        assert_int_equal(puppet.conns[0].cancels, 1);
        assert_int_equal(keeper.stage, BELAY_STAGE_PROTOCOL);
        assert_int_equal(keeper.code, reset ? BELAY_ERESET : BELAY_EEOF);
        if (!reset)
            tear_down(NULL);
    }
}

static void a_session_that_takes_too_long_is_cancelled(void **state)
{
    (void)state;
    keeper.dial.session_timeout_ms = 20;
    open_with(&puppet.connector);
    STREAM_KIT_UNTIL(&kit, keeper.failed == 1);
    assert_int_equal(puppet.conns[0].cancels, 1);
    assert_true(puppet.conns[0].has_stream);
    assert_int_equal(keeper.code, BELAY_ETIMEDOUT);
    STREAM_KIT_UNTIL(&kit, kit.server.n == 1 && kit.server.conns[0].end);
}

/* The connector may hold on to the connection, so it is waited for; the peer is not kept waiting. */
static void a_cancel_that_is_not_answered_loses_its_stream(void **state)
{
    (void)state;
    keeper.dial.session_timeout_ms = 20;
    keeper.dial.close_timeout_ms = 20;
    puppet.cancel_later = true;
    open_with(&puppet.connector);
    STREAM_KIT_UNTIL(&kit, kit.server.n == 1 && kit.server.conns[0].end);
    assert_int_equal(puppet.conns[0].cancels, 1);
    assert_int_equal(keeper.failed, 0);
    assert_null(stream_of());
    puppet_closed(puppet_conn(&puppet, 0));
    STREAM_KIT_UNTIL(&kit, keeper.failed == 1);
    assert_int_equal(keeper.code, BELAY_ETIMEDOUT);
}

/* ---- ending ---- */

static void what_close_writes_is_sent(void **state)
{
    (void)state;
    puppet.close_later = true;
    open_session();
    bl_conn_close(keeper.conn, BELAY_REASON_IDLE);
    assert_true(puppet.conns[0].has_stream);
    assert_int_equal(belay_stream_write(stream_of(), "BYE\n", 4), 0);
    puppet_closed(puppet_conn(&puppet, 0));
    STREAM_KIT_UNTIL(&kit, keeper.closed == 1 && kit.server.conns[0].end);
    assert_true(kit.server.conns[0].bye);
}

static void a_close_that_is_not_answered_loses_its_stream(void **state)
{
    (void)state;
    for (int at_once = 0; at_once < 2; at_once++) {
        if (at_once)
            set_up(NULL);
        keeper.dial.close_timeout_ms = 20;
        puppet.close_later = true;
        open_session();
        bl_conn_close(keeper.conn, BELAY_REASON_IDLE);
        if (at_once) { /* it answers while the stream is being closed */
            STREAM_KIT_UNTIL(&kit, !stream_of());
        } else {
            STREAM_KIT_UNTIL(&kit, kit.server.conns[0].end);
            for (int i = 0; i < 10; i++)
                stream_kit_turn(&kit);
        }
        assert_int_equal(keeper.closed, 0);
        assert_null(stream_of());
        puppet_closed(puppet_conn(&puppet, 0));
        STREAM_KIT_UNTIL(&kit, keeper.closed == 1);
        assert_int_equal(puppet.conns[0].closes, 1);
        if (!at_once)
            tear_down(NULL);
    }
}

static void a_stream_that_ends_is_lost_once(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        if (reset)
            set_up(NULL);
        open_session();
        if (reset)
            toy_server_reset(&kit.server, 0);
        else
            toy_server_hang_up(&kit.server, 0);
        STREAM_KIT_UNTIL(&kit, keeper.changed == 1);
        assert_true(keeper.facts.lost);
        assert_int_equal(keeper.facts.lost_reason,
                         reset ? BELAY_REASON_ERROR : BELAY_REASON_PEER_CLOSED);
        puppet_lose(puppet_conn(&puppet, 0), BELAY_EPROTO);
        for (int i = 0; i < 10; i++)
            stream_kit_turn(&kit);
        assert_int_equal(keeper.changed, 1);
        bl_conn_close(keeper.conn, BELAY_REASON_PEER_CLOSED);
        STREAM_KIT_UNTIL(&kit, keeper.closed == 1);
        assert_int_equal(puppet.conns[0].closes, 1);
        if (!reset)
            tear_down(NULL);
    }
}

static void the_first_to_say_lost_is_believed(void **state)
{
    (void)state;
    open_session();
    puppet_lose(puppet_conn(&puppet, 0), BELAY_EPROTO);
    toy_server_hang_up(&kit.server, 0);
    STREAM_KIT_UNTIL(&kit, keeper.changed == 1);
    assert_int_equal(keeper.code, BELAY_EPROTO);
    assert_int_equal(keeper.facts.lost_reason, BELAY_REASON_ERROR);
}

static char got[64];

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    size_t *n = arg;

    (void)stream;
    assert_true(*n + len < sizeof got);
    memcpy(got + *n, data, len);
    *n += len;
    return len;
}

static void on_end(struct belay_stream *stream, void *arg)
{
    size_t *n = arg;

    (void)stream;
    got[(*n)++] = '.';
}

static const struct belay_stream_callbacks reading = {
    .size = sizeof reading, .on_data = on_data, .on_end = on_end};

static bool stream_is_closed;

static void on_stream_closed(void *arg)
{
    *(bool *)arg = true;
}

static void what_is_taken_lives_on(void **state)
{
    size_t before = 0, after = 0;
    struct belay_stream *stream;

    (void)state;
    open_session();
    belay_stream_set_callbacks(stream_of(), &reading, &before);
    stream = bl_conn_take(keeper.conn);
    assert_non_null(stream);
    assert_null(stream_of());
    assert_null(bl_conn_take(keeper.conn));
    bl_conn_close(keeper.conn, BELAY_REASON_TAKEN);
    STREAM_KIT_UNTIL(&kit, keeper.closed == 1);
    assert_int_equal(puppet.conns[0].reason, BELAY_REASON_TAKEN);
    assert_false(puppet.conns[0].has_stream);
    assert_int_equal(belay_stream_write(stream, "still here\n", 11), 0);
    STREAM_KIT_UNTIL(&kit, kit.server.conns[0].lines == 1);
    assert_false(kit.server.conns[0].end);
    for (int i = 0; i < 5; i++)
        stream_kit_turn(&kit);
    assert_int_equal(before, 0); /* the session's callbacks are gone; what came is held */
    belay_stream_set_callbacks(stream, &reading, &after);
    STREAM_KIT_UNTIL(&kit, after == 11);
    assert_memory_equal(got, "still here\n", 11);
    toy_server_hang_up(&kit.server, 0); /* heard by its new owner alone */
    STREAM_KIT_UNTIL(&kit, after == 12);
    stream_is_closed = false;
    belay_stream_close(stream, 0, on_stream_closed, &stream_is_closed);
    STREAM_KIT_UNTIL(&kit, stream_is_closed);
}

static void a_taken_stream_that_dies_is_not_the_connections_loss(void **state)
{
    struct belay_stream *stream;

    (void)state;
    open_session();
    stream = bl_conn_take(keeper.conn);
    toy_server_reset(&kit.server, 0);
    puppet_lose(puppet_conn(&puppet, 0), BELAY_ERESET); /* what does it know */
    for (int i = 0; i < 10; i++)
        stream_kit_turn(&kit);
    assert_int_equal(keeper.changed, 0);
    belay_stream_close(stream, 0, NULL, NULL);
}

static char trace[2000];

static void write_trace(const struct belay_trace *t, void *arg)
{
    size_t len = strlen(trace);

    (void)arg;
    if (strcmp(t->noun, "conn") == 0)
        snprintf(trace + len, sizeof trace - len, "%s>%s ", t->from ? t->from : "",
                 t->to ? t->to : "");
    if (strcmp(t->noun, "conn") == 0 && t->to && strcmp(t->to, "open") == 0)
        assert_non_null(strstr(t->cause, "127.0.0.1:")); /* to whom it came */
}

static void the_trace_tells_a_connections_life(void **state)
{
    (void)state;
    trace[0] = '\0';
    kit.net.loop->on_trace = write_trace;
    open_session();
    bl_conn_idle(keeper.conn); /* its buffers go, it stays */
    assert_int_equal(belay_stream_write(stream_of(), "after\n", 6), 0);
    STREAM_KIT_UNTIL(&kit, kit.server.conns[0].lines == 1);
    bl_conn_close(keeper.conn, BELAY_REASON_IDLE);
    STREAM_KIT_UNTIL(&kit, keeper.closed == 1);
    assert_string_equal(trace, ">new new>dialing dialing>starting starting>open open>ending "
                               "ending>shutting shutting>closed closed> ");
}

/* ---- plain streams ---- */

static void a_plain_stream_is_up_as_soon_as_it_is_open(void **state)
{
    size_t n = 0;

    (void)state;
    open_with(&plain);
    STREAM_KIT_UNTIL(&kit, keeper.opened == 1 && kit.server.n == 1);
    assert_int_equal(keeper.facts.capacity, 1);
    assert_true(bl_conn_minds_leases(keeper.conn));
    assert_false(bl_conn_can_check(keeper.conn));
    bl_conn_acquired(keeper.conn);
    belay_stream_set_callbacks(stream_of(), &reading, &n);
    toy_server_say(&kit.server, 0, "for who holds it");
    STREAM_KIT_UNTIL(&kit, n == 16);
    assert_memory_equal(got, "for who holds it", 16);
    bl_conn_released(keeper.conn);
    for (int i = 0; i < 5; i++)
        stream_kit_turn(&kit);
    assert_int_equal(keeper.changed, 0);
}

static void bytes_on_an_idle_plain_stream_end_it(void **state)
{
    (void)state;
    for (int held = 0; held < 2; held++) {
        if (held)
            set_up(NULL);
        open_with(&plain);
        STREAM_KIT_UNTIL(&kit, keeper.opened == 1 && kit.server.n == 1);
        if (held)
            bl_conn_acquired(keeper.conn); /* nobody reads */
        toy_server_say(&kit.server, 0, "hello?");
        if (held) {
            for (int i = 0; i < 10; i++)
                stream_kit_turn(&kit);
            assert_int_equal(keeper.changed, 0);
            bl_conn_released(keeper.conn); /* what came meanwhile was nobody's */
        }
        STREAM_KIT_UNTIL(&kit, keeper.changed == 1);
        assert_int_equal(keeper.facts.lost_reason, BELAY_REASON_UNHEALTHY);
        assert_int_equal(keeper.code, BELAY_EUNHEALTHY);
        if (!held)
            tear_down(NULL);
    }
}

static void an_idle_plain_stream_sees_its_end(void **state)
{
    (void)state;
    open_with(&plain);
    STREAM_KIT_UNTIL(&kit, keeper.opened == 1 && kit.server.n == 1);
    toy_server_hang_up(&kit.server, 0);
    STREAM_KIT_UNTIL(&kit, keeper.changed == 1);
    assert_int_equal(keeper.facts.lost_reason, BELAY_REASON_PEER_CLOSED);
    bl_conn_close(keeper.conn, BELAY_REASON_PEER_CLOSED);
    STREAM_KIT_UNTIL(&kit, keeper.closed == 1);
}

/* ---- memory ---- */

static void every_allocation_may_fail(void **state)
{
    size_t n;

    (void)state;
    for (n = 1; n < 200; n++) {
        if (n > 1)
            set_up(NULL);
        puppet.capacity = 1;
        failing_alloc_once(&kit.net.alloc, n);
        if (keeper_open(&keeper, kit.endpoint, &puppet.connector) == 0) {
            STREAM_KIT_UNTIL(&kit, keeper.opened + keeper.failed == 1);
            if (keeper.failed)
                assert_int_equal(keeper.code, BELAY_ENOMEM);
            else
                bl_conn_close(keeper.conn, BELAY_REASON_IDLE);
            STREAM_KIT_UNTIL(&kit, keeper.failed + keeper.closed == 1);
        }
        if (failing_alloc_failures(&kit.net.alloc) == 0)
            break;
        failing_alloc_once(&kit.net.alloc, 0);
        tear_down(NULL);
    }
    assert_true(n > 4 && n < 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_starts_on_the_open_stream),
        TEST(a_dial_that_fails_is_told_with_its_stage),
        TEST(a_session_that_fails_closes_the_stream),
        TEST(a_session_whose_stream_dies_is_cancelled),
        TEST(a_session_that_takes_too_long_is_cancelled),
        TEST(a_cancel_that_is_not_answered_loses_its_stream),
        TEST(what_close_writes_is_sent),
        TEST(a_close_that_is_not_answered_loses_its_stream),
        TEST(a_stream_that_ends_is_lost_once),
        TEST(the_first_to_say_lost_is_believed),
        TEST(what_is_taken_lives_on),
        TEST(a_taken_stream_that_dies_is_not_the_connections_loss),
        TEST(the_trace_tells_a_connections_life),
        TEST(a_plain_stream_is_up_as_soon_as_it_is_open),
        TEST(bytes_on_an_idle_plain_stream_end_it),
        TEST(an_idle_plain_stream_sees_its_end),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("conn_session", tests, NULL, NULL);
}
