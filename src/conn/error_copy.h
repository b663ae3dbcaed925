/* SPDX-License-Identifier: MIT */
/*
 * An error kept by a connection until it can be told. The whole of it when there is memory, else
 * its code: running out of memory needs no memory to report.
 */
#ifndef BL_CONN_ERROR_COPY_H
#define BL_CONN_ERROR_COPY_H

#include "base/error.h"
#include "base/mem.h"
#include "belay/endpoint.h"

struct bl_error_copy {
    struct belay_error *whole; /* one block with `tried`; NULL when there was no memory for it */
    int32_t code;
    uint8_t stage;
    bool final;
};

/*
 * Replaces what was there; NULL makes it "the peer closed the connection". Connectors need not say
 * the kind: without one it is the code's.
 */
void bl_error_copy_set(struct bl_error_copy *copy, struct bl_mem *mem,
                       const struct belay_error *error);
/* There is none any more: its code is 0. */
void bl_error_copy_clear(struct bl_error_copy *copy, struct bl_mem *mem);

/* What was kept, or, made up in *scratch from the code, a sentence about the endpoint
 * (NULL: about none). */
const struct belay_error *bl_error_copy_get(const struct bl_error_copy *copy,
                                            struct belay_error *scratch,
                                            const struct belay_endpoint *endpoint);
/* The same for callers of belay's: without `tried`, into *ret (may be NULL). False: there is none. */
bool bl_error_copy_tell(const struct bl_error_copy *copy, const struct belay_endpoint *endpoint,
                        struct belay_error *ret);

#endif
