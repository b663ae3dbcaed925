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

/* The oldest that may be dropped: the user's, and no call. */
static struct bl_letter *oldest(const struct bl_list *list)
{
    for (struct bl_list *node = list->next; node != list; node = node->next) {
        struct bl_letter *letter = letter_of(node);

        if (!is_own(letter) && letter->kind != BL_LETTER_CALL)
            return letter;
    }
    return NULL;
}

static struct bl_letter *make_room(struct bl_mailbox *box)
{
    struct bl_letter *letter = oldest(&box->postponed);

    if (letter)
        box->postponed_n--;
    else
        letter = oldest(&box->queue);
    if (!letter)
        return NULL;
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
    bl_list_push_back(&box->queue, &letter->link);
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
    if (!is_own(letter_of(node)))
        box->count--;
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
    bl_list_push_back(&box->postponed, &letter->link);
    box->postponed_n++;
    if (!is_own(letter))
        box->count++;
}

void bl_mailbox_redeliver(struct bl_mailbox *box)
{
    bl_list_splice(&box->postponed, &box->queue);
    bl_list_splice(&box->queue, &box->postponed);
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
    box->count = box->postponed_n = 0;
}
