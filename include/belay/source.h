/* SPDX-License-Identifier: MIT */
/*
 * belay/source.h - where the addresses of a *service* come from: a list, a file, a name in
 * DNS, SRV records, or a callback. A source gives endpoints, one list per question; it is asked again at
 * every attempt.
 */
#ifndef BELAY_SOURCE_H
#define BELAY_SOURCE_H

#include "belay/endpoint.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_source;
struct belay_source_query;

/*
 * Endpoints in order of preference, the source's until the callback returns (ref to keep), or an
 * error.
 */
typedef void belay_source_fn(struct belay_endpoint *const *endpoints, size_t n,
                             const struct belay_error *error, void *arg);

/*
 * A source of the caller's own: begin a look-up and answer with belay_source_answer, at once or
 * later; further answers are ignored. `cancel`: the answer is not wanted any more, and the query is
 * gone.
 */
struct belay_source_ops {
    size_t size;
    void (*get)(struct belay_source_query *query, void *arg);
    void (*cancel)(struct belay_source_query *query, void *arg); /* may be NULL */
    void (*free)(void *arg);                                     /* may be NULL */
};

enum belay_source_order {
    BELAY_SOURCE_IN_ORDER = 0,
    BELAY_SOURCE_ROTATED,  /* each question starts one further */
    BELAY_SOURCE_SHUFFLED, /* each question is answered in another order */
};

/* A fixed list, taken by reference. BELAY_EINVAL (none, or one of another loop), BELAY_ENOMEM. */
BELAY_API int belay_source_list(struct belay_loop *loop, struct belay_endpoint *const *endpoints,
                                size_t n, enum belay_source_order order,
                                struct belay_source **ret_source);

/*
 * A file with one address per line, "host", "host:port" or a URL, read again at every question (on
 * a worker thread): one endpoint per line, like `like` with that host and port (without one: that of
 * `like`; a URL's scheme must be the same). TLS verifies the host of the line, unless `like` was
 * given a server_name. Empty lines and what follows a # are skipped. A file that cannot be read, is
 * larger than 1 MiB, has no address or more than 4,096, or a line that is none, is an answer of
 * BELAY_EFILE or BELAY_EINVAL that names the file and the line. BELAY_EINVAL, BELAY_ENOMEM.
 */
BELAY_API int belay_source_file(struct belay_endpoint *like, const char *path,
                                struct belay_source **ret_source);

/*
 * A name in DNS: one endpoint per address, each like `like` (its options, host and port) but
 * dialling that address alone.
 */
BELAY_API int belay_source_dns(struct belay_endpoint *like, struct belay_source **ret_source);

/*
 * SRV records of `name` ("_http._tcp.example.com"): one endpoint per target, like `like` with its
 * host and port. TLS goes on to verify the name of `like`, not the target's: DNS may be lied to
 * (RFC 6125 section 6.2.1).
 */
BELAY_API int belay_source_srv(struct belay_endpoint *like, const char *name,
                               struct belay_source **ret_source);

BELAY_API int belay_source_custom(struct belay_loop *loop, const struct belay_source_ops *ops,
                                  void *arg, struct belay_source **ret_source);
BELAY_API void belay_source_answer(struct belay_source_query *query,
                                   struct belay_endpoint *const *endpoints, size_t n,
                                   const struct belay_error *error);

/*
 * Asks. `fresh` bypasses the name cache (after a failure). fn runs once, never inside. *ret_query
 * (may be NULL) is valid until then. BELAY_ENOMEM.
 */
BELAY_API int belay_source_get(struct belay_source *source, bool fresh,
                               struct belay_source_query **ret_query, belay_source_fn *fn,
                               void *arg);
BELAY_API void belay_source_cancel(struct belay_source_query *query);

BELAY_API struct belay_source *belay_source_ref(struct belay_source *source);
BELAY_API void belay_source_unref(struct belay_source *source);

#ifdef __cplusplus
}
#endif

#endif
