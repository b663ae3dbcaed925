/* SPDX-License-Identifier: MIT */
/*
 * Performing what the policy decided. Events come from the task, the timer, the source and the
 * connections, never from within a caller's call; what callers ask for is a flag, heeded before
 * anything new is begun.
 */
#include "keep/link.h"

static const struct bl_lp_facts no_facts;

void bl_link_ask(struct belay_link *link, unsigned what)
{
    link->asks |= (uint8_t)what;
    bl_task_post(link->loop, &link->run);
}

/* ---- performing ---- */

static void refuse_all(struct belay_link *link, const struct belay_error *why)
{
    struct belay_error closed;

    if (!link->spent) {
        bl_error_set(&closed, BELAY_ECLOSED, BELAY_STAGE_QUEUE,
                     "waiting for a connection to %s: the link was closed", link->server_name);
        why = &closed;
    }
    bl_link_answer(link, why, true);
}

static void tell_down(struct belay_link *link, const struct belay_error *why)
{
    struct belay_endpoint *former = link->former;

    link->former = NULL;
    bl_link_tell(link, BELAY_LINK_DISCONNECTED, former, why);
    belay_endpoint_unref(former);
}

/* In the order of the bits. `address`: the one that was dialled; NULL: none was. */
static void perform(struct belay_link *link, unsigned todo, struct belay_endpoint *address,
                    const struct belay_error *why)
{
    if (todo & BL_LP_DO_CANCEL)
        bl_link_cancel_attempt(link);
    if (todo & BL_LP_DO_REVOKE)
        bl_link_revoke(link);
    if (todo & BL_LP_DO_ADOPT)
        bl_link_adopt(link);
    if (todo & BL_LP_DO_TELL_DOWN)
        tell_down(link, why);
    if (todo & BL_LP_DO_TELL_TRY)
        bl_link_tell(link, BELAY_LINK_ATTEMPTING_TO_CONNECT, NULL, NULL);
    if (todo & BL_LP_DO_TELL_FOUND)
        bl_link_tell(link, BELAY_LINK_OBTAINED_ADDRESS, link->address, NULL);
    if (todo & BL_LP_DO_ASK)
        bl_link_ask_source(link);
    if (todo & BL_LP_DO_DIAL)
        bl_link_dial(link);
    if (todo & BL_LP_DO_ANSWER)
        bl_link_answer(link, NULL, true);
    if (todo & BL_LP_DO_ANSWER_NO)
        bl_link_answer(link, why, false);
    if (todo & BL_LP_DO_TELL_UP)
        bl_link_tell(link, BELAY_LINK_CONNECTED, link->address, NULL);
    if (todo & BL_LP_DO_TELL_FAIL)
        bl_link_tell(link, BELAY_LINK_FAILED_TO_CONNECT, address, why);
    if (todo & BL_LP_DO_NOTE)
        bl_link_note(link, why);
    if (todo & BL_LP_DO_REFUSE)
        refuse_all(link, why);
}

/* ---- deciding ---- */

static void keep_time(struct belay_link *link, bool was_up)
{
    uint64_t now = bl_link_now(link);
    bool is_up = bl_lp_is_up(&link->lp);

    if (is_up && !was_up) {
        link->up_at = now;
    } else if (was_up && !is_up) {
        link->total_up_ns += now - link->up_at;
        link->down_at = now;
    }
}

static void count(struct belay_link *link, enum bl_lp_state from, enum bl_lp_event event,
                  const struct belay_error *why)
{
    bool asked = event == BL_LP_ADDRESS || event == BL_LP_FAIL || event == BL_LP_LOST;

    link->attempts += (from == BL_LP_TRY && event == BL_LP_GO) || (from == BL_LP_ASKING && asked);
    link->connected += event == BL_LP_OPENED;
    link->moves += event == BL_LP_OPENED && from == BL_LP_MOVING;
    if (event == BL_LP_FAIL) /* a source of the caller's own may say anything */
        link->failed[(unsigned)why->stage < BELAY_STAGES_N ? why->stage : BELAY_STAGE_NONE]++;
}

/* The attempts of a backoff are spent: that, and what the last came to. */
static void give_up(const struct belay_link *link, const struct belay_error *why,
                    struct belay_error *ret)
{
    bl_error_set(ret, BELAY_EGIVENUP, why->stage, "giving up on %s after %d attempts: %s",
                 link->server_name, (int)link->lp.failures, why->text);
    ret->os_error = why->os_error;
    ret->attempt = why->attempt;
    ret->final = true;
    ret->tried = why->tried;
    ret->tried_n = why->tried_n;
}

