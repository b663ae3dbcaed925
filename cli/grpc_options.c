/* SPDX-License-Identifier: MIT */
/* What `belay grpc` was told: what its words mean, defaults, and which options go together. */
#include "grpc_options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"

/* ---- metadata ---- */

bool grpc_metadata_add(struct grpc_metadata *metadata, const char *text, struct complaint *why)
{
    struct header_value header;
    struct bytes value = {0};
    size_t len;

    if (!values_header(text, &header, why))
        return false;
    len = strlen(header.name);
    for (char *c = header.name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    bytes_add(&value, "", 0);
    if (len > 4 && strcmp(header.name + len - 4, "-bin") == 0) {
        if (!base64_read(header.value, strlen(header.value), &value)) {
            complain(why, "%.100s: values of -bin names are base64", header.name);
            free(header.name);
            bytes_free(&value);
            return false;
        }
    } else {
        bytes_add(&value, header.value, strlen(header.value));
    }
    metadata->items = memory_grow(metadata->items, metadata->n + 1, sizeof *metadata->items);
    metadata->items[metadata->n++] = (struct belay_header){
        .name = memory_copy(header.name, len),
        .name_len = len,
        .value = value.data,
        .value_len = value.len,
    };
    free(header.name);
    return true;
}

static void free_metadata(struct grpc_metadata *metadata)
{
    for (size_t i = 0; i < metadata->n; i++) {
        free((char *)(uintptr_t)metadata->items[i].name);
        free((char *)(uintptr_t)metadata->items[i].value);
    }
    free(metadata->items);
}

/* ---- words ---- */

bool grpc_has_files(const struct grpc_options *o)
{
    return o->protosets.n || o->protos.n;
}

bool grpc_is_load(const struct grpc_options *o)
{
    return o->requests != OPTION_UNSET || o->for_ms != OPTION_UNSET;
}

static bool find_verb(const char *word, enum grpc_verb *ret)
{
    static const struct {
        const char *word;
        enum grpc_verb verb;
    } verbs[] = {{"list", GRPC_LIST}, {"describe", GRPC_DESCRIBE}, {"health", GRPC_HEALTH}};

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(word, verbs[i].word) == 0) {
            *ret = verbs[i].verb;
            return true;
        }
    }
    return false;
}

/* "package.Service/Method", and what is as clear. */
static bool split_method(struct grpc_options *o, const char *text, struct complaint *why)
{
    const char *cut;
    char shown[TEXT_SHOWN_MAX];

    text += text[0] == '/';
    cut = strchr(text, '/');
    if (!cut)
        cut = strrchr(text, '.');
    if (!cut || cut == text || !cut[1] || strchr(cut + 1, '/'))
        return complain(why,
                        "\"%s\" is not SERVICE/METHOD (nor list, describe or health; belay grpc "
                        "TARGET list tells which services there are)",
                        text_show(shown, sizeof shown, text));
    o->service = memory_copy(text, (size_t)(cut - text));
    o->method = memory_copy(cut + 1, strlen(cut + 1));
    return true;
}

static bool looks_like_target(const char *word)
{
    return strchr(word, ':') != NULL;
}

/* TARGET, and then what; with files of the schema `list` and `describe` need no server. */
static bool read_words(struct grpc_options *o, struct complaint *why)
{
    char **words = o->client.urls.items;
    size_t n = o->client.urls.n, at = 0;
    char shown[TEXT_SHOWN_MAX];

    if (n == 0)
        return complain(why, "there is no target (belay grpc HOST:PORT list, or --help)");
    if (!(find_verb(words[0], &o->verb) && !looks_like_target(words[0])))
        o->target = words[at++];
    else if (!grpc_has_files(o) || o->verb == GRPC_HEALTH)
        return complain(why, "the target comes first (belay grpc HOST:PORT %s)", words[0]);
    if (at == n)
        return complain(why, "what shall be called? (belay grpc %s list tells what there is)",
                        text_show(shown, sizeof shown, o->target));
    if (find_verb(words[at], &o->verb)) {
        o->symbol = ++at < n ? words[at++] : NULL;
    } else {
        if (looks_like_target(words[at]) && !looks_like_target(o->target))
            return complain(why, "the target comes first (belay grpc HOST:PORT SERVICE/METHOD)");
        o->symbol = words[at];
        if (!split_method(o, words[at++], why))
            return false;
    }
    if (at < n)
        return complain(why, "\"%s\" is one word too many (what is sent is given with -d)",
                        text_show(shown, sizeof shown, words[at]));
    return true;
}

/* ---- together ---- */

