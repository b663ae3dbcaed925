/* SPDX-License-Identifier: MIT */
/* Redirects: the decision is redirect.c's; here the request is changed and sent again. */
#include "base/error.h"
#include "http/redirect.h"
#include "http/request.h"
#include "net/stream.h"

static struct bl_span location_of(const struct belay_http_response *response)
{
    const struct belay_header *h = belay_http_response_header(response, "location");

    return h ? bl_span(h->value, h->value_len) : bl_span(NULL, 0);
}

/* Where the body cannot be had again, the response is one like any other. */
static bool body_is_ready(struct belay_http_request *r, bool to_get)
{
    int rc;

    if (to_get || !r->read_body || !r->body_read)
        return true;
    if (!r->rewind_body)
        return false;
    bl_request_enter(r);
    rc = r->rewind_body(r->body_arg);
    if (!bl_request_leave(r) || rc < 0)
        return false;
    r->body_read = false;
    return true;
}

/* False: the caller wants the response as it is, or has cancelled. */
static bool caller_agrees(struct belay_http_request *r, const struct belay_http_response *response)
{
    enum belay_http_action action;

    if (!r->callbacks->on_redirect)
        return true;
    bl_request_enter(r);
    action = r->callbacks->on_redirect(response, r->next->url, r->arg);
    return bl_request_leave(r) && action != BELAY_HTTP_ABORT;
}

static enum bl_follow fail(struct belay_http_request *r, struct belay_error *error)
{
    error->status = r->status;
    bl_request_abort(r, error);
    return BL_FOLLOW_OVER;
}

enum bl_follow bl_request_follow(struct belay_http_request *r,
                                 const struct belay_http_response *response)
{
    const struct bl_redirect_facts facts = {
        .status = response->status,
        .method = r->message.method,
        .url = bl_span_of(r->message.target->url),
        .location = location_of(response),
        .redirects = r->redirects,
        .max = r->max_redirects,
        .discreet = r->ex.session->stream->proxied,
    };
    struct bl_mem *mem = &r->http->loop->mem;
    struct bl_session *session = r->ex.session;
    struct bl_redirect redirect;
    struct belay_error error;
    int rc = bl_redirect_decide(&facts, &redirect, &r->location, mem, &error);

    if (rc < 0)
        return fail(r, &error);
    if (!redirect.follow)
        return BL_FOLLOW_NOT;
    rc = bl_target_get(r->http, bl_buf_head(&r->location), bl_buf_len(&r->location), &r->next,
                       &error);
    if (rc < 0)
        return fail(r, &error);
    r->next_to_get = redirect.to_get;
    r->next_same_origin = redirect.same_origin;
    if (!caller_agrees(r, response) || r->ex.session != session ||
        !body_is_ready(r, redirect.to_get) || r->ex.session != session) {
        if (r->ex.session != session)
            return BL_FOLLOW_OVER;
        belay_http_target_unref(r->next);
        r->next = NULL;
        return BL_FOLLOW_NOT;
    }
    r->discard = true;
    return BL_FOLLOW_WILL;
}

/* ---- going there ---- */

static void drop_headers(struct belay_http_request *r, bool (*is)(struct bl_span name))
{
    size_t kept = 0;

    for (size_t i = 0; i < r->message.headers_n; i++) {
        if (!is(bl_span(r->headers[i].name, r->headers[i].name_len)))
            r->headers[kept++] = r->headers[i];
    }
    r->message.headers_n = kept;
}

static void hold_owner(struct belay_http_request *r, struct belay_http_target *target)
{
    belay_http_target_unref(r->owner);
    r->owner = belay_http_target_ref(target);
}

/*
 * A URL's credentials go along as long as the origin is the same, or the caller wishes it. The target whose they are is held
 * for as long.
 */
static void take_credentials_along(struct belay_http_request *r, struct belay_http_target *from)
{
    if (r->next->authorization || (!r->next_same_origin && !r->keep_credentials)) {
        hold_owner(r, NULL);
        r->message.authorization = bl_span_of(r->next->authorization);
    } else if (r->message.authorization.data && !r->owner) {
        hold_owner(r, from);
    }
    if (!r->next_same_origin && !r->keep_credentials)
        drop_headers(r, bl_redirect_is_credential);
    if (!belay_endpoint_is_forward(r->next->endpoint) ||
        !belay_endpoint_equal(from->endpoint, r->next->endpoint))
        drop_headers(r, bl_is_for_proxy); /* another proxy, or none */
}

void bl_request_followed(struct belay_http_request *r)
{
    struct belay_http_target *from = r->message.target;

    r->discard = false;
    take_credentials_along(r, from);
    if (r->next_to_get) {
        drop_headers(r, bl_redirect_is_of_body);
        memcpy(r->method, "GET", 3);
        r->message.method = bl_span(r->method, 3);
        r->message.is_head = false;
        r->message.body = BL_H1_NO_BODY;
        r->message.bytes = NULL;
        r->message.expect_continue = false;
        r->read_body = NULL;
        r->probe = false;
    }
    r->message.target = r->next;
    r->next = NULL;
    belay_http_target_unref(from);
    r->redirects++;
    r->sent_before = BELAY_NOT_SENT; /* of the next request */
    r->bytes_in += r->ex.body_in;
    r->bytes_out += r->ex.body_out;
    bl_exchange_reset(&r->ex);
    bl_request_go_later(r);
}
