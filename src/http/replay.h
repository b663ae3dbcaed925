/* SPDX-License-Identifier: MIT */
/* Whether a request that failed may be sent again without the caller's doing. Pure. */
#ifndef BL_HTTP_REPLAY_H
#define BL_HTTP_REPLAY_H

#include "base/span.h"
#include "belay/error.h"

struct bl_replay_facts {
    const struct belay_error *error; /* of the connection in use, not of getting one */
    bool idempotent;
    bool unsafe;     /* the caller allows it whatever the method */
    bool body_again; /* there is no body, or it can be had again from its first byte */
    int32_t replays; /* so far */
    int32_t max;
};

bool bl_replay_allowed(const struct bl_replay_facts *f);

/* RFC 9110, 9.2.2. */
bool bl_method_is_idempotent(struct bl_span method);

#endif
