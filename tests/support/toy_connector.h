/* SPDX-License-Identifier: MIT */
/*
 * A connector over an opened stream, complete and small: how to write one of your own.
 *
 * Its protocol: the client says "HELLO\n", the server answers "OK\n" (or anything else, which is a
 * refusal); then whoever holds a lease sends lines and gets lines back; "PING\n" is answered by
 * "PONG\n"; "BYE\n" ends it, from either side.
 */
#ifndef TEST_SUPPORT_TOY_CONNECTOR_H
#define TEST_SUPPORT_TOY_CONNECTOR_H

#include <belay/lease.h>

extern const struct belay_connector toy_connector;

/* The line that came, without its end; NULL: the connection is dead. */
typedef void toy_line_fn(const char *line, void *arg);

/* Sends a line on a connection that is leased; the next line that comes is the answer. */
int toy_ask(struct belay_lease lease, const char *line, toy_line_fn *fn, void *arg);

#endif
