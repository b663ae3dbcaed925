/* SPDX-License-Identifier: MIT */
/*
 * belay/grpc.h - gRPC: a channel to a service, and calls on it.
 *
 *     struct belay_unary_result result = belay_unary_result_init();
 *     belay_channel_open(loop, "dns:etcd.internal:2379", NULL, &channel, &error);
 *     rc = belay_channel_unary_wait(channel, "/etcdserverpb.KV/Range", request, request_len, NULL,
 *                                   &result, &error);
 *
 * A channel looks its target up, keeps connections to the addresses it finds (one, or one each),
 * and carries calls over them. It connects when there is a call, backs off as the gRPC connection
 * backoff protocol says, looks the name up again when a connection fails or is told to go away, and
 * opens further connections where streams run out. A call that the server has not seen is sent
 * again without anybody's doing; one that failed may be, by a retry policy.
 *
 * Messages are bytes: serialising them is the caller's, or protobuf-c's, whose generated stubs work
 * over a channel by an adapter of its own (belay-protobuf-c.h).
 */
#ifndef BELAY_GRPC_H
#define BELAY_GRPC_H

#include "belay/backoff.h"
#include "belay/child.h"
#include "belay/grpc_status.h"
#include "belay/header.h"
#include "belay/http.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_channel;
struct belay_rpc; /* one call under way */

/*
 * What a call came to. What it points to lives until the callback returns. The statuses that belay
 * makes by itself; what the server says is told as it was said.
 *
 * CANCELLED           the channel was closed; or the server reset the call with CANCEL
 * DEADLINE_EXCEEDED   deadline_ms, in whatever phase: the message says which
 * UNAVAILABLE         no connection, without wait_for_ready; a connection that was lost; a refused
 *                     call; HTTP 429, 502, 503, 504; credentials that fail for a while
 * UNAUTHENTICATED     no credentials; HTTP 401
 * PERMISSION_DENIED   HTTP 403; RST_STREAM with INADEQUATE_SECURITY
 * UNIMPLEMENTED       HTTP 404; a unary answer of none or more than one message
 * RESOURCE_EXHAUSTED  max_receive_bytes, max_metadata_bytes; memory; RST_STREAM with
 *                     ENHANCE_YOUR_CALM
 * INTERNAL            what is no gRPC within an answer: half messages, bad gzip or base64, an
 *                     encoding that was not offered; other codes of RST_STREAM; HTTP 400, 431
 * UNKNOWN             no status, one that is no code, another HTTP status or content-type
 */
struct belay_rpc_result {
    size_t size;
    int status;          /* enum belay_grpc_status; a number that is none of them is UNKNOWN */
    const char *message; /* of the server, decoded, or belay's; never NULL */
    const struct belay_error
        *error; /* where the status is belay's own making; NULL: the server's */
    const struct belay_header *trailers; /* custom ones; values of "-bin" keys are decoded */
    size_t trailers_n;
    int32_t attempts; /* sent so often; more than 1: it was retried */
};

/* ---- channels ---- */

enum belay_channel_state {
    BELAY_CHANNEL_IDLE = 1,          /* no connection, and nobody wants one */
    BELAY_CHANNEL_CONNECTING,        /* calls wait */
    BELAY_CHANNEL_READY,             /* they go */
    BELAY_CHANNEL_TRANSIENT_FAILURE, /* all addresses failed: they fail, but those with wait_for_ready;
                                        it goes on trying, and stays so until it is READY */
    BELAY_CHANNEL_SHUTDOWN,          /* closed */
};
BELAY_API const char *belay_channel_state_name(enum belay_channel_state state);

enum belay_lb_policy {
    BELAY_PICK_FIRST = 0, /* one connection, to the first address that answers */
    BELAY_ROUND_ROBIN,    /* one to each address, in turn */
};

/* Retries of calls that failed (gRFC A6), also for want of a connection, before a byte of the answer
 * was seen and while what was written is kept (262,144 bytes); all zero: none but transparent ones. A
 * server may say when, or never, by grpc-retry-pushback-ms. */
struct belay_retry_policy {
    size_t size;
    int32_t attempts_max;   /* BELAY_NONE; else 2 to 5, the first one included */
    int64_t delay_ms;       /* 1,000, of which a random part is waited, from 0 */
    int64_t delay_max_ms;   /* 10,000; before its part is taken */
    int32_t factor_percent; /* 150; each delay to the next */
    uint32_t statuses;      /* 16,384, UNAVAILABLE alone; 1u << status of each that is retried */
    int32_t tokens_max;     /* 10, of throttling; a failure takes one, a success gives a tenth back,
                               and at half of them or below none is retried */
};
BELAY_OPTIONS_INIT(belay_retry_policy)

