/* SPDX-License-Identifier: MIT */
/* The options of `belay get`: one table. */
#include <string.h>

#include "get_options.h"

#define AT(field)   offsetof(struct get_options, field)
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* ---- values that need more than a place ---- */

static bool take_header(void *into, const char *value, struct complaint *why)
{
    struct get_options *o = into;
    struct header_value header;

    if (!values_header(value, &header, why))
        return false;
    o->headers = memory_grow(o->headers, o->headers_n + 1, sizeof *o->headers);
    o->headers[o->headers_n++] = header;
    return true;
}

static bool add_data(struct get_options *o, const char *text, bool binary)
{
    o->data = memory_grow(o->data, o->data_n + 1, sizeof *o->data);
    o->data[o->data_n++] = (struct get_data){binary, text};
    return true;
}

static bool take_data(void *into, const char *value, struct complaint *why)
{
    (void)why;
    return add_data(into, value, false);
}

static bool take_data_binary(void *into, const char *value, struct complaint *why)
{
    (void)why;
    return add_data(into, value, true);
}

static bool take_user(void *into, const char *value, struct complaint *why)
{
    if (!strchr(value, ':'))
        return complain(why, "there is no password in it (NAME:PASSWORD)");
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return complain(why, "has a control character in it");
    ((struct get_options *)into)->user = value;
    return true;
}

static bool take_method(void *into, const char *value, struct complaint *why)
{
    char shown[TEXT_SHOWN_MAX];

    if (!values_is_token(value, strlen(value)))
        return complain(why, "\"%s\" is not a method", text_show(shown, sizeof shown, value));
    ((struct get_options *)into)->method = value;
    return true;
}

static bool take_rate(void *into, const char *value, struct complaint *why)
{
    return values_rate(value, &((struct get_options *)into)->rate, why);
}

static bool take_retry_status(void *into, const char *value, struct complaint *why)
{
    struct retry_policy *retry = &((struct get_options *)into)->retry;

    return values_statuses(value, retry->statuses, RETRY_STATUSES_MAX, &retry->statuses_n, why);
}

static bool take_tls_min(void *into, const char *value, struct complaint *why)
{
    struct belay_tls_options *tls = &((struct get_options *)into)->tls;
    char shown[TEXT_SHOWN_MAX];

    if (strcmp(value, "1.2") == 0)
        tls->min_version = BELAY_TLS_1_2;
    else if (strcmp(value, "1.3") == 0)
        tls->min_version = BELAY_TLS_1_3;
    else
        return complain(why, "\"%s\" is neither 1.2 nor 1.3",
                        text_show(shown, sizeof shown, value));
    return true;
}

/* "sha256//...;sha256//...": the library says what is wrong with one. */
static bool take_pins(void *into, const char *value, struct complaint *why)
{
    struct get_options *o = into;

    if (value[strspn(value, ";")] == '\0')
        return complain(why, "its value is empty");
    for (const char *at = value; *at; at += strspn(at, ";")) {
        size_t len = strcspn(at, ";");

        o->pins = memory_grow(o->pins, o->tls.pins_n + 1, sizeof *o->pins);
        o->pins[o->tls.pins_n++] = memory_copy(at, len);
        at += len;
    }
    return true;
}

static bool take_resolve(void *into, const char *value, struct complaint *why)
{
    return route_add_resolve(&((struct get_options *)into)->routes, value, why);
}

static bool take_connect_to(void *into, const char *value, struct complaint *why)
{
    return route_add_connect_to(&((struct get_options *)into)->routes, value, why);
}

/* ---- the table ---- */

#define HEADING(text)                                                                              \
    {                                                                                              \
        .kind = OPTION_HEADING, .help = text                                                       \
    }
#define FLAG(c, n, field, text)                                                                    \
    {                                                                                              \
        .letter = c, .kind = OPTION_FLAG, .name = n, .offset = AT(field), .help = text             \
    }
#define TEXT(c, n, a, field, text)                                                                 \
    {                                                                                              \
        .letter = c, .kind = OPTION_TEXT, .name = n, .arg = a, .offset = AT(field), .help = text   \
    }
#define COUNT(c, n, field, low, high, text)                                                        \
    {                                                                                              \
        .letter = c, .kind = OPTION_COUNT, .name = n, .arg = "N", .offset = AT(field), .min = low, \
        .max = high, .help = text                                                                  \
    }
