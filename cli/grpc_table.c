/* SPDX-License-Identifier: MIT */
/* The options of `belay grpc`: its own, among those of every client. */
#include "grpc_options.h"

#define AT(field) offsetof(struct grpc_options, field)
#include "option_rows.h"

static bool take_metadata(void *into, const char *value, struct complaint *why)
{
    return grpc_metadata_add(&((struct grpc_options *)into)->metadata, value, why);
}

static bool take_reflect(void *into, const char *value, struct complaint *why)
{
    return grpc_metadata_add(&((struct grpc_options *)into)->reflect_metadata, value, why);
}

static bool take_data(void *into, const char *value, struct complaint *why)
{
    struct grpc_options *o = into;

    if (o->data)
        return complain(why, "is given twice (several messages stand behind each other in one -d)");
    o->data = value;
    return true;
}

static bool take_size(void *into, const char *value, struct complaint *why)
{
    return values_size(value, 1, 1 << 30, &((struct grpc_options *)into)->max_message, why);
}

static bool take_rate(void *into, const char *value, struct complaint *why)
{
    return values_rate(value, &((struct grpc_options *)into)->rate, why);
}

/* ---- the table ---- */

static const struct option_row call_rows[] = {
    HEADING("What to send"),
    TAKE('d', "data", "JSON|@FILE", take_data,
         "the message ({}), or several behind each other; @FILE reads\n"
         "them there, @ from standard input, as they come"),
    FLAG(0, "hex", hex,
         "-d has the bytes of messages, one a line, as hex digits, and\n"
         "so are the answers shown; no schema is needed"),
    FLAG(0, "base64", base64, "the same in base64"),
    TAKE('H', "header", "NAME: VALUE", take_metadata,
         "send metadata; of a name with -bin VALUE is base64"),
    TIME(0, "deadline", deadline_ms, 1, "for the call; the server is told, too"),
    TEXT(0, "authority", "NAME", authority,
         "call the server that, instead of the target's name: TLS\nverifies it as well"),
    TAKE(0, "max-msg-size", "SIZE", take_size, "of a message received, as 64k or 16M (4M)"),
    FLAG(0, "gzip", gzip, "send messages compressed; answers may always be"),

    HEADING("What messages look like"),
    LIST(0, "protoset", "FILE", protosets,
         "descriptors, as protoc --include_imports -o FILE makes them;\n"
         "without these and --proto the server is asked (reflection)"),
    LIST(0, "proto", "FILE", protos, "or .proto files"),
    LIST(0, "import-path", "DIR", import_paths,
         "where they and what they import are looked for (., and\nbeside them)"),
    TAKE(0, "reflect-header", "NAME: VALUE", take_reflect,
         "send metadata with the questions to reflection, beside -H"),

    HEADING("What to show"),
    FLAG(0, "emit-defaults", defaults, "also fields that have their default value"),
    FLAG(0, "watch", watch, "with health: a line at each change, until interrupted"),
    FLAG(0, "json", client.json,
         "each message on a line of its own, as in a pipe; list, health\nand the summary of -n in "
         "JSON, too"),
    FLAG('q', "quiet", client.quiet, "no summary, no progress"),
    MORE('v', "verbose", client.verbose,
         "metadata and trailers, connections and TLS; -vv every change\nof state"),

    HEADING("How many, how fast"),
    COUNT('n', "requests", requests, 1, INT64_MAX, "call so many times, and print a summary"),
    COUNT('c', "concurrency", client.concurrency, 1, 100000, "so many at a time (16)"),
    TIME(0, "for", for_ms, 1, "start new ones for so long"),
    TAKE(0, "rate", "N", take_rate, "start so many a second; latency counts from when one was due"),
    TIME(0, "warm-up", warm_up_ms, 1, "what starts in the first TIME is not counted"),
};

