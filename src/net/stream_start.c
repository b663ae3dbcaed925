/* SPDX-License-Identifier: MIT */
/*
 * A filter on top of a stream that has to shake hands first: driven by whatever the bottom becomes
 * ready for, until it is done, fails, or the stream is closed. Nobody else reads or writes
 * meanwhile.
 */
#include "net/stream.h"

void bl_stream_push(struct belay_stream *s, struct bl_filter *filter, bl_stream_start_fn *fn,
                    void *arg)
{
    BL_ASSERT(!s->starting && !s->closing && filter->below == s->top);
    s->top = filter;
    s->starting = 1;
    s->then.start = fn;
    s->then_arg = arg;
    bl_stream_soon(s);
}

static void step_aside(struct belay_stream *s)
{
    struct bl_filter *filter = s->top;
    s->top = filter->below;
    filter->ops->close(filter);
}

void bl_stream_drive_start(struct belay_stream *s)
{
    struct bl_filter *filter = s->top;
    struct belay_error error;
    int rc = s->dead_code;
    if (rc)
        bl_stream_describe_death(s, &error);
    else
        rc = filter->ops->start ? filter->ops->start(filter, &error) : 0;
    if (rc == BELAY_EAGAIN) {
        unsigned wants = filter->ops->want ? filter->ops->want(filter) : 0;
        s->read_wants = (wants ? wants : BELAY_READABLE) & 3u;
        bl_stream_watch(s, true);
        if (s->dead_code)
            bl_stream_soon(s);
        return;
    }
    s->starting = 0;
    s->read_wants = 0;
    if (rc < 0) {
        error.stage = filter->ops->stage;
        s->gone_told = s->lost_told = 1; /* this callback is told instead */
        bl_stream_die(s, &error);
        s->then.start(&error, s->then_arg);
        return;
    }
    if (filter->ops->transient && rc == 0)
        step_aside(s);
    bl_stream_watch(s, s->watch.mask != BELAY_READABLE);
    bl_stream_flush_later(s); /* what was written meanwhile */
    s->then.start(NULL, s->then_arg);
}
