/* SPDX-License-Identifier: MIT */
/*
 * An address and its connections, between their floor, which tells what becomes of them, and the
 * channel's policy, which hears of it.
 */
#include "grpc/subchannel.h"

#include "http/session.h"

#define EACH_CONN(node, sub) BL_LIST_EACH(node, &(sub)->conns)

static struct bl_sub_conn *conn_of(struct bl_list *node)
{
    return BL_LIST_OF(node, struct bl_sub_conn, link);
}

/* ---- memory ---- */

struct bl_subchannel *bl_sub_new(struct belay_channel *ch, struct belay_endpoint *endpoint)
{
    struct bl_subchannel *sub = bl_zalloc(&ch->loop->mem, sizeof *sub);

    if (!sub)
        return NULL;
    bl_cp_sub_init(&sub->cp, &ch->cp);
    sub->channel = ch;
    sub->endpoint = belay_endpoint_ref(endpoint);
    bl_list_init(&sub->conns);
    bl_list_push_back(&ch->subs, &sub->link);
    return sub;
}

static void sub_free_if_done(struct bl_subchannel *sub)
{
    struct belay_channel *ch = sub->channel;

    if (!sub->removed || !bl_list_empty(&sub->conns))
        return;
    bl_list_remove(&sub->link);
    belay_endpoint_unref(sub->endpoint);
    bl_free(&ch->loop->mem, sub);
    bl_channel_run_later(ch); /* which may wait for that */
}

static void conn_free_if_done(struct bl_sub_conn *sc)
{
    struct bl_subchannel *sub = sc->sub;

    if (sc->conn || sc->running > 0)
        return;
    bl_list_remove(&sc->link);
    bl_free(&sub->channel->loop->mem, sc);
    sub_free_if_done(sub);
}

/* ---- ending connections ---- */

static void close_conn(struct bl_sub_conn *sc, enum belay_reason reason)
{
    sc->ready = false;
    if (sc->closing)
        return;
    sc->closing = true;
    bl_health_stop(&sc->health);
    if (sc->open)
        bl_lease_revoke(sc->sub->channel->loop, &sc->lessor);
    if (sc->conn)
        bl_conn_close(sc->conn, reason);
}

/* It takes no further calls; it ends when it has none. */
static void retire(struct bl_sub_conn *sc, enum belay_reason reason)
{
    sc->ready = false;
    bl_health_stop(&sc->health);
    if (sc->running == 0)
        close_conn(sc, reason);
}

static bool is_going(const struct bl_sub_conn *sc)
{
    const struct bl_conn_facts *facts = bl_conn_facts(sc->conn);

    return facts->draining || facts->lost;
}

/* Whether it takes calls as far as is known, also by what has not been told yet. */
static bool is_good(const struct bl_sub_conn *sc)
{
    return sc->ready && sc->conn && !is_going(sc);
}

void bl_sub_conn_freed(struct bl_sub_conn *sc)
{
    const struct bl_conn_facts *facts = sc->conn ? bl_conn_facts(sc->conn) : NULL;

    sc->running--;
    if (facts && sc->open && !sc->ready && sc->running == 0)
        close_conn(sc, facts->lost ? (enum belay_reason)facts->lost_reason : BELAY_REASON_DRAINING);
    conn_free_if_done(sc);
}

/* ---- what is told of connections ---- */

void bl_sub_health(struct bl_subchannel *sub)
{
    enum belay_channel_state said = BELAY_CHANNEL_TRANSIENT_FAILURE;

    if (!sub->channel->options.health_service)
        return;
    EACH_CONN(node, sub)
    {
        const struct bl_sub_conn *sc = conn_of(node);

        if (sc->ready && sc->serving)
            said = BELAY_CHANNEL_READY;
        else if (sc->ready && !sc->heard && said != BELAY_CHANNEL_READY)
            said = BELAY_CHANNEL_CONNECTING;
    }
    bl_cp_health(&sub->channel->cp, &sub->cp, said);
}

static void lose(struct bl_sub_conn *sc, bool goaway)
{
    struct belay_channel *ch = sc->sub->channel;

    if (!sc->ready)
        return;
    sc->ready = false;
    sc->ending = goaway;
    bl_cp_lost(&ch->cp, &sc->sub->cp, goaway, sc->useful || goaway, bl_channel_now(ch));
    bl_sub_health(sc->sub);
    bl_channel_run_later(ch);
}

