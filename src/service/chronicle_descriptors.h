/* SPDX-License-Identifier: MIT */
/*
 * What a Chronicle kernel is told of the messages that belay speaks: a google.protobuf
 * FileDescriptorSet of clients.proto with those of the session, field by field. A kernel that
 * changed one of them finds it out before it is sent. Pure.
 */
#ifndef BL_SERVICE_CHRONICLE_DESCRIPTORS_H
#define BL_SERVICE_CHRONICLE_DESCRIPTORS_H

#include "base/buf.h"

/* Appends it to `out`, which is as it was on BELAY_ENOMEM. */
int bl_chronicle_write_descriptors(struct bl_buf *out, struct bl_mem *mem);

#endif
