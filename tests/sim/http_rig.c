/* SPDX-License-Identifier: MIT */
/* Requests, and what the oracle says of them. */
#include "sim/http_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim/parts.h"

#define REPLAYS_MAX    3 /* the client's default */
#define REFUSED_STREAM 7

/* ---- callbacks ---- */

static void enter(struct sim_get *get, const char *what)
{
    if (get->rig->in_call)
        sim_fail(get->rig->w, "%s runs inside a call", what);
    if (get->done || get->cancelled || get->rig->closed)
        sim_fail(get->rig->w, "%s of request %zu runs after its end", what, get->number);
}

/* Servers of HTTP/2 say whom they answer. */
static void check_number(struct sim_get *get, const struct belay_header *number)
{
    if (number && strtoul(number->value, NULL, 10) != get->number)
        sim_fail(get->rig->w, "request %zu is answered with %s's answer", get->number,
                 number->value);
}

static enum belay_http_action pause_or_not(struct sim_get *get)
{
    get->paused = get->rig->pauses && sim_chance(get->rig->w, get->rig->pauses);
    return get->paused ? BELAY_HTTP_PAUSE : BELAY_HTTP_GO_ON;
}

static void on_trailers(const struct belay_header *trailers, size_t n, void *arg)
{
    struct sim_get *get = arg;

    enter(get, "on_trailers");
    for (size_t i = 0; i < n; i++)
        if (strcmp(trailers[i].name, "x-number") == 0)
            check_number(get, &trailers[i]);
}

static enum belay_http_action on_headers(const struct belay_http_response *response, void *arg)
{
    struct sim_get *get = arg;

    enter(get, "on_headers");
    check_number(get, belay_http_response_header(response, "x-number"));
    get->status = response->status;
    get->got = 0;
    return pause_or_not(get);
}

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    struct sim_get *get = arg;

    enter(get, "on_data");
    if (request != get->request)
        sim_fail(get->rig->w, "data of another request");
    if (get->paused)
        sim_fail(get->rig->w, "data of request %zu while it is paused", get->number);
    for (size_t i = 0; i < len; i++)
        if (data[i] != "abcdefghijklmnop"[(get->number + get->got + i) % 16])
            get->wrong = true;
    get->got += len;
    return pause_or_not(get);
}

/* ---- laws ---- */

static bool is_break(const struct belay_error *e)
{
    return e->code == BELAY_ERESET || e->code == BELAY_EEOF;
}

static void check_end(struct sim_get *get, const struct belay_error *e)
{
    struct sim_world *w = get->rig->w;
    int32_t replays = get->facts.replays;

    if (get->post && get->executed > 1)
        sim_fail(w, "request %zu, a POST, was carried out %d times", get->number, get->executed);
    if (replays > REPLAYS_MAX)
        sim_fail(w, "request %zu was replayed %d times", get->number, replays);
    if (get->executed > replays + 1)
        sim_fail(w, "request %zu was carried out %d times with %d replays", get->number,
                 get->executed, replays);
    if (!e) {
        if (get->status != 200 || get->got != get->size || get->wrong || get->executed == 0)
            sim_fail(w,
                     "request %zu succeeds: status %d, %zu of %zu bytes, %s, carried out %d times",
                     get->number, get->status, get->got, get->size, get->wrong ? "wrong" : "right",
                     get->executed);
        return;
    }
    if (e->sent == BELAY_NOT_SENT && get->executed > 0)
        sim_fail(w, "request %zu is said not to be sent, and was carried out", get->number);
    if (get->facts.h2_error == REFUSED_STREAM && replays == 0 && !get->status && !get->expects &&
        e->sent != BELAY_NOT_SENT)
        sim_fail(w, "request %zu was refused, and is said to be sent", get->number);
    if (e->sent != BELAY_ANSWERED && get->status)
        sim_fail(w, "request %zu is said not to be answered, and was", get->number);
    if (!get->post && is_break(e) && e->sent != BELAY_ANSWERED && e->stage == BELAY_STAGE_USE &&
        replays < REPLAYS_MAX)
        sim_fail(w, "request %zu is lost after %d replays: %s", get->number, replays, e->text);
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct sim_get *get = arg;
    struct sim_rig *rig = get->rig;

    enter(get, "on_done");
    get->facts = belay_http_facts_init();
    belay_http_request_facts(request, &get->facts);
    get->facts.url = NULL;
    sim_note(rig->w, "request %zu: %s", get->number, error ? error->text : "done");
    if (error) {
        get->error = *error;
        get->error.tried = NULL;
        get->failed = true;
        rig->refused++;
        rig->stages[error->stage]++;
        if (!error->text[0] || error->code >= 0 || error->stage == BELAY_STAGE_NONE)
            sim_fail(rig->w, "an error without substance: code %d, stage %d", error->code,
                     (int)error->stage);
        if (error->code == BELAY_ECLOSED && !rig->closing)
            sim_fail(rig->w, "request %zu is told that the client is closed", get->number);
        if (error->code == BELAY_ENOMEM && !rig->lenient)
            sim_fail(rig->w, "out of memory, and there was enough");
    } else {
        rig->given++;
    }
    check_end(get, error);
    if (!error && get->paused)
        sim_fail(rig->w, "request %zu ends while it is paused", get->number);
    get->done = true;
    get->ended_ns = rig->w->now_ns;
    get->paused = false;
    get->request = NULL;
}

