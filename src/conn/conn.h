/* SPDX-License-Identifier: MIT */
/*
 * A connection between its connector (below, by down-calls) and its keeper (above, by the table
 * here).
 *
 * Up-calls only record facts; they reach the keeper from a task of the same turn, so that no
 * decision is ever made in the middle of another. A keeper that closes a connection hears `closed`
 * and nothing else of it.
 */
#ifndef BL_CONN_CONN_H
#define BL_CONN_CONN_H

#include "belay/connector.h"
#include "conn/error_copy.h"
#include "net/race.h"
#include "net/stream.h"

enum bl_conn_state {
    BL_CONN_OPENING, /* dialling, or the session starting */
    BL_CONN_OPEN,    /* up; may be lost already (facts.lost) */
    BL_CONN_CLOSING, /* the connector's close, then the stream's */
    BL_CONN_CLOSED,  /* told; the keeper frees it */
};

/* What the connector last reported. Policy acts on these alone. */
struct bl_conn_facts {
    int32_t capacity;
    bool draining, suspect, lost;
    uint8_t lost_reason; /* enum belay_reason; 0 unless lost */
};
_Static_assert(offsetof(struct bl_conn_facts, lost_reason) ==
                   offsetof(struct bl_conn_facts, draining) + 3,
               "one word");

struct bl_conn_keeper_ops {
    void (*opened)(struct belay_conn *conn, void *keeper);
    /* The connection is CLOSED: free it. */
    void (*failed)(struct belay_conn *conn, const struct belay_error *error, void *keeper);
    /* Facts have changed since opened: capacity, draining, suspect, lost. */
    void (*changed)(struct belay_conn *conn, const struct belay_error *lost, void *keeper);
    void (*checked)(struct belay_conn *conn, int result, void *keeper);
    void (*closed)(struct belay_conn *conn, void *keeper); /* after bl_conn_close: free it */
    void (*due)(struct belay_conn *conn, void *keeper);    /* bl_conn_timer; NULL when unused */
    /* Its descriptor is readable while it is parked: whether nobody uses it, and it has been given
     * back. NULL: never parked. */
    bool (*stirs)(struct belay_conn *conn, void *keeper);
};

/* Only conn*.c touch its fields; the struct is here for the sake of the accessors below. */
struct belay_conn {
    struct belay_loop *loop;
    struct belay_endpoint *endpoint;
    const struct belay_connector *connector;
    const struct belay_dial_options *dial_options;
    const uint8_t *alpn; /* offered instead of the endpoint's, in wire form; NULL: that */
    size_t alpn_len;
    const struct bl_conn_keeper_ops *keeper_ops;
    void *keeper;
    struct bl_dial *dial; /* while dialling only */
    struct belay_stream *stream;
    void *state;
    struct bl_conn_more *more;  /* conn_attach.c */
    void *private_state;        /* of belay's own connectors whose state is the user's */
    struct bl_error_copy error; /* why it failed or was lost */
    struct bl_task task;        /* NEW: begin; later: tell */
    uint64_t id;
    int32_t check_result;
    uint32_t users; /* leases out, where the keeper tells of them */
    uint8_t phase;  /* enum phase */
    uint8_t tell;   /* TELL_ bits */
    uint8_t reason; /* enum belay_reason */
    bool closing;   /* the keeper asked: `closed` is told, else `failed` */
    bool fresh;
    bool taken;
    bool opened;   /* told */
    bool checking; /* the connector, or somebody, checks it */
    bool unasked;  /* it cannot be checked, though others of its connector can */
    bool parked;   /* lent, but watched: bl_conn_set_parked */
    bool deaf;     /* to up-calls: what is attached is being ended */
    bool cut;      /* its stream is being closed under the connector */
    /* What every lease looks at, beside the keeper's own. */
    struct bl_timer timer; /* SESSION, ENDING: limit; OPEN: the keeper's */
    struct bl_conn_facts facts;
    _Alignas(max_align_t) char extra[];
};

/*
 * Makes a connection and begins to open it. It embeds `extra` bytes for the keeper (bl_conn_extra),
 * zeroed. `ops`, `keeper`, `connector` and *dial must outlive it; of the endpoint a reference is
 * taken. The keeper is called back later, once: opened or failed. BELAY_ENOMEM.
 */
int bl_conn_open(struct belay_loop *loop, struct belay_endpoint *endpoint,
                 const struct belay_connector *connector, const struct belay_dial_options *dial,
                 bool fresh, const struct bl_conn_keeper_ops *ops, void *keeper, size_t extra,
                 struct belay_conn **ret);

