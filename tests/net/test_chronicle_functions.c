/* SPDX-License-Identifier: MIT */
/* Functions of the caller's own, which answer at once, later, too late, or wrongly; and what they are
 * asked. */
#include "base/assert.h"
#include "chronicle_kit.h"

#include <stdio.h>

/* Has asked for a channel, `n` times in all; none is opened. */
static void asks(struct chronicle_kit *k, const char *string, const char *target)
{
    unsigned n = k->dials + 1;

    chk_string(k, string);
    chk_start(k);
    CHK_UNTIL(k, k->dials == n);
    assert_string_equal(k->targets[n - 1], target);
    belay_chronicle_disconnect(k->c, NULL, NULL);
    chk_a_while(k);
    k->c = NULL;
}

static void targets_are_addresses_or_names(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.refuses = true;
    asks(&k, "chronicle://127.0.0.1:5?disableTls=true", "ipv4:127.0.0.1:5");
    k.dials = 0;
    asks(&k, "chronicle://192.0.2.7?disableTls=true", "ipv4:192.0.2.7:35000");
    k.dials = 0;
    asks(&k, "chronicle://[2001:DB8::1]:6?disableTls=true", "ipv6:[2001:db8::1]:6");
    k.dials = 0;
    asks(&k, "chronicle://Kernel.Test?disableTls=true", "dns:kernel.test:35000");
    k.dials = 0;
    asks(&k, "chronicle://user:pass@kernel.test:7?disableTls=true", "dns:kernel.test:7");
    assert_int_equal(k.exits, 5);
    chk_close(&k);
}

/* ---- late answers ---- */

static void a_channel_that_comes_later_is_taken(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.holds = true;
    chk_start(&k);
    CHK_UNTIL(&k, k.held_n == 1);
    chk_forward(&k, 5000);
    chk_answer(&k, 0);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    assert_int_equal(k.dials, 1);
    chk_close(&k);
}

static void a_channel_that_is_ready_already_is_taken(void **state)
{
    struct belay_channel_options o = ck_options();
    struct chronicle_kit k;
    char target[40];

    (void)state;
    chk_open(&k);
    k.holds = true;
    chk_start(&k);
    CHK_UNTIL(&k, k.held_n == 1);
    snprintf(target, sizeof target, "ipv4:127.0.0.1:%d", k.net.servers[1].port);
    assert_int_equal(belay_channel_open(k.net.loop, target, &o, &k.net.channel, NULL), 0);
    belay_channel_connect(k.net.channel);
    ck_until_state(&k.net, BELAY_CHANNEL_READY);
    k.opened++;
    belay_chronicle_opened(k.held[0], k.net.channel, NULL);
    assert_false(belay_chronicle_connected(k.c));
    ck_turn(&k.net);
    assert_true(belay_chronicle_connected(k.c));
    assert_ptr_equal(belay_chronicle_channel(k.c), k.net.channel);
    k.net.channel = NULL;
    chk_close(&k);
}

static void a_channel_that_comes_after_the_end_is_disconnected(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.holds = true;
    chk_start(&k);
    CHK_UNTIL(&k, k.held_n == 1);
    belay_chronicle_disconnect(k.c, NULL, NULL);
    chk_a_while(&k);
    assert_int_equal(k.exits, 1); /* it has ended, but is still there */
    chk_answer(&k, 0);
    assert_int_equal(k.disconnected, 0);
    chk_close(&k);
    assert_int_equal(k.opened, 1);
    assert_int_equal(k.disconnected, 1);
}

static void a_channel_that_comes_after_its_attempt_is_disconnected(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.holds = true;
    k.options.attempt_timeout_ms = 300;
    chk_start(&k);
    CHK_UNTIL(&k, k.held_n == 1);
    CHK_UNTIL(&k, k.held_n == 1);
    chk_forward(&k, 400);
    chk_forward(&k, 1100);
    CHK_UNTIL(&k, k.held_n == 2);
    chk_answer(&k, 0); /* the first one's */
    CHK_UNTIL(&k, k.disconnected == 1);
    assert_false(belay_chronicle_connected(k.c));
    chk_answer(&k, 1);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    assert_int_equal(k.disconnected, 1);
    chk_close(&k);
}

static void an_error_that_comes_late_harms_no_channel(void **state)
{
    struct belay_chronicle_query *late;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.holds = true;
    k.options.attempt_timeout_ms = 300;
    chk_start(&k);
    CHK_UNTIL(&k, k.held_n == 1);
    late = k.held[0];
    k.holds = false;
    chk_forward(&k, 400);
    chk_forward(&k, 1100);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    belay_chronicle_opened(late, NULL, &k.refusal);
    chk_a_while(&k);
    assert_true(belay_chronicle_connected(k.c));
    assert_int_equal(k.disconnected, 0);
    chk_close(&k);
}

