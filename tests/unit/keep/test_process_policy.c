/* SPDX-License-Identifier: MIT */
/*
 * The two tables as data, and the policy by itself. The first table is written down here once more;
 * of the second the properties are checked that hold for every row.
 */
#include "unit/keep/process_kit.h"

#include <stdio.h>

#define LEGAL      BL_PR_LEGAL
#define WAIT       (BL_PR_LEGAL | BL_PR_MAY_WAIT)
#define REPLIES    (BL_PR_LEGAL | BL_PR_MAY_REPLY)
#define MUST_REPLY (WAIT | BL_PR_MUST_REPLY)

/* In the order of enum belay_do: ok reply noreply connect disconnect backoff noconnect postpone
 * pending ignore stop. */
static const unsigned expected[BL_PR_CALLBACKS][BL_PR_DOES] = {
    {0, WAIT, 0, 0, LEGAL, 0, WAIT, 0, 0, LEGAL, LEGAL, LEGAL},
    {0, WAIT, 0, 0, 0, 0, WAIT, 0, 0, LEGAL, 0, LEGAL},
    {0, 0, 0, 0, LEGAL, 0, WAIT, WAIT, 0, LEGAL, 0, LEGAL},
    {0, 0, MUST_REPLY, WAIT, REPLIES, REPLIES, 0, 0, LEGAL, 0, 0, REPLIES},
    {0, 0, 0, WAIT, LEGAL, LEGAL, 0, 0, LEGAL, 0, 0, LEGAL},
    {0, 0, 0, WAIT, LEGAL, LEGAL, 0, 0, LEGAL, 0, 0, LEGAL},
};

static void each_callback_may_return_what_its_comment_says(void **state)
{
    (void)state;
    for (unsigned c = 0; c < BL_PR_CALLBACKS; c++)
        for (unsigned d = 0; d < BL_PR_DOES; d++)
            if (bl_pr_allows((enum bl_pr_callback)c, (enum belay_do)d) != expected[c][d])
                fail_msg("%s: %s", bl_pr_callback_name((enum bl_pr_callback)c),
                         bl_pr_do_name((enum belay_do)d));
}

static struct belay_directive of(enum belay_do what)
{
    return what == BELAY_DO_REPLY ? belay_do_reply(belay_message_tag(1)) : belay_do(what);
}

static void modifiers_are_legal_where_they_make_sense(void **state)
{
    (void)state;
    for (unsigned c = 0; c < BL_PR_CALLBACKS; c++) {
        for (unsigned d = 0; d < BL_PR_DOES; d++) {
            enum bl_pr_callback callback = (enum bl_pr_callback)c;
            struct belay_directive plain = of((enum belay_do)d);
            unsigned may = expected[c][d];
            bool replies = may & (BL_PR_MAY_REPLY | BL_PR_MUST_REPLY);

            assert_int_equal(bl_pr_is_legal(callback, &plain), (may & LEGAL) != 0);
            plain = belay_with_timeout(of((enum belay_do)d), 5);
            assert_int_equal(bl_pr_is_legal(callback, &plain), (may & BL_PR_MAY_WAIT) != 0);
            plain = belay_with_hibernate(of((enum belay_do)d));
            assert_int_equal(bl_pr_is_legal(callback, &plain), (may & BL_PR_MAY_WAIT) != 0);
            plain = belay_with_reply(of((enum belay_do)d), belay_message_tag(1));
            assert_int_equal(bl_pr_is_legal(callback, &plain), replies);
        }
    }
}

static void times_and_kinds_out_of_range_are_nonsense(void **state)
{
    struct belay_directive d = belay_do_backoff(-1);

    (void)state;
    assert_false(bl_pr_is_legal(BL_PR_CONNECT, &d));
    d = belay_do_backoff(BELAY_FOREVER);
    assert_true(bl_pr_is_legal(BL_PR_CONNECT, &d));
    d = belay_with_timeout(belay_do_ok(), -7);
    assert_false(bl_pr_is_legal(BL_PR_CONNECT, &d));
    d = belay_do_reply(belay_message_tag(1));
    d.has_reply = false;
    assert_false(bl_pr_is_legal(BL_PR_CALL, &d));
    d = belay_do_stop(NULL, (enum belay_exit_kind)(BELAY_EXIT_ERROR + 1), NULL);
    assert_false(bl_pr_is_legal(BL_PR_CALL, &d));
    d = belay_do((enum belay_do)0);
    assert_false(bl_pr_is_legal(BL_PR_CALL, &d));
    d = belay_do((enum belay_do)(BELAY_DO_STOP + 1));
    assert_false(bl_pr_is_legal(BL_PR_CALL, &d));
    d = belay_do((enum belay_do) - 1);
    assert_false(bl_pr_is_legal(BL_PR_CALL, &d));
}

