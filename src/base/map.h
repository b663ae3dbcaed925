/* SPDX-License-Identifier: MIT */
/*
 * A hash map with intrusive nodes, on uthash: keys are bytes owned by the entry, hashed under a
 * random key (host names are an attacker's input), and running out of memory is an error, not an
 * exit.
 */
#ifndef BL_BASE_MAP_H
#define BL_BASE_MAP_H

#include "base/mem.h"

struct bl_map_node {
    void *links[6]; /* uthash's handle, whose size map.c asserts */
    unsigned numbers[2];
};

struct bl_map {
    struct bl_mem *mem;
    void *head; /* first element, as uthash keeps it */
    size_t count;
    uint64_t hash_key[2];
};

/* `hash_key` from the loop's random source. */
void bl_map_init(struct bl_map *map, struct bl_mem *mem, const uint64_t hash_key[2]);

/* The key must stay where it is while the node is in the map. BELAY_ENOMEM. One node per key. */
int bl_map_add(struct bl_map *map, const void *key, size_t len, struct bl_map_node *node);
struct bl_map_node *bl_map_find(const struct bl_map *map, const void *key, size_t len);
void bl_map_remove(struct bl_map *map, struct bl_map_node *node);

/* In order of insertion: NULL starts, NULL ends. The current node may be removed after asking for
 * the next. */
struct bl_map_node *bl_map_next(const struct bl_map *map, const struct bl_map_node *node);

/* Keyed hash of bytes (SipHash-1-3), for other tables that hold foreign keys. */
uint64_t bl_hash(const uint64_t hash_key[2], const void *data, size_t len);

#endif
