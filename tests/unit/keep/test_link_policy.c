/* SPDX-License-Identifier: MIT */
/* The link's tables as data: what must hold of every row; and the arithmetic of delays. */
#include "keep/link_policy.h"

#include "loop/loop.h"
#include "support/test.h"

#define TELLS                                                                                      \
    (BL_LP_DO_TELL_DOWN | BL_LP_DO_TELL_TRY | BL_LP_DO_TELL_FOUND | BL_LP_DO_TELL_UP |             \
     BL_LP_DO_TELL_FAIL)

struct row {
    enum bl_lp_state at, to;
    enum bl_lp_event event;
    unsigned todo;
};

static bool has_current(enum bl_lp_state s)
{
    return s >= BL_LP_UP && s <= BL_LP_LAST;
}

static bool has_attempt(enum bl_lp_state s)
{
    return s == BL_LP_RESOLVING || s == BL_LP_FOUND || s == BL_LP_DIALING || s == BL_LP_ASKING ||
           s == BL_LP_MOVING;
}

static bool in_episode(enum bl_lp_state s)
{
    return s != BL_LP_START && s != BL_LP_CLOSING && s != BL_LP_CLOSED;
}

static void for_each_row(void (*fn)(const struct row *row))
{
    for (unsigned s = 0; s < BL_LP_STATES; s++) {
        for (unsigned e = 0; e < BL_LP_EVENTS; e++) {
            const struct bl_lp_rule *r = &bl_lp_rules[s][e];
            struct row row = {(enum bl_lp_state)s, (enum bl_lp_state)r->next, (enum bl_lp_event)e,
                              r->todo};

            if (r->legal)
                fn(&row);
            else
                assert_true(r->next == 0 && r->todo == 0);
        }
    }
}

