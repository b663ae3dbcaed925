/* SPDX-License-Identifier: MIT */
/* The loop's registry, further ones, and those of the caller's own. */
#include "keep/registry.h"

#include "base/text.h"

struct entry {
    struct bl_map_node node;    /* of belay's own */
    struct bl_list of_process;  /* process->names */
    struct bl_list of_registry; /* registry->entries */
    struct belay_registry *registry;
    struct belay_process *process;
    char name[];
};

static bool is_own(const struct belay_registry *registry)
{
    return !registry->ops.add;
}

/* ---- registries ---- */

static struct belay_registry *make(struct belay_loop *loop)
{
    struct belay_registry *r = bl_zalloc(&loop->mem, sizeof *r);

    if (!r)
        return NULL;
    r->loop = loop;
    bl_map_init(&r->map, &loop->mem, loop->hash_key);
    bl_list_init(&r->entries);
    return r;
}

int belay_registry_new(struct belay_loop *loop, const struct belay_registry_ops *ops, void *arg,
                       struct belay_registry **ret_registry)
{
    struct belay_registry_ops o = {0};
    struct belay_registry *r;

    if (!loop || !ret_registry)
        return BELAY_EINVAL;
    if (ops && (bl_options_resolve(&o, sizeof o, ops, NULL, 0, NULL) < 0 || !o.add || !o.remove ||
                !o.find))
        return BELAY_EINVAL;
    r = make(loop);
    if (!r)
        return BELAY_ENOMEM;
    r->ops = o;
    r->arg = arg;
    *ret_registry = r;
    return 0;
}

static void drop(struct entry *e)
{
    struct belay_registry *r = e->registry;

    bl_list_remove(&e->of_process);
    bl_list_remove(&e->of_registry);
    if (is_own(r))
        bl_map_remove(&r->map, &e->node);
    else
        r->ops.remove(e->name, e->process, r->arg);
    bl_free(&r->loop->mem, e);
}

void belay_registry_free(struct belay_registry *registry)
{
    struct bl_list *node;

    if (!registry)
        return;
    while ((node = bl_list_first(&registry->entries)))
        drop(BL_LIST_OF(node, struct entry, of_registry));
    bl_free(&registry->loop->mem, registry);
}

static void free_room(struct belay_loop *loop, void *ptr)
{
    (void)loop;
    belay_registry_free(ptr);
}

static struct belay_registry *of_loop(struct belay_loop *loop)
{
    struct bl_loop_rooms *room = &loop->rooms[BL_ROOM_REGISTRY];

    if (!room->ptr) {
        room->ptr = make(loop);
        room->free = free_room;
    }
    return room->ptr;
}

/* ---- names ---- */

static struct belay_process *find(const struct belay_registry *r, const char *name)
{
    struct bl_map_node *node;

    if (!is_own(r))
        return r->ops.find(name, r->arg);
    node = bl_map_find(&r->map, name, strlen(name));
    return node ? BL_CONTAINER(node, struct entry, node)->process : NULL;
}

/* A process on a thread of its own may have ended before the loop hears of it. */
static bool is_taken(const struct belay_registry *r, const char *name)
{
    struct belay_process *process = find(r, name);

    if (!process || belay_process_is_alive(process))
        return process != NULL;
    bl_registry_forget(process);
    return false;
}

static int refuse(struct belay_error *error, int code, const char *what)
{
    return bl_error_set(error, code, BELAY_STAGE_NONE, "registering a name: %s", what);
}

static int refuse_taken(const struct belay_registry *r, const char *name,
                        const struct belay_process *process, struct belay_error *error)
{
    const struct belay_process *owner = find(r, name);

    if (!owner) /* a registry of the caller's own may know why */
        return bl_error_set(error, BELAY_EEXISTS, BELAY_STAGE_NONE, "the name %s is taken", name);
    return bl_error_set(error, BELAY_EEXISTS, BELAY_STAGE_NONE,
                        "the name %s is taken, by %sprocess %llu (%s)", name,
                        owner == process ? "the same " : "", (unsigned long long)owner->object.id,
                        bl_process_label(owner));
}

