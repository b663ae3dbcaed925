/* SPDX-License-Identifier: MIT */
/* Text into the messages that it stands for. */
#include "grpc_split.h"

#include <string.h>

#include "base64.h"

#define DEPTH_MAX 10000

void grpc_split_begin(struct grpc_split *s, enum grpc_format format)
{
    memset(s, 0, sizeof *s);
    s->format = format;
    s->line = 1;
}

/* What has been read goes away before more comes. */
void grpc_split_add(struct grpc_split *s, const void *data, size_t len)
{
    if (s->at > 0) {
        memmove(s->text.data, s->text.data + s->at, s->text.len - s->at);
        s->text.len -= s->at;
        s->scan -= s->at;
        s->at = 0;
    }
    bytes_add(&s->text, data, len);
}

void grpc_split_end(struct grpc_split *s)
{
    s->ended = true;
}

void grpc_split_free(struct grpc_split *s)
{
    bytes_free(&s->text);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* `n` characters are one message, and gone. */
static void take(struct grpc_split *s, size_t n, struct bytes *ret)
{
    const char *from = s->text.data + s->at;

    ret->len = 0;
    bytes_add(ret, from, n);
    for (size_t i = 0; i < n; i++)
        s->line += from[i] == '\n';
    s->at += n;
    s->scan = s->at;
    s->messages++;
}

/* ---- JSON ---- */

/* One character more. Whether the value ends with it. */
static bool step(struct grpc_split *s, char c)
{
    if (s->in_string) {
        if (s->escaped)
            s->escaped = false;
        else if (c == '\\')
            s->escaped = true;
        else if (c == '"')
            s->in_string = false;
        return !s->in_string && s->depth == 0;
    }
    if (c == '"')
        s->in_string = true;
    else if (c == '{' || c == '[')
        s->depth++;
    else if (c == '}' || c == ']')
        return --s->depth <= 0;
    return false;
}

static bool is_in_scalar(const struct grpc_split *s)
{
    char first = s->text.data[s->at];

    return first != '{' && first != '[' && first != '"';
}

static void skip_blanks(struct grpc_split *s)
{
    while (s->at < s->text.len && is_blank(s->text.data[s->at]))
        s->line += s->text.data[s->at++] == '\n';
    s->scan = s->at;
}

/* A number, true, "null": it ends where something else begins. */
static bool ends_scalar(char c)
{
    return is_blank(c) || (c && strchr("{}[]\",:", c));
}

static enum grpc_split_verdict next_json(struct grpc_split *s, struct bytes *ret,
                                         struct complaint *why)
{
    if (s->scan == s->at)
        skip_blanks(s);
    if (s->at == s->text.len)
        return s->ended ? GRPC_SPLIT_DONE : GRPC_SPLIT_MORE;
    if (is_in_scalar(s)) {
        if (s->text.data[s->at] && strchr("}],:", s->text.data[s->at])) {
            complain(why, "line %lu: there is a %c where a message would begin", s->line,
                     s->text.data[s->at]);
            return GRPC_SPLIT_BAD;
        }
        if (s->scan == s->at)
            s->scan++;
        while (s->scan < s->text.len && !ends_scalar(s->text.data[s->scan]))
            s->scan++;
        if (s->scan == s->text.len && !s->ended)
            return GRPC_SPLIT_MORE;
        take(s, s->scan - s->at, ret);
        return GRPC_SPLIT_MESSAGE;
    }
    while (s->scan < s->text.len) {
        if (step(s, s->text.data[s->scan++])) {
            s->depth = 0;
            take(s, s->scan - s->at, ret);
            return GRPC_SPLIT_MESSAGE;
        }
        if (s->depth > DEPTH_MAX) {
            complain(why, "line %lu: is nested too deeply", s->line);
            return GRPC_SPLIT_BAD;
        }
    }
    if (!s->ended)
        return GRPC_SPLIT_MORE;
    complain(why, "line %lu: the JSON that begins there has no end", s->line);
    return GRPC_SPLIT_BAD;
}

/* ---- lines ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_hex(const char *text, size_t len, struct bytes *ret)
{
    int high = -1;

    for (size_t i = 0; i < len; i++) {
        int digit = hex_digit(text[i]);
        char byte;

        if (is_blank(text[i]))
            continue;
        if (digit < 0)
            return false;
        if (high < 0) {
            high = digit;
            continue;
        }
        byte = (char)(high << 4 | digit);
        bytes_add(ret, &byte, 1);
        high = -1;
    }
    return high < 0;
}

static enum grpc_split_verdict read_line(struct grpc_split *s, size_t len, struct bytes *ret,
                                         struct complaint *why)
{
    const char *from = s->text.data + s->at;
    bool good;

    ret->len = 0;
    bytes_add(ret, "", 0);
    good = s->format == GRPC_HEX ? read_hex(from, len, ret) : base64_read(from, len, ret);
    if (!good) {
        complain(why, "line %lu: is not %s", s->line,
                 s->format == GRPC_HEX ? "hex: pairs of 0-9 and a-f" : "base64");
        return GRPC_SPLIT_BAD;
    }
    s->at += len;
    s->scan = s->at;
    s->messages++;
    return GRPC_SPLIT_MESSAGE;
}

static enum grpc_split_verdict next_line(struct grpc_split *s, struct bytes *ret,
                                         struct complaint *why)
{
    const char *newline;

    if (s->scan == s->at)
        skip_blanks(s);
    if (s->at == s->text.len)
        return s->ended ? GRPC_SPLIT_DONE : GRPC_SPLIT_MORE;
    newline = memchr(s->text.data + s->scan, '\n', s->text.len - s->scan);
    s->scan = newline ? (size_t)(newline - s->text.data) : s->text.len;
    if (!newline && !s->ended)
        return GRPC_SPLIT_MORE;
    return read_line(s, s->scan - s->at, ret, why);
}

enum grpc_split_verdict grpc_split_next(struct grpc_split *s, struct bytes *ret,
                                        struct complaint *why)
{
    return s->format == GRPC_JSON ? next_json(s, ret, why) : next_line(s, ret, why);
}
