/* SPDX-License-Identifier: MIT */
/* The kit of the tests of channels. */
#include "channel_kit.h"

#include <stdio.h>

#define LIMIT_MS 20000
#define HEAD     ":status: 200\ncontent-type: application/grpc\n"

/* ---- the world ---- */

static int64_t wall_ms(void *time)
{
    return (int64_t)(steady_clock_ns(time) / 1000000u);
}

void ck_forward(struct channel_kit *k, int64_t ms)
{
    steady_clock_forward(&k->time, ms);
}

static void by_number(struct h2_server *s, unsigned conn, uint32_t id)
{
    ck_answer(s, conn, id, s->extra);
}

static void write_target(const struct channel_kit *k, const char *target, char *out, size_t room)
{
    size_t n = 0;

    for (; *target; target++) {
        if (*target == '%') {
            n += (size_t)snprintf(out + n, room - n, "%d", k->servers[*++target - '1'].port);
        } else {
            out[n++] = *target;
        }
        assert_true(n < room - 1);
    }
    out[n] = '\0';
}

static void on_state(struct belay_channel *channel, enum belay_channel_state state,
                     const struct belay_error *error, void *arg)
{
    struct channel_kit *k = arg;

    assert_int_equal(belay_channel_get_state(channel), state);
    assert_true(k->states_n < CK_STATES);
    assert_true(k->states_n == 0 || k->states[k->states_n - 1] != state);
    k->states[k->states_n++] = state;
    if (error) {
        k->error = *error;
        k->error.tried = NULL;
        k->error.tried_n = 0;
    }
}

struct belay_channel_options ck_options(void)
{
    struct belay_channel_options o = belay_channel_options_init();

    o.plain = true;
    return o;
}

void ck_open(struct channel_kit *k, const char *target, const struct belay_channel_options *options)
{
    static const char *const names[CK_SERVERS] = {"1", "2", "3"};
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_channel_options plain = ck_options();
    struct belay_world world = belay_world_init();
    struct belay_error error;
    char text[512];

    memset(k, 0, sizeof *k);
    failing_alloc_init(&k->memory);
    fake_dns_init(&k->dns);
    steady_clock_init(&k->time);
    k->time.clock.wall_ms = wall_ms;
    world.allocator = &k->memory.allocator;
    world.clock = &k->time.clock;
    world.dns = &k->dns.dns;
    o.world = &world;
    assert_int_equal(belay_loop_new(&o, &k->loop, &error), 0);
    for (unsigned i = 0; i < CK_SERVERS; i++) {
        h2_start(&k->servers[i]);
        k->servers[i].on_request = by_number;
        k->servers[i].extra = (void *)(uintptr_t)names[i];
    }
    write_target(k, target, text, sizeof text);
    if (belay_channel_open(k->loop, text, options ? options : &plain, &k->channel, &error) < 0)
        fail_msg("%s", error.text);
    belay_channel_watch(k->channel, on_state, k);
}

static void on_closed(void *arg)
{
    struct channel_kit *k = arg;

    assert_false(k->closed);
    k->closed = true;
}

static void on_loop_closed(void *gone)
{
    *(bool *)gone = true;
}

/* The loop would wait for what is due by our clock for as long as that is ahead. */
void ck_close(struct channel_kit *k)
{
    bool gone = false;
    int rounds = 0;

    if (k->channel)
        belay_channel_close(k->channel, on_closed, k);
    for (int i = 0; k->channel && !k->closed; i++) {
        assert_true(i < LIMIT_MS);
        ck_turn(k);
        if (i > 20)
            ck_forward(k, 100); /* connections whose peers are silent */
    }
    belay_loop_close(k->loop, on_loop_closed, &gone);
    while (!gone) {
        assert_true(rounds++ < LIMIT_MS);
        for (unsigned server = 0; server < CK_SERVERS; server++)
            h2_step(&k->servers[server]);
        belay_loop_turn(k->loop, 0);
        if (rounds > 20)
            ck_forward(k, 100);
    }
    assert_int_equal(failing_alloc_live(&k->memory), 0);
    for (unsigned i = 0; i < CK_SERVERS; i++)
        h2_stop(&k->servers[i]);
}

/* ---- turning ---- */

void ck_turn(struct channel_kit *k)
{
    for (unsigned i = 0; i < CK_SERVERS; i++)
        h2_step(&k->servers[i]);
    assert_int_equal(belay_loop_turn(k->loop, 0), 0); /* what is due by our clock ... */
    assert_int_equal(belay_loop_turn(k->loop, k->hurried ? 0 : 1), 0); /* ... and what comes */
    steady_clock_ns(&k->time);
}