/* Asked before each attempt of a call, and answers at once or later by belay_rpc_credentials_done:
 * once each time, also when the call has ended meanwhile, and before the loop is freed. */
typedef void belay_rpc_credentials_fn(struct belay_rpc *rpc, const char *method, void *arg);

/* In this order docs/options.md has them as a table; a test compares. */
struct belay_channel_options {
    size_t size;
    bool plain;             /* no TLS, where the target does not say; "grpc://" */
    struct belay_tls *tls;  /* NULL: the defaults */
    const char *authority;  /* NULL: the target's; ":authority", and the name that TLS verifies */
    const char *user_agent; /* NULL: none; before belay's own */
    const struct belay_endpoint_options *route; /* as of belay_http_options; NULL: plainly */
    enum belay_lb_policy lb_policy;
    const struct belay_backoff_options *backoff; /* NULL: as gRPC says, 1,000 ms, x 160 % up to
                                                    120,000, +-20 % */
    int64_t connect_timeout_ms;                  /* 20,000, of one attempt */
    int64_t idle_timeout_ms;                     /* 1,800,000 without a call; then it disconnects */
    int64_t keepalive_ms;                   /* BELAY_FOREVER: a PING after so long without a byte */
    int64_t keepalive_timeout_ms;           /* 20,000 */
    bool keepalive_when_idle;               /* also without calls */
    int32_t max_receive_bytes;              /* 4,194,304, of one message, decompressed */
    int32_t max_send_bytes;                 /* BELAY_FOREVER */
    int32_t max_metadata_bytes;             /* 16,384 */
    int32_t max_connections;                /* 8, to one address, where streams run out */
    int32_t max_calls;                      /* 10,000, waiting or under way */
    const struct belay_retry_policy *retry; /* NULL: none */
    bool gzip;                  /* messages are compressed, where that makes them smaller */
    const char *health_service; /* only connections whose grpc.health.v1 says SERVING are used, of
                                      that service; "": of the server; NULL: not asked */
    belay_rpc_credentials_fn *credentials; /* NULL: none */
    void *credentials_arg;
};
BELAY_OPTIONS_INIT(belay_channel_options)

/*
 * Targets: "host:port", "dns:[//server/]host[:port]", "ipv4:1.2.3.4:50051,1.2.3.5:50051",
 * "ipv6:[::1]:50051,...", "unix:path", "unix:///path", "unix-abstract:name",
 * "grpc://host[:port]" (plain), "grpcs://host[:port]" (TLS). With TLS where neither it nor the
 * option `plain` says otherwise; port 443, with "grpc://" 80, where it says none. It connects with
 * the first call, or belay_channel_connect. BELAY_EINVAL: `error` names the part of the target, or
 * the option; BELAY_ENOTSUP: the target names a DNS server of its own (the loop's option dns_servers
 * is the way); BELAY_ENOMEM, BELAY_ECLOSED.
 */
BELAY_API int belay_channel_open(struct belay_loop *loop, const char *target,
                                 const struct belay_channel_options *options,
                                 struct belay_channel **ret_channel, struct belay_error *error);
/* Calls under way end with CANCELLED; with drain they finish first. No further ones are accepted. May be
 * called again. on_closed (may be NULL) runs once, and the channel is freed, unless there are
 * references to it. NULL is closed already. */
BELAY_API void belay_channel_close(struct belay_channel *channel, belay_fn *on_closed, void *arg);
BELAY_API void belay_channel_drain(struct belay_channel *channel, belay_fn *on_closed, void *arg);
/* It may be asked whether it is closed as long as there is a reference; all are given back before the
 * loop ends. */
BELAY_API struct belay_channel *belay_channel_ref(struct belay_channel *channel);
BELAY_API void belay_channel_unref(struct belay_channel *channel);
BELAY_API bool belay_channel_is_closed(const struct belay_channel *channel);
BELAY_API struct belay_loop *belay_channel_loop(const struct belay_channel *channel);

BELAY_API enum belay_channel_state belay_channel_get_state(const struct belay_channel *channel);
/* Connects, if it is idle. */
BELAY_API void belay_channel_connect(struct belay_channel *channel);
/* Tries now, and forgets how often it has failed. What an error called final had ended is tried
 * again. */
BELAY_API void belay_channel_reset_backoff(struct belay_channel *channel);
/* fn runs at each change of state, in a later turn; one per channel, NULL takes it away. `error` is
 * why a connection was lost, a GOAWAY included, or could not be made; NULL with other changes. */
typedef void belay_channel_state_fn(struct belay_channel *channel, enum belay_channel_state state,
                                    const struct belay_error *error, void *arg);
