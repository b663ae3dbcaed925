/* SPDX-License-Identifier: MIT */
/* The link's options: their ranges, and what contradicts what. */
#include "keep/link.h"

#include "conn/options.h"

#define YEAR_MS INT64_C(31536000000)
#define DAY_MS  INT64_C(86400000)

#define OPTION(field, ...) BL_OPTION(belay_link_options, field, __VA_ARGS__)

const struct bl_option bl_link_options[] = {
    OPTION(retry_delay_ms, 10000, 0, BL_NOT_ALLOWED, 1, DAY_MS),
    OPTION(retry_spread, 30, 0, BL_NOT_ALLOWED, 1, 100),
    OPTION(attempt_timeout_ms, 30000, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    OPTION(check_interval_ms, INT64_MAX, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    OPTION(check_timeout_ms, 5000, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    OPTION(move_interval_ms, INT64_MAX, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    OPTION(max_waiters, 10000, BL_NOT_ALLOWED, INT32_MAX, 1, INT32_MAX),
};
const size_t bl_link_options_n = BL_COUNT(bl_link_options);

static uint64_t ns_of(int64_t ms)
{
    return ms == INT64_MAX ? BELAY_NEVER : BL_MS(ms);
}

static int refuse(struct belay_error *error, const char *field, const char *why)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s: %s", field, why);
}

/* Of what was given, before defaults are filled in. */
static int check_given(const struct belay_link_options *o, struct belay_error *error)
{
    if (o->server_name && !o->server_name[0])
        return refuse(error, "server_name", "is empty");
    if (o->retry_delay && o->retry_delay_ms)
        return refuse(error, "retry_delay", "is asked instead of retry_delay_ms, which is given");
    if (o->backoff && (o->retry_delay || o->retry_delay_ms || o->retry_spread))
        return refuse(error, "backoff",
                      "takes the place of retry_delay, retry_delay_ms and "
                      "retry_spread, one of which is given");
    if (o->check_interval_ms && o->check_interval_ms != BELAY_FOREVER &&
        !(o->connector.ops && o->connector.ops->check))
        return refuse(error, "check_interval_ms", "the connector has no check");
    return 0;
}

static int take_backoff(struct bl_link_settings *s, struct belay_error *error)
{
    int rc;

    if (!s->options.backoff)
        return 0;
    rc = belay_backoff_init(&s->backoff, s->options.backoff);
    return rc < 0 ? refuse(error, "backoff", "one of its options is out of range") : 0;
}

int bl_link_settings_make(struct bl_link_settings *s, const struct belay_link_options *given,
                          struct belay_error *error)
{
    struct belay_link_options raw;
    int rc = bl_options_resolve(&raw, sizeof raw, given, NULL, 0, error);

    memset(s, 0, sizeof *s);
    if (rc == 0)
        rc = bl_options_resolve(&s->options, sizeof s->options, given, bl_link_options,
                                bl_link_options_n, error);
    if (rc == 0)
        rc = check_given(&raw, error);
    if (rc == 0)
        rc = bl_dial_options_resolve(&s->dial, s->options.dial, error);
    if (rc == 0)
        rc = take_backoff(s, error);
    if (rc < 0)
        return rc;
    s->limits = (struct bl_lp_limits){
        .retry_delay_ms = s->options.retry_delay_ms,
        .retry_spread = s->options.retry_spread,
        .has_backoff = s->options.backoff != NULL,
        .backoff = s->backoff,
        .attempt_ns = ns_of(s->options.attempt_timeout_ms),
        .check_every_ns = ns_of(s->options.check_interval_ms),
        .check_limit_ns = ns_of(s->options.check_timeout_ms),
        .move_every_ns = ns_of(s->options.move_interval_ms),
    };
    return 0;
}

int bl_link_settings_apply(struct belay_link *link, const struct bl_link_settings *s)
{
    const char *name = s->options.server_name ? s->options.server_name : "service";

    link->server_name = bl_strdup(&link->loop->mem, name);
    if (!link->server_name)
        return BELAY_ENOMEM;
    link->options = s->options;
    link->options.server_name = link->server_name;
    link->dial = s->dial;
    link->options.dial = &link->dial;
    link->dial_words = s->dial;
    bl_options_express(&link->dial_words, bl_dial_options, bl_dial_options_n);
    if (s->options.backoff) {
        link->backoff = s->backoff.options;
        bl_options_express(&link->backoff, bl_backoff_options, bl_backoff_options_n);
        link->options.backoff = &link->backoff;
    }
    return 0;
}

/* In the words of options, so that they may be given back: none and forever as such, and nothing in
 * those whose place another has taken. */
void belay_link_get_options(const struct belay_link *link, struct belay_link_options *options)
{
    size_t size = options->size < sizeof *options ? options->size : sizeof *options;
    struct belay_link_options o = link->options;

    bl_options_express(&o, bl_link_options, bl_link_options_n);
    o.dial = &link->dial_words;
    if (o.backoff || o.retry_delay)
        o.retry_delay_ms = 0;
    if (o.backoff)
        o.retry_spread = 0;
    memcpy(options, &o, size);
    memcpy(options, &size, sizeof size);
}
