/* SPDX-License-Identifier: MIT */
/* What hangs on a connection: what its connector attached, and the descriptor to be watched. */
#include "base/error.h"
#include "conn/conn_parts.h"

struct attachment {
    struct bl_list link;
    belay_fn *end;
    void *arg;
};

static void on_readable(void *arg)
{
    struct belay_conn *c = arg;

    if (c->parked) {
        c->parked = false;
        if (!c->keeper_ops->stirs(c, c->keeper)) {
            bl_conn_watch(c); /* an answer, to whoever has it */
            return;
        }
    }
    belay_conn_suspect(c);
}

static void on_resume(void *arg)
{
    bl_conn_watch(arg);
}

struct bl_conn_more *bl_conn_more(struct belay_conn *c)
{
    if (c->more)
        return c->more;
    c->more = bl_zalloc(&c->loop->mem, sizeof *c->more);
    if (c->more) {
        bl_list_init(&c->more->attached);
        bl_list_init(&c->more->loans);
        bl_guard_init(&c->more->guard, c->loop, on_readable, c);
        bl_task_init(&c->more->resume, on_resume, c);
    }
    return c->more;
}

static bool may_attach(const struct belay_conn *c)
{
    return (bl_conn_listens(c, BL_PHASE_SESSION) || bl_conn_listens(c, BL_PHASE_OPEN)) && !c->taken;
}

/* ---- attachments ---- */

int belay_conn_attach(struct belay_conn *c, belay_fn *end, void *arg)
{
    struct attachment *a;

    if (!end)
        return BELAY_EINVAL;
    if (!may_attach(c))
        return BELAY_ECLOSED;
    a = bl_conn_more(c) ? bl_zalloc(&c->loop->mem, sizeof *a) : NULL;
    if (!a)
        return BELAY_ENOMEM;
    a->end = end;
    a->arg = arg;
    bl_list_push_front(&c->more->attached, &a->link);
    return 0;
}

static void drop(struct belay_conn *c, struct attachment *a)
{
    bl_list_remove(&a->link);
    bl_free(&c->loop->mem, a);
}

void belay_conn_detach(struct belay_conn *c, belay_fn *end, void *arg)
{
    if (!c->more)
        return;
    BL_LIST_EACH(node, &c->more->attached)
    {
        struct attachment *a = BL_LIST_OF(node, struct attachment, link);

        if (a->end == end && a->arg == arg) {
            drop(c, a);
            return;
        }
    }
}

/* An end may detach others, and make up-calls, which nobody hears. */
void bl_conn_let_go(struct belay_conn *c)
{
    bool before = c->deaf;
    struct bl_list *node;

    if (!c->more)
        return;
    bl_task_cancel(&c->more->resume);
    bl_guard_set_fd(&c->more->guard, -1);
    c->deaf = true;
    while ((node = bl_list_first(&c->more->attached))) {
        struct attachment *a = BL_LIST_OF(node, struct attachment, link);
        belay_fn *end = a->end;
        void *arg = a->arg;

        drop(c, a);
        end(arg);
    }
    c->deaf = before;
}

void bl_conn_more_free(struct belay_conn *c)
{
    bl_free(&c->loop->mem, c->more);
    c->more = NULL;
}

/* ---- the descriptor ---- */

static bool wants_watch(const struct belay_conn *c)
{
    return bl_conn_has_descriptor(c) && c->phase == BL_PHASE_OPEN && c->opened && !c->closing &&
           (c->users == 0 || c->parked) && !c->checking && !c->facts.suspect && !c->facts.lost;
}

/* The connector judges, and closes it or says that it is good: then the descriptor that is there
 * under this number is the one. */
static void doubt(struct belay_conn *c)
{
    c->more->doubted = true;
    bl_guard_set_fd(&c->more->guard, bl_guard_fd(&c->more->guard));
    belay_conn_suspect(c);
}

/* What cannot be watched would die unseen: it goes. */
void bl_conn_watch(struct belay_conn *c)
{
    struct belay_error error;
    int rc;

    if (!bl_conn_has_descriptor(c))
        return;
    bl_task_cancel(&c->more->resume);
    if (!wants_watch(c)) {
        bl_guard_rest(&c->more->guard);
        return;
    }
    rc = bl_guard_on(&c->more->guard);
    if (rc == BELAY_ECLOSED && !c->more->doubted) {
        doubt(c);
        return;
    }
    c->more->doubted = false;
    if (rc == 0)
        return;
    bl_error_set(&error, rc, BELAY_STAGE_USE, "watching the descriptor of a connection to %s: %s",
                 belay_endpoint_name(c->endpoint),
                 rc == BELAY_ECLOSED ? "it is not open" : belay_strerror(rc));
    belay_conn_lost(c, BELAY_REASON_ERROR, &error);
}

void bl_conn_watch_later(struct belay_conn *c)
{
    if (!bl_conn_has_descriptor(c))
        return;
    if (bl_guard_is_armed(&c->more->guard))
        bl_conn_watch(c);
    else if (wants_watch(c))
        bl_flush_post(c->loop, &c->more->resume);
}

void bl_conn_verify_watch(struct belay_conn *c)
{
    if (!bl_conn_has_descriptor(c))
        return;
    bl_guard_doubt(&c->more->guard);
    bl_conn_watch(c);
}

void bl_conn_set_parked(struct belay_conn *c, bool parked)
{
    c->parked = parked;
    bl_conn_watch(c);
}

bool bl_conn_has_descriptor(const struct belay_conn *c)
{
    return c->more && bl_guard_fd(&c->more->guard) >= 0;
}

int belay_conn_set_descriptor(struct belay_conn *c, int fd)
{
    if (c->stream || fd < -1)
        return BELAY_EINVAL;
    if (!may_attach(c))
        return BELAY_ECLOSED;
    if (fd < 0 && !c->more)
        return 0;
    if (c->opened && !bl_conn_is_watched(c))
        return BELAY_EINVAL;
    if (!bl_conn_more(c))
        return BELAY_ENOMEM;
    bl_guard_set_fd(&c->more->guard, fd);
    c->more->watched = c->more->watched || fd >= 0;
    bl_conn_watch(c);
    return 0;
}
