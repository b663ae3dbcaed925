/* SPDX-License-Identifier: MIT */
/* Fetches tokens: the requests of the token policy, and who waits for them. */
#include "service/token.h"

#include "base/error.h"
#include "loop/loop.h"
#include "service/token_answer.h"

#define TIMEOUT_MS 10000

static void buf_wipe(struct bl_buf *buf, struct bl_mem *mem)
{
    if (buf->data)
        explicit_bzero(buf->data, buf->capacity);
    bl_buf_free(buf, mem);
}

static void token_destroy(struct bl_token *t)
{
    struct bl_mem *mem = &t->loop->mem;

    bl_token_wipe(mem, t->value);
    buf_wipe(&t->form, mem);
    buf_wipe(&t->body, mem);
    belay_http_target_unref(t->target);
    bl_free(mem, t);
}

static void forget_waiters(struct bl_list *waiters)
{
    while (bl_list_pop_front(waiters))
        ;
}

void bl_token_free(struct bl_token *t)
{
    if (!t)
        return;
    if (t->request)
        belay_http_request_cancel(t->request);
    t->request = NULL;
    forget_waiters(&t->waiters);
    forget_waiters(&t->answering);
    t->freed = true;
    if (!t->busy)
        token_destroy(t);
}

int bl_token_new(struct belay_loop *loop, const struct bl_token_options *o,
                 struct bl_token **ret_token, struct belay_error *error)
{
    struct bl_token *t = bl_zalloc(&loop->mem, sizeof *t);
    int rc;

    if (!t)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                            "a token provider: out of memory");
    t->loop = loop;
    t->http = o->http;
    t->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS;
    bl_tp_init(&t->policy);
    bl_list_init(&t->waiters);
    bl_list_init(&t->answering);
    rc = belay_http_target_new(o->http, o->url, &t->target, error);
    if (rc == 0 && (rc = bl_token_form(&t->form, &loop->mem, o->user, o->password)) < 0)
        bl_error_set(error, rc, BELAY_STAGE_NONE, "a token provider: out of memory");
    if (rc < 0) {
        token_destroy(t);
        return rc;
    }
    *ret_token = t;
    return 0;
}

/* The fetch is over: all who waited go on. */
static void settle(struct bl_token *t, bool fetched)
{
    enum bl_tp_verdict verdict = bl_tp_settled(&t->policy, fetched, bl_now(t->loop));
    struct bl_list *node;

    t->busy = true;
    bl_list_splice(&t->answering, &t->waiters);
    while ((node = bl_list_pop_front(&t->answering))) {
        struct bl_token_waiter *waiter = BL_LIST_OF(node, struct bl_token_waiter, link);

        waiter->fn(waiter, verdict);
    }
    t->busy = false;
    if (t->freed)
        token_destroy(t);
}

static enum belay_http_action on_headers(const struct belay_http_response *response, void *arg)
{
    struct bl_token *t = arg;

    t->status = response->status;
    return BELAY_HTTP_GO_ON;
}

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    struct bl_token *t = arg;

    (void)request;
    if (len > BL_TOKEN_BODY_MAX - bl_buf_len(&t->body))
        t->fault = BELAY_ELIMIT;
    else
        t->fault = bl_buf_append(&t->body, &t->loop->mem, data, len);
    return t->fault < 0 ? BELAY_HTTP_ABORT : BELAY_HTTP_GO_ON;
}

static int fetch_failed(struct bl_token *t, const struct belay_error *error)
{
    if (t->fault == BELAY_ELIMIT)
        return bl_error_set(&t->last, BELAY_ELIMIT, BELAY_STAGE_USE,
                            "the token endpoint's answer has more than %d bytes",
                            BL_TOKEN_BODY_MAX);
    if (t->fault < 0)
        return bl_error_set(&t->last, t->fault, BELAY_STAGE_USE,
                            "the token endpoint's answer: out of memory");
    bl_error_keep(&t->last, error);
    return error->code;
}

/* Takes what was answered; 0, or t->last says what was wrong. */
static int take(struct bl_token *t, const struct belay_error *error)
{
    struct bl_mem *mem = &t->loop->mem;
    struct bl_token_answer answer;
    int rc;

    if (error)
        return fetch_failed(t, error);
    rc = bl_token_answer_parse(mem, t->status, bl_span(bl_buf_head(&t->body), bl_buf_len(&t->body)),
                               &answer, &t->last);
    if (rc < 0)
        return rc;
    bl_token_wipe(mem, t->value);
    t->value = answer.token;
    t->last = (struct belay_error){0};
    bl_tp_fetched(&t->policy, answer.life_s);
    return 0;
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct bl_token *t = arg;
    int rc;

    (void)request;
    t->request = NULL;
    rc = take(t, error);
    buf_wipe(&t->body, &t->loop->mem);
    if (rc < 0)
        bl_tp_failed(&t->policy, bl_now(t->loop));
    settle(t, rc == 0);
}

static const struct belay_http_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_done = on_done,
};

static const struct belay_header headers[] = {
    {.name = "Content-Type",
     .name_len = sizeof "Content-Type" - 1,
     .value = "application/x-www-form-urlencoded",
     .value_len = sizeof "application/x-www-form-urlencoded" - 1},
    {.name = "Accept",
     .name_len = sizeof "Accept" - 1,
     .value = "application/json",
     .value_len = sizeof "application/json" - 1},
};

/* A fetch may be made twice: the endpoint gives a token each time. */
static int fetch(struct bl_token *t)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    o.method = "POST";
    o.target = t->target;
    o.headers = headers;
    o.headers_n = BL_COUNT(headers);
    o.body = bl_buf_head(&t->form);
    o.body_len = bl_buf_len(&t->form);
    o.unsafe_replay = true;
    o.timeout_ms = t->timeout_ms;
    o.callbacks = &callbacks;
    t->status = 0;
    t->fault = 0;
    return belay_http_request(t->http, &o, t, &t->request, &t->last);
}

enum bl_tp_verdict bl_token_ask(struct bl_token *t, uint64_t refused,
                                struct bl_token_waiter *waiter)
{
    uint64_t now = bl_now(t->loop);
    bool begin;
    enum bl_tp_verdict verdict = bl_tp_ask(&t->policy, refused, now, &begin);

    if (begin && fetch(t) < 0) {
        bl_tp_failed(&t->policy, now);
        return bl_tp_settled(&t->policy, false, now);
    }
    if (verdict == BL_TP_WAIT)
        bl_list_push_back(&t->waiters, &waiter->link);
    return verdict;
}

void bl_token_cancel(struct bl_token_waiter *waiter)
{
    bl_list_remove(&waiter->link);
}
