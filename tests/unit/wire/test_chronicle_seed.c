/* SPDX-License-Identifier: MIT */
/* Connection strings: the cases of Chronicle's own client, one by one, in its order. */
#include "chronicle_string_kit.h"

/* ---- default and development ---- */

static void default_connects_to_localhost_on_port_35000(void **state)
{
    struct bl_chronicle_string *s;

    (void)state;
    assert_int_equal(bl_chronicle_string_default(&kit_mem, &s), 0);
    kit_keep(s);
    assert_int_equal(s->hosts_n, 1);
    kit_host(s, 0, "localhost", 35000);
    assert_false(s->disable_tls); /* unlike what that client's manual says, and as it does */
}

static void default_has_no_authentication(void **state)
{
    struct bl_chronicle_string *s;

    (void)state;
    assert_int_equal(bl_chronicle_string_default(&kit_mem, &s), 0);
    kit_auth(kit_keep(s), BL_CHRONICLE_AUTH_NONE);
}

static void development_connects_to_localhost_on_port_35000(void **state)
{
    struct bl_chronicle_string *s;

    (void)state;
    assert_int_equal(bl_chronicle_string_development(&kit_mem, &s), 0);
    kit_keep(s);
    kit_host(s, 0, "localhost", 35000);
}

static void development_uses_client_credentials(void **state)
{
    struct bl_chronicle_string *s;

    (void)state;
    assert_int_equal(bl_chronicle_string_development(&kit_mem, &s), 0);
    kit_auth(kit_keep(s), BL_CHRONICLE_AUTH_CREDENTIALS);
    assert_string_equal(s->user, "chronicle-dev-client");
    assert_string_equal(s->password, "chronicle-dev-secret");
}

/* ---- parse ---- */

static void host_and_port_are_read(void **state)
{
    (void)state;
    kit_host(kit_parse("chronicle://myserver:9000"), 0, "myserver", 9000);
}

static void the_port_is_35000_when_omitted(void **state)
{
    (void)state;
    kit_host(kit_parse("chronicle://myserver"), 0, "myserver", 35000);
}

static void the_api_key_is_read_from_the_query(void **state)
{
    const struct bl_chronicle_string *s = kit_parse("chronicle://localhost:35000?apiKey=my-secret");

    (void)state;
    assert_string_equal(s->api_key, "my-secret");
    kit_auth(s, BL_CHRONICLE_AUTH_API_KEY);
}

static void disable_tls_is_read(void **state)
{
    (void)state;
    assert_true(kit_parse("chronicle://localhost:35000?disableTls=true")->disable_tls);
    assert_true(kit_parse("chronicle://localhost:35000?disableTls=TRUE")->disable_tls);
    assert_false(kit_parse("chronicle://localhost:35000?disableTls=false")->disable_tls);
}

static void client_credentials_are_read(void **state)
{
    const struct bl_chronicle_string *s = kit_parse("chronicle://client-id:secret@localhost:35000");

    (void)state;
    assert_string_equal(s->user, "client-id");
    assert_string_equal(s->password, "secret");
    kit_auth(s, BL_CHRONICLE_AUTH_CREDENTIALS);
}

static void escaped_credentials_are_decoded(void **state)
{
    const struct bl_chronicle_string *s =
        kit_parse("chronicle://my%40client:p%40ss@localhost:35000");

    (void)state;
    assert_string_equal(s->user, "my@client");
    assert_string_equal(s->password, "p@ss");
}

static void an_unsupported_scheme_is_refused(void **state)
{
    (void)state;
    kit_refused("http://localhost:35000", "unsupported scheme \"http\"");
}

static void a_missing_host_is_refused(void **state)
{
    (void)state;
    kit_refused("chronicle://", "the host is empty");
}

static void an_invalid_port_is_refused(void **state)
{
    (void)state;
    kit_refused("chronicle://localhost:99999", "the port \"99999\" is out of range");
}

static void a_missing_scheme_is_refused(void **state)
{
    (void)state;
    kit_refused("localhost:35000", "the scheme is missing");
}

/* ---- several hosts ---- */

static void a_list_of_hosts_is_read(void **state)
{
    const struct bl_chronicle_string *s = kit_parse("chronicle://host1:1000,host2:2000");

    (void)state;
    assert_int_equal(s->hosts_n, 2);
    kit_host(s, 0, "host1", 1000);
    kit_host(s, 1, "host2", 2000);
}

static void each_host_has_the_port_by_default(void **state)
{
    const struct bl_chronicle_string *s = kit_parse("chronicle://host1,host2:2000");

    (void)state;
    kit_host(s, 0, "host1", 35000);
    kit_host(s, 1, "host2", 2000);
}

static void credentials_are_for_all_hosts(void **state)
{
    const struct bl_chronicle_string *s = kit_parse("chronicle://user:pass@host1:1000,host2:2000");

    (void)state;
    assert_string_equal(s->user, "user");
    assert_string_equal(s->password, "pass");
    assert_int_equal(s->hosts_n, 2);
}

