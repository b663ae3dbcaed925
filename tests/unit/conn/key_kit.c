/* SPDX-License-Identifier: MIT */
/* What the tests of keys share. */
#include "unit/conn/key_kit.h"

#include <stdio.h>
#include <stdlib.h>

struct belay_endpoint *make(struct kit *kit, struct belay_endpoint_options o)
{
    struct belay_endpoint *e;
    struct belay_error error;

    o.size = sizeof o;
    if (belay_endpoint_new(kit->loop, &o, &e, &error) < 0)
        fail_msg("%s", error.text);
    return e;
}

/* ---- nothing is forgotten ---- */

void assert_gapless(const struct field *fields, size_t n, size_t whole)
{
    size_t end = sizeof(size_t);

    for (size_t i = 0; i < n; i++) {
        size_t align = fields[i].size < 8 ? fields[i].size : 8;

        if (i > 0 && strcmp(fields[i].name, fields[i - 1].name) == 0)
            continue;
        if (fields[i].offset < end || fields[i].offset >= end + align)
            fail_msg("before %s (at %zu, after %zu) there is a field without a row", fields[i].name,
                     fields[i].offset, end);
        end = fields[i].offset + fields[i].size;
    }
    if (whole >= end + 8)
        fail_msg("the last %zu bytes have no row", whole - end);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* The text between "struct NAME {" and "};", comments blanked out. */
static char *body_of(const char *header, const char *structure)
{
    const char *root = getenv("BELAY_SOURCE_DIR");
    static char text[65536];
    char path[4096], start[100];
    char *at, *end;
    FILE *in;

    if (!root)
        return NULL;
    snprintf(path, sizeof path, "%s/include/belay/%s", root, header);
    in = fopen(path, "r");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    snprintf(start, sizeof start, "struct %s {", structure);
    at = strstr(text, start);
    assert_non_null(at);
    at += strlen(start);
    end = strstr(at, "\n};");
    assert_non_null(end);
    *end = '\0';
    for (char *open; (open = strstr(at, "/*"));) {
        char *close = strstr(open, "*/");

        assert_non_null(close);
        memset(open, ' ', (size_t)(close + 2 - open));
    }
    return at;
}

/* A name stands before a comma or a semicolon. */
void assert_named(const char *header, const char *structure, const struct field *fields, size_t n)
{
    char *body = body_of(header, structure);
    size_t found = 0;

    for (char *at = body; at && *at; at++) {
        char name[64] = "";
        char *start = at;
        bool known = false;

        if (*at != ';' && *at != ',')
            continue;
        while (start > body && is_word(start[-1]))
            start--;
        snprintf(name, sizeof name, "%.*s", (int)(at - start), start);
        for (size_t i = 0; i < n; i++)
            known |= strcmp(fields[i].name, name) == 0;
        if (!known && strcmp(name, "size") != 0)
            fail_msg("struct %s: the option \"%s\" has no row here", structure, name);
        found++;
    }
    assert_true(!body || found > 5);
}

/* ---- all apart ---- */

#define KEYS_MAX 96

void assert_all_apart(struct kit *kit, const struct belay_endpoint_options *list, size_t n)
{
    struct belay_endpoint *made[KEYS_MAX], *again[KEYS_MAX];

    assert_true(n <= KEYS_MAX);
    for (size_t i = 0; i < n; i++) {
        made[i] = make(kit, list[i]);
        again[i] = make(kit, list[i]);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (belay_endpoint_equal(made[i], again[j]) != (i == j))
                fail_msg("number %zu (%s) and number %zu (%s)", i, belay_endpoint_name(made[i]), j,
                         belay_endpoint_name(made[j]));
    for (size_t i = 0; i < n; i++) {
        belay_endpoint_unref(made[i]);
        belay_endpoint_unref(again[i]);
    }
}

struct belay_addr addr_of(const char *ip, uint16_t port)
{
    struct belay_addr addr;

    assert_int_equal(belay_addr_parse_ip(ip, strlen(ip), port, &addr), 0);
    return addr;
}

struct belay_addr path_of(const char *path, size_t len)
{
    struct belay_addr addr = {.family = BELAY_FAMILY_UNIX, .path_len = (uint8_t)len};

    memcpy(addr.u.path, path, len);
    return addr;
}

void assert_same(struct kit *kit, const struct belay_endpoint_options pair[2], size_t number)
{
    struct belay_endpoint *a = make(kit, pair[0]), *b = make(kit, pair[1]);
    const void *key_a, *key_b;
    size_t len_a, len_b;

    if (!belay_endpoint_equal(a, b))
        fail_msg("pair %zu: %s and %s", number, belay_endpoint_name(a), belay_endpoint_name(b));
    key_a = bl_endpoint_key(a, &len_a);
    key_b = bl_endpoint_key(b, &len_b);
    assert_int_equal(len_a, len_b);
    assert_memory_equal(key_a, key_b, len_a);
    belay_endpoint_unref(a);
    belay_endpoint_unref(b);
}

int key_set_up(void **state)
{
    unsetenv("all_proxy");
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    return kit_set_up(state);
}

int key_tear_down(void **state)
{
    unsetenv("all_proxy");
    return kit_tear_down(state);
}
