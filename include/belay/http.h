/* SPDX-License-Identifier: MIT */
/*
 * belay/http.h - HTTP requests over pooled, reused, verified connections.
 *
 * A request goes out on a connection of the client's pool; what comes back is handed over by
 * callbacks, head first, then the body in pieces, then `on_done` once. A connection whose response
 * was not read to its end is never reused.
 *
 * Replay: a request that failed on a connection before any byte of the answer is sent again on
 * another, without the caller's doing, if it had not been sent, or if its method is idempotent (RFC
 * 9110 section 9.2.2) and its body can be had again. A request that is not idempotent goes out only
 * on a fresh connection or one that was probed at that moment.
 *
 * A server that wants HTTP/1.1 in place of HTTP/2 (HTTP_1_1_REQUIRED, RFC 9113 section 7) is spoken
 * to in HTTP/1.1 from then on, where both may be spoken. As this does not say that the request was
 * not acted upon, it is replayed like one whose connection was lost.
 */
#ifndef BELAY_HTTP_H
#define BELAY_HTTP_H

#include "belay/header.h"
#include "belay/pool.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_http;         /* a client: a pool, and what requests have in common */
struct belay_http_target;  /* a URL, parsed once */
struct belay_http_request; /* one request under way */

/*
 * Called once for each URL that is parsed, redirects included: `options` are the URL's scheme, host
 * and port, the client's route and its TLS identity, and any of it may be changed; strings must
 * stay until the call that parses returns. The Host header stays the URL's. 0, or an error, with
 * which parsing the URL then fails.
 */
typedef int belay_http_route_fn(struct belay_endpoint_options *options, void *arg);

enum belay_http_versions {
    BELAY_HTTP_ANY = 0, /* https: what the peer chooses of HTTP/2 and HTTP/1.1; http: HTTP/1.1 */
    BELAY_HTTP_1_ONLY,
    BELAY_HTTP_2_ONLY, /* http: with prior knowledge (RFC 9113 section 3.3) */
};

struct belay_http_options {
    size_t size;
    const struct belay_pool_options *pool; /* NULL: the defaults; its connector and
                                              expected_capacity are ignored */
    struct belay_tls *tls;                 /* for https; NULL: as belay_tls_new without options */
    const char *user_agent;                /* NULL: "belay/" and the version; "": none */
    const struct belay_endpoint_options *route; /* NULL: plainly; how endpoints are made from URLs:
                                                   addresses, Unix path, source, tag, ...; its url,
                                                   scheme, host, port and tls are ignored */
    /* Limits of the client, and defaults of its requests. */
    int32_t max_header_bytes;      /* of one response head or trailers; 65,536 */
    int32_t max_headers;           /* lines of it; 128 */
    int32_t max_informational;     /* 1xx responses before the real one; 16 */
    int64_t timeout_ms;            /* the whole request; BELAY_FOREVER */
    int64_t first_byte_timeout_ms; /* request sent to first byte of the response; 60,000 */
    int64_t idle_timeout_ms;       /* no byte in either direction while it is under way; 60,000 */
    int64_t continue_timeout_ms;   /* 1,000; wait for 100 Continue, then send the body anyway */
    int32_t min_rate;           /* bytes per second, averaged over min_rate_window_ms; BELAY_NONE */
    int64_t min_rate_window_ms; /* what min_rate is averaged over; 10,000 */
    int32_t max_replays;        /* of one request; 3 */
    int64_t keep_alive_margin_ms;  /* taken off a server's Keep-Alive: timeout; 1,000 */
    int32_t max_targets;           /* parsed URLs remembered for requests by string; 1,024 */
    belay_http_route_fn *on_route; /* NULL: none; asked for each URL */
    void *route_arg;
    enum belay_http_versions versions; /* which may be spoken */
    /* HTTP/2: */
    int32_t max_streams; /* requests on a connection at a time, if the peer allows; 100 */
    int32_t
        stream_window; /* bytes of a response that are taken before they are wanted; 1,048,576 */
    int32_t connection_window; /* of all responses of a connection, on their way; 16,777,216 */
    int64_t ping_interval_ms;  /* silence of a connection in use, after which it is asked for a sign
                                  of life; BELAY_FOREVER. Doubled by a peer that ends one for
                                  too many of them */
    int64_t ping_timeout_ms;   /* ... and for how long; 10,000 */
    bool ping_when_idle;       /* also while no request is under way */
};
BELAY_OPTIONS_INIT(belay_http_options)

/*
 * BELAY_EINVAL (`error` names the option), BELAY_ENOMEM, BELAY_ECLOSED, and what belay_tls_new
 * returns.
 */
BELAY_API int belay_http_open(struct belay_loop *loop, const struct belay_http_options *options,
                              struct belay_http **ret_http, struct belay_error *error);
