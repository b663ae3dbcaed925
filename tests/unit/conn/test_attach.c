/* SPDX-License-Identifier: MIT */
/*
 * What hangs on a connection of form 2: a descriptor that is watched while nobody uses it, what its
 * connector attached, and the question whether it is healthy. In virtual time, with injected events.
 */
#include "conn/conn.h"

#include <stdio.h>

#include "belay/proxy.h"
#include "conn/endpoint.h"
#include "unit/conn/conn_world.h"
#include "unit/conn/keeper_kit.h"

#define FD 41

static struct conn_world world;
static struct belay_endpoint *endpoint;
static struct puppet puppet;
static struct keeper keeper;
static char ended[64]; /* names of what ended, in order; '.' where the connector was told */
static const char *detach_too;

static int set_up(void **state)
{
    (void)state;
    conn_world_set_up(&world);
    endpoint = conn_world_endpoint(&world, "tcp://a.test:1");
    puppet_init(&puppet);
    keeper_init(&keeper);
    ended[0] = 0;
    detach_too = NULL;
    return 0;
}

static void settle(void)
{
    conn_world_settle(&world);
}

static int tear_down(void **state)
{
    (void)state;
    if (keeper.conn) {
        bl_conn_close(keeper.conn, BELAY_REASON_OWNER_CLOSED);
        settle();
        assert_null(keeper.conn);
    }
    belay_endpoint_unref(endpoint);
    conn_world_tear_down(&world);
    return 0;
}

static struct belay_conn *start(void)
{
    assert_int_equal(keeper_open(&keeper, endpoint, &puppet.connector), 0);
    settle();
    return keeper.conn;
}

static struct belay_conn *open_watched(int fd)
{
    struct belay_conn *c = start();

    assert_int_equal(belay_conn_set_descriptor(c, fd), 0);
    puppet_up(puppet_conn(&puppet, 0), 1);
    settle();
    assert_int_equal(keeper.opened, 1);
    return c;
}

static unsigned watched(int fd)
{
    for (int i = 0; i < FAKE_WATCHES_MAX; i++)
        if (world.world.watches[i].slot && world.world.watches[i].slot->fd == fd)
            return world.world.watches[i].mask;
    return 0;
}

static void make_ready(int fd)
{
    fake_world_ready(&world.world, fd, BELAY_READABLE);
    assert_int_equal(belay_loop_turn(world.loop, 0), 0);
    settle();
}

/* ---- the descriptor ---- */

static void a_descriptor_is_watched_from_opened_on(void **state)
{
    struct belay_conn *c = start();

    (void)state;
    assert_int_equal(belay_conn_set_descriptor(c, FD), 0);
    puppet_up(puppet_conn(&puppet, 0), 1);
    assert_int_equal(watched(FD), 0); /* the connector may still watch it */
    settle();
    assert_int_equal(watched(FD), BELAY_READABLE);
    assert_true(bl_conn_minds_leases(c));
}

static void a_descriptor_that_becomes_readable_makes_it_suspect(void **state)
{
    (void)state;
    open_watched(FD);
    make_ready(FD);
    assert_int_equal(keeper.changed, 1);
    assert_true(keeper.facts.suspect);
    assert_false(keeper.facts.lost);
    assert_int_equal(watched(FD), 0); /* told once */
}

static void a_descriptor_is_left_alone_while_somebody_uses_it(void **state)
{
    struct belay_conn *c = open_watched(FD);

    (void)state;
    puppet.capacity = 2;
    bl_conn_acquired(c);
    assert_int_equal(watched(FD), 0);
    bl_conn_acquired(c);
    bl_conn_released(c);
    assert_int_equal(watched(FD), 0);
    bl_conn_released(c);
    settle();
    assert_int_equal(watched(FD), BELAY_READABLE);
    assert_int_equal(puppet_conn(&puppet, 0)->acquires, 2);
    assert_int_equal(puppet_conn(&puppet, 0)->releases, 2);
}

static void a_descriptor_is_left_alone_while_it_is_checked(void **state)
{
    struct belay_conn *c = open_watched(FD);

    (void)state;
    puppet.check_later = true;
    make_ready(FD);
    bl_conn_check(c);
    settle();
    assert_int_equal(watched(FD), 0);
    belay_conn_checked(c, 0);
    settle();
    assert_int_equal(keeper.checked, 1);
    assert_int_equal(watched(FD), BELAY_READABLE);
    bl_conn_set_checking(c, true); /* somebody else checks it */
    assert_int_equal(watched(FD), 0);
    bl_conn_set_checking(c, false);
    assert_int_equal(watched(FD), BELAY_READABLE);
    bl_conn_set_checking(c, true);
    belay_conn_checked(c, BELAY_EUNHEALTHY);
    settle();
    assert_int_equal(keeper.check_result, BELAY_EUNHEALTHY);
}

