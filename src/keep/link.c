/* SPDX-License-Identifier: MIT */
/* The link as an object: its life, and who waits for its end. */
#include "keep/link.h"

#include "conn/watchers.h"

static void close_object(struct bl_object *object)
{
    belay_link_close(BL_CONTAINER(object, struct belay_link, object), NULL, NULL);
}

static void change_network(struct bl_object *object)
{
    belay_link_kick(BL_CONTAINER(object, struct belay_link, object));
}

/* ---- opening ---- */

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "opening a link: out of memory");
}

static void discard(struct belay_link *link)
{
    bl_timer_fini(&link->timer, link->loop);
    bl_free(&link->loop->mem, link->server_name);
    bl_free(&link->loop->mem, link);
}

static struct belay_link *link_new(struct belay_loop *loop, const struct bl_link_settings *s)
{
    struct belay_link *link = bl_zalloc(&loop->mem, sizeof *link);

    if (!link)
        return NULL;
    link->loop = loop;
    if (bl_timer_init(&link->timer, loop, bl_link_run, link) == 0 &&
        bl_link_settings_apply(link, s) == 0)
        return link;
    discard(link);
    return NULL;
}

int belay_link_open(struct belay_source *source, const struct belay_link_options *options,
                    struct belay_link **ret_link, struct belay_error *error)
{
    struct bl_link_settings s;
    struct belay_link *link;
    int rc;

    if (!source)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "opening a link: no source");
    rc = bl_link_settings_make(&s, options, error);
    if (rc < 0)
        return rc;
    if (source->loop->closing)
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "opening a link: the loop is closed");
    link = link_new(source->loop, &s);
    if (!link)
        return out_of_memory(error);
    link->source = belay_source_ref(source);
    link->opened_at = link->down_at = bl_now_fresh(link->loop);
    bl_lp_init(&link->lp, &s.limits, bl_rand_next(&link->loop->rand), link->opened_at);
    bl_list_init(&link->waiters);
    bl_list_init(&link->subscriptions);
    bl_list_init(&link->cursor);
    bl_list_init(&link->watchers);
    bl_task_init(&link->run, bl_link_run, link);
    bl_object_init(&link->object, link->loop, "link", close_object);
    link->object.network_changed = change_network;
    BL_TRACE(link->loop, "link", link->object.id, link->server_name, NULL,
             bl_lp_state_name(link->lp.state), "");
    bl_task_post(link->loop, &link->run);
    *ret_link = link;
    return 0;
}

int belay_link_open_to(struct belay_endpoint *endpoint, const struct belay_link_options *options,
                       struct belay_link **ret_link, struct belay_error *error)
{
    struct belay_source *source;
    int rc;

    if (!endpoint)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "opening a link: no endpoint");
    rc =
        belay_source_list(bl_endpoint_loop(endpoint), &endpoint, 1, BELAY_SOURCE_IN_ORDER, &source);
    if (rc < 0)
        return out_of_memory(error);
    rc = belay_link_open(source, options, ret_link, error);
    belay_source_unref(source);
    return rc;
}

/* ---- the end ---- */

void belay_link_close(struct belay_link *link, belay_fn *on_closed, void *arg)
{
    if (!link)
        return;
    if (on_closed) {
        link->on_closed = on_closed;
        link->closed_arg = arg;
    }
    link->released = true;
    bl_link_ask(link, BL_LINK_CLOSE);
}

void belay_link_close_when_current_closes(struct belay_link *link)
{
    link->released = true;
    bl_link_ask(link, BL_LINK_FINISH);
}

static void let_go(struct belay_link *link)
{
    bl_timer_fini(&link->timer, link->loop);
    belay_source_unref(link->source);
    belay_endpoint_unref(link->address);
    link->source = NULL;
    link->address = NULL;
    link->ended = true;
}

/* Also for those who ask for the end, or for word of it, after it. One that ended by itself stays
 * until it is closed: its caller still has it in hand. */
void bl_link_finish(struct belay_link *link)
{
    belay_fn *on_closed = link->on_closed;

    link->refs++;
    if (!link->ended)
        let_go(link);
    bl_link_child_ended(link);
    if (link->released)
        bl_object_fini(&link->object, link->loop);
    link->on_closed = NULL;
    if (on_closed)
        on_closed(link->closed_arg);
    bl_watchers_tell(&link->watchers);
    belay_link_unref(link);
}

/* ---- references ---- */

struct belay_link *belay_link_ref(struct belay_link *link)
{
    if (link)
        link->refs++;
    return link;
}

void belay_link_unref(struct belay_link *link)
{
    struct belay_loop *loop;

    if (!link || --link->refs > 0 || !link->ended || !link->released)
        return;
    if (link->on_closed || !bl_list_empty(&link->watchers) || bl_list_linked(&link->object.link))
        return; /* the task has somebody to tell, and lets go afterwards */
    loop = link->loop;
    BL_TRACE(loop, "link", link->object.id, link->server_name, bl_lp_state_name(link->lp.state),
             NULL, "");
    bl_task_cancel(&link->run);
    bl_link_free_subscriptions(link); /* not earlier: they may be ended in on_closed, too */
    bl_error_copy_clear(&link->error, &loop->mem);
    bl_free(&loop->mem, link->server_name);
    bl_free(&loop->mem, link);
}

bool belay_link_is_closed(const struct belay_link *link)
{
    return (link->asks & BL_LINK_CLOSE) || link->lp.state >= BL_LP_CLOSING;
}

int belay_link_close_finished(struct belay_link *link, belay_fn *fn, void *arg)
{
    return bl_watchers_add(&link->watchers, link->loop, link->ended, fn, arg);
}

/* ---- trying now ---- */

void belay_link_kick(struct belay_link *link)
{
    bl_link_ask(link, BL_LINK_KICK);
}

void belay_link_reset_backoff(struct belay_link *link)
{
    bl_link_ask(link, BL_LINK_RESET);
}
