/* SPDX-License-Identifier: MIT */
/*
 * Fetches a URL and prints it: the shortest program that does.
 *
 *     fetch https://example.com/
 */
#include <belay/http.h>
#include <stdio.h>

static int report(const struct belay_error *error)
{
    fprintf(stderr, "fetch: %s\n", error->text);
    return 1;
}

int main(int argc, char **argv)
{
    struct belay_http_request_options request = belay_http_request_options_init();
    struct belay_http_result result = {0};
    struct belay_error error;
    struct belay_loop *loop;
    struct belay_http *http;
    int rc;

    if (argc != 2) {
        fprintf(stderr, "usage: fetch URL\n");
        return 2;
    }
    if (belay_loop_new(NULL, &loop, &error) < 0)
        return report(&error);
    if (belay_http_open(loop, NULL, &http, &error) < 0)
        return report(&error);

    request.url = argv[1];
    rc = belay_http_fetch_wait(http, &request, 10000000, 30000, &result, &error);
    if (rc == 0) {
        fprintf(stderr, "status %d, %zu bytes\n", result.status, result.body_len);
        fwrite(result.body, 1, result.body_len, stdout);
        belay_http_result_free(&result);
    } else {
        report(&error);
    }
    belay_loop_free(loop); /* closes the client as well */
    return rc == 0 ? 0 : 1;
}
