/* SPDX-License-Identifier: MIT */
/*
 * Credentials of a Chronicle connection. Calls that wait for a token are remembered here,
 * so that each is answered once, whatever becomes of the token.
 */
#include "service/chronicle_auth.h"

#include <stdio.h>

#include "base/error.h"
#include "grpc/rpc.h"
#include "loop/loop.h"
#include "service/chronicle_tls.h"
#include "service/token.h"
#include "wire/credentials.h"
#include "wire/grpc_metadata.h"

#define TAG     "chronicle"
#define API_KEY "api-key"

struct bl_chronicle_access {
    struct belay_loop *loop;
    const struct bl_chronicle_string *string;
    enum bl_chronicle_auth auth;
    bool plain;
    struct belay_tls *tls; /* NULL: plain */

    /* Of credentials: */
    struct belay_http *http;
    char *url;              /* of the token endpoint; NULL: not aimed yet */
    struct bl_token *token; /* ... of it */
    uint64_t base;          /* marks of calls are numbers of tokens beyond it: one's own for each */
    char *bearer;           /* "Bearer ..." of the token, a secret; NULL: not made */
    uint64_t bearer_number;
    uint64_t told_at; /* the throttle of the failed fetch that was told of last */
    struct bl_list asks;
    struct ask *spare; /* one that is not under way, or NULL */
};

/* A call that waits for a token. */
struct ask {
    struct bl_token_waiter waiter;
    struct bl_list link;
    struct bl_chronicle_access *access;
    struct belay_rpc *rpc;
};

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                        "a Chronicle connection's credentials: out of memory");
}

static void free_text(struct bl_chronicle_access *a, char **text)
{
    if (*text)
        bl_free_secret(&a->loop->mem, *text, strlen(*text));
    *text = NULL;
}

static int refuse(struct belay_error *error, const char *why)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s", why);
}

/* ---- credentials ---- */

/* No word of it is said: it is a secret. */
static int check_key(const char *key, struct belay_error *error)
{
    if (bl_grpc_metadata_check(bl_span_of(API_KEY), bl_span_of(key), NULL) == 0)
        return 0;
    return refuse(error, "apiKey: it has characters that cannot be sent (visible ASCII can)");
}

static int open_http(struct bl_chronicle_access *a, const struct belay_channel_options *own,
                     struct belay_error *error)
{
    struct belay_http_options o = belay_http_options_init();

    o.tls = a->tls;
    o.versions = BELAY_HTTP_1_ONLY; /* as all clients of kernels do; behind HTTP/2 is gRPC */
    o.route = own ? own->route : NULL;
    return belay_http_open(a->loop, &o, &a->http, error);
}

int bl_chronicle_access_check(const struct bl_chronicle_access_options *o,
                              struct belay_error *error)
{
    enum bl_chronicle_auth auth;
    int rc = bl_chronicle_string_auth(o->string, &auth, error);

    if (rc == 0 && auth == BL_CHRONICLE_AUTH_API_KEY)
        rc = check_key(o->string->api_key, error);
    return rc < 0 ? rc
                  : bl_chronicle_tls_check(o->string, o->skip_tls_validation, o->channel, error);
}

int bl_chronicle_access_new(struct belay_loop *loop, const struct bl_chronicle_access_options *o,
                            struct bl_chronicle_access **ret_access, struct belay_error *error)
{
    struct bl_chronicle_access *a = bl_zalloc(&loop->mem, sizeof *a);
    int rc;

    if (!a)
        return out_of_memory(error);
    a->loop = loop;
    a->string = o->string;
    bl_list_init(&a->asks);
    rc = bl_chronicle_access_check(o, error);
    if (rc == 0)
        rc = bl_chronicle_string_auth(a->string, &a->auth, error);
    if (rc == 0)
        rc = bl_chronicle_tls_new(loop, a->string, o->skip_tls_validation, o->channel, &a->tls,
                                  error);
    a->plain = rc == 0 && !a->tls;
    if (rc == 0 && a->auth == BL_CHRONICLE_AUTH_CREDENTIALS)
        rc = open_http(a, o->channel, error);
    if (rc < 0) {
        bl_chronicle_access_close(a);
        return rc;
    }
    *ret_access = a;
    return 0;
}

/* ---- tokens of calls ---- */

