/* SPDX-License-Identifier: MIT */
/* Calls that stream: messages of the method's types over a belay_rpc. */
#include "parts.h"

struct belay_service_stream {
    struct bl_list link; /* of the service */
    struct bl_pbc_service *service;
    const ProtobufCMethodDescriptor *method;
    struct belay_rpc *rpc; /* NULL: it is over */
    struct belay_service_callbacks callbacks;
    void *arg;
    bool one;                    /* one message comes back: */
    ProtobufCMessage *answer;    /* ... this, until the status is there */
    struct bl_pbc_memory memory; /* of what comes */
    unsigned inside;             /* callbacks that have not returned */
    bool gone;                   /* freed when the last of them has */
};

/* ---- its life ---- */

static void dispose(struct belay_service_stream *st)
{
    protobuf_c_message_free_unpacked(st->answer, &st->memory.allocator);
    bl_pbc_free(st->service, st);
}

static void enter(struct belay_service_stream *st)
{
    st->inside++;
    bl_pbc_enter(st->service);
}

/* It and its service may be gone afterwards. */
static void leave(struct belay_service_stream *st)
{
    struct bl_pbc_service *s = st->service;

    st->inside--;
    if (st->gone && st->inside == 0)
        dispose(st);
    bl_pbc_leave(s);
}

static void drop_rpc(struct belay_service_stream *st)
{
    struct belay_rpc *rpc = st->rpc;

    st->rpc = NULL;
    belay_rpc_cancel(rpc);
}

void belay_service_stream_cancel(struct belay_service_stream *stream)
{
    if (!stream || stream->gone)
        return;
    stream->gone = true;
    bl_list_remove(&stream->link);
    drop_rpc(stream);
    if (stream->inside == 0)
        dispose(stream);
}

void bl_pbc_cancel_streams(struct bl_pbc_service *s)
{
    while (!bl_list_empty(&s->streams))
        belay_service_stream_cancel(
            BL_LIST_OF(bl_list_first(&s->streams), struct belay_service_stream, link));
}

/* ---- its end ---- */

/* `error` is the status's, and outlives the callback. */
static void set_failure(struct belay_rpc_result *r, int status, const struct belay_error *error)
{
    r->status = status;
    r->message = error->text;
    r->error = error;
}

/* Last: it is gone afterwards. */
static void finish(struct belay_service_stream *st, const struct belay_rpc_result *result)
{
    struct belay_rpc_result r = *result;
    struct belay_error error;

    enter(st);
    if (st->one && r.status == BELAY_GRPC_OK && !st->answer) {
        bl_pbc_error(&error, BELAY_EPROTO, "%s: the server answered without a message",
                     st->method->name);
        set_failure(&r, BELAY_GRPC_UNIMPLEMENTED, &error);
    }
    if (r.status == BELAY_GRPC_OK && st->answer && st->callbacks.on_message)
        st->callbacks.on_message(st, st->answer, st->arg);
    if (!st->gone) {
        st->gone = true;
        bl_list_remove(&st->link);
        st->callbacks.on_done(st, &r, st->arg);
    }
    leave(st);
}

/* Of belay's own making. */
static void fail(struct belay_service_stream *st, int status, const struct belay_error *error)
{
    struct belay_rpc_result r = {.size = sizeof r, .attempts = 1}; /* it has been answered */

    set_failure(&r, status, error);
    drop_rpc(st);
    finish(st, &r);
}

/* ---- what comes ---- */

static void on_headers(struct belay_rpc *rpc, const struct belay_header *headers, size_t n,
                       void *arg)
{
    struct belay_service_stream *st = arg;

    (void)rpc;
    enter(st);
    st->callbacks.on_headers(st, headers, n, st->arg);
    leave(st);
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct belay_service_stream *st = arg;
    ProtobufCMessage *message;
    struct belay_error error;
    int status;

    (void)rpc;
    if (st->answer) {
        bl_pbc_error(&error, BELAY_EPROTO, "%s: the server answered with more than one message",
                     st->method->name);
        fail(st, BELAY_GRPC_UNIMPLEMENTED, &error);
        return;
    }
    st->memory.failed = false;
    message = bl_pbc_unpack(&st->memory, st->method, data, len, &status, &error);
    if (!message) {
        fail(st, status, &error);
        return;
    }
    if (st->one) {
        st->answer = message;
        return;
    }
    enter(st);
    if (st->callbacks.on_message)
        st->callbacks.on_message(st, message, st->arg);
    protobuf_c_message_free_unpacked(message, &st->memory.allocator);
    leave(st);
}

static void on_writable(struct belay_rpc *rpc, void *arg)
{
    struct belay_service_stream *st = arg;

    (void)rpc;
    enter(st);
    st->callbacks.on_writable(st, st->arg);
    leave(st);
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct belay_service_stream *st = arg;

    (void)rpc;
    st->rpc = NULL;
    finish(st, result);
}

/* ---- its start ---- */

