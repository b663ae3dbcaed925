/* SPDX-License-Identifier: MIT */
/* Calls of gRPC's interoperability tests: a channel to the server, its messages as protobuf writes
 * them, and what came back. */
#ifndef TEST_PEERS_INTEROP_KIT_H
#define TEST_PEERS_INTEROP_KIT_H

#include "support/test.h"

#include "belay/grpc.h"

#define IK_SERVICE "/grpc.testing.TestService/"

extern const char *ik_target;
extern struct belay_loop *ik_loop;
extern struct belay_channel *ik_channel;

/* Around each case; its channel compresses, or not. */
int ik_open(void **state);
int ik_open_gzip(void **state);
int ik_close(void **state);

struct ik_text {
    unsigned char *data;
    size_t len;
};

void ik_free(struct ik_text *t);
void ik_put_varint(struct ik_text *t, unsigned field, uint64_t n);
void ik_put_bytes(struct ik_text *t, unsigned field, const void *data, size_t len);
/* Payload, `size` zeros. */
void ik_put_payload(struct ik_text *t, unsigned field, size_t size);
/* BoolValue. */
void ik_put_bool(struct ik_text *t, unsigned field, bool value);
/* ResponseParameters of a stream's answer. */
void ik_put_size(struct ik_text *t, size_t size);

struct ik_call {
    struct belay_rpc *rpc;
    size_t sizes[8];    /* of the payloads */
    bool compressed[8]; /* ... as their messages travelled */
    int n;
    uint64_t number;        /* field 1 of the last message */
    bool initial, trailing; /* custom metadata came back */
    bool done;
    int status;
    char message[512];
    void (*in_message)(struct ik_call *c);
};

void ik_begin(struct ik_call *c, const char *method, const struct belay_rpc_options *options);
void ik_until(const bool *done);
/* With that status. */
void ik_ends(struct ik_call *c, int status);
/* Says the message, and frees it. */
void ik_say(struct ik_call *c, struct ik_text *t);
/* ... the last. */
void ik_say_all(struct ik_call *c, struct ik_text *t);

#endif
