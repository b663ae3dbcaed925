/* SPDX-License-Identifier: MIT */
/* Dialling: how many connections are wanted, who may have one, and what a failed dial means. */
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

static int connections(int peer)
{
    return pk_peer(&k, peer)->connections;
}

/* ---- how many ---- */

static void dials_follow_from_waiters_and_expected_capacity(void **state)
{
    static const struct {
        int32_t expected;
        int waiters, dials;
    } rows[] = {
        {1, 1, 1}, {1, 7, 7}, {1, 20, 10},  {4, 1, 1}, {4, 4, 1},
        {4, 5, 2}, {4, 9, 3}, {100, 50, 1}, {0, 7, 1},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct bl_pp_limits limits = pk_limits();

        limits.expected = rows[i].expected;
        with(limits);
        for (int n = 0; n < rows[i].waiters; n++)
            pk_wait(&k, 0);
        assert_int_equal(pk_dials(&k, 0), rows[i].dials);
    }
}

static void what_one_connection_carries_is_learned(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.expected = 0;
    with(limits);
    for (int i = 0; i < 9; i++)
        pk_wait(&k, 0);
    assert_int_equal(pk_dials(&k, 0), 1);
    c = pk_dialing(&k, 0);
    pk_up(&k, c, 2); /* seven are left, two on each */
    assert_int_equal(pk_dials(&k, 0), 4);
}

static void a_capacity_of_0_teaches_nothing(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.expected = 0;
    with(limits);
    for (int i = 0; i < 9; i++)
        pk_wait(&k, 0);
    pk_up(&k, pk_dialing(&k, 0), 0);
    assert_int_equal(pk_peer(&k, 0)->expected, 0);
    assert_int_equal(pk_dials(&k, 0), 1);
    pk_up(&k, pk_dialing(&k, 0), 5);
    assert_int_equal(pk_peer(&k, 0)->expected, 5);
    pk_up(&k, pk_dialing(&k, 0), 0);
    assert_int_equal(pk_peer(&k, 0)->expected, 5);
}

static void an_unknown_capacity_is_tried_one_by_one(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.expected = 0;
    with(limits);
    for (int i = 0; i < 4; i++)
        pk_wait(&k, 0);
    for (int n = 1; n <= 4; n++) {
        assert_int_equal(pk_dials(&k, 0), n);
        assert_int_equal(bl_pp_dial_due(pk_peer(&k, 0), k.now),
                         n < 4 ? k.now + PK_MS(50) : BELAY_NEVER);
        pk_pass(&k, 49);
        assert_int_equal(pk_dials(&k, 0), n);
        pk_pass(&k, 1);
    }
    pk_pass(&k, 1000);
    assert_int_equal(pk_dials(&k, 0), 4); /* never more than wait */
}

static void nobody_is_woken_for_a_dial_that_a_limit_forbids(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.expected = 0;
    limits.per_endpoint = 1;
    with(limits);
    for (int i = 0; i < 3; i++)
        pk_wait(&k, 0);
    pk_pass(&k, 50);
    assert_int_equal(pk_dials(&k, 0), 1);
    assert_int_equal(bl_pp_dial_due(pk_peer(&k, 0), k.now), BELAY_NEVER);
    pk_pass(&k, 500);
    assert_int_equal(bl_pp_dial_due(pk_peer(&k, 0), k.now), BELAY_NEVER);
}

static void a_dial_serves_others_when_its_waiter_has_left(void **state)
{
    struct pk_waiter *first = pk_wait(&k, 0), *second;

    (void)state;
    bl_pp_forget(&first->pp);
    first->waiting = false;
    pk_run(&k);
    second = pk_wait(&k, 0);
    assert_int_equal(k.dials, 1);
    pk_up(&k, pk_dialing(&k, 0), 1);
    assert_non_null(second->got);
}

static void a_lease_that_comes_back_saves_the_next_dial(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.per_endpoint = 2;
    with(limits);
    c = pk_idle(&k, 0);
    pk_wait(&k, 0);
    pk_wait(&k, 0);
    pk_wait(&k, 0);
    assert_int_equal(k.dials, 2);
    pk_release(&k, c, false);
    pk_release(&k, c, false);
    assert_int_equal(pk_peer(&k, 0)->waiting, 0);
    pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
    assert_int_equal(k.dials, 2); /* nobody waits */
}

/* ---- limits ---- */

static void limits_are_hard(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.per_endpoint = 3;
    limits.total = 5;
    with(limits);
    for (int i = 0; i < 6; i++) {
        pk_wait(&k, 0);
        pk_wait(&k, 1);
    }
    assert_int_equal(connections(0) + connections(1), 5);
    assert_int_equal(connections(0), 3);
    assert_int_equal(k.pp.connections, 5);
}

