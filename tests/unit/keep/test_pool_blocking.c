/* SPDX-License-Identifier: MIT */
/*
 * A pool of handles whose functions block, on real threads: what is open at the end was opened and
 * closed once, whatever was under way.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "belay/blocking.h"
#include "belay/pool.h"
#include "support/test.h"

#define USERS 40

struct handle {
    int fd, other_end; /* of a pair; another thread may hang up */
    atomic_int users;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool gate_shut;  /* opens wait */
    unsigned inside; /* opens that wait */
    int fails;
    atomic_uint opens, closes, checks;
    pthread_t loop_thread;
} client;

static struct belay_blocking blocking;
static struct belay_loop_options loop_options;
static struct belay_pool_options options;
static struct belay_loop *loop;
static struct belay_pool *pool;
static struct belay_peer *peer;
static bool closed;

/* ---- the client library ---- */

static void wait_at_the_gate(void)
{
    pthread_mutex_lock(&client.lock);
    client.inside++;
    pthread_cond_broadcast(&client.changed);
    while (client.gate_shut)
        pthread_cond_wait(&client.changed, &client.lock);
    client.inside--;
    pthread_mutex_unlock(&client.lock);
}

static int client_open(struct belay_endpoint *endpoint, void **ret, struct belay_error *error,
                       void *arg)
{
    struct handle *h;
    int pair[2];

    (void)arg;
    if (pthread_equal(pthread_self(), client.loop_thread))
        abort();
    wait_at_the_gate();
    if (client.fails) {
        error->os_error = EIO;
        error->kind = BELAY_KIND_FATAL;
        snprintf(error->text, sizeof error->text, "no handle for %s: %s",
                 belay_endpoint_name(endpoint), belay_strerror(client.fails));
        return client.fails;
    }
    h = calloc(1, sizeof *h);
    if (!h || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        abort();
    h->fd = pair[0];
    h->other_end = pair[1];
    atomic_fetch_add(&client.opens, 1);
    *ret = h;
    return 0;
}

static void client_close(void *handle, enum belay_reason reason, void *arg)
{
    struct handle *h = handle;

    (void)arg;
    if (pthread_equal(pthread_self(), client.loop_thread) || reason == BELAY_REASON_NONE)
        abort();
    atomic_fetch_add(&client.closes, 1);
    close(h->fd);
    if (h->other_end >= 0)
        close(h->other_end);
    free(h);
}

static int client_check(void *handle, void *arg)
{
    struct handle *h = handle;
    char byte;

    (void)arg;
    atomic_fetch_add(&client.checks, 1);
    if (recv(h->fd, &byte, 1, MSG_DONTWAIT) != 0)
        return 0;
    return BELAY_EEOF;
}

static int client_descriptor(void *handle, void *arg)
{
    (void)arg;
    return ((struct handle *)handle)->fd;
}

/* ---- */

static int set_up(void **state)
{
    (void)state;
    memset(&client, 0, sizeof client);
    pthread_mutex_init(&client.lock, NULL);
    pthread_cond_init(&client.changed, NULL);
    client.loop_thread = pthread_self();
    blocking = belay_blocking_init();
    blocking.name = "toy";
    blocking.open = client_open;
    blocking.close = client_close;
    blocking.check = client_check;
    blocking.descriptor = client_descriptor;
    loop_options = belay_loop_options_init();
    options = belay_pool_options_init();
    options.max_connections_per_endpoint = 4;
    closed = false;
    return 0;
}

static void open_pool(void)
{
    struct belay_endpoint *endpoint;

    assert_int_equal(belay_loop_new(&loop_options, &loop, NULL), 0);
    assert_int_equal(belay_endpoint_parse(loop, "tcp://a.test:1", &endpoint, NULL), 0);
    options.connector = belay_blocking_connector(&blocking);
    assert_int_equal(belay_pool_open(loop, &options, &pool, NULL), 0);
    assert_int_equal(belay_pool_peer(pool, endpoint, &peer), 0);
    belay_endpoint_unref(endpoint);
}

static void on_closed(void *arg)
{
    (void)arg;
    closed = true;
    pool = NULL;
}

static void turn(void)
{
    assert_int_equal(belay_loop_turn(loop, 5), 0);
}

/* Fails after 10 s. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (int turns_ = 0; !(condition); turns_++) {                                             \
            if (turns_ > 2000)                                                                     \
                fail_msg("waited in vain for: %s", #condition);                                    \
            turn();                                                                                \
        }                                                                                          \
    } while (0)

static int tear_down(void **state)
{
    (void)state;
    belay_peer_unref(peer);
    belay_loop_free(loop); /* closes the pool too, and waits for what is under way */
    assert_int_equal(atomic_load(&client.opens), atomic_load(&client.closes));
    pthread_cond_destroy(&client.changed);
    pthread_mutex_destroy(&client.lock);
    return 0;
}

