/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.x responses (RFC 9112): bytes in, events out. Pure; nothing is called back.
 *
 *     BL_H1_INFO*  BL_H1_HEAD  BL_H1_BODY*  BL_H1_END
 *
 * The head's syntax and chunks are llhttp's work; bodies of known length and bodies that last until
 * the close do not pass through it. What is handed out points into the caller's bytes, unless the
 * head (or the trailers) came in several pieces: then they were collected in memory of the parser's
 * own.
 *
 * Refused, beyond what llhttp refuses: versions other than 1.x, a status outside 100 to 599, bytes
 * before the status line, folded header lines, control characters, a length together with a
 * transfer coding, more than one length, transfer codings other than "chunked", chunk extensions
 * and heads past the limits.
 */
#ifndef BL_WIRE_H1_PARSE_H
#define BL_WIRE_H1_PARSE_H

#include "base/buf.h"
#include "base/span.h"
#include "belay/header.h"

#define BL_H1_TEXT_MAX 120

struct bl_h1_limits {
    uint32_t header_bytes; /* of one head, or of the trailers */
    uint32_t headers;
};

enum bl_h1_event {
    BL_H1_MORE = 0, /* all was consumed, more is needed */
    BL_H1_INFO,     /* a 1xx response: head and headers; another response follows (not after 101) */
    BL_H1_HEAD,     /* the response: head and headers */
    BL_H1_BODY,     /* body: a piece of it, never empty */
    BL_H1_END, /* it is whole; headers are the trailers. What was not consumed does not belong to it
                */
};

struct bl_h1_head {
    int status;
    int minor; /* HTTP/1.minor */
    struct bl_span reason;
    int64_t content_length; /* -1: not known */
    bool chunked;
    bool until_close;
    bool upgrade;    /* 101: what follows is another protocol's */
    bool keep_alive; /* as far as the head tells: the connection may serve again */
};

struct bl_h1_place; /* where a header is, relative to the head's first byte */

struct bl_h1_parser {
    struct bl_mem *mem;
    struct bl_h1_limits limits;

    struct bl_h1_head head;
    struct belay_header *headers; /* those of the last INFO, HEAD or END: until the next call */
    uint32_t headers_n;
    struct bl_span body;

    uint8_t phase; /* enum phase */
    bool head_request;
    bool discreet;   /* set by the user: errors quote nothing that came */
    bool line_ended; /* the last byte of the block was LF: a blank now is a fold */
    bool in_name;
    bool last_chunk;
    bool seen;               /* a byte of the response, informational ones included */
    int failed;              /* the error, once there was one */
    uint32_t places_n, room; /* of places and headers */
    struct bl_h1_place *places;
    struct bl_buf store;     /* earlier pieces of the block */
    const char *piece;       /* this call's */
    const char *piece_start; /* where the block begins or goes on in it */
    uint32_t reason_at, reason_len;
    uint32_t framing; /* bytes of chunk lines since the last byte of body */
    uint64_t left;    /* of a body of known length */
    uint64_t raw[16]; /* llhttp_t */
    char text[BL_H1_TEXT_MAX];
};

/* The parser holds memory once it is used; fini gives it back. */
void bl_h1_parser_init(struct bl_h1_parser *p, struct bl_mem *mem);
void bl_h1_parser_fini(struct bl_h1_parser *p);

/* A new response: to a HEAD request, it has no body whatever it says. */
void bl_h1_parser_begin(struct bl_h1_parser *p, const struct bl_h1_limits *limits,
                        bool head_request);

/*
 * Consumes *used of `len` bytes and returns one event, to be called again until BL_H1_MORE (after
 * INFO, HEAD and BODY also with no bytes left). After BL_H1_END: begin again.
 *
 * BELAY_EPROTO, BELAY_ELIMIT, BELAY_ENOMEM: bl_h1_parser_text says what is wrong; every further
 * call says the same.
 */
int bl_h1_parse(struct bl_h1_parser *p, const char *data, size_t len, size_t *used);

/* No more bytes will come: BL_H1_END where that ends the body, else BELAY_EEOF. */
int bl_h1_parse_eof(struct bl_h1_parser *p);

const char *bl_h1_parser_text(const struct bl_h1_parser *p);

/* Whether a byte of the response has been seen. */
bool bl_h1_parser_started(const struct bl_h1_parser *p);

/* The value of the first header of that name; absent if there is none. */
struct bl_span bl_h1_parser_header(const struct bl_h1_parser *p, const char *name);

#endif
