/* SPDX-License-Identifier: MIT */
/* The connector of HTTP: after the handshake the connection gets the session of the protocol that
 * was agreed. */
#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"
#include "conn/conn.h"
#include "conn/endpoint.h"
#include "http/client.h"
#include "http/http_check.h"
#include "http/session.h"
#include "net/stream.h"
#include "wire/credentials.h"

struct protocol {
    const char *alpn;
    int capacity; /* exchanges at a time */
    int (*open)(struct belay_http *http, struct belay_conn *conn, struct belay_stream *stream,
                struct bl_session **ret);
};

/* The first is spoken where nothing was agreed: over plain TCP, and by servers without ALPN. */
static const struct protocol protocols[] = {
    {.alpn = "http/1.1", .capacity = 1, .open = bl_h1_session_new},
};

static const struct protocol *agreed(const char *alpn)
{
    for (size_t i = 0; alpn && i < BL_COUNT(protocols); i++) {
        if (strcmp(alpn, protocols[i].alpn) == 0)
            return &protocols[i];
    }
    return alpn ? NULL : &protocols[0];
}

static void fail(struct belay_conn *conn, int code, const char *what)
{
    struct belay_error error;

    bl_error_set(&error, code, BELAY_STAGE_PROTOCOL, "starting HTTP with %s: %s",
                 belay_endpoint_name(belay_conn_endpoint(conn)), what);
    belay_conn_open_failed(conn, &error);
}

/* "Basic ..." for the forward proxy, which depends on the way that this connection has gone. */
static int proxy_credentials(struct bl_mem *mem, const struct bl_hop *proxy, char **ret)
{
    *ret = NULL;
    if (!proxy || !proxy->user)
        return 0;
    *ret = bl_basic_credentials(mem, bl_span_of(proxy->user), bl_span_of(proxy->password));
    return *ret ? 0 : BELAY_ENOMEM;
}

static void forget(struct bl_mem *mem, char *secret)
{
    if (secret)
        bl_free_secret(mem, secret, strlen(secret));
}

/* NULL: it has failed. */
static struct bl_session *begin(struct belay_conn *conn, struct belay_stream *stream,
                                struct belay_http *http)
{
    struct belay_tls_facts facts = belay_tls_facts_init();
    bool tls = belay_stream_tls_facts(stream, &facts) == 0;
    const struct protocol *protocol = agreed(tls ? facts.alpn : NULL);
    const struct bl_hop *proxy = bl_endpoint_forward(belay_conn_endpoint(conn), stream->way);
    struct bl_session *session;
    char shown[48], *credentials;

    if (!protocol) {
        bl_text_show(shown, sizeof shown, facts.alpn, strlen(facts.alpn));
        fail(conn, BELAY_EALPN, stream->proxied ? "another protocol" : shown);
        return NULL;
    }
    if (proxy_credentials(&http->loop->mem, proxy, &credentials) < 0 ||
        protocol->open(http, conn, stream, &session) < 0) {
        forget(&http->loop->mem, credentials);
        fail(conn, BELAY_ENOMEM, "out of memory");
        return NULL;
    }
    session->forward = proxy != NULL;
    session->proxy_authorization = credentials;
    session->tls_resumed = tls && facts.resumed;
    session->capacity = protocol->capacity;
    return session;
}

static void session_open(struct belay_conn *conn, struct belay_stream *stream, void *arg)
{
    struct bl_session *session = begin(conn, stream, arg);

    if (session)
        belay_conn_open_done(conn, session, session->capacity);
}

void bl_session_end(struct bl_session *session)
{
    struct belay_http *http = session->http;
    char *credentials = session->proxy_authorization;
    bool linked = !bl_list_empty(&session->link);

    bl_check_free(session->check);
    bl_list_remove(&session->link);
    session->ops->close(session);
    forget(&http->loop->mem, credentials);
    if (linked)
        bl_http_less(http);
}

static void close_session(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    struct bl_session *session = belay_conn_state(conn);

    (void)reason;
    (void)arg;
    bl_session_end(session);
    belay_conn_set_state(conn, NULL);
    belay_conn_closed(conn);
}

/* An idle session has nothing of its client but limits, and where its memory comes from. */
static bool move_session(struct belay_conn *conn, void *arg, void *to)
{
    struct bl_session *session = belay_conn_state(conn);

    (void)arg;
    if (session->running > 0)
        return false;
    session->http = to;
    return true;
}

const struct belay_connector_ops bl_http_connector = {
    .size = sizeof bl_http_connector,
    .name = "HTTP",
    .session_open = session_open,
    .close = close_session,
    .move = move_session,
};

/* ---- for other keepers than the client's pool ---- */

static void link_open(struct belay_conn *conn, struct belay_stream *stream, void *arg)
{
    struct belay_http *http = arg;
    struct bl_session *session;
    struct belay_error error;

    if (http->closing || http->draining) {
        bl_error_set(&error, BELAY_ECLOSED, BELAY_STAGE_PROTOCOL,
                     "starting HTTP with %s: the client is closed",
                     belay_endpoint_name(belay_conn_endpoint(conn)));
        error.final = true;
        belay_conn_open_failed(conn, &error);
        return;
    }
    session = begin(conn, stream, http);
    if (!session)
        return;
    bl_list_push_back(&http->links, &session->link);
    belay_conn_set_state(conn, session);
    if (http->check)
        bl_check_begin(session, true);
    else
        belay_conn_open_done(conn, session, session->capacity);
}

/* Only a check keeps it from being open. */
static void link_cancel(struct belay_conn *conn, void *arg)
{
    if (belay_conn_stream(conn))
        belay_stream_set_callbacks(belay_conn_stream(conn), NULL, NULL);
    close_session(conn, BELAY_REASON_NONE, arg);
}

static void link_check(struct belay_conn *conn, void *arg)
{
    struct belay_http *http = arg;
    struct bl_session *session = belay_conn_state(conn);

    if (session->running > 0 || !http->check)
        belay_conn_checked(conn, 0); /* who uses it will find out */
    else
        bl_check_begin(session, false);
}

const struct belay_connector_ops bl_http_link_connector = {
    .size = sizeof bl_http_link_connector,
    .name = "HTTP",
    .session_open = link_open,
    .cancel = link_cancel,
    .close = close_session,
    .check = link_check,
};

struct bl_session *bl_http_session_of(struct belay_conn *conn)
{
    const struct belay_connector_ops *ops = conn->connector->ops;
    bool http = ops == &bl_http_connector || ops == &bl_http_link_connector;

    return http ? belay_conn_state(conn) : NULL;
}

void bl_http_end_links(struct belay_http *http)
{
    struct belay_error error;

    bl_error_set(&error, BELAY_ECLOSED, BELAY_STAGE_USE, "the HTTP client was closed");
    error.final = true;
    BL_LIST_EACH(node, &http->links)
    {
        struct bl_session *session = BL_LIST_OF(node, struct bl_session, link);

        if (session->check)
            bl_check_fail(session->check, &error);
        else
            belay_conn_lost(session->conn, BELAY_REASON_ERROR, &error);
    }
}
