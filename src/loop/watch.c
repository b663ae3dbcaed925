/* SPDX-License-Identifier: MIT */
/* Watches of descriptors: the loop's own use of the backend, and the public one. */
#include "loop/turn.h"

int bl_watch_set(struct belay_backend_slot *w, unsigned mask)
{
    struct belay_loop *loop = w->loop;
    if (mask == w->mask)
        return 0;
    if (mask == 0) {
        w->mask = 0;
        if (w->handle)
            loop->backend.unwatch(&w->handle, loop->backend.arg);
        w->handle = NULL;
        return 0;
    }
    int rc = loop->backend.watch(w->fd, mask, w, &w->handle, loop->backend.arg);
    if (rc)
        return rc;
    w->mask = mask;
    loop->watch_changed = true;
    if (!loop->in_turn)
        bl_loop_changed(loop);
    return 0;
}

/* ---- the caller's watches ---- */

struct belay_watch {
    struct bl_list link;
    struct belay_backend_slot slot;
    belay_watch_fn *fn;
    void *arg;
};

static void user_watch_ready(unsigned events, void *arg)
{
    struct belay_watch *watch = arg;
    watch->fn(events, watch->arg);
}

int belay_watch_new(struct belay_loop *loop, int fd, unsigned mask, belay_watch_fn *fn, void *arg,
                    struct belay_watch **ret_watch)
{
    if (!loop || fd < 0 || !fn || !ret_watch)
        return BELAY_EINVAL;
    if (loop->shutting)
        return BELAY_ECLOSED;
    struct belay_watch *watch = bl_zalloc(&loop->mem, sizeof *watch);
    if (!watch)
        return BELAY_ENOMEM;
    bl_watch_init(&watch->slot, loop, fd, user_watch_ready, watch);
    watch->fn = fn;
    watch->arg = arg;
    int rc = belay_watch_set(watch, mask);
    if (rc) {
        bl_free(&loop->mem, watch);
        return rc;
    }
    bl_list_push_back(&loop->user_watches, &watch->link);
    *ret_watch = watch;
    return 0;
}

int belay_watch_set(struct belay_watch *watch, unsigned mask)
{
    struct belay_loop *loop = watch->slot.loop;
    unsigned before = watch->slot.mask;
    if (mask & ~(BELAY_READABLE | BELAY_WRITABLE))
        return BELAY_EINVAL;
    if (loop->shutting && mask)
        return BELAY_ECLOSED;
    int rc = bl_watch_set(&watch->slot, mask);
    if (rc)
        return rc;
    if (!before && mask)
        loop->users++;
    else if (before && !mask)
        loop->users--;
    return 0;
}

void belay_watch_free(struct belay_watch *watch)
{
    if (!watch)
        return;
    struct belay_loop *loop = watch->slot.loop;
    belay_watch_set(watch, 0);
    bl_list_remove(&watch->link);
    bl_free(&loop->mem, watch);
}

void bl_user_watches_stop(struct belay_loop *loop)
{
    BL_LIST_EACH(node, &loop->user_watches)
    belay_watch_set(BL_LIST_OF(node, struct belay_watch, link), 0);
}

void bl_user_watches_free(struct belay_loop *loop)
{
    struct bl_list *node;
    while ((node = bl_list_first(&loop->user_watches)))
        belay_watch_free(BL_LIST_OF(node, struct belay_watch, link));
}
