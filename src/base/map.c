/* SPDX-License-Identifier: MIT */
/* The hash map: uthash with the loop's allocator, a keyed hash, and running out of memory as an
 * error. */
#include "base/map.h"

#include "base/assert.h"
#include "belay/error.h"

/* In every function that expands one of uthash's macros the map is called `map`. */
#define HASH_NONFATAL_OOM        1
#define uthash_malloc(size)      bl_alloc(map->mem, (size))
#define uthash_free(block, size) bl_free(map->mem, (block))

#include <uthash.h>

/* What a struct bl_map_node is to uthash; the handle is at its start. */
struct element {
    UT_hash_handle hh;
};

_Static_assert(sizeof(UT_hash_handle) <= sizeof(struct bl_map_node), "bl_map_node is too small");
_Static_assert(_Alignof(UT_hash_handle) <= _Alignof(struct bl_map_node),
               "bl_map_node is not aligned");

void bl_map_init(struct bl_map *map, struct bl_mem *mem, const uint64_t hash_key[2])
{
    map->mem = mem;
    map->head = NULL;
    map->count = 0;
    map->hash_key[0] = hash_key[0];
    map->hash_key[1] = hash_key[1];
}

int bl_map_add(struct bl_map *map, const void *key, size_t len, struct bl_map_node *node)
{
    struct element *head = map->head, *element = (struct element *)(void *)node;
    unsigned hash = (unsigned)bl_hash(map->hash_key, key, len);

    BL_ASSERT(len <= UINT32_MAX);
    BL_DEBUG_ASSERT(!bl_map_find(map, key, len));
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, head, key, len, hash, element);
    map->head = head;
    if (!element->hh.tbl)
        return BELAY_ENOMEM;
    map->count++;
    return 0;
}

struct bl_map_node *bl_map_find(const struct bl_map *map, const void *key, size_t len)
{
    struct element *head = map->head, *found;
    unsigned hash = (unsigned)bl_hash(map->hash_key, key, len);

    HASH_FIND_BYHASHVALUE(hh, head, key, len, hash, found);
    return (struct bl_map_node *)(void *)found;
}

void bl_map_remove(struct bl_map *map, struct bl_map_node *node)
{
    struct element *head = map->head, *element = (struct element *)(void *)node;

    HASH_DELETE(hh, head, element);
    map->head = head;
    map->count--;
}

struct bl_map_node *bl_map_next(const struct bl_map *map, const struct bl_map_node *node)
{
    return node ? ((const struct element *)(const void *)node)->hh.next : map->head;
}

/* ---- SipHash, one round per word and three at the end ---- */

static uint64_t rotated(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotated(v[1], 13) ^ v[0];
    v[3] = rotated(v[3], 16) ^ v[2];
    v[0] = rotated(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotated(v[1], 17) ^ v[2];
    v[3] = rotated(v[3], 21) ^ v[0];
    v[2] = rotated(v[2], 32);
}

/* Up to 8 bytes as a little-endian word. */
static uint64_t word_of(const uint8_t *bytes, size_t n)
{
    uint64_t word = 0;

    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t bl_hash(const uint64_t hash_key[2], const void *data, size_t len)
{
    const uint8_t *bytes = data;
    size_t whole = len & ~(size_t)7;
    uint64_t v[4] = {
        hash_key[0] ^ 0x736f6d6570736575u,
        hash_key[1] ^ 0x646f72616e646f6du,
        hash_key[0] ^ 0x6c7967656e657261u,
        hash_key[1] ^ 0x7465646279746573u,
    };

    for (size_t i = 0; i < whole; i += 8)
        sip_word(v, word_of(bytes + i, 8));
    sip_word(v, (uint64_t)len << 56 | (len > whole ? word_of(bytes + whole, len - whole) : 0));
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
