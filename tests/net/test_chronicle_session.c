/* SPDX-License-Identifier: MIT */
/* Sessions with a Chronicle kernel: the check, the stream, its keep-alives and their answers. */
#include "kernel_kit.h"

#include <stdio.h>
#include <unistd.h>

#include "service/chronicle_session.h"

static struct kernel_kit k;

struct owner {
    struct bl_chronicle_session *session;
    int checks, kept, ends;
    bool refused, checked, ended;
    struct belay_error error;
    /* What to do. */
    bool connects; /* when it was checked */
    bool frees_in_check, frees_in_end;
    int frees_at; /* keep-alive */
};

static void drop(struct owner *o)
{
    bl_chronicle_session_free(o->session);
    o->session = NULL;
}

static void on_checked(const struct belay_error *error, void *arg)
{
    struct owner *o = arg;

    o->checks++;
    o->checked = true;
    if (error) {
        o->refused = true;
        o->error = *error;
    }
    if (o->frees_in_check)
        drop(o);
    else if (o->connects)
        bl_chronicle_session_connect(o->session);
}

static void on_kept(void *arg)
{
    struct owner *o = arg;

    assert_non_null(o->session);
    assert_int_equal(o->ends, 0);
    if (++o->kept == o->frees_at)
        drop(o);
}

static void on_ended(const struct belay_error *error, void *arg)
{
    struct owner *o = arg;

    assert_non_null(o->session);
    o->ends++;
    o->ended = true;
    o->error = *error;
    if (o->frees_in_end)
        drop(o);
}

static void begin(struct owner *o)
{
    struct bl_chronicle_session_options options = {
        .channel = k.channel,
        .connection_id = "the-id",
        .client_type = "tester",
        .client_version = "1.2",
        .on_checked = on_checked,
        .on_kept = on_kept,
        .on_ended = on_ended,
        .arg = o,
    };

    assert_int_equal(bl_chronicle_session_new(&options, &o->session, NULL), 0);
}

static void open_kernel(struct owner *o)
{
    *o = (struct owner){0};
    kernel_open(&k, NULL);
    kernel_dial(&k, NULL);
    begin(o);
}

static void close_kernel(struct owner *o)
{
    drop(o);
    kernel_close(&k);
}

/* Until the stream is open at the kernel. */
static void connect_it(struct owner *o)
{
    bl_chronicle_session_connect(o->session);
    kernel_until_requests(&k, KERNEL_CONNECT, 1);
}

static bool holds(const struct kernel_request *r, const char *bytes, size_t len)
{
    return r->len >= len && memmem(r->body, r->len, bytes, len) != NULL;
}

/* ---- the check ---- */

static void a_compatible_kernel_is_connected_to(void **state)
{
    const struct kernel_request *r;
    struct owner o;

    (void)state;
    open_kernel(&o);
    bl_chronicle_session_check(o.session);
    assert_int_equal(o.checks, 0);
    kernel_until(&k, &o.checked);
    assert_false(o.refused);
    r = kernel_last(&k, KERNEL_CHECK);
    assert_true(holds(r,
                      "\x0a\x06tester\x12\x03"
                      "1.2",
                      13));
    assert_true(holds(r, "Cratis.Chronicle.Contracts.Clients", 34));
    assert_string_equal(k.log, "");
    close_kernel(&o);
}

static void an_incompatible_kernel_is_a_final_failure_that_names_the_first_reason(void **state)
{
    struct owner o;

    (void)state;
    open_kernel(&o);
    k.ways[KERNEL_CHECK] = KERNEL_REFUSE;
    k.reasons[0] = "ConnectRequest.ProcessId was removed";
    k.reasons[1] = "another";
    k.server_version = "15.2";
    bl_chronicle_session_check(o.session);
    kernel_until(&k, &o.checked);
    assert_true(o.refused);
    assert_int_equal(o.error.code, BELAY_EPROTO);
    assert_int_equal(o.error.kind, BELAY_KIND_FATAL);
    assert_string_equal(o.error.text,
                        "the kernel of version 15.2 is not compatible with this client: "
                        "ConnectRequest.ProcessId was removed (and 1 more); "
                        "skip_compatibility_check (skipCompatibilityCheck=true) connects all the "
                        "same");
    kernel_a_while(&k);
    assert_int_equal(o.ends, 0);
    close_kernel(&o);
}

