/* SPDX-License-Identifier: MIT */
/* Pools of PGconns over a real PostgreSQL: tests/peers/postgres starts it and runs this. */
#include <belay-pq.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peers/adapter_kit.h"

#define CONNINFO "host=127.0.0.1 port={port} user=test dbname=postgres"

static struct adapter_kit kit;
static struct belay_pq_options options;
static struct belay_pq *pq;
static char notices[256];

static int set_up(void **state)
{
    (void)state;
    adapter_kit_begin(&kit);
    options = belay_pq_options_init();
    pq = NULL;
    notices[0] = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    adapter_kit_end(&kit);
    belay_pq_free(pq);
    return 0;
}

static void make(const char *conninfo)
{
    struct belay_error error;

    options.conninfo = server_text(conninfo);
    if (belay_pq_new(&options, &pq, &error) < 0)
        fail_msg("%s", error.text);
}

static void open_pool(const char *conninfo)
{
    struct belay_endpoint *endpoint;

    make(conninfo);
    assert_int_equal(belay_pq_endpoint(pq, kit.loop, &endpoint, NULL), 0);
    adapter_kit_open(&kit, belay_pq_connector(pq), endpoint);
}

/* The first value of the first row, "" when there is none. */
static const char *ask(PGconn *pg, const char *sql)
{
    static char value[128];
    PGresult *result = PQexec(pg, sql);

    value[0] = 0;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0)
        snprintf(value, sizeof value, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return value;
}

static PGconn *connect_beside(const char *conninfo)
{
    PGconn *pg = PQconnectdb(server_text(conninfo));

    if (PQstatus(pg) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(pg));
    return pg;
}

static void terminate(int pid)
{
    PGconn *admin = connect_beside(CONNINFO);
    char sql[64];

    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d)", pid);
    assert_string_equal(ask(admin, sql), "t");
    PQfinish(admin);
}

static int use(void)
{
    struct belay_lease lease = adapter_kit_acquire(&kit);
    PGconn *pg = belay_pq_conn(lease);
    int pid = PQbackendPID(pg);

    assert_int_equal(atoi(ask(pg, "SELECT pg_backend_pid()")), pid);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    return pid;
}

/* ---- opened and used again ---- */

static void a_connection_is_opened_and_used_again(void **state)
{
    struct belay_lease lease;
    int pid;

    (void)state;
    open_pool(CONNINFO);
    pid = use();
    assert_int_equal(use(), pid);
    assert_int_equal(belay_peer_try_acquire(kit.peer, &lease), 0);
    assert_int_equal(PQbackendPID(belay_pq_conn(lease)), pid);
    assert_int_equal(PQisnonblocking(belay_pq_conn(lease)), 0);
    assert_null(belay_lease_stream(lease));
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    assert_null(belay_pq_conn(lease));
    assert_int_equal(adapter_kit_stats(&kit).opened, 1);
    assert_int_equal(adapter_kit_stats(&kit).reused, 2);
}

static void a_unix_socket_is_dialled(void **state)
{
    char name[256];

    (void)state;
    open_pool("host={dir} port={port} user=test dbname=postgres");
    snprintf(name, sizeof name, "unix:%s", server_text("{dir}/.s.PGSQL.{port}"));
    assert_string_equal(belay_endpoint_name(belay_peer_endpoint(kit.peer)), name);
    assert_true(use() > 0);
}

static void a_name_is_looked_up_by_belay(void **state)
{
    (void)state;
    open_pool("host=localhost port={port} user=test dbname=postgres");
    assert_true(use() > 0);
}

static void a_name_that_is_not_fails_in_its_stage(void **state)
{
    struct belay_lease lease;

    (void)state;
    open_pool("host=nobody.invalid port={port} user=test dbname=postgres");
    assert_int_equal(adapter_kit_try(&kit, &lease) < 0, 1);
    assert_int_equal(kit.error.stage, BELAY_STAGE_RESOLVE);
}

/* Another endpoint takes the place of conninfo's host and port. */
static void an_endpoint_says_where_a_replica_is(void **state)
{
    static const char *const urls[] = {"tcp://127.0.0.1:{port}", "tcp://localhost:{port}",
                                       "unix://{dir}/.s.PGSQL.{port}"};

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        if (i > 0)
            set_up(NULL);
        make("host=192.0.2.1,192.0.2.2 user=test dbname=postgres");
        adapter_kit_open(&kit, belay_pq_connector(pq),
                         adapter_kit_endpoint(&kit, server_text(urls[i])));
        assert_true(use() > 0);
        if (i + 1 < sizeof urls / sizeof *urls)
            tear_down(NULL);
    }
}

