/* SPDX-License-Identifier: MIT */
/* The connector of HTTP: after the handshake the connection gets the session of the protocol that
 * was agreed. */
#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"
#include "conn/endpoint.h"
#include "http/client.h"
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

static void session_open(struct belay_conn *conn, struct belay_stream *stream, void *arg)
{
    struct belay_http *http = arg;
    struct belay_tls_facts facts = belay_tls_facts_init();
    bool tls = belay_stream_tls_facts(stream, &facts) == 0;
    const struct protocol *protocol = agreed(tls ? facts.alpn : NULL);
    const struct bl_hop *proxy = bl_endpoint_forward(belay_conn_endpoint(conn), stream->way);
    struct bl_session *session;
    char shown[48], *credentials;

    if (!protocol) {
        bl_text_show(shown, sizeof shown, facts.alpn, strlen(facts.alpn));
        fail(conn, BELAY_EALPN, stream->proxied ? "another protocol" : shown);
        return;
    }
    if (proxy_credentials(&http->loop->mem, proxy, &credentials) < 0 ||
        protocol->open(http, conn, stream, &session) < 0) {
        forget(&http->loop->mem, credentials);
        fail(conn, BELAY_ENOMEM, "out of memory");
        return;
    }
    session->forward = proxy != NULL;
    session->proxy_authorization = credentials;
    session->tls_resumed = tls && facts.resumed;
    belay_conn_open_done(conn, session, protocol->capacity);
}

static void close_session(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    struct bl_session *session = belay_conn_state(conn);
    struct bl_mem *mem = &session->http->loop->mem;
    char *credentials = session->proxy_authorization;

    (void)reason;
    (void)arg;
    session->ops->close(session);
    forget(mem, credentials);
    belay_conn_set_state(conn, NULL);
    belay_conn_closed(conn);
}

/* An idle session has nothing of its client but limits, and where its memory comes from. */
static bool move_session(struct belay_conn *conn, void *arg, void *to)
{
    struct bl_session *session = belay_conn_state(conn);

    (void)arg;
    if (session->exchange)
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
