/* SPDX-License-Identifier: MIT */
/*
 * The link's course, with exact times: each row of the seed's state table (START, TRY, RESOLVING,
 * DIALING, FAILED, UP) in belay's form, and the two scenarios of its own tests.
 */
#include "unit/keep/link_scene.h"

/* ---- START ---- */

static void opening_tells_nothing_before_the_next_turn(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    link_kit_open(&k);
    link_kit_told(&k, "");
    assert_int_equal(k.source.asked, 0);
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_WAITING);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 connected a\n");
    assert_int_equal(k.source.asked, 1);
    assert_int_equal(k.puppet.n, 1);
}

/* ---- TRY ---- */

static void close_on(struct link_kit *kit, const struct belay_link_event *event)
{
    if ((int)event->type == (int)(intptr_t)kit->arg)
        belay_link_close(kit->link, link_kit_on_closed, kit);
}

static void a_link_closed_while_it_says_attempting_asks_no_source(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.on_event = close_on;
    k.arg = (void *)(intptr_t)BELAY_LINK_ATTEMPTING_TO_CONNECT;
    link_kit_start(&k);
    link_kit_told(&k, "0 attempting\n0 closed\n");
    assert_int_equal(k.source.asked, 0);
}

static int64_t delays_asked;

static int64_t say_delay(int32_t failures, void *arg)
{
    struct link_kit *kit = arg;

    delays_asked++;
    link_kit_note(kit, "delay after %d", (int)failures);
    return 500;
}

static void the_delay_is_asked_for_before_the_source_is_once_per_attempt(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.options.retry_delay = say_delay;
    k.options.retry_delay_arg = &k;
    k.options.retry_delay_ms = 0;
    k.source.later = true;
    delays_asked = 0;
    link_kit_start(&k);
    link_kit_told(&k, "0 attempting\n0 delay after 0\n");
    assert_int_equal(k.source.asked, 1);
    link_kit_pass(&k, 100);
    k.source.fail = BELAY_EDNS;
    link_kit_answer(&k);
    link_kit_told(&k, "100 failed EDNS -, 1 in a row, next 400\n");
    link_kit_pass(&k, 400);
    link_kit_told(&k, "500 delay after 1\n");
    assert_int_equal(delays_asked, 2);
    k.source.fail = 0;
}

static void the_delay_counts_from_the_start_of_the_attempt(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.capacity = 0;
    link_kit_start(&k);
    link_kit_pass(&k, 3000);
    puppet_fail(puppet_conn(&k.puppet, 0), BELAY_ECONNECT);
    link_kit_settle(&k);
    link_kit_told(&k,
                  "0 attempting\n0 obtained a\n3000 failed ECONNECT a, 1 in a row, next 7000\n");
    link_kit_pass(&k, 6999);
    assert_int_equal(k.source.asked, 1);
    link_kit_pass(&k, 1);
    assert_int_equal(k.source.asked, 2);
    assert_int_equal(k.puppet.n, 2);
}

/* ---- RESOLVING ---- */

static void a_source_that_fails_is_a_failed_attempt_without_an_address(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.source.fail = BELAY_EDNS;
    link_kit_start(&k);
    link_kit_told(&k, "0 attempting\n0 failed EDNS -, 1 in a row, next 10000\n");
    assert_int_equal(k.puppet.n, 0);
    assert_null(belay_link_address(k.link));
    assert_int_equal(link_kit_stats(&k).failed[BELAY_STAGE_RESOLVE], 1);
}

static void an_address_is_told_once_per_episode_until_it_is_another(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 failed ECONNECT a, 1 in a row, next 10000\n");
    link_kit_pass(&k, 10000);
    link_kit_told(&k, ""); /* the same address, the same error */
    assert_int_equal(k.puppet.n, 2);
    link_kit_set_list(&k, "b");
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "20000 obtained b\n");
    link_kit_set_list(&k, "a");
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "30000 obtained a\n"); /* the last one alone is remembered */
    k.puppet.fail = 0;
}

/* ---- DIALING ---- */

static void a_connection_is_given_to_those_who_wait_before_it_is_told(void **state)
{
    struct link_wait first = {0}, second = {0};

    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.capacity = 0;
    link_kit_open(&k);
    assert_int_equal(link_wait_for(&first, &k, "first", BELAY_FOREVER, false), 0);
    assert_int_equal(link_wait_for(&second, &k, "second", BELAY_FOREVER, true), 0);
    link_kit_pass(&k, 20);
    puppet_up(puppet_conn(&k.puppet, 0), 1);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n20 first: up\n20 second: up\n20 connected a\n");
    assert_memory_equal(&first.lease, &second.lease, sizeof first.lease);
}

static void a_success_forgets_the_failures(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    link_kit_pass(&k, 20000);
    assert_int_equal(link_kit_stats(&k).failures, 3);
    k.puppet.fail = 0;
    link_kit_pass(&k, 10000);
    assert_int_equal(link_kit_stats(&k).failures, 0);
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_UP);
    assert_int_equal(k.last.type, BELAY_LINK_CONNECTED);
    assert_int_equal(k.last.failures, 0);
}

