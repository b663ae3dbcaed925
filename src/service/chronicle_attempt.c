/* SPDX-License-Identifier: MIT */
/*
 * One attempt:
 *
 *     RESOLVING --> RESOLVED --> PROBING --> CHOSEN --> OPENING --> READYING --> CHECKING --> CHECKED
 *         \-- hosts of the string ---^          \-- belay's own channel --^  \-- no_session ------^
 *
 * and from then on the channel that it gave. What goes wrong is a failure of the attempt, or of that
 * channel; both are heeded by the task.
 */
#include <stdio.h>

#include "grpc/channel.h"
#include "service/chronicle.h"

/* ---- failing ---- */

void bl_chronicle_attempt_fail(struct belay_chronicle *c, const struct belay_error *error)
{
    if (c->attempt.failed)
        return;
    c->attempt.failed = true;
    bl_error_copy_set(&c->attempt.error, &c->loop->mem, error);
    bl_chronicle_run_later(c);
}

void bl_chronicle_attempt_no_memory(struct belay_chronicle *c, const char *what)
{
    struct belay_error error;

    bl_error_set(&error, BELAY_ENOMEM, BELAY_STAGE_CONNECT, "connecting to %s: %s: out of memory",
                 c->label, what);
    bl_chronicle_attempt_fail(c, &error);
}

const char *bl_chronicle_attempt_doing(const struct belay_chronicle *c)
{
    switch (c->attempt.step) {
    case BL_CHRONICLE_RESOLVING:
    case BL_CHRONICLE_RESOLVED:
        return "while its addresses were looked up";
    case BL_CHRONICLE_PROBING:
        return "while the kernels were asked how many connections they have";
    case BL_CHRONICLE_CHECKING:
    case BL_CHRONICLE_CHECKED:
        return "while the kernel was asked whether it understands this client";
    case BL_CHRONICLE_NOTHING: /* its channel has been given to the session */
        return "while the kernel's first keep-alive was waited for";
    default:
        return "while the channel was waited for";
    }
}

/* ---- its session ---- */

static void on_checked(const struct belay_error *error, void *arg)
{
    struct belay_chronicle *c = arg;
    struct belay_error final;

    if (error) {
        final = *error;
        final.final = true;
        bl_chronicle_attempt_fail(c, &final);
        return;
    }
    c->attempt.step = BL_CHRONICLE_CHECKED;
    bl_chronicle_run_later(c);
}

static void on_kept(void *arg)
{
    bl_chronicle_ask(arg, BL_CHRONICLE_KEPT);
}

static void on_ended(const struct belay_error *error, void *arg)
{
    bl_chronicle_attempt_fail(arg, error);
}

static void check(struct belay_chronicle *c)
{
    struct bl_chronicle_session_options o = {
        .channel = c->channel,
        .connection_id = c->id,
        .client_type = c->client_type,
        .client_version = c->client_version,
        .skip_compatibility_check = c->skip_check,
        .on_checked = on_checked,
        .on_kept = on_kept,
        .on_ended = on_ended,
        .arg = c,
    };
    struct belay_error error;

    c->attempt.step = BL_CHRONICLE_CHECKING;
    if (bl_chronicle_session_new(&o, &c->session, &error) < 0)
        bl_chronicle_attempt_fail(c, &error);
    else
        bl_chronicle_session_check(c->session);
}

/* ---- its channel ---- */

static void on_ready(struct belay_chronicle *c)
{
    if (c->attempt.step != BL_CHRONICLE_READYING)
        return;
    if (!c->options.no_session) {
        check(c);
        return;
    }
    c->attempt.step = BL_CHRONICLE_CHECKED;
    bl_chronicle_run_later(c);
}

/* It does not connect again by itself: each attempt has a channel of its own. */
static void on_state(struct belay_channel *channel, enum belay_channel_state state,
                     const struct belay_error *error, void *arg)
{
    struct belay_chronicle *c = arg;
    struct belay_error own;

    if (channel != c->channel || c->let_go)
        return;
    if (state == BELAY_CHANNEL_READY) {
        on_ready(c);
        return;
    }
    if (state == BELAY_CHANNEL_CONNECTING && c->attempt.step == BL_CHRONICLE_READYING)
        return;
    if (!error) {
        bl_error_set(&own, BELAY_ERESET, BELAY_STAGE_USE, "the connection to %s: the channel is %s",
                     c->label, belay_channel_state_name(state));
        error = &own;
    }
    bl_chronicle_attempt_fail(c, error);
}

void bl_chronicle_take_channel(struct belay_chronicle *c, struct belay_channel *channel)
{
    c->channel = belay_channel_ref(channel);
    c->attempt.step = BL_CHRONICLE_READYING;
    bl_channel_keep(channel, on_state, c);
    if (belay_channel_is_closed(channel))
        on_state(channel, BELAY_CHANNEL_SHUTDOWN, NULL, c);
    else if (belay_channel_get_state(channel) == BELAY_CHANNEL_READY)
        on_ready(c);
    else
        belay_channel_connect(channel);
}

/* ---- its course ---- */

void bl_chronicle_attempt_begin(struct belay_chronicle *c)
{
    c->attempt.number = c->policy.attempt;
    c->attempt.step = BL_CHRONICLE_RESOLVING;
    bl_chronicle_resolve(c);
}

static const char *target_of(const struct bl_chronicle_host *place, char *out, size_t size)
{
    char text[BL_CHRONICLE_PLACE_SIZE];
    const char *scheme = place->ip.family == BELAY_FAMILY_IPV4   ? "ipv4"
                         : place->ip.family == BELAY_FAMILY_IPV6 ? "ipv6"
                                                                 : "dns";

    snprintf(out, size, "%s:%s", scheme, bl_chronicle_place_text(place, text));
    return out;
}

static void open_channel(struct belay_chronicle *c)
{
    const struct bl_chronicle_host *place = &c->attempt.places.list[c->attempt.place];
    char target[BL_CHRONICLE_PLACE_SIZE + 8];
    struct belay_channel *channel;
    struct belay_error error;
    int rc = bl_chronicle_access_aim(c->access, place->name, place->port, &error);

    c->attempt.step = BL_CHRONICLE_OPENING;
    target_of(place, target, sizeof target);
    if (rc == 0 && c->functions.connect) {
        bl_chronicle_query_open(c, target);
        return;
    }
    if (rc == 0)
        rc = belay_channel_open(c->loop, target, &c->channel_options.o, &channel, &error);
    if (rc < 0)
        bl_chronicle_attempt_fail(c, &error);
    else
        bl_chronicle_take_channel(c, channel);
}

bool bl_chronicle_attempt_step(struct belay_chronicle *c)
{
    switch (c->attempt.step) {
    case BL_CHRONICLE_RESOLVED:
        bl_chronicle_choose(c);
        return true;
    case BL_CHRONICLE_PROBING:
        return bl_chronicle_probe_step(c);
    case BL_CHRONICLE_CHOSEN:
        open_channel(c);
        return true;
    default:
        return false;
    }
}

void bl_chronicle_attempt_cancel(struct belay_chronicle *c)
{
    struct bl_chronicle_attempt *a = &c->attempt;

    a->step = BL_CHRONICLE_NOTHING;
    a->failed = false;
    bl_chronicle_resolve_cancel(c);
    bl_chronicle_probe_cancel(c); /* before its places */
    bl_chronicle_places_free(&a->places, &c->loop->mem);
    bl_error_copy_clear(&a->error, &c->loop->mem);
}
