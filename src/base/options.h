/* SPDX-License-Identifier: MIT */
/*
 * Option structs: one table per struct says for every numeric field its default, what BELAY_NONE
 * and BELAY_FOREVER mean for it, and its range. The same table resolves, refuses, prints and is
 * tested.
 */
#ifndef BL_BASE_OPTIONS_H
#define BL_BASE_OPTIONS_H

#include "base/error.h"

#define BL_NOT_ALLOWED INT64_MIN /* as `none` or `forever`: that word is refused for this field */

struct bl_option {
    const char *name;
    uint16_t offset;
    uint8_t width; /* 4 or 8 */
    int64_t fallback;
    int64_t none;     /* value that BELAY_NONE becomes */
    int64_t forever;  /* value that BELAY_FOREVER becomes */
    int64_t min, max; /* of what is given, both included */
};

#define BL_OPTION(structure, field, fallback_, none_, forever_, min_, max_)                        \
    {                                                                                              \
        .name = #field, .offset = offsetof(struct structure, field),                               \
        .width = sizeof(((struct structure *)0)->field), .fallback = (fallback_), .none = (none_), \
        .forever = (forever_), .min = (min_), .max = (max_)                                        \
    }

/*
 * Copies min(given->size, out_size) bytes of the caller's struct (NULL: nothing) over zeros, then
 * puts effective values into every field of the table; `size` becomes out_size. BELAY_EINVAL names
 * the field: "max_idle_time_ms: -7 is out of range (1 to 31536000000)". A size of 0 or larger than
 * out_size with non-zero bytes beyond is refused too ("size").
 */
int bl_options_resolve(void *out, size_t out_size, const void *given, const struct bl_option *table,
                       size_t n, struct belay_error *error);

/*
 * "max_waiters 10000, max_idle_time_ms forever, ...": zero reads `default`, what BELAY_NONE and
 * BELAY_FOREVER stand for reads `none` and `forever`, given or effective. `options` has all fields
 * of the table. Writes at most `size` bytes, terminated; returns the length in full.
 */
size_t bl_options_print(const struct bl_option *table, size_t n, const void *options, char *out,
                        size_t size);

/*
 * Effective values as they would be given: BELAY_FOREVER and BELAY_NONE where they stand for these.
 * Resolving them again gives the same.
 */
void bl_options_express(void *options, const struct bl_option *table, size_t n);

int64_t bl_option_get(const void *options, const struct bl_option *field);
void bl_option_put(void *options, const struct bl_option *field, int64_t value);

#endif
