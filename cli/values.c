/* SPDX-License-Identifier: MIT */
/* What stands behind an option. */
#include "values.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "12" or "1.5", from the start of `text`; *ret_end is what follows. No sign, no exponent, no
 * "inf". */
static bool decimal(const char *text, double *ret, const char **ret_end)
{
    size_t whole = strspn(text, "0123456789"), part = 0;

    if (text[whole] == '.')
        part = 1 + strspn(text + whole + 1, "0123456789");
    if (whole == 0 && part < 2)
        return false;
    *ret = strtod(text, NULL);
    *ret_end = text + whole + part;
    return true;
}

bool values_time(const char *text, int64_t *ret_ms, struct complaint *why)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"ms", 1}, {"", 1000}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}};
    char shown[TEXT_SHOWN_MAX];
    const char *unit;
    double number;

    text_show(shown, sizeof shown, text);
    if (!decimal(text, &number, &unit))
        return complain(why, "\"%s\" is not a time (such as 500ms, 2s or 1.5m)", shown);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].name) != 0)
            continue;
        number = ceil(number * units[i].ms);
        if (number > (double)VALUES_TIME_MAX_MS)
            return complain(why, "\"%s\" is more than a day", shown);
        *ret_ms = (int64_t)number;
        return true;
    }
    return complain(why, "\"%s\" has no unit of time at its end (ms, s, m or h)", shown);
}

bool values_count(const char *text, int64_t min, int64_t max, int64_t *ret, struct complaint *why)
{
    size_t digits = strspn(text, "0123456789");
    char shown[TEXT_SHOWN_MAX];
    int64_t n = 0;
    bool good = digits > 0 && text[digits] == '\0';

    for (size_t i = 0; good && i < digits; i++)
        good = !__builtin_mul_overflow(n, 10, &n) && !__builtin_add_overflow(n, text[i] - '0', &n);
    if (!good || n < min || n > max) {
        text_show(shown, sizeof shown, text);
        if (max == INT64_MAX)
            return complain(why, "\"%s\" is not a whole number from %lld on", shown,
                            (long long)min);
        return complain(why, "\"%s\" is not a whole number from %lld to %lld", shown,
                        (long long)min, (long long)max);
    }
    *ret = n;
    return true;
}

bool values_size(const char *text, int64_t min, int64_t max, int64_t *ret, struct complaint *why)
{
    size_t digits = strspn(text, "0123456789"), len = strlen(text + digits);
    const char *unit = text + digits;
    char shown[TEXT_SHOWN_MAX], number[20] = "";
    int64_t n = 0, factor = 1;
    struct complaint ignored;
    bool good = digits > 0 && digits < sizeof number;

    if (len > 0) {
        factor = INT64_C(1024) << (strchr("gG", unit[0]) ? 20 : strchr("mM", unit[0]) ? 10 : 0);
        good = good && strchr("kKmMgG", unit[0]) && (len == 1 || strcmp(unit + 1, "iB") == 0);
    }
    memcpy(number, text, good ? digits : 0);
    if (good && values_count(number, 0, max / factor, &n, &ignored) && n * factor >= min) {
        *ret = n * factor;
        return true;
    }
    return complain(why, "\"%s\" is not a size (such as 4096, 64k or 1M; from %lld to %lld bytes)",
                    text_show(shown, sizeof shown, text), (long long)min, (long long)max);
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = strchr(digits, tolower((unsigned char)c));

    return c && at ? (int)(at - digits) : -1;
}

bool values_unescape(const char *text, struct bytes *ret, struct complaint *why)
{
    static const char names[] = "nrt0\\", meant[] = "\n\r\t\0\\";

    for (; *text; text++) {
        const char *name = text[1] ? strchr(names, text[1]) : NULL;
        char c = *text;

        if (c == '\\' && text[1] == 'x' && hex_digit(text[2]) >= 0 && hex_digit(text[3]) >= 0) {
            c = (char)(hex_digit(text[2]) << 4 | hex_digit(text[3]));
            text += 3;
        } else if (c == '\\' && name) {
            c = meant[name - names];
            text++;
        } else if (c == '\\') {
            return complain(why, "a backslash is followed by n, r, t, 0, xHH or another one");
        }
        bytes_add(ret, &c, 1);
    }
    return true;
}

bool values_rate(const char *text, double *ret, struct complaint *why)
{
    char shown[TEXT_SHOWN_MAX];
    const char *end;
    double rate;

    if (!decimal(text, &rate, &end) || (*end && strcmp(end, "/s") != 0) || rate <= 0 || rate > 1e6)
        return complain(why,
                        "\"%s\" is not a rate (requests per second, above 0 and at most 1,000,000)",
                        text_show(shown, sizeof shown, text));
    *ret = rate;
    return true;
}

bool values_statuses(const char *text, int *out, size_t max, size_t *ret_n, struct complaint *why)
{
    char shown[TEXT_SHOWN_MAX];
    size_t n = 0;

    for (const char *at = text;; at++) {
        bool good = strspn(at, "0123456789") == 3 && at[0] >= '2' && at[0] <= '5' &&
                    (at[3] == ',' || at[3] == '\0');

        if (!good)
            return complain(why, "\"%s\" is not a list of statuses (such as 429,503)",
                            text_show(shown, sizeof shown, text));
        if (n == max)
            return complain(why, "more than %zu statuses", max);
        out[n++] = atoi(at);
        at += 3;
        if (*at == '\0')
            break;
    }
    *ret_n = n;
    return true;
}

/* ---- backoff ---- */

