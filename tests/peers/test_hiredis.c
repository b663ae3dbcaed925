/* SPDX-License-Identifier: MIT */
/* Pools of redisContexts over a real Redis: tests/peers/redis starts it and runs this. */
#include <belay-hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "peers/adapter_kit.h"

#define URL "tcp://127.0.0.1:{port}"

static struct adapter_kit kit;
static struct belay_hiredis_options options;
static struct belay_hiredis *hiredis;

static int set_up(void **state)
{
    (void)state;
    adapter_kit_begin(&kit);
    options = belay_hiredis_options_init();
    hiredis = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    adapter_kit_end(&kit);
    belay_hiredis_free(hiredis);
    return 0;
}

static void open_pool(const char *url)
{
    struct belay_error error;

    if (belay_hiredis_new(&options, &hiredis, &error) < 0)
        fail_msg("%s", error.text);
    adapter_kit_open(&kit, belay_hiredis_connector(hiredis),
                     adapter_kit_endpoint(&kit, server_text(url)));
}

static redisContext *connect_beside(void)
{
    redisContext *c = redisConnect("127.0.0.1", atoi(server_value("port")));

    assert_non_null(c);
    if (c->err)
        fail_msg("%s", c->errstr);
    return c;
}

/* A number, -1 for anything else. */
static long long ask(redisContext *c, const char *command)
{
    redisReply *reply = redisCommand(c, command);
    long long number = reply && reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;

    if (reply)
        freeReplyObject(reply);
    return number;
}

/* Whether it answered OK. */
static bool tell(redisContext *c, const char *command)
{
    redisReply *reply = redisCommand(c, command);
    bool ok = reply && reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "OK") == 0;

    if (reply)
        freeReplyObject(reply);
    return ok;
}

static void tell_beside(const char *command)
{
    redisContext *c = connect_beside();

    assert_true(tell(c, command));
    redisFree(c);
}

static long long use(void)
{
    struct belay_lease lease = adapter_kit_acquire(&kit);
    long long id = ask(belay_hiredis_context(lease), "CLIENT ID");

    assert_true(id > 0);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    return id;
}

static void end_client(long long id)
{
    redisContext *c = connect_beside();
    redisReply *reply = redisCommand(c, "CLIENT KILL ID %lld", id);

    assert_int_equal(reply->integer, 1);
    freeReplyObject(reply);
    redisFree(c);
}

/* ---- opened and used again ---- */

static void a_connection_is_opened_and_used_again(void **state)
{
    struct belay_lease lease;
    long long id;

    (void)state;
    open_pool(URL);
    id = use();
    assert_int_equal(use(), id);
    assert_int_equal(belay_peer_try_acquire(kit.peer, &lease), 0);
    assert_true(belay_hiredis_context(lease)->flags & REDIS_BLOCK);
    assert_null(belay_lease_stream(lease));
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    assert_null(belay_hiredis_context(lease));
    assert_int_equal(adapter_kit_stats(&kit).opened, 1);
    assert_int_equal(adapter_kit_stats(&kit).reused, 2);
}

static void unix_sockets_and_names_are_dialled(void **state)
{
    static const char *const urls[] = {"unix:{dir}/socket", "tcp://localhost:{port}"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        if (i > 0)
            set_up(NULL);
        open_pool(urls[i]);
        assert_true(use() > 0);
        if (i == 0)
            tear_down(NULL);
    }
}

/* The first address refuses; the second is the server's. */
static void the_next_address_is_tried(void **state)
{
    struct belay_endpoint_options o = belay_endpoint_options_init();
    struct belay_endpoint *endpoint;
    struct belay_addr addrs[2];

    (void)state;
    assert_int_equal(belay_addr_parse_ip("127.0.0.1", 9, 1, &addrs[0]), 0);
    addrs[1] = addrs[0];
    addrs[1].port = (uint16_t)atoi(server_value("port"));
    o.url = "tcp://redis.test:6379";
    o.addrs = addrs;
    o.addrs_n = 2;
    assert_int_equal(belay_endpoint_new(kit.loop, &o, &endpoint, NULL), 0);
    assert_int_equal(belay_hiredis_new(NULL, &hiredis, NULL), 0);
    adapter_kit_open(&kit, belay_hiredis_connector(hiredis), endpoint);
    assert_true(use() > 0);
    assert_int_equal(adapter_kit_stats(&kit).failed[BELAY_STAGE_CONNECT], 0);
}

