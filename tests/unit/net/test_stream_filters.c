/* SPDX-License-Identifier: MIT */
/* Filters that are pushed on a stream: those that start, step aside, fail, or give much. */
#include "stream_scene.h"

/* ---- filters that start ---- */

/* Wants `needs` bytes before it is done; then, when transient, it is in nobody's way. */
struct greeter {
    struct bl_filter filter;
    struct bl_mem *mem;
    size_t needs;
    int fails;
};

static int greeter_start(struct bl_filter *f, struct belay_error *error)
{
    struct greeter *g = BL_CONTAINER(f, struct greeter, filter);
    char byte;
    while (g->needs) {
        ptrdiff_t n = bl_filter_read(f->below, &byte, 1, error);
        if (n <= 0)
            return n ? (int)n : bl_error_set(error, BELAY_EEOF, BELAY_STAGE_NONE, "no greeting");
        g->needs--;
    }
    return g->fails ? bl_error_set(error, g->fails, BELAY_STAGE_NONE, "rude") : 0;
}

static ptrdiff_t greeter_read(struct bl_filter *f, void *out, size_t size, struct belay_error *e)
{
    return bl_filter_read(f->below, out, size, e);
}

static ptrdiff_t greeter_write(struct bl_filter *f, const struct belay_bytes *bytes, size_t n,
                               struct belay_error *e)
{
    return bl_filter_write(f->below, bytes, n, e);
}

static void greeter_close(struct bl_filter *f)
{
    struct greeter *g = BL_CONTAINER(f, struct greeter, filter);
    bl_free(g->mem, g);
}

#define GREETER                                                                                    \
    .name = "greeter", .stage = BELAY_STAGE_PROXY, .start = greeter_start, .read = greeter_read,   \
    .write = greeter_write, .close = greeter_close

static const struct bl_filter_ops passing_ops = {GREETER, .transient = true};
static const struct bl_filter_ops staying_ops = {GREETER};

static struct greeter *push_greeter(struct story *t, const struct bl_filter_ops *ops, size_t needs,
                                    bl_stream_start_fn *fn)
{
    struct greeter *g = bl_zalloc(&t->kit.loop->mem, sizeof *g);
    assert_non_null(g);
    g->filter.ops = ops;
    g->filter.below = bl_stream_top(t->stream);
    g->mem = &t->kit.loop->mem;
    g->needs = needs;
    bl_stream_push(t->stream, &g->filter, fn, t);
    return g;
}

static void on_started(const struct belay_error *error, void *arg)
{
    struct story *t = arg;
    assert_false(t->done);
    t->done = true;
    if (error)
        t->error = *error;
}

static void a_filter_that_only_shakes_hands_steps_aside(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    push_greeter(&t, &passing_ops, 3, on_started);
    assert_int_equal(belay_stream_write(t.stream, "early", 5), 0);
    net_kit_send(t.peer, "hi");
    net_kit_settle(&t.kit);
    assert_false(t.done);
    net_kit_send(t.peer, "!data");
    until(&t, &t.done);
    assert_ptr_equal(bl_stream_top(t.stream), &t.stream->socket.filter);
    until_got(&t, 4);
    assert_memory_equal(t.got, "data", 4);
    char out[5];
    net_kit_recv(t.peer, out, 5);
    assert_memory_equal(out, "early", 5);
    finish(&t);
}

static void a_filter_that_fails_to_start_is_told_once_with_its_stage(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    bl_stream_set_gone(t.stream, on_gone, &t);
    push_greeter(&t, &staying_ops, 1, on_started)->fails = BELAY_EPROTO;
    net_kit_send(t.peer, "x");
    until(&t, &t.done);
    net_kit_settle(&t.kit);
    assert_int_equal(t.error.code, BELAY_EPROTO);
    assert_int_equal(t.error.stage, BELAY_STAGE_PROXY);
    assert_false(t.lost || t.gone);
    assert_false(bl_stream_usable(t.stream));
    finish(&t);
}

static void closing_while_a_filter_starts_tells_nothing(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    push_greeter(&t, &staying_ops, 1, on_started);
    net_kit_settle(&t.kit);
    belay_stream_close(t.stream, 0, on_closed, &t);
    until(&t, &t.closed);
    assert_false(t.done);
    finish(&t);
}

/* Has `needs` bytes more to give than the socket shows, one at a time. */
static ptrdiff_t chatty_read(struct bl_filter *f, void *out, size_t size, struct belay_error *e)
{
    struct greeter *g = BL_CONTAINER(f, struct greeter, filter);
    if (!g->needs)
        return bl_filter_read(f->below, out, size, e);
    g->needs--;
    *(char *)out = 'c';
    return 1;
}

static bool chatty_pending(struct bl_filter *f)
{
    return BL_CONTAINER(f, struct greeter, filter)->needs > 0;
}

static const struct bl_filter_ops chatty_ops = {.name = "chatty",
                                                .read = chatty_read,
                                                .write = greeter_write,
                                                .pending = chatty_pending,
                                                .close = greeter_close};

static void a_filter_with_much_to_give_is_read_in_bites_to_its_end(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    struct greeter *g = push_greeter(&t, &chatty_ops, 0, on_started);
    until(&t, &t.done);
    g->needs = 10 * BL_STREAM_READS_MAX;
    net_kit_send(t.peer, "x"); /* wakes it */
    bl_stream_read(t.stream);
    assert_int_equal(t.calls, BL_STREAM_READS_MAX);
    until_got(&t, 10 * BL_STREAM_READS_MAX + 1);
    assert_int_equal(t.got[10 * BL_STREAM_READS_MAX], 'x');
    finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_that_only_shakes_hands_steps_aside),
        cmocka_unit_test(a_filter_that_fails_to_start_is_told_once_with_its_stage),
        cmocka_unit_test(closing_while_a_filter_starts_tells_nothing),
        cmocka_unit_test(a_filter_with_much_to_give_is_read_in_bites_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
