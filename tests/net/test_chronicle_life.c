/* SPDX-License-Identifier: MIT */
/* The life of a connection to Chronicle: its end, its name, and under a supervisor. */
#include "base/assert.h"
#include "chronicle_kit.h"

#include "belay/registry.h"
#include "belay/supervisor.h"

static void set(void *flag)
{
    *(bool *)flag = true;
}

/* ---- the end ---- */

static void disconnecting_ends_it_normally(void **state)
{
    struct chronicle_kit k;
    struct chk_waiter w = {0}, later = {0};
    bool closed = false;

    (void)state;
    chk_open(&k);
    chk_up(&k);
    assert_int_equal(belay_chronicle_wait_until(k.c, BELAY_CHRONICLE_REGISTERED, BELAY_FOREVER,
                                                NULL, chk_done, &w),
                     0);
    belay_chronicle_ref(k.c);
    belay_chronicle_disconnect(k.c, set, &closed);
    assert_true(belay_chronicle_is_closed(k.c));
    assert_false(belay_chronicle_connected(k.c));
    assert_null(belay_chronicle_channel(k.c));
    assert_int_equal(k.disconnected, 0); /* nobody is called inside */
    assert_false(w.done || closed);
    CHK_UNTIL(&k, closed);
    assert_int_equal(w.dones, 1);
    assert_int_equal(w.error.code, BELAY_ECLOSED);
    assert_int_equal(k.exit, BELAY_EXIT_NORMAL);
    assert_int_equal(k.exits, 1);
    assert_int_equal(k.disconnected, 1);
    assert_int_equal(belay_chronicle_connect(k.c, 1, NULL, chk_done, &later), BELAY_ECLOSED);
    closed = false;
    belay_chronicle_disconnect(k.c, set, &closed); /* who asks later is told, too */
    CHK_UNTIL(&k, closed);
    belay_chronicle_unref(k.c);
    k.c = NULL;
    chk_close(&k);
    assert_false(later.done);
}

static void who_waits_when_it_is_ended_is_told_that_and_not_what_failed(void **state)
{
    struct chronicle_kit k;
    struct chk_waiter w;

    (void)state;
    chk_open(&k);
    k.refuses = true;
    chk_start(&k);
    chk_wait(&k, &w, BELAY_FOREVER);
    CHK_UNTIL(&k, k.dials == 1);
    chk_a_while(&k);
    assert_false(w.done);
    belay_chronicle_disconnect(k.c, NULL, NULL);
    CHK_UNTIL(&k, k.exits == 1);
    assert_int_equal(w.error.code, BELAY_ECLOSED);
    assert_int_equal(k.exit, BELAY_EXIT_NORMAL);
    k.c = NULL;
    chk_close(&k);
}

static void it_can_be_ended_at_every_moment(void **state)
{
    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        struct chronicle_kit k;
        struct chk_waiter w;

        chk_open(&k);
        chk_start(&k);
        chk_wait(&k, &w, BELAY_FOREVER);
        for (int i = 0; i < turns; i++)
            ck_turn(&k.net);
        belay_chronicle_disconnect(k.c, NULL, NULL);
        CHK_UNTIL(&k, k.exits == 1);
        assert_int_equal(w.dones, 1);
        k.c = NULL;
        chk_close(&k);
    }
}

static void a_loop_that_ends_ends_it(void **state)
{
    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        struct chronicle_kit k;
        struct chk_waiter w;

        chk_open(&k);
        k.options.name = "kernel";
        chk_start(&k);
        chk_wait(&k, &w, BELAY_FOREVER);
        for (int i = 0; i < turns; i++)
            ck_turn(&k.net);
        ck_close(&k.net);
        assert_int_equal(w.dones, 1);
        assert_int_equal(k.exits, 1);
        assert_int_equal(k.opened, k.disconnected);
    }
}

static void end_it(const struct belay_error *error, void *arg)
{
    struct chronicle_kit *k = arg;

    assert_null(error);
    belay_chronicle_disconnect(k->c, NULL, NULL);
}

static void who_waited_may_end_it(void **state)
{
    struct chronicle_kit k;
    struct chk_waiter w;

    (void)state;
    chk_open(&k);
    chk_start(&k);
    assert_int_equal(belay_chronicle_connect(k.c, BELAY_FOREVER, NULL, end_it, &k), 0);
    chk_wait(&k, &w, BELAY_FOREVER);
    CHK_UNTIL(&k, k.exits == 1);
    assert_int_equal(w.dones, 1);
    assert_int_equal(w.error.code, BELAY_ECLOSED);
    k.c = NULL;
    chk_close(&k);
}

