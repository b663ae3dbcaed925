/* SPDX-License-Identifier: MIT */
/*
 * One connection: dials or lets its connector dial, starts the session, passes facts up, ends it.
 *
 *     NEW --> DIALING --> SESSION --> OPEN --> ENDING --> SHUTTING --> DONE
 *
 * form 2 has no DIALING; a dial that fails goes to DONE, a session that fails to SHUTTING; one that
 * is cancelled, or out of time, to ENDING. ENDING waits for the connector, SHUTTING for the stream.
 *
 * What is told at the end is one of `failed` (it never came up and nobody closed it) and `closed`.
 * Up-calls that come out of their phase are ignored: a connector that answers late does no harm.
 */
#include <stdio.h>

#include "base/error.h"
#include "conn/conn_parts.h"
#include "conn/describe.h"
#include "conn/endpoint.h"
#include "conn/error_copy.h"
#include "conn/thread_loan.h"

static const char *const phase_name[BL_PHASES_N] = {"new",    "dialing",  "starting", "open",
                                                    "ending", "shutting", "closed"};

static const bool legal[BL_PHASES_N][BL_PHASES_N] = {
    [BL_PHASE_NEW] = {[BL_PHASE_DIALING] = true, [BL_PHASE_SESSION] = true, [BL_PHASE_DONE] = true},
    [BL_PHASE_DIALING] = {[BL_PHASE_SESSION] = true, [BL_PHASE_DONE] = true},
    [BL_PHASE_SESSION] =
        {[BL_PHASE_OPEN] = true, [BL_PHASE_ENDING] = true, [BL_PHASE_SHUTTING] = true},
    [BL_PHASE_OPEN] = {[BL_PHASE_ENDING] = true},
    [BL_PHASE_ENDING] = {[BL_PHASE_SHUTTING] = true},
    [BL_PHASE_SHUTTING] = {[BL_PHASE_DONE] = true},
};

/* What waits to be told to the keeper. */
enum { TELL_OPENED = 1, TELL_CHANGED = 2, TELL_CHECKED = 4, TELL_END = 8, TELL_IDLE = 16 };

static void run_task(void *arg);
static void on_timer(void *arg);
static void shut(struct belay_conn *c);
static void cut(struct belay_conn *c);
static void end(struct belay_conn *c, void (*down)(struct belay_conn *, void *));

static void step(struct belay_conn *c, enum bl_conn_phase to, const char *cause)
{
    BL_ASSERT(legal[c->phase][to]);
    BL_TRACE(c->loop, "conn", c->id, belay_endpoint_name(c->endpoint), phase_name[c->phase],
             phase_name[to], cause);
    c->phase = (uint8_t)to;
}

static void tell(struct belay_conn *c, unsigned what)
{
    c->tell |= (uint8_t)what;
    bl_task_post(c->loop, &c->task);
}

static void finish(struct belay_conn *c, const char *cause)
{
    step(c, BL_PHASE_DONE, cause);
    c->tell = 0;
    tell(c, TELL_END);
}

/* ---- opening ---- */

int bl_conn_open(struct belay_loop *loop, struct belay_endpoint *endpoint,
                 const struct belay_connector *connector, const struct belay_dial_options *dial,
                 bool fresh, const struct bl_conn_keeper_ops *ops, void *keeper, size_t extra,
                 struct belay_conn **ret)
{
    struct belay_conn *c = bl_zalloc(&loop->mem, sizeof *c + extra);

    if (!c)
        return BELAY_ENOMEM;
    if (bl_timer_init(&c->timer, loop, on_timer, c) < 0) {
        bl_free(&loop->mem, c);
        return BELAY_ENOMEM;
    }
    c->loop = loop;
    c->endpoint = belay_endpoint_ref(endpoint);
    c->connector = connector;
    c->dial_options = dial;
    c->keeper_ops = ops;
    c->keeper = keeper;
    c->id = ++loop->next_id;
    c->fresh = fresh;
    c->phase = BL_PHASE_NEW;
    bl_task_init(&c->task, run_task, c);
    bl_task_post(loop, &c->task);
    BL_TRACE(loop, "conn", c->id, belay_endpoint_name(endpoint), NULL, phase_name[BL_PHASE_NEW],
             "");
    *ret = c;
    return 0;
}

