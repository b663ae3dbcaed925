/* SPDX-License-Identifier: MIT */
/*
 * Calls of a channel: where each goes, in order of arrival, which fail because there is no
 * connection, and which are attempted again.
 */
#include "grpc/subchannel.h"

static struct belay_channel *channel_of(const struct belay_rpc *rpc)
{
    return BL_CONTAINER(rpc->home, struct belay_channel, home);
}

/* ---- placing ---- */

/* UNAVAILABLE, with what has kept it from connecting. */
static void fail_unavailable(struct belay_channel *ch, struct belay_rpc *rpc)
{
    struct belay_error scratch, error;
    const struct belay_error *last = bl_channel_last(ch, &scratch);

    if (last) {
        error = *last;
        bl_error_prefix(&error, "no connection to %.160s", ch->target);
    } else {
        bl_error_set(&error, BELAY_ECONNECT, BELAY_STAGE_CONNECT, "no connection to %.160s",
                     ch->target);
    }
    error.sent = BELAY_NOT_SENT;
    bl_rpc_refuse(rpc, BELAY_GRPC_UNAVAILABLE, &error);
}

/* 0: it goes. BELAY_EAGAIN: it waits, or has failed; `ret_full` says whether for want of room. */
static int place(struct belay_channel *ch, struct belay_rpc *rpc)
{
    struct bl_cp_sub *full, *sub = bl_cp_pick(&ch->cp, bl_sub_has_room, &full);
    struct bl_sub_conn *sc = sub ? bl_sub_pick(bl_sub_of(sub)) : NULL;

    if (sc) {
        int rc;

        sc->running++; /* `freed` may come at once, for want of memory */
        rc = bl_rpc_go(rpc, ch->http, &sc->lease, sc);
        sc->running -= rc < 0;
        ch->stats.retries += rc == 0 && rpc->place && rpc->attempts > 1;
        return rc;
    }
    if (full) {
        if (bl_sub_is_full(bl_sub_of(full)))
            bl_cp_full(&ch->cp, full);
        return BELAY_EAGAIN;
    }
    if (ch->cp.state == BELAY_CHANNEL_TRANSIENT_FAILURE &&
        (!rpc->wait_for_ready || bl_cp_is_final(&ch->cp))) {
        fail_unavailable(ch, rpc);
        return 0;
    }
    return BELAY_EAGAIN;
}

/* While it connects there is nothing to be done for any of them, however many there are. */
static bool may_place(const struct belay_channel *ch)
{
    return ch->cp.state == BELAY_CHANNEL_READY || ch->cp.state == BELAY_CHANNEL_TRANSIENT_FAILURE;
}

void bl_channel_place(struct belay_channel *ch)
{
    if (ch->closing)
        return;
    bl_cp_enough(&ch->cp);
    if (bl_list_empty(&ch->waiting))
        return;
    bl_cp_connect(&ch->cp, bl_channel_now(ch));
    if (!may_place(ch))
        return;
    BL_LIST_EACH(node, &ch->waiting)
    {
        bool ready = ch->cp.state == BELAY_CHANNEL_READY;

        if (place(ch, BL_LIST_OF(node, struct belay_rpc, link)) < 0 && ready)
            return; /* those behind it find no room either */
    }
}

/* ---- what calls want ---- */

/* Goes at once where it need not wait behind others: the task would cost it a turn. */
static void want(struct belay_rpc *rpc)
{
    struct belay_channel *ch = channel_of(rpc);
    bool first = bl_list_empty(&ch->waiting);

    bl_list_push_back(&ch->waiting, &rpc->link);
    if (ch->closing || !first || ch->cp.state != BELAY_CHANNEL_READY || place(ch, rpc) < 0)
        bl_channel_run_later(ch);
}

static void freed(struct belay_rpc *rpc)
{
    struct belay_channel *ch = channel_of(rpc);
    struct bl_sub_conn *sc = rpc->place;

    rpc->place = NULL;
    sc->useful |= rpc->status_seen;
    bl_sub_conn_freed(sc);
    if (!bl_list_empty(&ch->waiting))
        bl_channel_run_later(ch);
}

/* Whether what failed would not fail elsewhere: the message, or our memory, is not to blame. */
static bool may_go_elsewhere(const struct belay_error *error)
{
    return error && belay_error_kind_of(error->code) == BELAY_KIND_RETRY;
}

