/* SPDX-License-Identifier: MIT */
/*
 * URLs and belay's endpoint strings, after RFC 3986. Pure: the parts are spans of what was given.
 *
 *     tcp://host:port  tls://host:port  http://host[:80]/...  https://host[:443]/...
 *     unix:///path  unix:/path  unix:@abstract  host:port (which is tcp)
 *
 * Stricter than RFC 3986 where leniency has sent requests to the wrong host: host names are
 * letters, digits,
 * "-" and "_" only, without percent-escapes; a name that ends in a number must be a full IPv4
 * address; one
 * "@" at most; no backslash before the path.
 */
#ifndef BL_WIRE_URL_H
#define BL_WIRE_URL_H

#include "base/buf.h"
#include "base/span.h"
#include "belay/error.h"

#define BL_URL_MAX   65535 /* bytes of a URL */
#define BL_HOST_MAX  253   /* of a host name, a last dot aside */
#define BL_LABEL_MAX 63

/* X(NAME, name, default port or 0, over TLS, has a target: path, query, fragment, user) */
#define BL_SCHEMES(X)                                                                              \
    X(TCP, "tcp", 0, false, false)                                                                 \
    X(TLS, "tls", 0, true, false)                                                                  \
    X(UNIX, "unix", 0, false, false)                                                               \
    X(HTTP, "http", 80, false, true)                                                               \
    X(HTTPS, "https", 443, true, true)

enum bl_scheme {
#define X(name, text, port, tls, target) BL_SCHEME_##name,
    BL_SCHEMES(X)
#undef X
        BL_SCHEMES_N
};

struct bl_scheme_info {
    const char *name;
    uint16_t port; /* 0: must be given */
    bool tls;
    bool target;
};

const struct bl_scheme_info *bl_scheme_info(enum bl_scheme scheme);

/* Sets of schemes, as callers of the parser allow them. */
#define BL_SCHEME_BIT(name) (1u << BL_SCHEME_##name)
#define BL_SCHEMES_WEB      (BL_SCHEME_BIT(HTTP) | BL_SCHEME_BIT(HTTPS))
#define BL_SCHEMES_ENDPOINT                                                                        \
    (BL_SCHEME_BIT(TCP) | BL_SCHEME_BIT(TLS) | BL_SCHEME_BIT(UNIX) | BL_SCHEMES_WEB)

struct bl_url {
    enum bl_scheme scheme;
    struct bl_span userinfo; /* "user:password", still escaped; absent without "@". A secret. */
    struct bl_span host;     /* as written, without brackets; empty for unix */
    struct belay_addr ip;    /* of a numeric host, with its port; family NONE for a name */
    uint16_t port;           /* given, or the scheme's; 0 for unix */
    bool port_given;
    struct bl_span path;     /* from "/" on, or empty; of a Unix socket: "/path" or "@name" */
    struct bl_span query;    /* absent without "?" */
    struct bl_span fragment; /* absent without "#" */
};

/*
 * Parses `len` bytes; `schemes` is the set that is allowed. BELAY_EINVAL: `error` names the thing
 * and the reason, shows the text abbreviated and escaped, and never shows user, password or query.
 */
int bl_url_parse(const char *text, size_t len, unsigned schemes, struct bl_url *ret,
                 struct belay_error *error);

/* Whether it names an origin and nothing within it: no user, path "" or "/", no query or fragment.
 */
bool bl_url_is_origin(const struct bl_url *url);

/*
 * The host as it is compared: a name in lower case, an IP address in its canonical form, without
 * brackets. A last dot stays (such a name is looked up without search domains). Returns its length.
 */
size_t bl_url_host(const struct bl_url *url, char out[BL_HOST_MAX + 2]);

/*
 * Appends to `out` the absolute URL that `reference` means within `base` (RFC 3986, section 5),
 * without the base's user and password. Bytes of the reference's path, query and fragment that URLs
 * may not have, but servers send (blanks and non-ASCII), come out as %XX.
 *
 * BELAY_EINVAL: a control character, no scheme in the base, longer than BL_URL_MAX, or a result
 * without a host whose path would be taken for one; BELAY_ENOMEM. `out` is then as it was.
 */
int bl_url_resolve(struct bl_span base, struct bl_span reference, struct bl_buf *out,
                   struct bl_mem *mem);

#endif