static bool check_call(const struct grpc_options *o, struct complaint *why)
{
    const char *needs = o->data                       ? "-d"
                        : o->hex                      ? "--hex"
                        : o->base64                   ? "--base64"
                        : o->defaults                 ? "--emit-defaults"
                        : o->requests != OPTION_UNSET ? "-n"
                        : o->for_ms != OPTION_UNSET   ? "--for"
                        : o->rate > 0                 ? "--rate"
                        : o->warm_up_ms               ? "--warm-up"
                        : o->client.concurrency != 0  ? "-c"
                                                      : NULL;

    if (o->verb != GRPC_CALL && needs)
        return complain(why, "%s is for calls of a SERVICE/METHOD", needs);
    if (o->verb != GRPC_HEALTH && o->watch)
        return complain(why, "--watch goes with health");
    if (o->hex && o->base64)
        return client_options_clash(why, "--hex", "--base64");
    if ((o->hex || o->base64) && grpc_has_files(o))
        return complain(why,
                        "--%s sends and shows bytes as they are: not with --protoset or --proto",
                        o->hex ? "hex" : "base64");
    if (!grpc_is_load(o) && (o->rate > 0 || o->warm_up_ms || o->client.concurrency != 0))
        return complain(why, "%s goes with -n or --for",
                        o->rate > 0     ? "--rate"
                        : o->warm_up_ms ? "--warm-up"
                                        : "-c");
    return true;
}

static bool check_schema(const struct grpc_options *o, struct complaint *why)
{
    if (o->import_paths.n && !o->protos.n)
        return complain(why, "--import-path goes with --proto");
    if (o->verb == GRPC_HEALTH && grpc_has_files(o))
        return complain(why, "health needs no schema: not with --protoset or --proto");
    return true;
}

static bool check_target(const struct grpc_options *o, struct complaint *why)
{
    const char *target = o->target ? o->target : "";

    if (strncmp(target, "http://", 7) == 0 || strncmp(target, "https://", 8) == 0)
        return complain(why, "the target is no web address (%s%.200s)",
                        target[4] == 's' ? "grpcs://" : "grpc://", strstr(target, "//") + 2);
    if (o->plain && strncmp(target, "grpcs://", 8) == 0)
        return complain(why, "--plaintext contradicts grpcs:// (grpc:// is without TLS)");
    return true;
}

static bool check(struct grpc_options *o, struct complaint *why)
{
    if (!read_words(o, why) || !check_target(o, why) || !check_call(o, why) ||
        !check_schema(o, why) || !client_options_check_connection(&o->client, why))
        return false;
    if (o->client.concurrency == 0)
        o->client.concurrency = 16;
    o->format = o->hex ? GRPC_HEX : o->base64 ? GRPC_BASE64 : GRPC_JSON;
    return true;
}

/* ---- reading ---- */

/* grpcurl's long options have one dash: "-plaintext" is what "--plaintext" is. */
static bool is_long(const char *arg)
{
    const struct option_row *row;
    size_t len;

    if (arg[0] != '-' || arg[1] == '-')
        return false;
    len = strcspn(arg + 1, "=");
    if (len < 3)
        return false;
    for (size_t i = 0; (row = options_row(&grpc_table, i)); i++)
        if (row->name && strlen(row->name) == len && memcmp(row->name, arg + 1, len) == 0)
            return true;
    for (const struct option_hint *h = grpc_table.hints[0]; h->name; h++)
        if (strlen(h->name) == len + 2 && memcmp(h->name + 2, arg + 1, len) == 0)
            return true;
    return false;
}

static char **with_two_dashes(struct grpc_options *o, int argc, char **argv)
{
    char **all = memory_get((size_t)argc + 1, sizeof *all);

    for (int i = 0; i < argc; i++) {
        all[i] = argv[i];
        if (!is_long(argv[i]))
            continue;
        all[i] = memory_get(strlen(argv[i]) + 2, 1);
        all[i][0] = '-';
        strcpy(all[i] + 1, argv[i]);
        strings_add(&o->client.owned, all[i]);
    }
    return all;
}

enum options_verdict grpc_options_read(struct grpc_options *o, int argc, char **argv,
                                       struct complaint *why)
{
    enum options_verdict verdict;
    char **all;

    memset(o, 0, sizeof *o);
    client_options_init(&o->client);
    o->requests = o->for_ms = o->deadline_ms = o->max_message = OPTION_UNSET;
    all = with_two_dashes(o, argc, argv);
    verdict = options_read(&grpc_table, argc, all, o, &o->client.urls, why);
    free(all);
    if (verdict == OPTIONS_GOOD && !check(o, why))
        verdict = OPTIONS_BAD;
    return verdict;
}

void grpc_options_free(struct grpc_options *o)
{
    free(o->service);
    free(o->method);
    free_metadata(&o->metadata);
    free_metadata(&o->reflect_metadata);
    free(o->protosets.items);
    free(o->protos.items);
    free(o->import_paths.items);
    client_options_free(&o->client);
    memset(o, 0, sizeof *o);
}
