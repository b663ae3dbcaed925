/* SPDX-License-Identifier: MIT */
/*
 * Every numeric option of the library, as its header comment promises: the default, what BELAY_NONE
 * and BELAY_FOREVER mean, the ends of its range and what lies beyond, older and newer headers. The
 * expectations are written down here, not read from the library's tables; a scan of the sources
 * finds tables and fields that are missing here.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "build/option_subjects.h"
#include "support/test.h"

/* ---- the promises ---- */

struct promise {
    int subject;
    const char *field;
    size_t offset, width;
    int64_t fallback, none, forever; /* effective; NO: refused */
    int64_t min, max;
};

#define P(subject, structure, field, ...)                                                          \
    {                                                                                              \
        subject, #field, offsetof(struct structure, field),                                        \
            sizeof(((struct structure *)0)->field), __VA_ARGS__                                    \
    }
#define B(...)  P(BACKOFF, belay_backoff_options, __VA_ARGS__)
#define D(...)  P(DIAL, belay_dial_options, __VA_ARGS__)
#define O(...)  P(POOL, belay_pool_options, __VA_ARGS__)
#define C(...)  P(CACHE, belay_cache_options, __VA_ARGS__)
#define LK(...) P(LINK, belay_link_options, __VA_ARGS__)
#define PR(...) P(PROCESS, belay_process_options, __VA_ARGS__)
#define SV(...) P(SUPERVISOR, belay_supervisor_options, __VA_ARGS__)
#define L(...)  P(LOOP, belay_loop_options, __VA_ARGS__)
#define T(...)  P(TLS, belay_tls_options, __VA_ARGS__)
#define H(...)  P(HTTP, belay_http_options, __VA_ARGS__)
#define R(...)  P(REQUEST, belay_http_request_options, __VA_ARGS__)
#define K(...)  P(CHECK, belay_http_check, __VA_ARGS__)
#define CH(...) P(CHANNEL, belay_channel_options, __VA_ARGS__)
#define RT(...) P(RETRY, belay_retry_policy, __VA_ARGS__)
#define CR(...) P(CHRONICLE, belay_chronicle_options, __VA_ARGS__)

