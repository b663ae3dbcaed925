/* SPDX-License-Identifier: MIT */
/*
 * --compressed: unpacks gzip and deflate while it comes, into a sink. What the sink cannot take yet
 * is kept as it came, packed, so that a small answer that unpacks to a huge one needs no memory.
 */
#ifndef CLI_DECODE_H
#define CLI_DECODE_H

#include "belay/http.h"
#include "output.h"
#include "text.h"

struct decoder;

/*
 * For an answer; NULL when nothing has to be unpacked. One that was packed in a way that nobody
 * asked for has its decoder_error from the beginning.
 */
struct decoder *decoder_new(const struct belay_http_response *response);
void decoder_free(struct decoder *decoder);

/*
 * As sink_write and sink_flush. FAILED: of the sink, or, where decoder_error says so, of the data.
 */
enum sink_verdict decoder_write(struct decoder *d, struct sink *sink, const void *data, size_t len);
enum sink_verdict decoder_flush(struct decoder *d, struct sink *sink);

/* All has come; waits for the sink. False: it failed, or the data ends before its end. */
bool decoder_finish(struct decoder *d, struct sink *sink);

/* What is wrong with the data, or NULL. */
const char *decoder_error(const struct decoder *d);

/* Bytes unpacked. */
uint64_t decoder_bytes(const struct decoder *d);

#endif
