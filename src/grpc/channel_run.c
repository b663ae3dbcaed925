/* SPDX-License-Identifier: MIT */
/* The channel's task: what the policy decides is done here, and then it is told. */
#include "grpc/subchannel.h"

void bl_channel_remember(struct belay_channel *ch, const struct belay_error *error)
{
    if (error)
        bl_error_copy_set(&ch->error, &ch->loop->mem, error);
    else
        bl_error_copy_clear(&ch->error, &ch->loop->mem);
}

const struct belay_error *bl_channel_last(const struct belay_channel *ch,
                                          struct belay_error *scratch)
{
    return ch->error.code ? bl_error_copy_get(&ch->error, scratch, NULL) : NULL;
}

static void perform(struct belay_channel *ch, enum bl_cp_todo todo, struct bl_cp_sub *sub)
{
    switch (todo) {
    case BL_CP_RESOLVE:
        bl_channel_resolve(ch);
        break;
    case BL_CP_DIAL:
        bl_sub_dial(bl_sub_of(sub), sub->backoff.failures > 0);
        break;
    case BL_CP_GIVE_UP:
        bl_sub_give_up(bl_sub_of(sub));
        break;
    case BL_CP_CANCEL:
        bl_sub_cancel(bl_sub_of(sub));
        break;
    case BL_CP_RELEASE: /* it was good until now: what went wrong beside it is past */
        bl_channel_remember(ch, NULL);
        bl_sub_release(bl_sub_of(sub));
        break;
    case BL_CP_NONE:
        break;
    }
}

/* Until nothing is left to be done now: a call that finds no room asks for a connection. */
static void settle(struct belay_channel *ch)
{
    struct bl_cp_sub *sub;
    enum bl_cp_todo todo;

    bl_channel_place(ch);
    while ((todo = bl_cp_next(&ch->cp, bl_channel_now(ch), &sub)) != BL_CP_NONE)
        perform(ch, todo, sub);
    bl_channel_place(ch);
    if (ch->cp.state == BELAY_CHANNEL_IDLE && bl_channel_is_awaited(ch)) {
        bl_cp_connect(&ch->cp, bl_channel_now(ch)); /* it slept, or was READY for a moment */
        bl_channel_run_later(ch);
    }
}

void bl_channel_run(void *channel)
{
    struct belay_channel *ch = channel;

    if (ch->ended) { /* somebody asked for the end, after it */
        bl_channel_finish(ch);
        return;
    }
    if (!ch->closing && ch->draining && ch->calls_n == 0)
        belay_channel_close(ch, NULL, NULL);
    if (!ch->closing)
        settle(ch);
    bl_channel_tell(ch);
    if (ch->closing)
        bl_channel_finish(ch);
    else
        bl_timer_at(&ch->timer, ch->loop, bl_cp_wakes(&ch->cp));
}
