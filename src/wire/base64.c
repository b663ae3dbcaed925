/* SPDX-License-Identifier: MIT */
/* Base64: three bytes are four digits of six bits. */
#include "wire/base64.h"

size_t bl_base64_write(const void *data, size_t len, bool padded, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = data;
    char *at = out;

    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned bits = (unsigned)in[i] << 16;

        if (left > 1)
            bits |= (unsigned)in[i + 1] << 8;
        if (left > 2)
            bits |= in[i + 2];
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        if (left > 1 || padded)
            *at++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        if (left > 2 || padded)
            *at++ = left > 2 ? digits[bits & 63] : '=';
    }
    return (size_t)(at - out);
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool bl_base64_read(struct bl_span text, void *out, size_t *ret_len)
{
    unsigned char *at = out;
    size_t len = text.len;
    unsigned bits = 0, held = 0;

    if (len > 0 && text.data[len - 1] == '=') {
        if (len % 4 != 0)
            return false;
        len -= text.data[len - 2] == '=' ? 2 : 1;
    }
    if (len % 4 == 1)
        return false;
    for (size_t i = 0; i < len; i++) {
        int value = digit_value(text.data[i]);

        if (value < 0)
            return false;
        bits = (bits << 6 | (unsigned)value) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *at++ = (unsigned char)(bits >> held);
        }
    }
    *ret_len = (size_t)(at - (unsigned char *)out);
    return true;
}
