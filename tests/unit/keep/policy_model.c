/* SPDX-License-Identifier: MIT */
/* The model: facts as they came, and the judgement of each decision. */
#include "unit/keep/policy_model.h"

#define EACH_CONN(m, c)                                                                            \
    for (struct pm_conn *c = (struct pm_conn *)(m)->conns; c < (m)->conns + PM_CONNS; c++)
#define EACH_WAITER(m, w)                                                                          \
    for (struct pm_waiter *w = (struct pm_waiter *)(m)->waiters; w < (m)->waiters + PM_WAITERS; w++)

void pm_init(struct pm *m, const struct bl_pp_limits *limits)
{
    memset(m, 0, sizeof *m);
    m->limits = *limits;
    for (int i = 0; i < PM_PEERS; i++)
        m->peers[i].expected = limits->expected;
}

/* ---- looking at it ---- */

int pm_count(const struct pm *m, int peer, enum pm_state state)
{
    int n = 0;

    EACH_CONN(m, c)
    n += c->state == state && (peer < 0 || c->peer == peer);
    return n;
}

static int all_connections(const struct pm *m)
{
    return PM_CONNS - pm_count(m, -1, PM_NONE);
}

static int connections(const struct pm *m, int peer)
{
    int n = 0;

    EACH_CONN(m, c)
    n += c->state != PM_NONE && c->peer == peer;
    return n;
}

int pm_waiting(const struct pm *m, int peer)
{
    int n = 0;

    EACH_WAITER(m, w)
    n += w->waiting && !w->doomed && w->peer == peer;
    return n;
}

static struct pm_waiter *oldest(const struct pm *m, int peer)
{
    struct pm_waiter *first = NULL;

    EACH_WAITER(m, w)
    if (w->waiting && !w->doomed && w->peer == peer && (!first || w->arrival < first->arrival))
        first = w;
    return first;
}

static bool too_old(const struct pm *m, const struct pm_conn *c)
{
    return m->limits.lifetime_ns != BELAY_NEVER && m->now >= c->up_at + m->limits.lifetime_ns;
}

static bool idle_too_long(const struct pm *m, const struct pm_conn *c)
{
    return c->leases == 0 && m->limits.idle_ns != BELAY_NEVER &&
           m->now >= c->idle_since + m->limits.idle_ns;
}

static bool worn_out(const struct pm *m, const struct pm_conn *c)
{
    return c->uses >= m->limits.uses;
}

static bool healthy(const struct pm *m, const struct pm_conn *c)
{
    return c->state == PM_OPEN && !c->broken && !c->cleared && !c->facts.draining &&
           !c->facts.lost && !c->facts.suspect && !too_old(m, c) && !idle_too_long(m, c) &&
           !worn_out(m, c);
}

static bool may_be_lent(const struct pm *m, const struct pm_conn *c, int peer, bool fresh)
{
    return c->peer == peer && healthy(m, c) && c->leases < c->facts.capacity &&
           (!fresh || c->uses == 0);
}

static bool evictable(const struct pm *m, const struct pm_conn *c)
{
    return healthy(m, c) && c->leases == 0 &&
           (c->facts.capacity > 0 || pm_waiting(m, c->peer) == 0);
}

/* More dials are justified by those who wait. */
static bool wants_a_dial(const struct pm *m, int peer)
{
    const struct pm_peer *p = &m->peers[peer];
    int waiting = pm_waiting(m, peer), dialing = pm_count(m, peer, PM_DIALING);
    int checking = 0, fresh = 0, needed, by_now;

    EACH_CONN(m, c)
    checking += c->state == PM_CHECKING && c->peer == peer && !c->facts.lost &&
                !c->facts.draining && !c->cleared && !c->check_failed;
    for (int i = 0; i < PM_WAITERS; i++)
        fresh += m->waiters[i].waiting && !m->waiters[i].doomed && m->waiters[i].peer == peer &&
                 m->waiters[i].fresh;
    if (checking > waiting - fresh) /* those checked may serve whoever takes a used one */
        checking = waiting - fresh;
    needed = p->expected > 0 ? (waiting + p->expected - 1) / p->expected : waiting;
    needed -= checking;
    if (m->closed || m->now < p->retry_at || needed <= 0)
        return false;
    if (p->expected > 0)
        return dialing < needed;
    by_now = dialing == 0 ? 1 : 1 + (int)((m->now - p->first_dial) / PM_MS(50));
    return dialing < (needed < by_now ? needed : by_now);
}

static bool may_dial_but_for_the_total(const struct pm *m, int peer)
{
    return wants_a_dial(m, peer) && connections(m, peer) < m->limits.per_endpoint;
}

/* ---- what the world did ---- */

void pm_waits(struct pm *m, struct pm_waiter *w, int peer, bool fresh)
{
    w->waiting = true;
    w->doomed = false;
    w->peer = peer;
    w->fresh = fresh;
    w->arrival = m->arrivals++;
    w->since = m->now;
    w->round = m->peers[peer].round;
}

