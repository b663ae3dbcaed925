/* SPDX-License-Identifier: MIT */
/* The parts of a history that are kept, as text: "3,7-9,41". */
#ifndef TEST_SIM_HISTORY_ITEMS_H
#define TEST_SIM_HISTORY_ITEMS_H

#include "sim/history.h"

void history_items_all(struct history_items *items, unsigned n);
void history_items_keep(struct history_items *items, unsigned item, bool kept);
unsigned history_items_count(const struct history_items *items);
/* -1: it is none, or too large a number. */
int history_items_parse(struct history_items *items, const char *text);
void history_items_print(const struct history_items *items, char *out, size_t size);

#endif
