/* SPDX-License-Identifier: MIT */
/* The mailbox: its order, its limit and what gives way, what is postponed, and its memory. */
#include "unit/keep/process_scene.h"

static int try_cast(int32_t tag)
{
    struct belay_message m = counted(tag);
    int rc = belay_process_cast(a.process, m);

    if (rc < 0)
        belay_message_destroy(&m); /* it is still the caller's */
    return rc;
}

static void begin_with(int32_t max, enum belay_mailbox_full full)
{
    a.options.mailbox_max = max;
    a.options.mailbox_full = full;
    actor_begin(&a);
    actor_saw(&a, "init started");
}

/* ---- order and limit ---- */

static void messages_are_handled_in_the_order_in_which_they_came(void **state)
{
    static struct asked one, two;

    (void)state;
    actor_begin(&a);
    call(&a, 1, &one);
    cast(&a, 2);
    info(&a, 3);
    call(&a, 4, &two);
    process_kit_settle(&k);
    actor_saw(&a, "init started call:1 cast:2 info:3 call:4");
}

static int32_t next;

static void check_order(struct actor *actor, enum bl_pr_callback callback,
                        struct belay_message *message)
{
    (void)actor;
    if (callback == BL_PR_CAST)
        assert_int_equal(message->tag, next++);
}

static void many_messages_are_handled_in_order(void **state)
{
    (void)state;
    next = 0;
    a.during = check_order;
    actor_begin(&a);
    for (int32_t i = 0; i < 1000; i++)
        cast(&a, i);
    process_kit_settle(&k);
    assert_int_equal(stats_of(&a).casts, 1000);
    assert_int_equal(stats_of(&a).mailbox, 0);
    assert_int_equal(stats_of(&a).mailbox_peak, 1000);
}

static unsigned turns_of_other;

static void count_turns(void *arg)
{
    turns_of_other++;
    if (turns_of_other < 1000)
        belay_loop_post(k.loop, count_turns, arg);
}

static void a_busy_process_leaves_others_their_turn(void **state)
{
    (void)state;
    turns_of_other = 0;
    actor_begin(&a);
    for (int32_t i = 0; i < 1000; i++)
        cast(&a, i);
    belay_loop_post(k.loop, count_turns, NULL);
    belay_loop_turn(k.loop, 0);
    assert_true(turns_of_other >= 1);
    assert_true(stats_of(&a).casts < 1000);
    process_kit_settle(&k);
    assert_int_equal(stats_of(&a).casts, 1000);
}

static void no_reply(struct belay_message *reply, const struct belay_error *error, void *arg)
{
    (void)reply;
    (void)error;
    (void)arg;
    fail_msg("it was refused");
}

static void a_full_mailbox_refuses(void **state)
{
    static struct asked asked;
    struct belay_message m;

    (void)state;
    begin_with(2, BELAY_MAILBOX_REFUSE);
    assert_int_equal(try_cast(1), 0);
    call(&a, 2, &asked);
    assert_int_equal(try_cast(3), BELAY_EAGAIN);
    m = counted(4);
    assert_int_equal(belay_process_send(a.process, m), BELAY_EAGAIN);
    belay_message_destroy(&m);
    m = counted(5);
    assert_int_equal(belay_process_call(a.process, m, 0, NULL, no_reply, NULL), BELAY_EAGAIN);
    belay_message_destroy(&m);
    assert_int_equal(stats_of(&a).dropped, 0);
    process_kit_settle(&k);
    actor_saw(&a, "cast:1 call:2");
    assert_int_equal(try_cast(6), 0);
}

static void a_full_mailbox_drops_the_oldest_cast_or_message(void **state)
{
    static struct asked asked;

    (void)state;
    begin_with(3, BELAY_MAILBOX_DROP_OLDEST);
    call(&a, 1, &asked);
    cast(&a, 2);
    info(&a, 3);
    cast(&a, 4); /* 2 goes */
    info(&a, 5); /* 3 goes */
    assert_int_equal(stats_of(&a).dropped, 2);
    process_kit_settle(&k);
    actor_saw(&a, "call:1 cast:4 info:5");
}

