/* SPDX-License-Identifier: MIT */
/* The life of a supervisor: opened, closed, ended. */
#include "keep/supervisor.h"

#include "base/text.h"

#define YEAR_MS INT64_C(31536000000)

/* Restarts that are remembered: 8 bytes each. */
#define INTENSITY_MAX 10000

const struct bl_option bl_supervisor_options[] = {
    BL_OPTION(belay_supervisor_options, strategy, BELAY_ONE_FOR_ONE, BL_NOT_ALLOWED, BL_NOT_ALLOWED,
              BELAY_ONE_FOR_ALL, BELAY_DYNAMIC),
    BL_OPTION(belay_supervisor_options, intensity, 3, 0, BL_NOT_ALLOWED, 1, INTENSITY_MAX),
    BL_OPTION(belay_supervisor_options, period_ms, 5000, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1,
              YEAR_MS),
    BL_OPTION(belay_supervisor_options, max_children, 10000, BL_NOT_ALLOWED, INT32_MAX, 1,
              INT32_MAX),
};
const size_t bl_supervisor_options_n = BL_COUNT(bl_supervisor_options);

int bl_supervisor_options_resolve(struct belay_supervisor_options *ret,
                                  const struct belay_supervisor_options *given,
                                  struct belay_error *error)
{
    int rc = bl_options_resolve(ret, sizeof *ret, given, bl_supervisor_options,
                                bl_supervisor_options_n, error);

    if (rc < 0)
        return rc;
    if (!ret->name)
        ret->name = "supervisor";
    if (!bl_text_is_name(ret->name))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "name: is empty, or has control characters");
    return 0;
}

/* ---- of the loop: those that have ended, and that somebody may still close ---- */

struct room {
    struct bl_list ended;
};

static void let_go(struct belay_supervisor *s)
{
    struct bl_mem *mem = &s->loop->mem;

    bl_task_cancel(&s->run);
    bl_list_remove(&s->ended_link);
    bl_error_copy_clear(&s->start_error, mem);
    bl_free(mem, s->policy.times);
    bl_free(mem, (void *)(uintptr_t)s->options.name);
    bl_free(mem, s);
}

static void free_room(struct belay_loop *loop, void *ptr)
{
    struct room *room = ptr;
    struct bl_list *node;

    while ((node = bl_list_first(&room->ended)))
        let_go(BL_LIST_OF(node, struct belay_supervisor, ended_link));
    bl_free(&loop->mem, room);
}

static struct room *room_of(struct belay_loop *loop)
{
    struct room *room = loop->rooms[BL_ROOM_SUPERVISOR].ptr;

    if (room)
        return room;
    room = bl_zalloc(&loop->mem, sizeof *room);
    if (!room)
        return NULL;
    bl_list_init(&room->ended);
    loop->rooms[BL_ROOM_SUPERVISOR].ptr = room;
    loop->rooms[BL_ROOM_SUPERVISOR].free = free_room;
    return room;
}

/* ---- opening ---- */

static void close_object(struct bl_object *object)
{
    struct belay_supervisor *s = BL_CONTAINER(object, struct belay_supervisor, object);

    if (s->parent)
        return; /* whose end ends it, in order */
    bl_sp_end(&s->policy, BELAY_EXIT_SHUTDOWN, bl_now(s->loop));
    bl_task_post(s->loop, &s->run);
}

static int allocate(struct belay_loop *loop, const struct belay_supervisor_options *o,
                    struct belay_supervisor **ret)
{
    struct bl_mem *mem = &loop->mem;
    struct belay_supervisor *s = bl_zalloc(mem, sizeof *s);
    char *name = bl_strdup(mem, o->name);
    uint64_t *times = o->intensity ? bl_zalloc(mem, (size_t)o->intensity * sizeof *times) : NULL;

    if (!s || !name || (o->intensity && !times) || !room_of(loop)) {
        bl_free(mem, times);
        bl_free(mem, name);
        bl_free(mem, s);
        return BELAY_ENOMEM;
    }
    s->loop = loop;
    s->options = *o;
    s->options.name = name;
    bl_sp_init(&s->policy, o->strategy, (uint32_t)o->intensity, times, BL_MS(o->period_ms));
    *ret = s;
    return 0;
}

