/* SPDX-License-Identifier: MIT */
/* A connection in use: lent and given back, checked, asked; and what it knows of itself. */
#include "base/error.h"
#include "conn/conn_parts.h"

/* ---- the plain stream connector ---- */

static size_t idle_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct belay_conn *c = arg;
    struct belay_error error;

    (void)stream;
    (void)data;
    bl_error_set(&error, BELAY_EUNHEALTHY, BELAY_STAGE_USE,
                 "%s sent %zu bytes on an idle connection", belay_endpoint_name(c->endpoint), len);
    belay_conn_lost(c, BELAY_REASON_UNHEALTHY, &error);
    return len;
}

static const struct belay_stream_callbacks idle_callbacks = {.size = sizeof idle_callbacks,
                                                             .on_data = idle_data};

void bl_conn_guard_plain(struct belay_conn *c)
{
    belay_stream_set_callbacks(c->stream, &idle_callbacks, c);
}

/* ---- checks ---- */

bool bl_conn_can_check(const struct belay_conn *c)
{
    return bl_conn_ops(c)->check != NULL && !c->unasked;
}

void bl_conn_set_checking(struct belay_conn *c, bool checking)
{
    c->checking = checking;
    bl_conn_watch(c);
}

void bl_conn_check(struct belay_conn *c)
{
    bl_conn_set_checking(c, true);
    if (bl_conn_ops(c)->check)
        bl_conn_ops(c)->check(c, c->connector->arg);
    else
        belay_conn_checked(c, 0);
}

/* The table may be of a program that was compiled before is_healthy was in it. */
bool bl_conn_minds_health(const struct belay_conn *c)
{
    const struct belay_connector_ops *ops = bl_conn_ops(c);

    return ops->size >= offsetof(struct belay_connector_ops, is_healthy) + sizeof ops->is_healthy &&
           ops->is_healthy;
}

bool bl_conn_is_healthy(struct belay_conn *c)
{
    return c->phase != BL_PHASE_OPEN || !bl_conn_minds_health(c) ||
           bl_conn_ops(c)->is_healthy(c, c->connector->arg);
}

/* ---- leases ---- */

bool bl_conn_minds_leases(const struct belay_conn *c)
{
    return bl_conn_is_plain(c) || bl_conn_ops(c)->acquired || bl_conn_ops(c)->released ||
           bl_conn_is_watched(c);
}

bool bl_conn_parks(const struct belay_conn *c)
{
    return !bl_conn_is_plain(c) && !bl_conn_ops(c)->acquired && !bl_conn_ops(c)->released &&
           !bl_conn_minds_health(c);
}

void bl_conn_acquired(struct belay_conn *c)
{
    c->users++;
    bl_conn_watch(c);
    if (bl_conn_is_plain(c))
        belay_stream_set_callbacks(c->stream, NULL, NULL);
    else if (bl_conn_ops(c)->acquired)
        bl_conn_ops(c)->acquired(c, c->connector->arg);
}

void bl_conn_released(struct belay_conn *c)
{
    if (c->users > 0)
        c->users--;
    if (bl_conn_ops(c)->released)
        bl_conn_ops(c)->released(c, c->connector->arg);
    if (bl_conn_is_plain(c) && c->phase == BL_PHASE_OPEN && c->stream)
        bl_conn_guard_plain(c); /* what is held is told as idle data */
    bl_conn_watch_later(c);
}

/* It ends at its release, as was decided; the stream is kept till then. */
static void on_interrupted(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    (void)stream, (void)error, (void)arg;
}

void bl_conn_interrupt(struct belay_conn *c)
{
    struct belay_error error;

    if (!c->stream || c->phase != BL_PHASE_OPEN)
        return;
    bl_error_set(&error, BELAY_ECLOSED, BELAY_STAGE_USE, "%s: the lease was revoked",
                 belay_endpoint_name(c->endpoint));
    bl_stream_set_gone(c->stream, on_interrupted, c);
    bl_stream_die(c->stream, &error);
}

void bl_conn_idle(struct belay_conn *c)
{
    bl_conn_verify_watch(c);
    if (c->phase == BL_PHASE_OPEN && c->stream)
        bl_stream_idle(c->stream);
}

/* ---- what it knows ---- */

enum bl_conn_state bl_conn_get_state(const struct belay_conn *c)
{
    return c->phase < BL_PHASE_OPEN    ? BL_CONN_OPENING
           : c->phase == BL_PHASE_OPEN ? BL_CONN_OPEN
           : c->phase == BL_PHASE_DONE ? BL_CONN_CLOSED
                                       : BL_CONN_CLOSING;
}

struct belay_loop *belay_conn_loop(const struct belay_conn *c)
{
    return c->loop;
}

struct belay_endpoint *belay_conn_endpoint(const struct belay_conn *c)
{
    return c->endpoint;
}

struct belay_stream *belay_conn_stream(const struct belay_conn *c)
{
    return c->stream;
}

void *belay_conn_state(const struct belay_conn *c)
{
    return c->state;
}

void belay_conn_set_state(struct belay_conn *c, void *state)
{
    c->state = state;
}

uint64_t belay_conn_id(const struct belay_conn *c)
{
    return c->id;
}