static void the_greeting_sets_what_was_asked_for(void **state)
{
    struct belay_lease lease;
    redisReply *reply;

    (void)state;
    options.username = "alice";
    options.password = "rabbit";
    options.db = 3;
    options.client_name = "belay-test";
    open_pool(URL);
    lease = adapter_kit_acquire(&kit);
    reply = redisCommand(belay_hiredis_context(lease), "CLIENT LIST ID %lld",
                         ask(belay_hiredis_context(lease), "CLIENT ID"));
    assert_non_null(strstr(reply->str, " name=belay-test "));
    assert_non_null(strstr(reply->str, " db=3 "));
    assert_non_null(strstr(reply->str, " user=alice "));
    freeReplyObject(reply);
    belay_lease_release(lease, BELAY_REUSE);
}

/* ---- what ends ---- */

static void a_client_that_is_killed_while_idle_is_noticed_at_once(void **state)
{
    long long id;

    (void)state;
    open_pool(URL);
    id = use();
    end_client(id);
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).closed[BELAY_REASON_PEER_CLOSED] == 1);
    assert_int_equal(adapter_kit_stats(&kit).idle, 0);
    assert_int_not_equal(use(), id);
}

static void a_client_that_is_killed_in_use_is_not_lent_again(void **state)
{
    struct belay_lease lease;
    long long id;

    (void)state;
    open_pool(URL);
    id = use();
    lease = adapter_kit_acquire(&kit);
    end_client(id);
    assert_int_equal(ask(belay_hiredis_context(lease), "CLIENT ID"), -1);
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_not_equal(use(), id);
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).idle == 1);
    assert_int_equal(adapter_kit_stats(&kit).opened, 2);
}

/* Not asked for, and nothing tells of it; but it is looked at when it has been idle for a second. */
static void a_context_that_was_reconnected_is_watched_before_long(void **state)
{
    struct belay_lease lease;
    long long id;

    (void)state;
    open_pool(URL);
    use();
    lease = adapter_kit_acquire(&kit);
    assert_int_equal(redisReconnect(belay_hiredis_context(lease)), REDIS_OK);
    id = ask(belay_hiredis_context(lease), "CLIENT ID");
    belay_lease_release(lease, BELAY_REUSE);
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).checking == 1);
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).checking == 0);
    assert_int_equal(use(), id);
    end_client(id);
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).closed[BELAY_REASON_PEER_CLOSED] == 1);
}

static void a_restart_is_survived(void **state)
{
    static const char *const ends[] = {"stop", "kill"};

    (void)state;
    kit.options.connect_retry_count = 1000;
    open_pool(URL);
    for (int i = 0; i < 2; i++) {
        struct adapter_ask waiter;
        uint64_t failed = adapter_kit_stats(&kit).failed[BELAY_STAGE_CONNECT];

        use();
        server_control(ends[i]);
        ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).idle == 0);
        adapter_kit_ask(&kit, &waiter);
        ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).failed[BELAY_STAGE_CONNECT] > failed);
        assert_int_equal(waiter.told, 0);
        server_control("start");
        ADAPTER_KIT_UNTIL(&kit, waiter.told == 1);
        assert_int_equal(waiter.code, 0);
        belay_lease_release(waiter.lease, BELAY_REUSE);
    }
}

