/* SPDX-License-Identifier: MIT */
/*
 * belay/error.h - the one table of errors, what an error carries, and the closed lists of stages
 * and reasons. Everything here may be called from any thread.
 */
#ifndef BELAY_ERROR_H
#define BELAY_ERROR_H

#include "belay/addr.h"
#include "belay/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What kind of error it is decides what may be done about it. */
#define BELAY_ERROR_KINDS(X)                                                                       \
    X(USAGE, "usage")         /* the program is wrong */                                           \
    X(LIMIT, "limit")         /* a limit of this process was met; the peer is not to blame */      \
    X(RETRY, "retry")         /* may work another time */                                          \
    X(FATAL, "fatal")         /* will fail again until something is changed */                     \
    X(CANCELLED, "cancelled") /* somebody here asked for it */

/* X(name, number, kind, text). Numbers never change and never mean anything else. */
#define BELAY_ERRORS(X)                                                                            \
    X(ENOMEM, -10001, LIMIT, "out of memory")                                                      \
    X(EINVAL, -10002, USAGE, "invalid argument")                                                   \
    X(EAGAIN, -10003, RETRY, "not possible without waiting")                                       \
    X(ESTALE, -10004, USAGE, "the lease was released, taken or revoked")                           \
    X(ECLOSED, -10005, CANCELLED, "closed")                                                        \
    X(ECANCELLED, -10006, CANCELLED, "cancelled")                                                  \
    X(EDEADLK, -10007, USAGE, "would wait for the loop that is waiting for this call")             \
    X(ENOTRUNNING, -10008, USAGE, "nobody runs the loop")                                          \
    X(ETIMEDOUT, -10009, RETRY, "timed out")                                                       \
    X(EFULL, -10010, LIMIT, "too many are waiting already")                                        \
    X(ELIMIT, -10011, LIMIT, "a configured limit was exceeded")                                    \
    X(EMFILE, -10012, LIMIT, "no more file descriptors")                                           \
    X(EOS, -10013, LIMIT, "the operating system refused")                                          \
    X(EFILE, -10014, USAGE, "a file could not be used")                                            \
    X(ENOTSUP, -10015, USAGE, "not supported")                                                     \
    X(ENONAME, -10016, FATAL, "no such name")                                                      \
    X(EDNS, -10017, RETRY, "the name could not be looked up")                                      \
    X(ECONNECT, -10018, RETRY, "could not connect")                                                \
    X(ERESET, -10019, RETRY, "the connection was reset")                                           \
    X(EEOF, -10020, RETRY, "the peer closed the connection")                                       \
    X(ETLS, -10021, FATAL, "TLS failed")                                                           \
    X(ECERT, -10022, FATAL, "the peer's certificate was refused")                                  \
    X(EPIN, -10023, FATAL, "the peer's public key is not the pinned one")                          \
    X(EALPN, -10024, FATAL, "no protocol in common with the peer")                                 \
    X(EPROTO, -10025, FATAL, "the peer broke the protocol")                                        \
    X(EREDIRECT, -10026, LIMIT, "too many redirects")                                              \
    X(ESLOW, -10027, RETRY, "slower than the minimum throughput")                                  \
    X(EABORTED, -10028, CANCELLED, "a callback asked to stop")                                     \
    X(EUNHEALTHY, -10029, RETRY, "the connection failed its check")                                \
    X(EPROXY, -10030, FATAL, "the proxy refused")                                                  \
    X(ENOPROC, -10031, USAGE, "no such process, or it has ended")                                  \
    X(EEXISTS, -10032, USAGE, "the name is taken")                                                 \
    X(EUNHANDLED, -10033, USAGE, "the behaviour has no callback for it")                           \
    X(EBADRETURN, -10034, USAGE, "a callback returned what makes no sense there")                  \
    X(EIGNORED, -10035, CANCELLED, "it did not want to start")                                     \
    X(ERESTARTS, -10036, FATAL, "started again too often")                                         \
    X(EGIVENUP, -10037, FATAL, "all attempts are spent")

enum belay_error_code {
#define X(name, number, kind, text) BELAY_##name = (number),
    BELAY_ERRORS(X)
#undef X
};

enum belay_error_kind {
    BELAY_KIND_NONE = 0,
#define X(name, text) BELAY_KIND_##name,
    BELAY_ERROR_KINDS(X)
#undef X
};

/* What was being done when it failed; a time limit belongs to one of these. */
#define BELAY_STAGES(X)                                                                            \
    X(QUEUE, "queue") /* waiting for a connection of the pool */                                   \
    X(RESOLVE, "resolve")                                                                          \
    X(CONNECT, "connect")                                                                          \
    X(PROXY, "proxy")                                                                              \
    X(TLS, "tls")                                                                                  \
    X(PROTOCOL, "protocol") /* the connector's session starting */                                 \
    X(USE, "use")                                                                                  \
    X(CLOSE, "close")

