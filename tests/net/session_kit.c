/* SPDX-License-Identifier: MIT */
/* The kit of the tests of sessions. */
#include "session_kit.h"

struct kernel_kit session_k;

void session_drop(struct session_owner *o)
{
    bl_chronicle_session_free(o->session);
    o->session = NULL;
}

void session_on_checked(const struct belay_error *error, void *arg)
{
    struct session_owner *o = arg;

    o->checks++;
    o->checked = true;
    if (error) {
        o->refused = true;
        o->error = *error;
    }
    if (o->frees_in_check)
        session_drop(o);
    else if (o->connects)
        bl_chronicle_session_connect(o->session);
}

static void on_kept(void *arg)
{
    struct session_owner *o = arg;

    assert_non_null(o->session);
    assert_int_equal(o->ends, 0);
    if (++o->kept == o->frees_at)
        session_drop(o);
}

static void on_ended(const struct belay_error *error, void *arg)
{
    struct session_owner *o = arg;

    assert_non_null(o->session);
    o->ends++;
    o->ended = true;
    o->error = *error;
    if (o->frees_in_end)
        session_drop(o);
}

static void begin(struct session_owner *o)
{
    struct bl_chronicle_session_options options = {
        .channel = session_k.channel,
        .connection_id = "the-id",
        .client_type = "tester",
        .client_version = "1.2",
        .on_checked = session_on_checked,
        .on_kept = on_kept,
        .on_ended = on_ended,
        .arg = o,
    };

    assert_int_equal(bl_chronicle_session_new(&options, &o->session, NULL), 0);
}

void session_open(struct session_owner *o)
{
    *o = (struct session_owner){0};
    kernel_open(&session_k, NULL);
    kernel_dial(&session_k, NULL);
    begin(o);
}

void session_close(struct session_owner *o)
{
    session_drop(o);
    kernel_close(&session_k);
}

void session_connect(struct session_owner *o)
{
    bl_chronicle_session_connect(o->session);
    kernel_until_requests(&session_k, KERNEL_CONNECT, 1);
}

bool session_holds(const struct kernel_request *r, const char *bytes, size_t len)
{
    return r->len >= len && memmem(r->body, r->len, bytes, len) != NULL;
}
