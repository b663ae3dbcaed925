/* SPDX-License-Identifier: MIT */
/*
 * Whom to trust. The authorities enter the fingerprint as a sorted set, so that the same trust is
 * the same wherever it was read from.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "net/tls_pem.h"

static int add_authority(struct belay_tls *tls, X509 *cert, struct bl_buf *digests,
                         struct belay_error *error)
{
    uint8_t digest[BL_TLS_DIGEST];
    uint8_t *der = NULL;
    int len = i2d_X509_AUX(cert, &der);
    bool ok = len > 0 && bl_tls_sha256(der, (size_t)len, digest);

    OPENSSL_free(der);
    if (!ok || bl_buf_append(digests, &tls->loop->mem, digest, sizeof digest) != 0)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(tls->ctx), cert) != 1)
        return bl_tls_setup_failed(error, "adding an authority");
    return 0;
}

static int add_authorities(struct belay_tls *tls, const struct bl_tls_pem *pem,
                           struct bl_buf *digests, struct belay_error *error)
{
    BIO *bio = bl_tls_pem_bio(pem, error);
    int code = 0;
    X509 *cert;

    if (!bio)
        return BELAY_ENOMEM;
    for (int n = 1; (cert = bl_tls_pem_cert(bio, pem, n, &code, error)) != NULL; n++) {
        code = add_authority(tls, cert, digests, error);
        X509_free(cert);
        if (code != 0)
            break;
    }
    BIO_free(bio);
    return code;
}

static int add_file(struct belay_tls *tls, const char *noun, const char *path,
                    struct bl_buf *digests, struct belay_error *error)
{
    size_t before = bl_buf_len(digests);
    struct bl_tls_pem pem;
    int code = bl_tls_pem_read(&pem, tls->loop, noun, path, error);

    if (code != 0)
        return code;
    code = add_authorities(tls, &pem, digests, error);
    if (code == 0 && bl_buf_len(digests) == before)
        code = bl_tls_pem_no_cert(&pem, error);
    bl_tls_pem_free(&pem);
    return code;
}

/* One entry of a directory: what is no plain file, or holds no certificate, is passed over, and so
   are links to files that are gone, which are common where certificates are. */
static int add_entry(struct belay_tls *tls, const char *path, struct bl_buf *digests,
                     struct belay_error *error)
{
    struct stat st;
    struct bl_tls_pem pem;
    int code;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return 0;
    code = bl_tls_pem_read(&pem, tls->loop, "CA file", path, error);
    if (code != 0)
        return code;
    code = add_authorities(tls, &pem, digests, error);
    bl_tls_pem_free(&pem);
    return code;
}

static int add_directory(struct belay_tls *tls, const char *path, struct bl_buf *digests,
                         struct belay_error *error)
{
    size_t before = bl_buf_len(digests);
    DIR *dir = opendir(path);
    struct dirent *entry;
    int code = 0;

    if (!dir)
        return bl_error_os(error, BELAY_EFILE, BELAY_STAGE_NONE, errno,
                           "cannot read the CA directory %s", path);
    while (code == 0 && (entry = readdir(dir)) != NULL) {
        struct bl_buf name = {0};

        if (entry->d_name[0] == '.')
            continue;
        code = bl_buf_printf(&name, &tls->loop->mem, "%s/%s", path, entry->d_name);
        if (code == 0)
            code = bl_buf_append(&name, &tls->loop->mem, "", 1);
        if (code == 0)
            code = add_entry(tls, bl_buf_head(&name), digests, error);
        else
            bl_error_set(error, code, BELAY_STAGE_NONE, "out of memory");
        bl_buf_free(&name, &tls->loop->mem);
    }
    closedir(dir);
    if (code == 0 && bl_buf_len(digests) == before)
        code = bl_error_set(error, BELAY_EFILE, BELAY_STAGE_NONE,
                            "the CA directory %s holds no PEM certificate", path);
    return code;
}

/* The system's store is named, not read: its directory is looked into as certificates need it. */
static int trust_system(struct belay_tls *tls, struct bl_tls_print *print,
                        struct belay_error *error)
{
    const char *file = getenv(X509_get_default_cert_file_env());
    const char *dir = getenv(X509_get_default_cert_dir_env());

    if (SSL_CTX_set_default_verify_paths(tls->ctx) != 1)
        return bl_tls_setup_failed(error, "opening the system's certificate store");
    bl_tls_print_text(print, "system_file", file ? file : X509_get_default_cert_file());
    bl_tls_print_text(print, "system_dir", dir ? dir : X509_get_default_cert_dir());
    return 0;
}

static void print_set(struct bl_tls_print *print, struct bl_buf *digests)
{
    size_t n = bl_buf_len(digests) / BL_TLS_DIGEST;
    uint8_t(*all)[BL_TLS_DIGEST] = (void *)bl_buf_head(digests);

    qsort(all, n, BL_TLS_DIGEST, bl_tls_digest_compare);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || memcmp(all[i], all[i - 1], BL_TLS_DIGEST) != 0)
            bl_tls_print_field(print, "authority", all[i], BL_TLS_DIGEST);
    }
}

int bl_tls_load_trust(struct belay_tls *tls, const struct belay_tls_options *o,
                      struct bl_tls_print *print, struct belay_error *error)
{
    struct bl_buf digests = {0};
    int code = 0;

    if (!o->ca_file && !o->ca_dir && !o->ca_pem)
        return o->no_verify ? 0 : trust_system(tls, print, error);
    if (o->ca_file)
        code = add_file(tls, "CA file", o->ca_file, &digests, error);
    if (code == 0 && o->ca_dir)
        code = add_directory(tls, o->ca_dir, &digests, error);
    if (code == 0 && o->ca_pem) {
        /* Parsed in place: not freed. */
        struct bl_tls_pem pem = {
            .loop = tls->loop, .noun = "option", .path = "ca_pem", .len = strlen(o->ca_pem)};
        size_t before = bl_buf_len(&digests);

        pem.data = (char *)(uintptr_t)o->ca_pem;
        code = add_authorities(tls, &pem, &digests, error);
        if (code == 0 && bl_buf_len(&digests) == before)
            code = bl_tls_pem_no_cert(&pem, error);
    }
    if (code == 0)
        print_set(print, &digests);
    bl_buf_free(&digests, &tls->loop->mem);
    return code;
}
