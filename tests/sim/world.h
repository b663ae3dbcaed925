/* SPDX-License-Identifier: MIT */
/*
 * The simulator: one world per seed. It stands behind every seam of a loop (clock, random source,
 * backend, transport, DNS, offload, allocator) and keeps one heap of what will happen. A turn of
 * the loop jumps the clock to the next entry; entries of the same instant come in an order that the
 * seed decides.
 *
 *     struct sim_world *w = sim_world_new(seed);
 *     struct sim_host *h = sim_host_add(w, "db.test", 5432, &sim_line_server);
 *     ... make endpoints and pools on w->loop ...
 *     sim_run_ms(w, 250);
 *     sim_world_free(w);
 *
 * Hosts, wires and servers live on the other side of the wire: they call nothing of belay's.
 */
#ifndef TEST_SIM_WORLD_H
#define TEST_SIM_WORLD_H

#include <setjmp.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/rand.h"
#include "belay/belay.h"
#include "support/failing_alloc.h"

#define SIM_MS(ms)    ((uint64_t)(ms)*1000000u)
#define SIM_ADDRS_MAX 4
#define SIM_DIALS_MAX 64
#define SIM_END_MS    600000 /* virtual time within which everything must have come to its end */

struct sim_world;
struct sim_host;
struct sim_wire;
struct sim_fd;

/* ---- what happens later ---- */

struct sim_event {
    struct bl_heap_entry entry;
    struct sim_world *world;
    void (*fn)(void *arg);
    void *arg;
};

void sim_event_init(struct sim_event *e, struct sim_world *w, void (*fn)(void *arg), void *arg);
void sim_event_at(struct sim_event *e, uint64_t at_ns); /* moves it; never before now */
void sim_event_in(struct sim_event *e, uint64_t delay_ns);
void sim_event_stop(struct sim_event *e); /* harmless when it is not due, or zeroed */
void sim_event_fini(struct sim_event *e);

/* ---- a connection as the far side sees it ---- */

/* The oracle's record: filled by the wires and the fake connector, never by what is judged. */
struct sim_seen {
    struct bl_list link; /* of the world */
    struct sim_host *host;
    uint64_t id, dialed_ns;
    bool live;    /* from the dial until the near side has let go of it */
    bool open;    /* it came up */
    bool closing; /* the near side has begun to close it */
    bool fake;    /* form 2 */
    bool taken;   /* it left its pool */
    uint64_t opened_ns;
    uint64_t gone_turn;            /* the turn in which belay was told that it is dead; 0: alive */
    uint64_t draining_turn;        /* ... that it will be closed */
    uint64_t suspect_turn;         /* ... that it may be dead; cleared by a check that it passed */
    uint64_t checked_turn;         /* when it passed its last check */
    int capacity, capacity_before; /* now, and the largest of this turn */
    uint64_t capacity_turn;
    int leases;             /* out now, as the asks say */
    int held;               /* out now, as acquired and released told it (form 2) */
    int uses;               /* leases given so far */
    uint64_t idle_since_ns; /* when it came up or the last lease came back */
    bool broken;            /* released as broken */
    int reason;             /* of the close, as told to the connector */
    uint64_t conn_id;       /* belay's number; 0: not known (wires) */
    int cleared;            /* before it dialled: 1 gently, 2 at once */
    int key;                /* of the target that used it first (struct sim_target); 0: none yet */
    struct belay_addr addr; /* wires: of the far side */
    bool asked;             /* whether it is good: the answer is awaited */
    uint64_t sick_ns;       /* since when it is not good, and says so only when asked; 0: it is */
    int64_t idle_limit_ms;  /* the largest since it became idle; 0: not known */
    uint64_t failed_turn;   /* when it failed a check */
    uint64_t doubt_turn;    /* when another one of its host failed hard; cleared by a check */
    bool doubted;           /* ... and belay has ended that one for it */
};

/* ---- the world ---- */

