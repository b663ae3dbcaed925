/* SPDX-License-Identifier: MIT */
/* The default transport: the kernel's stream sockets. */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "loop/sys.h"

#define PIECES_MAX 64 /* of one sendmsg; the rest goes with the next */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un unix_;
    struct sockaddr_storage room;
};

static int domain_of(enum belay_family family)
{
    switch (family) {
    case BELAY_FAMILY_IPV4:
        return AF_INET;
    case BELAY_FAMILY_IPV6:
        return AF_INET6;
    case BELAY_FAMILY_UNIX:
        return AF_UNIX;
    default:
        return -EAFNOSUPPORT;
    }
}

/* The length of the kernel's form, or -EAFNOSUPPORT. */
static int to_kernel(const struct belay_addr *addr, union address *out)
{
    memset(out, 0, sizeof *out);
    switch (addr->family) {
    case BELAY_FAMILY_IPV4:
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(addr->port);
        memcpy(&out->v4.sin_addr, addr->u.ip, 4);
        return (int)sizeof out->v4;
    case BELAY_FAMILY_IPV6:
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(addr->port);
        out->v6.sin6_scope_id = addr->scope_id;
        memcpy(&out->v6.sin6_addr, addr->u.ip, 16);
        return (int)sizeof out->v6;
    case BELAY_FAMILY_UNIX: {
        size_t head = offsetof(struct sockaddr_un, sun_path);
        size_t len = addr->path_len;
        if (len == 0 || len >= sizeof out->unix_.sun_path)
            return -EINVAL;
        out->unix_.sun_family = AF_UNIX;
        memcpy(out->unix_.sun_path, addr->u.path, len);
        /* An abstract name ends where its length says, a path with its NUL. */
        return (int)(head + len + (addr->u.path[0] ? 1 : 0));
    }
    default:
        return -EAFNOSUPPORT;
    }
}

static void from_kernel(const union address *in, socklen_t len, struct belay_addr *ret)
{
    memset(ret, 0, sizeof *ret);
    if (in->any.sa_family == AF_INET) {
        ret->family = BELAY_FAMILY_IPV4;
        ret->port = ntohs(in->v4.sin_port);
        memcpy(ret->u.ip, &in->v4.sin_addr, 4);
    } else if (in->any.sa_family == AF_INET6) {
        ret->family = BELAY_FAMILY_IPV6;
        ret->port = ntohs(in->v6.sin6_port);
        ret->scope_id = in->v6.sin6_scope_id;
        memcpy(ret->u.ip, &in->v6.sin6_addr, 16);
    } else if (in->any.sa_family == AF_UNIX) {
        size_t head = offsetof(struct sockaddr_un, sun_path);
        size_t n = len > head ? len - head : 0;
        if (n > 0 && in->unix_.sun_path[0])
            n = strnlen(in->unix_.sun_path, n);
        if (n >= BELAY_UNIX_PATH_MAX)
            n = BELAY_UNIX_PATH_MAX - 1;
        ret->family = BELAY_FAMILY_UNIX;
        ret->path_len = (uint8_t)n;
        memcpy(ret->u.path, in->unix_.sun_path, n);
    }
}

static int set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) ? -errno : 0;
}

static int socket_open(enum belay_family family, void *arg)
{
    (void)arg;
    int domain = domain_of(family);
    if (domain < 0)
        return domain;
    int fd = socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

static int socket_bind(int fd, const struct belay_addr *source, const char *interface_name,
                       void *arg)
{
    (void)arg;
    if (interface_name) {
        size_t len = strlen(interface_name);
        if (len >= IFNAMSIZ)
            return -ENODEV;
        if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface_name, (socklen_t)len + 1))
            return -errno;
    }
    if (!source)
        return 0;
    union address a;
    int len = to_kernel(source, &a);
    if (len < 0)
        return len;
    if (source->family != BELAY_FAMILY_UNIX) {
        /* Without a port of its own, connect chooses one: many connections may then share it. */
        int rc = source->port ? set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1)
                              : set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        if (rc && source->port)
            return rc;
    }
    return bind(fd, &a.any, (socklen_t)len) ? -errno : 0;
}

static int socket_connect(int fd, const struct belay_addr *to, void *arg)
{
    (void)arg;
    union address a;
    int len = to_kernel(to, &a);
    if (len < 0)
        return len;
    if (connect(fd, &a.any, (socklen_t)len) == 0)
        return 0;
    return errno == EINTR ? -EINPROGRESS : -errno;
}

static int socket_connect_result(int fd, void *arg)
{
    (void)arg;
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
        return -errno;
    return -error;
}

