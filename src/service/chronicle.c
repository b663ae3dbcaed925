/* SPDX-License-Identifier: MIT */
/*
 * Chronicle's connection as an object.
 *
 *     start --> lives --disconnect--> CLOSED --channel, queries, probes' client, name--> ended
 *                 \--gives up-------> CLOSED, until disconnect --------------------------^
 */
#include "service/chronicle.h"

#include <stdio.h>

/* ---- starting ---- */

static void close_object(struct bl_object *object)
{
    belay_chronicle_disconnect(BL_CONTAINER(object, struct belay_chronicle, object), NULL, NULL);
}

static void change_network(struct bl_object *object)
{
    struct belay_chronicle *c = BL_CONTAINER(object, struct belay_chronicle, object);

    bl_chp_kick(&c->policy, bl_now_fresh(c->loop));
    bl_chronicle_run_later(c);
}

/* RFC 9562, version 4. */
void bl_chronicle_new_id(struct belay_chronicle *c)
{
    uint64_t a = bl_rand_next(&c->loop->rand), b = bl_rand_next(&c->loop->rand);

    snprintf(c->id, sizeof c->id, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16) & 0xffffu, (unsigned)a & 0xfffu,
             ((unsigned)(b >> 48) & 0x3fffu) | 0x8000u, (unsigned long long)b & 0xffffffffffffULL);
}

static struct belay_chronicle *chronicle_new(struct belay_loop *loop)
{
    struct belay_chronicle *c = bl_zalloc(&loop->mem, sizeof *c);

    if (!c)
        return NULL;
    c->loop = loop;
    c->refs = 1;
    bl_task_init(&c->run, bl_chronicle_run, c);
    bl_list_init(&c->asked);
    bl_list_init(&c->answered);
    bl_list_init(&c->waiters);
    bl_list_init(&c->subscriptions);
    bl_list_init(&c->cursor);
    bl_list_init(&c->leaving);
    if (bl_timer_init(&c->timer, loop, bl_chronicle_run, c) == 0)
        return c;
    bl_free(&loop->mem, c);
    return NULL;
}

static void chronicle_free(struct belay_chronicle *c)
{
    struct belay_loop *loop = c->loop;

    bl_task_cancel(&c->run);
    bl_chronicle_free_subscriptions(c);
    bl_error_copy_clear(&c->error, &loop->mem);
    bl_chronicle_options_free(c);
    bl_free(&loop->mem, c);
}

int belay_chronicle_start(struct belay_loop *loop, const struct belay_chronicle_options *options,
                          struct belay_chronicle **ret_chronicle, struct belay_error *error)
{
    struct belay_chronicle *c;
    int rc;

    if (loop->closing)
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "starting a connection to Chronicle: the loop is closed");
    c = chronicle_new(loop);
    if (!c)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                            "starting a connection to Chronicle: out of memory");
    rc = bl_chronicle_options_apply(c, options, error);
    if (rc == 0)
        rc = bl_chronicle_take_name(c, error);
    if (rc < 0) {
        bl_chronicle_let_go(c);
        chronicle_free(c);
        return rc;
    }
    bl_chronicle_new_id(c);
    bl_object_init(&c->object, loop, "chronicle", close_object);
    c->object.network_changed = change_network;
    BL_TRACE(loop, "chronicle", c->object.id, c->label, NULL,
             belay_chronicle_phase_name(c->policy.phase), "");
    bl_chronicle_run_later(c);
    *ret_chronicle = c;
    return 0;
}

/* ---- the end ---- */

static void on_http_closed(void *arg)
{
    struct belay_chronicle *c = arg;

    c->http = NULL;
    bl_chronicle_run_later(c);
}

void bl_chronicle_let_go(struct belay_chronicle *c)
{
    if (c->let_go)
        return;
    c->let_go = true;
    bl_timer_fini(&c->timer, c->loop);
    bl_chronicle_attempt_cancel(c);
    bl_chronicle_session_free(c->session);
    c->session = NULL;
    bl_chronicle_disown_channel(c);
    bl_chronicle_end_leaving(c);
    bl_chronicle_access_close(c->access);
    c->access = NULL;
    if (c->http)
        belay_http_close(c->http, on_http_closed, c);
}

