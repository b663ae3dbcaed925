/* SPDX-License-Identifier: MIT */
/* `belay pool --json`: one object a line. */
#include "pool_json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tally.h"

static json_t *integer(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *seconds(double s)
{
    return json_real(round(s * 1000) / 1000);
}

static json_t *text_or_null(const char *text)
{
    json_t *string = text ? json_stringn(text, strlen(text)) : NULL;

    return string ? string : json_null();
}

static json_t *reasons(const struct pool_row *row)
{
    json_t *object = json_object();

    for (int i = 0; i < BELAY_REASONS_N; i++)
        if (row->stats.closed[i] && i != BELAY_REASON_OPEN_FAILED)
            json_object_set_new(object, belay_reason_name((enum belay_reason)i),
                                integer(row->stats.closed[i]));
    return object;
}

static json_t *stages(const struct pool_row *row)
{
    json_t *object = json_object();

    for (int i = 0; i < BELAY_STAGES_N; i++)
        if (row->stats.failed[i])
            json_object_set_new(object, belay_stage_name((enum belay_stage)i),
                                integer(row->stats.failed[i]));
    return object;
}

static json_t *last_error(const struct pool_row *row)
{
    const struct pool_failure *last = &row->last;

    if (!last->set)
        return json_null();
    return json_pack("{s:s, s:o, s:o, s:b}", "stage", tally_stage_name(last->stage), "age_s",
                     seconds((double)row->age_ms / 1000), "text", text_or_null(last->text),
                     "current", row->failing);
}

static json_t *figures(const struct pool_row *row)
{
    json_t *object = json_object();

    json_object_set_new(object, "active", integer(row->stats.in_use));
    json_object_set_new(object, "idle", integer(row->stats.idle));
    json_object_set_new(object, "closing", integer(row->stats.closing));
    json_object_set_new(object, "dialing", integer(row->stats.dialing));
    json_object_set_new(object, "waiting", integer(row->stats.waiting));
    json_object_set_new(object, "created", integer(row->stats.opened));
    json_object_set_new(object, "reused", integer(row->stats.reused));
    json_object_set_new(object, "closed", integer(row->closed));
    json_object_set_new(object, "open", integer(row->open));
    json_object_set_new(object, "closed_by_reason", reasons(row));
    json_object_set_new(object, "dials_failed", stages(row));
    json_object_set_new(object, "used", integer(row->used));
    json_object_set_new(object, "failed", integer(row->failed));
    json_object_set_new(object, "not_started", integer(row->skipped));
    return object;
}

static json_t *endpoint(const struct pool_row *row)
{
    json_t *object = json_object();

    json_object_set_new(object, "endpoint", text_or_null(row->name));
    json_object_set_new(object, "pool", json_string(row->kind == POOL_HTTP ? "http" : "stream"));
    json_object_update_new(object, figures(row));
    json_object_set_new(object, "last_error", last_error(row));
    return object;
}

static bool print(json_t *line)
{
    bool good = json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12)) == 0;

    json_decref(line);
    return putchar('\n') != EOF && fflush(stdout) == 0 && good;
}

bool pool_json_facts(const struct pool_facts *f, const char *type)
{
    json_t *line = json_object(), *rows = json_array();

    for (size_t i = 0; i < f->n; i++)
        json_array_append_new(rows, endpoint(&f->rows[i]));
    json_object_set_new(line, "type", json_string(type));
    json_object_set_new(line, "at_s", seconds(f->elapsed_s));
    json_object_set_new(line, "state", json_string(f->state));
    json_object_set_new(line, "rate", json_real(round(f->rate * 100) / 100));
    json_object_set_new(line, "interrupted", json_boolean(f->interrupted_by != 0));
    json_object_set_new(line, "given_up", integer(f->cut_off));
    json_object_set_new(line, "total", figures(&f->total));
    json_object_set_new(line, "endpoints", rows);
    return print(line);
}

bool pool_json_event(const struct pool_event *e)
{
    json_t *line = json_object();
    bool closed = e->kind == POOL_EVENT_CLOSE;

    json_object_set_new(line, "type", json_string("event"));
    json_object_set_new(line, "at_s", seconds(e->at_s));
    json_object_set_new(line, "event", json_string(pool_event_name(e->kind)));
    json_object_set_new(line, "endpoint", text_or_null(e->endpoint));
    json_object_set_new(line, "connection", integer(e->connection));
    if (closed)
        json_object_set_new(line, "reason", json_string(belay_reason_name(e->reason)));
    if (closed)
        json_object_set_new(line, "error", text_or_null(e->error ? e->error->text : NULL));
    return print(line);
}
