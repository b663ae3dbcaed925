/* SPDX-License-Identifier: MIT */
/* A connection from accept to close, and what its socket is watched for. */
#include "origin.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void conn_run(struct conn *c);

static void watch(struct conn *c, uint32_t events)
{
    if (c->events != events) {
        c->events = events;
        loop_watch(c->fd, &c->src, events, false);
    }
}

static void reset_on_close(int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

void conn_refuse(int fd)
{
    reset_on_close(fd);
    close(fd);
}

static void on_event(struct source *src, uint32_t events)
{
    struct conn *c = (struct conn *)src;
    if ((events & (EPOLLERR | EPOLLHUP)) && c->phase != PHASE_LINGER) {
        conn_free(c); /* reset, or both directions are shut: there is nobody to answer */
        return;
    }
    if (events & (EPOLLIN | EPOLLRDHUP)) {
        c->readable = true;
    }
    conn_run(c);
}

void conn_open(int fd, bool is_unix)
{
    static uint64_t number;
    struct conn *c = calloc(1, sizeof(*c));
    if (!c) {
        die("out of memory");
    }
    c->src.on_event = on_event;
    c->fd = fd;
    c->is_unix = is_unix;
    c->readable = c->counted = true;
    c->req.minor = -1;
    c->number = ++number;
    loop.counts.connections_total++;
    loop.counts.connections_now++;
    c->next = loop.conns;
    if (c->next) {
        c->next->prev = c;
    }
    loop.conns = c;
    c->events = EPOLLIN | EPOLLRDHUP;
    if (opt.never_answer) {
        c->phase = PHASE_DEAF;
        c->events = EPOLLRDHUP;
    } else if (opt.banner) {
        c->phase = PHASE_BANNER;
    } else {
        c->ssl = tls_new(fd);
        c->phase = c->ssl ? PHASE_HANDSHAKE : PHASE_HTTP;
        if (!c->ssl && opt.idle_close > 0) {
            c->idle_timed = true;
            timer_set(c, (uint64_t)opt.idle_close);
        }
    }
    loop_watch(fd, &c->src, c->events, true);
}

void conn_uncount(struct conn *c)
{
    if (c->counted) {
        c->counted = false;
        loop.counts.connections_now--;
    }
}

void conn_free(struct conn *c)
{
    if (c->rx == RX_BODY && c->head_len > 0) {
        log_request(c);
    }
    conn_uncount(c);
    timer_clear(c);
    if (c->ssl) {
        /* else OpenSSL would not resume the session of a connection that was cut on purpose */
        SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(c->ssl);
    }
    close(c->fd);
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        loop.conns = c->next;
    }
    if (c->next) {
        c->next->prev = c->prev;
    }
    buf_free(&c->in);
    buf_free(&c->out);
    buf_free(&c->hold);
    free(c);
}

/* ---- the end of a connection ---- */

void finish_start(struct conn *c, enum end end)
{
    timer_clear(c);
    c->end = end;
    c->phase = end == END_RESET ? PHASE_RESET : PHASE_NOTIFY;
    c->since_ms = loop.now_ms;
}

/* A reset throws away what was not acknowledged yet, so it waits for that. */
static void finish_reset(struct conn *c)
{
    int queued = 0;
    bool patient = !c->is_unix && loop.now_ms - c->since_ms < RESET_WAIT_MS;
    if (patient && ioctl(c->fd, SIOCOUTQ, &queued) == 0 && queued > 0) {
        watch(c, 0);
        timer_set(c, 1);
        return;
    }
    reset_on_close(c->fd);
    conn_free(c);
}

static void finish_linger(struct conn *c)
{
    static char scratch[64 * 1024];
    for (int i = 0; i < TURN_ROUNDS; i++) {
        ssize_t n = recv(c->fd, scratch, sizeof(scratch), 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            conn_free(c);
            return;
        }
        if (n < 0) {
            return;
        }
    }
}

