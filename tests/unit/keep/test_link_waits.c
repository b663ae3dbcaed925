/* SPDX-License-Identifier: MIT */
/* Those who wait: deadlines, cancelling, limits, the end; the lease that all share; kick, reset, and
 * statistics. */
#include "unit/keep/link_scene.h"

static void open_failing(void)
{
    link_kit_begin(&k, "a");
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_start(&k);
    k.log[0] = 0;
}

/* ---- deadlines ---- */

static void a_deadline_passes_and_the_text_says_what_the_attempts_came_to(void **state)
{
    struct link_wait w = {0};

    (void)state;
    open_failing();
    assert_int_equal(link_wait_for(&w, &k, "w", 25000, false), 0);
    link_kit_pass(&k, 24999);
    assert_int_equal(w.told, 0);
    link_kit_pass(&k, 1);
    link_kit_told(&k, "25000 w: ETIMEDOUT\n");
    assert_string_equal(w.text, "waiting for a connection to catalog: none within 25000 ms; "
                                "puppet: could not connect");
}

static void a_deadline_before_the_first_result_says_no_more_than_that(void **state)
{
    struct link_wait w = {0};

    (void)state;
    open_with("a");
    k.puppet.capacity = 0;
    assert_int_equal(link_wait_for(&w, &k, "w", 10, true), 0);
    link_kit_pass(&k, 10);
    assert_string_equal(w.text, "waiting for a connection to catalog: none within 10 ms");
}

static void each_waiter_has_its_own_deadline(void **state)
{
    struct link_wait a = {0}, b = {0}, c = {0};

    (void)state;
    open_failing();
    assert_int_equal(link_wait_for(&a, &k, "a", 300, false), 0);
    assert_int_equal(link_wait_for(&b, &k, "b", 100, false), 0);
    assert_int_equal(link_wait_for(&c, &k, "c", BELAY_FOREVER, false), 0);
    k.puppet.fail = 0;
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "100 b: ETIMEDOUT\n300 a: ETIMEDOUT\n10000 c: up\n10000 connected a\n");
}

static void a_waiter_may_be_cancelled(void **state)
{
    struct link_wait w = {0}, other = {0};

    (void)state;
    open_failing();
    assert_int_equal(link_wait_for(&w, &k, "w", 50, false), 0);
    assert_int_equal(link_wait_for(&other, &k, "other", BELAY_FOREVER, true), 0);
    belay_link_waiter_cancel(w.waiter);
    belay_link_waiter_cancel(NULL);
    k.puppet.fail = 0;
    link_kit_pass(&k, 20000);
    link_kit_told(&k, "10000 other: up\n10000 connected a\n");
    assert_int_equal(link_kit_stats(&k).waiting, 0);
}

static struct link_wait victim;

static void cancel_victim(struct link_wait *w)
{
    (void)w;
    belay_link_waiter_cancel(victim.waiter);
}

static void a_waiter_may_be_cancelled_by_one_that_is_answered_before(void **state)
{
    struct link_wait w = {.then = cancel_victim};

    (void)state;
    memset(&victim, 0, sizeof victim);
    open_with("a");
    assert_int_equal(link_wait_for(&w, &k, "w", BELAY_FOREVER, false), 0);
    assert_int_equal(link_wait_for(&victim, &k, "victim", BELAY_FOREVER, false), 0);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 w: up\n0 connected a\n");
}

static void there_is_a_limit_to_those_who_wait(void **state)
{
    struct link_wait a = {0}, b = {0}, c = {0};

    (void)state;
    link_kit_begin(&k, "a");
    k.options.max_waiters = 2;
    k.puppet.capacity = 0;
    link_kit_open(&k);
    assert_int_equal(link_wait_for(&a, &k, "a", 10, false), 0);
    assert_int_equal(link_wait_for(&b, &k, "b", 10, true), 0);
    assert_int_equal(link_wait_for(&c, &k, "c", 10, false), BELAY_EFULL);
    assert_int_equal(link_kit_stats(&k).waiting, 2);
    link_kit_pass(&k, 10);
    assert_int_equal(link_wait_for(&c, &k, "c", 10, false), 0);
    link_kit_pass(&k, 10);
    assert_int_equal(c.told, 1);
}

