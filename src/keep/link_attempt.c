/* SPDX-License-Identifier: MIT */
/*
 * One attempt: the source is asked, one of its addresses dialled. While the link is up it is a
 * candidate's: the first address of the answer, if that is not the one in use, or, when the peer
 * has said that it will close, the next one.
 */
#include "keep/link.h"

/* ---- which address ---- */

static bool is_last(const struct belay_link *link, struct belay_endpoint *endpoint)
{
    return endpoint == link->address || belay_endpoint_equal(endpoint, link->address);
}

/* Where the last address stands: where it did, when the list is the same; else the last of equal
 * ones, lest a list with the same address twice be walked in a circle. */
static size_t find_last(const struct belay_link *link, struct belay_endpoint *const *endpoints,
                        size_t n)
{
    if (!link->address)
        return SIZE_MAX;
    if (link->address_at < n && is_last(link, endpoints[link->address_at]))
        return link->address_at;
    for (size_t i = 0; i < n; i++)
        if (is_last(link, endpoints[i]) && !is_last(link, endpoints[(i + 1) % n]))
            return i;
    return SIZE_MAX;
}

static void take_answer(struct belay_link *link, struct belay_endpoint *const *endpoints, size_t n)
{
    size_t at = bl_lp_pick(&link->lp, n, find_last(link, endpoints, n));
    struct belay_endpoint *endpoint = endpoints[at];
    struct bl_lp_facts facts = {.same = link->address && is_last(link, endpoint)};

    if (bl_lp_wants_better(&link->lp) && facts.same) {
        bl_link_feed(link, BL_LP_STAY, (struct bl_lp_facts){0}, NULL);
        return;
    }
    link->found = belay_endpoint_ref(endpoint);
    link->found_at = at;
    bl_link_feed(link, BL_LP_ADDRESS, facts, NULL);
}

/* The source has seen to it that the answer is whole. */
static void on_answer(struct belay_endpoint *const *endpoints, size_t n,
                      const struct belay_error *error, void *arg)
{
    struct belay_link *link = arg;

    link->query = NULL;
    bl_link_heed(link);
    if (!bl_lp_expects(&link->lp, BL_LP_ADDRESS))
        return;
    if (error)
        bl_link_fail(link, error);
    else
        take_answer(link, endpoints, n);
}

/* ---- its course ---- */

/* A name may lead elsewhere by now: the cache is trusted by the first attempt of all, and by those
 * who look for a better address. */
void bl_link_ask_source(struct belay_link *link)
{
    link->fresh = !bl_lp_wants_better(&link->lp) && link->attempts + link->connected > 1;
    link->mishap = belay_source_get(link->source, link->fresh, &link->query, on_answer, link);
}

void bl_link_dial(struct belay_link *link)
{
    struct belay_conn *conn;
    int rc =
        bl_conn_open(link->loop, link->found, &link->options.connector, &link->dial, link->fresh,
                     &bl_link_keeper_ops, link, sizeof(struct bl_link_conn), &conn);

    if (rc == 0)
        rc = bl_link_conn_prepare(link, conn);
    if (rc == 0)
        link->attempt = conn;
    link->mishap = rc;
}

void bl_link_cancel_attempt(struct belay_link *link)
{
    belay_source_cancel(link->query);
    link->query = NULL;
    if (link->attempt)
        bl_link_end_conn(link, link->attempt, BELAY_REASON_OPEN_FAILED);
    link->attempt = NULL;
    belay_endpoint_unref(link->found);
    link->found = NULL;
}

void bl_link_settle_address(struct belay_link *link)
{
    belay_endpoint_unref(link->address);
    link->address = belay_endpoint_ref(link->found);
    link->address_at = link->found_at;
}
