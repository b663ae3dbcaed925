/* SPDX-License-Identifier: MIT */
/* Further attempts of calls, as gRFC A6 has them. */
#include "grpc/retry_policy.h"

#include "support/test.h"

#include <string.h>

#define HALF   (UINT64_C(1) << 63)
#define DECIDE bl_retry_decide(&l, &tokens, &call, &end, HALF)

static struct bl_retry_limits limits(void)
{
    struct belay_retry_policy p = belay_retry_policy_init();
    struct bl_retry_limits l;

    p.attempts_max = 4;
    assert_int_equal(bl_retry_resolve(&l, &p, NULL), 0);
    return l;
}

static void nothing_given_means_transparent_attempts_only(void **state)
{
    struct bl_retry_call call = {.attempts = 1};
    struct bl_retry_end end = {.status = BELAY_GRPC_UNAVAILABLE};
    struct bl_retry_tokens tokens;
    struct bl_retry_limits l;

    (void)state;
    assert_int_equal(bl_retry_resolve(&l, NULL, NULL), 0);
    bl_retry_tokens_init(&tokens, &l);
    assert_int_equal(DECIDE, BL_RETRY_NO);
    end.unseen = true;
    assert_int_equal(DECIDE, 0);
}

static void the_delay_grows_up_to_its_limit(void **state)
{
    struct bl_retry_limits l = limits();
    struct bl_retry_end end = {.status = BELAY_GRPC_UNAVAILABLE};
    struct bl_retry_call call = {0};
    struct bl_retry_tokens tokens;

    (void)state;
    bl_retry_tokens_init(&tokens, &l);
    call.attempts = 1;
    assert_int_equal(DECIDE, 500);
    call.attempts = 2;
    assert_int_equal(DECIDE, 750);
    call.attempts = 3;
    l.delay_max_ms = 1000;
    assert_int_equal(DECIDE, 500);
    call.attempts = 4;
    assert_int_equal(DECIDE, BL_RETRY_NO);
}

static void only_what_the_policy_names_is_tried_again(void **state)
{
    struct bl_retry_limits l = limits();
    struct bl_retry_tokens tokens;

    (void)state;
    for (int status = 0; status <= BELAY_GRPC_UNAUTHENTICATED; status++) {
        struct bl_retry_call call = {.attempts = 1};
        struct bl_retry_end end = {.status = status};

        bl_retry_tokens_init(&tokens, &l);
        assert_int_equal(DECIDE >= 0, status == BELAY_GRPC_UNAVAILABLE);
    }
    struct bl_retry_call call = {.attempts = 1};
    struct bl_retry_end end = {.status = 99};
    assert_int_equal(DECIDE, BL_RETRY_NO);
}

static void what_is_committed_is_over(void **state)
{
    struct bl_retry_limits l = limits();
    struct bl_retry_call call = {.attempts = 1};
    struct bl_retry_end end = {
        .status = BELAY_GRPC_UNAVAILABLE, .committed = true, .unseen = true, .unsent = true};
    struct bl_retry_tokens tokens;

    (void)state;
    bl_retry_tokens_init(&tokens, &l);
    assert_int_equal(DECIDE, BL_RETRY_NO);
}

static void the_server_s_word_goes_before(void **state)
{
    struct bl_retry_limits l = limits();
    struct bl_retry_call call = {.attempts = 1};
    struct bl_retry_end end = {
        .status = BELAY_GRPC_UNAVAILABLE, .pushed_back = true, .pushback_ms = 7};
    struct bl_retry_tokens tokens;

    (void)state;
    bl_retry_tokens_init(&tokens, &l);
    assert_int_equal(DECIDE, 7);
    end.pushback_ms = 0;
    assert_int_equal(DECIDE, 0);
    end.pushback_ms = -1;
    assert_int_equal(DECIDE, BL_RETRY_NO);
    assert_int_equal(tokens.now, 7000);
}

