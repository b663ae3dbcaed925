/* SPDX-License-Identifier: MIT */
/* A connection of the fake connector, as its two halves see it. */
#ifndef TEST_SIM_FAKE_H
#define TEST_SIM_FAKE_H

#include "sim/parts.h"

enum fake_state { OPENING, UP, ENDING, OVER };

struct fake {
    struct sim_seen seen; /* first: a lease's state is its address */
    struct bl_list link;
    struct sim_world *world;
    struct belay_conn *conn;
    enum fake_state state;
    struct sim_event event;
    struct sim_event check, ask;
    bool told_gone, cancelled;
};

static inline struct fake *sim_fake_of(struct sim_seen *seen)
{
    return BL_CONTAINER(seen, struct fake, seen);
}

void sim_fake_wasted(struct fake *f);
/* It is closed: those that its failure casts doubt upon are to be checked. */
void sim_fake_doubted(const struct sim_seen *seen);

#endif
