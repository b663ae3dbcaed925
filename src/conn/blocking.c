/* SPDX-License-Identifier: MIT */
/*
 * The connector whose functions block: one job per connection, which is in one of four states.
 *
 *     OPENING --> RESTING <--> CHECKING
 *        |           |
 *        +-----------+--> CLOSING
 *
 * While a work runs on a worker the job is its alone, but for `unwanted`; what the keeper asks for
 * meanwhile is done when the work comes back. All memory is had at open.
 */
#include "belay/blocking.h"

#include <stdatomic.h>

#include "base/error.h"
#include "conn/conn.h"

#define RETRY_NS 10000000u /* until the queue of works is tried again */

enum doing { OPENING, RESTING, CHECKING, CLOSING };

struct job {
    struct belay_conn *conn;
    const struct belay_blocking *blocking;
    struct bl_work *work;
    struct bl_timer retry; /* of a check or a close that found the queue full */
    void *handle;
    struct belay_error *error; /* while it opens */
    int result;
    enum doing doing;
    enum belay_reason reason; /* of the close */
    bool ends;                /* close or cancel was called: belay_conn_closed is owed */
    atomic_bool unwanted;     /* an open that has not begun need not */
};

static void run_again(void *arg);
static void begin(struct job *job, enum doing doing);

static struct job *job_of(const struct belay_conn *conn)
{
    return conn->private_state;
}

static const char *name_of(const struct belay_conn *conn)
{
    return conn->connector->ops->name;
}

static void job_free(struct job *job)
{
    struct belay_loop *loop = job->conn->loop;

    job->conn->private_state = NULL;
    bl_timer_fini(&job->retry, loop);
    bl_work_free(job->work);
    bl_free(&loop->mem, job->error);
    bl_free(&loop->mem, job);
}

static struct job *job_new(struct belay_conn *conn, const struct belay_blocking *blocking)
{
    struct bl_mem *mem = &conn->loop->mem;
    struct job *job = bl_zalloc(mem, sizeof *job);

    if (!job)
        return NULL;
    conn->private_state = job;
    job->conn = conn;
    job->blocking = blocking;
    job->error = bl_zalloc(mem, sizeof *job->error);
    job->work = bl_work_new(conn->loop);
    if (!job->error || !job->work || bl_timer_init(&job->retry, conn->loop, run_again, job) < 0) {
        job_free(job);
        return NULL;
    }
    return job;
}

static void refuse(struct belay_conn *conn, int code, const char *why)
{
    struct belay_error error;

    bl_error_set(&error, code, BELAY_STAGE_PROTOCOL, "opening %s to %s: %s", name_of(conn),
                 belay_endpoint_name(conn->endpoint), why ? why : belay_strerror(code));
    belay_conn_open_failed(conn, &error);
}

/* ---- opening ---- */

static void work_open(void *arg)
{
    struct job *job = arg;
    const struct belay_blocking *b = job->blocking;

    job->result = BELAY_ECANCELLED;
    if (atomic_load(&job->unwanted))
        return;
    job->result = b->open(job->conn->endpoint, &job->handle, job->error, b->arg);
    if (job->result == 0 && !job->handle)
        job->result = BELAY_EPROTO;
    else if (job->result != 0)
        job->handle = NULL;
}

/* What the function has left out. */
static void complete(const struct job *job, struct belay_error *error)
{
    struct belay_error plain;

    bl_error_set(&plain, job->result < 0 ? job->result : BELAY_ECONNECT, BELAY_STAGE_PROTOCOL,
                 "opening %s to %s: %s", name_of(job->conn),
                 belay_endpoint_name(job->conn->endpoint),
                 job->result < 0 ? belay_strerror(job->result) : "it gave no reason");
    if (error->code >= 0)
        error->code = plain.code;
    if (error->kind == BELAY_KIND_NONE)
        error->kind = belay_error_kind_of(error->code);
    if (error->stage == BELAY_STAGE_NONE)
        error->stage = plain.stage;
    error->text[sizeof error->text - 1] = 0;
    if (!error->text[0])
        memcpy(error->text, plain.text, sizeof error->text);
    error->tried = NULL;
    error->tried_n = 0;
}

static void fail(struct job *job)
{
    struct belay_conn *conn = job->conn;
    struct belay_error error = *job->error;

    complete(job, &error);
    job_free(job);
    belay_conn_open_failed(conn, &error);
}

