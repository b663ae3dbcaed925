/* SPDX-License-Identifier: MIT */
/* belay/header.h - one field of a message: HTTP's headers and trailers, gRPC's metadata. */
#ifndef BELAY_HEADER_H
#define BELAY_HEADER_H

#include "belay/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Names are compared without case. Values carry no control character but HTAB. Not terminated: use
 * the lengths. In what is given to belay, a length of 0 with a non-NULL pointer means strlen.
 */
struct belay_header {
    const char *name, *value;
    size_t name_len, value_len;
};

#ifdef __cplusplus
}
#endif

#endif
