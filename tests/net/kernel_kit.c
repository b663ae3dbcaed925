/* SPDX-License-Identifier: MIT */
/* The Chronicle kernel of the tests. */
#include "kernel_kit.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <time.h>

#include "base/span.h"

#define LIMIT   20000
#define HEAD    ":status: 200\ncontent-type: application/grpc\n"
#define SERVICE "/Cratis.Chronicle.Contracts.Clients.ConnectionService/"

/* ---- what it hears ---- */

static const char *const paths[] = {SERVICE "CheckCompatibility", SERVICE "Connect",
                                    SERVICE "ConnectionKeepAlive"};

static enum kernel_method method_of(const char *path, size_t len)
{
    unsigned i = 0;

    while (i < KERNEL_OTHER && (strlen(paths[i]) != len || memcmp(paths[i], path, len) != 0))
        i++;
    return (enum kernel_method)i;
}

static void note(struct kernel_request *r, const nghttp2_nv *nv)
{
    struct bl_span name = bl_span((const char *)nv->name, nv->namelen);

    if (bl_span_equal(name, bl_span_of(":path")))
        r->method = method_of((const char *)nv->value, nv->valuelen);
    if (bl_span_equal(name, bl_span_of("authorization")))
        snprintf(r->authorization, sizeof r->authorization, "%.*s", (int)nv->valuelen, nv->value);
    if (bl_span_equal(name, bl_span_of("api-key")))
        snprintf(r->api_key, sizeof r->api_key, "%.*s", (int)nv->valuelen, nv->value);
}

static void read_head(struct kernel_kit *k, struct kernel_request *r, const struct h2_frame *frame)
{
    size_t priority = frame->flags & 0x20 ? 5 : 0;
    const uint8_t *at = frame->payload + priority;
    size_t left = frame->len - priority;
    int flags = 0;

    if (!k->inflaters[r->conn])
        assert_int_equal(nghttp2_hd_inflate_new(&k->inflaters[r->conn]), 0);
    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        nghttp2_nv nv;
        ssize_t used = nghttp2_hd_inflate_hd2(k->inflaters[r->conn], &nv, &flags, at, left, 1);

        assert_true(used >= 0);
        at += used;
        left -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            note(r, &nv);
    }
    nghttp2_hd_inflate_end_headers(k->inflaters[r->conn]);
}

/* ---- what it says ---- */

static void say(struct kernel_kit *k, const struct kernel_request *r, const void *message,
                size_t len)
{
    unsigned char bytes[1024] = {0};

    assert_true(len < 1000);
    bytes[3] = (unsigned char)(len >> 8);
    bytes[4] = (unsigned char)len;
    memcpy(bytes + 5, message, len);
    h2_frame(&k->server, r->conn, H2_DATA, 0, r->id, bytes, len + 5);
}

static void say_status(struct kernel_kit *k, const struct kernel_request *r, bool alone, int status)
{
    char text[160];

    snprintf(text, sizeof text, "%sgrpc-status: %d\n%s", alone ? HEAD : "", status,
             status == 16 ? "grpc-message: no token of mine\n" : "");
    h2_head(&k->server, r->conn, H2_END_STREAM, r->id, text);
}

static size_t put_text(char *out, size_t at, int field, const char *text)
{
    size_t len = strlen(text);

    out[at++] = (char)(field << 3 | 2);
    out[at++] = (char)(len & 0x7f);
    if (len > 127) {
        assert_true(len < 256);
        out[at - 1] = (char)(len | 0x80);
        out[at++] = 1;
    }
    memcpy(out + at, text, len);
    return at + len;
}

static void answer_check(struct kernel_kit *k, const struct kernel_request *r)
{
    char message[900] = {8, 1};
    size_t len = k->ways[KERNEL_CHECK] == KERNEL_WELL ? 2 : 0;

    for (int i = 0; i < 3 && k->reasons[i]; i++)
        len = put_text(message, len, 2, k->reasons[i]);
    if (k->server_version)
        len = put_text(message, len, 3, k->server_version);
    say(k, r, message, len);
}