struct sim_get *sim_get_numbered(struct sim_rig *rig, size_t number)
{
    for (struct bl_list *node = rig->gets.prev; node != &rig->gets; node = node->prev) {
        struct sim_get *get = BL_LIST_OF(node, struct sim_get, link);

        if (get->number == number)
            return get;
    }
    return NULL;
}

/* The first that is heard of one is heard within the call that makes it. */
void sim_get_trace(struct sim_rig *rig, const struct belay_trace *trace)
{
    if (strcmp(trace->noun, "request") != 0)
        return;
    for (struct bl_list *node = rig->gets.prev; node != &rig->gets; node = node->prev) {
        struct sim_get *get = BL_LIST_OF(node, struct sim_get, link);

        if (!trace->from && !get->id)
            get->id = trace->id;
        if (get->id != trace->id)
            continue;
        get->lent = trace->to && strcmp(trace->to, "running") == 0;
        return;
    }
}

static void on_request(struct sim_host *host, size_t number, void *arg)
{
    struct sim_rig *rig = arg;
    struct sim_get *get = sim_get_numbered(rig, number);

    if (!get)
        return;
    get->executed++;
    sim_note(rig->w, "request %zu is carried out at %s", number, host->name);
}

/* ---- calls ---- */

int sim_http_open(struct sim_rig *rig, const struct belay_http_options *options)
{
    int r;

    if (!rig->w->loop)
        return BELAY_ENOMEM;
    rig->in_call++;
    r = belay_http_open(rig->w->loop, options, &rig->http, NULL);
    rig->in_call--;
    if (r < 0) {
        rig->http = NULL;
        return r;
    }
    rig->pool = belay_http_pool(rig->http);
    rig->wires = rig->lax = true;
    sim_options_read(rig);
    sim_limits_attach(rig);
    rig->w->on_request = on_request;
    rig->w->no_garbage = true;
    sim_oracle_attach(rig);
    return 0;
}

static const char *digits(void)
{
    static char text[SIM_UPLOAD_MAX + 10];

    for (size_t i = 0; i < sizeof text && !text[sizeof text - 1]; i++)
        text[i] = (char)('0' + i % 10);
    return text;
}

static ptrdiff_t read_body(void *out, size_t size, void *arg)
{
    struct sim_get *get = arg;
    size_t n = get->body_left < size ? get->body_left : size;

    if (n > 7 && get->upload <= SIM_UPLOAD)
        n = 7;
    memcpy(out, digits() + (get->upload - get->body_left) % 10, n);
    get->body_left -= n;
    return (ptrdiff_t)n;
}

