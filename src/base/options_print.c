/* SPDX-License-Identifier: MIT */
/* Option structs as text, by their tables. */
#include <inttypes.h>
#include <stdio.h>

#include "base/options.h"

/* The word for a value, given or effective; NULL: it is a number. */
static const char *word_of(const struct bl_option *field, int64_t value)
{
    if (value == 0)
        return "default";
    if (value == BELAY_FOREVER || (field->forever != BL_NOT_ALLOWED && value == field->forever))
        return "forever";
    if (value == BELAY_NONE || (field->none != BL_NOT_ALLOWED && value == field->none))
        return "none";
    return NULL;
}

size_t bl_options_print(const struct bl_option *table, size_t n, const void *options, char *out,
                        size_t size)
{
    size_t len = 0;

    if (size > 0)
        out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        int64_t value = bl_option_get(options, &table[i]);
        const char *word = word_of(&table[i], value), *comma = i ? ", " : "";
        char *at = len < size ? out + len : NULL;
        size_t room = len < size ? size - len : 0;
        int more;

        if (word)
            more = snprintf(at, room, "%s%s %s", comma, table[i].name, word);
        else
            more = snprintf(at, room, "%s%s %" PRId64, comma, table[i].name, value);
        if (more > 0)
            len += (size_t)more;
    }
    return len;
}
