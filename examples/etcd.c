/* SPDX-License-Identifier: MIT */
/*
 * etcd by the stubs that protobuf-c makes of etcd.proto (protoc-c --c_out=. etcd.proto): puts a
 * value, if it is given one, gets what is there, and prints what becomes of it until it is ended.
 *
 *     etcd grpc://127.0.0.1:2379 KEY [VALUE]
 *
 * The watch outlasts restarts of the server: it goes on behind the last change that was seen, so
 * that none is lost or printed twice.
 */
#include <belay-protobuf-c.h>
#include <belay/belay.h>
#include <stdio.h>

#include "etcd.pb-c.h"

struct app {
    struct belay_loop *loop;
    ProtobufCService *kv, *watch;
    struct belay_timer *again;
    ProtobufCBinaryData key;
    int64_t revision; /* the next to be seen */
};

static ProtobufCBinaryData bytes(char *text)
{
    return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)text};
}

static void print(const char *what, const Etcdserverpb__KeyValue *kv)
{
    printf("%s %.*s\n", what, (int)kv->value.len, (const char *)kv->value.data);
    fflush(stdout);
}

static void complain(const struct belay_rpc_result *result)
{
    fprintf(stderr, "%s: %s\n", belay_grpc_status_name(result->status), result->message);
}

static void on_watched(struct belay_service_stream *stream, const ProtobufCMessage *message,
                       void *arg)
{
    const Etcdserverpb__WatchResponse *r = (const Etcdserverpb__WatchResponse *)message;
    struct app *app = arg;

    for (size_t i = 0; i < r->n_events; i++) {
        print(r->events[i]->type == ETCDSERVERPB__EVENT__EVENT_TYPE__PUT ? "now" : "gone",
              r->events[i]->kv);
        app->revision = r->events[i]->kv->mod_revision + 1;
    }
    if (!r->canceled)
        return;
    fprintf(stderr, "the watch was canceled %s\n", r->cancel_reason);
    if (r->compact_revision > app->revision) /* what was before it is no more */
        app->revision = r->compact_revision;
    belay_service_stream_cancel(stream);
    belay_timer_start(app->again, 1000);
}

static void on_watch_ended(struct belay_service_stream *stream,
                           const struct belay_rpc_result *result, void *arg)
{
    struct app *app = arg;

    (void)stream;
    complain(result);
    belay_timer_start(app->again, 1000);
}

static void watch(void *arg)
{
    const struct belay_service_callbacks callbacks = {
        BELAY_SIZED(belay_service_callbacks), .on_message = on_watched, .on_done = on_watch_ended};
    struct belay_rpc_options options = {BELAY_SIZED(belay_rpc_options), .wait_for_ready = true};
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    struct belay_service_stream *stream;
    struct belay_error error;
    struct app *app = arg;

    create.key = app->key;
    create.start_revision = app->revision;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = &create;
    if (belay_service_bidi_stream(app->watch, "Watch", &options, &callbacks, app, &stream, &error) <
        0)
        fprintf(stderr, "%s\n", error.text);
    else
        belay_service_stream_write(stream, &request.base);
}

static void give_up(struct app *app)
{
    complain(belay_service_status(app->kv));
    belay_loop_stop(app->loop);
}

static void on_range(const Etcdserverpb__RangeResponse *response, void *arg)
{
    struct app *app = arg;

    if (!response) {
        give_up(app);
        return;
    }
    for (size_t i = 0; i < response->n_kvs; i++)
        print("is", response->kvs[i]);
    app->revision = response->header->revision + 1;
    watch(app);
}

static void on_put(const Etcdserverpb__PutResponse *response, void *arg)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    struct app *app = arg;

    request.key = app->key;
    if (response)
        etcdserverpb__kv__range(app->kv, &request, on_range, app);
    else
        give_up(app);
}

int main(int argc, char **argv)
{
    struct belay_rpc_options options = {BELAY_SIZED(belay_rpc_options), .deadline_ms = 5000};
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    struct belay_channel *channel;
    struct belay_error error;
    struct app app = {0};

    if (argc < 3)
        return fprintf(stderr, "usage: etcd TARGET KEY [VALUE]\n"), 2;
    app.key = range.key = put.key = bytes(argv[2]);
    if (belay_loop_new(NULL, &app.loop, &error) < 0 ||
        belay_channel_open(app.loop, argv[1], NULL, &channel, &error) < 0 ||
        belay_service_new(channel, &etcdserverpb__kv__descriptor, &options, &app.kv, &error) < 0 ||
        belay_service_new(channel, &etcdserverpb__watch__descriptor, NULL, &app.watch, &error) <
            0 ||
        belay_timer_new(app.loop, watch, &app, &app.again) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    if (argc > 3) {
        put.value = bytes(argv[3]);
        etcdserverpb__kv__put(app.kv, &put, on_put, &app);
    } else {
        etcdserverpb__kv__range(app.kv, &range, on_range, &app);
    }
    belay_loop_run(app.loop); /* until it is stopped */
    protobuf_c_service_destroy(app.watch);
    protobuf_c_service_destroy(app.kv);
    belay_loop_free(app.loop);
    return 1;
}
