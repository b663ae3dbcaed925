/* SPDX-License-Identifier: MIT */
/* The bottom filter: a connected descriptor of the loop's transport, one system call for each call.
 */
#include <errno.h>

#include "net/filter.h"

/* Most errors of an open connection say that it is gone; those that say more keep their code. */
static int describe(struct belay_error *error, int os_error)
{
    int code = os_error == ETIMEDOUT ? BELAY_ETIMEDOUT : bl_code_of_errno(os_error, BELAY_ERESET);
    bl_error_set(error, code, BELAY_STAGE_NONE, "%s", bl_errno_text(os_error));
    error->os_error = os_error;
    return code;
}

static struct bl_socket_filter *socket_of(struct bl_filter *f)
{
    return BL_CONTAINER(f, struct bl_socket_filter, filter);
}

static ptrdiff_t socket_read(struct bl_filter *f, void *out, size_t size, struct belay_error *error)
{
    struct bl_socket_filter *s = socket_of(f);
    const struct belay_transport *t = &s->loop->transport;
    ptrdiff_t n = t->read(s->fd, out, size, t->arg);
    s->full_read = n > 0 && (size_t)n == size;
    if (BL_LIKELY(n >= 0))
        return n;
    if (n == -EAGAIN || n == -EWOULDBLOCK)
        return BELAY_EAGAIN;
    return describe(error, (int)-n);
}

static ptrdiff_t socket_write(struct bl_filter *f, const struct belay_bytes *bytes, size_t n,
                              struct belay_error *error)
{
    struct bl_socket_filter *s = socket_of(f);
    const struct belay_transport *t = &s->loop->transport;
    ptrdiff_t written = t->write(s->fd, bytes, n, t->arg);
    if (BL_LIKELY(written >= 0))
        return written;
    if (written == -EAGAIN || written == -EWOULDBLOCK)
        return BELAY_EAGAIN;
    return describe(error, (int)-written);
}

static bool socket_pending(struct bl_filter *f)
{
    return socket_of(f)->full_read;
}

static int socket_shutdown(struct bl_filter *f, struct belay_error *error)
{
    struct bl_socket_filter *s = socket_of(f);
    int rc = s->loop->transport.shutdown_write(s->fd, s->loop->transport.arg);
    return rc < 0 ? describe(error, -rc) : 0;
}

static void socket_close(struct bl_filter *f)
{
    struct bl_socket_filter *s = socket_of(f);
    if (s->fd >= 0)
        s->loop->transport.close(s->fd, s->loop->transport.arg);
    s->fd = -1;
}

static const struct bl_filter_ops socket_ops = {
    .name = "socket",
    .stage = BELAY_STAGE_CONNECT,
    .read = socket_read,
    .write = socket_write,
    .pending = socket_pending,
    .shutdown = socket_shutdown,
    .close = socket_close,
};

void bl_socket_filter_init(struct bl_socket_filter *s, struct belay_loop *loop, int fd,
                           const struct belay_addr *peer)
{
    s->filter.ops = &socket_ops;
    s->filter.below = NULL;
    s->loop = loop;
    s->fd = fd;
    s->full_read = false;
    memcpy((void *)&s->peer, peer, bl_addr_used(peer));
}

void bl_socket_filter_peer(const struct bl_socket_filter *s, struct belay_addr *ret)
{
    memset(ret, 0, sizeof *ret);
    memcpy(ret, &s->peer, bl_addr_used(&s->peer));
}
