/* SPDX-License-Identifier: MIT */
/* What a link knows of itself. */
#include "keep/link.h"

const char *belay_link_state_name(enum belay_link_state state)
{
    static const char *const names[] = {
        [BELAY_LINK_WAITING] = "waiting", [BELAY_LINK_RESOLVING] = "resolving",
        [BELAY_LINK_DIALING] = "dialing", [BELAY_LINK_UP] = "up",
        [BELAY_LINK_CLOSING] = "closing", [BELAY_LINK_CLOSED] = "closed",
    };
    bool known = state >= BELAY_LINK_WAITING && state <= BELAY_LINK_CLOSED;

    return known ? names[state] : "unknown";
}

static int64_t ms_of(uint64_t ns)
{
    return (int64_t)(ns / BL_MS(1));
}

void belay_link_get_stats(const struct belay_link *link, struct belay_link_stats *stats)
{
    uint64_t now = bl_link_now(link);
    bool up = bl_lp_is_up(&link->lp);
    uint64_t up_ns = up ? now - link->up_at : 0;
    struct belay_link_stats s = {
        .state = bl_lp_public(link->lp.state),
        .failures = link->lp.failures,
        .attempts = link->attempts,
        .connected = link->connected,
        .moves = link->moves,
        .up_ms = ms_of(up_ns),
        .down_ms = up ? 0 : ms_of(now - link->down_at),
        .age_ms = ms_of(now - link->opened_at),
        .total_up_ms = ms_of(link->total_up_ns + up_ns),
        .waiting = link->waiters_n,
        .subscribers = link->subscriptions_n,
    };
    size_t size = stats->size < sizeof s ? stats->size : sizeof s;

    if (s.state == BELAY_LINK_WAITING)
        s.next_ms = bl_lp_next_ms(&link->lp, now);
    if (s.next_ms == INT64_MAX)
        s.next_ms = BELAY_FOREVER;
    memcpy(s.failed, link->failed, sizeof s.failed);
    memcpy(stats, &s, size);
    memcpy(stats, &size, sizeof size);
}

/* ---- the last error ---- */

void bl_link_remember(struct belay_link *link, const struct belay_error *error)
{
    bl_error_copy_set(&link->error, &link->loop->mem, error);
    link->error_at = bl_link_now(link);
}

const struct belay_error *bl_link_last(const struct belay_link *link, struct belay_error *scratch)
{
    return link->error.code ? bl_error_copy_get(&link->error, scratch, link->address) : NULL;
}

bool belay_link_last_error(const struct belay_link *link, struct belay_error *error,
                           int64_t *ret_age_ms)
{
    if (!bl_error_copy_tell(&link->error, link->address, error))
        return false;
    if (ret_age_ms)
        *ret_age_ms = ms_of(bl_link_now(link) - link->error_at);
    return true;
}

/* ---- the rest ---- */

const char *belay_link_server_name(const struct belay_link *link)
{
    return link->server_name;
}

struct belay_loop *belay_link_loop(const struct belay_link *link)
{
    return link->loop;
}
