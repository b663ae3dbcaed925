/* SPDX-License-Identifier: MIT */
/* What the tests of a channel's policy share: a channel in virtual time, and what becomes of its addresses. */
#ifndef TEST_GRPC_POLICY_RIG_H
#define TEST_GRPC_POLICY_RIG_H

#include "grpc/channel_policy.h"
#include "support/test.h"

#define MS(n)  ((uint64_t)(n)*1000000u)
#define SUBS_N 4

struct rig {
    struct bl_cp cp;
    struct bl_cp_sub subs[SUBS_N];
    uint64_t now;
};

static inline void rig_open(struct rig *r, enum belay_lb_policy lb)
{
    struct belay_backoff_options o = belay_backoff_options_init();
    struct bl_cp_limits limits = {
        .lb = lb, .attempt_ns = MS(20000), .idle_ns = MS(60000), .connections_max = 2};

    o.delay_ms = 1000;
    o.delay_max_ms = 120000;
    o.factor_percent = 160;
    o.spread_percent = BELAY_NONE;
    assert_int_equal(belay_backoff_init(&limits.backoff, &o), 0);
    r->now = MS(1000000);
    bl_cp_init(&r->cp, &limits, 1, r->now);
}

static inline enum bl_cp_todo next(struct rig *r, struct bl_cp_sub **sub)
{
    return bl_cp_next(&r->cp, r->now, sub);
}

static inline void expect_nothing(struct rig *r)
{
    struct bl_cp_sub *sub;

    assert_int_equal(next(r, &sub), BL_CP_NONE);
}

static inline void expect(struct rig *r, enum bl_cp_todo todo, int of)
{
    struct bl_cp_sub *sub;

    assert_int_equal(next(r, &sub), todo);
    if (of < 0)
        assert_null(sub);
    else
        assert_ptr_equal(sub, &r->subs[of]);
}

static inline void expect_state(const struct rig *r, enum belay_channel_state state)
{
    assert_string_equal(belay_channel_state_name(r->cp.state), belay_channel_state_name(state));
}

/* The look-up gives so many addresses. */
static inline void begin_again(struct rig *r, int n)
{
    expect(r, BL_CP_RESOLVE, -1);
    expect_nothing(r);
    for (int i = 0; i < n; i++) {
        bl_cp_sub_init(&r->subs[i], &r->cp);
        bl_list_push_back(&r->cp.subs, &r->subs[i].link);
    }
    bl_cp_resolved(&r->cp, true, r->now);
}

/* Connects, too. */
static inline void begin(struct rig *r, int n)
{
    bl_cp_connect(&r->cp, r->now);
    expect_state(r, BELAY_CHANNEL_CONNECTING);
    begin_again(r, n);
    expect_state(r, BELAY_CHANNEL_CONNECTING);
}

/* To where the policy wants to be asked, which is so many ms from now. */
static inline void wake(struct rig *r, uint64_t ms)
{
    uint64_t at = bl_cp_wakes(&r->cp);

    assert_int_equal((at - r->now) / 1000000u, ms);
    r->now = at;
}

static inline void expect_no_wake(const struct rig *r)
{
    assert_true(bl_cp_wakes(&r->cp) == BELAY_NEVER);
}

/* ---- what becomes of an address ---- */

static inline void opened(struct rig *r, int of)
{
    bl_cp_opened(&r->cp, &r->subs[of]);
}

static inline void failed(struct rig *r, int of)
{
    bl_cp_failed(&r->cp, &r->subs[of], false, r->now);
}

/* A connection that had been of use. */
static inline void lost(struct rig *r, int of)
{
    bl_cp_lost(&r->cp, &r->subs[of], false, true, r->now);
}

static inline void dial_opened(struct rig *r, int of)
{
    expect(r, BL_CP_DIAL, of);
    opened(r, of);
}

static inline void dial_failed(struct rig *r, int of)
{
    expect(r, BL_CP_DIAL, of);
    failed(r, of);
}

/* ---- where the tests begin ---- */

/* So many addresses, to be dialled. */
static inline void rig_begin(struct rig *r, enum belay_lb_policy lb, int n)
{
    rig_open(r, lb);
    begin(r, n);
}

/* pick_first, connected to its one address. */
static inline void rig_up(struct rig *r)
{
    rig_begin(r, BELAY_PICK_FIRST, 1);
    dial_opened(r, 0);
}

#endif
