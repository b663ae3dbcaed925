/* SPDX-License-Identifier: MIT */
/*
 * A Chronicle kernel in the test's own thread: it understands the calls of a session, and answers
 * them as it is told; beside it a token endpoint, a loop, and a clock that can be put forward.
 */
#ifndef TEST_NET_KERNEL_KIT_H
#define TEST_NET_KERNEL_KIT_H

#include "scripted.h"
#include "support/h2_server.h"
#include "support/steady_clock.h"

#include "belay/grpc.h"

#define KERNEL_REQUESTS 256
#define KERNEL_TOKEN(token)                                                                        \
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 39\r\n\r\n"                           \
    "{\"access_token\":\"" token "\",\"expires_in\":600}" /* of three letters */
#define KERNEL_BUSY "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

enum kernel_method {
    KERNEL_CHECK,
    KERNEL_CONNECT,
    KERNEL_KEEP_ALIVE,
    KERNEL_OTHER,
    KERNEL_METHODS,
};

enum kernel_way {
    KERNEL_WELL,   /* as a kernel does: keep-alives when the test says so */
    KERNEL_REFUSE, /* the check: not compatible; others: a status */
    KERNEL_UNIMPLEMENTED,
    KERNEL_SILENT,
    KERNEL_NONSENSE, /* bytes that are no message */
};

struct kernel_request {
    unsigned conn;
    uint32_t id;
    enum kernel_method method;
    char authorization[64], api_key[64]; /* "": absent */
    char body[4096];                     /* the message, without its prefix */
    size_t len;
    bool whole;
};

struct kernel_kit {
    struct failing_alloc memory; /* what the loop allocates: none may be left at the end */
    struct steady_clock time;
    struct belay_clock clock;
    int64_t ahead_ms; /* that the clock was put forward */
    struct belay_loop *loop;
    struct belay_channel *channel; /* to the kernel */
    struct h2_server server;
    struct nghttp2_hd_inflater *inflaters[H2_CONNS];
    struct scripted tokens;

    enum kernel_way ways[KERNEL_METHODS];
    const char *token;          /* what calls must have; NULL: nothing */
    const char *reasons[3];     /* why it is not compatible */
    const char *server_version; /* NULL: not said */

    struct kernel_request requests[KERNEL_REQUESTS];
    unsigned n;
    unsigned counts[KERNEL_METHODS]; /* of those that were whole */
    char log[8192];                  /* lines of the loop's */
};

/* `answers` of the token endpoint; NULL: there is none. */
void kernel_open(struct kernel_kit *k, const char *const *answers);
/* As kernel_open, but that its allocations may fail already. */
void kernel_open_failing(struct kernel_kit *k, const char *const *answers, size_t n);
/* A plain channel to it; `options` may be NULL. */
void kernel_dial(struct kernel_kit *k, const struct belay_channel_options *options);
void kernel_close(struct kernel_kit *k);

void kernel_turn(struct kernel_kit *k);
void kernel_a_while(struct kernel_kit *k);
void kernel_forward(struct kernel_kit *k, int64_t ms);
/* At most 20 seconds. */
void kernel_until(struct kernel_kit *k, const bool *done);
void kernel_until_n(struct kernel_kit *k, const int *count, int n);
void kernel_until_requests(struct kernel_kit *k, enum kernel_method method, unsigned n);

/* The last of that kind. */
const struct kernel_request *kernel_last(const struct kernel_kit *k, enum kernel_method method);
/* On the last session: a keep-alive; its end with that status. */
void kernel_keep(struct kernel_kit *k);
void kernel_end(struct kernel_kit *k, int status);
/* Answers one that was left without. */
void kernel_answer(struct kernel_kit *k, const struct kernel_request *r);
void kernel_hang_up(struct kernel_kit *k);

#endif
