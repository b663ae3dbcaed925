/* SPDX-License-Identifier: MIT */
/*
 * What goes out. Requests are submitted as long as the peer takes more, frames are made as long as
 * the connection's stream does; all that a turn made leaves in one write at its end.
 */
#include <stdio.h>

#include "base/error.h"
#include "http/h2_session.h"
#include "wire/field.h"

#define OUTPUT_MAX (256u * 1024u) /* bytes in the stream, beyond which no more frames are made */
#define PIECE      16384u
#define NV_FIXED   12 /* beside the caller's headers */

/* Numbers are used once; few connections live to see the last. */
#define LAST_STREAM_ID 0x7ffffff0

/* ---- heads ---- */

/* The fields of a request. What is not copied stays until nghttp2 has made the frame, or the stream
 * has been abandoned, which makes nghttp2 forget them. */
struct fields {
    nghttp2_nv *nv; /* in the client's scratch buffer */
    size_t n;
    uint64_t size;   /* as the peer counts them (RFC 9113 section 6.5.2) */
    char length[24]; /* of the body */
};

static void add(struct fields *f, struct bl_span name, struct bl_span value, int flags)
{
    f->nv[f->n++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.data,
        .namelen = name.len,
        .value = (uint8_t *)(uintptr_t)value.data,
        .valuelen = value.len,
        .flags = (uint8_t)flags,
    };
    f->size += name.len + value.len + 32;
}

