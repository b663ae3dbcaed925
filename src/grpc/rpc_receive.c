/* SPDX-License-Identifier: MIT */
/*
 * What comes in: head, messages, trailers. Whatever is not gRPC ends the attempt at once, as it may
 * never end by itself. Each callback of the user's may end the call.
 */
#include "base/error.h"
#include "base/text.h"
#include "grpc/rpc.h"
#include "wire/grpc_gzip.h"
#include "wire/grpc_metadata.h"
#include "wire/grpc_status.h"

#define INFLATED_KEPT 65536u

/* ---- the head ---- */

/* What is looked for in it; NULL data: there is none. */
struct head {
    struct bl_span type, encoding, status;
    bool binary; /* some metadata is */
};

#define LEN(name) (sizeof(name) - 1)

/* The first field of a name counts. All names are in lower case, by HTTP/2. */
static void note(struct bl_span *at, const struct belay_header *h, const char *name)
{
    if (!at->data && memcmp(h->name, name, h->name_len) == 0)
        *at = bl_span(h->value, h->value_len);
}

static struct head look(const struct belay_header *headers, size_t n)
{
    struct head head = {0};

    for (size_t i = 0; i < n; i++) {
        const struct belay_header *h = &headers[i];

        if (h->name_len == LEN("content-type"))
            note(&head.type, h, "content-type");
        else if (h->name_len == LEN("grpc-encoding"))
            note(&head.encoding, h, "grpc-encoding");
        else if (h->name_len == LEN("grpc-status"))
            note(&head.status, h, "grpc-status");
        head.binary |= bl_grpc_metadata_is_binary(bl_span(h->name, h->name_len));
    }
    return head;
}

static bool is_grpc(struct bl_span type)
{
    static const char prefix[] = "application/grpc";
    size_t n = sizeof prefix - 1;

    return type.len >= n &&
           (memcmp(type.data, prefix, n) == 0 ||
            bl_span_equal_nocase(bl_span(type.data, n), bl_span(prefix, n))) &&
           (type.len == n || type.data[n] == '+' || type.data[n] == ';');
}

/* "application/json" of a server that is none of gRPC's. */
static void refuse_head(struct belay_rpc *rpc, int http_status, struct bl_span type)
{
    char shown[80];

    bl_text_show(shown, sizeof shown, type.data ? type.data : "", type.len);
    bl_rpc_set_failure(rpc, (int)bl_grpc_status_of_http(http_status), BELAY_EPROTO,
                       "%s answered with HTTP status %d%s%s, which is not gRPC (is it a server of "
                       "gRPC, or a proxy before one?)",
                       rpc->home->name, http_status, type.data ? " and content-type " : "",
                       type.data ? shown : "");
    bl_rpc_stop(rpc);
}

static void take_encoding(struct belay_rpc *rpc, struct bl_span encoding)
{
    rpc->frames.encoding = encoding.data && !bl_span_equal_nocase(encoding, bl_span_of("identity"));
    rpc->gzip_in = rpc->frames.encoding && bl_span_equal_nocase(encoding, bl_span_of("gzip"));
    if (rpc->frames.encoding && !rpc->gzip_in)
        bl_text_show(rpc->encoding, sizeof rpc->encoding, encoding.data, encoding.len);
}

static void refuse_metadata(struct belay_rpc *rpc, int rc)
{
    if (rc == BELAY_ENOMEM)
        bl_rpc_set_failure(rpc, BELAY_GRPC_RESOURCE_EXHAUSTED, rc,
                           "reading metadata: out of memory");
    else
        bl_rpc_set_failure(rpc, BELAY_GRPC_INTERNAL, rc,
                           "%s answered with binary metadata that is not base64", rpc->home->name);
    bl_rpc_stop(rpc);
}

