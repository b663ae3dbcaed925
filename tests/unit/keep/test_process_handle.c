/* SPDX-License-Identifier: MIT */
/* The seed's cases of handle_call, handle_cast and handle_info. */
#include "unit/keep/process_scene.h"

static int begin(void **state)
{
    set_up(state);
    actor_begin(&a);
    actor_saw(&a, "init started");
    return 0;
}

static const int32_t replied = 77;

static struct belay_directive reply(void)
{
    return belay_do_reply(counted(replied));
}

/* ---- handle_call ---- */

static void call_reply_replies(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_CALL, reply());
    assert_int_equal(ask(&a, 3), replied);
    actor_saw(&a, "call:3");
    assert_true(belay_process_is_alive(a.process));
    assert_int_equal(stats_of(&a).calls, 1);
}

static void call_reply_with_a_timeout_does_both(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_CALL, belay_with_timeout(reply(), 5));
    assert_int_equal(ask(&a, 3), replied);
    process_kit_pass(&k, 4);
    actor_saw(&a, "call:3");
    process_kit_pass(&k, 1);
    actor_saw(&a, "info:-1");
}

static void call_reply_with_hibernate_does_both(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_CALL, belay_with_hibernate(reply()));
    assert_int_equal(ask(&a, 3), replied);
    actor_saw(&a, "call:3 hibernate");
}

static void call_noreply_replies_later(void **state)
{
    static struct asked asked;

    (void)state;
    actor_says(&a, BL_PR_CALL, belay_do_noreply());
    call(&a, 3, &asked);
    process_kit_settle(&k);
    assert_int_equal(asked.told, 0);
    assert_true(belay_from_waits(a.froms[0]));
    assert_int_equal(belay_from_reply(a.froms[0], counted(9)), 0);
    process_kit_settle(&k);
    assert_int_equal(asked.told, 1);
    assert_int_equal(asked.tag, 9);
    assert_int_equal(belay_from_reply(a.froms[0], counted(9)), BELAY_ESTALE);
    process_kit_settle(&k);
    assert_int_equal(asked.told, 1);
}

static void call_noreply_with_a_timeout_gets_it_as_a_message(void **state)
{
    static struct asked asked;

    (void)state;
    actor_says(&a, BL_PR_CALL, belay_with_timeout(belay_do_noreply(), 5));
    call(&a, 3, &asked);
    process_kit_pass(&k, 5);
    actor_saw(&a, "call:3 info:-1");
    assert_int_equal(asked.told, 0);
    process_kit_pass(&k, 4995);
    assert_int_equal(asked.told, 1);
    assert_int_equal(asked.code, BELAY_ETIMEDOUT);
}

static void call_noreply_with_hibernate_hibernates(void **state)
{
    static struct asked asked;

    (void)state;
    actor_says(&a, BL_PR_CALL, belay_with_hibernate(belay_do_noreply()));
    call(&a, 3, &asked);
    process_kit_settle(&k);
    actor_saw(&a, "call:3 hibernate");
}

static bool told_first;
static struct asked first;

static void check_told(struct actor *actor, enum bl_pr_callback callback,
                       struct belay_message *message)
{
    (void)message;
    if (callback == BL_PR_CONNECT || callback == BL_PR_DISCONNECT)
        told_first = !belay_from_waits(actor->froms[0]);
}

/* Whether the call was answered before connect or disconnect was called. */
static bool answers_first(struct belay_directive directive)
{
    told_first = false;
    a.during = check_told;
    actor_says(&a, BL_PR_CALL, directive);
    call(&a, 3, &first);
    process_kit_settle(&k);
    return told_first;
}

static void call_connect_with_a_reply_replies_first(void **state)
{
    (void)state;
    assert_true(answers_first(belay_with_reply(belay_do_connect(counted(4)), counted(replied))));
    actor_saw(&a, "call:3 connect:4");
    assert_int_equal(first.tag, replied);
    actor_is(&a, BELAY_PROCESS_CONNECTED);
}

