/* SPDX-License-Identifier: MIT */
/*
 * belay/chronicle.h - the connection to a Chronicle kernel: a gRPC channel that is replaced when it
 * is lost, and the session that the kernel keeps for it.
 *
 *     struct belay_chronicle_options o = belay_chronicle_options_init();
 *     o.connection_string = "chronicle://client:secret@kernel.internal:35000";
 *     belay_chronicle_start(loop, &o, &chronicle, &error);
 *     belay_chronicle_connect_wait(chronicle, 10000, &error);
 *     channel = belay_chronicle_channel(chronicle);
 *
 * Each attempt looks the addresses up, chooses one, opens a channel of its own to it, asks whether
 * the two understand each other, and opens the session; it is connected when the kernel's first
 * keep-alive has come. Each keep-alive is answered; where none comes for stale_ms the channel is
 * dropped, and what follows has a new connection id. Between attempts it waits base delay x 2^n, up
 * to the maximum; also after a loss, before the first. Secrets of its connection string are in no
 * error, log or listing.
 */
#ifndef BELAY_CHRONICLE_H
#define BELAY_CHRONICLE_H

#include "belay/grpc.h"
#include "belay/registry.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_chronicle;
struct belay_chronicle_string;       /* a connection string, parsed; never changes */
struct belay_chronicle_query;        /* what a function of the caller's was asked for */
struct belay_chronicle_waiter;       /* somebody who waits */
struct belay_chronicle_subscription; /* to the phases of its life */

/* ---- connection strings ---- */

/*
 *     chronicle://[user:password@]host[:port]{,host[:port]}[/][?key=value{&key=value}]
 *     chronicle+srv://[user:password@]name[/][?...]
 *
 * A port that is not written is 35000; chronicle+srv looks _chronicle._tcp.<name> up. Keys (in any
 * case, unknown ones are kept):
 *
 *     apiKey                 the key to authenticate with
 *     auth                   "none": without credentials, whatever else is there
 *     disableTls             true, false
 *     skipTlsValidation      true: the kernel's certificate is not verified; false by default
 *     certificatePath        client certificate, PEM or PKCS#12
 *     certificatePassword
 *     authPort               port of the server that gives tokens; by default the host's
 *     loadBalancer           least-connections (default), round-robin, random
 *     srvNameServer          host[:port], which chronicle+srv asks; the system's by default
 *     skipCompatibilityCheck true, false
 *
 * Any thread; memory is malloc's. BELAY_EINVAL (`error` names the part, and shows no secret),
 * BELAY_ENOMEM.
 */
BELAY_API int belay_chronicle_string_parse(const char *text,
                                           struct belay_chronicle_string **ret_string,
                                           struct belay_error *error);
/* "chronicle://localhost:35000": TLS, no credentials. */
BELAY_API int belay_chronicle_string_default(struct belay_chronicle_string **ret_string);
/* The same with the credentials that a development kernel has. */
BELAY_API int belay_chronicle_string_development(struct belay_chronicle_string **ret_string);
BELAY_API void belay_chronicle_string_free(struct belay_chronicle_string *string);

/* Another one, which authenticates so and in no other way. BELAY_EINVAL: an empty part. */
BELAY_API int belay_chronicle_string_with_credentials(const struct belay_chronicle_string *string,
                                                      const char *user, const char *password,
                                                      struct belay_chronicle_string **ret_string,
                                                      struct belay_error *error);
BELAY_API int belay_chronicle_string_with_api_key(const struct belay_chronicle_string *string,
                                                  const char *api_key,
                                                  struct belay_chronicle_string **ret_string,
                                                  struct belay_error *error);

enum belay_chronicle_auth {
    BELAY_CHRONICLE_AUTH_NONE = 1,
    BELAY_CHRONICLE_AUTH_API_KEY,
    BELAY_CHRONICLE_AUTH_CREDENTIALS, /* a token for them */
};
/* BELAY_EINVAL: there is both, or one half of the credentials. */
BELAY_API int belay_chronicle_string_auth(const struct belay_chronicle_string *string,
                                          enum belay_chronicle_auth *ret_auth,
                                          struct belay_error *error);