/* Under a literal. */
static void add_named(struct fields *f, const char *name, struct bl_span value, int flags)
{
    add(f, bl_span_of(name), value,
        flags | NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
}

enum { AUTHORITY_AT = 2 }; /* of the fields */

/* A "Host" of the caller's takes the target's place. */
static void set_authority(struct fields *f, struct bl_span value)
{
    f->size += value.len - f->nv[AUTHORITY_AT].valuelen;
    f->nv[AUTHORITY_AT].value = (uint8_t *)(uintptr_t)value.data;
    f->nv[AUTHORITY_AT].valuelen = value.len;
}

/* What a field of the caller's means here. */
enum meaning {
    PLAIN,
    TE,
    HOST,
    USER_AGENT,
    ACCEPT,
    AUTHORIZATION,
    SECRET, /* not to be remembered by the peer */
    UNSAID, /* speaks of the connection (RFC 9113 section 8.2.2) */
};

static bool is(const struct belay_header *h, const char *name)
{
    return bl_span_equal_nocase(bl_span(h->name, h->name_len), bl_span_of(name));
}

/* Without blanks around it, which HTTP/1.1 ignores and HTTP/2 forbids (RFC 9113 section 8.2.1). */
static struct bl_span value_of(const struct belay_header *h)
{
    return bl_field_trim(bl_span(h->value, h->value_len));
}

static enum meaning meaning_of(const struct belay_header *h)
{
    switch (h->name_len) {
    case 2:
        return is(h, "te") ? TE : PLAIN;
    case 4:
        return is(h, "host") ? HOST : PLAIN;
    case 6:
        return is(h, "accept") ? ACCEPT : is(h, "cookie") ? SECRET : PLAIN;
    case 7:
        return is(h, "api-key") ? SECRET : is(h, "upgrade") ? UNSAID : PLAIN;
    case 10:
        return is(h, "user-agent") ? USER_AGENT : PLAIN;
    case 13:
        return is(h, "authorization") ? AUTHORIZATION : PLAIN;
    case 14:
        return is(h, "http2-settings") ? UNSAID : PLAIN;
    case 19:
        return is(h, "proxy-authorization") ? UNSAID : PLAIN;
    default:
        return PLAIN;
    }
}

/* " TARGET HTTP/1.1\r\n" "Host: HOST\r\n" */
static struct bl_span path_of(const struct bl_target_line *line)
{
    return bl_span(bl_buf_head(&line->text) + 1, line->host_at - 1 - strlen(" HTTP/1.1\r\n"));
}

static struct bl_span authority_of(const struct bl_target_line *line)
{
    size_t at = line->host_at + strlen("Host: ");

    return bl_span(bl_buf_head(&line->text) + at, bl_buf_len(&line->text) - at - 2);
}

/* nghttp2 makes a name that it copies lower case. gRPC's are, and there are no blanks. */
static void add_given(struct fields *f, const struct belay_header *h, enum meaning meaning,
                      bool ours)
{
    int flags = NGHTTP2_NV_FLAG_NO_COPY_VALUE;

    if (meaning == TE && !bl_span_equal_nocase(value_of(h), bl_span_of("trailers")))
        return;
    if (meaning == AUTHORIZATION || meaning == SECRET)
        flags |= NGHTTP2_NV_FLAG_NO_INDEX;
    if (ours)
        add(f, bl_span(h->name, h->name_len), bl_span(h->value, h->value_len),
            flags | NGHTTP2_NV_FLAG_NO_COPY_NAME);
    else
        add(f, bl_span(h->name, h->name_len), value_of(h), flags);
}

/* Returns what was among them, a bit for each meaning. */
static unsigned add_all_given(struct fields *f, const struct bl_message *m, bool ours)
{
    unsigned seen = 0;

    for (size_t i = 0; i < m->headers_n; i++) {
        const struct belay_header *h = &m->headers[i];
        enum meaning meaning = meaning_of(h);

        seen |= 1u << meaning;
        if (meaning == HOST)
            set_authority(f, value_of(h));
        else if (meaning != UNSAID)
            add_given(f, h, meaning, ours);
    }
    return seen;
}

static void add_length(struct fields *f, int64_t length)
{
    int n = snprintf(f->length, sizeof f->length, "%lld", (long long)length);

    add(f, bl_span_of("content-length"), bl_span(f->length, (size_t)n),
        NGHTTP2_NV_FLAG_NO_COPY_NAME);
}

static void fill(struct fields *f, const struct bl_h2_session *s, const struct bl_message *m)
{
    const struct bl_target_line *line = &m->target->lines[0];
    const struct belay_http *http = s->base.http;
    bool tls = belay_endpoint_is_tls(belay_conn_endpoint(s->base.conn));
    unsigned seen;

    add_named(f, ":method", m->method, 0);
    add_named(f, ":scheme", bl_span_of(tls ? "https" : "http"), 0);
    add_named(f, ":authority", authority_of(line), 0);
    add_named(f, ":path", path_of(line), 0);
    seen = add_all_given(f, m, http->ours);
    if (http->user_agent && !(seen & 1u << USER_AGENT))
        add_named(f, "user-agent", bl_span_of(http->user_agent), 0);
    if (!http->ours && !(seen & 1u << ACCEPT)) /* gRPC's content-type says it all */
        add_named(f, "accept", bl_span_of("*/*"), 0);
    if (m->authorization.data && !(seen & 1u << AUTHORIZATION))
        add_named(f, "authorization", m->authorization, NGHTTP2_NV_FLAG_NO_INDEX);
    if (m->body >= 0)
        add_length(f, m->body);
    if (m->expect_continue && m->body != BL_H1_NO_BODY && m->body != 0)
        add_named(f, "expect", bl_span_of("100-continue"), 0);
}

static int make_fields(struct fields *f, struct bl_h2_session *s, const struct bl_message *m)
{
    struct bl_buf *scratch = &s->base.http->head;

    bl_buf_clear(scratch);
    f->nv =
        (void *)bl_buf_reserve(scratch, bl_h2_mem(s), (m->headers_n + NV_FIXED) * sizeof *f->nv);
    if (!f->nv)
        return BELAY_ENOMEM;
    f->n = 0;
    f->size = 0;
    fill(f, s, m);
    return 0;
}

/* ---- bodies ---- */

static ssize_t give(struct bl_exchange *ex, const char *data, size_t have, uint8_t *out,
                    size_t room, bool last, uint32_t *flags)
{
    size_t n = have < room ? have : room;

    memcpy(out, data, n);
    ex->body_out += (int64_t)n;
    if (last && n == have) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        ex->body_sent = true;
    }
    return (ssize_t)n;
}

/* Straight into the frame, with its end on it if that is known. */
static ssize_t read_direct(struct bl_h2_stream *st, uint8_t *out, size_t room, uint32_t *flags)
{
    struct bl_exchange *ex = st->ex;
    size_t n = 0;

    while (n < room && !ex->body_ended && !ex->starved) {
        ptrdiff_t got = ex->ops->read(ex, out + n, room - n);

        BL_ASSERT(got >= 0 || got == BELAY_EAGAIN);
        ex->starved = got < 0;
        ex->body_ended = got == 0;
        n += got > 0 ? (size_t)got : 0;
    }
    ex->body_out += (int64_t)n;
    if (ex->body_ended) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        ex->body_sent = true;
    } else if (n == 0) {
        st->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)n;
}

/* nghttp2 asks for the body: what is in memory already. */
static ssize_t read_body(nghttp2_session *nghttp2, int32_t id, uint8_t *out, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct bl_h2_stream *st = source->ptr;
    struct bl_exchange *ex = st->ex;
    ssize_t n;

    (void)nghttp2, (void)id, (void)arg;
    if (!ex)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (ex->body_stopped) /* never again: the stream ends with the response */
        return NGHTTP2_ERR_DEFERRED;
    if (ex->message->direct)
        return read_direct(st, out, room, flags);
    if (!ex->awaits_continue && ex->message->bytes)
        return give(ex, ex->message->bytes + ex->body_out,
                    (size_t)(ex->message->body - ex->body_out), out, room, true, flags);
    if (!ex->awaits_continue && (bl_buf_len(&ex->piece) > 0 || ex->body_ended)) {
        n = give(ex, bl_buf_head(&ex->piece), bl_buf_len(&ex->piece), out, room, ex->body_ended,
                 flags);
        bl_buf_consume(&ex->piece, (size_t)n);
        if (n > 0 || ex->body_ended)
            return n;
    }
    st->deferred = true;
    bl_h2_body_go_on(st);
    return NGHTTP2_ERR_DEFERRED;
}

