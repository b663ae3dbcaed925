/* SPDX-License-Identifier: MIT */
/* The options of `belay get`: its own, among those of every client. */
#include "get_options.h"

#define AT(field) offsetof(struct get_options, field)
#include "option_rows.h"

static bool take_rate(void *into, const char *value, struct complaint *why)
{
    return values_rate(value, &((struct get_options *)into)->rate, why);
}

static bool take_retry_status(void *into, const char *value, struct complaint *why)
{
    struct retry_policy *retry = &((struct get_options *)into)->retry;

    return values_statuses(value, retry->statuses, RETRY_STATUSES_MAX, &retry->statuses_n, why);
}

/* ---- the table ---- */

static const struct option_row output_rows[] = {
    HEADING("What to do with the answer"),
    TEXT('o', "output", "FILE", output,
         "write the body there, once it is whole; - is standard output"),
    TEXT('O', "output-dir", "DIR", output_dir,
         "write each body into a file of DIR, named after its URL"),
    TEXT('D', "dump-header", "FILE", dump_header, "write the headers there; - is standard output"),
    FLAG('f', "fail", client.fail, "an answer of 400 or above is a failure"),
    FLAG(0, "discard", discard, "read bodies and forget them"),
    FLAG(0, "json", client.json, "print the summary as one JSON object"),
    FLAG('w', "write-out", write_out, "print one JSON line for each request"),
    FLAG('q', "quiet", client.quiet, "neither progress nor summary"),
    MORE('v', "verbose", client.verbose,
         "tell of connections, TLS and retries; -vv of every change of state"),

    HEADING("How many, how fast"),
    COUNT('n', "requests", requests, 1, INT64_MAX,
          "so many in all, the URLs in turn (each URL once)"),
    COUNT('c', "concurrency", client.concurrency, 1, 100000, "so many in flight at a time (16)"),
    TIME(0, "for", for_ms, 1, "start new ones for so long"),
    TAKE(0, "rate", "N", take_rate, "start so many a second; latency counts from when one was due"),
    TIME(0, "warm-up", warm_up_ms, 1, "what starts in the first TIME is not counted"),

    HEADING("When it fails"),
    COUNT(0, "retries", retry.retries, 0, 1000,
          "try again so many times, after 0.1 s and then doubling, what\ncannot have been done "
          "already (2)"),
    TAKE(0, "retry-status", "LIST", take_retry_status,
         "and answers such as 429,503; Retry-After is obeyed"),
    FLAG(0, "retry-unsafe", retry.unsafe,
         "and what may have been done already, a POST for example"),
};

static const struct option_group own = GROUP(output_rows);
static const struct option_group *const groups[] = {
    &client_ask_group,     &client_request_group, &own, &client_pool_group, &client_limit_group,
    &client_connect_group, &client_help_group,
};

static const struct option_hint hints[] = {
    {"--include", "headers with the body are -D -"},
    {"--retry", "it is --retries here"},
    {"--retry-delay", "the delay is 0.1 s and doubles"},
    {"--retry-all-errors", "it is --retry-unsafe here"},
    {"--remote-name", "use -O DIR"},
    {"--remote-name-all", "use -O DIR"},
    {"-J", "use -O DIR"},
    {NULL, NULL},
};

const struct option_table get_table = {
    .usage = "belay get [options] URL...",
    .about =
        "Asks for URLs over pooled, reused and verified connections. The body of a single one goes "
        "to\n"
        "standard output; of many a summary is printed. Status: 0 every request was answered,\n"
        "1 something failed, 2 usage, 130 interrupted. Times are 500ms, 2s, 1.5m; a bare number\n"
        "is seconds. In brackets: what holds when nothing is said.",
    .footer =
        "Proxies are as in curl, except that in their URLs \"%\" and what is not ASCII are "
        "escaped,\n"
        "HTTP takes no user name with a \":\" and no control characters, SOCKS 4 takes no "
        "password,\n"
        "-U asks for none, and http://localhost/PATH is a Unix socket as with socks5h.\n"
        "\n"
        "Examples\n"
        "  belay get https://example.com/                          print a page\n"
        "  belay get -O pages -i urls.txt                          fetch many, 16 at a time\n"
        "  belay get -n 100000 -c 64 --discard URL                 measure a server\n"
        "  belay get --for 30s --rate 200 --json URL > run.json    at a steady rate, for a script",
    .groups = groups,
    .groups_n = COUNT_OF(groups),
    .hints = {hints, client_hints},
};
