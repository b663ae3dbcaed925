/* SPDX-License-Identifier: MIT */
/*
 * A connection to a Chronicle kernel: says what becomes of it, and makes one call over its channel.
 *
 *     chronicle "chronicle://client:secret@kernel.internal:35000"
 */
#include <belay/belay.h>
#include <stdio.h>
#include <stdlib.h>

#define SCHEMA "/Cratis.Chronicle.Contracts.Clients.ConnectionService/GetDescriptorSet"

static void on_phase(struct belay_chronicle *chronicle, enum belay_chronicle_phase phase,
                     const char *connection_id, void *arg)
{
    struct belay_error why;

    (void)arg;
    printf("%s as %s\n", belay_chronicle_phase_name(phase), connection_id);
    if (belay_chronicle_last_error(chronicle, &why, NULL))
        printf("  %s\n", why.text);
    if (phase == BELAY_CHRONICLE_CONNECTED) /* what this program observes would be told first */
        belay_chronicle_registered(chronicle, connection_id);
}

int main(int argc, char **argv)
{
    struct belay_chronicle_options options = belay_chronicle_options_init();
    struct belay_unary_result schema = {BELAY_SIZED(belay_unary_result)};
    struct belay_chronicle_subscription *phases;
    struct belay_chronicle *chronicle;
    struct belay_error error;
    struct belay_loop *loop;
    int rc;

    options.connection_string = argc > 1 ? argv[1] : "chronicle://localhost:35000";
    if (belay_loop_new(NULL, &loop, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    rc = belay_chronicle_start(loop, &options, &chronicle, &error);
    if (rc == 0 && belay_chronicle_subscribe(chronicle, on_phase, NULL, &phases) == 0)
        rc = belay_chronicle_connect_wait(chronicle, 10000, &error);
    if (rc == 0)
        rc = belay_channel_unary_wait(belay_chronicle_channel(chronicle), SCHEMA, NULL, 0, NULL,
                                      &schema, &error);
    if (rc == 0)
        printf("the kernel's schema: %s, %zu bytes\n", belay_grpc_status_name(schema.status),
               schema.response_len);
    else
        fprintf(stderr, "%s\n", error.text);
    free(schema.response);
    belay_loop_free(loop); /* disconnects as well */
    return rc < 0 || schema.status != BELAY_GRPC_OK;
}