void bl_h2_body_go_on(struct bl_h2_stream *st)
{
    const struct bl_exchange *ex = st->ex;

    if (ex && st->id && !ex->awaits_continue && !ex->starved && !ex->body_stopped &&
        !bl_list_linked(&st->hungry))
        bl_list_push_back(&st->session->hungry, &st->hungry);
}

static void refuse_body(struct bl_h2_stream *st, ptrdiff_t n)
{
    struct bl_exchange *ex = st->ex;

    if (n < 0)
        bl_h2_stream_fail(st, (int)n, bl_h2_sent(ex), "the request's body could not be read");
    else
        bl_h2_stream_fail(st, BELAY_EINVAL, bl_h2_sent(ex),
                          "the request's body gave %lld bytes of %lld",
                          (long long)(ex->body_out + (int64_t)bl_buf_len(&ex->piece) + n),
                          (long long)ex->message->body);
}

/* Asks the callback once, outside nghttp2. Whether to ask again: there is room, and there may be
 * more. Afterwards the stream is there only if it is `current`. */
static bool read_some(struct bl_h2_stream *st, const bool *gone)
{
    struct bl_h2_session *s = st->session;
    struct bl_exchange *ex = st->ex;
    bool chunked = ex->message->body == BL_H1_CHUNKED;
    size_t have = bl_buf_len(&ex->piece), size = PIECE - have;
    int64_t left = chunked ? PIECE : ex->message->body - ex->body_out - (int64_t)have;
    char *room = bl_buf_reserve(&ex->piece, bl_h2_mem(s), size);
    ptrdiff_t n;

    if (!room) {
        bl_h2_stream_fail(st, BELAY_ENOMEM, bl_h2_sent(ex), "sending the body: out of memory");
        return false;
    }
    size = left < (int64_t)size ? (size_t)left : size;
    n = ex->ops->read(ex, room, size);
    if (*gone || s->current != st || st->ex != ex)
        return false;
    if (n == BELAY_EAGAIN) {
        ex->starved = true;
        return false;
    }
    if (n < 0 || (size_t)n > size || (n == 0 && !chunked)) {
        refuse_body(st, n);
        return false;
    }
    bl_buf_commit(&ex->piece, (size_t)n);
    ex->body_ended = chunked ? n == 0 : n == left;
    return !ex->body_ended && bl_buf_len(&ex->piece) <= PIECE / 2; /* never for a few bytes */
}

/* One frame, with the end on it if that is known. */
static void read_piece(struct bl_h2_stream *st, const bool *gone)
{
    while (read_some(st, gone))
        ;
}

/* nghttp2 may ask again. */
static void take_up(struct bl_h2_stream *st)
{
    struct bl_h2_session *s = st->session;

    if (!st->ex || !st->deferred || st->ex->body_stopped ||
        (st->ex->starved && bl_buf_len(&st->ex->piece) == 0))
        return;
    st->deferred = false;
    if (nghttp2_session_resume_data(s->nghttp2, st->id) == NGHTTP2_ERR_NOMEM)
        bl_h2_note(s, BELAY_ENOMEM);
}

static void feed_hungry(struct bl_h2_session *s, const bool *gone)
{
    struct bl_list *node;

    while (!*gone && !s->broken && (node = bl_list_pop_front(&s->hungry))) {
        struct bl_h2_stream *st = BL_LIST_OF(node, struct bl_h2_stream, hungry);

        s->current = st;
        if (st->ex && !st->ex->message->bytes && !st->ex->message->direct &&
            bl_buf_len(&st->ex->piece) == 0 && !st->ex->body_ended && !st->ex->body_stopped)
            read_piece(st, gone);
        if (*gone)
            return;
        if (s->current == st)
            take_up(st);
        s->current = NULL;
    }
}

/* ---- requests and frames ---- */

