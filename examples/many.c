/* SPDX-License-Identifier: MIT */
/*
 * A thousand requests through a few connections: 16 are in flight, and each one that ends starts
 * the next.
 *
 *     many http://127.0.0.1:8080/
 */
#include <belay/http.h>
#include <inttypes.h>
#include <stdio.h>

#define REQUESTS  1000
#define IN_FLIGHT 16

struct many {
    struct belay_http *http;
    struct belay_http_target *target;
    int started, done, failed;
    int64_t bytes;
};

static void start(struct many *many);

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    struct many *many = arg;

    (void)request;
    (void)data;
    many->bytes += (int64_t)len;
    return BELAY_HTTP_GO_ON;
}

static void print_summary(const struct many *many)
{
    struct belay_pool_stats stats = belay_pool_stats_init();

    belay_pool_get_stats(belay_http_pool(many->http), &stats);
    printf("%d requests, %d failed, %" PRId64 " bytes, %" PRIu64 " connections\n", many->done,
           many->failed, many->bytes, stats.opened);
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct many *many = arg;

    (void)request;
    many->done++;
    if (error) {
        many->failed++;
        fprintf(stderr, "many: %s\n", error->text);
    }
    if (many->started < REQUESTS)
        start(many);
    if (many->done < many->started)
        return;
    print_summary(many);
    belay_http_target_unref(many->target);
    belay_http_close(many->http, NULL, NULL); /* then nothing is left, and belay_loop_run returns */
}

static void start(struct many *many)
{
    static const struct belay_http_callbacks callbacks = {
        .size = sizeof callbacks,
        .on_data = on_data,
        .on_done = on_done,
    };
    struct belay_http_request_options request = belay_http_request_options_init();
    struct belay_error error;

    request.target = many->target;
    request.callbacks = &callbacks;
    many->started++;
    if (belay_http_request(many->http, &request, many, NULL, &error) == 0)
        return;
    fprintf(stderr, "many: %s\n", error.text);
    many->done++;
    many->failed++;
}

int main(int argc, char **argv)
{
    struct many many = {0};
    struct belay_error error;
    struct belay_loop *loop;

    if (argc != 2) {
        fprintf(stderr, "usage: many URL\n");
        return 2;
    }
    if (belay_loop_new(NULL, &loop, &error) < 0 ||
        belay_http_open(loop, NULL, &many.http, &error) < 0 ||
        belay_http_target_new(many.http, argv[1], &many.target, &error) < 0) {
        fprintf(stderr, "many: %s\n", error.text);
        return 1;
    }
    for (int i = 0; i < IN_FLIGHT; i++)
        start(&many);
    belay_loop_run(loop);
    belay_loop_free(loop);
    return many.failed ? 1 : 0;
}
