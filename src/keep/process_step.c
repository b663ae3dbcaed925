/* SPDX-License-Identifier: MIT */
/*
 * The executor's core: what comes next, one callback of it, and what its directive makes of the
 * process. The same on the loop and on a thread of the process's own.
 *
 * A callback runs without the lock, and `busy` says so. When it has returned, the process may have
 * been ended meanwhile (a thread that was abandoned): then nothing is done any more, and what it
 * left is dropped.
 */
#include "keep/process.h"

#include <stdio.h>

uint64_t bl_process_now(const struct belay_process *p)
{
    return p->thread ? p->loop->clock.now_ns(p->loop->clock.arg) : bl_now(p->loop);
}

/* For the policy, where it looks at it: a thread does not read its clock for every message. */
static uint64_t now_if(const struct belay_process *p, bool timed)
{
    return timed || bl_process_is_here(p) ? bl_process_now(p) : 0;
}

/* ---- the end ---- */

/* Of belay's own making. Without the lock. */
static const struct belay_error *fault_of(struct belay_process *p, int code, const char *what,
                                          const char *why)
{
    struct belay_error error;

    bl_error_set(&error, code, BELAY_STAGE_NONE, "%s: %s", what, why);
    return bl_process_copy_error(p, &error);
}

/* With the lock. */
static void end_by_fault(struct belay_process *p, const struct belay_error **fault)
{
    if (!p->ending && !p->ended)
        bl_process_set_exit(p, BELAY_EXIT_ERROR, fault);
    p->ending = true;
}

/* Whether it was not ended meanwhile: a thread that was abandoned terminates nothing. */
static bool is_there_yet(struct belay_process *p)
{
    bool ended;

    bl_mutex_lock(&p->lock);
    ended = p->ended;
    bl_mutex_unlock(&p->lock);
    return !ended;
}

/* Without the lock; it is busy, and `exit` and `ending` say how. */
static enum bl_step end(struct belay_process *p)
{
    const struct belay_behaviour *b = p->behaviour;
    struct bl_list letters;
    struct belay_exit why;
    struct belay_error error;
    bool terminate, gone;

    bl_mutex_lock(&p->lock);
    gone = p->ended;
    terminate = !p->killed && !gone && (p->policy.inited || p->policy.pending);
    if (p->thread && terminate)
        bl_process_thread_allow(p);
    why = p->exit;
    if (why.error) {
        error = *why.error;
        why.error = &error;
    }
    bl_mutex_unlock(&p->lock);
    if (!gone)
        bl_process_log_end(p, &why);
    if (terminate && BL_BEHAVIOUR_HAS(b, terminate) && is_there_yet(p)) {
        BL_PROCESS_DEBUG(p, "terminate (%s)", belay_exit_name(why.kind));
        b->terminate(p, why, p->state);
    }
    belay_message_destroy(&p->info);
    bl_list_init(&letters);
    bl_mutex_lock(&p->lock);
    p->busy = false;
    if (!p->ended)
        bl_process_mark_ended(p, &letters);
    bl_mutex_unlock(&p->lock);
    bl_process_drop_letters(p, &letters);
    return BL_STEP_ENDED;
}

/* The behaviour has no callback for it. Without the lock. */
static enum bl_step unhandled(struct belay_process *p, enum bl_pr_callback callback,
                              struct belay_message *message, struct bl_letter *letter)
{
    static const char *const bad[] = {
        [BL_PR_CONNECT] = "bad_connect",
        [BL_PR_DISCONNECT] = "bad_disconnect",
        [BL_PR_CALL] = "bad_call",
        [BL_PR_CAST] = "bad_cast",
    };
    const struct belay_error *fault;
    char why[96];

    snprintf(why, sizeof why, "there is no %s for tag %d", bl_pr_callback_name(callback),
             (int)message->tag);
    fault = fault_of(p, BELAY_EUNHANDLED, bad[callback], why);
    bl_mutex_lock(&p->lock);
    end_by_fault(p, &fault);
    bl_mutex_unlock(&p->lock);
    bl_process_free_error(&p->loop->mem, fault);
    if (letter)
        bl_process_drop_letter(p, letter);
    else
        belay_message_destroy(message);
    return end(p);
}

/* ---- what a directive makes of it ---- */

/* With the lock. */
static void show(struct belay_process *p)
{
    if ((int32_t)p->policy.state != atomic_load_explicit(&p->shown, memory_order_relaxed))
        bl_awaits_set_state(p->table, &p->awaits, &p->shown, (int32_t)p->policy.state);
}

