/* SPDX-License-Identifier: MIT */
/*
 * SOCKS, the client's side.
 *
 *     5: METHOD --none--> REPLY --0--> DONE        4: REPLY --90--> DONE
 *        METHOD --user--> SIGN_IN --0--> REPLY
 */
#include "wire/socks.h"

#include "base/assert.h"
#include "base/error.h"

enum state { METHOD, SIGN_IN, REPLY, DONE };

enum { METHOD_NONE = 0, METHOD_USER = 2, METHOD_NO_ACCEPTABLE = 255 };
enum { IPV4 = 1, NAME = 3, IPV6 = 4 };
enum { CONNECT = 1 };

/* Of text in a message: its length is one byte. */
#define TEXT_MAX 255

/* ---- what is said ---- */

static void put(struct bl_socks *s, const void *data, size_t len)
{
    BL_ASSERT(s->request_end + len <= sizeof s->out);
    memcpy(s->out + s->request_end, data, len);
    s->request_end = (uint16_t)(s->request_end + len);
}

static void put_byte(struct bl_socks *s, size_t byte)
{
    uint8_t b = (uint8_t)byte;
    put(s, &b, 1);
}

static void put_text(struct bl_socks *s, const char *text)
{
    size_t len = strlen(text);
    put_byte(s, len);
    put(s, text, len);
}

static void put_port(struct bl_socks *s, uint16_t port)
{
    put_byte(s, port >> 8);
    put_byte(s, port & 255u);
}

static void say_5(struct bl_socks *s, const struct bl_socks_want *want)
{
    put_byte(s, 5);
    put_byte(s, s->has_user ? 2 : 1);
    put_byte(s, METHOD_NONE);
    if (s->has_user)
        put_byte(s, METHOD_USER);
    s->greeting_end = s->request_end;

    if (s->has_user) {
        put_byte(s, 1); /* the version of RFC 1929 */
        put_text(s, want->user);
        put_text(s, want->password ? want->password : "");
    }
    s->credentials_end = s->request_end;

    put_byte(s, 5);
    put_byte(s, CONNECT);
    put_byte(s, 0);
    if (want->addr) {
        bool v4 = want->addr->family == BELAY_FAMILY_IPV4;
        put_byte(s, v4 ? IPV4 : IPV6);
        put(s, want->addr->u.ip, v4 ? 4 : 16);
    } else {
        put_byte(s, NAME);
        put_text(s, want->host);
    }
    put_port(s, want->port);
}

static void say_4(struct bl_socks *s, const struct bl_socks_want *want)
{
    static const uint8_t name_follows[4] = {0, 0, 0, 1};
    const char *user = want->user ? want->user : "";

    put_byte(s, 4);
    put_byte(s, CONNECT);
    put_port(s, want->port);
    put(s, want->addr ? want->addr->u.ip : name_follows, 4);
    put(s, user, strlen(user) + 1);
    if (!want->addr)
        put(s, want->host, strlen(want->host) + 1);
}

static int refuse(struct belay_error *error, const char *why)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s", why);
}

static int check(const struct bl_socks_want *want, struct belay_error *error)
{
    size_t host = want->addr ? 1 : strlen(want->host);

    if (want->addr && want->addr->family == BELAY_FAMILY_UNIX)
        return refuse(error, "SOCKS cannot ask for a Unix socket");
    if (want->version == 4 && want->addr && want->addr->family != BELAY_FAMILY_IPV4)
        return refuse(error, "SOCKS 4 can ask for IPv4 addresses only");
    if (host == 0 || host > TEXT_MAX)
        return refuse(error, "SOCKS can ask for names of 1 to 255 bytes only");
    if (want->user && strlen(want->user) > TEXT_MAX)
        return refuse(error, "the user name for the proxy is longer than 255 bytes");
    if (want->version == 5 && want->password && strlen(want->password) > TEXT_MAX)
        return refuse(error, "the password for the proxy is longer than 255 bytes");
    return 0;
}

int bl_socks_init(struct bl_socks *s, const struct bl_socks_want *want, struct belay_error *error)
{
    int rc = check(want, error);

    memset(s, 0, sizeof *s);
    if (rc < 0)
        return rc;
    s->version = (uint8_t)want->version;
    s->has_user = want->user != NULL;
    if (s->version == 5)
        say_5(s, want);
    else
        say_4(s, want);
    s->out_end = s->version == 5 ? s->greeting_end : s->request_end;
    s->state = s->version == 5 ? METHOD : REPLY;
    s->in_need = 2;
    return 0;
}

void bl_socks_fini(struct bl_socks *s)
{
    explicit_bzero(s, sizeof *s);
}

struct bl_span bl_socks_output(const struct bl_socks *s)
{
    return bl_span((const char *)s->out + s->out_at, (size_t)(s->out_end - s->out_at));
}

void bl_socks_sent(struct bl_socks *s, size_t len)
{
    BL_ASSERT(len <= (size_t)(s->out_end - s->out_at));
    s->out_at = (uint16_t)(s->out_at + len);
}

/* ---- what is answered ---- */

struct reply {
    const char *text;
    enum belay_error_kind kind;
    bool target; /* it speaks of the target, or of the way to it */
};

static const struct reply replies_5[] = {
    [1] = {"it failed, without saying why", BELAY_KIND_RETRY, true},
    [2] = {"its rules do not allow it", BELAY_KIND_FATAL, true},
    [3] = {"the network is unreachable", BELAY_KIND_RETRY, true},
    [4] = {"the host is unreachable", BELAY_KIND_RETRY, true},
    [5] = {"the connection was refused", BELAY_KIND_RETRY, true},
    [6] = {"the time to live expired", BELAY_KIND_RETRY, true},
    [7] = {"it does not know the command", BELAY_KIND_FATAL, false},
    [8] = {"it does not know the type of address", BELAY_KIND_FATAL, true},
};

