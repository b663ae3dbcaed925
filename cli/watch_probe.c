/* SPDX-License-Identifier: MIT */
/*
 * How a service is connected to, and what of it counts as up. Over a stream: connected, then --send
 * and --expect, then --check. Of http:// and https://: a request whose answer is good, of grpc:// and
 * grpcs:// their health, then --check. Connections are those of the client or the channel, so that a
 * server which closes an idle one is not down: it is asked at once, but once only until it is due
 * anyway.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch_run.h"

#define REQUEST_LIMIT_MS 30000
#define SAID_MAX         64

struct probe {
    struct watch_site *site;
    struct belay_conn *conn;
    bool opening;
    struct belay_timer *timer;          /* the limit of --expect; when to ask */
    struct belay_http_request *request; /* NULL: none under way */
    struct watch_grpc *grpc;            /* NULL: not asked yet */
    bool asking;                        /* it is being asked */
    struct errand *errand;              /* NULL: none runs */
    int status;
    uint64_t asked_on; /* the connection of the last request */
    bool due, early;   /* the link has asked; the peer's close has, since then */
    char *heard;       /* the end of what came, as long as --expect may begin in it */
    size_t heard_len;
    char said[SAID_MAX]; /* the beginning of it */
    size_t said_len;
    bool expecting;
    char address[SERVICE_ADDRESS_MAX];
};

static const char *name_of(struct probe *p)
{
    return service_address(&p->site->service, belay_conn_endpoint(p->conn), p->address);
}

static const struct watch_options *options_of(const struct probe *p)
{
    return p->site->run->o;
}

static void probe_free(struct probe *p)
{
    if (p->site->probe == p)
        p->site->probe = NULL;
    if (p->request)
        belay_http_request_cancel(p->request);
    watch_grpc_free(p->grpc);
    errand_kill(p->errand);
    belay_timer_free(p->timer);
    free(p->heard);
    free(p);
}

/* ---- what it comes to ---- */

static void tell_good(struct probe *p)
{
    if (p->opening) {
        p->opening = false;
        belay_conn_open_done(p->conn, p, 1);
    } else if (p->due) {
        p->due = false;
        belay_conn_checked(p->conn, 0);
    }
}

static void tell_bad(struct probe *p, const struct belay_error *error)
{
    struct belay_conn *conn = p->conn;

    if (!p->opening) {
        belay_conn_lost(conn, BELAY_REASON_UNHEALTHY, error);
        return;
    }
    if (belay_conn_stream(conn))
        belay_stream_set_callbacks(belay_conn_stream(conn), NULL, NULL);
    probe_free(p);
    belay_conn_open_failed(conn, error);
}

static void fail(struct probe *p, int code, int status, const char *text)
{
    struct belay_error error = {.code = code,
                                .kind = belay_error_kind_of(code),
                                .stage = BELAY_STAGE_PROTOCOL,
                                .status = status};

    snprintf(error.text, sizeof error.text, "%.120s: %.180s", name_of(p), text);
    tell_bad(p, &error);
}

/* ---- --check ---- */

static void on_checked(int status, bool late, void *arg)
{
    struct probe *p = arg;
    char how[64], text[128];

    p->errand = NULL;
    if (status == 0 && !late) {
        tell_good(p);
        return;
    }
    if (late)
        snprintf(text, sizeof text, "the check did not end within %lld ms",
                 (long long)options_of(p)->answer_ms);
    else
        snprintf(text, sizeof text, "the check %s", errand_describe(how, status));
    fail(p, late ? BELAY_ETIMEDOUT : BELAY_EUNHEALTHY, 0, text);
}

static void run_check(struct probe *p)
{
    const struct watch_options *o = options_of(p);
    const struct errand_variable variables[] = {{"BELAY_NAME", p->site->service.name},
                                                {"BELAY_ADDRESS", name_of(p)}};
    struct complaint why;

    if (!o->check) {
        tell_good(p);
        return;
    }
    p->errand = errand_start(p->site->run->loop, o->check, variables, 2, o->client.verbose == 0,
                             o->answer_ms, on_checked, p, &why);
    if (!p->errand)
        fail(p, BELAY_EOS, 0, why.text);
}

/* ---- over a stream ---- */

