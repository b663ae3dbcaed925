/* SPDX-License-Identifier: MIT */
/* Options of channels that outlive the call which gave them: of child specs, of connections that open
 * a channel now and then. */
#ifndef BL_GRPC_CHANNEL_COPY_H
#define BL_GRPC_CHANNEL_COPY_H

#include "base/mem.h"
#include "belay/grpc.h"

struct bl_channel_options_copy {
    struct belay_channel_options o; /* what it points to is below, but for `route` */
    struct belay_backoff_options backoff;
    struct belay_retry_policy retry;
    struct belay_tls *tls; /* a reference; NULL: none */
    char *authority, *user_agent, *health_service;
};

/* As they were given, unchecked. On an error, too, it is to be freed. BELAY_EINVAL (a size that is
 * none), BELAY_ENOMEM (`error` is as it was). */
int bl_channel_options_copy(struct bl_channel_options_copy *ret, struct bl_mem *mem,
                            const struct belay_channel_options *given, struct belay_error *error);
/* All zero is fine. */
void bl_channel_options_copy_free(struct bl_channel_options_copy *copy, struct bl_mem *mem);

#endif
