/* SPDX-License-Identifier: MIT */
/* How a client's endpoints are made from URLs: the caller's options, copied. */
#ifndef BL_HTTP_ROUTE_H
#define BL_HTTP_ROUTE_H

#include "http/client.h"

/* Into http->route; `given` may be NULL. BELAY_ENOMEM, BELAY_EINVAL. */
int bl_route_copy(struct belay_http *http, const struct belay_endpoint_options *given,
                  struct belay_error *error);
void bl_route_clear(struct belay_http *http);

#endif
