/* SPDX-License-Identifier: MIT */
/*
 * What a run of `belay get` stands on: loop, TLS identity, client, and the URLs, each parsed once.
 */
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "get.h"
#include "say.h"

static int64_t or_forever(int64_t ms)
{
    return ms == GET_UNSET ? 0 : ms == 0 ? BELAY_FOREVER : ms;
}

/* A failure of making things: bad input is one of usage. */
static int refuse(const char *what, const struct belay_error *error)
{
    bool usage = error->kind == BELAY_KIND_USAGE;

    say("%s%s%s", what, what[0] ? ": " : "", error->text);
    return usage ? EXIT_USAGE : EXIT_PROBLEM;
}

static int open_loop(struct get *g)
{
    struct belay_loop_options options = belay_loop_options_init();
    const char *levels = getenv("BELAY_LOG");
    struct belay_error error;

    verbose_setup(g->o, &options);
    if (belay_loop_new(&options, &g->loop, &error) < 0)
        return refuse("starting", &error);
    if (levels && belay_log_set_levels(g->loop, levels) < 0) {
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
static bool needs_tls(const struct get_options *o)
{
    const struct belay_tls_options none = belay_tls_options_init();

    if (memcmp(&o->tls, &none, sizeof none) != 0)
        return true;
    for (size_t i = 0; i < o->urls.n; i++)
        if (strncasecmp(o->urls.items[i], "http:", 5) != 0)
            return true;
    return false;
}

static int open_tls(struct get *g)
{
    struct belay_error error;

    if (!needs_tls(g->o))
        return EXIT_FINE;
    return belay_tls_new(g->loop, &g->o->tls, &g->tls, &error) < 0 ? refuse("preparing TLS", &error)
                                                                   : EXIT_FINE;
}

static int set_route(const struct get *g, struct belay_endpoint_options *route)
{
    const struct get_options *o = g->o;
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

static void set_pool(const struct get_options *o, struct belay_pool_options *pool,
                     struct belay_dial_options *dial)
{
    int64_t connect = or_forever(o->connect_timeout_ms);

    *pool = belay_pool_options_init();
    *dial = belay_dial_options_init();
    pool->dial = dial;
    if (o->max_connections != GET_UNSET)
        pool->max_connections_per_endpoint = (int32_t)o->max_connections;
    if (o->max_total != GET_UNSET)
        pool->max_connections_total = (int32_t)o->max_total;
    if (o->idle_timeout_ms != GET_UNSET)
        pool->max_idle_time_ms = o->idle_timeout_ms ? o->idle_timeout_ms : BELAY_NONE;
    /*
     * -c is the limit of those who wait, --timeout that of how long. Retries are the requests' own.
     */
    pool->max_waiters = (int32_t)o->concurrency + 1;
    pool->acquire_timeout_ms = BELAY_FOREVER;
    pool->connect_retry_count = BELAY_NONE;
    dial->resolve_timeout_ms = dial->connect_timeout_ms = dial->tls_timeout_ms = connect;
    dial->dial_timeout_ms = connect;
}

static int open_http(struct get *g)
{
    struct belay_http_options options = belay_http_options_init();
    struct belay_endpoint_options route = belay_endpoint_options_init();
    struct belay_pool_options pool;
    struct belay_dial_options dial;
    struct belay_error error;
    int status = set_route(g, &route);

    set_pool(g->o, &pool, &dial);
    options.pool = &pool;
    options.tls = g->tls;
    options.route = &route;
    options.user_agent = g->plan.user_agent;
    if (g->o->routes.n) {
        options.on_route = route_apply;
        options.route_arg = (void *)&g->o->routes;
    }
    if (g->o->retry.retries == 0)
        options.max_replays = BELAY_NONE;
    if (status == EXIT_FINE && belay_http_open(g->loop, &options, &g->http, &error) < 0)
        status = refuse("starting", &error);
    return status;
}

/* What the library cannot know: how people write URLs to other programs. */
static const char *url_hint(const char *url)
{
    if (strncmp(url, "%{", 2) == 0)
        return " (-w takes no format: it prints one JSON line for each request)";
    if (url[0] == '{' || url[0] == '[')
        return " (--json takes no value: a body is sent with -d)";
    return "";
}

/* -4 and -6 choose among the addresses of a name; an address that is the other cannot be chosen. */
static bool is_other_family(const struct get_options *o, const struct belay_http_target *target)
{
    const char *host = belay_endpoint_host(belay_peer_endpoint(belay_http_target_peer(target)));
    struct belay_addr addr;

    if (!(o->ipv4 || o->ipv6) || belay_addr_parse_ip(host, strlen(host), 0, &addr) < 0)
        return false;
    return (addr.family == BELAY_FAMILY_IPV4) != o->ipv4;
}

static int make_targets(struct get *g)
{
    g->targets = memory_get(g->o->urls.n, sizeof *g->targets);
    for (size_t i = 0; i < g->o->urls.n; i++) {
        struct belay_error error;

        if (belay_http_target_new(g->http, g->o->urls.items[i], &g->targets[i], &error) == 0) {
            if (!is_other_family(g->o, g->targets[i]))
                continue;
            say("reading URLs: %s: is not an IPv%c address", belay_http_target_url(g->targets[i]),
                g->o->ipv4 ? '4' : '6');
            return EXIT_USAGE;
        }
        say("reading URLs: %s%s", error.text,
            error.kind == BELAY_KIND_USAGE ? url_hint(g->o->urls.items[i]) : "");
        return error.kind == BELAY_KIND_USAGE ? EXIT_USAGE : EXIT_PROBLEM;
    }
    return EXIT_FINE;
}

/* Connections and files need descriptors; the soft limit is often as low as 1,024. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int get_world_open(struct get *g)
{
    int status;

    raise_descriptor_limit();
    status = open_loop(g);
    if (status == EXIT_FINE)
        status = open_tls(g);
    if (status == EXIT_FINE)
        status = open_http(g);
    if (status == EXIT_FINE)
        status = make_targets(g);
    return status;
}

void get_world_close(struct get *g)
{
    for (size_t i = 0; g->targets && i < g->o->urls.n; i++)
        belay_http_target_unref(g->targets[i]);
    free(g->targets);
    if (g->http)
        belay_http_close(g->http, NULL, NULL);
    belay_tls_unref(g->tls);
    if (g->loop)
        belay_loop_free(g->loop);
}
