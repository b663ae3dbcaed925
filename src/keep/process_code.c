/* SPDX-License-Identifier: MIT */
/* The behaviour of a running process is replaced, between two messages. */
#include "keep/process.h"

struct code_change {
    struct bl_letter letter;
    struct bl_list link; /* process->codes, when done */
    struct belay_process *process;
    const struct belay_behaviour *behaviour;
    void *extra;
    belay_process_state_fn *fn;
    void *arg;
    int result;
};

/* It was done, or never will be. */
static void release(struct bl_letter *letter)
{
    struct code_change *c = BL_CONTAINER(letter, struct code_change, letter);
    struct belay_process *p = c->process;

    bl_mutex_lock(&p->lock);
    bl_list_push_back(&p->codes, &c->link);
    bl_process_tell(p, BL_TELL_CODE);
    bl_mutex_unlock(&p->lock);
}

static void change(struct belay_process *p, struct code_change *c)
{
    const struct belay_behaviour *former = p->behaviour, *b = c->behaviour;
    int rc = BL_BEHAVIOUR_HAS(b, code_change) ? b->code_change(p, former, c->extra, p->state) : 0;

    BL_PROCESS_DEBUG(p, "code_change: %d", rc);
    bl_mutex_lock(&p->lock);
    p->busy = false;
    if (!p->ended) {
        c->result = rc;
        if (rc >= 0)
            p->behaviour = b;
    }
    bl_mutex_unlock(&p->lock);
}

enum bl_step bl_process_run_code(struct belay_process *p, struct bl_letter *letter)
{
    change(p, BL_CONTAINER(letter, struct code_change, letter));
    bl_process_drop_letter(p, letter);
    return BL_STEP_AGAIN;
}

/* Those that are done: their callers are told, in order. */
void bl_process_tell_codes(struct belay_process *p)
{
    struct bl_list done, *node;

    bl_list_init(&done);
    bl_mutex_lock(&p->lock);
    bl_list_splice(&done, &p->codes);
    bl_mutex_unlock(&p->lock);
    while ((node = bl_list_pop_front(&done))) {
        struct code_change *c = BL_LIST_OF(node, struct code_change, link);
        belay_process_state_fn *fn = c->fn;
        void *arg = c->arg;
        int result = c->result > 0 ? 0 : c->result;

        bl_free(&p->loop->mem, c);
        if (fn)
            fn(result, arg);
    }
}

int belay_process_change_code(struct belay_process *process,
                              const struct belay_behaviour *behaviour, void *extra,
                              belay_process_state_fn *fn, void *arg)
{
    struct code_change *c;

    if (!process || bl_behaviour_check(behaviour, NULL) < 0)
        return BELAY_EINVAL;
    if (!belay_process_is_alive(process))
        return BELAY_ENOPROC;
    c = bl_zalloc(&process->loop->mem, sizeof *c);
    if (!c)
        return BELAY_ENOMEM;
    c->letter.kind = BL_LETTER_CODE;
    c->letter.release = release;
    c->process = process;
    c->behaviour = behaviour;
    c->extra = extra;
    c->fn = fn;
    c->arg = arg;
    c->result = BELAY_ENOPROC;
    bl_list_init(&c->letter.link);
    bl_list_init(&c->link);
    if (bl_process_post_own(process, &c->letter))
        return 0;
    bl_free(&process->loop->mem, c);
    return BELAY_ENOPROC;
}
