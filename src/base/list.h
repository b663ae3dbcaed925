/* SPDX-License-Identifier: MIT */
/*
 * Intrusive circular lists. A node out of every list points at itself, so removing it again is
 * harmless. Never iterate while calling out: splice to a list of your own and pop.
 */
#ifndef BL_BASE_LIST_H
#define BL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

struct bl_list {
    struct bl_list *next, *prev;
};

static inline void bl_list_init(struct bl_list *l)
{
    l->next = l->prev = l;
}

static inline bool bl_list_empty(const struct bl_list *l)
{
    return l->next == l;
}

/* Whether a node is in some list. */
static inline bool bl_list_linked(const struct bl_list *node)
{
    return node->next != node;
}

static inline void bl_list_insert_after(struct bl_list *at, struct bl_list *node)
{
    node->next = at->next;
    node->prev = at;
    at->next->prev = node;
    at->next = node;
}

static inline void bl_list_push_front(struct bl_list *l, struct bl_list *node)
{
    bl_list_insert_after(l, node);
}

static inline void bl_list_push_back(struct bl_list *l, struct bl_list *node)
{
    bl_list_insert_after(l->prev, node);
}

static inline void bl_list_remove(struct bl_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = node;
}

static inline struct bl_list *bl_list_first(const struct bl_list *l)
{
    return bl_list_empty(l) ? NULL : l->next;
}

static inline struct bl_list *bl_list_last(const struct bl_list *l)
{
    return bl_list_empty(l) ? NULL : l->prev;
}

static inline struct bl_list *bl_list_pop_front(struct bl_list *l)
{
    struct bl_list *node = bl_list_first(l);
    if (node)
        bl_list_remove(node);
    return node;
}

/* Moves all of `from` to the end of `to`. */
static inline void bl_list_splice(struct bl_list *to, struct bl_list *from)
{
    if (bl_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    bl_list_init(from);
}

/* Safe against removal of the current node only. */
#define BL_LIST_EACH(node, list)                                                                   \
    for (struct bl_list *node = (list)->next, *node##_next = node->next; node != (list);           \
         node = node##_next, node##_next = node->next)

#define BL_LIST_OF(node, type, member) BL_CONTAINER(node, type, member)

#endif