static void on_silence(void *arg)
{
    struct probe *p = arg;
    char wanted[64], said[SAID_MAX * 2], text[320];

    p->said[p->said_len] = '\0';
    text_show(wanted, sizeof wanted, options_of(p)->expect);
    text_show(said, sizeof said, p->said);
    snprintf(text, sizeof text, "did not say \"%s\" within %lld ms%s%s%s", wanted,
             (long long)options_of(p)->answer_ms, p->said_len ? ", but \"" : "", said,
             p->said_len ? "\"" : "");
    fail(p, BELAY_ETIMEDOUT, 0, text);
}

static void remember_beginning(struct probe *p, const char *data, size_t len)
{
    size_t room = SAID_MAX - 1 - p->said_len, n = len < room ? len : room;

    memcpy(p->said + p->said_len, data, n);
    p->said_len += n;
}

/* Whether the text has come, be it in pieces. */
static bool hear(struct probe *p, const char *data, size_t len)
{
    const struct watch_options *o = options_of(p);
    size_t keep = o->expect_len - 1;
    bool found;

    remember_beginning(p, data, len);
    p->heard = memory_grow(p->heard, p->heard_len + len, 1);
    memcpy(p->heard + p->heard_len, data, len);
    p->heard_len += len;
    found = memmem(p->heard, p->heard_len, o->expect_bytes, o->expect_len) != NULL;
    if (p->heard_len > keep) {
        memmove(p->heard, p->heard + p->heard_len - keep, keep);
        p->heard_len = keep;
    }
    return found;
}

/* What comes unasked is nobody's, and does no harm. */
static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct probe *p = arg;

    (void)stream;
    if (p->expecting && hear(p, data, len)) {
        p->expecting = false;
        belay_timer_stop(p->timer);
        run_check(p);
    }
    return len;
}

static const struct belay_stream_callbacks stream_callbacks = {.size = sizeof stream_callbacks,
                                                               .on_data = on_data};

static struct probe *probe_new(struct belay_conn *conn, struct watch_site *site, belay_fn *on_timer)
{
    struct probe *p = memory_get(1, sizeof *p);

    p->site = site;
    p->conn = conn;
    p->opening = true;
    site->probe = p;
    belay_conn_set_state(conn, p);
    if (belay_timer_new(site->run->loop, on_timer, p, &p->timer) == 0)
        return p;
    fail(p, BELAY_ENOMEM, 0, belay_strerror(BELAY_ENOMEM));
    return NULL;
}

static void session_open(struct belay_conn *conn, struct belay_stream *stream, void *arg)
{
    struct probe *p = probe_new(conn, arg, on_silence);
    const struct watch_options *o;

    if (!p)
        return;
    o = options_of(p);
    belay_stream_set_callbacks(stream, &stream_callbacks, p);
    if (!o->expect) {
        run_check(p);
        return;
    }
    p->expecting = true;
    if (o->send_len)
        belay_stream_write(stream, o->send_bytes, o->send_len); /* that it failed, belay tells */
    belay_timer_start(p->timer, o->answer_ms);
}

static void stream_check(struct belay_conn *conn, void *arg)
{
    struct probe *p = belay_conn_state(conn);

    (void)arg;
    p->due = true;
    run_check(p);
}

static void cancel(struct belay_conn *conn, void *arg)
{
    (void)arg;
    if (belay_conn_stream(conn))
        belay_stream_set_callbacks(belay_conn_stream(conn), NULL, NULL);
    probe_free(belay_conn_state(conn));
    belay_conn_closed(conn);
}

static void end(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    (void)reason;
    cancel(conn, arg);
}

static const struct belay_connector_ops stream_ops = {
    .size = sizeof stream_ops,
    .name = "the watch",
    .session_open = session_open,
    .cancel = cancel,
    .close = end,
    .check = stream_check,
};

/* ---- by requests ---- */

static enum belay_http_action on_headers(const struct belay_http_response *response, void *arg)
{
    ((struct probe *)arg)->status = response->status;
    return BELAY_HTTP_GO_ON;
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct probe *p = arg;
    const struct watch_options *o = options_of(p);
    struct belay_error told;
    struct belay_http_facts facts = belay_http_facts_init();
    char text[128];

    belay_http_request_facts(request, &facts);
    p->asked_on = facts.connection;
    p->request = NULL;
    if (error) {
        told = *error;
        if (told.stage == BELAY_STAGE_USE)
            told.stage = BELAY_STAGE_PROTOCOL;
        tell_bad(p, &told);
    } else if (p->status < o->status_min || p->status > o->status_max) {
        snprintf(text, sizeof text, "the answer was %d (%lld to %lld is good)", p->status,
                 (long long)o->status_min, (long long)o->status_max);
        fail(p, BELAY_EUNHEALTHY, p->status, text);
    } else {
        run_check(p);
    }
}

