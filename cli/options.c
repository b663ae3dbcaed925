/* SPDX-License-Identifier: MIT */
/* A command's options as one table. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "values.h"

struct reader {
    const struct option_table *table;
    int argc, at;
    char **argv;
    void *into;
    struct complaint *why;
    char given[48]; /* the option as it was written: "-m" */
};

/* ---- names ---- */

const struct option_row *options_row(const struct option_table *table, size_t n)
{
    for (size_t i = 0; i < table->groups_n; i++) {
        if (n < table->groups[i]->n)
            return &table->groups[i]->rows[n];
        n -= table->groups[i]->n;
    }
    return NULL;
}

static const struct option_row *find_name(const struct option_table *table, const char *name,
                                          size_t len)
{
    const struct option_row *row;

    for (size_t i = 0; (row = options_row(table, i)); i++)
        if (row->name && strlen(row->name) == len && memcmp(row->name, name, len) == 0)
            return row;
    return NULL;
}

static const struct option_row *find_letter(const struct option_table *table, char letter)
{
    const struct option_row *row;

    for (size_t i = 0; (row = options_row(table, i)); i++)
        if (row->letter && row->letter == letter)
            return row;
    return NULL;
}

static const char *find_hint(const struct option_table *table, const char *name)
{
    for (size_t i = 0; i < sizeof table->hints / sizeof table->hints[0]; i++)
        for (const struct option_hint *h = table->hints[i]; h && h->name; h++)
            if (strcmp(h->name, name) == 0)
                return h->hint;
    return NULL;
}

/* Nobody knows it: what may have been meant? `name` has its dashes. */
static bool refuse_unknown(struct reader *r, const char *name)
{
    const char *hint = find_hint(r->table, name), *nearest = NULL;
    const struct option_row *row;
    char shown[TEXT_SHOWN_MAX];
    size_t best = SIZE_MAX;

    text_show(shown, sizeof shown, name);
    if (hint)
        return complain(r->why, "%s: there is no such option (%s)", shown, hint);
    for (size_t i = 0; name[1] == '-' && (row = options_row(r->table, i)); i++)
        if (row->name && row->kind != OPTION_LATER && text_is_nearer(name + 2, row->name, &best))
            nearest = row->name;
    if (nearest)
        return complain(r->why, "%s: there is no such option (did you mean --%s?)", shown, nearest);
    return complain(r->why, "%s: there is no such option (--help lists them)", shown);
}

/* ---- values ---- */

static bool store(struct reader *r, const struct option_row *row, const char *value,
                  struct complaint *why)
{
    void *at = (char *)r->into + row->offset;

    switch (row->kind) {
    case OPTION_COUNT:
        return values_count(value, row->min, row->max, at, why);
    case OPTION_TIME:
        if (!values_time(value, at, why))
            return false;
        if (*(int64_t *)at < row->min)
            return complain(why, "a time above 0 is needed");
        return true;
    case OPTION_TEXT:
        *(const char **)at = value;
        return true;
    case OPTION_LIST:
        strings_add(at, (char *)value);
        return true;
    default:
        return row->take(r->into, value, why);
    }
}

static bool take_value(struct reader *r, const struct option_row *row, const char *value)
{
    struct complaint why;
    if (value[0] == '\0' && row->kind != OPTION_TAKE)
        return complain(r->why, "%s: its value is empty (%s)", r->given, row->arg);
    if (store(r, row, value, &why))
        return true;
    return complain(r->why, "%s: %.440s", r->given, why.text);
}

static enum options_verdict take_flag(struct reader *r, const struct option_row *row)
{
    void *at = (char *)r->into + row->offset;

    if (row->kind == OPTION_HELP)
        return OPTIONS_HELP;
    if (row->kind == OPTION_MORE)
        ++*(int *)at;
    else
        *(bool *)at = true;
    return OPTIONS_GOOD;
}

static bool is_flag(const struct option_row *row)
{
    return row->kind == OPTION_FLAG || row->kind == OPTION_MORE || row->kind == OPTION_HELP;
}

static bool refuse_later(struct reader *r)
{
    return complain(r->why, "%s: is not in this version yet", r->given);
}

