/* SPDX-License-Identifier: MIT */
/* The default transport on loopback: all families, errors as negative errno, what the kernel tells.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake_world.h"
#include "loop/sys.h"

static const struct belay_transport *t = &bl_sys_transport;

static bool wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, 10000) == 1;
}

static int listen_at(struct sockaddr *a, socklen_t len, struct belay_addr *ret)
{
    int fd = socket(a->sa_family, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, a, len) || listen(fd, 4)) {
        close(fd);
        return -1;
    }
    assert_int_equal(t->local_addr(fd, ret, NULL), 0);
    return fd;
}

static int listen_v4(struct belay_addr *ret)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = listen_at((struct sockaddr *)&a, sizeof a, ret);
    assert_true(fd >= 0);
    return fd;
}

/* Connects, sends both ways, closes. */
static void exercise(int listener, const struct belay_addr *to)
{
    char in[16];
    struct belay_bytes one = {"abc", 3}, many[3] = {{"d", 1}, {"", 0}, {"ef", 2}};
    int fd = t->open((enum belay_family)to->family, NULL);
    assert_true(fd >= 0);
    int rc = t->connect(fd, to, NULL);
    assert_true(rc == 0 || rc == -EINPROGRESS);
    assert_true(wait_for(fd, POLLOUT));
    assert_int_equal(t->connect_result(fd, NULL), 0);
    int peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    assert_int_equal(t->read(fd, in, sizeof in, NULL), -EAGAIN);
    assert_int_equal(t->write(fd, &one, 1, NULL), 3);
    assert_int_equal(t->write(fd, many, 3, NULL), 3);
    assert_int_equal(t->shutdown_write(fd, NULL), 0);
    assert_int_equal(recv(peer, in, 6, MSG_WAITALL), 6);
    assert_memory_equal(in, "abcdef", 6);
    assert_int_equal(recv(peer, in, 1, 0), 0);
    assert_int_equal(send(peer, "xyz", 3, 0), 3);
    assert_true(wait_for(fd, POLLIN));
    assert_int_equal(t->read(fd, in, sizeof in, NULL), 3);
    close(peer);
    assert_true(wait_for(fd, POLLIN));
    assert_int_equal(t->read(fd, in, sizeof in, NULL), 0);
    t->close(fd, NULL);
}

static void bytes_go_over_ipv4(void **state)
{
    (void)state;
    struct belay_addr to;
    int listener = listen_v4(&to);
    assert_int_equal(to.family, BELAY_FAMILY_IPV4);
    assert_true(to.port > 0);
    exercise(listener, &to);
    close(listener);
}

static void bytes_go_over_ipv6(void **state)
{
    (void)state;
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct belay_addr to;
    int listener = listen_at((struct sockaddr *)&a, sizeof a, &to);
    if (listener < 0)
        skip();
    exercise(listener, &to);
    close(listener);
}

static void bytes_go_over_unix_and_abstract_sockets(void **state)
{
    (void)state;
    struct belay_addr to, abstract;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char dir[] = "/tmp/belay-socket-XXXXXX";
    assert_non_null(mkdtemp(dir));
    snprintf(a.sun_path, sizeof a.sun_path, "%s/s", dir);
    int listener = listen_at((struct sockaddr *)&a, sizeof a, &to);
    assert_true(listener >= 0);
    assert_int_equal(to.path_len, strlen(a.sun_path));
    exercise(listener, &to);
    close(listener);
    unlink(a.sun_path);
    rmdir(dir);

    /* The kernel chooses an abstract name for an address of the family alone. */
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    listener = listen_at((struct sockaddr *)&any, sizeof any.sun_family, &abstract);
    assert_true(listener >= 0);
    assert_int_equal(abstract.u.path[0], '\0');
    assert_true(abstract.path_len > 1);
    exercise(listener, &abstract);
    close(listener);
}

