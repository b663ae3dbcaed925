/* SPDX-License-Identifier: MIT */
/*
 * Fields of Protocol Buffers: each field of a message lies in it, behind the one before; written
 * again, what numbers and bytes there were is read as the same.
 */
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "wire/protobuf.h"

static bool is_rewritten(const struct bl_pb_field *f)
{
    unsigned type = f->tag & 7;

    return type == BL_PB_VARINT ? f->value != 0 : type == BL_PB_LENGTH && f->bytes.len > 0;
}

static void put(struct bl_pb_writer *w, const struct bl_pb_field *f)
{
    if ((f->tag & 7) == BL_PB_VARINT)
        bl_pb_put_number(w, f->tag >> 3, f->value);
    else
        bl_pb_put_bytes(w, f->tag >> 3, f->bytes);
}

static void check(const struct bl_pb_field *f, struct bl_span before, struct bl_span after)
{
    unsigned type = f->tag & 7;

    BL_ASSERT(f->tag >> 3 >= 1 && f->tag >> 3 <= BL_PB_NUMBER_MAX);
    BL_ASSERT(after.len < before.len && after.data + after.len == before.data + before.len);
    if (type == BL_PB_VARINT) {
        BL_ASSERT(!f->bytes.data);
        return;
    }
    BL_ASSERT(f->bytes.data > before.data && f->bytes.data + f->bytes.len == after.data);
    BL_ASSERT(type != BL_PB_FIXED32 || f->bytes.len == 4);
    BL_ASSERT(type != BL_PB_FIXED64 || f->bytes.len == 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    struct bl_span in = {copy, size}, again, written;
    struct bl_pb_field f, g;
    struct bl_buf out = {0};
    struct bl_pb_writer w;
    struct bl_mem mem;
    int rc;

    BL_ASSERT(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    bl_mem_init(&mem, NULL);
    w = bl_pb_write(&out, &mem);
    for (struct bl_span before = in; (rc = bl_pb_next(&in, &f)) == 1; before = in) {
        check(&f, before, in);
        if (is_rewritten(&f))
            put(&w, &f);
    }
    BL_ASSERT(rc == 0 ? in.len == 0 : rc == BELAY_EPROTO);
    BL_ASSERT(bl_pb_finish(&w) == 0);
    again = bl_span(copy, size);
    written = bl_span(bl_buf_head(&out), bl_buf_len(&out));
    while (bl_pb_next(&again, &f) == 1) {
        if (!is_rewritten(&f))
            continue;
        BL_ASSERT(bl_pb_next(&written, &g) == 1 && g.tag == f.tag && g.value == f.value);
        BL_ASSERT(bl_span_equal(f.bytes, g.bytes));
    }
    BL_ASSERT(bl_pb_next(&written, &g) == 0);
    bl_buf_free(&out, &mem);
    BL_ASSERT(mem.live == 0);
    free(copy);
    return 0;
}
