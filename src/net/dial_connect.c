/* SPDX-License-Identifier: MIT */
/*
 * The race to the first socket of a dial: one descriptor for each address that bl_race names. What
 * failed is remembered, so that the next dial tries it last.
 */
#include <errno.h>

#include "net/dial_error.h"
#include "net/dial_inside.h"
#include "net/failures.h"

#define UNIX_RETRY_MS                                                                              \
    10 /* a Unix socket with a full backlog refuses at once, and says nothing when it has room */

#define SORTED_MAX (2 * BL_RACE_MAX) /* of so many addresses those that failed go last */

static void close_attempt(struct bl_attempt *a)
{
    const struct belay_transport *t = &a->dial->loop->transport;
    bl_watch_set(&a->watch, 0);
    if (a->fd >= 0)
        t->close(a->fd, t->arg);
    a->fd = -1;
    a->retry_at = 0;
}

void bl_dial_close_attempts(struct bl_dial *d)
{
    for (size_t i = 0; i < d->race.n; i++) {
        if (d->race.state[i] != BL_RACE_WAITING)
            close_attempt(&d->attempts[i]);
    }
}

static void win(struct bl_dial *d, size_t i)
{
    struct bl_attempt *a = &d->attempts[i];
    int fd = a->fd;
    bl_watch_set(&a->watch, 0);
    a->fd = -1;
    bl_resolve_cancel(d->lookup);
    d->lookup = NULL;
    bl_dial_close_attempts(d);
    bl_failure_clear_addr(d->loop, &d->race.addrs[i]);
    int rc = bl_stream_new(d->loop, fd, &d->race.addrs[i], &d->plan.stream, &d->stream);
    if (rc < 0) {
        d->loop->transport.close(fd, d->loop->transport.arg);
        bl_dial_fail_with(d, rc);
        return;
    }
    bl_dial_climb(d);
}

/* What says something about the address, and not about this machine. */
static bool is_theirs(int os_error)
{
    switch (os_error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENOENT: /* a Unix path */
        return true;
    default:
        return false;
    }
}

static void lose(struct bl_dial *d, size_t i, int os_error)
{
    close_attempt(&d->attempts[i]);
    if (is_theirs(os_error))
        bl_failure_note_addr(d->loop, &d->race.addrs[i]);
    bl_race_failed(&d->race, (int)i, os_error, bl_now_fresh(d->loop));
}

/*
 * Dialling a port of this machine at which nobody listens may be given that very port as its own,
 * and TCP then connects the socket with itself: nobody is there, and the port would be kept from
 * whoever comes to listen.
 */
static bool is_self(const struct bl_dial *d, int fd, const struct belay_addr *to)
{
    const struct belay_transport *t = &d->loop->transport;
    struct belay_addr local;
    return to->family != BELAY_FAMILY_UNIX && t->local_addr(fd, &local, t->arg) == 0 &&
           belay_addr_equal(&local, to);
}

static void on_connect_event(unsigned events, void *arg)
{
    struct bl_attempt *a = arg;
    struct bl_dial *d = a->dial;
    size_t i = (size_t)(a - d->attempts);
    int rc = d->loop->transport.connect_result(a->fd, d->loop->transport.arg);
    (void)events;
    if (rc == -EINPROGRESS || rc == -EALREADY)
        return;
    if (rc == 0 && is_self(d, a->fd, &d->race.addrs[i]))
        rc = -ECONNREFUSED;
    if (rc == 0) {
        win(d, i);
        return;
    }
    lose(d, i, -rc);
    bl_dial_race_step(d);
}

/* 0, -EINPROGRESS, or why not. */
static int connect_now(struct bl_dial *d, struct bl_attempt *a, const struct belay_addr *to)
{
    const struct belay_transport *t = &d->loop->transport;
    int rc = t->connect(a->fd, to, t->arg);
    if (rc == 0 && is_self(d, a->fd, to))
        return -ECONNREFUSED;
    if (rc == -EINPROGRESS) {
        bl_watch_init(&a->watch, d->loop, a->fd, on_connect_event, a);
        if (bl_watch_set(&a->watch, BELAY_WRITABLE) < 0)
            return -ENOMEM;
    } else if (rc == -EAGAIN && to->family == BELAY_FAMILY_UNIX) {
        a->retry_at = bl_after_ms(bl_now_fresh(d->loop), UNIX_RETRY_MS);
        return -EINPROGRESS;
    }
    return rc;
}

