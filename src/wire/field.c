/* SPDX-License-Identifier: MIT */
/* HTTP fields. */
#include "wire/field.h"

/* ---- what may be in them ---- */

bool bl_field_is_token(struct bl_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i], lower = bl_lower(c);

        if ((lower < 'a' || lower > 'z') && (c < '0' || c > '9') &&
            (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return text.len > 0;
}

bool bl_field_is_value(struct bl_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

bool bl_field_is_target(struct bl_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c <= 0x20 || c >= 0x7f || c == '#')
            return false;
    }
    return text.len > 0;
}

/* ---- lists ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct bl_span bl_field_trim(struct bl_span text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

/* Length of the first item, up to a comma outside of quotes. */
static size_t item_len(struct bl_span text)
{
    bool quoted = false;
    size_t i;

    for (i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '"')
            quoted = !quoted;
        else if (quoted && c == '\\' && i + 1 < text.len)
            i++;
        else if (!quoted && c == ',')
            break;
    }
    return i;
}

bool bl_field_next_item(struct bl_span *rest, struct bl_span *ret_item)
{
    while (rest->len > 0) {
        size_t len = item_len(*rest), step = len < rest->len ? len + 1 : len;
        struct bl_span item = bl_field_trim(bl_span(rest->data, len));

        rest->data += step;
        rest->len -= step;
        if (item.len > 0) {
            *ret_item = item;
            return true;
        }
    }
    return false;
}

bool bl_field_next_part(struct bl_span *rest, struct bl_span *ret_part)
{
    const char *end, *comma;

    if (!rest->data)
        return false;
    end = rest->data + rest->len;
    comma = rest->len ? memchr(rest->data, ',', rest->len) : NULL;
    *ret_part = bl_field_trim(bl_span_between(rest->data, comma ? comma : end));
    *rest = comma ? bl_span_between(comma + 1, end) : bl_span(NULL, 0);
    return true;
}

bool bl_field_has_item(struct bl_span list, const char *item)
{
    struct bl_span found;

    while (bl_field_next_item(&list, &found)) {
        if (bl_span_equal_nocase(found, bl_span_of(item)))
            return true;
    }
    return false;
}

/* ---- numbers ---- */

bool bl_field_decimal(struct bl_span text, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint64_t digit = (uint64_t)(unsigned char)text.data[i] - '0';

        if (digit > 9 || digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (text.len == 0)
        return false;
    *ret = value;
    return true;
}

/* The number of "name=5" or name="5", or -1. */
static int64_t parameter(struct bl_span item, const char *name)
{
    const char *equals = memchr(item.data, '=', item.len);
    struct bl_span value;
    uint64_t number;

    if (!equals ||
        !bl_span_equal_nocase(bl_field_trim(bl_span_between(item.data, equals)), bl_span_of(name)))
        return -1;
    value = bl_field_trim(bl_span_between(equals + 1, item.data + item.len));
    if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
        value = bl_span(value.data + 1, value.len - 2);
    return bl_field_decimal(value, INT64_MAX, &number) ? (int64_t)number : -1;
}

struct bl_keep_alive bl_field_keep_alive(struct bl_span value)
{
    struct bl_keep_alive result = {-1, -1};
    struct bl_span item;

    while (bl_field_next_item(&value, &item)) {
        if (result.timeout_s < 0)
            result.timeout_s = parameter(item, "timeout");
        if (result.max < 0)
            result.max = parameter(item, "max");
    }
    return result;
}

/* ---- dates ---- */

/*
 * Days from 1970-01-01 to a day of the Gregorian calendar; the year starts in March, so that leap
 * days end it, and is counted from 400 years (146,097 days) before the year 0, whose first two
 * months belong to the year before.
 */
static int64_t days_from_1970(int64_t year, int64_t month, int64_t day)
{
    int64_t y = 400 + (month > 2 ? year : year - 1), month_from_march = (month + 9) % 12;

    return y * 365 + y / 4 - y / 100 + y / 400 + (month_from_march * 153 + 2) / 5 + day - 865566;
}

static int64_t days_in(int64_t year, int64_t month)
{
    static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* The index of three letters among names that follow each other, or -1. */
static int64_t name_index(const char *names, const char *three)
{
    for (int64_t i = 0; names[i * 3]; i++) {
        if (memcmp(names + i * 3, three, 3) == 0)
            return i;
    }
    return -1;
}

static bool number_at(struct bl_span text, size_t at, size_t len, uint64_t max, int64_t *ret)
{
    uint64_t value;

    if (!bl_field_decimal(bl_span(text.data + at, len), max, &value))
        return false;
    *ret = (int64_t)value;
    return true;
}

bool bl_field_date(struct bl_span value, int64_t *ret_unix_ms)
{
    static const char shape[] = "DDD, 00 MMM 0000 00:00:00 GMT"; /* capitals but GMT: names */
    int64_t day, month, year, hour, minute, second;

    if (value.len != sizeof shape - 1)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        bool free = i < 3 || shape[i] == '0' || shape[i] == 'M';

        if (value.data[i] != shape[i] && (!free || i >= 26))
            return false;
    }
    month = name_index("JanFebMarAprMayJunJulAugSepOctNovDec", value.data + 8) + 1;
    if (name_index("SunMonTueWedThuFriSat", value.data) < 0 || month == 0 ||
        !number_at(value, 5, 2, 31, &day) || !number_at(value, 12, 4, 9999, &year) ||
        !number_at(value, 17, 2, 23, &hour) || !number_at(value, 20, 2, 59, &minute) ||
        !number_at(value, 23, 2, 60, &second)) /* 60: a leap second */
        return false;
    if (day == 0 || day > days_in(year, month))
        return false;
    *ret_unix_ms =
        (((days_from_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000;
    return true;
}

bool bl_field_retry_after(struct bl_span value, int64_t wall_ms, int64_t *ret_ms)
{
    const int64_t longest = INT64_C(1) << 31; /* seconds; RFC 9111, 1.2.2: what overflows is this */
    uint64_t seconds;
    int64_t date;

    value = bl_field_trim(value);
    if (bl_field_date(value, &date)) {
        int64_t wait = date > wall_ms ? date - wall_ms : 0;

        *ret_ms = wait < longest * 1000 ? wait : longest * 1000;
        return true;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
    }
    if (value.len == 0)
        return false;
    if (!bl_field_decimal(value, (uint64_t)longest, &seconds))
        seconds = (uint64_t)longest;
    *ret_ms = (int64_t)seconds * 1000;
    return true;
}
