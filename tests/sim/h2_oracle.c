/* SPDX-License-Identifier: MIT */
/* What must hold of requests over HTTP/2, after each turn. h2_rig.h names the laws. */
#include "sim/h2_rig.h"
#include "sim/parts.h"

#define GRACE_NS SIM_MS(1000)

static bool is_under_way(const struct sim_get *get)
{
    return !get->done && !get->cancelled;
}

/* 0: it waits for one. */
static uint64_t connection_of(const struct sim_get *get)
{
    struct belay_http_facts facts = belay_http_facts_init();

    if (!get->lent)
        return 0;
    belay_http_request_facts(get->request, &facts);
    return facts.connection;
}

/* Requests that stand on it, as far as its number is known. */
static unsigned leases_of(struct h2_lives *all, const struct h2_conn *c)
{
    unsigned n = 0;

    if (!c->conn_id)
        return c->open_n;
    BL_LIST_EACH(node, &all->rig->gets)
    {
        const struct sim_get *get = BL_LIST_OF(node, struct sim_get, link);

        n += is_under_way(get) && connection_of(get) == c->conn_id;
    }
    return n;
}

/* A slow reader of an answer that is whole keeps its connection, which may be dead and is not closed until then. */
static bool is_kept(struct h2_lives *all, const struct h2_conn *c)
{
    BL_LIST_EACH(node, &all->rig->gets)
    {
        const struct sim_get *get = BL_LIST_OF(node, struct sim_get, link);
        const struct h2_stream *st;

        if (!is_under_way(get) || connection_of(get) != c->conn_id)
            continue;
        st = h2_stream_of_request(all, get);
        if (!st || st->conn != c)
            return true;
    }
    return failing_alloc_failures(&all->w->alloc) > 0 && c->open_n > 0;
}

/* ---- what a stream tells ---- */

static void on_stream(struct h2_stream *st)
{
    struct h2_conn *c = st->conn;
    struct h2_lives *all = c->host->arg;
    const char *query = strchr(st->path, '?');
    const struct sim_get *get =
        query ? sim_get_numbered(all->rig, strtoul(query + 1, NULL, 10)) : NULL;
    unsigned used = 0;

    if (!c->conn_id && get && is_under_way(get))
        c->conn_id = connection_of(get);
    if (c->open_n > (uint32_t)all->options.max_streams)
        sim_fail(all->w, "%u streams to %s, and %d are wanted", c->open_n, c->wire->host->name,
                 all->options.max_streams);
    BL_LIST_EACH(node, &c->host->conns)
    used += BL_LIST_OF(node, struct h2_conn, link)->open_n > 0;
    if (c->open_n > 1)
        h2_did(all, H2_DEED_SHARED);
    if (c->open_n == c->limit)
        h2_did(all, H2_DEED_FULL);
    if (used > 1)
        h2_did(all, H2_DEED_SEVERAL);
}

/* ---- still connections ---- */

static void check_answer(struct h2_lives *all, const struct h2_stream *st,
                         const struct sim_get *get)
{
    uint64_t on_the_way = st->sent - get->got;

    if (get->paused && on_the_way > (uint64_t)all->options.stream_window)
        sim_fail(all->w, "request %zu is paused, and %llu bytes were taken for it", get->number,
                 (unsigned long long)on_the_way);
    if (get->paused || !st->responded)
        return;
    if (on_the_way > 0)
        sim_fail(all->w, "%llu bytes of the answer to request %zu are kept back",
                 (unsigned long long)on_the_way, get->number);
    if (bl_buf_len(&st->out) > 0)
        sim_fail(all->w, "the server waits for a window to answer request %zu", get->number);
}

static void check_body(struct h2_lives *all, const struct h2_stream *st, const struct sim_get *get)
{
    nghttp2_session *session = st->conn->session;

    if (!get->post || get->expects || st->client_ended)
        return;
    if (nghttp2_session_get_stream_local_window_size(session, st->id) > 0 &&
        nghttp2_session_get_local_window_size(session) > 0)
        sim_fail(all->w, "the body of request %zu does not go on", get->number);
}

static void check_stream(struct h2_lives *all, const struct h2_stream *st)
{
    const struct sim_get *get = sim_get_numbered(all->rig, h2_number_of(st));

    if (!get || !is_under_way(get) || connection_of(get) != st->conn->conn_id)
        sim_fail(all->w, "stream %d of request %zu is open, which is over", (int)st->id,
                 h2_number_of(st));
    check_answer(all, st, get);
    check_body(all, st, get);
}

static bool is_aged(const struct h2_lives *all, const struct h2_conn *c, unsigned percent)
{
    int64_t life = all->pool.max_connection_lifetime_ms;

    return life > 0 && c->acknowledged &&
           all->w->now_ns - c->acknowledged_ns >
               SIM_MS(life) / 100 * percent + (percent >= 100 ? GRACE_NS : 0);
}

/* It takes no more, and has none. */
static void check_empty(struct h2_lives *all, const struct h2_conn *c)
{
    uint64_t now = all->w->now_ns;
    bool over = c->goaway_seen ? now - c->goaway_seen_ns > GRACE_NS : is_aged(all, c, 100);

    if (over && bl_list_empty(&c->streams) && now - c->empty_ns > GRACE_NS &&
        leases_of(all, c) == 0)
        sim_fail(all->w, "a connection to %s is empty, and is kept", c->wire->host->name);
}

