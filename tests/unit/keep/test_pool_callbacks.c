/* SPDX-License-Identifier: MIT */
/* A pool's hooks, health checks and leaks; its options while it works; word of its end. */
#include "unit/keep/pool_kit.h"

static struct pool_kit k;

static struct {
    int health; /* answer of health_check */
    unsigned asked, created, reused, closed, leaks;
    enum belay_reason reason;
    int code; /* of the error that came with the close; 0: none did */
    struct belay_conn *last;
    struct belay_leak leak;
    void (*in_hook)(void);
} seen;

static int health_check(struct belay_conn *conn, void *arg)
{
    assert_ptr_equal(arg, &seen);
    seen.asked++;
    seen.last = conn;
    return seen.health;
}

static void on_created(struct belay_peer *peer, uint64_t connection, void *arg)
{
    (void)arg;
    assert_true(peer == k.a || peer == k.b);
    assert_true(connection > 0);
    seen.created++;
    if (seen.in_hook)
        seen.in_hook();
}

static void on_reused(struct belay_peer *peer, uint64_t connection, void *arg)
{
    (void)peer;
    (void)connection;
    (void)arg;
    seen.reused++;
}

static void on_closed(struct belay_peer *peer, uint64_t connection, enum belay_reason reason,
                      const struct belay_error *error, void *arg)
{
    (void)peer;
    (void)connection;
    (void)arg;
    seen.closed++;
    seen.reason = reason;
    seen.code = error ? error->code : 0;
}

static void on_leak(const struct belay_leak *leak, void *arg)
{
    (void)arg;
    seen.leaks++;
    seen.leak = *leak;
}

static struct belay_pool_callbacks callbacks;

static int set_up(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    seen.health = 1;
    callbacks = (struct belay_pool_callbacks){.size = sizeof callbacks,
                                              .on_connection_created = on_created,
                                              .on_connection_closed = on_closed,
                                              .on_connection_reused = on_reused,
                                              .on_leak = on_leak};
    pool_kit_begin(&k);
    k.options.callbacks = &callbacks;
    k.options.callbacks_arg = &seen;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pool_kit_end(&k);
    return 0;
}

static struct belay_lease lend(struct belay_peer *peer)
{
    struct ask ask;

    ask_now(&ask, &k, peer);
    assert_served(&ask);
    return ask.lease;
}

/* ---- hooks ---- */

static void each_hook_tells_once_what_has_happened(void **state)
{
    (void)state;
    pool_kit_open(&k);
    for (unsigned i = 0; i < 3; i++) {
        belay_lease_release(lend(k.a), BELAY_REUSE);
        pool_kit_settle(&k);
        assert_int_equal(seen.created, 1);
        assert_int_equal(seen.reused, i);
    }
    belay_lease_release(lend(k.a), BELAY_BROKEN);
    pool_kit_settle(&k);
    assert_int_equal(seen.reused, 3);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.reason, BELAY_REASON_BROKEN);
    assert_int_equal(seen.code, 0);
}

static void a_close_by_the_peer_comes_with_its_error(void **state)
{
    (void)state;
    pool_kit_open(&k);
    belay_lease_release(lend(k.a), BELAY_REUSE);
    puppet_lose(puppet_conn(&k.puppet, 0), BELAY_ERESET);
    pool_kit_settle(&k);
    assert_int_equal(seen.reason, BELAY_REASON_ERROR);
    assert_int_equal(seen.code, BELAY_ERESET);
}

static void what_never_came_up_has_no_hook(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.capacity = 0;
    k.puppet.fail = BELAY_ECERT;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    assert_int_equal(ask.told, 1);
    assert_int_equal(seen.created + seen.closed, 0);
}

static void close_the_pool(void)
{
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
}

static void a_pool_may_be_closed_in_its_hook(void **state)
{
    struct ask ask;

    (void)state;
    seen.in_hook = close_the_pool;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    assert_refused(&ask, BELAY_ECLOSED, BELAY_STAGE_QUEUE);
    assert_int_equal(k.closed, 1);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.reason, BELAY_REASON_POOL_CLOSED);
}

/* ---- health ---- */

static void health_is_asked_before_a_lease_and_after(void **state)
{
    (void)state;
    callbacks.health_check = health_check;
    pool_kit_open(&k);
    struct belay_lease lease = lend(k.a);

    assert_int_equal(seen.asked, 0); /* it has only just come up */
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_equal(seen.asked, 1);
    pool_kit_pass(&k, 1);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), 0);
    assert_int_equal(seen.asked, 2);
    belay_lease_release(lease, BELAY_BROKEN); /* that is answer enough */
    assert_int_equal(seen.asked, 2);
}

