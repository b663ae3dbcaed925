/* SPDX-License-Identifier: MIT */
/*
 * Connections whose functions block, in virtual time: the test is the thread, and says when each
 * work runs.
 */
#include "belay/blocking.h"

#include <stdio.h>

#include "conn/conn.h"
#include "conn/endpoint.h"
#include "unit/conn/conn_world.h"
#include "unit/conn/keeper_kit.h"

#define WORKS_MAX 8
#define FD        17

static struct conn_world world;
static struct belay_endpoint *endpoint;
static struct keeper keeper;
static struct belay_blocking blocking;
static struct belay_connector connector;

static struct {
    void (*run[WORKS_MAX])(void *item);
    void *item[WORKS_MAX];
    unsigned n;
    int refuse; /* what submit gives */
} works;

static struct {
    unsigned opens, closes, checks;
    int fails; /* code of open */
    struct belay_error error;
    enum belay_reason reason;
    int check_result;
    bool nothing; /* open gives no handle */
    bool sick;
    char handle;
} client;

static int submit(struct belay_loop *loop, void (*run)(void *item), void *item, void *arg)
{
    (void)loop, (void)arg;
    if (works.refuse)
        return works.refuse;
    assert_true(works.n < WORKS_MAX);
    works.run[works.n] = run;
    works.item[works.n++] = item;
    return 0;
}

/* The first work that was accepted runs, and its answer is heard. */
static void work(void)
{
    void (*run)(void *item) = works.run[0];
    void *item = works.item[0];

    assert_true(works.n > 0);
    works.n--;
    memmove(works.run, works.run + 1, sizeof works.run - sizeof works.run[0]);
    memmove(works.item, works.item + 1, sizeof works.item - sizeof works.item[0]);
    run(item);
    conn_world_settle(&world);
}

static int client_open(struct belay_endpoint *e, void **ret, struct belay_error *error, void *arg)
{
    assert_ptr_equal(e, endpoint);
    assert_ptr_equal(arg, &client);
    assert_int_equal(error->code, 0);
    client.opens++;
    *error = client.error;
    *ret = client.nothing ? NULL : &client.handle;
    return client.fails;
}

static void client_close(void *handle, enum belay_reason reason, void *arg)
{
    assert_ptr_equal(arg, &client);
    assert_ptr_equal(handle, &client.handle);
    client.closes++;
    client.reason = reason;
}

static int client_check(void *handle, void *arg)
{
    (void)arg;
    assert_ptr_equal(handle, &client.handle);
    client.checks++;
    return client.check_result;
}

static bool client_is_healthy(void *handle, void *arg)
{
    (void)arg;
    assert_ptr_equal(handle, &client.handle);
    return !client.sick;
}

static int client_descriptor(void *handle, void *arg)
{
    (void)arg;
    assert_ptr_equal(handle, &client.handle);
    return FD;
}

static int set_up(void **state)
{
    (void)state;
    memset(&works, 0, sizeof works);
    memset(&client, 0, sizeof client);
    conn_world_set_up(&world);
    world.loop->offload =
        (struct belay_offload){.size = sizeof world.loop->offload, .submit = submit};
    endpoint = conn_world_endpoint(&world, "tcp://a.test:1");
    keeper_init(&keeper);
    blocking = belay_blocking_init();
    blocking.name = "toy";
    blocking.open = client_open;
    blocking.close = client_close;
    blocking.check = client_check;
    blocking.is_healthy = client_is_healthy;
    blocking.arg = &client;
    connector = belay_blocking_connector(&blocking);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (keeper.conn)
        bl_conn_close(keeper.conn, BELAY_REASON_OWNER_CLOSED);
    conn_world_settle(&world);
    while (works.n)
        work();
    assert_null(keeper.conn);
    belay_endpoint_unref(endpoint);
    conn_world_tear_down(&world);
    return 0;
}