static void calls_are_never_dropped(void **state)
{
    static struct asked asked[2];

    (void)state;
    begin_with(2, BELAY_MAILBOX_DROP_OLDEST);
    call(&a, 1, &asked[0]);
    call(&a, 2, &asked[1]);
    assert_int_equal(try_cast(3), BELAY_EAGAIN);
    process_kit_settle(&k);
    actor_saw(&a, "call:1 call:2");
}

static void timers_and_exits_have_room_in_a_full_mailbox(void **state)
{
    struct belay_exit why = {BELAY_EXIT_SHUTDOWN, NULL};

    (void)state;
    a.options.trap_exit = true;
    actor_says(&a, BL_PR_INIT, belay_do_backoff(0));
    a.options.mailbox_max = 1;
    a.options.mailbox_full = BELAY_MAILBOX_DROP_OLDEST;
    actor_start(&a);
    cast(&a, 1);
    assert_int_equal(belay_process_exit(a.process, why), 0);
    cast(&a, 2); /* drops 1, not the exit */
    process_kit_settle(&k);
    actor_saw(&a, "init started info:-3 cast:2 connect:-2");
}

/* ---- postpone ---- */

static void what_is_postponed_comes_again_in_order_after_the_next_connect(void **state)
{
    static struct asked asked;

    (void)state;
    actor_begin(&a);
    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    actor_says(&a, BL_PR_CALL, belay_do_postpone());
    actor_says(&a, BL_PR_INFO, belay_do_postpone());
    actor_says(&a, BL_PR_CAST, belay_do_connect(counted(9)));
    cast(&a, 1);
    call(&a, 2, &asked);
    info(&a, 3);
    process_kit_settle(&k);
    assert_int_equal(stats_of(&a).postponed, 3);
    assert_int_equal(asked.told, 0);
    cast(&a, 4);
    cast(&a, 5); /* behind those that come again */
    process_kit_settle(&k);
    actor_saw(&a, "init started cast:1 call:2 info:3 cast:4 connect:9 "
                  "cast:1 call:2 info:3 cast:5");
    assert_int_equal(asked.tag, 2);
    assert_int_equal(stats_of(&a).postponed, 0);
}

static void what_is_postponed_comes_again_after_a_disconnect_and_a_failed_connect(void **state)
{
    (void)state;
    actor_begin(&a);
    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    actor_says(&a, BL_PR_INFO, belay_do_disconnect(counted(6)));
    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    actor_says(&a, BL_PR_INFO, belay_do_connect(counted(7)));
    actor_says(&a, BL_PR_CONNECT, belay_do_backoff(BELAY_FOREVER));
    cast(&a, 1);
    info(&a, 2);
    process_kit_settle(&k);
    actor_saw(&a, "init started cast:1 info:2 disconnect:6 cast:1");
    info(&a, 3);
    process_kit_settle(&k);
    actor_saw(&a, "info:3 connect:7 cast:1");
    assert_int_equal(stats_of(&a).postponed, 0);
}

static void what_is_postponed_counts_as_mail(void **state)
{
    (void)state;
    begin_with(2, BELAY_MAILBOX_REFUSE);
    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    cast(&a, 1);
    cast(&a, 2);
    process_kit_settle(&k);
    assert_int_equal(try_cast(3), BELAY_EAGAIN);
    assert_int_equal(stats_of(&a).mailbox, 2);
}

static void what_is_postponed_is_dropped_first(void **state)
{
    (void)state;
    begin_with(2, BELAY_MAILBOX_DROP_OLDEST);
    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    cast(&a, 1);
    cast(&a, 2);
    process_kit_settle(&k);
    actor_says(&a, BL_PR_CAST, belay_do_connect(counted(9)));
    cast(&a, 3);
    assert_int_equal(stats_of(&a).postponed, 1);
    process_kit_settle(&k);
    actor_saw(&a, "cast:1 cast:2 cast:3 connect:9 cast:2");
}

