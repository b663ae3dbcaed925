/* SPDX-License-Identifier: MIT */
/*
 * Tickets for resumption: at most four per peer, each given out once, the least recently dialled
 * peers forgotten first. A peer is the verified name and the caller's session key together: a
 * resumed handshake shows no certificate, so a ticket of one name must never serve another.
 *
 * TLS 1.3 servers send new tickets all the time. Those of TLS 1.2 do not send one to a connection
 * that was resumed, so its session goes back after the handshake (tls_filter.c).
 */
#include <openssl/x509.h>
#include <time.h>

#include "net/tls.h"

#define WEEK_S 604800 /* RFC 8446, 4.6.1: no ticket is kept longer */

static struct bl_tls_peer *peer_of(struct bl_list *recent)
{
    return BL_LIST_OF(recent, struct bl_tls_peer, recent);
}

static void drop_oldest_ticket(struct bl_tls_peer *peer)
{
    SSL_SESSION_free(peer->tickets[0].session);
    peer->tickets_n--;
    memmove(&peer->tickets[0], &peer->tickets[1], peer->tickets_n * sizeof peer->tickets[0]);
}

static void forget(struct belay_tls *tls, struct bl_tls_peer *peer)
{
    while (peer->tickets_n > 0)
        drop_oldest_ticket(peer);
    if (bl_list_linked(&peer->recent)) {
        bl_list_remove(&peer->recent);
        bl_map_remove(&tls->peers, &peer->node);
    }
    bl_tls_shown_put(&tls->loop->mem, peer->shown);
    peer->shown = NULL;
    if (peer->refs == 0)
        bl_free(&tls->loop->mem, peer);
}

void bl_tls_sessions_init(struct belay_tls *tls)
{
    bl_map_init(&tls->peers, &tls->loop->mem, tls->loop->hash_key);
    bl_list_init(&tls->recent);
}

void bl_tls_sessions_fini(struct belay_tls *tls)
{
    while (!bl_list_empty(&tls->recent))
        forget(tls, peer_of(bl_list_first(&tls->recent)));
}

static struct bl_tls_peer *peer_new(struct belay_tls *tls, const uint8_t *key, size_t key_len)
{
    struct bl_tls_peer *peer = bl_zalloc(&tls->loop->mem, sizeof *peer + key_len);

    if (!peer)
        return NULL;
    bl_list_init(&peer->recent);
    peer->key_len = (uint32_t)key_len;
    memcpy(peer->key, key, key_len);
    if (bl_map_add(&tls->peers, peer->key, key_len, &peer->node) != 0) {
        bl_free(&tls->loop->mem, peer);
        return NULL;
    }
    return peer;
}

struct bl_tls_peer *bl_tls_peer_get(struct belay_tls *tls, const char *name, const void *key,
                                    size_t key_len)
{
    size_t name_len = strlen(name) + 1; /* its NUL parts it from the key */
    size_t len = name_len + key_len;
    uint8_t *both = bl_alloc(&tls->loop->mem, len);
    struct bl_map_node *node;
    struct bl_tls_peer *peer;

    if (!both)
        return NULL;
    memcpy(both, name, name_len);
    memcpy(both + name_len, key, key_len);
    node = bl_map_find(&tls->peers, both, len);
    peer = node ? BL_CONTAINER(node, struct bl_tls_peer, node) : peer_new(tls, both, len);
    bl_free(&tls->loop->mem, both);
    if (!peer)
        return NULL;
    peer->refs++;
    bl_list_remove(&peer->recent);
    bl_list_push_front(&tls->recent, &peer->recent);
    if (tls->peers.count > tls->sessions_max)
        forget(tls, peer_of(bl_list_last(&tls->recent)));
    return peer;
}

void bl_tls_peer_put(struct belay_tls *tls, struct bl_tls_peer *peer)
{
    if (peer && --peer->refs == 0 && peer->tickets_n == 0)
        forget(tls, peer);
}

static int64_t not_after_ms(const X509 *cert)
{
    struct tm tm = {0};

    if (!cert || ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
        return INT64_MAX;
    return (int64_t)timegm(&tm) * 1000;
}

/* A ticket ends with its lifetime, or with the certificate that was verified for it. */
static int64_t expiry_ms(struct belay_tls *tls, SSL_SESSION *session)
{
    int64_t life_s = SSL_SESSION_get_timeout(session);
    int64_t hint_s = (int64_t)SSL_SESSION_get_ticket_lifetime_hint(session);
    int64_t cert_ms = tls->no_verify ? INT64_MAX : not_after_ms(SSL_SESSION_get0_peer(session));
    int64_t ms;

    if (hint_s > 0 && hint_s < life_s)
        life_s = hint_s;
    if (life_s > WEEK_S)
        life_s = WEEK_S;
    ms = bl_wall_ms(tls->loop) + life_s * 1000;
    return ms < cert_ms ? ms : cert_ms;
}

SSL_SESSION *bl_tls_session_take(struct belay_tls *tls, struct bl_tls_peer *peer)
{
    int64_t now = bl_wall_ms(tls->loop);

    while (peer->tickets_n > 0) {
        SSL_SESSION *session = peer->tickets[--peer->tickets_n].session;

        if (peer->tickets[peer->tickets_n].expires_ms > now && SSL_SESSION_is_resumable(session))
            return session;
        SSL_SESSION_free(session);
    }
    return NULL;
}

void bl_tls_session_keep(struct belay_tls *tls, struct bl_tls_peer *peer, SSL_SESSION *session)
{
    if (!bl_list_linked(&peer->recent) || !SSL_SESSION_is_resumable(session)) {
        SSL_SESSION_free(session);
        return;
    }
    if (peer->tickets_n == BL_TLS_TICKETS)
        drop_oldest_ticket(peer);
    peer->tickets[peer->tickets_n].session = session;
    peer->tickets[peer->tickets_n].expires_ms = expiry_ms(tls, session);
    peer->tickets_n++;
}
