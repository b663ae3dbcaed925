/* SPDX-License-Identifier: MIT */
/* Targets of gRPC: what each form means, and what is said of those that mean nothing. */
#include "wire/grpc_target.h"

#include <stdio.h>

#include "base/assert.h"
#include "support/test.h"

/* What a target means, in one line. */
static const char *describe(const struct bl_grpc_target *t, char out[512])
{
    static const char *const security[] = {"", "plain ", "tls "};
    struct bl_span rest = t->addresses;
    char text[BL_HOST_MAX + 2];
    struct belay_addr addr;
    int at = snprintf(out, 512, "%s", security[t->security]);

    if (t->kind == BL_GRPC_TARGET_UNIX) {
        snprintf(out + at, 512 - (size_t)at, "unix %s",
                 belay_addr_print(&t->socket, text, sizeof text));
    } else if (t->kind == BL_GRPC_TARGET_ADDRESSES) {
        size_t n = 0;

        for (; bl_grpc_target_next(&rest, &addr); n++)
            at += snprintf(out + at, 512 - (size_t)at, "%s%s", n ? ", " : "",
                           belay_addr_print(&addr, text, sizeof text));
        assert_int_equal(n, t->addresses_n);
    } else {
        bl_url_host(&t->host, text);
        at += snprintf(out + at, 512 - (size_t)at, "%s %u%s", text, (unsigned)t->host.port,
                       t->host.port_given ? "" : " by default");
        if (t->server.host.data)
            snprintf(out + at, 512 - (size_t)at, " of %s",
                     belay_addr_print(&t->server.ip, text, sizeof text));
    }
    return out;
}

struct meaning {
    const char *text, *means;
};

static void check(const struct meaning *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct bl_grpc_target target;
        struct belay_error error;
        char out[512];

        if (bl_grpc_target_parse(bl_span_of(rows[i].text), &target, &error) < 0)
            fail_msg("%s: %s", rows[i].text, error.text);
        assert_string_equal(describe(&target, out), rows[i].means);
    }
}

static void a_host_is_looked_up(void **state)
{
    static const struct meaning rows[] = {
        {"localhost:50051", "localhost 50051"},
        {"Example.com", "example.com 443 by default"},
        {"127.0.0.1:80", "127.0.0.1 80"},
        {"[::1]:80", "::1 80"},
        {"[::1]", "::1 443 by default"},
        {"my_service.ns.svc.cluster.local.:8080", "my_service.ns.svc.cluster.local. 8080"},
        {"dns:localhost:50051", "localhost 50051"},
        {"DNS:localhost", "localhost 443 by default"},
        {"dns:///localhost:50051", "localhost 50051"},
        {"dns:///[2001:db8::1]:1", "2001:db8::1 1"},
        {"dnsserver:443", "dnsserver 443"},
        {"grpcd:443", "grpcd 443"},
    };

    (void)state;
    check(rows, BL_COUNT(rows));
}

static void a_name_server_may_be_named(void **state)
{
    static const struct meaning rows[] = {
        {"dns://192.0.2.53/example.com:80", "example.com 80 of 192.0.2.53:53"},
        {"dns://192.0.2.53:5353/example.com", "example.com 443 by default of 192.0.2.53:5353"},
        {"dns://[2001:db8::53]/example.com:80", "example.com 80 of [2001:db8::53]:53"},
    };

    (void)state;
    check(rows, BL_COUNT(rows));
}

static void urls_say_whether_there_is_tls(void **state)
{
    static const struct meaning rows[] = {
        {"grpc://localhost:50051", "plain localhost 50051"},
        {"grpc://localhost", "plain localhost 80 by default"},
        {"grpcs://localhost:50051", "tls localhost 50051"},
        {"GRPCS://[::1]", "tls ::1 443 by default"},
        {"grpcs://localhost/", "tls localhost 443 by default"},
    };

    (void)state;
    check(rows, BL_COUNT(rows));
}

static void lists_of_addresses_are_read(void **state)
{
    static const struct meaning rows[] = {
        {"ipv4:192.0.2.1:80", "192.0.2.1:80"},
        {"ipv4:192.0.2.1,192.0.2.2:81, 192.0.2.3", "192.0.2.1:443, 192.0.2.2:81, 192.0.2.3:443"},
        {"ipv4:///192.0.2.1:80", "192.0.2.1:80"},
        {"ipv6:[::1]:80,[2001:db8::2]", "[::1]:80, [2001:db8::2]:443"},
        {"ipv6:2001:db8::1,::1", "[2001:db8::1]:443, [::1]:443"},
        {"IPV6:::", "[::]:443"},
    };

    (void)state;
    check(rows, BL_COUNT(rows));
}

static void unix_sockets_have_paths_and_names(void **state)
{
    static const struct meaning rows[] = {
        {"unix:run/grpc.sock", "unix run/grpc.sock"},
        {"unix:/run/grpc.sock", "unix /run/grpc.sock"},
        {"unix:///run/grpc.sock", "unix /run/grpc.sock"},
        {"unix:/run/a b%20?#@", "unix /run/a b%20?#@"},
        {"unix-abstract:grpc", "unix @grpc"},
        {"Unix-Abstract:a/b", "unix @a/b"},
    };

    (void)state;
    check(rows, BL_COUNT(rows));
}

