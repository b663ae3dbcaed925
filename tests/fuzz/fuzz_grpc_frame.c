/* SPDX-License-Identifier: MIT */
/*
 * Messages of gRPC: cut in any way, a stream has the same messages and the same end, which are those
 * that a reader of the whole, written apart, finds.
 *
 * Input: the limit, whether there is an encoding, where to cut (n bytes, after how many each), the
 * stream.
 */
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "wire/grpc_frame.h"

#define CUTS_MAX 16

/* The next message of the whole; as bl_grpc_frames_next, and 0 also within a message. */
static int next_of_whole(struct bl_span *rest, uint32_t limit, bool encoding,
                         struct bl_grpc_frame *ret)
{
    const unsigned char *p = (const unsigned char *)rest->data;
    size_t size;

    if (rest->len < 5)
        return 0;
    size = (size_t)p[1] * 16777216 + (size_t)p[2] * 65536 + (size_t)p[3] * 256 + p[4];
    if (p[0] > 1 || (p[0] == 1 && !encoding))
        return BELAY_EPROTO;
    if (size > limit)
        return BELAY_ELIMIT;
    if (rest->len - 5 < size)
        return 0;
    *ret = (struct bl_grpc_frame){bl_span(rest->data + 5, size), p[0] == 1};
    *rest = bl_span(rest->data + 5 + size, rest->len - 5 - size);
    return 1;
}

struct run {
    struct bl_grpc_frames frames;
    struct bl_mem mem;
    struct bl_span whole; /* what no message was found in */
    int rc;               /* the first error */
};

static void feed(struct run *r, struct bl_span chunk)
{
    char *copy = malloc(chunk.len ? chunk.len : 1);
    struct bl_span input = {copy, chunk.len};
    struct belay_error error = {0};
    struct bl_grpc_frame found, expected;
    int rc;

    BL_ASSERT(copy != NULL);
    if (chunk.len > 0)
        memcpy(copy, chunk.data, chunk.len);
    while ((rc = bl_grpc_frames_next(&r->frames, &r->mem, &input, &found, &error)) == 1) {
        BL_ASSERT(next_of_whole(&r->whole, r->frames.limit, r->frames.encoding, &expected) == 1);
        BL_ASSERT(bl_span_equal(found.message, expected.message));
        BL_ASSERT(found.compressed == expected.compressed);
    }
    BL_ASSERT(rc < 0 || input.len == 0);
    if (rc < 0) {
        BL_ASSERT(error.code == rc);
        fuzz_check_sentence(error.text, sizeof error.text);
    }
    r->rc = rc;
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct run r = {.frames = {.limit = fuzz_byte(&in)}};
    unsigned cuts[CUTS_MAX], n;
    struct bl_grpc_frame frame;
    struct bl_span rest;
    int rc;

    r.frames.encoding = fuzz_below(&in, 2);
    n = fuzz_below(&in, CUTS_MAX + 1);
    for (unsigned i = 0; i < n; i++)
        cuts[i] = fuzz_byte(&in);
    rest = r.whole = fuzz_rest(&in);
    bl_mem_init(&r.mem, NULL);
    for (unsigned i = 0; i < n && r.rc >= 0; i++) {
        size_t len = cuts[i] < rest.len ? cuts[i] : rest.len;

        feed(&r, bl_span(rest.data, len));
        rest = bl_span(len > 0 ? rest.data + len : rest.data, rest.len - len);
    }
    if (r.rc >= 0)
        feed(&r, rest);
    rc = next_of_whole(&r.whole, r.frames.limit, r.frames.encoding, &frame);
    BL_ASSERT(rc == r.rc);
    if (rc == 0)
        BL_ASSERT(bl_grpc_frames_end(&r.frames, NULL) == (r.whole.len ? BELAY_EPROTO : 0));
    bl_grpc_frames_free(&r.frames, &r.mem);
    BL_ASSERT(r.mem.live == 0);
    return 0;
}
