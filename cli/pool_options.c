/* SPDX-License-Identifier: MIT */
/* What `belay pool` was told: its table, its defaults, and which options go together. */
#include "pool_options.h"

#include <string.h>
#include <strings.h>

#define AT(field) offsetof(struct pool_options, field)
#include "option_rows.h"

static const struct option_row own_rows[] = {
    HEADING("How much, how often, how long"),
    COUNT('c', "concurrency", client.concurrency, 1, 10000,
          "so many for each endpoint each time, as far as the\nformer ones are done (1)"),
    TIME(0, "every", every_ms, 0, "time between them (1s); 0: as soon as one is done"),
    TIME(0, "hold", hold_ms, 1, "keep each lease so long; tcp, tls and unix only (0)"),
    TIME(0, "for", for_ms, 1, "end after so long; else SIGINT does, or the key q"),
    COUNT(0, "retries", retries, 0, 1000, "dial so many times again before who waits is told (3)"),
    FLAG('f', "fail", client.fail, "an answer of 400 or above is a failure"),

    HEADING("What to show"),
    FLAG(0, "events", events, "a line for each connection opened, used again and closed"),
    FLAG(0, "json", client.json, "one JSON line each second, for each event, and at the end"),
    FLAG('q', "quiet", client.quiet, "only events, failures, and with --json the end"),
    MORE('v', "verbose", client.verbose,
         "tell of connections, TLS and retries; -vv of every change of state"),
};

static const struct option_group own = GROUP(own_rows);
static const struct option_group *const groups[] = {
    &own,
    &client_pool_group,
    &client_limit_group,
    &client_connect_group,
    &client_ask_group,
    &client_request_group,
    &client_help_group,
};

static const struct option_hint hints[] = {
    {"-n", "it goes on until --for, or SIGINT"},
    {"--requests", "it goes on until --for, or SIGINT"},
    {"--rate", "-c at a time, --every so often"},
    {"--interval", "it is --every here"},
    {"--duration", "it is --for here"},
    {"-o", "bodies are read and forgotten (belay get -o)"},
    {"--output", "bodies are read and forgotten (belay get -o)"},
    {"-O", "bodies are read and forgotten (belay get -O)"},
    {"-w", "--events tells of connections, --json of all"},
    {"--discard", "bodies are read and forgotten in any case"},
    {NULL, NULL},
};

const struct option_table pool_table = {
    .usage = "belay pool [options] URL...",
    .about =
        "Keeps a pool of connections to each endpoint, uses them, and shows what the pool does: "
        "on\n"
        "a terminal a live table, else a line each second. http:// and https:// are asked;\n"
        "tcp://, tls://, unix:// and HOST:PORT are leased and given back. Status: 0 done,\n"
        "1 something failed, 2 usage, 130 interrupted. Times are 500ms, 2s, 1.5m; a bare number "
        "is\n"
        "seconds. In brackets: what holds when nothing is said.\n\n"
        "Keys: d drain and end, c clear (close all, now or when given back), s suspend, r resume,\n"
        "q quit. HTTP and leased endpoints have a pool each: --max-total holds for either.",
    .footer =
        "Examples\n"
        "  belay pool https://example.com/                         look at one connection\n"
        "  belay pool -c 20 --every 100ms http://a/ http://b/      under some load\n"
        "  belay pool -c 4 --hold 3s tls://db:5432 unix:///run/s   leases that last\n"
        "  belay pool --events --idle-timeout 5s --every 10s URL   when is what closed, and why?\n"
        "  belay pool --json --for 1m URL > pool.json              for a script",
    .groups = groups,
    .groups_n = COUNT_OF(groups),
    .hints = {hints, client_hints},
};

bool pool_url_is_http(const char *url)
{
    return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

enum options_verdict pool_options_read(struct pool_options *o, int argc, char **argv,
                                       struct complaint *why)
{
    enum options_verdict verdict;

    memset(o, 0, sizeof *o);
    client_options_init(&o->client);
    o->client.concurrency = 1;
    o->every_ms = 1000;
    o->for_ms = o->hold_ms = o->retries = OPTION_UNSET;
    verdict = options_read(&pool_table, argc, argv, o, &o->client.urls, why);
    if (verdict == OPTIONS_GOOD && !client_options_check(&o->client, "pool", why))
        verdict = OPTIONS_BAD;
    return verdict;
}

bool pool_options_check_urls(const struct pool_options *o, struct complaint *why)
{
    const char *needs = client_needs_http(&o->client);
    size_t http = 0;

    if (o->client.urls.n == 0)
        return complain(why, "there is no URL in the files of -i");
    for (size_t i = 0; i < o->client.urls.n; i++)
        http += pool_url_is_http(o->client.urls.items[i]);
    if (http == 0 && needs)
        return complain(why, "%s is for http:// and https://, and there is no such URL", needs);
    if (http == o->client.urls.n && o->hold_ms != OPTION_UNSET)
        return complain(why, "--hold is for tcp://, tls:// and unix://: a request holds its "
                             "connection as long as it takes");
    return true;
}

void pool_options_free(struct pool_options *o)
{
    client_options_free(&o->client);
    memset(o, 0, sizeof *o);
}
