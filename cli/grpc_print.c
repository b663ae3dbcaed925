/* SPDX-License-Identifier: MIT */
/* What `belay grpc` shows: messages, metadata, and why a call failed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base64.h"
#include "grpc.h"
#include "grpc_wire.h"
#include "hints.h"
#include "say.h"

/* ---- messages ---- */

static void add_hex(struct bytes *ret, const unsigned char *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    bytes_reserve(ret, 2 * len + 1);
    for (size_t i = 0; i < len; i++) {
        char pair[2] = {digits[data[i] >> 4], digits[data[i] & 15]};

        bytes_add(ret, pair, 2);
    }
}

static void add_base64(struct bytes *ret, const void *data, size_t len)
{
    bytes_reserve(ret, BASE64_LEN(len) + 1);
    base64_write(data, len, ret->data + ret->len);
    ret->len += BASE64_LEN(len);
}

bool grpc_message_text(struct grpc *g, const char *type, const void *data, size_t len,
                       struct bytes *ret, const char **ret_unknown, struct complaint *why)
{
    struct grpc_style style = {
        .pretty = !g->o->client.json && say_is_terminal(1),
        .defaults = g->o->defaults,
    };

    *ret_unknown = NULL;
    if (g->o->format == GRPC_HEX)
        add_hex(ret, data, len);
    else if (g->o->format == GRPC_BASE64)
        add_base64(ret, data, len);
    else if (!grpc_schema_write(g->schema, type, data, len, &style, ret, ret_unknown, why))
        return false;
    if (ret->len == 0 || ret->data[ret->len - 1] != '\n')
        bytes_add(ret, "\n", 1);
    return true;
}

void grpc_output_failed(struct grpc *g, int error)
{
    if (!g->stdout_gone && error != EPIPE)
        say("writing to standard output: %s", strerror(error));
    g->stdout_gone = true;
}

void grpc_print(struct grpc *g, const struct bytes *text)
{
    if (sink_write(&g->out, text->data, text->len) == SINK_FAILED)
        grpc_output_failed(g, g->out.error);
}

/* ---- metadata ---- */

static bool is_binary(const struct belay_header *h)
{
    return h->name_len > 4 && strncasecmp(h->name + h->name_len - 4, "-bin", 4) == 0;
}

void grpc_show_metadata(const struct grpc *g, char mark, const struct belay_header *headers,
                        size_t n)
{
    for (size_t i = 0; g->o->client.verbose && i < n; i++) {
        const struct belay_header *h = &headers[i];
        struct bytes value = {0};

        if (is_binary(h))
            add_base64(&value, h->value, h->value_len);
        else
            bytes_add(&value, h->value, h->value_len);
        say_plain("%c %.*s: %s", mark, (int)h->name_len, h->name, value.data);
        bytes_free(&value);
    }
}

/* ---- names ---- */

static const char *last_word(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? dot + 1 : name;
}

const char *grpc_nearest(char out[TEXT_SHOWN_MAX], const char *word, const struct strings *names)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < names->n; i++) /* the package was left out, or is another */
        if (strcasecmp(last_word(word), last_word(names->items[i])) == 0)
            nearest = names->items[i];
    for (size_t i = 0; !nearest && i < names->n; i++)
        if (text_is_nearer(word, names->items[i], &best))
            nearest = names->items[i];
    for (size_t i = 0; !nearest && i < names->n; i++)
        if (text_is_nearer(last_word(word), last_word(names->items[i]), &best))
            nearest = names->items[i];
    if (nearest)
        snprintf(out, TEXT_SHOWN_MAX, " (did you mean %.130s?)", nearest);
    else
        out[0] = '\0';
    return out;
}

/* ---- failures ---- */

void grpc_say(const struct grpc *g, const char *doing, const char *what)
{
    char shown[TEXT_SHOWN_MAX];

    if (g->o->target)
        say("%s: %s: %s", doing, text_show(shown, sizeof shown, g->o->target), what);
    else
        say("%s: %s", doing, what);
}

/* One port, one protocol: which may it be, if not this one? */
static const char *for_transport(const struct grpc *g, const struct belay_error *error)
{
    const char *text = error->text;
    bool plain = g->o->plain || strncmp(g->o->target, "grpc:", 5) == 0;

    if (error->code == BELAY_ETLS && strstr(text, "HTTP/2 without it"))
        return strstr(g->o->target, "://") ? " (grpc:// is without TLS)"
                                           : " (grpc://HOST:PORT is without TLS)";
    if (error->code == BELAY_ETLS && strstr(text, "does not speak TLS"))
        return " (gRPC needs HTTP/2, with TLS or by grpc:// without: another port?)";
    if (error->stage == BELAY_STAGE_TLS &&
        (error->code == BELAY_EEOF || error->code == BELAY_ERESET))
        return " (it may speak no TLS: grpc://HOST:PORT)";
    if (strstr(text, "speaks TLS, not"))
        return " (grpcs:// is over TLS)";
    if (error->code == BELAY_EALPN || strstr(text, "not speak HTTP/2") ||
        strstr(text, "not HTTP/2"))
        return plain ? " (gRPC needs HTTP/2: another port, or grpcs://?)"
                     : " (gRPC needs HTTP/2: another port?)";
    if (error->code == BELAY_EEOF && strstr(text, "ending TLS") && !g->o->client.tls.cert_file)
        return " (it may want a certificate: --cert FILE)";
    if (plain && (error->code == BELAY_EEOF || error->code == BELAY_ERESET))
        return " (it may want TLS: grpcs://)";
    return hint_for(error, g->o->target);
}