static void a_server_that_is_not_there_may_come(void **state)
{
    struct belay_lease lease;

    (void)state;
    kit.options.connect_retry_count = BELAY_NONE;
    open_pool("tcp://127.0.0.1:1");
    assert_int_equal(adapter_kit_try(&kit, &lease), BELAY_ECONNECT);
    assert_int_equal(kit.error.kind, BELAY_KIND_RETRY);
    assert_int_equal(kit.error.stage, BELAY_STAGE_CONNECT);
    assert_non_null(strstr(kit.error.text, "refused"));
}

/* ---- what the server refuses ---- */

static void refused_for_ever(const char *url, int code, const char *why)
{
    struct belay_lease lease;

    kit.options.connect_retry_count = 1000;
    open_pool(url);
    assert_int_equal(adapter_kit_try(&kit, &lease), code);
    assert_int_not_equal(kit.error.kind, BELAY_KIND_RETRY);
    if (!strstr(kit.error.text, why))
        fail_msg("no %s in: %s", why, kit.error.text);
    assert_null(strstr(kit.error.text, "xyzzy"));
}

static void a_wrong_password_is_fatal_at_once(void **state)
{
    (void)state;
    options.username = "alice";
    options.password = "xyzzy";
    refused_for_ever(URL, BELAY_ECONNECT, "WRONGPASS");
    assert_int_equal(kit.error.kind, BELAY_KIND_FATAL);
    assert_int_equal(kit.error.stage, BELAY_STAGE_PROTOCOL);
    assert_int_equal(adapter_kit_stats(&kit).failed[BELAY_STAGE_PROTOCOL], 1);
}

/* Such servers repeat what they got: a proxy, or one whose AUTH was renamed. */
static void a_server_that_repeats_the_password_is_not_quoted(void **state)
{
    static const char *const replies[] = {
        "-ERR unknown command 'AUTH', with args beginning with: 'xyzzy' \r\n",
        "-xyzzy is no password\r\n",
        "-ERR\txyzzy\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        char url[64];
        int pid;

        if (i > 0)
            set_up(NULL);
        options.password = "xyzzy";
        snprintf(url, sizeof url, "tcp://127.0.0.1:%d", mute_server_start(replies[i], &pid));
        refused_for_ever(url, BELAY_ECONNECT, i == 0 ? "AUTH: ERR (" : "AUTH: refused (");
        assert_true(belay_peer_last_error(kit.peer, &kit.error, NULL));
        assert_null(strstr(kit.error.text, "xyzzy"));
        mute_server_end(pid);
        if (i + 1 < sizeof replies / sizeof *replies)
            tear_down(NULL);
    }
}

static void a_real_server_without_auth_does_not_tell_the_password(void **state)
{
    (void)state;
    options.password = "xyzzy";
    refused_for_ever("unix:{dir}/without-auth", BELAY_ECONNECT, "AUTH: ERR (");
}

static void what_a_terminal_would_obey_is_left_out(void **state)
{
    char url[64];
    int pid;

    (void)state;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d",
             mute_server_start("-ERR \033[2Jmind\177 the gap\r\n", &pid));
    refused_for_ever(url, BELAY_ECONNECT, "PING: ERR ?[2Jmind? the gap");
    mute_server_end(pid);
}

static void a_user_that_may_do_nothing_is_fatal_at_once(void **state)
{
    (void)state;
    options.username = "nobody";
    options.password = "hole";
    refused_for_ever(URL, BELAY_ECONNECT, "NOPERM");
}

static void a_missing_password_is_fatal_at_once(void **state)
{
    (void)state;
    tell_beside("ACL SETUSER default resetpass >rabbit");
    refused_for_ever(URL, BELAY_ECONNECT, "NOAUTH");
    tear_down(NULL);
    set_up(NULL);
    options.password = "rabbit";
    open_pool(URL);
    use();
    assert_true(
        tell(belay_hiredis_context(adapter_kit_acquire(&kit)), "ACL SETUSER default nopass"));
}

