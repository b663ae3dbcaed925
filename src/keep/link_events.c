/* SPDX-License-Identifier: MIT */
/* Events: a line in the log, then on_event, then those who have subscribed, in their order. */
#include <stdio.h>

#include "keep/link.h"

struct belay_link_subscription {
    struct belay_link *of;
    struct bl_list link;
    uint64_t number;
    belay_link_event_fn *fn;
    void *arg;
};

/* ---- the log ---- */

#define WHEN_MAX 64

static const char *when(int64_t next_ms, char out[WHEN_MAX])
{
    if (next_ms == BELAY_FOREVER)
        return "; no further attempt";
    snprintf(out, WHEN_MAX, "; next attempt in %lld ms", (long long)next_ms);
    return out;
}

static const char *name_of(struct belay_endpoint *address)
{
    return address ? belay_endpoint_name(address) : "";
}

static void log_event(const struct belay_link *link, const struct belay_link_event *e)
{
    char text[WHEN_MAX];

    switch (e->type) {
    case BELAY_LINK_ATTEMPTING_TO_CONNECT:
        bl_loop_log(link->loop, BL_LINK_TAG, BELAY_LOG_INFO, "%s: attempting to connect",
                    link->server_name);
        break;
    case BELAY_LINK_OBTAINED_ADDRESS:
        bl_loop_log(link->loop, BL_LINK_TAG, BELAY_LOG_INFO, "%s: obtained address %s",
                    link->server_name, name_of(e->address));
        break;
    case BELAY_LINK_FAILED_TO_CONNECT:
        bl_loop_log(link->loop, BL_LINK_TAG, BELAY_LOG_ERROR, "%s: failed to connect: %s%s",
                    link->server_name, e->error->text, when(e->next_ms, text));
        break;
    case BELAY_LINK_CONNECTED:
        bl_loop_log(link->loop, BL_LINK_TAG, BELAY_LOG_INFO, "%s: connected to %s",
                    link->server_name, name_of(e->address));
        break;
    case BELAY_LINK_DISCONNECTED:
        bl_loop_log(link->loop, BL_LINK_TAG, BELAY_LOG_INFO, "%s: disconnected from %s%s%s%s",
                    link->server_name, name_of(e->address), e->error ? ": " : "",
                    e->error ? e->error->text : "", when(e->next_ms, text));
        break;
    }
}

void bl_link_note(struct belay_link *link, const struct belay_error *error)
{
    bl_loop_log(link->loop, BL_LINK_TAG, BELAY_LOG_INFO, "%s: stays with %s: %s", link->server_name,
                belay_endpoint_name(belay_conn_endpoint(link->current)), error->text);
}

/* ---- telling ---- */

/* The cursor stands behind the one that is being told, so that any of them may go meanwhile; those
 * who come meanwhile are not told this time. */
static void tell_subscribers(struct belay_link *link, const struct belay_link_event *event,
                             uint64_t last)
{
    bl_list_push_front(&link->subscriptions, &link->cursor);
    while (link->cursor.next != &link->subscriptions) {
        struct bl_list *node = link->cursor.next;
        struct belay_link_subscription *s = BL_LIST_OF(node, struct belay_link_subscription, link);

        if (s->number > last)
            break;
        bl_list_remove(&link->cursor);
        bl_list_insert_after(node, &link->cursor);
        s->fn(link, event, s->arg);
    }
    bl_list_remove(&link->cursor);
}

void bl_link_tell(struct belay_link *link, enum belay_link_event_type type,
                  struct belay_endpoint *address, const struct belay_error *error)
{
    int64_t next_ms = bl_lp_next_ms(&link->lp, bl_link_now(link));
    uint64_t last = link->subscribed;
    struct belay_link_event event = {
        .size = sizeof event,
        .type = type,
        .address = address,
        .error = error,
        .failures = link->lp.failures,
    };

    if (type == BELAY_LINK_CONNECTED)
        event.lease = link->lease;
    if (type == BELAY_LINK_FAILED_TO_CONNECT || type == BELAY_LINK_DISCONNECTED)
        event.next_ms = next_ms == INT64_MAX ? BELAY_FOREVER : next_ms;
    log_event(link, &event);
    if (link->options.on_event)
        link->options.on_event(link, &event, link->options.event_arg);
    tell_subscribers(link, &event, last);
}

/* ---- subscribing ---- */

int belay_link_subscribe(struct belay_link *link, belay_link_event_fn *fn, void *arg,
                         struct belay_link_subscription **ret_subscription)
{
    struct belay_link_subscription *s;

    if (!fn || !ret_subscription)
        return BELAY_EINVAL;
    if (link->ended)
        return BELAY_ECLOSED;
    s = bl_alloc(&link->loop->mem, sizeof *s);
    if (!s)
        return BELAY_ENOMEM;
    s->of = link;
    s->number = ++link->subscribed;
    s->fn = fn;
    s->arg = arg;
    bl_list_push_back(&link->subscriptions, &s->link);
    link->subscriptions_n++;
    *ret_subscription = s;
    return 0;
}

void belay_link_unsubscribe(struct belay_link_subscription *s)
{
    if (!s)
        return;
    bl_list_remove(&s->link);
    s->of->subscriptions_n--;
    bl_free(&s->of->loop->mem, s);
}

void bl_link_free_subscriptions(struct belay_link *link)
{
    struct bl_list *node;

    while ((node = bl_list_first(&link->subscriptions)))
        belay_link_unsubscribe(BL_LIST_OF(node, struct belay_link_subscription, link));
}
