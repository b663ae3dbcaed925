/* SPDX-License-Identifier: MIT */
/* One attempt: the request that a call is over HTTP/2. */
#include <stdio.h>

#include "base/error.h"
#include "grpc/rpc.h"

#define FIXED_MAX 8

static void add(struct belay_rpc *rpc, const struct belay_header *headers, size_t n)
{
    if (n == 0)
        return;
    memcpy(rpc->head.data + rpc->head.end, headers, n * sizeof *headers);
    bl_buf_commit(&rpc->head, n * sizeof *headers);
}

static void add_text(struct belay_rpc *rpc, const char *name, const char *value)
{
    add(rpc, &(struct belay_header){name, value, strlen(name), strlen(value)}, 1);
}

static void fill(struct belay_rpc *rpc)
{
    uint64_t now = bl_now(rpc->loop);

    if (rpc->authority)
        add_text(rpc, "host", rpc->authority);
    if (rpc->deadline != BELAY_NEVER) {
        bl_grpc_timeout_print(rpc->deadline > now ? (int64_t)(rpc->deadline - now) : 0,
                              rpc->timeout_text);
        add_text(rpc, "grpc-timeout", rpc->timeout_text);
    }
    add_text(rpc, "content-type", "application/grpc");
    add_text(rpc, "te", "trailers"); /* a proxy that cannot is found out */
    add_text(rpc, "grpc-accept-encoding", "gzip");
    if (rpc->gzip)
        add_text(rpc, "grpc-encoding", "gzip");
    if (rpc->previous > 0) {
        snprintf(rpc->previous_text, sizeof rpc->previous_text, "%d", (int)rpc->previous);
        add_text(rpc, "grpc-previous-rpc-attempts", rpc->previous_text);
    }
    add(rpc, bl_rpc_fields_headers(&rpc->metadata), rpc->metadata.n);
    add(rpc, bl_rpc_fields_headers(&rpc->credentials), rpc->credentials.n);
}

static int request(struct belay_rpc *rpc, struct belay_http *http, const struct belay_lease *lease,
                   struct belay_error *error)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    size_t most = FIXED_MAX + rpc->metadata.n + rpc->credentials.n;

    bl_buf_clear(&rpc->head);
    if (!bl_buf_reserve(&rpc->head, &rpc->loop->brief, most * sizeof(struct belay_header)))
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "making a call: out of memory");
    fill(rpc);
    o.method = "POST";
    o.url = rpc->url;
    o.headers = (const void *)rpc->head.data;
    o.headers_n = bl_buf_len(&rpc->head) / sizeof *o.headers;
    o.read_body = bl_rpc_read;
    o.body_arg = rpc;
    o.callbacks = &bl_rpc_http_callbacks;
    o.lease = lease;
    return belay_http_request(http, &o, rpc, &rpc->request, error);
}

int bl_rpc_go(struct belay_rpc *rpc, struct belay_http *http, const struct belay_lease *lease,
              void *place)
{
    struct belay_error error;
    int rc;

    BL_ASSERT(rpc->state == BL_RPC_WAITING);
    rc = request(rpc, http, lease, &error);
    if (rc == BELAY_EAGAIN || rc == BELAY_ESTALE)
        return rc;
    if (rc == BELAY_ECLOSED)
        return BELAY_ESTALE;
    bl_list_remove(&rpc->link);
    rpc->place = place;
    if (rc < 0) {
        rpc->home->ops->freed(rpc);
        bl_rpc_fail(rpc, rc == BELAY_ENOMEM ? BELAY_GRPC_RESOURCE_EXHAUSTED : BELAY_GRPC_INTERNAL,
                    &error);
        return 0;
    }
    rpc->lease = *lease;
    rpc->attempts++;
    bl_rpc_step(rpc, BL_RPC_RUNNING, "");
    return 0;
}
