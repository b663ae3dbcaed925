/* SPDX-License-Identifier: MIT */
/*
 * What the adapter's files share. service.c: a service and its life; call.c: unary calls, from stub to
 * closure; stream.c: the streaming kinds; wait.c: calls that block; options.c: options of a service
 * and of one call, together; message.c: messages from and to bytes; depth.c: how deep they are.
 */
#ifndef BL_PROTOBUF_C_PARTS_H
#define BL_PROTOBUF_C_PARTS_H

#include "base/list.h"
#include "belay-protobuf-c.h"

/* A ProtobufCAllocator over one of belay's that remembers whether it failed: protobuf-c does not
 * tell bad bytes from no memory. */
struct bl_pbc_memory {
    ProtobufCAllocator allocator;       /* its data is this */
    const struct belay_allocator *from; /* NULL: malloc */
    bool failed;
};

struct bl_pbc_service {
    ProtobufCService base; /* the user's */
    struct belay_channel *channel;
    const struct belay_allocator *allocator;
    struct belay_timer *timer;     /* tells `failed` */
    struct bl_list calls, streams; /* under way */
    struct bl_list failed;         /* calls that could not begin, until the timer comes */
    struct bl_list telling;        /* those of them that it is telling */
    struct belay_rpc_options options;
    char *options_text;                    /* what they point to */
    const struct belay_rpc_result *result; /* of the closure that is running */
    unsigned inside;                       /* callbacks of the user's that have not returned */
    bool destroyed;                        /* freed when the last of them has */
};

/* ---- service.c ---- */

/* NULL: `base` is neither a service of belay's nor one call of it. */
struct bl_pbc_service *bl_pbc_service_of(const ProtobufCService *base);
/* Around callbacks of the user's. After leave it may be gone. */
void bl_pbc_enter(struct bl_pbc_service *s);
void bl_pbc_leave(struct bl_pbc_service *s);
/* BELAY_EPROTO is an answer's. */
int bl_pbc_error(struct belay_error *error, int code, const char *format, ...) BELAY_PRINTF(3, 4);
/* NULL: there is no such method, or `s` is NULL; `error` says so. */
const ProtobufCMethodDescriptor *bl_pbc_method(const struct bl_pbc_service *s, const char *name,
                                               struct belay_error *error);
/* "/package.Service/Method", which the caller frees. NULL: no memory. */
char *bl_pbc_path(const struct bl_pbc_service *s, const ProtobufCMethodDescriptor *method);

static inline void *bl_pbc_alloc(const struct bl_pbc_service *s, size_t bytes)
{
    return s->allocator->allocate(bytes, s->allocator->arg);
}
static inline void bl_pbc_free(const struct bl_pbc_service *s, void *memory)
{
    if (memory)
        s->allocator->release(memory, s->allocator->arg);
}

/* ---- call.c ---- */

void bl_pbc_invoke(ProtobufCService *base, unsigned index, const ProtobufCMessage *request,
                   ProtobufCClosure closure, void *data);
/* A service whose calls are those of one struct belay_service_call. */
void bl_pbc_invoke_with(ProtobufCService *base, unsigned index, const ProtobufCMessage *request,
                        ProtobufCClosure closure, void *data);
/* The timer's. */
void bl_pbc_tell_failed(void *service);
/* All of them, without a closure. */
void bl_pbc_cancel_calls(struct bl_pbc_service *s);

/* ---- stream.c ---- */

void bl_pbc_cancel_streams(struct bl_pbc_service *s);

/* ---- options.c ---- */

/* The same as `given` in memory of the service's. BELAY_EINVAL, BELAY_ENOMEM. */
int bl_pbc_options_keep(struct bl_pbc_service *s, const struct belay_rpc_options *given,
                        struct belay_error *error);
/* The service's with those of a call on top. `ret_metadata` is to be freed afterwards. Errors as
 * above. */
int bl_pbc_options_join(const struct bl_pbc_service *s, const struct belay_rpc_options *given,
                        struct belay_rpc_options *ret, struct belay_header **ret_metadata,
                        struct belay_error *error);

/* ---- message.c ---- */

/* NULL: of malloc. */
void bl_pbc_memory_init(struct bl_pbc_memory *memory, const struct belay_allocator *from);

/* A request as bytes; small ones need no memory. */
struct bl_pbc_packed {
    void *data;
    size_t len;
    uint8_t room[512];
};
/* BELAY_EINVAL: it is NULL, or not of that type; BELAY_ENOMEM. To be given back by _free. */
int bl_pbc_pack(const struct bl_pbc_service *s, const ProtobufCMethodDescriptor *method,
                const ProtobufCMessage *message, struct bl_pbc_packed *ret,
                struct belay_error *error);
void bl_pbc_packed_free(const struct bl_pbc_service *s, struct bl_pbc_packed *packed);

/* NULL: `ret_status` (INTERNAL, RESOURCE_EXHAUSTED) and `error` say why. */
ProtobufCMessage *bl_pbc_unpack(struct bl_pbc_memory *memory,
                                const ProtobufCMethodDescriptor *method, const void *data,
                                size_t len, int *ret_status, struct belay_error *error);

/* ---- depth.c ---- */

/* Whether bytes of that type hold no more than `max` messages within each other. What cannot be read
 * is left to whoever reads it: true. */
bool bl_pbc_is_shallow(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len);

#endif
