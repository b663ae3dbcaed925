/* SPDX-License-Identifier: MIT */
/* When the next request may start. */
#include "schedule.h"

bool schedule_counts(const struct schedule *s, int64_t now_ms)
{
    return now_ms - s->begin_ms >= s->warm_up_ms;
}

/* When nothing starts any more; INT64_MAX: no such time. */
static int64_t end_ms(const struct schedule *s)
{
    return s->for_ms < 0 ? INT64_MAX : s->begin_ms + s->warm_up_ms + s->for_ms;
}

static bool is_over(const struct schedule *s, int64_t now_ms)
{
    if (s->requests >= 0 && s->counted >= s->requests)
        return true;
    return now_ms >= end_ms(s);
}

enum schedule_verdict schedule_next(struct schedule *s, int64_t now_ms, int64_t *ret_ms)
{
    int64_t due = now_ms;

    if (s->ended || is_over(s, now_ms)) {
        s->ended = true;
        return SCHEDULE_ENDED;
    }
    if (s->in_flight >= s->in_flight_max)
        return SCHEDULE_FULL;
    if (s->rate > 0)
        due = s->begin_ms + (int64_t)((double)s->started * 1000 / s->rate);
    *ret_ms = due < end_ms(s) ? due : end_ms(s);
    if (due > now_ms)
        return SCHEDULE_WAIT;
    s->started++;
    s->in_flight++;
    if (schedule_counts(s, now_ms))
        s->counted++;
    return SCHEDULE_START;
}

void schedule_done(struct schedule *s)
{
    s->in_flight--;
}
