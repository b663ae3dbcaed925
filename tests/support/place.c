/* SPDX-License-Identifier: MIT */
/* Ports that stay the test's own. */
#include "support/place.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "support/test.h"

int place_bind(struct sockaddr *addr, socklen_t len)
{
    int on = 1, fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(fd, addr, len), 0);
    assert_int_equal(getsockname(fd, addr, &len), 0);
    return fd;
}

int place_take(int *ret_port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = place_bind((struct sockaddr *)&addr, sizeof addr);

    *ret_port = ntohs(addr.sin_port);
    return fd;
}
