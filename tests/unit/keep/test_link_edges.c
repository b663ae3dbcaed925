/* SPDX-License-Identifier: MIT */
/* The edges of the seed's semantics, in belay's form: delays, repeats, waiters, close. */
#include "unit/keep/link_scene.h"

/* ---- delays ---- */

static void an_attempt_slower_than_the_delay_is_repeated_at_once(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.capacity = 0;
    k.options.dial =
        &(struct belay_dial_options){BELAY_SIZED(belay_dial_options), .session_timeout_ms = 12000};
    link_kit_start(&k);
    link_kit_pass(&k, 12000);
    link_kit_told(&k, "0 attempting\n0 obtained a\n12000 failed ETIMEDOUT a, 1 in a row, next 0\n");
    assert_int_equal(k.puppet.n, 2);
}

static void a_connection_that_lived_long_is_dialled_again_at_once(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    link_kit_pass(&k, 60000);
    k.log[0] = 0;
    puppet_lose(link_kit_current(&k), BELAY_EEOF);
    link_kit_settle(&k);
    link_kit_told(&k, "60000 disconnected a: EEOF, next 0\n60000 attempting\n60000 obtained a\n"
                      "60000 connected a\n");
}

static void a_connection_that_flaps_is_throttled_to_one_attempt_per_delay(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    for (int i = 0; i < 50; i++) {
        struct belay_lease lease;

        if (belay_link_current(k.link, &lease) == 0)
            puppet_lose(link_kit_current(&k), BELAY_ERESET);
        link_kit_pass(&k, 1000);
    }
    assert_int_equal(k.puppet.n, 6); /* at 0, 10, 20, 30, 40 and 50 s */
}

/* Draws: each delay lies within 30 per cent, and they are not the same. */
static void the_delay_is_spread_by_thirty_per_cent(void **state)
{
    int64_t least = INT64_MAX, most = 0;

    (void)state;
    link_kit_begin(&k, "a");
    k.options.retry_spread = 0;
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    for (int i = 0; i < 100; i++) {
        int64_t next = link_kit_stats(&k).next_ms;

        assert_true(next >= 7000 && next <= 13000);
        least = next < least ? next : least;
        most = next > most ? next : most;
        link_kit_pass(&k, next);
    }
    assert_true(least < 7500 && most > 12500);
    k.puppet.fail = 0;
}

static void without_spread_the_delay_is_exact(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(link_kit_stats(&k).next_ms, 10000);
        link_kit_pass(&k, 10000);
    }
    k.puppet.fail = 0;
}

static int64_t double_it(int32_t failures, void *arg)
{
    (void)arg;
    return INT64_C(100) << failures;
}

static void the_callers_function_decides_by_the_number_of_failures(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.options.retry_delay_ms = 0;
    k.options.retry_delay = double_it;
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(link_kit_stats(&k).next_ms, 100 << i);
        link_kit_pass(&k, 100 << i);
    }
    k.puppet.fail = 0;
}

static int64_t half_a_minute(int32_t failures, void *arg)
{
    (void)failures;
    (void)arg;
    return 30000;
}

static void the_spread_applies_to_what_the_callers_function_says(void **state)
{
    int64_t least = INT64_MAX, most = 0;

    (void)state;
    link_kit_begin(&k, "a");
    k.options.retry_delay_ms = 0;
    k.options.retry_delay = half_a_minute;
    k.options.retry_spread = 50;
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    for (int i = 0; i < 100; i++) {
        int64_t next = link_kit_stats(&k).next_ms;

        least = next < least ? next : least;
        most = next > most ? next : most;
        link_kit_pass(&k, next);
    }
    assert_true(least >= 15000 && least < 17000 && most > 43000 && most <= 45000);
    k.puppet.fail = 0;
}

static int64_t below_zero(int32_t failures, void *arg)
{
    (void)arg;
    return failures < 20 ? -5 : 1000;
}

static void a_negative_delay_is_none(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.options.retry_delay_ms = 0;
    k.options.retry_delay = below_zero;
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    link_kit_pass(&k, 1);
    assert_int_equal(k.puppet.n, 21);
    assert_int_equal(link_kit_stats(&k).next_ms, 999);
    k.puppet.fail = 0;
}

/* ---- repeats ---- */

static void a_repeated_failure_is_a_result_although_it_is_not_told(void **state)
{
    struct link_wait w = {0};

    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    assert_int_equal(link_wait_for(&w, &k, "w", BELAY_FOREVER, true), 0);
    k.log[0] = 0;
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "10000 w: ECONNECT\n");
    k.puppet.fail = 0;
}

