/* SPDX-License-Identifier: MIT */
/* Sets of items of a history, and their text. */
#include "sim/history_items.h"

#include <stdio.h>
#include <stdlib.h>

void history_items_keep(struct history_items *items, unsigned item, bool kept)
{
    uint64_t bit = UINT64_C(1) << item % 64;

    if (kept)
        items->kept[item / 64] |= bit;
    else
        items->kept[item / 64] &= ~bit;
    if (kept && item >= items->n)
        items->n = item + 1;
}

void history_items_all(struct history_items *items, unsigned n)
{
    *items = (struct history_items){0};
    for (unsigned i = 0; i < n && i < HISTORY_ITEMS_MAX; i++)
        history_items_keep(items, i, true);
}

unsigned history_items_count(const struct history_items *items)
{
    unsigned n = 0;

    for (unsigned i = 0; i < items->n; i++)
        n += history_has(items, i);
    return n;
}

int history_items_parse(struct history_items *items, const char *text)
{
    *items = (struct history_items){0};
    while (*text) {
        char *end;
        unsigned long first = strtoul(text, &end, 10), last = first;

        if (end == text)
            return -1;
        if (*end == '-') {
            text = end + 1;
            last = strtoul(text, &end, 10);
            if (end == text)
                return -1;
        }
        if (first > last || last >= HISTORY_ITEMS_MAX || (*end && *end != ','))
            return -1;
        for (unsigned long i = first; i <= last; i++)
            history_items_keep(items, (unsigned)i, true);
        text = *end ? end + 1 : end;
    }
    return 0;
}

void history_items_print(const struct history_items *items, char *out, size_t size)
{
    size_t len = 0;

    *out = '\0';
    for (unsigned i = 0; i < items->n && len < size; i++) {
        unsigned last = i;

        if (!history_has(items, i))
            continue;
        while (history_has(items, last + 1))
            last++;
        if (last > i)
            len += (size_t)snprintf(out + len, size - len, "%s%u-%u", len ? "," : "", i, last);
        else
            len += (size_t)snprintf(out + len, size - len, "%s%u", len ? "," : "", i);
        i = last;
    }
}
