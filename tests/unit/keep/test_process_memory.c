/* SPDX-License-Identifier: MIT */
/*
 * Whole lives of processes in which every allocation fails, once or with all that follow: who was
 * accepted is told once, every message is destroyed once, and nothing is left.
 */
#include "unit/keep/process_kit.h"

#define CALLS 4

static struct process_kit k;
static struct actor a, b;
static struct asked asked[CALLS];
static bool accepted[CALLS];
static int changed;

static void post(int rc, struct belay_message *message)
{
    if (rc == 0)
        return;
    assert_true(rc == BELAY_ENOMEM || rc == BELAY_ENOPROC || rc == BELAY_EAGAIN);
    belay_message_destroy(message);
}

static void try_cast(struct actor *to, int32_t tag)
{
    struct belay_message m = counted(tag);

    post(belay_process_cast(to->process, m), &m);
}

static void try_send(struct actor *to, int32_t tag)
{
    struct belay_message m = counted(tag);

    post(belay_process_send(to->process, m), &m);
}

static void on_reply(struct belay_message *reply, const struct belay_error *error, void *arg)
{
    struct asked *who = arg;

    who->told++;
    who->code = error ? error->code : 0;
    who->tag = reply ? reply->tag : 0;
}

static void try_call(struct actor *to, int i)
{
    struct belay_message m = counted(i);
    int rc = belay_process_call(to->process, m, 100, NULL, on_reply, &asked[i]);

    accepted[i] = rc == 0;
    post(rc, &m);
}

static void on_changed(int result, void *arg)
{
    (void)arg;
    assert_true(result == 0 || result == BELAY_ENOPROC);
    changed++;
}

static void fail_once(struct actor *actor, enum bl_pr_callback callback,
                      struct belay_message *message)
{
    struct belay_error error = error_of(BELAY_ECONNECT, "nobody there");

    (void)message;
    if (callback == BL_PR_CONNECT)
        belay_process_connect_failed(actor->process, &error);
}

static bool start(struct actor *actor, struct belay_process *parent)
{
    struct belay_error error;
    int rc;

    if (parent)
        rc = belay_process_start_link(parent, &actor->behaviour, actor, &actor->options,
                                      &actor->process, NULL, NULL, &error);
    else
        rc = belay_process_start(k.loop, &actor->behaviour, actor, &actor->options, &actor->process,
                                 NULL, NULL, &error);
    if (rc < 0) {
        assert_int_equal(rc, BELAY_ENOMEM);
        assert_int_equal(error.code, BELAY_ENOMEM);
        assert_null(actor->process);
    }
    return rc == 0;
}

/* Messages of each kind, postponed ones, a failed connect, hibernation, a change of code. */
static void use(void)
{
    bool change;

    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    actor_says(&a, BL_PR_CALL, belay_do_noreply());
    actor_says(&a, BL_PR_CALL, belay_do_reply(counted(20)));
    actor_says(&a, BL_PR_INFO, belay_do_disconnect(counted(21)));
    actor_says(&a, BL_PR_DISCONNECT, belay_do_connect(counted(22)));
    actor_says(&a, BL_PR_CONNECT, belay_do_backoff(10));
    try_cast(&a, 1);
    try_call(&a, 0);
    try_call(&a, 1);
    try_send(&a, 2);
    process_kit_pass(&k, 50);
    changed = 0;
    change = belay_process_change_code(a.process, &a.behaviour, NULL, on_changed, NULL) == 0;
    try_call(&a, 2);
    process_kit_pass(&k, 200);
    assert_int_equal(changed, change);
    actor_says(&a, BL_PR_CAST, belay_with_hibernate(belay_do_noreply()));
    try_cast(&a, 3);
    process_kit_settle(&k);
    try_call(&a, 3);
}

static void live(void)
{
    memset(asked, 0, sizeof asked);
    memset(accepted, 0, sizeof accepted);
    actor_init(&a, &k);
    actor_init(&b, &k);
    a.options.name = "first";
    b.options.name = "second";
    a.during = fail_once;
    if (start(&a, NULL)) {
        process_kit_settle(&k);
        use();
        if (start(&b, a.process)) {
            actor_says(&b, BL_PR_CAST, belay_do_stop(NULL, BELAY_EXIT_ERROR, NULL));
            try_cast(&b, 1);
            process_kit_settle(&k);
        }
    }
    actor_forget(&a);
    actor_forget(&b);
    /* What was left over is dropped as whoever said it would. */
    for (unsigned c = 0; c < BL_PR_CALLBACKS; c++) {
        for (unsigned i = a.said_n[c]; i < a.says_n[c]; i++)
            bl_directive_drop(&a.says[c][i]);
    }
}

