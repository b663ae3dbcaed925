/* SPDX-License-Identifier: MIT */
/* What the parts of HTTP/2 servers share among themselves. */
#ifndef TEST_SIM_H2_PARTS_H
#define TEST_SIM_H2_PARTS_H

#include "sim/h2_server.h"

#define H2_GOAWAY_PING "goaway!!" /* follows each GOAWAY */
#define H2_UNFIT_PING  "unfit!!!"

/* h2_server.c */
void h2_stream_free(struct h2_stream *st);
void h2_flush(struct h2_conn *c);

#endif