static const char *for_status(const struct grpc *g, const struct belay_rpc_result *result)
{
    switch (result->status) {
    case BELAY_GRPC_DEADLINE_EXCEEDED:
        return g->o->client.timeout_ms != OPTION_UNSET || g->o->deadline_ms != OPTION_UNSET
                   ? " (--deadline and --timeout set the limit)"
                   : "";
    case BELAY_GRPC_RESOURCE_EXHAUSTED:
        return result->error && result->error->code == BELAY_ELIMIT
                   ? " (--max-msg-size SIZE allows more)"
                   : "";
    case BELAY_GRPC_UNAUTHENTICATED:
        return g->o->metadata.n ? "" : " (-H 'authorization: Bearer TOKEN')";
    default:
        return "";
    }
}

static const char *without(const char *text, const char *before, const char *name)
{
    size_t len = strlen(before), name_len = strlen(name);

    return strncmp(text, before, len) == 0 && strncmp(text + len, name, name_len) == 0 &&
                   strncmp(text + len + name_len, ": ", 2) == 0
               ? text + len + name_len + 2
               : text;
}

/* "no connection to X: refused", "/method on X: too late": method and target are said anyway. */
static const char *happened(const struct grpc *g, const struct belay_rpc_result *result)
{
    const char *text = result->message, *target = g->o->target, *on = strstr(text, " on ");
    const char *host = strstr(target, "://");

    if (!result->error)
        return text[0] ? text : "the server did not say why";
    if (text[0] == '/' && on)
        text = without(on, " on ", target);
    text = without(text, "no connection to ", target);
    return without(text, "", host ? host + 3 : target);
}

/* google.protobuf.Any: its type, and the bytes of a message. */
static void say_detail(struct grpc *g, const char *data, size_t len)
{
    static const struct grpc_style style = {.pretty = false};
    struct grpc_wire wire;
    struct grpc_field field;
    struct bytes text = {0}, type = {0};
    const char *value = "", *slash, *unknown;
    size_t value_len = 0;
    struct complaint why;

    bytes_add(&type, "", 0);
    grpc_wire_begin(&wire, data, len);
    while (grpc_wire_next(&wire, &field)) {
        if (field.data && field.number == 1) {
            type.len = 0;
            bytes_add(&type, field.data, field.len);
        } else if (field.data && field.number == 2) {
            value = field.data;
            value_len = field.len;
        }
    }
    slash = strrchr(type.data, '/');
    bytes_add(&text, "", 0);
    if (!grpc_schema_is_there() ||
        !grpc_schema_write(g->schema, slash ? slash + 1 : type.data, value, value_len, &style,
                           &text, &unknown, &why))
        add_base64(&text, value, value_len);
    say_plain("  %s %s", slash ? slash + 1 : type.data, text.data);
    bytes_free(&text);
    bytes_free(&type);
}

/* google.rpc.Status */
static void say_details(struct grpc *g, const struct belay_rpc_result *result)
{
    for (size_t i = 0; i < result->trailers_n; i++) {
        const struct belay_header *h = &result->trailers[i];
        struct grpc_wire wire;
        struct grpc_field field;

        if (h->name_len != 23 || strncasecmp(h->name, "grpc-status-details-bin", 23) != 0)
            continue;
        if (!g->schema && grpc_schema_is_there())
            g->schema = grpc_schema_new();
        grpc_wire_begin(&wire, h->value, h->value_len);
        while (grpc_wire_next(&wire, &field))
            if (field.number == 3 && field.data)
                say_detail(g, field.data, field.len);
    }
}

int grpc_say_status(struct grpc *g, const char *doing, const struct belay_rpc_result *result,
                    const char *hint)
{
    char shown[TEXT_SHOWN_MAX], text[1024];

    if (!hint[0] && result->error)
        hint = for_transport(g, result->error);
    if (!hint[0])
        hint = for_status(g, result);
    say("%s: %s: %s: %s%s", doing, text_show(shown, sizeof shown, g->o->target),
        belay_grpc_status_name(result->status), text_show(text, sizeof text, happened(g, result)),
        hint);
    say_details(g, result);
    return GRPC_EXIT + result->status;
}
