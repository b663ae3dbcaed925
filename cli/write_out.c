/* SPDX-License-Identifier: MIT */
/* -w: one JSON line for each request. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "get.h"

static json_t *text_or_null(const char *text)
{
    json_t *string = text ? json_stringn(text, strlen(text)) : NULL;

    return string ? string : json_null();
}

static json_t *milliseconds(int64_t us)
{
    return json_real((double)us / 1000);
}

/* As curl says it: "1.1", "2". */
static json_t *version(const struct belay_http_facts *facts)
{
    char text[16];

    if (!facts->status)
        return json_null();
    if (facts->major == 2)
        return json_string("2");
    snprintf(text, sizeof text, "%d.%d", facts->major, facts->minor);
    return json_string(text);
}

static json_t *failure(int stage, const struct belay_error *error, const char *text)
{
    json_t *object;

    if (!text)
        return json_null();
    object = json_pack("{s:s, s:o}", "stage", tally_stage_name(stage), "text", text_or_null(text));
    if (error)
        json_object_set_new(object, "name", json_string(belay_error_name(error->code)));
    return object;
}

void write_out_line(const struct slot *slot, const struct belay_http_facts *facts,
                    uint64_t latency_us, int stage, const struct belay_error *error,
                    const char *text)
{
    const struct get *g = slot->get;
    const char *url = belay_http_target_url(g->targets[slot->url]);
    json_t *line = json_object();

    json_object_set_new(line, "request", json_integer((json_int_t)slot->number));
    json_object_set_new(line, "method", json_string(g->o->client.method));
    json_object_set_new(line, "url", text_or_null(url));
    json_object_set_new(line, "url_effective", text_or_null(facts->url ? facts->url : url));
    json_object_set_new(line, "status", facts->status ? json_integer(facts->status) : json_null());
    json_object_set_new(line, "http_version", version(facts));
    json_object_set_new(line, "bytes", json_integer(facts->bytes_in));
    json_object_set_new(line, "bytes_sent", json_integer(facts->bytes_out));
    json_object_set_new(line, "latency_ms", milliseconds((int64_t)latency_us));
    json_object_set_new(line, "waiting_ms", milliseconds(facts->wait_us));
    json_object_set_new(line, "first_byte_ms", milliseconds(facts->first_byte_us));
    json_object_set_new(line, "connection", json_integer((json_int_t)facts->connection));
    json_object_set_new(line, "reused", json_boolean(facts->reused));
    json_object_set_new(line, "replays", json_integer(facts->replays));
    json_object_set_new(line, "retries", json_integer(slot->retried));
    json_object_set_new(line, "redirects", json_integer(facts->redirects));
    if (g->o->output_dir || g->o->output)
        json_object_set_new(line, "file", text_or_null(text ? NULL : slot->body.path));
    json_object_set_new(line, "error", failure(stage, error, text));
    json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
    putchar('\n');
    json_decref(line);
}
