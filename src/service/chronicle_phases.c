/* SPDX-License-Identifier: MIT */
/*
 * Who subscribes to the phases. Each is told the one that is first (`greeted` numbers those who have
 * been), then every change.
 */
#include "service/chronicle.h"

struct belay_chronicle_subscription {
    struct bl_list link;
    struct belay_chronicle *of;
    uint64_t number;
    belay_chronicle_phase_fn *fn;
    void *arg;
};

/* Those from number `first` to `last`. The cursor stands behind the one that is being told, so that
 * any of them may go meanwhile. */
static void tell(struct belay_chronicle *c, uint64_t first, uint64_t last,
                 enum belay_chronicle_phase phase)
{
    char id[BL_CHRONICLE_ID_SIZE]; /* of the phase, whatever they do */

    memcpy(id, c->id, sizeof id);
    bl_list_push_front(&c->subscriptions, &c->cursor);
    while (c->cursor.next != &c->subscriptions) {
        struct bl_list *node = c->cursor.next;
        struct belay_chronicle_subscription *s =
            BL_LIST_OF(node, struct belay_chronicle_subscription, link);

        if (s->number > last)
            break;
        bl_list_remove(&c->cursor);
        bl_list_insert_after(node, &c->cursor);
        if (s->number >= first)
            s->fn(c, phase, id, s->arg);
    }
    bl_list_remove(&c->cursor);
}

void bl_chronicle_tell(struct belay_chronicle *c, enum belay_chronicle_phase phase)
{
    tell(c, 1, c->greeted, phase);
}

bool bl_chronicle_greet(struct belay_chronicle *c, uint64_t last)
{
    uint64_t first = c->greeted + 1;

    if (c->greeted >= last)
        return false;
    c->greeted = last;
    tell(c, first, last, c->policy.phase);
    return true;
}

int belay_chronicle_subscribe(struct belay_chronicle *c, belay_chronicle_phase_fn *fn, void *arg,
                              struct belay_chronicle_subscription **ret_subscription)
{
    struct belay_chronicle_subscription *s;

    if (!fn || !ret_subscription)
        return BELAY_EINVAL;
    if (belay_chronicle_is_closed(c))
        return BELAY_ECLOSED;
    s = bl_alloc(&c->loop->mem, sizeof *s);
    if (!s)
        return BELAY_ENOMEM;
    s->of = c;
    s->number = ++c->subscribed;
    s->fn = fn;
    s->arg = arg;
    bl_list_push_back(&c->subscriptions, &s->link);
    bl_chronicle_run_later(c);
    *ret_subscription = s;
    return 0;
}

void belay_chronicle_unsubscribe(struct belay_chronicle_subscription *subscription)
{
    if (!subscription)
        return;
    bl_list_remove(&subscription->link);
    bl_free(&subscription->of->loop->mem, subscription);
}

void bl_chronicle_free_subscriptions(struct belay_chronicle *c)
{
    struct bl_list *node;

    while ((node = bl_list_first(&c->subscriptions)))
        belay_chronicle_unsubscribe(BL_LIST_OF(node, struct belay_chronicle_subscription, link));
}
