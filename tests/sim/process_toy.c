/* SPDX-License-Identifier: MIT */
/*
 * The toys' behaviour: each callback tells the model that it runs, and returns what chance says, now and then what makes no
 * sense there. A connect may dial the toy's host; then the connection is its until disconnect or the end.
 */
#include <stdio.h>

#include "sim/process_rig.h"

/* ---- its connection ---- */

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    (void)stream, (void)data, (void)arg;
    return len;
}

/* The connection is gone: the toy tells itself, as a process does. */
static void tell_lost(struct toy *toy)
{
    if (!toy->lost_sent && toy->p && !toy->ended)
        toy_post(toy, CB_INFO);
    toy->lost_sent = true;
}

static void on_end(struct belay_stream *stream, void *arg)
{
    (void)stream;
    tell_lost(arg);
}

static void on_lost(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    (void)stream, (void)error;
    tell_lost(arg);
}

static const struct belay_stream_callbacks callbacks = {
    .size = sizeof callbacks, .on_data = on_data, .on_end = on_end, .on_lost = on_lost};

void toy_hang_up(struct toy *toy)
{
    if (toy->dial)
        TOY_DO(toy->all, belay_dial_cancel(toy->dial));
    if (toy->stream)
        TOY_DO(toy->all, belay_stream_close(toy->stream, 100, NULL, NULL));
    toy->dial = NULL;
    toy->stream = NULL;
    toy->lost_sent = false;
}

static void resume(struct toy *toy, struct belay_directive directive)
{
    int r = TOY_GET(toy->all, belay_process_resume(toy->p, directive));

    if (r < 0)
        sim_fail(toy->all->w, "toy %d: what is pending cannot be resumed: %s", toy->n,
                 belay_error_name(r));
    toy_resumed(toy, &directive);
}

static void on_dialled(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct toy *toy = arg;

    toy->dial = NULL;
    toy->stream = stream;
    if (stream)
        belay_stream_set_callbacks(stream, &callbacks, toy);
    if (toy->pending != CB_CONNECT || toy->resumed || toy->ended || toy->ending || toy->exits > 0)
        return; /* it was resumed by somebody else */
    if (stream) {
        resume(toy, belay_do_ok());
    } else {
        belay_process_connect_failed(toy->p, error);
        resume(toy, belay_do_backoff(belay_process_next_backoff(toy->p)));
    }
}

static bool dials(struct toy *toy)
{
    struct belay_dial_options o = belay_dial_options_init();

    if (!toy->endpoint || toy->dial || toy->stream || !sim_chance(toy->all->w, 60))
        return false;
    o.connect_timeout_ms = (int64_t)sim_between(toy->all->w, 100, 3000);
    o.resolve_timeout_ms = (int64_t)sim_between(toy->all->w, 100, 3000);
    if (TOY_GET(toy->all, belay_dial(toy->endpoint, &o, &toy->dial, on_dialled, toy)) < 0)
        return false;
    toy_did(toy->all, TOY_DIALLED);
    return true;
}

/* ---- what is returned ---- */

static struct belay_message info(struct toys *all)
{
    return parcel_message(parcel_new(all), (int32_t)sim_below(all->w, 1000));
}

static int64_t some_delay(struct sim_world *w)
{
    return sim_chance(w, 15)   ? 0
           : sim_chance(w, 10) ? BELAY_FOREVER
                               : (int64_t)sim_between(w, 1, 3000);
}

static struct belay_directive stop(struct toy *toy)
{
    struct sim_world *w = toy->all->w;
    enum belay_exit_kind kind = sim_chance(w, 50)   ? BELAY_EXIT_NORMAL
                                : sim_chance(w, 50) ? BELAY_EXIT_SHUTDOWN
                                                    : BELAY_EXIT_ERROR;
    struct belay_error e = {.code = BELAY_EABORTED, .kind = BELAY_KIND_FATAL, .text = "enough"};

