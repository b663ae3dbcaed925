/* SPDX-License-Identifier: MIT */
/*
 * A naive model of the pool's policy: it keeps what everybody was told, and judges each decision
 * by rereading all of it. It shares no code with the policy; only test_pool_model.c drives both.
 */
#ifndef TEST_KEEP_POLICY_MODEL_H
#define TEST_KEEP_POLICY_MODEL_H

#include "keep/pool_policy.h"
#include "support/test.h"

#define PM_PEERS   3
#define PM_CONNS   16
#define PM_WAITERS 40
#define PM_MS(ms)  ((uint64_t)(ms)*1000000u)

enum pm_state { PM_NONE, PM_DIALING, PM_OPEN, PM_CHECKING, PM_CLOSING };

struct pm_conn {
    struct bl_pp_conn pp; /* the policy's: the model does not look into it */
    struct bl_conn_facts facts;
    enum pm_state state;
    int peer, leases, uses;
    uint64_t up_at, idle_since, round;
    bool broken, cleared, can_check, check_failed, lost_in_use;
    bool checked; /* rests since before the check, but was looked at later */
};

struct pm_waiter {
    struct bl_pp_waiter pp;
    bool waiting, doomed;
    int peer, code;
    bool fresh;
    uint64_t arrival, since, round;
};

struct pm_peer {
    int expected, failures;
    uint64_t round, retry_at, first_dial, opened_at, failed_at;
    struct belay_pool_stats counts;
};

struct pm {
    struct bl_pp_limits limits;
    uint64_t now, pause_until, arrivals;
    bool closed;
    bool out_of_descriptors; /* one eviction is justified by it */
    struct pm_peer peers[PM_PEERS];
    struct pm_conn conns[PM_CONNS];
    struct pm_waiter waiters[PM_WAITERS];
};

void pm_init(struct pm *m, const struct bl_pp_limits *limits);

/* What the world did. */
void pm_waits(struct pm *m, struct pm_waiter *w, int peer, bool fresh);
void pm_leaves(struct pm *m, struct pm_waiter *w);
void pm_releases(struct pm *m, struct pm_conn *c, bool broken);
void pm_opens(struct pm *m, struct pm_conn *c);
void pm_fails(struct pm *m, struct pm_conn *c, int code);
void pm_gone(struct pm *m, struct pm_conn *c, enum belay_reason reason);

/* What the policy decided: the test fails when it must not have. */
void pm_lent(struct pm *m, struct pm_conn *c, struct pm_waiter *w); /* w NULL: without waiting */
void pm_not_lent(struct pm *m, int peer);
void pm_dialled(struct pm *m, struct pm_conn *c, int peer);
void pm_failed(struct pm *m, struct pm_waiter *w, int code);
void pm_checks(struct pm *m, struct pm_conn *c);
void pm_closes(struct pm *m, struct pm_conn *c, enum belay_reason reason);
void pm_settled(struct pm *m); /* nothing more was decided: nothing more was to be */

int pm_count(const struct pm *m, int peer, enum pm_state state); /* peer -1: all */
int pm_waiting(const struct pm *m, int peer);
void pm_stats(const struct pm *m, int peer, struct belay_pool_stats *ret);

#endif
