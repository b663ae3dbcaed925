/* SPDX-License-Identifier: MIT */
/*
 * belay/tls.h - what to trust and who to be: a TLS identity, immutable and reference-counted.
 *
 * By default the peer's chain is verified against the system's store and its name (or IP address)
 * against the certificate, with TLS 1.2 at least. Files are read when the identity is made, never
 * again: to rotate a certificate, make a new one. Two identities of the same content may share
 * connections; any difference in content keeps them apart.
 */
#ifndef BELAY_TLS_H
#define BELAY_TLS_H

#include "belay/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_tls;

enum belay_tls_version {
    BELAY_TLS_DEFAULT = 0, /* 1.2 */
    BELAY_TLS_1_2,
    BELAY_TLS_1_3,
};

struct belay_tls_options {
    size_t size;
    const char *ca_file;        /* PEM; with ca_dir replaces the system's store */
    const char *ca_dir;         /* a directory of hashed PEM files */
    const char *ca_pem;         /* PEM text in memory; as ca_file */
    const char *cert_file;      /* client certificate and its chain: PEM, or PKCS#12 with its key */
    const char *key_file;       /* PEM; NULL: in cert_file */
    const char *key_passphrase; /* of an encrypted key, or of PKCS#12 */
    const char *ciphers;        /* TLS 1.2 list, as OpenSSL takes it */
    const char *const *pins;    /* public keys: "sha256//BASE64" of the SPKI; one must match */
    size_t pins_n;
    enum belay_tls_version min_version;
    bool no_verify;       /* neither chain nor name: whoever answers is believed */
    bool no_verify_name;  /* the chain only */
    bool no_resumption;   /* every connection a full handshake */
    int32_t sessions_max; /* names whose tickets are kept, 4 each; 1,024 */
    void *ssl_ctx; /* the caller's own SSL_CTX, used as it is (a reference is taken): only pins,
                      names, no_resumption and sessions_max apply beside it, trust, certificates,
                      ciphers and no_verify are refused */
};
BELAY_OPTIONS_INIT(belay_tls_options)

/*
 * Makes an identity with one reference, for connections of one loop. `options` may be NULL. Blocks
 * while it reads files.
 *
 * BELAY_EFILE   a file is missing, unreadable, empty or of another kind; key and certificate do not belong
 *               together; the passphrase is wrong: `error` names the file and the reason
 * BELAY_EINVAL  an option is out of range, or a pin is not one
 * BELAY_ENOMEM, BELAY_ETLS
 */
BELAY_API int belay_tls_new(struct belay_loop *loop, const struct belay_tls_options *options,
                            struct belay_tls **ret_tls, struct belay_error *error);
BELAY_API struct belay_tls *belay_tls_ref(struct belay_tls *tls);
BELAY_API void belay_tls_unref(struct belay_tls *tls);

/* What a handshake came to. Pointers live as long as the stream. */
struct belay_tls_facts {
    size_t size;
    const char *version; /* "TLSv1.3" */
    const char *cipher;
    const char *alpn; /* NULL when none was agreed */
    bool resumed;
    bool verified;                /* false only with no_verify */
    const void *peer_certificate; /* DER; NULL when unknown */
    size_t peer_certificate_len;
    char peer_pin[64]; /* "sha256//..." of the peer's public key, to pin it; empty when unknown */
};
BELAY_OPTIONS_INIT(belay_tls_facts)

#ifdef __cplusplus
}
#endif

#endif
