/* SPDX-License-Identifier: MIT */
/* Which address is taken, moving to a better one while up, and leaving one that will close. */
#include "unit/keep/link_scene.h"

static void start_moving(const char *letters)
{
    link_kit_begin(&k, letters);
    k.options.move_interval_ms = 60000;
    link_kit_start(&k);
}

/* Up at b, as a was refused; the log is forgotten. Then it is 10 s. */
static void open_at_b(void)
{
    link_kit_begin(&k, "ab");
    k.options.move_interval_ms = 60000;
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    k.puppet.fail = 0;
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 failed ECONNECT a, 1 in a row, next 10000\n"
                      "10000 obtained b\n10000 connected b\n");
}

/* ---- which address ---- */

static void each_failure_leads_to_the_next_address(void **state)
{
    (void)state;
    link_kit_begin(&k, "abc");
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_open(&k);
    link_kit_pass(&k, 30000);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 failed ECONNECT a, 1 in a row, next 10000\n"
                      "10000 obtained b\n20000 obtained c\n30000 obtained a\n");
    k.puppet.fail = 0;
}

static void each_disconnect_leads_to_the_next_address(void **state)
{
    (void)state;
    link_kit_begin(&k, "ab");
    link_kit_open(&k);
    for (int i = 0; i < 3; i++) {
        link_kit_pass(&k, 10000);
        puppet_lose(link_kit_current(&k), BELAY_EEOF);
        link_kit_settle(&k);
    }
    link_kit_told(&k,
                  "0 attempting\n0 obtained a\n0 connected a\n10000 disconnected a: EEOF, next 0\n"
                  "10000 attempting\n10000 obtained b\n10000 connected b\n"
                  "20000 disconnected b: EEOF, next 0\n"
                  "20000 attempting\n20000 obtained a\n20000 connected a\n"
                  "30000 disconnected a: EEOF, next 0\n"
                  "30000 attempting\n30000 obtained b\n30000 connected b\n");
}

static void an_address_that_is_gone_leads_to_the_first(void **state)
{
    (void)state;
    link_kit_begin(&k, "ba");
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    link_kit_set_list(&k, "ca");
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "0 attempting\n0 obtained b\n0 failed ECONNECT b, 1 in a row, next 10000\n"
                      "10000 obtained c\n");
    k.puppet.fail = 0;
}

static void a_list_that_turns_is_walked_all_the_same(void **state)
{
    static const char *const turns[] = {"abc", "bca", "cab", "abc"};
    static const char expected[] = "abca";

    (void)state;
    link_kit_begin(&k, "abc");
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_open(&k);
    for (int i = 0; i < 4; i++) {
        link_kit_set_list(&k, turns[i]);
        link_kit_pass(&k, i == 0 ? 0 : 10000);
        assert_int_equal(belay_endpoint_host(belay_link_address(k.link) ? belay_link_address(k.link)
                                                                        : k.last.address)[0],
                         expected[i]);
    }
    k.puppet.fail = 0;
}

static void a_list_with_an_address_twice_is_walked_to_its_end(void **state)
{
    (void)state;
    link_kit_begin(&k, "aabc");
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_open(&k);
    link_kit_pass(&k, 40000);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 failed ECONNECT a, 1 in a row, next 10000\n"
                      "20000 obtained b\n30000 obtained c\n40000 obtained a\n");
    k.puppet.fail = 0;
}

static void equal_addresses_of_another_list_are_passed_over(void **state)
{
    (void)state;
    link_kit_begin(&k, "bca");
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_open(&k);
    link_kit_pass(&k, 20000);
    link_kit_set_list(&k, "aab");
    k.log[0] = 0;
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "30000 obtained b\n");
    k.puppet.fail = 0;
}

