/* SPDX-License-Identifier: MIT */
#include "unit/keep/share_echo.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/test.h"

#define CLIENTS_MAX 1000

static bool echo_back(int fd, bool mute)
{
    char data[256];
    ssize_t n = read(fd, data, sizeof data);

    if (n <= 0 || mute)
        return n > 0;
    return send(fd, data, (size_t)n, MSG_NOSIGNAL) == n;
}

static void *serve(void *arg)
{
    struct echo *e = arg;
    struct pollfd fds[CLIENTS_MAX + 2] = {{.fd = e->stop[0], .events = POLLIN},
                                          {.fd = e->fd, .events = POLLIN}};
    nfds_t n = 2;

    for (;;) {
        assert_true(poll(fds, n, -1) > 0);
        if (fds[0].revents)
            break;
        for (nfds_t i = 2; i < n; i++) {
            if (fds[i].revents && !echo_back(fds[i].fd, e->mute)) {
                close(fds[i].fd);
                fds[i].fd = -1;
            }
        }
        if (fds[1].revents && n < CLIENTS_MAX + 2)
            fds[n++] = (struct pollfd){.fd = accept(e->fd, NULL, NULL), .events = POLLIN};
    }
    for (nfds_t i = 2; i < n; i++)
        if (fds[i].fd >= 0)
            close(fds[i].fd);
    return NULL;
}

void echo_open(struct echo *e, bool mute)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;

    e->mute = mute;
    e->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(e->fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(e->fd, CLIENTS_MAX), 0);
    assert_int_equal(getsockname(e->fd, (struct sockaddr *)&in, &len), 0);
    e->port = ntohs(in.sin_port);
    assert_int_equal(pipe(e->stop), 0);
    assert_int_equal(pthread_create(&e->thread, NULL, serve, e), 0);
}

void echo_close(struct echo *e)
{
    close(e->stop[1]);
    pthread_join(e->thread, NULL);
    close(e->stop[0]);
    close(e->fd);
}