static void call_connect_leaves_the_reply_to_connect(void **state)
{
    (void)state;
    assert_false(answers_first(belay_do_connect(counted(4))));
    actor_saw(&a, "call:3 connect:4");
    assert_int_equal(first.told, 0);
    belay_from_reply(a.froms[0], belay_message_tag(8));
    process_kit_settle(&k);
    assert_int_equal(first.tag, 8);
}

static void call_disconnect_with_a_reply_replies_first(void **state)
{
    (void)state;
    assert_true(answers_first(belay_with_reply(belay_do_disconnect(counted(4)), counted(replied))));
    actor_saw(&a, "call:3 disconnect:4");
    assert_int_equal(first.tag, replied);
}

static void call_disconnect_leaves_the_reply_to_disconnect(void **state)
{
    (void)state;
    assert_false(answers_first(belay_do_disconnect(counted(4))));
    actor_saw(&a, "call:3 disconnect:4");
    belay_from_reply(a.froms[0], belay_message_tag(8));
    process_kit_settle(&k);
    assert_int_equal(first.tag, 8);
}

static void call_stop_with_a_reply_replies_and_ends(void **state)
{
    (void)state;
    answers_first(belay_with_reply(belay_do_stop(NULL, BELAY_EXIT_NORMAL, NULL), counted(replied)));
    actor_saw(&a, "call:3 terminate(normal)");
    assert_int_equal(first.code, 0);
    assert_int_equal(first.tag, replied);
    actor_ended(&a, BELAY_EXIT_NORMAL, 0);
}

static void call_stop_tells_the_caller_how_it_ended(void **state)
{
    (void)state;
    answers_first(belay_do_stop(NULL, BELAY_EXIT_ERROR, NULL));
    actor_saw(&a, "call:3 terminate(error)");
    assert_int_equal(first.told, 1);
    assert_int_equal(first.code, BELAY_ENOPROC);
    assert_non_null(strstr(first.text, "error"));
}

/* ---- handle_cast and handle_info are alike ---- */

static void send(enum bl_pr_callback callback, int32_t tag)
{
    if (callback == BL_PR_CAST)
        cast(&a, tag);
    else
        info(&a, tag);
    process_kit_settle(&k);
}

static void saw(enum bl_pr_callback callback, const char *rest)
{
    const char *word = callback == BL_PR_CAST ? "cast:" : "info:";

    assert_int_equal(strncmp(a.log, word, strlen(word)), 0);
    assert_string_equal(a.log + strlen(word), rest);
    a.log[0] = '\0';
}

static void goes_on(enum bl_pr_callback callback)
{
    send(callback, 5);
    saw(callback, "5");
    assert_true(belay_process_is_alive(a.process));
}

static void times_out(enum bl_pr_callback callback)
{
    actor_says(&a, callback, belay_with_timeout(belay_do_noreply(), 6));
    send(callback, 5);
    process_kit_pass(&k, 5);
    saw(callback, "5");
    process_kit_pass(&k, 1);
    actor_saw(&a, "info:-1");
}

static void hibernates(enum bl_pr_callback callback)
{
    actor_says(&a, callback, belay_with_hibernate(belay_do_noreply()));
    send(callback, 5);
    saw(callback, "5 hibernate");
}

static void connects(enum bl_pr_callback callback)
{
    actor_says(&a, callback, belay_do_connect(counted(4)));
    send(callback, 5);
    saw(callback, "5 connect:4");
    actor_is(&a, BELAY_PROCESS_CONNECTED);
}

static void disconnects(enum bl_pr_callback callback)
{
    actor_says(&a, callback, belay_do_disconnect(counted(4)));
    send(callback, 5);
    saw(callback, "5 disconnect:4");
    actor_is(&a, BELAY_PROCESS_DISCONNECTED);
}

static void ends(enum bl_pr_callback callback)
{
    actor_says(&a, callback, belay_do_stop(NULL, BELAY_EXIT_NORMAL, NULL));
    send(callback, 5);
    saw(callback, "5 terminate(normal)");
    actor_ended(&a, BELAY_EXIT_NORMAL, 0);
    assert_string_equal(k.log, "");
}

static void cast_noreply_goes_on(void **state)
{
    (void)state;
    goes_on(BL_PR_CAST);
}

