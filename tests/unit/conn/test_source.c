/* SPDX-License-Identifier: MIT */
/* Sources over a fake name server, in virtual time. */
#include "belay/source.h"

#include "conn/endpoint.h"
#include "unit/conn/conn_world.h"

#define MAX 8

static struct conn_world world;

struct answer {
    unsigned told;
    size_t n;
    struct belay_endpoint *endpoints[MAX];
    int code;
    enum belay_stage stage;
    char text[BELAY_ERROR_TEXT_MAX];
    bool close_loop;
};

static int set_up(void **state)
{
    (void)state;
    conn_world_set_up(&world);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    conn_world_tear_down(&world);
    return 0;
}

static void settle(void)
{
    conn_world_settle(&world);
}

static struct belay_endpoint *endpoint_of(const char *url)
{
    return conn_world_endpoint(&world, url);
}

static void on_answer(struct belay_endpoint *const *endpoints, size_t n,
                      const struct belay_error *error, void *arg)
{
    struct answer *a = arg;

    a->told++;
    a->n = n;
    assert_true(n <= MAX);
    assert_true((error != NULL) == (n == 0));
    for (size_t i = 0; i < n; i++)
        a->endpoints[i] = belay_endpoint_ref(endpoints[i]);
    if (error) {
        assert_null(endpoints);
        a->code = error->code;
        a->stage = error->stage;
        assert_int_equal(error->kind, belay_error_kind_of(error->code));
        memcpy(a->text, error->text, sizeof a->text);
    }
    if (a->close_loop)
        belay_loop_close(world.loop, NULL, NULL);
}

static void drop(struct answer *a)
{
    for (size_t i = 0; i < a->n; i++)
        belay_endpoint_unref(a->endpoints[i]);
    memset(a, 0, sizeof *a);
}

/* The address that the n-th endpoint dials, printed. */
static const char *dials(const struct answer *a, size_t i)
{
    static char text[BELAY_ADDR_TEXT_MAX];
    struct bl_dial_plan plan;

    assert_true(i < a->n);
    bl_endpoint_plan(a->endpoints[i], &plan);
    assert_int_equal(plan.addrs_n, 1);
    return belay_addr_print(&plan.addrs[0], text, sizeof text);
}

static void ask(struct belay_source *source, struct answer *a)
{
    memset(a, 0, sizeof *a);
    assert_int_equal(belay_source_get(source, false, NULL, on_answer, a), 0);
    assert_int_equal(a->told, 0); /* never inside */
}

/* ---- lists ---- */

static void a_list_is_given_in_order(void **state)
{
    static const char *const urls[] = {"tcp://a.test:1", "tcp://b.test:2", "tcp://c.test:3"};
    struct belay_endpoint *list[3];
    struct belay_source *source;
    struct answer a;

    (void)state;
    for (int i = 0; i < 3; i++)
        list[i] = endpoint_of(urls[i]);
    for (int rotate = 0; rotate < 2; rotate++) {
        assert_int_equal(belay_source_list(world.loop, list, 3, rotate, &source), 0);
        for (size_t question = 0; question < 5; question++) {
            ask(source, &a);
            settle();
            assert_int_equal(a.told, 1);
            assert_int_equal(a.n, 3);
            for (size_t i = 0; i < 3; i++)
                assert_ptr_equal(a.endpoints[i], list[(i + (rotate ? question : 0)) % 3]);
            drop(&a);
        }
        belay_source_unref(source);
    }
    for (int i = 0; i < 3; i++)
        belay_endpoint_unref(list[i]);
}

static void an_empty_list_is_refused(void **state)
{
    struct belay_source *source = NULL;

    (void)state;
    assert_int_equal(belay_source_list(world.loop, NULL, 0, BELAY_SOURCE_IN_ORDER, &source),
                     BELAY_EINVAL);
    assert_null(source);
    belay_source_unref(NULL);
    assert_null(belay_source_ref(NULL));
    belay_source_cancel(NULL);
}

