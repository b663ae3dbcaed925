/* SPDX-License-Identifier: MIT */
/*
 * A dial: resolve, race, TLS, each stage under its own limit.
 *
 *     RESOLVE --addresses--> CONNECT --connected--> TLS --done--> told
 *
 * All that happens comes from the loop (look-up, watches, the one timer, the stream), so the caller
 * can be told directly; what ends inside bl_dial_start goes through the task. Further addresses may
 * arrive during CONNECT.
 */
#include "net/dial.h"

#include <errno.h>

#include "net/dial_error.h"
#include "net/race.h"
#include "net/resolver.h"

#define UNIX_RETRY_MS                                                                              \
    10 /* a Unix socket with a full backlog refuses at once, and says nothing when it has room */

struct attempt {
    struct bl_dial *dial;
    struct belay_backend_slot watch;
    uint64_t retry_at; /* 0: no */
    int fd;            /* -1 when not open */
};

struct bl_dial {
    struct belay_loop *loop;
    struct bl_dial_plan plan;
    bl_dial_fn *fn;
    void *arg;
    enum belay_stage stage;
    uint64_t deadline; /* of the stage */
    int64_t limit_ms;  /* its length */
    uint64_t end;      /* of all stages together */
    struct bl_lookup *lookup;
    struct bl_timer timer;
    struct bl_task task;
    struct belay_stream *stream;
    int start_code; /* what the task is to tell */
    struct bl_race race;
    struct attempt attempts[BL_RACE_MAX];
};

static void step(struct bl_dial *d);

/* ---- ending ---- */

static void close_attempt(struct attempt *a)
{
    const struct belay_transport *t = &a->dial->loop->transport;
    bl_watch_set(&a->watch, 0);
    if (a->fd >= 0)
        t->close(a->fd, t->arg);
    a->fd = -1;
    a->retry_at = 0;
}

static void close_attempts(struct bl_dial *d)
{
    for (size_t i = 0; i < d->race.n; i++) {
        if (d->race.state[i] != BL_RACE_WAITING)
            close_attempt(&d->attempts[i]);
    }
}

static void free_dial(struct bl_dial *d)
{
    bl_resolve_cancel(d->lookup);
    d->lookup = NULL;
    close_attempts(d);
    bl_timer_fini(&d->timer, d->loop);
    bl_task_cancel(&d->task);
    belay_stream_close(d->stream, 0, NULL, NULL);
    bl_free(&d->loop->mem, d);
}

void bl_dial_cancel(struct bl_dial *d)
{
    if (d)
        free_dial(d);
}

static void succeed(struct bl_dial *d)
{
    struct belay_stream *stream = d->stream;
    bl_dial_fn *fn = d->fn;
    void *arg = d->arg;
    bl_loop_log(d->loop, "dial", BELAY_LOG_DEBUG, "connected to %s", d->plan.target);
    d->stream = NULL;
    free_dial(d);
    fn(stream, NULL, arg);
}

static void fail(struct bl_dial *d, struct belay_error *error)
{
    struct belay_tried tried[BL_RACE_MAX];
    bl_dial_fn *fn = d->fn;
    void *arg = d->arg;
    error->stage = d->stage;
    error->tried_n = bl_race_tried(&d->race, bl_now(d->loop), tried);
    error->tried = error->tried_n ? tried : NULL;
    bl_loop_log(d->loop, "dial", BELAY_LOG_DEBUG, "%s", error->text);
    free_dial(d);
    fn(NULL, error, arg);
}

static void fail_with(struct bl_dial *d, int code)
{
    struct belay_error error;
    bl_error_set(&error, code, d->stage, "connecting to %s: %s", d->plan.target,
                 belay_strerror(code));
    fail(d, &error);
}

/* ---- stages and their limits ---- */

static void enter(struct bl_dial *d, enum belay_stage stage, int64_t limit_ms)
{
    uint64_t now = bl_now_fresh(d->loop);
    d->stage = stage;
    d->limit_ms = limit_ms;
    d->deadline = bl_after_ms(now, limit_ms);
    if (d->deadline > d->end) { /* what is left of the whole is less */
        d->deadline = d->end;
        d->limit_ms = now < d->end ? (int64_t)((d->end - now + 999999) / 1000000) : 0;
    }
    bl_timer_at(&d->timer, d->loop, d->deadline);
}

static void time_out(struct bl_dial *d)
{
    struct belay_error error;
    if (d->stage == BELAY_STAGE_CONNECT) {
        bl_dial_describe_timeout(&d->race, bl_now(d->loop), d->plan.target, d->limit_ms, &error);
    } else if (d->stage == BELAY_STAGE_RESOLVE) {
        bl_error_set(&error, BELAY_ETIMEDOUT, d->stage,
                     "connecting to %s: looking up %s: no answer within %lld ms", d->plan.target,
                     d->plan.host, (long long)d->limit_ms);
    } else {
        bl_error_set(&error, BELAY_ETIMEDOUT, d->stage,
                     "negotiating TLS with %s: not done within %lld ms", d->plan.target,
                     (long long)d->limit_ms);
    }
    fail(d, &error);
}

static void on_timer(void *arg)
{
    struct bl_dial *d = arg;
    if (bl_now(d->loop) >= d->deadline)
        time_out(d);
    else
        step(d);
}

/* ---- TLS ---- */

static void on_started(const struct belay_error *error, void *arg)
{
    struct bl_dial *d = arg;
    struct belay_error own;
    if (!error) {
        succeed(d);
        return;
    }
    own = *error;
    bl_error_prefix(&own, "negotiating TLS with %s", d->plan.target);
    fail(d, &own);
}

