/* SPDX-License-Identifier: MIT */
/* The table of `belay watch` as text. */
#include "watch_page.h"

#include <stdio.h>
#include <string.h>

#include "tally.h"

/* ---- words ---- */

const char *watch_event_name(enum belay_link_event_type type)
{
    switch (type) {
    case BELAY_LINK_ATTEMPTING_TO_CONNECT:
        return "attempting_to_connect";
    case BELAY_LINK_OBTAINED_ADDRESS:
        return "obtained_address";
    case BELAY_LINK_FAILED_TO_CONNECT:
        return "failed_to_connect";
    case BELAY_LINK_CONNECTED:
        return "connected";
    case BELAY_LINK_DISCONNECTED:
        return "disconnected";
    }
    return "";
}

const char *watch_state_name(const struct watch_row *row)
{
    return row->up ? "up" : row->ended ? "ended" : row->busy || !row->down ? "connecting" : "down";
}

/* Without the port that its scheme has anyway. */
static size_t significant(const char *address)
{
    size_t len = strlen(address);
    const char *port = strncmp(address, "http://", 7) == 0    ? ":80"
                       : strncmp(address, "https://", 8) == 0 ? ":443"
                                                              : "";
    size_t n = strlen(port);

    return len > n && strcmp(address + len - n, port) == 0 ? len - n : len;
}

bool watch_address_tells(const char *address, const char *name)
{
    size_t a = significant(address), n = strlen(name);

    if (a == 0 || strncmp(name, address, a) == 0 || strncmp(name, "unix:", 5) == 0)
        return false; /* the name has a path, or slashes more */
    return n > a || strcmp(address + a - n, name) != 0;
}

const char *watch_short_error(char *out, size_t size, const char *text, const char *address,
                              const char *name)
{
    const char *place = strstr(address, "://"), *tried; /* whatever the scheme is below it */
    const char *happened = *address ? text_happened(text, place ? place : address) : text;
    int len;

    if (happened == text)
        happened = text_happened(text, name);
    tried = strstr(happened, " (tried ");
    len = tried && !strchr(tried, ',') ? (int)(tried - happened) : (int)strlen(happened);
    snprintf(out, size, "%.*s", len, happened);
    return out;
}

const char *watch_page_span(char out[TEXT_FIGURE_MAX], int64_t ms)
{
    long long s = (long long)ms / 1000;

    if (s < 60)
        snprintf(out, TEXT_FIGURE_MAX, "%lld s", s);
    else if (s < 600)
        snprintf(out, TEXT_FIGURE_MAX, "%lld min %02lld s", s / 60, s % 60);
    else if (s < 3600)
        snprintf(out, TEXT_FIGURE_MAX, "%lld min", s / 60);
    else if (s < 86400)
        snprintf(out, TEXT_FIGURE_MAX, "%lld h %02lld min", s / 3600, s % 3600 / 60);
    else
        snprintf(out, TEXT_FIGURE_MAX, "%lld d %lld h", s / 86400, s % 86400 / 3600);
    return out;
}

/* 100 % is said of what never fell, though the first attempt took its time. */
static bool never_fell(const struct watch_row *row)
{
    return row->uptime >= 1 || (row->up && !row->failed);
}

static const char *share(char out[TEXT_FIGURE_MAX], const struct watch_row *row)
{
    double percent = never_fell(row) ? 100 : row->uptime * 100;

    if (percent > 99.9 && percent < 100)
        percent = 99.9;
    snprintf(out, TEXT_FIGURE_MAX, percent >= 100 || percent < 0.05 ? "%.0f %%" : "%.1f %%",
             percent);
    return out;
}

