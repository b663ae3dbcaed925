/* SPDX-License-Identifier: MIT */
/* What is said at the end, as one JSON object. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "summary.h"
#include "summary_parts.h"

static json_t *integer(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *statuses(const struct tally *t)
{
    json_t *object = json_object();

    for (int i = 0; i < TALLY_STATUSES_MAX; i++) {
        char code[12];

        if (t->status[i] == 0)
            continue;
        snprintf(code, sizeof code, "%d", i);
        json_object_set_new(object, code, integer(t->status[i]));
    }
    return object;
}

static json_t *errors(const struct tally *t)
{
    json_t *object = json_object();

    for (int i = 0; i < TALLY_STAGES_N; i++)
        if (t->errors[i])
            json_object_set_new(object, tally_stage_name(i), integer(t->errors[i]));
    return object;
}

static json_t *examples(const struct tally *t)
{
    json_t *array = json_array();

    for (size_t i = 0; i < t->examples_n; i++) {
        const struct tally_example *e = &t->examples[i];
        json_t *text = json_stringn(e->text, strlen(e->text));

        json_array_append_new(array,
                              json_pack("{s:s, s:o, s:o}", "stage", tally_stage_name(e->stage),
                                        "count", integer(e->n), "text", text ? text : json_null()));
    }
    return array;
}

static json_t *connections(const struct summary *s)
{
    json_t *closed = json_object();

    for (int i = 0; i < BELAY_REASONS_N; i++)
        if (s->pool.closed[i])
            json_object_set_new(closed, belay_reason_name((enum belay_reason)i),
                                integer(s->pool.closed[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "opened", integer(s->pool.opened), "reused",
                     integer(s->pool.reused), "peak", integer(s->pool.peak), "open",
                     integer(s->open), "closed", closed);
}

static json_t *endpoints(const struct summary *s)
{
    json_t *array = json_array();

    for (size_t i = 0; i < s->endpoints_n; i++)
        json_array_append_new(array, json_pack("{s:s, s:o, s:o}", "endpoint", s->endpoints[i].name,
                                               "opened", integer(s->endpoints[i].opened), "reused",
                                               integer(s->endpoints[i].reused)));
    return array;
}

static json_t *whole(const struct summary *s)
{
    const struct tally *t = s->tally;
    double rate = s->elapsed_s > 0 ? (double)t->requests / s->elapsed_s : 0;
    json_t *object = json_object();

    json_object_set_new(object, "requests", integer(t->requests));
    json_object_set_new(object, "ok", integer(t->ok));
    json_object_set_new(object, "failed", integer(t->failed));
    json_object_set_new(object, "bytes", integer(t->bytes));
    json_object_set_new(object, "bytes_unpacked", integer(t->unpacked));
    json_object_set_new(object, "bytes_sent", integer(t->sent_bytes));
    json_object_set_new(object, "elapsed_s", json_real(round(s->elapsed_s * 1e6) / 1e6));
    json_object_set_new(object, "cpu_s", json_real(round(s->cpu_s * 1e6) / 1e6));
    json_object_set_new(object, "rate", json_real(round(rate * 100) / 100));
    json_object_set_new(object, "latency_ms", summary_json_percentiles(&t->latency));
    json_object_set_new(object, "waiting_ms", summary_json_percentiles(&t->waiting));
    json_object_set_new(object, "status", statuses(t));
    json_object_set_new(object, "errors", errors(t));
    json_object_set_new(object, "failures", examples(t));
    json_object_set_new(object, "failed_after_response_began", integer(t->cut_short));
    json_object_set_new(object, "replays", integer(t->replays));
    json_object_set_new(object, "retries", integer(t->retries));
    json_object_set_new(object, "redirects", integer(t->redirects));
    json_object_set_new(object, "interrupted", json_boolean(s->interrupted_by != 0));
    json_object_set_new(object, "cut_off", integer(s->cut_off));
    json_object_set_new(object, "not_started", integer(s->not_started));
    json_object_set_new(object, "connections", connections(s));
    json_object_set_new(object, "endpoints", endpoints(s));
    return object;
}

bool summary_print_json(const struct summary *s)
{
    return summary_json_print(whole(s));
}
