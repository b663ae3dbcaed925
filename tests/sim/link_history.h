/* SPDX-License-Identifier: MIT */
/* A history of links: what they are drawn from, and what is done to them. */
#ifndef TEST_SIM_LINK_HISTORY_H
#define TEST_SIM_LINK_HISTORY_H

#include "sim/link_rig.h"

/* link_draw.c */
int link_history_draw(struct life *life);
/* Opens a link, or another one in its place; options are drawn anew. */
int link_history_open(struct sim_link *l);

/* link_history.c */
int link_history_run(uint64_t seed, const struct history_options *options, struct met *met,
                     char *text, size_t size);

#endif
