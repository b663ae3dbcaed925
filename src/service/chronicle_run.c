/* SPDX-License-Identifier: MIT */
/*
 * The task: what has happened is put to the policy, and what that decides is performed. Callbacks of
 * the caller's may end the connection meanwhile: then the policy is CLOSED, nothing new is begun,
 * and what its end wants is in `todo`, for the next round.
 */
#include "service/chronicle.h"

void bl_chronicle_ask(struct belay_chronicle *c, unsigned what)
{
    c->asks |= what;
    bl_chronicle_run_later(c);
}

void bl_chronicle_remember(struct belay_chronicle *c, const struct belay_error *error)
{
    if (error)
        bl_error_copy_set(&c->error, &c->loop->mem, error);
    else
        bl_error_copy_clear(&c->error, &c->loop->mem);
    c->error_at = bl_chronicle_now(c);
}

const struct belay_error *bl_chronicle_last(const struct belay_chronicle *c,
                                            struct belay_error *scratch)
{
    return c->error.code ? bl_error_copy_get(&c->error, scratch, NULL) : NULL;
}

/* ---- performing ---- */

static void tell_up(struct belay_chronicle *c)
{
    char place[BL_CHRONICLE_PLACE_SIZE];
    const struct bl_chronicle_attempt *a = &c->attempt;

    bl_chronicle_remember(c, NULL);
    bl_loop_log(c->loop, BL_CHRONICLE_TAG, BELAY_LOG_INFO, "%s: connected to %s", c->label,
                bl_chronicle_place_text(&a->places.list[a->place], place));
    bl_chronicle_answer(c, NULL);
    bl_chronicle_tell(c, BELAY_CHRONICLE_CONNECTED);
}

static void tell_registered(struct belay_chronicle *c)
{
    bl_chronicle_answer(c, NULL);
    bl_chronicle_tell(c, BELAY_CHRONICLE_REGISTERED);
}

/* Those who wait are told why it gave up, or that it was ended. */
static void refuse_all(struct belay_chronicle *c)
{
    struct belay_error scratch, closed;
    const struct belay_error *why = c->policy.gave_up ? bl_chronicle_last(c, &scratch) : NULL;

    if (!why) {
        bl_error_set(&closed, BELAY_ECLOSED, BELAY_STAGE_QUEUE,
                     "waiting for a connection to %s: it was disconnected", c->label);
        why = &closed;
    }
    bl_chronicle_answer(c, why);
}

struct belay_exit bl_chronicle_exit(const struct belay_chronicle *c, struct belay_error *scratch)
{
    struct belay_exit why = {.kind = c->exit};
    struct belay_error copy;
    const struct belay_error *last = bl_chronicle_last(c, &copy);

    if (why.kind != BELAY_EXIT_ERROR)
        return why;
    if (c->policy.gave_up && (!last || !last->final)) {
        bl_error_set(scratch, BELAY_EGIVENUP, last ? last->stage : BELAY_STAGE_NONE,
                     "giving up on %s after %d attempts: %s", c->label, (int)c->policy.failures,
                     last ? last->text : "out of memory");
        scratch->attempt = c->policy.failures;
        scratch->final = true;
    } else if (last) {
        bl_error_keep(scratch, last);
    } else {
        *scratch = (struct belay_error){.code = BELAY_EABORTED};
    }
    why.error = scratch;
    return why;
}

static void tell_end(struct belay_chronicle *c)
{
    struct belay_error scratch;
    struct belay_exit why;

    if (c->policy.gave_up)
        c->exit = BELAY_EXIT_ERROR;
    bl_chronicle_let_go(c);
    why = bl_chronicle_exit(c, &scratch);
    if (why.error)
        bl_loop_log(c->loop, BL_CHRONICLE_TAG, BELAY_LOG_ERROR, "%s: %s", c->label,
                    why.error->text);
    c->told = true;
    if (c->child)
        c->closing = true; /* its supervisor is its caller */
    bl_chronicle_give_name_back(c, why);
    if (c->options.on_exit)
        c->options.on_exit(c, why, c->options.exit_arg);
}

