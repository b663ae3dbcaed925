/* SPDX-License-Identifier: MIT */
/* What happens to a pool's connections, as their floor tells it, and how one is begun and asked. */
#include <errno.h>

#include "keep/pool.h"

static void touch(struct bl_pool_conn *c)
{
    bl_pool_touch(bl_peer_of(c->pp.peer));
}

/* ---- checks ---- */

/* Nothing that is asked may take for ever: on_due ends it. */
void bl_pool_await_check(struct belay_pool *pool, struct bl_pool_conn *c)
{
    bl_timer_at(bl_conn_timer(c->lessor.conn), pool->loop,
                bl_after_ms(bl_pool_now(pool), pool->options.check_timeout_ms));
}

/* While it is being asked its descriptor is the asker's to watch. */
int bl_pool_ask_health(struct belay_pool *pool, struct belay_conn *conn)
{
    int rc;

    bl_conn_set_checking(conn, true);
    rc = pool->callbacks.health_check(conn, pool->options.callbacks_arg);
    if (rc == BELAY_EAGAIN)
        return rc;
    bl_conn_set_checking(conn, false);
    return rc == 1;
}

void bl_pool_check(struct belay_pool *pool, struct bl_pool_conn *c)
{
    struct belay_conn *conn = c->lessor.conn;
    int rc;

    bl_pool_await_check(pool, c);
    if (bl_conn_can_check(conn) || !pool->callbacks.health_check) {
        bl_conn_check(conn);
        return;
    }
    rc = bl_pool_ask_health(pool, conn);
    if (rc != BELAY_EAGAIN)
        belay_conn_checked(conn, rc ? 0 : BELAY_EUNHEALTHY);
}

/* One that fails before its first use was of no more use than a dial that failed. */
static void judge(struct belay_pool *pool, struct bl_pool_conn *c, int result)
{
    struct belay_error error;
    bool checking = c->pp.state == BL_PP_CHECKING;

    bl_pp_checked(&c->pp, result, bl_pool_now(pool));
    if (!checking || result == 0 || c->pp.uses > 0)
        return;
    bl_error_set(&error, BELAY_EUNHEALTHY, BELAY_STAGE_PROTOCOL,
                 "a new connection to %s failed its check: %s",
                 bl_peer_name(bl_peer_of(c->pp.peer)), belay_strerror(result));
    bl_pool_waste(pool, c, &error);
}

static void on_checked(struct belay_conn *conn, int result, void *keeper)
{
    struct belay_pool *pool = keeper;
    struct bl_pool_conn *c = bl_conn_extra(conn);

    judge(pool, c, result);
    bl_pool_look_again(pool, c);
    bl_pool_cache_settled(pool, c);
    touch(c);
}

static void on_due(struct belay_conn *conn, void *keeper)
{
    struct belay_pool *pool = keeper;
    struct bl_pool_conn *c = bl_conn_extra(conn);
    uint64_t now = bl_pool_now(pool);
    bool idle = bl_pp_is_idle(&c->pp);

    if (c->pp.state == BL_PP_CHECKING && !bl_list_linked(&c->pp.todo))
        judge(pool, c, BELAY_ETIMEDOUT);
    c->trimmed = bl_pp_is_idle(&c->pp) && now - c->pp.idle_since >= BL_POOL_TRIM_NS;
    if (c->trimmed)
        bl_conn_idle(conn);
    bl_pp_expire(&c->pp, now);
    if (idle && c->pp.state == BL_PP_CLOSING && c->pp.uses == 0 && !pool->pp.suspended &&
        bl_pp_hungry(c->pp.peer))
        bl_pool_waste(pool, c, NULL); /* nobody was ever allowed to use it, and somebody waits */
    bl_pool_look_again(pool, c);
    if (!bl_list_empty(&pool->pp.closes) || !bl_list_empty(&pool->pp.checks))
        touch(c);
}

/* ---- up ---- */