static void set_gate(bool shut)
{
    pthread_mutex_lock(&client.lock);
    client.gate_shut = shut;
    pthread_cond_broadcast(&client.changed);
    pthread_mutex_unlock(&client.lock);
}

static unsigned inside(void)
{
    unsigned n;

    pthread_mutex_lock(&client.lock);
    n = client.inside;
    pthread_mutex_unlock(&client.lock);
    return n;
}

static struct belay_pool_stats stats(void)
{
    struct belay_pool_stats s = belay_pool_stats_init();

    belay_peer_get_stats(peer, &s);
    return s;
}

struct user {
    unsigned told;
    int code;
    struct belay_lease lease;
};

static void on_acquired(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct user *u = arg;

    u->told++;
    u->code = error ? error->code : 0;
    u->lease = lease;
}

static void use_and_release(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct handle *h = belay_lease_state(lease);

    on_acquired(lease, error, arg);
    assert_null(error);
    assert_int_equal(atomic_fetch_add(&h->users, 1), 0);
    atomic_fetch_sub(&h->users, 1);
    belay_lease_release(lease, BELAY_REUSE);
}

static void ask(struct user *u, belay_acquire_fn *fn)
{
    memset(u, 0, sizeof *u);
    assert_int_equal(belay_peer_acquire(peer, NULL, NULL, fn, u), 0);
}

/* ---- */

static void many_use_a_few_handles(void **state)
{
    struct user users[USERS];

    (void)state;
    open_pool();
    for (int i = 0; i < USERS; i++)
        ask(&users[i], use_and_release);
    for (int i = 0; i < USERS; i++)
        UNTIL(users[i].told == 1);
    assert_in_range(atomic_load(&client.opens), 1, 4);
    assert_int_equal(stats().acquired, USERS);
}

static void a_handle_that_dies_while_idle_is_noticed(void **state)
{
    struct belay_lease lease;
    struct handle *h;

    (void)state;
    open_pool();
    assert_int_equal(belay_peer_acquire_wait(peer, 10000, &lease, NULL), 0);
    h = belay_lease_state(lease);
    assert_int_equal(write(h->other_end, "x", 1), 1); /* in use it is the user's */
    turn();
    turn();
    assert_int_equal(atomic_load(&client.checks), 0);
    belay_lease_release(lease, BELAY_REUSE);
    UNTIL(atomic_load(&client.checks) == 1 && stats().checking == 0); /* which takes the byte */
    assert_int_equal(stats().idle, 1);
    shutdown(h->other_end, SHUT_RDWR);
    UNTIL(atomic_load(&client.closes) == 1);
    UNTIL(stats().closed[BELAY_REASON_UNHEALTHY] == 1);
    assert_int_equal(belay_peer_acquire_wait(peer, 10000, &lease, NULL), 0);
    belay_lease_release(lease, BELAY_REUSE);
}

static void what_an_open_says_is_told(void **state)
{
    struct belay_lease lease;
    struct belay_error error;

    (void)state;
    client.fails = BELAY_ECONNECT;
    open_pool();
    assert_int_equal(belay_peer_acquire_wait(peer, 10000, &lease, &error), BELAY_ECONNECT);
    assert_string_equal(error.text, "no handle for tcp://a.test:1: could not connect");
    assert_int_equal(error.kind, BELAY_KIND_FATAL);
    assert_int_equal(error.os_error, EIO);
    assert_int_equal(stats().failed[BELAY_STAGE_PROTOCOL], 1);
}