static void a_descriptor_may_be_changed_and_taken_away(void **state)
{
    struct belay_conn *c = open_watched(FD);

    (void)state;
    assert_int_equal(belay_conn_set_descriptor(c, FD + 1), 0);
    assert_int_equal(watched(FD), 0);
    assert_int_equal(watched(FD + 1), BELAY_READABLE);
    assert_int_equal(belay_conn_set_descriptor(c, -1), 0);
    assert_int_equal(watched(FD + 1), 0);
    assert_true(bl_conn_minds_leases(c));
    assert_int_equal(belay_conn_set_descriptor(c, FD), 0);
    assert_int_equal(watched(FD), BELAY_READABLE);
}

static void a_descriptor_is_refused_when_it_is_too_late(void **state)
{
    struct belay_conn *c = start();

    (void)state;
    puppet.ops.acquired = puppet.ops.released = NULL;
    assert_int_equal(belay_conn_set_descriptor(c, -1), 0);
    assert_int_equal(belay_conn_set_descriptor(c, -2), BELAY_EINVAL);
    puppet_up(puppet_conn(&puppet, 0), 1);
    settle();
    assert_false(bl_conn_minds_leases(c)); /* the keeper tells of no lease */
    assert_int_equal(belay_conn_set_descriptor(c, FD), BELAY_EINVAL);
    bl_conn_close(c, BELAY_REASON_IDLE);
    assert_int_equal(belay_conn_set_descriptor(c, FD), BELAY_ECLOSED);
}

static void a_descriptor_is_left_alone_before_the_connector_closes_it(void **state)
{
    struct belay_conn *c = open_watched(FD);

    (void)state;
    puppet.close_later = true;
    bl_conn_close(c, BELAY_REASON_IDLE);
    assert_int_equal(watched(FD), 0);
    puppet_closed(puppet_conn(&puppet, 0));
    settle();
    assert_int_equal(keeper.closed, 1);
}

static void a_descriptor_that_cannot_be_watched_loses_the_connection(void **state)
{
    struct belay_conn *c = start();

    (void)state;
    assert_int_equal(belay_conn_set_descriptor(c, FD), 0);
    puppet_up(puppet_conn(&puppet, 0), 1);
    world.world.watch_fails = BELAY_EMFILE;
    settle();
    assert_int_equal(keeper.opened, 1);
    assert_true(keeper.facts.lost);
    assert_int_equal(keeper.facts.lost_reason, BELAY_REASON_ERROR);
    assert_int_equal(keeper.code, BELAY_EMFILE);
}

static void a_lost_connection_is_watched_no_more(void **state)
{
    (void)state;
    open_watched(FD);
    puppet_lose(puppet_conn(&puppet, 0), BELAY_ERESET);
    assert_int_equal(watched(FD), 0);
}

static void decide_to_close(void *arg)
{
    (void)arg;
    bl_conn_close(keeper.conn, BELAY_REASON_BROKEN);
}

/* The keeper decides in a task of its own. Who had it has closed the descriptor, perhaps. */
static void a_descriptor_is_not_touched_before_the_keeper_has_decided(void **state)
{
    struct belay_conn *c = open_watched(FD);
    struct bl_task decision;

    (void)state;
    bl_conn_acquired(c);
    world.world.watch_fails = BELAY_EINVAL;
    bl_task_init(&decision, decide_to_close, NULL);
    bl_conn_released(c);
    assert_int_equal(watched(FD), 0);
    bl_task_post(world.loop, &decision);
    settle();
    assert_int_equal(keeper.changed, 0);
    assert_int_equal(keeper.closed, 1);
    world.world.watch_fails = 0;
}

static void a_descriptor_that_is_lent_again_at_once_is_left_alone(void **state)
{
    struct belay_conn *c = open_watched(FD);

    (void)state;
    bl_conn_acquired(c);
    bl_conn_released(c);
    bl_conn_acquired(c);
    settle();
    assert_int_equal(watched(FD), 0);
    bl_conn_released(c);
    settle();
    assert_int_equal(watched(FD), BELAY_READABLE);
}

