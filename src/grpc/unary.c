/* SPDX-License-Identifier: MIT */
/* Calls of one message each way. */
#include "base/error.h"
#include "grpc/rpc.h"

static void fail(struct belay_rpc *rpc, int status, int code, const char *what)
{
    struct belay_error error;

    bl_error_set(&error, code, BELAY_STAGE_USE, "%s on %s: %s", rpc->method, rpc->home->name, what);
    bl_rpc_fail(rpc, status, &error);
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    (void)arg;
    if (rpc->responded)
        fail(rpc, BELAY_GRPC_UNIMPLEMENTED, BELAY_EPROTO,
             "the server answered with more than one message");
    else if (bl_buf_append(&rpc->response, &rpc->loop->brief, data, len) < 0)
        fail(rpc, BELAY_GRPC_RESOURCE_EXHAUSTED, BELAY_ENOMEM, "out of memory");
    rpc->responded = true;
}

/* With OK there was a message: rpc_receive.c. */
static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    const char *data = bl_buf_head(&rpc->response);

    if (result->status == BELAY_GRPC_OK)
        rpc->unary(data ? data : "", bl_buf_len(&rpc->response), result, arg);
    else
        rpc->unary(NULL, 0, result, arg);
}

static const struct belay_rpc_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_message = on_message,
    .on_done = on_done,
};

int bl_unary_start(struct bl_rpc_home *home, const char *method, const void *request, size_t len,
                   const struct belay_rpc_options *options, struct belay_rpc **ret_rpc,
                   belay_unary_fn *fn, void *arg, struct belay_error *error)
{
    struct belay_rpc *rpc;
    int rc;

    if (!fn || (len > 0 && !request))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "a call without a callback, or without its request");
    rc = bl_rpc_start(home, method, options, &callbacks, arg, &rpc, error);
    if (rc < 0)
        return rc;
    rpc->unary = fn;
    rc = bl_rpc_write_only(rpc, request, len);
    if (rc < 0) {
        belay_rpc_cancel(rpc);
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "the request of %s: %s", method,
                            belay_strerror(rc));
    }
    if (ret_rpc)
        *ret_rpc = rpc;
    return 0;
}