static void a_closing_connection_counts_until_it_is_gone(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.per_endpoint = 1;
    with(limits);
    c = pk_idle(&k, 0);
    assert_ptr_equal(pk_wait(&k, 0)->got, c);
    pk_release(&k, c, true);
    pk_wait(&k, 0);
    assert_int_equal(pk_dials(&k, 0), 0);
    pk_gone(&k, c);
    assert_int_equal(pk_dials(&k, 0), 1);
}

static void the_oldest_waiter_of_all_gets_the_slot_that_is_free(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.total = 1;
    with(limits);
    c = pk_idle(&k, 0);
    assert_ptr_equal(pk_wait(&k, 0)->got, c);
    pk_wait(&k, 2);
    pk_wait(&k, 1);
    pk_release(&k, c, true);
    pk_gone(&k, c);
    assert_int_equal(pk_dials(&k, 2), 1);
    assert_int_equal(pk_dials(&k, 1), 0);
}

static void a_waiter_evicts_what_is_idle_for_longest_elsewhere(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *old, *young, *lent;

    (void)state;
    limits.total = 3;
    with(limits);
    lent = pk_idle(&k, 1);
    assert_ptr_equal(pk_wait(&k, 1)->got, lent);
    old = pk_idle(&k, 0);
    young = pk_idle(&k, 1);
    pk_pass(&k, 10);
    assert_ptr_equal(pk_wait(&k, 0)->got, old);
    pk_release(&k, old, false); /* used last */
    pk_wait(&k, 2);
    pk_assert_closing(young, BELAY_REASON_EVICTED);
    assert_false(old->closing);
    assert_int_equal(pk_dials(&k, 2), 0);
    pk_run(&k); /* one is enough for one */
    assert_false(old->closing);
    pk_gone(&k, young);
    assert_int_equal(pk_dials(&k, 2), 1);
}

static void as_many_are_evicted_as_peers_are_eager(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c[3];

    (void)state;
    limits.total = 3;
    with(limits);
    for (int i = 0; i < 3; i++) {
        pk_wait(&k, 0);
        pk_up(&k, c[i] = pk_dialing(&k, 0), 1);
    }
    for (int i = 0; i < 3; i++)
        pk_release(&k, c[i], false);
    pk_wait(&k, 1);
    pk_wait(&k, 2);
    pk_run(&k);
    assert_int_equal(k.pp.closing, 2);
    for (int i = 0; i < 3; i++)
        if (c[i]->closing)
            pk_gone(&k, c[i]);
    assert_int_equal(pk_dials(&k, 1), 1);
    assert_int_equal(pk_dials(&k, 2), 1);
    assert_int_equal(connections(0), 1);
}

static void a_released_connection_is_evicted_for_one_who_waits_elsewhere(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;
    struct pk_waiter *w;

    (void)state;
    limits.total = 1;
    with(limits);
    c = pk_idle(&k, 0);
    assert_ptr_equal(pk_wait(&k, 0)->got, c);
    w = pk_wait(&k, 1);
    assert_false(c->closing);
    pk_release(&k, c, false);
    pk_assert_closing(c, BELAY_REASON_EVICTED);
    pk_gone(&k, c);
    pk_up(&k, pk_dialing(&k, 1), 1);
    assert_non_null(w->got);
}

static void one_who_wants_it_fresh_makes_room_among_the_used(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *first, *second;
    struct pk_waiter *w;

    (void)state;
    limits.per_endpoint = 2;
    with(limits);
    first = pk_idle(&k, 0);
    assert_ptr_equal(pk_wait(&k, 0)->got, first);
    second = pk_idle(&k, 0);
    w = pk_wait_fresh(&k, 0);
    pk_assert_closing(second, BELAY_REASON_EVICTED);
    assert_true(w->waiting);
    pk_run(&k);
    pk_gone(&k, second);
    pk_up(&k, pk_dialing(&k, 0), 1);
    assert_non_null(w->got);
    assert_false(first->closing);
}

/* ---- failures ---- */

static void a_failed_dial_is_tried_again_later_and_later(void **state)
{
    struct pk_waiter *w = pk_wait(&k, 0);
    static const uint64_t delays[] = {100, 200, 400};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(delays); i++) {
        pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
        assert_true(w->waiting);
        assert_int_equal(pk_dials(&k, 0), 0);
        assert_int_equal(bl_pp_dial_due(pk_peer(&k, 0), k.now), k.now + PK_MS(delays[i]));
        pk_pass(&k, delays[i] - 1);
        assert_int_equal(pk_dials(&k, 0), 0);
        pk_pass(&k, 1);
        assert_int_equal(pk_dials(&k, 0), 1);
    }
    pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
    assert_int_equal(w->code, BELAY_ECONNECT); /* three retries: four dials */
    assert_int_equal(k.dials, 4);
}

