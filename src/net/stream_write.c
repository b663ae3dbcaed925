/* SPDX-License-Identifier: MIT */
/*
 * The writing half of a stream. What is copied goes to one buffer; what is not is a list of
 * references, each of which knows how many copied bytes go between it and the one before. Both
 * leave in order, gathered into one system call at the end of the turn.
 *
 * A blocked write takes the kernel's user timeout off the socket, as it would kill a peer that
 * merely reads slowly; a timer then looks at the age of the peer's last acknowledgement instead.
 */
#include "loop/threads.h"
#include "net/stream.h"

#define PIECES_MAX 16
#define SUSPECT_MS 1000
#define SENDS_MAX  16 /* in one go, before others have their turn */

struct stream_ref {
    struct bl_list link;
    const char *data;
    size_t len;    /* still to be sent */
    size_t before; /* copied bytes between the ref before and this one */
    belay_fn *done;
    void *arg;
};

static size_t unsent_bytes(const struct belay_stream *s)
{
    return s->work ? bl_buf_len(&s->work->out) + s->work->refs_len : 0;
}

bool bl_stream_unsent(const struct belay_stream *s)
{
    return unsent_bytes(s) > 0 || (s->ending && !s->ended);
}

size_t belay_stream_buffered(const struct belay_stream *s)
{
    return unsent_bytes(s);
}

/* ---- blocked ---- */

static void set_user_timeout(struct belay_stream *s, int ms)
{
    const struct belay_transport *t = &s->socket.loop->transport;
    if (s->user_timeout_ms)
        t->set_option(s->socket.fd, BELAY_SOCKET_USER_TIMEOUT, ms, t->arg);
}

static void block(struct belay_stream *s)
{
    struct belay_loop *loop = s->socket.loop;
    unsigned wants = s->top->ops->want ? s->top->ops->want(s->top) : 0;
    s->write_wants = (wants ? wants : BELAY_WRITABLE) & 3u;
    if (!s->blocked) {
        s->blocked = 1;
        s->suspect = 0;
        set_user_timeout(s, 0);
        if (s->user_timeout_ms && s->work && !s->closing)
            bl_timer_at(&s->work->timer, loop, bl_after_ms(bl_now_fresh(loop), s->user_timeout_ms));
    }
    bl_stream_watch(s, s->closing);
}

static void unblock(struct belay_stream *s)
{
    if (!s->blocked)
        return;
    s->blocked = 0;
    if (s->work && !s->closing)
        bl_timer_stop(&s->work->timer);
    if (s->closed)
        return;
    set_user_timeout(s, s->user_timeout_ms);
    bl_stream_watch(s, true);
}

void bl_stream_on_timer(void *arg)
{
    struct belay_stream *s = arg;
    struct belay_loop *loop = s->socket.loop;
    struct belay_error error;
    char peer[BELAY_ADDR_TEXT_MAX];
    int age;
    if (s->closing) {
        bl_stream_shut(s, false);
        return;
    }
    if (!s->blocked || s->dead_code)
        return;
    age = loop->transport.ack_age_ms(s->socket.fd, loop->transport.arg);
    if (age < 0)
        return; /* nobody knows, so nobody is accused */
    /* It may have been asked just now, after a long time, with the answer on its way. */
    bool look_again = age >= s->user_timeout_ms && !s->suspect;
    if (look_again || age < s->user_timeout_ms) {
        int wait = s->user_timeout_ms - age;
        if (look_again)
            wait = s->user_timeout_ms < SUSPECT_MS ? s->user_timeout_ms : SUSPECT_MS;
        s->suspect = look_again;
        bl_timer_at(&s->work->timer, loop, bl_after_ms(bl_now(loop), wait));
        return;
    }
    bl_error_set(&error, BELAY_ETIMEDOUT, BELAY_STAGE_USE,
                 "writing to %s: nothing was acknowledged for %d ms", bl_stream_peer_text(s, peer),
                 age);
    bl_stream_die(s, &error);
    bl_stream_mourn(s, &error);
}

/* ---- sending ---- */

