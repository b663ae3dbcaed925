/* SPDX-License-Identifier: MIT */
/* Fields of HTTP: lists, numbers, dates, Keep-Alive and Retry-After. */
#include <stdio.h>
#include <time.h>

#include "fuzz/fuzz.h"
#include "wire/field.h"

static void check_list(struct bl_span text)
{
    struct bl_span rest = text, item;

    while (bl_field_next_item(&rest, &item)) {
        BL_ASSERT(item.len > 0 && item.data >= text.data);
        BL_ASSERT(item.data + item.len <= text.data + text.len);
        BL_ASSERT(bl_field_trim(item).len == item.len);
        BL_ASSERT(rest.data >= item.data + item.len);
        if (bl_span_equal_nocase(item, bl_span_of("close")))
            BL_ASSERT(bl_field_has_item(text, "Close"));
    }
    BL_ASSERT(rest.len == 0);
}

static void check_number(struct bl_span text)
{
    uint64_t value = 7, half = 7;

    if (!bl_field_decimal(text, UINT64_MAX, &value)) {
        BL_ASSERT(value == 7);
        return;
    }
    BL_ASSERT(bl_field_is_token(text) && bl_field_is_value(text) && bl_field_is_target(text));
    BL_ASSERT(bl_field_decimal(text, value, &half) && half == value);
    if (value > 0) {
        half = 7;
        BL_ASSERT(!bl_field_decimal(text, value - 1, &half) && half == 7);
    }
}

static void check_kinds(struct bl_span text)
{
    struct bl_span trimmed = bl_field_trim(text);
    struct bl_keep_alive kept = bl_field_keep_alive(text);

    BL_ASSERT(trimmed.len <= text.len);
    if (bl_field_is_token(text))
        BL_ASSERT(bl_field_is_value(text) && trimmed.len == text.len);
    if (bl_field_is_target(text))
        BL_ASSERT(bl_field_is_value(text) && trimmed.len == text.len);
    BL_ASSERT(kept.timeout_s >= -1 && kept.max >= -1);
}

/* Against the C library's calendar. */
static void check_date(struct bl_span text)
{
    int64_t ms = 7;
    struct tm tm;
    bool leap;
    time_t t;
    char day[8], out[40];

    if (!bl_field_date(text, &ms)) {
        BL_ASSERT(ms == 7);
        return;
    }
    leap = memcmp(text.data + 23, "60", 2) == 0; /* the next minute's first */
    t = (time_t)(ms / 1000) - leap;
    BL_ASSERT(ms % 1000 == 0 && gmtime_r(&t, &tm));
    strftime(day, sizeof day, ", %d ", &tm);
    BL_ASSERT(memcmp(text.data + 3, day, 5) == 0);
    snprintf(out, sizeof out, "%04d %02d:%02d:%02d GMT", tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
             tm.tm_sec + leap);
    BL_ASSERT(memcmp(text.data + 12, out, 17) == 0);
}

static void check_retry_after(struct bl_span text, int64_t wall_ms)
{
    int64_t ms = 7, date;

    if (!bl_field_retry_after(text, wall_ms, &ms)) {
        BL_ASSERT(ms == 7 && !bl_field_date(text, &date));
        return;
    }
    BL_ASSERT(ms >= 0 && ms <= (INT64_C(1) << 31) * 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    int64_t wall = (int64_t)fuzz_byte(&in) << 33;
    struct bl_span text = fuzz_rest(&in);

    check_list(text);
    check_number(text);
    check_kinds(text);
    check_date(text);
    check_retry_after(text, wall);
    return 0;
}
