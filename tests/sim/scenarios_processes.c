/* SPDX-License-Identifier: MIT */
/* Processes: what becomes of their messages, calls, backoffs, ties and names. */
#include <stdio.h>

#include "base/error.h"
#include "sim/scenarios.h"

enum { TAG_HELLO = 1, TAG_LATER, TAG_POSTPONE, TAG_CONNECT, TAG_DISCONNECT, TAG_STOP, TAG_SLEEP };

#define PROCESSES 3
#define CALLS     8

/* All that the processes of a scenario did. It outlives its scenario: the end is told, too. */
static struct story {
    struct sim_rig *rig;
    struct belay_process *p[PROCESSES];
    int n;
    int connects, disconnects, handled, timeouts, exits, downs, destroyed, hibernated;
    int replies, refused, code, ended, told, waited, changed;
    bool fails; /* connect backs off */
    bool pends; /* connect is pending */
    struct belay_from from[CALLS];
    int from_n;
} story;

static void destroy(void *value)
{
    (void)value;
    story.destroyed++;
}

static struct belay_message message(int32_t tag)
{
    return belay_message(tag, &story, destroy);
}

static struct belay_directive init(struct belay_process *p, void *args)
{
    (void)p;
    return args ? belay_do_connect(message(0)) : belay_do_ok();
}

static struct belay_directive connect(struct belay_process *p, struct belay_message *info,
                                      void *state)
{
    (void)info, (void)state;
    story.connects++;
    if (story.pends)
        return belay_do_pending();
    return story.fails ? belay_do_backoff(belay_process_next_backoff(p)) : belay_do_ok();
}

static struct belay_directive disconnect(struct belay_process *p, struct belay_message *info,
                                         void *state)
{
    (void)p, (void)info, (void)state;
    story.disconnects++;
    return belay_do_noconnect();
}

static struct belay_directive handle(struct belay_process *p, const struct belay_message *m)
{
    story.handled++;
    switch (m->tag) {
    case TAG_CONNECT:
        return belay_do_connect(message(0));
    case TAG_DISCONNECT:
        return belay_do_disconnect(message(0));
    case TAG_STOP:
        return belay_do_stop(p, BELAY_EXIT_ERROR, NULL);
    case TAG_SLEEP:
        return belay_with_hibernate(belay_with_timeout(belay_do_noreply(), 500));
    case TAG_POSTPONE:
        if (belay_process_get_connection_state(p) != BELAY_PROCESS_CONNECTED)
            return belay_do_postpone();
        return belay_do_noreply();
    default:
        return belay_do_noreply();
    }
}

static struct belay_directive handle_call(struct belay_process *p, struct belay_message *m,
                                          struct belay_from from, void *state)
{
    (void)state;
    if (m->tag == TAG_HELLO)
        return belay_do_reply(message(0));
    if (m->tag == TAG_DISCONNECT)
        return belay_with_reply(handle(p, m), message(0));
    story.from[story.from_n++ % CALLS] = from;
    return handle(p, m);
}

static struct belay_directive handle_cast(struct belay_process *p, struct belay_message *m,
                                          void *state)
{
    (void)state;
    return handle(p, m);
}

static struct belay_directive handle_info(struct belay_process *p, struct belay_message *m,
                                          void *state)
{
    (void)state;
    story.timeouts += m->tag == BELAY_TAG_TIMEOUT;
    story.exits += m->tag == BELAY_TAG_EXIT;
    story.downs += m->tag == BELAY_TAG_DOWN;
    return m->tag < 0 ? belay_do_noreply() : handle(p, m);
}

static int code_change(struct belay_process *p, const struct belay_behaviour *former, void *extra,
                       void *state)
{
    (void)p, (void)former, (void)extra, (void)state;
    story.changed++;
    return 0;
}

static void hibernate(struct belay_process *p, void *state)
{
    (void)p, (void)state;
    story.hibernated++;
}

static void format_status(struct belay_process *p, bool ending, char *out, size_t size, void *state)
{
    (void)p, (void)ending, (void)state;
    snprintf(out, size, "well");
}

static const struct belay_behaviour behaviour = {
    .size = sizeof behaviour,
    .name = "toy",
    .init = init,
    .connect = connect,
    .disconnect = disconnect,
    .handle_call = handle_call,
    .handle_cast = handle_cast,
    .handle_info = handle_info,
    .code_change = code_change,
    .format_status = format_status,
    .hibernate = hibernate,
};

static void on_exit_(struct belay_process *p, struct belay_exit why, void *arg)
{
    (void)p, (void)arg;
    story.ended++;
    story.code = why.error ? why.error->code : 0;
}

static void let_go(void *arg)
{
    (void)arg;
    for (int i = 0; i < story.n; i++) {
        belay_process_stop(story.p[i], BELAY_EXIT_NORMAL, NULL, BELAY_FOREVER, NULL, NULL);
        belay_process_unref(story.p[i]);
    }
    story.n = 0;
}

