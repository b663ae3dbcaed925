/* SPDX-License-Identifier: MIT */
/* Calls, each with its number. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/grpc_rig.h"

void grpc_fill_message(uint8_t *out, size_t number, unsigned index, unsigned filler)
{
    for (int i = 0; i < 4; i++) {
        out[i] = (uint8_t)(number >> (24 - 8 * i));
        out[4 + i] = (uint8_t)(index >> (24 - 8 * i));
    }
    for (unsigned i = 0; i < filler; i++)
        out[GRPC_MESSAGE + i] = (uint8_t)(number + index + i);
}

bool grpc_is_message(const uint8_t *data, size_t len, size_t number, unsigned index)
{
    uint8_t head[GRPC_MESSAGE];

    grpc_fill_message(head, number, index, 0);
    if (len < GRPC_MESSAGE || memcmp(data, head, GRPC_MESSAGE) != 0)
        return false;
    for (size_t i = GRPC_MESSAGE; i < len; i++)
        if (data[i] != (uint8_t)(number + index + i - GRPC_MESSAGE))
            return false;
    return true;
}

struct grpc_call *grpc_call_numbered(struct grpc_lives *all, size_t number)
{
    for (struct bl_list *node = all->calls.prev; node != &all->calls; node = node->prev) {
        struct grpc_call *call = BL_LIST_OF(node, struct grpc_call, link);

        if (call->number == number)
            return call;
    }
    return NULL;
}

/* ---- callbacks ---- */

static void enter(struct grpc_call *call, const char *what)
{
    struct sim_world *w = call->all->w;

    if (call->all->in_call)
        sim_fail(w, "%s runs inside a call", what);
    if (!grpc_goes_on(call) || call->channel->over)
        sim_fail(w, "%s of call %zu runs after its end", what, call->number);
}

static void then(struct grpc_call *call)
{
    if (call->all->then)
        call->all->then(call->channel);
}

static void take_message(struct grpc_call *call, const void *data, size_t len)
{
    if (!grpc_is_message(data, len, call->number, call->got))
        sim_fail(call->all->w, "message %u of the answer to call %zu is another's", call->got,
                 call->number);
    call->got++;
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct grpc_call *call = arg;

    enter(call, "on_message");
    if (call->paused)
        sim_fail(call->all->w, "a message for call %zu, which is paused", call->number);
    take_message(call, data, len);
    if (call->all->pauses && sim_chance(call->all->w, call->all->pauses)) {
        call->paused = true;
        belay_rpc_pause(rpc);
    }
    then(call);
}

static void on_writable(struct belay_rpc *rpc, void *arg)
{
    struct grpc_call *call = arg;

    (void)rpc;
    enter(call, "on_writable");
    if (!call->full)
        sim_fail(call->all->w, "call %zu may write again, and could all the time", call->number);
    call->full = false;
    grpc_write(call);
}

static void finish(struct grpc_call *call, const struct belay_rpc_result *result)
{
    sim_note(call->all->w, "call %zu: %s, %s", call->number, belay_grpc_status_name(result->status),
             result->message);
    grpc_oracle_ended(call, result);
    call->done = true;
    call->status = result->status;
    call->rpc = NULL;
    call->paused = false;
    call->channel->under_way--;
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct grpc_call *call = arg;

    (void)rpc;
    enter(call, "on_done");
    finish(call, result);
    then(call);
}

static void on_unary(const void *response, size_t len, const struct belay_rpc_result *result,
                     void *arg)
{
    struct grpc_call *call = arg;

    enter(call, "the end");
    if (!response != (result->status != BELAY_GRPC_OK))
        sim_fail(call->all->w, "call %zu is %s and has%s a response", call->number,
                 belay_grpc_status_name(result->status), response ? "" : " not");
    if (response)
        take_message(call, response, len);
    finish(call, result);
    then(call);
}

/* ---- calls ---- */

static void mend(struct grpc_call *call, int r)
{
    if (r == BELAY_EAGAIN) {
        grpc_did(call->all, GRPC_FULL);
        call->full = true;
    } else if (r == BELAY_ENOMEM && call->all->lenient) {
        grpc_cancel(call);
    } else if (r < 0) {
        sim_fail(call->all->w, "writing to call %zu: %s", call->number, belay_error_name(r));
    }
}

