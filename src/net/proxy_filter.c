/* SPDX-License-Identifier: MIT */
/*
 * The codecs of proxies as a filter. It sends what the codec says and reads what the codec waits
 * for, until the tunnel stands.
 *
 * SOCKS answers have exact lengths, so none of them reads too far. The answer to CONNECT has not:
 * what a server said at once, behind the proxy's answer, is kept, and the filter then stays where
 * it is and hands it to the one above before anything else.
 */
#include "net/proxy_filter.h"

#include "wire/credentials.h"
#include "wire/http_connect.h"
#include "wire/proxy_protocol.h"
#include "wire/socks.h"

#define READ_MAX 2048

enum talk { SOCKS, CONNECT, HEADER };

struct proxy_filter {
    struct bl_filter filter;
    struct belay_loop *loop;
    uint8_t talk; /* enum talk */
    bool done;
    uint8_t wants;
    char *text; /* CONNECT: to be sent */
    size_t text_len, text_at;
    char *rest; /* what came behind the answer */
    size_t rest_len, rest_at;
    union {
        struct bl_socks socks;
        struct bl_connect connect;
        struct {
            uint8_t bytes[BL_PROXY_HEADER_MAX];
            size_t len, at;
        } header;
    } u;
};

static struct proxy_filter *proxy_of(struct bl_filter *f)
{
    return BL_CONTAINER(f, struct proxy_filter, filter);
}

/* ---- sending ---- */

static struct bl_span output(const struct proxy_filter *p)
{
    switch ((enum talk)p->talk) {
    case SOCKS:
        return bl_socks_output(&p->u.socks);
    case CONNECT:
        return bl_span(p->text + p->text_at, p->text_len - p->text_at);
    case HEADER:
        break;
    }
    return bl_span((const char *)p->u.header.bytes + p->u.header.at,
                   p->u.header.len - p->u.header.at);
}

static void sent(struct proxy_filter *p, size_t len)
{
    if (p->talk == SOCKS)
        bl_socks_sent(&p->u.socks, len);
    else if (p->talk == CONNECT)
        p->text_at += len;
    else
        p->u.header.at += len;
}

static int send_all(struct proxy_filter *p, struct belay_error *error)
{
    struct bl_span out;

    while ((out = output(p)).len > 0) {
        struct belay_bytes bytes = {out.data, out.len};
        ptrdiff_t n = bl_filter_write(p->filter.below, &bytes, 1, error);

        if (n == 0 || n == BELAY_EAGAIN) {
            p->wants = BELAY_WRITABLE;
            return BELAY_EAGAIN;
        }
        if (n < 0)
            return (int)n;
        sent(p, (size_t)n);
    }
    return 0;
}

/* ---- receiving ---- */

static int keep_rest(struct proxy_filter *p, const char *data, size_t len,
                     struct belay_error *error)
{
    if (len == 0)
        return 0;
    p->rest = bl_alloc(&p->loop->mem, len);
    if (!p->rest)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "%s",
                            belay_strerror(BELAY_ENOMEM));
    memcpy(p->rest, data, len);
    p->rest_len = len;
    return 0;
}

static int take(struct proxy_filter *p, const char *data, size_t len, struct belay_error *error)
{
    size_t used = len;
    int rc;

    if (p->talk == SOCKS)
        rc = bl_socks_input(&p->u.socks, data, len, error);
    else
        rc = bl_connect_input(&p->u.connect, data, len, &used, error);
    if (rc < 0)
        return rc;
    p->done = rc == 1;
    return keep_rest(p, data + used, len - used, error);
}

static int receive(struct proxy_filter *p, struct belay_error *error)
{
    char data[READ_MAX];
    size_t room = p->talk == SOCKS ? bl_socks_wants(&p->u.socks) : sizeof data;
    ptrdiff_t n = bl_filter_read(p->filter.below, data, room, error);

    if (n == BELAY_EAGAIN) {
        p->wants = BELAY_READABLE;
        return BELAY_EAGAIN;
    }
    if (n == 0)
        return bl_error_set(error, BELAY_EEOF, BELAY_STAGE_NONE,
                            "the proxy closed the connection instead of answering");
    return n < 0 ? (int)n : take(p, data, (size_t)n, error);
}

/* 1: done, and there is a rest. */
static int proxy_start(struct bl_filter *f, struct belay_error *error)
{
    struct proxy_filter *p = proxy_of(f);

    for (;;) {
        int rc = send_all(p, error);

        p->done |= rc == 0 && p->talk == HEADER;
        if (rc == 0 && p->done) {
            p->wants = 0;
            return p->rest != NULL;
        }
        if (rc == 0)
            rc = receive(p, error);
        if (rc < 0)
            return rc;
    }
}

/* ---- afterwards, where it stays ---- */

