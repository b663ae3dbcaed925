/* SPDX-License-Identifier: MIT */
/*
 * belay/process.h - a process: state, a mailbox, and a behaviour that connects, disconnects, backs
 * off and answers calls. After Elixir's Connection behaviour, with what its users went to gen_statem
 * for. examples/tcp_connection.c is the seed's own example.
 *
 * A behaviour is a table of callbacks; each returns a directive (belay/directive.h). One callback
 * runs at a time, each to its end, whether the process lives on its loop or, with `own_thread`, on a
 * thread of its own; directives, messages and timers are the same for both. What the callbacks may
 * call is not: on the loop, whatever does not wait (a connect that takes time returns
 * belay_do_pending() and goes on with belay_process_resume; no message is handled in between, as in
 * the seed, where connect blocks, unless serve_while_connecting); on a thread of its own, whatever
 * blocks, belay's `_wait` calls and what says ANY THREAD, and nothing else of belay's. A behaviour
 * that keeps to what says ANY THREAD, and has its waiting done elsewhere (belay_loop_post,
 * belay_process_resume), serves both as it is.
 *
 * terminate is where a process frees its state. One that is killed does not come to it: then
 * on_exit may free it (belay_process_get_state), on the loop at once, and on a thread of its own only
 * what no callback can be using: one that still blocks is abandoned, not stopped.
 *
 * ANY THREAD may call, cast, send, reply, ask for the state, ref and unref; all else is the loop
 * thread's, and that of the process's own callbacks.
 */
#ifndef BELAY_PROCESS_H
#define BELAY_PROCESS_H

#include "belay/backoff.h"
#include "belay/directive.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_process;
struct belay_call;     /* one pending belay_process_call */
struct belay_monitor;  /* one belay_process_monitor */
struct belay_registry; /* belay/registry.h */
struct belay_from_table;

/* Who called: a value that may be kept, and answered later. */
struct belay_from {
    struct belay_from_table *table;
    uint32_t slot, generation;
};

/* Of a process, as belay knows it: what its last directive made of it. */
enum belay_process_state {
    BELAY_PROCESS_STARTING = 1, /* init is not done */
    BELAY_PROCESS_DISCONNECTED,
    BELAY_PROCESS_CONNECTING,  /* connect runs, or is pending */
    BELAY_PROCESS_CONNECTED,   /* connect returned ok */
    BELAY_PROCESS_BACKING_OFF, /* until the next connect */
    BELAY_PROCESS_DISCONNECTING,
    BELAY_PROCESS_ENDED,
};
BELAY_API const char *belay_process_state_name(enum belay_process_state state);

/*
 * The behaviour; it must outlive its processes. `state` is what init left with
 * belay_process_set_state, at first the `args` of start. A message or info that a callback does not
 * take (belay_message_take) is destroyed when it has returned. What is NULL does as said.
 */
struct belay_behaviour {
    size_t size;
    const char *name; /* for logs and errors */
    /* ok, connect, backoff, ignore, stop, pending. NULL: ok. After stop and ignore terminate is not
     * called: free what was made. */
    struct belay_directive (*init)(struct belay_process *process, void *args);
    /* ok, backoff, stop, pending. info: of the directive, or BELAY_TAG_BACKOFF. NULL: ends the
     * process with BELAY_EUNHANDLED (bad_connect). */
    struct belay_directive (*connect)(struct belay_process *process, struct belay_message *info,
                                      void *state);
    /* connect, backoff, noconnect, stop, pending. NULL: BELAY_EUNHANDLED (bad_disconnect). */
    struct belay_directive (*disconnect)(struct belay_process *process, struct belay_message *info,
                                         void *state);
    /* reply, noreply, connect, disconnect, postpone, stop. NULL: BELAY_EUNHANDLED (bad_call). */
    struct belay_directive (*handle_call)(struct belay_process *process,
                                          struct belay_message *message, struct belay_from from,
                                          void *state);
    /* noreply, connect, disconnect, postpone, stop. NULL: BELAY_EUNHANDLED (bad_cast). */
    struct belay_directive (*handle_cast)(struct belay_process *process,
                                          struct belay_message *message, void *state);
    /* As handle_cast: what was sent, timeouts, exits and downs. NULL: noreply. */
    struct belay_directive (*handle_info)(struct belay_process *process,
                                          struct belay_message *message, void *state);
    /* The last call, unless init failed; also where a pending init was given up. NULL: nothing. */
    void (*terminate)(struct belay_process *process, struct belay_exit why, void *state);
    /* It becomes the behaviour of a running process: 0, having adapted the state (and set another,
     * if need be), or an error: then the former stays. NULL: 0. */
    int (*code_change)(struct belay_process *process, const struct belay_behaviour *former,
                       void *extra, void *state);
    /* The state in words, for belay_process_status and the log of an abnormal end (`ending`):
     * writes at most size bytes, terminated. NULL: nothing is said of it. */
    void (*format_status)(struct belay_process *process, bool ending, char *out, size_t size,
                          void *state);
    /* About to sleep for long: give back what can be made again. NULL: nothing. */
    void (*hibernate)(struct belay_process *process, void *state);
};