void finish_run(struct conn *c)
{
    if (c->phase == PHASE_RESET) {
        finish_reset(c);
        return;
    }
    if (c->phase == PHASE_NOTIFY) {
        if (c->ssl && c->end != END_CUT && SSL_is_init_finished(c->ssl) && !tls_notify(c)) {
            watch(c, EPOLLOUT);
            timer_set(c, RESET_WAIT_MS);
            return;
        }
        if (c->end == END_SILENT) {
            conn_free(c);
            return;
        }
        shutdown(c->fd, SHUT_WR);
        conn_uncount(c);
        c->phase = PHASE_LINGER;
        timer_set(c, LINGER_MS);
        watch(c, EPOLLIN | EPOLLRDHUP);
    }
    finish_linger(c);
}

static void finish(struct conn *c, enum end end)
{
    finish_start(c, end);
    finish_run(c);
}

/* ---- while it lives ---- */

/* Frees what an idle connection does not need, and sets what wakes it. */
static void http_rest(struct conn *c)
{
    if (c->in.len == 0) {
        buf_free(&c->in);
    }
    if (c->out.len == 0) {
        buf_free(&c->out);
    }
    if (http_is_idle(c)) {
        if (loop.draining) {
            finish(c, END_CLOSE);
            return;
        }
        if (opt.idle_close > 0) {
            c->idle_timed = true;
            timer_set(c, (uint64_t)opt.idle_close);
        }
    }
    bool may_read = !c->eof && c->in.len < IN_MAX;
    watch(c, (may_read ? EPOLLIN | EPOLLRDHUP : 0) | (c->want_write || c->yielded ? EPOLLOUT : 0));
}

static void http_run(struct conn *c)
{
    if (c->idle_timed) {
        c->idle_timed = false;
        timer_clear(c);
    }
    c->yielded = true;
    for (int i = 0; i < TURN_ROUNDS && c->yielded; i++) {
        bool moved = io_read(c);
        while (c->phase == PHASE_HTTP && http_step(c)) {
            moved = true;
        }
        if (c->phase != PHASE_HTTP) {
            finish_run(c);
            return;
        }
        moved = io_flush(c) || moved;
        if (c->broken) {
            conn_free(c);
            return;
        }
        c->yielded = moved;
    }
    bool unanswered = c->rx == RX_BODY || (c->rx == RX_HEAD && c->out.len == 0);
    if (c->eof && !c->yielded && unanswered) {
        conn_free(c);
        return;
    }
    http_rest(c);
}

static void handshake_run(struct conn *c)
{
    if (io_handshake(c)) {
        c->phase = PHASE_HTTP;
        c->readable = true;
        http_run(c);
    } else if (c->broken || c->eof) {
        finish(c, END_CUT); /* the peer gets to read the alert */
    } else {
        watch(c, EPOLLIN | EPOLLRDHUP | (c->want_write ? EPOLLOUT : 0));
    }
}

static void banner_run(struct conn *c)
{
    static const char banner[] = "220 this is no HTTP server\r\n";
    if (send(c->fd, banner, sizeof(banner) - 1, MSG_NOSIGNAL) < 0) {
        conn_free(c);
    } else {
        finish(c, END_CUT);
    }
}

static void conn_run(struct conn *c)
{
    switch (c->phase) {
    case PHASE_HANDSHAKE:
        handshake_run(c);
        break;
    case PHASE_HTTP:
        http_run(c);
        break;
    case PHASE_BANNER:
        banner_run(c);
        break;
    case PHASE_DEAF:
        conn_free(c);
        break;
    case PHASE_NOTIFY:
    case PHASE_LINGER:
    case PHASE_RESET:
        finish_run(c);
        break;
    }
}

void conn_on_timer(struct conn *c)
{
    if (c->phase == PHASE_RESET) {
        finish_run(c);
    } else if (c->phase != PHASE_HTTP) {
        conn_free(c);
    } else if (c->idle_timed) {
        c->idle_timed = false;
        finish(c, END_SILENT);
    } else {
        if (c->tx == TX_DELAY) {
            route_run(c);
        } else {
            c->gen.tick = true;
        }
        http_run(c);
    }
}

void conn_drain(struct conn *c)
{
    if (c->phase == PHASE_DEAF || c->phase == PHASE_BANNER) {
        conn_free(c);
    } else if (c->phase == PHASE_HTTP && http_is_idle(c)) {
        finish(c, END_CLOSE);
    }
}
