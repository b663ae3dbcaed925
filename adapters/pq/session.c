/* SPDX-License-Identifier: MIT */
/*
 * One PGconn between libpq and belay.
 *
 *     LOOKING (the name) --> CONNECTING (PQconnectPoll) --> RESTING <--> CHECKING (queries)
 *
 * A watch is ended before each call of libpq that may close the socket, and made anew after it:
 * PQconnectPoll goes from address to address, and from TLS to none.
 */
#include <belay/source.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "parts.h"

#define ADDRS_MAX 8 /* of one name */
#define SOCKET    "/.s.PGSQL."

enum doing { LOOKING, CONNECTING, RESTING, CHECKING };

struct session {
    struct belay_conn *conn;
    const struct belay_pq *pq;
    PGconn *pg;
    struct belay_watch *watch;
    struct belay_source_query *query; /* LOOKING */
    enum doing doing;
    int fd, pid;    /* what is watched while it rests */
    unsigned step;  /* CHECKING: of the queries of a check */
    bool failed;    /* one of them */
    bool in_flight; /* one is being answered */
};

static void on_ready(unsigned events, void *arg);

static const char *name_of(const struct session *s)
{
    return belay_endpoint_name(belay_conn_endpoint(s->conn));
}

static void session_free(struct session *s)
{
    if (s->query)
        belay_source_cancel(s->query);
    belay_watch_free(s->watch);
    if (s->pg)
        PQsetnonblocking(s->pg, 1); /* or PQfinish might wait to say goodbye */
    PQfinish(s->pg);
    free(s);
}

static int watch(struct session *s, unsigned mask)
{
    belay_watch_free(s->watch);
    s->watch = NULL;
    return belay_watch_new(belay_conn_loop(s->conn), PQsocket(s->pg), mask, on_ready, s, &s->watch);
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

    bl_pq_error(&error, code, stage, "connecting to %s: %s", name_of(s),
                why ? why : belay_strerror(code));
    fail(s, &error);
}

/* libpq prints notices to stderr, if nobody takes them. */
static void on_notice(void *arg, const char *message)
{
    const struct belay_pq *pq = arg;
    char line[1024];

    if (!pq->on_notice)
        return;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(message, "\n"), message);
    pq->on_notice(line, pq->notice_arg);
}

static int rest(struct session *s)
{
    s->fd = PQsocket(s->pg);
    s->pid = PQbackendPID(s->pg);
    return belay_conn_set_descriptor(s->conn, s->fd);
}

static void come_up(struct session *s)
{
    int rc;

    belay_watch_free(s->watch);
    s->watch = NULL;
    s->doing = RESTING;
    PQsetErrorVerbosity(s->pg, PQERRORS_DEFAULT);
    rc = rest(s);
    if (rc < 0)
        fail_with(s, rc, BELAY_STAGE_PROTOCOL, NULL);
    else
        belay_conn_open_done(s->conn, s, 1);
}

static void poll_connect(struct session *s)
{
    enum belay_stage stage =
        PQstatus(s->pg) == CONNECTION_STARTED ? BELAY_STAGE_CONNECT : BELAY_STAGE_PROTOCOL;
    struct belay_error error;
    int rc = 0;

    belay_watch_free(s->watch);
    s->watch = NULL;
    switch (PQconnectPoll(s->pg)) {
    case PGRES_POLLING_OK:
        come_up(s);
        return;
    case PGRES_POLLING_READING:
        rc = watch(s, BELAY_READABLE);
        break;
    case PGRES_POLLING_WRITING:
        rc = watch(s, BELAY_WRITABLE);
        break;
    default:
        bl_pq_connect_error(s->pg, name_of(s), stage, &error);
        fail(s, &error);
        return;
    }
    if (rc < 0)
        fail_with(s, rc, stage, NULL);
}

struct params {
    const char *keywords[PQ_PARAMS_MAX + 1], *values[PQ_PARAMS_MAX + 1];
    int n;
};

static bool put(struct params *p, const char *keyword, const char *value)
{
    if (p->n == PQ_PARAMS_MAX)
        return false;
    p->keywords[p->n] = keyword;
    p->values[p->n++] = value;
    return true;
}

