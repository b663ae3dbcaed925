/* SPDX-License-Identifier: MIT */
/* -F: multipart/form-data. */
#include "form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

/* ---- taking one apart ---- */

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* Whether a parameter begins at `at`, which is a semicolon; *ret_value is where its value does. */
static bool is_parameter(const char *at, const char *name, const char **ret_value)
{
    size_t len = strlen(name);

    at = skip_blanks(at + 1);
    if (strncmp(at, name, len) != 0 || at[len] != '=')
        return false;
    *ret_value = at + len + 1;
    return true;
}

static bool is_any_parameter(const char *at)
{
    const char *value;

    return at[0] == ';' &&
           (is_parameter(at, "type", &value) || is_parameter(at, "filename", &value) ||
            is_parameter(at, "headers", &value) || is_parameter(at, "encoder", &value));
}

/* In quotes, up to what ends them; NULL when it is not quoted as a whole. */
static const char *read_quoted(const char *at, char *out)
{
    for (at++; *at && *at != '"'; at++) {
        if (at[0] == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        *out++ = *at;
    }
    if (*at != '"')
        return NULL;
    *out = '\0';
    at = skip_blanks(at + 1);
    return *at == '\0' || is_any_parameter(at) ? at : NULL;
}

/* A value, up to the next parameter. A semicolon that begins none is a part of it. */
static const char *read_value(const char *at, char *out)
{
    const char *end = at[0] == '"' ? read_quoted(at, out) : NULL;
    size_t len = 0;

    if (end)
        return end;
    while (at[len] && !is_any_parameter(at + len))
        len++;
    memcpy(out, at, len);
    out[len] = '\0';
    return at + len;
}

static bool is_type(const char *type)
{
    const char *slash = strchr(type, '/');

    for (const char *c = type; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return slash && slash > type && slash[1];
}

static bool read_parameter(const char **at, struct form_part *part, char **out,
                           struct complaint *why)
{
    char shown[TEXT_SHOWN_MAX];
    const char *value;

    if (is_parameter(*at, "type", &value)) {
        part->type = *out;
        *at = read_value(value, *out);
        if (!is_type(part->type))
            return complain(why, "-F: \"%s\" is not a media type (such as text/plain)",
                            text_show(shown, sizeof shown, part->type));
    } else if (is_parameter(*at, "filename", &value)) {
        part->filename = *out;
        *at = read_value(value, *out);
    } else {
        return complain(why, "-F: ;headers= and ;encoder= are not supported (--form-string takes a "
                             "value as it is)");
    }
    *out += strlen(*out) + 1;
    return true;
}

bool form_parse(const struct form_option *option, struct form_part *ret, struct complaint *why)
{
    const char *text = option->text, *at = strchr(text, '=');
    size_t name_len = (size_t)(at - text);
    char *out = memory_get(strlen(text) + 8, 1); /* parts are never longer than the whole */

    memset(ret, 0, sizeof *ret);
    ret->name = out;
    memcpy(out, text, name_len);
    ret->value = out += name_len + 1;
    at++;
    if (option->literal) {
        strcpy(out, at);
        return true;
    }
    ret->kind = *at == '@' ? FORM_FILE : *at == '<' ? FORM_CONTENT : FORM_TEXT;
    at = read_value(ret->kind == FORM_TEXT ? at : at + 1, out);
    out += strlen(out) + 1;
    while (*at) {
        if (read_parameter(&at, ret, &out, why))
            continue;
        form_part_free(ret);
        return false;
    }
    if (ret->kind == FORM_TEXT || ret->value[0])
        return true;
    form_part_free(ret);
    return complain(why, "-F: \"%.*s\" names no file", (int)(name_len < 80 ? name_len + 2 : 80),
                    text);
}

void form_part_free(struct form_part *part)
{
    free(part->name);
    memset(part, 0, sizeof *part);
}

/* ---- writing ---- */

/* As the URL standard says: these three bytes, percent-encoded. */
static void add_quoted(struct bytes *b, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '"':
            bytes_add(b, "%22", 3);
            break;
        case '\r':
            bytes_add(b, "%0D", 3);
            break;
        case '\n':
            bytes_add(b, "%0A", 3);
            break;
        default:
            bytes_add(b, text, 1);
        }
    }
}

static void add_text(struct bytes *b, const char *text)
{
    bytes_add(b, text, strlen(text));
}

/* What curl takes a file for by its name. */
static const char *guess_type(const char *name)
{
    static const struct {
        const char *end, *type;
    } types[] = {
        {".gif", "image/gif"},       {".jpg", "image/jpeg"},        {".jpeg", "image/jpeg"},
        {".png", "image/png"},       {".svg", "image/svg+xml"},     {".txt", "text/plain"},
        {".htm", "text/html"},       {".html", "text/html"},        {".pdf", "application/pdf"},
        {".xml", "application/xml"}, {".json", "application/json"},
    };
    size_t len = strlen(name);

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t n = strlen(types[i].end);

        if (len > n && strcasecmp(name + len - n, types[i].end) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

void form_head(const struct form_part *part, const char *boundary, struct bytes *ret)
{
    const char *slash = strrchr(part->value, '/'), *filename = part->filename, *type = part->type;

    if (!filename && part->kind == FORM_FILE)
        filename = slash ? slash + 1 : part->value;
    if (!type && part->kind == FORM_FILE)
        type = guess_type(filename);
    add_text(ret, "--");
    add_text(ret, boundary);
    add_text(ret, "\r\nContent-Disposition: form-data; name=\"");
    add_quoted(ret, part->name);
    if (filename) {
        add_text(ret, "\"; filename=\"");
        add_quoted(ret, filename);
    }
    add_text(ret, "\"\r\n");
    if (type) {
        add_text(ret, "Content-Type: ");
        add_text(ret, type);
        add_text(ret, "\r\n");
    }
    add_text(ret, "\r\n");
}

void form_boundary(char out[FORM_BOUNDARY_MAX])
{
    unsigned char random[16];
    size_t have = 0;

    while (have < sizeof random) {
        ssize_t n = getrandom(random + have, sizeof random - have, 0);

        have += n > 0 ? (size_t)n : 0;
    }
    memcpy(out, "belay-", 6);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(out + 6 + i * 2, 3, "%02x", random[i]);
}

static bool add_content(const struct form_part *part, struct body *ret, struct complaint *why)
{
    size_t used;

    if (part->kind == FORM_TEXT) {
        body_add_text(ret, part->value, strlen(part->value));
        return true;
    }
    if (body_add_file(ret, part->value, why))
        return true;
    used = strlen(why->text);
    if (strchr(part->value, ','))
        snprintf(why->text + used, sizeof why->text - used, " (one -F for each file)");
    return false;
}

bool form_body(const struct client_options *o, const char *boundary, struct form_part *parts,
               struct body *ret, struct complaint *why)
{
    struct bytes text = {0};

    for (size_t i = 0; i < o->forms_n; i++) {
        if (!form_parse(&o->forms[i], &parts[i], why))
            return false;
        form_head(&parts[i], boundary, &text);
        body_add_text(ret, text.data, text.len);
        bytes_free(&text);
        if (!add_content(&parts[i], ret, why))
            return false;
        body_add_text(ret, "\r\n", 2);
    }
    body_add_text(ret, "--", 2);
    body_add_text(ret, boundary, strlen(boundary));
    body_add_text(ret, "--\r\n", 4);
    return true;
}