void bl_chronicle_end(struct belay_chronicle *c, enum belay_exit_kind kind)
{
    if (c->policy.state != BL_CHP_CLOSED) {
        c->todo |= bl_chp_close(&c->policy);
        c->exit = kind;
    }
    bl_chronicle_let_go(c);
    bl_chronicle_run_later(c);
}

static void set_on_closed(struct belay_chronicle *c, belay_fn *on_closed, void *arg)
{
    if (!on_closed)
        return;
    if (c->ended && !c->on_closed) {
        c->refs++; /* until it has been told */
        bl_chronicle_run_later(c);
    }
    c->on_closed = on_closed;
    c->closed_arg = arg;
}

void belay_chronicle_disconnect(struct belay_chronicle *chronicle, belay_fn *on_closed, void *arg)
{
    if (!chronicle)
        return;
    set_on_closed(chronicle, on_closed, arg);
    if (chronicle->closing)
        return;
    chronicle->closing = true;
    bl_chronicle_end(chronicle, BELAY_EXIT_NORMAL);
}

static bool is_over(const struct belay_chronicle *c)
{
    return c->closing && c->told && c->todo == 0 && !c->channel && !c->http &&
           bl_list_empty(&c->asked) && bl_list_empty(&c->answered) && bl_list_empty(&c->leaving) &&
           (!c->process || c->process_ended);
}

void bl_chronicle_finish(struct belay_chronicle *c)
{
    belay_fn *on_closed = c->on_closed;
    bool late = c->ended;

    if (!late && !is_over(c))
        return;
    c->on_closed = NULL;
    if (!late) {
        c->ended = true;
        belay_process_unref(c->process);
        c->process = NULL;
        BL_TRACE(c->loop, "chronicle", c->object.id, c->label,
                 belay_chronicle_phase_name(c->policy.phase), NULL, "");
        bl_object_fini(&c->object, c->loop);
        bl_chronicle_child_ended(c);
    }
    if (on_closed)
        on_closed(c->closed_arg);
    if (!late || on_closed)
        belay_chronicle_unref(c);
}

/* ---- references ---- */

struct belay_chronicle *belay_chronicle_ref(struct belay_chronicle *chronicle)
{
    if (chronicle)
        chronicle->refs++;
    return chronicle;
}

void belay_chronicle_unref(struct belay_chronicle *chronicle)
{
    if (chronicle && --chronicle->refs == 0)
        chronicle_free(chronicle);
}

bool belay_chronicle_is_closed(const struct belay_chronicle *chronicle)
{
    return chronicle->policy.state == BL_CHP_CLOSED;
}

/* ---- what it is ---- */

bool belay_chronicle_connected(const struct belay_chronicle *chronicle)
{
    return chronicle->policy.state == BL_CHP_UP;
}

struct belay_channel *belay_chronicle_channel(struct belay_chronicle *chronicle)
{
    return belay_chronicle_connected(chronicle) ? chronicle->channel : NULL;
}

void belay_chronicle_reconnect(struct belay_chronicle *chronicle)
{
    if (belay_chronicle_connected(chronicle))
        bl_chronicle_ask(chronicle, BL_CHRONICLE_RECONNECT);
}

enum belay_chronicle_phase belay_chronicle_get_phase(const struct belay_chronicle *chronicle)
{
    return chronicle->policy.phase;
}

bool belay_chronicle_last_error(const struct belay_chronicle *chronicle, struct belay_error *error,
                                int64_t *ret_age_ms)
{
    if (!bl_error_copy_tell(&chronicle->error, NULL, error))
        return false;
    if (ret_age_ms)
        *ret_age_ms = (int64_t)((bl_chronicle_now(chronicle) - chronicle->error_at) / 1000000);
    return true;
}

const char *belay_chronicle_connection_id(const struct belay_chronicle *chronicle)
{
    return chronicle->id;
}

void belay_chronicle_registered(struct belay_chronicle *chronicle, const char *connection_id)
{
    if (chronicle->policy.phase == BELAY_CHRONICLE_CONNECTED &&
        (!connection_id || strcmp(connection_id, chronicle->id) == 0))
        bl_chronicle_ask(chronicle, BL_CHRONICLE_REGISTER);
}
