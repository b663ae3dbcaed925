/* SPDX-License-Identifier: MIT */
/* What a call came to: the server's status, or one that stands for what went wrong. */
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "conn/conn.h"
#include "grpc/rpc.h"
#include "wire/credentials.h"
#include "wire/field.h"
#include "wire/grpc_status.h"

void bl_rpc_set_error(struct belay_rpc *rpc, int status, const struct belay_error *error)
{
    rpc->failed = true;
    rpc->status = status;
    bl_error_keep(&rpc->error, error);
}

void bl_rpc_set_failure(struct belay_rpc *rpc, int status, int code, const char *format, ...)
{
    struct belay_error error;
    char text[BELAY_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bl_error_set(&error, code, BELAY_STAGE_USE, "%s", text);
    bl_rpc_set_error(rpc, status, &error);
}

/* ---- of the server ---- */

static bool is(const struct belay_header *h, const char *name)
{
    return bl_span_equal_nocase(bl_span(h->name, h->name_len), bl_span_of(name));
}

/* Milliseconds; whatever else it says means that the server wants no more. */
static void take_pushback(struct belay_rpc *rpc, struct bl_span value)
{
    uint64_t ms;

    rpc->pushed_back = true;
    rpc->pushback_ms = bl_field_decimal(value, INT32_MAX, &ms) ? (int64_t)ms : -1;
}

static int take_field(struct belay_rpc *rpc, const struct belay_header *h)
{
    struct bl_span value = bl_span(h->value, h->value_len);
    size_t len;

    if (is(h, "grpc-status")) {
        rpc->status_seen = true;
        rpc->status = (int)bl_grpc_status_parse(value);
    } else if (is(h, "grpc-message")) {
        bl_free(&rpc->loop->brief, rpc->message);
        rpc->message = bl_unescape(&rpc->loop->brief, value, &len);
        return rpc->message ? 0 : BELAY_ENOMEM;
    } else if (is(h, "grpc-retry-pushback-ms")) {
        take_pushback(rpc, value);
    }
    return 0;
}

void bl_rpc_take_trailers(struct belay_rpc *rpc, const struct belay_header *headers, size_t n)
{
    int rc = 0;

    rpc->status_seen = rpc->failed = false;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = take_field(rpc, &headers[i]);
    if (rc == 0)
        rc = bl_rpc_fields_read(&rpc->trailers, &rpc->loop->brief, headers, n);
    if (rc == 0)
        return;
    bl_rpc_fields_clear(&rpc->trailers);
    rpc->status_seen = true;
    if (rc == BELAY_ENOMEM)
        bl_rpc_set_failure(rpc, BELAY_GRPC_RESOURCE_EXHAUSTED, rc,
                           "reading a call's status: out of memory");
    else
        bl_rpc_set_failure(rpc, BELAY_GRPC_INTERNAL, rc,
                           "%s ended the call with binary metadata that is not base64",
                           rpc->home->name);
}

/* ---- of the connection ---- */

static bool is_lost(const struct belay_rpc *rpc)
{
    const struct belay_conn *conn = belay_lease_conn(rpc->lease);

    return !conn || bl_conn_facts(conn)->lost;
}

static int status_of(const struct belay_rpc *rpc, const struct belay_error *error, int64_t h2_error)
{
    if (h2_error >= 0)
        return (int)bl_grpc_status_of_h2((uint32_t)h2_error);
    switch (error->code) {
    case BELAY_ENOMEM:
    case BELAY_ELIMIT:
    case BELAY_EMFILE:
        return BELAY_GRPC_RESOURCE_EXHAUSTED;
    case BELAY_EPROTO: /* of this answer, or of the whole connection */
        return is_lost(rpc) ? BELAY_GRPC_UNAVAILABLE : BELAY_GRPC_INTERNAL;
    default:
        return BELAY_GRPC_UNAVAILABLE;
    }
}

void bl_rpc_set_http_error(struct belay_rpc *rpc, const struct belay_error *error, int64_t h2_error)
{
    int status = status_of(rpc, error, h2_error);
    struct belay_error late = *error;

    if (status != BELAY_GRPC_CANCELLED || bl_now(rpc->loop) < rpc->deadline) {
        bl_rpc_set_error(rpc, status, error);
        return;
    }
    late.code = BELAY_ETIMEDOUT; /* the server, which keeps the deadline too, was first */
    late.kind = belay_error_kind_of(late.code);
    bl_rpc_set_error(rpc, BELAY_GRPC_DEADLINE_EXCEEDED, &late);
}

/* ---- for the user ---- */

void bl_rpc_fill_result(const struct belay_rpc *rpc, struct belay_rpc_result *result)
{
    *result = (struct belay_rpc_result){
        .size = sizeof *result,
        .status = rpc->status,
        .message = rpc->failed    ? rpc->error.text
                   : rpc->message ? rpc->message
                                  : "",
        .error = rpc->failed ? &rpc->error : NULL,
        .trailers = bl_rpc_fields_headers(&rpc->trailers),
        .trailers_n = rpc->trailers.n,
        .attempts = rpc->attempts,
    };
}
