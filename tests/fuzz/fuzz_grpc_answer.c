/* SPDX-License-Identifier: MIT */
/*
 * What a server of gRPC may say to calls, from its first frame to the status they end with: heads, messages, trailers, resets and
 * GOAWAYs made of the input, whole or broken, in any order. Each call ends once, with a status that is one and words that can be
 * read; no message is longer than allowed; nothing is told after the end, and nothing is left.
 *
 * Input: which allocation fails, what the calls do, the size of portions; then frames, each a byte that says which, and what is
 * in it. The calls stand on streams 1 (unary), 3 and 5 (of many messages).
 */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "belay/grpc.h"
#include "fuzz/fuzz_loop.h"

#define CALLS   3
#define MESSAGE 300 /* bytes of one that comes */
#define FRAMES  64

struct call {
    struct belay_rpc *rpc;
    uint8_t manner; /* bits: pause at a message, cancel at one, write at one */
    bool over, paused;
};

/* ---- the calls ---- */

static void check_headers(const struct belay_header *headers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        BL_ASSERT(strlen(headers[i].name) == headers[i].name_len &&
                  headers[i].value[headers[i].value_len] == '\0');
}

static void check_result(const struct belay_rpc_result *result)
{
    BL_ASSERT(result->status >= BELAY_GRPC_OK && result->status <= BELAY_GRPC_UNAUTHENTICATED);
    BL_ASSERT(result->message && (!result->error || result->status != BELAY_GRPC_OK));
    if (result->error)
        fuzz_check_sentence(result->error->text, sizeof result->error->text);
    check_headers(result->trailers, result->trailers_n);
}

static void on_headers(struct belay_rpc *rpc, const struct belay_header *headers, size_t n,
                       void *arg)
{
    const struct call *call = arg;

    (void)rpc;
    BL_ASSERT(!call->over);
    check_headers(headers, n);
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct call *call = arg;

    BL_ASSERT(!call->over && !call->paused && len <= MESSAGE && (data || len == 0));
    if (call->manner & 4)
        belay_rpc_write(rpc, "more", 4);
    if (call->manner & 2) {
        call->over = true;
        belay_rpc_cancel(rpc);
    } else if (call->manner & 1) {
        call->paused = true;
        belay_rpc_pause(rpc);
    }
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct call *call = arg;

    (void)rpc;
    BL_ASSERT(!call->over);
    check_result(result);
    call->over = true;
}

static void on_unary(const void *response, size_t len, const struct belay_rpc_result *result,
                     void *arg)
{
    struct call *call = arg;

    BL_ASSERT(!call->over && !response == (result->status != BELAY_GRPC_OK) && len <= MESSAGE);
    check_result(result);
    call->over = true;
}

static void start(struct belay_channel *channel, struct call *calls)
{
    static const struct belay_rpc_callbacks callbacks = {.size = sizeof callbacks,
                                                         .on_headers = on_headers,
                                                         .on_message = on_message,
                                                         .on_done = on_done};

    calls[0].over = belay_channel_unary(channel, "/a.B/C", "one", 3, NULL, &calls[0].rpc, on_unary,
                                        &calls[0], NULL) < 0;
    for (unsigned i = 1; i < CALLS; i++) {
        calls[i].over = belay_rpc_start(channel, "/a.B/D", NULL, &callbacks, &calls[i],
                                        &calls[i].rpc, NULL) < 0;
        if (!calls[i].over && belay_rpc_write(calls[i].rpc, "one", 3) == 0 && i == 1)
            belay_rpc_end(calls[i].rpc);
    }
}

/* ---- frames ---- */

struct frame {
    uint8_t bytes[2048];
    size_t n;
};

static void put(struct frame *f, const void *data, size_t len)
{
    if (len > sizeof f->bytes - f->n)
        len = sizeof f->bytes - f->n;
    if (len > 0)
        memcpy(f->bytes + f->n, data, len);
    f->n += len;
}

static void begin(struct frame *f, uint8_t type, uint8_t flags, uint8_t stream)
{
    const uint8_t head[9] = {0, 0, 0, type, flags, 0, 0, 0, stream};

    f->n = 0;
    put(f, head, sizeof head);
}

static void end(struct frame *f)
{
    f->bytes[1] = (uint8_t)((f->n - 9) >> 8);
    f->bytes[2] = (uint8_t)(f->n - 9);
}

/* As HPACK has it: literal, not indexed, not compressed. */
static void put_field(struct frame *f, struct bl_span name, struct bl_span value)
{
    const uint8_t literal = 0, name_len = name.len < 127 ? (uint8_t)name.len : 126,
                  value_len = value.len < 127 ? (uint8_t)value.len : 126;

    put(f, &literal, 1);
    put(f, &name_len, 1);
    put(f, name.data, name_len);
    put(f, &value_len, 1);
    put(f, value.data, value_len);
}

