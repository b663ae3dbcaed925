/* SPDX-License-Identifier: MIT */
/*
 * Messages as protobuf-c reads them from a server's bytes: what is called shallow is, what is not
 * would have been too deep, and an allocation that fails is no bad message and leaves nothing.
 *
 * Input: the allocation that fails (0: none), the bytes of a test.Answer.
 */
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "parts.h"
#include "stubs.pb-c.h"

#define INPUT_MAX 4096 /* what is deep is read, too, to be looked at */
#define DEPTH_MAX 100

struct count {
    size_t live, calls, fails_at;
};

static void *allocate(size_t bytes, void *arg)
{
    struct count *c = arg;
    void *memory;

    if (++c->calls == c->fails_at)
        return NULL;
    memory = malloc(bytes);
    BL_ASSERT(memory != NULL);
    c->live++;
    return memory;
}

static void release(void *memory, void *arg)
{
    struct count *c = arg;

    c->live--;
    free(memory);
}

static unsigned depth_of(const Test__Answer *a)
{
    unsigned deepest = a->inner ? depth_of(a->inner) : 0;

    for (size_t i = 0; i < a->n_more; i++) {
        unsigned d = depth_of(a->more[i]);

        deepest = d > deepest ? d : deepest;
    }
    return deepest + 1;
}

static void read_it(struct bl_span bytes, size_t fails_at)
{
    const ProtobufCMethodDescriptor *method = &test__service__descriptor.methods[0];
    struct count c = {.fails_at = fails_at};
    const struct belay_allocator from = {BELAY_SIZED(belay_allocator), .allocate = allocate,
                                         .release = release, .arg = &c};
    struct belay_error error = {0};
    struct bl_pbc_memory memory;
    ProtobufCMessage *message;
    int status = 0;

    bl_pbc_memory_init(&memory, &from);
    message = bl_pbc_unpack(&memory, method, bytes.data, bytes.len, &status, &error);
    if (message) {
        BL_ASSERT(!memory.failed && depth_of((Test__Answer *)message) <= DEPTH_MAX);
        protobuf_c_message_free_unpacked(message, &memory.allocator);
    } else {
        BL_ASSERT(status == (memory.failed ? BELAY_GRPC_RESOURCE_EXHAUSTED : BELAY_GRPC_INTERNAL));
        fuzz_check_sentence(error.text, sizeof error.text);
    }
    BL_ASSERT(c.live == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    size_t fails_at = fuzz_byte(&in);
    struct bl_span bytes = fuzz_rest(&in);
    Test__Answer *whole;

    if (bytes.len > INPUT_MAX)
        return 0;
    if (!bytes.data)
        bytes.data = "";
    read_it(bytes, fails_at);
    whole = test__answer__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    if (whole)
        BL_ASSERT(bl_pbc_is_shallow(&test__answer__descriptor, (const uint8_t *)bytes.data,
                                    bytes.len) == (depth_of(whole) <= DEPTH_MAX));
    test__answer__free_unpacked(whole, NULL);
    return 0;
}
