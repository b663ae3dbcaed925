/* SPDX-License-Identifier: MIT */
/* Users and passwords. Copies are wiped before their memory is given back. */
#include "wire/credentials.h"

#include "belay/error.h"
#include "wire/base64.h"

static int hex_value(char c)
{
    c = bl_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *bl_unescape(struct bl_mem *mem, struct bl_span text, size_t *ret_len)
{
    char *out = bl_alloc(mem, text.len + 1);
    size_t n = 0;

    if (!out)
        return NULL;
    for (size_t i = 0; i < text.len; i++) {
        int high = i + 2 < text.len && text.data[i] == '%' ? hex_value(text.data[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text.data[i + 2]) : -1;

        out[n++] = low >= 0 ? (char)(high * 16 + low) : text.data[i];
        i += low >= 0 ? 2 : 0;
    }
    out[n] = '\0';
    *ret_len = n;
    return out;
}

bool bl_is_unreserved(char c)
{
    return (c >= '0' && c <= '9') || (bl_lower(c) >= 'a' && bl_lower(c) <= 'z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int bl_escape(struct bl_buf *out, struct bl_mem *mem, struct bl_span text, bool (*is_plain)(char c))
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = text.len;
    char *at;

    for (size_t i = 0; i < text.len; i++)
        len += is_plain(text.data[i]) ? 0 : 2;
    if (len == 0)
        return 0;
    at = bl_buf_reserve(out, mem, len);
    if (!at)
        return BELAY_ENOMEM;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (is_plain(text.data[i])) {
            *at++ = text.data[i];
            continue;
        }
        *at++ = '%';
        *at++ = digits[c >> 4];
        *at++ = digits[c & 15];
    }
    bl_buf_commit(out, len);
    return 0;
}

/* "user:password" is written where its base64 ends, and encoded from there. */
char *bl_basic_credentials(struct bl_mem *mem, struct bl_span user, struct bl_span password)
{
    static const char prefix[] = "Basic ";
    size_t len = user.len + 1 + password.len, start = sizeof prefix - 1;
    size_t end = start + BL_BASE64_LEN(len);
    char *out = bl_alloc(mem, end + 1), *plain;

    if (!out)
        return NULL;
    memcpy(out, prefix, start);
    plain = out + end - len;
    if (user.len > 0)
        memcpy(plain, user.data, user.len);
    plain[user.len] = ':';
    if (password.len > 0)
        memcpy(plain + user.len + 1, password.data, password.len);
    bl_base64_write(plain, len, true, out + start);
    out[end] = '\0';
    return out;
}

void bl_free_secret(struct bl_mem *mem, char *secret, size_t len)
{
    if (secret)
        explicit_bzero(secret, len);
    bl_free(mem, secret);
}
