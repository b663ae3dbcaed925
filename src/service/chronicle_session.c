/* SPDX-License-Identifier: MIT */
/*
 * A session with a Chronicle kernel. What goes wrong inside a call of the owner's is told by the
 * task; everything else comes from calls of the channel, and runs their callbacks already.
 */
#include "service/chronicle_session.h"

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "loop/loop.h"
#include "service/chronicle_descriptors.h"
#include "service/chronicle_messages.h"
#include "service/chronicle_process.h"

#define TAG        "chronicle"
#define REASON_MAX 120 /* bytes of the kernel's words that are shown */

struct answer {
    struct bl_chronicle_session *session;
    struct belay_rpc *rpc; /* NULL: the slot is free */
};

struct bl_chronicle_session {
    struct belay_loop *loop;
    struct bl_chronicle_session_options options; /* its texts are the next three */
    char *id, *type, *version;
    struct belay_rpc *check, *stream; /* under way; or NULL */
    struct answer answers[BL_CHRONICLE_ANSWERS_MAX];
    size_t answers_n;
    struct bl_task task; /* tells `error`: of the check, or the end */
    struct belay_error error;
    bool checked; /* nothing was asked: the task says so */
    bool freed;   /* in one of its callbacks */
    int calls;
};

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_USE,
                        "a session with a Chronicle kernel: out of memory");
}

/* ---- its memory ---- */

static void destroy(struct bl_chronicle_session *s)
{
    struct bl_mem *mem = &s->loop->mem;

    bl_free(mem, s->id);
    bl_free(mem, s->type);
    bl_free(mem, s->version);
    bl_free(mem, s);
}

/* Nothing of it is under way any more. */
static void stop(struct bl_chronicle_session *s)
{
    bl_task_cancel(&s->task);
    belay_rpc_cancel(s->check);
    belay_rpc_cancel(s->stream);
    s->check = s->stream = NULL;
    for (size_t i = 0; i < BL_CHRONICLE_ANSWERS_MAX; i++) {
        belay_rpc_cancel(s->answers[i].rpc);
        s->answers[i].rpc = NULL;
    }
    s->answers_n = 0;
}

void bl_chronicle_session_free(struct bl_chronicle_session *s)
{
    if (!s || s->freed)
        return;
    stop(s);
    belay_channel_unref(s->options.channel);
    s->freed = true;
    if (s->calls == 0)
        destroy(s);
}

/* Around what the owner may free it in; it may be gone after leave. */
static void enter(struct bl_chronicle_session *s)
{
    s->calls++;
}

static void leave(struct bl_chronicle_session *s)
{
    s->calls--;
    if (s->freed && s->calls == 0)
        destroy(s);
}

/* ---- what is told ---- */

static void tell_checked(struct bl_chronicle_session *s, const struct belay_error *error)
{
    enter(s);
    s->options.on_checked(error, s->options.arg);
    leave(s);
}

/* Once: nothing that could tell it again is under way any more. */
static void tell_ended(struct bl_chronicle_session *s, const struct belay_error *error)
{
    stop(s);
    enter(s);
    s->options.on_ended(error, s->options.arg);
    leave(s);
}

static void on_task(void *arg)
{
    struct bl_chronicle_session *s = arg;

    if (s->error.code < 0) {
        tell_ended(s, &s->error);
    } else if (s->checked) {
        s->checked = false;
        tell_checked(s, NULL);
    }
}

/* `error` is set; inside a call of the owner's. */
static void end_later(struct bl_chronicle_session *s)
{
    bl_task_post(s->loop, &s->task);
}

/* What an RPC came to, in a sentence about what it was for. */
static void describe(struct belay_error *error, const struct belay_rpc_result *result,
                     const char *what)
{
    char shown[REASON_MAX];

    if (result->error) {
        *error = *result->error;
        bl_error_prefix(error, "%s", what);
        return;
    }
    bl_text_show(shown, sizeof shown, result->message, strlen(result->message));
    bl_error_set(error, BELAY_EEOF, BELAY_STAGE_USE, "%s: %s%s%s", what,
                 belay_grpc_status_name(result->status), shown[0] ? ", " : "", shown);
    error->status = result->status;
}

/* ---- whether the two understand each other ---- */

