/* SPDX-License-Identifier: MIT */
/*
 * bare_h2.c - the floor of HTTP/2: nghttp2 on bare epoll and OpenSSL, which looks at nothing but the
 * status. Modes: h2-1, h2-4 (so many connections; the requests in flight are spread over them).
 */
#include "bare_conn.h"

#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CONNS_MAX = 16, OUTPUT = 256 * 1024, PATIENCE_MS = 5000 };

struct conn {
    nghttp2_session *session;
    SSL *ssl;
    int fd;
    struct bench_meter *meter;
};

static char authority[64];

#define NV(n, v)                                                                                   \
    {                                                                                              \
        (uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, strlen(v), NGHTTP2_NV_FLAG_NONE             \
    }

static void request(struct conn *conn)
{
    nghttp2_nv nv[] = {NV(":method", "GET"), NV(":scheme", "https"), NV(":authority", authority),
                       NV(":path", "/"), NV("user-agent", "bare")};

    if (nghttp2_submit_request(conn->session, NULL, nv, sizeof nv / sizeof *nv, NULL, NULL) < 0)
        bench_die("a request cannot be submitted");
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    (void)session, (void)frame, (void)flags, (void)arg;
    if (name_len == 7 && name[0] == ':' && (value_len != 3 || memcmp(value, "200", 3) != 0))
        bench_die("status %.*s", (int)value_len, (const char *)value);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct conn *conn = arg;

    (void)session, (void)id;
    if (code != 0)
        bench_die("a stream ended with error %u", code);
    conn->meter->count++;
    request(conn);
    return 0;
}

static void flush(struct conn *conn)
{
    static uint8_t out[OUTPUT];
    const uint8_t *data;
    size_t len = 0;
    ssize_t n;

    while ((n = nghttp2_session_mem_send(conn->session, &data)) > 0) {
        if (len + (size_t)n > sizeof out)
            bench_die("too much at a time");
        memcpy(out + len, data, (size_t)n);
        len += (size_t)n;
    }
    if (n < 0 || (len > 0 && SSL_write(conn->ssl, out, (int)len) != (int)len))
        bench_die("cannot write");
}

static void hear(struct conn *conn)
{
    uint8_t in[16384];
    int n;

    while ((n = SSL_read(conn->ssl, in, sizeof in)) > 0) {
        if (nghttp2_session_mem_recv(conn->session, in, (size_t)n) < 0)
            bench_die("the server breaks HTTP/2");
    }
    if (SSL_get_error(conn->ssl, n) != SSL_ERROR_WANT_READ)
        bench_die("the server hung up");
    flush(conn);
}

static void connect_tls(struct conn *conn, const struct bare_target *target)
{
    static const unsigned char alpn[] = "\x02h2";

    conn->fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 ||
        connect(conn->fd, (const void *)&target->address, target->address_length) < 0)
        bench_die("cannot connect");
    conn->ssl = SSL_new(target->ctx);
    if (conn->ssl == NULL || SSL_set_fd(conn->ssl, conn->fd) != 1 ||
        SSL_set_alpn_protos(conn->ssl, alpn, 3) != 0 || SSL_connect(conn->ssl) != 1)
        bench_die("no TLS");
    if (fcntl(conn->fd, F_SETFL, O_NONBLOCK) < 0)
        bench_die("fcntl");
}

static void open_conn(struct conn *conn, const struct bare_target *target, unsigned requests)
{
    const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    nghttp2_session_callbacks *callbacks;

    connect_tls(conn, target);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (nghttp2_session_client_new(&conn->session, callbacks, conn) != 0)
        bench_die("out of memory");
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, &window, 1);
    nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0, 1 << 24);
    while (requests--)
        request(conn);
    flush(conn);
    epoll_ctl(target->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event);
}

int main(int argc, char **argv)
{
    struct epoll_event events[CONNS_MAX];
    struct conn conns[CONNS_MAX] = {{0}};
    struct bench_options options;
    struct bare_target target;
    struct bench_meter meter;
    unsigned n;

    bench_options_parse(&options, argc, argv, "h2-1");
    n = bench_h2_connections(&options);
    if (n == 0 || n > CONNS_MAX || !options.tls)
        bench_die("mode is h2-N, with --tls");
    bare_target_init(&target, &options);
    snprintf(authority, sizeof authority, "%s:%u", options.host, options.port);
    bench_meter_start(&meter, &options);
    for (unsigned i = 0; i < n; i++) {
        conns[i].meter = &meter;
        open_conn(&conns[i], &target, options.inflight / n);
    }
    do {
        int count = epoll_wait(target.epoll_fd, events, CONNS_MAX, PATIENCE_MS);

        if (count <= 0)
            bench_die("no event within %d s", PATIENCE_MS / 1000);
        for (int i = 0; i < count; i++)
            hear(events[i].data.ptr);
    } while (!bench_meter_tick(&meter));
    bench_report("bare", options.mode, &meter);
    for (unsigned i = 0; i < n; i++) {
        nghttp2_session_del(conns[i].session);
        SSL_free(conns[i].ssl);
        close(conns[i].fd);
    }
    bare_target_fini(&target);
    return 0;
}