static void the_first_answer_counts(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.holds = true;
    chk_start(&k);
    CHK_UNTIL(&k, k.held_n == 1);
    chk_answer(&k, 0);
    belay_chronicle_opened(k.held[0], NULL, &k.refusal); /* before the connection has heeded it */
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    chk_close(&k);
}

static void an_answer_that_is_none_is_a_failure(void **state)
{
    const struct belay_error nothing = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct chronicle_kit k;
        struct chk_waiter w;

        chk_open(&k);
        k.holds = true;
        k.options.retry_attempts = 1;
        chk_start(&k);
        chk_wait(&k, &w, BELAY_FOREVER);
        CHK_UNTIL(&k, k.held_n == 1);
        belay_chronicle_probed(k.held[0], 5); /* to another question */
        chk_next_dial_ms(&k);
        belay_chronicle_opened(k.held[1], NULL, i ? &nothing : NULL); /* neither ... nor */
        CHK_UNTIL(&k, w.done);
        assert_int_equal(w.error.code, BELAY_EINVAL);
        chk_close(&k);
    }
}

/* One attempt, which is held, and who waits for what comes of it; and a channel to answer it with. */
static struct belay_channel *held_once(struct chronicle_kit *k, struct chk_waiter *w)
{
    struct belay_channel_options o = ck_options();
    struct belay_channel *channel;

    chk_open(k);
    k->holds = true;
    k->options.retry_attempts = BELAY_NONE;
    chk_start(k);
    chk_wait(k, w, BELAY_FOREVER);
    CHK_UNTIL(k, k->held_n == 1);
    assert_int_equal(belay_channel_open(k->net.loop, "ipv4:127.0.0.1:1", &o, &channel, NULL), 0);
    k->opened++;
    return channel;
}

static void a_channel_that_comes_with_an_error_is_disconnected(void **state)
{
    struct belay_channel *channel;
    struct chronicle_kit k;
    struct chk_waiter w;

    (void)state;
    channel = held_once(&k, &w);
    belay_chronicle_opened(k.held[0], channel, &k.refusal);
    CHK_UNTIL(&k, w.done);
    assert_string_equal(w.error.text, "the test refuses");
    chk_close(&k);
    assert_int_equal(k.disconnected, 1);
}

static void a_channel_that_is_closed_already_is_a_failure(void **state)
{
    struct belay_channel *channel;
    struct chronicle_kit k;
    struct chk_waiter w;

    (void)state;
    channel = held_once(&k, &w);
    belay_channel_close(channel, NULL, NULL);
    belay_chronicle_opened(k.held[0], channel, NULL);
    CHK_UNTIL(&k, w.done);
    assert_true(w.error.code < 0);
    chk_close(&k);
    assert_int_equal(k.disconnected, 1);
}

/* ---- addresses ---- */

struct resolving {
    struct chronicle_kit *k;
    unsigned asked;
    char name[80];
    const char *hosts[4];
    size_t n;
    struct belay_error error; /* code 0: the hosts */
    bool ends;                /* the connection, instead of answering at once */
    struct belay_chronicle_query *query;
};

static void on_resolve(struct belay_chronicle_query *query, const char *name, void *arg)
{
    struct resolving *r = arg;

    r->asked++;
    snprintf(r->name, sizeof r->name, "%s", name);
    r->query = query;
    if (r->ends)
        belay_chronicle_disconnect(r->k->c, NULL, NULL);
    else
        belay_chronicle_resolved(query, r->hosts, r->n, r->error.code ? &r->error : NULL);
}

static void resolve_by(struct chronicle_kit *k, struct resolving *r)
{
    memset(r, 0, sizeof *r);
    r->k = k;
    chk_string(k, "chronicle+srv://kernels.test?disableTls=true&loadBalancer=round-robin");
    k->functions = (struct belay_chronicle_functions){
        .size = sizeof k->functions, .resolve = on_resolve, .arg = r};
}

static void addresses_may_come_from_the_caller(void **state)
{
    struct resolving r;
    struct chronicle_kit k;
    char host[40];

    (void)state;
    chk_open(&k);
    resolve_by(&k, &r);
    snprintf(host, sizeof host, "127.0.0.1:%d", k.net.servers[1].port);
    r.hosts[0] = host;
    r.n = 1;
    chk_up(&k);
    assert_int_equal(r.asked, 1);
    assert_string_equal(r.name, "kernels.test");
    assert_int_equal(k.net.servers[1].accepted, 1);
    belay_chronicle_reconnect(k.c); /* each attempt asks anew */
    CHK_UNTIL(&k, k.net.servers[1].accepted == 2);
    assert_int_equal(r.asked, 2);
    chk_close(&k);
}

