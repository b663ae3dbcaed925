/* SPDX-License-Identifier: MIT */
/* -F: multipart/form-data (RFC 7578), as browsers and curl send it. */
#ifndef CLI_FORM_H
#define CLI_FORM_H

#include "body.h"
#include "client_options.h"

enum form_kind {
    FORM_TEXT,    /* NAME=VALUE */
    FORM_CONTENT, /* NAME=<FILE: a field whose text is in the file */
    FORM_FILE,    /* NAME=@FILE */
};

/* One -F, taken apart; its strings are in one piece of memory with `name`. */
struct form_part {
    enum form_kind kind;
    char *name;
    char *value;    /* text, or path */
    char *type;     /* NULL: none is said */
    char *filename; /* NULL: none is said */
};

/*
 * "NAME=VALUE;type=TYPE;filename=NAME". VALUE and NAME may stand in quotes, with \" and \\. Pure.
 */
bool form_parse(const struct form_option *option, struct form_part *ret, struct complaint *why);
void form_part_free(struct form_part *part);

/* The lines before a part's content, the boundary's included. Pure. */
void form_head(const struct form_part *part, const char *boundary, struct bytes *ret);

#define FORM_BOUNDARY_MAX 48

/* Letters that occur in no file but by a chance of 1 in 2^128. */
void form_boundary(char out[FORM_BOUNDARY_MAX]);

/* All parts as one body. The parts must stay as long as it. */
bool form_body(const struct client_options *o, const char *boundary, struct form_part *parts,
               struct body *ret, struct complaint *why);

#endif
