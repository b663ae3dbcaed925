/* SPDX-License-Identifier: MIT */
/* Who watches for the end of an object. */
#include "conn/watchers.h"

struct watcher {
    struct bl_list link;
    struct bl_task task;
    struct belay_loop *loop;
    belay_fn *fn;
    void *arg;
};

static void tell(void *arg)
{
    struct watcher *w = arg;
    belay_fn *fn = w->fn;
    void *fn_arg = w->arg;

    bl_free(&w->loop->mem, w);
    fn(fn_arg);
}

int bl_watchers_add(struct bl_list *watchers, struct belay_loop *loop, bool ended, belay_fn *fn,
                    void *arg)
{
    struct watcher *w;

    if (!fn)
        return BELAY_EINVAL;
    w = bl_zalloc(&loop->mem, sizeof *w);
    if (!w)
        return BELAY_ENOMEM;
    bl_task_init(&w->task, tell, w);
    w->loop = loop;
    w->fn = fn;
    w->arg = arg;
    bl_list_init(&w->link);
    if (ended)
        bl_task_post(loop, &w->task);
    else
        bl_list_push_back(watchers, &w->link);
    return 0;
}

void bl_watchers_tell(struct bl_list *watchers)
{
    struct bl_list now, *node;

    bl_list_init(&now);
    bl_list_splice(&now, watchers);
    while ((node = bl_list_pop_front(&now)))
        tell(BL_LIST_OF(node, struct watcher, link));
}