static int make_bearer(struct bl_chronicle_access *a)
{
    size_t len = strlen(a->token->value);
    char *text;

    if (a->bearer && a->bearer_number == a->token->policy.number)
        return 0;
    text = bl_alloc(&a->loop->mem, sizeof "Bearer " + len);
    if (!text)
        return BELAY_ENOMEM;
    memcpy(text, "Bearer ", sizeof "Bearer " - 1);
    memcpy(text + sizeof "Bearer " - 1, a->token->value, len + 1);
    free_text(a, &a->bearer);
    a->bearer = text;
    a->bearer_number = a->token->policy.number;
    return 0;
}

/* Once for each fetch that failed, not for each call that goes without. */
static void tell_none(struct bl_chronicle_access *a)
{
    if (a->token->last.code == 0 || a->told_at == a->token->policy.not_before)
        return;
    a->told_at = a->token->policy.not_before;
    bl_loop_log(a->loop, TAG, BELAY_LOG_WARN,
                "calls go without a token, as %s gave none: %s (user and password of the "
                "connection string, and authPort, are what matters)",
                a->url, a->token->last.text);
}

static void answer(struct bl_chronicle_access *a, struct belay_rpc *rpc, enum bl_tp_verdict verdict)
{
    struct belay_header h = {.name = "authorization"};
    struct belay_error error;

    if (verdict != BL_TP_USE) {
        tell_none(a);
        belay_rpc_credentials_done(rpc, NULL, 0, NULL);
        return;
    }
    if (make_bearer(a) < 0) {
        out_of_memory(&error);
        error.kind = BELAY_KIND_RETRY;
        belay_rpc_credentials_done(rpc, NULL, 0, &error);
        return;
    }
    h.value = a->bearer;
    bl_rpc_mark_credentials(rpc, a->base + a->token->policy.number);
    belay_rpc_credentials_done(rpc, &h, 1, NULL);
}

/* The record is free for another call. */
static void put_back(struct ask *ask)
{
    struct bl_chronicle_access *a = ask->access;

    bl_list_remove(&ask->link);
    if (a->spare)
        bl_free(&a->loop->mem, ask);
    else
        a->spare = ask;
}

static void on_settled(struct bl_token_waiter *waiter, enum bl_tp_verdict verdict)
{
    struct ask *ask = BL_CONTAINER(waiter, struct ask, waiter);
    struct bl_chronicle_access *a = ask->access;
    struct belay_rpc *rpc = ask->rpc;

    put_back(ask);
    answer(a, rpc, verdict);
}

static struct ask *take_ask(struct bl_chronicle_access *a)
{
    struct ask *ask = a->spare;

    a->spare = NULL;
    if (!ask)
        ask = bl_zalloc(&a->loop->mem, sizeof *ask);
    return ask;
}

static void ask_token(struct ask *ask)
{
    struct bl_chronicle_access *a = ask->access;
    struct belay_rpc *rpc = ask->rpc;
    uint64_t refused = bl_rpc_refused(rpc);
    enum bl_tp_verdict verdict =
        bl_token_ask(a->token, refused > a->base ? refused - a->base : 0, &ask->waiter);

    if (verdict == BL_TP_WAIT) {
        bl_list_push_back(&a->asks, &ask->link);
        return;
    }
    put_back(ask);
    answer(a, rpc, verdict);
}

static void give_token(struct belay_rpc *rpc, const char *method, void *arg)
{
    struct bl_chronicle_access *a = arg;
    struct belay_error error;
    struct ask *ask;

    (void)method;
    if (!a->token) {
        belay_rpc_credentials_done(rpc, NULL, 0, NULL);
        return;
    }
    ask = take_ask(a);
    if (!ask) {
        out_of_memory(&error);
        error.kind = BELAY_KIND_RETRY;
        belay_rpc_credentials_done(rpc, NULL, 0, &error);
        return;
    }
    bl_list_init(&ask->link);
    bl_list_init(&ask->waiter.link);
    ask->waiter.fn = on_settled;
    ask->access = a;
    ask->rpc = rpc;
    ask_token(ask);
}

static void give_key(struct belay_rpc *rpc, const char *method, void *arg)
{
    const struct bl_chronicle_access *a = arg;
    const struct belay_header h = {.name = API_KEY, .value = a->string->api_key};

    (void)method;
    belay_rpc_credentials_done(rpc, &h, 1, NULL);
}

