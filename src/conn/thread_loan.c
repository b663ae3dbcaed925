/* SPDX-License-Identifier: MIT */
/* Leases of the loop's in the hands of other threads. */
#include "conn/thread_loan.h"

#include "conn/conn_parts.h"
#include "conn/thread_lease.h"

struct loan {
    struct bl_list link; /* those of its connection */
    struct belay_conn *conn;
    struct bl_thread_slot *slot;
    struct belay_lease lease; /* the loop's */
};

/* A lease that was revoked meanwhile is stale here, too. */
static void on_home(struct bl_thread_slot *slot, bool broken)
{
    struct loan *loan = slot->owner;
    struct belay_conn *conn = loan->conn;
    struct belay_lease lease = loan->lease;

    bl_list_remove(&loan->link);
    bl_thread_slot_free(slot);
    bl_free(&conn->loop->mem, loan);
    belay_lease_release(lease, broken ? BELAY_BROKEN : BELAY_REUSE);
    bl_conn_loan_ended(conn);
}

int bl_thread_loan_begin(struct belay_lease *lease)
{
    struct belay_conn *conn = belay_lease_conn(*lease);
    struct bl_mem *mem = &conn->loop->mem;
    struct bl_conn_more *more = bl_conn_more(conn);
    struct loan *loan = more ? bl_alloc(mem, sizeof *loan) : NULL;

    if (!loan || bl_thread_slot_new(conn->loop, conn, loan, on_home, &loan->slot) < 0) {
        bl_free(mem, loan);
        return BELAY_ENOMEM;
    }
    loan->conn = conn;
    loan->lease = *lease;
    bl_list_push_back(&more->loans, &loan->link);
    bl_thread_slot_lend(loan->slot, NULL, true, lease);
    return 0;
}

bool bl_thread_loans_out(const struct belay_conn *conn)
{
    return conn->more && !bl_list_empty(&conn->more->loans);
}

bool bl_thread_loans_revoke(struct belay_conn *conn)
{
    if (!bl_thread_loans_out(conn))
        return false;
    BL_LIST_EACH(node, &conn->more->loans)
    {
        bl_thread_slot_recall(BL_LIST_OF(node, struct loan, link)->slot, true);
    }
    bl_conn_interrupt(conn);
    return true;
}
