/* SPDX-License-Identifier: MIT */
/*
 * A rig: one world, one pool in it, and every call on the pool made through here, so that the
 * oracle (oracle.c) sees what was asked and what came back. Scenarios and histories are written
 * against it.
 *
 * The oracle knows the network as its hosts see it, the calls and callbacks, the trace and the
 * statistics; of the pool's code it knows nothing. What it finds wrong ends the run through
 * sim_fail.
 */
#ifndef TEST_SIM_RIG_H
#define TEST_SIM_RIG_H

#include "sim/history_items.h"
#include "sim/world.h"

enum sim_ask_state {
    ASK_WAITING,
    ASK_LEASED,
    ASK_FAILED,
    ASK_CANCELLED,
    ASK_RELEASED,
    ASK_TAKEN,
    ASK_REVOKED, /* its lease ended with the pool */
    ASK_STATES
};

struct sim_rig;

struct sim_target {
    struct bl_list link;
    struct sim_rig *rig;
    struct sim_host *host;
    struct belay_endpoint *endpoint;
    struct belay_peer *peer;
    uint64_t answered; /* asks that came to an end */
    int key; /* targets of one host with different keys share no connection; 0: not said */
    uint64_t clear_mark;  /* connections up to this number were cleared */
    uint64_t revoke_mark; /* ... at once, their leases revoked */
};

/* One acquire, from the call to the end of its lease. */
struct sim_ask {
    struct bl_list link;    /* of the rig: all that were made */
    struct bl_list pending; /* of the rig: waiting or leased */
    struct sim_rig *rig;
    struct sim_target *target;
    enum sim_ask_state state;
    uint64_t seq;
    bool fresh, urgent, tried; /* tried: try_acquire */
    const char *tag, *place;
    bool leaked;  /* on_leak told so */
    bool blocked; /* acquire_wait: it was given some time before it returned */
    uint64_t asked_ns, deadline_ns, answered_ns, answered_turn;
    struct belay_waiter *waiter;
    struct belay_lease lease;
    struct sim_seen *seen; /* what it stands on */
    uint64_t mark;         /* moment of asking */
    uint64_t rounds;       /* of failed dials at its host, before it came */
    bool was_new;          /* nobody had used it before */
    struct belay_error error;
    uint64_t hold_until_ns;                       /* histories */
    void (*then)(struct sim_ask *ask, void *arg); /* in the callback */
    void *then_arg;
    /* talking over a plain stream (sim_talk) */
    bool talking, talked, talk_failed;
    char line[32];
    size_t heard;
};

/* A connection as its states and the hooks tell it. */
struct sim_told {
    struct bl_list link; /* of the rig */
    uint64_t id;
    struct sim_host *host;
    bool dialing, up, gone; /* of the trace */
    bool used;
    struct sim_target *target; /* of the hooks */
    int created, closed, reused;
    int cleared; /* 1 gently, 2 at once */
    enum belay_reason reason;
    int told_reason; /* what its connector was told; 0: nothing yet */
};

/* Extremes of an option since the pool was opened: what was decided under another value may still show. */
struct sim_range {
    int64_t least, most;
};

struct sim_rig {
    struct sim_world *w;
    struct belay_pool *pool;
    struct belay_http *http; /* http_rig.c: its pool is the one */
    struct bl_list gets;
    size_t upload;                     /* bytes of a POST's body; 0: as http_rig.h says */
    unsigned pauses;                   /* per cent of what comes to requests */
    struct belay_pool_options opened;  /* numbers alone, as they were given */
    struct belay_pool_options options; /* effective */
    struct belay_dial_options dial;
    struct belay_tls *tls;
    struct bl_list targets, asks, pending;
    struct bl_list taken;    /* streams that left the pool */
    struct bl_list cleanups; /* sim_rig_later */
    uint64_t next_seq;
    int in_call;           /* a call of belay's is under way */
    uint64_t waits_failed; /* refused by the pool, or at a limit of their own: nobody knows */
    int waits;             /* blocking calls under way: they are not asks yet */
    bool closing, draining, closed, abandoned;
    uint64_t closing_turn, closed_turn;
    void (*then_closed)(struct sim_rig *rig, void *arg);
    void *then_arg;
    bool wires;   /* connections are wires (form 1), not fakes */
    bool lax;     /* hosts are shared by targets, or dials race: no exact counting */
    bool lenient; /* allocations fail: an ENOMEM is no surprise */
    enum sim_sabotage sabotage;