/* ---- the second table ---- */

static const enum belay_process_state states[] = {
    BELAY_PROCESS_STARTING,  BELAY_PROCESS_DISCONNECTED, BELAY_PROCESS_CONNECTING,
    BELAY_PROCESS_CONNECTED, BELAY_PROCESS_BACKING_OFF,  BELAY_PROCESS_DISCONNECTING,
    BELAY_PROCESS_ENDED,
};

static bool rests(enum belay_process_state state)
{
    return state == BELAY_PROCESS_DISCONNECTED || state == BELAY_PROCESS_CONNECTED ||
           state == BELAY_PROCESS_BACKING_OFF || state == BELAY_PROCESS_CONNECTING;
}

/* Which callbacks may run in a state. */
static bool runs_in(enum bl_pr_callback callback, enum belay_process_state state)
{
    switch (callback) {
    case BL_PR_INIT:
        return state == BELAY_PROCESS_STARTING;
    case BL_PR_CONNECT:
        return state == BELAY_PROCESS_CONNECTING;
    case BL_PR_DISCONNECT:
        return state == BELAY_PROCESS_DISCONNECTING;
    default:
        return rests(state);
    }
}

static void there_is_a_rule_for_whatever_may_be_returned_and_no_other(void **state)
{
    (void)state;
    for (unsigned s = 0; s < BL_COUNT(states); s++) {
        for (unsigned d = 0; d < BL_PR_DOES; d++) {
            bool possible = false;

            for (unsigned c = 0; c < BL_PR_CALLBACKS; c++)
                possible |= runs_in((enum bl_pr_callback)c, states[s]) && expected[c][d];
            if (bl_pr_rule(states[s], (enum belay_do)d)->legal != possible)
                fail_msg("%s: %s", belay_process_state_name(states[s]),
                         bl_pr_do_name((enum belay_do)d));
        }
    }
    assert_false(bl_pr_rule((enum belay_process_state)99, BELAY_DO_OK)->legal);
    assert_false(bl_pr_rule(BELAY_PROCESS_CONNECTED, (enum belay_do)99)->legal);
}

/* Where a directive leads, whatever the state; 0: where it was. */
static enum belay_process_state leads_to(enum belay_process_state at, enum belay_do what)
{
    switch (what) {
    case BELAY_DO_OK:
        return at == BELAY_PROCESS_STARTING ? BELAY_PROCESS_DISCONNECTED : BELAY_PROCESS_CONNECTED;
    case BELAY_DO_CONNECT:
        return BELAY_PROCESS_CONNECTING;
    case BELAY_DO_DISCONNECT:
        return BELAY_PROCESS_DISCONNECTING;
    case BELAY_DO_BACKOFF:
        return BELAY_PROCESS_BACKING_OFF;
    case BELAY_DO_NOCONNECT:
        return BELAY_PROCESS_DISCONNECTED;
    case BELAY_DO_IGNORE:
    case BELAY_DO_STOP:
        return BELAY_PROCESS_ENDED;
    default:
        return at;
    }
}

#define SAME(bit, condition) assert_int_equal((rule->todo & (bit)) != 0, (condition))

