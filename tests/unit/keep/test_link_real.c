/* SPDX-License-Identifier: MIT */
/* Links over real sockets: a server that restarts, one of two that dies, streams that are taken; and
 * threads that block until a link is up. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "belay/link.h"
#include "loop/loop.h"
#include "unit/conn/stream_kit.h"

static struct stream_kit kit;
static struct belay_link *link_;
static unsigned events[BELAY_LINK_DISCONNECTED + 1];
static struct belay_error last;
static bool closed;
static bool listen_in_connected;

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    (void)link;
    (void)arg;
    events[event->type]++;
    if (event->error)
        last = *event->error;
    if (event->type == BELAY_LINK_CONNECTED && listen_in_connected)
        stream_kit_gather(&kit, belay_lease_stream(event->lease));
}

static struct belay_link_options options(void)
{
    struct belay_link_options o = belay_link_options_init();

    o.server_name = "toy";
    o.retry_delay_ms = 20;
    o.on_event = on_event;
    return o;
}

/* Its port may be listened on again while connections of it are dying. */
static void may_return(struct toy_server *s)
{
    int yes = 1;

    assert_int_equal(setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
}

static int set_up(void **state)
{
    (void)state;
    link_ = NULL;
    memset(events, 0, sizeof events);
    closed = listen_in_connected = false;
    stream_kit_set_up(&kit);
    may_return(&kit.server);
    return 0;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static int tear_down(void **state)
{
    (void)state;
    belay_link_close(link_, on_closed, &closed);
    STREAM_KIT_UNTIL(&kit, closed);
    stream_kit_tear_down(&kit);
    return 0;
}

static void open_link(void)
{
    struct belay_link_options o = options();

    assert_int_equal(belay_link_open_to(kit.endpoint, &o, &link_, NULL), 0);
}

/* The port that it had. */
static void listen_again(struct toy_server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(s->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(s->fd >= 0);
    may_return(s);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->fd, 64), 0);
}

static struct belay_stream *stream(void)
{
    struct belay_lease lease;

    assert_int_equal(belay_link_current(link_, &lease), 0);
    return belay_lease_stream(lease);
}

static void talk(const char *line)
{
    kit.got[0] = 0;
    stream_kit_gather(&kit, stream());
    assert_int_equal(belay_stream_write(stream(), line, strlen(line)), 0);
    STREAM_KIT_UNTIL(&kit, strcmp(kit.got, line) == 0);
}

static void a_server_that_restarts_is_found_again(void **state)
{
    (void)state;
    open_link();
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_CONNECTED] == 1);
    talk("one\n");
    toy_server_close(&kit.server);
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_DISCONNECTED] == 1);
    assert_int_equal(last.code, BELAY_EEOF);
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_FAILED_TO_CONNECT] == 1);
    assert_int_equal(last.code, BELAY_ECONNECT);
    assert_int_equal(last.stage, BELAY_STAGE_CONNECT);
    listen_again(&kit.server);
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_CONNECTED] == 2);
    talk("two\n");
    assert_int_equal(events[BELAY_LINK_ATTEMPTING_TO_CONNECT], 2);
    assert_int_equal(events[BELAY_LINK_FAILED_TO_CONNECT], 1); /* it said the same each time */
}

static void when_one_of_two_servers_dies_the_other_is_used(void **state)
{
    struct belay_endpoint *both[2];
    struct belay_link_options o = options();
    struct belay_source *source;
    struct toy_server other;

    (void)state;
    toy_server_open(&other);
    both[0] = kit.endpoint;
    both[1] = stream_kit_endpoint(&kit, other.port);
    assert_int_equal(belay_source_list(kit.net.loop, both, 2, BELAY_SOURCE_IN_ORDER, &source), 0);
    assert_int_equal(belay_link_open(source, &o, &link_, NULL), 0);
    belay_source_unref(source);
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_CONNECTED] == 1);
    assert_ptr_equal(belay_link_address(link_), both[0]);
    toy_server_close(&kit.server);
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_CONNECTED] == 2);
    assert_ptr_equal(belay_link_address(link_), both[1]);
    assert_int_equal(events[BELAY_LINK_FAILED_TO_CONNECT], 0);
    toy_server_close(&other);
    belay_endpoint_unref(both[1]);
}

