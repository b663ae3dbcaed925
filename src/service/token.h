/* SPDX-License-Identifier: MIT */
/*
 * The token of one client's credentials, fetched by POST from a token endpoint when it is wanted
 * (token_policy.h), over an HTTP client that must outlive this. Loop thread.
 */
#ifndef BL_SERVICE_TOKEN_H
#define BL_SERVICE_TOKEN_H

#include "base/buf.h"
#include "base/list.h"
#include "belay/http.h"
#include "service/token_policy.h"

#define BL_TOKEN_BODY_MAX 65536 /* bytes of an answer */

struct bl_token_options {
    struct belay_http *http;
    const char *url;             /* "https://host:port/connect/token" */
    const char *user, *password; /* copied */
    int64_t timeout_ms;          /* of one fetch; 0: 10,000 */
};

struct bl_token {
    struct belay_loop *loop;
    struct belay_http *http;
    struct belay_http_target *target;
    struct bl_tp policy;
    char *value;        /* the newest token; NULL: there was none yet */
    struct bl_buf form; /* what is asked: a secret */
    struct bl_buf body; /* what was answered so far: a secret */
    int status, fault;  /* of the answer; fault: 0, or why it is not read */
    int64_t timeout_ms;
    struct belay_http_request *request; /* NULL: no fetch is under way */
    struct bl_list waiters, answering;
    struct belay_error last; /* of the fetch that failed last; code 0 after one that did not */
    bool freed;              /* in a callback of a waiter's */
    bool busy;
};

/* Somebody who waits; embedded in the caller's. fn runs once, never inside bl_token_ask. */
struct bl_token_waiter {
    struct bl_list link;
    void (*fn)(struct bl_token_waiter *waiter, enum bl_tp_verdict verdict);
};

/* Nothing is fetched yet. BELAY_EINVAL (the URL), BELAY_ENOMEM. */
int bl_token_new(struct belay_loop *loop, const struct bl_token_options *options,
                 struct bl_token **ret_token, struct belay_error *error);
/* Who waits is not called any more. NULL is fine. */
void bl_token_free(struct bl_token *token);

/*
 * USE: token->value, whose number is token->policy.number; NONE: token->last says why; WAIT:
 * `waiter`, whose fn is filled in, is called with one of the two. `refused` as of bl_tp_ask.
 */
enum bl_tp_verdict bl_token_ask(struct bl_token *token, uint64_t refused,
                                struct bl_token_waiter *waiter);
/* Of one that has not been called yet. */
void bl_token_cancel(struct bl_token_waiter *waiter);

#endif
