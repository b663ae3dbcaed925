/* SPDX-License-Identifier: MIT */
/* The table of calls: a reply reaches who awaits it once, from whatever thread, or is destroyed. */
#include "keep/process_from.h"

#include <pthread.h>

#include "support/failing_alloc.h"
#include "unit/loop/fake_world.h"

static struct failing_alloc alloc;
static struct fake_world world;
static struct belay_from_table *table;
static struct bl_awaits awaits;
static atomic_int destroyed;

static int up(void **state)
{
    (void)state;
    failing_alloc_init(&alloc);
    fake_world_open(&world, &alloc.allocator);
    table = bl_from_table(world.loop);
    assert_non_null(table);
    bl_awaits_init(&awaits);
    atomic_store(&destroyed, 0);
    return 0;
}

static int down(void **state)
{
    (void)state;
    fake_world_close(&world);
    assert_int_equal(failing_alloc_live(&alloc), 0);
    return 0;
}

static void destroy(void *value)
{
    (void)value;
    atomic_fetch_add(&destroyed, 1);
}

struct asker {
    struct bl_await await;
    unsigned told;
};

static void told(struct bl_await *await)
{
    BL_CONTAINER(await, struct asker, await)->told++;
}

static struct belay_from ask(struct asker *a)
{
    struct belay_from from;
    memset(a, 0, sizeof *a);
    a->await.answered = told;
    assert_int_equal(bl_await_reply(table, &awaits, &a->await, &from), 0);
    return from;
}

static void a_reply_reaches_who_awaits_it(void **state)
{
    (void)state;
    struct asker a;
    int value = 7;
    struct belay_from from = ask(&a);
    assert_true(belay_from_waits(from));
    assert_int_equal(belay_from_reply(from, belay_message(3, &value, destroy)), 0);
    assert_int_equal(a.told, 1);
    assert_int_equal(a.await.result, 0);
    assert_int_equal(a.await.reply.tag, 3);
    assert_ptr_equal(a.await.reply.value, &value);
    assert_int_equal(destroyed, 0);
    assert_false(belay_from_waits(from));
    belay_message_destroy(&a.await.reply);
}

static void a_second_reply_is_destroyed(void **state)
{
    (void)state;
    struct asker a, b;
    struct belay_from from = ask(&a);
    assert_int_equal(belay_from_reply(from, belay_message_tag(1)), 0);
    struct belay_from next = ask(&b); /* has the slot now */
    assert_int_equal(next.slot, from.slot);
    assert_int_equal(belay_from_reply(from, belay_message(2, NULL, destroy)), BELAY_ESTALE);
    assert_int_equal(destroyed, 1);
    assert_int_equal(b.told, 0);
    assert_true(belay_from_waits(next));
    assert_true(bl_await_give_up(&b.await));
}

static void a_reply_to_one_who_left_is_destroyed(void **state)
{
    (void)state;
    struct asker a;
    struct belay_from from = ask(&a);
    assert_true(bl_await_give_up(&a.await));
    assert_int_equal(belay_from_reply(from, belay_message(2, NULL, destroy)), BELAY_ESTALE);
    assert_int_equal(destroyed, 1);
    assert_int_equal(a.told, 0);
}

static void a_from_that_nobody_gave_is_stale(void **state)
{
    (void)state;
    struct belay_from zero = {0}, wild = {.table = table, .slot = 9999, .generation = 1};
    assert_false(belay_from_waits(zero));
    assert_false(belay_from_waits(wild));
    assert_int_equal(belay_from_reply(zero, belay_message(1, NULL, destroy)), BELAY_ESTALE);
    assert_int_equal(belay_from_reply(wild, belay_message(1, NULL, destroy)), BELAY_ESTALE);
    assert_int_equal(destroyed, 2);
}

static void the_end_of_a_process_answers_all_its_calls_and_no_other(void **state)
{
    (void)state;
    struct asker a[40], other;
    struct bl_awaits others;
    struct belay_from from[40], theirs;
    bl_awaits_init(&others);
    memset(&other, 0, sizeof other);
    other.await.answered = told;
    assert_int_equal(bl_await_reply(table, &others, &other.await, &theirs), 0);
    for (int i = 0; i < 40; i++)
        from[i] = ask(&a[i]);
    bl_awaits_end(table, &awaits);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(a[i].told, 1);
        assert_int_equal(a[i].await.result, BELAY_ENOPROC);
        assert_false(belay_from_waits(from[i]));
        assert_false(bl_await_give_up(&a[i].await));
    }
    assert_true(belay_from_waits(theirs));
    assert_int_equal(bl_await_reply(table, &awaits, &a[0].await, &from[0]), BELAY_ENOPROC);
    bl_awaits_end(table, &others);
}