/* A number for the address at the other end. */
static uint32_t address_number(struct belay_conn *conn)
{
    struct belay_addr addr;
    uint32_t h = 2166136261u;

    if (!belay_conn_stream(conn) || belay_stream_peer_addr(belay_conn_stream(conn), &addr) < 0)
        return 0;
    for (size_t i = 0; i < bl_addr_used(&addr); i++)
        h = (h ^ ((const uint8_t *)&addr)[i]) * 16777619u;
    return h | 1;
}

void bl_pool_heed(struct belay_pool *pool, struct bl_pool_conn *c)
{
    c->heeded =
        bl_conn_minds_leases(c->lessor.conn) || pool->loop->on_trace || pool->pp.limits.watched;
}

static void on_opened(struct belay_conn *conn, void *keeper)
{
    struct belay_pool *pool = keeper;
    struct bl_pool_conn *c = bl_conn_extra(conn);
    struct belay_peer *peer = bl_peer_of(c->pp.peer);

    if (c->pp.state != BL_PP_DIALING)
        return; /* it is about to be closed */
    bl_error_copy_clear(&peer->last_error, &pool->loop->mem);
    c->pp.checkable = bl_conn_can_check(conn) || pool->callbacks.health_check;
    c->pp.addr = address_number(conn);
    bl_pp_opened(&c->pp, bl_conn_facts(conn), bl_pool_now(pool));
    if (bl_conn_facts(conn)->capacity == 0)
        bl_pp_came_for_nobody(&c->pp, bl_rand_next(&pool->loop->rand), bl_pool_now(pool));
    bl_pool_heed(pool, c);
    bl_pool_look_again(pool, c);
    bl_pool_cache_opened(pool, c);
    bl_names_consider(peer);
    bl_pool_touch(peer);
    bl_hook_created(pool, c);
}

/* ---- gone ---- */

static void forget_conn(struct belay_pool *pool, struct belay_conn *conn)
{
    struct bl_pool_conn *c = bl_conn_extra(conn);

    bl_pool_cache_gone(pool, c);
    bl_loan_fini(&c->loan);
    bl_lessor_fini(&c->lessor, pool->loop);
    bl_conn_free(conn);
}

static void on_closed(struct belay_conn *conn, void *keeper)
{
    struct belay_pool *pool = keeper;
    struct bl_pool_conn *c = bl_conn_extra(conn);
    struct belay_peer *peer = bl_peer_of(c->pp.peer);

    bl_pp_gone(&c->pp);
    bl_names_consider(peer);
    bl_pool_touch(peer);
    bl_hook_closed(pool, c);
    forget_conn(pool, conn);
}

static void on_failed(struct belay_conn *conn, const struct belay_error *error, void *keeper)
{
    struct belay_pool *pool = keeper;
    struct bl_pool_conn *c = bl_conn_extra(conn);
    struct belay_peer *peer = bl_peer_of(c->pp.peer);
    struct belay_error told = *error;

    if (c->pp.state != BL_PP_DIALING) { /* it was about to be closed, and has spared us that */
        on_closed(conn, keeper);
        return;
    }
    /* Before the policy forgets: the last waiter to leave resets the count. */
    told.attempt = peer->pp.backoff.failures + (c->pp.round == peer->pp.round);
    if (error->code == BELAY_EMFILE)
        bl_share_make_room(pool);
    bl_pp_dial_failed(&c->pp, error, bl_rand_next(&pool->loop->rand), bl_pool_now(pool));
    bl_peer_note_error(peer, error);
    bl_loop_log(pool->loop, "pool", BELAY_LOG_INFO, "%s", error->text);
    bl_pool_touch(peer);
    belay_peer_ref(peer);
    bl_pool_tell_failed(pool, &told);
    forget_conn(pool, conn);
    belay_peer_unref(peer);
}

