/* SPDX-License-Identifier: MIT */
/* Dialing real sockets on loopback: what succeeds, every way to fail, and cancelling at each point.
 */
#include "net_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/dial.h"
#include "net/race.h"

/* ---- a dial and what came of it ---- */

struct story {
    struct net_kit kit;
    struct belay_dns dns;
    belay_dns_fn *answer; /* of the one query that is open */
    void *answer_arg;
    unsigned asked, forgotten;
    int listener;
    struct belay_addr addr;
    struct bl_dial_plan plan;
    struct bl_dial *dial;
    struct belay_stream *stream;
    struct belay_error error;
    struct belay_tried tried[BL_RACE_MAX];
    bool told;
};

static int silent_query(struct belay_loop *loop, const char *name, enum belay_dns_type type,
                        belay_dns_fn *fn, void *fn_arg, void **ret_handle, void *arg)
{
    struct story *t = arg;
    (void)loop;
    (void)name;
    (void)type;
    t->asked++;
    t->answer = fn;
    t->answer_arg = fn_arg;
    *ret_handle = t;
    return 0;
}

static void silent_forget(void *handle, void *arg)
{
    (void)handle;
    ((struct story *)arg)->forgotten++;
}

static void begin(struct story *t)
{
    struct belay_loop_options options = belay_loop_options_init();
    struct belay_world world = belay_world_init();
    memset(t, 0, sizeof *t);
    t->dns = (struct belay_dns){sizeof t->dns, silent_query, silent_forget, t};
    world.dns = &t->dns;
    options.world = &world;
    net_kit_set_up_options(&t->kit, &options);
    t->listener = -1;
    t->plan.target = "tcp://db.test:5432";
    t->plan.resolve_timeout_ms = t->plan.connect_timeout_ms = t->plan.tls_timeout_ms = 10000;
    t->plan.race_delay_ms = 250;
    t->plan.stream = (struct bl_stream_options){20, 5, 3, 30000};
}

static void to_addrs(struct story *t, const struct belay_addr *addrs, size_t n)
{
    t->plan.addrs = addrs;
    t->plan.addrs_n = n;
}

static void begin_listening(struct story *t)
{
    begin(t);
    t->listener = net_kit_listen(&t->addr, 16);
    to_addrs(t, &t->addr, 1);
}

static void finish(struct story *t)
{
    belay_stream_close(t->stream, 0, NULL, NULL);
    if (t->listener >= 0)
        close(t->listener);
    net_kit_tear_down(&t->kit);
    assert_int_equal(t->kit.opened, t->kit.closed);
}

static void on_dialled(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct story *t = arg;
    assert_false(t->told);
    assert_true(!stream == !!error);
    t->told = true;
    t->stream = stream;
    if (!error)
        return;
    t->error = *error;
    for (size_t i = 0; i < error->tried_n; i++)
        t->tried[i] = error->tried[i];
}

static void start(struct story *t)
{
    assert_int_equal(bl_dial_start(t->kit.loop, &t->plan, on_dialled, t, &t->dial), 0);
    assert_false(t->told);
}

static void dial(struct story *t)
{
    start(t);
    net_kit_until(&t->kit, &t->told);
}

static void expect_failure(const struct story *t, int code, enum belay_stage stage, int os_error)
{
    assert_true(t->told);
    assert_null(t->stream);
    if (t->error.code != code)
        fail_msg("%s: %s", belay_error_name(t->error.code), t->error.text);
    assert_int_equal(t->error.stage, stage);
    assert_int_equal(t->error.os_error, os_error);
    assert_int_equal(strncmp(t->error.text, "connecting to tcp://db.test:5432: ", 34), 0);
}

static void expect_connected(struct story *t, int listener)
{
    char out[5];
    assert_non_null(t->stream);
    int peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    assert_int_equal(belay_stream_write(t->stream, "hello", 5), 0);
    net_kit_settle(&t->kit);
    net_kit_recv(peer, out, 5);
    assert_memory_equal(out, "hello", 5);
    close(peer);
}

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

static int listen_abstract(struct story *t, int backlog)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char name[64];
    int len = snprintf(name, sizeof name, "@belay-full-%ld", (long)getpid());
    memcpy(a.sun_path + 1, name + 1, (size_t)len - 1);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len);
    t->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(t->listener, (struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(t->listener, backlog), 0);
    assert_int_equal(belay_addr_from_path(name, (size_t)len, &t->addr), 0);
    to_addrs(t, &t->addr, 1);
    int filler = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(filler, (struct sockaddr *)&a, size), 0);
    return filler;
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

static void with_tls(struct story *t)
{
    struct belay_tls_options options = belay_tls_options_init();
    options.no_verify = true;
    begin_listening(t);
    assert_int_equal(belay_tls_new(t->kit.loop, &options, &t->plan.tls, NULL), 0);
    t->plan.server_name = "db.test";
}

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
        cmocka_unit_test(a_dial_can_be_cancelled_at_each_point),
        cmocka_unit_test(cancelling_while_connecting_closes_the_socket),
        cmocka_unit_test(every_failing_allocation_is_a_stream_or_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