/* In the order of the bits. */
static void perform(struct belay_chronicle *c, unsigned todo)
{
    if (todo & (BL_CHP_DO_CANCEL | BL_CHP_DO_CLOSE))
        bl_chronicle_attempt_cancel(c);
    if (todo & (BL_CHP_DO_CANCEL | BL_CHP_DO_DROP | BL_CHP_DO_CLOSE))
        bl_chronicle_drop_channel(c);
    if (todo & BL_CHP_DO_TELL_DOWN)
        bl_chronicle_tell(c, BELAY_CHRONICLE_DISCONNECTED);
    if (todo & BL_CHP_DO_NEW_ID)
        bl_chronicle_new_id(c);
    if (todo & BL_CHP_DO_DIAL && c->policy.state == BL_CHP_DIALING)
        bl_chronicle_attempt_begin(c);
    if (todo & BL_CHP_DO_SESSION)
        bl_chronicle_session_connect(c->session);
    if (todo & BL_CHP_DO_TELL_UP)
        tell_up(c);
    if (todo & BL_CHP_DO_TELL_REGISTERED)
        tell_registered(c);
    if (todo & BL_CHP_DO_REFUSE)
        refuse_all(c);
    if (todo & BL_CHP_DO_END)
        tell_end(c);
}

/* ---- deciding ---- */

static void trace(struct belay_chronicle *c, enum belay_chronicle_phase before, const char *cause)
{
    if (c->policy.phase != before)
        BL_TRACE(c->loop, "chronicle", c->object.id, c->label, belay_chronicle_phase_name(before),
                 belay_chronicle_phase_name(c->policy.phase), cause);
}

/* An attempt or a connection has failed, as the policy knows by now. */
static void note_failure(struct belay_chronicle *c, const struct belay_error *why)
{
    struct belay_error told = *why;

    told.attempt = c->policy.failures;
    bl_chronicle_remember(c, &told);
    if (c->policy.state != BL_CHP_CLOSED)
        bl_loop_log(c->loop, BL_CHRONICLE_TAG, BELAY_LOG_WARN, "%s: %s; next attempt in %lld ms",
                    c->label, why->text,
                    (long long)((bl_chp_wakes(&c->policy) - bl_chronicle_now(c)) / 1000000));
}

static void heed_failure(struct belay_chronicle *c)
{
    struct bl_chronicle_attempt *a = &c->attempt;
    enum belay_chronicle_phase before = c->policy.phase;
    struct belay_error scratch;
    const struct belay_error *why = bl_error_copy_get(&a->error, &scratch, NULL);
    uint64_t now = bl_chronicle_now(c);
    unsigned todo;

    a->failed = false;
    if (c->policy.state == BL_CHP_DIALING)
        todo = bl_chp_failed(&c->policy, a->number, why->final, now) | BL_CHP_DO_CANCEL;
    else
        todo = bl_chp_lost(&c->policy, a->number, now);
    note_failure(c, why);
    trace(c, before, belay_error_name(why->code));
    perform(c, todo);
}

static void heed_opened(struct belay_chronicle *c)
{
    enum belay_chronicle_phase before = c->policy.phase;
    unsigned todo;

    c->attempt.step = BL_CHRONICLE_NOTHING;
    todo = bl_chp_opened(&c->policy, c->attempt.number, bl_chronicle_now(c));
    trace(c, before, "");
    perform(c, todo);
}