/* A time above 0, cut off from what stands beside it. */
static bool delay_part(const char *text, size_t len, int64_t *ret, struct complaint *why)
{
    char *part = memory_copy(text, len);
    bool good = values_time(part, ret, why);

    if (good && *ret == 0)
        good = complain(why, "a delay above 0 is needed");
    free(part);
    return good;
}

static bool delays(const char *text, size_t len, struct belay_backoff_options *o,
                   struct complaint *why)
{
    char *part = memory_copy(text, len), *dots = strstr(part, "..");
    size_t first = dots ? (size_t)(dots - part) : len;
    bool good = delay_part(text, first, &o->delay_ms, why);

    if (good && dots)
        good = delay_part(text + first + 2, len - first - 2, &o->delay_max_ms, why);
    free(part);
    if (good && dots && o->delay_max_ms < o->delay_ms)
        return complain(why, "the largest delay is less than the first");
    if (good && o->delay_ms > 10000 && !dots)
        o->delay_max_ms = o->delay_ms;
    return good;
}

static bool jitter(const char *text, struct belay_backoff_options *o)
{
    struct complaint ignored;
    size_t digits = strspn(text, "0123456789");
    int64_t percent;
    char number[4] = "";

    if (strcmp(text, "none") == 0 || strcmp(text, "full") == 0) {
        o->jitter = text[0] == 'n' ? BELAY_JITTER_NONE : BELAY_JITTER_FULL;
        return true;
    }
    if (digits == 0 || digits >= sizeof number || strcmp(text + digits, "%") != 0)
        return false;
    memcpy(number, text, digits);
    if (!values_count(number, 1, 100, &percent, &ignored))
        return false;
    o->jitter = BELAY_JITTER_PROPORTIONAL;
    o->spread_percent = (int32_t)percent;
    return true;
}

static bool backoff_word(const char *word, struct belay_backoff_options *o, struct complaint *why)
{
    char shown[TEXT_SHOWN_MAX];
    const char *end;
    double factor;
    int64_t tries;

    text_show(shown, sizeof shown, word);
    if (word[0] == 'x') {
        if (!decimal(word + 1, &factor, &end) || *end || factor < 1 || factor > 100)
            return complain(why, "\"%s\" is not a factor (x1 to x100)", shown);
        o->factor_percent = (int32_t)(factor * 100 + 0.5);
        return true;
    }
    if (strncmp(word, "jitter=", 7) == 0)
        return jitter(word + 7, o) ||
               complain(why, "\"%s\" is not jitter=none, jitter=full or jitter=1%% to 100%%",
                        shown);
    if (strncmp(word, "tries=", 6) == 0) {
        if (!values_count(word + 6, 1, INT32_MAX, &tries, why))
            return false;
        o->attempts_max = tries > 1 ? (int32_t)tries - 1 : BELAY_NONE; /* it counts retries */
        return true;
    }
    return complain(why, "\"%s\" is neither xFACTOR, jitter=none|full|N%% nor tries=N", shown);
}

bool values_backoff(const char *text, struct belay_backoff_options *ret, struct complaint *why)
{
    struct belay_backoff_options o = belay_backoff_options_init();
    size_t len = strcspn(text, ",");
    bool good = delays(text, len, &o, why);

    while (good && text[len] == ',') {
        char *word;

        text += len + 1;
        len = strcspn(text, ",");
        word = memory_copy(text, len);
        good = backoff_word(word, &o, why);
        free(word);
    }
    if (good)
        *ret = o;
    return good;
}

/* ---- headers ---- */

/* RFC 9110 section 5.6.2. */
bool values_is_token(const char *text, size_t len)
{
    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && (!text[i] || !strchr("!#$%&'*+-.^_`|~", text[i])))
            return false;
    return true;
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return true;
    return false;
}

bool values_header(const char *text, struct header_value *ret, struct complaint *why)
{
    size_t name = strcspn(text, ":;"), len = strlen(text), value;
    char shown[TEXT_SHOWN_MAX];

    text_show(shown, sizeof shown, text);
    if (text[name] == '\0' ||
        (text[name] == ';' && text[name + 1 + strspn(text + name + 1, " \t")]))
        return complain(why, "\"%s\" is not a header (NAME: VALUE)", shown);
    if (!values_is_token(text, name))
        return complain(why, "\"%s\" has a name that a header cannot have", shown);
    if (has_control(text))
        return complain(why, "\"%s\" has a control character in it, which a header cannot carry",
                        shown);
    value = name + 1 + strspn(text + name + 1, " \t");
    while (len > value && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    ret->removes = text[name] == ':' && value == len;
    ret->name = memory_copy(text, len);
    ret->name[name] = '\0';
    ret->value = ret->name + (value < len ? value : len);
    return true;
}

/* ---- routes ---- */

/* The end of one part: a bracket counts as a whole. */
static char *part_end(char *at)
{
    char *close = at[0] == '[' ? strchr(at, ']') : NULL;

    return close ? close + 1 : at + strcspn(at, ":");
}

/* Takes the brackets off "[::1]". */
static char *bare(char *part)
{
    size_t len = strlen(part);

    if (len < 2 || part[0] != '[' || part[len - 1] != ']')
        return part;
    part[len - 1] = '\0';
    return part + 1;
}

bool values_split(char *text, char **parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *end = i + 1 < n ? part_end(text) : text + strlen(text);

        if (i + 1 < n && *end != ':')
            return false;
        parts[i] = text;
        text = end + (i + 1 < n);
        *end = '\0';
        parts[i] = bare(parts[i]);
    }
    return true;
}
