/* SPDX-License-Identifier: MIT */
/*
 * Schedules: bytes become what happens to a pool, in virtual time. The policy's own invariants are
 * looked at after everything that happens (pk_run does), and here what those who use it are owed:
 * a lease is on an open connection and within its capacity, each wait ends once, and when all
 * goes well again, everybody is served and nothing is left.
 *
 * Input: the limits, then two or three bytes for each thing that happens.
 */
#include "fuzz/fuzz.h"
#include "unit/keep/policy_kit.h"

#define ROUNDS_MAX 2000 /* until a pool has recovered */

static struct fuzz_input in;
static struct pk k;
static int leases[PK_CONNS]; /* as their holders know them */
static uint64_t lent;        /* in all */

/* What the first limits of a schedule leave out: its own byte says which of these there are. */
static void more_limits(struct bl_pp_limits *limits)
{
    unsigned which = fuzz_byte(&in);

    limits->order = (uint8_t)(BELAY_REUSE_LIFO + (which & 3) % 3);
    if (which & 4)
        limits->dials = limits->dials_total = 1 + (int32_t)fuzz_below(&in, 4);
    if (which & 8)
        limits->max_idle = limits->max_idle_total = 1 + (int32_t)fuzz_below(&in, 4);
    if (which & 16)
        limits->min_idle = 1;
    if (which & 32)
        limits->jitter = 50;
    if (which & 64)
        limits->check_after_ns = PK_MS(5);
    if (which & 128)
        limits->check_every_ns = PK_MS(20);
}

static void begin(void)
{
    static const uint64_t idle[] = {BELAY_NEVER, 0, PK_MS(1), PK_MS(60)};
    static const uint64_t lifetime[] = {BELAY_NEVER, PK_MS(1), PK_MS(250), PK_MS(5000)};
    static const int32_t uses[] = {INT32_MAX, 1, 2, 5};
    struct bl_pp_limits limits = pk_limits();

    limits.per_endpoint = 1 + (int32_t)fuzz_below(&in, 8);
    limits.total = 1 + (int32_t)fuzz_below(&in, 16);
    limits.waiters = 1 + (int32_t)fuzz_below(&in, 12);
    limits.retries = (int32_t)fuzz_below(&in, 4);
    limits.expected = (int32_t)fuzz_below(&in, 4);
    limits.uses = uses[fuzz_below(&in, BL_COUNT(uses))];
    limits.idle_ns = idle[fuzz_below(&in, BL_COUNT(idle))];
    limits.lifetime_ns = lifetime[fuzz_below(&in, BL_COUNT(lifetime))];
    if (fuzz_below(&in, 2))
        more_limits(&limits);
    pk_init(&k, &limits);
    for (int i = 0; i < PK_PEERS; i++)
        pk_peer(&k, i)->held = true;
    memset(leases, 0, sizeof leases);
    lent = 0;
}

/* ---- what their users see ---- */

static void lend(struct pk_conn *c)
{
    size_t i = (size_t)(c - k.conns);

    BL_ASSERT(c->exists && !c->closing && c->pp.state == BL_PP_OPEN && !k.pp.closed);
    BL_ASSERT(k.now < c->pp.expires_at);
    leases[i]++;
    BL_ASSERT(leases[i] <= c->facts.capacity);
    lent++;
}

/* Who was served or failed is told so, once. */
static void tell_waiters(void)
{
    for (size_t i = 0; i < PK_WAITERS; i++) {
        struct pk_waiter *w = &k.waiters[i];

        if (w->waiting)
            continue;
        BL_ASSERT(!w->got || !w->code);
        if (w->got)
            lend(w->got);
        memset(w, 0, sizeof *w);
    }
}

static void look(void)
{
    struct belay_pool_stats s = pk_stats(&k);
    uint32_t held = 0, waiting = 0;

    for (size_t i = 0; i < PK_CONNS; i++) {
        struct pk_conn *c = &k.conns[i];

        if (!c->exists || c->closing)
            leases[i] = 0;
        else
            BL_ASSERT(c->pp.leases == leases[i]);
        held += (uint32_t)leases[i];
    }
    for (size_t i = 0; i < PK_WAITERS; i++)
        waiting += k.waiters[i].waiting;
    BL_ASSERT(s.leases == held && s.waiting == waiting && s.acquired == lent);
}

