/* SPDX-License-Identifier: MIT */
/*
 * Histories of HTTP/2: requests of one client (http_rig.h) to servers of HTTP/2 (h2_server.h), of which each is carried out
 * there by h2_requests.c. Beside the laws of both, those of h2_oracle.c:
 *
 *     who is lent or waits is a request under way;
 *     nobody waits while a connection to his host carries less than it may;
 *     what came is told at once: answers, PINGs, SETTINGS; and windows are given back, so that nothing stands still;
 *     no more than the window of a stream is on its way to one who has paused;
 *     a connection that takes no more requests, by GOAWAY or age, closes when it is empty;
 *     a silent connection in use is given up after its PING.
 */
#ifndef TEST_SIM_H2_RIG_H
#define TEST_SIM_H2_RIG_H

#include "sim/h2_server.h"
#include "sim/history.h"
#include "sim/http_rig.h"

#define H2_DEEDS(X)                                                                                \
    X(GET, "GET")                                                                                  \
    X(POST, "POST")                                                                                \
    X(UPLOAD, "POST larger than windows")                                                          \
    X(EXPECTS, "100-continue")                                                                     \
    X(DONE, "request done")                                                                        \
    X(FAILED, "request failed")                                                                    \
    X(CANCELLED, "request cancelled")                                                              \
    X(REPLAYED, "request replayed")                                                                \
    X(REPLAYED_POST, "POST replayed, which nobody had seen")                                       \
    X(RESUMED, "reader resumed")                                                                   \
    X(TIMED_OUT, "request timed out")                                                              \
    X(HURRIES, "answer before the body")                                                           \
    X(INFORMATIONAL, "informational response")                                                     \
    X(TRAILERS, "trailers")                                                                        \
    X(GIVEN_UP, "given up after a PING")                                                           \
    X(SHARED, "connection of several streams")                                                     \
    X(FULL, "connection at its limit")                                                             \
    X(SEVERAL, "several connections of a host in use")                                             \
    X(LIFETIME, "closed for its age")                                                              \
    X(DRAINING, "closed for GOAWAY")                                                               \
    X(H1, "host that speaks HTTP/1.1 alone")

enum h2_deed {
    H2_DEED_FIRST = H2_SERVER_DEEDS_N - 1,
#define X(name, text) H2_DEED_##name,
    H2_DEEDS(X)
#undef X
        H2_DEEDS_N
};

struct h2_lives {
    struct life life;
    struct sim_rig *rig;
    struct sim_world *w;
    struct met *met;
    struct belay_http_options options;
    struct belay_pool_options pool;
    struct h2_host hosts[HISTORY_PEERS_MAX];
    int n;
    bool tls;
};

static inline void h2_did(struct h2_lives *all, enum h2_deed deed)
{
    all->met->deeds[deed]++;
}

/* h2_requests.c */
extern const struct h2_app h2_requests; /* its arg is the history */
/* What remains to be told of the answer to this request; NULL: its server has none. */
struct h2_stream *h2_stream_of_request(struct h2_lives *all, const struct sim_get *get);
size_t h2_number_of(const struct h2_stream *st);

/* h2_oracle.c */
void h2_oracle_attach(struct h2_lives *all);

/* h2_history.c */
int h2_history_run(uint64_t seed, const struct history_options *options, struct met *met,
                   char *text, size_t size);

#endif
