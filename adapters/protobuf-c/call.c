/* SPDX-License-Identifier: MIT */
/*
 * Unary calls: from the stub to the closure. A call that cannot begin fails later, by the service's
 * timer, as a stub returns nothing.
 */
#include "parts.h"

struct call {
    struct bl_list link; /* of the service; next is NULL: it is not under way */
    struct bl_pbc_service *service;
    bool lent; /* it lies in a struct belay_service_call */
    struct belay_rpc *rpc;
    const ProtobufCMethodDescriptor *method;
    ProtobufCClosure closure;
    void *data;
    int status; /* of one that could not begin, and why: */
    struct belay_error error;
};

_Static_assert(sizeof(struct call) <= sizeof((struct belay_service_call *)0)->belays,
               "a call has room in a struct belay_service_call");

static struct call *of(struct belay_service_call *user)
{
    return (struct call *)(void *)user->belays;
}

/* ---- its end ---- */

/* It is over: its memory is the caller's again. */
static void let_go(struct call *call)
{
    bl_list_remove(&call->link);
    call->link.next = NULL;
    if (!call->lent)
        bl_pbc_free(call->service, call);
}

/* The service may be gone afterwards. */
static void run_closure(struct bl_pbc_service *s, ProtobufCClosure closure, void *data,
                        const ProtobufCMessage *message, const struct belay_rpc_result *result)
{
    const struct belay_rpc_result *outer = s->result;

    if (!closure)
        return;
    bl_pbc_enter(s);
    s->result = result;
    closure(message, data);
    s->result = outer;
    bl_pbc_leave(s);
}

static void on_response(const void *response, size_t len, const struct belay_rpc_result *result,
                        void *arg)
{
    struct call call = *(struct call *)arg;
    struct belay_rpc_result r = *result;
    ProtobufCMessage *message = NULL;
    struct bl_pbc_memory memory;

    bl_pbc_memory_init(&memory, call.service->allocator);
    let_go(arg);
    if (response)
        message = bl_pbc_unpack(&memory, call.method, response, len, &call.status, &call.error);
    if (response && !message) {
        r.status = call.status;
        r.message = call.error.text;
        r.error = &call.error;
    }
    run_closure(call.service, call.closure, call.data, message, &r);
    protobuf_c_message_free_unpacked(message, &memory.allocator);
}

/* ---- those that could not begin ---- */

static int status_of(int code)
{
    switch (code) {
    case BELAY_ENOMEM:
    case BELAY_ELIMIT:
    case BELAY_EFULL:
        return BELAY_GRPC_RESOURCE_EXHAUSTED;
    case BELAY_ECLOSED:
        return BELAY_GRPC_CANCELLED;
    default:
        return BELAY_GRPC_INTERNAL;
    }
}

static void tell_failure(struct bl_pbc_service *s, ProtobufCClosure closure, void *data, int status,
                         const struct belay_error *error)
{
    const struct belay_rpc_result r = {
        .size = sizeof r, .status = status, .message = error->text, .error = error};

    run_closure(s, closure, data, NULL, &r);
}

void bl_pbc_tell_failed(void *service)
{
    struct bl_pbc_service *s = service;

    bl_pbc_enter(s);
    bl_list_splice(&s->telling, &s->failed);
    while (!bl_list_empty(&s->telling)) {
        struct call *first = BL_LIST_OF(bl_list_first(&s->telling), struct call, link);
        struct call call = *first;

        let_go(first);
        tell_failure(s, call.closure, call.data, call.status, &call.error);
    }
    bl_pbc_leave(s);
}

/* ---- its start ---- */

