/* SPDX-License-Identifier: MIT */
/* From inside each callback each call of the interface is allowed: the one, and the other, in turn. */
#include "grpc_kit.h"

#include <stdio.h>

static struct grpc_kit k;
static struct rpc_call one, other, more;
static int unaries;

/* ---- where ---- */

enum where { IN_HEADERS, IN_MESSAGE, IN_WRITABLE, IN_DONE, IN_HOOK, IN_WATCH, IN_UNARY, WHERE_N };
static const char *const wheres[] = {"on_headers",  "on_message", "on_writable", "on_done",
                                     "credentials", "watch",      "unary"};

/* ---- what ---- */

static void cancel(struct rpc_call *c)
{
    if (!c->done && c->rpc)
        belay_rpc_cancel(c->rpc);
    if (!c->done)
        c->rpc = NULL;
}

static void cancel_it(void)
{
    cancel(&one);
}

static void cancel_the_other(void)
{
    cancel(&other);
}

static void cancel_both(void)
{
    cancel(&other);
    cancel(&one);
}

static void close_channel(void)
{
    belay_channel_close(k.channel, NULL, NULL);
}

static void drain_channel(void)
{
    belay_channel_drain(k.channel, NULL, NULL);
}

static void close_channel_after_cancel(void)
{
    cancel(&one);
    belay_channel_close(k.channel, NULL, NULL);
}

static void on_loop_closed(void *arg)
{
    (void)arg;
    k.h2.kit.loop = NULL;
}

static void close_loop(void)
{
    belay_channel_unref(k.channel);
    k.channel = NULL;
    belay_loop_close(k.h2.kit.loop, on_loop_closed, NULL);
}

static void on_unary(const void *response, size_t len, const struct belay_rpc_result *result,
                     void *arg)
{
    (void)response, (void)len, (void)result, (void)arg;
    unaries--;
}

static void begin_another(void)
{
    if (!more.rpc && belay_channel_unary(k.channel, GRPC_METHOD, "more", 4, NULL, &more.rpc,
                                         on_unary, NULL, NULL) == 0)
        unaries++;
}

static void write_and_end(void)
{
    if (one.rpc && !one.done) {
        belay_rpc_write(one.rpc, "again", 5);
        belay_rpc_end(one.rpc);
    }
}

static void pause_and_resume(void)
{
    if (one.rpc && !one.done) {
        belay_rpc_pause(one.rpc);
        belay_rpc_resume(one.rpc);
    }
    if (other.rpc && !other.done)
        belay_rpc_pause(other.rpc);
}

static void connect_anew(void)
{
    belay_channel_reset_backoff(k.channel);
    belay_channel_connect(k.channel);
    belay_channel_watch(k.channel, NULL, NULL);
}

static const struct {
    const char *name;
    void (*run)(void);
} whats[] = {
    {"cancel it", cancel_it},
    {"cancel the other", cancel_the_other},
    {"cancel both", cancel_both},
    {"close the channel", close_channel},
    {"drain the channel", drain_channel},
    {"cancel, and close the channel", close_channel_after_cancel},
    {"close the loop", close_loop},
    {"begin another", begin_another},
    {"write and end", write_and_end},
    {"pause and resume", pause_and_resume},
    {"connect anew", connect_anew},
};

/* ---- once ---- */

static enum where where;
static unsigned what;
static bool acted;

static void act(enum where here)
{
    if (here != where || acted)
        return;
    acted = true;
    whats[what].run();
}

static void in_headers(struct rpc_call *c)
{
    if (c == &one)
        act(IN_HEADERS);
}

static void in_message(struct rpc_call *c, const void *data, size_t len)
{
    (void)data, (void)len;
    if (c == &one)
        act(IN_MESSAGE);
}

static void in_writable(struct rpc_call *c)
{
    if (c == &one)
        act(IN_WRITABLE);
}

static void in_done(struct rpc_call *c)
{
    if (c == &one)
        act(IN_DONE);
}

static void hook(struct belay_rpc *rpc, const char *method, void *arg)
{
    (void)method, (void)arg;
    if (rpc == one.rpc)
        act(IN_HOOK);
    belay_rpc_credentials_done(rpc, NULL, 0, NULL);
}

static void watch(struct belay_channel *channel, enum belay_channel_state state,
                  const struct belay_error *error, void *arg)
{
    (void)channel, (void)error, (void)arg;
    if (state == BELAY_CHANNEL_READY)
        act(IN_WATCH);
}

static void unary_ends(struct rpc_call *c)
{
    (void)c;
    act(IN_UNARY);
}

static void say_all(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, 0, "\0\0\0\0\1a\0\0\0\0\1b\0\0\0", 15);
    h2_window(&kit->h2.server, 0, 0, 1 << 20);
    h2_window(&kit->h2.server, 0, id, 1 << 20);
}

static void say_the_rest(uint32_t id)
{
    grpc_say_bytes(&k, id, 0, "\0\1c", 3);
    grpc_say_head(&k, id, H2_END_STREAM, GRPC_OK);
}

static void turn(void)
{
    for (int i = 0; k.h2.kit.loop && i < 20; i++) {
        h2_step(&k.h2.server);
        belay_loop_turn(k.h2.kit.loop, 1);
    }
}

static void once(void)
{
    static char much[60000];
    struct belay_channel_options o = grpc_options();
    struct rpc_call unary = {.in_done = unary_ends};
    unsigned ids;

    memset(&k, 0, sizeof k);
    one = other = (struct rpc_call){.in_headers = in_headers,
                                    .in_message = in_message,
                                    .in_writable = in_writable,
                                    .in_done = in_done};
    more = (struct rpc_call){0};
    acted = false;
    unaries = 0;
    o.credentials = hook;
    grpc_open(&k, &o);
    belay_channel_ref(k.channel);
    belay_channel_watch(k.channel, watch, NULL);
    k.on_request = say_all;
    rpc_begin(&k, &one, NULL);
    while (belay_rpc_write(one.rpc, much, sizeof much) == 0)
        ;
    rpc_begin(&k, &other, NULL);
    if (where == IN_UNARY)
        rpc_unary(&k, &unary, NULL);
    turn();
    ids = k.h2.server.accepted ? k.h2.server.conns[0].requests : 0;
    for (unsigned i = 0; i < ids && k.h2.server.conns[0].fd >= 0; i++)
        say_the_rest(k.h2.server.conns[0].ids[i]);
    turn();
    if (!acted)
        fail_msg("%s was never called", wheres[where]);
    belay_channel_close(k.channel, NULL, NULL);
    turn();
    belay_channel_unref(k.channel);
    while (k.h2.kit.loop && !k.channel) /* it was closed, and frees itself */
        turn();
    grpc_close(&k);
    assert_int_equal(one.dones, one.rpc ? 1 : 0);
    assert_int_equal(other.dones, other.rpc ? 1 : 0);
    assert_int_equal(unaries, 0);
}

static void each_call_is_allowed_in_each_callback(void **state)
{
    (void)state;
    for (where = 0; where < WHERE_N; where++) {
        for (what = 0; what < sizeof whats / sizeof *whats; what++) {
            print_message("%s: %s\n", wheres[where], whats[what].name);
            once();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_is_allowed_in_each_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
