/* SPDX-License-Identifier: MIT */
/* A connection under a supervisor: one that was disconnected stays so, one that gave up is started
 * again. */
#include <stdlib.h>

#include "service/chronicle.h"

typedef void start_fn(struct belay_chronicle *chronicle, void *arg);

struct spec {
    struct bl_mem mem; /* malloc's: there is no loop yet */
    struct belay_chronicle_options options;
    struct belay_chronicle_functions functions;
    struct bl_channel_options_copy channel;
    struct belay_chronicle_string *string;
    char *texts[5]; /* copies, in no order; one may hold a secret */
    size_t texts_n;
    start_fn *on_start;
    void *arg;
};

static int start(struct belay_loop *loop, struct belay_child *child, void *arg)
{
    const struct spec *spec = arg;
    struct belay_chronicle *c;
    struct belay_error error;

    if (belay_chronicle_start(loop, &spec->options, &c, &error) < 0) {
        belay_child_failed(child, &error);
        return 0;
    }
    c->child = child;
    belay_child_started(child, c);
    if (spec->on_start)
        spec->on_start(c, spec->arg);
    return 0;
}

static void stop(struct belay_child *child, void *object, void *arg)
{
    (void)child, (void)arg;
    belay_chronicle_disconnect(object, NULL, NULL); /* started at once: there is one */
}

void bl_chronicle_child_ended(struct belay_chronicle *c)
{
    struct belay_child *child = c->child;
    struct belay_error scratch;

    c->child = NULL;
    if (child)
        belay_child_ended(child, bl_chronicle_exit(c, &scratch));
}

static void spec_free(void *arg)
{
    struct spec *spec = arg;

    bl_channel_options_copy_free(&spec->channel, &spec->mem);
    belay_chronicle_string_free(spec->string);
    for (size_t i = 0; i < spec->texts_n; i++) {
        explicit_bzero(spec->texts[i], strlen(spec->texts[i]));
        free(spec->texts[i]);
    }
    free(spec);
}

static const struct belay_child_ops chronicle_child = {
    .size = sizeof chronicle_child,
    .noun = "chronicle",
    .start = start,
    .stop = stop,
    .free = spec_free,
};

/* In place of what is pointed to, a copy. */
static int copy_text(struct spec *spec, const char **text)
{
    char *copy;

    if (!*text)
        return 0;
    copy = strdup(*text);
    *text = copy;
    if (!copy)
        return BELAY_ENOMEM;
    spec->texts[spec->texts_n++] = copy;
    return 0;
}

static int copy_channel(struct spec *spec)
{
    struct belay_chronicle_options *o = &spec->options;
    const struct belay_channel_options *given = o->channel;

    o->channel = given ? &spec->channel.o : NULL;
    return given ? bl_channel_options_copy(&spec->channel, &spec->mem, given, NULL) : 0;
}

/* The string as it is: written out and parsed again. */
static int copy_string(struct spec *spec)
{
    struct belay_chronicle_options *o = &spec->options;
    char *text;
    int rc;

    if (!o->string)
        return 0;
    rc = belay_chronicle_string_format(o->string, &text);
    if (rc < 0)
        return rc;
    rc = belay_chronicle_string_parse(text, &spec->string, NULL);
    explicit_bzero(text, strlen(text));
    free(text);
    o->string = spec->string;
    return rc;
}

static int fill(struct spec *spec, const struct belay_chronicle_options *given)
{
    struct belay_chronicle_options *o = &spec->options;
    int rc = bl_options_resolve(o, sizeof *o, given, NULL, 0, NULL);

    if (rc == 0)
        rc = bl_options_resolve(&spec->functions, sizeof spec->functions, o->functions, NULL, 0,
                                NULL);
    if (o->functions)
        o->functions = &spec->functions;
    if (rc == 0)
        rc = copy_channel(spec);
    if (rc == 0)
        rc = copy_string(spec);
    if (rc == 0)
        rc = copy_text(spec, &o->connection_string);
    if (rc == 0)
        rc = copy_text(spec, &o->server_address);
    if (rc == 0)
        rc = copy_text(spec, &o->client_type);
    if (rc == 0)
        rc = copy_text(spec, &o->client_version);
    return rc < 0 ? rc : copy_text(spec, &o->name);
}

int belay_chronicle_child_spec(const struct belay_chronicle_options *options, start_fn *on_start,
                               void *arg, struct belay_child_spec *ret_spec,
                               struct belay_error *error)
{
    struct spec *spec;
    int rc = bl_chronicle_options_check(options, error);

    if (rc < 0)
        return rc;
    spec = calloc(1, sizeof *spec);
    if (spec) {
        bl_mem_init(&spec->mem, NULL);
        rc = fill(spec, options);
    }
    if (spec && rc < 0)
        spec_free(spec);
    if (!spec || rc < 0)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                            "a spec of a connection to Chronicle: out of memory");
    spec->on_start = on_start;
    spec->arg = arg;
    *ret_spec = belay_child_spec_init();
    ret_spec->ops = &chronicle_child;
    ret_spec->arg = spec;
    ret_spec->restart = BELAY_RESTART_TRANSIENT;
    return 0;
}
