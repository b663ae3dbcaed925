/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of a connection's story fails once: it is connected in the end all the same, who
 * waits is told once, and nothing is left.
 */
#include "chronicle_kit.h"
#include "kernel_kit.h"

#include <stdio.h>

static void nothing(struct belay_chronicle *c, enum belay_chronicle_phase phase, const char *id,
                    void *arg)
{
    (void)c, (void)phase, (void)id, (void)arg;
}

static void set(void *flag)
{
    *(bool *)flag = true;
}

/* ---- with a session, and a token ---- */

struct told {
    int asked, told;
};

static void tell(const struct belay_error *error, void *arg)
{
    struct told *t = arg;

    (void)error;
    t->told++;
}

static void keep_until_up(struct kernel_kit *k, struct belay_chronicle *c)
{
    unsigned seen = k->counts[KERNEL_CONNECT];

    for (int i = 0; !belay_chronicle_connected(c); i++) {
        if (i > 5000)
            fail_msg("never connected\n%s", k->log);
        kernel_turn(k);
        kernel_forward(k, 10);
        if (k->counts[KERNEL_CONNECT] > seen) {
            seen = k->counts[KERNEL_CONNECT];
            kernel_keep(k);
        }
    }
}

static void session_story(struct kernel_kit *k, struct belay_chronicle *c)
{
    struct belay_chronicle_subscription *s;
    struct told t = {0};

    belay_chronicle_subscribe(c, nothing, NULL, &s);
    for (int i = 0; i < 3; i++)
        t.asked += belay_chronicle_connect(c, 20000, NULL, tell, &t) == 0;
    keep_until_up(k, c);
    belay_chronicle_reconnect(c);
    kernel_turn(k);
    keep_until_up(k, c);
    kernel_turn(k);
    assert_int_equal(t.told, t.asked);
    assert_true(t.asked >= 2);
}

static bool one_session(size_t n)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), KERNEL_TOKEN("abc"),
                                          KERNEL_TOKEN("abc"), NULL};
    struct belay_chronicle_options o = belay_chronicle_options_init();
    struct belay_channel_options channel = belay_channel_options_init();
    struct kernel_kit k;
    struct belay_chronicle *c = NULL;
    struct belay_error error;
    bool failed, closed = false;
    char string[200];

    kernel_open(&k, answers);
    snprintf(string, sizeof string,
             "chronicle://user:pass@127.0.0.1:%d?disableTls=true&authPort=%d", k.server.port,
             k.tokens.port);
    channel.user_agent = "test";
    channel.authority = "kernel.test";
    o.connection_string = string;
    o.channel = &channel;
    o.name = "kernel";
    o.retry_attempts = BELAY_FOREVER;
    o.reconnect_base_delay_ms = 1;
    failing_alloc_once(&k.memory, n);
    if (belay_chronicle_start(k.loop, &o, &c, &error) == 0)
        session_story(&k, c);
    else
        assert_int_equal(error.code, BELAY_ENOMEM);
    failed = failing_alloc_failures(&k.memory) > 0;
    failing_alloc_once(&k.memory, 0);
    if (c && n % 2) {
        belay_chronicle_disconnect(c, set, &closed);
        kernel_until(&k, &closed);
    }
    kernel_close(&k);
    return failed;
}

static void a_session_outlasts_each_allocation_that_fails(void **state)
{
    (void)state;
    for (size_t n = 1; one_session(n); n++)
        ;
}

/* ---- with functions of the caller's ---- */

struct caller {
    struct chronicle_kit *k;
    char hosts[2][40];
};

static void on_resolve(struct belay_chronicle_query *query, const char *name, void *arg)
{
    struct caller *caller = arg;
    const char *hosts[] = {caller->hosts[0], caller->hosts[1]};

    (void)name;
    belay_chronicle_resolved(query, hosts, 2, NULL);
}

static void on_probe(struct belay_chronicle_query *query, const char *host, void *arg)
{
    struct caller *caller = arg;

    belay_chronicle_probed(query, strcmp(host, caller->hosts[0]) == 0);
}

static void on_connect(struct belay_chronicle_query *query, const char *target,
                       const struct belay_channel_options *options, void *arg)
{
    struct caller *caller = arg;
    struct belay_channel *channel = NULL;
    struct belay_error error;
    int rc = belay_channel_open(caller->k->net.loop, target, options, &channel, &error);

    caller->k->opened += rc == 0;
    belay_chronicle_opened(query, channel, rc < 0 ? &error : NULL);
}

