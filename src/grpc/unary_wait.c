/* SPDX-License-Identifier: MIT */
/* belay_channel_unary_wait: what it returns is from malloc, as it may outlive the loop. */
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "grpc/channel.h"
#include "grpc/rpc_wait.h"

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

void bl_unary_result_set(struct belay_unary_result *r, int status, const char *message)
{
    size_t len = bl_text_cut(message, strlen(message), sizeof r->message - 1);

    *r = (struct belay_unary_result){.size = sizeof *r, .status = status};
    memcpy(r->message, message, len);
}

void bl_unary_result_give(struct belay_unary_result *out, struct belay_unary_result *r)
{
    size_t size = out->size && out->size < sizeof *r ? out->size : sizeof *r;

    r->size = size;
    memcpy(out, r, size);
    if (size < offsetof(struct belay_unary_result, response) + sizeof r->response)
        free(r->response); /* nobody else would */
}

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

    bl_unary_result_set(&b->result, result->status, result->message);
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
        bl_unary_result_give(ret_result, &b.result);
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