static void start(void)
{
    assert_int_equal(keeper_open(&keeper, endpoint, &connector), 0);
    conn_world_settle(&world);
}

static struct belay_conn *open_it(void)
{
    start();
    work();
    assert_int_equal(keeper.opened, 1);
    return keeper.conn;
}

/* ---- opening ---- */

static void the_handle_is_the_state(void **state)
{
    struct belay_conn *c = open_it();

    (void)state;
    assert_int_equal(client.opens, 1);
    assert_ptr_equal(belay_conn_state(c), &client.handle);
    assert_int_equal(keeper.facts.capacity, 1);
    assert_null(belay_conn_stream(c));
    assert_false(bl_conn_minds_leases(c));
}

static void an_open_that_fails_is_told_with_what_it_said(void **state)
{
    (void)state;
    client.fails = BELAY_ECONNECT;
    client.error.stage = BELAY_STAGE_CONNECT;
    client.error.final = true;
    strcpy(client.error.text, "nobody at home");
    start();
    work();
    assert_int_equal(keeper.failed, 1);
    assert_int_equal(keeper.code, BELAY_ECONNECT);
    assert_int_equal(keeper.stage, BELAY_STAGE_CONNECT);
    assert_true(keeper.final);
    assert_string_equal(keeper.text, "nobody at home");
    assert_int_equal(client.closes, 0);
}

static void an_open_that_fails_without_a_word_is_told_by_its_code(void **state)
{
    static const struct {
        int fails, code;
        const char *text;
    } cases[] = {
        {BELAY_ERESET, BELAY_ERESET, "opening toy to tcp://a.test:1: the connection was reset"},
        {1, BELAY_ECONNECT, "opening toy to tcp://a.test:1: it gave no reason"},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        keeper_init(&keeper);
        client.fails = cases[i].fails;
        start();
        work();
        assert_int_equal(keeper.code, cases[i].code);
        assert_int_equal(keeper.stage, BELAY_STAGE_PROTOCOL);
        assert_string_equal(keeper.text, cases[i].text);
    }
}

static void an_open_that_gives_no_handle_fails(void **state)
{
    (void)state;
    client.nothing = true;
    start();
    work();
    assert_int_equal(keeper.code, BELAY_EPROTO);
    assert_int_equal(client.closes, 0);
}

static void a_full_queue_is_a_limit(void **state)
{
    (void)state;
    works.refuse = BELAY_EFULL;
    start();
    assert_int_equal(keeper.failed, 1);
    assert_int_equal(keeper.code, BELAY_EFULL);
    assert_int_equal(belay_error_kind_of(keeper.code), BELAY_KIND_LIMIT);
    assert_non_null(strstr(keeper.text, "offload_queue_max"));
}

static void functions_that_are_missing_are_told(void **state)
{
    (void)state;
    blocking.close = NULL;
    start();
    assert_int_equal(keeper.code, BELAY_EINVAL);
    assert_non_null(strstr(keeper.text, "close"));
}

static void an_allocation_that_fails_fails_the_open(void **state)
{
    (void)state;
    blocking.descriptor = client_descriptor;
    for (size_t n = 1; !keeper.opened; n++) {
        client.opens = client.closes = 0;
        keeper_init(&keeper);
        failing_alloc_once(&world.alloc, 0);
        assert_int_equal(keeper_open(&keeper, endpoint, &connector), 0);
        failing_alloc_once(&world.alloc, n);
        conn_world_settle(&world);
        while (works.n)
            work();
        failing_alloc_once(&world.alloc, 0);
        assert_int_equal(keeper.failed + keeper.opened, 1);
        assert_true(n < 20);
        assert_int_equal(client.closes + keeper.opened, client.opens);
        if (keeper.failed)
            assert_int_equal(keeper.code, BELAY_ENOMEM);
    }
}

/* ---- what is abandoned ---- */

