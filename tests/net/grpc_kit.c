/* SPDX-License-Identifier: MIT */
/* The kit of the tests of gRPC. */
#include "grpc_kit.h"

#include <ctype.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the server ---- */

static void note_fields(struct grpc_kit *k, unsigned conn, const struct h2_frame *frame)
{
    nghttp2_hd_inflater *inflater = k->inflaters[conn];
    const uint8_t *at = frame->payload;
    size_t left = frame->len, n = 0;

    if (frame->flags & 0x20) { /* PRIORITY */
        at += 5;
        left -= 5;
    }
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, at, left, 1);

        assert_true(used >= 0);
        at += used;
        left -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            n += (size_t)snprintf(k->fields + n, sizeof k->fields - n, "%.*s: %.*s\n",
                                  (int)nv.namelen, (const char *)nv.name, (int)nv.valuelen,
                                  (const char *)nv.value);
            assert_true(n < sizeof k->fields);
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
    }
    nghttp2_hd_inflate_end_headers(inflater);
}

static void on_frame(struct h2_server *s, unsigned conn, const struct h2_frame *frame)
{
    struct grpc_kit *k = s->extra;
    bool end = frame->flags & H2_END_STREAM;

    if (frame->type == H2_HEADERS) {
        if (!k->inflaters[conn])
            assert_int_equal(nghttp2_hd_inflate_new(&k->inflaters[conn]), 0);
        note_fields(k, conn, frame);
        k->id = frame->id;
        k->ended = end;
        k->data_len = 0;
        if (k->on_request)
            k->on_request(k, frame->id);
    } else if (frame->type == H2_DATA) {
        assert_true(k->data_len + frame->len <= sizeof k->data);
        memcpy(k->data + k->data_len, frame->payload, frame->len);
        k->data_len += frame->len;
        k->ended = end;
        if (k->on_data)
            k->on_data(k, frame->id, end);
    }
}

struct belay_channel_options grpc_options(void)
{
    struct belay_channel_options o = belay_channel_options_init();

    o.plain = true;
    return o;
}

void grpc_open(struct grpc_kit *k, const struct belay_channel_options *options)
{
    struct belay_channel_options o = grpc_options();
    struct belay_error error;
    char target[64];

    h2_open(&k->h2, NULL);
    k->h2.server.extra = k;
    k->h2.server.on_frame = on_frame;
    snprintf(target, sizeof target, "ipv4:127.0.0.1:%d", k->h2.server.port);
    if (belay_channel_open(k->h2.kit.loop, target, options ? options : &o, &k->channel, &error) < 0)
        fail_msg("%s", error.text);
}

void grpc_close(struct grpc_kit *k)
{
    h2_close(&k->h2);
    for (unsigned i = 0; i < H2_CONNS; i++) {
        if (k->inflaters[i])
            nghttp2_hd_inflate_del(k->inflaters[i]);
    }
}

static unsigned last(const struct grpc_kit *k)
{
    return k->h2.server.accepted - 1;
}

void grpc_say_head(struct grpc_kit *k, uint32_t id, uint8_t flags, const char *fields)
{
    h2_head(&k->h2.server, last(k), (uint8_t)(flags | H2_END_HEADERS), id, fields);
}

void grpc_say_bytes(struct grpc_kit *k, uint32_t id, uint8_t flags, const void *data, size_t len)
{
    h2_frame(&k->h2.server, last(k), H2_DATA, flags, id, data, len);
}

void grpc_say(struct grpc_kit *k, uint32_t id, int compressed, const void *data, size_t len)
{
    char *bytes = malloc(len + 5);

    assert_non_null(bytes);
    bytes[0] = (char)compressed;
    for (unsigned i = 0; i < 4; i++)
        bytes[1 + i] = (char)(len >> (24 - 8 * i));
    memcpy(bytes + 5, data, len);
    grpc_say_bytes(k, id, 0, bytes, len + 5);
    free(bytes);
}

void grpc_say_text(struct grpc_kit *k, uint32_t id, const char *text)
{
    grpc_say(k, id, 0, text, strlen(text));
}

