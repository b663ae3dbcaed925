/* SPDX-License-Identifier: MIT */
/*
 * HTTP/2 servers at the far end of wires: real frames, by nghttp2's server session, and beside it an eye of their own on what
 * comes in, frame by frame, which shares no code with it. Laws of every connection, checked as frames arrive:
 *
 *     no stream before the first SETTINGS were acknowledged, nor beyond the limit that was acknowledged last;
 *     no stream once a GOAWAY was seen: a PING follows each, and its answer says so;
 *     nothing that nghttp2 holds to be a breach of the protocol.
 *
 * What is done with requests is their app's (struct h2_app).
 */
#ifndef TEST_SIM_H2_SERVER_H
#define TEST_SIM_H2_SERVER_H

#include <nghttp2/nghttp2.h>

#include "sim/met.h"
#include "sim/world.h"

#define H2_SETTINGS_MAX 16 /* sent, and not acknowledged */
#define H2_PATH_MAX     128
#define H2_OPEN_MAX     512

/* What befalls servers, the first deeds of every family that has them. */
#define H2_SERVER_DEEDS(X)                                                                         \
    X(NOTICE, "GOAWAY as a notice")                                                                \
    X(GOAWAY, "GOAWAY")                                                                            \
    X(GOAWAY_ERROR, "GOAWAY with an error")                                                        \
    X(ABOVE, "streams above the last of GOAWAY")                                                   \
    X(HANGS_UP, "end after GOAWAY")                                                                \
    X(RAISED, "limit raised")                                                                      \
    X(LOWERED, "limit lowered")                                                                    \
    X(ZERO, "limit lowered to 0")                                                                  \
    X(WINDOWS, "window changed")                                                                   \
    X(NO_WINDOW, "window of 0")                                                                    \
    X(LATE_SETTINGS, "first SETTINGS late")                                                        \
    X(PING, "PING of the server")                                                                  \
    X(PINGED, "PING of the client")                                                                \
    X(REFUSES, "stream refused")                                                                   \
    X(RESETS, "stream reset before an answer")                                                     \
    X(RESETS_MID, "stream reset amid an answer")                                                   \
    X(HANGS, "request never answered")                                                             \
    X(STILL, "still connection looked at")

enum h2_server_deed {
#define X(name, text) H2_DEED_##name,
    H2_SERVER_DEEDS(X)
#undef X
        H2_SERVER_DEEDS_N
};

struct h2_stream;
struct h2_conn;

struct h2_app {
    void (*head)(struct h2_stream *st);
    void (*field)(struct h2_stream *st, const char *name, const char *value); /* may be NULL */
    void (*data)(struct h2_stream *st, const uint8_t *data, size_t len);
    void (*end)(struct h2_stream *st);    /* the client has said all */
    void (*think)(struct h2_stream *st);  /* st->think is due */
    void (*closed)(struct h2_stream *st); /* it is freed afterwards */
};

/* What the servers of one host are like. */
struct h2_host {
    struct sim_host *host;
    struct met *met;
    const struct h2_app *app;
    void *arg; /* the app's */
    struct bl_list conns;
    uint32_t max_streams, window;             /* of its SETTINGS */
    uint64_t settings_ns;                     /* how late the first ones are */
    unsigned refuses, resets, hangs, hurries; /* per cent of requests */
    uint64_t lost_ns;                         /* when the client last let go of a connection */
    /* may be NULL; a request's head is whole */
    void (*on_stream)(struct h2_stream *st);
};

static inline void h2_host_did(struct h2_host *h, enum h2_server_deed deed)
{
    h->met->deeds[deed]++;
}

struct h2_open {
    uint32_t id;
    bool client, server; /* has said all */
};

struct h2_conn {
    struct bl_list link; /* of the host */
    struct h2_host *host;
    struct sim_wire *wire;
    nghttp2_session *session;
    struct bl_list streams;
    struct sim_event settings;        /* the first ones */
    bool inside;                      /* nghttp2 is at work */
    bool spoken;                      /* the first SETTINGS have gone */
    struct bl_buf early;              /* came before */
    struct h2_open open[H2_OPEN_MAX]; /* as the frames say */
    unsigned open_n, most;            /* most: at a time */
    uint32_t seen_id;                 /* the last that came */
    uint32_t done_id;                 /* the last that was acted upon */
    uint64_t served;                  /* streams in all */

