/* SPDX-License-Identifier: MIT */
/* Sessions with a Chronicle kernel: the check, the stream, and their ends. */
#include "session_kit.h"

#include <stdio.h>
#include <unistd.h>

/* ---- the check ---- */

static void a_compatible_kernel_is_connected_to(void **state)
{
    const struct kernel_request *r;
    struct session_owner o;

    (void)state;
    session_open(&o);
    bl_chronicle_session_check(o.session);
    assert_int_equal(o.checks, 0);
    kernel_until(&session_k, &o.checked);
    assert_false(o.refused);
    r = kernel_last(&session_k, KERNEL_CHECK);
    assert_true(session_holds(r,
                              "\x0a\x06tester\x12\x03"
                              "1.2",
                              13));
    assert_true(session_holds(r, "Cratis.Chronicle.Contracts.Clients", 34));
    assert_string_equal(session_k.log, "");
    session_close(&o);
}

static void an_incompatible_kernel_is_a_final_failure_that_names_the_first_reason(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_k.ways[KERNEL_CHECK] = KERNEL_REFUSE;
    session_k.reasons[0] = "ConnectRequest.ProcessId was removed";
    session_k.reasons[1] = "another";
    session_k.server_version = "15.2";
    bl_chronicle_session_check(o.session);
    kernel_until(&session_k, &o.checked);
    assert_true(o.refused);
    assert_int_equal(o.error.code, BELAY_EPROTO);
    assert_int_equal(o.error.kind, BELAY_KIND_FATAL);
    assert_string_equal(o.error.text,
                        "the kernel of version 15.2 is not compatible with this client: "
                        "ConnectRequest.ProcessId was removed (and 1 more); "
                        "skip_compatibility_check (skipCompatibilityCheck=true) connects all the "
                        "same");
    kernel_a_while(&session_k);
    assert_int_equal(o.ends, 0);
    session_close(&o);
}

static void an_incompatible_kernel_may_be_silent_of_reasons_or_say_too_much(void **state)
{
    static char much[200];
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_k.ways[KERNEL_CHECK] = KERNEL_REFUSE;
    bl_chronicle_session_check(o.session);
    kernel_until(&session_k, &o.checked);
    assert_non_null(strstr(o.error.text, "it does not say why; skip_compatibility_check"));
    session_close(&o);

    memset(much, 'x', sizeof much - 1);
    session_open(&o);
    session_k.ways[KERNEL_CHECK] = KERNEL_REFUSE;
    session_k.reasons[0] = session_k.reasons[1] = session_k.reasons[2] = much;
    session_k.server_version = much;
    bl_chronicle_session_check(o.session);
    kernel_until(&session_k, &o.checked);
    assert_non_null(strstr(o.error.text, "skipCompatibilityCheck=true) connects all the same"));
    session_close(&o);
}

/* Whatever the answer was, it is taken to be compatible, with a line in the log. */
static void check_goes_on(enum kernel_way way, const char *word)
{
    struct session_owner o;

    session_open(&o);
    session_k.ways[KERNEL_CHECK] = way;
    bl_chronicle_session_check(o.session);
    kernel_until_requests(&session_k, KERNEL_CHECK, 1);
    if (way == KERNEL_SILENT) {
        kernel_a_while(&session_k);
        assert_false(o.checked);
        kernel_forward(&session_k, BL_CHRONICLE_CHECK_MS);
    }
    kernel_until(&session_k, &o.checked);
    assert_false(o.refused);
    assert_non_null(strstr(session_k.log, "whether the kernel is compatible is not known"));
    if (!strstr(session_k.log, word))
        fail_msg("no \"%s\" in: %s", word, session_k.log);
    session_close(&o);
}

static void a_kernel_that_cannot_say_is_taken_as_it_is(void **state)
{
    (void)state;
    check_goes_on(KERNEL_UNIMPLEMENTED, "UNIMPLEMENTED");
    check_goes_on(KERNEL_SILENT, "deadline");
    check_goes_on(KERNEL_NONSENSE, "not a message");
}

static void a_connection_that_breaks_under_the_check_is_no_answer(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_k.ways[KERNEL_CHECK] = KERNEL_SILENT;
    bl_chronicle_session_check(o.session);
    kernel_until_requests(&session_k, KERNEL_CHECK, 1);
    kernel_hang_up(&session_k);
    kernel_until(&session_k, &o.checked);
    assert_false(o.refused);
    session_close(&o);
}

static void a_check_that_is_skipped_asks_nothing(void **state)
{
    struct bl_chronicle_session_options options = {
        .connection_id = "i", .skip_compatibility_check = true, .on_checked = session_on_checked};
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_drop(&o);
    options.channel = session_k.channel;
    options.arg = &o;
    assert_int_equal(bl_chronicle_session_new(&options, &o.session, NULL), 0);
    bl_chronicle_session_check(o.session);
    assert_int_equal(o.checks, 0);
    kernel_until(&session_k, &o.checked);
    assert_false(o.refused);
    kernel_a_while(&session_k);
    assert_int_equal(session_k.n, 0);
    assert_int_equal(o.checks, 1);
    session_close(&o);
}

/* ---- the stream ---- */

static void the_kernel_is_told_who_connects(void **state)
{
    const struct kernel_request *r;
    char machine[256], name[300];
    struct session_owner o;
    int n;

    (void)state;
    session_open(&o);
    session_connect(&o);
    r = kernel_last(&session_k, KERNEL_CONNECT);
    assert_true(session_holds(r,
                              "\x0a\x06the-id\x12\x03"
                              "1.2",
                              13));
    assert_true(session_holds(r, "\x3a\x06tester", 8));
    assert_true(session_holds(r, "net_chronicle_session", 21));
    assert_int_equal(gethostname(machine, sizeof machine), 0);
    n = snprintf(name, sizeof name, "\x32%c%s", (char)strlen(machine), machine);
    assert_true(session_holds(r, name, (size_t)n));
    session_close(&o);
}

