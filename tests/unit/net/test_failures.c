/* SPDX-License-Identifier: MIT */
/* The memory of failures, in virtual time. */
#include "unit/loop/fake_world.h"

#include <stdio.h>
#include <string.h>

#include "net/failures.h"
#include "support/failing_alloc.h"

static void pass(struct fake_world *w, uint64_t ms)
{
    w->now_ns += BL_MS(ms);
    assert_int_equal(belay_loop_turn(w->loop, 0), 0);
}

static struct belay_addr addr_of(const char *ip, uint16_t port)
{
    struct belay_addr addr;
    assert_int_equal(belay_addr_parse_ip(ip, strlen(ip), port, &addr), 0);
    return addr;
}

static void note(struct fake_world *w, const char *key)
{
    bl_failure_note(w->loop, key, strlen(key));
}

static bool is(struct fake_world *w, const char *key)
{
    return bl_failure_is(w->loop, key, strlen(key));
}

static void what_failed_is_remembered_for_a_while(void **state)
{
    struct fake_world w;
    (void)state;
    fake_world_open(&w, NULL);
    assert_false(is(&w, "a"));
    note(&w, "a");
    assert_true(is(&w, "a"));
    assert_false(is(&w, "ab"));
    pass(&w, BL_FAILURE_MS - 1);
    assert_true(is(&w, "a"));
    pass(&w, 1);
    assert_false(is(&w, "a"));
    fake_world_close(&w);
}

static void failing_again_counts_from_then(void **state)
{
    struct fake_world w;
    (void)state;
    fake_world_open(&w, NULL);
    note(&w, "a");
    pass(&w, BL_FAILURE_MS / 2);
    note(&w, "b");
    note(&w, "a");
    pass(&w, BL_FAILURE_MS / 2);
    note(&w, "c"); /* makes room: nothing has expired */
    assert_true(is(&w, "a"));
    assert_true(is(&w, "b"));
    pass(&w, BL_FAILURE_MS / 2);
    assert_false(is(&w, "a"));
    assert_true(is(&w, "c"));
    fake_world_close(&w);
}

static void what_succeeds_is_forgotten(void **state)
{
    struct fake_world w;
    struct belay_addr addr = addr_of("192.0.2.1", 80), addrs[2];
    (void)state;
    fake_world_open(&w, NULL);
    bl_failure_clear(w.loop, "a", 1); /* never noted */
    note(&w, "a");
    bl_failure_clear(w.loop, "a", 1);
    assert_false(is(&w, "a"));
    bl_failure_note_addr(w.loop, &addr);
    bl_failure_clear_addr(w.loop, &addr);
    addrs[0] = addr;
    addrs[1] = addr_of("192.0.2.2", 80);
    bl_failure_sort(w.loop, addrs, 2);
    assert_true(belay_addr_equal(&addrs[0], &addr));
    fake_world_close(&w);
}

static void the_oldest_goes_when_it_is_full(void **state)
{
    struct fake_world w;
    char key[16];
    (void)state;
    fake_world_open(&w, NULL);
    for (int i = 0; i < BL_FAILURE_MAX; i++) {
        snprintf(key, sizeof key, "%d", i);
        note(&w, key);
    }
    assert_true(is(&w, "0"));
    note(&w, "0"); /* no longer the oldest */
    note(&w, "one more");
    assert_true(is(&w, "0"));
    assert_false(is(&w, "1"));
    assert_true(is(&w, "2"));
    assert_true(is(&w, "one more"));
    fake_world_close(&w);
}

static void all_is_forgotten_on_another_network(void **state)
{
    struct fake_world w;
    (void)state;
    fake_world_open(&w, NULL);
    bl_failures_forget(w.loop); /* nothing there yet */
    note(&w, "a");
    bl_failures_forget(w.loop);
    assert_false(is(&w, "a"));
    note(&w, "a");
    belay_loop_network_changed(w.loop);
    assert_false(is(&w, "a"));
    fake_world_close(&w);
}

/* Every address in two forms that differ in one thing. */
static void addresses_that_failed_go_last_and_keep_their_order(void **state)
{
    struct fake_world w;
    struct belay_addr addrs[8], sorted[8];
    static const size_t want[8] = {1, 3, 5, 7, 0, 2, 4, 6};
    (void)state;
    fake_world_open(&w, NULL);
    addrs[0] = addr_of("192.0.2.1", 80);
    addrs[1] = addr_of("192.0.2.1", 81);
    addrs[2] = addr_of("2001:db8::1", 80);
    addrs[3] = addr_of("2001:db8::2", 80);
    addrs[4] = addr_of("fe80::1%2", 80);
    addrs[5] = addr_of("fe80::1%3", 80);
    assert_int_equal(belay_addr_from_path("/run/a.sock", 11, &addrs[6]), 0);
    assert_int_equal(belay_addr_from_path("/run/b.sock", 11, &addrs[7]), 0);
    memcpy(sorted, addrs, sizeof addrs);
    bl_failure_sort(w.loop, sorted, 8);
    assert_memory_equal(sorted, addrs, sizeof addrs);
    for (size_t i = 0; i < 8; i += 2)
        bl_failure_note_addr(w.loop, &addrs[i]);
    bl_failure_sort(w.loop, sorted, 8);
    for (size_t i = 0; i < 8; i++)
        assert_true(belay_addr_equal(&sorted[i], &addrs[want[i]]));
    for (size_t i = 1; i < 8; i += 2)
        bl_failure_note_addr(w.loop, &addrs[i]);
    memcpy(sorted, addrs, sizeof addrs);
    bl_failure_sort(w.loop, sorted, 8); /* all of them: the order is kept */
    assert_memory_equal(sorted, addrs, sizeof addrs);
    bl_failure_sort(w.loop, sorted, 0);
    fake_world_close(&w);
}

static void without_memory_nothing_is_remembered(void **state)
{
    struct failing_alloc f;
    bool failed = true;
    (void)state;
    for (size_t n = 1; failed; n++) {
        struct fake_world w;
        failing_alloc_init(&f);
        fake_world_open(&w, &f.allocator);
        failing_alloc_once(&f, n);
        note(&w, "a");
        failed = failing_alloc_failures(&f) > 0;
        assert_int_equal(is(&w, "a"), !failed);
        note(&w, "a");
        assert_true(is(&w, "a"));
        fake_world_close(&w);
        assert_int_equal(failing_alloc_live(&f), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_failed_is_remembered_for_a_while),
        cmocka_unit_test(failing_again_counts_from_then),
        cmocka_unit_test(what_succeeds_is_forgotten),
        cmocka_unit_test(the_oldest_goes_when_it_is_full),
        cmocka_unit_test(all_is_forgotten_on_another_network),
        cmocka_unit_test(addresses_that_failed_go_last_and_keep_their_order),
        cmocka_unit_test(without_memory_nothing_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
