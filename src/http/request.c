/* SPDX-License-Identifier: MIT */
/*
 * The life of a request.
 *
 *     call --> WAITING --lease--> RUNNING --ended--> DONE, or the next exchange of a redirect
 *        \------lease at once------^  |
 *                                      failed --> WAITING or RUNNING again (replay), or DONE
 *
 * POSTED is between: what may not be told, or tried again, inside the call that found it.
 * The lease is back before on_done runs, so that a request made there has the connection that this
 * one had.
 */
#include "http/request.h"

#include "base/error.h"
#include "http/replay.h"
#include "keep/pool.h"
#include "net/stream.h"

static void on_task(void *arg);

void bl_request_step(struct belay_http_request *r, enum bl_request_state to, const char *cause)
{
    static const char *const names[] = {
        [BL_REQUEST_SPARE] = NULL,        [BL_REQUEST_WAITING] = "waiting",
        [BL_REQUEST_RUNNING] = "running", [BL_REQUEST_POSTED] = "posted",
        [BL_REQUEST_DONE] = "done",       [BL_REQUEST_GONE] = "cancelled",
    };

    BL_TRACE(r->http->loop, "request", r->id, r->message.target ? r->message.target->name : "",
             names[r->state], names[to], cause);
    r->state = (uint8_t)to;
}

/* ---- making and keeping ---- */

static struct belay_http_request *request_new(struct belay_http *http)
{
    struct bl_list *spare = bl_list_pop_front(&http->spare);
    struct belay_http_request *r;

    if (BL_LIKELY(spare != NULL)) {
        http->spare_n--;
        return BL_LIST_OF(spare, struct belay_http_request, link);
    }
    r = bl_zalloc(&http->loop->mem, sizeof *r);
    if (!r)
        return NULL;
    if (bl_timer_init(&r->timer, http->loop, bl_request_on_timer, r) < 0) {
        bl_free(&http->loop->mem, r);
        return NULL;
    }
    bl_list_init(&r->link);
    r->http = http;
    bl_task_init(&r->task, on_task, r);
    bl_exchange_init(&r->ex, http->loop, &bl_request_exchange_ops, &r->message);
    return r;
}

void bl_request_free(struct belay_http_request *r)
{
    struct belay_loop *loop = r->http->loop;

    bl_timer_fini(&r->timer, loop);
    bl_exchange_fini(&r->ex, loop);
    bl_free(&loop->mem, r);
}

static void spare(struct belay_http_request *r)
{
    struct belay_http *http = r->http;

    if (http->spare_n < BL_SPARE_REQUESTS_MAX && !http->closing) {
        bl_list_push_front(&http->spare, &r->link);
        http->spare_n++;
    } else {
        bl_request_free(r);
    }
}

/* Its memory may serve the next one, unless a callback of its own is still on the stack. */
static void recycle(struct belay_http_request *r)
{
    struct belay_http *http = r->http;

    if (r->calls > 0) {
        bl_request_step(r, BL_REQUEST_GONE, "");
        return;
    }
    bl_request_step(r, BL_REQUEST_SPARE, "");
    bl_list_remove(&r->link);
    bl_timer_stop(&r->timer);
    bl_task_cancel(&r->task);
    if (BL_UNLIKELY(r->ex.piece.data != NULL))
        bl_buf_free(&r->ex.piece, &http->loop->mem);
    bl_request_clear(r);
    spare(r);
    bl_http_less(http);
}

bool bl_request_leave(struct belay_http_request *r)
{
    r->calls--;
    if (BL_LIKELY(r->state != BL_REQUEST_GONE))
        return true;
    recycle(r);
    return false;
}

/* What is not part of the message, as at the start of a request. */
static void reset(struct belay_http_request *r)
{
    r->lease = (struct belay_lease){0};
    r->waiter = NULL;
    r->given = r->again = false;
    r->body_read = r->reused = r->tls_resumed = r->discard = false;
    r->sent = r->sent_before = BELAY_NOT_SENT;
    r->first_byte_at = r->done_at = r->wait_ns = r->connection = 0;
    r->progress = r->window_bytes = 0;
    r->window_at = BELAY_NEVER;
    r->bytes_in = r->bytes_out = 0;
    r->status = r->replays = r->redirects = 0;
    r->major = r->minor = 0;
    r->code = 0;
    bl_exchange_reset(&r->ex);
}

/* ---- getting a connection ---- */

void bl_request_release(struct belay_http_request *r, enum belay_release how)
{
    if (BL_UNLIKELY(r->given))
        bl_request_let_go(r, how);
    else
        belay_lease_release(r->lease, how);
    r->lease = (struct belay_lease){0};
}

