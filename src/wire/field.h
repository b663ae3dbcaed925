/* SPDX-License-Identifier: MIT */
/*
 * HTTP fields: what their names and values may hold, and the few values that belay itself reads
 * (RFC 9110). Pure.
 */
#ifndef BL_WIRE_FIELD_H
#define BL_WIRE_FIELD_H

#include "base/span.h"

/* A token (RFC 9110, 5.6.2): not empty; names of fields and methods are such. */
bool bl_field_is_token(struct bl_span text);

/* No control characters but HTAB (5.5): above all no CR, LF or NUL. Bytes past ASCII may be. May be
 * empty. */
bool bl_field_is_value(struct bl_span text);

/* A request target as it goes out: printable ASCII without blanks and "#", not empty. */
bool bl_field_is_target(struct bl_span text);

/* Without the blanks (SP, HTAB) at both ends. */
struct bl_span bl_field_trim(struct bl_span text);

/*
 * The next item of a comma-separated list, trimmed; empty items are skipped, commas within quotes
 * do not separate. False at the end. `rest` moves on.
 */
bool bl_field_next_item(struct bl_span *rest, struct bl_span *ret_item);

/* What stands before the first comma, trimmed and perhaps empty: also of what is empty itself. False
 * when there is no more: rest->data is NULL then. */
bool bl_field_next_part(struct bl_span *rest, struct bl_span *ret_part);

/* Whether a list has an item: "close" is in "keep-alive, Close". Regardless of case. */
bool bl_field_has_item(struct bl_span list, const char *item);

/* Digits alone, at most `max`: no sign, no blanks. False otherwise, and *ret is untouched. */
bool bl_field_decimal(struct bl_span text, uint64_t max, uint64_t *ret);

/* Keep-Alive: timeout=5, max=100. What is absent, or no number, is -1; the rest is ignored. */
struct bl_keep_alive {
    int64_t timeout_s;
    int64_t max;
};
struct bl_keep_alive bl_field_keep_alive(struct bl_span value);

/*
 * "Sun, 06 Nov 1994 08:49:37 GMT" as milliseconds since 1970. False when it is not exactly such a
 * date. The day of the week need not be right. The two obsolete forms are not read.
 */
bool bl_field_date(struct bl_span value, int64_t *ret_unix_ms);

/*
 * Retry-After, in seconds or as a date, as milliseconds from `wall_ms` on: 0 when past, at most
 * 2^31 seconds. False when it is neither.
 */
bool bl_field_retry_after(struct bl_span value, int64_t wall_ms, int64_t *ret_ms);

#endif
