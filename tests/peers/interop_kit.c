/* SPDX-License-Identifier: MIT */
#include "interop_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/rpc.h"

#define LIMIT_MS 20000

const char *ik_target;
struct belay_loop *ik_loop;
struct belay_channel *ik_channel;

static int open_channel(void **state, bool gzip)
{
    struct belay_channel_options o = belay_channel_options_init();
    struct belay_error error;

    (void)state;
    o.plain = strncmp(ik_target, "ipv4:", 5) == 0;
    o.gzip = gzip;
    assert_int_equal(belay_loop_new(NULL, &ik_loop, NULL), 0);
    if (belay_channel_open(ik_loop, ik_target, &o, &ik_channel, &error) < 0)
        fail_msg("%s", error.text);
    return 0;
}

int ik_open(void **state)
{
    return open_channel(state, false);
}

int ik_open_gzip(void **state)
{
    return open_channel(state, true);
}

int ik_close(void **state)
{
    (void)state;
    belay_loop_free(ik_loop);
    return 0;
}

/* ---- messages, as protobuf writes them ---- */

static void put(struct ik_text *t, const void *data, size_t len)
{
    t->data = realloc(t->data, t->len + len + 1);
    assert_non_null(t->data);
    if (len > 0)
        memcpy(t->data + t->len, data, len);
    t->len += len;
}

static void put_number(struct ik_text *t, uint64_t n)
{
    unsigned char c;

    do {
        c = (unsigned char)((n & 127) | (n > 127 ? 128 : 0));
        put(t, &c, 1);
        n >>= 7;
    } while (n > 0);
}

void ik_put_varint(struct ik_text *t, unsigned field, uint64_t n)
{
    put_number(t, field << 3);
    put_number(t, n);
}

void ik_put_bytes(struct ik_text *t, unsigned field, const void *data, size_t len)
{
    put_number(t, field << 3 | 2);
    put_number(t, len);
    put(t, data, len);
}

void ik_free(struct ik_text *t)
{
    free(t->data);
    *t = (struct ik_text){0};
}

void ik_put_bool(struct ik_text *t, unsigned field, bool value)
{
    struct ik_text wrapped = {0};

    ik_put_varint(&wrapped, 1, value);
    ik_put_bytes(t, field, wrapped.data, wrapped.len);
    ik_free(&wrapped);
}

void ik_put_payload(struct ik_text *t, unsigned field, size_t size)
{
    void *zeros = calloc(1, size + 1);
    struct ik_text payload = {0};

    ik_put_bytes(&payload, 2, zeros, size);
    ik_put_bytes(t, field, payload.data, payload.len);
    ik_free(&payload);
    free(zeros);
}

void ik_put_size(struct ik_text *t, size_t size)
{
    struct ik_text parameters = {0};

    ik_put_varint(&parameters, 1, size);
    ik_put_bytes(t, 2, parameters.data, parameters.len);
    ik_free(&parameters);
}

static uint64_t get_number(const unsigned char **at, const unsigned char *end)
{
    uint64_t n = 0;

    for (unsigned shift = 0; *at < end; shift += 7) {
        unsigned char c = *(*at)++;

        n |= (uint64_t)(c & 127) << shift;
        if (c < 128)
            return n;
    }
    return n;
}

/* The bytes of a field, or its number; false: it is not there. */
static bool get(const void *data, size_t len, unsigned field, struct ik_text *ret, uint64_t *number)
{
    const unsigned char *at = data, *end = at + len;

    while (at < end) {
        uint64_t key = get_number(&at, end), n = get_number(&at, end);

        if (key >> 3 == field) {
            *number = n;
            *ret = (struct ik_text){(unsigned char *)(uintptr_t)at, (key & 7) == 2 ? (size_t)n : 0};
            return true;
        }
        if ((key & 7) == 2)
            at += n;
    }
    *number = 0;
    *ret = (struct ik_text){0};
    return false;
}

/* How long the body of field 1, a Payload, is. */
static size_t payload_size(const void *data, size_t len)
{
    struct ik_text payload, body;
    uint64_t n;

    get(data, len, 1, &payload, &n);
    get(payload.data, payload.len, 2, &body, &n);
    return body.len;
}

/* ---- calls ---- */

static bool has(const struct belay_header *h, size_t n, const char *name, const char *value)
{
    for (size_t i = 0; i < n; i++) {
        if (h[i].name_len == strlen(name) && memcmp(h[i].name, name, h[i].name_len) == 0 &&
            h[i].value_len == strlen(value) && memcmp(h[i].value, value, h[i].value_len) == 0)
            return true;
    }
    return false;
}

static void on_headers(struct belay_rpc *rpc, const struct belay_header *headers, size_t n,
                       void *arg)
{
    struct ik_call *c = arg;

    (void)rpc;
    c->initial = has(headers, n, "x-grpc-test-echo-initial", "test_initial_metadata_value");
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct ik_call *c = arg;
    struct ik_text text;

    assert_true(c->n < 8);
    get(data, len, 1, &text, &c->number);
    c->compressed[c->n] = data == bl_buf_head(&rpc->inflated);
    c->sizes[c->n++] = payload_size(data, len);
    if (c->in_message)
        c->in_message(c);
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct ik_call *c = arg;

    (void)rpc;
    c->done = true;
    c->status = result->status;
    c->trailing =
        has(result->trailers, result->trailers_n, "x-grpc-test-echo-trailing-bin", "\xab\xab\xab");
    snprintf(c->message, sizeof c->message, "%s", result->message);
}

static const struct belay_rpc_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_headers = on_headers,
    .on_message = on_message,
    .on_done = on_done,
};

void ik_begin(struct ik_call *c, const char *method, const struct belay_rpc_options *options)
{
    struct belay_error error;

    if (belay_rpc_start(ik_channel, method, options, &callbacks, c, &c->rpc, &error) < 0)
        fail_msg("%s", error.text);
}

void ik_until(const bool *done)
{
    int64_t end = belay_loop_now_ms(ik_loop) + LIMIT_MS;

    while (!*done) {
        assert_int_equal(belay_loop_turn(ik_loop, 100), 0);
        assert_true(belay_loop_now_ms(ik_loop) < end);
    }
}

void ik_ends(struct ik_call *c, int status)
{
    ik_until(&c->done);
    if (c->status != status)
        fail_msg("%s: %s", belay_grpc_status_name(c->status), c->message);
}

void ik_say(struct ik_call *c, struct ik_text *t)
{
    assert_int_equal(belay_rpc_write(c->rpc, t->data ? (void *)t->data : "", t->len), 0);
    ik_free(t);
}

void ik_say_all(struct ik_call *c, struct ik_text *t)
{
    ik_say(c, t);
    belay_rpc_end(c->rpc);
}
