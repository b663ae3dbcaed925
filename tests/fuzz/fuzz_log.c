/* SPDX-License-Identifier: MIT */
/* Log levels ("info,pool=debug"): all is taken or nothing, and what was taken can be written down. */
#include <stdio.h>

#include "base/log.h"
#include "belay/error.h"
#include "belay/loop.h"
#include "fuzz/fuzz.h"

#define TEXT_MAX 4096

static int level_of(const struct bl_log *log, const char *tag)
{
    for (size_t i = 0; i < log->tags_n; i++)
        if (strcmp(log->tags[i].tag, tag) == 0)
            return log->tags[i].level;
    return -1;
}

static void check_same(const struct bl_log *a, const struct bl_log *b)
{
    BL_ASSERT(a->level == b->level && a->loudest == b->loudest && a->tags_n == b->tags_n);
    for (size_t i = 0; i < a->tags_n; i++)
        BL_ASSERT(level_of(b, a->tags[i].tag) == a->tags[i].level);
}

static void check_sound(const struct bl_log *log)
{
    int loudest = log->level;

    BL_ASSERT(log->level >= BELAY_LOG_OFF && log->level <= BELAY_LOG_DEBUG);
    BL_ASSERT(log->tags_n <= BL_LOG_TAGS_MAX);
    for (size_t i = 0; i < log->tags_n; i++) {
        int level = log->tags[i].level;

        BL_ASSERT(strnlen(log->tags[i].tag, BL_LOG_TAG_MAX) < BL_LOG_TAG_MAX);
        BL_ASSERT(log->tags[i].tag[0] != '\0');
        BL_ASSERT(level >= BELAY_LOG_OFF && level <= BELAY_LOG_DEBUG);
        loudest = level > loudest ? level : loudest;
    }
    BL_ASSERT(log->loudest == loudest);
}

/* The levels as somebody would write them. */
static void write_down(const struct bl_log *log, char *out, size_t size)
{
    static const char *const names[] = {"", "off", "error", "warn", "info", "debug"};
    size_t at = (size_t)snprintf(out, size, "%s", names[log->level]);

    for (size_t i = 0; i < log->tags_n; i++)
        at += (size_t)snprintf(out + at, size - at, ",%s=%s", log->tags[i].tag,
                               names[log->tags[i].level]);
    BL_ASSERT(at < size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bl_log log, before, again;
    struct fuzz_input in = {data, size};
    char text[TEXT_MAX], copy[TEXT_MAX];

    bl_log_init(&log, BELAY_LOG_WARN);
    bl_log_init(&again, BELAY_LOG_WARN);
    while (in.len > 0) { /* line by line, one after the other */
        struct bl_span line = fuzz_line(&in);
        size_t len = line.len < sizeof text - 1 ? line.len : sizeof text - 1;

        if (len > 0)
            memcpy(text, line.data, len);
        text[len] = '\0';
        before = log;
        if (bl_log_parse(&log, text) < 0)
            check_same(&log, &before);
        check_sound(&log);
    }
    write_down(&log, copy, sizeof copy);
    BL_ASSERT(bl_log_parse(&again, copy) == 0);
    check_same(&log, &again);
    return 0;
}
