/* SPDX-License-Identifier: MIT */
/* Dialling over real sockets: what succeeds, cancelling, memory. */
#include "dial_scene.h"

/* ---- success ---- */

static void an_address_is_dialled(void **state)
{
    struct story t;
    struct belay_addr peer;
    (void)state;
    begin_listening(&t);
    dial(&t);
    expect_connected(&t, t.listener);
    assert_int_equal(belay_stream_peer_addr(t.stream, &peer), 0);
    assert_true(belay_addr_equal(&peer, &t.addr));
    finish(&t);
}

static void a_host_is_resolved_and_what_refuses_is_passed_over(void **state)
{
    struct story t;
    (void)state;
    begin_listening(&t); /* on 127.0.0.1 only: ::1 refuses, or has no route */
    to_addrs(&t, NULL, 0);
    t.plan.host = "localhost";
    t.plan.port = t.addr.port;
    dial(&t);
    expect_connected(&t, t.listener);
    finish(&t);
}

static void an_address_that_does_not_answer_costs_the_race_delay(void **state)
{
    struct story t;
    struct belay_addr addrs[2];
    (void)state;
    begin_listening(&t);
    addrs[1] = t.addr;
    struct net_kit_full full;
    net_kit_full_open(&full, &addrs[0]);
    to_addrs(&t, addrs, 2);
    t.plan.race_delay_ms = 20;
    dial(&t);
    expect_connected(&t, t.listener);
    net_kit_full_close(&full);
    finish(&t);
}

static void addresses_that_come_late_are_tried(void **state)
{
    struct belay_dns_record record = {.ttl_s = 60};
    struct story t;
    (void)state;
    begin_listening(&t);
    to_addrs(&t, NULL, 0);
    t.plan.host = "db.test";
    t.plan.port = t.addr.port;
    start(&t); /* AAAA is asked first, A last */
    assert_int_equal(t.asked, 2);
    record.addr = t.addr;
    t.answer(0, &record, 1, t.answer_arg);
    net_kit_until(&t.kit, &t.told); /* without AAAA, after 50 ms */
    expect_connected(&t, t.listener);
    assert_int_equal(t.forgotten, 1);
    finish(&t);
}

static void unix_and_abstract_sockets_are_dialled(void **state)
{
    char names[2][64];
    (void)state;
    snprintf(names[0], sizeof names[0], "/tmp/belay-test-%ld.sock", (long)getpid());
    snprintf(names[1], sizeof names[1], "@belay-test-%ld", (long)getpid());
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        size_t len = strlen(names[i]);
        struct belay_addr peer;
        struct story t;
        begin(&t);
        memcpy(a.sun_path, names[i], len);
        if (i == 1)
            a.sun_path[0] = '\0';
        unlink(names[i]);
        t.listener = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(bind(t.listener, (struct sockaddr *)&a,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                         0);
        assert_int_equal(listen(t.listener, 4), 0);
        assert_int_equal(belay_addr_from_path(names[i], len, &t.addr), 0);
        to_addrs(&t, &t.addr, 1);
        dial(&t);
        expect_connected(&t, t.listener);
        assert_int_equal(belay_stream_peer_addr(t.stream, &peer), 0);
        assert_true(belay_addr_equal(&peer, &t.addr));
        finish(&t);
        unlink(names[i]);
    }
}

static void a_full_unix_socket_is_tried_until_it_has_room(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    int filler = listen_abstract(&t, 0);
    start(&t);
    net_kit_turn_for(&t.kit, 40);
    assert_false(t.told);
    close(accept(t.listener, NULL, NULL));
    net_kit_until(&t.kit, &t.told);
    expect_connected(&t, t.listener);
    close(filler);
    finish(&t);
}

static void a_full_unix_socket_is_tried_within_the_limit(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    int filler = listen_abstract(&t, 0);
    t.plan.connect_timeout_ms = 40;
    dial(&t);
    expect_failure(&t, BELAY_ETIMEDOUT, BELAY_STAGE_CONNECT, 0);
    close(filler);
    finish(&t);
}

static void the_source_address_is_the_callers(void **state)
{
    struct story t;
    struct belay_addr source, local;
    (void)state;
    begin_listening(&t);
    assert_int_equal(belay_addr_parse_ip("127.0.0.5", 9, 0, &source), 0);
    t.plan.source = &source;
    dial(&t);
    expect_connected(&t, t.listener);
    assert_int_equal(belay_stream_local_addr(t.stream, &local), 0);
    assert_memory_equal(local.u.ip, source.u.ip, 4);
    finish(&t);
}

/* ---- cancelling ---- */

static void a_dial_can_be_cancelled_at_each_point(void **state)
{
    (void)state;
    for (int at = 0; at < 4; at++) {
        struct story t;
        if (at == 2)
            with_tls(&t);
        else
            begin_listening(&t);
        if (at == 3) {
            to_addrs(&t, NULL, 0);
            t.plan.host = "db.test";
        }
        start(&t);
        if (at > 0) /* 0: before it began, 1: perhaps connecting, 2: in TLS, 3: resolving */
            assert_int_equal(belay_loop_turn(t.kit.loop, 0), 0);
        if (at == 2)
            net_kit_settle(&t.kit);
        if (!t.told)
            bl_dial_cancel(t.dial);
        bool told = t.told;
        net_kit_settle(&t.kit);
        assert_int_equal(t.told, told);
        assert_false(at != 1 && told);
        if (at == 2)
            belay_tls_unref(t.plan.tls);
        finish(&t);
    }
    bl_dial_cancel(NULL);
}

static void cancelling_while_connecting_closes_the_socket(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    int filler = listen_abstract(&t, 0);
    start(&t);
    net_kit_turn_for(&t.kit, 15);
    assert_int_equal(t.kit.opened, 1);
    bl_dial_cancel(t.dial);
    assert_int_equal(t.kit.closed, 1);
    close(filler);
    finish(&t);
}

/* ---- memory ---- */

static void every_failing_allocation_is_a_stream_or_an_error(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        struct story t;
        begin_listening(&t);
        to_addrs(&t, NULL, 0);
        t.plan.host = "127.0.0.1";
        t.plan.port = t.addr.port;
        failing_alloc_once(&t.kit.alloc, n);
        int rc = bl_dial_start(t.kit.loop, &t.plan, on_dialled, &t, &t.dial);
        assert_true(rc == 0 || rc == BELAY_ENOMEM);
        if (rc == 0)
            net_kit_until(&t.kit, &t.told);
        assert_true(rc < 0 || t.stream || t.error.code == BELAY_ENOMEM);
        bool failed = failing_alloc_failures(&t.kit.alloc) > 0;
        assert_true(failed || t.stream);
        finish(&t);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_dialled),
        cmocka_unit_test(a_host_is_resolved_and_what_refuses_is_passed_over),
        cmocka_unit_test(an_address_that_does_not_answer_costs_the_race_delay),
        cmocka_unit_test(addresses_that_come_late_are_tried),
        cmocka_unit_test(unix_and_abstract_sockets_are_dialled),
        cmocka_unit_test(a_full_unix_socket_is_tried_until_it_has_room),
        cmocka_unit_test(a_full_unix_socket_is_tried_within_the_limit),
        cmocka_unit_test(the_source_address_is_the_callers),
        cmocka_unit_test(a_dial_can_be_cancelled_at_each_point),
        cmocka_unit_test(cancelling_while_connecting_closes_the_socket),
        cmocka_unit_test(every_failing_allocation_is_a_stream_or_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
