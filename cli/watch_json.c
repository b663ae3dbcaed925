/* SPDX-License-Identifier: MIT */
/* `belay watch --json`. */
#include "watch_json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "text.h"

/* JSON is UTF-8; names and addresses may be anything. */
static json_t *text_or_null(const char *text)
{
    json_t *string = text ? json_string(text) : json_null();
    char shown[BELAY_ERROR_TEXT_MAX];

    return string ? string : json_string(text_show(shown, sizeof shown, text));
}

/* "2026-11-21T17:30:40.123Z" */
static json_t *date(int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    char text[40];
    struct tm tm;
    size_t len = gmtime_r(&s, &tm) ? strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm) : 0;

    snprintf(text + len, sizeof text - len, ".%03dZ", (int)(ms % 1000));
    return json_string(text);
}

static json_t *error_or_null(const struct belay_error *error)
{
    json_t *object;

    if (!error)
        return json_null();
    object = json_object();
    json_object_set_new(object, "stage",
                        error->stage ? json_string(belay_stage_name(error->stage)) : json_null());
    json_object_set_new(object, "code", json_string(belay_error_name(error->code)));
    json_object_set_new(object, "kind", json_string(belay_kind_name(error->kind)));
    json_object_set_new(object, "status",
                        error->status ? json_integer(error->status) : json_null());
    json_object_set_new(object, "text", text_or_null(error->text));
    return object;
}

json_t *watch_json_make(const struct watch_event *e)
{
    json_t *line = json_object();

    json_object_set_new(line, "time", date(e->time_ms));
    json_object_set_new(line, "at_s", json_real(round(e->at_s * 1000) / 1000));
    json_object_set_new(line, "name", text_or_null(e->name));
    json_object_set_new(line, "event", json_string(watch_event_name(e->type)));
    json_object_set_new(line, "address", text_or_null(e->address));
    json_object_set_new(line, "error", error_or_null(e->error));
    json_object_set_new(line, "failures", json_integer(e->failures));
    json_object_set_new(line, "next_ms", e->next_ms >= 0 ? json_integer(e->next_ms) : json_null());
    return line;
}

bool watch_json_event(const struct watch_event *e)
{
    json_t *line = watch_json_make(e);
    bool good = json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12)) == 0;

    json_decref(line);
    return putchar('\n') != EOF && fflush(stdout) == 0 && good;
}
