/* SPDX-License-Identifier: MIT */
/*
 * The link's connections: what their floor tells of them, the one that is current, and the lease
 * that all who ask have of it. Whatever is neither current nor the attempt is being ended.
 */
#include "keep/link.h"

static struct bl_link_conn *extra_of(struct belay_conn *conn)
{
    return bl_conn_extra(conn);
}

void bl_link_end_conn(struct belay_link *link, struct belay_conn *conn, enum belay_reason reason)
{
    link->ending++;
    bl_conn_close(conn, reason);
}

bool bl_link_is_live(const struct belay_link *link)
{
    return link->current && !bl_conn_facts(link->current)->lost &&
           !(link->asks & (BL_LINK_CLOSE | BL_LINK_CUT));
}

void bl_link_adopt(struct belay_link *link)
{
    struct belay_conn *conn = link->attempt;

    link->attempt = NULL;
    belay_endpoint_unref(link->found);
    link->found = NULL;
    link->current = conn;
    link->reason = BELAY_REASON_NONE;
    bl_lease_give(link->loop, &extra_of(conn)->lessor,
                  &link->lease); /* its own slot: never fails */
    bl_conn_acquired(conn);
}

void bl_link_revoke(struct belay_link *link)
{
    struct belay_conn *conn = link->current;

    link->current = NULL;
    link->lease = bl_lease_none();
    link->former = belay_endpoint_ref(belay_conn_endpoint(conn));
    bl_lease_revoke(link->loop, &extra_of(conn)->lessor);
    bl_link_end_conn(link, conn, (enum belay_reason)link->reason);
}

/* ---- the lease ---- */

static void cut(struct belay_link *link, struct belay_conn *conn, enum belay_reason reason)
{
    if (link->current != conn)
        return;
    link->reason = (uint8_t)reason;
    bl_link_ask(link, BL_LINK_CUT);
}

static void on_release(struct belay_conn *conn, enum belay_release how, void *owner)
{
    (void)how; /* as good as before: not told */
    cut(owner, conn, BELAY_REASON_BROKEN);
}

static int on_take(struct belay_conn *conn, struct belay_stream **ret, void *owner)
{
    *ret = bl_conn_take(conn);
    cut(owner, conn, BELAY_REASON_TAKEN);
    return 0;
}

static const struct bl_lease_owner_ops lessor_ops = {.release = on_release, .take = on_take};

int bl_link_conn_prepare(struct belay_link *link, struct belay_conn *conn)
{
    struct bl_lessor *lessor = &extra_of(conn)->lessor;
    int rc = bl_lessor_init(lessor, link->loop, &lessor_ops, link, conn);

    if (rc < 0) {
        bl_link_end_conn(link, conn, BELAY_REASON_OPEN_FAILED);
        return rc;
    }
    lessor->shared = true;
    return 0;
}

/* ---- what is told of connections ---- */

static void on_opened(struct belay_conn *conn, void *keeper)
{
    struct belay_link *link = keeper;
    struct bl_lp_facts facts = {.checkable = bl_conn_can_check(conn)};
    struct belay_error scratch;

    if (bl_conn_facts(conn)->lost) { /* dead before anybody could use it */
        bl_link_fail(link, bl_conn_error(conn, &scratch));
        return;
    }
    bl_link_feed(link, BL_LP_OPENED, facts, NULL);
}

static void forget(struct belay_link *link, struct belay_conn *conn)
{
    bl_lessor_fini(&extra_of(conn)->lessor, link->loop);
    bl_conn_free(conn);
}

static void on_failed(struct belay_conn *conn, const struct belay_error *error, void *keeper)
{
    struct belay_link *link = keeper;

    link->attempt = NULL;
    bl_link_fail(link, error);
    forget(link, conn);
}

static void on_changed(struct belay_conn *conn, const struct belay_error *lost, void *keeper)
{
    struct belay_link *link = keeper;
    const struct bl_conn_facts *facts = bl_conn_facts(conn);

    BL_ASSERT(conn == link->current); /* of the others only `closed` is told */
    if (lost) {
        bl_link_lose(link, (enum belay_reason)facts->lost_reason, lost);
        return;
    }
    if (facts->draining) {
        bl_lp_drain(&link->lp);
        bl_task_post(link->loop, &link->run);
    }
    if (facts->suspect)
        bl_link_find(link, BL_LP_SUSPECT);
}

static void on_checked(struct belay_conn *conn, int result, void *keeper)
{
    struct belay_link *link = keeper;

    BL_ASSERT(conn == link->current);
    bl_link_find(link, result == 0 ? BL_LP_GOOD : BL_LP_BAD);
}

static void on_closed(struct belay_conn *conn, void *keeper)
{
    struct belay_link *link = keeper;

    link->ending--;
    bl_task_post(link->loop, &link->run);
    forget(link, conn);
}

const struct bl_conn_keeper_ops bl_link_keeper_ops = {
    .opened = on_opened,
    .failed = on_failed,
    .changed = on_changed,
    .checked = on_checked,
    .closed = on_closed,
};

/* ---- for callers ---- */

int belay_link_current(const struct belay_link *link, struct belay_lease *ret_lease)
{
    if (belay_link_is_closed(link))
        return BELAY_ECLOSED;
    if (!bl_link_is_live(link))
        return BELAY_EAGAIN;
    *ret_lease = link->lease;
    return 0;
}

struct belay_endpoint *belay_link_address(const struct belay_link *link)
{
    if (link->current)
        return belay_conn_endpoint(link->current);
    return link->found;
}
