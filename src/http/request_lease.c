/* SPDX-License-Identifier: MIT */
/* A request on a lease of the caller's: on that connection and no other, which stays its keeper's. */
#include "base/error.h"
#include "conn/conn.h"
#include "conn/lease.h"
#include "http/request.h"

static int find_session(struct belay_http *http, const struct belay_lease *lease,
                        struct bl_session **ret, struct belay_error *error)
{
    struct belay_conn *conn;

    if (lease->table && lease->table != bl_lease_table(http->loop))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "lease: it is of another loop, or of a thread");
    conn = belay_lease_conn(*lease);
    if (!conn)
        return bl_error_set(error, BELAY_ESTALE, BELAY_STAGE_NONE, "lease: %s",
                            belay_strerror(BELAY_ESTALE));
    *ret = bl_http_session_of(conn);
    if (!*ret)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "lease: its connection is not one of HTTP");
    if ((*ret)->http != http)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "lease: its connection is another client's");
    if ((*ret)->running >= (uint32_t)(*ret)->capacity)
        return bl_error_set(error, BELAY_EAGAIN, BELAY_STAGE_QUEUE,
                            "lease: its connection carries as many requests as it can");
    return 0;
}

int bl_request_use_lease(struct belay_http_request *r, const struct belay_lease *lease,
                         struct belay_error *error)
{
    struct bl_session *session = NULL;
    int rc = find_session(r->http, lease, &session, error);

    if (rc < 0)
        return rc;
    if (bl_target_prepare(r->message.target, session->forward) < 0)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                            "making a request: out of memory");
    r->lease = *lease;
    r->given = true;
    return 0;
}

/* Mostly it has been told already, and is told once. */
void bl_request_let_go(struct belay_http_request *r, enum belay_release how)
{
    struct belay_conn *conn = belay_lease_conn(r->lease);
    struct belay_error error;

    if (!conn || how == BELAY_REUSE)
        return;
    if (bl_conn_facts(conn)->draining)
        bl_error_set(&error, BELAY_EEOF, BELAY_STAGE_USE,
                     "%s: the peer ends the connection after its response",
                     belay_endpoint_name(belay_conn_endpoint(conn)));
    else
        bl_error_set(&error, BELAY_EABORTED, BELAY_STAGE_USE,
                     "%s: a request on the connection was given up",
                     belay_endpoint_name(belay_conn_endpoint(conn)));
    belay_conn_lost(conn, BELAY_REASON_NONE, &error);
}
