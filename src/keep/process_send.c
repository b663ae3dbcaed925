/* SPDX-License-Identifier: MIT */
/* What comes into a process, from any thread: letters, resumes, wake-ups. */
#include "keep/process.h"

/* ---- waking ---- */

void bl_process_wake(struct belay_process *p)
{
    if (p->wanted || p->ended)
        return;
    p->wanted = true;
    if (p->thread)
        bl_process_thread_wake(p);
    else
        bl_process_ask_run(p);
}

void bl_process_tell(struct belay_process *p, unsigned what)
{
    p->tell |= what;
    bl_process_ask_run(p);
}

/* ---- letters ---- */

void bl_process_drop_letter(struct belay_process *p, struct bl_letter *letter)
{
    belay_message_destroy(&letter->message);
    if (letter->release)
        letter->release(letter);
    else
        bl_free(&p->loop->mem, letter);
}

void bl_process_drop_letters(struct belay_process *p, struct bl_list *list)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(list)))
        bl_process_drop_letter(p, BL_LIST_OF(node, struct bl_letter, link));
}

void bl_directive_drop(struct belay_directive *directive)
{
    belay_message_destroy(&directive->info);
    belay_message_destroy(&directive->reply);
}

/* With the lock, which is released meanwhile where memory is asked for. */
static struct bl_letter *blank_letter(struct belay_process *p)
{
    struct bl_letter *letter = bl_mailbox_blank(&p->mailbox);

    if (!letter) {
        bl_mutex_unlock(&p->lock);
        letter = bl_alloc(&p->loop->mem, sizeof *letter);
        bl_mutex_lock(&p->lock);
    }
    if (letter)
        bl_list_init(&letter->link);
    return letter;
}

/* With the lock. */
static int push(struct belay_process *p, struct bl_letter *letter, struct bl_letter **ret_dropped)
{
    int rc = p->ended ? BELAY_ENOPROC : bl_mailbox_push(&p->mailbox, letter, ret_dropped);

    if (rc == 0)
        bl_process_wake(p);
    return rc;
}

int bl_process_post(struct belay_process *p, enum bl_letter_kind kind,
                    const struct belay_message *message, struct belay_from from)
{
    struct bl_letter *letter = NULL, *dropped = NULL;
    int rc = BELAY_ENOPROC;

    bl_mutex_lock(&p->lock);
    if (!p->ended) {
        letter = blank_letter(p);
        rc = BELAY_ENOMEM;
    }
    if (letter) {
        letter->kind = (uint8_t)kind;
        letter->message = *message;
        letter->from = from;
        letter->release = NULL;
        rc = push(p, letter, &dropped);
        if (rc < 0 && !p->ended && bl_mailbox_keep(&p->mailbox, letter))
            letter = NULL;
    }
    bl_mutex_unlock(&p->lock);
    if (rc < 0)
        bl_free(&p->loop->mem, letter);
    if (dropped)
        bl_process_drop_letter(p, dropped);
    return rc;
}

bool bl_process_post_own(struct belay_process *p, struct bl_letter *letter)
{
    bool alive;

    bl_mutex_lock(&p->lock);
    alive = !p->ended;
    if (alive) {
        bl_mailbox_push_own(&p->mailbox, letter);
        bl_process_wake(p);
    }
    bl_mutex_unlock(&p->lock);
    return alive;
}

static int post_users(struct belay_process *p, enum bl_letter_kind kind,
                      const struct belay_message *message)
{
    if (!p || message->tag < 0)
        return BELAY_EINVAL;
    return bl_process_post(p, kind, message, (struct belay_from){NULL, 0, 0});
}

int belay_process_cast(struct belay_process *process, struct belay_message message)
{
    return post_users(process, BL_LETTER_CAST, &message);
}

int belay_process_send(struct belay_process *process, struct belay_message message)
{
    return post_users(process, BL_LETTER_INFO, &message);
}

/* ---- resuming ---- */

/* Also before the callback has returned: what it began may be faster than it. */
int belay_process_resume(struct belay_process *p, struct belay_directive directive)
{
    int rc = BELAY_EINVAL;

    if (!p)
        return rc;
    bl_mutex_lock(&p->lock);
    if (p->may_resume && !p->has_resumed && !p->ended) {
        p->resumed = directive;
        p->has_resumed = true;
        bl_process_wake(p);
        rc = 0;
    }
    bl_mutex_unlock(&p->lock);
    return rc;
}
