/* SPDX-License-Identifier: MIT */
/* What a run of `belay grpc` stands on: the loop, the channel, and the way to the target. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grpc.h"
#include "say.h"

/* Where the target leads, as far as proxies, --resolve and --connect-to are concerned. */
struct way {
    struct belay_endpoint_options route;
    char *target;    /* another one, because of --connect-to; NULL: as it was given */
    char *authority; /* as which the server is called then */
    struct belay_endpoint *endpoint;
};

static bool is_tls(const char *target, bool plain)
{
    return strncmp(target, "grpc:", 5) != 0 && (strncmp(target, "grpcs:", 6) == 0 || !plain);
}

/* The host and port of a target that has a name; NULL: its addresses are given, or it is a socket. */
static const char *name_in(const char *target)
{
    static const char *const others[] = {"unix:", "unix-abstract:", "ipv4:", "ipv6:"};
    const char *at;

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strncmp(target, others[i], strlen(others[i])) == 0)
            return NULL;
    at = strstr(target, "://");
    if (at && strncmp(target, "dns:", 4) != 0)
        return at + 3;
    if (strncmp(target, "dns:///", 7) == 0)
        return target + 7;
    if (strncmp(target, "dns://", 6) == 0)
        return NULL;
    return strncmp(target, "dns:", 4) == 0 ? target + 4 : target;
}

