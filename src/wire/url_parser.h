/* SPDX-License-Identifier: MIT */
/* What the files of the URL parser share. */
#ifndef BL_WIRE_URL_PARSER_H
#define BL_WIRE_URL_PARSER_H

#include "wire/url.h"

struct bl_url_parser {
    struct bl_span text;
    const char *what; /* "URL" when NULL */
    bool all_secret;  /* nothing of the text past the scheme may be shown */
    unsigned schemes;
    struct belay_error *error;
    struct bl_url url; /* what has been found so far */
};

/* A letter, then letters, digits, "+", "-" and ".". */
bool bl_url_is_scheme(struct bl_span text);

/* Length of the scheme that the text starts with ("http" of "http://..."), or -1 when it has none.
 */
long bl_url_scheme_len(struct bl_span text);

/* An IPv6 address without brackets, which URLs do not have, but lists of hosts do. */
bool bl_url_is_bare_ipv6(struct bl_span text);

/* "[user@]host[:port]": user, host, ip and port of p->url. */
int bl_url_parse_authority(struct bl_url_parser *p, struct bl_span authority);

/* Sets the error: 'invalid <what> "<text without its secrets>": <sentence>'. Returns BELAY_EINVAL. */
int bl_url_refuse(const struct bl_url_parser *p, const char *format, ...) BELAY_PRINTF(2, 3);
int bl_url_refuse_scheme(const struct bl_url_parser *p, struct bl_span scheme);

/*
 * A part as a sentence names it: ' "part"', or nothing where it might be a piece of a password:
 * that is before an "@", wherever this is.
 */
#define BL_URL_PART_MAX 72
const char *bl_url_part(const struct bl_url_parser *p, struct bl_span part,
                        char out[BL_URL_PART_MAX]);

#endif
