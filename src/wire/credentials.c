/* SPDX-License-Identifier: MIT */
/* Users and passwords. Copies are wiped before their memory is given back. */
#include "wire/credentials.h"

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

/* ---- Basic ---- */

/* Three bytes of "user:password" at a time. */
static unsigned char byte_at(struct bl_span user, struct bl_span password, size_t i)
{
    if (i < user.len)
        return (unsigned char)user.data[i];
    if (i == user.len)
        return ':';
    i -= user.len + 1;
    return i < password.len ? (unsigned char)password.data[i] : 0;
}

char *bl_basic_credentials(struct bl_mem *mem, struct bl_span user, struct bl_span password)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char prefix[] = "Basic ";
    size_t len = user.len + 1 + password.len;
    char *out = bl_alloc(mem, sizeof prefix + (len + 2) / 3 * 4), *at;

    if (!out)
        return NULL;
    memcpy(out, prefix, sizeof prefix - 1);
    at = out + sizeof prefix - 1;
    for (size_t i = 0; i < len; i += 3) {
        unsigned bits = (unsigned)byte_at(user, password, i) << 16 |
                        (unsigned)byte_at(user, password, i + 1) << 8 |
                        byte_at(user, password, i + 2);

        *at++ = letters[bits >> 18];
        *at++ = letters[bits >> 12 & 63];
        *at++ = i + 1 < len ? letters[bits >> 6 & 63] : '=';
        *at++ = i + 2 < len ? letters[bits & 63] : '=';
    }
    *at = '\0';
    return out;
}

void bl_free_secret(struct bl_mem *mem, char *secret, size_t len)
{
    if (secret)
        explicit_bzero(secret, len);
    bl_free(mem, secret);
}