static const struct promise promises[] = {
    /* field, default, none, forever, least, most */
    B(delay_ms, 100, 0, NO, 1, DAY),
    B(delay_max_ms, 10000, NO, DAY, 1, DAY),
    B(factor_percent, 200, 100, NO, 100, 10000),
    B(spread_percent, 20, 0, NO, 1, 100),
    B(attempts_max, I32, 0, I32, 1, I32),

    D(resolve_timeout_ms, 5000, NO, I64, 1, DAY),
    D(connect_timeout_ms, 10000, NO, I64, 1, DAY),
    D(tls_timeout_ms, 10000, NO, I64, 1, DAY),
    D(session_timeout_ms, 10000, NO, I64, 1, DAY),
    D(close_timeout_ms, 2000, 0, NO, 1, HOUR),
    D(race_delay_ms, 250, 0, DAY, 1, HOUR),
    D(keepalive_idle_s, 20, 0, NO, 1, 32767),
    D(keepalive_every_s, 5, NO, NO, 1, 32767),
    D(keepalive_probes, 3, NO, NO, 1, 127),
    D(user_timeout_ms, 30000, I64, I64, 1, DAY),
    D(dial_timeout_ms, I64, NO, I64, 1, DAY),
    D(proxy_timeout_ms, 10000, NO, I64, 1, DAY),

    O(max_connections_per_endpoint, 10, NO, I32, 1, I32),
    O(max_connections_total, 1000, NO, I32, 1, I32),
    O(max_idle_time_ms, 60000, 0, I64, 1, YEAR),
    O(max_connection_lifetime_ms, 300000, NO, I64, 1, YEAR),
    O(max_connection_uses, I32, NO, I32, 1, I32),
    O(max_waiters, 10000, NO, I32, 1, I32),
    O(acquire_timeout_ms, 30000, NO, I64, 1, YEAR),
    O(connect_retry_count, 3, 0, I32, 1, 1000000),
    O(connect_retry_delay_ms, 100, 0, NO, 1, DAY),
    O(expected_capacity, 1, 0, NO, 1, 1000000),
    O(min_idle, 0, 0, NO, 1, 1000000),
    O(max_idle_per_endpoint, I32, 0, I32, 1, I32),
    O(max_idle_total, I32, 0, I32, 1, I32),
    O(max_dials_per_endpoint, 64, NO, I32, 1, I32),
    O(max_dials_total, 256, NO, I32, 1, I32),
    O(lifetime_jitter, 0, 0, NO, 1, 50),
    O(reuse_order, BELAY_REUSE_LIFO, NO, NO, BELAY_REUSE_LIFO, BELAY_REUSE_LEAST_USED),
    O(check_after_idle_ms, I64, 0, I64, 1, YEAR),
    O(check_interval_ms, I64, NO, I64, 1, YEAR),
    O(check_timeout_ms, 5000, NO, I64, 1, YEAR),
    O(leak_threshold_ms, I64, NO, I64, 1, YEAR),
    O(resolve_interval_ms, 30000, NO, I64, 1, YEAR),
    P(ACQUIRE, belay_acquire_options, timeout_ms, 30000, NO, I64, 1, YEAR),

    C(max_idle_time_ms, I64, NO, I64, 1, YEAR),
    C(max_inactive, I32, NO, I32, 1, I32),
    C(max_inactive_per_peer, I32, NO, I32, 1, I32),
    C(close_timeout_ms, 2000, 0, I64, 1, DAY),

    LK(retry_delay_ms, 10000, 0, NO, 1, DAY),
    LK(retry_spread, 30, 0, NO, 1, 100),
    LK(attempt_timeout_ms, 30000, NO, I64, 1, YEAR),
    LK(check_interval_ms, I64, NO, I64, 1, YEAR),
    LK(check_timeout_ms, 5000, NO, I64, 1, YEAR),
    LK(move_interval_ms, I64, NO, I64, 1, YEAR),
    LK(max_waiters, 10000, NO, I32, 1, I32),

    PR(stack_size, 0, NO, NO, 65536, 1 << 30),
    PR(start_timeout_ms, I64, NO, I64, 1, YEAR),
    PR(mailbox_max, 1024, NO, NO, 1, 10000000),
    PR(mailbox_full, BELAY_MAILBOX_REFUSE, NO, NO, BELAY_MAILBOX_DROP_OLDEST,
       BELAY_MAILBOX_DROP_OLDEST),

    SV(strategy, BELAY_ONE_FOR_ONE, NO, NO, BELAY_ONE_FOR_ALL, BELAY_DYNAMIC),
    SV(intensity, 3, 0, NO, 1, 10000),
    SV(period_ms, 5000, NO, NO, 1, YEAR),
    SV(max_children, 10000, NO, I32, 1, I32),
    P(CHILD, belay_child_spec, restart, BELAY_RESTART_PERMANENT, NO, NO, BELAY_RESTART_PERMANENT,
      BELAY_RESTART_TEMPORARY),
    P(CHILD, belay_child_spec, shutdown_ms, 5000, 0, I64, 1, YEAR),

    L(log_level, BELAY_LOG_WARN, NO, NO, BELAY_LOG_OFF, BELAY_LOG_DEBUG),
    L(dns_timeout_ms, 1000, NO, NO, 1, HOUR),
    L(dns_tries, 4, NO, NO, 1, 100),
    L(dns_cache_max, 1024, 0, NO, 1, 1000000),
    L(offload_threads_max, 4, NO, NO, 1, 1024),
    L(offload_queue_max, 1024, 0, NO, 1, 1000000),

    T(min_version, BELAY_TLS_1_2, NO, NO, BELAY_TLS_1_2, BELAY_TLS_1_3),
    T(sessions_max, 1024, 0, I32, 1, I32),
#ifdef TEST_HTTP
    H(max_header_bytes, 65536, NO, NO, 64, 16777216),
    H(max_headers, 128, NO, NO, 1, 65536),
    H(max_informational, 16, 0, I32, 1, I32),
    H(timeout_ms, I64, NO, I64, 1, YEAR),
    H(first_byte_timeout_ms, 60000, NO, I64, 1, YEAR),
    H(idle_timeout_ms, 60000, NO, I64, 1, YEAR),
    H(continue_timeout_ms, 1000, 0, I64, 1, YEAR),
    H(min_rate, 0, 0, NO, 1, I32),
    H(min_rate_window_ms, 10000, NO, NO, 1, YEAR),
    H(max_replays, 3, 0, NO, 1, 1000),
    H(keep_alive_margin_ms, 1000, 0, NO, 1, YEAR),
    H(max_targets, 1024, 0, NO, 1, 1000000),
    H(versions, BELAY_HTTP_ANY, NO, NO, BELAY_HTTP_ANY, BELAY_HTTP_2_ONLY),
    H(max_streams, 100, NO, NO, 1, 1000000),
    H(stream_window, 1 << 20, NO, NO, 65535, 1 << 30),
    H(connection_window, 1 << 24, NO, NO, 65535, 1 << 30),
    H(ping_interval_ms, I64, NO, I64, 1000, YEAR),
    H(ping_timeout_ms, 10000, NO, NO, 1, YEAR),

    R(body_size, 0, 0, NO, 1, I64),
    R(max_redirects, 0, 0, NO, 1, 1000),
    R(timeout_ms, 0, NO, I64, 1, YEAR),
    R(first_byte_timeout_ms, 0, NO, I64, 1, YEAR),
    R(idle_timeout_ms, 0, NO, I64, 1, YEAR),
    R(min_rate, 0, 0, NO, 1, I32),

    K(status_min, 200, NO, NO, 200, 599),
    K(status_max, 399, NO, NO, 200, 599),
    K(timeout_ms, 5000, NO, I64, 1, HOUR),
#endif
#ifdef TEST_GRPC
    CH(lb_policy, BELAY_PICK_FIRST, NO, NO, BELAY_PICK_FIRST, BELAY_ROUND_ROBIN),
    CH(connect_timeout_ms, 20000, NO, I64, 1, YEAR),
    CH(idle_timeout_ms, 1800000, NO, I64, 1, YEAR),
    CH(keepalive_ms, I64, NO, I64, 1000, YEAR),
    CH(keepalive_timeout_ms, 20000, NO, NO, 1, YEAR),
    CH(max_receive_bytes, 4194304, NO, I32, 1, 1 << 30),
    CH(max_send_bytes, I32, NO, I32, 1, 1 << 30),
    CH(max_metadata_bytes, 16384, NO, NO, 256, 16777216),
    CH(max_connections, 8, NO, NO, 1, 1024),
    CH(max_calls, 10000, NO, I32, 1, I32),

    RT(attempts_max, 0, 0, NO, 2, 5),
    RT(delay_ms, 1000, NO, NO, 1, DAY),
    RT(delay_max_ms, 10000, NO, NO, 1, DAY),
    RT(factor_percent, 150, NO, NO, 1, 10000),
    RT(statuses, 1 << BELAY_GRPC_UNAVAILABLE, NO, NO, 2, (1 << 17) - 1),
    RT(tokens_max, 10, NO, I32, 1, 1000),

    P(RPC, belay_rpc_options, deadline_ms, I64, NO, I64, 1, YEAR),

    CR(retry_attempts, 5, 0, I32, 1, 1000000),
    CR(reconnect_base_delay_ms, 1000, 0, NO, 1, DAY),
    CR(reconnect_max_delay_ms, 10000, NO, DAY, 1, DAY),
    CR(reconnect_spread_percent, 0, 0, NO, 1, 100),
    CR(balancer, BELAY_CHRONICLE_BALANCER_DEFAULT, NO, NO, BELAY_CHRONICLE_LEAST_CONNECTIONS,
       BELAY_CHRONICLE_RANDOM),
    CR(skip_tls_validation, BELAY_CHOICE_DEFAULT, NO, NO, BELAY_CHOICE_YES, BELAY_CHOICE_NO),
    CR(skip_compatibility_check, BELAY_CHOICE_DEFAULT, NO, NO, BELAY_CHOICE_YES, BELAY_CHOICE_NO),
    CR(attempt_timeout_ms, 30000, NO, I64, 1, YEAR),
    CR(session_timeout_ms, 5000, NO, I64, 1, YEAR),
    CR(stale_ms, 5000, NO, I64, 1, YEAR),
    CR(max_waiters, 10000, NO, I32, 1, I32),
#endif
};

