/* SPDX-License-Identifier: MIT */
/* What the tests of dialling share: a dial, and what came of it. */
#ifndef TEST_NET_DIAL_SCENE_H
#define TEST_NET_DIAL_SCENE_H

#include "net_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/dial.h"
#include "net/race.h"

/* ---- a dial and what came of it ---- */

struct story {
    struct net_kit kit;
    struct belay_dns dns;
    belay_dns_fn *answer; /* of the one query that is open */
    void *answer_arg;
    unsigned asked, forgotten;
    int listener;
    struct belay_addr addr;
    struct bl_dial_plan plan;
    struct bl_dial *dial;
    struct belay_stream *stream;
    struct belay_error error;
    struct belay_tried tried[BL_RACE_MAX];
    bool told;
};

static inline int silent_query(struct belay_loop *loop, const char *name, enum belay_dns_type type,
                               belay_dns_fn *fn, void *fn_arg, void **ret_handle, void *arg)
{
    struct story *t = arg;
    (void)loop;
    (void)name;
    (void)type;
    t->asked++;
    t->answer = fn;
    t->answer_arg = fn_arg;
    *ret_handle = t;
    return 0;
}

static inline void silent_forget(void *handle, void *arg)
{
    (void)handle;
    ((struct story *)arg)->forgotten++;
}

static inline void begin(struct story *t)
{
    struct belay_loop_options options = belay_loop_options_init();
    struct belay_world world = belay_world_init();
    memset(t, 0, sizeof *t);
    t->dns = (struct belay_dns){sizeof t->dns, silent_query, silent_forget, t};
    world.dns = &t->dns;
    options.world = &world;
    net_kit_set_up_options(&t->kit, &options);
    t->listener = -1;
    t->plan.target = "tcp://db.test:5432";
    t->plan.resolve_timeout_ms = t->plan.connect_timeout_ms = t->plan.tls_timeout_ms = 10000;
    t->plan.race_delay_ms = 250;
    t->plan.stream = (struct bl_stream_options){20, 5, 3, 30000};
}

static inline void to_addrs(struct story *t, const struct belay_addr *addrs, size_t n)
{
    t->plan.addrs = addrs;
    t->plan.addrs_n = n;
}

static inline void begin_listening(struct story *t)
{
    begin(t);
    t->listener = net_kit_listen(&t->addr, 16);
    to_addrs(t, &t->addr, 1);
}

static inline void finish(struct story *t)
{
    belay_stream_close(t->stream, 0, NULL, NULL);
    if (t->listener >= 0)
        close(t->listener);
    net_kit_tear_down(&t->kit);
    assert_int_equal(t->kit.opened, t->kit.closed);
}

static inline void on_dialled(struct belay_stream *stream, const struct belay_error *error,
                              void *arg)
{
    struct story *t = arg;
    assert_false(t->told);
    assert_true(!stream == !!error);
    t->told = true;
    t->stream = stream;
    if (!error)
        return;
    t->error = *error;
    for (size_t i = 0; i < error->tried_n; i++)
        t->tried[i] = error->tried[i];
}

static inline void start(struct story *t)
{
    assert_int_equal(bl_dial_start(t->kit.loop, &t->plan, on_dialled, t, &t->dial), 0);
    assert_false(t->told);
}

static inline void dial(struct story *t)
{
    start(t);
    net_kit_until(&t->kit, &t->told);
}

static inline void expect_failure(const struct story *t, int code, enum belay_stage stage,
                                  int os_error)
{
    assert_true(t->told);
    assert_null(t->stream);
    if (t->error.code != code)
        fail_msg("%s: %s", belay_error_name(t->error.code), t->error.text);
    assert_int_equal(t->error.stage, stage);
    assert_int_equal(t->error.os_error, os_error);
    assert_int_equal(strncmp(t->error.text, "connecting to tcp://db.test:5432: ", 34), 0);
}

static inline void expect_connected(struct story *t, int listener)
{
    char out[5];
    assert_non_null(t->stream);
    int peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    assert_int_equal(belay_stream_write(t->stream, "hello", 5), 0);
    net_kit_settle(&t->kit);
    net_kit_recv(peer, out, 5);
    assert_memory_equal(out, "hello", 5);
    close(peer);
}

static inline void with_tls(struct story *t)
{
    struct belay_tls_options options = belay_tls_options_init();
    options.no_verify = true;
    begin_listening(t);
    assert_int_equal(belay_tls_new(t->kit.loop, &options, &t->plan.tls, NULL), 0);
    t->plan.server_name = "db.test";
}

static inline int listen_abstract(struct story *t, int backlog)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char name[64];
    int len = snprintf(name, sizeof name, "@belay-full-%ld", (long)getpid());
    memcpy(a.sun_path + 1, name + 1, (size_t)len - 1);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len);
    t->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(t->listener, (struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(t->listener, backlog), 0);
    assert_int_equal(belay_addr_from_path(name, (size_t)len, &t->addr), 0);
    to_addrs(t, &t->addr, 1);
    int filler = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(filler, (struct sockaddr *)&a, size), 0);
    return filler;
}

#endif