void bl_request_stop(struct belay_http_request *r)
{
    enum belay_release how = BELAY_BROKEN;

    if (r->ex.session)
        how = r->ex.session->ops->stop(&r->ex);
    bl_exchange_detach(&r->ex); /* an orphan's task */
    bl_request_release(r, how);
}

/* The connection turns out to be dead, or out of step, before anything is written to it. */
static void drop_dead(struct belay_http_request *r, struct bl_session *session)
{
    const char *name = belay_endpoint_name(r->message.target->endpoint);
    size_t held = bl_stream_held(session->stream);
    struct belay_error error;

    if (held > 0)
        bl_error_set(&error, BELAY_EUNHEALTHY, BELAY_STAGE_USE,
                     "%s sent %zu bytes on an idle connection", name, held);
    else
        bl_error_set(&error, BELAY_EEOF, BELAY_STAGE_USE,
                     "%s: the peer had closed the idle connection", name);
    belay_conn_lost(session->conn, held > 0 ? BELAY_REASON_UNHEALTHY : BELAY_REASON_PEER_CLOSED,
                    &error);
    bl_request_release(r, BELAY_BROKEN);
}

/* Starts on the leased connection. BELAY_EAGAIN: not this one. */
static int use_lease(struct belay_http_request *r)
{
    struct bl_session *session = belay_lease_state(r->lease);
    uint64_t now = bl_now(r->http->loop);
    int rc;

    if (BL_UNLIKELY(r->probe) && session->uses > 0 && !session->ops->probe(session)) {
        drop_dead(r, session);
        return BELAY_EAGAIN;
    }
    r->reused = session->uses > 0;
    r->tls_resumed = session->tls_resumed;
    r->connection = belay_conn_id(session->conn);
    r->ex.bound = r->given;
    rc = session->ops->start(session, &r->ex);
    if (BL_UNLIKELY(rc < 0)) {
        /* What others use goes on; one that takes no more has told its keeper itself. */
        bool spared = r->given || (rc == BELAY_ENOMEM && session->running > 0);

        bl_request_release(r, spared ? BELAY_REUSE : BELAY_BROKEN);
        return rc == BELAY_ERESET || rc == BELAY_ECLOSED ? BELAY_EAGAIN : rc;
    }
    bl_request_step(r, BL_REQUEST_RUNNING, r->reused ? "reused" : "fresh");
    r->sent = BELAY_MAYBE_SENT;
    r->sent_at = now;
    r->wait_ns += now - r->asked_at;
    r->progress = 0;
    r->window_at = BELAY_NEVER;
    if (r->message.body != BL_H1_NO_BODY)
        bl_request_begin_rate(r);
    bl_request_arm(r);
    return 0;
}

static void on_acquired(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct belay_http_request *r = arg;
    struct belay_error own;
    int rc;

    r->waiter = NULL;
    if (error) {
        bl_request_failed(r, error, BELAY_BROKEN);
        return;
    }
    r->lease = lease;
    rc = use_lease(r);
    if (rc == BELAY_EAGAIN)
        rc = bl_request_go(r);
    if (rc == 0)
        return;
    bl_error_set(&own, rc, BELAY_STAGE_QUEUE, "%s", belay_strerror(rc));
    bl_request_failed(r, &own, BELAY_BROKEN);
}

/* Behind all others, or before them. */
static int queue_up(struct belay_http_request *r)
{
    struct belay_peer *peer = r->message.target->peer;
    int rc = r->again ? bl_peer_acquire_again(peer, &r->waiter, on_acquired, r)
                      : belay_peer_acquire(peer, NULL, &r->waiter, on_acquired, r);

    r->again = false;
    if (rc < 0)
        return rc;
    bl_request_step(r, BL_REQUEST_WAITING, "");
    bl_request_arm(r);
    return 0;
}

int bl_request_go(struct belay_http_request *r)
{
    struct belay_peer *peer = r->message.target->peer;
    int rc;

    r->asked_at = bl_now_fresh(r->http->loop);
    if (BL_UNLIKELY(r->given)) {
        rc = use_lease(r);
        return rc == BELAY_EAGAIN ? BELAY_ESTALE : rc; /* it is dead, and its keeper knows */
    }
    if (BL_UNLIKELY(r->again))
        return queue_up(r);
    do {
        rc = belay_peer_try_acquire(peer, &r->lease);
        if (rc == 0)
            rc = use_lease(r);
        else if (rc == BELAY_EAGAIN)
            break;
    } while (rc == BELAY_EAGAIN); /* a dead one is not lent again */
    return BL_LIKELY(rc != BELAY_EAGAIN) ? rc : queue_up(r);
}

static void post(struct belay_http_request *r, int code)
{
    bl_request_step(r, BL_REQUEST_POSTED, code ? belay_error_name(code) : "again");
    r->code = code;
    bl_task_post(r->http->loop, &r->task);
}