static void add_piece(struct belay_bytes *pieces, size_t *n, const char *data, size_t len)
{
    if (len) {
        pieces[*n].data = data;
        pieces[(*n)++].len = len;
    }
}

static size_t gather(const struct bl_stream_work *w, struct belay_bytes pieces[PIECES_MAX])
{
    const char *copied = bl_buf_head(&w->out);
    size_t left = bl_buf_len(&w->out), n = 0;
    BL_LIST_EACH(node, &w->refs)
    {
        const struct stream_ref *ref = BL_LIST_OF(node, struct stream_ref, link);
        if (n + 2 > PIECES_MAX)
            return n;
        add_piece(pieces, &n, copied, ref->before);
        add_piece(pieces, &n, ref->data, ref->len);
        left -= ref->before;
        if (ref->before)
            copied += ref->before;
    }
    if (n < PIECES_MAX)
        add_piece(pieces, &n, copied, left);
    return n;
}

/* Takes away what was sent; the references that are through wait for their `done`. */
static void take_away(struct belay_stream *s, size_t n)
{
    struct bl_stream_work *w = s->work;
    s->sent_total += n;
    while (!bl_list_empty(&w->refs)) {
        struct stream_ref *ref = BL_LIST_OF(bl_list_first(&w->refs), struct stream_ref, link);
        size_t copied = n < ref->before ? n : ref->before;
        bl_buf_consume(&w->out, copied);
        ref->before -= copied;
        w->before_refs -= copied;
        n -= copied;
        size_t direct = n < ref->len ? n : ref->len;
        ref->data += direct;
        ref->len -= direct;
        w->refs_len -= direct;
        n -= direct;
        if (ref->before || ref->len)
            return;
        bl_list_remove(&ref->link);
        bl_list_push_back(&w->done, &ref->link);
        bl_stream_soon(s);
    }
    bl_buf_consume(&w->out, n);
}

/* All bytes are out: what was waiting for that. */
static int all_sent(struct belay_stream *s, struct belay_error *error)
{
    if (s->work && s->work->out.capacity > 2 * BL_STREAM_FLUSH_AT)
        bl_buf_trim(&s->work->out, &s->socket.loop->mem);
    if (s->ending && !s->ended) {
        int rc = bl_filter_shutdown(s->top, error);
        if (rc == BELAY_EAGAIN)
            block(s);
        if (rc < 0)
            return rc;
        s->ended = 1;
    }
    unblock(s);
    if (s->work && !bl_list_empty(&s->work->refs)) { /* of no length */
        bl_list_splice(&s->work->done, &s->work->refs);
        bl_stream_soon(s);
    }
    if (s->full) {
        s->full = 0;
        s->drained = 1;
        bl_stream_soon(s);
    }
    return 0;
}

int bl_stream_send(struct belay_stream *s, struct belay_error *error)
{
    struct belay_bytes pieces[PIECES_MAX];
    for (int i = 0; unsent_bytes(s); i++) {
        size_t n = gather(s->work, pieces);
        ptrdiff_t sent = i < SENDS_MAX ? bl_filter_write(s->top, pieces, n, error) : BELAY_EAGAIN;
        if (sent == BELAY_EAGAIN) {
            block(s);
            return BELAY_EAGAIN;
        }
        if (sent < 0)
            return (int)sent;
        take_away(s, (size_t)sent);
    }
    return all_sent(s, error);
}

void bl_stream_flush_now(struct belay_stream *s)
{
    struct belay_error error;
    char peer[BELAY_ADDR_TEXT_MAX];
    if (s->closing || s->dead_code)
        return;
    int rc = bl_stream_send(s, &error);
    if (rc == 0 || rc == BELAY_EAGAIN)
        return;
    error.stage = BELAY_STAGE_USE;
    bl_error_prefix(&error, "writing to %s", bl_stream_peer_text(s, peer));
    bl_stream_die(s, &error);
    bl_stream_mourn(s, &error);
}

void bl_stream_flush_later(struct belay_stream *s)
{
    bool may = !s->closing && !s->dead_code && !s->blocked && !s->starting;
    if (may && !bl_task_posted(&s->task) && bl_stream_unsent(s))
        bl_flush_post(s->socket.loop, &s->task);
}