static void nonsense_is_refused(void **state)
{
    struct link_wait w = {0};

    (void)state;
    open_with("a");
    assert_int_equal(link_wait_for(&w, &k, "w", -1, false), BELAY_EINVAL);
    assert_int_equal(link_wait_for(&w, &k, "w", -3, true), BELAY_EINVAL);
    assert_int_equal(belay_link_connected(k.link, 0, NULL, NULL, NULL), BELAY_EINVAL);
}

static struct link_wait newcomer;

static void bring_a_newcomer(struct link_wait *w)
{
    assert_int_equal(link_wait_for(&newcomer, w->kit, "newcomer", BELAY_FOREVER, false), 0);
}

static void who_comes_in_a_callback_comes_last(void **state)
{
    struct link_wait first = {0}, result = {.then = bring_a_newcomer};

    (void)state;
    memset(&newcomer, 0, sizeof newcomer);
    open_failing();
    assert_int_equal(link_wait_for(&result, &k, "result", BELAY_FOREVER, true), 0);
    assert_int_equal(link_wait_for(&first, &k, "first", BELAY_FOREVER, false), 0);
    link_kit_pass(&k, 10000);
    k.puppet.fail = 0;
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "10000 result: ECONNECT\n20000 first: up\n20000 newcomer: up\n"
                      "20000 connected a\n");
}

static void order_is_that_of_arrival_after_some_were_answered(void **state)
{
    struct link_wait a = {0}, b = {0}, c = {0};

    (void)state;
    open_failing();
    assert_int_equal(link_wait_for(&a, &k, "a", BELAY_FOREVER, false), 0);
    assert_int_equal(link_wait_for(&b, &k, "b", BELAY_FOREVER, true), 0);
    assert_int_equal(link_wait_for(&c, &k, "c", BELAY_FOREVER, false), 0);
    link_kit_pass(&k, 10000);
    k.puppet.fail = 0;
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "10000 b: ECONNECT\n20000 a: up\n20000 c: up\n20000 connected a\n");
}

/* ---- the shared lease ---- */

static void releasing_the_shared_lease_does_nothing(void **state)
{
    struct belay_lease first, second;

    (void)state;
    open_with("a");
    link_kit_settle(&k);
    k.log[0] = 0;
    assert_int_equal(belay_link_current(k.link, &first), 0);
    assert_int_equal(belay_link_current(k.link, &second), 0);
    assert_int_equal(belay_lease_release(first, BELAY_REUSE), 0);
    assert_int_equal(belay_lease_release(first, BELAY_REUSE), 0);
    assert_true(belay_lease_valid(first) && belay_lease_valid(second));
    link_kit_settle(&k);
    link_kit_told(&k, "");
    assert_int_equal(puppet_conn(&k.puppet, 0)->releases, 0);
}

static void releasing_it_as_broken_ends_the_connection(void **state)
{
    struct belay_lease lease, other;

    (void)state;
    open_with("a");
    link_kit_settle(&k);
    k.log[0] = 0;
    assert_int_equal(belay_link_current(k.link, &lease), 0);
    assert_int_equal(belay_lease_release(lease, BELAY_BROKEN), 0);
    assert_false(belay_lease_valid(lease));
    assert_int_equal(belay_link_current(k.link, &other), BELAY_EAGAIN);
    link_kit_told(&k, ""); /* not within the call */
    link_kit_settle(&k);
    link_kit_told(&k, "0 disconnected a: here, next 10000\n");
    assert_int_equal(puppet_conn(&k.puppet, 0)->reason, BELAY_REASON_BROKEN);
    assert_int_equal(belay_lease_release(lease, BELAY_BROKEN), BELAY_ESTALE);
    link_kit_pass(&k, 10000);
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_UP);
}

static void a_connection_without_a_stream_cannot_be_taken(void **state)
{
    struct belay_stream *stream;
    struct belay_lease lease;

    (void)state;
    open_with("a");
    link_kit_settle(&k);
    assert_int_equal(belay_link_current(k.link, &lease), 0);
    assert_int_equal(belay_lease_take(lease, &stream), BELAY_ENOTSUP);
    assert_true(belay_lease_valid(lease));
}

static void a_lost_connection_leaves_a_stale_lease(void **state)
{
    struct belay_lease lease;

    (void)state;
    open_with("a");
    link_kit_settle(&k);
    assert_int_equal(belay_link_current(k.link, &lease), 0);
    puppet_lose(link_kit_current(&k), BELAY_ERESET);
    link_kit_settle(&k);
    assert_null(belay_lease_conn(lease));
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
}