static void a_dial_that_fails_answers_who_waits_for_its_result_alone(void **state)
{
    struct link_wait patient = {0}, curious = {0};

    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.capacity = 0;
    link_kit_open(&k);
    assert_int_equal(link_wait_for(&patient, &k, "patient", BELAY_FOREVER, false), 0);
    assert_int_equal(link_wait_for(&curious, &k, "curious", BELAY_FOREVER, true), 0);
    link_kit_settle(&k);
    puppet_fail(puppet_conn(&k.puppet, 0), BELAY_ECONNECT);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 curious: ECONNECT\n"
                      "0 failed ECONNECT a, 1 in a row, next 10000\n");
    link_kit_pass(&k, 10000);
    puppet_up(puppet_conn(&k.puppet, 1), 1);
    link_kit_settle(&k);
    link_kit_told(&k, "10000 patient: up\n10000 connected a\n");
}

/* ---- FAILED ---- */

static void an_error_is_told_once_per_episode_until_it_is_another(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    link_kit_pass(&k, 10000);
    k.puppet.fail = BELAY_ETLS;
    link_kit_pass(&k, 10000);
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "0 attempting\n0 obtained a\n"
                      "0 failed ECONNECT a, 1 in a row, next 10000\n"
                      "20000 failed ETLS a, 3 in a row, next 10000\n"
                      "30000 failed ECONNECT a, 4 in a row, next 10000\n");
    assert_int_equal(link_kit_stats(&k).attempts, 4);
    k.puppet.fail = 0;
}

static void a_retry_says_no_second_attempting(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    link_kit_pass(&k, 30000);
    assert_int_equal(k.events[BELAY_LINK_ATTEMPTING_TO_CONNECT], 1);
    assert_int_equal(k.puppet.n, 4);
    k.puppet.fail = 0;
}

/* ---- UP ---- */

static void a_lost_connection_begins_a_new_episode_after_the_delay(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    link_kit_pass(&k, 4000);
    puppet_lose(link_kit_current(&k), BELAY_ERESET);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 connected a\n"
                      "4000 disconnected a: ERESET, next 6000\n");
    link_kit_pass(&k, 6000);
    link_kit_told(&k, "10000 attempting\n10000 obtained a\n10000 connected a\n");
    assert_int_equal(puppet_conn(&k.puppet, 0)->closes, 1);
    assert_false(belay_link_is_closed(k.link));
}

static void closing_ends_the_wait_between_attempts_at_once(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    puppet_lose(link_kit_current(&k), BELAY_ERESET);
    link_kit_pass(&k, 1000);
    k.log[0] = 0;
    link_kit_close(&k);
    link_kit_told(&k, "1000 closed\n");
    assert_int_equal(k.puppet.n, 1);
}

/* ---- CLOSED ---- */

static void nothing_restarts_a_link_that_was_closed(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    belay_link_ref(k.link);
    struct belay_link *link = k.link;
    k.log[0] = 0;
    link_kit_close(&k);
    link_kit_told(&k, "0 disconnected a: here, next none\n0 closed\n");
    belay_link_kick(link);
    belay_link_reset_backoff(link);
    belay_loop_network_changed(k.loop);
    link_kit_pass(&k, 100000);
    link_kit_told(&k, "");
    assert_int_equal(k.puppet.n, 1);
    assert_true(belay_link_is_closed(link));
    belay_link_unref(link);
}

/* ---- the seed's own two ---- */

static void seed_events_of_a_life(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    assert_true(belay_lease_valid((struct belay_lease){0}) == false);
    assert_int_equal(link_kit_current(&k)->acquires, 1); /* it works */
    link_kit_close(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 connected a\n"
                      "0 disconnected a: here, next none\n0 closed\n");
}

static void seed_log_of_a_failed_look_up(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.source.fail = BELAY_EDNS;
    link_kit_start(&k);
    k.source.fail = 0;
    link_kit_pass(&k, 10000);
    link_kit_close(&k);
    assert_string_equal(
        k.lines,
        "4 persistent-connection-to: catalog: attempting to connect\n"
        "2 persistent-connection-to: catalog: failed to connect: puppet: the name could not be "
        "looked up; next attempt in 10000 ms\n"
        "4 persistent-connection-to: catalog: obtained address tcp://a.test:1\n"
        "4 persistent-connection-to: catalog: connected to tcp://a.test:1\n"
        "4 persistent-connection-to: catalog: disconnected from tcp://a.test:1; no further "
        "attempt\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(opening_tells_nothing_before_the_next_turn),
        T(a_link_closed_while_it_says_attempting_asks_no_source),
        T(the_delay_is_asked_for_before_the_source_is_once_per_attempt),
        T(the_delay_counts_from_the_start_of_the_attempt),
        T(a_source_that_fails_is_a_failed_attempt_without_an_address),
        T(an_address_is_told_once_per_episode_until_it_is_another),
        T(a_connection_is_given_to_those_who_wait_before_it_is_told),
        T(a_success_forgets_the_failures),
        T(a_dial_that_fails_answers_who_waits_for_its_result_alone),
        T(an_error_is_told_once_per_episode_until_it_is_another),
        T(a_retry_says_no_second_attempting),
        T(a_lost_connection_begins_a_new_episode_after_the_delay),
        T(closing_ends_the_wait_between_attempts_at_once),
        T(nothing_restarts_a_link_that_was_closed),
        T(seed_events_of_a_life),
        T(seed_log_of_a_failed_look_up),
    };
    return cmocka_run_group_tests_name("keep_link", tests, NULL, NULL);
}