static void move_target(struct way *w, bool tls, const struct belay_endpoint_options *to,
                        const char *host, int port)
{
    size_t size = strlen(to->host) + strlen(host) + 40;

    w->target = memory_get(size, 1);
    snprintf(w->target, size, strchr(to->host, ':') ? "%s://[%s]:%d" : "%s://%s:%d",
             tls ? "grpcs" : "grpc", to->host, (int)to->port);
    w->authority = memory_get(size, 1);
    snprintf(w->authority, size, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
}

/* What is no host the library refuses in its own words. */
static int find_way(const struct client_options *o, struct belay_loop *loop, const char *target,
                    bool tls, struct way *w)
{
    struct belay_endpoint_options origin = belay_endpoint_options_init();
    const char *name = name_in(target), *bracket;
    char url[512];
    struct belay_error error;

    if (!name || o->unix_path)
        return EXIT_FINE;
    snprintf(url, sizeof url, "%s://%s", tls ? "https" : "http", name);
    if (!tls && belay_endpoint_parse(loop, url, &w->endpoint, &error) < 0)
        return EXIT_FINE;
    if (tls) {
        bracket = strrchr(name, ']');
        snprintf(url, sizeof url, "http://%s%s", name,
                 strchr(bracket ? bracket : name, ':') ? "" : ":443");
        if (belay_endpoint_parse(loop, url, &w->endpoint, &error) < 0)
            return EXIT_FINE;
    }
    origin.scheme = tls ? "https" : "http";
    origin.host = belay_endpoint_host(w->endpoint);
    origin.port = belay_endpoint_port(w->endpoint);
    if (client_check_family(o, w->endpoint, target) != EXIT_FINE)
        return EXIT_USAGE;
    w->route.host = origin.host;
    w->route.port = origin.port;
    w->route.scheme = origin.scheme;
    if (client_route(&w->route, (void *)(uintptr_t)o) < 0) {
        say("choosing a proxy: %s", o->proxies.why.text);
        return EXIT_USAGE;
    }
    if (strcmp(w->route.host, origin.host) != 0 || w->route.port != origin.port)
        move_target(w, tls, &w->route, origin.host, origin.port);
    return EXIT_FINE;
}

static void leave_way(struct way *w)
{
    belay_endpoint_unref(w->endpoint);
    free(w->target);
    free(w->authority);
}

int grpc_channel_open(const struct client_options *o, struct belay_loop *loop,
                      struct belay_tls *tls, const char *target,
                      struct belay_channel_options *options, struct belay_channel **ret)
{
    struct way w = {.route = belay_endpoint_options_init()};
    struct belay_error error;
    bool with_tls = is_tls(target, options->plain);
    int status = client_set_route(o, &w.route);

    if (status == EXIT_FINE)
        status = find_way(o, loop, target, with_tls, &w);
    if (status == EXIT_FINE) {
        options->route = &w.route;
        options->tls = with_tls ? tls : NULL;
        if (w.authority && !options->authority)
            options->authority = w.authority;
        if (o->connect_timeout_ms != OPTION_UNSET)
            options->connect_timeout_ms = client_limit_ms(o->connect_timeout_ms);
        if (belay_channel_open(loop, w.target ? w.target : target, options, ret, &error) < 0)
            status = client_refuse("reading the target", &error);
    }
    leave_way(&w);
    return status;
}

/* ---- the run ---- */

static int open_channel(struct grpc *g)
{
    const struct grpc_options *o = g->o;
    struct belay_channel_options options = belay_channel_options_init();

    options.plain = o->plain;
    options.authority = o->authority;
    options.gzip = o->gzip;
    if (o->max_message != OPTION_UNSET)
        options.max_receive_bytes = (int32_t)o->max_message;
    options.max_calls = (int32_t)o->client.concurrency + 100;
    return grpc_channel_open(&o->client, g->loop, g->tls, o->target, &options, &g->channel);
}

static void on_signal(int number, void *arg)
{
    struct grpc *g = arg;

    g->interrupted_by = number;
    belay_loop_stop(g->loop);
}

bool grpc_watch_signals(struct grpc *g)
{
    static const int numbers[] = {SIGINT, SIGTERM, 0};

    return signals_watch(&g->signals, g->loop, numbers, on_signal, g);
}

/* -H is for questions, too. */
static void join_metadata(struct grpc *g)
{
    const struct grpc_options *o = g->o;

    g->asking_n = o->metadata.n + o->reflect_metadata.n;
    g->asking = memory_get(g->asking_n + 1, sizeof *g->asking);
    for (size_t i = 0; i < o->metadata.n; i++)
        g->asking[i] = o->metadata.items[i];
    for (size_t i = 0; i < o->reflect_metadata.n; i++)
        g->asking[o->metadata.n + i] = o->reflect_metadata.items[i];
}

int grpc_world_open(struct grpc *g)
{
    struct client_options *client = (struct client_options *)(uintptr_t)&g->o->client;
    int status = EXIT_FINE;

    sink_to_fd(&g->out, 1);
    if (!g->o->target)
        return status;
    join_metadata(g);
    client->needs_tls = is_tls(g->o->target, g->o->plain);
    status = client_open_loop(client, &g->loop);
    if (status == EXIT_FINE)
        status = client_open_tls(client, g->loop, &g->tls);
    if (status == EXIT_FINE)
        status = client_open_proxies(client, g->loop);
    if (status == EXIT_FINE)
        status = open_channel(g);
    if (status == EXIT_FINE && !grpc_watch_signals(g))
        status = EXIT_PROBLEM;
    if (g->loop)
        g->begin_ms = belay_loop_now_ms(g->loop);
    return status;
}

void grpc_world_close(struct grpc *g)
{
    signals_unwatch(&g->signals);
    if (g->channel)
        belay_channel_close(g->channel, NULL, NULL);
    client_close_proxies((struct client_options *)(uintptr_t)&g->o->client);
    belay_tls_unref(g->tls);
    if (g->loop)
        belay_loop_free(g->loop);
    grpc_schema_free(g->schema);
    sink_drop(&g->out);
    free(g->asking);
}

bool grpc_run(struct grpc *g, const bool *done)
{
    while (!*done && !g->interrupted_by) {
        if (belay_loop_run(g->loop) < 0) {
            say("running: the loop could not run");
            return false;
        }
    }
    return *done;
}

int64_t grpc_deadline_ms(const struct grpc *g, int64_t own)
{
    int64_t all = g->o->client.timeout_ms, left;

    if (all == OPTION_UNSET)
        return own == OPTION_UNSET ? 0 : own;
    left = g->begin_ms + all - belay_loop_now_ms(g->loop);
    if (left < 1)
        left = 1;
    return own != OPTION_UNSET && own < left ? own : left;
}