static void start_tls(struct bl_dial *d)
{
    const struct bl_dial_plan *p = &d->plan;
    struct bl_tls_want want = {
        .tls = p->tls,
        .server_name = p->server_name,
        .alpn = p->alpn,
        .alpn_len = p->alpn_len,
        .no_sni = p->no_sni,
        .session_key = p->session_key,
        .session_key_len = p->session_key_len,
    };
    struct bl_filter *filter;
    struct belay_error error;
    enter(d, BELAY_STAGE_TLS, p->tls_timeout_ms);
    int rc = bl_tls_filter_new(d->loop, &want, bl_stream_top(d->stream), &filter, &error);
    if (rc < 0) {
        bl_error_prefix(&error, "negotiating TLS with %s", p->target);
        fail(d, &error);
        return;
    }
    bl_stream_push(d->stream, filter, on_started, d);
}

/* ---- the race ---- */

static void win(struct bl_dial *d, size_t i)
{
    struct attempt *a = &d->attempts[i];
    int fd = a->fd;
    bl_watch_set(&a->watch, 0);
    a->fd = -1;
    bl_resolve_cancel(d->lookup);
    d->lookup = NULL;
    close_attempts(d);
    int rc = bl_stream_new(d->loop, fd, &d->race.addrs[i], &d->plan.stream, &d->stream);
    if (rc < 0) {
        d->loop->transport.close(fd, d->loop->transport.arg);
        fail_with(d, rc);
    } else if (d->plan.tls) {
        start_tls(d);
    } else {
        succeed(d);
    }
}

static void lose(struct bl_dial *d, size_t i, int os_error)
{
    close_attempt(&d->attempts[i]);
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
    struct attempt *a = arg;
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
    step(d);
}

/* 0, -EINPROGRESS, or why not. */
static int connect_now(struct bl_dial *d, struct attempt *a, const struct belay_addr *to)
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

static int open_attempt(struct bl_dial *d, struct attempt *a, const struct belay_addr *to)
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
        struct attempt *a = &d->attempts[i];
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
        struct attempt *a = &d->attempts[i];
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
        const struct attempt *a = &d->attempts[i];
        if (d->race.state[i] == BL_RACE_TRYING && a->retry_at && a->retry_at < at)
            at = a->retry_at;
    }
    return at;
}

static void step(struct bl_dial *d)
{
    struct belay_error error;
    if (d->stage != BELAY_STAGE_CONNECT || retry_attempts(d) || start_attempts(d))
        return;
    if (!bl_race_lost(&d->race)) {
        bl_timer_at(&d->timer, d->loop, next_look(d));
        return;
    }
    bl_dial_describe_lost(&d->race, bl_now(d->loop), d->plan.target, &error);
    fail(d, &error);
}

/* ---- addresses ---- */

static void add_addresses(struct bl_dial *d, const struct belay_addr *addrs, size_t n, bool more)
{
    bl_race_addresses(&d->race, addrs, n, more);
    if (d->stage != BELAY_STAGE_CONNECT)
        enter(d, BELAY_STAGE_CONNECT, d->plan.connect_timeout_ms);
    step(d);
}

static void on_addresses(const struct belay_addr *addrs, size_t n, bool more,
                         const struct belay_error *error, void *arg)
{
    struct bl_dial *d = arg;
    struct belay_error own;
    if (!more)
        d->lookup = NULL;
    if (!error) {
        add_addresses(d, addrs, n, more);
        return;
    }
    own = *error;
    bl_error_prefix(&own, "connecting to %s", d->plan.target);
    fail(d, &own);
}

/* ---- starting ---- */

static void bad_host(struct bl_dial *d)
{
    struct belay_error error;
    const char *what = bl_is_host_name(d->plan.host) ? "the name servers of the loop (dns_servers)"
                                                     : "that host name";
    bl_error_set(&error, BELAY_EINVAL, d->stage, "connecting to %s: %s cannot be used",
                 d->plan.target, what);
    fail(d, &error);
}

static void on_task(void *arg)
{
    struct bl_dial *d = arg;
    if (d->start_code == BELAY_EINVAL)
        bad_host(d);
    else if (d->start_code < 0)
        fail_with(d, d->start_code);
    else
        add_addresses(d, d->plan.addrs, d->plan.addrs_n, false);
}

static int resolve(struct bl_dial *d)
{
    struct bl_lookup_options options = {
        .family = d->plan.family,
        .fresh = d->plan.fresh,
        .port = d->plan.port,
    };
    enter(d, BELAY_STAGE_RESOLVE, d->plan.resolve_timeout_ms);
    return bl_resolve(d->loop, d->plan.host, &options, on_addresses, d, &d->lookup);
}

int bl_dial_start(struct belay_loop *loop, const struct bl_dial_plan *plan, bl_dial_fn *fn,
                  void *arg, struct bl_dial **ret)
{
    struct bl_dial *d = bl_zalloc(&loop->mem, sizeof *d);
    if (!d)
        return BELAY_ENOMEM;
    d->loop = loop;
    d->plan = *plan;
    d->fn = fn;
    d->arg = arg;
    d->end = BELAY_NEVER;
    if (plan->dial_timeout_ms > 0)
        d->end = bl_after_ms(bl_now_fresh(loop), plan->dial_timeout_ms);
    bl_task_init(&d->task, on_task, d);
    bl_race_init(&d->race, bl_after_ms(0, plan->race_delay_ms));
    int rc = bl_timer_init(&d->timer, loop, on_timer, d);
    if (rc == 0 && !plan->addrs)
        rc = resolve(d);
    if (rc == BELAY_ENOMEM) {
        free_dial(d);
        return rc;
    }
    d->start_code = rc;
    if (plan->addrs || rc < 0)
        bl_task_post(loop, &d->task);
    *ret = d;
    return 0;
}