/* ---- for the connection ---- */

void bl_chronicle_access_apply(const struct bl_chronicle_access *a, struct belay_channel_options *o)
{
    o->plain = a->plain;
    o->tls = a->tls;
    if (o->credentials || a->auth == BL_CHRONICLE_AUTH_NONE)
        return;
    o->credentials = a->auth == BL_CHRONICLE_AUTH_API_KEY ? give_key : give_token;
    o->credentials_arg = (void *)(uintptr_t)a;
}

bool bl_chronicle_access_is_plain(const struct bl_chronicle_access *a)
{
    return a->plain;
}

struct belay_tls *bl_chronicle_access_tls(const struct bl_chronicle_access *a)
{
    return a->tls;
}

static int write_url(const struct bl_chronicle_access *a, const char *host, uint16_t port,
                     struct bl_buf *out)
{
    bool ipv6 = strchr(host, ':') != NULL;
    int rc = bl_buf_printf(out, &a->loop->mem, "%s://%s%s%s:%u/connect/token",
                           a->plain ? "http" : "https", ipv6 ? "[" : "", host, ipv6 ? "]" : "",
                           a->string->auth_port ? a->string->auth_port : port);

    return rc < 0 ? rc : bl_buf_append(out, &a->loop->mem, "", 1);
}

/* Who waited for a token of the old one waits for one of the new. */
static void turn_to(struct bl_chronicle_access *a, struct bl_token *token, char *url)
{
    struct bl_token *old = a->token;
    struct bl_list asks, *node;

    bl_list_init(&asks);
    bl_list_splice(&asks, &a->asks);
    if (old)
        a->base += old->policy.number;
    free_text(a, &a->bearer);
    free_text(a, &a->url);
    a->token = token;
    a->url = url;
    a->told_at = 0;
    bl_token_free(old);
    while ((node = bl_list_pop_front(&asks)))
        ask_token(BL_LIST_OF(node, struct ask, link));
}

int bl_chronicle_access_aim(struct bl_chronicle_access *a, const char *host, uint16_t port,
                            struct belay_error *error)
{
    struct bl_token_options o = {
        .http = a->http, .user = a->string->user, .password = a->string->password};
    struct bl_token *token = NULL;
    struct bl_buf url = {0};
    char *text = NULL;
    int rc;

    if (!host || !host[0])
        return refuse(error, "a Chronicle kernel's address: there is no host");
    if (a->auth != BL_CHRONICLE_AUTH_CREDENTIALS)
        return 0;
    rc = write_url(a, host, port, &url);
    if (rc == 0 && a->url && strcmp(a->url, bl_buf_head(&url)) == 0) {
        bl_buf_free(&url, &a->loop->mem);
        return 0;
    }
    o.url = bl_buf_head(&url);
    text = rc == 0 ? bl_strdup(&a->loop->mem, o.url) : NULL;
    rc = text ? bl_token_new(a->loop, &o, &token, error) : out_of_memory(error);
    bl_buf_free(&url, &a->loop->mem);
    if (rc < 0) {
        free_text(a, &text);
        return rc;
    }
    turn_to(a, token, text);
    return 0;
}

static void refuse_asks(struct bl_chronicle_access *a)
{
    struct belay_error error;
    struct bl_list *node;

    while ((node = bl_list_pop_front(&a->asks))) {
        struct ask *ask = BL_LIST_OF(node, struct ask, link);
        struct belay_rpc *rpc = ask->rpc;

        bl_free(&a->loop->mem, ask);
        bl_error_set(&error, BELAY_ECLOSED, BELAY_STAGE_USE, "the Chronicle connection was closed");
        error.kind = BELAY_KIND_RETRY;
        belay_rpc_credentials_done(rpc, NULL, 0, &error);
    }
}

void bl_chronicle_access_close(struct bl_chronicle_access *a)
{
    if (!a)
        return;
    bl_token_free(a->token);
    a->token = NULL;
    refuse_asks(a);
    if (a->http)
        belay_http_close(a->http, NULL, NULL);
    belay_tls_unref(a->tls);
    free_text(a, &a->bearer);
    free_text(a, &a->url);
    bl_free(&a->loop->mem, a->spare);
    bl_free(&a->loop->mem, a);
}
