/* SPDX-License-Identifier: MIT */
/* Who is asked again, and when. */
#include "support/test.h"

#include "retry.h"

#include <string.h>

static const struct retry_policy usual = {.retries = 2, .statuses = {429, 503}, .statuses_n = 2};

static struct belay_error failure(enum belay_error_kind kind, enum belay_sent sent)
{
    struct belay_error error;

    memset(&error, 0, sizeof error);
    error.code = BELAY_ECONNECT;
    error.kind = kind;
    error.sent = sent;
    return error;
}

static struct retry_facts facts_of(const struct belay_error *error)
{
    return (struct retry_facts){.error = error,
                                .retry_after_ms = -1,
                                .remaining_ms = -1,
                                .idempotent = true,
                                .replayable = true};
}

static void what_may_have_been_done_is_not_done_again(void **state)
{
    static const struct {
        enum belay_sent sent;
        bool idempotent, unsafe, again;
    } rows[] = {
        {BELAY_NOT_SENT, true, false, true},   {BELAY_NOT_SENT, false, false, true},
        {BELAY_MAYBE_SENT, true, false, true}, {BELAY_MAYBE_SENT, false, false, false},
        {BELAY_ANSWERED, true, false, false},  {BELAY_ANSWERED, false, false, false},
        {BELAY_MAYBE_SENT, false, true, true}, {BELAY_ANSWERED, true, true, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct belay_error error = failure(BELAY_KIND_RETRY, rows[i].sent);
        struct retry_facts facts = facts_of(&error);
        struct retry_policy policy = usual;

        facts.idempotent = rows[i].idempotent;
        policy.unsafe = rows[i].unsafe;
        assert_int_equal(retry_delay_ms(&policy, &facts) >= 0, rows[i].again);
    }
}

static void what_cannot_help_is_not_tried(void **state)
{
    static const enum belay_error_kind kinds[] = {BELAY_KIND_USAGE, BELAY_KIND_LIMIT,
                                                  BELAY_KIND_FATAL, BELAY_KIND_CANCELLED};
    struct belay_error error = failure(BELAY_KIND_RETRY, BELAY_NOT_SENT);
    struct retry_facts facts = facts_of(&error);

    (void)state;
    error.final = true;
    assert_int_equal(retry_delay_ms(&usual, &facts), -1);
    error.final = false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        error.kind = kinds[i];
        assert_int_equal(retry_delay_ms(&usual, &facts), -1);
    }
}

static void waits_double_until_the_retries_are_spent(void **state)
{
    struct belay_error error = failure(BELAY_KIND_RETRY, BELAY_NOT_SENT);
    struct retry_facts facts = facts_of(&error);
    struct retry_policy many = {.retries = 1000};

    (void)state;
    assert_int_equal(retry_delay_ms(&usual, &facts), 100);
    facts.retried = 1;
    assert_int_equal(retry_delay_ms(&usual, &facts), 200);
    facts.retried = 2;
    assert_int_equal(retry_delay_ms(&usual, &facts), -1);
    facts.retried = 900;
    assert_int_equal(retry_delay_ms(&many, &facts), 60000);
}

static void a_body_that_is_gone_or_an_answer_that_was_shown_forbids_it(void **state)
{
    struct belay_error error = failure(BELAY_KIND_RETRY, BELAY_NOT_SENT);
    struct retry_facts facts = facts_of(&error);

    (void)state;
    facts.replayable = false;
    assert_int_equal(retry_delay_ms(&usual, &facts), -1);
    facts.replayable = true;
    facts.shown = true;
    assert_int_equal(retry_delay_ms(&usual, &facts), -1);
}

static void the_time_limit_holds_over_all_attempts(void **state)
{
    struct belay_error error = failure(BELAY_KIND_RETRY, BELAY_NOT_SENT);
    struct retry_facts facts = facts_of(&error);

    (void)state;
    facts.remaining_ms = 100;
    assert_int_equal(retry_delay_ms(&usual, &facts), -1);
    facts.remaining_ms = 101;
    assert_int_equal(retry_delay_ms(&usual, &facts), 100);
}

static void a_status_is_tried_again_when_its_user_says_so(void **state)
{
    struct retry_facts facts = facts_of(NULL);

    (void)state;
    facts.idempotent = false;
    facts.status = 503;
    assert_int_equal(retry_delay_ms(&usual, &facts), 100);
    facts.retry_after_ms = 3000;
    assert_int_equal(retry_delay_ms(&usual, &facts), 3000);
    facts.retry_after_ms = 0;
    assert_int_equal(retry_delay_ms(&usual, &facts), 100);
    facts.retry_after_ms = RETRY_AFTER_MAX_MS + 1;
    assert_int_equal(retry_delay_ms(&usual, &facts), -1);
    facts.retry_after_ms = -1;
    facts.status = 500;
    assert_int_equal(retry_delay_ms(&usual, &facts), -1);
}

static int64_t after(const char *value)
{
    return retry_after_ms(value, strlen(value), 784111770);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    (void)state;
    assert_int_equal(after("0"), 0);
    assert_int_equal(after("120"), 120000);
    assert_int_equal(after("Sun, 06 Nov 1994 08:49:37 GMT"), 7000);
    assert_int_equal(after("Sunday, 06-Nov-94 08:49:37 GMT"), 7000);
    assert_int_equal(after("Sun Nov  6 08:49:37 1994"), 7000);
    assert_int_equal(after("Sun, 06 Nov 1994 08:49:20 GMT"), 0);
    assert_int_equal(after("soon"), -1);
    assert_int_equal(after("12x"), -1);
    assert_int_equal(after("-5"), -1);
    assert_int_equal(after(""), -1);
    assert_true(after("99999999999999999999999999999999") > RETRY_AFTER_MAX_MS);
}

static void methods_are_idempotent_as_rfc_9110_says(void **state)
{
    static const char *const safe[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};

    (void)state;
    for (size_t i = 0; i < sizeof safe / sizeof safe[0]; i++)
        assert_true(retry_is_idempotent(safe[i]));
    assert_false(retry_is_idempotent("POST"));
    assert_false(retry_is_idempotent("PATCH"));
    assert_false(retry_is_idempotent("get"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_have_been_done_is_not_done_again),
        cmocka_unit_test(what_cannot_help_is_not_tried),
        cmocka_unit_test(waits_double_until_the_retries_are_spent),
        cmocka_unit_test(a_body_that_is_gone_or_an_answer_that_was_shown_forbids_it),
        cmocka_unit_test(the_time_limit_holds_over_all_attempts),
        cmocka_unit_test(a_status_is_tried_again_when_its_user_says_so),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(methods_are_idempotent_as_rfc_9110_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