static void check_told(void)
{
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(asked[i].told, accepted[i]);
        if (asked[i].code)
            assert_true(asked[i].code == BELAY_ETIMEDOUT || asked[i].code == BELAY_ENOPROC);
    }
}

static void sweep(void (*fail_from)(struct failing_alloc *alloc, size_t n))
{
    for (size_t n = 1;; n++) {
        size_t failures;

        process_kit_begin(&k);
        fail_from(&k.alloc, n);
        live();
        failures = failing_alloc_failures(&k.alloc);
        failing_alloc_once(&k.alloc, 0);
        process_kit_end(&k);
        check_told();
        if (failures == 0) {
            assert_true(n > 20); /* or it did not do what it says */
            return;
        }
    }
}

static void each_allocation_may_fail_once(void **state)
{
    (void)state;
    sweep(failing_alloc_once);
}

static void all_allocations_may_fail_from_any_on(void **state)
{
    (void)state;
    sweep(failing_alloc_from);
}

/* Ends, with messages and what is pending, while there is no memory at all. */
static void end_without_memory(enum belay_exit_kind kind, const struct belay_error *error)
{
    process_kit_begin(&k);
    actor_init(&a, &k);
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_pending());
    actor_start(&a);
    cast(&a, 1);
    process_kit_settle(&k);
    failing_alloc_from(&k.alloc, 1);
    belay_process_stop(a.process, kind, error, 100, NULL, NULL);
    process_kit_settle(&k);
    actor_ended(&a, kind, error ? error->code : 0);
}

static void ending_needs_no_memory(void **state)
{
    (void)state;
    end_without_memory(BELAY_EXIT_SHUTDOWN, NULL);
    assert_int_equal(failing_alloc_failures(&k.alloc), 0);
    actor_forget(&a);
    process_kit_end(&k);
}

static void ending_with_an_error_needs_no_memory_for_its_code(void **state)
{
    struct belay_error error = error_of(BELAY_EFILE, "gone");

    (void)state;
    end_without_memory(BELAY_EXIT_ERROR, &error);
    assert_int_equal(a.exit.error->kind, belay_error_kind_of(BELAY_EFILE));
    assert_string_equal(a.exit.error->text, belay_strerror(BELAY_EFILE));
    actor_forget(&a);
    process_kit_end(&k);
}

static void a_fault_without_memory_is_an_end_with_its_code(void **state)
{
    (void)state;
    process_kit_begin(&k);
    actor_init(&a, &k);
    actor_begin(&a);
    actor_says(&a, BL_PR_CAST, belay_do_ok());
    cast(&a, 1);
    failing_alloc_from(&k.alloc, 1);
    process_kit_settle(&k);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EBADRETURN);
    assert_string_equal(a.exit.error->text, belay_strerror(BELAY_EBADRETURN));
    actor_forget(&a);
    process_kit_end(&k);
}

static void without_memory_for_what_it_stops_with_the_code_stays(void **state)
{
    struct belay_error error = error_of(BELAY_EFILE, "gone");

    (void)state;
    process_kit_begin(&k);
    actor_init(&a, &k);
    actor_begin(&a);
    failing_alloc_once(&k.alloc, 1);
    actor_says(&a, BL_PR_CAST, belay_do_stop(a.process, BELAY_EXIT_SHUTDOWN, &error));
    cast(&a, 1);
    process_kit_settle(&k);
    actor_ended(&a, BELAY_EXIT_SHUTDOWN, BELAY_EFILE);
    assert_string_equal(a.exit.error->text, belay_strerror(BELAY_EFILE));
    actor_forget(&a);
    process_kit_end(&k);
}

static void without_memory_for_an_error_its_code_stays(void **state)
{
    struct belay_error error = error_of(BELAY_ECONNECT, "nobody there");

    (void)state;
    process_kit_begin(&k);
    actor_init(&a, &k);
    actor_begin(&a);
    failing_alloc_once(&k.alloc, 1);
    belay_process_connect_failed(a.process, &error);
    memset(&error, 0, sizeof error);
    assert_true(belay_process_last_error(a.process, &error));
    assert_int_equal(error.code, BELAY_ECONNECT);
    assert_string_equal(error.text, belay_strerror(BELAY_ECONNECT));
    actor_forget(&a);
    process_kit_end(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail_once),
        cmocka_unit_test(all_allocations_may_fail_from_any_on),
        cmocka_unit_test(ending_needs_no_memory),
        cmocka_unit_test(ending_with_an_error_needs_no_memory_for_its_code),
        cmocka_unit_test(a_fault_without_memory_is_an_end_with_its_code),
        cmocka_unit_test(without_memory_for_what_it_stops_with_the_code_stays),
        cmocka_unit_test(without_memory_for_an_error_its_code_stays),
    };

    return cmocka_run_group_tests_name("process_memory", tests, NULL, NULL);
}
