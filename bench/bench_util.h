/* SPDX-License-Identifier: MIT */
/*
 * bench_util.h - what the benchmark clients share: options, the meter, memory figures, the report.
 *
 * Every client prints exactly one JSON object on one line of standard output; all else goes to
 * standard error. Work is counted against the CPU time of the client itself (user + system, by
 * getrusage), so a client that waits for a slow server is not charged for it.
 */
#ifndef BELAY_BENCH_UTIL_H
#define BELAY_BENCH_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Methods of the servers of gRPC: one message back; many, whatever is asked; each as it comes. The
 * ending tells nghttpd, which has the answers in files, what they are. All messages are this long. */
#define BENCH_GRPC_SAY     "/bench.Echo/Say.grpc"
#define BENCH_GRPC_STREAM  "/bench.Echo/Stream.grpc"
#define BENCH_GRPC_CHAT    "/bench.Echo/Chat.grpc"
#define BENCH_GRPC_MESSAGE 16
#define BENCH_GRPC_MANY    100000 /* messages of one Stream */

#ifdef __cplusplus
extern "C" {
#define _Noreturn [[noreturn]]
#endif

struct bench_options {
    const char *host;   /* numeric address or name; 127.0.0.1 by default */
    unsigned port;      /* 0 where a mode needs no server */
    bool tls;           /* verify the chain against `cafile`, and the host */
    const char *cafile; /* PEM; needed with `tls` */
    const char *mode;
    unsigned inflight; /* requests in flight, or connections to hold in mode idle */
    double warmup_s;
    double seconds;
};

/*
 * Reads the options every client takes:
 *   --host H --port P [--tls --cafile F] --mode M --inflight N --warmup S --seconds S
 * What is not given keeps the default: 127.0.0.1, 64 in flight, 0.3 s, 2 s. Ends the program with
 * status 2 on a bad option.
 */
void bench_options_parse(struct bench_options *options, int argc, char **argv,
                         const char *default_mode);

/* Of a mode "h2-N": over how many connections; 0 of another. */
unsigned bench_h2_connections(const struct bench_options *options);

/* Mode body or h2-N-body: what is counted are bytes, of "/big", again and again. */
bool bench_is_body(const struct bench_options *options);

/* Prints one sentence on standard error and ends the program with status 1. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* malloc family that ends the program when memory is out. */
void *bench_calloc(size_t count, size_t size);

/* As many descriptors as the hard limit allows; ends the program where that is below `needed`. */
void bench_raise_nofile(unsigned needed);

/* Visits n things in an order that no prefetcher follows: at = (at + stride) % n, each once. */
uint32_t bench_stride(uint32_t n);

/* Monotonic seconds, and user + system seconds of this process. */
double bench_now_s(void);
double bench_cpu_s(void);

/*
 * Counts work. The warm-up is left out: when it is over the count starts at zero, with the clock
 * and the CPU time of that moment.
 */
struct bench_meter {
    double warm_until_s;
    double end_s;
    double begin_s;
    double begin_cpu_s;
    double seconds;
    uint64_t count; /* add to it directly */
    bool measuring;
    double wall_s; /* filled when bench_meter_tick() has returned true */
    double cpu_s;
};

void bench_meter_start(struct bench_meter *meter, const struct bench_options *options);

/* To be called after each batch of work; true once, when the time is up. */
bool bench_meter_tick(struct bench_meter *meter);

/* The one line: client, mode, requests, wall_s, cpu_s, and for connect-resumed how many resumed. */
void bench_report(const char *client, const char *mode, const struct bench_meter *meter);
void bench_report_resumed(const char *client, const char *mode, const struct bench_meter *meter,
                          uint64_t resumed);

/* Memory: bytes of heap in use (mallinfo2, mapped chunks included), and resident bytes. */
struct bench_memory {
    uint64_t heap;
    uint64_t rss;
};

void bench_memory_read(struct bench_memory *ret_memory);

/* The line of mode idle: the difference of two readings, divided by the connections between. */
void bench_report_memory(const char *client, unsigned connections,
                         const struct bench_memory *before, const struct bench_memory *after);

#ifdef __cplusplus
}
#endif

#endif
