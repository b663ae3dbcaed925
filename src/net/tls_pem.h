/* SPDX-License-Identifier: MIT */
/* A file of PEM in memory, and how to speak of it when it is refused (BELAY_EFILE). */
#ifndef BL_NET_TLS_PEM_H
#define BL_NET_TLS_PEM_H

#include "net/tls.h"

struct bl_tls_pem {
    struct belay_loop *loop;
    const char *noun; /* "CA file" */
    const char *path;
    char *data; /* wiped when freed: it may hold a key */
    size_t len, room;
};

/* On failure nothing is left to free. */
int bl_tls_pem_read(struct bl_tls_pem *pem, struct belay_loop *loop, const char *noun,
                    const char *path, struct belay_error *error);
void bl_tls_pem_free(struct bl_tls_pem *pem);

/* A BIO over the content; NULL is BELAY_ENOMEM, described. Clears the error queue. */
BIO *bl_tls_pem_bio(const struct bl_tls_pem *pem, struct belay_error *error);
/* The next certificate, or NULL: with 0 in *ret_code at the end, else for an error that is
 * described. */
X509 *bl_tls_pem_cert(BIO *bio, const struct bl_tls_pem *pem, int number, int *ret_code,
                      struct belay_error *error);
/* "... holds no PEM certificate" */
int bl_tls_pem_no_cert(const struct bl_tls_pem *pem, struct belay_error *error);

/* ---- tls_client.c: parts of an identity, from whatever file ---- */

/* The first certificate is ours, the others its chain. */
int bl_tls_use_cert(struct belay_tls *tls, X509 *cert, int number, const struct bl_tls_pem *pem,
                    struct bl_tls_print *print, struct belay_error *error);
int bl_tls_use_key(struct belay_tls *tls, EVP_PKEY *key, const struct bl_tls_pem *pem,
                   const char *cert_path, struct bl_tls_print *print, struct belay_error *error);

/* ---- tls_pkcs12.c ---- */

/* Whether a file that was read is PKCS#12 rather than text. */
bool bl_tls_is_pkcs12(const struct bl_tls_pem *file);
int bl_tls_use_pkcs12(struct belay_tls *tls, const struct belay_tls_options *o,
                      const struct bl_tls_pem *file, struct bl_tls_print *print,
                      struct belay_error *error);

#endif
