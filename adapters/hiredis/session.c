/* SPDX-License-Identifier: MIT */
/*
 * One redisContext between hiredis and belay.
 *
 *     LOOKING (the name) --> GREETING (connect, AUTH, SELECT, PING) --> RESTING <--> CHECKING (PING)
 *
 * While it greets and checks the socket does not block, and belay watches it; while it is lent it
 * blocks. All commands of a greeting leave together; their replies come in order. Of several
 * addresses of a name the next is tried when one cannot be connected to.
 */
#include <belay/source.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "parts.h"

#define ADDRS_MAX    8 /* of one name */
#define COMMANDS_MAX 4

enum doing { LOOKING, GREETING, RESTING, CHECKING };

struct session {
    redisContext *context; /* first: see belay_hiredis_context */
    struct belay_conn *conn;
    const struct belay_hiredis *options;
    struct belay_watch *watch;
    struct belay_source_query *query; /* LOOKING */
    enum doing doing;
    struct belay_addr addrs[ADDRS_MAX]; /* to be tried */
    int addrs_n, next_addr;
    const char *commands[COMMANDS_MAX]; /* GREETING: what was sent, without secrets */
    int commands_n, replies_n;
};

static void on_ready(unsigned events, void *arg);
static void connect_next(struct session *s);

static const char *name_of(const struct session *s)
{
    return belay_endpoint_name(belay_conn_endpoint(s->conn));
}

static void unwatch(struct session *s)
{
    belay_watch_free(s->watch);
    s->watch = NULL;
}

/* A watch is ended before its socket is closed. */
static void drop_context(struct session *s)
{
    unwatch(s);
    if (s->context)
        redisFree(s->context);
    s->context = NULL;
}

static void session_free(struct session *s)
{
    if (s->query)
        belay_source_cancel(s->query);
    drop_context(s);
    free(s);
}

static int watch(struct session *s, unsigned mask)
{
    if (s->watch)
        return belay_watch_set(s->watch, mask);
    return belay_watch_new(belay_conn_loop(s->conn), s->context->fd, mask, on_ready, s, &s->watch);
}

static int set_blocking(struct session *s, bool blocking)
{
    int flags = fcntl(s->context->fd, F_GETFL);

    if (flags < 0)
        return BELAY_EOS;
    flags = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    if (fcntl(s->context->fd, F_SETFL, flags) < 0)
        return BELAY_EOS;
    s->context->flags =
        blocking ? s->context->flags | REDIS_BLOCK : s->context->flags & ~REDIS_BLOCK;
    return 0;
}

/* ---- opening ---- */

static void fail(struct session *s, const struct belay_error *error)
{
    struct belay_conn *conn = s->conn;

    session_free(s);
    belay_conn_open_failed(conn, error);
}

static void fail_with(struct session *s, int code, enum belay_stage stage, const char *why)
{
    struct belay_error error;

    bl_hiredis_error(&error, code, stage, "connecting to %s: %s", name_of(s),
                     why ? why : belay_strerror(code));
    fail(s, &error);
}

/* The context has broken while greeting. Before the first reply another address may do better. */
static void greeting_broke(struct session *s, int os_error)
{
    struct belay_error error;

    if (s->next_addr < s->addrs_n && s->replies_n == 0 && s->context->err == REDIS_ERR_IO) {
        drop_context(s);
        connect_next(s);
        return;
    }
    bl_hiredis_broken(&error, "connecting to", name_of(s),
                      s->replies_n ? BELAY_STAGE_PROTOCOL : BELAY_STAGE_CONNECT, s->context,
                      os_error);
    fail(s, &error);
}

static void come_up(struct session *s)
{
    int64_t ms = s->options->command_timeout_ms;
    struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    int rc;

    unwatch(s);
    s->doing = RESTING;
    rc = set_blocking(s, true);
    if (rc == 0 && ms > 0 && redisSetTimeout(s->context, limit) != REDIS_OK)
        rc = BELAY_EOS;
    if (rc == 0)
        rc = belay_conn_set_descriptor(s->conn, s->context->fd);
    if (rc < 0)
        fail_with(s, rc, BELAY_STAGE_PROTOCOL, NULL);
    else
        belay_conn_open_done(s->conn, s, 1);
}

static bool append(struct session *s, const char *name, int argc, const char *a, const char *b,
                   const char *c)
{
    const char *argv[] = {a, b, c};

    s->commands[s->commands_n++] = name;
    return redisAppendCommandArgv(s->context, argc, argv, NULL) == REDIS_OK;
}