/* In its canonical form, which reads back as the same; with secrets, or with REDACTED in their
 * place. malloc's, to be freed by the caller. BELAY_ENOMEM. */
BELAY_API int belay_chronicle_string_format(const struct belay_chronicle_string *string,
                                            char **ret_text);
BELAY_API int belay_chronicle_string_redacted(const struct belay_chronicle_string *string,
                                              char **ret_text);

/* ---- functions of the caller's own ---- */

/*
 * In place of belay's own steps. Each is asked by a query and answers it once, at once or later, by
 * the function named; after belay_chronicle_disconnect, or the end of an attempt's time, the answer
 * is dropped (a channel that comes too late is given to disconnect). The connection's on_closed waits
 * for those that are missing.
 */

/* The addresses of a name: with chronicle+srv alone. `hosts` are "host:port", or "[address]:port",
 * best first; none is an error. */
typedef void belay_chronicle_resolve_fn(struct belay_chronicle_query *query, const char *name,
                                        void *arg);
BELAY_API void belay_chronicle_resolved(struct belay_chronicle_query *query,
                                        const char *const *hosts, size_t n,
                                        const struct belay_error *error);

/* How many connections a kernel has, for least-connections. A negative count: not known, which is
 * worse than any. */
typedef void belay_chronicle_probe_fn(struct belay_chronicle_query *query, const char *host,
                                      void *arg);
BELAY_API void belay_chronicle_probed(struct belay_chronicle_query *query, int64_t count);

/* A channel to "ipv4:1.2.3.4:35000", "ipv6:[::1]:35000" or "dns:name:35000", with options that the
 * function may change. The channel becomes the connection's. Its calls have the connection's
 * credentials until it is lost, or belay_chronicle_disconnect; who opens one with these options hands
 * it over by the answer, or has closed it by then. */
typedef void belay_chronicle_connect_fn(struct belay_chronicle_query *query, const char *target,
                                        const struct belay_channel_options *options, void *arg);
BELAY_API void belay_chronicle_opened(struct belay_chronicle_query *query,
                                      struct belay_channel *channel,
                                      const struct belay_error *error);
/* Closes a channel: once for each that was opened. By default belay_channel_close. */
typedef void belay_chronicle_disconnect_fn(struct belay_channel *channel, void *arg);

struct belay_chronicle_functions {
    size_t size; /* all others may be NULL: belay's own */
    belay_chronicle_resolve_fn *resolve;
    belay_chronicle_probe_fn *probe;
    belay_chronicle_connect_fn *connect;
    belay_chronicle_disconnect_fn *disconnect;
    void *arg;
};
BELAY_OPTIONS_INIT(belay_chronicle_functions)

/* ---- the connection ---- */

enum belay_chronicle_balancer {
    BELAY_CHRONICLE_BALANCER_DEFAULT = 0, /* the string's */
    BELAY_CHRONICLE_LEAST_CONNECTIONS,    /* the kernel that has the fewest, found by asking all */
    BELAY_CHRONICLE_ROUND_ROBIN,          /* in turn, from a random one on */
    BELAY_CHRONICLE_RANDOM,
};

enum belay_choice {
    BELAY_CHOICE_DEFAULT = 0, /* the string's */
    BELAY_CHOICE_YES,
    BELAY_CHOICE_NO,
};