static void a_database_that_is_not_is_fatal_at_once(void **state)
{
    (void)state;
    options.db = 1000;
    refused_for_ever(URL, BELAY_ECONNECT, "SELECT: ERR DB index");
}

static void an_endpoint_with_tls_is_refused(void **state)
{
    (void)state;
    refused_for_ever("tls://127.0.0.1:{port}", BELAY_ENOTSUP, "TLS");
}

static void an_address_of_another_type_is_refused(void **state)
{
    struct belay_lease lease;

    (void)state;
    assert_int_equal(belay_hiredis_new(&options, &hiredis, NULL), 0);
    adapter_kit_open(&kit, belay_hiredis_connector(hiredis), adapter_kit_address(&kit));
    assert_int_equal(adapter_kit_try(&kit, &lease), BELAY_ENOTSUP);
    assert_non_null(strstr(kit.error.text, "hiredis knows no addresses of that type"));
}

static void a_full_server_is_tried_again(void **state)
{
    redisContext *admin = connect_beside();
    struct adapter_ask waiter;

    (void)state;
    kit.options.connect_retry_count = 1000;
    assert_true(tell(admin, "CONFIG SET maxclients 1"));
    open_pool(URL);
    adapter_kit_ask(&kit, &waiter);
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).failed[BELAY_STAGE_PROTOCOL] +
                                    adapter_kit_stats(&kit).failed[BELAY_STAGE_CONNECT] >=
                                2);
    assert_int_equal(waiter.told, 0);
    assert_true(belay_peer_last_error(kit.peer, &kit.error, NULL));
    assert_int_equal(kit.error.kind, BELAY_KIND_RETRY);
    assert_true(tell(admin, "CONFIG SET maxclients 1000"));
    redisFree(admin);
    ADAPTER_KIT_UNTIL(&kit, waiter.told == 1);
    assert_int_equal(waiter.code, 0);
    belay_lease_release(waiter.lease, BELAY_REUSE);
}

/* ---- checks ---- */

static void a_server_that_pauses_fails_the_check(void **state)
{
    long long id;

    (void)state;
    kit.options.check_interval_ms = 20;
    kit.options.check_timeout_ms = 50;
    open_pool(URL);
    id = use();
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).checks >= 3);
    assert_int_equal(use(), id); /* they were answered */
    tell_beside("CLIENT PAUSE 500 ALL");
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).closed[BELAY_REASON_UNHEALTHY] == 1);
    assert_int_not_equal(use(), id); /* when the pause is over */
}

static void a_reply_that_nobody_read_ends_the_connection(void **state)
{
    struct belay_lease lease;
    long long id;
    int done = 0;

    (void)state;
    open_pool(URL);
    id = use();
    lease = adapter_kit_acquire(&kit);
    redisAppendCommand(belay_hiredis_context(lease), "PING"); /* not even sent */
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_not_equal(use(), id);

    id = use();
    lease = adapter_kit_acquire(&kit);
    redisAppendCommand(belay_hiredis_context(lease), "PING");
    assert_int_equal(redisBufferWrite(belay_hiredis_context(lease), &done), REDIS_OK);
    assert_true(done);
    belay_lease_release(lease, BELAY_REUSE); /* nothing of the reply has come, for all it knows */
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).closed[BELAY_REASON_UNHEALTHY] == 2);
    assert_int_not_equal(use(), id);
}

static void a_command_that_takes_too_long_ends_the_connection(void **state)
{
    struct belay_lease lease;
    long long id;

    (void)state;
    options.command_timeout_ms = 50;
    open_pool(URL);
    id = use();
    lease = adapter_kit_acquire(&kit);
    assert_int_equal(ask(belay_hiredis_context(lease), "BLPOP nothing 0"), -1);
    assert_int_equal(belay_hiredis_context(lease)->err, REDIS_ERR_IO);
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_not_equal(use(), id);
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
    struct belay_lease lease;
    char url[64];
    int pid;

    (void)state;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", mute_server_start(NULL, &pid));
    kit.dial.session_timeout_ms = 50;
    kit.options.connect_retry_count = BELAY_NONE;
    open_pool(url);
    assert_int_equal(adapter_kit_try(&kit, &lease), BELAY_ETIMEDOUT);
    assert_non_null(strstr(kit.error.text, "redis"));
    mute_server_end(pid);
}

