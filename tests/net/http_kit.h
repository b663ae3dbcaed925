/* SPDX-License-Identifier: MIT */
/* A loop with a client on it, and calls that remember all that they were told. */
#ifndef TEST_NET_HTTP_KIT_H
#define TEST_NET_HTTP_KIT_H

#include "support/test.h"

#include <string.h>

#include "belay/http.h"
#include "support/failing_alloc.h"
#include "support/origin.h"
#include "support/steady_clock.h"

struct kit {
    struct failing_alloc memory; /* what the loop allocates: none may be left at the end */
    struct steady_clock clock;   /* of kit_open_steady */
    struct belay_loop *loop;
    struct belay_http *http;
};

/* `options` may be NULL. */
void kit_open(struct kit *k, const struct belay_http_options *options);
/* By a steady clock: for servers that the test itself turns, as others go by the machine's. */
void kit_open_steady(struct kit *k, const struct belay_http_options *options);
/* Frees the loop with all on it; nothing may be left. */
void kit_close(struct kit *k);
/* Waits for a millisecond at most. */
void kit_turn(struct kit *k);
/* Turns the loop until *done, at most 20 seconds. */
void kit_turn_until(struct kit *k, const bool *done);
void kit_stats(struct kit *k, struct belay_pool_stats *stats);
/* Turns until the pool has as many connections closed for that reason. */
void kit_await_closed(struct kit *k, enum belay_reason reason, uint64_t n);

struct call {
    struct kit *kit;
    struct belay_http_request *request;
    /* What came. */
    int infos, heads, dones;
    int status, minor;
    int64_t content_length;
    char headers[4096], trailers[1024]; /* "Name: value\n" lines */
    char *body;
    size_t len, room;
    bool done;
    struct belay_error error; /* code 0: none */
    struct belay_http_facts facts;
    char url[512];
    /* What to do. */
    enum belay_http_action on_info, on_head, on_data, on_redirect;
    void (*in_head)(struct call *call, const struct belay_http_response *response);
    void (*in_data)(struct call *call, const char *data, size_t len);
    void (*in_done)(struct call *call);
    void *extra;
    int redirected;
};

extern const struct belay_http_callbacks call_callbacks;

/* Starts it; its callbacks are filled in. `call` is as the test prepared it, zeroed otherwise. */
void call_start(struct kit *k, struct call *call, const struct belay_http_request_options *options);
void call_wait(struct call *call);
/* Both. A call without options is a GET of `url`. */
void call_run(struct kit *k, struct call *call, const struct belay_http_request_options *options);
void call_get(struct kit *k, struct call *call, const char *url);
void call_clear(struct call *call);

/* A GET that must give 200 with that body. */
void kit_expect(struct kit *k, const char *url, const char *body);

/* As origin's bodies are: byte i is 'a' + i % 26. */
void check_alphabet(const char *body, size_t len);

#endif