static void an_endpoint_with_tls_is_refused(void **state)
{
    struct belay_lease lease;

    (void)state;
    make(CONNINFO);
    adapter_kit_open(&kit, belay_pq_connector(pq),
                     adapter_kit_endpoint(&kit, server_text("tls://127.0.0.1:{port}")));
    assert_int_equal(adapter_kit_try(&kit, &lease), BELAY_ENOTSUP);
    assert_non_null(strstr(kit.error.text, "sslmode"));
}

static void an_address_of_another_type_is_refused(void **state)
{
    struct belay_lease lease;

    (void)state;
    make(CONNINFO);
    adapter_kit_open(&kit, belay_pq_connector(pq), adapter_kit_address(&kit));
    assert_int_equal(adapter_kit_try(&kit, &lease), BELAY_ENOTSUP);
    assert_non_null(strstr(kit.error.text, "libpq knows no addresses of that type"));
}

/* ---- what ends ---- */

static void a_backend_that_ends_while_idle_is_noticed_at_once(void **state)
{
    int pid;

    (void)state;
    open_pool(CONNINFO);
    pid = use();
    assert_int_equal(adapter_kit_stats(&kit).idle, 1);
    terminate(pid);
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).closed[BELAY_REASON_PEER_CLOSED] == 1);
    assert_int_equal(adapter_kit_stats(&kit).idle, 0);
    assert_int_not_equal(use(), pid);
}

/* However it was given back: the reason is what was found then, the words are the server's. */
static void a_backend_that_ends_in_use_is_not_lent_again(void **state)
{
    static const enum belay_release ways[] = {BELAY_REUSE, BELAY_BROKEN};
    struct belay_lease lease;
    int pid;

    (void)state;
    open_pool(CONNINFO);
    for (unsigned i = 0; i < 2; i++) {
        lease = adapter_kit_acquire(&kit);
        pid = PQbackendPID(belay_pq_conn(lease));
        terminate(pid);
        assert_string_equal(ask(belay_pq_conn(lease), "SELECT 1"), "");
        belay_lease_release(lease, ways[i]);
        assert_int_not_equal(use(), pid);
        ADAPTER_KIT_UNTIL(&kit, kit.ended == i + 1);
        assert_int_equal(kit.reason, BELAY_REASON_UNHEALTHY);
        if (!strstr(kit.words, "terminating connection due to administrator command"))
            fail_msg("%s", kit.words);
    }
}

/* libpq has closed its socket: the number is another's, and that one is let alone. */
static void a_number_that_is_anothers_is_let_alone(void **state)
{
    struct belay_lease lease;
    int fds[2], fd;

    (void)state;
    open_pool(CONNINFO);
    use();
    lease = adapter_kit_acquire(&kit);
    fd = PQsocket(belay_pq_conn(lease));
    terminate(PQbackendPID(belay_pq_conn(lease)));
    assert_string_equal(ask(belay_pq_conn(lease), "SELECT 1"), "");
    assert_int_equal(PQsocket(belay_pq_conn(lease)), -1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_true(fds[0] == fd || fds[1] == fd);
    assert_int_equal(write(fds[0], "a", 1), 1);
    assert_int_equal(write(fds[1], "b", 1), 1);
    belay_lease_release(lease, BELAY_REUSE);
    ADAPTER_KIT_UNTIL(&kit, kit.ended == 1);
    assert_int_equal(kit.reason, BELAY_REASON_UNHEALTHY);
    assert_int_equal(recv(fds[0], &(char){0}, 1, MSG_DONTWAIT), 1);
    close(fds[0]);
    close(fds[1]);
}

/* Not asked for, but what can be done is: the new connection is watched as the old one was. */
static void a_connection_that_was_reset_is_watched(void **state)
{
    struct belay_lease lease;
    int pid;

    (void)state;
    open_pool(CONNINFO);
    use();
    lease = adapter_kit_acquire(&kit);
    PQreset(belay_pq_conn(lease));
    pid = PQbackendPID(belay_pq_conn(lease));
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_equal(use(), pid);
    terminate(pid);
    ADAPTER_KIT_UNTIL(&kit, kit.ended == 1);
    assert_int_equal(kit.reason, BELAY_REASON_PEER_CLOSED);
}

static void a_restart_is_survived(void **state)
{
    struct adapter_ask waiter;
    struct belay_lease lease;

    (void)state;
    kit.options.connect_retry_count = 1000;
    open_pool(CONNINFO);
    use();
    server_control("stop");
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).idle == 0);
    adapter_kit_ask(&kit, &waiter);
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).failed[BELAY_STAGE_CONNECT] > 0);
    assert_int_equal(waiter.told, 0);
    server_control("start");
    ADAPTER_KIT_UNTIL(&kit, waiter.told == 1);
    lease = waiter.lease;
    assert_string_equal(ask(belay_pq_conn(lease), "SELECT 7"), "7");
    belay_lease_release(lease, BELAY_REUSE);
}

