/* SPDX-License-Identifier: MIT */
/* The command line: one table gives both the parser and the help. */
#include "origin.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options opt = {.keepalive_hint = -1, .stats_path = "/stats"};

enum kind { FLAG, NUMBER, TEXT, BIND };

struct option_row {
    const char *name, *arg;
    enum kind kind;
    void *to;
    int64_t min, max;
    const char *help;
};

static const struct option_row rows[] = {
    {"--bind", "ADDR", BIND, NULL, 0, 0,
     "127.0.0.1, [::1], unix:/path or unix:@name; repeatable (127.0.0.1)"},
    {"--port", "N", NUMBER, &opt.port, 0, 65535,
     "TCP port, shared by all binds where possible; 0 picks one (0)"},
    {"--reuse-port", NULL, FLAG, &opt.reuse_port, 0, 0,
     "let a second server listen on the same port"},
    {"--parent-death", NULL, FLAG, &opt.parent_death, 0, 0, "die when the parent process dies"},
    {"--log", "FILE", TEXT, &opt.log, 0, 0, "append a line per request, before its reply is sent:"},
    {"", NULL, FLAG, NULL, 0, 0,
     "  conn=1 req=2 method=GET target=/x body=0 tls=none|full|resumed"},
    {"--stats-path", "PATH", TEXT, &opt.stats_path, 0, 0,
     "where the counters are served as JSON (/stats)"},
    {"--cert", "FILE", TEXT, &opt.cert, 0, 0, "speak TLS with this certificate chain (PEM)"},
    {"--key", "FILE", TEXT, &opt.key, 0, 0, "its private key"},
    {"--client-ca", "FILE", TEXT, &opt.client_ca, 0, 0,
     "demand a client certificate signed by this CA"},
    {"--tls-max", "1.2|1.3", TEXT, &opt.tls_max, 0, 0, "highest TLS version (1.3)"},
    {"--no-tickets", NULL, FLAG, &opt.no_tickets, 0, 0, "no session resumption"},
    {"--alpn", "LIST", TEXT, &opt.alpn, 0, 0,
     "protocols accepted by ALPN, comma-separated; no overlap is an alert"},
    {"--close-after", "N", NUMBER, &opt.close_after, 1, INT64_MAX,
     "'Connection: close' at the Nth request of a connection"},
    {"--silent-close-after", "N", NUMBER, &opt.silent_close_after, 1, INT64_MAX,
     "close after the Nth request, unannounced"},
    {"--keepalive-hint", "S", NUMBER, &opt.keepalive_hint, 0, 1000000,
     "send 'Keep-Alive: timeout=S'"},
    {"--idle-close", "MS", NUMBER, &opt.idle_close, 1, 1000000000,
     "close connections that were idle so long"},
    {"--http10", NULL, FLAG, &opt.http10, 0, 0, "answer as HTTP/1.0, one request per connection"},
    {"--delay", "MS", NUMBER, &opt.delay, 0, 1000000000,
     "wait before each reply (but not of the statistics)"},
    {"--max-conns", "N", NUMBER, &opt.max_conns, 1, 1000000, "reset connections beyond N"},
    {"--accept-but-never-answer", NULL, FLAG, &opt.never_answer, 0, 0,
     "accept, then neither read nor write"},
    {"--never-accept", NULL, FLAG, &opt.never_accept, 0, 0,
     "listen with the smallest backlog and do not accept"},
    {"--plain-text-banner", NULL, FLAG, &opt.banner, 0, 0,
     "answer whatever comes with a line that is not HTTP"},
    {"--help", NULL, FLAG, NULL, 0, 0, "show this"},
};

enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

static void say(const char *fmt, va_list ap)
{
    fflush(stdout);
    fputs("belay-origin: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

void die_usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
    exit(2);
}

void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
    exit(1);
}

