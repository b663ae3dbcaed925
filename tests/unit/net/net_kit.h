/* SPDX-License-Identifier: MIT */
/*
 * A loop whose memory is counted, a transport that counts system calls, and blocking peers on
 * loopback to talk to. Everything a test waits for is waited for by turning the loop, up to a limit
 * that is a failure.
 */
#ifndef TESTS_UNIT_NET_KIT_H
#define TESTS_UNIT_NET_KIT_H

#include "support/test.h"

#include "belay/loop.h"
#include "loop/loop.h"
#include "net/stream.h"
#include "support/failing_alloc.h"
#include "support/steady_clock.h"

struct net_kit {
    struct failing_alloc alloc;
    struct steady_clock clock; /* the peers are turned by the test */
    struct belay_transport transport;
    struct belay_world world;
    struct belay_loop *loop;
    unsigned reads, writes, user_timeouts; /* system calls asked of the transport */
    unsigned opened, closed;
    int user_timeout_ms; /* asked for last; 0: never, or none */
    int fail_open;       /* errno that open answers with; 0: none */
    int refuse_write;    /* errno for the next writes */
    size_t write_max;    /* bytes taken by one write; 0: no limit */
    int ack_age;         /* what ack_age_ms answers; -1: the truth */
    bool no_ack_age;     /* ack_age_ms knows nothing */
    bool no_ipv6;        /* source_for and connect know no IPv6 */
};

void net_kit_set_up(struct net_kit *k);
void net_kit_set_up_options(struct net_kit *k, struct belay_loop_options *options);
/* Fails when memory or a descriptor of the transport is left. */
void net_kit_tear_down(struct net_kit *k);

/* Turns until *flag; fails after 10 s. */
void net_kit_until(struct net_kit *k, const bool *flag);
/* Turns as long as there is something to do at once. */
void net_kit_settle(struct net_kit *k);
/* Turns for so long. */
void net_kit_turn_for(struct net_kit *k, int64_t ms);

/* A listener on 127.0.0.1 (or ::1) and its address. */
int net_kit_listen(struct belay_addr *ret, int backlog);
/* A listener that is full: who connects to it gets no answer. */
struct net_kit_full {
    int fd, fillers[3];
};
void net_kit_full_open(struct net_kit_full *f, struct belay_addr *ret);
void net_kit_full_close(struct net_kit_full *f);
/* A port of 127.0.0.1 at which nobody listens, nor will: the same each time. */
uint16_t net_kit_dead_port(void);
/* A connected pair: *ret_ours for a stream, the other end, blocking with a limit, as result. */
int net_kit_pair(struct belay_addr *ret_peer, int *ret_ours);

void net_kit_send(int fd, const char *text);
/* Receives exactly len bytes, or fails. */
void net_kit_recv(int fd, char *out, size_t len);
/* Fails unless the end comes next. */
void net_kit_recv_end(int fd);

#endif