static void an_unhealthy_one_is_closed_and_the_next_one_tried(void **state)
{
    struct belay_lease a, b, c;

    (void)state;
    callbacks.health_check = health_check;
    pool_kit_open(&k);
    a = lend(k.a);
    b = lend(k.a);
    belay_lease_release(a, BELAY_REUSE);
    pool_kit_pass(&k, 1);
    seen.health = 0;
    belay_lease_release(b, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.reason, BELAY_REASON_UNHEALTHY);
    assert_int_equal(belay_peer_try_acquire(k.a, &c), BELAY_EAGAIN);
    seen.health = 1;
    c = lend(k.a);
    assert_int_equal(seen.closed, 2);
    assert_int_equal(seen.created, 3);
    belay_lease_release(c, BELAY_REUSE);
}

static void a_late_answer_serves_whoever_waits_by_then(void **state)
{
    struct belay_lease lease;
    struct ask ask;

    (void)state;
    callbacks.health_check = health_check;
    pool_kit_open(&k);
    lease = lend(k.a);
    seen.health = BELAY_EAGAIN;
    belay_lease_release(lease, BELAY_REUSE);
    ask_now(&ask, &k, k.a);
    assert_int_equal(ask.told, 0);
    assert_int_equal(seen.created, 1); /* no other is dialled meanwhile */
    belay_conn_checked(seen.last, 0);
    pool_kit_settle(&k);
    assert_served(&ask);
    assert_int_equal(seen.asked, 1); /* not again for the same lease */
    belay_lease_release(ask.lease, BELAY_BROKEN);
}

static void an_answer_that_does_not_come_is_a_no(void **state)
{
    struct belay_lease lease;

    (void)state;
    callbacks.health_check = health_check;
    k.options.check_timeout_ms = 50;
    pool_kit_open(&k);
    lease = lend(k.a);
    seen.health = BELAY_EAGAIN;
    belay_lease_release(lease, BELAY_REUSE);
    pool_kit_pass(&k, 49);
    assert_int_equal(seen.closed, 0);
    pool_kit_pass(&k, 1);
    assert_int_equal(seen.reason, BELAY_REASON_UNHEALTHY);
}

static void what_was_just_reported_is_not_lent(void **state)
{
    struct belay_lease lease;

    (void)state;
    k.options.callbacks = NULL; /* the inline paths are open */
    pool_kit_open(&k);
    for (unsigned i = 0; i < 2; i++) {
        belay_lease_release(lend(k.a), BELAY_REUSE);
        assert_int_equal(belay_peer_try_acquire(k.a, &lease), 0);
        belay_lease_release(lease, BELAY_REUSE);
        if (i == 0)
            puppet_lose(puppet_conn(&k.puppet, i), BELAY_EEOF);
        else
            belay_conn_suspect(puppet_conn(&k.puppet, i)->conn);
        assert_int_equal(belay_peer_try_acquire(k.a, &lease), BELAY_EAGAIN);
        pool_kit_settle(&k);
    }
    assert_int_equal(pool_kit_stats(&k).acquired, 4);
}

static void lose_it(struct belay_conn *conn, void *arg)
{
    (void)arg;
    if (puppet_of(conn) == &k.puppet.conns[0])
        puppet_lose(puppet_of(conn), BELAY_ERESET);
}

static void one_that_is_lost_over_its_lease_is_replaced(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.ops.acquired = lose_it;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    pool_kit_pass(&k, 120); /* as after a failed dial */
    assert_served(&ask);
    assert_ptr_equal(puppet_of_lease(ask.lease), &k.puppet.conns[1]);
    assert_int_equal(seen.closed, 1);
    belay_lease_release(ask.lease, BELAY_REUSE);
}

/* ---- leaks ---- */

static void a_lease_held_too_long_is_told_once_with_its_place(void **state)
{
    struct ask ask;
    const char *place = BELAY_HERE;

    (void)state;
    k.options.leak_threshold_ms = 100;
    pool_kit_open(&k);
    belay_lease_release(lend(k.a), BELAY_REUSE);
    ask_init(&ask, &k);
    assert_int_equal(belay_peer_try_acquire_as(k.a, "report", place, &ask.lease), 0);
    pool_kit_pass(&k, 99);
    assert_int_equal(seen.leaks, 0);
    pool_kit_pass(&k, 500);
    assert_int_equal(seen.leaks, 1);
    assert_string_equal(seen.leak.tag, "report");
    assert_string_equal(seen.leak.place, place);
    assert_int_equal(seen.leak.held_ms, 100);
    assert_true(belay_lease_valid(seen.leak.lease));
    assert_int_equal(pool_kit_stats(&k).leaks, 1);
    belay_lease_release(ask.lease, BELAY_REUSE);
}

