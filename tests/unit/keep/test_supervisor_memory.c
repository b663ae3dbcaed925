/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of a supervisor's life fails once: calls say so, children fail to start and are
 * tried again, nothing is lost, what was accepted is told once, and the end never fails.
 */
#include <stdio.h>
#include <string.h>

#include "supervisor_kit.h"

static struct kit k;
static struct toy toys[6];
static unsigned exits, closes;

struct call {
    unsigned asked, told;
};

static struct call starts[6], stop, restart;

static void told(const char *id, const struct belay_error *error, void *arg)
{
    struct call *call = arg;

    assert_non_null(id);
    assert_true(!error || error->code < 0);
    call->told++;
}

static void on_exit_count(struct belay_supervisor *supervisor, struct belay_exit why, void *arg)
{
    (void)supervisor;
    (void)why;
    (void)arg;
    exits++;
}

static void on_closed_count(void *arg)
{
    (void)arg;
    closes++;
}

static void accept(struct call *call, int rc)
{
    if (rc < 0)
        assert_true(rc == BELAY_ENOMEM || rc == BELAY_ENONAME || rc == BELAY_EINVAL);
    else
        call->asked++;
}

static void start(size_t i, enum belay_restart how)
{
    struct belay_child_spec spec;
    struct belay_error error;
    int rc;

    toy_init(&toys[i], &k, (const char[]){(char)('a' + (int)i), '\0'});
    spec = toy_spec(&toys[i], how);
    if (i == 2)
        spec.id = NULL;
    rc = belay_supervisor_start_child(k.supervisor, &spec, told, &starts[i], NULL, &error);
    accept(&starts[i], rc);
    if (rc < 0)
        assert_int_equal(error.code, BELAY_ENOMEM);
    kit_settle(&k);
}

static void start_branch(void)
{
    struct belay_supervisor_options o = belay_supervisor_options_init();
    struct belay_child_spec specs[2], spec;

    o.name = "low";
    for (int i = 0; i < 2; i++) {
        toy_init(&toys[4 + i], &k, (const char *[]){"e", "f"}[i]);
        specs[i] = toy_spec(&toys[4 + i], BELAY_RESTART_DEFAULT);
    }
    assert_int_equal(belay_supervisor_child_spec(&o, specs, 2, &spec, NULL), 0);
    spec.id = "low";
    accept(&starts[4],
           belay_supervisor_start_child(k.supervisor, &spec, told, &starts[4], NULL, NULL));
    kit_settle(&k);
}

static void life(enum belay_strategy strategy)
{
    struct belay_supervisor_options o = belay_supervisor_options_init();

    o.strategy = strategy;
    o.intensity = 10;
    o.name = "root";
    o.on_exit = on_exit_count;
    if (belay_supervisor_open(k.loop, &o, &k.supervisor, NULL) < 0)
        return;
    start(0, BELAY_RESTART_PERMANENT);
    start(1, BELAY_RESTART_TRANSIENT);
    start(2, BELAY_RESTART_TEMPORARY);
    start_branch();
    for (int i = 0; i < 6; i++) {
        if (toys[i].child)
            toy_ends(&toys[i], BELAY_EXIT_ERROR);
    }
    accept(&stop, belay_supervisor_stop_child(k.supervisor, "a", told, &stop));
    kit_settle(&k);
    accept(&restart, belay_supervisor_restart_child(k.supervisor, "a", told, &restart));
    kit_settle(&k);
    belay_supervisor_close(k.supervisor, on_closed_count, NULL);
    kit_settle(&k);
    assert_int_equal(exits, 1);
    assert_int_equal(closes, 1);
}

static void check(void)
{
    for (int i = 0; i < 6; i++) {
        assert_null(toys[i].child);
        assert_int_equal(toys[i].frees_n, toys[i].kit ? 1 : 0);
        assert_int_equal(starts[i].told, starts[i].asked);
    }
    assert_int_equal(stop.told, stop.asked);
    assert_int_equal(restart.told, restart.asked);
}

static size_t sweep(enum belay_strategy strategy)
{
    for (size_t n = 1;; n++) {
        bool failed;

        memset(toys, 0, sizeof toys);
        memset(starts, 0, sizeof starts);
        memset(&stop, 0, sizeof stop);
        memset(&restart, 0, sizeof restart);
        exits = closes = 0;
        if (!kit_begin_failing(&k, n))
            continue;
        life(strategy);
        failed = failing_alloc_failures(&k.alloc) > 0;
        kit_end(&k);
        check();
        if (!failed)
            return n;
    }
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    for (int strategy = BELAY_ONE_FOR_ONE; strategy <= BELAY_DYNAMIC; strategy++)
        assert_in_range(sweep((enum belay_strategy)strategy), 30, 200);
}

/* ---- from some allocation on, all ---- */

static void without_any_memory_left_it_still_ends(void **state)
{
    (void)state;
    kit_begin(&k);
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toys_start(toys, &k, "abc");
    failing_alloc_from(&k.alloc, 1);
    toy_ends(&toys[1], BELAY_EXIT_ERROR); /* its error is told by its code alone */
    assert_journal(&k, "start b");
    assert_string_equal(k.log, "supervisor: b has ended: the connection was reset\n");
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", kit_told, &k), BELAY_ENOMEM);
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", NULL, NULL), 0);
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    kit_settle(&k);
    assert_journal(&k, "stop a, stop c, stop b, free c, free b, free a, exit shutdown, closed");
    kit_end(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(without_any_memory_left_it_still_ends),
    };

    return cmocka_run_group_tests_name("supervisor_memory", tests, NULL, NULL);
}
