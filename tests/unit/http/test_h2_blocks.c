/* SPDX-License-Identifier: MIT */
/* What nghttp2 allocates: blocks that are kept, and given back. */
#include "support/test.h"

#include <stdint.h>
#include <string.h>

#include "http/h2_memory.h"
#include "support/failing_alloc.h"

struct scene {
    struct failing_alloc failing;
    struct bl_mem mem;
    struct bl_h2_memory memory;
    nghttp2_mem ops;
};

static void open_scene(struct scene *s)
{
    failing_alloc_init(&s->failing);
    bl_mem_init(&s->mem, &s->failing.allocator);
    s->ops = bl_h2_memory_init(&s->memory, &s->mem);
}

static void close_scene(struct scene *s)
{
    bl_h2_memory_fini(&s->memory);
    assert_int_equal(failing_alloc_live(&s->failing), 0);
}

static void *take(struct scene *s, size_t size)
{
    unsigned char *ptr = s->ops.malloc(size, s->ops.mem_user_data);

    assert_non_null(ptr);
    assert_int_equal((uintptr_t)ptr % _Alignof(max_align_t), 0);
    memset(ptr, (int)size, size);
    return ptr;
}

static void give(struct scene *s, void *ptr)
{
    s->ops.free(ptr, s->ops.mem_user_data);
}

static void small_blocks_are_kept_and_large_ones_are_not(void **state)
{
    struct scene s;

    (void)state;
    open_scene(&s);
    for (size_t size = 0; size < 2000; size++) {
        size_t before = failing_alloc_live(&s.failing);
        void *ptr = take(&s, size);

        give(&s, ptr);
        assert_true(failing_alloc_live(&s.failing) - before <= 1);
        if (size > 0 && size <= 512)
            assert_ptr_equal(take(&s, size), ptr);
        if (size > 0 && size <= 512)
            give(&s, ptr);
    }
    assert_int_equal(failing_alloc_live(&s.failing), BL_H2_MEMORY_CLASSES);
    give(&s, NULL);
    close_scene(&s);
}

static void there_is_a_limit_to_what_is_kept_and_less_when_idle(void **state)
{
    enum { N = 300 };
    struct scene s;
    void *ptrs[N];

    (void)state;
    open_scene(&s);
    for (int i = 0; i < N; i++)
        ptrs[i] = take(&s, 200);
    for (int i = 0; i < N; i++)
        give(&s, ptrs[i]);
    assert_in_range(failing_alloc_live(&s.failing), 100, 200);
    bl_h2_memory_trim(&s.memory);
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

        ptr = s.ops.realloc(ptr, sizes[i], s.ops.mem_user_data);
        assert_non_null(ptr);
        for (size_t at = 0; at < both; at++)
            assert_int_equal(ptr[at], 'x');
        memset(ptr, 'x', sizes[i]);
        old = sizes[i];
    }
    give(&s, ptr);
    close_scene(&s);
}

static void what_is_to_be_zero_is_zero(void **state)
{
    struct scene s;
    char *ptr;

    (void)state;
    open_scene(&s);
    give(&s, take(&s, 60));
    ptr = s.ops.calloc(12, 5, s.ops.mem_user_data);
    for (int i = 0; i < 60; i++)
        assert_int_equal(ptr[i], 0);
    give(&s, ptr);
    assert_null(s.ops.calloc(SIZE_MAX / 2, 3, s.ops.mem_user_data));
    assert_null(s.ops.malloc(SIZE_MAX, s.ops.mem_user_data));
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
    assert_null(s.ops.realloc(ptr, 1000, s.ops.mem_user_data));
    assert_int_equal(ptr[99], 'x');
    failing_alloc_once(&s.failing, 1);
    assert_null(s.ops.malloc(100, s.ops.mem_user_data));
    give(&s, ptr);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_blocks_are_kept_and_large_ones_are_not),
        cmocka_unit_test(there_is_a_limit_to_what_is_kept_and_less_when_idle),
        cmocka_unit_test(a_block_that_grows_keeps_what_it_holds),
        cmocka_unit_test(what_is_to_be_zero_is_zero),
        cmocka_unit_test(want_of_memory_leaves_what_there_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
