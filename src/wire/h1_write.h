/* SPDX-License-Identifier: MIT */
/* HTTP/1.1 requests: heads and chunk lines, from checked parts. Pure. */
#ifndef BL_WIRE_H1_WRITE_H
#define BL_WIRE_H1_WRITE_H

#include "base/buf.h"
#include "base/span.h"
#include "belay/error.h"
#include "belay/header.h"

#define BL_METHOD_MAX 32

/* A method: a token of at most BL_METHOD_MAX bytes, and not CONNECT, which is not a request to an
 * origin. BELAY_EINVAL. */
int bl_h1_check_method(struct bl_span method, struct belay_error *error);

/*
 * A header of the caller's: its name a token, its value without control characters, and none of
 * those that say how the message is framed or what becomes of the connection: they are belay's. `h`
 * has its lengths. BELAY_EINVAL: `error` shows the name, never the value.
 */
int bl_h1_check_header(const struct belay_header *h, struct belay_error *error);

/*
 * What requests to one URL have in common, to be copied in one go: " TARGET HTTP/1.1\r\n" and, from
 * *ret_host_at on, "Host: HOST\r\n". BELAY_EINVAL: not a target, or not a host; BELAY_ENOMEM.
 */
int bl_h1_write_target(struct bl_buf *out, struct bl_mem *mem, struct bl_span target,
                       struct bl_span host, size_t *ret_host_at);

#define BL_H1_NO_BODY (-1)
#define BL_H1_CHUNKED (-2)

struct bl_h1_request {
    struct bl_span method; /* checked */
    struct bl_span target; /* as bl_h1_write_target made it */
    size_t host_at;
    struct bl_span
        authorization; /* "Basic ..."; absent: none. The caller's header goes before it */
    struct bl_span proxy_authorization; /* of a forward proxy; likewise */
    struct bl_span user_agent;          /* absent: none. The caller's header goes before it */
    const struct belay_header *headers; /* checked */
    size_t headers_n;
    int64_t body; /* its length, BL_H1_NO_BODY or BL_H1_CHUNKED */
    bool expect_continue;
};

/* Appends the head. BELAY_ENOMEM; `out` is then as it was. */
int bl_h1_write_head(struct bl_buf *out, struct bl_mem *mem, const struct bl_h1_request *r);

/* The line before a chunk of `len` bytes; returns its length. Chunks end in "\r\n", the body in
 * BL_H1_LAST_CHUNK. */
#define BL_H1_CHUNK_LINE_MAX 20
#define BL_H1_LAST_CHUNK     "0\r\n\r\n"
size_t bl_h1_write_chunk_line(char out[BL_H1_CHUNK_LINE_MAX], size_t len);

#endif