/* ---- other options ---- */

static void refuses(struct belay_pool_options *o, const char *field)
{
    struct belay_error error;

    assert_int_equal(belay_pool_set_options(k.pool, o, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, field));
}

static void contradictions_are_refused_by_name(void **state)
{
    static const struct {
        int32_t per_endpoint, total, idle, idle_total;
    } rows[] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};
    struct belay_pool_options o;

    (void)state;
    pool_kit_open(&k);
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        o = belay_pool_options_init();
        o.min_idle = 2;
        o.max_connections_per_endpoint = rows[i].per_endpoint;
        o.max_connections_total = rows[i].total;
        o.max_idle_per_endpoint = rows[i].idle;
        o.max_idle_total = rows[i].idle_total;
        refuses(&o, "min_idle");
    }
    o = belay_pool_options_init();
    o.shared = true;
    refuses(&o, "shared");
    o = belay_pool_options_init();
    o.lifetime_jitter = 51;
    refuses(&o, "lifetime_jitter");
    o = belay_pool_options_init();
    o.callbacks = &callbacks;
    refuses(&o, "callbacks");
}

static void a_check_needs_somebody_to_ask(void **state)
{
    struct belay_error error;
    struct belay_pool *pool;

    (void)state;
    pool_kit_open(&k);
    k.options = belay_pool_options_init();
    k.options.check_after_idle_ms = 10;
    assert_int_equal(belay_pool_open(k.loop, &k.options, &pool, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "check_after_idle_ms"));
}

static void what_a_pool_says_of_its_options_may_be_given_back(void **state)
{
    struct belay_pool_options o = belay_pool_options_init(), again = belay_pool_options_init();
    struct belay_pool *other;

    (void)state;
    k.options.max_idle_time_ms = BELAY_NONE;
    k.options.max_connection_lifetime_ms = BELAY_FOREVER;
    pool_kit_open(&k);
    belay_pool_get_options(k.pool, &o);
    assert_int_equal(belay_pool_set_options(k.pool, &o, NULL), 0);
    belay_pool_get_options(k.pool, &again);
    assert_memory_equal(&o, &again, sizeof o);
    assert_int_equal(belay_pool_open(k.loop, &o, &other, NULL), 0); /* or opened with */
    belay_pool_close(other, NULL, NULL);
    pool_kit_settle(&k);
}

static void a_limit_raised_lets_in_whoever_waits(void **state)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_lease lease;
    struct ask ask;

    (void)state;
    k.options.max_connections_per_endpoint = 1;
    pool_kit_open(&k);
    lease = lend(k.a);
    ask_now(&ask, &k, k.a);
    assert_int_equal(ask.told, 0);
    belay_pool_get_options(k.pool, &o);
    o.max_connections_per_endpoint = 2;
    assert_int_equal(belay_pool_set_options(k.pool, &o, NULL), 0);
    pool_kit_settle(&k);
    assert_served(&ask);
    belay_lease_release(lease, BELAY_REUSE);
    belay_lease_release(ask.lease, BELAY_REUSE);
}

static void min_idle_makes_up_for_what_is_lent(void **state)
{
    struct belay_lease lease;

    (void)state;
    k.options.min_idle = 2;
    pool_kit_open(&k);
    pool_kit_pass(&k, 1000);
    assert_int_equal(pool_kit_stats(&k).idle, 4); /* of two peers */
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), 0);
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), 0);
    pool_kit_pass(&k, 200);
    assert_int_equal(pool_kit_stats(&k).idle, 4);
    belay_lease_release(lease, BELAY_REUSE);
}

static void other_limits_on_age_hold_from_the_next_release_on(void **state)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_lease lease;

    (void)state;
    pool_kit_open(&k);
    belay_lease_release(lend(k.a), BELAY_REUSE);
    lease = lend(k.a);
    belay_pool_get_options(k.pool, &o);
    o.max_idle_time_ms = 500;
    assert_int_equal(belay_pool_set_options(k.pool, &o, NULL), 0);
    belay_lease_release(lease, BELAY_REUSE);
    pool_kit_pass(&k, 499);
    assert_int_equal(seen.closed, 0);
    pool_kit_pass(&k, 1);
    assert_int_equal(seen.reason, BELAY_REASON_IDLE);
}

