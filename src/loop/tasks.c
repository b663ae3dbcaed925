/* SPDX-License-Identifier: MIT */
/* Tasks and flushes: what is put off to the end of the turn. */
#include "loop/turn.h"

static void post(struct belay_loop *loop, struct bl_list *list, struct bl_task *task)
{
    if (bl_list_linked(&task->link))
        return;
    bl_list_push_back(list, &task->link);
    if (!loop->in_turn)
        bl_loop_changed(loop);
}

void bl_task_post(struct belay_loop *loop, struct bl_task *task)
{
    post(loop, &loop->tasks, task);
}

void bl_flush_post(struct belay_loop *loop, struct bl_task *task)
{
    post(loop, &loop->flushes, task);
}

/* From a list of its own, so that what a task posts waits for the next round. */
static bool run_list(struct bl_list *list)
{
    struct bl_list now;
    bl_list_init(&now);
    bl_list_splice(&now, list);
    struct bl_list *node = bl_list_pop_front(&now);
    bool any = node != NULL;
    for (; node; node = bl_list_pop_front(&now)) {
        struct bl_task *task = BL_LIST_OF(node, struct bl_task, link);
        task->fn(task->arg);
    }
    return any;
}

bool bl_tasks_run(struct belay_loop *loop)
{
    return run_list(&loop->tasks);
}

bool bl_flushes_run(struct belay_loop *loop)
{
    return run_list(&loop->flushes);
}
