/* SPDX-License-Identifier: MIT */
/*
 * A storm of links: --inflight of them to a server that restarts, until all are up again. Between
 * attempts they wait 1 ms, from start to start, without spread or with 30 %.
 */
#include <belay/belay.h>

#include "storm.h"

#define NEVER_MS (3600 * 1000) /* until they are kicked */

struct bench {
    struct belay_loop *loop;
    struct belay_link **links;
    unsigned n, up, dropped;
};

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    struct bench *b = arg;

    (void)link;
    if (event->type == BELAY_LINK_CONNECTED) {
        b->up++;
    } else if (event->type == BELAY_LINK_DISCONNECTED) {
        b->up--;
        b->dropped++;
    }
}

static void set_options(struct belay_link_options *o, enum storm_mode mode, struct bench *b)
{
    *o = belay_link_options_init();
    o->retry_delay_ms = mode == STORM_WAIT ? NEVER_MS : STORM_RETRY_MS;
    o->retry_spread = mode == STORM_JITTER ? STORM_SPREAD : BELAY_NONE;
    o->on_event = on_event;
    o->event_arg = b;
}

static void open_links(struct bench *b, const struct belay_link_options *o, unsigned port)
{
    struct belay_endpoint_options where = belay_endpoint_options_init();
    struct belay_endpoint *endpoint;
    struct belay_source *source;
    struct belay_error error;

    where.scheme = "tcp";
    where.host = "127.0.0.1";
    where.port = (int32_t)port;
    if (belay_endpoint_new(b->loop, &where, &endpoint, &error) < 0)
        bench_die("%s", error.text);
    if (belay_source_list(b->loop, &endpoint, 1, BELAY_SOURCE_IN_ORDER, &source) < 0)
        bench_die("no source");
    for (unsigned i = 0; i < b->n; i++)
        if (belay_link_open(source, o, &b->links[i], &error) < 0)
            bench_die("%s", error.text);
    belay_source_unref(source);
    belay_endpoint_unref(endpoint);
}

static void turn(struct bench *b)
{
    belay_loop_turn(b->loop, 5000);
}

static void rest(struct bench *b, int64_t ms)
{
    int64_t end = belay_loop_now_ms(b->loop) + ms;

    while (belay_loop_now_ms(b->loop) < end)
        belay_loop_turn(b->loop, end - belay_loop_now_ms(b->loop));
}

static void drop_all(struct bench *b, struct storm_server *server)
{
    b->dropped = 0;
    storm_server_restart(server);
    while (b->dropped < b->n)
        turn(b);
}

static void ride_out(struct bench *b, struct storm_server *server, enum storm_mode mode,
                     struct storm_meter *meter)
{
    if (mode == STORM_WAIT) {
        drop_all(b, server);
        rest(b, STORM_WAIT_MS);
        storm_begin(meter);
        for (unsigned i = 0; i < b->n; i++)
            belay_link_kick(b->links[i]);
    } else {
        storm_begin(meter);
        b->dropped = 0;
        storm_server_restart(server);
    }
    while (b->dropped < b->n || b->up < b->n)
        turn(b);
    storm_end(meter);
}

static uint64_t refused(const struct bench *b)
{
    struct belay_link_stats stats = belay_link_stats_init();
    uint64_t n = 0;

    for (unsigned i = 0; i < b->n; i++) {
        belay_link_get_stats(b->links[i], &stats);
        n += stats.failed[BELAY_STAGE_CONNECT];
    }
    return n;
}

int main(int argc, char **argv)
{
    struct storm_meter meter = {.storms = 0};
    struct belay_link_options o;
    struct storm_server server;
    struct bench_options options;
    struct bench b = {.loop = NULL};
    enum storm_mode mode;

    bench_options_parse(&options, argc, argv, "storm");
    mode = storm_mode_parse(options.mode);
    bench_raise_nofile(options.inflight + 64);
    storm_server_start(&server, options.inflight);
    b.n = options.inflight;
    b.links = bench_calloc(b.n, sizeof *b.links);
    if (belay_loop_new(NULL, &b.loop, NULL) < 0)
        bench_die("no loop");
    set_options(&o, mode, &b);
    if (mode == STORM_FIRST)
        storm_begin(&meter);
    open_links(&b, &o, server.port);
    while (b.up < b.n)
        turn(&b);
    if (mode == STORM_FIRST)
        storm_end(&meter);
    while (mode != STORM_FIRST && storm_again(&meter, &options)) {
        rest(&b, STORM_SETTLE_MS);
        ride_out(&b, &server, mode, &meter);
    }
    meter.refused = refused(&b);
    storm_report("belay", &options, &meter);
    for (unsigned i = 0; i < b.n; i++)
        belay_link_close_when_current_closes(b.links[i]);
    drop_all(&b, &server); /* so that no port is left waiting here */
    belay_loop_free(b.loop);
    storm_server_stop(&server);
    return 0;
}
