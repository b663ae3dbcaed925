/* SPDX-License-Identifier: MIT */
/*
 * belay/loop.h - the event loop, belay's own or the caller's: turns, timers, watches, posts,
 * offload, log.
 *
 * Functions that end in _wait block. On the loop's own thread they turn the loop until they have
 * their answer; in a callback of the loop, and where the loop is the caller's, they return
 * BELAY_EDEADLK. On another thread they hand over to the loop and sleep; where nobody runs the loop
 * they return BELAY_ENOTRUNNING at once. (A process's own thread, belay/process.h, waits until
 * somebody does.)
 *
 * Time is monotonic and stands still during a turn. The end of a turn runs what is due, then what
 * was posted, then flushes what was written, so that writes of a turn leave together.
 */
#ifndef BELAY_LOOP_H
#define BELAY_LOOP_H

#include "belay/error.h"
#include "belay/world.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_loop;
struct belay_timer;
struct belay_watch;

enum belay_log_level {
    BELAY_LOG_DEFAULT = 0, /* warn */
    BELAY_LOG_OFF,
    BELAY_LOG_ERROR,
    BELAY_LOG_WARN,
    BELAY_LOG_INFO,
    BELAY_LOG_DEBUG,
};

/*
 * One line, without newline. `tag` names the part ("pool", "dial", "tls", ...). Secrets never get
 * here. It is told in the middle of things, as traces are: neither calls anything of belay's.
 */
typedef void belay_log_fn(enum belay_log_level level, const char *tag, const char *line, void *arg);

/*
 * A change of state of an object: what it is ("conn", "pool", "waiter", ...), its number, unique in
 * the loop, its name, its states by name, and the cause. `from` is NULL when it is made, `to` when
 * it is gone.
 */
struct belay_trace {
    uint64_t now_ns;
    const char *noun;
    uint64_t id;
    const char *name;
    const char *from, *to;
    const char *cause;
};
typedef void belay_trace_fn(const struct belay_trace *trace, void *arg);

struct belay_loop_options {
    size_t size;
    const struct belay_world *world; /* NULL: the defaults */
    void *uv_loop;                   /* a uv_loop_t of the caller's to live on; NULL: belay's own */
    belay_log_fn *on_log;            /* NULL: nothing is logged */
    void *log_arg;
    enum belay_log_level log_level;
    belay_trace_fn *on_trace; /* NULL: none */
    void *trace_arg;
    const char *dns_servers;     /* "192.0.2.1,[2001:db8::1]:5353"; NULL: the system's */
    const char *hosts_file;      /* NULL: the system's */
    int64_t dns_timeout_ms;      /* of one transmission; 1,000 */
    int32_t dns_tries;           /* transmissions per server; 4 */
    int32_t dns_cache_max;       /* names kept; 1,024, BELAY_NONE: no cache */
    int32_t offload_threads_max; /* 4 */
    int32_t offload_queue_max;   /* 1,024 waiting */
};
BELAY_OPTIONS_INIT(belay_loop_options)

/*
 * Makes a loop; `options` may be NULL. It belongs to the thread that makes it.
 *
 * BELAY_EINVAL  an option is out of range; `error` names it
 * BELAY_ENOMEM, BELAY_EMFILE, BELAY_EOS
 */
BELAY_API int belay_loop_new(const struct belay_loop_options *options, struct belay_loop **ret_loop,
                             struct belay_error *error);

/*
 * Closes what is still open on the loop (each object's on_closed runs), then ends it. Supervisors
 * end first, with all that they keep (belay/supervisor.h), then processes; meanwhile nothing new
 * can be opened, and all else goes on. Then timers and watches stop at once and are freed with the
 * loop; posts and works that were accepted still run.
 * On a caller's uv_loop_t it completes while that loop runs, and that loop does not end by itself
 * before; `on_closed` (may be NULL) runs once.
 */
BELAY_API void belay_loop_close(struct belay_loop *loop, void (*on_closed)(void *arg), void *arg);

/*
 * The same, and returns when it is done: turns the loop itself. Only for loops of belay's own;
 * elsewhere, and in a callback of the loop, it is belay_loop_close without on_closed. References to
 * what belongs to the loop (belay/base.h, law 6) must have been given back.
 */
BELAY_API void belay_loop_free(struct belay_loop *loop);

