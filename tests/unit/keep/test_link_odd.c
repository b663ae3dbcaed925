/* SPDX-License-Identifier: MIT */
/* Sources that fail, hang or talk nonsense; connectors that fail in each stage; checks; impossible
 * options; the end of the loop. */
#include "conn/source.h"
#include "unit/keep/link_scene.h"

/* ---- sources ---- */

static void a_source_that_hangs_is_left_at_the_limit(void **state)
{
    struct link_wait w = {0};

    (void)state;
    link_kit_begin(&k, "a");
    k.source.later = true;
    link_kit_open(&k);
    assert_int_equal(link_wait_for(&w, &k, "w", BELAY_FOREVER, true), 0);
    link_kit_pass(&k, 29999);
    assert_int_equal(w.told, 0);
    link_kit_pass(&k, 1);
    assert_int_equal(k.source.cancelled, 1);
    assert_string_equal(w.text, "asking for an address of catalog: no result within 30000 ms");
    link_kit_told(&k, "0 attempting\n30000 w: ETIMEDOUT\n"
                      "30000 failed ETIMEDOUT -, 1 in a row, next 0\n");
    assert_int_equal(k.source.asked, 2); /* slower than the delay: at once */
    assert_int_equal(link_kit_stats(&k).failed[BELAY_STAGE_RESOLVE], 1);
}

static void a_source_that_gives_nothing_is_a_failed_attempt(void **state)
{
    (void)state;
    start_with("");
    link_kit_told(&k, "0 attempting\n0 failed ENONAME -, 1 in a row, next 10000\n");
    link_kit_set_list(&k, "a");
    link_kit_pass(&k, 10000);
    link_kit_told(&k, "10000 obtained a\n10000 connected a\n");
}

static void a_source_that_gives_holes_is_a_failed_attempt(void **state)
{
    (void)state;
    link_kit_begin(&k, "ab");
    k.source.list[1] = NULL;
    link_kit_start(&k);
    link_kit_told(&k, "0 attempting\n0 failed EINVAL -, 1 in a row, next 10000\n");
}

static void an_address_of_another_loop_is_refused(void **state)
{
    struct belay_endpoint *foreign;
    struct belay_loop *other;

    (void)state;
    link_kit_begin(&k, "a");
    assert_int_equal(belay_loop_new(NULL, &other, NULL), 0);
    assert_int_equal(belay_endpoint_parse(other, "tcp://x.test:1", &foreign, NULL), 0);
    k.source.list[0] = foreign;
    link_kit_start(&k);
    link_kit_told(&k, "0 attempting\n0 failed EINVAL -, 1 in a row, next 10000\n");
    link_kit_close(&k);
    belay_endpoint_unref(foreign);
    belay_loop_free(other);
}

static void answers_after_the_first_are_ignored(void **state)
{
    struct belay_source_query *query;

    (void)state;
    link_kit_begin(&k, "a");
    k.source.later = true;
    link_kit_start(&k);
    query = k.source.query;
    belay_source_answer(query, k.source.list, 1, NULL);
    k.source.query = NULL;
    belay_source_answer(query, NULL, 0, NULL);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 connected a\n");
}

static void an_error_that_names_no_stage_is_counted_all_the_same(void **state)
{
    struct belay_error error = {.code = BELAY_EDNS, .stage = (enum belay_stage)99};

    (void)state;
    link_kit_begin(&k, "a");
    k.source.later = true;
    link_kit_start(&k);
    belay_source_answer(k.source.query, NULL, 0, &error);
    k.source.query = NULL;
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 failed EDNS -, 1 in a row, next 10000\n");
    assert_int_equal(link_kit_stats(&k).failed[0], 1);
}

/* ---- connectors ---- */

