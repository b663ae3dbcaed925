/* SPDX-License-Identifier: MIT */
/*
 * Names of processes. A name is an entry in two lists: the process's, so that all go at its end
 * without being looked for, and the registry's, so that all go with it.
 */
#ifndef BL_KEEP_REGISTRY_H
#define BL_KEEP_REGISTRY_H

#include "base/map.h"
#include "belay/registry.h"
#include "keep/process.h"

struct belay_registry {
    struct belay_loop *loop;
    struct belay_registry_ops ops; /* all NULL: belay's own */
    void *arg;
    struct bl_map map; /* belay's own: entries by their text */
    struct bl_list entries;
};

/* At the start of a process, whose list of names is made: what belay_process_register does, for one
 * that does not live yet. On an error nothing has changed. */
int bl_registry_add(struct belay_registry *registry, struct belay_process *process,
                    const char *name, struct belay_error *error);
/* It has ended (or could not be started): its names go. May be called again. */
void bl_registry_forget(struct belay_process *process);

#endif