BELAY_API void belay_channel_watch(struct belay_channel *channel, belay_channel_state_fn *fn,
                                   void *arg);
/* Connects, and waits until it is READY; meanwhile it does not go to sleep. BELAY_ETIMEDOUT (with the
 * last failure), BELAY_ECLOSED. ANY THREAD, see belay/loop.h. */
BELAY_API int belay_channel_ready_wait(struct belay_channel *channel, int64_t timeout_ms,
                                       struct belay_error *error);
/* Waits until the state is another than `from`; it does not connect by itself. What came and went
 * within one turn is not seen; a channel that is closed meanwhile is SHUTDOWN. BELAY_ETIMEDOUT,
 * BELAY_ECLOSED (it was closed before). ANY THREAD, see belay/loop.h. */
BELAY_API int belay_channel_change_wait(struct belay_channel *channel,
                                        enum belay_channel_state from, int64_t timeout_ms,
                                        enum belay_channel_state *ret_state);

struct belay_channel_stats {
    size_t size;
    enum belay_channel_state state;
    /* At present. */
    uint32_t addresses;
    uint32_t connecting;  /* attempts under way */
    uint32_t connections; /* that take calls */
    uint32_t ending;      /* connections that take none any more, and still have some */
    uint32_t calls;       /* accepted, and not ended */
    uint32_t waiting;     /* of them, for a connection, or for room on one */
    /* Since it was opened. */
    uint64_t lookups, lookups_failed;
    uint64_t connected, connect_failed;
    uint64_t calls_started;
    uint64_t calls_ok, calls_failed, calls_cancelled; /* ended so; cancelled: by the caller */
    uint64_t retries;                                 /* attempts beyond the first of a call */
};
BELAY_OPTIONS_INIT(belay_channel_stats)
BELAY_API void belay_channel_get_stats(const struct belay_channel *channel,
                                       struct belay_channel_stats *stats);

/* ---- calls ---- */

struct belay_rpc_options {
    size_t size;
    int64_t deadline_ms;                 /* from now; BELAY_FOREVER. Sent as grpc-timeout */
    const struct belay_header *metadata; /* lower-case names; values of "-bin" ones are any bytes */
    size_t metadata_n;
    bool wait_for_ready; /* wait while the channel fails to connect, instead of UNAVAILABLE */
    bool no_gzip;
    const char *authority;
};
BELAY_OPTIONS_INIT(belay_rpc_options)

/* All may be NULL but on_done. Copied. */
struct belay_rpc_callbacks {
    size_t size;
    void (*on_headers)(struct belay_rpc *rpc, const struct belay_header *headers, size_t n,
                       void *arg);
    /* One message, whole; the next comes after this returns, or, after belay_rpc_pause,
     * belay_rpc_resume. A paused call may end all the same: by its deadline, or with its connection. */
    void (*on_message)(struct belay_rpc *rpc, const void *data, size_t len, void *arg);
    /* There is room to write again, after BELAY_EAGAIN. */
    void (*on_writable)(struct belay_rpc *rpc, void *arg);
    /* Once, last. The call is gone afterwards. */
    void (*on_done)(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg);
};
BELAY_OPTIONS_INIT(belay_rpc_callbacks)

/*
 * Starts a call, of any kind: messages are written with belay_rpc_write, connected or not, and
 * belay_rpc_end says that no more come. `method` is "/package.Service/Method". On 0, on_done runs
 * once, later; *ret_rpc (ret_rpc may be NULL) is valid until it returns. BELAY_EINVAL (the method or
 * metadata, `error` says what), BELAY_EFULL (max_calls), BELAY_ECLOSED, BELAY_ENOMEM.
 */
BELAY_API int belay_rpc_start(struct belay_channel *channel, const char *method,
                              const struct belay_rpc_options *options,
                              const struct belay_rpc_callbacks *callbacks, void *arg,
                              struct belay_rpc **ret_rpc, struct belay_error *error);
/* Copied. BELAY_EAGAIN: too much is waiting to be sent; on_writable follows. BELAY_ELIMIT
 * (max_send_bytes), BELAY_ECLOSED (after end, or the call is over), BELAY_EINVAL, BELAY_ENOMEM. */
BELAY_API int belay_rpc_write(struct belay_rpc *rpc, const void *message, size_t len);
/* Whether messages written from now on are compressed, where that makes them smaller; at first they
 * are, where the channel says so. BELAY_ENOTSUP: the call was started without (the channel's gzip,
 * no_gzip), and the server knows of none. */