static void limit(struct belay_conn *c, int64_t ms)
{
    bl_timer_at(&c->timer, c->loop, bl_after_ms(bl_now_fresh(c->loop), ms));
}

/* It did not come up. */
static void fail(struct belay_conn *c, const struct belay_error *error)
{
    bl_error_copy_set(&c->error, &c->loop->mem, error);
    if (!error)
        c->error.stage = BELAY_STAGE_PROTOCOL;
    bl_timer_stop(&c->timer);
    bl_conn_let_go(c);
    if (c->phase == BL_PHASE_SESSION)
        shut(c);
    else
        finish(c, belay_error_name(c->error.code));
}

/* The session that was starting will not come up, and its connector does not know yet. */
static void give_up(struct belay_conn *c, const struct belay_error *error, const char *cause)
{
    bl_error_copy_set(&c->error, &c->loop->mem, error);
    step(c, BL_PHASE_ENDING, cause);
    end(c, bl_conn_ops(c)->cancel);
}

static void on_gone(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct belay_conn *c = arg;
    struct belay_error told;

    (void)stream;
    if (c->phase != BL_PHASE_SESSION) {
        belay_conn_lost(c, BELAY_REASON_NONE, error);
        return;
    }
    told = *error;
    told.stage = BELAY_STAGE_PROTOCOL;
    give_up(c, &told, belay_error_name(error->code));
}

static void start_session(struct belay_conn *c)
{
    step(c, BL_PHASE_SESSION, "");
    if (bl_conn_is_plain(c)) {
        belay_conn_open_done(c, NULL, 1);
        return;
    }
    limit(c, c->dial_options->session_timeout_ms);
    if (bl_conn_ops(c)->session_open)
        bl_conn_ops(c)->session_open(c, c->stream, c->connector->arg);
    else
        bl_conn_ops(c)->open(c, c->endpoint, c->connector->arg);
}

static void on_dialled(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct belay_conn *c = arg;

    c->dial = NULL;
    if (error) {
        fail(c, error);
        return;
    }
    c->stream = stream;
    bl_stream_set_gone(stream, on_gone, c);
    start_session(c);
}

/* Whether there is more to it than dialling the target. */
static bool is_led(const struct bl_dial_plan *plan)
{
    for (size_t i = 0; i < plan->routes_n; i++)
        if (plan->routes[i].hops_n)
            return true;
    return plan->proxy_protocol != BELAY_PROXY_PROTOCOL_NONE;
}

static void begin(struct belay_conn *c)
{
    const struct belay_dial_options *o = c->dial_options;
    struct bl_dial_plan plan;
    struct belay_error error;
    int rc;

    bl_endpoint_plan(c->endpoint, &plan);
    if (c->alpn) {
        plan.alpn = c->alpn;
        plan.alpn_len = c->alpn_len;
    }
    if (!bl_conn_ops(c)->open && belay_endpoint_address(c->endpoint)) {
        bl_error_set(&error, BELAY_ENOTSUP, BELAY_STAGE_CONNECT,
                     "connecting to %s: an address of the caller's own needs a connector that "
                     "dials by itself",
                     belay_endpoint_name(c->endpoint));
        fail(c, &error);
        return;
    }
    if (bl_conn_ops(c)->open && is_led(&plan)) {
        bl_error_set(&error, BELAY_ENOTSUP, BELAY_STAGE_PROXY,
                     "connecting to %s: a connector that dials by itself cannot be led by a proxy",
                     belay_endpoint_name(c->endpoint));
        fail(c, &error);
        return;
    }
    if (bl_conn_ops(c)->open) {
        start_session(c);
        return;
    }
    plan.fresh = c->fresh;
    plan.resolve_timeout_ms = o->resolve_timeout_ms;
    plan.connect_timeout_ms = o->connect_timeout_ms;
    plan.tls_timeout_ms = o->tls_timeout_ms;
    plan.dial_timeout_ms = o->dial_timeout_ms;
    plan.proxy_timeout_ms = o->proxy_timeout_ms;
    plan.race_delay_ms = o->race_delay_ms;
    plan.stream = bl_dial_stream_options(o);
    step(c, BL_PHASE_DIALING, "");
    rc = bl_dial_start(c->loop, &plan, on_dialled, c, &c->dial);
    if (rc < 0) {
        bl_error_set(&error, rc, BELAY_STAGE_RESOLVE, "connecting to %s: %s", plan.target,
                     belay_strerror(rc));
        fail(c, &error);
    }
}

