/* SPDX-License-Identifier: MIT */
/*
 * What stands in gRPC's fields: whatever is written can be read back, and whatever a peer sends is
 * read within its bounds.
 *
 * Input: 8 bytes of time, a line that is a key, and a value.
 */
#include "fuzz/fuzz.h"
#include "wire/base64.h"
#include "wire/credentials.h"
#include "wire/field.h"
#include "wire/grpc_metadata.h"
#include "wire/grpc_status.h"
#include "wire/grpc_timeout.h"

static void check_time(uint64_t bits)
{
    int64_t left = (int64_t)bits, back;
    char out[BL_GRPC_TIMEOUT_MAX];
    size_t len = bl_grpc_timeout_print(left, out);

    BL_ASSERT(len == strlen(out) && len < sizeof out);
    BL_ASSERT(bl_grpc_timeout_parse(bl_span(out, len), &back));
    if (left < 1)
        left = 1;
    BL_ASSERT(back > 0 && back <= left && left - back <= left / 100000 + 1);
}

static void check_status(struct bl_span value)
{
    enum belay_grpc_status status = bl_grpc_status_parse(value);
    int64_t ns;

    BL_ASSERT((unsigned)status <= BELAY_GRPC_UNAUTHENTICATED);
    if (bl_grpc_timeout_parse(value, &ns))
        BL_ASSERT(ns > 0 && value.len <= 9);
}

static void check_message(struct bl_span message, struct bl_mem *mem)
{
    struct bl_buf out = {0};
    size_t len;
    char *back;

    BL_ASSERT(bl_grpc_message_write(message, &out, mem) == 0);
    for (size_t i = 0; i < bl_buf_len(&out); i++)
        BL_ASSERT(bl_buf_head(&out)[i] >= 0x20 && bl_buf_head(&out)[i] < 0x7f);
    back = bl_unescape(mem, bl_span(bl_buf_head(&out), bl_buf_len(&out)), &len);
    BL_ASSERT(back && bl_span_equal(bl_span(back, len), message));
    bl_free(mem, back);
    back = bl_unescape(mem, message, &len);
    BL_ASSERT(back && len <= message.len && strlen(back) <= len);
    bl_free(mem, back);
    bl_buf_free(&out, mem);
}

/* Padded and unpadded. */
static void check_base64(struct bl_span bytes, struct bl_mem *mem)
{
    struct bl_buf out = {0}, back = {0};
    char *room = bl_buf_reserve(&out, mem, BL_BASE64_LEN(bytes.len) + 1);

    BL_ASSERT(room != NULL);
    for (unsigned padded = 0; padded < 2; padded++) {
        size_t len = bl_base64_write(bytes.data, bytes.len, padded, room);

        BL_ASSERT(len == (padded ? BL_BASE64_LEN(bytes.len) : BL_BASE64_UNPADDED(bytes.len)));
        bl_buf_clear(&back);
        BL_ASSERT(bl_grpc_metadata_read(bl_span(room, len), &back, mem) == 0);
        BL_ASSERT(bl_span_equal(bl_span(bl_buf_head(&back), bl_buf_len(&back)), bytes));
    }
    bl_buf_free(&out, mem);
    bl_buf_free(&back, mem);
}

/* A value that may be sent and travels in one field comes back as it was. */
static void check_metadata(struct bl_span key, struct bl_span value, struct bl_mem *mem)
{
    struct bl_span rest, item;
    struct belay_error error;
    struct bl_buf out = {0};

    if (bl_grpc_metadata_check(key, value, &error) < 0) {
        BL_ASSERT(error.code == BELAY_EINVAL);
        fuzz_check_sentence(error.text, sizeof error.text);
        return;
    }
    BL_ASSERT(bl_grpc_metadata_is_custom(key));
    BL_ASSERT(bl_grpc_metadata_write(key, value, &out, mem) == 0);
    for (size_t i = 0; i < bl_buf_len(&out); i++)
        BL_ASSERT(bl_buf_head(&out)[i] >= 0x20 && bl_buf_head(&out)[i] < 0x7f);
    rest = bl_span(bl_buf_len(&out) ? bl_buf_head(&out) : "", bl_buf_len(&out));
    if (bl_grpc_metadata_is_binary(key)) {
        struct bl_buf back = {0};

        BL_ASSERT(bl_field_next_part(&rest, &item));
        BL_ASSERT(bl_grpc_metadata_read(item, &back, mem) == 0);
        BL_ASSERT(bl_span_equal(bl_span(bl_buf_head(&back), bl_buf_len(&back)), value));
        BL_ASSERT(!bl_field_next_part(&rest, &item));
        bl_buf_free(&back, mem);
    } else {
        BL_ASSERT(bl_span_equal(rest, value));
    }
    bl_buf_free(&out, mem);
}

/* What a peer sends under a binary key. */
static void check_received(struct bl_span rest, struct bl_mem *mem)
{
    size_t items = 0, len = rest.len;
    struct bl_buf out = {0};
    struct bl_span item;

    while (bl_field_next_part(&rest, &item)) {
        size_t before = bl_buf_len(&out);
        int rc = bl_grpc_metadata_read(item, &out, mem);

        BL_ASSERT(rc == 0 || rc == BELAY_EPROTO);
        BL_ASSERT(rc == 0 || bl_buf_len(&out) == before);
        BL_ASSERT(++items <= len + 1);
    }
    BL_ASSERT(bl_buf_len(&out) <= len);
    bl_buf_free(&out, mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct bl_span key, value;
    uint64_t bits = 0;
    struct bl_mem mem;

    bl_mem_init(&mem, NULL);
    for (unsigned i = 0; i < 8; i++)
        bits = bits << 8 | fuzz_byte(&in);
    check_time(bits);
    check_time(bits >> (bits & 63));
    key = fuzz_line(&in);
    value = fuzz_rest(&in);
    check_status(key);
    check_status(value);
    check_message(value, &mem);
    check_base64(value, &mem);
    check_metadata(key, value, &mem);
    check_received(value, &mem);
    BL_ASSERT(mem.live == 0);
    return 0;
}
