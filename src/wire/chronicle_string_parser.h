/* SPDX-License-Identifier: MIT */
/* What the files of the parser of connection strings share. */
#ifndef BL_WIRE_CHRONICLE_STRING_PARSER_H
#define BL_WIRE_CHRONICLE_STRING_PARSER_H

#include "wire/chronicle_string.h"
#include "wire/url_parser.h"

struct bl_chronicle_parser {
    struct bl_url_parser url; /* of the text before the query, and what may be shown of it */
    struct bl_chronicle_string *s;
};

#define BL_CHRONICLE_VALUE_MAX 48

/* A value without secrets as a sentence shows it: ' "value"', or nothing. */
const char *bl_chronicle_show(const struct bl_chronicle_parser *p, const char *value,
                              char out[BL_CHRONICLE_VALUE_MAX]);

int bl_chronicle_no_memory(const struct bl_chronicle_parser *p);

/* "host[:port]" of `url`'s text. */
int bl_chronicle_parse_host(struct bl_mem *mem, struct bl_url_parser *url, struct bl_span text,
                            uint16_t default_port, struct bl_chronicle_host *ret);

/* A part without its escapes, terminated. `what` names it in complaints. */
int bl_chronicle_decode(struct bl_chronicle_parser *p, struct bl_span part, const char *what,
                        char **ret);

/* "key=value&key=value" into the params of the string, and what they mean. */
int bl_chronicle_parse_params(struct bl_chronicle_parser *p, struct bl_span query);

#endif
