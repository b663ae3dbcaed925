/* SPDX-License-Identifier: MIT */
/* Codes of gRPC, and the two tables of its specification that lead to them. */
#include "wire/grpc_status.h"

#include "wire/credentials.h"
#include "wire/field.h"

static const char *const names[BL_GRPC_STATUSES_N] = {
#define X(name, number) [number] = #name,
    BL_GRPC_STATUSES(X)
#undef X
};

const char *bl_grpc_status_name(int status)
{
    return status >= 0 && status < BL_GRPC_STATUSES_N ? names[status] : NULL;
}

bool bl_grpc_status_of_name(struct bl_span name, enum bl_grpc_status *ret)
{
    for (unsigned i = 0; i < BL_GRPC_STATUSES_N; i++) {
        if (bl_span_equal_nocase(name, bl_span_of(names[i]))) {
            *ret = (enum bl_grpc_status)i;
            return true;
        }
    }
    return false;
}

enum bl_grpc_status bl_grpc_status_parse(struct bl_span value)
{
    uint64_t number;

    if ((value.len > 1 && value.data[0] == '0') ||
        !bl_field_decimal(value, BL_GRPC_STATUSES_N - 1, &number))
        return BL_GRPC_UNKNOWN;
    return (enum bl_grpc_status)number;
}

enum bl_grpc_status bl_grpc_status_of_http(int http_status)
{
    switch (http_status) {
    case 400:
    case 431:
        return BL_GRPC_INTERNAL;
    case 401:
        return BL_GRPC_UNAUTHENTICATED;
    case 403:
        return BL_GRPC_PERMISSION_DENIED;
    case 404:
        return BL_GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return BL_GRPC_UNAVAILABLE;
    default:
        return BL_GRPC_UNKNOWN;
    }
}

enum bl_grpc_status bl_grpc_status_of_h2(uint32_t error_code)
{
    switch (error_code) {
    case 7: /* REFUSED_STREAM: nothing was done, so it may be tried again */
        return BL_GRPC_UNAVAILABLE;
    case 8: /* CANCEL */
        return BL_GRPC_CANCELLED;
    case 11: /* ENHANCE_YOUR_CALM */
        return BL_GRPC_RESOURCE_EXHAUSTED;
    case 12: /* INADEQUATE_SECURITY */
        return BL_GRPC_PERMISSION_DENIED;
    default:
        return BL_GRPC_INTERNAL;
    }
}

static bool stands_for_itself(char c)
{
    return c >= 0x20 && c < 0x7f && c != '%';
}

int bl_grpc_message_write(struct bl_span message, struct bl_buf *out, struct bl_mem *mem)
{
    return bl_escape(out, mem, message, stands_for_itself);
}