static void only_the_first_question_trusts_what_was_looked_up_before(void **state)
{
    (void)state;
    start_moving("ab");
    assert_false(k.source.fresh);
    puppet_lose(link_kit_current(&k), BELAY_EEOF);
    link_kit_pass(&k, 10000);
    assert_true(k.source.fresh); /* after a disconnect */
    k.source.fail = BELAY_EDNS;
    link_kit_pass(&k, 60000); /* for a better address */
    assert_int_equal(k.source.asked, 3);
    assert_false(k.source.fresh);
    puppet_lose(link_kit_current(&k), BELAY_EEOF);
    link_kit_pass(&k, 20000);
    assert_true(k.source.fresh);
    k.source.fail = 0;
}

/* ---- a better address ---- */

static void the_link_moves_to_the_first_address_before_it_leaves_the_other(void **state)
{
    struct puppet_conn *old;

    (void)state;
    open_at_b();
    old = link_kit_current(&k);
    k.puppet.capacity = 0;
    link_kit_pass(&k, 60000);
    assert_int_equal(puppet_live(&k.puppet), 2);
    assert_ptr_equal(link_kit_current(&k), old); /* while it dials */
    link_kit_told(&k, "");
    link_kit_pass(&k, 30);
    puppet_up(puppet_conn(&k.puppet, 2), 1);
    link_kit_settle(&k);
    link_kit_told(&k, "70030 disconnected b: here, next 0\n70030 attempting\n70030 obtained a\n"
                      "70030 connected a\n");
    assert_int_equal(old->reason, BELAY_REASON_RETIRED);
    assert_int_equal(link_kit_stats(&k).moves, 1);
    assert_int_equal(link_kit_stats(&k).attempts, 3);
    assert_int_equal(link_kit_stats(&k).up_ms, 60030); /* it was never down */
    assert_int_equal(puppet_live(&k.puppet), 1);
}

static void look_at_current(struct link_kit *kit, const struct belay_link_event *event)
{
    struct belay_lease lease;

    if (event->type == BELAY_LINK_DISCONNECTED && kit->arg) {
        assert_int_equal(belay_link_current(kit->link, &lease), 0);
        link_kit_note(kit, "current: %s",
                      link_kit_letter(kit, belay_conn_endpoint(belay_lease_conn(lease))));
    }
}

static void while_a_move_is_told_the_new_connection_is_current(void **state)
{
    (void)state;
    open_at_b();
    k.on_event = look_at_current;
    k.arg = &k;
    link_kit_pass(&k, 60000);
    k.arg = NULL;
    link_kit_told(&k, "70000 disconnected b: here, next 0\n70000 current: a\n70000 attempting\n"
                      "70000 obtained a\n70000 connected a\n");
}

static void a_move_makes_the_old_lease_stale(void **state)
{
    struct belay_lease lease;

    (void)state;
    open_at_b();
    assert_int_equal(belay_link_current(k.link, &lease), 0);
    link_kit_pass(&k, 60000);
    assert_false(belay_lease_valid(lease));
    assert_int_equal(belay_lease_release(lease, BELAY_BROKEN), BELAY_ESTALE);
    link_kit_settle(&k);
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_UP);
}

static void the_best_address_is_not_left(void **state)
{
    (void)state;
    start_moving("ab");
    k.log[0] = 0;
    link_kit_pass(&k, 600000);
    link_kit_told(&k, "");
    assert_int_equal(k.source.asked, 11);
    assert_int_equal(k.puppet.n, 1);
    assert_int_equal(link_kit_stats(&k).attempts, 1);
}

static void a_candidate_that_fails_changes_nothing(void **state)
{
    (void)state;
    open_at_b();
    k.puppet.fail = BELAY_ETLS;
    k.lines[0] = 0;
    link_kit_pass(&k, 60000);
    link_kit_told(&k, "");
    assert_string_equal(k.lines,
                        "4 persistent-connection-to: catalog: stays with tcp://b.test:1: puppet: "
                        "TLS failed\n");
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_UP);
    assert_int_equal(link_kit_stats(&k).failures, 0);
    assert_int_equal(link_kit_stats(&k).failed[BELAY_STAGE_PROTOCOL], 2);
    assert_int_equal(k.puppet.n, 3);
    link_kit_pass(&k, 59999);
    assert_int_equal(k.puppet.n, 3);
    link_kit_pass(&k, 1); /* as often as before */
    assert_int_equal(k.puppet.n, 4);
    k.puppet.fail = 0;
}

