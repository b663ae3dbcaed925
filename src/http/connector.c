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
#include "keep/pool.h"
#include "net/stream.h"
#include "wire/credentials.h"

struct protocol {
    const char *alpn;
    bool ready; /* at once */
    int (*open)(struct belay_http *http, struct belay_conn *conn, struct belay_stream *stream,
                struct bl_session **ret);
};

static const struct protocol protocols[] = {
    {.alpn = "http/1.1", .ready = true, .open = bl_h1_session_new},
    {.alpn = "h2", .open = bl_h2_session_new},
};

/* Whatever a server has chosen, and whoever has opened the connection. */
static bool is_allowed(const struct belay_http *http, const char *alpn)
{
    bool h2 = strcmp(alpn, "h2") == 0;

    return http->options.versions != (h2 ? BELAY_HTTP_1_ONLY : BELAY_HTTP_2_ONLY);
}

/* Where nothing was agreed it is HTTP/1.1: over plain TCP, and by servers without ALPN; but HTTP/2
 * by prior knowledge. Forward proxies are spoken to in HTTP/1.1. NULL: none that both sides speak. */
static const struct protocol *agreed(const struct belay_http *http, bool tls, bool forward,
                                     const char *alpn)
{
    if (!alpn)
        alpn = !tls && http->options.versions == BELAY_HTTP_2_ONLY ? "h2" : "http/1.1";
    if (!is_allowed(http, alpn) || (forward && strcmp(alpn, "h2") == 0))
        return NULL;
    for (size_t i = 0; i < BL_COUNT(protocols); i++) {
        if (strcmp(alpn, protocols[i].alpn) == 0)
            return &protocols[i];
    }
    return NULL;
}

static void fail(struct belay_conn *conn, int code, const char *what)
{
    struct belay_error error;

    bl_error_set(&error, code, BELAY_STAGE_PROTOCOL, "starting HTTP with %s: %s",
                 belay_endpoint_name(belay_conn_endpoint(conn)), what);
    belay_conn_open_failed(conn, &error);
}

