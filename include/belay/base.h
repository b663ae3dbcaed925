/* SPDX-License-Identifier: MIT */
/*
 * belay/base.h - what every other header stands on: version, export macro, option structs, memory.
 *
 * The laws of the whole interface
 *
 *  1. A call that returns an error changed nothing and will never call back. A call that returns 0
 *     calls back exactly once, unless it is cancelled.
 *  2. No callback runs inside the call that asked for it, nor under a lock. In a callback every
 *     non-blocking call is allowed, closing the object included.
 *  3. Cancelling is final: after it returns, the callback never runs.
 *  4. `close` never fails and never allocates, and may be called again until `on_closed`. What is
 *     outstanding completes with BELAY_ECLOSED, then `on_closed` runs once, then belay touches
 *     nothing of yours and frees the object.
 *  5. Options are read during the call and strings are copied. What a callback is handed lives
 *     until it returns, unless its comment says otherwise. What is handed out by `ret_...` is the
 *     caller's, to be given back; what a function returns is only lent.
 *  6. An object belongs to one loop and its thread. What may be called from any thread says so.
 *     References (of endpoints, peers, targets, TLS identities, sources) are given back before the
 *     loop is freed, and leases die with it.
 *
 * Errors are negative ints (belay/error.h). `free`, `close` and `unref` accept NULL.
 */
#ifndef BELAY_BASE_H
#define BELAY_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BELAY_VERSION_MAJOR 0
#define BELAY_VERSION_MINOR 1
#define BELAY_VERSION_PATCH 0
#define BELAY_VERSION       "0.1.0"

#if defined(__GNUC__)
#define BELAY_API          __attribute__((visibility("default")))
#define BELAY_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define BELAY_MUST_CHECK   __attribute__((warn_unused_result))
#else
#define BELAY_API
#define BELAY_PRINTF(f, a)
#define BELAY_MUST_CHECK
#endif

/*
 * In the fields of option structs 0 means the default. These two mean what they say in every
 * numeric field that allows them; as an argument of a function BELAY_FOREVER is no limit and 0 is
 * zero.
 */
#define BELAY_NONE    (-1) /* none, zero or off, where that is not the default */
#define BELAY_FOREVER (-2) /* no limit */

/*
 * Option structs begin with their size, so that a program compiled against an older header goes on
 * working. Prepare one with its init function (C and C++17) or its macro (C):
 *
 *     struct belay_pool_options o = belay_pool_options_init();
 *     o.max_connections_total = 100;
 *
 *     struct belay_pool_options o = { BELAY_SIZED(belay_pool_options),
 *                                     .max_connections_total = 100 };
 *
 * Tables of callbacks and results have a size, too; where there is no init function, C++ sets it by
 * hand.
 */
#define BELAY_SIZED(name) .size = sizeof(struct name)
#define BELAY_OPTIONS_INIT(name)                                                                   \
    static inline struct name name##_init(void)                                                    \
    {                                                                                              \
        struct name o;                                                                             \
        memset(&o, 0, sizeof o);                                                                   \
        o.size = sizeof o;                                                                         \
        return o;                                                                                  \
    }

/* The version of the library that is running, as "0.1.0". Any thread. */
BELAY_API const char *belay_version(void);

/*
 * Where belay's memory comes from; one per loop (belay/world.h). `allocate` and `reallocate` may
 * return NULL at any time: the call in progress then fails with BELAY_ENOMEM and nothing is lost.
 * c-ares, libuv and OpenSSL keep to their own allocators. Called on the loop's thread, and from
 * belay_loop_post, offload and processes on others.
 */
struct belay_allocator {
    size_t size;
    void *(*allocate)(size_t bytes, void *arg);
    void *(*reallocate)(void *memory, size_t bytes, void *arg); /* memory may be NULL */
    void (*release)(void *memory, void *arg);                   /* memory may be NULL */
    void *arg;
};

#ifdef __cplusplus
}
#endif

#endif
