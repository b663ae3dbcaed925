/* SPDX-License-Identifier: MIT */
/* Words and figures for people. */
#include "text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool complain(struct complaint *complaint, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(complaint->text, sizeof complaint->text, format, args);
    va_end(args);
    return false;
}

/* ---- foreign text ---- */

/* Whether the UTF-8 character at `at` controls a terminal, or turns the direction of writing around. */
static bool is_control(const unsigned char *at)
{
    if (at[0] == 0xc2)
        return at[1] >= 0x80 && at[1] < 0xa0;
    return at[0] == 0xe2 && ((at[1] == 0x80 && at[2] >= 0xaa && at[2] <= 0xae) ||
                             (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

/* Length of the UTF-8 character at `at`, or 0 when it is none, or one that controls a terminal. */
static size_t utf8_len(const unsigned char *at)
{
    size_t len = at[0] >= 0xf0 && at[0] < 0xf5   ? 4
                 : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
                                                 : 0;

    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90))
        return 0;
    return is_control(at) ? 0 : len;
}

/* One character as it is shown; *ret_used is how many bytes of `at` it was. */
static size_t show_one(char piece[8], const unsigned char *at, size_t *ret_used)
{
    static const char named[] = "\a\b\t\n\v\f\r", names[] = "abtnvfr";
    const char *name = memchr(named, at[0], sizeof named - 1);
    size_t len = utf8_len(at);

    *ret_used = len ? len : 1;
    if (name)
        return (size_t)snprintf(piece, 8, "\\%c", names[name - named]);
    if (at[0] >= 0x20 && at[0] < 0x7f)
        len = 1;
    if (len == 0)
        return (size_t)snprintf(piece, 8, "\\x%02x", at[0]);
    memcpy(piece, at, len);
    piece[len] = '\0';
    return len;
}

const char *text_show(char *out, size_t size, const char *text)
{
    const unsigned char *from = (const unsigned char *)text;
    size_t at = 0, fits = 0, used;

    for (; *from; from += used) {
        char piece[8];
        size_t n = show_one(piece, from, &used);

        if (at + n >= size) {
            memcpy(out + fits, "...", 4);
            return out;
        }
        memcpy(out + at, piece, n);
        at += n;
        if (at + 4 <= size)
            fits = at;
    }
    out[at] = '\0';
    return out;
}

void text_tame(char *text, const char *keep)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        if ((*c < 0x20 || *c == 0x7f) && !strchr(keep, *c))
            *c = ' ';
        else if (is_control(c))
            memset(c, ' ', *c == 0xc2 ? 2 : 3);
    }
}

/* ---- the nearest word ---- */

#define WORD_MAX 40

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Damerau and Levenshtein, with the two last rows kept. */
size_t text_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2], *spare;

    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++) {
        before[j] = 0;
        last[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t differs = !same_letter(a[i - 1], b[j - 1]);

            row[j] = smallest(last[j] + 1, row[j - 1] + 1, last[j - 1] + differs);
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
                same_letter(a[i - 2], b[j - 1]) && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b_len];
}

bool text_is_nearer(const char *word, const char *meant, size_t *best)
{
    size_t len = strlen(word), distance = text_distance(word, meant);
    size_t most = len < 3 ? 1 : len < 6 ? 2 : 3; /* as many mistakes are still a misspelling */

    if (distance > most || distance >= *best || distance >= strlen(meant))
        return false;
    *best = distance;
    return true;
}

/* ---- figures ---- */

const char *text_count(char out[TEXT_FIGURE_MAX], uint64_t n)
{
    char digits[TEXT_FIGURE_MAX];
    size_t len = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

/* Three digits that count. */
static void three_digits(char out[TEXT_FIGURE_MAX], double value, const char *unit)
{
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

    snprintf(out, TEXT_FIGURE_MAX, "%.*f %s", decimals, value, unit);
}

const char *text_bytes(char out[TEXT_FIGURE_MAX], double bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    size_t unit = 0;

    if (bytes < 999.5) {
        snprintf(out, TEXT_FIGURE_MAX, "%.0f B", bytes);
        return out;
    }
    for (bytes /= 1000; bytes >= 999.5 && unit + 1 < sizeof units / sizeof units[0]; bytes /= 1000)
        unit++;
    three_digits(out, bytes, units[unit]);
    return out;
}

const char *text_duration(char out[TEXT_FIGURE_MAX], uint64_t us)
{
    uint64_t s = (us + 500000) / 1000000;

    if (us < 1000)
        snprintf(out, TEXT_FIGURE_MAX, "%llu us", (unsigned long long)us);
    else if (us < 999500)
        three_digits(out, (double)us / 1000, "ms");
    else if (us < 99950000)
        three_digits(out, (double)us / 1000000, "s");
    else if (s < 6000)
        snprintf(out, TEXT_FIGURE_MAX, "%llu min %02llu s", (unsigned long long)s / 60,
                 (unsigned long long)s % 60);
    else
        snprintf(out, TEXT_FIGURE_MAX, "%llu h %02llu min", (unsigned long long)s / 3600,
                 (unsigned long long)s % 3600 / 60);
    return out;
}

const char *text_rate(char out[TEXT_FIGURE_MAX], double per_second)
{
    char count[TEXT_FIGURE_MAX];

    if (per_second < 99.95)
        snprintf(out, TEXT_FIGURE_MAX, "%.*f/s", per_second < 9.995 ? 2 : 1, per_second);
    else
        snprintf(out, TEXT_FIGURE_MAX, "%.28s/s", text_count(count, (uint64_t)(per_second + 0.5)));
    return out;
}

const char *text_age(char out[TEXT_FIGURE_MAX], int64_t ms)
{
    long long s = (long long)ms / 1000;

    if (s < 1)
        snprintf(out, TEXT_FIGURE_MAX, "now");
    else if (s < 60)
        snprintf(out, TEXT_FIGURE_MAX, "%lld s ago", s);
    else if (s < 3600)
        snprintf(out, TEXT_FIGURE_MAX, "%lld min ago", s / 60);
    else
        snprintf(out, TEXT_FIGURE_MAX, "%lld h ago", s / 3600);
    return out;
}

const char *text_clock(char out[TEXT_FIGURE_MAX], double seconds)
{
    long long s = (long long)seconds;

    if (s < 3600)
        snprintf(out, TEXT_FIGURE_MAX, "%02lld:%02lld", s / 60, s % 60);
    else
        snprintf(out, TEXT_FIGURE_MAX, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    return out;
}

/* ---- errors ---- */

const char *text_happened(const char *text, const char *endpoint)
{
    const char *at = text, *found;

    while ((found = strstr(at, endpoint)) && (found = strstr(found, ": ")))
        text = at = found + 2;
    return text;
}

/* ---- URLs ---- */

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

char text_unescape(const char **at, const char *end)
{
    const char *from = *at;
    bool escaped = end - from > 2 && *from == '%' && isxdigit((unsigned char)from[1]) &&
                   isxdigit((unsigned char)from[2]);

    *at += escaped ? 3 : 1;
    return escaped ? (char)(hex(from[1]) * 16 + hex(from[2])) : *from;
}