/* Nobody reads them, and none can be wrong: then they need not be looked at. */
static void give_headers(struct belay_rpc *rpc, const struct belay_http_response *response,
                         bool binary)
{
    struct bl_mem *mem = &rpc->loop->brief;
    struct bl_rpc_fields fields = {0};
    int rc;

    if (!rpc->callbacks.on_headers && !binary)
        return;
    rc = bl_rpc_fields_read(&fields, mem, response->headers, response->headers_n);
    if (rc < 0) {
        bl_rpc_fields_free(&fields, mem);
        refuse_metadata(rpc, rc);
        return;
    }
    if (rpc->callbacks.on_headers) {
        bl_rpc_enter(rpc);
        rpc->callbacks.on_headers(rpc, bl_rpc_fields_headers(&fields), fields.n, rpc->arg);
        bl_rpc_leave(rpc);
    }
    bl_rpc_fields_free(&fields, mem);
}

static enum belay_http_action on_headers(const struct belay_http_response *response, void *arg)
{
    struct belay_rpc *rpc = arg;
    const struct belay_header *h = response->headers;
    size_t n = response->headers_n;
    struct head head = look(h, n);

    if (head.status.data) { /* "Trailers-Only" */
        rpc->trailers_only = true;
        bl_rpc_take_trailers(rpc, h, n);
    } else if (response->status != 200 || !is_grpc(head.type)) {
        refuse_head(rpc, response->status, head.type);
    } else {
        take_encoding(rpc, head.encoding);
        bl_rpc_commit(rpc);
        give_headers(rpc, response, head.binary);
    }
    return BELAY_HTTP_GO_ON;
}

/* ---- messages ---- */

/* What is wrong with a message, as a status. */
static void refuse_message(struct belay_rpc *rpc, const struct belay_error *error)
{
    int status = error->code == BELAY_EPROTO ? BELAY_GRPC_INTERNAL : BELAY_GRPC_RESOURCE_EXHAUSTED;

    bl_rpc_set_error(rpc, status, error);
    bl_rpc_stop(rpc);
}

static int inflate_message(struct belay_rpc *rpc, struct bl_span *message,
                           struct belay_error *error)
{
    int rc;

    if (!rpc->gzip_in)
        return bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_USE,
                            "%s sent a message in the encoding \"%s\", which was not offered",
                            rpc->home->name, rpc->encoding);
    bl_buf_clear(&rpc->inflated);
    rc = bl_grpc_gunzip(*message, (uint32_t)rpc->max_receive, &rpc->inflated, &rpc->loop->brief,
                        error);
    *message = bl_span(bl_buf_head(&rpc->inflated), bl_buf_len(&rpc->inflated));
    return rc;
}

/* False: the call is over, or gone. */
static bool give_message(struct belay_rpc *rpc, const struct bl_grpc_frame *frame)
{
    struct bl_span message = frame->message;
    struct belay_error error;
    bool there;

    if (frame->compressed && inflate_message(rpc, &message, &error) < 0) {
        refuse_message(rpc, &error);
        return false;
    }
    if (!rpc->callbacks.on_message)
        return true;
    bl_rpc_enter(rpc);
    rpc->callbacks.on_message(rpc, message.data ? message.data : "", message.len, rpc->arg);
    there = bl_rpc_leave(rpc);
    if (there && rpc->inflated.capacity > INFLATED_KEPT)
        bl_buf_free(&rpc->inflated, &rpc->loop->brief);
    return there;
}

/* Messages out of `input`, until it is used up or the call is paused. False as above. */
static bool give_messages(struct belay_rpc *rpc, struct bl_span *input)
{
    struct bl_grpc_frame frame;
    struct belay_error error;

    while (!rpc->paused) {
        int rc = bl_grpc_frames_next(&rpc->frames, &rpc->loop->brief, input, &frame, &error);

        if (rc == 0)
            return true;
        if (rc < 0) {
            refuse_message(rpc, &error);
            return false;
        }
        if (!give_message(rpc, &frame))
            return false;
    }
    return true;
}