static void a_server_that_is_not_there_may_come(void **state)
{
    struct belay_lease lease;

    (void)state;
    kit.options.connect_retry_count = BELAY_NONE;
    open_pool("host=127.0.0.1 port=1 user=test");
    assert_int_equal(adapter_kit_try(&kit, &lease), BELAY_ECONNECT);
    assert_int_equal(kit.error.kind, BELAY_KIND_RETRY);
    assert_int_equal(kit.error.stage, BELAY_STAGE_CONNECT);
    assert_non_null(strstr(kit.error.text, "refused"));
    assert_null(strchr(kit.error.text, '\n'));
}

/* ---- what the server refuses ---- */

static void refused_for_ever(const char *conninfo, const char *sqlstate)
{
    struct belay_lease lease;

    kit.options.connect_retry_count = 1000;
    open_pool(conninfo);
    assert_int_equal(adapter_kit_try(&kit, &lease), BELAY_ECONNECT);
    assert_int_equal(kit.error.kind, BELAY_KIND_FATAL);
    assert_int_equal(kit.error.stage, BELAY_STAGE_PROTOCOL);
    if (!strstr(kit.error.text, sqlstate))
        fail_msg("no %s in: %s", sqlstate, kit.error.text);
    assert_null(strstr(kit.error.text, "LOCATION"));
    assert_null(strchr(kit.error.text, '\n'));
    assert_int_equal(adapter_kit_stats(&kit).failed[BELAY_STAGE_PROTOCOL], 1);
}

static void a_wrong_password_is_fatal_at_once(void **state)
{
    (void)state;
    refused_for_ever("host=127.0.0.1 port={port} user=alice dbname=postgres password=xyzzy",
                     "28P01");
    assert_null(strstr(kit.error.text, "xyzzy"));
    assert_null(strstr(belay_endpoint_name(belay_peer_endpoint(kit.peer)), "xyzzy"));
}

static void a_missing_password_is_fatal_at_once(void **state)
{
    (void)state;
    refused_for_ever("host=127.0.0.1 port={port} user=alice dbname=postgres", "password");
}

static void a_database_that_is_not_is_fatal_at_once(void **state)
{
    (void)state;
    refused_for_ever("host=127.0.0.1 port={port} user=test dbname=nowhere", "3D000");
}

static void the_right_password_is_let_in(void **state)
{
    (void)state;
    open_pool("host=127.0.0.1 port={port} user=alice dbname=postgres password=rabbit");
    assert_true(use() > 0);
}

/* The role may have one connection at a time: 53300 until the other is gone. */
static void a_full_server_is_tried_again(void **state)
{
    PGconn *other = connect_beside("host=127.0.0.1 port={port} user=single dbname=postgres");
    struct adapter_ask waiter;

    (void)state;
    kit.options.connect_retry_count = 1000;
    open_pool("host=127.0.0.1 port={port} user=single dbname=postgres");
    adapter_kit_ask(&kit, &waiter);
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).failed[BELAY_STAGE_PROTOCOL] >= 2);
    assert_int_equal(waiter.told, 0);
    assert_true(belay_peer_last_error(kit.peer, &kit.error, NULL));
    assert_non_null(strstr(kit.error.text, "53300"));
    PQfinish(other);
    ADAPTER_KIT_UNTIL(&kit, waiter.told == 1);
    assert_int_equal(waiter.code, 0);
    belay_lease_release(waiter.lease, BELAY_REUSE);
}

/* ---- what users leave behind ---- */

static struct belay_lease leave(const char *sql)
{
    struct belay_lease lease = adapter_kit_acquire(&kit);

