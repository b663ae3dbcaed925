/* SPDX-License-Identifier: MIT */
/* A channel, servers on ports of their own that say what they are told to, and a clock that can be
 * put forward. */
#ifndef TEST_NET_CHANNEL_KIT_H
#define TEST_NET_CHANNEL_KIT_H

#include "support/test.h"

#include <string.h>

#include "belay/grpc.h"
#include "support/failing_alloc.h"
#include "support/fake_dns.h"
#include "support/h2_server.h"
#include "support/steady_clock.h"

#define CK_SERVERS 3
#define CK_STATES  64

struct channel_kit {
    struct failing_alloc memory; /* what the loop allocates: none may be left at the end */
    struct fake_dns dns;
    struct steady_clock time;
    struct belay_loop *loop;
    struct h2_server servers[CK_SERVERS];
    struct belay_channel *channel;
    enum belay_channel_state states[CK_STATES]; /* as its watch was told */
    unsigned states_n;
    struct belay_error error; /* of the last of them that had one */
    bool closed;
    bool hurried; /* turns without waiting */
};

struct ck_call {
    struct belay_rpc *rpc;
    bool done;
    int dones, status;
    int32_t attempts;
    enum belay_sent sent; /* of its error */
    char message[512];
    char response[64];
};

/* `target` with %1, %2, %3 for the ports of the servers; options may be NULL: plain. */
void ck_open(struct channel_kit *k, const char *target,
             const struct belay_channel_options *options);
/* Frees the loop with all on it; nothing may be left. */
void ck_close(struct channel_kit *k);
struct belay_channel_options ck_options(void);
void ck_turn(struct channel_kit *k);
/* At most 20 seconds. */
void ck_until(struct channel_kit *k, const bool *done);
void ck_until_state(struct channel_kit *k, enum belay_channel_state state);
void ck_until_requests(struct channel_kit *k, unsigned server, unsigned n);
void ck_until_accepted(struct channel_kit *k, unsigned server, unsigned n);
/* Until the server's connection is closed. */
void ck_until_closed(struct channel_kit *k, unsigned server, unsigned conn);
/* A few times, whatever comes. */
void ck_a_while(struct channel_kit *k);
void ck_forward(struct channel_kit *k, int64_t ms);
unsigned ck_accepted(const struct channel_kit *k);

/* A unary call of "/test.Echo/Say" is begun; `options` may be NULL. */
void ck_begin(struct channel_kit *k, struct ck_call *call, const struct belay_rpc_options *options);
/* ... and done. */
void ck_call(struct channel_kit *k, struct ck_call *call);
/* Done well, answered by that server ("1" to "3", or what it said). */
void ck_good(const struct ck_call *call, const char *response);
void ck_bad(const struct ck_call *call, int status);

/* ---- what servers say ---- */

/* OK, with a message. What on_request does unless the test says otherwise: "1" to "3". */
void ck_answer(struct h2_server *s, unsigned conn, uint32_t id, const char *text);
/* Only a status; `more`: further lines of trailers, or "". */
void ck_status(struct h2_server *s, unsigned conn, uint32_t id, int status, const char *more);
/* The head, and a message; the stream stays open. */
void ck_say(struct h2_server *s, unsigned conn, uint32_t id, bool head, const void *data,
            size_t len);

#endif
