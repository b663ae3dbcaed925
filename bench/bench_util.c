/* SPDX-License-Identifier: MIT */
/* bench_util.c - options, meter and report of the benchmark clients. */
#include "bench_util.h"

#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

unsigned bench_h2_connections(const struct bench_options *options)
{
    return strncmp(options->mode, "h2-", 3) == 0 ? (unsigned)strtoul(options->mode + 3, NULL, 10)
                                                 : 0;
}

bool bench_is_body(const struct bench_options *options)
{
    size_t len = strlen(options->mode);

    return len >= 4 && strcmp(options->mode + len - 4, "body") == 0;
}

_Noreturn void bench_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void *bench_calloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        bench_die("out of memory");
    return memory;
}

static _Noreturn void usage(const char *program, const char *why, const char *what)
{
    fprintf(stderr,
            "%s: %s%s\n"
            "usage: %s [--host H] --port P [--tls --cafile F] [--mode M] [--inflight N]\n"
            "       [--warmup S] [--seconds S]\n",
            program, why, what, program);
    exit(2);
}

static double parse_seconds(const char *program, const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= 0 && value <= 3600))
        usage(program, "not a time in seconds: ", text);
    return value;
}

static unsigned parse_number(const char *program, const char *text, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value == 0 || value > max)
        usage(program, "not a number in range: ", text);
    return (unsigned)value;
}

void bench_options_parse(struct bench_options *options, int argc, char **argv,
                         const char *default_mode)
{
    static const struct option known[] = {
        {"host", required_argument, NULL, 'h'},
        {"port", required_argument, NULL, 'p'},
        {"tls", no_argument, NULL, 't'},
        {"cafile", required_argument, NULL, 'c'},
        {"mode", required_argument, NULL, 'm'},
        {"inflight", required_argument, NULL, 'n'},
        {"warmup", required_argument, NULL, 'w'},
        {"seconds", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    const char *program = argv[0];
    int found;

    *options = (struct bench_options){
        .host = "127.0.0.1",
        .mode = default_mode,
        .inflight = 64,
        .warmup_s = 0.3,
        .seconds = 2,
    };
    while ((found = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (found) {
        case 'h':
            options->host = optarg;
            break;
        case 'p':
            options->port = parse_number(program, optarg, 65535);
            break;
        case 't':
            options->tls = true;
            break;
        case 'c':
            options->cafile = optarg;
            break;
        case 'm':
            options->mode = optarg;
            break;
        case 'n':
            options->inflight = parse_number(program, optarg, 1000000);
            break;
        case 'w':
            options->warmup_s = parse_seconds(program, optarg);
            break;
        case 's':
            options->seconds = parse_seconds(program, optarg);
            break;
        default:
            usage(program, "bad option", "");
        }
    }
    if (optind != argc)
        usage(program, "unexpected argument: ", argv[optind]);
    if (options->tls && options->cafile == NULL)
        usage(program, "--tls needs --cafile", "");
}

void bench_raise_nofile(unsigned needed)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_die("getrlimit failed");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < needed)
        bench_die("%u descriptors are needed, the limit is %ju", needed, (uintmax_t)limit.rlim_cur);
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    return b ? common_divisor(b, a % b) : a;
}

uint32_t bench_stride(uint32_t n)
{
    uint32_t stride = n - n * 3 / 8;

    while (common_divisor(stride, n) != 1)
        stride++;
    return stride;
}

double bench_now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

double bench_cpu_s(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
}

void bench_meter_start(struct bench_meter *meter, const struct bench_options *options)
{
    *meter = (struct bench_meter){
        .warm_until_s = bench_now_s() + options->warmup_s,
        .seconds = options->seconds,
    };
}

bool bench_meter_tick(struct bench_meter *meter)
{
    double now = bench_now_s();

    if (!meter->measuring) {
        if (now < meter->warm_until_s)
            return false;
        meter->measuring = true;
        meter->count = 0;
        meter->begin_s = now;
        meter->begin_cpu_s = bench_cpu_s();
        meter->end_s = now + meter->seconds;
        return false;
    }
    if (now < meter->end_s)
        return false;
    meter->cpu_s = bench_cpu_s() - meter->begin_cpu_s;
    meter->wall_s = now - meter->begin_s;
    return true;
}

static void print_line(const char *client, const char *mode, const struct bench_meter *meter,
                       const char *more)
{
    printf("{\"client\":\"%s\",\"mode\":\"%s\",\"requests\":%" PRIu64
           ",\"wall_s\":%.6f,\"cpu_s\":%.6f%s}\n",
           client, mode, meter->count, meter->wall_s, meter->cpu_s, more);
    if (fflush(stdout) != 0)
        bench_die("the result could not be written");
}

void bench_report(const char *client, const char *mode, const struct bench_meter *meter)
{
    print_line(client, mode, meter, "");
}

void bench_report_resumed(const char *client, const char *mode, const struct bench_meter *meter,
                          uint64_t resumed)
{
    char more[64];

    snprintf(more, sizeof(more), ",\"resumed\":%" PRIu64, resumed);
    print_line(client, mode, meter, more);
}

/* The kernel's statm lags by up to 64 pages per thread; smaps_rollup counts the page tables. */
static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    uint64_t kib = 0;

    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "Rss: %" SCNu64 " kB", &kib) == 1)
            break;
    }
    fclose(file);
    return kib * 1024;
}

void bench_memory_read(struct bench_memory *ret_memory)
{
    struct mallinfo2 info = mallinfo2();

    ret_memory->heap = (uint64_t)info.uordblks + (uint64_t)info.hblkhd;
    ret_memory->rss = resident_bytes();
}

void bench_report_memory(const char *client, unsigned connections,
                         const struct bench_memory *before, const struct bench_memory *after)
{
    struct bench_meter meter = {.count = connections, .cpu_s = bench_cpu_s()};
    char more[192];

    snprintf(more, sizeof(more), ",\"connections\":%u,\"heap_per_conn\":%.1f,\"rss_per_conn\":%.1f",
             connections, ((double)after->heap - (double)before->heap) / connections,
             ((double)after->rss - (double)before->rss) / connections);
    print_line(client, "idle", &meter, more);
}
