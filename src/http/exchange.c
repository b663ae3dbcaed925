/* SPDX-License-Identifier: MIT */
/* An exchange between its request and its session: attached, detached, orphaned. */
#include "base/error.h"
#include "http/session.h"

static void tell_orphan(struct bl_exchange *ex)
{
    struct belay_error error;

    bl_error_set(&error, BELAY_ECLOSED, BELAY_STAGE_USE, "the connection was closed here");
    error.sent = ex->orphan_sent;
    ex->ops->failed(ex, &error, BELAY_BROKEN);
}

static void run(void *arg)
{
    struct bl_exchange *ex = arg;

    if (ex->session)
        ex->session->ops->run(ex);
    else
        tell_orphan(ex);
}

void bl_exchange_init(struct bl_exchange *ex, struct belay_loop *loop,
                      const struct bl_exchange_ops *ops, const struct bl_message *message)
{
    memset(ex, 0, sizeof *ex);
    ex->ops = ops;
    ex->message = message;
    bl_task_init(&ex->task, run, ex);
    bl_h1_parser_init(&ex->h1, &loop->mem);
}

void bl_exchange_fini(struct bl_exchange *ex, struct belay_loop *loop)
{
    bl_task_cancel(&ex->task);
    bl_buf_free(&ex->piece, &loop->mem);
    bl_h1_parser_fini(&ex->h1);
}

void bl_exchange_reset(struct bl_exchange *ex)
{
    ex->body_in = ex->body_out = 0;
    ex->informational_n = 0;
    ex->h2_error = -1;
    ex->answered = ex->responded = false;
    ex->body_sent = ex->body_stopped = ex->body_ended = false;
    ex->full = ex->starved = ex->awaits_continue = false;
    ex->paused = ex->go_on = ex->pump = false;
    bl_buf_clear(&ex->piece);
}

void bl_exchange_attach(struct bl_exchange *ex, struct bl_session *session)
{
    ex->session = session;
    session->running++;
    session->uses++;
}

void bl_exchange_detach(struct bl_exchange *ex)
{
    struct bl_session *session = ex->session;

    bl_task_cancel(&ex->task);
    ex->session = NULL;
    if (!session)
        return;
    session->running--;
    session->ops->detached(session, ex);
}

void bl_exchange_orphan(struct bl_exchange *ex)
{
    struct belay_loop *loop = belay_conn_loop(ex->session->conn);

    ex->orphan_sent = ex->session->ops->sent(ex);
    bl_exchange_detach(ex);
    bl_task_post(loop, &ex->task);
}
