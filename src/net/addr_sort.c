/* SPDX-License-Identifier: MIT */
/*
 * Destination address selection of RFC 6724 section 6. Rules 3, 4 and 7 (deprecated, home and
 * tunnelled addresses) need facts about interfaces that nobody tells, so they never decide.
 */
#include "net/resolver.h"

struct policy {
    uint8_t prefix[16];
    uint8_t bits;
    uint8_t precedence;
    uint8_t label;
};

/* Section 2.1, the longest prefix first. */
static const struct policy policies[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, 50, 0},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 35, 4},
    {{0}, 96, 1, 3},
    {{0x20, 0x01}, 32, 5, 5},
    {{0x20, 0x02}, 16, 30, 2},
    {{0x3f, 0xfe}, 16, 1, 12},
    {{0xfe, 0xc0}, 10, 1, 11},
    {{0xfc}, 7, 3, 13},
    {{0}, 0, 40, 1},
};

/* What the rules ask about one destination and the source that goes with it. */
struct rank {
    bool usable, same_scope, same_label;
    uint8_t precedence, scope;
    unsigned common_bits; /* IPv6 only */
};

static unsigned common_prefix(const uint8_t a[16], const uint8_t b[16])
{
    unsigned bits = 0;
    for (size_t i = 0; i < 16; i++) {
        uint8_t differ = (uint8_t)(a[i] ^ b[i]);
        if (!differ) {
            bits += 8;
            continue;
        }
        while (!(differ & 0x80)) {
            differ = (uint8_t)(differ << 1);
            bits++;
        }
        break;
    }
    return bits;
}

static void as_ipv6(const struct belay_addr *addr, uint8_t out[16])
{
    if (addr->family == BELAY_FAMILY_IPV6) {
        memcpy(out, addr->u.ip, 16);
        return;
    }
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    memcpy(out + 12, addr->u.ip, 4);
}

static const struct policy *policy_of(const uint8_t ip[16])
{
    const struct policy *p = policies;
    while (common_prefix(ip, p->prefix) < p->bits)
        p++;
    return p;
}

/* Section 3.1 and 3.2: 2 is link-local (loopback too), 5 site-local, 14 global. */
static uint8_t scope_of(const uint8_t ip[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t loopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    if (!memcmp(ip, mapped, sizeof mapped))
        return ip[12] == 127 || (ip[12] == 169 && ip[13] == 254) ? 2 : 14;
    if (ip[0] == 0xff)
        return ip[1] & 0x0f;
    if (!memcmp(ip, loopback, sizeof loopback) || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80))
        return 2;
    return ip[0] == 0xfe && (ip[1] & 0xc0) == 0xc0 ? 5 : 14;
}

static void rank_of(const struct bl_sortable *item, struct rank *r)
{
    uint8_t dest[16], source[16];
    memset(r, 0, sizeof *r);
    as_ipv6(&item->dest, dest);
    const struct policy *policy = policy_of(dest);
    r->precedence = policy->precedence;
    r->scope = scope_of(dest);
    r->usable = item->source.family != BELAY_FAMILY_NONE;
    if (!r->usable)
        return;
    as_ipv6(&item->source, source);
    r->same_scope = r->scope == scope_of(source);
    r->same_label = policy->label == policy_of(source)->label;
    /* Not for IPv4, where it would undo the rotation by which name servers spread the load. Of a
       source's prefix 64 bits are certain (section 2.2). */
    if (item->dest.family == BELAY_FAMILY_IPV6) {
        unsigned bits = common_prefix(dest, source);
        r->common_bits = bits > 64 ? 64 : bits;
    }
}

/* Whether `a` is to come before `b`. */
static bool is_better(const struct rank *a, const struct rank *b, bool same_family)
{
    if (a->usable != b->usable) /* rule 1 */
        return a->usable;
    if (a->same_scope != b->same_scope) /* rule 2 */
        return a->same_scope;
    if (a->same_label != b->same_label) /* rule 5 */
        return a->same_label;
    if (a->precedence != b->precedence) /* rule 6 */
        return a->precedence > b->precedence;
    if (a->scope != b->scope) /* rule 8 */
        return a->scope < b->scope;
    return same_family && a->common_bits > b->common_bits; /* rule 9 */
}

void bl_addr_sort(struct bl_sortable *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct bl_sortable item = items[i];
        struct rank rank, before;
        size_t at = i;
        rank_of(&item, &rank);
        while (at > 0) {
            rank_of(&items[at - 1], &before);
            if (!is_better(&rank, &before, item.dest.family == items[at - 1].dest.family))
                break;
            items[at] = items[at - 1];
            at--;
        }
        items[at] = item;
    }
}
