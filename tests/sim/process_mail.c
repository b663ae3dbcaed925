/* SPDX-License-Identifier: MIT */
/*
 * Messages of the toys, each of which knows what became of it: delivered once, in order, or postponed, or dropped, and destroyed
 * once in any case. And calls: each is answered once.
 */
#include <stdlib.h>

#include "sim/process_rig.h"

#define TAG_MAX 1000

static void *must_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (!memory)
        abort();
    return memory;
}

/* ---- parcels ---- */

static bool is_droppable(const struct parcel *parcel)
{
    return parcel->kind != CB_CALL;
}

static uint32_t count(const struct toy *toy)
{
    uint32_t n = 0;

    BL_LIST_EACH(node, &toy->mail)
    n++;
    BL_LIST_EACH(node, &toy->postponed)
    n++;
    return n;
}

/* A blocking call is being made: perhaps it does not wait yet. */
static bool is_posting(const struct toys *all)
{
    return all->posting_turn && all->posting_turn == all->w->turns;
}

/* Whether it has come to a cast, which the third behaviour cannot handle: it is the end. */
bool toy_unhandled(struct toy *toy)
{
    struct belay_process_stats s = belay_process_stats_init();

    if (!toy->p || toy->behaviour != 2 || toy_may_end(toy))
        return false;
    belay_process_get_stats(toy->p, &s);
    if (s.casts == toy->casts_n)
        return false;
    toy_did(toy->all, TOY_UNHANDLED);
    toy_expect_end(toy, true, BELAY_EXIT_ERROR, BELAY_EUNHANDLED);
    return true;
}

/* It goes, and was not handled: only the oldest of a full mailbox does, and what its end leaves. */
static void lost(struct parcel *parcel)
{
    struct toy *toy = parcel->to;
    struct toys *all = parcel->all;
    struct parcel *oldest = NULL;
    bool makes_room = toy->options.mailbox_full == BELAY_MAILBOX_DROP_OLDEST &&
                      (all->in_call || is_posting(all)) &&
                      count(toy) >= (uint32_t)toy->options.mailbox_max;

    toy_settle(toy);
    if (toy_may_end(toy) || (is_posting(all) && parcel->call && parcel->call->blocked))
        return; /* or refused */
    BL_LIST_EACH(node, &toy->mail)
    {
        struct parcel *p = BL_LIST_OF(node, struct parcel, queue);

        if (!oldest && is_droppable(p))
            oldest = p;
    }
    if (toy_unhandled(toy))
        return;
    if (!makes_room || all->dropped)
        sim_fail(all->w, "toy %d: message %llu was destroyed before it was handled", toy->n,
                 (unsigned long long)parcel->id);
    if (parcel->state == PARCEL_QUEUED && parcel != oldest)
        sim_fail(all->w, "toy %d: message %llu was dropped, and %llu is older", toy->n,
                 (unsigned long long)parcel->id, (unsigned long long)(oldest ? oldest->id : 0));
    if (parcel->kind == CB_CALL)
        sim_fail(all->w, "toy %d: a call was dropped", toy->n);
    all->dropped = parcel;
    toy->dropped_n++;
    toy_did(all, TOY_DROPPED);
}

static void parcel_destroy(void *value)
{
    struct parcel *parcel = value;
    struct toys *all = parcel->all;

    if (parcel->state == PARCEL_GONE)
        sim_fail(all->w, "message %llu is destroyed twice", (unsigned long long)parcel->id);
    if (parcel->state == PARCEL_QUEUED || parcel->state == PARCEL_POSTPONED)
        lost(parcel);
    if (parcel->call && parcel->call->toy && !parcel->is_reply)
        parcel->call = NULL;
    bl_list_remove(&parcel->queue);
    parcel->state = PARCEL_GONE;
}

struct parcel *parcel_new(struct toys *all)
{
    struct parcel *parcel = must_alloc(sizeof *parcel);

    parcel->all = all;
    parcel->id = ++all->next_id;
    parcel->kind = CB_NONE;
    all->dropped = NULL;
    bl_list_init(&parcel->queue);
    bl_list_push_back(&all->parcels, &parcel->link);
    return parcel;
}

