/* SPDX-License-Identifier: MIT */
/* Lending: who gets which connection, and when one is no longer worth keeping. */
#include "unit/keep/policy_kit.h"

static struct pk k;

static int set_up(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    pk_init(&k, &limits);
    return 0;
}

static void with(struct bl_pp_limits limits)
{
    pk_init(&k, &limits);
}

/* ---- order ---- */

static void waiters_are_served_in_order_of_arrival(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_waiter *w[4];
    struct pk_conn *c;

    (void)state;
    limits.per_endpoint = 1;
    with(limits);
    for (int i = 0; i < 4; i++)
        w[i] = pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    pk_up(&k, c, 1);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(w[i]->order, i + 1);
        assert_ptr_equal(w[i]->got, c);
        assert_true(i == 3 || w[i + 1]->waiting);
        pk_release(&k, c, false);
    }
    assert_int_equal(k.dials, 1);
}

static void a_waiter_is_served_by_whatever_comes_first(void **state)
{
    struct pk_conn *idle = pk_idle(&k, 0), *second;
    struct pk_waiter *first = pk_wait(&k, 0), *w = pk_wait(&k, 0);

    (void)state;
    assert_ptr_equal(first->got, idle);
    second = pk_dialing(&k, 0);
    pk_release(&k, idle, false);
    assert_ptr_equal(w->got, idle);
    pk_up(&k, second, 1); /* nobody wants it any more: it stays, idle */
    assert_int_equal(pk_peer(&k, 0)->idle, 1);
    assert_ptr_equal(pk_wait(&k, 0)->got, second);
}

static void the_connection_used_last_is_lent_first(void **state)
{
    struct pk_conn *c[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct pk_waiter *w = pk_wait(&k, 0);

        c[i] = pk_dialing(&k, 0);
        pk_up(&k, c[i], 1);
        assert_ptr_equal(w->got, c[i]);
    }
    pk_release(&k, c[1], false);
    pk_release(&k, c[2], false);
    pk_release(&k, c[0], false);
    assert_ptr_equal(pk_try(&k, 0), c[0]);
    assert_ptr_equal(pk_try(&k, 0), c[2]);
    assert_ptr_equal(pk_try(&k, 0), c[1]);
    assert_null(pk_try(&k, 0));
}

static void nobody_passes_by_those_who_wait(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);
    struct pk_waiter *fresh = pk_wait_fresh(&k, 0), *next;

    (void)state;
    assert_true(fresh->waiting); /* what is idle was used before */
    assert_null(pk_try(&k, 0));
    next = pk_wait(&k, 0);
    assert_ptr_equal(next->got, c); /* it takes nothing away from the one before */
    assert_true(fresh->waiting);
}

static void one_who_wants_a_fresh_connection_gets_one_never_used(void **state)
{
    struct pk_conn *used = pk_idle(&k, 0), *c;
    struct pk_waiter *w = pk_wait_fresh(&k, 0);

    (void)state;
    c = pk_dialing(&k, 0);
    assert_ptr_not_equal(c, used);
    pk_up(&k, c, 1);
    assert_ptr_equal(w->got, c);
    pk_release(&k, c, false);
    assert_true(pk_wait_fresh(&k, 0)->waiting);
}

static void one_who_left_the_queue_is_not_served(void **state)
{
    struct pk_waiter *first = pk_wait(&k, 0), *second = pk_wait(&k, 0);

    (void)state;
    bl_pp_forget(&first->pp);
    first->waiting = false;
    pk_up(&k, pk_dialing(&k, 0), 1);
    assert_null(first->got);
    assert_non_null(second->got);
    assert_int_equal(pk_peer(&k, 0)->waiting, 0);
}

static void a_full_queue_refuses(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct bl_pp_waiter w = {0};

    (void)state;
    limits.waiters = 2;
    with(limits);
    pk_wait(&k, 0);
    pk_wait(&k, 0);
    assert_int_equal(bl_pp_wait(pk_peer(&k, 0), &w, k.now), BELAY_EFULL);
    assert_int_equal(bl_pp_wait(pk_peer(&k, 1), &w, k.now), 0); /* the limit is each peer's */
    bl_pp_forget(&w);
}

/* Several come back the last first, and no limit is in their way. */
static void who_comes_back_goes_before_all_but_the_urgent(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_waiter *first, *second, *third, *urgent;

    (void)state;
    limits.waiters = 2;
    limits.per_endpoint = 1;
    with(limits);
    third = pk_wait(&k, 0);
    urgent = pk_wait_urgent(&k, 0);
    second = pk_wait_again(&k, 0);
    first = pk_wait_again(&k, 0);
    pk_up(&k, pk_dialing(&k, 0), 4);
    assert_int_equal(urgent->order, 1);
    assert_int_equal(first->order, 2);
    assert_int_equal(second->order, 3);
    assert_int_equal(third->order, 4);
}

/* ---- capacity ---- */

