/* SPDX-License-Identifier: MIT */
/*
 * The life of a call.
 *
 * A call is in exactly one state. It takes itself out of its home's list, and lets go of its attempt,
 * whenever it leaves WAITING or RUNNING: so whatever ends it (a status, the deadline, cancel, the
 * home) does the same few things in the same order: leave the attempt, leave the home, tell.
 */
#include "grpc/rpc.h"

#include "base/error.h"

static void on_task(void *arg);
static void on_timer(void *arg);

void bl_rpc_step(struct belay_rpc *rpc, enum bl_rpc_state to, const char *cause)
{
    static const char *const names[] = {
        [BL_RPC_NEW] = "new",         [BL_RPC_WAITING] = "waiting",
        [BL_RPC_RUNNING] = "running", [BL_RPC_BACKING_OFF] = "backing off",
        [BL_RPC_POSTED] = "posted",   [BL_RPC_DONE] = "done",
        [BL_RPC_GONE] = "cancelled",
    };

    BL_TRACE(rpc->loop, "rpc", rpc->id, rpc->method, names[rpc->state], names[to], cause);
    rpc->state = (uint8_t)to;
}

/* ---- its memory ---- */

static void rpc_free(struct belay_rpc *rpc)
{
    struct bl_mem *mem = &rpc->loop->brief;

    bl_timer_fini(&rpc->timer, rpc->loop);
    bl_task_cancel(&rpc->task);
    bl_rpc_receive_reset(rpc);
    bl_rpc_fields_free(&rpc->metadata, mem);
    bl_rpc_fields_wipe(&rpc->credentials);
    bl_rpc_fields_free(&rpc->credentials, mem);
    bl_buf_free(&rpc->head, mem);
    bl_buf_free(&rpc->out, mem);
    bl_buf_free(&rpc->response, mem);
    if (rpc->authority)
        bl_free(mem, rpc->authority);
    bl_free(mem, rpc);
}

/* Nobody of the user's may use it any more; who has it on the stack, or owes it credentials, does. */
static void dispose(struct belay_rpc *rpc)
{
    if (rpc->calls == 0 && !rpc->asked)
        rpc_free(rpc);
}

void bl_rpc_enter(struct belay_rpc *rpc)
{
    rpc->calls++;
}

bool bl_rpc_leave(struct belay_rpc *rpc)
{
    bool running = rpc->state == BL_RPC_RUNNING;

    rpc->calls--;
    if (rpc->state == BL_RPC_GONE)
        dispose(rpc);
    return running;
}

/* ---- what ends it ---- */

/* Its attempt goes, if there is one. */
static void drop_attempt(struct belay_rpc *rpc)
{
    struct belay_http_request *request = rpc->request;

    if (rpc->state != BL_RPC_RUNNING)
        return;
    rpc->request = NULL;
    belay_http_request_cancel(request);
    rpc->home->ops->freed(rpc);
}

/* It is in no list, on no connection, and waits for no time. */
static void withdraw(struct belay_rpc *rpc)
{
    drop_attempt(rpc);
    bl_list_remove(&rpc->link);
    bl_timer_stop(&rpc->timer);
    bl_task_cancel(&rpc->task);
}

static void leave_home(struct belay_rpc *rpc)
{
    struct bl_rpc_home *home = rpc->home;

    home->ops->left(rpc);
    rpc->home = NULL;
}

/* Last: it is gone afterwards. */
static void tell(struct belay_rpc *rpc)
{
    struct belay_rpc_result result;

    withdraw(rpc);
    bl_rpc_step(rpc, BL_RPC_DONE, belay_grpc_status_name(rpc->status));
    leave_home(rpc);
    bl_rpc_fill_result(rpc, &result);
    bl_rpc_enter(rpc);
    rpc->callbacks.on_done(rpc, &result, rpc->arg);
    bl_rpc_step(rpc, BL_RPC_GONE, "told");
    bl_rpc_leave(rpc);
}

/* What became of it until now. */
static enum belay_sent sent_so_far(const struct belay_rpc *rpc)
{
    struct belay_http_facts facts = belay_http_facts_init();

    if (rpc->state == BL_RPC_RUNNING)
        belay_http_request_facts(rpc->request, &facts);
    return rpc->previous > 0 && facts.sent == BELAY_NOT_SENT ? BELAY_MAYBE_SENT : facts.sent;
}

void bl_rpc_fail(struct belay_rpc *rpc, int status, const struct belay_error *error)
{
    enum belay_sent sent;

    if (rpc->state >= BL_RPC_POSTED)
        return;
    sent = sent_so_far(rpc);
    withdraw(rpc);
    bl_rpc_set_error(rpc, status, error);
    if (sent > rpc->error.sent)
        rpc->error.sent = sent;
    bl_rpc_step(rpc, BL_RPC_POSTED, belay_error_name(error->code));
    bl_task_post(rpc->loop, &rpc->task);
}

