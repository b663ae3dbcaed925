/* SPDX-License-Identifier: MIT */
/* The example of a connector under a pool, over real sockets. */
#include <stdio.h>

#include "belay/pool.h"
#include "support/toy_connector.h"
#include "unit/conn/stream_kit.h"

#define ASKS 12

static struct stream_kit kit;
static struct belay_pool *pool;
static struct belay_peer *peer;
static bool pool_closed;

/* One who acquires, asks a line, and gives back. */
struct user {
    struct belay_lease lease;
    unsigned acquired, answered;
    int code;
    enum belay_stage stage;
    char text[BELAY_ERROR_TEXT_MAX];
    char line[64];
    bool keep; /* the lease */
    bool dead; /* no answer came */
};

static void open_pool(struct belay_pool_options *o)
{
    o->connector = toy_connector;
    assert_int_equal(belay_pool_open(kit.net.loop, o, &pool, NULL), 0);
    assert_int_equal(belay_pool_peer(pool, kit.endpoint, &peer), 0);
}

static int set_up(void **state)
{
    struct belay_pool_options o = belay_pool_options_init();

    (void)state;
    stream_kit_set_up(&kit);
    o.max_connections_per_endpoint = 3;
    o.connect_retry_count = BELAY_NONE;
    open_pool(&o);
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

static void on_line(const char *line, void *arg)
{
    struct user *u = arg;

    u->answered++;
    u->dead = line == NULL;
    if (line)
        assert_string_equal(line, u->line);
    if (!u->keep)
        belay_lease_release(u->lease, line ? BELAY_REUSE : BELAY_BROKEN);
}

static void on_acquired(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct user *u = arg;

    u->acquired++;
    u->lease = lease;
    u->code = error ? error->code : 0;
    if (error) {
        u->stage = error->stage;
        memcpy(u->text, error->text, sizeof u->text);
    } else if (u->line[0] && toy_ask(lease, u->line, on_line, u) < 0) {
        belay_lease_release(lease, BELAY_BROKEN);
    }
}

static void begin(struct user *u, const char *line)
{
    memset(u, 0, sizeof *u);
    strcpy(u->line, line);
    assert_int_equal(belay_peer_acquire(peer, NULL, NULL, on_acquired, u), 0);
}

static struct belay_pool_stats stats(void)
{
    struct belay_pool_stats s = belay_pool_stats_init();

    belay_pool_get_stats(pool, &s);
    return s;
}

static void many_ask_over_few_connections(void **state)
{
    struct user users[ASKS];

    (void)state;
    for (int i = 0; i < ASKS; i++) {
        char line[32];

        snprintf(line, sizeof line, "question %d", i);
        begin(&users[i], line);
    }
    for (int i = 0; i < ASKS; i++)
        STREAM_KIT_UNTIL(&kit, users[i].answered == 1);
    assert_int_equal(kit.server.n, 3);
    assert_int_equal(stats().acquired, ASKS);
    assert_int_equal(stats().reused, ASKS - 3);
    assert_int_equal(stats().peak, 3);
}

static void a_refused_greeting_is_a_fatal_error(void **state)
{
    struct user u;

    (void)state;
    kit.server.greeting = "NO, GO AWAY\n";
    begin(&u, "x");
    STREAM_KIT_UNTIL(&kit, u.acquired == 1);
    assert_int_equal(u.code, BELAY_EPROTO);
    assert_int_equal(u.stage, BELAY_STAGE_PROTOCOL);
    assert_non_null(strstr(u.text, "NO, GO AWAY"));
    STREAM_KIT_UNTIL(&kit, toy_server_open_conns(&kit.server) == 0);
}

static void a_server_that_hangs_up_at_the_greeting(void **state)
{
    struct user u;

    (void)state;
    kit.server.hangs_up = true;
    begin(&u, "x");
    STREAM_KIT_UNTIL(&kit, u.acquired == 1);
    assert_int_equal(u.stage, BELAY_STAGE_PROTOCOL);
    assert_true(u.code == BELAY_EEOF || u.code == BELAY_ERESET);
}

static void a_question_that_is_cut_off_is_told(void **state)
{
    struct user u;

    (void)state;
    begin(&u, "");
    STREAM_KIT_UNTIL(&kit, u.acquired == 1);
    kit.server.mute = true;
    assert_int_equal(toy_ask(u.lease, "anybody?", on_line, &u), 0);
    assert_int_equal(toy_ask(u.lease, "twice", on_line, &u), BELAY_EINVAL);
    for (int i = 0; i < 5; i++)
        stream_kit_turn(&kit);
    toy_server_hang_up(&kit.server, 0);
    STREAM_KIT_UNTIL(&kit, u.answered == 1);
    assert_true(u.dead);
    assert_int_equal(toy_ask(u.lease, "after", on_line, &u), BELAY_ESTALE);
    STREAM_KIT_UNTIL(&kit, stats().closing + stats().in_use + stats().idle == 0);
    assert_int_equal(stats().closed[BELAY_REASON_ERROR], 1); /* it was in use */
}

static void a_word_that_nobody_asked_for_makes_it_checked(void **state)
{
    struct user u;

    (void)state;
    begin(&u, "one");
    STREAM_KIT_UNTIL(&kit, u.answered == 1);
    toy_server_say(&kit.server, 0, "psst\n");
    for (int i = 0; i < 20; i++)
        stream_kit_turn(&kit);
    assert_int_equal(stats().idle, 1); /* it answered the check */
    kit.server.mute = true;
    toy_server_say(&kit.server, 0, "psst\n");
    STREAM_KIT_UNTIL(&kit, stats().in_use == 1); /* in the pool's own use */
    toy_server_say(&kit.server, 0, "NO PONG\n");
    STREAM_KIT_UNTIL(&kit, stats().closed[BELAY_REASON_UNHEALTHY] == 1);
}

static void a_server_that_says_bye_gets_nothing_new(void **state)
{
    struct user first, second;

    (void)state;
    begin(&first, "one");
    STREAM_KIT_UNTIL(&kit, first.answered == 1);
    toy_server_say(&kit.server, 0, "BYE\n");
    STREAM_KIT_UNTIL(&kit, stats().closed[BELAY_REASON_DRAINING] == 1);
    STREAM_KIT_UNTIL(&kit, kit.server.conns[0].bye); /* as politely as it came */
    begin(&second, "two");
    STREAM_KIT_UNTIL(&kit, second.answered == 1);
    assert_int_equal(kit.server.n, 2);
}

static void a_taken_connection_is_nobodys_but_the_takers(void **state)
{
    struct belay_stream *stream;
    struct user u;
    bool closed = false;

    (void)state;
    begin(&u, "");
    STREAM_KIT_UNTIL(&kit, u.acquired == 1);
    assert_non_null(belay_lease_stream(u.lease));
    assert_int_equal(belay_lease_take(u.lease, &stream), 0);
    assert_false(belay_lease_valid(u.lease));
    STREAM_KIT_UNTIL(&kit, stats().closed[BELAY_REASON_TAKEN] == 1);
    assert_false(kit.server.conns[0].bye || kit.server.conns[0].end);
    belay_stream_write(stream, "on my own\n", 10);
    STREAM_KIT_UNTIL(&kit, kit.server.conns[0].lines == 1);
    belay_stream_close(stream, 1000, on_closed, &closed);
    STREAM_KIT_UNTIL(&kit, closed && kit.server.conns[0].end);
}

static void closing_says_goodbye(void **state)
{
    struct user u, asking;

    (void)state;
    begin(&u, "one");
    STREAM_KIT_UNTIL(&kit, u.answered == 1);
    kit.server.mute = true;
    begin(&asking, "two");
    STREAM_KIT_UNTIL(&kit, asking.acquired == 1);
    asking.keep = true;
    pool_closed = false;
    belay_pool_close(pool, on_closed, &pool_closed);
    STREAM_KIT_UNTIL(&kit, pool_closed && kit.server.conns[0].end);
    assert_true(kit.server.conns[0].bye);
    assert_true(asking.answered == 1 && asking.dead);
    assert_false(belay_lease_valid(asking.lease));
    belay_peer_unref(peer);
    peer = NULL;
    struct belay_pool_options o = belay_pool_options_init();
    open_pool(&o); /* for the tear-down */
}

/* ---- memory ---- */

/* Everything once: dial, greet, ask, share out, check, lose, take, close. */
static void scenario(void)
{
    struct user users[4];
    struct belay_stream *stream;

    for (int i = 0; i < 4; i++) {
        memset(&users[i], 0, sizeof users[i]);
        strcpy(users[i].line, "line");
        if (belay_peer_acquire(peer, NULL, NULL, on_acquired, &users[i]) < 0) {
            users[i].acquired = 1;
            users[i].code = BELAY_ENOMEM;
        }
    }
    for (int i = 0; i < 4; i++)
        STREAM_KIT_UNTIL(&kit, users[i].acquired == 1 && (users[i].code || users[i].answered == 1 ||
                                                          !belay_lease_valid(users[i].lease)));
    if (kit.server.n > 0 && kit.server.conns[0].fd >= 0)
        toy_server_say(&kit.server, 0, "psst\n");
    for (int i = 0; i < 10; i++)
        stream_kit_turn(&kit);
    if (belay_peer_try_acquire(peer, &users[0].lease) == 0 &&
        belay_lease_take(users[0].lease, &stream) == 0)
        belay_stream_close(stream, 100, NULL, NULL);
    for (unsigned i = 0; i < kit.server.n; i++)
        toy_server_hang_up(&kit.server, i);
    for (int i = 0; i < 5; i++)
        stream_kit_turn(&kit);
}

static void every_allocation_may_fail(void **state)
{
    size_t n;

    (void)state;
    for (n = 1; n < 400; n++) {
        size_t refused;

        if (n > 1)
            set_up(NULL);
        failing_alloc_once(&kit.net.alloc, n);
        scenario();
        refused = failing_alloc_failures(&kit.net.alloc);
        failing_alloc_once(&kit.net.alloc, 0);
        if (refused == 0)
            break;
        tear_down(NULL);
    }
    assert_true(n > 20 && n < 400);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(many_ask_over_few_connections),
        TEST(a_refused_greeting_is_a_fatal_error),
        TEST(a_server_that_hangs_up_at_the_greeting),
        TEST(a_question_that_is_cut_off_is_told),
        TEST(a_word_that_nobody_asked_for_makes_it_checked),
        TEST(a_server_that_says_bye_gets_nothing_new),
        TEST(a_taken_connection_is_nobodys_but_the_takers),
        TEST(closing_says_goodbye),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("keep_pool_toy", tests, NULL, NULL);
}
