/* SPDX-License-Identifier: MIT */
/* Several kernels: how they are found, asked how many connections they have, and told that one
 * comes. */
#include "base/assert.h"
#include "chronicle_kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define SRV_NAME "_chronicle._tcp.kernels.test"

/* What kernels say of their connections, and what they were asked. */
struct door {
    const char *bodies[CK_SERVERS]; /* of the counts; NULL: 503; "": nothing */
    unsigned counts[CK_SERVERS], reserves[CK_SERVERS];
    char host[CK_SERVERS][64];
};

static struct door door;
static const struct h2_server *first; /* of the kit's */

static void on_http1(struct h2_server *s, unsigned conn, const char *head)
{
    unsigned n = (unsigned)(s - first);
    const char *host = strcasestr(head, "\r\nhost: ");
    char text[512];

    if (host)
        sscanf(host + 8, "%63s", door.host[n]);
    if (strncmp(head, "POST /connections/reserve HTTP/1.1\r\n", 36) == 0) {
        door.reserves[n]++;
        snprintf(text, sizeof text, "HTTP/1.1 204 No Content\r\n\r\n");
    } else {
        assert_int_equal(strncmp(head, "GET /connections/count HTTP/1.1\r\n", 33), 0);
        door.counts[n]++;
        if (!door.bodies[n])
            snprintf(text, sizeof text, "HTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\n0");
        else
            snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                     strlen(door.bodies[n]), door.bodies[n]);
    }
    if (door.bodies[n] && !*door.bodies[n])
        return;
    h2_raw(s, conn, text, strlen(text));
}

static void three_kernels(struct chronicle_kit *k, const char *one, const char *two,
                          const char *three)
{
    chk_open(k);
    door = (struct door){.bodies = {one, two, three}};
    first = k->net.servers;
    for (unsigned i = 0; i < CK_SERVERS; i++)
        k->net.servers[i].on_http1 = on_http1;
    k->functions = (struct belay_chronicle_functions){.size = sizeof k->functions};
    chk_string(k, "chronicle://127.0.0.1:%1,127.0.0.1:%2,127.0.0.1:%3?disableTls=true");
}

/* At most by so much of our time. */
static void up_within(struct chronicle_kit *k, int64_t ms)
{
    int64_t end = chk_now_ms(k) + ms;

    while (!belay_chronicle_connected(k->c)) {
        if (chk_now_ms(k) > end)
            fail_msg("not within %d ms", (int)ms);
        ck_forward(&k->net, 5);
        ck_turn(&k->net);
    }
    chk_a_while(k);
}

/* Whose requests were of HTTP/2, so that the channel is there. */
static bool has_channel(const struct chronicle_kit *k, unsigned server)
{
    for (unsigned i = 0; i < k->net.servers[server].accepted; i++) {
        if (k->net.servers[server].conns[i].greeted)
            return true;
    }
    return false;
}

static void the_one_with_the_fewest_is_taken_and_told(void **state)
{
    struct chronicle_kit k;
    char host[64];

    (void)state;
    three_kernels(&k, "12", "{\"count\": 3}", "40");
    chk_start(&k);
    up_within(&k, 1900);
    for (unsigned i = 0; i < CK_SERVERS; i++) {
        assert_int_equal(door.counts[i], 1);
        assert_int_equal(door.reserves[i], i == 1);
        assert_int_equal(has_channel(&k, i), i == 1);
    }
    snprintf(host, sizeof host, "127.0.0.1:%d", k.net.servers[1].port);
    assert_string_equal(door.host[1], host);
    chk_close(&k);
}

static void answers_that_are_none_are_worst(void **state)
{
    static const char *const bad[] = {NULL, "many", "[]", "{\"connections\":1}", "\"1\"", "-"};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(bad); i++) {
        struct chronicle_kit k;

        three_kernels(&k, bad[i], bad[i], "1000000");
        chk_start(&k);
        up_within(&k, 1900);
        assert_true(has_channel(&k, 2));
        assert_int_equal(door.reserves[2], 1);
        chk_close(&k);
    }
}

