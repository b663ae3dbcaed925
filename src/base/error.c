/* SPDX-License-Identifier: MIT */
/* The table of errors and the filling in of a struct belay_error. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

#define TEXT_MAX (BELAY_ERROR_TEXT_MAX - 1)

const char *belay_strerror(int code)
{
    switch (code) {
#define X(name, number, kind, text)                                                                \
    case BELAY_##name:                                                                             \
        return text;
        BELAY_ERRORS(X)
#undef X
    default:
        return code == 0 ? "no error" : "unknown error";
    }
}

const char *belay_error_name(int code)
{
    switch (code) {
#define X(name, number, kind, text)                                                                \
    case BELAY_##name:                                                                             \
        return #name;
        BELAY_ERRORS(X)
#undef X
    default:
        return code == 0 ? "OK" : "EUNKNOWN";
    }
}

enum belay_error_kind belay_error_kind_of(int code)
{
    switch (code) {
#define X(name, number, kind, text)                                                                \
    case BELAY_##name:                                                                             \
        return BELAY_KIND_##kind;
        BELAY_ERRORS(X)
#undef X
    default:
        return BELAY_KIND_NONE;
    }
}

const char *belay_kind_name(enum belay_error_kind kind)
{
    switch (kind) {
    case BELAY_KIND_NONE:
        return "none";
#define X(name, text)                                                                              \
    case BELAY_KIND_##name:                                                                        \
        return text;
        BELAY_ERROR_KINDS(X)
#undef X
    }
    return "unknown";
}

const char *belay_stage_name(enum belay_stage stage)
{
    switch (stage) {
    case BELAY_STAGE_NONE:
        return "none";
#define X(name, text)                                                                              \
    case BELAY_STAGE_##name:                                                                       \
        return text;
        BELAY_STAGES(X)
#undef X
    case BELAY_STAGES_N:
        break;
    }
    return "unknown";
}

const char *belay_reason_name(enum belay_reason reason)
{
    switch (reason) {
    case BELAY_REASON_NONE:
        return "none";
#define X(name, text)                                                                              \
    case BELAY_REASON_##name:                                                                      \
        return text;
        BELAY_REASONS(X)
#undef X
    case BELAY_REASONS_N:
        break;
    }
    return "unknown";
}

/* ---- filling in ---- */

/* vsnprintf of at most `max` bytes, cut between characters; the length. `out` has room for max + 2.
 */
static size_t print(char *out, size_t max, const char *format, va_list args)
{
    int n = vsnprintf(out, max + 2, format, args);
    size_t len = n < 0 ? 0 : (size_t)n;

    /* The byte after the cut must be seen to know whether it splits a character. */
    len = bl_text_cut(out, len > max ? max + 1 : len, max);
    out[len] = '\0';
    return len;
}

static void fill(struct belay_error *error, int code, enum belay_stage stage, const char *text,
                 size_t len)
{
    memset(error, 0, sizeof *error);
    error->code = code;
    error->kind = belay_error_kind_of(code);
    error->stage = stage;
    memcpy(error->text, text, len);
}

/* The sentence is made apart from *error, whose text may be among the arguments. */
int bl_error_set(struct belay_error *error, int code, enum belay_stage stage, const char *format,
                 ...)
{
    char text[TEXT_MAX + 2];
    va_list args;
    size_t len;

    if (!error)
        return code;
    va_start(args, format);
    len = print(text, TEXT_MAX, format, args);
    va_end(args);
    fill(error, code, stage, text, len);
    return code;
}

int bl_error_os(struct belay_error *error, int code, enum belay_stage stage, int os_error,
                const char *format, ...)
{
    char text[TEXT_MAX + 2];
    const char *cause = bl_errno_text(os_error);
    size_t len, cause_len = strlen(cause);
    va_list args;

    if (!error)
        return code;
    va_start(args, format);
    len = print(text, TEXT_MAX - cause_len - 2, format, args);
    va_end(args);
    memcpy(text + len, ": ", 2);
    memcpy(text + len + 2, cause, cause_len);
    fill(error, code, stage, text, len + 2 + cause_len);
    error->os_error = os_error;
    return code;
}

void bl_error_prefix(struct belay_error *error, const char *format, ...)
{
    char text[TEXT_MAX + 2];
    size_t len, old;
    va_list args;

    if (!error)
        return;
    va_start(args, format);
    len = print(text, TEXT_MAX - 2, format, args);
    va_end(args);
    memcpy(text + len, ": ", 2);
    len += 2;
    old = bl_text_cut(error->text, strlen(error->text), TEXT_MAX - len);
    memcpy(text + len, error->text, old);
    text[len + old] = '\0';
    memcpy(error->text, text, len + old + 1);
}

void bl_error_keep(struct belay_error *to, const struct belay_error *from)
{
    *to = *from;
    to->tried = NULL;
    to->tried_n = 0;
}

int bl_code_of_errno(int os_error, int otherwise)
{
    switch (os_error) {
    case EMFILE:
    case ENFILE:
        return BELAY_EMFILE;
    case ENOMEM:
    case ENOBUFS:
        return BELAY_ENOMEM;
    default:
        return otherwise;
    }
}

/* ---- keeping and comparing ---- */

struct kept_error {
    struct belay_error error;
    struct belay_tried tried[];
};

struct belay_error *belay_error_dup(const struct belay_error *error)
{
    size_t n = error && error->tried ? error->tried_n : 0;
    struct kept_error *kept;

    if (!error || n > (SIZE_MAX - sizeof *kept) / sizeof kept->tried[0])
        return NULL;
    kept = malloc(sizeof *kept + n * sizeof kept->tried[0]);
    if (!kept)
        return NULL;
    kept->error = *error;
    kept->error.tried = n ? kept->tried : NULL;
    kept->error.tried_n = n;
    if (n > 0)
        memcpy(kept->tried, error->tried, n * sizeof kept->tried[0]);
    return &kept->error;
}

void belay_error_free(struct belay_error *error)
{
    free(error);
}

static const struct belay_addr *last_addr(const struct belay_error *error)
{
    return error->tried_n ? &error->tried[error->tried_n - 1].addr : NULL;
}

bool belay_error_equal(const struct belay_error *a, const struct belay_error *b)
{
    const struct belay_addr *addr_a, *addr_b;

    if (a == b)
        return true;
    if (!a || !b || a->code != b->code || a->stage != b->stage || a->os_error != b->os_error)
        return false;
    addr_a = last_addr(a);
    addr_b = last_addr(b);
    return addr_a && addr_b ? belay_addr_equal(addr_a, addr_b) : addr_a == addr_b;
}
