/* SPDX-License-Identifier: MIT */
/*
 * What the fuzzers share. One reads bytes and holds what the code under test says of them against
 * properties, with BL_ASSERT. Built with BELAY_FUZZ it is libFuzzer's; in any other build replay.c
 * gives it the inputs in corpus/.
 */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

#include "base/assert.h"
#include "base/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of the input. At its end come zeroes. */
struct fuzz_input {
    const uint8_t *data;
    size_t len;
};

static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->data++;
}

/* 0 to n-1, n at most 256. */
static inline unsigned fuzz_below(struct fuzz_input *in, unsigned n)
{
    return fuzz_byte(in) % n;
}

static inline struct bl_span fuzz_rest(const struct fuzz_input *in)
{
    return bl_span((const char *)in->data, in->len);
}

/* Up to the next LF, which is skipped, or the end. */
static inline struct bl_span fuzz_line(struct fuzz_input *in)
{
    const uint8_t *start = in->data, *lf = in->len ? memchr(start, '\n', in->len) : NULL;
    size_t len = lf ? (size_t)(lf - start) : in->len;

    in->data += lf ? len + 1 : len;
    in->len -= lf ? len + 1 : len;
    return bl_span((const char *)start, len);
}

/* Neither control characters nor a missing end: can stand in a line that people read. */
static inline void fuzz_check_sentence(const char *text, size_t room)
{
    size_t len = strnlen(text, room);

    BL_ASSERT(len > 0 && len < room);
    for (size_t i = 0; i < len; i++)
        BL_ASSERT((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

#endif