static void a_connector_that_hangs_is_left_at_the_limit(void **state)
{
    struct belay_dial_options dial = belay_dial_options_init();

    (void)state;
    link_kit_begin(&k, "a");
    dial.session_timeout_ms = BELAY_FOREVER;
    k.options.dial = &dial;
    k.options.attempt_timeout_ms = 2000;
    k.puppet.capacity = 0;
    link_kit_open(&k);
    link_kit_pass(&k, 2000);
    link_kit_told(&k,
                  "0 attempting\n0 obtained a\n2000 failed ETIMEDOUT a, 1 in a row, next 8000\n");
    assert_int_equal(puppet_conn(&k.puppet, 0)->cancels, 1);
    assert_int_equal(link_kit_stats(&k).failed[BELAY_STAGE_PROTOCOL], 1);
}

static void the_limit_covers_the_source_and_the_dial_together(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.options.attempt_timeout_ms = 2000;
    k.source.later = true;
    k.puppet.capacity = 0;
    link_kit_open(&k);
    link_kit_pass(&k, 1500);
    link_kit_answer(&k);
    link_kit_pass(&k, 499);
    link_kit_told(&k, "0 attempting\n1500 obtained a\n");
    link_kit_pass(&k, 1);
    link_kit_told(&k, "2000 failed ETIMEDOUT a, 1 in a row, next 8000\n");
}

static void one_that_comes_up_too_late_is_closed(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.options.attempt_timeout_ms = 2000;
    k.puppet.capacity = 0;
    k.puppet.cancel_later = true;
    link_kit_open(&k);
    link_kit_pass(&k, 3000);
    puppet_up(puppet_conn(&k.puppet, 0), 1); /* nobody hears */
    link_kit_settle(&k);
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_WAITING);
    link_kit_pass(&k, 7000);
    assert_int_equal(k.puppet.n, 2); /* while the first is still ending */
    assert_int_equal(puppet_live(&k.puppet), 2);
}

static void connections_that_do_not_end_hold_up_further_attempts(void **state)
{
    unsigned n;

    (void)state;
    link_kit_begin(&k, "a");
    k.options.attempt_timeout_ms = 1000;
    k.puppet.capacity = 0;
    k.puppet.cancel_later = true;
    link_kit_open(&k);
    link_kit_pass(&k, 1000000);
    n = k.puppet.n;
    assert_int_equal(n, 16);
    belay_link_kick(k.link);
    link_kit_settle(&k);
    assert_int_equal(k.puppet.n, n);
    puppet_closed(puppet_conn(&k.puppet, 3));
    link_kit_settle(&k);
    assert_int_equal(k.puppet.n, n + 1);
}

static void one_that_is_dead_as_it_comes_up_is_a_failed_attempt(void **state)
{
    struct link_wait w = {0};

    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.capacity = 0;
    link_kit_open(&k);
    assert_int_equal(link_wait_for(&w, &k, "w", BELAY_FOREVER, true), 0);
    link_kit_settle(&k);
    puppet_up(puppet_conn(&k.puppet, 0), 1);
    puppet_lose(puppet_conn(&k.puppet, 0), BELAY_ERESET);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 w: ERESET\n"
                      "0 failed ERESET a, 1 in a row, next 10000\n");
}

static void an_answer_that_comes_late_harms_nothing(void **state)
{
    struct belay_conn *conn;

    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.capacity = 0;
    k.puppet.close_later = true;
    link_kit_start(&k);
    puppet_up(puppet_conn(&k.puppet, 0), 1);
    link_kit_settle(&k);
    conn = puppet_conn(&k.puppet, 0)->conn;
    puppet_lose(puppet_conn(&k.puppet, 0), BELAY_ERESET);
    link_kit_settle(&k);
    k.log[0] = 0;
    belay_conn_open_done(conn, NULL, 1); /* while it ends */
    belay_conn_suspect(conn);
    belay_conn_draining(conn);
    belay_conn_checked(conn, BELAY_EUNHEALTHY);
    link_kit_settle(&k);
    link_kit_told(&k, "");
    assert_int_equal(link_kit_stats(&k).state, BELAY_LINK_WAITING);
}

/* ---- checks ---- */

