/* SPDX-License-Identifier: MIT */
/*
 * TLS as a filter. OpenSSL reads ahead, so that a small response costs one read of the socket;
 * small pieces are gathered, so that a flush costs one record and one write.
 *
 * A write that met BELAY_EAGAIN has already been made a record by OpenSSL: the same bytes must be
 * offered again, more may follow them, and they may have moved. That is what streams do anyway.
 */
#include <openssl/err.h>

#include "net/tls.h"

#define RECORD_MAX 16384u

static struct bl_tls_filter *tls_of(struct bl_filter *filter)
{
    return BL_CONTAINER(filter, struct bl_tls_filter, filter);
}

/* Before every call of OpenSSL. */
static void enter(struct bl_tls_filter *f, struct belay_error *error)
{
    f->error = error;
    f->below_code = 0;
    f->starved = f->choked = false;
}

/* ---- tickets ---- */

int bl_tls_on_session(SSL *ssl, SSL_SESSION *session)
{
    struct bl_tls_filter *f = bl_tls_filter_of(ssl);

    /* Before the handshake is accepted (TLS 1.2) it is too early: see settle. */
    if (!f->up || !f->peer || f->failed)
        return 0;
    bl_tls_session_keep(f->tls, f->peer, session);
    return 1;
}

static void keep_current(struct bl_tls_filter *f)
{
    SSL_SESSION *session = SSL_get1_session(f->ssl);

    if (session)
        bl_tls_session_keep(f->tls, f->peer, session);
}

/* The caller's SSL_CTX has the caller's callbacks: tickets are found by looking. */
static void look_for_ticket(struct bl_tls_filter *f)
{
    if (!f->peer || SSL_get0_session(f->ssl) == f->seen)
        return;
    SSL_SESSION_free(f->seen);
    f->seen = SSL_get1_session(f->ssl);
    keep_current(f);
}

/* ---- handshake ---- */

static int settle(struct bl_tls_filter *f, struct belay_error *error)
{
    const unsigned char *alpn;
    unsigned alpn_len;
    int code = bl_tls_check_pins(f, error);

    if (code != 0) {
        f->failed = true;
        return code;
    }
    SSL_get0_alpn_selected(f->ssl, &alpn, &alpn_len);
    if (alpn_len > 0) {
        f->alpn = bl_strndup(&f->tls->loop->mem, (const char *)alpn, alpn_len);
        if (!f->alpn)
            return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    }
    f->up = true;
    f->want = 0;
    if (f->tls->foreign)
        f->seen = SSL_get1_session(f->ssl);
    if (f->peer && SSL_version(f->ssl) < TLS1_3_VERSION)
        keep_current(f);
    return 0;
}

static int tls_start(struct bl_filter *filter, struct belay_error *error)
{
    struct bl_tls_filter *f = tls_of(filter);
    int result, code;

    if (f->up)
        return 0;
    enter(f, error);
    ERR_clear_error(); /* it belongs to the thread, not to the connection */
    result = SSL_do_handshake(f->ssl);
    if (result == 1)
        return settle(f, error);
    code = bl_tls_result(f, result, error);
    if (code == BELAY_EAGAIN)
        f->want = SSL_want_write(f->ssl) ? BELAY_WRITABLE : BELAY_READABLE;
    return code;
}

/* ---- bytes ---- */

static ptrdiff_t tls_read(struct bl_filter *filter, void *out, size_t size,
                          struct belay_error *error)
{
    struct bl_tls_filter *f = tls_of(filter);
    size_t n = 0;
    int code;

    enter(f, error);
    if (BL_LIKELY(SSL_read_ex(f->ssl, out, size, &n) == 1)) {
        f->heard = true;
        f->want &= (uint8_t)~BELAY_WRITABLE;
        if (BL_UNLIKELY(f->tls->foreign))
            look_for_ticket(f);
        return (ptrdiff_t)n;
    }
    code = bl_tls_result(f, 0, error);
    if (code == BELAY_EAGAIN) {
        f->want =
            (uint8_t)((f->want & ~BELAY_WRITABLE) | (SSL_want_write(f->ssl) ? BELAY_WRITABLE : 0));
        if (f->tls->foreign)
            look_for_ticket(f);
    }
    return code;
}

/* What was refused is often said before the connection is reset: a reason beats a broken pipe. */
static int last_words(struct bl_tls_filter *f, int code, struct belay_error *error)
{
    struct belay_error words;
    size_t n;
    char byte;

    if (f->heard || code == BELAY_ENOMEM || f->failed)
        return code;
    enter(f, &words);
    if (SSL_peek_ex(f->ssl, &byte, 1, &n) == 1 || f->below_code != 0)
        return code;
    if (bl_tls_result(f, 0, &words) >= 0 || !f->failed)
        return code;
    *error = words;
    return words.code;
}

static int write_record(struct bl_tls_filter *f, const void *data, size_t len, size_t *done,
                        struct belay_error *error)
{
    int code;