enum sim_fault {
#define SIM_FAULTS(X)                                                                              \
    X(REFUSE, "refuse")                                                                            \
    X(BLACK_HOLE, "black hole")                                                                    \
    X(RESET_AFTER, "reset after n bytes")                                                          \
    X(HALF_CLOSE, "half close")                                                                    \
    X(STALL, "stall")                                                                              \
    X(CHOP, "one byte at a time")                                                                  \
    X(LATENCY, "latency")                                                                          \
    X(DNS_SLOW, "slow DNS")                                                                        \
    X(DNS_FAIL, "DNS failure")                                                                     \
    X(DNS_NO_NAME, "no such name")                                                                 \
    X(ADDRESS, "address change")                                                                   \
    X(KILL, "killed")                                                                              \
    X(GRACEFUL, "graceful stop")                                                                   \
    X(IDLE_CLOSE, "idle close")                                                                    \
    X(GARBAGE, "unasked bytes")                                                                    \
    X(EMFILE, "descriptors out")                                                                   \
    X(ALLOC, "failed allocation")                                                                  \
    X(CLOCK, "clock jump")                                                                         \
    X(SPURIOUS, "spurious wake-up")                                                                \
    X(FATAL, "fatal at opening")                                                                   \
    X(SUSPECT, "suspect")                                                                          \
    X(UNHEALTHY, "check fails")                                                                    \
    X(CAPACITY, "capacity change")                                                                 \
    X(SLOW_CLOSE, "slow close")                                                                    \
    X(LATE_OPEN, "late end after cancel")                                                          \
    X(SICK, "not well, and silent about it")                                                       \
    X(NO_ANSWER, "check never answered")                                                           \
    X(ADDRESS_LEAVES, "one of several addresses leaves")
#define X(name, text) SIM_FAULT_##name,
    SIM_FAULTS(X)
#undef X
        SIM_FAULTS_N
};

struct sim_world {
    uint64_t seed;
    struct bl_rand rand;        /* decides what happens */
    struct bl_rand entropy;     /* what belay gets from its random source */
    struct bl_mem mem;          /* the world's own memory: does not fail */
    struct failing_alloc alloc; /* the loop's */

    uint64_t now_ns;
    int64_t wall_offset_ms;
    struct bl_heap heap;
    uint64_t deadline;
    bool woken;
    uint64_t turns, events, dials;
    uint64_t first_uses; /* connections that were lent once at least */
    int turns_of_instant;
    uint64_t jump_ns, jumped_at; /* the last jump of the monotonic clock */
    int ended;                   /* connections that ended in this turn */
    uint64_t ended_turn;
    int lent; /* leases given in this turn */
    uint64_t lent_turn;
    int unborn;        /* connections that were made, and have not dialled yet */
    bool spurious;     /* now and then a turn or an event for nothing */
    bool no_garbage;   /* servers say nothing unasked: it could fall into an answer */
    bool races;        /* a host has several addresses: one dial may be several wires */
    bool shared_hosts; /* several endpoints have one host */
    bool serial;       /* no shuffling: same instants in order of making */

    struct sim_fd **fds;
    int fds_n, fds_open, fds_limit; /* limit 0: none */
    unsigned next_port;
    struct bl_list watches, hosts, names, queries, works, wires, fakes;
    struct bl_list seen; /* connections that live */
    uint64_t next_id;

    struct belay_loop *loop;
    struct belay_clock clock;
    struct belay_random random;
    struct belay_transport transport;
    struct belay_dns dns;
    struct belay_offload offload;
    struct belay_backend backend;
    struct belay_world seams;

    void (*after_turn)(struct sim_world *w, void *arg); /* the oracle */
    void (*on_close)(struct sim_seen *seen,
                     void *arg); /* belay closes what is open, for seen->reason */
    void (*on_dial_failed)(struct sim_seen *seen, enum belay_error_kind kind,
                           void *arg);                           /* form 2 */
    void (*on_dial)(struct sim_seen *seen, void *arg);           /* belay dials */
    void (*on_conn)(const struct belay_trace *trace, void *arg); /* a connection's state changes */
    void (*on_request)(struct sim_host *host, size_t number,
                       void *arg); /* an HTTP request was carried out */
    void *after_turn_arg;          /* of all these */
    belay_trace_fn *on_trace;      /* beside printing */
    void *trace_arg;
    uint32_t faults[SIM_FAULTS_N]; /* how often each was done */

    bool verbose;
    bool quiet_failure; /* failing is expected to be possible: do not print */
    jmp_buf *on_fail;   /* sim_fail goes here */
    char failure[512];
};

/* Aborts nothing: a loop that cannot be made (out of memory) leaves w->loop NULL. */
struct sim_world *sim_world_new(uint64_t seed);
struct sim_world *sim_world_bare(
    uint64_t seed); /* without its loop: set what fails, then sim_world_start */
int sim_world_start(struct sim_world *w);
/* The loop must be gone (sim_loop_free). */
void sim_world_free(struct sim_world *w);
void sim_loop_free(struct sim_world *w);

void sim_note(struct sim_world *w, const char *format, ...) BELAY_PRINTF(2, 3); /* when verbose */
__attribute__((noreturn)) void sim_fail(struct sim_world *w, const char *format, ...)
    BELAY_PRINTF(2, 3);
void sim_did(struct sim_world *w, enum sim_fault fault, const struct sim_host *host);