static void open_checked(void)
{
    link_kit_begin(&k, "a");
    k.options.check_interval_ms = 1000;
    k.options.check_timeout_ms = 300;
    link_kit_start(&k);
    k.log[0] = 0;
}

static void a_connection_is_checked_as_often_as_is_said(void **state)
{
    (void)state;
    open_checked();
    link_kit_pass(&k, 999);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 0);
    link_kit_pass(&k, 1);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 1);
    link_kit_pass(&k, 9000);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 10);
    link_kit_told(&k, "");
}

static void a_check_that_fails_ends_the_connection(void **state)
{
    (void)state;
    open_checked();
    k.puppet.check_result = BELAY_EUNHEALTHY;
    link_kit_pass(&k, 1000);
    link_kit_told(&k, "1000 disconnected a: EUNHEALTHY, next 9000\n");
    assert_int_equal(puppet_conn(&k.puppet, 0)->reason, BELAY_REASON_UNHEALTHY);
    link_kit_pass(&k, 8999);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 1); /* none while it is down */
}

static void a_check_without_an_answer_ends_the_connection(void **state)
{
    struct belay_error last;

    (void)state;
    open_checked();
    k.puppet.check_later = true;
    link_kit_pass(&k, 1299);
    link_kit_told(&k, "");
    link_kit_pass(&k, 1);
    link_kit_told(&k, "1300 disconnected a: EUNHEALTHY, next 8700\n");
    assert_true(belay_link_last_error(k.link, &last, NULL));
    assert_string_equal(last.text,
                        "the connection to tcp://a.test:1: no answer to its check within 300 ms");
}

static void a_slow_answer_does_not_delay_the_next_check(void **state)
{
    (void)state;
    open_checked();
    k.puppet.check_later = true;
    link_kit_pass(&k, 1200);
    belay_conn_checked(puppet_conn(&k.puppet, 0)->conn, 0);
    link_kit_pass(&k, 799);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 1);
    link_kit_pass(&k, 1);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 2);
    belay_conn_checked(puppet_conn(&k.puppet, 0)->conn, 0);
    link_kit_settle(&k);
}

static void a_suspect_connection_is_checked_and_kept_when_it_is_good(void **state)
{
    (void)state;
    start_with("a");
    k.log[0] = 0;
    belay_conn_suspect(link_kit_current(&k)->conn);
    link_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 1);
    belay_conn_suspect(link_kit_current(&k)->conn);
    link_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 2);
    link_kit_pass(&k, 100000);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 2);
    link_kit_told(&k, "");
}

static void a_suspect_connection_that_is_not_good_is_closed(void **state)
{
    (void)state;
    start_with("a");
    k.log[0] = 0;
    k.puppet.check_result = BELAY_ETIMEDOUT;
    belay_conn_suspect(link_kit_current(&k)->conn);
    link_kit_settle(&k);
    link_kit_told(&k, "0 disconnected a: EUNHEALTHY, next 10000\n");
}

static void a_suspect_connection_that_cannot_be_checked_is_closed(void **state)
{
    (void)state;
    link_kit_begin(&k, "a");
    k.puppet.ops.check = NULL;
    link_kit_start(&k);
    k.log[0] = 0;
    belay_conn_suspect(link_kit_current(&k)->conn);
    link_kit_settle(&k);
    link_kit_told(&k, "0 disconnected a: EUNHEALTHY, next 10000\n");
}

/* ---- options ---- */

static void refused(const char *word)
{
    struct belay_link *link = NULL;
    struct belay_error error;

    assert_int_equal(belay_link_open(k.source.source, &k.options, &link, &error), BELAY_EINVAL);
    assert_null(link);
    if (!strstr(error.text, word))
        fail_msg("\"%s\" does not say %s", error.text, word);
}

static int64_t some_delay(int32_t failures, void *arg)
{
    (void)failures;
    (void)arg;
    return 1;
}