struct belay_chronicle_options {
    size_t size;
    const char *connection_string; /* this or one of the next two, more of them is an error; NULL:
                                      that of belay_chronicle_string_default */
    const struct belay_chronicle_string *string; /* copied; NULL: none */
    const char *server_address; /* "host:port", as "chronicle://host:port"; NULL: none */
    const struct belay_channel_options *channel; /* over belay's own where not zero; NULL: none. Its
                                                    `route` must outlive the connection */
    int32_t retry_attempts;                      /* 5, after the first, in a row without success;
                                                    then it ends. BELAY_NONE, BELAY_FOREVER */
    int64_t reconnect_base_delay_ms;             /* 1,000 */
    int64_t reconnect_max_delay_ms;              /* 10,000 */
    int32_t reconnect_spread_percent;            /* BELAY_NONE: of jitter, up and down */
    bool no_auto_connect; /* the first belay_chronicle_connect begins, not the start */
    enum belay_chronicle_balancer balancer;
    enum belay_choice skip_tls_validation;
    enum belay_choice skip_compatibility_check;
    bool no_session; /* a channel alone: no Connect stream, no keep-alives; connected when READY */
    int64_t attempt_timeout_ms; /* 30,000: from an attempt's begin to a channel that is READY, and a
                                   kernel that understands */
    int64_t session_timeout_ms; /* 5,000: ... and from there to the first keep-alive */
    int64_t stale_ms;           /* 5,000 without a keep-alive: it is lost; looked at each second */
    const char *client_type;    /* told to the kernel; NULL: "belay" */
    const char *client_version; /* NULL: belay_version() */
    const char *name;           /* registered as a process is; NULL: none */
    struct belay_registry *registry;                   /* where; NULL: the loop's */
    const struct belay_chronicle_functions *functions; /* NULL: belay's own */
    int32_t max_waiters;                               /* 10,000 */
    /* It has ended: NORMAL after disconnect, ERROR with BELAY_EGIVENUP (its text has the last
     * failure) when retries are spent, or with the failure itself where that is final, as of a kernel
     * that does not understand this client. Runs once. May be NULL. */
    void (*on_exit)(struct belay_chronicle *chronicle, struct belay_exit why, void *arg);
    void *exit_arg;
};
BELAY_OPTIONS_INIT(belay_chronicle_options)

/*
 * Starts it; the first attempt begins in the loop's next turn. BELAY_EINVAL: `error` names the
 * option, or the part of the string; contradictions (two ways to authenticate, a client certificate
 * without TLS) are found here, before anything is dialled. BELAY_EEXISTS (the name is taken),
 * BELAY_EFILE (the certificate), BELAY_ENOTSUP (srvNameServer, on a loop whose world looks names up by
 * itself), BELAY_ETLS, BELAY_ENOMEM, BELAY_ECLOSED.
 */
BELAY_API int belay_chronicle_start(struct belay_loop *loop,
                                    const struct belay_chronicle_options *options,
                                    struct belay_chronicle **ret_chronicle,
                                    struct belay_error *error);

/*
 * Ends it: the attempt under way is cancelled, the channel closed, who waits is told
 * BELAY_ECLOSED; it ends normally, and on_closed (may be NULL) runs last. One that gave up is there
 * until this is called.
 */
BELAY_API void belay_chronicle_disconnect(struct belay_chronicle *chronicle, belay_fn *on_closed,
                                          void *arg);
BELAY_API struct belay_chronicle *belay_chronicle_ref(struct belay_chronicle *chronicle);
BELAY_API void belay_chronicle_unref(struct belay_chronicle *chronicle);
BELAY_API bool belay_chronicle_is_closed(const struct belay_chronicle *chronicle);

/*
 * Waits until it is connected, and with no_auto_connect begins: fn runs once, in a later turn.
 * BELAY_ETIMEDOUT after timeout_ms (its text has the last failure, or what the attempt is doing; the
 * connection goes on trying), the last failure itself when retries are spent, BELAY_ECLOSED.
 * *ret_waiter (may be NULL) is valid until then. BELAY_EFULL (max_waiters), BELAY_ECLOSED,
 * BELAY_EINVAL, BELAY_ENOMEM.
 */
typedef void belay_chronicle_connect_done_fn(const struct belay_error *error, void *arg);
BELAY_API int belay_chronicle_connect(struct belay_chronicle *chronicle, int64_t timeout_ms,
                                      struct belay_chronicle_waiter **ret_waiter,
                                      belay_chronicle_connect_done_fn *fn, void *arg);
BELAY_API void belay_chronicle_waiter_cancel(struct belay_chronicle_waiter *waiter);
/* Blocks until then. ANY THREAD, see belay/loop.h. */
BELAY_API int belay_chronicle_connect_wait(struct belay_chronicle *chronicle, int64_t timeout_ms,
                                           struct belay_error *error);

/* NULL: not connected. Lent: who keeps it takes a reference. When it is lost or replaced it is closed:
 * calls under way end with CANCELLED then. When its server sends it away (GOAWAY) they finish first,
 * unless the connection ends meanwhile; a `disconnect` of the caller's is called instead, and closes
 * or drains it. */