#define TIME(c, n, field, low, text)                                                               \
    {                                                                                              \
        .letter = c, .kind = OPTION_TIME, .name = n, .arg = "TIME", .offset = AT(field),           \
        .min = low, .help = text                                                                   \
    }
#define TAKE(c, n, a, fn, text)                                                                    \
    {                                                                                              \
        .letter = c, .kind = OPTION_TAKE, .name = n, .arg = a, .take = fn, .help = text            \
    }
#define LATER(c, n, a)                                                                             \
    {                                                                                              \
        .letter = c, .kind = OPTION_LATER, .name = n, .arg = a                                     \
    }

static const struct option_row rows[] = {
    HEADING("What to ask"),
    TAKE('X', "request", "METHOD", take_method, "the method (GET)"),
    TAKE('H', "header", "NAME: VALUE", take_header,
         "send a header; NAME; has no value, NAME: takes away\nUser-Agent, or the Content-Type of "
         "-d"),
    TAKE('d', "data", "TEXT|@FILE", take_data,
         "send a body by POST, as a form; @- is standard input;\n"
         "files without their line ends, several joined by &"),
    TAKE(0, "data-binary", "TEXT|@FILE", take_data_binary, "the same, every byte as it is"),
    TEXT('T', "upload-file", "FILE", upload, "send a file by PUT; - is standard input"),
    TAKE('u', "user", "NAME:PASSWORD", take_user,
         "Basic credentials, kept to the hosts of the URLs"),
    FLAG('L', "location", location,
         "follow redirects; credentials stay behind when the host changes"),
    COUNT(0, "max-redirs", max_redirects, 1, 1000, "follow at most so many (10)"),
    FLAG('I', "head", head, "ask by HEAD and show the headers"),
    {.letter = 'i',
     .kind = OPTION_LIST,
     .name = "input-file",
     .arg = "FILE",
     .offset = AT(url_files),
     .help = "read URLs from a file, one a line, # begins a comment"},

    HEADING("What to do with the answer"),
    TEXT('o', "output", "FILE", output,
         "write the body there, once it is whole; - is standard output"),
    TEXT('O', "output-dir", "DIR", output_dir,
         "write each body into a file of DIR, named after its URL"),
    TEXT('D', "dump-header", "FILE", dump_header, "write the headers there; - is standard output"),
    FLAG('f', "fail", fail, "an answer of 400 or above is a failure"),
    FLAG(0, "discard", discard, "read bodies and forget them"),
    FLAG(0, "json", json, "print the summary as one JSON object"),
    FLAG('w', "write-out", write_out, "print one JSON line for each request"),
    FLAG('q', "quiet", quiet, "neither progress nor summary"),
    {.letter = 'v',
     .kind = OPTION_MORE,
     .name = "verbose",
     .offset = AT(verbose),
     .help = "tell of connections, TLS and retries; -vv of every change of state"},

    HEADING("How many, how fast"),
    COUNT('n', "requests", requests, 1, INT64_MAX,
          "so many in all, the URLs in turn (each URL once)"),
    COUNT('c', "concurrency", concurrency, 1, 100000, "so many in flight at a time (16)"),
    TIME(0, "for", for_ms, 1, "start new ones for so long"),
    TAKE(0, "rate", "N", take_rate, "start so many a second; latency counts from when one was due"),
    TIME(0, "warm-up", warm_up_ms, 1, "what starts in the first TIME is not counted"),
    COUNT(0, "max-connections", max_connections, 1, 100000, "to one endpoint at a time (10)"),
    COUNT(0, "max-total", max_total, 1, 1000000, "in all (1,000)"),
    TIME(0, "idle-timeout", idle_timeout_ms, 0, "close connections unused for so long (60s)"),

    HEADING("When it fails"),
    COUNT(0, "retries", retry.retries, 0, 1000,
          "try again so many times, after 0.1 s and then doubling, what\ncannot have been done "
          "already (2)"),
    TAKE(0, "retry-status", "LIST", take_retry_status,
         "and answers such as 429,503; Retry-After is obeyed"),
    FLAG(0, "retry-unsafe", retry.unsafe,
         "and what may have been done already, a POST for example"),
    TIME(0, "connect-timeout", connect_timeout_ms, 0, "for look-up, connecting and TLS together"),
    TIME('m', "timeout", timeout_ms, 0, "for one request, retries included"),

    HEADING("How to connect"),
    TEXT(0, "cacert", "FILE", tls.ca_file, "trust these authorities (PEM) and no others"),
    TEXT(0, "capath", "DIR", tls.ca_dir, "the same, a directory of hashed PEM files"),
    TEXT(0, "cert", "FILE", tls.cert_file, "client certificate and its chain (PEM)"),
    TEXT(0, "key", "FILE", tls.key_file, "its key, if it is in another file"),
    TEXT(0, "pass", "PHRASE", tls.key_passphrase, "passphrase of the key"),
    FLAG('k', "insecure", tls.no_verify, "believe whoever answers"),
    TAKE(0, "tls-min", "1.2|1.3", take_tls_min, "least version of TLS (1.2)"),
    TAKE(0, "pinnedpubkey", "PINS", take_pins,
         "the server's public key is one of these: sha256//BASE64;..."),
    TEXT(0, "servername", "NAME", server_name, "ask for and verify that name instead of the URL's"),
    TAKE(0, "resolve", "HOST:PORT:ADDR", take_resolve, "dial ADDR[,ADDR...] for HOST:PORT"),
    TAKE(0, "connect-to", "H:P:H2:P2", take_connect_to, "dial H2:P2 for H:P"),
    TEXT(0, "unix", "PATH", unix_path, "dial a Unix socket; @NAME is abstract"),
    FLAG('4', "ipv4", ipv4, "IPv4 only"),
    FLAG('6', "ipv6", ipv6, "IPv6 only"),
    TEXT(0, "interface", "NAME|ADDR", interface, "leave by that interface, or from that address"),
    LATER('x', "proxy", "URL"),
    LATER(0, "proxy-user", "NAME:PASSWORD"),
    LATER(0, "noproxy", "LIST"),
    LATER(0, "http2", NULL),
    LATER(0, "compressed", NULL),
    LATER('F', "form", "NAME=VALUE"),

    HEADING("And"),
    {.letter = 'h', .kind = OPTION_HELP, .name = "help", .help = "show this"},
};

