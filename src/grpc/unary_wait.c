/* SPDX-License-Identifier: MIT */
/* belay_channel_unary_wait: what it returns is from malloc, as it may outlive the loop. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "grpc/channel.h"

struct blocked {
    struct bl_wait wait;
    struct belay_channel *channel;
    const char *method;
    const void *request;
    size_t len;
    const struct belay_rpc_options *options;
    struct belay_rpc *rpc;
    struct belay_unary_result result;
    struct belay_error error;
};

static int keep_response(struct belay_unary_result *r, const void *response, size_t len)
{
    r->response = malloc(len + 1);
    if (!r->response)
        return BELAY_ENOMEM;
    if (len > 0)
        memcpy(r->response, response, len);
    ((char *)r->response)[len] = '\0';
    r->response_len = len;
    return 0;
}

static void on_result(const void *response, size_t len, const struct belay_rpc_result *result,
                      void *arg)
{
    struct blocked *b = arg;
    int rc = 0;

    b->result.status = result->status;
    snprintf(
        b->result.message, sizeof b->result.message, "%.*s",
        (int)bl_text_cut(result->message, strlen(result->message), sizeof b->result.message - 1),
        result->message);
    if (response)
        rc = keep_response(&b->result, response, len);
    bl_wait_done(&b->wait, rc);
}

static int start(struct bl_wait *wait)
{
    struct blocked *b = BL_CONTAINER(wait, struct blocked, wait);

    return belay_channel_unary(b->channel, b->method, b->request, b->len, b->options, &b->rpc,
                               on_result, b, &b->error);
}

static void cancel(struct bl_wait *wait)
{
    belay_rpc_cancel(BL_CONTAINER(wait, struct blocked, wait)->rpc);
}

/* The caller's struct may be an older one, or a newer. */
static void hand_over(struct belay_unary_result *out, struct belay_unary_result *r)
{
    size_t size = out->size && out->size < sizeof *r ? out->size : sizeof *r;

    r->size = size;
    memcpy(out, r, size);
}

int belay_channel_unary_wait(struct belay_channel *channel, const char *method, const void *request,
                             size_t len, const struct belay_rpc_options *options,
                             struct belay_unary_result *ret_result, struct belay_error *error)
{
    struct blocked b = {.wait = {.loop = channel->loop, .start = start, .cancel = cancel},
                        .channel = channel,
                        .method = method,
                        .request = request,
                        .len = len,
                        .options = options};
    int rc = bl_wait(&b.wait, BELAY_FOREVER);

    if (rc == 0) {
        hand_over(ret_result, &b.result);
        return 0;
    }
    free(b.result.response);
    if (b.error.code == rc && error)
        *error = b.error;
    else
        bl_error_set(error, rc, BELAY_STAGE_USE, "calling %.80s: %s", method ? method : "",
                     belay_strerror(rc));
    return rc;
}
