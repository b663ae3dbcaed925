/* SPDX-License-Identifier: MIT */
/*
 * Replay. Only the loss of a connection is a reason: a server that does not answer in time, or
 * answers nonsense, would do the same again. What it may have acted upon is repeated only if that
 * does no harm.
 */
#include "http/replay.h"

#include "base/assert.h"

static bool is_loss(const struct belay_error *error)
{
    switch (error->code) {
    case BELAY_EEOF:
    case BELAY_ERESET:
    case BELAY_EUNHEALTHY:
        return error->stage == BELAY_STAGE_USE && !error->final;
    default:
        return false;
    }
}

bool bl_replay_allowed(const struct bl_replay_facts *f)
{
    if (!is_loss(f->error) || f->replays >= f->max || !f->body_again)
        return false;
    switch (f->error->sent) {
    case BELAY_NOT_SENT:
        return true;
    case BELAY_MAYBE_SENT:
        return f->idempotent || f->unsafe;
    case BELAY_ANSWERED:
        break;
    }
    return false;
}

bool bl_method_is_idempotent(struct bl_span method)
{
    static const char *const known[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};

    for (size_t i = 0; i < BL_COUNT(known); i++) {
        if (bl_span_equal(method, bl_span_of(known[i])))
            return true;
    }
    return false;
}
