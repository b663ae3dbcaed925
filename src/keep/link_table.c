/* SPDX-License-Identifier: MIT */
/* The link's tables: data, and the names of what is in them. */
#include "keep/link_policy.h"

#define ON(at, ev, to, what)                                                                       \
    [BL_LP_##at][BL_LP_##ev] = {.legal = true, .next = BL_LP_##to, .todo = (what)}

#define CANCEL     BL_LP_DO_CANCEL
#define REVOKE     BL_LP_DO_REVOKE
#define ADOPT      BL_LP_DO_ADOPT
#define TELL_DOWN  BL_LP_DO_TELL_DOWN
#define TELL_TRY   BL_LP_DO_TELL_TRY
#define TELL_FOUND BL_LP_DO_TELL_FOUND
#define ASK        BL_LP_DO_ASK
#define DIAL       BL_LP_DO_DIAL
#define ANSWER     BL_LP_DO_ANSWER
#define ANSWER_NO  BL_LP_DO_ANSWER_NO
#define TELL_UP    BL_LP_DO_TELL_UP
#define TELL_FAIL  BL_LP_DO_TELL_FAIL
#define NOTE       BL_LP_DO_NOTE
#define REFUSE     BL_LP_DO_REFUSE
#define END        BL_LP_DO_END

const struct bl_lp_rule bl_lp_rules[BL_LP_STATES][BL_LP_EVENTS] = {
    ON(START, DUE, TRY, TELL_TRY),
    ON(START, CLOSE, CLOSING, REFUSE),
    ON(START, FINISH, CLOSING, REFUSE),

    ON(TRY, GO, RESOLVING, ASK),
    ON(TRY, CLOSE, CLOSING, REFUSE),
    ON(TRY, FINISH, CLOSING, REFUSE),

    ON(RESOLVING, ADDRESS, FOUND, TELL_FOUND),
    ON(RESOLVING, FAIL, FAILED, CANCEL | ANSWER_NO | TELL_FAIL),
    ON(RESOLVING, SPENT, CLOSING, CANCEL | TELL_FAIL | REFUSE),
    ON(RESOLVING, CLOSE, CLOSING, CANCEL | REFUSE),
    ON(RESOLVING, FINISH, CLOSING, CANCEL | REFUSE),

    ON(FOUND, GO, DIALING, DIAL),
    ON(FOUND, CLOSE, CLOSING, CANCEL | REFUSE),
    ON(FOUND, FINISH, CLOSING, CANCEL | REFUSE),

    ON(DIALING, OPENED, UP, ADOPT | ANSWER | TELL_UP),
    ON(DIALING, FAIL, FAILED, CANCEL | ANSWER_NO | TELL_FAIL),
    ON(DIALING, SPENT, CLOSING, CANCEL | TELL_FAIL | REFUSE),
    ON(DIALING, CLOSE, CLOSING, CANCEL | REFUSE),
    ON(DIALING, FINISH, CLOSING, CANCEL | REFUSE),

    ON(FAILED, DUE, TRY, 0),
    ON(FAILED, CLOSE, CLOSING, REFUSE),
    ON(FAILED, FINISH, CLOSING, REFUSE),

    ON(UP, DUE, ASKING, ASK),
    ON(UP, LOST, START, REVOKE | TELL_DOWN),
    ON(UP, CLOSE, CLOSING, REVOKE | TELL_DOWN | REFUSE),
    ON(UP, FINISH, LAST, 0),

    ON(ASKING, ADDRESS, MOVING, DIAL),
    ON(ASKING, STAY, UP, 0),
    ON(ASKING, FAIL, UP, CANCEL | NOTE),
    ON(ASKING, LOST, RESOLVING, REVOKE | TELL_DOWN | TELL_TRY),
    ON(ASKING, CLOSE, CLOSING, CANCEL | REVOKE | TELL_DOWN | REFUSE),
    ON(ASKING, FINISH, LAST, CANCEL),

    ON(MOVING, OPENED, UP, REVOKE | ADOPT | TELL_DOWN | TELL_TRY | TELL_FOUND | ANSWER | TELL_UP),
    ON(MOVING, FAIL, UP, CANCEL | NOTE),
    ON(MOVING, LOST, DIALING, REVOKE | TELL_DOWN | TELL_TRY | TELL_FOUND),
    ON(MOVING, CLOSE, CLOSING, CANCEL | REVOKE | TELL_DOWN | REFUSE),
    ON(MOVING, FINISH, LAST, CANCEL),

    ON(LAST, LOST, CLOSING, REVOKE | TELL_DOWN | REFUSE),
    ON(LAST, CLOSE, CLOSING, REVOKE | TELL_DOWN | REFUSE),
    ON(LAST, FINISH, LAST, 0),

    ON(CLOSING, GONE, CLOSED, END),
    ON(CLOSING, CLOSE, CLOSING, 0),
    ON(CLOSING, FINISH, CLOSING, 0),

    ON(CLOSED, CLOSE, CLOSED, 0),
    ON(CLOSED, FINISH, CLOSED, 0),
};

const struct bl_lp_rule bl_lp_check_rules[BL_LP_CHECKS][BL_LP_FINDINGS] = {
    ON(BLIND, SUSPECT, BLIND, BL_LP_DO_LOSE),
    ON(BLIND, GOOD, BLIND, 0),
    ON(BLIND, BAD, BLIND, 0),

    ON(RESTING, CHECK_DUE, CHECKING, BL_LP_DO_CHECK),
    ON(RESTING, SUSPECT, CHECKING, BL_LP_DO_CHECK),
    ON(RESTING, GOOD, RESTING, 0),
    ON(RESTING, BAD, RESTING, 0),

    ON(CHECKING, SUSPECT, CHECKING, 0),
    ON(CHECKING, GOOD, RESTING, 0),
    ON(CHECKING, BAD, BLIND, BL_LP_DO_LOSE),
    ON(CHECKING, LATE, BLIND, BL_LP_DO_LOSE),
};

/* ---- words ---- */

const char *bl_lp_state_name(enum bl_lp_state state)
{
    static const char *const names[BL_LP_STATES] = {"start",   "try",    "resolving", "found",
                                                    "dialing", "failed", "up",        "asking",
                                                    "moving",  "last",   "closing",   "closed"};

    return names[state];
}

const char *bl_lp_event_name(enum bl_lp_event event)
{
    static const char *const names[BL_LP_EVENTS] = {"due",    "go",     "address", "stay",
                                                    "opened", "fail",   "spent",   "lost",
                                                    "close",  "finish", "gone"};

    return names[event];
}

const char *bl_lp_bit_name(unsigned bit)
{
    static const char *const names[BL_LP_BITS] = {"cancel the attempt",
                                                  "revoke the connection",
                                                  "adopt the new one",
                                                  "DISCONNECTED",
                                                  "ATTEMPTING_TO_CONNECT",
                                                  "OBTAINED_ADDRESS",
                                                  "ask the source",
                                                  "dial",
                                                  "answer who waits",
                                                  "answer who waits for a result",
                                                  "CONNECTED",
                                                  "FAILED_TO_CONNECT",
                                                  "note",
                                                  "refuse who waits",
                                                  "end"};

    return names[bit];
}

const char *bl_lp_check_name(enum bl_lp_check check)
{
    static const char *const names[BL_LP_CHECKS] = {"blind", "resting", "checking"};

    return names[check];
}

const char *bl_lp_finding_name(enum bl_lp_finding finding)
{
    static const char *const names[BL_LP_FINDINGS] = {"due", "suspect", "good", "bad", "late"};

    return names[finding];
}

const char *bl_lp_check_bit_name(unsigned bit)
{
    static const char *const names[BL_LP_CHECK_BITS] = {"check it", "it is lost"};

    return names[bit];
}

enum belay_link_state bl_lp_public(enum bl_lp_state state)
{
    switch (state) {
    case BL_LP_START:
    case BL_LP_TRY:
    case BL_LP_FAILED:
        return BELAY_LINK_WAITING;
    case BL_LP_RESOLVING:
    case BL_LP_FOUND:
        return BELAY_LINK_RESOLVING;
    case BL_LP_DIALING:
        return BELAY_LINK_DIALING;
    case BL_LP_UP:
    case BL_LP_ASKING:
    case BL_LP_MOVING:
    case BL_LP_LAST:
        return BELAY_LINK_UP;
    case BL_LP_CLOSING:
        return BELAY_LINK_CLOSING;
    case BL_LP_CLOSED:
    case BL_LP_STATES:
        break;
    }
    return BELAY_LINK_CLOSED;
}
