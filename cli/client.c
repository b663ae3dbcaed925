/* SPDX-License-Identifier: MIT */
/* What a run stands on: loop, TLS identity, client, and the URLs, each parsed once. */
#include "client.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "input.h"
#include "say.h"

int64_t client_limit_ms(int64_t ms)
{
    return ms == OPTION_UNSET ? 0 : ms == 0 ? BELAY_FOREVER : ms;
}

int client_refuse(const char *what, const struct belay_error *error)
{
    bool usage = error->kind == BELAY_KIND_USAGE;

    say("%s%s%s", what, what[0] ? ": " : "", error->text);
    return usage ? EXIT_USAGE : EXIT_PROBLEM;
}

/* Connections and files need descriptors; the soft limit is often as low as 1,024. */
static struct rlimit descriptors; /* as they were; 0: untouched */

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        descriptors = limit;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void client_restore_limits(void)
{
    if (descriptors.rlim_max)
        setrlimit(RLIMIT_NOFILE, &descriptors);
}

int client_open_loop(const struct client_options *o, struct belay_loop **ret)
{
    struct belay_loop_options options = belay_loop_options_init();
    const char *levels = getenv("BELAY_LOG");
    struct belay_error error;

    raise_descriptor_limit();
    verbose_setup(o, &options);
    if (belay_loop_new(&options, ret, &error) < 0)
        return client_refuse("starting", &error);
    if (o->verbose < 2) /* commands tell of their links by themselves */
        belay_log_set_level(*ret, "persistent-connection-to", BELAY_LOG_OFF);
    if (levels && belay_log_set_levels(*ret, levels) < 0) {
        char shown[TEXT_SHOWN_MAX];

        say("reading the environment: BELAY_LOG: \"%s\" is not a list of levels (such as info or "
            "pool=debug,tls=off)",
            text_show(shown, sizeof shown, levels));
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

/*
 * Reading the system's authorities takes longer than a plain request. A redirect to https finds the
 * library's own identity, which is the same.
 */
static bool needs_tls(const struct client_options *o)
{
    const struct belay_tls_options none = belay_tls_options_init();

    if (o->needs_tls || memcmp(&o->tls, &none, sizeof none) != 0)
        return true;
    for (size_t i = 0; i < o->urls.n; i++)
        if (strncasecmp(o->urls.items[i], "https:", 6) == 0 ||
            strncasecmp(o->urls.items[i], "tls:", 4) == 0)
            return true;
    return false;
}

int client_open_tls(const struct client_options *o, struct belay_loop *loop, struct belay_tls **ret)
{
    struct belay_error error;

    if (!needs_tls(o))
        return EXIT_FINE;
    return belay_tls_new(loop, &o->tls, ret, &error) < 0 ? client_refuse("preparing TLS", &error)
                                                         : EXIT_FINE;
}

int client_open_proxies(struct client_options *o, struct belay_loop *loop)
{
    return proxies_open(&o->proxies, loop, &o->tls);
}

void client_close_proxies(struct client_options *o)
{
    proxies_close(&o->proxies);
}

/* Who is exempt from proxies is a matter of the host that the URL names. */
int client_route(struct belay_endpoint_options *options, void *arg)
{
    struct client_options *o = arg;
    int rc = 0;

    if (!o->unix_path)
        rc = proxies_choose(&o->proxies, options->scheme, options->host, options->port,
                            &options->proxy);
    return rc < 0 ? rc : route_apply(options, &o->routes);
}

int client_set_route(const struct client_options *o, struct belay_endpoint_options *route)
{
    struct belay_addr addr;

    route->unix_path = o->unix_path;
    route->server_name = o->server_name;
    route->family = o->ipv4 ? BELAY_FAMILY_IPV4 : o->ipv6 ? BELAY_FAMILY_IPV6 : BELAY_FAMILY_NONE;
    if (!o->interface)
        return EXIT_FINE;
    if (belay_addr_parse_ip(o->interface, strlen(o->interface), 0, &addr) == 0) {
        route->source_addr = o->interface;
    } else if (if_nametoindex(o->interface)) {
        route->interface_name = o->interface;
    } else {
        char shown[TEXT_SHOWN_MAX];

        say("reading the options: --interface: \"%s\" is neither an address nor an interface of "
            "this machine",
            text_show(shown, sizeof shown, o->interface));
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

static int32_t or_default(int64_t n)
{
    return n == OPTION_UNSET ? 0 : (int32_t)n;
}

static void set_dial(const struct client_options *o, struct belay_dial_options *dial)
{
    int64_t connect = client_limit_ms(o->connect_timeout_ms);

    dial->resolve_timeout_ms = dial->connect_timeout_ms = dial->tls_timeout_ms = connect;
    dial->proxy_timeout_ms = connect;
    dial->dial_timeout_ms = connect;
}

void client_set_pool(const struct client_options *o, struct belay_pool_options *pool,
                     struct belay_dial_options *dial)
{
    *pool = belay_pool_options_init();
    *dial = belay_dial_options_init();
    pool->dial = dial;
    pool->max_connections_per_endpoint = or_default(o->max_connections);
    pool->max_connections_total = or_default(o->max_total);
    pool->min_idle = or_default(o->min_idle);
    pool->max_connection_uses = or_default(o->max_uses);
    if (o->idle_timeout_ms != OPTION_UNSET)
        pool->max_idle_time_ms = o->idle_timeout_ms ? o->idle_timeout_ms : BELAY_NONE;
    pool->max_connection_lifetime_ms = client_limit_ms(o->lifetime_ms);
    /* -c is the limit of those who wait, --timeout that of how long. */
    pool->max_waiters = (int32_t)o->concurrency + 1;
    pool->acquire_timeout_ms = BELAY_FOREVER;
    set_dial(o, dial);
}

void client_set_link(const struct client_options *o, struct belay_link_options *link,
                     struct belay_dial_options *dial)
{
    *link = belay_link_options_init();
    *dial = belay_dial_options_init();
    link->dial = dial;
    link->retry_delay_ms = o->retry_delay_ms == OPTION_UNSET ? 1000 : o->retry_delay_ms;
    if (o->backoff.delay_ms) {
        link->retry_delay_ms = 0;
        link->backoff = &o->backoff;
    }
    set_dial(o, dial);
    link->attempt_timeout_ms = dial->dial_timeout_ms;
}

int client_open_http(const struct client_options *o, struct belay_loop *loop, struct belay_tls *tls,
                     const char *user_agent, struct belay_http_options *options,
                     const struct belay_pool_options *pool, struct belay_http **ret)
{
    struct belay_endpoint_options route = belay_endpoint_options_init();
    struct belay_error error;
    int status = client_set_route(o, &route);

    options->pool = pool;
    options->tls = tls;
    options->route = &route;
    options->versions = o->http1        ? BELAY_HTTP_1_ONLY
                        : o->http2_only ? BELAY_HTTP_2_ONLY
                                        : BELAY_HTTP_ANY;
    options->user_agent = user_agent;
    options->on_route = client_route;
    options->route_arg = (void *)o;
    if (status == EXIT_FINE && belay_http_open(loop, options, ret, &error) < 0)
        status = client_refuse("starting", &error);
    return status;
}

/* ---- URLs ---- */

/* What the library cannot know: how people write URLs to other programs. */
static const char *url_hint(const char *url)
{
    if (strncmp(url, "%{", 2) == 0)
        return " (-w takes no format: it prints one JSON line for each request)";
    if (url[0] == '{' || url[0] == '[')
        return " (--json takes no value: a body is sent with -d)";
    return "";
}

int client_refuse_url(const struct client_options *o, size_t url, const struct belay_error *error)
{
    const struct url_line *from = &o->url_lines[url];
    bool usage = error->kind == BELAY_KIND_USAGE;
    const char *hint = usage && !from->file ? url_hint(o->urls.items[url]) : "";
    char file[TEXT_SHOWN_MAX];

    if (o->proxies.why.text[0])
        say("choosing a proxy: %s", o->proxies.why.text);
    else if (from->file)
        say("reading URLs: %s: line %lu: %s", input_name(from->file, file), from->line,
            error->text);
    else
        say("reading URLs: %s%s", error->text, hint);
    return usage ? EXIT_USAGE : EXIT_PROBLEM;
}

int client_check_family(const struct client_options *o, const struct belay_endpoint *endpoint,
                        const char *url)
{
    const char *host = belay_endpoint_host(endpoint);
    struct belay_addr addr;

    if (!(o->ipv4 || o->ipv6) || belay_addr_parse_ip(host, strlen(host), 0, &addr) < 0 ||
        (addr.family == BELAY_FAMILY_IPV4) == o->ipv4)
        return EXIT_FINE;
    say("reading URLs: %s: is not an IPv%c address", url, o->ipv4 ? '4' : '6');
    return EXIT_USAGE;
}

/* --resolve and --connect-to speak of hosts, which an endpoint of its own has to tell first. */
static int reroute(const struct client_options *o, struct belay_loop *loop, struct belay_tls *tls,
                   struct belay_endpoint **endpoint, struct belay_error *error)
{
    struct belay_endpoint_options options = belay_endpoint_options_init();
    struct belay_endpoint *routed;
    int rc;

    options.scheme = belay_endpoint_scheme(*endpoint);
    options.host = belay_endpoint_host(*endpoint);
    options.port = belay_endpoint_port(*endpoint);
    options.tls = belay_endpoint_is_tls(*endpoint) ? tls : NULL;
    if (client_set_route(o, &options) != EXIT_FINE)
        return EXIT_USAGE;
    rc = client_route(&options, (void *)o);
    if (rc < 0) { /* o->proxies knows why */
        error->kind = belay_error_kind_of(rc);
        return EXIT_USAGE;
    }
    if (belay_endpoint_new(loop, &options, &routed, error) < 0)
        return EXIT_USAGE;
    belay_endpoint_unref(*endpoint);
    *endpoint = routed;
    return EXIT_FINE;
}

int client_open_endpoint(const struct client_options *o, struct belay_loop *loop,
                         struct belay_tls *tls, const char *url, struct belay_endpoint **ret,
                         struct belay_error *error)
{
    struct belay_endpoint_options options = belay_endpoint_options_init();
    struct belay_endpoint *endpoint;
    int status;

    options.url = url;
    options.tls = tls;
    if (belay_endpoint_new(loop, &options, &endpoint, error) < 0)
        return EXIT_USAGE;
    error->kind = BELAY_KIND_NONE;
    status = client_check_family(o, endpoint, url);
    if (status == EXIT_FINE && strcmp(belay_endpoint_scheme(endpoint), "unix") != 0)
        status = reroute(o, loop, tls, &endpoint, error);
    if (status == EXIT_FINE)
        *ret = endpoint;
    else
        belay_endpoint_unref(endpoint);
    return status;
}

int client_open_target(const struct client_options *o, struct belay_http *http, size_t url,
                       struct belay_http_target **ret)
{
    struct belay_error error;

    if (belay_http_target_new(http, o->urls.items[url], ret, &error) < 0)
        return client_refuse_url(o, url, &error);
    return client_check_family(o, belay_peer_endpoint(belay_http_target_peer(*ret)),
                               belay_http_target_url(*ret));
}
