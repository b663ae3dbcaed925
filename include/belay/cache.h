/* SPDX-License-Identifier: MIT */
/*
 * belay/cache.h - remembers open connections, whoever opened them: the active ones under their
 * owners, the inactive ones by peer and channel binding, for whoever needs one next.
 *
 * A cache connects nobody. What it keeps is a descriptor, a stream, or a handle with a function
 * that closes it. Each is in one place: active under one owner, or inactive under one peer and
 * binding, or unknown.
 *
 *             set_active              set_inactive: KEPT
 *   unknown -------------> active <------------------------> inactive
 *      ^                     |     set_active, find_inactive     |
 *      |   REFUSED, forget   |                                   |  find_inactive without an owner
 *      +---------------------+-----------------------------------+
 *
 * While a connection is in the cache, the cache closes it: by close_connection, close_all, its
 * policy, its limits, when the peer ends an inactive one or the network changes, and at its own
 * end. Who wants to close one himself takes it out first (forget, or find without an owner).
 *
 * A policy says what is kept, which one is given, and what is closed to make room. Start from
 * restrictive or aggressive, and replace single functions:
 *
 *     struct belay_cache_policy policy = belay_cache_aggressive();
 *     policy.keep = only_small_ones;
 *     struct belay_cache_options o = { BELAY_SIZED(belay_cache_options), .policy = &policy,
 *                                      .max_idle_time_ms = 30000, .max_inactive = 100 };
 *
 * Pools keep their connections in a cache too (`cache` of struct belay_pool_options): it then sees
 * every connection of the pool, decides whether an idle one is kept, and closes what it chooses;
 * several pools may share one, and a pool that has none idle for those who wait takes over an idle
 * connection of another, if that is to the same endpoint by the same connector (two clients of HTTP
 * have the same). One that becomes idle serves its own pool's first, then who has waited longest at
 * another; the policy is asked when nobody waits. Limits stay each pool's own: what is older than a
 * pool lets its connections become, is no use to it.
 */
#ifndef BELAY_CACHE_H
#define BELAY_CACHE_H

#include "belay/endpoint.h"
#include "belay/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_cache;
struct belay_cache_entry; /* one connection in a cache, as policies and hooks see it */
struct belay_conn;

/* ---- what is kept ---- */

enum belay_cached_kind {
    BELAY_CACHED_DESCRIPTOR = 1,
    BELAY_CACHED_STREAM,
    BELAY_CACHED_HANDLE,
    BELAY_CACHED_CONNECTION, /* a pool's: seen by policies and hooks, never given by a caller */
};

struct belay_cached {
    enum belay_cached_kind kind;
    int fd; /* DESCRIPTOR; HANDLE: what to watch, or -1 */
    struct belay_stream *stream;
    void *handle;
    void (*close)(void *handle, void *arg); /* of a handle: from the loop, once */
    void *close_arg;
    struct belay_conn *conn;
};

/*
 * A descriptor of the caller's: a connected socket. While it is inactive it is watched, which makes
 * it non-blocking; one that is readable then is closed.
 */
static inline struct belay_cached belay_cached_descriptor(int fd)
{
    struct belay_cached c;
    memset(&c, 0, sizeof c);
    c.kind = BELAY_CACHED_DESCRIPTOR;
    c.fd = fd;
    return c;
}

/*
 * A stream of the caller's (belay_dial, belay_lease_take), never one on lease. While it is inactive
 * its callbacks are the cache's; it comes back without callbacks, and not paused.
 */
static inline struct belay_cached belay_cached_stream(struct belay_stream *stream)
{
    struct belay_cached c;
    memset(&c, 0, sizeof c);
    c.kind = BELAY_CACHED_STREAM;
    c.stream = stream;
    return c;
}

/*
 * Anything else, known by its address: a PGconn, an SSL. `fd` is watched while it is inactive
 * (-1: nothing is); when it becomes readable then, the handle is closed, reason `unhealthy`.
 */
static inline struct belay_cached belay_cached_handle(void *handle, int fd,
                                                      void (*close)(void *handle, void *arg),
                                                      void *arg)
{
    struct belay_cached c;
    memset(&c, 0, sizeof c);
    c.kind = BELAY_CACHED_HANDLE;
    c.fd = fd;
    c.handle = handle;
    c.close = close;
    c.close_arg = arg;
    return c;
}

/* ---- whom it is connected to ---- */