static void the_end_of_the_stream_is_reported_once(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_connect(&o);
    kernel_keep(&session_k);
    kernel_end(&session_k, 0);
    kernel_until(&session_k, &o.ended);
    assert_int_equal(o.kept, 1);
    assert_string_equal(o.error.text, "the kernel ended the session");
    assert_int_equal(o.error.code, BELAY_EEOF);
    kernel_a_while(&session_k);
    assert_int_equal(o.ends, 1);
    session_close(&o);
}

static void an_error_of_the_stream_is_reported_once(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_connect(&o);
    kernel_end(&session_k, BELAY_GRPC_ABORTED);
    kernel_until(&session_k, &o.ended);
    assert_non_null(strstr(o.error.text, "the session with the kernel: ABORTED"));
    kernel_a_while(&session_k);
    assert_int_equal(o.ends, 1);
    session_close(&o);

    session_open(&o);
    session_connect(&o);
    kernel_keep(&session_k);
    kernel_until_n(&session_k, &o.kept, 1);
    kernel_hang_up(&session_k);
    kernel_until(&session_k, &o.ended);
    kernel_a_while(&session_k);
    assert_int_equal(o.ends, 1);
    session_close(&o);
}

static void a_server_that_is_no_kernel_ends_it(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_k.ways[KERNEL_CONNECT] = KERNEL_UNIMPLEMENTED;
    bl_chronicle_session_connect(o.session);
    kernel_until(&session_k, &o.ended);
    assert_non_null(strstr(o.error.text, "UNIMPLEMENTED"));
    session_close(&o);

    session_open(&o);
    session_k.ways[KERNEL_CONNECT] = KERNEL_NONSENSE;
    bl_chronicle_session_connect(o.session);
    kernel_until(&session_k, &o.ended);
    assert_non_null(strstr(o.error.text, "keep-alive is not a message"));
    assert_int_equal(o.kept, 0);
    session_close(&o);
}

static void a_closed_channel_ends_it(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    session_connect(&o);
    belay_channel_close(session_k.channel, NULL, NULL);
    session_k.channel = NULL;
    kernel_until(&session_k, &o.ended);
    session_drop(&o);
    session_close(&o);
}

/* ---- its owner ---- */

static void it_may_be_freed_in_each_callback(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    o.frees_in_check = true;
    bl_chronicle_session_check(o.session);
    kernel_until(&session_k, &o.checked);
    session_close(&o);

    session_open(&o);
    o.frees_at = 2;
    session_connect(&o);
    for (int i = 0; i < 4; i++)
        kernel_keep(&session_k);
    kernel_until_n(&session_k, &o.kept, 2);
    kernel_a_while(&session_k);
    assert_int_equal(o.kept, 2);
    assert_int_equal(o.ends, 0);
    session_close(&o);

    session_open(&o);
    o.frees_in_end = true;
    session_k.ways[KERNEL_KEEP_ALIVE] = KERNEL_REFUSE;
    session_connect(&o);
    kernel_keep(&session_k);
    kernel_keep(&session_k);
    kernel_until(&session_k, &o.ended);
    kernel_a_while(&session_k);
    assert_int_equal(o.ends, 1);
    session_close(&o);
}

static void it_may_be_freed_at_any_time(void **state)
{
    struct session_owner o;

    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        int kept;

        session_open(&o);
        o.connects = true;
        bl_chronicle_session_check(o.session);
        for (int i = 0; i < turns; i++)
            kernel_turn(&session_k);
        if (session_k.counts[KERNEL_CONNECT] > 0)
            kernel_keep(&session_k);
        for (int i = 0; i < turns % 3; i++)
            kernel_turn(&session_k);
        kept = o.kept;
        session_drop(&o);
        kernel_a_while(&session_k);
        assert_int_equal(o.kept, kept);
        assert_int_equal(o.ends, 0);
        session_close(&o);
    }
}

static void a_session_may_begin_in_the_check_s_callback(void **state)
{
    struct session_owner o;

    (void)state;
    session_open(&o);
    o.connects = true;
    bl_chronicle_session_check(o.session);
    kernel_until_requests(&session_k, KERNEL_CONNECT, 1);
    kernel_keep(&session_k);
    kernel_until_n(&session_k, &o.kept, 1);
    assert_int_equal(o.checks, 1);
    session_close(&o);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_compatible_kernel_is_connected_to),
        cmocka_unit_test(an_incompatible_kernel_is_a_final_failure_that_names_the_first_reason),
        cmocka_unit_test(an_incompatible_kernel_may_be_silent_of_reasons_or_say_too_much),
        cmocka_unit_test(a_kernel_that_cannot_say_is_taken_as_it_is),
        cmocka_unit_test(a_connection_that_breaks_under_the_check_is_no_answer),
        cmocka_unit_test(a_check_that_is_skipped_asks_nothing),
        cmocka_unit_test(the_kernel_is_told_who_connects),
        cmocka_unit_test(the_end_of_the_stream_is_reported_once),
        cmocka_unit_test(an_error_of_the_stream_is_reported_once),
        cmocka_unit_test(a_server_that_is_no_kernel_ends_it),
        cmocka_unit_test(a_closed_channel_ends_it),
        cmocka_unit_test(it_may_be_freed_in_each_callback),
        cmocka_unit_test(it_may_be_freed_at_any_time),
        cmocka_unit_test(a_session_may_begin_in_the_check_s_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
