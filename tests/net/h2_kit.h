/* SPDX-License-Identifier: MIT */
/* A client of HTTP/2 alone, and the server that says what it is told to. */
#ifndef TEST_NET_H2_KIT_H
#define TEST_NET_H2_KIT_H

#include "http_kit.h"
#include "support/h2_server.h"

struct h2_kit {
    struct h2_server server;
    struct kit kit;
};

/* Options of a client with prior knowledge. */
struct belay_http_options h2_options(void);
/* NULL: h2_options. */
void h2_open(struct h2_kit *k, const struct belay_http_options *options);
void h2_close(struct h2_kit *k);
/* Turns both until *done, at most 20 seconds. */
void h2_until(struct h2_kit *k, const bool *done);
/* A few times, whatever comes. */
void h2_turn(struct h2_kit *k);
/* Until the server has had as many requests, in all. */
void h2_until_requests(struct h2_kit *k, unsigned n);
/* Until nothing is open on either side. */
void h2_until_closed(struct h2_kit *k, unsigned conn);
/* A GET of "/" is begun; `method` may be NULL. */
void h2_begin(struct h2_kit *k, struct call *call, const char *method);
/* ... and done. */
void h2_get(struct h2_kit *k, struct call *call);
/* Done well, with that body; cleared. */
void h2_good(struct call *call, const char *body);
/* Done, by that error. */
void h2_bad(struct call *call, int code, enum belay_sent sent);

#endif
