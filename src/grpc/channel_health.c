/* SPDX-License-Identifier: MIT */
/*
 * One stream of Health/Watch per connection: each answer is what the server says from then on.
 *
 *     HealthCheckRequest  { string service = 1; }
 *     HealthCheckResponse { ServingStatus status = 1; }    SERVING = 1
 */
#include "grpc/channel_health.h"

#include "base/text.h"
#include "grpc/subchannel.h"
#include "wire/protobuf.h"

#define WATCH   "/grpc.health.v1.Health/Watch"
#define SERVING 1

/* ---- the two messages ---- */

int bl_health_write_request(struct bl_buf *out, struct bl_mem *mem, const char *service)
{
    struct bl_pb_writer w = bl_pb_write(out, mem);

    bl_pb_put_text(&w, 1, service);
    return bl_pb_finish(&w);
}

int bl_health_read_answer(const void *data, size_t len)
{
    struct bl_span message = bl_span(data, len);
    struct bl_pb_field field;
    uint64_t status = 0;
    int rc;

    while ((rc = bl_pb_next(&message, &field)) > 0) {
        if (field.tag == BL_PB_TAG(1, BL_PB_VARINT))
            status = field.value;
    }
    return rc < 0 ? rc : status == SERVING;
}

/* ---- its home: calls go to their own connection ---- */

static struct bl_health *health_of(struct bl_rpc_home *home)
{
    return BL_CONTAINER(home, struct bl_health, home);
}

static struct bl_sub_conn *conn_of(struct bl_health *health)
{
    return BL_CONTAINER(health, struct bl_sub_conn, health);
}

static void want(struct belay_rpc *rpc)
{
    struct bl_sub_conn *sc = conn_of(health_of(rpc->home));
    struct belay_error error;
    int rc = bl_rpc_go(rpc, sc->sub->channel->http, &sc->lease, sc);

    if (rc == 0)
        return;
    bl_error_set(&error, rc, BELAY_STAGE_USE, "the connection takes no call: %s",
                 belay_strerror(rc));
    bl_rpc_fail(rpc, BELAY_GRPC_UNAVAILABLE, &error);
}

static void freed(struct belay_rpc *rpc)
{
    rpc->place = NULL;
}

static int64_t ended(struct belay_rpc *rpc, const struct bl_rpc_attempt *attempt)
{
    (void)rpc;
    (void)attempt;
    return BL_RPC_NO_MORE;
}

static void left(struct belay_rpc *rpc)
{
    health_of(rpc->home)->rpc = NULL;
}

static const struct bl_rpc_home_ops home_ops = {
    .want = want,
    .freed = freed,
    .ended = ended,
    .left = left,
};

/* ---- one stream after the other ---- */

/* `why` it is not to be used: remembered, for those who ask in vain; NULL: there is nothing to it. */
static void tell(struct bl_health *health, bool heard, bool serving, const struct belay_error *why)
{
    struct bl_sub_conn *sc = conn_of(health);
    struct belay_channel *ch = sc->sub->channel;

    sc->heard = heard;
    sc->serving = serving;
    if (why)
        bl_channel_remember(ch, why);
    if (sc->ready)
        bl_sub_health(sc->sub);
    bl_channel_run_later(ch);
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct bl_health *health = arg;
    const struct bl_subchannel *sub = conn_of(health)->sub;
    const char *name = belay_endpoint_name(sub->endpoint);
    int rc = bl_health_read_answer(data, len);
    struct belay_error why;

    (void)rpc;
    health->answered = true;
    belay_backoff_reset(&health->backoff);
    if (rc < 0)
        bl_error_set(&why, rc, BELAY_STAGE_USE,
                     "asking %.160s for its health: the answer is no message", name);
    else if (rc == 0)
        bl_error_set(&why, BELAY_EUNHEALTHY, BELAY_STAGE_USE,
                     "%.160s says that the service \"%.80s\" is not being served", name,
                     sub->channel->health_service);
    tell(health, true, rc == 1, rc == 1 ? NULL : &why);
}