static void a_server_that_talks_nonsense_is_told(void **state)
{
    char url[64];
    int pid;

    (void)state;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d",
             mute_server_start("HTTP/1.1 400 Bad Request\r\n", &pid));
    refused_for_ever(url, BELAY_EPROTO, "Protocol error");
    mute_server_end(pid);
}

static void a_pool_closes_while_it_connects_and_with_leases_out(void **state)
{
    struct adapter_ask waiter;
    struct belay_lease lease;
    char url[64];
    int pid;

    (void)state;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", mute_server_start(NULL, &pid));
    open_pool(url);
    adapter_kit_ask(&kit, &waiter);
    for (int i = 0; i < 3; i++)
        adapter_kit_turn(&kit);
    adapter_kit_close(&kit);
    assert_int_equal(waiter.code, BELAY_ECLOSED);
    mute_server_end(pid);
    tear_down(NULL);
    set_up(NULL);
    open_pool(URL);
    lease = adapter_kit_acquire(&kit);
    adapter_kit_close(&kit);
    assert_null(belay_hiredis_context(lease));
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    open_pool("tcp://localhost:{port}");
    adapter_kit_fail_allocations(&kit);
    assert_true(use() > 0);
}

/* ---- options ---- */

static void options_out_of_range_are_named(void **state)
{
    static const struct {
        struct belay_hiredis_options options;
        const char *name;
    } bad[] = {
        {{BELAY_SIZED(belay_hiredis_options), .db = -1}, "db"},
        {{BELAY_SIZED(belay_hiredis_options), .username = "a"}, "username"},
        {{BELAY_SIZED(belay_hiredis_options), .command_timeout_ms = -1}, "command_timeout_ms"},
        {{BELAY_SIZED(belay_hiredis_options), .command_timeout_ms = INT64_MAX},
         "command_timeout_ms"},
    };
    struct belay_error error;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(belay_hiredis_new(&bad[i].options, &hiredis, &error), BELAY_EINVAL);
        assert_non_null(strstr(error.text, bad[i].name));
    }
    assert_int_equal(belay_hiredis_new(NULL, NULL, NULL), BELAY_EINVAL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_connection_is_opened_and_used_again),
        T(unix_sockets_and_names_are_dialled),
        T(the_next_address_is_tried),
        T(the_greeting_sets_what_was_asked_for),
        T(a_client_that_is_killed_while_idle_is_noticed_at_once),
        T(a_client_that_is_killed_in_use_is_not_lent_again),
        T(a_context_that_was_reconnected_is_watched_before_long),
        T(a_restart_is_survived),
        T(a_server_that_is_not_there_may_come),
        T(a_wrong_password_is_fatal_at_once),
        T(a_server_that_repeats_the_password_is_not_quoted),
        T(a_real_server_without_auth_does_not_tell_the_password),
        T(what_a_terminal_would_obey_is_left_out),
        T(a_user_that_may_do_nothing_is_fatal_at_once),
        T(a_missing_password_is_fatal_at_once),
        T(a_database_that_is_not_is_fatal_at_once),
        T(an_endpoint_with_tls_is_refused),
        T(an_address_of_another_type_is_refused),
        T(a_full_server_is_tried_again),
        T(a_server_that_pauses_fails_the_check),
        T(a_reply_that_nobody_read_ends_the_connection),
        T(a_command_that_takes_too_long_ends_the_connection),
        T(a_server_that_says_nothing_is_given_up),
        T(a_server_that_talks_nonsense_is_told),
        T(a_pool_closes_while_it_connects_and_with_leases_out),
        T(memory_may_run_out_anywhere),
        T(options_out_of_range_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