static int open_attempt(struct bl_dial *d, struct bl_attempt *a, const struct belay_addr *to)
{
    const struct belay_transport *t = &d->loop->transport;
    bool local = to->family == BELAY_FAMILY_UNIX;
    const struct belay_addr *source = local ? NULL : d->plan.source;
    const char *interface_name = local ? NULL : d->plan.interface_name;
    if (source && source->family != to->family)
        return -EAFNOSUPPORT;
    a->fd = t->open((enum belay_family)to->family, t->arg);
    if (a->fd < 0)
        return a->fd;
    if (source || interface_name) {
        int rc = t->bind(a->fd, source, interface_name, t->arg);
        if (rc < 0)
            return rc;
    }
    return connect_now(d, a, to);
}

/* True when that ended the dial. */
static bool settle_attempt(struct bl_dial *d, size_t i, int rc)
{
    if (rc == 0) {
        win(d, i);
        return true;
    }
    if (rc != -EINPROGRESS)
        lose(d, i, -rc);
    return false;
}

static bool start_attempts(struct bl_dial *d)
{
    int i;
    while ((i = bl_race_next(&d->race, bl_now_fresh(d->loop))) >= 0) {
        struct bl_attempt *a = &d->attempts[i];
        a->dial = d;
        a->fd = -1;
        a->retry_at = 0;
        bl_watch_init(&a->watch, d->loop, -1, on_connect_event, a);
        bl_race_started(&d->race, i, bl_now_fresh(d->loop));
        if (settle_attempt(d, (size_t)i, open_attempt(d, a, &d->race.addrs[i])))
            return true;
    }
    return false;
}

static bool retry_attempts(struct bl_dial *d)
{
    for (size_t i = 0; i < d->race.n; i++) {
        struct bl_attempt *a = &d->attempts[i];
        if (d->race.state[i] != BL_RACE_TRYING || !a->retry_at ||
            a->retry_at > bl_now_fresh(d->loop))
            continue;
        a->retry_at = 0;
        if (settle_attempt(d, i, connect_now(d, a, &d->race.addrs[i])))
            return true;
    }
    return false;
}

static uint64_t next_look(const struct bl_dial *d)
{
    uint64_t at = bl_race_deadline(&d->race);
    at = at < d->deadline ? at : d->deadline;
    for (size_t i = 0; i < d->race.n; i++) {
        const struct bl_attempt *a = &d->attempts[i];
        if (d->race.state[i] == BL_RACE_TRYING && a->retry_at && a->retry_at < at)
            at = a->retry_at;
    }
    return at;
}

void bl_dial_race_step(struct bl_dial *d)
{
    struct belay_error error;
    char whom[BL_WHOM_MAX];
    if (d->stage != BELAY_STAGE_CONNECT || retry_attempts(d) || start_attempts(d))
        return;
    if (!bl_race_lost(&d->race)) {
        bl_timer_at(&d->timer, d->loop, next_look(d));
        return;
    }
    bl_dial_describe_lost(&d->race, bl_now(d->loop), bl_dial_whom(d, whom), &error);
    bl_dial_fail(d, &error);
}

void bl_dial_add_addresses(struct bl_dial *d, const struct belay_addr *addrs, size_t n, bool more)
{
    struct belay_addr sorted[SORTED_MAX];

    n = n < SORTED_MAX ? n : SORTED_MAX;
    if (n > 0)
        memcpy(sorted, addrs, n * sizeof *addrs);
    bl_failure_sort(d->loop, sorted, n);
    bl_race_addresses(&d->race, sorted, n, more);
    if (d->stage != BELAY_STAGE_CONNECT)
        bl_dial_enter(d, BELAY_STAGE_CONNECT, d->plan.connect_timeout_ms);
    bl_dial_race_step(d);
}

void bl_dial_blame_silent(struct bl_dial *d)
{
    for (size_t i = 0; i < d->race.n; i++) {
        if (d->race.state[i] == BL_RACE_TRYING && !d->attempts[i].retry_at)
            bl_failure_note_addr(d->loop, &d->race.addrs[i]);
    }
}
