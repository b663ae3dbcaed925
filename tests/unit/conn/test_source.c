/* SPDX-License-Identifier: MIT */
/* Sources: lists, the caller's own, cancelling, the end; over a fake name server, in virtual time. */
#include "unit/conn/source_scene.h"

/* ---- lists ---- */

static void a_list_is_given_in_order(void **state)
{
    static const char *const urls[] = {"tcp://a.test:1", "tcp://b.test:2", "tcp://c.test:3"};
    struct belay_endpoint *list[3];
    struct belay_source *source;
    struct source_answer a;

    (void)state;
    for (int i = 0; i < 3; i++)
        list[i] = endpoint_of(urls[i]);
    for (int rotate = 0; rotate < 2; rotate++) {
        enum belay_source_order order = rotate ? BELAY_SOURCE_ROTATED : BELAY_SOURCE_IN_ORDER;

        assert_int_equal(belay_source_list(world.loop, list, 3, order, &source), 0);
        for (size_t question = 0; question < 5; question++) {
            source_ask(source, &a);
            settle();
            assert_int_equal(a.told, 1);
            assert_int_equal(a.n, 3);
            for (size_t i = 0; i < 3; i++)
                assert_ptr_equal(a.endpoints[i], list[(i + (rotate ? question : 0)) % 3]);
            source_drop(&a);
        }
        belay_source_unref(source);
    }
    for (int i = 0; i < 3; i++)
        belay_endpoint_unref(list[i]);
}

/* 24 orders of four, each as often as any other: each within a third of its share of 24,000. */
static void a_shuffled_list_has_every_order_as_often(void **state)
{
    enum { N = 4, ORDERS = 24, EACH = 1000 };
    static const char *const urls[N] = {"tcp://a.test:1", "tcp://b.test:1", "tcp://c.test:1",
                                        "tcp://d.test:1"};
    unsigned seen[N * N * N * N] = {0}, orders = 0;
    struct belay_endpoint *list[N];
    struct belay_source *source;
    struct source_answer a;

    (void)state;
    for (int i = 0; i < N; i++)
        list[i] = endpoint_of(urls[i]);
    bl_rand_seed(&world.loop->rand, 7);
    assert_int_equal(belay_source_list(world.loop, list, N, BELAY_SOURCE_SHUFFLED, &source), 0);
    for (int question = 0; question < ORDERS * EACH; question++) {
        unsigned order = 0;

        source_ask(source, &a);
        settle();
        assert_int_equal(a.n, N);
        for (size_t i = 0; i < N; i++)
            for (unsigned k = 0; k < N; k++)
                if (a.endpoints[i] == list[k])
                    order = order * N + k;
        seen[order]++;
        source_drop(&a);
    }
    for (size_t i = 0; i < BL_COUNT(seen); i++) {
        orders += seen[i] > 0;
        assert_true(seen[i] == 0 || (seen[i] > EACH * 2 / 3 && seen[i] < EACH * 4 / 3));
    }
    assert_int_equal(orders, ORDERS);
    belay_source_unref(source);
    for (int i = 0; i < N; i++)
        belay_endpoint_unref(list[i]);
}

static void a_list_that_makes_no_sense_is_refused(void **state)
{
    struct belay_endpoint *list[2] = {endpoint_of("tcp://a.test:1"), NULL};
    struct belay_source *source = NULL;
    struct conn_world other;

    (void)state;
    assert_int_equal(belay_source_list(world.loop, list, 1, (enum belay_source_order)3, &source),
                     BELAY_EINVAL);
    assert_int_equal(belay_source_list(world.loop, list, 2, BELAY_SOURCE_IN_ORDER, &source),
                     BELAY_EINVAL);
    conn_world_set_up(&other);
    assert_int_equal(belay_source_list(other.loop, list, 1, BELAY_SOURCE_IN_ORDER, &source),
                     BELAY_EINVAL);
    conn_world_tear_down(&other);
    assert_null(source);
    belay_endpoint_unref(list[0]);
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
    struct source_answer a;

    (void)state;
    assert_int_equal(belay_source_list(world.loop, &e, 1, BELAY_SOURCE_ROTATED, &source), 0);
    belay_endpoint_unref(e);
    assert_ptr_equal(belay_source_ref(source), source);
    belay_source_unref(source);
    source_ask(source, &a);
    belay_source_unref(source);
    settle();
    assert_int_equal(a.n, 1);
    assert_string_equal(belay_endpoint_name(a.endpoints[0]), "tcp://a.test:1");
    source_drop(&a);
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
    struct source_answer a;

    (void)state;
    source_ask(source, &a);
    assert_int_equal(custom.gets, 1);
    settle();
    assert_int_equal(a.told, 0);
    belay_source_answer(custom.query, &e, 1, NULL);
    belay_source_answer(custom.query, &other, 1, NULL); /* twice: the first counts */
    belay_endpoint_unref(e);
    assert_int_equal(a.told, 0);
    settle();
    assert_string_equal(belay_endpoint_name(a.endpoints[0]), "tcp://a.test:1");
    source_drop(&a);

    source_ask(source, &a);
    belay_source_answer(custom.query, NULL, 0, &error);
    memset(&error, 0, sizeof error);
    settle();
    assert_int_equal(a.code, BELAY_EDNS);
    assert_string_equal(a.text, "no map");

    source_ask(source, &a);
    belay_source_answer(custom.query, NULL, 0, NULL);
    settle();
    assert_int_equal(a.code, BELAY_ENONAME);
    belay_endpoint_unref(other);
    belay_source_unref(source);
    assert_int_equal(custom.frees, 1);
}

