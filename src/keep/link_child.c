/* SPDX-License-Identifier: MIT */
/* A link under a supervisor: what starts and stops it, and what its end is called. */
#include "keep/link.h"

#include "conn/options.h"

struct spec {
    struct belay_loop *loop;
    struct belay_source *source;
    struct belay_link_options options; /* its strings and structs are copies */
    struct belay_dial_options dial;
    struct belay_backoff_options backoff;
    char *server_name;
    belay_link_open_fn *on_open;
    void *arg;
};

/* A link that nobody wanted to end has ended of an error. */
void bl_link_child_ended(struct belay_link *link)
{
    struct belay_child *child = link->child;
    struct belay_exit why = {.kind = BELAY_EXIT_NORMAL};
    struct belay_error scratch;

    if (!child)
        return;
    link->child = NULL;
    if (link->spent) {
        why.kind = BELAY_EXIT_ERROR;
        why.error = bl_link_last(link, &scratch);
    }
    link->released = true; /* its supervisor is its caller */
    belay_child_ended(child, why);
}

static int start(struct belay_loop *loop, struct belay_child *child, void *arg)
{
    struct spec *spec = arg;
    struct belay_link *link;
    struct belay_error error;

    if (loop != spec->loop) {
        bl_error_set(&error, BELAY_EINVAL, BELAY_STAGE_NONE,
                     "opening a link: its source is of another loop than its supervisor");
        belay_child_failed(child, &error);
        return 0;
    }
    if (belay_link_open(spec->source, &spec->options, &link, &error) < 0) {
        belay_child_failed(child, &error);
        return 0;
    }
    link->child = child;
    belay_child_started(child, link);
    if (spec->on_open)
        spec->on_open(link, spec->arg);
    return 0;
}

static void stop(struct belay_child *child, void *object, void *arg)
{
    (void)child;
    (void)arg;
    belay_link_close(object, NULL, NULL); /* started at once: there is one */
}

static void spec_free(void *arg)
{
    struct spec *spec = arg;
    struct bl_mem *mem = &spec->loop->mem;

    belay_source_unref(spec->source);
    bl_free(mem, spec->server_name);
    bl_free(mem, spec);
}

static const struct belay_child_ops ops = {
    .size = sizeof ops, .noun = "link", .start = start, .stop = stop, .free = spec_free};

/* What is pointed to is copied as it was given. */
static int copy_options(struct spec *spec, const struct belay_link_options *given)
{
    struct belay_link_options *o = &spec->options;
    int rc = bl_options_resolve(o, sizeof *o, given, NULL, 0, NULL);

    if (rc == 0)
        rc = bl_options_resolve(&spec->dial, sizeof spec->dial, o->dial, NULL, 0, NULL);
    if (rc == 0)
        rc = bl_options_resolve(&spec->backoff, sizeof spec->backoff, o->backoff, NULL, 0, NULL);
    if (rc < 0)
        return rc;
    if (o->dial)
        o->dial = &spec->dial;
    if (o->backoff)
        o->backoff = &spec->backoff;
    if (o->server_name) {
        spec->server_name = bl_strdup(&spec->loop->mem, o->server_name);
        if (!spec->server_name)
            return BELAY_ENOMEM;
        o->server_name = spec->server_name;
    }
    return 0;
}

int belay_link_child_spec(struct belay_source *source, const struct belay_link_options *options,
                          belay_link_open_fn *on_open, void *arg, struct belay_child_spec *ret_spec,
                          struct belay_error *error)
{
    struct bl_link_settings settings;
    struct spec *spec;
    int rc;

    if (!source)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "a link's spec: no source");
    rc = bl_link_settings_make(&settings, options, error);
    if (rc < 0)
        return rc;
    spec = bl_zalloc(&source->loop->mem, sizeof *spec);
    rc = BELAY_ENOMEM;
    if (spec) {
        spec->loop = source->loop;
        spec->source = belay_source_ref(source);
        spec->on_open = on_open;
        spec->arg = arg;
        rc = copy_options(spec, options);
        if (rc < 0)
            spec_free(spec);
    }
    if (rc < 0)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "a link's spec: %s", belay_strerror(rc));
    *ret_spec = belay_child_spec_init();
    ret_spec->ops = &ops;
    ret_spec->arg = spec;
    return 0;
}
