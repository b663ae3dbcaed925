/* SPDX-License-Identifier: MIT */
/* Dialling over real sockets: how it fails, and within which limits. */
#include "dial_scene.h"

/* ---- failure ---- */

static void a_refusal_names_every_address(void **state)
{
    struct story t;
    struct belay_addr addrs[2];
    char text[256];
    (void)state;
    begin(&t);
    assert_int_equal(belay_addr_parse_ip("127.0.0.1", 9, net_kit_dead_port(), &addrs[0]), 0);
    assert_int_equal(belay_addr_parse_ip("127.0.0.2", 9, net_kit_dead_port(), &addrs[1]), 0);
    to_addrs(&t, addrs, 2);
    dial(&t);
    expect_failure(&t, BELAY_ECONNECT, BELAY_STAGE_CONNECT, ECONNREFUSED);
    assert_int_equal(t.error.kind, BELAY_KIND_RETRY);
    assert_int_equal(t.error.tried_n, 2);
    assert_true(belay_addr_equal(&t.tried[0].addr, &addrs[0]));
    assert_int_equal(t.tried[0].os_error, ECONNREFUSED);
    assert_true(belay_addr_equal(&t.tried[1].addr, &addrs[1]));
    snprintf(text, sizeof text,
             "connecting to tcp://db.test:5432: connection refused (tried 127.0.0.1:%u: connection "
             "refused after ",
             addrs[0].port);
    assert_int_equal(strncmp(t.error.text, text, strlen(text)), 0);
    snprintf(text, sizeof text, ", 127.0.0.2:%u: connection refused after ", addrs[1].port);
    assert_non_null(strstr(t.error.text, text));
    finish(&t);
}

static void many_refusals_are_cut_in_the_text_and_complete_in_the_list(void **state)
{
    struct story t;
    struct belay_addr addrs[20];
    (void)state;
    begin(&t);
    uint16_t port = net_kit_dead_port();
    for (size_t i = 0; i < BL_COUNT(addrs); i++) {
        char ip[16];
        int len = snprintf(ip, sizeof ip, "127.0.1.%zu", i + 1);
        assert_int_equal(belay_addr_parse_ip(ip, (size_t)len, port, &addrs[i]), 0);
    }
    to_addrs(&t, addrs, BL_COUNT(addrs));
    dial(&t);
    expect_failure(&t, BELAY_ECONNECT, BELAY_STAGE_CONNECT, ECONNREFUSED);
    assert_int_equal(t.error.tried_n, 20);
    assert_non_null(strstr(t.error.text, " more)"));
    finish(&t);
}

static void a_connection_with_itself_counts_as_refused(void **state)
{
    struct story t;
    struct belay_addr self;
    (void)state;
    begin(&t);
    assert_int_equal(belay_addr_parse_ip("127.0.0.1", 9, net_kit_dead_port(), &self), 0);
    to_addrs(&t, &self, 1);
    t.plan.source = &self; /* what chance gives once in some ten thousand times */
    dial(&t);
    expect_failure(&t, BELAY_ECONNECT, BELAY_STAGE_CONNECT, ECONNREFUSED);
    finish(&t);
}

static void a_missing_route_is_no_excuse_where_a_peer_refused(void **state)
{
    struct story t;
    struct belay_addr addrs[2];
    (void)state;
    begin(&t);
    t.kit.no_ipv6 = true;
    assert_int_equal(belay_addr_parse_ip("127.0.0.1", 9, net_kit_dead_port(), &addrs[0]), 0);
    assert_int_equal(belay_addr_parse_ip("2001:db8::1", 11, 80, &addrs[1]), 0);
    to_addrs(&t, addrs, 2);
    dial(&t);
    expect_failure(&t, BELAY_ECONNECT, BELAY_STAGE_CONNECT, ECONNREFUSED);
    assert_int_equal(t.tried[1].os_error, ENETUNREACH);
    finish(&t);
}

static void out_of_descriptors_is_our_own_failure(void **state)
{
    struct story t;
    (void)state;
    begin_listening(&t);
    t.kit.fail_open = EMFILE;
    dial(&t);
    expect_failure(&t, BELAY_EMFILE, BELAY_STAGE_CONNECT, EMFILE);
    assert_int_equal(t.error.kind, BELAY_KIND_LIMIT);
    finish(&t);
}

static void a_source_of_the_wrong_family_fails(void **state)
{
    struct story t;
    struct belay_addr source;
    (void)state;
    begin_listening(&t);
    assert_int_equal(belay_addr_parse_ip("::1", 3, 0, &source), 0);
    t.plan.source = &source;
    dial(&t);
    expect_failure(&t, BELAY_ECONNECT, BELAY_STAGE_CONNECT, EAFNOSUPPORT);
    finish(&t);
}

static void an_interface_that_does_not_exist_fails(void **state)
{
    struct story t;
    (void)state;
    begin_listening(&t);
    t.plan.interface_name = "belay-none0";
    dial(&t);
    assert_null(t.stream);
    assert_int_equal(t.error.code, BELAY_ECONNECT);
    assert_true(t.error.os_error == ENODEV || t.error.os_error == EPERM);
    finish(&t);
}

