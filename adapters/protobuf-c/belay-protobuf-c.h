/* SPDX-License-Identifier: MIT */
/*
 * belay-protobuf-c.h - the stubs that protobuf-c generates, over a channel of belay's.
 *
 *     belay_service_new(channel, &etcdserverpb__kv__descriptor, NULL, &kv, &error);
 *     etcdserverpb__kv__range(kv, &request, on_range, app);
 *     ...
 *     static void on_range(const Etcdserverpb__RangeResponse *response, void *closure_data)
 *     {
 *         const struct belay_rpc_result *result = belay_service_status(app->kv);
 *
 *         if (!response)
 *             fprintf(stderr, "%s: %s\n", belay_grpc_status_name(result->status), result->message);
 *
 * What a stub cannot say is said beside it: with which deadline and metadata, and which call is to
 * be cancelled (struct belay_service_call); streams (struct belay_service_stream); and calls that
 * block (belay_service_wait).
 *
 * Messages are read and written with memory of the loop's. One that cannot be read ends its call
 * with INTERNAL, and the message names its type. So does one of more than 100 messages within each
 * other, which would take too much of the stack.
 *
 * Everything belongs to the thread of the channel's loop, but for belay_service_wait. Link with
 * libbelay-protobuf-c (pkg-config belay-protobuf-c, CMake belay::protobuf-c). Start to finish:
 * examples/etcd.c.
 */
#ifndef BELAY_PROTOBUF_C_H
#define BELAY_PROTOBUF_C_H

#include <belay/grpc.h>
#include <protobuf-c/protobuf-c.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A service of protobuf-c's whose calls go over that channel. `options` (may be NULL; copied, with
 * the metadata) are those of each of its calls: deadline_ms counts from the call. It holds a
 * reference to the channel.
 *
 * A closure runs once for each call, in a later turn: with the response, which lives until the
 * closure returns, or with NULL where the status is not OK. (One exception: where there is not even
 * the memory to remember a call, its closure runs inside the stub, with RESOURCE_EXHAUSTED; not so
 * with a struct belay_service_call.) What else prevents a call, such as max_calls or a channel that
 * was closed, is a status, too. A loop that is being closed may leave closures out.
 *
 * protobuf_c_service_destroy(service) cancels its calls and streams and frees it: no closure and no
 * callback of them runs afterwards. In a closure it is allowed. It must happen before the loop is
 * freed; belay_channel_close before it lets every closure run, with CANCELLED.
 *
 * BELAY_EINVAL: a descriptor without names (of a file with optimize_for = CODE_SIZE), or options
 * without a size; `error` says what. (What else is wrong with them is the status of each call,
 * INTERNAL.) BELAY_ECLOSED: the channel was closed; BELAY_ENOMEM.
 */
BELAY_API int belay_service_new(struct belay_channel *channel,
                                const ProtobufCServiceDescriptor *descriptor,
                                const struct belay_rpc_options *options,
                                ProtobufCService **ret_service, struct belay_error *error);

/* In a closure: what its call came to, until the closure returns. NULL elsewhere. */
BELAY_API const struct belay_rpc_result *belay_service_status(const ProtobufCService *service);

/*
 * One call of a stub's: with options of its own, and a handle to cancel it by. It lies in memory of
 * the caller's, until its closure runs (in which it may be freed or used again) or it is cancelled.
 *
 *     etcdserverpb__kv__put(belay_service_with(kv, &app->put, &options), &request, on_put, app);
 *     ...
 *     belay_service_call_cancel(&app->put);
 */
struct belay_service_call {
    ProtobufCService base;                   /* for the stub */
    ProtobufCService *service;               /* of belay_service_new */
    const struct belay_rpc_options *options; /* as given to belay_service_with */
    void *belays[80];                        /* belay's own */
};

/*
 * Prepares `call`, which is not under way, and returns its base: for one call of one stub.
 * `options` (may be NULL) are read by the stub, on top of the service's: what is zero in them is
 * as there, their metadata is added.
 */
BELAY_API ProtobufCService *belay_service_with(ProtobufCService *service,
                                               struct belay_service_call *call,
                                               const struct belay_rpc_options *options);
/* The server is told; the closure does not run. Of a call that is not under way: nothing. */
BELAY_API void belay_service_call_cancel(struct belay_service_call *call);