/* With the lock: a resume is too late; one that came is for the caller to drop. */
static void close_resume(struct belay_process *p, struct belay_directive *ret_late)
{
    p->may_resume = false;
    if (!p->has_resumed)
        return;
    *ret_late = p->resumed;
    p->has_resumed = false;
}

/* With the lock. */
static void set_exit_by(struct belay_process *p, const struct belay_directive *d)
{
    if (p->ending)
        return;
    p->ending = true;
    p->ignored = d->what == BELAY_DO_IGNORE;
    bl_process_set_exit(p, p->ignored ? BELAY_EXIT_NORMAL : d->exit, NULL);
}

/* With the lock: the to-do bits, in their order. */
static void perform(struct belay_process *p, unsigned todo, struct belay_directive *d,
                    struct bl_letter **letter)
{
    if (todo & BL_PR_DO_CANCEL)
        bl_list_remove(&p->backoff_letter.link);
    if (todo & BL_PR_DO_POSTPONE && *letter) {
        bl_mailbox_postpone(&p->mailbox, *letter);
        *letter = NULL;
    }
    if (todo & BL_PR_DO_REDELIVER)
        bl_mailbox_redeliver(&p->mailbox);
    if (todo & (BL_PR_DO_CONNECT | BL_PR_DO_DISCONNECT))
        p->info = belay_message_take(&d->info);
    if (todo & BL_PR_DO_END)
        set_exit_by(p, d);
}

/* With the lock: starting is done, and who waits for that is told before anything else happens. */
static void tell_if_started(struct belay_process *p)
{
    if (p->told || !p->policy.started)
        return;
    p->told = true;
    p->held = p->awaited;
    bl_process_tell(p, BL_TELL_STARTED);
}

static bool may_pend(enum bl_pr_callback callback)
{
    return callback == BL_PR_INIT || callback == BL_PR_CONNECT || callback == BL_PR_DISCONNECT;
}

/* What the directive left of the letter and itself, for others to be dropped without the lock. */
struct leftovers {
    struct bl_letter *letter;
    struct belay_directive late;
    struct belay_error *healed;
    const struct belay_error *fault; /* of a directive that makes no sense */
    enum belay_process_state now;
    bool ended, failed;
};

static const struct belay_error *bad_return(struct belay_process *p, enum bl_pr_callback callback,
                                            const struct belay_directive *d)
{
    char what[64], why[128];

    bl_pr_fault(callback, d, what, sizeof what);
    snprintf(why, sizeof why, "returned %s, which makes no sense there", what);
    return fault_of(p, BELAY_EBADRETURN, bl_pr_callback_name(callback), why);
}

/* With the lock. */
static void take_effect(struct belay_process *p, enum bl_pr_callback callback,
                        struct belay_directive *d, struct leftovers *left)
{
    bool bad;
    unsigned todo = bl_pr_apply(&p->policy, callback, d, now_if(p, bl_pr_names_time(d)), &bad);

    if (bad)
        end_by_fault(p, &left->fault);
    if (bad || todo & BL_PR_DO_GIVE_UP || (may_pend(callback) && !(todo & BL_PR_DO_PEND)))
        close_resume(p, &left->late);
    perform(p, todo, d, &left->letter);
    left->ended = bad || todo & BL_PR_DO_END;
    left->failed = todo & BL_PR_DO_COUNT;
    if (todo & BL_PR_DO_RESET) {
        left->healed = p->last_error;
        p->last_error = NULL;
        p->last_code = 0;
    }
    left->now = p->policy.state;
    if (!left->ended)
        show(p);
    if (left->letter && !left->letter->release && bl_mailbox_keep(&p->mailbox, left->letter))
        left->letter = NULL;
    tell_if_started(p);
}

/*
 * A callback has returned. Replies first; the message of the letter goes, unless it comes again;
 * then the rest, under the lock.
 */
static enum bl_step apply(struct belay_process *p, enum bl_pr_callback callback,
                          struct belay_directive d, struct bl_letter *letter)
{
    struct leftovers left = {.letter = letter};
    bool gone, legal = bl_pr_is_legal(callback, &d);