/* Its keeper's own limit passes before it is open: what it was at, and the addresses tried, which
 * are put into `tried`. */
void bl_conn_describe_limit(struct belay_conn *conn, int64_t limit_ms, struct belay_error *error,
                            struct belay_tried tried[BL_RACE_MAX]);

/* Ends it from any state; `closed` follows, later. Never fails. Again: harmless. */
void bl_conn_close(struct belay_conn *conn, enum belay_reason reason);
/* Only in `failed` and `closed`. */
void bl_conn_free(struct belay_conn *conn);

/* Hands the stream over to somebody else for good; then only bl_conn_close. NULL in form 2. */
struct belay_stream *bl_conn_take(struct belay_conn *conn);

/* Another keeper takes it over, idle; its connector has the same functions and context. */
static inline void bl_conn_adopt(struct belay_conn *conn, const struct belay_connector *connector,
                                 const struct belay_dial_options *dial, void *keeper)
{
    conn->connector = connector;
    conn->dial_options = dial;
    conn->keeper = keeper;
}

bool bl_conn_can_check(const struct belay_conn *conn);
/* Before it is open: whether this one can be checked, by a connector of several protocols. */
static inline void bl_conn_set_checkable(struct belay_conn *conn, bool checkable)
{
    conn->unasked = !checkable;
}
void bl_conn_check(struct belay_conn *conn); /* `checked` follows */
/* Somebody else is about to check it, and may watch its descriptor: until belay_conn_checked, or
 * false. */
void bl_conn_set_checking(struct belay_conn *conn, bool checking);

/* Before it is dialled: what it offers, in wire form, in place of its endpoint's; NULL: that. */
static inline void bl_conn_offer(struct belay_conn *conn, const uint8_t *alpn, size_t len)
{
    conn->alpn = alpn;
    conn->alpn_len = len;
}

/* What the connector says of it now; true where it cannot be asked, or it is not open. */
bool bl_conn_is_healthy(struct belay_conn *conn);
/* Whether the connector has anything to say: a keeper asks once. */
bool bl_conn_minds_health(const struct belay_conn *conn);

/* Whether acquired and released have anything to do: a keeper asks once, at opened, and spares
 * itself the calls. */
bool bl_conn_minds_leases(const struct belay_conn *conn);
void bl_conn_acquired(struct belay_conn *conn);
void bl_conn_released(struct belay_conn *conn);
/* Whether leases may come and go without anybody's being told: neither connector nor stream has
 * anything to do then. A descriptor may still be watched, lazily. */
bool bl_conn_parks(const struct belay_conn *conn);
/* It is lent to somebody who does not use it at the moment: its descriptor is watched until it
 * stirs, and the keeper is asked then. */
void bl_conn_set_parked(struct belay_conn *conn, bool parked);
/* Its lease was revoked, and is not back: who waits for its stream is told. */
void bl_conn_interrupt(struct belay_conn *conn);
bool bl_conn_has_descriptor(const struct belay_conn *conn);
/* It has been idle for a while: gives its buffers back. */
void bl_conn_idle(struct belay_conn *conn);

/* The connection's timer is the keeper's while it is open: `due` runs then. */
static inline struct bl_timer *bl_conn_timer(struct belay_conn *conn)
{
    return &conn->timer;
}
static inline const struct bl_conn_facts *bl_conn_facts(const struct belay_conn *conn)
{
    return &conn->facts;
}
/* Whether anything has been reported against it: one load, as it is asked at every lease. */
static inline bool bl_conn_is_troubled(const struct belay_conn *conn)
{
    uint32_t bits;

    memcpy(&bits, &conn->facts.draining, sizeof bits);
    return bits != 0;
}
/* Why it failed or was lost; NULL: it did not. */
static inline const struct belay_error *bl_conn_error(const struct belay_conn *conn,
                                                      struct belay_error *scratch)
{
    return conn->error.code ? bl_error_copy_get(&conn->error, scratch, conn->endpoint) : NULL;
}
static inline void *bl_conn_extra(struct belay_conn *conn)
{
    return conn->extra;
}
static inline struct belay_conn *bl_conn_of_extra(void *extra)
{
    return BL_CONTAINER(extra, struct belay_conn, extra);
}
enum bl_conn_state bl_conn_get_state(const struct belay_conn *conn);

/* The effective options of how to dial; EINVAL names the field. */
int bl_dial_options_resolve(struct belay_dial_options *out, const struct belay_dial_options *given,
                            struct belay_error *error);
struct bl_stream_options bl_dial_stream_options(const struct belay_dial_options *effective);

#endif
