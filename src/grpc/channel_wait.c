/* SPDX-License-Identifier: MIT */
/* Those who want to know the state of a channel: its watch, and who waits for one. */
#include "grpc/channel.h"

static const char *const state_names[] = {
    [BELAY_CHANNEL_IDLE] = "IDLE",         [BELAY_CHANNEL_CONNECTING] = "CONNECTING",
    [BELAY_CHANNEL_READY] = "READY",       [BELAY_CHANNEL_TRANSIENT_FAILURE] = "TRANSIENT_FAILURE",
    [BELAY_CHANNEL_SHUTDOWN] = "SHUTDOWN",
};

const char *belay_channel_state_name(enum belay_channel_state state)
{
    if ((unsigned)state >= BL_COUNT(state_names) || !state_names[state])
        return "unknown";
    return state_names[state];
}

enum belay_channel_state belay_channel_get_state(const struct belay_channel *ch)
{
    return ch->cp.state;
}

void belay_channel_watch(struct belay_channel *ch, belay_channel_state_fn *fn, void *arg)
{
    ch->watch = fn;
    ch->watch_arg = arg;
}

void bl_channel_keep(struct belay_channel *ch, belay_channel_state_fn *fn, void *arg)
{
    ch->keep = fn;
    ch->keep_arg = arg;
}

void belay_channel_connect(struct belay_channel *ch)
{
    if (ch->closing || ch->draining)
        return;
    bl_cp_connect(&ch->cp, bl_now_fresh(ch->loop));
    bl_channel_run_later(ch);
}

void belay_channel_reset_backoff(struct belay_channel *ch)
{
    if (ch->closing)
        return;
    bl_cp_reset_backoff(&ch->cp, bl_now_fresh(ch->loop));
    bl_channel_run_later(ch);
}

/* ---- for those who block ---- */

struct blocked {
    struct bl_wait wait;
    struct bl_list link;
    struct belay_channel *channel;
    enum belay_channel_state from; /* another is waited for; 0: READY is */
    enum belay_channel_state state;
    int64_t timeout_ms;
    struct belay_error error;
};

static struct blocked *blocked_of(struct bl_list *node)
{
    return BL_LIST_OF(node, struct blocked, link);
}

static int start_ready(struct bl_wait *wait)
{
    struct blocked *b = BL_CONTAINER(wait, struct blocked, wait);
    struct belay_channel *ch = b->channel;

    if (ch->closing || ch->draining)
        return bl_error_set(&b->error, BELAY_ECLOSED, BELAY_STAGE_QUEUE,
                            "waiting for a connection to %.160s: the channel is closed",
                            ch->target);
    bl_list_push_back(&ch->blocked, &b->link);
    belay_channel_connect(ch);
    return 0;
}

static void cancel_ready(struct bl_wait *wait)
{
    struct blocked *b = BL_CONTAINER(wait, struct blocked, wait);
    struct belay_error scratch;
    const struct belay_error *last = bl_channel_last(b->channel, &scratch);

    bl_list_remove(&b->link);
    bl_error_set(&b->error, BELAY_ETIMEDOUT, BELAY_STAGE_QUEUE,
                 "waiting for a connection to %.160s: none within %lld ms%s%s", b->channel->target,
                 (long long)b->timeout_ms, last ? "; " : "", last ? last->text : "");
}

int belay_channel_ready_wait(struct belay_channel *channel, int64_t timeout_ms,
                             struct belay_error *error)
{
    struct blocked b = {
        .wait = {.loop = channel->loop, .start = start_ready, .cancel = cancel_ready},
        .channel = channel,
        .timeout_ms = timeout_ms};
    int rc;

    bl_list_init(&b.link);
    rc = bl_wait(&b.wait, timeout_ms);
    if (rc < 0 && b.error.code == rc && error)
        *error = b.error;
    else if (rc < 0) /* the channel may be gone by now */
        bl_error_set(error, rc, BELAY_STAGE_QUEUE, "waiting for a connection: %s",
                     belay_strerror(rc));
    return rc;
}