static ptrdiff_t proxy_read(struct bl_filter *f, void *out, size_t size, struct belay_error *error)
{
    struct proxy_filter *p = proxy_of(f);
    size_t n = p->rest_len - p->rest_at;

    if (n == 0)
        return bl_filter_read(f->below, out, size, error);
    n = n < size ? n : size;
    memcpy(out, p->rest + p->rest_at, n);
    p->rest_at += n;
    if (p->rest_at == p->rest_len) {
        bl_free(&p->loop->mem, p->rest);
        p->rest = NULL;
        p->rest_len = p->rest_at = 0;
    }
    return (ptrdiff_t)n;
}

static ptrdiff_t proxy_write(struct bl_filter *f, const struct belay_bytes *bytes, size_t n,
                             struct belay_error *error)
{
    return bl_filter_write(f->below, bytes, n, error);
}

static bool proxy_pending(struct bl_filter *f)
{
    return proxy_of(f)->rest_len > 0 || bl_filter_pending(f->below);
}

static unsigned proxy_want(struct bl_filter *f)
{
    struct bl_filter *below = f->below;

    return proxy_of(f)->wants | (below->ops->want ? below->ops->want(below) : 0);
}

static void proxy_close(struct bl_filter *f)
{
    struct proxy_filter *p = proxy_of(f);
    struct bl_mem *mem = &p->loop->mem;

    bl_free_secret(mem, p->text, p->text_len);
    bl_free(mem, p->rest);
    if (p->talk == SOCKS)
        bl_socks_fini(&p->u.socks);
    bl_free(mem, p);
}

static const struct bl_filter_ops proxy_ops = {
    .name = "proxy",
    .stage = BELAY_STAGE_PROXY,
    .transient = true,
    .start = proxy_start,
    .read = proxy_read,
    .write = proxy_write,
    .pending = proxy_pending,
    .want = proxy_want,
    .close = proxy_close,
};

/* ---- making ---- */

static struct proxy_filter *filter_new(struct belay_loop *loop, enum talk talk,
                                       struct bl_filter *below, struct belay_error *error)
{
    struct proxy_filter *p = bl_zalloc(&loop->mem, sizeof *p);

    if (!p) {
        bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "%s", belay_strerror(BELAY_ENOMEM));
        return NULL;
    }
    p->filter.ops = &proxy_ops;
    p->filter.below = below;
    p->loop = loop;
    p->talk = (uint8_t)talk;
    return p;
}

static int begin_socks(struct proxy_filter *p, const struct bl_hop *hop,
                       const struct bl_proxy_ask *ask, struct belay_error *error)
{
    struct bl_socks_want want = {
        .version = hop->kind == BL_HOP_SOCKS5 || hop->kind == BL_HOP_SOCKS5H ? 5 : 4,
        .addr = ask->addr,
        .host = ask->host,
        .port = ask->port,
        .user = hop->user,
        .password = hop->password,
    };

    return bl_socks_init(&p->u.socks, &want, error);
}

static int begin_connect(struct proxy_filter *p, const struct bl_hop *hop,
                         const struct bl_proxy_ask *ask, struct belay_error *error)
{
    char text[BELAY_ADDR_TEXT_MAX];
    const char *host = ask->host;

    if (ask->addr) {
        struct belay_addr bare = *ask->addr;

        bare.port = 0; /* printed without brackets */
        bare.scope_id = 0;
        host = belay_addr_print(&bare, text, sizeof text);
    }
    bl_connect_init(&p->u.connect);
    return bl_connect_write(&p->loop->mem, host, ask->port, hop->user, hop->password, &p->text,
                            &p->text_len, error);
}

int bl_proxy_filter_new(struct belay_loop *loop, const struct bl_hop *hop,
                        const struct bl_proxy_ask *ask, struct bl_filter *below,
                        struct bl_filter **ret, struct belay_error *error)
{
    bool http = hop->kind == BL_HOP_CONNECT;
    struct proxy_filter *p = filter_new(loop, http ? CONNECT : SOCKS, below, error);
    int rc;

    if (!p)
        return BELAY_ENOMEM;
    rc = http ? begin_connect(p, hop, ask, error) : begin_socks(p, hop, ask, error);
    if (rc < 0) {
        proxy_close(&p->filter);
        return rc;
    }
    *ret = &p->filter;
    return 0;
}

int bl_proxy_header_filter_new(struct belay_loop *loop, int version,
                               const struct belay_addr *source,
                               const struct belay_addr *destination, struct bl_filter *below,
                               struct bl_filter **ret, struct belay_error *error)
{
    struct proxy_filter *p = filter_new(loop, HEADER, below, error);

    if (!p)
        return BELAY_ENOMEM;
    p->u.header.len = bl_proxy_header(version, source, destination, p->u.header.bytes);
    *ret = &p->filter;
    return 0;
}

bool bl_hop_blames_target(enum bl_hop_kind kind, const struct belay_error *error)
{
    if (error->code != BELAY_EPROXY)
        return false;
    switch (kind) {
    case BL_HOP_SOCKS4:
    case BL_HOP_SOCKS4A:
        return bl_socks_blames_target(4, error->status);
    case BL_HOP_SOCKS5:
    case BL_HOP_SOCKS5H:
        return bl_socks_blames_target(5, error->status);
    default:
        return bl_connect_blames_target(error->status);
    }
}
