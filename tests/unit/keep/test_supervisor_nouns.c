/* SPDX-License-Identifier: MIT */
/* belay's own nouns under a supervisor: pools, links and processes, in virtual time. */
#include <stdio.h>
#include <string.h>

#include "belay/link.h"
#include "belay/pool.h"
#include "belay/registry.h"
#include "supervisor_kit.h"
#include "support/puppet.h"

static struct kit k;
static struct puppet wires; /* connections of pools and links */
static struct belay_endpoint *endpoint;
static struct belay_source *source;

/* ---- a behaviour ---- */

static struct belay_directive (*init_does)(struct belay_process *process);
static struct belay_process *born; /* the last one whose init ran */

static struct belay_directive on_init(struct belay_process *process, void *args)
{
    kit_note(&k, "init %s", (const char *)args);
    born = process;
    return init_does ? init_does(process) : belay_do_ok();
}

static void on_terminate(struct belay_process *process, struct belay_exit why, void *state)
{
    (void)process;
    kit_note(&k, "terminate %s %s", (const char *)state, belay_exit_name(why.kind));
}

static struct belay_directive on_cast(struct belay_process *process, struct belay_message *message,
                                      void *state)
{
    struct belay_error error = {.code = BELAY_EPROTO, .text = "nonsense came"};

    (void)state;
    return belay_do_stop(process, (enum belay_exit_kind)message->tag,
                         message->tag == BELAY_EXIT_ERROR ? &error : NULL);
}

static const struct belay_behaviour behaviour = {
    .size = sizeof behaviour,
    .name = "worker",
    .init = on_init,
    .terminate = on_terminate,
    .handle_cast = on_cast,
};

static struct belay_child_spec worker(const char *name)
{
    struct belay_process_options o = belay_process_options_init();
    struct belay_child_spec spec;

    o.name = name;
    assert_int_equal(
        belay_process_child_spec(&behaviour, (void *)(uintptr_t)name, NULL, NULL, &o, &spec, NULL),
        0);
    spec.id = name;
    return spec;
}

/* ---- a link and a pool ---- */

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    (void)link;
    (void)arg;
    if (event->type == BELAY_LINK_CONNECTED)
        kit_note(&k, "link up");
    if (event->type == BELAY_LINK_DISCONNECTED)
        kit_note(&k, "link down");
}

static struct belay_link *link;
static struct belay_pool *pool;

static void on_link(struct belay_link *it, void *arg)
{
    (void)arg;
    kit_note(&k, "link open");
    link = it;
}

static void on_pool(struct belay_pool *it, void *arg)
{
    (void)arg;
    kit_note(&k, "pool open");
    pool = it;
}

static struct belay_child_spec link_spec(const struct belay_backoff_options *backoff)
{
    struct belay_link_options o = belay_link_options_init();
    struct belay_child_spec spec;

    o.connector = wires.connector;
    o.on_event = on_event;
    o.backoff = backoff;
    assert_int_equal(belay_link_child_spec(source, &o, on_link, NULL, &spec, NULL), 0);
    return spec;
}

static struct belay_child_spec pool_spec(void)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_child_spec spec;

    o.connector = wires.connector;
    assert_int_equal(belay_pool_child_spec(&o, on_pool, NULL, &spec, NULL), 0);
    return spec;
}

static int start(struct belay_child_spec spec)
{
    return belay_supervisor_start_child(k.supervisor, &spec, kit_told, &k, NULL, NULL);
}

static void start_all(void)
{
    assert_int_equal(start(pool_spec()), 0);
    assert_int_equal(start(link_spec(NULL)), 0);
    assert_int_equal(start(worker("w")), 0);
    kit_settle(&k);
    k.journal[0] = '\0';
}

static int set_up(void **state)
{
    (void)state;
    kit_begin(&k);
    init_does = NULL;
    puppet_init(&wires);
    wires.capacity = 1;
    assert_int_equal(belay_endpoint_parse(k.loop, "tcp://a.test:1", &endpoint, NULL), 0);
    assert_int_equal(belay_source_list(k.loop, &endpoint, 1, BELAY_SOURCE_IN_ORDER, &source), 0);
    return 0;
}

static void let_go(void)
{
    belay_source_unref(source);
    belay_endpoint_unref(endpoint);
    source = NULL;
    endpoint = NULL;
}

static int tear_down(void **state)
{
    (void)state;
    let_go();
    kit_end(&k);
    return 0;
}

/* ---- all together ---- */

