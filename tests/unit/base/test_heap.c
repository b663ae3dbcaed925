/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#include "base/rand.h"
#include "belay/error.h"
#include "support/failing_alloc.h"
#include "support/test.h"

#define ENTRIES 200

static void reserve_all(struct bl_heap *h, struct bl_mem *mem, struct bl_heap_entry *entries)
{
    for (int i = 0; i < ENTRIES; i++) {
        bl_heap_entry_init(&entries[i]);
        assert_int_equal(bl_heap_reserve(h, mem), 0);
    }
}

static void equal_deadlines_come_out_in_the_order_they_went_in(void **state)
{
    struct bl_heap_entry entries[ENTRIES];
    struct bl_heap h = {0};
    struct bl_mem mem;

    (void)state;
    bl_mem_init(&mem, NULL);
    reserve_all(&h, &mem, entries);
    for (int i = 0; i < ENTRIES; i++)
        bl_heap_insert(&h, &entries[i], i % 2 ? 5 : 7);
    for (int i = 0; i < ENTRIES; i++) {
        int expected = i < ENTRIES / 2 ? 2 * i + 1 : 2 * (i - ENTRIES / 2);

        assert_ptr_equal(bl_heap_first(&h), &entries[expected]);
        bl_heap_remove(&h, &entries[expected]);
    }
    assert_null(bl_heap_first(&h));
    bl_heap_free(&h, &mem);
    assert_int_equal(mem.live, 0);
}

static void an_entry_that_is_out_may_be_removed(void **state)
{
    struct bl_heap_entry entry;
    struct bl_heap h = {0};

    (void)state;
    bl_heap_entry_init(&entry);
    bl_heap_remove(&h, &entry);
    assert_int_equal(entry.index, BL_HEAP_OUT);
}

static void a_failed_reserve_changes_nothing(void **state)
{
    struct bl_heap_entry entry;
    struct failing_alloc f;
    struct bl_heap h = {0};
    struct bl_mem mem;
    uint32_t reserved = 0;

    (void)state;
    failing_alloc_init(&f);
    bl_mem_init(&mem, &f.allocator);
    failing_alloc_from(&f, 3);
    while (bl_heap_reserve(&h, &mem) == 0)
        reserved++;
    assert_int_equal(h.reserved, reserved);
    assert_int_equal(bl_heap_reserve(&h, &mem), BELAY_ENOMEM);
    bl_heap_entry_init(&entry);
    bl_heap_insert(&h, &entry, 1);
    assert_ptr_equal(bl_heap_first(&h), &entry);
    bl_heap_remove(&h, &entry);
    bl_heap_unreserve(&h);
    assert_int_equal(bl_heap_reserve(&h, &mem), 0);
    bl_heap_free(&h, &mem);
    assert_int_equal(failing_alloc_live(&f), 0);
}

/* The first by key and then by order of insertion, found by looking at all. */
static struct bl_heap_entry *naive_first(struct bl_heap_entry *entries, const uint64_t *orders)
{
    struct bl_heap_entry *first = NULL;

    for (int i = 0; i < ENTRIES; i++) {
        struct bl_heap_entry *e = &entries[i];

        if (orders[i] == 0)
            continue;
        if (!first || e->key < first->key ||
            (e->key == first->key && orders[i] < orders[first - entries]))
            first = e;
    }
    return first;
}

static void heap_agrees_with_a_search_through_all(void **state)
{
    struct bl_heap_entry entries[ENTRIES];
    uint64_t orders[ENTRIES] = {0}, next_order = 1;
    struct bl_heap h = {0};
    struct bl_mem mem;
    struct bl_rand r;
    uint32_t count = 0;

    (void)state;
    bl_rand_seed(&r, 3);
    bl_mem_init(&mem, NULL);
    reserve_all(&h, &mem, entries);
    for (int i = 0; i < 50000; i++) {
        size_t k = bl_rand_below(&r, ENTRIES);

        if (bl_rand_below(&r, 4) == 0 && bl_heap_first(&h)) {
            k = (size_t)(bl_heap_first(&h) - entries);
            assert_true(orders[k] > 0);
        }
        if (orders[k] > 0) {
            bl_heap_remove(&h, &entries[k]);
            assert_int_equal(entries[k].index, BL_HEAP_OUT);
            orders[k] = 0;
            count--;
        } else {
            bl_heap_insert(&h, &entries[k], bl_rand_below(&r, 50));
            orders[k] = next_order++;
            count++;
        }
        assert_int_equal(h.count, count);
        assert_ptr_equal(bl_heap_first(&h), naive_first(entries, orders));
    }
    bl_heap_free(&h, &mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_deadlines_come_out_in_the_order_they_went_in),
        cmocka_unit_test(an_entry_that_is_out_may_be_removed),
        cmocka_unit_test(a_failed_reserve_changes_nothing),
        cmocka_unit_test(heap_agrees_with_a_search_through_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