static void impossible_options_are_refused_by_name(void **state)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_dial_options dial = belay_dial_options_init();
    struct belay_link_options clean;
    struct belay_link *link;

    (void)state;
    link_kit_begin(&k, "a");
    clean = k.options;
    k.options.retry_spread = 101;
    refused("retry_spread");
    k.options = clean;
    k.options.retry_delay = some_delay;
    refused("retry_delay");
    k.options = clean;
    k.options.retry_delay_ms = 0;
    k.options.backoff = &backoff;
    refused("backoff"); /* and retry_spread */
    k.options.retry_spread = 0;
    backoff.factor_percent = 50;
    refused("backoff");
    backoff.factor_percent = 0;
    k.options.retry_delay = some_delay;
    refused("backoff");
    k.options = clean;
    k.options.connector = (struct belay_connector){0};
    k.options.check_interval_ms = 1000;
    refused("check_interval_ms");
    k.options = clean;
    k.options.server_name = "";
    refused("server_name");
    k.options = clean;
    dial.connect_timeout_ms = -7;
    k.options.dial = &dial;
    refused("connect_timeout_ms");
    k.options = clean;
    k.options.size = 3;
    refused("size");
    assert_int_equal(belay_link_open(NULL, NULL, &link, NULL), BELAY_EINVAL);
    assert_int_equal(belay_link_open_to(NULL, NULL, &link, NULL), BELAY_EINVAL);
    assert_int_equal(k.source.asked, 0);
}

static void strings_and_structs_are_copied(void **state)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_dial_options dial = belay_dial_options_init();
    char name[] = "orders";

    (void)state;
    link_kit_begin(&k, "a");
    backoff.delay_ms = 700;
    backoff.jitter = BELAY_JITTER_NONE;
    dial.session_timeout_ms = 400;
    k.options.retry_delay_ms = 0;
    k.options.retry_spread = 0;
    k.options.backoff = &backoff;
    k.options.dial = &dial;
    k.options.server_name = name;
    k.puppet.capacity = 0;
    link_kit_open(&k);
    memset(name, 'x', sizeof name - 1);
    memset(&backoff, 0x55, sizeof backoff);
    memset(&dial, 0x55, sizeof dial);
    link_kit_pass(&k, 400);
    assert_string_equal(belay_link_server_name(k.link), "orders");
    link_kit_told(&k, "0 attempting\n0 obtained a\n400 failed ETIMEDOUT a, 1 in a row, next 300\n");
}

static void the_effective_options_may_be_given_back(void **state)
{
    struct belay_link_options o = belay_link_options_init(), again = o;
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_link *link;

    (void)state;
    link_kit_begin(&k, "a");
    backoff.attempts_max = 3;
    k.options.retry_delay_ms = 0;
    k.options.retry_spread = 0;
    k.options.backoff = &backoff;
    link_kit_open(&k);
    belay_link_get_options(k.link, &o);
    assert_int_equal(o.attempt_timeout_ms, 30000);
    assert_int_equal(o.check_interval_ms, BELAY_FOREVER);
    assert_int_equal(o.max_waiters, 10000);
    assert_int_equal(o.backoff->delay_ms, 100);
    assert_int_equal(o.backoff->attempts_max, 3);
    assert_int_equal(o.dial->connect_timeout_ms, 10000);
    assert_string_equal(o.server_name, "catalog");
    assert_int_equal(belay_link_open(k.source.source, &o, &link, NULL), 0);
    belay_link_get_options(link, &again);
    again.dial = o.dial;
    again.backoff = o.backoff;
    again.server_name = o.server_name;
    assert_memory_equal(&o, &again, sizeof o);
    belay_link_close(link, NULL, NULL);
    link_kit_settle(&k);
    link_kit_close(&k);
}

