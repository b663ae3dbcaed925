/* SPDX-License-Identifier: MIT */
/* The TLS filter over a pipe: handshakes, bytes, ends, and what a strange peer leads to. */
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "test_tls_kit.h"

/* ---- OpenSSL's memory, counted ---- */

static size_t openssl_bytes;

static void *count_malloc(size_t n, const char *file, int line)
{
    void *p = malloc(n);

    (void)file;
    (void)line;
    openssl_bytes += p ? malloc_usable_size(p) : 0;
    return p;
}

static void count_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    openssl_bytes -= p ? malloc_usable_size(p) : 0;
    free(p);
}

static void *count_realloc(void *p, size_t n, const char *file, int line)
{
    size_t old = p ? malloc_usable_size(p) : 0;
    void *q = realloc(p, n);

    (void)file;
    (void)line;
    if (q)
        openssl_bytes += malloc_usable_size(q) - old;
    return q;
}

/* ---- handshakes ---- */

/* Who has no room for the certificate is not made to pay for it. */
static void check_cheap_facts(struct kit_pair *pair)
{
    struct belay_tls_facts facts = belay_tls_facts_init();

    facts.size = offsetof(struct belay_tls_facts, peer_certificate);
    memset(facts.peer_pin, 'x', sizeof facts.peer_pin);
    assert_int_equal(pair->client->ops->tls_facts(pair->client, &facts), 0);
    assert_true(facts.verified);
    assert_null(facts.peer_certificate);
    assert_int_equal(facts.peer_pin[0], 'x');
    facts.size = 3;
    assert_int_equal(pair->client->ops->tls_facts(pair->client, &facts), BELAY_EINVAL);
}

static void check_handshake(struct kit *kit, int version, const char *text)
{
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.max_version = version});
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct belay_tls_facts facts = belay_tls_facts_init();
    struct kit_pair pair;

    assert_int_equal(kit_connect(&pair, kit, ctx, tls), 0);
    assert_int_equal(pair.client->ops->tls_facts(pair.client, &facts), 0);
    assert_string_equal(facts.version, text);
    assert_non_null(facts.cipher);
    assert_null(facts.alpn);
    assert_true(facts.verified);
    assert_false(facts.resumed);
    assert_true(facts.peer_certificate_len > 100);
    assert_memory_equal(facts.peer_pin, "sha256//", 8);
    check_cheap_facts(&pair);
    kit_exchange(&pair);
    kit_exchange(&pair);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void tls_1_2_shakes_hands_and_carries_bytes(void **state)
{
    check_handshake(*state, TLS1_2_VERSION, "TLSv1.2");
}

static void tls_1_3_shakes_hands_and_carries_bytes(void **state)
{
    check_handshake(*state, 0, "TLSv1.3");
}

static void check_bulk(struct kit *kit, int version, bool chop, bool stutter)
{
    static char sent[100000], got[100000];
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.max_version = version});
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct kit_pair pair;
    size_t n = 0;

    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)(i * 31 >> 3);
    kit_pair_init(&pair, kit, ctx);
    pair.wire.chop = chop;
    pair.wire.stutter = stutter;
    assert_int_equal(kit_dial(&pair, tls, NULL), 0);
    assert_int_equal(kit_shake(&pair), 0);
    kit_write_all(&pair, sent, sizeof sent);
    assert_int_equal(kit_server_reads(&pair, got, sizeof got), sizeof got);
    assert_memory_equal(sent, got, sizeof got);
    memset(got, 0, sizeof got);
    kit_server_writes(&pair, sent, sizeof sent);
    while (n < sizeof got) {
        ptrdiff_t r = kit_read(&pair, got + n, sizeof got - n);

        assert_true(r > 0);
        n += (size_t)r;
    }
    assert_memory_equal(sent, got, sizeof got);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void bytes_survive_a_wire_that_moves_one_at_a_time(void **state)
{
    check_bulk(*state, TLS1_2_VERSION, true, false);
    check_bulk(*state, 0, true, false);
}

static void bytes_survive_eagain_at_every_other_call(void **state)
{
    check_bulk(*state, TLS1_2_VERSION, false, true);
    check_bulk(*state, 0, true, true);
}

/* ---- cost ---- */