static void step(struct belay_link *link, enum bl_lp_event event, struct bl_lp_facts facts,
                 const struct belay_error *why)
{
    enum bl_lp_state from = link->lp.state;
    bool was_up = bl_lp_is_up(&link->lp);
    struct belay_error spent;
    unsigned todo;

    count(link, from, event, why);
    if (event == BL_LP_OPENED && from == BL_LP_MOVING)
        link->reason = link->lp.draining ? BELAY_REASON_DRAINING : BELAY_REASON_RETIRED;
    todo = bl_lp_step(&link->lp, event, &facts, bl_link_now(link));
    BL_TRACE(link->loop, "link", link->object.id, link->server_name, bl_lp_state_name(from),
             bl_lp_state_name(link->lp.state),
             why ? belay_error_name(why->code) : bl_lp_event_name(event));
    keep_time(link, was_up);
    if (event == BL_LP_FAIL && link->lp.state == BL_LP_CLOSING) {
        link->spent = true;
        if (!facts.final) {
            give_up(link, why, &spent);
            why = &spent;
        }
    }
    if (why)
        bl_link_remember(link, why);
    if ((event == BL_LP_ADDRESS && from == BL_LP_RESOLVING) ||
        (from == BL_LP_MOVING && (event == BL_LP_OPENED || event == BL_LP_LOST)))
        bl_link_settle_address(link);
    perform(link, todo, from == BL_LP_DIALING ? link->address : NULL, why);
}

static struct bl_lp_facts delay_facts(struct belay_link *link)
{
    struct bl_lp_facts facts = {.asked = link->options.retry_delay != NULL};

    if (facts.asked)
        facts.delay_ms =
            link->options.retry_delay(link->lp.failures, link->options.retry_delay_arg);
    return facts;
}

static void take_ask(struct belay_link *link, unsigned ask)
{
    struct bl_lp_facts facts;

    switch (ask) {
    case BL_LINK_CLOSE:
        link->reason = BELAY_REASON_OWNER_CLOSED;
        step(link, BL_LP_CLOSE, no_facts, NULL);
        break;
    case BL_LINK_CUT:
        if (link->current)
            step(link, BL_LP_LOST, no_facts, NULL);
        break;
    case BL_LINK_FINISH:
        step(link, BL_LP_FINISH, no_facts, NULL);
        break;
    case BL_LINK_RESET:
        link->lp.failures = 0; /* what the caller's function is to know */
        facts = delay_facts(link);
        bl_lp_reset(&link->lp, &facts);
        break;
    default:
        bl_lp_kick(&link->lp, bl_link_now(link));
        break;
    }
}

static void fail(struct belay_link *link, const struct belay_error *why)
{
    struct belay_error told = *why, scratch;
    const struct belay_error *last = bl_link_last(link, &scratch);

    told.attempt = link->lp.failures + 1;
    step(link, BL_LP_FAIL,
         (struct bl_lp_facts){.final = why->final, .same = last && belay_error_equal(last, why)},
         &told);
}

static void take_mishap(struct belay_link *link)
{
    enum belay_stage stage = link->found ? BELAY_STAGE_CONNECT : BELAY_STAGE_RESOLVE;
    struct belay_error error;

    bl_error_set(&error, link->mishap, stage, "connecting to %s: %s", link->server_name,
                 belay_strerror(link->mishap));
    link->mishap = 0;
    fail(link, &error);
}

/* What is to be done at once; false: nothing is. What callers want comes first: in their callbacks
 * of TRY and FOUND they may have wanted the end. */
static bool advance(struct belay_link *link)
{
    for (unsigned ask = BL_LINK_CLOSE; ask <= BL_LINK_KICK; ask <<= 1) {
        if (link->asks & ask) {
            link->asks &= (uint8_t)~ask;
            take_ask(link, ask);
            return true;
        }
    }
    if (link->mishap) {
        take_mishap(link);
        return true;
    }
    if (link->lp.state == BL_LP_TRY) {
        struct bl_lp_facts facts = delay_facts(link);

        if (!link->asks)
            step(link, BL_LP_GO, facts, NULL);
        return true;
    }
    if (link->lp.state != BL_LP_FOUND)
        return false;
    step(link, BL_LP_GO, no_facts, NULL);
    return true;
}

/* Too many connections do not come to their end: first these. */
static bool is_clogged(const struct belay_link *link)
{
    return link->ending >= BL_LINK_ENDING_MAX;
}

static void proceed(struct belay_link *link)
{
    while (advance(link))
        ;
    bl_timer_at(&link->timer, link->loop,
                is_clogged(link) ? bl_lp_wakes_busy(&link->lp) : bl_lp_wakes(&link->lp));
    if (link->lp.state == BL_LP_CLOSING && link->ending == 0)
        bl_task_post(link->loop, &link->run);
}