static void assert_refused(const char *text, const char *why)
{
    struct bl_grpc_target target;
    struct belay_error error = {0};

    assert_int_equal(bl_grpc_target_parse(bl_span_of(text), &target, &error), BELAY_EINVAL);
    if (!strstr(error.text, why) || strncmp(error.text, "invalid target", 14) != 0)
        fail_msg("%s: %s", text, error.text);
    assert_int_equal(bl_grpc_target_parse(bl_span_of(text), &target, NULL), BELAY_EINVAL);
}

static void what_is_wrong_with_a_host_is_said(void **state)
{
    (void)state;
    assert_refused("", "it is empty");
    assert_refused("localhost:", "port is missing");
    assert_refused("[::1]:", "port is missing");
    assert_refused("localhost:http", "port \"http\" is not a number");
    assert_refused("localhost:99999", "port \"99999\" is out of range");
    assert_refused("localhost:0", "out of range");
    assert_refused(":50051", "host is empty");
    assert_refused("::1", "brackets, such as [::1]");
    assert_refused("[::1", "not closed");
    assert_refused("a b:1", "contains a space");
    assert_refused("1.2.3:80", "not a full IPv4 address");
    assert_refused("local\nhost", "control character");
    assert_refused("localhost/x", "nothing comes after the host");
    assert_refused("dns:", "host is empty");
    assert_refused("dns:///", "host is empty");
}

static void what_is_wrong_with_a_url_is_said(void **state)
{
    (void)state;
    assert_refused("http://localhost", "unknown scheme \"http\" (did you mean \"grpc\"?)");
    assert_refused("https://localhost", "did you mean \"grpcs\"?");
    assert_refused("gprc://localhost", "did you mean \"grpc\"?");
    assert_refused("xds:///service", "unknown scheme \"xds\"");
    assert_refused("kubernetes:///service", "(dns, grpc, grpcs, ipv4, ipv6, unix, unix-abstract)");
    assert_refused("://x", "not a scheme");
    assert_refused("grpc:localhost:80", "after \"grpc:\" comes \"//\"");
    assert_refused("grpcs://", "host is empty");
    assert_refused("grpc://host/pkg.Service/Method", "nothing comes after the host");
    assert_refused("grpc://host?x=1", "nothing comes after the host");
    assert_refused("dns://localhost:50051", "dns:host and dns:///host");
    assert_refused("dns://ns.example/host", "name server is not a numeric address");
    assert_refused("dns://1.1.1.1:x/host", "port \"x\" is not a number");
}

static void a_user_is_refused_and_its_password_not_shown(void **state)
{
    struct bl_grpc_target target;
    struct belay_error error;

    (void)state;
    assert_refused("grpcs://user:pa55@localhost", "no user name");
    bl_grpc_target_parse(bl_span_of("grpcs://user:pa55@localhost"), &target, &error);
    assert_null(strstr(error.text, "pa55"));
}

static void what_is_wrong_with_an_address_is_said(void **state)
{
    char many[BL_GRPC_ADDRESSES_MAX * 8 + 16] = "ipv4:1.1.1.1";

    (void)state;
    assert_refused("ipv4:", "host is empty");
    assert_refused("ipv4:1.1.1.1,,1.1.1.2", "host is empty");
    assert_refused("ipv4:localhost:80", "address \"localhost:80\" is not numeric");
    assert_refused("ipv4:1.1.1.1,[::1]:80", "address \"[::1]:80\" is not IPv4");
    assert_refused("ipv6:1.1.1.1", "is not IPv6");
    assert_refused("ipv6:[::1]:80,[::1]:70000", "port \"70000\" is out of range");
    assert_refused("ipv4:1.1.1.1:80/x", "nothing comes after");
    for (size_t i = 0; i < BL_GRPC_ADDRESSES_MAX; i++)
        strcat(many, ",1.1.1.1");
    assert_refused(many, "more than 256 addresses");
}

static void what_is_wrong_with_a_unix_socket_is_said(void **state)
{
    char path[160] = "unix:/";

    (void)state;
    assert_refused("unix:", "path of the Unix socket is empty");
    assert_refused("unix://", "path of the Unix socket is empty");
    assert_refused("unix://host/run/x", "no host");
    assert_refused("unix-abstract:", "name of the Unix socket is empty");
    memset(path + 6, 'x', 107);
    assert_refused(path, "longer than 107 bytes");
    memcpy(path, "unix-abstract:", 14);
    memset(path + 14, 'x', 107);
    assert_refused(path, "longer than 106 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_looked_up),
        cmocka_unit_test(a_name_server_may_be_named),
        cmocka_unit_test(urls_say_whether_there_is_tls),
        cmocka_unit_test(lists_of_addresses_are_read),
        cmocka_unit_test(unix_sockets_have_paths_and_names),
        cmocka_unit_test(what_is_wrong_with_a_host_is_said),
        cmocka_unit_test(what_is_wrong_with_a_url_is_said),
        cmocka_unit_test(a_user_is_refused_and_its_password_not_shown),
        cmocka_unit_test(what_is_wrong_with_an_address_is_said),
        cmocka_unit_test(what_is_wrong_with_a_unix_socket_is_said),
    };
    return cmocka_run_group_tests_name("wire_grpc_target", tests, NULL, NULL);
}
