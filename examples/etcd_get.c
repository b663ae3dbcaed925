/* SPDX-License-Identifier: MIT */
/*
 * Puts a value into etcd and gets it back, blocking, by the messages that protobuf-c makes of
 * etcd.proto (protoc-c --c_out=. etcd.proto).
 *
 *     etcd_get grpc://127.0.0.1:2379 KEY [VALUE]
 */
#include <belay-protobuf-c.h>
#include <belay/belay.h>
#include <stdio.h>

#include "etcd.pb-c.h"

/* What came back, or NULL, and on standard error why. */
static ProtobufCMessage *call(ProtobufCService *kv, const char *method, ProtobufCMessage *request)
{
    struct belay_service_result result = {BELAY_SIZED(belay_service_result)};
    struct belay_error error;

    if (belay_service_wait(kv, method, request, NULL, &result, &error) < 0)
        fprintf(stderr, "%s\n", error.text);
    else if (!result.response)
        fprintf(stderr, "%s: %s\n", belay_grpc_status_name(result.status), result.message);
    return result.response;
}

int main(int argc, char **argv)
{
    struct belay_rpc_options options = {BELAY_SIZED(belay_rpc_options), .deadline_ms = 5000};
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__RangeResponse *response = NULL;
    struct belay_channel *channel;
    struct belay_error error;
    ProtobufCMessage *done;
    struct belay_loop *loop;
    ProtobufCService *kv;

    if (argc < 3)
        return fprintf(stderr, "usage: etcd_get TARGET KEY [VALUE]\n"), 2;
    if (belay_loop_new(NULL, &loop, &error) < 0 ||
        belay_channel_open(loop, argv[1], NULL, &channel, &error) < 0 ||
        belay_service_new(channel, &etcdserverpb__kv__descriptor, &options, &kv, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    range.key.data = put.key.data = (uint8_t *)argv[2];
    range.key.len = put.key.len = strlen(argv[2]);
    if (argc > 3) {
        put.value.data = (uint8_t *)argv[3];
        put.value.len = strlen(argv[3]);
        done = call(kv, "Put", &put.base);
        protobuf_c_message_free_unpacked(done, NULL);
    }
    response = (Etcdserverpb__RangeResponse *)call(kv, "Range", &range.base);
    for (size_t i = 0; response && i < response->n_kvs; i++)
        printf("%.*s = %.*s\n", (int)response->kvs[i]->key.len, response->kvs[i]->key.data,
               (int)response->kvs[i]->value.len, response->kvs[i]->value.data);
    etcdserverpb__range_response__free_unpacked(response, NULL);
    protobuf_c_service_destroy(kv);
    belay_loop_free(loop); /* closes the channel as well */
    return response ? 0 : 1;
}