static void a_refused_connection_says_so(void **state)
{
    (void)state;
    struct belay_addr to;
    close(listen_v4(&to));
    int fd = t->open(BELAY_FAMILY_IPV4, NULL);
    int rc = t->connect(fd, &to, NULL);
    if (rc == -EINPROGRESS) {
        assert_true(wait_for(fd, POLLOUT));
        rc = t->connect_result(fd, NULL);
    }
    assert_int_equal(rc, -ECONNREFUSED);
    t->close(fd, NULL);
    struct belay_addr none = {.family = BELAY_FAMILY_NONE};
    assert_int_equal(t->open(BELAY_FAMILY_NONE, NULL), -EAFNOSUPPORT);
    fd = t->open(BELAY_FAMILY_IPV4, NULL);
    assert_int_equal(t->connect(fd, &none, NULL), -EAFNOSUPPORT);
    t->close(fd, NULL);
    assert_int_equal(t->connect(fd, &to, NULL), -EBADF);
    assert_int_equal(t->connect_result(fd, NULL), -EBADF);
    assert_int_equal(t->local_addr(fd, &to, NULL), -EBADF);
}

static void writing_to_a_closed_peer_raises_no_signal(void **state)
{
    (void)state;
    struct belay_bytes one = {"a", 1}, two[2] = {{"b", 1}, {"c", 1}};
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    close(fd[1]);
    assert_int_equal(t->write(fd[0], &one, 1, NULL), -EPIPE);
    assert_int_equal(t->write(fd[0], two, 2, NULL), -EPIPE);
    t->close(fd[0], NULL);
}

static void a_source_address_and_port_are_used(void **state)
{
    (void)state;
    struct belay_addr to, from = {.family = BELAY_FAMILY_IPV4, .u.ip = {127, 0, 0, 9}}, local;
    int listener = listen_v4(&to);
    int fd = t->open(BELAY_FAMILY_IPV4, NULL);
    assert_int_equal(t->bind(fd, &from, NULL, NULL), 0);
    int rc = t->connect(fd, &to, NULL);
    assert_true(rc == 0 || rc == -EINPROGRESS);
    assert_true(wait_for(fd, POLLOUT));
    assert_int_equal(t->local_addr(fd, &local, NULL), 0);
    assert_memory_equal(local.u.ip, from.u.ip, 4);
    assert_true(local.port != 0);
    t->close(fd, NULL);

    int other = t->open(BELAY_FAMILY_IPV4, NULL); /* finds a port that is free */
    assert_int_equal(t->bind(other, &to, NULL, NULL), -EADDRINUSE);
    assert_int_equal(listen(other, 1), 0);
    assert_int_equal(t->local_addr(other, &local, NULL), 0);
    t->close(other, NULL);
    from.port = local.port;
    fd = t->open(BELAY_FAMILY_IPV4, NULL);
    assert_int_equal(t->bind(fd, &from, NULL, NULL), 0);
    assert_int_equal(t->local_addr(fd, &local, NULL), 0);
    assert_int_equal(local.port, from.port);
    t->close(fd, NULL);

    struct belay_addr elsewhere = {.family = BELAY_FAMILY_IPV4, .u.ip = {192, 0, 2, 77}};
    fd = t->open(BELAY_FAMILY_IPV4, NULL);
    assert_int_equal(t->bind(fd, &elsewhere, NULL, NULL), -EADDRNOTAVAIL);
    assert_int_equal(t->bind(fd, NULL, "no-such-interface", NULL), -ENODEV);
    assert_int_equal(t->bind(fd, NULL, "an-interface-name-too-long-to-be-one", NULL), -ENODEV);
    t->close(fd, NULL);
    close(listener);
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static void options_reach_the_kernel(void **state)
{
    (void)state;
    int fd = t->open(BELAY_FAMILY_IPV4, NULL);
    assert_int_equal(t->set_option(fd, BELAY_SOCKET_NODELAY, 1, NULL), 0);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(t->set_option(fd, BELAY_SOCKET_KEEPALIVE_IDLE, 20, NULL), 0);
    assert_int_equal(t->set_option(fd, BELAY_SOCKET_KEEPALIVE_EVERY, 5, NULL), 0);
    assert_int_equal(t->set_option(fd, BELAY_SOCKET_KEEPALIVE_PROBES, 3, NULL), 0);
    assert_int_equal(t->set_option(fd, BELAY_SOCKET_USER_TIMEOUT, 30000, NULL), 0);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 20);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 5);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
    assert_int_equal(t->set_option(fd, BELAY_SOCKET_KEEPALIVE_IDLE, 0, NULL), 0);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(t->set_option(fd, (enum belay_socket_option)99, 0, NULL), -ENOTSUP);
    t->close(fd, NULL);
    fd = t->open(BELAY_FAMILY_UNIX, NULL);
    assert_true(t->set_option(fd, BELAY_SOCKET_NODELAY, 1, NULL) < 0);
    assert_int_equal(t->ack_age_ms(fd, NULL), -ENOTSUP);
    t->close(fd, NULL);
}