static void an_open_that_had_not_begun_need_not(void **state)
{
    (void)state;
    start();
    bl_conn_close(keeper.conn, BELAY_REASON_POOL_CLOSED);
    conn_world_settle(&world);
    assert_int_equal(keeper.closed, 0);
    work();
    assert_int_equal(keeper.closed, 1);
    assert_int_equal(client.opens + client.closes, 0);
}

static bool close_inside;

static int slow_open(struct belay_endpoint *e, void **ret, struct belay_error *error, void *arg)
{
    if (close_inside)
        bl_conn_close(keeper.conn, BELAY_REASON_POOL_CLOSED);
    else
        conn_world_pass(&world, keeper.dial.session_timeout_ms);
    return client_open(e, ret, error, arg);
}

static void an_open_that_is_closed_while_it_runs_gives_its_handle_to_close(void **state)
{
    (void)state;
    blocking.open = slow_open;
    close_inside = true;
    start();
    work();
    assert_int_equal(client.opens, 1);
    assert_int_equal(keeper.opened + keeper.closed, 0);
    work(); /* close */
    assert_int_equal(client.closes, 1);
    assert_int_equal(client.reason, BELAY_REASON_POOL_CLOSED);
    assert_int_equal(keeper.closed, 1);
}

static void an_open_that_takes_too_long_gives_its_handle_to_close(void **state)
{
    (void)state;
    blocking.open = slow_open;
    close_inside = false;
    start();
    work();
    assert_int_equal(keeper.failed, 0);
    work();
    assert_int_equal(client.closes, 1);
    assert_int_equal(client.reason, BELAY_REASON_OPEN_FAILED);
    assert_int_equal(keeper.failed, 1);
    assert_int_equal(keeper.code, BELAY_ETIMEDOUT);
    assert_non_null(strstr(keeper.text, "starting toy"));
}

static void an_open_that_fails_after_it_was_closed_is_quiet(void **state)
{
    (void)state;
    blocking.open = slow_open;
    close_inside = true;
    client.fails = BELAY_ERESET;
    start();
    work();
    assert_int_equal(keeper.closed, 1);
    assert_int_equal(keeper.failed, 0);
    assert_int_equal(client.closes, 0);
}

/* ---- checks, health, descriptor ---- */

static void a_check_runs_on_a_thread(void **state)
{
    struct belay_conn *c = open_it();

    (void)state;
    assert_true(bl_conn_can_check(c));
    bl_conn_check(c);
    conn_world_settle(&world);
    assert_int_equal(keeper.checked, 0);
    work();
    assert_int_equal(keeper.checked, 1);
    assert_int_equal(keeper.check_result, 0);
    client.check_result = BELAY_ERESET;
    bl_conn_check(c);
    work();
    assert_int_equal(keeper.check_result, BELAY_ERESET);
    client.check_result = 1;
    bl_conn_check(c);
    work();
    assert_int_equal(keeper.check_result, BELAY_EUNHEALTHY);
    assert_int_equal(client.checks, 3);
}

static void a_check_waits_for_room_in_the_queue(void **state)
{
    struct belay_conn *c = open_it();

    (void)state;
    works.refuse = BELAY_EFULL;
    bl_conn_check(c);
    conn_world_pass(&world, 100);
    assert_int_equal(keeper.checked, 0);
    works.refuse = 0;
    conn_world_pass(&world, 20);
    work();
    assert_int_equal(keeper.checked, 1);
    assert_int_equal(client.checks, 1);
}

static void a_close_while_it_is_checked_comes_after(void **state)
{
    struct belay_conn *c = open_it();

    (void)state;
    bl_conn_check(c);
    bl_conn_close(c, BELAY_REASON_UNHEALTHY);
    assert_int_equal(works.n, 1);
    work();
    assert_int_equal(client.checks, 1);
    assert_int_equal(client.closes, 0);
    work();
    assert_int_equal(client.closes, 1);
    assert_int_equal(keeper.checked, 0);
    assert_int_equal(keeper.closed, 1);
}