static void a_source_outlives_its_last_reference_while_it_is_asked(void **state)
{
    struct belay_endpoint *e = endpoint_of("tcp://a.test:1");
    struct belay_source *source;
    struct answer a;

    (void)state;
    assert_int_equal(belay_source_list(world.loop, &e, 1, BELAY_SOURCE_ROTATED, &source), 0);
    belay_endpoint_unref(e);
    assert_ptr_equal(belay_source_ref(source), source);
    belay_source_unref(source);
    ask(source, &a);
    belay_source_unref(source);
    settle();
    assert_int_equal(a.n, 1);
    assert_string_equal(belay_endpoint_name(a.endpoints[0]), "tcp://a.test:1");
    drop(&a);
}

/* ---- names ---- */

static struct belay_source *name_source(const char *url)
{
    struct belay_endpoint *like = endpoint_of(url);
    struct belay_source *source;

    assert_int_equal(belay_source_dns(like, &source), 0);
    belay_endpoint_unref(like);
    return source;
}

static void a_name_is_an_endpoint_per_address(void **state)
{
    struct belay_source *source = name_source("https://db.test");
    struct answer a;

    (void)state;
    ask(source, &a);
    settle();
    fake_dns_answer_ips(fake_dns_find(&world.dns, "db.test", BELAY_DNS_A), "192.0.2.1 192.0.2.2");
    settle();
    assert_int_equal(a.told, 0); /* the other family is awaited, and then told with it */
    fake_dns_answer(fake_dns_find(&world.dns, "db.test", BELAY_DNS_AAAA), BELAY_ENONAME, NULL, 0);
    settle();
    assert_int_equal(a.told, 1);
    assert_int_equal(a.n, 2);
    assert_string_equal(dials(&a, 0), "192.0.2.1:443");
    assert_string_equal(dials(&a, 1), "192.0.2.2:443");
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(belay_endpoint_name(a.endpoints[i]), "https://db.test:443");
        assert_string_equal(belay_endpoint_host(a.endpoints[i]), "db.test");
    }
    assert_false(belay_endpoint_equal(a.endpoints[0], a.endpoints[1]));
    drop(&a);
    belay_source_unref(source);
}

static void all_addresses_come_in_one_answer(void **state)
{
    struct belay_source *source = name_source("tcp://db.test:7");
    struct answer a;

    (void)state;
    ask(source, &a);
    settle();
    fake_dns_answer_ips(fake_dns_find(&world.dns, "db.test", BELAY_DNS_A), "192.0.2.1");
    assert_int_equal(belay_loop_turn(world.loop, 200), 0); /* long after the second was due */
    settle();
    assert_int_equal(a.told, 0);
    fake_dns_answer_ips(fake_dns_find(&world.dns, "db.test", BELAY_DNS_AAAA), "2001:db8::1");
    settle();
    assert_int_equal(a.told, 1);
    assert_int_equal(a.n, 2);
    drop(&a);
    belay_source_unref(source);
}

static void a_name_that_does_not_resolve_says_so(void **state)
{
    struct belay_source *source = name_source("tcp://db.test:7");
    struct answer a;

    (void)state;
    ask(source, &a);
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
    struct answer a;

    (void)state;
    ask(source, &a);
    settle();
    assert_int_equal(world.dns.n, 0);
    assert_string_equal(dials(&a, 0), "[2001:db8::7]:7");
    drop(&a);
    belay_source_unref(source);
    assert_int_equal(belay_source_dns(unix_like, &source), BELAY_EINVAL);
    assert_int_equal(belay_source_srv(unix_like, "_x._tcp.test", &source), BELAY_EINVAL);
    belay_endpoint_unref(unix_like);
}

static void fresh_passes_by_the_cache(void **state)
{
    struct belay_source *source = name_source("tcp://db.test:7");
    struct answer a;

    (void)state;
    for (int round = 0; round < 3; round++) {
        memset(&a, 0, sizeof a);
        assert_int_equal(belay_source_get(source, round == 2, NULL, on_answer, &a), 0);
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
        drop(&a);
        world.world.now_ns += BL_MS(2000);
    }
    belay_source_unref(source);
}

