/* SPDX-License-Identifier: MIT */
/* Options of channels that outlive the call which gave them. */
#include "grpc/channel_copy.h"

#include "base/options.h"

static int copy_texts(struct bl_channel_options_copy *copy, struct bl_mem *mem)
{
    struct belay_channel_options *o = &copy->o;

    if (bl_copy_text(mem, o->authority, &copy->authority) < 0 ||
        bl_copy_text(mem, o->user_agent, &copy->user_agent) < 0 ||
        bl_copy_text(mem, o->health_service, &copy->health_service) < 0)
        return BELAY_ENOMEM;
    o->authority = copy->authority;
    o->user_agent = copy->user_agent;
    o->health_service = copy->health_service;
    return 0;
}

int bl_channel_options_copy(struct bl_channel_options_copy *ret, struct bl_mem *mem,
                            const struct belay_channel_options *given, struct belay_error *error)
{
    struct belay_channel_options *o = &ret->o;
    int rc;

    *ret = (struct bl_channel_options_copy){0};
    rc = bl_options_resolve(o, sizeof *o, given, NULL, 0, error);
    if (rc == 0)
        rc = bl_options_resolve(&ret->backoff, sizeof ret->backoff, o->backoff, NULL, 0, error);
    if (rc == 0)
        rc = bl_options_resolve(&ret->retry, sizeof ret->retry, o->retry, NULL, 0, error);
    if (rc < 0)
        return rc;
    ret->tls = belay_tls_ref(o->tls);
    o->backoff = o->backoff ? &ret->backoff : NULL;
    o->retry = o->retry ? &ret->retry : NULL;
    return copy_texts(ret, mem);
}

void bl_channel_options_copy_free(struct bl_channel_options_copy *copy, struct bl_mem *mem)
{
    belay_tls_unref(copy->tls);
    bl_free(mem, copy->authority);
    bl_free(mem, copy->user_agent);
    bl_free(mem, copy->health_service);
}
