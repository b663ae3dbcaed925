/* SPDX-License-Identifier: MIT */
/*
 * Connections whose names change: real sockets on loopback (127.0.0.1 and 127.0.0.2), a name server
 * of the test's own, time that the test sets.
 */
#include "unit/net/net_kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "belay/pool.h"
#include "belay/proxy.h"
#include "keep/pool_names.h"

#define QUERIES_MAX 8

struct story;

struct query {
    struct story *story;
    struct bl_task task;
    belay_dns_fn *fn; /* NULL: free */
    void *arg;
};

struct story {
    struct net_kit kit;
    struct belay_clock clock;
    struct belay_dns dns;
    uint64_t now;
    struct query queries[QUERIES_MAX];
    unsigned asked, open, most; /* queries for A; at a time */
    bool hold;                  /* answers wait */
    int status;
    uint32_t ttl;
    const char *ips; /* "1 2": of 127.0.0. */
    int listeners[2];
    uint16_t port;
    struct belay_pool_options options;
    struct belay_pool *pool;
    struct belay_peer *peer;
    struct belay_endpoint *endpoint;
    struct belay_lease lease;
    bool leased;
};

/* ---- the name server ---- */

static void answer(void *arg)
{
    struct query *q = arg;
    struct story *s = q->story;
    struct belay_dns_record records[2];
    belay_dns_fn *fn = q->fn;
    size_t n = 0;

    if (s->hold) {
        bl_task_post(s->kit.loop, &q->task);
        return;
    }
    memset(records, 0, sizeof records);
    for (const char *at = s->status ? "" : s->ips; *at; at++) {
        const uint8_t ip[] = {127, 0, 0, (uint8_t)(*at - '0')};

        if (*at == ' ')
            continue;
        records[n].ttl_s = s->ttl;
        records[n].addr.family = BELAY_FAMILY_IPV4;
        memcpy(records[n++].addr.u.ip, ip, sizeof ip);
    }
    q->fn = NULL;
    s->open--;
    fn(s->status, records, n, q->arg);
}

static int ask_name(struct belay_loop *loop, const char *name, enum belay_dns_type type,
                    belay_dns_fn *fn, void *fn_arg, void **ret_handle, void *arg)
{
    struct story *s = arg;
    struct query *q = s->queries;

    assert_string_equal(name, "db.test");
    assert_int_equal(type, BELAY_DNS_A);
    while (q->fn)
        assert_true(++q < s->queries + QUERIES_MAX);
    q->story = s;
    q->fn = fn;
    q->arg = fn_arg;
    bl_task_init(&q->task, answer, q);
    bl_task_post(loop, &q->task);
    s->asked++;
    s->open++;
    s->most = s->open > s->most ? s->open : s->most;
    *ret_handle = q;
    return 0;
}

static void forget_name(void *handle, void *arg)
{
    struct story *s = arg;
    struct query *q = handle;

    assert_non_null(q->fn);
    q->fn = NULL;
    s->open--;
    bl_task_cancel(&q->task);
}

/* ---- a pool ---- */

static uint64_t story_now(void *arg)
{
    return ((struct story *)arg)->now;
}

static int64_t story_wall(void *arg)
{
    (void)arg;
    return 0;
}

