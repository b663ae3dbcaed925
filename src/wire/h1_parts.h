/* SPDX-License-Identifier: MIT */
/* What the parser's two files share: h1_parse.c runs llhttp and gives events, h1_head.c looks after heads and trailers. */
#ifndef BL_WIRE_H1_PARTS_H
#define BL_WIRE_H1_PARTS_H

#include <llhttp.h>

#include "base/assert.h"
#include "belay/error.h"
#include "wire/h1_parse.h"

struct bl_h1_place {
    uint32_t name, name_len;
    uint32_t value, value_len;
};

enum phase {
    PHASE_HEAD,
    PHASE_FIXED,
    PHASE_CHUNKS,
    PHASE_TRAILERS,
    PHASE_UNTIL_CLOSE,
    PHASE_END,  /* END is due */
    PHASE_OVER, /* and was given */
};

_Static_assert(sizeof(llhttp_t) <= sizeof(((struct bl_h1_parser *)0)->raw), "room for llhttp_t");

static inline llhttp_t *bl_h1_raw(struct bl_h1_parser *p)
{
    return (llhttp_t *)(void *)p->raw;
}

/* It fails for good; returns `code`. */
int bl_h1_parser_fail(struct bl_h1_parser *p, int code, const char *format, ...) BELAY_PRINTF(3, 4);
int bl_h1_fail_memory(struct bl_h1_parser *p);
/* What the peer speaks instead, when it did not even begin as HTTP does. */
int bl_h1_fail_beginning(struct bl_h1_parser *p, const char *data, size_t len);
bool bl_h1_begins(const char *data, size_t len);

/* A block begins at `start`; `after_line`: behind a line, so that a blank there is a fold. */
void bl_h1_block_begin(struct bl_h1_parser *p, const char *start, bool after_line);
/* The piece up to `to` belongs to the block. */
int bl_h1_block_check(struct bl_h1_parser *p, const char *to);
/* It is not the last one: its bytes are stored. */
int bl_h1_block_keep(struct bl_h1_parser *p, const char *to);
/* The block ends at `to`, and its headers are known: its first byte, wherever it is. NULL: failed. */
const char *bl_h1_block_end(struct bl_h1_parser *p, const char *to);

/* Of a head that begins at `base`. */
int bl_h1_check_status_line(struct bl_h1_parser *p, const char *base, size_t len);
int bl_h1_check_framing(struct bl_h1_parser *p);
void bl_h1_fill_head(struct bl_h1_parser *p, const char *base);

#endif