void belay_rpc_cancel(struct belay_rpc *rpc)
{
    if (!rpc || rpc->state >= BL_RPC_DONE)
        return;
    withdraw(rpc);
    bl_rpc_step(rpc, BL_RPC_GONE, "");
    leave_home(rpc);
    dispose(rpc);
}

/* ---- attempts ---- */

static void want(struct belay_rpc *rpc)
{
    bl_rpc_step(rpc, BL_RPC_WAITING, "");
    rpc->home->ops->want(rpc);
}

static void arm(struct belay_rpc *rpc)
{
    uint64_t at = rpc->deadline;

    if (rpc->state == BL_RPC_BACKING_OFF && rpc->again_at < at)
        at = rpc->again_at;
    bl_timer_at(&rpc->timer, rpc->loop, at);
}

/* With new credentials, as what failed may have been the old ones. */
static void begin(struct belay_rpc *rpc)
{
    if (!rpc->home->options->credentials) {
        want(rpc);
        return;
    }
    bl_rpc_fields_wipe(&rpc->credentials);
    bl_rpc_fields_clear(&rpc->credentials);
    rpc->mark = 0;
    bl_rpc_step(rpc, BL_RPC_NEW, "");
    bl_task_post(rpc->loop, &rpc->task);
}

static void try_again(struct belay_rpc *rpc, int64_t delay_ms, enum belay_sent sent)
{
    if (sent != BELAY_NOT_SENT)
        rpc->previous++;
    bl_rpc_rewind(rpc);
    rpc->again_at = bl_after_ms(bl_now(rpc->loop), delay_ms);
    bl_rpc_step(rpc, BL_RPC_BACKING_OFF, belay_grpc_status_name(rpc->status));
    bl_rpc_receive_reset(rpc);
    if (delay_ms == 0)
        begin(rpc);
    arm(rpc);
}

/* Once in a call: what is refused again has another reason than its age. */
static bool may_renew(const struct belay_rpc *rpc)
{
    return rpc->status == BELAY_GRPC_UNAUTHENTICATED && rpc->mark != 0 && rpc->refused == 0 &&
           !rpc->committed;
}

/* In how many ms the next attempt is made, or BL_RPC_NO_MORE. */
static int64_t decide(struct belay_rpc *rpc, const struct bl_rpc_attempt *attempt)
{
    if (!may_renew(rpc))
        return rpc->home->ops->ended(rpc, attempt);
    rpc->refused = rpc->mark;
    return rpc->pushed_back ? rpc->pushback_ms : 0;
}

/* False: that was the last attempt. */
static bool go_again(struct belay_rpc *rpc, const struct bl_rpc_attempt *attempt)
{
    int64_t delay_ms = decide(rpc, attempt);

    if (delay_ms < 0 || rpc->committed)
        return false;
    try_again(rpc, delay_ms, attempt->sent);
    return true;
}

void bl_rpc_attempt_over(struct belay_rpc *rpc, enum belay_sent sent)
{
    const struct bl_rpc_attempt attempt = {
        .status = rpc->status,
        .error = rpc->failed ? &rpc->error : NULL,
        .sent = sent,
        .committed = rpc->committed,
        .pushed_back = rpc->pushed_back,
        .pushback_ms = rpc->pushback_ms,
    };

    if (rpc->failed && rpc->error.sent < sent)
        rpc->error.sent = sent;
    bl_rpc_step(rpc, BL_RPC_BACKING_OFF, "");
    rpc->home->ops->freed(rpc);
    if (!go_again(rpc, &attempt))
        tell(rpc);
}

void bl_rpc_refuse(struct belay_rpc *rpc, int status, const struct belay_error *error)
{
    const struct bl_rpc_attempt attempt = {.status = status,
                                           .error = error,
                                           .sent = BELAY_NOT_SENT,
                                           .committed = rpc->committed,
                                           .unplaced = true};

    bl_list_remove(&rpc->link);
    bl_rpc_set_error(rpc, status, error);
    bl_rpc_step(rpc, BL_RPC_BACKING_OFF, "");
    if (!go_again(rpc, &attempt))
        bl_rpc_fail(rpc, status, error);
}

void bl_rpc_stop(struct belay_rpc *rpc)
{
    struct belay_http_request *request = rpc->request;

    rpc->request = NULL;
    belay_http_request_cancel(request);
    bl_rpc_attempt_over(rpc, BELAY_ANSWERED);
}

/* ---- credentials ---- */

static void ask(struct belay_rpc *rpc)
{
    const struct belay_channel_options *o = rpc->home->options;

    if (rpc->asked)
        return;
    rpc->asked = true;
    bl_rpc_enter(rpc);
    o->credentials(rpc, rpc->method, o->credentials_arg);
    bl_rpc_leave(rpc);
}

