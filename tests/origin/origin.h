/* SPDX-License-Identifier: MIT */
/*
 * belay-origin: the loopback HTTP/1.1 server that tests, demo and benchmarks talk to.
 *
 * One thread, bare epoll and OpenSSL. It shares no code with the library, which it helps to judge.
 * A connection has two halves that advance apart: the request (RX_*) and the reply (TX_*). A
 * request is over when both are done; an early reply is one that is done before its request.
 * Running out of memory ends the program.
 */
#ifndef BELAY_ORIGIN_H
#define BELAY_ORIGIN_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BINDS_MAX = 256,
    HEAD_MAX = 64 * 1024, /* request line and headers */
    HEADERS_MAX = 200,    /* header lines of a request */
    IN_MAX = 128 * 1024,  /* unread input held per connection */
    OUT_HIGH = 64 * 1024, /* a reply is produced up to here, then written */
    ECHO_HOLD = 1 << 20,  /* a body longer than this is echoed while it arrives */
    LINGER_MS = 1000,     /* how long the peer's bytes are discarded after our FIN */
    RESET_WAIT_MS = 5000, /* how long a reset waits for earlier bytes to be taken */
    DRAIN_MS = 5000,      /* how long SIGTERM waits for what is under way */
    TURN_ROUNDS = 16      /* reads and writes of one connection before others get a turn */
};

/* ---- options ---- */

struct options {
    const char *binds[BINDS_MAX];
    size_t n_binds;
    int64_t port;
    const char *cert, *key, *client_ca, *tls_max, *alpn;
    bool no_tickets, banner, never_answer, never_accept, http10, parent_death, reuse_port;
    int64_t close_after, silent_close_after, keepalive_hint, idle_close, delay, max_conns;
    const char *log, *stats_path;
};

extern struct options opt;

/* Ends the program with status 2 and one line where the arguments are wrong. */
void options_parse(int argc, char **argv);
__attribute__((format(printf, 1, 2), noreturn)) void die_usage(const char *fmt, ...);
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);

/* ---- buffers ---- */

struct buf {
    char *p;
    size_t off, len, cap; /* the bytes are p[off .. off + len) */
};

char *buf_space(struct buf *b, size_t n); /* room for n more bytes; count them with b->len += n */
void buf_add(struct buf *b, const void *data, size_t n);
void buf_text(struct buf *b, const char *text);
void buf_number(struct buf *b, uint64_t n);
void buf_pattern(struct buf *b, uint64_t pos, size_t n); /* byte i of the pattern is 'a' + i % 26 */
__attribute__((format(printf, 2, 3))) void buf_format(struct buf *b, const char *fmt, ...);
void buf_take(struct buf *b, size_t n);           /* drops n bytes from the front */
void buf_cut(struct buf *b, size_t at, size_t n); /* drops n bytes at an offset */
void buf_free(struct buf *b);
static inline char *buf_data(const struct buf *b)
{
    return b->p + b->off;
}

/* ---- the loop ---- */

struct source {
    void (*on_event)(struct source *src, uint32_t events);
    bool is_listener;
};

struct counts {
    uint64_t connections_total, connections_now, connections_peak, requests, handshakes, resumed;
};

struct conn;

struct loop {
    int epoll_fd;
    uint64_t now_ms;
    bool draining;
    struct conn *conns; /* all of them, also those that only linger */
    struct counts counts;
};

extern struct loop loop;

int loop_run(void); /* until drained; the exit status */
void loop_open(void);
void loop_watch(int fd, struct source *src, uint32_t events, bool first);

void listen_all(void);
void listen_accept(struct source *src); /* takes all that wait */
void listen_settle(void);               /* admits or refuses those that met a full house */
bool listen_unsettled(void);
void listen_close(void); /* stops accepting */

void timer_set(struct conn *c, uint64_t in_ms);
void timer_clear(struct conn *c);
struct conn *timer_due(void);
int timer_wait_ms(void); /* -1: no timer */

/* ---- requests ---- */

struct span {
    uint32_t off, len; /* within the head, see conn_text() */
};

struct request {
    struct span method, target, path, query;
    uint32_t line, scanned; /* parser: start of the current line, end of what was looked at */
    uint32_t headers;       /* where the header lines start */
    unsigned n_headers;
    int minor; /* -1 until the request line is complete */
    bool is_head, has_host, has_length, chunked, expect, close, keep_alive;
    uint64_t length;
};

enum parsed { PARSE_MORE, PARSE_DONE, PARSE_BAD };

/* Reads the head at the front of c->in, from where the last call stopped. PARSE_BAD sets
 * *ret_status. */
enum parsed parse_head(struct conn *c, int *ret_status);

struct header {
    const char *name, *value;
    size_t name_len, value_len;
};

/* Steps through the headers of a complete head; *at starts as 0. */
bool header_next(const struct conn *c, size_t *at, struct header *ret_header);
bool header_find(const struct conn *c, const char *name, struct header *ret_header);
bool header_has_token(const struct header *h, const char *token);
bool name_is(const char *p, size_t n, const char *name);

/* Copies a query parameter, percent-decoded, or returns false. */
bool query_text(const struct conn *c, const char *name, char *ret_text, size_t size);
uint64_t query_number(const struct conn *c, const char *name, uint64_t otherwise);
bool number_read(const char *p, size_t n, uint64_t *ret_number);

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXT,
    CHUNK_LF,
    CHUNK_DATA,
    CHUNK_CR,
    CHUNK_END,
    TRAILER,
    TRAILER_LF,
    LAST_LF
};

