/* SPDX-License-Identifier: MIT */
/*
 * Happy Eyeballs, decided without a socket. Attempts start in the order of the list, so what was
 * started is always its front; addresses that come later change only the rest.
 */
#include "net/race.h"

#include "base/assert.h"
#include "belay/world.h"

void bl_race_init(struct bl_race *race, uint64_t delay_ns)
{
    memset(race, 0, sizeof *race);
    race->delay_ns = delay_ns;
    race->more = true;
}

static size_t started_count(const struct bl_race *race)
{
    size_t n = 0;
    while (n < race->n && race->state[n] != BL_RACE_WAITING)
        n++;
    return n;
}

static bool is_trying(const struct bl_race *race)
{
    for (size_t i = 0; i < race->n; i++) {
        if (race->state[i] == BL_RACE_TRYING)
            return true;
    }
    return false;
}

static bool is_known(const struct bl_race *race, const struct belay_addr *addr)
{
    for (size_t i = 0; i < race->n; i++) {
        if (belay_addr_equal(&race->addrs[i], addr))
            return true;
    }
    return false;
}

/* The next address from `*at` on that is, or is not, of `family`, and is not in the race yet. */
static const struct belay_addr *pick(const struct bl_race *race, const struct belay_addr *addrs,
                                     size_t n, uint8_t family, bool same, size_t *at)
{
    for (; *at < n; (*at)++) {
        const struct belay_addr *a = &addrs[*at];
        if ((a->family == family) == same && !is_known(race, a))
            return a;
    }
    return NULL;
}

void bl_race_addresses(struct bl_race *race, const struct belay_addr *addrs, size_t n, bool more)
{
    race->more = more;
    race->n = started_count(race);
    if (!n)
        return;
    uint8_t family = race->n ? race->addrs[race->n - 1].family : addrs[0].family;
    bool same = race->n == 0;
    size_t at[2] = {0, 0};
    while (race->n < BL_RACE_MAX) {
        const struct belay_addr *a = pick(race, addrs, n, family, same, &at[same]);
        if (!a)
            a = pick(race, addrs, n, family, !same, &at[!same]);
        if (!a)
            return;
        race->state[race->n] = BL_RACE_WAITING;
        race->os_error[race->n] = 0;
        race->addrs[race->n++] = *a;
        same = a->family != family;
    }
}

int bl_race_next(const struct bl_race *race, uint64_t now_ns)
{
    size_t next = started_count(race);
    if (next == race->n || now_ns < bl_race_deadline(race))
        return -1;
    return (int)next;
}

void bl_race_started(struct bl_race *race, int i, uint64_t now_ns)
{
    BL_ASSERT(race->state[i] == BL_RACE_WAITING);
    race->state[i] = BL_RACE_TRYING;
    race->started_ns[i] = now_ns;
    race->last_start_ns = now_ns;
    race->hurry = false;
}

void bl_race_failed(struct bl_race *race, int i, int os_error, uint64_t now_ns)
{
    BL_ASSERT(race->state[i] == BL_RACE_TRYING);
    race->state[i] = BL_RACE_FAILED;
    race->os_error[i] = os_error;
    race->ended_ns[i] = now_ns;
    race->hurry = true;
}

uint64_t bl_race_deadline(const struct bl_race *race)
{
    if (started_count(race) == race->n)
        return BELAY_NEVER;
    if (race->hurry || !is_trying(race))
        return 0;
    return race->last_start_ns > UINT64_MAX - race->delay_ns ? BELAY_NEVER
                                                             : race->last_start_ns + race->delay_ns;
}

bool bl_race_lost(const struct bl_race *race)
{
    return !race->more && started_count(race) == race->n && !is_trying(race);
}

size_t bl_race_tried(const struct bl_race *race, uint64_t now_ns,
                     struct belay_tried out[BL_RACE_MAX])
{
    size_t n = started_count(race);
    for (size_t i = 0; i < n; i++) {
        uint64_t end = race->state[i] == BL_RACE_FAILED ? race->ended_ns[i] : now_ns;
        out[i].addr = race->addrs[i];
        out[i].os_error = race->os_error[i];
        out[i].took_ms = (int64_t)((end - race->started_ns[i]) / 1000000u);
    }
    return n;
}