/* The value is the next argument. */
static bool take_next(struct reader *r, const struct option_row *row)
{
    if (r->at >= r->argc)
        return complain(r->why, "%s: a value is missing (%s)", r->given, row->arg);
    return take_value(r, row, r->argv[r->at++]);
}

/* ---- arguments ---- */

static enum options_verdict read_long(struct reader *r, const char *arg)
{
    size_t len = strcspn(arg + 2, "=");
    const struct option_row *row = find_name(r->table, arg + 2, len);
    const char *value = arg[2 + len] == '=' ? arg + 2 + len + 1 : NULL;
    bool good;

    snprintf(r->given, sizeof r->given, "%.*s", (int)(len < 40 ? len + 2 : 42), arg);
    if (!row) {
        good = refuse_unknown(r, r->given);
    } else if (row->kind == OPTION_LATER) {
        good = refuse_later(r);
    } else if (is_flag(row) && !value) {
        return take_flag(r, row);
    } else if (is_flag(row)) {
        good = complain(r->why, "%s: takes no value", r->given);
    } else {
        good = value ? take_value(r, row, value) : take_next(r, row);
    }
    return good ? OPTIONS_GOOD : OPTIONS_BAD;
}

static enum options_verdict read_letters(struct reader *r, const char *arg)
{
    for (const char *at = arg + 1; *at; at++) {
        const struct option_row *row = find_letter(r->table, *at);
        enum options_verdict verdict = OPTIONS_GOOD;

        snprintf(r->given, sizeof r->given, "-%c", *at);
        if (!row)
            return refuse_unknown(r, r->given) ? OPTIONS_GOOD : OPTIONS_BAD;
        if (row->kind == OPTION_LATER)
            return refuse_later(r) ? OPTIONS_GOOD : OPTIONS_BAD;
        if (!is_flag(row))
            return (at[1] ? take_value(r, row, at + 1) : take_next(r, row)) ? OPTIONS_GOOD
                                                                            : OPTIONS_BAD;
        verdict = take_flag(r, row);
        if (verdict != OPTIONS_GOOD)
            return verdict;
    }
    return OPTIONS_GOOD;
}

enum options_verdict options_read(const struct option_table *table, int argc, char **argv,
                                  void *into, struct strings *operands, struct complaint *why)
{
    struct reader r = {.table = table, .argc = argc, .argv = argv, .into = into, .why = why};
    enum options_verdict verdict = OPTIONS_GOOD;
    bool ended = false;

    while (r.at < argc && verdict == OPTIONS_GOOD) {
        char *arg = argv[r.at++];

        if (ended || arg[0] != '-' || arg[1] == '\0')
            strings_add(operands, arg);
        else if (strcmp(arg, "--") == 0)
            ended = true;
        else if (arg[1] == '-')
            verdict = read_long(&r, arg);
        else
            verdict = read_letters(&r, arg);
    }
    return verdict;
}

/* ---- help ---- */

#define HELP_COLUMN 32

static void print_row(const struct option_row *row)
{
    char left[80];
    char letter[] = {'-', row->letter, ',', '\0'};
    int n = snprintf(left, sizeof left, "  %-4s%s%s%s%s", row->letter ? letter : "",
                     row->name ? "--" : "", row->name ? row->name : "", row->arg ? " " : "",
                     row->arg ? row->arg : "");
    const char *line = row->help;

    if (n < HELP_COLUMN)
        printf("%-*s", HELP_COLUMN, left);
    else
        printf("%s\n%*s", left, HELP_COLUMN, "");
    for (;;) {
        size_t len = strcspn(line, "\n");

        printf("%.*s\n", (int)len, line);
        if (line[len] == '\0')
            return;
        line += len + 1;
        printf("%*s", HELP_COLUMN, "");
    }
}

void options_print_help(const struct option_table *table)
{
    const struct option_row *row;

    printf("usage: %s\n\n%s\n", table->usage, table->about);
    for (size_t i = 0; (row = options_row(table, i)); i++) {
        if (row->kind == OPTION_HEADING)
            printf("\n%s\n", row->help);
        else if (row->help)
            print_row(row);
    }
    if (table->footer)
        printf("\n%s\n", table->footer);
}
