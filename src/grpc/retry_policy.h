/* SPDX-License-Identifier: MIT */
/*
 * Whether a call is attempted again, and when (gRFC A6). Pure. Two ways: by the policy of the
 * channel, where the status is one of its, within its number of attempts, while there are tokens;
 * and *transparently*, without any policy, where no server has seen the call.
 */
#ifndef BL_GRPC_RETRY_POLICY_H
#define BL_GRPC_RETRY_POLICY_H

#include "belay/grpc.h"

enum { BL_RETRY_NO = -1 };

struct bl_retry_limits {  /* effective */
    int32_t attempts_max; /* 0: only transparent ones */
    int64_t delay_ms, delay_max_ms;
    int32_t factor_percent;
    uint32_t statuses;
    int32_t tokens_max;
};

/* Of a channel: in thousandths of a token. */
struct bl_retry_tokens {
    int32_t now, max;
};

/* Of one call; zero at first. */
struct bl_retry_call {
    int32_t attempts; /* begun, the one that ended included: the caller's to count */
    int32_t unseen;   /* of them no server has seen: they do not count */
    int32_t pushed;   /* attempts until a server last named the delay: it grows from there */
};

/* How an attempt ended. */
struct bl_retry_end {
    int status;
    bool committed;      /* something of the answer has come, or what was sent is not kept */
    bool unseen;         /* no server has seen it */
    bool unsent;         /* ... as it never left: no server will mind, however often */
    bool pushed_back;    /* the server says when: */
    int64_t pushback_ms; /* below 0: never */
};

/* NULL: none but transparent ones. BELAY_EINVAL, `error` names the field. */
int bl_retry_resolve(struct bl_retry_limits *ret, const struct belay_retry_policy *given,
                     struct belay_error *error);
void bl_retry_tokens_init(struct bl_retry_tokens *tokens, const struct bl_retry_limits *limits);

/* In how many milliseconds the next attempt is made, or BL_RETRY_NO. Counts the tokens, and in
 * `call` what is its own. `random`: 64 uniform bits. */
int64_t bl_retry_decide(const struct bl_retry_limits *limits, struct bl_retry_tokens *tokens,
                        struct bl_retry_call *call, const struct bl_retry_end *end,
                        uint64_t random);

#endif
