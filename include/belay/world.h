/* SPDX-License-Identifier: MIT */
/*
 * belay/world.h - the seams: everything belay asks of the operating system, each a small table of
 * functions that may be replaced, one at a time, when a loop is made. The defaults are libuv,
 * c-ares and the kernel's; belay's own simulator is a set of replacements, and so may be the tests
 * of a program that wants to see how it fails.
 *
 * Every table begins with its size; `arg` is passed back as the last argument. All functions are
 * called on the loop's thread unless the comment says otherwise. The tables must outlive the loop.
 */
#ifndef BELAY_WORLD_H
#define BELAY_WORLD_H

#include "belay/addr.h"
#include "belay/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_loop;

#define BELAY_NEVER UINT64_MAX /* a point in time that does not come */

/* Time. The loop reads it once per turn. */
struct belay_clock {
    size_t size;
    uint64_t (*now_ns)(void *arg); /* monotonic */
    int64_t (*wall_ms)(void *arg); /* since 1970, UTC: certificates, logs */
    void *arg;
};

/* Randomness: jitter, hash keys, the HMAC key of secrets. */
struct belay_random {
    size_t size;
    void (*fill)(void *out, size_t bytes, void *arg);
    void *arg;
};

/* Bytes to be written, as in struct iovec. */
struct belay_bytes {
    const void *data;
    size_t len;
};

enum belay_socket_option {
    BELAY_SOCKET_NODELAY = 1,      /* 0 or 1 */
    BELAY_SOCKET_KEEPALIVE_IDLE,   /* seconds; 0 turns probes off */
    BELAY_SOCKET_KEEPALIVE_EVERY,  /* seconds */
    BELAY_SOCKET_KEEPALIVE_PROBES, /* count */
    BELAY_SOCKET_USER_TIMEOUT,     /* milliseconds; 0 is the system's default */
};

/*
 * Sockets, non-blocking all. Results are >= 0, or a negative errno value.
 */
struct belay_transport {
    size_t size;
    /* A stream socket: a descriptor that the loop's backend can watch. */
    int (*open)(enum belay_family family, void *arg);
    /* Source address (port 0: any) and interface name; either may be NULL. */
    int (*bind)(int fd, const struct belay_addr *source, const char *interface_name, void *arg);
    /* 0, -EINPROGRESS (writable when decided; then connect_result) or another error. */
    int (*connect)(int fd, const struct belay_addr *to, void *arg);
    int (*connect_result)(int fd, void *arg);
    /* Bytes read, 0 at the end, -EAGAIN. */
    ptrdiff_t (*read)(int fd, void *out, size_t size, void *arg);
    /* Bytes written, which may be fewer than asked, or -EAGAIN. Never raises SIGPIPE. */
    ptrdiff_t (*write)(int fd, const struct belay_bytes *bytes, size_t n, void *arg);
    int (*shutdown_write)(int fd, void *arg);
    void (*close)(int fd, void *arg);
    int (*set_option)(int fd, enum belay_socket_option option, int value, void *arg);
    /* Milliseconds since the peer last acknowledged anything, 0 while it owes no acknowledgement;
       -ENOTSUP where it cannot be known. */
    int (*ack_age_ms)(int fd, void *arg);
    /* The source address that the kernel would choose for a destination: RFC 6724 sorting. */
    int (*source_for)(const struct belay_addr *to, struct belay_addr *ret, void *arg);
    int (*local_addr)(int fd, struct belay_addr *ret, void *arg);
    void *arg;
    /* Bytes written that the other end's system has not acknowledged, also of a connection that was
       reset; -ENOTSUP where it cannot be known. */
    int (*unacked)(int fd, void *arg);
};

enum belay_dns_type { BELAY_DNS_A = 1, BELAY_DNS_AAAA = 28, BELAY_DNS_SRV = 33 };

struct belay_dns_record {
    uint32_t ttl_s;
    struct belay_addr addr; /* A, AAAA; port 0 */
    const char *target;     /* SRV: lives until the callback returns */
    uint16_t port, priority, weight;
};

/*
 * What one query came to: 0 and at least one record; or BELAY_ENONAME (no such name, or no record
 * of that type), BELAY_EDNS, BELAY_ETIMEDOUT, BELAY_ENOMEM, and none.
 */
typedef void belay_dns_fn(int status, const struct belay_dns_record *records, size_t n, void *arg);

/*
 * One query for one name and type. Caching, sharing, sorting and time limits are belay's; numeric
 * addresses never come here. `fn` must not run inside `query`. After `forget`, it must not run at
 * all.
 */
struct belay_dns {
    size_t size;
    int (*query)(struct belay_loop *loop, const char *name, enum belay_dns_type type,
                 belay_dns_fn *fn, void *fn_arg, void **ret_handle, void *arg);
    void (*forget)(void *handle, void *arg);
    void *arg;
};

/*
 * Threads for what blocks: runs `work(item)` on a thread of its own choosing, soon. 0, BELAY_EFULL
 * or BELAY_ENOMEM. The simulator runs it in a later turn.
 */
struct belay_offload {
    size_t size;
    int (*submit)(struct belay_loop *loop, void (*work)(void *item), void *item, void *arg);
    void *arg;
};

#define BELAY_READABLE 1u
#define BELAY_WRITABLE 2u

/*
 * The event loop underneath. belay asks five things of it; it calls back the three functions below.
 *
 * `watch` starts watching a descriptor or changes what is watched for, level-triggered; *slot is
 * the backend's and NULL at first. A descriptor is always unwatched before it is closed. A turn is:
 * begin, any number of events, end; the end runs timers, posts and flushes, then sets the next
 * deadline.
 */
struct belay_backend_slot; /* the loop's side of a watch */

struct belay_backend {
    size_t size;
    int (*attach)(struct belay_loop *loop, const struct belay_allocator *allocator, void *arg);
    int (*watch)(int fd, unsigned mask, struct belay_backend_slot *slot, void **handle, void *arg);
    void (*unwatch)(void **handle, void *arg);
    void (*set_deadline)(uint64_t at_ns, void *arg); /* BELAY_NEVER: none */
    void (*wake)(void *arg);                         /* any thread: a turn soon */
    /*
     * One turn, waiting for at most timeout_ns (negative: no limit). NULL where the loop is the
     * caller's.
     */
    int (*run)(int64_t timeout_ns, void *arg);
    int (*descriptor)(void *arg); /* becomes readable when watches have events; -1: cannot nest */
    void (*detach)(void (*done)(void *), void *done_arg, void *arg);
    void *arg;
};

/*
 * For backends: a turn begins (optional: the first event begins one too), a watch has events, it
 * ends.
 */
BELAY_API void belay_backend_begin(struct belay_loop *loop);
BELAY_API void belay_backend_event(struct belay_backend_slot *slot, unsigned events);
BELAY_API void belay_backend_end(struct belay_loop *loop);
/* Whether something waits to be done, so that the backend must end a turn before it sleeps. */
BELAY_API bool belay_backend_pending(struct belay_loop *loop);

/* What is NULL is the default. */
struct belay_world {
    size_t size;
    const struct belay_allocator *allocator;
    const struct belay_clock *clock;
    const struct belay_random *random;
    const struct belay_transport *transport;
    const struct belay_dns *dns;
    const struct belay_offload *offload;
    const struct belay_backend *backend;
};
BELAY_OPTIONS_INIT(belay_world)

#ifdef __cplusplus
}
#endif

#endif
