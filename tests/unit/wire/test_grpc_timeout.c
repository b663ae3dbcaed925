/* SPDX-License-Identifier: MIT */
/* grpc-timeout, written and read. */
#include "wire/grpc_timeout.h"

#include "base/assert.h"
#include "support/test.h"

#define US INT64_C(1000)
#define MS (1000 * US)
#define S  (1000 * MS)
#define H  (3600 * S)

static void the_finest_unit_that_holds_it_is_taken(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {1, "1n"},
        {99999999, "99999999n"},
        {100 * MS, "100000u"},
        {99999999 * US + 999, "99999999u"},
        {100 * S, "100000m"},
        {99999999 * MS + 999999, "99999999m"},
        {100000 * S, "100000S"},
        {99999999 * S, "99999999S"},
        {100000000 * S, "1666666M"},
        {INT64_MAX, "2562047H"},
        {0, "1n"},
        {-5, "1n"},
        {INT64_MIN, "1n"},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        char out[BL_GRPC_TIMEOUT_MAX];

        assert_int_equal(bl_grpc_timeout_print(rows[i].ns, out), strlen(rows[i].text));
        assert_string_equal(out, rows[i].text);
    }
}

/* One part in 100,000 is lost at most, and a server never hears of more. */
static void what_is_written_is_never_more_than_is_left(void **state)
{
    (void)state;
    for (int64_t base = 1; base < INT64_MAX / 7; base *= 7) {
        for (int64_t ns = base - 1; ns <= base + 1; ns++) {
            char out[BL_GRPC_TIMEOUT_MAX];
            int64_t back = -1, left = ns < 1 ? 1 : ns;

            bl_grpc_timeout_print(ns, out);
            assert_true(bl_grpc_timeout_parse(bl_span_of(out), &back));
            assert_true(back <= left);
            assert_true(left - back <= left / 100000 + 1);
        }
    }
}

static void each_unit_is_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"1n", 1},
        {"2u", 2 * US},
        {"3m", 3 * MS},
        {"4S", 4 * S},
        {"5M", 5 * 60 * S},
        {"6H", 6 * H},
        {"0001S", S},
        {"99999999n", 99999999},
        {"2562047H", 2562047 * H},
        {"2562048H", INT64_MAX},
        {"99999999H", INT64_MAX},
        {"99999999M", 99999999 * (60 * S)},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        int64_t ns = -1;

        assert_true(bl_grpc_timeout_parse(bl_span_of(rows[i].text), &ns));
        assert_true(ns == rows[i].ns);
    }
}

static void what_is_no_timeout_is_refused(void **state)
{
    static const char *const texts[] = {
        "",   "S",   "1",   "0S",  "00000000H", "123456789S", "1s",   "1h",   "1N",
        "1U", "-1S", "+1S", " 1S", "1S ",       "1 S",        "1.5S", "0x1S", "1SS",
    };
    int64_t ns = 77;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(texts); i++) {
        if (bl_grpc_timeout_parse(bl_span_of(texts[i]), &ns))
            fail_msg("\"%s\" was read", texts[i]);
        assert_true(ns == 77);
    }
    assert_false(bl_grpc_timeout_parse(bl_span("1\0", 2), &ns));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_finest_unit_that_holds_it_is_taken),
        cmocka_unit_test(what_is_written_is_never_more_than_is_left),
        cmocka_unit_test(each_unit_is_read),
        cmocka_unit_test(what_is_no_timeout_is_refused),
    };
    return cmocka_run_group_tests_name("wire_grpc_timeout", tests, NULL, NULL);
}
