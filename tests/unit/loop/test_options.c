/* SPDX-License-Identifier: MIT */
/* What a loop is made from: defaults, ranges, copies, tables of the world with gaps. */
#include <stdio.h>

#include "fake_world.h"

static int try_options(const struct belay_loop_options *o, struct belay_error *error)
{
    struct belay_loop *loop = NULL;
    int rc = belay_loop_new(o, &loop, error);
    if (rc)
        assert_null(loop);
    else
        belay_loop_free(loop);
    return rc;
}

static void a_loop_without_options_has_the_defaults(void **state)
{
    (void)state;
    struct belay_loop *loop;
    assert_int_equal(belay_loop_new(NULL, &loop, NULL), 0);
    assert_int_equal(loop->options.dns_timeout_ms, 1000);
    assert_int_equal(loop->options.dns_tries, 4);
    assert_int_equal(loop->options.dns_cache_max, 1024);
    assert_int_equal(loop->options.offload_threads_max, 4);
    assert_int_equal(loop->options.offload_queue_max, 1024);
    assert_int_equal((int)loop->options.log_level, BELAY_LOG_WARN);
    assert_null(loop->options.dns_servers);
    assert_false(loop->hosted);
    assert_true(bl_wall_ms(loop) > INT64_C(1600000000000));
    belay_loop_free(loop);
    belay_loop_free(NULL);
    belay_loop_close(NULL, NULL, NULL);
    assert_int_equal(belay_loop_new(NULL, NULL, NULL), BELAY_EINVAL);
}

static void options_out_of_range_are_named(void **state)
{
    (void)state;
    struct belay_error error;
    struct belay_loop_options o = belay_loop_options_init();
    o.dns_tries = -7;
    assert_int_equal(try_options(&o, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "dns_tries"));
    o = belay_loop_options_init();
    o.dns_timeout_ms = BELAY_FOREVER;
    assert_int_equal(try_options(&o, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "dns_timeout_ms"));
    o = belay_loop_options_init();
    o.log_level = (enum belay_log_level)9;
    assert_int_equal(try_options(&o, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "log_level"));
    o = belay_loop_options_init();
    o.dns_cache_max = BELAY_NONE;
    assert_int_equal(try_options(&o, &error), 0);
}

static void strings_are_copied(void **state)
{
    (void)state;
    char servers[] = "192.0.2.1", hosts[] = "/etc/none";
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_loop *loop;
    o.dns_servers = servers;
    o.hosts_file = hosts;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    memset(servers, 'x', 4);
    memset(hosts, 'x', 4);
    assert_string_equal(loop->options.dns_servers, "192.0.2.1");
    assert_string_equal(loop->options.hosts_file, "/etc/none");
    belay_loop_free(loop);
}

static int refuse_open(enum belay_family family, void *arg)
{
    (void)family;
    ++*(int *)arg;
    return -5;
}

static void a_table_may_replace_one_function_and_leave_the_rest(void **state)
{
    (void)state;
    int calls = 0;
    struct belay_transport transport = {
        .size = sizeof transport, .open = refuse_open, .arg = &calls};
    struct belay_world world = belay_world_init();
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_loop *loop;
    world.transport = &transport;
    o.world = &world;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    assert_int_equal(loop->transport.open(BELAY_FAMILY_IPV4, loop->transport.arg), -5);
    assert_int_equal(calls, 1);
    assert_non_null(loop->transport.read);
    assert_non_null(loop->random.fill);
    belay_loop_free(loop);
}

static void a_backend_with_a_hole_is_refused(void **state)
{
    (void)state;
    struct fake_world w;
    struct belay_error error;
    struct belay_loop_options o = belay_loop_options_init();
    int somewhere;
    fake_world_init(&w, NULL);
    o.world = &w.world;
    w.backend.wake = NULL;
    assert_int_equal(try_options(&o, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "backend"));
    fake_world_init(&w, NULL);
    o.uv_loop = &somewhere;
    assert_int_equal(try_options(&o, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "uv_loop"));
    fake_world_init(&w, NULL);
    o.uv_loop = NULL;
    w.clock.size = 0;
    assert_int_equal(try_options(&o, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "clock"));
}

