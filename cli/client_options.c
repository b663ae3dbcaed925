/* SPDX-License-Identifier: MIT */
/* What commands that ask servers have in common: defaults, and which options go together. */
#include "client_options.h"

#include <stdlib.h>
#include <string.h>

void client_options_init(struct client_options *o)
{
    memset(o, 0, sizeof *o);
    o->tls = belay_tls_options_init();
    o->max_redirects = 10;
    o->max_connections = o->max_total = o->min_idle = o->max_uses = OPTION_UNSET;
    o->idle_timeout_ms = o->lifetime_ms = OPTION_UNSET;
    o->connect_timeout_ms = o->timeout_ms = o->retry_delay_ms = OPTION_UNSET;
    o->backoff = belay_backoff_options_init();
}

bool client_options_clash(struct complaint *why, const char *a, const char *b)
{
    return complain(why, "%s and %s do not go together", a, b);
}

bool client_has_body(const struct client_options *o)
{
    return o->data_n || o->forms_n || o->upload;
}

const char *client_needs_http(const struct client_options *o)
{
    return o->headers_n               ? "-H"
           : o->data_n                ? "-d"
           : o->forms_n               ? "-F"
           : o->upload                ? "-T"
           : o->user                  ? "-u"
           : o->location              ? "-L"
           : o->compressed            ? "--compressed"
           : o->fail                  ? "-f"
           : o->head                  ? "-I"
           : o->http1                 ? "--http1.1"
           : o->http2                 ? "--http2"
           : o->http2_only            ? "--http2-prior-knowledge"
           : strcmp(o->method, "GET") ? "-X"
                                      : NULL;
}

static bool check_body(const struct client_options *o, struct complaint *why)
{
    const char *body = o->upload ? "-T" : o->forms_n ? "-F" : "-d";

    if (o->data_n && o->upload)
        return client_options_clash(why, "-d", "-T");
    if (o->forms_n && (o->data_n || o->upload))
        return client_options_clash(why, "-F", o->upload ? "-T" : "-d");
    if (o->head && client_has_body(o))
        return client_options_clash(why, "-I", body);
    if (o->head && o->method && strcmp(o->method, "HEAD") != 0)
        return client_options_clash(why, "-I", "-X");
    return true;
}

bool client_options_check_connection(const struct client_options *o, struct complaint *why)
{
    if (o->http1 && (o->http2 || o->http2_only))
        return client_options_clash(why, "--http1.1",
                                    o->http2 ? "--http2" : "--http2-prior-knowledge");
    if (o->ipv4 && o->ipv6)
        return client_options_clash(why, "-4", "-6");
    if (o->tls.key_file && !o->tls.cert_file)
        return complain(why, "--key needs --cert");
    if (o->tls.key_passphrase && !o->tls.cert_file)
        return complain(why, "--pass needs --cert");
    if (o->unix_path && (o->routes.n || o->interface || o->ipv4 || o->ipv6))
        return complain(
            why,
            "--unix says what is dialled: not with --resolve, --connect-to, --interface, -4 or -6");
    if (o->unix_path && o->proxies.given.n)
        return client_options_clash(why, "--unix", "--proxy");
    if (o->quiet && o->verbose)
        return client_options_clash(why, "-q", "-v");
    if (o->retry_delay_ms != OPTION_UNSET && o->backoff.delay_ms)
        return client_options_clash(why, "--retry-delay", "--backoff");
    return true;
}

/* The library's defaults are 10 to an endpoint and 1,000 in all. */
static bool check_pool(const struct client_options *o, struct complaint *why)
{
    int64_t most = o->max_connections == OPTION_UNSET ? 10 : o->max_connections;

    if (o->max_total != OPTION_UNSET && o->max_total < most)
        most = o->max_total;
    if (o->min_idle > most)
        return complain(why,
                        "--min-idle %lld is more than the %lld connections there may be "
                        "(--max-connections, --max-total)",
                        (long long)o->min_idle, (long long)most);
    return true;
}

static void settle(struct client_options *o)
{
    if (o->head)
        o->method = "HEAD";
    else if (!o->method)
        o->method = o->data_n || o->forms_n ? "POST" : o->upload ? "PUT" : "GET";
}

bool client_options_check(struct client_options *o, const char *command, struct complaint *why)
{
    if (!check_body(o, why) || !client_options_check_connection(o, why) || !check_pool(o, why))
        return false;
    if (o->urls.n == 0 && o->url_files.n == 0)
        return complain(why, "there is no URL (belay %s URL, or --help)", command);
    settle(o);
    return true;
}

void client_options_free(struct client_options *o)
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
    free(o->forms);
    free(o->pins);
    free(o->urls.items);
    free(o->url_lines);
    free(o->url_files.items);
    route_free(&o->routes);
    proxies_free(&o->proxies);
    memset(o, 0, sizeof *o);
}