static void the_age_of_the_last_acknowledgement_is_known(void **state)
{
    (void)state;
    struct belay_addr to;
    struct belay_bytes one = {"a", 1};
    int listener = listen_v4(&to);
    int fd = t->open(BELAY_FAMILY_IPV4, NULL);
    t->connect(fd, &to, NULL);
    assert_true(wait_for(fd, POLLOUT));
    assert_int_equal(t->write(fd, &one, 1, NULL), 1);
    assert_in_range(t->ack_age_ms(fd, NULL), 0, 10000);
    t->close(fd, NULL);
    close(listener);
}

static void bytes_that_were_not_acknowledged_are_counted_even_after_a_reset(void **state)
{
    (void)state;
    static char data[65536];
    struct belay_addr to;
    struct belay_bytes all = {data, sizeof data};
    int listener = listen_v4(&to), unread;
    ptrdiff_t n = 1;
    int fd = t->open(BELAY_FAMILY_IPV4, NULL);
    t->connect(fd, &to, NULL);
    assert_true(wait_for(fd, POLLOUT));
    while (n > 0) /* until the peer, who does not read, takes no more */
        n = t->write(fd, &all, 1, NULL);
    unread = t->unacked(fd, NULL);
    assert_true(unread > 0);
    close(listener); /* never accepted: reset */
    assert_true(wait_for(fd, POLLHUP));
    assert_in_range(t->unacked(fd, NULL), 1, unread);
    t->close(fd, NULL);
    assert_int_equal(t->unacked(fd, NULL), -ENOTSUP);
    fd = t->open(BELAY_FAMILY_UNIX, NULL);
    assert_int_equal(t->unacked(fd, NULL), -ENOTSUP);
    t->close(fd, NULL);
}

static void the_source_for_a_destination_is_the_kernels_choice(void **state)
{
    (void)state;
    struct belay_addr to = {.family = BELAY_FAMILY_IPV4, .u.ip = {127, 0, 0, 5}}, from;
    assert_int_equal(t->source_for(&to, &from, NULL), 0);
    assert_int_equal(from.family, BELAY_FAMILY_IPV4);
    assert_int_equal(from.u.ip[0], 127);
    assert_int_equal(from.port, 0);
    to.family = BELAY_FAMILY_UNIX;
    to.path_len = 2;
    assert_int_equal(t->source_for(&to, &from, NULL), -EAFNOSUPPORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_over_ipv4),
        cmocka_unit_test(bytes_go_over_ipv6),
        cmocka_unit_test(bytes_go_over_unix_and_abstract_sockets),
        cmocka_unit_test(a_refused_connection_says_so),
        cmocka_unit_test(writing_to_a_closed_peer_raises_no_signal),
        cmocka_unit_test(a_source_address_and_port_are_used),
        cmocka_unit_test(options_reach_the_kernel),
        cmocka_unit_test(the_age_of_the_last_acknowledgement_is_known),
        cmocka_unit_test(bytes_that_were_not_acknowledged_are_counted_even_after_a_reset),
        cmocka_unit_test(the_source_for_a_destination_is_the_kernels_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
