/* SPDX-License-Identifier: MIT */
/* The server that says what it is told to. */
#include "scripted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/place.h"

#define LIMIT_MS 20000

void scripted_start(struct scripted *s, const char *const *answers)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};

    memset(s, 0, sizeof *s);
    s->answers = answers;
    s->place = place_take(&s->port);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addr.sin_port = htons((uint16_t)s->port);
    s->listener = place_bind((struct sockaddr *)&addr, sizeof addr);
    assert_int_equal(listen(s->listener, SCRIPTED_CONNS), 0);
}

static void hang_up(struct scripted *s, unsigned i)
{
    if (s->conns[i] >= 0)
        close(s->conns[i]);
    s->conns[i] = -1;
}

void scripted_deafen(struct scripted *s)
{
    if (s->listener >= 0)
        close(s->listener);
    s->listener = -1;
}

void scripted_stop(struct scripted *s)
{
    scripted_deafen(s);
    if (s->place >= 0)
        close(s->place);
    s->place = -1;
    for (unsigned i = 0; i < s->accepted; i++)
        hang_up(s, i);
}

const char *scripted_url(const struct scripted *s, const char *path)
{
    static char urls[8][256];
    static unsigned next;
    char *url = urls[next++ % 8];

    snprintf(url, sizeof urls[0], "http://127.0.0.1:%d%s", s->port, path);
    return url;
}

void scripted_say(struct scripted *s, unsigned n, const char *text)
{
    assert_true(n < s->accepted && s->conns[n] >= 0);
    assert_int_equal(send(s->conns[n], text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* A head has come whole. */
static void answer(struct scripted *s, unsigned i, size_t head)
{
    const char *text = s->answers[s->requests];

    memcpy(s->last, s->in[i], head);
    s->last[head] = '\0';
    s->len[i] -= head;
    memmove(s->in[i], s->in[i] + head, s->len[i] + 1); /* with its NUL */
    if (!text)
        fail_msg("a request more than expected: %s", s->last);
    s->requests++;
    if (*text)
        scripted_say(s, i, text);
    else
        hang_up(s, i);
}

static void hear(struct scripted *s, unsigned i)
{
    char *in = s->in[i];
    ssize_t n = recv(s->conns[i], in + s->len[i], SCRIPTED_TEXT - 1 - s->len[i], MSG_DONTWAIT);
    const char *end;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        hang_up(s, i);
        return;
    }
    s->len[i] += (size_t)n;
    in[s->len[i]] = '\0';
    while (s->conns[i] >= 0 && (end = strstr(in, "\r\n\r\n")) != NULL)
        answer(s, i, (size_t)(end + 4 - in));
}

void scripted_step(struct scripted *s)
{
    int fd;

    while (s->listener >= 0 && (fd = accept(s->listener, NULL, NULL)) >= 0) {
        assert_true(s->accepted < SCRIPTED_CONNS);
        s->conns[s->accepted++] = fd;
    }
    for (unsigned i = 0; i < s->accepted; i++) {
        if (s->conns[i] >= 0)
            hear(s, i);
    }
}

void scripted_turn_until(struct scripted *s, struct kit *k, const bool *done)
{
    int64_t end = belay_loop_now_ms(k->loop) + LIMIT_MS;

    while (!*done) {
        scripted_step(s);
        kit_turn(k);
        if (belay_loop_now_ms(k->loop) > end)
            fail_msg("nothing happened for %d ms", LIMIT_MS);
    }
}

void scripted_get(struct scripted *s, struct kit *k, struct call *call, const char *path)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    o.url = scripted_url(s, path);
    call_start(k, call, &o);
    scripted_turn_until(s, k, &call->done);
}
