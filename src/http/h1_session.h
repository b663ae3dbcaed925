/* SPDX-License-Identifier: MIT */
/* HTTP/1.1 on one connection: what its halves share. h1_session.c: its life; h1_send.c,
 * h1_receive.c: an exchange's. */
#ifndef BL_HTTP_H1_SESSION_H
#define BL_HTTP_H1_SESSION_H

#include "http/client.h"
#include "http/session.h"
#include "http/target.h"
#include "net/stream.h"
#include "wire/h1_write.h"

struct bl_h1_session {
    struct bl_session base;
    struct bl_exchange *exchange; /* under way; or NULL */
    struct bl_timer *timer; /* the end of what the server's Keep-Alive: timeout promised; or NULL */
    uint64_t idle_until;    /* BELAY_NEVER: it promised nothing */
    bool keep;              /* as far as the response under way tells, it may serve again */
    bool broken;            /* it may not, and what comes in is nobody's */
    bool taken;             /* the stream has become somebody else's */
};

static inline struct bl_h1_session *bl_h1_of(struct bl_session *base)
{
    return BL_CONTAINER(base, struct bl_h1_session, base);
}
static inline struct belay_loop *bl_h1_loop(const struct bl_h1_session *s)
{
    return s->base.http->loop;
}

/* The exchange is lost; it is told, last. `format` says why, in words for the end of a sentence. */
void bl_h1_fail(struct bl_h1_session *s, int code, const char *format, ...) BELAY_PRINTF(3, 4);
void bl_h1_fail_with(struct bl_h1_session *s, struct belay_error *error);
/* The response is whole, `left` bytes came after it. */
void bl_h1_complete(struct bl_h1_session *s, size_t left);
enum belay_sent bl_h1_sent(const struct bl_exchange *ex);

/* h1_send.c */
int bl_h1_send_head(struct bl_h1_session *s, struct bl_exchange *ex);
void bl_h1_pump(struct bl_h1_session *s);
/* From the loop, soon. */
void bl_h1_pump_later(struct bl_h1_session *s);
/* The rest of the body will not be sent. */
void bl_h1_stop_body(struct bl_h1_session *s);

/* h1_receive.c: consumes what it may; the exchange may be gone afterwards. */
size_t bl_h1_receive(struct bl_h1_session *s, const char *data, size_t len);
void bl_h1_receive_end(struct bl_h1_session *s);

#endif
