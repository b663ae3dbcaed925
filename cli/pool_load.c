/* SPDX-License-Identifier: MIT */
/*
 * `belay pool` uses its connections: each time, as many uses of an endpoint start as -c says, less
 * those of former times that are still under way.
 */
#include <stdio.h>
#include <string.h>

#include "hints.h"
#include "pool_run.h"
#include "say.h"
#include "tally.h"

static void start_some(struct pool_site *site);

/* ---- what became of one ---- */

static void give_back(struct pool_job *job)
{
    struct pool_site *site = job->site;

    job->next_free = site->free_jobs;
    site->free_jobs = job;
    site->in_flight--;
}

static void note_failure(struct pool_site *site, int stage, int code, const char *text)
{
    struct pool_failure *last = &site->last;

    site->failed++;
    site->failing = true;
    last->set = true;
    last->stage = stage;
    last->code = code;
    last->at_ms = belay_loop_now_ms(site->run->loop);
    snprintf(last->text, sizeof last->text, "%s", text);
}

static void note_error(struct pool_site *site, const struct belay_error *error, const char *url)
{
    char text[BELAY_ERROR_TEXT_MAX];

    if (site->run->state == POOL_DRAINING && error->code == BELAY_ECLOSED) {
        site->run->cut_off++; /* it waited for a connection, and there will be none */
        return;
    }
    snprintf(text, sizeof text, "%.*s%s", (int)sizeof text - 80, error->text, hint_for(error, url));
    note_failure(site, (int)error->stage, error->code, text);
}

/* Leases that follow each other at once would not let time pass: the timer does. */
static void start_again(struct pool_site *site)
{
    if (site->kind == POOL_HTTP)
        start_some(site);
    else if (site->run->tick)
        belay_timer_start(site->run->tick, 0);
}

static void finish_job(struct pool_job *job, bool good)
{
    struct pool_site *site = job->site;

    site->done += good;
    if (good)
        site->failing = false;
    give_back(job);
    if (site->run->o->every_ms == 0)
        start_again(site);
    pool_control_done(site->run);
}

/* ---- a request ---- */

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct pool_job *job = arg;
    struct pool_site *site = job->site;
    struct belay_http_facts facts = belay_http_facts_init();
    char text[BELAY_ERROR_TEXT_MAX];
    bool good = !error;

    belay_http_request_facts(request, &facts);
    job->request = NULL;
    if (error) {
        note_error(site, error, facts.url);
    } else if (site->run->o->client.fail && facts.status >= 400) {
        good = false;
        snprintf(text, sizeof text, "%s %.200s: the answer was %d%s", site->run->o->client.method,
                 facts.url, facts.status, hint_for_status(facts.status));
        note_failure(site, TALLY_STAGE_STATUS, facts.status, text);
    }
    finish_job(job, good);
}

static const struct belay_http_callbacks callbacks = {.size = sizeof callbacks, .on_done = on_done};

static bool start_request(struct pool_job *job)
{
    struct pool_site *site = job->site;
    struct pool_run *run = site->run;
    struct belay_http_request_options options = run->plan.request;
    struct belay_error error;

    options.target = site->targets[site->next_target];
    site->next_target = (site->next_target + 1) % site->targets_n;
    options.callbacks = &callbacks;
    if (run->plan.body.n) {
        job->upload.body = &run->plan.body;
        job->upload.loop = run->loop;
        job->upload.request = &job->request;
        body_send(&job->upload, &options);
    }
    if (belay_http_request(run->http, &options, job, &job->request, &error) == 0)
        return true;
    job->request = NULL;
    if (error.kind == BELAY_KIND_USAGE && !run->usage_failure) {
        run->usage_failure = true;
        say("%s", error.text);
    }
    note_error(site, &error, NULL);
    return false;
}

/* ---- a lease ---- */

static void end_lease(struct pool_job *job, enum belay_release how)
{
    if (job->hold)
        belay_timer_stop(job->hold);
    if (!job->leased)
        return;
    job->leased = false;
    belay_lease_release(job->lease, how);
}

static void on_held(void *arg)
{
    struct pool_job *job = arg;
    bool good = belay_lease_valid(job->lease); /* not revoked meanwhile */

    end_lease(job, BELAY_REUSE);
    finish_job(job, good);
}

/* What a server says unasked is not looked at. */
static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    (void)stream;
    (void)data;
    (void)arg;
    return len;
}

