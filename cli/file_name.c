/* SPDX-License-Identifier: MIT */
/* Names of files made from URLs. */
#include "file_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* The last part of the path: *ret_len bytes, maybe none. */
static const char *last_part(const char *url, size_t *ret_len)
{
    const char *host = strstr(url, "://"), *path, *end, *part;

    host = host ? host + 3 : url;
    end = host + strcspn(host, "?#");
    path = host + strcspn(host, "/?#");
    part = path;
    for (const char *c = path; c < end; c++)
        if (*c == '/')
            part = c + 1;
    *ret_len = path < end ? (size_t)(end - part) : 0;
    return part;
}

/* Undoes "%2F"; a NUL and a slash become something harmless at once. */
static size_t unescape(const char *part, size_t len, char out[FILE_NAME_MAX])
{
    const char *end = part + len;
    size_t at = 0;

    while (part < end && at + 1 < FILE_NAME_MAX) {
        char c = text_unescape(&part, end);

        out[at++] = c == '\0' || c == '/' || c == '\\' ? '_' : c;
    }
    out[at] = '\0';
    return at;
}

void file_name_of_url(const char *url, char out[FILE_NAME_MAX])
{
    size_t len;
    const char *part = last_part(url, &len);
    char shown[FILE_NAME_MAX * 4];

    if (unescape(part, len, out) == 0) {
        snprintf(out, FILE_NAME_MAX, "index.html");
        return;
    }
    /* What has to be shown as \n or \xff does not belong in a name. */
    text_show(shown, sizeof shown, out);
    len = 0;
    for (const char *c = shown; *c && len + 1 < FILE_NAME_MAX; c++) {
        if (*c == '\\') {
            c += c[1] == 'x' ? 3 : 1;
            out[len++] = '_';
        } else {
            out[len++] = *c;
        }
    }
    out[len] = '\0';
    if (out[0] == '.' || out[0] == '-')
        out[0] = '_';
}

void file_name_numbered(const char *name, unsigned n, char *out, size_t size)
{
    if (n == 0)
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "%s.%u", name, n);
}