    /* hooks (rig_hooks.c) */
    bool no_hooks;                                     /* the pool is opened without */
    bool asks_health;                                  /* with health_check */
    void (*then_hook)(struct sim_rig *rig, void *arg); /* in each hook */
    void *hook_arg;
    struct bl_list told; /* connections */
    uint64_t told_created, told_closed[BELAY_REASONS_N], told_reused, told_leaks, gone, revoked;
    uint64_t asked; /* health_check */

    /* limits while they change (oracle_limits.c) */
    int conns, dialing, total_allowed, dials_allowed;
    struct sim_range idle_ms, life_ms, uses, jitter, total_limit, host_limit, retries, delay_ms,
        waiters;
    uint64_t changed_turn, changed_ns; /* 0: as they were opened with */
    bool suspended;
    uint64_t suspended_turn;

    /* counted from what was seen */
    uint64_t given, refused;
    uint64_t lent_id, passed_over_id; /* oracle_choice.c */
    uint64_t lost_waits; /* given to one who blocked, and revoked before that one returned */
    uint64_t
        evict_excused_ns; /* until when an eviction needs no other reason (descriptors ran out) */
    uint64_t reasons[BELAY_REASONS_N], stages[BELAY_STAGES_N];
    struct belay_pool_stats last;
    uint64_t checks;
    jmp_buf *bail; /* out-of-memory runs leave a scenario here */
};

/* Which allocation fails (0: none), alone or with all that follow. */
struct sim_short_memory {
    size_t n;
    bool onwards;
};

/* Makes a world and its loop; w->loop is NULL when there was no memory for it. */
struct sim_rig *sim_rig_new(uint64_t seed, struct sim_short_memory memory, bool verbose);
/* Closes what is open, waits for it, and checks that nothing is left. */
void sim_rig_finish(struct sim_rig *rig);
/* The same by ending the loop alone: pool, leases and waiters are left to it. */
void sim_rig_abandon(struct sim_rig *rig);
/* Runs it when the rig finishes, the last first: so scenarios close and let go of what is theirs. */
void sim_rig_later(struct sim_rig *rig, void (*fn)(void *arg), void *arg);
void sim_rig_free(struct sim_rig *rig); /* also after a failure: then memory is not given back */

/* Opens the pool; connector fake unless options->connector.ops or rig->wires says otherwise. */
int sim_rig_open(struct sim_rig *rig, const struct belay_pool_options *options);
void sim_rig_close(struct sim_rig *rig);
void sim_rig_drain(struct sim_rig *rig);

/* A host with a line server and a target for it; the target alone. */
struct sim_host *sim_rig_host(struct sim_rig *rig, const char *name);
struct sim_target *sim_target_new(struct sim_rig *rig, struct sim_host *host);
struct sim_target *sim_target_with(struct sim_rig *rig, struct sim_host *host,
                                   const struct belay_endpoint_options *options);

/* NULL when refused; *ret_code (may be NULL) says why. */
struct sim_ask *sim_acquire(struct sim_target *target, int64_t timeout_ms, bool fresh,
                            int *ret_code);
struct sim_ask *sim_acquire_with(struct sim_target *target,
                                 const struct belay_acquire_options *options, int *ret_code);
struct sim_ask *sim_try_acquire(struct sim_target *target, int *ret_code);
struct sim_ask *sim_acquire_wait(struct sim_target *target, int64_t timeout_ms, int *ret_code);
int sim_release(struct sim_ask *ask, enum belay_release how);
void sim_cancel(struct sim_ask *ask);
void sim_rig_close_taken(struct sim_rig *rig);
int sim_take(struct sim_ask *ask); /* the stream is closed by sim_rig_finish, if not before */
/* Says a line and waits for its echo: ask->talked or ask->talk_failed. Wires only. */
void sim_talk(struct sim_ask *ask);
/* The talk is over: callbacks off, and the lease given back as it deserves. */
void sim_hang_up(struct sim_ask *ask);

/* rig_pool.c: the pool as a whole. Of the options those that are not 0 are changed. */
int sim_set_options(struct sim_rig *rig, const struct belay_pool_options *changes,
                    struct belay_error *error);
void sim_clear(struct sim_rig *rig, struct sim_target *target,
               enum belay_clear how); /* NULL: all */