    PQclear(PQexec(belay_pq_conn(lease), sql));
    return lease;
}

static void a_dirty_connection_is_closed(void **state)
{
    static const char *const dirt[] = {"BEGIN", "BEGIN; SELECT 1/0"};

    (void)state;
    open_pool(CONNINFO);
    for (unsigned i = 0; i < 2; i++) {
        struct belay_lease lease = leave(dirt[i]);
        int pid = PQbackendPID(belay_pq_conn(lease));

        if (i == 1) /* a transaction of its own, for the error not to end it */
            PQclear(PQexec(belay_pq_conn(lease), "BEGIN"));
        belay_lease_release(lease, BELAY_REUSE);
        assert_int_not_equal(use(), pid);
        assert_int_equal(adapter_kit_stats(&kit).closed[BELAY_REASON_UNHEALTHY], i + 1);
    }
}

static void a_dirty_connection_is_rolled_back(void **state)
{
    struct belay_lease lease;
    int pid;

    (void)state;
    options.reset = BELAY_PQ_ROLLBACK;
    open_pool(CONNINFO);
    pid = use();
    lease = leave("BEGIN");
    PQclear(PQexec(belay_pq_conn(lease), "CREATE TABLE never (n int)"));
    PQclear(PQexec(belay_pq_conn(lease), "SELECT 1/0"));
    assert_int_equal(PQtransactionStatus(belay_pq_conn(lease)), PQTRANS_INERROR);
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_equal(belay_peer_try_acquire(kit.peer, &lease), BELAY_EAGAIN); /* it is cleaned */
    lease = adapter_kit_acquire(&kit);
    assert_int_equal(PQbackendPID(belay_pq_conn(lease)), pid);
    assert_int_equal(PQtransactionStatus(belay_pq_conn(lease)), PQTRANS_IDLE);
    assert_string_equal(ask(belay_pq_conn(lease), "SELECT to_regclass('never') IS NULL"), "t");
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_equal(adapter_kit_stats(&kit).opened, 1);
}

static void a_pipeline_does_not_reach_the_next_user(void **state)
{
    struct belay_lease lease;

    (void)state;
    open_pool(CONNINFO);
    lease = adapter_kit_acquire(&kit);
    PQsetnonblocking(belay_pq_conn(lease), 1);
    assert_int_equal(PQenterPipelineMode(belay_pq_conn(lease)), 1);
    belay_lease_release(lease, BELAY_REUSE);
    use(); /* out of it, and blocking */
    lease = adapter_kit_acquire(&kit);
    assert_int_equal(PQisnonblocking(belay_pq_conn(lease)), 0);
    PQenterPipelineMode(belay_pq_conn(lease));
    PQsendQueryParams(belay_pq_conn(lease), "SELECT 1", 0, NULL, NULL, NULL, NULL, 0);
    belay_lease_release(lease, BELAY_REUSE); /* in the middle of it */
    use();
    assert_int_equal(adapter_kit_stats(&kit).opened, 2);
}

static void options_without_a_size_are_refused(void **state)
{
    struct belay_pq_options none = {.conninfo = CONNINFO};
    struct belay_pool_options pool = {.max_idle_total = 1};
    struct belay_peer *peer;
    struct belay_error error;

    (void)state;
    assert_int_equal(belay_pq_open(kit.loop, &none, NULL, &peer, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "size: 0"));
    assert_int_equal(belay_pq_open(kit.loop, NULL, &pool, &peer, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "size: 0"));
}

static void a_session_is_discarded(void **state)
{
    struct belay_lease lease;
    int pid;

    (void)state;
    options.reset = BELAY_PQ_DISCARD;
    open_pool(CONNINFO);
    pid = use();
    lease = leave("SET work_mem = '77MB'");
    PQclear(PQexec(belay_pq_conn(lease), "CREATE TEMP TABLE mine (n int)"));
    PQclear(PQexec(belay_pq_conn(lease), "BEGIN"));
    belay_lease_release(lease, BELAY_REUSE);
    lease = adapter_kit_acquire(&kit);
    assert_int_equal(PQbackendPID(belay_pq_conn(lease)), pid);
    assert_string_not_equal(ask(belay_pq_conn(lease), "SHOW work_mem"), "77MB");
    assert_string_equal(ask(belay_pq_conn(lease), "SELECT to_regclass('mine') IS NULL"), "t");
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_equal(adapter_kit_stats(&kit).opened, 1);
}