static int begin(struct call *call, const ProtobufCMessage *request,
                 const struct belay_rpc_options *given)
{
    const struct bl_pbc_service *s = call->service;
    struct belay_header *metadata = NULL;
    struct belay_rpc_options options;
    struct bl_pbc_packed packed;
    char *path;
    int rc = bl_pbc_pack(s, call->method, request, &packed, &call->error);

    if (rc < 0)
        return rc;
    path = bl_pbc_path(s, call->method);
    if (!path)
        rc = bl_pbc_error(&call->error, BELAY_ENOMEM, "making a call: out of memory");
    if (rc == 0)
        rc = bl_pbc_options_join(s, given, &options, &metadata, &call->error);
    if (rc == 0)
        rc = belay_channel_unary(s->channel, path, packed.data, packed.len, &options, &call->rpc,
                                 on_response, call, &call->error);
    bl_pbc_free(s, metadata);
    bl_pbc_free(s, path);
    bl_pbc_packed_free(s, &packed);
    return rc;
}

/* `call` has room for it; whatever fails is told later. */
static void start(struct call *call, const ProtobufCMessage *request,
                  const struct belay_rpc_options *options, int rc)
{
    struct bl_pbc_service *s = call->service;

    if (rc == 0)
        rc = begin(call, request, options);
    if (rc == 0) {
        bl_list_push_back(&s->calls, &call->link);
        return;
    }
    call->status = status_of(rc);
    bl_list_push_back(&s->failed, &call->link);
    belay_timer_start(s->timer, 0);
}

static struct call make(struct bl_pbc_service *s, unsigned index, ProtobufCClosure closure,
                        void *data)
{
    return (struct call){.service = s,
                         .method = &s->base.descriptor->methods[index],
                         .closure = closure,
                         .data = data};
}

static void invoke(struct bl_pbc_service *s, unsigned index, const ProtobufCMessage *request,
                   ProtobufCClosure closure, void *data, bool twice)
{
    struct call *call = bl_pbc_alloc(s, sizeof *call);
    struct belay_error error;

    if (!call) {
        bl_pbc_error(&error, BELAY_ENOMEM, "making a call: out of memory");
        tell_failure(s, closure, data, BELAY_GRPC_RESOURCE_EXHAUSTED, &error);
        return;
    }
    *call = make(s, index, closure, data);
    if (twice)
        bl_pbc_error(&call->error, BELAY_EINVAL,
                     "a struct belay_service_call that is under way was used again");
    start(call, request, NULL, twice ? BELAY_EINVAL : 0);
}

void bl_pbc_invoke(ProtobufCService *base, unsigned index, const ProtobufCMessage *request,
                   ProtobufCClosure closure, void *data)
{
    invoke((struct bl_pbc_service *)base, index, request, closure, data, false);
}

/* ---- with options and a handle ---- */

void bl_pbc_invoke_with(ProtobufCService *base, unsigned index, const ProtobufCMessage *request,
                        ProtobufCClosure closure, void *data)
{
    struct belay_service_call *user = (struct belay_service_call *)(void *)base;
    struct bl_pbc_service *s = bl_pbc_service_of(base);
    struct call *call = of(user);

    if (call->link.next) {
        invoke(s, index, request, closure, data, true);
        return;
    }
    *call = make(s, index, closure, data);
    call->lent = true;
    start(call, request, user->options, 0);
}

static void destroy_call(ProtobufCService *base)
{
    belay_service_call_cancel((struct belay_service_call *)(void *)base);
}

ProtobufCService *belay_service_with(ProtobufCService *service, struct belay_service_call *call,
                                     const struct belay_rpc_options *options)
{
    struct bl_pbc_service *s = bl_pbc_service_of(service);

    *call = (struct belay_service_call){
        .base = {.descriptor = service->descriptor,
                 .invoke = bl_pbc_invoke_with,
                 .destroy = destroy_call},
        .service = &s->base,
        .options = options,
    };
    return &call->base;
}

/* ---- cancelling ---- */

static void cancel(struct call *call)
{
    belay_rpc_cancel(call->rpc);
    let_go(call);
}

void belay_service_call_cancel(struct belay_service_call *call)
{
    if (call && of(call)->link.next)
        cancel(of(call));
}

static void cancel_all(struct bl_list *list)
{
    while (!bl_list_empty(list))
        cancel(BL_LIST_OF(bl_list_first(list), struct call, link));
}

void bl_pbc_cancel_calls(struct bl_pbc_service *s)
{
    cancel_all(&s->calls);
    cancel_all(&s->failed);
    cancel_all(&s->telling);
}
