/* SPDX-License-Identifier: MIT */
/*
 * A server that says exactly the bytes it was given, whatever they are: one answer for each request
 * head that comes, over all its connections. It has no thread: it moves when the test turns it.
 */
#ifndef TEST_NET_SCRIPTED_H
#define TEST_NET_SCRIPTED_H

#include "http_kit.h"

#define SCRIPTED_CONNS 16
#define SCRIPTED_TEXT  16384

struct scripted {
    int listener, port;
    int place;                  /* holds the port, whether we listen or not */
    const char *const *answers; /* one per request, ends in NULL; "" is to close without a word */
    unsigned requests;          /* heads that came */
    unsigned accepted;
    int conns[SCRIPTED_CONNS];  /* -1: closed */
    size_t len[SCRIPTED_CONNS]; /* of the head that is coming */
    char in[SCRIPTED_CONNS][SCRIPTED_TEXT];
    char last[SCRIPTED_TEXT]; /* the last head */
};

void scripted_start(struct scripted *s, const char *const *answers);
void scripted_stop(struct scripted *s);
/* Nobody new is let in: dials are refused. */
void scripted_deafen(struct scripted *s);
const char *scripted_url(const struct scripted *s, const char *path);
/* Says something unasked on the n-th connection. */
void scripted_say(struct scripted *s, unsigned n, const char *text);
/* Takes what has come, answers. */
void scripted_step(struct scripted *s);
/* Turns the loop and the server, at most 20 seconds. */
void scripted_turn_until(struct scripted *s, struct kit *k, const bool *done);
void scripted_get(struct scripted *s, struct kit *k, struct call *call, const char *path);

#endif