/* The connector is asked; what it vouches for is watched as it is there now. */
static void a_descriptor_that_is_not_there_any_more_is_asked_about(void **state)
{
    struct belay_conn *c = open_watched(FD);

    (void)state;
    for (int i = 0; i < 2; i++) {
        keeper.changed = 0;
        bl_conn_acquired(c);
        world.world.watch_fails = BELAY_ECLOSED;
        bl_conn_released(c);
        settle();
        assert_int_equal(keeper.changed, 1);
        assert_true(keeper.facts.suspect);
        assert_false(keeper.facts.lost);
        world.world.watch_fails = i == 0 ? 0 : BELAY_ECLOSED; /* it is open: another's number */
        bl_conn_check(c);
        settle();
        assert_int_equal(keeper.facts.lost, i == 1);
        assert_int_equal(watched(FD), i == 0 ? BELAY_READABLE : 0);
    }
    assert_non_null(strstr(keeper.text, "it is not open"));
    world.world.watch_fails = 0;
}

/* ---- attachments ---- */

static void end_named(void *arg)
{
    strcat(ended, arg);
    if (detach_too) {
        belay_conn_detach(keeper.conn, end_named, (void *)(uintptr_t)detach_too);
        belay_conn_lost(keeper.conn, BELAY_REASON_NONE, NULL);
        belay_conn_closed(keeper.conn);
    }
}

static void end_unused(void *arg)
{
    (void)arg;
    fail_msg("it was detached");
}

static void attach(const char *name)
{
    assert_int_equal(belay_conn_attach(keeper.conn, end_named, (void *)(uintptr_t)name), 0);
}

static void note_close(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    (void)reason, (void)arg;
    strcat(ended, ".");
    puppet_closed(puppet_of(conn));
}

static void note_cancel(struct belay_conn *conn, void *arg)
{
    (void)arg;
    note_close(conn, BELAY_REASON_NONE, NULL);
}

static void what_is_attached_ends_before_close(void **state)
{
    struct belay_conn *c = open_watched(FD);

    (void)state;
    puppet.ops.close = note_close;
    attach("a");
    attach("b");
    attach("c");
    assert_int_equal(belay_conn_attach(c, end_unused, NULL), 0);
    belay_conn_detach(c, end_unused, NULL);
    belay_conn_detach(c, end_unused, NULL); /* harmless */
    bl_conn_close(c, BELAY_REASON_IDLE);
    assert_string_equal(ended, "cba.");
    assert_int_equal(belay_conn_attach(c, end_unused, NULL), BELAY_ECLOSED);
    settle();
    assert_string_equal(ended, "cba.");
}

static void what_is_attached_ends_before_cancel(void **state)
{
    struct belay_conn *c = start();

    (void)state;
    puppet.ops.cancel = note_cancel;
    attach("a");
    bl_conn_close(c, BELAY_REASON_IDLE);
    assert_string_equal(ended, "a.");
}

static void what_is_attached_ends_when_it_takes_too_long(void **state)
{
    (void)state;
    start();
    puppet.ops.cancel = note_cancel;
    attach("a");
    conn_world_pass(&world, keeper.dial.session_timeout_ms);
    assert_string_equal(ended, "a.");
    assert_int_equal(keeper.failed, 1);
}

static void what_is_attached_ends_inside_open_failed(void **state)
{
    (void)state;
    start();
    attach("a");
    puppet_fail(puppet_conn(&puppet, 0), BELAY_EPROTO);
    assert_string_equal(ended, "a");
    settle();
    assert_int_equal(keeper.failed, 1);
}

static void what_an_end_says_is_not_heard(void **state)
{
    struct belay_conn *c = start();

    (void)state;
    puppet.close_later = true;
    puppet_up(puppet_conn(&puppet, 0), 1);
    settle();
    attach("a");
    attach("b");
    attach("c");
    detach_too = "b";
    bl_conn_close(c, BELAY_REASON_IDLE);
    assert_string_equal(ended, "ca");
    settle();
    assert_int_equal(keeper.closed, 0);
    puppet_closed(puppet_conn(&puppet, 0));
    settle();
    assert_int_equal(keeper.closed, 1);
    assert_int_equal(keeper.changed, 0);
}