    e.kind = belay_error_kind_of(e.code);
    return belay_do_stop(toy->p, kind, kind == BELAY_EXIT_ERROR ? &e : NULL);
}

static struct belay_directive ways(struct toy *toy, enum toy_callback cb)
{
    struct sim_world *w = toy->all->w;
    uint64_t dice = sim_below(w, 100);

    switch (cb) {
    case CB_INIT:
        return dice < 30   ? belay_do_ok()
               : dice < 65 ? belay_do_connect(info(toy->all))
               : dice < 80 ? belay_do_backoff(some_delay(w))
               : dice < 95 ? belay_do_pending()
               : dice < 97 ? belay_do_ignore()
                           : stop(toy);
    case CB_CONNECT:
        return dice < 40   ? belay_do_ok()
               : dice < 65 ? belay_do_backoff(some_delay(w))
               : dice < 97 ? belay_do_pending()
                           : stop(toy);
    case CB_DISCONNECT:
        return dice < 30   ? belay_do_connect(info(toy->all))
               : dice < 55 ? belay_do_backoff(some_delay(w))
               : dice < 80 ? belay_do_noconnect()
               : dice < 97 ? belay_do_pending()
                           : stop(toy);
    case CB_CALL:
        if (dice < 40)
            return belay_do_reply(toy_reply(toy, toy->hand ? toy->hand->call : NULL));
        break;
    default:
        break;
    }
    dice = sim_below(w, 100);
    return dice < 60                ? belay_do_noreply()
           : dice < 72              ? belay_do_connect(info(toy->all))
           : dice < 84              ? belay_do_disconnect(info(toy->all))
           : dice < 97 && toy->hand ? belay_do_postpone()
           : dice < 98              ? stop(toy)
                                    : belay_do_noreply();
}

static bool may_wait(const struct belay_directive *d)
{
    return d->what == BELAY_DO_OK || d->what == BELAY_DO_REPLY || d->what == BELAY_DO_NOREPLY ||
           d->what == BELAY_DO_BACKOFF || d->what == BELAY_DO_NOCONNECT;
}

/* One that makes no sense where it is returned. */
static struct belay_directive nonsense(struct toy *toy, enum toy_callback cb)
{
    struct sim_world *w = toy->all->w;

    switch (sim_below(w, 4)) {
    case 0:
        return belay_do(cb == CB_INIT ? BELAY_DO_NOREPLY : BELAY_DO_IGNORE);
    case 1:
        return belay_do((enum belay_do)(cb == CB_CALL ? BELAY_DO_PENDING : BELAY_DO_REPLY));
    case 2:
        return belay_do((enum belay_do)99);
    default:
        return cb == CB_CONNECT || cb == CB_INIT ? belay_do_backoff(-5)
                                                 : belay_with_timeout(belay_do_noreply(), -7);
    }
}

struct belay_directive toy_draw(struct toy *toy, enum toy_callback cb)
{
    struct sim_world *w = toy->all->w;
    struct belay_directive d;

    if (!toy->all->life.healed && sim_chance(w, 1))
        return nonsense(toy, cb);
    d = ways(toy, cb);
    if (may_wait(&d) && sim_chance(w, 20))
        d = belay_with_timeout(d, some_delay(w));
    if (may_wait(&d) && sim_chance(w, 15))
        d.hibernate = true;
    if (cb == CB_CALL && toy->hand && toy->hand->call && sim_chance(w, 40) &&
        (d.what == BELAY_DO_CONNECT || d.what == BELAY_DO_DISCONNECT || d.what == BELAY_DO_STOP))
        d = belay_with_reply(d, toy_reply(toy, toy->hand->call));
    return d;
}

/* ---- callbacks ---- */

static void in_callback(struct toy *toy)
{
    if (toy->hand && toy->hand->call && sim_chance(toy->all->w, 10))
        toy_reply_later(toy->hand->call);
    toy_recklessly(toy);
}

