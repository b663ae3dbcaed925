/* SPDX-License-Identifier: MIT */
/* One behaviour source does the same on the loop and on a thread of its own. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "belay/process.h"
#include "support/failing_alloc.h"
#include "support/test.h"

/* What it is told by casts and asked by calls. */
enum { NOTHING, ECHO, LATER, ANSWER, CONNECT, DISCONNECT, WAIT, POSTPONE, ODD, LAST };

struct machine {
    int32_t failures; /* of connect, before it works */
    bool pends;       /* connect takes its time */
    bool up;
    struct belay_from later;
    struct belay_process *process;
    char log[2048];
};

static atomic_uint made, destroyed;

static void destroy(void *value)
{
    atomic_fetch_add(&destroyed, 1);
    free(value);
}

static struct belay_message counted(int32_t tag)
{
    atomic_fetch_add(&made, 1);
    return belay_message(tag, malloc(1), destroy);
}

static void note(struct machine *m, const char *word, int32_t tag)
{
    size_t len = strlen(m->log);

    snprintf(m->log + len, sizeof m->log - len, "%s:%d ", word, (int)tag);
}

/* ---- the behaviour ---- */

static struct belay_directive init(struct belay_process *process, void *args)
{
    struct machine *m = args;

    m->process = process;
    note(m, "init", 0);
    return belay_do_connect(counted(CONNECT));
}

static struct belay_directive on_connect(struct belay_process *process, struct belay_message *info,
                                         void *state)
{
    struct machine *m = state;

    note(m, "connect", info->tag);
    if (m->failures > 0) {
        struct belay_error error;

        m->failures--;
        bl_error_set(&error, BELAY_ECONNECT, BELAY_STAGE_CONNECT, "refused");
        belay_process_connect_failed(process, &error);
        note(m, "attempts", belay_process_attempts(process));
        return belay_do_backoff(1);
    }
    if (m->pends) {
        m->pends = false;
        assert_int_equal(belay_process_resume(process, belay_do_ok()), 0);
        return belay_do_pending();
    }
    m->up = true;
    return belay_do_ok();
}

static struct belay_directive on_disconnect(struct belay_process *process,
                                            struct belay_message *info, void *state)
{
    struct machine *m = state;

    (void)process;
    note(m, "disconnect", info->tag);
    m->up = false;
    return belay_do_noconnect();
}

static struct belay_directive on_call(struct belay_process *process, struct belay_message *message,
                                      struct belay_from from, void *state)
{
    struct machine *m = state;

    (void)process;
    note(m, "call", message->tag);
    switch (message->tag) {
    case LATER:
        m->later = from;
        return belay_do_noreply();
    case CONNECT:
        return belay_with_reply(belay_do_connect(belay_message_take(message)), counted(1));
    case DISCONNECT:
        return belay_with_reply(belay_do_disconnect(belay_message_take(message)), counted(2));
    case POSTPONE:
        return m->up ? belay_do_reply(counted(3)) : belay_do_postpone();
    case ODD:
        return belay_do_noconnect(); /* which makes no sense here */
    case LAST:
        return belay_with_reply(belay_do_stop(process, BELAY_EXIT_NORMAL, NULL), counted(4));
    default:
        return belay_do_reply(belay_message_take(message));
    }
}

static struct belay_directive on_cast(struct belay_process *process, struct belay_message *message,
                                      void *state)
{
    struct machine *m = state;

    (void)process;
    note(m, "cast", message->tag);
    switch (message->tag) {
    case ANSWER:
        note(m, "replied", belay_from_reply(m->later, counted(9)));
        note(m, "again", belay_from_reply(m->later, counted(9)));
        return belay_do_noreply();
    case WAIT:
        return belay_with_timeout(belay_do_noreply(), 1);
    case CONNECT:
        return belay_do_connect(belay_message_take(message));
    default:
        return belay_with_hibernate(belay_do_noreply());
    }
}

static struct belay_directive on_info(struct belay_process *process, struct belay_message *message,
                                      void *state)
{
    struct machine *m = state;

    note(m, "info", message->tag);
    if (message->tag == BELAY_TAG_TIMEOUT) {
        struct belay_from from = m->later;

        note(m, "woken", belay_from_waits(from));
        belay_from_reply(from, counted(8));
    }
    (void)process;
    return belay_do_noreply();
}

static void terminate(struct belay_process *process, struct belay_exit why, void *state)
{
    (void)process;
    note(state, belay_exit_name(why.kind), why.error ? why.error->code : 0);
}

static void hibernate(struct belay_process *process, void *state)
{
    (void)process;
    (void)state;
}

static const struct belay_behaviour machine = {
    BELAY_SIZED(belay_behaviour), .name = "machine",           .init = init,
    .connect = on_connect,        .disconnect = on_disconnect, .handle_call = on_call,
    .handle_cast = on_cast,       .handle_info = on_info,      .terminate = terminate,
    .hibernate = hibernate,
};

/* ---- running it, on either ---- */

struct run {
    struct belay_loop *loop;
    struct belay_process *process;
    struct machine m;
    char said[512]; /* replies, states */
};

static void say(struct run *r, const char *what, int value)
{
    size_t len = strlen(r->said);

    snprintf(r->said + len, sizeof r->said - len, "%s:%d ", what, value);
}

static void ask(struct run *r, int32_t tag)
{
    struct belay_message reply;
    int rc = belay_process_call_wait(r->process, counted(tag), 10000, &reply, NULL);

    say(r, "reply", rc ? rc : reply.tag);
    if (rc == 0)
        belay_message_destroy(&reply);
}

