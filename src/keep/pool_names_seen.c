/* SPDX-License-Identifier: MIT */
/*
 * Which addresses have vanished from a name. Pure: answers go in.
 *
 * Most names have the same addresses in every answer; then one that is missing from two answers in
 * a row has vanished. But servers that choose a few of many addresses for each answer, at random or
 * in turn, leave out what is still there, and who believed them would close and dial for nothing,
 * for ever. Two signs tell them from a change:
 *
 *   unsteady answers   the last answer had other addresses than the one before. While that goes on,
 *                      an address counts as present if it was in any of the last 16 answers: at the
 *                      default interval that is 8 minutes, which is longer than connections live.
 *   returns            an address came back after having been missing. What was missing g times and
 *                      came back may be missing as often again: from then on 2 (g + 1) misses are
 *                      needed, 16 at most, until no address has come back for 64 answers.
 *
 * So a true change is followed after two equal answers; of a name that rotates in steps so small
 * that two answers are equal now and then, a few connections are retired before it is known.
 *
 * A family whose query failed is left as it was, and an empty answer changes nothing. An address
 * that cannot be remembered, for want of memory or as there are more than 64, is not one that
 * vanished.
 */
#include "keep/pool_names.h"

void bl_names_seen_init(struct bl_names_seen *seen)
{
    memset(seen, 0, sizeof *seen);
    seen->patience = BL_NAMES_MISSES;
}

void bl_names_seen_fini(struct bl_names_seen *seen, struct bl_mem *mem)
{
    bl_free(mem, seen->addrs);
    bl_names_seen_init(seen);
}

static bool is_ip(const struct belay_addr *addr)
{
    return addr->family == BELAY_FAMILY_IPV4 || addr->family == BELAY_FAMILY_IPV6;
}

/* Ports do not count: a name has none. */
static bool same(const struct bl_names_addr *a, const struct belay_addr *addr)
{
    if (a->family != addr->family)
        return false;
    if (a->family == BELAY_FAMILY_IPV4)
        return memcmp(a->ip, addr->u.ip, 4) == 0;
    return a->scope_id == addr->scope_id && memcmp(a->ip, addr->u.ip, 16) == 0;
}

static struct bl_names_addr *find(const struct bl_names_seen *seen, const struct belay_addr *addr)
{
    for (uint32_t i = 0; i < seen->n; i++) {
        if (same(&seen->addrs[i], addr))
            return &seen->addrs[i];
    }
    return NULL;
}

/* A place for one more; NULL: there is no memory, or (unless `urgent`) no room. */
static struct bl_names_addr *place(struct bl_names_seen *seen, struct bl_mem *mem, bool urgent)
{
    struct bl_names_addr *most = seen->addrs;
    if (seen->n == BL_NAMES_ADDRS_MAX) {
        for (uint32_t i = 1; urgent && i < seen->n; i++)
            most = seen->addrs[i].missed > most->missed ? &seen->addrs[i] : most;
        return urgent && most->missed ? most : NULL;
    }
    if (seen->n == seen->capacity) {
        uint32_t capacity = seen->capacity ? seen->capacity * 2 : 4;
        struct bl_names_addr *addrs = bl_realloc(mem, seen->addrs, capacity * sizeof *addrs);
        if (!addrs)
            return NULL;
        seen->addrs = addrs;
        seen->capacity = capacity;
    }
    return &seen->addrs[seen->n++];
}

static void put(struct bl_names_seen *seen, struct bl_mem *mem, const struct belay_addr *addr,
                bool in_answer)
{
    struct bl_names_addr *a = place(seen, mem, in_answer);
    if (!a)
        return;
    memset(a, 0, sizeof *a);
    a->family = addr->family;
    memcpy(a->ip, addr->u.ip, addr->family == BELAY_FAMILY_IPV4 ? 4 : 16);
    a->scope_id = addr->family == BELAY_FAMILY_IPV6 ? addr->scope_id : 0;
    a->was_in = in_answer;
}

void bl_names_use(struct bl_names_seen *seen, struct bl_mem *mem, const struct belay_addr *addr)
{
    if (is_ip(addr) && !find(seen, addr))
        put(seen, mem, addr, false);
}

static bool contains(const struct bl_names_answer *answer, const struct bl_names_addr *a)
{
    for (size_t i = 0; i < answer->n; i++) {
        if (same(a, &answer->addrs[i]))
            return true;
    }
    return false;
}

static void came_back(struct bl_names_seen *seen, uint32_t missed)
{
    uint32_t patience = 2 * (missed + 1);
    if (patience > BL_NAMES_MISSES_MAX)
        patience = BL_NAMES_MISSES_MAX;
    if (patience > seen->patience)
        seen->patience = patience;
    seen->calm = 0;
}

/* Whether its being there, or not, is a change. */
static bool update(struct bl_names_seen *seen, struct bl_names_addr *a, bool in_answer)
{
    bool changed = in_answer != (a->was_in && a->missed == 0);
    if (in_answer) {
        if (a->was_in && a->missed)
            came_back(seen, a->missed);
        a->missed = 0;
        a->was_in = true;
    } else if (a->missed < BL_NAMES_MISSES_MAX) {
        a->missed++;
    }
    return changed;
}

void bl_names_take(struct bl_names_seen *seen, struct bl_mem *mem,
                   const struct bl_names_answer *answer)
{
    bool changed = false;
    if (!answer->n)
        return;
    if (++seen->calm >= BL_NAMES_CALM) {
        seen->patience = BL_NAMES_MISSES;
        seen->calm = 0;
    }
    for (uint32_t i = 0; i < seen->n; i++) {
        struct bl_names_addr *a = &seen->addrs[i];
        bool unknown = a->family == BELAY_FAMILY_IPV4 ? answer->no_ipv4 : answer->no_ipv6;
        if (!unknown)
            changed |= update(seen, a, contains(answer, a));
    }
    for (size_t i = 0; i < answer->n; i++) {
        if (!is_ip(&answer->addrs[i]) || find(seen, &answer->addrs[i]))
            continue;
        put(seen, mem, &answer->addrs[i], true);
        changed = true;
    }
    seen->steady = !changed;
}

bool bl_names_gone(const struct bl_names_seen *seen, const struct belay_addr *addr)
{
    const struct bl_names_addr *a = is_ip(addr) ? find(seen, addr) : NULL;
    return a && a->missed >= (seen->steady ? seen->patience : BL_NAMES_MISSES_MAX);
}