static void a_failed_look_up_is_tried_again(void **state)
{
    struct resolving r;
    struct chronicle_kit k;
    struct chk_waiter w;
    char host[40];

    (void)state;
    chk_open(&k);
    resolve_by(&k, &r);
    chk_start(&k);
    chk_wait(&k, &w, 100000);
    CHK_UNTIL(&k, r.asked == 1); /* no addresses: an error */
    chk_forward(&k, 1100);
    CHK_UNTIL(&k, r.asked == 2);
    r.hosts[0] = "no host!";
    r.n = 1;
    chk_forward(&k, 2100);
    CHK_UNTIL(&k, r.asked == 3);
    r.error = k.refusal;
    chk_forward(&k, 4100);
    CHK_UNTIL(&k, r.asked == 4);
    r.error.code = 0;
    snprintf(host, sizeof host, "127.0.0.1:%d", k.net.servers[1].port);
    r.hosts[0] = host;
    chk_forward(&k, 8100);
    CHK_UNTIL(&k, w.done);
    assert_int_equal(w.error.code, 0);
    chk_close(&k);
}

static void what_is_wrong_with_an_address_is_told(void **state)
{
    static const struct {
        const char *host, *text;
    } cases[] = {{"no host!", "no host!"}, {"kernel:0", "port"}, {"", "host"}, {"a:b:c", "a:b:c"}};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct resolving r;
        struct chronicle_kit k;
        struct chk_waiter w;

        chk_open(&k);
        resolve_by(&k, &r);
        r.hosts[0] = cases[i].host;
        r.n = 1;
        k.options.retry_attempts = BELAY_NONE;
        chk_start(&k);
        chk_wait(&k, &w, BELAY_FOREVER);
        CHK_UNTIL(&k, w.done);
        assert_int_equal(w.error.code, BELAY_EINVAL);
        if (!strstr(w.error.text, cases[i].text))
            fail_msg("%s", w.error.text);
        chk_close(&k);
    }
}

static void ending_it_inside_a_function_is_quiet(void **state)
{
    struct resolving r;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    resolve_by(&k, &r);
    r.ends = true;
    chk_start(&k);
    CHK_UNTIL(&k, k.exits == 1);
    belay_chronicle_resolved(r.query, NULL, 0, &k.refusal);
    chk_close(&k);
    assert_int_equal(k.exit, BELAY_EXIT_NORMAL);
}

/* ---- which of them ---- */

struct probing {
    unsigned asked;
    char hosts[16][40];
    int64_t counts[4];
    bool holds;
    struct belay_chronicle_query *held[16];
};

static void on_probe(struct belay_chronicle_query *query, const char *host, void *arg)
{
    struct probing *p = arg;

    snprintf(p->hosts[p->asked], sizeof p->hosts[0], "%s", host);
    p->held[p->asked++] = query;
    if (!p->holds)
        belay_chronicle_probed(query, p->counts[(p->asked - 1) % 3]);
}

static void probe_by(struct chronicle_kit *k, struct probing *p)
{
    memset(p, 0, sizeof *p);
    chk_string(k, "chronicle://127.0.0.1:%1,127.0.0.1:%2,127.0.0.1:%3?disableTls=true");
    k->functions = (struct belay_chronicle_functions){
        .size = sizeof k->functions, .probe = on_probe, .arg = p};
}

/* Virtual time runs until it is connected. */
static void up_in_time(struct chronicle_kit *k)
{
    for (int i = 0; !belay_chronicle_connected(k->c); i++) {
        assert_true(i < 2000);
        ck_forward(&k->net, 10);
        ck_turn(&k->net);
    }
}

static void the_kernel_with_the_fewest_connections_is_chosen(void **state)
{
    struct probing p;
    struct chronicle_kit k;
    char host[40];

    (void)state;
    chk_open(&k);
    probe_by(&k, &p);
    p.counts[0] = 4;
    p.counts[1] = 2;
    p.counts[2] = -1; /* not known */
    chk_start(&k);
    up_in_time(&k);
    assert_int_equal(p.asked, 3);
    snprintf(host, sizeof host, "127.0.0.1:%d", k.net.servers[2].port);
    assert_string_equal(p.hosts[2], host);
    assert_int_equal(k.net.servers[1].accepted, 1);
    assert_int_equal(ck_accepted(&k.net), 1);
    chk_close(&k);
}

