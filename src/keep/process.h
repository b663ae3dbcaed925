/* SPDX-License-Identifier: MIT */
/*
 * The process's shell: what its files share.
 *
 *     process.c          starting, references
 *     process_options.c  options
 *     process_send.c     letters: cast, send, and what else comes into the mailbox; resume
 *     process_step.c     the executor's core: what comes next, and one callback of it
 *     process_run.c      the loop's side: steps of a process on the loop, and telling
 *     process_end.c      stopping, killing, the end of life
 *     process_status.c   statistics, status, logs
 *     process_code.c     a change of behaviour
 *     process_child.c    its child spec
 *     process_thread.c   the executor that is a thread of the process's own
 *     process_from.c     callers, and replies to them
 *     process_call.c     calls
 *     process_wait.c     who waits for a state
 *     process_links.c    links, monitors, exit signals
 *
 * Executor and loop. Callbacks run on the *executor*: the loop's thread, or the process's own.
 * Either does nothing but bl_process_step until that says that there is nothing to do. Whatever
 * goes to others (started, on_exit, waiters, links, logs) is told by the loop's side, bl_process_run,
 * on the loop's thread: the executor leaves it in `tell` and asks for a run. On the loop both are
 * one task, so that what a callback did is told in the same turn.
 *
 * The lock is held for moments, never while anything is called out, allocated or freed. Lock order:
 * the process's, then that of its table (process_from.h), then the loop's (bl_mail_post). Two
 * processes' locks are never held together.
 *
 * Whoever awaits a reply or a state is answered by the executor, at once, under the lock: `shown` is
 * set by bl_awaits_set_state, and bl_awaits_end is called when the process is marked as ended, when
 * `exit` says how.
 */
#ifndef BL_KEEP_PROCESS_H
#define BL_KEEP_PROCESS_H

#include <stdatomic.h>

#include "base/options.h"
#include "keep/mailbox.h"
#include "keep/process_from.h"
#include "keep/process_policy.h"
#include "loop/loop.h"
#include "loop/sys_thread.h"

/* What the loop has to tell of. */
enum {
    BL_TELL_STARTED = 1, /* starting is done */
    BL_TELL_NEWS = 2,    /* logs and traces */
    BL_TELL_CODE = 4,    /* changes of code that are done */
    BL_TELL_ENDED = 8,
};

struct belay_process {
    /* ---- fixed from start to end: any thread ---- */
    struct belay_loop *loop;
    struct bl_object object;          /* the loop thread's, but for its id */
    struct bl_process_thread *thread; /* the executor; NULL: the loop */
    char *name;                       /* of the options, or NULL */
    void *args;                       /* of init */
    bool trap_exit, debug;
    struct belay_backoff backoff; /* as each row of failures begins */
    atomic_uint refs;             /* one is its own, until its end was told */

    struct bl_mutex lock;

    /* ---- under the lock ---- */
    struct bl_mailbox mailbox;
    struct bl_pr policy; /* written by the executor alone, which reads it without */
    const struct belay_behaviour *_Atomic behaviour; /* likewise; its name is anybody's to read */
    struct bl_letter backoff_letter;
    struct belay_directive resumed; /* came for what is pending */
    bool may_resume, has_resumed;
    bool busy;                            /* a callback runs */
    bool asked;                           /* the loop asks for its status: nothing runs meanwhile */
    bool wanted;                          /* the executor was told that there is something to do */
    bool mailed;                          /* `mail` is on its way: it holds a reference */
    bool ending;                          /* somebody wants it to end, as `exit` says */
    bool killed;                          /* and without terminate */
    enum belay_process_state was;         /* before it ended */
    bool ended;                           /* letters are refused; nothing runs any more */
    bool held;                            /* the executor waits for the starter to be told */
    bool awaited;                         /* somebody is to be told: fixed from start to end */
    bool told;                            /* of its start */
    bool ignored;                         /* init did not want to run */
    struct belay_exit exit;               /* how it ends: fixed once it has `ended` */
    const struct belay_error *exit_error; /* `exit` points at it; or of belay_do_stop; or NULL */
    struct belay_error *last_error; /* of belay_process_connect_failed; NULL: its code alone */
    int last_code;                  /* 0: none */
    unsigned tell;                  /* BL_TELL_...: for the loop */
    struct bl_list news;            /* what the loop is to log and trace (process_status.c) */
    uint32_t news_n;
    struct bl_list codes; /* changes of code: done, to be told */
    uint64_t calls_n, casts_n, infos_n, hibernations;