static void check_rule(enum belay_process_state at, enum belay_do what)
{
    const struct bl_pr_rule *rule = bl_pr_rule(at, what);
    bool from_connect =
        at == BELAY_PROCESS_CONNECTING && (what == BELAY_DO_OK || what == BELAY_DO_BACKOFF);
    bool from_disconnect =
        at == BELAY_PROCESS_DISCONNECTING &&
        (what == BELAY_DO_CONNECT || what == BELAY_DO_BACKOFF || what == BELAY_DO_NOCONNECT);
    bool moves = what == BELAY_DO_CONNECT || what == BELAY_DO_DISCONNECT;
    bool ends = what == BELAY_DO_STOP || what == BELAY_DO_IGNORE;

    if (!rule->legal)
        return;
    assert_int_equal(rule->next, leads_to(at, what));
    SAME(BL_PR_DO_REPLY, what == BELAY_DO_REPLY || (rests(at) && (moves || what == BELAY_DO_STOP)));
    SAME(BL_PR_DO_CANCEL,
         (rests(at) && moves) || (what == BELAY_DO_STOP && at != BELAY_PROCESS_STARTING));
    SAME(BL_PR_DO_GIVE_UP, at == BELAY_PROCESS_CONNECTING && moves);
    SAME(BL_PR_DO_POSTPONE, what == BELAY_DO_POSTPONE);
    SAME(BL_PR_DO_REDELIVER, from_connect || from_disconnect);
    SAME(BL_PR_DO_BACKOFF, what == BELAY_DO_BACKOFF);
    SAME(BL_PR_DO_COUNT, at == BELAY_PROCESS_CONNECTING && what == BELAY_DO_BACKOFF);
    SAME(BL_PR_DO_RESET, at == BELAY_PROCESS_CONNECTING && what == BELAY_DO_OK);
    SAME(BL_PR_DO_IDLE, !moves && !ends && what != BELAY_DO_POSTPONE && what != BELAY_DO_PENDING);
    SAME(BL_PR_DO_CONNECT, what == BELAY_DO_CONNECT);
    SAME(BL_PR_DO_DISCONNECT, what == BELAY_DO_DISCONNECT);
    SAME(BL_PR_DO_PEND, what == BELAY_DO_PENDING);
    SAME(BL_PR_DO_END, ends);
}

static void each_rule_does_what_its_directive_says(void **state)
{
    (void)state;
    for (unsigned s = 0; s < BL_COUNT(states); s++)
        for (unsigned d = 0; d < BL_PR_DOES; d++)
            check_rule(states[s], (enum belay_do)d);
}

static void everything_has_a_name(void **state)
{
    (void)state;
    for (unsigned b = 0; b < BL_PR_BITS; b++)
        assert_true(bl_pr_bit_name(b)[0]);
    assert_string_equal(bl_pr_do_name(BELAY_DO_STOP), "stop");
    assert_string_equal(bl_pr_do_name((enum belay_do)99), "nonsense");
    assert_string_equal(belay_process_state_name(BELAY_PROCESS_BACKING_OFF), "backing_off");
    assert_string_equal(belay_process_state_name((enum belay_process_state)99), "unknown");
}

/* ---- what comes next ---- */

static void apply(struct bl_pr *pr, enum bl_pr_callback callback, struct belay_directive d)
{
    bool bad;

    bl_pr_apply(pr, callback, &d, 0, &bad);
    assert_false(bad);
}

static struct bl_pr after_init(struct belay_directive d, bool serve)
{
    struct bl_pr pr;

    bl_pr_init(&pr, serve, false);
    bl_pr_begin(&pr, BL_PR_RUN_INIT);
    apply(&pr, BL_PR_INIT, d);
    return pr;
}

static void init_comes_first_but_for_the_end(void **state)
{
    struct bl_pr_facts facts = {.mail = true, .resumed = true};
    struct bl_pr pr;

    (void)state;
    bl_pr_init(&pr, false, false);
    assert_int_equal(bl_pr_next(&pr, &facts, 0), BL_PR_RUN_INIT);
    assert_int_equal(bl_pr_due(&pr, &facts), BELAY_NEVER);
    facts.ending = true;
    assert_int_equal(bl_pr_next(&pr, &facts, 0), BL_PR_RUN_END);
}

/* On a thread of its own the loop tells the starter while the thread waits. */
static void nothing_is_done_before_the_starter_knows_but_ending(void **state)
{
    struct bl_pr_facts facts = {.mail = true, .held = true};
    struct bl_pr pr = after_init(belay_do_connect(belay_message_tag(1)), true);

    (void)state;
    assert_int_equal(bl_pr_next(&pr, &facts, 0), BL_PR_NOTHING);
    facts.held = false;
    assert_int_equal(bl_pr_next(&pr, &facts, 0), BL_PR_RUN_CONNECT);
    facts.held = facts.ending = true;
    assert_int_equal(bl_pr_next(&pr, &facts, 0), BL_PR_RUN_END);
    pr = after_init(belay_do_backoff(0), true);
    facts.ending = false;
    assert_int_equal(bl_pr_next(&pr, &facts, 0), BL_PR_NOTHING);
    assert_int_equal(bl_pr_due(&pr, &facts), BELAY_NEVER);
}