static void refuse(struct bl_chronicle_session *s, const struct bl_chronicle_compatibility *c)
{
    char shown[REASON_MAX], version[32], more[40] = "";
    struct belay_error error;

    bl_text_show(shown, sizeof shown, c->first_reason.data, c->first_reason.len);
    bl_text_show(version, sizeof version, c->server_version.data, c->server_version.len);
    if (c->reasons > 1)
        snprintf(more, sizeof more, " (and %zu more)", c->reasons - 1);
    bl_error_set(&error, BELAY_EPROTO, BELAY_STAGE_PROTOCOL,
                 "the kernel%s%s is not compatible with this client: %s%s; "
                 "skip_compatibility_check (skipCompatibilityCheck=true) connects all the same",
                 version[0] ? " of version " : "", version,
                 shown[0] ? shown : "it does not say why", more);
    tell_checked(s, &error);
}

static void on_checked(const void *response, size_t len, const struct belay_rpc_result *result,
                       void *arg)
{
    struct bl_chronicle_session *s = arg;
    struct bl_chronicle_compatibility compatibility;
    struct belay_error error = {.text = "its answer is not a message"};

    s->check = NULL;
    if (result->status == BELAY_GRPC_OK &&
        bl_chronicle_read_compatibility(bl_span(response, len), &compatibility) == 0) {
        if (compatibility.compatible)
            tell_checked(s, NULL);
        else
            refuse(s, &compatibility);
        return;
    }
    if (result->status != BELAY_GRPC_OK)
        describe(&error, result, "the question");
    bl_loop_log(s->loop, TAG, BELAY_LOG_WARN,
                "whether the kernel is compatible is not known, and it is taken to be: %s",
                error.text);
    tell_checked(s, NULL);
}

static int ask(struct bl_chronicle_session *s)
{
    struct belay_rpc_options o = belay_rpc_options_init();
    struct bl_mem *mem = &s->loop->mem;
    struct bl_buf descriptors = {0}, message = {0};
    int rc = bl_chronicle_write_descriptors(&descriptors, mem);

    o.deadline_ms = BL_CHRONICLE_CHECK_MS;
    if (rc == 0)
        rc = bl_chronicle_write_compatibility(
            &message, mem, s->type, s->version, NULL,
            bl_span(bl_buf_head(&descriptors), bl_buf_len(&descriptors)));
    if (rc < 0)
        out_of_memory(&s->error);
    else
        rc = belay_channel_unary(s->options.channel, BL_CHRONICLE_COMPATIBILITY,
                                 bl_buf_head(&message), bl_buf_len(&message), &o, &s->check,
                                 on_checked, s, &s->error);
    bl_buf_free(&message, mem);
    bl_buf_free(&descriptors, mem);
    return rc;
}

void bl_chronicle_session_check(struct bl_chronicle_session *s)
{
    if (s->options.skip_compatibility_check) {
        s->checked = true;
        bl_task_post(s->loop, &s->task);
    } else if (ask(s) < 0) {
        end_later(s);
    }
}

/* ---- keep-alives ---- */

static void on_answered(const void *response, size_t len, const struct belay_rpc_result *result,
                        void *arg)
{
    struct answer *answer = arg;
    struct bl_chronicle_session *s = answer->session;
    struct belay_error error;

    (void)response, (void)len;
    answer->rpc = NULL;
    s->answers_n--;
    if (result->status == BELAY_GRPC_OK) {
        belay_rpc_resume(s->stream);
        return;
    }
    describe(&error, result, "answering the kernel's keep-alive");
    tell_ended(s, &error);
}

static struct answer *free_slot(struct bl_chronicle_session *s)
{
    size_t i = 0;

    while (s->answers[i].rpc)
        i++;
    BL_ASSERT(i < BL_CHRONICLE_ANSWERS_MAX);
    s->answers[i].session = s;
    return &s->answers[i];
}

static int send_answer(struct bl_chronicle_session *s, struct belay_error *error)
{
    struct belay_rpc_options o = belay_rpc_options_init();
    struct answer *answer = free_slot(s);
    struct bl_buf message = {0};
    int rc = bl_chronicle_write_keep_alive(&message, &s->loop->mem, s->id);

    o.deadline_ms = BL_CHRONICLE_ANSWER_MS;
    if (rc < 0)
        out_of_memory(error);
    else
        rc =
            belay_channel_unary(s->options.channel, BL_CHRONICLE_KEEP_ALIVE, bl_buf_head(&message),
                                bl_buf_len(&message), &o, &answer->rpc, on_answered, answer, error);
    bl_buf_free(&message, &s->loop->mem);
    return rc;
}

