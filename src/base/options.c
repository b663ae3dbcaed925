/* SPDX-License-Identifier: MIT */
/* Resolving option structs by their tables. Everything is checked before anything is written. */
#include "base/options.h"

#include <inttypes.h>

#include "base/assert.h"

int64_t bl_option_get(const void *options, const struct bl_option *field)
{
    const char *at = (const char *)options + field->offset;
    int32_t narrow;
    int64_t wide;

    if (field->width == sizeof narrow) {
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    BL_ASSERT(field->width == sizeof wide);
    memcpy(&wide, at, sizeof wide);
    return wide;
}

void bl_option_put(void *options, const struct bl_option *field, int64_t value)
{
    char *at = (char *)options + field->offset;

    if (field->width == sizeof(int32_t)) {
        int32_t narrow = (int32_t)value;

        BL_ASSERT(narrow == value);
        memcpy(at, &narrow, sizeof narrow);
        return;
    }
    BL_ASSERT(field->width == sizeof value);
    memcpy(at, &value, sizeof value);
}

static int refuse_word(const struct bl_option *field, const char *word, struct belay_error *error)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s: %s is not allowed here",
                        field->name, word);
}

/* 0 is the default, and where that is the least of all, as an enum's, it is in the range. */
static int64_t least(const struct bl_option *field)
{
    return field->fallback >= 0 && field->fallback < field->min ? field->fallback : field->min;
}

/* The value that `given` stands for. */
static int effective(const struct bl_option *field, int64_t given, int64_t *ret,
                     struct belay_error *error)
{
    if (given == 0) {
        *ret = field->fallback;
    } else if (given == BELAY_NONE) {
        if (field->none == BL_NOT_ALLOWED)
            return refuse_word(field, "BELAY_NONE", error);
        *ret = field->none;
    } else if (given == BELAY_FOREVER) {
        if (field->forever == BL_NOT_ALLOWED)
            return refuse_word(field, "BELAY_FOREVER", error);
        *ret = field->forever;
    } else {
        if (given < field->min || given > field->max)
            return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                                "%s: %" PRId64 " is out of range (%" PRId64 " to %" PRId64 ")",
                                field->name, given, least(field), field->max);
        *ret = given;
    }
    return 0;
}

/* How many bytes of the caller's struct count; refuses those that this version does not know. */
static int known_size(const void *given, size_t out_size, size_t *ret, struct belay_error *error)
{
    const char *bytes = given;
    size_t size;

    memcpy(&size, given, sizeof size);
    if (size < sizeof size)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "size: %zu is too small; prepare the options with their init function",
                            size);
    for (size_t i = out_size; i < size; i++) {
        if (bytes[i])
            return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                                "size: %zu bytes of options were given, and some past the %zu that "
                                "this version knows are set",
                                size, out_size);
    }
    *ret = size < out_size ? size : out_size;
    return 0;
}

/* A field lies wholly within what the caller gave, or was added later and counts as 0. */
static int64_t given_value(const void *given, size_t given_size, const struct bl_option *field)
{
    if ((size_t)field->offset + field->width > given_size)
        return 0;
    return bl_option_get(given, field);
}

int bl_options_resolve(void *out, size_t out_size, const void *given, const struct bl_option *table,
                       size_t n, struct belay_error *error)
{
    size_t given_size = 0;
    int64_t value = 0;
    int rc;

    BL_ASSERT(out_size >= sizeof out_size);
    rc = given ? known_size(given, out_size, &given_size, error) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = effective(&table[i], given_value(given, given_size, &table[i]), &value, error);
    if (rc < 0)
        return rc;

    if (given_size > 0)
        memmove(out, given, given_size);
    memset((char *)out + given_size, 0, out_size - given_size);
    memcpy(out, &out_size, sizeof out_size);
    for (size_t i = 0; i < n; i++) {
        effective(&table[i], given_value(out, given_size, &table[i]), &value, NULL);
        bl_option_put(out, &table[i], value);
    }
    return 0;
}

void bl_options_express(void *options, const struct bl_option *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t value = bl_option_get(options, &table[i]);

        if (table[i].forever != BL_NOT_ALLOWED && value == table[i].forever)
            bl_option_put(options, &table[i], BELAY_FOREVER);
        else if (table[i].none != BL_NOT_ALLOWED && value == table[i].none)
            bl_option_put(options, &table[i], BELAY_NONE);
    }
}