static void fail_attempt(struct bl_subchannel *sub, const struct belay_error *error)
{
    struct belay_channel *ch = sub->channel;

    ch->stats.connect_failed++;
    bl_channel_remember(ch, error);
    bl_cp_failed(&ch->cp, &sub->cp, error && error->final, bl_channel_now(ch));
    bl_channel_run_later(ch);
}

static void on_opened(struct belay_conn *conn, void *keeper)
{
    struct bl_sub_conn *sc = keeper;
    struct belay_channel *ch = sc->sub->channel;
    struct belay_error scratch;

    sc->open = true;
    bl_lease_give(ch->loop, &sc->lessor, &sc->lease); /* its own slot: never fails */
    if (is_going(sc)) {
        fail_attempt(sc->sub, bl_conn_error(conn, &scratch));
        close_conn(sc, BELAY_REASON_OPEN_FAILED);
        return;
    }
    sc->ready = true;
    sc->heard = sc->serving = !ch->options.health_service;
    bl_conn_acquired(conn);
    ch->stats.connected++;
    bl_cp_opened(&ch->cp, &sc->sub->cp);
    if (ch->options.health_service && bl_health_start(&sc->health, sc) < 0) {
        lose(sc, false);
        close_conn(sc, BELAY_REASON_OPEN_FAILED);
    }
    bl_channel_run_later(ch);
}

static void forget_conn(struct bl_sub_conn *sc)
{
    struct bl_subchannel *sub = sc->sub;

    if (sc->ending)
        bl_cp_ended(&sub->cp);
    bl_health_stop(&sc->health);
    bl_timer_fini(&sc->health.timer, sub->channel->loop);
    bl_lessor_fini(&sc->lessor, sub->channel->loop);
    bl_conn_free(sc->conn);
    sc->conn = NULL;
    sc->closing = true;
    conn_free_if_done(sc);
}

static void on_failed(struct belay_conn *conn, const struct belay_error *error, void *keeper)
{
    struct bl_sub_conn *sc = keeper;

    (void)conn;
    fail_attempt(sc->sub, error);
    forget_conn(sc);
}

/* Nothing went wrong, and yet it is why there is no connection. */
static void remember_farewell(struct bl_sub_conn *sc)
{
    struct belay_error error;

    bl_error_set(&error, BELAY_EEOF, BELAY_STAGE_USE,
                 "the connection to %.160s takes no further calls (GOAWAY)",
                 belay_endpoint_name(sc->sub->endpoint));
    bl_channel_remember(sc->sub->channel, &error);
}

static void on_changed(struct belay_conn *conn, const struct belay_error *lost, void *keeper)
{
    struct bl_sub_conn *sc = keeper;
    struct belay_channel *ch = sc->sub->channel;
    const struct bl_conn_facts *facts = bl_conn_facts(conn);

    if (lost) {
        if (sc->ready)
            bl_channel_remember(ch, lost);
        lose(sc, false);
        retire(sc, (enum belay_reason)facts->lost_reason); /* what has come in full may be held */
    } else if (facts->draining) {
        if (sc->ready)
            remember_farewell(sc);
        lose(sc, sc->running > 0);
        retire(sc, BELAY_REASON_DRAINING);
    } else if (facts->suspect && bl_conn_can_check(conn)) {
        bl_conn_check(conn);
    }
    bl_channel_run_later(ch); /* its capacity may be another */
}

static void on_checked(struct belay_conn *conn, int result, void *keeper)
{
    struct bl_sub_conn *sc = keeper;

    (void)conn;
    if (result == 0)
        return;
    lose(sc, false);
    close_conn(sc, BELAY_REASON_UNHEALTHY);
}

static void on_closed(struct belay_conn *conn, void *keeper)
{
    struct bl_sub_conn *sc = keeper;

    (void)conn;
    bl_channel_run_later(sc->sub->channel);
    forget_conn(sc);
}

static const struct bl_conn_keeper_ops keeper_ops = {
    .opened = on_opened,
    .failed = on_failed,
    .changed = on_changed,
    .checked = on_checked,
    .closed = on_closed,
};

/* A lease of a connection that calls share is nobody's to give back; one that is reported broken
 * ends it. */
static void on_release(struct belay_conn *conn, enum belay_release how, void *owner)
{
    struct bl_sub_conn *sc = owner;

    (void)conn;
    (void)how;
    lose(sc, false);
    close_conn(sc, BELAY_REASON_BROKEN);
}

