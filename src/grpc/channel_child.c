/* SPDX-License-Identifier: MIT */
/*
 * A channel as a child of a supervisor: told to stop it drains; when its time to stop has passed it
 * is closed.
 */
#include <stdlib.h>

#include "grpc/channel.h"
#include "grpc/channel_copy.h"
#include "wire/grpc_target.h"

typedef void open_fn(struct belay_channel *channel, void *arg);

struct spec {
    struct bl_mem mem; /* malloc's: there is no loop yet */
    struct bl_channel_options_copy options;
    char *target;
    open_fn *on_open;
    void *arg;
};

static int start(struct belay_loop *loop, struct belay_child *child, void *arg)
{
    const struct spec *spec = arg;
    struct belay_channel *channel;
    struct belay_error error;

    if (belay_channel_open(loop, spec->target, &spec->options.o, &channel, &error) < 0) {
        belay_child_failed(child, &error);
        return 0;
    }
    channel->child = child;
    belay_child_started(child, channel);
    if (spec->on_open)
        spec->on_open(channel, spec->arg);
    return 0;
}

static void stop(struct belay_child *child, void *object, void *arg)
{
    (void)child;
    (void)arg;
    belay_channel_drain(object, NULL, NULL);
}

static void kill(struct belay_child *child, void *object, void *arg)
{
    (void)child;
    (void)arg;
    belay_channel_close(object, NULL, NULL);
}

void bl_channel_child_ended(struct belay_channel *ch)
{
    struct belay_child *child = ch->child;

    ch->child = NULL;
    if (child)
        belay_child_ended(child, (struct belay_exit){.kind = BELAY_EXIT_NORMAL});
}

static void spec_free(void *arg)
{
    struct spec *spec = arg;

    bl_channel_options_copy_free(&spec->options, &spec->mem);
    bl_free(&spec->mem, spec->target);
    free(spec);
}

static const struct belay_child_ops channel_child = {
    .size = sizeof channel_child,
    .noun = "channel",
    .start = start,
    .stop = stop,
    .kill = kill,
    .free = spec_free,
};

static int fill(struct spec *spec, const char *target, const struct belay_channel_options *given)
{
    int rc = bl_channel_options_copy(&spec->options, &spec->mem, given, NULL);

    return rc < 0 ? rc : bl_copy_text(&spec->mem, target, &spec->target);
}

static int check(const char *target, const struct belay_channel_options *options,
                 struct belay_error *error)
{
    struct belay_channel_options checked;
    struct bl_retry_limits retry;
    struct bl_cp_limits limits;
    struct bl_grpc_target parsed;

    if (!target)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "a channel's spec: no target");
    if (bl_channel_options_resolve(&checked, &limits, &retry, options, error) < 0)
        return BELAY_EINVAL;
    return bl_grpc_target_parse(bl_span_of(target), &parsed, error);
}

int belay_channel_child_spec(const char *target, const struct belay_channel_options *options,
                             open_fn *on_open, void *arg, struct belay_child_spec *ret_spec,
                             struct belay_error *error)
{
    struct spec *spec;
    int rc = check(target, options, error);

    if (rc < 0)
        return rc;
    spec = calloc(1, sizeof *spec);
    if (spec) {
        bl_mem_init(&spec->mem, NULL);
        rc = fill(spec, target, options);
    }
    if (spec && rc < 0)
        spec_free(spec);
    if (!spec || rc < 0)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                            "a channel's spec: out of memory");
    spec->on_open = on_open;
    spec->arg = arg;
    *ret_spec = belay_child_spec_init();
    ret_spec->ops = &channel_child;
    ret_spec->arg = spec;
    return 0;
}
