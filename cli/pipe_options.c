/* SPDX-License-Identifier: MIT */
/* What `belay pipe` was told: its table, its defaults, and which options go together. */
#include "pipe_options.h"

#include <string.h>

#include "input.h"

#define AT(field) offsetof(struct pipe_options, field)
#include "option_rows.h"

#define BUFFER_MIN 16
#define BUFFER_MAX (INT64_C(1) << 30)

static bool take_buffer(void *into, const char *value, struct complaint *why)
{
    return values_size(value, BUFFER_MIN, BUFFER_MAX, &((struct pipe_options *)into)->buffer, why);
}

static const struct option_row own_rows[] = {
    HEADING("What is sent"),
    TEXT(0, "hello", "TEXT|@FILE", hello,
         "send that first on each connection; \\n, \\r, \\t, \\0, \\xHH\nof TEXT are undone"),
    FLAG(0, "lines", lines, "whole lines only: one that is cut by a loss is sent again"),
    FLAG('C', "crlf", crlf, "lines end in CR LF on their way out"),
    TAKE(0, "buffer", "SIZE", take_buffer, "read so much ahead of what is sent, then wait (1M)"),
    TEXT(0, "exec", "CMD", exec,
         "sh -c CMD reads what comes and writes what is sent, in place\nof standard input and "
         "output; it is started once"),
    FLAG('d', "no-input", no_input, "do not read standard input: show what comes, for ever"),

    HEADING("When it ends"),
    FLAG('N', "no-wait", close_at_end,
         "at the end of the input close the connection; else say that\nno more comes, and wait "
         "for the other side's end"),
    FLAG(0, "once", once, "when the other side closes, or the connection is lost"),
    TIME('w', "idle", idle_ms, 1, "when nothing was sent or received for so long"),
    TIME('m', "timeout", client.timeout_ms, 1, "after so long in any case, with status 1"),
};

static const struct option_row connect_rows[] = {
    HEADING("How to connect"),
    TIME(0, "connect-timeout", client.connect_timeout_ms, 0,
         "of one attempt: look-up, connecting and TLS together (30s)"),
};

static const struct option_row show_rows[] = {
    HEADING("What to say, on standard error"),
    FLAG(0, "json", client.json,
         "a JSON line for each event and one at the end, with its status,\nreason and error; "
         "nothing else"),
    FLAG('q', "quiet", client.quiet, "only what ends it, and what a loss did to the data"),
    MORE('v', "verbose", client.verbose,
         "tell of connections and TLS, and the sum; -vv of every change\nof state"),
};

static const struct option_group own = GROUP(own_rows), connect = GROUP(connect_rows),
                                 show = GROUP(show_rows);
static const struct option_group *const groups[] = {
    &own, &client_link_group, &connect, &client_connect_group, &show, &client_help_group,
};

/* What people bring along from nc, ncat and socat. */
static const struct option_hint hints[] = {
    {"-l", "it only connects: nc -l PORT or socat TCP-LISTEN:PORT,fork - listens"},
    {"--listen", "it only connects: nc -l PORT or socat TCP-LISTEN:PORT,fork - listens"},
    {"-u", "it has connections and no datagrams: nc -u HOST PORT"},
    {"--udp", "it has connections and no datagrams: nc -u HOST PORT"},
    {"-z", "belay watch --until-up --timeout TIME ADDRESS says whether it can be connected to"},
    {"-c", "tls://HOST:PORT speaks TLS, --exec CMD runs a command"},
    {"--ssl", "tls://HOST:PORT speaks TLS"},
    {"-e", "use --exec CMD"},
    {"--sh-exec", "use --exec CMD"},
    {"-n", "numeric addresses are never looked up"},
    {"-p", "the system chooses the port; --interface ADDR the address"},
    {"-s", "use --interface ADDR"},
    {"-X", "the proxy's URL says what it speaks: -x socks5://HOST:PORT"},
    {"-i", "the time between attempts is --retry-delay"},
    {"--keepalive", "connections are probed by themselves"},
    {NULL, NULL},
};

