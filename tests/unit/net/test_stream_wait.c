/* SPDX-License-Identifier: MIT */
/* Reading and writing for those who block: on the loop's thread, and on another. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/net/net_kit.h"

#define LONG (3u << 20) /* more than a stream and the kernel hold together */

static struct net_kit k;
static struct belay_stream *stream;
static int far;

static int set_up(void **state)
{
    struct belay_addr peer;
    int fd;

    (void)state;
    memset(&k, 0, sizeof k);
    net_kit_set_up(&k);
    far = net_kit_pair(&peer, &fd);
    k.opened++; /* by the test */
    assert_int_equal(bl_stream_new(k.loop, fd, &peer, NULL, &stream), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    belay_stream_close(stream, 0, NULL, NULL);
    net_kit_settle(&k);
    close(far);
    net_kit_tear_down(&k);
    return 0;
}

static void assert_read(const char *text)
{
    char data[64];
    size_t n = 0;

    assert_int_equal(belay_stream_read_wait(stream, data, sizeof data, 10000, &n), 0);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(data, text, n);
}

static void what_comes_is_read_in_pieces(void **state)
{
    char data[3];
    size_t n;

    (void)state;
    assert_int_equal(belay_stream_write_wait(stream, "hello", 5, 1000), 0);
    net_kit_recv(far, (char[8]){0}, 5);
    net_kit_send(far, "abcdefgh");
    assert_int_equal(belay_stream_read_wait(stream, data, 3, 10000, &n), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(data, "abc", 3);
    assert_int_equal(belay_stream_read_wait(stream, data, 3, 10000, &n), 0);
    assert_memory_equal(data, "def", 3);
    assert_read("gh");
}

static void nothing_within_the_limit_is_a_timeout(void **state)
{
    char data[8];
    size_t n = 77;

    (void)state;
    assert_int_equal(belay_stream_read_wait(stream, data, sizeof data, 5, &n), BELAY_ETIMEDOUT);
    assert_int_equal(belay_stream_read_wait(stream, data, sizeof data, 0, &n), BELAY_ETIMEDOUT);
    assert_int_equal(belay_stream_read_wait(stream, data, 0, 5, &n), BELAY_EINVAL);
    assert_int_equal(belay_stream_read_wait(stream, NULL, 5, 5, &n), BELAY_EINVAL);
    assert_int_equal(belay_stream_write_wait(stream, NULL, 5, 5), BELAY_EINVAL);
    assert_int_equal(n, 77);
    net_kit_send(far, "late");
    assert_read("late");
}

static void the_end_comes_after_the_last_byte(void **state)
{
    char data[8];
    size_t n;

    (void)state;
    net_kit_send(far, "last");
    shutdown(far, SHUT_WR);
    assert_read("last");
    assert_int_equal(belay_stream_read_wait(stream, data, sizeof data, 10000, &n), BELAY_EEOF);
    assert_int_equal(belay_stream_read_wait(stream, data, sizeof data, 10000, &n), BELAY_EEOF);
    assert_int_equal(belay_stream_write_wait(stream, "still", 5, 1000), 0);
    net_kit_recv(far, data, 5);
}

static void a_dead_stream_says_so(void **state)
{
    struct linger hard = {.l_onoff = 1};
    char data[8];
    size_t n;

    (void)state;
    setsockopt(far, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(far);
    far = dup(0);
    assert_int_equal(belay_stream_read_wait(stream, data, sizeof data, 10000, &n), BELAY_ERESET);
    assert_int_equal(belay_stream_read_wait(stream, data, sizeof data, 10000, &n), BELAY_ERESET);
    assert_int_equal(belay_stream_write_wait(stream, "x", 1, 1000), BELAY_ERESET);
    belay_stream_close(stream, 0, NULL, NULL);
    assert_int_equal(belay_stream_read_wait(stream, data, sizeof data, 10000, &n), BELAY_ECLOSED);
    assert_int_equal(belay_stream_write_wait(stream, "x", 1, 1000), BELAY_ECLOSED);
}

/* ---- threads ---- */

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

static void *drink(void *arg)
{
    size_t at = 0, *wrong = arg;
    unsigned char data[65536];
    ssize_t n;

    while (at < LONG && (n = read(far, data, sizeof data)) > 0)
        for (ssize_t i = 0; i < n; i++)
            *wrong += data[i] != byte_at(at++);
    *wrong += LONG - at;
    return NULL;
}

static void a_long_write_waits_for_room(void **state)
{
    unsigned char *data = malloc(LONG);
    pthread_t thread;
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < LONG; i++)
        data[i] = byte_at(i);
    assert_int_equal(pthread_create(&thread, NULL, drink, &wrong), 0);
    assert_int_equal(belay_stream_write_wait(stream, data, LONG, 10000), 0);
    free(data);
    while (belay_stream_buffered(stream) > 0)
        assert_int_equal(belay_loop_turn(k.loop, 10), 0);
    pthread_join(thread, NULL);
    assert_int_equal(wrong, 0);
}

static void a_write_that_nobody_reads_ends_at_its_limit(void **state)
{
    char *data = calloc(1, LONG * 4);

    (void)state;
    assert_int_equal(belay_stream_write_wait(stream, data, LONG * 4, 20), BELAY_ETIMEDOUT);
    free(data);
}

static void *echo(void *arg)
{
    char data[16];
    size_t n;
    int rc;

    (void)arg;
    while ((rc = belay_stream_read_wait(stream, data, sizeof data, BELAY_FOREVER, &n)) == 0)
        assert_int_equal(belay_stream_write_wait(stream, data, n, 10000), 0);
    assert_int_equal(rc, BELAY_EEOF);
    belay_loop_stop(k.loop);
    return NULL;
}

static void *ask(void *arg)
{
    char data[5];

    (void)arg;
    for (int i = 0; i < 200; i++) {
        net_kit_send(far, "hello");
        net_kit_recv(far, data, 5);
        assert_memory_equal(data, "hello", 5);
    }
    shutdown(far, SHUT_WR);
    return NULL;
}

static void another_thread_may_talk(void **state)
{
    pthread_t talker, asker;

    (void)state;
    assert_int_equal(belay_loop_turn(k.loop, 0), 0); /* it is run from now on */
    assert_int_equal(pthread_create(&talker, NULL, echo, NULL), 0);
    assert_int_equal(pthread_create(&asker, NULL, ask, NULL), 0);
    assert_int_equal(belay_loop_run(k.loop), 0);
    pthread_join(talker, NULL);
    pthread_join(asker, NULL);
}

/* ---- who else has the stream ---- */

static void disturb(void *arg)
{
    static const struct belay_stream_callbacks none = {.size = sizeof none};

    if (*(bool *)arg)
        belay_stream_close(stream, 0, NULL, NULL);
    else
        belay_stream_set_callbacks(stream, &none, NULL);
}

static void who_waits_is_told_when_others_take_or_close_the_stream(void **state)
{
    bool closes[] = {false, true};
    char data[8];
    size_t n;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(belay_loop_post(k.loop, disturb, &closes[i]), 0);
        assert_int_equal(belay_stream_read_wait(stream, data, sizeof data, BELAY_FOREVER, &n),
                         BELAY_ECLOSED);
    }
    stream = NULL;
}

static struct {
    char read[8];
    atomic_int rc;
} forever;

static void *read_for_ever(void *arg)
{
    size_t n;

    (void)arg;
    atomic_store(&forever.rc, belay_stream_read_wait(stream, forever.read, sizeof forever.read,
                                                     BELAY_FOREVER, &n));
    return NULL;
}

static void a_second_reader_is_refused_and_the_first_goes_on(void **state)
{
    char *much;
    pthread_t thread;
    char data[8];
    size_t n;
    int rc;

    (void)state;
    much = calloc(8, LONG);
    atomic_store(&forever.rc, 1);
    assert_int_equal(belay_loop_turn(k.loop, 0), 0); /* it counts as run from now on */
    assert_int_equal(pthread_create(&thread, NULL, read_for_ever, NULL), 0);
    while (!stream->callbacks) /* until it waits */
        assert_int_equal(belay_loop_turn(k.loop, 1), 0);
    rc = belay_stream_read_wait(stream, data, sizeof data, 1000, &n);
    assert_int_equal(rc, BELAY_EAGAIN);
    assert_int_equal(belay_stream_write_wait(stream, "hello", 5, 1000), 0);
    assert_int_equal(belay_stream_write_wait(stream, much, 8 * LONG, 1000), BELAY_EAGAIN);
    net_kit_send(far, "one");
    while (atomic_load(&forever.rc) == 1)
        assert_int_equal(belay_loop_turn(k.loop, 1), 0);
    pthread_join(thread, NULL);
    assert_int_equal(forever.rc, 0);
    assert_memory_equal(forever.read, "one", 3);
    free(much);
}

static void closing_sends_what_was_written_and_waits_for_it(void **state)
{
    struct belay_stream *s;
    struct belay_addr peer;
    char data[8];
    int fd, other = net_kit_pair(&peer, &fd);

    (void)state;
    k.opened++;
    assert_int_equal(bl_stream_new(k.loop, fd, &peer, NULL, &s), 0);
    assert_int_equal(belay_stream_write(s, "bye", 3), 0);
    assert_int_equal(belay_stream_close_wait(s, 10000), 0);
    assert_int_equal(recv(other, data, sizeof data, MSG_WAITALL), 3);
    assert_int_equal(recv(other, data, sizeof data, 0), 0);
    close(other);
    assert_int_equal(belay_stream_close_wait(NULL, 0), 0);
}

static void what_is_being_closed_cannot_be_closed_again(void **state)
{
    struct belay_stream *s;
    struct belay_addr peer;
    int fd, other = net_kit_pair(&peer, &fd);

    (void)state;
    k.opened++;
    assert_int_equal(bl_stream_new(k.loop, fd, &peer, NULL, &s), 0);
    belay_stream_close(s, 0, NULL, NULL);
    assert_int_equal(belay_stream_close_wait(s, 0), BELAY_ECLOSED);
    close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_comes_is_read_in_pieces),
        TEST(nothing_within_the_limit_is_a_timeout),
        TEST(the_end_comes_after_the_last_byte),
        TEST(a_dead_stream_says_so),
        TEST(a_long_write_waits_for_room),
        TEST(a_write_that_nobody_reads_ends_at_its_limit),
        TEST(another_thread_may_talk),
        TEST(who_waits_is_told_when_others_take_or_close_the_stream),
        TEST(a_second_reader_is_refused_and_the_first_goes_on),
        TEST(closing_sends_what_was_written_and_waits_for_it),
        TEST(what_is_being_closed_cannot_be_closed_again),
    };
    return cmocka_run_group_tests_name("net_stream_wait", tests, NULL, NULL);
}
