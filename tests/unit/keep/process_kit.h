/* SPDX-License-Identifier: MIT */
/*
 * Processes on a loop of the fake world, in virtual time. An actor is the state of a process whose
 * behaviour does what the test wrote down, and writes down what it was called with.
 */
#ifndef TEST_KEEP_PROCESS_KIT_H
#define TEST_KEEP_PROCESS_KIT_H

#include "base/error.h"
#include "keep/process.h"
#include "keep/registry.h"
#include "support/failing_alloc.h"
#include "unit/loop/fake_world.h"

#define ACTOR_SAYS_MAX 16
#define ACTOR_LOG_MAX  1024

struct process_kit {
    struct failing_alloc alloc;
    struct fake_world world;
    struct belay_loop *loop;
    char log[4096]; /* what the loop logged, "level: line" by line */
};

struct actor {
    struct process_kit *kit;
    struct belay_process *process; /* a reference, after actor_start */
    struct belay_directive says[BL_PR_CALLBACKS][ACTOR_SAYS_MAX];
    unsigned says_n[BL_PR_CALLBACKS], said_n[BL_PR_CALLBACKS];
    char log[ACTOR_LOG_MAX]; /* "init connect:1 call:2 ..." since actor_saw */
    struct belay_from froms[ACTOR_SAYS_MAX];
    unsigned froms_n;
    void (*during)(struct actor *actor, enum bl_pr_callback callback,
                   struct belay_message *message);
    struct belay_behaviour behaviour;
    struct belay_process_options options;
    /* what was told of it */
    unsigned started, exited, stopped;
    int start_code; /* 0, or how it did not start */
    char start_text[BELAY_ERROR_TEXT_MAX];
    struct belay_exit exit;
    struct belay_error exit_error;
};

struct asked { /* a call */
    unsigned told;
    int code;
    int32_t tag;
    char text[BELAY_ERROR_TEXT_MAX];
};

void process_kit_begin(struct process_kit *k);
/* Closes the loop, and finds that all memory and every message is gone. */
void process_kit_end(struct process_kit *k);
void process_kit_settle(struct process_kit *k); /* turns until nothing is left to do now */
void process_kit_pass(struct process_kit *k, int64_t ms);

/* A message that must be destroyed exactly once. */
struct belay_message counted(int32_t tag);
unsigned counted_made(void);

/* Default: init ok, connect ok, disconnect noconnect, call replies its own tag, noreply. */
void actor_init(struct actor *a, struct process_kit *k);
/* The next time that this callback is called it returns that. */
void actor_says(struct actor *a, enum bl_pr_callback callback, struct belay_directive directive);
/* Starts it, and checks that it is accepted; init has not run yet. */
void actor_start(struct actor *a);
/* The same, and init is done. */
void actor_begin(struct actor *a);
void actor_forget(struct actor *a); /* the reference */
/* What it was called with since this was asked last. */
#define actor_saw(a, expected) actor_saw_((a), (expected), __FILE__, __LINE__)
void actor_saw_(struct actor *a, const char *expected, const char *file, int line);
void actor_is(const struct actor *a, enum belay_process_state state);
/* It has ended so; `code` of an error, or 0. */
void actor_ended(const struct actor *a, enum belay_exit_kind kind, int code);

void call(struct actor *a, int32_t tag, struct asked *asked);
void cast(struct actor *a, int32_t tag);
void info(struct actor *a, int32_t tag);
/* Calls, and has the reply now. */
int32_t ask(struct actor *a, int32_t tag);

struct belay_process_stats stats_of(const struct actor *a);
struct belay_error error_of(int code, const char *text);

#endif
