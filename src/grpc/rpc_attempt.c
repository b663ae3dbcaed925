/* SPDX-License-Identifier: MIT */
/* One attempt: the request that a call is over HTTP/2. */
#include <stdio.h>

#include "base/error.h"
#include "grpc/rpc.h"
#include "wire/grpc_timeout.h"

#define FIXED_MAX 8
#define ROOM      32 /* on the stack */

struct head {
    struct belay_header *at;
    size_t n;
    char timeout[BL_GRPC_TIMEOUT_MAX];
    char previous[12];
};

static void add(struct head *h, const char *name, const char *value)
{
    h->at[h->n++] = (struct belay_header){name, value, strlen(name), strlen(value)};
}

static void add_all(struct head *h, const struct bl_rpc_fields *f)
{
    if (f->n > 0)
        memcpy(h->at + h->n, bl_rpc_fields_headers(f), f->n * sizeof *h->at);
    h->n += f->n;
}

static void fill(struct head *h, const struct belay_rpc *rpc)
{
    uint64_t now = bl_now(rpc->loop);

    if (rpc->authority)
        add(h, "host", rpc->authority);
    if (rpc->deadline != BELAY_NEVER) {
        bl_grpc_timeout_print(rpc->deadline > now ? (int64_t)(rpc->deadline - now) : 0, h->timeout);
        add(h, "grpc-timeout", h->timeout);
    }
    add(h, "content-type", "application/grpc");
    add(h, "te", "trailers"); /* a proxy that cannot is found out */
    add(h, "grpc-accept-encoding", "gzip");
    if (rpc->gzip)
        add(h, "grpc-encoding", "gzip");
    if (rpc->previous > 0) {
        snprintf(h->previous, sizeof h->previous, "%d", (int)rpc->previous);
        add(h, "grpc-previous-rpc-attempts", h->previous);
    }
    add_all(h, &rpc->metadata);
    add_all(h, &rpc->credentials);
}

static int request(struct belay_rpc *rpc, struct belay_http *http, const struct belay_lease *lease,
                   struct belay_error *error)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    size_t most = FIXED_MAX + rpc->metadata.n + rpc->credentials.n;
    struct belay_header room[ROOM];
    struct head h = {.at = room};
    int rc;

    if (most > ROOM)
        h.at = bl_alloc(&rpc->loop->mem, most * sizeof *h.at);
    if (!h.at)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "making a call: out of memory");
    fill(&h, rpc);
    o.method = "POST";
    o.url = rpc->url;
    o.headers = h.at;
    o.headers_n = h.n;
    o.read_body = bl_rpc_read;
    o.body_arg = rpc;
    o.callbacks = &bl_rpc_http_callbacks;
    o.lease = lease;
    rc = belay_http_request(http, &o, rpc, &rpc->request, error);
    if (h.at != room)
        bl_free(&rpc->loop->mem, h.at);
    return rc;
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
