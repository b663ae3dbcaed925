/* SPDX-License-Identifier: MIT */
/* Calls, and waiting for a state, on the loop: answered once, late, never, or by an end. */
#include "unit/keep/process_scene.h"

/* ---- replies ---- */

static void a_call_is_answered_in_a_later_turn(void **state)
{
    struct asked asked;

    (void)state;
    actor_begin(&a);
    call(&a, 7, &asked);
    assert_int_equal(asked.told, 0);
    process_kit_settle(&k);
    assert_int_equal(asked.told, 1);
    assert_int_equal(asked.code, 0);
    assert_int_equal(asked.tag, 7);
}

static void a_reply_may_come_later(void **state)
{
    struct asked asked;

    (void)state;
    actor_says(&a, BL_PR_CALL, belay_do_noreply());
    actor_begin(&a);
    call(&a, 7, &asked);
    process_kit_pass(&k, 4999);
    assert_int_equal(asked.told, 0);
    assert_true(belay_from_waits(a.froms[0]));
    assert_int_equal(belay_from_reply(a.froms[0], counted(9)), 0);
    assert_false(belay_from_waits(a.froms[0]));
    assert_int_equal(asked.told, 0); /* never inside the reply */
    process_kit_settle(&k);
    assert_int_equal(asked.told, 1);
    assert_int_equal(asked.tag, 9);
}

static void a_call_waits_five_seconds_and_a_later_reply_is_destroyed(void **state)
{
    struct asked asked;

    (void)state;
    actor_says(&a, BL_PR_CALL, belay_do_noreply());
    actor_begin(&a);
    call(&a, 7, &asked);
    process_kit_pass(&k, 4999);
    assert_int_equal(asked.told, 0);
    process_kit_pass(&k, 1);
    assert_int_equal(asked.told, 1);
    assert_int_equal(asked.code, BELAY_ETIMEDOUT);
    assert_non_null(strstr(asked.text, "actor"));
    assert_int_equal(belay_from_reply(a.froms[0], counted(9)), BELAY_ESTALE);
    process_kit_settle(&k);
    assert_int_equal(asked.told, 1);
}

static void a_second_reply_is_stale(void **state)
{
    struct asked asked;

    (void)state;
    actor_begin(&a);
    call(&a, 7, &asked);
    process_kit_settle(&k);
    assert_int_equal(belay_from_reply(a.froms[0], counted(9)), BELAY_ESTALE);
    process_kit_settle(&k);
    assert_int_equal(asked.told, 1);
    assert_int_equal(asked.tag, 7);
}

static void on_reply(struct belay_message *reply, const struct belay_error *error, void *arg)
{
    struct asked *asked = arg;

    asked->told++;
    asked->code = error ? error->code : 0;
    asked->tag = reply ? reply->tag : 0;
}

static void ask_for(int64_t ms, struct belay_call **ret, struct asked *asked)
{
    memset(asked, 0, sizeof *asked);
    assert_int_equal(belay_process_call(a.process, counted(1), ms, ret, on_reply, asked), 0);
}

static void a_call_has_the_limit_that_it_was_given(void **state)
{
    struct asked none, some, forever;

    (void)state;
    for (int i = 0; i < 3; i++)
        actor_says(&a, BL_PR_CALL, belay_do_noreply());
    actor_begin(&a);
    ask_for(BELAY_FOREVER, NULL, &forever);
    ask_for(60000, NULL, &some);
    ask_for(1, NULL, &none);
    process_kit_pass(&k, 1);
    assert_int_equal(none.told, 1);
    assert_int_equal(some.told, 0);
    process_kit_pass(&k, 59999);
    assert_int_equal(some.code, BELAY_ETIMEDOUT);
    process_kit_pass(&k, 10000000);
    assert_int_equal(forever.told, 0);
    belay_from_reply(a.froms[0], counted(5));
    process_kit_settle(&k);
    assert_int_equal(forever.tag, 5);
}

