/* SPDX-License-Identifier: MIT */
/* The channel's options: their ranges, and what they come to for the policy and the HTTP client. */
#include "grpc/channel.h"

#include "conn/options.h"

#define YEAR_MS INT64_C(31536000000)
#define CONNS   1024
#define STREAMS 1000000 /* the peer's limit decides */
#define HEADERS 65536   /* their bytes are limited */
#define MESSAGE (1 << 30)

#define OPTION(field, ...) BL_OPTION(belay_channel_options, field, __VA_ARGS__)

const struct bl_option bl_channel_options[] = {
    OPTION(lb_policy, BELAY_PICK_FIRST, BL_NOT_ALLOWED, BL_NOT_ALLOWED, BELAY_PICK_FIRST,
           BELAY_ROUND_ROBIN),
    OPTION(connect_timeout_ms, 20000, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    OPTION(idle_timeout_ms, 1800000, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    OPTION(keepalive_ms, INT64_MAX, BL_NOT_ALLOWED, INT64_MAX, 1000, YEAR_MS),
    OPTION(keepalive_timeout_ms, 20000, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1, YEAR_MS),
    OPTION(max_receive_bytes, 4194304, BL_NOT_ALLOWED, INT32_MAX, 1, MESSAGE),
    OPTION(max_send_bytes, INT32_MAX, BL_NOT_ALLOWED, INT32_MAX, 1, MESSAGE),
    OPTION(max_metadata_bytes, 16384, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 256, 16777216),
    OPTION(max_connections, 8, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1, CONNS),
    OPTION(max_calls, 10000, BL_NOT_ALLOWED, INT32_MAX, 1, INT32_MAX),
};
const size_t bl_channel_options_n = BL_COUNT(bl_channel_options);

static uint64_t ns_of(int64_t ms)
{
    return ms == INT64_MAX ? BELAY_NEVER : BL_MS(ms);
}

static int refuse(struct belay_error *error, const char *field, const char *why)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s: %s", field, why);
}

/* gRPC's connection backoff protocol, where nothing else is said. */
static int take_backoff(struct belay_backoff *ret, const struct belay_backoff_options *given,
                        struct belay_error *error)
{
    struct belay_backoff_options o;

    if (bl_options_resolve(&o, sizeof o, given, NULL, 0, error) < 0)
        return BELAY_EINVAL;
    if (o.delay_ms == 0)
        o.delay_ms = 1000;
    if (o.delay_max_ms == 0)
        o.delay_max_ms = 120000;
    if (o.factor_percent == 0)
        o.factor_percent = 160;
    o.size = sizeof o;
    if (belay_backoff_init(ret, &o) < 0)
        return refuse(error, "backoff", "one of its options is out of range");
    return 0;
}

static int check_texts(const struct belay_channel_options *o, struct belay_error *error)
{
    if (o->authority && !o->authority[0])
        return refuse(error, "authority", "is empty");
    if (o->plain && o->tls)
        return refuse(error, "tls", "contradicts plain");
    return 0;
}

int bl_channel_options_resolve(struct belay_channel_options *ret, struct bl_cp_limits *limits,
                               struct bl_retry_limits *retry,
                               const struct belay_channel_options *given, struct belay_error *error)
{
    int rc = bl_options_resolve(ret, sizeof *ret, given, bl_channel_options, bl_channel_options_n,
                                error);

    if (rc == 0)
        rc = check_texts(ret, error);
    if (rc == 0)
        rc = take_backoff(&limits->backoff, ret->backoff, error);
    if (rc == 0) {
        rc = bl_retry_resolve(retry, ret->retry, error);
        if (rc < 0)
            bl_error_prefix(error, "retry");
    }
    if (rc < 0)
        return rc;
    limits->lb = ret->lb_policy;
    limits->attempt_ns = ns_of(ret->connect_timeout_ms);
    limits->idle_ns = ns_of(ret->idle_timeout_ms);
    limits->connections_max = (uint32_t)ret->max_connections;
    limits->health = ret->health_service != NULL;
    return 0;
}

struct belay_http_options bl_channel_http_options(const struct belay_channel_options *o,
                                                  const char *user_agent)
{
    struct belay_http_options h = belay_http_options_init();

    h.tls = o->tls;
    h.user_agent = user_agent;
    h.max_header_bytes = o->max_metadata_bytes;
    h.max_headers = HEADERS;
    h.first_byte_timeout_ms = BELAY_FOREVER;
    h.idle_timeout_ms = BELAY_FOREVER;
    h.versions = BELAY_HTTP_2_ONLY;
    h.max_streams = STREAMS;
    h.ping_interval_ms = o->keepalive_ms == INT64_MAX ? BELAY_FOREVER : o->keepalive_ms;
    h.ping_timeout_ms = o->keepalive_timeout_ms;
    h.ping_when_idle = o->keepalive_when_idle;
    return h;
}
