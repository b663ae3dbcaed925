/* SPDX-License-Identifier: MIT */
/* What is said of many calls at the end: as text, or as one JSON object. */
#include <math.h>

#include "grpc_load.h"
#include "say.h"
#include "summary_parts.h"

static void print_statuses(const struct summary_page *p, const struct grpc_tally *t)
{
    char n[TEXT_FIGURE_MAX];
    const char *gap = "";

    summary_label(p, "status");
    for (int i = 0; i < GRPC_STATUSES_N; i++) {
        if (t->status[i] == 0)
            continue;
        fprintf(p->out, "%s%s: %s", gap, belay_grpc_status_name(i), text_count(n, t->status[i]));
        gap = "   ";
    }
    fputs(gap[0] ? "\n" : "none\n", p->out);
}

static void print_failures(const struct summary_page *p, const struct grpc_tally *t)
{
    char n[TEXT_FIGURE_MAX];
    const char *name = "failed";

    for (int i = 1; i < GRPC_STATUSES_N; i++) {
        if (t->status[i] == 0)
            continue;
        summary_label(p, name);
        fprintf(p->out, "%s x  %s: %s\n", text_count(n, t->status[i]), belay_grpc_status_name(i),
                t->example[i]);
        name = "";
    }
}

static void print_traffic(const struct summary_page *p, const struct grpc_tally *t)
{
    char n[TEXT_FIGURE_MAX];

    summary_label(p, "messages");
    fprintf(p->out, "%s sent, ", text_count(n, t->sent));
    fprintf(p->out, "%s received\n", text_count(n, t->received));
    summary_label(p, "received");
    fprintf(p->out, "%s", text_bytes(n, (double)t->received_bytes));
    if (t->elapsed_s > 0)
        fprintf(p->out, ", %s/s", text_bytes(n, (double)t->received_bytes / t->elapsed_s));
    fprintf(p->out, "; sent %s\n", text_bytes(n, (double)t->sent_bytes));
}

void grpc_summary_print(const struct grpc_tally *t)
{
    struct summary_page p = {.out = stdout, .colours = say_has_colours(1)};

    summary_headline(&p, "call", t->calls, t->failed, t->elapsed_s);
    if (t->interrupted_by)
        summary_interrupted(&p, t->cut_off);
    if (t->gave_up)
        summary_gave_up(&p, "call", t->not_started);
    print_statuses(&p, t);
    print_failures(&p, t);
    print_traffic(&p, t);
    if (t->latency.count)
        summary_percentiles(&p, "latency", &t->latency);
    fflush(stdout);
}

void grpc_summary_print_failures(const struct grpc_tally *t)
{
    for (int i = 1; i < GRPC_STATUSES_N; i++)
        if (t->status[i])
            say("%llu of %llu calls failed: %s: %s", (unsigned long long)t->status[i],
                (unsigned long long)t->calls, belay_grpc_status_name(i), t->example[i]);
}

/* ---- JSON ---- */

static json_t *integer(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *statuses(const struct grpc_tally *t)
{
    json_t *object = json_object();

    for (int i = 0; i < GRPC_STATUSES_N; i++)
        if (t->status[i])
            json_object_set_new(object, belay_grpc_status_name(i), integer(t->status[i]));
    return object;
}

static json_t *failures(const struct grpc_tally *t)
{
    json_t *array = json_array();

    for (int i = 1; i < GRPC_STATUSES_N; i++) {
        json_t *text = t->status[i] ? json_string(t->example[i]) : NULL;

        if (t->status[i])
            json_array_append_new(
                array, json_pack("{s:s, s:o, s:o}", "status", belay_grpc_status_name(i), "count",
                                 integer(t->status[i]), "text", text ? text : json_null()));
    }
    return array;
}

bool grpc_summary_print_json(const struct grpc_tally *t)
{
    double rate = t->elapsed_s > 0 ? (double)t->calls / t->elapsed_s : 0;
    json_t *object = json_object();

    json_object_set_new(object, "calls", integer(t->calls));
    json_object_set_new(object, "ok", integer(t->status[0]));
    json_object_set_new(object, "failed", integer(t->failed));
    json_object_set_new(object, "elapsed_s", json_real(round(t->elapsed_s * 1e6) / 1e6));
    json_object_set_new(object, "cpu_s", json_real(round(summary_cpu_s() * 1e6) / 1e6));
    json_object_set_new(object, "rate", json_real(round(rate * 100) / 100));
    json_object_set_new(object, "latency_ms", summary_json_percentiles(&t->latency));
    json_object_set_new(object, "status", statuses(t));
    json_object_set_new(object, "failures", failures(t));
    json_object_set_new(object, "messages_sent", integer(t->sent));
    json_object_set_new(object, "messages_received", integer(t->received));
    json_object_set_new(object, "bytes_sent", integer(t->sent_bytes));
    json_object_set_new(object, "bytes", integer(t->received_bytes));
    json_object_set_new(object, "interrupted", json_boolean(t->interrupted_by != 0));
    json_object_set_new(object, "cut_off", integer(t->cut_off));
    json_object_set_new(object, "not_started", integer(t->not_started));
    return summary_json_print(object);
}