static int start_rpc(struct belay_service_stream *st, const struct belay_rpc_options *given,
                     struct belay_error *error)
{
    const struct bl_pbc_service *s = st->service;
    const struct belay_rpc_callbacks callbacks = {
        .size = sizeof callbacks,
        .on_headers = st->callbacks.on_headers ? on_headers : NULL,
        .on_message = on_message,
        .on_writable = st->callbacks.on_writable ? on_writable : NULL,
        .on_done = on_done,
    };
    struct belay_rpc_options options;
    struct belay_header *metadata;
    char *path;
    int rc = bl_pbc_options_join(s, given, &options, &metadata, error);

    if (rc < 0)
        return rc;
    path = bl_pbc_path(s, st->method);
    if (path)
        rc = belay_rpc_start(s->channel, path, &options, &callbacks, st, &st->rpc, error);
    else
        rc = bl_pbc_error(error, BELAY_ENOMEM, "making a call: out of memory");
    bl_pbc_free(s, path);
    bl_pbc_free(s, metadata);
    return rc;
}

static int take_callbacks(struct belay_service_callbacks *ret,
                          const struct belay_service_callbacks *given, struct belay_error *error)
{
    memset(ret, 0, sizeof *ret);
    if (given)
        memcpy(ret, given, given->size < sizeof *ret ? given->size : sizeof *ret);
    if (!ret->on_done)
        return bl_pbc_error(error, BELAY_EINVAL, "callbacks: there is no on_done");
    return 0;
}

static int start(ProtobufCService *service, const char *method,
                 const struct belay_rpc_options *options,
                 const struct belay_service_callbacks *callbacks, void *arg,
                 struct belay_service_stream **ret, struct belay_error *error)
{
    struct bl_pbc_service *s = bl_pbc_service_of(service);
    struct belay_service_stream made = {.service = s, .arg = arg}, *st;
    int rc = take_callbacks(&made.callbacks, callbacks, error);

    if (rc < 0)
        return rc;
    made.method = bl_pbc_method(s, method, error);
    if (!made.method)
        return BELAY_EINVAL;
    st = bl_pbc_alloc(s, sizeof *st);
    if (!st)
        return bl_pbc_error(error, BELAY_ENOMEM, "making a call: out of memory");
    *st = made;
    bl_list_init(&st->link);
    bl_pbc_memory_init(&st->memory, s->allocator);
    rc = start_rpc(st, options, error);
    if (rc < 0) {
        bl_pbc_free(s, st);
        return rc;
    }
    bl_list_push_back(&s->streams, &st->link);
    *ret = st;
    return 0;
}

int belay_service_bidi_stream(ProtobufCService *service, const char *method,
                              const struct belay_rpc_options *options,
                              const struct belay_service_callbacks *callbacks, void *arg,
                              struct belay_service_stream **ret_stream, struct belay_error *error)
{
    struct belay_service_stream *st;
    int rc = start(service, method, options, callbacks, arg, &st, error);

    if (rc == 0 && ret_stream)
        *ret_stream = st;
    return rc;
}

int belay_service_client_stream(ProtobufCService *service, const char *method,
                                const struct belay_rpc_options *options,
                                const struct belay_service_callbacks *callbacks, void *arg,
                                struct belay_service_stream **ret_stream, struct belay_error *error)
{
    struct belay_service_stream *st;
    int rc = start(service, method, options, callbacks, arg, &st, error);

    if (rc < 0)
        return rc;
    st->one = true;
    if (ret_stream)
        *ret_stream = st;
    return 0;
}

static int write_message(struct belay_service_stream *st, const ProtobufCMessage *message,
                         struct belay_error *error)
{
    struct bl_pbc_packed packed;
    int rc = bl_pbc_pack(st->service, st->method, message, &packed, error);

    if (rc < 0)
        return rc;
    rc = belay_rpc_write(st->rpc, packed.data, packed.len);
    bl_pbc_packed_free(st->service, &packed);
    if (rc < 0)
        bl_pbc_error(error, rc, "the request of %s: %s", st->method->name, belay_strerror(rc));
    return rc;
}

int belay_service_server_stream(ProtobufCService *service, const char *method,
                                const ProtobufCMessage *request,
                                const struct belay_rpc_options *options,
                                const struct belay_service_callbacks *callbacks, void *arg,
                                struct belay_service_stream **ret_stream, struct belay_error *error)
{
    struct belay_service_stream *st;
    int rc = start(service, method, options, callbacks, arg, &st, error);

    if (rc < 0)
        return rc;
    rc = write_message(st, request, error);
    if (rc < 0 && rc != BELAY_ECLOSED) { /* else it has failed already, and will say so */
        belay_service_stream_cancel(st);
        return rc;
    }
    belay_rpc_end(st->rpc);
    if (ret_stream)
        *ret_stream = st;
    return 0;
}

/* ---- for its user ---- */

int belay_service_stream_write(struct belay_service_stream *stream, const ProtobufCMessage *message)
{
    return stream->rpc ? write_message(stream, message, NULL) : BELAY_ECLOSED;
}

void belay_service_stream_end(struct belay_service_stream *stream)
{
    if (stream->rpc)
        belay_rpc_end(stream->rpc);
}

void belay_service_stream_pause(struct belay_service_stream *stream)
{
    if (stream->rpc)
        belay_rpc_pause(stream->rpc);
}

void belay_service_stream_resume(struct belay_service_stream *stream)
{
    if (stream->rpc)
        belay_rpc_resume(stream->rpc);
}