/* Programs that lost the same kernel do not ask all others in the same moment. */
static void kernels_are_asked_after_a_while_which_chance_decides(void **state)
{
    struct probing p;
    struct chronicle_kit k;
    int64_t longest = 0;

    (void)state;
    chk_open(&k);
    probe_by(&k, &p);
    chk_start(&k);
    for (unsigned round = 1; round <= 5; round++) {
        int64_t began = chk_now_ms(&k), waited;

        while (p.asked < round * 3) {
            ck_forward(&k.net, 5);
            ck_turn(&k.net);
        }
        waited = chk_now_ms(&k) - began;
        assert_in_range(waited, 0, 2000);
        longest = longest > waited ? longest : waited;
        up_in_time(&k);
        belay_chronicle_reconnect(k.c);
    }
    assert_true(longest > 10);
    chk_close(&k);
}

static void one_kernel_alone_is_not_asked(void **state)
{
    struct probing p;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    probe_by(&k, &p);
    chk_string(&k, "chronicle://127.0.0.1:%1?disableTls=true");
    chk_up(&k);
    assert_int_equal(p.asked, 0);
    chk_close(&k);
}

static void who_does_not_answer_in_time_is_worst(void **state)
{
    struct probing p;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    probe_by(&k, &p);
    p.holds = true;
    chk_start(&k);
    for (int i = 0; p.asked < 3; i++) {
        assert_true(i < 100);
        chk_forward(&k, 10);
    }
    belay_chronicle_probed(p.held[1], 7);
    chk_forward(&k, 1000);
    assert_int_equal(ck_accepted(&k.net), 0);
    chk_forward(&k, 1100); /* two seconds are over */
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    assert_int_equal(k.net.servers[1].accepted, 1);
    belay_chronicle_probed(p.held[0], 0); /* too late */
    belay_chronicle_probed(p.held[2], 0);
    chk_a_while(&k);
    assert_int_equal(ck_accepted(&k.net), 1);
    chk_close(&k);
}

static void where_nobody_answers_chance_decides(void **state)
{
    struct probing p;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    probe_by(&k, &p);
    p.counts[0] = p.counts[1] = p.counts[2] = -1;
    chk_start(&k);
    up_in_time(&k);
    assert_int_equal(ck_accepted(&k.net), 1);
    chk_close(&k);
}

static void round_robin_takes_them_in_turn(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.functions = (struct belay_chronicle_functions){.size = sizeof k.functions};
    chk_string(&k, "chronicle://127.0.0.1:%1,127.0.0.1:%2,127.0.0.1:%3?disableTls=true"
                   "&loadBalancer=round-robin");
    chk_up(&k);
    for (unsigned n = 2; n <= 6; n++) {
        belay_chronicle_reconnect(k.c);
        CHK_UNTIL(&k, ck_accepted(&k.net) == n && belay_chronicle_connected(k.c));
    }
    for (unsigned i = 0; i < CK_SERVERS; i++)
        assert_int_equal(k.net.servers[i].accepted, 2);
    chk_close(&k);
}

static void an_option_overrides_the_string(void **state)
{
    struct probing p;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    probe_by(&k, &p); /* least-connections, by default */
    k.options.balancer = BELAY_CHRONICLE_ROUND_ROBIN;
    chk_up(&k);
    assert_int_equal(p.asked, 0);
    chk_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_addresses_or_names),
        cmocka_unit_test(a_channel_that_comes_later_is_taken),
        cmocka_unit_test(a_channel_that_is_ready_already_is_taken),
        cmocka_unit_test(a_channel_that_comes_after_the_end_is_disconnected),
        cmocka_unit_test(a_channel_that_comes_after_its_attempt_is_disconnected),
        cmocka_unit_test(an_error_that_comes_late_harms_no_channel),
        cmocka_unit_test(the_first_answer_counts),
        cmocka_unit_test(an_answer_that_is_none_is_a_failure),
        cmocka_unit_test(a_channel_that_comes_with_an_error_is_disconnected),
        cmocka_unit_test(a_channel_that_is_closed_already_is_a_failure),
        cmocka_unit_test(addresses_may_come_from_the_caller),
        cmocka_unit_test(a_failed_look_up_is_tried_again),
        cmocka_unit_test(what_is_wrong_with_an_address_is_told),
        cmocka_unit_test(ending_it_inside_a_function_is_quiet),
        cmocka_unit_test(the_kernel_with_the_fewest_connections_is_chosen),
        cmocka_unit_test(kernels_are_asked_after_a_while_which_chance_decides),
        cmocka_unit_test(one_kernel_alone_is_not_asked),
        cmocka_unit_test(who_does_not_answer_in_time_is_worst),
        cmocka_unit_test(where_nobody_answers_chance_decides),
        cmocka_unit_test(round_robin_takes_them_in_turn),
        cmocka_unit_test(an_option_overrides_the_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