/* Its words are for the user; which of the two statuses, for what may be done. */
static void refuse_credentials(struct belay_rpc *rpc, const struct belay_error *error)
{
    struct belay_error copy = *error;
    bool passing = copy.kind == BELAY_KIND_RETRY ||
                   (!copy.kind && belay_error_kind_of(copy.code) == BELAY_KIND_RETRY);

    bl_error_prefix(&copy, "the credentials for %s", rpc->home->name);
    bl_rpc_fail(rpc, passing ? BELAY_GRPC_UNAVAILABLE : BELAY_GRPC_UNAUTHENTICATED, &copy);
}

void belay_rpc_credentials_done(struct belay_rpc *rpc, const struct belay_header *metadata,
                                size_t n, const struct belay_error *error)
{
    struct belay_error own;

    if (!rpc->asked)
        return;
    rpc->asked = false;
    if (rpc->state == BL_RPC_GONE) {
        dispose(rpc);
        return;
    }
    if (rpc->state != BL_RPC_NEW)
        return;
    if (error) {
        refuse_credentials(rpc, error);
    } else if (bl_rpc_add_metadata(&rpc->credentials, &rpc->loop->brief, metadata, n, &own) < 0) {
        bl_error_prefix(&own, "the credentials for %s", rpc->home->name);
        bl_rpc_fail(rpc,
                    own.code == BELAY_ENOMEM ? BELAY_GRPC_RESOURCE_EXHAUSTED
                                             : BELAY_GRPC_UNAUTHENTICATED,
                    &own);
    } else {
        want(rpc);
    }
}

/* ---- time, and what comes later ---- */

static void miss_deadline(struct belay_rpc *rpc)
{
    static const char *const where[] = {
        [BL_RPC_NEW] = "while its credentials were waited for",
        [BL_RPC_WAITING] = "before there was a connection",
        [BL_RPC_RUNNING] = "before the server's answer was complete",
        [BL_RPC_BACKING_OFF] = "before it could be tried again",
    };
    enum belay_sent sent = sent_so_far(rpc);

    bl_rpc_set_failure(rpc, BELAY_GRPC_DEADLINE_EXCEEDED, BELAY_ETIMEDOUT,
                       "%s on %s: the deadline of %lld ms passed %s", rpc->method, rpc->home->name,
                       (long long)rpc->deadline_ms, where[rpc->state]);
    rpc->error.sent = sent;
    tell(rpc);
}

static void on_timer(void *arg)
{
    struct belay_rpc *rpc = arg;
    uint64_t now = bl_now(rpc->loop);

    if (rpc->state >= BL_RPC_POSTED)
        return;
    if (now >= rpc->deadline) {
        miss_deadline(rpc);
        return;
    }
    if (rpc->state == BL_RPC_BACKING_OFF && now >= rpc->again_at)
        begin(rpc);
    arm(rpc);
}

static void go_on(struct belay_rpc *rpc)
{
    if (bl_rpc_tell_writable(rpc) && rpc->held && !rpc->paused)
        bl_rpc_give_left(rpc);
}

static void on_task(void *arg)
{
    struct belay_rpc *rpc = arg;

    if (rpc->state == BL_RPC_NEW)
        ask(rpc);
    else if (rpc->state == BL_RPC_RUNNING)
        go_on(rpc);
    else if (rpc->state == BL_RPC_POSTED)
        tell(rpc);
}

void belay_rpc_pause(struct belay_rpc *rpc)
{
    rpc->paused = true;
}

void belay_rpc_resume(struct belay_rpc *rpc)
{
    rpc->paused = false;
    if (rpc->held && rpc->state == BL_RPC_RUNNING)
        bl_task_post(rpc->loop, &rpc->task);
}

/* ---- its start ---- */

int bl_rpc_start(struct bl_rpc_home *home, const char *method,
                 const struct belay_rpc_options *options,
                 const struct belay_rpc_callbacks *callbacks, void *arg, struct belay_rpc **ret_rpc,
                 struct belay_error *error)
{
    struct belay_loop *loop = home->loop;
    struct belay_rpc *rpc = bl_zalloc(&loop->brief, bl_rpc_size(home, method));
    int rc;

    if (!rpc)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "making a call: out of memory");
    rpc->home = home;
    rpc->loop = loop;
    rpc->arg = arg;
    bl_list_init(&rpc->link);
    bl_task_init(&rpc->task, on_task, rpc);
    rc = bl_timer_init(&rpc->timer, loop, on_timer, rpc);
    if (rc < 0)
        bl_error_set(error, rc, BELAY_STAGE_NONE, "making a call: out of memory");
    else
        rc = bl_rpc_make(rpc, method, options, callbacks, error);
    if (rc < 0) {
        rpc_free(rpc);
        return rc;
    }
    rpc->id = ++loop->next_id;
    if (ret_rpc)
        *ret_rpc = rpc;
    begin(rpc);
    arm(rpc);
    return 0;
}
