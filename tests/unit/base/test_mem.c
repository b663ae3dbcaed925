/* SPDX-License-Identifier: MIT */
/* The counted allocator, and the failing one that the sweeps of all floors stand on. */
#include "base/mem.h"
#include "support/failing_alloc.h"
#include "support/test.h"

static void mem_counts_the_blocks_that_live(void **state)
{
    struct bl_mem mem;
    char *a, *b;

    (void)state;
    bl_mem_init(&mem, NULL);
    a = bl_alloc(&mem, 10);
    b = bl_zalloc(&mem, 100);
    assert_int_equal(mem.live, 2);
    for (int i = 0; i < 100; i++)
        assert_int_equal(b[i], 0);
    a = bl_realloc(&mem, a, 1000);
    assert_int_equal(mem.live, 2);
    bl_free(&mem, a);
    bl_free(&mem, b);
    bl_free(&mem, NULL);
    assert_int_equal(mem.live, 0);
}

static void reallocating_nothing_makes_a_block(void **state)
{
    struct bl_mem mem;
    void *a;

    (void)state;
    bl_mem_init(&mem, NULL);
    a = bl_realloc(&mem, NULL, 5);
    assert_non_null(a);
    assert_int_equal(mem.live, 1);
    bl_free(&mem, a);
    assert_int_equal(mem.live, 0);
}

static void an_empty_block_is_not_mistaken_for_failure(void **state)
{
    struct bl_mem mem;
    void *a;

    (void)state;
    bl_mem_init(&mem, NULL);
    a = bl_alloc(&mem, 0);
    assert_non_null(a);
    a = bl_realloc(&mem, a, 0);
    assert_non_null(a);
    bl_free(&mem, a);
}

static void a_failed_reallocation_leaves_the_block(void **state)
{
    struct failing_alloc f;
    struct bl_mem mem;
    char *a;

    (void)state;
    failing_alloc_init(&f);
    bl_mem_init(&mem, &f.allocator);
    a = bl_strdup(&mem, "kept");
    failing_alloc_once(&f, 1);
    assert_null(bl_realloc(&mem, a, 1000));
    assert_string_equal(a, "kept");
    assert_int_equal(mem.live, 1);
    bl_free(&mem, a);
    assert_int_equal(failing_alloc_live(&f), 0);
}

static void copies_of_text_end_in_nul(void **state)
{
    struct bl_mem mem;
    char *a, *b, *c;

    (void)state;
    bl_mem_init(&mem, NULL);
    a = bl_strndup(&mem, "abcdef", 3);
    b = bl_strndup(&mem, NULL, 0);
    c = bl_strndup(&mem, "a\0b", 3);
    assert_string_equal(a, "abc");
    assert_string_equal(b, "");
    assert_memory_equal(c, "a\0b", 4);
    assert_null(bl_strdup(&mem, NULL));
    bl_free(&mem, a);
    bl_free(&mem, b);
    bl_free(&mem, c);
    assert_int_equal(mem.live, 0);
}

static void failing_alloc_fails_the_nth_once_or_from_it_on(void **state)
{
    struct failing_alloc f;
    struct bl_mem mem;
    void *a, *b, *c;

    (void)state;
    failing_alloc_init(&f);
    bl_mem_init(&mem, &f.allocator);
    failing_alloc_once(&f, 2);
    a = bl_alloc(&mem, 1);
    b = bl_alloc(&mem, 1);
    c = bl_alloc(&mem, 1);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    assert_int_equal(failing_alloc_failures(&f), 1);

    failing_alloc_from(&f, 1);
    assert_null(bl_alloc(&mem, 1));
    assert_null(bl_realloc(&mem, a, 2));
    failing_alloc_once(&f, 0);
    b = bl_alloc(&mem, 50);
    assert_non_null(b);

    assert_int_equal(failing_alloc_live(&f), 3);
    bl_free(&mem, a);
    bl_free(&mem, b);
    bl_free(&mem, c);
    assert_int_equal(failing_alloc_live(&f), 0);
    assert_int_equal(f.peak, 3);
    assert_int_equal(f.peak_bytes, 52);
    assert_int_equal(f.live_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mem_counts_the_blocks_that_live),
        cmocka_unit_test(reallocating_nothing_makes_a_block),
        cmocka_unit_test(an_empty_block_is_not_mistaken_for_failure),
        cmocka_unit_test(a_failed_reallocation_leaves_the_block),
        cmocka_unit_test(copies_of_text_end_in_nul),
        cmocka_unit_test(failing_alloc_fails_the_nth_once_or_from_it_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