    BL_PROCESS_DEBUG(p, "%s returned %s", bl_pr_callback_name(callback), bl_pr_do_name(d.what));
    if (letter && legal && d.has_reply)
        belay_from_reply(letter->from, belay_message_take(&d.reply));
    if (letter && !(legal && d.what == BELAY_DO_POSTPONE))
        belay_message_destroy(&letter->message);
    if (!legal)
        left.fault = bad_return(p, callback, &d);
    bl_mutex_lock(&p->lock);
    gone = p->ended;
    if (!gone)
        take_effect(p, callback, &d, &left);
    p->busy = left.ended; /* until terminate has returned */
    bl_mutex_unlock(&p->lock);
    if (left.letter)
        bl_process_drop_letter(p, left.letter);
    bl_directive_drop(&left.late);
    bl_free(&p->loop->mem, left.healed);
    bl_process_free_error(&p->loop->mem, left.fault);
    if (!gone && !left.ended)
        bl_process_note(p, left.now, bl_pr_do_name(d.what));
    if (!gone && left.failed)
        bl_process_log_failure(p, d.backoff_ms);
    bl_directive_drop(&d);
    if (gone)
        return BL_STEP_ENDED;
    return left.ended ? end(p) : BL_STEP_AGAIN;
}

/* ---- callbacks: with the lock, which they release ---- */

static void leave(struct belay_process *p, bool may_resume)
{
    p->busy = true;
    if (may_resume)
        p->may_resume = true;
    bl_mutex_unlock(&p->lock);
}

static enum bl_step run_init(struct belay_process *p)
{
    const struct belay_behaviour *b = p->behaviour;

    leave(p, true);
    BL_PROCESS_DEBUG(p, "init");
    return apply(p, BL_PR_INIT, BL_BEHAVIOUR_HAS(b, init) ? b->init(p, p->args) : belay_do_ok(),
                 NULL);
}

static enum bl_step run_connect(struct belay_process *p, struct belay_message info)
{
    const struct belay_behaviour *b = p->behaviour;
    enum belay_process_state now = p->policy.state;
    struct belay_directive d;

    p->failure_noted = false;
    leave(p, true);
    bl_process_note(p, now, "the backoff is over");
    if (!BL_BEHAVIOUR_HAS(b, connect))
        return unhandled(p, BL_PR_CONNECT, &info, NULL);
    BL_PROCESS_DEBUG(p, "connect (tag %d)", (int)info.tag);
    d = b->connect(p, &info, p->state);
    belay_message_destroy(&info);
    return apply(p, BL_PR_CONNECT, d, NULL);
}

static enum bl_step run_disconnect(struct belay_process *p, struct belay_message info)
{
    const struct belay_behaviour *b = p->behaviour;
    struct belay_directive d;

    leave(p, true);
    if (!BL_BEHAVIOUR_HAS(b, disconnect))
        return unhandled(p, BL_PR_DISCONNECT, &info, NULL);
    BL_PROCESS_DEBUG(p, "disconnect (tag %d)", (int)info.tag);
    d = b->disconnect(p, &info, p->state);
    belay_message_destroy(&info);
    return apply(p, BL_PR_DISCONNECT, d, NULL);
}

static enum bl_step run_call(struct belay_process *p, struct bl_letter *letter)
{
    const struct belay_behaviour *b = p->behaviour;

    p->calls_n++;
    leave(p, false);
    if (!BL_BEHAVIOUR_HAS(b, handle_call))
        return unhandled(p, BL_PR_CALL, &letter->message, letter);
    BL_PROCESS_DEBUG(p, "handle_call (tag %d)", (int)letter->message.tag);
    return apply(p, BL_PR_CALL, b->handle_call(p, &letter->message, letter->from, p->state),
                 letter);
}

static enum bl_step run_cast(struct belay_process *p, struct bl_letter *letter)
{
    const struct belay_behaviour *b = p->behaviour;

    p->casts_n++;
    leave(p, false);
    if (!BL_BEHAVIOUR_HAS(b, handle_cast))
        return unhandled(p, BL_PR_CAST, &letter->message, letter);
    BL_PROCESS_DEBUG(p, "handle_cast (tag %d)", (int)letter->message.tag);
    return apply(p, BL_PR_CAST, b->handle_cast(p, &letter->message, p->state), letter);
}

/* `letter` NULL: the idle timeout, of which there is no message. */
static enum bl_step run_info(struct belay_process *p, struct bl_letter *letter)
{
    const struct belay_behaviour *b = p->behaviour;
    struct belay_message timeout = belay_message_tag(BELAY_TAG_TIMEOUT);
    struct belay_message *message = letter ? &letter->message : &timeout;

    p->infos_n++;
    leave(p, false);
    BL_PROCESS_DEBUG(p, "handle_info (tag %d)", (int)message->tag);
    return apply(p, BL_PR_INFO,
                 BL_BEHAVIOUR_HAS(b, handle_info) ? b->handle_info(p, message, p->state)
                                                  : belay_do_noreply(),
                 letter);
}

