/* SPDX-License-Identifier: MIT */
/*
 * The link's decisions: when to dial, what to tell, when to give up. Pure: events, facts and `now` go
 * in, the next state and to-do bits come out; no clock, no memory, no descriptor. link_run.c
 * performs.
 *
 *     START --> TRY --> RESOLVING --> FOUND --> DIALING --> UP <--> ASKING <--> MOVING
 *                ^          |                      |        |         up, and a candidate
 *                +-- FAILED <----------------------+        +--> START
 *
 * TRY and FOUND last for no time: the callbacks that run there may close the link, and then nothing
 * is begun. Who closes it goes to CLOSING, whatever is to end by itself when its connection does to
 * LAST; CLOSED is the end.
 *
 * The table is data (bl_lp_rules, link_table.c), printed into docs/transitions.md. Guards do not live in it: what
 * came to pass is told apart before, so a failure after which no attempt is made is another event
 * (SPENT), and an address that is told already has no TELL_ADDRESS.
 *
 * One thing at a time: there is at most one attempt, which while the link is up is a candidate, and
 * at most one current connection.
 */
#ifndef BL_KEEP_LINK_POLICY_H
#define BL_KEEP_LINK_POLICY_H

#include "base/rand.h"
#include "belay/backoff.h"
#include "belay/link.h"

enum bl_lp_state {
    BL_LP_START, /* waits; the next attempt begins an episode */
    BL_LP_TRY,
    BL_LP_RESOLVING,
    BL_LP_FOUND,
    BL_LP_DIALING,
    BL_LP_FAILED, /* waits, within an episode */
    BL_LP_UP,
    BL_LP_ASKING, /* up, and asks its source for a better address */
    BL_LP_MOVING, /* up, and dials a candidate */
    BL_LP_LAST,   /* up for the last time */
    BL_LP_CLOSING,
    BL_LP_CLOSED,
    BL_LP_STATES
};

enum bl_lp_event {
    BL_LP_DUE,     /* it is time for an attempt, or for a candidate; or somebody kicked */
    BL_LP_GO,      /* the callbacks of TRY or FOUND have run */
    BL_LP_ADDRESS, /* the source gave one */
    BL_LP_STAY,    /* of a candidate: the address in use is the best */
    BL_LP_OPENED,
    BL_LP_FAIL,   /* the attempt failed, its limit included */
    BL_LP_SPENT,  /* the same, and no other is to be made */
    BL_LP_LOST,   /* the current connection ended */
    BL_LP_CLOSE,  /* the caller wants the end */
    BL_LP_FINISH, /* ... when the current connection ends */
    BL_LP_GONE,   /* nothing is open any more */
    BL_LP_EVENTS
};

/* To-do bits, in the order in which they are done. */
enum {
    BL_LP_DO_CANCEL = 1,          /* the attempt, without a word */
    BL_LP_DO_REVOKE = 1 << 1,     /* the current connection: it is closed, its lease is stale */
    BL_LP_DO_ADOPT = 1 << 2,      /* what the attempt opened is the current connection */
    BL_LP_DO_TELL_DOWN = 1 << 3,  /* DISCONNECTED */
    BL_LP_DO_TELL_TRY = 1 << 4,   /* ATTEMPTING_TO_CONNECT: an episode begins */
    BL_LP_DO_TELL_FOUND = 1 << 5, /* OBTAINED_ADDRESS */
    BL_LP_DO_ASK = 1 << 6,        /* the source */
    BL_LP_DO_DIAL = 1 << 7,
    BL_LP_DO_ANSWER = 1 << 8,     /* who waits for a connection */
    BL_LP_DO_ANSWER_NO = 1 << 9,  /* who waits for the result of an attempt */
    BL_LP_DO_TELL_UP = 1 << 10,   /* CONNECTED */
    BL_LP_DO_TELL_FAIL = 1 << 11, /* FAILED_TO_CONNECT */
    BL_LP_DO_NOTE = 1 << 12,      /* a candidate failed: for the log alone */
    BL_LP_DO_REFUSE = 1 << 13,    /* all who wait */
    BL_LP_DO_END = 1 << 14,       /* it is over */
    BL_LP_BITS = 15
};

struct bl_lp_rule {
    bool legal;
    uint8_t next; /* enum bl_lp_state */
    uint16_t todo;
};
extern const struct bl_lp_rule bl_lp_rules[BL_LP_STATES][BL_LP_EVENTS];

const char *bl_lp_state_name(enum bl_lp_state state);
const char *bl_lp_event_name(enum bl_lp_event event);
const char *bl_lp_bit_name(unsigned bit); /* by its number */

/* ---- the check of the current connection: a table of its own ---- */

enum bl_lp_check {
    BL_LP_BLIND,    /* nothing to be checked: no connection, or its connector cannot */
    BL_LP_RESTING,  /* until the next check */
    BL_LP_CHECKING, /* asked */
    BL_LP_CHECKS
};