struct belay_message parcel_message(struct parcel *parcel, int32_t tag)
{
    return belay_message(tag, parcel, parcel_destroy);
}

struct parcel *parcel_of(const struct belay_message *message)
{
    return message->destroy == parcel_destroy ? message->value : NULL;
}

void parcels_end(struct toys *all)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&all->parcels))) {
        struct parcel *parcel = BL_LIST_OF(node, struct parcel, link);

        if (parcel->state != PARCEL_GONE)
            sim_fail(all->w, "message %llu was not destroyed: state %d, kind %d, reply %d",
                     (unsigned long long)parcel->id, (int)parcel->state, (int)parcel->kind,
                     parcel->is_reply);
        free(parcel);
    }
}

/* ---- posting ---- */

/* What belay made of a letter is held against what the mailbox was. */
static void posted(struct toy *toy, struct parcel *parcel, uint32_t before, int r)
{
    struct toys *all = toy->all;
    uint32_t max = (uint32_t)toy->options.mailbox_max;
    bool drops = toy->options.mailbox_full == BELAY_MAILBOX_DROP_OLDEST;
    struct belay_message message = parcel_message(parcel, 0);

    all->dropped = NULL;
    sim_note(all->w, "toy %d: message %llu of kind %d: %d", toy->n, (unsigned long long)parcel->id,
             (int)parcel->kind, r);
    if (r == 0) {
        if (toy->ended)
            sim_fail(all->w, "toy %d takes a message after its end", toy->n);
        /* one more where the one that was handled meanwhile was postponed */
        if (count(toy) > max)
            sim_fail(all->w, "toy %d has %u messages, takes another, and %u is the limit", toy->n,
                     count(toy), max);
        parcel->state = PARCEL_QUEUED;
        parcel->posted_ns = all->w->now_ns;
        bl_list_push_back(&toy->mail, &parcel->queue);
        return;
    }
    if (parcel->state == PARCEL_GONE)
        sim_fail(all->w, "toy %d: a message that was not taken was destroyed", toy->n);
    if (r == BELAY_EAGAIN && before + (toy->hand != NULL) >= max) {
        toy_did(all, TOY_FULL);
        BL_LIST_EACH(node, &toy->mail)
        if (drops && is_droppable(BL_LIST_OF(node, struct parcel, queue)))
            sim_fail(all->w, "toy %d refuses a message instead of the oldest", toy->n);
    } else if (!(r == BELAY_ENOPROC && toy_may_end(toy)) && !(r == BELAY_ENOMEM && all->lenient)) {
        sim_fail(all->w, "toy %d: a message is refused: %s, with %u in its mailbox", toy->n,
                 belay_error_name(r), before);
    }
    belay_message_destroy(&message);
}

int toy_post(struct toy *toy, enum toy_callback kind)
{
    struct toys *all = toy->all;
    struct parcel *parcel = parcel_new(all);
    struct belay_message m = parcel_message(parcel, (int32_t)sim_below(all->w, TAG_MAX));
    uint32_t before = count(toy);
    int r;

    parcel->to = toy;
    parcel->kind = kind;
    toy_did(all, kind == CB_CAST ? TOY_CAST : TOY_SEND);
    r = kind == CB_CAST ? TOY_GET(all, belay_process_cast(toy->p, m))
                        : TOY_GET(all, belay_process_send(toy->p, m));
    posted(toy, parcel, before, r);
    return r;
}

/* ---- calls ---- */

/* It has its answer, or wants none any more. */
static void call_over(struct toy_call *call)
{
    bl_list_remove(&call->link);
    BL_LIST_EACH(node, &call->all->parcels)
    {
        struct parcel *parcel = BL_LIST_OF(node, struct parcel, link);

        if (parcel->call == call)
            parcel->call = NULL;
    }
    free(call);
}

