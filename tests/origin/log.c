/* SPDX-License-Identifier: MIT */
/* What the server saw: the request log and the counters. */
#include "origin.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int log_fd = -1;

void log_open(void)
{
    if (!opt.log) {
        return;
    }
    log_fd = open(opt.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log_fd < 0) {
        die_usage("--log: cannot write '%s': %s", opt.log, strerror(errno));
    }
}

/* One write per line, so that a reader never sees a reply whose request is not in the file. */
static void put(struct buf *b)
{
    size_t done = 0;
    while (done < b->len) {
        ssize_t n = write(log_fd, b->p + done, b->len - done);
        if (n < 0 && errno != EINTR) {
            die("cannot write the log: %s", strerror(errno));
        }
        done += n > 0 ? (size_t)n : 0;
    }
    buf_free(b);
}

void log_request(struct conn *c)
{
    if (c->logged) {
        return;
    }
    c->logged = true;
    if (route_is_stats(c->route)) {
        return;
    }
    loop.counts.requests++;
    if (log_fd < 0) {
        return;
    }
    struct buf b = {0};
    buf_format(&b, "conn=%" PRIu64 " req=%" PRIu64 " method=", c->number, c->requests);
    buf_add(&b, conn_text(c, c->req.method), c->req.method.len);
    buf_text(&b, " target=");
    buf_add(&b, conn_text(c, c->req.target), c->req.target.len);
    buf_format(&b, " body=%" PRIu64 " tls=%s%s\n", c->body.seen, tls_word(c),
               c->rx == RX_DONE ? "" : " cut=1");
    put(&b);
}

void log_bad(struct conn *c, int status)
{
    c->logged = true;
    if (log_fd >= 0) {
        struct buf b = {0};
        buf_format(&b, "conn=%" PRIu64 " req=%" PRIu64 " bad=%d tls=%s\n", c->number, c->requests,
                   status, tls_word(c));
        put(&b);
    }
}

void stats_json(char *ret_text, size_t size)
{
    const struct counts *n = &loop.counts;
    snprintf(ret_text, size,
             "{\"connections_total\": %" PRIu64 ", \"connections_now\": %" PRIu64
             ", \"connections_peak\": %" PRIu64 ", \"requests\": %" PRIu64
             ", \"handshakes\": %" PRIu64 ", \"resumed\": %" PRIu64 "}\n",
             n->connections_total, n->connections_now, n->connections_peak, n->requests,
             n->handshakes, n->resumed);
}