static void heed_asks(struct belay_chronicle *c)
{
    unsigned asks = c->asks;
    enum belay_chronicle_phase before = c->policy.phase;
    uint64_t now = bl_chronicle_now(c);
    unsigned todo = 0;

    if (asks & BL_CHRONICLE_WANT) {
        c->asks &= ~(unsigned)BL_CHRONICLE_WANT;
        bl_chp_want(&c->policy, now);
    } else if (asks & BL_CHRONICLE_KEPT) {
        c->asks &= ~(unsigned)BL_CHRONICLE_KEPT;
        todo = bl_chp_kept(&c->policy, c->attempt.number, now);
    } else if (asks & BL_CHRONICLE_REGISTER) {
        c->asks &= ~(unsigned)BL_CHRONICLE_REGISTER;
        todo = bl_chp_registered(&c->policy);
    } else {
        c->asks = 0;
        todo = bl_chp_reconnect(&c->policy, now);
    }
    trace(c, before, "");
    perform(c, todo);
}

static void describe_late(const struct belay_chronicle *c, enum bl_chp_state late,
                          struct belay_error *ret)
{
    const struct belay_chronicle_options *o = &c->options;

    if (late == BL_CHP_DIALING)
        bl_error_set(ret, BELAY_ETIMEDOUT, BELAY_STAGE_CONNECT,
                     "connecting to %s: not done within %lld ms, %s", c->label,
                     (long long)o->attempt_timeout_ms, bl_chronicle_attempt_doing(c));
    else if (late == BL_CHP_SESSION)
        bl_error_set(ret, BELAY_ETIMEDOUT, BELAY_STAGE_PROTOCOL,
                     "connecting to %s: the kernel sent no keep-alive within %lld ms", c->label,
                     (long long)o->session_timeout_ms);
    else
        bl_error_set(ret, BELAY_ETIMEDOUT, BELAY_STAGE_USE,
                     "the connection to %s: no keep-alive of the kernel's for %lld ms", c->label,
                     (long long)o->stale_ms);
}

/* What time has brought; false: nothing. */
static bool heed_time(struct belay_chronicle *c)
{
    enum belay_chronicle_phase before = c->policy.phase;
    enum bl_chp_state late;
    struct belay_error why;
    unsigned todo;

    if (bl_chronicle_now(c) < bl_chp_wakes(&c->policy))
        return false;
    todo = bl_chp_due(&c->policy, bl_chronicle_now(c), &late);
    if (late != BL_CHP_IDLE) {
        describe_late(c, late, &why);
        note_failure(c, &why);
        trace(c, before, belay_error_name(why.code));
    }
    perform(c, todo);
    return true;
}

/* ---- the task ---- */

/* Who subscribes meanwhile, after number `last`, is told in another round. */
static bool advance(struct belay_chronicle *c, uint64_t last)
{
    unsigned todo = c->todo;

    if (todo) {
        c->todo = 0;
        perform(c, todo);
        return true;
    }
    if (bl_chronicle_query_heed(c) || bl_chronicle_greet(c, last))
        return true;
    if (c->policy.state == BL_CHP_CLOSED) {
        bl_chronicle_drop_channel(c); /* one that gave up may have one */
        return false;
    }
    if (c->attempt.failed)
        heed_failure(c);
    else if (c->asks)
        heed_asks(c);
    else if (c->attempt.step == BL_CHRONICLE_CHECKED)
        heed_opened(c);
    else
        return bl_chronicle_attempt_step(c);
    return true;
}

/* Time moves once a turn, lest attempts that fail at once fill one. */
static void run(struct belay_chronicle *c)
{
    uint64_t last = c->subscribed;

    while (advance(c, last))
        ;
    if (heed_time(c))
        while (advance(c, last))
            ;
}

void bl_chronicle_run(void *arg)
{
    struct belay_chronicle *c = arg;

    if (c->ended) { /* somebody asked for the end, after it */
        bl_chronicle_finish(c);
        return;
    }
    run(c);
    if (!c->let_go)
        bl_timer_at(&c->timer, c->loop, bl_chp_wakes(&c->policy));
    bl_chronicle_answer(c, NULL);
    bl_chronicle_finish(c);
}
