/* SPDX-License-Identifier: MIT */
/*
 * A stream's insides: a stack of filters. The bottom one is a socket; above it proxies and TLS.
 * Filters pull: whoever is above asks the one below, and only the stream on top knows the loop.
 *
 * A filter passes what it does not change to the one below. Those that only shake hands (proxies)
 * step aside when they are done: bl_stream unlinks a filter whose `transient` is set once `start`
 * returned 0. With 1 it stays: it has read bytes that belong to the filters above.
 */
#ifndef BL_NET_FILTER_H
#define BL_NET_FILTER_H

#include "base/error.h"
#include "belay/tls.h"
#include "loop/loop.h"

struct bl_filter;

/*
 * Results: >= 0, BELAY_EAGAIN (try again when the bottom is ready for what `want` says), or another
 * error, then described in *error (never NULL) without stage and prefix: the stream adds these.
 */
struct bl_filter_ops {
    const char *name;
    enum belay_stage stage; /* what `start` belongs to: CONNECT, PROXY, TLS */
    bool transient;
    int (*start)(struct bl_filter *f,
                 struct belay_error *error); /* 0, 1: done. NULL: nothing to do */
    ptrdiff_t (*read)(struct bl_filter *f, void *out, size_t size,
                      struct belay_error *error); /* 0: end */
    ptrdiff_t (*write)(struct bl_filter *f, const struct belay_bytes *bytes, size_t n,
                       struct belay_error *error);
    /* Whether reading again may give something although the bottom is not readable. */
    bool (*pending)(struct bl_filter *f);
    /* What the bottom must become, beyond what the one above wants, after BELAY_EAGAIN: TLS that
       must write to read, or read to write. 0: the obvious. NULL: always the obvious. */
    unsigned (*want)(struct bl_filter *f);
    int (*shutdown)(struct bl_filter *f,
                    struct belay_error *error); /* end of writing; NULL: pass down */
    void (*idle)(struct bl_filter *f);          /* give buffers back; may be NULL */
    int (*tls_facts)(struct bl_filter *f, struct belay_tls_facts *facts); /* NULL: pass down */
    void (*close)(struct bl_filter *f); /* frees this filter only; never blocks, never allocates */
};

struct bl_filter {
    const struct bl_filter_ops *ops;
    struct bl_filter *below; /* NULL at the bottom */
};

static inline ptrdiff_t bl_filter_read(struct bl_filter *f, void *out, size_t size,
                                       struct belay_error *e)
{
    return f->ops->read(f, out, size, e);
}
static inline ptrdiff_t bl_filter_write(struct bl_filter *f, const struct belay_bytes *bytes,
                                        size_t n, struct belay_error *e)
{
    return f->ops->write(f, bytes, n, e);
}
static inline bool bl_filter_pending(struct bl_filter *f)
{
    return f->ops->pending && f->ops->pending(f);
}

/* The end of writing, by the first filter from the top that has one. */
static inline int bl_filter_shutdown(struct bl_filter *f, struct belay_error *e)
{
    while (f && !f->ops->shutdown)
        f = f->below;
    return f ? f->ops->shutdown(f, e) : 0;
}

/* Bytes of an address that mean something: all but the unused end of a path. */
static inline size_t bl_addr_used(const struct belay_addr *a)
{
    return offsetof(struct belay_addr, u) +
           (a->family == BELAY_FAMILY_UNIX ? a->path_len : sizeof a->u.ip);
}

/*
 * The bottom: a connected descriptor of the loop's transport; owns it. `peer` is last, as a stream
 * has room for its used bytes only (bl_addr_used); read it with bl_socket_filter_peer.
 */
struct bl_socket_filter {
    struct bl_filter filter;
    struct belay_loop *loop;
    int fd;
    bool full_read; /* the last read filled the buffer: there may be more */
    struct belay_addr peer;
};
void bl_socket_filter_peer(const struct bl_socket_filter *s, struct belay_addr *ret);
void bl_socket_filter_init(struct bl_socket_filter *s, struct belay_loop *loop, int fd,
                           const struct belay_addr *peer);

/*
 * TLS over the filter below (tls_filter.c), through a BIO of belay's. `server_name` is SNI and the
 * name (or IP address) to verify; `alpn` in wire form (length-prefixed), may be NULL; tickets are
 * kept per `session_key`. All are read during the call, but `tls`, of which a reference is taken.
 * BELAY_ENOMEM, BELAY_ETLS.
 */
struct bl_tls_want {
    struct belay_tls *tls;
    const char *server_name;
    const uint8_t *alpn;
    size_t alpn_len;
    bool no_sni;
    bool discreet; /* a proxy is on the way, which may repeat secrets: errors quote nothing */
    const void *session_key;
    size_t session_key_len;
};
int bl_tls_filter_new(struct belay_loop *loop, const struct bl_tls_want *want,
                      struct bl_filter *below, struct bl_filter **ret, struct belay_error *error);

/* SHA-256 over everything in an identity that decides who is trusted and who we are; secrets by
 * HMAC. */
const uint8_t *bl_tls_fingerprint(const struct belay_tls *tls); /* 32 bytes */

#endif
