/* SPDX-License-Identifier: MIT */
/*
 * A link that a script drives: each event is a line, each line of standard input a command.
 *
 *     link_client [NAME=MS]... ADDRESS...      retry attempt connect idle_s every_s probes user
 *
 *     event <TAB> address <TAB> code <TAB> stage <TAB> errno <TAB> failures <TAB> next_ms <TAB> text
 *
 * Commands: "write" writes a line to the service, "close" (or the end of input) ends the link, and
 * then the program. Lines of the service are repeated as "said <TAB> LINE".
 */
#include <belay/link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESSES_MAX 8

static struct belay_link *link_;
static struct belay_watch *input;

static const char *const event_names[] = {
    [BELAY_LINK_ATTEMPTING_TO_CONNECT] = "attempting_to_connect",
    [BELAY_LINK_OBTAINED_ADDRESS] = "obtained_address",
    [BELAY_LINK_FAILED_TO_CONNECT] = "failed_to_connect",
    [BELAY_LINK_CONNECTED] = "connected",
    [BELAY_LINK_DISCONNECTED] = "disconnected",
};

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    static char line[256];
    static size_t at;

    (void)stream;
    (void)arg;
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n')
            printf("said\t%.*s\n", (int)at, line);
        if (data[i] == '\n' || at == sizeof line)
            at = 0;
        else
            line[at++] = data[i];
    }
    return len;
}

static const struct belay_stream_callbacks callbacks = {.size = sizeof callbacks,
                                                        .on_data = on_data};

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    const struct belay_error *e = event->error;

    (void)link;
    (void)arg;
    printf("%s\t%s\t%s\t%s\t%d\t%d\t%lld\t%s\n", event_names[event->type],
           event->address ? belay_endpoint_name(event->address) : "",
           e ? belay_error_name(e->code) : "", e ? belay_stage_name(e->stage) : "",
           e ? e->os_error : 0, (int)event->failures, (long long)event->next_ms, e ? e->text : "");
    if (event->type == BELAY_LINK_CONNECTED)
        belay_stream_set_callbacks(belay_lease_stream(event->lease), &callbacks, NULL);
}

static void on_closed(void *arg)
{
    (void)arg;
    printf("closed\n");
}

static void close_link(void)
{
    belay_watch_free(input);
    input = NULL;
    belay_link_close(link_, on_closed, NULL);
}

static void on_input(unsigned events, void *arg)
{
    static char line[64];
    struct belay_lease lease;
    ssize_t n = read(STDIN_FILENO, line, sizeof line - 1);

    (void)events;
    (void)arg;
    line[n > 0 ? n : 0] = 0;
    if (n > 0 && strcmp(line, "write\n") == 0) {
        if (belay_link_current(link_, &lease) == 0)
            belay_stream_write(belay_lease_stream(lease), "hello\n", 6);
        return;
    }
    close_link();
}

/* "idle_s=1"; false: it is no option. */
static bool take_option(char *text, struct belay_link_options *o, struct belay_dial_options *d)
{
    const struct {
        const char *name;
        int64_t *wide;
        int32_t *narrow;
    } known[] = {
        {"retry", &o->retry_delay_ms, NULL},       {"attempt", &o->attempt_timeout_ms, NULL},
        {"connect", &d->connect_timeout_ms, NULL}, {"user", &d->user_timeout_ms, NULL},
        {"idle_s", NULL, &d->keepalive_idle_s},    {"every_s", NULL, &d->keepalive_every_s},
        {"probes", NULL, &d->keepalive_probes},
    };
    char *value = strchr(text, '=');

    for (size_t i = 0; value && i < sizeof known / sizeof known[0]; i++) {
        if (strncmp(known[i].name, text, strlen(known[i].name)) != 0 ||
            text[strlen(known[i].name)] != '=')
            continue;
        if (known[i].wide)
            *known[i].wide = atoll(value + 1);
        else
            *known[i].narrow = atoi(value + 1);
        return true;
    }
    return false;
}

static int fail(const char *text)
{
    fprintf(stderr, "link_client: %s\n", text);
    return 1;
}

int main(int argc, char **argv)
{
    struct belay_link_options o = belay_link_options_init();
    struct belay_dial_options d = belay_dial_options_init();
    struct belay_endpoint *addresses[ADDRESSES_MAX];
    struct belay_source *source;
    struct belay_error error;
    struct belay_loop *loop;
    size_t n = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (belay_loop_new(NULL, &loop, &error) < 0)
        return fail(error.text);
    for (int i = 1; i < argc; i++) {
        if (take_option(argv[i], &o, &d))
            continue;
        if (n == ADDRESSES_MAX || belay_endpoint_parse(loop, argv[i], &addresses[n], &error) < 0)
            return fail(n == ADDRESSES_MAX ? "too many addresses" : error.text);
        n++;
    }
    if (n == 0 || belay_source_list(loop, addresses, n, BELAY_SOURCE_IN_ORDER, &source) < 0)
        return fail("no source");
    while (n > 0)
        belay_endpoint_unref(addresses[--n]);
    o.dial = &d;
    o.retry_spread = BELAY_NONE;
    o.on_event = on_event;
    if (belay_link_open(source, &o, &link_, &error) < 0)
        return fail(error.text);
    belay_source_unref(source);
    if (belay_watch_new(loop, STDIN_FILENO, BELAY_READABLE, on_input, NULL, &input) < 0)
        return fail("standard input cannot be watched");
    belay_loop_run(loop);
    belay_loop_free(loop);
    return 0;
}
