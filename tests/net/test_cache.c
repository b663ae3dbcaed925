/* SPDX-License-Identifier: MIT */
/* A cache over real sockets: inactive ones are watched, and what is found works. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "belay/cache.h"
#include "unit/net/net_kit.h"

static struct net_kit kit;
static struct belay_cache *cache;
static struct belay_cache_peer peer;
static int owner;

static struct {
    unsigned n;
    enum belay_reason reason;
    void *owner;
    struct belay_cached what;
} told;

static void on_closed(void *whose, const struct belay_cache_entry *entry, enum belay_reason reason,
                      void *arg)
{
    struct belay_cache_facts f = belay_cache_facts_init();

    assert_ptr_equal(arg, &told);
    belay_cache_entry_facts(entry, &f);
    told.n++;
    told.reason = reason;
    told.owner = whose;
    told.what = f.what;
}

static void open_cache(bool no_watch)
{
    struct belay_cache_options o = belay_cache_options_init();

    o.no_watch = no_watch;
    o.on_closed = on_closed;
    o.on_closed_arg = &told;
    assert_int_equal(belay_cache_open(kit.loop, &o, &cache, NULL), 0);
}

static int set_up(void **state)
{
    (void)state;
    net_kit_set_up(&kit);
    memset(&told, 0, sizeof told);
    peer = belay_cache_direct("127.0.0.1", 80);
    open_cache(false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    net_kit_tear_down(&kit); /* the loop closes the cache */
    return 0;
}

static void until_told(unsigned n)
{
    for (int i = 0; told.n < n && i < 10000; i++)
        belay_loop_turn(kit.loop, 10);
    assert_int_equal(told.n, n);
}

static void assert_told(enum belay_reason reason)
{
    until_told(1);
    assert_string_equal(belay_reason_name(told.reason), belay_reason_name(reason));
    net_kit_settle(&kit);
}

static void put_away(const struct belay_cached *what)
{
    struct belay_error e;

    if (belay_cache_set_inactive(cache, what, &peer, 0, NULL, &e) != BELAY_KEPT)
        fail_msg("%s", e.text);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* ---- descriptors ---- */

static void descriptor_is_closed_with_its_peer(void **state)
{
    struct belay_addr addr;
    int ours, theirs = net_kit_pair(&addr, &ours);
    struct belay_cached what = belay_cached_descriptor(ours);

    (void)state;
    put_away(&what);
    net_kit_settle(&kit);
    assert_int_equal(told.n, 0);
    close(theirs);
    assert_told(BELAY_REASON_PEER_CLOSED);
    assert_false(is_open(ours));
    assert_int_equal(belay_cache_get_state(cache, &what, NULL), BELAY_CACHE_UNKNOWN);
}

static void descriptor_that_speaks_unasked_is_closed(void **state)
{
    struct belay_addr addr;
    int ours, theirs = net_kit_pair(&addr, &ours);
    struct belay_cached what = belay_cached_descriptor(ours);

    (void)state;
    put_away(&what);
    net_kit_send(theirs, "boo");
    assert_told(BELAY_REASON_UNHEALTHY);
    assert_false(is_open(ours));
    close(theirs);
}

static void descriptor_that_is_found_works(void **state)
{
    struct belay_addr addr;
    int ours, theirs = net_kit_pair(&addr, &ours);
    struct belay_cached what = belay_cached_descriptor(ours), found;
    char got[4];

    (void)state;
    put_away(&what);
    assert_int_equal(belay_cache_find_inactive(cache, &peer, 0, &owner, &found, NULL), 0);
    assert_int_equal(found.fd, ours);
    net_kit_send(theirs, "ping"); /* no business of the cache's any more */
    net_kit_settle(&kit);
    assert_int_equal(told.n, 0);
    net_kit_recv(ours, got, 4);
    assert_memory_equal(got, "ping", 4);
    assert_int_equal(belay_cache_close_connection(cache, &found), 0);
    assert_told(BELAY_REASON_OWNER_CLOSED);
    assert_ptr_equal(told.owner, &owner);
    net_kit_recv_end(theirs);
    close(theirs);
}

static void pair_of_local_sockets_is_as_good(void **state)
{
    struct belay_cached what;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    what = belay_cached_descriptor(pair[0]);
    put_away(&what);
    close(pair[1]);
    assert_told(BELAY_REASON_PEER_CLOSED);
    assert_false(is_open(pair[0]));
}

static void file_cannot_be_watched(void **state)
{
    int fd = open("/proc/self/exe", O_RDONLY);
    struct belay_cached what = belay_cached_descriptor(fd);
    struct belay_error e;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(belay_cache_set_inactive(cache, &what, &peer, 0, NULL, &e), BELAY_EINVAL);
    assert_non_null(strstr(e.text, "it cannot be watched"));
    assert_int_equal(belay_cache_get_state(cache, &what, NULL), BELAY_CACHE_UNKNOWN);
    close(fd);
}

/* ---- streams ---- */

static struct belay_stream *stream_of(int *ret_theirs)
{
    struct belay_stream *stream;
    struct belay_addr addr;
    int ours;

    *ret_theirs = net_kit_pair(&addr, &ours);
    assert_int_equal(bl_stream_new(kit.loop, ours, &addr, NULL, &stream), 0);
    return stream;
}

static char heard[64];
static unsigned lost;

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    (void)stream;
    (void)arg;
    assert_true(strlen(heard) + len < sizeof heard);
    strncat(heard, data, len);
    return len;
}

