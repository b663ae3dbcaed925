/* SPDX-License-Identifier: MIT */
/* Keep-alives of a session: each is reported, and answered. */
#include "session_kit.h"

static void each_keep_alive_is_reported(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_connect(&o);
    kernel_a_while(&session_k);
    assert_int_equal(o.kept, 0);
    for (int i = 1; i <= 3; i++) {
        kernel_keep(&session_k);
        kernel_until_n(&session_k, &o.kept, i);
    }
    kernel_a_while(&session_k);
    assert_int_equal(o.kept, 3);
    assert_int_equal(o.ends, 0);
    session_close(&o);
}

static void each_keep_alive_is_answered_with_the_connection_s_id(void **state)
{
    const struct kernel_request *r;
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_connect(&o);
    for (unsigned i = 1; i <= 3; i++) {
        kernel_keep(&session_k);
        kernel_until_requests(&session_k, KERNEL_KEEP_ALIVE, i);
    }
    r = kernel_last(&session_k, KERNEL_KEEP_ALIVE);
    assert_int_equal(r->len, 8);
    assert_memory_equal(r->body, "\x0a\x06the-id", 8);
    kernel_a_while(&session_k);
    assert_int_equal(session_k.counts[KERNEL_KEEP_ALIVE], 3);
    session_close(&o);
}

static void keep_alives_that_come_together_are_each_answered(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_connect(&o);
    for (int i = 0; i < 40; i++)
        kernel_keep(&session_k);
    kernel_until_n(&session_k, &o.kept, 40);
    kernel_until_requests(&session_k, KERNEL_KEEP_ALIVE, 40);
    kernel_a_while(&session_k);
    assert_int_equal(o.ends, 0);
    session_close(&o);
}

static void answers_under_way_are_bounded(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_k.ways[KERNEL_KEEP_ALIVE] = KERNEL_SILENT;
    session_connect(&o);
    for (int i = 0; i < 40; i++)
        kernel_keep(&session_k);
    kernel_until_requests(&session_k, KERNEL_KEEP_ALIVE, BL_CHRONICLE_ANSWERS_MAX);
    kernel_a_while(&session_k);
    assert_int_equal(o.kept, BL_CHRONICLE_ANSWERS_MAX);
    assert_int_equal(session_k.counts[KERNEL_KEEP_ALIVE], BL_CHRONICLE_ANSWERS_MAX);
    kernel_answer(&session_k, kernel_last(&session_k, KERNEL_KEEP_ALIVE));
    kernel_until_n(&session_k, &o.kept, BL_CHRONICLE_ANSWERS_MAX + 1);
    kernel_a_while(&session_k);
    assert_int_equal(o.kept, BL_CHRONICLE_ANSWERS_MAX + 1);
    assert_int_equal(o.ends, 0);
    session_close(&o);
}

static void a_failed_answer_ends_the_session(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_k.ways[KERNEL_KEEP_ALIVE] = KERNEL_REFUSE;
    session_connect(&o);
    kernel_keep(&session_k);
    kernel_until(&session_k, &o.ended);
    assert_non_null(strstr(o.error.text, "answering the kernel's keep-alive: PERMISSION_DENIED"));
    assert_int_equal(o.kept, 1);
    kernel_a_while(&session_k);
    assert_int_equal(o.ends, 1);
    session_close(&o);
}

static void an_answer_that_does_not_arrive_ends_the_session(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_k.ways[KERNEL_KEEP_ALIVE] = KERNEL_SILENT;
    session_connect(&o);
    kernel_keep(&session_k);
    kernel_until_n(&session_k, &o.kept, 1);
    kernel_forward(&session_k, BL_CHRONICLE_ANSWER_MS - 1000);
    kernel_a_while(&session_k);
    assert_false(o.ended);
    kernel_forward(&session_k, 1000);
    kernel_until(&session_k, &o.ended);
    assert_non_null(strstr(o.error.text, "deadline"));
    session_close(&o);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_keep_alive_is_reported),
        cmocka_unit_test(each_keep_alive_is_answered_with_the_connection_s_id),
        cmocka_unit_test(keep_alives_that_come_together_are_each_answered),
        cmocka_unit_test(answers_under_way_are_bounded),
        cmocka_unit_test(a_failed_answer_ends_the_session),
        cmocka_unit_test(an_answer_that_does_not_arrive_ends_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