/* Inside a caller's call: the same, but what follows is told later. */
static void flush_in_call(struct belay_stream *s)
{
    struct belay_error error;
    int rc = bl_stream_send(s, &error);
    if (rc < 0 && rc != BELAY_EAGAIN)
        bl_stream_die(s, &error);
}

void bl_stream_drop_output(struct belay_stream *s)
{
    struct bl_stream_work *w = s->work;
    unblock(s);
    if (!w)
        return;
    bl_buf_clear(&w->out);
    w->refs_len = w->before_refs = 0;
    bl_list_splice(&w->done, &w->refs);
    if (!bl_list_empty(&w->done))
        bl_stream_soon(s);
}

void bl_stream_run_done(struct belay_stream *s)
{
    struct bl_list *node;
    while (s->work && (node = bl_list_pop_front(&s->work->done))) {
        struct stream_ref *ref = BL_LIST_OF(node, struct stream_ref, link);
        belay_fn *done = ref->done;
        void *arg = ref->arg;
        bl_free(&s->socket.loop->mem, ref);
        if (done)
            done(arg);
    }
}

/* ---- what the user calls ---- */

/* Whether `len` more bytes may be written: always some, however many, when nothing is waiting. */
static int admit(struct belay_stream *s, size_t len)
{
    size_t unsent = unsent_bytes(s);
    if (s->closing || s->ending)
        return BELAY_ECLOSED;
    if (s->dead_code)
        return BELAY_ERESET;
    if (unsent && len > BL_STREAM_BUFFER_MAX -
                            (unsent < BL_STREAM_BUFFER_MAX ? unsent : BL_STREAM_BUFFER_MAX)) {
        s->full = 1;
        return BELAY_EAGAIN;
    }
    return bl_stream_work(s) ? 0 : BELAY_ENOMEM;
}

static void after_write(struct belay_stream *s)
{
    if (s->blocked || s->starting)
        return;
    if (unsent_bytes(s) >= BL_STREAM_FLUSH_AT)
        flush_in_call(s);
    else
        bl_stream_flush_later(s);
}

bool bl_stream_ask_room(struct belay_stream *s, size_t most)
{
    if (unsent_bytes(s) <= most)
        return true;
    s->full = 1;
    return false;
}

int belay_stream_write(struct belay_stream *s, const void *data, size_t len)
{
    int rc = admit(s, len);
    BL_DEBUG_ASSERT(bl_threads_here(s->socket.loop)); /* else belay_stream_write_wait */
    if (rc < 0)
        return rc;
    if (bl_buf_append(&s->work->out, &s->socket.loop->mem, data, len) < 0)
        return BELAY_ENOMEM;
    after_write(s);
    return 0;
}

int belay_stream_write_ref(struct belay_stream *s, const void *data, size_t len, belay_fn *done,
                           void *arg)
{
    struct stream_ref *ref;
    int rc = admit(s, len);
    if (rc < 0)
        return rc;
    ref = bl_alloc(&s->socket.loop->mem, sizeof *ref);
    if (!ref)
        return BELAY_ENOMEM;
    bl_list_init(&ref->link);
    ref->data = data;
    ref->len = len;
    ref->before = bl_buf_len(&s->work->out) - s->work->before_refs;
    ref->done = done;
    ref->arg = arg;
    s->work->before_refs += ref->before;
    s->work->refs_len += len;
    bl_list_push_back(unsent_bytes(s) ? &s->work->refs : &s->work->done, &ref->link);
    if (!unsent_bytes(s)) /* nothing of nothing: done */
        bl_stream_soon(s);
    else
        after_write(s);
    return 0;
}

void belay_stream_flush(struct belay_stream *s)
{
    if (!s->closing && !s->dead_code && !s->blocked && !s->starting && bl_stream_unsent(s))
        flush_in_call(s);
}

void belay_stream_end(struct belay_stream *s)
{
    if (s->closing || s->dead_code || s->ending)
        return;
    s->ending = 1;
    if (!s->blocked && !s->starting && !bl_task_posted(&s->task))
        bl_flush_post(s->socket.loop, &s->task);
}
