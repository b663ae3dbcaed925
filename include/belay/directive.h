/* SPDX-License-Identifier: MIT */
/*
 * belay/directive.h - what a behaviour's callback wants done next: its return value.
 *
 *     return belay_do_reply(belay_message_tag(OK));
 *     return belay_with_timeout(belay_do_noreply(), 500);
 *     return belay_with_reply(belay_do_disconnect(why), belay_message_tag(CLOSED));
 *
 * Which directive may come from which callback is a table (docs/transitions.md); one that makes no
 * sense there ends the process with BELAY_EBADRETURN, as the seed's bad_return_value does.
 */
#ifndef BELAY_DIRECTIVE_H
#define BELAY_DIRECTIVE_H

#include "belay/child.h"
#include "belay/message.h"

#ifdef __cplusplus
extern "C" {
#endif

enum belay_do {
    BELAY_DO_OK = 1,     /* init, connect: done, it runs; of connect: connected */
    BELAY_DO_REPLY,      /* handle_call: the reply goes out */
    BELAY_DO_NOREPLY,    /* handle_*: nothing, or the reply comes later (belay_from_reply) */
    BELAY_DO_CONNECT,    /* call connect(info), ahead of the mailbox; ends a backoff */
    BELAY_DO_DISCONNECT, /* call disconnect(info), likewise */
    BELAY_DO_BACKOFF,    /* init, connect, disconnect: connect(BELAY_TAG_BACKOFF) after that time */
    BELAY_DO_NOCONNECT,  /* disconnect: stay as it is until told */
    BELAY_DO_POSTPONE,   /* handle_*: the same message again after the next connect or disconnect */
    BELAY_DO_PENDING,    /* init, connect, disconnect: takes its time; belay_process_resume */
    BELAY_DO_IGNORE,     /* init: the process does not want to run */
    BELAY_DO_STOP,       /* terminate(why), and end */
};

struct belay_directive {
    enum belay_do what;
    bool has_reply, has_timeout, hibernate;
    int64_t backoff_ms; /* BACKOFF: BELAY_FOREVER arms no timer; 0 fires behind what is queued */
    int64_t timeout_ms; /* without a message for so long: handle_info(BELAY_TAG_TIMEOUT) */
    struct belay_message info;  /* CONNECT, DISCONNECT */
    struct belay_message reply; /* to the call that is handled, before all else */
    enum belay_exit_kind exit;  /* STOP; its error is the process's (belay_do_stop) */
};

static inline struct belay_directive belay_do(enum belay_do what)
{
    struct belay_directive d;
    memset(&d, 0, sizeof d);
    d.what = what;
    return d;
}

static inline struct belay_directive belay_do_ok(void)
{
    return belay_do(BELAY_DO_OK);
}
static inline struct belay_directive belay_do_noreply(void)
{
    return belay_do(BELAY_DO_NOREPLY);
}
static inline struct belay_directive belay_do_reply(struct belay_message reply)
{
    struct belay_directive d = belay_do(BELAY_DO_REPLY);
    d.has_reply = true;
    d.reply = reply;
    return d;
}
static inline struct belay_directive belay_do_connect(struct belay_message info)
{
    struct belay_directive d = belay_do(BELAY_DO_CONNECT);
    d.info = info;
    return d;
}
static inline struct belay_directive belay_do_disconnect(struct belay_message info)
{
    struct belay_directive d = belay_do(BELAY_DO_DISCONNECT);
    d.info = info;
    return d;
}
/* delay_ms: 0 or more, or BELAY_FOREVER; belay_process_next_backoff has one of a policy. */
static inline struct belay_directive belay_do_backoff(int64_t delay_ms)
{
    struct belay_directive d = belay_do(BELAY_DO_BACKOFF);
    d.backoff_ms = delay_ms;
    return d;
}
static inline struct belay_directive belay_do_noconnect(void)
{
    return belay_do(BELAY_DO_NOCONNECT);
}
static inline struct belay_directive belay_do_postpone(void)
{
    return belay_do(BELAY_DO_POSTPONE);
}
static inline struct belay_directive belay_do_pending(void)
{
    return belay_do(BELAY_DO_PENDING);
}
static inline struct belay_directive belay_do_ignore(void)
{
    return belay_do(BELAY_DO_IGNORE);
}

/* Ends the process in that way. `error`, for ERROR and SHUTDOWN, is copied into the process: of an
 * ERROR without one it is BELAY_EABORTED. */
struct belay_process;
BELAY_API struct belay_directive belay_do_stop(struct belay_process *process,
                                               enum belay_exit_kind kind,
                                               const struct belay_error *error);

/* OK, REPLY, NOREPLY, BACKOFF, NOCONNECT: handle_info(BELAY_TAG_TIMEOUT) if no message comes for so
 * long; it does not touch the backoff. BELAY_FOREVER: none. */
static inline struct belay_directive belay_with_timeout(struct belay_directive d,
                                                        int64_t timeout_ms)
{
    d.has_timeout = true;
    d.timeout_ms = timeout_ms;
    return d;
}
/* The same ones: give all memory back that is not needed until the next message. */
static inline struct belay_directive belay_with_hibernate(struct belay_directive d)
{
    d.hibernate = true;
    return d;
}
/* CONNECT, DISCONNECT, STOP of handle_call: the reply goes out first. One that was there is
 * destroyed. */
static inline struct belay_directive belay_with_reply(struct belay_directive d,
                                                      struct belay_message reply)
{
    if (d.has_reply)
        belay_message_destroy(&d.reply);
    d.has_reply = true;
    d.reply = reply;
    return d;
}

#ifdef __cplusplus
}
#endif

#endif
