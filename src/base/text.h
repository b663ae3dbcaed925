/* SPDX-License-Identifier: MIT */
/* Text for people: cutting without breaking UTF-8, and showing what a stranger wrote. */
#ifndef BL_BASE_TEXT_H
#define BL_BASE_TEXT_H

#include "base/span.h"

/* The largest length of at most `max` at which `text` may be cut: not in the middle of a character.
 */
size_t bl_text_cut(const char *text, size_t len, size_t max);

/*
 * Writes foreign bytes so that they can stand in a sentence: printable ASCII as it is, the rest,
 * the backslash and quotes as \n or \x1f; what is longer than fits `size` ends in "...". Always
 * terminates (size is at least 8). Returns `out`.
 */
const char *bl_text_show(char *out, size_t size, const char *text, size_t len);

/* RFC 3629. */
bool bl_text_is_utf8(const char *text);
/* The same text, with "?" for each byte that is not UTF-8. */
void bl_text_make_utf8(char *text);

/* Whether it can be a name that is shown to people: not empty, without control characters. */
bool bl_text_is_name(const char *text);

/*
 * How many letters must be put in, left out, replaced or swapped with their neighbour to make one
 * word of the other, regardless of case: for naming the word that was meant. SIZE_MAX past 32
 * bytes.
 */
size_t bl_text_distance(struct bl_span a, struct bl_span b);

#endif