static int64_t ended(struct belay_rpc *rpc, const struct bl_rpc_attempt *attempt)
{
    struct belay_channel *ch = channel_of(rpc);
    const struct bl_retry_end end = {
        .status = attempt->status,
        .committed = attempt->committed,
        .unseen = attempt->sent == BELAY_NOT_SENT && !attempt->unplaced &&
                  may_go_elsewhere(attempt->error),
        .unsent = rpc->unsent,
        .pushed_back = attempt->pushed_back,
        .pushback_ms = attempt->pushback_ms,
    };
    int64_t delay_ms;

    rpc->unplaced += attempt->unplaced;
    rpc->retry.attempts = rpc->attempts + rpc->unplaced;
    delay_ms =
        bl_retry_decide(&ch->retry, &ch->tokens, &rpc->retry, &end, bl_rand_next(&ch->loop->rand));
    return ch->closing || delay_ms < 0 ? BL_RPC_NO_MORE : delay_ms;
}

static void left(struct belay_rpc *rpc)
{
    struct belay_channel *ch = channel_of(rpc);

    if (!rpc->of_home.next) /* it never was started as far as its caller knows */
        return;
    bl_list_remove(&rpc->of_home);
    ch->calls_n--;
    if (rpc->state == BL_RPC_GONE)
        ch->stats.calls_cancelled++;
    else if (rpc->status == BELAY_GRPC_OK)
        ch->stats.calls_ok++;
    else
        ch->stats.calls_failed++;
    bl_cp_call_done(&ch->cp, bl_channel_now(ch));
    if (ch->calls_n == 0)
        bl_channel_run_later(ch); /* the idle limit begins, or the end was waiting */
}

const struct bl_rpc_home_ops bl_channel_home_ops = {
    .want = want,
    .freed = freed,
    .ended = ended,
    .left = left,
};

void bl_channel_cancel_calls(struct belay_channel *ch)
{
    struct belay_error error;

    bl_error_set(&error, BELAY_ECLOSED, BELAY_STAGE_USE, "the channel to %.160s was closed",
                 ch->target);
    BL_LIST_EACH(node, &ch->calls)
    {
        bl_rpc_fail(BL_LIST_OF(node, struct belay_rpc, of_home), BELAY_GRPC_CANCELLED, &error);
    }
}

/* ---- for callers ---- */

static int check_room(const struct belay_channel *ch, const char *method, struct belay_error *error)
{
    int rc = 0;

    if (ch->closing || ch->draining)
        rc = BELAY_ECLOSED;
    else if (ch->calls_n >= (uint32_t)ch->options.max_calls)
        rc = BELAY_EFULL;
    if (rc < 0)
        bl_error_set(error, rc, BELAY_STAGE_QUEUE, "calling %.80s on %.160s: %s",
                     method ? method : "", ch->target,
                     rc == BELAY_EFULL ? "max_calls wait or are under way already"
                                       : "the channel is closed");
    return rc;
}

static void count(struct belay_channel *ch, struct belay_rpc *rpc)
{
    bl_list_push_back(&ch->calls, &rpc->of_home);
    ch->calls_n++;
    ch->stats.calls_started++;
    bl_cp_call(&ch->cp);
}

int belay_rpc_start(struct belay_channel *channel, const char *method,
                    const struct belay_rpc_options *options,
                    const struct belay_rpc_callbacks *callbacks, void *arg,
                    struct belay_rpc **ret_rpc, struct belay_error *error)
{
    struct belay_rpc *rpc;
    int rc = check_room(channel, method, error);

    if (rc == 0)
        rc = bl_rpc_start(&channel->home, method, options, callbacks, arg, &rpc, error);
    if (rc < 0)
        return rc;
    count(channel, rpc);
    if (ret_rpc)
        *ret_rpc = rpc;
    return 0;
}

int belay_channel_unary(struct belay_channel *channel, const char *method, const void *request,
                        size_t len, const struct belay_rpc_options *options,
                        struct belay_rpc **ret_rpc, belay_unary_fn *fn, void *arg,
                        struct belay_error *error)
{
    struct belay_rpc *rpc;
    int rc = check_room(channel, method, error);

    if (rc == 0)
        rc = bl_unary_start(&channel->home, method, request, len, options, &rpc, fn, arg, error);
    if (rc < 0)
        return rc;
    count(channel, rpc);
    if (ret_rpc)
        *ret_rpc = rpc;
    return 0;
}
