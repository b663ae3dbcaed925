/* SPDX-License-Identifier: MIT */
/* The dns seam on c-ares against a name server of the test's own: one UDP socket, answered by the
 * loop. */
#include "net_kit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/resolver_inside.h"

/* ---- the name server ---- */

enum { TYPE_A = 1, TYPE_AAAA = 28, TYPE_SRV = 33 };

struct server {
    int fd;
    uint16_t port;
    struct belay_watch *watch;
    unsigned asked, ignore; /* the first so many are not answered */
    uint16_t from;          /* port of who asked last */
};

struct message {
    uint8_t bytes[512];
    size_t len;
};

static void put(struct message *m, const void *data, size_t len)
{
    assert_true(m->len + len <= sizeof m->bytes);
    memcpy(m->bytes + m->len, data, len);
    m->len += len;
}

static void put16(struct message *m, unsigned value)
{
    uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    put(m, bytes, 2);
}

/* One answer to the question at offset 12. */
static void put_answer(struct message *m, unsigned type, unsigned ttl, const void *data, size_t len)
{
    put16(m, 0xc00c);
    put16(m, type);
    put16(m, 1);
    put16(m, 0);
    put16(m, ttl);
    put16(m, (unsigned)len);
    put(m, data, len);
    m->bytes[7]++;
}

static void name_of(const uint8_t *question, char *out)
{
    while (*question) {
        memcpy(out, question + 1, *question);
        out += *question;
        question += *question + 1;
        *out++ = '.';
    }
    out[-1] = '\0';
}