static void an_incompatible_kernel_may_be_silent_of_reasons_or_say_too_much(void **state)
{
    static char much[200];
    struct owner o;

    (void)state;
    open_kernel(&o);
    k.ways[KERNEL_CHECK] = KERNEL_REFUSE;
    bl_chronicle_session_check(o.session);
    kernel_until(&k, &o.checked);
    assert_non_null(strstr(o.error.text, "it does not say why; skip_compatibility_check"));
    close_kernel(&o);

    memset(much, 'x', sizeof much - 1);
    open_kernel(&o);
    k.ways[KERNEL_CHECK] = KERNEL_REFUSE;
    k.reasons[0] = k.reasons[1] = k.reasons[2] = much;
    k.server_version = much;
    bl_chronicle_session_check(o.session);
    kernel_until(&k, &o.checked);
    assert_non_null(strstr(o.error.text, "skipCompatibilityCheck=true) connects all the same"));
    close_kernel(&o);
}

/* Whatever the answer was, it is taken to be compatible, with a line in the log. */
static void check_goes_on(enum kernel_way way, const char *word)
{
    struct owner o;

    open_kernel(&o);
    k.ways[KERNEL_CHECK] = way;
    bl_chronicle_session_check(o.session);
    kernel_until_requests(&k, KERNEL_CHECK, 1);
    if (way == KERNEL_SILENT) {
        kernel_a_while(&k);
        assert_false(o.checked);
        kernel_forward(&k, BL_CHRONICLE_CHECK_MS);
    }
    kernel_until(&k, &o.checked);
    assert_false(o.refused);
    assert_non_null(strstr(k.log, "whether the kernel is compatible is not known"));
    if (!strstr(k.log, word))
        fail_msg("no \"%s\" in: %s", word, k.log);
    close_kernel(&o);
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
    struct owner o;

    (void)state;
    open_kernel(&o);
    k.ways[KERNEL_CHECK] = KERNEL_SILENT;
    bl_chronicle_session_check(o.session);
    kernel_until_requests(&k, KERNEL_CHECK, 1);
    kernel_hang_up(&k);
    kernel_until(&k, &o.checked);
    assert_false(o.refused);
    close_kernel(&o);
}

static void a_check_that_is_skipped_asks_nothing(void **state)
{
    struct bl_chronicle_session_options options = {
        .connection_id = "i", .skip_compatibility_check = true, .on_checked = on_checked};
    struct owner o;

    (void)state;
    open_kernel(&o);
    drop(&o);
    options.channel = k.channel;
    options.arg = &o;
    assert_int_equal(bl_chronicle_session_new(&options, &o.session, NULL), 0);
    bl_chronicle_session_check(o.session);
    assert_int_equal(o.checks, 0);
    kernel_until(&k, &o.checked);
    assert_false(o.refused);
    kernel_a_while(&k);
    assert_int_equal(k.n, 0);
    assert_int_equal(o.checks, 1);
    close_kernel(&o);
}

/* ---- the stream ---- */

static void the_kernel_is_told_who_connects(void **state)
{
    const struct kernel_request *r;
    char machine[256], name[300];
    struct owner o;
    int n;

    (void)state;
    open_kernel(&o);
    connect_it(&o);
    r = kernel_last(&k, KERNEL_CONNECT);
    assert_true(holds(r,
                      "\x0a\x06the-id\x12\x03"
                      "1.2",
                      13));
    assert_true(holds(r, "\x3a\x06tester", 8));
    assert_true(holds(r, "net_chronicle_session", 21));
    assert_int_equal(gethostname(machine, sizeof machine), 0);
    n = snprintf(name, sizeof name, "\x32%c%s", (char)strlen(machine), machine);
    assert_true(holds(r, name, (size_t)n));
    close_kernel(&o);
}

static void each_keep_alive_is_reported(void **state)
{
    struct owner o;

    (void)state;
    open_kernel(&o);
    connect_it(&o);
    kernel_a_while(&k);
    assert_int_equal(o.kept, 0);
    for (int i = 1; i <= 3; i++) {
        kernel_keep(&k);
        kernel_until_n(&k, &o.kept, i);
    }
    kernel_a_while(&k);
    assert_int_equal(o.kept, 3);
    assert_int_equal(o.ends, 0);
    close_kernel(&o);
}

