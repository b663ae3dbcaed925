/* SPDX-License-Identifier: MIT */
/*
 * Which kernel: where the balancer wants to know how many connections each has, all are asked at a
 * time after a random wait (a fleet that lost the same kernel does not ask all others at once), and
 * who has not answered in time counts as worst. The one that is chosen is told so.
 */
#include <jansson.h>
#include <stdio.h>

#include "service/chronicle.h"

#define WAIT_NS    UINT64_C(250000000) /* at most, before they are asked */
#define LIMIT_MS   2000                /* for their answers */
#define BODY_MAX   256
#define UNKNOWN    (-1)
#define COUNT_PATH "/connections/count"
#define CLAIM_PATH "/connections/reserve"
#define URL_MAX    (BL_CHRONICLE_PLACE_SIZE + 40)

struct probe {
    struct belay_chronicle *of;
    size_t place;
    struct belay_http_request *request; /* NULL: none is under way */
    int status;
    size_t body_len;
    char body[BODY_MAX];
};

struct bl_chronicle_probes {
    struct bl_timer timer; /* of the wait, then of the answers */
    bool rested, asked;
    size_t missing; /* answers */
    int64_t *counts;
    struct probe list[];
};

static void chosen(struct belay_chronicle *c, const int64_t *counts)
{
    c->attempt.place = bl_balancer_pick(&c->balancer, counts, c->attempt.places.n);
    c->attempt.step = BL_CHRONICLE_CHOSEN;
    bl_chronicle_run_later(c);
}

/* ---- the kernel's answer ---- */

/* A number, or an object that has it as "count". */
static int64_t read_count(const struct probe *p)
{
    json_t *answer = json_loadb(p->body, p->body_len, JSON_DECODE_ANY, NULL);
    const json_t *number = json_is_object(answer) ? json_object_get(answer, "count") : answer;
    int64_t count = json_is_integer(number) ? json_integer_value(number) : UNKNOWN;

    json_decref(answer);
    return p->status == 200 ? count : UNKNOWN;
}

static enum belay_http_action on_headers(const struct belay_http_response *response, void *arg)
{
    struct probe *p = arg;

    p->status = response->status;
    return BELAY_HTTP_GO_ON;
}

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    struct probe *p = arg;

    (void)request;
    if (len > sizeof p->body - p->body_len)
        return BELAY_HTTP_ABORT;
    memcpy(p->body + p->body_len, data, len);
    p->body_len += len;
    return BELAY_HTTP_GO_ON;
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct probe *p = arg;

    (void)request;
    p->request = NULL;
    bl_chronicle_probe_answer(p->of, p->place, error ? UNKNOWN : read_count(p));
}

static const struct belay_http_callbacks count_callbacks = {
    .size = sizeof count_callbacks,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_done = on_done,
};

static int open_http(struct belay_chronicle *c)
{
    struct belay_http_options o = belay_http_options_init();

    if (c->http)
        return 0;
    o.tls = bl_chronicle_access_tls(c->access);
    o.versions = BELAY_HTTP_1_ONLY; /* as for tokens */
    o.route = c->channel_options.o.route;
    return belay_http_open(c->loop, &o, &c->http, NULL);
}

static int request(struct belay_chronicle *c, size_t place, const char *method, const char *path,
                   const struct belay_http_callbacks *callbacks, void *arg,
                   struct belay_http_request **ret)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    char text[BL_CHRONICLE_PLACE_SIZE], url[URL_MAX];
    int rc = open_http(c);

    if (rc < 0)
        return rc;
    snprintf(url, sizeof url, "%s://%s%s",
             bl_chronicle_access_is_plain(c->access) ? "http" : "https",
             bl_chronicle_place_text(&c->attempt.places.list[place], text), path);
    o.method = method;
    o.url = url;
    o.timeout_ms = LIMIT_MS;
    o.callbacks = callbacks;
    return belay_http_request(c->http, &o, arg, ret, NULL);
}

/* ---- asking ---- */

static void ask_caller(struct belay_chronicle *c, size_t place)
{
    char text[BL_CHRONICLE_PLACE_SIZE];
    struct belay_chronicle_query *query = bl_chronicle_query_new(c, BL_CHRONICLE_Q_PROBE, place);

    if (query)
        c->functions.probe(query, bl_chronicle_place_text(&c->attempt.places.list[place], text),
                           c->functions.arg);
}