enum belay_cache_route {
    BELAY_CACHE_DIRECT = 1,         /* to an address */
    BELAY_CACHE_DIRECT_NAME,        /* to a name, whatever its address: TLS that verified it */
    BELAY_CACHE_HTTP_PROXY,         /* to a proxy that forwards: shared by all targets */
    BELAY_CACHE_HTTP_PROXY_CONNECT, /* through a proxy, by CONNECT */
    BELAY_CACHE_SOCKS5,             /* through a proxy, by SOCKS 5 */
    BELAY_CACHE_ENDPOINT,           /* to all that an endpoint says, its TLS identity included */
};

/*
 * Two peers are the same when route, hosts and ports are; case does not count, nor how an address
 * is written. Strings are copied where they are kept. `host` is the first hop, the proxy's if there
 * is one.
 */
struct belay_cache_peer {
    enum belay_cache_route route;
    const char *host;
    int port;
    const char *target_host;
    int target_port;
    struct belay_endpoint *endpoint;
};

static inline struct belay_cache_peer belay_cache_via(enum belay_cache_route route,
                                                      const char *host, int port,
                                                      const char *target_host, int target_port)
{
    struct belay_cache_peer p;
    memset(&p, 0, sizeof p);
    p.route = route;
    p.host = host;
    p.port = port;
    p.target_host = target_host;
    p.target_port = target_port;
    return p;
}
static inline struct belay_cache_peer belay_cache_direct(const char *host, int port)
{
    return belay_cache_via(BELAY_CACHE_DIRECT, host, port, NULL, 0);
}
static inline struct belay_cache_peer belay_cache_direct_name(const char *host, int port)
{
    return belay_cache_via(BELAY_CACHE_DIRECT_NAME, host, port, NULL, 0);
}
static inline struct belay_cache_peer belay_cache_http_proxy(const char *proxy, int proxy_port)
{
    return belay_cache_via(BELAY_CACHE_HTTP_PROXY, proxy, proxy_port, NULL, 0);
}
static inline struct belay_cache_peer belay_cache_http_proxy_connect(const char *proxy,
                                                                     int proxy_port,
                                                                     const char *target,
                                                                     int target_port)
{
    return belay_cache_via(BELAY_CACHE_HTTP_PROXY_CONNECT, proxy, proxy_port, target, target_port);
}
static inline struct belay_cache_peer belay_cache_socks5(const char *proxy, int proxy_port,
                                                         const char *target, int target_port)
{
    return belay_cache_via(BELAY_CACHE_SOCKS5, proxy, proxy_port, target, target_port);
}
static inline struct belay_cache_peer belay_cache_endpoint(struct belay_endpoint *endpoint)
{
    struct belay_cache_peer p;
    memset(&p, 0, sizeof p);
    p.route = BELAY_CACHE_ENDPOINT;
    p.endpoint = endpoint;
    return p;
}

/*
 * Data of the caller's that stays with an inactive connection: a TLS session, a parser's state.
 * find_inactive hands it over; on every other way out `destroy` (may be NULL) runs, once, from the
 * loop.
 */
struct belay_cache_data {
    void *data;
    void (*destroy)(void *data);
};

/* ---- policies ---- */

enum belay_cache_state {
    BELAY_CACHE_UNKNOWN = 0,
    BELAY_CACHE_ACTIVE,
    BELAY_CACHE_INACTIVE,
    BELAY_CACHE_CLOSING, /* out of use already: on_closed and its end follow */
};

/* Of one entry; what it points to lives as long as the entry stays where it is. */
struct belay_cache_facts {
    size_t size;
    struct belay_cached what;
    enum belay_cache_state state;
    void *owner;                  /* of an active one; a pool, for its connections */
    struct belay_cache_peer peer; /* route 0: it never was inactive */
    uint64_t binding;
    void *data;
    int64_t idle_ms; /* since it became inactive; 0 otherwise */
    uint64_t found;  /* how often find_inactive has given it; a pool: how often it was lent again */
    size_t alike;    /* others that are inactive for the same peer and binding */
};
BELAY_OPTIONS_INIT(belay_cache_facts)

/* Fills facts->size bytes at most. */
BELAY_API void belay_cache_entry_facts(const struct belay_cache_entry *entry,
                                       struct belay_cache_facts *facts);

/*
 * Walks the inactive ones, the one inactive for longest first: NULL starts, NULL ends. With
 * belay_cache_older, those of one peer and binding, the latest first, as `pick` has them.
 */