/* ---- its name ---- */

static void it_is_found_by_its_name(void **state)
{
    struct belay_registry *registry;
    struct chronicle_kit k;
    bool closed = false;

    (void)state;
    chk_open(&k);
    k.options.name = "kernel";
    chk_start(&k);
    assert_ptr_equal(belay_chronicle_whereis(k.net.loop, NULL, "kernel"), k.c);
    assert_null(belay_chronicle_whereis(k.net.loop, NULL, "other"));
    assert_int_equal(chk_refused(&k).code, BELAY_EEXISTS);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    assert_ptr_equal(belay_chronicle_whereis(k.net.loop, NULL, "kernel"), k.c);
    belay_chronicle_disconnect(k.c, set, &closed);
    assert_null(belay_chronicle_whereis(k.net.loop, NULL, "kernel"));
    CHK_UNTIL(&k, closed);
    assert_int_equal(belay_registry_new(k.net.loop, NULL, NULL, &registry), 0);
    k.options.registry = registry;
    chk_up(&k); /* the name is free again */
    assert_null(belay_chronicle_whereis(k.net.loop, NULL, "kernel"));
    assert_ptr_equal(belay_chronicle_whereis(k.net.loop, registry, "kernel"), k.c);
    closed = false;
    belay_chronicle_disconnect(k.c, set, &closed);
    CHK_UNTIL(&k, closed);
    belay_registry_free(registry);
    k.c = NULL;
    chk_close(&k);
}

static struct belay_directive nothing(struct belay_process *process, void *args)
{
    (void)process, (void)args;
    return belay_do_ok();
}

static void another_process_is_no_connection(void **state)
{
    static const struct belay_behaviour other = {
        .size = sizeof other, .name = "other", .init = nothing};
    struct belay_process_options o = belay_process_options_init();
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    o.name = "kernel";
    assert_int_equal(belay_process_start(k.net.loop, &other, NULL, &o, NULL, NULL, NULL, NULL), 0);
    assert_null(belay_chronicle_whereis(k.net.loop, NULL, "kernel"));
    k.options.name = "kernel";
    assert_int_equal(chk_refused(&k).code, BELAY_EEXISTS);
    chk_close(&k);
}

static void who_ends_the_process_of_its_name_ends_it(void **state)
{
    struct belay_process *process;
    struct chronicle_kit k;
    struct chk_waiter w;

    (void)state;
    chk_open(&k);
    k.options.name = "kernel";
    chk_up(&k);
    assert_int_equal(belay_chronicle_wait_until(k.c, BELAY_CHRONICLE_REGISTERED, BELAY_FOREVER,
                                                NULL, chk_done, &w),
                     0);
    memset(&w, 0, sizeof w);
    process = belay_process_whereis(k.net.loop, NULL, "kernel");
    assert_non_null(process);
    assert_int_equal(belay_process_send(process, (struct belay_message){.tag = 7}), 0);
    chk_a_while(&k);
    assert_true(belay_chronicle_connected(k.c));
    belay_process_stop(process, BELAY_EXIT_SHUTDOWN, NULL, BELAY_FOREVER, NULL, NULL);
    CHK_UNTIL(&k, k.exits == 1);
    assert_int_equal(k.exit, BELAY_EXIT_SHUTDOWN);
    assert_int_equal(w.dones, 1);
    assert_true(belay_chronicle_is_closed(k.c)); /* the caller still has it in hand */
    chk_close(&k);
}

static void on_down(struct belay_process *process, struct belay_exit why, void *arg)
{
    struct belay_error *error = arg;

    (void)process;
    assert_int_equal(why.kind, BELAY_EXIT_ERROR);
    *error = *why.error;
}

static void its_process_ends_as_it_does(void **state)
{
    struct belay_error error = {0};
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.options.name = "kernel";
    k.options.retry_attempts = BELAY_NONE;
    k.refuses = true;
    chk_start(&k);
    assert_int_equal(belay_process_monitor(belay_process_whereis(k.net.loop, NULL, "kernel"),
                                           on_down, &error, NULL),
                     0);
    CHK_UNTIL(&k, error.code);
    assert_int_equal(error.code, BELAY_EGIVENUP);
    assert_null(belay_chronicle_whereis(k.net.loop, NULL, "kernel"));
    chk_close(&k);
}

/* ---- under a supervisor ---- */

static void on_start(struct belay_chronicle *chronicle, void *arg)
{
    struct chronicle_kit *k = arg;

    k->c = chronicle;
    k->ids_n++; /* counts them */
}

static struct belay_supervisor *supervise(struct chronicle_kit *k)
{
    struct belay_child_spec spec;
    struct belay_supervisor *s;
    struct belay_error error;