static void an_answer_that_makes_no_sense_is_an_error(void **state)
{
    struct belay_endpoint *holes[] = {endpoint_of("tcp://a.test:1"), NULL};
    struct belay_source *source = custom_source();
    struct belay_error error = {0};
    struct source_answer a;

    (void)state;
    source_ask(source, &a);
    belay_source_answer(custom.query, NULL, 0, &error); /* an error without a code */
    settle();
    assert_int_equal(a.told, 1);
    assert_int_equal(a.code, BELAY_ENONAME);
    source_ask(source, &a);
    belay_source_answer(custom.query, holes, 2, NULL);
    settle();
    assert_int_equal(a.told, 1);
    assert_int_equal(a.code, BELAY_EINVAL);
    source_ask(source, &a);
    belay_source_answer(custom.query, NULL, 2, NULL);
    settle();
    assert_int_equal(a.told, 1);
    assert_int_equal(a.code, BELAY_EINVAL);
    belay_endpoint_unref(holes[0]);
    belay_source_unref(source);
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
            struct source_answer a = {0};

            if (kind == 0)
                belay_source_list(world.loop, &e, 1, BELAY_SOURCE_IN_ORDER, &source);
            else if (kind == 1)
                belay_source_dns(e, &source);
            else if (kind == 2)
                belay_source_srv(e, "_a._tcp.test", &source);
            else
                source = custom_source();
            belay_endpoint_unref(e);
            assert_int_equal(belay_source_get(source, false, &query, source_kit_on_answer, &a), 0);
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
    struct source_answer a = {0};

    (void)state;
    assert_int_equal(belay_source_get(source, false, &query, source_kit_on_answer, &a), 0);
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
    struct source_answer answers[3];

    (void)state;
    sources[0] = name_source("tcp://db.test:7");
    sources[1] = srv_source("tcp://like.test:1");
    sources[2] = custom_source();
    for (int i = 0; i < 3; i++)
        source_ask(sources[i], &answers[i]);
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
    struct source_answer a = {0};

    if (belay_endpoint_parse(world.loop, "tcp://db.test:7", &like, NULL) < 0)
        return;
    for (int kind = 0; kind < 3; kind++) {
        int rc = kind == 0 ? belay_source_list(world.loop, &like, 1, BELAY_SOURCE_ROTATED, &source)
                 : kind == 1 ? belay_source_dns(like, &source)
                             : belay_source_srv(like, "_db._tcp.test", &source);

        if (rc == 0 && belay_source_get(source, false, NULL, source_kit_on_answer, &a) == 0) {
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
            source_drop(&a);
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
        TEST(a_shuffled_list_has_every_order_as_often),
        TEST(a_list_that_makes_no_sense_is_refused),
        TEST(an_empty_list_is_refused),
        TEST(a_source_outlives_its_last_reference_while_it_is_asked),
        TEST(a_callback_answers_when_it_likes),
        TEST(an_answer_that_makes_no_sense_is_an_error),
        TEST(who_cancels_is_never_told),
        TEST(cancelling_what_is_answered_already),
        TEST(the_end_of_the_loop_answers_all),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("conn_source", tests, NULL, NULL);
}
