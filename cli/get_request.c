/* SPDX-License-Identifier: MIT */
/*
 * One slot's request: started, its answer put where it belongs, tried again when that is safe,
 * counted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "get.h"
#include "hints.h"
#include "input.h"
#include "say.h"

/* What was written of an answer that does not stand, or is done. */
static void drop_output(struct slot *slot)
{
    sink_drop(&slot->headers);
    sink_drop(&slot->body);
    decoder_free(slot->decoder);
    slot->decoder = NULL;
}

/* ---- retries ---- */

static int64_t remaining_ms(const struct slot *slot)
{
    const struct get_options *o = slot->get->o;
    int64_t left;

    if (o->client.timeout_ms <= 0)
        return -1;
    left = slot->started_ms + o->client.timeout_ms - belay_loop_now_ms(slot->get->loop);
    return left > 0 ? left : 0;
}

static int64_t retry_ms(const struct slot *slot, const struct belay_error *error, int status,
                        int64_t after_ms)
{
    const struct get *g = slot->get;
    struct retry_facts facts = {
        .retried = slot->retried,
        .error = error,
        .status = status,
        .retry_after_ms = after_ms,
        .remaining_ms = remaining_ms(slot),
        .idempotent = retry_is_idempotent(g->o->client.method),
        .replayable = !request_plan_is_once(&g->plan),
        .shown = slot->body.begun || slot->headers.begun,
    };

    return retry_delay_ms(&g->o->retry, &facts);
}

static void on_retry_timer(void *arg)
{
    struct slot *slot = arg;

    if (!get_request_start(slot))
        get_slot_done(slot);
}

/* False when there is no memory for a timer. */
static bool retry_later(struct slot *slot, uint64_t took_us, int64_t delay_ms)
{
    struct get *g = slot->get;

    if (!slot->timer && belay_timer_new(g->loop, on_retry_timer, slot, &slot->timer) < 0)
        return false;
    drop_output(slot);
    slot->retried++;
    slot->spent_us += took_us + (uint64_t)delay_ms * 1000;
    if (slot->counted)
        g->tally.retries++;
    belay_timer_start(slot->timer, delay_ms);
    return true;
}

/* ---- where the answer goes ---- */

static enum belay_http_action output_failed(struct slot *slot, int error, const char *to)
{
    slot->output_error = error;
    slot->output_to = to;
    if (error == EPIPE && strcmp(to, "standard output") == 0)
        slot->get->stdout_gone = true;
    return BELAY_HTTP_ABORT;
}

static const char *body_place(const struct slot *slot)
{
    const struct get_options *o = slot->get->o;

    return o->output_dir                              ? o->output_dir
           : o->output && strcmp(o->output, "-") != 0 ? o->output
                                                      : "standard output";
}

static bool open_sinks(struct slot *slot)
{
    const struct get_options *o = slot->get->o;
    struct complaint why;

    if (slot->headers.kind == SINK_NONE && o->dump_header &&
        !sink_to_file(&slot->headers, o->dump_header, &why))
        return false;
    if (slot->body.kind != SINK_NONE)
        return true;
    if (o->output)
        return sink_to_file(&slot->body, o->output, &why);
    if (o->output_dir)
        return sink_to_dir(&slot->body, o->output_dir,
                           belay_http_target_url(slot->get->targets[slot->url]), &why);
    if (get_shows_body(o) || (get_is_single(o) && o->client.head))
        sink_to_fd(&slot->body, 1);
    slot->body.wary = get_shows_body(o) && isatty(1); /* bytes that are no text may upset it */
    return true;
}

/* The head as it would stand on the wire. */
static void add_head(struct bytes *text, const struct belay_http_response *r)
{
    char line[64];
    int n = r->major == 2 ? snprintf(line, sizeof line, "HTTP/2 %d ", r->status)
                          : snprintf(line, sizeof line, "HTTP/1.%d %d ", r->minor, r->status);

    bytes_add(text, line, (size_t)n);
    bytes_add(text, r->reason, r->reason_len);
    bytes_add(text, "\r\n", 2);
    for (size_t i = 0; i < r->headers_n; i++) {
        bytes_add(text, r->headers[i].name, r->headers[i].name_len);
        bytes_add(text, ": ", 2);
        bytes_add(text, r->headers[i].value, r->headers[i].value_len);
        bytes_add(text, "\r\n", 2);
    }
    bytes_add(text, "\r\n", 2);
}