/* Else a link whose best address is down would not be dialled again at once when it dies. */
static void a_candidate_that_fails_throttles_candidates_alone(void **state)
{
    (void)state;
    open_at_b();
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_pass(&k, 60000);
    assert_int_equal(k.puppet.n, 3);
    k.puppet.fail = 0;
    link_kit_pass(&k, 1000);
    puppet_lose(link_kit_current(&k), BELAY_EEOF);
    link_kit_settle(&k);
    link_kit_told(&k, "71000 disconnected b: EEOF, next 0\n71000 attempting\n71000 obtained a\n"
                      "71000 connected a\n");
}

static void a_candidate_too_has_its_limit(void **state)
{
    (void)state;
    open_at_b();
    k.source.later = true;
    link_kit_pass(&k, 60000);
    assert_int_equal(k.source.asked, 3);
    link_kit_pass(&k, 30000);
    assert_int_equal(k.source.cancelled, 1);
    assert_int_equal(link_kit_stats(&k).failed[BELAY_STAGE_RESOLVE], 1);
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_UP);
    link_kit_told(&k, "");
}

static void when_the_old_one_dies_the_candidate_is_the_attempt(void **state)
{
    (void)state;
    open_at_b();
    k.puppet.capacity = 0;
    link_kit_pass(&k, 60000);
    puppet_lose(link_kit_current(&k), BELAY_ERESET);
    link_kit_settle(&k);
    link_kit_told(&k, "70000 disconnected b: ERESET, next 0\n70000 attempting\n70000 obtained a\n");
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_DIALING);
    puppet_up(puppet_conn(&k.puppet, 2), 1);
    link_kit_settle(&k);
    link_kit_told(&k, "70000 connected a\n");
    assert_int_equal(k.puppet.n, 3);
}

static void when_the_old_one_dies_the_question_goes_on(void **state)
{
    (void)state;
    open_at_b();
    k.source.later = true;
    link_kit_pass(&k, 60000);
    puppet_lose(link_kit_current(&k), BELAY_ERESET);
    link_kit_settle(&k);
    link_kit_told(&k, "70000 disconnected b: ERESET, next 0\n70000 attempting\n");
    link_kit_pass(&k, 500);
    link_kit_answer(&k);
    link_kit_told(&k, "70500 obtained a\n70500 connected a\n");
    assert_int_equal(k.source.asked, 3);
}

static void closing_cancels_the_candidate_and_closes_the_current(void **state)
{
    (void)state;
    open_at_b();
    k.puppet.capacity = 0;
    link_kit_pass(&k, 60000);
    link_kit_close(&k);
    link_kit_told(&k, "70000 disconnected b: here, next none\n70000 closed\n");
    assert_int_equal(puppet_conn(&k.puppet, 2)->cancels, 1);
}

static void a_link_that_ends_with_its_connection_wants_no_candidate(void **state)
{
    (void)state;
    open_at_b();
    k.puppet.capacity = 0;
    link_kit_pass(&k, 60000);
    belay_link_close_when_current_closes(k.link);
    link_kit_pass(&k, 600000);
    assert_int_equal(puppet_conn(&k.puppet, 2)->cancels, 1);
    assert_int_equal(k.puppet.n, 3);
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_UP);
    link_kit_told(&k, "");
    belay_link_close(k.link, link_kit_on_closed, &k);
}

/* ---- a connection that will close ---- */