/* ---- SRV ---- */

static struct belay_source *srv_source(const char *url)
{
    struct belay_endpoint *like = endpoint_of(url);
    struct belay_source *source;

    assert_int_equal(belay_source_srv(like, NULL, &source), BELAY_EINVAL);
    assert_int_equal(belay_source_srv(like, "", &source), BELAY_EINVAL);
    assert_int_equal(belay_source_srv(like, "_db._tcp.test", &source), 0);
    belay_endpoint_unref(like);
    return source;
}

static void srv_records_are_endpoints_in_order(void **state)
{
    static const struct belay_dns_record records[] = {
        {.ttl_s = 60, .target = "second.test", .port = 2222, .priority = 20},
        {.ttl_s = 60, .target = "first.test", .port = 1111, .priority = 10},
    };
    struct belay_source *source = srv_source("tls://like.test:1");
    struct bl_dial_plan plan;
    struct answer a;

    (void)state;
    ask(source, &a);
    settle();
    fake_dns_answer(fake_dns_find(&world.dns, "_db._tcp.test", BELAY_DNS_SRV), 0, records, 2);
    settle();
    assert_int_equal(a.n, 2);
    assert_string_equal(belay_endpoint_name(a.endpoints[0]), "tls://first.test:1111");
    assert_string_equal(belay_endpoint_name(a.endpoints[1]), "tls://second.test:2222");
    for (size_t i = 0; i < 2; i++) { /* whose certificate is wanted does not come from DNS */
        bl_endpoint_plan(a.endpoints[i], &plan);
        assert_string_equal(plan.server_name, "like.test");
    }
    drop(&a);
    belay_source_unref(source);
}

static void a_target_that_is_no_name_is_left_out(void **state)
{
    static const struct belay_dns_record records[] = {
        {.ttl_s = 60, .target = "not a name", .port = 1, .priority = 1},
        {.ttl_s = 60, .target = "good.test", .port = 2, .priority = 2},
    };
    struct belay_source *source = srv_source("tcp://like.test:1");
    struct answer a;

    (void)state;
    ask(source, &a);
    settle();
    fake_dns_answer(fake_dns_find(&world.dns, "_db._tcp.test", BELAY_DNS_SRV), 0, records, 2);
    settle();
    assert_int_equal(a.n, 1);
    assert_string_equal(belay_endpoint_name(a.endpoints[0]), "tcp://good.test:2");
    drop(&a);
    world.world.now_ns += BL_MS(100000);
    ask(source, &a);
    settle();
    fake_dns_answer(fake_dns_find(&world.dns, "_db._tcp.test", BELAY_DNS_SRV), 0, records, 1);
    settle();
    assert_int_equal(a.told, 1);
    assert_true(a.code < 0);
    assert_int_equal(a.stage, BELAY_STAGE_RESOLVE);
    assert_non_null(strstr(a.text, "_db._tcp.test"));
    belay_source_unref(source);
}

static void without_records_there_is_an_error(void **state)
{
    struct belay_source *source = srv_source("tcp://like.test:1");
    struct answer a;

    (void)state;
    ask(source, &a);
    settle();
    fake_dns_answer(fake_dns_find(&world.dns, "_db._tcp.test", BELAY_DNS_SRV), BELAY_ENONAME, NULL,
                    0);
    settle();
    assert_int_equal(a.told, 1);
    assert_int_equal(a.code, BELAY_ENONAME);
    belay_source_unref(source);
}

/* ---- the caller's own ---- */

static struct {
    unsigned gets, cancels, frees;
    struct belay_source_query *query;
} custom;

static void custom_get(struct belay_source_query *query, void *arg)
{
    assert_ptr_equal(arg, &custom);
    custom.gets++;
    custom.query = query;
}

static void custom_cancel(struct belay_source_query *query, void *arg)
{
    assert_ptr_equal(query, custom.query);
    assert_ptr_equal(arg, &custom);
    custom.cancels++;
}

