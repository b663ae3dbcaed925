/* SPDX-License-Identifier: MIT */
/*
 * What can be seen of a process: state, statistics, status, and what it logs and traces. The log and
 * the trace are the loop's: what an own thread has for them is written down, and told by the loop.
 */
#include "keep/process.h"

#include <stdarg.h>
#include <stdio.h>

#include "loop/threads.h"

#define TAG      "process"
#define NEWS_MAX 256 /* of a thread, while the loop does not come round: the rest is lost */

struct news {
    struct bl_list link;
    int level; /* of a line; 0: a change of state */
    uint8_t from, to;
    char text[];
};

const char *bl_process_label(const struct belay_process *p)
{
    const struct belay_behaviour *b = p->behaviour;

    if (p->name)
        return p->name;
    return BL_BEHAVIOUR_HAS(b, name) ? b->name : "process";
}

/* ---- logs and traces ---- */

static void log_line(struct belay_process *p, int level, const char *text)
{
    bl_loop_log(p->loop, TAG, level, "%s (%llu): %s", bl_process_label(p),
                (unsigned long long)p->object.id, text);
}

static void trace(struct belay_process *p, unsigned from, unsigned to, const char *cause)
{
    BL_TRACE(p->loop, "process", p->object.id, bl_process_label(p),
             belay_process_state_name((enum belay_process_state)from),
             belay_process_state_name((enum belay_process_state)to), cause);
}

/* For the loop; without memory it is lost. */
static void leave_news(struct belay_process *p, int level, unsigned from, unsigned to,
                       const char *text)
{
    size_t len = strlen(text) + 1;
    struct news *n = bl_alloc(&p->loop->mem, sizeof *n + len);
    bool full;

    if (!n)
        return;
    n->level = level;
    n->from = (uint8_t)from;
    n->to = (uint8_t)to;
    memcpy(n->text, text, len);
    bl_mutex_lock(&p->lock);
    full = p->news_n >= NEWS_MAX;
    if (!full) {
        p->news_n++;
        bl_list_push_back(&p->news, &n->link);
        bl_process_tell(p, BL_TELL_NEWS);
    }
    bl_mutex_unlock(&p->lock);
    if (full)
        bl_free(&p->loop->mem, n);
}

void bl_process_log(struct belay_process *p, enum belay_log_level level, const char *format, ...)
{
    char text[640];
    va_list args;
    bool here = bl_threads_here(p->loop);

    if (here && !bl_log_wants(&p->loop->log, TAG, (int)level))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (here)
        log_line(p, (int)level, text);
    else
        leave_news(p, (int)level, 0, 0, text);
}

void bl_process_note(struct belay_process *p, enum belay_process_state now, const char *cause)
{
    unsigned from = p->noted;

    if (from == now)
        return;
    p->noted = now;
    if (bl_process_is_here(p))
        trace(p, from, now, cause);
    else if (p->loop->on_trace)
        leave_news(p, 0, from, now, cause);
}

static struct bl_list *take_news(struct belay_process *p, struct bl_list *list)
{
    bl_list_init(list);
    bl_mutex_lock(&p->lock);
    bl_list_splice(list, &p->news);
    p->news_n = 0;
    bl_mutex_unlock(&p->lock);
    return list;
}

void bl_process_tell_news(struct belay_process *p)
{
    struct bl_list list, *node;

    take_news(p, &list);
    while ((node = bl_list_pop_front(&list))) {
        struct news *n = BL_LIST_OF(node, struct news, link);

        if (n->level)
            log_line(p, n->level, n->text);
        else
            trace(p, n->from, n->to, n->text);
        bl_free(&p->loop->mem, n);
    }
}

/* ---- failures and ends ---- */

void bl_process_log_failure(struct belay_process *p, int64_t delay_ms)
{
    struct belay_error error;
    char when[48];

    if (!p->failure_noted || !belay_process_last_error(p, &error))
        bl_error_set(&error, BELAY_ECONNECT, BELAY_STAGE_CONNECT, "no reason was given");
    if (delay_ms == BELAY_FOREVER)
        snprintf(when, sizeof when, "not to be tried again");
    else
        snprintf(when, sizeof when, "next attempt in %lld ms", (long long)delay_ms);
    bl_process_log(p, BELAY_LOG_WARN, "could not connect (%d in a row): %s; %s",
                   (int)p->policy.attempts, error.text, when);
}

void bl_process_log_end(struct belay_process *p, const struct belay_exit *why)
{
    const struct belay_behaviour *b = p->behaviour;
    char state[256] = "";

    if (why->kind != BELAY_EXIT_ERROR) {
        BL_PROCESS_DEBUG(p, "ends: %s", belay_exit_name(why->kind));
        return;
    }
    if (p->policy.inited && BL_BEHAVIOUR_HAS(b, format_status)) {
        b->format_status(p, true, state, sizeof state, p->state);
        state[sizeof state - 1] = '\0';
    }
    bl_process_log(p, BELAY_LOG_ERROR, "ended: %s (%s)%s%s", why->error->text,
                   belay_error_name(why->error->code), state[0] ? "; its state: " : "", state);
}