static void attaching_says_when_memory_is_out(void **state)
{
    struct belay_conn *c = start();

    (void)state;
    for (size_t n = 1;; n++) {
        int rc;

        failing_alloc_once(&world.alloc, n);
        rc = belay_conn_attach(c, end_named, (void *)(uintptr_t) "a");
        failing_alloc_once(&world.alloc, 0);
        if (rc == 0) {
            assert_true(n > 1);
            break;
        }
        assert_int_equal(rc, BELAY_ENOMEM);
    }
    assert_int_equal(belay_conn_attach(c, NULL, NULL), BELAY_EINVAL);
    bl_conn_close(c, BELAY_REASON_IDLE);
    assert_string_equal(ended, "a");
}

/* ---- ways that it cannot go ---- */

static void a_connector_that_dials_by_itself_refuses_a_proxy(void **state)
{
    struct belay_endpoint_options o = belay_endpoint_options_init();
    struct belay_proxy *proxy;

    (void)state;
    assert_int_equal(belay_proxy_parse(world.loop, "socks5://gate.test:1080", &proxy, NULL), 0);
    o.url = "tcp://a.test:1";
    for (int i = 0; i < 2; i++) {
        belay_endpoint_unref(endpoint);
        o.proxy = i == 0 ? proxy : NULL;
        o.proxy_protocol = i == 0 ? BELAY_PROXY_PROTOCOL_NONE : BELAY_PROXY_PROTOCOL_V2;
        assert_int_equal(belay_endpoint_new(world.loop, &o, &endpoint, NULL), 0);
        keeper_init(&keeper);
        start();
        assert_int_equal(keeper.failed, 1);
        assert_int_equal(keeper.code, BELAY_ENOTSUP);
        assert_int_equal(keeper.stage, BELAY_STAGE_PROXY);
        assert_int_equal(puppet.n, 0);
    }
    belay_proxy_unref(proxy);
}

/* ---- health ---- */

static bool healthy;

static bool is_healthy(struct belay_conn *conn, void *arg)
{
    assert_ptr_equal(conn, keeper.conn);
    assert_ptr_equal(arg, &puppet);
    return healthy;
}

static void the_connector_is_asked_whether_it_is_healthy(void **state)
{
    struct belay_conn *c = start();

    (void)state;
    puppet.ops.is_healthy = is_healthy;
    healthy = false;
    assert_true(bl_conn_minds_health(c));
    assert_true(bl_conn_is_healthy(c)); /* it is not open yet */
    puppet_up(puppet_conn(&puppet, 0), 1);
    settle();
    assert_false(bl_conn_is_healthy(c));
    healthy = true;
    assert_true(bl_conn_is_healthy(c));
}

static void who_cannot_be_asked_is_healthy(void **state)
{
    struct belay_conn *c = open_watched(FD);

    (void)state;
    healthy = false;
    puppet.ops.is_healthy = NULL;
    assert_false(bl_conn_minds_health(c));
    assert_true(bl_conn_is_healthy(c));
    puppet.ops.is_healthy = is_healthy;
    puppet.ops.size = offsetof(struct belay_connector_ops, is_healthy); /* an older program */
    assert_false(bl_conn_minds_health(c));
    assert_true(bl_conn_is_healthy(c));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_descriptor_is_watched_from_opened_on),
        T(a_descriptor_that_becomes_readable_makes_it_suspect),
        T(a_descriptor_is_left_alone_while_somebody_uses_it),
        T(a_descriptor_is_left_alone_while_it_is_checked),
        T(a_descriptor_may_be_changed_and_taken_away),
        T(a_descriptor_is_refused_when_it_is_too_late),
        T(a_descriptor_is_left_alone_before_the_connector_closes_it),
        T(a_descriptor_that_cannot_be_watched_loses_the_connection),
        T(a_lost_connection_is_watched_no_more),
        T(a_descriptor_is_not_touched_before_the_keeper_has_decided),
        T(a_descriptor_that_is_lent_again_at_once_is_left_alone),
        T(a_descriptor_that_is_not_there_any_more_is_asked_about),
        T(what_is_attached_ends_before_close),
        T(what_is_attached_ends_before_cancel),
        T(what_is_attached_ends_when_it_takes_too_long),
        T(what_is_attached_ends_inside_open_failed),
        T(what_an_end_says_is_not_heard),
        T(attaching_says_when_memory_is_out),
        T(a_connector_that_dials_by_itself_refuses_a_proxy),
        T(the_connector_is_asked_whether_it_is_healthy),
        T(who_cannot_be_asked_is_healthy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