static void a_draining_connection_is_replaced_before_it_closes(void **state)
{
    struct puppet_conn *old;

    (void)state;
    start_moving("ab");
    old = link_kit_current(&k);
    link_kit_pass(&k, 20000);
    k.log[0] = 0;
    k.puppet.capacity = 0;
    belay_conn_draining(old->conn);
    link_kit_settle(&k);
    assert_int_equal(puppet_live(&k.puppet), 2);
    assert_ptr_equal(link_kit_current(&k), old);
    link_kit_pass(&k, 100);
    puppet_up(puppet_conn(&k.puppet, 1), 1);
    link_kit_settle(&k);
    link_kit_told(&k, "20100 disconnected a: here, next 0\n20100 attempting\n20100 obtained b\n"
                      "20100 connected b\n");
    assert_int_equal(old->reason, BELAY_REASON_DRAINING);
}

static void a_single_address_that_drains_is_dialled_again(void **state)
{
    (void)state;
    start_moving("a");
    link_kit_pass(&k, 20000);
    k.log[0] = 0;
    belay_conn_draining(link_kit_current(&k)->conn);
    link_kit_settle(&k);
    link_kit_told(&k, "20000 disconnected a: here, next 0\n20000 attempting\n20000 obtained a\n"
                      "20000 connected a\n");
}

static void those_who_drain_at_once_are_throttled(void **state)
{
    (void)state;
    start_moving("a");
    for (int i = 0; i < 50; i++) {
        belay_conn_draining(link_kit_current(&k)->conn);
        link_kit_pass(&k, 1000);
    }
    assert_int_equal(k.puppet.n, 6); /* at 0, 10, ..., 50 s */
}

static void a_draining_connection_stays_while_no_candidate_comes_up(void **state)
{
    struct puppet_conn *old;

    (void)state;
    start_moving("ab");
    old = link_kit_current(&k);
    link_kit_pass(&k, 20000);
    k.log[0] = 0;
    k.puppet.fail = BELAY_ECONNECT;
    belay_conn_draining(old->conn);
    link_kit_pass(&k, 30000);
    link_kit_told(&k, "");
    assert_int_equal(k.puppet.n, 5); /* at 20, 30, 40 and 50 s */
    assert_ptr_equal(link_kit_current(&k), old);
    puppet_lose(old, BELAY_EEOF);
    link_kit_settle(&k);
    link_kit_told(&k, "50000 disconnected a: EEOF, next 10000\n");
    k.puppet.fail = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_failure_leads_to_the_next_address),
        T(each_disconnect_leads_to_the_next_address),
        T(an_address_that_is_gone_leads_to_the_first),
        T(a_list_that_turns_is_walked_all_the_same),
        T(a_list_with_an_address_twice_is_walked_to_its_end),
        T(equal_addresses_of_another_list_are_passed_over),
        T(only_the_first_question_trusts_what_was_looked_up_before),
        T(the_link_moves_to_the_first_address_before_it_leaves_the_other),
        T(while_a_move_is_told_the_new_connection_is_current),
        T(a_move_makes_the_old_lease_stale),
        T(the_best_address_is_not_left),
        T(a_candidate_that_fails_changes_nothing),
        T(a_candidate_that_fails_throttles_candidates_alone),
        T(a_candidate_too_has_its_limit),
        T(when_the_old_one_dies_the_candidate_is_the_attempt),
        T(when_the_old_one_dies_the_question_goes_on),
        T(closing_cancels_the_candidate_and_closes_the_current),
        T(a_link_that_ends_with_its_connection_wants_no_candidate),
        T(a_draining_connection_is_replaced_before_it_closes),
        T(a_single_address_that_drains_is_dialled_again),
        T(those_who_drain_at_once_are_throttled),
        T(a_draining_connection_stays_while_no_candidate_comes_up),
    };
    return cmocka_run_group_tests_name("keep_link_move", tests, NULL, NULL);
}
