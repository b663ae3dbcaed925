/* SPDX-License-Identifier: MIT */
/* Times of gRPC calls. */
#include "wire/grpc_timeout.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "wire/field.h"

#define DIGITS_MAX 8
#define VALUE_MAX  INT64_C(99999999)

static const struct unit {
    char letter;
    int64_t ns;
} units[] = {
    {'n', 1},
    {'u', 1000},
    {'m', 1000000},
    {'S', INT64_C(1000000000)},
    {'M', INT64_C(60000000000)},
    {'H', INT64_C(3600000000000)},
};

/* INT64_MAX nanoseconds are 2.6 million hours, so the last unit holds all. */
size_t bl_grpc_timeout_print(int64_t left_ns, char out[BL_GRPC_TIMEOUT_MAX])
{
    const struct unit *unit = units;
    int len;

    if (left_ns < 1)
        left_ns = 1;
    while (left_ns / unit->ns > VALUE_MAX)
        unit++;
    len = snprintf(out, BL_GRPC_TIMEOUT_MAX, "%" PRId64 "%c", left_ns / unit->ns, unit->letter);
    BL_ASSERT(len > 1 && len < BL_GRPC_TIMEOUT_MAX);
    return (size_t)len;
}

bool bl_grpc_timeout_parse(struct bl_span value, int64_t *ret_ns)
{
    uint64_t number;

    if (value.len < 2 || value.len > DIGITS_MAX + 1 ||
        !bl_field_decimal(bl_span(value.data, value.len - 1), VALUE_MAX, &number) || number == 0)
        return false;
    for (size_t i = 0; i < BL_COUNT(units); i++) {
        if (units[i].letter != value.data[value.len - 1])
            continue;
        *ret_ns =
            (int64_t)number > INT64_MAX / units[i].ns ? INT64_MAX : (int64_t)number * units[i].ns;
        return true;
    }
    return false;
}
