/* SPDX-License-Identifier: MIT */
/* The lease table: what is stale is caught, for ever. */
#include "conn/lease.h"

#include "base/rand.h"
#include "conn/conn.h"
#include "support/failing_alloc.h"
#include "unit/conn/keeper_kit.h"
#include "unit/loop/fake_world.h"

#define LESSORS 20
#define LEASES  600

static struct failing_alloc alloc;
static struct fake_world world;

/* Stands for a connection: the table never looks into it. */
struct lender {
    struct bl_lessor lessor;
    char conn;
    unsigned released, taken, broken;
};

static struct belay_conn *conn_of(struct lender *l)
{
    return (struct belay_conn *)(void *)&l->conn;
}

static void on_release(struct belay_conn *conn, enum belay_release how, void *owner)
{
    struct lender *l = owner;

    assert_ptr_equal(conn, conn_of(l));
    l->released++;
    l->broken += how == BELAY_BROKEN;
}

static int on_take(struct belay_conn *conn, struct belay_stream **ret, void *owner)
{
    struct lender *l = owner;

    (void)conn;
    *ret = NULL;
    l->taken++;
    return 0;
}

static const struct bl_lease_owner_ops ops = {.release = on_release, .take = on_take};

static int set_up(void **state)
{
    (void)state;
    failing_alloc_init(&alloc);
    fake_world_open(&world, &alloc.allocator);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_world_close(&world);
    assert_int_equal(failing_alloc_live(&alloc), 0);
    return 0;
}

static void lender_init(struct lender *l)
{
    memset(l, 0, sizeof *l);
    assert_int_equal(bl_lessor_init(&l->lessor, world.loop, &ops, l, conn_of(l)), 0);
}

static struct belay_lease lend(struct lender *l)
{
    struct belay_lease lease;

    assert_int_equal(bl_lease_give(world.loop, &l->lessor, &lease), 0);
    assert_true(belay_lease_valid(lease));
    assert_ptr_equal(belay_lease_conn(lease), conn_of(l));
    return lease;
}

static void assert_stale(struct belay_lease lease)
{
    struct belay_stream *stream;

    assert_false(belay_lease_valid(lease));
    assert_null(belay_lease_conn(lease));
    assert_null(belay_lease_stream(lease));
    assert_null(belay_lease_state(lease));
    assert_int_equal(belay_lease_take(lease, &stream), BELAY_ESTALE);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
}

static void a_lease_is_released_once(void **state)
{
    struct lender l;
    struct belay_lease lease, next;

    (void)state;
    lender_init(&l);
    lease = lend(&l);
    assert_int_equal(belay_lease_release(lease, BELAY_BROKEN), 0);
    assert_stale(lease);
    assert_int_equal(l.released, 1);
    assert_int_equal(l.broken, 1);
    next = lend(&l);
    assert_stale(lease);
    assert_true(belay_lease_valid(next));
    assert_int_equal(l.released, 1);
    bl_lessor_fini(&l.lessor, world.loop);
    assert_stale(next);
    bl_lessor_fini(&l.lessor, world.loop);
    assert_int_equal(l.released, 1); /* nobody is told */
}

static void no_lease_is_stale(void **state)
{
    struct belay_lease lease = {0};
    struct lender l;

    (void)state;
    assert_stale(lease);
    assert_stale(bl_lease_none());
    lender_init(&l);
    lease = lend(&l);
    lease.slot = 1000000;
    assert_stale(lease);
    lease.slot = UINT32_MAX;
    assert_stale(lease);
    bl_lessor_fini(&l.lessor, world.loop);
}

static void shared_leases_are_each_their_own(void **state)
{
    struct belay_stream *stream;
    struct belay_lease a, b, c;
    struct lender l;

    (void)state;
    lender_init(&l);
    a = lend(&l);
    b = lend(&l);
    c = lend(&l);
    assert_int_equal(l.lessor.leases, 3);
    assert_int_equal(belay_lease_take(b, &stream), BELAY_EAGAIN); /* others have it too */
    assert_true(belay_lease_valid(b));
    assert_int_equal(belay_lease_release(a, BELAY_REUSE), 0); /* the first slot is kept for it */
    assert_stale(a);
    assert_true(belay_lease_valid(b) && belay_lease_valid(c));
    a = lend(&l);
    assert_int_equal(belay_lease_release(b, BELAY_REUSE), 0);
    assert_true(belay_lease_valid(a) && belay_lease_valid(c));
    bl_lease_revoke(world.loop, &l.lessor);
    assert_stale(a);
    assert_stale(c);
    assert_int_equal(l.lessor.leases, 0);
    assert_int_equal(l.released, 2);
    bl_lease_revoke(world.loop, &l.lessor);
    bl_lessor_fini(&l.lessor, world.loop);
}

/* ---- against a naive model ---- */

static struct lender lenders[LESSORS];
static struct {
    struct belay_lease lease;
    struct lender *lender; /* NULL: stale */
} known[LEASES];