static void a_stream_that_is_taken_lives_on_and_the_link_dials_the_next(void **state)
{
    struct belay_stream *taken;
    struct belay_lease lease;

    (void)state;
    open_link();
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_CONNECTED] == 1);
    assert_int_equal(belay_link_current(link_, &lease), 0);
    assert_int_equal(belay_lease_take(lease, &taken), 0);
    assert_false(belay_lease_valid(lease));
    assert_int_equal(events[BELAY_LINK_DISCONNECTED], 0); /* not within the call */
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_CONNECTED] == 2);
    assert_int_equal(events[BELAY_LINK_DISCONNECTED], 1);
    stream_kit_gather(&kit, taken);
    assert_int_equal(belay_stream_write(taken, "mine\n", 5), 0);
    STREAM_KIT_UNTIL(&kit, strcmp(kit.got, "mine\n") == 0);
    talk("yours\n");
    belay_stream_close(taken, 0, NULL, NULL);
}

static void what_the_server_says_first_is_heard(void **state)
{
    (void)state;
    listen_in_connected = true;
    open_link();
    STREAM_KIT_UNTIL(&kit, kit.server.n == 1);
    toy_server_say(&kit.server, 0, "welcome\n");
    STREAM_KIT_UNTIL(&kit, strcmp(kit.got, "welcome\n") == 0);
    assert_int_equal(events[BELAY_LINK_DISCONNECTED], 0);
}

static void a_reset_is_seen_while_nobody_reads(void **state)
{
    (void)state;
    open_link();
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_CONNECTED] == 1);
    toy_server_reset(&kit.server, 0);
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_DISCONNECTED] == 1);
    assert_int_equal(last.code, BELAY_ERESET);
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_CONNECTED] == 2);
}

/* What was written is sent before the connection is closed. */
static void closing_sends_what_was_written(void **state)
{
    (void)state;
    open_link();
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_CONNECTED] == 1);
    assert_int_equal(belay_stream_write(stream(), "BYE\n", 4), 0);
    belay_link_close(link_, on_closed, &closed);
    STREAM_KIT_UNTIL(&kit, closed);
    STREAM_KIT_UNTIL(&kit, kit.server.conns[0].bye && kit.server.conns[0].end);
    closed = false;
    open_link(); /* for the end of the test */
}

/* ---- blocking ---- */

static void wait_in_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    struct belay_lease lease;
    struct belay_error error;

    (void)event;
    assert_int_equal(belay_link_connected_wait(link, 100, &lease, &error), BELAY_EDEADLK);
    assert_int_equal(error.code, BELAY_EDEADLK);
    ++*(unsigned *)arg;
}

static struct belay_addr tried;

static void on_slow(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    on_event(link, event, arg);
    if (event->type != BELAY_LINK_FAILED_TO_CONNECT)
        return;
    assert_int_equal(event->error->tried_n, 1);
    tried = event->error->tried[0].addr;
}

static void the_limit_of_an_attempt_tells_what_was_tried(void **state)
{
    struct belay_link_options o = options();
    struct belay_endpoint *endpoint;
    struct net_kit_full full;
    struct belay_addr addr;
    char url[64];

    (void)state;
    net_kit_full_open(&full, &addr);
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", addr.port);
    assert_int_equal(belay_endpoint_parse(kit.net.loop, url, &endpoint, NULL), 0);
    o.attempt_timeout_ms = 20;
    o.on_event = on_slow;
    assert_int_equal(belay_link_open_to(endpoint, &o, &link_, NULL), 0);
    belay_endpoint_unref(endpoint);
    STREAM_KIT_UNTIL(&kit, events[BELAY_LINK_FAILED_TO_CONNECT]);
    assert_int_equal(last.code, BELAY_ETIMEDOUT);
    assert_int_equal(last.stage, BELAY_STAGE_CONNECT);
    assert_non_null(strstr(last.text, ": not connected within 20 ms (tried 127.0.0.1:"));
    assert_int_equal(tried.port, addr.port);
    net_kit_full_close(&full);
}

