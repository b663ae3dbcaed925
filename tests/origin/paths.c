/* SPDX-License-Identifier: MIT */
/* The paths that behave: bodies of all framings, delays, redirects, echo, and what the server
 * knows. */
#include "origin.h"

#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hello(struct conn *c, const struct call *k)
{
    (void)k;
    reply_bytes(c, 200, "Content-Type: text/plain\r\n", "hello", 5);
}

static void bytes(struct conn *c, const struct call *k)
{
    c->gen.end = k->n;
    reply_filled(c, 200, (int64_t)k->n, NULL, fill_pattern);
}

static void chunked(struct conn *c, const struct call *k)
{
    c->gen.end = k->n;
    c->gen.step = query_number(c, "chunk", 1000);
    c->gen.step = c->gen.step ? c->gen.step : 1;
    c->gen.trailer = query_number(c, "trailer", 0) == 1;
    reply_filled(c, 200, LEN_CHUNKED, c->gen.trailer ? "Trailer: X-Checksum\r\n" : NULL,
                 fill_chunks);
}

static void until_close(struct conn *c, const struct call *k)
{
    c->gen.end = k->n;
    reply_filled(c, 200, LEN_CLOSE, NULL, fill_pattern);
}

static void delay(struct conn *c, const struct call *k)
{
    if (c->gen.tick) {
        hello(c, k);
        return;
    }
    c->gen.tick = true;
    c->tx = TX_DELAY;
    timer_set(c, k->n);
}

static void drip(struct conn *c, const struct call *k)
{
    c->gen.end = k->n;
    c->gen.ms = query_number(c, "ms", 10);
    reply_filled(c, 200, (int64_t)k->n, NULL, fill_drip);
}

static void status(struct conn *c, const struct call *k)
{
    char text[32];
    uint64_t code;
    if (k->rest_len == 12 && memcmp(k->rest, "100-then-200", 12) == 0) {
        code = 100;
    } else if (!number_read(k->rest, k->rest_len, &code) || code < 100 || code > 999) {
        reply_text(c, 404, NULL, "a status is a number from 100 to 999\n");
        return;
    }
    if (code < 200) {
        buf_format(&c->out, "HTTP/1.1 %d Informational\r\n\r\n", (int)code);
        hello(c, k);
        return;
    }
    snprintf(text, sizeof(text), "status %d\n", (int)code);
    const char *extra = code == 401   ? "WWW-Authenticate: Basic realm=\"origin\"\r\n"
                        : code == 407 ? "Proxy-Authenticate: Basic realm=\"origin\"\r\n"
                                      : NULL;
    reply_text(c, (int)code, extra, text);
}

