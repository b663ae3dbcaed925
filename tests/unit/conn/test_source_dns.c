/* SPDX-License-Identifier: MIT */
/* Sources in DNS, over a fake name server, in virtual time. */
#include "conn/endpoint.h"
#include "unit/conn/source_scene.h"

/* ---- names ---- */

static void a_name_is_an_endpoint_per_address(void **state)
{
    struct belay_source *source = name_source("https://db.test");
    struct source_answer a;

    (void)state;
    source_ask(source, &a);
    settle();
    fake_dns_answer_ips(fake_dns_find(&world.dns, "db.test", BELAY_DNS_A), "192.0.2.1 192.0.2.2");
    settle();
    assert_int_equal(a.told, 0); /* the other family is awaited, and then told with it */
    fake_dns_answer(fake_dns_find(&world.dns, "db.test", BELAY_DNS_AAAA), BELAY_ENONAME, NULL, 0);
    settle();
    assert_int_equal(a.told, 1);
    assert_int_equal(a.n, 2);
    assert_string_equal(source_dials(&a, 0), "192.0.2.1:443");
    assert_string_equal(source_dials(&a, 1), "192.0.2.2:443");
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(belay_endpoint_name(a.endpoints[i]), "https://db.test:443");
        assert_string_equal(belay_endpoint_host(a.endpoints[i]), "db.test");
    }
    assert_false(belay_endpoint_equal(a.endpoints[0], a.endpoints[1]));
    source_drop(&a);
    belay_source_unref(source);
}

static void all_addresses_come_in_one_answer(void **state)
{
    struct belay_source *source = name_source("tcp://db.test:7");
    struct source_answer a;

    (void)state;
    source_ask(source, &a);
    settle();
    fake_dns_answer_ips(fake_dns_find(&world.dns, "db.test", BELAY_DNS_A), "192.0.2.1");
    assert_int_equal(belay_loop_turn(world.loop, 200), 0); /* long after the second was due */
    settle();
    assert_int_equal(a.told, 0);
    fake_dns_answer_ips(fake_dns_find(&world.dns, "db.test", BELAY_DNS_AAAA), "2001:db8::1");
    settle();
    assert_int_equal(a.told, 1);
    assert_int_equal(a.n, 2);
    source_drop(&a);
    belay_source_unref(source);
}

static void a_name_that_does_not_resolve_says_so(void **state)
{
    struct belay_source *source = name_source("tcp://db.test:7");
    struct source_answer a;

    (void)state;
    source_ask(source, &a);
    settle();
    fake_dns_answer(fake_dns_find(&world.dns, "db.test", BELAY_DNS_A), BELAY_EDNS, NULL, 0);
    fake_dns_answer(fake_dns_find(&world.dns, "db.test", BELAY_DNS_AAAA), BELAY_ENONAME, NULL, 0);
    settle();
    assert_int_equal(a.told, 1);
    assert_int_equal(a.code, BELAY_EDNS);
    assert_int_equal(a.stage, BELAY_STAGE_RESOLVE);
    assert_non_null(strstr(a.text, "db.test"));
    belay_source_unref(source);
}

static void an_address_is_no_question(void **state)
{
    struct belay_source *source = name_source("tcp://[2001:db8::7]:7");
    struct belay_endpoint *unix_like = endpoint_of("unix:/run/x");
    struct source_answer a;

    (void)state;
    source_ask(source, &a);
    settle();
    assert_int_equal(world.dns.n, 0);
    assert_string_equal(source_dials(&a, 0), "[2001:db8::7]:7");
    source_drop(&a);
    belay_source_unref(source);
    assert_int_equal(belay_source_dns(unix_like, &source), BELAY_EINVAL);
    assert_int_equal(belay_source_srv(unix_like, "_x._tcp.test", &source), BELAY_EINVAL);
    belay_endpoint_unref(unix_like);
}