static struct entry *entry_new(struct belay_registry *r, struct belay_process *process,
                               const char *name)
{
    size_t size = strlen(name) + 1;
    struct entry *e = bl_zalloc(&r->loop->mem, sizeof *e + size);

    if (!e)
        return NULL;
    e->registry = r;
    e->process = process;
    bl_list_init(&e->of_process);
    bl_list_init(&e->of_registry);
    memcpy(e->name, name, size);
    return e;
}

static int enter(struct entry *e)
{
    struct belay_registry *r = e->registry;
    struct belay_process *owner;
    int rc;

    if (is_own(r))
        return is_taken(r, e->name) ? BELAY_EEXISTS
                                    : bl_map_add(&r->map, e->name, strlen(e->name), &e->node);
    rc = r->ops.add(e->name, e->process, r->arg);
    owner = rc == BELAY_EEXISTS ? find(r, e->name) : NULL;
    if (owner && !is_taken(r, e->name))
        rc = r->ops.add(e->name, e->process, r->arg);
    return rc > 0 ? BELAY_EBADRETURN : rc;
}

int bl_registry_add(struct belay_registry *registry, struct belay_process *process,
                    const char *name, struct belay_error *error)
{
    struct belay_registry *r = registry ? registry : of_loop(process->loop);
    struct entry *e;
    int rc;

    if (r && r->loop != process->loop)
        return refuse(error, BELAY_EINVAL, "the registry is another loop's");
    if (!name || !bl_text_is_name(name))
        return refuse(error, BELAY_EINVAL, "name: is empty, or has control characters");
    e = r ? entry_new(r, process, name) : NULL;
    if (!e)
        return refuse(error, BELAY_ENOMEM, "out of memory");
    rc = enter(e);
    if (rc < 0) {
        bl_free(&r->loop->mem, e);
        return rc == BELAY_EEXISTS ? refuse_taken(r, name, process, error)
                                   : refuse(error, rc, belay_strerror(rc));
    }
    bl_list_push_back(&process->names, &e->of_process);
    bl_list_push_back(&r->entries, &e->of_registry);
    return 0;
}

void bl_registry_forget(struct belay_process *process)
{
    struct bl_list *node;

    while ((node = bl_list_first(&process->names)))
        drop(BL_LIST_OF(node, struct entry, of_process));
}

int belay_process_register(struct belay_process *process, struct belay_registry *registry,
                           const char *name, struct belay_error *error)
{
    if (!process)
        return refuse(error, BELAY_EINVAL, "process is NULL");
    if (process->over || !belay_process_is_alive(process))
        return refuse(error, BELAY_ENOPROC, "the process has ended");
    return bl_registry_add(registry, process, name, error);
}

int belay_process_unregister(struct belay_process *process, struct belay_registry *registry,
                             const char *name)
{
    if (!process || !name)
        return BELAY_EINVAL;
    if (!registry)
        registry = process->loop->rooms[BL_ROOM_REGISTRY].ptr;
    BL_LIST_EACH(node, &process->names)
    {
        struct entry *e = BL_LIST_OF(node, struct entry, of_process);

        if (e->registry == registry && strcmp(e->name, name) == 0) {
            drop(e);
            return 0;
        }
    }
    return BELAY_ENOPROC;
}

struct belay_process *belay_process_whereis(struct belay_loop *loop,
                                            struct belay_registry *registry, const char *name)
{
    struct belay_process *process;

    if (!registry && loop)
        registry = loop->rooms[BL_ROOM_REGISTRY].ptr;
    if (!registry || !name)
        return NULL;
    process = find(registry, name);
    return is_own(registry) && !belay_process_is_alive(process) ? NULL : process;
}