enum bl_lp_finding {
    BL_LP_CHECK_DUE,
    BL_LP_SUSPECT, /* the connector has doubts */
    BL_LP_GOOD,    /* the answer */
    BL_LP_BAD,
    BL_LP_LATE, /* no answer in time */
    BL_LP_FINDINGS
};

enum { BL_LP_DO_CHECK = 1, BL_LP_DO_LOSE = 2, BL_LP_CHECK_BITS = 2 };

extern const struct bl_lp_rule bl_lp_check_rules[BL_LP_CHECKS][BL_LP_FINDINGS];
const char *bl_lp_check_name(enum bl_lp_check check);
const char *bl_lp_finding_name(enum bl_lp_finding finding);
const char *bl_lp_check_bit_name(unsigned bit);

/* ---- the link as the policy sees it ---- */

struct bl_lp_limits { /* effective; BELAY_NEVER is none */
    int64_t retry_delay_ms;
    int32_t retry_spread; /* per cent */
    bool has_backoff;
    struct belay_backoff backoff;
    uint64_t attempt_ns, check_every_ns, check_limit_ns, move_every_ns;
};

struct bl_lp {
    struct bl_lp_limits limits;
    struct bl_rand rand;
    enum bl_lp_state state;
    enum bl_lp_check check;
    bool told_address;          /* in this episode */
    bool told_error;            /* in this episode */
    bool draining;              /* the current connection will end soon */
    int32_t failures;           /* in a row */
    uint64_t started_at;        /* the last attempt, candidates included */
    uint64_t next_at;           /* no attempt before */
    uint64_t move_at;           /* the next candidate; BELAY_NEVER */
    uint64_t kept_at;           /* next_at, should the candidate stay */
    uint64_t checked_at;        /* when the last check began */
    uint64_t check_at;          /* the next check, or the limit of the one under way; BELAY_NEVER */
    struct belay_backoff moves; /* of candidates */
};

/* What is known of an event, as far as it matters to it. */
struct bl_lp_facts {
    bool same;        /* ADDRESS: equals the last one; FAIL: the error equals the last one */
    bool final;       /* FAIL: whoever said so wants no further attempt */
    bool checkable;   /* OPENED: its connector has a check */
    bool asked;       /* GO, and DUE of a candidate: the caller's function was asked for ... */
    int64_t delay_ms; /* ... this */
};

void bl_lp_init(struct bl_lp *lp, const struct bl_lp_limits *limits, uint64_t seed, uint64_t now);

/*
 * Takes the event and gives what is to be done; it must be legal (bl_lp_expects). FAIL may become
 * SPENT: the state is CLOSING then.
 */
unsigned bl_lp_step(struct bl_lp *lp, enum bl_lp_event event, const struct bl_lp_facts *facts,
                    uint64_t now);
static inline bool bl_lp_expects(const struct bl_lp *lp, enum bl_lp_event event)
{
    return bl_lp_rules[lp->state][event].legal;
}
/* The same for the check. */
unsigned bl_lp_find(struct bl_lp *lp, enum bl_lp_finding finding, uint64_t now);

/* The current connection will end soon: a candidate is wanted, as soon as an attempt may be made. */
void bl_lp_drain(struct bl_lp *lp);
/* An attempt may be made now. */
void bl_lp_kick(struct bl_lp *lp, uint64_t now);
/* No failure is remembered; facts: delay_ms and asked. */
void bl_lp_reset(struct bl_lp *lp, const struct bl_lp_facts *facts);

/* What has become due; false: nothing has. */
enum bl_lp_alarm { BL_LP_ALARM_NONE, BL_LP_ALARM_TRY, BL_LP_ALARM_LIMIT, BL_LP_ALARM_CHECK };
enum bl_lp_alarm bl_lp_due(const struct bl_lp *lp, uint64_t now);
/* When it will say something else; BELAY_NEVER. */
uint64_t bl_lp_wakes(const struct bl_lp *lp);
/* The same where no attempt may be begun. */
uint64_t bl_lp_wakes_busy(const struct bl_lp *lp);

/* Milliseconds until the next attempt, rounded up; INT64_MAX: none will be. */
int64_t bl_lp_next_ms(const struct bl_lp *lp, uint64_t now);

/*
 * Which of n addresses to take: the one behind the last, which stands at `found`; the first, where
 * there was none or it is gone (SIZE_MAX). A candidate for a better address takes the first.
 */
size_t bl_lp_pick(const struct bl_lp *lp, size_t n, size_t found);

static inline bool bl_lp_is_up(const struct bl_lp *lp)
{
    return lp->state >= BL_LP_UP && lp->state <= BL_LP_LAST;
}
/* The attempt under way is to find a better address. */
static inline bool bl_lp_wants_better(const struct bl_lp *lp)
{
    return lp->state == BL_LP_ASKING && !lp->draining;
}
enum belay_link_state bl_lp_public(enum bl_lp_state state);

#endif
