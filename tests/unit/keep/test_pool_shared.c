/* SPDX-License-Identifier: MIT */
/* Connections that several use at a time: who gets which, and when there is to be one more. */
#include "unit/keep/policy_kit.h"

static struct pk k;
static struct pk_conn *conns[8]; /* in the order of their dials */
static int conns_n;

static int set_up(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.expected = 0;
    pk_init(&k, &limits);
    conns_n = 0;
    return 0;
}

static void come_up(int capacity)
{
    conns[conns_n] = pk_dialing(&k, 0);
    pk_up(&k, conns[conns_n++], capacity);
}

/* So many connections of that capacity, all idle. */
static void have(int n, int capacity)
{
    for (int i = 0; i < n; i++) {
        struct pk_waiter *w = pk_wait_fresh(&k, 0);

        come_up(capacity);
        pk_release(&k, w->got, false);
    }
}

static int leases(unsigned i)
{
    return conns[i]->pp.leases;
}

/* ---- which ---- */

static void of_two_the_less_loaded_is_lent(void **state)
{
    (void)state;
    have(2, 10);
    for (int i = 0; i < 20; i++) {
        assert_non_null(pk_try(&k, 0));
        assert_in_range(leases(0) - leases(1) + 1, 0, 2);
    }
    assert_null(pk_try(&k, 0));
}

static void load_is_what_is_lent_of_what_is_carried(void **state)
{
    (void)state;
    have(1, 30);
    have(1, 10);
    for (int i = 0; i < 20; i++)
        assert_non_null(pk_try(&k, 0));
    assert_int_equal(leases(0) + leases(1), 20);
    assert_in_range(leases(0), 14, 16);
}

static void of_many_two_are_drawn_and_none_is_left_out(void **state)
{
    (void)state;
    have(8, 100);
    for (int i = 0; i < 400; i++)
        assert_non_null(pk_try(&k, 0));
    for (unsigned i = 0; i < 8; i++)
        assert_in_range(leases(i), 40, 60); /* 50, had all been compared */
}

static void exclusive_ones_keep_their_order(void **state)
{
    struct pk_conn *last;

    (void)state;
    have(3, 1);
    last = pk_try(&k, 0);
    pk_release(&k, last, false);
    assert_ptr_equal(pk_try(&k, 0), last);
}

static void one_that_drains_gets_none(void **state)
{
    (void)state;
    have(2, 10);
    assert_non_null(pk_try(&k, 0));
    assert_non_null(pk_try(&k, 0));
    conns[0]->facts.draining = true;
    pk_changed(&k, conns[0], true);
    for (int i = 0; i < 9; i++)
        assert_ptr_equal(pk_try(&k, 0), conns[1]);
    assert_null(pk_try(&k, 0));
    assert_int_equal(leases(0), 1);
    pk_release(&k, conns[0], false);
    pk_assert_closing(conns[0], BELAY_REASON_DRAINING);
}

/* ---- doubt ---- */

static void one_in_doubt_is_lent_again_when_it_has_answered_in_use(void **state)
{
    (void)state;
    have(1, 10);
    assert_non_null(pk_try(&k, 0));
    conns[0]->pp.checkable = true;
    conns[0]->facts.suspect = true;
    pk_changed(&k, conns[0], true);
    assert_null(pk_try(&k, 0));
    conns[0]->facts.suspect = false;
    bl_pp_checked(&conns[0]->pp, 0, k.now);
    assert_ptr_equal(pk_try(&k, 0), conns[0]);
    assert_int_equal(leases(0), 2);
}

/* ---- one more ---- */

static void lend(unsigned n)
{
    while (n--) {
        assert_non_null(pk_try(&k, 0));
        bl_pp_consider(pk_peer(&k, 0), k.now);
        pk_run(&k);
    }
}

static void near_the_limit_one_more_is_dialled(void **state)
{
    (void)state;
    k.pp.soft = 80;
    have(1, 10);
    lend(7);
    assert_int_equal(pk_dials(&k, 0), 0);
    lend(1);
    assert_int_equal(pk_dials(&k, 0), 1);
    lend(2);
    assert_int_equal(pk_dials(&k, 0), 1); /* one at a time */
    come_up(10);
    assert_int_equal(pk_dials(&k, 0), 0);
    lend(7);
    assert_int_equal(leases(0), 10);
    assert_int_equal(leases(1), 7);
    assert_int_equal(pk_dials(&k, 0), 0);
    lend(1);
    assert_int_equal(pk_dials(&k, 0), 1);
}