static void fail_to_agree(struct belay_conn *conn, const struct belay_stream *stream,
                          const char *alpn)
{
    char shown[48];

    if (!alpn)
        fail(conn, BELAY_EALPN, "HTTP/2 was not agreed on");
    else if (stream->proxied)
        fail(conn, BELAY_EALPN, "another protocol");
    else
        fail(conn, BELAY_EALPN, bl_text_show(shown, sizeof shown, alpn, strlen(alpn)));
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

static void begin(struct belay_conn *conn, struct belay_stream *stream, struct belay_http *http,
                  bool linked)
{
    struct belay_tls_facts facts = belay_tls_facts_init();
    bool tls = belay_stream_tls_facts(stream, &facts) == 0;
    const struct bl_hop *proxy = bl_endpoint_forward(belay_conn_endpoint(conn), stream->way);
    const struct protocol *protocol = agreed(http, tls, proxy != NULL, tls ? facts.alpn : NULL);
    struct bl_session *session;
    char *credentials;

    if (!protocol) {
        fail_to_agree(conn, stream, tls ? facts.alpn : NULL);
        return;
    }
    if (proxy_credentials(&http->loop->mem, proxy, &credentials) < 0 ||
        protocol->open(http, conn, stream, &session) < 0) {
        forget(&http->loop->mem, credentials);
        fail(conn, BELAY_ENOMEM, "out of memory");
        return;
    }
    if (linked)
        bl_list_push_back(&http->links, &session->link);
    session->forward = proxy != NULL;
    session->proxy_authorization = credentials;
    session->tls_resumed = tls && facts.resumed;
    belay_conn_set_state(conn, session);
    bl_conn_set_checkable(conn, session->ops->check != NULL || http->check != NULL);
    if (protocol->ready)
        bl_session_ready(session);
}

void bl_session_ready(struct bl_session *session)
{
    bool linked = !bl_list_empty(&session->link);

    if (linked && session->http->check)
        bl_check_begin(session, true);
    else
        belay_conn_open_done(session->conn, session, session->capacity);
}

void bl_session_unfit(struct bl_session *session, const struct belay_error *error)
{
    struct belay_error told = *error;

    told.stage = BELAY_STAGE_PROTOCOL;
    bl_error_prefix(&told, "starting HTTP with %.160s",
                    belay_endpoint_name(belay_conn_endpoint(session->conn)));
    belay_conn_open_failed(session->conn, &told);
}

bool bl_session_step_down(struct bl_session *session)
{
    static const uint8_t http1[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    struct belay_peer *peer = bl_pool_peer_of(session->conn);

    if (!peer || !is_allowed(session->http, "http/1.1") ||
        !bl_endpoint_offers(peer->endpoint, "http/1.1"))
        return false;
    if (peer->alpn) /* only what was opened before, or elsewhere, still speaks HTTP/2 */
        belay_conn_draining(session->conn);
    else
        bl_peer_narrow(peer, http1, sizeof http1, 1);
    return true;
}

static void session_open(struct belay_conn *conn, struct belay_stream *stream, void *arg)
{
    begin(conn, stream, arg, false);
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

/* An idle session has nothing of its client but limits. */
static bool move_session(struct belay_conn *conn, void *arg, void *to)
{
    struct bl_session *session = belay_conn_state(conn);

    (void)arg;
    if (session->running > 0 || !is_allowed(to, session->ops->alpn))
        return false;
    session->http = to;
    if (session->ops->moved)
        session->ops->moved(session);
    return true;
}

/* A check, or the peer's first word, is awaited. */
static void cancel_session(struct belay_conn *conn, void *arg)
{
    if (belay_conn_stream(conn))
        belay_stream_set_callbacks(belay_conn_stream(conn), NULL, NULL);
    close_session(conn, BELAY_REASON_NONE, arg);
}

/* Who uses it will find out, where it cannot be asked. */
static void check_session(struct belay_conn *conn, void *arg)
{
    struct bl_session *session = belay_conn_state(conn);

    (void)arg;
    if (session->ops->check)
        session->ops->check(session);
    else
        belay_conn_checked(conn, 0);
}

const struct belay_connector_ops bl_http_connector = {
    .size = sizeof bl_http_connector,
    .name = "HTTP",
    .session_open = session_open,
    .cancel = cancel_session,
    .close = close_session,
    .check = check_session,
    .move = move_session,
};

/* ---- for other keepers than the client's pool ---- */

static void link_open(struct belay_conn *conn, struct belay_stream *stream, void *arg)
{
    struct belay_http *http = arg;
    struct belay_error error;

    if (http->closing || http->draining) {
        bl_error_set(&error, BELAY_ECLOSED, BELAY_STAGE_PROTOCOL,
                     "starting HTTP with %s: the client is closed",
                     belay_endpoint_name(belay_conn_endpoint(conn)));
        error.final = true;
        belay_conn_open_failed(conn, &error);
        return;
    }
    begin(conn, stream, http, true);
}

static void link_check(struct belay_conn *conn, void *arg)
{
    struct belay_http *http = arg;
    struct bl_session *session = belay_conn_state(conn);

    if (http->check && session->running == 0)
        bl_check_begin(session, false);
    else
        check_session(conn, arg);
}

const struct belay_connector_ops bl_http_link_connector = {
    .size = sizeof bl_http_link_connector,
    .name = "HTTP",
    .session_open = link_open,
    .cancel = cancel_session,
    .close = close_session,
    .check = link_check,
};

struct bl_session *bl_http_session_of(struct belay_conn *conn)
{
    const struct belay_connector_ops *ops = conn->connector->ops;
    bool http = ops == &bl_http_connector || ops == &bl_http_link_connector;

    return http ? belay_conn_state(conn) : NULL;
}

/* The peer has not said its first word: nobody closes what never was open. */
static void end_opening(struct bl_session *session, const struct belay_error *error)
{
    struct belay_conn *conn = session->conn;

    belay_stream_set_callbacks(session->stream, NULL, NULL);
    bl_session_end(session);
    belay_conn_set_state(conn, NULL);
    belay_conn_open_failed(conn, error);
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
        else if (bl_conn_get_state(session->conn) == BL_CONN_OPENING)
            end_opening(session, &error);
        else
            belay_conn_lost(session->conn, BELAY_REASON_ERROR, &error);
    }
}
