/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/rand.h"
#include "belay/error.h"
#include "support/failing_alloc.h"
#include "support/test.h"

/* Enough for uthash to grow its table several times. */
#define ITEMS 2000

struct item {
    char key[16];
    bool in;
    uint64_t order; /* of insertion */
    struct bl_map_node node;
};

static const uint64_t hash_key[2] = {0x0123456789abcdef, 0xfedcba9876543210};

static struct item *item_of(struct bl_map_node *node)
{
    return BL_CONTAINER(node, struct item, node);
}

static struct item *make_items(void)
{
    static struct item items[ITEMS];

    memset(items, 0, sizeof items);
    for (int i = 0; i < ITEMS; i++)
        snprintf(items[i].key, sizeof items[i].key, "host-%d", i);
    return items;
}

static int add(struct bl_map *map, struct item *item)
{
    return bl_map_add(map, item->key, strlen(item->key), &item->node);
}

static struct item *find(const struct bl_map *map, const char *key)
{
    struct bl_map_node *node = bl_map_find(map, key, strlen(key));

    return node ? item_of(node) : NULL;
}

/* Everything that is in is found, everything else is not, and the order is that of insertion. */
static void assert_same(const struct bl_map *map, struct item *items)
{
    struct bl_map_node *node = NULL;
    uint64_t order = 0;
    size_t in = 0, seen = 0;

    for (int i = 0; i < ITEMS; i++) {
        assert_ptr_equal(find(map, items[i].key), items[i].in ? &items[i] : NULL);
        in += items[i].in;
    }
    while ((node = bl_map_next(map, node))) {
        assert_true(item_of(node)->in);
        assert_true(item_of(node)->order > order);
        order = item_of(node)->order;
        seen++;
    }
    assert_int_equal(seen, in);
    assert_int_equal(map->count, in);
}

static void remove_all(struct bl_map *map, struct item *items)
{
    for (int i = 0; i < ITEMS; i++) {
        if (items[i].in)
            bl_map_remove(map, &items[i].node);
        items[i].in = false;
    }
}

static void map_agrees_with_an_array_while_memory_runs_out(void **state)
{
    struct item *items = make_items();
    struct failing_alloc f;
    struct bl_mem mem;
    struct bl_map map;
    struct bl_rand r;
    uint64_t order = 0;
    size_t failures = 0;

    (void)state;
    failing_alloc_init(&f);
    bl_mem_init(&mem, &f.allocator);
    bl_map_init(&map, &mem, hash_key);
    bl_rand_seed(&r, 4);
    for (int i = 0; i < 40000; i++) {
        struct item *item = &items[bl_rand_below(&r, ITEMS)];

        if (item->in && (i / 10000) % 2) {
            bl_map_remove(&map, &item->node);
            item->in = false;
        } else if (!item->in) {
            int rc;

            failing_alloc_once(&f, bl_rand_below(&r, 4) != 0);
            rc = add(&map, item);
            failing_alloc_once(&f, 0);
            item->in = rc == 0;
            item->order = ++order;
            if (rc < 0) {
                assert_int_equal(rc, BELAY_ENOMEM);
                failures++;
            }
        }
        if (i % 1000 == 0)
            assert_same(&map, items);
    }
    assert_same(&map, items);
    assert_true(failures > 3);
    remove_all(&map, items);
    assert_int_equal(failing_alloc_live(&f), 0);
}

/* The whole map is looked at after each failure. */
static void a_failed_add_changes_nothing(void **state)
{
    struct item *items = make_items();
    struct failing_alloc f;
    struct bl_mem mem;
    struct bl_map map;
    size_t failures = 0;

    (void)state;
    failing_alloc_init(&f);
    bl_mem_init(&mem, &f.allocator);
    bl_map_init(&map, &mem, hash_key);
    for (int i = 0; i < ITEMS; i++) {
        for (size_t n = 1;; n++) {
            size_t before = failing_alloc_failures(&f), live = failing_alloc_live(&f);
            int rc;

            failing_alloc_once(&f, n);
            rc = add(&map, &items[i]);
            failing_alloc_once(&f, 0);
            items[i].order = (uint64_t)i + 1;
            items[i].in = rc == 0;
            if (failing_alloc_failures(&f) == before)
                break;
            assert_int_equal(rc, BELAY_ENOMEM);
            assert_int_equal(failing_alloc_live(&f), live);
            assert_same(&map, items);
            failures++;
        }
    }
    /* The first table takes two blocks; each growth one. */
    assert_true(failures >= 6);
    remove_all(&map, items);
    assert_int_equal(failing_alloc_live(&f), 0);
}

static void the_current_node_may_be_removed_after_asking_for_the_next(void **state)
{
    struct item *items = make_items();
    struct bl_map_node *node, *next;
    struct bl_mem mem;
    struct bl_map map;
    int seen = 0;

    (void)state;
    bl_mem_init(&mem, NULL);
    bl_map_init(&map, &mem, hash_key);
    for (int i = 0; i < 100; i++)
        assert_int_equal(add(&map, &items[i]), 0);
    for (node = bl_map_next(&map, NULL); node; node = next) {
        next = bl_map_next(&map, node);
        assert_ptr_equal(item_of(node), &items[seen++]);
        bl_map_remove(&map, node);
    }
    assert_int_equal(seen, 100);
    assert_int_equal(map.count, 0);
    assert_int_equal(mem.live, 0);
}

static void keys_are_bytes(void **state)
{
    struct item a = {.in = false}, b = {.in = false}, empty = {.in = false};
    struct bl_mem mem;
    struct bl_map map;

    (void)state;
    bl_mem_init(&mem, NULL);
    bl_map_init(&map, &mem, hash_key);
    assert_null(bl_map_find(&map, "x", 1));
    assert_int_equal(bl_map_add(&map, "a\0b", 3, &a.node), 0);
    assert_int_equal(bl_map_add(&map, "a\0c", 3, &b.node), 0);
    assert_int_equal(bl_map_add(&map, "", 0, &empty.node), 0);
    assert_ptr_equal(bl_map_find(&map, "a\0b", 3), &a.node);
    assert_ptr_equal(bl_map_find(&map, "a\0c", 3), &b.node);
    assert_ptr_equal(bl_map_find(&map, "", 0), &empty.node);
    assert_null(bl_map_find(&map, "a", 1));
    bl_map_remove(&map, &a.node);
    bl_map_remove(&map, &b.node);
    bl_map_remove(&map, &empty.node);
    assert_int_equal(mem.live, 0);
}

/* Values of another implementation: CPython's hash of the bytes 0, 1, 2, ... with PYTHONHASHSEED=0.
 */
static void hash_is_siphash_1_3(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } known[] = {
        {1, 0x68a914128e01e473},  {7, 0x2f098ab0c751325a},  {8, 0xead411e67ebe2eea},
        {9, 0x75927f9d95124362},  {15, 0xf30eb725bb91c9ea}, {16, 0x8972188433a5c5b7},
        {63, 0x385d3e39e5f37359},
    };
    static const uint64_t zero[2] = {0, 0};
    uint8_t bytes[64];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < BL_COUNT(known); i++)
        assert_int_equal(bl_hash(zero, bytes, known[i].len), known[i].hash);
    assert_int_not_equal(bl_hash(hash_key, bytes, 8), bl_hash(zero, bytes, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_agrees_with_an_array_while_memory_runs_out),
        cmocka_unit_test(a_failed_add_changes_nothing),
        cmocka_unit_test(the_current_node_may_be_removed_after_asking_for_the_next),
        cmocka_unit_test(keys_are_bytes),
        cmocka_unit_test(hash_is_siphash_1_3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
