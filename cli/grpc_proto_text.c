/* SPDX-License-Identifier: MIT */
/* The text of a .proto file for people. */
#include "grpc_proto_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool is_word(char c)
{
    return c == '_' || isalnum((unsigned char)c);
}

/* Of "sku = 1 [json_name = "sku"]" the length of what stands at the bracket, `written` behind its
 * number; 0: the name is another. */
static size_t json_name_len(const char *begin, const char *written, const char *at)
{
    static const char mark[] = "[json_name = \"";
    const char *name = at + sizeof mark - 1, *end;
    size_t len;

    if (strncmp(at, mark, sizeof mark - 1) != 0)
        return 0;
    end = strchr(name, '"');
    if (!end || end[1] != ']')
        return 0;
    len = (size_t)(end - name);
    while (written > begin && isdigit((unsigned char)written[-1]))
        written--;
    if ((size_t)(written - begin) < len + 4 || memcmp(written - 3, " = ", 3) != 0)
        return 0;
    written -= 3 + len;
    return memcmp(written, name, len) == 0 && !is_word(written[-1]) ? len + sizeof mark + 1 : 0;
}

void grpc_proto_text_simplify(char *text)
{
    char *out = text;

    for (const char *at = text; *at; at++) {
        bool begins = out > text && strchr("( <[", out[-1]);

        if (begins && *at == '.' && (isalpha((unsigned char)at[1]) || at[1] == '_'))
            continue;
        if (begins && out[-1] == ' ' && *at == '[') {
            size_t n = json_name_len(text, out - 1, at);

            if (n > 0) {
                out--;
                at += n - 1;
                continue;
            }
        }
        *out++ = *at;
    }
    *out = '\0';
}
