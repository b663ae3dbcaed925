/* SPDX-License-Identifier: MIT */
/*
 * What a host name is, before anybody is asked. Names come from URLs, redirects and DNS answers, so
 * nothing passes but letters, digits, hyphens and underscores in labels of proper length.
 */
#include "net/resolver_inside.h"

#define LABEL_MAX 63

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

/* Dots and digits alone at the end would be a number to some and a name to others. */
static bool is_name(const char *name, size_t len)
{
    size_t label = 0;
    bool digits = true;
    if (len && name[len - 1] == '.')
        len--;
    if (!len || len > BL_NAME_MAX - 1)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '.') {
            if (!label)
                return false;
            label = 0;
            digits = true;
            continue;
        }
        if (!is_label_char(name[i]) || ++label > LABEL_MAX)
            return false;
        digits = digits && is_digit(name[i]);
    }
    return label && !digits;
}

static bool is_localhost(const char *name, size_t len)
{
    static const char word[] = "localhost";
    size_t n = sizeof word - 1;
    if (len && name[len - 1] == '.')
        len--;
    if (len < n || memcmp(name + len - n, word, n) != 0)
        return false;
    return len == n || name[len - n - 1] == '.';
}

bool bl_is_host_name(const char *host)
{
    char lower[BL_NAME_MAX + 1];
    struct belay_addr addr;
    return bl_name_classify(host, lower, &addr) != BL_NAME_BAD;
}

enum bl_name_kind bl_name_classify(const char *host, char lower[BL_NAME_MAX + 1],
                                   struct belay_addr *addr)
{
    size_t len = strnlen(host, BL_NAME_MAX + 1);
    if (len > BL_NAME_MAX)
        return BL_NAME_BAD;
    if (belay_addr_parse_ip(host, len, 0, addr) == 0)
        return BL_NAME_NUMERIC;
    for (size_t i = 0; i <= len; i++)
        lower[i] = host[i] >= 'A' && host[i] <= 'Z' ? (char)(host[i] + ('a' - 'A')) : host[i];
    if (!is_name(lower, len))
        return BL_NAME_BAD;
    return is_localhost(lower, len) ? BL_NAME_LOCALHOST : BL_NAME_DNS;
}
