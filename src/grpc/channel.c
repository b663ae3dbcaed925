/* SPDX-License-Identifier: MIT */
/*
 * The channel as an object.
 *
 *     open --drain--> DRAINING --last call--> CLOSING --connections, HTTP client--> ended
 *        \--close--> all calls end -------------^
 *
 * Closing lets go of everything inside the caller's call, so that a loop which is closed finds the
 * HTTP client still there; who is to be told hears of it from the task.
 */
#include "grpc/channel.h"

#include <stdio.h>

#include "grpc/subchannel.h"
#include "http/client.h"

/* ---- opening ---- */

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "opening a channel: out of memory");
}

static void free_strings(struct belay_channel *ch)
{
    struct bl_mem *mem = &ch->loop->mem;

    bl_free(mem, ch->target);
    bl_free(mem, ch->url);
    bl_free(mem, ch->authority);
    bl_free(mem, ch->user_agent);
    bl_free(mem, ch->health_service);
}

static void let_go(struct belay_channel *ch)
{
    bl_task_cancel(&ch->run);
    bl_timer_fini(&ch->timer, ch->loop);
    belay_source_unref(ch->source);
    ch->source = NULL;
    bl_error_copy_clear(&ch->error, &ch->loop->mem);
}

#define OWN_AGENT "grpc-c-belay/" BELAY_VERSION

static int set_user_agent(struct belay_channel *ch, const char *given)
{
    size_t room = (given ? strlen(given) : 0) + sizeof " " OWN_AGENT;

    ch->user_agent = bl_alloc(&ch->loop->mem, room);
    if (!ch->user_agent)
        return BELAY_ENOMEM;
    snprintf(ch->user_agent, room, "%s%s%s", given ? given : "", given && *given ? " " : "",
             OWN_AGENT);
    return 0;
}

/* What the options point to is ours; what was needed for opening alone is forgotten. */
static int own_options(struct belay_channel *ch)
{
    struct belay_channel_options *o = &ch->options;
    struct bl_mem *mem = &ch->loop->mem;

    if (bl_copy_text(mem, o->authority, &ch->authority) < 0 ||
        bl_copy_text(mem, o->health_service, &ch->health_service) < 0 ||
        set_user_agent(ch, o->user_agent) < 0)
        return BELAY_ENOMEM;
    o->authority = ch->authority;
    o->health_service = ch->health_service;
    o->user_agent = ch->user_agent;
    o->tls = NULL;
    o->route = NULL;
    o->backoff = NULL;
    o->retry = NULL;
    ch->health_options = *o;
    ch->health_options.credentials = NULL;
    return 0;
}

static void close_object(struct bl_object *object)
{
    belay_channel_close(BL_CONTAINER(object, struct belay_channel, object), NULL, NULL);
}

static void change_network(struct bl_object *object)
{
    belay_channel_reset_backoff(BL_CONTAINER(object, struct belay_channel, object));
}

static int open_http(struct belay_channel *ch, const struct belay_channel_options *given,
                     struct belay_error *error)
{
    struct belay_http_options o = bl_channel_http_options(given, ch->user_agent);
    int rc = bl_dial_options_resolve(&ch->dial, NULL, error);

    if (rc < 0)
        return rc;
    ch->dial.session_timeout_ms = INT64_MAX; /* the policy limits the whole attempt */
    rc = belay_http_open(ch->loop, &o, &ch->http, error);
    if (rc < 0)
        return rc;
    ch->http->ours = true;
    rc = belay_http_connector(ch->http, NULL, &ch->connector, error);
    if (rc < 0)
        belay_http_close(ch->http, NULL, NULL);
    return rc;
}

static void init_parts(struct belay_channel *ch, const struct bl_cp_limits *limits)
{
    bl_cp_init(&ch->cp, limits, bl_rand_next(&ch->loop->rand), bl_now_fresh(ch->loop));
    bl_retry_tokens_init(&ch->tokens, &ch->retry);
    bl_list_init(&ch->subs);
    bl_list_init(&ch->calls);
    bl_list_init(&ch->waiting);
    bl_list_init(&ch->blocked);
    ch->told = BELAY_CHANNEL_IDLE;
    ch->refs = 1;
}

static int make(struct belay_channel *ch, const char *target,
                const struct belay_channel_options *given, struct belay_error *error)
{
    struct belay_channel_options raw;
    struct bl_cp_limits limits;
    int rc = bl_channel_options_resolve(&ch->options, &limits, &ch->retry, given, error);

    if (rc < 0)
        return rc;
    raw = ch->options;
    init_parts(ch, &limits);
    ch->target = bl_strdup(&ch->loop->mem, target);
    if (!ch->target || bl_timer_init(&ch->timer, ch->loop, bl_channel_run, ch) < 0)
        return out_of_memory(error);
    rc = bl_channel_make_source(ch, &raw, error);
    if (rc < 0)
        return rc;
    if (own_options(ch) < 0)
        return out_of_memory(error);
    ch->home = (struct bl_rpc_home){.loop = ch->loop,
                                    .ops = &bl_channel_home_ops,
                                    .options = &ch->options,
                                    .name = ch->target,
                                    .url = ch->url};
    return open_http(ch, &raw, error);
}