BELAY_API const struct belay_cache_entry *belay_cache_next(const struct belay_cache *cache,
                                                           const struct belay_cache_entry *entry);
BELAY_API const struct belay_cache_entry *belay_cache_older(const struct belay_cache_entry *entry);

/*
 * The functions are asked inside set_inactive and find_inactive, and by a timer. They look and
 * answer; in them calls that would move a connection return BELAY_EDEADLK. They may close: what is
 * closed is neither kept nor given. NULL is what `aggressive` does.
 */
struct belay_cache_policy {
    size_t size;
    /* Is this one, which would become inactive now, to be kept? NULL: yes. */
    bool (*keep)(const struct belay_cache *cache, const struct belay_cache_entry *entry, void *arg);
    /*
     * Which of the inactive ones is to be closed? Asked after each keep and after *ret_again_ms
     * (BELAY_FOREVER at first: not by time), until it says NULL. *ret_reason is `evicted` at first.
     * NULL: none.
     */
    const struct belay_cache_entry *(*evict)(const struct belay_cache *cache,
                                             enum belay_reason *ret_reason, int64_t *ret_again_ms,
                                             void *arg);
    /*
     * Which one of those that fit is given? `latest` became inactive last; belay_cache_older goes
     * on. NULL as the answer: none. Pools choose by their reuse_order. NULL: the latest.
     */
    const struct belay_cache_entry *(*pick)(const struct belay_cache *cache,
                                            const struct belay_cache_entry *latest, void *arg);
    void *arg;
};

/* `keep` of a restrictive cache: false. */
BELAY_API bool belay_cache_keep_none(const struct belay_cache *cache,
                                     const struct belay_cache_entry *entry, void *arg);

/* Keeps nothing: a connection is closed as soon as nobody needs it. */
static inline struct belay_cache_policy belay_cache_restrictive(void)
{
    struct belay_cache_policy p;
    memset(&p, 0, sizeof p);
    p.size = sizeof p;
    p.keep = belay_cache_keep_none;
    return p;
}

/* Keeps everything, as long as it lives. */
static inline struct belay_cache_policy belay_cache_aggressive(void)
{
    struct belay_cache_policy p;
    memset(&p, 0, sizeof p);
    p.size = sizeof p;
    return p;
}

struct belay_cache_options {
    size_t size;
    const struct belay_cache_policy *policy; /* NULL: aggressive; the struct is copied */
    int64_t max_idle_time_ms;                /* BELAY_FOREVER; then closed, reason `idle` */
    int32_t max_inactive;          /* BELAY_FOREVER; the one inactive for longest goes, `evicted` */
    int32_t max_inactive_per_peer; /* BELAY_FOREVER; likewise, of one peer and binding */
    int64_t close_timeout_ms;      /* 2,000: what a stream still has to send when it is closed */
    bool no_watch;                 /* inactive ones are not watched */
    /*
     * The cache is about to close this one. `owner` is whose it was when it was active, else NULL.
     * Runs from the loop; every call is allowed in it, and the connection is still open.
     */
    void (*on_closed)(void *owner, const struct belay_cache_entry *entry, enum belay_reason reason,
                      void *arg);
    void *on_closed_arg;
};
BELAY_OPTIONS_INIT(belay_cache_options)

/* ---- life ---- */

/* BELAY_EINVAL: `error` names the option; BELAY_ENOMEM; BELAY_ECLOSED (the loop is ending). */
BELAY_API int belay_cache_open(struct belay_loop *loop, const struct belay_cache_options *options,
                               struct belay_cache **ret_cache, struct belay_error *error);

/*
 * Ends it: closes all that is in it, active ones too (reason `pool_closed`), then on_closed (may be
 * NULL). Pools that use it go on, and keep nothing idle from then on.
 */
BELAY_API void belay_cache_close(struct belay_cache *cache, belay_fn *on_closed, void *arg);

/*
 * While a reference is held the cache may be asked and closed after its end; on_closed then runs in
 * a later turn. on_closed of a second close takes the place of the first's, unless that was told.
 * Who did not ask for the end may watch for it: fn runs once, after on_closed, or in a later turn
 * when the cache is closed already. BELAY_EINVAL (fn is NULL), BELAY_ENOMEM.
 */
BELAY_API struct belay_cache *belay_cache_ref(struct belay_cache *cache);
BELAY_API void belay_cache_unref(struct belay_cache *cache);
BELAY_API bool belay_cache_is_closed(const struct belay_cache *cache); /* from close on */
BELAY_API int belay_cache_close_finished(struct belay_cache *cache, belay_fn *fn, void *arg);

