/* SPDX-License-Identifier: MIT */
/*
 * The backoff's timer: one, cancelled and flushed by connect and disconnect and by nothing else; and
 * the idle timeout beside it. What the seed's own tests leave out.
 */
#include "unit/keep/process_scene.h"

/* Backing off since now, for that time. */
static void back_off(int64_t ms)
{
    actor_says(&a, BL_PR_INIT, belay_do_backoff(ms));
    actor_begin(&a);
    actor_saw(&a, "init started");
    actor_is(&a, BELAY_PROCESS_BACKING_OFF);
}

static void a_call_during_the_backoff_is_served_and_the_timer_keeps_its_time(void **state)
{
    (void)state;
    back_off(100);
    process_kit_pass(&k, 60);
    assert_int_equal(ask(&a, 5), 5);
    cast(&a, 6);
    info(&a, 7);
    process_kit_pass(&k, 39);
    actor_saw(&a, "call:5 cast:6 info:7");
    actor_is(&a, BELAY_PROCESS_BACKING_OFF);
    process_kit_pass(&k, 1);
    actor_saw(&a, "connect:-2");
}

static void a_connect_during_the_backoff_cancels_it(void **state)
{
    (void)state;
    back_off(100);
    actor_says(&a, BL_PR_CAST, belay_do_connect(counted(4)));
    process_kit_pass(&k, 50);
    cast(&a, 1);
    process_kit_pass(&k, 100000);
    actor_saw(&a, "cast:1 connect:4"); /* and no second attempt */
    assert_int_equal(stats_of(&a).connects, 1);
}

static void a_disconnect_during_the_backoff_cancels_it_for_good(void **state)
{
    (void)state;
    back_off(100);
    actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(4)));
    cast(&a, 1);
    process_kit_pass(&k, 100000);
    actor_saw(&a, "cast:1 disconnect:4");
    actor_is(&a, BELAY_PROCESS_DISCONNECTED);
}

/* The time is over, its letter is queued behind another, and that one connects. */
static void a_timer_that_has_fired_is_flushed_by_connect(void **state)
{
    (void)state;
    actor_begin(&a);
    actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(1)));
    actor_says(&a, BL_PR_DISCONNECT, belay_do_backoff(0));
    actor_says(&a, BL_PR_CAST, belay_do_connect(counted(2)));
    cast(&a, 10);
    cast(&a, 11);
    process_kit_pass(&k, 100000);
    actor_saw(&a, "init started cast:10 disconnect:1 cast:11 connect:2");
    assert_int_equal(stats_of(&a).connects, 1);
}

static void a_timer_that_has_fired_is_flushed_by_disconnect(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_backoff(0));
    actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(2)));
    actor_start(&a);
    cast(&a, 10);
    process_kit_pass(&k, 100000);
    actor_saw(&a, "init started connect:1 cast:10 disconnect:2");
}

static void a_backoff_for_ever_arms_no_timer(void **state)
{
    (void)state;
    back_off(BELAY_FOREVER);
    process_kit_pass(&k, INT64_C(100000000));
    actor_saw(&a, "");
    assert_int_equal(ask(&a, 5), 5);
    actor_says(&a, BL_PR_CAST, belay_do_connect(counted(4)));
    cast(&a, 1);
    process_kit_settle(&k);
    actor_saw(&a, "call:5 cast:1 connect:4");
}

static void a_backoff_of_0_fires_behind_what_is_queued(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_backoff(0));
    actor_start(&a);
    cast(&a, 1);
    cast(&a, 2);
    process_kit_settle(&k);
    actor_saw(&a, "init started cast:1 cast:2 connect:-2");
}

static struct actor *sender;

static void cast_more(struct actor *actor, enum bl_pr_callback callback,
                      struct belay_message *message)
{
    (void)message;
    if (callback == BL_PR_CAST && actor->says_n[BL_PR_INFO] < 3) {
        actor_says(actor, BL_PR_INFO, belay_do_noreply()); /* counts */
        cast(sender, 20);
    }
}

static void a_backoff_of_0_fires_before_what_comes_later(void **state)
{
    (void)state;
    sender = &a;
    a.during = cast_more;
    actor_says(&a, BL_PR_INIT, belay_do_backoff(0));
    actor_start(&a);
    cast(&a, 1);
    process_kit_settle(&k);
    actor_saw(&a, "init started cast:1 connect:-2 cast:20 cast:20 cast:20");
}

