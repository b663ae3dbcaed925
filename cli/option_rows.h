/* SPDX-License-Identifier: MIT */
/* How rows of a table of options are written. Who includes it has defined AT(field). */
#ifndef CLI_OPTION_ROWS_H
#define CLI_OPTION_ROWS_H

#include "options.h"

#define HEADING(text)                                                                              \
    {                                                                                              \
        .kind = OPTION_HEADING, .help = text                                                       \
    }
#define FLAG(c, n, field, text)                                                                    \
    {                                                                                              \
        .letter = c, .kind = OPTION_FLAG, .name = n, .offset = AT(field), .help = text             \
    }
#define MORE(c, n, field, text)                                                                    \
    {                                                                                              \
        .letter = c, .kind = OPTION_MORE, .name = n, .offset = AT(field), .help = text             \
    }
#define TEXT(c, n, a, field, text)                                                                 \
    {                                                                                              \
        .letter = c, .kind = OPTION_TEXT, .name = n, .arg = a, .offset = AT(field), .help = text   \
    }
#define LIST(c, n, a, field, text)                                                                 \
    {                                                                                              \
        .letter = c, .kind = OPTION_LIST, .name = n, .arg = a, .offset = AT(field), .help = text   \
    }
#define COUNT(c, n, field, low, high, text)                                                        \
    {                                                                                              \
        .letter = c, .kind = OPTION_COUNT, .name = n, .arg = "N", .offset = AT(field), .min = low, \
        .max = high, .help = text                                                                  \
    }
#define TIME(c, n, field, low, text)                                                               \
    {                                                                                              \
        .letter = c, .kind = OPTION_TIME, .name = n, .arg = "TIME", .offset = AT(field),           \
        .min = low, .help = text                                                                   \
    }
#define TAKE(c, n, a, fn, text)                                                                    \
    {                                                                                              \
        .letter = c, .kind = OPTION_TAKE, .name = n, .arg = a, .take = fn, .help = text            \
    }
#define LATER(c, n, a)                                                                             \
    {                                                                                              \
        .letter = c, .kind = OPTION_LATER, .name = n, .arg = a                                     \
    }

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define GROUP(rows)                                                                                \
    {                                                                                              \
        rows, COUNT_OF(rows)                                                                       \
    }

#endif