    /* ---- the executor's alone ---- */
    void *state;               /* the behaviour's */
    struct belay_message info; /* of the connect or disconnect that comes next */
    struct bl_rand rand;
    uint64_t due_at;                /* when to step again though nothing came */
    enum belay_process_state noted; /* the trace knows of */
    bool failure_noted;             /* belay_process_connect_failed was called for this attempt */

    /* ---- any thread, without the lock ---- */
    struct belay_from_table *table; /* the loop's; its lock guards: */
    struct bl_awaits awaits;        /* calls and waiters */
    _Atomic int32_t shown;          /* enum belay_process_state, for others to see */

    /* ---- the loop thread's alone ---- */
    struct bl_task run;       /* bl_process_run */
    struct bl_mail mail;      /* the same, from other threads */
    struct bl_timer due;      /* due_at, on the loop */
    struct bl_timer limit;    /* limit_at */
    uint64_t limit_at;        /* until when it must have started, or ended */
    int64_t start_timeout_ms; /* INT64_MAX: none */
    bool stopping;            /* limit_at is that of belay_process_stop */
    bool running;             /* bl_process_run is */
    bool again;               /* somebody asked for another meanwhile */
    bool over;                /* its end was told */
    bool late;                /* somebody asked for it after that: `run` holds a reference */
    belay_process_started_fn *on_started; /* NULL once told */
    void *started_arg;
    void (*on_exit)(struct belay_process *process, struct belay_exit why, void *arg);
    void *exit_arg;
    belay_fn *on_stopped;
    void *stopped_arg;
    struct bl_list stop_waits;      /* of belay_process_stop_wait */
    struct bl_list links, monitors; /* process_links.c */
    struct bl_list names;           /* registry.c */
};

static inline bool bl_process_is_here(const struct belay_process *p)
{
    return p->thread == NULL; /* its executor is the loop */
}
/* Time as its executor has it: the loop's, which stands still during a turn, or the clock's. */
uint64_t bl_process_now(const struct belay_process *process);
const char *bl_process_label(
    const struct belay_process *process); /* its name, or its behaviour's */

/* A behaviour's function, where its size has room for one. */
#define BL_BEHAVIOUR_HAS(b, field)                                                                 \
    ((b)->size > offsetof(struct belay_behaviour, field) && (b)->field)

/* ---- process_options.c ---- */

extern const struct bl_option bl_process_options[];
extern const size_t bl_process_options_n;
int bl_process_options_resolve(struct belay_process_options *ret,
                               const struct belay_process_options *given,
                               struct belay_backoff *ret_backoff, struct belay_error *error);
int bl_behaviour_check(const struct belay_behaviour *behaviour, struct belay_error *error);

/* ---- process_send.c: any thread ---- */

/*
 * A letter with the user's message, which it takes when it returns 0. `from` is a call's.
 * BELAY_ENOPROC, BELAY_EAGAIN, BELAY_ENOMEM. The process is the caller's to keep alive.
 */
int bl_process_post(struct belay_process *process, enum bl_letter_kind kind,
                    const struct belay_message *message, struct belay_from from);
/* One of belay's own: kind INFO, BACKOFF or CODE, with its `release`. False: the process has ended,
 * and the letter is still the caller's. */
bool bl_process_post_own(struct belay_process *process, struct bl_letter *letter);
/* Its message and itself: destroyed, then released or freed. Without the lock. */
void bl_process_drop_letter(struct belay_process *process, struct bl_letter *letter);
void bl_directive_drop(struct belay_directive *directive);

/* There is something for the executor to do; or, for the loop to tell. Under the lock. */
void bl_process_wake(struct belay_process *process);
void bl_process_tell(struct belay_process *process, unsigned what);

/* ---- process_step.c: the executor ---- */

enum bl_step {
    BL_STEP_AGAIN, /* there may be more to do */
    BL_STEP_IDLE,  /* until bl_process_wake, or process->due_at */
    BL_STEP_ENDED, /* nothing will run any more: the thread leaves */
};
/* Does what comes next: at most one callback, without the lock. Clears `wanted` when it begins, so
 * that a wake-up after that is not lost: who sleeps looks at `wanted` under the lock first. */
enum bl_step bl_process_step(struct belay_process *process);

/* ---- process_run.c: the loop ---- */

void bl_process_run(void *process); /* the task */
void bl_process_on_mail(struct bl_mail *mail, struct belay_loop *loop);
void bl_process_on_due(void *process); /* its timer */
/* To be run soon, from any thread; with the lock. */
void bl_process_ask_run(struct belay_process *process);
void bl_process_arm_limit(struct belay_process *process, uint64_t at_ns, bool stopping);

