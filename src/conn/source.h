/* SPDX-License-Identifier: MIT */
/*
 * What the kinds of sources share. A kind is a table, as the caller's own are, and a struct that
 * begins with struct belay_source:
 *
 *     source.c       queries, the caller's own     source_list.c  a fixed list
 *     source_dns.c   names, SRV records            source_file.c  a file that is read again
 */
#ifndef BL_CONN_SOURCE_H
#define BL_CONN_SOURCE_H

#include "base/error.h"
#include "belay/source.h"
#include "loop/loop.h"

struct belay_source {
    struct belay_loop *loop;
    uint32_t refs;
    const struct belay_source_ops *ops;
    void *arg; /* the caller's, or the source itself */
};

struct belay_source_query {
    struct bl_object object;
    struct belay_source *source;
    belay_source_fn *fn;
    void *arg;
    bool fresh;
    void *pending;       /* the kind's own, while it waits */
    struct bl_task task; /* tells the answer */
    struct belay_endpoint **endpoints;
    size_t n;
    struct belay_error error; /* code 0: none */
};

/* `size` bytes, zeroed, with one reference and itself as `arg`; NULL: no memory. */
struct belay_source *bl_source_new(struct belay_loop *loop, const struct belay_source_ops *ops,
                                   size_t size);

/*
 * An answer in steps: room for n endpoints, of which q->n are there; then told. Without memory the
 * query has been answered so, and it returns false. A failure drops what is there.
 */
bool bl_source_room(struct belay_source_query *q, size_t n);
void bl_source_told(struct belay_source_query *q);
void bl_source_failed(struct belay_source_query *q, const struct belay_error *error);

/* Gives up a list and its references; NULL is fine. */
void bl_source_drop(struct belay_loop *loop, struct belay_endpoint **endpoints, size_t n);

#endif
