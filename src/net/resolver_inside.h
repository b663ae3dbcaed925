/* SPDX-License-Identifier: MIT */
/*
 * Between the files of the resolver. resolver.c waits for a caller, resolver_cache.c asks and
 * remembers, resolver_at.c asks one server past both, dns_cares.c is the dns seam's default; names, the hosts file and SRV answers are pure
 * helpers.
 */
#ifndef BL_NET_RESOLVER_INSIDE_H
#define BL_NET_RESOLVER_INSIDE_H

#include "base/list.h"
#include "base/map.h"
#include "net/resolver.h"

/* ---- resolver_name.c ---- */

#define BL_NAME_MAX 254 /* with a final dot */

enum bl_name_kind { BL_NAME_BAD = 0, BL_NAME_NUMERIC, BL_NAME_LOCALHOST, BL_NAME_DNS };

/* What a host is. A numeric one is put into *addr; of a name to be asked for, `lower` is its lower
 * case. */
enum bl_name_kind bl_name_classify(const char *host, char lower[BL_NAME_MAX + 1],
                                   struct belay_addr *addr);

/* ---- resolver_cache.c ---- */

#define BL_RECORDS_MAX 32 /* of one answer; more are ignored */

/* An answer, shared by the cache and those who were given it. */
struct bl_records {
    uint32_t refs;
    uint32_t n;
    struct belay_dns_record list[]; /* followed by the targets' text */
};
void bl_records_unref(struct belay_loop *loop, struct bl_records *records);

struct bl_answer;

/* One caller's wait for one name and type. When it is over: a status, and with 0 the records. */
struct bl_ask {
    struct bl_list link;
    struct bl_answer *answer; /* while waiting */
    struct bl_records *records;
    uint64_t until; /* the cache has it as long; 0: it was not kept */
    int status;
    bool waiting;
    struct bl_lookup *owner;
    void (*done)(struct bl_ask *ask); /* must run nobody's code */
};

struct bl_cache {
    struct belay_loop *loop;
    const struct belay_dns *dns;
    struct bl_map answers;
    struct bl_list used; /* those that are not being asked for, least recently used first */
    uint32_t idle_n;     /* length of `used` */
    uint32_t max;
};

void bl_cache_init(struct bl_cache *cache, struct belay_loop *loop, const struct belay_dns *dns);
void bl_cache_clear(struct bl_cache *cache);
/* The same, and what is being asked for is asked for anew: the network is another one. */
void bl_cache_renew(struct bl_cache *cache);
/*
 * Answers at once from the cache (ask->waiting is false), or waits; `name` in lower case.
 * BELAY_ENOMEM, or why the dns seam refused.
 */
int bl_cache_ask(struct bl_cache *cache, const char *name, enum belay_dns_type type, bool fresh,
                 struct bl_ask *ask);
/* Leaves; the last one to leave takes the query along. Harmless on zeroed memory. */
void bl_cache_unask(struct bl_cache *cache, struct bl_ask *ask);

/* ---- resolver_hosts.c ---- */

struct bl_hosts {
    char *text; /* of the file */
    size_t len;
    uint64_t stamp[3]; /* of the file that was read */
    uint64_t looked_ns;
    bool looked;
};

/*
 * Addresses of a name, at most `max`, as the file has them. Returns how many there are of the
 * family, 0 when the name is there with other families only, BELAY_ENONAME when it is not,
 * BELAY_ENOMEM.
 */
int bl_hosts_find(struct bl_hosts *hosts, struct belay_loop *loop, const char *path,
                  const char *name, enum belay_family family, struct belay_addr *out, size_t max);
/* The same in a text. */
int bl_hosts_scan(const char *text, size_t len, const char *name, enum belay_family family,
                  struct belay_addr *out, size_t max);
void bl_hosts_free(struct bl_hosts *hosts, struct belay_loop *loop);

/* ---- resolver_srv.c ---- */

/* Decodes the SRV records of a DNS message. Targets are put into `text`. Returns how many,
   BELAY_ENONAME for none, BELAY_EDNS for a broken message. */
int bl_srv_decode(const uint8_t *message, size_t len, struct belay_dns_record *out, size_t max,
                  char (*text)[BL_NAME_MAX + 1]);
/* RFC 2782: by priority, then at random by weight. */
void bl_srv_order(struct bl_srv *records, size_t n, struct bl_rand *rand);

/* ---- dns_cares.c ---- */

struct bl_dns_cares;

/* The default dns seam, filled into *ret. `servers` ("1.2.3.4:53,[::1]:53") stays the caller's;
 * NULL: those of the loop's options, or the system's. BELAY_ENOMEM. */
int bl_dns_cares_new(struct belay_loop *loop, const char *servers, struct belay_dns *ret);
/* The next query goes out on new sockets. */
void bl_dns_cares_renew(struct belay_dns *dns);
/* Forgets all queries. */
void bl_dns_cares_free(struct belay_loop *loop, struct belay_dns *dns);

#endif
