/* SPDX-License-Identifier: MIT */
/* What the fuzzers of whole clients share: a loop on which one allocation fails, and the peer's end of a connection. */
#ifndef TEST_FUZZ_FUZZ_LOOP_H
#define TEST_FUZZ_FUZZ_LOOP_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "belay/loop.h"
#include "fuzz/fuzz.h"
#include "support/failing_alloc.h"

/* The first byte says which allocation fails (0: none); the rest is `run`'s, after which nothing may be left. */
static inline void fuzz_with_loop(const uint8_t *data, size_t size,
                                  void (*run)(struct belay_loop *loop, struct fuzz_input *in))
{
    struct fuzz_input in = {data, size};
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_world world = belay_world_init();
    struct failing_alloc failing;
    struct belay_loop *loop;
    uint8_t fails = fuzz_byte(&in);

    failing_alloc_init(&failing);
    world.allocator = &failing.allocator;
    o.world = &world;
    if (belay_loop_new(&o, &loop, NULL) < 0)
        return;
    if (fails)
        failing_alloc_once(&failing, fails);
    run(loop, &in);
    belay_loop_free(loop);
    BL_ASSERT(failing_alloc_live(&failing) == 0);
}

static inline int fuzz_listen(int *ret_port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    BL_ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0);
    BL_ASSERT(listen(fd, 16) == 0 && getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
    *ret_port = ntohs(addr.sin_port);
    return fd;
}

/* -1: nobody came. */
static inline int fuzz_accept(struct belay_loop *loop, int listener)
{
    int fd = -1;

    for (int i = 0; fd < 0 && i < 20; i++) {
        belay_loop_turn(loop, 0);
        fd = accept(listener, NULL, NULL);
    }
    return fd;
}

/* In portions, each of which the loop has seen. False: the other end has gone. */
static inline bool fuzz_say(struct belay_loop *loop, int fd, const uint8_t *data, size_t len,
                            size_t portion)
{
    char sink[65536];

    while (len > 0) {
        size_t n = len < portion ? len : portion;

        if (send(fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
            return false;
        data += n;
        len -= n;
        belay_loop_turn(loop, 0);
        while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
            ;
    }
    return true;
}

#endif
