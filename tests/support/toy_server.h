/* SPDX-License-Identifier: MIT */
/*
 * The other end of toy_connector.h, on loopback: an echo server of lines that is polled by the
 * test, between the turns of its loop. It uses nothing of belay's.
 */
#ifndef TEST_SUPPORT_TOY_SERVER_H
#define TEST_SUPPORT_TOY_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOY_CONNS_MAX 512

struct toy_conn {
    int fd; /* -1: closed */
    char line[256];
    size_t len;
    unsigned lines; /* without HELLO */
    bool bye;       /* the client said so */
    bool end;       /* the client has closed */
};

struct toy_server {
    int fd;
    uint16_t port;
    const char *greeting; /* the answer to HELLO; "OK\n" */
    bool mute;            /* never says anything */
    bool deaf_to_ping;
    bool hangs_up; /* at HELLO */
    unsigned n;    /* connections accepted */
    struct toy_conn conns[TOY_CONNS_MAX];
};

void toy_server_open(struct toy_server *s);
void toy_server_close(struct toy_server *s);
/* Accepts, reads and answers what there is to be; does not wait. */
void toy_server_poll(struct toy_server *s);
void toy_server_say(struct toy_server *s, unsigned n, const char *text);
void toy_server_hang_up(struct toy_server *s, unsigned n);
void toy_server_reset(struct toy_server *s, unsigned n);
unsigned toy_server_open_conns(const struct toy_server *s);

#endif
