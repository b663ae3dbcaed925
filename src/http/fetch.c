/* SPDX-License-Identifier: MIT */
/* belay_http_fetch_wait: a whole response in memory, for programs that wait. What it returns is
 * from malloc: it has no loop. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "http/request.h"

#define REDIRECTS_MAX 10

struct fetch {
    struct bl_wait wait;
    struct belay_http *http;
    struct belay_http_request_options options;
    struct belay_http_request *request;
    size_t max_body;
    int status;
    char *headers, *body;
    size_t body_len, body_room;
    bool too_large, no_memory;
    char name[160]; /* of what is fetched, without secrets */
    struct belay_error error;
};

static enum belay_http_action on_headers(const struct belay_http_response *response, void *arg)
{
    struct fetch *f = arg;
    size_t size = 1;
    char *at;

    f->status = response->status;
    for (size_t i = 0; i < response->headers_n; i++)
        size += response->headers[i].name_len + response->headers[i].value_len + 3;
    f->headers = at = malloc(size);
    if (!f->headers) {
        f->no_memory = true;
        return BELAY_HTTP_ABORT;
    }
    *at = '\0';
    for (size_t i = 0; i < response->headers_n; i++) {
        const struct belay_header *h = &response->headers[i];

        at += snprintf(at, size - (size_t)(at - f->headers), "%.*s: %.*s\n", (int)h->name_len,
                       h->name, (int)h->value_len, h->value);
    }
    return BELAY_HTTP_GO_ON;
}

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    struct fetch *f = arg;

    (void)request;
    if (len > f->max_body - f->body_len) {
        f->too_large = true;
        return BELAY_HTTP_ABORT;
    }
    if (f->body_room - f->body_len <= len) {
        size_t room = f->body_room ? f->body_room : 4096;
        char *more;

        while (room - f->body_len <= len)
            room *= 2;
        more = realloc(f->body, room);
        if (!more) {
            f->no_memory = true;
            return BELAY_HTTP_ABORT;
        }
        f->body = more;
        f->body_room = room;
    }
    memcpy(f->body + f->body_len, data, len);
    f->body_len += len;
    f->body[f->body_len] = '\0';
    return BELAY_HTTP_GO_ON;
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct fetch *f = arg;

    f->request = NULL;
    if (error)
        bl_error_keep(&f->error, error);
    if (f->too_large || f->no_memory)
        bl_error_set(&f->error, f->too_large ? BELAY_ELIMIT : BELAY_ENOMEM, BELAY_STAGE_USE,
                     f->too_large ? "%s: the body has more than %zu bytes"
                                  : "%s: out of memory (%zu)",
                     f->name, f->too_large ? f->max_body : f->body_len);
    (void)request;
    bl_wait_done(&f->wait, f->error.code);
}

static const struct belay_http_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_done = on_done,
};

static int start(struct bl_wait *wait)
{
    struct fetch *f = BL_CONTAINER(wait, struct fetch, wait);

    int rc = belay_http_request(f->http, &f->options, f, &f->request, &f->error);

    if (rc == 0)
        snprintf(f->name, sizeof f->name, "%s", f->request->message.target->name);
    return rc;
}

static void cancel(struct bl_wait *wait)
{
    struct fetch *f = BL_CONTAINER(wait, struct fetch, wait);

    belay_http_request_cancel(f->request);
}

static void hand_over(struct fetch *f, struct belay_http_result *result)
{
    struct belay_http_result r = {
        .size = sizeof r,
        .status = f->status,
        .headers = f->headers,
        .body = f->body,
        .body_len = f->body_len,
    };

    size_t size = result->size && result->size < sizeof r ? result->size : sizeof r;

    memcpy(result, &r, size);
    result->size = size;
}

int belay_http_fetch_wait(struct belay_http *http, const struct belay_http_request_options *options,
                          size_t max_body, int64_t timeout_ms, struct belay_http_result *result,
                          struct belay_error *error)
{
    struct fetch f = {
        .wait = {.loop = http->loop, .start = start, .cancel = cancel},
        .http = http,
        .max_body = max_body,
    };
    int rc;

    memcpy(&f.options, options,
           options->size < sizeof f.options ? options->size : sizeof f.options);
    f.options.callbacks = &callbacks;
    if (f.options.max_redirects == 0 && !f.options.lease)
        f.options.max_redirects = REDIRECTS_MAX;
    rc = bl_wait(&f.wait, timeout_ms);
    if (rc == 0 && !f.body) {
        f.body = calloc(1, 1);
        if (!f.body)
            rc = BELAY_ENOMEM;
    }
    if (rc == 0) {
        hand_over(&f, result);
        return 0;
    }
    free(f.headers);
    free(f.body);
    if (f.error.code == rc && error)
        *error = f.error;
    else
        bl_error_set(error, rc, BELAY_STAGE_USE, "fetching %s: %s", f.name[0] ? f.name : "a URL",
                     belay_strerror(rc));
    return rc;
}

void belay_http_result_free(struct belay_http_result *result)
{
    if (!result)
        return;
    free(result->headers);
    free(result->body);
    result->headers = NULL;
    result->body = NULL;
    result->body_len = 0;
}