static void a_small_response_costs_one_read_and_a_flush_one_write(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct belay_bytes pieces[] = {{"GET / ", 6}, {"", 0}, {"HTTP/1.1\r\n", 10}, {"\r\n", 2}};
    struct kit_pair pair;
    char got[64];

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_exchange(&pair);
    pair.wire.reads = pair.wire.writes = 0;
    assert_int_equal(bl_filter_write(pair.client, pieces, 4, &pair.error), 18);
    assert_int_equal(pair.wire.writes, 1);
    assert_int_equal(kit_server_reads(&pair, got, sizeof got), 18);
    assert_memory_equal(got, "GET / HTTP/1.1\r\n\r\n", 18);
    kit_server_writes(&pair, "HTTP/1.1 200 OK\r\n\r\n", 19);
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), 19);
    assert_int_equal(pair.wire.reads, 1);
    assert_false(bl_filter_pending(pair.client));
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void records_that_came_together_are_pending(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct kit_pair pair;
    char got[64];

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_exchange(&pair);
    kit_server_writes(&pair, "one", 3);
    kit_server_writes(&pair, "two!", 4);
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), 3);
    assert_true(bl_filter_pending(pair.client));
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), 4);
    assert_false(bl_filter_pending(pair.client));
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void half_a_record_is_not_pending_once_nothing_came_of_it(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct bl_buf rest = {0};
    struct kit_pair pair;
    char got[64];

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_exchange(&pair);
    kit_server_writes(&pair, "payload", 7);
    bl_buf_append(&rest, &pair.wire.mem, bl_buf_head(&pair.wire.in) + 8,
                  bl_buf_len(&pair.wire.in) - 8);
    pair.wire.in.end = pair.wire.in.start + 8;
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), BELAY_EAGAIN);
    assert_false(bl_filter_pending(pair.client));
    pair.client->ops->idle(pair.client); /* must not lose the half */
    bl_buf_append(&pair.wire.in, &pair.wire.mem, bl_buf_head(&rest), bl_buf_len(&rest));
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), 7);
    bl_buf_free(&rest, &pair.wire.mem);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void a_blocked_write_goes_on_with_more_behind_it(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct belay_bytes first[] = {{"abc", 3}, {"def", 3}};
    struct kit_pair pair;
    char moved[] = "abcdefghi", got[64];
    struct belay_bytes again = {moved, 9};
    ptrdiff_t n;

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    pair.wire.choked = true;
    assert_int_equal(bl_filter_write(pair.client, first, 2, &pair.error), BELAY_EAGAIN);
    assert_int_equal(pair.client->ops->want(pair.client), 0);
    pair.wire.choked = false;
    n = bl_filter_write(pair.client, &again, 1, &pair.error);
    assert_int_equal(n, 9);
    assert_int_equal(kit_server_reads(&pair, got, sizeof got), 9);
    assert_memory_equal(got, "abcdefghi", 9);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

/* ---- memory ---- */

static void going_idle_gives_buffers_back(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct kit_pair pair;
    size_t before;
    char got[8];

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_exchange(&pair);
    assert_int_equal(kit_read(&pair, got, sizeof got), BELAY_EAGAIN);
    before = openssl_bytes;
    pair.client->ops->idle(pair.client);
    assert_true(before - openssl_bytes >= 16384);
    kit_exchange(&pair);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void a_connection_needs_little_memory_of_belays_own(void **state)
{
    struct kit *kit = *state;
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct belay_tls_facts facts = belay_tls_facts_init();
    const void *der;
    struct kit_pair first, second;
    size_t before;

    assert_int_equal(kit_connect(&first, kit, ctx, tls), 0);
    assert_int_equal(first.client->ops->tls_facts(first.client, &facts), 0);
    der = facts.peer_certificate;
    before = atomic_load(&kit->alloc.live_bytes);
    assert_int_equal(kit_connect(&second, kit, ctx, tls), 0);
    kit_exchange(&second);
    assert_int_equal(second.client->ops->tls_facts(second.client, &facts), 0);
    assert_ptr_equal(facts.peer_certificate, der);
    assert_true(atomic_load(&kit->alloc.live_bytes) - before <= 200);
    kit_pair_close(&first);
    kit_pair_close(&second);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

/* ---- ALPN, versions ---- */

static const uint8_t offers[] = "\x02h2\x08http/1.1";

static int connect_alpn(struct kit_pair *pair, struct kit *kit, SSL_CTX *ctx, struct belay_tls *tls)
{
    struct bl_tls_want want = {
        .tls = tls, .server_name = "a.test", .alpn = offers, .alpn_len = sizeof offers - 1};

    kit_pair_init(pair, kit, ctx);
    assert_int_equal(kit_dial_want(pair, &want), 0);
    return kit_shake(pair);
}

static void the_protocol_agreed_is_a_fact(void **state)
{
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.alpn = "http/1.1"});
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct belay_tls_facts facts = belay_tls_facts_init();
    struct kit_pair pair;

    assert_int_equal(connect_alpn(&pair, *state, ctx, tls), 0);
    pair.client->ops->tls_facts(pair.client, &facts);
    assert_string_equal(facts.alpn, "http/1.1");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void a_server_without_alpn_leaves_it_to_the_caller(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct belay_tls_facts facts = belay_tls_facts_init();
    struct kit_pair pair;

    assert_int_equal(connect_alpn(&pair, *state, ctx, tls), 0);
    pair.client->ops->tls_facts(pair.client, &facts);
    assert_null(facts.alpn);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void a_server_that_speaks_none_of_the_offers_says_so(void **state)
{
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.alpn = "smtp"});
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct kit_pair pair;

    assert_int_equal(connect_alpn(&pair, *state, ctx, tls), BELAY_EALPN);
    assert_says(&pair.error, BELAY_EALPN, "none of the protocols offered");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void want_1_3(struct belay_tls_options *o)
{
    o->min_version = BELAY_TLS_1_3;
}

static void a_server_below_the_minimum_version_is_refused(void **state)
{
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.max_version = TLS1_2_VERSION});
    struct belay_tls *tls = kit_identity(*state, want_1_3);
    struct kit_pair pair;

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), BELAY_ETLS);
    assert_says(&pair.error, BELAY_ETLS, "no version of TLS that is allowed");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void tls_1_1_is_refused_by_default(void **state)
{
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.max_version = TLS1_1_VERSION});
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct kit_pair pair;

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), BELAY_ETLS);
    assert_says(&pair.error, BELAY_ETLS, "no version of TLS that is allowed");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