static bool dump_head(struct slot *slot, const struct belay_http_response *response)
{
    const struct get_options *o = slot->get->o;
    bool to_stdout = o->client.head && slot->body.kind != SINK_NONE;
    struct bytes text = {0};
    bool good = true;

    if (slot->headers.kind == SINK_NONE && !to_stdout)
        return true;
    add_head(&text, response);
    if (slot->headers.kind != SINK_NONE)
        good = sink_write(&slot->headers, text.data, text.len) != SINK_FAILED;
    if (good && to_stdout)
        good = sink_write(&slot->body, text.data, text.len) != SINK_FAILED;
    bytes_free(&text);
    return good;
}

static void on_room(unsigned events, void *arg)
{
    struct slot *slot = arg;
    enum sink_verdict verdict =
        slot->decoder ? decoder_flush(slot->decoder, &slot->body) : sink_flush(&slot->body);

    (void)events;
    if (verdict == SINK_WAIT)
        return;
    belay_watch_set(slot->room, 0);
    if (slot->request) /* what failed shows at the next write */
        belay_http_request_resume(slot->request);
}

static enum belay_http_action wait_for_room(struct slot *slot)
{
    int rc = slot->room ? belay_watch_set(slot->room, BELAY_WRITABLE)
                        : belay_watch_new(slot->get->loop, slot->body.fd, BELAY_WRITABLE, on_room,
                                          slot, &slot->room);

    return rc < 0 ? BELAY_HTTP_GO_ON : BELAY_HTTP_PAUSE;
}

/* ---- callbacks ---- */

static int64_t retry_after(const struct belay_http_response *response)
{
    const struct belay_header *h = belay_http_response_header(response, "Retry-After");

    return h ? retry_after_ms(h->value, h->value_len, (int64_t)time(NULL)) : -1;
}

static enum belay_http_action on_headers(const struct belay_http_response *response, void *arg)
{
    struct slot *slot = arg;
    const struct get *g = slot->get;

    slot->expected = response->content_length;
    if (retry_wants_status(&g->o->retry, response->status))
        slot->retry_in_ms = retry_ms(slot, NULL, response->status, retry_after(response));
    slot->hidden = slot->retry_in_ms >= 0 || (g->o->client.fail && response->status >= 400);
    if (slot->retry_in_ms >= 0)
        return BELAY_HTTP_GO_ON;
    if (slot->hidden && !g->o->client.head && !g->o->dump_header)
        return BELAY_HTTP_GO_ON;
    if (g->o->client.compressed && !g->o->client.head)
        slot->decoder = decoder_new(response);
    if (decoder_error(slot->decoder))
        return BELAY_HTTP_ABORT;
    errno = 0;
    if (!open_sinks(slot) || !dump_head(slot, response))
        return output_failed(slot, errno ? errno : slot->body.error, body_place(slot));
    return BELAY_HTTP_GO_ON;
}

static enum belay_http_action on_redirect(const struct belay_http_response *response,
                                          const char *url, void *arg)
{
    struct slot *slot = arg;

    (void)url;
    if (!slot->get->o->dump_header && !slot->get->o->client.head)
        return BELAY_HTTP_GO_ON;
    errno = 0;
    if (!open_sinks(slot) || !dump_head(slot, response))
        return output_failed(slot, errno, body_place(slot));
    return BELAY_HTTP_GO_ON;
}

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    struct slot *slot = arg;
    enum sink_verdict verdict;

    (void)request;
    slot->get->bytes_seen += len;
    if (slot->hidden)
        return BELAY_HTTP_GO_ON;
    verdict = slot->decoder ? decoder_write(slot->decoder, &slot->body, data, len)
                            : sink_write(&slot->body, data, len);
    switch (verdict) {
    case SINK_FAILED:
        if (decoder_error(slot->decoder))
            return BELAY_HTTP_ABORT;
        return output_failed(slot, slot->body.error, body_place(slot));
    case SINK_WAIT:
        return wait_for_room(slot);
    default:
        return BELAY_HTTP_GO_ON;
    }
}

