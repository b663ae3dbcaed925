/* SPDX-License-Identifier: MIT */
/* A channel of gRPC, calls that remember what they were told, and a server that says what it is
 * told to. */
#ifndef TEST_NET_GRPC_KIT_H
#define TEST_NET_GRPC_KIT_H

#include "belay/grpc.h"
#include "h2_kit.h"

#define GRPC_METHOD "/test.Service/Do"
#define GRPC_HEAD   ":status: 200\ncontent-type: application/grpc\n"
#define GRPC_OK     "grpc-status: 0\n"

struct grpc_kit {
    struct h2_kit h2;
    struct belay_channel *channel;
    struct nghttp2_hd_inflater *inflaters[H2_CONNS];
    /* What has come: of the last HEADERS the fields, as "name: value\n"; of DATA the bytes. */
    char fields[8192];
    char data[1 << 20];
    size_t data_len;
    bool ended;  /* a frame with END_STREAM came */
    uint32_t id; /* of the last request */
    /* Of the test; may be NULL. */
    void (*on_request)(struct grpc_kit *k, uint32_t id);
    void (*on_data)(struct grpc_kit *k, uint32_t id, bool end);
    void *extra;
};

/* `options` may be NULL: a plain channel. */
void grpc_open(struct grpc_kit *k, const struct belay_channel_options *options);
void grpc_close(struct grpc_kit *k);
struct belay_channel_options grpc_options(void);

/* ---- what the server says, on its last connection ---- */

void grpc_say_head(struct grpc_kit *k, uint32_t id, uint8_t flags, const char *fields);
void grpc_say_bytes(struct grpc_kit *k, uint32_t id, uint8_t flags, const void *data, size_t len);
/* As a message; `compressed` is its first byte. */
void grpc_say(struct grpc_kit *k, uint32_t id, int compressed, const void *data, size_t len);
void grpc_say_text(struct grpc_kit *k, uint32_t id, const char *text);
/* Head, message, OK. */
void grpc_answer(struct grpc_kit *k, uint32_t id, const char *text);

/* ---- calls ---- */

struct rpc_call {
    struct grpc_kit *kit;
    struct belay_rpc *rpc;
    char headers[2048], trailers[2048]; /* "name: value\n", with \xNN for what is not printable */
    char messages[4096];                /* each followed by "|", cut at 100 bytes */
    size_t bytes;
    int heads, n, writables, dones;
    bool done;
    int status, attempts;
    char message[512];
    struct belay_error error; /* code 0: the server's status */
    /* What to do. */
    bool pauses; /* after each message */
    void (*in_headers)(struct rpc_call *c);
    void (*in_message)(struct rpc_call *c, const void *data, size_t len);
    void (*in_writable)(struct rpc_call *c);
    void (*in_done)(struct rpc_call *c);
    void *extra;
};

extern const struct belay_rpc_callbacks rpc_call_callbacks;
/* Starts it; the rest of `c` is as the test prepared it. */
void rpc_begin(struct grpc_kit *k, struct rpc_call *c, const struct belay_rpc_options *options);
/* A unary call of "hello". */
void rpc_unary(struct grpc_kit *k, struct rpc_call *c, const struct belay_rpc_options *options);
void rpc_wait(struct rpc_call *c);
/* Waits; it has ended so. `text` is a part of its message. */
void rpc_ends(struct rpc_call *c, int status, const char *text);

#endif
