/* SPDX-License-Identifier: MIT */
/* Files of PEM, read once into memory and parsed from there. */
#include "net/tls_pem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <unistd.h>

void bl_tls_pem_free(struct bl_tls_pem *pem)
{
    if (pem->data)
        OPENSSL_cleanse(pem->data, pem->room);
    bl_free(&pem->loop->mem, pem->data);
    pem->data = NULL;
}

/* Twice the room; not bl_realloc, which may leave a copy of a key behind. */
static int pem_grow(struct bl_tls_pem *pem, size_t room)
{
    char *data = bl_alloc(&pem->loop->mem, room);

    if (!data)
        return BELAY_ENOMEM;
    if (pem->data) {
        memcpy(data, pem->data, pem->len);
        OPENSSL_cleanse(pem->data, pem->room);
        bl_free(&pem->loop->mem, pem->data);
    }
    pem->data = data;
    pem->room = room;
    return 0;
}

static int read_all(struct bl_tls_pem *pem, int fd, struct belay_error *error)
{
    for (;;) {
        ssize_t n;

        if (pem->len == pem->room && pem_grow(pem, pem->room ? pem->room * 2 : 16384) != 0)
            return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
        n = read(fd, pem->data + pem->len, pem->room - pem->len);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return bl_error_os(error, BELAY_EFILE, BELAY_STAGE_NONE, errno, "cannot read the %s %s",
                               pem->noun, pem->path);
        pem->len += (size_t)n;
        if (pem->len > BL_TLS_FILE_MAX)
            return bl_error_set(error, BELAY_EFILE, BELAY_STAGE_NONE,
                                "the %s %s is larger than 16 MiB", pem->noun, pem->path);
    }
}

/* On failure nothing is left to free. */
int bl_tls_pem_read(struct bl_tls_pem *pem, struct belay_loop *loop, const char *noun,
                    const char *path, struct belay_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int code;

    *pem = (struct bl_tls_pem){.loop = loop, .noun = noun, .path = path};
    if (fd < 0)
        return bl_error_os(error, BELAY_EFILE, BELAY_STAGE_NONE, errno, "cannot read the %s %s",
                           noun, path);
    code = read_all(pem, fd, error);
    close(fd);
    if (code == 0 && pem->len == 0)
        code = bl_error_set(error, BELAY_EFILE, BELAY_STAGE_NONE, "the %s %s is empty", noun, path);
    if (code != 0)
        bl_tls_pem_free(pem);
    return code;
}

/* Never a prompt on the terminal, which is OpenSSL's default. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* The next certificate, or NULL: at the end (no error), or for an error that is described. */
X509 *bl_tls_pem_cert(BIO *bio, const struct bl_tls_pem *pem, int number, int *ret_code,
                      struct belay_error *error)
{
    X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
    unsigned long e = ERR_peek_last_error();

    *ret_code = 0;
    if (cert)
        return cert;
    if (ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE)
        ERR_clear_error();
    else if (bl_tls_out_of_memory())
        *ret_code = bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    else
        *ret_code = bl_error_set(error, BELAY_EFILE, BELAY_STAGE_NONE,
                                 "certificate %d in the %s %s is damaged: %s", number, pem->noun,
                                 pem->path, bl_tls_reason(ERR_peek_error()));
    return NULL;
}

int bl_tls_pem_no_cert(const struct bl_tls_pem *pem, struct belay_error *error)
{
    return bl_error_set(error, BELAY_EFILE, BELAY_STAGE_NONE, "the %s %s holds no PEM certificate",
                        pem->noun, pem->path);
}

BIO *bl_tls_pem_bio(const struct bl_tls_pem *pem, struct belay_error *error)
{
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);

    ERR_clear_error();
    if (!bio)
        bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    return bio;
}
