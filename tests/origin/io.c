/* SPDX-License-Identifier: MIT */
/* Moving bytes between a connection's buffers and its socket, plain or through TLS. */
#include "origin.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>

enum { READ_FIRST = 4096 };

/* Tells the states of a TLS call that returned r <= 0. */
static void tls_result(struct conn *c, int r, bool reading)
{
    switch (SSL_get_error(c->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        c->readable = false;
        c->blocked = c->blocked || !reading;
        break;
    case SSL_ERROR_WANT_WRITE:
        c->blocked = c->want_write = true;
        break;
    case SSL_ERROR_ZERO_RETURN:
        c->eof = true;
        break;
    default:
        c->broken = true;
    }
}

bool io_handshake(struct conn *c)
{
    ERR_clear_error();
    c->want_write = false;
    int r = SSL_do_handshake(c->ssl);
    if (r == 1) {
        loop.counts.handshakes++;
        if (SSL_session_reused(c->ssl)) {
            loop.counts.resumed++;
        }
        return true;
    }
    tls_result(c, r, true);
    return false;
}

static size_t read_tls(struct conn *c, char *p, size_t room)
{
    size_t n = 0;
    ERR_clear_error();
    int r = SSL_read_ex(c->ssl, p, room, &n);
    if (r != 1) {
        tls_result(c, r, true);
        return 0;
    }
    c->readable = n == room || SSL_pending(c->ssl) > 0;
    return n;
}

static size_t read_plain(struct conn *c, char *p, size_t room)
{
    ssize_t n = recv(c->fd, p, room, 0);
    if (n > 0) {
        c->readable = (size_t)n == room; /* a short read emptied the socket; epoll tells of more */
        return (size_t)n;
    }
    c->readable = false;
    if (n == 0) {
        c->eof = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        c->broken = true;
    }
    return 0;
}

bool io_read(struct conn *c)
{
    if (!c->readable || c->eof || c->broken || c->in.len >= IN_MAX) {
        return false;
    }
    size_t room = c->in.len < READ_FIRST / 2 ? READ_FIRST - c->in.len : c->in.len;
    if (room > IN_MAX - c->in.len) {
        room = IN_MAX - c->in.len;
    }
    if (c->rx == RX_BODY && room < IN_MAX / 2 && c->in.len < IN_MAX / 2) {
        room = IN_MAX / 2;
    }
    char *p = buf_space(&c->in, room);
    size_t n = c->ssl ? read_tls(c, p, room) : read_plain(c, p, room);
    c->in.len += n;
    return n > 0;
}

static size_t write_tls(struct conn *c, const char *p, size_t len)
{
    size_t n = 0;
    ERR_clear_error();
    int r = SSL_write_ex(c->ssl, p, len, &n);
    if (r != 1) {
        tls_result(c, r, false);
        return 0;
    }
    return n;
}

static size_t write_plain(struct conn *c, const char *p, size_t len)
{
    ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);
    if (n >= 0) {
        return (size_t)n;
    }
    if (errno == EAGAIN) {
        c->blocked = c->want_write = true;
    } else if (errno != EINTR) {
        c->broken = true;
    }
    return 0;
}

bool io_flush(struct conn *c)
{
    bool moved = false;
    c->blocked = c->want_write = false;
    while (c->out.len > 0 && !c->blocked && !c->broken) {
        const char *p = buf_data(&c->out);
        size_t n = c->ssl ? write_tls(c, p, c->out.len) : write_plain(c, p, c->out.len);
        if (n > 0) {
            buf_take(&c->out, n);
            moved = true;
        }
    }
    return moved;
}