    enter(f, error);
    if (BL_LIKELY(SSL_write_ex(f->ssl, data, len, done) == 1)) {
        f->want &= (uint8_t)~BELAY_READABLE;
        return 0;
    }
    code = bl_tls_result(f, 0, error);
    if (code == BELAY_EAGAIN) {
        f->want =
            (uint8_t)((f->want & ~BELAY_READABLE) | (SSL_want_read(f->ssl) ? BELAY_READABLE : 0));
        return code;
    }
    if (code == 0) /* the peer has said goodbye */
        return bl_error_set(error, BELAY_EEOF, BELAY_STAGE_NONE, "the peer has ended TLS");
    return last_words(f, code, error);
}

/* Where in the pieces we are. */
struct cursor {
    const struct belay_bytes *piece, *end;
    size_t offset;
};

static void cursor_skip(struct cursor *at, size_t n)
{
    at->offset += n;
    while (at->piece < at->end && at->offset >= at->piece->len) {
        at->offset -= at->piece->len;
        at->piece++;
    }
}

/* The bytes of the next record: in place when the piece fills one or is the last, gathered
 * otherwise. */
static const char *next_record(const struct cursor *at, char gathered[RECORD_MAX], size_t *ret_len)
{
    const char *data = (const char *)at->piece->data + at->offset;
    size_t len = at->piece->len - at->offset;

    if (len >= RECORD_MAX || at->piece + 1 == at->end) {
        *ret_len = len < RECORD_MAX ? len : RECORD_MAX;
        return data;
    }
    memcpy(gathered, data, len);
    for (const struct belay_bytes *p = at->piece + 1; p < at->end && len < RECORD_MAX; p++) {
        size_t n = p->len < RECORD_MAX - len ? p->len : RECORD_MAX - len;

        memcpy(gathered + len, p->data, n);
        len += n;
    }
    *ret_len = len;
    return gathered;
}

static ptrdiff_t tls_write(struct bl_filter *filter, const struct belay_bytes *bytes, size_t n,
                           struct belay_error *error)
{
    struct bl_tls_filter *f = tls_of(filter);
    struct cursor at = {bytes, bytes + n, 0};
    char gathered[RECORD_MAX];
    size_t total = 0;

    cursor_skip(&at, 0);
    while (at.piece < at.end) {
        size_t len, done = 0;
        const char *data = next_record(&at, gathered, &len);
        int code = write_record(f, data, len, &done, error);

        if (code == BELAY_EAGAIN && total > 0)
            break;
        if (code != 0)
            return code;
        total += done;
        cursor_skip(&at, done);
    }
    return (ptrdiff_t)total;
}

static bool tls_pending(struct bl_filter *filter)
{
    struct bl_tls_filter *f = tls_of(filter);

    /* Half a record counts for OpenSSL, but gives nothing until more has come. */
    return (!f->starved && SSL_has_pending(f->ssl)) || bl_filter_pending(filter->below);
}

static unsigned tls_want(struct bl_filter *filter)
{
    struct bl_filter *below = filter->below;

    return tls_of(filter)->want | (below->ops->want ? below->ops->want(below) : 0);
}

/* ---- the end ---- */

static int tls_shutdown(struct bl_filter *filter, struct belay_error *error)
{
    struct bl_tls_filter *f = tls_of(filter);
    int result, code;

    enter(f, error);
    if (f->up && !f->failed && !f->ended) {
        result =
            SSL_shutdown(f->ssl); /* not again once it is out: that would wait for the peer's */
        code = result < 0 ? bl_tls_result(f, result, error) : 0;
        if (code != 0)
            return code;
        f->ended = true;
    }
    return bl_filter_shutdown(filter->below, error);
}

static void tls_idle(struct bl_filter *filter)
{
    SSL_free_buffers(tls_of(filter)->ssl); /* refuses while they hold something */
}

static void tls_close(struct bl_filter *filter)
{
    struct bl_tls_filter *f = tls_of(filter);
    struct belay_tls *tls = f->tls;
    struct bl_mem *mem = &tls->loop->mem;

    /* OpenSSL takes a session for broken when its connection goes without a close_notify. */
    if (f->ssl && f->up && !f->failed)
        SSL_set_shutdown(f->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_SESSION_free(f->seen);
    SSL_free(f->ssl);
    ERR_clear_error();
    bl_tls_peer_put(tls, f->peer);
    bl_free(mem, f->alpn);
    bl_tls_shown_put(mem, f->shown);
    bl_free(mem, f);
    belay_tls_unref(tls);
}

static const struct bl_filter_ops tls_ops = {
    .name = "tls",
    .stage = BELAY_STAGE_TLS,
    .start = tls_start,
    .read = tls_read,
    .write = tls_write,
    .pending = tls_pending,
    .want = tls_want,
    .shutdown = tls_shutdown,
    .idle = tls_idle,
    .tls_facts = bl_tls_facts,
    .close = tls_close,
};

void bl_tls_filter_init(struct bl_tls_filter *f, struct belay_tls *tls, struct bl_filter *below)
{
    f->filter.ops = &tls_ops;
    f->filter.below = below;
    f->tls = belay_tls_ref(tls);
}