/* ---- SNI ---- */

static int remember_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    snprintf(arg, 64, "%s", name ? name : "(none)");
    return SSL_TLSEXT_ERR_OK;
}

static void the_server_is_told_the_name_but_never_an_address(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct bl_tls_want want = {.tls = tls, .server_name = "a.test", .no_sni = true};
    struct kit_pair pair;
    char heard[64];

    SSL_CTX_set_tlsext_servername_callback(ctx, remember_name);
    SSL_CTX_set_tlsext_servername_arg(ctx, heard);
    static const char *const names[][2] = {
        {"a.test", "a.test"}, {"a.test.", "a.test"}, {"127.0.0.1", "(none)"}};
    for (size_t i = 0; i < 3; i++) {
        kit_pair_init(&pair, *state, ctx);
        assert_int_equal(kit_dial(&pair, tls, names[i][0]), 0);
        assert_int_equal(kit_shake(&pair), 0);
        assert_string_equal(heard, names[i][1]);
        kit_pair_close(&pair);
    }
    kit_pair_init(&pair, *state, ctx);
    assert_int_equal(kit_dial_want(&pair, &want), 0);
    assert_int_equal(kit_shake(&pair), 0);
    assert_string_equal(heard, "(none)");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

/* ---- peers that are not what they should be ---- */

static int shake_with(struct kit_pair *pair, struct kit *kit, struct belay_tls *tls,
                      const char *bytes, bool eof)
{
    kit_pair_init(pair, kit, NULL);
    assert_int_equal(kit_dial(pair, tls, NULL), 0);
    bl_buf_append(&pair->wire.in, &pair->wire.mem, bytes, strlen(bytes));
    pair->wire.eof = eof;
    return kit_shake(pair);
}

static void a_peer_that_speaks_plain_is_quoted(void **state)
{
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct kit_pair pair;

    assert_int_equal(
        shake_with(&pair, *state, tls, "HTTP/1.1 400 Bad Request\r\nServer: x\r\n", true),
        BELAY_ETLS);
    assert_says(&pair.error, BELAY_ETLS, "does not speak TLS (it sent 'HTTP/1.1 400 Bad Request')");
    kit_pair_close(&pair);
    assert_int_equal(shake_with(&pair, *state, tls, "OK\n", true), BELAY_ETLS);
    assert_says(&pair.error, BELAY_ETLS, "it sent 'OK'");
    kit_pair_close(&pair);
    assert_int_equal(shake_with(&pair, *state, tls, "SSH-2.0-\x1b[2Jx\r\n", false), BELAY_ETLS);
    assert_says(&pair.error, BELAY_ETLS, "it sent 'SSH-2.0-\\x1b[2Jx'");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
}

static void a_plain_peer_is_quoted_byte_by_byte_too(void **state)
{
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct kit_pair pair;
    const char *text = "220 mail.test ready\r\n";

    kit_pair_init(&pair, *state, NULL);
    pair.wire.chop = true;
    assert_int_equal(kit_dial(&pair, tls, NULL), 0);
    bl_buf_append(&pair.wire.in, &pair.wire.mem, text, strlen(text));
    assert_int_equal(kit_shake(&pair), BELAY_ETLS);
    assert_says(&pair.error, BELAY_ETLS, "it sent '220 mail.test ready'");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
}

static void an_end_during_the_handshake_says_so(void **state)
{
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct kit_pair pair;

    assert_int_equal(shake_with(&pair, *state, tls, "", true), BELAY_EEOF);
    assert_says(&pair.error, BELAY_EEOF, "during the TLS handshake");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
}

static void an_error_below_passes_unchanged(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct belay_bytes bytes = {"x", 1};
    struct kit_pair pair;
    char got[8];

    kit_pair_init(&pair, *state, ctx);
    assert_int_equal(kit_dial(&pair, tls, NULL), 0);
    pair.wire.broken = BELAY_ERESET;
    assert_int_equal(kit_shake(&pair), BELAY_ERESET);
    assert_says(&pair.error, BELAY_ERESET, "the wire is broken");
    kit_pair_close(&pair);

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_exchange(&pair);
    pair.wire.broken = BELAY_ERESET;
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), BELAY_ERESET);
    assert_int_equal(bl_filter_write(pair.client, &bytes, 1, &pair.error), BELAY_ERESET);
    assert_says(&pair.error, BELAY_ERESET, "the wire is broken");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void a_record_that_was_tampered_with_is_an_error(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct kit_pair pair;
    char got[8];

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_exchange(&pair);
    kit_server_writes(&pair, "payload", 7);
    bl_buf_head(&pair.wire.in)[10] ^= 1;
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), BELAY_ETLS);
    assert_says(&pair.error, BELAY_ETLS, "bad record mac");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