BELAY_API struct belay_channel *belay_chronicle_channel(struct belay_chronicle *chronicle);
BELAY_API bool belay_chronicle_connected(const struct belay_chronicle *chronicle);
/* Drops the channel and dials at once, without a delay; nothing where it is not connected. */
BELAY_API void belay_chronicle_reconnect(struct belay_chronicle *chronicle);
/* The one that has that name, lent; NULL: nobody, or not a connection of this kind. */
BELAY_API struct belay_chronicle *belay_chronicle_whereis(struct belay_loop *loop,
                                                          struct belay_registry *registry,
                                                          const char *name);

/* ---- its life ---- */

enum belay_chronicle_phase {
    BELAY_CHRONICLE_DISCONNECTED = 1,
    BELAY_CHRONICLE_CONNECTED,
    BELAY_CHRONICLE_REGISTERED, /* connected, and the program has said that it is set up */
};
BELAY_API const char *belay_chronicle_phase_name(enum belay_chronicle_phase phase);
BELAY_API enum belay_chronicle_phase belay_chronicle_get_phase(
    const struct belay_chronicle *chronicle);
/* Why it is not connected: the last attempt that failed, or how the last session was lost; false when
 * it is connected, or none of these happened since. Filled without `tried`. Each is in the log, too
 * (on_log of the loop, tag `chronicle`), and in the errors of those who wait. */
BELAY_API bool belay_chronicle_last_error(const struct belay_chronicle *chronicle,
                                          struct belay_error *error, int64_t *ret_age_ms);
/* Of the session that is, or will be. Lives until the next turn. */
BELAY_API const char *belay_chronicle_connection_id(const struct belay_chronicle *chronicle);
/* The program has registered what it observes; REGISTERED follows. Nothing where it is not
 * CONNECTED, or connection_id is not that of the session (NULL: any). */
BELAY_API void belay_chronicle_registered(struct belay_chronicle *chronicle,
                                          const char *connection_id);

/*
 * Phases: first the one that is, in a later turn, then each change, in order. DISCONNECTED has the
 * id of the session that ended; before the first one, its. Why one ended is what
 * belay_chronicle_last_error says inside the callback. A subscription ends with the connection, or
 * by unsubscribe. BELAY_ENOMEM, BELAY_ECLOSED, BELAY_EINVAL.
 */
typedef void belay_chronicle_phase_fn(struct belay_chronicle *chronicle,
                                      enum belay_chronicle_phase phase, const char *connection_id,
                                      void *arg);
BELAY_API int belay_chronicle_subscribe(struct belay_chronicle *chronicle,
                                        belay_chronicle_phase_fn *fn, void *arg,
                                        struct belay_chronicle_subscription **ret_subscription);
BELAY_API void belay_chronicle_unsubscribe(struct belay_chronicle_subscription *subscription);

/* Waits until it is in that phase or a later one (DISCONNECTED is at once): over any number of
 * losses. As belay_chronicle_connect otherwise. */
BELAY_API int belay_chronicle_wait_until(struct belay_chronicle *chronicle,
                                         enum belay_chronicle_phase phase, int64_t timeout_ms,
                                         struct belay_chronicle_waiter **ret_waiter,
                                         belay_chronicle_connect_done_fn *fn, void *arg);
BELAY_API int belay_chronicle_wait_until_wait(struct belay_chronicle *chronicle,
                                              enum belay_chronicle_phase phase, int64_t timeout_ms,
                                              struct belay_error *error);

/*
 * A child spec (options copied; `channel`'s route and `functions`' arg must outlive it); transient,
 * so that disconnect is not undone. `on_start` (may be NULL) is given each as it is started.
 * BELAY_EINVAL as of a start; files are read by each start. BELAY_ENOMEM.
 */
BELAY_API int belay_chronicle_child_spec(const struct belay_chronicle_options *options,
                                         void (*on_start)(struct belay_chronicle *chronicle,
                                                          void *arg),
                                         void *arg, struct belay_child_spec *ret_spec,
                                         struct belay_error *error);

#ifdef __cplusplus
}
#endif

#endif