static void help_routes(const struct route *r)
{
    for (; r->name; r++) {
        char left[64];
        snprintf(left, sizeof(left), "%s%s", r->name, r->arg ? r->arg : "");
        printf("  %-26s %s\n", left, r->help);
    }
}

static void help(void)
{
    puts(
        "usage: belay-origin [options]\n\n"
        "A loopback HTTP/1.1 server that behaves well or badly on demand. It prints one line\n"
        "'listening URL' per listener, then 'ready'. SIGTERM ends it gracefully, with status 0.\n\n"
        "options");
    for (size_t i = 0; i < N_ROWS; i++) {
        char left[64];
        snprintf(left, sizeof(left), "%s%s%s", rows[i].name, rows[i].arg ? " " : "",
                 rows[i].arg ? rows[i].arg : "");
        printf("  %-26s %s\n", left, rows[i].help);
    }
    puts("\npaths (parameters in brackets may follow as a query)");
    help_routes(ordinary_routes);
    puts("\npaths that misbehave (those that can leave the connection open do, so that a reuse "
         "shows)");
    help_routes(fault_routes);
    exit(fflush(stdout) == 0 ? 0 : 1);
}

static void take_number(const struct option_row *row, const char *value)
{
    uint64_t n;
    if (!number_read(value, strlen(value), &n) || n > INT64_MAX || (int64_t)n < row->min ||
        (int64_t)n > row->max) {
        die_usage("%s: '%s' is not a number from %lld to %lld", row->name, value,
                  (long long)row->min, (long long)row->max);
    }
    *(int64_t *)row->to = (int64_t)n;
}

static void take(const struct option_row *row, const char *value)
{
    switch (row->kind) {
    case FLAG:
        break;
    case NUMBER:
        take_number(row, value);
        break;
    case TEXT:
        *(const char **)row->to = value;
        break;
    case BIND:
        if (opt.n_binds == BINDS_MAX) {
            die_usage("--bind: more than %d addresses", BINDS_MAX);
        }
        opt.binds[opt.n_binds++] = value;
        break;
    }
}

static const struct option_row *row_find(const char *arg, size_t n)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (n > 2 && strlen(rows[i].name) == n && memcmp(rows[i].name, arg, n) == 0) {
            return &rows[i];
        }
    }
    die_usage("unknown option '%s' (--help lists them)", arg);
}

static void check(void)
{
    if (!opt.cert != !opt.key) {
        die_usage("--cert and --key go together");
    }
    if (!opt.cert && (opt.client_ca || opt.tls_max || opt.alpn || opt.no_tickets)) {
        die_usage("%s needs --cert and --key", opt.client_ca ? "--client-ca"
                                               : opt.tls_max ? "--tls-max"
                                               : opt.alpn    ? "--alpn"
                                                             : "--no-tickets");
    }
    if (opt.tls_max && strcmp(opt.tls_max, "1.2") != 0 && strcmp(opt.tls_max, "1.3") != 0) {
        die_usage("--tls-max: '%s' is neither 1.2 nor 1.3", opt.tls_max);
    }
    if (opt.stats_path[0] != '/') {
        die_usage("--stats-path: '%s' does not start with a slash", opt.stats_path);
    }
    if (opt.n_binds == 0) {
        opt.binds[opt.n_binds++] = "127.0.0.1";
    }
}

void options_parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *eq = strchr(argv[i], '=');
        size_t n = eq ? (size_t)(eq - argv[i]) : strlen(argv[i]);
        const struct option_row *row = row_find(argv[i], n);
        if (row->kind == FLAG) {
            if (eq) {
                die_usage("%s takes no value", row->name);
            }
            if (!row->to) {
                help();
            }
            *(bool *)row->to = true;
        } else if (eq) {
            take(row, eq + 1);
        } else if (i + 1 < argc) {
            take(row, argv[++i]);
        } else {
            die_usage("%s needs a value", row->name);
        }
    }
    check();
}