static void what_comes_again_is_older_than_what_was_queued(void **state)
{
    static struct asked asked;

    (void)state;
    begin_with(4, BELAY_MAILBOX_DROP_OLDEST);
    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    cast(&a, 1);
    cast(&a, 2);
    process_kit_settle(&k);
    actor_says(&a, BL_PR_INFO, belay_do_disconnect(counted(9)));
    actor_says(&a, BL_PR_DISCONNECT, belay_do_connect(counted(8)));
    actor_says(&a, BL_PR_CONNECT, belay_do_pending());
    info(&a, 3);
    call(&a, 4, &asked);
    process_kit_settle(&k);
    actor_saw(&a, "cast:1 cast:2 info:3 disconnect:9 connect:8");
    assert_int_equal(stats_of(&a).postponed, 0); /* it is in the mailbox again */
    cast(&a, 5);
    cast(&a, 6); /* 1 makes room */
    belay_process_resume(a.process, belay_do_ok());
    process_kit_settle(&k);
    actor_saw(&a, "cast:2 call:4 cast:5 cast:6");
    assert_int_equal(stats_of(&a).dropped, 1);
}

static void what_is_postponed_is_destroyed_with_the_process(void **state)
{
    static struct asked asked;

    (void)state;
    actor_begin(&a);
    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    actor_says(&a, BL_PR_CALL, belay_do_postpone());
    cast(&a, 1);
    call(&a, 2, &asked);
    process_kit_settle(&k);
    belay_process_stop(a.process, BELAY_EXIT_NORMAL, NULL, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    assert_int_equal(asked.code, BELAY_ENOPROC);
}

static void a_timeout_has_nothing_to_postpone(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_with_timeout(belay_do_ok(), 5));
    actor_says(&a, BL_PR_INFO, belay_do_postpone());
    actor_begin(&a);
    process_kit_pass(&k, 1000);
    actor_saw(&a, "init started info:-1");
    assert_int_equal(stats_of(&a).postponed, 0);
    assert_true(belay_process_is_alive(a.process));
}

static void exits_may_be_postponed(void **state)
{
    struct belay_exit why = {BELAY_EXIT_SHUTDOWN, NULL};

    (void)state;
    a.options.trap_exit = true;
    actor_begin(&a);
    actor_says(&a, BL_PR_INFO, belay_do_postpone());
    actor_says(&a, BL_PR_CAST, belay_do_connect(counted(9)));
    assert_int_equal(belay_process_exit(a.process, why), 0);
    process_kit_settle(&k);
    cast(&a, 1);
    process_kit_settle(&k);
    actor_saw(&a, "init started info:-3 cast:1 connect:9 info:-3");
}

/* ---- who has a message ---- */

static struct belay_message kept;

static void keep(struct actor *actor, enum bl_pr_callback callback, struct belay_message *message)
{
    (void)actor;
    if (callback == BL_PR_CAST || callback == BL_PR_CONNECT)
        kept = belay_message_take(message);
}

static void a_message_that_is_taken_is_the_takers(void **state)
{
    (void)state;
    a.during = keep;
    actor_begin(&a);
    cast(&a, 1);
    process_kit_settle(&k);
    assert_non_null(kept.destroy);
    belay_message_destroy(&kept);

    actor_says(&a, BL_PR_INFO, belay_do_connect(counted(9)));
    info(&a, 1);
    process_kit_settle(&k);
    assert_int_equal(kept.tag, 9);
    assert_non_null(kept.destroy);
    belay_message_destroy(&kept);
}

static void messages_of_belays_own_tags_are_refused(void **state)
{
    struct belay_message m = belay_message_tag(-1);

    (void)state;
    actor_begin(&a);
    assert_int_equal(belay_process_cast(a.process, m), BELAY_EINVAL);
    assert_int_equal(belay_process_send(a.process, m), BELAY_EINVAL);
    assert_int_equal(belay_process_send(NULL, belay_message_tag(1)), BELAY_EINVAL);
}

/* ---- hibernation ---- */