void bl_conn_describe_limit(struct belay_conn *c, int64_t limit_ms, struct belay_error *error,
                            struct belay_tried tried[BL_RACE_MAX])
{
    if (c->dial)
        bl_dial_describe_limit(c->dial, limit_ms, error, tried);
    else
        bl_error_set(error, BELAY_ETIMEDOUT, BELAY_STAGE_PROTOCOL,
                     "starting %s with %s: no result within %lld ms",
                     bl_conn_ops(c)->name ? bl_conn_ops(c)->name : "a session",
                     belay_endpoint_name(c->endpoint), (long long)limit_ms);
}

static void on_timer(void *arg)
{
    struct belay_conn *c = arg;
    struct belay_error error;

    switch ((enum bl_conn_phase)c->phase) {
    case BL_PHASE_SESSION:
        bl_conn_describe_limit(c, c->dial_options->session_timeout_ms, &error, NULL);
        give_up(c, &error, "limit");
        break;
    case BL_PHASE_ENDING:
        cut(c);
        break;
    case BL_PHASE_OPEN:
        if (c->keeper_ops->due)
            c->keeper_ops->due(c, c->keeper);
        break;
    default:
        break;
    }
}

/* ---- ending ---- */

static void on_stream_closed(void *arg)
{
    struct belay_conn *c = arg;

    c->stream = NULL;
    c->cut = false;
    if (c->phase == BL_PHASE_SHUTTING)
        finish(c, belay_reason_name(c->reason));
}

/* The connector takes too long to end: the stream is closed under it. It is still waited for, as it
 * may hold on to the connection. */
static void cut(struct belay_conn *c)
{
    struct belay_stream *stream = c->stream;

    if (!stream)
        return;
    c->stream = NULL;
    c->cut = true;
    bl_stream_set_gone(stream, NULL, NULL);
    belay_stream_close(stream, 0, on_stream_closed, c);
}

/* The connector is done with it; now the stream. A stream that failed or never served is not
 * flushed. */
static void shut(struct belay_conn *c)
{
    bool flush = c->closing && !c->facts.lost;

    bl_timer_stop(&c->timer);
    step(c, BL_PHASE_SHUTTING, belay_reason_name(c->reason));
    if (c->cut)
        return; /* on_stream_closed finishes */
    if (!c->stream) {
        finish(c, belay_reason_name(c->reason));
        return;
    }
    bl_stream_set_gone(c->stream, NULL, NULL);
    belay_stream_close(c->stream, flush ? c->dial_options->close_timeout_ms : 0, on_stream_closed,
                       c);
}

/* Asks the connector to end what it has begun; form 1 within a limit, as the stream can be taken
 * from it. */
static void end(struct belay_conn *c, void (*down)(struct belay_conn *, void *))
{
    if (c->stream)
        limit(c, c->dial_options->close_timeout_ms);
    else
        bl_timer_stop(&c->timer);
    bl_conn_let_go(c);
    if (down)
        down(c, c->connector->arg);
    else
        belay_conn_closed(c);
}

static void close_down(struct belay_conn *c, void *arg)
{
    bl_conn_ops(c)->close(c, (enum belay_reason)c->reason, arg);
}

static void close_open(struct belay_conn *c)
{
    step(c, BL_PHASE_ENDING, belay_reason_name(c->reason));
    end(c, bl_conn_ops(c)->close ? close_down : NULL);
}

