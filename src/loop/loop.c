/* SPDX-License-Identifier: MIT */
/*
 * The life of a loop: made, closed, ended.
 *
 * Closing goes in steps. Supervisors are told to close, then processes, and while they do, the loop
 * goes on as it was. Then, or at once where there are none: the caller's timers and watches stop,
 * objects are told to close, posts and offload are refused. In the turns that follow objects end,
 * accepted posts and works run. When all are gone, at the end of a turn: sleepers are woken, rooms
 * freed from the highest, workers joined, the backend detached, and with that the memory is given
 * back.
 */
#include "base/options.h"
#include "loop/guard.h"
#include "loop/nest.h"
#include "loop/sys.h"
#include "loop/threads.h"
#include "loop/turn.h"

static void write_log(int level, const char *tag, const char *line, void *arg)
{
    struct belay_loop *loop = arg;
    loop->options.on_log((enum belay_log_level)level, tag, line, loop->options.log_arg);
}

static void close_objects(void *arg);

static void init_members(struct belay_loop *loop)
{
    loop->now_stale = true;
    loop->deadline_set = BELAY_NEVER;
    bl_list_init(&loop->tasks);
    bl_list_init(&loop->flushes);
    bl_list_init(&loop->objects);
    bl_list_init(&loop->user_timers);
    bl_list_init(&loop->user_watches);
    bl_task_init(&loop->close_again, close_objects, loop);
    bl_log_init(&loop->log, BELAY_LOG_WARN);
}

/* What has no reference left has freed its memory by now. */
static void tell_held(const struct bl_log *log, size_t blocks)
{
    BL_LOG(log, "loop", BELAY_LOG_ERROR,
           "the loop ends, and %zu blocks of its memory are still held: references (of endpoints, "
           "peers, sources, processes, ...) were not given back before",
           blocks);
#ifndef NDEBUG
    BL_UNREACHABLE("all references were given back before the loop ended (belay/base.h, law 6)");
#endif
}

/* Everything but the backend and what stands on it: also undoes a loop that was made half. */
static void free_memory(struct belay_loop *loop)
{
    struct bl_mem mem;
    bl_threads_free(loop);
    bl_heap_free(&loop->timers, &loop->mem);
    bl_free(&loop->mem, (void *)(uintptr_t)loop->options.dns_servers);
    bl_free(&loop->mem, (void *)(uintptr_t)loop->options.hosts_file);
    bl_free(&loop->mem, loop->scratch);
    bl_blocks_fini(&loop->blocks);
    if (BL_UNLIKELY(loop->mem.live > 1)) /* beside the loop itself */
        tell_held(&loop->log, loop->mem.live - 1);
    mem = loop->mem;
    bl_free(&mem, loop);
}

static int attach(struct belay_loop *loop, struct belay_error *error)
{
    int rc = 0;
    if (!loop->backend.attach)
        rc = bl_backend_uv_new(loop, loop->options.uv_loop, &loop->backend);
    else
        rc = loop->backend.attach(loop, &loop->mem.allocator, loop->backend.arg);
    loop->hosted = !loop->backend.run;
    if (rc)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "starting the event loop: %s",
                            belay_strerror(rc));
    return 0;
}

static int set_up(struct belay_loop *loop, const struct belay_loop_options *options,
                  const struct belay_world *world, struct belay_error *error)
{
    uint64_t seed;
    int rc = bl_loop_take_options(loop, options, error);
    if (!rc)
        rc = bl_loop_take_world(loop, world, error);
    if (rc)
        return rc;
    if (loop->options.on_log) {
        loop->log.write = write_log;
        loop->log.arg = loop;
        bl_log_set(&loop->log, NULL, (int)loop->options.log_level);
    }
    loop->on_trace = loop->options.on_trace;
    loop->trace_arg = loop->options.trace_arg;

    loop->random.fill(loop->hash_key, sizeof loop->hash_key, loop->random.arg);
    loop->random.fill(loop->secret_key, sizeof loop->secret_key, loop->random.arg);
    loop->random.fill(&seed, sizeof seed, loop->random.arg);
    bl_rand_seed(&loop->rand, seed);

    loop->scratch = bl_alloc(&loop->mem, BL_SCRATCH_SIZE);
    if (!loop->scratch)
        return BELAY_ENOMEM;
    rc = bl_threads_new(loop);
    if (rc)
        return rc;
    rc = attach(loop, error);
    if (!rc && loop->hosted)
        bl_waits_enter(loop); /* whether the caller runs it cannot be known */
    return rc;
}