static void hibernation_gives_the_mailboxs_memory_back(void **state)
{
    size_t before, busy;

    (void)state;
    actor_begin(&a);
    before = failing_alloc_live(&k.alloc);
    for (int32_t i = 0; i < 100; i++)
        cast(&a, i);
    process_kit_settle(&k);
    busy = failing_alloc_live(&k.alloc);
    assert_int_equal(busy - before, BL_SPARES_MAX); /* kept for the next */
    a.log[0] = '\0';
    actor_says(&a, BL_PR_CAST, belay_with_hibernate(belay_do_noreply()));
    cast(&a, 200);
    process_kit_settle(&k);
    actor_saw(&a, "cast:200 hibernate");
    assert_int_equal(failing_alloc_live(&k.alloc), before);
    assert_int_equal(ask(&a, 7), 7); /* and it wakes up */
}

static void it_does_not_hibernate_while_there_is_mail(void **state)
{
    (void)state;
    actor_begin(&a);
    actor_says(&a, BL_PR_CAST, belay_with_hibernate(belay_do_noreply()));
    cast(&a, 1);
    cast(&a, 2);
    process_kit_settle(&k);
    actor_saw(&a, "init started cast:1 cast:2");
    assert_int_equal(stats_of(&a).hibernations, 0);
}

static void a_later_directive_takes_hibernation_back(void **state)
{
    (void)state;
    actor_begin(&a);
    actor_says(&a, BL_PR_CAST, belay_with_hibernate(belay_do_noreply()));
    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    cast(&a, 1);
    cast(&a, 2);
    process_kit_settle(&k);
    actor_saw(&a, "init started cast:1 cast:2");
}

static void hibernation_leaves_timers_alone(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_with_hibernate(belay_with_timeout(belay_do_backoff(100), 30)));
    actor_begin(&a);
    process_kit_pass(&k, 30);
    actor_saw(&a, "init started hibernate info:-1");
    process_kit_pass(&k, 70);
    actor_saw(&a, "connect:-2");
}

static void what_is_taken_back_is_postponed_no_more(void **state)
{
    struct belay_monitor *monitor;

    (void)state;
    actor_begin(&a);
    actor_begin(&b);
    actor_saw(&a, "init started");
    assert_int_equal(belay_process_monitor_by(b.process, a.process, &monitor), 0);
    actor_says(&a, BL_PR_INFO, belay_do_postpone());
    belay_process_stop(b.process, BELAY_EXIT_NORMAL, NULL, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    actor_saw(&a, "info:-4");
    assert_int_equal(stats_of(&a).postponed, 1);
    belay_monitor_cancel(monitor);
    assert_int_equal(stats_of(&a).postponed, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_are_handled_in_the_order_in_which_they_came),
        TEST(many_messages_are_handled_in_order),
        TEST(a_busy_process_leaves_others_their_turn),
        TEST(a_full_mailbox_refuses),
        TEST(a_full_mailbox_drops_the_oldest_cast_or_message),
        TEST(calls_are_never_dropped),
        TEST(timers_and_exits_have_room_in_a_full_mailbox),
        TEST(what_is_postponed_comes_again_in_order_after_the_next_connect),
        TEST(what_is_postponed_comes_again_after_a_disconnect_and_a_failed_connect),
        TEST(what_is_postponed_counts_as_mail),
        TEST(what_is_postponed_is_dropped_first),
        TEST(what_comes_again_is_older_than_what_was_queued),
        TEST(what_is_postponed_is_destroyed_with_the_process),
        TEST(a_timeout_has_nothing_to_postpone),
        TEST(exits_may_be_postponed),
        TEST(what_is_taken_back_is_postponed_no_more),
        TEST(a_message_that_is_taken_is_the_takers),
        TEST(messages_of_belays_own_tags_are_refused),
        TEST(hibernation_gives_the_mailboxs_memory_back),
        TEST(it_does_not_hibernate_while_there_is_mail),
        TEST(a_later_directive_takes_hibernation_back),
        TEST(hibernation_leaves_timers_alone),
    };

    return cmocka_run_group_tests_name("process_mailbox", tests, NULL, NULL);
}