/* Requests under way complete with BELAY_ECLOSED; with drain they finish first. */
BELAY_API void belay_http_close(struct belay_http *http, belay_fn *on_closed, void *arg);
BELAY_API void belay_http_drain(struct belay_http *http, belay_fn *on_closed, void *arg);

/*
 * Whether a connection is good, found out by a request: made before it counts as open, and whenever
 * it is checked (belay_link_options.check_interval_ms, belay_pool_options.check_after_idle_ms). Any
 * other status is an error of stage protocol, kind retry, with that status; so is a good one after
 * which the server closes the connection. One that is in use is not asked, and counts as good.
 */
struct belay_http_check {
    size_t size;
    const char *method; /* NULL: "GET"; the body is read and dropped */
    const char *path;   /* NULL: "/"; with its query */
    int32_t status_min; /* 200; the least that is good */
    int32_t status_max; /* 399; the greatest */
    int64_t timeout_ms; /* of the whole answer; 5,000 */
};
BELAY_OPTIONS_INIT(belay_http_check)

/*
 * The connector of its connections, for links: to be outlived by the client, whose end they do not
 * survive. `check` (NULL: none) is copied; there is one per client, the last that was given.
 * Requests go over the link's connection with the request option `lease`. BELAY_EINVAL (a malformed
 * method or path, a number out of range), BELAY_ENOMEM, BELAY_ECLOSED.
 */
BELAY_API int belay_http_connector(struct belay_http *http, const struct belay_http_check *check,
                                   struct belay_connector *ret_connector,
                                   struct belay_error *error);

/* Its pool: for statistics. Lives as long as the client. */
BELAY_API struct belay_pool *belay_http_pool(struct belay_http *http);

/*
 * Parses "http://..." or "https://..." once, for many requests. User and password in it become
 * Basic credentials. BELAY_EINVAL: `error` says what is wrong with the URL; BELAY_ENOMEM.
 */
BELAY_API int belay_http_target_new(struct belay_http *http, const char *url,
                                    struct belay_http_target **ret_target,
                                    struct belay_error *error);
BELAY_API struct belay_http_target *belay_http_target_ref(struct belay_http_target *target);
BELAY_API void belay_http_target_unref(struct belay_http_target *target);
BELAY_API struct belay_peer *belay_http_target_peer(const struct belay_http_target *target);
/* Without credentials. */
BELAY_API const char *belay_http_target_url(const struct belay_http_target *target);

struct belay_http_response {
    int status;
    int minor; /* HTTP/1.x; 0 in HTTP/2 */
    const char *reason;
    size_t reason_len;
    const struct belay_header *headers;
    size_t headers_n;
    int64_t content_length; /* -1 when not known */
    struct belay_http_request *request;
    int major; /* 1 or 2 */
};
/* The first header of that name, or NULL. */
BELAY_API const struct belay_header *belay_http_response_header(
    const struct belay_http_response *response, const char *name);

enum belay_http_action { BELAY_HTTP_GO_ON = 0, BELAY_HTTP_ABORT, BELAY_HTTP_PAUSE };

/*
 * All may be NULL. `response` and what it points to live until the callback returns. ABORT ends the
 * request with BELAY_EABORTED. PAUSE: what was handed over counts as consumed, and nothing more
 * comes until belay_http_request_resume.
 */
struct belay_http_callbacks {
    size_t size;
    enum belay_http_action (*on_informational)(const struct belay_http_response *response,
                                               void *arg);
    enum belay_http_action (*on_headers)(const struct belay_http_response *response, void *arg);
    enum belay_http_action (*on_data)(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg);
    void (*on_trailers)(const struct belay_header *trailers, size_t n, void *arg);
    /* Redirects: about to go there. ABORT: the 3xx response is handed over as it is. */
    enum belay_http_action (*on_redirect)(const struct belay_http_response *response,
                                          const char *url, void *arg);
    /*
     * Once, last. error is NULL when the response came whole, whatever its status. The request is
     * gone afterwards.
     */
    void (*on_done)(struct belay_http_request *request, const struct belay_error *error, void *arg);
};

/* A request's body, by callback: bytes put into `out`, 0 at the end, BELAY_EAGAIN (then
   belay_http_request_body_ready), or another error, which ends the request. */
typedef ptrdiff_t belay_http_read_fn(void *out, size_t size, void *arg);
/* Back to its first byte, for a replay or redirect. 0, or an error: then there is none. */
typedef int belay_http_rewind_fn(void *arg);