int bl_h2_submit(struct bl_h2_session *s, struct bl_h2_stream *st)
{
    const struct bl_message *m = st->ex->message;
    bool none = m->body == BL_H1_NO_BODY || m->body == 0;
    nghttp2_data_provider provider = {.source.ptr = st, .read_callback = read_body};
    struct fields f;
    int rc = make_fields(&f, s, m);

    if (rc < 0)
        return rc;
    if (BL_UNLIKELY(f.size > s->peer_header_bytes))
        return BELAY_ELIMIT;
    st->ex->body_sent = none;
    rc = nghttp2_submit_request(s->nghttp2, NULL, f.nv, f.n, none ? NULL : &provider, st);
    if (rc < 0)
        return rc == NGHTTP2_ERR_NOMEM ? BELAY_ENOMEM : BELAY_ERESET;
    st->id = rc;
    if (rc >= LAST_STREAM_ID)
        s->goaway = s->goaway_done = true;
    return 0;
}

/* The peer's limit, and ids, which are used once. */
static bool may_submit(const struct bl_h2_session *s)
{
    return s->ready && !s->goaway && s->submitted < s->peer_max && !s->full;
}

static void submit_next(struct bl_h2_session *s)
{
    struct bl_h2_stream *st = BL_LIST_OF(bl_list_pop_front(&s->unsent), struct bl_h2_stream, link);
    int rc = bl_h2_submit(s, st);

    bl_list_push_back(&s->streams, &st->link);
    if (rc == 0) {
        s->submitted++;
        return;
    }
    st->closed = true;
    if (rc == BELAY_ELIMIT)
        bl_h2_stream_fail(st, rc, BELAY_NOT_SENT,
                          "the request's headers are more than the %u bytes that the peer takes "
                          "(SETTINGS_MAX_HEADER_LIST_SIZE)",
                          (unsigned)s->peer_header_bytes);
    else
        bl_h2_stream_fail(st, rc, BELAY_NOT_SENT, "sending a request: %s", belay_strerror(rc));
}

static bool has_work(const struct bl_h2_session *s)
{
    return !s->broken && !s->full &&
           (!bl_list_empty(&s->hungry) || (!bl_list_empty(&s->unsent) && may_submit(s)));
}

/* The last frame of a request: nghttp2 need not be asked in vain whether there is more of it. */
static bool ends_request(const uint8_t *frame)
{
    return frame[3] <= NGHTTP2_HEADERS && frame[4] & NGHTTP2_FLAG_END_STREAM;
}

static bool has_room(struct bl_h2_session *s)
{
    s->full = !bl_stream_ask_room(s->base.stream, OUTPUT_MAX);
    return !s->full;
}

/* Frames that there are go to the stream, as far as it takes them; but the next request comes before
 * others' frames. */
static void make_frames(struct bl_h2_session *s, const bool *gone)
{
    const uint8_t *data;
    ssize_t n;
    int rc;

    while (!*gone && !s->broken && has_room(s)) {
        n = nghttp2_session_mem_send(s->nghttp2, &data);
        if (n == 0)
            return;
        if (n < 0) {
            bl_h2_die(s, n == NGHTTP2_ERR_NOMEM ? BELAY_ENOMEM : BELAY_EPROTO, "writing HTTP/2: %s",
                      nghttp2_strerror((int)n));
            return;
        }
        rc = belay_stream_write(s->base.stream, data, (size_t)n);
        if (rc == BELAY_ERESET) { /* it tells so itself, once what came before has been read */
            s->full = true;
            return;
        }
        if (rc < 0) {
            bl_h2_die(s, rc, "writing HTTP/2: %s", belay_strerror(rc));
            return;
        }
        if (ends_request(data) && has_room(s) && has_work(s))
            return;
    }
}

/* The peer takes fewer at a time than it did: others may take those who wait, the last of whom is
 * given back first. */
static void give_back_rest(struct bl_h2_session *s)
{
    struct bl_list *node, *before;

    if (!s->ready || s->goaway || s->full || s->submitted < s->peer_max)
        return;
    for (node = s->unsent.prev; node != &s->unsent; node = before) {
        before = node->prev;
        bl_h2_give_back(BL_LIST_OF(node, struct bl_h2_stream, link));
    }
}

void bl_h2_flush_later(struct bl_h2_session *s)
{
    if (!s->broken)
        bl_task_post(bl_h2_loop(s), &s->flush);
}

void bl_h2_flush(void *arg)
{
    struct bl_h2_session *s = arg;
    struct bl_h2_inside in;

    if (bl_session_is_taken(&s->base))
        return;
    bl_h2_enter(s, &in);
    make_frames(s, &in.gone);
    while (!in.gone && bl_h2_hand_over(s, &in.gone) && has_work(s)) {
        if (!bl_list_empty(&s->unsent) && may_submit(s))
            submit_next(s);
        else
            feed_hungry(s, &in.gone);
        if (!in.gone)
            make_frames(s, &in.gone);
    }
    if (!in.gone && !s->broken)
        give_back_rest(s);
    bl_h2_leave(s, &in);
}