static void a_black_hole_ends_at_the_connect_limit(void **state)
{
    struct story t;
    int fillers[4];
    (void)state;
    begin(&t);
    t.listener = net_kit_listen(&t.addr, 0);
    for (size_t i = 0; i < BL_COUNT(fillers); i++) {
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons(t.addr.port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fillers[i], (struct sockaddr *)&a, sizeof a);
    }
    to_addrs(&t, &t.addr, 1);
    t.plan.connect_timeout_ms = 50;
    dial(&t);
    expect_failure(&t, BELAY_ETIMEDOUT, BELAY_STAGE_CONNECT, 0);
    assert_non_null(strstr(t.error.text, "not connected within 50 ms (tried 127.0.0.1:"));
    assert_int_equal(t.error.tried_n, 1);
    assert_true(t.tried[0].took_ms >= 50);
    for (size_t i = 0; i < BL_COUNT(fillers); i++)
        close(fillers[i]);
    finish(&t);
}

static void one_limit_may_cover_all_stages(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    int filler = listen_abstract(&t, 0);
    t.plan.dial_timeout_ms = 30;
    dial(&t);
    expect_failure(&t, BELAY_ETIMEDOUT, BELAY_STAGE_CONNECT, 0);
    assert_non_null(strstr(t.error.text, "not connected within 30 ms"));
    close(filler);
    finish(&t);
}

static void a_silent_name_server_ends_at_the_resolve_limit(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.plan.host = "db.test";
    t.plan.resolve_timeout_ms = 30;
    dial(&t);
    expect_failure(&t, BELAY_ETIMEDOUT, BELAY_STAGE_RESOLVE, 0);
    assert_non_null(strstr(t.error.text, "looking up db.test: no answer within 30 ms"));
    assert_int_equal(t.forgotten, 2);
    finish(&t);
}

static void a_name_that_does_not_exist_is_fatal(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.plan.host = "db.test";
    t.plan.family = BELAY_FAMILY_IPV4;
    start(&t);
    t.answer(BELAY_ENONAME, NULL, 0, t.answer_arg);
    net_kit_until(&t.kit, &t.told);
    expect_failure(&t, BELAY_ENONAME, BELAY_STAGE_RESOLVE, 0);
    assert_int_equal(t.error.kind, BELAY_KIND_FATAL);
    finish(&t);
}

static void a_host_that_is_no_name_is_told_by_callback(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.plan.host = "not a name";
    dial(&t);
    expect_failure(&t, BELAY_EINVAL, BELAY_STAGE_RESOLVE, 0);
    finish(&t);
}

/* ---- TLS ---- */

static void a_peer_that_never_shakes_hands_ends_at_the_tls_limit(void **state)
{
    struct story t;
    (void)state;
    with_tls(&t);
    t.plan.tls_timeout_ms = 50;
    dial(&t);
    assert_int_equal(t.error.code, BELAY_ETIMEDOUT);
    assert_int_equal(t.error.stage, BELAY_STAGE_TLS);
    assert_string_equal(t.error.text,
                        "negotiating TLS with tcp://db.test:5432: not done within 50 ms");
    assert_int_equal(t.error.tried_n, 1);
    belay_tls_unref(t.plan.tls);
    finish(&t);
}

static void a_peer_that_leaves_the_handshake_fails_in_the_tls_stage(void **state)
{
    struct story t;
    (void)state;
    with_tls(&t);
    start(&t);
    net_kit_settle(&t.kit);
    int peer = accept(t.listener, NULL, NULL);
    net_kit_turn_for(&t.kit, 5);
    shutdown(peer, SHUT_WR);
    net_kit_until(&t.kit, &t.told);
    assert_int_equal(t.error.stage, BELAY_STAGE_TLS);
    assert_int_equal(strncmp(t.error.text, "negotiating TLS with tcp://db.test:5432: ", 41), 0);
    close(peer);
    belay_tls_unref(t.plan.tls);
    finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_names_every_address),
        cmocka_unit_test(many_refusals_are_cut_in_the_text_and_complete_in_the_list),
        cmocka_unit_test(a_connection_with_itself_counts_as_refused),
        cmocka_unit_test(a_missing_route_is_no_excuse_where_a_peer_refused),
        cmocka_unit_test(out_of_descriptors_is_our_own_failure),
        cmocka_unit_test(a_source_of_the_wrong_family_fails),
        cmocka_unit_test(an_interface_that_does_not_exist_fails),
        cmocka_unit_test(a_black_hole_ends_at_the_connect_limit),
        cmocka_unit_test(one_limit_may_cover_all_stages),
        cmocka_unit_test(a_silent_name_server_ends_at_the_resolve_limit),
        cmocka_unit_test(a_name_that_does_not_exist_is_fatal),
        cmocka_unit_test(a_host_that_is_no_name_is_told_by_callback),
        cmocka_unit_test(a_peer_that_never_shakes_hands_ends_at_the_tls_limit),
        cmocka_unit_test(a_peer_that_leaves_the_handshake_fails_in_the_tls_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
