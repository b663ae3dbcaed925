/* SPDX-License-Identifier: MIT */
/* A client's certificate, its chain and its key from one file of PKCS#12 (.p12, .pfx). */
#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "net/tls_pem.h"

/* Its first two bytes: a sequence whose length has a length, which text never has. */
bool bl_tls_is_pkcs12(const struct bl_tls_pem *file)
{
    return file->len > 1 && file->data[0] == 0x30 && ((unsigned char)file->data[1] & 0x80) != 0;
}

static int refuse(const struct bl_tls_pem *file, const char *why, struct belay_error *error)
{
    if (bl_tls_out_of_memory())
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    return bl_error_set(error, BELAY_EFILE, BELAY_STAGE_NONE, "the %s %s %s", file->noun,
                        file->path, why);
}

/* What OpenSSL says first is the cause; what follows, where it was met. */
static int refuse_parts(const struct bl_tls_pem *file, const char *passphrase,
                        struct belay_error *error)
{
    unsigned long e = ERR_peek_error();

    if (ERR_GET_LIB(e) == ERR_LIB_PKCS12 && ERR_GET_REASON(e) == PKCS12_R_MAC_VERIFY_FAILURE)
        return refuse(file,
                      passphrase ? "cannot be decrypted: the passphrase is wrong"
                                 : "is encrypted, and no passphrase was given",
                      error);
    if (bl_tls_out_of_memory())
        return refuse(file, "", error);
    return bl_error_set(error, BELAY_EFILE, BELAY_STAGE_NONE, "the %s %s is not usable: %s",
                        file->noun, file->path, bl_tls_reason(e));
}

static int use_parts(struct belay_tls *tls, X509 *cert, EVP_PKEY *key, STACK_OF(X509) * chain,
                     const struct bl_tls_pem *file, struct bl_tls_print *print,
                     struct belay_error *error)
{
    int code;

    if (!cert || !key)
        return refuse(file, "holds no certificate with its private key", error);
    code = bl_tls_use_cert(tls, cert, 1, file, print, error);
    for (int i = 0; code == 0 && i < sk_X509_num(chain); i++)
        code = bl_tls_use_cert(tls, sk_X509_value(chain, i), i + 2, file, print, error);
    return code == 0 ? bl_tls_use_key(tls, key, file, file->path, print, error) : code;
}

static PKCS12 *read_file(const struct bl_tls_pem *file, struct belay_error *error)
{
    const unsigned char *at = (const unsigned char *)file->data;
    PKCS12 *p12;

    ERR_clear_error();
    p12 = d2i_PKCS12(NULL, &at, (long)file->len);
    if (!p12)
        refuse(file, "is neither PEM nor PKCS#12", error);
    return p12;
}

int bl_tls_use_pkcs12(struct belay_tls *tls, const struct belay_tls_options *o,
                      const struct bl_tls_pem *file, struct bl_tls_print *print,
                      struct belay_error *error)
{
    STACK_OF(X509) *chain = NULL;
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    PKCS12 *p12;
    int code;

    if (o->key_file)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "key_file: the %s %s is PKCS#12, which has its own key", file->noun,
                            file->path);
    p12 = read_file(file, error);
    if (!p12)
        return bl_tls_out_of_memory() ? BELAY_ENOMEM : BELAY_EFILE;
    if (PKCS12_parse(p12, o->key_passphrase, &key, &cert, &chain) != 1)
        code = refuse_parts(file, o->key_passphrase, error);
    else
        code = use_parts(tls, cert, key, chain, file, print, error);
    PKCS12_free(p12);
    EVP_PKEY_free(key);
    X509_free(cert);
    sk_X509_pop_free(chain, X509_free);
    ERR_clear_error();
    return code;
}
