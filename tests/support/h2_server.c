/* SPDX-License-Identifier: MIT */
/* The HTTP/2 server that says what it is told to. */
#include "h2_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/place.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define PREFACE (sizeof preface - 1)
#define HEADER  9u

static void bind_unix(struct h2_server *s)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    assert_true(strlen(s->at) < sizeof addr.sun_path);
    strcpy(addr.sun_path, s->at);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&addr, sizeof addr), 0);
}

static void bind_ip(struct h2_server *s, struct sockaddr *addr, socklen_t len)
{
    int on = 1;

    if (s->place < 0)
        s->place = place_bind(addr, len);
    s->listener = place_bind(addr, len);
    setsockopt(s->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* of what it accepts */
}

/* On its port again, or any the first time. */
static void listen_on(struct h2_server *s)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};

    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_addr = in6addr_loopback;
    if (s->at && s->at[0] == '/') {
        bind_unix(s);
    } else if (s->at) {
        assert_string_equal(s->at, "::1");
        bind_ip(s, (struct sockaddr *)&v6, sizeof v6);
        s->port = ntohs(v6.sin6_port);
    } else {
        bind_ip(s, (struct sockaddr *)&v4, sizeof v4);
        s->port = ntohs(v4.sin_port);
    }
    assert_int_equal(listen(s->listener, H2_CONNS), 0);
}

void h2_start_at(struct h2_server *s, const char *at)
{
    memset(s, 0, sizeof *s);
    s->at = at;
    s->max = H2_NONE;
    s->place = -1;
    listen_on(s);
}

void h2_start(struct h2_server *s)
{
    h2_start_at(s, NULL);
}

static void drop(struct h2_conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    free(c->in);
    free(c->out);
    c->in = c->out = NULL;
    c->in_len = c->out_len = c->in_room = c->out_room = 0;
}

void h2_vanish(struct h2_server *s)
{
    if (s->listener >= 0)
        close(s->listener);
    s->listener = -1;
    for (unsigned i = 0; i < s->accepted; i++)
        drop(&s->conns[i]);
}

void h2_stop(struct h2_server *s)
{
    h2_vanish(s);
    if (s->place >= 0)
        close(s->place);
    s->place = -1;
}

void h2_start_again(struct h2_server *s)
{
    if (s->listener < 0)
        listen_on(s);
}

const char *h2_url(const struct h2_server *s, const char *path)
{
    static char urls[8][256];
    static unsigned next;
    char *url = urls[next++ % 8];

    snprintf(url, sizeof urls[0], "http://127.0.0.1:%d%s", s->port, path);
    return url;
}

/* ---- saying ---- */

static void append(char **buf, size_t *len, size_t *room, const void *data, size_t n)
{
    if (*len + n > *room) {
        *room = (*len + n) * 2;
        *buf = realloc(*buf, *room);
        assert_non_null(*buf);
    }
    if (n > 0)
        memcpy(*buf + *len, data, n);
    *len += n;
}

static struct h2_conn *conn_of(struct h2_server *s, unsigned conn)
{
    assert_true(conn < s->accepted);
    return &s->conns[conn];
}

void h2_raw(struct h2_server *s, unsigned conn, const void *data, size_t len)
{
    struct h2_conn *c = conn_of(s, conn);

    if (c->fd >= 0)
        append(&c->out, &c->out_len, &c->out_room, data, len);
}

