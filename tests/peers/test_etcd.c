/* SPDX-License-Identifier: MIT */
/*
 * protobuf-c's stubs over a real etcd: tests/peers/etcd starts it and runs this. What is watched is
 * compared with what etcd says of itself at the end.
 */
#include <belay-protobuf-c.h>
#include <stdio.h>

#include "etcd.pb-c.h"
#include "peers/adapter_kit.h"

#define SEEN_MAX 512

/* A watch that is opened again behind what it has seen, whatever ends it. */
struct watcher {
    const char *prefix;
    struct belay_service_stream *stream;
    struct belay_timer *again;
    int64_t next;           /* the revision to be seen */
    int64_t seen[SEEN_MAX]; /* revisions, as they came */
    char values[SEEN_MAX][16];
    unsigned n;
    unsigned opened, ended, canceled;
    bool created;      /* the server has said so, of this stream */
    int64_t compacted; /* the compact_revision of the last that was canceled */
};

static struct adapter_kit kit;
static struct belay_channel *channel;
static ProtobufCService *kv, *watch;
static struct watcher watcher;

static ProtobufCBinaryData bytes(const char *text)
{
    return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)(uintptr_t)text};
}

/* ---- the rig ---- */

static void open_watch(void *arg);

static int set_up(void **state)
{
    struct belay_channel_options options = belay_channel_options_init();
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_rpc_options calls = belay_rpc_options_init();
    struct belay_error error;

    (void)state;
    adapter_kit_begin(&kit);
    backoff.delay_ms = 20;
    backoff.delay_max_ms = 100;
    options.backoff = &backoff;
    calls.deadline_ms = 20000;
    if (belay_channel_open(kit.loop, server_text("grpc://127.0.0.1:{port}"), &options, &channel,
                           &error) < 0 ||
        belay_service_new(channel, &etcdserverpb__kv__descriptor, &calls, &kv, &error) < 0 ||
        belay_service_new(channel, &etcdserverpb__watch__descriptor, NULL, &watch, &error) < 0)
        fail_msg("%s", error.text);
    memset(&watcher, 0, sizeof watcher);
    assert_int_equal(belay_timer_new(kit.loop, open_watch, &watcher, &watcher.again), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    protobuf_c_service_destroy(watch);
    protobuf_c_service_destroy(kv);
    belay_timer_free(watcher.again);
    adapter_kit_end(&kit);
    return 0;
}

/* ---- putting and getting ---- */

struct answer {
    bool done;
    int status;
    char message[256];
    int64_t revision;
    unsigned n;
    char value[64]; /* of the first */
};

static void note(struct answer *a, const Etcdserverpb__ResponseHeader *header)
{
    const struct belay_rpc_result *result = belay_service_status(kv);

    assert_non_null(result);
    a->done = true;
    a->status = result->status;
    snprintf(a->message, sizeof a->message, "%s", result->message);
    a->revision = header ? header->revision : 0;
}

static void on_put(const Etcdserverpb__PutResponse *response, void *arg)
{
    note(arg, response ? response->header : NULL);
}

static void on_compact(const Etcdserverpb__CompactionResponse *response, void *arg)
{
    note(arg, response ? response->header : NULL);
}

static void on_range(const Etcdserverpb__RangeResponse *response, void *arg)
{
    struct answer *a = arg;

    note(a, response ? response->header : NULL);
    if (!response)
        return;
    a->n = (unsigned)response->n_kvs;
    if (a->n > 0)
        snprintf(a->value, sizeof a->value, "%.*s", (int)response->kvs[0]->value.len,
                 (const char *)response->kvs[0]->value.data);
}

static void begin_put(const char *key, const char *value, struct answer *a)
{
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;

    memset(a, 0, sizeof *a);
    request.key = bytes(key);
    request.value = bytes(value);
    etcdserverpb__kv__put(kv, &request, on_put, a);
}

static int64_t put(const char *key, const char *value)
{
    struct answer a;

    begin_put(key, value, &a);
    ADAPTER_KIT_UNTIL(&kit, a.done);
    if (a.status != BELAY_GRPC_OK)
        fail_msg("%s: %s", belay_grpc_status_name(a.status), a.message);
    return a.revision;
}

static struct answer get(const char *key, int64_t revision)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    struct answer a = {0};

    request.key = bytes(key);
    request.revision = revision;
    etcdserverpb__kv__range(kv, &request, on_range, &a);
    ADAPTER_KIT_UNTIL(&kit, a.done);
    return a;
}

static void compact(int64_t revision)
{
    Etcdserverpb__CompactionRequest request = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    struct answer a = {0};

    request.revision = revision;
    request.physical = true;
    etcdserverpb__kv__compact(kv, &request, on_compact, &a);
    ADAPTER_KIT_UNTIL(&kit, a.done);
    assert_int_equal(a.status, BELAY_GRPC_OK);
}

