/* SPDX-License-Identifier: MIT */
/* What a loop is made from: its options with their defaults, and the world with the gaps filled. */
#include "base/options.h"
#include "loop/sys.h"
#include "loop/threads.h"
#include "loop/turn.h"

#define OPTION(field, fallback, none, min, max)                                                    \
    BL_OPTION(belay_loop_options, field, fallback, none, BL_NOT_ALLOWED, min, max)

static const struct bl_option loop_table[] = {
    OPTION(log_level, BELAY_LOG_WARN, BL_NOT_ALLOWED, BELAY_LOG_OFF, BELAY_LOG_DEBUG),
    OPTION(dns_timeout_ms, 1000, BL_NOT_ALLOWED, 1, 3600000),
    OPTION(dns_tries, 4, BL_NOT_ALLOWED, 1, 100),
    OPTION(dns_cache_max, 1024, 0, 1, 1000000),
    OPTION(offload_threads_max, 4, BL_NOT_ALLOWED, 1, 1024),
    OPTION(offload_queue_max, 1024, 0, 1, 1000000),
};

int bl_loop_take_options(struct belay_loop *loop, const struct belay_loop_options *given,
                         struct belay_error *error)
{
    struct belay_loop_options *o = &loop->options;
    int rc = bl_options_resolve(o, sizeof *o, given, loop_table, BL_COUNT(loop_table), error);
    const char *servers = o->dns_servers, *hosts = o->hosts_file;
    o->dns_servers = o->hosts_file = NULL;
    if (rc)
        return rc;
    if (servers && !(o->dns_servers = bl_strdup(&loop->mem, servers)))
        return BELAY_ENOMEM;
    if (hosts && !(o->hosts_file = bl_strdup(&loop->mem, hosts)))
        return BELAY_ENOMEM;
    return 0;
}

/* A table of the world without options: copied, as long as the caller knows it. */
static int take_table(void *out, size_t size, const void *given, const char *name,
                      struct belay_error *error)
{
    int rc = bl_options_resolve(out, size, given, NULL, 0, error);
    if (rc)
        bl_error_prefix(error, "world.%s", name);
    return rc;
}

#define FILL(member)                                                                               \
    do {                                                                                           \
        if (!out->member)                                                                          \
            out->member = fallback->member;                                                        \
    } while (0)

/* The defaults ignore their `arg`, so a table may replace some functions and leave the rest NULL.
 */
static int take_clock(struct belay_loop *loop, const struct belay_clock *given,
                      struct belay_error *error)
{
    struct belay_clock *out = &loop->clock;
    const struct belay_clock *fallback = &bl_sys_clock;
    int rc = take_table(out, sizeof *out, given, "clock", error);
    FILL(now_ns);
    FILL(wall_ms);
    return rc;
}

static int take_random(struct belay_loop *loop, const struct belay_random *given,
                       struct belay_error *error)
{
    struct belay_random *out = &loop->random;
    const struct belay_random *fallback = &bl_sys_random;
    int rc = take_table(out, sizeof *out, given, "random", error);
    FILL(fill);
    return rc;
}

static int take_transport(struct belay_loop *loop, const struct belay_transport *given,
                          struct belay_error *error)
{
    struct belay_transport *out = &loop->transport;
    const struct belay_transport *fallback = &bl_sys_transport;
    int rc = take_table(out, sizeof *out, given, "transport", error);
    FILL(open);
    FILL(bind);
    FILL(connect);
    FILL(connect_result);
    FILL(read);
    FILL(write);
    FILL(shutdown_write);
    FILL(close);
    FILL(set_option);
    FILL(ack_age_ms);
    FILL(source_for);
    FILL(local_addr);
    FILL(unacked);
    return rc;
}

static int take_offload(struct belay_loop *loop, const struct belay_offload *given,
                        struct belay_error *error)
{
    struct belay_offload *out = &loop->offload;
    const struct belay_offload *fallback = &bl_sys_offload;
    int rc = take_table(out, sizeof *out, given, "offload", error);
    FILL(submit);
    return rc;
}

static int take_backend(struct belay_loop *loop, const struct belay_backend *given,
                        struct belay_error *error)
{
    struct belay_backend *out = &loop->backend;
    if (!given)
        return 0;
    if (loop->options.uv_loop)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "uv_loop: world.backend is given too");
    int rc = take_table(out, sizeof *out, given, "backend", error);
    if (!rc && (!out->attach || !out->watch || !out->unwatch || !out->set_deadline || !out->wake ||
                !out->detach))
        rc = bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                          "world.backend: a function other than run and descriptor is missing");
    return rc;
}

int bl_loop_take_world(struct belay_loop *loop, const struct belay_world *world,
                       struct belay_error *error)
{
    int rc = take_clock(loop, world->clock, error);
    if (!rc)
        rc = take_random(loop, world->random, error);
    if (!rc)
        rc = take_transport(loop, world->transport, error);
    if (!rc)
        rc = take_offload(loop, world->offload, error);
    if (!rc)
        rc = take_backend(loop, world->backend, error);
    loop->dns = world->dns;
    return rc;
}
