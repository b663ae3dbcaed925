/* SPDX-License-Identifier: MIT */
/*
 * Look-ups. An answer is the list of addresses from then on: those that were there before keep
 * their connections and their backoff, those that are no more take no further calls.
 */
#include "conn/source.h"
#include "grpc/subchannel.h"

static struct bl_subchannel *find(struct bl_list *subs, struct belay_endpoint *endpoint)
{
    BL_LIST_EACH(node, subs)
    {
        struct bl_subchannel *sub = bl_sub_of(BL_LIST_OF(node, struct bl_cp_sub, link));

        if (sub->endpoint == endpoint || belay_endpoint_equal(sub->endpoint, endpoint))
            return sub;
    }
    return NULL;
}

/* In the order of the answer, each address once. False: without memory for all of them. */
static bool build(struct belay_channel *ch, struct bl_list *before,
                  struct belay_endpoint *const *endpoints, size_t n, bool *changed)
{
    for (size_t i = 0; i < n; i++) {
        struct bl_subchannel *sub;

        if (find(&ch->cp.subs, endpoints[i]))
            continue;
        sub = find(before, endpoints[i]);
        if (!sub) {
            sub = bl_sub_new(ch, endpoints[i]);
            *changed = true;
        }
        if (!sub)
            return false;
        bl_list_remove(&sub->cp.link);
        bl_list_push_back(&ch->cp.subs, &sub->cp.link);
    }
    return true;
}

static void fail(struct belay_channel *ch, const struct belay_error *error)
{
    ch->stats.lookups_failed++;
    bl_channel_remember(ch, error);
    bl_cp_unresolved(&ch->cp, bl_channel_now(ch));
}

static void take(struct belay_channel *ch, struct belay_endpoint *const *endpoints, size_t n)
{
    struct bl_list before, *node;
    struct belay_error error;
    bool changed = false, whole;

    bl_list_init(&before);
    bl_list_splice(&before, &ch->cp.subs);
    whole = build(ch, &before, endpoints, n, &changed);
    if (!whole) /* those that were there stay, behind */
        bl_list_splice(&ch->cp.subs, &before);
    while ((node = bl_list_first(&before))) {
        struct bl_cp_sub *sub = BL_LIST_OF(node, struct bl_cp_sub, link);

        changed = true;
        bl_cp_remove(&ch->cp, sub);
        bl_sub_remove(bl_sub_of(sub));
    }
    if (whole) {
        bl_cp_resolved(&ch->cp, changed, bl_channel_now(ch));
        return;
    }
    bl_error_set(&error, BELAY_ENOMEM, BELAY_STAGE_RESOLVE, "looking up %.160s: out of memory",
                 ch->target);
    fail(ch, &error);
}

static void on_answer(struct belay_endpoint *const *endpoints, size_t n,
                      const struct belay_error *error, void *arg)
{
    struct belay_channel *ch = arg;

    ch->query = NULL;
    if (!ch->closing) {
        if (error)
            fail(ch, error);
        else
            take(ch, endpoints, n);
    }
    bl_channel_run_later(ch);
}

/* The first question may be answered from the cache of names. */
void bl_channel_resolve(struct belay_channel *ch)
{
    struct belay_error error;
    int rc = belay_source_get(ch->source, ch->asked, &ch->query, on_answer, ch);

    ch->asked = true;
    ch->stats.lookups++;
    if (rc == 0)
        return;
    bl_error_set(&error, rc, BELAY_STAGE_RESOLVE, "looking up %.160s: %s", ch->target,
                 belay_strerror(rc));
    fail(ch, &error);
}