static void a_call_that_is_cancelled_is_never_told(void **state)
{
    struct asked waiting, answered;
    struct belay_call *one, *two;

    (void)state;
    actor_says(&a, BL_PR_CALL, belay_do_noreply());
    actor_says(&a, BL_PR_CALL, belay_do_noreply());
    actor_begin(&a);
    ask_for(0, &one, &waiting);
    ask_for(0, &two, &answered);
    process_kit_settle(&k);
    belay_call_cancel(one);
    assert_false(belay_from_waits(a.froms[0]));
    assert_int_equal(belay_from_reply(a.froms[0], counted(1)), BELAY_ESTALE);
    assert_int_equal(belay_from_reply(a.froms[1], counted(2)), 0);
    belay_call_cancel(two); /* the reply has come, but was not told: it is destroyed */
    process_kit_pass(&k, 10000);
    assert_int_equal(waiting.told + answered.told, 0);
    belay_call_cancel(NULL);
}

static void a_reply_that_is_taken_is_the_callers(struct belay_message *reply,
                                                 const struct belay_error *error, void *arg)
{
    assert_null(error);
    *(struct belay_message *)arg = belay_message_take(reply);
}

static void the_caller_may_keep_the_reply(void **state)
{
    struct belay_message kept;

    (void)state;
    actor_says(&a, BL_PR_CALL, belay_do_reply(counted(3)));
    actor_begin(&a);
    assert_int_equal(belay_process_call(a.process, counted(1), 0, NULL,
                                        a_reply_that_is_taken_is_the_callers, &kept),
                     0);
    process_kit_settle(&k);
    assert_int_equal(kept.tag, 3);
    belay_message_destroy(&kept);
}

/* ---- ends ---- */