void grpc_write(struct grpc_call *call)
{
    static uint8_t text[GRPC_MESSAGE + 65536];
    int r = 0;

    while (grpc_goes_on(call) && !call->full && call->written < call->sends) {
        grpc_fill_message(text, call->number, call->written, call->filler);
        call->all->in_call++;
        r = belay_rpc_write(call->rpc, text, GRPC_MESSAGE + call->filler);
        call->all->in_call--;
        if (r == 0)
            call->written++;
        else if (r == BELAY_ECLOSED)
            return; /* its end is known, and not told yet */
        else
            mend(call, r);
    }
    if (!grpc_goes_on(call) || call->ended || call->written < call->sends)
        return;
    call->ended = true;
    call->all->in_call++;
    belay_rpc_end(call->rpc);
    call->all->in_call--;
}

static int start(struct grpc_call *call, const struct belay_rpc_options *o)
{
    static const struct belay_rpc_callbacks callbacks = {.size = sizeof callbacks,
                                                         .on_message = on_message,
                                                         .on_writable = on_writable,
                                                         .on_done = on_done};
    struct belay_channel *ch = call->channel->channel;
    uint8_t text[GRPC_MESSAGE];

    if (!call->unary)
        return belay_rpc_start(ch, call->echo ? "/sim.S/Echo" : "/sim.S/Call", o, &callbacks, call,
                               &call->rpc, NULL);
    grpc_fill_message(text, call->number, 0, 0);
    call->sends = call->written = 1;
    call->ended = true;
    return belay_channel_unary(ch, "/sim.S/Call", text, sizeof text, o, &call->rpc, on_unary, call,
                               NULL);
}

struct grpc_call *grpc_call(struct grpc_channel *ch, const struct grpc_call_plan *plan)
{
    struct grpc_lives *all = ch->all;
    struct grpc_call *call = calloc(1, sizeof *call);
    struct belay_rpc_options o = belay_rpc_options_init();
    struct belay_header metadata = {.name = "x-number", .name_len = 8};
    char text[24];
    int r;

    if (!call)
        abort();
    call->all = all;
    call->channel = ch;
    call->number = ++all->numbers;
    call->unary = plan->unary;
    call->echo = plan->echo && !plan->unary;
    call->waits_for_ready = o.wait_for_ready = plan->waits_for_ready;
    call->sends = plan->sends;
    call->filler = plan->filler;
    call->asked_ns = all->w->now_ns;
    call->deadline_ns =
        plan->deadline_ms ? all->w->now_ns + SIM_MS(plan->deadline_ms) : BELAY_NEVER;
    o.deadline_ms = plan->deadline_ms;
    metadata.value = text;
    metadata.value_len = (size_t)snprintf(text, sizeof text, "%zu", call->number);
    o.metadata = &metadata;
    o.metadata_n = 1;
    bl_list_push_back(&all->calls, &call->link);
    all->in_call++;
    r = start(call, &o);
    all->in_call--;
    sim_note(all->w, "call %zu on channel %d: %d", call->number, ch->n, r);
    if (r < 0) {
        if (r != BELAY_ENOMEM || !all->lenient)
            sim_fail(all->w, "a call is refused: %s", belay_error_name(r));
        bl_list_remove(&call->link);
        free(call);
        return NULL;
    }
    ch->under_way++;
    grpc_did(all, GRPC_CALL);
    grpc_did(all, call->unary ? GRPC_UNARY : GRPC_STREAMING);
    if (call->waits_for_ready)
        grpc_did(all, GRPC_WAITS);
    if (!call->unary)
        grpc_write(call);
    return call;
}

void grpc_cancel(struct grpc_call *call)
{
    if (!grpc_goes_on(call))
        return;
    sim_note(call->all->w, "call %zu: cancel", call->number);
    grpc_did(call->all, GRPC_CANCELLED);
    call->cancelled = true;
    call->all->in_call++;
    belay_rpc_cancel(call->rpc);
    call->all->in_call--;
    call->rpc = NULL;
    call->paused = false;
    call->channel->under_way--;
}

void grpc_resume(struct grpc_call *call)
{
    if (!call->paused)
        return;
    grpc_did(call->all, GRPC_RESUMED);
    call->paused = false;
    call->all->in_call++;
    belay_rpc_resume(call->rpc);
    call->all->in_call--;
}