/* ---- the end ---- */

static void describe_output(const struct slot *slot, char text[BELAY_ERROR_TEXT_MAX])
{
    if (slot->output_error == EILSEQ)
        snprintf(text, BELAY_ERROR_TEXT_MAX,
                 "showing the body: it is not text, and the terminal might suffer (-o FILE writes "
                 "it, -o - insists)");
    else
        snprintf(text, BELAY_ERROR_TEXT_MAX, "writing to %.200s: %s", slot->output_to,
                 strerror(slot->output_error));
}

/* A file of the body could not be read to its end. */
static void describe_upload(const struct slot *slot, char text[BELAY_ERROR_TEXT_MAX])
{
    char shown[TEXT_SHOWN_MAX];

    snprintf(text, BELAY_ERROR_TEXT_MAX, "sending %s: %s", input_name(slot->upload.failed, shown),
             slot->upload.error ? strerror(slot->upload.error) : "it became shorter meanwhile");
}

static int describe_decoding(const struct slot *slot, const struct belay_http_facts *facts,
                             char text[BELAY_ERROR_TEXT_MAX])
{
    snprintf(text, BELAY_ERROR_TEXT_MAX, "%s %.120s: unpacking the body: %.150s",
             slot->get->o->client.method, facts->url, decoder_error(slot->decoder));
    return TALLY_STAGE_DECODE;
}

static bool finish_body(struct slot *slot)
{
    if (slot->decoder && !decoder_finish(slot->decoder, &slot->body))
        return false;
    return slot->body.kind == SINK_NONE || sink_finish(&slot->body);
}

/* What became of it: a stage and a sentence, or -1 for an answer. */
static int judge(struct slot *slot, const struct belay_error *error,
                 const struct belay_http_facts *facts, char text[BELAY_ERROR_TEXT_MAX])
{
    const struct get_options *o = slot->get->o;
    bool written = true;

    if (slot->output_error) {
        describe_output(slot, text);
        return TALLY_STAGE_OUTPUT;
    }
    if (decoder_error(slot->decoder))
        return describe_decoding(slot, facts, text);
    if (error && slot->upload.failed) {
        describe_upload(slot, text);
        return (int)error->stage;
    }
    if (error) {
        snprintf(text, BELAY_ERROR_TEXT_MAX, "%.*s%s", (int)(BELAY_ERROR_TEXT_MAX - 80),
                 error->text, hint_for(error, facts->url));
        return (int)error->stage;
    }
    if (slot->headers.kind != SINK_NONE)
        written = sink_finish(&slot->headers);
    if (written)
        written = finish_body(slot);
    if (decoder_error(slot->decoder))
        return describe_decoding(slot, facts, text);
    if (!written) {
        output_failed(slot, slot->body.error ? slot->body.error : slot->headers.error,
                      body_place(slot));
        describe_output(slot, text);
        return TALLY_STAGE_OUTPUT;
    }
    if (!o->client.fail || facts->status < 400)
        return -1;
    snprintf(text, BELAY_ERROR_TEXT_MAX, "%s %.160s: the answer was %d%s", o->client.method,
             facts->url, facts->status, hint_for_status(facts->status));
    return TALLY_STAGE_STATUS;
}

static void tell(const struct slot *slot, int stage, const char *text)
{
    const struct get *g = slot->get;

    if (!get_is_single(g->o) || g->usage_failure)
        return;
    if (stage >= 0 && !g->stdout_gone)
        say("%s", text);
    else if (stage < 0 && g->o->output_dir && slot->body.path && !g->o->client.quiet)
        say("wrote %s", slot->body.path);
}

