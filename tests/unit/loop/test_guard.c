/* SPDX-License-Identifier: MIT */
/*
 * Guards: what somebody else uses, and may close, is watched while it is at rest. Over real
 * descriptors; and on a backend of the caller's, where a guard is a watch.
 */
#include "loop/guard.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_world.h"
#include "support/failing_alloc.h"

static struct failing_alloc alloc;
static struct belay_world world;
static struct belay_loop *loop;

struct pair {
    struct bl_guard guard;
    int fd, other;
    int told;
    struct pair *ends; /* in its hour */
};

static struct pair a, b;

static int set_up(void **state)
{
    struct belay_loop_options o = belay_loop_options_init();

    (void)state;
    failing_alloc_init(&alloc);
    world = belay_world_init();
    world.allocator = &alloc.allocator;
    o.world = &world;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    belay_loop_free(loop);
    assert_int_equal(failing_alloc_live(&alloc), 0);
    return 0;
}

static void on_told(void *arg)
{
    struct pair *p = arg;

    p->told++;
    if (p->ends)
        bl_guard_set_fd(&p->ends->guard, -1);
}

static void open_pair(struct pair *p)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    p->fd = fds[0];
    p->other = fds[1];
}

static void guard(struct pair *p)
{
    open_pair(p);
    bl_guard_init(&p->guard, loop, on_told, p);
    bl_guard_set_fd(&p->guard, p->fd);
    assert_int_equal(bl_guard_on(&p->guard), 0);
}

static void end(struct pair *p)
{
    bl_guard_set_fd(&p->guard, -1);
    close(p->fd);
    close(p->other);
}

static void stir(struct pair *p)
{
    assert_int_equal(write(p->other, "x", 1), 1);
}

static void drain(struct pair *p)
{
    char byte;

    while (recv(p->fd, &byte, 1, MSG_DONTWAIT) == 1)
        ;
}

static void turn(void)
{
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    assert_int_equal(belay_loop_turn(loop, 0), 0);
}

static void a_guard_tells_once(void **state)
{
    (void)state;
    guard(&a);
    turn();
    assert_int_equal(a.told, 0);
    stir(&a);
    turn();
    assert_int_equal(a.told, 1);
    stir(&a);
    turn();
    assert_int_equal(a.told, 1);
    assert_int_equal(bl_guard_on(&a.guard), 0); /* what is there still is told again */
    turn();
    assert_int_equal(a.told, 2);
    end(&a);
}

static void a_guard_at_rest_says_nothing(void **state)
{
    (void)state;
    guard(&a);
    bl_guard_rest(&a.guard);
    assert_true(bl_guard_is_armed(&a.guard));
    stir(&a);
    turn();
    assert_int_equal(a.told, 0);
    assert_false(bl_guard_is_armed(&a.guard));
    drain(&a);
    assert_int_equal(bl_guard_on(&a.guard), 0);
    turn();
    assert_int_equal(a.told, 0);
    stir(&a);
    turn();
    assert_int_equal(a.told, 1);
    end(&a);
}

/* Each system call that arms has a serial number of its own. */
static void on_and_off_cost_no_system_call(void **state)
{
    uint32_t serial;

    (void)state;
    guard(&a);
    serial = a.guard.serial;
    for (int i = 0; i < 100; i++) {
        bl_guard_rest(&a.guard);
        assert_int_equal(bl_guard_on(&a.guard), 0);
    }
    assert_int_equal(a.guard.serial, serial);
    stir(&a);
    turn();
    assert_int_equal(a.told, 1);
    end(&a);
}

static void what_was_read_in_the_meantime_is_not_told(void **state)
{
    (void)state;
    guard(&a);
    bl_guard_rest(&a.guard);
    stir(&a);
    drain(&a);
    assert_int_equal(bl_guard_on(&a.guard), 0);
    turn();
    assert_int_equal(a.told, 0);
    close(a.other);
    turn();
    assert_int_equal(a.told, 1);
    a.other = -1;
    end(&a);
}

