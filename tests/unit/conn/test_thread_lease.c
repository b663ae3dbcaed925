/* SPDX-License-Identifier: MIT */
/* The slots of leases that any thread may release: each arrow of their states. */
#include "conn/thread_lease.h"

#include "unit/conn/conn_world.h"

#define SLOTS 1000

static struct failing_alloc alloc;
static struct fake_world world;
static unsigned homes, broken_homes;
static int group, other_group;

static int set_up(void **state)
{
    (void)state;
    homes = broken_homes = 0;
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

static void on_home(struct bl_thread_slot *slot, bool broken)
{
    assert_ptr_equal(slot->owner, &homes);
    homes++;
    broken_homes += broken;
}

/* Stands for a connection: nobody looks into it. */
static struct belay_conn *conn(void)
{
    return (struct belay_conn *)(void *)&world;
}

static struct bl_thread_slot *make(void)
{
    struct bl_thread_slot *slot;

    assert_int_equal(bl_thread_slot_new(world.loop, conn(), &homes, on_home, &slot), 0);
    return slot;
}

static void settle(void)
{
    assert_int_equal(belay_loop_turn(world.loop, 0), 0);
}

static void released_it_is_parked_for_its_group(void **state)
{
    struct bl_thread_slot *slot = make();
    struct belay_lease lease, next;

    (void)state;
    assert_false(bl_thread_slot_try(slot, &group, &lease)); /* it is home */
    bl_thread_slot_lend(slot, &group, false, &lease);
    assert_ptr_equal(belay_lease_conn(lease), conn());
    assert_ptr_equal(bl_thread_slot_of(lease), slot);
    assert_false(bl_thread_slot_try(slot, &group, &next));
    assert_false(bl_thread_slot_take(slot));
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    assert_false(bl_thread_slot_try(slot, &other_group, &next));
    assert_true(bl_thread_slot_try(slot, &group, &next));
    assert_false(belay_lease_valid(lease));
    assert_true(belay_lease_valid(next));
    assert_int_equal(belay_lease_release(next, BELAY_REUSE), 0);
    assert_true(bl_thread_slot_take(slot));
    assert_false(bl_thread_slot_take(slot));
    assert_false(bl_thread_slot_try(slot, &group, &next));
    settle();
    assert_int_equal(homes, 0);
    bl_thread_slot_free(slot);
}

static void recalled_it_comes_home_once(void **state)
{
    struct bl_thread_slot *slot = make();
    struct belay_lease lease;

    (void)state;
    bl_thread_slot_lend(slot, &group, false, &lease);
    assert_false(bl_thread_slot_recall(slot, false));
    assert_false(bl_thread_slot_recall(slot, false));
    assert_true(belay_lease_valid(lease));
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
    assert_false(bl_thread_slot_recall(slot, false)); /* it is on its way */
    assert_int_equal(homes, 0);
    settle();
    assert_int_equal(homes, 1);

    bl_thread_slot_lend(slot, &group, false, &lease);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    assert_true(bl_thread_slot_recall(slot, false));
    settle();
    assert_int_equal(homes, 1);

    bl_thread_slot_lend(slot, &group, true, &lease);
    assert_int_equal(belay_lease_release(lease, BELAY_BROKEN), 0);
    settle();
    assert_int_equal(homes, 2);
    assert_int_equal(broken_homes, 1);
    bl_thread_slot_free(slot);
}

static void revoked_it_is_stale_and_comes_home_nevertheless(void **state)
{
    struct bl_thread_slot *slot = make();
    struct belay_lease lease;

    (void)state;
    bl_thread_slot_lend(slot, &group, false, &lease);
    assert_false(bl_thread_slot_recall(slot, true));
    assert_false(belay_lease_valid(lease));
    assert_null(belay_lease_conn(lease));
    settle();
    assert_int_equal(homes, 0);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
    settle();
    assert_int_equal(homes, 1);
    bl_thread_slot_free(slot);
}

static void slots_never_move_and_are_used_again(void **state)
{
    static struct bl_thread_slot *slots[SLOTS];
    struct belay_lease leases[SLOTS];
    size_t calls;

    (void)state;
    for (int i = 0; i < SLOTS; i++) {
        slots[i] = make();
        assert_int_equal((uintptr_t)slots[i] % BL_SLOT_SIZE, 0);
        bl_thread_slot_lend(slots[i], &group, false, &leases[i]);
    }
    for (int i = 0; i < SLOTS; i++) {
        assert_ptr_equal(bl_thread_slot_of(leases[i]), slots[i]);
        assert_int_equal(belay_lease_release(leases[i], BELAY_REUSE), 0);
        assert_true(bl_thread_slot_take(slots[i]));
        bl_thread_slot_free(slots[i]);
    }
    calls = failing_alloc_calls(&alloc);
    for (int i = 0; i < SLOTS; i++)
        slots[i] = make();
    assert_int_equal(failing_alloc_calls(&alloc), calls);
    for (int i = 0; i < SLOTS; i++) {
        assert_int_equal(belay_lease_release(leases[i], BELAY_REUSE), BELAY_ESTALE);
        bl_thread_slot_free(slots[i]);
    }
}

static void without_memory_there_is_no_slot(void **state)
{
    struct bl_thread_slot *slot;
    int rc;

    (void)state;
    for (size_t n = 1;; n++) {
        failing_alloc_once(&alloc, n);
        rc = bl_thread_slot_new(world.loop, conn(), &homes, on_home, &slot);
        if (rc == 0)
            break;
        assert_int_equal(rc, BELAY_ENOMEM);
    }
    failing_alloc_once(&alloc, 0);
    bl_thread_slot_free(slot);
    bl_thread_slot_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(released_it_is_parked_for_its_group),
        TEST(recalled_it_comes_home_once),
        TEST(revoked_it_is_stale_and_comes_home_nevertheless),
        TEST(slots_never_move_and_are_used_again),
        TEST(without_memory_there_is_no_slot),
    };
    return cmocka_run_group_tests_name("conn_thread_lease", tests, NULL, NULL);
}
