/* SPDX-License-Identifier: MIT */
/*
 * A link over a loop in virtual time, with puppets for connections and a source that the test moves.
 * What the link tells is written down as text, one line per event, with the time since the kit began
 * in milliseconds:
 *
 *     0 attempting
 *     0 obtained a
 *     0 failed ECONNECT a, 1 in a row, next 10000
 *     10000 connected a
 *     12000 disconnected a: ERESET, next 8000
 *
 * Endpoints are tcp://a.test:1, b.test, c.test, named by their letter.
 */
#ifndef TEST_KEEP_LINK_KIT_H
#define TEST_KEEP_LINK_KIT_H

#include "belay/link.h"
#include "support/failing_alloc.h"
#include "support/puppet.h"
#include "unit/loop/fake_world.h"

#define LINK_KIT_ADDRESSES 4
#define LINK_KIT_LOG_MAX   16384

struct link_kit;

/* Answers as its fields say; counts. */
struct link_source {
    struct belay_source *source;
    struct belay_endpoint *list[LINK_KIT_ADDRESSES];
    size_t n;
    int fail;                         /* code: the answer is this error */
    bool final;                       /* and it is final */
    bool later;                       /* the test answers, by link_kit_answer */
    struct belay_source_query *query; /* that waits for an answer */
    unsigned asked, cancelled, freed;
    bool fresh; /* the last question wanted a fresh answer */
};

struct link_kit {
    struct failing_alloc alloc;
    struct fake_world world;
    struct belay_loop *loop;
    struct puppet puppet;
    struct link_source source;
    struct belay_endpoint *a, *b, *c;
    struct belay_link_options options;
    struct belay_link *link;
    struct belay_link_event last; /* the last event; its error is the next */
    struct belay_error error;     /* of the last event that had one */
    unsigned events[BELAY_LINK_DISCONNECTED + 1];
    unsigned closed;              /* on_closed */
    char log[LINK_KIT_LOG_MAX];   /* what was told since it was last looked at */
    char lines[LINK_KIT_LOG_MAX]; /* the library's log: "3 persistent-connection-to: ..." */
    /* From within the event; may be NULL. */
    void (*on_event)(struct link_kit *k, const struct belay_link_event *event);
    void *arg; /* the test's */
};

/* A loop, puppets that come up at once, a source with the addresses of `letters`, and options to be
 * changed: a delay of 10 s without spread. */
void link_kit_begin(struct link_kit *k, const char *letters);
void link_kit_open(struct link_kit *k);
void link_kit_start(struct link_kit *k); /* the same, and settles */
/* Closes what is open, ends the loop and looks at what is left of memory. */
void link_kit_end(struct link_kit *k);

void link_kit_set_list(struct link_kit *k, const char *letters);
void link_kit_answer(struct link_kit *k); /* the query that waits */

/* Turns without letting time pass, until nothing is to be done; a loop that spins fails. */
void link_kit_settle(struct link_kit *k);
void link_kit_pass(struct link_kit *k, int64_t ms);
/* What was told since the last such call is this; and forgets it. */
void link_kit_told(struct link_kit *k, const char *expected);
/* Writes a line of the test's own among them. */
void link_kit_note(struct link_kit *k, const char *format, ...) BELAY_PRINTF(2, 3);
int64_t link_kit_ms(const struct link_kit *k);
const char *link_kit_letter(const struct link_kit *k, struct belay_endpoint *endpoint);
struct belay_link_stats link_kit_stats(struct link_kit *k);
void link_kit_on_closed(void *kit);
/* The connection that current gives; it must give one. */
struct puppet_conn *link_kit_current(struct link_kit *k);
/* Closes, and settles: on_closed must have run. */
void link_kit_close(struct link_kit *k);

/* One who waits: answered as a note, "<ms> <name>: up" or "<ms> <name>: ECLOSED". */
struct link_wait {
    struct link_kit *kit;
    const char *name;
    struct belay_link_waiter *waiter;
    unsigned told;
    int code;
    struct belay_lease lease;
    char text[BELAY_ERROR_TEXT_MAX];
    void (*then)(struct link_wait *wait); /* from within; may be NULL */
};
int link_wait_for(struct link_wait *w, struct link_kit *k, const char *name, int64_t timeout_ms,
                  bool or_failed);

#endif