static void a_query_that_is_not_read_to_its_end_ends_the_connection(void **state)
{
    (void)state;
    for (int reset = BELAY_PQ_CLOSE; reset <= BELAY_PQ_DISCARD; reset++) {
        struct belay_lease lease;

        if (reset)
            set_up(NULL);
        options.reset = (enum belay_pq_reset)reset;
        open_pool(CONNINFO);
        lease = adapter_kit_acquire(&kit);
        assert_int_equal(PQsendQuery(belay_pq_conn(lease), "SELECT 1"), 1);
        belay_lease_release(lease, BELAY_REUSE);
        assert_true(use() > 0);
        assert_int_equal(adapter_kit_stats(&kit).closed[BELAY_REASON_UNHEALTHY], 1);
        if (reset < BELAY_PQ_DISCARD)
            tear_down(NULL);
    }
}

/* It is no close: the check finds the connection alive, and the notification stays. */
static void a_notification_while_idle_stays_for_the_next_user(void **state)
{
    struct belay_lease lease;
    PGconn *other;
    PGnotify *notify;
    int pid;

    (void)state;
    open_pool(CONNINFO);
    lease = leave("LISTEN news");
    pid = PQbackendPID(belay_pq_conn(lease));
    belay_lease_release(lease, BELAY_REUSE);
    other = connect_beside(CONNINFO);
    PQclear(PQexec(other, "NOTIFY news, 'rain'"));
    PQfinish(other);
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).checking == 1);
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).checking == 0);
    lease = adapter_kit_acquire(&kit);
    assert_int_equal(PQbackendPID(belay_pq_conn(lease)), pid);
    notify = PQnotifies(belay_pq_conn(lease));
    assert_non_null(notify);
    assert_string_equal(notify->extra, "rain");
    PQfreemem(notify);
    belay_lease_release(lease, BELAY_REUSE);
}

static void on_notice(const char *text, void *arg)
{
    (void)arg;
    snprintf(notices, sizeof notices, "%s", text);
}

static void notices_go_to_who_asked_for_them(void **state)
{
    (void)state;
    options.on_notice = on_notice;
    open_pool(CONNINFO);
    belay_lease_release(leave("DO $$ BEGIN RAISE NOTICE 'mind the gap'; END $$"), BELAY_REUSE);
    assert_non_null(strstr(notices, "mind the gap"));
}

/* ---- checks, and the end ---- */

static void an_idle_connection_is_checked(void **state)
{
    int pid;

    (void)state;
    kit.options.check_interval_ms = 20;
    open_pool(CONNINFO);
    pid = use();
    ADAPTER_KIT_UNTIL(&kit, adapter_kit_stats(&kit).checks >= 4);
    assert_int_equal(use(), pid);
    assert_int_equal(adapter_kit_stats(&kit).opened, 1);
}

static void a_pool_closes_with_leases_out(void **state)
{
    struct belay_lease lease;
    PGconn *other;
    char sql[128];
    int pid;

    (void)state;
    open_pool(CONNINFO);
    use();
    lease = adapter_kit_acquire(&kit);
    pid = PQbackendPID(belay_pq_conn(lease));
    adapter_kit_close(&kit);
    assert_null(belay_pq_conn(lease));
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
    other = connect_beside(CONNINFO);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_stat_activity WHERE pid = %d", pid);
    ADAPTER_KIT_UNTIL(&kit, strcmp(ask(other, sql), "0") == 0);
    PQfinish(other);
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
    struct belay_lease lease;
    char conninfo[64];
    int pid;

    (void)state;
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=test",
             mute_server_start(NULL, &pid));
    kit.dial.session_timeout_ms = 50;
    kit.options.connect_retry_count = BELAY_NONE;
    open_pool(conninfo);
    assert_int_equal(adapter_kit_try(&kit, &lease), BELAY_ETIMEDOUT);
    assert_non_null(strstr(kit.error.text, "postgres"));
    mute_server_end(pid);
}

static void a_server_that_talks_nonsense_is_told(void **state)
{
    struct belay_lease lease;
    char conninfo[64];
    int pid;

    (void)state;
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=test",
             mute_server_start("HTTP/1.1 400 Bad Request\r\n", &pid));
    kit.options.connect_retry_count = BELAY_NONE;
    open_pool(conninfo);
    assert_int_equal(adapter_kit_try(&kit, &lease), BELAY_ECONNECT);
    assert_int_equal(kit.error.stage, BELAY_STAGE_PROTOCOL);
    mute_server_end(pid);
}

