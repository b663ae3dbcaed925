/* SPDX-License-Identifier: MIT */
/* The pool as a child: opened, drained, closed and missed, as a keeper of children hears of it. */
#include "belay/supervisor.h"
#include "conn/child.h"
#include "unit/keep/pool_kit.h"

static struct pool_kit k;

static struct {
    struct belay_child child;
    bool there;
    unsigned started, failed, ended, opened;
    struct belay_pool *pool; /* that on_open was given */
    int code;                /* of `failed` */
    enum belay_exit_kind exit;
    char text[BELAY_ERROR_TEXT_MAX];
    bool close_on_open;
} keeper;

static void on_started(struct belay_child *child)
{
    assert_ptr_equal(child, &keeper.child);
    assert_ptr_equal(child->object, keeper.pool);
    keeper.started++;
}

static void on_failed(struct belay_child *child, const struct belay_error *error)
{
    assert_ptr_equal(child, &keeper.child);
    keeper.failed++;
    keeper.code = error->code;
    memcpy(keeper.text, error->text, sizeof keeper.text);
}

static void on_ended(struct belay_child *child, struct belay_exit why)
{
    assert_ptr_equal(child, &keeper.child);
    keeper.ended++;
    keeper.exit = why.kind;
    keeper.pool = NULL;
}

static const struct bl_child_keeper callbacks = {
    .started = on_started, .failed = on_failed, .ended = on_ended};

static void on_open(struct belay_pool *pool, void *arg)
{
    assert_ptr_equal(arg, &keeper);
    keeper.opened++;
    keeper.pool = pool;
    if (keeper.close_on_open)
        belay_pool_close(pool, NULL, NULL);
}

static int set_up(void **state)
{
    (void)state;
    memset(&keeper, 0, sizeof keeper);
    pool_kit_begin(&k);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pool_kit_settle(&k);
    if (keeper.there)
        bl_child_fini(&keeper.child);
    pool_kit_end(&k);
    return 0;
}

static void adopt(belay_pool_open_fn *fn)
{
    struct belay_child_spec spec;
    struct bl_child_spec taken;

    assert_int_equal(belay_pool_child_spec(&k.options, fn, &keeper, &spec, NULL), 0);
    assert_null(spec.id);
    assert_string_equal(spec.ops->noun, "pool");
    spec.id = "database";
    assert_int_equal(bl_child_spec_take(&taken, &k.loop->mem, &spec, NULL), 0);
    assert_int_equal(taken.restart, BELAY_RESTART_PERMANENT);
    assert_int_equal(taken.shutdown_ms, 5000);
    bl_child_init(&keeper.child, k.loop, &callbacks, &taken);
    keeper.there = true;
}

static void start(void)
{
    bl_child_start(&keeper.child);
    pool_kit_settle(&k);
}

/* A peer of the pool that runs, and a lease on a connection of it. */
static struct ask lend(struct belay_peer **ret_peer)
{
    struct ask ask;

    k.pool = keeper.pool;
    *ret_peer = pool_kit_peer(&k, "tcp://a.test:1");
    k.pool = NULL; /* the keeper ends it */
    ask_now(&ask, &k, *ret_peer);
    assert_served(&ask);
    return ask;
}

static void it_starts_and_stops(void **state)
{
    (void)state;
    k.options.max_connections_per_endpoint = 3;
    adopt(on_open);
    k.options.max_connections_per_endpoint = 7;     /* they were copied */
    for (unsigned round = 1; round <= 3; round++) { /* and started again, as often as one likes */
        struct belay_pool_options effective = belay_pool_options_init();

        start();
        assert_int_equal(keeper.started, round);
        assert_int_equal(keeper.opened, round);
        assert_non_null(keeper.pool);
        belay_pool_get_options(keeper.pool, &effective);
        assert_int_equal(effective.max_connections_per_endpoint, 3);
        assert_int_equal(keeper.ended, round - 1);
        bl_child_stop(&keeper.child);
        pool_kit_settle(&k);
        assert_int_equal(keeper.ended, round);
        assert_int_equal(keeper.exit, BELAY_EXIT_SHUTDOWN);
    }
    assert_int_equal(keeper.failed, 0);
}