uint64_t sim_below(struct sim_world *w, uint64_t bound);
static inline bool sim_chance(struct sim_world *w, unsigned percent)
{
    return sim_below(w, 100) < percent;
}
static inline uint64_t sim_between(struct sim_world *w, uint64_t low, uint64_t high)
{
    return low + sim_below(w, high - low + 1);
}

/* One turn, of whatever comes next. */
void sim_run_turn(struct sim_world *w);
/* Turns the loop until that much time has passed, at least one turn. */
void sim_run_ms(struct sim_world *w, int64_t ms);
/* Turns until done(arg), at most so long; false: it was not to be. */
bool sim_run_until(struct sim_world *w, int64_t limit_ms, bool (*done)(void *arg), void *arg);
/* Runs till nothing is left to happen, as it must soon be; no timer is armed then. */
void sim_rest(struct sim_world *w);
/* The loop ends, if there is one, and nothing may be left of it. */
void sim_end(struct sim_world *w);
/* Nothing will ever happen any more but for somebody's doing. */
bool sim_is_dry(struct sim_world *w);
/* Nothing is under way in this instant: tasks have run, readiness was told. */
bool sim_is_quiet(struct sim_world *w);
static inline int64_t sim_ms(const struct sim_world *w)
{
    return (int64_t)(w->now_ns / 1000000u);
}

/* ---- hosts, and their faults ---- */

struct sim_server_ops {
    void (*open)(struct sim_wire *wire);
    void (*bytes)(struct sim_wire *wire, const char *data, size_t len);
    void (*end)(struct sim_wire *wire);  /* the client finished sending */
    void (*gone)(struct sim_wire *wire); /* nothing more may be called on it; frees its state */
};
extern const struct sim_server_ops sim_line_server; /* a line comes back as it came */
extern const struct sim_server_ops sim_http_server; /* HTTP/1.1: GET /N answers N bytes */
extern const struct sim_server_ops sim_mute_server; /* reads, never answers */

struct sim_host {
    struct bl_list link;
    struct sim_world *world;
    char name[64];
    uint16_t port;
    struct belay_addr addrs[SIM_ADDRS_MAX];
    size_t addrs_n;
    const struct sim_server_ops *server;
    bool tls;
    bool speaks_h2; /* with TLS, if the client does */
    void *served;   /* its servers' own */

    /* faults: as long as they are set */
    bool refuse;        /* connections are refused */
    bool black_hole;    /* no connection is ever answered */
    unsigned bad_addr;  /* the first so many of its addresses refuse */
    bool stall;         /* nothing moves on its wires until sim_host_heal */
    bool fatal;         /* fails in a way that is not worth another try */
    bool bad_check;     /* checks fail (form 2) */
    bool late_cancel;   /* what is cancelled takes its time (form 2) */
    bool asks_later;    /* whether a connection is good is answered after check_ns (rig_hooks.c) */
    bool never_answers; /* ... or a check, never */
    size_t chop;        /* bytes per read and write; 0: any */
    bool partial;       /* random portions */
    uint64_t reset_after; /* bytes of the server's, per wire; 0: never */
    uint64_t half_close_after;
    uint64_t latency_ns;    /* one way */
    uint64_t think_ns;      /* the server's, before it answers */
    uint64_t check_ns;      /* until a check is answered (form 2) */
    uint64_t close_ns;      /* until a close is done (form 2) */
    uint64_t idle_close_ns; /* the server closes what is silent so long; 0: never */
    unsigned close_after_n; /* requests per connection; 0: any number */
    bool close_silently;    /* ... without saying so first */
    int capacity;           /* of form 2 connections */
    int window;             /* bytes under way or unread, per direction */

    /* what it saw */
    uint32_t live, peak, accepted, requests;
    uint64_t dials;
    uint64_t dialed_ns[SIM_DIALS_MAX];

    /* what the oracle makes of it (oracle_dials.c) */
    uint64_t round_failed_ns; /* when the last round of dials failed; 0: all is well */
    uint64_t round_ns;        /* when it failed, whatever came after */
    uint64_t rounds;          /* that have failed */
    bool told;                /* its failure has reached the pool */
    int excused;              /* dials that had been decided by then */
    uint64_t busy_since_ns;   /* since when there is always a dial under way */
    uint64_t fatal_mark;      /* moment of the last fatal failure */
    uint64_t failed_turn;
    int failed, refused;   /* dials, and acquires for the sake of one, in that turn */
    bool changes_capacity; /* a connection of its did: the order of idle ones is not known */
    bool learned;          /* a connection came up: its capacity is known */

    /* and oracle_limits.c */
    int conns, dialing, conns_allowed, dials_allowed;
    int fruitless;         /* connections in a row that came to nothing */
    uint64_t fruitless_ns; /* when the last did; 0: never */
};