static void a_link_without_options_has_a_name_and_the_defaults(void **state)
{
    struct belay_link_options o = belay_link_options_init();

    (void)state;
    link_kit_begin(&k, "a");
    assert_int_equal(belay_link_open(k.source.source, NULL, &k.link, NULL), 0);
    belay_link_get_options(k.link, &o);
    assert_string_equal(o.server_name, "service");
    assert_int_equal(o.retry_delay_ms, 10000);
    assert_int_equal(o.retry_spread, 30);
    assert_int_equal(o.check_timeout_ms, 5000);
    assert_int_equal(o.move_interval_ms, BELAY_FOREVER);
    assert_null(o.on_event);
}

/* ---- the loop's end ---- */

static void the_end_of_the_loop_closes_its_links(void **state)
{
    (void)state;
    start_with("a");
    k.log[0] = 0;
    belay_link_close_finished(k.link, link_kit_on_closed, &k);
    belay_source_unref(k.source.source); /* its link still has it */
    belay_endpoint_unref(k.b);
    belay_endpoint_unref(k.c);
    belay_endpoint_unref(k.a);
    k.a = k.b = k.c = NULL;
    k.source.source = NULL;
    fake_world_close(&k.world);
    assert_int_equal(k.closed, 1);
    assert_int_equal(k.source.freed, 1);
    assert_int_equal(failing_alloc_live(&k.alloc), 0);
    assert_int_equal(k.events[BELAY_LINK_DISCONNECTED], 1);
}

static void on_a_closed_loop_no_link_opens(void **state)
{
    struct belay_link *link;

    (void)state;
    link_kit_begin(&k, "a");
    belay_loop_close(k.loop, NULL, NULL);
    assert_int_equal(belay_link_open(k.source.source, NULL, &link, NULL), BELAY_ECLOSED);
}

static void references_outlive_the_end(void **state)
{
    struct belay_lease lease;
    struct belay_link *link;
    struct belay_link_subscription *s;

    (void)state;
    start_with("a");
    link = belay_link_ref(k.link);
    assert_null(belay_link_ref(NULL));
    belay_link_unref(NULL);
    link_kit_close(&k);
    assert_true(belay_link_is_closed(link));
    assert_int_equal(belay_link_current(link, &lease), BELAY_ECLOSED);
    assert_int_equal(belay_link_subscribe(link, k.options.on_event, &k, &s), BELAY_ECLOSED);
    belay_link_close(link, link_kit_on_closed, &k); /* again: told again */
    link_kit_settle(&k);
    assert_int_equal(k.closed, 2);
    belay_link_unref(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_source_that_hangs_is_left_at_the_limit),
        T(a_source_that_gives_nothing_is_a_failed_attempt),
        T(a_source_that_gives_holes_is_a_failed_attempt),
        T(an_address_of_another_loop_is_refused),
        T(answers_after_the_first_are_ignored),
        T(an_error_that_names_no_stage_is_counted_all_the_same),
        T(a_connector_that_hangs_is_left_at_the_limit),
        T(the_limit_covers_the_source_and_the_dial_together),
        T(one_that_comes_up_too_late_is_closed),
        T(connections_that_do_not_end_hold_up_further_attempts),
        T(one_that_is_dead_as_it_comes_up_is_a_failed_attempt),
        T(an_answer_that_comes_late_harms_nothing),
        T(a_connection_is_checked_as_often_as_is_said),
        T(a_check_that_fails_ends_the_connection),
        T(a_check_without_an_answer_ends_the_connection),
        T(a_slow_answer_does_not_delay_the_next_check),
        T(a_suspect_connection_is_checked_and_kept_when_it_is_good),
        T(a_suspect_connection_that_is_not_good_is_closed),
        T(a_suspect_connection_that_cannot_be_checked_is_closed),
        T(impossible_options_are_refused_by_name),
        T(strings_and_structs_are_copied),
        T(the_effective_options_may_be_given_back),
        T(a_link_without_options_has_a_name_and_the_defaults),
        T(references_outlive_the_end),
        T(on_a_closed_loop_no_link_opens),
        cmocka_unit_test(the_end_of_the_loop_closes_its_links),
    };
    return cmocka_run_group_tests_name("keep_link_odd", tests, NULL, NULL);
}