static void check_still(struct h2_lives *all, struct h2_conn *c)
{
    h2_check_still(c);
    BL_LIST_EACH(node, &c->streams)
    check_stream(all, BL_LIST_OF(node, struct h2_stream, link));
    check_empty(all, c);
}

/* ---- the whole ---- */

static unsigned waiting_for(const struct h2_lives *all, const struct sim_host *host)
{
    struct belay_pool_stats s = belay_pool_stats_init();
    unsigned n = 0;

    for (struct belay_peer *p = NULL; (p = belay_pool_next_peer(all->rig->pool, p));) {
        if (!strstr(belay_endpoint_name(belay_peer_endpoint(p)), host->name))
            continue;
        belay_peer_get_stats(p, &s);
        n += s.waiting;
    }
    return n;
}

/* Nobody waits where there is room. */
static void check_room(struct h2_lives *all, const struct h2_conn *c)
{
    uint32_t room = (uint32_t)all->options.max_streams;
    unsigned leases = leases_of(all, c), waiting = waiting_for(all, c->wire->host);

    if (c->limit < room)
        room = c->limit;
    if (!c->acknowledged || c->goaway || is_aged(all, c, 50) || leases >= room || !waiting)
        return;
    if (leases > 0 && c->host->lost_ns >= c->wire->seen.opened_ns)
        return;
    sim_fail(all->w, "%u wait for %s, and a connection carries %u of %u", waiting,
             c->wire->host->name, leases, room);
}

/* One whose answer is whole, and only not read yet, outlives its connection. */
static bool is_used(struct h2_lives *all, const struct h2_conn *c)
{
    BL_LIST_EACH(node, &all->rig->gets)
    {
        const struct sim_get *get = BL_LIST_OF(node, struct sim_get, link);

        if (is_under_way(get) && !get->paused && connection_of(get) == c->conn_id)
            return true;
    }
    return false;
}

/* One in use that hears nothing is asked, and given up. */
static void check_silence(struct h2_lives *all, struct h2_conn *c)
{
    const struct belay_http_options *o = &all->options;
    const struct sim_wire *wire = c->wire;
    uint64_t since = wire->read_ns > all->w->jumped_at ? wire->read_ns : all->w->jumped_at;

    if (o->ping_interval_ms == BELAY_FOREVER || wire->net->client_ended || wire->net->client_gone)
        return;
    if (!c->conn_id || wire->seen.gone_turn || !is_used(all, c)) {
        c->unused_ns = all->w->now_ns;
        return;
    }
    if (since < c->unused_ns)
        since = c->unused_ns;
    if (all->w->now_ns > since + SIM_MS(o->ping_interval_ms + o->ping_timeout_ms) + GRACE_NS)
        sim_fail(all->w, "a connection to %s is in use, and silent for %.3f s", wire->host->name,
                 (double)(all->w->now_ns - since) / 1e9);
}

static void check_requests(struct h2_lives *all, const struct belay_pool_stats *s)
{
    unsigned n = sim_gets_under_way(all->rig);

    if (s->waiting + s->leases != n)
        sim_fail(all->w, "%u requests are under way, %u wait and %u are lent to", n, s->waiting,
                 s->leases);
    if (!all->options.timeout_ms)
        return;
    BL_LIST_EACH(node, &all->rig->gets)
    {
        const struct sim_get *get = BL_LIST_OF(node, struct sim_get, link);

        if (is_under_way(get) &&
            all->w->now_ns > get->asked_ns + SIM_MS(all->options.timeout_ms) + GRACE_NS)
            sim_fail(all->w, "request %zu goes on beyond its time", get->number);
    }
}

/* When it may last have lost one: then the others are in doubt, and not lent to more before they are idle and asked. */
static void note_lost(struct h2_lives *all, struct h2_host *h)
{
    BL_LIST_EACH(node, &h->conns)
    {
        struct h2_conn *c = BL_LIST_OF(node, struct h2_conn, link);

        if (c->let_go)
            continue;
        c->let_go = c->wire->net->client_gone || c->wire->seen.gone_turn;
        if (c->let_go || is_kept(all, c))
            h->lost_ns = all->w->now_ns;
    }
}

static void after_turn(struct sim_world *w, void *arg)
{
    struct sim_rig *rig = arg;
    struct h2_lives *all = rig->hook_arg;
    struct belay_pool_stats s;

    rig->checks++;
    if (!rig->pool || !w->loop)
        return;
    sim_rig_stats(rig, &s);
    sim_oracle_stats(rig, &s);
    if (!sim_is_quiet(w) || rig->abandoned)
        return;
    check_requests(all, &s);
    for (int i = 0; i < all->n; i++) {
        note_lost(all, &all->hosts[i]);
        BL_LIST_EACH(node, &all->hosts[i].conns)
        {
            struct h2_conn *c = BL_LIST_OF(node, struct h2_conn, link);

            check_silence(all, c);
            if (!h2_is_still(c) || is_kept(all, c))
                continue;
            check_still(all, c);
            if (!rig->closing)
                check_room(all, c);
        }
    }
}

void h2_oracle_attach(struct h2_lives *all)
{
    all->rig->hook_arg = all;
    all->w->after_turn = after_turn;
    for (int i = 0; i < all->n; i++)
        all->hosts[i].on_stream = on_stream;
}