void kernel_answer(struct kernel_kit *k, const struct kernel_request *r)
{
    h2_head(&k->server, r->conn, 0, r->id, HEAD);
    if (r->method == KERNEL_CONNECT)
        return;
    if (r->method == KERNEL_CHECK)
        answer_check(k, r);
    else
        say(k, r, "", 0);
    say_status(k, r, false, 0);
}

static bool may_call(const struct kernel_kit *k, const struct kernel_request *r)
{
    return !k->token || strcmp(r->authorization, k->token) == 0;
}

static void respond(struct kernel_kit *k, const struct kernel_request *r)
{
    enum kernel_way way = k->ways[r->method];

    k->counts[r->method]++;
    if (!may_call(k, r)) {
        say_status(k, r, true, BELAY_GRPC_UNAUTHENTICATED);
    } else if (way == KERNEL_UNIMPLEMENTED) {
        say_status(k, r, true, BELAY_GRPC_UNIMPLEMENTED);
    } else if (way == KERNEL_REFUSE && r->method != KERNEL_CHECK) {
        say_status(k, r, true, BELAY_GRPC_PERMISSION_DENIED);
    } else if (way == KERNEL_NONSENSE) {
        h2_head(&k->server, r->conn, 0, r->id, HEAD);
        say(k, r, "\x0a\xff", 2);
        if (r->method != KERNEL_CONNECT)
            say_status(k, r, false, 0);
    } else if (way != KERNEL_SILENT) {
        kernel_answer(k, r);
    }
}

static void on_frame(struct h2_server *s, unsigned conn, const struct h2_frame *frame)
{
    struct kernel_kit *k = s->extra;
    struct kernel_request *r = NULL;

    if (frame->type == H2_HEADERS) {
        assert_true(k->n < KERNEL_REQUESTS);
        r = &k->requests[k->n++];
        *r = (struct kernel_request){.conn = conn, .id = frame->id, .method = KERNEL_OTHER};
        read_head(k, r, frame);
    }
    if (frame->type == H2_DATA) {
        unsigned i = k->n;

        while (i > 0 && !(k->requests[i - 1].conn == conn && k->requests[i - 1].id == frame->id))
            i--;
        assert_true(i > 0);
        r = &k->requests[i - 1];
        assert_true(r->len + frame->len <= sizeof r->body);
        memcpy(r->body + r->len, frame->payload, frame->len);
        r->len += frame->len;
    }
    if (!r || !(frame->flags & H2_END_STREAM))
        return;
    assert_true(r->len >= 5);
    r->len -= 5;
    memmove(r->body, r->body + 5, r->len);
    r->whole = true;
    respond(k, r);
}

/* ---- for the test ---- */

const struct kernel_request *kernel_last(const struct kernel_kit *k, enum kernel_method method)
{
    unsigned i = k->n;

    while (i > 0 && (k->requests[i - 1].method != method || !k->requests[i - 1].whole))
        i--;
    assert_true(i > 0);
    return &k->requests[i - 1];
}

void kernel_keep(struct kernel_kit *k)
{
    say(k, kernel_last(k, KERNEL_CONNECT), "\x0a\x02id", 4);
}

void kernel_end(struct kernel_kit *k, int status)
{
    say_status(k, kernel_last(k, KERNEL_CONNECT), false, status);
}

void kernel_hang_up(struct kernel_kit *k)
{
    h2_hang_up(&k->server, k->server.accepted - 1);
}

/* ---- time ---- */

static uint64_t now_ns(void *arg)
{
    struct kernel_kit *k = arg;

    return steady_clock_ns(&k->time);
}

static int64_t wall_ms(void *arg)
{
    struct kernel_kit *k = arg;

    return (int64_t)time(NULL) * 1000 + k->ahead_ms;
}

void kernel_forward(struct kernel_kit *k, int64_t ms)
{
    steady_clock_forward(&k->time, ms);
    k->ahead_ms += ms;
}

