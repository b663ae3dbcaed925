/* SPDX-License-Identifier: MIT */
/* A service of protobuf-c's over a channel, and its life. */
#include <stdarg.h>
#include <stdio.h>

#include "parts.h"

int bl_pbc_error(struct belay_error *error, int code, const char *format, ...)
{
    va_list args;

    if (!error)
        return code;
    memset(error, 0, sizeof *error);
    error->code = code;
    error->kind = belay_error_kind_of(code);
    if (code == BELAY_EPROTO) { /* that is an answer's */
        error->stage = BELAY_STAGE_USE;
        error->sent = BELAY_ANSWERED;
    }
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return code;
}

/* ---- whose it is ---- */

static void destroy(ProtobufCService *base);

struct bl_pbc_service *bl_pbc_service_of(const ProtobufCService *base)
{
    if (base && base->invoke == bl_pbc_invoke_with)
        base = ((const struct belay_service_call *)(const void *)base)->service;
    return base && base->invoke == bl_pbc_invoke ? (struct bl_pbc_service *)(uintptr_t)base : NULL;
}

const struct belay_rpc_result *belay_service_status(const ProtobufCService *service)
{
    const struct bl_pbc_service *s = bl_pbc_service_of(service);

    return s ? s->result : NULL;
}

/* ---- methods ---- */

const ProtobufCMethodDescriptor *bl_pbc_method(const struct bl_pbc_service *s, const char *name,
                                               struct belay_error *error)
{
    const ProtobufCMethodDescriptor *method = NULL;

    if (!s) {
        bl_pbc_error(error, BELAY_EINVAL, "service: it is none of belay_service_new");
        return NULL;
    }
    if (name)
        method = protobuf_c_service_descriptor_get_method_by_name(s->base.descriptor, name);
    if (!method)
        bl_pbc_error(error, BELAY_EINVAL, "method: %s has no \"%.80s\"", s->base.descriptor->name,
                     name ? name : "");
    return method;
}

char *bl_pbc_path(const struct bl_pbc_service *s, const ProtobufCMethodDescriptor *method)
{
    const char *service = s->base.descriptor->name;
    size_t size = strlen(service) + strlen(method->name) + 3;
    char *path = bl_pbc_alloc(s, size);

    if (path)
        snprintf(path, size, "/%s/%s", service, method->name);
    return path;
}

/* ---- its life ---- */

static void dispose(struct bl_pbc_service *s)
{
    belay_timer_free(s->timer);
    belay_channel_unref(s->channel);
    bl_pbc_free(s, s->options_text);
    bl_pbc_free(s, s);
}

void bl_pbc_enter(struct bl_pbc_service *s)
{
    s->inside++;
}

void bl_pbc_leave(struct bl_pbc_service *s)
{
    s->inside--;
    if (s->destroyed && s->inside == 0)
        dispose(s);
}

static void destroy(ProtobufCService *base)
{
    struct bl_pbc_service *s = (struct bl_pbc_service *)base;

    if (s->destroyed)
        return;
    bl_pbc_cancel_calls(s);
    bl_pbc_cancel_streams(s);
    s->destroyed = true;
    if (s->inside == 0)
        dispose(s);
}

static int check(const struct belay_channel *channel, const ProtobufCServiceDescriptor *descriptor,
                 ProtobufCService **ret_service, struct belay_error *error)
{
    if (!channel || !ret_service)
        return bl_pbc_error(error, BELAY_EINVAL, "channel or ret_service is NULL");
    if (!descriptor || descriptor->magic != PROTOBUF_C__SERVICE_DESCRIPTOR_MAGIC)
        return bl_pbc_error(error, BELAY_EINVAL, "descriptor: it is none of a service");
    if (!descriptor->name)
        return bl_pbc_error(error, BELAY_EINVAL,
                            "descriptor: it has no names, as its .proto file says optimize_for = "
                            "CODE_SIZE");
    if (belay_channel_is_closed(channel))
        return bl_pbc_error(error, BELAY_ECLOSED, "the channel is closed");
    return 0;
}

int belay_service_new(struct belay_channel *channel, const ProtobufCServiceDescriptor *descriptor,
                      const struct belay_rpc_options *options, ProtobufCService **ret_service,
                      struct belay_error *error)
{
    const struct belay_allocator *allocator;
    struct bl_pbc_service *s;
    int rc = check(channel, descriptor, ret_service, error);

    if (rc < 0)
        return rc;
    allocator = belay_loop_allocator(belay_channel_loop(channel));
    s = allocator->allocate(sizeof *s, allocator->arg);
    if (!s)
        return bl_pbc_error(error, BELAY_ENOMEM, "making a service: out of memory");
    *s = (struct bl_pbc_service){
        .base = {.descriptor = descriptor, .invoke = bl_pbc_invoke, .destroy = destroy},
        .channel = belay_channel_ref(channel),
        .allocator = allocator,
    };
    bl_list_init(&s->calls);
    bl_list_init(&s->streams);
    bl_list_init(&s->failed);
    bl_list_init(&s->telling);
    rc = belay_timer_new(belay_channel_loop(channel), bl_pbc_tell_failed, s, &s->timer);
    if (rc < 0)
        bl_pbc_error(error, rc, "making a service: %s", belay_strerror(rc));
    else
        rc = bl_pbc_options_keep(s, options, error);
    if (rc < 0) {
        dispose(s);
        return rc;
    }
    *ret_service = &s->base;
    return 0;
}
