/* SPDX-License-Identifier: MIT */
/* Where a redirect leads and what becomes of the request on the way (RFC 9110, 15.4). Pure. */
#ifndef BL_HTTP_REDIRECT_H
#define BL_HTTP_REDIRECT_H

#include "base/buf.h"
#include "base/span.h"
#include "belay/error.h"
#include "wire/url.h"

struct bl_redirect_facts {
    int status;
    struct bl_span method;
    struct bl_span url;      /* of the request */
    struct bl_span location; /* absent: none was given */
    int32_t redirects;       /* so far */
    int32_t max;
    bool discreet; /* errors do not quote the location */
};

struct bl_redirect {
    bool follow;      /* false: the response is one like any other */
    bool same_origin; /* else credentials stay behind */
    bool to_get;      /* the method becomes GET (HEAD stays HEAD), the body is dropped */
};

/*
 * `url` gets the address to go to, absolute, without fragment, terminated by a NUL that is not
 * counted.
 *
 * BELAY_EREDIRECT  there have been too many
 * BELAY_EPROTO     the Location leads nowhere: `error` tells
 * BELAY_ENOMEM
 */
int bl_redirect_decide(const struct bl_redirect_facts *f, struct bl_redirect *ret,
                       struct bl_buf *url, struct bl_mem *mem, struct belay_error *error);

/* Headers that say who the caller is to one origin, to a proxy, and those that speak of a body. */
bool bl_redirect_is_credential(struct bl_span name);
bool bl_is_for_proxy(struct bl_span name);
bool bl_redirect_is_of_body(struct bl_span name);

#endif