static void told_to_stop_it_waits_for_its_leases(void **state)
{
    struct belay_peer *peer;
    struct ask ask;

    (void)state;
    adopt(on_open);
    start();
    ask = lend(&peer);
    bl_child_stop(&keeper.child);
    pool_kit_pass(&k, 60000); /* its time is its keeper's to measure */
    assert_int_equal(keeper.ended, 0);
    assert_true(belay_lease_valid(ask.lease));
    belay_lease_release(ask.lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(keeper.ended, 1);
    assert_int_equal(keeper.exit, BELAY_EXIT_SHUTDOWN);
    belay_peer_unref(peer);
}

static void killed_it_revokes_them(void **state)
{
    (void)state;
    adopt(on_open);
    for (int stopped_first = 0; stopped_first < 2; stopped_first++) {
        struct belay_peer *peer;
        struct ask ask;

        start();
        ask = lend(&peer);
        if (stopped_first) {
            bl_child_stop(&keeper.child);
            pool_kit_settle(&k);
        }
        assert_true(belay_lease_valid(ask.lease));
        bl_child_kill(&keeper.child);
        pool_kit_settle(&k);
        assert_false(belay_lease_valid(ask.lease));
        assert_int_equal(keeper.ended, stopped_first + 1);
        belay_peer_unref(peer);
    }
}

static void closed_by_others_it_has_ended_normally(void **state)
{
    (void)state;
    adopt(on_open);
    start();
    belay_pool_close(keeper.pool, NULL, NULL);
    pool_kit_settle(&k);
    assert_int_equal(keeper.ended, 1);
    assert_int_equal(keeper.exit, BELAY_EXIT_NORMAL);
}

static void closed_in_on_open_it_has_started_and_ended(void **state)
{
    (void)state;
    adopt(on_open);
    keeper.close_on_open = true;
    start();
    assert_int_equal(keeper.opened, 1);
    assert_int_equal(keeper.failed, 0);
    assert_int_equal(keeper.ended, 1);
    assert_int_equal(keeper.exit, BELAY_EXIT_NORMAL);
}

static void impossible_options_are_refused_before_it_starts(void **state)
{
    struct belay_child_spec spec = {0};
    struct belay_error error;

    (void)state;
    k.options.max_waiters = -7;
    assert_int_equal(belay_pool_child_spec(&k.options, NULL, NULL, &spec, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "max_waiters"));
    assert_null(spec.ops);
    assert_int_equal(belay_pool_child_spec(NULL, NULL, NULL, &spec, &error), 0);
    belay_child_spec_free(&spec);
}

static void every_allocation_of_a_start_may_fail(void **state)
{
    size_t n;

    (void)state;
    adopt(NULL);
    for (n = 1; n < 50; n++) {
        size_t failures = failing_alloc_failures(&k.alloc);

        memset(keeper.text, 0, sizeof keeper.text);
        failing_alloc_once(&k.alloc, n);
        bl_child_start(&keeper.child);
        failing_alloc_once(&k.alloc, 0);
        keeper.pool = keeper.child.object;
        pool_kit_settle(&k);
        failures = failing_alloc_failures(&k.alloc) - failures;
        assert_int_equal(keeper.failed, n - (failures == 0));
        if (failures == 0)
            break;
        assert_int_equal(keeper.code, BELAY_ENOMEM);
        assert_non_null(strstr(keeper.text, "out of memory"));
    }
    assert_true(n > 3);
    assert_int_equal(keeper.started, 1);
    bl_child_stop(&keeper.child);
}

/* ---- under a supervisor ---- */

static void on_supervisor_closed(void *arg)
{
    ++*(unsigned *)arg;
}

static struct belay_supervisor *supervise(void)
{
    struct belay_supervisor *supervisor;
    struct belay_child_spec spec;

    assert_int_equal(belay_supervisor_open(k.loop, NULL, &supervisor, NULL), 0);
    assert_int_equal(belay_pool_child_spec(&k.options, on_open, &keeper, &spec, NULL), 0);
    assert_int_equal(belay_supervisor_start_child(supervisor, &spec, NULL, NULL, NULL, NULL), 0);
    pool_kit_settle(&k);
    assert_int_equal(keeper.opened, 1);
    return supervisor;
}

static void a_supervisor_opens_another_when_it_was_closed(void **state)
{
    struct belay_supervisor *supervisor = supervise();
    struct belay_child_info info = belay_child_info_init();
    unsigned closed = 0;

    (void)state;
    assert_true(belay_supervisor_get_child(supervisor, 0, &info));
    assert_string_equal(info.id, "pool-1");
    assert_string_equal(info.noun, "pool");
    assert_ptr_equal(info.object, keeper.pool);
    belay_pool_close(keeper.pool, NULL, NULL);
    pool_kit_settle(&k);
    assert_int_equal(keeper.opened, 2);
    assert_true(belay_supervisor_get_child(supervisor, 0, &info));
    assert_int_equal(info.state, BELAY_CHILD_RUNNING);
    assert_int_equal(info.restarts, 1);
    assert_ptr_equal(info.object, keeper.pool);
    belay_supervisor_close(supervisor, on_supervisor_closed, &closed);
    pool_kit_settle(&k);
    assert_int_equal(closed, 1);
    assert_int_equal(keeper.opened, 2);
}

static void a_supervisor_waits_for_leases_as_long_as_its_spec_says(void **state)
{
    struct belay_supervisor *supervisor = supervise();
    struct belay_peer *peer;
    struct ask ask = lend(&peer);
    unsigned closed = 0;

    (void)state;
    belay_supervisor_close(supervisor, on_supervisor_closed, &closed);
    pool_kit_pass(&k, 4999);
    assert_int_equal(closed, 0);
    assert_true(belay_lease_valid(ask.lease));
    pool_kit_pass(&k, 1);
    assert_int_equal(closed, 1);
    assert_false(belay_lease_valid(ask.lease));
    belay_peer_unref(peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_starts_and_stops),
        TEST(told_to_stop_it_waits_for_its_leases),
        TEST(killed_it_revokes_them),
        TEST(closed_by_others_it_has_ended_normally),
        TEST(closed_in_on_open_it_has_started_and_ended),
        TEST(impossible_options_are_refused_before_it_starts),
        TEST(every_allocation_of_a_start_may_fail),
        TEST(a_supervisor_opens_another_when_it_was_closed),
        TEST(a_supervisor_waits_for_leases_as_long_as_its_spec_says),
    };
    return cmocka_run_group_tests_name("keep_pool_child", tests, NULL, NULL);
}
