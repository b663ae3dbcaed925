/* SPDX-License-Identifier: MIT */
/* Listeners: addresses, ports, and who is let in. */
#include "origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, PORT_TRIES = 50 };

union address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

struct listener {
    struct source src;
    int fd;
    union address addr;
    socklen_t len;
};

static struct listener listeners[BINDS_MAX];
static size_t n_listeners;

/* Accepted while the house was full: a place may be free once the closings that came first are
 * seen. */
struct limbo {
    int fd;
    bool is_unix;
};
static struct limbo *limbo;
static size_t n_limbo, limbo_space;
static int spare_fd =
    -1; /* given up for a moment to refuse a connection when descriptors run out */

static void parse_unix(const char *text, struct listener *l)
{
    size_t n = strlen(text);
    if (n == 0 || n >= sizeof(l->addr.un.sun_path)) {
        die_usage("--bind: the name of a Unix socket has 1 to %zu bytes",
                  sizeof(l->addr.un.sun_path) - 1);
    }
    l->addr.un.sun_family = AF_UNIX;
    memcpy(l->addr.un.sun_path, text, n);
    l->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    if (text[0] == '@') {
        l->addr.un.sun_path[0] = '\0';
    } else {
        l->len++;
    }
}

static void parse(const char *text, struct listener *l)
{
    char host[64];
    size_t n = strlen(text);
    if (strncmp(text, "unix:", 5) == 0) {
        parse_unix(text + 5, l);
    } else if (inet_pton(AF_INET, text, &l->addr.in.sin_addr) == 1) {
        l->addr.in.sin_family = AF_INET;
        l->len = sizeof(l->addr.in);
    } else if (n > 2 && n < sizeof(host) && text[0] == '[' && text[n - 1] == ']') {
        memcpy(host, text + 1, n - 2);
        host[n - 2] = '\0';
        if (inet_pton(AF_INET6, host, &l->addr.in6.sin6_addr) != 1) {
            die_usage("--bind: '%s' is not an IPv6 address", text);
        }
        l->addr.in6.sin6_family = AF_INET6;
        l->len = sizeof(l->addr.in6);
    } else {
        die_usage("--bind: '%s' is neither an IPv4 address, nor [IPv6], nor unix:PATH", text);
    }
}

static void set_port(struct listener *l, uint16_t port)
{
    if (l->addr.sa.sa_family == AF_INET) {
        l->addr.in.sin_port = htons(port);
    } else if (l->addr.sa.sa_family == AF_INET6) {
        l->addr.in6.sin6_port = htons(port);
    }
}

static uint16_t bound_port(const struct listener *l)
{
    union address a;
    socklen_t len = sizeof(a);
    memset(&a, 0, sizeof(a));
    getsockname(l->fd, &a.sa, &len);
    return ntohs(a.sa.sa_family == AF_INET6 ? a.in6.sin6_port : a.in.sin_port);
}

/* A socket file that nobody listens on is left over from a server that was killed. */
static void remove_stale(const struct listener *l)
{
    if (l->addr.sa.sa_family != AF_UNIX || l->addr.un.sun_path[0] == '\0') {
        return;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, &l->addr.sa, l->len) < 0 && errno == ECONNREFUSED) {
        unlink(l->addr.un.sun_path);
    }
    close(fd);
}

/* Returns 0 or an errno. */
static int bind_one(struct listener *l)
{
    int on = 1;
    remove_stale(l);
    l->fd = socket(l->addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0) {
        return errno;
    }
    if (l->addr.sa.sa_family != AF_UNIX) {
        setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on,
                   sizeof(on)); /* inherited by what it accepts */
        if (opt.reuse_port) {
            setsockopt(l->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
        }
        if (l->addr.sa.sa_family == AF_INET6) {
            setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        }
    }
    if (bind(l->fd, &l->addr.sa, l->len) == 0 &&
        listen(l->fd, opt.never_accept ? 0 : BACKLOG) == 0) {
        return 0;
    }
    int err = errno;
    close(l->fd);
    return err;
}

/*
 * Binds all of them; with port 0 the first TCP listener's port is tried for the others. Returns 0,
 * or an errno with *ret_failed set and nothing bound.
 */