static void check_all(void)
{
    for (int i = 0; i < LESSORS; i++) {
        uint32_t out = 0;

        for (int n = 0; n < LEASES; n++)
            out += known[n].lender == &lenders[i];
        assert_int_equal(lenders[i].lessor.leases, out);
    }
    for (int n = 0; n < LEASES; n++)
        assert_ptr_equal(belay_lease_conn(known[n].lease),
                         known[n].lender ? conn_of(known[n].lender) : NULL);
}

static void forget(struct lender *l)
{
    for (int n = 0; n < LEASES; n++)
        if (known[n].lender == l)
            known[n].lender = NULL;
}

static void any_order_of_doings(void **state)
{
    struct bl_rand dice;

    (void)state;
    memset(known, 0, sizeof known);
    memset(lenders, 0, sizeof lenders);
    bl_rand_seed(&dice, 42);
    for (int i = 0; i < LESSORS; i++)
        lender_init(&lenders[i]);
    for (int step = 0; step < 30000; step++) {
        struct lender *l = &lenders[bl_rand_below(&dice, LESSORS)];
        size_t n = (size_t)bl_rand_below(&dice, LEASES);
        unsigned released = known[n].lender ? known[n].lender->released : 0;

        switch (bl_rand_below(&dice, 40)) {
        case 0:
            bl_lease_revoke(world.loop, &l->lessor);
            forget(l);
            break;
        case 1:
            bl_lessor_fini(&l->lessor, world.loop);
            forget(l);
            lender_init(l);
            break;
        default:
            if (known[n].lender && step % 3) {
                assert_int_equal(belay_lease_release(known[n].lease, BELAY_REUSE), 0);
                assert_int_equal(known[n].lender->released, released + 1);
                known[n].lender = NULL;
            } else if (!known[n].lender) {
                assert_int_equal(belay_lease_release(known[n].lease, BELAY_REUSE), BELAY_ESTALE);
                known[n].lease = lend(l);
                known[n].lender = l;
            }
        }
        if (step % 50 == 0)
            check_all();
    }
    check_all();
    for (int i = 0; i < LESSORS; i++)
        bl_lessor_fini(&lenders[i].lessor, world.loop);
}

static void a_slot_is_used_again_and_again_and_never_mistaken(void **state)
{
    struct belay_lease first, lease;
    struct lender l;

    (void)state;
    lender_init(&l);
    first = lend(&l);
    belay_lease_release(first, BELAY_REUSE);
    for (int i = 0; i < 200000; i++) {
        lease = lend(&l);
        assert_int_equal(lease.slot, first.slot);
        assert_int_not_equal(lease.generation, first.generation);
        assert_int_equal(belay_lease_release(first, BELAY_REUSE), BELAY_ESTALE);
        assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    }
    bl_lessor_fini(&l.lessor, world.loop);
}

/* ---- memory ---- */

static void growing_may_fail_and_loses_nothing(void **state)
{
    static struct belay_lease leases[LEASES];
    struct belay_lease lease;
    struct lender l;
    int n = 0;

    (void)state;
    lender_init(&l);
    leases[n++] = lend(&l);
    while (n < LEASES) {
        failing_alloc_from(&alloc, 1);
        while (n < LEASES && bl_lease_reserve(world.loop) == 0)
            leases[n++] = lend(&l);
        if (n == LEASES)
            break;
        assert_int_equal(bl_lease_give(world.loop, &l.lessor, &lease), BELAY_ENOMEM);
        failing_alloc_from(&alloc, 0);
        for (int i = 0; i < n; i++)
            assert_true(belay_lease_valid(leases[i]));
        assert_int_equal(bl_lease_reserve(world.loop), 0);
        leases[n++] = lend(&l);
    }
    failing_alloc_from(&alloc, 0);
    assert_true(failing_alloc_failures(&alloc) >= 3);
    for (int i = 0; i < n; i++)
        assert_int_equal(belay_lease_release(leases[i], BELAY_REUSE), 0);
    assert_int_equal(l.released, LEASES);
    bl_lessor_fini(&l.lessor, world.loop);
}

static void a_lessor_without_memory_is_none(void **state)
{
    struct lender l;

    (void)state;
    for (size_t n = 1; n <= 2; n++) {
        memset(&l, 0, sizeof l);
        failing_alloc_once(&alloc, n);
        assert_int_equal(bl_lessor_init(&l.lessor, world.loop, &ops, &l, conn_of(&l)),
                         BELAY_ENOMEM);
        bl_lessor_fini(&l.lessor, world.loop); /* harmless */
    }
    failing_alloc_once(&alloc, 0);
    lender_init(&l);
    bl_lessor_fini(&l.lessor, world.loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lease_is_released_once),
        TEST(no_lease_is_stale),
        TEST(shared_leases_are_each_their_own),
        TEST(any_order_of_doings),
        TEST(a_slot_is_used_again_and_again_and_never_mistaken),
        TEST(growing_may_fail_and_loses_nothing),
        TEST(a_lessor_without_memory_is_none),
    };
    return cmocka_run_group_tests_name("conn_lease", tests, NULL, NULL);
}