/* Its user closed it, and another has its number. */
static void a_number_changes_hands(void **state)
{
    (void)state;
    guard(&a);
    bl_guard_rest(&a.guard);
    close(a.fd);
    guard(&b);
    assert_int_equal(b.fd, a.fd);
    stir(&b);
    turn();
    assert_int_equal(a.told, 0);
    assert_int_equal(b.told, 1);
    assert_int_equal(bl_guard_on(&b.guard), 0);
    drain(&b);
    bl_guard_set_fd(&a.guard, -1); /* takes nothing from the other */
    stir(&b);
    turn();
    assert_int_equal(b.told, 2);
    close(a.other);
    end(&b);
}

static void on_watch(unsigned events, void *arg)
{
    (void)events;
    ++*(int *)arg;
}

/* libuv goes by numbers: a stale one there would refuse this watch, or be ended with it. */
static void a_number_that_was_guarded_is_free_for_a_watch(void **state)
{
    struct belay_watch *watch;
    int told = 0;

    (void)state;
    guard(&a);
    turn();
    bl_guard_rest(&a.guard);
    close(a.fd);
    open_pair(&b);
    assert_int_equal(b.fd, a.fd);
    assert_int_equal(belay_watch_new(loop, b.fd, BELAY_READABLE, on_watch, &told, &watch), 0);
    close(a.other);
    bl_guard_set_fd(&a.guard, -1);
    stir(&b);
    turn();
    assert_true(told > 0);
    belay_watch_free(watch);
    close(b.fd);
    close(b.other);
}

/* And it may be watched by its user at the same time. */
static void its_user_may_watch_it_too(void **state)
{
    struct belay_watch *watch;
    int told = 0;

    (void)state;
    guard(&a);
    bl_guard_rest(&a.guard);
    assert_int_equal(belay_watch_new(loop, a.fd, BELAY_READABLE, on_watch, &told, &watch), 0);
    stir(&a);
    turn();
    assert_true(told > 0);
    assert_int_equal(a.told, 0);
    belay_watch_free(watch);
    drain(&a);
    assert_int_equal(bl_guard_on(&a.guard), 0);
    end(&a);
}

static void one_that_was_closed_is_found_out_when_it_is_armed(void **state)
{
    (void)state;
    guard(&a);
    bl_guard_rest(&a.guard);
    stir(&a);
    turn();
    close(a.fd);
    assert_int_equal(bl_guard_on(&a.guard), BELAY_ECLOSED);
    open_pair(&b);
    assert_int_equal(b.fd, a.fd);
    assert_int_equal(bl_guard_on(&a.guard), BELAY_ECLOSED); /* it is another's */
    close(b.fd);
    guard(&b);
    assert_int_equal(bl_guard_on(&a.guard), BELAY_ECLOSED); /* who guards it, too */
    assert_false(bl_guard_is_armed(&a.guard));
    bl_guard_set_fd(&a.guard, -1);
    bl_guard_init(&a.guard, loop, on_told, &a);
    bl_guard_set_fd(&a.guard, 999);
    assert_int_equal(bl_guard_on(&a.guard), BELAY_ECLOSED); /* it never was */
    close(a.other);
    end(&b);
}

/* Closed at rest, before anything stirred: it seems armed. */
static void one_that_was_closed_is_found_out_when_it_is_doubted(void **state)
{
    (void)state;
    guard(&a);
    bl_guard_doubt(&a.guard);
    assert_int_equal(bl_guard_on(&a.guard), 0);
    stir(&a);
    turn();
    assert_int_equal(a.told, 1);
    drain(&a);
    assert_int_equal(bl_guard_on(&a.guard), 0);
    bl_guard_rest(&a.guard);
    close(a.fd);
    bl_guard_doubt(&a.guard);
    assert_int_equal(bl_guard_on(&a.guard), BELAY_ECLOSED);
    bl_guard_set_fd(&a.guard, -1);
    close(a.other);
}

