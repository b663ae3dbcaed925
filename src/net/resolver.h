/* SPDX-License-Identifier: MIT */
/*
 * Names to addresses: a cache by TTL, look-ups that share a query, RFC 6724 order, over the dns
 * seam (c-ares by default, dns_cares.c). One resolver per loop, made at first use, kept in the
 * loop's room.
 *
 * Numeric addresses and "localhost" (RFC 6761) are answered without a query. A and AAAA are two
 * queries: the answer waits at most 50 ms for the second family once one has come (RFC 8305 section
 * 3), and later addresses arrive by a second call.
 */
#ifndef BL_NET_RESOLVER_H
#define BL_NET_RESOLVER_H

#include "base/error.h"
#include "loop/loop.h"

struct bl_lookup; /* one caller's wait */

/*
 * `more` says that the other family is still awaited: fn will run again, with all addresses known
 * then (never for an error before that). On failure addrs is NULL; stage is RESOLVE.
 */
typedef void bl_lookup_fn(const struct belay_addr *addrs, size_t n, bool more,
                          const struct belay_error *error, void *arg);

struct bl_lookup_options {
    enum belay_family family; /* NONE: both */
    bool fresh;               /* bypass the cache (at most once per second per name) */
    uint16_t port;            /* put into the answers */
};

/* BELAY_EINVAL (not a name), BELAY_ENOMEM. fn never runs inside; *ret is valid until its last call.
 */
int bl_resolve(struct belay_loop *loop, const char *host, const struct bl_lookup_options *options,
               bl_lookup_fn *fn, void *arg, struct bl_lookup **ret);
void bl_resolve_cancel(struct bl_lookup *lookup);

/* Inside the last call of fn: what its answer is worth. */
struct bl_lookup_worth {
    uint64_t until;        /* some of it may be answered from the cache as long; 0: nothing may */
    bool no_ipv4, no_ipv6; /* the query failed: its addresses are unknown, and not none */
};
void bl_lookup_worth(const struct bl_lookup *lookup, struct bl_lookup_worth *ret);

struct bl_srv {
    const char *target;
    uint16_t port, priority, weight;
};
/* Ordered by priority, then by weighted random choice (RFC 2782). */
typedef void bl_lookup_srv_fn(const struct bl_srv *records, size_t n,
                              const struct belay_error *error, void *arg);
int bl_resolve_srv(struct belay_loop *loop, const char *name, bool fresh, bl_lookup_srv_fn *fn,
                   void *arg, struct bl_lookup **ret);

/*
 * The same, asked of one name server (a name, or an address without brackets) and of no cache. fn
 * runs once, never inside; *ret stays until it is freed, at any time but inside fn. BELAY_ENOTSUP: the
 * dns seam is the caller's own; BELAY_EINVAL, BELAY_ENOMEM.
 */
struct bl_lookup_at;
int bl_resolve_srv_at(struct belay_loop *loop, const char *server, uint16_t port, const char *name,
                      bl_lookup_srv_fn *fn, void *arg, struct bl_lookup_at **ret);
void bl_resolve_srv_at_free(struct bl_lookup_at *lookup); /* NULL is fine */

/* Whether bl_resolve would take it: a numeric address, or a name of letters, digits, '-' and '_'.
 */
bool bl_is_host_name(const char *host);

/* Forgets all cached answers. */
void bl_resolver_clear(struct belay_loop *loop);

/* RFC 6724 section 6, pure: sorts destinations given the source address the kernel would use for
   each (family NONE: unreachable). Stable. */
struct bl_sortable {
    struct belay_addr dest, source;
};
void bl_addr_sort(struct bl_sortable *items, size_t n);

#endif
