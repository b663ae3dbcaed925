/* SPDX-License-Identifier: MIT */
/*
 * A loop in virtual time with a name server on strings, and works that wait until the test has one
 * done: no socket, as far as names are looked up, and no thread.
 */
#ifndef TEST_CONN_CONN_WORLD_H
#define TEST_CONN_CONN_WORLD_H

#include "belay/endpoint.h"
#include "support/failing_alloc.h"
#include "support/fake_dns.h"
#include "unit/loop/fake_world.h"

#define CONN_WORKS_MAX 16

struct conn_world {
    struct failing_alloc alloc;
    struct fake_world world;
    struct fake_dns dns;
    struct belay_offload offload;
    struct {
        void (*work)(void *item);
        void *item;
    } works[CONN_WORKS_MAX]; /* not begun; beyond them there is no room */
    unsigned works_n;
    struct belay_loop *loop;
};

void conn_world_set_up(struct conn_world *w);
/* Fails when memory or a question is left. */
void conn_world_tear_down(struct conn_world *w);
/* Turns without letting time pass, until nothing is to be done. */
void conn_world_settle(struct conn_world *w);
void conn_world_pass(struct conn_world *w, int64_t ms);
/* Does the oldest work; false when there is none. */
bool conn_world_work(struct conn_world *w);
struct belay_endpoint *conn_world_endpoint(struct conn_world *w, const char *url);

#endif