/* The PING tells whether commands are accepted at all: NOAUTH, LOADING. */
static bool append_greeting(struct session *s)
{
    const struct belay_hiredis *o = s->options;
    char db[16];
    bool ok = true;

    s->commands_n = s->replies_n = 0;
    if (o->username)
        ok = append(s, "AUTH", 3, "AUTH", o->username, o->password) && ok;
    else if (o->password)
        ok = append(s, "AUTH", 2, "AUTH", o->password, NULL) && ok;
    if (o->client_name)
        ok = append(s, "CLIENT SETNAME", 3, "CLIENT", "SETNAME", o->client_name) && ok;
    snprintf(db, sizeof db, "%d", (int)o->db);
    if (o->db)
        ok = append(s, "SELECT", 2, "SELECT", db, NULL) && ok;
    return append(s, "PING", 1, "PING", NULL, NULL) && ok;
}

static redisContext *context_to(const struct belay_addr *addr)
{
    struct belay_addr plain = *addr;
    char text[BELAY_ADDR_TEXT_MAX];

    if (addr->family != BELAY_FAMILY_UNIX)
        plain.port = 0;
    belay_addr_print(&plain, text, sizeof text);
    return addr->family == BELAY_FAMILY_UNIX ? redisConnectUnixNonBlock(text)
                                             : redisConnectNonBlock(text, addr->port);
}

static void connect_next(struct session *s)
{
    const struct belay_addr *addr = &s->addrs[s->next_addr++];
    int rc;

    s->doing = GREETING;
    errno = 0;
    s->context = context_to(addr);
    if (!s->context) {
        fail_with(s, BELAY_ENOMEM, BELAY_STAGE_CONNECT, NULL);
    } else if (s->context->err) {
        s->commands_n = s->replies_n = 0;
        greeting_broke(s, errno);
    } else if (!append_greeting(s)) {
        fail_with(s, BELAY_ENOMEM, BELAY_STAGE_PROTOCOL, NULL);
    } else {
        rc = watch(s, BELAY_WRITABLE);
        if (rc < 0)
            fail_with(s, rc, BELAY_STAGE_CONNECT, NULL);
    }
}

static void take_addrs(struct session *s, const struct belay_addr *addrs, size_t n)
{
    for (size_t i = 0; i < n && s->addrs_n < ADDRS_MAX; i++)
        s->addrs[s->addrs_n++] = addrs[i];
}

static void connect_first(struct session *s)
{
    if (s->addrs_n == 0)
        fail_with(s, BELAY_ENONAME, BELAY_STAGE_RESOLVE, NULL);
    else if (s->addrs[0].family == BELAY_FAMILY_UNIX && s->addrs[0].u.path[0] == 0)
        fail_with(s, BELAY_ENOTSUP, BELAY_STAGE_CONNECT, "hiredis knows no abstract sockets");
    else
        connect_next(s);
}

static void on_looked_up(struct belay_endpoint *const *endpoints, size_t n,
                         const struct belay_error *error, void *arg)
{
    struct session *s = arg;

    s->query = NULL;
    if (error) {
        fail(s, error);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        size_t addrs_n;
        const struct belay_addr *addrs = belay_endpoint_addrs(endpoints[i], &addrs_n);

        take_addrs(s, addrs, addrs_n);
    }
    connect_first(s);
}

static void look_up(struct session *s, struct belay_endpoint *endpoint)
{
    struct belay_source *source;
    int rc = belay_source_dns(endpoint, &source);

    if (rc == 0) {
        rc = belay_source_get(source, false, &s->query, on_looked_up, s);
        belay_source_unref(source);
    }
    if (rc < 0)
        fail_with(s, rc, BELAY_STAGE_RESOLVE, NULL);
}

static void on_open(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    struct session *s = calloc(1, sizeof *s);
    const struct belay_addr *addrs;
    struct belay_error error;
    size_t n;

    if (!s) {
        bl_hiredis_error(&error, BELAY_ENOMEM, BELAY_STAGE_CONNECT, "out of memory");
        belay_conn_open_failed(conn, &error);
        return;
    }
    s->conn = conn;
    s->options = arg;
    belay_conn_set_state(conn, s);
    addrs = belay_endpoint_addrs(endpoint, &n);
    if (belay_endpoint_address(endpoint)) {
        fail_with(s, BELAY_ENOTSUP, BELAY_STAGE_CONNECT, "hiredis knows no addresses of that type");
    } else if (belay_endpoint_is_tls(endpoint)) {
        fail_with(s, BELAY_ENOTSUP, BELAY_STAGE_TLS, "TLS is not supported");
    } else if (n == 0) {
        look_up(s, endpoint);
    } else {
        take_addrs(s, addrs, n);
        connect_first(s);
    }
}

