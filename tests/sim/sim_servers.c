/* SPDX-License-Identifier: MIT */
/* Servers: small state machines at the far end of a wire. A line server, an HTTP/1.1 server, a mute
 * one. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "sim/parts.h"

/* What both speakers need: what came, what is to be said after thinking, and how much was asked. */
struct speaker {
    struct sim_wire *wire;
    struct sim_event think;
    struct bl_buf in, out;
    unsigned requests;
    bool end_after; /* close once `out` is said */
    size_t body;    /* of the request under way, still to come (HTTP) */
    bool in_body;
};

static void speak(void *arg)
{
    struct speaker *s = arg;

    if (bl_buf_len(&s->out)) {
        sim_wire_send(s->wire, bl_buf_head(&s->out), bl_buf_len(&s->out));
        bl_buf_clear(&s->out);
    }
    if (s->end_after)
        sim_wire_end(s->wire);
}

static void say_soon(struct speaker *s)
{
    if (s->wire->host->think_ns == 0)
        speak(s);
    else
        sim_event_in(&s->think, s->wire->host->think_ns);
}

static void put(struct speaker *s, const char *data, size_t len)
{
    if (bl_buf_append(&s->out, &s->wire->world->mem, data, len) < 0)
        abort();
}

static void speaker_open(struct sim_wire *wire)
{
    struct speaker *s = calloc(1, sizeof *s);

    if (!s)
        abort();
    s->wire = wire;
    sim_event_init(&s->think, wire->world, speak, s);
    wire->server = s;
}

static void speaker_end(struct sim_wire *wire)
{
    struct speaker *s = wire->server;

    if (bl_buf_len(&s->out))
        s->end_after = true;
    else
        sim_wire_end(wire);
}

static void speaker_gone(struct sim_wire *wire)
{
    struct speaker *s = wire->server;

    sim_event_fini(&s->think);
    bl_buf_free(&s->in, &wire->world->mem);
    bl_buf_free(&s->out, &wire->world->mem);
    free(s);
    wire->server = NULL;
}

/* Counts a request; whether it was the last one of this connection. */
static bool count(struct speaker *s)
{
    const struct sim_host *h = s->wire->host;

    s->wire->host->requests++;
    return ++s->requests == h->close_after_n && h->close_after_n > 0;
}

/* ---- lines ---- */

static void line_bytes(struct sim_wire *wire, const char *data, size_t len)
{
    struct speaker *s = wire->server;
    bool any = false;

    if (bl_buf_append(&s->in, &wire->world->mem, data, len) < 0)
        abort();
    while (bl_buf_len(&s->in) && !s->end_after) {
        char *head = bl_buf_head(&s->in), *nl = memchr(head, '\n', bl_buf_len(&s->in));
        size_t n;

        if (!nl)
            break;
        n = (size_t)(nl - head) + 1;
        put(s, head, n);
        bl_buf_consume(&s->in, n);
        any = true;
        s->end_after = count(s);
    }
    if (any)
        say_soon(s);
}

const struct sim_server_ops sim_line_server = {
    .open = speaker_open, .bytes = line_bytes, .end = speaker_end, .gone = speaker_gone};

static void mute_bytes(struct sim_wire *wire, const char *data, size_t len)
{
    (void)wire;
    (void)data;
    (void)len;
}

const struct sim_server_ops sim_mute_server = {
    .open = speaker_open, .bytes = mute_bytes, .end = speaker_end, .gone = speaker_gone};

/* ---- HTTP/1.1 ---- */

/* The value of a header within a head that ends at `end`, as a number; or -1. */
static long header_number(const char *head, const char *end, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = head; p + n < end; p++)
        if (p[0] == '\n' && strncasecmp(p + 1, name, n) == 0)
            return strtol(p + 1 + n, NULL, 10);
    return -1;
}

static void http_answer(struct speaker *s, const char *head, bool last)
{
    const char *path = strchr(head, ' ');
    size_t n = path && path[1] == '/' ? strtoul(path + 2, NULL, 10) : 0;
    bool silent = s->wire->host->close_silently;
    char text[160];
    int len = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n", n,
                       last && !silent ? "Connection: close\r\n" : "");

    put(s, text, (size_t)len);
    if (strncmp(head, "HEAD", 4) != 0)
        for (size_t i = 0; i < n; i++)
            put(s, &"abcdefghijklmnop"[i % 16], 1);
    s->end_after = last;
}

/* Takes one request head from what came; false: not all of it is here. */
static bool http_head(struct speaker *s)
{
    char *head = bl_buf_head(&s->in), *end;
    size_t len = bl_buf_len(&s->in);
    long body;

    end = len ? memmem(head, len, "\r\n\r\n", 4) : NULL;
    if (!end)
        return false;
    body = header_number(head, end + 4, "content-length:");
    s->body = body > 0 ? (size_t)body : 0;
    s->in_body = s->body > 0;
    *end = '\0';
    if (!s->in_body)
        http_answer(s, head, count(s));
    bl_buf_consume(&s->in, (size_t)(end - head) + 4);
    return true;
}

static bool http_body(struct speaker *s)
{
    size_t n = bl_buf_len(&s->in);

    if (n > s->body)
        n = s->body;
    bl_buf_consume(&s->in, n);
    s->body -= n;
    if (s->body)
        return false;
    s->in_body = false;
    http_answer(s, "POST /0", count(s));
    return true;
}

static void http_bytes(struct sim_wire *wire, const char *data, size_t len)
{
    struct speaker *s = wire->server;

    if (bl_buf_append(&s->in, &wire->world->mem, data, len) < 0)
        abort();
    while (!s->end_after && (s->in_body ? http_body(s) : http_head(s)))
        ;
    if (bl_buf_len(&s->out))
        say_soon(s);
}

const struct sim_server_ops sim_http_server = {
    .open = speaker_open, .bytes = http_bytes, .end = speaker_end, .gone = speaker_gone};