static void an_idle_timeout_does_not_touch_the_backoff(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_with_timeout(belay_do_backoff(100), 30));
    actor_says(&a, BL_PR_INFO, belay_with_timeout(belay_do_noreply(), 30));
    actor_begin(&a);
    process_kit_pass(&k, 60);
    actor_saw(&a, "init started info:-1 info:-1");
    process_kit_pass(&k, 39);
    actor_saw(&a, "");
    process_kit_pass(&k, 1);
    actor_saw(&a, "connect:-2");
}

static void the_backoff_ends_an_idle_timeout(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_with_timeout(belay_do_backoff(100), 130));
    actor_begin(&a);
    process_kit_pass(&k, 1000);
    actor_saw(&a, "init started connect:-2");
}

static void a_message_ends_an_idle_timeout(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_with_timeout(belay_do_ok(), 100));
    actor_begin(&a);
    process_kit_pass(&k, 99);
    info(&a, 1);
    process_kit_pass(&k, 1000);
    actor_saw(&a, "init started info:1");
}

static void an_idle_timeout_of_0_comes_behind_what_is_queued(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_with_timeout(belay_do_ok(), 0));
    actor_says(&a, BL_PR_CAST, belay_with_timeout(belay_do_noreply(), 0));
    actor_start(&a);
    cast(&a, 1);
    process_kit_settle(&k);
    actor_saw(&a, "init started cast:1 info:-1");
}

static void an_idle_timeout_for_ever_never_comes(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_with_timeout(belay_do_ok(), BELAY_FOREVER));
    actor_begin(&a);
    process_kit_pass(&k, INT64_C(100000000));
    actor_saw(&a, "init started");
}

/* The seed's stale {:timeout, ref, Connection}: what looks like belay's timer is a message. */
static void a_message_that_looks_like_a_timer_is_a_message(void **state)
{
    struct belay_message m = belay_message_tag(BELAY_TAG_BACKOFF);

    (void)state;
    back_off(100);
    assert_int_equal(belay_process_send(a.process, m), BELAY_EINVAL);
    m.tag = BELAY_TAG_TIMEOUT;
    assert_int_equal(belay_process_cast(a.process, m), BELAY_EINVAL);
    info(&a, 2);
    process_kit_pass(&k, 99);
    actor_saw(&a, "info:2");
}

static void only_one_backoff_exists(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_CONNECT, belay_do_backoff(100));
    actor_says(&a, BL_PR_CAST, belay_do_connect(counted(4)));
    back_off(50);
    cast(&a, 1);
    process_kit_pass(&k, 99);
    actor_saw(&a, "cast:1 connect:4");
    process_kit_pass(&k, 1);
    actor_saw(&a, "connect:-2");
    process_kit_pass(&k, 1000);
    actor_saw(&a, "");
}

static void a_very_long_backoff_does_not_wrap(void **state)
{
    (void)state;
    back_off(INT64_MAX);
    process_kit_pass(&k, INT64_C(1000000000));
    actor_saw(&a, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_during_the_backoff_is_served_and_the_timer_keeps_its_time),
        TEST(a_connect_during_the_backoff_cancels_it),
        TEST(a_disconnect_during_the_backoff_cancels_it_for_good),
        TEST(a_timer_that_has_fired_is_flushed_by_connect),
        TEST(a_timer_that_has_fired_is_flushed_by_disconnect),
        TEST(a_backoff_for_ever_arms_no_timer),
        TEST(a_backoff_of_0_fires_behind_what_is_queued),
        TEST(a_backoff_of_0_fires_before_what_comes_later),
        TEST(an_idle_timeout_does_not_touch_the_backoff),
        TEST(the_backoff_ends_an_idle_timeout),
        TEST(a_message_ends_an_idle_timeout),
        TEST(an_idle_timeout_of_0_comes_behind_what_is_queued),
        TEST(an_idle_timeout_for_ever_never_comes),
        TEST(a_message_that_looks_like_a_timer_is_a_message),
        TEST(only_one_backoff_exists),
        TEST(a_very_long_backoff_does_not_wrap),
    };

    return cmocka_run_group_tests_name("process_backoff", tests, NULL, NULL);
}
