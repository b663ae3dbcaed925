/* SPDX-License-Identifier: MIT */
/*
 * Processes with threads of their own, on a real loop: a worker that does what it is told, and
 * threads that call it. They wait for each other by semaphores and by belay's own means; nothing
 * sleeps for a while. A worker outlives the loop: it is static.
 */
#ifndef TEST_KEEP_THREAD_KIT_H
#define TEST_KEEP_THREAD_KIT_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "belay/belay.h"
#include "support/failing_alloc.h"
#include "support/test.h"

extern struct failing_alloc alloc;
extern struct belay_loop *loop;

/* Each test has a loop; at its end all memory, and every message, is gone. */
int thread_kit_up(void **state);
int thread_kit_down(void **state);

/* A message that must be destroyed exactly once. */
struct belay_message counted(int32_t tag);

enum { ECHO = 1, KEEP, BLOCK, SELF, TALK, READ, FLOOD };

struct worker {
    sem_t entered, go; /* BLOCK, of a callback that is in the middle of something */
    struct belay_from from;
    int32_t asks;                  /* TALK: what; ECHO */
    struct belay_process *other;   /* TALK: asks it */
    struct belay_stream *stream;   /* READ */
    struct belay_endpoint *server; /* READ */
    int rc;
    atomic_int handled, terminated;
    struct belay_process *process;
    enum belay_exit_kind why; /* on_exit */
    unsigned exited;
    int told[2]; /* why others ended: the first two exits and downs, each before `entered` */
    unsigned n_told;
    bool blocks_in_init, stops_in_init;
};

extern const struct belay_behaviour worker;

/* With its own thread, and told of its end. */
struct belay_process_options options_of(struct worker *w);
void worker_init(struct worker *w);
struct belay_process *start(struct worker *w, const struct belay_process_options *o);
struct belay_process *start_thread(struct worker *w);
struct belay_process *start_on_loop(struct worker *w);
void wait_sem(sem_t *sem);

/* A thread that calls. */
struct caller {
    pthread_t thread;
    struct belay_process *process;
    int32_t tag;
    int64_t timeout_ms;
    int calls, done, rc;
};

void *call_often(void *caller);
void caller_start(struct caller *c, struct belay_process *process, int32_t tag, int calls);

#endif
