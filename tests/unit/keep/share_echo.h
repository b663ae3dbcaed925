/* SPDX-License-Identifier: MIT */
/* A server in a thread of its own that says again what it hears, or is mute. */
#ifndef TEST_KEEP_SHARE_ECHO_H
#define TEST_KEEP_SHARE_ECHO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct echo {
    pthread_t thread;
    int fd, stop[2];
    uint16_t port;
    bool mute;
};

void echo_open(struct echo *e, bool mute);
void echo_close(struct echo *e);

#endif
