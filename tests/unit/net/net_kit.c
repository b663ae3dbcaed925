/* SPDX-License-Identifier: MIT */
#include "net_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/sys.h"
#include "support/place.h"

#define LIMIT_MS 10000

static int kit_open(enum belay_family family, void *arg)
{
    struct net_kit *k = arg;
    if (k->fail_open)
        return -k->fail_open;
    int fd = bl_sys_transport.open(family, NULL);
    k->opened += fd >= 0;
    return fd;
}

static void kit_close(int fd, void *arg)
{
    struct net_kit *k = arg;
    k->closed++;
    bl_sys_transport.close(fd, NULL);
}

static int kit_connect(int fd, const struct belay_addr *to, void *arg)
{
    struct net_kit *k = arg;
    if (k->no_ipv6 && to->family == BELAY_FAMILY_IPV6)
        return -ENETUNREACH;
    return bl_sys_transport.connect(fd, to, NULL);
}

static ptrdiff_t kit_read(int fd, void *out, size_t size, void *arg)
{
    struct net_kit *k = arg;
    k->reads++;
    return bl_sys_transport.read(fd, out, size, NULL);
}

static ptrdiff_t kit_write(int fd, const struct belay_bytes *bytes, size_t n, void *arg)
{
    struct net_kit *k = arg;
    struct belay_bytes first;
    k->writes++;
    if (k->refuse_write)
        return -k->refuse_write;
    if (!k->write_max)
        return bl_sys_transport.write(fd, bytes, n, NULL);
    first = bytes[0];
    first.len = first.len < k->write_max ? first.len : k->write_max;
    return bl_sys_transport.write(fd, &first, 1, NULL);
}

static int kit_set_option(int fd, enum belay_socket_option option, int value, void *arg)
{
    struct net_kit *k = arg;
    k->user_timeouts += option == BELAY_SOCKET_USER_TIMEOUT;
    if (option == BELAY_SOCKET_USER_TIMEOUT)
        k->user_timeout_ms = value;
    return bl_sys_transport.set_option(fd, option, value, NULL);
}

static int kit_ack_age_ms(int fd, void *arg)
{
    struct net_kit *k = arg;
    if (k->no_ack_age)
        return -ENOTSUP;
    return k->ack_age >= 0 ? k->ack_age : bl_sys_transport.ack_age_ms(fd, NULL);
}

static int kit_source_for(const struct belay_addr *to, struct belay_addr *ret, void *arg)
{
    struct net_kit *k = arg;
    if (k->no_ipv6 && to->family == BELAY_FAMILY_IPV6)
        return -ENETUNREACH;
    return bl_sys_transport.source_for(to, ret, NULL);
}

void net_kit_set_up_options(struct net_kit *k, struct belay_loop_options *options)
{
    memset(k, 0, sizeof *k);
    k->ack_age = -1;
    failing_alloc_init(&k->alloc);
    k->transport = bl_sys_transport;
    k->transport.open = kit_open;
    k->transport.close = kit_close;
    k->transport.connect = kit_connect;
    k->transport.read = kit_read;
    k->transport.write = kit_write;
    k->transport.set_option = kit_set_option;
    k->transport.ack_age_ms = kit_ack_age_ms;
    k->transport.source_for = kit_source_for;
    k->transport.arg = k;
    k->world = options->world ? *options->world : belay_world_init();
    k->world.allocator = &k->alloc.allocator;
    k->world.transport = &k->transport;
    steady_clock_init(&k->clock);
    if (!k->world.clock)
        k->world.clock = &k->clock.clock;
    options->world = &k->world;
    assert_int_equal(belay_loop_new(options, &k->loop, NULL), 0);
}

void net_kit_set_up(struct net_kit *k)
{
    struct belay_loop_options options = belay_loop_options_init();
    net_kit_set_up_options(k, &options);
}

void net_kit_tear_down(struct net_kit *k)
{
    belay_loop_free(k->loop);
    assert_int_equal(failing_alloc_live(&k->alloc), 0);
    assert_true(k->closed >= k->opened);
}

void net_kit_until(struct net_kit *k, const bool *flag)
{
    uint64_t end = steady_clock_ns(&k->clock) + BL_MS(LIMIT_MS);
    while (!*flag) {
        assert_int_equal(belay_loop_turn(k->loop, 1), 0);
        if (steady_clock_ns(&k->clock) > end)
            fail_msg("%s", "what was waited for did not happen");
    }
}

void net_kit_settle(struct net_kit *k)
{
    for (int i = 0; i < 20; i++)
        assert_int_equal(belay_loop_turn(k->loop, 0), 0);
}

void net_kit_turn_for(struct net_kit *k, int64_t ms)
{
    uint64_t end = steady_clock_ns(&k->clock) + BL_MS(ms);
    while (steady_clock_ns(&k->clock) < end)
        assert_int_equal(belay_loop_turn(k->loop, 1), 0);
}

/* ---- peers ---- */

static void from_kernel(const struct sockaddr_in *a, struct belay_addr *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->family = BELAY_FAMILY_IPV4;
    ret->port = ntohs(a->sin_port);
    memcpy(ret->u.ip, &a->sin_addr, 4);
}

int net_kit_listen(struct belay_addr *ret, int backlog)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    from_kernel(&a, ret);
    return fd;
}

void net_kit_full_open(struct net_kit_full *f, struct belay_addr *ret)
{
    f->fd = net_kit_listen(ret, 0);
    for (size_t i = 0; i < BL_COUNT(f->fillers); i++) {
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons(ret->port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        f->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(f->fillers[i], (struct sockaddr *)&a, sizeof a);
    }
}

void net_kit_full_close(struct net_kit_full *f)
{
    for (size_t i = 0; i < BL_COUNT(f->fillers); i++)
        close(f->fillers[i]);
    close(f->fd);
}

uint16_t net_kit_dead_port(void)
{
    static int port;
    if (!port)
        place_take(&port);
    return (uint16_t)port;
}

int net_kit_pair(struct belay_addr *ret_peer, int *ret_ours)
{
    struct timeval limit = {.tv_sec = LIMIT_MS / 1000};
    int listener = net_kit_listen(ret_peer, 1);
    int ours = bl_sys_transport.open(BELAY_FAMILY_IPV4, NULL);
    assert_true(ours >= 0);
    assert_int_equal(bl_sys_transport.connect(ours, ret_peer, NULL), -EINPROGRESS);
    int theirs = accept(listener, NULL, NULL);
    assert_true(theirs >= 0);
    assert_int_equal(setsockopt(theirs, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    close(listener);
    *ret_ours = ours;
    return theirs;
}

void net_kit_send(int fd, const char *text)
{
    size_t len = strlen(text);
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

void net_kit_recv(int fd, char *out, size_t len)
{
    size_t at = 0;
    while (at < len) {
        ssize_t n = recv(fd, out + at, len - at, 0);
        if (n < 0 && errno == EINTR) /* stopped and continued, as it has a limit */
            continue;
        assert_true(n > 0);
        at += (size_t)n;
    }
}

void net_kit_recv_end(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}