/* good.test has all, six.test IPv6 only, other names do not exist, silent.test is not answered. */
static bool respond(struct message *m, const char *name, unsigned type)
{
    static const uint8_t a[] = {192, 0, 2, 1}, a2[] = {192, 0, 2, 2};
    static const uint8_t aaaa[] = {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t srv[] = {0,   1,   0, 2,   0x1f, 0x90, 4,   'g', 'o',
                                  'o', 'd', 4, 't', 'e',  's',  't', 0};
    bool good = !strcmp(name, "good.test"), six = !strcmp(name, "six.test");
    if (!strcmp(name, "silent.test"))
        return false;
    m->bytes[2] = 0x81;
    m->bytes[3] = 0x80;
    if (good && type == TYPE_A) {
        put_answer(m, TYPE_A, 300, a, sizeof a);
        put_answer(m, TYPE_A, 200, a2, sizeof a2);
    } else if ((good || six) && type == TYPE_AAAA) {
        put_answer(m, TYPE_AAAA, 100, aaaa, sizeof aaaa);
    } else if (!strcmp(name, "_x._tcp.test") && type == TYPE_SRV) {
        put_answer(m, TYPE_SRV, 50, srv, sizeof srv);
    } else if (!strcmp(name, "broken.test")) {
        m->bytes[3] |= 2; /* SERVFAIL */
    } else if (!good && !six) {
        m->bytes[3] |= 3; /* NXDOMAIN */
    }
    return true;
}

static void on_question(unsigned events, void *arg)
{
    struct server *s = arg;
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    struct message m;
    char name[256];
    (void)events;
    ssize_t n =
        recvfrom(s->fd, m.bytes, sizeof m.bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    if (n < 17)
        return;
    s->asked++;
    s->from = ntohs(from.sin_port);
    if (s->asked <= s->ignore)
        return;
    name_of(m.bytes + 12, name);
    m.len = 12 + strlen(name) + 2 + 4; /* without what may follow the question */
    m.bytes[11] = 0;
    if (respond(&m, name, (unsigned)m.bytes[m.len - 4] << 8 | m.bytes[m.len - 3]))
        sendto(s->fd, m.bytes, m.len, 0, (struct sockaddr *)&from, from_len);
}

/* ---- a loop that asks it ---- */

struct story {
    struct net_kit kit;
    struct server server;
    struct belay_dns dns;
    char hosts[64];
    bool told;
    unsigned calls;
    int status;
    size_t n;
    struct belay_dns_record records[8];
    char target[256];
};

static void open_server(struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
}

static void write_hosts(struct story *t, const char *text)
{
    FILE *file = fopen(t->hosts, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void begin_with(struct story *t, const char *servers)
{
    struct belay_loop_options options = belay_loop_options_init();
    char own[64];
    memset(t, 0, sizeof *t);
    open_server(&t->server);
    snprintf(own, sizeof own, "127.0.0.1:%u", t->server.port);
    snprintf(t->hosts, sizeof t->hosts, "/tmp/belay-hosts-XXXXXX");
    close(mkstemp(t->hosts));
    write_hosts(t, "10.0.0.1 good.test.example file.test\n");
    options.dns_servers = servers ? servers : own;
    options.hosts_file = t->hosts;
    options.dns_timeout_ms = 50;
    options.dns_tries = 2;
    net_kit_set_up_options(&t->kit, &options);
    assert_int_equal(belay_watch_new(t->kit.loop, t->server.fd, BELAY_READABLE, on_question,
                                     &t->server, &t->server.watch),
                     0);
    assert_int_equal(bl_dns_cares_new(t->kit.loop, NULL, &t->dns), 0);
}

static void begin(struct story *t)
{
    begin_with(t, NULL);
}

static void finish(struct story *t)
{
    bl_dns_cares_free(t->kit.loop, &t->dns);
    belay_watch_free(t->server.watch);
    close(t->server.fd);
    unlink(t->hosts);
    net_kit_tear_down(&t->kit);
}

static void on_answer(int status, const struct belay_dns_record *records, size_t n, void *arg)
{
    struct story *t = arg;
    t->told = true;
    t->calls++;
    t->status = status;
    t->n = n;
    for (size_t i = 0; i < n && i < BL_COUNT(t->records); i++)
        t->records[i] = records[i];
    if (n && records[0].target)
        snprintf(t->target, sizeof t->target, "%s", records[0].target);
}

static void *ask(struct story *t, const char *name, enum belay_dns_type type)
{
    void *handle = NULL;
    unsigned calls = t->calls;
    t->told = false;
    assert_int_equal(t->dns.query(t->kit.loop, name, type, on_answer, t, &handle, t->dns.arg), 0);
    assert_int_equal(t->calls, calls); /* never inside */
    return handle;
}

static void ask_and_wait(struct story *t, const char *name, enum belay_dns_type type)
{
    ask(t, name, type);
    net_kit_until(&t->kit, &t->told);
}

static void expect_addr(const struct story *t, size_t i, const char *ip, uint32_t ttl)
{
    char text[BELAY_ADDR_TEXT_MAX];
    assert_true(i < t->n);
    assert_string_equal(belay_addr_print(&t->records[i].addr, text, sizeof text), ip);
    assert_int_equal(t->records[i].ttl_s, ttl);
}

/* ---- answers ---- */

static void addresses_come_in_the_servers_order_with_the_lowest_ttl(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    ask_and_wait(&t, "good.test", BELAY_DNS_A);
    assert_int_equal(t.status, 0);
    assert_int_equal(t.n, 2);
    expect_addr(&t, 0, "192.0.2.1", 200);
    expect_addr(&t, 1, "192.0.2.2", 200);
    ask_and_wait(&t, "good.test", BELAY_DNS_AAAA);
    assert_int_equal(t.n, 1);
    expect_addr(&t, 0, "2001:db8::1", 100);
    finish(&t);
}

static void services_come_with_target_port_and_ttl(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    ask_and_wait(&t, "_x._tcp.test", BELAY_DNS_SRV);
    assert_int_equal(t.status, 0);
    assert_int_equal(t.n, 1);
    assert_string_equal(t.target, "good.test");
    assert_int_equal(t.records[0].port, 8080);
    assert_int_equal(t.records[0].priority, 1);
    assert_int_equal(t.records[0].weight, 2);
    assert_int_equal(t.records[0].ttl_s, 50);
    finish(&t);
}

static void each_failure_has_its_code(void **state)
{
    static const struct {
        const char *name;
        enum belay_dns_type type;
        int status;
    } cases[] = {
        {"none.test", BELAY_DNS_A, BELAY_ENONAME},     {"none.test", BELAY_DNS_SRV, BELAY_ENONAME},
        {"six.test", BELAY_DNS_A, BELAY_ENONAME},      {"broken.test", BELAY_DNS_A, BELAY_EDNS},
        {"silent.test", BELAY_DNS_A, BELAY_ETIMEDOUT},
    };
    struct story t;
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        begin(&t);
        ask_and_wait(&t, cases[i].name, cases[i].type);
        assert_int_equal(t.n, 0);
        if (t.status != cases[i].status)
            fail_msg("%s: %s", cases[i].name, belay_error_name(t.status));
        finish(&t);
    }
}

static void a_lost_question_is_asked_again(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.server.ignore = 1;
    ask_and_wait(&t, "good.test", BELAY_DNS_A);
    assert_int_equal(t.status, 0);
    assert_int_equal(t.server.asked, 2);
    finish(&t);
}

/* ---- the hosts file ---- */

static void the_hosts_file_answers_first_and_for_both_families(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    ask_and_wait(&t, "File.test", BELAY_DNS_A);
    assert_int_equal(t.n, 1);
    expect_addr(&t, 0, "10.0.0.1", 0);
    ask_and_wait(&t, "file.test", BELAY_DNS_AAAA);
    assert_int_equal(t.status, BELAY_ENONAME);
    assert_int_equal(t.server.asked, 0);
    finish(&t);
}

static void a_change_of_the_hosts_file_is_seen_within_a_second(void **state)
{
    struct story t;
    struct bl_hosts hosts = {0};
    struct belay_addr addr;
    (void)state;
    begin(&t);
    for (int i = 0; i < 3; i++) {
        int n = bl_hosts_find(&hosts, t.kit.loop, t.hosts, "new.test", BELAY_FAMILY_IPV4, &addr, 1);
        assert_int_equal(n, i == 2 ? 1 : BELAY_ENONAME);
        write_hosts(&t, "10.0.0.9 new.test # longer than before\n");
        if (i == 1)
            hosts.looked_ns -= BL_MS(1000); /* a second later */
    }
    unlink(t.hosts);
    hosts.looked_ns -= BL_MS(1000);
    assert_int_equal(
        bl_hosts_find(&hosts, t.kit.loop, t.hosts, "new.test", BELAY_FAMILY_IPV4, &addr, 1),
        BELAY_ENONAME);
    bl_hosts_free(&hosts, t.kit.loop);
    finish(&t);
}

/* ---- ends ---- */

static void what_is_forgotten_is_never_told(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.dns.forget(ask(&t, "good.test", BELAY_DNS_A), t.dns.arg); /* c-ares has it */
    t.dns.forget(ask(&t, "file.test", BELAY_DNS_A), t.dns.arg); /* it is about to be told */
    ask_and_wait(&t, "six.test", BELAY_DNS_AAAA);
    net_kit_turn_for(&t.kit, 20);
    assert_int_equal(t.calls, 1);
    finish(&t);
}

static void another_network_is_asked_from_other_sockets(void **state)
{
    struct story t;
    uint16_t port;
    (void)state;
    begin(&t);
    ask(&t, "silent.test", BELAY_DNS_A); /* keeps the socket in use */
    ask_and_wait(&t, "good.test", BELAY_DNS_A);
    port = t.server.from;
    ask_and_wait(&t, "good.test", BELAY_DNS_AAAA);
    assert_int_equal(t.server.from, port);
    bl_dns_cares_renew(&t.dns);
    ask_and_wait(&t, "good.test", BELAY_DNS_A);
    assert_int_not_equal(t.server.from, port);
    assert_int_equal(t.status, 0);
    finish(&t);
}

static void its_end_forgets_all_queries(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    ask(&t, "silent.test", BELAY_DNS_A);
    ask(&t, "good.test", BELAY_DNS_SRV);
    ask(&t, "file.test", BELAY_DNS_A);
    t.dns.forget(ask(&t, "silent.test", BELAY_DNS_AAAA), t.dns.arg);
    finish(&t);
    assert_int_equal(t.calls, 0);
}

static void a_bad_list_of_servers_is_refused_at_the_first_query(void **state)
{
    static const struct bl_lookup_options options = {.port = 1};
    struct story t;
    struct bl_lookup *lookup;
    void *handle;
    (void)state;
    begin_with(&t, "not-an-address");
    assert_int_equal(
        t.dns.query(t.kit.loop, "a.test", BELAY_DNS_A, on_answer, &t, &handle, t.dns.arg),
        BELAY_EINVAL);
    assert_int_equal(bl_resolve(t.kit.loop, "a.test", &options, NULL, NULL, &lookup), BELAY_EINVAL);
    finish(&t);
}

/* ---- the resolver on it ---- */

struct result {
    bool done;
    size_t n;
    int code;
};

static void on_addrs(const struct belay_addr *addrs, size_t n, bool more,
                     const struct belay_error *error, void *arg)
{
    struct result *r = arg;
    (void)addrs;
    r->done = !more;
    r->n = n;
    r->code = error ? error->code : 0;
}

static void the_resolver_asks_it_and_remembers(void **state)
{
    static const struct bl_lookup_options options = {.port = 1};
    struct story t;
    struct bl_lookup *lookup;
    (void)state;
    begin(&t);
    for (int i = 0; i < 2; i++) {
        struct result r = {0};
        assert_int_equal(bl_resolve(t.kit.loop, "good.test", &options, on_addrs, &r, &lookup), 0);
        net_kit_until(&t.kit, &r.done);
        assert_int_equal(r.n, 3);
        assert_int_equal(t.server.asked, 2);
    }
    finish(&t);
}

static void every_failing_allocation_is_an_answer_or_an_error(void **state)
{
    static const struct bl_lookup_options options = {.port = 1};
    (void)state;
    for (size_t n = 1;; n++) {
        struct story t;
        struct bl_lookup *lookup;
        struct result r = {0};
        begin(&t);
        failing_alloc_once(&t.kit.alloc, n);
        int rc = bl_resolve(t.kit.loop, "good.test", &options, on_addrs, &r, &lookup);
        assert_true(rc == 0 || rc == BELAY_ENOMEM);
        if (rc == 0) {
            net_kit_until(&t.kit, &r.done);
            assert_true(r.n || r.code == BELAY_ENOMEM || r.code == BELAY_ETIMEDOUT);
        }
        bool failed = failing_alloc_failures(&t.kit.alloc) > 0;
        failing_alloc_once(&t.kit.alloc, 0);
        finish(&t);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_come_in_the_servers_order_with_the_lowest_ttl),
        cmocka_unit_test(services_come_with_target_port_and_ttl),
        cmocka_unit_test(each_failure_has_its_code),
        cmocka_unit_test(a_lost_question_is_asked_again),
        cmocka_unit_test(the_hosts_file_answers_first_and_for_both_families),
        cmocka_unit_test(a_change_of_the_hosts_file_is_seen_within_a_second),
        cmocka_unit_test(what_is_forgotten_is_never_told),
        cmocka_unit_test(another_network_is_asked_from_other_sockets),
        cmocka_unit_test(its_end_forgets_all_queries),
        cmocka_unit_test(a_bad_list_of_servers_is_refused_at_the_first_query),
        cmocka_unit_test(the_resolver_asks_it_and_remembers),
        cmocka_unit_test(every_failing_allocation_is_an_answer_or_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
