/* SPDX-License-Identifier: MIT */
/*
 * Supervisors over a loop in virtual time, with toys for children, and a journal of all that is
 * asked of them and told: words in order, and "@250" where time has moved (milliseconds since the
 * beginning).
 *
 *     start a, stop a, kill a, free a    what the supervisor does with a toy
 *     a ok, a EIGNORED                   what a belay_supervisor_fn was told
 *     exit NAME shutdown, closed         on_exit, on_closed
 */
#ifndef TEST_KEEP_SUPERVISOR_KIT_H
#define TEST_KEEP_SUPERVISOR_KIT_H

#include "belay/supervisor.h"
#include "support/failing_alloc.h"
#include "unit/loop/fake_world.h"

struct kit {
    struct failing_alloc alloc;
    struct fake_world world;
    struct belay_loop *loop;
    struct belay_supervisor *supervisor;
    uint64_t noted_ns;
    char journal[16384];
    char log[4096]; /* the last lines at level warn and above */
    bool quiet;     /* nothing is written down */
};

struct toy {
    struct kit *kit;
    char name[12];
    /* A letter for each start, the last one for all that follow: u up at once, l answered later by
     * the test, i ignores, f fails, r refuses (start returns an error). */
    const char *starts;
    char on_stop; /* n ends now, l after stop_ms, x never */
    int64_t stop_ms;
    bool unkillable; /* it has no kill */
    bool hardy;      /* and where it has, that does not help */
    struct belay_timer *timer;
    struct belay_child *child; /* from start to its end */
    unsigned starts_n, stops_n, kills_n, frees_n;
    void (*hook)(struct toy *toy, const char *what); /* "start", "stop", "free"; may be NULL */
};

void kit_begin(struct kit *k);
/* The same with a loop whose memory may fail; false: there was none for the loop. */
bool kit_begin_failing(struct kit *k, size_t n);
/* Ends the loop and looks at what is left of memory. */
void kit_end(struct kit *k);
/* A supervisor in k->supervisor, whose end is written down. Options are changed by the test. */
struct belay_supervisor_options kit_options(struct kit *k, enum belay_strategy strategy);
void kit_open(struct kit *k, enum belay_strategy strategy);
void kit_settle(struct kit *k);
void kit_pass(struct kit *k, int64_t ms);
void kit_note(struct kit *k, const char *format, ...) BELAY_PRINTF(2, 3);
void assert_journal(struct kit *k, const char *want); /* and forgets it */

void kit_on_exit(struct belay_supervisor *supervisor, struct belay_exit why, void *kit);
void kit_on_closed(void *kit);
void kit_told(const char *id, const struct belay_error *error, void *kit);

void toy_init(struct toy *toy, struct kit *k, const char *name);
struct belay_child_spec toy_spec(struct toy *toy, enum belay_restart restart);
/* Starts it under k->supervisor, and settles; it must be taken. */
void toy_start(struct toy *toy, enum belay_restart restart);
/* Answers, and settles. */
void toy_up(struct toy *toy);
void toy_fails(struct toy *toy, int code);
void toy_ends(struct toy *toy, enum belay_exit_kind kind);
/* As many toys as there are letters, by these names, permanent, under k->supervisor; the journal is
 * emptied. */
void toys_start(struct toy *toys, struct kit *k, const char *names);

#endif
