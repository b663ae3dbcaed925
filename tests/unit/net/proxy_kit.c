/* SPDX-License-Identifier: MIT */
#include "proxy_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/sys.h"

#define LIMIT_MS 20000

static uint64_t real_now(void *arg)
{
    (void)arg;
    return bl_sys_clock.now_ns(NULL);
}

/* The date of the certificates. */
static int64_t kit_wall(void *arg)
{
    (void)arg;
    return KIT_NOW_MS;
}

void px_begin(struct px *t)
{
    struct belay_loop_options options = belay_loop_options_init();
    struct belay_world world = belay_world_init();

    memset(t, 0, sizeof *t);
    fake_dns_init(&t->dns);
    t->clock = (struct belay_clock){sizeof t->clock, real_now, kit_wall, NULL};
    world.dns = &t->dns.dns;
    world.clock = &t->clock;
    options.world = &world;
    net_kit_set_up_options(&t->net, &options);
    t->tls.loop = t->net.loop;
    t->plan.target = "tcp://target.test:443";
    t->plan.host = "target.test";
    t->plan.port = 443;
    t->plan.resolve_timeout_ms = t->plan.connect_timeout_ms = t->plan.tls_timeout_ms = 10000;
    t->plan.proxy_timeout_ms = 10000;
    t->plan.race_delay_ms = 250;
    t->plan.stream = (struct bl_stream_options){20, 5, 3, 30000};
    t->plan.routes = t->routes;
}

/* ---- the peer ---- */

static void hang_up(struct px_peer *p)
{
    while (p->layers_n > 0)
        SSL_free(p->layers[--p->layers_n]);
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    p->out_n = p->out_at = p->in_n = 0;
    p->close_after = false;
}

struct px_peer *px_listen(struct px *t, const struct px_step *steps, size_t n)
{
    struct px_peer *p = &t->peers[t->peers_n++];

    assert_true(t->peers_n <= PX_PEERS);
    p->listener = net_kit_listen(&p->addr, 16);
    assert_int_equal(fcntl(p->listener, F_SETFL, O_NONBLOCK), 0);
    p->fd = -1;
    p->steps = steps;
    p->steps_n = n;
    return p;
}

static void queue(struct px_peer *p, const void *data, size_t n)
{
    assert_true(p->out_n + n <= sizeof p->out);
    memcpy(p->out + p->out_n, data, n);
    p->out_n += n;
}

/* Takes what a layer has for the wire down to it. */
static void sink(struct px_peer *p, size_t layer)
{
    BIO *bio = SSL_get_wbio(p->layers[layer]);
    char *data;
    long n = BIO_get_mem_data(bio, &data);

    if (n > 0 && layer == 0)
        queue(p, data, (size_t)n);
    else if (n > 0)
        assert_int_equal(SSL_write(p->layers[layer - 1], data, (int)n), n);
    BIO_reset(bio);
}

static void sink_all(struct px_peer *p)
{
    for (size_t i = p->layers_n; i > 0; i--)
        sink(p, i - 1);
}

static void say(struct px_peer *p, const void *data, size_t n)
{
    if (n == 0)
        return;
    if (p->layers_n > 0)
        assert_int_equal(SSL_write(p->layers[p->layers_n - 1], data, (int)n), n);
    else
        queue(p, data, n);
    sink_all(p);
}

static void add_layer(struct px_peer *p, SSL_CTX *ctx)
{
    SSL *ssl = SSL_new(ctx);

    assert_true(p->layers_n < PX_LAYERS);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl);
    p->layers[p->layers_n++] = ssl;
}

/* Bytes that came at a layer; what is above all of them is the script's. */
static void rise(struct px_peer *p, size_t layer, const char *data, size_t n)
{
    char plain[4096];
    int got;

    if (layer == p->layers_n) {
        assert_true(p->in_n + n <= sizeof p->in);
        memcpy(p->in + p->in_n, data, n);
        p->in_n += n;
        return;
    }
    assert_int_equal(BIO_write(SSL_get_rbio(p->layers[layer]), data, (int)n), n);
    while ((got = SSL_read(p->layers[layer], plain, sizeof plain)) > 0)
        rise(p, layer + 1, plain, (size_t)got);
    sink_all(p);
}

static void follow(struct px_peer *p)
{
    while (p->at < p->steps_n && p->in_n >= p->steps[p->at].expect_n && !p->close_after) {
        const struct px_step *s = &p->steps[p->at++];

        if (s->expect_n > 0)
            assert_memory_equal(p->in, s->expect, s->expect_n);
        p->in_n -= s->expect_n;
        memmove(p->in, p->in + s->expect_n, p->in_n);
        say(p, s->say, s->say_n);
        p->close_after = s->then == PX_CLOSE;
        if (s->then == PX_TLS) {
            size_t n = p->in_n;
            char early[sizeof p->in];

            memcpy(early, p->in, n);
            p->in_n = 0;
            add_layer(p, s->ctx);
            if (n > 0)
                rise(p, p->layers_n - 1, early, n);
        }
    }
}