static void custom_free(void *arg)
{
    assert_ptr_equal(arg, &custom);
    custom.frees++;
}

static const struct belay_source_ops custom_ops = {
    .size = sizeof custom_ops, .get = custom_get, .cancel = custom_cancel, .free = custom_free};

static struct belay_source *custom_source(void)
{
    struct belay_source *source;

    memset(&custom, 0, sizeof custom);
    assert_int_equal(belay_source_custom(world.loop, NULL, &custom, &source), BELAY_EINVAL);
    assert_int_equal(
        belay_source_custom(world.loop, &(struct belay_source_ops){0}, &custom, &source),
        BELAY_EINVAL);
    assert_int_equal(belay_source_custom(world.loop, &custom_ops, &custom, &source), 0);
    return source;
}

static void a_callback_answers_when_it_likes(void **state)
{
    struct belay_endpoint *e = endpoint_of("tcp://a.test:1"),
                          *other = endpoint_of("tcp://b.test:1");
    struct belay_source *source = custom_source();
    struct belay_error error = {.code = BELAY_EDNS, .stage = BELAY_STAGE_RESOLVE, .text = "no map"};
    struct answer a;

    (void)state;
    ask(source, &a);
    assert_int_equal(custom.gets, 1);
    settle();
    assert_int_equal(a.told, 0);
    belay_source_answer(custom.query, &e, 1, NULL);
    belay_source_answer(custom.query, &other, 1, NULL); /* twice: the first counts */
    belay_endpoint_unref(e);
    assert_int_equal(a.told, 0);
    settle();
    assert_string_equal(belay_endpoint_name(a.endpoints[0]), "tcp://a.test:1");
    drop(&a);

    ask(source, &a);
    belay_source_answer(custom.query, NULL, 0, &error);
    memset(&error, 0, sizeof error);
    settle();
    assert_int_equal(a.code, BELAY_EDNS);
    assert_string_equal(a.text, "no map");

    ask(source, &a);
    belay_source_answer(custom.query, NULL, 0, NULL);
    settle();
    assert_int_equal(a.code, BELAY_ENONAME);
    belay_endpoint_unref(other);
    belay_source_unref(source);
    assert_int_equal(custom.frees, 1);
}

/* ---- cancelling ---- */

static void who_cancels_is_never_told(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++)
        for (int turns = 0; turns < 2; turns++) {
            struct belay_endpoint *e = endpoint_of("tcp://a.test:1");
            struct belay_source_query *query;
            struct belay_source *source;
            struct answer a = {0};

            if (kind == 0)
                belay_source_list(world.loop, &e, 1, BELAY_SOURCE_IN_ORDER, &source);
            else if (kind == 1)
                belay_source_dns(e, &source);
            else if (kind == 2)
                belay_source_srv(e, "_a._tcp.test", &source);
            else
                source = custom_source();
            belay_endpoint_unref(e);
            assert_int_equal(belay_source_get(source, false, &query, on_answer, &a), 0);
            if (turns && kind > 0)
                settle();
            belay_source_cancel(query);
            settle();
            assert_int_equal(a.told, 0);
            assert_true(kind != 3 || custom.cancels == 1);
            belay_source_unref(source);
        }
}

static void cancelling_what_is_answered_already(void **state)
{
    struct belay_endpoint *e = endpoint_of("tcp://a.test:1");
    struct belay_source *source = custom_source();
    struct belay_source_query *query;
    struct answer a = {0};

    (void)state;
    assert_int_equal(belay_source_get(source, false, &query, on_answer, &a), 0);
    belay_source_answer(query, &e, 1, NULL);
    belay_source_cancel(query);
    settle();
    assert_int_equal(a.told, 0);
    assert_int_equal(custom.cancels, 0); /* it has nothing to do any more */
    belay_endpoint_unref(e);
    belay_source_unref(source);
}

/* ---- the end of the loop ---- */

