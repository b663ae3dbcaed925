/* SPDX-License-Identifier: MIT */
/*
 * The loop as the floors above see it: time, timers, tasks, watches, flushes, and the world it
 * carries. Everything is embedded in its owner and never allocates after init, except bl_timer_init
 * (heap room).
 */
#ifndef BL_LOOP_LOOP_H
#define BL_LOOP_LOOP_H

#include "base/blocks.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "belay/loop.h"

/* Room that an upper floor asks for in the loop; freed, last floor first, when the loop ends. */
enum bl_loop_room {
    BL_ROOM_NET,
    BL_ROOM_FAILURES,
    BL_ROOM_TLS,
    BL_ROOM_CONN,
    BL_ROOM_ENDPOINT,
    BL_ROOM_PROCESS,
    BL_ROOM_REGISTRY,
    BL_ROOM_SUPERVISOR,
    BL_ROOM_HTTP,
    BL_ROOMS_N
};

struct bl_object;

/* At the end of a loop objects of a lower rank are closed when those of higher ones have ended. */
enum bl_rank {
    BL_RANK_THING,      /* what others use */
    BL_RANK_PROCESS,    /* runs code that uses them */
    BL_RANK_SUPERVISOR, /* keeps others, and ends them in its own order */
    BL_RANKS_N
};

struct bl_loop_rooms {
    void *ptr;
    void (*free)(struct belay_loop *loop, void *ptr);
    /* What was learned of the network is void; as for objects below. NULL: nothing was. */
    void (*network_changed)(struct belay_loop *loop, void *ptr);
};

/* What must not run inside the caller's call; see bl_task_post. */
struct bl_task {
    struct bl_list link;
    belay_fn *fn;
    void *arg;
};

struct belay_loop {
    struct bl_mem mem;
    struct bl_mem brief; /* for what lives briefly, and on the loop's thread: out of blocks */
    struct bl_blocks blocks;
    struct bl_log log;
    struct bl_rand rand;
    uint64_t hash_key[2];
    uint8_t secret_key[32]; /* HMAC key of secrets within connection keys */

    struct belay_clock clock;
    struct belay_random random;
    struct belay_transport transport;
    struct belay_offload offload;
    struct belay_backend backend;
    const struct belay_dns *dns; /* NULL: net makes the default one */

    uint64_t now_ns;
    bool now_stale;     /* a turn has begun or ended since the clock was read */
    bool in_turn;       /* between belay_backend_begin and the end of belay_backend_end */
    bool turning;       /* inside bl_turn */
    bool hosted;        /* the loop is the caller's */
    bool closing;       /* belay_loop_close was called: nothing new is opened */
    bool shutting;      /* and what ends first has ended: timers, watches, posts are no more */
    bool ended;         /* nothing is left on it; what follows is bl_loop_end */
    bool detaching;     /* bl_loop_end has begun: no more turns */
    bool watch_changed; /* a watch was started since the last poll */
    bool driven;        /* belay_loop_turn was called: somebody turns it bit by bit */
    bool *gone;         /* of bl_turn: becomes true when the loop is freed under it */
    uint64_t next_id;

    struct bl_heap timers;
    uint64_t deadline_set;       /* what the backend was told */
    struct bl_list tasks;        /* to run in this turn or the next */
    struct bl_list flushes;      /* to run at the end of the turn */
    struct bl_list objects;      /* open objects: what keeps belay_loop_run going */
    uint32_t ranked[BL_RANKS_N]; /* of them, by rank */
    uint32_t users;              /* user timers that are started, user watches, offloaded works */
    struct bl_list user_timers, user_watches; /* every belay_timer and belay_watch that was made */
    struct bl_task close_again; /* closes what is left, and what was made while closing */

    struct bl_loop_rooms rooms[BL_ROOMS_N];
    char *scratch; /* one read buffer for all streams: BL_SCRATCH_SIZE bytes */

    belay_trace_fn *on_trace;
    void *trace_arg;
    struct belay_loop_options options; /* effective; strings are copies */

    struct bl_loop_threads
        *threads;             /* posts, offload, waits: what other threads touch (threads.h) */
    struct bl_nest *nest;     /* the one descriptor, when asked for */
    struct bl_guards *guards; /* guard.h; made when the first is put on */
    void (*on_closed)(void *arg);
    void *closed_arg;
};

#define BL_SCRATCH_SIZE 65536