static void a_kernel_that_says_too_much_is_worst(void **state)
{
    static char endless[200 + 100];
    struct chronicle_kit k;

    (void)state;
    memset(endless, '1', sizeof endless - 1); /* a number, if one read it all */
    three_kernels(&k, endless, "7", "8");
    chk_start(&k);
    up_within(&k, 1900);
    assert_true(has_channel(&k, 1));
    chk_close(&k);
}

static void a_kernel_that_is_silent_is_waited_for_two_seconds(void **state)
{
    struct chronicle_kit k;
    int64_t began;

    (void)state;
    three_kernels(&k, "", "5", "9");
    chk_start(&k);
    began = chk_now_ms(&k);
    up_within(&k, 5000);
    assert_in_range(chk_now_ms(&k) - began, 2000, 5000);
    assert_true(has_channel(&k, 1));
    chk_close(&k);
}

static unsigned asked(void)
{
    return door.counts[0] + door.counts[1] + door.counts[2];
}

/* By its end, or by that of the attempt. */
static void asking_may_be_cut_short(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct chronicle_kit k;

        three_kernels(&k, "", "", "");
        k.options.attempt_timeout_ms = 1500;
        chk_start(&k);
        for (int i = 0; asked() < CK_SERVERS; i++) {
            assert_true(i < 2000);
            ck_forward(&k.net, 5);
            ck_turn(&k.net);
        }
        if (late) {
            chk_forward(&k, 1500);
            chk_forward(&k, 1000);
            assert_false(belay_chronicle_connected(k.c));
        }
        belay_chronicle_disconnect(k.c, NULL, NULL);
        CHK_UNTIL(&k, k.exits == 1);
        chk_forward(&k, 3000);
        k.c = NULL;
        chk_close(&k);
    }
}

static void questions_take_the_route_of_the_channel(void **state)
{
    struct belay_endpoint_options route = belay_endpoint_options_init();
    struct belay_channel_options options = belay_channel_options_init();
    struct chronicle_kit k;
    struct belay_addr to;

    (void)state;
    three_kernels(&k, "1", "2", "3");
    assert_int_equal(belay_addr_parse_ip("127.0.0.1", 9, (uint16_t)k.net.servers[1].port, &to), 0);
    route.addrs = &to;
    route.addrs_n = 1;
    options.route = &route;
    k.options.channel = &options;
    chk_start(&k);
    up_within(&k, 1900);
    assert_int_equal(door.counts[1], CK_SERVERS);
    assert_int_equal(door.reserves[1], 1);
    assert_int_equal(ck_accepted(&k.net), k.net.servers[1].accepted);
    chk_close(&k);
}

static void where_no_kernel_answers_one_is_taken_by_chance(void **state)
{
    struct chronicle_kit k;

    (void)state;
    three_kernels(&k, NULL, NULL, NULL);
    chk_start(&k);
    up_within(&k, 1900);
    assert_int_equal(has_channel(&k, 0) + has_channel(&k, 1) + has_channel(&k, 2), 1);
    chk_close(&k);
}

static void they_are_asked_again_for_each_attempt(void **state)
{
    struct chronicle_kit k;

    (void)state;
    three_kernels(&k, "1", "2", "3");
    chk_start(&k);
    up_within(&k, 1900);
    door.bodies[0] = "4";
    belay_chronicle_reconnect(k.c);
    CHK_UNTIL(&k, !belay_chronicle_connected(k.c));
    up_within(&k, 1900);
    assert_int_equal(door.counts[0], 2);
    assert_true(has_channel(&k, 1));
    chk_close(&k);
}

/* ---- SRV records ---- */

