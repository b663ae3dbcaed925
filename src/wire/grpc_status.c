/* SPDX-License-Identifier: MIT */
/* Codes of gRPC, and the two tables of its specification that lead to them. */
#include "wire/grpc_status.h"

#include "base/assert.h"
#include "wire/credentials.h"
#include "wire/field.h"

static const char *const names[] = {
#define X(name, number) [number] = #name,
    BELAY_GRPC_STATUSES(X)
#undef X
};

const char *belay_grpc_status_name(int status)
{
    return status >= 0 && status < (int)BL_COUNT(names) ? names[status] : "unknown status";
}

enum belay_grpc_status bl_grpc_status_parse(struct bl_span value)
{
    uint64_t number;

    if ((value.len > 1 && value.data[0] == '0') ||
        !bl_field_decimal(value, BL_COUNT(names) - 1, &number))
        return BELAY_GRPC_UNKNOWN;
    return (enum belay_grpc_status)number;
}

enum belay_grpc_status bl_grpc_status_of_http(int http_status)
{
    switch (http_status) {
    case 400:
    case 431:
        return BELAY_GRPC_INTERNAL;
    case 401:
        return BELAY_GRPC_UNAUTHENTICATED;
    case 403:
        return BELAY_GRPC_PERMISSION_DENIED;
    case 404:
        return BELAY_GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return BELAY_GRPC_UNAVAILABLE;
    default:
        return BELAY_GRPC_UNKNOWN;
    }
}

enum belay_grpc_status bl_grpc_status_of_h2(uint32_t error_code)
{
    switch (error_code) {
    case 7: /* REFUSED_STREAM: nothing was done, so it may be tried again */
        return BELAY_GRPC_UNAVAILABLE;
    case 8: /* CANCEL */
        return BELAY_GRPC_CANCELLED;
    case 11: /* ENHANCE_YOUR_CALM */
        return BELAY_GRPC_RESOURCE_EXHAUSTED;
    case 12: /* INADEQUATE_SECURITY */
        return BELAY_GRPC_PERMISSION_DENIED;
    default:
        return BELAY_GRPC_INTERNAL;
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