static void a_connection_carries_as_many_leases_as_its_capacity(void **state)
{
    struct pk_waiter *w[5];
    struct pk_conn *c;
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.per_endpoint = 1;
    limits.expected = 0;
    with(limits);
    for (int i = 0; i < 5; i++)
        w[i] = pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    pk_up(&k, c, 3);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(w[i]->got, c);
    assert_true(w[3]->waiting);
    assert_int_equal(c->pp.leases, 3);
    c->facts.capacity = 4;
    pk_changed(&k, c, false);
    assert_ptr_equal(w[3]->got, c);
    c->facts.capacity = 1; /* those who use it stay */
    pk_changed(&k, c, false);
    for (int i = 0; i < 3; i++) {
        pk_release(&k, c, false);
        assert_true(w[4]->waiting);
    }
    assert_int_equal(c->pp.leases, 1);
    pk_release(&k, c, false);
    assert_ptr_equal(w[4]->got, c);
}

static void what_is_shared_by_less_than_before_is_still_shared(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.expected = 0;
    with(limits);
    pk_wait(&k, 0);
    pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    pk_up(&k, c, 2);
    c->facts.capacity = 1;
    pk_changed(&k, c, false);
    pk_release(&k, c, false);
    assert_int_equal(c->pp.leases, 1);
    assert_null(pk_try(&k, 0));
    assert_int_equal(pk_stats(&k).leases, 1);
    pk_release(&k, c, false);
    assert_ptr_equal(pk_try(&k, 0), c);
}

static void what_came_to_rest_last_is_lent_first_and_evicted_last(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *a, *b;

    (void)state;
    limits.total = 2;
    limits.expected = 0;
    with(limits);
    pk_wait(&k, 0);
    a = pk_dialing(&k, 0);
    pk_up(&k, a, 2);
    assert_ptr_equal(pk_try(&k, 0), a);
    pk_wait(&k, 0);
    b = pk_dialing(&k, 0);
    pk_up(&k, b, 2);
    pk_release(&k, a, false);
    pk_pass(&k, 10);
    pk_release(&k, b, false); /* at rest */
    pk_pass(&k, 10);
    pk_release(&k, a, false); /* at rest later, though it was ready all the time */
    pk_wait(&k, 1);
    pk_assert_closing(b, BELAY_REASON_EVICTED);
    assert_ptr_equal(pk_try(&k, 0), a);
}

static void uses_without_a_limit_may_be_any_number(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);

    (void)state;
    c->pp.uses = INT32_MAX - 1;
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(pk_try(&k, 0), c);
        pk_release(&k, c, false);
    }
    assert_false(c->closing);
    assert_true(pk_wait_fresh(&k, 0)->waiting);
}

static void without_capacity_nobody_is_served_until_it_is_back(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;
    struct pk_waiter *w;

    (void)state;
    limits.per_endpoint = 1;
    with(limits);
    c = pk_idle(&k, 0);
    c->facts.capacity = 0;
    pk_changed(&k, c, false);
    w = pk_wait(&k, 0);
    assert_true(w->waiting);
    assert_null(pk_try(&k, 0));
    assert_false(c->closing);
    assert_int_equal(pk_peer(&k, 0)->idle, 1);
    c->facts.capacity = 2;
    pk_changed(&k, c, false);
    assert_ptr_equal(w->got, c);
}

static void connections_without_capacity_are_not_opened_and_closed_in_turn(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.per_endpoint = 3;
    with(limits);
    pk_wait(&k, 0);
    for (int i = 0; i < 20; i++) {
        if (pk_dials(&k, 0) > 0)
            pk_up(&k, pk_dialing(&k, 0), 0);
        for (int n = 0; n < PK_CONNS; n++)
            if (k.conns[n].exists && k.conns[n].closing)
                pk_gone(&k, &k.conns[n]);
    }
    assert_true(k.dials <= 3);
}

static void the_total_does_not_make_a_peer_evict_its_own_for_nothing(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.total = 2;
    with(limits);
    pk_wait(&k, 0);
    for (int i = 0; i < 20; i++) {
        if (pk_dials(&k, 0) > 0)
            pk_up(&k, pk_dialing(&k, 0), 0);
        for (int n = 0; n < PK_CONNS; n++)
            if (k.conns[n].exists && k.conns[n].closing)
                pk_gone(&k, &k.conns[n]);
    }
    assert_true(k.dials <= 2);
}

/* ---- the end of a connection ---- */

static void an_idle_connection_expires_by_itself(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.idle_ns = PK_MS(100);
    with(limits);
    c = pk_idle(&k, 0);
    assert_int_equal(bl_pp_due(&c->pp), k.now + PK_MS(100));
    pk_pass(&k, 99);
    assert_false(c->closing);
    pk_pass(&k, 1);
    pk_assert_closing(c, BELAY_REASON_IDLE);
}

static void idle_time_counts_from_the_last_release(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.idle_ns = PK_MS(100);
    with(limits);
    c = pk_idle(&k, 0);
    pk_pass(&k, 60);
    assert_ptr_equal(pk_wait(&k, 0)->got, c);
    assert_int_equal(bl_pp_due(&c->pp), BELAY_NEVER);
    pk_pass(&k, 500);
    assert_false(c->closing);
    pk_release(&k, c, false);
    pk_pass(&k, 99);
    assert_false(c->closing);
    pk_pass(&k, 1);
    pk_assert_closing(c, BELAY_REASON_IDLE);
}