static void begin(struct sim_rig *rig)
{
    memset(&story, 0, sizeof story);
    story.rig = rig;
    sim_rig_later(rig, let_go, NULL);
}

static void on_started(struct belay_process *p, const struct belay_error *error, void *arg)
{
    (void)arg;
    story.told++;
    if (error)
        story.code = error->code;
    belay_process_unref(p);
}

static struct belay_process *start(void *args, struct belay_process_options *o)
{
    struct belay_process *p;

    o->on_exit = on_exit_;
    SIM_EXPECT(story.rig, belay_process_start(story.rig->w->loop, &behaviour, args, o, &p,
                                              on_started, NULL, NULL) == 0);
    story.p[story.n++] = p;
    return p;
}

#define START(args, ...)                                                                           \
    start(args, &(struct belay_process_options){BELAY_SIZED(belay_process_options), __VA_ARGS__})

static void on_reply(struct belay_message *reply, const struct belay_error *error, void *arg)
{
    (void)arg;
    story.replies += reply != NULL;
    story.refused += error != NULL;
    if (error)
        story.code = error->code;
}

static void call(struct belay_process *p, int32_t tag, int64_t timeout_ms)
{
    struct belay_message m = message(tag);
    int r = belay_process_call(p, m, timeout_ms, NULL, on_reply, NULL);

    if (r < 0)
        belay_message_destroy(&m);
    SIM_EXPECT(story.rig, r == 0);
}

static void cast(struct belay_process *p, int32_t tag)
{
    struct belay_message m = message(tag);
    int r = belay_process_cast(p, m);

    if (r < 0)
        belay_message_destroy(&m);
    SIM_EXPECT(story.rig, r == 0);
}

static enum belay_process_state state_of(const struct belay_process *p)
{
    return belay_process_get_connection_state(p);
}

static void on_state(int result, void *arg)
{
    (void)arg;
    story.waited += result == 0;
    story.refused += result != 0;
}

/* ---- */

static void process_backs_off_and_connects_while_it_serves_calls(struct sim_rig *rig)
{
    struct belay_process *p;

    begin(rig);
    story.fails = true;
    p = START(rig, .debug = true);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, story.told == 1 && state_of(p) == BELAY_PROCESS_BACKING_OFF);
    SIM_EXPECT(rig,
               belay_process_wait_until(p, BELAY_PROCESS_CONNECTED, 60000, on_state, NULL) == 0);
    for (int i = 0; i < 5; i++) {
        call(p, TAG_HELLO, 0);
        sim_run_ms(rig->w, 200);
    }
    SIM_EXPECT(rig, story.replies == 5 && story.connects >= 3 && story.waited == 0);
    story.fails = false;
    sim_run_ms(rig->w, 10000);
    SIM_EXPECT(rig, state_of(p) == BELAY_PROCESS_CONNECTED && story.waited == 1);
}

static void what_is_postponed_comes_again_after_the_connect(struct sim_rig *rig)
{
    struct belay_process *p;

    begin(rig);
    p = START(NULL, .trap_exit = true);
    call(p, TAG_POSTPONE, 5000);
    cast(p, TAG_POSTPONE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, story.handled == 2 && story.connects == 0);
    cast(p, TAG_CONNECT);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, story.handled == 5 && state_of(p) == BELAY_PROCESS_CONNECTED);
    sim_run_ms(rig->w, 6000);
    SIM_EXPECT(rig, story.refused == 1 && story.code == BELAY_ETIMEDOUT);
}

static void call_is_answered_once_by_whoever_has_its_from(struct sim_rig *rig)
{
    struct belay_process *p;
    struct belay_call *waits;
    struct belay_message m = message(TAG_LATER), reply;
    int r;

    begin(rig);
    p = START(NULL, .trap_exit = false);
    call(p, TAG_LATER, 5000);
    r = belay_process_call(p, m, 5000, &waits, on_reply, NULL);
    if (r < 0)
        belay_message_destroy(&m);
    SIM_EXPECT(rig, r == 0);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, story.from_n == 2 && belay_from_waits(story.from[0]));
    belay_call_cancel(waits);
    SIM_EXPECT(rig, belay_from_reply(story.from[1], message(0)) == BELAY_ESTALE);
    SIM_EXPECT(rig, belay_from_reply(story.from[0], message(0)) == 0);
    SIM_EXPECT(rig, belay_from_reply(story.from[0], message(0)) == BELAY_ESTALE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, story.replies == 1);
    m = message(TAG_HELLO);
    SIM_EXPECT(rig, belay_process_call_wait(p, m, 1000, &reply, NULL) == 0);
    belay_message_destroy(&reply);
    call(p, TAG_STOP, 5000);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, story.refused == 1 && story.ended == 1);
    SIM_EXPECT(rig, story.destroyed == 8);
}

