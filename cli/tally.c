/* SPDX-License-Identifier: MIT */
/* What `belay get` counts. */
#include "tally.h"

#include <stdio.h>
#include <string.h>

const char *tally_stage_name(int stage)
{
    if (stage == TALLY_STAGE_STATUS)
        return "status";
    if (stage == TALLY_STAGE_OUTPUT)
        return "output";
    if (stage == TALLY_STAGE_DECODE)
        return "decode";
    return belay_stage_name((enum belay_stage)stage);
}

static void count(struct tally *t, const struct belay_http_facts *facts)
{
    t->requests++;
    t->bytes += (uint64_t)facts->bytes_in;
    t->sent_bytes += (uint64_t)facts->bytes_out;
    t->replays += (uint64_t)facts->replays;
    t->redirects += (uint64_t)facts->redirects;
}

void tally_answer(struct tally *t, const struct belay_http_facts *facts, uint64_t latency_us)
{
    count(t, facts);
    t->ok++;
    if (facts->status > 0 && facts->status < TALLY_STATUSES_MAX)
        t->status[facts->status]++;
    histogram_add(&t->latency, latency_us);
    histogram_add(&t->waiting, (uint64_t)facts->wait_us);
}

/* Failures are alike by stage and code: their texts differ in what they name. */
static void remember(struct tally *t, int stage, int code, const char *text)
{
    struct tally_example *e = t->examples;

    while (e < t->examples + t->examples_n && !(e->stage == stage && e->code == code))
        e++;
    if (e == t->examples + TALLY_EXAMPLES_MAX)
        return;
    if (e == t->examples + t->examples_n) {
        t->examples_n++;
        e->stage = stage;
        e->code = code;
        snprintf(e->text, sizeof e->text, "%s", text);
    }
    e->n++;
}

void tally_failure(struct tally *t, const struct belay_http_facts *facts, int stage, int code,
                   const char *text)
{
    count(t, facts);
    t->failed++;
    t->errors[stage]++;
    if (facts->sent == BELAY_ANSWERED && stage < TALLY_STAGE_STATUS)
        t->cut_short++;
    if (stage == TALLY_STAGE_STATUS && facts->status > 0 && facts->status < TALLY_STATUSES_MAX)
        t->status[facts->status]++;
    remember(t, stage, code, text);
}