static void a_new_episode_tells_the_same_again(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    k.puppet.fail = BELAY_ECONNECT;
    puppet_lose(link_kit_current(&k), BELAY_ERESET);
    link_kit_pass(&k, 10000);
    k.puppet.fail = 0;
    link_kit_pass(&k, 10000);
    k.puppet.fail = BELAY_ECONNECT;
    puppet_lose(link_kit_current(&k), BELAY_ERESET);
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 connected a\n"
                      "0 disconnected a: ERESET, next 10000\n"
                      "10000 attempting\n10000 obtained a\n"
                      "10000 failed ECONNECT a, 1 in a row, next 10000\n"
                      "20000 connected a\n20000 disconnected a: ERESET, next 10000\n"
                      "30000 attempting\n30000 obtained a\n"
                      "30000 failed ECONNECT a, 1 in a row, next 10000\n");
    k.puppet.fail = 0;
}

/* ---- waiters ---- */

static void who_asks_while_it_is_up_is_answered_in_the_next_turn(void **state)
{
    struct link_wait w = {0};

    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    k.log[0] = 0;
    assert_int_equal(link_wait_for(&w, &k, "w", 0, false), 0); /* even with no time at all */
    link_kit_settle(&k);
    link_kit_told(&k, "0 w: up\n");
}

static void a_connection_known_to_be_dead_is_given_to_nobody(void **state)
{
    struct link_wait w = {0};
    struct belay_lease lease;

    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    k.log[0] = 0;
    puppet_lose(link_kit_current(&k), BELAY_ERESET); /* reported, and not told yet */
    assert_int_equal(belay_link_current(k.link, &lease), BELAY_EAGAIN);
    assert_int_equal(link_wait_for(&w, &k, "w", BELAY_FOREVER, false), 0);
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "0 disconnected a: ERESET, next 10000\n10000 attempting\n10000 obtained a\n"
                      "10000 w: up\n10000 connected a\n");
}

static void who_asks_after_close_is_refused(void **state)
{
    struct link_wait w = {0};
    struct belay_lease lease;

    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    belay_link_close(k.link, link_kit_on_closed, &k);
    assert_int_equal(link_wait_for(&w, &k, "w", 0, false), BELAY_ECLOSED);
    assert_int_equal(link_wait_for(&w, &k, "w", 0, true), BELAY_ECLOSED);
    assert_int_equal(belay_link_current(k.link, &lease), BELAY_ECLOSED);
    assert_true(belay_link_is_closed(k.link)); /* from the call on */
    link_kit_settle(&k);
    assert_int_equal(w.told, 0);
}

/* ---- close ---- */

static void closing_while_dialling_cancels_without_an_event(void **state)
{
    struct link_wait w = {0};

    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.capacity = 0;
    link_kit_open(&k);
    assert_int_equal(link_wait_for(&w, &k, "w", BELAY_FOREVER, false), 0);
    link_kit_settle(&k);
    k.log[0] = 0;
    link_kit_close(&k);
    link_kit_told(&k, "0 w: ECLOSED\n0 closed\n");
    assert_int_equal(puppet_conn(&k.puppet, 0)->cancels, 1);
}

static void closing_while_resolving_cancels_the_question(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.source.later = true;
    link_kit_start(&k);
    k.log[0] = 0;
    link_kit_close(&k);
    link_kit_told(&k, "0 closed\n");
    assert_int_equal(k.source.cancelled, 1);
}

static void closing_overtakes_what_came_up_at_the_same_time(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.capacity = 0;
    link_kit_start(&k);
    k.log[0] = 0;
    puppet_up(puppet_conn(&k.puppet, 0), 1); /* reported, and not told yet */
    link_kit_close(&k);
    link_kit_told(&k, "0 closed\n");
}

static void closing_overtakes_an_answer_that_came_at_the_same_time(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.source.later = true;
    link_kit_start(&k);
    k.log[0] = 0;
    belay_source_answer(k.source.query, k.source.list, 1, NULL);
    k.source.query = NULL;
    link_kit_close(&k);
    link_kit_told(&k, "0 closed\n");
    assert_int_equal(k.puppet.n, 0);
}

