/* SPDX-License-Identifier: MIT */
/*
 * Ports that stay the test's own. A port that is free may become anybody's at any time: of another
 * test's server, or of a connection, be it the one that dials it. One that a socket is bound to is
 * given to nobody, and refuses who dials it; others of this test may be bound to it as well, and
 * one of them may listen.
 */
#ifndef TEST_SUPPORT_PLACE_H
#define TEST_SUPPORT_PLACE_H

#include <sys/socket.h>

/* A socket bound to `addr`, non-blocking; port 0 becomes the one it got. */
int place_bind(struct sockaddr *addr, socklen_t len);
/* To any port of 127.0.0.1. */
int place_take(int *ret_port);

#endif
