/* SPDX-License-Identifier: MIT */
/* Processes on threads of their own under a supervisor, on a loop of this world. */
#include <semaphore.h>
#include <stdatomic.h>

#include "belay/process.h"
#include "belay/supervisor.h"
#include "support/test.h"

#define CROWD 16

static struct belay_loop *loop;
static struct belay_supervisor *supervisor;
static struct belay_process *last;
static atomic_int inits, terminates;
static unsigned ups, exits;
static enum belay_exit_kind exit_kind;
static sem_t stuck, released;

static struct belay_directive on_init(struct belay_process *process, void *args)
{
    (void)process;
    (void)args;
    atomic_fetch_add(&inits, 1);
    return belay_do_ok();
}

static struct belay_directive on_cast(struct belay_process *process, struct belay_message *message,
                                      void *state)
{
    struct belay_error error = {.code = BELAY_EPROTO, .text = "nonsense came"};

    (void)state;
    if (message->tag == 1) { /* not to be stopped */
        sem_post(&stuck);
        sem_wait(&released);
    }
    return message->tag == 2 ? belay_do_stop(process, BELAY_EXIT_ERROR, &error)
                             : belay_do_noreply();
}

static void on_terminate(struct belay_process *process, struct belay_exit why, void *state)
{
    (void)process;
    (void)why;
    (void)state;
    atomic_fetch_add(&terminates, 1);
}

static const struct belay_behaviour behaviour = {
    .size = sizeof behaviour,
    .name = "worker",
    .init = on_init,
    .handle_cast = on_cast,
    .terminate = on_terminate,
};

static void on_process_exit(struct belay_process *process, struct belay_exit why, void *arg)
{
    (void)process;
    (void)arg;
    exits++;
    exit_kind = why.kind;
    if (why.kind == BELAY_EXIT_KILLED)
        sem_post(&released); /* its thread may go now: the loop waits for it */
}

static void on_started(const char *id, const struct belay_error *error, void *arg)
{
    struct belay_child_info info = belay_child_info_init();

    (void)arg;
    ups++;
    if (error) { /* it was in the middle of starting when all ended */
        assert_true(belay_supervisor_is_closed(supervisor));
        return;
    }
    assert_true(belay_supervisor_find_child(supervisor, id, &info));
    last = info.object;
}

static void start(int64_t shutdown_ms)
{
    struct belay_process_options o = belay_process_options_init();
    struct belay_child_spec spec;

    o.own_thread = true;
    o.on_exit = on_process_exit;
    assert_int_equal(belay_process_child_spec(&behaviour, NULL, NULL, NULL, &o, &spec, NULL), 0);
    spec.shutdown_ms = shutdown_ms;
    assert_int_equal(belay_supervisor_start_child(supervisor, &spec, on_started, NULL, NULL, NULL),
                     0);
}

static void turn_until(const unsigned *count, unsigned n)
{
    while (*count < n)
        assert_int_equal(belay_loop_turn(loop, BELAY_FOREVER), 0);
}

static void open_supervisor(enum belay_strategy strategy)
{
    struct belay_supervisor_options o = belay_supervisor_options_init();

    o.strategy = strategy;
    o.intensity = 100;
    assert_int_equal(belay_supervisor_open(loop, &o, &supervisor, NULL), 0);
}

static int set_up(void **state)
{
    (void)state;
    ups = exits = 0;
    atomic_store(&inits, 0);
    atomic_store(&terminates, 0);
    assert_int_equal(sem_init(&stuck, 0, 0), 0);
    assert_int_equal(sem_init(&released, 0, 0), 0);
    assert_int_equal(belay_loop_new(NULL, &loop, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sem_destroy(&stuck);
    sem_destroy(&released);
    return 0;
}

static void a_crowd_starts_and_ends_with_the_loop(void **state)
{
    (void)state;
    open_supervisor(BELAY_DYNAMIC);
    for (int i = 0; i < CROWD; i++)
        start(0);
    turn_until(&ups, CROWD);
    belay_loop_free(loop);
    assert_int_equal(exits, CROWD);
    assert_int_equal(exit_kind, BELAY_EXIT_SHUTDOWN);
    assert_int_equal(atomic_load(&inits), CROWD);
    assert_int_equal(atomic_load(&terminates), CROWD);
}

static void the_loop_ends_while_threads_start(void **state)
{
    (void)state;
    open_supervisor(BELAY_DYNAMIC);
    for (int i = 0; i < CROWD; i++)
        start(0);
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    belay_loop_free(loop);
    assert_int_equal(ups, CROWD);
    assert_int_equal(exits, CROWD);
}

static void one_that_dies_is_started_again(void **state)
{
    struct belay_child_info info = belay_child_info_init();

    (void)state;
    open_supervisor(BELAY_ONE_FOR_ONE);
    start(0);
    turn_until(&ups, 1);
    assert_int_equal(belay_process_cast(last, belay_message_tag(2)), 0);
    turn_until(&exits, 1);
    assert_int_equal(exit_kind, BELAY_EXIT_ERROR);
    do {
        assert_int_equal(belay_loop_turn(loop, 10), 0);
        assert_true(belay_supervisor_get_child(supervisor, 0, &info));
    } while (info.state != BELAY_CHILD_RUNNING || info.restarts == 0);
    assert_int_equal(info.restarts, 1);
    belay_loop_free(loop);
    assert_int_equal(exits, 2);
    assert_int_equal(atomic_load(&inits), 2);
}

static void one_that_does_not_come_back_is_killed_and_its_thread_waited_for(void **state)
{
    (void)state;
    open_supervisor(BELAY_ONE_FOR_ONE);
    start(20);
    turn_until(&ups, 1);
    assert_int_equal(belay_process_cast(last, belay_message_tag(1)), 0);
    sem_wait(&stuck);
    belay_loop_free(loop);
    assert_int_equal(exits, 1);
    assert_int_equal(exit_kind, BELAY_EXIT_KILLED);
    assert_int_equal(atomic_load(&terminates), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_crowd_starts_and_ends_with_the_loop),
        TEST(the_loop_ends_while_threads_start),
        TEST(one_that_dies_is_started_again),
        TEST(one_that_does_not_come_back_is_killed_and_its_thread_waited_for),
    };

    return cmocka_run_group_tests_name("supervisor_threads", tests, NULL, NULL);
}
