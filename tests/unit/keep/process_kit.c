/* SPDX-License-Identifier: MIT */
#include "unit/keep/process_kit.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the world ---- */

static unsigned made, destroyed;

static void on_log(enum belay_log_level level, const char *tag, const char *line, void *arg)
{
    static const char *const names[] = {"", "off", "error", "warn", "info", "debug"};
    struct process_kit *k = arg;
    size_t len = strlen(k->log);

    (void)tag;
    snprintf(k->log + len, sizeof k->log - len, "%s: %s\n", names[level], line);
}

void process_kit_begin(struct process_kit *k)
{
    struct belay_loop_options o = belay_loop_options_init();

    memset(k, 0, sizeof *k);
    made = destroyed = 0;
    failing_alloc_init(&k->alloc);
    fake_world_init(&k->world, &k->alloc.allocator);
    o.world = &k->world.world;
    o.on_log = on_log;
    o.log_arg = k;
    o.log_level = BELAY_LOG_INFO;
    assert_int_equal(belay_loop_new(&o, &k->loop, NULL), 0);
}

void process_kit_end(struct process_kit *k)
{
    belay_loop_free(k->loop);
    assert_int_equal(failing_alloc_live(&k->alloc), 0);
    assert_int_equal(destroyed, made);
}

void process_kit_settle(struct process_kit *k)
{
    fake_world_settle(&k->world);
}

void process_kit_pass(struct process_kit *k, int64_t ms)
{
    fake_world_pass(&k->world, ms);
}

/* ---- messages ---- */

static void destroy_counted(void *value)
{
    destroyed++;
    free(value); /* a second time is an error that sanitizers see */
}

struct belay_message counted(int32_t tag)
{
    made++;
    return belay_message(tag, malloc(1), destroy_counted);
}

unsigned counted_made(void)
{
    return made;
}

/* ---- the actor's behaviour ---- */

static const char *const words[] = {"init", "connect", "disconnect", "call", "cast", "info"};

static void note(struct actor *a, const char *word, const struct belay_message *message)
{
    size_t len = strlen(a->log);

    snprintf(a->log + len, sizeof a->log - len, message ? "%s%s:%d" : "%s%s", len ? " " : "", word,
             message ? (int)message->tag : 0);
}

static struct belay_directive default_of(enum bl_pr_callback callback,
                                         const struct belay_message *message)
{
    switch (callback) {
    case BL_PR_DISCONNECT:
        return belay_do_noconnect();
    case BL_PR_CALL:
        return belay_do_reply(belay_message_tag(message->tag));
    case BL_PR_CAST:
    case BL_PR_INFO:
        return belay_do_noreply();
    default:
        return belay_do_ok();
    }
}

static struct belay_directive act(struct actor *a, enum bl_pr_callback callback,
                                  struct belay_message *message)
{
    note(a, words[callback], message);
    if (a->during)
        a->during(a, callback, message);
    if (a->said_n[callback] < a->says_n[callback])
        return a->says[callback][a->said_n[callback]++];
    return default_of(callback, message);
}

static struct belay_directive on_init(struct belay_process *process, void *args)
{
    struct actor *a = args;

    a->process = a->process ? a->process : process;
    assert_ptr_equal(belay_process_get_state(process), args);
    return act(a, BL_PR_INIT, NULL);
}

static struct belay_directive on_connect(struct belay_process *process, struct belay_message *m,
                                         void *state)
{
    (void)process;
    return act(state, BL_PR_CONNECT, m);
}

static struct belay_directive on_disconnect(struct belay_process *process, struct belay_message *m,
                                            void *state)
{
    (void)process;
    return act(state, BL_PR_DISCONNECT, m);
}

static struct belay_directive on_call(struct belay_process *process, struct belay_message *m,
                                      struct belay_from from, void *state)
{
    struct actor *a = state;

    (void)process;
    a->froms[a->froms_n++ % ACTOR_SAYS_MAX] = from;
    return act(a, BL_PR_CALL, m);
}

static struct belay_directive on_cast(struct belay_process *process, struct belay_message *m,
                                      void *state)
{
    (void)process;
    return act(state, BL_PR_CAST, m);
}

static struct belay_directive on_info(struct belay_process *process, struct belay_message *m,
                                      void *state)
{
    (void)process;
    return act(state, BL_PR_INFO, m);
}

static void on_terminate(struct belay_process *process, struct belay_exit why, void *state)
{
    char word[32];

    (void)process;
    snprintf(word, sizeof word, "terminate(%s)", belay_exit_name(why.kind));
    note(state, word, NULL);
}

static void on_hibernate(struct belay_process *process, void *state)
{
    (void)process;
    note(state, "hibernate", NULL);
}

