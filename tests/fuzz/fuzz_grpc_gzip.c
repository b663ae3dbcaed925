/* SPDX-License-Identifier: MIT */
/*
 * Compressed messages of gRPC: anything comes back as it was, and of what a peer sends no more than
 * the limit comes out.
 *
 * Input: the limit in units of 64 bytes, and a message, first as it is and then as if it were gzip.
 */
#include "fuzz/fuzz.h"
#include "wire/grpc_gzip.h"

static struct bl_span content(const struct bl_buf *b)
{
    return bl_span(bl_buf_head(b), bl_buf_len(b));
}

static void check_round(struct bl_span message, struct bl_mem *mem)
{
    struct bl_buf packed = {0}, plain = {0};
    uint32_t len = (uint32_t)message.len;

    BL_ASSERT(bl_grpc_gzip(message, &packed, mem) == 0);
    BL_ASSERT(bl_grpc_gunzip(content(&packed), len, &plain, mem, NULL) == 0);
    BL_ASSERT(bl_span_equal(content(&plain), message));
    if (len > 0)
        BL_ASSERT(bl_grpc_gunzip(content(&packed), len - 1, &plain, mem, NULL) == BELAY_ELIMIT);
    BL_ASSERT(bl_buf_len(&plain) == len);
    bl_buf_free(&packed, mem);
    bl_buf_free(&plain, mem);
}

static void check_received(struct bl_span message, uint32_t limit, struct bl_mem *mem)
{
    struct belay_error error = {0};
    struct bl_buf plain = {0};
    int rc = bl_grpc_gunzip(message, limit, &plain, mem, &error);

    BL_ASSERT(rc == 0 || rc == BELAY_EPROTO || rc == BELAY_ELIMIT);
    BL_ASSERT(rc == error.code);
    BL_ASSERT(bl_buf_len(&plain) <= (rc == 0 ? limit : 0));
    if (rc < 0)
        fuzz_check_sentence(error.text, sizeof error.text);
    bl_buf_free(&plain, mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    uint32_t limit = fuzz_byte(&in) * 64u;
    struct bl_mem mem;

    bl_mem_init(&mem, NULL);
    check_round(fuzz_rest(&in), &mem);
    check_received(fuzz_rest(&in), limit, &mem);
    BL_ASSERT(mem.live == 0);
    return 0;
}
