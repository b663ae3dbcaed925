/* SPDX-License-Identifier: MIT */
/* What a Chronicle kernel is told of the process that connects. */
#ifndef BL_SERVICE_CHRONICLE_PROCESS_H
#define BL_SERVICE_CHRONICLE_PROCESS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct bl_chronicle_process {
    int32_t id;
    bool has_debugger; /* somebody traces it */
    char path[PATH_MAX];
    char machine[256];
};

/* What cannot be found out is empty. */
void bl_chronicle_process_look(struct bl_chronicle_process *ret);

#endif
