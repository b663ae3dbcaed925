/* SPDX-License-Identifier: MIT */
/*
 * How proxies are written: alternatives between "|", each a chain between blanks, each link a URL.
 * Pure. What stands before an "@" is a secret and never shown: nor is what stands before an "@"
 * further on in the text, as people forget to escape blanks in passwords.
 */
#ifndef BL_WIRE_PROXY_URL_H
#define BL_WIRE_PROXY_URL_H

#include "base/span.h"
#include "belay/error.h"
#include "wire/url.h"

/* X(NAME, name, default port, over TLS). 1080 for HTTP too, as curl has it. */
#define BL_PROXY_SCHEMES(X)                                                                        \
    X(HTTP, "http", 1080, false)                                                                   \
    X(HTTPS, "https", 443, true)                                                                   \
    X(SOCKS5, "socks5", 1080, false)                                                               \
    X(SOCKS5H, "socks5h", 1080, false)                                                             \
    X(SOCKS4, "socks4", 1080, false)                                                               \
    X(SOCKS4A, "socks4a", 1080, false)                                                             \
    X(DIRECT, "direct", 0, false)

enum bl_proxy_scheme {
#define X(name, text, port, tls) BL_PROXY_##name,
    BL_PROXY_SCHEMES(X)
#undef X
        BL_PROXY_SCHEMES_N
};

const char *bl_proxy_scheme_name(enum bl_proxy_scheme scheme);

struct bl_proxy_url {
    enum bl_proxy_scheme scheme;
    struct bl_span user, password; /* still escaped; absent: none */
    struct bl_url where;           /* its host, ip and port: see bl_url_host */
    struct bl_span path;           /* of a Unix socket, still escaped; absent: none */
};

/* The next one of the text that is left; false at the end. Empty ones come, too. */
bool bl_proxy_next_way(struct bl_span *rest, struct bl_span *ret_way);
/* The next one of a way, which is never empty; false at the end. */
bool bl_proxy_next_link(struct bl_span *rest, struct bl_span *ret_link);

/*
 * One link: "scheme://[user[:password]@]host[:port][/ignored]", "scheme://localhost/path" for a Unix
 * socket, "direct://". Without a scheme it is http; "socks" is socks4, as in curl. `text` is all
 * that link is a piece of. BELAY_EINVAL: `error` says why, without secrets.
 */
int bl_proxy_url_parse(struct bl_span text, struct bl_span link, struct bl_proxy_url *ret,
                       struct belay_error *error);

#endif
