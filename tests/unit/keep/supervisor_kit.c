/* SPDX-License-Identifier: MIT */
/* The journal and the toys. */
#include "supervisor_kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- the journal ---- */

static void append(struct kit *k, const char *text)
{
    size_t len = strlen(k->journal);

    assert_true(len + strlen(text) + 3 < sizeof k->journal);
    snprintf(k->journal + len, sizeof k->journal - len, "%s%s", len ? ", " : "", text);
}

void kit_note(struct kit *k, const char *format, ...)
{
    char text[256];
    va_list args;

    if (k->quiet)
        return;
    if (k->world.now_ns != k->noted_ns) {
        k->noted_ns = k->world.now_ns;
        snprintf(text, sizeof text, "@%llu",
                 (unsigned long long)((k->noted_ns - 1000000000u) / 1000000u));
        append(k, text);
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    append(k, text);
}

void assert_journal(struct kit *k, const char *want)
{
    assert_string_equal(k->journal, want);
    k->journal[0] = '\0';
}

static void on_log(enum belay_log_level level, const char *tag, const char *line, void *arg)
{
    struct kit *k = arg;
    size_t len = strlen(k->log);

    (void)tag;
    if (level <= BELAY_LOG_WARN)
        snprintf(k->log + len, sizeof k->log - len, "%s\n", line);
}

static int open_loop(struct kit *k)
{
    struct belay_loop_options o = belay_loop_options_init();

    fake_world_init(&k->world, &k->alloc.allocator);
    k->noted_ns = k->world.now_ns;
    o.world = &k->world.world;
    o.on_log = on_log;
    o.log_arg = k;
    o.log_level = BELAY_LOG_DEBUG;
    return belay_loop_new(&o, &k->loop, NULL);
}

void kit_begin(struct kit *k)
{
    memset(k, 0, sizeof *k);
    failing_alloc_init(&k->alloc);
    assert_int_equal(open_loop(k), 0);
}

bool kit_begin_failing(struct kit *k, size_t n)
{
    int rc;

    memset(k, 0, sizeof *k);
    k->quiet = true;
    failing_alloc_init(&k->alloc);
    failing_alloc_once(&k->alloc, n);
    rc = open_loop(k);
    if (rc < 0)
        assert_int_equal(rc, BELAY_ENOMEM);
    return rc == 0;
}

void kit_end(struct kit *k)
{
    if (k->world.loop) /* a turn of the test may have been its last */
        belay_loop_free(k->loop);
    assert_null(k->world.loop);
    assert_int_equal(failing_alloc_live(&k->alloc), 0);
}

void kit_settle(struct kit *k)
{
    for (int i = 0; i < 50; i++)
        assert_int_equal(belay_loop_turn(k->loop, 0), 0);
}

void kit_pass(struct kit *k, int64_t ms)
{
    uint64_t until = k->world.now_ns + (uint64_t)ms * 1000000u;

    kit_settle(k);
    while (k->world.now_ns < until) {
        assert_int_equal(
            belay_loop_turn(k->loop, (int64_t)((until - k->world.now_ns + 999999u) / 1000000u)), 0);
        kit_settle(k);
    }
}

/* ---- supervisors ---- */

void kit_on_exit(struct belay_supervisor *supervisor, struct belay_exit why, void *arg)
{
    struct kit *k = arg;

    assert_true(belay_supervisor_is_closed(supervisor));
    kit_note(k, "exit %s%s%s", belay_exit_name(why.kind), why.error ? " " : "",
             why.error ? belay_error_name(why.error->code) : "");
}

void kit_on_closed(void *arg)
{
    kit_note(arg, "closed");
}

void kit_told(const char *id, const struct belay_error *error, void *arg)
{
    kit_note(arg, "%s %s", id, error ? belay_error_name(error->code) : "ok");
}

struct belay_supervisor_options kit_options(struct kit *k, enum belay_strategy strategy)
{
    struct belay_supervisor_options o = belay_supervisor_options_init();

    o.strategy = strategy;
    o.on_exit = kit_on_exit;
    o.exit_arg = k;
    return o;
}

void kit_open(struct kit *k, enum belay_strategy strategy)
{
    struct belay_supervisor_options o = kit_options(k, strategy);

    assert_int_equal(belay_supervisor_open(k->loop, &o, &k->supervisor, NULL), 0);
}

/* ---- toys ---- */

static void ends(struct toy *toy, enum belay_exit_kind kind)
{
    struct belay_error error = {.code = BELAY_ERESET, .text = "it broke"};
    struct belay_child *child = toy->child;

    assert_non_null(child);
    toy->child = NULL;
    if (toy->timer)
        belay_timer_stop(toy->timer);
    belay_child_ended(child, (struct belay_exit){kind, kind == BELAY_EXIT_ERROR ? &error : NULL});
}

static void fails(struct toy *toy, int code)
{
    struct belay_error error = {.code = code, .text = "it would not start"};
    struct belay_child *child = toy->child;

    assert_non_null(child);
    toy->child = NULL;
    belay_child_failed(child, &error);
}

static int on_start(struct belay_loop *loop, struct belay_child *child, void *arg)
{
    struct toy *toy = arg;
    size_t n = strlen(toy->starts);
    char letter = toy->starts[toy->starts_n < n ? toy->starts_n : n - 1];

    assert_ptr_equal(loop, toy->kit->loop);
    assert_null(toy->child);
    toy->starts_n++;
    kit_note(toy->kit, "start %s", toy->name);
    if (letter == 'r')
        return BELAY_EMFILE;
    toy->child = child;
    if (letter == 'u')
        belay_child_started(child, toy);
    if (letter == 'f')
        fails(toy, BELAY_ECONNECT);
    if (letter == 'i') {
        toy->child = NULL;
        belay_child_ignored(child);
    }
    if (toy->hook)
        toy->hook(toy, "start");
    return 0;
}

static void on_time(void *arg)
{
    struct toy *toy = arg;

    if (toy->child)
        ends(toy, BELAY_EXIT_SHUTDOWN);
}

static void on_stop(struct belay_child *child, void *object, void *arg)
{
    struct toy *toy = arg;

    assert_ptr_equal(child, toy->child);
    assert_true(object == NULL || object == toy);
    toy->stops_n++;
    kit_note(toy->kit, "stop %s", toy->name);
    if (toy->on_stop == 'n')
        ends(toy, BELAY_EXIT_SHUTDOWN);
    if (toy->on_stop == 'l')
        belay_timer_start(toy->timer, toy->stop_ms);
    if (toy->hook)
        toy->hook(toy, "stop");
}

static void on_kill(struct belay_child *child, void *object, void *arg)
{
    struct toy *toy = arg;

    (void)object;
    assert_ptr_equal(child, toy->child);
    toy->kills_n++;
    kit_note(toy->kit, "kill %s", toy->name);
    if (!toy->hardy)
        ends(toy, BELAY_EXIT_KILLED);
}

static void on_free(void *arg)
{
    struct toy *toy = arg;

    assert_null(toy->child);
    assert_int_equal(toy->frees_n, 0);
    toy->frees_n++;
    kit_note(toy->kit, "free %s", toy->name);
    belay_timer_free(toy->timer);
    toy->timer = NULL;
    if (toy->hook)
        toy->hook(toy, "free");
}

static const struct belay_child_ops toy_ops = {
    .size = sizeof toy_ops,
    .noun = "toy",
    .start = on_start,
    .stop = on_stop,
    .kill = on_kill,
    .free = on_free,
};

static const struct belay_child_ops unkillable_ops = {
    .size = sizeof unkillable_ops,
    .noun = "toy",
    .start = on_start,
    .stop = on_stop,
    .free = on_free,
};

void toy_init(struct toy *toy, struct kit *k, const char *name)
{
    memset(toy, 0, sizeof *toy);
    toy->kit = k;
    snprintf(toy->name, sizeof toy->name, "%s", name);
    toy->starts = "u";
    toy->on_stop = 'n';
}

struct belay_child_spec toy_spec(struct toy *toy, enum belay_restart restart)
{
    struct belay_child_spec spec = belay_child_spec_init();

    if (toy->on_stop == 'l' && !toy->timer)
        assert_int_equal(belay_timer_new(toy->kit->loop, on_time, toy, &toy->timer), 0);
    spec.id = toy->name;
    spec.ops = toy->unkillable ? &unkillable_ops : &toy_ops;
    spec.arg = toy;
    spec.restart = restart;
    return spec;
}

void toy_start(struct toy *toy, enum belay_restart restart)
{
    struct kit *k = toy->kit;
    struct belay_child_spec spec = toy_spec(toy, restart);

    assert_int_equal(belay_supervisor_start_child(k->supervisor, &spec, kit_told, k, NULL, NULL),
                     0);
    kit_settle(k);
}

void toy_up(struct toy *toy)
{
    assert_non_null(toy->child);
    belay_child_started(toy->child, toy);
    kit_settle(toy->kit);
}

void toy_fails(struct toy *toy, int code)
{
    fails(toy, code);
    kit_settle(toy->kit);
}

void toy_ends(struct toy *toy, enum belay_exit_kind kind)
{
    ends(toy, kind);
    kit_settle(toy->kit);
}

void toys_start(struct toy *toys, struct kit *k, const char *names)
{
    for (size_t i = 0; names[i]; i++) {
        char name[2] = {names[i], '\0'};

        toy_init(&toys[i], k, name);
        toy_start(&toys[i], BELAY_RESTART_DEFAULT);
    }
    k->journal[0] = '\0';
}