/* ---- trying ---- */

static void put(union given *g, const struct promise *p, int64_t value)
{
    int32_t narrow = (int32_t)value;

    memcpy(g->bytes + p->offset, p->width == 4 ? (void *)&narrow : (void *)&value, p->width);
}

static int64_t get(const union given *g, const struct promise *p)
{
    int32_t narrow;
    int64_t wide;

    memcpy(&narrow, g->bytes + p->offset, sizeof narrow);
    memcpy(&wide, g->bytes + p->offset, sizeof wide);
    return p->width == 4 ? narrow : wide;
}

static void must_give(const struct promise *p, const union given *g, int64_t value, const char *how)
{
    const struct subject *s = &subjects[p->subject];
    union given effective = {0};
    struct belay_error error = {0};
    int rc = s->take(g, &effective, &error);

    if (rc != 0)
        fail_msg("%s.%s, %s: %s %s", s->name, p->field, how, belay_error_name(rc), error.text);
    if (!s->hidden && get(&effective, p) != value)
        fail_msg("%s.%s, %s: %lld instead of %lld", s->name, p->field, how,
                 (long long)get(&effective, p), (long long)value);
}

static void must_refuse(const struct promise *p, const union given *g, const char *word,
                        const char *how)
{
    const struct subject *s = &subjects[p->subject];
    union given effective = {0};
    struct belay_error error = {0};
    int rc = s->take(g, &effective, &error);

    if (rc != BELAY_EINVAL)
        fail_msg("%s.%s, %s: %s", s->name, p->field, how, belay_error_name(rc));
    if (!s->unnamed && !strstr(error.text, word))
        fail_msg("%s.%s, %s: \"%s\" does not name it", s->name, p->field, how, error.text);
}