static void what_is_put_is_got(void **state)
{
    int64_t revision;
    struct answer a;

    (void)state;
    revision = put("a/key", "one");
    assert_int_equal(put("a/key", "two"), revision + 1);
    a = get("a/key", 0);
    assert_int_equal(a.status, BELAY_GRPC_OK);
    assert_int_equal(a.n, 1);
    assert_string_equal(a.value, "two");
    assert_string_equal(get("a/key", revision).value, "one");
    assert_int_equal(get("a/none", 0).n, 0);
}

static void blocking_calls_do_the_same(void **state)
{
    struct belay_service_result result = {.size = sizeof result};
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RangeResponse *response;

    (void)state;
    put("b/key", "value");
    request.key = bytes("b/key");
    assert_int_equal(belay_service_wait(kv, "Range", &request.base, NULL, &result, NULL), 0);
    assert_int_equal(result.status, BELAY_GRPC_OK);
    response = (Etcdserverpb__RangeResponse *)result.response;
    assert_int_equal(response->n_kvs, 1);
    assert_memory_equal(response->kvs[0]->value.data, "value", 5);
    protobuf_c_message_free_unpacked(result.response, NULL);
}

/* The words of etcd's own statuses come through. */
static void what_etcd_refuses_has_its_status_and_words(void **state)
{
    int64_t first = put("c/key", "one");
    struct answer a;

    (void)state;
    compact(put("c/key", "two"));
    a = get("c/key", first);
    assert_int_equal(a.status, BELAY_GRPC_OUT_OF_RANGE);
    assert_non_null(strstr(a.message, "compacted"));
    begin_put("", "no key", &a);
    ADAPTER_KIT_UNTIL(&kit, a.done);
    assert_int_equal(a.status, BELAY_GRPC_INVALID_ARGUMENT);
    assert_non_null(strstr(a.message, "key is not provided"));
}

/* ---- watching ---- */

static void note_event(struct watcher *w, const Etcdserverpb__Event *event)
{
    assert_true(w->n < SEEN_MAX);
    w->seen[w->n] = event->kv->mod_revision;
    snprintf(w->values[w->n], sizeof w->values[0], "%.*s", (int)event->kv->value.len,
             (const char *)event->kv->value.data);
    w->n++;
    w->next = event->kv->mod_revision + 1;
}

static void on_watched(struct belay_service_stream *stream, const ProtobufCMessage *message,
                       void *arg)
{
    const Etcdserverpb__WatchResponse *r = (const Etcdserverpb__WatchResponse *)message;
    struct watcher *w = arg;

    w->created |= r->created;
    for (size_t i = 0; i < r->n_events; i++)
        note_event(w, r->events[i]);
    if (!r->canceled)
        return;
    w->canceled++;
    w->created = false;
    w->compacted = r->compact_revision;
    if (r->compact_revision > w->next)
        w->next = r->compact_revision;
    belay_service_stream_cancel(stream);
    w->stream = NULL;
    belay_timer_start(w->again, 10);
}

static void on_ended(struct belay_service_stream *stream, const struct belay_rpc_result *result,
                     void *arg)
{
    struct watcher *w = arg;

    (void)stream;
    assert_int_not_equal(result->status, BELAY_GRPC_INTERNAL);
    w->ended++;
    w->created = false;
    w->stream = NULL;
    belay_timer_start(w->again, 10);
}

