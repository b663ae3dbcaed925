/* SPDX-License-Identifier: MIT */
/*
 * Leases of the loop's in the hands of other threads, that have waited for one: the thread gets a
 * lease on a slot of its own (thread_lease.h), which it may ask and release where it is. While it is
 * out the connection is not closed, whatever its keeper decides.
 */
#ifndef BL_CONN_THREAD_LOAN_H
#define BL_CONN_THREAD_LOAN_H

#include "belay/lease.h"

/* *lease, a valid one of the loop's, becomes a thread's; released there, it is released here.
 * BELAY_ENOMEM: it is as it was. */
int bl_thread_loan_begin(struct belay_lease *lease);

/* Of a connection that is to be closed: those that are out are stale from now on, and true: it
 * waits for them (bl_conn_loan_ended). */
bool bl_thread_loans_revoke(struct belay_conn *conn);
/* Whether any is out. */
bool bl_thread_loans_out(const struct belay_conn *conn);

#endif