static void check_failure(struct toy_call *call, const struct belay_error *error)
{
    struct toy *toy = call->toy;
    struct toys *all = call->all;
    bool late = all->w->now_ns + TOY_MOMENT_NS >= call->deadline_ns;

    toy_settle(toy);
    if (!error || error->code >= 0 || !error->text[0])
        sim_fail(all->w, "a call is answered by neither reply nor error");
    if (call->replied && !late)
        sim_fail(all->w, "call %llu was replied to, and fails: %s", (unsigned long long)call->id,
                 error->text);
    if (error->code == BELAY_ETIMEDOUT && late)
        toy_did(all, TOY_CALL_TIMED_OUT);
    else if (error->code == BELAY_ENOPROC && (!toy_is_alive(toy) || toy_may_end(toy)))
        toy_did(all, TOY_CALL_ENDED);
    else
        sim_fail(all->w, "call %llu fails without reason: %s", (unsigned long long)call->id,
                 error->text);
}

static void on_reply(struct belay_message *reply, const struct belay_error *error, void *arg)
{
    struct toy_call *call = arg;
    struct toys *all = call->all;
    struct toy *toy = call->toy;

    if (all->in_call)
        sim_fail(all->w, "a reply comes inside a call");
    if (reply) {
        struct parcel *parcel = parcel_of(reply);

        if (!parcel || parcel->call != call || !parcel->is_reply || error)
            sim_fail(all->w, "call %llu has another one's reply", (unsigned long long)call->id);
        if (sim_chance(all->w, 30)) {
            struct belay_message taken = belay_message_take(reply);

            belay_message_destroy(&taken);
        }
    } else {
        check_failure(call, error);
    }
    call_over(call);
    toy_recklessly(toy);
}

static struct toy_call *call_new(struct toy *toy, struct parcel *parcel, int64_t timeout_ms)
{
    struct toy_call *call = must_alloc(sizeof *call);

    call->all = toy->all;
    call->toy = toy;
    call->id = parcel->id;
    call->asked_turn = toy->all->w->turns;
    call->deadline_ns = timeout_ms == BELAY_FOREVER
                            ? BELAY_NEVER
                            : toy->all->w->now_ns + SIM_MS(timeout_ms ? timeout_ms : 5000);
    parcel->to = toy;
    parcel->kind = CB_CALL;
    parcel->call = call;
    bl_list_push_back(&toy->calls, &call->link);
    toy_did(toy->all, TOY_CALL);
    return call;
}

int toy_call(struct toy *toy, int64_t timeout_ms)
{
    struct toys *all = toy->all;
    struct parcel *parcel = parcel_new(all);
    struct toy_call *call = call_new(toy, parcel, timeout_ms);
    uint32_t before = count(toy);
    int r = TOY_GET(all, belay_process_call(toy->p, parcel_message(parcel, 1), timeout_ms,
                                            &call->call, on_reply, call));

    posted(toy, parcel, before, r);
    if (r < 0)
        call_over(call);
    return r;
}

void toy_call_wait(struct toy *toy, int64_t timeout_ms)
{
    struct toys *all = toy->all;
    struct parcel *parcel = parcel_new(all), *answer;
    struct toy_call *call = call_new(toy, parcel, timeout_ms);
    struct belay_process *p = belay_process_ref(toy->p);
    struct belay_message reply = belay_message_tag(0);
    struct belay_error error = {0};
    int r;

    toy_did(all, TOY_CALL_BLOCKED);
    call->blocked = true;
    all->posting_turn = all->w->turns;
    all->dropped = NULL;
    parcel->posted_ns = all->w->now_ns;
    parcel->state = PARCEL_QUEUED; /* unless it is refused */
    bl_list_push_back(&toy->mail, &parcel->queue);
    r = belay_process_call_wait(p, parcel_message(parcel, 1), timeout_ms, &reply, &error);
    all->posting_turn = 0;
    if (r == 0) {
        answer = parcel_of(&reply);
        if (!answer || answer->call != call || !answer->is_reply)
            sim_fail(all->w, "call %llu has another one's reply", (unsigned long long)call->id);
        belay_message_destroy(&reply);
    } else if (r != BELAY_EAGAIN && r != BELAY_ENOMEM) {
        check_failure(call, &error);
    }
    call_over(call);
    belay_process_unref(p);
}

void toy_call_cancel(struct toy_call *call)
{
    TOY_DO(call->all, belay_call_cancel(call->call));
    toy_did(call->all, TOY_CALL_CANCELLED);
    call_over(call);
}

struct toy_call *toy_some_call(struct toy *toy, bool arrived)
{
    struct toy_call *found = NULL;
    uint64_t n = 0;

