/* SPDX-License-Identifier: MIT */
/* Further attempts of calls: tokens, delays, and what counts as an attempt. */
#include "grpc/retry_policy.h"

#include <string.h>

#include "base/assert.h"
#include "base/options.h"

#define DAY_MS       INT64_C(86400000)
#define TOKEN        1000
#define TOKENS_MAX   1000
#define SUCCESS      100 /* thousandths that it gives back */
#define REFUSED_MAX  1   /* transparent attempts after a server has refused the call */
#define STATUSES_MAX ((1u << (BELAY_GRPC_UNAUTHENTICATED + 1)) - 1)

#define OPTION(field, ...) BL_OPTION(belay_retry_policy, field, __VA_ARGS__)

static const struct bl_option fields[] = {
    OPTION(attempts_max, 0, 0, BL_NOT_ALLOWED, 2, 5),
    OPTION(delay_ms, 1000, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1, DAY_MS),
    OPTION(delay_max_ms, 10000, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1, DAY_MS),
    OPTION(factor_percent, 150, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1, 10000),
    OPTION(statuses, 1 << BELAY_GRPC_UNAVAILABLE, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 2, STATUSES_MAX),
    OPTION(tokens_max, 10, BL_NOT_ALLOWED, INT32_MAX, 1, TOKENS_MAX),
};

int bl_retry_resolve(struct bl_retry_limits *ret, const struct belay_retry_policy *given,
                     struct belay_error *error)
{
    struct belay_retry_policy p;
    int rc;

    memset(ret, 0, sizeof *ret);
    if (!given)
        return 0;
    rc = bl_options_resolve(&p, sizeof p, given, fields, BL_COUNT(fields), error);
    if (rc < 0)
        return rc;
    *ret = (struct bl_retry_limits){.attempts_max = p.attempts_max,
                                    .delay_ms = p.delay_ms,
                                    .delay_max_ms = p.delay_max_ms,
                                    .factor_percent = p.factor_percent,
                                    .statuses = p.statuses,
                                    .tokens_max = p.tokens_max};
    return 0;
}

void bl_retry_tokens_init(struct bl_retry_tokens *tokens, const struct bl_retry_limits *limits)
{
    bool none = limits->tokens_max == INT32_MAX || limits->attempts_max == 0;

    tokens->max = none ? 0 : limits->tokens_max * TOKEN;
    tokens->now = tokens->max;
}

static void take_token(struct bl_retry_tokens *t)
{
    t->now = t->now > TOKEN ? t->now - TOKEN : 0;
}

static void give_token(struct bl_retry_tokens *t)
{
    t->now = t->now + SUCCESS < t->max ? t->now + SUCCESS : t->max;
}

static bool is_throttled(const struct bl_retry_tokens *t)
{
    return t->max > 0 && t->now <= t->max / 2;
}

/* Before the n-th retry: somewhere between 0 and the first delay, grown n - 1 times. */
static int64_t delay_before(const struct bl_retry_limits *l, int32_t n, uint64_t random)
{
    double unit = (double)(random >> 11) * 0x1p-53;
    double delay = (double)l->delay_ms;

    for (int32_t i = 1; i < n; i++)
        delay *= l->factor_percent / 100.0;
    if (delay > (double)l->delay_max_ms)
        delay = (double)l->delay_max_ms;
    return (int64_t)(delay * unit);
}

static bool is_transparent(struct bl_retry_call *call, const struct bl_retry_end *end)
{
    if (!end->unseen || end->committed)
        return false;
    if (!end->unsent && call->unseen >= REFUSED_MAX)
        return false;
    call->unseen++;
    return true;
}

int64_t bl_retry_decide(const struct bl_retry_limits *limits, struct bl_retry_tokens *tokens,
                        struct bl_retry_call *call, const struct bl_retry_end *end, uint64_t random)
{
    bool wanted = (unsigned)end->status < 32 && (limits->statuses >> end->status & 1);
    bool never = end->pushed_back && end->pushback_ms < 0;
    int32_t seen;

    if (is_transparent(call, end))
        return 0;
    if (wanted || never)
        take_token(tokens);
    else if (end->status == BELAY_GRPC_OK)
        give_token(tokens);
    seen = call->attempts - call->unseen;
    if (!wanted || never || end->committed || seen >= limits->attempts_max || is_throttled(tokens))
        return BL_RETRY_NO;
    if (!end->pushed_back)
        return delay_before(limits, seen - call->pushed, random);
    call->pushed = seen;
    return end->pushback_ms;
}