/* ---- time ---- */

/* The time of this turn. The first call outside a turn reads the clock; later ones repeat it. */
static inline uint64_t bl_now(struct belay_loop *loop)
{
    if (BL_UNLIKELY(loop->now_stale)) {
        loop->now_ns = loop->clock.now_ns(loop->clock.arg);
        loop->now_stale = false;
    }
    return loop->now_ns;
}
/* The same, but reads the clock at every call outside a turn: for arming what counts from this
 * moment. */
uint64_t bl_now_fresh(struct belay_loop *loop);

static inline int64_t bl_wall_ms(struct belay_loop *loop)
{
    return loop->clock.wall_ms(loop->clock.arg);
}

#define BL_MS(ms) ((uint64_t)(ms)*1000000u)

/* now + ms, or BELAY_NEVER for INT64_MAX (what BELAY_FOREVER resolves to) and for overflow. */
uint64_t bl_after_ms(uint64_t now_ns, int64_t ms);

/* ---- timers ---- */

/*
 * Lazy: moving the deadline later, and stopping, touch no heap; the entry fires early, finds out
 * and goes back. So a timer that is restarted at every request costs two stores.
 */
struct bl_timer {
    struct bl_heap_entry entry;
    uint64_t want; /* BELAY_NEVER when stopped */
    belay_fn *fn;
    void *arg;
};

int bl_timer_init(struct bl_timer *timer, struct belay_loop *loop, belay_fn *fn,
                  void *arg); /* BELAY_ENOMEM */
void bl_timer_fini(struct bl_timer *timer,
                   struct belay_loop *loop); /* harmless on zeroed memory, or twice */
void bl_timer_at(struct bl_timer *timer, struct belay_loop *loop,
                 uint64_t at_ns); /* BELAY_NEVER stops */
static inline void bl_timer_stop(struct bl_timer *timer)
{
    timer->want = BELAY_NEVER;
}
static inline bool bl_timer_active(const struct bl_timer *timer)
{
    return timer->fn && timer->want != BELAY_NEVER;
}

/* ---- tasks: what must not run inside the caller's call ---- */

static inline void bl_task_init(struct bl_task *task, belay_fn *fn, void *arg)
{
    bl_list_init(&task->link);
    task->fn = fn;
    task->arg = arg;
}
/* Runs once, soon, from the loop; posting again before that is harmless. Never fails. */
void bl_task_post(struct belay_loop *loop, struct bl_task *task);
static inline void bl_task_cancel(struct bl_task *task)
{
    bl_list_remove(&task->link);
}
static inline bool bl_task_posted(const struct bl_task *task)
{
    return bl_list_linked(&task->link);
}
/* The same at the end of the turn, after all tasks: for flushing what was written. */
void bl_flush_post(struct belay_loop *loop, struct bl_task *task);

/* ---- works: what blocks, on a worker thread ---- */

/*
 * belay_loop_offload with its memory made ahead, so that starting needs none: for what must be done
 * at the end, also while the loop is closing. One run at a time; `done` may start the next.
 * BELAY_EFULL, or BELAY_ENOMEM where there is no thread yet and none can be had.
 */
struct bl_work;
struct bl_work *bl_work_new(struct belay_loop *loop);
void bl_work_free(struct bl_work *work); /* while it does not run */
int bl_work_start(struct bl_work *work, belay_fn *fn, belay_fn *done, void *arg);

/* ---- mail: what another thread has for the loop ---- */

/*
 * Embedded in what it is about, so that posting never fails; runs once, on the loop's thread, in a
 * later turn, in order of posting. Not to be posted again before that. Unlike belay_loop_post it is
 * taken while the loop is closing, too: whoever expects mail keeps an object open till it has come.
 */
struct bl_mail {
    struct bl_list link;
    void (*run)(struct bl_mail *mail, struct belay_loop *loop);
};
void bl_mail_post(struct belay_loop *loop, struct bl_mail *mail); /* any thread */

/* ---- watches ---- */

struct belay_backend_slot {
    struct belay_loop *loop;
    void *handle; /* the backend's; NULL when not watched */
    int fd;
    unsigned mask;
    void (*fn)(unsigned events, void *arg);
    void *arg;
};

