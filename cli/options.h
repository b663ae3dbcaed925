/* SPDX-License-Identifier: MIT */
/*
 * A command's options as one table: parsing, the help page and the nearest name for a misspelt one
 * all come from it. Pure, but for what the table's own functions do.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "memory.h"
#include "text.h"

enum option_kind {
    OPTION_HEADING, /* only its help counts */
    OPTION_FLAG,    /* bool */
    OPTION_MORE,    /* int, counted up */
    OPTION_COUNT,   /* int64_t, between min and max */
    OPTION_TIME,    /* int64_t, milliseconds, at least min */
    OPTION_TEXT,    /* const char * */
    OPTION_LIST,    /* struct strings */
    OPTION_TAKE,    /* the row's own function */
    OPTION_LATER,   /* known, and not in this version */
    OPTION_HELP,
};

struct option_row {
    char letter; /* 0: none */
    enum option_kind kind;
    const char *name; /* without "--"; NULL: letter only */
    const char *arg;  /* NULL: none */
    const char *help; /* NULL: not shown; further lines after "\n" */
    size_t offset;    /* into the command's struct */
    int64_t min, max;
    bool (*take)(void *into, const char *value, struct complaint *why);
};

/* What people try that is called otherwise here: "--max-time", or "-s". */
struct option_hint {
    const char *name, *hint;
};

/* Rows that stand together, and that several tables may have. */
struct option_group {
    const struct option_row *rows;
    size_t n;
};

struct option_table {
    const char *usage;  /* "belay get [options] URL..." */
    const char *about;  /* what follows it */
    const char *footer; /* examples; may be NULL */
    const struct option_group *const *groups;
    size_t groups_n;
    const struct option_hint *hints[2]; /* each ends with a name of NULL; may be NULL */
};

/* The rows of all groups, by number; NULL after the last. */
const struct option_row *options_row(const struct option_table *table, size_t n);

enum options_verdict { OPTIONS_GOOD, OPTIONS_BAD, OPTIONS_HELP };

/*
 * Reads argv[0..argc) into the command's struct; what is no option goes to `operands`. Options may
 * stand anywhere, letters may be joined (-kL), "--" ends them. Pointers into argv are kept. `why`
 * names the option.
 */
enum options_verdict options_read(const struct option_table *table, int argc, char **argv,
                                  void *into, struct strings *operands, struct complaint *why);

/* The help page, on standard output. */
void options_print_help(const struct option_table *table);

#endif
