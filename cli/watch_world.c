/* SPDX-License-Identifier: MIT */
/* What a run of `belay watch` stands on: the loop, a client for what is asked by requests, and a
 * link to each service. */
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "say.h"
#include "watch_run.h"

#define ATTEMPT_MS 30000

/* ---- services ---- */

static int refuse(const struct complaint *why)
{
    say("%s", why->text);
    return EXIT_USAGE;
}

static int refuse_address(const struct client_options *o, size_t i, const struct complaint *why)
{
    const struct url_line *from = &o->url_lines[i];
    char shown[TEXT_SHOWN_MAX];

    if (from->file)
        say("reading addresses: %s: line %lu: %s", input_name(from->file, shown), from->line,
            why->text);
    else
        say("reading addresses: %s", why->text);
    return EXIT_USAGE;
}

/* Of the same name: what is told of them cannot be told apart. */
static void say_twice(const struct watch_run *run, size_t n)
{
    char shown[TEXT_SHOWN_MAX];

    for (size_t i = 0; i < n; i++) {
        if (strcmp(run->sites[i].service.name, run->sites[n].service.name) != 0)
            continue;
        say("reading addresses: %s is there twice: it is watched twice",
            text_show(shown, sizeof shown, run->sites[n].service.name));
        return;
    }
}

static int read_services(struct watch_run *run, struct client_options *o, struct complaint *why)
{
    size_t http = 0, grpc = 0;

    run->sites = memory_get(o->urls.n ? o->urls.n : 1, sizeof *run->sites);
    run->sites_n = o->urls.n;
    for (size_t i = 0; i < o->urls.n; i++) {
        struct watch_site *site = &run->sites[i];

        site->run = run;
        if (!service_parse(&site->service, o->urls.items[i], why))
            return refuse_address(o, i, why);
        say_twice(run, i);
        http += service_is_http(&site->service);
        grpc += service_is_grpc(&site->service);
        o->needs_tls = o->needs_tls || service_is_tls(&site->service);
        site->row.name = site->service.name;
        site->row.next_ms = -1;
    }
    if (o->urls.n == 0) {
        complain(why, "there is no address in the files of -i");
        return refuse(why);
    }
    return watch_options_check_kinds(run->o, http, grpc, o->urls.n, why) ? EXIT_FINE : refuse(why);
}

/* ---- the client ---- */

static int open_http(struct watch_run *run)
{
    struct belay_http_options options = belay_http_options_init();
    struct belay_pool_options pool;
    struct belay_dial_options dial;

    client_set_pool(&run->o->client, &pool, &dial);
    pool.connect_retry_count = BELAY_NONE; /* the link tries again */
    pool.max_connections_per_endpoint = BELAY_FOREVER;
    pool.callbacks = &watch_pool_callbacks;
    pool.callbacks_arg = run;
    return client_open_http(&run->o->client, run->loop, run->tls, run->plan.user_agent, &options,
                            &pool, &run->http);
}

static bool needs_client(const struct watch_run *run)
{
    for (size_t i = 0; i < run->sites_n; i++)
        if (service_is_http(&run->sites[i].service))
            return true;
    return false;
}

/* ---- links ---- */

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    (void)link;
    watch_control_event(arg, event);
}

static void on_finished(void *arg)
{
    watch_control_ended(arg);
}

/* One attempt in all: dialling, and what the probe may take after it. */
static void set_limits(const struct watch_run *run, struct belay_link_options *link,
                       struct belay_dial_options *dial)
{
    int64_t probe = 2 * run->o->answer_ms + 1000;
    int64_t connect = dial->dial_timeout_ms ? dial->dial_timeout_ms : ATTEMPT_MS;

    dial->session_timeout_ms = ATTEMPT_MS + probe;
    link->attempt_timeout_ms =
        connect == BELAY_FOREVER ? BELAY_FOREVER : connect + ATTEMPT_MS + probe;
    link->check_timeout_ms = ATTEMPT_MS + probe;
}

static int open_link(struct watch_site *site)
{
    struct watch_run *run = site->run;
    struct belay_link_options options;
    struct belay_dial_options dial;
    struct belay_link *link;
    struct belay_error error;

    client_set_link(&run->o->client, &options, &dial);
    set_limits(run, &options, &dial);
    options.server_name = site->service.name;
    options.connector = watch_probe_connector(site);
    options.on_event = on_event;
    options.event_arg = site;
    if (service_is_http(&site->service) || service_is_grpc(&site->service) || run->o->check)
        options.check_interval_ms = run->o->every_ms;
    if (belay_link_open(site->service.source, &options, &link, &error) < 0)
        return client_refuse("starting", &error);
    site->link = belay_link_ref(link);
    return belay_link_close_finished(link, on_finished, site) < 0 ? EXIT_PROBLEM : EXIT_FINE;
}

static int open_services(struct watch_run *run)
{
    int status = EXIT_FINE;

    for (size_t i = 0; status == EXIT_FINE && i < run->sites_n; i++)
        status = service_open(&run->sites[i].service, &run->o->client, run->loop, run->tls);
    for (size_t i = 0; status == EXIT_FINE && i < run->sites_n; i++)
        status = open_link(&run->sites[i]);
    return status;
}

int watch_world_open(struct watch_run *run)
{
    struct client_options *o = (struct client_options *)&run->o->client;
    struct complaint why = {.text = ""};
    int status;

    if (!request_plan_urls(&run->plan, o, &why))
        return refuse(&why);
    status = read_services(run, o, &why);
    if (status == EXIT_FINE && !request_plan_make(&run->plan, o, &why))
        status = refuse(&why);
    if (status == EXIT_FINE)
        status = client_open_loop(o, &run->loop);
    if (status != EXIT_FINE)
        return status;
    status = client_open_tls(o, run->loop, &run->tls);
    if (status == EXIT_FINE)
        status = client_open_proxies(o, run->loop);
    if (status == EXIT_FINE && needs_client(run))
        status = open_http(run);
    return status == EXIT_FINE ? open_services(run) : status;
}

void watch_world_close(struct watch_run *run)
{
    for (size_t i = 0; i < run->sites_n; i++) {
        if (run->sites[i].link)
            belay_link_close(run->sites[i].link, NULL, NULL);
        belay_link_unref(run->sites[i].link);
        run->sites[i].link = NULL;
        service_free(&run->sites[i].service);
    }
    client_close_proxies((struct client_options *)&run->o->client);
    belay_tls_unref(run->tls);
    belay_loop_free(run->loop);
    free(run->sites);
    run->sites = NULL;
    run->sites_n = 0;
}
