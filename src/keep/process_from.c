/* SPDX-License-Identifier: MIT */
/*
 * The table of calls. A slot's generation is odd while its call waits, so a zeroed belay_from is
 * never valid.
 */
#include "keep/process_from.h"

#include "loop/threads.h"

#define NO_SLOT UINT32_MAX

struct slot {
    uint32_t generation;
    uint32_t next; /* of the free ones */
    struct bl_await *await;
};

struct belay_from_table {
    struct belay_loop *loop;
    struct bl_mutex lock; /* of all that follows, and of every bl_awaits of the loop */
    struct slot *slots;
    uint32_t capacity, free;
};

/* ---- the table ---- */

static void table_free(struct belay_loop *loop, void *ptr)
{
    struct belay_from_table *t = ptr;

    bl_mutex_fini(&t->lock);
    bl_free(&loop->mem, t->slots);
    bl_free(&loop->mem, t);
}

static struct belay_from_table *table_new(struct belay_loop *loop)
{
    struct belay_from_table *t = bl_zalloc(&loop->mem, sizeof *t);

    if (!t)
        return NULL;
    if (bl_mutex_init(&t->lock) < 0) {
        bl_free(&loop->mem, t);
        return NULL;
    }
    t->loop = loop;
    t->free = NO_SLOT;
    return t;
}

struct belay_from_table *bl_from_table(struct belay_loop *loop)
{
    struct bl_loop_rooms *room = &loop->rooms[BL_ROOM_PROCESS];

    if (!room->ptr) {
        room->ptr = table_new(loop);
        room->free = table_free;
    }
    return room->ptr;
}

void bl_from_lock(struct belay_from_table *table)
{
    bl_mutex_lock(&table->lock);
}

void bl_from_unlock(struct belay_from_table *table)
{
    bl_mutex_unlock(&table->lock);
}

static int grow(struct belay_from_table *t)
{
    uint32_t capacity = t->capacity ? t->capacity * 2 : 16;
    struct slot *slots = bl_realloc(&t->loop->mem, t->slots, capacity * sizeof *slots);

    if (!slots)
        return BELAY_ENOMEM;
    for (uint32_t i = capacity; i-- > t->capacity;) {
        slots[i] = (struct slot){.next = t->free};
        t->free = i;
    }
    t->slots = slots;
    t->capacity = capacity;
    return 0;
}

/* ---- under the lock ---- */

static int slot_take(struct belay_from_table *t, struct bl_await *await, struct belay_from *ret)
{
    struct slot *s;

    if (t->free == NO_SLOT && grow(t) < 0)
        return BELAY_ENOMEM;
    await->slot = t->free;
    s = &t->slots[await->slot];
    t->free = s->next;
    s->await = await;
    *ret = (struct belay_from){.table = t, .slot = await->slot, .generation = ++s->generation};
    return 0;
}

static void begin(struct belay_from_table *t, struct bl_list *list, struct bl_await *await)
{
    await->table = t;
    await->waits = true;
    await->result = 0;
    await->reply = belay_message_tag(0);
    bl_list_init(&await->link);
    bl_list_push_back(list, &await->link);
}

static void end(struct bl_await *await)
{
    struct belay_from_table *t = await->table;

    if (await->call) {
        struct slot *s = &t->slots[await->slot];

        s->generation++;
        s->await = NULL;
        s->next = t->free;
        t->free = await->slot;
    }
    bl_list_remove(&await->link);
    await->waits = false;
}

static void answer(struct bl_await *await, int result)
{
    end(await);
    await->result = result;
    await->answered(await);
}

static void answer_all(struct bl_list *list, int result)
{
    struct bl_list *node;

    while ((node = bl_list_first(list)))
        answer(BL_LIST_OF(node, struct bl_await, link), result);
}

static struct bl_await *resolve(struct belay_from from)
{
    struct belay_from_table *t = from.table;

    if (!(from.generation & 1) || from.slot >= t->capacity ||
        t->slots[from.slot].generation != from.generation)
        return NULL;
    return t->slots[from.slot].await;
}

/* ---- those who await ---- */

void bl_awaits_init(struct bl_awaits *awaits)
{
    bl_list_init(&awaits->calls);
    bl_list_init(&awaits->states);
    awaits->ended = false;
}

int bl_await_reply(struct belay_from_table *table, struct bl_awaits *awaits, struct bl_await *await,
                   struct belay_from *ret)
{
    int rc = BELAY_ENOPROC;

    await->call = true;
    bl_mutex_lock(&table->lock);
    if (!awaits->ended)
        rc = slot_take(table, await, ret);
    if (!rc)
        begin(table, &awaits->calls, await);
    bl_mutex_unlock(&table->lock);
    return rc;
}