/* The file lives on in another process, say: what it has to tell is nobody's. */
static void a_file_that_lives_on_is_not_heard(void **state)
{
    int copy;

    (void)state;
    guard(&a);
    copy = dup(a.fd);
    close(a.fd);
    bl_guard_set_fd(&a.guard, -1);
    stir(&a);
    turn();
    assert_int_equal(a.told, 0);
    close(copy);
    close(a.other);
}

static void one_may_end_another_that_stirs_with_it(void **state)
{
    (void)state;
    guard(&a);
    guard(&b);
    a.ends = &b;
    b.ends = &a;
    stir(&a);
    stir(&b);
    turn();
    assert_int_equal(a.told + b.told, 1);
    end(&a);
    end(&b);
}

static void numbers_may_be_high(void **state)
{
    (void)state;
    guard(&b);
    open_pair(&a);
    bl_guard_init(&a.guard, loop, on_told, &a);
    bl_guard_set_fd(&a.guard, fcntl(a.fd, F_DUPFD, 300));
    assert_true(bl_guard_fd(&a.guard) >= 300);
    assert_int_equal(bl_guard_on(&a.guard), 0);
    stir(&a);
    stir(&b);
    turn();
    assert_int_equal(a.told, 1);
    assert_int_equal(b.told, 1);
    close(bl_guard_fd(&a.guard));
    end(&a);
    end(&b);
}

static void memory_may_run_out(void **state)
{
    int rc = BELAY_ENOMEM;
    size_t n = 0;

    (void)state;
    open_pair(&a);
    bl_guard_init(&a.guard, loop, on_told, &a);
    bl_guard_set_fd(&a.guard, a.fd);
    while (rc < 0) {
        assert_int_equal(rc, BELAY_ENOMEM);
        failing_alloc_once(&alloc, ++n);
        rc = bl_guard_on(&a.guard);
    }
    failing_alloc_once(&alloc, 0);
    assert_true(n > 2);
    stir(&a);
    turn();
    assert_int_equal(a.told, 1);
    end(&a);
}

static void a_regular_file_cannot_be_guarded(void **state)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    bl_guard_init(&a.guard, loop, on_told, &a);
    bl_guard_set_fd(&a.guard, fd);
    assert_true(bl_guard_on(&a.guard) < 0);
    close(fd);
}

/* ---- on a backend of the caller's ---- */

static void a_guard_on_a_foreign_backend_is_a_watch(void **state)
{
    struct fake_world fake;
    struct belay_loop *own = loop;

    (void)state;
    fake_world_open(&fake, NULL);
    loop = fake.loop;
    bl_guard_init(&a.guard, loop, on_told, &a);
    bl_guard_set_fd(&a.guard, 7);
    assert_int_equal(bl_guard_on(&a.guard), 0);
    assert_int_equal(a.guard.slot.mask, BELAY_READABLE);
    bl_guard_rest(&a.guard);
    assert_int_equal(a.guard.slot.mask, 0); /* it might be closed */
    assert_int_equal(bl_guard_on(&a.guard), 0);
    fake_world_ready(&fake, 7, BELAY_READABLE);
    turn();
    assert_int_equal(a.told, 1);
    assert_int_equal(a.guard.slot.mask, 0);
    fake.watch_fails = BELAY_EMFILE;
    assert_int_equal(bl_guard_on(&a.guard), BELAY_EMFILE);
    bl_guard_set_fd(&a.guard, -1);
    fake_world_close(&fake);
    loop = own;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_guard_tells_once),
        T(a_guard_at_rest_says_nothing),
        T(on_and_off_cost_no_system_call),
        T(what_was_read_in_the_meantime_is_not_told),
        T(a_number_changes_hands),
        T(a_number_that_was_guarded_is_free_for_a_watch),
        T(its_user_may_watch_it_too),
        T(one_that_was_closed_is_found_out_when_it_is_armed),
        T(one_that_was_closed_is_found_out_when_it_is_doubted),
        T(a_file_that_lives_on_is_not_heard),
        T(one_may_end_another_that_stirs_with_it),
        T(numbers_may_be_high),
        T(memory_may_run_out),
        T(a_regular_file_cannot_be_guarded),
        T(a_guard_on_a_foreign_backend_is_a_watch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