static struct belay_directive back(struct toy *toy, enum toy_callback cb, struct belay_directive d)
{
    toy_leave(toy, cb, &d);
    return d;
}

static struct belay_directive do_init(struct belay_process *p, void *args)
{
    struct toy *toy = args;

    toy_enter(toy, CB_INIT, toy->behaviour, 0);
    if (!toy->p)
        toy->p = belay_process_ref(p);
    belay_process_set_state(p, toy);
    return back(toy, CB_INIT, toy_draw(toy, CB_INIT));
}

static void check_info(struct toy *toy, struct belay_message *message)
{
    struct parcel *parcel = parcel_of(message);

    if (message->tag == BELAY_TAG_BACKOFF)
        return;
    if (!parcel || parcel->id != toy->next_id)
        sim_fail(toy->all->w, "toy %d: connect or disconnect with another one's info", toy->n);
}

static struct belay_directive do_connect(struct toy *toy, struct belay_message *message, int which)
{
    toy_enter(toy, CB_CONNECT, which, message->tag);
    check_info(toy, message);
    toy_did(toy->all, message->tag == BELAY_TAG_BACKOFF ? TOY_CONNECT_BACKOFF : TOY_CONNECT);
    in_callback(toy);
    if (dials(toy))
        return back(toy, CB_CONNECT, belay_do_pending());
    return back(toy, CB_CONNECT, toy_draw(toy, CB_CONNECT));
}

static struct belay_directive do_disconnect(struct toy *toy, struct belay_message *message,
                                            int which)
{
    toy_enter(toy, CB_DISCONNECT, which, message->tag);
    check_info(toy, message);
    toy_did(toy->all, TOY_DISCONNECT);
    toy_hang_up(toy);
    in_callback(toy);
    return back(toy, CB_DISCONNECT, toy_draw(toy, CB_DISCONNECT));
}

static struct belay_directive handle(struct toy *toy, struct belay_message *message,
                                     enum toy_callback cb, struct belay_from from, int which)
{
    struct belay_directive d;

    toy_enter(toy, cb, which, message->tag);
    if (message->tag >= 0)
        parcel_arrive(toy, message, cb, from);
    else if (message->tag != BELAY_TAG_TIMEOUT)
        toy_on_signal(toy, message);
    in_callback(toy);
    d = back(toy, cb, toy_draw(toy, cb));
    if (message->tag >= 0) {
        if (d.what != BELAY_DO_POSTPONE && sim_chance(toy->all->w, 20)) {
            struct belay_message taken = belay_message_take(message);

            belay_message_destroy(&taken);
        }
        toy->hand = NULL;
    }
    return d;
}

static void do_terminate(struct belay_process *p, struct belay_exit why, void *state)
{
    struct toy *toy = state;

    (void)p;
    toy_settle(toy);
    toy_unhandled(toy);
    if (toy->terminated || toy->ended || toy->depth || !toy_may_end(toy))
        sim_fail(toy->all->w, "toy %d: terminate: before %d, ended %d, expected %d", toy->n,
                 toy->terminated, toy->ended, toy->ending);
    if (why.kind == BELAY_EXIT_ERROR && !why.error)
        sim_fail(toy->all->w, "toy %d: terminate for an error that is none", toy->n);
    toy->terminated = true;
    toy_hang_up(toy);
}

static int do_code_change(struct toy *toy, const struct belay_behaviour *former, int which)
{
    toy_settle(toy);
    if (former != toy_behaviours[toy->behaviour] || toy->depth)
        sim_fail(toy->all->w, "toy %d: code_change in a callback, or from another behaviour",
                 toy->n);
    if (toy->ended || toy->pending == CB_DISCONNECT || toy->pending == CB_INIT)
        sim_fail(toy->all->w, "toy %d: code_change between no two messages", toy->n);
    if (sim_chance(toy->all->w, 25)) {
        toy_did(toy->all, TOY_CODE_REFUSED);
        return BELAY_EINVAL;
    }
    toy_did(toy->all, TOY_CODE);
    toy->behaviour = which;
    return 0;
}