static void the_end_answers_all_calls_at_once_and_says_how(void **state)
{
    struct belay_error why = error_of(BELAY_EPROTO, "the peer speaks in tongues");
    struct asked handled, queued;

    (void)state;
    actor_says(&a, BL_PR_CALL, belay_do_noreply());
    actor_begin(&a);
    call(&a, 1, &handled);
    process_kit_settle(&k);
    call(&a, 2, &queued);
    belay_process_stop(a.process, BELAY_EXIT_ERROR, &why, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    assert_int_equal(handled.told, 1);
    assert_int_equal(handled.code, BELAY_ENOPROC);
    assert_non_null(strstr(handled.text, "the peer speaks in tongues"));
    assert_int_equal(queued.told, 1);
    assert_int_equal(queued.code, BELAY_ENOPROC);
}

static void who_has_ended_is_not_called(void **state)
{
    struct belay_message m = counted(1);

    (void)state;
    actor_begin(&a);
    belay_process_stop(a.process, BELAY_EXIT_NORMAL, NULL, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    assert_int_equal(belay_process_call(a.process, m, 0, NULL, on_reply, NULL), BELAY_ENOPROC);
    assert_int_equal(belay_process_cast(a.process, m), BELAY_ENOPROC);
    assert_int_equal(belay_process_send(a.process, m), BELAY_ENOPROC);
    belay_message_destroy(&m); /* it stayed ours */
}

static void calls_end_with_their_loop(void **state)
{
    struct asked asked;

    (void)state;
    actor_says(&a, BL_PR_CALL, belay_do_noreply());
    actor_begin(&a);
    call(&a, 1, &asked);
    process_kit_settle(&k);
    actor_forget(&a);
    belay_loop_free(k.loop);
    k.loop = NULL;
    assert_int_equal(asked.told, 1);
    assert_int_equal(asked.code, BELAY_ENOPROC);
}

static void impossible_calls_are_refused(void **state)
{
    struct belay_message m = counted(1), ours = m, reply;

    (void)state;
    actor_begin(&a);
    ours.tag = BELAY_TAG_TIMEOUT;
    assert_int_equal(belay_process_call(a.process, ours, 0, NULL, on_reply, NULL), BELAY_EINVAL);
    assert_int_equal(belay_process_cast(a.process, ours), BELAY_EINVAL);
    assert_int_equal(belay_process_send(a.process, ours), BELAY_EINVAL);
    assert_int_equal(belay_process_call(a.process, m, -7, NULL, on_reply, NULL), BELAY_EINVAL);
    assert_int_equal(belay_process_call(a.process, m, 0, NULL, NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_process_call(NULL, m, 0, NULL, on_reply, NULL), BELAY_EINVAL);
    assert_int_equal(belay_process_call_wait(a.process, m, -7, &reply, NULL), BELAY_EINVAL);
}

/* ---- blocking, on the loop's thread ---- */

static void a_blocking_call_turns_the_loop(void **state)
{
    struct belay_message reply;

    (void)state;
    actor_begin(&a);
    assert_int_equal(belay_process_call_wait(a.process, counted(4), 0, &reply, NULL), 0);
    assert_int_equal(reply.tag, 4);
    assert_int_equal(belay_process_call_wait(a.process, counted(4), 0, NULL, NULL), 0);
}

static void a_blocking_call_has_its_limit_and_takes_its_message(void **state)
{
    struct belay_message reply;
    struct belay_error error;

    (void)state;
    actor_says(&a, BL_PR_CALL, belay_do_noreply());
    actor_begin(&a);
    uint64_t begin = k.world.now_ns;
    assert_int_equal(belay_process_call_wait(a.process, counted(4), 200, &reply, &error),
                     BELAY_ETIMEDOUT);
    assert_int_equal((k.world.now_ns - begin) / BL_MS(1), 200);
    assert_int_equal(error.code, BELAY_ETIMEDOUT);
    assert_int_equal(belay_from_reply(a.froms[0], counted(1)), BELAY_ESTALE);
    belay_process_stop(a.process, BELAY_EXIT_NORMAL, NULL, BELAY_FOREVER, NULL, NULL);
    assert_int_equal(belay_process_call_wait(a.process, counted(4), 0, &reply, &error),
                     BELAY_ENOPROC);
    assert_non_null(strstr(error.text, "normal"));
}

static int nested;

static void call_itself(struct actor *actor, enum bl_pr_callback callback,
                        struct belay_message *message)
{
    struct belay_message reply;

    (void)message;
    if (callback == BL_PR_CALL)
        nested = belay_process_call_wait(actor->process, counted(5), 0, &reply, NULL);
}

static void a_callback_cannot_block_on_the_loop(void **state)
{
    (void)state;
    a.during = call_itself;
    actor_begin(&a);
    assert_int_equal(ask(&a, 1), 1);
    assert_int_equal(nested, BELAY_EDEADLK);
}

/* ---- states ---- */

struct waited {
    unsigned told;
    int result;
};

static void on_state(int result, void *arg)
{
    struct waited *w = arg;

    w->told++;
    w->result = result;
}

static void wait_for(struct waited *w, enum belay_process_state state, int64_t ms)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(belay_process_wait_until(a.process, state, ms, on_state, w), 0);
}

static void who_waits_for_a_state_is_told_in_it_or_as_soon_as_it_is(void **state)
{
    struct waited down_now, up, back;

    (void)state;
    actor_says(&a, BL_PR_CAST, belay_do_connect(belay_message_tag(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_backoff(100));
    actor_begin(&a);
    wait_for(&down_now, BELAY_PROCESS_DISCONNECTED, 0);
    wait_for(&back, BELAY_PROCESS_BACKING_OFF, BELAY_FOREVER);
    wait_for(&up, BELAY_PROCESS_CONNECTED, 1000);
    assert_int_equal(down_now.told, 0);
    process_kit_settle(&k);
    assert_int_equal(down_now.told, 1);
    assert_int_equal(down_now.result, 0);
    cast(&a, 1);
    process_kit_settle(&k);
    assert_int_equal(back.told, 1);
    assert_int_equal(up.told, 0);
    process_kit_pass(&k, 100);
    assert_int_equal(up.told, 1);
    assert_int_equal(up.result, 0);
}

static void a_state_that_does_not_come_is_a_timeout(void **state)
{
    struct waited w;

    (void)state;
    actor_begin(&a);
    wait_for(&w, BELAY_PROCESS_CONNECTED, 300);
    process_kit_pass(&k, 299);
    assert_int_equal(w.told, 0);
    process_kit_pass(&k, 1);
    assert_int_equal(w.told, 1);
    assert_int_equal(w.result, BELAY_ETIMEDOUT);
}

static void the_end_is_a_state_to_wait_for_and_the_end_of_other_waits(void **state)
{
    struct waited ended, connected, late, too_late;

    (void)state;
    actor_begin(&a);
    wait_for(&ended, BELAY_PROCESS_ENDED, BELAY_FOREVER);
    wait_for(&connected, BELAY_PROCESS_CONNECTED, BELAY_FOREVER);
    belay_process_stop(a.process, BELAY_EXIT_NORMAL, NULL, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    assert_int_equal(ended.told, 1);
    assert_int_equal(ended.result, 0);
    assert_int_equal(connected.told, 1);
    assert_int_equal(connected.result, BELAY_ENOPROC);
    wait_for(&late, BELAY_PROCESS_ENDED, BELAY_FOREVER);
    wait_for(&too_late, BELAY_PROCESS_CONNECTED, BELAY_FOREVER);
    process_kit_settle(&k);
    assert_int_equal(late.result, 0);
    assert_int_equal(too_late.result, BELAY_ENOPROC);
    assert_int_equal(late.told + too_late.told, 2);
    assert_int_equal(belay_process_wait_until_wait(a.process, BELAY_PROCESS_ENDED, 0), 0);
    assert_int_equal(belay_process_wait_until_wait(a.process, BELAY_PROCESS_CONNECTED, 0),
                     BELAY_ENOPROC);
}

static void waiting_for_a_state_can_block(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_backoff(100));
    actor_begin(&a);
    assert_int_equal(belay_process_wait_until_wait(a.process, BELAY_PROCESS_CONNECTED, 50),
                     BELAY_ETIMEDOUT);
    assert_int_equal(belay_process_wait_until_wait(a.process, BELAY_PROCESS_CONNECTED, 50), 0);
}

static void impossible_waits_are_refused(void **state)
{
    (void)state;
    actor_begin(&a);
    assert_int_equal(belay_process_wait_until(a.process, 0, 0, on_state, NULL), BELAY_EINVAL);
    assert_int_equal(belay_process_wait_until(a.process, 99, 0, on_state, NULL), BELAY_EINVAL);
    assert_int_equal(belay_process_wait_until(a.process, BELAY_PROCESS_ENDED, -9, on_state, NULL),
                     BELAY_EINVAL);
    assert_int_equal(belay_process_wait_until(a.process, BELAY_PROCESS_ENDED, 0, NULL, NULL),
                     BELAY_EINVAL);
    assert_int_equal(belay_process_wait_until_wait(NULL, BELAY_PROCESS_ENDED, 0), BELAY_EINVAL);
}

/* ---- memory ---- */

static void a_call_without_memory_leaves_its_message(void **state)
{
    struct belay_message m = counted(1), reply;
    struct asked asked;
    struct waited w;
    int rc = BELAY_ENOMEM;

    (void)state;
    actor_begin(&a);
    for (size_t n = 1; rc == BELAY_ENOMEM; n++) {
        memset(&asked, 0, sizeof asked);
        failing_alloc_once(&k.alloc, n);
        rc = belay_process_call(a.process, m, 0, NULL, on_reply, &asked);
        assert_true(rc == 0 || rc == BELAY_ENOMEM);
        process_kit_settle(&k);
        assert_int_equal(asked.told, rc == 0);
    }
    for (size_t n = 1; n < 8; n++) {
        failing_alloc_once(&k.alloc, n);
        rc = belay_process_call_wait(a.process, counted(1), 0, &reply, NULL);
        assert_true(rc == 0 || rc == BELAY_ENOMEM);
    }
    rc = BELAY_ENOMEM;
    for (size_t n = 1; rc == BELAY_ENOMEM; n++) {
        failing_alloc_once(&k.alloc, n);
        rc = belay_process_wait_until(a.process, BELAY_PROCESS_CONNECTED, 10, on_state, &w);
    }
    failing_alloc_once(&k.alloc, 0);
    process_kit_pass(&k, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(a_call_is_answered_in_a_later_turn),
        T(a_reply_may_come_later),
        T(a_call_waits_five_seconds_and_a_later_reply_is_destroyed),
        T(a_second_reply_is_stale),
        T(a_call_has_the_limit_that_it_was_given),
        T(a_call_that_is_cancelled_is_never_told),
        T(the_caller_may_keep_the_reply),
        T(the_end_answers_all_calls_at_once_and_says_how),
        T(who_has_ended_is_not_called),
        T(calls_end_with_their_loop),
        T(impossible_calls_are_refused),
        T(a_blocking_call_turns_the_loop),
        T(a_blocking_call_has_its_limit_and_takes_its_message),
        T(a_callback_cannot_block_on_the_loop),
        T(who_waits_for_a_state_is_told_in_it_or_as_soon_as_it_is),
        T(a_state_that_does_not_come_is_a_timeout),
        T(the_end_is_a_state_to_wait_for_and_the_end_of_other_waits),
        T(waiting_for_a_state_can_block),
        T(impossible_waits_are_refused),
        T(a_call_without_memory_leaves_its_message),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