/* ---- the actor ---- */

static void on_exit_told(struct belay_process *process, struct belay_exit why, void *arg)
{
    struct actor *a = arg;

    assert_false(belay_process_is_alive(process));
    a->exited++;
    a->exit = why;
    if (why.error) {
        a->exit_error = *why.error;
        a->exit.error = &a->exit_error;
    }
}

void actor_init(struct actor *a, struct process_kit *k)
{
    memset(a, 0, sizeof *a);
    a->kit = k;
    a->behaviour = (struct belay_behaviour){
        .size = sizeof a->behaviour,
        .name = "actor",
        .init = on_init,
        .connect = on_connect,
        .disconnect = on_disconnect,
        .handle_call = on_call,
        .handle_cast = on_cast,
        .handle_info = on_info,
        .terminate = on_terminate,
        .hibernate = on_hibernate,
    };
    a->options = belay_process_options_init();
    a->options.on_exit = on_exit_told;
    a->options.exit_arg = a;
}

void actor_says(struct actor *a, enum bl_pr_callback callback, struct belay_directive directive)
{
    assert_true(a->says_n[callback] < ACTOR_SAYS_MAX);
    a->says[callback][a->says_n[callback]++] = directive;
}

static void on_started(struct belay_process *process, const struct belay_error *error, void *arg)
{
    struct actor *a = arg;

    a->started++;
    assert_true((process == NULL) == (error != NULL));
    if (error) {
        a->start_code = error->code;
        snprintf(a->start_text, sizeof a->start_text, "%s", error->text);
    }
    note(a, error ? "failed" : "started", NULL);
    belay_process_unref(process);
}

void actor_start(struct actor *a)
{
    assert_int_equal(belay_process_start(a->kit->loop, &a->behaviour, a, &a->options, &a->process,
                                         on_started, a, NULL),
                     0);
    assert_int_equal(a->started, 0);
}

void actor_begin(struct actor *a)
{
    actor_start(a);
    process_kit_settle(a->kit);
    assert_int_equal(a->started, 1);
    assert_int_equal(a->start_code, 0);
}

void actor_forget(struct actor *a)
{
    belay_process_unref(a->process);
    a->process = NULL;
}

void actor_saw_(struct actor *a, const char *expected, const char *file, int line)
{
    if (strcmp(a->log, expected) != 0) {
        print_error("expected: %s\n     saw: %s\n", expected, a->log);
        _fail(file, line);
    }
    a->log[0] = '\0';
}

void actor_is(const struct actor *a, enum belay_process_state state)
{
    assert_string_equal(belay_process_state_name(belay_process_get_connection_state(a->process)),
                        belay_process_state_name(state));
}

void actor_ended(const struct actor *a, enum belay_exit_kind kind, int code)
{
    actor_is(a, BELAY_PROCESS_ENDED);
    assert_int_equal(a->exited, 1);
    assert_int_equal(a->exit.kind, kind);
    assert_int_equal(a->exit.error ? a->exit.error->code : 0, code);
}

/* ---- talking to it ---- */

static void on_reply(struct belay_message *reply, const struct belay_error *error, void *arg)
{
    struct asked *asked = arg;

    assert_true((reply == NULL) == (error != NULL));
    asked->told++;
    asked->code = error ? error->code : 0;
    asked->tag = reply ? reply->tag : 0;
    if (error)
        snprintf(asked->text, sizeof asked->text, "%s", error->text);
}

void call(struct actor *a, int32_t tag, struct asked *asked)
{
    struct belay_message m = counted(tag);

    memset(asked, 0, sizeof *asked);
    asked->code = belay_process_call(a->process, m, 0, NULL, on_reply, asked);
    assert_int_equal(asked->code, 0);
}

void cast(struct actor *a, int32_t tag)
{
    assert_int_equal(belay_process_cast(a->process, counted(tag)), 0);
}

void info(struct actor *a, int32_t tag)
{
    assert_int_equal(belay_process_send(a->process, counted(tag)), 0);
}

int32_t ask(struct actor *a, int32_t tag)
{
    struct asked asked;

    call(a, tag, &asked);
    process_kit_settle(a->kit);
    assert_int_equal(asked.told, 1);
    assert_int_equal(asked.code, 0);
    return asked.tag;
}

struct belay_process_stats stats_of(const struct actor *a)
{
    struct belay_process_stats s = belay_process_stats_init();

    belay_process_get_stats(a->process, &s);
    return s;
}

struct belay_error error_of(int code, const char *text)
{
    struct belay_error error;

    bl_error_set(&error, code, BELAY_STAGE_NONE, "%s", text);
    return error;
}
