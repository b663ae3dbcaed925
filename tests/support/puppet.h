/* SPDX-License-Identifier: MIT */
/*
 * A connector on strings: it writes down every down-call, and makes the up-calls that the test
 * asks for, in both forms. What its fields say is done at once; the rest is the test's.
 */
#ifndef TEST_SUPPORT_PUPPET_H
#define TEST_SUPPORT_PUPPET_H

#include "belay/connector.h"
#include "support/test.h"

#define PUPPET_CONNS_MAX 128

struct puppet_conn {
    struct belay_conn *conn; /* NULL once it is closed, or failed to open */
    uint64_t id;
    struct puppet *puppet;
    unsigned opens, cancels, closes, checks, acquires, releases;
    enum belay_reason reason; /* of the close */
    bool has_stream;          /* at the close or cancel */
};

struct puppet {
    struct belay_connector connector;
    struct belay_connector_ops ops;
    int capacity;     /* above 0: open_done at once; below: with capacity 0; 0: the test does it */
    int fail;         /* code: open_failed at once */
    int check_result; /* of checks answered at once */
    bool final;       /* failures are */
    bool check_later, close_later, cancel_later;
    unsigned n; /* connections so far */
    struct puppet_conn conns[PUPPET_CONNS_MAX];
};

/* Form 2; or over a stream. All down-calls are there: a test takes away what it wants missing. */
void puppet_init(struct puppet *p);
void puppet_init_session(struct puppet *p);

struct puppet_conn *puppet_of(struct belay_conn *conn);
/* The n-th connection, from 0; it must have been opened. */
struct puppet_conn *puppet_conn(struct puppet *p, unsigned n);
unsigned puppet_live(const struct puppet *p); /* neither closed nor failed */

void puppet_up(struct puppet_conn *c, int capacity);
void puppet_fail(struct puppet_conn *c, int code);
void puppet_lose(struct puppet_conn *c, int code);
void puppet_closed(struct puppet_conn *c);
/* An error as a connector makes one. */
struct belay_error puppet_error(int code, enum belay_stage stage);

#endif
