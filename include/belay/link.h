/* SPDX-License-Identifier: MIT */
/*
 * belay/link.h - one connection to a *service*, kept up for ever: its address is looked up anew at
 * every attempt, so when one copy of the service dies, the link finds the next. After Jane Street's
 * Persistent_connection.
 *
 *     struct belay_link_options o = belay_link_options_init();
 *     o.server_name = "catalog";
 *     o.on_event = on_event;
 *     belay_link_open(source, &o, &link, &error);
 *     ...
 *     struct belay_lease lease;
 *     if (belay_link_current(link, &lease) == 0)
 *         belay_stream_write(belay_lease_stream(lease), "hello\n", 6);
 *
 * When it dials. The delay between two attempts counts from start to start: a connection that lived
 * for longer than the delay is dialled again at once when it dies, one that flaps is throttled to
 * one attempt per delay. Of the addresses that the source gives it takes the first; after every
 * failure and every disconnect it moves on to the one behind the last, wherever that stands in the
 * new answer. A connection whose peer has said that it will close (belay_conn_draining) is replaced
 * before it does.
 *
 * What had come and was not consumed, as on_data left it or had paused the stream, goes with a
 * connection that is lost: its lease is stale before that is told. Who needs those bytes has a
 * connector whose `close` reads them before it says belay_conn_closed (cli/pipe_link.c does).
 *
 * Its transitions, as a table: docs/transitions.md.
 */
#ifndef BELAY_LINK_H
#define BELAY_LINK_H

#include "belay/backoff.h"
#include "belay/child.h"
#include "belay/lease.h"
#include "belay/source.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_link;
struct belay_link_waiter;       /* one pending belay_link_connected */
struct belay_link_subscription; /* one belay_link_subscribe */

/*
 * An *episode* begins with ATTEMPTING_TO_CONNECT and ends with DISCONNECTED. A move to another
 * address is told as DISCONNECTED (without an error) and, at once, all of the next episode, whose
 * connection is current already.
 */
enum belay_link_event_type {
    BELAY_LINK_ATTEMPTING_TO_CONNECT = 1, /* once per episode, not at each retry */
    BELAY_LINK_OBTAINED_ADDRESS,          /* if it is not the last of this episode again */
    BELAY_LINK_FAILED_TO_CONNECT,         /* if the error does not equal the last of this episode */
    BELAY_LINK_CONNECTED,                 /* after those who wait for it were answered */
    BELAY_LINK_DISCONNECTED,
};

struct belay_link_event {
    size_t size;
    enum belay_link_event_type type;
    struct belay_endpoint *address;  /* NULL in ATTEMPTING, and where none was obtained */
    const struct belay_error *error; /* FAILED; DISCONNECTED: why, NULL when it was closed here */
    struct belay_lease lease;        /* CONNECTED: what belay_link_current gives; stale if somebody
                                        who was told before has ended it */
    int32_t failures;                /* attempts in a row that failed, this one included */
    int64_t next_ms; /* FAILED, DISCONNECTED: until the next attempt; BELAY_FOREVER: none will be */
};

/*
 * Nothing is awaited and nothing is returned: a slow handler delays its loop, and nothing else. Who
 * closes the link in it still hears what had happened by then: CONNECTED, say, and DISCONNECTED.
 */
typedef void belay_link_event_fn(struct belay_link *link, const struct belay_link_event *event,
                                 void *arg);

/* How long from the start of this attempt to the next, in milliseconds, before retry_spread (whoever
 * has a jitter of his own sets that to BELAY_NONE); `failures`: in a row, so far. Asked once per attempt. A negative answer is taken as 0. */
typedef int64_t belay_link_delay_fn(int32_t failures, void *arg);

