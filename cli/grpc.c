/* SPDX-License-Identifier: MIT */
/*
 * `belay grpc`: what is to be called is found in the schema, which comes from files or from the
 * server, and then called. Each step turns the loop until it is done.
 */
#include "grpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "say.h"

/* ---- files of the schema ---- */

static bool load_sets(struct grpc *g, struct complaint *why)
{
    const struct strings *files = &g->o->protosets;
    struct complaint inner;
    bool good = true;

    for (size_t i = 0; good && i < files->n; i++) {
        struct bytes set = {0};

        good = input_read(files->items[i], "reading the schema", &set, why);
        if (good && !grpc_schema_add_set(g->schema, files->items[i], &set, &inner))
            good = complain(why, "reading the schema: %.440s", inner.text);
        bytes_free(&set);
    }
    return good;
}

static bool load_files(struct grpc *g, struct complaint *why)
{
    struct complaint inner;

    if (!load_sets(g, why))
        return false;
    if ((g->o->protos.n == 0 ||
         grpc_schema_add_protos(g->schema, &g->o->protos, &g->o->import_paths, &inner)) &&
        grpc_schema_build(g->schema, &inner))
        return true;
    return complain(why, "reading the schema: %.420s%s", inner.text,
                    strstr(inner.text, "File not found") ? " (--import-path DIR says where)" : "");
}

/* Whether what is asked for can be done at all, before anybody is asked. */
static int prepare(struct grpc *g)
{
    const struct grpc_options *o = g->o;
    struct complaint why = {.text = ""};

    if (o->verb == GRPC_HEALTH || o->format != GRPC_JSON)
        return EXIT_FINE;
    if (!grpc_schema_is_there()) {
        grpc_schema_build(NULL, &why);
        say("reading the schema: %s", why.text);
        return EXIT_USAGE;
    }
    g->schema = grpc_schema_new();
    if (!grpc_has_files(o) || load_files(g, &why))
        return EXIT_FINE;
    say("%s", why.text);
    return EXIT_USAGE;
}

/* ---- the command ---- */

static int act(struct grpc *g)
{
    struct grpc_method method;
    int status;

    switch (g->o->verb) {
    case GRPC_LIST:
        return grpc_list(g);
    case GRPC_DESCRIBE:
        return grpc_describe(g);
    case GRPC_HEALTH:
        return grpc_health(g);
    default:
        break;
    }
    status = grpc_find_method(g, &method);
    if (status != EXIT_FINE)
        return status;
    return grpc_is_load(g->o) ? grpc_load(g, &method) : grpc_call(g, &method);
}

/* What still waits to be written is, unless the user has lost patience. */
static int finish_output(struct grpc *g, int status)
{
    if (g->interrupted_by)
        return status;
    signals_unwatch(&g->signals); /* they end it while nobody reads */
    if (!g->stdout_gone && !sink_finish(&g->out))
        grpc_output_failed(g, g->out.error);
    return g->stdout_gone && status == EXIT_FINE ? EXIT_PROBLEM : status;
}

static int run(const struct grpc_options *options)
{
    struct grpc g = {.o = options, .signals = {.fd = -1}};
    int status = prepare(&g);

    if (status == EXIT_FINE)
        status = grpc_world_open(&g);
    if (status == EXIT_FINE)
        status = finish_output(&g, act(&g));
    grpc_world_close(&g);
    return status;
}

int grpc_main(int argc, char **argv)
{
    struct grpc_options options;
    struct complaint why = {.text = ""};
    int status;

    switch (grpc_options_read(&options, argc, argv, &why)) {
    case OPTIONS_HELP:
        options_print_help(&grpc_table);
        status = fflush(stdout) == 0 ? EXIT_FINE : EXIT_PROBLEM;
        break;
    case OPTIONS_BAD:
        say("reading the options: %s", why.text);
        status = EXIT_USAGE;
        break;
    default:
        status = run(&options);
    }
    grpc_options_free(&options);
    return status;
}