/*
 * Turns until belay_loop_stop, or until nothing is left that could ever happen: no open object,
 * timer, watch, post or offloaded work. Returns 0 (also when stopped), BELAY_EDEADLK in a callback
 * of the loop, BELAY_ENOTSUP where the loop is the caller's.
 */
BELAY_API int belay_loop_run(struct belay_loop *loop);

/* One turn, waiting at most timeout_ms for something to do (0, or BELAY_FOREVER). Errors as above.
 */
BELAY_API int belay_loop_turn(struct belay_loop *loop, int64_t timeout_ms);

/* Makes the current or next belay_loop_run return after its turn. Any thread. */
BELAY_API void belay_loop_stop(struct belay_loop *loop);

/*
 * One descriptor to nest the loop in another: readable when belay_loop_turn(loop, 0) has something
 * to do. It stays the loop's. BELAY_ENOTSUP where the loop is the caller's, BELAY_EMFILE,
 * BELAY_EOS.
 */
BELAY_API int belay_loop_descriptor(struct belay_loop *loop);

/*
 * The network is another one (a laptop woke up, a VPN came up): forgets looked-up names and failed
 * addresses, closes idle connections of its pools and caches (reason `cleared`), those in use at
 * their release, and dials anew for whoever waits, without waiting for a backoff.
 */
BELAY_API void belay_loop_network_changed(struct belay_loop *loop);

/* Where its memory comes from (belay/world.h), as long as it lives: for what is built on it. ANY
 * THREAD. */
BELAY_API const struct belay_allocator *belay_loop_allocator(const struct belay_loop *loop);

/* The time of this turn, in milliseconds of the monotonic clock. */
BELAY_API int64_t belay_loop_now_ms(struct belay_loop *loop);

/*
 * Runs `fn(arg)` on the loop's thread, in a later turn, in order of posting. ANY THREAD.
 * BELAY_ENOMEM, BELAY_ECLOSED.
 */
typedef void belay_fn(void *arg);
BELAY_API int belay_loop_post(struct belay_loop *loop, belay_fn *fn, void *arg);

/*
 * Runs `work(arg)` on a worker thread, then `done(arg)` on the loop's. `done` always runs, also
 * after belay_loop_close was called. BELAY_EFULL (offload_queue_max), BELAY_ENOMEM, BELAY_ECLOSED.
 */
BELAY_API int belay_loop_offload(struct belay_loop *loop, belay_fn *work, belay_fn *done,
                                 void *arg);

/*
 * A timer, stopped at first. `start` with a delay counts from now (a call outside a turn reads the
 * clock anew) and replaces an earlier start; BELAY_FOREVER never comes. It fires once. Neither
 * start nor stop fails. After stop or free the callback does not run.
 */
BELAY_API int belay_timer_new(struct belay_loop *loop, belay_fn *fn, void *arg,
                              struct belay_timer **ret_timer);
BELAY_API void belay_timer_start(struct belay_timer *timer, int64_t delay_ms);
BELAY_API void belay_timer_stop(struct belay_timer *timer);
BELAY_API void belay_timer_free(struct belay_timer *timer);

/*
 * Watches a descriptor of the caller's for BELAY_READABLE and BELAY_WRITABLE, level-triggered. An
 * error or hang-up shows as all that is watched for. The descriptor must stay open until stop (mask
 * 0) or free. BELAY_ENOMEM, BELAY_EINVAL (not a descriptor that can be watched).
 */
typedef void belay_watch_fn(unsigned events, void *arg);
BELAY_API int belay_watch_new(struct belay_loop *loop, int fd, unsigned mask, belay_watch_fn *fn,
                              void *arg, struct belay_watch **ret_watch);
BELAY_API int belay_watch_set(struct belay_watch *watch, unsigned mask);
BELAY_API void belay_watch_free(struct belay_watch *watch);

/* Level of one tag, or with NULL of all. BELAY_ENOMEM. */
BELAY_API int belay_log_set_level(struct belay_loop *loop, const char *tag,
                                  enum belay_log_level level);

/*
 * "info", "pool=debug,tls=off": as in the environment variable BELAY_LOG. BELAY_EINVAL,
 * BELAY_ENOMEM.
 */
BELAY_API int belay_log_set_levels(struct belay_loop *loop, const char *levels);

#ifdef __cplusplus
}
#endif

#endif
