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

#endif