static void put32(uint8_t *out, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(n >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

void h2_frame(struct h2_server *s, unsigned conn, uint8_t type, uint8_t flags, uint32_t id,
              const void *payload, size_t len)
{
    uint8_t header[HEADER] = {(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, type, flags};

    put32(header + 5, id);
    h2_raw(s, conn, header, sizeof header);
    h2_raw(s, conn, payload, len);
}

static size_t put_string(uint8_t *out, const char *text, size_t len)
{
    size_t at = 0;

    if (len < 127) {
        out[at++] = (uint8_t)len;
    } else {
        size_t rest = len - 127;

        out[at++] = 127;
        for (; rest >= 128; rest /= 128)
            out[at++] = (uint8_t)(rest % 128 + 128);
        out[at++] = (uint8_t)rest;
    }
    memcpy(out + at, text, len);
    return at + len;
}

size_t h2_block(const char *lines, uint8_t *out, size_t room)
{
    size_t at = 0;

    while (*lines) {
        const char *end = strchr(lines, '\n');
        const char *colon = strchr(lines + 1, ':'); /* pseudo fields begin with one */
        const char *value = colon + 2;

        assert_true(end && colon && colon < end);
        assert_true(at + (size_t)(end - lines) + 16 <= room);
        out[at++] = 0x10; /* never indexed, new name */
        at += put_string(out + at, lines, (size_t)(colon - lines));
        at += put_string(out + at, value, value < end ? (size_t)(end - value) : 0);
        lines = end + 1;
    }
    return at;
}

void h2_head(struct h2_server *s, unsigned conn, uint8_t flags, uint32_t id, const char *lines)
{
    uint8_t block[16384];

    h2_frame(s, conn, H2_HEADERS, flags | H2_END_HEADERS, id, block,
             h2_block(lines, block, sizeof block));
}

void h2_data(struct h2_server *s, unsigned conn, uint8_t flags, uint32_t id, const char *text)
{
    h2_frame(s, conn, H2_DATA, flags, id, text, strlen(text));
}

void h2_answer(struct h2_server *s, unsigned conn, uint32_t id, const char *text)
{
    h2_head(s, conn, 0, id, ":status: 200\n");
    h2_data(s, conn, H2_END_STREAM, id, text);
}

void h2_reset(struct h2_server *s, unsigned conn, uint32_t id, uint32_t code)
{
    uint8_t payload[4];

    put32(payload, code);
    h2_frame(s, conn, H2_RST_STREAM, 0, id, payload, sizeof payload);
}

void h2_goaway(struct h2_server *s, unsigned conn, uint32_t last, uint32_t code)
{
    uint8_t payload[8];

    put32(payload, last);
    put32(payload + 4, code);
    h2_frame(s, conn, H2_GOAWAY, 0, 0, payload, sizeof payload);
}

void h2_setting(struct h2_server *s, unsigned conn, uint16_t name, uint32_t value)
{
    uint8_t payload[6] = {(uint8_t)(name >> 8), (uint8_t)name};

    put32(payload + 2, value);
    h2_frame(s, conn, H2_SETTINGS, 0, 0, payload, sizeof payload);
}

void h2_window(struct h2_server *s, unsigned conn, uint32_t id, uint32_t more)
{
    uint8_t payload[4];

    put32(payload, more);
    h2_frame(s, conn, H2_WINDOW_UPDATE, 0, id, payload, sizeof payload);
}

static void flush(struct h2_server *s, struct h2_conn *c)
{
    ssize_t n;

    while (c->fd >= 0 && c->out_len > 0) {
        n = send(c->fd, c->out, s->stingy ? 1 : c->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            drop(c);
            return;
        }
        c->out_len -= (size_t)n;
        memmove(c->out, c->out + n, c->out_len);
        if (s->stingy)
            return;
    }
}

void h2_hang_up(struct h2_server *s, unsigned conn)
{
    struct h2_conn *c = conn_of(s, conn);

    flush(s, c);
    drop(c);
}

/* ---- hearing ---- */

static void greet(struct h2_server *s, unsigned conn)
{
    s->conns[conn].greeted = true;
    if (s->on_open)
        s->on_open(s, conn);
    if (s->silent)
        return;
    if (s->max == H2_NONE)
        h2_frame(s, conn, H2_SETTINGS, 0, 0, NULL, 0);
    else
        h2_setting(s, conn, 3, s->max);
}

static void hear_request(struct h2_server *s, unsigned conn, uint32_t id)
{
    struct h2_conn *c = &s->conns[conn];

    if (c->requests < H2_REQUESTS)
        c->ids[c->requests] = id;
    c->requests++;
    s->requests++;
    if (s->on_request)
        s->on_request(s, conn, id);
}

static void hear_frame(struct h2_server *s, unsigned conn, const struct h2_frame *f)
{
    struct h2_conn *c = &s->conns[conn];
    bool ack = f->flags & H2_ACK && (f->type == H2_SETTINGS || f->type == H2_PING);

    assert_true(f->type < H2_TYPES);
    c->acks += ack;
    c->got[f->type] += !ack;
    if (f->type == H2_DATA || f->type == H2_HEADERS)
        c->whole = f->flags & H2_END_STREAM;
    if (f->type == H2_DATA)
        c->data += f->len;
    if (f->type == H2_RST_STREAM) {
        c->reset = get32(f->payload);
        c->reset_id = f->id;
    }
    if (f->type == H2_GOAWAY)
        c->goaway = get32(f->payload + 4);
    if (f->type == H2_SETTINGS && !ack && !s->silent)
        h2_frame(s, conn, H2_SETTINGS, H2_ACK, 0, NULL, 0);
    if (f->type == H2_PING && !ack && !s->no_pong)
        h2_frame(s, conn, H2_PING, H2_ACK, 0, f->payload, f->len);
    if (s->on_frame)
        s->on_frame(s, conn, f);
    if (f->type == H2_HEADERS)
        hear_request(s, conn, f->id);
}

/* A request of HTTP/1.1, without a body: how many bytes; 0: not enough for one. */
static size_t hear_http1(struct h2_server *s, unsigned conn)
{
    const struct h2_conn *c = &s->conns[conn];
    const char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    size_t len = end ? (size_t)(end - c->in) + 4 : 0;
    char head[2048];

    if (!end)
        return 0;
    assert_true(len < sizeof head);
    memcpy(head, c->in, len);
    head[len] = '\0';
    s->on_http1(s, conn, head);
    return len;
}

/* How many bytes were a frame; 0: not enough for one. */
static size_t hear_one(struct h2_server *s, unsigned conn)
{
    struct h2_conn *c = &s->conns[conn];
    const uint8_t *in = (const uint8_t *)c->in;
    struct h2_frame f;

    if (!c->greeted) {
        if (s->on_http1 && c->in_len >= 3 && memcmp(c->in, preface, 3) != 0)
            return hear_http1(s, conn);
        if (c->in_len < PREFACE)
            return 0;
        assert_memory_equal(c->in, preface, PREFACE);
        greet(s, conn);
        return PREFACE;
    }
    if (c->in_len < HEADER)
        return 0;
    f = (struct h2_frame){
        .type = in[3], .flags = in[4], .id = get32(in + 5), .payload = in + HEADER};
    f.len = (size_t)in[0] << 16 | (size_t)in[1] << 8 | in[2];
    if (c->in_len < HEADER + f.len)
        return 0;
    hear_frame(s, conn, &f);
    return HEADER + f.len;
}

static void hear(struct h2_server *s, unsigned conn)
{
    struct h2_conn *c = &s->conns[conn];
    char text[16384];
    ssize_t n = recv(c->fd, text, sizeof text, MSG_DONTWAIT);
    size_t used;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(c);
        return;
    }
    append(&c->in, &c->in_len, &c->in_room, text, (size_t)n);
    while (c->fd >= 0 && (used = hear_one(s, conn)) > 0) {
        if (c->fd < 0)
            return;
        c->in_len -= used;
        memmove(c->in, c->in + used, c->in_len);
    }
}

void h2_step(struct h2_server *s)
{
    int fd;

    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        struct h2_conn *c = &s->conns[s->accepted];

        assert_true(s->accepted < H2_CONNS);
        *c = (struct h2_conn){.fd = fd, .goaway = H2_NONE, .reset = H2_NONE};
        s->accepted++;
    }
    for (unsigned i = 0; i < s->accepted; i++) {
        if (s->conns[i].fd >= 0)
            hear(s, i);
        flush(s, &s->conns[i]);
    }
}