/* ---- kick and reset ---- */

static void a_kick_tries_now_and_forgets_no_failure(void **state)
{
    (void)state;
    open_failing();
    link_kit_pass(&k, 10000);
    assert_int_equal(k.puppet.n, 2);
    belay_link_kick(k.link);
    assert_int_equal(k.puppet.n, 2); /* not within the call */
    link_kit_settle(&k);
    assert_int_equal(k.puppet.n, 3);
    assert_int_equal(link_kit_stats(&k).failures, 3);
    assert_int_equal(link_kit_stats(&k).next_ms, 10000); /* from this start */
    k.puppet.fail = 0;
}

static void a_kick_while_it_tries_or_is_up_does_nothing(void **state)
{
    (void)state;
    open_with("a");
    k.puppet.capacity = 0;
    link_kit_settle(&k);
    belay_link_kick(k.link);
    link_kit_pass(&k, 100);
    puppet_up(puppet_conn(&k.puppet, 0), 1);
    link_kit_settle(&k);
    belay_link_kick(k.link);
    link_kit_pass(&k, 100);
    assert_int_equal(k.puppet.n, 1);
    puppet_lose(link_kit_current(&k), BELAY_ERESET);
    link_kit_settle(&k);
    assert_int_equal(link_kit_stats(&k).next_ms, 9800); /* nor later */
}

static void another_network_is_a_reason_to_try_now(void **state)
{
    (void)state;
    open_failing();
    k.puppet.fail = 0;
    link_kit_pass(&k, 400);
    belay_loop_network_changed(k.loop);
    link_kit_settle(&k);
    link_kit_told(&k, "400 connected a\n");
}

static void use_backoff(void)
{
    static struct belay_backoff_options o;

    link_kit_begin(&k, "a");
    o = belay_backoff_options_init();
    o.delay_ms = 1000;
    o.delay_max_ms = 60000;
    o.jitter = BELAY_JITTER_NONE;
    k.options.retry_delay_ms = 0;
    k.options.retry_spread = 0;
    k.options.backoff = &o;
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_open(&k);
    link_kit_pass(&k, 1000 + 2000 + 4000);
    assert_int_equal(k.puppet.n, 4);
    assert_int_equal(link_kit_stats(&k).next_ms, 8000);
}

static void reset_shortens_the_wait_to_the_first_delay(void **state)
{
    (void)state;
    use_backoff();
    link_kit_pass(&k, 300);
    belay_link_reset_backoff(k.link);
    link_kit_settle(&k);
    assert_int_equal(link_kit_stats(&k).failures, 0);
    assert_int_equal(link_kit_stats(&k).next_ms, 700);
    link_kit_pass(&k, 700);
    assert_int_equal(k.puppet.n, 5);
    assert_int_equal(link_kit_stats(&k).next_ms, 1000);
    k.puppet.fail = 0;
}

static void reset_after_the_first_delay_tries_now(void **state)
{
    (void)state;
    use_backoff();
    link_kit_pass(&k, 5000);
    belay_link_reset_backoff(k.link);
    link_kit_settle(&k);
    assert_int_equal(k.puppet.n, 5);
    k.puppet.fail = 0;
}

/* ---- what ends it by itself ---- */

static void spent_attempts_end_the_link_with_an_error_to_all(void **state)
{
    struct belay_backoff_options o = belay_backoff_options_init();
    struct link_wait w = {0}, result = {0};

    (void)state;
    link_kit_begin(&k, "a");
    o.delay_ms = 100;
    o.jitter = BELAY_JITTER_NONE;
    o.attempts_max = 2;
    k.options.retry_delay_ms = 0;
    k.options.retry_spread = 0;
    k.options.backoff = &o;
    k.puppet.fail = BELAY_ECONNECT;
    link_kit_open(&k);
    assert_int_equal(link_wait_for(&w, &k, "w", BELAY_FOREVER, false), 0);
    link_kit_pass(&k, 100);
    assert_int_equal(link_wait_for(&result, &k, "result", BELAY_FOREVER, true), 0);
    link_kit_pass(&k, 1000);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 failed ECONNECT a, 1 in a row, next 100\n"
                      "300 failed EGIVENUP a, 3 in a row, next none\n300 w: EGIVENUP\n"
                      "300 result: EGIVENUP\n");
    assert_true(k.error.final);
    assert_int_equal(k.error.attempt, 3);
    assert_int_equal(k.error.stage, BELAY_STAGE_PROTOCOL);
    assert_string_equal(w.text, "giving up on catalog after 3 attempts: puppet: could not connect");
    assert_true(belay_link_is_closed(k.link)); /* and it is there until it is closed */
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_CLOSED);
    assert_int_equal(link_wait_for(&w, &k, "w", 0, false), BELAY_ECLOSED);
    belay_link_kick(k.link);
    link_kit_pass(&k, 10000);
    assert_int_equal(k.puppet.n, 3);
    link_kit_close(&k);
    link_kit_told(&k, "11100 closed\n");
}

