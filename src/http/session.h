/* SPDX-License-Identifier: MIT */
/*
 * What stands between requests and connections: a *session* is one protocol on one connection, an
 * *exchange* one request and its response on a session. HTTP/1.1 is one session; another version
 * would be another table of functions.
 *
 *     request --start--> session      down-calls never call back
 *     request <--head, data, ended--  up-calls come from the loop, and may stop the exchange
 *
 * An exchange is embedded in its request and reused by the next one. After `ended` or `failed`, and
 * after `stop`, the session has let go of it.
 */
#ifndef BL_HTTP_SESSION_H
#define BL_HTTP_SESSION_H

#include "belay/http.h"
#include "loop/loop.h"
#include "wire/h1_parse.h"

struct belay_http;
struct bl_check;
struct bl_session;
struct bl_exchange;
struct bl_h2_stream;

/* What is to be sent, whatever the version. Everything was checked. */
struct bl_message {
    struct belay_http_target *target;
    struct bl_span method;
    struct bl_span authorization; /* of a URL's user and password; absent: none */
    const struct belay_header *headers;
    size_t headers_n;
    int64_t body;      /* its length, BL_H1_NO_BODY or BL_H1_CHUNKED */
    const char *bytes; /* of a body in memory; NULL: the exchange's `read` */
    bool expect_continue;
    bool is_head;
    bool direct; /* `read` runs no code of the caller's, and fails with nothing but EAGAIN */
};

struct bl_exchange_ops {
    void (*informational)(struct bl_exchange *ex, struct belay_http_response *response);
    void (*head)(struct bl_exchange *ex, struct belay_http_response *response);
    void (*data)(struct bl_exchange *ex, const char *data, size_t len);
    void (*trailers)(struct bl_exchange *ex, const struct belay_header *trailers, size_t n);
    /* The response is whole. `reusable`: the connection may serve again. */
    void (*ended)(struct bl_exchange *ex, bool reusable);
    /* It was lost; stage and sent are filled in. `how`: what becomes of the connection. */
    void (*failed)(struct bl_exchange *ex, const struct belay_error *error, enum belay_release how);
    /* Its connection has no room for it any more, and nothing of it has left. NULL: it waits. No
     * code of the caller's runs in it. */
    void (*given_back)(struct bl_exchange *ex);
    /* Bytes of the body, as belay_http_read_fn. */
    ptrdiff_t (*read)(struct bl_exchange *ex, void *out, size_t size);
};

struct bl_exchange {
    const struct bl_exchange_ops *ops;
    const struct bl_message *message;
    struct bl_session *session; /* NULL: none has it */
    struct bl_task task;        /* what is to be done outside a call */

    uint64_t sent_mark; /* belay_stream_sent at its start */
    uint64_t active_at; /* when bytes last came in */
    int64_t body_in, body_out;
    struct bl_buf piece; /* of a body by callback: read, and not yet taken by the stream */
    bool answered;       /* a byte of the response was seen */
    bool responded;      /* its head was */
    bool body_sent;      /* all of it; or there is none */
    bool body_stopped;   /* the response came first and makes the rest pointless */
    bool body_ended;     /* the callback has nothing more; the last bytes may be in `piece` */
    bool full;           /* the stream takes no more until it drains */
    bool starved;        /* the callback has nothing at the moment */
    bool awaits_continue;
    bool paused;
    bool quiet; /* what becomes of the connection is its owner's to tell the keeper */
    bool bound; /* to this connection: it is never given back */
    bool go_on; /* the task: hand over what waits */
    bool pump;  /* the task: send more of the body */
    enum belay_sent orphan_sent; /* what became of it on a connection that was closed */
    int32_t informational_n;
    int64_t h2_error;        /* the peer reset the stream with that code; -1: it did not */
    struct bl_h1_parser h1;  /* HTTP/1.1's */
    struct bl_h2_stream *h2; /* HTTP/2's; NULL: it has none */
};

