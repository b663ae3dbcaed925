/* SPDX-License-Identifier: MIT */
/* What a handshake came to, for those who ask. The certificate is encoded at the first question. */
#include "net/tls.h"

void bl_tls_shown_put(struct bl_mem *mem, struct bl_tls_shown *shown)
{
    if (!shown || --shown->refs > 0)
        return;
    X509_free(shown->cert);
    bl_free(mem, shown);
}

static int shown_new(struct bl_mem *mem, X509 *cert, struct bl_tls_shown **ret)
{
    int len = i2d_X509(cert, NULL);
    struct bl_tls_shown *shown;
    uint8_t digest[BL_TLS_DIGEST], *at;

    if (len <= 0 || !bl_tls_key_digest(cert, digest))
        return BELAY_ENOMEM;
    shown = bl_zalloc(mem, sizeof *shown + (size_t)len);
    if (!shown)
        return BELAY_ENOMEM;
    shown->refs = 1;
    shown->len = (uint32_t)len;
    at = shown->der;
    i2d_X509(cert, &at);
    bl_tls_pin_print(digest, shown->pin);
    X509_up_ref(cert);
    shown->cert = cert;
    *ret = shown;
    return 0;
}

/* Fills f->shown, from the peer's other connections when they were shown the same. */
static int show(struct bl_tls_filter *f, X509 *cert)
{
    struct bl_mem *mem = &f->tls->loop->mem;
    struct bl_tls_shown *other = f->peer ? f->peer->shown : NULL;
    int code;

    if (other && (other->cert == cert || X509_cmp(other->cert, cert) == 0)) {
        other->refs++;
        f->shown = other;
        return 0;
    }
    code = shown_new(mem, cert, &f->shown);
    if (code == 0 && f->peer) {
        bl_tls_shown_put(mem, other);
        f->shown->refs++;
        f->peer->shown = f->shown;
    }
    return code;
}

/* Only what facts->size has room for is worked out: version to `verified` cost nothing. */
int bl_tls_facts(struct bl_filter *filter, struct belay_tls_facts *facts)
{
    struct bl_tls_filter *f = BL_CONTAINER(filter, struct bl_tls_filter, filter);
    struct belay_tls_facts all = belay_tls_facts_init();
    X509 *cert = SSL_get0_peer_certificate(f->ssl);
    int code;

    if (facts->size < sizeof facts->size)
        return BELAY_EINVAL;
    if (facts->size < all.size)
        all.size = facts->size;
    all.version = SSL_get_version(f->ssl);
    all.cipher = SSL_get_cipher_name(f->ssl);
    all.alpn = f->alpn;
    all.resumed = SSL_session_reused(f->ssl) == 1;
    all.verified = f->up && SSL_get_verify_mode(f->ssl) != SSL_VERIFY_NONE &&
                   SSL_get_verify_result(f->ssl) == X509_V_OK;
    if (cert && all.size > offsetof(struct belay_tls_facts, peer_certificate)) {
        code = f->shown ? 0 : show(f, cert);
        if (code != 0)
            return code;
        all.peer_certificate = f->shown->der;
        all.peer_certificate_len = f->shown->len;
        memcpy(all.peer_pin, f->shown->pin, sizeof all.peer_pin);
    }
    memcpy(facts, &all, all.size);
    return 0;
}