static void full_mailbox_drops_its_oldest_message(struct sim_rig *rig)
{
    struct belay_process *p;

    begin(rig);
    story.pends = true;
    p = START(rig, .mailbox_max = 2, .mailbox_full = BELAY_MAILBOX_DROP_OLDEST);
    sim_run_ms(rig->w, 10);
    call(p, TAG_HELLO, 5000);
    for (int i = 0; i < 4; i++)
        cast(p, TAG_HELLO);
    SIM_EXPECT(rig, story.destroyed >= 3 && story.handled == 0);
    SIM_EXPECT(rig, belay_process_resume(p, belay_do_ok()) == 0);
    SIM_EXPECT(rig, belay_process_resume(p, belay_do_ok()) == BELAY_EINVAL);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, story.replies == 1 && story.handled == 1);
}

static void process_sleeps_wakes_and_changes_its_code(struct sim_rig *rig)
{
    struct belay_process *p;
    char text[200];

    begin(rig);
    p = START(NULL, .name = "sleeper");
    cast(p, TAG_SLEEP);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, story.hibernated == 1 && story.timeouts == 0);
    SIM_EXPECT(rig, belay_process_change_code(p, &behaviour, NULL, on_state, NULL) == 0);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, story.timeouts == 1 && story.changed == 1 && story.waited == 1);
    SIM_EXPECT(rig, belay_process_status(p, text, sizeof text) > 0 && strstr(text, "well"));
    SIM_EXPECT(rig, belay_process_whereis(rig->w->loop, NULL, "sleeper") == p);
    SIM_EXPECT(rig, belay_process_stop_wait(p, BELAY_EXIT_SHUTDOWN, 1000) == 0);
    SIM_EXPECT(rig, belay_process_whereis(rig->w->loop, NULL, "sleeper") == NULL);
}

static void on_down(struct belay_process *process, struct belay_exit why, void *arg)
{
    (void)process, (void)why, (void)arg;
    story.waited++;
}

static void those_who_are_tied_to_a_process_hear_of_its_end(struct sim_rig *rig)
{
    struct belay_process *a, *b, *c;

    begin(rig);
    a = START(NULL, .name = "a");
    b = START(NULL, .name = "b");
    c = START(NULL, .name = "c", .trap_exit = true);
    SIM_EXPECT(rig, belay_process_link(a, b) == 0 && belay_process_link(a, c) == 0);
    SIM_EXPECT(rig, belay_process_monitor(b, on_down, NULL, NULL) == 0);
    SIM_EXPECT(rig, belay_process_monitor_by(b, c, NULL) == 0);
    SIM_EXPECT(rig,
               belay_process_wait_until(b, BELAY_PROCESS_CONNECTED, 5000, on_state, NULL) == 0);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, belay_process_exit(a, (struct belay_exit){BELAY_EXIT_ERROR, NULL}) == 0);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, story.ended == 2 && story.exits == 1 && story.downs == 1);
    SIM_EXPECT(rig, story.waited == 1 && story.refused == 1 && belay_process_is_alive(c));
}

static void process_that_does_not_come_to_start_is_ended(struct sim_rig *rig)
{
    begin(rig);
    story.pends = true;
    START(rig, .sync_connect = true, .start_timeout_ms = 300);
    sim_run_ms(rig->w, 200);
    SIM_EXPECT(rig, story.told == 0);
    sim_run_ms(rig->w, 200);
    SIM_EXPECT(rig, story.told == 1 && story.code == BELAY_ETIMEDOUT && story.ended == 1);
}

static void call_replies_before_the_disconnect_it_asks_for(struct sim_rig *rig)
{
    struct belay_process *p;

    begin(rig);
    p = START(rig, .serve_while_connecting = true);
    sim_run_ms(rig->w, 10);
    call(p, TAG_DISCONNECT, 5000);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, story.replies == 1 && story.disconnects == 1);
    SIM_EXPECT(rig, state_of(p) == BELAY_PROCESS_DISCONNECTED);
    story.pends = true;
    cast(p, TAG_CONNECT);
    cast(p, TAG_DISCONNECT); /* the connect is given up */
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, story.disconnects == 2);
    SIM_EXPECT(rig, belay_process_resume(p, belay_do_ok()) == BELAY_EINVAL);
}

const struct sim_scenario sim_process_scenarios[] = {
    SIM_SCENARIO(process_backs_off_and_connects_while_it_serves_calls),
    SIM_SCENARIO(what_is_postponed_comes_again_after_the_connect),
    SIM_SCENARIO(call_is_answered_once_by_whoever_has_its_from),
    SIM_SCENARIO(full_mailbox_drops_its_oldest_message),
    SIM_SCENARIO(process_sleeps_wakes_and_changes_its_code),
    SIM_SCENARIO(those_who_are_tied_to_a_process_hear_of_its_end),
    SIM_SCENARIO(process_that_does_not_come_to_start_is_ended),
    SIM_SCENARIO(call_replies_before_the_disconnect_it_asks_for),
    {0},
};