static enum bl_step run_mail(struct belay_process *p)
{
    struct bl_letter *letter = bl_mailbox_pop(&p->mailbox);

    if (letter->kind == BL_LETTER_CODE) { /* of which timeouts know nothing */
        leave(p, false);
        return bl_process_run_code(p, letter);
    }
    bl_pr_begin(&p->policy, BL_PR_RUN_MAIL);
    switch ((enum bl_letter_kind)letter->kind) {
    case BL_LETTER_CALL:
        return run_call(p, letter);
    case BL_LETTER_CAST:
        return run_cast(p, letter);
    case BL_LETTER_BACKOFF:
        bl_pr_begin_backoff(&p->policy);
        show(p);
        return run_connect(p, belay_message_tag(BELAY_TAG_BACKOFF));
    default:
        return run_info(p, letter);
    }
}

static enum bl_step run_hibernate(struct belay_process *p)
{
    const struct belay_behaviour *b = p->behaviour;
    struct bl_list blanks, *node;

    p->hibernations++;
    bl_list_init(&blanks);
    bl_mailbox_give_back(&p->mailbox, &blanks);
    leave(p, false);
    BL_PROCESS_DEBUG(p, "hibernate");
    if (BL_BEHAVIOUR_HAS(b, hibernate))
        b->hibernate(p, p->state);
    while ((node = bl_list_pop_front(&blanks)))
        bl_free(&p->loop->mem, BL_LIST_OF(node, struct bl_letter, link));
    bl_mutex_lock(&p->lock);
    p->busy = false;
    bl_mutex_unlock(&p->lock);
    return BL_STEP_AGAIN;
}

static enum bl_step run_resume(struct belay_process *p)
{
    enum bl_pr_callback callback = bl_pr_pending_callback(&p->policy);
    struct belay_directive d = p->resumed;

    p->has_resumed = false;
    leave(p, true);
    return apply(p, callback, d, NULL);
}

/* ---- one step ---- */

static enum bl_step rest(struct belay_process *p, const struct bl_pr_facts *facts)
{
    p->due_at = bl_pr_due(&p->policy, facts);
    bl_mutex_unlock(&p->lock);
    return BL_STEP_IDLE;
}

static enum bl_step queue_backoff(struct belay_process *p)
{
    bl_mailbox_push_own(&p->mailbox, &p->backoff_letter);
    bl_mutex_unlock(&p->lock);
    return BL_STEP_AGAIN;
}

/* With the lock, which is released. */
static enum bl_step act(struct belay_process *p, enum bl_pr_action action,
                        const struct bl_pr_facts *facts)
{
    if (action != BL_PR_RUN_MAIL)
        bl_pr_begin(&p->policy, action);
    switch (action) {
    case BL_PR_RUN_END:
        p->busy = true;
        bl_mutex_unlock(&p->lock);
        return end(p);
    case BL_PR_RUN_INIT:
        return run_init(p);
    case BL_PR_RUN_RESUME:
        return run_resume(p);
    case BL_PR_RUN_CONNECT:
        return run_connect(p, belay_message_take(&p->info));
    case BL_PR_RUN_DISCONNECT:
        return run_disconnect(p, belay_message_take(&p->info));
    case BL_PR_RUN_BACKOFF:
        return queue_backoff(p);
    case BL_PR_RUN_MAIL:
        return run_mail(p);
    case BL_PR_RUN_TIMEOUT:
        return run_info(p, NULL);
    case BL_PR_RUN_HIBERNATE:
        return run_hibernate(p);
    case BL_PR_NOTHING:
        break;
    }
    return rest(p, facts);
}

enum bl_step bl_process_step(struct belay_process *p)
{
    struct bl_pr_facts facts;
    uint64_t now;

    bl_mutex_lock(&p->lock);
    p->wanted = false;
    if (p->ended || p->asked) {
        enum bl_step step = p->ended ? BL_STEP_ENDED : BL_STEP_IDLE;

        p->due_at = BELAY_NEVER;
        bl_mutex_unlock(&p->lock);
        return step;
    }
    facts = (struct bl_pr_facts){
        .ending = p->ending,
        .held = p->held,
        .resumed = p->has_resumed,
        .mail = bl_mailbox_has_mail(&p->mailbox),
    };
    now = now_if(p, bl_pr_is_timed(&p->policy));
    return act(p, bl_pr_next(&p->policy, &facts, now), &facts);
}
