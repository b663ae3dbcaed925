/* SPDX-License-Identifier: MIT */
/*
 * The key of a shelf: route, binding and where to, in one canonical form. Equal bytes, and only
 * these, are the same shelf. A shelf's key is also where its peer can be read again.
 */
#ifndef BL_KEEP_CACHE_PEER_H
#define BL_KEEP_CACHE_PEER_H

#include "base/mem.h"
#include "belay/cache.h"

#define BL_CACHE_POOLED   0x7f /* route of the shelves of pools: no caller's peer is on one */
#define BL_CACHE_HOST_MAX 255
#define BL_CACHE_TEXT_MAX 160

/* route, binding, ports, then hosts ended by NUL, or the bytes of an endpoint's key */
#define BL_CACHE_KEY_HEAD 13

struct bl_cache_key {
    size_t len;
    char *data;
    char *heap; /* of long ones */
    char local[BL_CACHE_KEY_HEAD + 2 * (BL_CACHE_HOST_MAX + 1)];
};

/* BELAY_EINVAL: `error` says what is wrong with the peer; BELAY_ENOMEM. On 0 to be freed. */
int bl_cache_key_make(struct bl_cache_key *key, struct bl_mem *mem,
                      const struct belay_cache_peer *peer, uint64_t binding,
                      struct belay_error *error);
/* Of a pool's connections: an endpoint, dialled in one way (`way` is compared in full). */
int bl_cache_key_pooled(struct bl_cache_key *key, struct bl_mem *mem,
                        struct belay_endpoint *endpoint, const void *way, size_t way_len);
void bl_cache_key_free(struct bl_cache_key *key, struct bl_mem *mem);

/* Reads a key again; strings point into it. */
void bl_cache_key_read(const char *key, struct belay_endpoint *endpoint,
                       struct belay_cache_peer *ret, uint64_t *ret_binding);

/* For people: "example.com:443 through the SOCKS5 proxy gate:1080". Returns `out`. */
const char *bl_cache_peer_print(const struct belay_cache_peer *peer, char *out, size_t size);
/* "descriptor 7", "a stream to 192.0.2.1:80", "handle 0x5581". Returns `out`. */
const char *bl_cached_print(const struct belay_cached *what, char *out, size_t size);

#endif
