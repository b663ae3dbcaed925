/* SPDX-License-Identifier: MIT */
/* A loop in virtual time with a name server on strings: no socket, as far as names are looked up. */
#ifndef TEST_CONN_CONN_WORLD_H
#define TEST_CONN_CONN_WORLD_H

#include "belay/endpoint.h"
#include "support/failing_alloc.h"
#include "support/fake_dns.h"
#include "unit/loop/fake_world.h"

struct conn_world {
    struct failing_alloc alloc;
    struct fake_world world;
    struct fake_dns dns;
    struct belay_loop *loop;
};

void conn_world_set_up(struct conn_world *w);
/* Fails when memory or a question is left. */
void conn_world_tear_down(struct conn_world *w);
/* Turns without letting time pass, until nothing is to be done. */
void conn_world_settle(struct conn_world *w);
void conn_world_pass(struct conn_world *w, int64_t ms);
struct belay_endpoint *conn_world_endpoint(struct conn_world *w, const char *url);

#endif