static void cast_noreply_with_a_timeout_gets_it_as_a_message(void **state)
{
    (void)state;
    times_out(BL_PR_CAST);
}

static void cast_noreply_with_hibernate_hibernates(void **state)
{
    (void)state;
    hibernates(BL_PR_CAST);
}

static void cast_connect_connects(void **state)
{
    (void)state;
    connects(BL_PR_CAST);
}

static void cast_disconnect_disconnects(void **state)
{
    (void)state;
    disconnects(BL_PR_CAST);
}

static void cast_stop_ends_it(void **state)
{
    (void)state;
    ends(BL_PR_CAST);
}

static void info_noreply_goes_on(void **state)
{
    (void)state;
    goes_on(BL_PR_INFO);
}

static void info_noreply_with_a_timeout_gets_it_as_a_message(void **state)
{
    (void)state;
    times_out(BL_PR_INFO);
}

static void info_noreply_with_hibernate_hibernates(void **state)
{
    (void)state;
    hibernates(BL_PR_INFO);
}

static void info_connect_connects(void **state)
{
    (void)state;
    connects(BL_PR_INFO);
}

static void info_disconnect_disconnects(void **state)
{
    (void)state;
    disconnects(BL_PR_INFO);
}

static void info_stop_ends_it(void **state)
{
    (void)state;
    ends(BL_PR_INFO);
}

/* ---- format_status in the log of an abnormal end ---- */

static void put_status(struct belay_process *process, bool ending, char *out, size_t size,
                       void *state)
{
    (void)process;
    (void)state;
    strncpy(out, ending ? "down to the last byte" : "in good health", size);
}

static void put_too_much(struct belay_process *process, bool ending, char *out, size_t size,
                         void *state)
{
    (void)process;
    (void)ending;
    (void)state;
    memset(out, 'x', size);
}

static void info_stop_error_logs_the_state_in_words(void **state)
{
    (void)state;
    a.behaviour.format_status = put_status;
    actor_says(&a, BL_PR_INFO, belay_do_stop(NULL, BELAY_EXIT_ERROR, NULL));
    send(BL_PR_INFO, 1);
    assert_non_null(strstr(k.log, "its state: down to the last byte"));
}

static void a_format_status_that_writes_too_much_is_cut(void **state)
{
    (void)state;
    a.behaviour.format_status = put_too_much;
    actor_says(&a, BL_PR_INFO, belay_do_stop(NULL, BELAY_EXIT_ERROR, NULL));
    send(BL_PR_INFO, 1);
    assert_non_null(strstr(k.log, "its state: xxx"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(call_reply_replies),
        TEST(call_reply_with_a_timeout_does_both),
        TEST(call_reply_with_hibernate_does_both),
        TEST(call_noreply_replies_later),
        TEST(call_noreply_with_a_timeout_gets_it_as_a_message),
        TEST(call_noreply_with_hibernate_hibernates),
        TEST(call_connect_with_a_reply_replies_first),
        TEST(call_connect_leaves_the_reply_to_connect),
        TEST(call_disconnect_with_a_reply_replies_first),
        TEST(call_disconnect_leaves_the_reply_to_disconnect),
        TEST(call_stop_with_a_reply_replies_and_ends),
        TEST(call_stop_tells_the_caller_how_it_ended),
        TEST(cast_noreply_goes_on),
        TEST(cast_noreply_with_a_timeout_gets_it_as_a_message),
        TEST(cast_noreply_with_hibernate_hibernates),
        TEST(cast_connect_connects),
        TEST(cast_disconnect_disconnects),
        TEST(cast_stop_ends_it),
        TEST(info_noreply_goes_on),
        TEST(info_noreply_with_a_timeout_gets_it_as_a_message),
        TEST(info_noreply_with_hibernate_hibernates),
        TEST(info_connect_connects),
        TEST(info_disconnect_disconnects),
        TEST(info_stop_ends_it),
        TEST(info_stop_error_logs_the_state_in_words),
        TEST(a_format_status_that_writes_too_much_is_cut),
    };

    return cmocka_run_group_tests_name("process_handle", tests, NULL, NULL);
}