int bl_supervisor_make(struct belay_loop *loop, const struct belay_supervisor_options *options,
                       struct belay_child *parent, struct belay_supervisor **ret,
                       struct belay_error *error)
{
    struct belay_supervisor_options o;
    struct belay_supervisor *s;
    int rc;

    if (loop->closing)
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "opening a supervisor: the loop is ending");
    rc = bl_supervisor_options_resolve(&o, options, error);
    if (rc < 0)
        return rc;
    rc = allocate(loop, &o, &s);
    if (rc < 0)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "opening a supervisor: out of memory");
    bl_map_init(&s->ids, &loop->mem, loop->hash_key);
    bl_list_init(&s->unsettled);
    bl_list_init(&s->ended_link);
    bl_task_init(&s->run, bl_supervisor_run, s);
    s->parent = parent;
    s->open = !parent;
    bl_object_init(&s->object, loop, "supervisor", close_object);
    bl_object_set_rank(&s->object, loop, BL_RANK_SUPERVISOR);
    BL_TRACE(loop, "supervisor", s->object.id, s->options.name, NULL, "open", "");
    *ret = s;
    return 0;
}

int belay_supervisor_open(struct belay_loop *loop, const struct belay_supervisor_options *options,
                          struct belay_supervisor **ret_supervisor, struct belay_error *error)
{
    if (!loop || !ret_supervisor)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "opening a supervisor: loop or ret_supervisor is NULL");
    return bl_supervisor_make(loop, options, NULL, ret_supervisor, error);
}

void bl_supervisor_unmake(struct belay_supervisor *s)
{
    enum bl_sp_todo todo;
    struct bl_sp_child *c;

    bl_sp_end(&s->policy, BELAY_EXIT_SHUTDOWN, bl_now(s->loop));
    while ((c = bl_sp_next(&s->policy, &todo)))
        bl_supervised_free(BL_SUPERVISED_OF(c, sp));
    bl_object_fini(&s->object, s->loop);
    let_go(s);
}

/* ---- closing ---- */

void belay_supervisor_close(struct belay_supervisor *s, belay_fn *on_closed, void *arg)
{
    if (!s)
        return;
    if (on_closed) {
        s->on_closed = on_closed;
        s->closed_arg = arg;
    }
    s->released = true;
    if (!s->ended)
        bl_sp_end(&s->policy, BELAY_EXIT_SHUTDOWN, bl_now_fresh(s->loop));
    bl_task_post(s->loop, &s->run);
}

bool belay_supervisor_is_closed(const struct belay_supervisor *s)
{
    return s->policy.ending;
}

struct belay_supervisor *belay_supervisor_ref(struct belay_supervisor *s)
{
    if (s)
        s->refs++;
    return s;
}

void belay_supervisor_unref(struct belay_supervisor *s)
{
    if (!s)
        return;
    s->refs--;
    bl_supervisor_let_go(s);
}

void bl_supervisor_let_go(struct belay_supervisor *s)
{
    if (s->ended && s->released && !s->refs && !s->busy && !bl_task_posted(&s->run))
        let_go(s);
}

/* ---- the end ---- */

static struct belay_exit exit_of(const struct belay_supervisor *s, struct belay_error *scratch)
{
    const struct belay_supervisor_options *o = &s->options;

    if (!s->policy.gave_up || s->policy.exit != BELAY_EXIT_ERROR)
        return (struct belay_exit){(enum belay_exit_kind)s->policy.exit, NULL};
    bl_error_set(scratch, BELAY_ERESTARTS, BELAY_STAGE_NONE,
                 "%s: more than %d restarts within %lld ms", o->name, (int)o->intensity,
                 (long long)o->period_ms);
    return (struct belay_exit){BELAY_EXIT_ERROR, scratch};
}

void bl_supervisor_finish(struct belay_supervisor *s)
{
    struct room *room = s->loop->rooms[BL_ROOM_SUPERVISOR].ptr;
    struct belay_error error;
    struct belay_exit why = exit_of(s, &error);

    s->ended = true;
    bl_list_push_back(&room->ended, &s->ended_link);
    BL_TRACE(s->loop, "supervisor", s->object.id, s->options.name, "open", NULL,
             belay_exit_name(why.kind));
    if (s->open && s->options.on_exit)
        s->options.on_exit(s, why, s->options.exit_arg);
    if (s->parent)
        bl_supervisor_tell_parent(s, why);
    bl_object_fini(&s->object, s->loop);
}