static void nobody_dials_ahead_unless_that_is_wished(void **state)
{
    (void)state;
    have(1, 10);
    lend(10);
    assert_int_equal(pk_dials(&k, 0), 0);
}

static void what_is_not_shared_has_no_spare(void **state)
{
    (void)state;
    k.pp.soft = 80;
    have(1, 1);
    lend(1);
    assert_int_equal(pk_dials(&k, 0), 0);
}

static void what_drains_or_is_full_of_nobody_needs_no_spare(void **state)
{
    (void)state;
    k.pp.soft = 80;
    have(1, 10);
    lend(3);
    conns[0]->facts.draining = true;
    pk_changed(&k, conns[0], true);
    assert_int_equal(pk_dials(&k, 0), 0);
}

static void a_spare_one_holds_to_the_limits(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.expected = 0;
    limits.per_endpoint = 1;
    pk_init(&k, &limits);
    k.pp.soft = 80;
    have(1, 10);
    lend(10);
    assert_int_equal(pk_dials(&k, 0), 0);
}

static void fails_once_in_a_while(int code)
{
    k.pp.soft = 80;
    have(1, 10);
    lend(9);
    pk_fail(&k, pk_dialing(&k, 0), code);
    assert_int_equal(pk_dials(&k, 0), 0);
    pk_pass(&k, 99);
    assert_int_equal(pk_dials(&k, 0), 0);
    pk_pass(&k, 10000);
    bl_pp_consider(pk_peer(&k, 0), k.now);
    pk_run(&k);
    assert_int_equal(pk_dials(&k, 0), 1);
}

static void a_spare_one_that_fails_is_not_dialled_again_at_once(void **state)
{
    (void)state;
    fails_once_in_a_while(BELAY_ECONNECT);
}

/* Nobody waits for it, who could be told. */
static void a_spare_one_that_fails_for_good_is_not_dialled_again_at_once_either(void **state)
{
    (void)state;
    fails_once_in_a_while(BELAY_ENONAME);
}

static void fail_a_few(void)
{
    pk_wait(&k, 0);
    pk_run(&k);
    for (int i = 0; i < 3; i++) {
        assert_in_range(pk_dials(&k, 0), 1, 2);
        for (int n = (int)pk_dials(&k, 0); n > 0; n--) {
            pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
            bl_pp_consider(pk_peer(&k, 0), k.now);
            pk_run(&k);
            assert_int_equal(pk_dials(&k, 0), n - 1);
        }
        pk_pass(&k, 10000);
    }
}

/* Somebody waits, and the dial for them has failed: that is given time, whoever wishes for one. */
static void none_is_dialled_ahead_of_a_backoff(void **state)
{
    (void)state;
    k.pp.soft = 80;
    have(1, 10);
    lend(8);
    come_up(10);
    lend(12);
    fail_a_few();
}

static void nor_is_one_to_be_idle(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.min_idle = 1;
    pk_init(&k, &limits);
    pk_peer(&k, 0)->held = true;
    fail_a_few();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(of_two_the_less_loaded_is_lent, set_up),
        cmocka_unit_test_setup(load_is_what_is_lent_of_what_is_carried, set_up),
        cmocka_unit_test_setup(of_many_two_are_drawn_and_none_is_left_out, set_up),
        cmocka_unit_test_setup(exclusive_ones_keep_their_order, set_up),
        cmocka_unit_test_setup(one_that_drains_gets_none, set_up),
        cmocka_unit_test_setup(one_in_doubt_is_lent_again_when_it_has_answered_in_use, set_up),
        cmocka_unit_test_setup(near_the_limit_one_more_is_dialled, set_up),
        cmocka_unit_test_setup(nobody_dials_ahead_unless_that_is_wished, set_up),
        cmocka_unit_test_setup(what_is_not_shared_has_no_spare, set_up),
        cmocka_unit_test_setup(what_drains_or_is_full_of_nobody_needs_no_spare, set_up),
        cmocka_unit_test_setup(a_spare_one_holds_to_the_limits, set_up),
        cmocka_unit_test_setup(a_spare_one_that_fails_is_not_dialled_again_at_once, set_up),
        cmocka_unit_test_setup(a_spare_one_that_fails_for_good_is_not_dialled_again_at_once_either,
                               set_up),
        cmocka_unit_test_setup(none_is_dialled_ahead_of_a_backoff, set_up),
        cmocka_unit_test_setup(nor_is_one_to_be_idle, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
