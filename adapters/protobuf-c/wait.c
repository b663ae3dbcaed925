/* SPDX-License-Identifier: MIT */
/* Calls that block: of the service nothing is used but what never changes. What they return is from
 * malloc, as it may outlive the loop. */
#include <stdio.h>
#include <stdlib.h>

#include "parts.h"

static void *allocate(size_t bytes, void *arg)
{
    (void)arg;
    return malloc(bytes);
}

static void release(void *memory, void *arg)
{
    (void)arg;
    free(memory);
}

/* What never changes of it; the loop's memory is the loop's thread's. */
static struct bl_pbc_service seen_from_here(const struct bl_pbc_service *s)
{
    static const struct belay_allocator own = {
        .size = sizeof own, .allocate = allocate, .release = release};

    return (struct bl_pbc_service){
        .base = s->base, .channel = s->channel, .allocator = &own, .options = s->options};
}

/* The caller's struct may be an older one, or a newer. */
static void hand_over(struct belay_service_result *out, struct belay_service_result *r)
{
    size_t size = out->size && out->size < sizeof *r ? out->size : sizeof *r;

    r->size = size;
    memcpy(out, r, size);
    if (size < offsetof(struct belay_service_result, response) +
                   sizeof r->response) /* nobody would free it */
        protobuf_c_message_free_unpacked(r->response, NULL);
}

/* The answer in bytes becomes a message. */
static void take(const ProtobufCMethodDescriptor *method, const struct belay_unary_result *bytes,
                 struct belay_service_result *ret)
{
    struct bl_pbc_memory memory;
    struct belay_error error;

    *ret = (struct belay_service_result){.status = bytes->status};
    memcpy(ret->message, bytes->message, sizeof ret->message);
    if (!bytes->response)
        return;
    bl_pbc_memory_init(&memory, NULL);
    ret->response =
        bl_pbc_unpack(&memory, method, bytes->response, bytes->response_len, &ret->status, &error);
    if (ret->response)
        ret->status = bytes->status;
    else
        snprintf(ret->message, sizeof ret->message, "%.*s", (int)sizeof ret->message - 1,
                 error.text);
}

int belay_service_wait(ProtobufCService *service, const char *method,
                       const ProtobufCMessage *request, const struct belay_rpc_options *options,
                       struct belay_service_result *ret_result, struct belay_error *error)
{
    const struct bl_pbc_service *of = bl_pbc_service_of(service);
    const ProtobufCMethodDescriptor *m = bl_pbc_method(of, method, error);
    struct belay_unary_result bytes = {.size = sizeof bytes};
    struct belay_header *metadata = NULL;
    struct belay_service_result result;
    struct belay_rpc_options joined;
    struct bl_pbc_packed packed;
    struct bl_pbc_service s;
    char *path;
    int rc;

    if (!m)
        return BELAY_EINVAL;
    s = seen_from_here(of);
    rc = bl_pbc_pack(&s, m, request, &packed, error);
    if (rc < 0)
        return rc;
    path = bl_pbc_path(&s, m);
    if (!path)
        rc = bl_pbc_error(error, BELAY_ENOMEM, "making a call: out of memory");
    if (rc == 0)
        rc = bl_pbc_options_join(&s, options, &joined, &metadata, error);
    if (rc == 0)
        rc = belay_channel_unary_wait(s.channel, path, packed.data, packed.len, &joined, &bytes,
                                      error);
    bl_pbc_free(&s, metadata);
    bl_pbc_free(&s, path);
    bl_pbc_packed_free(&s, &packed);
    if (rc < 0)
        return rc;
    take(m, &bytes, &result);
    free(bytes.response);
    hand_over(ret_result, &result);
    return 0;
}