/* Conninfo, and what takes its place where it is not NULL. */
static void connect_to(struct session *s, const char *host, const char *hostaddr, const char *port)
{
    struct params p = {.n = 0};
    struct belay_error error;
    bool all = true;
    int rc;

    for (const PQconninfoOption *o = s->pq->info; o->keyword; o++) {
        bool replaced =
            host && (strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "hostaddr") == 0 ||
                     strcmp(o->keyword, "port") == 0);
        if (o->val && !replaced)
            all = put(&p, o->keyword, o->val) && all;
    }
    if (host)
        all = put(&p, "host", host) && put(&p, "port", port) && all;
    if (hostaddr)
        all = put(&p, "hostaddr", hostaddr) && all;
    s->doing = CONNECTING;
    s->pg = all ? PQconnectStartParams(p.keywords, p.values, 0) : NULL;
    if (!s->pg) {
        fail_with(s, all ? BELAY_ENOMEM : BELAY_EINVAL, BELAY_STAGE_CONNECT, NULL);
        return;
    }
    if (PQstatus(s->pg) == CONNECTION_BAD) {
        bl_pq_connect_error(s->pg, name_of(s), BELAY_STAGE_CONNECT, &error);
        fail(s, &error);
        return;
    }
    PQsetErrorVerbosity(s->pg, PQERRORS_VERBOSE); /* the only way to the SQLSTATE */
    PQsetNoticeProcessor(s->pg, on_notice, (void *)(uintptr_t)s->pq);
    rc = watch(s, BELAY_WRITABLE);
    if (rc < 0)
        fail_with(s, rc, BELAY_STAGE_CONNECT, NULL);
}

/* Lists for libpq: "name,name", "192.0.2.1,192.0.2.2", "5432,5432". */
struct lists {
    char host[ADDRS_MAX * 256], hostaddr[ADDRS_MAX * 64], port[ADDRS_MAX * 8];
    int n;
};

static void add(struct lists *l, const char *host, struct belay_addr addr)
{
    char text[BELAY_ADDR_TEXT_MAX];
    const char *comma = l->n ? "," : "";
    size_t h = strlen(l->host), a = strlen(l->hostaddr), p = strlen(l->port);
    int port = addr.port;

    if (l->n == ADDRS_MAX || strlen(host) > 253)
        return;
    addr.port = 0;
    belay_addr_print(&addr, text, sizeof text);
    snprintf(l->host + h, sizeof l->host - h, "%s%s", comma, host);
    snprintf(l->hostaddr + a, sizeof l->hostaddr - a, "%s%.60s", comma, text);
    snprintf(l->port + p, sizeof l->port - p, "%s%d", comma, port);
    l->n++;
}

static void connect_to_lists(struct session *s, const struct lists *l)
{
    if (l->n == 0)
        fail_with(s, BELAY_ENONAME, BELAY_STAGE_RESOLVE, NULL);
    else
        connect_to(s, l->host, l->hostaddr, l->port);
}

static void on_looked_up(struct belay_endpoint *const *endpoints, size_t n,
                         const struct belay_error *error, void *arg)
{
    struct session *s = arg;
    const char *host = belay_endpoint_host(belay_conn_endpoint(s->conn));
    struct lists lists = {.n = 0};

    s->query = NULL;
    if (error) {
        fail(s, error);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        size_t addrs_n;
        const struct belay_addr *addrs = belay_endpoint_addrs(endpoints[i], &addrs_n);

        for (size_t k = 0; k < addrs_n; k++)
            add(&lists, host, addrs[k]);
    }
    connect_to_lists(s, &lists);
}

static void look_up(struct session *s)
{
    struct belay_source *source;
    int rc = belay_source_dns(belay_conn_endpoint(s->conn), &source);

    if (rc == 0) {
        rc = belay_source_get(source, false, &s->query, on_looked_up, s);
        belay_source_unref(source);
    }
    if (rc < 0)
        fail_with(s, rc, BELAY_STAGE_RESOLVE, NULL);
}

