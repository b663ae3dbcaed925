/* SPDX-License-Identifier: MIT */
/* The lease table of a loop: slots with generations. Keepers give leases out and are told of
 * release and take. */
#ifndef BL_CONN_LEASE_H
#define BL_CONN_LEASE_H

#include "base/list.h"
#include "belay/lease.h"
#include "loop/loop.h"

struct bl_lease_owner_ops {
    void (*release)(struct belay_conn *conn, enum belay_release how, void *owner);
    int (*take)(struct belay_conn *conn, struct belay_stream **ret, void *owner);
};

/* The owner's side of what it lends: one per connection, embedded. Lists the leases out, for
 * revoking. */
struct bl_lessor {
    const struct bl_lease_owner_ops *ops;
    void *owner;
    struct belay_conn *conn;
    uint32_t first;  /* slot of the newest lease out; BL_NO_SLOT */
    uint32_t leases; /* out now */
};
#define BL_NO_SLOT UINT32_MAX

void bl_lessor_init(struct bl_lessor *lessor, const struct bl_lease_owner_ops *ops, void *owner,
                    struct belay_conn *conn);

/* Makes sure that one more can be given; BELAY_ENOMEM only when more are out than ever before. */
int bl_lease_reserve(struct belay_loop *loop);
/* Never fails after bl_lease_reserve. */
int bl_lease_give(struct belay_loop *loop, struct bl_lessor *lessor, struct belay_lease *ret);
/* All leases out become stale; nobody is told. */
void bl_lease_revoke(struct belay_loop *loop, struct bl_lessor *lessor);
/* A value that is stale. */
struct belay_lease bl_lease_none(void);

#endif