static int bind_all(bool share, size_t *ret_failed)
{
    uint16_t port = (uint16_t)opt.port;
    for (size_t i = 0; i < n_listeners; i++) {
        set_port(&listeners[i], share ? port : (uint16_t)opt.port);
        int err = bind_one(&listeners[i]);
        if (err) {
            *ret_failed = i;
            while (i > 0) {
                close(listeners[--i].fd);
                if (listeners[i].addr.sa.sa_family == AF_UNIX && listeners[i].addr.un.sun_path[0]) {
                    unlink(listeners[i].addr.un.sun_path);
                }
            }
            return err;
        }
        if (port == 0 && listeners[i].addr.sa.sa_family != AF_UNIX) {
            port = bound_port(&listeners[i]);
        }
    }
    return 0;
}

static void announce(const struct listener *l, const char *bind)
{
    if (l->addr.sa.sa_family == AF_UNIX) {
        printf("listening %s\n", bind);
    } else {
        printf("listening %s://%s:%u\n", opt.cert ? "https" : "http", bind, bound_port(l));
    }
}

void listen_all(void)
{
    size_t failed = 0;
    n_listeners = opt.n_binds;
    for (size_t i = 0; i < n_listeners; i++) {
        parse(opt.binds[i], &listeners[i]);
    }
    int err = EADDRINUSE;
    for (int tries = 0; err == EADDRINUSE && tries < (opt.port ? 1 : PORT_TRIES); tries++) {
        err = bind_all(true, &failed);
    }
    if (err == EADDRINUSE && opt.port == 0) {
        err = bind_all(false, &failed);
    }
    if (err) {
        die("cannot listen on %s port %lld: %s", opt.binds[failed], (long long)opt.port,
            strerror(err));
    }
    for (size_t i = 0; i < n_listeners; i++) {
        listeners[i].src = (struct source){.on_event = NULL, .is_listener = true};
        if (!opt.never_accept) {
            loop_watch(listeners[i].fd, &listeners[i].src, EPOLLIN, true);
        }
        announce(&listeners[i], opt.binds[i]);
    }
    puts("ready");
    fflush(stdout);
    spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool is_full(void)
{
    return opt.max_conns > 0 && loop.counts.connections_now >= (uint64_t)opt.max_conns;
}

static void hold(int fd, bool is_unix)
{
    if (n_limbo == limbo_space) {
        size_t more = limbo_space ? limbo_space * 2 : 16;
        struct limbo *p = realloc(limbo, more * sizeof(*p));
        if (!p) {
            die("out of memory");
        }
        limbo = p;
        limbo_space = more;
    }
    limbo[n_limbo++] = (struct limbo){fd, is_unix};
}

static bool refuse_without_descriptor(int listener)
{
    close(spare_fd);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        conn_refuse(fd);
    }
    spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

void listen_accept(struct source *src)
{
    struct listener *l = (struct listener *)src;
    bool is_unix = l->addr.sa.sa_family == AF_UNIX;
    for (;;) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (is_full()) {
                hold(fd, is_unix);
            } else {
                conn_open(fd, is_unix);
            }
        } else if (errno == EMFILE || errno == ENFILE) {
            if (!refuse_without_descriptor(l->fd)) {
                return;
            }
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

bool listen_unsettled(void)
{
    return n_limbo > 0;
}

void listen_settle(void)
{
    for (size_t i = 0; i < n_limbo; i++) {
        if (is_full()) {
            conn_refuse(limbo[i].fd);
        } else {
            conn_open(limbo[i].fd, limbo[i].is_unix);
        }
    }
    n_limbo = 0;
}

void listen_close(void)
{
    for (size_t i = 0; i < n_listeners; i++) {
        struct listener *l = &listeners[i];
        if (!opt.never_accept) {
            listen_accept(&l->src); /* closing would reset those that wait */
        }
        close(l->fd);
        if (l->addr.sa.sa_family == AF_UNIX && l->addr.un.sun_path[0]) {
            unlink(l->addr.un.sun_path);
        }
    }
    listen_settle();
    n_listeners = 0;
}
