/* SPDX-License-Identifier: MIT */
/* Links, monitors and exit signals, as in OTP. */
#include "unit/keep/process_scene.h"

static void begin_two(void)
{
    actor_begin(&a);
    actor_begin(&b);
    a.log[0] = b.log[0] = '\0';
}

static void link_two(void)
{
    begin_two();
    assert_int_equal(belay_process_link(a.process, b.process), 0);
}

static void end(struct actor *x, enum belay_exit_kind kind, int code)
{
    struct belay_error error = error_of(code, "the wire was cut");

    belay_process_stop(x->process, kind, code ? &error : NULL, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
}

/* ---- links ---- */

static void an_error_ends_who_is_linked_in_the_same_way(void **state)
{
    (void)state;
    link_two();
    end(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    actor_ended(&b, BELAY_EXIT_ERROR, BELAY_EPROTO);
    assert_string_equal(b.exit_error.text, "the wire was cut");
    actor_saw(&b, "terminate(error)");
}

static void a_link_goes_both_ways(void **state)
{
    (void)state;
    link_two();
    end(&b, BELAY_EXIT_ERROR, BELAY_EPROTO);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
}

static void a_normal_end_is_ignored_by_who_is_linked(void **state)
{
    (void)state;
    link_two();
    end(&a, BELAY_EXIT_NORMAL, 0);
    actor_is(&b, BELAY_PROCESS_DISCONNECTED);
    assert_int_equal(ask(&b, 3), 3);
}

static void a_shutdown_propagates(void **state)
{
    (void)state;
    link_two();
    end(&a, BELAY_EXIT_SHUTDOWN, 0);
    actor_ended(&b, BELAY_EXIT_SHUTDOWN, 0);
}

static void links_form_chains_and_rings(void **state)
{
    (void)state;
    link_two();
    actor_begin(&c);
    assert_int_equal(belay_process_link(b.process, c.process), 0);
    assert_int_equal(belay_process_link(c.process, a.process), 0);
    end(&b, BELAY_EXIT_ERROR, BELAY_EPROTO);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    actor_ended(&c, BELAY_EXIT_ERROR, BELAY_EPROTO);
}

/* ---- trapping ---- */

static struct belay_exit_signal seen;
static struct belay_error seen_error;
static unsigned seen_n;

static void look(struct actor *actor, enum bl_pr_callback callback, struct belay_message *message)
{
    (void)actor;
    if (callback != BL_PR_INFO ||
        (message->tag != BELAY_TAG_EXIT && message->tag != BELAY_TAG_DOWN))
        return;
    seen = *(struct belay_exit_signal *)message->value;
    if (seen.why.error)
        seen_error = *seen.why.error;
    seen_n++;
}

static void trap(struct actor *x)
{
    x->options.trap_exit = true;
    x->during = look;
    seen_n = 0;
}

static void who_traps_exits_gets_a_message(void **state)
{
    (void)state;
    trap(&b);
    link_two();
    end(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    actor_saw(&b, "info:-3");
    assert_int_equal(seen_n, 1);
    assert_ptr_equal(seen.process, a.process);
    assert_int_equal(seen.why.kind, BELAY_EXIT_ERROR);
    assert_int_equal(seen_error.code, BELAY_EPROTO);
    assert_string_equal(seen_error.text, "the wire was cut");
    assert_true(belay_process_is_alive(b.process));
}

static void a_normal_end_is_a_message_as_well(void **state)
{
    (void)state;
    trap(&b);
    link_two();
    end(&a, BELAY_EXIT_NORMAL, 0);
    actor_saw(&b, "info:-3");
    assert_int_equal(seen.why.kind, BELAY_EXIT_NORMAL);
    assert_null(seen.why.error);
}

static struct belay_message kept;

static void keep(struct actor *actor, enum bl_pr_callback callback, struct belay_message *message)
{
    (void)actor;
    if (callback == BL_PR_INFO)
        kept = belay_message_take(message);
}

static void an_exit_that_was_taken_outlives_its_process(void **state)
{
    const struct belay_exit_signal *signal;

    (void)state;
    trap(&b);
    b.during = keep;
    link_two();
    end(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    actor_forget(&a);
    end(&b, BELAY_EXIT_NORMAL, 0);
    signal = kept.value;
    assert_int_equal(kept.tag, BELAY_TAG_EXIT);
    assert_string_equal(signal->why.error->text, "the wire was cut");
    belay_message_destroy(&kept);
}

static void an_exit_that_nobody_reads_is_destroyed_with_the_mailbox(void **state)
{
    (void)state;
    trap(&b);
    b.options.serve_while_connecting = false;
    actor_says(&b, BL_PR_INIT, belay_do_connect(belay_message_tag(1)));
    actor_says(&b, BL_PR_CONNECT, belay_do_pending());
    link_two();
    end(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    assert_int_equal(seen_n, 0);
    end(&b, BELAY_EXIT_NORMAL, 0);
    assert_int_equal(seen_n, 0);
}

/* ---- killing ---- */

static void a_kill_cannot_be_trapped_and_does_not_terminate(void **state)
{
    (void)state;
    trap(&a);
    link_two();
    assert_int_equal(belay_process_exit(a.process, (struct belay_exit){.kind = BELAY_EXIT_KILLED}),
                     0);
    process_kit_settle(&k);
    actor_ended(&a, BELAY_EXIT_KILLED, 0);
    actor_saw(&a, "");
    actor_ended(&b, BELAY_EXIT_KILLED, 0); /* killed propagates */
    actor_saw(&b, "terminate(killed)");
}

static void that_another_was_killed_can_be_trapped(void **state)
{
    (void)state;
    trap(&b);
    link_two();
    belay_process_exit(a.process, (struct belay_exit){.kind = BELAY_EXIT_KILLED});
    process_kit_settle(&k);
    actor_saw(&b, "info:-3");
    assert_int_equal(seen.why.kind, BELAY_EXIT_KILLED);
    assert_true(belay_process_is_alive(b.process));
}

static void an_exit_signal_ends_who_does_not_trap_it(void **state)
{
    struct belay_error why = error_of(BELAY_EPROTO, "out of nothing");

    (void)state;
    begin_two();
    belay_process_exit(a.process, (struct belay_exit){BELAY_EXIT_ERROR, &why});
    belay_process_exit(b.process, (struct belay_exit){BELAY_EXIT_NORMAL, NULL});
    process_kit_settle(&k);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    assert_true(belay_process_is_alive(b.process)); /* normal is ignored */
    belay_process_exit(b.process, (struct belay_exit){BELAY_EXIT_ERROR, NULL});
    process_kit_settle(&k);
    actor_ended(&b, BELAY_EXIT_ERROR, BELAY_EABORTED);
    assert_int_equal(belay_process_exit(b.process, (struct belay_exit){BELAY_EXIT_SHUTDOWN, NULL}),
                     0); /* of one that has ended: nothing */
    assert_int_equal(belay_process_exit(NULL, (struct belay_exit){0}), BELAY_EINVAL);
}

static void an_exit_signal_is_a_message_to_who_traps(void **state)
{
    struct belay_error why = error_of(BELAY_EPROTO, "out of nothing");

    (void)state;
    trap(&a);
    actor_begin(&a);
    belay_process_exit(a.process, (struct belay_exit){BELAY_EXIT_ERROR, &why});
    why.text[0] = '\0'; /* it was copied */
    process_kit_settle(&k);
    assert_int_equal(seen_n, 1);
    assert_null(seen.process);
    assert_string_equal(seen_error.text, "out of nothing");
}

/* ---- linking and unlinking ---- */

static void who_is_unlinked_hears_nothing(void **state)
{
    (void)state;
    link_two();
    belay_process_unlink(b.process, a.process);
    end(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    assert_true(belay_process_is_alive(b.process));
    belay_process_unlink(b.process, a.process);
    belay_process_unlink(NULL, a.process);
}

static void two_links_are_one(void **state)
{
    (void)state;
    trap(&b);
    link_two();
    assert_int_equal(belay_process_link(b.process, a.process), 0);
    end(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    assert_int_equal(seen_n, 1);
}

static void a_link_to_one_that_has_ended_is_an_error(void **state)
{
    (void)state;
    trap(&b);
    begin_two();
    actor_begin(&c);
    end(&a, BELAY_EXIT_NORMAL, 0);
    assert_int_equal(belay_process_link(b.process, a.process), 0);
    assert_int_equal(belay_process_link(a.process, c.process), 0);
    process_kit_settle(&k);
    actor_saw(&b, "info:-3");
    assert_ptr_equal(seen.process, a.process);
    assert_int_equal(seen.why.kind, BELAY_EXIT_ERROR);
    assert_int_equal(seen_error.code, BELAY_ENOPROC);
    actor_ended(&c, BELAY_EXIT_ERROR, BELAY_ENOPROC);
}

static void impossible_links_are_refused(void **state)
{
    struct belay_monitor *m;

    (void)state;
    begin_two();
    assert_int_equal(belay_process_link(a.process, a.process), BELAY_EINVAL);
    assert_int_equal(belay_process_link(a.process, NULL), BELAY_EINVAL);
    assert_int_equal(belay_process_monitor(a.process, NULL, NULL, &m), BELAY_EINVAL);
    assert_int_equal(belay_process_monitor_by(a.process, a.process, &m), BELAY_EINVAL);
    assert_int_equal(belay_process_monitor_by(a.process, NULL, &m), BELAY_EINVAL);
}

/* ---- start_link ---- */

static void start_child(void)
{
    assert_int_equal(belay_process_start_link(a.process, &b.behaviour, &b, &b.options, &b.process,
                                              NULL, NULL, NULL),
                     0);
    process_kit_settle(&k);
}

static void a_child_ends_with_its_parent(void **state)
{
    (void)state;
    actor_begin(&a);
    start_child();
    end(&a, BELAY_EXIT_SHUTDOWN, 0);
    actor_ended(&b, BELAY_EXIT_SHUTDOWN, 0);
}

static void a_child_that_traps_exits_ends_with_its_parent_but_terminates(void **state)
{
    (void)state;
    trap(&b);
    actor_begin(&a);
    start_child();
    end(&a, BELAY_EXIT_NORMAL, 0);
    actor_ended(&b, BELAY_EXIT_NORMAL, 0);
    actor_saw(&b, "init terminate(normal)");
    assert_int_equal(seen_n, 0);
}

static void a_child_that_does_not_start_tells_its_parent(void **state)
{
    (void)state;
    trap(&a);
    actor_begin(&a);
    actor_says(&b, BL_PR_INIT, belay_do_stop(NULL, BELAY_EXIT_SHUTDOWN, NULL));
    start_child();
    assert_int_equal(seen_n, 1);
    assert_int_equal(seen.why.kind, BELAY_EXIT_SHUTDOWN);
    assert_ptr_equal(seen.process, b.process);
}

static void a_child_of_one_that_has_ended_is_not_started(void **state)
{
    struct belay_process *p;

    (void)state;
    actor_begin(&a);
    end(&a, BELAY_EXIT_NORMAL, 0);
    assert_int_equal(
        belay_process_start_link(a.process, &b.behaviour, &b, &b.options, &p, NULL, NULL, NULL),
        BELAY_ENOPROC);
    assert_int_equal(
        belay_process_start_link(NULL, &b.behaviour, &b, &b.options, &p, NULL, NULL, NULL),
        BELAY_EINVAL);
}

/* ---- monitors ---- */

struct watched {
    unsigned told;
    const struct belay_process *process;
    enum belay_exit_kind kind;
    int code;
};

static void on_down(struct belay_process *process, struct belay_exit why, void *arg)
{
    struct watched *w = arg;

    w->told++;
    w->process = process;
    w->kind = why.kind;
    w->code = why.error ? why.error->code : 0;
}

static void a_monitor_tells_how_a_process_ended(void **state)
{
    struct watched w = {0}, twice = {0};

    (void)state;
    actor_begin(&a);
    assert_int_equal(belay_process_monitor(a.process, on_down, &w, NULL), 0);
    assert_int_equal(belay_process_monitor(a.process, on_down, &twice, NULL), 0);
    end(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    assert_int_equal(w.told, 1);
    assert_int_equal(twice.told, 1);
    assert_ptr_equal(w.process, a.process);
    assert_int_equal(w.kind, BELAY_EXIT_ERROR);
    assert_int_equal(w.code, BELAY_EPROTO);
}

static void a_monitor_of_one_that_has_ended_tells_that(void **state)
{
    struct watched w = {0};

    (void)state;
    actor_begin(&a);
    end(&a, BELAY_EXIT_NORMAL, 0);
    assert_int_equal(belay_process_monitor(a.process, on_down, &w, NULL), 0);
    assert_int_equal(w.told, 0);
    process_kit_settle(&k);
    assert_int_equal(w.told, 1);
    assert_int_equal(w.kind, BELAY_EXIT_ERROR);
    assert_int_equal(w.code, BELAY_ENOPROC);
}

static struct belay_monitor *to_cancel;

static void cancel_it(struct belay_process *process, struct belay_exit why, void *arg)
{
    on_down(process, why, arg);
    belay_monitor_cancel(to_cancel);
}

static void a_monitor_that_is_cancelled_is_never_told(void **state)
{
    struct watched w = {0}, first = {0}, second = {0};
    struct belay_monitor *m;

    (void)state;
    actor_begin(&a);
    assert_int_equal(belay_process_monitor(a.process, on_down, &w, &m), 0);
    belay_monitor_cancel(m);
    belay_monitor_cancel(NULL);
    assert_int_equal(belay_process_monitor(a.process, cancel_it, &first, NULL), 0);
    assert_int_equal(belay_process_monitor(a.process, on_down, &second, &to_cancel), 0);
    end(&a, BELAY_EXIT_NORMAL, 0);
    assert_int_equal(w.told, 0);
    assert_int_equal(first.told, 1);
    assert_int_equal(second.told, 0); /* though it was on its way */
}

static void a_process_may_watch_another(void **state)
{
    (void)state;
    trap(&b);
    b.options.trap_exit = false;
    begin_two();
    assert_int_equal(belay_process_monitor_by(a.process, b.process, NULL), 0);
    end(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    actor_saw(&b, "info:-4");
    assert_ptr_equal(seen.process, a.process);
    assert_int_equal(seen_error.code, BELAY_EPROTO);
    assert_int_equal(belay_process_monitor_by(a.process, b.process, NULL), 0);
    process_kit_settle(&k);
    actor_saw(&b, "info:-4");
    assert_int_equal(seen_error.code, BELAY_ENOPROC);
}

static void who_has_ended_watches_nobody(void **state)
{
    struct belay_monitor *m = NULL;

    (void)state;
    begin_two();
    end(&b, BELAY_EXIT_NORMAL, 0);
    assert_int_equal(belay_process_monitor_by(a.process, b.process, &m), BELAY_ENOPROC);
    assert_null(m);
    end(&a, BELAY_EXIT_NORMAL, 0);
    assert_int_equal(belay_process_monitor_by(a.process, b.process, &m), BELAY_ENOPROC);
}

static void a_watch_is_one_sided(void **state)
{
    struct belay_monitor *m;

    (void)state;
    begin_two();
    actor_begin(&c);
    assert_int_equal(belay_process_monitor_by(a.process, b.process, NULL), 0);
    assert_int_equal(belay_process_monitor_by(a.process, c.process, &m), 0);
    end(&b, BELAY_EXIT_ERROR, BELAY_EPROTO);
    assert_true(belay_process_is_alive(a.process));
    belay_monitor_cancel(m);
    c.log[0] = '\0';
    end(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    actor_saw(&c, "");
}

static struct belay_monitor *late;

static void cancel_late(struct actor *actor, enum bl_pr_callback callback,
                        struct belay_message *message)
{
    (void)actor;
    (void)message;
    if (callback == BL_PR_CAST)
        belay_monitor_cancel(late);
}

static void a_down_that_was_not_read_yet_can_be_cancelled(void **state)
{
    (void)state;
    b.during = cancel_late;
    begin_two();
    assert_int_equal(belay_process_monitor_by(a.process, b.process, &late), 0);
    belay_process_stop(a.process, BELAY_EXIT_NORMAL, NULL, BELAY_FOREVER, NULL, NULL);
    cast(&b, 1);
    process_kit_settle(&k);
    actor_saw(&b, "cast:1");
}

/* ---- memory ---- */

static void ties_without_memory_are_refused_and_nothing_is_tied(void **state)
{
    struct watched w = {0};

    (void)state;
    trap(&b);
    begin_two();
    failing_alloc_from(&k.alloc, 1);
    assert_int_equal(belay_process_link(a.process, b.process), BELAY_ENOMEM);
    assert_int_equal(belay_process_monitor_by(a.process, b.process, NULL), BELAY_ENOMEM);
    assert_int_equal(belay_process_monitor(a.process, on_down, &w, NULL), BELAY_ENOMEM);
    assert_int_equal(belay_process_exit(b.process, (struct belay_exit){0}), BELAY_ENOMEM);
    failing_alloc_from(&k.alloc, 0);
    end(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    actor_saw(&b, "");
    assert_int_equal(w.told, 0);
}

static void an_end_is_told_without_memory(void **state)
{
    struct watched w = {0};

    (void)state;
    trap(&b);
    link_two();
    assert_int_equal(belay_process_monitor_by(a.process, b.process, NULL), 0);
    assert_int_equal(belay_process_monitor(a.process, on_down, &w, NULL), 0);
    failing_alloc_from(&k.alloc, 1);
    end(&a, BELAY_EXIT_ERROR, BELAY_EPROTO);
    failing_alloc_from(&k.alloc, 0);
    actor_saw(&b, "info:-3 info:-4");
    assert_int_equal(w.told, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(an_error_ends_who_is_linked_in_the_same_way),
        T(a_link_goes_both_ways),
        T(a_normal_end_is_ignored_by_who_is_linked),
        T(a_shutdown_propagates),
        T(links_form_chains_and_rings),
        T(who_traps_exits_gets_a_message),
        T(a_normal_end_is_a_message_as_well),
        T(an_exit_that_was_taken_outlives_its_process),
        T(an_exit_that_nobody_reads_is_destroyed_with_the_mailbox),
        T(a_kill_cannot_be_trapped_and_does_not_terminate),
        T(that_another_was_killed_can_be_trapped),
        T(an_exit_signal_ends_who_does_not_trap_it),
        T(an_exit_signal_is_a_message_to_who_traps),
        T(who_is_unlinked_hears_nothing),
        T(two_links_are_one),
        T(a_link_to_one_that_has_ended_is_an_error),
        T(impossible_links_are_refused),
        T(a_child_ends_with_its_parent),
        T(a_child_that_traps_exits_ends_with_its_parent_but_terminates),
        T(a_child_that_does_not_start_tells_its_parent),
        T(a_child_of_one_that_has_ended_is_not_started),
        T(a_monitor_tells_how_a_process_ended),
        T(a_monitor_of_one_that_has_ended_tells_that),
        T(a_monitor_that_is_cancelled_is_never_told),
        T(a_process_may_watch_another),
        T(who_has_ended_watches_nobody),
        T(a_watch_is_one_sided),
        T(a_down_that_was_not_read_yet_can_be_cancelled),
        T(ties_without_memory_are_refused_and_nothing_is_tied),
        T(an_end_is_told_without_memory),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
