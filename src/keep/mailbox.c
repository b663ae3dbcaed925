/* SPDX-License-Identifier: MIT */
#include "keep/mailbox.h"

static struct bl_letter *letter_of(struct bl_list *node)
{
    return BL_LIST_OF(node, struct bl_letter, link);
}

static bool is_own(const struct bl_letter *letter)
{
    return letter->release != NULL;
}

void bl_mailbox_init(struct bl_mailbox *box, uint32_t max, bool drop_oldest)
{
    memset(box, 0, sizeof *box);
    bl_list_init(&box->queue);
    bl_list_init(&box->postponed);
    bl_list_init(&box->spares);
    bl_list_init(&box->queue_drops);
    bl_list_init(&box->postponed_drops);
    box->max = max;
    box->drop_oldest = drop_oldest;
}

struct bl_letter *bl_mailbox_blank(struct bl_mailbox *box)
{
    struct bl_list *node = bl_list_pop_front(&box->spares);

    if (!node)
        return NULL;
    box->spares_n--;
    return letter_of(node);
}

/* The user's, and no call. */
static bool may_be_dropped(const struct bl_letter *letter)
{
    return !is_own(letter) && letter->kind != BL_LETTER_CALL;
}

static void push_back(struct bl_list *list, struct bl_list *drops, struct bl_letter *letter)
{
    bl_list_push_back(list, &letter->link);
    bl_list_init(&letter->drop);
    if (may_be_dropped(letter))
        bl_list_push_back(drops, &letter->drop);
}

/* The oldest that may go. */
static struct bl_letter *make_room(struct bl_mailbox *box)
{
    struct bl_list *node = bl_list_pop_front(&box->postponed_drops);
    struct bl_letter *letter;

    if (node)
        box->postponed_n--;
    else
        node = bl_list_pop_front(&box->queue_drops);
    if (!node)
        return NULL;
    letter = BL_LIST_OF(node, struct bl_letter, drop);
    bl_list_remove(&letter->link);
    box->count--;
    box->dropped++;
    return letter;
}

int bl_mailbox_push(struct bl_mailbox *box, struct bl_letter *letter,
                    struct bl_letter **ret_dropped)
{
    *ret_dropped = NULL;
    if (box->count >= box->max) {
        if (box->drop_oldest)
            *ret_dropped = make_room(box);
        if (!*ret_dropped)
            return BELAY_EAGAIN;
    }
    push_back(&box->queue, &box->queue_drops, letter);
    if (++box->count > box->peak)
        box->peak = box->count;
    return 0;
}

void bl_mailbox_push_own(struct bl_mailbox *box, struct bl_letter *letter)
{
    BL_ASSERT(is_own(letter));
    bl_list_push_back(&box->queue, &letter->link);
}

struct bl_letter *bl_mailbox_pop(struct bl_mailbox *box)
{
    struct bl_list *node = bl_list_pop_front(&box->queue);

    if (!node)
        return NULL;
    if (!is_own(letter_of(node))) {
        bl_list_remove(&letter_of(node)->drop);
        box->count--;
    }
    return letter_of(node);
}

void bl_mailbox_flush(struct bl_mailbox *box, struct bl_letter *letter)
{
    BL_LIST_EACH(node, &box->postponed)
    {
        if (node == &letter->link)
            box->postponed_n--;
    }
    bl_list_remove(&letter->link);
}

void bl_mailbox_postpone(struct bl_mailbox *box, struct bl_letter *letter)
{
    push_back(&box->postponed, &box->postponed_drops, letter);
    box->postponed_n++;
    if (!is_own(letter))
        box->count++;
}

void bl_mailbox_redeliver(struct bl_mailbox *box)
{
    bl_list_splice(&box->postponed, &box->queue);
    bl_list_splice(&box->queue, &box->postponed);
    bl_list_splice(&box->postponed_drops, &box->queue_drops);
    bl_list_splice(&box->queue_drops, &box->postponed_drops);
    box->postponed_n = 0;
}

bool bl_mailbox_keep(struct bl_mailbox *box, struct bl_letter *letter)
{
    if (box->spares_n >= BL_SPARES_MAX)
        return false;
    bl_list_push_front(&box->spares, &letter->link);
    box->spares_n++;
    return true;
}

void bl_mailbox_give_back(struct bl_mailbox *box, struct bl_list *list)
{
    bl_list_splice(list, &box->spares);
    box->spares_n = 0;
}

void bl_mailbox_empty(struct bl_mailbox *box, struct bl_list *list)
{
    bl_list_splice(list, &box->postponed);
    bl_list_splice(list, &box->queue);
    bl_list_init(&box->queue_drops);
    bl_list_init(&box->postponed_drops);
    box->count = box->postponed_n = 0;
}