int belay_loop_new(const struct belay_loop_options *options, struct belay_loop **ret_loop,
                   struct belay_error *error)
{
    struct belay_world world;
    struct bl_mem mem;
    if (!ret_loop)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "ret_loop is NULL");
    int rc =
        bl_options_resolve(&world, sizeof world, options ? options->world : NULL, NULL, 0, error);
    if (rc)
        return rc;
    bl_mem_init(&mem, world.allocator);
    struct belay_loop *loop = bl_zalloc(&mem, sizeof *loop);
    rc = BELAY_ENOMEM;
    if (loop) {
        loop->mem = mem;
        bl_blocks_init(&loop->blocks, &loop->mem);
        bl_mem_init_brief(&loop->brief, &loop->blocks);
        init_members(loop);
        rc = set_up(loop, options, &world, error);
        if (rc)
            free_memory(loop);
    }
    if (rc == BELAY_ENOMEM)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "making an event loop: out of memory");
    if (rc)
        return rc;
    *ret_loop = loop;
    return 0;
}

/* ---- objects, trace, log ---- */

void bl_object_init(struct bl_object *object, struct belay_loop *loop, const char *noun,
                    void (*close)(struct bl_object *object))
{
    object->id = ++loop->next_id;
    object->noun = noun;
    object->close = close;
    object->network_changed = NULL;
    object->rank = BL_RANK_THING;
    loop->ranked[BL_RANK_THING]++;
    bl_list_init(&object->link);
    bl_list_push_back(&loop->objects, &object->link);
    if (loop->closing)
        bl_task_post(loop, &loop->close_again);
}

void bl_object_set_rank(struct bl_object *object, struct belay_loop *loop, enum bl_rank rank)
{
    loop->ranked[object->rank]--;
    loop->ranked[rank]++;
    object->rank = (uint8_t)rank;
}

/* Harmless when it is gone already. */
void bl_object_fini(struct bl_object *object, struct belay_loop *loop)
{
    if (!bl_list_linked(&object->link))
        return;
    bl_list_remove(&object->link);
    if (--loop->ranked[object->rank] == 0 && object->rank > BL_RANK_THING && loop->closing)
        bl_task_post(loop, &loop->close_again);
    if (loop->closing && !loop->in_turn)
        bl_loop_changed(loop);
}

void bl_trace(struct belay_loop *loop, const char *noun, uint64_t id, const char *name,
              const char *from, const char *to, const char *cause)
{
    struct belay_trace trace = {.now_ns = bl_now(loop),
                                .noun = noun,
                                .id = id,
                                .name = name,
                                .from = from,
                                .to = to,
                                .cause = cause};
    loop->on_trace(&trace, loop->trace_arg);
}

int belay_log_set_level(struct belay_loop *loop, const char *tag, enum belay_log_level level)
{
    return bl_log_set(&loop->log, tag, level == BELAY_LOG_DEFAULT ? BELAY_LOG_WARN : (int)level);
}

int belay_log_set_levels(struct belay_loop *loop, const char *levels)
{
    return levels ? bl_log_parse(&loop->log, levels) : BELAY_EINVAL;
}

/* ---- another network ---- */

