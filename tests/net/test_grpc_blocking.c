/* SPDX-License-Identifier: MIT */
/* Calls with many messages, of those who block, on another thread and on the loop's own. */
#include "grpc_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct grpc_kit k;
static struct belay_rpc_stream *stream;
static struct belay_unary_result result;

static void begin(void)
{
    memset(&k, 0, sizeof k);
    grpc_open(&k, NULL);
    h2_turn(&k.h2);
    stream = NULL;
    memset(&result, 0, sizeof result);
    result.size = sizeof result;
}

/* What the other thread does, while this one turns. cmocka's assertions are this one's. */
struct elsewhere {
    pthread_t thread;
    const char *(*run)(void); /* NULL: all was well; or what was not */
    const char *complaint;
    atomic_bool done;
};

static void *run_elsewhere(void *arg)
{
    struct elsewhere *e = arg;

    e->complaint = e->run();
    atomic_store(&e->done, true);
    return NULL;
}

static void run(const char *(*what)(void))
{
    struct elsewhere e = {.run = what};

    assert_int_equal(pthread_create(&e.thread, NULL, run_elsewhere, &e), 0);
    while (!atomic_load(&e.done))
        h2_turn(&k.h2);
    pthread_join(e.thread, NULL);
    if (e.complaint)
        fail_msg("%s", e.complaint);
}

#define EXPECT(what)                                                                               \
    do {                                                                                           \
        if (!(what))                                                                               \
            return #what;                                                                          \
    } while (0)

static int open_stream(void)
{
    return belay_rpc_stream_open_wait(k.channel, GRPC_METHOD, NULL, &stream, NULL);
}

/* Whether the next message is that. */
static bool reads(const char *text)
{
    void *message = NULL;
    size_t len;
    bool good = belay_rpc_stream_read_wait(stream, 10000, &message, &len) == 0 &&
                len == strlen(text) && strcmp(message, text) == 0;

    free(message);
    return good;
}

static int read_nothing(int64_t timeout_ms)
{
    void *message;
    size_t len;

    return belay_rpc_stream_read_wait(stream, timeout_ms, &message, &len);
}

/* ---- in turn ---- */

static void say_head(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
}

static void answer_each(struct grpc_kit *kit, uint32_t id, bool end)
{
    if (!end)
        grpc_say_text(kit, id, "heard");
    else
        grpc_say_head(kit, id, H2_END_STREAM, "grpc-status: 5\ngrpc-message: that is all\n");
}

static const char *talk(void)
{
    EXPECT(open_stream() == 0);
    EXPECT(belay_rpc_stream_write_wait(stream, "one", 3) == 0);
    EXPECT(reads("heard"));
    EXPECT(belay_rpc_stream_write_wait(stream, NULL, 0) == 0);
    EXPECT(reads("heard"));
    EXPECT(read_nothing(20) == BELAY_ETIMEDOUT);
    EXPECT(belay_rpc_stream_write_wait(stream, NULL, 1) == BELAY_EINVAL);
    EXPECT(belay_rpc_stream_end_wait(stream) == 0);
    EXPECT(read_nothing(10000) == BELAY_EEOF);
    EXPECT(read_nothing(10000) == BELAY_EEOF);
    EXPECT(belay_rpc_stream_write_wait(stream, "more", 4) == BELAY_ECLOSED);
    EXPECT(belay_rpc_stream_close_wait(stream, &result) == 0);
    EXPECT(result.status == BELAY_GRPC_NOT_FOUND);
    EXPECT(strcmp(result.message, "that is all") == 0);
    return NULL;
}

static void both_sides_speak_in_turn(void **state)
{
    (void)state;
    begin();
    k.on_request = say_head;
    k.on_data = answer_each;
    run(talk);
    grpc_close(&k);
}

/* ---- much ---- */

static char piece[10000];

static void give_room(struct grpc_kit *kit, uint32_t id, bool end)
{
    if (kit->data_len == 65535) {
        h2_window(&kit->h2.server, 0, 0, 1 << 24);
        h2_window(&kit->h2.server, 0, id, 1 << 24);
    }
    if (end)
        grpc_answer(kit, id, "thanks");
}

static const char *write_much(void)
{
    EXPECT(open_stream() == 0);
    for (int i = 0; i < 60; i++)
        EXPECT(belay_rpc_stream_write_wait(stream, piece, sizeof piece) == 0);
    EXPECT(belay_rpc_stream_end_wait(stream) == 0);
    EXPECT(reads("thanks"));
    EXPECT(read_nothing(10000) == BELAY_EEOF);
    EXPECT(belay_rpc_stream_close_wait(stream, &result) == 0);
    EXPECT(result.status == BELAY_GRPC_OK);
    return NULL;
}

static void who_writes_too_much_waits_for_room(void **state)
{
    (void)state;
    begin();
    k.on_data = give_room;
    run(write_much);
    assert_int_equal(k.data_len, 60 * (sizeof piece + 5));
    grpc_close(&k);
}

static void say_many(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    for (int i = 0; i < 50; i++)
        grpc_say(kit, id, 0, i % 2 ? "odd" : "even", i % 2 ? 3 : 4);
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK);
}

