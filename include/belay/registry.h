/* SPDX-License-Identifier: MIT */
/*
 * belay/registry.h - processes by name. Each loop has a registry of its own; further ones keep
 * names apart, and one of the caller's own (OTP's `via`) is a table of three functions. Loop
 * thread.
 */
#ifndef BELAY_REGISTRY_H
#define BELAY_REGISTRY_H

#include "belay/process.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A registry of the caller's own. A name is unregistered once, when its process has ended. */
struct belay_registry_ops {
    size_t size;
    /* 0, BELAY_EEXISTS, BELAY_ENOMEM. The name must be copied. */
    int (*add)(const char *name, struct belay_process *process, void *arg);
    void (*remove)(const char *name, struct belay_process *process, void *arg);
    struct belay_process *(*find)(const char *name, void *arg); /* NULL: nobody */
};

/* `ops` NULL: belay's own. Names that are still in it go with it; it goes before its loop.
 * BELAY_ENOMEM, BELAY_EINVAL (`ops` without one of its functions). */
BELAY_API int belay_registry_new(struct belay_loop *loop, const struct belay_registry_ops *ops,
                                 void *arg, struct belay_registry **ret_registry);
BELAY_API void belay_registry_free(struct belay_registry *registry);

/*
 * A process may have several names; all go at its end. `registry` NULL: the loop's. BELAY_EEXISTS:
 * the name is taken (`error` says by whom); BELAY_ENOPROC: it has ended; BELAY_EINVAL: an empty
 * name or one with control characters; BELAY_ENOMEM.
 */
BELAY_API int belay_process_register(struct belay_process *process, struct belay_registry *registry,
                                     const char *name, struct belay_error *error);
/* BELAY_ENOPROC: the name is not this process's. */
BELAY_API int belay_process_unregister(struct belay_process *process,
                                       struct belay_registry *registry, const char *name);
/* Lent until its end; NULL: nobody has that name. `registry` NULL: the loop's. */
BELAY_API struct belay_process *belay_process_whereis(struct belay_loop *loop,
                                                      struct belay_registry *registry,
                                                      const char *name);

#ifdef __cplusplus
}
#endif

#endif
