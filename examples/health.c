/* SPDX-License-Identifier: MIT */
/*
 * A call of gRPC without protobuf: asks a server for its health, as raw bytes.
 *
 *     health grpc://127.0.0.1:2379
 */
#include <belay/belay.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct belay_rpc_options options = {BELAY_SIZED(belay_rpc_options), .deadline_ms = 5000};
    struct belay_unary_result result = {BELAY_SIZED(belay_unary_result)};
    const char *target = argc > 1 ? argv[1] : "grpc://127.0.0.1:2379";
    struct belay_channel *channel;
    struct belay_error error;
    struct belay_loop *loop;
    bool serving;

    /* A HealthCheckRequest without its one field is no bytes at all. */
    if (belay_loop_new(NULL, &loop, &error) < 0 ||
        belay_channel_open(loop, target, NULL, &channel, &error) < 0 ||
        belay_channel_unary_wait(channel, "/grpc.health.v1.Health/Check", NULL, 0, &options,
                                 &result, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    /* A HealthCheckResponse: field 1, a number, which is 1 for SERVING. */
    serving = result.response_len == 2 && memcmp(result.response, "\x08\x01", 2) == 0;
    printf("%s %s: %s\n", target, belay_grpc_status_name(result.status),
           serving ? "serving" : result.message);
    free(result.response);
    belay_loop_free(loop); /* closes the channel as well */
    return !serving;
}