static const char *read_many(void)
{
    EXPECT(open_stream() == 0);
    for (int i = 0; i < 50; i++)
        EXPECT(reads(i % 2 ? "odd" : "even"));
    EXPECT(read_nothing(10000) == BELAY_EEOF);
    EXPECT(belay_rpc_stream_close_wait(stream, NULL) == 0);
    return NULL;
}

static void messages_are_read_in_their_order(void **state)
{
    (void)state;
    begin();
    k.on_request = say_many;
    run(read_many);
    grpc_close(&k);
}

/* ---- ends ---- */

static const char *close_early(void)
{
    EXPECT(open_stream() == 0);
    EXPECT(reads("even"));
    EXPECT(belay_rpc_stream_close_wait(stream, &result) == 0);
    EXPECT(result.status == BELAY_GRPC_CANCELLED);
    return NULL;
}

static void say_one(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_text(kit, id, "even");
}

static void who_closes_early_cancels(void **state)
{
    (void)state;
    begin();
    k.on_request = say_one;
    run(close_early);
    h2_turn(&k.h2);
    assert_int_equal(k.h2.server.conns[0].reset, 8);
    assert_int_equal(belay_rpc_stream_close_wait(NULL, &result), 0);
    grpc_close(&k);
}

static void close_channel(void *arg)
{
    (void)arg;
    belay_channel_close(k.channel, NULL, NULL);
}

static void a_channel_that_is_closed_ends_the_wait(void **state)
{
    (void)state;
    begin();
    assert_int_equal(open_stream(), 0); /* on the loop's own thread */
    assert_int_equal(belay_loop_post(k.h2.kit.loop, close_channel, NULL), 0);
    assert_int_equal(read_nothing(BELAY_FOREVER), BELAY_EEOF);
    assert_int_equal(belay_rpc_stream_close_wait(stream, &result), 0);
    assert_int_equal(result.status, BELAY_GRPC_CANCELLED);
    assert_non_null(strstr(result.message, "was closed"));
    grpc_close(&k);
}

static void a_stream_outlives_its_loop(void **state)
{
    (void)state;
    begin();
    assert_int_equal(open_stream(), 0);
    grpc_close(&k);
    assert_int_equal(belay_rpc_stream_close_wait(stream, &result), 0);
    assert_int_equal(result.status, BELAY_GRPC_CANCELLED);
}

static void on_loop_closed(void *gone)
{
    *(bool *)gone = true;
    k.h2.kit.loop = NULL;
}

static void a_stream_is_closed_while_its_loop_ends(void **state)
{
    bool gone = false;

    (void)state;
    begin();
    assert_int_equal(open_stream(), 0);
    belay_loop_close(k.h2.kit.loop, on_loop_closed, &gone);
    assert_int_equal(belay_rpc_stream_close_wait(stream, &result), 0);
    assert_int_equal(result.status, BELAY_GRPC_CANCELLED);
    while (!gone)
        belay_loop_turn(k.h2.kit.loop, 1);
    grpc_close(&k);
}

static void wait_inside(void *rc)
{
    *(int *)rc = read_nothing(0);
    if (belay_rpc_stream_close_wait(stream, NULL) != BELAY_EDEADLK)
        *(int *)rc = 0;
}

static void nobody_waits_inside_a_callback(void **state)
{
    struct belay_error error;
    int rc = 0;

    (void)state;
    begin();
    assert_int_equal(belay_rpc_stream_open_wait(k.channel, "nothing", NULL, &stream, &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "nothing"));
    assert_int_equal(open_stream(), 0);
    assert_int_equal(belay_loop_post(k.h2.kit.loop, wait_inside, &rc), 0);
    h2_turn(&k.h2);
    assert_int_equal(rc, BELAY_EDEADLK);
    assert_int_equal(belay_rpc_stream_close_wait(stream, NULL), 0);
    grpc_close(&k);
}

static void answer_well(struct grpc_kit *kit, uint32_t id)
{
    grpc_answer(kit, id, "good");
}

static const char *ask_without_room(void)
{
    result.size = offsetof(struct belay_unary_result, response);
    result.response = &result; /* behind its end */
    EXPECT(belay_channel_unary_wait(k.channel, GRPC_METHOD, "", 0, NULL, &result, NULL) == 0);
    EXPECT(result.status == BELAY_GRPC_OK && result.response == &result);
    return NULL;
}

/* Nobody could free it: a leak, where it is kept. */
static void a_response_that_the_caller_s_struct_does_not_know_is_freed(void **state)
{
    (void)state;
    begin();
    k.on_request = answer_well;
    run(ask_without_room);
    result.response = NULL;
    grpc_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_speak_in_turn),
        cmocka_unit_test(who_writes_too_much_waits_for_room),
        cmocka_unit_test(messages_are_read_in_their_order),
        cmocka_unit_test(who_closes_early_cancels),
        cmocka_unit_test(a_channel_that_is_closed_ends_the_wait),
        cmocka_unit_test(a_stream_outlives_its_loop),
        cmocka_unit_test(a_stream_is_closed_while_its_loop_ends),
        cmocka_unit_test(nobody_waits_inside_a_callback),
        cmocka_unit_test(a_response_that_the_caller_s_struct_does_not_know_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
