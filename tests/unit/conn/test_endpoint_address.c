/* SPDX-License-Identifier: MIT */
/* Addresses of the caller's own type: what such an endpoint says, when two are the same, and who
 * cannot dial it. */
#include <stdio.h>
#include <stdlib.h>

#include "belay/connector.h"
#include "belay/pool.h"
#include "conn/endpoint.h"
#include "support/puppet.h"
#include "unit/conn/conn_world.h"
#include "unit/conn/source_kit.h"

struct place {
    int x, y;
};

static struct conn_world world;
static struct {
    unsigned copies, frees, compared;
    bool no_memory;
    const char *printed; /* NULL: the coordinates */
} calls;
static int marker;

static void *place_copy(const void *address, void *arg)
{
    struct place *copy = calls.no_memory ? NULL : malloc(sizeof *copy);

    assert_ptr_equal(arg, &marker);
    if (copy) {
        *copy = *(const struct place *)address;
        calls.copies++;
    }
    return copy;
}

static void place_free(void *address, void *arg)
{
    assert_ptr_equal(arg, &marker);
    calls.frees++;
    free(address);
}

static bool place_equal(const void *a, const void *b, void *arg)
{
    const struct place *p = a, *q = b;

    assert_ptr_equal(arg, &marker);
    calls.compared++;
    return p->x == q->x && p->y == q->y;
}

static void place_print(const void *address, char *out, size_t size, void *arg)
{
    const struct place *p = address;

    assert_ptr_equal(arg, &marker);
    if (calls.printed)
        strncpy(out, calls.printed, size);
    else
        snprintf(out, size, "place %d,%d", p->x, p->y);
}

static const struct belay_address_ops ops = {
    .size = sizeof ops,
    .copy = place_copy,
    .free = place_free,
    .equal = place_equal,
    .print = place_print,
    .arg = &marker,
};
static const struct belay_address_ops bare = {.size = sizeof bare};

static int set_up(void **state)
{
    (void)state;
    memset(&calls, 0, sizeof calls);
    conn_world_set_up(&world);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    conn_world_tear_down(&world);
    assert_int_equal(calls.copies, calls.frees);
    return 0;
}

static void settle(void)
{
    conn_world_settle(&world);
}

static struct belay_endpoint *at(int x, int y)
{
    struct place place = {x, y};
    struct belay_endpoint *e;

    assert_int_equal(belay_endpoint_new_address(world.loop, &ops, &place, &e), 0);
    return e;
}

static void it_says_what_it_is(void **state)
{
    struct belay_endpoint *e = at(3, 4);
    const struct place *place = belay_endpoint_address(e);
    struct bl_dial_plan plan;
    size_t n = 7;

    (void)state;
    assert_int_equal(place->x, 3);
    assert_int_equal(place->y, 4);
    assert_string_equal(belay_endpoint_name(e), "place 3,4");
    assert_string_equal(belay_endpoint_scheme(e), "");
    assert_string_equal(belay_endpoint_host(e), "");
    assert_int_equal(belay_endpoint_port(e), 0);
    assert_false(belay_endpoint_is_tls(e));
    assert_false(belay_endpoint_is_forward(e));
    assert_null(belay_endpoint_addrs(e, &n));
    assert_int_equal(n, 0);
    bl_endpoint_plan(e, &plan); /* and nobody looks up a name that it does not have */
    assert_null(plan.host);
    assert_ptr_equal(belay_endpoint_ref(e), e);
    belay_endpoint_unref(e);
    assert_int_equal(calls.frees, 0);
    belay_endpoint_unref(e);
    assert_int_equal(calls.frees, 1);
    e = conn_world_endpoint(&world, "tcp://a.test:1");
    assert_null(belay_endpoint_address(e));
    belay_endpoint_unref(e);
}

static void without_functions_it_is_a_pointer(void **state)
{
    struct place place = {1, 2}, other = {1, 2};
    struct belay_endpoint *a, *b, *c;

    (void)state;
    assert_int_equal(belay_endpoint_new_address(world.loop, &bare, &place, &a), 0);
    assert_int_equal(belay_endpoint_new_address(world.loop, &bare, &place, &b), 0);
    assert_int_equal(belay_endpoint_new_address(world.loop, &bare, &other, &c), 0);
    assert_ptr_equal(belay_endpoint_address(a), &place);
    assert_string_equal(belay_endpoint_name(a), "address");
    assert_true(belay_endpoint_equal(a, b));
    assert_false(belay_endpoint_equal(a, c));
    belay_endpoint_unref(a);
    belay_endpoint_unref(b);
    belay_endpoint_unref(c);
}