static void try_value(const struct promise *p, int64_t value, int64_t expected, const char *how)
{
    union given g = {0};

    g.size = subjects[p->subject].size;
    put(&g, p, value);
    if (expected == NO)
        must_refuse(p, &g, p->field, how);
    else
        must_give(p, &g, expected, how);
}

static bool is_word(int64_t value)
{
    return value == 0 || value == BELAY_NONE || value == BELAY_FOREVER;
}

static void every_option_means_what_it_promises(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(promises); i++) {
        const struct promise *p = &promises[i];
        int64_t widest = p->width == 4 ? I32 : I64;

        try_value(p, 0, p->fallback, "0");
        try_value(p, BELAY_NONE, p->none, "BELAY_NONE");
        try_value(p, BELAY_FOREVER, p->forever, "BELAY_FOREVER");
        try_value(p, p->min, p->min, "its least");
        try_value(p, p->max, p->max, "its most");
        try_value(p, -3, NO, "below");
        try_value(p, -widest - 1, NO, "far below");
        if (!is_word(p->min - 1))
            try_value(p, p->min - 1, NO, "one less");
        if (p->max < widest) {
            try_value(p, p->max + 1, NO, "one more");
            try_value(p, widest, NO, "far more");
        }
    }
}

static void an_older_header_gets_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(promises); i++) {
        const struct promise *p = &promises[i];
        union given g = {0};

        g.size = p->offset;
        put(&g, p, -77); /* the caller's memory after its shorter struct */
        must_give(p, &g, p->fallback, "not there yet");
        g.size = p->offset + p->width - 1; /* not wholly there */
        must_give(p, &g, p->fallback, "half there");
    }
}