/* Objects may end, or be made, while they are told: those that are made know the new one only. */
void belay_loop_network_changed(struct belay_loop *loop)
{
    struct bl_list open, *node;
    if (!loop || loop->closing)
        return;
    bl_loop_log(loop, "loop", BELAY_LOG_INFO, "the network has changed");
    for (int i = 0; i < BL_ROOMS_N; i++) {
        struct bl_loop_rooms *room = &loop->rooms[i];
        if (room->ptr && room->network_changed)
            room->network_changed(loop, room->ptr);
    }
    bl_list_init(&open);
    bl_list_splice(&open, &loop->objects);
    while ((node = bl_list_pop_front(&open))) {
        struct bl_object *object = BL_LIST_OF(node, struct bl_object, link);
        bl_list_push_back(&loop->objects, node);
        if (object->network_changed)
            object->network_changed(object);
    }
}

/* ---- closing ---- */

/* What runs code of others has ended. */
static void shut(struct belay_loop *loop)
{
    if (loop->shutting)
        return;
    loop->shutting = true;
    bl_user_timers_stop(loop);
    bl_user_watches_stop(loop);
    bl_threads_refuse(loop);
    bl_waits_refuse(loop);
}

static int highest_rank(const struct belay_loop *loop)
{
    int rank = BL_RANKS_N - 1;
    while (rank > BL_RANK_THING && loop->ranked[rank] == 0)
        rank--;
    return rank;
}

/* An object may end itself or others while it is told. */
static void close_objects(void *arg)
{
    struct belay_loop *loop = arg;
    int rank = highest_rank(loop);
    struct bl_list open, *node;
    if (rank == BL_RANK_THING)
        shut(loop);
    bl_list_init(&open);
    bl_list_splice(&open, &loop->objects);
    while ((node = bl_list_pop_front(&open))) {
        struct bl_object *object = BL_LIST_OF(node, struct bl_object, link);
        bl_list_push_back(&loop->objects, node);
        if (object->rank == rank)
            object->close(object);
    }
}

const struct belay_allocator *belay_loop_allocator(const struct belay_loop *loop)
{
    return &loop->mem.allocator;
}

void belay_loop_close(struct belay_loop *loop, void (*on_closed)(void *arg), void *arg)
{
    if (!loop)
        return;
    if (!loop->on_closed) { /* the first who asks to be told is */
        loop->on_closed = on_closed;
        loop->closed_arg = arg;
    }
    if (loop->closing)
        return;
    loop->closing = true;
    close_objects(loop);
    bl_loop_changed(loop);
}

bool bl_loop_may_end(const struct belay_loop *loop)
{
    return loop->shutting && bl_list_empty(&loop->objects) && loop->users == 0 &&
           bl_list_empty(&loop->tasks) && !bl_threads_pending(loop->threads);
}

static void detached(void *arg)
{
    struct belay_loop *loop = arg;
    void (*on_closed)(void *) = loop->on_closed;
    void *closed_arg = loop->closed_arg;
    if (loop->gone)
        *loop->gone = true;
    free_memory(loop);
    if (on_closed)
        on_closed(closed_arg);
}

void bl_loop_end(struct belay_loop *loop)
{
    bl_waits_end(loop, BELAY_ECLOSED);
    bl_threads_shut(loop);
    for (int i = BL_ROOMS_N - 1; i >= 0; i--) {
        struct bl_loop_rooms room = loop->rooms[i];
        loop->rooms[i].ptr = NULL;
        if (room.ptr)
            room.free(loop, room.ptr);
    }
    bl_user_timers_free(loop);
    bl_user_watches_free(loop);
    bl_guards_free(loop);
    bl_nest_free(loop);
    loop->detaching = true;
    loop->backend.detach(detached, loop, loop->backend.arg);
}

void belay_loop_free(struct belay_loop *loop)
{
    if (!loop)
        return;
    belay_loop_close(loop, NULL, NULL);
    if (loop->hosted || loop->in_turn || loop->turning)
        return; /* it ends in the turns to come */
    while (bl_turn(loop, -1) != BL_TURN_GONE)
        ;
}