/* ---- ends ---- */

static void a_close_notify_is_an_end_and_a_cut_is_an_error(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct kit_pair pair;
    char got[8];

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_exchange(&pair);
    SSL_shutdown(pair.server);
    kit_pump(&pair);
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), 0);
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), 0);
    kit_pair_close(&pair);

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_exchange(&pair);
    pair.wire.eof = true;
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), BELAY_EEOF);
    assert_says(&pair.error, BELAY_EEOF, "cut short");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void the_client_can_write_after_the_servers_close_notify(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct belay_bytes bytes = {"late", 4};
    struct kit_pair pair;
    char got[8];

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_exchange(&pair);
    SSL_shutdown(pair.server);
    kit_pump(&pair);
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), 0);
    assert_int_equal(bl_filter_write(pair.client, &bytes, 1, &pair.error), 4);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void shutdown_says_goodbye_once_and_ends_the_wire(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct kit_pair pair;
    char got[8];

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_exchange(&pair);
    pair.wire.choked = true;
    assert_int_equal(bl_filter_shutdown(pair.client, &pair.error), BELAY_EAGAIN);
    assert_false(pair.wire.shut);
    pair.wire.choked = false;
    assert_int_equal(bl_filter_shutdown(pair.client, &pair.error), 0);
    assert_true(pair.wire.shut);
    pair.wire.writes = 0;
    assert_int_equal(bl_filter_shutdown(pair.client, &pair.error), 0);
    assert_int_equal(pair.wire.writes, 0);
    kit_pump(&pair);
    assert_int_equal(SSL_read(pair.server, got, sizeof got), 0);
    assert_int_equal(SSL_get_error(pair.server, 0), SSL_ERROR_ZERO_RETURN);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void tickets_on_an_idle_connection_are_neither_data_nor_end(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct kit_pair pair;
    char got[8];

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_pump(&pair);
    assert_true(bl_buf_len(&pair.wire.in) > 0); /* the tickets */
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), BELAY_EAGAIN);
    assert_int_equal(bl_buf_len(&pair.wire.in), 0);
    assert_false(bl_filter_pending(pair.client));
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void a_key_update_is_answered_along_the_way(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct kit_pair pair;

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_exchange(&pair);
    assert_int_equal(SSL_key_update(pair.server, SSL_KEY_UPDATE_REQUESTED), 1);
    kit_exchange(&pair);
    kit_exchange(&pair);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

/* ---- TLS within TLS ---- */

/* What the outer server reads is the inner one's input, and back. */
static void pump_inner(struct kit_pair *outer, SSL *inner)
{
    char bytes[4096];
    size_t n;
    char *data;
    long len;

    kit_pump(outer);
    if (!SSL_is_init_finished(outer->server))
        return;
    while (SSL_read_ex(outer->server, bytes, sizeof bytes, &n) == 1)
        BIO_write(SSL_get_rbio(inner), bytes, (int)n);
    if (!SSL_is_init_finished(inner))
        SSL_do_handshake(inner);
    len = BIO_get_mem_data(SSL_get_wbio(inner), &data);
    if (len > 0)
        kit_server_writes(outer, data, (size_t)len);
    BIO_reset(SSL_get_wbio(inner));
}

static void tls_runs_within_tls(void **state)
{
    struct kit *kit = *state;
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct bl_tls_want want = {.tls = tls, .server_name = "b.w.test"};
    struct belay_bytes hello = {"hello", 5};
    struct bl_filter *inner = NULL;
    SSL *server = SSL_new(ctx);
    struct kit_pair outer;
    int code = BELAY_EAGAIN;
    char got[8];

    SSL_set_bio(server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(server);
    kit_pair_init(&outer, kit, ctx);
    outer.wire.stutter = true;
    assert_int_equal(kit_dial(&outer, tls, NULL), 0);
    assert_int_equal(kit_shake(&outer), 0);
    assert_int_equal(bl_tls_filter_new(kit->loop, &want, outer.client, &inner, &outer.error), 0);
    for (int i = 0; i < 100 && code == BELAY_EAGAIN; i++) {
        code = inner->ops->start(inner, &outer.error);
        pump_inner(&outer, server);
    }
    assert_int_equal(code, 0);
    outer.wire.stutter = false;
    assert_int_equal(bl_filter_write(inner, &hello, 1, &outer.error), 5);
    pump_inner(&outer, server);
    assert_int_equal(SSL_read(server, got, sizeof got), 5);
    assert_int_equal(SSL_write(server, "olleh", 5), 5);
    assert_int_equal(SSL_write(server, "!", 1), 1);
    pump_inner(&outer, server);
    assert_int_equal(bl_filter_read(inner, got, sizeof got, &outer.error), 5);
    assert_true(bl_filter_pending(inner));
    assert_int_equal(bl_filter_read(inner, got, sizeof got, &outer.error), 1);
    assert_int_equal(bl_filter_shutdown(inner, &outer.error), 0);
    assert_true(outer.wire.shut); /* by way of the outer close_notify */
    inner->ops->close(inner);
    SSL_free(server);
    kit_pair_close(&outer);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

/* Other code of the thread leaves things in OpenSSL's error queue: they must not decide. */
static void what_others_left_in_the_error_queue_means_nothing(void **state)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct belay_bytes bytes = {"late", 4};
    struct kit_pair pair;
    char got[8];

    kit_pair_init(&pair, *state, ctx);
    ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
    assert_int_equal(kit_dial(&pair, tls, NULL), 0);
    assert_int_equal(kit_shake(&pair), 0);
    kit_exchange(&pair);
    ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), BELAY_EAGAIN);
    pair.wire.choked = true;
    assert_int_equal(bl_filter_write(pair.client, &bytes, 1, &pair.error), BELAY_EAGAIN);
    pair.wire.choked = false;
    assert_int_equal(bl_filter_write(pair.client, &bytes, 1, &pair.error), 4);
    SSL_shutdown(pair.server);
    kit_pump(&pair);
    ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
    assert_int_equal(bl_filter_read(pair.client, got, sizeof got, &pair.error), 0);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

/* ---- client certificates ---- */

static const char *client_cert, *client_key;

static void with_client(struct belay_tls_options *o)
{
    o->cert_file = client_cert;
    o->key_file = client_key;
}

static struct belay_tls *client_identity(struct kit *kit, const struct kit_cert *cert)
{
    client_cert = kit_cert_file(kit, "client.pem", &(X509 *){cert->cert}, 1);
    client_key = kit_key_file(kit, "client.key", cert->key, NULL);
    return kit_identity(kit, with_client);
}

static void a_client_certificate_is_shown_when_asked_for(void **state)
{
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.wants_client = true});
    struct kit_cert cert = kit_cert_make(&(struct kit_cert_plan){.cn = "me", .issuer = kit_ca()});
    struct belay_tls *tls = client_identity(*state, &cert);
    struct kit_pair pair;

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_exchange(&pair);
    assert_int_equal(X509_cmp(SSL_get0_peer_certificate(pair.server), cert.cert), 0);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    kit_cert_free(&cert);
    SSL_CTX_free(ctx);
}

