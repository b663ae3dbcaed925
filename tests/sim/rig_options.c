/* SPDX-License-Identifier: MIT */
/* A pool's options as the oracle reads them, and as they are changed: field by field. */
#include "sim/rig.h"

/* Every number of the options. X for 64 bits, Y for 32. */
#define NUMBERS(X, Y)                                                                              \
    Y(max_connections_per_endpoint)                                                                \
    Y(max_connections_total)                                                                       \
    X(max_idle_time_ms)                                                                            \
    X(max_connection_lifetime_ms)                                                                  \
    Y(max_connection_uses)                                                                         \
    Y(max_waiters)                                                                                 \
    X(acquire_timeout_ms)                                                                          \
    Y(connect_retry_count)                                                                         \
    X(connect_retry_delay_ms)                                                                      \
    Y(expected_capacity)                                                                           \
    Y(min_idle)                                                                                    \
    Y(max_idle_per_endpoint)                                                                       \
    Y(max_idle_total)                                                                              \
    Y(max_dials_per_endpoint)                                                                      \
    Y(max_dials_total)                                                                             \
    Y(lifetime_jitter)                                                                             \
    X(check_after_idle_ms)                                                                         \
    X(check_interval_ms)                                                                           \
    X(check_timeout_ms)                                                                            \
    X(leak_threshold_ms)                                                                           \
    X(resolve_interval_ms)

void sim_options_read(struct sim_rig *rig)
{
    struct belay_pool_options *o = &rig->options;

    *o = belay_pool_options_init();
    belay_pool_get_options(rig->pool, o);
    if (rig->w->verbose) {
        char text[2000];

        belay_pool_options_print(o, text, sizeof text);
        sim_note(rig->w, "options: %s", text);
    }
#define VALUE(field, none)                                                                         \
    o->field = o->field == BELAY_FOREVER ? (none) : o->field == BELAY_NONE ? 0 : o->field;
#define X(field) VALUE(field, INT64_MAX)
#define Y(field) VALUE(field, INT32_MAX)
    NUMBERS(X, Y)
#undef X
#undef Y
#undef VALUE
}

void sim_options_change(struct belay_pool_options *o, const struct belay_pool_options *changes)
{
#define X(field)                                                                                   \
    if (changes->field)                                                                            \
        o->field = changes->field;
    NUMBERS(X, X)
    X(reuse_order)
#undef X
}