static int refuse_attach(struct belay_loop *loop, const struct belay_allocator *allocator,
                         void *arg)
{
    (void)loop;
    (void)allocator;
    (void)arg;
    return BELAY_EMFILE;
}

static void a_backend_that_does_not_start_undoes_the_loop(void **state)
{
    (void)state;
    struct fake_world w;
    struct belay_error error;
    struct belay_loop_options o = belay_loop_options_init();
    fake_world_init(&w, NULL);
    o.world = &w.world;
    w.backend.attach = refuse_attach;
    assert_int_equal(try_options(&o, &error), BELAY_EMFILE);
    assert_int_equal(error.code, BELAY_EMFILE);
}

static void count_bytes(void *out, size_t bytes, void *arg)
{
    unsigned char *at = out;
    unsigned char *next = arg;
    for (size_t i = 0; i < bytes; i++)
        at[i] = (*next)++;
}

static void keys_and_seed_come_from_the_random_source(void **state)
{
    (void)state;
    unsigned char next = 0;
    struct belay_random random = {.size = sizeof random, .fill = count_bytes, .arg = &next};
    struct belay_world world = belay_world_init();
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_loop *loop, *same, *other;
    world.random = &random;
    o.world = &world;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    next = 0;
    assert_int_equal(belay_loop_new(&o, &same, NULL), 0);
    assert_int_equal(belay_loop_new(NULL, &other, NULL), 0);
    assert_memory_equal(loop->hash_key, same->hash_key, sizeof loop->hash_key);
    assert_memory_equal(loop->secret_key, same->secret_key, sizeof loop->secret_key);
    assert_int_equal(bl_rand_next(&loop->rand), bl_rand_next(&same->rand));
    assert_memory_not_equal(loop->hash_key, other->hash_key, sizeof loop->hash_key);
    assert_memory_not_equal(loop->secret_key, loop->hash_key, sizeof loop->hash_key);
    belay_loop_free(loop);
    belay_loop_free(same);
    belay_loop_free(other);
}

static char logged[200];

static void on_log(enum belay_log_level level, const char *tag, const char *line, void *arg)
{
    assert_ptr_equal(arg, logged);
    size_t len = strlen(logged);
    snprintf(logged + len, sizeof logged - len, "%d %s %s;", (int)level, tag, line);
}

static void log_lines_pass_by_level_and_tag(void **state)
{
    (void)state;
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_loop *loop;
    o.on_log = on_log;
    o.log_arg = logged;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    bl_loop_log(loop, "pool", BELAY_LOG_WARN, "%d left", 3);
    bl_loop_log(loop, "pool", BELAY_LOG_INFO, "quiet");
    assert_int_equal(belay_log_set_level(loop, "pool", BELAY_LOG_DEBUG), 0);
    bl_loop_log(loop, "pool", BELAY_LOG_DEBUG, "loud");
    bl_loop_log(loop, "dial", BELAY_LOG_INFO, "quiet");
    assert_int_equal(belay_log_set_levels(loop, "off,dial=info"), 0);
    bl_loop_log(loop, "dial", BELAY_LOG_INFO, "heard");
    bl_loop_log(loop, "tls", BELAY_LOG_ERROR, "quiet");
    assert_int_equal(belay_log_set_levels(loop, "dial=shout"), BELAY_EINVAL);
    assert_int_equal(belay_log_set_levels(loop, NULL), BELAY_EINVAL);
    assert_int_equal(belay_log_set_level(loop, NULL, BELAY_LOG_DEFAULT), 0);
    bl_loop_log(loop, "tls", BELAY_LOG_WARN, "again");
    assert_string_equal(logged, "3 pool 3 left;5 pool loud;4 dial heard;3 tls again;");
    belay_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_without_options_has_the_defaults),
        cmocka_unit_test(options_out_of_range_are_named),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(a_table_may_replace_one_function_and_leave_the_rest),
        cmocka_unit_test(a_backend_with_a_hole_is_refused),
        cmocka_unit_test(a_backend_that_does_not_start_undoes_the_loop),
        cmocka_unit_test(keys_and_seed_come_from_the_random_source),
        cmocka_unit_test(log_lines_pass_by_level_and_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
