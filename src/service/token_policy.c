/* SPDX-License-Identifier: MIT */
/* When to fetch a token. */
#include "service/token_policy.h"

#include "base/assert.h"

void bl_tp_init(struct bl_tp *tp)
{
    *tp = (struct bl_tp){0};
}

static bool is_good(const struct bl_tp *tp, uint64_t now)
{
    return tp->number != 0 && now < tp->expires_at;
}

static void begin(struct bl_tp *tp, uint64_t now, bool *ret_fetch)
{
    tp->fetching = true;
    tp->begun_at = now;
    *ret_fetch = true;
}

enum bl_tp_verdict bl_tp_ask(struct bl_tp *tp, uint64_t refused, uint64_t now, bool *ret_fetch)
{
    bool good = is_good(tp, now);

    *ret_fetch = false;
    if (refused != 0 && refused == tp->number) {
        if (!tp->fetching)
            begin(tp, now, ret_fetch);
        return BL_TP_WAIT;
    }
    if (good && now < tp->renew_at)
        return BL_TP_USE;
    if (!tp->fetching && now >= tp->not_before)
        begin(tp, now, ret_fetch);
    if (good)
        return BL_TP_USE;
    return tp->fetching ? BL_TP_WAIT : BL_TP_NONE;
}

void bl_tp_fetched(struct bl_tp *tp, int64_t life_s)
{
    uint64_t life, margin;

    BL_ASSERT(tp->fetching && life_s > 0);
    if (life_s > BL_TP_LIFE_MAX_S)
        life_s = BL_TP_LIFE_MAX_S;
    life = (uint64_t)life_s * UINT64_C(1000000000);
    /* One that lives for less than two minutes is not fetched anew with each call. */
    margin = life / 2 < BL_TP_MARGIN_NS ? life / 2 : BL_TP_MARGIN_NS;
    tp->fetching = false;
    tp->number++;
    tp->expires_at = tp->begun_at + life;
    tp->renew_at = tp->expires_at - margin;
    tp->not_before = 0;
}

void bl_tp_failed(struct bl_tp *tp, uint64_t now)
{
    BL_ASSERT(tp->fetching);
    tp->fetching = false;
    tp->not_before = now + BL_TP_THROTTLE_NS;
}

enum bl_tp_verdict bl_tp_settled(const struct bl_tp *tp, bool fetched, uint64_t now)
{
    return fetched || is_good(tp, now) ? BL_TP_USE : BL_TP_NONE;
}
