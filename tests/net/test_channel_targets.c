/* SPDX-License-Identifier: MIT */
/* Targets of each kind, over sockets: who is reached, and as whom. */
#include "channel_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void expect_good(struct channel_kit *k, const char *by)
{
    struct ck_call call;

    ck_call(k, &call);
    ck_good(&call, by);
}

static void a_unix_socket_is_a_target(void **state)
{
    struct channel_kit k;
    char path[100], target[120];

    (void)state;
    snprintf(path, sizeof path, "/tmp/belay-channel-%d", (int)getpid());
    for (unsigned i = 0; i < 2; i++) {
        snprintf(target, sizeof target, i ? "unix://%s" : "unix:%s", path);
        ck_open(&k, target, NULL);
        h2_stop(&k.servers[0]);
        h2_start_at(&k.servers[0], path);
        k.servers[0].on_request = k.servers[1].on_request;
        k.servers[0].extra = k.servers[1].extra;
        expect_good(&k, "2");
        assert_int_equal(k.servers[0].accepted, 1);
        ck_close(&k);
        unlink(path);
    }
}

static void a_list_of_ipv6_is_a_target(void **state)
{
    struct channel_kit k;
    struct h2_server server;
    char target[120];

    (void)state;
    h2_start_at(&server, "::1");
    snprintf(target, sizeof target, "ipv6:[::1]:1,[::1]:%d", server.port);
    ck_open(&k, target, NULL);
    h2_stop(&k.servers[0]);
    server.on_request = k.servers[0].on_request;
    server.extra = k.servers[0].extra;
    k.servers[0] = server;
    expect_good(&k, "1");
    assert_int_equal(k.servers[0].accepted, 1);
    ck_close(&k);
}

static void a_list_of_ipv4_is_tried_in_its_order(void **state)
{
    struct channel_kit k;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:1,127.0.0.1:%3,127.0.0.1:%2", NULL);
    expect_good(&k, "3");
    ck_close(&k);
}

static void a_url_is_a_target(void **state)
{
    struct channel_kit k;

    (void)state;
    ck_open(&k, "grpc://127.0.0.1:%2", NULL);
    expect_good(&k, "2");
    ck_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unix_socket_is_a_target),
        cmocka_unit_test(a_list_of_ipv6_is_a_target),
        cmocka_unit_test(a_list_of_ipv4_is_tried_in_its_order),
        cmocka_unit_test(a_url_is_a_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