struct bl_session_ops {
    const char *alpn;
    /* Sends the message. On an error nothing was sent and the exchange is not the session's. */
    int (*start)(struct bl_session *session, struct bl_exchange *ex);
    /* Whether it is alive, as far as a look tells: before what cannot be repeated is sent. */
    bool (*probe)(struct bl_session *session);
    /* Lets go of it, at once. BELAY_BROKEN: the connection cannot serve again. */
    enum belay_release (*stop)(struct bl_exchange *ex);
    /* The same, for somebody who takes the stream over as it is. NULL: that cannot be. */
    void (*leave)(struct bl_exchange *ex);
    void (*resume)(struct bl_exchange *ex);
    /* The body's callback has more; or the wait for 100 Continue is over. */
    void (*body_ready)(struct bl_exchange *ex);
    void (*send_body)(struct bl_exchange *ex);
    /* The task of the exchange. */
    void (*run)(struct bl_exchange *ex);
    /* What became of it so far. */
    enum belay_sent (*sent)(const struct bl_exchange *ex);
    /* Bytes of it that have gone: HTTP/1.1, to the kernel; HTTP/2, of the body, to the stream. */
    uint64_t (*bytes_out)(const struct bl_exchange *ex);
    /* Asks the peer whether it is there, and makes belay_conn_checked. NULL: cannot. */
    void (*check)(struct bl_session *session);
    /* It has waited in vain since then, and is given up: if the whole connection was silent, its
     * peer is asked. NULL: a connection that was given up on is closed. */
    void (*doubt)(struct bl_exchange *ex, uint64_t since);
    /* It is the session's no more, whoever has said so. */
    void (*detached)(struct bl_session *session, struct bl_exchange *ex);
    /* Its client is another from now on, whose limits hold. NULL: it has none of them. */
    void (*moved)(struct bl_session *session);
    /* The connection is being closed: frees the session. Exchanges on it fail, later. */
    void (*close)(struct bl_session *session);
};

struct bl_session {
    const struct bl_session_ops *ops;
    struct belay_http *http;
    struct belay_conn *conn;
    struct belay_stream *stream;
    uint32_t running; /* exchanges */
    uint32_t uses;
    int capacity; /* of exchanges at a time */
    bool tls_resumed;
    bool forward;              /* a forward proxy is spoken to: in absolute form */
    char *proxy_authorization; /* "Basic ...", for it alone; NULL: none */
    struct bl_list link;       /* of the client's, where another keeper than its pool has it */
    struct bl_check *check;    /* under way; or NULL */
};

/* Its stream has been taken by whoever has a lease on the connection, and is theirs. */
static inline bool bl_session_is_taken(const struct bl_session *session)
{
    return !belay_conn_stream(session->conn);
}

void bl_exchange_init(struct bl_exchange *ex, struct belay_loop *loop,
                      const struct bl_exchange_ops *ops, const struct bl_message *message);
void bl_exchange_fini(struct bl_exchange *ex, struct belay_loop *loop);
/* As new, with the memory that it has. */
void bl_exchange_reset(struct bl_exchange *ex);
/* A session takes it on, or lets go of it. */
void bl_exchange_attach(struct bl_exchange *ex, struct bl_session *session);
void bl_exchange_detach(struct bl_exchange *ex);
/* Its connection was closed under it: `failed` follows. */
void bl_exchange_orphan(struct bl_exchange *ex);

/* HTTP/1.1, and HTTP/2, on a connection. BELAY_ENOMEM. The first is ready at once; the other says
 * so by bl_session_ready, or bl_session_unfit, when the peer has spoken. */
int bl_h1_session_new(struct belay_http *http, struct belay_conn *conn, struct belay_stream *stream,
                      struct bl_session **ret);
int bl_h2_session_new(struct belay_http *http, struct belay_conn *conn, struct belay_stream *stream,
                      struct bl_session **ret);
void bl_session_ready(struct bl_session *session);
/* Its connection fails to open; whoever says so frees it. */
void bl_session_unfit(struct bl_session *session, const struct belay_error *error);

/* Its peer wants HTTP/1.1 in place of HTTP/2: new connections to that endpoint of the pool speak
 * that, if they may, and those that there are serve nobody else. False: they may not. */
bool bl_session_step_down(struct bl_session *session);

/* The connectors, `http`: of the client's pool, and of other keepers. Their arg is the client. */
extern const struct belay_connector_ops bl_http_connector, bl_http_link_connector;
/* The session of a connection; NULL: it is none of HTTP, or its session has not begun. */
struct bl_session *bl_http_session_of(struct belay_conn *conn);
/* Frees it. Its connection is closed, or has failed to open. */
void bl_session_end(struct bl_session *session);
/* The client is closing: connections that are another keeper's fail. */
void bl_http_end_links(struct belay_http *http);

#endif
