/* SPDX-License-Identifier: MIT */
/* What the files of the share have among themselves. */
#ifndef BL_KEEP_SHARE_PARTS_H
#define BL_KEEP_SHARE_PARTS_H

#include "keep/pool.h"
#include "keep/share.h"

struct bl_share {
    struct bl_list groups;
    struct bl_timer sweep;
    uint32_t running; /* loans that were not recalled, of all groups */
};

/* Where threads look for what is parked: the slots of a group. A board that was too small is kept,
 * as somebody may be looking at it. */
struct bl_board {
    struct bl_board *older;
    uint32_t capacity;
    _Atomic uint32_t n;
    _Atomic(struct bl_thread_slot *) slots[];
};

struct bl_group {
    _Atomic(struct bl_board *) board;
    atomic_bool closed;
    struct belay_peer *peer;
    struct bl_list link; /* share->groups */
    struct bl_list loans;
    struct bl_list running; /* those of them that were not recalled */
    uint32_t attachments;
    uint32_t holds; /* by those who walk its lists */
};

#define BL_HINTS 4

struct belay_attachment {
    struct bl_group *group;
    struct bl_thread_slot *hints[BL_HINTS]; /* what it had last, the last first */
    uint32_t look;                          /* where on the board it looks first */
    uint32_t patience;                      /* how often, before it asks the loop */
    uint32_t failures;                      /* times that it found nothing at once */
    struct bl_mail mail;                    /* it is detached */
};

/* ---- share.c ---- */

/* Lends to a thread what the pool has lent: on 0 *lease is the thread's. On BELAY_ENOMEM the pool
 * has it back. */
int bl_loan_begin(struct bl_group *group, struct belay_lease *lease);
/* Of the pool's; `parked`: it was idle all the time. */
void bl_loan_end(struct bl_pool_conn *conn, enum belay_release how, bool parked);

/* The group of a peer, made at need. BELAY_ENOMEM. */
int bl_group_get(struct belay_peer *peer, struct bl_group **ret);
/* Frees it when nobody is attached, nothing is lent, and nobody walks its lists. */
void bl_group_settle(struct bl_group *group);
static inline void bl_group_hold(struct bl_group *group)
{
    group->holds++;
}
static inline void bl_group_let_go(struct bl_group *group)
{
    group->holds--;
    bl_group_settle(group);
}

/* ---- share_board.c ---- */

/* How many are on it; any thread. */
static inline uint32_t bl_board_count(const struct bl_group *group)
{
    struct bl_board *b = atomic_load_explicit(&group->board, memory_order_acquire);

    return b ? atomic_load_explicit(&b->n, memory_order_relaxed) : 0;
}
/* BELAY_ENOMEM. */
int bl_board_put(struct bl_group *group, struct bl_loan *loan);
void bl_board_remove(struct bl_group *group, struct bl_loan *loan);
void bl_board_free(struct bl_group *group);

/* ---- share_sweep.c ---- */

void bl_share_on_sweep(void *pool); /* its timer */
/* It has been lent, or is not watched any more. */
void bl_share_watch_loan(struct bl_loan *loan);
/* Counts what the threads acquired of it since the last time. */
void bl_loan_count(struct bl_pool_conn *conn);

static inline struct bl_pool_conn *bl_conn_of_loan(struct bl_loan *loan)
{
    return BL_CONTAINER(loan, struct bl_pool_conn, loan);
}

#endif