static void on_keep_alive(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct bl_chronicle_session *s = arg;
    struct belay_error error;
    struct bl_span id;
    int rc = bl_chronicle_read_keep_alive(bl_span(data, len), &id);

    if (rc < 0)
        bl_error_set(&error, rc, BELAY_STAGE_USE, "the kernel's keep-alive is not a message");
    else
        rc = send_answer(s, &error);
    if (rc < 0) {
        tell_ended(s, &error);
        return;
    }
    if (++s->answers_n == BL_CHRONICLE_ANSWERS_MAX)
        belay_rpc_pause(rpc);
    enter(s);
    s->options.on_kept(s->options.arg);
    leave(s);
}

/* ---- the stream ---- */

static void on_stream_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct bl_chronicle_session *s = arg;
    struct belay_error error;

    (void)rpc;
    s->stream = NULL;
    if (result->status == BELAY_GRPC_OK)
        bl_error_set(&error, BELAY_EEOF, BELAY_STAGE_USE, "the kernel ended the session");
    else
        describe(&error, result, "the session with the kernel");
    tell_ended(s, &error);
}

static const struct belay_rpc_callbacks stream_callbacks = {
    .size = sizeof stream_callbacks,
    .on_message = on_keep_alive,
    .on_done = on_stream_done,
};

static int write_request(struct bl_chronicle_session *s, struct bl_buf *out)
{
    struct bl_chronicle_process process;
    struct bl_chronicle_connect message;

    bl_chronicle_process_look(&process);
    message = (struct bl_chronicle_connect){
        .connection_id = s->id,
        .client_version = s->version,
        .has_debugger = process.has_debugger,
        .process_id = process.id,
        .process_path = process.path,
        .machine_name = process.machine,
        .client_type = s->type,
    };
    return bl_chronicle_write_connect(out, &s->loop->mem, &message);
}

static int open_stream(struct bl_chronicle_session *s)
{
    struct bl_buf message = {0};
    int rc = write_request(s, &message);

    if (rc < 0) {
        out_of_memory(&s->error);
    } else {
        rc = belay_rpc_start(s->options.channel, BL_CHRONICLE_CONNECT, NULL, &stream_callbacks, s,
                             &s->stream, &s->error);
        if (rc == 0)
            rc = belay_rpc_write(s->stream, bl_buf_head(&message), bl_buf_len(&message));
        if (rc < 0 && s->stream)
            bl_error_set(&s->error, rc, BELAY_STAGE_USE, "opening a session with the kernel: %s",
                         belay_strerror(rc));
        else if (rc == 0)
            belay_rpc_end(s->stream);
    }
    bl_buf_free(&message, &s->loop->mem);
    return rc;
}

void bl_chronicle_session_connect(struct bl_chronicle_session *s)
{
    if (open_stream(s) < 0)
        end_later(s);
}

/* ---- its start ---- */

static int copy_texts(struct bl_chronicle_session *s, const struct bl_chronicle_session_options *o)
{
    struct bl_mem *mem = &s->loop->mem;

    s->id = bl_strdup(mem, o->connection_id);
    s->type = bl_strdup(mem, o->client_type ? o->client_type : "belay");
    s->version = bl_strdup(mem, o->client_version ? o->client_version : belay_version());
    return s->id && s->type && s->version ? 0 : BELAY_ENOMEM;
}

int bl_chronicle_session_new(const struct bl_chronicle_session_options *o,
                             struct bl_chronicle_session **ret_session, struct belay_error *error)
{
    struct belay_loop *loop = belay_channel_loop(o->channel);
    struct bl_chronicle_session *s = bl_zalloc(&loop->mem, sizeof *s);

    if (!s)
        return out_of_memory(error);
    s->loop = loop;
    s->options = *o;
    bl_task_init(&s->task, on_task, s);
    if (copy_texts(s, o) < 0) {
        destroy(s);
        return out_of_memory(error);
    }
    belay_channel_ref(o->channel);
    *ret_session = s;
    return 0;
}