    /* limits: acknowledged, and under way in the order of their SETTINGS */
    bool acknowledged;
    uint64_t acknowledged_ns; /* the first time: then it is open */
    uint32_t limit;
    uint32_t pending[H2_SETTINGS_MAX];
    unsigned pending_n;

    bool let_go;  /* the oracle has seen that */
    bool left_us; /* the client has sent a GOAWAY */
    bool goaway, goaway_final, goaway_seen;
    uint64_t goaway_seen_ns;
    uint32_t last_id; /* of the last GOAWAY */
    unsigned pings;   /* unanswered */
    unsigned unfit_pings;
    uint64_t unfit_ns;
    bool unfit; /* h2_ping_unfit was answered: its server has taken back what was said */

    /* the eye */
    uint8_t head[9];
    unsigned head_n, preface, pong_n;
    uint8_t pong[8];
    uint32_t left;

    uint64_t conn_id;   /* belay's, as requests tell; 0: not known */
    uint64_t empty_ns;  /* since when it has no stream */
    uint64_t unused_ns; /* when it last had no request that is not held back */
};

struct h2_stream {
    struct bl_list link; /* of the connection */
    struct h2_conn *conn;
    int32_t id;
    char method[16], path[H2_PATH_MAX];
    void *state;                           /* the app's */
    bool client_ended, server_ended, done; /* done: acted upon, which GOAWAY must not deny */
    bool responded, deferred;
    struct bl_buf out; /* of the body, to be sent */
    bool out_end;
    const nghttp2_nv *trailers; /* sent at the end */
    size_t trailers_n;
    uint64_t sent; /* bytes of the body that have left */
    struct sim_event think;
};

extern const struct sim_server_ops h2_server;
/* The same over TLS, where the client agrees (ALPN), else HTTP/1.1. */
extern const struct sim_server_ops h2_or_http_server;

void h2_host_init(struct h2_host *h, struct sim_host *host, const struct h2_app *app, void *arg,
                  struct met *met);
void h2_host_heal(struct h2_host *h); /* as it was made; connections are told */

/* Of a stream. What is said goes as windows allow. */
void h2_informational(struct h2_stream *st, const char *status);
void h2_respond(struct h2_stream *st, const nghttp2_nv *fields, size_t n, bool end);
void h2_say(struct h2_stream *st, const void *data, size_t len);
void h2_finish(struct h2_stream *st, const nghttp2_nv *trailers, size_t n); /* static ones */
void h2_reset(struct h2_stream *st, uint32_t code);
void h2_done(struct h2_stream *st); /* it is acted upon */

/* Of a connection. */
enum h2_goaway { H2_GOAWAY_NOTICE, H2_GOAWAY_NOW, H2_GOAWAY_ERROR };
void h2_settings(struct h2_conn *c); /* as its host says now */
void h2_ping(struct h2_conn *c);
void h2_ping_unfit(struct h2_conn *c); /* its answer sets c->unfit */
void h2_goaway(struct h2_conn *c, enum h2_goaway how);
void h2_hang_up(struct h2_conn *c); /* it ends its side */
/* Nothing is on its way in either direction, and the server is listening. */
bool h2_is_still(const struct h2_conn *c);
/* Then all that was sent was read, and answered where it asks for that. */
void h2_check_still(struct h2_conn *c);

/* h2_faults.c: one more fault, there or on the way; a connection, NULL when there is none. */
void h2_fault(struct h2_host *h, bool alloc_fails);
struct h2_conn *h2_some_conn(struct h2_host *h);

#define H2_NV(name_, value_)                                                                       \
    ((nghttp2_nv){(uint8_t *)(uintptr_t)(name_), (uint8_t *)(uintptr_t)(value_), strlen(name_),    \
                  strlen(value_), NGHTTP2_NV_FLAG_NONE})

#endif