static void records_are_looked_up(void **state)
{
    struct chronicle_kit k;
    struct belay_dns_record records[2] = {{.ttl_s = 60, .target = "127.0.0.1", .priority = 9},
                                          {.ttl_s = 60, .target = "127.0.0.1", .priority = 3}};
    struct fake_query *q;

    (void)state;
    chk_open(&k);
    k.functions = (struct belay_chronicle_functions){.size = sizeof k.functions};
    chk_string(&k, "chronicle+srv://kernels.test?disableTls=true&loadBalancer=round-robin");
    chk_start(&k);
    CHK_UNTIL(&k, (q = fake_dns_find(&k.net.dns, SRV_NAME, BELAY_DNS_SRV)) != NULL);
    records[0].port = (uint16_t)k.net.servers[0].port;
    records[1].port = (uint16_t)k.net.servers[1].port;
    fake_dns_answer(q, 0, records, 2);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    assert_int_equal(ck_accepted(&k.net), 1);
    chk_forward(&k, 1500);
    belay_chronicle_reconnect(k.c); /* looks up anew, though they are known */
    CHK_UNTIL(&k, (q = fake_dns_find(&k.net.dns, SRV_NAME, BELAY_DNS_SRV)) != NULL);
    records[0].port = (uint16_t)k.net.servers[2].port;
    fake_dns_answer(q, 0, records, 1);
    CHK_UNTIL(&k, belay_chronicle_connected(k.c));
    assert_int_equal(k.net.servers[2].accepted, 1);
    chk_close(&k);
}

static void records_are_taken_in_turn_however_they_come(void **state)
{
    struct belay_dns_record records[CK_SERVERS];
    struct chronicle_kit k;
    struct fake_query *q;

    (void)state;
    chk_open(&k);
    k.functions = (struct belay_chronicle_functions){.size = sizeof k.functions};
    chk_string(&k, "chronicle+srv://kernels.test?disableTls=true&loadBalancer=round-robin");
    for (unsigned i = 0; i < CK_SERVERS; i++)
        records[i] = (struct belay_dns_record){.ttl_s = 1,
                                               .target = "127.0.0.1",
                                               .priority = 1,
                                               .weight = 5,
                                               .port = (uint16_t)k.net.servers[i].port};
    chk_start(&k);
    for (unsigned n = 1; n <= 4 * CK_SERVERS; n++) {
        CHK_UNTIL(&k, (q = fake_dns_find(&k.net.dns, SRV_NAME, BELAY_DNS_SRV)) != NULL);
        fake_dns_answer(q, 0, records, CK_SERVERS);
        CHK_UNTIL(&k, belay_chronicle_connected(k.c));
        assert_int_equal(ck_accepted(&k.net), n);
        for (unsigned i = 0; i < CK_SERVERS; i++)
            assert_in_range(k.net.servers[i].accepted, n / CK_SERVERS, n / CK_SERVERS + 1);
        chk_forward(&k, 2000);
        belay_chronicle_reconnect(k.c);
        CHK_UNTIL(&k, !belay_chronicle_connected(k.c));
    }
    chk_close(&k);
}

static void no_records_are_a_failure_that_is_tried_again(void **state)
{
    struct chronicle_kit k;
    struct chk_waiter w;
    struct fake_query *q;

    (void)state;
    chk_open(&k);
    k.functions = (struct belay_chronicle_functions){.size = sizeof k.functions};
    chk_string(&k, "chronicle+srv://kernels.test?disableTls=true");
    k.options.retry_attempts = 1;
    chk_start(&k);
    chk_wait(&k, &w, BELAY_FOREVER);
    CHK_UNTIL(&k, (q = fake_dns_find(&k.net.dns, SRV_NAME, BELAY_DNS_SRV)) != NULL);
    fake_dns_answer(q, BELAY_EDNS, NULL, 0);
    chk_forward(&k, 1100);
    CHK_UNTIL(&k, (q = fake_dns_find(&k.net.dns, SRV_NAME, BELAY_DNS_SRV)) != NULL);
    fake_dns_answer(q, BELAY_ENONAME, NULL, 0);
    CHK_UNTIL(&k, w.done);
    assert_int_equal(w.error.code, BELAY_ENONAME);
    assert_int_equal(w.error.stage, BELAY_STAGE_RESOLVE);
    assert_non_null(strstr(w.error.text, SRV_NAME));
    chk_close(&k);
}