static void what_is_due_is_the_nearest_of_both_times(void **state)
{
    struct bl_pr_facts facts = {.mail = false};
    struct bl_pr pr = after_init(belay_with_timeout(belay_do_backoff(7), 5), false);

    (void)state;
    assert_int_equal(bl_pr_due(&pr, &facts), BL_MS(5));
    bl_pr_begin(&pr, BL_PR_RUN_TIMEOUT);
    assert_int_equal(bl_pr_due(&pr, &facts), BL_MS(7));
    bl_pr_begin(&pr, BL_PR_RUN_BACKOFF);
    assert_int_equal(bl_pr_due(&pr, &facts), BELAY_NEVER);
}

static void nothing_is_due_while_something_is_pending(void **state)
{
    struct bl_pr_facts facts = {.mail = true};

    (void)state;
    for (int serve = 0; serve < 2; serve++) {
        struct bl_pr pr = after_init(belay_do_connect(belay_message_tag(1)), serve);

        bl_pr_begin(&pr, BL_PR_RUN_CONNECT);
        apply(&pr, BL_PR_CONNECT, belay_do_pending());
        assert_int_equal(bl_pr_next(&pr, &facts, 0), serve ? BL_PR_RUN_MAIL : BL_PR_NOTHING);
        if (serve)
            apply(&pr, BL_PR_CAST, belay_with_timeout(belay_do_noreply(), 5));
        assert_int_equal(bl_pr_due(&pr, &facts), serve ? BL_MS(5) : BELAY_NEVER);
    }
}

/* ---- nonsense in every callback, over a loop ---- */

static struct process_kit k;
static struct actor a;

/* A process in which that callback is the next to run, and returns that. */
static void return_from(enum bl_pr_callback callback, struct belay_directive directive)
{
    static struct asked asked;

    actor_init(&a, &k);
    if (callback == BL_PR_CONNECT)
        actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    if (callback == BL_PR_DISCONNECT)
        actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(1)));
    actor_says(&a, callback, directive);
    actor_start(&a);
    if (callback == BL_PR_CALL)
        call(&a, 1, &asked);
    if (callback == BL_PR_CAST || callback == BL_PR_DISCONNECT)
        cast(&a, 1);
    if (callback == BL_PR_INFO)
        info(&a, 1);
    process_kit_settle(&k);
    if (callback == BL_PR_CALL && !belay_process_is_alive(a.process))
        assert_int_equal(asked.told, 1); /* replied to, or told of the end */
}

static bool ended_badly(void)
{
    return !belay_process_is_alive(a.process) && a.exit.kind == BELAY_EXIT_ERROR &&
           a.exit.error->code == BELAY_EBADRETURN;
}

static struct belay_directive nth(enum belay_do what, int modifier)
{
    struct belay_directive d = what == BELAY_DO_REPLY ? belay_do_reply(counted(2)) : belay_do(what);

    if (what == BELAY_DO_CONNECT || what == BELAY_DO_DISCONNECT)
        d.info = counted(3);
    if (modifier == 1)
        d = belay_with_timeout(d, 5);
    if (modifier == 2)
        d = belay_with_hibernate(d);
    if (modifier == 3 && !d.has_reply)
        d = belay_with_reply(d, counted(4));
    if (modifier == 4)
        d = belay_with_timeout(d, -7);
    return d;
}