/* A failure takes one, a success gives a tenth; at half or below, none is tried again. */
static void tokens_run_out_and_come_back(void **state)
{
    struct bl_retry_limits l = limits();
    struct bl_retry_call call = {.attempts = 1};
    struct bl_retry_end end = {.status = BELAY_GRPC_UNAVAILABLE};
    struct bl_retry_tokens tokens;

    (void)state;
    bl_retry_tokens_init(&tokens, &l);
    for (int i = 0; i < 4; i++)
        assert_true(DECIDE >= 0);
    assert_int_equal(DECIDE, BL_RETRY_NO); /* five are left */
    end.status = BELAY_GRPC_OK;
    for (int i = 0; i < 11; i++)
        assert_int_equal(DECIDE, BL_RETRY_NO);
    end.status = BELAY_GRPC_UNAVAILABLE;
    assert_int_equal(DECIDE, 500); /* 6.1, and one is taken */
    assert_int_equal(tokens.now, 5100);
    for (int i = 0; i < 20; i++)
        (void)DECIDE;
    assert_int_equal(tokens.now, 0);
}

/* Else a server that fails all would pay for further attempts. */
static void a_failure_gives_no_tokens_back(void **state)
{
    struct bl_retry_limits l = limits();
    struct bl_retry_call call = {.attempts = 1};
    struct bl_retry_end end = {.status = BELAY_GRPC_UNAVAILABLE};
    struct bl_retry_tokens tokens;

    (void)state;
    bl_retry_tokens_init(&tokens, &l);
    (void)DECIDE;
    assert_int_equal(tokens.now, 9000);
    end.status = BELAY_GRPC_INTERNAL;
    assert_int_equal(DECIDE, BL_RETRY_NO);
    assert_int_equal(tokens.now, 9000);
    end.status = BELAY_GRPC_OK;
    assert_int_equal(DECIDE, BL_RETRY_NO);
    assert_int_equal(tokens.now, 9100);
}

static void after_the_server_s_word_the_delay_starts_anew(void **state)
{
    struct bl_retry_limits l = limits();
    struct bl_retry_call call = {.attempts = 1};
    struct bl_retry_end end = {.status = BELAY_GRPC_UNAVAILABLE};
    struct bl_retry_tokens tokens;

    (void)state;
    bl_retry_tokens_init(&tokens, &l);
    assert_int_equal(DECIDE, 500);
    call.attempts = 2;
    end.pushed_back = true;
    end.pushback_ms = 7;
    assert_int_equal(DECIDE, 7);
    call.attempts = 3;
    end.pushed_back = false;
    assert_int_equal(DECIDE, 500);
}

static void a_refusal_is_forgiven_once_and_a_farewell_always(void **state)
{
    struct bl_retry_limits l = limits();
    struct bl_retry_call call = {.attempts = 1};
    struct bl_retry_end end = {.status = BELAY_GRPC_UNAVAILABLE, .unseen = true};
    struct bl_retry_tokens tokens;

    (void)state;
    bl_retry_tokens_init(&tokens, &l);
    assert_int_equal(DECIDE, 0);
    call.attempts = 2;
    assert_int_equal(DECIDE, 500); /* by the policy now, as the first attempt */
    end.unsent = true;
    for (int i = 0; i < 100; i++) {
        call.attempts++;
        assert_int_equal(DECIDE, 0);
    }
    assert_int_equal(tokens.now, 9000);
}

static void a_policy_that_is_out_of_range_is_refused(void **state)
{
    struct belay_retry_policy p = belay_retry_policy_init();
    struct bl_retry_limits l;
    struct belay_error error;

    (void)state;
    p.attempts_max = 1;
    assert_int_equal(bl_retry_resolve(&l, &p, &error), BELAY_EINVAL);
    p.attempts_max = 5;
    assert_int_equal(bl_retry_resolve(&l, &p, &error), 0);
    p.statuses = 1u << 17;
    assert_int_equal(bl_retry_resolve(&l, &p, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "statuses"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_means_transparent_attempts_only),
        cmocka_unit_test(the_delay_grows_up_to_its_limit),
        cmocka_unit_test(only_what_the_policy_names_is_tried_again),
        cmocka_unit_test(what_is_committed_is_over),
        cmocka_unit_test(the_server_s_word_goes_before),
        cmocka_unit_test(tokens_run_out_and_come_back),
        cmocka_unit_test(a_failure_gives_no_tokens_back),
        cmocka_unit_test(after_the_server_s_word_the_delay_starts_anew),
        cmocka_unit_test(a_refusal_is_forgiven_once_and_a_farewell_always),
        cmocka_unit_test(a_policy_that_is_out_of_range_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
