/* SPDX-License-Identifier: MIT */
/* What a handshake came to, for those who ask. The certificate is encoded at the first question. */
#include "net/tls.h"

static int encode_certificate(struct bl_tls_filter *f, const X509 *cert)
{
    uint8_t *at;
    int len;

    if (f->der)
        return 0;
    len = i2d_X509(cert, NULL);
    if (len <= 0)
        return BELAY_ETLS;
    f->der = at = bl_alloc(&f->tls->loop->mem, (size_t)len);
    if (!f->der)
        return BELAY_ENOMEM;
    f->der_len = (uint32_t)i2d_X509(cert, &at);
    return 0;
}

/* Only what facts->size has room for is worked out: version to `verified` cost nothing. */
int bl_tls_facts(struct bl_filter *filter, struct belay_tls_facts *facts)
{
    struct bl_tls_filter *f = BL_CONTAINER(filter, struct bl_tls_filter, filter);
    struct belay_tls_facts all = belay_tls_facts_init();
    const X509 *cert = SSL_get0_peer_certificate(f->ssl);
    uint8_t digest[BL_TLS_DIGEST];
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
        code = encode_certificate(f, cert);
        if (code != 0)
            return code;
        all.peer_certificate = f->der;
        all.peer_certificate_len = f->der_len;
    }
    if (cert && all.size > offsetof(struct belay_tls_facts, peer_pin)) {
        if (!bl_tls_key_digest(cert, digest))
            return BELAY_ENOMEM;
        bl_tls_pin_print(digest, all.peer_pin);
    }
    memcpy(facts, &all, all.size);
    return 0;
}