/* "/dir/.s.PGSQL.5432" is host /dir and port 5432 to libpq. */
static void connect_to_unix(struct session *s, const struct belay_addr *addr)
{
    char text[BELAY_ADDR_TEXT_MAX], *socket = NULL;

    belay_addr_print(addr, text, sizeof text);
    for (char *at = text; (at = strstr(at, SOCKET)); at++)
        socket = at;
    if (!socket) {
        fail_with(s, BELAY_EINVAL, BELAY_STAGE_CONNECT, "its path must end in " SOCKET "PORT");
        return;
    }
    *socket = 0;
    connect_to(s, text, NULL, socket + strlen(SOCKET));
}

static void connect_to_endpoint(struct session *s, struct belay_endpoint *endpoint)
{
    struct lists lists = {.n = 0};
    size_t n;
    const struct belay_addr *addrs = belay_endpoint_addrs(endpoint, &n);

    if (n == 0) {
        look_up(s);
    } else if (addrs[0].family == BELAY_FAMILY_UNIX) {
        connect_to_unix(s, addrs);
    } else {
        for (size_t i = 0; i < n; i++)
            add(&lists, belay_endpoint_host(endpoint), addrs[i]);
        connect_to_lists(s, &lists);
    }
}

static void on_open(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    struct belay_pq *pq = arg;
    struct session *s = calloc(1, sizeof *s);
    struct belay_error error;
    bool own = strcasecmp(belay_endpoint_name(endpoint), pq->url) == 0;

    if (!s) {
        bl_pq_error(&error, BELAY_ENOMEM, BELAY_STAGE_CONNECT, "out of memory");
        belay_conn_open_failed(conn, &error);
        return;
    }
    s->conn = conn;
    s->pq = pq;
    belay_conn_set_state(conn, s);
    if (belay_endpoint_address(endpoint))
        fail_with(s, BELAY_ENOTSUP, BELAY_STAGE_CONNECT, "libpq knows no addresses of that type");
    else if (belay_endpoint_is_tls(endpoint))
        fail_with(s, BELAY_ENOTSUP, BELAY_STAGE_TLS,
                  "TLS is to be asked for by conninfo's sslmode");
    else if (own && pq->looks_up)
        look_up(s);
    else if (own)
        connect_to(s, NULL, NULL, NULL);
    else
        connect_to_endpoint(s, endpoint);
}

/* ---- checking, which is resetting too ---- */

static void check_done(struct session *s, int result)
{
    struct belay_error error;

    belay_watch_free(s->watch);
    s->watch = NULL;
    s->doing = RESTING;
    if (PQstatus(s->pg) == CONNECTION_BAD) {
        bl_pq_lost_error(s->pg, name_of(s), &error);
        belay_conn_lost(s->conn, BELAY_REASON_PEER_CLOSED, &error);
        return;
    }
    if (result == 0 &&
        (PQsetnonblocking(s->pg, 0) != 0 || PQtransactionStatus(s->pg) != PQTRANS_IDLE))
        result = BELAY_EUNHEALTHY;
    belay_conn_checked(s->conn, result);
}

/* The next query that is wanted; NULL: there is none. */
static const char *next_query(struct session *s)
{
    PGTransactionStatusType status = PQtransactionStatus(s->pg);

    while (s->step < 3) {
        switch (s->step++) {
        case 0:
            if (s->pq->reset != BELAY_PQ_CLOSE &&
                (status == PQTRANS_INTRANS || status == PQTRANS_INERROR))
                return "ROLLBACK";
            break;
        case 1:
            if (s->pq->reset == BELAY_PQ_DISCARD)
                return "DISCARD ALL";
            break;
        default:
            return ""; /* an empty query: the server answers that it was empty */
        }
    }
    return NULL;
}

/* Sends what is to be sent, and waits for what comes. */
static void go_on(struct session *s)
{
    int left, rc;

    if (!s->in_flight) {
        const char *query = next_query(s);

        if (!query) {
            check_done(s, s->failed ? BELAY_EUNHEALTHY : 0);
            return;
        }
        if (!PQsendQuery(s->pg, query)) {
            check_done(s, BELAY_EUNHEALTHY);
            return;
        }
        s->in_flight = true;
    }
    left = PQflush(s->pg);
    rc = left < 0 ? BELAY_EUNHEALTHY
                  : watch(s, left ? BELAY_READABLE | BELAY_WRITABLE : BELAY_READABLE);
    if (rc < 0)
        check_done(s, rc);
}