static void come_up(struct job *job)
{
    const struct belay_blocking *b = job->blocking;
    int fd = b->descriptor ? b->descriptor(job->handle, b->arg) : -1;
    int rc = fd < 0 ? 0 : belay_conn_set_descriptor(job->conn, fd);

    if (rc < 0) { /* it fails when it is closed */
        job->result = rc;
        begin(job, CLOSING);
        return;
    }
    bl_free(&job->conn->loop->mem, job->error);
    job->error = NULL;
    job->doing = RESTING;
    belay_conn_open_done(job->conn, job->handle, 1);
}

static void done_open(void *arg)
{
    struct job *job = arg;

    if (job->handle && job->ends)
        begin(job, CLOSING);
    else if (job->handle)
        come_up(job);
    else if (job->ends) {
        struct belay_conn *conn = job->conn;

        job_free(job);
        belay_conn_closed(conn);
    } else
        fail(job);
}

/* ---- checking and closing ---- */

static void work_check(void *arg)
{
    struct job *job = arg;

    job->result = job->blocking->check(job->handle, job->blocking->arg);
}

static void done_check(void *arg)
{
    struct job *job = arg;

    job->doing = RESTING;
    if (job->ends)
        begin(job, CLOSING);
    else
        belay_conn_checked(job->conn, job->result > 0 ? BELAY_EUNHEALTHY : job->result);
}

static void work_close(void *arg)
{
    struct job *job = arg;

    job->blocking->close(job->handle, job->reason, job->blocking->arg);
}

static void done_close(void *arg)
{
    struct job *job = arg;
    struct belay_conn *conn = job->conn;

    if (job->ends) {
        job_free(job);
        belay_conn_closed(conn);
    } else
        fail(job);
}

static void run(struct job *job)
{
    bool check = job->doing == CHECKING;
    int rc = bl_work_start(job->work, check ? work_check : work_close,
                           check ? done_check : done_close, job);

    if (rc < 0)
        bl_timer_at(&job->retry, job->conn->loop, bl_now(job->conn->loop) + RETRY_NS);
}

static void run_again(void *arg)
{
    struct job *job = arg;

    bl_timer_stop(&job->retry);
    run(job);
}

static void begin(struct job *job, enum doing doing)
{
    job->doing = doing;
    run(job);
}

/* ---- down-calls ---- */

static void on_open(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    const struct belay_blocking *b = arg;
    struct job *job;
    int rc;

    (void)endpoint;
    if (!b->open || !b->close) {
        refuse(conn, BELAY_EINVAL, "its functions open and close are missing");
        return;
    }
    job = job_new(conn, b);
    if (!job) {
        refuse(conn, BELAY_ENOMEM, NULL);
        return;
    }
    rc = bl_work_start(job->work, work_open, done_open, job);
    if (rc == 0)
        return;
    job_free(job);
    refuse(conn, rc,
           rc == BELAY_EFULL ? "too many works wait for a thread (offload_queue_max)" : NULL);
}

/* An open that was abandoned, or a handle that is being closed for want of memory. */
static void on_cancel(struct belay_conn *conn, void *arg)
{
    struct job *job = job_of(conn);

    (void)arg;
    job->ends = true;
    job->reason = conn->closing ? (enum belay_reason)conn->reason : BELAY_REASON_OPEN_FAILED;
    atomic_store(&job->unwanted, true);
}

static void on_close(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    struct job *job = job_of(conn);
    bool waits = bl_timer_active(&job->retry); /* a check, for room in the queue */

    (void)arg;
    job->ends = true;
    job->reason = reason;
    bl_timer_stop(&job->retry);
    if (job->doing == RESTING || waits)
        begin(job, CLOSING);
}

static void on_check(struct belay_conn *conn, void *arg)
{
    (void)arg;
    if (job_of(conn)->doing == RESTING)
        begin(job_of(conn), CHECKING);
}

static bool on_is_healthy(struct belay_conn *conn, void *arg)
{
    const struct belay_blocking *b = arg;

    return b->is_healthy(job_of(conn)->handle, b->arg);
}

_Static_assert(sizeof(struct belay_connector_ops) <= sizeof(void *[24]),
               "the room in struct belay_blocking is too small");

struct belay_connector belay_blocking_connector(struct belay_blocking *b)
{
    struct belay_connector_ops ops = {
        .size = sizeof ops,
        .name = b->name ? b->name : "blocking",
        .open = on_open,
        .cancel = on_cancel,
        .close = on_close,
        .check = b->check ? on_check : NULL,
        .is_healthy = b->is_healthy ? on_is_healthy : NULL,
    };

    b->belays.ops = ops;
    return (struct belay_connector){.ops = &b->belays.ops, .arg = b};
}