static void a_query_follows_several_hosts(void **state)
{
    const struct bl_chronicle_string *s =
        kit_parse("chronicle://host1:1000,host2:2000?apiKey=my-key");

    (void)state;
    assert_int_equal(s->hosts_n, 2);
    assert_string_equal(s->api_key, "my-key");
}

static void the_server_address_is_the_first_host(void **state)
{
    (void)state;
    kit_host(kit_parse("chronicle://host1:1000,host2:2000"), 0, "host1", 1000);
}

/* ---- IPv6 ---- */

static void an_ipv6_host_in_brackets_has_a_port(void **state)
{
    const struct bl_chronicle_string *s = kit_parse("chronicle://[::1]:9000");

    (void)state;
    kit_host(s, 0, "::1", 9000);
    assert_int_equal(s->hosts[0].ip.family, BELAY_FAMILY_IPV6);
}

static void an_ipv6_host_in_brackets_has_the_port_by_default(void **state)
{
    (void)state;
    kit_host(kit_parse("chronicle://[::1]"), 0, "::1", 35000);
}

static void several_ipv6_hosts_in_brackets_are_read(void **state)
{
    const struct bl_chronicle_string *s =
        kit_parse("chronicle://[2001:db8::1]:1000,[2001:db8::2]:2000");

    (void)state;
    assert_int_equal(s->hosts_n, 2);
    kit_host(s, 0, "2001:db8::1", 1000);
    kit_host(s, 1, "2001:db8::2", 2000);
}

static void a_bare_ipv6_host_has_no_port(void **state)
{
    (void)state;
    kit_host(kit_parse("chronicle://::1"), 0, "::1", 35000);
}

/* ---- chronicle+srv ---- */

static void chronicle_srv_is_a_scheme(void **state)
{
    (void)state;
    assert_true(kit_parse("chronicle+srv://my-service:35000")->srv);
    assert_false(kit_parse("chronicle://my-service:35000")->srv);
}

static void chronicle_srv_has_one_address(void **state)
{
    const struct bl_chronicle_string *s = kit_parse("chronicle+srv://my-service");

    (void)state;
    assert_int_equal(s->hosts_n, 1);
    kit_host(s, 0, "my-service", 35000);
}

static void chronicle_srv_with_several_hosts_is_refused(void **state)
{
    (void)state;
    kit_refused("chronicle+srv://host1,host2", "single host");
}

static void the_name_server_is_read(void **state)
{
    const struct bl_chronicle_string *s =
        kit_parse("chronicle+srv://my-service?srvNameServer=1.1.1.1:53");

    (void)state;
    assert_string_equal(s->name_server.name, "1.1.1.1");
    assert_int_equal(s->name_server.port, 53);
    assert_int_equal(s->name_server.ip.port, 53);
}

static void the_name_server_is_the_systems_by_default(void **state)
{
    (void)state;
    assert_null(kit_parse("chronicle+srv://my-service")->name_server.name);
}

/* ---- skipTlsValidation ---- */

static void certificates_are_verified_by_default(void **state)
{
    (void)state;
    assert_false(kit_parse("chronicle://localhost:35000")->skip_tls_validation);
}

static void skip_tls_validation_is_read(void **state)
{
    (void)state;
    assert_true(
        kit_parse("chronicle://localhost:35000?skipTlsValidation=true")->skip_tls_validation);
}

static void skip_tls_validation_leaves_tls_on(void **state)
{
    (void)state;
    assert_false(kit_parse("chronicle://localhost:35000?skipTlsValidation=true")->disable_tls);
}

/* ---- loadBalancer ---- */

static void the_balancer_is_least_connections_by_default(void **state)
{
    (void)state;
    assert_int_equal(kit_parse("chronicle://host1:1000,host2:2000")->balancer,
                     BL_CHRONICLE_LEAST_CONNECTIONS);
}

static void least_connections_may_be_said(void **state)
{
    (void)state;
    assert_int_equal(kit_parse("chronicle://host1:1000?loadBalancer=least-connections")->balancer,
                     BL_CHRONICLE_LEAST_CONNECTIONS);
}

static void round_robin_is_read(void **state)
{
    (void)state;
    assert_int_equal(kit_parse("chronicle://host1:1000?loadBalancer=round-robin")->balancer,
                     BL_CHRONICLE_ROUND_ROBIN);
}

static void random_is_read(void **state)
{
    (void)state;
    assert_int_equal(kit_parse("chronicle://host1:1000?loadBalancer=random")->balancer,
                     BL_CHRONICLE_RANDOM);
}

static void another_balancer_is_refused(void **state)
{
    (void)state;
    kit_refused("chronicle://host1:1000?loadBalancer=weighted",
                "loadBalancer is least-connections, round-robin or random, not \"weighted\"");
}

/* ---- format ---- */

static void assert_same(const char *text)
{
    assert_string_equal(kit_written(kit_parse(text), false), text);
}

static void a_simple_string_is_written_as_it_was(void **state)
{
    (void)state;
    assert_same("chronicle://localhost:35000");
}

