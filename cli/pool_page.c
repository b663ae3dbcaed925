/* SPDX-License-Identifier: MIT */
/* The table of `belay pool` as text. */
#include "pool_page.h"

#include <stdio.h>
#include <string.h>

#include "tally.h"

/* ---- columns ---- */

enum {
    COL_ACTIVE,
    COL_IDLE,
    COL_DIALING,
    COL_WAITING,
    COL_CREATED,
    COL_REUSED,
    COL_CLOSED,
    COL_USED,
    COL_FAILED,
    COLUMNS
};

/* `least`: columns that a figure usually takes, so that the table does not jump. */
static const struct {
    const char *name;
    int least;
    const char *narrow; /* NULL: the same */
} columns[COLUMNS] = {
    [COL_ACTIVE] = {"active", 6, NULL},     [COL_IDLE] = {"idle", 4, NULL},
    [COL_DIALING] = {"dialing", 4, "dial"}, [COL_WAITING] = {"waiting", 4, "wait"},
    [COL_CREATED] = {"created", 7, NULL},   [COL_REUSED] = {"reused", 7, NULL},
    [COL_CLOSED] = {"closed", 6, NULL},     [COL_USED] = {"used", 7, NULL},
    [COL_FAILED] = {"failed", 6, NULL},
};

/* Which is left out first where there is no room: "used" is nearly created and reused together. */
static const int expendable[] = {COL_USED,    COL_CLOSED, COL_FAILED,  COL_WAITING,
                                 COL_DIALING, COL_REUSED, COL_CREATED, COL_IDLE};

#define MARK_WIDTH 2
#define NAME_LEAST 24
#define NAME_FINE  40
#define SPARE_N    2 /* columns that even a whole name is worth */
#define GAP        2

struct table {
    struct page *page;
    const struct pool_facts *facts;
    size_t name_width;
    size_t width[COLUMNS]; /* 0: left out */
    bool narrow;           /* short names */
};

static uint64_t figure(const struct pool_row *row, int column)
{
    switch (column) {
    case COL_ACTIVE:
        return row->stats.in_use;
    case COL_IDLE:
        return row->stats.idle;
    case COL_DIALING:
        return row->stats.dialing;
    case COL_WAITING:
        return row->stats.waiting;
    case COL_CREATED:
        return row->stats.opened;
    case COL_REUSED:
        return row->stats.reused;
    case COL_CLOSED:
        return row->closed;
    case COL_USED:
        return row->used;
    default:
        return row->failed;
    }
}

static const char *column_name(const struct table *t, int column)
{
    return t->narrow && columns[column].narrow ? columns[column].narrow : columns[column].name;
}

static void measure(struct table *t)
{
    char text[TEXT_FIGURE_MAX];

    t->name_width = strlen("endpoint");
    for (size_t i = 0; i < t->facts->n; i++)
        if (page_columns(t->facts->rows[i].name) > t->name_width)
            t->name_width = page_columns(t->facts->rows[i].name);
    for (int c = 0; c < COLUMNS; c++) {
        size_t len = strlen(text_count(text, figure(&t->facts->total, c)));
        size_t least = strlen(column_name(t, c));

        least = least < (size_t)columns[c].least ? (size_t)columns[c].least : least;
        t->width[c] = len > least ? len : least;
    }
}

static size_t taken(const struct table *t)
{
    size_t sum = MARK_WIDTH;

    for (int c = 0; c < COLUMNS; c++)
        sum += t->width[c] ? t->width[c] + GAP : 0;
    return sum;
}

/* Columns that a name shall have, at least. */
static size_t name_least(const struct table *t, size_t most)
{
    return t->name_width < most ? t->name_width : most;
}

static void fit(struct table *t)
{
    size_t width = t->page->width;

    measure(t);
    if (width == 0)
        return;
    t->narrow = taken(t) + name_least(t, NAME_FINE) > width;
    measure(t);
    for (size_t i = 0; i < sizeof expendable / sizeof expendable[0]; i++)
        if (taken(t) + name_least(t, i < SPARE_N ? NAME_FINE : NAME_LEAST) > width)
            t->width[expendable[i]] = 0;
    if (taken(t) + t->name_width > width)
        t->name_width = width > taken(t) ? width - taken(t) : 1;
}

/* ---- lines ---- */

static void add_mark(struct page *p, const struct pool_row *row)
{
    if (row->failing)
        page_add(p, PAGE_RED, p->utf8 ? "\xe2\x9c\x97" : "!");
    else if (row->open)
        page_add(p, PAGE_GREEN, p->utf8 ? "\xe2\x97\x8f" : "*");
    else
        page_add(p, PAGE_DIM, p->utf8 ? "\xe2\x97\x8b" : "-");
}

static enum page_colour colour_of(int column, uint64_t n)
{
    if (n == 0)
        return PAGE_DIM;
    return column == COL_FAILED                             ? PAGE_RED
           : column == COL_DIALING || column == COL_WAITING ? PAGE_YELLOW
           : column == COL_ACTIVE                           ? PAGE_CYAN
                                                            : PAGE_PLAIN;
}