#define must(row, what)                                                                            \
    do {                                                                                           \
        if (!(what))                                                                               \
            fail_msg("%s --%s--> %s: not so: %s", bl_lp_state_name((row)->at),                     \
                     bl_lp_event_name((row)->event), bl_lp_state_name((row)->to), #what);          \
    } while (0)

/* ---- what is held ---- */

static void keeps_the_current_connection(const struct row *r)
{
    bool revokes = r->todo & BL_LP_DO_REVOKE, adopts = r->todo & BL_LP_DO_ADOPT;

    must(r, adopts == (r->event == BL_LP_OPENED));
    must(r, revokes == (has_current(r->at) && (!has_current(r->to) || adopts)));
    must(r, !has_current(r->to) || has_current(r->at) || adopts);
}

static void a_current_connection_is_adopted_and_revoked_once(void **state)
{
    (void)state;
    for_each_row(keeps_the_current_connection);
}

static void keeps_one_attempt(const struct row *r)
{
    bool begins = r->todo & BL_LP_DO_ASK, dials = r->todo & BL_LP_DO_DIAL;
    bool cancels = r->todo & BL_LP_DO_CANCEL;
    bool over = r->event == BL_LP_OPENED || r->event == BL_LP_STAY;

    must(r, !begins || (!has_attempt(r->at) && has_attempt(r->to)));
    must(r, begins == (!has_attempt(r->at) && has_attempt(r->to)));
    must(r, cancels == (has_attempt(r->at) && !has_attempt(r->to) && !over));
    must(r, dials == ((r->to == BL_LP_DIALING || r->to == BL_LP_MOVING) && r->at != r->to &&
                      r->at != BL_LP_MOVING));
}

static void there_is_one_attempt_at_most_and_it_is_never_forgotten(void **state)
{
    (void)state;
    for_each_row(keeps_one_attempt);
}

/* ---- what is told ---- */

static void tells_in_legal_order(const struct row *r)
{
    bool try = r->todo & BL_LP_DO_TELL_TRY, down = r->todo & BL_LP_DO_TELL_DOWN;
    bool up = r->todo & BL_LP_DO_TELL_UP, moved = r->at == BL_LP_MOVING && up;

    must(r, down == !!(r->todo & BL_LP_DO_REVOKE));
    must(r, up == !!(r->todo & BL_LP_DO_ADOPT));
    must(r, try == ((!in_episode(r->at) && in_episode(r->to)) || (down && in_episode(r->to))));
    must(r, !moved || (down && try && (r->todo & BL_LP_DO_TELL_FOUND)));
}

static void an_episode_begins_with_attempting_and_ends_with_disconnected(void **state)
{
    (void)state;
    for_each_row(tells_in_legal_order);
}

static void tells_failures(const struct row *r)
{
    bool failed = r->event == BL_LP_FAIL || r->event == BL_LP_SPENT;
    bool note = r->todo & BL_LP_DO_NOTE, tells = r->todo & BL_LP_DO_TELL_FAIL;

    must(r, tells == (failed && !has_current(r->at)));
    must(r, note == (failed && has_current(r->at)));
    must(r, !!(r->todo & BL_LP_DO_ANSWER_NO) == (r->event == BL_LP_FAIL && tells));
}

static void a_failure_is_told_and_that_of_a_candidate_only_noted(void **state)
{
    (void)state;
    for_each_row(tells_failures);
}

static void answers_before_telling(const struct row *r)
{
    must(r, !!(r->todo & BL_LP_DO_ANSWER) == !!(r->todo & BL_LP_DO_TELL_UP));
    must(r, !!(r->todo & BL_LP_DO_REFUSE) == (r->to == BL_LP_CLOSING && r->at != BL_LP_CLOSING));
    must(r, (r->event != BL_LP_CLOSE && r->event != BL_LP_FINISH) ||
                !(r->todo & (TELLS & ~(unsigned)BL_LP_DO_TELL_DOWN)));
}

static void who_waits_is_answered_when_it_is_up_and_refused_when_it_ends(void **state)
{
    (void)state;
    for_each_row(answers_before_telling);
    assert_true(BL_LP_DO_ANSWER < BL_LP_DO_TELL_UP);
    assert_true(BL_LP_DO_TELL_DOWN < BL_LP_DO_TELL_TRY);
    assert_true(BL_LP_DO_TELL_TRY < BL_LP_DO_TELL_FOUND);
    assert_true(BL_LP_DO_TELL_FOUND < BL_LP_DO_TELL_UP);
    assert_true(BL_LP_DO_TELL_DOWN < BL_LP_DO_REFUSE);
    assert_true(BL_LP_DO_TELL_FAIL < BL_LP_DO_REFUSE);
}

static void tells_addresses(const struct row *r)
{
    bool found = r->event == BL_LP_ADDRESS && !has_current(r->at);
    bool candidates = r->at == BL_LP_MOVING && (r->event == BL_LP_OPENED || r->event == BL_LP_LOST);

    must(r, !!(r->todo & BL_LP_DO_TELL_FOUND) == (found || candidates));
}

static void an_address_is_told_when_the_attempt_is_the_links_own(void **state)
{
    (void)state;
    for_each_row(tells_addresses);
}

/* ---- where it leads ---- */

static void leads_on(const struct row *r)
{
    bool up = has_current(r->at);

    must(r, r->event != BL_LP_OPENED || r->to == BL_LP_UP);
    must(r, r->event != BL_LP_STAY || r->to == BL_LP_UP);
    must(r, r->event != BL_LP_FAIL || r->to == (up ? BL_LP_UP : BL_LP_FAILED));
    must(r, r->event != BL_LP_SPENT || r->to == BL_LP_CLOSING);
    must(r, r->event != BL_LP_FINISH || !up || r->to == BL_LP_LAST);
    /* The attempt of a link that has fallen goes on where it is. */
    must(r, r->event != BL_LP_LOST || r->to == (r->at == BL_LP_UP       ? BL_LP_START
                                                : r->at == BL_LP_ASKING ? BL_LP_RESOLVING
                                                : r->at == BL_LP_MOVING ? BL_LP_DIALING
                                                                        : BL_LP_CLOSING));
}

static void each_event_leads_where_it_must(void **state)
{
    (void)state;
    for_each_row(leads_on);
}

/* ---- the end ---- */

static void ends_once(const struct row *r)
{
    must(r, !!(r->todo & BL_LP_DO_END) == (r->at != BL_LP_CLOSED && r->to == BL_LP_CLOSED));
    must(r, r->to != BL_LP_CLOSED || r->at == BL_LP_CLOSING || r->at == BL_LP_CLOSED);
    must(r, r->at != BL_LP_CLOSING || r->to == BL_LP_CLOSING || r->to == BL_LP_CLOSED);
    must(r, r->at != BL_LP_CLOSED || (r->to == BL_LP_CLOSED && r->todo == 0));
    must(r, r->at != BL_LP_LAST || r->to == BL_LP_LAST || r->to == BL_LP_CLOSING);
    must(r, r->event != BL_LP_CLOSE || r->to >= BL_LP_CLOSING);
}

static void closing_leads_to_closed_and_nothing_leads_back(void **state)
{
    (void)state;
    for_each_row(ends_once);
    for (unsigned s = 0; s < BL_LP_STATES; s++) { /* legal wherever it is */
        assert_true(bl_lp_rules[s][BL_LP_CLOSE].legal);
        assert_true(bl_lp_rules[s][BL_LP_FINISH].legal);
    }
}

/* Which events may come is given by what there is: an attempt may end, a connection be lost. */
static void every_event_that_can_come_has_a_row(void **state)
{
    (void)state;
    for (unsigned s = 0; s < BL_LP_STATES; s++) {
        const struct bl_lp_rule *r = bl_lp_rules[s];
        enum bl_lp_state at = (enum bl_lp_state)s;
        bool waits = at == BL_LP_START || at == BL_LP_FAILED || at == BL_LP_UP;
        bool passes = at == BL_LP_TRY || at == BL_LP_FOUND;
        bool asks = at == BL_LP_RESOLVING || at == BL_LP_ASKING;
        bool dials = at == BL_LP_DIALING || at == BL_LP_MOVING;

        assert_int_equal(r[BL_LP_DUE].legal, waits);
        assert_int_equal(r[BL_LP_GO].legal, passes);
        assert_int_equal(r[BL_LP_ADDRESS].legal, asks);
        assert_int_equal(r[BL_LP_STAY].legal, at == BL_LP_ASKING);
        assert_int_equal(r[BL_LP_OPENED].legal, dials);
        assert_int_equal(r[BL_LP_FAIL].legal, asks || dials);
        assert_int_equal(r[BL_LP_SPENT].legal, (asks || dials) && !has_current(at));
        assert_int_equal(r[BL_LP_LOST].legal, has_current(at));
        assert_int_equal(r[BL_LP_GONE].legal, at == BL_LP_CLOSING);
    }
}

/* ---- the check ---- */

static void a_check_is_asked_once_and_what_fails_it_is_lost(void **state)
{
    (void)state;
    for (unsigned s = 0; s < BL_LP_CHECKS; s++) {
        for (unsigned f = 0; f < BL_LP_FINDINGS; f++) {
            const struct bl_lp_rule *r = &bl_lp_check_rules[s][f];
            bool bad = f == BL_LP_BAD || f == BL_LP_LATE;

            if (!r->legal)
                continue;
            if (f == BL_LP_GOOD || (f == BL_LP_BAD && s != BL_LP_CHECKING))
                assert_int_equal(r->next, s == BL_LP_CHECKING ? BL_LP_RESTING : s);
            if (f == BL_LP_SUSPECT)
                assert_int_equal(r->next, s == BL_LP_BLIND ? BL_LP_BLIND : BL_LP_CHECKING);
            assert_int_equal(!!(r->todo & BL_LP_DO_CHECK),
                             s != BL_LP_CHECKING && r->next == BL_LP_CHECKING);
            assert_int_equal(!!(r->todo & BL_LP_DO_LOSE),
                             (s == BL_LP_CHECKING && bad) ||
                                 (s == BL_LP_BLIND && f == BL_LP_SUSPECT));
            assert_true(!(r->todo & BL_LP_DO_LOSE) || r->next == BL_LP_BLIND);
        }
        for (unsigned f = BL_LP_SUSPECT; f <= BL_LP_BAD; f++) /* they come at any time */
            assert_true(bl_lp_check_rules[s][f].legal);
        assert_int_equal(bl_lp_check_rules[s][BL_LP_CHECK_DUE].legal, s == BL_LP_RESTING);
        assert_int_equal(bl_lp_check_rules[s][BL_LP_LATE].legal, s == BL_LP_CHECKING);
    }
}

static void every_name_is_there_and_no_two_are_the_same(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BL_LP_STATES; i++)
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(bl_lp_state_name((enum bl_lp_state)i),
                                    bl_lp_state_name((enum bl_lp_state)j));
    for (unsigned i = 0; i < BL_LP_EVENTS; i++)
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(bl_lp_event_name((enum bl_lp_event)i),
                                    bl_lp_event_name((enum bl_lp_event)j));
    for (unsigned i = 0; i < BL_LP_BITS; i++)
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(bl_lp_bit_name(i), bl_lp_bit_name(j));
}