/* ---- replies ---- */

/* Whether the session is still there. */
static bool take_greeting(struct session *s, const redisReply *reply)
{
    const char *doing = s->commands[s->replies_n++];
    struct belay_error error;

    if (reply->type == REDIS_REPLY_ERROR) {
        bl_hiredis_refused(&error, name_of(s), doing, reply->str);
        fail(s, &error);
        return false;
    }
    if (s->replies_n < s->commands_n)
        return true;
    come_up(s);
    return false;
}

static void check_done(struct session *s, int result)
{
    unwatch(s);
    s->doing = RESTING;
    if (result == 0)
        result = set_blocking(s, true);
    belay_conn_checked(s->conn, result);
}

static void check_broke(struct session *s, int os_error)
{
    struct belay_error error;

    bl_hiredis_broken(&error, "the connection to", name_of(s), BELAY_STAGE_USE, s->context,
                      os_error);
    unwatch(s);
    s->doing = RESTING;
    belay_conn_lost(
        s->conn, s->context->err == REDIS_ERR_EOF ? BELAY_REASON_PEER_CLOSED : BELAY_REASON_ERROR,
        &error);
}

static void broke(struct session *s, int os_error)
{
    if (s->doing == GREETING)
        greeting_broke(s, os_error);
    else
        check_broke(s, os_error);
}

static bool has_leftovers(const redisContext *c)
{
    return c->reader->len > c->reader->pos || c->reader->ridx >= 0;
}

/* What came of it, one reply after the other. */
static void take_replies(struct session *s)
{
    for (;;) {
        void *got = NULL;
        redisReply *reply;
        bool goes_on, is_pong;

        if (redisGetReplyFromReader(s->context, &got) != REDIS_OK) {
            broke(s, 0);
            return;
        }
        reply = got;
        if (!reply)
            return;
        if (s->doing == GREETING) {
            goes_on = take_greeting(s, reply);
            freeReplyObject(reply);
            if (!goes_on)
                return;
            continue;
        }
        is_pong = reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "PONG") == 0;
        freeReplyObject(reply);
        check_done(s, is_pong && !has_leftovers(s->context) ? 0 : BELAY_EUNHEALTHY);
        return;
    }
}

static void on_ready(unsigned events, void *arg)
{
    struct session *s = arg;
    int done = 1, rc;

    errno = 0;
    if (events & BELAY_WRITABLE && redisBufferWrite(s->context, &done) != REDIS_OK) {
        broke(s, errno);
        return;
    }
    if (events & BELAY_READABLE && redisBufferRead(s->context) != REDIS_OK) {
        broke(s, errno);
        return;
    }
    rc = watch(s, done ? BELAY_READABLE : BELAY_READABLE | BELAY_WRITABLE);
    if (rc == 0)
        take_replies(s);
    else if (s->doing == GREETING)
        fail_with(s, rc, BELAY_STAGE_PROTOCOL, NULL);
    else
        check_done(s, rc);
}

/* ---- the rest ---- */

/* Bytes that were there before the PING are replies that somebody did not read: out of step. */
static void on_check(struct belay_conn *conn, void *arg)
{
    struct session *s = belay_conn_state(conn);
    int rc;

    (void)arg;
    s->doing = CHECKING;
    rc = s->context->err ? BELAY_EUNHEALTHY : set_blocking(s, false);
    if (rc < 0) {
        check_done(s, rc);
        return;
    }
    errno = 0;
    if (redisBufferRead(s->context) != REDIS_OK) {
        check_broke(s, errno);
        return;
    }
    if (has_leftovers(s->context) || redisAppendCommand(s->context, "PING") != REDIS_OK)
        rc = BELAY_EUNHEALTHY;
    else
        rc = watch(s, BELAY_WRITABLE);
    if (rc < 0)
        check_done(s, rc);
}

static bool is_healthy(struct belay_conn *conn, void *arg)
{
    const struct session *s = belay_conn_state(conn);

    (void)arg;
    return !s->context->err && !has_leftovers(s->context) &&
           (!s->context->obuf || !s->context->obuf[0]);
}

static void on_cancel(struct belay_conn *conn, void *arg)
{
    (void)arg;
    session_free(belay_conn_state(conn));
    belay_conn_closed(conn);
}

static void on_close(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    (void)reason;
    on_cancel(conn, arg);
}

const struct belay_connector_ops bl_hiredis_ops = {
    .size = sizeof bl_hiredis_ops,
    .name = "redis",
    .open = on_open,
    .cancel = on_cancel,
    .close = on_close,
    .check = on_check,
    .is_healthy = is_healthy,
};