static void its_name_fits_a_line(void **state)
{
    char many[600];
    static const struct {
        const char *printed, *name;
    } cases[] = {{"", "address"}, {"a\nb\x1b[31m\x7f", "a?b?[31m?"}};
    struct belay_endpoint *e;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        calls.printed = cases[i].printed;
        e = at(1, 1);
        assert_string_equal(belay_endpoint_name(e), cases[i].name);
        belay_endpoint_unref(e);
    }
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = 0;
    calls.printed = many; /* leaves the end out */
    e = at(1, 1);
    assert_int_equal(strlen(belay_endpoint_name(e)), 255);
    belay_endpoint_unref(e);
}

static void equality_is_its_own_and_keys_are_never_equal(void **state)
{
    struct belay_address_ops others = ops;
    struct belay_endpoint *a = at(1, 1), *b = at(1, 1), *c = at(1, 2), *foreign;
    struct belay_endpoint *plain = conn_world_endpoint(&world, "tcp://a.test:1");
    struct place place = {1, 1};
    size_t a_len, b_len;
    const void *a_key = bl_endpoint_key(a, &a_len), *b_key = bl_endpoint_key(b, &b_len);

    (void)state;
    others.equal = NULL;
    assert_int_equal(belay_endpoint_new_address(world.loop, &others, &place, &foreign), 0);
    assert_true(belay_endpoint_equal(a, a));
    assert_true(belay_endpoint_equal(a, b));
    assert_false(belay_endpoint_equal(a, c));
    calls.compared = 0;
    assert_false(belay_endpoint_equal(a, foreign)); /* another's idea of equality */
    assert_false(belay_endpoint_equal(a, plain));
    assert_false(belay_endpoint_equal(plain, a));
    assert_int_equal(calls.compared, 0);
    assert_false(a_len == b_len && memcmp(a_key, b_key, a_len) == 0);
    belay_endpoint_unref(a);
    belay_endpoint_unref(b);
    belay_endpoint_unref(c);
    belay_endpoint_unref(foreign);
    belay_endpoint_unref(plain);
}

static void impossible_ones_are_refused(void **state)
{
    struct belay_address_ops small = {.size = 1};
    struct place place = {1, 1};
    struct belay_endpoint *e = NULL;

    (void)state;
    assert_int_equal(belay_endpoint_new_address(NULL, &ops, &place, &e), BELAY_EINVAL);
    assert_int_equal(belay_endpoint_new_address(world.loop, NULL, &place, &e), BELAY_EINVAL);
    assert_int_equal(belay_endpoint_new_address(world.loop, &ops, NULL, &e), BELAY_EINVAL);
    assert_int_equal(belay_endpoint_new_address(world.loop, &small, &place, &e), BELAY_EINVAL);
    calls.no_memory = true;
    assert_int_equal(belay_endpoint_new_address(world.loop, &ops, &place, &e), BELAY_ENOMEM);
    assert_null(e);
}

/* ---- who meets one ---- */

static void sources_give_them_like_any_other(void **state)
{
    struct belay_endpoint *list[2] = {at(1, 1), conn_world_endpoint(&world, "tcp://a.test:1")};
    struct belay_source *source;
    struct source_answer a;

    (void)state;
    assert_int_equal(belay_source_list(world.loop, list, 2, BELAY_SOURCE_IN_ORDER, &source), 0);
    source_ask(source, &a);
    settle();
    assert_int_equal(a.n, 2);
    assert_ptr_equal(belay_endpoint_address(a.endpoints[0]), belay_endpoint_address(list[0]));
    source_drop(&a);
    belay_source_unref(source);
    belay_endpoint_unref(list[0]);
    belay_endpoint_unref(list[1]);
}

static void what_needs_a_host_refuses_them(void **state)
{
    struct belay_endpoint *e = at(1, 1), *copy = NULL;
    struct belay_source *source = NULL;
    struct belay_error error;

    (void)state;
    assert_int_equal(belay_source_dns(e, &source), BELAY_EINVAL);
    assert_int_equal(belay_source_srv(e, "_x._tcp.test", &source), BELAY_EINVAL);
    assert_int_equal(belay_source_file(e, "/dev/null", &source), BELAY_EINVAL);
    assert_null(source);
    assert_int_equal(bl_endpoint_like(e, "a.test", 1, NULL, 0, &copy, &error), BELAY_ENOTSUP);
    assert_int_equal(bl_endpoint_of_host(e, "a.test", 1, &copy, &error), BELAY_ENOTSUP);
    assert_int_equal(error.kind, BELAY_KIND_USAGE);
    assert_non_null(strstr(error.text, "place 1,1"));
    assert_null(copy);
    belay_endpoint_unref(e);
}

struct dialled {
    unsigned told;
    int code;
    enum belay_error_kind kind;
    enum belay_stage stage;
    char text[BELAY_ERROR_TEXT_MAX];
};

static void on_dialled(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct dialled *d = arg;

    assert_null(stream);
    d->told++;
    d->code = error->code;
    d->kind = error->kind;
    d->stage = error->stage;
    memcpy(d->text, error->text, sizeof d->text);
}

