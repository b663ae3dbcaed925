/* SPDX-License-Identifier: MIT */
/*
 * Channels under watch: calls to servers of gRPC over HTTP/2 (h2_server.h), each call with a number that its server tells back,
 * so that the oracle knows who has acted upon it, how often, and what was said. Laws:
 *
 *     a call ends once, never inside a call, nor after it was cancelled; a channel's calls end before it does;
 *     a status of the server's is one that a server has given to this very call, with its words, after all its messages,
 *     in order; one of belay's is what befell the call: a reset, an answer that is none, a deadline that has passed, a closed channel;
 *     without a retry policy a call is acted upon once at most, with one as often as it allows; grpc-previous-rpc-attempts
 *     never denies one that was; what is said not to be sent was not acted upon;
 *     no call goes on beyond its deadline, waits while the channel fails and it would not, or while there is room;
 *     an address is not dialled again before its backoff; with pick_first one is used, with round_robin each;
 *     who said it does not serve gets no call; retries stop when servers fail all the time;
 *     a stream whose call is over is reset, one whose call goes on is told of at once;
 *     after the end nothing is left.
 */
#ifndef TEST_SIM_GRPC_RIG_H
#define TEST_SIM_GRPC_RIG_H

#include "sim/h2_server.h"
#include "sim/life.h"

#define GRPC_CHANNELS_MAX 2
#define GRPC_HOSTS_MAX    4
#define GRPC_ATTEMPTS_MAX 32

#define GRPC_DEEDS(X)                                                                              \
    X(CALL, "call")                                                                                \
    X(UNARY, "unary call")                                                                         \
    X(STREAMING, "call of many messages")                                                          \
    X(OK, "call OK")                                                                               \
    X(STATUS, "call with another status of the server's")                                          \
    X(OWN_STATUS, "call with a status of belay's")                                                 \
    X(CANCELLED, "call cancelled")                                                                 \
    X(RESUMED, "reader resumed")                                                                   \
    X(FULL, "write that must wait")                                                                \
    X(DEADLINE, "deadline passed")                                                                 \
    X(UNAVAILABLE, "UNAVAILABLE for want of a connection")                                         \
    X(WAITS, "call that waits for READY")                                                          \
    X(RETRIED, "call retried")                                                                     \
    X(TRANSPARENT, "call sent again that no server has seen")                                      \
    X(PUSHBACK, "pushback")                                                                        \
    X(HTTP, "answer that is not gRPC's")                                                           \
    X(NO_STATUS, "answer without a status")                                                        \
    X(STATUS_ALONE, "trailers alone")                                                              \
    X(PICK_FIRST, "channel with pick_first")                                                       \
    X(ROUND_ROBIN, "channel with round_robin")                                                     \
    X(BY_NAME, "channel by name")                                                                  \
    X(WITH_RETRY, "channel with a retry policy")                                                   \
    X(WITH_HEALTH, "channel that asks for health")                                                 \
    X(NOT_SERVING, "server that does not serve")                                                   \
    X(SERVING, "server that serves again")                                                         \
    X(NO_HEALTH, "server without the health service")                                              \
    X(CONNECT, "connect")                                                                          \
    X(RESET_BACKOFF, "backoff reset")                                                              \
    X(NAME_FAILS, "name fails")                                                                    \
    X(NAME_MISSING, "name missing")                                                                \
    X(NAME_SLOW, "name slow")                                                                      \
    X(ADDRESSES, "other addresses")                                                                \
    X(IDLE, "state IDLE")                                                                          \
    X(CONNECTING, "state CONNECTING")                                                              \
    X(READY, "state READY")                                                                        \
    X(TRANSIENT_FAILURE, "state TRANSIENT_FAILURE")                                                \
    X(SHUTDOWN, "state SHUTDOWN")                                                                  \
    X(SEVERAL, "several connections to an address")                                                \
    X(CLOSE, "closed with calls under way")                                                        \
    X(DRAIN, "drained")                                                                            \
    X(THROTTLED, "storm of failures throttled")                                                    \
    X(BACKED_OFF, "dialled again after a failure")                                                 \
    X(IN_CALLBACK, "something done in a callback")

enum grpc_deed {
    GRPC_DEED_FIRST = H2_SERVER_DEEDS_N - 1,
#define X(name, text) GRPC_##name,
    GRPC_DEEDS(X)
#undef X
        GRPC_DEEDS_N
};

struct grpc_lives;
struct grpc_channel;

