/* SPDX-License-Identifier: MIT */
/* Messages from and to bytes, in memory of the loop's. */
#include <stdlib.h>

#include "parts.h"

/* ---- memory ---- */

static void *allocate(void *arg, size_t size)
{
    struct bl_pbc_memory *m = arg;
    size_t bytes = size > 0 ? size : 1; /* NULL always means that memory is out */
    void *got = m->from ? m->from->allocate(bytes, m->from->arg) : malloc(bytes);

    m->failed |= !got;
    return got;
}

static void release(void *arg, void *memory)
{
    struct bl_pbc_memory *m = arg;

    if (m->from && memory)
        m->from->release(memory, m->from->arg);
    else if (memory)
        free(memory);
}

void bl_pbc_memory_init(struct bl_pbc_memory *memory, const struct belay_allocator *from)
{
    *memory = (struct bl_pbc_memory){
        .allocator = {.alloc = allocate, .free = release, .allocator_data = memory}, .from = from};
}

/* ---- types ---- */

/* Files with optimize_for = CODE_SIZE have no names. */
static const char *name_of(const ProtobufCMessageDescriptor *type)
{
    return type && type->name ? type->name : "a type without a name";
}

/* ---- to bytes ---- */

int bl_pbc_pack(const struct bl_pbc_service *s, const ProtobufCMethodDescriptor *method,
                const ProtobufCMessage *message, struct bl_pbc_packed *ret,
                struct belay_error *error)
{
    if (!message || message->descriptor != method->input)
        return bl_pbc_error(error, BELAY_EINVAL,
                            "%s takes %s, and was given %s (is the message initialised?)",
                            method->name, name_of(method->input),
                            message && message->descriptor ? "another message" : "none");
    ret->len = protobuf_c_message_get_packed_size(message);
    ret->data = ret->len <= sizeof ret->room ? ret->room : bl_pbc_alloc(s, ret->len);
    if (!ret->data)
        return bl_pbc_error(error, BELAY_ENOMEM, "writing %s: out of memory",
                            name_of(method->input));
    protobuf_c_message_pack(message, ret->data);
    return 0;
}

void bl_pbc_packed_free(const struct bl_pbc_service *s, struct bl_pbc_packed *packed)
{
    if (packed->data != packed->room)
        bl_pbc_free(s, packed->data);
}

/* ---- from bytes ---- */

ProtobufCMessage *bl_pbc_unpack(struct bl_pbc_memory *memory,
                                const ProtobufCMethodDescriptor *method, const void *data,
                                size_t len, int *ret_status, struct belay_error *error)
{
    const char *type = name_of(method->output);
    ProtobufCMessage *message = NULL;

    *ret_status = BELAY_GRPC_INTERNAL;
    if (!bl_pbc_is_shallow(method->output, data, len)) {
        bl_pbc_error(error, BELAY_EPROTO,
                     "%s: the server's answer is not read: a %s of too many messages within each "
                     "other",
                     method->name, type);
        return NULL;
    }
    message = protobuf_c_message_unpack(method->output, &memory->allocator, len, data);
    if (!message && memory->failed) {
        *ret_status = BELAY_GRPC_RESOURCE_EXHAUSTED;
        bl_pbc_error(error, BELAY_ENOMEM, "%s: reading %s: out of memory", method->name, type);
        error->sent = BELAY_ANSWERED;
    } else if (!message) {
        bl_pbc_error(error, BELAY_EPROTO,
                     "%s: the server's answer of %zu bytes is not a message of the type %s",
                     method->name, len, type);
    }
    return message;
}
