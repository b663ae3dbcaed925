/* SPDX-License-Identifier: MIT */
/* Words and figures for people: foreign bytes made harmless, the nearest word, numbers with units.
 * Pure. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TEXT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define TEXT_PRINTF(f, a)
#endif

#define TEXT_SHOWN_MAX  160
#define TEXT_FIGURE_MAX 32

/* What is wrong with what somebody gave: one sentence, without a full stop. */
struct complaint {
    char text[512];
};

/* Writes the sentence; returns false, so that a parser can end with it. */
bool complain(struct complaint *complaint, const char *format, ...) TEXT_PRINTF(2, 3);

/*
 * Text that can stand in a sentence: control characters and bytes that are no UTF-8 as \n or \x1b,
 * what is longer than fits ends in "...". Returns `out`, always terminated; size is at least 8.
 */
const char *text_show(char *out, size_t size, const char *text);

/* Whatever controls a terminal becomes blanks, in place, but for the characters of `keep`. */
void text_tame(char *text, const char *keep);

/*
 * Letters to put in, leave out, replace or swap to make one word of the other, regardless of case.
 */
size_t text_distance(const char *a, const char *b);

/* The next byte of a URL's part, with "%2F" undone; *at < end moves on. */
char text_unescape(const char **at, const char *end);

/* Whether `word` is a misspelling of `meant`, and a nearer one than *best, which is then set. Start
 * with SIZE_MAX. */
bool text_is_nearer(const char *word, const char *meant, size_t *best);

/* "100,000" */
const char *text_count(char out[TEXT_FIGURE_MAX], uint64_t n);
/* "812 B", "1.2 MB": powers of 1,000 */
const char *text_bytes(char out[TEXT_FIGURE_MAX], double bytes);
/* "85 us", "1.23 ms", "4.56 s", "2 min 05 s" */
const char *text_duration(char out[TEXT_FIGURE_MAX], uint64_t us);
/* "now", "3 s ago", "2 h ago" */
const char *text_age(char out[TEXT_FIGURE_MAX], int64_t ms);
/* "00:42", "1:00:42" */
const char *text_clock(char out[TEXT_FIGURE_MAX], double seconds);
/* "61,200/s", "0.25/s" */
const char *text_rate(char out[TEXT_FIGURE_MAX], double per_second);

/*
 * The part of an error's text that says what happened, without what was asked and of whom, where it
 * stands beside the endpoint's name anyway.
 */
const char *text_happened(const char *text, const char *endpoint);

#endif
