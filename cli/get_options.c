/* SPDX-License-Identifier: MIT */
/* What `belay get` was told: defaults, and which options go together. */
#include "get_options.h"

#include <stdlib.h>
#include <string.h>

static void set_defaults(struct get_options *o)
{
    memset(o, 0, sizeof *o);
    o->tls = belay_tls_options_init();
    o->max_redirects = 10;
    o->requests = o->for_ms = GET_UNSET;
    o->concurrency = 16;
    o->max_connections = o->max_total = o->idle_timeout_ms = GET_UNSET;
    o->retry.retries = 2;
    o->connect_timeout_ms = o->timeout_ms = GET_UNSET;
}

static bool clash(struct complaint *why, const char *a, const char *b)
{
    return complain(why, "%s and %s do not go together", a, b);
}

static bool check_body(const struct get_options *o, struct complaint *why)
{
    if (o->data_n && o->upload)
        return clash(why, "-d", "-T");
    if (o->head && (o->data_n || o->upload))
        return clash(why, "-I", o->upload ? "-T" : "-d");
    if (o->head && o->method && strcmp(o->method, "HEAD") != 0)
        return clash(why, "-I", "-X");
    return true;
}

static bool check_output(const struct get_options *o, struct complaint *why)
{
    if (o->output_dir && strstr(o->output_dir, "://"))
        return complain(why, "-O takes a directory, not a URL (-O . for this one)");
    if (o->output && o->output_dir)
        return clash(why, "-o", "-O");
    if (o->discard && (o->output || o->output_dir))
        return clash(why, "--discard", o->output ? "-o" : "-O");
    if (o->json && o->write_out)
        return complain(why, "--json and -w both print to standard output: choose one");
    if ((o->json || o->write_out) && o->dump_header && strcmp(o->dump_header, "-") == 0)
        return clash(why, o->json ? "--json" : "-w", "-D -");
    if ((o->json || o->write_out) && o->output && strcmp(o->output, "-") == 0)
        return clash(why, o->json ? "--json" : "-w", "-o -");
    if (o->head && (o->output || o->output_dir))
        return complain(why, "-I has no body to write (-D FILE writes the headers)");
    if (o->quiet && o->verbose)
        return clash(why, "-q", "-v");
    return true;
}

static bool check_connection(const struct get_options *o, struct complaint *why)
{
    if (o->ipv4 && o->ipv6)
        return clash(why, "-4", "-6");
    if (o->tls.key_file && !o->tls.cert_file)
        return complain(why, "--key needs --cert");
    if (o->tls.key_passphrase && !o->tls.cert_file)
        return complain(why, "--pass needs --cert");
    if (o->unix_path && (o->routes.n || o->interface || o->ipv4 || o->ipv6))
        return complain(
            why,
            "--unix says what is dialled: not with --resolve, --connect-to, --interface, -4 or -6");
    if (o->warm_up_ms && o->for_ms < 0 && o->requests < 0)
        return complain(why, "--warm-up needs -n or --for");
    return true;
}

static void settle(struct get_options *o)
{
    if (o->head)
        o->method = "HEAD";
    else if (!o->method)
        o->method = o->data_n ? "POST" : o->upload ? "PUT" : "GET";
    o->tls.pins = o->pins;
}

enum options_verdict get_options_read(struct get_options *o, int argc, char **argv,
                                      struct complaint *why)
{
    enum options_verdict verdict;

    set_defaults(o);
    verdict = options_read(&get_table, argc, argv, o, &o->urls, why);
    if (verdict != OPTIONS_GOOD)
        return verdict;
    if (!check_body(o, why) || !check_output(o, why) || !check_connection(o, why))
        return OPTIONS_BAD;
    if (o->urls.n == 0 && o->url_files.n == 0) {
        complain(why, "there is no URL (belay get URL, or --help)");
        return OPTIONS_BAD;
    }
    settle(o);
    return OPTIONS_GOOD;
}

static bool is_one(const struct get_options *o)
{
    return o->for_ms < 0 && (o->requests < 0 ? o->urls.n == 1 : o->requests == 1);
}

bool get_is_single(const struct get_options *o)
{
    return is_one(o) && o->requests < 0 && !o->discard && !o->json && !o->write_out;
}

bool get_shows_body(const struct get_options *o)
{
    return get_is_single(o) && !o->output && !o->output_dir && !o->head;
}

bool get_options_check_urls(const struct get_options *o, struct complaint *why)
{
    if (o->urls.n == 0)
        return complain(why, "there is no URL in the files of -i");
    if (is_one(o))
        return true;
    if (o->output)
        return complain(why, "-o is for one request (-O DIR writes each into a file of its own)");
    if (o->dump_header)
        return complain(why, "-D is for one request");
    if (o->upload && strcmp(o->upload, "-") == 0)
        return complain(why, "-T - is for one request: standard input can be read only once");
    return true;
}

void get_options_free(struct get_options *o)
{
    for (size_t i = 0; i < o->headers_n; i++)
        free(o->headers[i].name);
    for (size_t i = 0; i < o->tls.pins_n; i++)
        free((void *)o->pins[i]);
    for (size_t i = 0; i < o->owned.n; i++)
        free(o->owned.items[i]);
    free(o->owned.items);
    free(o->headers);
    free(o->data);
    free(o->pins);
    free(o->urls.items);
    free(o->url_files.items);
    route_free(&o->routes);
    memset(o, 0, sizeof *o);
}