static bool hold(struct belay_rpc *rpc, struct bl_span rest)
{
    if (bl_buf_append(&rpc->left, &rpc->loop->brief, rest.data, rest.len) == 0)
        return true;
    bl_rpc_set_failure(rpc, BELAY_GRPC_RESOURCE_EXHAUSTED, BELAY_ENOMEM,
                       "holding messages: out of memory");
    bl_rpc_stop(rpc);
    return false;
}

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    struct belay_rpc *rpc = arg;
    struct bl_span input = bl_span(data, len);

    (void)request;
    if (rpc->trailers_only) {
        bl_rpc_set_failure(rpc, BELAY_GRPC_INTERNAL, BELAY_EPROTO,
                           "%s sent a message after the call's status", rpc->home->name);
        bl_rpc_stop(rpc);
        return BELAY_HTTP_GO_ON;
    }
    if (!give_messages(rpc, &input) || !rpc->paused || (input.len > 0 && !hold(rpc, input)))
        return BELAY_HTTP_GO_ON;
    rpc->held = true;
    return BELAY_HTTP_PAUSE;
}

void bl_rpc_give_left(struct belay_rpc *rpc)
{
    struct bl_span input = bl_span(bl_buf_head(&rpc->left), bl_buf_len(&rpc->left));
    size_t had = input.len;

    if (!give_messages(rpc, &input))
        return;
    bl_buf_consume(&rpc->left, had - input.len);
    bl_buf_trim(&rpc->left, &rpc->loop->brief);
    if (rpc->paused)
        return;
    rpc->held = false;
    belay_http_request_resume(rpc->request);
}

/* ---- the end ---- */

static void on_trailers(const struct belay_header *trailers, size_t n, void *arg)
{
    bl_rpc_take_trailers(arg, trailers, n);
}

/* Why there is no status; or, with OK, why it is not to be believed. */
static void look_at_end(struct belay_rpc *rpc)
{
    struct belay_error error;

    if (!rpc->status_seen)
        bl_rpc_set_failure(rpc, (int)bl_grpc_status_of_http(200), BELAY_EPROTO,
                           "%s ended the call without a status", rpc->home->name);
    else if (rpc->failed || rpc->status != BELAY_GRPC_OK)
        return;
    else if (bl_grpc_frames_end(&rpc->frames, &error) < 0)
        bl_rpc_set_error(rpc, BELAY_GRPC_INTERNAL, &error);
    else if (rpc->unary && !rpc->responded)
        bl_rpc_set_failure(rpc, BELAY_GRPC_UNIMPLEMENTED, BELAY_EPROTO,
                           "%s on %s: the server answered without a message", rpc->method,
                           rpc->home->name);
}

static void end_failed(struct belay_rpc *rpc, const struct belay_http_request *request,
                       const struct belay_error *error)
{
    struct belay_http_facts facts = belay_http_facts_init();

    belay_http_request_facts(request, &facts);
    rpc->unsent = error->sent == BELAY_NOT_SENT && facts.h2_error < 0;
    if (rpc->status_seen)
        look_at_end(rpc);
    else
        bl_rpc_set_http_error(rpc, error, facts.h2_error);
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct belay_rpc *rpc = arg;

    rpc->request = NULL;
    rpc->unsent = false;
    if (error)
        end_failed(rpc, request, error);
    else
        look_at_end(rpc);
    bl_rpc_attempt_over(rpc, error ? error->sent : BELAY_ANSWERED);
}

const struct belay_http_callbacks bl_rpc_http_callbacks = {
    .size = sizeof bl_rpc_http_callbacks,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_done = on_done,
};

void bl_rpc_receive_reset(struct belay_rpc *rpc)
{
    struct bl_mem *mem = &rpc->loop->brief;

    bl_grpc_frames_free(&rpc->frames, mem);
    rpc->frames = (struct bl_grpc_frames){.limit = (uint32_t)rpc->max_receive};
    if (rpc->left.data)
        bl_buf_free(&rpc->left, mem);
    if (rpc->inflated.data)
        bl_buf_free(&rpc->inflated, mem);
    bl_rpc_fields_free(&rpc->trailers, mem);
    if (rpc->message)
        bl_free(mem, rpc->message);
    rpc->message = NULL;
    rpc->trailers_only = rpc->held = rpc->gzip_in = false;
    rpc->status_seen = rpc->pushed_back = rpc->failed = rpc->unsent = false;
}