static void all_of_them_start_in_order_and_end_in_reverse(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    assert_int_equal(start(pool_spec()), 0);
    assert_int_equal(start(link_spec(NULL)), 0);
    assert_int_equal(start(worker("w")), 0);
    assert_journal(&k, "");
    kit_settle(&k);
    assert_journal(&k, "pool open, pool-1 ok, link open, link-2 ok, init w, w ok, link up");
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    kit_settle(&k);
    assert_journal(&k, "terminate w shutdown, link down, exit shutdown, closed");
    assert_int_equal(puppet_live(&wires), 0);
}

static void the_end_of_the_loop_does_the_same(void **state)
{
    struct belay_lease lease = {0};

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    start_all();
    assert_int_equal(belay_link_current(link, &lease), 0);
    let_go();
    kit_end(&k);
    assert_journal(&k, "terminate w shutdown, link down, exit shutdown");
    kit_begin(&k);
    assert_int_equal(belay_endpoint_parse(k.loop, "tcp://a.test:1", &endpoint, NULL), 0);
    assert_int_equal(belay_source_list(k.loop, &endpoint, 1, BELAY_SOURCE_IN_ORDER, &source), 0);
}

static void a_process_that_dies_takes_its_group_with_it(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ALL);
    start_all();
    assert_int_equal(belay_process_cast(born, belay_message_tag(BELAY_EXIT_ERROR)), 0);
    kit_settle(&k);
    assert_journal(&k, "terminate w error, link down, pool open, link open, init w, link up");
    assert_ptr_equal(belay_process_whereis(k.loop, NULL, "w"), born);
    assert_non_null(strstr(k.log, "supervisor: w has ended: nonsense came\n"));
}

static void a_link_that_is_closed_has_ended_normally(void **state)
{
    (void)state;
    kit_open(&k, BELAY_REST_FOR_ONE);
    start_all();
    belay_link_close(link, NULL, NULL);
    kit_settle(&k);
    assert_journal(&k, "link down, terminate w shutdown, link open, init w, link up");
}

static void a_link_that_gives_up_is_started_again_until_its_supervisor_does(void **state)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();

    (void)state;
    backoff.attempts_max = 1;
    backoff.delay_ms = 1000;
    backoff.jitter = BELAY_JITTER_NONE;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    wires.capacity = 0;
    wires.fail = BELAY_ECONNECT;
    assert_int_equal(start(link_spec(&backoff)), 0);
    kit_pass(&k, 10000);
    assert_journal(&k,
                   "link open, link-1 ok, @1000, link open, @2000, link open, @3000, link open, "
                   "@4000, exit error ERESTARTS");
}

/* ---- processes ---- */

static struct belay_directive ignores(struct belay_process *process)
{
    (void)process;
    return belay_do_ignore();
}

static struct belay_directive fails(struct belay_process *process)
{
    struct belay_error error = {.code = BELAY_EFILE, .text = "no such file"};

    return belay_do_stop(process, BELAY_EXIT_ERROR, &error);
}

static struct belay_directive waits(struct belay_process *process)
{
    (void)process;
    return belay_do_pending();
}

static void ways_of_init(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    init_does = ignores;
    assert_int_equal(start(worker("i")), 0);
    kit_settle(&k);
    assert_journal(&k, "init i, i EIGNORED");
    init_does = fails;
    assert_int_equal(start(worker("f")), 0);
    kit_settle(&k);
    assert_journal(&k, "init f, f EFILE");
    init_does = waits;
    assert_int_equal(start(worker("p")), 0);
    assert_int_equal(start(worker("q")), 0);
    kit_settle(&k);
    assert_journal(&k, "init p");
    init_does = NULL;
    assert_int_equal(belay_process_resume(born, belay_do_ok()), 0);
    kit_settle(&k);
    assert_journal(&k, "p ok, init q, q ok");
}

static void stopped_while_init_takes_its_time(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    init_does = waits;
    assert_int_equal(start(worker("p")), 0);
    kit_settle(&k);
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "p", kit_told, &k), 0);
    kit_settle(&k);
    assert_journal(&k, "init p, terminate p shutdown, p ECANCELLED, p ok");
    assert_null(belay_process_whereis(k.loop, NULL, "p"));
}

static void a_name_that_is_taken_is_a_start_that_fails(void **state)
{
    struct belay_child_spec spec = worker("w");

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    start_all();
    spec.id = "other";
    assert_int_equal(start(spec), 0);
    kit_settle(&k);
    assert_journal(&k, "other EEXISTS");
    assert_non_null(strstr(k.log, "supervisor: other did not start: the name w is taken"));
}