static void a_pool_closes_while_it_connects(void **state)
{
    struct adapter_ask waiter;
    char conninfo[64];
    int pid;

    (void)state;
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=test",
             mute_server_start(NULL, &pid));
    open_pool(conninfo);
    adapter_kit_ask(&kit, &waiter);
    for (int i = 0; i < 3; i++)
        adapter_kit_turn(&kit);
    adapter_kit_close(&kit);
    assert_int_equal(waiter.told, 1);
    assert_int_equal(waiter.code, BELAY_ECLOSED);
    mute_server_end(pid);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    options.reset = BELAY_PQ_DISCARD;
    open_pool("host=localhost port={port} user=test dbname=postgres");
    adapter_kit_fail_allocations(&kit);
    assert_true(use() > 0);
}

/* ---- options ---- */

static void conninfo_that_cannot_be_read_is_not_repeated(void **state)
{
    static const char *const bad[] = {"password=se cret", "password=se cret=1",
                                      "postgresql://a:secret@[h/x", "service=secret"};
    struct belay_error error;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        options.conninfo = bad[i];
        assert_int_equal(belay_pq_new(&options, &pq, &error), BELAY_EINVAL);
        assert_non_null(strstr(error.text, "conninfo"));
        assert_null(strstr(error.text, "cret"));
    }
    options.conninfo = NULL;
    options.reset = (enum belay_pq_reset)3;
    assert_int_equal(belay_pq_new(&options, &pq, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "reset"));
    assert_int_equal(belay_pq_new(NULL, NULL, NULL), BELAY_EINVAL);
}

static void endpoints_of_other_users_are_others(void **state)
{
    struct belay_endpoint *a, *b;
    struct belay_pq *other;

    (void)state;
    make("host=db.test user=a dbname=x password=1");
    options.conninfo = "postgresql://b:2@DB.test:5432/x";
    assert_int_equal(belay_pq_new(&options, &other, NULL), 0);
    assert_int_equal(belay_pq_endpoint(pq, kit.loop, &a, NULL), 0);
    assert_int_equal(belay_pq_endpoint(other, kit.loop, &b, NULL), 0);
    assert_string_equal(belay_endpoint_name(a), "tcp://db.test:5432");
    assert_string_equal(belay_endpoint_name(b), "tcp://db.test:5432");
    assert_false(belay_endpoint_equal(a, b));
    belay_endpoint_unref(a);
    belay_endpoint_unref(b);
    belay_pq_free(other);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_connection_is_opened_and_used_again),
        T(a_unix_socket_is_dialled),
        T(a_name_is_looked_up_by_belay),
        T(a_name_that_is_not_fails_in_its_stage),
        T(an_endpoint_says_where_a_replica_is),
        T(an_endpoint_with_tls_is_refused),
        T(an_address_of_another_type_is_refused),
        T(a_backend_that_ends_while_idle_is_noticed_at_once),
        T(a_backend_that_ends_in_use_is_not_lent_again),
        T(a_number_that_is_anothers_is_let_alone),
        T(a_connection_that_was_reset_is_watched),
        T(a_restart_is_survived),
        T(a_server_that_is_not_there_may_come),
        T(a_wrong_password_is_fatal_at_once),
        T(a_missing_password_is_fatal_at_once),
        T(a_database_that_is_not_is_fatal_at_once),
        T(the_right_password_is_let_in),
        T(a_full_server_is_tried_again),
        T(a_dirty_connection_is_closed),
        T(a_dirty_connection_is_rolled_back),
        T(a_pipeline_does_not_reach_the_next_user),
        T(options_without_a_size_are_refused),
        T(a_session_is_discarded),
        T(a_query_that_is_not_read_to_its_end_ends_the_connection),
        T(a_notification_while_idle_stays_for_the_next_user),
        T(notices_go_to_who_asked_for_them),
        T(an_idle_connection_is_checked),
        T(a_pool_closes_with_leases_out),
        T(a_server_that_says_nothing_is_given_up),
        T(a_server_that_talks_nonsense_is_told),
        T(a_pool_closes_while_it_connects),
        T(memory_may_run_out_anywhere),
        T(conninfo_that_cannot_be_read_is_not_repeated),
        T(endpoints_of_other_users_are_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