static inline void bl_watch_init(struct belay_backend_slot *w, struct belay_loop *loop, int fd,
                                 belay_watch_fn *fn, void *arg)
{
    w->loop = loop;
    w->handle = NULL;
    w->fd = fd;
    w->mask = 0;
    w->fn = fn;
    w->arg = arg;
}
int bl_watch_set(struct belay_backend_slot *w, unsigned mask); /* mask 0 stops; never fails for 0 */

/* ---- objects ---- */

/* What every open object is to its loop: something to be closed at the end, with a number for the
 * trace. */
struct bl_object {
    struct bl_list link;
    uint64_t id;
    const char *noun;
    uint8_t rank;                            /* enum bl_rank */
    void (*close)(struct bl_object *object); /* at belay_loop_close; may be called again */
    /* belay_loop_network_changed, after the rooms have forgotten. Must call nobody back: what does
       comes from a task. NULL after bl_object_init: it does not mind. */
    void (*network_changed)(struct bl_object *object);
};

void bl_object_init(struct bl_object *object, struct belay_loop *loop, const char *noun,
                    void (*close)(struct bl_object *object));
void bl_object_fini(struct bl_object *object, struct belay_loop *loop); /* it is gone */
/* Of another rank than a thing: until all such have ended the loop goes on as it was, but that
 * nothing new can be opened. */
void bl_object_set_rank(struct bl_object *object, struct belay_loop *loop, enum bl_rank rank);

#define BL_TRACE(loop, noun_, id_, name_, from_, to_, cause_)                                      \
    do {                                                                                           \
        if (BL_UNLIKELY((loop)->on_trace != NULL))                                                 \
            bl_trace(loop, noun_, id_, name_, from_, to_, cause_);                                 \
    } while (0)
void bl_trace(struct belay_loop *loop, const char *noun, uint64_t id, const char *name,
              const char *from, const char *to, const char *cause);

#define bl_loop_log(loop, tag, level, ...) BL_LOG(&(loop)->log, tag, level, __VA_ARGS__)

/* ---- waiting ---- */

/*
 * What _wait calls stand on. `start(call)` begins the operation on the loop's thread (returns 0 and
 * completes with bl_wait_done later, or an error at once); `cancel(call)` ends it early, after
 * which bl_wait_done is not called. `call` lives on the waiter's stack: bl_wait returns only when
 * the loop can no longer touch it. Returns what bl_wait_done was given, or the error of `start`,
 * BELAY_ETIMEDOUT, BELAY_EDEADLK (the loop's thread: inside a callback, or the loop is the
 * caller's), BELAY_ENOTRUNNING (another thread: nobody runs the loop, or it was stopped meanwhile)
 * or BELAY_ECLOSED. A timeout below 0 is no limit. ANY THREAD. The caller sets loop, start and
 * cancel, `certain` perhaps, and zero in the rest.
 *
 * The loop counts as run by belay_loop_run and by a bl_wait on its own thread while they last; for
 * ever once belay_loop_turn or belay_loop_descriptor was called; always where it is the caller's.
 */
struct bl_wait {
    struct belay_loop *loop;
    int (*start)(struct bl_wait *wait);
    void (*cancel)(struct bl_wait *wait);
    int result;
    bool certain; /* never interrupted (bl_waits_interrupt): it soon ends by itself */
    bool done;
    struct bl_parked *parked; /* wait.c: the sleeping thread; NULL on the loop's own */
};
int bl_wait(struct bl_wait *wait, int64_t timeout_ms);
void bl_wait_done(struct bl_wait *wait, int result); /* loop's thread */
/* Who waits is another thread. */
static inline bool bl_wait_is_elsewhere(const struct bl_wait *wait)
{
    return wait->parked != NULL;
}

/*
 * What another thread asks of the waits of one that is belay's own: they sleep where nobody runs
 * the loop until somebody does, and can be interrupted: then those under way, and all that follow
 * until they are allowed again, end with BELAY_ECLOSED.
 */
struct bl_patience {
    bool interrupted; /* with the lock of threads.h */
};
void bl_wait_patiently(struct bl_patience *patience); /* this thread, from now on */
void bl_waits_interrupt(struct belay_loop *loop, struct bl_patience *patience); /* any thread */
void bl_waits_allow(struct belay_loop *loop, struct bl_patience *patience);

/* ---- the end of a turn, for loop.c and tests ---- */
void bl_loop_changed(
    struct belay_loop *loop); /* something was armed outside a turn: the nest fd must tell */

#endif
