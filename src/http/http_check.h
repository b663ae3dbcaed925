/* SPDX-License-Identifier: MIT */
/* Whether a connection is good, found out by a request on it: before it counts as open, or later. */
#ifndef BL_HTTP_HTTP_CHECK_H
#define BL_HTTP_HTTP_CHECK_H

#include "http/session.h"
#include "wire/h1_write.h"

/* What is asked: the client's, copied from what it was given. */
struct bl_http_check {
    struct belay_http_check options; /* effective; its strings are these: */
    char method[BL_METHOD_MAX + 1];
    char path[];
};

/*
 * Asks, on a session that no exchange is on. `opening`: the connection is open when the answer is
 * good, else it has failed to open; otherwise it is checked, or lost. It may be so when this
 * returns, and the session gone.
 */
void bl_check_begin(struct bl_session *session, bool opening);
/* It is not to be awaited: the answer is this error. */
void bl_check_fail(struct bl_check *check, const struct belay_error *error);
/* Nor is this, for it is good: in use, it is asked no further. */
void bl_check_pass(struct bl_check *check);
/* Without a word; NULL is fine. Its session is about to be closed. */
void bl_check_free(struct bl_check *check);

#endif