/* By the task, as functions of the caller's may be called: which may end the connection. */
static void ask_all(struct belay_chronicle *c)
{
    struct bl_chronicle_probes *probes = c->attempt.probes;
    size_t n = c->attempt.places.n;

    probes->asked = true;
    bl_timer_at(&probes->timer, c->loop, bl_after_ms(bl_chronicle_now(c), LIMIT_MS));
    for (size_t i = 0; i < n && c->attempt.probes == probes; i++) {
        struct probe *p = &probes->list[i];

        p->of = c;
        p->place = i;
        if (c->functions.probe)
            ask_caller(c, i);
        else if (request(c, i, "GET", COUNT_PATH, &count_callbacks, p, &p->request) < 0)
            bl_chronicle_probe_answer(c, i, UNKNOWN);
    }
}

/* It is told that somebody comes; whether it hears of it does not matter. */
static void claim(struct belay_chronicle *c)
{
    if (!c->functions.probe)
        request(c, c->attempt.place, "POST", CLAIM_PATH, NULL, NULL, NULL);
}

static void settle(struct belay_chronicle *c)
{
    chosen(c, c->attempt.probes->counts);
    bl_chronicle_probe_cancel(c);
    claim(c);
}

void bl_chronicle_probe_answer(struct belay_chronicle *c, size_t place, int64_t count)
{
    struct bl_chronicle_probes *probes = c->attempt.probes;

    if (!probes)
        return;
    probes->counts[place] = count;
    if (probes->missing > 0 && --probes->missing == 0)
        bl_chronicle_run_later(c);
}

static void on_timer(void *arg)
{
    struct belay_chronicle *c = arg;

    if (c->attempt.probes->asked)
        c->attempt.probes->missing = 0;
    c->attempt.probes->rested = true;
    bl_chronicle_run_later(c);
}

bool bl_chronicle_probe_step(struct belay_chronicle *c)
{
    struct bl_chronicle_probes *probes = c->attempt.probes;

    if (probes->missing == 0)
        settle(c);
    else if (probes->rested && !probes->asked)
        ask_all(c);
    else
        return false;
    return true;
}

/* ---- its course ---- */

static struct bl_chronicle_probes *probes_new(struct belay_chronicle *c, size_t n)
{
    struct bl_mem *mem = &c->loop->mem;
    struct bl_chronicle_probes *probes =
        bl_zalloc(mem, sizeof *probes + n * sizeof probes->list[0]);

    if (!probes)
        return NULL;
    probes->missing = n;
    probes->counts = bl_alloc(mem, n * sizeof *probes->counts);
    if (probes->counts && bl_timer_init(&probes->timer, c->loop, on_timer, c) == 0) {
        for (size_t i = 0; i < n; i++)
            probes->counts[i] = UNKNOWN;
        return probes;
    }
    bl_free(mem, probes->counts);
    bl_free(mem, probes);
    return NULL;
}

void bl_chronicle_choose(struct belay_chronicle *c)
{
    size_t n = c->attempt.places.n;
    struct belay_error error;
    uint64_t wait;

    bl_chronicle_resolve_cancel(c); /* it is done with */
    if (n == 0) {
        bl_error_set(&error, BELAY_ENONAME, BELAY_STAGE_RESOLVE, "looking up %s: no addresses",
                     c->label);
        bl_chronicle_attempt_fail(c, &error);
        c->attempt.step = BL_CHRONICLE_NOTHING;
        return;
    }
    if (!bl_balancer_probes(&c->balancer, n)) {
        chosen(c, NULL);
        return;
    }
    c->attempt.step = BL_CHRONICLE_PROBING;
    c->attempt.probes = probes_new(c, n);
    if (!c->attempt.probes) {
        bl_chronicle_attempt_no_memory(c, "asking the kernels");
        return;
    }
    wait = bl_rand_below(&c->loop->rand, WAIT_NS + 1);
    bl_timer_at(&c->attempt.probes->timer, c->loop, bl_chronicle_now(c) + wait);
}

void bl_chronicle_probe_cancel(struct belay_chronicle *c)
{
    struct bl_chronicle_probes *probes = c->attempt.probes;
    struct bl_mem *mem = &c->loop->mem;

    if (!probes)
        return;
    c->attempt.probes = NULL;
    for (size_t i = 0; i < c->attempt.places.n; i++)
        belay_http_request_cancel(probes->list[i].request);
    bl_timer_fini(&probes->timer, c->loop);
    bl_free(mem, probes->counts);
    bl_free(mem, probes);
}
