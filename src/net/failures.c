/* SPDX-License-Identifier: MIT */
/*
 * The memory of failures: entries by key, in the order in which they were noted. All are kept for
 * the same time, so the first one is both the oldest and the next to expire.
 */
#include "net/failures.h"

#include "base/map.h"

struct failure {
    struct bl_map_node node;
    struct bl_list link;
    uint64_t until;
    char key[];
};

struct failures {
    struct belay_loop *loop;
    struct bl_map map;
    struct bl_list oldest;
};

static void drop(struct failures *fs, struct failure *f)
{
    bl_list_remove(&f->link);
    bl_map_remove(&fs->map, &f->node);
    bl_free(&fs->loop->mem, f);
}

static void forget(struct belay_loop *loop, void *ptr)
{
    struct failures *fs = ptr;
    struct bl_list *node;
    (void)loop;
    while ((node = bl_list_first(&fs->oldest)))
        drop(fs, BL_LIST_OF(node, struct failure, link));
}

static void free_failures(struct belay_loop *loop, void *ptr)
{
    forget(loop, ptr);
    bl_free(&loop->mem, ptr);
}

static struct failures *failures_of(struct belay_loop *loop)
{
    struct bl_loop_rooms *room = &loop->rooms[BL_ROOM_FAILURES];
    struct failures *fs = room->ptr;
    if (fs)
        return fs;
    fs = bl_zalloc(&loop->mem, sizeof *fs);
    if (!fs)
        return NULL;
    fs->loop = loop;
    bl_map_init(&fs->map, &loop->mem, loop->hash_key);
    bl_list_init(&fs->oldest);
    room->ptr = fs;
    room->free = free_failures;
    room->network_changed = forget;
    return fs;
}

static struct failure *find(struct belay_loop *loop, const void *key, size_t len)
{
    struct failures *fs = loop->rooms[BL_ROOM_FAILURES].ptr;
    struct bl_map_node *node = fs && fs->map.count ? bl_map_find(&fs->map, key, len) : NULL;
    return node ? BL_CONTAINER(node, struct failure, node) : NULL;
}

/* Room for one more: what has expired goes, and whatever is above the limit. */
static void trim(struct failures *fs, uint64_t now)
{
    struct bl_list *node;
    while ((node = bl_list_first(&fs->oldest))) {
        struct failure *f = BL_LIST_OF(node, struct failure, link);
        if (f->until > now && fs->map.count < BL_FAILURE_MAX)
            break;
        drop(fs, f);
    }
}

static struct failure *add(struct failures *fs, const void *key, size_t len)
{
    struct failure *f = bl_alloc(&fs->loop->mem, sizeof *f + len);
    if (!f)
        return NULL;
    memcpy(f->key, key, len);
    bl_list_init(&f->link);
    if (bl_map_add(&fs->map, f->key, len, &f->node) < 0) {
        bl_free(&fs->loop->mem, f);
        return NULL;
    }
    return f;
}

void bl_failure_note(struct belay_loop *loop, const void *key, size_t len)
{
    struct failures *fs = failures_of(loop);
    struct failure *f;
    uint64_t now = bl_now(loop);
    if (!fs)
        return;
    f = find(loop, key, len);
    if (!f) {
        trim(fs, now);
        f = add(fs, key, len);
    }
    if (!f)
        return;
    f->until = bl_after_ms(now, BL_FAILURE_MS);
    bl_list_remove(&f->link);
    bl_list_push_back(&fs->oldest, &f->link);
}

void bl_failure_clear(struct belay_loop *loop, const void *key, size_t len)
{
    struct failure *f = find(loop, key, len);
    if (f)
        drop(loop->rooms[BL_ROOM_FAILURES].ptr, f);
}

bool bl_failure_is(struct belay_loop *loop, const void *key, size_t len)
{
    struct failure *f = find(loop, key, len);
    if (f && f->until > bl_now(loop))
        return true;
    if (f)
        drop(loop->rooms[BL_ROOM_FAILURES].ptr, f);
    return false;
}

void bl_failures_forget(struct belay_loop *loop)
{
    void *fs = loop->rooms[BL_ROOM_FAILURES].ptr;
    if (fs)
        forget(loop, fs);
}

/* ---- addresses ---- */

/* What makes an address: only the bytes that count. The first tells it from other keys, which are
 * text. */
struct addr_key {
    char bytes[8 + BELAY_UNIX_PATH_MAX];
    size_t len;
};

static struct addr_key key_of(const struct belay_addr *addr)
{
    struct addr_key key = {.bytes = {(char)0xff, (char)addr->family}, .len = 8};
    size_t n = addr->family == BELAY_FAMILY_IPV4 ? 4 : 16;
    if (addr->family == BELAY_FAMILY_UNIX) {
        n = addr->path_len < BELAY_UNIX_PATH_MAX ? addr->path_len : BELAY_UNIX_PATH_MAX;
        memcpy(key.bytes + key.len, addr->u.path, n);
    } else {
        memcpy(key.bytes + 2, &addr->port, sizeof addr->port);
        if (addr->family == BELAY_FAMILY_IPV6)
            memcpy(key.bytes + 4, &addr->scope_id, sizeof addr->scope_id);
        memcpy(key.bytes + key.len, addr->u.ip, n);
    }
    key.len += n;
    return key;
}

void bl_failure_note_addr(struct belay_loop *loop, const struct belay_addr *addr)
{
    struct addr_key key = key_of(addr);
    bl_failure_note(loop, key.bytes, key.len);
}

void bl_failure_clear_addr(struct belay_loop *loop, const struct belay_addr *addr)
{
    struct addr_key key = key_of(addr);
    bl_failure_clear(loop, key.bytes, key.len);
}

/* Each good one moves in front of the bad ones before it. */
void bl_failure_sort(struct belay_loop *loop, struct belay_addr *addrs, size_t n)
{
    size_t good = 0;
    for (size_t i = 0; i < n; i++) {
        struct belay_addr addr = addrs[i];
        struct addr_key key = key_of(&addr);
        if (bl_failure_is(loop, key.bytes, key.len))
            continue;
        memmove(&addrs[good + 1], &addrs[good], (i - good) * sizeof *addrs);
        addrs[good++] = addr;
    }
}