static const char *next_try(char out[TEXT_FIGURE_MAX], const struct watch_row *row)
{
    if (row->up || row->busy || row->next_ms < 0)
        return "";
    if (row->next_ms < 10000)
        snprintf(out, TEXT_FIGURE_MAX, "in %.1f s", (double)row->next_ms / 1000);
    else if (row->next_ms < 100000)
        snprintf(out, TEXT_FIGURE_MAX, "in %lld s", (long long)row->next_ms / 1000);
    else
        snprintf(out, TEXT_FIGURE_MAX, "in %lld m", (long long)row->next_ms / 60000);
    return out;
}

/* ---- columns ---- */

enum { COL_STATE, COL_FOR, COL_UPTIME, COL_RECONNECTS, COL_NEXT, COLUMNS };

static const struct {
    const char *name;
    size_t width;
    bool left; /* its text begins where it begins */
} columns[COLUMNS] = {
    [COL_STATE] = {"state", 10, true},   [COL_FOR] = {"for", 10, false},
    [COL_UPTIME] = {"uptime", 6, false}, [COL_RECONNECTS] = {"reconnects", 10, false},
    [COL_NEXT] = {"next try", 8, false},
};

/* Which is left out first where there is no room. */
static const int expendable[] = {COL_RECONNECTS, COL_UPTIME, COL_NEXT, COL_FOR};

#define MARK_WIDTH 4
#define GAP        2
#define NAME_LEAST 20
#define NAME_MOST  60

struct table {
    struct page *page;
    size_t name_width;
    bool shown[COLUMNS];
};

static size_t taken(const struct table *t)
{
    size_t sum = MARK_WIDTH;

    for (int c = 0; c < COLUMNS; c++)
        sum += t->shown[c] ? columns[c].width + GAP : 0;
    return sum;
}

static void fit(struct table *t, const struct watch_facts *f)
{
    size_t width = t->page->width, wanted = strlen("service");

    for (size_t i = 0; i < f->n; i++)
        if (page_columns(f->rows[i].name) > wanted)
            wanted = page_columns(f->rows[i].name);
    t->name_width = wanted < NAME_MOST ? wanted : NAME_MOST;
    for (int c = 0; c < COLUMNS; c++)
        t->shown[c] = true;
    if (width == 0)
        return;
    for (size_t i = 0; i < sizeof expendable / sizeof expendable[0]; i++) {
        size_t least = t->name_width < NAME_LEAST ? t->name_width : NAME_LEAST;

        if (taken(t) + least <= width)
            break;
        t->shown[expendable[i]] = false;
    }
    if (taken(t) + t->name_width > width)
        t->name_width = width > taken(t) + 4 ? width - taken(t) : 4;
}

static void add_cell(struct table *t, size_t *at, int column, enum page_colour colour,
                     const char *text)
{
    if (!t->shown[column])
        return;
    if (!*text) {
        *at += GAP + columns[column].width;
        return;
    }
    *at += GAP;
    if (columns[column].left) {
        page_pad(t->page, *at);
        page_add(t->page, colour, text);
        *at += columns[column].width;
    } else {
        *at += columns[column].width;
        page_right(t->page, colour, *at, text);
    }
}

static void add_head(struct table *t)
{
    size_t at = MARK_WIDTH + t->name_width;

    page_pad(t->page, MARK_WIDTH);
    page_add(t->page, PAGE_DIM, "service");
    for (int c = 0; c < COLUMNS; c++)
        add_cell(t, &at, c, PAGE_DIM, columns[c].name);
    page_newline(t->page);
}

/* A name that does not fit shows that it was cut. */
static void add_name(struct table *t, const char *name)
{
    struct page cut = {.width = t->name_width, .utf8 = t->page->utf8};

    page_add(&cut, PAGE_PLAIN, name);
    bytes_add(&cut.text, "", 1);
    page_add(t->page, PAGE_BOLD, cut.text.data);
    bytes_free(&cut.text);
}

static enum page_colour colour_of(const struct watch_row *row)
{
    return row->up ? PAGE_GREEN : row->ended || (row->down && !row->busy) ? PAGE_RED : PAGE_YELLOW;
}

