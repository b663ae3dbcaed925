/* SPDX-License-Identifier: MIT */
/*
 * The hosts file, of the caller's choice. It is kept as text and scanned at a query; whether it has
 * changed is looked at once a second at most. A file that cannot be read counts as empty.
 */
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

#include "net/resolver_inside.h"

#define FILE_MAX      (16u << 20)
#define LOOK_EVERY_MS 1000

struct token {
    const char *at;
    size_t len;
};

static bool next_token(const char **at, const char *end, struct token *token)
{
    const char *p = *at;
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
        p++;
    token->at = p;
    while (p < end && *p != ' ' && *p != '\t' && *p != '\r')
        p++;
    token->len = (size_t)(p - token->at);
    *at = p;
    return token->len > 0;
}

static bool line_names(const char *at, const char *end, const char *name, size_t len)
{
    struct token token;
    while (next_token(&at, end, &token)) {
        if (token.len == len && strncasecmp(token.at, name, len) == 0)
            return true;
    }
    return false;
}

int bl_hosts_scan(const char *text, size_t len, const char *name, enum belay_family family,
                  struct belay_addr *out, size_t max)
{
    const char *end = text ? text + len : NULL;
    size_t name_len = strlen(name), n = 0;
    bool found = false;
    if (name_len && name[name_len - 1] == '.')
        name_len--;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *next = newline ? newline + 1 : end;
        const char *stop = newline ? newline : end;
        const char *comment = memchr(text, '#', (size_t)(stop - text));
        const char *at = text;
        struct belay_addr addr;
        struct token ip;
        stop = comment ? comment : stop;
        text = next;
        if (!next_token(&at, stop, &ip) || belay_addr_parse_ip(ip.at, ip.len, 0, &addr) < 0 ||
            !line_names(at, stop, name, name_len))
            continue;
        found = true;
        if (addr.family == family && n < max)
            out[n++] = addr;
    }
    return found ? (int)n : BELAY_ENONAME;
}

static int read_file(struct bl_hosts *hosts, struct belay_loop *loop, const char *path, size_t size)
{
    FILE *file;
    char *text;
    if (size == 0 || size > FILE_MAX)
        return 0;
    text = bl_alloc(&loop->mem, size);
    if (!text)
        return BELAY_ENOMEM;
    file = fopen(path, "re");
    if (file) {
        hosts->len = fread(text, 1, size, file);
        fclose(file);
        hosts->text = text;
    } else {
        bl_free(&loop->mem, text);
    }
    return 0;
}

static int refresh(struct bl_hosts *hosts, struct belay_loop *loop, const char *path)
{
    uint64_t stamp[3] = {0, 0, 0};
    struct stat st;
    size_t size = 0;
    int rc;
    if (hosts->looked && bl_now(loop) - hosts->looked_ns < BL_MS(LOOK_EVERY_MS))
        return 0;
    if (stat(path, &st) == 0) {
        stamp[0] = (uint64_t)st.st_mtim.tv_sec;
        stamp[1] = (uint64_t)st.st_mtim.tv_nsec;
        stamp[2] = (uint64_t)st.st_ino ^ ((uint64_t)st.st_size << 32);
        size = (size_t)st.st_size;
    }
    if (!hosts->looked || memcmp(stamp, hosts->stamp, sizeof stamp) != 0) {
        bl_hosts_free(hosts, loop);
        rc = read_file(hosts, loop, path, size);
        if (rc < 0)
            return rc;
        memcpy(hosts->stamp, stamp, sizeof stamp);
    }
    hosts->looked = true;
    hosts->looked_ns = bl_now(loop);
    return 0;
}

int bl_hosts_find(struct bl_hosts *hosts, struct belay_loop *loop, const char *path,
                  const char *name, enum belay_family family, struct belay_addr *out, size_t max)
{
    int rc = refresh(hosts, loop, path);
    if (rc < 0)
        return rc;
    return bl_hosts_scan(hosts->text, hosts->len, name, family, out, max);
}

void bl_hosts_free(struct bl_hosts *hosts, struct belay_loop *loop)
{
    bl_free(&loop->mem, hosts->text);
    memset(hosts, 0, sizeof *hosts);
}
