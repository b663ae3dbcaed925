/* SPDX-License-Identifier: MIT */
/* What is wrong with a message's JSON: from libprotobuf's words, which know neither the type's name
 * nor what may have been meant, to a sentence. */
#include "grpc_json_error.h"

#include <stdlib.h>
#include <string.h>

/* "size: widht: Cannot find field.", "(size): widht: ..." and "widht: ..." */
static bool is_unknown_field(const struct grpc_schema *schema, const char *type, const char *said,
                             struct complaint *why)
{
    const char *end = strstr(said, ": Cannot find field."), *from, *nearest = NULL;
    struct strings names = {0};
    char *field, *place, shown[TEXT_SHOWN_MAX], where[TEXT_SHOWN_MAX];
    size_t best = SIZE_MAX, len;

    if (!end)
        return false;
    for (from = end; from > said && from[-1] != ' '; from--)
        ;
    field = memory_copy(from, (size_t)(end - from));
    len = (size_t)(from - said);
    while (len > 0 && strchr("): ", said[len - 1]))
        len--;
    place = said[0] == '(' && len > 0 ? memory_copy(said + 1, len - 1) : memory_copy(said, len);
    grpc_schema_fields(schema, type, &names);
    for (size_t i = 0; i < names.n; i++)
        if (text_is_nearer(field, names.items[i], &best))
            nearest = names.items[i];
    text_show(shown, sizeof shown, field);
    text_show(where, sizeof where, place);
    complain(why, "%.140s has no field \"%s\"%s%s%s%.60s%s", type, shown, place[0] ? " in " : "",
             where, nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "");
    for (size_t i = 0; i < names.n; i++)
        free(names.items[i]);
    free(names.items);
    free(field);
    free(place);
    return true;
}

static const char *last_of(const char *text, const char *word)
{
    const char *last = NULL;

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        last = at;
    return last;
}

/* "(size.width): invalid value "x" for type TYPE_DOUBLE" */
static bool is_bad_value(const struct grpc_schema *schema, const char *type, const char *said,
                         struct complaint *why)
{
    static const char middle[] = "): invalid value ";
    const char *cut = strstr(said, middle), *end = last_of(said, " for type "), *from;
    char *path, *value, shown[TEXT_SHOWN_MAX], where[TEXT_SHOWN_MAX];
    struct bytes kind = {0};
    bool found;

    if (said[0] != '(' || !cut || !end || end < cut)
        return false;
    from = cut + sizeof middle - 1;
    path = memory_copy(said + 1, (size_t)(cut - said - 1));
    value = memory_copy(from, (size_t)(end - from));
    found = grpc_schema_field_type(schema, type, path, &kind);
    if (found)
        complain(why, "its field %s: %s is no %.160s", text_show(where, sizeof where, path),
                 text_show(shown, sizeof shown, value),
                 strcmp(kind.data, "bytes") == 0 ? "base64" : kind.data);
    bytes_free(&kind);
    free(path);
    free(value);
    return found;
}

/* A caret on the last line of three shows where on the second. */
static void show_place(const char *said, struct complaint *why)
{
    const char *line = strchr(said, '\n'), *last = strrchr(said, '\n');
    size_t n = (size_t)(line - said), caret = strlen(last + 1), len = (size_t)(last - line);
    char *beside, shown[24];

    if (last == line || caret == 0 || caret >= len) {
        complain(why, "is not JSON: %.*s", (int)n, said);
        return;
    }
    beside = memory_copy(line + caret, len - caret);
    complain(why, "is not JSON: %.*s It is at: %s", (int)n, said,
             text_show(shown, sizeof shown, beside));
    free(beside);
}

void grpc_json_error(const struct grpc_schema *schema, const char *type, const char *said,
                     struct complaint *why)
{
    char shown[TEXT_SHOWN_MAX];

    if (is_unknown_field(schema, type, said, why) || is_bad_value(schema, type, said, why))
        return;
    if (strchr(said, '\n'))
        show_place(said, why);
    else
        complain(why, "is no %.150s: %s", type,
                 text_show(shown, sizeof shown, strncmp(said, ": ", 2) == 0 ? said + 2 : said));
}