static int start_change(struct bl_wait *wait)
{
    struct blocked *b = BL_CONTAINER(wait, struct blocked, wait);
    struct belay_channel *ch = b->channel;

    if (ch->closing)
        return BELAY_ECLOSED;
    b->state = ch->cp.state;
    if (b->state != b->from)
        return 1;
    bl_list_push_back(&ch->blocked, &b->link);
    return 0;
}

static void cancel_change(struct bl_wait *wait)
{
    bl_list_remove(&BL_CONTAINER(wait, struct blocked, wait)->link);
}

int belay_channel_change_wait(struct belay_channel *channel, enum belay_channel_state from,
                              int64_t timeout_ms, enum belay_channel_state *ret_state)
{
    struct blocked b = {
        .wait = {.loop = channel->loop, .start = start_change, .cancel = cancel_change},
        .channel = channel,
        .from = from};
    int rc;

    if (from < BELAY_CHANNEL_IDLE || from > BELAY_CHANNEL_SHUTDOWN)
        return BELAY_EINVAL;
    bl_list_init(&b.link);
    rc = bl_wait(&b.wait, timeout_ms);
    if (rc < 0)
        return rc;
    *ret_state = b.state;
    return 0;
}

bool bl_channel_is_awaited(const struct belay_channel *ch)
{
    BL_LIST_EACH(node, &ch->blocked)
    {
        if (!blocked_of(node)->from)
            return true;
    }
    return false;
}

/* Those who have what they wait for. */
static void serve_waits(struct belay_channel *ch)
{
    enum belay_channel_state state = ch->cp.state;

    BL_LIST_EACH(node, &ch->blocked)
    {
        struct blocked *b = blocked_of(node);

        if (b->from ? b->from == state : state != BELAY_CHANNEL_READY)
            continue;
        bl_list_remove(node);
        b->state = state;
        bl_wait_done(&b->wait, 0);
    }
}

void bl_channel_end_waits(struct belay_channel *ch)
{
    struct bl_list *node;

    serve_waits(ch);
    while ((node = bl_list_pop_front(&ch->blocked)))
        bl_wait_done(&blocked_of(node)->wait, BELAY_ECLOSED);
}

/* ---- telling ---- */

/* What failed before it was READY is forgotten; addresses that failed then may be left alone. NULL:
 * no connection was lost, and none failed. */
static const struct belay_error *why(const struct belay_channel *ch, struct belay_error *scratch)
{
    const struct belay_error *last = bl_channel_last(ch, scratch);

    switch (ch->cp.state) {
    case BELAY_CHANNEL_IDLE:
        return last;
    case BELAY_CHANNEL_CONNECTING: /* what was lost is wanted again at once */
        return ch->told == BELAY_CHANNEL_READY ? last : NULL;
    case BELAY_CHANNEL_TRANSIENT_FAILURE:
        break;
    default:
        return NULL;
    }
    if (last)
        return last;
    bl_error_set(scratch, BELAY_ECONNECT, BELAY_STAGE_CONNECT,
                 "connecting to %.160s: its addresses have failed, and are tried again later",
                 ch->target);
    return scratch;
}

void bl_channel_tell(struct belay_channel *ch)
{
    struct belay_error scratch;
    enum belay_channel_state before = ch->told;

    serve_waits(ch);
    if (ch->cp.state != before) {
        const struct belay_error *last = why(ch, &scratch);

        ch->told = ch->cp.state;
        BL_TRACE(ch->loop, "channel", ch->object.id, ch->target, belay_channel_state_name(before),
                 belay_channel_state_name(ch->told), last ? last->text : "");
        if (ch->told == BELAY_CHANNEL_READY)
            bl_channel_remember(ch, NULL);
        if (ch->keep)
            ch->keep(ch, ch->told, last, ch->keep_arg);
        if (ch->watch && ch->cp.state == ch->told) /* else it hears of what came of it */
            ch->watch(ch, ch->told, last, ch->watch_arg);
    }
}