/* In this order docs/options.md has them as a table; a test compares. */
struct belay_link_options {
    size_t size;
    const char *server_name;               /* of the service, for logs; NULL: "service" */
    struct belay_connector connector;      /* zero: plain streams */
    const struct belay_dial_options *dial; /* NULL: the defaults */
    int64_t retry_delay_ms;                /* 10,000, from start to start of attempts */
    int32_t retry_spread;                  /* 30: per cent around the delay, at random */
    belay_link_delay_fn *retry_delay;      /* NULL: none; is asked instead of retry_delay_ms */
    void *retry_delay_arg;
    const struct belay_backoff_options *backoff; /* NULL: none; instead of the four above, with its
                                                    own jitter; when its attempts are spent the link
                                                    ends */
    int64_t attempt_timeout_ms; /* 30,000: one attempt in all, the look-up included */
    int64_t check_interval_ms;  /* BELAY_FOREVER: the connection is checked as often while up, by
                                   its connector's `check`, which must not mind that it is in
                                   use: for those without a stream */
    int64_t check_timeout_ms;   /* 5,000, for the answer to a check */
    int64_t move_interval_ms;   /* BELAY_FOREVER: while up the source is asked as often, and where
                                   the address in use is not the first of its answer any more, the
                                   link moves there: it connects first, then closes the former */
    belay_link_event_fn *on_event; /* NULL: none; hears of every event, before subscribers */
    void *event_arg;
    int32_t max_waiters; /* of belay_link_connected; 10,000 */
};
BELAY_OPTIONS_INIT(belay_link_options)

/*
 * Opens a link; the first attempt begins in the loop's next turn, and no event comes before. A
 * reference of the source is taken. Events are logged under the tag `persistent-connection-to`,
 * FAILED_TO_CONNECT at level error, the rest at info. BELAY_EINVAL: an option is out of range or
 * contradicts another, `error` names it. BELAY_ENOMEM, BELAY_ECLOSED (the loop is ending).
 */
BELAY_API int belay_link_open(struct belay_source *source, const struct belay_link_options *options,
                              struct belay_link **ret_link, struct belay_error *error);
/* The same for a service of one address: a list of one. */
BELAY_API int belay_link_open_to(struct belay_endpoint *endpoint,
                                 const struct belay_link_options *options,
                                 struct belay_link **ret_link, struct belay_error *error);

/*
 * Ends it. An attempt is cancelled, without an event; a live connection is closed, and DISCONNECTED
 * goes out; who waits is answered with BELAY_ECLOSED; then on_closed (may be NULL), last. That the
 * other side closed a connection never closes a link. One that ended by itself (of a final error, or a
 * backoff that is spent) is closed, but it is there until this is called.
 */
BELAY_API void belay_link_close(struct belay_link *link, belay_fn *on_closed, void *arg);
/* No further attempt: the link ends when its connection does (with DISCONNECTED), or now if there
 * is none, and then it is gone. The connection is left alone until then. */
BELAY_API void belay_link_close_when_current_closes(struct belay_link *link);
/* As those of pools (belay/pool.h): who did not ask for the end may watch for it. */
BELAY_API struct belay_link *belay_link_ref(struct belay_link *link);
BELAY_API void belay_link_unref(struct belay_link *link);
/* From close on, or from its end. */
BELAY_API bool belay_link_is_closed(const struct belay_link *link);
BELAY_API int belay_link_close_finished(struct belay_link *link, belay_fn *fn, void *arg);

/*
 * The connection there is now. All who ask have the same lease, which is not theirs to give back: it
 * is valid for as long as the connection is up (belay_lease_release does nothing to it, but with
 * BELAY_BROKEN ends the connection; belay_lease_take takes it, and the link dials the next). Never
 * gives one that is known to be dead. BELAY_EAGAIN: not connected; BELAY_ECLOSED.
 */
BELAY_API int belay_link_current(const struct belay_link *link, struct belay_lease *ret_lease);

/* With the lease, or with an error and a lease that is stale. */
typedef void belay_link_connected_fn(struct belay_lease lease, const struct belay_error *error,
                                     void *arg);

/*
 * Waits for the first connection from now on: fn runs once, in a later turn, before the event
 * CONNECTED goes out. It ends with BELAY_ETIMEDOUT after timeout_ms (its text says what the attempts
 * came to), BELAY_ECLOSED, or the final error that ended the link. *ret_waiter (may be NULL) is for
 * belay_link_waiter_cancel and valid until then. BELAY_EFULL (max_waiters), BELAY_ECLOSED,
 * BELAY_EINVAL, BELAY_ENOMEM.
 */
BELAY_API int belay_link_connected(struct belay_link *link, int64_t timeout_ms,
                                   struct belay_link_waiter **ret_waiter,
                                   belay_link_connected_fn *fn, void *arg);
/* The same, but the result of the next attempt that ends is the answer: connected, or its error. */
BELAY_API int belay_link_connected_or_failed(struct belay_link *link, int64_t timeout_ms,
                                             struct belay_link_waiter **ret_waiter,
                                             belay_link_connected_fn *fn, void *arg);