static void another_order_holds_for_those_that_are_idle_already(void **state)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_lease lease[3], next;
    struct puppet_conn *first;

    (void)state;
    pool_kit_open(&k);
    for (int i = 0; i < 3; i++)
        lease[i] = lend(k.a);
    first = puppet_of_lease(lease[0]);
    for (int i = 0; i < 3; i++) {
        belay_lease_release(lease[i], BELAY_REUSE);
        pool_kit_pass(&k, 10);
    }
    belay_pool_get_options(k.pool, &o);
    o.reuse_order = BELAY_REUSE_FIFO;
    assert_int_equal(belay_pool_set_options(k.pool, &o, NULL), 0);
    assert_int_equal(belay_peer_try_acquire(k.a, &next), 0);
    assert_ptr_equal(puppet_of_lease(next), first);
    belay_lease_release(next, BELAY_REUSE);
}

static void clearing_now_revokes_what_is_lent(void **state)
{
    struct belay_lease lease;

    (void)state;
    pool_kit_open(&k);
    lease = lend(k.a);
    belay_peer_clear(k.a, BELAY_CLEAR_GENTLY);
    pool_kit_settle(&k);
    assert_true(belay_lease_valid(lease));
    belay_pool_clear(k.pool, BELAY_CLEAR_NOW);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
    pool_kit_settle(&k);
    assert_int_equal(seen.reason, BELAY_REASON_CLEARED);
    assert_int_equal(pool_kit_stats(&k).in_use, 0);
}

static void the_deadline_runs_while_the_pool_is_suspended(void **state)
{
    struct ask ask;

    (void)state;
    pool_kit_open(&k);
    belay_pool_suspend(k.pool);
    ask_init(&ask, &k);
    assert_int_equal(ask_peer(&ask, k.a, 100, false), 0);
    pool_kit_pass(&k, 100);
    assert_refused(&ask, BELAY_ETIMEDOUT, BELAY_STAGE_QUEUE);
    assert_non_null(strstr(ask.text, "resumed"));
    belay_pool_resume(k.pool);
    belay_lease_release(lend(k.a), BELAY_REUSE);
}

/* ---- the end ---- */

static unsigned told[3];

static void on_finished(void *arg)
{
    unsigned *n = arg;

    (*n)++;
}

static void a_pool_that_is_held_may_be_asked_after_its_end(void **state)
{
    struct belay_pool *pool;

    (void)state;
    memset(told, 0, sizeof told);
    pool_kit_open(&k);
    pool = belay_pool_ref(k.pool);
    belay_lease_release(lend(k.a), BELAY_REUSE);
    assert_int_equal(belay_pool_close_finished(pool, on_finished, &told[0]), 0);
    assert_false(belay_pool_is_closed(pool));
    belay_pool_close(pool, pool_kit_on_closed, &k);
    assert_true(belay_pool_is_closed(pool));
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
    assert_int_equal(told[0], 1);
    assert_int_equal(belay_pool_close_finished(pool, on_finished, &told[1]), 0);
    belay_pool_close(pool, on_finished, &told[2]);
    assert_int_equal(told[1] + told[2], 0);
    pool_kit_settle(&k);
    for (int i = 0; i < 3; i++)
        assert_int_equal(told[i], 1);
    belay_pool_unref(pool);
}

#define OPEN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(each_hook_tells_once_what_has_happened),
        OPEN(a_close_by_the_peer_comes_with_its_error),
        OPEN(what_never_came_up_has_no_hook),
        OPEN(a_pool_may_be_closed_in_its_hook),
        OPEN(health_is_asked_before_a_lease_and_after),
        OPEN(an_unhealthy_one_is_closed_and_the_next_one_tried),
        OPEN(a_late_answer_serves_whoever_waits_by_then),
        OPEN(an_answer_that_does_not_come_is_a_no),
        OPEN(what_was_just_reported_is_not_lent),
        OPEN(one_that_is_lost_over_its_lease_is_replaced),
        OPEN(a_lease_held_too_long_is_told_once_with_its_place),
        OPEN(contradictions_are_refused_by_name),
        OPEN(a_check_needs_somebody_to_ask),
        OPEN(what_a_pool_says_of_its_options_may_be_given_back),
        OPEN(a_limit_raised_lets_in_whoever_waits),
        OPEN(min_idle_makes_up_for_what_is_lent),
        OPEN(other_limits_on_age_hold_from_the_next_release_on),
        OPEN(another_order_holds_for_those_that_are_idle_already),
        OPEN(clearing_now_revokes_what_is_lent),
        OPEN(the_deadline_runs_while_the_pool_is_suspended),
        OPEN(a_pool_that_is_held_may_be_asked_after_its_end),
    };
    return cmocka_run_group_tests_name("keep_pool_callbacks", tests, NULL, NULL);
}
