/* SPDX-License-Identifier: MIT */
/* A generated service over a channel, calls and streams that remember what they were told, and a
 * server that answers with messages of its types. */
#ifndef TEST_NET_STUB_KIT_H
#define TEST_NET_STUB_KIT_H

#include <belay-protobuf-c.h>

#include "grpc_kit.h"
#include "stubs.pb-c.h"

struct stub_kit {
    struct grpc_kit grpc; /* its `extra` is this */
    ProtobufCService *service;
};

/* Both options may be NULL. */
void stub_open(struct stub_kit *k, const struct belay_channel_options *channel_options,
               const struct belay_rpc_options *options);
/* Destroys the service, where it is there. */
void stub_close(struct stub_kit *k);

/* ---- what the server says and was asked ---- */

void stub_say(struct stub_kit *k, uint32_t id, const char *text, int32_t number);
/* Head, message, OK: "good", 7. */
void stub_answer_well(struct grpc_kit *grpc, uint32_t id);
/* The text of the n-th question of the last request. */
const char *stub_asked(struct stub_kit *k, unsigned n);

/* ---- calls ---- */

struct stub_call {
    struct stub_kit *kit;
    int closures;
    bool done;
    int status, attempts;
    char message[512];
    struct belay_error error; /* code 0: the server's status */
    char trailers[256];       /* the values, each followed by "|" */
    char text[64];            /* "": there was no response */
    int32_t number;
    void (*in_closure)(struct stub_call *c);
};

/* The closure of Ask; `closure_data` is the call. */
void stub_closure(const Test__Answer *answer, void *closure_data);
/* Asks by a stub: of the kit's service, or of `service`. */
void stub_ask(struct stub_kit *k, struct stub_call *c, const char *text);
void stub_ask_by(struct stub_kit *k, ProtobufCService *service, struct stub_call *c,
                 const char *text);
/* Waits; it has ended so. `text` is a part of its message. */
void stub_ends(struct stub_call *c, int status, const char *text);

/* ---- streams ---- */

struct stub_stream {
    struct stub_kit *kit;
    struct belay_service_stream *stream;
    int heads, n, writables, dones;
    char texts[512]; /* of the messages, each followed by "|" */
    bool done;
    int status;
    char message[512];
    struct belay_error error; /* code 0: the server's status */
    bool pauses;              /* after each message */
    void (*in_headers)(struct stub_stream *s);
    void (*in_message)(struct stub_stream *s);
    void (*in_done)(struct stub_stream *s);
};

extern const struct belay_service_callbacks stub_callbacks;
int stub_write(struct stub_stream *s, const char *text);
void stub_stream_ends(struct stub_stream *s, int status, const char *text);

#endif