static void who_wants_a_state_is_told_when_it_is_there(void **state)
{
    (void)state;
    _Atomic int32_t now = 1;
    struct asker a = {.await.answered = told}, b = {.await.answered = told};
    struct asker c = {.await.answered = told};
    assert_int_equal(bl_await_state(table, &awaits, &a.await, &now, 2), 0);
    assert_int_equal(bl_await_state(table, &awaits, &b.await, &now, 1), 0);
    assert_int_equal(bl_await_state(table, &awaits, &c.await, &now, 3), 0);
    assert_int_equal(a.told, 0);
    assert_int_equal(b.told, 1);
    bl_awaits_set_state(table, &awaits, &now, 2);
    bl_awaits_set_state(table, &awaits, &now, 1);
    bl_awaits_set_state(table, &awaits, &now, 2);
    assert_int_equal(a.told, 1);
    assert_int_equal(c.told, 0);
    bl_awaits_end(table, &awaits);
    assert_int_equal(c.told, 1);
    assert_int_equal(c.await.result, BELAY_ENOPROC);
    assert_int_equal(bl_await_state(table, &awaits, &a.await, &now, 2), BELAY_ENOPROC);
}

static void without_memory_a_call_is_refused_and_the_others_stand(void **state)
{
    (void)state;
    struct asker a[64];
    struct belay_from from[64];
    int n = 0;
    failing_alloc_from(&alloc, 2);
    for (;; n++) {
        memset(&a[n], 0, sizeof a[n]);
        a[n].await.answered = told;
        int rc = bl_await_reply(table, &awaits, &a[n].await, &from[n]);
        if (rc) {
            assert_int_equal(rc, BELAY_ENOMEM);
            break;
        }
        assert_true(n < 63);
    }
    assert_true(n > 0);
    for (int i = 0; i < n; i++)
        assert_int_equal(belay_from_reply(from[i], belay_message_tag(i)), 0);
    for (int i = 0; i < n; i++)
        assert_int_equal(a[i].await.reply.tag, i);
    failing_alloc_from(&alloc, 0);
}

/* ---- threads ---- */

#define ROUNDS   2000
#define REPLIERS 3

struct race {
    pthread_barrier_t begin, end;
    struct belay_from from;
    bool last;
    atomic_int accepted;
};

static void *replier(void *arg)
{
    struct race *r = arg;
    for (;;) {
        pthread_barrier_wait(&r->begin);
        if (r->last)
            return NULL;
        if (belay_from_reply(r->from, belay_message(1, NULL, destroy)) == 0)
            atomic_fetch_add(&r->accepted, 1);
        pthread_barrier_wait(&r->end);
    }
}

static void of_replies_from_many_threads_one_arrives(void **state)
{
    (void)state;
    struct race r = {.last = false};
    struct bl_sleeper sleeper;
    pthread_t threads[REPLIERS];
    pthread_barrier_init(&r.begin, NULL, REPLIERS + 1);
    pthread_barrier_init(&r.end, NULL, REPLIERS + 1);
    for (int i = 0; i < REPLIERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, replier, &r), 0);
    for (int n = 0; n < ROUNDS; n++) {
        assert_int_equal(bl_sleeper_init(&sleeper), 0);
        assert_int_equal(bl_await_reply(table, &awaits, &sleeper.await, &r.from), 0);
        atomic_store(&r.accepted, 0);
        pthread_barrier_wait(&r.begin);
        if (n % 3 == 0 && bl_await_give_up(&sleeper.await)) {
            pthread_barrier_wait(&r.end);
            assert_int_equal(r.accepted, 0);
        } else {
            assert_int_equal(bl_sleeper_wait(&sleeper, BELAY_NEVER, NULL), 0);
            belay_message_destroy(&sleeper.await.reply);
            pthread_barrier_wait(&r.end);
            assert_int_equal(r.accepted, 1);
        }
        bl_sleeper_fini(&sleeper);
    }
    r.last = true;
    pthread_barrier_wait(&r.begin);
    for (int i = 0; i < REPLIERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&r.begin);
    pthread_barrier_destroy(&r.end);
    assert_int_equal(destroyed, ROUNDS * REPLIERS);
}

static void a_sleeper_wakes_up_at_its_time(void **state)
{
    (void)state;
    struct bl_sleeper sleeper;
    struct belay_from from;
    assert_int_equal(bl_sleeper_init(&sleeper), 0);
    assert_int_equal(bl_await_reply(table, &awaits, &sleeper.await, &from), 0);
    assert_int_equal(bl_sleeper_wait(&sleeper, 1, NULL), BELAY_ETIMEDOUT);
    assert_false(belay_from_waits(from));
    bl_sleeper_fini(&sleeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
        T(a_reply_reaches_who_awaits_it),
        T(a_second_reply_is_destroyed),
        T(a_reply_to_one_who_left_is_destroyed),
        T(a_from_that_nobody_gave_is_stale),
        T(the_end_of_a_process_answers_all_its_calls_and_no_other),
        T(who_wants_a_state_is_told_when_it_is_there),
        T(without_memory_a_call_is_refused_and_the_others_stand),
        T(of_replies_from_many_threads_one_arrives),
        T(a_sleeper_wakes_up_at_its_time),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