static void note_end(void *arg)
{
    link_kit_note(arg, "watched");
}

static void a_final_error_of_the_connector_ends_the_link(void **state)
{
    struct link_wait w = {0};
    struct belay_error last;
    int64_t age;

    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.fail = BELAY_ECERT;
    k.puppet.final = true;
    link_kit_open(&k);
    assert_int_equal(belay_link_close_finished(k.link, note_end, &k), 0);
    assert_int_equal(link_wait_for(&w, &k, "w", BELAY_FOREVER, false), 0);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 failed ECERT a, 1 in a row, next none\n"
                      "0 w: ECERT\n0 watched\n");
    link_kit_pass(&k, 50);
    assert_true(belay_link_last_error(k.link, &last, &age));
    assert_int_equal(last.code, BELAY_ECERT);
    assert_int_equal(age, 50);
}

static void one_that_ended_by_itself_goes_when_it_is_closed_and_given_back(void **state)
{
    struct belay_link *link;

    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.fail = BELAY_ECERT;
    k.puppet.final = true;
    link_kit_open(&k);
    link = belay_link_ref(k.link);
    link_kit_settle(&k);
    assert_false(bl_list_empty(&k.loop->objects));
    belay_link_close(link, NULL, NULL);
    belay_link_unref(link); /* before the loop has turned */
    k.link = NULL;
    link_kit_settle(&k);
    assert_true(bl_list_empty(&k.loop->objects));
}

static void a_connection_lost_for_good_ends_the_link(void **state)
{
    struct belay_error error = puppet_error(BELAY_ECLOSED, BELAY_STAGE_USE);
    struct link_wait w = {0};

    (void)state;
    open_with("a");
    link_kit_settle(&k);
    k.log[0] = 0;
    error.final = true;
    belay_conn_lost(link_kit_current(&k)->conn, BELAY_REASON_NONE, &error);
    assert_int_equal(link_wait_for(&w, &k, "w", BELAY_FOREVER, false), 0);
    link_kit_settle(&k);
    link_kit_told(&k, "0 disconnected a: ECLOSED, next none\n0 w: ECLOSED\n");
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_CLOSED);
}

static void a_final_error_of_the_source_ends_the_link(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.source.fail = BELAY_EFILE;
    k.source.final = true;
    link_kit_open(&k);
    link_kit_pass(&k, 60000);
    link_kit_told(&k, "0 attempting\n0 failed EFILE -, 1 in a row, next none\n");
    assert_int_equal(k.source.asked, 1);
}

static void the_last_failure_is_told_although_it_is_the_same(void **state)
{
    (void)state;
    open_failing();
    k.puppet.final = true;
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "10000 failed ECONNECT a, 2 in a row, next none\n");
}

/* ---- statistics ---- */

static void times_are_counted(void **state)
{
    struct belay_link_stats s;

    (void)state;
    open_failing();
    link_kit_pass(&k, 4000);
    s = link_kit_stats(&k);
    assert_int_equal(s.state, BELAY_LINK_WAITING);
    assert_int_equal(s.next_ms, 6000);
    assert_int_equal(s.down_ms, 4000);
    assert_int_equal(s.up_ms, 0);
    assert_int_equal(s.failures, 1);
    assert_int_equal(s.failed[BELAY_STAGE_PROTOCOL], 1);
    k.puppet.fail = 0;
    link_kit_pass(&k, 6000 + 30000);
    s = link_kit_stats(&k);
    assert_int_equal(s.state, BELAY_LINK_UP);
    assert_int_equal(s.up_ms, 30000);
    assert_int_equal(s.down_ms, 0);
    assert_int_equal(s.next_ms, 0);
    puppet_lose(link_kit_current(&k), BELAY_ERESET);
    link_kit_settle(&k);
    link_kit_pass(&k, 10000);
    s = link_kit_stats(&k);
    assert_int_equal(s.up_ms, 10000); /* dialled again at once */
    assert_int_equal(s.total_up_ms, 40000);
    assert_int_equal(s.age_ms, 50000);
    assert_int_equal(s.attempts, 3);
    assert_int_equal(s.connected, 2);
}