static void fresh_passes_by_the_cache(void **state)
{
    struct belay_source *source = name_source("tcp://db.test:7");
    struct source_answer a;

    (void)state;
    for (int round = 0; round < 3; round++) {
        memset(&a, 0, sizeof a);
        assert_int_equal(belay_source_get(source, round == 2, NULL, source_kit_on_answer, &a), 0);
        settle();
        assert_int_equal(world.dns.n,
                         round < 2 ? 2 : 4); /* the second is answered from the cache */
        if (round != 1) {
            fake_dns_answer_ips(fake_dns_find(&world.dns, "db.test", BELAY_DNS_AAAA),
                                "2001:db8::1");
            fake_dns_answer_ips(fake_dns_find(&world.dns, "db.test", BELAY_DNS_A), "192.0.2.1");
        }
        settle();
        assert_int_equal(a.told, 1);
        source_drop(&a);
        world.world.now_ns += BL_MS(2000);
    }
    belay_source_unref(source);
}

/* ---- SRV ---- */

/* Asks, and the name server answers so. */
static void ask_srv(struct belay_source *source, struct source_answer *a, int code,
                    const struct belay_dns_record *records, size_t n)
{
    source_ask(source, a);
    settle();
    fake_dns_answer(fake_dns_find(&world.dns, "_db._tcp.test", BELAY_DNS_SRV), code, records, n);
    settle();
}

static void srv_records_are_endpoints_in_order(void **state)
{
    static const struct belay_dns_record records[] = {
        {.ttl_s = 60, .target = "second.test", .port = 2222, .priority = 20},
        {.ttl_s = 60, .target = "first.test", .port = 1111, .priority = 10},
    };
    struct belay_source *source = srv_source("tls://like.test:1");
    struct bl_dial_plan plan;
    struct source_answer a;

    (void)state;
    ask_srv(source, &a, 0, records, 2);
    assert_int_equal(a.n, 2);
    assert_string_equal(belay_endpoint_name(a.endpoints[0]), "tls://first.test:1111");
    assert_string_equal(belay_endpoint_name(a.endpoints[1]), "tls://second.test:2222");
    for (size_t i = 0; i < 2; i++) { /* whose certificate is wanted does not come from DNS */
        bl_endpoint_plan(a.endpoints[i], &plan);
        assert_string_equal(plan.server_name, "like.test");
    }
    source_drop(&a);
    belay_source_unref(source);
}

static void a_target_that_is_no_name_is_left_out(void **state)
{
    static const struct belay_dns_record records[] = {
        {.ttl_s = 60, .target = "not a name", .port = 1, .priority = 1},
        {.ttl_s = 60, .target = "good.test", .port = 2, .priority = 2},
    };
    struct belay_source *source = srv_source("tcp://like.test:1");
    struct source_answer a;

    (void)state;
    ask_srv(source, &a, 0, records, 2);
    assert_int_equal(a.n, 1);
    assert_string_equal(belay_endpoint_name(a.endpoints[0]), "tcp://good.test:2");
    source_drop(&a);
    world.world.now_ns += BL_MS(100000);
    ask_srv(source, &a, 0, records, 1);
    assert_int_equal(a.told, 1);
    assert_true(a.code < 0);
    assert_int_equal(a.stage, BELAY_STAGE_RESOLVE);
    assert_non_null(strstr(a.text, "_db._tcp.test"));
    belay_source_unref(source);
}

static void without_records_there_is_an_error(void **state)
{
    struct belay_source *source = srv_source("tcp://like.test:1");
    struct source_answer a;

    (void)state;
    ask_srv(source, &a, BELAY_ENONAME, NULL, 0);
    assert_int_equal(a.told, 1);
    assert_int_equal(a.code, BELAY_ENONAME);
    belay_source_unref(source);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_an_endpoint_per_address),
        TEST(all_addresses_come_in_one_answer),
        TEST(a_name_that_does_not_resolve_says_so),
        TEST(an_address_is_no_question),
        TEST(fresh_passes_by_the_cache),
        TEST(srv_records_are_endpoints_in_order),
        TEST(a_target_that_is_no_name_is_left_out),
        TEST(without_records_there_is_an_error),
    };
    return cmocka_run_group_tests_name("conn_source_dns", tests, NULL, NULL);
}