static void a_refused_client_certificate_shows_at_the_first_read(void **state)
{
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.wants_client = true});
    struct kit_cert cert = kit_cert_make(&(struct kit_cert_plan){.cn = "stranger"});
    struct belay_tls *tls = client_identity(*state, &cert);
    struct kit_pair pair;
    char got[8];

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    assert_int_equal(kit_read(&pair, got, sizeof got), BELAY_ETLS);
    assert_says(&pair.error, BELAY_ETLS, "refused our client certificate");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    kit_cert_free(&cert);
    SSL_CTX_free(ctx);
}

static void a_missing_client_certificate_is_named(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, 0};

    for (size_t i = 0; i < 2; i++) {
        SSL_CTX *ctx =
            kit_server(&(struct kit_server_plan){.wants_client = true, .max_version = versions[i]});
        struct belay_tls *tls = kit_identity(*state, NULL);
        struct kit_pair pair;
        char got[8];
        int code = kit_connect(&pair, *state, ctx, tls);

        if (code == 0)
            code = (int)kit_read(&pair, got, sizeof got);
        assert_int_equal(code, BELAY_ETLS);
        if (i == 1)
            assert_says(&pair.error, BELAY_ETLS, "wants a client certificate");
        kit_pair_close(&pair);
        belay_tls_unref(tls);
        SSL_CTX_free(ctx);
    }
}