static void a_close_drops_a_check_that_has_not_begun(void **state)
{
    struct belay_conn *c = open_it();

    (void)state;
    works.refuse = BELAY_EFULL;
    bl_conn_check(c);
    works.refuse = 0;
    bl_conn_close(c, BELAY_REASON_UNHEALTHY);
    work();
    assert_int_equal(client.checks, 0);
    assert_int_equal(keeper.closed, 1);
}

static void a_close_waits_for_room_in_the_queue(void **state)
{
    struct belay_conn *c = open_it();

    (void)state;
    works.refuse = BELAY_EFULL;
    failing_alloc_from(&world.alloc, 1); /* nor does it allocate */
    bl_conn_close(c, BELAY_REASON_IDLE);
    conn_world_pass(&world, 1000);
    assert_int_equal(keeper.closed, 0);
    works.refuse = 0;
    conn_world_pass(&world, 20);
    work();
    failing_alloc_from(&world.alloc, 0);
    assert_int_equal(client.reason, BELAY_REASON_IDLE);
    assert_int_equal(keeper.closed, 1);
}

static void a_loop_that_closes_waits_for_a_close(void **state)
{
    struct belay_conn *c = open_it();

    (void)state;
    world.loop->closing = true; /* as belay_loop_close has it before it tells the keepers */
    bl_conn_close(c, BELAY_REASON_POOL_CLOSED);
    assert_int_equal(works.n, 1);
    assert_true(world.loop->users > 0); /* it is not left behind */
    world.loop->closing = false;
    work();
    assert_int_equal(keeper.closed, 1);
}

static void the_handle_is_asked_whether_it_is_healthy(void **state)
{
    struct belay_conn *c = open_it();

    (void)state;
    assert_true(bl_conn_minds_health(c));
    assert_true(bl_conn_is_healthy(c));
    client.sick = true;
    assert_false(bl_conn_is_healthy(c));
}

static void what_is_not_given_is_not_asked(void **state)
{
    struct belay_conn *c;

    (void)state;
    blocking.check = NULL;
    blocking.is_healthy = NULL;
    blocking.name = NULL;
    connector = belay_blocking_connector(&blocking);
    c = open_it();
    assert_false(bl_conn_can_check(c));
    assert_false(bl_conn_minds_health(c));
    assert_string_equal(connector.ops->name, "blocking");
}

static void its_descriptor_is_watched_while_it_is_idle(void **state)
{
    struct belay_conn *c;

    (void)state;
    blocking.descriptor = client_descriptor;
    c = open_it();
    assert_true(bl_conn_minds_leases(c));
    fake_world_ready(&world.world, FD, BELAY_READABLE);
    assert_int_equal(belay_loop_turn(world.loop, 0), 0);
    assert_true(keeper.facts.suspect);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_handle_is_the_state),
        T(an_open_that_fails_is_told_with_what_it_said),
        T(an_open_that_fails_without_a_word_is_told_by_its_code),
        T(an_open_that_gives_no_handle_fails),
        T(a_full_queue_is_a_limit),
        T(functions_that_are_missing_are_told),
        T(an_allocation_that_fails_fails_the_open),
        T(an_open_that_had_not_begun_need_not),
        T(an_open_that_is_closed_while_it_runs_gives_its_handle_to_close),
        T(an_open_that_takes_too_long_gives_its_handle_to_close),
        T(an_open_that_fails_after_it_was_closed_is_quiet),
        T(a_check_runs_on_a_thread),
        T(a_check_waits_for_room_in_the_queue),
        T(a_close_while_it_is_checked_comes_after),
        T(a_close_drops_a_check_that_has_not_begun),
        T(a_close_waits_for_room_in_the_queue),
        T(a_loop_that_closes_waits_for_a_close),
        T(the_handle_is_asked_whether_it_is_healthy),
        T(what_is_not_given_is_not_asked),
        T(its_descriptor_is_watched_while_it_is_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