static void on_end(struct belay_stream *stream, void *arg)
{
    (void)stream;
    (void)arg;
    lost++;
}

static const struct belay_stream_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_data = on_data,
    .on_end = on_end,
};

static void stream_is_closed_with_its_peer(void **state)
{
    struct belay_cached what;
    int theirs;

    (void)state;
    lost = 0;
    what = belay_cached_stream(stream_of(&theirs));
    belay_stream_set_callbacks(what.stream, &callbacks, NULL);
    assert_int_equal(belay_cache_set_active(cache, &what, &owner, NULL), 0);
    put_away(&what);
    close(theirs);
    assert_told(BELAY_REASON_PEER_CLOSED);
    assert_int_equal(lost, 0); /* the former owner has no more to do with it */
}

static void stream_that_speaks_unasked_is_closed(void **state)
{
    struct belay_cached what;
    int theirs;

    (void)state;
    what = belay_cached_stream(stream_of(&theirs));
    put_away(&what);
    net_kit_send(theirs, "boo");
    assert_told(BELAY_REASON_UNHEALTHY);
    net_kit_recv_end(theirs);
    close(theirs);
}

static void stream_that_is_found_works(void **state)
{
    struct belay_cached what, found;
    char got[4];
    int theirs;

    (void)state;
    heard[0] = '\0';
    what = belay_cached_stream(stream_of(&theirs));
    belay_stream_pause(what.stream);
    put_away(&what);
    assert_int_equal(belay_cache_find_inactive(cache, &peer, 0, NULL, &found, NULL), 0);
    assert_ptr_equal(found.stream, what.stream);
    belay_stream_set_callbacks(found.stream, &callbacks, NULL);
    assert_int_equal(belay_stream_write(found.stream, "ping", 4), 0);
    net_kit_settle(&kit);
    net_kit_recv(theirs, got, 4);
    net_kit_send(theirs, "pong");
    for (int i = 0; !heard[0] && i < 1000; i++)
        belay_loop_turn(kit.loop, 10);
    assert_string_equal(heard, "pong");
    belay_stream_close(found.stream, 0, NULL, NULL);
    net_kit_settle(&kit);
    assert_int_equal(told.n, 0);
    close(theirs);
}

static void stream_that_has_ended_is_refused(void **state)
{
    struct belay_cached what;
    int theirs;

    (void)state;
    lost = 0;
    what = belay_cached_stream(stream_of(&theirs));
    belay_stream_set_callbacks(what.stream, &callbacks, NULL);
    assert_int_equal(belay_cache_set_active(cache, &what, &owner, NULL), 0);
    close(theirs);
    for (int i = 0; !lost && i < 1000; i++)
        belay_loop_turn(kit.loop, 10);
    assert_int_equal(lost, 1); /* its owner hears it as ever */
    assert_int_equal(belay_cache_set_inactive(cache, &what, &peer, 0, NULL, NULL), BELAY_REFUSED);
    assert_int_equal(belay_cache_get_state(cache, &what, NULL), BELAY_CACHE_UNKNOWN);
    belay_stream_close(what.stream, 0, NULL, NULL);
    net_kit_settle(&kit);
    assert_int_equal(told.n, 0);
}

static size_t take_nothing(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    (void)stream;
    (void)data;
    (void)len;
    lost++;
    (void)arg;
    return 0;
}

static void stream_with_bytes_left_over_is_refused(void **state)
{
    static const struct belay_stream_callbacks lazy = {.size = sizeof lazy,
                                                       .on_data = take_nothing};
    struct belay_cached what;
    int theirs;

    (void)state;
    lost = 0;
    what = belay_cached_stream(stream_of(&theirs));
    belay_stream_set_callbacks(what.stream, &lazy, NULL);
    net_kit_send(theirs, "left over");
    for (int i = 0; !lost && i < 1000; i++)
        belay_loop_turn(kit.loop, 10);
    assert_int_equal(belay_cache_set_inactive(cache, &what, &peer, 0, NULL, NULL), BELAY_REFUSED);
    belay_stream_close(what.stream, 0, NULL, NULL);
    close(theirs);
}