static void a_newer_header_is_taken_while_it_asks_for_nothing_new(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(promises); i++) {
        const struct promise *p = &promises[i];
        size_t size = subjects[p->subject].size;
        union given g = {0};

        assert_true(size + 17 < sizeof g);
        g.size = size + 16;
        put(&g, p, p->max);
        g.bytes[size + 16] = 1; /* beyond what is given */
        must_give(p, &g, p->max, "a larger struct");
        g.bytes[size + 15] = 1;
        must_refuse(p, &g, "size", "something unknown is asked for");
    }
}

static void a_size_that_is_none_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(promises); i++) {
        union given g = {0};

        if (promises[i].subject == REQUEST)
            continue; /* its test wants a url in it */
        must_refuse(&promises[i], &g, "size", "size 0");
        g.size = sizeof g.size - 1;
        must_refuse(&promises[i], &g, "size", "size 7");
    }
}

/* ---- nothing is forgotten ---- */

static bool is_promised(const char *file, const char *line)
{
    for (size_t i = 0; i < BL_COUNT(promises); i++) {
        const char *at = strstr(line, promises[i].field);
        size_t len = strlen(promises[i].field);

        if (at && at[len] == ',' && (at[-1] == ' ' || at[-1] == '(') &&
            strcmp(subjects[promises[i].subject].file, file) == 0)
            return true;
    }
    return false;
}

static bool is_table_row(const char *line)
{
    static const char *const starts[] = {"    BL_OPTION(", "    OPTION(", "    LIMIT(",
                                         "    COUNT(", "    TIME("};

    for (size_t i = 0; i < BL_COUNT(starts); i++)
        if (strncmp(line, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

static size_t scan(const char *path, const char *file)
{
    FILE *in = fopen(path, "r");
    char line[400];
    size_t rows = 0;

    assert_non_null(in);
    while (fgets(line, sizeof line, in)) {
        if (!is_table_row(line) || strstr(line, "field,"))
            continue;
        if (!is_promised(file, line))
            fail_msg("%s: no promise is tested of\n%s", file, line);
        rows++;
    }
    fclose(in);
    return rows;
}

static void every_row_of_every_table_is_here(void **state)
{
    const char *root = getenv("BELAY_SOURCE_DIR");
    size_t rows = 0;
    char pattern[4096];
    glob_t found;

    (void)state;
    if (!root)
        skip();
    snprintf(pattern, sizeof pattern, "%s/src/*/*.c", root ? root : "");
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *file = found.gl_pathv[i] + strlen(root) + 1;
#ifndef TEST_HTTP
        if (strncmp(file, "src/http/", 9) == 0)
            continue;
#endif
#ifndef TEST_GRPC
        if (strncmp(file, "src/grpc/", 9) == 0 || strncmp(file, "src/service/", 12) == 0)
            continue;
#endif
        rows += scan(found.gl_pathv[i], file);
    }
    globfree(&found);
    assert_int_equal(rows, BL_COUNT(promises));
}

static int set_up(void **state)
{
    (void)state;
    subjects_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    subjects_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_means_what_it_promises),
        cmocka_unit_test(an_older_header_gets_defaults),
        cmocka_unit_test(a_newer_header_is_taken_while_it_asks_for_nothing_new),
        cmocka_unit_test(a_size_that_is_none_is_refused),
        cmocka_unit_test(every_row_of_every_table_is_here),
    };
    return cmocka_run_group_tests_name("build_options", tests, set_up, tear_down);
}
