/* SPDX-License-Identifier: MIT */
/* The parts of a history, those that are kept, and their text: "3,7-9,41". */
#ifndef TEST_SIM_HISTORY_ITEMS_H
#define TEST_SIM_HISTORY_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a history is made of, in order: what was drawn for it (kind, options), then its steps. Each has random numbers of its
 * own, so that leaving some out changes as little as may be of the others: that is how one that fails is shrunk.
 */
#define HISTORY_DRAWS     32
#define HISTORY_ITEMS_MAX 1024

struct history_items {
    unsigned n; /* of them; none of those after */
    uint64_t kept[HISTORY_ITEMS_MAX / 64];
};

static inline bool history_has(const struct history_items *items, unsigned item)
{
    return !items || (item < items->n && (items->kept[item / 64] >> item % 64 & 1));
}

/* What the oracle gets wrong on purpose, to see what becomes of a failure. */
enum sim_sabotage {
    SIM_SABOTAGE_NONE,
    SIM_SABOTAGE_USES, /* the ninth use of a connection is held to be one too many */
    SIM_SABOTAGE_CRASH /* the program dies when somebody cancels and another one waits */
};

struct history_options {
    bool verbose;
    bool alloc_fails; /* in every history, not only in some */
    bool one_by_one;  /* no shrinking: what fails is told, and that is all */
    enum sim_sabotage sabotage;
    const struct history_items *items; /* NULL: all */
    volatile unsigned *progress;       /* may be NULL */
};

void history_items_all(struct history_items *items, unsigned n);
void history_items_keep(struct history_items *items, unsigned item, bool kept);
unsigned history_items_count(const struct history_items *items);
/* -1: it is none, or too large a number. */
int history_items_parse(struct history_items *items, const char *text);
void history_items_print(const struct history_items *items, char *out, size_t size);

#endif