static void conclude(struct slot *slot, const struct belay_error *error,
                     const struct belay_http_facts *facts)
{
    struct get *g = slot->get;
    uint64_t latency = slot->spent_us + (uint64_t)facts->total_us;
    char text[BELAY_ERROR_TEXT_MAX];
    int stage = judge(slot, error, facts, text);

    if (slot->counted && stage < 0)
        tally_answer(&g->tally, facts, latency);
    else if (slot->counted)
        tally_failure(&g->tally, facts, stage, error ? error->code : facts->status, text);
    if (g->o->write_out && slot->counted)
        write_out_line(slot, facts, latency, stage, error, stage < 0 ? NULL : text);
    if (slot->counted)
        g->tally.unpacked += decoder_bytes(slot->decoder);
    tell(slot, stage, text);
    if (!error)
        g->answered_ms = belay_loop_now_ms(g->loop);
    drop_output(slot);
    belay_watch_free(slot->room);
    slot->room = NULL;
}

/* Before there is a connection. */
static bool is_dial_stage(enum belay_stage stage)
{
    return stage >= BELAY_STAGE_RESOLVE && stage <= BELAY_STAGE_PROTOCOL;
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct slot *slot = arg;
    struct belay_http_facts facts = belay_http_facts_init();
    int64_t delay = slot->retry_in_ms;
    bool hopeless;

    belay_http_request_facts(request, &facts);
    slot->request = NULL;
    hopeless = error && is_dial_stage(error->stage) && get_is_hopeless(slot->get, error);
    if (error && !slot->output_error && !decoder_error(slot->decoder))
        delay = hopeless ? -1 : retry_ms(slot, error, 0, -1);
    if (delay >= 0 && retry_later(slot, (uint64_t)facts.total_us, delay)) {
        verbose_retry(slot, error, facts.status, delay);
        return;
    }
    conclude(slot, error, &facts);
    slot->ending = true; /* the others may be given up now */
    if (hopeless)
        get_give_up(slot->get, error);
    slot->ending = false;
    get_slot_done(slot);
}

/* Bodies that nobody wants need no callback of their own. */
static const struct belay_http_callbacks quick = {.size = sizeof quick, .on_done = on_done};
static const struct belay_http_callbacks thorough = {
    .size = sizeof thorough,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_redirect = on_redirect,
    .on_done = on_done,
};

static bool is_quick(const struct get_options *o)
{
    return !get_is_single(o) && !o->output && !o->output_dir && !o->dump_header &&
           o->retry.statuses_n == 0 && !o->client.compressed;
}

bool get_request_start(struct slot *slot)
{
    struct get *g = slot->get;
    struct belay_http_request_options options = g->plan.request;
    int64_t left = remaining_ms(slot);
    struct belay_error error;

    slot->retry_in_ms = -1;
    slot->hidden = false;
    slot->expected = -1;
    options.target = g->targets[slot->url];
    options.callbacks = is_quick(g->o) ? &quick : &thorough;
    if (left >= 0)
        options.timeout_ms = left ? left : 1;
    if (g->plan.body.n) {
        slot->upload.body = &g->plan.body;
        slot->upload.loop = g->loop;
        slot->upload.request = &slot->request;
        body_send(&slot->upload, &options);
    }
    if (belay_http_request(g->http, &options, slot, &slot->request, &error) == 0)
        return true;
    slot->request = NULL;
    if (error.kind == BELAY_KIND_USAGE)
        g->usage_failure = true;
    conclude(slot, &error,
             &(struct belay_http_facts){.url = belay_http_target_url(options.target)});
    return false;
}

void get_request_fail(struct slot *slot, const struct belay_error *error)
{
    struct belay_http_facts facts = belay_http_facts_init();
    int64_t now = belay_loop_now_ms(slot->get->loop);

    facts.total_us = (now - slot->started_ms) * 1000;
    facts.url = belay_http_target_url(slot->get->targets[slot->url]);
    get_request_abandon(slot);
    conclude(slot, error, &facts);
}

void get_request_abandon(struct slot *slot)
{
    belay_http_request_cancel(slot->request);
    slot->request = NULL;
    body_reader_end(&slot->upload);
    if (slot->timer)
        belay_timer_stop(slot->timer);
    drop_output(slot);
    belay_watch_free(slot->room);
    slot->room = NULL;
}