static void a_lifetime_ends_at_rest_or_at_the_release(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *resting, *lent;

    (void)state;
    limits.lifetime_ns = PK_MS(100);
    with(limits);
    lent = pk_idle(&k, 0);
    assert_ptr_equal(pk_wait(&k, 0)->got, lent);
    resting = pk_idle(&k, 0);
    pk_pass(&k, 100);
    pk_assert_closing(resting, BELAY_REASON_LIFETIME);
    assert_false(lent->closing);
    pk_release(&k, lent, false);
    pk_assert_closing(lent, BELAY_REASON_LIFETIME);
}

static void what_has_expired_is_not_lent_although_nobody_looked(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.idle_ns = PK_MS(100);
    with(limits);
    c = pk_idle(&k, 0);
    k.now += PK_MS(100);
    assert_null(pk_try(&k, 0));
    pk_run(&k);
    pk_assert_closing(c, BELAY_REASON_IDLE);
}

static void a_shared_connection_past_its_lifetime_takes_nobody_new(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;
    struct pk_waiter *w;

    (void)state;
    limits.lifetime_ns = PK_MS(100);
    limits.expected = 0;
    with(limits);
    w = pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    pk_up(&k, c, 5);
    assert_ptr_equal(w->got, c);
    k.now += PK_MS(100);
    assert_true(pk_wait(&k, 0)->waiting);
    assert_false(c->closing);
    pk_release(&k, c, false);
    pk_assert_closing(c, BELAY_REASON_LIFETIME);
}

static void n_uses_are_n_uses(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.uses = 3;
    with(limits);
    c = pk_idle(&k, 0);
    for (int i = 0; i < 2; i++) {
        assert_false(c->closing);
        assert_ptr_equal(pk_wait(&k, 0)->got, c);
        pk_release(&k, c, false);
    }
    pk_assert_closing(c, BELAY_REASON_USES);
}

static void uses_of_a_shared_connection_end_when_the_last_lease_is_back(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_waiter *w[3];
    struct pk_conn *c;

    (void)state;
    limits.uses = 2;
    limits.expected = 0;
    with(limits);
    for (int i = 0; i < 3; i++)
        w[i] = pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    pk_up(&k, c, 5);
    assert_ptr_equal(w[0]->got, c);
    assert_ptr_equal(w[1]->got, c);
    assert_true(w[2]->waiting);
    pk_release(&k, c, false);
    assert_false(c->closing);
    pk_release(&k, c, false);
    pk_assert_closing(c, BELAY_REASON_USES);
}

static void a_broken_one_is_not_lent_again(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);

    (void)state;
    assert_ptr_equal(pk_wait(&k, 0)->got, c);
    pk_release(&k, c, true);
    pk_assert_closing(c, BELAY_REASON_BROKEN);
}

static void a_broken_shared_one_ends_with_its_last_lease(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.expected = 0;
    with(limits);
    pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    pk_wait(&k, 0);
    pk_up(&k, c, 5);
    assert_int_equal(c->pp.leases, 2);
    pk_release(&k, c, true);
    assert_false(c->closing);
    assert_null(pk_try(&k, 0));
    pk_release(&k, c, false);
    pk_assert_closing(c, BELAY_REASON_BROKEN);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(waiters_are_served_in_order_of_arrival),
        TEST(a_waiter_is_served_by_whatever_comes_first),
        TEST(the_connection_used_last_is_lent_first),
        TEST(nobody_passes_by_those_who_wait),
        TEST(one_who_wants_a_fresh_connection_gets_one_never_used),
        TEST(one_who_left_the_queue_is_not_served),
        TEST(a_full_queue_refuses),
        TEST(who_comes_back_goes_before_all_but_the_urgent),
        TEST(a_connection_carries_as_many_leases_as_its_capacity),
        TEST(what_is_shared_by_less_than_before_is_still_shared),
        TEST(what_came_to_rest_last_is_lent_first_and_evicted_last),
        TEST(uses_without_a_limit_may_be_any_number),
        TEST(without_capacity_nobody_is_served_until_it_is_back),
        TEST(connections_without_capacity_are_not_opened_and_closed_in_turn),
        TEST(the_total_does_not_make_a_peer_evict_its_own_for_nothing),
        TEST(an_idle_connection_expires_by_itself),
        TEST(idle_time_counts_from_the_last_release),
        TEST(a_lifetime_ends_at_rest_or_at_the_release),
        TEST(what_has_expired_is_not_lent_although_nobody_looked),
        TEST(a_shared_connection_past_its_lifetime_takes_nobody_new),
        TEST(n_uses_are_n_uses),
        TEST(uses_of_a_shared_connection_end_when_the_last_lease_is_back),
        TEST(a_broken_one_is_not_lent_again),
        TEST(a_broken_shared_one_ends_with_its_last_lease),
    };
    return cmocka_run_group_tests_name("keep_pool_policy", tests, NULL, NULL);
}