/* ---- process_end.c ---- */

/*
 * Has it end as soon as the callback that runs has returned, ahead of the mailbox; the first who
 * says how is heard. `killed`: without terminate; where a callback runs on a thread of its own, at
 * once, and that is abandoned. Any thread. False: it has ended already.
 */
bool bl_process_finish(struct belay_process *process, enum belay_exit_kind kind,
                       const struct belay_error *error, bool killed);
/* A copy for bl_process_set_exit, NULL of NULL; without memory one that says no more than the code.
 * Made and freed without the lock. */
const struct belay_error *bl_process_copy_error(struct belay_process *process,
                                                const struct belay_error *error);
void bl_process_free_error(struct bl_mem *mem, const struct belay_error *error);
/* Under the lock: fills in `exit`; without an error that of an ERROR is BELAY_EABORTED. *error
 * becomes what was there before, to be freed; NULL: it ends with what belay_do_stop was given. */
void bl_process_set_exit(struct belay_process *process, enum belay_exit_kind kind,
                         const struct belay_error **error);
/* Under the lock: nothing runs any more; letters go to `list`, to be dropped without the lock. */
void bl_process_mark_ended(struct belay_process *process, struct bl_list *list);
void bl_process_drop_letters(struct belay_process *process, struct bl_list *list);
/* The loop's side of it: everybody is told. */
void bl_process_tell_end(struct belay_process *process);
/* Nothing of it is left but references: after its end was told, and its thread has left. */
void bl_process_release(struct belay_process *process);
void bl_process_close_object(struct bl_object *object);
void bl_process_on_limit(void *process); /* its timer */

/* ---- process_status.c ---- */

/* A line about it; on the loop at once, else left for the loop. Without the lock. */
void bl_process_log(struct belay_process *process, enum belay_log_level level, const char *format,
                    ...) BELAY_PRINTF(3, 4);
/* The same where options.debug is set. */
#define BL_PROCESS_DEBUG(process, ...)                                                             \
    do {                                                                                           \
        if (BL_UNLIKELY((process)->debug))                                                         \
            bl_process_log(process, BELAY_LOG_DEBUG, __VA_ARGS__);                                 \
    } while (0)
/* For the trace: it is in that state now, where that is news. The executor. */
void bl_process_note(struct belay_process *process, enum belay_process_state now,
                     const char *cause);
void bl_process_tell_news(struct belay_process *process);
/* The executor, before terminate: where it ends abnormally, with the state in words. */
void bl_process_log_end(struct belay_process *process, const struct belay_exit *why);
/* After connect has returned backoff. */
void bl_process_log_failure(struct belay_process *process, int64_t delay_ms);

/* ---- process_code.c ---- */

/* The executor has come to the letter; it is busy. */
enum bl_step bl_process_run_code(struct belay_process *process, struct bl_letter *letter);
void bl_process_tell_codes(struct belay_process *process);

/* ---- process_thread.c ---- */

/* Makes the thread, which steps at once. BELAY_ENOMEM, BELAY_EOS. Sets process->thread, before the
 * thread runs. */
int bl_process_thread_start(struct belay_process *process, int32_t stack_size);
void bl_process_thread_wake(struct belay_process *process); /* under the lock: `wanted` is set */
/* What its callback waits for by belay's means ends with BELAY_ECLOSED, until it is allowed again:
 * under the lock, or without. */
void bl_process_thread_interrupt(struct belay_process *process);
void bl_process_thread_allow(struct belay_process *process);
/* On the loop, after the end was told: true when the thread has left (and was joined); else it
 * calls bl_process_release when it has. */
bool bl_process_thread_end(struct belay_process *process);
/* Of the calling thread, where it is some process's own; else NULL. */
struct bl_nap *bl_process_thread_nap(void);
/* Whether the caller is the process's own thread. */
bool bl_process_thread_is_self(const struct belay_process *process);
void bl_process_thread_free(struct belay_process *process); /* at the last reference */

/* ---- process_links.c ---- */

/* belay_process_link; moreover the parent's end ends a child that traps exits. Before the child
 * runs. Any thread. */
int bl_process_link_child(struct belay_process *parent, struct belay_process *child);
/* The loop, when an end is told. */
/* Exit signals to those linked to it, downs to those who watch it. */
void bl_process_end_links(struct belay_process *process, const struct belay_exit *why);

#endif