static void an_older_header_gets_what_it_knows(void **state)
{
    struct belay_link_stats s;

    (void)state;
    open_with("a");
    link_kit_settle(&k);
    memset(&s, 0x55, sizeof s);
    s.size = offsetof(struct belay_link_stats, attempts);
    belay_link_get_stats(k.link, &s);
    assert_int_equal(s.size, offsetof(struct belay_link_stats, attempts));
    assert_int_equal(s.state, BELAY_LINK_UP);
    assert_int_equal(s.attempts, 0x5555555555555555);
}

static void it_knows_its_address_and_its_last_error(void **state)
{
    struct belay_error last;
    int64_t age;

    (void)state;
    open_with("ab");
    assert_false(belay_link_last_error(k.link, &last, &age));
    assert_null(belay_link_address(k.link));
    link_kit_settle(&k);
    assert_ptr_equal(belay_link_address(k.link), k.a);
    k.puppet.capacity = 0;
    puppet_lose(link_kit_current(&k), BELAY_ERESET);
    link_kit_pass(&k, 3000);
    assert_null(belay_link_address(k.link)); /* it waits */
    assert_true(belay_link_last_error(k.link, &last, &age));
    assert_true(belay_link_last_error(k.link, NULL, NULL));
    assert_int_equal(last.code, BELAY_ERESET);
    assert_int_equal(last.stage, BELAY_STAGE_USE);
    assert_int_equal(age, 3000);
    link_kit_pass(&k, 7000);
    assert_ptr_equal(belay_link_address(k.link), k.b); /* of the attempt */
    assert_string_equal(belay_link_server_name(k.link), "catalog");
    assert_ptr_equal(belay_link_loop(k.link), k.loop);
}

static void states_have_names(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    assert_string_equal(belay_link_state_name(BELAY_LINK_WAITING), "waiting");
    assert_string_equal(belay_link_state_name(BELAY_LINK_CLOSED), "closed");
    assert_string_equal(belay_link_state_name((enum belay_link_state)0), "unknown");
    assert_string_equal(belay_link_state_name((enum belay_link_state)7), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_deadline_passes_and_the_text_says_what_the_attempts_came_to),
        T(a_deadline_before_the_first_result_says_no_more_than_that),
        T(each_waiter_has_its_own_deadline),
        T(a_waiter_may_be_cancelled),
        T(a_waiter_may_be_cancelled_by_one_that_is_answered_before),
        T(there_is_a_limit_to_those_who_wait),
        T(nonsense_is_refused),
        T(order_is_that_of_arrival_after_some_were_answered),
        T(who_comes_in_a_callback_comes_last),
        T(releasing_the_shared_lease_does_nothing),
        T(releasing_it_as_broken_ends_the_connection),
        T(a_connection_without_a_stream_cannot_be_taken),
        T(a_lost_connection_leaves_a_stale_lease),
        T(a_kick_tries_now_and_forgets_no_failure),
        T(a_kick_while_it_tries_or_is_up_does_nothing),
        T(another_network_is_a_reason_to_try_now),
        T(reset_shortens_the_wait_to_the_first_delay),
        T(reset_after_the_first_delay_tries_now),
        T(spent_attempts_end_the_link_with_an_error_to_all),
        T(a_final_error_of_the_connector_ends_the_link),
        T(one_that_ended_by_itself_goes_when_it_is_closed_and_given_back),
        T(a_connection_lost_for_good_ends_the_link),
        T(a_final_error_of_the_source_ends_the_link),
        T(the_last_failure_is_told_although_it_is_the_same),
        T(times_are_counted),
        T(an_older_header_gets_what_it_knows),
        T(it_knows_its_address_and_its_last_error),
        T(states_have_names),
    };
    return cmocka_run_group_tests_name("keep_link_waits", tests, NULL, NULL);
}