/* The former goes without the lock; without memory for the whole, its code stays. */
void belay_process_connect_failed(struct belay_process *p, const struct belay_error *error)
{
    struct belay_error *copy = error ? bl_alloc(&p->loop->mem, sizeof *copy) : NULL, *former;

    if (copy)
        bl_error_keep(copy, error);
    p->failure_noted = true;
    bl_mutex_lock(&p->lock);
    former = p->last_error;
    p->last_error = copy;
    p->last_code = error ? error->code : BELAY_ECONNECT;
    bl_mutex_unlock(&p->lock);
    bl_free(&p->loop->mem, former);
}

bool belay_process_last_error(const struct belay_process *process, struct belay_error *error)
{
    struct belay_process *p = (struct belay_process *)(uintptr_t)process;
    bool any;

    bl_mutex_lock(&p->lock);
    any = p->last_code != 0;
    if (any && error && p->last_error)
        *error = *p->last_error;
    else if (any && error)
        bl_error_set(error, p->last_code, BELAY_STAGE_CONNECT, "%s", belay_strerror(p->last_code));
    bl_mutex_unlock(&p->lock);
    return any;
}

/* ---- from outside ---- */

enum belay_process_state belay_process_get_connection_state(const struct belay_process *process)
{
    return (enum belay_process_state)atomic_load_explicit(&process->shown, memory_order_acquire);
}

bool belay_process_is_alive(const struct belay_process *process)
{
    return process && belay_process_get_connection_state(process) != BELAY_PROCESS_ENDED;
}

void belay_process_get_stats(const struct belay_process *process, struct belay_process_stats *stats)
{
    struct belay_process *p = (struct belay_process *)(uintptr_t)process;
    struct belay_process_stats s = belay_process_stats_init();
    size_t size = stats->size < sizeof s ? stats->size : sizeof s;

    bl_mutex_lock(&p->lock);
    s.state = p->policy.state;
    s.mailbox = p->mailbox.count;
    s.mailbox_peak = p->mailbox.peak;
    s.postponed = p->mailbox.postponed_n;
    s.calls = p->calls_n;
    s.casts = p->casts_n;
    s.infos = p->infos_n;
    s.connects = p->policy.connects;
    s.disconnects = p->policy.disconnects;
    s.backoffs = p->policy.backoffs;
    s.dropped = p->mailbox.dropped;
    s.hibernations = p->hibernations;
    s.attempts = p->policy.attempts;
    bl_mutex_unlock(&p->lock);
    memcpy(stats, &s, size);
    memcpy(stats, &size, sizeof size);
}

/* An own thread is kept from its next callback meanwhile. False: one runs. */
static bool hold(struct belay_process *p)
{
    bool may;

    bl_mutex_lock(&p->lock);
    may = p->policy.inited && !p->ended && (bl_process_is_here(p) || !p->busy);
    p->asked = may;
    bl_mutex_unlock(&p->lock);
    return may;
}

/* In the behaviour's own words. */
static void ask_state(struct belay_process *p, char *out, size_t size)
{
    const struct belay_behaviour *b = p->behaviour;

    out[0] = '\0';
    if (!BL_BEHAVIOUR_HAS(b, format_status) || !hold(p))
        return;
    b->format_status(p, false, out, size, p->state);
    out[size - 1] = '\0';
    bl_mutex_lock(&p->lock);
    p->asked = false;
    bl_process_wake(p);
    bl_mutex_unlock(&p->lock);
}

static void print_timers(struct belay_process *p, char *out, size_t size)
{
    uint64_t at = p->policy.backoff_at, now = bl_process_now(p);

    if (at == BELAY_NEVER)
        snprintf(out, size, "attempts failed: %d\n", (int)p->policy.attempts);
    else
        snprintf(out, size, "attempts failed: %d, next in %llu ms\n", (int)p->policy.attempts,
                 (unsigned long long)(at > now ? (at - now) / BL_MS(1) : 0));
}

static void append(char *out, size_t size, size_t *len, const char *text)
{
    size_t n = strlen(text);

    if (*len < size) {
        size_t room = size - *len - 1;

        memcpy(out + *len, text, n < room ? n : room);
        out[*len + (n < room ? n : room)] = '\0';
    }
    *len += n;
}

size_t belay_process_status(struct belay_process *process, char *out, size_t size)
{
    struct belay_process_stats s = belay_process_stats_init();
    char line[256], state[512] = "";
    size_t len = 0;

    if (size)
        out[0] = '\0';
    belay_process_get_stats(process, &s);
    snprintf(line, sizeof line, "process %s (%llu): %s%s\n", bl_process_label(process),
             (unsigned long long)process->object.id, belay_process_state_name(s.state),
             process->thread ? ", on a thread of its own" : "");
    append(out, size, &len, line);
    snprintf(line, sizeof line, "mailbox: %u of %u, postponed %u, dropped %llu\n", s.mailbox,
             process->mailbox.max, s.postponed, (unsigned long long)s.dropped);
    append(out, size, &len, line);
    bl_mutex_lock(&process->lock);
    print_timers(process, line, sizeof line);
    bl_mutex_unlock(&process->lock);
    append(out, size, &len, line);
    ask_state(process, state, sizeof state);
    if (state[0]) {
        append(out, size, &len, "state: ");
        append(out, size, &len, state);
        append(out, size, &len, "\n");
    }
    return len;
}