static void each_keep_alive_is_answered_with_the_connection_s_id(void **state)
{
    const struct kernel_request *r;
    struct owner o;

    (void)state;
    open_kernel(&o);
    connect_it(&o);
    for (unsigned i = 1; i <= 3; i++) {
        kernel_keep(&k);
        kernel_until_requests(&k, KERNEL_KEEP_ALIVE, i);
    }
    r = kernel_last(&k, KERNEL_KEEP_ALIVE);
    assert_int_equal(r->len, 8);
    assert_memory_equal(r->body, "\x0a\x06the-id", 8);
    kernel_a_while(&k);
    assert_int_equal(k.counts[KERNEL_KEEP_ALIVE], 3);
    close_kernel(&o);
}

static void keep_alives_that_come_together_are_each_answered(void **state)
{
    struct owner o;

    (void)state;
    open_kernel(&o);
    connect_it(&o);
    for (int i = 0; i < 40; i++)
        kernel_keep(&k);
    kernel_until_n(&k, &o.kept, 40);
    kernel_until_requests(&k, KERNEL_KEEP_ALIVE, 40);
    kernel_a_while(&k);
    assert_int_equal(o.ends, 0);
    close_kernel(&o);
}

static void answers_under_way_are_bounded(void **state)
{
    struct owner o;

    (void)state;
    open_kernel(&o);
    k.ways[KERNEL_KEEP_ALIVE] = KERNEL_SILENT;
    connect_it(&o);
    for (int i = 0; i < 40; i++)
        kernel_keep(&k);
    kernel_until_requests(&k, KERNEL_KEEP_ALIVE, BL_CHRONICLE_ANSWERS_MAX);
    kernel_a_while(&k);
    assert_int_equal(o.kept, BL_CHRONICLE_ANSWERS_MAX);
    assert_int_equal(k.counts[KERNEL_KEEP_ALIVE], BL_CHRONICLE_ANSWERS_MAX);
    kernel_answer(&k, kernel_last(&k, KERNEL_KEEP_ALIVE));
    kernel_until_n(&k, &o.kept, BL_CHRONICLE_ANSWERS_MAX + 1);
    kernel_a_while(&k);
    assert_int_equal(o.kept, BL_CHRONICLE_ANSWERS_MAX + 1);
    assert_int_equal(o.ends, 0);
    close_kernel(&o);
}

static void a_failed_answer_ends_the_session(void **state)
{
    struct owner o;

    (void)state;
    open_kernel(&o);
    k.ways[KERNEL_KEEP_ALIVE] = KERNEL_REFUSE;
    connect_it(&o);
    kernel_keep(&k);
    kernel_until(&k, &o.ended);
    assert_non_null(strstr(o.error.text, "answering the kernel's keep-alive: PERMISSION_DENIED"));
    assert_int_equal(o.kept, 1);
    kernel_a_while(&k);
    assert_int_equal(o.ends, 1);
    close_kernel(&o);
}

static void an_answer_that_does_not_arrive_ends_the_session(void **state)
{
    struct owner o;

    (void)state;
    open_kernel(&o);
    k.ways[KERNEL_KEEP_ALIVE] = KERNEL_SILENT;
    connect_it(&o);
    kernel_keep(&k);
    kernel_until_n(&k, &o.kept, 1);
    kernel_forward(&k, BL_CHRONICLE_ANSWER_MS - 1000);
    kernel_a_while(&k);
    assert_false(o.ended);
    kernel_forward(&k, 1000);
    kernel_until(&k, &o.ended);
    assert_non_null(strstr(o.error.text, "deadline"));
    close_kernel(&o);
}

static void the_end_of_the_stream_is_reported_once(void **state)
{
    struct owner o;

    (void)state;
    open_kernel(&o);
    connect_it(&o);
    kernel_keep(&k);
    kernel_end(&k, 0);
    kernel_until(&k, &o.ended);
    assert_int_equal(o.kept, 1);
    assert_string_equal(o.error.text, "the kernel ended the session");
    assert_int_equal(o.error.code, BELAY_EEOF);
    kernel_a_while(&k);
    assert_int_equal(o.ends, 1);
    close_kernel(&o);
}