static void on_disconnect(struct belay_channel *channel, void *arg)
{
    struct caller *caller = arg;

    caller->k->disconnected++;
    belay_channel_close(channel, NULL, NULL);
}

static void up(struct chronicle_kit *k)
{
    for (int i = 0; !belay_chronicle_connected(k->c); i++) {
        assert_true(i < 5000);
        ck_turn(&k->net);
        ck_forward(&k->net, 10);
    }
}

static bool one_caller(size_t n)
{
    struct chronicle_kit k;
    struct caller caller = {.k = &k};
    struct belay_error error;
    bool failed;

    chk_open(&k);
    for (unsigned i = 0; i < 2; i++)
        snprintf(caller.hosts[i], sizeof caller.hosts[0], "127.0.0.1:%d", k.net.servers[i].port);
    k.functions = (struct belay_chronicle_functions){.size = sizeof k.functions,
                                                     .resolve = on_resolve,
                                                     .probe = on_probe,
                                                     .connect = on_connect,
                                                     .disconnect = on_disconnect,
                                                     .arg = &caller};
    chk_string(&k, "chronicle+srv://kernels.test?disableTls=true");
    k.options.retry_attempts = BELAY_FOREVER;
    k.options.reconnect_base_delay_ms = 1;
    failing_alloc_once(&k.net.memory, n);
    if (belay_chronicle_start(k.net.loop, &k.options, &k.c, &error) == 0) {
        up(&k);
        belay_chronicle_reconnect(k.c);
        ck_turn(&k.net);
        up(&k);
    } else {
        assert_int_equal(error.code, BELAY_ENOMEM);
    }
    failed = failing_alloc_failures(&k.net.memory) > 0;
    failing_alloc_once(&k.net.memory, 0);
    chk_close(&k);
    return failed;
}

static void a_caller_s_functions_outlast_each_allocation_that_fails(void **state)
{
    (void)state;
    for (size_t n = 1; one_caller(n); n++)
        ;
}

/* ---- with belay's own probes, and SRV records ---- */

static void answer_dns(struct chronicle_kit *k)
{
    struct fake_query *q =
        fake_dns_find(&k->net.dns, "_chronicle._tcp.kernels.test", BELAY_DNS_SRV);
    struct belay_dns_record records[2] = {
        {.ttl_s = 60, .target = "127.0.0.1", .port = (uint16_t)k->net.servers[0].port},
        {.ttl_s = 60, .target = "127.0.0.1", .port = (uint16_t)k->net.servers[1].port}};

    if (q)
        fake_dns_answer(q, 0, records, 2);
}

static void count(struct h2_server *s, unsigned conn, const char *head)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3";

    (void)head;
    h2_raw(s, conn, answer, sizeof answer - 1);
}

static bool one_look_up(size_t n)
{
    struct chronicle_kit k;
    struct belay_error error;
    bool failed;

    chk_open(&k);
    k.net.servers[0].on_http1 = k.net.servers[1].on_http1 = count;
    k.functions = (struct belay_chronicle_functions){.size = sizeof k.functions};
    chk_string(&k, "chronicle+srv://kernels.test?disableTls=true");
    k.options.retry_attempts = BELAY_FOREVER;
    k.options.reconnect_base_delay_ms = 1;
    failing_alloc_once(&k.net.memory, n);
    if (belay_chronicle_start(k.net.loop, &k.options, &k.c, &error) == 0) {
        for (int i = 0; !belay_chronicle_connected(k.c); i++) {
            assert_true(i < 5000);
            ck_turn(&k.net);
            ck_forward(&k.net, 10);
            answer_dns(&k);
        }
    } else {
        assert_int_equal(error.code, BELAY_ENOMEM);
    }
    failed = failing_alloc_failures(&k.net.memory) > 0;
    failing_alloc_once(&k.net.memory, 0);
    chk_close(&k);
    return failed;
}

static void looking_up_and_probing_outlast_each_allocation_that_fails(void **state)
{
    (void)state;
    for (size_t n = 1; one_look_up(n); n++)
        ;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_outlasts_each_allocation_that_fails),
        cmocka_unit_test(a_caller_s_functions_outlast_each_allocation_that_fails),
        cmocka_unit_test(looking_up_and_probing_outlast_each_allocation_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