static void closing_twice_is_closing_once(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    k.log[0] = 0;
    belay_link_close(k.link, NULL, NULL);
    belay_link_close(k.link, link_kit_on_closed, &k);
    link_kit_settle(&k);
    link_kit_told(&k, "0 disconnected a: here, next none\n0 closed\n");
    assert_int_equal(puppet_conn(&k.puppet, 0)->closes, 1);
    assert_int_equal(puppet_conn(&k.puppet, 0)->reason, BELAY_REASON_OWNER_CLOSED);
}

static void note_end(void *arg)
{
    link_kit_note(arg, "watched");
}

static void the_end_comes_after_disconnected_and_after_the_connection_is_closed(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.close_later = true;
    link_kit_start(&k);
    k.log[0] = 0;
    assert_int_equal(belay_link_close_finished(k.link, note_end, &k), 0);
    belay_link_close(k.link, link_kit_on_closed, &k);
    link_kit_pass(&k, 700);
    link_kit_told(&k, "0 disconnected a: here, next none\n");
    puppet_closed(puppet_conn(&k.puppet, 0));
    link_kit_settle(&k);
    link_kit_told(&k, "700 closed\n700 watched\n");
}

static void the_peers_close_never_closes_the_link(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    for (int i = 0; i < 20; i++) {
        puppet_lose(link_kit_current(&k), BELAY_EEOF);
        assert_false(belay_link_is_closed(k.link));
        link_kit_pass(&k, 10000);
    }
    assert_int_equal(k.events[BELAY_LINK_CONNECTED], 21);
}

/* ---- close when the current connection closes ---- */

static void it_may_end_with_its_connection(void **state)
{
    struct belay_lease lease;

    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    k.log[0] = 0;
    assert_int_equal(belay_link_close_finished(k.link, note_end, &k), 0);
    belay_link_close_when_current_closes(k.link);
    link_kit_pass(&k, 5000);
    link_kit_told(&k, ""); /* it is left alone */
    assert_int_equal(belay_link_current(k.link, &lease), 0);
    puppet_lose(link_kit_current(&k), BELAY_EEOF);
    k.link = NULL; /* it goes */
    link_kit_settle(&k);
    link_kit_told(&k, "5000 disconnected a: EEOF, next none\n5000 watched\n");
    assert_true(bl_list_empty(&k.loop->objects)); /* it went */
}

static void without_a_connection_it_ends_at_once(void **state)
{
    struct link_wait w = {0};

    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.capacity = 0;
    link_kit_open(&k);
    assert_int_equal(link_wait_for(&w, &k, "w", BELAY_FOREVER, false), 0);
    link_kit_settle(&k);
    k.log[0] = 0;
    assert_int_equal(belay_link_close_finished(k.link, note_end, &k), 0);
    belay_link_close_when_current_closes(k.link);
    k.link = NULL;
    link_kit_settle(&k);
    link_kit_told(&k, "0 w: ECLOSED\n0 watched\n");
}

static void close_overtakes_the_end_with_the_connection(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    link_kit_start(&k);
    k.log[0] = 0;
    belay_link_close_when_current_closes(k.link);
    link_kit_settle(&k);
    link_kit_close(&k);
    link_kit_told(&k, "0 disconnected a: here, next none\n0 closed\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_attempt_slower_than_the_delay_is_repeated_at_once),
        T(a_connection_that_lived_long_is_dialled_again_at_once),
        T(a_connection_that_flaps_is_throttled_to_one_attempt_per_delay),
        T(the_delay_is_spread_by_thirty_per_cent),
        T(without_spread_the_delay_is_exact),
        T(the_callers_function_decides_by_the_number_of_failures),
        T(the_spread_applies_to_what_the_callers_function_says),
        T(a_negative_delay_is_none),
        T(a_repeated_failure_is_a_result_although_it_is_not_told),
        T(a_new_episode_tells_the_same_again),
        T(who_asks_while_it_is_up_is_answered_in_the_next_turn),
        T(a_connection_known_to_be_dead_is_given_to_nobody),
        T(who_asks_after_close_is_refused),
        T(closing_while_dialling_cancels_without_an_event),
        T(closing_while_resolving_cancels_the_question),
        T(closing_overtakes_what_came_up_at_the_same_time),
        T(closing_overtakes_an_answer_that_came_at_the_same_time),
        T(closing_twice_is_closing_once),
        T(the_end_comes_after_disconnected_and_after_the_connection_is_closed),
        T(the_peers_close_never_closes_the_link),
        T(it_may_end_with_its_connection),
        T(without_a_connection_it_ends_at_once),
        T(close_overtakes_the_end_with_the_connection),
    };
    return cmocka_run_group_tests_name("keep_link_edges", tests, NULL, NULL);
}