static void an_error_of_the_stream_is_reported_once(void **state)
{
    struct owner o;

    (void)state;
    open_kernel(&o);
    connect_it(&o);
    kernel_end(&k, BELAY_GRPC_ABORTED);
    kernel_until(&k, &o.ended);
    assert_non_null(strstr(o.error.text, "the session with the kernel: ABORTED"));
    kernel_a_while(&k);
    assert_int_equal(o.ends, 1);
    close_kernel(&o);

    open_kernel(&o);
    connect_it(&o);
    kernel_keep(&k);
    kernel_until_n(&k, &o.kept, 1);
    kernel_hang_up(&k);
    kernel_until(&k, &o.ended);
    kernel_a_while(&k);
    assert_int_equal(o.ends, 1);
    close_kernel(&o);
}

static void a_server_that_is_no_kernel_ends_it(void **state)
{
    struct owner o;

    (void)state;
    open_kernel(&o);
    k.ways[KERNEL_CONNECT] = KERNEL_UNIMPLEMENTED;
    bl_chronicle_session_connect(o.session);
    kernel_until(&k, &o.ended);
    assert_non_null(strstr(o.error.text, "UNIMPLEMENTED"));
    close_kernel(&o);

    open_kernel(&o);
    k.ways[KERNEL_CONNECT] = KERNEL_NONSENSE;
    bl_chronicle_session_connect(o.session);
    kernel_until(&k, &o.ended);
    assert_non_null(strstr(o.error.text, "keep-alive is not a message"));
    assert_int_equal(o.kept, 0);
    close_kernel(&o);
}

static void a_closed_channel_ends_it(void **state)
{
    struct owner o;

    (void)state;
    open_kernel(&o);
    connect_it(&o);
    belay_channel_close(k.channel, NULL, NULL);
    k.channel = NULL;
    kernel_until(&k, &o.ended);
    drop(&o);
    close_kernel(&o);
}

/* ---- its owner ---- */

static void it_may_be_freed_in_each_callback(void **state)
{
    struct owner o;

    (void)state;
    open_kernel(&o);
    o.frees_in_check = true;
    bl_chronicle_session_check(o.session);
    kernel_until(&k, &o.checked);
    close_kernel(&o);

    open_kernel(&o);
    o.frees_at = 2;
    connect_it(&o);
    for (int i = 0; i < 4; i++)
        kernel_keep(&k);
    kernel_until_n(&k, &o.kept, 2);
    kernel_a_while(&k);
    assert_int_equal(o.kept, 2);
    assert_int_equal(o.ends, 0);
    close_kernel(&o);

    open_kernel(&o);
    o.frees_in_end = true;
    k.ways[KERNEL_KEEP_ALIVE] = KERNEL_REFUSE;
    connect_it(&o);
    kernel_keep(&k);
    kernel_keep(&k);
    kernel_until(&k, &o.ended);
    kernel_a_while(&k);
    assert_int_equal(o.ends, 1);
    close_kernel(&o);
}

static void it_may_be_freed_at_any_time(void **state)
{
    struct owner o;

    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        int kept;

        open_kernel(&o);
        o.connects = true;
        bl_chronicle_session_check(o.session);
        for (int i = 0; i < turns; i++)
            kernel_turn(&k);
        if (k.counts[KERNEL_CONNECT] > 0)
            kernel_keep(&k);
        for (int i = 0; i < turns % 3; i++)
            kernel_turn(&k);
        kept = o.kept;
        drop(&o);
        kernel_a_while(&k);
        assert_int_equal(o.kept, kept);
        assert_int_equal(o.ends, 0);
        close_kernel(&o);
    }
}

static void a_session_may_begin_in_the_check_s_callback(void **state)
{
    struct owner o;

    (void)state;
    open_kernel(&o);
    o.connects = true;
    bl_chronicle_session_check(o.session);
    kernel_until_requests(&k, KERNEL_CONNECT, 1);
    kernel_keep(&k);
    kernel_until_n(&k, &o.kept, 1);
    assert_int_equal(o.checks, 1);
    close_kernel(&o);
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
        cmocka_unit_test(each_keep_alive_is_reported),
        cmocka_unit_test(each_keep_alive_is_answered_with_the_connection_s_id),
        cmocka_unit_test(keep_alives_that_come_together_are_each_answered),
        cmocka_unit_test(answers_under_way_are_bounded),
        cmocka_unit_test(a_failed_answer_ends_the_session),
        cmocka_unit_test(an_answer_that_does_not_arrive_ends_the_session),
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