/* ---- streams ---- */

struct belay_service_stream;

/* All may be NULL but on_done. Copied. In each of them the stream may be cancelled. */
struct belay_service_callbacks {
    size_t size;
    void (*on_headers)(struct belay_service_stream *stream, const struct belay_header *headers,
                       size_t n, void *arg);
    /* It lives until this returns. The next comes afterwards, or after belay_service_stream_resume. */
    void (*on_message)(struct belay_service_stream *stream, const ProtobufCMessage *message,
                       void *arg);
    /* There is room to write again, after BELAY_EAGAIN. */
    void (*on_writable)(struct belay_service_stream *stream, void *arg);
    /* Once, last. The stream is gone afterwards. */
    void (*on_done)(struct belay_service_stream *stream, const struct belay_rpc_result *result,
                    void *arg);
};
BELAY_OPTIONS_INIT(belay_service_callbacks)

/*
 * Starts a call of a method that streams; protobuf-c does not know which do. `method` is its name in
 * the .proto file, "Watch"; messages have the types that it has there, which is checked where they
 * are written. `options` (may be NULL) as of belay_service_with.
 *
 * bidi_stream    messages go and come, in any order, until each side ends
 * client_stream  messages go, and one comes back: on_message runs once, just before on_done, or,
 *                where the status is not OK, never. No answer, or more than one, is UNIMPLEMENTED
 * server_stream  `request` goes, alone, and messages come back
 *
 * On 0, on_done runs once, in a later turn. BELAY_EINVAL (no service of belay_service_new, no such
 * method, options, a request of another type; `error` says what), BELAY_EFULL (max_calls of the
 * channel), BELAY_ELIMIT (the request is more than max_send_bytes), BELAY_ECLOSED, BELAY_ENOMEM.
 */
BELAY_API int belay_service_bidi_stream(ProtobufCService *service, const char *method,
                                        const struct belay_rpc_options *options,
                                        const struct belay_service_callbacks *callbacks, void *arg,
                                        struct belay_service_stream **ret_stream,
                                        struct belay_error *error);
BELAY_API int belay_service_client_stream(ProtobufCService *service, const char *method,
                                          const struct belay_rpc_options *options,
                                          const struct belay_service_callbacks *callbacks,
                                          void *arg, struct belay_service_stream **ret_stream,
                                          struct belay_error *error);
BELAY_API int belay_service_server_stream(ProtobufCService *service, const char *method,
                                          const ProtobufCMessage *request,
                                          const struct belay_rpc_options *options,
                                          const struct belay_service_callbacks *callbacks,
                                          void *arg, struct belay_service_stream **ret_stream,
                                          struct belay_error *error);

/* As belay_rpc_write; and BELAY_EINVAL where it is not of the type that the method takes. */
BELAY_API int belay_service_stream_write(struct belay_service_stream *stream,
                                         const ProtobufCMessage *message);
/* As of belay_rpc. */
BELAY_API void belay_service_stream_end(struct belay_service_stream *stream);
BELAY_API void belay_service_stream_pause(struct belay_service_stream *stream);
BELAY_API void belay_service_stream_resume(struct belay_service_stream *stream);
/* The server is told; on_done does not run. */
BELAY_API void belay_service_stream_cancel(struct belay_service_stream *stream);

/* ---- blocking ---- */

struct belay_service_result {
    size_t size;
    int status;
    char message[256];
    /* Of the method's type, to be freed by the caller: protobuf_c_message_free_unpacked(response,
     * NULL). NULL: the status is not OK. */
    ProtobufCMessage *response;
};
BELAY_OPTIONS_INIT(belay_service_result)

/*
 * Calls a method and blocks until it is done; `options` as of belay_service_with. Returns 0 when
 * there is a status, also one that is not OK. Errors as of belay_service_server_stream, and those of
 * blocking. ANY THREAD, see belay/loop.h; the service must not be destroyed meanwhile.
 */
BELAY_API int belay_service_wait(ProtobufCService *service, const char *method,
                                 const ProtobufCMessage *request,
                                 const struct belay_rpc_options *options,
                                 struct belay_service_result *ret_result,
                                 struct belay_error *error);

#ifdef __cplusplus
}
#endif

#endif
