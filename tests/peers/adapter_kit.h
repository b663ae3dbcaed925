/* SPDX-License-Identifier: MIT */
/*
 * A pool over a real server that a script has started, and which the test may stop, kill and start
 * again. What is waited for is waited for by turning the loop.
 */
#ifndef TESTS_PEERS_ADAPTER_KIT_H
#define TESTS_PEERS_ADAPTER_KIT_H

#include "support/test.h"

#include "belay/pool.h"
#include "support/failing_alloc.h"

struct adapter_kit {
    struct failing_alloc alloc;
    struct belay_world world;
    struct belay_loop *loop;
    struct belay_dial_options dial;
    struct belay_pool_options options; /* to be changed before adapter_kit_open */
    struct belay_pool *pool;
    struct belay_peer *peer;
    struct belay_error error; /* of the last acquire that failed */
    bool closed;
    unsigned ended; /* connections, and why the last one did */
    enum belay_reason reason;
    char words[BELAY_ERROR_TEXT_MAX];
};

void adapter_kit_begin(struct adapter_kit *k);
/* Takes the caller's reference of the endpoint. */
void adapter_kit_open(struct adapter_kit *k, struct belay_connector connector,
                      struct belay_endpoint *endpoint);
/* Closes the pool, if it is open, and waits for its end; leases may be out. */
void adapter_kit_close(struct adapter_kit *k);
/* Closes what is open. */
void adapter_kit_end(struct adapter_kit *k);
struct belay_endpoint *adapter_kit_endpoint(struct adapter_kit *k, const char *url);
/* An address of a type that no library knows. */
struct belay_endpoint *adapter_kit_address(struct adapter_kit *k);

/* A lease within 10 s, or the test fails with what was told. */
struct belay_lease adapter_kit_acquire(struct adapter_kit *k);
/* What acquire comes to within 10 s: 0 or a code, with k->error. */
int adapter_kit_try(struct adapter_kit *k, struct belay_lease *ret);
/* Asks, without waiting: *ret_told counts the answers. */
struct adapter_ask {
    unsigned told;
    int code;
    struct belay_lease lease;
};
void adapter_kit_ask(struct adapter_kit *k, struct adapter_ask *ask);

struct belay_pool_stats adapter_kit_stats(struct adapter_kit *k);
void adapter_kit_turn(struct adapter_kit *k);

#define ADAPTER_KIT_UNTIL(k, condition)                                                            \
    do {                                                                                           \
        int64_t end_ = belay_loop_now_ms((k)->loop) + 20000;                                       \
                                                                                                   \
        while (!(condition)) {                                                                     \
            if (belay_loop_now_ms((k)->loop) > end_)                                               \
                fail_msg("waited in vain for: %s", #condition);                                    \
            adapter_kit_turn(k);                                                                   \
        }                                                                                          \
    } while (0)

/* Each allocation of belay's fails once while a connection is opened, used, checked and closed. */
void adapter_kit_fail_allocations(struct adapter_kit *k);

/* "start", "stop" or "kill", by the script; returns when it is done. */
void server_control(const char *what);
/* What the script says: "port", "dir". */
const char *server_value(const char *name);
/* Text with {port} and {dir} filled in; lives until the next call but three. */
const char *server_text(const char *format);

/* Listens on 127.0.0.1. To each who connects it says `text`, or nothing, until it is ended. */
int mute_server_start(const char *text, int *ret_pid);
void mute_server_end(int pid);

#endif
