/* SPDX-License-Identifier: MIT */
/*
 * How a channel is given up. Of one whose server told it to go away the calls under way finish, until
 * the connection to Chronicle ends; all others are closed.
 */
#include "grpc/channel.h"
#include "service/chronicle.h"

/* ---- its calls ---- */

void bl_chronicle_refuse_call(struct belay_rpc *rpc, const char *method, void *arg)
{
    struct belay_error error;

    (void)method, (void)arg;
    bl_error_set(&error, BELAY_ECLOSED, BELAY_STAGE_USE,
                 "the channel is the connection's no more, which was lost or disconnected");
    error.kind = BELAY_KIND_RETRY; /* elsewhere it may be made */
    belay_rpc_credentials_done(rpc, NULL, 0, &error);
}

void bl_chronicle_disown_channel(struct belay_chronicle *c)
{
    if (c->channel && c->access && c->channel->options.credentials_arg == c->access)
        bl_channel_set_credentials(c->channel, bl_chronicle_refuse_call, NULL);
}

/* ---- its end ---- */

struct leaving {
    struct bl_list link;
    struct belay_channel *channel; /* with a reference */
    struct belay_chronicle *of;
};

static void on_state(struct belay_channel *channel, enum belay_channel_state state,
                     const struct belay_error *error, void *arg)
{
    struct leaving *l = arg;
    struct belay_chronicle *c = l->of;

    (void)error;
    if (state != BELAY_CHANNEL_SHUTDOWN)
        return;
    bl_channel_keep(channel, NULL, NULL);
    bl_list_remove(&l->link);
    belay_channel_unref(channel);
    bl_free(&c->loop->mem, l);
    bl_chronicle_run_later(c);
}

static bool let_leave(struct belay_chronicle *c, struct belay_channel *channel)
{
    struct leaving *l = bl_alloc(&c->loop->mem, sizeof *l);

    if (!l)
        return false;
    *l = (struct leaving){.channel = belay_channel_ref(channel), .of = c};
    bl_list_push_back(&c->leaving, &l->link);
    bl_channel_keep(channel, on_state, l);
    belay_channel_drain(channel, NULL, NULL);
    return true;
}

void bl_chronicle_end_leaving(struct belay_chronicle *c)
{
    for (struct bl_list *at = c->leaving.next; at != &c->leaving; at = at->next)
        belay_channel_close(BL_LIST_OF(at, struct leaving, link)->channel, NULL, NULL);
}

void bl_chronicle_close_channel(struct belay_chronicle *c, struct belay_channel *channel)
{
    if (c->functions.disconnect)
        c->functions.disconnect(channel, c->functions.arg);
    else if (c->let_go || !bl_channel_is_sent_away(channel) || !let_leave(c, channel))
        belay_channel_close(channel, NULL, NULL);
}

void bl_chronicle_drop_channel(struct belay_chronicle *c)
{
    struct belay_channel *channel = c->channel;

    bl_chronicle_session_free(c->session);
    c->session = NULL;
    bl_chronicle_disown_channel(c);
    c->channel = NULL;
    if (!channel)
        return;
    bl_channel_keep(channel, NULL, NULL);
    bl_chronicle_close_channel(c, channel);
    belay_channel_unref(channel);
}