static void flush(struct px_peer *p)
{
    size_t n = p->out_n - p->out_at;

    n = p->chop && n > 1 ? 1 : n;
    if (p->cut && n > p->cut - p->said)
        n = p->cut - p->said;
    if (n > 0) {
        ssize_t sent = send(p->fd, p->out + p->out_at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            p->out_at += (size_t)sent;
        p->said += sent > 0 ? (size_t)sent : 0;
        if (sent < 0 && errno != EAGAIN)
            p->out_at = p->out_n;
    }
    if (p->out_at == p->out_n)
        p->out_at = p->out_n = 0;
    if ((p->out_n == 0 && p->close_after) || (p->cut && p->said == p->cut))
        hang_up(p);
}

static void hear(struct px_peer *p)
{
    char data[4096];
    ssize_t n = recv(p->fd, data, sizeof data, MSG_DONTWAIT);

    if (n > 0)
        rise(p, 0, data, (size_t)n);
    p->gone |= n == 0 || (n < 0 && errno != EAGAIN);
    follow(p);
    flush(p);
}

static void peer_step(struct px_peer *p)
{
    if (p->fd < 0 || p->gone) {
        int fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        hang_up(p);
        p->fd = fd;
        p->at = 0;
        p->gone = false;
        p->accepted++;
    }
    hear(p);
}

/* ---- the dial ---- */

void px_route(struct px *t, struct bl_hop *hops, size_t n, const struct px_peer *peer)
{
    struct bl_route *r = &t->routes[t->plan.routes_n++];

    if (n > 0 && !hops[0].addrs && !hops[0].host) {
        hops[0].addrs = &peer->addr;
        hops[0].addrs_n = 1;
    }
    r->hops = hops;
    r->hops_n = n;
}

static void on_dialled(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct px *t = arg;

    assert_false(t->told);
    assert_true(!stream == !!error);
    t->told = true;
    t->stream = stream;
    t->dial = NULL;
    if (error)
        t->error = *error;
}

int px_try(struct px *t)
{
    int rc;

    t->told = false;
    t->heard_n = 0;
    rc = bl_dial_start(t->net.loop, &t->plan, on_dialled, t, &t->dial);
    assert_false(t->told);
    return rc;
}

void px_start(struct px *t)
{
    assert_int_equal(px_try(t), 0);
}

void px_turn(struct px *t)
{
    assert_int_equal(belay_loop_turn(t->net.loop, 1), 0);
    steady_clock_ns(&t->net.clock);
    for (size_t i = 0; i < t->peers_n; i++)
        peer_step(&t->peers[i]);
}

void px_until(struct px *t, const bool *flag)
{
    uint64_t end = bl_sys_monotonic_ns() + BL_MS(LIMIT_MS);

    while (!*flag) {
        if (bl_sys_monotonic_ns() > end)
            fail_msg("%s", "what was waited for did not happen");
        px_turn(t);
    }
}

void px_dial(struct px *t)
{
    px_start(t);
    px_until(t, &t->told);
}

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct px *t = arg;

    (void)stream;
    assert_true(t->heard_n + len <= sizeof t->heard);
    memcpy(t->heard + t->heard_n, data, len);
    t->heard_n += len;
    return len;
}

static const struct belay_stream_callbacks callbacks = {.size = sizeof callbacks,
                                                        .on_data = on_data};

void px_expect_heard(struct px *t, const char *data, size_t n)
{
    if (!t->stream)
        fail_msg("%s", t->error.text);
    belay_stream_set_callbacks(t->stream, &callbacks, t);
    for (int i = 0; i < 2000 && t->heard_n < n; i++)
        px_turn(t);
    assert_int_equal(t->heard_n, n);
    assert_memory_equal(t->heard, data, n);
    t->heard_n = 0;
}

void px_expect_tunnel(struct px *t, struct px_peer *peer)
{
    if (!t->stream)
        fail_msg("%s", t->error.text);
    assert_int_equal(belay_stream_write(t->stream, "hello", 5), 0);
    for (int i = 0; i < 2000 && (peer->at < peer->steps_n || peer->in_n < 5); i++)
        px_turn(t);
    assert_int_equal(peer->at, peer->steps_n);
    assert_int_equal(peer->in_n, 5);
    assert_memory_equal(peer->in, "hello", 5);
    peer->in_n = 0;
    say(peer, "world!", 6);
    px_expect_heard(t, "world!", 6);
}

void px_expect_no_secret(const struct px *t)
{
    assert_null(strstr(t->error.text, "hidden"));
    assert_null(strstr(t->error.text, "aGlkZGVuL")); /* in base64 */
}

void px_expect_failure(struct px *t, int code, enum belay_stage stage, const char *words)
{
    assert_true(t->told);
    assert_null(t->stream);
    if (t->error.code != code || t->error.stage != stage || !strstr(t->error.text, words))
        fail_msg("%s (%s): %s", belay_error_name(t->error.code), belay_stage_name(t->error.stage),
                 t->error.text);
    assert_non_null(strstr(t->error.text, t->plan.target));
    px_expect_no_secret(t);
}

void px_finish(struct px *t)
{
    if (t->dial && !t->told)
        bl_dial_cancel(t->dial);
    belay_stream_close(t->stream, 0, NULL, NULL);
    for (size_t i = 0; i < t->peers_n; i++) {
        hang_up(&t->peers[i]);
        close(t->peers[i].listener);
    }
    net_kit_tear_down(&t->net);
    assert_int_equal(t->net.opened, t->net.closed);
}