/* When the next stream begins; BELAY_NEVER. */
static uint64_t next_at(struct bl_health *health, struct belay_channel *ch)
{
    uint64_t now = bl_channel_now(ch), at;
    int64_t delay_ms;

    if (health->answered) {
        at = bl_after_ms(health->begun_at, health->backoff.options.delay_ms);
        return at > now ? at : now;
    }
    delay_ms = belay_backoff_failed(&health->backoff, bl_rand_next(&ch->loop->rand));
    return bl_after_ms(now, delay_ms == BELAY_FOREVER ? INT64_MAX : delay_ms);
}

/* The stream ended without a word of it. */
static void describe_end(struct bl_health *health, const struct belay_rpc_result *result,
                         struct belay_error *ret)
{
    const char *words = result->message;
    char shown[120];

    if (result->error)
        *ret = *result->error;
    else
        bl_error_set(ret, BELAY_EUNHEALTHY, BELAY_STAGE_USE, "%s%s%s",
                     belay_grpc_status_name(result->status), *words ? ", " : "",
                     bl_text_show(shown, sizeof shown, words, strlen(words)));
    bl_error_prefix(ret, "asking %.160s for its health",
                    belay_endpoint_name(conn_of(health)->sub->endpoint));
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct bl_health *health = arg;
    struct belay_channel *ch = conn_of(health)->sub->channel;
    struct belay_error why;

    (void)rpc;
    if (!health->on || conn_of(health)->closing)
        return;
    if (result->status == BELAY_GRPC_UNIMPLEMENTED) { /* it has no such service: so be it */
        tell(health, true, true, NULL);
        return;
    }
    describe_end(health, result, &why);
    tell(health, !health->answered, false, health->answered ? NULL : &why);
    bl_timer_at(&health->timer, ch->loop, next_at(health, ch));
}

static const struct belay_rpc_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_message = on_message,
    .on_done = on_done,
};

static int begin(struct bl_health *health)
{
    struct belay_channel *ch = conn_of(health)->sub->channel;
    struct bl_buf request = {0};
    struct belay_rpc *rpc;
    int rc = bl_rpc_start(&health->home, WATCH, NULL, &callbacks, health, &rpc, NULL);

    if (rc < 0)
        return rc;
    health->rpc = rpc;
    health->answered = false;
    health->begun_at = bl_channel_now(ch);
    rc = bl_health_write_request(&request, &ch->loop->mem, ch->health_service);
    if (rc == 0)
        rc = bl_rpc_write_only(rpc, bl_buf_head(&request), bl_buf_len(&request));
    bl_buf_free(&request, &ch->loop->mem);
    if (rc < 0)
        belay_rpc_cancel(rpc);
    return rc;
}

/* Without memory for it: another time. */
static void on_timer(void *arg)
{
    struct bl_health *health = arg;
    struct belay_channel *ch = conn_of(health)->sub->channel;

    if (begin(health) < 0)
        bl_timer_at(&health->timer, ch->loop, bl_after_ms(bl_channel_now(ch), 1000));
}

int bl_health_start(struct bl_health *health, struct bl_sub_conn *sc)
{
    struct belay_channel *ch = sc->sub->channel;
    int rc = bl_timer_init(&health->timer, ch->loop, on_timer, health);

    if (rc < 0)
        return rc;
    health->backoff = ch->cp.limits.backoff;
    health->home = (struct bl_rpc_home){.loop = ch->loop,
                                        .ops = &home_ops,
                                        .options = &ch->health_options,
                                        .name = ch->target,
                                        .url = ch->url};
    rc = begin(health);
    health->on = rc == 0;
    return rc;
}

void bl_health_stop(struct bl_health *health)
{
    if (!health->on)
        return;
    health->on = false;
    bl_timer_stop(&health->timer);
    belay_rpc_cancel(health->rpc);
    health->rpc = NULL;
}