struct belay_http_request_options {
    size_t size;
    const char *method;               /* NULL: "GET" */
    const char *url;                  /* or target */
    struct belay_http_target *target; /* parsed before: the fast way */
    /* Connection, Content-Length, Transfer-Encoding, Expect are belay's to set; Host, User-Agent,
       Accept, Authorization go before belay's own; with Upgrade goes Connection: Upgrade.
       Proxy-Authorization only where a forward proxy hears it (belay/proxy.h). */
    const struct belay_header *headers; /* beside belay's own */
    size_t headers_n;                   /* 0 */
    const void *body;                   /* in memory; must stay until on_done, or cancel */
    size_t body_len;                    /* 0 */
    belay_http_read_fn *read_body;      /* NULL: none; the body by callback */
    belay_http_rewind_fn *rewind_body;  /* NULL: none; without it there is no replay */
    void *body_arg;
    int64_t body_size;             /* of read_body; BELAY_NONE: not known, and sent chunked */
    bool expect_continue;          /* the body waits until the server asks for it */
    bool unsafe_replay;            /* replay whatever the method */
    int32_t max_redirects;         /* BELAY_NONE: 3xx is a response like any other */
    bool keep_credentials;         /* across origins too */
    int64_t timeout_ms;            /* zero: the client's */
    int64_t first_byte_timeout_ms; /* zero: the client's */
    int64_t idle_timeout_ms;       /* zero: the client's */
    int32_t min_rate;              /* zero: the client's */
    const struct belay_http_callbacks *callbacks; /* must outlive the request */
    /* On this connection (of a link, say) and no other: without replays, and with max_redirects
       refused. It is not given back; when the request was cut short, or its response was the last,
       the connection ends. BELAY_EAGAIN from belay_http_request: it carries as many as it can,
       a check being one; BELAY_ESTALE; BELAY_EINVAL: it is not one of HTTP, or another client's. */
    const struct belay_lease *lease; /* NULL: a connection of the client's pool */
};
BELAY_OPTIONS_INIT(belay_http_request_options)

/*
 * Starts a request. On 0, on_done runs once, later. *ret_request (may be NULL) is valid until then.
 *
 * BELAY_EINVAL  the URL, the method or a header is malformed (CR, LF, NUL, ...), the target is
 *               another client's, or an option is out of range: `error` tells
 * BELAY_EFULL   max_waiters of the pool wait for a connection already
 * BELAY_ECLOSED, BELAY_ENOMEM
 */
BELAY_API int belay_http_request(struct belay_http *http,
                                 const struct belay_http_request_options *options, void *arg,
                                 struct belay_http_request **ret_request,
                                 struct belay_error *error);

/* No callback runs afterwards. */
BELAY_API void belay_http_request_cancel(struct belay_http_request *request);
BELAY_API void belay_http_request_resume(struct belay_http_request *request);
BELAY_API void belay_http_request_body_ready(struct belay_http_request *request);

/* Facts about a request under way or, in on_done, done. */
struct belay_http_facts {
    size_t size;
    int status; /* 0: no response yet */
    int32_t replays, redirects;
    bool reused;                 /* the connection had been used before */
    bool tls_resumed;            /* its TLS session was */
    uint64_t connection;         /* its number */
    int64_t bytes_in, bytes_out; /* of bodies */
    int64_t wait_us;             /* for connections */
    int64_t first_byte_us;       /* from sending to the response's first byte; 0: none came */
    int64_t total_us;            /* in all */
    const char *url;             /* where it came from in the end; without credentials */
    enum belay_sent sent;
    int major, minor; /* HTTP/MAJOR.MINOR of the response; 0: none yet */
    int64_t h2_error; /* the code with which the server reset the request's stream, or that a GOAWAY
                         means for it (7: REFUSED_STREAM); -1: it did not */
};
BELAY_OPTIONS_INIT(belay_http_facts)
BELAY_API void belay_http_request_facts(const struct belay_http_request *request,
                                        struct belay_http_facts *facts);

/*
 * In on_headers of a 101 response: takes the connection over. *ret_stream is the caller's; on_done
 * follows. BELAY_EINVAL when the response is not 101.
 */
BELAY_API int belay_http_request_take(struct belay_http_request *request,
                                      struct belay_stream **ret_stream);

/* ---- for simple programs ---- */

struct belay_http_result {
    size_t size; /* 0: of this version */
    int status;
    char *headers; /* "Name: value\n" lines, terminated */
    char *body;    /* terminated with a NUL that does not count */
    size_t body_len;
};

/*
 * Fetches a URL and waits: the whole body in memory, at most max_body bytes (BELAY_ELIMIT),
 * timeout_ms as an argument. Follows up to 10 redirects. belay_http_result_free frees what is in
 * *result. Where it may be called: belay/loop.h. ANY THREAD.
 */
BELAY_API int belay_http_fetch_wait(struct belay_http *http,
                                    const struct belay_http_request_options *options,
                                    size_t max_body, int64_t timeout_ms,
                                    struct belay_http_result *result, struct belay_error *error);
BELAY_API void belay_http_result_free(struct belay_http_result *result);

#ifdef __cplusplus
}
#endif

#endif
