/* SPDX-License-Identifier: MIT */
/*
 * A channel as a child of a supervisor: told to stop it drains; when its time to stop has passed it
 * is closed.
 */
#include <stdlib.h>

#include "grpc/channel.h"
#include "wire/grpc_target.h"

typedef void open_fn(struct belay_channel *channel, void *arg);

struct spec { /* from malloc: there is no loop yet */
    struct belay_channel_options options;
    struct belay_backoff_options backoff;
    struct belay_retry_policy retry;
    char *target, *authority, *user_agent, *health_service;
    open_fn *on_open;
    void *arg;
};

static int start(struct belay_loop *loop, struct belay_child *child, void *arg)
{
    const struct spec *spec = arg;
    struct belay_channel *channel;
    struct belay_error error;

    if (belay_channel_open(loop, spec->target, &spec->options, &channel, &error) < 0) {
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

    belay_tls_unref(spec->options.tls);
    free(spec->target);
    free(spec->authority);
    free(spec->user_agent);
    free(spec->health_service);
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

/* In place of what is pointed to, a copy. */
static int copy_text(const char **text, char **ret)
{
    if (!*text)
        return 0;
    *ret = strdup(*text);
    *text = *ret;
    return *ret ? 0 : BELAY_ENOMEM;
}

static int fill(struct spec *spec, const char *target, const struct belay_channel_options *given)
{
    struct belay_channel_options *o = &spec->options;
    int rc = bl_options_resolve(o, sizeof *o, given, NULL, 0, NULL);

    if (rc == 0)
        rc = bl_options_resolve(&spec->backoff, sizeof spec->backoff, o->backoff, NULL, 0, NULL);
    if (rc == 0)
        rc = bl_options_resolve(&spec->retry, sizeof spec->retry, o->retry, NULL, 0, NULL);
    o->tls = rc == 0 ? belay_tls_ref(o->tls) : NULL;
    if (o->backoff)
        o->backoff = &spec->backoff;
    if (o->retry)
        o->retry = &spec->retry;
    if (rc == 0)
        rc = copy_text(&target, &spec->target);
    if (rc == 0)
        rc = copy_text(&o->authority, &spec->authority);
    if (rc == 0)
        rc = copy_text(&o->user_agent, &spec->user_agent);
    return rc < 0 ? rc : copy_text(&o->health_service, &spec->health_service);
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
    if (spec)
        rc = fill(spec, target, options);
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