static void settle(void)
{
    tell_waiters();
    look();
}

/* ---- what may happen ---- */

static struct pk_conn *some(bool (*fits)(const struct pk_conn *))
{
    size_t start = fuzz_below(&in, PK_CONNS);

    for (size_t i = 0; i < PK_CONNS; i++) {
        struct pk_conn *c = &k.conns[(start + i) % PK_CONNS];

        if (c->exists && fits(c))
            return c;
    }
    return NULL;
}

static bool dials(const struct pk_conn *c)
{
    return c->pp.state == BL_PP_DIALING;
}

static bool is_lent(const struct pk_conn *c)
{
    return c->pp.state == BL_PP_OPEN && c->pp.leases > 0;
}

static bool lives(const struct pk_conn *c)
{
    return c->pp.state == BL_PP_OPEN || c->pp.state == BL_PP_CHECKING;
}

static bool is_checked(const struct pk_conn *c)
{
    return c->checking && c->pp.state == BL_PP_CHECKING;
}

static bool closes(const struct pk_conn *c)
{
    return c->closing;
}

static void somebody_waits(void)
{
    int peer = (int)fuzz_below(&in, PK_PEERS);
    unsigned who = fuzz_below(&in, 5);
    bool fresh = who == 0;
    struct bl_pp_waiter refused = {.fresh = fresh};

    if (pk_peer(&k, peer)->waiting == k.pp.limits.waiters)
        BL_ASSERT(bl_pp_wait(pk_peer(&k, peer), &refused, k.now) == BELAY_EFULL);
    else if (fresh)
        pk_wait_fresh(&k, peer);
    else if (who == 4)
        pk_wait_urgent(&k, peer);
    else
        pk_wait(&k, peer);
}

static void somebody_tries(void)
{
    struct pk_conn *c = pk_try(&k, (int)fuzz_below(&in, PK_PEERS));

    if (c)
        lend(c);
    pk_run(&k);
}

static void somebody_leaves(void)
{
    struct pk_waiter *w = &k.waiters[fuzz_below(&in, PK_WAITERS)];

    if (!w->waiting)
        return;
    bl_pp_forget(&w->pp);
    w->waiting = false;
    pk_run(&k);
}

static void a_lease_comes_back(void)
{
    struct pk_conn *c = some(is_lent);

    if (!c)
        return;
    leases[c - k.conns]--;
    pk_release(&k, c, fuzz_below(&in, 6) == 0);
}

static void a_dial_succeeds(void)
{
    static const int capacities[] = {1, 1, 1, 0, 2, 5};
    struct pk_conn *c = some(dials);

    if (!c)
        return;
    c->pp.checkable = fuzz_below(&in, 2);
    pk_up(&k, c, capacities[fuzz_below(&in, BL_COUNT(capacities))]);
}

static void a_dial_fails(void)
{
    static const int codes[] = {BELAY_ECONNECT, BELAY_ENONAME, BELAY_EMFILE,
                                BELAY_ENOMEM,   BELAY_ECERT,   BELAY_ECONNECT};
    struct pk_conn *c = some(dials);

    if (c)
        pk_fail(&k, c, codes[fuzz_below(&in, BL_COUNT(codes))]);
}

static void facts_change(void)
{
    struct pk_conn *c = some(lives);
    unsigned what = fuzz_byte(&in);

    if (!c)
        return;
    switch (what & 3) {
    case 0:
        c->facts.draining = true;
        break;
    case 1:
        if (!c->facts.lost)
            c->facts.lost_reason = what & 4 ? BELAY_REASON_PEER_CLOSED : BELAY_REASON_ERROR;
        c->facts.lost = true;
        break;
    case 2:
        c->facts.suspect = true;
        break;
    default:
        c->facts.capacity = (int32_t)(what >> 2 & 3);
    }
    pk_changed(&k, c, (what & 0x10) != 0);
}