struct body {
    uint64_t left, seen; /* left: of the length or of the chunk */
    enum chunk_state state;
    unsigned digits, trailer_bytes;
    bool line_empty;
};

/* Consumes what it can of the body. True where something moved; a bad body has been answered. */
bool body_step(struct conn *c);

/* ---- connections ---- */

enum phase {
    PHASE_HANDSHAKE,
    PHASE_HTTP,
    PHASE_BANNER,
    PHASE_DEAF,
    PHASE_NOTIFY,
    PHASE_LINGER,
    PHASE_RESET
};
enum rx { RX_HEAD, RX_BODY, RX_DONE };
enum tx { TX_NONE, TX_DELAY, TX_GOING, TX_DONE };

/* What becomes of the connection after a reply. */
enum end {
    END_KEEP,
    END_CLOSE,  /* close_notify, FIN, then the peer's late bytes are discarded */
    END_SILENT, /* close_notify and close(): bytes that come later meet a reset */
    END_CUT,    /* FIN without close_notify */
    END_RESET
};

enum filled { FILL_MORE, FILL_WAIT, FILL_DONE };
typedef enum filled fill_fn(struct conn *c);

struct generator {
    uint64_t pos, end, step, chunk_left, sum, ms;
    bool chunked, trailer, tick;
};

struct route;

struct conn {
    struct source src;
    int fd;
    SSL *ssl;
    struct conn *next, *prev;
    uint32_t events;
    uint64_t timer_at;
    size_t timer_slot; /* 1-based place in the heap, 0: no timer */

    uint64_t number, requests;
    enum phase phase;
    enum rx rx;
    enum tx tx;
    enum end end;
    bool is_unix, counted, eof, broken, readable, blocked, yielded, want_write;
    bool keep, as_http10, logged, idle_timed;

    struct buf in, out, hold;
    size_t head_len; /* bytes at the front of `in` that are the head of the current request */
    struct request req;
    struct body body;
    const struct route *route;
    fill_fn *fill;
    struct generator gen;
    uint64_t since_ms;
};

void conn_open(int fd, bool is_unix);
void conn_refuse(int fd); /* a reset */
void conn_drain(struct conn *c);
void conn_on_timer(struct conn *c);
void conn_free(struct conn *c);
void conn_uncount(struct conn *c);
static inline const char *conn_text(const struct conn *c, struct span s)
{
    return buf_data(&c->in) + s.off;
}

void finish_start(struct conn *c, enum end end);
void finish_run(struct conn *c); /* may free the connection */

bool http_step(struct conn *c); /* one step of request or reply; true where something moved */
bool http_is_idle(const struct conn *c);
void http_refuse(struct conn *c, int status); /* answers a bad request, then closes */

bool io_read(struct conn *c);      /* true where bytes came; sets eof, broken, readable */
bool io_flush(struct conn *c);     /* true where bytes went; sets blocked, broken */
bool io_handshake(struct conn *c); /* true when complete; sets broken */

void tls_open(void);
SSL *tls_new(int fd);
bool tls_notify(struct conn *c);            /* false: the socket is full, call again */
const char *tls_word(const struct conn *c); /* none, full, resumed */

/* ---- replies ---- */

enum { LEN_NONE = -1, LEN_CHUNKED = -2, LEN_CLOSE = -3 };

/* Starts a reply. `extra` holds complete header lines or is NULL. */
void reply_head(struct conn *c, int status, int64_t length, const char *extra);
bool reply_has_body(const struct conn *c, int status);
void reply_text(struct conn *c, int status, const char *extra, const char *text);
void reply_bytes(struct conn *c, int status, const char *extra, const void *data, size_t n);
void reply_raw(struct conn *c, const void *data, size_t n, enum end end);
void reply_nothing(struct conn *c, enum end end);
void reply_filled(struct conn *c, int status, int64_t length, const char *extra, fill_fn *fill);
enum end reply_end(
    const struct conn *c); /* what the connection's own rules ask for after a reply */
fill_fn fill_pattern, fill_chunks, fill_drip, fill_hang, fill_hold, fill_raw_echo, fill_big_header,
    fill_repeat;

enum {
    ROUTE_NUMBER = 1,       /* /name/N */
    ROUTE_REST = 2,         /* /name/anything */
    ROUTE_EARLY = 4,        /* handled when the head is complete, not the body */
    ROUTE_EARLY_EXPECT = 8, /* the same, if the request has Expect: 100-continue */
    ROUTE_NO_CONTINUE = 16,
    ROUTE_HOLD = 32 /* wants the body */
};

struct call {
    const char *rest;
    size_t rest_len;
    uint64_t n;
};

struct route {
    const char *name, *arg; /* with ROUTE_NUMBER or ROUTE_REST the name is a prefix */
    unsigned flags;
    void (*handle)(struct conn *c, const struct call *k);
    const char *help;
    const char *raw; /* what a misbehaving path sends, or repeats */
    size_t raw_len;
};

extern const struct route ordinary_routes[], fault_routes[];
const struct route *route_find(const struct conn *c);
bool route_is_stats(const struct route *r);
void route_run(struct conn *c); /* calls the handler; may leave the connection in TX_DELAY */
void echo_start(struct conn *c, int64_t length);

/* ---- what the server saw ---- */

void log_open(void);
void log_request(struct conn *c);
void log_bad(struct conn *c, int status);
void stats_json(char *ret_text, size_t size);

#endif
