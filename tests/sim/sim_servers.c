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
    /* HTTP: the request under way */
    size_t size, number; /* how much it wants, and who it is */
    size_t body;         /* still to come */
    bool in_body, chunked, headless;
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

/*
 * What a request asks for stands in its path: "/SIZE?NUMBER" is answered with SIZE bytes, and whoever watches is told that
 * request NUMBER was carried out. A body is read to its end first, by length or by chunks.
 */
static void take_path(struct speaker *s, const char *head)
{
    const char *path = strchr(head, ' '), *query = path ? strchr(path, '?') : NULL;

    s->size = path && path[1] == '/' ? strtoul(path + 2, NULL, 10) : 0;
    s->number = query ? strtoul(query + 1, NULL, 10) : 0;
    s->headless = strncmp(head, "HEAD", 4) == 0;
}

/* A header within a head; NULL when it is not there. */
static const char *header(const char *head, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = strchr(head, '\n'); p; p = strchr(p + 1, '\n'))
        if (strncasecmp(p + 1, name, n) == 0)
            return p + 1 + n;
    return NULL;
}

static void http_answer(struct speaker *s)
{
    struct sim_world *w = s->wire->world;
    bool last = count(s), silent = s->wire->host->close_silently;
    char text[160];
    int len = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n",
                       s->size, last && !silent ? "Connection: close\r\n" : "");

    if (w->on_request)
        w->on_request(s->wire->host, s->number, w->after_turn_arg);
    put(s, text, (size_t)len);
    for (size_t i = 0; i < s->size && !s->headless; i++)
        put(s, &"abcdefghijklmnop"[(s->number + i) % 16], 1);
    s->end_after = last;
}

/* Takes one request head from what came; false: not all of it is here. */
static bool http_head(struct speaker *s)
{
    char *head = bl_buf_head(&s->in), *end;
    size_t len = bl_buf_len(&s->in);
    const char *length, *coding;

    end = len ? memmem(head, len, "\r\n\r\n", 4) : NULL;
    if (!end)
        return false;
    *end = '\0';
    take_path(s, head);
    length = header(head, "content-length:");
    coding = header(head, "transfer-encoding:");
    s->body = length ? strtoul(length, NULL, 10) : 0;
    s->chunked = coding != NULL;
    s->in_body = s->body > 0 || s->chunked;
    if (header(head, "expect:"))
        put(s, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    bl_buf_consume(&s->in, (size_t)(end - head) + 4);
    if (!s->in_body)
        http_answer(s);
    return true;
}

/* Takes a chunk with its length before and its line end after; false: not all of it is here. */
static bool http_chunk(struct speaker *s)
{
    char *head = bl_buf_head(&s->in);
    size_t len = bl_buf_len(&s->in), n, line;
    char *nl = len ? memchr(head, '\n', len) : NULL;

    if (!nl)
        return false;
    n = strtoul(head, NULL, 16);
    line = (size_t)(nl - head) + 1;
    if (len < line + n + 2)
        return false;
    bl_buf_consume(&s->in, line + n + 2);
    if (n > 0)
        return true;
    s->in_body = false;
    http_answer(s);
    return true;
}

static bool http_body(struct speaker *s)
{
    size_t n = bl_buf_len(&s->in);

    if (s->chunked)
        return http_chunk(s);
    if (n > s->body)
        n = s->body;
    bl_buf_consume(&s->in, n);
    s->body -= n;
    if (s->body)
        return false;
    s->in_body = false;
    http_answer(s);
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
