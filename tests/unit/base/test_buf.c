/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "base/rand.h"
#include "belay/error.h"
#include "support/failing_alloc.h"
#include "support/test.h"

/* A buffer and the allocator below it. */
struct fixture {
    struct failing_alloc alloc;
    struct bl_mem mem;
    struct bl_buf buf;
};

static int set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof f);
    failing_alloc_init(&f.alloc);
    bl_mem_init(&f.mem, &f.alloc.allocator);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    bl_buf_free(&f->buf, &f->mem);
    return failing_alloc_live(&f->alloc) == 0 ? 0 : -1;
}

static void assert_holds(const struct bl_buf *b, const char *text)
{
    assert_int_equal(bl_buf_len(b), strlen(text));
    assert_memory_equal(bl_buf_head(b), text, strlen(text));
}

static void buf_gives_back_what_was_put_in(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(bl_buf_append(&f->buf, &f->mem, "hello ", 6), 0);
    assert_int_equal(bl_buf_printf(&f->buf, &f->mem, "%s %d", "world", 7), 0);
    assert_holds(&f->buf, "hello world 7");
    bl_buf_consume(&f->buf, 6);
    assert_holds(&f->buf, "world 7");
    bl_buf_cut(&f->buf, 5);
    assert_holds(&f->buf, "world");
}

static void buf_appends_nothing_without_memory(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(bl_buf_append(&f->buf, &f->mem, NULL, 0), 0);
    assert_int_equal(failing_alloc_calls(&f->alloc), 0);
    assert_int_equal(bl_buf_len(&f->buf), 0);
}

static void buf_prints_past_its_room(void **state)
{
    struct fixture *f = *state;
    char text[5001];

    memset(text, 'x', 5000);
    text[5000] = '\0';
    assert_int_equal(bl_buf_printf(&f->buf, &f->mem, "a%sb", text), 0);
    assert_int_equal(bl_buf_len(&f->buf), 5002);
    assert_int_equal(bl_buf_head(&f->buf)[5001], 'b');
}

/* The NUL that vsnprintf writes must have room too. */
static void buf_prints_what_fits_exactly(void **state)
{
    struct fixture *f = *state;
    char *room = bl_buf_reserve(&f->buf, &f->mem, 1);
    size_t left = f->buf.capacity - 3;

    assert_non_null(room);
    memset(room, 'y', left);
    bl_buf_commit(&f->buf, left);
    assert_int_equal(bl_buf_printf(&f->buf, &f->mem, "%s", "123"), 0);
    assert_memory_equal(bl_buf_head(&f->buf) + left, "123", 3);
}

static void buf_gives_its_block_back_when_trimmed_empty(void **state)
{
    struct fixture *f = *state;

    bl_buf_append(&f->buf, &f->mem, "abc", 3);
    bl_buf_trim(&f->buf, &f->mem);
    assert_holds(&f->buf, "abc");
    bl_buf_consume(&f->buf, 3);
    assert_int_equal(failing_alloc_live(&f->alloc), 1);
    bl_buf_trim(&f->buf, &f->mem);
    assert_int_equal(failing_alloc_live(&f->alloc), 0);
}

static void buf_refuses_more_than_a_gibibyte(void **state)
{
    struct fixture *f = *state;

    assert_null(bl_buf_reserve(&f->buf, &f->mem, ((size_t)1 << 30) + 1));
    assert_null(bl_buf_reserve(&f->buf, &f->mem, SIZE_MAX));
    bl_buf_append(&f->buf, &f->mem, "x", 1);
    assert_null(bl_buf_reserve(&f->buf, &f->mem, (size_t)1 << 30));
    assert_holds(&f->buf, "x");
}

/* A queue that never empties must neither grow for ever nor lose a byte. */
static void buf_keeps_its_size_as_a_queue(void **state)
{
    struct fixture *f = *state;
    uint8_t in = 0, out = 0;

    for (int i = 0; i < 100000; i++) {
        uint8_t bytes[7];

        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = in++;
        assert_int_equal(bl_buf_append(&f->buf, &f->mem, bytes, sizeof bytes), 0);
        if (i >= 20) {
            for (size_t j = 0; j < sizeof bytes; j++)
                assert_int_equal((uint8_t)bl_buf_head(&f->buf)[j], out++);
            bl_buf_consume(&f->buf, sizeof bytes);
        }
    }
    assert_true(f->buf.capacity <= 512);
}

/* Compares with a flat array over random operations, a part of which run out of memory. */
static void buf_agrees_with_a_flat_array(void **state)
{
    struct fixture *f = *state;
    static char model[1 << 16];
    size_t model_len = 0, failures = 0;
    struct bl_rand r;

    bl_rand_seed(&r, 1);
    for (int i = 0; i < 50000; i++) {
        char bytes[900];
        size_t n = bl_rand_below(&r, sizeof bytes);
        int rc;

        switch (bl_rand_below(&r, 5)) {
        case 0:
        case 1:
            if (model_len + n > sizeof model)
                break;
            memset(bytes, (int)('a' + bl_rand_below(&r, 26)), n);
            failing_alloc_once(&f->alloc, bl_rand_below(&r, 2));
            rc = bl_buf_append(&f->buf, &f->mem, bytes, n);
            failing_alloc_once(&f->alloc, 0);
            if (rc == 0) {
                memcpy(model + model_len, bytes, n);
                model_len += n;
            } else {
                assert_int_equal(rc, BELAY_ENOMEM);
                failures++;
            }
            break;
        case 2:
        case 3:
            n = n < model_len ? n : model_len;
            bl_buf_consume(&f->buf, n);
            memmove(model, model + n, model_len - n);
            model_len -= n;
            break;
        default:
            if (bl_rand_below(&r, 100) == 0) {
                bl_buf_clear(&f->buf);
                model_len = 0;
            }
            bl_buf_trim(&f->buf, &f->mem);
        }
        assert_int_equal(bl_buf_len(&f->buf), model_len);
        if (model_len > 0)
            assert_memory_equal(bl_buf_head(&f->buf), model, model_len);
    }
    assert_true(failures > 50);
}

#define BUF_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUF_TEST(buf_gives_back_what_was_put_in),
        BUF_TEST(buf_appends_nothing_without_memory),
        BUF_TEST(buf_prints_past_its_room),
        BUF_TEST(buf_prints_what_fits_exactly),
        BUF_TEST(buf_gives_its_block_back_when_trimmed_empty),
        BUF_TEST(buf_refuses_more_than_a_gibibyte),
        BUF_TEST(buf_keeps_its_size_as_a_queue),
        BUF_TEST(buf_agrees_with_a_flat_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