/* ---- the arithmetic ---- */

static struct bl_lp lp;

static void init(struct bl_lp_limits limits)
{
    bl_lp_init(&lp, &limits, 7, BL_MS(1000));
}

static struct bl_lp_limits constant(int64_t delay_ms)
{
    return (struct bl_lp_limits){.retry_delay_ms = delay_ms,
                                 .attempt_ns = BL_MS(30000),
                                 .check_every_ns = BELAY_NEVER,
                                 .check_limit_ns = BL_MS(5000),
                                 .move_every_ns = BELAY_NEVER};
}

static unsigned step(enum bl_lp_event event, struct bl_lp_facts facts, uint64_t now_ms)
{
    assert_true(bl_lp_expects(&lp, event));
    return bl_lp_step(&lp, event, &facts, BL_MS(now_ms));
}

static const struct bl_lp_facts none;

static void dial(uint64_t now_ms)
{
    assert_int_equal(bl_lp_due(&lp, BL_MS(now_ms)), BL_LP_ALARM_TRY);
    step(BL_LP_DUE, none, now_ms);
    step(BL_LP_GO, none, now_ms);
    step(BL_LP_ADDRESS, none, now_ms);
    step(BL_LP_GO, none, now_ms);
    assert_int_equal(lp.state, BL_LP_DIALING);
}