int bl_await_state(struct belay_from_table *table, struct bl_awaits *awaits, struct bl_await *await,
                   const _Atomic int32_t *now, int32_t wanted)
{
    int rc = 0;

    await->call = false;
    await->wanted = wanted;
    bl_mutex_lock(&table->lock);
    if (awaits->ended) {
        rc = BELAY_ENOPROC;
    } else {
        begin(table, &awaits->states, await);
        if (*now == wanted)
            answer(await, 0);
    }
    bl_mutex_unlock(&table->lock);
    return rc;
}

bool bl_await_give_up(struct bl_await *await)
{
    struct belay_from_table *t = await->table;
    bool waited;

    bl_mutex_lock(&t->lock);
    waited = await->waits;
    if (waited)
        end(await);
    bl_mutex_unlock(&t->lock);
    return waited;
}

void bl_awaits_set_state(struct belay_from_table *table, struct bl_awaits *awaits,
                         _Atomic int32_t *now, int32_t state)
{
    bl_mutex_lock(&table->lock);
    *now = state;
    BL_LIST_EACH(node, &awaits->states)
    {
        struct bl_await *await = BL_LIST_OF(node, struct bl_await, link);

        if (await->wanted == state)
            answer(await, 0);
    }
    bl_mutex_unlock(&table->lock);
}

void bl_awaits_end(struct belay_from_table *table, struct bl_awaits *awaits)
{
    bl_mutex_lock(&table->lock);
    awaits->ended = true;
    answer_all(&awaits->calls, BELAY_ENOPROC);
    answer_all(&awaits->states, BELAY_ENOPROC);
    bl_mutex_unlock(&table->lock);
}

/* ---- replies ---- */

int belay_from_reply(struct belay_from from, struct belay_message reply)
{
    struct bl_await *await = NULL;

    if (from.table) {
        bl_mutex_lock(&from.table->lock);
        await = resolve(from);
        if (await) {
            await->reply = reply;
            answer(await, 0);
        }
        bl_mutex_unlock(&from.table->lock);
    }
    if (await)
        return 0;
    belay_message_destroy(&reply);
    return BELAY_ESTALE;
}

bool belay_from_waits(struct belay_from from)
{
    bool waits;

    if (!from.table)
        return false;
    bl_mutex_lock(&from.table->lock);
    waits = resolve(from) != NULL;
    bl_mutex_unlock(&from.table->lock);
    return waits;
}

/* ---- threads that sleep ---- */

static void wake_sleeper(struct bl_await *await)
{
    bl_cond_signal(&BL_CONTAINER(await, struct bl_sleeper, await)->wake);
}

int bl_sleeper_init(struct bl_sleeper *sleeper)
{
    memset(sleeper, 0, sizeof *sleeper);
    sleeper->await.answered = wake_sleeper;
    return bl_cond_init(&sleeper->wake);
}

/* Under the lock: false when it is to sleep no longer. */
static bool sleep_on(struct bl_sleeper *s, uint64_t at_ns, const struct bl_nap *nap)
{
    if (!s->await.waits || (nap && nap->interrupted))
        return false;
    if (at_ns != BELAY_NEVER)
        return bl_cond_wait_until(&s->wake, &s->await.table->lock, at_ns);
    bl_cond_wait(&s->wake, &s->await.table->lock);
    return true;
}

int bl_sleeper_wait(struct bl_sleeper *sleeper, uint64_t at_ns, struct bl_nap *nap)
{
    struct belay_from_table *t = sleeper->await.table;
    int rc;

    bl_mutex_lock(&t->lock);
    if (nap)
        nap->sleeper = sleeper;
    while (sleep_on(sleeper, at_ns, nap))
        ;
    if (nap)
        nap->sleeper = NULL;
    if (sleeper->await.waits) {
        end(&sleeper->await);
        rc = nap && nap->interrupted ? BELAY_ECLOSED : BELAY_ETIMEDOUT;
    } else {
        rc = sleeper->await.result;
    }
    bl_mutex_unlock(&t->lock);
    return rc;
}

void bl_nap_interrupt(struct belay_from_table *table, struct bl_nap *nap)
{
    bl_mutex_lock(&table->lock);
    nap->interrupted = true;
    if (nap->sleeper)
        bl_cond_signal(&nap->sleeper->wake);
    bl_mutex_unlock(&table->lock);
}

void bl_nap_allow(struct belay_from_table *table, struct bl_nap *nap)
{
    bl_mutex_lock(&table->lock);
    nap->interrupted = false;
    bl_mutex_unlock(&table->lock);
}

void bl_sleeper_fini(struct bl_sleeper *sleeper)
{
    bl_cond_fini(&sleeper->wake);
}
