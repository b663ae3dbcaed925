/* SPDX-License-Identifier: MIT */
/* Waiting between attempts: constant or exponential, with jitter, up to a number of attempts. Pure.
 */
#include "belay/backoff.h"

#include "base/assert.h"
#include "conn/options.h"

#define DAY_MS INT64_C(86400000)

const struct bl_option bl_backoff_options[] = {
    BL_OPTION(belay_backoff_options, delay_ms, 100, 0, BL_NOT_ALLOWED, 1, DAY_MS),
    BL_OPTION(belay_backoff_options, delay_max_ms, 10000, BL_NOT_ALLOWED, DAY_MS, 1, DAY_MS),
    BL_OPTION(belay_backoff_options, factor_percent, 200, 100, BL_NOT_ALLOWED, 100, 10000),
    BL_OPTION(belay_backoff_options, spread_percent, 20, 0, BL_NOT_ALLOWED, 1, 100),
    BL_OPTION(belay_backoff_options, attempts_max, INT32_MAX, 0, INT32_MAX, 1, INT32_MAX),
};
const size_t bl_backoff_options_n = BL_COUNT(bl_backoff_options);

int belay_backoff_init(struct belay_backoff *backoff, const struct belay_backoff_options *options)
{
    struct belay_backoff_options effective;
    int rc = bl_options_resolve(&effective, sizeof effective, options, bl_backoff_options,
                                bl_backoff_options_n, NULL);

    if (rc < 0)
        return rc;
    if ((unsigned)effective.jitter > BELAY_JITTER_FULL)
        return BELAY_EINVAL;
    if (effective.jitter == BELAY_JITTER_DEFAULT)
        effective.jitter = BELAY_JITTER_PROPORTIONAL;
    backoff->options = effective;
    backoff->failures = 0;
    return 0;
}

/* The delay before jitter, after `failures` of them (from 1). */
static int64_t plain_delay(const struct belay_backoff_options *o, int32_t failures)
{
    double delay = (double)o->delay_ms;

    if (o->delay_ms == 0 || o->factor_percent == 100)
        failures = 1; /* it does not grow */
    for (int32_t i = 1; i < failures && delay < (double)o->delay_max_ms; i++)
        delay *= o->factor_percent / 100.0;
    return delay < (double)o->delay_max_ms ? (int64_t)delay : o->delay_max_ms;
}

int64_t belay_backoff_failed(struct belay_backoff *backoff, uint64_t random)
{
    const struct belay_backoff_options *o = &backoff->options;
    double unit = (double)(random >> 11) * 0x1p-53;
    double delay;

    if (backoff->failures < INT32_MAX)
        backoff->failures++;
    if (o->attempts_max != INT32_MAX && backoff->failures > o->attempts_max)
        return BELAY_FOREVER;
    delay = (double)plain_delay(o, backoff->failures);
    if (o->jitter == BELAY_JITTER_FULL)
        delay *= unit;
    else if (o->jitter == BELAY_JITTER_PROPORTIONAL)
        delay *= 1.0 + o->spread_percent / 100.0 * (2.0 * unit - 1.0);
    return (int64_t)delay;
}

void belay_backoff_reset(struct belay_backoff *backoff)
{
    backoff->failures = 0;
}