BELAY_API int belay_rpc_set_gzip(struct belay_rpc *rpc, bool on);
BELAY_API void belay_rpc_end(struct belay_rpc *rpc);
BELAY_API void belay_rpc_pause(struct belay_rpc *rpc);
BELAY_API void belay_rpc_resume(struct belay_rpc *rpc);
/* The server is told; on_done does not run, and the call is gone. NULL: nothing. */
BELAY_API void belay_rpc_cancel(struct belay_rpc *rpc);
/* Of the credentials hook: metadata to be added (copied), or an error (kind retry: UNAVAILABLE, else
 * UNAUTHENTICATED). */
BELAY_API void belay_rpc_credentials_done(struct belay_rpc *rpc,
                                          const struct belay_header *metadata, size_t n,
                                          const struct belay_error *error);

/*
 * One message there, one back: `response` is NULL unless the status is OK; an answer of none or more
 * is UNIMPLEMENTED. Who wants the headers, too, starts it by belay_rpc_start. *ret_rpc (ret_rpc may
 * be NULL) is for belay_rpc_cancel, until fn runs. Errors as of belay_rpc_start, and BELAY_ELIMIT
 * (max_send_bytes).
 */
typedef void belay_unary_fn(const void *response, size_t len, const struct belay_rpc_result *result,
                            void *arg);
BELAY_API int belay_channel_unary(struct belay_channel *channel, const char *method,
                                  const void *request, size_t len,
                                  const struct belay_rpc_options *options,
                                  struct belay_rpc **ret_rpc, belay_unary_fn *fn, void *arg,
                                  struct belay_error *error);

struct belay_unary_result {
    size_t size;
    int status;
    char message[256];
    void *response; /* malloc's, to be freed by the caller; NULL: none */
    size_t response_len;
};
BELAY_OPTIONS_INIT(belay_unary_result)
/* Blocks. Returns 0 when there is a status, also one that is not OK. ANY THREAD, see belay/loop.h. */
BELAY_API int belay_channel_unary_wait(struct belay_channel *channel, const char *method,
                                       const void *request, size_t len,
                                       const struct belay_rpc_options *options,
                                       struct belay_unary_result *ret_result,
                                       struct belay_error *error);

/*
 * A call of any kind, for those who block: one may read while another writes. All are ANY THREAD,
 * see belay/loop.h, with BELAY_EDEADLK and BELAY_ENOTRUNNING as there; what has to wait ends with
 * BELAY_ECLOSED when the loop is closed. A stream is freed by belay_rpc_stream_close_wait alone, also
 * after its channel has ended, and its loop.
 */
struct belay_rpc_stream;

/* Errors as of belay_rpc_start. Does not wait for a connection: the first read does. */
BELAY_API int belay_rpc_stream_open_wait(struct belay_channel *channel, const char *method,
                                         const struct belay_rpc_options *options,
                                         struct belay_rpc_stream **ret_stream,
                                         struct belay_error *error);
/* Waits for room. Errors as of belay_rpc_write; BELAY_EAGAIN: another waits to write. */
BELAY_API int belay_rpc_stream_write_wait(struct belay_rpc_stream *stream, const void *message,
                                          size_t len);
/* No more messages come. */
BELAY_API int belay_rpc_stream_end_wait(struct belay_rpc_stream *stream);
/*
 * The next message, malloc's, to be freed by the caller. BELAY_EEOF: the call is over, and how says
 * belay_rpc_stream_close_wait. BELAY_ETIMEDOUT: none came in that time; the call goes on.
 * BELAY_EAGAIN: another waits to read.
 */
BELAY_API int belay_rpc_stream_read_wait(struct belay_rpc_stream *stream, int64_t timeout_ms,
                                         void **ret_message, size_t *ret_len);
/*
 * Ends the call, if it is not over: that is CANCELLED. What it came to is in *ret_result (NULL: nobody
 * wants to know), without a response. Who still waits to read or write hears BELAY_ECLOSED; nobody may
 * begin to. After an error it is open still (BELAY_EDEADLK, BELAY_ENOTRUNNING, BELAY_ENOMEM). NULL is
 * closed already.
 */
BELAY_API int belay_rpc_stream_close_wait(struct belay_rpc_stream *stream,
                                          struct belay_unary_result *ret_result);

/*
 * A child spec: the supervisor opens a channel with these options (copied, but that `route` and what
 * it points to must outlive the spec) and drains it when told to stop. Servers that are away do not
 * end a channel; one that somebody closes is opened again (permanent). `on_open` (may be NULL) is
 * given each channel as it is opened. BELAY_EINVAL, BELAY_ENOMEM.
 */
BELAY_API int belay_channel_child_spec(const char *target,
                                       const struct belay_channel_options *options,
                                       void (*on_open)(struct belay_channel *channel, void *arg),
                                       void *arg, struct belay_child_spec *ret_spec,
                                       struct belay_error *error);

#ifdef __cplusplus
}
#endif

#endif