static void it_can_end_while_names_are_looked_up(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    k.functions = (struct belay_chronicle_functions){.size = sizeof k.functions};
    chk_string(&k, "chronicle+srv://kernels.test?disableTls=true");
    chk_start(&k);
    CHK_UNTIL(&k, fake_dns_open(&k.net.dns) == 1);
    belay_chronicle_disconnect(k.c, NULL, NULL);
    assert_int_equal(fake_dns_open(&k.net.dns), 0);
    CHK_UNTIL(&k, k.exits == 1);
    k.c = NULL;
    chk_close(&k);
}

/* ---- a name server of the string's ---- */

struct name_server {
    int fd, port;
    unsigned asked;
    int answers; /* 0: says nothing */
    uint16_t target_port;
};

static void server_open(struct name_server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;

    memset(s, 0, sizeof *s);
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
}

/* One SRV record, of the name that was asked for: 127.0.0.1, as a name of figures. */
static void server_step(struct name_server *s)
{
    static const uint8_t target[] = {3, '1', '2', '7', 1, '0', 1, '0', 1, '1', 0};
    uint8_t text[512];
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    ssize_t n = recvfrom(s->fd, text, 300, 0, (struct sockaddr *)&from, &from_len);
    uint8_t record[12 + 6 + sizeof target] = {0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60};
    size_t at = 12;

    if (n < 12)
        return;
    s->asked++;
    if (!s->answers)
        return;
    while (text[at])
        at += text[at] + 1u;
    at += 5; /* behind the question: what follows, as of EDNS, is left out */
    text[2] |= 0x80;
    text[7] = 1; /* an answer */
    text[9] = text[11] = 0;
    record[11] = 6 + sizeof target;
    record[16] = (uint8_t)(s->target_port >> 8);
    record[17] = (uint8_t)s->target_port;
    memcpy(record + 18, target, sizeof target);
    memcpy(text + at, record, sizeof record);
    assert_true(sendto(s->fd, text, at + sizeof record, 0, (struct sockaddr *)&from, from_len) > 0);
}

struct own {
    struct belay_loop *loop;
    struct h2_server kernel;
    struct name_server names;
    struct belay_chronicle *c;
    bool closed, gone;
};

/* On a loop without a world of its own, as c-ares is to ask. */
static void own_open(struct own *o, const char *string)
{
    struct belay_chronicle_options options = belay_chronicle_options_init();
    struct belay_loop_options loop = belay_loop_options_init();
    struct belay_error error;
    char text[256];

    memset(o, 0, sizeof *o);
    loop.dns_timeout_ms = 100;
    loop.dns_tries = 2;
    assert_int_equal(belay_loop_new(&loop, &o->loop, &error), 0);
    h2_start(&o->kernel);
    server_open(&o->names);
    o->names.target_port = (uint16_t)o->kernel.port;
    snprintf(text, sizeof text, string, o->names.port);
    options.connection_string = text;
    options.no_session = true;
    options.retry_attempts = BELAY_NONE;
    if (belay_chronicle_start(o->loop, &options, &o->c, &error) < 0)
        fail_msg("%s", error.text);
}

static void own_turn(struct own *o)
{
    server_step(&o->names);
    h2_step(&o->kernel);
    assert_int_equal(belay_loop_turn(o->loop, 1), 0);
}

static void set(void *flag)
{
    *(bool *)flag = true;
}

