/* SPDX-License-Identifier: MIT */
/* Random histories: the policy and a naive model of it side by side, every decision judged. */
#include "base/rand.h"
#include "unit/keep/policy_model.h"

#define HISTORIES 2000
#define STEPS     400

static struct bl_rand dice;
static struct pm m;
static struct bl_pp pp;
static struct bl_pp_peer peers[PM_PEERS];
static struct bl_heap_entry *room[2][PM_PEERS]; /* in the heaps of the policy */
static struct belay_pool_stats met;             /* of all histories */

static int below(int n)
{
    return (int)bl_rand_below(&dice, (uint64_t)n);
}

static int pick(int n, const int *values)
{
    return values[below(n)];
}

static struct pm_conn *conn_of(struct bl_pp_conn *c)
{
    return BL_CONTAINER(c, struct pm_conn, pp);
}

static struct pm_waiter *waiter_of(struct bl_pp_waiter *w)
{
    return BL_CONTAINER(w, struct pm_waiter, pp);
}

static void begin(void)
{
    struct belay_backoff_options o = belay_backoff_options_init();
    struct bl_pp_limits limits = {
        .per_endpoint = 1 + below(4),
        .total = 1 + below(7),
        .uses = pick(3, (const int[]){INT32_MAX, 1, 3}),
        .waiters = 1 + below(8),
        .idle_ns = below(2) ? BELAY_NEVER : PM_MS(60),
        .lifetime_ns = below(2) ? BELAY_NEVER : PM_MS(250),
        .retries = below(3),
        .expected = below(4),
        .dials = INT32_MAX,
        .dials_total = INT32_MAX,
        .max_idle = INT32_MAX,
        .max_idle_total = INT32_MAX,
        .check_after_ns = BELAY_NEVER,
        .check_every_ns = BELAY_NEVER,
        .order = BELAY_REUSE_LIFO,
    };
    struct belay_backoff backoff;

    o.jitter = BELAY_JITTER_NONE;
    o.delay_max_ms = 6400;
    assert_int_equal(belay_backoff_init(&backoff, &o), 0);
    pm_init(&m, &limits);
    m.now = PM_MS(1000);
    bl_pp_init(&pp, &limits);
    pp.eager.entries = room[0];
    pp.oldest.entries = room[1];
    pp.eager.capacity = pp.oldest.capacity = PM_PEERS;
    pp.eager.reserved = pp.oldest.reserved = PM_PEERS;
    for (int i = 0; i < PM_PEERS; i++)
        bl_pp_peer_init(&peers[i], &pp, &backoff);
}

static struct pm_conn *free_conn(void)
{
    for (int i = 0; i < PM_CONNS; i++)
        if (m.conns[i].state == PM_NONE)
            return &m.conns[i];
    fail_msg("limits do not hold");
    return NULL;
}

/* ---- performing, and telling the model ---- */

static void perform_dials(void)
{
    struct bl_pp_peer *peer;

    while ((peer = bl_pp_next_dial(&pp, m.now))) {
        struct pm_conn *c = free_conn();

        pm_dialled(&m, c, (int)(peer - peers));
        bl_pp_dial_started(&c->pp, peer, m.now);
    }
}

static void perform_lists(void)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&pp.failed))) {
        struct bl_pp_waiter *w = BL_LIST_OF(node, struct bl_pp_waiter, link);

        pm_failed(&m, waiter_of(w), w->code);
    }
    while ((node = bl_list_pop_front(&pp.checks)))
        pm_checks(&m, conn_of(BL_LIST_OF(node, struct bl_pp_conn, todo)));
    while ((node = bl_list_pop_front(&pp.closes))) {
        struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, todo);

        pm_closes(&m, conn_of(c), (enum belay_reason)c->reason);
    }
}

static void compare_numbers(void)
{
    struct belay_pool_stats told, known;
    uint32_t connections = 0;

    for (int i = 0; i < PM_PEERS; i++) {
        bl_pp_check_peer(&peers[i]);
        bl_pp_peer_stats(&peers[i], &told);
        pm_stats(&m, i, &known);
        assert_memory_equal(&told, &known, sizeof told);
        connections += told.idle + told.in_use + told.dialing + told.closing;
        assert_int_equal((int)(told.idle + told.in_use + told.dialing + told.closing),
                         peers[i].connections);
    }
    assert_int_equal(pp.connections, connections);
}