void sim_suspend(struct sim_rig *rig);
void sim_resume(struct sim_rig *rig);
void sim_network_changed(struct sim_rig *rig);
/* Leases that have ended by themselves, as they should have, are the rig's to forget. */
void sim_forget_stale(struct sim_rig *rig, struct sim_target *target);

/* rig_options.c */
void sim_options_change(struct belay_pool_options *o, const struct belay_pool_options *changes);
void sim_options_read(struct sim_rig *rig); /* rig->options: no limit is the largest number */

/* rig_hooks.c */
extern const struct belay_pool_callbacks sim_hooks;
struct sim_told *sim_told_of(struct sim_rig *rig, uint64_t conn_id);         /* NULL: none */
void sim_hooks_check(struct sim_rig *rig, const struct belay_pool_stats *s); /* when all is quiet */
void sim_hooks_end(struct sim_rig *rig);                                     /* the pool is gone */

struct sim_ask *sim_oldest(struct sim_rig *rig, struct sim_target *target,
                           enum sim_ask_state state);
unsigned sim_waiting(struct sim_target *target); /* at its host */
unsigned sim_count(struct sim_rig *rig, struct sim_target *target, enum sim_ask_state state);
unsigned sim_count_pending(struct sim_rig *rig); /* waiting or leased */
void sim_rig_stats(struct sim_rig *rig, struct belay_pool_stats *stats);

/* ---- expectations of scenarios ---- */

void sim_expect_failed(struct sim_rig *rig, const char *file, int line, const char *what);
#define SIM_EXPECT(rig, condition)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            sim_expect_failed(rig, __FILE__, __LINE__, #condition);                                \
    } while (0)

struct sim_scenario {
    const char *name;
    void (*run)(struct sim_rig *rig);
};
#define SIM_SCENARIO(f)                                                                            \
    {                                                                                              \
        .name = #f, .run = (f)                                                                     \
    }
/* 0, or -1 with the failure in `text`; *ret_failures: allocations that did fail. */
int sim_scenario_run(const struct sim_scenario *scenario, struct sim_short_memory memory,
                     bool verbose, size_t *ret_failures, char *text, size_t size);

/* ---- the oracle ---- */

void sim_oracle_attach(struct sim_rig *rig);
/* Whether it was there when its peer was cleared, gently or at once. */
bool sim_is_cleared(const struct sim_rig *rig, const struct sim_seen *seen, bool at_once);
/* oracle_dials.c */
void sim_oracle_dialed(struct sim_rig *rig, struct sim_seen *seen);
void sim_oracle_dial_failed(struct sim_seen *seen, enum belay_error_kind kind, void *rig);
void sim_oracle_asked(struct sim_ask *ask);
void sim_oracle_left(struct sim_ask *ask); /* it waits no more, whatever it got */
void sim_oracle_told_failure(struct sim_ask *ask);
void sim_oracle_queues(struct sim_rig *rig); /* when all is quiet */
/* oracle_limits.c */
void sim_limits_attach(struct sim_rig *rig);
void sim_limits_changed(struct sim_rig *rig);
void sim_limits_check(struct sim_rig *rig, const struct belay_pool_stats *s); /* after each turn */
void sim_limits_quiet(struct sim_rig *rig,
                      const struct belay_pool_stats *s); /* when all is quiet */
/* oracle_wakeups.c */
void sim_oracle_wakeups(struct sim_rig *rig,
                        const struct belay_pool_stats *s); /* when all is quiet */
/* oracle_choice.c */
void sim_oracle_chosen(struct sim_rig *rig, const struct sim_seen *seen);
void sim_oracle_passed_over(struct sim_rig *rig);
void sim_oracle_evicted(struct sim_rig *rig, const struct sim_seen *seen);

void sim_oracle_stats(struct sim_rig *rig, const struct belay_pool_stats *s); /* at any time */
void sim_oracle_counts(struct sim_rig *rig,
                       const struct belay_pool_stats *s);          /* when all is quiet */
void sim_oracle_given(struct sim_ask *ask);                        /* a lease was given */
void sim_oracle_refused(struct sim_ask *ask);                      /* or an error */
void sim_oracle_back(struct sim_ask *ask, enum belay_release how); /* the lease has ended */
void sim_oracle_closed(struct sim_rig *rig);                       /* the pool is gone */

#endif