static void left(struct pm *m, int peer)
{
    if (pm_waiting(m, peer) > 0)
        return;
    m->peers[peer].failures = 0;
    m->peers[peer].retry_at = 0;
}

void pm_leaves(struct pm *m, struct pm_waiter *w)
{
    w->waiting = false;
    left(m, w->peer);
}

static void dooms(struct pm *m, struct pm_waiter *w, int code)
{
    if (!w)
        return;
    w->doomed = true;
    w->code = code;
    left(m, w->peer);
}

void pm_releases(struct pm *m, struct pm_conn *c, bool broken)
{
    assert_true(c->leases > 0);
    c->broken |= broken;
    if (--c->leases == 0)
        c->idle_since = m->now;
}

void pm_opens(struct pm *m, struct pm_conn *c)
{
    struct pm_peer *p = &m->peers[c->peer];

    c->state = PM_OPEN;
    c->up_at = c->idle_since = m->now;
    if (c->facts.capacity > 0)
        p->expected = c->facts.capacity;
    p->opened_at = m->now;
    p->retry_at = 0;
    p->counts.opened++;
}

void pm_fails(struct pm *m, struct pm_conn *c, int code)
{
    struct pm_peer *p = &m->peers[c->peer];
    struct pm_waiter *first;

    c->state = PM_NONE;
    p->counts.failed[BELAY_STAGE_CONNECT]++;
    p->counts.closed[BELAY_REASON_OPEN_FAILED]++;
    if (code == BELAY_EMFILE || code == BELAY_ENOMEM)
        m->pause_until = m->now + PM_MS(100);
    if (code == BELAY_EMFILE) {
        m->out_of_descriptors = true;
    } else if (code == BELAY_ENOMEM) {
        dooms(m, oldest(m, c->peer), code);
    } else if (code == BELAY_ECONNECT) {
        if (c->round == p->round) {
            p->round++;
            if (p->opened_at > p->failed_at && m->now - p->opened_at >= PM_MS(1000))
                p->failures = 0; /* it has been up for a while since */
            p->failed_at = m->now;
            p->retry_at = m->now + PM_MS(100 << p->failures);
            p->failures += p->failures < 6;
        }
        first = oldest(m, c->peer);
        if (first && p->round - first->round > (uint64_t)m->limits.retries)
            dooms(m, first, code);
    } else {
        for (first = oldest(m, c->peer); first; first = oldest(m, c->peer))
            dooms(m, first, code);
    }
}

void pm_gone(struct pm *m, struct pm_conn *c, enum belay_reason reason)
{
    m->peers[c->peer].counts.closed[reason]++;
    c->state = PM_NONE;
}

/* ---- what the policy decided ---- */

void pm_lent(struct pm *m, struct pm_conn *c, struct pm_waiter *w)
{
    int peer = w ? w->peer : c->peer;
    struct pm_peer *p = &m->peers[peer];
    bool fresh = w && w->fresh;

    assert_false(m->closed);
    assert_true(may_be_lent(m, c, peer, fresh));
    EACH_CONN(m, other) /* of those at rest, the one used last */
    if (c->leases == 0 && other->leases == 0 && may_be_lent(m, other, peer, fresh))
        assert_true(other->idle_since <= c->idle_since || c->checked || other->checked);
    EACH_WAITER(m, other)
    if (other->waiting && !other->doomed && other->peer == peer && other != w) {
        assert_non_null(w);
        assert_true(other->arrival > w->arrival || !may_be_lent(m, c, peer, other->fresh));
    }
    p->counts.acquired++;
    p->counts.reused += c->uses > 0;
    c->leases++;
    c->uses++;
    c->checked = false;
    if (!w)
        return;
    assert_true(w->waiting && !w->doomed);
    p->counts.waited_ns += m->now - w->since;
    w->waiting = false;
    left(m, peer);
}

void pm_not_lent(struct pm *m, int peer)
{
    if (m->closed || pm_waiting(m, peer) > 0)
        return;
    EACH_CONN(m, c)
    assert_false(may_be_lent(m, c, peer, false));
}

void pm_dialled(struct pm *m, struct pm_conn *c, int peer)
{
    struct pm_peer *p = &m->peers[peer];
    uint32_t all;

    assert_true(m->now >= m->pause_until);
    assert_true(may_dial_but_for_the_total(m, peer));
    for (int i = 0; i < PM_PEERS; i++)
        if (may_dial_but_for_the_total(m, i))
            assert_true(oldest(m, peer)->arrival <= oldest(m, i)->arrival);
    if (pm_count(m, peer, PM_DIALING) == 0)
        p->first_dial = m->now;
    memset((char *)c + sizeof c->pp, 0, sizeof *c - sizeof c->pp);
    c->state = PM_DIALING;
    c->peer = peer;
    c->round = p->round;
    all = (uint32_t)all_connections(m);
    assert_true(all <= (uint32_t)m->limits.total);
    if ((uint32_t)connections(m, peer) > p->counts.peak)
        p->counts.peak = (uint32_t)connections(m, peer);
}