static void a_pool_that_closes_waits_for_an_open_that_does_not_end(void **state)
{
    struct user user;

    (void)state;
    set_gate(true);
    open_pool();
    ask(&user, on_acquired);
    UNTIL(inside() == 1);
    belay_pool_close(pool, on_closed, NULL);
    UNTIL(user.told == 1);
    assert_int_equal(user.code, BELAY_ECLOSED);
    for (int i = 0; i < 5; i++)
        turn();
    assert_false(closed);
    set_gate(false);
    UNTIL(closed);
    assert_int_equal(atomic_load(&client.opens), 1);
    assert_int_equal(atomic_load(&client.closes), 1); /* before on_closed */
}

static void an_open_that_takes_too_long_is_closed_when_it_ends(void **state)
{
    struct belay_dial_options dial = belay_dial_options_init();
    struct belay_lease lease;
    struct user user;

    (void)state;
    dial.session_timeout_ms = 20;
    options.dial = &dial;
    options.connect_retry_count = 1000; /* on a busy machine others may take too long as well */
    options.max_connections_per_endpoint = 1;
    set_gate(true);
    open_pool();
    ask(&user, on_acquired);
    UNTIL(inside() == 1);
    UNTIL(stats().closing + stats().dialing == 1);
    for (int i = 0; i < 10; i++)
        turn();
    assert_int_equal(user.told, 0); /* the limit of connections is hard: it counts */
    set_gate(false);
    UNTIL(user.told == 1);
    assert_int_equal(user.code, 0);
    belay_lease_release(user.lease, BELAY_REUSE);
    UNTIL(atomic_load(&client.closes) >= 1);
    assert_int_equal(belay_peer_acquire_wait(peer, 10000, &lease, NULL), 0);
    belay_lease_release(lease, BELAY_REUSE);
}

static void a_full_queue_is_this_process_own_trouble(void **state)
{
    struct user users[2];

    (void)state;
    loop_options.offload_threads_max = 1;
    loop_options.offload_queue_max = BELAY_NONE;
    options.connect_retry_count = BELAY_NONE;
    set_gate(true);
    open_pool();
    ask(&users[0], on_acquired);
    UNTIL(inside() == 1);
    ask(&users[1], on_acquired);
    for (int i = 0; i < 5; i++)
        turn();
    set_gate(false);
    for (int i = 0; i < 2; i++) {
        UNTIL(users[i].told == 1);
        assert_true(users[i].code == 0 || users[i].code == BELAY_EFULL);
        if (users[i].code == 0)
            belay_lease_release(users[i].lease, BELAY_BROKEN); /* closing waits for room */
    }
}

static void a_loop_may_end_with_everything_under_way(void **state)
{
    static struct user users[6]; /* told when the loop ends */
    struct belay_lease lease;

    (void)state;
    options.max_connections_per_endpoint = 3;
    open_pool();
    assert_int_equal(belay_peer_acquire_wait(peer, 10000, &lease, NULL), 0);
    set_gate(true);
    for (int i = 0; i < 6; i++)
        ask(&users[i], on_acquired);
    UNTIL(inside() == 2);
    shutdown(((struct handle *)belay_lease_state(lease))->other_end, SHUT_RDWR);
    belay_lease_release(lease, BELAY_REUSE);
    belay_loop_close(loop, NULL, NULL);
    set_gate(false);
    /* tear_down frees the loop */
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(many_use_a_few_handles),
        T(a_handle_that_dies_while_idle_is_noticed),
        T(what_an_open_says_is_told),
        T(a_pool_that_closes_waits_for_an_open_that_does_not_end),
        T(an_open_that_takes_too_long_is_closed_when_it_ends),
        T(a_full_queue_is_this_process_own_trouble),
        T(a_loop_may_end_with_everything_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