    if (belay_chronicle_child_spec(&k->options, on_start, k, &spec, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(spec.restart, BELAY_RESTART_TRANSIENT);
    memset(k->string, 'x', sizeof k->string - 1); /* copied */
    assert_int_equal(belay_supervisor_open(k->net.loop, NULL, &s, &error), 0);
    assert_int_equal(belay_supervisor_start_child(s, &spec, NULL, NULL, NULL, &error), 0);
    CHK_UNTIL(k, k->ids_n > 0);
    return s;
}

static void a_supervisor_ends_it_and_its_channel(void **state)
{
    struct belay_supervisor *s;
    struct chronicle_kit k;
    bool stopped = false;

    (void)state;
    chk_open(&k);
    s = supervise(&k);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    belay_supervisor_close(s, set, &stopped);
    CHK_UNTIL(&k, stopped);
    assert_int_equal(k.exits, 1);
    assert_int_equal(k.opened, 1);
    assert_int_equal(k.disconnected, 1);
    k.c = NULL;
    chk_close(&k);
}

static void one_that_gave_up_is_started_again(void **state)
{
    struct belay_supervisor *s;
    struct chronicle_kit k;
    bool stopped = false;

    (void)state;
    chk_open(&k);
    k.options.retry_attempts = BELAY_NONE;
    k.holds = true;
    s = supervise(&k);
    CHK_UNTIL(&k, k.held_n == 1);
    k.holds = false;
    belay_chronicle_opened(k.held[0], NULL, &k.refusal);
    CHK_UNTIL(&k, k.ids_n == 2 && belay_chronicle_connected(k.c));
    assert_int_equal(k.exits, 1);
    belay_supervisor_close(s, set, &stopped);
    CHK_UNTIL(&k, stopped);
    k.c = NULL;
    chk_close(&k);
}

static void a_restart_leaves_no_socket_and_no_name(void **state)
{
    struct belay_error crash = {.code = BELAY_EABORTED, .text = "the test crashes it"};
    struct belay_supervisor *s;
    struct chronicle_kit k;
    bool stopped = false;

    (void)state;
    chk_open(&k);
    k.options.name = "kernel";
    s = supervise(&k);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    belay_process_stop(belay_process_whereis(k.net.loop, NULL, "kernel"), BELAY_EXIT_ERROR, &crash,
                       BELAY_FOREVER, NULL, NULL);
    CHK_UNTIL(&k, k.ids_n == 2 && belay_chronicle_connected(k.c));
    assert_int_equal(k.exits, 1);
    assert_int_equal(k.exit, BELAY_EXIT_ERROR);
    assert_string_equal(k.exit_error.text, "the test crashes it");
    ck_until_closed(&k.net, 0, 0);
    assert_true(k.net.servers[0].conns[1].fd >= 0);
    assert_int_equal(k.net.servers[0].accepted, 2);
    assert_ptr_equal(belay_chronicle_whereis(k.net.loop, NULL, "kernel"), k.c);
    belay_supervisor_close(s, set, &stopped);
    CHK_UNTIL(&k, stopped);
    k.c = NULL;
    chk_close(&k);
}

static void one_that_was_disconnected_stays_so(void **state)
{
    struct belay_supervisor *s;
    struct chronicle_kit k;
    bool stopped = false;

    (void)state;
    chk_open(&k);
    s = supervise(&k);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    belay_chronicle_disconnect(k.c, NULL, NULL);
    chk_forward(&k, 60000);
    assert_int_equal(k.ids_n, 1);
    assert_int_equal(k.exits, 1);
    belay_supervisor_close(s, set, &stopped);
    CHK_UNTIL(&k, stopped);
    k.c = NULL;
    chk_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disconnecting_ends_it_normally),
        cmocka_unit_test(who_waits_when_it_is_ended_is_told_that_and_not_what_failed),
        cmocka_unit_test(it_can_be_ended_at_every_moment),
        cmocka_unit_test(a_loop_that_ends_ends_it),
        cmocka_unit_test(who_waited_may_end_it),
        cmocka_unit_test(it_is_found_by_its_name),
        cmocka_unit_test(another_process_is_no_connection),
        cmocka_unit_test(who_ends_the_process_of_its_name_ends_it),
        cmocka_unit_test(its_process_ends_as_it_does),
        cmocka_unit_test(a_supervisor_ends_it_and_its_channel),
        cmocka_unit_test(one_that_gave_up_is_started_again),
        cmocka_unit_test(a_restart_leaves_no_socket_and_no_name),
        cmocka_unit_test(one_that_was_disconnected_stays_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