enum belay_mailbox_full {
    BELAY_MAILBOX_REFUSE = 0, /* refuse: call, cast and send return BELAY_EAGAIN */
    BELAY_MAILBOX_DROP_OLDEST, /* the oldest cast or message goes; never a call, a timer or an exit */
};

struct belay_process_options {
    size_t size;
    const char *name;                /* registered, unique; unregistered at the end; NULL: none */
    struct belay_registry *registry; /* where; NULL: the loop's own */
    bool own_thread;                 /* callbacks run on a thread of the process's own */
    int32_t stack_size;              /* in bytes, of that thread; zero: the system's */
    bool trap_exit;                  /* exits of linked processes come as messages */
    bool serve_while_connecting;     /* messages are handled while connect is pending */
    bool sync_connect;               /* where init returns connect, starting is done when that has
                                        returned, whatever it did, and not with init */
    bool debug;                      /* every event of this process is logged, at level debug */
    int64_t start_timeout_ms;        /* BELAY_FOREVER; then it is ended: BELAY_ETIMEDOUT */
    int32_t mailbox_max;             /* 1,024 messages */
    enum belay_mailbox_full mailbox_full;
    const struct belay_backoff_options *backoff; /* of its failures; NULL: the defaults */
    /* At its end, after terminate; `why` as in belay_exit. It may be NULL. Runs once if start
     * returned 0, whatever became of it, and before on_closed. */
    void (*on_exit)(struct belay_process *process, struct belay_exit why, void *arg);
    void *exit_arg;
};
BELAY_OPTIONS_INIT(belay_process_options)

/* ---- starting ---- */

/* With the process (the callee's reference, to be unref'd, beside that of ret_process; NULL if it did
 * not start), and the error: BELAY_EIGNORED when init ignored. */
typedef void belay_process_started_fn(struct belay_process *process,
                                      const struct belay_error *error, void *arg);

/*
 * Starts a process; init runs in a later turn, or on its thread. fn (may be NULL) runs once when
 * init is done (sync_connect: when the first connect has returned), before any message is handled
 * and, without sync_connect, before connect is called. *ret_process (may be NULL) is a reference to
 * it at once: messages may be sent already. `options` may be NULL. `args` are the behaviour's; when
 * this call fails they are still the caller's.
 *
 * LOOP THREAD (BELAY_ENOTSUP on another).
 *
 * BELAY_EEXISTS  the name is taken
 * BELAY_EINVAL (`error` names the option), BELAY_ENOMEM, BELAY_EOS (no thread), BELAY_ECLOSED
 */
BELAY_API int belay_process_start(struct belay_loop *loop, const struct belay_behaviour *behaviour,
                                  void *args, const struct belay_process_options *options,
                                  struct belay_process **ret_process, belay_process_started_fn *fn,
                                  void *arg, struct belay_error *error);
/* The same, linked to `parent`: when one of the two ends other than normally, so does the other,
 * unless it traps exits. */
BELAY_API int belay_process_start_link(struct belay_process *parent,
                                       const struct belay_behaviour *behaviour, void *args,
                                       const struct belay_process_options *options,
                                       struct belay_process **ret_process,
                                       belay_process_started_fn *fn, void *arg,
                                       struct belay_error *error);

/* Blocks until init is done; *ret_process is a reference. What the callback's error would be.
 * ANY THREAD, see belay/loop.h. */
BELAY_API int belay_process_start_wait(struct belay_loop *loop,
                                       const struct belay_behaviour *behaviour, void *args,
                                       const struct belay_process_options *options,
                                       struct belay_process **ret_process,
                                       struct belay_error *error);
BELAY_API int belay_process_start_link_wait(struct belay_process *parent,
                                            const struct belay_behaviour *behaviour, void *args,
                                            const struct belay_process_options *options,
                                            struct belay_process **ret_process,
                                            struct belay_error *error);

/* ANY THREAD. A process goes on without references. */
BELAY_API struct belay_process *belay_process_ref(struct belay_process *process);
BELAY_API void belay_process_unref(struct belay_process *process);

/* ---- talking to it ---- */

/* The reply, to be taken or left, or NULL and the error. */
typedef void belay_process_reply_fn(struct belay_message *reply, const struct belay_error *error,
                                    void *arg);

#define BELAY_CALL_TIMEOUT_MS 5000 /* of belay_process_call with timeout 0 */

