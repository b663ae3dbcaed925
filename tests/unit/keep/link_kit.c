/* SPDX-License-Identifier: MIT */
/* A link in virtual time, and what it tells as text. */
#include "unit/keep/link_kit.h"

#include <stdio.h>

#include "conn/source.h"

/* ---- words ---- */

int64_t link_kit_ms(const struct link_kit *k)
{
    return (int64_t)(k->world.now_ns / BL_MS(1)) - 1000;
}

const char *link_kit_letter(const struct link_kit *k, struct belay_endpoint *endpoint)
{
    return !endpoint          ? "-"
           : endpoint == k->a ? "a"
           : endpoint == k->b ? "b"
           : endpoint == k->c ? "c"
                              : "?";
}

static void append(char *log, const char *text)
{
    size_t len = strlen(log);

    assert_true(len + strlen(text) + 2 < LINK_KIT_LOG_MAX);
    snprintf(log + len, LINK_KIT_LOG_MAX - len, "%s\n", text);
}

void link_kit_note(struct link_kit *k, const char *format, ...)
{
    char line[400];
    int n = snprintf(line, sizeof line, "%lld ", (long long)link_kit_ms(k));
    va_list args;

    va_start(args, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    append(k->log, line);
}

static void print_next(int64_t next_ms, char out[32])
{
    if (next_ms == BELAY_FOREVER)
        snprintf(out, 32, "none");
    else
        snprintf(out, 32, "%lld", (long long)next_ms);
}

static void on_event(struct belay_link *link, const struct belay_link_event *e, void *arg)
{
    struct link_kit *k = arg;
    const char *letter = link_kit_letter(k, e->address);
    const char *name = e->error ? belay_error_name(e->error->code) : "here";
    char next[32];

    assert_int_equal(e->size, sizeof *e);
    assert_true(!k->link || link == k->link);
    assert_true(e->type >= BELAY_LINK_ATTEMPTING_TO_CONNECT && e->type <= BELAY_LINK_DISCONNECTED);
    assert_int_equal(belay_lease_valid(e->lease), e->type == BELAY_LINK_CONNECTED);
    k->events[e->type]++;
    k->last = *e;
    if (e->error) {
        k->error = *e->error;
        k->last.error = &k->error;
    }
    print_next(e->next_ms, next);
    switch (e->type) {
    case BELAY_LINK_ATTEMPTING_TO_CONNECT:
        assert_null(e->address);
        link_kit_note(k, "attempting");
        break;
    case BELAY_LINK_OBTAINED_ADDRESS:
        link_kit_note(k, "obtained %s", letter);
        break;
    case BELAY_LINK_FAILED_TO_CONNECT:
        link_kit_note(k, "failed %s %s, %d in a row, next %s", name, letter, (int)e->failures,
                      next);
        break;
    case BELAY_LINK_CONNECTED:
        link_kit_note(k, "connected %s", letter);
        break;
    case BELAY_LINK_DISCONNECTED:
        link_kit_note(k, "disconnected %s: %s, next %s", letter, name, next);
        break;
    }
    if (k->on_event)
        k->on_event(k, e);
}

void link_kit_told(struct link_kit *k, const char *expected)
{
    if (strcmp(k->log, expected) != 0)
        fail_msg("told:\n%s--- instead of:\n%s", k->log, expected);
    k->log[0] = 0;
}

static void on_log(enum belay_log_level level, const char *tag, const char *line, void *arg)
{
    struct link_kit *k = arg;
    char text[1200];

    snprintf(text, sizeof text, "%d %s: %s", (int)level, tag, line);
    append(k->lines, text);
}

/* ---- the source ---- */

static void answer(struct link_source *s, struct belay_source_query *query)
{
    struct belay_error error = puppet_error(s->fail, BELAY_STAGE_RESOLVE);

    error.final = s->final;
    belay_source_answer(query, s->list, s->n, s->fail ? &error : NULL);
}

static void source_get(struct belay_source_query *query, void *arg)
{
    struct link_source *s = arg;

    s->asked++;
    s->fresh = query->fresh;
    assert_null(s->query); /* one question at a time */
    if (s->later)
        s->query = query;
    else
        answer(s, query);
}

static void source_cancel(struct belay_source_query *query, void *arg)
{
    struct link_source *s = arg;

    assert_ptr_equal(query, s->query);
    s->query = NULL;
    s->cancelled++;
}

static void source_free(void *arg)
{
    struct link_source *s = arg;

    s->freed++;
}

static const struct belay_source_ops source_ops = {
    .size = sizeof source_ops, .get = source_get, .cancel = source_cancel, .free = source_free};

void link_kit_answer(struct link_kit *k)
{
    struct belay_source_query *query = k->source.query;

    assert_non_null(query);
    k->source.query = NULL;
    answer(&k->source, query);
    link_kit_settle(k);
}

void link_kit_set_list(struct link_kit *k, const char *letters)
{
    struct belay_endpoint *const all[] = {k->a, k->b, k->c};

    k->source.n = 0;
    for (; *letters; letters++)
        k->source.list[k->source.n++] = all[*letters - 'a'];
}

/* ---- begin and end ---- */

static struct belay_endpoint *endpoint_of(struct link_kit *k, const char *url)
{
    struct belay_endpoint *endpoint;

    assert_int_equal(belay_endpoint_parse(k->loop, url, &endpoint, NULL), 0);
    return endpoint;
}

static void open_world(struct link_kit *k)
{
    struct belay_loop_options o = belay_loop_options_init();

    fake_world_init(&k->world, &k->alloc.allocator);
    o.world = &k->world.world;
    o.on_log = on_log;
    o.log_arg = k;
    o.log_level = BELAY_LOG_INFO;
    assert_int_equal(belay_loop_new(&o, &k->loop, NULL), 0);
}

void link_kit_begin(struct link_kit *k, const char *letters)
{
    memset(k, 0, sizeof *k);
    failing_alloc_init(&k->alloc);
    open_world(k);
    puppet_init(&k->puppet);
    k->puppet.capacity = 1;
    k->a = endpoint_of(k, "tcp://a.test:1");
    k->b = endpoint_of(k, "tcp://b.test:1");
    k->c = endpoint_of(k, "tcp://c.test:1");
    assert_int_equal(belay_source_custom(k->loop, &source_ops, &k->source, &k->source.source), 0);
    link_kit_set_list(k, letters);
    k->options = belay_link_options_init();
    k->options.server_name = "catalog";
    k->options.connector = k->puppet.connector;
    k->options.retry_delay_ms = 10000;
    k->options.retry_spread = BELAY_NONE;
    k->options.on_event = on_event;
    k->options.event_arg = k;
}

void link_kit_open(struct link_kit *k)
{
    struct belay_error error;

    if (belay_link_open(k->source.source, &k->options, &k->link, &error) < 0)
        fail_msg("%s", error.text);
}

void link_kit_start(struct link_kit *k)
{
    link_kit_open(k);
    link_kit_settle(k);
}

void link_kit_on_closed(void *kit)
{
    struct link_kit *k = kit;

    k->closed++;
    k->link = NULL;
    link_kit_note(k, "closed");
}

void link_kit_close(struct link_kit *k)
{
    unsigned before = k->closed;

    belay_link_close(k->link, link_kit_on_closed, k);
    assert_int_equal(k->closed, before);
    link_kit_settle(k);
    assert_int_equal(k->closed, before + 1);
}

void link_kit_end(struct link_kit *k)
{
    if (k->link) {
        assert_int_equal(link_kit_stats(k).waiting, 0); /* they live on the test's stack */
        belay_link_close(k->link, link_kit_on_closed, k);
        for (int i = 0; k->link && i < PUPPET_CONNS_MAX; i++) {
            link_kit_settle(k);
            for (unsigned n = 0; n < k->puppet.n; n++) /* those that close later */
                if (k->puppet.conns[n].conn &&
                    k->puppet.conns[n].closes + k->puppet.conns[n].cancels > 0)
                    puppet_closed(&k->puppet.conns[n]);
        }
        assert_null(k->link);
    }
    assert_int_equal(puppet_live(&k->puppet), 0);
    belay_source_unref(k->source.source);
    assert_int_equal(k->source.freed, 1);
    belay_endpoint_unref(k->a);
    belay_endpoint_unref(k->b);
    belay_endpoint_unref(k->c);
    fake_world_close(&k->world);
    assert_int_equal(failing_alloc_live(&k->alloc), 0);
}

/* ---- time ---- */

void link_kit_settle(struct link_kit *k)
{
    fake_world_settle(&k->world);
}

void link_kit_pass(struct link_kit *k, int64_t ms)
{
    fake_world_pass(&k->world, ms);
}

/* ---- what there is ---- */

struct belay_link_stats link_kit_stats(struct link_kit *k)
{
    struct belay_link_stats s = belay_link_stats_init();

    belay_link_get_stats(k->link, &s);
    assert_int_equal(s.size, sizeof s);
    return s;
}

struct puppet_conn *link_kit_current(struct link_kit *k)
{
    struct belay_lease lease;

    assert_int_equal(belay_link_current(k->link, &lease), 0);
    assert_true(belay_lease_valid(lease));
    return belay_lease_state(lease);
}

/* ---- those who wait ---- */

static void on_answer(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct link_wait *w = arg;

    w->told++;
    w->waiter = NULL;
    w->lease = lease;
    w->code = error ? error->code : 0;
    assert_int_equal(belay_lease_valid(lease), error == NULL);
    if (error)
        memcpy(w->text, error->text, sizeof w->text);
    link_kit_note(w->kit, "%s: %s", w->name, error ? belay_error_name(error->code) : "up");
    if (w->then)
        w->then(w);
}

int link_wait_for(struct link_wait *w, struct link_kit *k, const char *name, int64_t timeout_ms,
                  bool or_failed)
{
    unsigned before;
    int rc;

    w->kit = k;
    w->name = name;
    before = w->told;
    rc = or_failed ? belay_link_connected_or_failed(k->link, timeout_ms, &w->waiter, on_answer, w)
                   : belay_link_connected(k->link, timeout_ms, &w->waiter, on_answer, w);
    assert_int_equal(w->told, before); /* never inside the call */
    return rc;
}