static void open_watch(void *arg)
{
    static const struct belay_service_callbacks callbacks = {
        .size = sizeof callbacks, .on_message = on_watched, .on_done = on_ended};
    struct belay_rpc_options options = belay_rpc_options_init();
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    struct belay_error error;
    struct watcher *w = arg;
    char end[32];

    options.wait_for_ready = true;
    snprintf(end, sizeof end, "%s", w->prefix);
    end[strlen(end) - 1]++; /* all that begins with the prefix */
    create.key = bytes(w->prefix);
    create.range_end = bytes(end);
    create.start_revision = w->next;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = &create;
    if (belay_service_bidi_stream(watch, "Watch", &options, &callbacks, w, &w->stream, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(belay_service_stream_write(w->stream, &request.base), 0);
    w->opened++;
}

static void watch_prefix(const char *prefix, int64_t from)
{
    watcher.prefix = prefix;
    watcher.next = from;
    open_watch(&watcher);
}

/* What etcd has under a prefix is what was seen of it: each once, in order. (Every key was put
 * once.) */
static void expect_all_seen(const char *prefix)
{
    struct belay_service_result result = {.size = sizeof result};
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RangeResponse *r;
    char end[32];

    snprintf(end, sizeof end, "%s", prefix);
    end[strlen(end) - 1]++;
    request.key = bytes(prefix);
    request.range_end = bytes(end);
    assert_int_equal(belay_service_wait(kv, "Range", &request.base, NULL, &result, NULL), 0);
    assert_int_equal(result.status, BELAY_GRPC_OK);
    r = (Etcdserverpb__RangeResponse *)result.response;
    ADAPTER_KIT_UNTIL(&kit, watcher.n >= r->n_kvs);
    assert_int_equal(watcher.n, r->n_kvs);
    for (unsigned i = 0; i < watcher.n; i++) {
        unsigned found = 0;

        assert_true(i == 0 || watcher.seen[i] > watcher.seen[i - 1]);
        for (size_t j = 0; j < r->n_kvs; j++)
            found += r->kvs[j]->mod_revision == watcher.seen[i] &&
                     r->kvs[j]->value.len == strlen(watcher.values[i]) &&
                     memcmp(r->kvs[j]->value.data, watcher.values[i], r->kvs[j]->value.len) == 0;
        assert_int_equal(found, 1);
    }
    protobuf_c_message_free_unpacked(result.response, NULL);
}

#define PUTS 8

/* Puts PUTS keys at a time; the statuses are whatever they are. */
static void put_some(const char *prefix, unsigned *next, struct answer *answers)
{
    for (unsigned i = 0; i < PUTS; i++, (*next)++) {
        char key[32], value[16];

        snprintf(key, sizeof key, "%s%04u", prefix, *next);
        snprintf(value, sizeof value, "%u", *next);
        begin_put(key, value, &answers[i]);
    }
}

static unsigned wait_for_puts(const struct answer *answers)
{
    unsigned good = 0;

    for (unsigned i = 0; i < PUTS; i++) {
        ADAPTER_KIT_UNTIL(&kit, answers[i].done);
        good += answers[i].status == BELAY_GRPC_OK;
        if (answers[i].status != BELAY_GRPC_OK && answers[i].status != BELAY_GRPC_UNAVAILABLE)
            fail_msg("%s: %s", belay_grpc_status_name(answers[i].status), answers[i].message);
    }
    return good;
}

static void a_watch_sees_each_change_once_through_restarts(void **state)
{
    static const char *const ends[] = {"stop", "kill"};
    struct answer answers[PUTS];
    unsigned next = 0, good = 0;

    (void)state;
    watch_prefix("w/", get("w/", 0).revision + 1);
    ADAPTER_KIT_UNTIL(&kit, watcher.created);
    for (unsigned i = 0; i < 2; i++) {
        unsigned ended = watcher.ended;

        put_some("w/", &next, answers);
        good += wait_for_puts(answers);
        put_some("w/", &next, answers); /* these are under way when it ends */
        adapter_kit_turn(&kit);
        server_control(ends[i]);
        good += wait_for_puts(answers);
        ADAPTER_KIT_UNTIL(&kit, watcher.ended > ended);
        put_some("w/", &next, answers); /* these find nobody */
        assert_int_equal(wait_for_puts(answers), 0);
        server_control("start");
        ADAPTER_KIT_UNTIL(&kit, watcher.created);
    }
    put_some("w/", &next, answers);
    assert_int_equal(wait_for_puts(answers), PUTS);
    assert_true(good >= 2 * PUTS);
    assert_true(watcher.opened >= 3);
    expect_all_seen("w/");
}

/* ... also what happens while the watch is away. */
static void a_watch_catches_up_with_what_it_missed(void **state)
{
    struct answer answers[PUTS];
    unsigned next = 0;

    (void)state;
    watch_prefix("x/", get("x/", 0).revision + 1);
    put_some("x/", &next, answers);
    assert_int_equal(wait_for_puts(answers), PUTS);
    ADAPTER_KIT_UNTIL(&kit, watcher.n == PUTS);
    belay_service_stream_cancel(watcher.stream);
    put_some("x/", &next, answers);
    assert_int_equal(wait_for_puts(answers), PUTS);
    assert_int_equal(watcher.n, PUTS);
    open_watch(&watcher);
    expect_all_seen("x/");
    assert_int_equal(watcher.n, 2 * PUTS);
}

static void a_watch_of_what_was_compacted_goes_on_from_what_is_there(void **state)
{
    int64_t first, last;

    (void)state;
    first = put("y/key", "one");
    put("y/key", "two");
    last = put("y/key", "three");
    compact(last);
    watch_prefix("y/", first);
    ADAPTER_KIT_UNTIL(&kit, watcher.n == 1);
    assert_int_equal(watcher.canceled, 1);
    assert_int_equal(watcher.opened, 2);
    assert_int_equal(watcher.compacted, last);
    assert_int_equal(watcher.seen[0], last);
    assert_string_equal(watcher.values[0], "three");
    last = put("y/key", "four");
    ADAPTER_KIT_UNTIL(&kit, watcher.n == 2);
    assert_int_equal(watcher.seen[1], last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_put_is_got, set_up, tear_down),
        cmocka_unit_test_setup_teardown(blocking_calls_do_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_etcd_refuses_has_its_status_and_words, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_watch_sees_each_change_once_through_restarts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_watch_catches_up_with_what_it_missed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_watch_of_what_was_compacted_goes_on_from_what_is_there,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
