/* SPDX-License-Identifier: MIT */
/* What `belay get` was told: defaults, and which options go together. */
#include "get_options.h"

#include <stdlib.h>
#include <string.h>

static void set_defaults(struct get_options *o)
{
    memset(o, 0, sizeof *o);
    client_options_init(&o->client);
    o->client.concurrency = 16;
    o->requests = o->for_ms = OPTION_UNSET;
    o->retry.retries = 2;
}

static bool check_output(const struct get_options *o, struct complaint *why)
{
    if (o->output_dir && strstr(o->output_dir, "://"))
        return complain(why, "-O takes a directory, not a URL (-O . for this one)");
    if (o->output && o->output_dir)
        return client_options_clash(why, "-o", "-O");
    if (o->discard && (o->output || o->output_dir))
        return client_options_clash(why, "--discard", o->output ? "-o" : "-O");
    if (o->client.json && o->write_out)
        return complain(why, "--json and -w both print to standard output: choose one");
    if ((o->client.json || o->write_out) && o->dump_header && strcmp(o->dump_header, "-") == 0)
        return client_options_clash(why, o->client.json ? "--json" : "-w", "-D -");
    if ((o->client.json || o->write_out) && o->output && strcmp(o->output, "-") == 0)
        return client_options_clash(why, o->client.json ? "--json" : "-w", "-o -");
    if (o->client.head && (o->output || o->output_dir))
        return complain(why, "-I has no body to write (-D FILE writes the headers)");
    if (o->warm_up_ms && o->for_ms < 0 && o->requests < 0)
        return complain(why, "--warm-up needs -n or --for");
    return true;
}

enum options_verdict get_options_read(struct get_options *o, int argc, char **argv,
                                      struct complaint *why)
{
    enum options_verdict verdict;

    set_defaults(o);
    verdict = options_read(&get_table, argc, argv, o, &o->client.urls, why);
    if (verdict != OPTIONS_GOOD)
        return verdict;
    if (!check_output(o, why) || !client_options_check(&o->client, "get", why))
        return OPTIONS_BAD;
    return OPTIONS_GOOD;
}

static bool is_one(const struct get_options *o)
{
    return o->for_ms < 0 && (o->requests < 0 ? o->client.urls.n == 1 : o->requests == 1);
}

bool get_is_single(const struct get_options *o)
{
    return is_one(o) && o->requests < 0 && !o->discard && !o->client.json && !o->write_out;
}

bool get_shows_body(const struct get_options *o)
{
    return get_is_single(o) && !o->output && !o->output_dir && !o->client.head;
}

bool get_options_check_urls(const struct get_options *o, struct complaint *why)
{
    if (o->client.urls.n == 0)
        return complain(why, "there is no URL in the files of -i");
    if (is_one(o))
        return true;
    if (o->output)
        return complain(why, "-o is for one request (-O DIR writes each into a file of its own)");
    if (o->dump_header)
        return complain(why, "-D is for one request");
    return true;
}

bool get_options_check_body(const struct get_options *o, bool once, struct complaint *why)
{
    if (is_one(o) || !once)
        return true;
    return complain(why,
                    "%s from standard input, or a pipe, is for one request: it can be read "
                    "only once",
                    o->client.upload ? "-T" : "-F");
}

void get_options_free(struct get_options *o)
{
    client_options_free(&o->client);
    memset(o, 0, sizeof *o);
}