static void dials_that_fail_together_are_one_round(void **state)
{
    struct pk_waiter *w[5];

    (void)state;
    for (int i = 0; i < 5; i++)
        w[i] = pk_wait(&k, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++)
            pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
        for (int i = 0; i < 5; i++)
            assert_true(w[i]->waiting);
        assert_int_equal(bl_pp_dial_due(pk_peer(&k, 0), k.now), k.now + PK_MS(100 << round));
        pk_pass(&k, 100u << round);
    }
    for (int i = 0; i < 5; i++) { /* at most the oldest, each time */
        pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
        assert_int_equal(w[i]->code, BELAY_ECONNECT);
        assert_true(i == 4 || w[i + 1]->waiting);
    }
}

static void who_came_later_has_all_retries_of_their_own(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_waiter *first, *second;

    (void)state;
    limits.retries = 1;
    limits.per_endpoint = 1;
    with(limits);
    first = pk_wait(&k, 0);
    pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
    second = pk_wait(&k, 0);
    pk_pass(&k, 100);
    pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
    assert_int_equal(first->code, BELAY_ECONNECT);
    assert_true(second->waiting);
    pk_pass(&k, 200);
    pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
    assert_int_equal(second->code, BELAY_ECONNECT);
}

static void without_retries_the_first_failure_is_told(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_waiter *w;

    (void)state;
    limits.retries = 0;
    with(limits);
    w = pk_wait(&k, 0);
    pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
    assert_int_equal(w->code, BELAY_ECONNECT);
}

static void success_forgets_what_failed_before(void **state)
{
    struct pk_waiter *w = pk_wait(&k, 0);
    struct pk_conn *c;

    (void)state;
    pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
    pk_pass(&k, 100);
    pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
    pk_pass(&k, 200);
    c = pk_dialing(&k, 0);
    pk_up(&k, c, 1);
    assert_ptr_equal(w->got, c);
    pk_wait(&k, 0);
    pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
    assert_int_equal(bl_pp_dial_due(pk_peer(&k, 0), k.now), k.now + PK_MS(100));
}

static void a_fatal_failure_is_told_to_all_at_once(void **state)
{
    static const int codes[] = {BELAY_ENONAME, BELAY_ECERT, BELAY_EPROTO, BELAY_EINVAL,
                                BELAY_ECLOSED};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(codes); i++) {
        struct pk_waiter *w[3], *elsewhere;

        set_up(NULL);
        for (int n = 0; n < 3; n++)
            w[n] = pk_wait(&k, 0);
        elsewhere = pk_wait(&k, 1);
        pk_fail(&k, pk_dialing(&k, 0), codes[i]);
        for (int n = 0; n < 3; n++)
            assert_int_equal(w[n]->code, codes[i]);
        assert_true(elsewhere->waiting);
        assert_int_equal(bl_pp_dial_due(pk_peer(&k, 0), k.now), BELAY_NEVER);
    }
}

static void a_connector_may_say_that_it_is_final(void **state)
{
    struct belay_error error = {.code = BELAY_ECONNECT,
                                .kind = BELAY_KIND_RETRY,
                                .stage = BELAY_STAGE_PROTOCOL,
                                .final = true};
    struct pk_waiter *w = pk_wait(&k, 0);
    struct pk_conn *c = pk_dialing(&k, 0);

    (void)state;
    bl_pp_dial_failed(&c->pp, &error, 0, k.now);
    c->exists = false;
    pk_run(&k);
    assert_int_equal(w->code, BELAY_ECONNECT);
    assert_int_equal(k.dials, 1);
}

static void without_descriptors_all_dialling_rests_and_one_idle_goes(void **state)
{
    struct pk_conn *idle = pk_idle(&k, 1);
    struct pk_waiter *w = pk_wait(&k, 0), *other;

    (void)state;
    pk_fail(&k, pk_dialing(&k, 0), BELAY_EMFILE);
    assert_true(w->waiting);
    pk_assert_closing(idle, BELAY_REASON_EVICTED);
    other = pk_wait(&k, 2);
    assert_int_equal(pk_dials(&k, 0) + pk_dials(&k, 2), 0);
    assert_int_equal(bl_pp_pause_due(&k.pp, k.now), k.now + PK_MS(100));
    pk_gone(&k, idle);
    pk_pass(&k, 99);
    assert_int_equal(pk_dials(&k, 0) + pk_dials(&k, 2), 0);
    pk_pass(&k, 1);
    assert_int_equal(pk_dials(&k, 0), 1);
    assert_int_equal(pk_dials(&k, 2), 1);
    assert_int_equal(bl_pp_pause_due(&k.pp, k.now), BELAY_NEVER);
    for (int i = 0; i < 10; i++) { /* nobody is to blame, so nobody's retries are spent */
        pk_fail(&k, pk_dialing(&k, 0), BELAY_EMFILE);
        pk_pass(&k, 100);
    }
    assert_true(w->waiting);
    assert_true(other->waiting);
}

