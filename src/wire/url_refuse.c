/* SPDX-License-Identifier: MIT */
/*
 * What is said of a malformed URL. People paste passwords into URLs and forget to escape them, so
 * what may be one is decided before and apart from the grammar: everything between the scheme and
 * the last "@".
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"
#include "wire/url_parser.h"

static bool starts_with_unix(struct bl_span text)
{
    return text.len >= 5 && bl_span_equal_nocase(bl_span(text.data, 5), bl_span_of("unix:"));
}

/* The last "@", past which nothing is secret; NULL when there is none. */
static const char *last_at(struct bl_span text)
{
    if (starts_with_unix(text))
        return NULL; /* unix:@name */
    return text.len ? memrchr(text.data, '@', text.len) : NULL;
}

const char *bl_url_part(const struct bl_url_parser *p, struct bl_span part,
                        char out[BL_URL_PART_MAX])
{
    const char *at = last_at(p->text);
    char shown[BL_URL_PART_MAX - 4];

    out[0] = '\0';
    if (!p->all_secret && (!at || part.data > at))
        snprintf(out, BL_URL_PART_MAX, " \"%s\"",
                 bl_text_show(shown, sizeof shown, part.data, part.len));
    return out;
}

int bl_url_refuse(const struct bl_url_parser *p, const char *format, ...)
{
    struct bl_span text = p->text.data ? p->text : bl_span("", 0);
    const char *end = text.data + text.len, *question = NULL;
    const char *at = p->all_secret ? end : last_at(text), *rest = at ? at : text.data;
    const char *what = p->what ? p->what : "URL";
    char scheme[40] = "", shown[100], sentence[170];
    long scheme_len = bl_url_scheme_len(text);
    va_list args;

    if (!p->error)
        return BELAY_EINVAL;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (text.len == 0)
        return bl_error_set(p->error, BELAY_EINVAL, BELAY_STAGE_NONE, "invalid %s: %s", what,
                            sentence);

    if (at && scheme_len >= 0)
        bl_text_show(scheme, sizeof scheme, text.data, (size_t)scheme_len + 3);
    if (!starts_with_unix(text))
        question = memchr(rest, '?', (size_t)(end - rest));
    if (question)
        end = question;
    bl_text_show(shown, sizeof shown, rest, (size_t)(end - rest));
    return bl_error_set(p->error, BELAY_EINVAL, BELAY_STAGE_NONE, "invalid %s \"%s%s%s%s\": %s",
                        what, scheme, at ? "***" : "", shown, question ? "?..." : "", sentence);
}

/* "tcp, tls or unix" */
static void list_schemes(unsigned schemes, char *out, size_t size)
{
    size_t at = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < BL_SCHEMES_N; i++) {
        const char *comma = "";

        if (!(schemes & 1u << i))
            continue;
        if (at > 0)
            comma = schemes >> i > 1 ? ", " : " or ";
        at += (size_t)snprintf(out + at, size - at, "%s%s", comma, bl_scheme_info(i)->name);
        BL_ASSERT(at < size);
    }
}

/* The allowed scheme that was probably meant, or NULL. */
static const char *nearest_scheme(struct bl_span scheme, unsigned schemes)
{
    const char *nearest = NULL;
    size_t best = scheme.len < 4 ? 2 : 3; /* as many mistakes are no misspelling any more */

    for (unsigned i = 0; i < BL_SCHEMES_N; i++) {
        size_t distance;

        if (!(schemes & 1u << i))
            continue;
        distance = bl_text_distance(scheme, bl_span_of(bl_scheme_info(i)->name));
        if (distance < best) {
            best = distance;
            nearest = bl_scheme_info(i)->name;
        }
    }
    return nearest;
}

int bl_url_refuse_scheme(const struct bl_url_parser *p, struct bl_span scheme)
{
    char list[64], shown[40];
    const char *nearest = nearest_scheme(scheme, p->schemes);

    bl_text_show(shown, sizeof shown, scheme.data, scheme.len);
    for (unsigned i = 0; i < BL_SCHEMES_N; i++) {
        if (bl_span_equal_nocase(scheme, bl_span_of(bl_scheme_info(i)->name)))
            nearest = NULL; /* well spelt, and not allowed */
    }
    if (nearest)
        return bl_url_refuse(p, "unknown scheme \"%s\" (did you mean \"%s\"?)", shown, nearest);
    list_schemes(p->schemes, list, sizeof list);
    return bl_url_refuse(p, "the scheme \"%s\" cannot be used here (expected %s)", shown, list);
}