static void nonsense_ends_the_process_and_nothing_else_does(void **state)
{
    (void)state;
    for (unsigned c = 0; c < BL_PR_CALLBACKS; c++) {
        for (unsigned d = 0; d <= BL_PR_DOES; d++) {
            for (int modifier = 0; modifier < 5; modifier++) {
                struct belay_directive directive;

                process_kit_begin(&k);
                directive = nth((enum belay_do)d, modifier);
                return_from((enum bl_pr_callback)c, directive);
                if (ended_badly() == bl_pr_is_legal((enum bl_pr_callback)c, &directive))
                    fail_msg("%s: %s, modifier %d", bl_pr_callback_name((enum bl_pr_callback)c),
                             bl_pr_do_name((enum belay_do)d), modifier);
                if (ended_badly())
                    assert_non_null(
                        strstr(a.exit_error.text, bl_pr_callback_name((enum bl_pr_callback)c)));
                actor_forget(&a);
                process_kit_end(&k);
            }
        }
    }
}

static void terminate_is_called_after_nonsense_unless_init_said_it(void **state)
{
    (void)state;
    for (unsigned c = 0; c < BL_PR_CALLBACKS; c++) {
        process_kit_begin(&k);
        return_from((enum bl_pr_callback)c, belay_do((enum belay_do)0));
        assert_true(ended_badly());
        assert_int_equal(strstr(a.log, "terminate(error)") != NULL, c != BL_PR_INIT);
        assert_int_equal(a.start_code, c == BL_PR_INIT ? BELAY_EBADRETURN : 0);
        actor_forget(&a);
        process_kit_end(&k);
    }
}

static void says(enum bl_pr_callback callback, struct belay_directive d, const char *fault)
{
    char out[64];

    assert_false(bl_pr_is_legal(callback, &d));
    bl_pr_fault(callback, &d, out, sizeof out);
    assert_string_equal(out, fault);
}

static void what_is_wrong_with_a_directive_is_named(void **state)
{
    struct belay_message m = belay_message_tag(1);
    struct belay_directive bare = belay_do_reply(m), stop = belay_do(BELAY_DO_STOP);

    (void)state;
    bare.has_reply = false;
    stop.exit = (enum belay_exit_kind)9;
    says(BL_PR_INIT, belay_do_noreply(), "noreply");
    says(BL_PR_INFO, belay_do_reply(m), "reply with a reply");
    says(BL_PR_INFO, belay_with_reply(belay_do_noreply(), m), "noreply with a reply");
    says(BL_PR_CALL, bare, "reply without a reply");
    says(BL_PR_CALL, belay_with_timeout(belay_do_postpone(), 1), "postpone with a timeout");
    says(BL_PR_CALL, belay_with_hibernate(belay_do_postpone()), "postpone with hibernate");
    says(BL_PR_INIT, belay_with_timeout(belay_do_ok(), -7), "ok with a timeout of -7 ms");
    says(BL_PR_INIT, belay_do_backoff(-7), "a backoff of -7 ms");
    says(BL_PR_INIT, stop, "stop with an exit of 9");
}

static void count(void *value)
{
    ++*(int *)value;
}

static void a_reply_over_another_destroys_that(void **state)
{
    int first = 0, second = 0;
    struct belay_directive d = belay_do_reply(belay_message(1, &first, count));

    (void)state;
    d = belay_with_reply(d, belay_message(2, &second, count));
    assert_int_equal(first, 1);
    assert_int_equal(d.reply.tag, 2);
    belay_message_destroy(&d.reply);
    assert_int_equal(second, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_callback_may_return_what_its_comment_says),
        cmocka_unit_test(modifiers_are_legal_where_they_make_sense),
        cmocka_unit_test(times_and_kinds_out_of_range_are_nonsense),
        cmocka_unit_test(there_is_a_rule_for_whatever_may_be_returned_and_no_other),
        cmocka_unit_test(each_rule_does_what_its_directive_says),
        cmocka_unit_test(everything_has_a_name),
        cmocka_unit_test(init_comes_first_but_for_the_end),
        cmocka_unit_test(nothing_is_done_before_the_starter_knows_but_ending),
        cmocka_unit_test(what_is_due_is_the_nearest_of_both_times),
        cmocka_unit_test(nothing_is_due_while_something_is_pending),
        cmocka_unit_test(nonsense_ends_the_process_and_nothing_else_does),
        cmocka_unit_test(terminate_is_called_after_nonsense_unless_init_said_it),
        cmocka_unit_test(what_is_wrong_with_a_directive_is_named),
        cmocka_unit_test(a_reply_over_another_destroys_that),
    };

    return cmocka_run_group_tests_name("process_policy", tests, NULL, NULL);
}