static void lose(struct pool_job *job, const struct belay_error *error)
{
    struct pool_site *site = job->site;
    char text[BELAY_ERROR_TEXT_MAX];

    snprintf(text, sizeof text, "holding a lease of %.100s: %.170s",
             belay_endpoint_name(belay_peer_endpoint(site->peer)),
             error ? error->text : "the peer closed the connection");
    note_failure(site, BELAY_STAGE_USE, error ? error->code : BELAY_EEOF, text);
    end_lease(job, BELAY_BROKEN);
    finish_job(job, false);
}

static void on_end(struct belay_stream *stream, void *arg)
{
    (void)stream;
    lose(arg, NULL);
}

static void on_lost(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    (void)stream;
    lose(arg, error);
}

static const struct belay_stream_callbacks held = {
    .size = sizeof held,
    .on_data = on_data,
    .on_end = on_end,
    .on_lost = on_lost,
};

static void on_acquired(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct pool_job *job = arg;
    struct pool_site *site = job->site;
    int64_t hold = site->run->o->hold_ms;

    job->waiter = NULL;
    if (error) {
        note_error(site, error, NULL);
        finish_job(job, false);
        return;
    }
    job->lease = lease;
    job->leased = true;
    if (hold > 0 &&
        (job->hold || belay_timer_new(site->run->loop, on_held, job, &job->hold) == 0)) {
        belay_stream_set_callbacks(belay_lease_stream(lease), &held, job);
        belay_timer_start(job->hold, hold);
        return;
    }
    end_lease(job, BELAY_REUSE);
    finish_job(job, true);
}

static bool start_lease(struct pool_job *job)
{
    struct pool_site *site = job->site;
    struct belay_acquire_options options = belay_acquire_options_init();
    struct belay_error error = {.stage = BELAY_STAGE_QUEUE};
    int rc;

    options.timeout_ms = client_limit_ms(site->run->o->client.timeout_ms);
    rc = belay_peer_acquire(site->peer, &options, &job->waiter, on_acquired, job);
    if (rc == 0)
        return true;
    job->waiter = NULL;
    error.code = rc;
    snprintf(error.text, sizeof error.text, "%s", belay_strerror(rc));
    note_error(site, &error, NULL);
    return false;
}

/* ---- so many, so often ---- */

static void start_some(struct pool_site *site)
{
    while (site->free_jobs && site->run->state <= POOL_SUSPENDED) {
        struct pool_job *job = site->free_jobs;

        site->free_jobs = job->next_free;
        site->in_flight++;
        if (site->kind == POOL_HTTP ? start_request(job) : start_lease(job))
            continue;
        give_back(job);
        break; /* what fails at once is not tried for ever: the next round does */
    }
}

static void on_tick(void *arg)
{
    struct pool_run *run = arg;
    int64_t now = belay_loop_now_ms(run->loop), every = run->o->every_ms;

    for (size_t i = 0; i < run->sites_n; i++) {
        if (every > 0)
            run->sites[i].skipped += (uint64_t)run->sites[i].in_flight;
        start_some(&run->sites[i]);
    }
    if (run->usage_failure)
        pool_finish(run);
    if (every == 0)
        every = 100; /* only for those that could not start */
    run->next_tick_ms += every;
    if (run->next_tick_ms < now)
        run->next_tick_ms = now;
    belay_timer_start(run->tick, run->next_tick_ms - now);
}

void pool_load_start(struct pool_run *run)
{
    if (belay_timer_new(run->loop, on_tick, run, &run->tick) < 0)
        return;
    run->next_tick_ms = belay_loop_now_ms(run->loop);
    belay_timer_start(run->tick, 0);
}

void pool_load_stop(struct pool_run *run)
{
    belay_timer_free(run->tick);
    run->tick = NULL;
}

void pool_load_abandon(struct pool_run *run)
{
    for (size_t i = 0; i < run->sites_n; i++) {
        struct pool_site *site = &run->sites[i];

        for (int64_t k = 0; k < run->o->client.concurrency; k++) {
            struct pool_job *job = &site->jobs[k];

            belay_http_request_cancel(job->request);
            job->request = NULL;
            belay_waiter_cancel(job->waiter);
            job->waiter = NULL;
            end_lease(job, BELAY_REUSE);
        }
        site->in_flight = 0;
    }
}