static void credentials_are_written_as_they_were(void **state)
{
    (void)state;
    assert_same("chronicle://client:secret@myserver:9000");
}

static void a_query_is_written_as_it_was(void **state)
{
    (void)state;
    assert_same("chronicle://localhost:35000?apiKey=abc&disableTls=true");
}

static void several_hosts_are_written_as_they_were(void **state)
{
    (void)state;
    assert_same("chronicle://host1:1000,host2:2000,host3:3000");
}

static void ipv6_hosts_are_written_in_brackets(void **state)
{
    (void)state;
    assert_same("chronicle://[::1]:1000,[2001:db8::2]:2000");
}

static void the_other_keys_are_written_as_they_were(void **state)
{
    (void)state;
    assert_same("chronicle+srv://my-service?loadBalancer=round-robin&skipTlsValidation=true&"
                "srvNameServer=1.1.1.1");
}

/* ---- with ---- */

static void with_credentials_takes_the_api_key_away(void **state)
{
    const struct bl_chronicle_string *s = kit_parse("chronicle://localhost:35000?apiKey=old-key");
    struct bl_chronicle_string *other;

    (void)state;
    assert_int_equal(
        bl_chronicle_string_with_credentials(s, "new-client", "new-secret", &other, NULL), 0);
    kit_keep(other);
    assert_string_equal(other->user, "new-client");
    assert_string_equal(other->password, "new-secret");
    assert_null(other->api_key);
    kit_auth(other, BL_CHRONICLE_AUTH_CREDENTIALS);
}

static void with_api_key_takes_the_credentials_away(void **state)
{
    const struct bl_chronicle_string *s = kit_parse("chronicle://user:pass@localhost:35000");
    struct bl_chronicle_string *other;

    (void)state;
    assert_int_equal(bl_chronicle_string_with_api_key(s, "my-key", &other, NULL), 0);
    kit_keep(other);
    assert_string_equal(other->api_key, "my-key");
    assert_null(other->user);
    assert_null(other->password);
    kit_auth(other, BL_CHRONICLE_AUTH_API_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_connects_to_localhost_on_port_35000),
        cmocka_unit_test(default_has_no_authentication),
        cmocka_unit_test(development_connects_to_localhost_on_port_35000),
        cmocka_unit_test(development_uses_client_credentials),
        cmocka_unit_test(host_and_port_are_read),
        cmocka_unit_test(the_port_is_35000_when_omitted),
        cmocka_unit_test(the_api_key_is_read_from_the_query),
        cmocka_unit_test(disable_tls_is_read),
        cmocka_unit_test(client_credentials_are_read),
        cmocka_unit_test(escaped_credentials_are_decoded),
        cmocka_unit_test(an_unsupported_scheme_is_refused),
        cmocka_unit_test(a_missing_host_is_refused),
        cmocka_unit_test(an_invalid_port_is_refused),
        cmocka_unit_test(a_missing_scheme_is_refused),
        cmocka_unit_test(a_list_of_hosts_is_read),
        cmocka_unit_test(each_host_has_the_port_by_default),
        cmocka_unit_test(credentials_are_for_all_hosts),
        cmocka_unit_test(a_query_follows_several_hosts),
        cmocka_unit_test(the_server_address_is_the_first_host),
        cmocka_unit_test(an_ipv6_host_in_brackets_has_a_port),
        cmocka_unit_test(an_ipv6_host_in_brackets_has_the_port_by_default),
        cmocka_unit_test(several_ipv6_hosts_in_brackets_are_read),
        cmocka_unit_test(a_bare_ipv6_host_has_no_port),
        cmocka_unit_test(chronicle_srv_is_a_scheme),
        cmocka_unit_test(chronicle_srv_has_one_address),
        cmocka_unit_test(chronicle_srv_with_several_hosts_is_refused),
        cmocka_unit_test(the_name_server_is_read),
        cmocka_unit_test(the_name_server_is_the_systems_by_default),
        cmocka_unit_test(certificates_are_verified_by_default),
        cmocka_unit_test(skip_tls_validation_is_read),
        cmocka_unit_test(skip_tls_validation_leaves_tls_on),
        cmocka_unit_test(the_balancer_is_least_connections_by_default),
        cmocka_unit_test(least_connections_may_be_said),
        cmocka_unit_test(round_robin_is_read),
        cmocka_unit_test(random_is_read),
        cmocka_unit_test(another_balancer_is_refused),
        cmocka_unit_test(a_simple_string_is_written_as_it_was),
        cmocka_unit_test(credentials_are_written_as_they_were),
        cmocka_unit_test(a_query_is_written_as_it_was),
        cmocka_unit_test(several_hosts_are_written_as_they_were),
        cmocka_unit_test(ipv6_hosts_are_written_in_brackets),
        cmocka_unit_test(the_other_keys_are_written_as_they_were),
        cmocka_unit_test(with_credentials_takes_the_api_key_away),
        cmocka_unit_test(with_api_key_takes_the_credentials_away),
    };
    return cmocka_run_group_tests_name("wire_chronicle_seed", tests, kit_set_up, kit_tear_down);
}