static void transient_ones_stay_away_when_they_are_done(void **state)
{
    struct belay_child_spec spec = worker("w");
    struct belay_child_info info = belay_child_info_init();

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    spec.restart = BELAY_RESTART_TRANSIENT;
    assert_int_equal(start(spec), 0);
    kit_settle(&k);
    for (int kind = BELAY_EXIT_ERROR; kind >= BELAY_EXIT_NORMAL; kind -= BELAY_EXIT_ERROR) {
        k.journal[0] = '\0';
        assert_int_equal(belay_process_cast(born, belay_message_tag(kind)), 0);
        kit_settle(&k);
        assert_journal(&k, kind == BELAY_EXIT_ERROR ? "terminate w error, init w"
                                                    : "terminate w normal");
    }
    assert_true(belay_supervisor_find_child(k.supervisor, "w", &info));
    assert_int_equal(info.state, BELAY_CHILD_STOPPED);
    assert_null(info.object);
}

static void the_object_is_the_process(void **state)
{
    struct belay_child_info info = belay_child_info_init();

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    start_all();
    assert_true(belay_supervisor_find_child(k.supervisor, "w", &info));
    assert_ptr_equal(info.object, born);
    assert_string_equal(info.noun, "process");
    assert_true(belay_supervisor_find_child(k.supervisor, "link-2", &info));
    assert_ptr_equal(info.object, link);
    assert_true(belay_supervisor_find_child(k.supervisor, "pool-1", &info));
    assert_ptr_equal(info.object, pool);
}

static void hundreds_of_processes_come_and_go(void **state)
{
    struct belay_supervisor_options o = kit_options(&k, BELAY_DYNAMIC);
    struct belay_supervisor_stats s = belay_supervisor_stats_init();

    (void)state;
    o.intensity = 10000;
    assert_int_equal(belay_supervisor_open(k.loop, &o, &k.supervisor, NULL), 0);
    k.quiet = true;
    for (int i = 0; i < 500; i++) {
        struct belay_child_spec spec;

        assert_int_equal(belay_process_child_spec(&behaviour, (void *)(uintptr_t) "x", NULL, NULL,
                                                  NULL, &spec, NULL),
                         0);
        assert_int_equal(start(spec), 0);
    }
    kit_settle(&k);
    for (int i = 0; i < 500; i++) {
        struct belay_child_info info = belay_child_info_init();

        assert_true(belay_supervisor_get_child(k.supervisor, (size_t)i, &info));
        assert_int_equal(
            belay_process_exit(info.object, (struct belay_exit){BELAY_EXIT_KILLED, NULL}), 0);
    }
    kit_settle(&k);
    belay_supervisor_get_stats(k.supervisor, &s);
    assert_int_equal(s.running, 500);
    assert_int_equal(s.restarts, 500);
}

/* ---- no memory ---- */

static void every_allocation_of_a_tree_fails_once(void **state)
{
    size_t n = 1;
    bool failed;

    (void)state;
    let_go();
    kit_end(&k);
    do {
        kit_begin(&k);
        k.quiet = true;
        puppet_init(&wires);
        wires.capacity = 1;
        assert_int_equal(belay_endpoint_parse(k.loop, "tcp://a.test:1", &endpoint, NULL), 0);
        assert_int_equal(belay_source_list(k.loop, &endpoint, 1, BELAY_SOURCE_IN_ORDER, &source),
                         0);
        kit_open(&k, BELAY_ONE_FOR_ALL);
        struct belay_child_spec l = link_spec(NULL);
        failing_alloc_once(&k.alloc, n++);
        start(pool_spec());
        start(l);
        start(worker("w"));
        kit_settle(&k);
        if (belay_process_whereis(k.loop, NULL, "w"))
            belay_process_cast(born, belay_message_tag(BELAY_EXIT_ERROR));
        kit_pass(&k, 15000);
        failed = failing_alloc_failures(&k.alloc) > 0;
        let_go();
        kit_end(&k);
    } while (failed);
    assert_in_range(n, 30, 500);
    kit_begin(&k);
    k.quiet = false;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_of_them_start_in_order_and_end_in_reverse),
        TEST(the_end_of_the_loop_does_the_same),
        TEST(a_process_that_dies_takes_its_group_with_it),
        TEST(a_link_that_is_closed_has_ended_normally),
        TEST(a_link_that_gives_up_is_started_again_until_its_supervisor_does),
        TEST(ways_of_init),
        TEST(stopped_while_init_takes_its_time),
        TEST(a_name_that_is_taken_is_a_start_that_fails),
        TEST(transient_ones_stay_away_when_they_are_done),
        TEST(the_object_is_the_process),
        TEST(hundreds_of_processes_come_and_go),
        TEST(every_allocation_of_a_tree_fails_once),
    };

    return cmocka_run_group_tests_name("supervisor_nouns", tests, NULL, NULL);
}