void bl_link_heed(struct belay_link *link)
{
    while (link->asks && advance(link))
        ;
}

void bl_link_feed(struct belay_link *link, enum bl_lp_event event, struct bl_lp_facts facts,
                  const struct belay_error *why)
{
    bl_link_heed(link);
    if (bl_lp_expects(&link->lp, event))
        step(link, event, facts, why);
    proceed(link);
}

void bl_link_fail(struct belay_link *link, const struct belay_error *why)
{
    bl_link_heed(link);
    if (bl_lp_expects(&link->lp, BL_LP_FAIL))
        fail(link, why);
    proceed(link);
}

void bl_link_lose(struct belay_link *link, enum belay_reason reason, const struct belay_error *why)
{
    bl_link_heed(link);
    if (bl_lp_expects(&link->lp, BL_LP_LOST)) {
        if (why && why->final) { /* the connector wants no further attempt */
            link->spent = true;
            step(link, BL_LP_FINISH, no_facts, NULL);
        }
        link->reason = (uint8_t)reason;
        step(link, BL_LP_LOST, no_facts, why);
    }
    proceed(link);
}

/* ---- checks ---- */

static void describe_check(const struct belay_link *link, enum bl_lp_finding finding,
                           struct belay_error *ret)
{
    const char *name = belay_endpoint_name(belay_conn_endpoint(link->current));

    if (finding == BL_LP_LATE)
        bl_error_set(ret, BELAY_EUNHEALTHY, BELAY_STAGE_USE,
                     "the connection to %s: no answer to its check within %lld ms", name,
                     (long long)link->options.check_timeout_ms);
    else if (finding == BL_LP_SUSPECT)
        bl_error_set(ret, BELAY_EUNHEALTHY, BELAY_STAGE_USE,
                     "the connection to %s is in doubt, and its connector cannot check it", name);
    else
        bl_error_set(ret, BELAY_EUNHEALTHY, BELAY_STAGE_USE,
                     "the connection to %s failed its check", name);
    ret->reason = BELAY_REASON_UNHEALTHY;
}

static void find(struct belay_link *link, enum bl_lp_finding finding)
{
    unsigned todo = bl_lp_find(&link->lp, finding, bl_link_now(link));
    struct belay_error why;

    if (todo & BL_LP_DO_CHECK)
        bl_conn_check(link->current);
    if (!(todo & BL_LP_DO_LOSE))
        return;
    describe_check(link, finding, &why);
    link->reason = BELAY_REASON_UNHEALTHY;
    step(link, BL_LP_LOST, no_facts, &why);
}

void bl_link_find(struct belay_link *link, enum bl_lp_finding finding)
{
    bl_link_heed(link);
    if (link->current)
        find(link, finding);
    proceed(link);
}

/* ---- the task and the timer ---- */

static void time_out(struct belay_link *link)
{
    int64_t limit_ms = link->options.attempt_timeout_ms;
    struct belay_tried tried[BL_RACE_MAX];
    struct belay_error error;

    if (link->attempt)
        bl_conn_describe_limit(link->attempt, limit_ms, &error, tried);
    else
        bl_error_set(&error, BELAY_ETIMEDOUT, BELAY_STAGE_RESOLVE,
                     "asking for an address of %s: no result within %lld ms", link->server_name,
                     (long long)limit_ms);
    fail(link, &error);
}

/* What has become due; one attempt at a time. */
static void take_alarms(struct belay_link *link)
{
    for (;;) {
        switch (bl_lp_due(&link->lp, bl_link_now(link))) {
        case BL_LP_ALARM_LIMIT:
            time_out(link);
            break;
        case BL_LP_ALARM_CHECK:
            find(link, link->lp.check == BL_LP_CHECKING ? BL_LP_LATE : BL_LP_CHECK_DUE);
            break;
        case BL_LP_ALARM_TRY:
            if (!is_clogged(link))
                step(link, BL_LP_DUE, bl_lp_is_up(&link->lp) ? delay_facts(link) : no_facts, NULL);
            return;
        case BL_LP_ALARM_NONE:
            return;
        }
        while (advance(link))
            ;
    }
}

void bl_link_run(void *arg)
{
    struct belay_link *link = arg;

    if (link->ended) {
        bl_link_finish(link);
        return;
    }
    while (advance(link))
        ;
    take_alarms(link);
    if (bl_link_is_live(link) && link->waiters_n > 0)
        bl_link_answer(link, NULL, true);
    proceed(link);
    if (link->lp.state != BL_LP_CLOSING || link->ending > 0)
        return;
    bl_task_cancel(&link->run);
    step(link, BL_LP_GONE, no_facts, NULL);
    bl_link_finish(link);
}
