/* SPDX-License-Identifier: MIT */
/* The link's state machine, row by row, with exact times: each row of the seed's table in belay's
 * form. */
#include "unit/keep/link_kit.h"

static struct link_kit k;

static void setup(const char *letters)
{
    link_kit_begin(&k, letters);
}

static int teardown(void **state)
{
    (void)state;
    link_kit_end(&k);
    return 0;
}

/* ---- START ---- */

static void opening_tells_nothing_before_the_next_turn(void **state)
{
    (void)state;
    setup("a");
    link_kit_open(&k);
    link_kit_told(&k, "");
    assert_int_equal(k.source.asked, 0);
    link_kit_settle(&k);
    link_kit_told(&k, "0 attempting\n0 obtained a\n0 connected a\n");
    assert_int_equal(k.source.asked, 1);
    assert_int_equal(k.puppet.n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(opening_tells_nothing_before_the_next_turn, teardown),
    };
    return cmocka_run_group_tests_name("keep_link", tests, NULL, NULL);
}