static void run(void)
{
    struct bl_pp_waiter *w;
    struct bl_pp_conn *c;

    for (int i = 0; i < PM_CONNS; i++) /* what the timers do */
        if (m.conns[i].state == PM_OPEN && bl_pp_due(&m.conns[i].pp) <= m.now)
            bl_pp_expire(&m.conns[i].pp, m.now);
    for (int i = 0; i < PM_PEERS; i++) {
        while (bl_pp_hungry(&peers[i]) && (w = bl_pp_next(&peers[i], &c, m.now))) {
            bl_pp_lend(c);
            bl_pp_served(w, m.now);
            pm_lent(&m, conn_of(c), waiter_of(w));
        }
        bl_pp_consider(&peers[i], m.now);
    }
    perform_dials();
    perform_lists();
    pm_settled(&m);
    compare_numbers();
}

/* ---- what may happen ---- */

static struct pm_conn *some_conn(enum pm_state state)
{
    int n = pm_count(&m, -1, state);

    if (n == 0)
        return NULL;
    n = below(n);
    for (int i = 0; i < PM_CONNS; i++)
        if (m.conns[i].state == state && n-- == 0)
            return &m.conns[i];
    return NULL;
}

static void somebody_waits(void)
{
    int peer = below(PM_PEERS), rc;
    bool fresh = below(6) == 0;

    for (int i = 0; i < PM_WAITERS; i++) {
        struct pm_waiter *w = &m.waiters[i];

        if (w->waiting)
            continue;
        w->pp.fresh = fresh;
        w->pp.urgent = false;
        rc = bl_pp_wait(&peers[peer], &w->pp, m.now);
        assert_int_equal(rc, m.closed                                   ? BELAY_ECLOSED
                             : pm_waiting(&m, peer) >= m.limits.waiters ? BELAY_EFULL
                                                                        : 0);
        if (rc == 0)
            pm_waits(&m, w, peer, fresh);
        return;
    }
}

static void somebody_tries(void)
{
    int peer = below(PM_PEERS);
    struct bl_pp_conn *c = bl_pp_try_simple(&peers[peer], m.now);

    if (!c) {
        c = bl_pp_pick_now(&peers[peer], m.now);
        if (c)
            bl_pp_lend(c);
    }
    if (c)
        pm_lent(&m, conn_of(c), NULL);
    else
        pm_not_lent(&m, peer);
}

static void somebody_leaves(void)
{
    struct pm_waiter *w = &m.waiters[below(PM_WAITERS)];

    if (!w->waiting)
        return;
    bl_pp_forget(&w->pp);
    pm_leaves(&m, w);
}

static void a_lease_comes_back(void)
{
    struct pm_conn *c = some_conn(PM_OPEN);
    bool broken = below(8) == 0;

    if (!c || c->leases == 0)
        return;
    if (!bl_pp_release_simple(&c->pp, broken, m.now))
        bl_pp_release(&c->pp, broken, m.now);
    else if (pp.eager.count > 0)
        bl_pp_idled(c->pp.peer, m.now);
    pm_releases(&m, c, broken);
}

static void a_dial_ends(void)
{
    static const int codes[] = {BELAY_ECONNECT, BELAY_ECONNECT, BELAY_ECONNECT, BELAY_ENONAME,
                                BELAY_EMFILE,   BELAY_ENOMEM,   BELAY_ECERT};
    struct pm_conn *c = some_conn(PM_DIALING);
    struct belay_error error = {.stage = BELAY_STAGE_CONNECT};

    if (!c)
        return;
    if (below(3)) {
        c->facts.capacity = pick(6, (const int[]){1, 1, 1, 0, 2, 5});
        bl_pp_opened(&c->pp, &c->facts, m.now);
        pm_opens(&m, c);
        return;
    }
    error.code = pick(7, codes);
    error.kind = belay_error_kind_of(error.code);
    bl_pp_dial_failed(&c->pp, &error, bl_rand_next(&dice), m.now);
    pm_fails(&m, c, error.code);
}

static void facts_change(void)
{
    struct pm_conn *c = some_conn(below(4) ? PM_OPEN : PM_CHECKING);

    if (!c)
        return;
    switch (below(5)) {
    case 0:
        c->facts.draining = true;
        break;
    case 1:
        if (!c->facts.lost)
            c->facts.lost_reason = below(2) ? BELAY_REASON_PEER_CLOSED : BELAY_REASON_ERROR;
        c->lost_in_use |= !c->facts.lost && c->leases > 0;
        c->facts.lost = true;
        break;
    case 2:
        if (!c->facts.suspect)
            c->can_check = below(3) != 0;
        c->facts.suspect = true;
        break;
    default:
        c->facts.capacity = below(4);
    }
    c->pp.checkable = c->can_check;
    bl_pp_changed(&c->pp, &c->facts);
}

