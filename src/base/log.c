/* SPDX-License-Identifier: MIT */
/* Log levels by tag, and the making of a line. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/text.h"
#include "belay/error.h"

#define LINE_MAX 1024

/* In the order of enum belay_log_level. */
static const char *const level_names[] = {"default", "off", "error", "warn", "info", "debug"};

enum { LEVEL_DEFAULT = 0, LEVEL_WARN = 3 };

static void find_loudest(struct bl_log *log)
{
    log->loudest = log->level;
    for (size_t i = 0; i < log->tags_n; i++) {
        if (log->tags[i].level > log->loudest)
            log->loudest = log->tags[i].level;
    }
}

void bl_log_init(struct bl_log *log, int level)
{
    memset(log, 0, sizeof *log);
    log->level = level == LEVEL_DEFAULT ? LEVEL_WARN : level;
    find_loudest(log);
}

/* Index of a tag's own level, or tags_n. */
static size_t tag_index(const struct bl_log *log, const char *tag)
{
    size_t i;

    for (i = 0; i < log->tags_n; i++) {
        if (strcmp(log->tags[i].tag, tag) == 0)
            break;
    }
    return i;
}

/* Gives one tag its own level; LEVEL_DEFAULT takes it away. */
static int set_tag(struct bl_log *log, const char *tag, int level)
{
    size_t i = tag_index(log, tag);

    if (level == LEVEL_DEFAULT) {
        if (i < log->tags_n)
            log->tags[i] = log->tags[--log->tags_n];
        return 0;
    }
    if (i == BL_LOG_TAGS_MAX)
        return BELAY_ELIMIT;
    if (i == log->tags_n) {
        memcpy(log->tags[i].tag, tag, strlen(tag) + 1);
        log->tags_n++;
    }
    log->tags[i].level = level;
    return 0;
}

int bl_log_set(struct bl_log *log, const char *tag, int level)
{
    int rc = 0;

    if (level < 0 || level >= (int)BL_COUNT(level_names))
        return BELAY_EINVAL;
    if (tag) {
        size_t len = strlen(tag);

        if (len == 0 || len >= BL_LOG_TAG_MAX || strpbrk(tag, "=, "))
            return BELAY_EINVAL;
        rc = set_tag(log, tag, level);
    } else {
        log->level = level == LEVEL_DEFAULT ? LEVEL_WARN : level;
        log->tags_n = 0;
    }
    find_loudest(log);
    return rc;
}

/* ---- "info,pool=debug" ---- */

static int parse_level(const char *text, size_t len)
{
    for (size_t i = 0; i < BL_COUNT(level_names); i++) {
        if (strlen(level_names[i]) == len && memcmp(level_names[i], text, len) == 0)
            return (int)i;
    }
    return BELAY_EINVAL;
}

/* One item: "info" in the first pass, "pool=debug" in the second. */
static int parse_item(struct bl_log *log, const char *item, size_t len, bool with_tag)
{
    const char *equals = memchr(item, '=', len);
    char tag[BL_LOG_TAG_MAX];
    size_t tag_len;
    int level;

    if (with_tag != (equals != NULL))
        return 0;
    if (!equals) {
        level = parse_level(item, len);
        return level < 0 ? level : bl_log_set(log, NULL, level);
    }
    tag_len = (size_t)(equals - item);
    level = parse_level(equals + 1, len - tag_len - 1);
    if (level < 0 || tag_len >= sizeof tag)
        return BELAY_EINVAL;
    memcpy(tag, item, tag_len);
    tag[tag_len] = '\0';
    return bl_log_set(log, tag, level);
}

static int parse_items(struct bl_log *log, const char *levels, bool with_tag)
{
    for (const char *at = levels;; at++) {
        size_t len = strcspn(at, ",");
        int rc = parse_item(log, at, len, with_tag);

        if (rc < 0)
            return rc;
        at += len;
        if (*at == '\0')
            return 0;
    }
}

int bl_log_parse(struct bl_log *log, const char *levels)
{
    struct bl_log changed = *log;
    int rc;

    if (!levels)
        return BELAY_EINVAL;
    if (levels[0] == '\0')
        return 0;
    /* The level of all goes first, wherever it stands: it would undo those of the tags. */
    rc = parse_items(&changed, levels, false);
    if (rc == 0)
        rc = parse_items(&changed, levels, true);
    if (rc == 0)
        *log = changed;
    return rc;
}

/* ---- lines ---- */

bool bl_log_wants(const struct bl_log *log, const char *tag, int level)
{
    size_t i;

    if (!log->write || level > log->loudest)
        return false;
    i = tag_index(log, tag);
    return level <= (i < log->tags_n ? log->tags[i].level : log->level);
}

void bl_log_line(const struct bl_log *log, const char *tag, int level, const char *format, ...)
{
    char line[LINE_MAX];
    va_list args;
    int n;

    if (!log->write)
        return;
    va_start(args, format);
    n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n >= sizeof line) {
        size_t cut = bl_text_cut(line, sizeof line - 1, sizeof line - 4);

        memcpy(line + cut, "...", 4);
    }
    /* One line is one line, whatever a peer put into it. */
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
    log->write(level, tag, line, log->arg);
}