void bl_request_go_later(struct belay_http_request *r)
{
    post(r, 0);
}

void bl_request_given_back(struct belay_http_request *r)
{
    bl_request_release(r, BELAY_REUSE);
    r->sent = BELAY_NOT_SENT;
    r->again = true;
    post(r, 0);
}

void bl_request_fail_later(struct belay_http_request *r, int code)
{
    if (r->state == BL_REQUEST_WAITING)
        belay_waiter_cancel(r->waiter);
    r->waiter = NULL;
    if (r->state == BL_REQUEST_RUNNING) {
        r->sent = r->ex.session ? r->ex.session->ops->sent(&r->ex) : r->sent;
        bl_request_stop(r);
    }
    if (r->state == BL_REQUEST_WAITING || r->state == BL_REQUEST_RUNNING ||
        r->state == BL_REQUEST_POSTED)
        post(r, code);
}

static void on_task(void *arg)
{
    struct belay_http_request *r = arg;
    struct belay_error error;
    int rc = r->code;

    if (rc == 0)
        rc = bl_request_go(r);
    if (rc == 0)
        return;
    bl_error_set(&error, rc, r->sent == BELAY_NOT_SENT ? BELAY_STAGE_QUEUE : BELAY_STAGE_USE, "%s",
                 belay_strerror(rc));
    error.sent = r->sent;
    bl_request_finish(r, &error);
}

/* ---- its end ---- */

/* That a later attempt did not leave does not bring an earlier one back. */
static enum belay_sent all_sent(const struct belay_http_request *r, enum belay_sent now)
{
    return now > r->sent_before ? now : r->sent_before;
}

void bl_request_finish(struct belay_http_request *r, const struct belay_error *error)
{
    struct belay_error told;

    if (BL_UNLIKELY(error != NULL)) {
        told = *error;
        told.sent = all_sent(r, told.sent);
        if (r->status) /* else it is the proxy's, if anybody's */
            told.status = r->status;
        bl_error_prefix(&told, "%.*s %.160s", (int)r->message.method.len, r->message.method.data,
                        r->message.target->name);
        r->sent = told.sent;
    } else {
        r->sent = BELAY_ANSWERED;
    }
    r->done_at = bl_now(r->http->loop);
    r->bytes_in += r->ex.body_in;
    r->bytes_out += r->ex.body_out;
    r->ex.body_in = r->ex.body_out = 0;
    bl_request_step(r, BL_REQUEST_DONE, error ? belay_error_name(error->code) : "");
    bl_timer_stop(&r->timer);
    if (BL_LIKELY(r->callbacks->on_done != NULL)) {
        bl_request_enter(r);
        r->callbacks->on_done(r, error ? &told : NULL, r->arg);
        r->calls--;
    }
    recycle(r);
}

static bool body_again(const struct belay_http_request *r)
{
    return !r->read_body || !r->body_read || r->rewind_body;
}

static bool may_replay(const struct belay_http_request *r, const struct belay_error *error)
{
    const struct bl_replay_facts facts = {
        .error = error,
        .idempotent = bl_method_is_idempotent(r->message.method),
        .unsafe = r->unsafe_replay,
        .body_again = body_again(r),
        .replays = r->replays,
        .max = r->http->options.max_replays,
    };

    return !r->http->closing && !r->given && bl_replay_allowed(&facts);
}

void bl_request_failed(struct belay_http_request *r, const struct belay_error *error,
                       enum belay_release how)
{
    int rc = 0;

    if (r->state == BL_REQUEST_RUNNING)
        bl_request_release(r, how);
    if (!may_replay(r, error)) {
        bl_request_finish(r, error);
        return;
    }
    bl_request_step(r, BL_REQUEST_POSTED, belay_error_name(error->code));
    if (r->body_read) {
        bl_request_enter(r);
        rc = r->rewind_body(r->body_arg);
        if (!bl_request_leave(r))
            return;
        r->body_read = false;
    }
    if (rc < 0) {
        bl_request_finish(r, error);
        return;
    }
    r->replays++;
    r->sent_before = all_sent(r, error->sent);
    r->probe = true;
    r->bytes_in += r->ex.body_in;
    r->bytes_out += r->ex.body_out;
    bl_exchange_reset(&r->ex);
    bl_request_go_later(r);
}