static void the_end_of_the_loop_answers_all(void **state)
{
    struct belay_source *sources[3];
    struct answer answers[3];

    (void)state;
    sources[0] = name_source("tcp://db.test:7");
    sources[1] = srv_source("tcp://like.test:1");
    sources[2] = custom_source();
    for (int i = 0; i < 3; i++)
        ask(sources[i], &answers[i]);
    settle();
    belay_loop_close(world.loop, NULL, NULL);
    for (int i = 0; i < 3; i++)
        belay_source_unref(sources[i]);
    while (world.world.loop)
        belay_loop_turn(world.loop, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answers[i].told, 1);
        assert_int_equal(answers[i].code, BELAY_ECLOSED);
    }
    assert_int_equal(custom.cancels, 1);
    assert_int_equal(custom.frees, 1);
}

/* ---- memory ---- */

static void scenario(void)
{
    static const struct belay_dns_record records[] = {
        {.ttl_s = 60, .target = "one.test", .port = 1, .priority = 1},
        {.ttl_s = 60, .target = "two.test", .port = 2, .priority = 2},
    };
    struct belay_endpoint *like = NULL;
    struct belay_source *source = NULL;
    struct answer a = {0};

    if (belay_endpoint_parse(world.loop, "tcp://db.test:7", &like, NULL) < 0)
        return;
    for (int kind = 0; kind < 3; kind++) {
        int rc = kind == 0 ? belay_source_list(world.loop, &like, 1, BELAY_SOURCE_ROTATED, &source)
                 : kind == 1 ? belay_source_dns(like, &source)
                             : belay_source_srv(like, "_db._tcp.test", &source);

        if (rc == 0 && belay_source_get(source, false, NULL, on_answer, &a) == 0) {
            struct fake_query *q;

            settle();
            if ((q = fake_dns_find(&world.dns, "db.test", BELAY_DNS_AAAA)))
                fake_dns_answer_ips(q, "2001:db8::1 2001:db8::2");
            if ((q = fake_dns_find(&world.dns, "db.test", BELAY_DNS_A)))
                fake_dns_answer_ips(q, "192.0.2.1");
            if ((q = fake_dns_find(&world.dns, "_db._tcp.test", BELAY_DNS_SRV)))
                fake_dns_answer(q, 0, records, 2);
            settle();
            assert_int_equal(a.told, 1);
            if (a.code)
                assert_int_equal(a.code, BELAY_ENOMEM);
            else if (failing_alloc_failures(&world.alloc) == 0)
                assert_int_equal(a.n, kind == 0 ? 1 : kind == 1 ? 3 : 2);
            else if (kind == 2)
                assert_int_equal(a.n, 2); /* all, or an error */
            drop(&a);
        }
        if (rc == 0)
            belay_source_unref(source);
        source = NULL;
    }
    belay_endpoint_unref(like);
}

static void every_allocation_may_fail(void **state)
{
    size_t n;

    (void)state;
    for (n = 1; n < 300; n++) {
        size_t refused;

        if (n > 1)
            set_up(NULL);
        failing_alloc_once(&world.alloc, n);
        scenario();
        refused = failing_alloc_failures(&world.alloc);
        failing_alloc_once(&world.alloc, 0);
        if (refused == 0)
            break;
        tear_down(NULL);
    }
    assert_true(n > 30 && n < 300);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_is_given_in_order),
        TEST(an_empty_list_is_refused),
        TEST(a_source_outlives_its_last_reference_while_it_is_asked),
        TEST(a_name_is_an_endpoint_per_address),
        TEST(all_addresses_come_in_one_answer),
        TEST(a_name_that_does_not_resolve_says_so),
        TEST(an_address_is_no_question),
        TEST(fresh_passes_by_the_cache),
        TEST(srv_records_are_endpoints_in_order),
        TEST(a_target_that_is_no_name_is_left_out),
        TEST(without_records_there_is_an_error),
        TEST(a_callback_answers_when_it_likes),
        TEST(who_cancels_is_never_told),
        TEST(cancelling_what_is_answered_already),
        TEST(the_end_of_the_loop_answers_all),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("conn_source", tests, NULL, NULL);
}
