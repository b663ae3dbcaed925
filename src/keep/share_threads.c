/* SPDX-License-Identifier: MIT */
/*
 * The threads' side of a shared pool: attaching, acquiring, detaching. What an attachment remembers
 * is its thread's alone; what it points at may serve another peer by now, and then its slot is of
 * another group.
 */
#include "base/error.h"
#include "keep/share_parts.h"
#include "loop/threads.h"

/* Looks before the loop is asked: some twenty microseconds, which is what asking takes. Who looks in
 * vain looks for less time the next time, but now and then for all of it. */
#define PATIENCE_MAX  1000u
#define PATIENCE_MIN  50u
#define PATIENCE_TEST 8u

/* ---- attaching ---- */

struct attach_call {
    struct bl_wait wait;
    struct belay_peer *peer;
    struct belay_attachment *attachment;
};

static void on_detached(struct bl_mail *mail, struct belay_loop *loop)
{
    struct belay_attachment *a = BL_CONTAINER(mail, struct belay_attachment, mail);
    struct bl_group *g = a->group;
    struct belay_peer *peer = g->peer;

    bl_free(&loop->mem, a);
    bl_group_hold(g);
    if (--g->attachments == 0)
        bl_share_recall_peer(peer, false); /* nobody is left to use what is parked */
    bl_group_let_go(g);
    belay_peer_unref(peer);
}

static int attach(struct belay_peer *peer, struct belay_attachment **ret)
{
    struct belay_pool *pool = peer->pool;
    struct belay_attachment *a;
    struct bl_group *g;

    if (!pool || pool->closing)
        return BELAY_ECLOSED;
    if (!pool->share)
        return BELAY_ENOTSUP;
    a = bl_zalloc(&pool->loop->mem, sizeof *a);
    if (!a || bl_group_get(peer, &g) < 0) {
        bl_free(&pool->loop->mem, a);
        return BELAY_ENOMEM;
    }
    a->group = g;
    a->look = g->attachments++;
    a->patience = PATIENCE_MAX;
    a->mail.run = on_detached;
    bl_list_init(&a->mail.link);
    belay_peer_ref(peer);
    *ret = a;
    return 0;
}

static int attach_start(struct bl_wait *wait)
{
    struct attach_call *call = BL_CONTAINER(wait, struct attach_call, wait);
    int rc = attach(call->peer, &call->attachment);

    if (rc == 0)
        bl_wait_done(wait, 0);
    return rc;
}

/* Never needed: it is done as soon as it is started. */
static void attach_cancel(struct bl_wait *wait)
{
    (void)wait;
}

int belay_peer_attach(struct belay_peer *peer, struct belay_attachment **ret_attachment)
{
    struct attach_call call = {
        .wait = {.loop = peer->loop, .start = attach_start, .cancel = attach_cancel},
        .peer = peer,
    };
    int rc;

    if (bl_threads_here(peer->loop))
        return attach(peer, ret_attachment);
    rc = bl_wait(&call.wait, BELAY_FOREVER);
    if (rc == 0)
        *ret_attachment = call.attachment;
    return rc;
}

void belay_attachment_detach(struct belay_attachment *a)
{
    if (a)
        bl_mail_post(a->group->peer->loop, &a->mail);
}

/* ---- acquiring ---- */

static void swap_hints(struct belay_attachment *a, unsigned i, unsigned k)
{
    struct bl_thread_slot *slot = a->hints[i];

    a->hints[i] = a->hints[k];
    a->hints[k] = slot;
}

static void remember(struct belay_attachment *a, struct bl_thread_slot *slot)
{
    for (unsigned i = BL_HINTS - 1; i > 0; i--)
        a->hints[i] = a->hints[i - 1];
    a->hints[0] = slot;
}

/* What another attachment had last, or nobody for a while. */
static bool try_board(struct belay_attachment *a, struct belay_lease *ret)
{
    struct bl_board *b = atomic_load_explicit(&a->group->board, memory_order_acquire);
    uint32_t n = b ? atomic_load_explicit(&b->n, memory_order_acquire) : 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = (a->look + i) % n;
        struct bl_thread_slot *slot = atomic_load_explicit(&b->slots[at], memory_order_acquire);

        if (bl_thread_slot_try(slot, a->group, ret)) {
            a->look = at;
            remember(a, slot);
            return true;
        }
    }
    return false;
}

/* Those it had last but one, and so on; then all. */
BL_SELDOM static bool try_others(struct belay_attachment *a, struct belay_lease *ret)
{
    for (unsigned i = 1; i < BL_HINTS && a->hints[i]; i++) {
        if (bl_thread_slot_try(a->hints[i], a->group, ret)) {
            swap_hints(a, 0, i);
            return true;
        }
    }
    return try_board(a, ret);
}

static inline bool try_parked(struct belay_attachment *a, struct belay_lease *ret)
{
    return BL_LIKELY(a->hints[0] && bl_thread_slot_try(a->hints[0], a->group, ret)) ||
           try_others(a, ret);
}

int belay_attachment_try_acquire(struct belay_attachment *a, struct belay_lease *ret_lease)
{
    if (BL_LIKELY(try_parked(a, ret_lease)))
        return 0;
    return atomic_load_explicit(&a->group->closed, memory_order_relaxed) ? BELAY_ECLOSED
                                                                         : BELAY_EAGAIN;
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/*
 * Where connections are used for less time than the loop needs to serve one waiter, queueing would
 * be the longest part by far. Nothing is parked while somebody waits: nobody is overtaken.
 */
static bool try_for_a_while(struct belay_attachment *a, struct belay_lease *ret)
{
    uint32_t limit = ++a->failures % PATIENCE_TEST ? a->patience : PATIENCE_MAX;

    for (uint32_t looks = 0; looks < limit; looks += bl_board_count(a->group) + 1) {
        if (try_board(a, ret)) {
            a->patience = PATIENCE_MAX;
            return true;
        }
        relax();
    }
    a->patience -= a->patience > PATIENCE_MIN ? a->patience / 4 : 0;
    return false;
}

/* On the loop: what the pool lends becomes the thread's. */
static int lend_on(struct belay_lease *lease, void *arg)
{
    struct belay_attachment *a = arg;

    return bl_loan_begin(a->group, lease);
}

BL_SELDOM static int ask_loop(struct belay_attachment *a, int64_t timeout_ms,
                              struct belay_lease *ret_lease, struct belay_error *error)
{
    struct bl_thread_slot *slot;
    int rc;

    if (try_for_a_while(a, ret_lease))
        return 0;
    rc = bl_peer_acquire_wait(a->group->peer, timeout_ms, NULL, lend_on, a, ret_lease, error);
    if (rc < 0)
        return rc;
    slot = bl_thread_slot_of(*ret_lease);
    for (unsigned i = 0; i < BL_HINTS; i++) {
        if (a->hints[i] == slot) {
            swap_hints(a, 0, i);
            return 0;
        }
    }
    remember(a, slot);
    return 0;
}

int belay_attachment_acquire(struct belay_attachment *a, int64_t timeout_ms,
                             struct belay_lease *ret_lease, struct belay_error *error)
{
    if (BL_LIKELY(try_parked(a, ret_lease)))
        return 0;
    return ask_loop(a, timeout_ms, ret_lease, error);
}
