/* SPDX-License-Identifier: MIT */
/* A pool's options as text. */
#include <string.h>

#include "belay/pool.h"
#include "support/test.h"

static char text[4096];

static void print(const struct belay_pool_options *o)
{
    size_t len = belay_pool_options_print(o, text, sizeof text);

    assert_int_equal(len, strlen(text));
}

static void assert_has(const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static void what_is_zero_reads_default(void **state)
{
    struct belay_pool_options o = belay_pool_options_init();

    (void)state;
    print(&o);
    assert_string_equal(
        text,
        "connector plain, dial default, max_connections_per_endpoint default, "
        "max_connections_total default, max_idle_time_ms default, "
        "max_connection_lifetime_ms default, max_connection_uses default, max_waiters default, "
        "acquire_timeout_ms default, connect_retry_count default, connect_retry_delay_ms default, "
        "expected_capacity default, health_check none, hooks none, on_leak none, min_idle default, "
        "max_idle_per_endpoint default, max_idle_total default, max_dials_per_endpoint default, "
        "max_dials_total default, lifetime_jitter default, reuse_order default, "
        "check_after_idle_ms default, check_interval_ms default, check_timeout_ms default, "
        "leak_threshold_ms default, resolve_interval_ms default, cache own, shared no");
}

static int check(struct belay_conn *conn, void *arg)
{
    (void)conn;
    (void)arg;
    return 1;
}

static void on_created(struct belay_peer *peer, uint64_t connection, void *arg)
{
    (void)peer;
    (void)connection;
    (void)arg;
}

static void what_is_set_reads_as_it_was_given(void **state)
{
    static const struct belay_connector_ops ops = {.size = sizeof ops, .name = "postgres"};
    struct belay_pool_callbacks callbacks = {.size = sizeof callbacks};
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_dial_options dial = belay_dial_options_init();

    (void)state;
    callbacks.health_check = check;
    callbacks.on_connection_created = on_created;
    dial.connect_timeout_ms = 1234;
    dial.keepalive_idle_s = BELAY_NONE;
    o.connector.ops = &ops;
    o.dial = &dial;
    o.callbacks = &callbacks;
    o.max_connections_per_endpoint = 7;
    o.max_idle_time_ms = BELAY_NONE;
    o.max_connection_lifetime_ms = BELAY_FOREVER;
    o.reuse_order = BELAY_REUSE_LEAST_USED;
    o.shared = true;
    print(&o);
    assert_has("connector postgres, resolve_timeout_ms default, connect_timeout_ms 1234, ");
    assert_has("keepalive_idle_s none, ");
    assert_has("max_connections_per_endpoint 7, ");
    assert_has("max_idle_time_ms none, max_connection_lifetime_ms forever, ");
    assert_has("health_check set, hooks set, on_leak none, ");
    assert_has("reuse_order least used, ");
    assert_has("shared yes");
    o.reuse_order = BELAY_REUSE_FIFO;
    o.cache = (struct belay_cache *)(void *)&o;
    print(&o);
    assert_has("reuse_order fifo, ");
    assert_has("cache given, ");
}

static void it_is_cut_where_there_is_no_room(void **state)
{
    struct belay_pool_options o = belay_pool_options_init();
    char small[64];
    size_t len;

    (void)state;
    print(&o);
    len = strlen(text);
    for (size_t size = 0; size < sizeof small; size++) {
        memset(small, '#', sizeof small);
        assert_int_equal(belay_pool_options_print(&o, small, size), len);
        assert_true(small[size] == '#');
        if (size > 0) {
            assert_int_equal(strlen(small), size - 1);
            assert_memory_equal(small, text, size - 1);
        }
    }
    assert_int_equal(belay_pool_options_print(&o, NULL, 0), len);
}

/* What is behind an older program's struct is not looked at. */
static void fields_that_an_older_program_has_not_read_default(void **state)
{
    struct belay_pool_options o;
    char all[sizeof text];

    (void)state;
    memset(&o, 0x11, sizeof o);
    o.size = offsetof(struct belay_pool_options, max_idle_time_ms);
    memset(&o.connector, 0, sizeof o.connector);
    o.dial = NULL;
    print(&o);
    assert_has("max_connections_total 286331153, max_idle_time_ms default, ");
    assert_has("shared no");
    print(NULL);
    memcpy(all, text, sizeof text);
    o = belay_pool_options_init();
    print(&o);
    assert_string_equal(all, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_zero_reads_default),
        cmocka_unit_test(what_is_set_reads_as_it_was_given),
        cmocka_unit_test(it_is_cut_where_there_is_no_room),
        cmocka_unit_test(fields_that_an_older_program_has_not_read_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