static void own_close(struct own *o)
{
    belay_chronicle_disconnect(o->c, set, &o->closed);
    for (int i = 0; !o->closed; i++) {
        assert_true(i < CHK_LIMIT);
        own_turn(o);
    }
    belay_loop_close(o->loop, set, &o->gone);
    for (int i = 0; !o->gone; i++) {
        assert_true(i < CHK_LIMIT);
        h2_step(&o->kernel);
        belay_loop_turn(o->loop, 1);
    }
    h2_stop(&o->kernel);
    close(o->names.fd);
}

static void the_string_s_own_name_server_is_asked(void **state)
{
    static const char *const strings[] = {
        "chronicle+srv://kernels.test?disableTls=true&srvNameServer=127.0.0.1:%d",
        "chronicle+srv://kernels.test?disableTls=true&srvNameServer=localhost:%d",
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(strings); i++) {
        struct own o;

        own_open(&o, strings[i]);
        o.names.answers = 1;
        for (int n = 0; !belay_chronicle_connected(o.c); n++) {
            assert_true(n < CHK_LIMIT);
            own_turn(&o);
        }
        assert_true(o.names.asked >= 1);
        assert_int_equal(o.kernel.accepted, 1);
        own_close(&o);
    }
}

static void note(const struct belay_error *error, void *arg)
{
    *(struct belay_error *)arg = error ? *error : (struct belay_error){0};
}

static void a_name_server_without_an_answer_is_a_failure(void **state)
{
    struct belay_error error = {0};
    struct own o;

    (void)state;
    own_open(&o, "chronicle+srv://kernels.test?disableTls=true&srvNameServer=127.0.0.1:%d");
    assert_int_equal(belay_chronicle_connect(o.c, BELAY_FOREVER, NULL, note, &error), 0);
    for (int n = 0; !error.code; n++) {
        assert_true(n < CHK_LIMIT);
        own_turn(&o);
    }
    assert_int_equal(error.code, BELAY_ETIMEDOUT);
    assert_non_null(strstr(error.text, SRV_NAME));
    assert_non_null(strstr(error.text, "127.0.0.1:"));
    assert_int_equal(o.names.asked, 2);
    own_close(&o);
}

static void it_can_end_while_a_name_server_is_asked(void **state)
{
    (void)state;
    for (int turns = 0; turns < 5; turns++) {
        struct own o;

        own_open(&o, "chronicle+srv://kernels.test?disableTls=true&srvNameServer=127.0.0.1:%d");
        o.names.answers = turns % 2;
        for (int i = 0; i < turns; i++)
            own_turn(&o);
        own_close(&o);
    }
}

static void a_world_that_looks_names_up_has_no_such_server(void **state)
{
    struct belay_error error;
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    chk_string(&k, "chronicle+srv://kernels.test?srvNameServer=127.0.0.1");
    error = chk_refused(&k);
    assert_int_equal(error.code, BELAY_ENOTSUP);
    assert_non_null(strstr(error.text, "srvNameServer"));
    chk_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_with_the_fewest_is_taken_and_told),
        cmocka_unit_test(answers_that_are_none_are_worst),
        cmocka_unit_test(a_kernel_that_says_too_much_is_worst),
        cmocka_unit_test(a_kernel_that_is_silent_is_waited_for_two_seconds),
        cmocka_unit_test(asking_may_be_cut_short),
        cmocka_unit_test(questions_take_the_route_of_the_channel),
        cmocka_unit_test(where_no_kernel_answers_one_is_taken_by_chance),
        cmocka_unit_test(they_are_asked_again_for_each_attempt),
        cmocka_unit_test(records_are_looked_up),
        cmocka_unit_test(records_are_taken_in_turn_however_they_come),
        cmocka_unit_test(no_records_are_a_failure_that_is_tried_again),
        cmocka_unit_test(it_can_end_while_names_are_looked_up),
        cmocka_unit_test(the_string_s_own_name_server_is_asked),
        cmocka_unit_test(a_name_server_without_an_answer_is_a_failure),
        cmocka_unit_test(it_can_end_while_a_name_server_is_asked),
        cmocka_unit_test(a_world_that_looks_names_up_has_no_such_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