static void add_head(struct table *t)
{
    size_t at = MARK_WIDTH + t->name_width;

    page_pad(t->page, MARK_WIDTH);
    page_add(t->page, PAGE_DIM, "endpoint");
    for (int c = 0; c < COLUMNS; c++) {
        if (!t->width[c])
            continue;
        at += GAP + t->width[c];
        page_right(t->page, PAGE_DIM, at, column_name(t, c));
    }
    page_newline(t->page);
}

/* A name that is too long loses its middle, as its port tells most. */
static void add_name(struct table *t, const char *name, enum page_colour colour)
{
    size_t len = page_columns(name), room = t->name_width;
    const char *dots = t->page->utf8 ? "\xe2\x80\xa6" : "...";
    size_t end = room * 2 / 3;

    if (len <= room || room < 12) {
        page_addf(t->page, colour, "%.*s", (int)(len <= room ? strlen(name) : room), name);
        return;
    }
    page_addf(t->page, colour, "%.*s%s%s", (int)(room - end - page_columns(dots)), name, dots,
              name + strlen(name) - end);
}

static void add_row(struct table *t, const struct pool_row *row, bool total)
{
    size_t at = MARK_WIDTH + t->name_width;
    char text[TEXT_FIGURE_MAX];

    if (!total)
        add_mark(t->page, row);
    page_pad(t->page, MARK_WIDTH);
    add_name(t, row->name, total ? PAGE_DIM : PAGE_PLAIN);
    for (int c = 0; c < COLUMNS; c++) {
        uint64_t n = figure(row, c);

        if (!t->width[c])
            continue;
        at += GAP + t->width[c];
        page_right(t->page, colour_of(c, n), at, text_count(text, n));
    }
    page_newline(t->page);
}

/* ---- why ---- */

#define WHY_AT 4

static void add_closed(struct page *p, const struct pool_row *row)
{
    const char *comma = "";
    char text[TEXT_FIGURE_MAX];

    page_pad(p, WHY_AT);
    page_add(p, PAGE_DIM, "closed  ");
    for (int i = 0; i < BELAY_REASONS_N; i++) {
        if (row->stats.closed[i] == 0 || i == BELAY_REASON_OPEN_FAILED)
            continue;
        page_addf(p, PAGE_PLAIN, "%s%s %s", comma, text_count(text, row->stats.closed[i]),
                  belay_reason_name((enum belay_reason)i));
        comma = ", ";
    }
    page_newline(p);
}

static void add_failure(struct page *p, const struct pool_row *row)
{
    char age[TEXT_FIGURE_MAX];

    page_pad(p, WHY_AT);
    page_addf(p, PAGE_DIM, "failed  ");
    page_add(p, row->failing ? PAGE_RED : PAGE_PLAIN, tally_stage_name(row->last.stage));
    page_addf(p, PAGE_DIM, ", %s: ", text_age(age, row->age_ms));
    page_add(p, PAGE_PLAIN, text_happened(row->last.text, row->name));
    page_newline(p);
}

/* ---- the table ---- */

enum { SHOW_CLOSED = 1, SHOW_FAILURES = 2, SHOW_ALL = 3 };

static size_t lines_of(const struct pool_row *row, int what)
{
    bool closed = (what & SHOW_CLOSED) && row->closed;
    bool failed = (what & SHOW_FAILURES) && row->last.set;

    return 1 + (size_t)closed + (size_t)failed;
}

static size_t lines_of_all(const struct pool_facts *f, int what)
{
    size_t sum = 1 + (f->n > 1);

    for (size_t i = 0; i < f->n; i++)
        sum += lines_of(&f->rows[i], what);
    return sum;
}

void pool_page_table(struct page *page, const struct pool_facts *f, size_t lines)
{
    struct table t = {.page = page, .facts = f};
    int what = SHOW_ALL;
    size_t left, i = 0;

    fit(&t);
    if (lines && lines_of_all(f, what) > lines)
        what = SHOW_FAILURES;
    if (lines && lines_of_all(f, what) > lines)
        what = 0;
    left = lines ? lines - 1 - (f->n > 1) : SIZE_MAX;
    add_head(&t);
    for (; i < f->n && (f->n - i <= left || left > 1); i++, left--) {
        const struct pool_row *row = &f->rows[i];

        add_row(&t, row, false);
        if ((what & SHOW_CLOSED) && row->closed)
            add_closed(page, row);
        if ((what & SHOW_FAILURES) && row->last.set)
            add_failure(page, row);
        left -= lines_of(row, what) - 1;
    }
    if (i < f->n) {
        page_pad(page, MARK_WIDTH);
        page_addf(page, PAGE_DIM, "and %zu endpoints more", f->n - i);
        page_newline(page);
    }
    if (f->n > 1)
        add_row(&t, &f->total, true);
}