static const struct option_row connect_rows[] = {
    HEADING("How to connect"),
    FLAG(0, "plaintext", plain, "a target that does not say: without TLS, as grpc:// is"),
    TIME(0, "connect-timeout", client.connect_timeout_ms, 0,
         "for look-up, connecting and TLS together"),
    TIME('m', "timeout", client.timeout_ms, 1, "for all of it, questions to reflection included"),
};

static const struct option_group call = GROUP(call_rows), connect = GROUP(connect_rows);
static const struct option_group *const groups[] = {
    &call,
    &connect,
    &client_connect_group,
    &client_help_group,
};

/* What people bring along from grpcurl and ghz. */
static const struct option_hint hints[] = {
    {"--use-reflection", "so it is, without --protoset and --proto"},
    {"--format", "messages are JSON; --hex and --base64 take their bytes"},
    {"--max-msg-sz", "it is --max-msg-size here"},
    {"--max-time", "it is --deadline here, of a call, or --timeout of all"},
    {"--keepalive-time", "connections are watched by TCP"},
    {"--rpc-header", "-H goes to calls and to reflection"},
    {"--protoset-out", "belay grpc TARGET describe SYMBOL shows what there is"},
    {"--msg-template", "belay grpc TARGET describe SERVICE.METHOD shows the messages"},
    {"--allow-unknown-fields", "what the schema does not know cannot be sent"},
    {"--expand-headers", "the shell does that: -H \"name: $VALUE\""},
    {"--format-error", "details of errors are always shown"},
    {"--call", "SERVICE/METHOD stands behind the target"},
    {"--total", "it is -n here"},
    {"--rps", "it is --rate here"},
    {"--alts", "it speaks TLS, or plainly"},
    {"--user-agent", "it cannot be changed"},
    {"-A", "it cannot be changed"},
    {"-X", "SERVICE/METHOD stands behind the target"},
    {"-t", "it is -m here, or --deadline for a call"},
    {"-p", "grpc:// is without TLS, as --plaintext is"},
    {"--http2", "gRPC is HTTP/2 always"},
    {"--url", "the target needs no option"},
    {"--data-binary", "--hex and --base64 take the bytes of messages"},
    {NULL, NULL},
};

const struct option_table grpc_table = {
    .usage = "belay grpc [options] TARGET SERVICE/METHOD\n"
             "       belay grpc [options] TARGET list [SERVICE] | describe [SYMBOL]\n"
             "       belay grpc [options] TARGET health [SERVICE]",
    .about =
        "Calls a method of a gRPC service, whatever it streams, and prints each message of the\n"
        "answer as JSON. What messages look like is asked of the server, or read from files.\n"
        "Without -d an empty message is sent; to a method that takes a stream, what comes on\n"
        "standard input. Status: 0 OK, 64 and the status of the call if it is another (69 is\n"
        "NOT_FOUND, 78 UNAVAILABLE), 1 something else failed, 2 usage, 130 interrupted.\n\n"
        "TARGET: grpcs://HOST[:PORT] or HOST:PORT over TLS, grpc://HOST[:PORT] without, "
        "unix:PATH,\n"
        "ipv4:ADDR:PORT,ADDR:PORT. Times are 500ms, 2s, 1.5m; a bare number is seconds. In\n"
        "brackets: what holds when nothing is said.",
    .footer = "Examples\n"
              "  belay grpc grpc://localhost:50051 list               what services are there?\n"
              "  belay grpc api.test:443 describe shop.Cart.Add       what does a method take?\n"
              "  belay grpc api.test:443 shop.Cart/Add -d '{\"sku\": \"a1\", \"count\": 2}'\n"
              "  jq -c '.[]' items.json | belay grpc api.test:443 shop.Cart/AddMany\n"
              "  belay grpc grpc://localhost:2379 health              exit 0 when it is SERVING\n"
              "  belay grpc grpc://localhost:50051 shop.Cart/Get -n 10000 -c 32 --proto shop.proto",
    .groups = groups,
    .groups_n = COUNT_OF(groups),
    .hints = {hints, client_hints},
};