static void the_wait_is_what_is_left_of_the_delay(void **state)
{
    (void)state;
    init(constant(10000));
    dial(1000);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(31000)); /* its limit */
    step(BL_LP_FAIL, none, 4000);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(11000));
    assert_int_equal(bl_lp_next_ms(&lp, BL_MS(4000)), 7000);
    assert_int_equal(bl_lp_next_ms(&lp, BL_MS(4000) + 1), 7000); /* rounded up */
    assert_int_equal(bl_lp_due(&lp, BL_MS(11000) - 1), BL_LP_ALARM_NONE);
    dial(11000);
    assert_int_equal(bl_lp_due(&lp, BL_MS(41000)), BL_LP_ALARM_LIMIT);
}

static struct bl_lp_limits with_backoff(int32_t attempts_max)
{
    struct belay_backoff_options o = belay_backoff_options_init();
    struct bl_lp_limits limits = constant(10000);

    o.delay_ms = 100;
    o.jitter = BELAY_JITTER_NONE;
    o.attempts_max = attempts_max;
    limits.has_backoff = true;
    assert_int_equal(belay_backoff_init(&limits.backoff, &o), 0);
    return limits;
}

static void a_backoff_grows_from_start_to_start_and_begins_anew_after_a_success(void **state)
{
    (void)state;
    init(with_backoff(0));
    dial(1000);
    step(BL_LP_FAIL, none, 1030);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(1100));
    dial(1100);
    step(BL_LP_FAIL, none, 1100);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(1300));
    dial(1300);
    step(BL_LP_OPENED, none, 1350);
    step(BL_LP_LOST, none, 1360);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(1400)); /* the first delay, from the start */
    dial(1400);
    step(BL_LP_FAIL, none, 1400);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(1500));
}

