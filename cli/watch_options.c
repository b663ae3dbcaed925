/* SPDX-License-Identifier: MIT */
/* What `belay watch` was told: its table, its defaults, and which options go together. */
#include "watch_options.h"

#include <stdlib.h>
#include <string.h>

#include "service.h"

#define AT(field) offsetof(struct watch_options, field)
#include "option_rows.h"

static bool take_status(void *into, const char *value, struct complaint *why)
{
    struct watch_options *o = into;
    char *copy = memory_copy(value, strlen(value)), *dash = strchr(copy, '-');
    struct complaint ignored;
    bool good;

    if (dash)
        *dash = '\0';
    good = values_count(copy, 200, 599, &o->status_min, &ignored) &&
           values_count(dash ? dash + 1 : copy, o->status_min, 599, &o->status_max, &ignored);
    free(copy);
    return good || complain(why, "is not one status or a range of them (200, 200-399)");
}

static const struct option_row goal_rows[] = {
    HEADING("How long"),
    FLAG(0, "until-up", until_up, "end with status 0 when all are up at the same time"),
    FLAG(0, "until-down", until_down, "or when all are down"),
    FLAG(0, "any", any, "one of them is enough"),
    TIME(0, "stable", stable_ms, 1, "and it has been so for that long"),
    TIME('m', "timeout", client.timeout_ms, 1,
         "end with status 1 when it has not come to that in time"),
    TIME(0, "for", for_ms, 1,
         "end after so long; else SIGINT does, or the key q. An --exec\n"
         "that runs then is given a second more, and killed"),
};

static const struct option_row up_rows[] = {
    HEADING("What counts as up"),
    TEXT(0, "expect", "TEXT", expect,
         "the server says it, after connecting and --send;\n\\r \\n \\t \\0 \\\\ \\xHH are bytes"),
    TEXT(0, "send", "TEXT", send, "say that first"),
    TAKE(0, "status", "N[-N]", take_status, "the answer to a request has it (200-399)"),
    TEXT(0, "grpc-health", "SERVICE", grpc_health,
         "grpc:// and grpcs:// say SERVING (grpc.health.v1) of that\nservice (of the server as a "
         "whole)"),
    TEXT(0, "check", "CMD", check,
         "`sh -c CMD` ends with status 0, at each connect and\n--every so often"),
    TIME(0, "every", every_ms, 1, "between two requests or checks while it is up (10s)"),
    TIME(0, "answer-timeout", answer_ms, 1, "for the text, the answer or the check (5s)"),
};

static const struct option_row show_rows[] = {
    HEADING("What to do and to show"),
    TEXT(0, "exec", "CMD", exec,
         "run `sh -c CMD` at each change; BELAY_NAME, BELAY_EVENT\n"
         "(connected, disconnected, failed_to_connect),\n"
         "BELAY_ADDRESS and BELAY_ERROR tell; one at a time, 30s"),
    FLAG(0, "events", events, "a line for each event"),
    FLAG(0, "json", client.json,
         "a JSON object for each event, and nothing else on\nstandard output"),
    FLAG('q', "quiet", client.quiet, "no table and no summary"),
    MORE('v', "verbose", client.verbose,
         "tell of connections and TLS; -vv of every change of state"),
    LIST('i', "input-file", "FILE", client.url_files,
         "read addresses from a file, one a line, # begins a comment"),
};

static const struct option_row connect_rows[] = {
    HEADING("How to connect"),
    TIME(0, "connect-timeout", client.connect_timeout_ms, 0,
         "for look-up, connecting and TLS together"),
};

static const struct option_group goal = GROUP(goal_rows), up = GROUP(up_rows),
                                 show = GROUP(show_rows), connect_limit = GROUP(connect_rows);
static const struct option_group *const groups[] = {
    &goal,
    &up,
    &show,
    &client_link_group,
    &connect_limit,
    &client_connect_group,
    &client_ask_group,
    &client_help_group,
};

static const struct option_hint hints[] = {
    {"-t", "it is --timeout here, or -m"},
    {"-n", "it goes on until --until-up, --for, or SIGINT"},
    {"--strict", "a command after -- runs only once all are up"},
    {"--host", "addresses are HOST:PORT, or URLs"},
    {"-p", "addresses are HOST:PORT, or URLs"},
    {"--port", "addresses are HOST:PORT, or URLs"},
    {"-M", "--every says how often, --expect and --check what is asked"},
    {"--interval", "it is --every here; --retry-delay for what is down"},
    {"--wait", "it is --until-up here"},
    {"--retries", "--backoff 1s,tries=N gives up"},
    {"--command", "it is --exec here"},
    {"-d", "a health check has no body (--check CMD may do anything)"},
    {"-f", "--status says which answers are good"},
    {"--fail", "--status says which answers are good"},
    {"-o", "answers are read and forgotten"},
    {NULL, NULL},
};