/* ---- the registry ---- */

/* Where it is. `facts` may be NULL, and is filled unless it is unknown. */
BELAY_API enum belay_cache_state belay_cache_get_state(const struct belay_cache *cache,
                                                       const struct belay_cached *what,
                                                       struct belay_cache_facts *facts);

/*
 * It is used by `owner` (any pointer but NULL), from wherever it was; private data that it had
 * as an inactive one is destroyed.
 *
 * BELAY_ECLOSED  it is about to be closed, or the cache is closed
 * BELAY_EINVAL   `error` says what is wrong
 * BELAY_EDEADLK (a policy's function asked), BELAY_ENOMEM
 */
BELAY_API int belay_cache_set_active(struct belay_cache *cache, const struct belay_cached *what,
                                     void *owner, struct belay_error *error);

enum { BELAY_KEPT = 0, BELAY_REFUSED = 1 };

/*
 * Nobody uses it: from wherever it was to the inactive ones of `peer` and `binding`. `data` may be
 * NULL.
 *
 * BELAY_REFUSED: the policy does not keep it, or it is a stream that has died or ended. The cache
 * has forgotten it and never closes it: the caller does. `data` is the caller's still; what it had
 * from an earlier set_inactive is destroyed.
 *
 * On an error it is where it was, and `data` is the caller's: errors as for set_active, and
 * BELAY_EINVAL or BELAY_EOS where a descriptor cannot be watched.
 */
BELAY_API int belay_cache_set_inactive(struct belay_cache *cache, const struct belay_cached *what,
                                       const struct belay_cache_peer *peer, uint64_t binding,
                                       const struct belay_cache_data *data,
                                       struct belay_error *error);

/*
 * The latest that became inactive for this peer and binding (or the policy's choice). It leaves the
 * inactive ones: it is `owner`'s at once, or, when `owner` is NULL, unknown to the cache. Its data
 * is handed over in *ret_data; where ret_data is NULL, it is destroyed.
 *
 * BELAY_EAGAIN  there is none
 * BELAY_ECLOSED, BELAY_EINVAL, BELAY_EDEADLK, BELAY_ENOMEM
 */
BELAY_API int belay_cache_find_inactive(struct belay_cache *cache,
                                        const struct belay_cache_peer *peer, uint64_t binding,
                                        void *owner, struct belay_cached *ret_what,
                                        struct belay_cache_data *ret_data);

/* Those active under `owner`, in the order in which they came to it: at most `max` are written; how
 * many there are is returned. */
BELAY_API size_t belay_cache_find_owned(const struct belay_cache *cache, const void *owner,
                                        struct belay_cached *out, size_t max);

/* Takes it out without closing it. BELAY_EINVAL: it is unknown; BELAY_EDEADLK. */
BELAY_API int belay_cache_forget(struct belay_cache *cache, const struct belay_cached *what);

/*
 * Closes it, active or not (reason `owner_closed`). Nobody is given it from now on; on_closed and
 * its end follow in a later turn. BELAY_EINVAL: it is unknown, and was left alone.
 */
BELAY_API int belay_cache_close_connection(struct belay_cache *cache,
                                           const struct belay_cached *what);

/* The same for all, active ones too (reason `cleared`). The cache stays usable. */
BELAY_API void belay_cache_close_all(struct belay_cache *cache);

/* ---- figures ---- */

struct belay_cache_stats {
    size_t size;
    uint32_t active, inactive, closing; /* connections now */
    uint32_t owners;                    /* that have an active one, or are pools */
    uint32_t peers;                     /* peers and bindings with an inactive one, or a pool's */
    uint64_t kept, refused;             /* set_inactive */
    uint64_t found, missed;             /* find_inactive */
    uint64_t adopted;                   /* idle connections that one pool took over from another */
    uint64_t forgotten;                 /* taken out, or found without an owner */
    uint64_t closed[BELAY_REASONS_N];   /* by reason */
};
BELAY_OPTIONS_INIT(belay_cache_stats)

BELAY_API void belay_cache_get_stats(const struct belay_cache *cache,
                                     struct belay_cache_stats *stats);

/* The effective options, such that they may be given back; `policy` is NULL in them. */
BELAY_API void belay_cache_get_options(const struct belay_cache *cache,
                                       struct belay_cache_options *options);

#ifdef __cplusplus
}
#endif

#endif