static void belay_cannot_dial_one(void **state)
{
    struct belay_endpoint *e = at(1, 1);
    struct belay_stream *stream = NULL;
    struct belay_error error;
    struct dialled d = {0};

    (void)state;
    assert_int_equal(belay_dial(e, NULL, NULL, on_dialled, &d), 0);
    settle();
    assert_int_equal(d.told, 1);
    assert_int_equal(d.code, BELAY_ENOTSUP);
    assert_int_equal(d.kind, BELAY_KIND_USAGE);
    assert_int_equal(d.stage, BELAY_STAGE_CONNECT);
    assert_string_equal(d.text, "connecting to place 1,1: an address of the caller's own needs a "
                                "connector that dials by itself");
    assert_int_equal(belay_dial_wait(e, NULL, 1000, &stream, &error), BELAY_ENOTSUP);
    assert_string_equal(error.text, d.text);
    assert_null(stream);
    belay_endpoint_unref(e);
}

struct acquired {
    unsigned told;
    int code;
    struct belay_lease lease;
};

static void on_acquired(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct acquired *a = arg;

    a->told++;
    a->code = error ? error->code : 0;
    a->lease = lease;
}

static void acquire(struct belay_peer *peer, struct acquired *a)
{
    memset(a, 0, sizeof *a);
    assert_int_equal(belay_peer_acquire(peer, NULL, NULL, on_acquired, a), 0);
    settle();
    assert_int_equal(a->told, 1);
}

/* Whose `open` finds the address; connections serve the same endpoint again, and no equal one. */
static void a_pool_with_its_own_connector_keeps_them_apart(void **state)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_endpoint *a = at(1, 1), *b = at(1, 1);
    struct belay_peer *peers[3];
    struct belay_pool *pool;
    struct acquired got;
    struct puppet puppet;

    (void)state;
    puppet_init(&puppet);
    puppet.capacity = 1;
    o.connector = puppet.connector;
    assert_int_equal(belay_pool_open(world.loop, &o, &pool, NULL), 0);
    assert_int_equal(belay_pool_peer(pool, a, &peers[0]), 0);
    assert_int_equal(belay_pool_peer(pool, b, &peers[1]), 0);
    assert_int_equal(belay_pool_peer(pool, a, &peers[2]), 0);
    assert_ptr_equal(peers[0], peers[2]);
    for (int i = 0; i < 3; i++) {
        acquire(peers[i], &got);
        assert_int_equal(got.code, 0);
        belay_lease_release(got.lease, BELAY_REUSE);
        settle();
        assert_int_equal(puppet.n, i == 0 ? 1 : 2);
        belay_peer_unref(peers[i]);
    }
    belay_pool_close(pool, NULL, NULL);
    settle();
    belay_endpoint_unref(a);
    belay_endpoint_unref(b);
}

static void a_pool_of_streams_fails_all_who_wait(void **state)
{
    struct belay_endpoint *a = at(1, 1);
    struct belay_pool *pool;
    struct belay_peer *peer;
    struct belay_pool_stats stats = belay_pool_stats_init();
    struct acquired got;

    (void)state;
    assert_int_equal(belay_pool_open(world.loop, NULL, &pool, NULL), 0);
    assert_int_equal(belay_pool_peer(pool, a, &peer), 0);
    acquire(peer, &got);
    assert_int_equal(got.code, BELAY_ENOTSUP);
    belay_pool_get_stats(pool, &stats);
    assert_int_equal(stats.failed[BELAY_STAGE_CONNECT], 1); /* and it is not tried again */
    belay_peer_unref(peer);
    belay_pool_close(pool, NULL, NULL);
    settle();
    belay_endpoint_unref(a);
}

static void every_allocation_may_fail(void **state)
{
    struct place place = {1, 1};
    size_t n;

    (void)state;
    for (n = 1;; n++) {
        struct belay_endpoint *e = NULL;
        size_t failures = failing_alloc_failures(&world.alloc);
        int rc;

        failing_alloc_once(&world.alloc, n);
        rc = belay_endpoint_new_address(world.loop, &ops, &place, &e);
        failing_alloc_once(&world.alloc, 0);
        failures = failing_alloc_failures(&world.alloc) - failures;
        assert_int_equal(rc, failures ? BELAY_ENOMEM : 0);
        belay_endpoint_unref(e);
        if (!failures)
            break;
    }
    assert_int_equal(n, 5); /* the endpoint, its name, its host, its key */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_says_what_it_is),
        TEST(without_functions_it_is_a_pointer),
        TEST(its_name_fits_a_line),
        TEST(equality_is_its_own_and_keys_are_never_equal),
        TEST(impossible_ones_are_refused),
        TEST(sources_give_them_like_any_other),
        TEST(what_needs_a_host_refuses_them),
        TEST(belay_cannot_dial_one),
        TEST(a_pool_with_its_own_connector_keeps_them_apart),
        TEST(a_pool_of_streams_fails_all_who_wait),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("conn_endpoint_address", tests, NULL, NULL);
}