static const struct {
    const char *name, *value; /* NULL: the next line */
} known[] = {
    {":status", "200"},
    {"content-type", "application/grpc"},
    {"grpc-status", "0"},
    {"grpc-status", NULL},
    {"grpc-message", NULL},
    {"grpc-encoding", "gzip"},
    {"grpc-encoding", NULL},
    {":status", NULL},
    {"content-type", NULL},
    {"a-bin", NULL},
    {"grpc-retry-pushback-ms", NULL},
    {NULL, NULL},
};

static void make_fields(struct frame *f, struct fuzz_input *in)
{
    for (unsigned n = fuzz_below(in, 8); n > 0; n--) {
        unsigned which = fuzz_below(in, BL_COUNT(known));
        struct bl_span name = known[which].name ? bl_span_of(known[which].name) : fuzz_line(in);

        put_field(f, name, known[which].value ? bl_span_of(known[which].value) : fuzz_line(in));
    }
}

/* Its length is what it is, or not. */
static void make_message(struct frame *f, struct fuzz_input *in)
{
    uint8_t flag = fuzz_byte(in), lie = fuzz_byte(in);
    struct bl_span text = fuzz_line(in);
    uint8_t prefix[5] = {flag & 1, 0, 0, (uint8_t)(text.len >> 8), (uint8_t)text.len};

    if (lie >= 250)
        prefix[1 + lie % 4] = lie;
    put(f, prefix, sizeof prefix);
    put(f, text.data, text.len);
}

static void make_frame(struct frame *f, struct fuzz_input *in)
{
    uint8_t what = fuzz_byte(in), stream = (uint8_t)(1 + 2 * (what >> 6));
    uint8_t ends = what >> 5 & 1;
    struct bl_span rest;

    switch (what % 8) {
    case 0:
    case 1:
        begin(f, 1, 4 | ends, stream);
        make_fields(f, in);
        break;
    case 2:
    case 3:
        begin(f, 0, ends, stream);
        for (unsigned n = what >> 3 & 3; n > 0; n--)
            make_message(f, in);
        break;
    case 4:
        begin(f, 0, ends, stream);
        rest = fuzz_line(in);
        put(f, rest.data, rest.len);
        break;
    case 5:
        begin(f, 3, 0, stream);
        put(f, (const uint8_t[4]){0, 0, 0, fuzz_byte(in)}, 4);
        break;
    case 6:
        begin(f, 7, 0, 0);
        put(f, (const uint8_t[8]){0, 0, 0, (uint8_t)(stream - 2), 0, 0, 0, fuzz_byte(in)}, 8);
        break;
    default:
        begin(f, fuzz_byte(in), fuzz_byte(in), stream);
        rest = fuzz_line(in);
        put(f, rest.data, rest.len);
    }
    end(f);
}

/* ---- the peer ---- */

static void converse(struct belay_loop *loop, int listener, struct fuzz_input *in, size_t portion)
{
    static const uint8_t settings[9] = {0, 0, 0, 4};
    struct frame f;
    int fd = fuzz_accept(loop, listener);

    if (fd < 0)
        return;
    fuzz_say(loop, fd, settings, sizeof settings, sizeof settings);
    belay_loop_turn(loop, 0);
    for (int i = 0; i < FRAMES && in->len > 0; i++) {
        make_frame(&f, in);
        if (!fuzz_say(loop, fd, f.bytes, f.n, portion))
            break;
    }
    for (int i = 0; i < 3; i++)
        belay_loop_turn(loop, 0);
    close(fd);
}

/* ---- one conversation ---- */

static void run(struct belay_loop *loop, struct fuzz_input *in)
{
    struct belay_channel_options o = belay_channel_options_init();
    struct call calls[CALLS] = {{0}};
    uint8_t manners = fuzz_byte(in);
    size_t portion = 1 + fuzz_byte(in) * 16u;
    struct belay_channel *channel;
    char target[64];
    int port, listener = fuzz_listen(&port);

    snprintf(target, sizeof target, "ipv4:127.0.0.1:%d", port);
    o.plain = true;
    o.max_receive_bytes = MESSAGE;
    o.max_metadata_bytes = 1000;
    calls[1].manner = manners & 7;
    calls[2].manner = manners >> 3 & 7;
    if (belay_channel_open(loop, target, &o, &channel, NULL) < 0) {
        close(listener);
        return;
    }
    start(channel, calls);
    converse(loop, listener, in, portion);
    for (unsigned i = 0; i < CALLS; i++) {
        if (calls[i].over || !calls[i].paused)
            continue;
        calls[i].paused = false;
        belay_rpc_resume(calls[i].rpc);
    }
    belay_loop_turn(loop, 0);
    belay_channel_close(channel, NULL, NULL);
    for (int i = 0; i < 3; i++)
        belay_loop_turn(loop, 0);
    for (unsigned i = 0; i < CALLS; i++)
        BL_ASSERT(calls[i].over);
    close(listener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_with_loop(data, size, run);
    return 0;
}