    BL_LIST_EACH(node, &toy->calls)
    {
        struct toy_call *call = BL_LIST_OF(node, struct toy_call, link);

        if (!call->blocked && call->arrived == arrived && sim_below(toy->all->w, ++n) == 0)
            found = call;
    }
    return found;
}

void toy_check_calls(struct toy *toy, bool quiet)
{
    struct sim_world *w = toy->all->w;

    BL_LIST_EACH(node, &toy->calls)
    {
        struct toy_call *call = BL_LIST_OF(node, struct toy_call, link);

        if (!quiet || call->blocked)
            continue;
        if (call->replied)
            sim_fail(w, "call %llu was replied to, and hears nothing",
                     (unsigned long long)call->id);
        if (toy->ended)
            sim_fail(w, "toy %d has ended, and call %llu waits", toy->n,
                     (unsigned long long)call->id);
        if (call->deadline_ns != BELAY_NEVER && w->now_ns > call->deadline_ns + TOY_MOMENT_NS)
            sim_fail(w, "call %llu waits beyond its time", (unsigned long long)call->id);
    }
}

/* ---- replies ---- */

static struct belay_message reply_new(struct toy_call *call)
{
    struct parcel *parcel = parcel_new(call->all);

    parcel->is_reply = true;
    parcel->call = call;
    return parcel_message(parcel, 2);
}

struct belay_message toy_reply(struct toy *toy, struct toy_call *call)
{
    if (call && !call->replied) {
        toy_did(toy->all, TOY_REPLIED);
        call->replied = true;
        return reply_new(call);
    }
    /* nobody waits for it any more: it is to be destroyed */
    return parcel_message(parcel_new(toy->all), 2);
}

void toy_reply_later(struct toy_call *call)
{
    struct toys *all = call->all;
    bool waits = belay_from_waits(call->from), first = !call->replied;
    bool late = all->w->now_ns + TOY_MOMENT_NS >= call->deadline_ns;
    struct belay_from from = call->from;
    struct belay_message reply;
    int r;

    if (toy_may_end(call->toy) || (first && !waits && late))
        return;
    if (waits != first)
        sim_fail(all->w, "call %llu: somebody waits %d, replied %d", (unsigned long long)call->id,
                 waits, !first);
    reply = first ? reply_new(call) : parcel_message(parcel_new(all), 2);
    call->replied = true;
    r = TOY_GET(all, belay_from_reply(from, reply));
    toy_did(all, first ? TOY_REPLIED_LATER : TOY_REPLY_STALE);
    if (r != (first ? 0 : BELAY_ESTALE))
        sim_fail(all->w, "a reply, the first %d: %s", first, belay_error_name(r));
}

/* ---- delivery ---- */

void parcel_arrive(struct toy *toy, struct belay_message *message, enum toy_callback kind,
                   struct belay_from from)
{
    struct toys *all = toy->all;
    struct parcel *parcel = parcel_of(message);
    struct bl_list *first = bl_list_first(&toy->mail);
    struct parcel *head = first ? BL_LIST_OF(first, struct parcel, queue) : NULL;

    if (!parcel || parcel->to != toy || parcel->kind != kind)
        sim_fail(all->w, "toy %d: callback %d gets a message that is not for it", toy->n,
                 (int)kind);
    if (parcel != head)
        sim_fail(all->w, "toy %d: message %llu is delivered, and %llu is the next", toy->n,
                 (unsigned long long)parcel->id, (unsigned long long)(head ? head->id : 0));
    bl_list_remove(&parcel->queue);
    parcel->state = PARCEL_IN_HAND;
    toy->hand = parcel;
    if (kind == CB_CALL) {
        if (parcel->call) {
            parcel->call->arrived = true;
            parcel->call->from = from;
        }
        if (belay_from_waits(from) != (parcel->call && !parcel->call->replied) &&
            (!parcel->call || all->w->now_ns + TOY_MOMENT_NS < parcel->call->deadline_ns))
            sim_fail(all->w, "toy %d: call %llu: waits %d, and should %d", toy->n,
                     (unsigned long long)parcel->id, belay_from_waits(from), parcel->call != NULL);
    }
}