static const struct reply replies_4[] = {
    [0] = {"the request was rejected, or failed", BELAY_KIND_RETRY, true},
    [1] = {"it cannot reach the identd here that it asks about users", BELAY_KIND_FATAL, false},
    [2] = {"the identd here says another user than we do", BELAY_KIND_FATAL, false},
};

enum { GRANTED_4 = 90, REJECTED_4 = 91 };

/* NULL: no such code. */
static const struct reply *reply_of(int version, int status)
{
    int i = version == 5 ? status : status - REJECTED_4;
    size_t n = version == 5 ? BL_COUNT(replies_5) : BL_COUNT(replies_4);
    const struct reply *r = version == 5 ? replies_5 : replies_4;

    return i >= 0 && (size_t)i < n && r[i].text ? &r[i] : NULL;
}

bool bl_socks_blames_target(int version, int status)
{
    const struct reply *r = reply_of(version, status);
    return r && r->target;
}

static int refused(struct belay_error *error, int status, enum belay_error_kind kind,
                   const char *text)
{
    bl_error_set(error, BELAY_EPROXY, BELAY_STAGE_NONE, "the proxy answered %d: %s", status, text);
    if (error) {
        error->status = status;
        error->kind = kind;
    }
    return BELAY_EPROXY;
}

/* Codes of RFC 1929 are another list than those of RFC 1928: both are told as the latter's 255. */
static int not_let_in(struct belay_error *error, int code, const char *text)
{
    refused(error, code, BELAY_KIND_FATAL, text);
    if (error)
        error->status = METHOD_NO_ACCEPTABLE;
    return BELAY_EPROXY;
}

static int garbled(struct belay_error *error, int version)
{
    return bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_NONE,
                        "what the proxy answered is not SOCKS %d", version);
}

/* The next of `out` is to be sent, then an answer of so many bytes will come. */
static void turn(struct bl_socks *s, enum state state, uint16_t out_end)
{
    s->state = (uint8_t)state;
    s->out_end = out_end;
    s->in_n = 0;
    s->in_need = 2;
}

static int on_method(struct bl_socks *s, struct belay_error *error)
{
    int method = s->in[1];

    if (s->in[0] != 5)
        return garbled(error, 5);
    if (method == METHOD_USER && s->has_user) {
        turn(s, SIGN_IN, s->credentials_end);
        return 0;
    }
    if (method == METHOD_NONE) {
        s->out_at = s->credentials_end; /* these are not sent */
        turn(s, REPLY, s->request_end);
        return 0;
    }
    if (method != METHOD_NO_ACCEPTABLE)
        return garbled(error, 5); /* one that was not offered */
    return not_let_in(error, method,
                      s->has_user ? "it takes another way of signing in than user and password"
                                  : "it wants a way of signing in, such as user and password");
}

static int on_signed_in(struct bl_socks *s, struct belay_error *error)
{
    /* Its version ought to be 1; some proxies say 5. */
    if (s->in[0] != 1 && s->in[0] != 5)
        return garbled(error, 5);
    if (s->in[1] != 0)
        return not_let_in(error, s->in[1], "it refuses user and password");
    turn(s, REPLY, s->request_end);
    return 0;
}

static int not_granted(struct bl_socks *s, struct belay_error *error)
{
    const struct reply *r = reply_of(s->version, s->in[1]);
    return r ? refused(error, s->in[1], r->kind, r->text)
             : refused(error, s->in[1], BELAY_KIND_FATAL, "an unknown code");
}

/* Two bytes say whether, three more how long the rest is. */
static int on_reply_5(struct bl_socks *s, struct belay_error *error)
{
    if (s->in[0] != 5)
        return garbled(error, 5);
    if (s->in[1] != 0)
        return not_granted(s, error); /* some proxies say no more than this */
    if (s->in_n < 5) {
        s->in_need = 5;
        return 0;
    }
    switch (s->in[3]) {
    case IPV4:
        s->in_need = 4 + 4 + 2;
        break;
    case IPV6:
        s->in_need = 4 + 16 + 2;
        break;
    case NAME:
        s->in_need = (uint16_t)(5 + s->in[4] + 2);
        break;
    default:
        return garbled(error, 5);
    }
    return s->in_n == s->in_need;
}

static int on_reply_4(struct bl_socks *s, struct belay_error *error)
{
    if (s->in[0] != 0 && s->in[0] != 4)
        return garbled(error, 4);
    if (s->in[1] < GRANTED_4 || s->in[1] > REJECTED_4 + 2)
        return garbled(error, 4);
    if (s->in[1] != GRANTED_4)
        return not_granted(s, error);
    s->in_need = 8;
    return s->in_n == 8;
}

static int on_answer(struct bl_socks *s, struct belay_error *error)
{
    int rc;

    if (s->state == METHOD)
        return on_method(s, error);
    if (s->state == SIGN_IN)
        return on_signed_in(s, error);
    rc = s->version == 5 ? on_reply_5(s, error) : on_reply_4(s, error);
    if (rc == 1)
        s->state = DONE;
    return rc;
}

size_t bl_socks_wants(const struct bl_socks *s)
{
    return s->state == DONE || s->out_at < s->out_end ? 0 : (size_t)(s->in_need - s->in_n);
}

int bl_socks_input(struct bl_socks *s, const void *data, size_t len, struct belay_error *error)
{
    BL_ASSERT(len <= bl_socks_wants(s));
    memcpy(s->in + s->in_n, data, len);
    s->in_n = (uint16_t)(s->in_n + len);
    return s->in_n < s->in_need ? 0 : on_answer(s, error);
}