void kernel_turn(struct kernel_kit *k)
{
    h2_step(&k->server);
    if (k->tokens.answers)
        scripted_step(&k->tokens);
    assert_int_equal(belay_loop_turn(k->loop, 0), 0); /* what is due by our clock ... */
    assert_int_equal(belay_loop_turn(k->loop, 1), 0); /* ... and what comes */
    steady_clock_ns(&k->time);
}

void kernel_a_while(struct kernel_kit *k)
{
    for (int i = 0; i < 20; i++)
        kernel_turn(k);
}

#define TURN_UNTIL(k, what)                                                                        \
    for (int i = 0; !(what); i++) {                                                                \
        if (i > LIMIT)                                                                             \
            fail_msg("never: %s\n%s", #what, (k)->log);                                            \
        kernel_turn(k);                                                                            \
    }

void kernel_until(struct kernel_kit *k, const bool *done)
{
    TURN_UNTIL(k, *done);
}

void kernel_until_n(struct kernel_kit *k, const int *count, int n)
{
    TURN_UNTIL(k, *count >= n);
}

void kernel_until_requests(struct kernel_kit *k, enum kernel_method method, unsigned n)
{
    TURN_UNTIL(k, k->counts[method] >= n);
    assert_int_equal(k->counts[method], n);
}

/* ---- its life ---- */

static void on_log(enum belay_log_level level, const char *tag, const char *line, void *arg)
{
    struct kernel_kit *k = arg;
    size_t at = strlen(k->log);

    (void)level;
    snprintf(k->log + at, sizeof k->log - at, "%s: %s\n", tag, line);
}

void kernel_open_failing(struct kernel_kit *k, const char *const *answers, size_t n)
{
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_world world = belay_world_init();
    struct belay_error error;

    memset(k, 0, sizeof *k);
    failing_alloc_init(&k->memory);
    steady_clock_init(&k->time);
    k->clock = (struct belay_clock){
        .size = sizeof k->clock, .now_ns = now_ns, .wall_ms = wall_ms, .arg = k};
    world.allocator = &k->memory.allocator;
    world.clock = &k->clock;
    o.world = &world;
    o.on_log = on_log;
    o.log_arg = k;
    o.log_level = BELAY_LOG_INFO;
    assert_int_equal(belay_loop_new(&o, &k->loop, &error), 0);
    h2_start(&k->server);
    k->server.extra = k;
    k->server.on_frame = on_frame;
    if (answers)
        scripted_start(&k->tokens, answers);
    failing_alloc_once(&k->memory, n);
}

void kernel_open(struct kernel_kit *k, const char *const *answers)
{
    kernel_open_failing(k, answers, 0);
}

void kernel_dial(struct kernel_kit *k, const struct belay_channel_options *options)
{
    struct belay_channel_options o = belay_channel_options_init();
    struct belay_error error;
    char target[64];

    o.plain = true;
    snprintf(target, sizeof target, "ipv4:127.0.0.1:%d", k->server.port);
    if (belay_channel_open(k->loop, target, options ? options : &o, &k->channel, &error) < 0)
        fail_msg("%s", error.text);
}

static void on_gone(void *gone)
{
    *(bool *)gone = true;
}

/* The loop would wait for what is due by our clock for as long as that is ahead. */
void kernel_close(struct kernel_kit *k)
{
    bool gone = false;
    int rounds = 0;

    if (k->channel)
        belay_channel_close(k->channel, NULL, NULL);
    belay_loop_close(k->loop, on_gone, &gone);
    while (!gone) {
        assert_true(rounds++ < LIMIT);
        h2_step(&k->server);
        belay_loop_turn(k->loop, 0);
        if (rounds > 20)
            kernel_forward(k, 100);
    }
    assert_int_equal(failing_alloc_live(&k->memory), 0);
    h2_stop(&k->server);
    if (k->tokens.answers)
        scripted_stop(&k->tokens);
    for (unsigned i = 0; i < H2_CONNS; i++) {
        if (k->inflaters[i])
            nghttp2_hd_inflate_del(k->inflaters[i]);
    }
}