struct sim_host *sim_host_add(struct sim_world *w, const char *name, uint16_t port,
                              const struct sim_server_ops *server);
struct sim_host *sim_host_named(struct sim_world *w, const char *name);
void sim_host_heal(struct sim_host *h);       /* no fault is left; latency goes back to 1 ms */
void sim_host_kill(struct sim_host *h);       /* its wires break, and it refuses */
void sim_host_stop(struct sim_host *h);       /* it ends its wires politely, and refuses */
void sim_host_close_idle(struct sim_host *h); /* it closes all wires nobody is waiting on */
void sim_host_garbage(struct sim_host *h);    /* it says something on each wire */
void sim_host_half_close(struct sim_host *h); /* it finishes sending, but goes on reading */
void sim_host_move(struct sim_host *h);       /* other addresses from now on, in DNS too */
void sim_host_more(struct sim_host *h);       /* one more address, in DNS too */
/* Of its addresses DNS names those whose bits are set, from now on. */
void sim_host_publish(struct sim_host *h, unsigned which);
void sim_host_stall(struct sim_host *h, bool on);

/* ---- wires: what servers may do ---- */

struct sim_wire {
    struct sim_seen seen;
    struct bl_list link; /* of the world */
    struct sim_world *world;
    struct sim_host *host;
    const struct sim_server_ops *ops;
    void *server;        /* the server's state */
    void *tls;           /* sim_tls.c */
    struct sim_net *net; /* sim_net.c */
    unsigned port;       /* the client's, unique in the world */
    uint64_t sent;       /* bytes that the server sent */
    uint64_t heard_ns;   /* when it last heard something */
    uint64_t read_ns;    /* when the client last did */
};

void sim_wire_send(struct sim_wire *wire, const void *data,
                   size_t len); /* through TLS if there is */
void sim_wire_raw(struct sim_wire *wire, const void *data, size_t len); /* beneath TLS */
void sim_wire_end(struct sim_wire *wire); /* after what was sent; with TLS a close_notify first */
void sim_wire_half_close(struct sim_wire *wire); /* the same, and goes on reading */
void sim_wire_reset(struct sim_wire *wire);      /* now */
struct sim_wire *sim_wire_of_port(struct sim_world *w, unsigned port);

/* TLS at the server's end: real OpenSSL. */
void sim_tls_open(struct sim_wire *wire);
void sim_tls_bytes(struct sim_wire *wire, const char *data, size_t len);
void sim_tls_send(struct sim_wire *wire, const void *data, size_t len);
void sim_tls_end(struct sim_wire *wire);
void sim_tls_gone(struct sim_wire *wire);
bool sim_tls_chose_h2(const struct sim_wire *wire); /* after the handshake */
const char *sim_tls_ca_pem(void);                   /* what to trust */
void sim_tls_seed(uint64_t seed); /* OpenSSL's randomness too comes from the seed */

/* ---- names ---- */

struct sim_name {
    struct bl_list link;
    char name[64];
    struct belay_addr addrs[SIM_ADDRS_MAX];
    size_t addrs_n;
    uint32_t ttl_s;
    uint64_t delay_ns;
    bool fails, missing;
    uint32_t queries;
};
struct sim_name *sim_name_of(struct sim_world *w, const char *name);

/* ---- the fake connector: form 2, no descriptors ---- */

extern const struct belay_connector_ops sim_fake_ops;
struct belay_connector sim_fake_connector(struct sim_world *w);
/* Form 1 with a session: asks "hello", is up at the answer; a check is one more line. */
extern const struct belay_connector_ops sim_session_ops;
/* What a lease stands on. */
struct sim_seen *sim_seen_of_lease(struct sim_world *w, struct belay_lease lease);
struct sim_seen *sim_seen_of_stream(struct sim_world *w, struct belay_stream *stream);
void sim_fake_lose(struct sim_seen *seen, enum belay_reason reason);
void sim_fake_drain(struct sim_seen *seen);
void sim_fake_suspect(struct sim_seen *seen);
void sim_fake_capacity(struct sim_seen *seen, int capacity);
void sim_fake_sicken(struct sim_seen *seen); /* says so when it is asked, not before */
void sim_fake_kill(struct sim_host *h, enum belay_reason reason); /* all of a host */
struct sim_seen *sim_fake_seen(struct belay_conn *conn); /* of one that is the fake connector's */
/* A caller's own check of it: 1, 0, or BELAY_EAGAIN and belay_conn_checked later (maybe). */
int sim_fake_ask(struct sim_seen *seen);

void sim_seen_begin(struct sim_seen *seen, struct sim_world *w, struct sim_host *h);
void sim_seen_up(struct sim_seen *seen, struct sim_world *w);
void sim_seen_end(struct sim_seen *seen);

#endif
