/* SPDX-License-Identifier: MIT */
/*
 * belay/message.h - what processes (belay/process.h) send each other: a tagged value with its
 * destructor. Whoever has one has to see to its destructor, which runs exactly once; a function that
 * takes one and returns an error has not taken it.
 */
#ifndef BELAY_MESSAGE_H
#define BELAY_MESSAGE_H

#include "belay/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_message {
    int32_t tag; /* what it is: numbers of the behaviour's own, from 0 up; belay's are negative */
    void *value;
    void (*destroy)(void *value); /* NULL: nothing is to be done; any thread */
};

/* Tags of belay's own. */
enum belay_tag {
    BELAY_TAG_TIMEOUT = -1, /* handle_info: no message for the time that a directive said */
    BELAY_TAG_BACKOFF = -2, /* connect: the backoff's time has come */
    BELAY_TAG_EXIT = -3,    /* handle_info, with trap_exit: value is a struct belay_exit_signal */
    BELAY_TAG_DOWN = -4,    /* handle_info: a monitored process ended: struct belay_down */
};

static inline struct belay_message belay_message(int32_t tag, void *value, void (*destroy)(void *))
{
    struct belay_message m;
    m.tag = tag;
    m.value = value;
    m.destroy = destroy;
    return m;
}

/* A tag alone. */
static inline struct belay_message belay_message_tag(int32_t tag)
{
    return belay_message(tag, NULL, NULL);
}

/* Out of where it is, for whoever keeps it; what stays there has no destructor any more. */
static inline struct belay_message belay_message_take(struct belay_message *message)
{
    struct belay_message m = *message;
    message->destroy = NULL;
    return m;
}

static inline void belay_message_destroy(struct belay_message *message)
{
    struct belay_message m = belay_message_take(message);
    if (m.destroy)
        m.destroy(m.value);
}

#ifdef __cplusplus
}
#endif

#endif
