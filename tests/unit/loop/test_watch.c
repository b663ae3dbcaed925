/* SPDX-License-Identifier: MIT */
/* Watches on the libuv backend: events, errors, masks, many descriptors, reuse of handles. */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_world.h"

static struct belay_loop *loop;

struct seen {
    struct belay_watch *watch;
    int fd;
    unsigned events;
    int times;
    unsigned then; /* new mask, or KEEP, or FREE */
};
enum { KEEP = 100, FREE };

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(belay_loop_new(NULL, &loop, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    belay_loop_free(loop);
    return 0;
}

static void on_event(unsigned events, void *arg)
{
    struct seen *s = arg;
    s->events = events;
    s->times++;
    if (s->then == FREE)
        belay_watch_free(s->watch);
    else if (s->then != KEEP)
        assert_int_equal(belay_watch_set(s->watch, s->then), 0);
}

static void see(struct seen *s, int fd, unsigned mask, unsigned then)
{
    *s = (struct seen){.fd = fd, .then = then};
    assert_int_equal(belay_watch_new(loop, fd, mask, on_event, s, &s->watch), 0);
}

static void turn(void)
{
    assert_int_equal(belay_loop_turn(loop, 0), 0);
}

static void a_descriptor_that_blocks_goes_on_blocking(void **state)
{
    (void)state;
    int fd[2];
    struct seen s;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    see(&s, fd[0], BELAY_READABLE, KEEP);
    turn();
    assert_int_equal(fcntl(fd[0], F_GETFL) & O_NONBLOCK, 0);
    belay_watch_free(s.watch);
    assert_int_equal(fcntl(fd[0], F_SETFL, O_RDWR | O_NONBLOCK), 0);
    see(&s, fd[0], BELAY_READABLE, KEEP);
    assert_true(fcntl(fd[0], F_GETFL) & O_NONBLOCK);
    belay_watch_free(s.watch);
    close(fd[0]);
    close(fd[1]);
}

static void a_watch_is_level_triggered_and_follows_its_mask(void **state)
{
    (void)state;
    int fd[2];
    struct seen s;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    see(&s, fd[0], BELAY_READABLE, KEEP);
    turn();
    assert_int_equal(s.times, 0);
    assert_int_equal(write(fd[1], "x", 1), 1);
    turn();
    turn();
    assert_int_equal(s.times, 2);
    assert_int_equal(s.events, BELAY_READABLE);
    assert_int_equal(belay_watch_set(s.watch, BELAY_READABLE | BELAY_WRITABLE), 0);
    turn();
    assert_int_equal(s.times, 3);
    assert_int_equal(s.events, BELAY_READABLE | BELAY_WRITABLE);
    assert_int_equal(belay_watch_set(s.watch, BELAY_WRITABLE), 0);
    turn();
    assert_int_equal(s.events, BELAY_WRITABLE);
    assert_int_equal(belay_watch_set(s.watch, 0), 0);
    turn();
    assert_int_equal(s.times, 4);
    assert_int_equal(belay_watch_set(s.watch, BELAY_READABLE), 0);
    turn();
    assert_int_equal(s.times, 5);
    belay_watch_free(s.watch);
    belay_watch_free(NULL);
    close(fd[0]);
    close(fd[1]);
}

/* A connection of loopback TCP; fd[1] is the accepting side. */
static void tcp_pair(int fd[2])
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, len), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(listen(listener, 1), 0);
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd[0], (struct sockaddr *)&a, len), 0);
    fd[1] = accept(listener, NULL, NULL);
    assert_true(fd[1] >= 0);
    close(listener);
}

static void reset_by(int fd)
{
    struct linger l = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l), 0);
    close(fd);
}

static void an_error_shows_as_all_that_is_watched_for_until_it_is_dealt_with(void **state)
{
    (void)state;
    int fd[2];
    struct seen s;
    char byte;
    tcp_pair(fd);
    see(&s, fd[0], BELAY_READABLE, KEEP);
    turn();
    reset_by(fd[1]);
    assert_int_equal(belay_loop_turn(loop, 10000), 0);
    assert_int_equal(s.times, 1);
    assert_int_equal(s.events, BELAY_READABLE);
    turn();
    assert_int_equal(s.times, 2); /* still level-triggered, though libuv stopped it */
    assert_int_equal(read(fd[0], &byte, 1), -1);
    s.then = FREE;
    turn();
    turn();
    assert_int_equal(s.times, 3);
    close(fd[0]);
}

static void an_error_wakes_a_writer_too(void **state)
{
    (void)state;
    int fd[2];
    struct seen s;
    tcp_pair(fd);
    reset_by(fd[1]);
    see(&s, fd[0], BELAY_READABLE | BELAY_WRITABLE, FREE);
    assert_int_equal(belay_loop_turn(loop, 10000), 0);
    assert_int_equal(s.times, 1);
    assert_int_equal(s.events, BELAY_READABLE | BELAY_WRITABLE);
    close(fd[0]);
}

static void what_cannot_be_watched_is_refused(void **state)
{
    (void)state;
    struct belay_watch *watch;
    struct seen s = {0};
    int fd = open("/proc/self/exe", O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(belay_watch_new(loop, fd, BELAY_READABLE, on_event, &s, &watch), BELAY_EINVAL);
    close(fd);
    assert_int_equal(belay_watch_new(loop, fd, BELAY_READABLE, on_event, &s, &watch), BELAY_EINVAL);
    assert_int_equal(belay_loop_run(loop), 0);
}

static void a_watch_freed_by_another_of_the_same_turn_is_silent(void **state)
{
    (void)state;
    int fd[2];
    struct seen a, b;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    see(&a, fd[0], BELAY_WRITABLE, FREE);
    see(&b, fd[1], BELAY_WRITABLE, FREE);
    /* Each frees the other: only one can be heard. */
    struct belay_watch *other = a.watch;
    a.watch = b.watch;
    b.watch = other;
    turn();
    assert_int_equal(a.times + b.times, 1);
    belay_watch_free(a.times ? b.watch : a.watch);
    close(fd[0]);
    close(fd[1]);
}

static void descriptors_and_handles_are_reused_many_times(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        int fd[2];
        struct seen a, b;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
        see(&a, fd[0], BELAY_WRITABLE, FREE);
        see(&b, fd[1], BELAY_READABLE, KEEP);
        assert_int_equal(write(fd[0], "x", 1), 1);
        turn();
        assert_int_equal(a.times, 1);
        assert_int_equal(b.times, 1);
        belay_watch_free(b.watch);
        close(fd[0]);
        close(fd[1]);
    }
}

static void a_closed_peer_shows_as_readable(void **state)
{
    (void)state;
    int fd[2];
    struct seen s;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    see(&s, fd[0], BELAY_READABLE, FREE);
    close(fd[1]);
    assert_int_equal(belay_loop_run(loop), 0); /* and ends when nothing is watched any more */
    assert_int_equal(s.times, 1);
    close(fd[0]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_descriptor_that_blocks_goes_on_blocking),
        T(a_watch_is_level_triggered_and_follows_its_mask),
        T(an_error_shows_as_all_that_is_watched_for_until_it_is_dealt_with),
        T(an_error_wakes_a_writer_too),
        T(what_cannot_be_watched_is_refused),
        T(a_watch_freed_by_another_of_the_same_turn_is_silent),
        T(descriptors_and_handles_are_reused_many_times),
        T(a_closed_peer_shows_as_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
