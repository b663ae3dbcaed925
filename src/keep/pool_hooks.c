/* SPDX-License-Identifier: MIT */
/*
 * The caller's hooks. A connection can be lent again inside a caller's call, so that is told later,
 * by the pool's task, and at the latest before its end.
 */
#include "keep/pool.h"

void bl_hook_created(struct belay_pool *pool, struct bl_pool_conn *c)
{
    c->created = true;
    if (pool->callbacks.on_connection_created)
        pool->callbacks.on_connection_created(bl_peer_of(c->pp.peer), belay_conn_id(c->lessor.conn),
                                              pool->options.callbacks_arg);
}

void bl_hook_reused(struct belay_pool *pool, struct bl_pool_conn *c)
{
    if (!pool->callbacks.on_connection_reused)
        return;
    c->untold++;
    if (!bl_list_linked(&c->reused))
        bl_list_push_back(&pool->reused, &c->reused);
    bl_task_post(pool->loop, &pool->run);
}

static void tell_times(struct belay_peer *peer, uint64_t id, uint32_t n)
{
    struct belay_pool *pool = peer->pool;

    while (n-- > 0)
        pool->callbacks.on_connection_reused(peer, id, pool->options.callbacks_arg);
}

static void tell(struct bl_pool_conn *c)
{
    uint32_t n = c->untold;

    c->untold = 0;
    tell_times(bl_peer_of(c->pp.peer), belay_conn_id(c->lessor.conn), n);
}

void bl_hook_tell_reused(struct belay_pool *pool)
{
    struct bl_list now, *node;

    bl_list_init(&now);
    bl_list_splice(&now, &pool->reused);
    while ((node = bl_list_pop_front(&now)))
        tell(BL_LIST_OF(node, struct bl_pool_conn, reused));
}

/* What may have an error. What comes after the decision to end it for another reason does not
 * count. */
static bool is_failure(uint8_t reason)
{
    return reason == BELAY_REASON_ERROR || reason == BELAY_REASON_PEER_CLOSED ||
           reason == BELAY_REASON_UNHEALTHY;
}

/* What a check found out, where nothing else has failed. */
static const struct belay_error *why(const struct bl_pool_conn *c, struct belay_error *scratch)
{
    const struct belay_error *error = bl_conn_error(c->lessor.conn, scratch);

    if (error || c->pp.reason != BELAY_REASON_UNHEALTHY)
        return error;
    bl_error_set(scratch, BELAY_EUNHEALTHY, BELAY_STAGE_USE,
                 "a connection to %s failed its check, or could not be checked",
                 bl_peer_name(bl_peer_of(c->pp.peer)));
    return scratch;
}

void bl_hook_closed(struct belay_pool *pool, struct bl_pool_conn *c)
{
    struct belay_error scratch;
    bool failed = is_failure(c->pp.reason);

    bl_list_remove(&c->reused);
    if (!c->created)
        return;
    if (c->untold > 0)
        tell(c);
    if (pool->callbacks.on_connection_closed)
        pool->callbacks.on_connection_closed(
            bl_peer_of(c->pp.peer), belay_conn_id(c->lessor.conn), (enum belay_reason)c->pp.reason,
            failed ? why(c, &scratch) : NULL, pool->options.callbacks_arg);
}

void bl_hook_moved(struct belay_peer *from, struct bl_pool_conn *c, uint32_t untold)
{
    struct belay_pool_callbacks *callbacks = &from->pool->callbacks;
    uint64_t id = belay_conn_id(c->lessor.conn);

    tell_times(from, id, untold);
    if (callbacks->on_connection_closed)
        callbacks->on_connection_closed(from, id, BELAY_REASON_TAKEN, NULL,
                                        from->pool->options.callbacks_arg);
    bl_hook_created(bl_peer_of(c->pp.peer)->pool, c);
}