void grpc_answer(struct grpc_kit *k, uint32_t id, const char *text)
{
    grpc_say_head(k, id, 0, GRPC_HEAD);
    grpc_say_text(k, id, text);
    grpc_say_head(k, id, H2_END_STREAM, GRPC_OK);
}

/* ---- calls ---- */

static void list(char *out, size_t size, const struct belay_header *h, size_t n)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        at += (size_t)snprintf(out + at, size - at, "%.*s: ", (int)h[i].name_len, h[i].name);
        for (size_t j = 0; j < h[i].value_len; j++) {
            unsigned char c = (unsigned char)h[i].value[j];

            at += (size_t)snprintf(out + at, size - at, isprint(c) ? "%c" : "\\x%02x", c);
        }
        at += (size_t)snprintf(out + at, size - at, "\n");
        assert_true(at < size);
    }
}

static void on_headers(struct belay_rpc *rpc, const struct belay_header *headers, size_t n,
                       void *arg)
{
    struct rpc_call *c = arg;

    (void)rpc;
    assert_false(c->done);
    c->heads++;
    list(c->headers, sizeof c->headers, headers, n);
    if (c->in_headers)
        c->in_headers(c);
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct rpc_call *c = arg;
    size_t at = strlen(c->messages);

    assert_false(c->done);
    c->n++;
    c->bytes += len;
    if (at + 102 < sizeof c->messages)
        snprintf(c->messages + at, sizeof c->messages - at, "%.*s|", (int)(len < 100 ? len : 100),
                 (const char *)data);
    if (c->pauses)
        belay_rpc_pause(rpc);
    if (c->in_message)
        c->in_message(c, data, len);
}

static void on_writable(struct belay_rpc *rpc, void *arg)
{
    struct rpc_call *c = arg;

    (void)rpc;
    assert_false(c->done);
    c->writables++;
    if (c->in_writable)
        c->in_writable(c);
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct rpc_call *c = arg;

    (void)rpc;
    c->dones++;
    c->done = true;
    c->status = result->status;
    c->attempts = result->attempts;
    assert_non_null(result->message);
    snprintf(c->message, sizeof c->message, "%s", result->message);
    if (result->error)
        c->error = *result->error;
    list(c->trailers, sizeof c->trailers, result->trailers, result->trailers_n);
    if (c->in_done)
        c->in_done(c);
}

const struct belay_rpc_callbacks rpc_call_callbacks = {
    .size = sizeof rpc_call_callbacks,
    .on_headers = on_headers,
    .on_message = on_message,
    .on_writable = on_writable,
    .on_done = on_done,
};

void rpc_begin(struct grpc_kit *k, struct rpc_call *c, const struct belay_rpc_options *options)
{
    struct belay_error error;

    c->kit = k;
    if (belay_rpc_start(k->channel, GRPC_METHOD, options, &rpc_call_callbacks, c, &c->rpc, &error) <
        0)
        fail_msg("%s", error.text);
}

static void on_response(const void *response, size_t len, const struct belay_rpc_result *result,
                        void *arg)
{
    struct rpc_call *c = arg;

    if (response)
        on_message(c->rpc, response, len, c);
    on_done(c->rpc, result, c);
}

void rpc_unary(struct grpc_kit *k, struct rpc_call *c, const struct belay_rpc_options *options)
{
    struct belay_error error;

    c->kit = k;
    if (belay_channel_unary(k->channel, GRPC_METHOD, "hello", 5, options, &c->rpc, on_response, c,
                            &error) < 0)
        fail_msg("%s", error.text);
}

void rpc_wait(struct rpc_call *c)
{
    h2_until(&c->kit->h2, &c->done);
    assert_int_equal(c->dones, 1);
}

void rpc_ends(struct rpc_call *c, int status, const char *text)
{
    rpc_wait(c);
    if (c->status != status || !strstr(c->message, text))
        fail_msg("%s: \"%s\"", belay_grpc_status_name(c->status), c->message);
}