static void a_check_ends(void)
{
    struct pk_conn *c = some(is_checked);

    if (c)
        pk_checked(&k, c, fuzz_below(&in, 2) ? BELAY_EUNHEALTHY : 0);
}

static void one_is_cleared(void)
{
    struct pk_conn *c = some(lives);

    if (c)
        bl_pp_close(&c->pp, BELAY_REASON_CLEARED, fuzz_below(&in, 2) != 0);
    pk_run(&k);
}

static void a_sibling_fails_hard(void)
{
    struct pk_conn *c = some(lives);

    if (c)
        bl_pp_doubt(&c->pp, fuzz_below(&in, 2) != 0);
    pk_run(&k);
}

static void a_peer_is_cleared(void)
{
    bl_pp_clear(pk_peer(&k, (int)fuzz_below(&in, PK_PEERS)), fuzz_below(&in, 2) != 0);
    pk_run(&k);
}

static void the_limits_change(void)
{
    struct bl_pp_limits limits = k.pp.limits;

    limits.per_endpoint = 1 + (int32_t)fuzz_below(&in, 8);
    limits.total = 1 + (int32_t)fuzz_below(&in, 16);
    limits.min_idle = 0;
    bl_pp_set_limits(&k.pp, &limits);
    pk_run(&k);
}

static void the_pool_rests(void)
{
    bl_pp_suspend(&k.pp, !k.pp.suspended);
    pk_run(&k);
}

static void one_is_gone(void)
{
    struct pk_conn *c = some(closes);

    if (c)
        pk_gone(&k, c);
}

static void time_passes(void)
{
    static const uint64_t ms[] = {0, 1, 10, 50, 120, 1000};

    pk_pass(&k, ms[fuzz_below(&in, BL_COUNT(ms))]);
}

/* ---- the end ---- */

/* Everything goes as well as it can, for one connection. */
static void heal(struct pk_conn *c)
{
    if (dials(c))
        pk_up(&k, c, 1);
    else if (is_checked(c))
        pk_checked(&k, c, 0);
    settle();
    if (lives(c) && c->facts.capacity < 1) {
        c->facts.capacity = 1;
        pk_changed(&k, c, true);
        settle();
    }
    while (is_lent(c)) {
        leases[c - k.conns]--;
        pk_release(&k, c, false);
        settle();
    }
    if (closes(c))
        pk_gone(&k, c);
    settle();
}

static void heal_all(void)
{
    for (size_t i = 0; i < PK_CONNS; i++)
        if (k.conns[i].exists)
            heal(&k.conns[i]);
}

static void everybody_is_served(void)
{
    bl_pp_suspend(&k.pp, false);
    pk_run(&k);
    settle();
    for (int round = 0; pk_stats(&k).waiting > 0; round++) {
        BL_ASSERT(round < ROUNDS_MAX);
        heal_all();
        pk_pass(&k, 200);
        settle();
    }
}

static void nothing_is_left(void)
{
    k.pp.closed = true;
    for (int i = 0; i < PK_PEERS; i++)
        bl_pp_fail_all(pk_peer(&k, i), BELAY_ECLOSED);
    for (size_t i = 0; i < PK_CONNS; i++)
        if (k.conns[i].exists)
            bl_pp_close(&k.conns[i].pp, BELAY_REASON_POOL_CLOSED, true);
    pk_run(&k);
    settle();
    heal_all();
    BL_ASSERT(k.pp.connections == 0 && k.pp.closing == 0 && pk_stats(&k).waiting == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const things[])(void) = {
        somebody_waits,    somebody_tries,    somebody_leaves, a_lease_comes_back,
        a_dial_succeeds,   a_dial_fails,      facts_change,    a_check_ends,
        one_is_cleared,    one_is_gone,       time_passes,     a_sibling_fails_hard,
        a_peer_is_cleared, the_limits_change, the_pool_rests,
    };

    in = (struct fuzz_input){data, size < 4096 ? size : 4096};
    begin();
    while (in.len > 0) {
        things[fuzz_below(&in, BL_COUNT(things))]();
        settle();
    }
    everybody_is_served();
    nothing_is_left();
    return 0;
}
