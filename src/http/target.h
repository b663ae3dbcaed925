/* SPDX-License-Identifier: MIT */
/* A URL, parsed once: whom to ask, and the bytes that requests to it have in common. */
#ifndef BL_HTTP_TARGET_H
#define BL_HTTP_TARGET_H

#include "base/map.h"
#include "http/client.h"
#include "wire/url.h"

/* The start of a request's head, as bl_h1_write_target made it. */
struct bl_target_line {
    struct bl_buf text;
    size_t host_at; /* of "Host: ..." in it */
};

struct belay_http_target {
    struct bl_mem *mem;
    const struct belay_http *http; /* whose it is: only compared, as it may be gone */
    uint32_t refs;
    struct belay_endpoint *endpoint;
    struct belay_peer *peer;
    char *url; /* without user, password and fragment */
    char
        *name; /* the same without its query, which may hold a token: for errors, logs, the trace */
    struct bl_target_line lines[2]; /* to the origin; to a forward proxy, if there may be one */
    char *authorization;            /* "Basic ...", or NULL */

    /* In the client's memory of URLs: */
    struct bl_map_node node;
    struct bl_list by_use;
    char *given; /* the URL as it was given */
};

/* The target of a URL, remembered or made, with a reference for the caller. Errors as
 * belay_http_target_new. */
int bl_target_get(struct belay_http *http, const char *url, size_t len,
                  struct belay_http_target **ret, struct belay_error *error);
/* The target of `path` at an endpoint there is a connection to; it has no peer. */
int bl_target_at(struct belay_http *http, struct belay_endpoint *endpoint, const char *path,
                 struct belay_http_target **ret, struct belay_error *error);
/* Makes sure that it can be asked for, of a forward proxy or of the origin. BELAY_ENOMEM. */
int bl_target_prepare(struct belay_http_target *t, bool forward);
/* Forgets all that are remembered. */
void bl_targets_clear(struct belay_http *http);

#endif
