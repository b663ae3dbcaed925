/* SPDX-License-Identifier: MIT */
/* Blocks that are kept, and given back. */
#include "support/test.h"

#include <stdint.h>
#include <string.h>

#include "base/blocks.h"
#include "support/failing_alloc.h"

struct scene {
    struct failing_alloc failing;
    struct bl_mem mem;
    struct bl_blocks blocks;
};

static void open_scene(struct scene *s)
{
    failing_alloc_init(&s->failing);
    bl_mem_init(&s->mem, &s->failing.allocator);
    bl_blocks_init(&s->blocks, &s->mem);
}

static void close_scene(struct scene *s)
{
    bl_blocks_fini(&s->blocks);
    assert_int_equal(failing_alloc_live(&s->failing), 0);
}

static void *take(struct scene *s, size_t size)
{
    unsigned char *ptr = bl_blocks_take(&s->blocks, size);

    assert_non_null(ptr);
    assert_int_equal((uintptr_t)ptr % _Alignof(max_align_t), 0);
    memset(ptr, (int)size, size);
    return ptr;
}

static void give(struct scene *s, void *ptr)
{
    bl_blocks_give(&s->blocks, ptr);
}

static void small_blocks_are_kept_and_large_ones_are_not(void **state)
{
    struct scene s;
    void *used;

    (void)state;
    open_scene(&s);
    used = take(&s, 5000);
    for (size_t size = 0; size < 5000; size++) {
        size_t before = failing_alloc_live(&s.failing);
        void *ptr = take(&s, size);

        give(&s, ptr);
        assert_true(failing_alloc_live(&s.failing) - before <= 1);
        if (size <= 2048) {
            assert_ptr_equal(take(&s, size), ptr);
            give(&s, ptr);
        }
    }
    assert_int_equal(failing_alloc_live(&s.failing), 1 + BL_BLOCKS_CLASSES);
    give(&s, used);
    give(&s, NULL);
    close_scene(&s);
}

static void a_block_serves_those_who_ask_for_a_little_less(void **state)
{
    static const size_t sizes[BL_BLOCKS_CLASSES] = {64,  96,  128,  192,  256, 384,
                                                    512, 768, 1024, 1536, 2048};
    struct scene s;

    (void)state;
    open_scene(&s);
    for (int i = 0; i < BL_BLOCKS_CLASSES; i++) {
        void *ptr = take(&s, sizes[i]);

        give(&s, ptr);
        assert_ptr_equal(take(&s, i > 0 ? sizes[i - 1] + 1 : 1), ptr);
        give(&s, ptr);
    }
    assert_int_equal(failing_alloc_live(&s.failing), BL_BLOCKS_CLASSES);
    close_scene(&s);
}

static void there_is_a_limit_to_what_is_kept_and_less_when_idle(void **state)
{
    enum { N = 300 };
    struct scene s;
    void *ptrs[N], *used;

    (void)state;
    open_scene(&s);
    used = take(&s, 1);
    for (int i = 0; i < N; i++)
        ptrs[i] = take(&s, 200);
    for (int i = 0; i < N; i++)
        give(&s, ptrs[i]);
    assert_in_range(failing_alloc_live(&s.failing), 100, 200);
    bl_blocks_trim(&s.blocks);
    assert_in_range(failing_alloc_live(&s.failing), 2, 8);
    give(&s, used);
    close_scene(&s);
}

static void with_the_last_one_in_use_most_of_those_that_are_kept_go(void **state)
{
    enum { N = 50 };
    struct scene s;
    void *ptrs[N];

    (void)state;
    open_scene(&s);
    for (int i = 0; i < N; i++)
        ptrs[i] = take(&s, 200);
    for (int i = 0; i < N - 1; i++)
        give(&s, ptrs[i]);
    assert_int_equal(failing_alloc_live(&s.failing), N);
    give(&s, ptrs[N - 1]);
    assert_in_range(failing_alloc_live(&s.failing), 1, 8);
    close_scene(&s);
}

static void a_block_that_grows_keeps_what_it_holds(void **state)
{
    static const size_t sizes[] = {1, 64, 65, 128, 512, 513, 5000, 600, 100000, 3};
    struct scene s;
    unsigned char *ptr = NULL;
    size_t old = 0;

    (void)state;
    open_scene(&s);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t both = old < sizes[i] ? old : sizes[i];

        ptr = bl_blocks_take_again(&s.blocks, ptr, sizes[i]);
        assert_non_null(ptr);
        for (size_t at = 0; at < both; at++)
            assert_int_equal(ptr[at], 'x');
        memset(ptr, 'x', sizes[i]);
        old = sizes[i];
    }
    give(&s, ptr);
    close_scene(&s);
}

static void memory_for_what_lives_briefly_is_memory(void **state)
{
    struct bl_mem brief;
    struct scene s;
    char *ptr, *text;

    (void)state;
    open_scene(&s);
    bl_mem_init_brief(&brief, &s.blocks);
    give(&s, take(&s, 60));
    ptr = bl_zalloc(&brief, 60);
    for (int i = 0; i < 60; i++)
        assert_int_equal(ptr[i], 0);
    text = bl_strdup(&brief, "a text");
    ptr = bl_realloc(&brief, ptr, 100);
    ptr = bl_realloc(&brief, ptr, 10000);
    assert_string_equal(text, "a text");
    assert_null(bl_alloc(&brief, SIZE_MAX));
    bl_free(&brief, text);
    bl_free(&brief, ptr);
    bl_free(&brief, bl_realloc(&brief, NULL, 0));
    bl_free(&brief, NULL);
    close_scene(&s);
}

static void want_of_memory_leaves_what_there_was(void **state)
{
    struct scene s;
    char *ptr;

    (void)state;
    open_scene(&s);
    ptr = take(&s, 100);
    memset(ptr, 'x', 100);
    failing_alloc_once(&s.failing, 1);
    assert_null(bl_blocks_take_again(&s.blocks, ptr, 5000));
    assert_int_equal(ptr[99], 'x');
    failing_alloc_once(&s.failing, 1);
    assert_null(bl_blocks_take(&s.blocks, 100));
    give(&s, ptr);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_blocks_are_kept_and_large_ones_are_not),
        cmocka_unit_test(a_block_serves_those_who_ask_for_a_little_less),
        cmocka_unit_test(there_is_a_limit_to_what_is_kept_and_less_when_idle),
        cmocka_unit_test(with_the_last_one_in_use_most_of_those_that_are_kept_go),
        cmocka_unit_test(a_block_that_grows_keeps_what_it_holds),
        cmocka_unit_test(memory_for_what_lives_briefly_is_memory),
        cmocka_unit_test(want_of_memory_leaves_what_there_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