BELAY_API void belay_link_waiter_cancel(struct belay_link_waiter *waiter);

/*
 * Block until then; see belay/loop.h for where they may be called. ANY THREAD. On the loop's own
 * they give what belay_link_current does. Another thread gets a lease of its own (belay/lease.h),
 * which it gives back: with BELAY_REUSE the connection stays up. A connection that has ended is
 * freed, and the link's on_closed comes, when all threads have.
 */
BELAY_API int belay_link_connected_wait(struct belay_link *link, int64_t timeout_ms,
                                        struct belay_lease *ret_lease, struct belay_error *error);
BELAY_API int belay_link_connected_or_failed_wait(struct belay_link *link, int64_t timeout_ms,
                                                  struct belay_lease *ret_lease,
                                                  struct belay_error *error);

/* Tries now, if it waits to try again; no failure is forgotten. */
BELAY_API void belay_link_kick(struct belay_link *link);
/* Forgets how often it has failed; the wait that is under way is shortened to the first delay. */
BELAY_API void belay_link_reset_backoff(struct belay_link *link);

/*
 * Events from now on, also for others than on_event; in order of subscription, after on_event.
 * May be called in a callback, unsubscribing itself included. A subscription ends with the link, or
 * earlier by unsubscribe. BELAY_ENOMEM, BELAY_ECLOSED, BELAY_EINVAL (no fn or ret_subscription).
 */
BELAY_API int belay_link_subscribe(struct belay_link *link, belay_link_event_fn *fn, void *arg,
                                   struct belay_link_subscription **ret_subscription);
BELAY_API void belay_link_unsubscribe(struct belay_link_subscription *subscription);

enum belay_link_state {
    BELAY_LINK_WAITING = 1, /* for the time of the next attempt */
    BELAY_LINK_RESOLVING,   /* asks its source */
    BELAY_LINK_DIALING,
    BELAY_LINK_UP,
    BELAY_LINK_CLOSING,
    BELAY_LINK_CLOSED,
};
BELAY_API const char *belay_link_state_name(enum belay_link_state state);

struct belay_link_stats {
    size_t size;
    enum belay_link_state state;
    int32_t failures;                /* attempts in a row that failed */
    uint64_t attempts;               /* begun; candidates of a move among them */
    uint64_t connected;              /* that succeeded */
    uint64_t failed[BELAY_STAGES_N]; /* by stage; those without a stage at 0 */
    uint64_t moves;                  /* to a better address, while up */
    int64_t up_ms;                   /* since it came up; 0: it is down */
    int64_t down_ms;                 /* since it was last up, or was opened; 0: it is up */
    int64_t age_ms;                  /* since it was opened */
    int64_t total_up_ms;             /* in all: total_up_ms / age_ms is its uptime */
    int64_t next_ms;                 /* WAITING: until the next attempt; else 0 */
    uint32_t waiting;                /* for a connection */
    uint32_t subscribers;
};
BELAY_OPTIONS_INIT(belay_link_stats)
BELAY_API void belay_link_get_stats(const struct belay_link *link, struct belay_link_stats *stats);

/* The last failure or loss; false when there was none. Filled without `tried`. */
BELAY_API bool belay_link_last_error(const struct belay_link *link, struct belay_error *error,
                                     int64_t *ret_age_ms);
/* Of the connection that is up, or of the attempt under way; NULL. Lives until the next turn. */
BELAY_API struct belay_endpoint *belay_link_address(const struct belay_link *link);
BELAY_API const char *belay_link_server_name(const struct belay_link *link);
BELAY_API struct belay_loop *belay_link_loop(const struct belay_link *link);
/* The effective options, defaults filled in. */
BELAY_API void belay_link_get_options(const struct belay_link *link,
                                      struct belay_link_options *options);

/*
 * A child spec: the supervisor opens a link with these options (copied) and this source (referenced)
 * and closes it. `on_open` (may be NULL) is given each link as it is opened. A link that ended by
 * close ended normally, by a final error abnormally. BELAY_EINVAL, BELAY_ENOMEM.
 */
typedef void belay_link_open_fn(struct belay_link *link, void *arg);
BELAY_API int belay_link_child_spec(struct belay_source *source,
                                    const struct belay_link_options *options,
                                    belay_link_open_fn *on_open, void *arg,
                                    struct belay_child_spec *ret_spec, struct belay_error *error);

#ifdef __cplusplus
}
#endif

#endif
