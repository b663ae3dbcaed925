/* SPDX-License-Identifier: MIT */
/* The example of a connector that dials by itself, under a pool, over real sockets. */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "belay/pool.h"
#include "support/toy_dialler.h"
#include "unit/conn/stream_kit.h"

static struct stream_kit kit;
static struct belay_pool *pool;
static struct belay_peer *peer;
static bool pool_closed;

struct user {
    unsigned told;
    int code;
    struct belay_lease lease;
    char text[BELAY_ERROR_TEXT_MAX];
};

static int set_up(void **state)
{
    struct belay_pool_options o = belay_pool_options_init();

    (void)state;
    stream_kit_set_up(&kit);
    o.connector = toy_dialler;
    o.connect_retry_count = BELAY_NONE;
    assert_int_equal(belay_pool_open(kit.net.loop, &o, &pool, NULL), 0);
    assert_int_equal(belay_pool_peer(pool, kit.endpoint, &peer), 0);
    return 0;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static int tear_down(void **state)
{
    (void)state;
    pool_closed = false;
    belay_peer_unref(peer);
    belay_pool_close(pool, on_closed, &pool_closed);
    STREAM_KIT_UNTIL(&kit, pool_closed);
    stream_kit_tear_down(&kit);
    return 0;
}

static void on_acquired(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct user *u = arg;

    u->told++;
    u->lease = lease;
    u->code = error ? error->code : 0;
    if (error)
        memcpy(u->text, error->text, sizeof u->text);
}

static struct user acquire(void)
{
    struct user u = {0};

    assert_int_equal(belay_peer_acquire(peer, NULL, NULL, on_acquired, &u), 0);
    STREAM_KIT_UNTIL(&kit, u.told == 1);
    return u;
}

static struct belay_pool_stats stats(void)
{
    struct belay_pool_stats s = belay_pool_stats_init();

    belay_pool_get_stats(pool, &s);
    return s;
}

/* As its user would: a blocking socket. */
static void say(struct toy_handle *h, const char *line)
{
    char answer[64];
    size_t got = 0;

    assert_int_equal(send(h->fd, line, strlen(line), 0), (ssize_t)strlen(line));
    while (got < strlen(line)) {
        ssize_t n;

        toy_server_poll(&kit.server);
        n = recv(h->fd, answer + got, sizeof answer - got, MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
    }
    assert_memory_equal(answer, line, got);
}

static void a_handle_is_lent_and_lent_again(void **state)
{
    struct toy_handle *first;

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct user u = acquire();

        assert_int_equal(u.code, 0);
        if (i == 0)
            first = toy_handle(u.lease);
        assert_ptr_equal(toy_handle(u.lease), first);
        say(first, "one line\n");
        belay_lease_release(u.lease, BELAY_REUSE);
    }
    assert_int_equal(kit.server.n, 1);
    STREAM_KIT_UNTIL(&kit, first->beats > 2); /* what is attached lives as long as it */
}

static void a_server_that_hangs_up_is_noticed_while_idle(void **state)
{
    struct user u = acquire();

    (void)state;
    belay_lease_release(u.lease, BELAY_REUSE);
    toy_server_hang_up(&kit.server, 0);
    STREAM_KIT_UNTIL(&kit, stats().closed[BELAY_REASON_UNHEALTHY] == 1);
    u = acquire();
    assert_int_equal(kit.server.n, 2);
    belay_lease_release(u.lease, BELAY_REUSE);
}

/* Bytes that nobody asked for are there when it is checked: it does not answer PONG. */
static void a_server_that_talks_to_nobody_is_left(void **state)
{
    struct user u = acquire();

    (void)state;
    belay_lease_release(u.lease, BELAY_REUSE);
    toy_server_say(&kit.server, 0, "what?\n");
    STREAM_KIT_UNTIL(&kit, stats().closed[BELAY_REASON_UNHEALTHY] == 1);
}

static void what_its_user_found_broken_is_not_lent_again(void **state)
{
    struct user u = acquire();

    (void)state;
    toy_handle(u.lease)->broken = true;
    belay_lease_release(u.lease, BELAY_REUSE);
    STREAM_KIT_UNTIL(&kit, stats().closed[BELAY_REASON_UNHEALTHY] == 1);
}

static void a_server_that_refuses_is_told(void **state)
{
    struct user u;

    (void)state;
    kit.server.greeting = "NO\n";
    u = acquire();
    assert_int_equal(u.code, BELAY_ECONNECT);
    assert_non_null(strstr(u.text, "does not say OK"));
}

static void a_pool_closes_while_it_opens(void **state)
{
    struct user u = {0};

    (void)state;
    kit.server.mute = true;
    assert_int_equal(belay_peer_acquire(peer, NULL, NULL, on_acquired, &u), 0);
    STREAM_KIT_UNTIL(&kit, kit.server.n == 1);
    pool_closed = false;
    belay_pool_close(pool, on_closed, &pool_closed);
    STREAM_KIT_UNTIL(&kit, pool_closed);
    assert_int_equal(u.code, BELAY_ECLOSED);
    STREAM_KIT_UNTIL(&kit, toy_server_open_conns(&kit.server) == 0);
    {
        struct belay_pool_options o = belay_pool_options_init(); /* for tear_down */

        assert_int_equal(belay_pool_open(kit.net.loop, &o, &pool, NULL), 0);
    }
}

/* Each allocation of belay's fails once while one is opened, used, checked and closed. */
static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    for (size_t n = 1; n < 60; n++) {
        struct user u = {0};

        failing_alloc_once(&kit.net.alloc, n);
        if (belay_peer_acquire(peer, NULL, NULL, on_acquired, &u) == 0)
            STREAM_KIT_UNTIL(&kit, u.told == 1);
        if (u.code == 0 && belay_lease_valid(u.lease)) {
            belay_conn_suspect(belay_lease_conn(u.lease));
            belay_lease_release(u.lease, BELAY_REUSE);
            for (int i = 0; i < 4; i++)
                stream_kit_turn(&kit);
        }
        failing_alloc_once(&kit.net.alloc, 0);
        belay_peer_clear(peer, BELAY_CLEAR_NOW);
        STREAM_KIT_UNTIL(&kit,
                         stats().idle + stats().in_use + stats().dialing + stats().closing == 0);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_handle_is_lent_and_lent_again),       T(a_server_that_hangs_up_is_noticed_while_idle),
        T(a_server_that_talks_to_nobody_is_left), T(what_its_user_found_broken_is_not_lent_again),
        T(a_server_that_refuses_is_told),         T(a_pool_closes_while_it_opens),
        T(memory_may_run_out_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