void bl_request_abort(struct belay_http_request *r, struct belay_error *error)
{
    struct bl_session *session = r->ex.session;
    enum belay_release how = BELAY_BROKEN;

    if (r->state == BL_REQUEST_WAITING)
        belay_waiter_cancel(r->waiter);
    r->waiter = NULL;
    if (r->state == BL_REQUEST_RUNNING) {
        if (session) {
            error->sent = session->ops->sent(&r->ex);
            if (error->code == BELAY_ETIMEDOUT && session->ops->doubt)
                session->ops->doubt(&r->ex, r->ex.active_at);
            how = session->ops->stop(&r->ex);
            if (how == BELAY_BROKEN && error->kind != BELAY_KIND_CANCELLED)
                belay_conn_lost(session->conn, BELAY_REASON_ERROR, error);
        }
        bl_exchange_detach(&r->ex); /* an orphan's task */
        bl_request_release(r, how);
    }
    bl_request_finish(r, error);
}

/* ---- what the caller calls ---- */

int belay_http_request(struct belay_http *http, const struct belay_http_request_options *options,
                       void *arg, struct belay_http_request **ret_request,
                       struct belay_error *error)
{
    struct belay_http_request *r;
    int rc;

    if (BL_UNLIKELY(http->closing || http->draining))
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "making a request: the client is closed");
    r = request_new(http);
    if (!r)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                            "making a request: out of memory");
    reset(r);
    rc = bl_request_make(r, options, error);
    if (rc < 0) {
        spare(r);
        return rc;
    }
    r->arg = arg;
    r->id = ++http->loop->next_id;
    r->started_at = bl_now_fresh(http->loop);
    rc = bl_request_go(r);
    if (rc < 0) {
        BL_ASSERT(r->state == BL_REQUEST_SPARE);
        bl_request_clear(r);
        spare(r);
        return bl_error_set(error, rc, BELAY_STAGE_QUEUE, "making a request: %s",
                            belay_strerror(rc));
    }
    bl_list_push_back(&http->requests, &r->link);
    if (ret_request)
        *ret_request = r;
    return 0;
}

void belay_http_request_cancel(struct belay_http_request *r)
{
    if (!r || r->state == BL_REQUEST_DONE || r->state == BL_REQUEST_GONE)
        return;
    if (r->state == BL_REQUEST_WAITING)
        belay_waiter_cancel(r->waiter);
    if (r->state == BL_REQUEST_RUNNING) {
        bl_request_stop(r);
    }
    bl_task_cancel(&r->task);
    recycle(r);
}

void belay_http_request_resume(struct belay_http_request *r)
{
    if (r->state != BL_REQUEST_RUNNING || !r->ex.session || !r->ex.paused)
        return;
    r->ex.session->ops->resume(&r->ex);
    if (r->first_byte_at) /* the time of the pause was the caller's */
        bl_request_begin_rate(r);
    bl_request_arm(r);
}

void belay_http_request_body_ready(struct belay_http_request *r)
{
    if (r->state == BL_REQUEST_RUNNING && r->ex.session && r->ex.starved)
        r->ex.session->ops->body_ready(&r->ex);
}

int belay_http_request_take(struct belay_http_request *r, struct belay_stream **ret_stream)
{
    struct bl_session *session = r->ex.session;
    int rc;

    if (r->state != BL_REQUEST_RUNNING || !session || r->status != 101 || r->calls == 0 ||
        !session->ops->leave)
        return BELAY_EINVAL;
    if (!belay_lease_valid(r->lease))
        return BELAY_ECLOSED;
    session->ops->leave(&r->ex);
    rc = belay_lease_take(r->lease, ret_stream);
    BL_ASSERT(rc == 0);
    r->lease = (struct belay_lease){0};
    return 0;
}

void belay_http_request_facts(const struct belay_http_request *r, struct belay_http_facts *facts)
{
    uint64_t end = r->done_at ? r->done_at : bl_now(r->http->loop);
    struct belay_http_facts f = {
        .status = r->status,
        .replays = r->replays,
        .redirects = r->redirects,
        .reused = r->reused,
        .tls_resumed = r->tls_resumed,
        .connection = r->connection,
        .bytes_in = r->bytes_in + r->ex.body_in,
        .bytes_out = r->bytes_out + r->ex.body_out,
        .wait_us = (int64_t)(r->wait_ns / 1000),
        .first_byte_us = r->first_byte_at ? (int64_t)((r->first_byte_at - r->sent_at) / 1000) : 0,
        .total_us = (int64_t)((end - r->started_at) / 1000),
        .url = r->message.target->url,
        .sent = r->sent,
        .major = r->major,
        .minor = r->minor,
        .h2_error = r->ex.h2_error,
    };
    size_t size = facts->size < sizeof f ? facts->size : sizeof f;

    if (r->state == BL_REQUEST_RUNNING && r->ex.session)
        f.sent = all_sent(r, r->ex.session->ops->sent(&r->ex));
    memcpy(facts, &f, size);
    memcpy(facts, &size, sizeof size);
}