/*
 * Asks, and has fn called once with the reply, on the loop's thread. The error is BELAY_ETIMEDOUT,
 * or, at once when the process ends or has ended, BELAY_ENOPROC, with how it ended as text. A reply
 * that comes late is destroyed. timeout_ms: 0 is 5,000, BELAY_FOREVER none. *ret_call (may be NULL)
 * is for belay_call_cancel and valid until fn. On an error the message is still the caller's.
 * LOOP THREAD (BELAY_ENOTSUP on another). BELAY_EAGAIN (the mailbox is full), BELAY_ENOPROC,
 * BELAY_EINVAL (a tag below 0), BELAY_ENOMEM.
 */
BELAY_API int belay_process_call(struct belay_process *process, struct belay_message message,
                                 int64_t timeout_ms, struct belay_call **ret_call,
                                 belay_process_reply_fn *fn, void *arg);
BELAY_API void belay_call_cancel(struct belay_call *call);

/* Blocks until then; *ret_reply is the caller's, to be destroyed. The message is taken in any case.
 * ANY THREAD but the process's own (BELAY_EDEADLK), see belay/loop.h; where the process has a thread
 * of its own, another thread needs nobody to run the loop. */
BELAY_API int belay_process_call_wait(struct belay_process *process, struct belay_message message,
                                      int64_t timeout_ms, struct belay_message *ret_reply,
                                      struct belay_error *error);

/* To handle_cast, and to handle_info. ANY THREAD. BELAY_EAGAIN (the mailbox is full: the seed says
 * ok and knows nothing), BELAY_ENOPROC, BELAY_EINVAL (a tag below 0), BELAY_ENOMEM. */
BELAY_API int belay_process_cast(struct belay_process *process, struct belay_message message);
BELAY_API int belay_process_send(struct belay_process *process, struct belay_message message);

/* Answers a call; once: a second reply, or one that nobody waits for any more, is destroyed, and
 * BELAY_ESTALE returned. The message is taken in any case. ANY THREAD. */
BELAY_API int belay_from_reply(struct belay_from from, struct belay_message reply);
/* Whether somebody still waits. ANY THREAD. */
BELAY_API bool belay_from_waits(struct belay_from from);

/* ---- for its callbacks ---- */

BELAY_API void belay_process_set_state(struct belay_process *process, void *state);
BELAY_API void *belay_process_get_state(const struct belay_process *process);
BELAY_API struct belay_loop *belay_process_loop(const struct belay_process *process);
/* After belay_do_pending(): the directive that the callback would have returned. ANY THREAD; the
 * directive takes effect in a later turn. It may come before the callback has returned. BELAY_EINVAL
 * when nothing is pending, or was resumed already: the directive is still the caller's. It speaks
 * for what is pending now: what a connect has begun that was given up is to be cancelled. */
BELAY_API int belay_process_resume(struct belay_process *process, struct belay_directive directive);
/* How often in a row connect has returned backoff; 0 after ok. */
BELAY_API int32_t belay_process_attempts(const struct belay_process *process);
/* What the policy of the options says for this failure: for belay_do_backoff. BELAY_FOREVER when its
 * attempts are spent. Of connect, disconnect and init. */
BELAY_API int64_t belay_process_next_backoff(struct belay_process *process);
/* Why the connection could not be made: logged at level warn with the delay, and the text of
 * belay_process_last_error, until connect returns ok. */
BELAY_API void belay_process_connect_failed(struct belay_process *process,
                                            const struct belay_error *error);
BELAY_API bool belay_process_last_error(const struct belay_process *process,
                                        struct belay_error *error);

/* ---- from outside ---- */

/* ANY THREAD. */
BELAY_API enum belay_process_state belay_process_get_connection_state(
    const struct belay_process *process);
BELAY_API bool belay_process_is_alive(const struct belay_process *process);

/* fn runs once: 0 when the process is in that state (now, or as soon as it is), BELAY_ETIMEDOUT, or
 * BELAY_ENOPROC when it ended. LOOP THREAD (BELAY_ENOTSUP on another). BELAY_ENOMEM,
 * BELAY_EINVAL. */
typedef void belay_process_state_fn(int result, void *arg);
BELAY_API int belay_process_wait_until(struct belay_process *process,
                                       enum belay_process_state state, int64_t timeout_ms,
                                       belay_process_state_fn *fn, void *arg);
/* ANY THREAD but its own. */
BELAY_API int belay_process_wait_until_wait(struct belay_process *process,
                                            enum belay_process_state state, int64_t timeout_ms);

/*
 * Ends it: terminate runs with `kind` and `error` as soon as the callback that runs has returned
 * (a pending one is given up), ahead of the mailbox. After limit_ms (BELAY_FOREVER: never) it counts
 * as killed without terminate (0: at once); what an own thread still does then is abandoned, and
 * waited for by the end of the loop, its state with it. What it waits for by belay's means (_wait)
 * ends at once with BELAY_ECLOSED, until terminate runs. fn (may be NULL) runs once it has ended. LOOP
 * THREAD. May be called again: the first who says how is heard, the nearest limit holds, and a new
 * fn takes the place of the former.
 */