static int on_take(struct belay_conn *conn, struct belay_stream **ret, void *owner)
{
    (void)conn;
    (void)ret;
    (void)owner;
    return BELAY_ENOTSUP;
}

static const struct bl_lease_owner_ops lessor_ops = {.release = on_release, .take = on_take};

/* ---- attempts ---- */

static int dial(struct bl_subchannel *sub, bool fresh)
{
    struct belay_channel *ch = sub->channel;
    struct bl_sub_conn *sc = bl_zalloc(&ch->loop->mem, sizeof *sc);

    if (!sc)
        return BELAY_ENOMEM;
    sc->sub = sub;
    if (bl_conn_open(ch->loop, sub->endpoint, &ch->connector, &ch->dial, fresh, &keeper_ops, sc, 0,
                     &sc->conn) < 0) {
        bl_free(&ch->loop->mem, sc);
        return BELAY_ENOMEM;
    }
    bl_list_push_back(&sub->conns, &sc->link);
    if (bl_lessor_init(&sc->lessor, ch->loop, &lessor_ops, sc, sc->conn) < 0) {
        close_conn(sc, BELAY_REASON_OPEN_FAILED);
        return BELAY_ENOMEM;
    }
    sc->lessor.shared = true;
    return 0;
}

void bl_sub_dial(struct bl_subchannel *sub, bool fresh)
{
    struct belay_error error;

    if (dial(sub, fresh) == 0)
        return;
    bl_error_set(&error, BELAY_ENOMEM, BELAY_STAGE_CONNECT, "connecting to %.160s: out of memory",
                 belay_endpoint_name(sub->endpoint));
    fail_attempt(sub, &error);
}

void bl_sub_cancel(struct bl_subchannel *sub)
{
    EACH_CONN(node, sub)
    {
        if (!conn_of(node)->open)
            close_conn(conn_of(node), BELAY_REASON_OPEN_FAILED);
    }
}

void bl_sub_give_up(struct bl_subchannel *sub)
{
    struct belay_error error;

    bl_sub_cancel(sub);
    bl_error_set(&error, BELAY_ETIMEDOUT, BELAY_STAGE_CONNECT,
                 "connecting to %.160s: not done within %lld ms",
                 belay_endpoint_name(sub->endpoint),
                 (long long)sub->channel->options.connect_timeout_ms);
    fail_attempt(sub, &error);
}

void bl_sub_release(struct bl_subchannel *sub)
{
    EACH_CONN(node, sub)
    {
        if (conn_of(node)->open && !conn_of(node)->closing)
            retire(conn_of(node), BELAY_REASON_IDLE);
    }
}

void bl_sub_close(struct bl_subchannel *sub)
{
    EACH_CONN(node, sub)
    {
        close_conn(conn_of(node), BELAY_REASON_OWNER_CLOSED);
    }
}

void bl_sub_remove(struct bl_subchannel *sub)
{
    sub->removed = true;
    bl_sub_cancel(sub);
    bl_sub_release(sub);
    sub_free_if_done(sub);
}

/* ---- where calls go ---- */

static uint32_t room_of(const struct bl_sub_conn *sc, uint32_t *ret_running)
{
    const struct bl_session *session;

    if (!is_good(sc) || !sc->serving)
        return 0;
    session = bl_http_session_of(sc->conn);
    *ret_running = session->running;
    return session->running < (uint32_t)session->capacity
               ? (uint32_t)session->capacity - session->running
               : 0;
}

struct bl_sub_conn *bl_sub_pick(struct bl_subchannel *sub)
{
    struct bl_sub_conn *best = NULL;
    uint32_t least = UINT32_MAX, running;

    EACH_CONN(node, sub)
    {
        if (room_of(conn_of(node), &running) > 0 && running < least) {
            best = conn_of(node);
            least = running;
        }
    }
    return best;
}

bool bl_sub_is_full(struct bl_subchannel *sub)
{
    EACH_CONN(node, sub)
    {
        const struct bl_sub_conn *sc = conn_of(node);

        if (is_good(sc) && sc->serving)
            return !bl_sub_pick(sub);
    }
    return false;
}

bool bl_sub_has_room(const struct bl_cp_sub *sub)
{
    return bl_sub_pick(bl_sub_of((struct bl_cp_sub *)sub)) != NULL;
}