static void take_results(struct session *s)
{
    if (!PQconsumeInput(s->pg)) {
        check_done(s, BELAY_EUNHEALTHY);
        return;
    }
    while (s->in_flight && !PQisBusy(s->pg)) {
        PGresult *result = PQgetResult(s->pg);
        ExecStatusType status = PQresultStatus(result);

        if (!result)
            s->in_flight = false;
        else if (status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY)
            s->failed = true;
        PQclear(result);
        if (PQstatus(s->pg) == CONNECTION_BAD) {
            check_done(s, BELAY_EUNHEALTHY);
            return;
        }
    }
    go_on(s);
}

static void on_ready(unsigned events, void *arg)
{
    struct session *s = arg;

    if (s->doing == CONNECTING)
        poll_connect(s);
    else if (events & BELAY_READABLE)
        take_results(s);
    else
        go_on(s);
}

static void on_check(struct belay_conn *conn, void *arg)
{
    struct session *s = belay_conn_state(conn);

    (void)arg;
    s->doing = CHECKING;
    s->step = 0;
    s->failed = s->in_flight = false;
    if (PQtransactionStatus(s->pg) == PQTRANS_ACTIVE || PQsetnonblocking(s->pg, 1) != 0)
        check_done(s, BELAY_EUNHEALTHY); /* somebody's query is not read to its end */
    else
        go_on(s);
}

/* ---- the rest ---- */

/* Whoever had it may have seen its end: libpq has closed the socket then, and the number may be
 * another's. The user's query has got the server's words, and so they are here. */
/* As PQconnectdb would have made it: blocking, and out of pipeline mode. */
static bool is_plain_again(PGconn *pg)
{
#ifdef LIBPQ_HAS_PIPELINING
    if (PQpipelineStatus(pg) != PQ_PIPELINE_OFF && !PQexitPipelineMode(pg))
        return false;
#endif
    return !PQisnonblocking(pg) || PQsetnonblocking(pg, 0) == 0;
}

static void on_released(struct belay_conn *conn, void *arg)
{
    const struct belay_pq *pq = arg;
    struct session *s = belay_conn_state(conn);
    struct belay_error error;

    if (PQstatus(s->pg) != CONNECTION_OK) {
        belay_conn_set_descriptor(conn, -1);
        bl_pq_lost_error(s->pg, name_of(s), &error);
        belay_conn_lost(conn, BELAY_REASON_UNHEALTHY, &error);
        return;
    }
    if (!is_plain_again(s->pg)) {
        bl_pq_error(&error, BELAY_EUNHEALTHY, BELAY_STAGE_USE,
                    "a connection to %s was given back in the middle of a pipeline", name_of(s));
        belay_conn_lost(conn, BELAY_REASON_UNHEALTHY, &error);
        return;
    }
    if ((PQsocket(s->pg) != s->fd || PQbackendPID(s->pg) != s->pid) && rest(s) < 0)
        belay_conn_suspect(conn);
    if (pq->reset == BELAY_PQ_DISCARD ||
        (pq->reset == BELAY_PQ_ROLLBACK && PQtransactionStatus(s->pg) != PQTRANS_IDLE))
        belay_conn_suspect(conn); /* the check cleans it */
}

static bool is_healthy(struct belay_conn *conn, void *arg)
{
    const struct belay_pq *pq = arg;
    struct session *s = belay_conn_state(conn);
    PGTransactionStatusType status = PQtransactionStatus(s->pg);

    if (PQstatus(s->pg) != CONNECTION_OK)
        return false;
    return status == PQTRANS_IDLE || (pq->reset != BELAY_PQ_CLOSE &&
                                      (status == PQTRANS_INTRANS || status == PQTRANS_INERROR));
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

const struct belay_connector_ops bl_pq_ops = {
    .size = sizeof bl_pq_ops,
    .name = "postgres",
    .open = on_open,
    .cancel = on_cancel,
    .close = on_close,
    .check = on_check,
    .released = on_released,
    .is_healthy = is_healthy,
};

PGconn *belay_pq_conn(struct belay_lease lease)
{
    struct session *s = belay_lease_state(lease);

    return s ? s->pg : NULL;
}
