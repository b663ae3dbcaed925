/* SPDX-License-Identifier: MIT */
/* The echo server of lines: plain sockets that never block. */
#include "support/toy_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/test.h"

void toy_server_open(struct toy_server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;

    memset(s, 0, sizeof *s);
    s->greeting = "OK\n";
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->fd, 64), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
}

void toy_server_hang_up(struct toy_server *s, unsigned n)
{
    if (s->conns[n].fd >= 0)
        close(s->conns[n].fd);
    s->conns[n].fd = -1;
}

void toy_server_reset(struct toy_server *s, unsigned n)
{
    struct linger now = {.l_onoff = 1};

    assert_int_equal(setsockopt(s->conns[n].fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    toy_server_hang_up(s, n);
}

void toy_server_close(struct toy_server *s)
{
    for (unsigned i = 0; i < s->n; i++)
        toy_server_hang_up(s, i);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void toy_server_say(struct toy_server *s, unsigned n, const char *text)
{
    assert_true(n < s->n);
    (void)!send(s->conns[n].fd, text, strlen(text), MSG_NOSIGNAL);
}

unsigned toy_server_open_conns(const struct toy_server *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->n; i++)
        n += s->conns[i].fd >= 0 && !s->conns[i].end;
    return n;
}

static void take_line(struct toy_server *s, unsigned n)
{
    struct toy_conn *c = &s->conns[n];

    if (strcmp(c->line, "HELLO\n") == 0 && s->hangs_up) {
        toy_server_hang_up(s, n);
        return;
    }
    if (strcmp(c->line, "BYE\n") == 0)
        c->bye = true;
    else if (s->mute || (s->deaf_to_ping && strcmp(c->line, "PING\n") == 0))
        ;
    else if (strcmp(c->line, "HELLO\n") == 0)
        toy_server_say(s, n, s->greeting);
    else if (strcmp(c->line, "PING\n") == 0)
        toy_server_say(s, n, "PONG\n");
    else {
        c->lines++;
        toy_server_say(s, n, c->line);
    }
}

static void read_some(struct toy_server *s, unsigned n)
{
    struct toy_conn *c = &s->conns[n];
    char byte;

    while (c->fd >= 0 && !c->end) {
        ssize_t got = recv(c->fd, &byte, 1, MSG_DONTWAIT);

        if (got < 0)
            return; /* nothing, or reset */
        if (got == 0) {
            c->end = true;
            return;
        }
        assert_true(c->len + 1 < sizeof c->line);
        c->line[c->len++] = byte;
        if (byte != '\n')
            continue;
        c->line[c->len] = '\0';
        c->len = 0;
        take_line(s, n);
    }
}

void toy_server_poll(struct toy_server *s)
{
    int fd;

    while (s->fd >= 0 && (fd = accept(s->fd, NULL, NULL)) >= 0) {
        assert_true(s->n < TOY_CONNS_MAX);
        memset(&s->conns[s->n], 0, sizeof s->conns[s->n]);
        s->conns[s->n++].fd = fd;
    }
    for (unsigned i = 0; i < s->n; i++)
        read_some(s, i);
}