static void the_reason_for_a_reset_is_found_behind_it(void **state)
{
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.wants_client = true});
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct belay_bytes bytes = {"GET", 3};
    struct kit_pair pair;

    assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
    kit_pump(&pair);
    pair.wire.broken = BELAY_ERESET;
    assert_int_equal(bl_filter_write(pair.client, &bytes, 1, &pair.error), BELAY_ETLS);
    assert_says(&pair.error, BELAY_ETLS, "wants a client certificate");
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, kit_set_up, kit_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tls_1_2_shakes_hands_and_carries_bytes),
        TEST(tls_1_3_shakes_hands_and_carries_bytes),
        TEST(bytes_survive_a_wire_that_moves_one_at_a_time),
        TEST(bytes_survive_eagain_at_every_other_call),
        TEST(a_small_response_costs_one_read_and_a_flush_one_write),
        TEST(records_that_came_together_are_pending),
        TEST(half_a_record_is_not_pending_once_nothing_came_of_it),
        TEST(a_blocked_write_goes_on_with_more_behind_it),
        TEST(going_idle_gives_buffers_back),
        TEST(a_connection_needs_little_memory_of_belays_own),
        TEST(the_protocol_agreed_is_a_fact),
        TEST(a_server_without_alpn_leaves_it_to_the_caller),
        TEST(a_server_that_speaks_none_of_the_offers_says_so),
        TEST(a_server_below_the_minimum_version_is_refused),
        TEST(tls_1_1_is_refused_by_default),
        TEST(the_server_is_told_the_name_but_never_an_address),
        TEST(a_peer_that_speaks_plain_is_quoted),
        TEST(a_plain_peer_is_quoted_byte_by_byte_too),
        TEST(an_end_during_the_handshake_says_so),
        TEST(an_error_below_passes_unchanged),
        TEST(a_record_that_was_tampered_with_is_an_error),
        TEST(a_close_notify_is_an_end_and_a_cut_is_an_error),
        TEST(the_client_can_write_after_the_servers_close_notify),
        TEST(shutdown_says_goodbye_once_and_ends_the_wire),
        TEST(tickets_on_an_idle_connection_are_neither_data_nor_end),
        TEST(a_key_update_is_answered_along_the_way),
        TEST(tls_runs_within_tls),
        TEST(what_others_left_in_the_error_queue_means_nothing),
        TEST(a_client_certificate_is_shown_when_asked_for),
        TEST(a_refused_client_certificate_shows_at_the_first_read),
        TEST(a_missing_client_certificate_is_named),
        TEST(the_reason_for_a_reset_is_found_behind_it),
    };

    if (CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) != 1)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