/* What people bring along from curl, h2load and wrk. */
static const struct option_hint hints[] = {
    {"-s", "quiet is -q"},
    {"--silent", "quiet is -q"},
    {"-S", "errors are always shown"},
    {"--show-error", "errors are always shown"},
    {"-A", "use -H 'User-Agent: NAME'"},
    {"--user-agent", "use -H 'User-Agent: NAME'"},
    {"-b", "use -H 'Cookie: NAME=VALUE'"},
    {"--cookie", "use -H 'Cookie: NAME=VALUE'"},
    {"-e", "use -H 'Referer: URL'"},
    {"--referer", "use -H 'Referer: URL'"},
    {"-r", "use -H 'Range: bytes=FROM-TO'"},
    {"--range", "use -H 'Range: bytes=FROM-TO'"},
    {"--include", "headers with the body are -D -"},
    {"--url", "URLs need no option"},
    {"--max-time", "it is --timeout here, or -m"},
    {"--retry", "it is --retries here"},
    {"--retry-delay", "the delay is 0.1 s and doubles"},
    {"--retry-all-errors", "it is --retry-unsafe here"},
    {"--data-raw", "use --data-binary"},
    {"--unix-socket", "it is --unix here"},
    {"--abstract-unix-socket", "use --unix @NAME"},
    {"--remote-name", "use -O DIR"},
    {"--remote-name-all", "use -O DIR"},
    {"-J", "use -O DIR"},
    {"-Z", "-c says how many at a time"},
    {"--parallel", "-c says how many at a time"},
    {"--parallel-max", "-c says how many at a time"},
    {"--http1.1", "HTTP/1.1 is what it speaks"},
    {"--tlsv1.2", "use --tls-min 1.2"},
    {"--tlsv1.3", "use --tls-min 1.3"},
    {"--resolve-host", "use --resolve HOST:PORT:ADDR"},
    {"-t", "one thread is enough; -c says how many at a time"},
    {"--threads", "one thread is enough; -c says how many at a time"},
    {"--duration", "it is --for here"},
    {"--connections", "connections are limited by --max-connections"},
    {"--clients", "connections are limited by --max-connections, requests in flight by -c"},
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
        "Examples\n"
        "  belay get https://example.com/                          print a page\n"
        "  belay get -O pages -i urls.txt                          fetch many, 16 at a time\n"
        "  belay get -n 100000 -c 64 --discard URL                 measure a server\n"
        "  belay get --for 30s --rate 200 --json URL > run.json    at a steady rate, for a script",
    .rows = rows,
    .rows_n = COUNT_OF(rows),
    .hints = hints,
    .hints_n = COUNT_OF(hints),
};