void ck_a_while(struct channel_kit *k)
{
    for (int i = 0; i < 20; i++)
        ck_turn(k);
}

/* While `what` is not so. */
#define TURN_UNTIL(k, what)                                                                        \
    for (int i = 0; !(what); i++) {                                                                \
        if (i > LIMIT_MS)                                                                          \
            fail_msg("never: %s (state %s, %s)", #what,                                            \
                     belay_channel_state_name(belay_channel_get_state((k)->channel)),              \
                     (k)->error.text);                                                             \
        ck_turn(k);                                                                                \
    }

void ck_until(struct channel_kit *k, const bool *done)
{
    TURN_UNTIL(k, *done);
}

void ck_until_state(struct channel_kit *k, enum belay_channel_state state)
{
    TURN_UNTIL(k, belay_channel_get_state(k->channel) == state);
    ck_turn(k); /* so that its watch was told */
}

void ck_until_requests(struct channel_kit *k, unsigned server, unsigned n)
{
    TURN_UNTIL(k, k->servers[server].requests >= n);
    assert_int_equal(k->servers[server].requests, n);
}

void ck_until_accepted(struct channel_kit *k, unsigned server, unsigned n)
{
    TURN_UNTIL(k, k->servers[server].accepted >= n);
    assert_int_equal(k->servers[server].accepted, n);
}

void ck_until_closed(struct channel_kit *k, unsigned server, unsigned conn)
{
    TURN_UNTIL(k, k->servers[server].conns[conn].fd < 0);
}

unsigned ck_accepted(const struct channel_kit *k)
{
    unsigned n = 0;

    for (unsigned i = 0; i < CK_SERVERS; i++)
        n += k->servers[i].accepted;
    return n;
}

/* ---- calls ---- */

static void on_unary(const void *response, size_t len, const struct belay_rpc_result *result,
                     void *arg)
{
    struct ck_call *call = arg;

    call->rpc = NULL;
    call->done = true;
    call->dones++;
    call->status = result->status;
    call->attempts = result->attempts;
    call->sent = result->error ? result->error->sent : BELAY_ANSWERED;
    snprintf(call->message, sizeof call->message, "%s", result->message);
    snprintf(call->response, sizeof call->response, "%.*s", (int)len,
             response ? (const char *)response : "");
}

void ck_begin(struct channel_kit *k, struct ck_call *call, const struct belay_rpc_options *options)
{
    struct belay_error error;

    memset(call, 0, sizeof *call);
    if (belay_channel_unary(k->channel, "/test.Echo/Say", "hello", 5, options, &call->rpc, on_unary,
                            call, &error) < 0)
        fail_msg("%s", error.text);
    assert_false(call->done);
}

void ck_call(struct channel_kit *k, struct ck_call *call)
{
    ck_begin(k, call, NULL);
    ck_until(k, &call->done);
}

void ck_good(const struct ck_call *call, const char *response)
{
    assert_int_equal(call->dones, 1);
    if (call->status != BELAY_GRPC_OK)
        fail_msg("%s: %s", belay_grpc_status_name(call->status), call->message);
    assert_string_equal(call->response, response);
}

void ck_bad(const struct ck_call *call, int status)
{
    assert_int_equal(call->dones, 1);
    if (call->status != status)
        fail_msg("%s: %s", belay_grpc_status_name(call->status), call->message);
}

/* ---- servers ---- */

void ck_say(struct h2_server *s, unsigned conn, uint32_t id, bool head, const void *data,
            size_t len)
{
    char frame[256] = {0, 0, 0, 0, (char)len};

    assert_true(len < sizeof frame - 5);
    memcpy(frame + 5, data, len);
    if (head)
        h2_head(s, conn, H2_END_HEADERS, id, HEAD);
    h2_frame(s, conn, H2_DATA, 0, id, frame, len + 5);
}

void ck_answer(struct h2_server *s, unsigned conn, uint32_t id, const char *text)
{
    ck_say(s, conn, id, true, text, strlen(text));
    h2_head(s, conn, H2_END_HEADERS | H2_END_STREAM, id, "grpc-status: 0\n");
}

void ck_status(struct h2_server *s, unsigned conn, uint32_t id, int status, const char *more)
{
    char lines[256];

    snprintf(lines, sizeof lines, HEAD "grpc-status: %d\n%s", status, more);
    h2_head(s, conn, H2_END_HEADERS | H2_END_STREAM, id, lines);
}
