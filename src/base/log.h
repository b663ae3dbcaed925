/* SPDX-License-Identifier: MIT */
/* Log levels by tag, and the check that makes an unwanted line cost one comparison. */
#ifndef BL_BASE_LOG_H
#define BL_BASE_LOG_H

#include "base/mem.h"

#define BL_LOG_TAG_MAX  32
#define BL_LOG_TAGS_MAX 32

struct bl_log {
    void (*write)(int level, const char *tag, const char *line, void *arg); /* NULL: off */
    void *arg;
    int level;   /* of tags without their own */
    int loudest; /* the highest level of all: the quick check */
    size_t tags_n;
    struct {
        char tag[BL_LOG_TAG_MAX];
        int level;
    } tags[BL_LOG_TAGS_MAX];
};

void bl_log_init(struct bl_log *log, int level);
int bl_log_set(struct bl_log *log, const char *tag,
               int level); /* tag NULL: all; BELAY_EINVAL, BELAY_ELIMIT */
int bl_log_parse(struct bl_log *log,
                 const char *levels); /* "info,pool=debug"; changes nothing on error */
bool bl_log_wants(const struct bl_log *log, const char *tag, int level);
void bl_log_line(const struct bl_log *log, const char *tag, int level, const char *format, ...)
    BELAY_PRINTF(4, 5);

#define BL_LOG(log, tag, level_, ...)                                                              \
    do {                                                                                           \
        if ((log)->loudest >= (int)(level_) && bl_log_wants(log, tag, (int)(level_)))              \
            bl_log_line(log, tag, (int)(level_), __VA_ARGS__);                                     \
    } while (0)

#endif