static void spent_attempts_end_it(void **state)
{
    unsigned todo;

    (void)state;
    init(with_backoff(1));
    dial(1000);
    step(BL_LP_FAIL, none, 1000);
    assert_int_equal(lp.state, BL_LP_FAILED);
    dial(1100);
    todo = step(BL_LP_FAIL, (struct bl_lp_facts){.same = true}, 1100);
    assert_int_equal(lp.state, BL_LP_CLOSING);
    assert_true(todo & BL_LP_DO_TELL_FAIL); /* although it is the same error */
    assert_true(todo & BL_LP_DO_REFUSE);
    assert_int_equal(bl_lp_next_ms(&lp, BL_MS(1100)), INT64_MAX);
    assert_int_equal(bl_lp_wakes(&lp), BELAY_NEVER);
}

static void a_backoff_without_retries_still_dials_again_after_a_success(void **state)
{
    (void)state;
    init(with_backoff(BELAY_NONE));
    dial(1000);
    step(BL_LP_OPENED, none, 1000);
    step(BL_LP_LOST, none, 1000);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(1100));
    dial(1100);
    step(BL_LP_FAIL, none, 1100);
    assert_int_equal(lp.state, BL_LP_CLOSING);
}

static void a_final_error_ends_it_but_not_that_of_a_candidate(void **state)
{
    struct bl_lp_limits limits = constant(10000);

    (void)state;
    limits.move_every_ns = BL_MS(60000);
    init(limits);
    dial(1000);
    step(BL_LP_OPENED, none, 1000);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(61000));
    step(BL_LP_DUE, none, 61000);
    step(BL_LP_FAIL, (struct bl_lp_facts){.final = true}, 61000);
    assert_int_equal(lp.state, BL_LP_UP);
    assert_int_equal(lp.failures, 0);
    step(BL_LP_LOST, none, 80000);
    dial(80000);
    step(BL_LP_FAIL, (struct bl_lp_facts){.final = true}, 80000);
    assert_int_equal(lp.state, BL_LP_CLOSING);
}

static void a_question_that_changes_nothing_is_no_attempt(void **state)
{
    struct bl_lp_limits limits = constant(10000);

    (void)state;
    limits.retry_delay_ms = 30000;
    limits.move_every_ns = BL_MS(20000);
    init(limits);
    dial(1000);
    step(BL_LP_OPENED, none, 1000);
    step(BL_LP_DUE, none, 21000);
    step(BL_LP_STAY, none, 21500);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(41000));
    step(BL_LP_LOST, none, 22000);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(31000)); /* the delay is that of the last dial */
}

static void candidates_that_fail_are_throttled_as_attempts_are(void **state)
{
    struct bl_lp_limits limits = constant(10000);

    (void)state;
    limits.move_every_ns = BL_MS(1000);
    init(limits);
    dial(1000);
    step(BL_LP_OPENED, none, 1000);
    step(BL_LP_DUE, none, 2000);
    step(BL_LP_ADDRESS, none, 2000);
    step(BL_LP_FAIL, none, 2100);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(12000));
}