/* The peer let it come up only to end it. */
void bl_pool_waste(struct belay_pool *pool, struct bl_pool_conn *c, const struct belay_error *lost)
{
    struct belay_peer *peer = bl_peer_of(c->pp.peer);
    struct belay_error error;

    if (lost)
        error = *lost;
    else
        bl_error_set(&error, BELAY_EEOF, BELAY_STAGE_PROTOCOL,
                     "%s takes no requests on a new connection", bl_peer_name(peer));
    bl_pp_wasted(&c->pp, &error, bl_rand_next(&pool->loop->rand), bl_pool_now(pool));
    bl_peer_note_error(peer, &error);
    bl_pool_tell_failed(pool, &error);
}

/* Nothing came any more, or nothing can. */
static bool is_silent(const struct belay_error *lost)
{
    return lost->code == BELAY_ETIMEDOUT || lost->os_error == EHOSTUNREACH ||
           lost->os_error == ENETUNREACH || lost->os_error == ETIMEDOUT;
}

/* Its loss is told once; other facts may change afterwards. */
static void mourn(struct belay_pool *pool, struct bl_pool_conn *c, const struct belay_error *lost)
{
    c->mourned = true;
    bl_loop_log(pool->loop, "pool", BELAY_LOG_INFO, "%s", lost->text);
    if (is_silent(lost) || lost->code == BELAY_ERESET)
        bl_pp_doubt(&c->pp, is_silent(lost));
}

void bl_pool_heed_facts(struct belay_pool *pool, struct bl_pool_conn *c)
{
    const struct bl_conn_facts *facts = bl_conn_facts(c->lessor.conn);
    struct belay_error scratch;
    const struct belay_error *lost = bl_conn_error(c->lessor.conn, &scratch);

    bl_pp_changed(&c->pp, facts);
    if (facts->lost && lost && !c->mourned)
        mourn(pool, c, lost);
    touch(c);
    if (c->pp.uses == 0 && c->pp.state == BL_PP_CLOSING &&
        (bl_pp_hungry(c->pp.peer) || c->pp.filling))
        bl_pool_waste(pool, c, facts->lost ? lost : NULL);
}

static void on_changed(struct belay_conn *conn, const struct belay_error *lost, void *keeper)
{
    struct bl_pool_conn *c = bl_conn_extra(conn);

    (void)lost;              /* the connection has it too */
    bl_share_recall_conn(c); /* parked, it was not in use */
    bl_pool_heed_facts(keeper, c);
}

static bool on_stirs(struct belay_conn *conn, void *keeper)
{
    (void)keeper;
    return bl_share_stirs(bl_conn_extra(conn));
}

static const struct bl_conn_keeper_ops keeper_ops = {
    .stirs = on_stirs,
    .opened = on_opened,
    .failed = on_failed,
    .changed = on_changed,
    .checked = on_checked,
    .closed = on_closed,
    .due = on_due,
};

struct belay_peer *bl_pool_peer_of(const struct belay_conn *conn)
{
    struct bl_pool_conn *c;

    if (conn->keeper_ops != &keeper_ops)
        return NULL;
    c = bl_conn_extra((struct belay_conn *)(uintptr_t)conn);
    return bl_peer_of(c->pp.peer);
}

/* ---- begun ---- */

int bl_pool_dial(struct belay_pool *pool, struct belay_peer *peer)
{
    struct belay_conn *conn;
    struct bl_pool_conn *c;
    int rc = bl_conn_open(pool->loop, peer->endpoint, &pool->options.connector, &pool->dial,
                          peer->last_error.code != 0, &keeper_ops, pool,
                          bl_pool_cache_conn_size(pool), &conn);

    if (rc < 0)
        return rc;
    c = bl_conn_extra(conn);
    bl_pp_dial_started(&c->pp, &peer->pp, bl_pool_now(pool));
    bl_list_init(&c->reused);
    c->lessor.conn = conn;
    bl_conn_offer(conn, peer->alpn, peer->alpn_len);
    rc = bl_lessor_init(&c->lessor, pool->loop, &bl_pool_lessor_ops, pool, conn);
    if (rc < 0)
        bl_pp_close(&c->pp, BELAY_REASON_OPEN_FAILED, false);
    return rc;
}