const struct option_table watch_table = {
    .usage = "belay watch [options] ADDRESS... [-- COMMAND [ARG...]]",
    .about =
        "Holds a connection to each service for as long as it runs, connects again when it falls,\n"
        "and shows what becomes of it: on a terminal a live table, in a pipe a summary at the "
        "end.\n"
        "http:// and https:// are asked by a request every 10 s, and at once when the connection\n"
        "of the last one is closed; grpc:// and grpcs:// are asked for their health, likewise.\n"
        "COMMAND takes this program's place once all are up. Status: 0 done, 1 the limit was met\n"
        "or at the end not all were up, 2 usage, 130 interrupted; else COMMAND's. Times are "
        "500ms,\n"
        "2s, 1.5m; a bare number is seconds. In brackets: what holds when nothing is "
        "said.\n\n" SERVICE_SYNTAX "\n\n"
        "Keys: t try now, q quit. SIGUSR1 tries now, too. When all are up for the first time,\n"
        "systemd is told (Type=notify).",
    .footer =
        "Examples\n"
        "  belay watch db:5432 https://example.com/health        what is up, and since when?\n"
        "  belay watch --until-up -m 30s db:5432 -- ./serve      when the database is there\n"
        "  belay watch --expect '220 ' mail:25                   not only a port that is open\n"
        "  belay watch --until-up grpc://api:50051 -- ./serve    when it says that it is SERVING\n"
        "  belay watch db=10.0.0.1:5432,10.0.0.2:5432            one service of two addresses\n"
        "  belay watch --exec ./tell --backoff 100ms..10s api:80 at each change\n"
        "  belay watch --json --for 1h srv:_ldap._tcp.corp.test  for a script",
    .groups = groups,
    .groups_n = COUNT_OF(groups),
    .hints = {hints, client_hints},
};

/* ---- bytes ---- */

static bool read_bytes(const char *option, const char *text, char **ret, size_t *ret_len,
                       struct complaint *why)
{
    struct complaint inner;
    struct bytes bytes = {NULL, 0, 0};

    if (!text)
        return true;
    if (values_unescape(text, &bytes, &inner)) {
        *ret = bytes.data;
        *ret_len = bytes.len;
        return true;
    }
    bytes_free(&bytes);
    return complain(why, "%s: %.400s", option, inner.text);
}

/* ---- together ---- */

static bool check_goal(struct watch_options *o, struct complaint *why)
{
    bool goal_given;

    if (o->command && o->until_down)
        return client_options_clash(why, "-- COMMAND", "--until-down");
    if (o->command && !o->command[0])
        return complain(why, "after -- there is no command");
    o->until_up = o->until_up || o->command;
    goal_given = o->until_up || o->until_down;
    if (o->until_up && o->until_down)
        return client_options_clash(why, "--until-up", "--until-down");
    if (!goal_given && o->any)
        return complain(why, "--any goes with --until-up or --until-down");
    if (!goal_given && o->stable_ms != OPTION_UNSET)
        return complain(why, "--stable goes with --until-up or --until-down");
    if (!goal_given && o->client.timeout_ms != OPTION_UNSET)
        return complain(why, "--timeout is the limit of --until-up and --until-down (--for ends "
                             "the watch after so long)");
    return true;
}

static bool check(struct watch_options *o, struct complaint *why)
{
    if (o->client.urls.n == 0 && o->client.url_files.n == 0)
        return complain(why, "there is no address (belay watch HOST:PORT, or --help)");
    if (!check_goal(o, why) || !client_options_check_connection(&o->client, why))
        return false;
    if (o->send && !o->expect)
        return complain(why, "--send goes with --expect");
    if (!read_bytes("--send", o->send, &o->send_bytes, &o->send_len, why) ||
        !read_bytes("--expect", o->expect, &o->expect_bytes, &o->expect_len, why))
        return false;
    if (o->expect && o->expect_len > 4096)
        return complain(why, "--expect: is longer than 4,096 bytes");
    if (o->events && o->client.quiet)
        return client_options_clash(why, "--events", "-q");
    return true;
}

bool watch_options_check_kinds(const struct watch_options *o, size_t http, size_t grpc, size_t all,
                               struct complaint *why)
{
    const char *needs = client_needs_http(&o->client);

    if (!needs && (o->status_min != 200 || o->status_max != 399))
        needs = "--status";
    if (http == 0 && needs)
        return complain(why, "%s is for http:// and https://, and there is no such address", needs);
    if (http == all && o->expect)
        return complain(why, "--expect is for tcp://, tls:// and unix://: of an answer --status is "
                             "looked at");
    if (http + grpc == all && o->expect)
        return complain(why, "--expect is for tcp://, tls:// and unix://: grpc:// is asked for its "
                             "health");
    if (grpc == 0 && o->grpc_health)
        return complain(why, "--grpc-health is for grpc:// and grpcs://, and there is no such "
                             "address");
    return true;
}

/* What follows "--" is nobody's option. */
static int cut_command(struct watch_options *o, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            o->command = argv + i + 1;
            return i;
        }
    }
    return argc;
}

enum options_verdict watch_options_read(struct watch_options *o, int argc, char **argv,
                                        struct complaint *why)
{
    enum options_verdict verdict;

    memset(o, 0, sizeof *o);
    client_options_init(&o->client);
    o->client.method = "GET";
    o->client.concurrency = 1000;
    o->for_ms = o->stable_ms = OPTION_UNSET;
    o->every_ms = 10000;
    o->answer_ms = 5000;
    o->status_min = 200;
    o->status_max = 399;
    argc = cut_command(o, argc, argv);
    verdict = options_read(&watch_table, argc, argv, o, &o->client.urls, why);
    if (verdict == OPTIONS_GOOD && !check(o, why))
        verdict = OPTIONS_BAD;
    return verdict;
}

void watch_options_free(struct watch_options *o)
{
    free(o->send_bytes);
    free(o->expect_bytes);
    client_options_free(&o->client);
    memset(o, 0, sizeof *o);
}