static int listen_at(uint8_t last, uint16_t port, uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    a.sin_addr.s_addr = htonl(0x7f000000u | last);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static void set_up(struct story *s)
{
    struct belay_loop_options options = belay_loop_options_init();
    struct belay_world world = belay_world_init();
    uint16_t same;

    memset(s, 0, sizeof *s);
    s->now = BL_MS(1000000);
    s->ips = "1";
    s->clock = (struct belay_clock){sizeof s->clock, story_now, story_wall, s};
    s->dns = (struct belay_dns){sizeof s->dns, ask_name, forget_name, s};
    world.clock = &s->clock;
    world.dns = &s->dns;
    options.world = &world;
    net_kit_set_up_options(&s->kit, &options);
    s->listeners[0] = listen_at(1, 0, &s->port);
    s->listeners[1] = listen_at(2, s->port, &same);
    s->options = belay_pool_options_init();
    s->options.max_idle_time_ms = BELAY_FOREVER;
    s->options.max_connection_lifetime_ms = BELAY_FOREVER;
}

static void open_with(struct story *s, struct belay_endpoint_options *e)
{
    struct belay_error error;

    e->family = BELAY_FAMILY_IPV4;
    if (belay_endpoint_new(s->kit.loop, e, &s->endpoint, &error) < 0 ||
        belay_pool_open(s->kit.loop, &s->options, &s->pool, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(belay_pool_peer(s->pool, s->endpoint, &s->peer), 0);
}

static void open_pool(struct story *s, const char *host)
{
    struct belay_endpoint_options e = belay_endpoint_options_init();

    e.scheme = "tcp";
    e.host = host;
    e.port = s->port;
    open_with(s, &e);
}

/* Through proxies, of which nothing is asked: they forward. `format` has their port. */
static void open_through(struct story *s, const char *format)
{
    struct belay_endpoint_options e = belay_endpoint_options_init();
    char text[128];
    struct belay_error error;

    snprintf(text, sizeof text, format, s->port, s->port);
    if (belay_proxy_parse(s->kit.loop, text, &e.proxy, &error) < 0)
        fail_msg("%s", error.text);
    e.url = "http://target.test";
    open_with(s, &e);
    belay_proxy_unref(e.proxy);
}

static void tear_down(struct story *s)
{
    belay_pool_close(s->pool, NULL, NULL);
    belay_peer_unref(s->peer);
    belay_endpoint_unref(s->endpoint);
    net_kit_tear_down(&s->kit);
    assert_int_equal(s->open, 0);
    close(s->listeners[0]);
    close(s->listeners[1]);
}

static void pass(struct story *s, int64_t ms)
{
    s->now += BL_MS(ms);
    net_kit_settle(&s->kit);
}

/* Enough for one more look: intervals are 30 s, give or take a tenth. */
static void look(struct story *s)
{
    unsigned asked = s->asked;

    pass(s, 33001);
    assert_int_equal(s->asked, asked + 1);
}

static void on_lease(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct story *s = arg;

    if (error)
        fail_msg("%s", error->text);
    s->lease = lease;
    s->leased = true;
}

/* A new connection, to the address that ends in `last`. */
static struct belay_lease lease_at(struct story *s, uint8_t last)
{
    struct belay_acquire_options o = belay_acquire_options_init();
    struct belay_addr addr;

    o.fresh = true;
    s->leased = false;
    assert_int_equal(belay_peer_acquire(s->peer, &o, NULL, on_lease, s), 0);
    net_kit_until(&s->kit, &s->leased);
    assert_int_equal(belay_stream_peer_addr(belay_lease_stream(s->lease), &addr), 0);
    assert_int_equal(addr.u.ip[3], last);
    return s->lease;
}

static void change_options(struct story *s)
{
    struct belay_error error;

    if (belay_pool_set_options(s->pool, &s->options, &error) < 0)
        fail_msg("%s", error.text);
}

static uint64_t retired(struct story *s)
{
    struct belay_pool_stats stats = belay_pool_stats_init();

    belay_peer_get_stats(s->peer, &stats);
    return stats.closed[BELAY_REASON_RETIRED];
}

/* ---- stories ---- */

static void connections_to_a_vanished_address_are_retired_gently(void **state)
{
    struct story s;
    struct belay_lease held, idle, other;
    (void)state;
    set_up(&s);
    open_pool(&s, "db.test");
    held = lease_at(&s, 1);
    idle = lease_at(&s, 1);
    belay_lease_release(idle, BELAY_REUSE);
    look(&s);
    s.ips = "2";
    look(&s);
    assert_int_equal(retired(&s), 0);
    other = lease_at(&s, 2); /* new dials go to the new address at once */
    belay_lease_release(other, BELAY_REUSE);
    look(&s);
    assert_int_equal(retired(&s), 1); /* the idle one */
    assert_true(belay_lease_valid(held));
    belay_lease_release(held, BELAY_REUSE);
    net_kit_settle(&s.kit);
    assert_int_equal(retired(&s), 2);
    look(&s);
    look(&s);
    assert_int_equal(retired(&s), 2); /* the one to the new address stays */
    tear_down(&s);
}

static void failed_and_empty_answers_retire_nobody(void **state)
{
    struct story s;
    (void)state;
    set_up(&s);
    open_pool(&s, "db.test");
    belay_lease_release(lease_at(&s, 1), BELAY_REUSE);
    s.status = BELAY_EDNS;
    for (int i = 0; i < 4; i++)
        look(&s);
    s.status = BELAY_ENONAME;
    for (int i = 0; i < 4; i++)
        look(&s);
    assert_int_equal(retired(&s), 0);
    s.status = 0;
    s.ips = "2";
    look(&s);
    s.status = BELAY_ETIMEDOUT;
    look(&s);
    assert_int_equal(retired(&s), 0);
    s.status = 0;
    look(&s);
    assert_int_equal(retired(&s), 1);
    tear_down(&s);
}

static void an_answer_is_looked_at_once_however_long_it_is_kept(void **state)
{
    struct story s;
    (void)state;
    set_up(&s);
    s.ttl = 300;
    open_pool(&s, "db.test");
    belay_lease_release(lease_at(&s, 1), BELAY_REUSE);
    s.ips = "2";
    pass(&s, 33001); /* the dial's answer, from the cache */
    for (int i = 0; i < 8; i++)
        pass(&s, 33001);
    assert_int_equal(s.asked, 1);
    pass(&s, 33001); /* 330 s after the dial */
    assert_int_equal(s.asked, 2);
    assert_int_equal(retired(&s), 0);
    pass(&s, 299000);
    assert_int_equal(s.asked, 2);
    pass(&s, 1001);
    assert_int_equal(s.asked, 3);
    assert_int_equal(retired(&s), 1);
    tear_down(&s);
}

static void one_question_at_a_time_and_none_without_connections(void **state)
{
    struct story s;
    struct belay_lease lease;
    (void)state;
    set_up(&s);
    open_pool(&s, "db.test");
    pass(&s, 100000);
    assert_int_equal(s.asked, 0);
    lease = lease_at(&s, 1);
    assert_int_equal(s.asked, 1);
    s.hold = true;
    pass(&s, 33001);
    assert_int_equal(s.asked, 2);
    pass(&s, 100000);
    pass(&s, 100000);
    assert_int_equal(s.asked, 2);
    assert_int_equal(s.most, 1);
    belay_lease_release(lease, BELAY_BROKEN); /* the last one takes the question along */
    net_kit_settle(&s.kit);
    assert_int_equal(s.open, 0);
    s.hold = false;
    pass(&s, 100000);
    assert_int_equal(s.asked, 2);
    lease_at(&s, 1);
    look(&s);
    tear_down(&s);
}

static void only_names_are_looked_up_and_only_where_it_is_wanted(void **state)
{
    struct story s;
    (void)state;
    set_up(&s);
    open_pool(&s, "127.0.0.1");
    lease_at(&s, 1);
    pass(&s, 100000);
    assert_int_equal(s.asked, 0);
    tear_down(&s);

    set_up(&s);
    s.options.resolve_interval_ms = BELAY_FOREVER;
    open_pool(&s, "db.test");
    lease_at(&s, 1);
    pass(&s, 100000000);
    assert_int_equal(s.asked, 1);
    tear_down(&s);
}

static void behind_a_proxy_its_name_is_what_counts(void **state)
{
    struct story s;
    (void)state;
    set_up(&s);
    open_through(&s, "http://db.test:%u");
    belay_lease_release(lease_at(&s, 1), BELAY_REUSE);
    s.ips = "2";
    look(&s);
    look(&s);
    assert_int_equal(retired(&s), 1);
    tear_down(&s);

    set_up(&s); /* nobody knows whose address it is */
    open_through(&s, "http://db.test:%u | http://127.0.0.2:%u");
    belay_lease_release(lease_at(&s, 1), BELAY_REUSE);
    pass(&s, 100000);
    assert_int_equal(s.asked, 1);
    tear_down(&s);
}

static void another_interval_holds_at_once(void **state)
{
    struct story s;
    (void)state;
    set_up(&s);
    s.options.resolve_interval_ms = BELAY_FOREVER;
    open_pool(&s, "db.test");
    lease_at(&s, 1);
    s.options.resolve_interval_ms = 1000;
    change_options(&s);
    pass(&s, 899);
    assert_int_equal(s.asked, 1);
    pass(&s, 202);
    assert_int_equal(s.asked, 2);
    s.options.resolve_interval_ms = BELAY_FOREVER;
    change_options(&s);
    pass(&s, 100000);
    assert_int_equal(s.asked, 2);
    tear_down(&s);
}

static void another_network_begins_anew(void **state)
{
    struct story s;
    (void)state;
    set_up(&s);
    open_pool(&s, "db.test");
    lease_at(&s, 1);
    s.ips = "2";
    look(&s);
    belay_loop_network_changed(s.kit.loop); /* the one in use goes at its release */
    look(&s);
    assert_int_equal(retired(&s), 0); /* that was the first answer of this network */
    assert_true(belay_lease_valid(s.lease));
    tear_down(&s);
}

static void without_memory_names_are_not_watched_and_nothing_is_lost(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 12; n++) {
        struct story s;
        set_up(&s);
        open_pool(&s, "db.test");
        belay_lease_release(lease_at(&s, 1), BELAY_REUSE);
        s.ips = "2";
        failing_alloc_once(&s.kit.alloc, n);
        for (int i = 0; i < 4; i++)
            pass(&s, 33001);
        failing_alloc_once(&s.kit.alloc, 0);
        assert_int_equal(retired(&s), 1);
        tear_down(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_to_a_vanished_address_are_retired_gently),
        cmocka_unit_test(failed_and_empty_answers_retire_nobody),
        cmocka_unit_test(an_answer_is_looked_at_once_however_long_it_is_kept),
        cmocka_unit_test(one_question_at_a_time_and_none_without_connections),
        cmocka_unit_test(only_names_are_looked_up_and_only_where_it_is_wanted),
        cmocka_unit_test(behind_a_proxy_its_name_is_what_counts),
        cmocka_unit_test(another_interval_holds_at_once),
        cmocka_unit_test(another_network_begins_anew),
        cmocka_unit_test(without_memory_names_are_not_watched_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
