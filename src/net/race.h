/* SPDX-License-Identifier: MIT */
/*
 * Happy Eyeballs (RFC 8305), pure: which address to try when. It is told what happened and answers
 * what to do; dial.c opens the sockets.
 */
#ifndef BL_NET_RACE_H
#define BL_NET_RACE_H

#include "belay/addr.h"
#include "belay/error.h"

#define BL_RACE_MAX 32 /* addresses of one attempt; more are ignored */

enum bl_race_state { BL_RACE_WAITING = 0, BL_RACE_TRYING, BL_RACE_FAILED };

struct bl_race {
    struct belay_addr addrs[BL_RACE_MAX]; /* interleaved by family, first family first */
    uint64_t started_ns[BL_RACE_MAX];
    uint64_t ended_ns[BL_RACE_MAX];
    int os_error[BL_RACE_MAX];
    uint8_t state[BL_RACE_MAX]; /* enum bl_race_state */
    size_t n;
    uint64_t delay_ns; /* between starts: 250 ms */
    uint64_t last_start_ns;
    bool more;  /* the resolver will bring more */
    bool hurry; /* one failed since the last start: the next need not wait */
};

void bl_race_init(struct bl_race *race, uint64_t delay_ns);
/* The addresses known so far, in order of preference; those already tried keep their state. */
void bl_race_addresses(struct bl_race *race, const struct belay_addr *addrs, size_t n, bool more);
/* The next address to start at `now`, or -1. Then the caller starts it and says bl_race_started. */
int bl_race_next(const struct bl_race *race, uint64_t now_ns);
void bl_race_started(struct bl_race *race, int i, uint64_t now_ns);
void bl_race_failed(struct bl_race *race, int i, int os_error, uint64_t now_ns);
/* When to ask bl_race_next again; BELAY_NEVER when only an event can change the answer. */
uint64_t bl_race_deadline(const struct bl_race *race);
/* All that are known have failed and no more will come. */
bool bl_race_lost(const struct bl_race *race);
/* For the error: what was tried, in order of start. Returns how many. */
size_t bl_race_tried(const struct bl_race *race, uint64_t now_ns,
                     struct belay_tried out[BL_RACE_MAX]);

#endif