/* Threads that have it may be using it until they give it back. */
void bl_conn_loan_ended(struct belay_conn *c)
{
    if (c->closing && c->phase == BL_PHASE_OPEN && !bl_thread_loans_out(c))
        close_open(c);
}

void bl_conn_close(struct belay_conn *c, enum belay_reason reason)
{
    if (c->closing || c->phase == BL_PHASE_DONE) {
        c->closing = true; /* the end is told already or soon, and then as `closed` */
        return;
    }
    c->closing = true;
    c->reason = (uint8_t)reason;
    c->tell = 0;
    bl_task_cancel(&c->task);
    switch ((enum bl_conn_phase)c->phase) {
    case BL_PHASE_NEW:
        finish(c, belay_reason_name(reason));
        break;
    case BL_PHASE_DIALING:
        if (c->dial)
            bl_dial_cancel(c->dial);
        c->dial = NULL;
        finish(c, belay_reason_name(reason));
        break;
    case BL_PHASE_SESSION:
        step(c, BL_PHASE_ENDING, belay_reason_name(reason));
        end(c, bl_conn_ops(c)->cancel);
        break;
    case BL_PHASE_OPEN:
        if (!bl_thread_loans_revoke(c)) {
            close_open(c);
            break;
        }
        bl_timer_stop(&c->timer);
        bl_conn_watch(c);
        break;
    case BL_PHASE_ENDING:
    case BL_PHASE_SHUTTING:
    case BL_PHASE_DONE:
    case BL_PHASES_N:
        break;
    }
}

void bl_conn_free(struct belay_conn *c)
{
    struct belay_loop *loop = c->loop;

    BL_ASSERT(c->phase == BL_PHASE_DONE);
    BL_TRACE(loop, "conn", c->id, belay_endpoint_name(c->endpoint), phase_name[BL_PHASE_DONE], NULL,
             "");
    bl_task_cancel(&c->task);
    bl_timer_fini(&c->timer, loop);
    bl_error_copy_clear(&c->error, &loop->mem);
    bl_conn_more_free(c);
    belay_endpoint_unref(c->endpoint);
    bl_free(&loop->mem, c);
}

struct belay_stream *bl_conn_take(struct belay_conn *c)
{
    struct belay_stream *stream = c->stream;

    if (!stream)
        return NULL;
    bl_conn_let_go(c);
    c->stream = NULL;
    c->taken = true;
    bl_stream_set_gone(stream, NULL, NULL);
    belay_stream_set_callbacks(stream, NULL, NULL);
    return stream;
}

/* ---- telling the keeper ---- */

static void tell_end(struct belay_conn *c)
{
    struct belay_error scratch;

    if (c->closing)
        c->keeper_ops->closed(c, c->keeper);
    else
        c->keeper_ops->failed(c, bl_error_copy_get(&c->error, &scratch, c->endpoint), c->keeper);
}

/* The keeper may close or, at the end, free it: nothing is touched after the last call. */
static void run_task(void *arg)
{
    struct belay_conn *c = arg;
    unsigned what = c->tell;
    struct belay_error scratch;

    if (c->phase == BL_PHASE_NEW) {
        begin(c);
        return;
    }
    c->tell = 0;
    if (what & TELL_END) {
        tell_end(c);
        return;
    }
    if (what & TELL_OPENED) {
        c->opened = true;
        c->keeper_ops->opened(c, c->keeper);
        if (bl_conn_is_plain(c) && !c->closing)
            tell(c, TELL_IDLE); /* but first the keeper's task, which may lend it: what the peer
                                   says first, perhaps with the end of the handshake, is held */
    }
    if ((what & TELL_IDLE) && c->users == 0 && c->phase == BL_PHASE_OPEN && c->stream)
        bl_conn_guard_plain(c);
    if ((what & TELL_CHECKED) && !c->closing)
        c->keeper_ops->checked(c, c->check_result, c->keeper);
    if (what & (TELL_OPENED | TELL_CHECKED))
        bl_conn_watch(c);
    if ((what & TELL_CHANGED) && !c->closing)
        c->keeper_ops->changed(
            c, c->facts.lost ? bl_error_copy_get(&c->error, &scratch, c->endpoint) : NULL,
            c->keeper);
}

