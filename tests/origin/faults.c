/* SPDX-License-Identifier: MIT */
/* The paths that misbehave. */
#include "origin.h"

#include <stdio.h>
#include <string.h>

static void raw(struct conn *c, const struct call *k)
{
    (void)k;
    reply_raw(c, c->route->raw, c->route->raw_len, END_KEEP);
}

static void reset_after(struct conn *c, const struct call *k)
{
    c->gen.end = k->n;
    reply_filled(c, 200, (int64_t)(k->n * 2 + 1024), NULL, fill_pattern);
    c->end = END_RESET;
}

static void no_reply(struct conn *c, const struct call *k)
{
    (void)k;
    reply_nothing(c, END_CLOSE);
}

static void rst(struct conn *c, const struct call *k)
{
    (void)k;
    reply_nothing(c, END_RESET);
}

static void short_body(struct conn *c, const struct call *k)
{
    uint64_t send = query_number(c, "send", k->n / 2);
    c->gen.end = send < k->n ? send : k->n;
    reply_filled(c, 200, (int64_t)k->n, NULL, fill_pattern);
    c->end = query_number(c, "notify", 1) == 0 ? END_CUT : END_CLOSE;
}

static void cut_until_close(struct conn *c, const struct call *k)
{
    c->gen.end = k->n;
    reply_filled(c, 200, LEN_CLOSE, NULL, fill_pattern);
    c->end = END_CUT;
}

static void hang(struct conn *c, const struct call *k)
{
    (void)k;
    c->fill = fill_hang;
}

static void hang_after_headers(struct conn *c, const struct call *k)
{
    (void)k;
    uint64_t send = query_number(c, "send", 0);
    c->gen.end = send < 1000000 ? send : 1000000;
    reply_head(c, 200, (int64_t)c->gen.end + 100, NULL);
    c->fill = fill_hang;
}

static void status_line(struct conn *c, const char *line)
{
    buf_text(&c->out, line);
    buf_text(&c->out, "\r\nContent-Length: 5\r\n\r\nhello");
    c->end = reply_end(c);
}

static void bad_status_line(struct conn *c, const struct call *k)
{
    (void)k;
    char line[512];
    status_line(c, query_text(c, "line", line, sizeof(line)) ? line : "HTTP/1.1 two-hundred OK");
}

static void bad_version(struct conn *c, const struct call *k)
{
    (void)k;
    char version[64], line[96];
    if (!query_text(c, "v", version, sizeof(version))) {
        snprintf(version, sizeof(version), "HTTP/2.0");
    }
    snprintf(line, sizeof(line), "%s 200 OK", version);
    status_line(c, line);
}

static void big_header(struct conn *c, const struct call *k)
{
    c->gen.end = k->n;
    buf_text(&c->out, "HTTP/1.1 200 OK\r\nX-Big: ");
    c->fill = fill_big_header;
}

static void many_headers(struct conn *c, const struct call *k)
{
    c->gen.end = k->n;
    buf_text(&c->out, "HTTP/1.1 200 OK\r\n");
    if (k->n > 0) {
        c->fill = fill_repeat;
    } else {
        buf_text(&c->out, "Content-Length: 5\r\n\r\nhello");
    }
}

static void endless_headers(struct conn *c, const struct call *k)
{
    (void)k;
    buf_text(&c->out, "HTTP/1.1 200 OK\r\n");
    c->fill = fill_repeat;
}

static void endless_informational(struct conn *c, const struct call *k)
{
    (void)k;
    c->fill = fill_repeat;
}

#define RAW(bytes)   .handle = raw, .raw = (bytes), .raw_len = sizeof(bytes) - 1
#define PIECE(bytes) .raw = (bytes), .raw_len = sizeof(bytes) - 1
#define CHUNKED      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
#define OK           "HTTP/1.1 200 OK\r\n"

const struct route fault_routes[] = {
    {.name = "/no-reply", .handle = no_reply, .help = "closes without an answer"},
    {.name = "/rst", .handle = rst, .help = "resets without an answer"},
    {.name = "/hang", .handle = hang, .help = "never answers"},
    {.name = "/hang-after-headers",
     .handle = hang_after_headers,
     .help = "[send=0] stops there, or later in the body"},
    {.name = "/reset-after/",
     .arg = "N",
     .flags = ROUTE_NUMBER,
     .handle = reset_after,
     .help = "N bytes of a larger body, then a reset (on a Unix socket: a plain close)"},
    {.name = "/short/",
     .arg = "N",
     .flags = ROUTE_NUMBER,
     .handle = short_body,
     .help = "[send=N/2] [notify=0] less than Content-Length, then FIN; notify=0: without "
             "close_notify"},
    {.name = "/cut/",
     .arg = "N",
     .flags = ROUTE_NUMBER,
     .handle = cut_until_close,
     .help = "like /close/N, without close_notify"},
    {.name = "/bad-chunk",
     .help = "'zz' where a chunk size should be",
     RAW(CHUNKED "\r\n5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n")},
    {.name = "/bad-chunk-end",
     .help = "a chunk longer than its size",
     RAW(CHUNKED "\r\n5\r\nhello!!!0\r\n\r\n")},
    {.name = "/chunk-overflow",
     .help = "a chunk size beyond 64 bits",
     RAW(CHUNKED "\r\nffffffffffffffffff\r\nhello\r\n0\r\n\r\n")},
    {.name = "/length-and-chunked",
     .help = "Content-Length and Transfer-Encoding",
     RAW(CHUNKED "Content-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n")},
    {.name = "/contradictory-length",
     .help = "two Content-Length that differ",
     RAW(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")},
    {.name = "/negative-length",
     .help = "Content-Length: -1",
     RAW(OK "Content-Length: -1\r\n\r\nhello")},
    {.name = "/overflow-length",
     .help = "a Content-Length beyond 64 bits",
     RAW(OK "Content-Length: 99999999999999999999999\r\n\r\nhello")},
    {.name = "/bad-status-line",
     .handle = bad_status_line,
     .help = "[line=HTTP/1.1 two-hundred OK]"},
    {.name = "/bad-version", .handle = bad_version, .help = "[v=HTTP/2.0]"},
    {.name = "/bad-header",
     .help = "a header line without a colon",
     RAW(OK "this is no header\r\nContent-Length: 5\r\n\r\nhello")},
    {.name = "/nul-header",
     .help = "a NUL byte in a header",
     RAW(OK "X-Nul: a\0b\r\nContent-Length: 5\r\n\r\nhello")},
    {.name = "/obs-fold",
     .help = "a header folded over two lines",
     RAW(OK "X-Folded: one\r\n two\r\nContent-Length: 5\r\n\r\nhello")},
    {.name = "/big-header/",
     .arg = "N",
     .flags = ROUTE_NUMBER,
     .handle = big_header,
     .help = "a header of N bytes"},
    {.name = "/many-headers/",
     .arg = "N",
     .flags = ROUTE_NUMBER,
     .handle = many_headers,
     .help = "N headers",
     PIECE("X-Many: 1\r\n")},
    {.name = "/endless-headers",
     .handle = endless_headers,
     .help = "headers without end",
     PIECE("X-Endless: and one more, as if there were no tomorrow\r\n")},
    {.name = "/endless-informational",
     .handle = endless_informational,
     .help = "103 without end",
     PIECE("HTTP/1.1 103 Early Hints\r\n\r\n")},
    {.name = "/garbage-after",
     .help = "a good reply and bytes that belong to nothing",
     RAW(OK "Content-Length: 5\r\n\r\nhelloGARBAGE GARBAGE\r\n\r\n")},
    {.name = NULL},
};
