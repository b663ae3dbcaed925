/* SPDX-License-Identifier: MIT */
/*
 * A process's mailbox: letters in the order in which they came, those that were postponed, and a
 * few blank ones kept for the next. Everything here is under the process's lock; nothing here
 * allocates, frees or calls out: what is to be destroyed is handed back as a list.
 *
 * Letters with a message of the user's count against `max`, postponed ones too. Letters of belay's
 * own (timers, exits, downs, changes of code) are embedded in what they are about: posting one
 * never fails, and none is ever dropped.
 */
#ifndef BL_KEEP_MAILBOX_H
#define BL_KEEP_MAILBOX_H

#include "base/list.h"
#include "belay/process.h"

enum bl_letter_kind {
    BL_LETTER_CALL,
    BL_LETTER_CAST,
    BL_LETTER_INFO,
    BL_LETTER_BACKOFF, /* the process's own, one at most */
    BL_LETTER_CODE,    /* struct bl_code_change */
};

struct bl_letter {
    struct bl_list link;
    struct bl_list drop; /* of those that may be dropped, in the same order */
    struct belay_message message;
    struct belay_from from; /* CALL */
    uint8_t kind;
    /* An embedded letter has been handled, or never will be (its process has ended): called once,
     * without the lock, on the thread that found out; the message was destroyed. NULL: it is one of
     * the mailbox's own. */
    void (*release)(struct bl_letter *letter);
};

#define BL_SPARES_MAX 16

struct bl_mailbox {
    struct bl_list queue, postponed, spares;
    struct bl_list queue_drops, postponed_drops; /* what of them may be dropped */
    uint32_t count;                              /* with messages of the user's, postponed or not */
    uint32_t max, peak;
    uint32_t postponed_n, spares_n;
    uint64_t dropped;
    bool drop_oldest;
};

void bl_mailbox_init(struct bl_mailbox *box, uint32_t max, bool drop_oldest);

static inline bool bl_mailbox_has_mail(const struct bl_mailbox *box)
{
    return !bl_list_empty(&box->queue);
}

/* A blank letter, or NULL: allocate one, without the lock. */
struct bl_letter *bl_mailbox_blank(struct bl_mailbox *box);
/*
 * 0, or BELAY_EAGAIN: it is full. The letter that had to make room for it is *ret_dropped (NULL:
 * none), to be destroyed by the caller.
 */
int bl_mailbox_push(struct bl_mailbox *box, struct bl_letter *letter,
                    struct bl_letter **ret_dropped);
void bl_mailbox_push_own(struct bl_mailbox *box, struct bl_letter *letter); /* one of belay's own */
struct bl_letter *bl_mailbox_pop(struct bl_mailbox *box);
/* Takes one of belay's own back, a postponed one too; harmless when it is not there. */
void bl_mailbox_flush(struct bl_mailbox *box, struct bl_letter *letter);

/* What was popped comes again after bl_mailbox_redeliver, ahead of the mailbox, in order. */
void bl_mailbox_postpone(struct bl_mailbox *box, struct bl_letter *letter);
void bl_mailbox_redeliver(struct bl_mailbox *box);

/* A letter of the mailbox's that is empty now: true when it is kept, else it is to be freed. */
bool bl_mailbox_keep(struct bl_mailbox *box, struct bl_letter *letter);
/* All blank ones to `list`, to be freed; or all letters, to be destroyed: postponed ones first. */
void bl_mailbox_give_back(struct bl_mailbox *box, struct bl_list *list);
void bl_mailbox_empty(struct bl_mailbox *box, struct bl_list *list);

#endif
