/* SPDX-License-Identifier: MIT */
/* The sentences of a race that was not won. Pure. */
#ifndef BL_NET_DIAL_ERROR_H
#define BL_NET_DIAL_ERROR_H

#include "base/error.h"
#include "net/race.h"

/* All addresses failed: code and os_error are those of the attempt that says most. */
void bl_dial_describe_lost(const struct bl_race *race, uint64_t now_ns, const char *target,
                           struct belay_error *error);
/* The time was over first. */
void bl_dial_describe_timeout(const struct bl_race *race, uint64_t now_ns, const char *target,
                              int64_t limit_ms, struct belay_error *error);

#endif
