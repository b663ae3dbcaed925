/* SPDX-License-Identifier: MIT */
/* What a kernel is told of the messages: read back field by field. */
#include "service/chronicle_descriptors.h"

#include "support/failing_alloc.h"
#include "support/test.h"
#include "wire/protobuf.h"

/* The field of that number, the n-th of them. */
static struct bl_pb_field field(struct bl_span message, uint32_t number, int n)
{
    struct bl_pb_field f;
    int rc;

    while ((rc = bl_pb_next(&message, &f)) == 1) {
        if (f.tag >> 3 == number && n-- == 0)
            return f;
    }
    fail_msg("field %u: %d", number, rc);
    return f;
}

static void check_field(struct bl_span message, int n, const char *name, uint64_t number,
                        uint64_t type, uint64_t label)
{
    struct bl_span f = field(message, 2, n).bytes;

    assert_true(bl_span_equal(field(f, 1, 0).bytes, bl_span_of(name)));
    assert_int_equal(field(f, 3, 0).value, number);
    assert_int_equal(field(f, 4, 0).value, label);
    assert_int_equal(field(f, 5, 0).value, type);
}

static void the_messages_of_the_session_are_described(void **state)
{
    struct bl_buf out = {0};
    struct bl_span file, message;
    struct bl_mem mem;

    (void)state;
    bl_mem_init(&mem, NULL);
    assert_int_equal(bl_chronicle_write_descriptors(&out, &mem), 0);
    file = field(bl_span(bl_buf_head(&out), bl_buf_len(&out)), 1, 0).bytes;
    assert_true(bl_span_equal(field(file, 1, 0).bytes, bl_span_of("clients.proto")));
    assert_true(
        bl_span_equal(field(file, 2, 0).bytes, bl_span_of("Cratis.Chronicle.Contracts.Clients")));
    assert_true(bl_span_equal(field(file, 12, 0).bytes, bl_span_of("proto3")));
    message = field(file, 4, 0).bytes;
    assert_true(bl_span_equal(field(message, 1, 0).bytes, bl_span_of("ConnectRequest")));
    check_field(message, 0, "ConnectionId", 1, 9, 1);
    check_field(message, 3, "ProcessId", 4, 5, 1);
    check_field(message, 6, "ClientType", 7, 9, 1);
    message = field(file, 4, 3).bytes;
    assert_true(bl_span_equal(field(message, 1, 0).bytes, bl_span_of("CompatibilityResponse")));
    check_field(message, 0, "IsCompatible", 1, 8, 1);
    check_field(message, 1, "Incompatibilities", 2, 9, 3);
    bl_buf_free(&out, &mem);
    assert_int_equal(mem.live, 0);
}

static size_t write_failing(size_t n)
{
    struct failing_alloc failing;
    struct bl_buf out = {0};
    struct bl_mem mem;
    int rc;

    failing_alloc_init(&failing);
    failing_alloc_once(&failing, n);
    bl_mem_init(&mem, &failing.allocator);
    rc = bl_chronicle_write_descriptors(&out, &mem);
    assert_int_equal(rc, failing_alloc_failures(&failing) ? BELAY_ENOMEM : 0);
    assert_true(rc == 0 || bl_buf_len(&out) == 0);
    bl_buf_free(&out, &mem);
    assert_int_equal(mem.live, 0);
    return failing_alloc_failures(&failing);
}

static void without_memory_nothing_is_written(void **state)
{
    size_t n = 1;

    (void)state;
    while (write_failing(n) > 0)
        n++;
    assert_true(n > 10);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_messages_of_the_session_are_described),
        cmocka_unit_test(without_memory_nothing_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