const struct option_table pipe_table = {
    .usage = "belay pipe [options] ADDRESS",
    .about =
        "Standard input and output over a connection that comes back: like nc, but a lost\n"
        "connection is made again. What was read and not sent is sent then; what had been handed\n"
        "to the system and may not have arrived is told as a count. So much at least: what has\n"
        "arrived at the other system its program may not have read, if the connection was reset.\n"
        "Status: 0 all was sent and the other side has closed, 1 something failed, 2 usage,\n"
        "130 interrupted. Times are 500ms, 2s, 1.5m; a bare number is seconds. In brackets: what\n"
        "holds when nothing is said.\n\n" SERVICE_SYNTAX,
    .footer = "Examples\n"
              "  journalctl -f | belay pipe --lines logs=a:5140,b:5140   lines stay whole\n"
              "  belay pipe --hello 'SUBSCRIBE news\\r\\n' -d redis:6379   whatever happens to it\n"
              "  belay pipe --once -C tls://mail.example.com:465         talk to a server\n"
              "  belay pipe -N unix:///run/spool < report                hand over a file",
    .groups = groups,
    .groups_n = COUNT_OF(groups),
    .hints = {hints, client_hints},
};

/* ---- reading ---- */

static bool is_port(const char *text)
{
    return text[0] && text[strspn(text, "0123456789")] == '\0';
}

static bool read_address(struct pipe_options *o, struct complaint *why)
{
    const struct strings *given = &o->client.urls;
    char shown[TEXT_SHOWN_MAX];

    if (given->n == 0)
        return complain(why, "there is no address (belay pipe HOST:PORT, or --help)");
    if (given->n == 2 && is_port(given->items[1]))
        return complain(why, "host and port are one word (%s:%s)",
                        text_show(shown, sizeof shown, given->items[0]), given->items[1]);
    if (given->n > 1)
        return complain(why,
                        "\"%s\": there is one address already (several of one service: "
                        "NAME=ADDRESS,ADDRESS)",
                        text_show(shown, sizeof shown, given->items[1]));
    if (!service_parse(&o->service, given->items[0], why))
        return false;
    if (service_is_http(&o->service) || service_is_grpc(&o->service))
        return complain(why, "%s: bytes go to %s:// (belay %s)",
                        text_show(shown, sizeof shown, given->items[0]),
                        service_is_tls(&o->service) ? "tls" : "tcp",
                        service_is_grpc(&o->service) ? "grpc calls methods" : "get asks for URLs");
    o->client.needs_tls = service_is_tls(&o->service);
    return true;
}

static bool read_hello(struct pipe_options *o, struct complaint *why)
{
    struct complaint inner;

    if (!o->hello)
        return true;
    if (o->hello[0] == '@')
        return input_read(o->hello + 1, "reading --hello", &o->hello_bytes, why);
    return values_unescape(o->hello, &o->hello_bytes, &inner) ||
           complain(why, "--hello: %.400s", inner.text);
}

static bool check(struct pipe_options *o, struct complaint *why)
{
    if (!client_options_check_connection(&o->client, why) || !read_address(o, why))
        return false;
    if (o->no_input && (o->lines || o->crlf || o->close_at_end || o->exec))
        return client_options_clash(why, "--no-input",
                                    o->lines          ? "--lines"
                                    : o->crlf         ? "--crlf"
                                    : o->close_at_end ? "--no-wait"
                                                      : "--exec");
    if (o->hello && strcmp(o->hello, "@-") == 0 && !o->no_input && !o->exec)
        return complain(why, "--hello @-: standard input is what is sent");
    return read_hello(o, why);
}

enum options_verdict pipe_options_read(struct pipe_options *o, int argc, char **argv,
                                       struct complaint *why)
{
    enum options_verdict verdict;

    memset(o, 0, sizeof *o);
    client_options_init(&o->client);
    o->idle_ms = OPTION_UNSET;
    o->buffer = 1 << 20;
    verdict = options_read(&pipe_table, argc, argv, o, &o->client.urls, why);
    if (verdict == OPTIONS_GOOD && !check(o, why))
        verdict = OPTIONS_BAD;
    return verdict;
}

void pipe_options_free(struct pipe_options *o)
{
    service_free(&o->service);
    bytes_free(&o->hello_bytes);
    client_options_free(&o->client);
    memset(o, 0, sizeof *o);
}