/* What a server has said at the end of an attempt, where it is no status. */
enum { TOLD_NOTHING = -1, TOLD_HTTP = -2, TOLD_NO_STATUS = -3, TOLD_RESET = -4, TOLD_REFUSED = -5 };

struct grpc_attempt {
    bool acted;
    int told;
    uint32_t code; /* of a reset, or the HTTP status */
    long previous; /* attempts, as it says */
    unsigned said; /* messages */
};

struct grpc_call {
    struct bl_list link; /* of all */
    struct grpc_lives *all;
    struct grpc_channel *channel;
    size_t number;
    uint64_t id; /* in the trace */
    char state[16];
    struct belay_rpc *rpc; /* NULL: over */
    bool unary, echo, waits_for_ready;
    unsigned sends, written, filler; /* messages; each with so many bytes more */
    bool ended, full, paused;
    unsigned got;
    uint64_t asked_ns, deadline_ns;
    bool done, cancelled;
    int status;
    struct grpc_attempt attempts[GRPC_ATTEMPTS_MAX];
    unsigned attempts_n, acted;
};

/* What a host is for its channel. */
struct grpc_host {
    struct h2_host h2;
    struct grpc_channel *channel;
    struct belay_addr addr, told; /* its first; as its name last told it */
    unsigned fails;               /* per cent of calls end with another status */
    unsigned strange;             /* ... with none */
    int always;                   /* each with this one; 0: no */
    bool serving, no_health;
    bool published;
    uint64_t left_ns;                /* when it was last not, or another address of it was */
    uint64_t dialed_ns, forgiven_ns; /* the last dial; since when an early one is no wonder */
    bool refused;                    /* the last dial met a host that refuses */
};

struct grpc_channel {
    struct grpc_lives *all;
    int n;
    struct grpc_host hosts[GRPC_HOSTS_MAX];
    int hosts_n;
    struct belay_channel *channel;
    struct belay_channel_options options;
    struct belay_backoff_options backoff;
    struct belay_retry_policy retry;
    bool by_name;
    char name[32], target[160];
    bool closing, drained, over;
    enum belay_channel_state told; /* 0: nothing yet */
    unsigned under_way;
};

struct grpc_lives {
    struct life life;
    struct sim_world *w;
    struct met *met;
    struct grpc_channel channels[GRPC_CHANNELS_MAX];
    int n;
    struct bl_list calls;
    size_t numbers;
    unsigned pauses;
    int in_call;
    bool lenient, reckless;
    void (*then)(struct grpc_channel *ch); /* in each callback */
};

static inline void grpc_did(struct grpc_lives *all, enum grpc_deed deed)
{
    all->met->deeds[deed]++;
}

/* grpc_server.c */
extern const struct h2_app grpc_server;            /* its arg is struct grpc_host */
size_t grpc_number_of(const struct h2_stream *st); /* 0: it is no call */
void grpc_tell_health(struct grpc_host *h);        /* to all who watch */

/* grpc_calls.c */
struct grpc_call_plan {
    bool unary, echo, waits_for_ready;
    unsigned sends, filler;
    int64_t deadline_ms; /* 0: none */
};
struct grpc_call *grpc_call(struct grpc_channel *ch, const struct grpc_call_plan *plan);
struct grpc_call *grpc_call_numbered(struct grpc_lives *all, size_t number);
void grpc_cancel(struct grpc_call *call);
void grpc_resume(struct grpc_call *call);
void grpc_write(struct grpc_call *call); /* as much as it takes */
static inline bool grpc_goes_on(const struct grpc_call *call)
{
    return !call->done && !call->cancelled;
}
/* 8 bytes: whose, and the how manieth; then filler. */
#define GRPC_MESSAGE 8
void grpc_fill_message(uint8_t *out, size_t number, unsigned index, unsigned filler);
bool grpc_is_message(const uint8_t *data, size_t len, size_t number, unsigned index);

/* grpc_oracle.c */
void grpc_oracle_attach(struct grpc_lives *all);
void grpc_oracle_ended(struct grpc_call *call, const struct belay_rpc_result *result);
void grpc_oracle_trace(struct grpc_lives *all, const struct belay_trace *trace);

/* grpc_draw.c */
int grpc_channel_new(struct grpc_lives *all, int n); /* -1: it cannot be made */
void grpc_name_disturb(struct grpc_channel *ch);
void grpc_name_heal(struct grpc_channel *ch);

/* grpc_history.c */
int grpc_history_run(uint64_t seed, const struct history_options *options, struct met *met,
                     char *text, size_t size);

#endif