static const struct belay_http_callbacks http_callbacks = {
    .size = sizeof http_callbacks, .on_headers = on_headers, .on_done = on_done};

/* Not from within a call of the link's: it is the client's pool that is asked. */
static void ask_http(void *arg)
{
    struct probe *p = arg;
    struct watch_run *run = p->site->run;
    struct belay_http_request_options options = run->plan.request;
    struct belay_error error;
    char *url;
    int rc;

    url = memory_get(strlen(name_of(p)) + strlen(p->site->service.path) + 1, 1);
    strcat(strcpy(url, name_of(p)), p->site->service.path);
    options.url = url;
    options.callbacks = &http_callbacks;
    options.max_redirects = BELAY_NONE;
    options.timeout_ms = REQUEST_LIMIT_MS;
    options.first_byte_timeout_ms = options.idle_timeout_ms = run->o->answer_ms;
    p->status = 0;
    rc = belay_http_request(run->http, &options, p, &p->request, &error);
    free(url);
    if (rc < 0) {
        p->request = NULL;
        error.stage = error.stage ? error.stage : BELAY_STAGE_PROTOCOL;
        tell_bad(p, &error);
    }
}

/* ---- by calls ---- */

#ifdef BELAY_CLI_GRPC

static void on_health(const struct belay_error *error, void *arg)
{
    struct probe *p = arg;
    struct belay_error told;

    p->asking = false;
    if (!error) {
        run_check(p);
        return;
    }
    told = *error;
    if (told.stage == BELAY_STAGE_USE || told.stage == BELAY_STAGE_NONE)
        told.stage = BELAY_STAGE_PROTOCOL;
    tell_bad(p, &told);
}

static void on_grpc_lost(void *arg)
{
    struct probe *p = arg;

    if (p->opening || p->early || p->asking || p->errand)
        return;
    p->early = true;
    belay_timer_start(p->timer, 0);
}

static void ask_grpc(struct probe *p)
{
    struct belay_error error;
    int rc = 0;

    if (!p->grpc)
        rc = watch_grpc_new(p->site->run, name_of(p), &p->grpc, &error);
    if (rc == 0)
        rc = watch_grpc_ask(p->grpc, on_health, on_grpc_lost, p, &error);
    p->asking = rc == 0;
    if (rc < 0)
        on_health(&error, p);
}
#else
void watch_grpc_free(struct watch_grpc *grpc)
{
    (void)grpc;
}

static void ask_grpc(struct probe *p)
{
    fail(p, BELAY_ENOTSUP, 0, "this belay was built without gRPC");
}
#endif

static void ask(void *arg)
{
    struct probe *p = arg;

    if (service_is_grpc(&p->site->service))
        ask_grpc(p);
    else
        ask_http(p);
}

static void http_open(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    struct probe *p = probe_new(conn, arg, ask);

    (void)endpoint;
    if (p)
        belay_timer_start(p->timer, 0);
}

static void http_check(struct belay_conn *conn, void *arg)
{
    struct probe *p = belay_conn_state(conn);

    (void)arg;
    p->due = true;
    p->early = false;
    if (!p->request && !p->asking && !p->errand)
        belay_timer_start(p->timer, 0);
}

static void on_connection_closed(struct belay_peer *peer, uint64_t connection,
                                 enum belay_reason reason, const struct belay_error *error,
                                 void *arg)
{
    struct watch_run *run = arg;

    (void)peer;
    (void)error;
    if (reason != BELAY_REASON_PEER_CLOSED && reason != BELAY_REASON_ERROR)
        return;
    for (size_t i = 0; i < run->sites_n; i++) {
        struct probe *p = run->sites[i].probe;

        if (!p || p->opening || p->early || p->request || p->errand || p->asked_on != connection)
            continue;
        p->early = true;
        belay_timer_start(p->timer, 0);
    }
}

const struct belay_pool_callbacks watch_pool_callbacks = {
    .size = sizeof watch_pool_callbacks, .on_connection_closed = on_connection_closed};

static const struct belay_connector_ops http_ops = {
    .size = sizeof http_ops,
    .name = "the watch",
    .open = http_open,
    .cancel = cancel,
    .close = end,
    .check = http_check,
};

struct belay_connector watch_probe_connector(struct watch_site *site)
{
    return (struct belay_connector){
        .ops = service_is_http(&site->service) || service_is_grpc(&site->service) ? &http_ops
                                                                                  : &stream_ops,
        .arg = site};
}