static void add_row(struct table *t, const struct watch_row *row)
{
    size_t at = MARK_WIDTH + t->name_width;
    char text[TEXT_FIGURE_MAX];
    bool known = row->up || row->down;

    page_pad(t->page, 2);
    page_add(t->page, colour_of(row),
             t->page->utf8 ? (row->up ? "●" : "○") : (row->up ? "*" : "o"));
    page_pad(t->page, MARK_WIDTH);
    add_name(t, row->name);
    add_cell(t, &at, COL_STATE, colour_of(row), watch_state_name(row));
    add_cell(t, &at, COL_FOR, PAGE_PLAIN, watch_page_span(text, row->for_ms));
    add_cell(t, &at, COL_UPTIME, known && !never_fell(row) ? PAGE_YELLOW : PAGE_PLAIN,
             known ? share(text, row) : "");
    add_cell(t, &at, COL_RECONNECTS, PAGE_PLAIN,
             text_count(text, row->connects > 1 ? row->connects - 1 : 0));
    add_cell(t, &at, COL_NEXT, PAGE_PLAIN, next_try(text, row));
    page_newline(t->page);
}

/* ---- explanations ---- */

static bool has_address(const struct watch_row *row)
{
    return watch_address_tells(row->address, row->name);
}

static void add_address(struct page *p, const struct watch_row *row)
{
    page_pad(p, MARK_WIDTH + 2);
    page_add(p, PAGE_DIM, row->up ? "at " : "tried ");
    page_add(p, PAGE_PLAIN, row->address);
    page_newline(p);
}

static void add_error(struct page *p, const struct watch_row *row)
{
    const char *stage = row->stage > 0 ? tally_stage_name(row->stage) : "";
    char age[TEXT_FIGURE_MAX], text[BELAY_ERROR_TEXT_MAX];

    page_pad(p, MARK_WIDTH + 2);
    page_add(p, row->up ? PAGE_PLAIN : PAGE_RED, stage);
    page_addf(p, PAGE_DIM, "%s%s: ", *stage ? ", " : "", text_age(age, row->age_ms));
    page_add(p, PAGE_PLAIN,
             watch_short_error(text, sizeof text, row->error, row->address, row->name));
    page_newline(p);
}

/* ---- the table ---- */

enum { SHOW_ADDRESSES = 1, SHOW_ERRORS = 2, SHOW_ALL = 3 };

static size_t lines_of(const struct watch_row *row, int what)
{
    return 1 + (size_t)((what & SHOW_ADDRESSES) && has_address(row)) +
           (size_t)((what & SHOW_ERRORS) && row->failed);
}

static size_t lines_of_all(const struct watch_facts *f, int what)
{
    size_t sum = 1;

    for (size_t i = 0; i < f->n; i++)
        sum += lines_of(&f->rows[i], what);
    return sum;
}

void watch_page_table(struct page *page, const struct watch_facts *f, size_t lines)
{
    struct table t = {.page = page};
    int what = SHOW_ALL;
    size_t left, i = 0;

    fit(&t, f);
    if (lines && lines_of_all(f, what) > lines)
        what = SHOW_ERRORS;
    if (lines && lines_of_all(f, what) > lines)
        what = 0;
    left = lines ? lines - 1 : SIZE_MAX;
    add_head(&t);
    for (; i < f->n && (f->n - i <= left || left > 1); i++) {
        const struct watch_row *row = &f->rows[i];

        add_row(&t, row);
        if ((what & SHOW_ADDRESSES) && has_address(row))
            add_address(page, row);
        if ((what & SHOW_ERRORS) && row->failed)
            add_error(page, row);
        left -= lines_of(row, what);
    }
    if (i < f->n) {
        page_pad(page, MARK_WIDTH);
        page_addf(page, PAGE_DIM, "and %zu services more", f->n - i);
        page_newline(page);
    }
}
