/* SPDX-License-Identifier: MIT */
/* The process that connects to a Chronicle kernel, as the system knows it. */
#include "service/chronicle_process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

static bool is_traced(void)
{
    static const char name[] = "TracerPid:";
    FILE *file = fopen("/proc/self/status", "re");
    bool traced = false;
    char line[256];

    if (!file)
        return false;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, name, sizeof name - 1) == 0)
            traced = strtol(line + sizeof name - 1, NULL, 10) > 0;
    }
    fclose(file);
    return traced;
}

void bl_chronicle_process_look(struct bl_chronicle_process *ret)
{
    ssize_t len = readlink("/proc/self/exe", ret->path, sizeof ret->path - 1);

    ret->path[len < 0 ? 0 : len] = '\0';
    if (gethostname(ret->machine, sizeof ret->machine) < 0)
        ret->machine[0] = '\0';
    ret->machine[sizeof ret->machine - 1] = '\0';
    bl_text_make_utf8(ret->path); /* as the protocol's texts are, lest the kernel read none of it */
    bl_text_make_utf8(ret->machine);
    ret->id = (int32_t)getpid();
    ret->has_debugger = is_traced();
}