void pm_failed(struct pm *m, struct pm_waiter *w, int code)
{
    (void)m;
    assert_true(w->waiting && w->doomed);
    assert_int_equal(w->code, code);
    w->waiting = false;
}

void pm_checks(struct pm *m, struct pm_conn *c)
{
    m->peers[c->peer].counts.checks++;
    assert_int_equal(c->state, PM_OPEN);
    assert_int_equal(c->leases, 0);
    assert_true(c->facts.suspect && c->can_check);
    c->state = PM_CHECKING;
}

static bool eviction_is_justified(struct pm *m, const struct pm_conn *c)
{
    bool for_others = all_connections(m) >= m->limits.total, wanted = false;
    struct pm_waiter *first = oldest(m, c->peer);

    if (!evictable(m, c))
        return false;
    for (int i = 0; i < PM_PEERS; i++)
        wanted |= may_dial_but_for_the_total(m, i);
    if (m->out_of_descriptors)
        m->out_of_descriptors = false;
    else if (first && first->fresh && connections(m, c->peer) >= m->limits.per_endpoint)
        for_others = false;
    else if (!for_others || !wanted)
        return false;
    EACH_CONN(m, other) /* it has been idle for longest */
    if (evictable(m, other) && (for_others || other->peer == c->peer) &&
        other->idle_since < c->idle_since && !c->checked && !other->checked)
        return false;
    return true;
}

static bool is_true(struct pm *m, const struct pm_conn *c, enum belay_reason reason)
{
    switch (reason) {
    case BELAY_REASON_IDLE:
        return idle_too_long(m, c);
    case BELAY_REASON_LIFETIME:
        return too_old(m, c);
    case BELAY_REASON_USES:
        return worn_out(m, c);
    case BELAY_REASON_BROKEN:
        return c->broken;
    case BELAY_REASON_DRAINING:
        return c->facts.draining;
    case BELAY_REASON_UNHEALTHY:
        return (c->facts.suspect && !c->can_check) || c->check_failed;
    case BELAY_REASON_CLEARED:
        return c->cleared;
    case BELAY_REASON_EVICTED:
        return eviction_is_justified(m, c);
    case BELAY_REASON_POOL_CLOSED:
        return m->closed;
    default:
        if (c->lost_in_use && c->facts.lost_reason == BELAY_REASON_PEER_CLOSED)
            return reason == BELAY_REASON_ERROR;
        return c->facts.lost && c->facts.lost_reason == reason;
    }
}

void pm_closes(struct pm *m, struct pm_conn *c, enum belay_reason reason)
{
    assert_int_not_equal(c->state, PM_NONE);
    assert_int_not_equal(c->state, PM_CLOSING);
    assert_int_equal(c->leases, 0);
    if (!is_true(m, c, reason))
        fail_msg("closed for a reason that does not hold: %s", belay_reason_name(reason));
    c->state = PM_CLOSING;
}

void pm_settled(struct pm *m)
{
    bool wanted = false, could_make_room = false;

    EACH_WAITER(m, w)
    {
        if (!w->waiting)
            continue;
        assert_false(w->doomed);
        EACH_CONN(m, c)
        assert_false(may_be_lent(m, c, w->peer, w->fresh));
    }
    EACH_CONN(m, c)
    {
        could_make_room |= evictable(m, c);
        if (c->state == PM_OPEN && c->leases == 0 && !healthy(m, c))
            fail_msg("a connection with nothing to live for is kept");
    }
    for (int i = 0; i < PM_PEERS; i++) {
        if (!may_dial_but_for_the_total(m, i))
            continue;
        wanted = true;
        assert_true(m->now < m->pause_until || all_connections(m) >= m->limits.total);
    }
    if (wanted && m->now >= m->pause_until)
        assert_true(pm_count(m, -1, PM_CLOSING) > 0 || !could_make_room);
    m->out_of_descriptors = false;
}

void pm_stats(const struct pm *m, int peer, struct belay_pool_stats *ret)
{
    *ret = m->peers[peer].counts;
    ret->size = sizeof *ret;
    ret->endpoints = 1;
    ret->dialing = (uint32_t)pm_count(m, peer, PM_DIALING);
    ret->closing = (uint32_t)pm_count(m, peer, PM_CLOSING);
    ret->in_use = ret->checking = (uint32_t)pm_count(m, peer, PM_CHECKING);
    ret->waiting = (uint32_t)pm_waiting(m, peer);
    EACH_CONN(m, c)
    if (c->state == PM_OPEN && c->peer == peer) {
        ret->idle += c->leases == 0;
        ret->in_use += c->leases > 0;
        ret->leases += (uint32_t)c->leases;
    }
}
