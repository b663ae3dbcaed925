/* SPDX-License-Identifier: MIT */
/*
 * One session with a Chronicle kernel, over a channel: first the question whether the two understand
 * each other, then the Connect stream, whose keep-alives are answered one by one.
 *
 *     new --check--> checked --connect--> kept, kept, kept, ... --> ended
 *
 * The question is asked with the client's type and version and a descriptor of those messages that
 * belay itself speaks (chronicle_descriptors.h); no protocol version is claimed, as belay has none
 * of its own. A kernel that says no is a failure that is final. One that cannot be asked (it does
 * not know the method, fails, or says nothing for CHECK_MS) is taken as it is, with a line in the
 * log.
 *
 * Who made it frees it, whatever has happened, also inside one of its callbacks; then none runs any
 * more. Loop thread.
 */
#ifndef BL_SERVICE_CHRONICLE_SESSION_H
#define BL_SERVICE_CHRONICLE_SESSION_H

#include "belay/grpc.h"

#define BL_CHRONICLE_CHECK_MS    5000 /* for the answer to the question */
#define BL_CHRONICLE_ANSWER_MS   5000 /* for a keep-alive's answer to arrive */
#define BL_CHRONICLE_ANSWERS_MAX 8    /* under way; then the stream is not read on */

struct bl_chronicle_session;

struct bl_chronicle_session_options { /* copied */
    struct belay_channel *channel;    /* a reference is taken */
    const char *connection_id;
    const char *client_type, *client_version; /* NULL: "belay", and its version */
    bool skip_compatibility_check;
    /*
     * All run from the loop, never inside a call of this file. `error` NULL: they understand each
     * other, or nobody could say; else they do not, this is final, and nothing follows.
     */
    void (*on_checked)(const struct belay_error *error, void *arg);
    /* A keep-alive came, the first or a later one. */
    void (*on_kept)(void *arg);
    /* The stream is over, well or not, or an answer failed, or the question could not be sent for
     * want of memory or a channel: runs once, nothing follows. Another session may be tried. */
    void (*on_ended)(const struct belay_error *error, void *arg);
    void *arg;
};

/* Nothing is sent yet. BELAY_ENOMEM. */
int bl_chronicle_session_new(const struct bl_chronicle_session_options *options,
                             struct bl_chronicle_session **ret_session, struct belay_error *error);
/* Asks; on_checked follows, also where the question is skipped. */
void bl_chronicle_session_check(struct bl_chronicle_session *session);
/* Opens the stream, after on_checked, or without having asked; on_kept and on_ended follow. */
void bl_chronicle_session_connect(struct bl_chronicle_session *session);
/* What is under way is cancelled. NULL is fine. */
void bl_chronicle_session_free(struct bl_chronicle_session *session);

#endif