static void stream_belongs_to_one_cache(void **state)
{
    struct belay_cache *second;
    struct belay_cached what;
    struct belay_error e;
    int theirs;

    (void)state;
    assert_int_equal(belay_cache_open(kit.loop, NULL, &second, NULL), 0);
    what = belay_cached_stream(stream_of(&theirs));
    assert_int_equal(belay_cache_set_active(cache, &what, &owner, NULL), 0);
    assert_int_equal(belay_cache_set_active(second, &what, &owner, &e), BELAY_EINVAL);
    assert_non_null(strstr(e.text, "it is on lease, or in another cache"));
    assert_int_equal(belay_cache_set_inactive(second, &what, &peer, 0, NULL, &e), BELAY_EINVAL);
    assert_int_equal(belay_cache_forget(cache, &what), 0);
    assert_int_equal(belay_cache_set_active(second, &what, &owner, &e), 0);
    belay_cache_close_all(second);
    net_kit_settle(&kit);
    net_kit_recv_end(theirs);
    close(theirs);
}

static void closing_sends_what_an_active_stream_has_written(void **state)
{
    struct belay_cached what;
    char got[4];
    int theirs;

    (void)state;
    what = belay_cached_stream(stream_of(&theirs));
    assert_int_equal(belay_cache_set_active(cache, &what, &owner, NULL), 0);
    assert_int_equal(belay_stream_write(what.stream, "last", 4), 0);
    belay_cache_close_all(cache);
    assert_told(BELAY_REASON_CLEARED);
    assert_ptr_equal(told.owner, &owner);
    net_kit_recv(theirs, got, 4);
    assert_memory_equal(got, "last", 4);
    net_kit_recv_end(theirs);
    close(theirs);
}

static bool gone;

static void on_gone(void *arg)
{
    assert_ptr_equal(arg, &gone);
    gone = true;
}

static void cache_is_closed_when_its_streams_are(void **state)
{
    struct belay_cached active, inactive;
    int a, b;

    (void)state;
    gone = false;
    active = belay_cached_stream(stream_of(&a));
    inactive = belay_cached_stream(stream_of(&b));
    assert_int_equal(belay_cache_set_active(cache, &active, &owner, NULL), 0);
    put_away(&inactive);
    belay_cache_close(cache, on_gone, &gone);
    net_kit_until(&kit, &gone);
    assert_int_equal(told.n, 2);
    net_kit_recv_end(a);
    net_kit_recv_end(b);
    close(a);
    close(b);
}

static void loop_that_ends_closes_streams_once(void **state)
{
    struct belay_cached active, inactive;
    int a, b;

    (void)state;
    active = belay_cached_stream(stream_of(&a));
    inactive = belay_cached_stream(stream_of(&b));
    assert_int_equal(belay_cache_set_active(cache, &active, &owner, NULL), 0);
    put_away(&inactive);
    net_kit_tear_down(&kit);
    assert_int_equal(told.n, 2);
    net_kit_recv_end(a);
    net_kit_recv_end(b);
    close(a);
    close(b);
    net_kit_set_up(&kit);
}

static void unwatched_ones_are_given_though_dead(void **state)
{
    struct belay_addr addr;
    int ours, theirs = net_kit_pair(&addr, &ours), other;
    struct belay_cached fd = belay_cached_descriptor(ours), stream, found;

    (void)state;
    belay_cache_close(cache, NULL, NULL);
    open_cache(true);
    stream = belay_cached_stream(stream_of(&other));
    put_away(&fd);
    put_away(&stream);
    close(theirs);
    net_kit_send(other, "boo");
    net_kit_turn_for(&kit, 20);
    assert_int_equal(told.n, 0);
    assert_int_equal(belay_cache_find_inactive(cache, &peer, 0, &owner, &found, NULL), 0);
    assert_ptr_equal(found.stream, stream.stream);
    heard[0] = '\0';
    belay_stream_set_callbacks(found.stream, &callbacks, NULL); /* it reads again */
    for (int i = 0; !heard[0] && i < 1000; i++)
        belay_loop_turn(kit.loop, 10);
    assert_string_equal(heard, "boo");
    assert_int_equal(belay_cache_find_inactive(cache, &peer, 0, &owner, &found, NULL), 0);
    assert_int_equal(found.fd, ours);
    close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(descriptor_is_closed_with_its_peer),
        TEST(descriptor_that_speaks_unasked_is_closed),
        TEST(descriptor_that_is_found_works),
        TEST(pair_of_local_sockets_is_as_good),
        TEST(file_cannot_be_watched),
        TEST(stream_is_closed_with_its_peer),
        TEST(stream_that_speaks_unasked_is_closed),
        TEST(stream_that_is_found_works),
        TEST(stream_that_has_ended_is_refused),
        TEST(stream_with_bytes_left_over_is_refused),
        TEST(stream_belongs_to_one_cache),
        TEST(closing_sends_what_an_active_stream_has_written),
        TEST(cache_is_closed_when_its_streams_are),
        TEST(loop_that_ends_closes_streams_once),
        TEST(unwatched_ones_are_given_though_dead),
    };
    return cmocka_run_group_tests_name("net_cache", tests, NULL, NULL);
}