enum belay_stage {
    BELAY_STAGE_NONE = 0,
#define X(name, text) BELAY_STAGE_##name,
    BELAY_STAGES(X)
#undef X
        BELAY_STAGES_N
};

/* Why a connection ended: the same words in events, hooks and statistics. */
#define BELAY_REASONS(X)                                                                           \
    X(IDLE, "idle")                 /* idle for max_idle_time */                                   \
    X(LIFETIME, "lifetime")         /* older than max_connection_lifetime */                       \
    X(USES, "uses")                 /* used max_connection_uses times */                           \
    X(UNHEALTHY, "unhealthy")       /* a check failed, or bytes came that nobody asked for */      \
    X(PEER_CLOSED, "peer_closed")   /* the peer closed it while nobody used it */                  \
    X(DRAINING, "draining")         /* the peer announced that it will close */                    \
    X(ERROR, "error")               /* it failed while in use */                                   \
    X(BROKEN, "broken")             /* released as broken */                                       \
    X(EVICTED, "evicted")           /* made room: for another endpoint, a descriptor, a limit */   \
    X(CLEARED, "cleared")           /* its endpoint was cleared, or the network changed */         \
    X(RETIRED, "retired")           /* its address is none of its name's any more */               \
    X(TAKEN, "taken")               /* belay_lease_take: it lives on in other hands */             \
    X(OPEN_FAILED, "open_failed")   /* never came up */                                            \
    X(POOL_CLOSED, "pool_closed")   /* its pool or cache was closed or drained */                  \
    X(OWNER_CLOSED, "owner_closed") /* its owner closed it */

enum belay_reason {
    BELAY_REASON_NONE = 0,
#define X(name, text) BELAY_REASON_##name,
    BELAY_REASONS(X)
#undef X
        BELAY_REASONS_N
};

/* Whether the peer can have seen what was asked: decides whether asking again is safe. */
enum belay_sent {
    BELAY_NOT_SENT = 0, /* no byte of it left this process, or the peer said it ignored it */
    BELAY_MAYBE_SENT,   /* some left; no answer was seen */
    BELAY_ANSWERED,     /* the answer had begun */
};

/* One address that was tried, within one attempt. */
struct belay_tried {
    struct belay_addr addr;
    int os_error;    /* errno; 0 when it was given up for another or for time */
    int64_t took_ms; /* from its start to its end */
};

#define BELAY_ERROR_TEXT_MAX 320

/*
 * An error with its circumstances. A callback's is the library's and lives until the callback
 * returns; belay_error_dup keeps one. Where a function takes a `struct belay_error *`, it may be
 * NULL, and is written only when the function fails; `tried` is then empty.
 */
struct belay_error {
    int code; /* enum belay_error_code */
    enum belay_error_kind kind;
    enum belay_stage stage;
    enum belay_reason reason; /* of the connection's end, where one ended */
    enum belay_sent sent;
    bool final;    /* whoever said so wants no further attempt */
    int os_error;  /* errno, or 0 */
    long tls_code; /* OpenSSL's verify result or error code, or 0 */
    int status;    /* protocol status (HTTP), or 0 */
    int attempt;   /* which attempt it was, from 1; 0 when that has no meaning */
    const struct belay_tried *tried;
    size_t tried_n;
    char text[BELAY_ERROR_TEXT_MAX]; /* a sentence: what was being done, to whom, what happened */
};

/* Text of a code ("timed out"), its name ("ETIMEDOUT"), its kind. Unknown codes have texts too. */
BELAY_API const char *belay_strerror(int code);
BELAY_API const char *belay_error_name(int code);
BELAY_API enum belay_error_kind belay_error_kind_of(int code);

BELAY_API const char *belay_kind_name(enum belay_error_kind kind);
BELAY_API const char *belay_stage_name(enum belay_stage stage);
BELAY_API const char *belay_reason_name(enum belay_reason reason);

/*
 * A copy that is the caller's, to be freed with belay_error_free; from malloc, so it may outlive
 * its loop. NULL when memory is out.
 */
BELAY_API struct belay_error *belay_error_dup(const struct belay_error *error);
BELAY_API void belay_error_free(struct belay_error *error);

/* Equal by code, stage, OS error and last address; attempts, times and text do not count. */
BELAY_API bool belay_error_equal(const struct belay_error *a, const struct belay_error *b);

#ifdef __cplusplus
}
#endif

#endif
