/* SPDX-License-Identifier: MIT */
#include "peers/adapter_kit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void adapter_kit_begin(struct adapter_kit *k)
{
    struct belay_loop_options o = belay_loop_options_init();

    memset(k, 0, sizeof *k);
    failing_alloc_init(&k->alloc);
    k->world = belay_world_init();
    k->world.allocator = &k->alloc.allocator;
    o.world = &k->world;
    assert_int_equal(belay_loop_new(&o, &k->loop, NULL), 0);
    k->options = belay_pool_options_init();
    k->dial = belay_dial_options_init();
    k->options.dial = &k->dial;
}

struct belay_endpoint *adapter_kit_endpoint(struct adapter_kit *k, const char *url)
{
    struct belay_endpoint *endpoint;
    struct belay_error error;

    if (belay_endpoint_parse(k->loop, url, &endpoint, &error) < 0)
        fail_msg("%s", error.text);
    return endpoint;
}

struct belay_endpoint *adapter_kit_address(struct adapter_kit *k)
{
    static const struct belay_address_ops ops = {.size = sizeof ops};
    struct belay_endpoint *endpoint;

    assert_int_equal(belay_endpoint_new_address(k->loop, &ops, k, &endpoint), 0);
    return endpoint;
}

static void on_ended(struct belay_peer *peer, uint64_t id, enum belay_reason reason,
                     const struct belay_error *error, void *arg)
{
    struct adapter_kit *k = arg;

    (void)peer, (void)id;
    k->ended++;
    k->reason = reason;
    snprintf(k->words, sizeof k->words, "%s", error ? error->text : "");
}

static const struct belay_pool_callbacks callbacks = {.size = sizeof callbacks,
                                                      .on_connection_closed = on_ended};

void adapter_kit_open(struct adapter_kit *k, struct belay_connector connector,
                      struct belay_endpoint *endpoint)
{
    struct belay_error error;

    k->options.connector = connector;
    k->options.callbacks = &callbacks;
    k->options.callbacks_arg = k;
    if (belay_pool_open(k->loop, &k->options, &k->pool, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(belay_pool_peer(k->pool, endpoint, &k->peer), 0);
    belay_endpoint_unref(endpoint);
}

static void on_closed(void *arg)
{
    struct adapter_kit *k = arg;

    k->closed = true;
    k->pool = NULL;
}

void adapter_kit_close(struct adapter_kit *k)
{
    if (k->pool) {
        belay_pool_close(k->pool, on_closed, k);
        ADAPTER_KIT_UNTIL(k, k->closed);
    }
}

void adapter_kit_end(struct adapter_kit *k)
{
    adapter_kit_close(k);
    belay_peer_unref(k->peer);
    belay_loop_free(k->loop);
    assert_int_equal(failing_alloc_live(&k->alloc), 0);
}

int adapter_kit_try(struct adapter_kit *k, struct belay_lease *ret)
{
    return belay_peer_acquire_wait(k->peer, 10000, ret, &k->error);
}

struct belay_lease adapter_kit_acquire(struct adapter_kit *k)
{
    struct belay_lease lease;

    if (adapter_kit_try(k, &lease) < 0)
        fail_msg("%s", k->error.text);
    return lease;
}

static void on_answer(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct adapter_ask *ask = arg;

    ask->told++;
    ask->code = error ? error->code : 0;
    ask->lease = lease;
}

void adapter_kit_ask(struct adapter_kit *k, struct adapter_ask *ask)
{
    memset(ask, 0, sizeof *ask);
    assert_int_equal(belay_peer_acquire(k->peer, NULL, NULL, on_answer, ask), 0);
}

struct belay_pool_stats adapter_kit_stats(struct adapter_kit *k)
{
    struct belay_pool_stats s = belay_pool_stats_init();

    belay_peer_get_stats(k->peer, &s);
    return s;
}

void adapter_kit_turn(struct adapter_kit *k)
{
    assert_int_equal(belay_loop_turn(k->loop, 10), 0);
}

void adapter_kit_fail_allocations(struct adapter_kit *k)
{
    size_t n = 0, failures;

    do {
        struct adapter_ask ask = {0};

        failures = failing_alloc_failures(&k->alloc);
        failing_alloc_once(&k->alloc, ++n);
        if (belay_peer_acquire(k->peer, NULL, NULL, on_answer, &ask) == 0)
            ADAPTER_KIT_UNTIL(k, ask.told == 1);
        if (belay_lease_valid(ask.lease)) {
            belay_conn_suspect(belay_lease_conn(ask.lease));
            belay_lease_release(ask.lease, BELAY_REUSE);
            ADAPTER_KIT_UNTIL(k, adapter_kit_stats(k).checking == 0);
        }
        belay_peer_clear(k->peer, BELAY_CLEAR_NOW);
        ADAPTER_KIT_UNTIL(k, adapter_kit_stats(k).idle + adapter_kit_stats(k).in_use +
                                     adapter_kit_stats(k).dialing + adapter_kit_stats(k).closing ==
                                 0);
        assert_true(n < 1000);
    } while (failing_alloc_failures(&k->alloc) > failures);
    failing_alloc_once(&k->alloc, 0);
    assert_true(n > 5);
}

/* ---- the server ---- */

const char *server_value(const char *name)
{
    char variable[64];
    const char *value;

    snprintf(variable, sizeof variable, "BELAY_SERVER_%s", name);
    value = getenv(variable);
    if (!value)
        fail_msg("%s is not set: this program is run by a script of tests/peers", variable);
    return value;
}

void server_control(const char *what)
{
    char command[512];

    snprintf(command, sizeof command, "%s %s", server_value("control"), what);
    assert_int_equal(system(command), 0);
}

const char *server_text(const char *format)
{
    static char texts[4][512];
    static unsigned next;
    char *out = texts[next++ % 4];
    size_t n = 0;

    while (*format && n + 1 < sizeof texts[0]) {
        size_t len = strcspn(format, "}");
        char name[32];

        if (*format != '{') {
            out[n++] = *format++;
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)len - 1, format + 1);
        n += (size_t)snprintf(out + n, sizeof texts[0] - n, "%s", server_value(name));
        format += len + 1;
    }
    out[n] = 0;
    return out;
}

/* ---- one that says little ---- */

static void be_mute(int listener, const char *text)
{
    char rest[256];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd < 0)
            _exit(0);
        if (text && write(fd, text, strlen(text)) < 0)
            _exit(0);
        while (read(fd, rest, sizeof rest) > 0)
            ;
        close(fd);
    }
}

int mute_server_start(const char *text, int *ret_pid)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    *ret_pid = fork();
    assert_true(*ret_pid >= 0);
    if (*ret_pid == 0)
        be_mute(listener, text);
    close(listener);
    return ntohs(addr.sin_port);
}

void mute_server_end(int pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