static void candidates_are_never_given_up_while_the_link_is_up(void **state)
{
    struct bl_lp_limits limits = with_backoff(1);

    (void)state;
    init(limits);
    dial(1000);
    step(BL_LP_OPENED, none, 1000);
    bl_lp_drain(&lp);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(1100)); /* the first delay */
    step(BL_LP_DUE, none, 1100);
    step(BL_LP_FAIL, none, 1100);
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(1200));
    step(BL_LP_DUE, none, 1200);
    step(BL_LP_FAIL, none, 1200);
    assert_int_equal(lp.state, BL_LP_UP);
    assert_int_equal(bl_lp_wakes(&lp),
                     BL_MS(1400)); /* the attempts of the backoff are the link's */
    bl_lp_kick(&lp, BL_MS(1250));  /* somebody knows better */
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(1250));
}

static void addresses_are_taken_in_turn(void **state)
{
    (void)state;
    init(constant(10000));
    assert_int_equal(bl_lp_pick(&lp, 3, SIZE_MAX), 0);
    assert_int_equal(bl_lp_pick(&lp, 3, 0), 1);
    assert_int_equal(bl_lp_pick(&lp, 3, 2), 0);
    assert_int_equal(bl_lp_pick(&lp, 1, 0), 0);
    lp.state = BL_LP_ASKING;
    assert_int_equal(bl_lp_pick(&lp, 3, 1), 0); /* the best one */
    lp.draining = true;
    assert_int_equal(bl_lp_pick(&lp, 3, 1), 2);
}

static void a_huge_delay_is_for_ever(void **state)
{
    struct bl_lp_facts facts = {.asked = true, .delay_ms = INT64_MAX};

    (void)state;
    init(constant(10000));
    step(BL_LP_DUE, none, 1000);
    step(BL_LP_GO, facts, 1000);
    step(BL_LP_FAIL, none, 1000);
    assert_int_equal(bl_lp_wakes(&lp), BELAY_NEVER);
    assert_int_equal(bl_lp_next_ms(&lp, BL_MS(1000)), INT64_MAX);
    bl_lp_kick(&lp, BL_MS(5000));
    assert_int_equal(bl_lp_wakes(&lp), BL_MS(5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_current_connection_is_adopted_and_revoked_once),
        cmocka_unit_test(there_is_one_attempt_at_most_and_it_is_never_forgotten),
        cmocka_unit_test(an_episode_begins_with_attempting_and_ends_with_disconnected),
        cmocka_unit_test(a_failure_is_told_and_that_of_a_candidate_only_noted),
        cmocka_unit_test(who_waits_is_answered_when_it_is_up_and_refused_when_it_ends),
        cmocka_unit_test(an_address_is_told_when_the_attempt_is_the_links_own),
        cmocka_unit_test(each_event_leads_where_it_must),
        cmocka_unit_test(closing_leads_to_closed_and_nothing_leads_back),
        cmocka_unit_test(every_event_that_can_come_has_a_row),
        cmocka_unit_test(a_check_is_asked_once_and_what_fails_it_is_lost),
        cmocka_unit_test(every_name_is_there_and_no_two_are_the_same),
        cmocka_unit_test(the_wait_is_what_is_left_of_the_delay),
        cmocka_unit_test(a_backoff_grows_from_start_to_start_and_begins_anew_after_a_success),
        cmocka_unit_test(spent_attempts_end_it),
        cmocka_unit_test(a_backoff_without_retries_still_dials_again_after_a_success),
        cmocka_unit_test(a_final_error_ends_it_but_not_that_of_a_candidate),
        cmocka_unit_test(a_question_that_changes_nothing_is_no_attempt),
        cmocka_unit_test(candidates_that_fail_are_throttled_as_attempts_are),
        cmocka_unit_test(candidates_are_never_given_up_while_the_link_is_up),
        cmocka_unit_test(addresses_are_taken_in_turn),
        cmocka_unit_test(a_huge_delay_is_for_ever),
    };
    return cmocka_run_group_tests_name("keep_link_policy", tests, NULL, NULL);
}