static int rewind_body(void *arg)
{
    struct sim_get *get = arg;

    get->body_left = get->upload;
    return 0;
}

static void give_body(struct sim_get *get, struct belay_http_request_options *o)
{
    if (get->number % 2 == 0) {
        o->body = digits();
        o->body_len = get->upload;
        return;
    }
    get->body_left = get->upload;
    o->read_body = read_body;
    o->rewind_body = rewind_body;
    o->body_arg = get;
    o->body_size = get->number % 3 ? BELAY_NONE : (int64_t)get->upload;
    o->expect_continue = get->expects = get->number % 5 == 0;
}

struct sim_get *sim_get(struct sim_rig *rig, struct sim_host *host, const char *method, size_t size,
                        int *ret_code)
{
    static const struct belay_http_callbacks callbacks = {.size = sizeof callbacks,
                                                          .on_headers = on_headers,
                                                          .on_data = on_data,
                                                          .on_trailers = on_trailers,
                                                          .on_done = on_done};
    struct belay_http_request_options o = belay_http_request_options_init();
    struct sim_get *get = calloc(1, sizeof *get);
    char url[128];
    int r;

    if (!get)
        abort();
    get->rig = rig;
    get->number = (size_t)++rig->next_seq;
    get->size = size;
    get->host = host;
    get->asked_ns = rig->w->now_ns;
    get->upload = rig->upload ? rig->upload : SIM_UPLOAD;
    get->post = strcmp(method, "POST") == 0;
    snprintf(url, sizeof url, "%s://%s:%d/%zu?%zu", host->tls ? "https" : "http", host->name,
             host->port, size, get->number);
    o.method = method;
    o.url = url;
    o.callbacks = &callbacks;
    if (get->post)
        give_body(get, &o);
    bl_list_push_back(&rig->gets, &get->link);
    rig->in_call++;
    r = belay_http_request(rig->http, &o, get, &get->request, NULL);
    rig->in_call--;
    sim_note(rig->w, "request %zu: %s %s: %d", get->number, method, url, r);
    if (ret_code)
        *ret_code = r;
    if (r < 0) {
        bl_list_remove(&get->link);
        free(get);
        return NULL;
    }
    return get;
}

void sim_get_cancel(struct sim_get *get)
{
    if (get->done || get->cancelled)
        return;
    sim_note(get->rig->w, "request %zu: cancel", get->number);
    get->rig->in_call++;
    belay_http_request_cancel(get->request);
    get->rig->in_call--;
    get->cancelled = true;
    get->paused = false;
    get->request = NULL;
}

void sim_get_resume(struct sim_get *get)
{
    if (!get->paused)
        return;
    get->paused = false;
    get->rig->in_call++;
    belay_http_request_resume(get->request);
    get->rig->in_call--;
}

unsigned sim_gets_under_way(struct sim_rig *rig)
{
    unsigned n = 0;

    BL_LIST_EACH(node, &rig->gets)
    {
        struct sim_get *get = BL_LIST_OF(node, struct sim_get, link);

        n += !get->done && !get->cancelled;
    }
    return n;
}

static void on_closed(void *arg)
{
    struct sim_rig *rig = arg;

    if (rig->in_call || rig->closed)
        sim_fail(rig->w, "on_closed of the client runs inside a call, or twice");
    if (sim_gets_under_way(rig))
        sim_fail(rig->w, "the client has ended, and %u requests have not", sim_gets_under_way(rig));
    rig->closed = true;
    rig->pool = NULL;
    rig->http = NULL;
}

void sim_http_close(struct sim_rig *rig, bool drain)
{
    if (!rig->http || rig->closed)
        return;
    sim_note(rig->w, drain ? "drain the client" : "close the client");
    rig->in_call++;
    if (drain)
        belay_http_drain(rig->http, on_closed, rig);
    else
        belay_http_close(rig->http, rig->closing ? NULL : on_closed, rig);
    rig->in_call--;
    if (!rig->closing)
        rig->closing_turn = rig->w->turns;
    rig->closing = true;
}
