/* SPDX-License-Identifier: MIT */
/*
 * belay inside a loop of the program's own: a plain poll loop watches one descriptor, and turns
 * belay's loop when it becomes readable. A timer, a watched pipe, and a post from another thread go
 * through it.
 */
#include <belay/loop.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static struct belay_loop *loop;
static int pipe_ends[2];
static int left = 3; /* things that are still to happen */

static void on_timer(void *arg)
{
    struct belay_timer **timer = arg;
    printf("timer: 50 ms have passed\n");
    belay_timer_free(*timer);
    if (write(pipe_ends[1], "hello", 5) != 5)
        perror("write");
    left--;
}

static void on_readable(unsigned events, void *arg)
{
    struct belay_watch **watch = arg;
    char text[16] = "";
    if (!(events & BELAY_READABLE) || read(pipe_ends[0], text, sizeof text - 1) <= 0)
        return;
    printf("watch: the pipe says \"%s\"\n", text);
    belay_watch_free(*watch);
    left--;
}

static void on_post(void *arg)
{
    printf("post: %s\n", (const char *)arg);
    left--;
}

static void *other_thread(void *arg)
{
    if (belay_loop_post(loop, on_post, arg))
        fprintf(stderr, "post failed\n");
    return NULL;
}

/* The program's own loop. It could watch any number of other descriptors beside belay's. */
static int run(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    int turns = 0;
    while (left > 0) {
        int n = poll(&polled, 1, 5000);
        if (n <= 0) {
            fprintf(stderr, "nothing happened for 5 seconds\n");
            return 1;
        }
        belay_loop_turn(loop, 0); /* never waits */
        turns++;
    }
    printf("done, in %d turns\n", turns);
    return turns < 20 ? 0 : 1; /* more would mean that it spins */
}

int main(void)
{
    struct belay_error error;
    struct belay_timer *timer;
    struct belay_watch *watch;
    pthread_t thread;

    if (belay_loop_new(NULL, &loop, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    int fd = belay_loop_descriptor(loop);
    if (fd < 0) {
        fprintf(stderr, "no descriptor: %s\n", belay_strerror(fd));
        return 1;
    }
    if (pipe(pipe_ends) || belay_timer_new(loop, on_timer, &timer, &timer) ||
        belay_watch_new(loop, pipe_ends[0], BELAY_READABLE, on_readable, &watch, &watch)) {
        fprintf(stderr, "set-up failed\n");
        return 1;
    }
    belay_timer_start(timer, 50);
    if (pthread_create(&thread, NULL, other_thread, "a greeting from another thread"))
        return 1;

    int rc = run(fd);

    pthread_join(thread, NULL);
    belay_loop_free(loop);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return rc;
}