/* ---- up-calls ---- */

/* What a connector did not say: the stage is that in which it was asked, the code a plain one. */
static const struct belay_error *complete(const struct belay_conn *c,
                                          const struct belay_error *error, enum belay_stage stage,
                                          struct belay_error *scratch)
{
    bool staged = error->stage > BELAY_STAGE_NONE && error->stage < BELAY_STAGES_N;

    if (staged && error->code < 0 && error->text[0])
        return error;
    *scratch = *error;
    if (!staged)
        scratch->stage = stage;
    if (error->code >= 0) {
        scratch->code = BELAY_ECONNECT;
        scratch->kind = BELAY_KIND_NONE;
    }
    if (!error->text[0])
        snprintf(scratch->text, sizeof scratch->text, "%s: %s", belay_endpoint_name(c->endpoint),
                 scratch->os_error ? bl_errno_text(scratch->os_error)
                                   : belay_strerror(scratch->code));
    return scratch;
}

void belay_conn_open_done(struct belay_conn *c, void *state, int capacity)
{
    char words[BL_DESCRIBE_MAX];

    if (!bl_conn_listens(c, BL_PHASE_SESSION))
        return;
    bl_timer_stop(&c->timer);
    c->state = state;
    c->facts.capacity = capacity < 0 ? 0 : capacity;
    step(c, BL_PHASE_OPEN, c->loop->on_trace ? bl_describe(c->stream, words) : "");
    tell(c, TELL_OPENED);
}

void belay_conn_open_failed(struct belay_conn *c, const struct belay_error *error)
{
    struct belay_error told;

    if (!bl_conn_listens(c, BL_PHASE_SESSION))
        return;
    fail(c, error ? complete(c, error, BELAY_STAGE_PROTOCOL, &told) : NULL);
}

void belay_conn_set_capacity(struct belay_conn *c, int capacity)
{
    if (capacity < 0)
        capacity = 0;
    if (!bl_conn_listens(c, BL_PHASE_OPEN) || c->facts.capacity == capacity)
        return;
    c->facts.capacity = capacity;
    tell(c, TELL_CHANGED);
}

void belay_conn_draining(struct belay_conn *c)
{
    if (!bl_conn_listens(c, BL_PHASE_OPEN) || c->facts.draining)
        return;
    c->facts.draining = true;
    tell(c, TELL_CHANGED);
}

void belay_conn_suspect(struct belay_conn *c)
{
    if (!bl_conn_listens(c, BL_PHASE_OPEN) || c->facts.suspect)
        return;
    c->facts.suspect = true;
    bl_conn_watch(c);
    tell(c, TELL_CHANGED);
}

void belay_conn_lost(struct belay_conn *c, enum belay_reason reason,
                     const struct belay_error *error)
{
    struct belay_error told;

    if (c->phase == BL_PHASE_SESSION) { /* it never was */
        belay_conn_open_failed(c, error);
        return;
    }
    if (!bl_conn_listens(c, BL_PHASE_OPEN) || c->facts.lost || c->taken)
        return;
    if (reason == BELAY_REASON_NONE)
        reason =
            !error || error->code == BELAY_EEOF ? BELAY_REASON_PEER_CLOSED : BELAY_REASON_ERROR;
    c->facts.lost = true;
    c->facts.lost_reason = (uint8_t)reason;
    bl_error_copy_set(&c->error, &c->loop->mem,
                      error ? complete(c, error, BELAY_STAGE_USE, &told) : NULL);
    bl_conn_watch(c);
    tell(c, TELL_CHANGED);
}

void belay_conn_checked(struct belay_conn *c, int result)
{
    if (!bl_conn_listens(c, BL_PHASE_OPEN))
        return;
    c->checking = false;
    c->check_result = result;
    if (result == 0)
        c->facts.suspect = false;
    tell(c, TELL_CHECKED);
}

void belay_conn_closed(struct belay_conn *c)
{
    if (bl_conn_listens(c, BL_PHASE_ENDING))
        shut(c);
}