BELAY_API void belay_process_stop(struct belay_process *process, enum belay_exit_kind kind,
                                  const struct belay_error *error, int64_t limit_ms, belay_fn *fn,
                                  void *arg);
BELAY_API int belay_process_stop_wait(struct belay_process *process, enum belay_exit_kind kind,
                                      int64_t limit_ms);

/* Replaces the behaviour between two messages; fn (may be NULL): what code_change returned, or
 * BELAY_ENOPROC. LOOP THREAD. BELAY_ENOPROC, BELAY_ENOMEM, BELAY_EINVAL. */
BELAY_API int belay_process_change_code(struct belay_process *process,
                                        const struct belay_behaviour *behaviour, void *extra,
                                        belay_process_state_fn *fn, void *arg);

/* What it is doing, in words of several lines; of an own thread, format_status is asked between two
 * callbacks, and left out where one runs. Like snprintf. LOOP THREAD. */
BELAY_API size_t belay_process_status(struct belay_process *process, char *out, size_t size);

struct belay_process_stats {
    size_t size;
    enum belay_process_state state;
    uint32_t mailbox, mailbox_peak; /* messages now, and the most there have been */
    uint32_t postponed;
    uint64_t calls, casts, infos; /* handled */
    uint64_t connects, disconnects, backoffs;
    uint64_t dropped; /* messages, for a full mailbox */
    uint64_t hibernations;
    int32_t attempts;
};
BELAY_OPTIONS_INIT(belay_process_stats)
BELAY_API void belay_process_get_stats(const struct belay_process *process,
                                       struct belay_process_stats *stats);

/*
 * ---- links and monitors ----
 *
 * ANY THREAD, where nothing else is said. As in OTP: an exit signal NORMAL is ignored; any other
 * ends whom it reaches in the same way, by way of terminate; who traps exits gets a message instead.
 * But the end of the parent that start_link was given ends its child in any case.
 */

/* Value of BELAY_TAG_EXIT and BELAY_TAG_DOWN: who ended (a pointer to compare, not to use), how. */
struct belay_exit_signal {
    const struct belay_process *process;
    struct belay_exit why;
};
#define belay_down belay_exit_signal

/* Both of one loop. Linking to one that has ended sends BELAY_EXIT_ERROR with BELAY_ENOPROC.
 * BELAY_ENOMEM, BELAY_EINVAL (two loops, or itself). */
BELAY_API int belay_process_link(struct belay_process *a, struct belay_process *b);
BELAY_API void belay_process_unlink(struct belay_process *a, struct belay_process *b);
/* An exit signal: as if something linked to it had ended so. KILLED cannot be trapped, and ends it
 * without terminate; those linked to it can trap that. BELAY_ENOMEM. */
BELAY_API int belay_process_exit(struct belay_process *process, struct belay_exit why);

/* fn runs once, in a later turn, when it ends, or has ended (BELAY_ENOPROC as an ERROR). *ret_monitor
 * is for belay_monitor_cancel and valid until then. LOOP THREAD (BELAY_ENOTSUP on another).
 * BELAY_ENOMEM, BELAY_EINVAL. */
typedef void belay_monitor_fn(struct belay_process *process, struct belay_exit why, void *arg);
BELAY_API int belay_process_monitor(struct belay_process *process, belay_monitor_fn *fn, void *arg,
                                    struct belay_monitor **ret_monitor);
/* The same as a message to another process: BELAY_TAG_DOWN. *ret_monitor is valid until that was
 * handled, or `by` has ended. BELAY_ENOPROC: it has ended already. */
BELAY_API int belay_process_monitor_by(struct belay_process *process, struct belay_process *by,
                                       struct belay_monitor **ret_monitor);
/* LOOP THREAD, and the callbacks of `by`. A message that was not handled yet is taken back. */
BELAY_API void belay_monitor_cancel(struct belay_monitor *monitor);

/* ---- for a supervisor ---- */

/*
 * `make_args` (NULL: `args` as they are) makes the args of each start; NULL from it: no memory.
 * `free_args` (may be NULL) takes back what was made for an init that was never called.
 * Options are copied. BELAY_EINVAL, BELAY_ENOMEM.
 */
typedef void *belay_process_args_fn(void *args);
BELAY_API int belay_process_child_spec(const struct belay_behaviour *behaviour, void *args,
                                       belay_process_args_fn *make_args, belay_fn *free_args,
                                       const struct belay_process_options *options,
                                       struct belay_child_spec *ret_spec,
                                       struct belay_error *error);

#ifdef __cplusplus
}
#endif

#endif