static ptrdiff_t socket_read(int fd, void *out, size_t size, void *arg)
{
    (void)arg;
    for (;;) {
        ssize_t n = recv(fd, out, size, 0);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return -errno;
    }
}

static ptrdiff_t write_pieces(int fd, const struct belay_bytes *bytes, size_t n)
{
    struct iovec pieces[PIECES_MAX];
    if (n > PIECES_MAX)
        n = PIECES_MAX;
    for (size_t i = 0; i < n; i++)
        pieces[i] =
            (struct iovec){.iov_base = (void *)(uintptr_t)bytes[i].data, .iov_len = bytes[i].len};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = n};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static ptrdiff_t socket_write(int fd, const struct belay_bytes *bytes, size_t n, void *arg)
{
    (void)arg;
    for (;;) {
        ptrdiff_t sent =
            n == 1 ? send(fd, bytes->data, bytes->len, MSG_NOSIGNAL) : write_pieces(fd, bytes, n);
        if (sent >= 0)
            return sent;
        if (errno != EINTR)
            return -errno;
    }
}

static int socket_shutdown_write(int fd, void *arg)
{
    (void)arg;
    return shutdown(fd, SHUT_WR) ? -errno : 0;
}

static void socket_close(int fd, void *arg)
{
    (void)arg;
    close(fd);
}

static int socket_set_option(int fd, enum belay_socket_option option, int value, void *arg)
{
    (void)arg;
    switch (option) {
    case BELAY_SOCKET_NODELAY:
        return set_int(fd, IPPROTO_TCP, TCP_NODELAY, value);
    case BELAY_SOCKET_KEEPALIVE_IDLE: {
        int rc = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, value > 0);
        return rc || value <= 0 ? rc : set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, value);
    }
    case BELAY_SOCKET_KEEPALIVE_EVERY:
        return set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, value);
    case BELAY_SOCKET_KEEPALIVE_PROBES:
        return set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, value);
    case BELAY_SOCKET_USER_TIMEOUT:
        return set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, value);
    }
    return -ENOTSUP;
}

static int socket_ack_age_ms(int fd, void *arg)
{
    (void)arg;
    struct tcp_info info;
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
        return -ENOTSUP;
    /* A full peer is probed, or sent the same segment again, up to two minutes apart, and answers
       each (but the second probe, if it comes within half a second): the age alone would accuse
       it. It owes an answer only to what was sent since. */
    if (!info.tcpi_retransmits && info.tcpi_probes < 2 &&
        (!info.tcpi_unacked || info.tcpi_last_data_sent >= info.tcpi_last_ack_recv))
        return 0;
    return info.tcpi_last_ack_recv > INT32_MAX ? INT32_MAX : (int)info.tcpi_last_ack_recv;
}

/* Of a Unix socket the kernel counts its own memory. */
static int socket_unacked(int fd, void *arg)
{
    (void)arg;
    int protocol = 0, bytes;
    socklen_t len = sizeof protocol;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) || protocol != IPPROTO_TCP ||
        ioctl(fd, TIOCOUTQ, &bytes))
        return -ENOTSUP;
    return bytes;
}

static int socket_local_addr(int fd, struct belay_addr *ret, void *arg)
{
    (void)arg;
    union address a;
    socklen_t len = sizeof a;
    if (getsockname(fd, &a.any, &len))
        return -errno;
    from_kernel(&a, len, ret);
    return 0;
}

/* Connecting a datagram socket sends nothing and chooses a source address. */
static int socket_source_for(const struct belay_addr *to, struct belay_addr *ret, void *arg)
{
    union address a;
    int len = to_kernel(to, &a);
    if (len < 0)
        return len;
    if (to->family == BELAY_FAMILY_UNIX)
        return -EAFNOSUPPORT;
    if (a.any.sa_family == AF_INET && to->port == 0)
        a.v4.sin_port = htons(53);
    else if (to->port == 0) /* any will do; the kernel refuses 0 for some destinations */
        a.v6.sin6_port = htons(53);
    int fd = socket(a.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = connect(fd, &a.any, (socklen_t)len) ? -errno : socket_local_addr(fd, ret, arg);
    close(fd);
    if (rc == 0)
        ret->port = 0;
    return rc;
}

const struct belay_transport bl_sys_transport = {
    .size = sizeof(struct belay_transport),
    .open = socket_open,
    .bind = socket_bind,
    .connect = socket_connect,
    .connect_result = socket_connect_result,
    .read = socket_read,
    .write = socket_write,
    .shutdown_write = socket_shutdown_write,
    .close = socket_close,
    .set_option = socket_set_option,
    .ack_age_ms = socket_ack_age_ms,
    .source_for = socket_source_for,
    .local_addr = socket_local_addr,
    .unacked = socket_unacked,
};