static void a_check_ends(void)
{
    struct pm_conn *c = some_conn(PM_CHECKING);
    int result = below(2) ? 0 : BELAY_EUNHEALTHY;

    if (!c)
        return;
    if (result == 0) {
        c->facts.suspect = false;
        c->state = PM_OPEN;
        c->checked = true;
    } else {
        c->check_failed = true;
    }
    bl_pp_checked(&c->pp, result, m.now);
}

static void one_is_cleared(void)
{
    struct pm_conn *c = some_conn(PM_OPEN);

    if (!c)
        return;
    c->cleared = true;
    if (below(2)) {
        bl_pp_close(&c->pp, BELAY_REASON_CLEARED, true);
        return;
    }
    bl_pp_close(&c->pp, BELAY_REASON_CLEARED, false);
    c->leases = 0;
}

static void one_is_gone(void)
{
    struct pm_conn *c = some_conn(PM_CLOSING);

    if (!c)
        return;
    pm_gone(&m, c, (enum belay_reason)c->pp.reason);
    bl_pp_gone(&c->pp);
}

static void time_passes(void)
{
    m.now += PM_MS(pick(6, (const int[]){0, 1, 10, 25, 50, 120}));
}

static void step(void)
{
    static void (*const things[])(void) = {
        somebody_waits,     somebody_waits, somebody_waits, somebody_tries,     somebody_tries,
        somebody_leaves,    a_dial_ends,    a_dial_ends,    a_dial_ends,        a_lease_comes_back,
        a_lease_comes_back, facts_change,   a_check_ends,   one_is_cleared,     one_is_gone,
        one_is_gone,        time_passes,    time_passes,    a_lease_comes_back,
    };

    things[below((int)BL_COUNT(things))]();
    run();
}

/* The pool is closed, at once or when all leases are back; in the end nothing is left. */
static void finish(void)
{
    bool hurry = below(2);

    m.closed = pp.closed = true;
    for (int i = 0; i < PM_PEERS; i++)
        bl_pp_fail_all(&peers[i], BELAY_ECLOSED);
    for (int i = 0; i < PM_WAITERS; i++)
        if (m.waiters[i].waiting && !m.waiters[i].doomed) {
            m.waiters[i].doomed = true;
            m.waiters[i].code = BELAY_ECLOSED;
        }
    for (int i = 0; i < PM_PEERS; i++) {
        m.peers[i].failures = 0;
        m.peers[i].retry_at = 0;
    }
    for (int i = 0; i < PM_CONNS; i++) {
        struct pm_conn *c = &m.conns[i];

        if (c->state == PM_NONE)
            continue;
        c->cleared = true; /* it may not be lent any more */
        if (hurry)
            c->leases = 0;
        bl_pp_close(&c->pp, BELAY_REASON_POOL_CLOSED, !hurry);
    }
    run();
    while (pp.connections > 0) {
        a_lease_comes_back();
        one_is_gone();
        run();
    }
    for (int i = 0; i < PM_PEERS; i++) {
        assert_int_equal(pm_waiting(&m, i), 0);
        met.acquired += m.peers[i].counts.acquired;
        met.reused += m.peers[i].counts.reused;
        met.failed[BELAY_STAGE_CONNECT] += m.peers[i].counts.failed[BELAY_STAGE_CONNECT];
        for (int r = 0; r < BELAY_REASONS_N; r++)
            met.closed[r] += m.peers[i].counts.closed[r];
    }
}

static void every_decision_is_one_that_the_model_allows(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        bl_rand_seed(&dice, seed);
        begin();
        for (int i = 0; i < STEPS; i++)
            step();
        finish();
    }
}

/* Histories in which little happens prove little. */
static void the_histories_met_everything(void **state)
{
    static const enum belay_reason reasons[] = {
        BELAY_REASON_IDLE,      BELAY_REASON_LIFETIME,    BELAY_REASON_USES,
        BELAY_REASON_UNHEALTHY, BELAY_REASON_ERROR,       BELAY_REASON_PEER_CLOSED,
        BELAY_REASON_DRAINING,  BELAY_REASON_BROKEN,      BELAY_REASON_EVICTED,
        BELAY_REASON_CLEARED,   BELAY_REASON_OPEN_FAILED, BELAY_REASON_POOL_CLOSED,
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(reasons); i++)
        if (met.closed[reasons[i]] < 100)
            fail_msg("closed for %s only %d times", belay_reason_name(reasons[i]),
                     (int)met.closed[reasons[i]]);
    assert_true(met.acquired > 10000);
    assert_true(met.reused > 5000);
    assert_true(met.failed[BELAY_STAGE_CONNECT] > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_decision_is_one_that_the_model_allows),
        cmocka_unit_test(the_histories_met_everything),
    };
    return cmocka_run_group_tests_name("keep_pool_model", tests, NULL, NULL);
}
