/* SPDX-License-Identifier: MIT */
/* A session with the kernel of the tests, and an owner that remembers what it was told. */
#ifndef TEST_NET_SESSION_KIT_H
#define TEST_NET_SESSION_KIT_H

#include "kernel_kit.h"
#include "service/chronicle_session.h"

extern struct kernel_kit session_k;

struct session_owner {
    struct bl_chronicle_session *session;
    int checks, kept, ends;
    bool refused, checked, ended;
    struct belay_error error;
    /* What to do. */
    bool connects; /* when it was checked */
    bool frees_in_check, frees_in_end;
    int frees_at; /* keep-alive */
};

/* The kernel, a channel to it, and a session that has not begun: "the-id", "tester", "1.2". */
void session_open(struct session_owner *o);
void session_close(struct session_owner *o);
void session_drop(struct session_owner *o);
/* Until the stream is open at the kernel. */
void session_connect(struct session_owner *o);
bool session_holds(const struct kernel_request *r, const char *bytes, size_t len);
void session_on_checked(const struct belay_error *error, void *owner);

#endif
