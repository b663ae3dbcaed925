/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/2 server without manners: it says the frames that the test asks for, whatever they are,
 * in plain text. It knows frames and literal fields only, and has no thread: it moves when turned.
 * Of itself it sends its SETTINGS and answers SETTINGS and PING, unless told not to.
 */
#ifndef TEST_SUPPORT_H2_SERVER_H
#define TEST_SUPPORT_H2_SERVER_H

#include "support/test.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    H2_DATA,
    H2_HEADERS,
    H2_PRIORITY,
    H2_RST_STREAM,
    H2_SETTINGS,
    H2_PUSH_PROMISE,
    H2_PING,
    H2_GOAWAY,
    H2_WINDOW_UPDATE,
    H2_CONTINUATION,
    H2_TYPES
};
enum { H2_END_STREAM = 1, H2_ACK = 1, H2_END_HEADERS = 4, H2_PADDED = 8 };

#define H2_CONNS    8
#define H2_REQUESTS 256
#define H2_NONE     UINT32_MAX

struct h2_frame {
    uint8_t type, flags;
    uint32_t id;
    const uint8_t *payload;
    size_t len;
};

struct h2_conn {
    int fd; /* -1: closed */
    bool greeted;
    char *in, *out;
    size_t in_len, in_room, out_len, out_room;
    unsigned got[H2_TYPES];    /* frames of each type, ACKs apart */
    unsigned requests;         /* HEADERS */
    uint32_t ids[H2_REQUESTS]; /* of the first of them */
    uint32_t goaway, reset;    /* code of the last such frame; H2_NONE: none came */
    uint32_t reset_id;
    size_t data; /* bytes of DATA */
    unsigned acks;
    bool whole; /* the last DATA or HEADERS ended its stream */
};

struct h2_server {
    const char *at; /* NULL: 127.0.0.1 */
    int listener, port;
    int place;    /* holds the port, whether we listen or not */
    bool silent;  /* says nothing of itself */
    bool no_pong; /* does not answer PING */
    bool stingy;  /* one byte at a time */
    uint32_t max; /* MAX_CONCURRENT_STREAMS that it says; H2_NONE: not */
    unsigned accepted;
    unsigned requests; /* on all connections */
    struct h2_conn conns[H2_CONNS];
    /* Of the test; may be NULL. A request is a HEADERS frame. */
    void (*on_open)(struct h2_server *s, unsigned conn);
    void (*on_request)(struct h2_server *s, unsigned conn, uint32_t id);
    void (*on_frame)(struct h2_server *s, unsigned conn, const struct h2_frame *frame);
    /* A request of HTTP/1.1, without a body, to be answered by h2_raw; NULL: there are none. */
    void (*on_http1)(struct h2_server *s, unsigned conn, const char *head);
    void *extra;
};

void h2_start(struct h2_server *s);
/* "::1", or the path of a Unix socket, which is the test's to remove; not copied. */
void h2_start_at(struct h2_server *s, const char *at);
void h2_stop(struct h2_server *s);
/* With all its connections; nobody else gets its port. */
void h2_vanish(struct h2_server *s);
/* Of one that vanished: on the same port. */
void h2_start_again(struct h2_server *s);
/* Takes what has come, sends what there is. */
void h2_step(struct h2_server *s);
const char *h2_url(const struct h2_server *s, const char *path);

/* ---- what it says, all on one connection ---- */

void h2_raw(struct h2_server *s, unsigned conn, const void *data, size_t len);
void h2_frame(struct h2_server *s, unsigned conn, uint8_t type, uint8_t flags, uint32_t id,
              const void *payload, size_t len);
/* `lines`: "name: value\n" each, said as literals. */
void h2_head(struct h2_server *s, unsigned conn, uint8_t flags, uint32_t id, const char *lines);
/* The same, as bytes of a block; returns how many. */
size_t h2_block(const char *lines, uint8_t *out, size_t room);
void h2_data(struct h2_server *s, unsigned conn, uint8_t flags, uint32_t id, const char *text);
void h2_answer(struct h2_server *s, unsigned conn, uint32_t id, const char *text);
void h2_reset(struct h2_server *s, unsigned conn, uint32_t id, uint32_t code);
void h2_goaway(struct h2_server *s, unsigned conn, uint32_t last, uint32_t code);
void h2_setting(struct h2_server *s, unsigned conn, uint16_t name, uint32_t value);
void h2_window(struct h2_server *s, unsigned conn, uint32_t id, uint32_t more);
void h2_hang_up(struct h2_server *s, unsigned conn);

#endif