int belay_channel_open(struct belay_loop *loop, const char *target,
                       const struct belay_channel_options *options,
                       struct belay_channel **ret_channel, struct belay_error *error)
{
    struct belay_channel *ch;
    int rc;

    if (!target)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "opening a channel: no target");
    if (loop->closing)
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "opening a channel: the loop is closed");
    ch = bl_zalloc(&loop->mem, sizeof *ch);
    if (!ch)
        return out_of_memory(error);
    ch->loop = loop;
    bl_task_init(&ch->run, bl_channel_run, ch);
    rc = make(ch, target, options, error);
    if (rc < 0) {
        let_go(ch);
        free_strings(ch);
        bl_free(&loop->mem, ch);
        return rc;
    }
    bl_object_init(&ch->object, loop, "channel", close_object);
    ch->object.network_changed = change_network;
    BL_TRACE(loop, "channel", ch->object.id, ch->target, NULL, "IDLE", "");
    *ret_channel = ch;
    return 0;
}

/* ---- the end ---- */

static void on_http_closed(void *arg)
{
    struct belay_channel *ch = arg;

    ch->http = NULL;
    bl_channel_run_later(ch);
}

static void close_subs(struct belay_channel *ch)
{
    struct bl_list all, *node;

    bl_list_init(&all);
    bl_list_splice(&all, &ch->subs);
    while ((node = bl_list_first(&all))) {
        struct bl_subchannel *sub = BL_LIST_OF(node, struct bl_subchannel, link);

        bl_list_remove(node);
        bl_list_push_back(&ch->subs, node);
        bl_cp_remove(&ch->cp, &sub->cp);
        bl_sub_close(sub);
        bl_sub_remove(sub);
    }
}

static void begin_end(struct belay_channel *ch)
{
    ch->closing = true;
    bl_cp_close(&ch->cp);
    bl_timer_stop(&ch->timer);
    bl_channel_end_waits(ch);
    if (ch->query)
        belay_source_cancel(ch->query);
    ch->query = NULL;
    bl_channel_cancel_calls(ch);
    close_subs(ch);
    belay_http_close(ch->http, on_http_closed, ch);
    bl_channel_run_later(ch);
}

static void set_on_closed(struct belay_channel *ch, belay_fn *on_closed, void *arg)
{
    if (!on_closed)
        return;
    if (ch->ended && !ch->on_closed) {
        ch->refs++; /* until it has been told */
        bl_channel_run_later(ch);
    }
    ch->on_closed = on_closed;
    ch->closed_arg = arg;
}

void belay_channel_close(struct belay_channel *channel, belay_fn *on_closed, void *arg)
{
    if (!channel)
        return;
    set_on_closed(channel, on_closed, arg);
    if (!channel->closing)
        begin_end(channel);
}

void belay_channel_drain(struct belay_channel *channel, belay_fn *on_closed, void *arg)
{
    if (!channel)
        return;
    set_on_closed(channel, on_closed, arg);
    channel->draining = true;
    if (!channel->closing)
        bl_channel_run_later(channel);
}

bool bl_channel_finish(struct belay_channel *ch)
{
    belay_fn *on_closed = ch->on_closed;
    bool late = ch->ended;

    if (!late && (ch->http || ch->calls_n > 0 || !bl_list_empty(&ch->subs)))
        return false;
    ch->on_closed = NULL;
    if (!late) {
        let_go(ch);
        ch->ended = true;
        BL_TRACE(ch->loop, "channel", ch->object.id, ch->target, "SHUTDOWN", NULL, "");
        bl_object_fini(&ch->object, ch->loop);
        bl_channel_child_ended(ch);
    }
    if (on_closed)
        on_closed(ch->closed_arg);
    if (!late || on_closed)
        belay_channel_unref(ch);
    return true;
}

struct belay_channel *belay_channel_ref(struct belay_channel *channel)
{
    if (channel)
        channel->refs++;
    return channel;
}

void belay_channel_unref(struct belay_channel *channel)
{
    if (!channel || --channel->refs > 0)
        return;
    bl_task_cancel(&channel->run);
    free_strings(channel);
    bl_free(&channel->loop->mem, channel);
}

bool belay_channel_is_closed(const struct belay_channel *channel)
{
    return channel->closing;
}

bool bl_channel_is_sent_away(const struct belay_channel *ch)
{
    bool ending = false;

    BL_CP_EACH_SUB(sub, &ch->cp)
    {
        ending |= sub->ending > 0;
    }
    return ending && !ch->closing && ch->cp.state != BELAY_CHANNEL_READY;
}

struct belay_loop *belay_channel_loop(const struct belay_channel *channel)
{
    return channel->loop;
}
