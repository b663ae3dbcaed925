/* SPDX-License-Identifier: MIT */
/* What stands behind the program's options: within its range, or refused with a sentence. */
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "values.h"

static void check_refusal(const struct complaint *why)
{
    fuzz_check_sentence(why->text, sizeof why->text);
}

static void check_time(const char *text)
{
    struct complaint why;
    int64_t ms;

    if (!values_time(text, &ms, &why)) {
        check_refusal(&why);
        return;
    }
    BL_ASSERT(ms >= 0 && ms <= VALUES_TIME_MAX_MS);
    BL_ASSERT(ms > 0 || !strpbrk(text, "123456789") || strlen(text) > 300); /* less than a double */
}

static void check_count(const char *text, int64_t min, int64_t max)
{
    struct complaint why;
    int64_t n, again;

    if (!values_count(text, min, max, &n, &why)) {
        check_refusal(&why);
        return;
    }
    BL_ASSERT(n >= min && n <= max);
    BL_ASSERT(n == strtoll(text, NULL, 10));
    BL_ASSERT(values_count(text, n, n, &again, &why) && again == n);
}

static void check_rate(const char *text)
{
    struct complaint why;
    double rate;

    if (values_rate(text, &rate, &why))
        BL_ASSERT(rate > 0 && rate <= 1e6);
    else
        check_refusal(&why);
}

static void check_statuses(const char *text)
{
    struct complaint why;
    int out[4];
    size_t n;

    if (!values_statuses(text, out, BL_COUNT(out), &n, &why)) {
        check_refusal(&why);
        return;
    }
    BL_ASSERT(n >= 1 && n <= BL_COUNT(out) && strlen(text) == n * 4 - 1);
    for (size_t i = 0; i < n; i++)
        BL_ASSERT(out[i] >= 200 && out[i] <= 599);
}

/* No line end, and nothing else but a tab, gets into a request. */
static void check_header(const char *text)
{
    struct header_value header;
    struct complaint why;

    if (!values_header(text, &header, &why)) {
        check_refusal(&why);
        return;
    }
    BL_ASSERT(values_is_token(header.name, strlen(header.name)));
    for (const char *c = header.value; *c; c++)
        BL_ASSERT(((unsigned char)*c >= 0x20 || *c == '\t') && *c != 0x7f);
    BL_ASSERT(!header.removes || header.value[0] == '\0');
    free(header.name);
}

static void check_split(const char *text, size_t n)
{
    char *copy = strdup(text), *parts[4];
    size_t len = strlen(text);

    BL_ASSERT(copy != NULL && n <= BL_COUNT(parts));
    if (values_split(copy, parts, n))
        for (size_t i = 0; i < n; i++) {
            BL_ASSERT(parts[i] >= copy && parts[i] + strlen(parts[i]) <= copy + len);
            BL_ASSERT(i == 0 || parts[i] > parts[i - 1]);
        }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned n = 1 + fuzz_below(&in, 4);
    char *text = calloc(in.len + 1, 1);

    BL_ASSERT(text != NULL);
    if (in.len > 0)
        memcpy(text, in.data, in.len);
    check_time(text);
    check_count(text, 0, INT64_MAX);
    check_count(text, 1, 65535);
    check_rate(text);
    check_statuses(text);
    check_header(text);
    check_split(text, n);
    free(text);
    return 0;
}
