/* SPDX-License-Identifier: MIT */
/* OpenSSL's way to the filter below: a BIO that asks it, and remembers how it ended. */
#include <openssl/err.h>

#include "net/tls.h"

/* What the peer begins with is kept until the handshake is over. */
static void remember(struct bl_tls_filter *f, const char *data, size_t len)
{
    size_t room = BL_TLS_FIRST - f->first_n;
    size_t n = len < room ? len : room;

    memcpy(f->first + f->first_n, data, n);
    f->first_n = (uint8_t)(f->first_n + n);
}

static int bio_read(BIO *bio, char *out, size_t size, size_t *ret_n)
{
    struct bl_tls_filter *f = BIO_get_data(bio);
    ptrdiff_t n = bl_filter_read(f->filter.below, out, size, f->error);

    BIO_clear_retry_flags(bio);
    *ret_n = 0;
    if (BL_LIKELY(n > 0)) {
        if (BL_UNLIKELY(!f->up))
            remember(f, out, (size_t)n);
        *ret_n = (size_t)n;
        return 1;
    }
    if (n == BELAY_EAGAIN) {
        f->starved = true;
        BIO_set_retry_read(bio);
    } else if (n == 0) {
        f->eof = true;
    } else {
        f->below_code = (int)n;
    }
    return 0;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *ret_n)
{
    struct bl_tls_filter *f = BIO_get_data(bio);
    struct belay_bytes bytes = {data, len};
    ptrdiff_t n = bl_filter_write(f->filter.below, &bytes, 1, f->error);

    BIO_clear_retry_flags(bio);
    *ret_n = 0;
    if (BL_LIKELY(n > 0)) {
        *ret_n = (size_t)n;
        return 1;
    }
    if (n == 0 || n == BELAY_EAGAIN) {
        f->choked = true;
        BIO_set_retry_write(bio);
    } else {
        f->below_code = (int)n;
    }
    return 0;
}

/* BIO_CTRL_EOF goes without an answer: where OpenSSL knows of an end without close_notify, it makes
   the session unusable. bl_tls_result knows of it from `eof`. */
static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *bl_tls_bio_method(void)
{
    /* No BIO_get_new_index: those are few per process and cannot be given back. */
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "belay");

    if (method && BIO_meth_set_read_ex(method, bio_read) &&
        BIO_meth_set_write_ex(method, bio_write) && BIO_meth_set_ctrl(method, bio_ctrl))
        return method;
    BIO_meth_free(method);
    return NULL;
}

BIO *bl_tls_bio_new(const BIO_METHOD *method, struct bl_tls_filter *f)
{
    BIO *bio = BIO_new(method);

    if (bio) {
        BIO_set_data(bio, f);
        BIO_set_init(bio, 1);
    }
    return bio;
}

struct bl_tls_filter *bl_tls_filter_of(const SSL *ssl)
{
    return BIO_get_data(SSL_get_rbio(ssl));
}

void bl_tls_bio_listen(struct bl_tls_filter *f)
{
    while (f->first_n < BL_TLS_FIRST) {
        char more[BL_TLS_FIRST];
        struct belay_error ignored;
        ptrdiff_t n =
            bl_filter_read(f->filter.below, more, BL_TLS_FIRST - (size_t)f->first_n, &ignored);

        if (n <= 0)
            return;
        remember(f, more, (size_t)n);
    }
}
