/* SPDX-License-Identifier: MIT */
/* A shared pool in virtual time, of connections that park. */
#ifndef TEST_KEEP_SHARE_KIT_H
#define TEST_KEEP_SHARE_KIT_H

#include "belay/share.h"
#include "unit/keep/pool_kit.h"

static inline void share_kit_begin(struct pool_kit *k)
{
    pool_kit_begin(k);
    k->puppet.ops.acquired = NULL;
    k->puppet.ops.released = NULL;
    k->options.shared = true;
}

static inline struct belay_lease share_kit_acquire(struct belay_attachment *a)
{
    struct belay_lease lease;
    struct belay_error error = {0};

    if (belay_attachment_acquire(a, 60000, &lease, &error) < 0)
        fail_msg("%s", error.text);
    assert_true(belay_lease_valid(lease));
    return lease;
}

#endif