static void do_format(struct belay_process *p, bool ending, char *out, size_t size, void *state)
{
    struct toy *toy = state;

    (void)p, (void)ending;
    if (toy->depth && !toy->all->in_call) /* unless that callback asks for it */
        sim_fail(toy->all->w, "toy %d: format_status in a callback", toy->n);
    snprintf(out, size, "toy %d", toy->n);
}

static void do_hibernate(struct belay_process *p, void *state)
{
    struct toy *toy = state;

    (void)p;
    toy_settle(toy);
    if (!toy->hibernate || toy->depth || !bl_list_empty(&toy->mail))
        sim_fail(toy->all->w, "toy %d hibernates: told to %d, in a callback %d, no mail %d", toy->n,
                 toy->hibernate, toy->depth, bl_list_empty(&toy->mail));
    toy->hibernate = false;
    sim_note(toy->all->w, "toy %d hibernates", toy->n);
    toy_did(toy->all, TOY_HIBERNATED);
}

/* The same behaviour several times: which of them is called tells which one the process has. */
#define BEHAVIOUR(n, ...)                                                                          \
    static struct belay_directive connect_##n(struct belay_process *p, struct belay_message *m,    \
                                              void *state)                                         \
    {                                                                                              \
        (void)p;                                                                                   \
        return do_connect(state, m, n);                                                            \
    }                                                                                              \
    static struct belay_directive disconnect_##n(struct belay_process *p, struct belay_message *m, \
                                                 void *state)                                      \
    {                                                                                              \
        (void)p;                                                                                   \
        return do_disconnect(state, m, n);                                                         \
    }                                                                                              \
    static struct belay_directive call_##n(struct belay_process *p, struct belay_message *m,       \
                                           struct belay_from from, void *state)                    \
    {                                                                                              \
        (void)p;                                                                                   \
        return handle(state, m, CB_CALL, from, n);                                                 \
    }                                                                                              \
    static struct belay_directive info_##n(struct belay_process *p, struct belay_message *m,       \
                                           void *state)                                            \
    {                                                                                              \
        (void)p;                                                                                   \
        return handle(state, m, CB_INFO, (struct belay_from){0}, n);                               \
    }                                                                                              \
    static int code_change_##n(struct belay_process *p, const struct belay_behaviour *former,      \
                               void *extra, void *state)                                           \
    {                                                                                              \
        (void)p, (void)extra;                                                                      \
        return do_code_change(state, former, n);                                                   \
    }                                                                                              \
    static const struct belay_behaviour behaviour_##n = {.size = sizeof behaviour_##n,             \
                                                         .name = "toy",                            \
                                                         .init = do_init,                          \
                                                         .connect = connect_##n,                   \
                                                         .disconnect = disconnect_##n,             \
                                                         .handle_call = call_##n,                  \
                                                         .handle_info = info_##n,                  \
                                                         .terminate = do_terminate,                \
                                                         .code_change = code_change_##n,           \
                                                         .format_status = do_format,               \
                                                         .hibernate = do_hibernate,                \
                                                         __VA_ARGS__}

#define CAST(n)                                                                                    \
    static struct belay_directive cast_##n(struct belay_process *p, struct belay_message *m,       \
                                           void *state)                                            \
    {                                                                                              \
        (void)p;                                                                                   \
        return handle(state, m, CB_CAST, (struct belay_from){0}, n);                               \
    }

CAST(0)
CAST(1)
BEHAVIOUR(0, .handle_cast = cast_0);
BEHAVIOUR(1, .handle_cast = cast_1);
BEHAVIOUR(2, .handle_cast = NULL); /* it ends by the first cast */

const struct belay_behaviour *const toy_behaviours[TOY_BEHAVIOURS] = {&behaviour_0, &behaviour_1,
                                                                      &behaviour_2};
