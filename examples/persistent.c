/* SPDX-License-Identifier: MIT */
/*
 * A connection to a service that lives at several addresses: when one of them dies, the link finds
 * the next. Says what happens, and how many bytes each connection brought, until Ctrl-C.
 *
 *     persistent 127.0.0.1:7001 127.0.0.1:7002
 */
#include <belay/link.h>
#include <stdio.h>

#define ADDRESSES_MAX 16

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    (void)stream;
    (void)data;
    *(size_t *)arg += len;
    return len; /* how much was consumed: all of it */
}

static const struct belay_stream_callbacks callbacks = {.size = sizeof callbacks,
                                                        .on_data = on_data};

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    const char *address = event->address ? belay_endpoint_name(event->address) : "no address";
    size_t *received = arg;

    switch (event->type) {
    case BELAY_LINK_ATTEMPTING_TO_CONNECT:
        printf("connecting to the %s\n", belay_link_server_name(link));
        break;
    case BELAY_LINK_OBTAINED_ADDRESS:
        printf("trying %s\n", address);
        break;
    case BELAY_LINK_FAILED_TO_CONNECT:
        printf("failed: %s; again in %lld ms\n", event->error->text, (long long)event->next_ms);
        break;
    case BELAY_LINK_CONNECTED:
        printf("connected to %s\n", address);
        *received = 0;
        belay_stream_set_callbacks(belay_lease_stream(event->lease), &callbacks, received);
        break;
    case BELAY_LINK_DISCONNECTED:
        printf("disconnected from %s after %zu bytes: %s\n", address, *received,
               event->error ? event->error->text : "closed here");
        break;
    }
}

static int fail(const struct belay_error *error)
{
    fprintf(stderr, "persistent: %s\n", error->text);
    return 1;
}

int main(int argc, char **argv)
{
    struct belay_link_options options = belay_link_options_init();
    struct belay_endpoint *addresses[ADDRESSES_MAX];
    struct belay_source *source;
    struct belay_link *link;
    struct belay_error error;
    struct belay_loop *loop;
    size_t n = 0, received = 0;

    setvbuf(stdout, NULL, _IOLBF, 0); /* events are seen when they happen */
    if (argc < 2 || argc > ADDRESSES_MAX + 1) {
        fprintf(stderr, "usage: persistent ADDRESS...\n");
        return 2;
    }
    if (belay_loop_new(NULL, &loop, &error) < 0)
        return fail(&error);
    for (; argv[n + 1]; n++)
        if (belay_endpoint_parse(loop, argv[n + 1], &addresses[n], &error) < 0)
            return fail(&error);
    if (belay_source_list(loop, addresses, n, BELAY_SOURCE_IN_ORDER, &source) < 0)
        return 1; /* out of memory */

    options.server_name = "service";
    options.retry_delay_ms = 1000; /* from the start of one attempt to the start of the next */
    options.on_event = on_event;
    options.event_arg = &received;
    if (belay_link_open(source, &options, &link, &error) < 0)
        return fail(&error);
    return belay_loop_run(loop); /* for ever: no death of a peer ends a link */
}