static void early_hints(struct conn *c, const struct call *k)
{
    buf_text(&c->out, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n");
    hello(c, k);
}

/* ---- echo ---- */

void echo_start(struct conn *c, int64_t length)
{
    struct buf extra = {0};
    struct header h;
    buf_text(&extra, "X-Echo-Method: ");
    buf_add(&extra, conn_text(c, c->req.method), c->req.method.len);
    buf_text(&extra, "\r\nX-Echo-Target: ");
    buf_add(&extra, conn_text(c, c->req.target), c->req.target.len);
    for (size_t at = 0; header_next(c, &at, &h);) {
        buf_text(&extra, "\r\nX-Echo-");
        buf_add(&extra, h.name, h.name_len);
        buf_text(&extra, ": ");
        buf_add(&extra, h.value, h.value_len);
    }
    buf_add(&extra, "\r\n", 3); /* with its end */
    c->tx = TX_GOING;
    c->fill = NULL;
    reply_filled(c, 200, length, buf_data(&extra), fill_hold);
    buf_free(&extra);
    if (!c->fill) {
        buf_take(&c->hold, c->hold.len);
    }
}

static void echo(struct conn *c, const struct call *k)
{
    (void)k;
    echo_start(c, (int64_t)c->hold.len);
}

static void expect_reject(struct conn *c, const struct call *k)
{
    if (!c->req.expect) {
        hello(c, k);
        return;
    }
    c->keep = c->keep && query_number(c, "keep", 0) == 1;
    reply_text(c, 417, NULL, "this expectation is not met\n");
}

static void early_reply(struct conn *c, const struct call *k)
{
    (void)k;
    c->keep = c->keep && query_number(c, "keep", 0) == 1;
    reply_text(c, 413, NULL, "no, thank you\n");
}

/* ---- redirects ---- */

static void redirect_to_text(struct conn *c, int code, const char *url)
{
    struct buf extra = {0};
    buf_text(&extra, "Location: ");
    buf_text(&extra, url);
    buf_add(&extra, "\r\n", 3); /* with its end */
    reply_text(c, code, buf_data(&extra), "elsewhere\n");
    buf_free(&extra);
}

static int redirect_code(const struct conn *c)
{
    uint64_t code = query_number(c, "code", 302);
    return code >= 300 && code <= 399 ? (int)code : 302;
}

static void redirect(struct conn *c, const struct call *k)
{
    char url[64];
    int code = redirect_code(c);
    if (k->n == 0) {
        hello(c, k);
        return;
    }
    if (k->n == 1) {
        snprintf(url, sizeof(url), "/");
    } else if (code == 302) {
        snprintf(url, sizeof(url), "/redirect/%llu", (unsigned long long)k->n - 1);
    } else {
        snprintf(url, sizeof(url), "/redirect/%llu?code=%d", (unsigned long long)k->n - 1, code);
    }
    redirect_to_text(c, code, url);
}

static void redirect_to(struct conn *c, const struct call *k)
{
    (void)k;
    char url[8192];
    if (!query_text(c, "url", url, sizeof(url)) || strpbrk(url, "\r\n")) {
        reply_text(c, 400, NULL, "url= is missing or has a line break in it\n");
        return;
    }
    redirect_to_text(c, redirect_code(c), url);
}

/* ---- connections and memory ---- */

static void conn_close(struct conn *c, const struct call *k)
{
    c->keep = false;
    hello(c, k);
}

static void http10(struct conn *c, const struct call *k)
{
    c->as_http10 = true;
    c->keep = c->keep && query_number(c, "keep", 0) == 1;
    hello(c, k);
}

static void head_with_body_length(struct conn *c, const struct call *k)
{
    (void)k;
    c->gen.end = 1000;
    reply_filled(c, 200, 1000, NULL, fill_pattern);
    if (c->req.is_head && query_number(c, "send", 0) == 1) {
        c->fill = fill_pattern;
    }
}

struct once {
    struct once *next;
    char key[128];
};

/* True the first time a path is asked with an id. */
static bool is_first(const struct conn *c)
{
    static struct once *seen[1024];
    char key[128], id[96];
    size_t bucket = 5381;
    if (!query_text(c, "id", id, sizeof(id))) {
        id[0] = '\0';
    }
    snprintf(key, sizeof(key), "%s %s", c->route->name, id);
    for (const char *p = key; *p; p++) {
        bucket = bucket * 33 + (unsigned char)*p;
    }
    bucket %= sizeof(seen) / sizeof(seen[0]);
    for (struct once *o = seen[bucket]; o; o = o->next) {
        if (strcmp(o->key, key) == 0) {
            return false;
        }
    }
    struct once *o = malloc(sizeof(*o));
    if (!o) {
        die("out of memory");
    }
    memcpy(o->key, key, sizeof(key));
    o->next = seen[bucket];
    seen[bucket] = o;
    return true;
}

static void gone_once(struct conn *c, const struct call *k)
{
    if (is_first(c)) {
        reply_nothing(c, END_CLOSE);
    } else {
        hello(c, k);
    }
}

static void fail_once(struct conn *c, const struct call *k)
{
    char extra[64] = "";
    uint64_t code = query_number(c, "code", 503),
             after = query_number(c, "retry_after", UINT64_MAX);
    if (!is_first(c)) {
        hello(c, k);
        return;
    }
    if (after != UINT64_MAX) {
        snprintf(extra, sizeof(extra), "Retry-After: %llu\r\n", (unsigned long long)after);
    }
    reply_text(c, code >= 200 && code <= 999 ? (int)code : 503, extra, "not now\n");
}

/* ---- what the server knows ---- */

static void upgrade(struct conn *c, const struct call *k)
{
    (void)k;
    struct header h;
    if (!header_find(c, "upgrade", &h) || !header_has_token(&h, "echo")) {
        reply_text(c, 426, "Upgrade: echo\r\n", "ask for Upgrade: echo\n");
        return;
    }
    buf_text(&c->out,
             "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    c->fill = fill_raw_echo;
}

static void auth(struct conn *c, const struct call *k)
{
    (void)k;
    struct header h;
    if (header_find(c, "authorization", &h)) {
        reply_bytes(c, 200, NULL, h.value, h.value_len);
    } else {
        reply_text(c, 200, NULL, "none");
    }
}

static void headers(struct conn *c, const struct call *k)
{
    (void)k;
    struct buf body = {0};
    struct header h;
    for (size_t at = 0; header_next(c, &at, &h);) {
        buf_add(&body, h.name, h.name_len);
        buf_text(&body, ": ");
        buf_add(&body, h.value, h.value_len);
        buf_text(&body, "\n");
    }
    reply_bytes(c, 200, "Content-Type: text/plain\r\n", buf_data(&body), body.len);
    buf_free(&body);
}

static void tls(struct conn *c, const struct call *k)
{
    (void)k;
    char text[512], subject[128] = "";
    if (!c->ssl) {
        reply_text(c, 200, "Content-Type: application/json\r\n", "{\"tls\": false}\n");
        return;
    }
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    const char *sni = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
    SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_len);
    X509 *peer = SSL_get0_peer_certificate(c->ssl);
    if (peer) {
        X509_NAME_oneline(X509_get_subject_name(peer), subject, sizeof(subject));
    }
    snprintf(text, sizeof(text),
             "{\"tls\": true, \"version\": \"%s\", \"resumed\": %s, \"alpn\": \"%.*s\", \"sni\": "
             "\"%.200s\", "
             "\"client\": \"%s\"}\n",
             SSL_get_version(c->ssl), SSL_session_reused(c->ssl) ? "true" : "false", (int)alpn_len,
             alpn ? (const char *)alpn : "", sni ? sni : "", subject);
    reply_text(c, 200, "Content-Type: application/json\r\n", text);
}

const struct route ordinary_routes[] = {
    {.name = "/", .handle = hello, .help = "200 and 'hello'"},
    {.name = "/bytes/",
     .arg = "N",
     .flags = ROUTE_NUMBER,
     .handle = bytes,
     .help = "N bytes with Content-Length; byte i of all bodies is 'a' + i % 26"},
    {.name = "/chunked/",
     .arg = "N",
     .flags = ROUTE_NUMBER,
     .handle = chunked,
     .help = "[chunk=1000] [trailer=1] chunked; trailer X-Checksum: sum of the bytes"},
    {.name = "/close/",
     .arg = "N",
     .flags = ROUTE_NUMBER,
     .handle = until_close,
     .help = "N bytes, ended by closing"},
    {.name = "/delay/",
     .arg = "MS",
     .flags = ROUTE_NUMBER,
     .handle = delay,
     .help = "'hello' after a while"},
    {.name = "/drip/",
     .arg = "N",
     .flags = ROUTE_NUMBER,
     .handle = drip,
     .help = "[ms=10] one byte each ms"},
    {.name = "/status/",
     .arg = "CODE",
     .flags = ROUTE_REST,
     .handle = status,
     .help = "that status; 1xx (or 100-then-200) is followed by 200"},
    {.name = "/early-hints", .handle = early_hints, .help = "103, then 200"},
    {.name = "/echo",
     .flags = ROUTE_HOLD,
     .handle = echo,
     .help = "[stream=1] method, target and headers as X-Echo-*, and the body; a body over 1 MiB,\n"
             "                             or stream=1, is echoed while it arrives"},
    {.name = "/expect-reject",
     .flags = ROUTE_EARLY_EXPECT,
     .handle = expect_reject,
     .help = "[keep=1] 417 to Expect: 100-continue; keep=1 reads the body all the same"},
    {.name = "/no-continue",
     .flags = ROUTE_NO_CONTINUE,
     .handle = hello,
     .help = "never sends 100, reads the body"},
    {.name = "/early-reply",
     .flags = ROUTE_EARLY,
     .handle = early_reply,
     .help = "[keep=1] 413 before the body has come, then closes; keep=1 goes on reading"},
    {.name = "/redirect/",
     .arg = "N",
     .flags = ROUTE_NUMBER,
     .handle = redirect,
     .help = "[code=302] N redirects that end at /"},
    {.name = "/redirect-to", .handle = redirect_to, .help = "url= [code=302]"},
    {.name = "/conn-close", .handle = conn_close, .help = "'Connection: close' and a length"},
    {.name = "/http10", .handle = http10, .help = "[keep=1] an HTTP/1.0 reply"},
    {.name = "/head-with-body-length",
     .handle = head_with_body_length,
     .help = "[send=1] Content-Length: 1000, also to HEAD; send=1 wrongly sends the body to HEAD"},
    {.name = "/gone-once",
     .handle = gone_once,
     .help = "id= the first request with this id is not answered"},
    {.name = "/fail-once",
     .handle = fail_once,
     .help = "id= [code=503] [retry_after=S] the first one fails"},
    {.name = "/upgrade",
     .handle = upgrade,
     .help = "101 to the protocol 'echo', which echoes raw bytes"},
    {.name = "/auth", .handle = auth, .help = "the Authorization header received, or 'none'"},
    {.name = "/headers", .handle = headers, .help = "the request headers received, one per line"},
    {.name = "/tls", .handle = tls, .help = "what was negotiated, as JSON"},
    {.name = NULL},
};