static void await(struct run *r, enum belay_process_state state)
{
    say(r, belay_process_state_name(state),
        belay_process_wait_until_wait(r->process, state, 10000));
}

static void cast(struct run *r, int32_t tag)
{
    assert_int_equal(belay_process_cast(r->process, counted(tag)), 0);
}

static void on_reply(struct belay_message *reply, const struct belay_error *error, void *arg)
{
    struct run *r = arg;

    say(r, "told", error ? error->code : reply->tag);
}

static void ask_later(struct run *r)
{
    assert_int_equal(belay_process_call(r->process, counted(LATER), 10000, NULL, on_reply, r), 0);
}

typedef void scenario_fn(struct run *r);

static void run_on(struct run *r, bool own_thread, scenario_fn *scenario, int32_t failures,
                   bool pends)
{
    struct belay_process_options o = belay_process_options_init();
    struct failing_alloc alloc;
    struct belay_world world = {BELAY_SIZED(belay_world)};
    struct belay_loop_options lo = belay_loop_options_init();

    memset(r, 0, sizeof *r);
    failing_alloc_init(&alloc);
    world.allocator = &alloc.allocator;
    lo.world = &world;
    assert_int_equal(belay_loop_new(&lo, &r->loop, NULL), 0);
    r->m.failures = failures;
    r->m.pends = pends;
    o.own_thread = own_thread;
    assert_int_equal(belay_process_start_wait(r->loop, &machine, &r->m, &o, &r->process, NULL), 0);
    scenario(r);
    belay_process_unref(r->process);
    belay_loop_free(r->loop);
    assert_int_equal(failing_alloc_live(&alloc), 0);
    assert_int_equal(atomic_load(&made), atomic_load(&destroyed));
}

static void same(scenario_fn *scenario, int32_t failures, bool pends)
{
    static struct run loop, thread;

    run_on(&loop, false, scenario, failures, pends);
    run_on(&thread, true, scenario, failures, pends);
    assert_true(strlen(loop.m.log) > 0);
    assert_string_equal(loop.m.log, thread.m.log);
    assert_string_equal(loop.said, thread.said);
}

/* ---- scenarios ---- */

static void talk(struct run *r)
{
    await(r, BELAY_PROCESS_CONNECTED);
    ask(r, ECHO);
    ask(r, DISCONNECT);
    await(r, BELAY_PROCESS_DISCONNECTED);
    ask(r, CONNECT);
    await(r, BELAY_PROCESS_CONNECTED);
    cast(r, NOTHING);
    assert_int_equal(belay_process_send(r->process, counted(5)), 0);
    ask(r, ECHO);
    ask(r, LAST);
    await(r, BELAY_PROCESS_ENDED);
    ask(r, ECHO);
}

static void it_talks(void **state)
{
    (void)state;
    same(talk, 0, false);
}

static void connecting_fails_and_backs_off(void **state)
{
    (void)state;
    same(talk, 3, false);
}

static void connect_takes_its_time(void **state)
{
    (void)state;
    same(talk, 0, true);
}

static void answer_later(struct run *r)
{
    await(r, BELAY_PROCESS_CONNECTED);
    ask_later(r);
    cast(r, ANSWER);
    ask(r, ECHO);
    ask_later(r);
    cast(r, WAIT); /* answered when nothing comes for a while */
    while (!strstr(r->said, "told:8"))
        assert_int_equal(belay_loop_turn(r->loop, 10), 0);
    belay_process_stop_wait(r->process, BELAY_EXIT_SHUTDOWN, BELAY_FOREVER);
}

static void replies_come_later(void **state)
{
    (void)state;
    same(answer_later, 0, false);
}

static void postpone(struct run *r)
{
    await(r, BELAY_PROCESS_CONNECTED);
    ask(r, DISCONNECT);
    await(r, BELAY_PROCESS_DISCONNECTED);
    assert_int_equal(belay_process_call(r->process, counted(POSTPONE), 10000, NULL, on_reply, r),
                     0);
    cast(r, CONNECT);
    while (!strstr(r->said, "told:3"))
        assert_int_equal(belay_loop_turn(r->loop, 10), 0);
}

static void what_is_postponed_comes_again(void **state)
{
    (void)state;
    same(postpone, 0, false);
}

static void make_no_sense(struct run *r)
{
    await(r, BELAY_PROCESS_CONNECTED);
    ask(r, ODD);
    await(r, BELAY_PROCESS_ENDED);
}

static void a_directive_that_makes_no_sense_ends_it(void **state)
{
    (void)state;
    same(make_no_sense, 0, false);
}

static void close_loop(struct run *r)
{
    await(r, BELAY_PROCESS_CONNECTED);
    ask_later(r);
    cast(r, NOTHING);
    ask(r, ECHO);
    /* and the loop is freed: the call that waits is told so */
}

static void the_end_of_the_loop_terminates_it(void **state)
{
    (void)state;
    same(close_loop, 0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_talks),
        cmocka_unit_test(connecting_fails_and_backs_off),
        cmocka_unit_test(connect_takes_its_time),
        cmocka_unit_test(replies_come_later),
        cmocka_unit_test(what_is_postponed_comes_again),
        cmocka_unit_test(a_directive_that_makes_no_sense_ends_it),
        cmocka_unit_test(the_end_of_the_loop_terminates_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
