/* SPDX-License-Identifier: MIT */
/*
 * A connection to Chronicle on the servers and the clock of channel_kit, and functions of a caller's
 * that do what the test says. Without a session, unless the test wants one.
 */
#ifndef TEST_NET_CHRONICLE_KIT_H
#define TEST_NET_CHRONICLE_KIT_H

#include "belay/chronicle.h"
#include "channel_kit.h"

#define CHK_TARGETS 64
#define CHK_HELD    16
#define CHK_TEXT    1024

struct chronicle_kit {
    struct channel_kit net;
    struct belay_chronicle *c;
    struct belay_chronicle_options options; /* what chk_start starts with */
    struct belay_chronicle_functions functions;
    char string[512];

    /* connect: */
    bool refuses; /* with `refusal` */
    bool holds;   /* answers later: `held` */
    struct belay_error refusal;
    char targets[CHK_TARGETS][80];
    int64_t dialled_ms[CHK_TARGETS]; /* by our clock */
    unsigned dials, opened, disconnected;
    struct belay_chronicle_query *held[CHK_HELD];
    unsigned held_n;

    char phases
        [CHK_TEXT];   /* told to chk_phase: "disconnected 1 connected 1 ": with numbers of ids */
    char ids[16][40]; /* in order of appearance */
    unsigned ids_n;

    unsigned exits;
    enum belay_exit_kind exit;
    struct belay_error exit_error; /* code 0: none */
    bool closed;
};

struct chk_waiter {
    struct belay_chronicle_waiter *waiter;
    int dones;
    bool done;
    struct belay_error error; /* code 0: none */
};

/* A loop and servers; options are those of a connection to the first server, without TLS or
 * session, and with the caller's connect and disconnect. */
void chk_open(struct chronicle_kit *k);
/* Ends it, if the test has not; whatever was opened was disconnected once, nothing is left. */
void chk_close(struct chronicle_kit *k);
/* Another string, with %1 to %3 for the ports of the servers. */
void chk_string(struct chronicle_kit *k, const char *format);
void chk_start(struct chronicle_kit *k);
/* The error that starting ends with. */
struct belay_error chk_refused(struct chronicle_kit *k);
/* As started, and connected. */
void chk_up(struct chronicle_kit *k);

#define CHK_LIMIT 20000
/* Turns until `what` is so. */
#define CHK_UNTIL(k, what)                                                                         \
    do {                                                                                           \
        int rounds_ = 0;                                                                           \
        while (!(what)) {                                                                          \
            if (rounds_++ > CHK_LIMIT)                                                             \
                fail_msg("never: %s", #what);                                                      \
            ck_turn(&(k)->net);                                                                    \
        }                                                                                          \
    } while (0)
/* A few turns, whatever comes. */
void chk_a_while(struct chronicle_kit *k);
void chk_forward(struct chronicle_kit *k, int64_t ms);
int64_t chk_now_ms(const struct chronicle_kit *k);
/* Until the next dial is made, by our clock: how long that is after the one before. */
int64_t chk_next_dial_ms(struct chronicle_kit *k);

void chk_wait(struct chronicle_kit *k, struct chk_waiter *w, int64_t timeout_ms);
void chk_done(const struct belay_error *error, void *waiter); /* its callback */
/* The held question number n: with a channel to where it wanted to go, or without. */
void chk_answer(struct chronicle_kit *k, unsigned n);
void chk_subscribe(struct chronicle_kit *k, struct belay_chronicle_subscription **ret);
/* The server drops its connections, and may refuse new ones. */
void chk_hang_up(struct chronicle_kit *k, unsigned server);

#endif