static void without_memory_the_oldest_fails_and_dialling_rests(void **state)
{
    struct pk_waiter *first = pk_wait(&k, 0), *second = pk_wait(&k, 0);

    (void)state;
    pk_fail(&k, pk_dialing(&k, 0), BELAY_ENOMEM);
    assert_int_equal(first->code, BELAY_ENOMEM);
    assert_true(second->waiting);
    bl_pp_dial_refused(pk_peer(&k, 0), BELAY_ENOMEM, k.now);
    pk_run(&k);
    assert_int_equal(second->code, BELAY_ENOMEM);
    assert_true(k.now < k.pp.pause_until);
}

static void a_queue_that_has_emptied_has_no_outage_behind_it(void **state)
{
    struct pk_waiter *w = pk_wait(&k, 0);

    (void)state;
    pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
    bl_pp_forget(&w->pp);
    w->waiting = false;
    pk_run(&k);
    pk_wait(&k, 0);
    assert_int_equal(pk_dials(&k, 0), 1);
}

static void the_pause_holds_for_those_who_come_later(void **state)
{
    (void)state;
    pk_wait(&k, 0);
    pk_fail(&k, pk_dialing(&k, 0), BELAY_EMFILE);
    pk_pass(&k, 50);
    pk_wait(&k, 1);
    assert_int_equal(pk_dials(&k, 1), 0);
    pk_pass(&k, 50);
    assert_int_equal(pk_dials(&k, 1), 1);
}

static void a_closed_pool_dials_for_nobody(void **state)
{
    (void)state;
    pk_wait(&k, 0);
    pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
    k.pp.closed = true;
    pk_pass(&k, 1000);
    assert_int_equal(k.dials, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(dials_follow_from_waiters_and_expected_capacity, set_up),
        cmocka_unit_test_setup(what_one_connection_carries_is_learned, set_up),
        cmocka_unit_test_setup(a_capacity_of_0_teaches_nothing, set_up),
        cmocka_unit_test_setup(an_unknown_capacity_is_tried_one_by_one, set_up),
        cmocka_unit_test_setup(nobody_is_woken_for_a_dial_that_a_limit_forbids, set_up),
        cmocka_unit_test_setup(a_dial_serves_others_when_its_waiter_has_left, set_up),
        cmocka_unit_test_setup(a_lease_that_comes_back_saves_the_next_dial, set_up),
        cmocka_unit_test_setup(limits_are_hard, set_up),
        cmocka_unit_test_setup(a_closing_connection_counts_until_it_is_gone, set_up),
        cmocka_unit_test_setup(the_oldest_waiter_of_all_gets_the_slot_that_is_free, set_up),
        cmocka_unit_test_setup(a_waiter_evicts_what_is_idle_for_longest_elsewhere, set_up),
        cmocka_unit_test_setup(as_many_are_evicted_as_peers_are_eager, set_up),
        cmocka_unit_test_setup(a_released_connection_is_evicted_for_one_who_waits_elsewhere,
                               set_up),
        cmocka_unit_test_setup(one_who_wants_it_fresh_makes_room_among_the_used, set_up),
        cmocka_unit_test_setup(a_failed_dial_is_tried_again_later_and_later, set_up),
        cmocka_unit_test_setup(dials_that_fail_together_are_one_round, set_up),
        cmocka_unit_test_setup(who_came_later_has_all_retries_of_their_own, set_up),
        cmocka_unit_test_setup(without_retries_the_first_failure_is_told, set_up),
        cmocka_unit_test_setup(success_forgets_what_failed_before, set_up),
        cmocka_unit_test_setup(a_fatal_failure_is_told_to_all_at_once, set_up),
        cmocka_unit_test_setup(a_connector_may_say_that_it_is_final, set_up),
        cmocka_unit_test_setup(without_descriptors_all_dialling_rests_and_one_idle_goes, set_up),
        cmocka_unit_test_setup(without_memory_the_oldest_fails_and_dialling_rests, set_up),
        cmocka_unit_test_setup(a_queue_that_has_emptied_has_no_outage_behind_it, set_up),
        cmocka_unit_test_setup(the_pause_holds_for_those_who_come_later, set_up),
        cmocka_unit_test_setup(a_closed_pool_dials_for_nobody, set_up),
    };
    return cmocka_run_group_tests_name("keep_pool_dials", tests, NULL, NULL);
}