static void who_blocks_on_the_loops_thread_turns_the_loop(void **state)
{
    struct belay_link_options o = options();
    struct belay_lease lease;
    struct belay_error error;
    unsigned told = 0;

    (void)state;
    o.on_event = wait_in_event;
    o.event_arg = &told;
    assert_int_equal(belay_link_open_to(kit.endpoint, &o, &link_, NULL), 0);
    assert_int_equal(belay_link_connected_wait(link_, 10000, &lease, NULL), 0);
    assert_true(belay_lease_valid(lease));
    assert_int_equal(belay_link_connected_or_failed_wait(link_, BELAY_FOREVER, &lease, NULL), 0);
    assert_int_equal(told, 3);
    toy_server_close(&kit.server);
    STREAM_KIT_UNTIL(&kit, told >= 4); /* the next attempt may be told in the same turn */
    assert_int_equal(belay_link_connected_or_failed_wait(link_, 10000, &lease, &error),
                     BELAY_ECONNECT);
    assert_int_equal(error.stage, BELAY_STAGE_CONNECT);
    assert_int_equal(belay_link_connected_wait(link_, 30, &lease, &error), BELAY_ETIMEDOUT);
    assert_non_null(strstr(error.text, "toy"));
    assert_int_equal(belay_link_connected_wait(link_, 0, &lease, &error), BELAY_ETIMEDOUT);
}

/* A loop on a thread of its own, with one link. */
static struct {
    pthread_t thread;
    uint16_t port;
    struct belay_link *link;
    struct belay_loop *loop;
    atomic_bool ready;
} other;

static void *run_loop(void *arg)
{
    struct belay_link_options o = belay_link_options_init();
    struct belay_endpoint *endpoint;
    char url[64];

    (void)arg;
    o.retry_delay_ms = 10;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", other.port);
    assert_int_equal(belay_loop_new(NULL, &other.loop, NULL), 0);
    assert_int_equal(belay_endpoint_parse(other.loop, url, &endpoint, NULL), 0);
    assert_int_equal(belay_link_open_to(endpoint, &o, &other.link, NULL), 0);
    belay_endpoint_unref(endpoint);
    assert_int_equal(belay_loop_turn(other.loop, 0), 0); /* it counts as run from now on */
    atomic_store(&other.ready, true);
    assert_int_equal(belay_loop_run(other.loop), 0);
    belay_loop_free(other.loop);
    return NULL;
}

static void close_other(void *arg)
{
    belay_link_close(arg, NULL, NULL);
}

static void other_threads_block_until_it_is_up_or_fails(void **state)
{
    struct toy_server server;
    struct belay_lease lease;
    struct belay_error error;

    (void)state;
    toy_server_open(&server);
    may_return(&server);
    other.port = server.port;
    atomic_store(&other.ready, false);
    assert_int_equal(pthread_create(&other.thread, NULL, run_loop, NULL), 0);
    while (!atomic_load(&other.ready))
        sched_yield();
    assert_int_equal(belay_link_connected_wait(other.link, 10000, &lease, &error), 0);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    toy_server_poll(&server);
    toy_server_close(&server);
    do {
        error.code = belay_link_connected_or_failed_wait(other.link, 10000, &lease, NULL);
        belay_lease_release(lease, BELAY_REUSE);
    } while (error.code == 0); /* until it has heard of the end */
    assert_int_equal(error.code, BELAY_ECONNECT);
    assert_int_equal(belay_link_connected_wait(other.link, 50, &lease, &error), BELAY_ETIMEDOUT);
    assert_non_null(strstr(error.text, "none within 50 ms"));
    listen_again(&server);
    assert_int_equal(belay_link_connected_wait(other.link, 10000, &lease, &error), 0);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    assert_int_equal(belay_loop_post(other.loop, close_other, other.link), 0);
    assert_int_equal(pthread_join(other.thread, NULL), 0);
    toy_server_close(&server);
    open_link();
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_server_that_restarts_is_found_again),
        T(when_one_of_two_servers_dies_the_other_is_used),
        T(a_stream_that_is_taken_lives_on_and_the_link_dials_the_next),
        T(what_the_server_says_first_is_heard),
        T(a_reset_is_seen_while_nobody_reads),
        T(closing_sends_what_was_written),
        T(the_limit_of_an_attempt_tells_what_was_tried),
        T(who_blocks_on_the_loops_thread_turns_the_loop),
        T(other_threads_block_until_it_is_up_or_fails),
    };
    return cmocka_run_group_tests_name("keep_link_real", tests, NULL, NULL);
}
